package web

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"certwright/internal/order"
)

func TestHeaders(t *testing.T) {
	h := New(fixtures().options())
	for _, path := range []string{"/", "/sign-in", "/orders/mail", "/static/app.js", "/nowhere"} {
		got := browse(t, h, "GET", path).Header()
		csp := got.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if got.Get("X-Frame-Options") != "DENY" || got.Get("X-Content-Type-Options") != "nosniff" || got.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %v", path, got)
		}
	}
	if c := browse(t, h, "GET", "/orders/mail").Header().Get("Cache-Control"); c != "no-store" {
		t.Errorf("a page may be kept: %s", c)
	}
	if c := browse(t, h, "GET", staticPath("app.css")).Header().Get("Cache-Control"); !strings.Contains(c, "immutable") {
		t.Errorf("an asset under its own sum may not be kept: %s", c)
	}
}

func TestNothingWithoutSignIn(t *testing.T) {
	h := New(fixtures().options())
	for _, path := range []string{"/", "/live", "/orders/mail", "/orders/mail/-/timeline", "/orders/mail/-/resource", "/orders/mail/-/diagnosis", "/orders/mail/-/live", "/nowhere"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/sign-in") || strings.Contains(w.Body.String(), "mail.example") {
			t.Errorf("%s: %d to %s", path, w.Code, w.Header().Get("Location"))
		}
	}
	w := fixtures()
	h = New(w.options())
	for _, path := range []string{"/orders/mail/-/sync", "/orders/mail/-/verify"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", path, nil))
	}
	if w.called() != "" {
		t.Errorf("done without a session: %s", w.called())
	}
	rec := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/orders/mail", nil)
	htmx(r)
	h.ServeHTTP(rec, r)
	if rec.Code != http.StatusUnauthorized || rec.Header().Get("HX-Redirect") == "" {
		t.Errorf("a piece of a page: %d %v", rec.Code, rec.Header())
	}
}

