package cli

import (
	"context"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"certwright/internal/api"
	"certwright/internal/arm"
)

func (e *Env) orderSync() *cobra.Command {
	var wait waitFlags
	var all bool
	c := &cobra.Command{
		Use: "sync NAME | --all", Short: "Make every target hold the vault's current version, and look on the wire, now",
		Long:    "Make every target hold the vault's current version, and look on the wire, now. It happens by itself once a day. Files that hold the version already are not written again.",
		Example: "  certwright order sync www --wait\n  certwright order sync --all\n  certwright site sync shop        (all orders of a site)",
		Args: func(c *cobra.Command, args []string) error {
			if all && len(args) > 0 {
				return usage("give an order's name or --all, not both")
			}
			if all && wait.wait {
				return usage("--wait follows one order\n  → see them all go with: certwright timeline -f")
			}
			if all {
				return nil
			}
			return oneArg("the order's name, or --all")(c, args)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "every order there is")
	wait.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if all {
			return e.syncMany(c.Context(), "/v1/sync")
		}
		return e.command(c, args[0], "sync", api.CommandBody{}, wait)
	}
	return c
}

func (e *Env) siteSync() *cobra.Command {
	return &cobra.Command{Use: "sync NAME", Short: "Sync every order of a site", Args: oneArg("the site's name"), Example: "  certwright site sync shop", RunE: func(c *cobra.Command, args []string) error {
		return e.syncMany(c.Context(), "/v1/sites/"+url.PathEscape(args[0])+"/sync")
	}}
}

// syncMany asks page by page, and says how far it is where somebody looks on.
func (e *Env) syncMany(ctx context.Context, path string) error {
	cl, err := e.client()
	if err != nil {
		return err
	}
	all := arm.Synced{Asked: []string{}, Refused: []arm.NotSynced{}}
	for next := ""; ; {
		var page arm.Synced
		query := url.Values{}
		if next != "" {
			query.Set("$skiptoken", next)
		}
		if err := cl.Call(ctx, "POST", path, query, nil, &page); err != nil {
			return err
		}
		all.Asked, all.Refused = append(all.Asked, page.Asked...), append(all.Refused, page.Refused...)
		if next = page.Next; next == "" {
			break
		}
		e.errorf("%s asked, going on\n", count(len(all.Asked), "order"))
	}
	return e.show(&all, func() { e.printSynced(all) })
}

// printSynced says what was asked, and why the rest was not.
func (e *Env) printSynced(all arm.Synced) {
	if len(all.Asked)+len(all.Refused) == 0 {
		e.printf("No orders there: nothing to sync.\n")
		return
	}
	e.printf("Asked to sync: %s.\n", count(len(all.Asked), "order"))
	const most = 10
	for i, r := range all.Refused {
		if i == most {
			e.printf("  and %d more: see all with -o json\n", len(all.Refused)-most)
			break
		}
		e.printf("  not %s: %s\n", r.ID[strings.LastIndex(r.ID, "/")+1:], r.Reason.Message)
	}
	e.printf("  → see them go with: certwright timeline -f; how they stand with: certwright order list\n")
}
