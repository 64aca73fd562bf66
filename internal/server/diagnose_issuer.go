package server

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/fulfill"
	"certwright/internal/order"
)

// Looks at an authority beyond its directory and account, of those that have them.
type (
	attemptObserver interface {
		ObserveAttempt(ctx context.Context, a *order.Attempt) []evidence.Observation
	}
	windowObserver interface {
		ObserveWindow(ctx context.Context, leaf []byte) []evidence.Observation
	}
)

// addIssuer adds what can be said of the order's authority: whether it can be reached and knows our account, how
// the running attempts stand there, and when it suggests to renew.
func (s *Server) addIssuer(ctx context.Context, o *order.Order, add func(string, string, observe)) {
	name := o.Spec.Issuer
	if name == "" || o.Ended() {
		return
	}
	a, traits, err := s.Issuers.Authority(ctx, name)
	if until := askedUntil(o, traits); err == nil && s.Now().Before(until) {
		// It asked to be left alone: a look is a request like any other, and what it said last is on the path.
		add(evidence.ProbeCA, "issuer "+name, func(context.Context) []evidence.Observation {
			return []evidence.Observation{{Probe: evidence.ProbeCA, Check: evidence.CheckDirectory, Subject: "issuer " + name, Outcome: evidence.Unknown,
				Reason: "it asked not to be asked before " + until.UTC().Format("2006-01-02 15:04:05 UTC") + ", so it is not looked at until then", From: "server", At: s.Now()}}
		})
		return
	}
	if err != nil {
		add(evidence.ProbeCA, "issuer "+name, func(context.Context) []evidence.Observation {
			return []evidence.Observation{{Probe: evidence.ProbeCA, Check: evidence.CheckDirectory, Subject: "issuer " + name, Outcome: evidence.Unknown, Reason: err.Error(), From: "server", At: s.Now()}}
		})
		return
	}
	add(evidence.ProbeCA, "issuer "+name, func(ctx context.Context) []evidence.Observation {
		return s.memo.once(ctx, "issuer "+strings.ToLower(name), s.Now, func() []evidence.Observation { return a.Observe(ctx) })
	})
	if x, ok := a.(attemptObserver); ok {
		for i := range o.Attempts {
			if at := &o.Attempts[i]; at.Phase == order.Begun && at.URL != "" {
				add(evidence.ProbeCA, "order "+at.URL, func(ctx context.Context) []evidence.Observation { return x.ObserveAttempt(ctx, at) })
			}
		}
	}
	s.addWindows(o, a, add)
}

// askedUntil is when the authority may be asked again, of the whole account or of this order; zero = at once.
func askedUntil(o *order.Order, t fulfill.Traits) time.Time {
	var until time.Time
	if t.Hold != nil {
		until = t.Hold.Until
	}
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a.Phase == order.Begun && a.Problem != nil && a.Problem.Until.After(until) {
			until = a.Problem.Until
		}
	}
	return until
}

// addWindows asks for the renewal information of the current versions.
func (s *Server) addWindows(o *order.Order, a fulfill.Authority, add func(string, string, observe)) {
	x, ok := a.(windowObserver)
	if !ok || !o.Spec.AutoRenew {
		return
	}
	for _, k := range o.Spec.KeyTypes {
		v := o.Current(k)
		if v == nil || !strings.EqualFold(v.Issuer, o.Spec.Issuer) {
			continue
		}
		if chain := order.DecodeChain(v.Chain); len(chain) > 0 {
			add(evidence.ProbeCA, "renewal information of serial "+v.Serial, func(ctx context.Context) []evidence.Observation { return x.ObserveWindow(ctx, chain[0]) })
		}
	}
}

// maxPeers bounds the hosts that are connected to for comparison.
const maxPeers = 4

// addPeers adds hosts to compare with: what else can be reached from here, and what their clocks say.
func (s *Server) addPeers(ctx context.Context, o *order.Order, add func(string, string, observe)) {
	peers := 0
	reach := func(name, host, port string, https bool) {
		if peers++; peers > maxPeers || host == "" {
			return
		}
		add(evidence.ProbeHost, name, func(ctx context.Context) []evidence.Observation {
			return s.memo.once(ctx, "reach "+host+" "+port, s.Now, func() []evidence.Observation {
				return []evidence.Observation{s.Prober.Reach(ctx, name, host, port, https)}
			})
		})
	}
	for i := range o.Endpoints {
		if e := &o.Endpoints[i]; !e.Gone {
			host, port := splitAddress(e.Endpoint)
			reach("endpoint "+e.Address, host, port, true)
		}
	}
	rows, err := s.Store.ListIssuers(ctx)
	if err != nil {
		return // the database's trouble is told by the look at it
	}
	for i := range rows {
		u, err := url.Parse(rows[i].Directory)
		if err != nil || strings.EqualFold(rows[i].Name, o.Spec.Issuer) {
			continue
		}
		port := u.Port()
		if port == "" {
			port = "443"
		}
		reach("issuer "+rows[i].Name, u.Hostname(), port, true)
	}
}

// memo keeps what was seen a moment ago of things that many orders share: an examination of thousands looks at the
// host and at each authority once in a while, not once for each.
type memo struct {
	mu   sync.Mutex
	seen map[string]*glance
}

type glance struct {
	mu  sync.Mutex
	at  time.Time
	obs []evidence.Observation
}

// memoLife is how long a look counts for other orders.
const memoLife = 2 * time.Second

// sharedSince is the key of the time in a context from which on a look of a moment ago will do.
type sharedSince struct{}

// sharing lets the examination of an order make do with what was seen a moment ago for another one: not for a person
// who asks, and never with a look from before the order's latest failure, for that failure is what it is to explain.
func sharing(ctx context.Context, o *order.Order, now time.Time) context.Context {
	var since time.Time
	for _, st := range o.Path(now) {
		for _, r := range append([]order.Row{{Problem: st.Problem}}, st.Rows...) {
			if r.Problem != nil && r.Problem.At.After(since) {
				since = r.Problem.At
			}
		}
	}
	return context.WithValue(ctx, sharedSince{}, since)
}

// once looks, or gives what was seen within the last moment if the context shares it; who comes while somebody looks waits for that.
func (m *memo) once(ctx context.Context, key string, now func() time.Time, look func() []evidence.Observation) []evidence.Observation {
	since, shares := ctx.Value(sharedSince{}).(time.Time)
	m.mu.Lock()
	if m.seen == nil || len(m.seen) > 1000 {
		m.seen = map[string]*glance{}
	}
	g := m.seen[key]
	if g == nil {
		g = &glance{}
		m.seen[key] = g
	}
	m.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	if at := now(); !shares || g.obs == nil || at.Sub(g.at) >= memoLife || at.Before(g.at) || !g.at.After(since) {
		g.obs = look()
		g.at = now()
	}
	return g.obs
}
