package inspect

import (
	"context"
	"slices"
	"strings"
	"sync"

	"certwright/internal/evidence"
)

// DNSProber is what the DNS leg looks with; package probe has one.
type DNSProber interface {
	// LookDNS asks the configured resolver one question; Data is an evidence.Resolved.
	LookDNS(ctx context.Context, name, qtype string) evidence.Observation
	// WalkDNS asks every name server from the root zone down to the host by itself.
	WalkDNS(ctx context.Context, ask evidence.DNSAsk) []evidence.Observation
}

// lookDNS is the DNS leg: what the configured resolver says, and at the same time our own walk from
// the root zone. An address, and a name that is never asked of the DNS, has no such leg.
func (o HostOptions) lookDNS(ctx context.Context) []evidence.Observation {
	if o.DNS == nil || isAddress(o.Host) || special(o.Host) {
		return nil
	}
	o.tell("asking every name server of %s", o.Host)
	var walk, view []evidence.Observation
	var wg sync.WaitGroup
	ask := evidence.DNSAsk{Host: o.Host, Issue: o.Method != "" || o.ExpectIssuer != "", Method: o.Method}
	if o.ExpectIssuer != "" {
		ask.Issuers = []string{o.ExpectIssuer}
	}
	wg.Go(func() { walk = o.DNS.WalkDNS(ctx, ask) })
	wg.Go(func() { view = o.askDNS(ctx) })
	wg.Wait()
	return slices.Concat(view, walk)
}

// special says whether a name is never asked of the DNS (RFC 6761 section 6.3).
func special(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// askDNS asks the resolver for the host's addresses, for the domain above it, and for what always
// exists: the comparison tells a missing name from a missing domain from a dead resolver.
func (o HostOptions) askDNS(ctx context.Context) []evidence.Observation {
	type question struct{ name, kind string }
	qs := []question{{o.Host, "A"}, {o.Host, "AAAA"}, {".", "NS"}}
	if up := parent(o.Host); up != "" {
		qs = append(qs, question{up, "SOA"})
	}
	out := make([]evidence.Observation, len(qs))
	var wg sync.WaitGroup
	for i, q := range qs {
		wg.Go(func() { out[i] = o.DNS.LookDNS(ctx, q.name, q.kind) })
	}
	wg.Wait()
	return out
}
