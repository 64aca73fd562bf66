package cli

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"certwright/internal/api"
	"certwright/internal/arm"
	"certwright/internal/client"
	"certwright/internal/order"
	"certwright/internal/site"
)

func (e *Env) orderCommand() *cobra.Command {
	c := group("order", "Order certificates and see how they stand", "orders")
	c.AddCommand(e.orderCreate(), e.orderUpdate(), e.orderImport(), e.orderWatch(), e.orderList(), e.orderShow(), e.orderExport(), e.orderDelete())
	c.AddCommand(
		e.orderPlain("verify", "Look for the proofs of domain control now, and ask the issuer", ""),
		e.orderRenew(),
		e.orderRekey(),
		e.orderSync(),
		e.orderPlain("retry", "Try now whatever failed and waits for its next time", "What an authority asked to wait for is still waited for."),
		e.orderPlain("store", "Look at the vault now, and store what it lacks", "No authority is asked: only what is issued already is stored."),
		e.orderPlain("recover", "Take the order's soft-deleted secret back", ""),
		e.orderPlain("enable", "Switch the order's disabled secret on again", ""),
		e.orderPlain("resume", "Switch on the targets that somebody has switched off", "Other orders of the same sites get theirs back too. For automatic renewal, see: order update --auto-renew."),
		e.orderRevoke(),
		e.orderPlain("cancel", "Stop an order that has no version yet", ""),
		e.orderPlain("again", "Order once more, with the same settings, what was denied, canceled or revoked", ""),
	)
	return c
}

// wishFlags are the flags that say what is wanted; only those given become part of the wish.
type wishFlags struct {
	names, ips, sites, keyTypes, looks           []string
	issuer, method, profile, vault, secret, form string
	dnsAccount                                   string
	validity                                     time.Duration
	renewAt                                      float64
	noRenew, duplicate                           bool
	tags                                         map[string]string
}

func (f *wishFlags) add(c *cobra.Command) {
	s := c.Flags()
	s.StringArrayVar(&f.names, "dns", nil, "DNS name, the first is the common name (repeat for more)")
	s.StringArrayVar(&f.ips, "ip", nil, "IP address (repeat for more)")
	s.StringVar(&f.issuer, "issuer", "", "issuer (default: the built-in authority)")
	s.StringVar(&f.method, "method", "", "how control of the names is shown: http-01, dns-01, html or txt (default: the issuer's)")
	s.StringVar(&f.dnsAccount, "dns-account", "", "DNS account that writes the records of dns-01 (default: the one with the longest zone)")
	s.StringArrayVar(&f.sites, "site", nil, "site to deploy to and look at (repeat for more)")
	s.StringArrayVar(&f.looks, "endpoint", nil, "HOST:PORT to look at besides the sites' own (repeat for more)")
	s.StringSliceVar(&f.keyTypes, "key-type", nil, "EC-P256, EC-P384, RSA-2048, RSA-3072 or RSA-4096; several make versions side by side")
	s.DurationVar(&f.validity, "validity", 0, "how long it is to be valid, such as 2160h (built-in authority)")
	s.StringVar(&f.profile, "profile", "", "ACME profile")
	s.Float64Var(&f.renewAt, "renew-at", 0, "fraction of life after which to renew (default 0.67, or the issuer's suggested window)")
	s.BoolVar(&f.noRenew, "no-auto-renew", false, "do not renew by itself")
	s.StringVar(&f.vault, "vault", "", "vault to keep it in (default: default)")
	s.StringVar(&f.secret, "secret", "", "name of the secret in the vault (default: the order's name)")
	s.StringVar(&f.form, "format", "", "how the vault keeps it: pfx or pem")
	s.BoolVar(&f.duplicate, "allow-duplicate", false, "allow a second order for exactly these names")
	s.StringToStringVar(&f.tags, "tag", nil, "tag KEY=VALUE (repeat for more)")
}

// check refuses what is given with the wrong flag.
func (f *wishFlags) check() error {
	for _, ip := range f.ips {
		if _, err := netip.ParseAddr(strings.Trim(ip, "[]")); err != nil {
			return usage("--ip %s is no IP address\n  → give a name with --dns", ip)
		}
	}
	return nil
}

