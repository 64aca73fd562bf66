package server

import (
	"context"
	"net/netip"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// asker makes the further looks along an order's path: those that the first round leaves out.
func (s *Server) asker(o *order.Order) func(context.Context, evidence.Question) []evidence.Observation {
	return func(ctx context.Context, q evidence.Question) []evidence.Observation {
		switch q.What {
		case evidence.AskAgain:
			return []evidence.Observation{s.Prober.LookAgain(ctx, q.Address, q.Offers)}
		case evidence.AskAgents:
			return s.askAgents(ctx, o, q)
		}
		return nil
	}
}

// askAgents asks for a name's challenge path as several programs.
func (s *Server) askAgents(ctx context.Context, o *order.Order, q evidence.Question) []evidence.Observation {
	at, err := netip.ParseAddrPort(q.Address)
	id := o.Identifier(q.Name)
	if err != nil || id == nil {
		return nil
	}
	m := overHTTP(o, id)
	if m == "" {
		return nil
	}
	ask, done := s.challengeAsk(ctx, o, id, m, s.sitesOf(ctx, o))
	defer done()
	return []evidence.Observation{s.Prober.LookAgents(ctx, ask, at.Addr())}
}
