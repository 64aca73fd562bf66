package server

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"certwright/internal/api"
	"certwright/internal/auth"
	"certwright/internal/order"
)

// handler is everything behind HTTPS: the API, and the pages at all other paths.
func (s *Server) handler() http.Handler {
	a := api.New(api.Options{
		Service: s.Mover, Reader: s.Store, Issuers: s.Issuers, Secrets: s.Vault, Encoder: encoder{}, Auth: gate{s.Auth}, Now: s.Now, Logger: s.Logger, Version: s.Version,
		MaxBody: int64(s.Config.Limits.Body),
		Public:  strings.TrimRight(s.Config.URL, "/"), Roots: s.Builtin.RootsPEM, CRL: s.Builtin.CRL, Ready: s.ready, Metrics: s.metrics.handler(), Notes: s.notes, TestNotify: s.testNotify, Commits: s.Store.Commits,
		Diagnose: func(ctx context.Context, id order.ID) (any, error) { return s.Diagnose(ctx, id) },
		Bundle:   s.Bundle, Fix: s.Fix,
	})
	pages := s.pages()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isAPI(r.URL.Path) {
			a.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	})
}

func isAPI(path string) bool {
	for _, p := range []string{"/v1/", "/healthz", "/readyz", "/metrics", "/ca.pem", "/crl/"} {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}

// gate lets auth speak the API's words.
type gate struct{ a *auth.Auth }

// Authorize says who asks and whether they may.
func (g gate) Authorize(r *http.Request, action, scope string) (string, error) {
	token := auth.Bearer(r)
	p, err := g.a.Authenticate(r.Context(), token)
	switch {
	case errors.Is(err, auth.ErrNoToken), errors.Is(err, auth.ErrBadToken), errors.Is(err, auth.ErrExpired):
		return "", errors.Join(api.ErrNoToken, err)
	case err != nil:
		return "", err
	}
	if !auth.Allow(p, action, scope) {
		return "", &order.Refusal{Kind: order.Forbidden, Code: "AuthorizationFailed", Message: "the token " + p.Name + " (" + string(p.Role) + ") may not do " + action + " on " + scope, Fix: "Ask for a token with a role that may"}
	}
	return p.Name, nil
}

// ready says why Certwright cannot do its work; nil = it can.
func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := s.Store.Ping(ctx); err != nil {
		return err
	}
	return s.Work.Ready()
}

// dialer connects only where the configuration lets us.
func (s *Server) dialer() *net.Dialer {
	return &net.Dialer{Timeout: 10 * time.Second, Control: s.guard().Control}
}

// discard is a log that says nothing: the sample's handshakes fail before it has a certificate.
func discard() *log.Logger { return log.New(io.Discard, "", 0) }
