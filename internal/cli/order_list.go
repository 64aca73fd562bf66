package cli

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"certwright/internal/api"
	"certwright/internal/arm"
	"certwright/internal/order"
	"certwright/internal/timeline"
)

func (e *Env) orderList() *cobra.Command {
	var q struct{ status, stage, state, owner, issuer, site, name, text, vault, finding string }
	c := &cobra.Command{
		Use: "list", Short: "List orders, what is wrong with each and who must act", Args: noArgs,
		Example: "  certwright order list\n  certwright order list --state failed\n  certwright order list --owner owner -o tsv --query \"[].[id.name, projection.text]\"",
	}
	f := c.Flags()
	f.StringVar(&q.status, "status", "", "only those of this status, such as Issued or Pendingissuance")
	f.StringVar(&q.stage, "stage", "", "only those whose worst stage is this one: order, verify, issue, store, deploy or serve")
	f.StringVar(&q.state, "state", "", "only those whose worst stage is in this state: done, waiting, blocked, failed, disabled or unknown")
	f.StringVar(&q.owner, "owner", "", "only those where this one must act: owner, admin, issuer or certwright")
	f.StringVar(&q.issuer, "issuer", "", "only those of this issuer")
	f.StringVar(&q.site, "site", "", "only those of this site")
	f.StringVar(&q.name, "dns", "", "only those that cover exactly this name")
	f.StringVar(&q.vault, "vault-status", "", "only those with this vault status, such as KeyVaultDoesNotExist")
	f.StringVar(&q.finding, "finding", "", "only those with this top finding, such as tls-expired; any = all that have one")
	f.StringVar(&q.text, "search", "", "only those whose name or names contain this")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cl, err := e.client()
		if err != nil {
			return err
		}
		v := url.Values{}
		for k, s := range map[string]string{"status": q.status, "stage": q.stage, "state": q.state, "owner": q.owner, "issuer": q.issuer, "site": q.site, "name": q.name, "q": q.text, "vaultStatus": q.vault, "finding": q.finding} {
			if s != "" {
				v.Set(k, s)
			}
		}
		list, err := cl.Orders(c.Context(), v)
		if err != nil {
			return err
		}
		return e.show(list, func() { e.printOrders(list, len(v) > 0) })
	}
	return c
}

// printOrders prints one line for each order, and below many how they stand together.
func (e *Env) printOrders(list []order.Summary, filtered bool) {
	switch {
	case len(list) == 0 && filtered:
		e.printf("No order is like that.\n  → see all with: certwright order list\n")
		return
	case len(list) == 0:
		e.printf("No orders yet.\n  → create one with: certwright order create NAME --dns NAME\n")
		return
	}
	c := e.colour()
	var rows [][]string
	stands := map[order.StageState]int{}
	states := make([]order.StageState, len(list)) // as everywhere: a path that is done with something found on it is not well
	for i := range list {
		o := &list[i]
		p := &o.Projection
		states[i] = arm.ThingOfOrder(*o).State
		stands[states[i]]++
		status := string(p.Status)
		if o.Kind == order.Watched && p.Status == order.Pendingissuance {
			status = "Not seen yet" // nothing is to be issued: nothing was seen
		}
		if o.Kind != order.Ordered {
			status += " (" + string(o.Kind) + ")"
		}
		stage := string(p.Stage) + " " + string(p.State)
		switch {
		case p.State == order.Done && p.Finding != "":
			stage = "not well"
		case p.State == order.Done:
			stage = "all done"
		}
		rows = append(rows, []string{stateMark[states[i]] + " " + o.ID.Name, status, e.ago(&p.Expires), stage, dash(p.Owner), dash(e.wrong(p))})
	}
	paint := func(row, column int, s string) string {
		if column == 0 || column == 3 {
			return c.as(stateCode[states[row]], s)
		}
		return s
	}
	e.tableOf([]string{"  NAME", "STATUS", "EXPIRES", "STAGE", "MUST ACT", "WHAT"}, rows, paint, func(row int) bool {
		return states[row] != order.Done // the cause mostly stands at the end
	})
	if len(list) > 1 {
		var parts []string
		for _, s := range []order.StageState{order.StateFail, order.Blocked, order.StateWait, order.StateUnkno, order.Disabled, order.Done} {
			if n := stands[s]; n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n, s))
			}
		}
		e.printf("%s: %s\n", count(len(list), "order"), strings.Join(parts, ", "))
	}
}

