package fulfill

import (
	"context"
	"errors"
	"fmt"

	"certwright/internal/order"
	"certwright/internal/secret"
)

// checkVault looks whether the vault still gives the current version of every key type, key and all, and would take the next.
func (r *run) checkVault(ctx context.Context, o *order.Order) []order.Result {
	if p := r.suspended(ctx, o); p != nil { // as in the service we equal: the vault of a suspended subscription counts as out of sync
		p.What, p.Vault = "read the vault", order.VaultNotPermitted
		return []order.Result{order.VaultSeen{Problem: p}}
	}
	if err := r.Vault.Ready(ctx, o.Spec.Vault); err != nil {
		return []order.Result{order.VaultSeen{Problem: r.problem(err, "use the vault")}}
	}
	for _, k := range o.Spec.KeyTypes {
		v := o.Current(k)
		if v == nil || o.Keyless(v) {
			continue
		}
		if _, err := r.Vault.Get(ctx, o.Spec.Vault, o.SecretFor(v.KeyType), v.SecretID); err != nil {
			p := r.problem(err, "read "+v.Label()+" from the vault")
			if p.Fix == "" && errors.Is(err, secret.ErrNotFound) {
				p.Fix = "Recover the secret, or rekey the order"
			}
			return []order.Result{order.VaultSeen{Problem: p}}
		}
	}
	return append(r.checkCopies(ctx, o), order.VaultSeen{})
}

// revoke withdraws one version at its authority, then marks it in the vault.
func (r *run) revoke(ctx context.Context, o *order.Order, v *order.Version) []order.Result {
	if v == nil {
		return nil
	}
	fail := func(err error, what string) []order.Result {
		return []order.Result{order.RevokedResult{Number: v.Number, Problem: r.problem(err, what)}}
	}
	auth, traits, err := r.Authorities.Authority(ctx, v.Issuer)
	if err != nil {
		return fail(err, "use issuer "+v.Issuer)
	}
	if p := r.onHold(o, v.Issuer, traits, false); p != nil {
		return fail(p, "revoke")
	}
	chain := order.DecodeChain(v.Chain)
	if len(chain) == 0 {
		return fail(fmt.Errorf("the certificate is not recorded"), "revoke")
	}
	reason := v.RevokeFor
	if o.Revoking != nil {
		reason = o.Revoking.Reason
	}
	if err := auth.Revoke(ctx, chain[0], reason); err != nil {
		r.heed(ctx, v.Issuer, r.problem(err, "revoke"))
		return fail(err, "revoke")
	}
	if o.Spec.Vault != "" { // one that was signed late may lie there too, though the order never counted it
		if err := r.Vault.Disable(ctx, o.Spec.Vault, o.SecretFor(v.KeyType), v.SecretID); err != nil && !errors.Is(err, secret.ErrNotFound) {
			r.Logger.Warn("the vault did not disable a revoked version", "order", o.ID.Name, "version", v.Number, "error", err)
		}
	}
	for i := range o.Spec.Links {
		l := &o.Spec.Links[i]
		if err := r.Vault.Disable(ctx, l.Vault, o.SecretOf(l, v.KeyType), v.SecretID); err != nil && !errors.Is(err, secret.ErrNotFound) {
			r.Logger.Warn("a vault did not disable the copy of a revoked version", "order", o.ID.Name, "link", l.Name, "version", v.Number, "error", err)
		}
	}
	return []order.Result{order.RevokedResult{Number: v.Number}}
}

// window asks the issuer when it suggests to renew. Its failure changes nothing: the order's own time
// of renewal stands.
func (r *run) window(ctx context.Context, o *order.Order, v *order.Version) []order.Result {
	chain := order.DecodeChain(v.Chain)
	auth, traits, err := r.Authorities.Authority(ctx, v.Issuer)
	if err != nil || len(chain) == 0 {
		return []order.Result{order.WindowSeen{Number: v.Number}}
	}
	if p := r.onHold(o, v.Issuer, traits, false); p != nil {
		return []order.Result{order.WindowSeen{Number: v.Number, Again: p.Until}}
	}
	info, err := auth.RenewalInfo(ctx, chain[0])
	if err != nil {
		r.Logger.Info("no renewal information", "order", o.ID.Name, "error", err)
		return []order.Result{order.WindowSeen{Number: v.Number, Again: r.Now().Add(order.AskAgain)}}
	}
	if !info.Again.IsZero() && !info.Again.After(r.Now()) {
		info.Again = r.Now().Add(order.AskAgain)
	}
	return []order.Result{order.WindowSeen{Number: v.Number, CertID: info.CertID, Window: info.Window, Again: info.Again}}
}

// kept says whether a secret stays in its vault though its order goes: the vault is gone, or is not Certwright's to change.
func kept(err error) bool {
	return errors.Is(err, secret.ErrNoVault) || errors.Is(err, secret.ErrDenied)
}

// remove ends an order: its secrets are soft-deleted, its row goes, its events stay for their retention.
// What targets hold is left to them.
func (r *run) remove(ctx context.Context, o *order.Order) ([]order.Result, bool) {
	if o.Spec.Vault != "" {
		for _, k := range o.Spec.KeyTypes {
			if !o.Kept(k) {
				continue
			}
			switch err := r.Vault.Delete(ctx, o.Spec.Vault, o.SecretFor(k)); {
			case err == nil, errors.Is(err, secret.ErrNotFound):
			case kept(err):
				r.Logger.Warn("the secret of a deleted order stays in its vault", "order", o.ID.Name, "vault", o.Spec.Vault, "secret", o.SecretFor(k), "error", err)
			default:
				p := r.problem(err, "delete the secret "+o.SecretFor(k))
				return []order.Result{order.VaultSeen{Problem: p}}, false
			}
		}
	}
	r.removeCopies(ctx, o)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveLimit)
	defer cancel()
	for {
		fresh, err := r.Store.LoadOrder(ctx, o.ID)
		if errors.Is(err, ErrNotFound) {
			return nil, true
		}
		if err != nil {
			r.Logger.Error("could not remove an order", "order", o.ID.Name, "error", err)
			return nil, false
		}
		err = r.Store.DeleteOrder(ctx, fresh, []order.Event{fresh.Removed(r.Now())})
		if err == nil {
			return nil, true
		}
		if !errors.Is(err, ErrConflict) {
			r.Logger.Error("could not remove an order", "order", o.ID.Name, "error", err)
			return nil, false
		}
	}
}
