package inspect

import (
	"context"
	"crypto/x509"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"certwright/internal/evidence"
)

// Prober is what the TLS leg looks with; package probe has one.
type Prober interface {
	// SurveyTLS shakes hands with every address of the host for each of the names and for none,
	// offering any, only ECDSA and only RSA certificates: one observation each, its Data an evidence.Served.
	SurveyTLS(ctx context.Context, host, port string, names []string) []evidence.Observation
}

// Pager is a Prober that can also ask for pages; package probe has one.
type Pager interface {
	// LookPage asks an address (ip:port) for a page over TLS, whatever its certificate; Data is an evidence.Page.
	LookPage(ctx context.Context, address, serverName string) evidence.Observation
}

// Neighbourly is a Prober that can read which names a server of this machine is configured for; package probe has one.
type Neighbourly interface {
	Neighbours(ctx context.Context, host, port, name string) []string
}

// Nobody is a name that no server is configured for (RFC 6761 section 6.4): what it gets is what a
// server gives to names that it does not know.
const Nobody = "certwright-nobody.invalid"

// TLS looks at what a host serves, and at nothing else of it.
func TLS(ctx context.Context, o HostOptions) []evidence.Observation {
	ctx, cancel := context.WithTimeout(ctx, o.deadline())
	defer cancel()
	if o.ServerName == "" {
		o.ServerName = o.Host
	}
	return o.lookTLS(ctx)
}

// lookTLS is the TLS leg: handshakes first, issuers only of chains that are not complete; then, all at once, whether what
// is served is revoked and, where it is not well, what the server says of itself.
func (o HostOptions) lookTLS(ctx context.Context) []evidence.Observation {
	if o.Prober == nil {
		return nil
	}
	o.tell("shaking hands with every address of %s", o.Host)
	names := o.names()
	if n, ok := o.Prober.(Neighbourly); ok && !o.Alone {
		names = append(names, n.Neighbours(ctx, o.Host, o.Port, o.ServerName)...)
	}
	obs := o.Prober.SurveyTLS(ctx, o.Host, o.Port, names)
	obs = append(obs, o.issuers(ctx, obs)...)
	return append(obs, o.afterwards(ctx, obs)...)
}

// afterwards are the looks that the handshakes give reason for.
func (o HostOptions) afterwards(ctx context.Context, obs []evidence.Observation) []evidence.Observation {
	var revoked, pages []evidence.Observation
	var wg sync.WaitGroup
	wg.Go(func() { revoked = o.revocations(ctx, obs) })
	wg.Go(func() { pages = o.pages(ctx, obs) })
	wg.Wait()
	return append(revoked, pages...)
}

// maxPages bounds the addresses that are asked for a page.
const maxPages = 3

// pages asks the addresses whose certificate clients of the name would not accept: for the server's clock, and for whether
// it has told browsers to let nobody pass.
func (o HostOptions) pages(ctx context.Context, obs []evidence.Observation) []evidence.Observation {
	pager, ok := o.Prober.(Pager)
	if !ok {
		return nil
	}
	var at []evidence.Served
	for _, x := range obs {
		s, ok := evidence.Decode[evidence.Served](x)
		if !ok || len(s.Chain) == 0 || s.StartTLS != "" || s.Error != "" || s.Offered != "any" || s.ServerName != o.ServerName && !isAddress(o.ServerName) {
			continue
		}
		leaf, err := x509.ParseCertificate(s.Chain[0])
		if err != nil || len(at) >= maxPages {
			continue
		}
		now := o.Now()
		if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) || !o.complete(s.Chain) || leaf.VerifyHostname(o.ServerName) != nil {
			at = append(at, s)
		}
	}
	out := make([]evidence.Observation, len(at))
	var wg sync.WaitGroup
	for i, s := range at {
		wg.Go(func() { out[i] = pager.LookPage(ctx, s.Address, s.ServerName) })
	}
	wg.Wait()
	return out
}

// names are the server names to send: the one asked about, one that nobody has, and neighbours, which
// show whether the server has other certificates.
func (o HostOptions) names() []string {
	out := []string{o.ServerName, Nobody}
	if isAddress(o.ServerName) {
		return append(out, o.Others...)
	}
	out = append(out, o.Others...)
	if o.Alone {
		return out
	}
	if up := parent(o.ServerName); strings.Contains(up, ".") {
		out = append(out, up)
	}
	if !strings.HasPrefix(o.ServerName, "www.") && !strings.HasPrefix(o.ServerName, "*.") {
		out = append(out, "www."+o.ServerName)
	}
	return out
}

// issuers fetches what is missing from the served chains, each distinct leaf once.
func (o HostOptions) issuers(ctx context.Context, obs []evidence.Observation) []evidence.Observation {
	if o.ControlLocal != nil && local(obs) {
		o.Control = o.ControlLocal
	}
	if o.Control == nil {
		return nil
	}
	var chains [][][]byte
	for _, x := range obs {
		s, ok := evidence.Decode[evidence.Served](x)
		if !ok || len(s.Chain) == 0 || o.complete(s.Chain) {
			continue
		}
		if !slices.ContainsFunc(chains, func(c [][]byte) bool { return string(c[0]) == string(s.Chain[0]) }) {
			chains = append(chains, s.Chain)
		}
	}
	out := make([][]evidence.Observation, len(chains))
	var wg sync.WaitGroup
	for i, c := range chains {
		wg.Go(func() { out[i] = o.fetchIssuers(ctx, c) })
	}
	wg.Wait()
	return slices.Concat(out...)
}

func (o HostOptions) complete(chain [][]byte) bool {
	if o.Complete != nil {
		return o.Complete(chain)
	}
	return len(chain) > 1
}

// local says whether every address that was looked at is a private or loopback one.
func local(obs []evidence.Observation) bool {
	seen := false
	for _, x := range obs {
		s, ok := evidence.Decode[evidence.Served](x)
		if !ok {
			continue
		}
		a, err := netip.ParseAddrPort(s.Address)
		if err != nil || !a.Addr().IsPrivate() && !a.Addr().IsLoopback() {
			return false
		}
		seen = true
	}
	return seen
}
