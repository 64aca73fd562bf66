package vault

import (
	"context"
	"fmt"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// Own is the built-in vault as Certwright itself uses it for its orders: as two principals that have rights in a vault like
// everybody else. One stores (secret.Storer), one reads what is deployed (secret.Fetcher). Who owns a vault can take their
// rights away, and then the order's link says so, as in the service we equal. It implements fulfill.Vault.
type Own struct{ *Builtin }

// admit says whether a principal may do something in a vault: nil, or a Problem.
func (o Own) admit(ctx context.Context, p secret.Principal, right secret.Permission, what, where, vault string) error {
	row, err := o.rows.LoadVault(ctx, vault)
	if err != nil {
		return o.problem(what, where, err)
	}
	if row.Admits(p, right) {
		return nil
	}
	return o.denied(row, p, right, what, where)
}

// denied is the problem of a right that one of Certwright's own principals has not. It names principal, permission and vault.
func (b *Builtin) denied(row secret.VaultRow, p secret.Principal, right secret.Permission, what, where string) error {
	d := order.Problem{Class: order.Retry, What: what, Where: where, ID: "vault-write-denied", Owner: order.OwnerAdmin, At: b.now(), Vault: order.VaultNotPermitted,
		Detail: fmt.Sprintf("The service does not have access to '%s' Key Vault: its principal %s (%s) lacks %s", row.Name, p.Name, p.ID, right)}
	if p == secret.Fetcher {
		d.ID, d.Vault = "vault-read-denied-target", order.VaultUnauthorized
	}
	switch model := modelOf(row); {
	case row.Switched(p, right):
		d.ID, d.Vault = "vault-rbac-mode-switched", order.VaultUnauthorized
		d.Cause = "the vault's permission model was switched: " + model + ", and what the other model gave has no effect now"
	default:
		d.Cause = "somebody took the right away, or never gave it: " + model
	}
	d.Fix = "give it back (certwright vault grant --vault " + row.Name + "); it goes on by itself"
	return &fault{err: secret.ErrDenied, p: d}
}

// modelOf says who decides in a vault.
func modelOf(row secret.VaultRow) string {
	if row.ByPolicy {
		return "its access policies say who may"
	}
	return "roles say who may"
}

// Ready says whether Certwright may store in the vault and read there what is deployed: nil, or a Problem.
func (o Own) Ready(ctx context.Context, vault string) error {
	for _, need := range []struct {
		by    secret.Principal
		right secret.Permission
		what  string
	}{{secret.Storer, secret.MaySet, "store in the vault"}, {secret.Fetcher, secret.MayGet, "read from the vault for the targets"}} {
		if err := o.admit(ctx, need.by, need.right, need.what, "vault "+vault, vault); err != nil {
			return err
		}
	}
	return nil
}

// Put is Builtin.Put by who may store.
func (o Own) Put(ctx context.Context, c fulfill.Certificate) error {
	if err := o.admit(ctx, secret.Storer, secret.MaySet, "store the certificate in the vault", place(c.Vault, c.Name, c.ID), c.Vault); err != nil {
		return err
	}
	return o.Builtin.Put(ctx, c)
}

// Get is Builtin.Get by who reads what is deployed.
func (o Own) Get(ctx context.Context, vault, name, id string) (fulfill.Certificate, error) {
	if err := o.admit(ctx, secret.Fetcher, secret.MayGet, "read the certificate from the vault", place(vault, name, id), vault); err != nil {
		return fulfill.Certificate{}, err
	}
	return o.Builtin.Get(ctx, vault, name, id)
}

// Disable is Builtin.Disable by who may store.
func (o Own) Disable(ctx context.Context, vault, name, id string) error {
	if err := o.admit(ctx, secret.Storer, secret.MaySet, "disable the version", place(vault, name, id), vault); err != nil {
		return err
	}
	return o.Builtin.Disable(ctx, vault, name, id)
}

// Enable is Builtin.Enable by who may store.
func (o Own) Enable(ctx context.Context, vault, name, id string) error {
	if err := o.admit(ctx, secret.Storer, secret.MaySet, "enable the version", place(vault, name, id), vault); err != nil {
		return err
	}
	return o.Builtin.Enable(ctx, vault, name, id)
}

// Recover is Builtin.Recover by who may store.
func (o Own) Recover(ctx context.Context, vault, name string) error {
	if err := o.admit(ctx, secret.Storer, secret.MayRecover, "recover the secret", place(vault, name, ""), vault); err != nil {
		return err
	}
	return o.Builtin.Recover(ctx, vault, name)
}

// Delete is Builtin.Delete by who may store. A vault that is gone holds nothing.
func (o Own) Delete(ctx context.Context, vault, name string) error {
	if err := o.admit(ctx, secret.Storer, secret.MayDelete, "delete the secret", place(vault, name, ""), vault); err != nil {
		return err
	}
	return o.Builtin.Delete(ctx, vault, name)
}
