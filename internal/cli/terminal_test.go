package cli

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// TestTokenIsNotSeen: a token that is typed is over with Enter, and does not stand on the screen.
func TestTokenIsNotSeen(t *testing.T) {
	t.Parallel()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer cw_seen" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = w.Write([]byte(`{"version":"v1"}`))
	}))
	t.Cleanup(srv.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	s := inTerminal(t, filepath.Join(t.TempDir(), "context.json"), 100, 10, nil, "login", srv.URL, "--ca-file", ca)
	s.await("Token:")
	s.press("cw_seen", "enter")
	s.await("Signed in to "+srv.URL, "!cw_seen")
	if err := s.ends(); err != nil {
		t.Error(err)
	}
}

// TestErrorsFitTheTerminal: a message is broken between words, its commands are left whole.
func TestErrorsFitTheTerminal(t *testing.T) {
	t.Parallel()
	a := newWalkedAPI(t)
	file := contextOf(t, a.Server)
	a.Close()
	s := inTerminal(t, file, 60, 10, nil, "order", "list")
	s.await("certwright: no server answers at "+a.URL+":", "\n            connect: connection refused", "→ start it with: certwright serve")
}
