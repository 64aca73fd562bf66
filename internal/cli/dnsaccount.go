package cli

import (
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"certwright/internal/arm"
	"certwright/internal/order"
)

func (e *Env) dnsAccountCommand() *cobra.Command {
	c := group("dns-account", "Where TXT records may be written, for orders with --method dns-01", "dns")
	c.AddCommand(e.dnsAccountAdd(), e.dnsAccountList(), e.dnsAccountShow(), e.dnsAccountTest(), e.dnsAccountRemove())
	return c
}

func dnsAccountPath(name string) string { return "/v1/dns-accounts/" + url.PathEscape(name) }

func (e *Env) dnsAccountAdd() *cobra.Command {
	b := arm.DNSAccountBody{Kind: order.KindRFC2136}
	var secretFile string
	var replace, untested bool
	c := &cobra.Command{Use: "add NAME --server HOST[:PORT] --zone ZONE --key KEY --secret-file FILE", Short: "Add an account, and test it", Args: oneArg("the account's name"),
		Example: "  certwright dns-account add bind --server ns1.example.com --zone example.com --key certwright --secret-file tsig.txt\n" +
			"  certwright dns-account add bind --server 192.0.2.53:5353 --zone example.com --zone acme.example.net --key certwright --algorithm hmac-sha512 --secret-file tsig.txt --replace"}
	f := c.Flags()
	f.StringVar(&b.Kind, "kind", b.Kind, "kind of account: "+strings.Join(order.DNSAccountKinds, ", ")+" (dynamic updates signed with a TSIG key)")
	f.StringVar(&b.Server, "server", "", "name server that takes updates, HOST or HOST:PORT (default port 53)")
	f.StringArrayVar(&b.Zones, "zone", nil, "zone that it may write, with all that lies below (repeat for more)")
	f.StringVar(&b.Key, "key", "", "name of the TSIG key")
	f.StringVar(&b.Algorithm, "algorithm", order.TSIGAlgorithms[0], "algorithm of the TSIG key: "+strings.Join(order.TSIGAlgorithms, ", "))
	f.StringVar(&secretFile, "secret-file", "", "file whose first line is the key's secret, base64 (with --replace: default, the one that is kept)")
	f.BoolVar(&replace, "replace", false, "change an account that is there")
	f.BoolVar(&untested, "no-test", false, "do not write and remove a record to see whether it works")
	for _, name := range []string{"server", "zone", "key"} {
		_ = c.MarkFlagRequired(name)
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		var err error
		if b.Secret, err = firstLine(secretFile, "the secret of the TSIG key"); err != nil {
			return err
		}
		cl, err := e.client()
		if err != nil {
			return err
		}
		var header []string
		if !replace {
			header = []string{"If-None-Match", "*"}
		}
		var a order.DNSAccount
		if err := cl.Call(c.Context(), "PUT", dnsAccountPath(args[0]), nil, b, &a, header...); err != nil {
			return err
		}
		if err := e.show(&a, func() {
			e.printf("Saved: DNS account %s, %s at %s.\n", a.Name, strings.Join(a.Zones, " and "), a.Server)
		}); err != nil || untested {
			return err
		}
		return e.testDNSAccount(c, a.Name, e.plain())
	}
	return c
}

// testDNSAccount has a record written and removed in each zone; the error says that some zone failed.
func (e *Env) testDNSAccount(c *cobra.Command, name string, tell bool) error {
	cl, err := e.client()
	if err != nil {
		return err
	}
	var t arm.DNSAccountTest
	if err := cl.Call(c.Context(), "POST", dnsAccountPath(name)+"/test", nil, nil, &t); err != nil {
		return err
	}
	failed := 0
	for _, z := range t.Zones {
		if z.Problem != nil {
			failed++
		}
		if !tell {
			continue
		}
		switch p := z.Problem; {
		case p == nil:
			e.printf("✓ %s: a record was written at %s and removed.\n", z.Zone, z.Name)
		case z.Written:
			e.printf("✗ %s: a record was written at %s, but not removed: %s\n", z.Zone, z.Name, p.Error())
		default:
			e.printf("✗ %s: %s\n", z.Zone, p.Error())
		}
		if p := z.Problem; p != nil && p.Cause != "" {
			e.printf("    Cause  %s\n", p.Cause)
		}
		if p := z.Problem; p != nil && p.Fix != "" {
			e.printf("    Fix    %s\n", p.Fix)
		}
	}
	if !tell {
		if err := e.show(t, func() {}); err != nil {
			return err
		}
	}
	if failed > 0 {
		return Unhealthy{}
	}
	return nil
}

func (e *Env) dnsAccountTest() *cobra.Command {
	return &cobra.Command{Use: "test NAME", Short: "Write a record into each zone, and take it away again", Args: oneArg("the account's name"), Example: "  certwright dns-account test bind",
		RunE: func(c *cobra.Command, args []string) error { return e.testDNSAccount(c, args[0], e.plain()) }}
}

func (e *Env) dnsAccountList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the accounts", Args: noArgs, Example: "  certwright dns-account list", RunE: func(c *cobra.Command, _ []string) error {
		cl, err := e.client()
		if err != nil {
			return err
		}
		var list arm.List[order.DNSAccount]
		if err := cl.Call(c.Context(), "GET", "/v1/dns-accounts", nil, nil, &list); err != nil {
			return err
		}
		return e.show(list.Value, func() {
			if len(list.Value) == 0 {
				e.printf("No DNS accounts yet.\n  → add one with: certwright dns-account add NAME --server HOST --zone ZONE --key KEY --secret-file FILE\n")
				return
			}
			var rows [][]string
			for _, a := range list.Value {
				rows = append(rows, []string{a.Name, a.Kind, a.Server, strings.Join(a.Zones, ", "), a.Key, a.Algorithm})
			}
			e.table([]string{"NAME", "KIND", "SERVER", "ZONES", "KEY", "ALGORITHM"}, rows, nil)
		})
	}}
}

func (e *Env) dnsAccountShow() *cobra.Command {
	return &cobra.Command{Use: "show NAME", Short: "Show an account, without its secret", Args: oneArg("the account's name"), Example: "  certwright dns-account show bind", RunE: func(c *cobra.Command, args []string) error {
		cl, err := e.client()
		if err != nil {
			return err
		}
		var a order.DNSAccount
		if err := cl.Call(c.Context(), "GET", dnsAccountPath(args[0]), nil, nil, &a); err != nil {
			return err
		}
		return e.show(&a, func() {
			e.printf("%s\n  Kind       %s\n  Server     %s\n  Zones      %s\n  Key        %s (%s; its secret is sealed, and shown to nobody)\n  Changed    %s\n", a.Name, a.Kind, a.Server,
				strings.Join(a.Zones, ", "), a.Key, a.Algorithm, e.ago(&a.Updated))
		})
	}}
}

func (e *Env) dnsAccountRemove() *cobra.Command {
	return &cobra.Command{Use: "remove NAME", Short: "Remove an account, and forget its secret", Args: oneArg("the account's name"), Example: "  certwright dns-account remove bind", RunE: func(c *cobra.Command, args []string) error {
		cl, err := e.client()
		if err != nil {
			return err
		}
		if err := cl.Call(c.Context(), "DELETE", dnsAccountPath(args[0]), nil, nil, nil); err != nil {
			return err
		}
		e.printf("Removed: DNS account %s.\n", args[0])
		return nil
	}}
}
