package keyvault

import (
	"context"
	"errors"
	"strings"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// Delete soft-deletes a secret with all its versions, and tells the order that writes it.
func (h *Handler) Delete(ctx context.Context, by order.By, v secret.VaultRow, name string) (secret.Info, error) {
	i, err := h.Vault.DeleteSecret(ctx, v.Name, name)
	if err == nil {
		h.tell(ctx, by, v, i, "deleted")
	}
	return i, err
}

// Recover undoes a deletion, gives what was deleted as it is now, and tells the order that writes it.
func (h *Handler) Recover(ctx context.Context, by order.By, v secret.VaultRow, name string) (secret.Info, error) {
	i, err := h.Vault.Deleted(ctx, v.Name, name)
	if err == nil {
		err = h.Vault.Recover(ctx, v.Name, name)
	}
	if err == nil {
		h.tell(ctx, by, v, i, "recovered")
		i.Deleted = nil
	}
	return i, err
}

// Purge removes a soft-deleted secret for good, and tells the order that writes it.
func (h *Handler) Purge(ctx context.Context, by order.By, v secret.VaultRow, name string) error {
	err := h.Vault.Purge(ctx, v.Name, name)
	if err == nil {
		h.tell(ctx, by, v, secret.Info{Vault: v.Name, Name: name}, "purged")
	}
	return err
}

// told logs who did what to a secret: Key Vault's AuditEvent. Never its value.
func (h *Handler) told(what string, q *request, i secret.Info) { h.log(q.by, i, what) }

func (h *Handler) log(by order.By, i secret.Info, what string) {
	h.Logger.Info(what, "vault", i.Vault, "secret", i.Name, "version", i.ID, "caller", by.Caller, "request", by.Correlation)
}

// changed logs what was done to a secret, and tells the order that writes it, if one does.
func (h *Handler) changed(what string, q *request, i secret.Info) {
	h.tell(q.Context(), q.by, q.vault, i, what)
}

// tell logs what was done to a secret, and tells the order that writes it, if one does: it is looked at now, and its timeline says
// who did what.
func (h *Handler) tell(ctx context.Context, by order.By, v secret.VaultRow, i secret.Info, what string) {
	h.log(by, i, "secret "+what)
	o, _, err := h.writerOf(ctx, v, i.Name, &i)
	if err == nil && o != nil {
		_, err = h.Orders.SecretChanged(ctx, by, o.ID, i.Name, what)
	}
	if err != nil { // the change stands; the order sees it when it next looks
		h.Logger.Warn("an order could not be told that its secret was changed", "vault", i.Vault, "secret", i.Name, "error", err)
	}
}

// atOnce is how many orders a change of a vault is told before its caller is answered; the others are told after that.
const atOnce = 200

// VaultChanged lets the next request see a vault as it is now, and tells every order that is kept in it what was done by whom: each looks
// at its vault at once, and so goes out of sync, or heals, by itself.
func (h *Handler) VaultChanged(ctx context.Context, by order.By, vault, what string) {
	h.Forget(vault)
	h.Logger.Info("vault "+what, "vault", vault, "caller", by.Caller, "request", by.Correlation)
	ids, err := h.keptIn(ctx, vault)
	if err != nil {
		h.Logger.Warn("not every order of a vault could be told that it was changed: they see it at their daily look", "vault", vault, "error", err)
	}
	tell := func(ctx context.Context, ids []order.ID) {
		for _, id := range ids {
			if _, err := h.Orders.VaultChanged(ctx, by, id, vault, what); err != nil {
				h.Logger.Warn("an order could not be told that its vault was changed", "vault", vault, "order", id.Name, "error", err)
			}
		}
	}
	n := min(len(ids), atOnce)
	tell(ctx, ids[:n])
	if n < len(ids) {
		go tell(context.WithoutCancel(ctx), ids[n:]) // whom an end of the server loses sees it at its daily look
	}
}

// keptIn are the orders that have a secret in a vault, and those whose vault is out of sync: they may have none there yet.
func (h *Handler) keptIn(ctx context.Context, vault string) ([]order.ID, error) {
	var ids []order.ID
	seen := map[string]bool{}
	add := func(id order.ID) {
		if id.Valid() == nil && !seen[id.Key()] {
			seen[id.Key()] = true
			ids = append(ids, id)
		}
	}
	const page = 1000
	for after := ""; ; {
		l, err := h.Vault.List(ctx, vault, after, page)
		if err != nil && !errors.Is(err, secret.ErrNoVault) { // an empty one that was deleted
			return ids, err
		}
		for _, i := range l {
			if id, ok := parseID(i.Tags["CertificateId"]); ok {
				add(id)
			}
		}
		if len(l) < page {
			break
		}
		after = l[len(l)-1].Name
	}
	for _, s := range order.OutOfSync() {
		for after := ""; ; {
			l, err := h.Reader.ListOrders(ctx, order.Query{Vault: s, After: after, Limit: page})
			if err != nil {
				return ids, err
			}
			for _, o := range l.Orders {
				add(o.ID)
			}
			if after = l.Next; after == "" {
				break
			}
		}
	}
	return h.still(ctx, ids, vault)
}

// still are those of the orders that are there and keep something in the vault.
func (h *Handler) still(ctx context.Context, ids []order.ID, vault string) ([]order.ID, error) {
	var out []order.ID
	for _, id := range ids {
		o, err := h.Reader.LoadOrder(ctx, id)
		switch {
		case errors.Is(err, fulfill.ErrNotFound):
		case err != nil:
			return out, err
		case o.KeptIn(strings.ToLower(vault)):
			out = append(out, o.ID)
		}
	}
	return out, nil
}
