package cli

import (
	"fmt"
	"net/url"
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
	c := &cobra.Command{Use: "order", Aliases: []string{"orders"}, Short: "Order certificates and see how they stand"}
	c.AddCommand(e.orderCreate(), e.orderUpdate(), e.orderImport(), e.orderWatch(), e.orderList(), e.orderShow(), e.orderExport(), e.orderDelete())
	c.AddCommand(
		e.orderPlain("verify", "Look for the proofs of domain control now"),
		e.orderPlain("renew", "Get a new version now"),
		e.orderRekey(),
		e.orderPlain("sync", "Make every target hold the vault's current version, and look on the wire, now"),
		e.orderRevoke(),
		e.orderPlain("cancel", "Stop an order that has no version yet"),
		e.orderPlain("again", "Order once more, with the same settings, what was denied, canceled or revoked"),
	)
	return c
}

// wishFlags are the flags that say what is wanted; only those given become part of the wish.
type wishFlags struct {
	names, ips, sites, keyTypes, looks           []string
	issuer, method, profile, vault, secret, form string
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
	s.StringVar(&f.method, "method", "", "how control of the names is shown: http-01, html or txt (default: the issuer's)")
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

func (f *wishFlags) wish(c *cobra.Command) arm.Wish {
	w := arm.Wish{Tags: f.tags}
	p := &w.Properties
	given := c.Flags().Changed
	if given("dns") || given("ip") {
		names := append(append([]string{}, f.names...), f.ips...)
		p.Names = &names
	}
	if given("endpoint") {
		p.Endpoints = endpoints(f.looks)
	}
	if given("key-type") {
		var types []order.KeyType
		for _, k := range f.keyTypes {
			types = append(types, order.KeyType(strings.ToUpper(k)))
		}
		p.KeyTypes = &types
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
	str("profile", &f.profile, &p.Profile)
	str("vault", &f.vault, &p.Vault)
	str("secret", &f.secret, &p.SecretName)
	if given("site") {
		p.Sites = &f.sites
	}
	if given("renew-at") {
		p.RenewAt = &f.renewAt
	}
	p.AllowDuplicate = f.duplicate
	return w
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
	var wait waitFlags
	c := &cobra.Command{
		Use: "create NAME --dns NAME ...", Short: "Order a certificate", Args: oneArg("the order's name"),
		Example: "  certwright order create www --dns example.test --dns www.example.test --issuer le --site shop --wait",
	}
	f.add(c)
	wait.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := e.client()
		if err != nil {
			return err
		}
		o, err := cl.CreateOrder(c.Context(), args[0], f.wish(c))
		return e.after(c.Context(), cl, o, err, wait, "Ordered")
	}
	return c
}

func (e *Env) orderUpdate() *cobra.Command {
	var f wishFlags
	c := &cobra.Command{Use: "update NAME", Short: "Change what an order asks for", Args: oneArg("the order's name")}
	f.add(c)
	var auto bool
	c.Flags().BoolVar(&auto, "auto-renew", false, "renew by itself")
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := e.client()
		if err != nil {
			return err
		}
		w := f.wish(c)
		if c.Flags().Changed("auto-renew") {
			w.Properties.AutoRenew = &auto
		}
		o, err := cl.UpdateOrder(c.Context(), args[0], w)
		return e.after(c.Context(), cl, o, err, waitFlags{}, "Changed")
	}
	return c
}

