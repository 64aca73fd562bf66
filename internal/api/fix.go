package api

import (
	"context"
	"fmt"
	"net/http"

	"certwright/internal/diagnose"
	"certwright/internal/order"
)

// FixBody is what fix reads. Empty, nothing is done: the answer says what would be.
type FixBody struct {
	Do     bool     `json:"do,omitempty"`     // do the first step that can be done
	Anyway bool     `json:"anyway,omitempty"` // also where a person has to mend something first
	Done   []string `json:"done,omitempty"`   // actions that were done before: none is done twice
}

// FixAnswer is what a fix would do, and what it did.
type FixAnswer struct {
	Plan diagnose.Plan      `json:"plan"`
	Did  *diagnose.PlanStep `json:"did,omitempty"` // nil = nothing was done
}

// fix says what would heal an order, and does the first of it when asked to: looking needs the route's action, doing
// that of the step.
func (a *API) fix(w http.ResponseWriter, r *request) error {
	var body FixBody
	if err := read(r, &body); err != nil {
		return err
	}
	for _, name := range body.Done {
		if _, ok := diagnose.ActionOf(name); !ok {
			return &order.Refusal{Kind: order.BadInput, Code: "UnknownAction", Property: "done", Message: fmt.Sprintf("%q is no action of a fix", name)}
		}
	}
	if _, err := a.load(r); err != nil {
		return err
	}
	answer, err := a.Fix(r.Context(), r.by, r.scope, body, func(right string) error {
		return allow(r, right, r.scope.String())
	})
	if err != nil {
		return err
	}
	write(w, http.StatusOK, answer)
	return nil
}

// plain is a command that needs nothing but the order.
type plain func(ctx context.Context, by order.By, id order.ID) (*order.Order, error)

// plain gives a command of the service; which one is asked for when the route is used, not when it is listed.
func (a *API) plain(of func(Service) plain) func(r *request, _ CommandBody) (*order.Order, error) {
	return func(r *request, _ CommandBody) (*order.Order, error) {
		return of(a.Service)(r.Context(), r.by, r.scope)
	}
}
