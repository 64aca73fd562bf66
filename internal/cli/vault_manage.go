package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"certwright/internal/arm"
	"certwright/internal/client"
	"certwright/internal/order"
)

// managed is a vault as the API gives it.
type managed struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Location   string            `json:"location"`
	Tags       map[string]string `json:"tags,omitempty"`
	Properties arm.Vault         `json:"properties"`
}

// goneVault is a soft-deleted vault as the API gives it.
type goneVault struct {
	ID         string           `json:"id"`
	Name       string           `json:"name"`
	Properties arm.DeletedVault `json:"properties"`
}

var vaultQuery = url.Values{"api-version": {"2024-11-01"}}

// inSubscriptions lists what every subscription that the token may see has at a path below it.
func inSubscriptions[T any](ctx context.Context, cl *client.Client, below string) ([]T, error) {
	subs, err := client.All[arm.Subscription](ctx, cl, "/subscriptions", vaultQuery)
	if err != nil {
		return nil, err
	}
	list := []T{}
	for _, s := range subs {
		those, err := client.All[T](ctx, cl, s.ID+below, vaultQuery)
		if err != nil {
			return nil, err
		}
		list = append(list, those...)
	}
	return list, nil
}

// findNamed finds what has a name, whatever the case, among what the subscriptions have at a path; none is what to say where
// nothing has it.
func findNamed[T any](ctx context.Context, e *Env, below, name string, nameOf func(T) string, none string) (*client.Client, T, error) {
	var nothing T
	cl, err := e.client()
	if err != nil {
		return nil, nothing, err
	}
	all, err := inSubscriptions[T](ctx, cl, below)
	if err != nil {
		return nil, nothing, err
	}
	for _, v := range all {
		if strings.EqualFold(nameOf(v), name) {
			return cl, v, nil
		}
	}
	return nil, nothing, errors.New(none)
}

const (
	vaultsBelow  = "/providers/Microsoft.KeyVault/vaults"
	deletedBelow = "/providers/Microsoft.KeyVault/deletedVaults"
)

// findVault finds a vault by its name, which is one in the whole service.
func (e *Env) findVault(ctx context.Context, name string) (*client.Client, managed, error) {
	return findNamed(ctx, e, vaultsBelow, name, func(v managed) string { return v.Name },
		fmt.Sprintf("there is no vault %s that this token may see\n  → a deleted one is in: certwright vault deleted", name))
}

func (e *Env) vaultShow(vault *string) *cobra.Command {
	return &cobra.Command{Use: "show", Short: "Show the vault: who may do what in it, and what becomes of what is deleted", Args: noArgs, Example: "  certwright vault show\n  certwright vault show --vault kv-web -o json", RunE: func(c *cobra.Command, _ []string) error {
		_, v, err := e.findVault(c.Context(), *vault)
		if err != nil {
			return err
		}
		return e.show(&v, func() { e.printVault(v) })
	}}
}

func (e *Env) printVault(v managed) {
	p := v.Properties
	e.printf("%s  %s\n", v.Name, p.URI)
	e.printf("  %-12s %s\n", "id", v.ID)
	model := "roles say who may (enableRbacAuthorization)"
	if !p.RBAC {
		model = fmt.Sprintf("%d access policies say who may: certwright vault policy list --vault %s", len(p.Policies), v.Name)
	}
	e.printf("  %-12s %s\n", "rights", model)
	for _, own := range p.Own {
		state := "may"
		if !own.Allowed {
			state = "may NOT: certwright vault grant --vault " + v.Name
		}
		e.printf("  %-12s %s, which %s: %s\n", "Certwright", own.Name, own.Does, state)
	}
	deletion := fmt.Sprintf("what is deleted can be recovered for %d days", p.Retention)
	if p.PurgeProtection {
		deletion += ", and not be purged before"
	}
	e.printf("  %-12s %s\n", "deletion", deletion)
	for _, tag := range sortedKeys(v.Tags) {
		e.printf("  %-12s %s=%s\n", "tag", tag, v.Tags[tag])
	}
}

// vaultFlags are what can be said of a vault.
type vaultFlags struct {
	by        string
	retention int
	protect   bool
	tags      map[string]string
}

func (f *vaultFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.by, "by", "", "who says who may: roles, or policies")
	c.Flags().IntVar(&f.retention, "retention-days", 0, "how long what is deleted can be recovered, 7 to 90 days")
	c.Flags().BoolVar(&f.protect, "purge-protection", false, "nobody can purge what is deleted before its time; it cannot be switched off again")
	c.Flags().StringToStringVar(&f.tags, "tag", nil, "tag, as NAME=VALUE; may be repeated")
}

// body is what the flags say, and nothing of what they do not.
func (f *vaultFlags) body() (map[string]any, error) {
	p := map[string]any{}
	switch f.by {
	case "":
	case "roles", "policies":
		p["enableRbacAuthorization"] = f.by == "roles"
	default:
		return nil, usage("--by %s: use roles or policies", f.by)
	}
	if f.retention != 0 {
		p["softDeleteRetentionInDays"] = f.retention
	}
	if f.protect {
		p["enablePurgeProtection"] = true
	}
	body := map[string]any{"location": "Global", "properties": p}
	if f.tags != nil {
		body["tags"] = f.tags
	}
	return body, nil
}

