package server

import (
	"context"
	"net/netip"
	"sync"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// examination is one examination of an order, with what it published to look for.
type examination struct {
	s *Server
	o *order.Order

	mu   sync.Mutex
	asks map[string]evidence.ChallengeAsk // by name
	undo []func()
	over bool
}

// end takes back what was published.
func (x *examination) end() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, undo := range x.undo {
		undo()
	}
	x.undo, x.over = nil, true
}

// takeBack has something published taken back when the examination ends; at once if it ended meanwhile, as it does without who
// is late.
func (x *examination) takeBack(undo func()) {
	if x.over {
		undo()
		return
	}
	x.undo = append(x.undo, undo)
}

// ask makes a further look along the order's path: one that the first round leaves out.
func (x *examination) ask(ctx context.Context, q evidence.Question) []evidence.Observation {
	switch q.What {
	case evidence.AskAgain:
		return []evidence.Observation{x.s.Prober.LookAgain(ctx, q.Address, q.Offers)}
	case evidence.AskAgents:
		return x.askAgents(ctx, q)
	case evidence.AskTest:
		return x.askTest(ctx, q)
	}
	return nil
}

// askTest has the servers of a deployment test their configuration.
func (x *examination) askTest(ctx context.Context, q evidence.Question) []evidence.Observation {
	for i := range x.o.Deployments {
		d := &x.o.Deployments[i]
		if d.Gone || d.Key() != q.Target {
			continue
		}
		st, err := x.s.Store.LoadSite(ctx, x.o.ID.Subscription, x.o.ID.Group, d.Site)
		if err != nil {
			return nil
		}
		if t, ok := st.Target(d.Target); ok {
			if ask, _, err := x.s.targetAsk(ctx, x.o, st, t, d); err == nil {
				return x.s.Prober.LookTest(ctx, ask)
			}
		}
	}
	return nil
}

// askAgents asks for a name's challenge path as several programs.
func (x *examination) askAgents(ctx context.Context, q evidence.Question) []evidence.Observation {
	at, err := netip.ParseAddrPort(q.Address)
	id := x.o.Identifier(q.Name)
	if err != nil || id == nil {
		return nil
	}
	m := overHTTP(x.o, id)
	if m == "" {
		return nil
	}
	ask := x.challengeAsk(ctx, x.o, id, m, x.s.sitesOf(ctx, x.o))
	return []evidence.Observation{x.s.Prober.LookAgents(ctx, ask, at.Addr())}
}
