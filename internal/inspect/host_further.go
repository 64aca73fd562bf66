package inspect

import (
	"context"
	"net/netip"

	"certwright/internal/evidence"
)

// Further looks of the probers; package probe has them. A prober without them leaves such questions open.
type (
	// AgentProber asks for a challenge path as several programs.
	AgentProber interface {
		LookAgents(ctx context.Context, q evidence.ChallengeAsk, at netip.Addr) evidence.Observation
	}
	// TestProber has the servers of this machine behind a host test their configuration.
	TestProber interface {
		LookLocalTest(ctx context.Context, host, port, name string) []evidence.Observation
	}
	// AgainProber makes the same handshakes again.
	AgainProber interface {
		LookAgain(ctx context.Context, address string, offers []evidence.Offer) evidence.Observation
	}
)

// Ask makes the further look at a host that a question is about; nothing where it is not possible.
func (o HostOptions) Ask(ctx context.Context, q evidence.Question) []evidence.Observation {
	switch q.What {
	case evidence.AskAgain:
		if p, ok := o.Prober.(AgainProber); ok {
			return []evidence.Observation{p.LookAgain(ctx, q.Address, q.Offers)}
		}
	case evidence.AskTest:
		if p, ok := o.Local.(TestProber); ok {
			return p.LookLocalTest(ctx, o.Host, o.Port, o.ServerName)
		}
	case evidence.AskAgents:
		p, ok := o.HTTP.(AgentProber)
		at, err := netip.ParseAddrPort(q.Address)
		if ok && err == nil {
			ask := evidence.ChallengeAsk{Name: q.Name, Method: o.Method, Port: int(at.Port()), Token: q.Token}
			return []evidence.Observation{p.LookAgents(ctx, ask, at.Addr())}
		}
	}
	return nil
}
