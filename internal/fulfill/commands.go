package fulfill

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"certwright/internal/order"
	"certwright/internal/site"
)

// change loads an order, lets decide say what to apply, saves, and tries again on a lost race. It is how
// every command after the first becomes part of an order.
func (m *Mover) change(ctx context.Context, id order.ID, decide func(o *order.Order) ([]order.Result, error)) (*order.Order, error) {
	for {
		o, err := m.Store.LoadOrder(ctx, id)
		if errors.Is(err, ErrNotFound) {
			return nil, notFound(id)
		}
		if err != nil {
			return nil, fmt.Errorf("read order %s: %w", id.Name, err)
		}
		results, err := decide(o)
		if err != nil {
			return nil, err
		}
		if len(results) == 0 {
			return o, nil
		}
		now := m.Now()
		events := o.Apply(now, results...)
		err = m.Store.SaveOrder(ctx, o, o.Project(now), events)
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("save order %s: %w", id.Name, err)
		}
		m.Hinter.Hint(ctx, id)
		return o, nil
	}
}

func notFound(id order.ID) *order.Refusal {
	return &order.Refusal{Kind: order.NotFound, Code: "OrderNotFound", Message: fmt.Sprintf("there is no order %s", id.Name), Fix: "See the names with: certwright order list"}
}

// command gives one command to an order if its state allows it.
func (m *Mover) command(ctx context.Context, id order.ID, c order.Commanded) (*order.Order, error) {
	return m.change(ctx, id, func(o *order.Order) ([]order.Result, error) {
		if err := o.Allowed(c.Command, m.Now()); err != nil {
			return nil, err
		}
		return []order.Result{c}, nil
	})
}

// Verify looks for the proofs now, and asks the issuer even if we do not see them.
func (m *Mover) Verify(ctx context.Context, by order.By, id order.ID) (*order.Order, error) {
	return m.command(ctx, id, order.Commanded{By: by, Command: order.CmdVerify})
}

// Sync makes every target hold the current version, looks at the vault and at every endpoint, now.
func (m *Mover) Sync(ctx context.Context, by order.By, id order.ID) (*order.Order, error) {
	return m.command(ctx, id, order.Commanded{By: by, Command: order.CmdSync, Force: true})
}

// Revoke withdraws all versions of an order at their authority.
func (m *Mover) Revoke(ctx context.Context, by order.By, id order.ID, reason int) (*order.Order, error) {
	if reason < 0 || reason > 10 || reason == 2 || reason == 7 {
		return nil, &order.Refusal{Kind: order.BadInput, Code: "UnknownReason", Property: "reason", Message: fmt.Sprintf("%d is no revocation reason", reason), Fix: "Use 0 (unspecified), 1 (key compromised), 4 (superseded) or 5 (cessation of operation)"}
	}
	return m.command(ctx, id, order.Commanded{By: by, Command: order.CmdRevoke, Reason: reason})
}

// Cancel stops an order that has no version yet.
func (m *Mover) Cancel(ctx context.Context, by order.By, id order.ID) (*order.Order, error) {
	return m.command(ctx, id, order.Commanded{By: by, Command: order.CmdCancel})
}

// Again orders once more, with the same settings, what was denied, canceled or revoked.
func (m *Mover) Again(ctx context.Context, by order.By, id order.ID) (*order.Order, error) {
	return m.command(ctx, id, order.Commanded{By: by, Command: order.CmdAgain})
}

// Delete revokes and forgets an order. While targets hold its versions it is refused unless forced.
func (m *Mover) Delete(ctx context.Context, by order.By, id order.ID, force bool) (*order.Order, error) {
	return m.change(ctx, id, func(o *order.Order) ([]order.Result, error) {
		if err := o.Allowed(order.CmdDelete, m.Now()); err != nil {
			return nil, err
		}
		if bound := o.Bound(); len(bound) > 0 && !force {
			return nil, &order.Refusal{Kind: order.Conflict, Code: "OrderBound", Message: fmt.Sprintf("order %s is bound: its certificate is at %s", id.Name, strings.Join(bound, ", ")),
				Fix: fmt.Sprintf("Take its sites away first, with: certwright order update %s --site ''; or delete with --force: it will be revoked while it is served", id.Name)}
		}
		return []order.Result{order.Commanded{By: by, Command: order.CmdDelete, Reason: 5}}, nil
	})
}

// Export reads the current version of a key type (empty = the first) with its key. Who read it is recorded first.
func (m *Mover) Export(ctx context.Context, by order.By, id order.ID, k order.KeyType) (Certificate, error) {
	var v *order.Version
	o, err := m.change(ctx, id, func(o *order.Order) ([]order.Result, error) {
		if err := o.Allowed(order.CmdExport, m.Now()); err != nil {
			return nil, err
		}
		if k == "" {
			k = o.Spec.KeyTypes[0]
		}
		if v = o.Current(k); v == nil {
			return nil, &order.Refusal{Kind: order.NotFound, Code: "NothingStored", Property: "keyType", Message: fmt.Sprintf("order %s has no stored version of key type %s", id.Name, k),
				Fix: "See what it has with: certwright order show " + id.Name}
		}
		return []order.Result{order.Commanded{By: by, Command: order.CmdExport}}, nil
	})
	if err != nil {
		return Certificate{}, err
	}
	return m.Vault.Get(ctx, o.Spec.Vault, o.SecretFor(v.KeyType), v.SecretID)
}

