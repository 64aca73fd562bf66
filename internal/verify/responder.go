package verify

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Where authorities look, as paths without their first slash.
const (
	challengeDir  = ".well-known/acme-challenge" // RFC 8555 section 8.3
	validationDir = ".well-known/pki-validation" // App Service Certificates' HTML page
)

const (
	lookupLimit = 5 * time.Second // of one question to the seam
	lookups     = 16              // questions to the seam at a time
)

// Responder answers authorities' requests for proofs: those in its memory, and those that Lookup knows,
// which are the ones that other replicas work on. It is an http.Handler for the plain HTTP listener.
type Responder struct {
	lookup func(ctx context.Context, token string) (value string, ok bool)
	slots  chan struct{}

	mu     sync.RWMutex
	proofs map[string]string // value by path
}

// NewResponder makes a Responder. lookup finds the value of a token that is not in memory, such as in
// the store; nil = none is found. It is asked only for what can be a token, and for few at a time.
func NewResponder(lookup func(ctx context.Context, token string) (value string, ok bool)) *Responder {
	return &Responder{lookup: lookup, slots: make(chan struct{}, lookups), proofs: map[string]string{}}
}

func (r *Responder) put(path, value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.proofs[path] = value
}

func (r *Responder) remove(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.proofs, path)
}

// Handles says whether a URL path is one that the Responder answers, so that a listener can have other
// uses beside it.
func (r *Responder) Handles(path string) bool {
	return strings.HasPrefix(path, "/"+challengeDir+"/") || strings.HasPrefix(path, "/"+validationDir+"/")
}

// ServeHTTP answers with the exact value of a proof, else 404 in plain words.
func (r *Responder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store") // a cache would serve the last order's proof
	h.Set("X-Content-Type-Options", "nosniff")
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		_, _ = io.WriteString(w, "Only GET and HEAD are answered here.\n")
		return
	}
	value, ok := r.find(req.Context(), strings.TrimPrefix(req.URL.Path, "/"))
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "This is Certwright's listener for domain verification. It has no proof of this name now.\n")
		return
	}
	if req.Method == http.MethodGet {
		_, _ = io.WriteString(w, value) // whoever asked and went away will ask again
	}
}

// find gives the value of a path, from memory first.
func (r *Responder) find(ctx context.Context, path string) (string, bool) {
	r.mu.RLock()
	value, ok := r.proofs[path]
	r.mu.RUnlock()
	if ok {
		return value, true
	}
	token, isChallenge := strings.CutPrefix(path, challengeDir+"/")
	if isChallenge && !validToken(token) {
		return "", false
	}
	if !isChallenge {
		var isFile bool
		if token, isFile = strings.CutPrefix(path, validationDir+"/"); !isFile || !validFile(token) {
			return "", false
		}
	}
	if strings.HasPrefix(token, canaryPrefix) { // whichever replica is asked, it answers
		return canaryValue(token), true
	}
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	if r.lookup == nil {
		return "", false
	}
	select { // strangers who try tokens must not keep the store busy
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
		return r.lookup(ctx, token)
	case <-ctx.Done():
		return "", false
	}
}

// validToken says whether s can be an ACME token: base64url characters (RFC 8555 section 8.3).
func validToken(s string) bool {
	return s != "" && len(s) <= 256 && strings.IndexFunc(s, func(r rune) bool { return !tokenRune(r) }) < 0
}

// validFile says whether s can be a validation page's file name: as a token, and with dots inside.
func validFile(s string) bool {
	return s != "" && len(s) <= 256 && s[0] != '.' && !strings.Contains(s, "..") &&
		strings.IndexFunc(s, func(r rune) bool { return !tokenRune(r) && r != '.' }) < 0
}

func tokenRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}