// wrong is what a line says of an order: its finding and since when, where an examination has found one.
func (e *Env) wrong(p *order.Projection) string {
	if p.Finding == "" {
		return p.Text
	}
	return p.FindingTitle + " [" + p.Finding + "], for " + timeline.Lasting(e.Now().Sub(p.FindingSince).Truncate(time.Second))
}

func (e *Env) orderShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show an order: its path, stage by stage", Args: oneArg("the order's name"),
		Long: `Show an order: what is wrong with it first, then its path, stage by stage: how each stands since when, what comes
next and when, who must act, by when.

Exit status: 0 well, 1 the command failed, 2 wrong usage, 3 the order is not well.`,
		Example: "  certwright order show www\n  certwright order show www -o tsv --query properties.expirationTime",
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := e.client()
			if err != nil {
				return err
			}
			o, err := cl.Order(c.Context(), args[0])
			if err != nil {
				return err
			}
			if err := e.show(&o, func() { e.printOrder(&o) }); err != nil {
				return err
			}
			if unwell(o) {
				return Unhealthy{}
			}
			return nil
		},
	}
}

func (e *Env) orderExport() *cobra.Command {
	var b api.ExportBody
	var keyType, file, password string
	var chain bool
	c := &cobra.Command{
		Use: "export NAME", Short: "Write the current version with its key to a file", Args: oneArg("the order's name"),
		Long: "Write the current version with its key to a file. It is a copy, which Certwright does not renew; who made it is in the timeline.\n" +
			"With --chain the certificate and its intermediates alone are written: for whoever keeps the key elsewhere.",
		Example: "  certwright order export www --out www.pem\n  certwright order export www --format pfx --out www.pfx --password-file pw\n  certwright order export www --chain >chain.pem",
	}
	f := c.Flags()
	f.StringVar(&b.Format, "format", "pem", "pem or pfx")
	f.StringVar(&keyType, "key-type", "", "which key type (default: the order's first)")
	f.StringVar(&file, "out", "", "file to write, readable by you alone (default: standard output)")
	f.StringVar(&password, "password-file", "", "file whose first line is the password of the PFX (default: none, as App Service Certificates export it)")
	f.BoolVar(&chain, "chain", false, "the certificate and its intermediates as PEM, without the key")
	c.RunE = func(c *cobra.Command, args []string) error {
		if chain {
			return e.exportChain(c, args[0], keyType, file)
		}
		if b.Format != "pem" && b.Format != "pfx" {
			return usage("--format %s is not known: use pem or pfx", b.Format)
		}
		if file == "" && b.Format == "pfx" && e.IsTerminal {
			return usage("a PFX is no text for a terminal\n  → name a file with --out FILE")
		}
		var err error
		if b.Password, err = firstLine(password, "the password of the PFX"); err != nil {
			return err
		}
		if b.Password != "" && b.Format == "pem" {
			return usage("--password-file is for --format pfx: PEM is written with its key in the clear")
		}
		cl, err := e.client()
		if err != nil {
			return err
		}
		b.KeyType = order.KeyType(strings.ToUpper(keyType))
		data, err := cl.Export(c.Context(), args[0], b)
		if err != nil {
			return err
		}
		return e.deliver(file, data, ", readable by you alone")
	}
	return c
}

// exportChain writes the certificate and its intermediates, which anybody may read.
func (e *Env) exportChain(c *cobra.Command, name, keyType, file string) error {
	for _, other := range []string{"format", "password-file"} {
		if c.Flags().Changed(other) {
			return usage("--%s is for an export with the key, and --chain is without", other)
		}
	}
	cl, err := e.client()
	if err != nil {
		return err
	}
	data, err := cl.Chain(c.Context(), name, order.KeyType(strings.ToUpper(keyType)))
	if err != nil {
		return err
	}
	return e.deliver(file, data, "")
}

// deliver writes what was exported to a new file, or, where none is named, as the output.
func (e *Env) deliver(file string, data []byte, readable string) error {
	if file == "" {
		_, err := e.Stdout.Write(data)
		return err
	}
	if err := writePrivate(file, data); err != nil {
		return err
	}
	e.printf("Written to %s%s. It is a copy: Certwright does not renew it.\n", file, readable)
	return nil
}