func (f *wishFlags) wish(c *cobra.Command) arm.Wish {
	w := arm.Wish{Tags: arm.TagsOf(f.tags)}
	p := &w.Properties
	given := c.Flags().Changed
	if given("dns") || given("ip") {
		names := append(append([]string{}, f.names...), f.ips...)
		p.Names = &names
	}
	if given("endpoint") {
		p.Endpoints = endpoints(filled(f.looks))
	}
	if given("key-type") {
		p.KeyTypes = keyTypes(f.keyTypes)
	}
	if given("method") {
		m := order.Method(f.method)
		p.Method = &m
	}
	if given("validity") {
		v := f.validity.String()
		p.Validity = &v
	}
	if given("no-auto-renew") {
		on := !f.noRenew
		p.AutoRenew = &on
	}
	if given("format") {
		t := map[string]string{"pfx": "application/x-pkcs12", "pem": "application/x-pem-file"}[f.form]
		if t == "" {
			t = f.form // the server says what is wrong with it
		}
		p.ContentType = &t
	}
	str := func(name string, v *string, to **string) {
		if given(name) {
			*to = v
		}
	}
	str("issuer", &f.issuer, &p.Issuer)
	str("dns-account", &f.dnsAccount, &p.DNSAccount)
	str("profile", &f.profile, &p.Profile)
	str("vault", &f.vault, &p.Vault)
	str("secret", &f.secret, &p.SecretName)
	if given("site") {
		sites := filled(f.sites)
		p.Sites = &sites
	}
	if given("renew-at") {
		p.RenewAt = &f.renewAt
	}
	p.AllowDuplicate = f.duplicate
	return w
}

// filled leaves out what is empty: a list of one empty value is how a list is emptied.
func filled(words []string) []string {
	return slices.DeleteFunc(append([]string{}, words...), func(w string) bool { return w == "" })
}

func endpoints(words []string) *[]site.Endpoint {
	list := []site.Endpoint{}
	for _, w := range words {
		list = append(list, site.Endpoint{Address: w})
	}
	return &list
}

func (e *Env) orderCreate() *cobra.Command {
	var f wishFlags
	var csr csrFlags
	var wait waitFlags
	c := &cobra.Command{
		Use: "create NAME --dns NAME ...", Short: "Order a certificate", Args: oneArg("the order's name"),
		Long: `Order a certificate: verify the names, have it issued, store it in the vault, deploy it to the sites, look on
the wire at what is served, and renew it in time. Without --wait the command returns once the order is recorded.

With --csr the key stays where the certificate request was made. The names may be left away: the request has them. The
vault keeps nothing then; 'order export NAME --chain' gives the certificate to whoever holds the key.

Exit status: 0 well, 1 refused or failed, 2 wrong usage, 3 recorded, but --wait saw it blocked or failing.`,
		Example: `  certwright order create www --dns example.com --dns www.example.com --issuer le --site shop --wait
  certwright order create intern --dns intern.example.com                 (by the built-in authority)
  certwright order create both --dns example.com --key-type EC-P256,RSA-2048
  certwright order create hsm --csr request.pem --issuer le --wait`,
	}
	f.add(c)
	csr.add(c)
	wait.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(f.names)+len(f.ips) == 0 && csr.file == "" {
			return usage("an order needs a name to certify\n  → certwright order create %s --dns NAME", args[0])
		}
		if err := f.check(); err != nil {
			return err
		}
		w := f.wish(c)
		var err error
		if w.Properties.CSR, w.Properties.ReuseCSR, err = csr.read(c); err != nil {
			return err
		}
		cl, err := e.client()
		if err != nil {
			return err
		}
		o, err := cl.CreateOrder(c.Context(), args[0], w)
		return e.after(c.Context(), cl, o, err, wait, "Ordered")
	}
	return c
}

func (e *Env) orderUpdate() *cobra.Command {
	var f wishFlags
	var wait waitFlags
	c := &cobra.Command{
		Use: "update NAME", Short: "Change what an order asks for", Args: oneArg("the order's name"),
		Long:    "Change what an order asks for. Only what is given changes; a list that is given (names, sites, endpoints) replaces the one\nbefore; '' as its only value takes all sites or endpoints away.",
		Example: "  certwright order update www --site shop --site cdn\n  certwright order update www --site ''                (deploy it nowhere any more)\n  certwright order update www --no-auto-renew\n  certwright order update www --dns example.com --dns shop.example.com --wait",
	}
	f.add(c)
	wait.add(c)
	var csr csrFlags
	csr.addReuse(c)
	var auto bool
	c.Flags().BoolVar(&auto, "auto-renew", false, "renew by itself")
	c.RunE = func(c *cobra.Command, args []string) error {
		w := f.wish(c)
		if !changesSomething(c) {
			return usage("nothing is given to change\n  → see what can be with: certwright order update --help")
		}
		if err := f.check(); err != nil {
			return err
		}
		cl, err := e.client()
		if err != nil {
			return err
		}
		if c.Flags().Changed("auto-renew") {
			w.Properties.AutoRenew = &auto
		}
		if _, w.Properties.ReuseCSR, err = csr.read(c); err != nil {
			return err
		}
		o, err := cl.UpdateOrder(c.Context(), args[0], w)
		return e.after(c.Context(), cl, o, err, wait, "Changed")
	}
	return c
}

