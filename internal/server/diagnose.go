package server

import (
	"context"
	"crypto/x509"
	"strings"

	_ "golang.org/x/crypto/x509roots/fallback" // roots where the system has none

	"certwright/internal/diagnose"
	"certwright/internal/evidence"
	"certwright/internal/fulfill"
	"certwright/internal/inspect"
	"certwright/internal/order"
	"certwright/internal/site"
)

// observe makes a function an inspect.Observer.
type observe func(ctx context.Context) []evidence.Observation

func (f observe) Observe(ctx context.Context) []evidence.Observation { return f(ctx) }

// Diagnose looks at everything along an order's path now and says what is wrong, root cause first.
func (s *Server) Diagnose(ctx context.Context, id order.ID) (diagnose.Report, error) {
	c, err := s.examine(ctx, id)
	if err != nil {
		return diagnose.Report{}, err
	}
	return c.Judge(), nil
}

// examine gathers everything along an order's path now: the case that is judged here, or written down to be
// judged elsewhere.
func (s *Server) examine(ctx context.Context, id order.ID) (diagnose.Case, error) {
	o, err := s.Store.LoadOrder(ctx, id)
	if err != nil {
		return diagnose.Case{}, err
	}
	began := s.Now()
	obs := inspect.Order(ctx, o, s.sources(ctx, o), inspect.Clock{Now: s.Now, From: "server"})
	now := s.Now()
	return diagnose.Case{Target: o.ID.Name, Now: now, Observations: obs, Path: o.Path(now),
		Options: diagnose.Options{Roots: s.trusted(o), ServerName: firstName(o), Order: o, Took: now.Sub(began)}}, nil
}

func firstName(o *order.Order) string {
	for i := range o.Endpoints {
		if n := o.Endpoints[i].ServerName; n != "" {
			return n
		}
	}
	return ""
}

// sources is everything along the order's path that can say something of itself.
func (s *Server) sources(ctx context.Context, o *order.Order) []inspect.Source {
	var list []inspect.Source
	add := func(probe, name string, f observe) {
		list = append(list, inspect.Source{Probe: probe, Name: name, Observer: f})
	}
	if o.Spec.Issuer != "" {
		if a, _, err := s.Issuers.Authority(ctx, o.Spec.Issuer); err == nil {
			add(evidence.ProbeCA, "issuer "+o.Spec.Issuer, a.Observe)
		}
	}
	for _, k := range o.Spec.KeyTypes {
		if v := o.Current(k); v != nil && o.Spec.Vault != "" && !o.Spec.ExternalKey {
			name := o.SecretFor(k)
			add(evidence.ProbeVault, "secret "+o.Spec.Vault+"/"+name, func(ctx context.Context) []evidence.Observation {
				return s.Vault.ObserveSecret(ctx, o.Spec.Vault, name, v.Serial)
			})
		}
	}
	for i := range o.Deployments {
		if d := &o.Deployments[i]; !d.Gone {
			s.addTarget(ctx, o, d, add)
		}
	}
	for i := range o.Endpoints {
		if e := &o.Endpoints[i]; !e.Gone {
			add(evidence.ProbeTLS, "endpoint "+e.Address, s.lookAt(o, e))
		}
	}
	return list
}

func (s *Server) addTarget(ctx context.Context, o *order.Order, d *order.Deployment, add func(string, string, observe)) {
	v := o.Current(d.KeyType)
	st, err := s.Store.LoadSite(ctx, o.ID.Subscription, o.ID.Group, d.Site)
	if err != nil || v == nil || d.Disabled != "" {
		return
	}
	if t, ok := st.Target(d.Target); ok {
		add(evidence.ProbeFiles, "target "+d.Key(), func(ctx context.Context) []evidence.Observation {
			return s.deployer.Observe(ctx, t, fulfill.Certificate{Vault: o.Spec.Vault, Name: o.SecretFor(d.KeyType), ID: v.SecretID, Chain: order.DecodeChain(v.Chain)})
		})
	}
}

// lookAt gives the endpoint's serial against the expected one, and everything that it serves.
func (s *Server) lookAt(o *order.Order, e *order.EndpointRow) observe {
	return func(ctx context.Context) []evidence.Observation {
		serial := ""
		if x := o.Expected(e); len(x) > 0 {
			serial = x[0]
		}
		host, port := splitAddress(e.Endpoint)
		var names []string
		if e.ServerName != "" {
			names = append(names, e.ServerName)
		}
		return append(s.Prober.LookTLS(ctx, e.Endpoint, serial), s.Prober.SurveyTLS(ctx, host, port, names)...)
	}
}

func splitAddress(e site.Endpoint) (host, port string) {
	i := strings.LastIndexByte(e.Address, ':')
	if i < 0 {
		return e.Address, "443"
	}
	return strings.Trim(e.Address[:i], "[]"), e.Address[i+1:]
}

// trusted are the roots that a client of the order is taken to have: the system's, the built-in authority's, and
// the top of what the order's own issuer gave, which its owner chose.
func (s *Server) trusted(o *order.Order) *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, r := range s.Builtin.Roots() {
		pool.AddCert(r)
	}
	for i := range o.Versions {
		chain := order.DecodeChain(o.Versions[i].Chain)
		if len(chain) < 2 {
			continue
		}
		if top, err := x509.ParseCertificate(chain[len(chain)-1]); err == nil {
			pool.AddCert(top)
		}
	}
	return pool
}
