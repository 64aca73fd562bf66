package fulfill

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"certwright/internal/order"
	"certwright/internal/secret"
)

// Retry tries now whatever of an order failed and waits for its next time. What an authority asked to wait for is
// still waited for.
func (m *Mover) Retry(ctx context.Context, by order.By, id order.ID) (*order.Order, error) {
	return m.command(ctx, id, order.Commanded{By: by, Command: order.CmdRetry})
}

// StoreAgain looks at the vault now and stores what is signed and not stored yet.
func (m *Mover) StoreAgain(ctx context.Context, by order.By, id order.ID) (*order.Order, error) {
	return m.command(ctx, id, order.Commanded{By: by, Command: order.CmdStore})
}

// Recover takes the order's soft-deleted secrets back and looks at the vault again. Where none of them is
// soft-deleted it is a *order.Refusal of kind NotFound.
func (m *Mover) Recover(ctx context.Context, by order.By, id order.ID) (*order.Order, error) {
	return m.mend(ctx, by, id, order.CmdRecover, func(o *order.Order, name, _ string) error {
		return m.Vault.Recover(ctx, o.Spec.Vault, name)
	}, "SecretNotDeleted", "is soft-deleted", "A secret that was purged cannot come back: renew the order")
}

// Enable switches the current versions' secrets, which somebody disabled, on again.
func (m *Mover) Enable(ctx context.Context, by order.By, id order.ID) (*order.Order, error) {
	return m.mend(ctx, by, id, order.CmdEnable, func(o *order.Order, name, version string) error {
		return m.Vault.Enable(ctx, o.Spec.Vault, name, version)
	}, "SecretNotFound", "is there", "If it was deleted, use recover; if it was purged, renew")
}

// SecretChanged records that somebody changed an order's secret through the vault, and has it looked at now. An order that
// has ended does not mind.
func (m *Mover) SecretChanged(ctx context.Context, by order.By, id order.ID, name, what string) (*order.Order, error) {
	return m.change(ctx, id, func(o *order.Order) ([]order.Result, error) {
		if o.Ended() {
			return nil, nil
		}
		return []order.Result{order.SecretChanged{By: by, Secret: name, What: what}}, nil
	})
}

// VaultChanged records that somebody changed a vault that an order is kept in, and has it looked at now. An order that has ended, or that
// is kept elsewhere, does not mind.
func (m *Mover) VaultChanged(ctx context.Context, by order.By, id order.ID, vault, what string) (*order.Order, error) {
	return m.change(ctx, id, func(o *order.Order) ([]order.Result, error) {
		if o.Ended() || !o.KeptIn(vault) {
			return nil, nil
		}
		return []order.Result{order.VaultChanged{By: by, Vault: vault, What: what}}, nil
	})
}

// mend does something to the secret of each key type, then records who did and looks at the vault again. It may be
// repeated: secrets that need nothing are passed over.
func (m *Mover) mend(ctx context.Context, by order.By, id order.ID, c order.Command, do func(o *order.Order, name, version string) error, code, state, fix string) (*order.Order, error) {
	o, err := m.Store.LoadOrder(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, notFound(id)
	}
	if err != nil {
		return nil, fmt.Errorf("read order %s: %w", id.Name, err)
	}
	if err := o.Allowed(c, m.Now()); err != nil {
		return nil, err
	}
	done := 0
	for _, k := range o.Spec.KeyTypes {
		v := o.Current(k)
		if v == nil || o.Keyless(v) {
			continue
		}
		switch err := do(o, o.SecretFor(v.KeyType), v.SecretID); {
		case err == nil:
			done++
		case !errors.Is(err, secret.ErrNotFound) && !errors.Is(err, secret.ErrDeleted):
			return nil, err
		}
	}
	if done == 0 {
		return nil, &order.Refusal{Kind: order.NotFound, Code: code, Message: fmt.Sprintf("no secret of order %s in vault %s %s", id.Name, o.Spec.Vault, state), Fix: fix}
	}
	return m.command(ctx, id, order.Commanded{By: by, Command: c})
}