func (e *Env) orderWatch() *cobra.Command {
	var wait waitFlags
	var name string
	var sni string
	c := &cobra.Command{Use: "watch HOST[:PORT]", Short: "Look at what an endpoint serves, with no issuer and no key", Args: oneArg("the endpoint to watch: HOST or HOST:PORT")}
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
func (e *Env) orderPlain(command, short string) *cobra.Command {
	var wait waitFlags
	c := &cobra.Command{Use: command + " NAME", Short: short, Args: oneArg("the order's name")}
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

func (e *Env) orderRekey() *cobra.Command {
	var wait waitFlags
	var hours float64
	c := &cobra.Command{Use: "rekey NAME", Short: "Get a new version with a new key now", Args: oneArg("the order's name")}
	c.Flags().Float64Var(&hours, "revoke-after", 0, "revoke the old version this many hours after the new one is stored, once no target holds it (default: do not revoke)")
	wait.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var body api.CommandBody
		if c.Flags().Changed("revoke-after") {
			body.DelayExistingRevokeInHours = &hours
		}
		return e.command(c, args[0], "rekey", body, wait)
	}
	return c
}

var revokeReasons = map[string]int{"unspecified": 0, "key-compromise": 1, "affiliation-changed": 3, "superseded": 4, "cessation-of-operation": 5}

func (e *Env) orderRevoke() *cobra.Command {
	var wait waitFlags
	var reason string
	c := &cobra.Command{Use: "revoke NAME", Short: "Withdraw all versions of an order at their authority (this cannot be undone)", Args: oneArg("the order's name")}
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
	c := &cobra.Command{Use: "delete NAME", Short: "Revoke and forget an order (its secret can be recovered from the vault for a time)", Args: oneArg("the order's name")}
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

func (e *Env) orderList() *cobra.Command {
	var q struct{ status, stage, state, owner, issuer, site, name, text, vault string }
	c := &cobra.Command{Use: "list", Short: "List orders, what is wrong with each and who must act", Args: cobra.NoArgs}
	f := c.Flags()
	f.StringVar(&q.status, "status", "", "only those of this status, such as Issued or Pendingissuance")
	f.StringVar(&q.stage, "stage", "", "only those whose worst stage is this one")
	f.StringVar(&q.state, "state", "", "only those whose worst stage is in this state, such as failed")
	f.StringVar(&q.owner, "owner", "", "only those where this one must act: owner, admin, issuer, certwright")
	f.StringVar(&q.issuer, "issuer", "", "only those of this issuer")
	f.StringVar(&q.site, "site", "", "only those of this site")
	f.StringVar(&q.name, "dns", "", "only those that cover exactly this name")
	f.StringVar(&q.vault, "vault-status", "", "only those with this vault status, such as KeyVaultDoesNotExist")
	f.StringVar(&q.text, "search", "", "only those whose name or names contain this")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cl, err := e.client()
		if err != nil {
			return err
		}
		v := url.Values{}
		for k, s := range map[string]string{"status": q.status, "stage": q.stage, "state": q.state, "owner": q.owner, "issuer": q.issuer, "site": q.site, "name": q.name, "q": q.text, "vaultStatus": q.vault} {
			if s != "" {
				v.Set(k, s)
			}
		}
		list, err := cl.Orders(c.Context(), v)
		if err != nil {
			return err
		}
		return e.show(list, func() { e.printOrders(list) })
	}
	return c
}

func (e *Env) printOrders(list []order.Summary) {
	if len(list) == 0 {
		e.printf("No orders. Create one with: certwright order create NAME --dns NAME\n")
		return
	}
	var rows [][]string
	for _, o := range list {
		p := o.Projection
		expires := "-"
		if !p.Expires.IsZero() {
			expires = e.ago(&p.Expires)
		}
		rows = append(rows, []string{o.ID.Name, string(p.Status), string(p.Stage) + " " + string(p.State), dash(p.Owner), expires, cut(p.Text, 80)})
	}
	e.table([]string{"NAME", "STATUS", "STAGE", "MUST ACT", "EXPIRES", "WHAT"}, rows)
}

func (e *Env) orderShow() *cobra.Command {
	return &cobra.Command{Use: "show NAME", Short: "Show an order: its path, stage by stage", Args: oneArg("the order's name"), RunE: func(c *cobra.Command, args []string) error {
		cl, err := e.client()
		if err != nil {
			return err
		}
		o, err := cl.Order(c.Context(), args[0])
		if err != nil {
			return err
		}
		if err := e.show(o, func() { e.printOrder(o) }); err != nil {
			return err
		}
		if unwell(o) {
			return Unhealthy{}
		}
		return nil
	}}
}

// unwell says whether a stage failed or is blocked, or the order came to nothing.
func unwell(o client.Order) bool {
	for _, s := range o.Properties.Path {
		if s.State == order.StateFail || s.State == order.Blocked {
			return true
		}
	}
	switch o.Properties.Status {
	case order.Denied, order.StatusExpired:
		return true
	}
	return false
}

func (e *Env) orderExport() *cobra.Command {
	var b api.ExportBody
	var keyType, file, password string
	c := &cobra.Command{Use: "export NAME", Short: "Write the current version with its key to a file", Args: oneArg("the order's name")}
	f := c.Flags()
	f.StringVar(&b.Format, "format", "pem", "pem or pfx")
	f.StringVar(&keyType, "key-type", "", "which key type (default: the order's first)")
	f.StringVar(&file, "out", "", "file to write, readable by you alone (default: standard output)")
	f.StringVar(&password, "password-file", "", "file whose first line is the password of the PFX (default: none, as App Service Certificates export it)")
	c.RunE = func(c *cobra.Command, args []string) error {
		cl, err := e.client()
		if err != nil {
			return err
		}
		b.KeyType = order.KeyType(strings.ToUpper(keyType))
		if b.Password, err = firstLine(password); err != nil {
			return err
		}
		data, err := cl.Export(c.Context(), args[0], b)
		if err != nil {
			return err
		}
		if file == "" {
			_, err = e.Stdout.Write(data)
			return err
		}
		if err := writePrivate(file, data); err != nil {
			return err
		}
		e.printf("Written to %s. It is a copy: Certwright does not renew it.\n", file)
		return nil
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
	return e.show(o, func() {
		e.printf("%s: %s is %s. Follow it with: certwright order show %s\n", done, o.Name, fmt.Sprint(o.Properties.Status), o.Name)
	})
}
