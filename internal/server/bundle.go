package server

import (
	"context"
	"maps"
	"net/url"
	"slices"

	"certwright/internal/diagnose"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// bundleEvents is how many of the order's last events a bundle carries.
const bundleEvents = 500

// Bundle looks at an order now and gives all that is known of it as one redacted file, which
// `certwright diagnose --from` explains anywhere.
func (s *Server) Bundle(ctx context.Context, id order.ID) ([]byte, error) {
	c, err := s.examine(ctx, id)
	if err != nil {
		return nil, err
	}
	scrub := s.scrubber()
	b, err := diagnose.NewBundle(c, s.Version, scrub)
	if err != nil {
		return nil, err
	}
	b.Timeline, _, err = s.Store.Events(ctx, order.EventQuery{Order: &id, Limit: bundleEvents})
	if err != nil {
		return nil, err
	}
	b.Configuration = s.settings()
	return b.Encode(scrub)
}

// scrubber knows the secrets of this process by their values.
func (s *Server) scrubber() secret.Scrubber {
	var known []secret.Bytes
	if u, err := url.Parse(string(s.Config.Database.DSN)); err == nil && u.User != nil {
		if p, ok := u.User.Password(); ok {
			known = append(known, secret.Bytes(p))
		}
	}
	for _, c := range s.Config.Commands {
		for _, v := range c.Env {
			known = append(known, secret.Bytes(v))
		}
	}
	return secret.Scrubber{Known: known}
}

// settings are what of the configuration bears on how orders fare. Each is named here: what is new in the
// configuration stays out until somebody has thought about it.
func (s *Server) settings() map[string]any {
	c := &s.Config
	database := "sqlite"
	if u, err := url.Parse(string(c.Database.DSN)); err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") {
		database = "postgresql"
	}
	commands := map[string]any{}
	for name, cmd := range c.Commands {
		commands[name] = map[string]any{"argv": cmd.Argv, "user": cmd.User, "dir": string(cmd.Dir), "timeout": cmd.Timeout.String(), "env": slices.Sorted(maps.Keys(cmd.Env))}
	}
	return map[string]any{
		"node": c.Node, "listen": c.Listen, "url": c.URL, "database": database, "ownCertificate": c.TLS.Certificate != "",
		"http01": c.HTTP01.Listen, "webroots": c.Webroots, "roots": c.Roots, "commands": commands, "resolver": c.Resolver,
		"network":   map[string]any{"private": c.Network.Private, "loopback": c.Network.Loopback},
		"authority": map[string]any{"caa": c.Authority.CAA, "httpPort": c.Authority.HTTPPort, "crlURL": c.Authority.CRLURL, "default": c.Authority.Validity.Default.String(), "max": c.Authority.Validity.Max.String()},
		"limits":    map[string]any{"names": c.Limits.Names}, "workers": c.Workers,
		"retention": map[string]any{"events": c.Retention.Events.String(), "secrets": c.Retention.Secrets.String()},
	}
}