func post(h http.Handler, path string, form url.Values, set ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "https://certwright.example.test:8443"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, f := range set {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestSignIn(t *testing.T) {
	h := New(fixtures().options())
	wrong := post(h, "/sign-in", url.Values{"token": {"wr0ng-token"}, "next": {"/orders/mail"}})
	if wrong.Code != 401 || wrong.Header().Get("Set-Cookie") != "" || strings.Contains(wrong.Body.String(), "wr0ng-token") {
		t.Errorf("a wrong token: %d %v", wrong.Code, wrong.Header())
	}
	says(t, wrong.Body.String(), "You are not signed in", "This token is not known or has run out.")
	if got := post(h, "/sign-in", url.Values{"token": {"  "}}); got.Code != 422 {
		t.Errorf("no token: %d", got.Code)
	}
	right := post(h, "/sign-in", url.Values{"token": {" right\n"}, "next": {"/orders/mail"}})
	c := right.Header().Get("Set-Cookie")
	if right.Code != 303 || right.Header().Get("Location") != "/orders/mail" {
		t.Errorf("%d to %s", right.Code, right.Header().Get("Location"))
	}
	for _, want := range []string{"__Host-certwright=s3ssion", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"} {
		if !strings.Contains(c, want) || strings.Contains(c, "Domain") {
			t.Errorf("cookie %q lacks %s", c, want)
		}
	}
	out := post(h, "/sign-out", nil)
	if !strings.Contains(out.Header().Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("sign-out leaves the cookie: %v", out.Header())
	}
	if big := post(h, "/sign-in", url.Values{"token": {strings.Repeat("x", maxForm+1)}}); big.Code < 400 {
		t.Errorf("a form too large: %d", big.Code)
	}
}

func TestReturnPathStaysHere(t *testing.T) {
	for in, want := range map[string]string{"/orders/x?did=sync": "/orders/x?did=sync", "//evil.test": "/", `/\evil.test`: "/", "https://evil.test/": "/", "evil": "/", "": "/", "/a\nb": "/", "/\t/evil.test": "/"} {
		if got := localPath(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func signedIn(r *http.Request) { r.AddCookie(&http.Cookie{Name: SessionCookie, Value: "s3ssion"}) }

func TestPostsOfOtherOriginsDoNothing(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*http.Request)
		done bool
	}{
		"a page of another site":      {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, false},
		"a sibling host":              {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, false},
		"another origin, old browser": {func(r *http.Request) { r.Header.Set("Origin", "https://evil.test") }, false},
		"our own page":                {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }, true},
		"our own page, Host was rewritten": {func(r *http.Request) {
			r.Host = "inner:1"
			r.Header.Set("Origin", "https://certwright.example.test:8443")
		}, true},
	} {
		w := fixtures()
		got := post(New(w.options()), "/orders/mail/-/sync", nil, signedIn, c.set)
		if (w.called() != "") != c.done || c.done != (got.Code == 303) {
			t.Errorf("%s: %d, called %q", name, got.Code, w.called())
		}
	}
}

func TestActions(t *testing.T) {
	w := fixtures()
	h := New(w.options())
	if got := post(h, "/orders/shop/-/sync", nil, signedIn); got.Code != 303 || got.Header().Get("Location") != "/orders/shop?did=sync" {
		t.Errorf("%d to %s", got.Code, got.Header().Get("Location"))
	}
	says(t, browse(t, h, "GET", "/orders/shop?did=sync").Body.String(), "Sync was asked for.")
	says(t, post(h, "/orders/blog/-/verify", nil, signedIn, htmx).Body.String(), "Verification was asked for.")
	if w.called() != "sync shop by alice; verify blog by alice" {
		t.Errorf("called: %s", w.called())
	}
	w.refuse = &order.Refusal{Kind: order.Conflict, Code: "OrderDenied", Message: "a denied order cannot be verified", Fix: "Order again."}
	for _, set := range [][]func(*http.Request){{signedIn}, {signedIn, htmx}} {
		got := post(h, "/orders/api/-/verify", nil, set...)
		if got.Code != 409 {
			t.Errorf("refused: %d", got.Code)
		}
		says(t, got.Body.String(), "Nothing was done.", "A denied order cannot be verified. Order again.")
	}
	if got := browse(t, h, "GET", "/orders/shop/-/sync"); got.Code == 200 {
		t.Error("a GET gives a command")
	}
}

func TestVendoredFilesAreWhatTheyWere(t *testing.T) {
	f, err := assets.Open("static/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{"SHA256SUMS": true, "app.js": true, "app.css": true, "favicon.svg": true} // our own
	for s := bufio.NewScanner(f); s.Scan(); {
		sum, name, _ := strings.Cut(s.Text(), "  ")
		b, err := assets.ReadFile("static/" + name)
		h := sha256.Sum256(b)
		if err != nil || hex.EncodeToString(h[:]) != sum {
			t.Errorf("%s: sum %x, listed %s (%v)", name, h, sum, err)
		}
		listed[name] = true
	}
	for name := range sums {
		if !listed[name] {
			t.Errorf("%s is neither ours nor listed in SHA256SUMS", name)
		}
	}
	for _, url := range []string{"htmx-4.0.1.min.js", "hx-sse-4.0.1.min.js", "app.css", "app.js", "favicon.svg"} {
		if sums[url] == "" {
			t.Errorf("%s, which pages link to, is not embedded", url)
		}
	}
}

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	dir := t.TempDir()
	sources, err := filepath.Glob("*.templ")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no templates: %v", err)
	}
	for _, s := range sources {
		b, err := os.ReadFile(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, s), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("go", "tool", "templ", "generate", "-path", dir).CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("templ cannot run: %v\n%s", err, out)
		}
		t.Skipf("templ cannot run here: %v\n%s", err, out)
	}
	// The generator writes the path it was given into its error positions.
	base := regexp.MustCompile("FileName: `[^`]*/")
	for _, s := range sources {
		name := strings.TrimSuffix(s, ".templ") + "_templ.go"
		fresh, err1 := os.ReadFile(filepath.Join(dir, name))
		have, err2 := os.ReadFile(name)
		if err1 != nil || err2 != nil || !bytes.Equal(base.ReplaceAll(fresh, []byte("FileName: `")), base.ReplaceAll(have, []byte("FileName: `"))) {
			t.Errorf("%s is not what %s generates: run go tool templ generate -path internal/web (%v %v)", name, s, err1, err2)
		}
	}
}

// TestContrast computes WCAG's contrast of every ink on every ground that it stands on, in both schemes.
func TestContrast(t *testing.T) {
	css, err := assets.ReadFile("static/app.css")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile(`(?s):root \{(.*?)\n *\}`).FindAllStringSubmatch(string(css), 2)
	if len(blocks) != 2 {
		t.Fatalf("%d sets of tokens, want light and dark", len(blocks))
	}
	token := regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6})`)
	for i, b := range blocks {
		c := map[string]string{}
		for _, m := range token.FindAllStringSubmatch(b[1], -1) {
			c[m[1]] = m[2]
		}
		for ground, inks := range map[string]string{"bg": "ink soft accent", "card": "ink soft accent ok wait bad off", "accent-soft": "ink soft accent ok wait bad off", "accent": "on-accent",
			"ok-soft": "ok ink", "wait-soft": "wait ink", "bad-soft": "bad ink", "off-soft": "off ink accent"} {
			for _, ink := range strings.Fields(inks) {
				if got := contrast(c[ink], c[ground]); got < 4.5 {
					t.Errorf("scheme %d: %s on %s has contrast %.2f", i, ink, ground, got)
				}
			}
		}
		if got := contrast(c["line-strong"], c["card"]); got < 3 {
			t.Errorf("scheme %d: the edge of a control has contrast %.2f, want 3", i, got)
		}
	}
}

func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + .05) / (min(x, y) + .05)
}

func luminance(hex string) float64 {
	var l float64
	for i, weight := range []float64{.2126, .7152, .0722} {
		if len(hex) != 6 {
			return math.NaN()
		}
		n, _ := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		v := float64(n) / 255
		if v <= .04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+.055)/1.055, 2.4)
		}
		l += weight * v
	}
	return l
}
