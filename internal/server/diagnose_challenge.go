package server

import (
	"context"
	"slices"
	"strings"

	"certwright/internal/evidence"
	"certwright/internal/order"
	"certwright/internal/site"
)

// addChallenges adds a look at the challenge path of every name whose control is shown over HTTP and is not
// shown now: at the very proof where one is published, else at a canary published the same way.
func (x *examination) addChallenges(ctx context.Context, o *order.Order, add func(probe, name string, f observe)) {
	s := x.s
	if o.Kind != order.Ordered {
		return
	}
	sites := s.sitesOf(ctx, o)
	kin := []string{}
	for _, st := range sites {
		kin = append(kin, st.HostNames...)
		for _, e := range st.Endpoints {
			kin = append(kin, e.ServerName)
		}
	}
	for _, id := range o.Identifiers {
		kin = append(kin, id.Value)
	}
	kin = slices.DeleteFunc(kin, func(n string) bool { return n == "" || strings.HasPrefix(n, "*.") })
	for i := range o.Identifiers {
		id := &o.Identifiers[i]
		m := overHTTP(o, id)
		if m == "" || !s.unshown(o, id) {
			continue
		}
		add(evidence.ProbeHTTP, "challenge path of "+id.Value, func(ctx context.Context) []evidence.Observation {
			return x.lookAtChallenge(ctx, o, id, m, sites, kin)
		})
	}
}

// sitesOf are the order's sites that can be read.
func (s *Server) sitesOf(ctx context.Context, o *order.Order) []site.Site {
	var sites []site.Site
	for _, name := range o.Spec.Sites {
		if st, err := s.Store.LoadSite(ctx, o.ID.Subscription, o.ID.Group, name); err == nil {
			sites = append(sites, *st)
		}
	}
	return sites
}

// overHTTP is the method by which a name's control is shown, if it goes over HTTP; empty otherwise.
func overHTTP(o *order.Order, id *order.Identifier) order.Method {
	m := id.Method
	if p := published(o, id.Value); p != nil {
		m = p.Method
	}
	if m == order.MethodNone {
		m = o.Spec.Method
	}
	if m == order.MethodNone && !strings.HasPrefix(id.Value, "*.") {
		if m = order.MethodHTTP01; o.Spec.Issuer == order.BuiltinIssuer {
			m = order.MethodHTML
		}
	}
	if m == order.MethodHTTP01 || m == order.MethodHTML {
		return m
	}
	return ""
}

// published is the proof of a name that a running attempt has published and the authority has not accepted yet.
func published(o *order.Order, name string) *order.Proof {
	for i := range o.Attempts {
		a := &o.Attempts[i]
		if !a.Open() || !a.Visible {
			continue
		}
		for k := range a.Proofs {
			if p := &a.Proofs[k]; p.Name.Value == name && !p.Done {
				return p
			}
		}
	}
	return nil
}

// unshown says whether control of the name is still to be shown, has lapsed, or failed at the last try; also
// where a try for the order failed without saying of which name.
func (s *Server) unshown(o *order.Order, id *order.Identifier) bool {
	if id.Verified == nil && o.First() == nil || id.Problem != nil || published(o, id.Value) != nil {
		return true
	}
	for i := range o.Needs {
		if p := o.Needs[i].Problem; p != nil && p.Class != order.Waiting {
			return true
		}
	}
	return false
}

// lookAtChallenge looks through every address of the name.
func (x *examination) lookAtChallenge(ctx context.Context, o *order.Order, id *order.Identifier, m order.Method, sites []site.Site, kin []string) []evidence.Observation {
	ask := x.challengeAsk(ctx, o, id, m, sites)
	ask.Kin = kin
	modes := x.s.verifier.Modes(sites, id.Value, ask.Path)
	return append(x.s.Prober.LookChallenge(ctx, ask), modes...)
}

// challengeAsk says what to look for at the name's path: the proof that is published, else a canary that stays published until
// the examination ends. It is the same each time.
func (x *examination) challengeAsk(ctx context.Context, o *order.Order, id *order.Identifier, m order.Method, sites []site.Site) evidence.ChallengeAsk {
	x.mu.Lock()
	defer x.mu.Unlock()
	if ask, ok := x.asks[id.Value]; ok {
		return ask
	}
	var ask evidence.ChallengeAsk
	known := false
	if p := published(o, id.Value); p != nil && p.Method == m {
		ask, known = x.s.verifier.Ask(*p)
	}
	if !known {
		var done func()
		ask, done = x.s.verifier.Canary(ctx, sites, id.Value, m)
		x.takeBack(done)
	}
	ask.ByHand = m == order.MethodHTML && !slices.ContainsFunc(sites, func(st site.Site) bool { return st.Webroot != "" })
	ask.Doubted = id.Problem != nil
	if a, _, err := x.s.Issuers.Authority(ctx, o.Spec.Issuer); err == nil {
		if t, ok := a.(interface{ Thumbprint() string }); ok && m == order.MethodHTTP01 {
			ask.Thumb = t.Thumbprint()
		}
	}
	x.asks[id.Value] = ask
	return ask
}
