package cli

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"certwright/internal/arm"
	"certwright/internal/client"
	"certwright/internal/order"
)

// subscriptionCommand tells how the subscriptions stand: one that is not Enabled takes no new orders and renews none.
func (e *Env) subscriptionCommand() *cobra.Command {
	c := group("subscription", "Subscriptions: whether what lies in them is ordered and renewed", "subscriptions")
	c.AddCommand(
		&cobra.Command{Use: "list", Short: "List the subscriptions and how they stand", Args: noArgs, Example: "  certwright subscription list", RunE: func(c *cobra.Command, _ []string) error { return e.listSubscriptions(c.Context()) }},
		e.setSubscription("enable", "Enabled", "Let what lies in a subscription be ordered and renewed again"),
		e.setSubscription("disable", "Disabled", "Order and renew nothing more of what lies in a subscription; what is issued is served on"),
	)
	return c
}

// subscription is one as the API shows it.
type subscription struct {
	ID    string `json:"subscriptionId"`
	Name  string `json:"displayName"`
	State string `json:"state"`
}

func (e *Env) listSubscriptions(ctx ctxt) error {
	cl, err := e.client()
	if err != nil {
		return err
	}
	all, err := client.All[subscription](ctx, cl, arm.PlaceOf("/subscriptions").Address(), nil)
	if err != nil {
		return err
	}
	return e.show(&all, func() {
		var rows [][]string
		for _, s := range all {
			rows = append(rows, []string{dash(s.Name), s.State, s.ID})
		}
		e.table([]string{"NAME", "STATE", "ID"}, rows, nil)
	})
}

func (e *Env) setSubscription(word, state, short string) *cobra.Command {
	return &cobra.Command{
		Use: word + " [ID]", Short: short, Args: upTo(1, "a subscription's id, or nothing for the default one"), Example: "  certwright subscription " + word,
		RunE: func(c *cobra.Command, args []string) error {
			id := order.DefaultSubscription
			if len(args) == 1 {
				id = args[0]
			}
			cl, err := e.client()
			if err != nil {
				return err
			}
			at := arm.PlaceOf("/subscriptions/" + url.PathEscape(id)).Address()
			var s subscription
			if err := cl.Call(c.Context(), http.MethodGet, at, nil, nil, &s); err != nil { // a PUT would make one
				return err
			}
			if err := cl.Call(c.Context(), http.MethodPut, at, nil, map[string]string{"state": state}, &s); err != nil {
				return err
			}
			return e.show(&s, func() {
				e.printf("%s (%s) is %s.\n", dash(s.Name), s.ID, s.State)
				if state == "Enabled" {
					e.printf("%s", e.wrap("  → ", "what waits for it is tried again by itself; at once, with: certwright order retry NAME"))
				}
			})
		},
	}
}