// ResumeRenewal switches automatic renewal on.
func (m *Mover) ResumeRenewal(ctx context.Context, by order.By, id order.ID) (*order.Order, error) {
	return m.Update(ctx, by, id, 0, func(w *Wish) { w.AutoRenew = true })
}

// SwitchedOff lists the targets of an order that a person has switched off, as "site/target".
func SwitchedOff(o *order.Order) []string {
	var keys []string
	for i := range o.Deployments {
		if d := &o.Deployments[i]; d.Disabled != "" && !d.Gone {
			keys = append(keys, d.Key())
		}
	}
	return keys
}

// ResumeTargets switches on the targets of an order that a person has switched off; other orders of the same
// sites get theirs back too.
func (m *Mover) ResumeTargets(ctx context.Context, by order.By, id order.ID) (*order.Order, error) {
	o, err := m.Store.LoadOrder(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, notFound(id)
	}
	if err != nil {
		return nil, fmt.Errorf("read order %s: %w", id.Name, err)
	}
	off := SwitchedOff(o)
	if len(off) == 0 {
		return nil, &order.Refusal{Kind: order.Conflict, Code: "NothingSwitchedOff", Message: fmt.Sprintf("no target of order %s is switched off", id.Name), Fix: "See 'order show' for how its targets stand"}
	}
	for _, name := range o.Spec.Sites {
		s, err := m.Store.LoadSite(ctx, id.Subscription, id.Group, name)
		if err != nil {
			return nil, fmt.Errorf("read site %s: %w", name, err)
		}
		changed := false
		for i := range s.Targets {
			key := (&order.Deployment{Site: s.Name, Target: s.Targets[i].Name}).Key()
			if s.Targets[i].Disabled != "" && slices.Contains(off, key) {
				s.Targets[i].Disabled, changed = "", true
			}
		}
		if !changed {
			continue
		}
		if _, err := m.SaveSite(ctx, by, *s); err != nil {
			return nil, err
		}
	}
	return m.Sync(ctx, by, id)
}

// NextMethod is a method, other than the present one, by which control of the order's names can be shown to its
// issuer; a *order.Refusal where there is none.
func (m *Mover) NextMethod(ctx context.Context, o *order.Order) (order.Method, error) {
	none := &order.Refusal{Kind: order.Unsuitable, Code: "NoOtherMethod", Property: "method", Message: fmt.Sprintf("issuer %s takes no other method for the names of order %s", o.Spec.Issuer, o.ID.Name), Fix: "Mend what stands in the way of the present one, or choose another issuer"}
	if o.Kind != order.Ordered {
		return "", none
	}
	_, traits, err := m.Authorities.Authority(ctx, o.Spec.Issuer)
	if err != nil {
		return "", fmt.Errorf("use issuer %s: %w", o.Spec.Issuer, err)
	}
	known := methodsOf(traits)[1:]
	now := o.Spec.Method
	if now == order.MethodNone {
		now = known[0]
	}
	for _, k := range known {
		spec := o.Clone().Spec
		spec.Method, spec.DNSAccount = k, ""
		if k != now && m.checkIssuer(ctx, &spec) == nil && (k != order.MethodDNS01 || m.writable(ctx, &spec)) {
			return k, nil
		}
	}
	return "", none
}

// writable says whether DNS accounts can write the records of every name: what went by itself must not come to wait for
// a person.
func (m *Mover) writable(ctx context.Context, spec *order.Spec) bool {
	list, err := m.Store.ListDNSAccounts(ctx)
	return err == nil && !slices.ContainsFunc(spec.Names, func(n order.Name) bool {
		return order.ChooseDNSAccount(list, order.ChallengeName(n.Value)) == nil
	})
}

// OtherMethod has control of the names shown by another method that the issuer takes.
func (m *Mover) OtherMethod(ctx context.Context, by order.By, id order.ID) (*order.Order, error) {
	o, err := m.Store.LoadOrder(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, notFound(id)
	}
	if err != nil {
		return nil, fmt.Errorf("read order %s: %w", id.Name, err)
	}
	next, err := m.NextMethod(ctx, o)
	if err != nil {
		return nil, err
	}
	return m.Update(ctx, by, id, 0, func(w *Wish) { w.Method, w.DNSAccount = next, "" })
}