// Noticed records a mail that a person asked for.
func (m *Mover) Noticed(ctx context.Context, id order.ID, n order.Noticed) error {
	_, err := m.change(ctx, id, func(*order.Order) ([]order.Result, error) { return []order.Result{n}, nil })
	return err
}

// atGeneration refuses a change of an order that was changed since it was read; 0 = whichever it is of.
func atGeneration(o *order.Order, generation int64) error {
	if generation == 0 || generation == o.Generation {
		return nil
	}
	return &order.Refusal{Kind: order.Stale, Code: "PreconditionFailed", Message: fmt.Sprintf("order %s was changed meanwhile: its generation is %d, not %d", o.ID.Name, o.Generation, generation), Fix: "Read it again and repeat the change"}
}

// Update changes the wish: edit changes a copy of it. A generation other than 0 must be the present one.
func (m *Mover) Update(ctx context.Context, by order.By, id order.ID, generation int64, edit func(w *Wish)) (*order.Order, error) {
	return m.change(ctx, id, func(o *order.Order) ([]order.Result, error) {
		if err := atGeneration(o, generation); err != nil {
			return nil, err
		}
		if err := o.Allowed(order.CmdUpdate, m.Now()); err != nil {
			return nil, err
		}
		w := Wish{Spec: o.Clone().Spec}
		for _, n := range w.Names {
			w.Words = append(w.Words, n.Value)
		}
		edit(&w)
		return m.rewish(ctx, by, o, w)
	})
}

func (m *Mover) rewish(ctx context.Context, by order.By, o *order.Order, w Wish) ([]order.Result, error) {
	spec := w.Spec
	if o.Kind == order.Watched {
		spec.Vault = DefaultVault // for the check alone
	}
	sites, err := m.checkWish(ctx, o.ID, &spec, w.Words)
	if err != nil {
		return nil, err
	}
	if o.Kind == order.Ordered {
		if err := m.checkIssuer(ctx, &spec); err != nil {
			return nil, err
		}
	} else {
		spec.Issuer, spec.KeyTypes = "", o.Spec.KeyTypes
	}
	if o.Spec.ExternalKey && !slices.Equal(spec.KeyTypes, o.Spec.KeyTypes) {
		return nil, badAsked("CsrKeyMismatch", propTypes, "the key lies elsewhere, and what kind it is its certificate request says", fmt.Sprintf("Give a request with such a key: certwright order rekey %s --csr FILE", o.ID.Name))
	}
	if o.Kind == order.Watched {
		spec.Vault, spec.Content = "", ""
	}
	if spec.Secret == o.ID.Name && o.Spec.Secret == "" {
		spec.Secret = "" // it is the order's own anyway
	}
	if sameWish(spec, o.Spec) {
		return nil, nil // the same wish again is no change
	}
	r := order.Rewished{By: by, Spec: spec, Sites: sites, Tokens: map[string]string{}}
	for _, n := range spec.Names {
		if o.Identifier(n.Value) == nil {
			r.Tokens[n.Value] = NewID()
		}
	}
	return []order.Result{r}, nil
}

// sameWish compares two wishes; whether a list is empty or not there makes no difference.
func sameWish(a, b order.Spec) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

// Watch records an order that only looks: at endpoints, for names that default to the endpoints' hosts.
func (m *Mover) Watch(ctx context.Context, by order.By, id order.ID, w Wish) (*order.Order, error) {
	if err := id.Valid(); err != nil {
		return nil, &order.Refusal{Kind: order.BadInput, Code: "InvalidOrderName", Property: "name", Message: err.Error(), Fix: "Use 1 to 64 letters, digits, '-', '_' and '.', beginning with a letter or digit"}
	}
	if err := m.checkScope(ctx, id); err != nil {
		return nil, err
	}
	if len(w.Endpoints) == 0 {
		return nil, &order.Refusal{Kind: order.BadInput, Code: "EndpointMissing", Property: "endpoints", Message: "a watched order needs an endpoint", Fix: "Give HOST or HOST:PORT"}
	}
	spec := order.Spec{Endpoints: w.Endpoints, Tags: w.Tags}
	for i := range spec.Endpoints {
		if err := checkEndpoint(&spec.Endpoints[i]); err != nil {
			return nil, err
		}
	}
	words := w.Words
	if len(words) == 0 {
		words = hostsOf(spec.Endpoints)
	}
	var err error
	if spec.Names, err = parseNames(words, m.MaxNames); err != nil {
		return nil, err
	}
	now := m.Now()
	o := order.Fresh(id, order.Watched, spec, nil, now)
	return o, m.record(ctx, o, by.Created(o, now))
}

func hostsOf(endpoints []site.Endpoint) []string {
	var hosts []string
	seen := map[string]bool{}
	for _, e := range endpoints {
		host := e.ServerName
		if host == "" {
			host = hostOf(e.Address)
		}
		if !seen[host] {
			seen[host] = true
			hosts = append(hosts, host)
		}
	}
	return hosts
}

func (m *Mover) loadSites(ctx context.Context, o *order.Order) []site.Site {
	r := &run{Mover: m}
	return r.sites(ctx, o)
}
