package keyvault

import (
	"context"
	"errors"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// RenewSelf makes new versions of the certificates in a vault that sign themselves, where their policy says that it is
// time, and says how many it made. Those of issuers are renewed by their orders.
func (h *Handler) RenewSelf(ctx context.Context, vault secret.VaultRow, now time.Time) (made int, err error) {
	for after, more := "", true; more; {
		const size = 200
		items, err := h.Items.ListItems(ctx, secret.ItemCertificate, vault.Name, after, size)
		if err != nil {
			return made, err
		}
		for _, i := range items {
			ok, err := h.renewSelf(ctx, i, now)
			if err != nil {
				h.Logger.Error("a certificate that signs itself could not be renewed", "vault", vault.Name, "certificate", i.Name, "error", err)
			} else if ok {
				made++
			}
			after = i.Name
		}
		more = len(items) == size
	}
	return made, nil
}

// renewSelf renews one, if it is due.
func (h *Handler) renewSelf(ctx context.Context, i secret.Item, now time.Time) (bool, error) {
	r := &record{}
	if err := unmarshal(i, r); err != nil {
		return false, err
	}
	r.item = i
	if r.Policy == nil || !r.Policy.is(issuerSelf) || r.open() {
		return false, nil
	}
	old, err := h.Vault.Certificate(ctx, i.Vault, i.Name, "")
	if errors.Is(gone(err), secret.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	a := old.Attributes
	if !a.Enabled || a.NotBefore == nil || a.Expires == nil {
		return false, nil
	}
	life := a.Expires.Sub(*a.NotBefore)
	wanted, share := r.Policy.renewal(life)
	if !wanted || now.Before(a.NotBefore.Add(time.Duration(float64(life)*share))) {
		return false, nil
	}
	r.Pending = &pending{ID: fulfill.NewID(), Issuer: issuerSelf, Status: inProgress, Tags: old.Tags, Created: now}
	if _, err := h.selfSign(ctx, i.Vault, old.Name, r, order.OwnerUs); err != nil {
		return false, err
	}
	if err := h.save(ctx, r); err != nil && !errors.Is(err, fulfill.ErrConflict) { // somebody changed the policy meanwhile: it counts next time
		return true, err
	}
	return true, nil
}
