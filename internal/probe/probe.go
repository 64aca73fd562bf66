// Package probe looks at the world and gives no verdict: at TLS endpoints (tls.go, survey.go), the DNS
// (dns.go), CAA sets (caa.go), web pages (http.go) and what serves on this machine (target*.go). Every look ends by its deadline, says from
// where and when, keeps the raw evidence as one of evidence's payload types, and prints the shell
// command that repeats it. Whether what was seen matters is judged elsewhere (diagnose, issue).
package probe

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Defaults of Options.
const (
	defaultTimeout = 10 * time.Second
	maxAddresses   = 16 // of one host that are looked at; the rest is named in no observation
	maxParallel    = 8  // looks at once within one call
)

// Options say how a Prober looks.
type Options struct {
	Now  func() time.Time // the clock; required
	From string           // the vantage written on every observation, such as "server"

	// Guard says which addresses may be dialled. The zero Guard refuses private and loopback ones.
	// It does not bind the Resolver, which the administrator names.
	Guard Guard

	// Resolver is the DNS server to ask, "ip" or "ip:port". Empty = those of ResolvConf, and the
	// operating system's own way (its hosts file too) for addresses.
	Resolver   string
	ResolvConf string // path of the resolver file; empty = /etc/resolv.conf

	// Lookup, when set, finds the addresses of hosts in place of the DNS: the seam for tests and for
	// hosts that a configuration pins.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

	// Roots and Anchors are where a walk through the DNS begins and what its signatures are held
	// against; empty = the public root zone's, built in.
	Roots   []RootServer
	Anchors []Anchor
	DNSPort string // of the name servers that a walk asks; empty = 53
	// StartTLS is the protocol to speak before TLS: one of StartProtocols, StartNone, or empty = as is usual
	// at the port.
	StartTLS string

	Timeout   time.Duration // of one look at one address; 0 = 10 s
	HTTPPorts []int         // ports besides 80 and 443 that a redirect may lead to
	UserAgent string        // of HTTP looks; empty = "certwright-probe"
}

// Prober looks. It is safe for use by many goroutines and holds no connection open.
type Prober struct{ opt Options }

// New makes a Prober.
func New(o Options) *Prober {
	if o.Now == nil {
		panic("probe: Options.Now is required")
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.ResolvConf == "" {
		o.ResolvConf = "/etc/resolv.conf"
	}
	if o.DNSPort == "" {
		o.DNSPort = "53"
	}
	if o.UserAgent == "" {
		o.UserAgent = "certwright-probe"
	}
	if o.Resolver != "" {
		o.Resolver = withPort(o.Resolver, "53")
	}
	return &Prober{opt: o}
}

// dialer connects under the guard and the look's time limit.
func (p *Prober) dialer() *net.Dialer {
	return &net.Dialer{Timeout: p.opt.Timeout, Control: p.opt.Guard.Control, KeepAlive: -1}
}

// limit gives a look its own deadline within the caller's.
func (p *Prober) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, p.opt.Timeout)
}

// withPort adds a port where there is none.
func withPort(addr, port string) string {
	if _, _, err := net.SplitHostPort(addr); err == nil {
		return addr
	}
	return net.JoinHostPort(strings.Trim(addr, "[]"), port)
}

// family is "ip4" or "ip6".
func family(a netip.Addr) string {
	if a.Unmap().Is4() {
		return "ip4"
	}
	return "ip6"
}

// quote makes s one word of a POSIX shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@%+,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// each runs f for 0..n-1, at most maxParallel at once, and returns when all are done.
func each(n int, f func(i int)) {
	if n == 1 {
		f(0)
		return
	}
	slots := make(chan struct{}, maxParallel)
	done := make(chan struct{})
	for i := range n {
		go func() {
			slots <- struct{}{}
			defer func() { <-slots; done <- struct{}{} }()
			f(i)
		}()
	}
	for range n {
		<-done
	}
}
