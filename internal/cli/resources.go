package cli

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"certwright/internal/api"
	"certwright/internal/arm"
	"certwright/internal/order"
	"certwright/internal/secret"
)

func (e *Env) issuerCommand() *cobra.Command {
	c := group("issuer", "The authorities that certificates are ordered from", "issuers")
	c.AddCommand(e.issuerAdd(), e.issuerList(), e.issuerRemove())
	return c
}

func (e *Env) issuerAdd() *cobra.Command {
	var b api.IssuerBody
	var caFile, eabFile string
	c := &cobra.Command{Use: "add NAME --directory URL", Short: "Add an ACME authority", Args: oneArg("the issuer's name"),
		Example: "  certwright issuer add le --directory https://acme-v02.api.letsencrypt.org/directory --contact mailto:ops@example.com\n" +
			"  certwright issuer add ca --directory https://ca.example.com/acme/directory --ca-file roots.pem --eab-kid kid-1 --eab-key-file hmac.txt"}
	f := c.Flags()
	f.StringVar(&b.Directory, "directory", "", "URL of the ACME directory")
	f.StringVar(&caFile, "ca-file", "", "PEM file of the roots that its HTTPS certificate chains to (default: the system's)")
	f.StringArrayVar(&b.Contact, "contact", nil, "mailto: address for the account (repeat for more)")
	f.StringVar(&b.EABKid, "eab-kid", "", "key id of the external account binding")
	f.StringVar(&eabFile, "eab-key-file", "", "file whose first line is the HMAC key of the external account binding, base64url")
	f.StringVar(&b.Profile, "profile", "", "ACME profile of orders that name none")
	f.IntVar(&b.InFlight, "in-flight", 0, "attempts at once (default 4)")
	_ = c.MarkFlagRequired("directory")
	c.RunE = func(c *cobra.Command, args []string) error {
		if caFile != "" {
			pem, err := os.ReadFile(caFile)
			if err != nil {
				return fmt.Errorf("read the authority's roots: %w", err)
			}
			b.CAFile = string(pem)
		}
		var err error
		if b.EABKey, err = firstLine(eabFile, "the key of the external account binding"); err != nil {
			return err
		}
		cl, err := e.client()
		if err != nil {
			return err
		}
		var i order.Issuer
		if err := cl.Call(c.Context(), "PUT", "/v1/issuers/"+url.PathEscape(args[0]), nil, b, &i); err != nil {
			return err
		}
		return e.show(&i, func() {
			e.printf("Added: issuer %s. The account is registered with the first order.\n", i.Name)
		})
	}
	return c
}

func (e *Env) issuerList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the issuers", Args: noArgs, Example: "  certwright issuer list", RunE: func(c *cobra.Command, _ []string) error {
		cl, err := e.client()
		if err != nil {
			return err
		}
		var list arm.List[order.Issuer]
		if err := cl.Call(c.Context(), "GET", "/v1/issuers", nil, nil, &list); err != nil {
			return err
		}
		return e.show(list.Value, func() {
			var rows [][]string
			for _, i := range list.Value {
				state := "ready"
				if i.Problem != nil {
					state = i.Problem.Error()
				}
				rows = append(rows, []string{i.Name, i.Kind, dash(i.Directory), dash(i.Account), state})
			}
			e.table([]string{"NAME", "KIND", "DIRECTORY", "ACCOUNT", "STATE"}, rows, nil)
		})
	}}
}

func (e *Env) issuerRemove() *cobra.Command {
	return &cobra.Command{Use: "remove NAME", Short: "Remove an issuer that no order uses", Args: oneArg("the issuer's name"), Example: "  certwright issuer remove le", RunE: func(c *cobra.Command, args []string) error {
		cl, err := e.client()
		if err != nil {
			return err
		}
		if err := cl.Call(c.Context(), "DELETE", "/v1/issuers/"+url.PathEscape(args[0]), nil, nil, nil); err != nil {
			return err
		}
		e.printf("Removed: issuer %s.\n", args[0])
		return nil
	}}
}

func (e *Env) vaultCommand() *cobra.Command {
	c := group("vault", "What the vault holds")
	var vault string
	var deleted bool
	c.PersistentFlags().StringVar(&vault, "vault", "default", "the vault")
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
	act := func(use, short, method, format, done, next string) *cobra.Command {
		return &cobra.Command{Use: use + " SECRET", Short: short, Args: oneArg("the secret's name"), Example: "  certwright vault " + use + " www", RunE: func(c *cobra.Command, args []string) error {
			cl, err := e.client()
			if err != nil {
				return err
			}
			if err := cl.Call(c.Context(), method, fmt.Sprintf(format, url.PathEscape(vault), url.PathEscape(args[0])), nil, nil, nil); err != nil {
				return err
			}
			e.printf("%s: secret %s of vault %s.%s\n", done, args[0], vault, strings.ReplaceAll(next, "NAME", args[0]))
			return nil
		}}
	}
	c.AddCommand(list, e.vaultSecret(&vault), e.vaultCertificate(&vault),
		act("delete", "Soft-delete a secret", "DELETE", "/v1/vaults/%s/secrets/%s", "Soft-deleted", "\n  → bring it back with: certwright vault recover NAME"),
		act("recover", "Recover a soft-deleted secret", "POST", "/v1/vaults/%s/deletedsecrets/%s/recover", "Recovered", "\n  → an order that missed it looks again with: certwright order sync ORDER"),
		act("purge", "Purge a soft-deleted secret for good", "DELETE", "/v1/vaults/%s/deletedsecrets/%s", "Purged", " It cannot be brought back."))
	return c
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
			state := "enabled"
			switch {
			case s.Deleted != nil:
				state = "deleted, purged " + e.ago(&s.Deleted.Purge)
			case !s.Attributes.Enabled:
				state = "disabled"
			}
			rows = append(rows, []string{s.Name, s.ID, dash(s.ContentType), state, e.ago(&s.Attributes.Created), e.ago(s.Attributes.Expires), dash(s.Author)})
		}
		e.table([]string{"SECRET", "VERSION", "CONTENT", "STATE", "WRITTEN", "EXPIRES", "BY"}, rows, nil)
	})
}
