package verify

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestResponder(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	r := NewResponder(func(_ context.Context, token string) (string, bool) {
		asked.Add(1)
		return "from the store", token == "elsewhere" || token == "page.html"
	})
	v := New(Options{Now: time.Now, Responder: r})
	p := challenge("www.example.test", "here")
	if err := v.Publish(context.Background(), nil, p); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		method, path string
		status       int
		body         string
		asked        int32
	}{
		{"GET", "/.well-known/acme-challenge/here", 200, p.Value, 0},
		{"HEAD", "/.well-known/acme-challenge/here", 200, "", 0},
		{"GET", "/.well-known/acme-challenge/elsewhere", 200, "from the store", 1},
		{"GET", "/.well-known/pki-validation/page.html", 200, "from the store", 1},
		{"GET", "/.well-known/acme-challenge/unknown", 404, "", 1},
		{"GET", "/.well-known/acme-challenge/", 404, "", 0},
		{"GET", "/.well-known/acme-challenge/a.b", 404, "", 0},
		{"GET", "/.well-known/acme-challenge/" + strings.Repeat("a", 300), 404, "", 0},
		{"GET", "/.well-known/acme-challenge/..%2f..%2fetc", 404, "", 0},
		{"GET", "/.well-known/pki-validation/here", 404, "", 1},
		{"GET", "/", 404, "", 0},
		{"POST", "/.well-known/acme-challenge/here", 405, "", 0},
	}
	srv := httptest.NewServer(r)
	defer srv.Close()
	for _, tt := range tests {
		asked.Store(0)
		req, err := http.NewRequest(tt.method, srv.URL+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != tt.status || tt.status == 200 && string(body) != tt.body || asked.Load() != tt.asked {
			t.Errorf("%s %s: %d %q, store asked %d times, %v", tt.method, tt.path, resp.StatusCode, body, asked.Load(), err)
		}
		if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", tt.path, resp.Header)
		}
	}
	if err := v.Withdraw(context.Background(), nil, p); err != nil {
		t.Fatal(err)
	}
	if _, ok := r.find(context.Background(), challengeDir+"/here"); ok {
		t.Error("still there after the withdrawal")
	}
}

// TestLookupsBounded: strangers who try tokens do not keep the store busy.
func TestLookupsBounded(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int32
	hold := make(chan struct{})
	r := NewResponder(func(context.Context, string) (string, bool) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-hold
		now.Add(-1)
		return "", false
	})
	done := make(chan struct{})
	for range 100 {
		go func() { r.find(context.Background(), challengeDir+"/guess"); done <- struct{}{} }()
	}
	for now.Load() < lookups {
		<-time.After(time.Millisecond)
	}
	close(hold)
	for range 100 {
		<-done
	}
	if most.Load() > lookups {
		t.Errorf("%d lookups at once, want at most %d", most.Load(), lookups)
	}
}

func TestHandles(t *testing.T) {
	t.Parallel()
	r := NewResponder(nil)
	for path, want := range map[string]bool{"/.well-known/acme-challenge/x": true, "/.well-known/pki-validation/x": true, "/.well-known/security.txt": false, "/": false} {
		if r.Handles(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}
