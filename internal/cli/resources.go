package cli

import (
	"fmt"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"certwright/internal/api"
	"certwright/internal/arm"
	"certwright/internal/order"
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
