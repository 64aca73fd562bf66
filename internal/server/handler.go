package server

import (
	"context"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"certwright/internal/api"
	"certwright/internal/auth"
)

// handler is everything behind HTTPS: the API, and the pages at all other paths.
func (s *Server) handler() http.Handler {
	a := api.New(api.Options{
		Service: s.Mover, Reader: s.Store, Issuers: s.Issuers, DNS: s.DNS, Secrets: s.Vault, Plane: s.Vaults, Encoder: encoder{}, Auth: s.Auth, Vaults: s.Store, Scopes: s.Store, Imports: s.Store, Now: s.Now, Logger: s.Logger, Version: s.Version,
		MaxBody: int64(s.Config.Limits.Body), Quota: s.quota, VaultSuffix: s.Config.Vault.Suffix, Configured: configured(s.Config),
		Public: strings.TrimRight(s.Config.URL, "/"), Roots: s.Builtin.RootsPEM, CRL: s.Builtin.CRL, Ready: s.ready, Metrics: s.metrics.handler(), Notes: s.notes, TestNotify: s.testNotify, Commits: s.Store.Commits,
		Diagnose: s.Diagnose, Bundle: s.Bundle, Fix: s.Fix, Mail: s.mailPublish,
	})
	pages, vaults := s.pages(a.ForPages()), s.Vaults
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if vaults.Serves(r) { // first: a vault's host name has nothing but its own paths
			vaults.ServeHTTP(w, r)
			return
		}
		if a.Serves(r) || isAPI(r) {
			a.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	})
}

// configured are the names that targets and sites may use.
func configured(c Config) []api.Configured {
	var list []api.Configured
	add := func(kind string, names []string) {
		for _, n := range names {
			list = append(list, api.Configured{Kind: kind, Name: n})
		}
	}
	add("command", slices.Sorted(maps.Keys(c.Commands)))
	add("root", slices.Sorted(maps.Keys(c.Roots)))
	add("webroot", slices.Sorted(maps.Keys(c.Webroots)))
	return list
}

// isAPI says whether a path that no route of the API has is to be refused as the API refuses: in JSON.
func isAPI(r *http.Request) bool {
	for _, p := range []string{"/v1/", "/subscriptions/", "/providers/", "/metadata/", "/crl/"} {
		if len(r.URL.Path) >= len(p) && strings.EqualFold(r.URL.Path[:len(p)], p) {
			return true
		}
	}
	return strings.HasPrefix(r.Header.Get("Accept"), "application/json") || strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") || auth.Bearer(r) != ""
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