// changesSomething says whether a flag of the command is about the order, not about the command line.
func changesSomething(c *cobra.Command) bool {
	n := c.Flags().NFlag()
	for _, other := range []string{"wait", "timeout", "output", "query", "context"} {
		if c.Flags().Changed(other) {
			n--
		}
	}
	return n > 0
}

func (e *Env) orderWatch() *cobra.Command {
	var wait waitFlags
	var name string
	var sni string
	c := &cobra.Command{
		Use: "watch HOST[:PORT]", Short: "Look at what an endpoint serves, with no issuer and no key", Args: oneArg("the endpoint to watch: HOST or HOST:PORT"),
		Long:    "Look regularly at what an endpoint serves. Nothing is ordered and no key is kept: it is listed and explained like any other order.",
		Example: "  certwright order watch www.example.com\n  certwright order watch 192.0.2.7:8443 --server-name www.example.com --name old-shop --wait",
	}
	c.Flags().StringVar(&name, "name", "", "the order's name (default: made of the host)")
	c.Flags().StringVar(&sni, "server-name", "", "server name to ask for (default: the host)")
	wait.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := e.client()
		if err != nil {
			return err
		}
		if name == "" {
			name = nameFrom(args[0])
		}
		o, err := cl.WatchOrder(c.Context(), name, api.WatchBody{Endpoints: []site.Endpoint{{Address: args[0], ServerName: sni}}})
		return e.after(c.Context(), cl, o, err, wait, "Watched")
	}
	return c
}

// nameFrom makes a resource name of an endpoint.
func nameFrom(endpoint string) string {
	name := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' {
			return r
		}
		return '-'
	}, endpoint), "-.")
	return name[:min(len(name), 64)]
}

// orderPlain is a command that needs nothing but the order's name.
func (e *Env) orderPlain(command, short, long string) *cobra.Command {
	var wait waitFlags
	c := &cobra.Command{Use: command + " NAME", Short: short, Args: oneArg("the order's name"), Example: "  certwright order " + command + " www --wait"}
	if long != "" {
		c.Long = short + ". " + long
	}
	wait.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return e.command(c, args[0], command, api.CommandBody{}, wait)
	}
	return c
}

func (e *Env) command(c *cobra.Command, name, command string, body api.CommandBody, wait waitFlags) error {
	cl, err := e.client()
	if err != nil {
		return err
	}
	o, err := cl.Command(c.Context(), name, command, body)
	return e.after(c.Context(), cl, o, err, wait, "Asked to "+command)
}

var revokeReasons = map[string]int{"unspecified": 0, "key-compromise": 1, "affiliation-changed": 3, "superseded": 4, "cessation-of-operation": 5}

func (e *Env) orderRevoke() *cobra.Command {
	var wait waitFlags
	var reason string
	c := &cobra.Command{
		Use: "revoke NAME", Short: "Withdraw all versions of an order at their authority (this cannot be undone)", Args: oneArg("the order's name"),
		Example: "  certwright order revoke www --reason key-compromise --wait",
	}
	c.Flags().StringVar(&reason, "reason", "unspecified", "unspecified, key-compromise, affiliation-changed, superseded or cessation-of-operation")
	wait.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		n, ok := revokeReasons[reason]
		if !ok {
			return usage("--reason %s is not known: use unspecified, key-compromise, affiliation-changed, superseded or cessation-of-operation", reason)
		}
		return e.command(c, args[0], "revoke", api.CommandBody{Reason: n}, wait)
	}
	return c
}

func (e *Env) orderDelete() *cobra.Command {
	var wait waitFlags
	var force bool
	c := &cobra.Command{
		Use: "delete NAME", Short: "Revoke and forget an order (its secret can be recovered from the vault for a time)", Args: oneArg("the order's name"),
		Example: "  certwright order delete www --wait\n  certwright order delete www --force            (even while targets hold its certificate)",
	}
	c.Flags().BoolVar(&force, "force", false, "even while targets hold its certificate")
	wait.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := e.client()
		if err != nil {
			return err
		}
		o, err := cl.DeleteOrder(c.Context(), args[0], force)
		return e.after(c.Context(), cl, o, err, wait, "Deleting")
	}
	return c
}

// after prints what came of a command and follows the order when asked to.
func (e *Env) after(ctx ctxt, cl *client.Client, o client.Order, err error, wait waitFlags, done string) error {
	if err != nil {
		return err
	}
	if wait.wait {
		return e.follow(ctx, cl, o, wait)
	}
	return e.show(&o, func() {
		e.printf("%s: %s, now %s.\n  → see how it goes with: certwright order show %s\n", done, o.Name, o.Properties.Status, o.Name)
	})
}