func (e *Env) vaultCreate() *cobra.Command {
	var f vaultFlags
	c := &cobra.Command{Use: "create NAME", Short: "Make a vault; Certwright itself may use it", Args: oneArg("the vault's name"), Example: "  certwright vault create kv-web\n  certwright vault create kv-web --by policies --retention-days 30 --group web"}
	f.add(c)
	group := c.Flags().String("group", order.DefaultGroup, "its resource group")
	subscription := c.Flags().String("subscription", order.DefaultSubscription, "its subscription")
	c.RunE = func(c *cobra.Command, args []string) error {
		body, err := f.body()
		if err != nil {
			return err
		}
		cl, err := e.client()
		if err != nil {
			return err
		}
		var v managed
		id := arm.VaultID(order.ID{Subscription: *subscription, Group: *group}, args[0])
		if err := cl.Call(c.Context(), "PUT", id, vaultQuery, body, &v, "If-None-Match", "*"); err != nil {
			return err
		}
		return e.show(&v, func() { e.printf("Made: vault %s.\n", v.Name); e.printVault(v) })
	}
	return c
}

func (e *Env) vaultUpdate(vault *string) *cobra.Command {
	var f vaultFlags
	c := &cobra.Command{Use: "update", Short: "Change who says who may, the time to recover, the tags", Args: noArgs,
		Long:    "Change a vault. Switching between roles and access policies takes from everybody what the other one gave, from Certwright itself too: give\nit what it needs then with 'certwright vault grant'. Only an Owner may switch.",
		Example: "  certwright vault update --vault kv-web --by policies\n  certwright vault update --vault kv-web --retention-days 30 --tag team=web"}
	f.add(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		body, err := f.body()
		if err != nil {
			return err
		}
		cl, v, err := e.findVault(c.Context(), *vault)
		if err != nil {
			return err
		}
		if err := cl.Call(c.Context(), "PATCH", v.ID, vaultQuery, body, &v); err != nil {
			return err
		}
		return e.show(&v, func() { e.printVault(v) })
	}
	return c
}

func (e *Env) vaultRemove() *cobra.Command {
	return &cobra.Command{Use: "remove NAME", Short: "Soft-delete a vault with all that it holds", Args: oneArg("the vault's name"), Example: "  certwright vault remove kv-web", RunE: func(c *cobra.Command, args []string) error {
		cl, v, err := e.findVault(c.Context(), args[0])
		if err != nil {
			return err
		}
		if err := cl.Call(c.Context(), "DELETE", v.ID, vaultQuery, nil, nil); err != nil {
			return err
		}
		e.printf("Soft-deleted: vault %s, with all that it holds. Orders that are kept there are out of sync now.\n  → bring it back with: certwright vault recover --vault %s\n", v.Name, v.Name)
		return nil
	}}
}

func (e *Env) vaultDeleted() *cobra.Command {
	return &cobra.Command{Use: "deleted", Short: "List the soft-deleted vaults", Args: noArgs, Example: "  certwright vault deleted", RunE: func(c *cobra.Command, _ []string) error {
		cl, err := e.client()
		if err != nil {
			return err
		}
		list, err := inSubscriptions[goneVault](c.Context(), cl, deletedBelow)
		if err != nil {
			return err
		}
		return e.show(list, func() {
			if len(list) == 0 {
				e.printf("No vault is soft-deleted.\n")
				return
			}
			var rows [][]string
			for _, v := range list {
				p := v.Properties
				protected := "can be purged"
				if p.Protected {
					protected = "protected"
				}
				rows = append(rows, []string{v.Name, e.ago(&p.Deleted), p.Purge.UTC().Format(time.RFC3339), protected, p.VaultID})
			}
			e.table([]string{"VAULT", "DELETED", "GONE AT", "PURGE", "ID"}, rows, nil)
		})
	}}
}

// findDeleted finds a soft-deleted vault by its name.
func (e *Env) findDeleted(ctx context.Context, name string) (*client.Client, goneVault, error) {
	return findNamed(ctx, e, deletedBelow, name, func(v goneVault) string { return v.Name },
		fmt.Sprintf("no vault %s is soft-deleted\n  → see those that are with: certwright vault deleted", name))
}

func (e *Env) recoverVault(c *cobra.Command, name string) error {
	cl, v, err := e.findDeleted(c.Context(), name)
	if err != nil {
		return err
	}
	body := map[string]any{"location": v.Properties.Location, "properties": map[string]any{"createMode": "recover"}}
	if err := cl.Call(c.Context(), "PUT", v.Properties.VaultID, vaultQuery, body, nil); err != nil {
		return err
	}
	e.printf("Recovered: vault %s, with all that it held. Its orders heal by themselves.\n", v.Name)
	return nil
}

func (e *Env) purgeVault(c *cobra.Command, name string) error {
	cl, v, err := e.findDeleted(c.Context(), name)
	if err != nil {
		return err
	}
	if err := cl.Call(c.Context(), "POST", v.ID+"/purge", vaultQuery, nil, nil); err != nil {
		return err
	}
	e.printf("Purged: vault %s, with all that it held. It cannot be brought back.\n", v.Name)
	return nil
}
