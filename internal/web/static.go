package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
)

// assets are the pages' own files and the vendored ones: htmx 4.0.1 and its hx-sse extension (Zero-Clause
// BSD), unchanged from the npm package htmx.org (dist/htmx.min.js, dist/ext/hx-sse.min.js). To take a newer
// one: npm pack htmx.org in a folder elsewhere, copy, rename, renew SHA256SUMS.
//
//go:embed static
var assets embed.FS

// types are stated here because a machine's own table of types may say otherwise, and nosniff would
// then refuse our scripts.
var types = map[string]string{
	".js":  "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml",
	".txt": "text/plain; charset=utf-8",
	"":     "text/plain; charset=utf-8",
}

// sums are the short content hashes of all assets: their version in addresses.
var sums = func() map[string]string {
	out := map[string]string{}
	entries, err := assets.ReadDir("static")
	if err != nil {
		panic("web: the embedded assets must be readable: " + err.Error())
	}
	for _, e := range entries {
		b, err := assets.ReadFile("static/" + e.Name())
		if err != nil {
			panic("web: " + err.Error())
		}
		h := sha256.Sum256(b)
		out[e.Name()] = hex.EncodeToString(h[:6])
	}
	return out
}()

// staticPath is the address of an asset; it changes with the content, so that it may be cached for ever.
func staticPath(name string) string { return "/static/" + name + "?v=" + sums[name] }

func serveStatic(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	sum, ok := sums[name]
	b, err := assets.ReadFile("static/" + name)
	if !ok || err != nil {
		http.Error(w, "There is no such file.", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", types[path.Ext(name)])
	w.Header().Set("ETag", `"`+sum+`"`)
	if r.URL.Query().Get("v") == sum {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		w.Header().Set("Cache-Control", "no-cache")
	}
	if r.Header.Get("If-None-Match") == `"`+sum+`"` {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(b) // the reader may have gone; nobody to tell
}
