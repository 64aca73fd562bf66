package cli

import (
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"certwright/internal/api"
	"certwright/internal/arm"
	"certwright/internal/order"
	"certwright/internal/server"
)

func (e *Env) tokenCommand() *cobra.Command {
	c := group("token", "Who may do what here: tokens with a role on a scope", "tokens")
	c.AddCommand(e.tokenCreate(), e.tokenList(), e.tokenDelete())
	return c
}

func (e *Env) tokenCreate() *cobra.Command {
	var role, scope, ttl string
	c := &cobra.Command{Use: "create NAME", Short: "Make a token, which is shown this once", Args: oneArg("the token's name"),
		Long: `Makes a token with a role on a scope. It is shown this once: only its hash is kept. It is used as it is
(Authorization: Bearer ...), or as the secret of the client id NAME at the token endpoint, by clients of Azure.`,
		Example: "  certwright token create ci --role Contributor --scope /subscriptions/" + order.DefaultSubscription + "/resourceGroups/shop --ttl 90d\n" +
			"  certwright token create watcher --role Reader"}
	f := c.Flags()
	f.StringVar(&role, "role", "Reader", "Reader, Contributor, Owner, \"Key Vault Secrets User\" or \"Key Vault Certificates Officer\"")
	f.StringVar(&scope, "scope", "/", "where the role holds: / for everything, a subscription, a resource group, or the id of a resource")
	f.StringVar(&ttl, "ttl", "90d", "how long it lasts, such as 12h or 90d; 0 = it never expires")
	c.RunE = func(c *cobra.Command, args []string) error {
		b := api.TokenBody{Role: role, Scope: scope}
		if ttl != "0" {
			var d server.Duration
			if err := d.UnmarshalText([]byte(ttl)); err != nil {
				return usage("--ttl %s: %v", ttl, err)
			}
			b.TTL = time.Duration(d).String()
		}
		cl, err := e.client()
		if err != nil {
			return err
		}
		var t api.Created
		if err := cl.Call(c.Context(), "PUT", "/v1/tokens/"+url.PathEscape(args[0]), nil, b, &t); err != nil {
			return err
		}
		return e.show(&t, func() {
			e.printf("Token:  %s   (shown this once, keep it)\n", t.Secret)
			e.printf("Name:   %s, %s on %s, %s\n", t.Name, t.Role, t.Scope, e.until(t.Expires))
		})
	}
	return c
}

// until says when a token ends.
func (e *Env) until(t time.Time) string {
	if t.IsZero() {
		return "without an end"
	}
	return "expires " + e.ago(&t)
}

func (e *Env) tokenList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the tokens, never their values", Args: noArgs, Example: "  certwright token list", RunE: func(c *cobra.Command, _ []string) error {
		cl, err := e.client()
		if err != nil {
			return err
		}
		var list arm.List[order.Token]
		if err := cl.Call(c.Context(), "GET", "/v1/tokens", nil, nil, &list); err != nil {
			return err
		}
		return e.show(list.Value, func() {
			var rows [][]string
			for _, t := range list.Value {
				rows = append(rows, []string{t.Name, t.Role, t.Scope, e.ago(&t.Created), e.until(t.Expires)})
			}
			e.table([]string{"NAME", "ROLE", "SCOPE", "MADE", "ENDS"}, rows, nil)
		})
	}}
}

func (e *Env) tokenDelete() *cobra.Command {
	return &cobra.Command{Use: "delete NAME", Aliases: []string{"revoke"}, Short: "Withdraw a token, and every session opened with it", Args: oneArg("the token's name"), Example: "  certwright token delete ci", RunE: func(c *cobra.Command, args []string) error {
		cl, err := e.client()
		if err != nil {
			return err
		}
		if err := cl.Call(c.Context(), "DELETE", "/v1/tokens/"+url.PathEscape(args[0]), nil, nil, nil); err != nil {
			return err
		}
		e.printf("Withdrawn: token %s. It works no more here; on other replicas for at most 10 seconds.\n", args[0])
		return nil
	}}
}
