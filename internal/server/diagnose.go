package server

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"strings"
	"sync"

	_ "golang.org/x/crypto/x509roots/fallback" // roots where the system has none

	"certwright/internal/diagnose"
	"certwright/internal/evidence"
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
	o, err := s.atRest(ctx, id)
	if err != nil {
		return diagnose.Case{}, err
	}
	began := s.Now()
	roots := s.trusted(o)
	x := &examination{s: s, o: o, asks: map[string]evidence.ChallengeAsk{}}
	defer x.end()
	clock := inspect.Clock{Now: s.Now, From: "server"}
	c := diagnose.Case{Target: o.ID.Name, Now: began, Observations: inspect.Order(ctx, o, x.sources(ctx, o, roots), clock), Path: o.Path(began),
		Options: diagnose.Options{Roots: roots.pool, PublicRoots: true, PrivateRoots: roots.private, ServerName: firstName(o), Order: o, Moved: s.moved()}}
	c.Observations = inspect.Settle(ctx, c.Observations, inspect.Further{Clock: clock, Began: began, Open: c.Open, Ask: x.ask})
	c.Now = s.Now()
	c.Path, c.Options.Took = o.Path(c.Now), c.Now.Sub(began)
	return c, nil
}

// historyEvents is how many of an order's last events are looked through for changes and for the first failure.
const historyEvents = 200

func firstName(o *order.Order) string {
	for i := range o.Endpoints {
		if n := o.Endpoints[i].ServerName; n != "" {
			return n
		}
	}
	return ""
}

// sources is everything along the order's path that can say something of itself.
func (x *examination) sources(ctx context.Context, o *order.Order, roots trustedRoots) []inspect.Source {
	s := x.s
	var list []inspect.Source
	add := func(probe, name string, f observe) {
		list = append(list, inspect.Source{Probe: probe, Name: name, Observer: f})
	}
	s.addHost(add)
	s.addIssuer(ctx, o, add)
	s.addPeers(ctx, o, add)
	for _, k := range o.Spec.KeyTypes {
		if v := o.Current(k); v != nil && o.Spec.Vault != "" && !o.Keyless(v) {
			name := o.SecretFor(v.KeyType)
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
	if len(s.channels) > 0 {
		add(evidence.ProbeHost, "notifications", s.observeChannels)
	}
	for i := range o.Endpoints {
		if e := &o.Endpoints[i]; !e.Gone {
			add(evidence.ProbeTLS, inspect.EndpointSource(e.Address), s.lookAt(o, e, roots))
		}
	}
	add(evidence.ProbeOrder, "changes", func(ctx context.Context) []evidence.Observation {
		events, _, err := s.Store.Events(ctx, order.EventQuery{Order: &o.ID, Limit: historyEvents})
		if err != nil {
			return nil
		}
		return []evidence.Observation{inspect.History(o, events, inspect.Clock{Now: s.Now, From: "server"})}
	})
	x.addChallenges(ctx, o, add)
	s.addNames(ctx, o, add)
	s.addAccounts(o, add)
	return list
}

// lookAt gives the endpoint's serial against the expected one, everything that it serves, and what others say of it.
func (s *Server) lookAt(o *order.Order, e *order.EndpointRow, roots trustedRoots) observe {
	return func(ctx context.Context) []evidence.Observation {
		serial := ""
		if x := o.Expected(e); len(x) > 0 {
			serial = x[0]
		}
		host, port := splitAddress(e.Endpoint)
		var seen []evidence.Observation
		var wg sync.WaitGroup
		wg.Go(func() { seen = s.Prober.LookTLS(ctx, e.Endpoint, serial) })
		served := inspect.TLS(ctx, inspect.HostOptions{
			Clock: inspect.Clock{Now: s.Now, From: "server"}, Host: host, Port: port, ServerName: e.ServerName, Alone: true, Prober: s.Prober,
			Complete: func(chain [][]byte) bool { return diagnose.Leads(chain, roots.pool, s.Now()) },
			Roots:    roots.own, Control: s.guard().Control,
		})
		wg.Wait()
		return append(seen, served...)
	}
}

func splitAddress(e site.Endpoint) (host, port string) {
	i := strings.LastIndexByte(e.Address, ':')
	if i < 0 {
		return e.Address, "443"
	}
	return strings.Trim(e.Address[:i], "[]"), e.Address[i+1:]
}

// trustedRoots are the roots that a client of an order is taken to have.
type trustedRoots struct {
	pool    *x509.CertPool
	own     []*x509.Certificate // the built-in authority's, and what the order's owner chose
	private []string            // fingerprints of those that the public does not trust
}

// trusted are the roots that a client of the order is taken to have: the system's, the built-in authority's, and
// the top of what the order's own issuer gave, which its owner chose. What leads to a root of the system is the public's.
func (s *Server) trusted(o *order.Order) trustedRoots {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	public := publicRoots()
	t := trustedRoots{pool: pool, private: addedRoots(systemRootFiles)}
	add := func(c *x509.Certificate) {
		pool.AddCert(c)
		t.own = append(t.own, c)
		if !diagnose.Leads([][]byte{c.Raw}, public, s.Now()) {
			t.private = append(t.private, fmt.Sprintf("%X", sha256.Sum256(c.Raw)))
		}
	}
	for _, r := range s.Builtin.Roots() {
		add(r)
	}
	for i := range o.Versions {
		chain := order.DecodeChain(o.Versions[i].Chain)
		if len(chain) < 2 {
			continue
		}
		if top, err := x509.ParseCertificate(chain[len(chain)-1]); err == nil {
			add(top)
		}
	}
	return t
}
