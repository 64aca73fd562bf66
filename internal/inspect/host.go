package inspect

import (
	"context"
	"crypto/x509"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"

	"certwright/internal/evidence"
)

// HostOptions say what to look at.
type HostOptions struct {
	Clock
	Host       string // name or address, without brackets
	Port       string
	ServerName string   // the name that clients ask for; empty = Host
	Others     []string // further names that the same server may hold certificates for; their parents are tried by itself

	// Alone leaves out the neighbours of ServerName: nothing but it and Nobody is sent.
	Alone bool

	// What is intended, empty where nothing is: the ACME validation method (http-01, dns-01,
	// tls-alpn-01), and the CAA domain of the authority to be used.
	Method, ExpectIssuer string

	// One prober a leg; a leg without one is not looked at.
	Prober Prober          // TLS
	DNS    DNSProber       // DNS, DNSSEC, CAA
	HTTP   ChallengeProber // challenge paths and acme-tls/1, where Method intends them
	Local  LocalProber     // what serves the host's addresses, where they are this machine's

	HTTPPort, ALPNPort int // where names answer plain HTTP and TLS to authorities; 0 = 80 and 443

	// Complete says whether a chain needs nothing more, so that no issuer has to be fetched. Nil =
	// issuers are fetched of chains of one certificate.
	Complete func(chain [][]byte) bool
	// Roots are trusted certificates, for checking what an issuer that no server sends has signed.
	Roots []*x509.Certificate
	// Control, when set, guards every connection for fetching issuers, lists and OCSP answers (net.Dialer.Control): the
	// address comes out of a certificate, so a stranger chose it. Nil = no issuer is fetched.
	Control Control
	// ControlLocal takes Control's place where every address of the host is private or loopback: then
	// its authority may be so as well.
	ControlLocal Control
}

// LocalProber looks at what serves on this machine; package probe has one.
type LocalProber interface {
	// LookLocal looks at the processes, configuration and files behind those addresses of the host that are this
	// machine's; nothing where none is. Data is one of evidence's payloads of ProbeTarget.
	LookLocal(ctx context.Context, host, port, name string) []evidence.Observation
}

// lookLocal looks at this machine where the host is it.
func (o HostOptions) lookLocal(ctx context.Context) []evidence.Observation {
	if o.Local == nil {
		return nil
	}
	return o.Local.LookLocal(ctx, o.Host, o.Port, o.ServerName)
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
	legs := []func(context.Context) []evidence.Observation{o.lookTLS, o.lookDNS, o.lookChallenge, o.lookLocal}
	out := make([][]evidence.Observation, len(legs))
	var wg sync.WaitGroup
	for i, leg := range legs {
		wg.Go(func() { out[i] = leg(ctx) })
	}
	wg.Wait()
	return slices.Concat(out...)
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
