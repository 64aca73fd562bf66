package inspect

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"

	"certwright/internal/evidence"
)

// Prober is what the TLS leg looks with; package probe has one.
type Prober interface {
	// SurveyTLS shakes hands with every address of the host for each of the names and for none,
	// offering any, only ECDSA and only RSA certificates: one observation each, its Data an evidence.Served.
	SurveyTLS(ctx context.Context, host, port string, names []string) []evidence.Observation
}

// Nobody is a name that no server is configured for (RFC 6761 section 6.4): what it gets is what a
// server gives to names that it does not know.
const Nobody = "certwright-nobody.invalid"

// HostOptions say what to look at.
type HostOptions struct {
	Clock
	Host       string // name or address, without brackets
	Port       string
	ServerName string   // the name that clients ask for; empty = Host
	Others     []string // further names that the same server may hold certificates for; their parents are tried by itself

	// What is intended, empty where nothing is: the ACME validation method (http-01, dns-01,
	// tls-alpn-01), and the CAA domain of the authority to be used.
	Method, ExpectIssuer string

	// One prober a leg; a leg without one is not looked at.
	Prober Prober    // TLS
	DNS    DNSProber // DNS, DNSSEC, CAA

	// Complete says whether a chain needs nothing more, so that no issuer has to be fetched. Nil =
	// issuers are fetched of chains of one certificate.
	Complete func(chain [][]byte) bool
	// Control, when set, guards every connection for fetching issuers (net.Dialer.Control): the
	// address comes out of a certificate, so a stranger chose it. Nil = no issuer is fetched.
	Control Control
	// ControlLocal takes Control's place where every address of the host is private or loopback: then
	// its authority may be so as well.
	ControlLocal Control
}

// Control is a net.Dialer.Control: it refuses an address by an error.
type Control func(network, address string, c syscall.RawConn) error

// Host looks at what a host serves and at what leads there: every leg at once, within one deadline.
func Host(ctx context.Context, o HostOptions) []evidence.Observation {
	ctx, cancel := context.WithTimeout(ctx, o.deadline())
	defer cancel()
	if o.ServerName == "" {
		o.ServerName = o.Host
	}
	legs := []func(context.Context) []evidence.Observation{o.lookTLS, o.lookDNS}
	out := make([][]evidence.Observation, len(legs))
	var wg sync.WaitGroup
	for i, leg := range legs {
		wg.Go(func() { out[i] = leg(ctx) })
	}
	wg.Wait()
	return slices.Concat(out...)
}

// lookTLS is the TLS leg: handshakes first, issuers only of chains that are not complete.
func (o HostOptions) lookTLS(ctx context.Context) []evidence.Observation {
	if o.Prober == nil {
		return nil
	}
	o.tell("shaking hands with every address of %s", o.Host)
	obs := o.Prober.SurveyTLS(ctx, o.Host, o.Port, o.names())
	return append(obs, o.issuers(ctx, obs)...)
}

// names are the server names to send: the one asked about, one that nobody has, and neighbours, which
// show whether the server has other certificates.
func (o HostOptions) names() []string {
	out := []string{o.ServerName, Nobody}
	if isAddress(o.ServerName) {
		return append(out, o.Others...)
	}
	out = append(out, o.Others...)
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

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// parent is the name without its first label.
func parent(name string) string {
	_, up, _ := strings.Cut(strings.TrimSuffix(name, "."), ".")
	return up
}
