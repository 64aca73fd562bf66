package cli

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"certwright/internal/arm"
	"certwright/internal/secret"
)

func (e *Env) vaultCommand() *cobra.Command {
	c := group("vault", "What the vault holds, and who may do what there", "vaults")
	var vault string
	var deleted bool
	c.PersistentFlags().StringVar(&vault, "vault", secret.DefaultVault, "the vault")
	list := &cobra.Command{Use: "list [SECRET]", Short: "List secrets, or the versions of one", Args: upTo(1, "the name of one secret, or nothing for all"),
		Example: "  certwright vault list\n  certwright vault list www\n  certwright vault list --deleted"}
	list.Flags().BoolVar(&deleted, "deleted", false, "list the soft-deleted ones")
	list.RunE = func(c *cobra.Command, args []string) error {
		p := "/v1/vaults/" + url.PathEscape(vault) + "/secrets"
		if deleted {
			p = "/v1/vaults/" + url.PathEscape(vault) + "/deletedsecrets"
		} else if len(args) == 1 {
			p += "/" + url.PathEscape(args[0])
		}
		return e.listSecrets(c, p, deleted)
	}
	act := func(use, short, method, format, done, next string, whole func(c *cobra.Command) error) *cobra.Command {
		a := &cobra.Command{Use: use + " SECRET", Short: short, Args: oneArg("the secret's name"), Example: "  certwright vault " + use + " www"}
		if whole != nil { // without a secret it is about the vault itself, which has to be named then
			a.Use, a.Example = use+" [SECRET]", a.Example+"\n  certwright vault "+use+" --vault kv-web"
			a.Short += ", or the soft-deleted vault that --vault names"
			a.Args = upTo(1, "the secret's name, or nothing for the vault itself")
		}
		a.RunE = func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				if !c.Flags().Changed("vault") {
					return usage("give the secret's name, or name the vault itself with --vault\n  → usage: %s", c.UseLine())
				}
				return whole(c)
			}
			cl, err := e.client()
			if err != nil {
				return err
			}
			if err := cl.Call(c.Context(), method, fmt.Sprintf(format, url.PathEscape(vault), url.PathEscape(args[0])), nil, nil, nil); err != nil {
				return err
			}
			e.printf("%s: secret %s of vault %s.%s\n", done, args[0], vault, strings.ReplaceAll(next, "NAME", args[0]))
			return nil
		}
		return a
	}
	c.AddCommand(list, e.vaultSecret(&vault), e.vaultCertificate(&vault),
		act("delete", "Soft-delete a secret", "DELETE", "/v1/vaults/%s/secrets/%s", "Soft-deleted", "\n  → bring it back with: certwright vault recover NAME", nil),
		act("recover", "Recover a soft-deleted secret", "POST", "/v1/vaults/%s/deletedsecrets/%s/recover", "Recovered", " An order that missed it looks again by itself.", func(c *cobra.Command) error { return e.recoverVault(c, vault) }),
		act("purge", "Purge a soft-deleted secret for good", "DELETE", "/v1/vaults/%s/deletedsecrets/%s", "Purged", " It cannot be brought back.", func(c *cobra.Command) error { return e.purgeVault(c, vault) }),
		e.vaultShow(&vault), e.vaultCreate(), e.vaultUpdate(&vault), e.vaultRemove(), e.vaultDeleted(), e.vaultPolicy(&vault),
		e.vaultAccess(&vault, "grant", "grantAccess", "Let Certwright itself store in the vault and read there", "Granted"),
		e.vaultAccess(&vault, "withdraw", "withdrawAccess", "Take from Certwright itself what it may do in the vault", "Withdrawn"))
	return c
}

// keptState says how a secret stands, in a word or two.
func (e *Env) keptState(purge *time.Time, enabled bool) string {
	switch {
	case purge != nil:
		return "deleted, purged " + e.ago(purge)
	case !enabled:
		return "disabled"
	}
	return "enabled"
}

func (e *Env) listSecrets(c *cobra.Command, path string, deleted bool) error {
	cl, err := e.client()
	if err != nil {
		return err
	}
	var list arm.List[secret.Info]
	if err := cl.Call(c.Context(), "GET", path, nil, nil, &list); err != nil {
		return err
	}
	return e.show(list.Value, func() {
		var rows [][]string
		switch {
		case len(list.Value) == 0 && deleted:
			e.printf("No secret is soft-deleted.\n")
			return
		case len(list.Value) == 0:
			e.printf("No secrets yet: an order's certificate is kept here once it is issued.\n")
			return
		}
		for _, s := range list.Value {
			var purge *time.Time
			if s.Deleted != nil {
				purge = &s.Deleted.Purge
			}
			rows = append(rows, []string{s.Name, s.ID, dash(s.ContentType), e.keptState(purge, s.Attributes.Enabled), e.ago(&s.Attributes.Created), e.ago(s.Attributes.Expires), dash(s.Author)})
		}
		e.table([]string{"SECRET", "VERSION", "CONTENT", "STATE", "WRITTEN", "EXPIRES", "BY"}, rows, nil)
	})
}
