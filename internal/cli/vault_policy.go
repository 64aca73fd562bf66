package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"certwright/internal/arm"
	"certwright/internal/secret"
)

// vaultPolicy are the access policies of the vault, as az keyvault set-policy and delete-policy have them.
func (e *Env) vaultPolicy(vault *string) *cobra.Command {
	c := group("policy", "Access policies of the vault: who may do what in it, where they say so")
	c.AddCommand(e.policyList(vault), e.policyChange(vault, "set", "add", "Give a principal permissions, besides those that it has", "Given"), e.policyChange(vault, "remove", "remove", "Take permissions from a principal; without any named, all", "Taken"))
	return c
}

func (e *Env) policyList(vault *string) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the access policies", Args: noArgs, Example: "  certwright vault policy list --vault kv-web", RunE: func(c *cobra.Command, _ []string) error {
		_, v, err := e.findVault(c.Context(), *vault)
		if err != nil {
			return err
		}
		return e.show(v.Properties.Policies, func() {
			if v.Properties.RBAC {
				e.printf("Roles say who may in vault %s: access policies have no effect there (certwright vault update --vault %s --by policies).\n", v.Name, v.Name)
			}
			if len(v.Properties.Policies) == 0 {
				e.printf("No access policies.\n")
				return
			}
			var rows [][]string
			for _, p := range v.Properties.Policies {
				rows = append(rows, []string{principalName(p.ObjectID), dash(strings.Join(p.Permissions.Secrets, ",")), dash(strings.Join(p.Permissions.Certificates, ","))})
			}
			e.table([]string{"PRINCIPAL", "SECRETS", "CERTIFICATES"}, rows, nil)
		})
	}}
}

// principalName is the name of one of Certwright's own principals; of a token its own.
func principalName(id string) string {
	if own, ok := secret.OwnPrincipal(id); ok {
		return own.Name
	}
	return id
}

func (e *Env) policyChange(vault *string, use, kind, short, done string) *cobra.Command {
	c := &cobra.Command{Use: use + " PRINCIPAL", Short: short, Args: oneArg("a token's name, or " + secret.Storer.Name + " or " + secret.Fetcher.Name),
		Long:    short + ". PRINCIPAL is the name of a token, or one of Certwright's own: " + secret.Storer.Name + ", which " + secret.Storer.Does + ", and\n" + secret.Fetcher.Name + ", which " + secret.Fetcher.Does + ".",
		Example: "  certwright vault policy " + use + " ci --vault kv-web --secrets get,list\n  certwright vault policy " + use + " " + secret.Storer.Name + " --vault kv-web --secrets set"}
	secrets := c.Flags().StringSlice("secrets", nil, "permissions on secrets: "+strings.Join(secret.Permissions("secrets"), ", "))
	certificates := c.Flags().StringSlice("certificates", nil, "permissions on certificates: "+strings.Join(secret.Permissions("certificates"), ", "))
	c.RunE = func(c *cobra.Command, args []string) error {
		given := arm.Permissions{Secrets: *secrets, Certificates: *certificates}
		if none := len(*secrets)+len(*certificates) == 0; none && kind == "add" {
			return usage("give --secrets or --certificates, such as --secrets get,list")
		} else if none {
			given = arm.Permissions{}
			for name, list := range map[string]*[]string{"secrets": &given.Secrets, "certificates": &given.Certificates, "keys": &given.Keys, "storage": &given.Storage} {
				*list = secret.Permissions(name)
			}
		}
		cl, v, err := e.findVault(c.Context(), *vault)
		if err != nil {
			return err
		}
		var out arm.PoliciesWish
		body := arm.PoliciesWish{Properties: arm.PoliciesInside{Policies: []arm.AccessPolicy{{Tenant: v.Properties.Tenant, ObjectID: args[0], Permissions: given}}}}
		if err := cl.Call(c.Context(), "PUT", v.ID+"/accessPolicies/"+kind, vaultQuery, body, &out); err != nil {
			return err
		}
		return e.show(out.Properties.Policies, func() {
			note := ""
			if v.Properties.RBAC {
				note = fmt.Sprintf("\n  → it has no effect while roles say who may: certwright vault update --vault %s --by policies", v.Name)
			}
			e.printf("%s: %s in vault %s.%s\n", done, args[0], v.Name, note)
		})
	}
	return c
}

// vaultAccess gives Certwright's own principals what they need in the vault, or takes it away.
func (e *Env) vaultAccess(vault *string, use, action, short, done string) *cobra.Command {
	return &cobra.Command{Use: use + " [PRINCIPAL]", Short: short, Args: upTo(1, "one of Certwright's own principals, or nothing for both"),
		Example: "  certwright vault " + use + " --vault kv-web\n  certwright vault " + use + " " + secret.Storer.Name + " --vault kv-web", RunE: func(c *cobra.Command, args []string) error {
			cl, v, err := e.findVault(c.Context(), *vault)
			if err != nil {
				return err
			}
			if err := cl.Call(c.Context(), "POST", v.ID+"/"+action, vaultQuery, arm.OwnWish{Principals: args}, &v); err != nil {
				return err
			}
			return e.show(&v, func() { e.printf("%s. Orders that are kept there look again by themselves.\n", done); e.printVault(v) })
		}}
}
