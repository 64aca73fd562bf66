package fulfill

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strconv"
	"strings"

	"certwright/internal/order"
	"certwright/internal/site"
)

// checkEndpoint completes an address with the port 443 and checks it.
func checkEndpoint(e *site.Endpoint) error {
	bad := func(why string) error {
		return &order.Refusal{Kind: order.BadInput, Code: "InvalidEndpoint", Property: "endpoints", Message: fmt.Sprintf("%q is no endpoint: %s", e.Address, why), Fix: "Give HOST or HOST:PORT, an IPv6 address in brackets"}
	}
	host, port, err := net.SplitHostPort(e.Address)
	if err != nil {
		host, port = strings.Trim(e.Address, "[]"), "443"
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return bad("the port is not a number between 1 and 65535")
	}
	name, err := ParseName(host)
	if err != nil {
		if r, ok := order.AsRefusal(err); ok {
			return bad(r.Message)
		}
		return bad(err.Error())
	}
	if strings.HasPrefix(name.Value, "*") {
		return bad("a wildcard cannot be looked at")
	}
	e.Address = net.JoinHostPort(name.Value, port)
	if e.ServerName == "" && name.Kind == order.DNS {
		e.ServerName = name.Value
	}
	return nil
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// SaveSite checks and writes a site (Revision 0 = a new one) and lets every order that uses it follow.
func (m *Mover) SaveSite(ctx context.Context, by order.By, s site.Site) (*site.Site, error) {
	if err := m.checkSite(&s); err != nil {
		return nil, err
	}
	if err := m.checkScope(ctx, order.ID{Subscription: s.Subscription, Group: s.Group, Name: s.Name}); err != nil {
		return nil, err
	}
	bound := order.Bound{By: by, Changed: s.Name}
	if old, err := m.Store.LoadSite(ctx, s.Subscription, s.Group, s.Name); err == nil && old.Revision == s.Revision {
		if sameSite(*old, s) {
			return old, m.rebind(ctx, bound, old, true) // the same again is no change, but where a former try ended halfway
		}
		bound.Moved = moved(old, &s)
	}
	switch err := m.Store.SaveSite(ctx, &s); {
	case errors.Is(err, ErrExists):
		return nil, &order.Refusal{Kind: order.Conflict, Code: "SiteExists", Property: "name", Message: fmt.Sprintf("a site named %s exists already", s.Name), Fix: "Change it, or choose another name"}
	case errors.Is(err, ErrConflict):
		return nil, &order.Refusal{Kind: order.Stale, Code: "PreconditionFailed", Message: fmt.Sprintf("site %s was changed meanwhile", s.Name), Fix: "Read it again and repeat the change"}
	case err != nil:
		return nil, fmt.Errorf("save site %s: %w", s.Name, err)
	}
	return &s, m.rebind(ctx, bound, &s, false)
}

// moved names the targets that a site puts elsewhere, or otherwise, than it did.
func moved(old, s *site.Site) (names []string) {
	for _, t := range s.Targets {
		if was, ok := old.Target(t.Name); ok && (was.Kind != t.Kind || !reflect.DeepEqual(was.Files, t.Files)) {
			names = append(names, t.Name)
		}
	}
	return names
}

func sameSite(a, b site.Site) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

// rebind lets the orders of a site follow its targets and endpoints. again: those that do already stay as they are.
func (m *Mover) rebind(ctx context.Context, bound order.Bound, s *site.Site, again bool) error {
	ids, err := m.Store.OrdersBySite(ctx, s.Subscription, s.Group, s.Name)
	if err != nil {
		return fmt.Errorf("list the orders of site %s: %w", s.Name, err)
	}
	for _, id := range ids {
		err := m.follow(ctx, bound, id, again)
		if r, ok := order.AsRefusal(err); err != nil && (!ok || r.Kind != order.NotFound) {
			return err
		}
	}
	return nil
}

// follow gives an order the rows of its sites as they are now. again: an order that has them already stays as it is.
func (m *Mover) follow(ctx context.Context, bound order.Bound, id order.ID, again bool) error {
	_, err := m.change(ctx, id, func(o *order.Order) ([]order.Result, error) {
		bound.Sites = m.loadSites(ctx, o)
		if again {
			would := o.Clone()
			would.Apply(m.Now(), bound)
			if reflect.DeepEqual(would.Deployments, o.Deployments) && reflect.DeepEqual(would.Endpoints, o.Endpoints) {
				return nil, nil
			}
		}
		return []order.Result{bound}, nil
	})
	return err
}

func (m *Mover) checkSite(s *site.Site) error {
	bad := func(property, message string) error {
		return &order.Refusal{Kind: order.BadInput, Code: "InvalidSite", Property: property, Message: message, Fix: "Mend it, and save the site again"}
	}
	if err := order.ValidName(s.Name); err != nil {
		return bad("name", err.Error())
	}
	for i, t := range s.Targets {
		if err := order.ValidName(t.Name); err != nil {
			return bad("targets", err.Error())
		}
		for _, u := range s.Targets[:i] {
			if strings.EqualFold(t.Name, u.Name) {
				return bad("targets", fmt.Sprintf("target %s is named twice", t.Name))
			}
		}
		if err := m.Deployer.Check(t); err != nil {
			return unusable(order.BadInput, "InvalidSite", t, err)
		}
	}
	for i := range s.Endpoints {
		if err := checkEndpoint(&s.Endpoints[i]); err != nil {
			return err
		}
	}
	return nil
}

// unusable is what the deployer says of a target's settings, as a refusal of the wish that has them.
func unusable(kind order.RefusalKind, code string, t site.Target, err error) error {
	r := &order.Refusal{Kind: kind, Code: code, Property: "targets", Message: fmt.Sprintf("target %s: %s", t.Name, err)}
	if of, ok := order.AsRefusal(err); ok {
		r.Message, r.Fix = fmt.Sprintf("target %s: %s", t.Name, of.Message), of.Fix
		if of.Property != "" {
			r.Message = fmt.Sprintf("target %s, %s: %s", t.Name, of.Property, of.Message)
		}
	}
	return r
}

// DeleteSite removes a site that no order uses.
func (m *Mover) DeleteSite(ctx context.Context, subscription, group, name string) error {
	s, err := m.Store.LoadSite(ctx, subscription, group, name)
	if errors.Is(err, ErrNotFound) {
		return &order.Refusal{Kind: order.NotFound, Code: "SiteNotFound", Message: fmt.Sprintf("there is no site %s", name), Fix: "See the names with: certwright site list"}
	}
	if err != nil {
		return fmt.Errorf("read site %s: %w", name, err)
	}
	ids, err := m.Store.OrdersBySite(ctx, subscription, group, name)
	if err != nil {
		return fmt.Errorf("list the orders of site %s: %w", name, err)
	}
	if len(ids) > 0 {
		return &order.Refusal{Kind: order.Conflict, Code: "SiteInUse", Message: fmt.Sprintf("order %s deploys to site %s", ids[0].Name, name), Fix: "Take the site off that order first"}
	}
	return m.Store.DeleteSite(ctx, s)
}
