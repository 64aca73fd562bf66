package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"certwright/internal/auth"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/web"
)

// principalKey keeps, in a request's context, who is signed in to the pages.
type principalKey struct{}

// signedIn looks up the session of each request once, and puts its principal into the context, where the pages'
// reader and buttons find it.
func (s *Server) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if session := web.Session(r); session != "" {
			if p, err := s.Auth.Authenticate(r.Context(), session); err == nil {
				r = r.WithContext(context.WithValue(r.Context(), principalKey{}, p))
			}
		}
		next.ServeHTTP(w, r)
	})
}

// principal is who is signed in; one without a role, who may do nothing, where nobody is.
func principal(ctx context.Context) auth.Principal {
	p, _ := ctx.Value(principalKey{}).(auth.Principal)
	return p
}

func maySee(ctx context.Context, id order.ID) bool {
	return auth.Allow(principal(ctx), order.Type+"/Read", id.String())
}

// mayDo refuses what the role of who is signed in does not allow on this order.
func mayDo(ctx context.Context, action string, id order.ID) error {
	p := principal(ctx)
	if auth.Allow(p, action, id.String()) {
		return nil
	}
	return &order.Refusal{Kind: order.Forbidden, Code: "AuthorizationFailed", Message: fmt.Sprintf("the token %s (%s) may not do %s on order %s", p.Name, p.Role, action, id.Name), Fix: "Sign in with a token of a role that may"}
}

// scoped is the store as the signed-in principal may see it: what lies outside of the scope is not there.
type scoped struct {
	web.Reader
	now func() time.Time
}

// narrow is the part of the orders that a scope leaves of a list: subscription, group, and name where the scope goes down
// to one order. False: nothing is left of what was asked for.
func narrow(ctx context.Context, subscription, group string) (in order.ID, ok bool) {
	p := principal(ctx)
	part, ok := auth.Within(p.Scope, subscription, group)
	in = order.ID{Subscription: part.Subscription, Group: part.Group, Name: part.Name}
	return in, ok && auth.Allow(p, order.Type+"/Read", p.Scope) && (part.Type == "" || strings.EqualFold(part.Type, order.Type))
}

// ListOrders lists what the scope covers.
func (r scoped) ListOrders(ctx context.Context, q order.Query) (order.Page, error) {
	in, ok := narrow(ctx, q.Subscription, q.Group)
	if !ok {
		return order.Page{}, nil
	}
	q.Subscription, q.Group = in.Subscription, in.Group
	if in.Name != "" {
		q.Text = in.Name // the page holds what has the name in its own; the rest goes below
	}
	page, err := r.Reader.ListOrders(ctx, q)
	var mine []order.Summary
	for _, s := range page.Orders {
		if maySee(ctx, s.ID) {
			mine = append(mine, s)
		}
	}
	page.Orders = mine
	return page, err
}

// CountOrders counts what the scope covers.
func (r scoped) CountOrders(ctx context.Context, subscription, group string) ([]order.Count, error) {
	in, ok := narrow(ctx, subscription, group)
	if !ok {
		return nil, nil
	}
	if in.Name != "" {
		o, err := r.LoadOrder(ctx, in)
		if errors.Is(err, fulfill.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		p := o.Project(r.now())
		return []order.Count{{Subscription: in.Subscription, Group: in.Group, Status: p.Status, Stage: p.Stage, State: p.State, N: 1}}, nil
	}
	return r.Reader.CountOrders(ctx, in.Subscription, in.Group)
}

// LoadOrder loads an order of the scope; any other is fulfill.ErrNotFound, so that nobody learns which there are.
func (r scoped) LoadOrder(ctx context.Context, id order.ID) (*order.Order, error) {
	if !maySee(ctx, id) {
		return nil, fulfill.ErrNotFound
	}
	return r.Reader.LoadOrder(ctx, id)
}

// Events are those of an order of the scope, or of all orders that it covers.
func (r scoped) Events(ctx context.Context, q order.EventQuery) ([]order.Event, string, error) {
	if q.Order == nil {
		in, ok := narrow(ctx, q.Subscription, q.Group)
		if !ok {
			return nil, "", nil
		}
		q.Subscription, q.Group = in.Subscription, in.Group
		if in.Name != "" {
			q.Order = &in
		}
	}
	if q.Order != nil && !maySee(ctx, *q.Order) {
		return nil, "", fulfill.ErrNotFound
	}
	return r.Reader.Events(ctx, q)
}
