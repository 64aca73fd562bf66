package cli

import (
	"context"
	"strings"
	"time"

	"certwright/internal/diagnose"
	"certwright/internal/evidence"
	"certwright/internal/inspect"
	"certwright/internal/probe"
	"github.com/spf13/cobra"
)

// DiagnoseHooks lets diagnose know more than hosts.
type DiagnoseHooks struct {
	// Order judges an order of a server that is known. found is false when no server is known or it
	// has no such order: the target is then taken for a host. Nil = every target is a host.
	Order func(ctx context.Context, name string) (r diagnose.Report, found bool, err error)
}

// diagnoseFlags are the command's flags.
type diagnoseFlags struct {
	serverName, caFile, resolver, color string
	rootHints, trustAnchor              string
	method, expectIssuer                string
	startTLS                            string
	from                                string // a bundle to explain in place of a target
	evidence                            string // file for the evidence on a host
	timeout                             time.Duration
}

// NewDiagnoseCommand makes `certwright diagnose TARGET`. For a host it needs neither server nor set-up. The
// command ends with Unhealthy (exit status 3) when the target is not well.
func NewDiagnoseCommand(e *Env, hooks DiagnoseHooks) *cobra.Command {
	var f diagnoseFlags
	c := &cobra.Command{
		Use: "diagnose TARGET", Short: "Say what is wrong with a certificate, why, and what to do",
		Args: func(c *cobra.Command, args []string) error {
			if f.from != "" {
				return noArgs(c, args)
			}
			return oneArg("TARGET: HOST, HOST:PORT, an https:// address, or an order's name")(c, args)
		},
		Long: `Look at a host from outside (every address, with and without server name, RSA and ECDSA), or at everything
along an order's path, and name the root cause with its evidence, what it is not, and the fix.

Exit status: 0 well, 1 the command failed, 2 wrong usage, 3 the target is not healthy.`,
		Example: "  certwright diagnose shop.example.com\n  certwright diagnose '[2001:db8::1]:8443' --server-name shop.example.com\n  certwright diagnose localhost:8443 --ca-file root.pem\n  certwright diagnose www -o json\n  certwright diagnose --from www.certwright.gz",
	}
	s := c.Flags()
	s.StringVar(&f.serverName, "server-name", "", "name that clients ask for, where it is not TARGET's")
	s.StringVar(&f.serverName, "sni", "", "the same as --server-name")
	s.StringVar(&f.caFile, "ca-file", "", "PEM file of the trusted roots, in place of the built-in ones")
	s.StringVar(&f.resolver, "resolver", "", "DNS server to ask, ADDR[:PORT] (default: the system's)")
	s.StringVar(&f.rootHints, "root-hints", "", "zone file naming the root name servers to begin at (default: the public ones)")
	s.StringVar(&f.trustAnchor, "trust-anchor", "", "file of DS records that DNSSEC is held against (default: the public root zone's)")
	s.StringVar(&f.method, "method", "", "validation method intended: http-01, dns-01 or tls-alpn-01")
	s.StringVar(&f.expectIssuer, "expect-issuer", "", "authority to be used, by its CAA domain, such as letsencrypt.org")
	s.StringVar(&f.startTLS, "starttls", "", "protocol to speak before TLS: "+strings.Join(probe.StartProtocols(), ", ")+", or none (default: as is usual at the port)")
	s.DurationVar(&f.timeout, "timeout", inspect.DefaultDeadline, "how long to look at most")
	s.StringVar(&f.from, "from", "", "explain a file of 'certwright bundle' in place of TARGET; - is standard input")
	s.StringVar(&f.color, "color", "auto", "auto, always or never")
	s.StringVar(&f.evidence, "evidence", "", "also write the evidence on a host to this file, as JSON")
	_ = s.MarkHidden("sni")
	_ = s.MarkHidden("evidence")
	c.RunE = func(c *cobra.Command, args []string) error {
		return e.diagnose(c.Context(), strings.Join(args, ""), f, hooks)
	}
	return c
}

// diagnose decides what the target is, judges it and prints the report.
func (e *Env) diagnose(ctx context.Context, target string, f diagnoseFlags, hooks DiagnoseHooks) error {
	paint, err := e.painter(f.color)
	if err != nil {
		return err
	}
	if f.from != "" {
		return e.diagnoseFile(f.from, paint)
	}
	if f.timeout <= 0 {
		return usage("--timeout must be longer than nothing")
	}
	if hooks.Order != nil && couldBeOrder(target) {
		r, found, err := hooks.Order(ctx, target)
		if err != nil {
			return err
		}
		if found {
			return e.showReport(r, nil, paint)
		}
	}
	t, err := parseTarget(target)
	if err != nil {
		return err
	}
	r, lines, err := e.diagnoseHost(ctx, t, f)
	if err != nil {
		return err
	}
	return e.showReport(r, lines, paint)
}

// diagnoseHost looks at a host and judges what was seen.
func (e *Env) diagnoseHost(ctx context.Context, t hostTarget, f diagnoseFlags) (diagnose.Report, []diagnose.ServedLine, error) {
	name := t.Host
	if f.serverName != "" {
		n, err := parseTarget(f.serverName)
		if err != nil || n.Port != "443" {
			return diagnose.Report{}, nil, usage("--server-name %q is not a host's name", f.serverName)
		}
		name = n.Host
	}
	roots, trusted, err := trustedRoots(f.caFile)
	if err != nil {
		return diagnose.Report{}, nil, err
	}
	p, err := e.hostProber(f)
	if err != nil {
		return diagnose.Report{}, nil, err
	}
	issuer, err := intent(f)
	if err != nil {
		return diagnose.Report{}, nil, err
	}
	start := e.Now()
	look := inspect.HostOptions{
		Clock: inspect.Clock{Now: e.Now, From: "cli", Deadline: f.timeout},
		Host:  t.Host, Port: t.Port, ServerName: name, Prober: p, DNS: p, HTTP: p, Local: p,
		Method: f.method, ExpectIssuer: issuer,
		Complete:     func(chain [][]byte) bool { return diagnose.Leads(chain, roots, e.Now()) },
		Roots:        trusted,
		Control:      probe.Guard{}.Control,
		ControlLocal: ownGuard.Control,
	}
	opts := diagnose.Options{Roots: roots, PublicRoots: f.caFile == "", ServerName: name, Host: t.Host, Method: f.method, ExpectIssuer: issuer}
	seen := diagnose.Case{Target: t.String(), Now: e.Now(), Observations: inspect.Host(ctx, look), Options: opts}
	seen.Observations = inspect.Settle(ctx, seen.Observations, inspect.Further{Clock: look.Clock, Began: start, Open: seen.Open, Ask: look.Ask})
	seen.Now = e.Now()
	seen.Options.Took = seen.Now.Sub(start)
	if err := writeCase(f.evidence, seen); err != nil {
		return diagnose.Report{}, nil, err
	}
	return seen.Judge(), diagnose.Served(withoutDNS(seen.Observations), seen.Now, opts), nil
}

// withoutDNS leaves the handshakes.
func withoutDNS(obs []evidence.Observation) []evidence.Observation {
	var out []evidence.Observation
	for _, o := range obs {
		if s, ok := evidence.Decode[evidence.Served](o); o.Probe == evidence.ProbeTLS && ok && s.ErrorClass != probe.ClassUnresolvable {
			out = append(out, o)
		}
	}
	return out
}
