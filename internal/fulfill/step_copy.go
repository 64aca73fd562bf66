package fulfill

import (
	"context"

	"certwright/internal/order"
)

// copyTo writes the current version of every key type to a link's secret, from the order's own.
func (r *run) copyTo(ctx context.Context, o *order.Order, link string) []order.Result {
	l := o.Link(link)
	if l == nil {
		return nil
	}
	out := order.Copied{Link: *l}
	for _, k := range o.Spec.KeyTypes {
		v := o.Current(k)
		if v == nil || o.Keyless(v) {
			continue
		}
		c, err := r.Vault.Get(ctx, o.Spec.Vault, o.SecretFor(v.KeyType), v.SecretID)
		if err == nil {
			c.Vault, c.Name, c.ID, c.Content = l.Vault, o.SecretOf(l, v.KeyType), v.SecretID, o.Spec.Content
			c.Author, c.Tags = order.OwnerUs, map[string]string{"CertificateId": o.ID.String()}
			err = r.Vault.Put(ctx, c)
		}
		if err != nil {
			return []order.Result{order.Copied{Link: *l, Problem: r.problem(err, "copy "+v.Label()+" to vault "+l.Vault)}}
		}
		out.Version = max(out.Version, v.Number)
	}
	return []order.Result{out}
}

// checkCopies looks whether every link still holds what was copied there; what is lost is written again.
func (r *run) checkCopies(ctx context.Context, o *order.Order) []order.Result {
	var results []order.Result
	for i := range o.Copies {
		l := o.Link(o.Copies[i].Link)
		if l == nil || !o.Holds(&o.Copies[i]) {
			continue
		}
		for _, k := range o.Spec.KeyTypes {
			v := o.Current(k)
			if v == nil || o.Keyless(v) {
				continue
			}
			if _, err := r.Vault.Get(ctx, l.Vault, o.SecretOf(l, v.KeyType), v.SecretID); err != nil {
				results = append(results, order.Copied{Link: *l, Version: o.Copies[i].Version, Problem: r.problem(err, "read the copy of "+v.Label()+" at link "+l.Name)})
				break
			}
		}
	}
	return results
}

// removeCopies soft-deletes what links hold of an order that goes. What fails is logged: the order does not stay for
// it.
func (r *run) removeCopies(ctx context.Context, o *order.Order) {
	for i := range o.Copies {
		l := o.Link(o.Copies[i].Link)
		if l == nil || o.Copies[i].Version == 0 {
			continue
		}
		for _, k := range o.Spec.KeyTypes {
			if err := r.Vault.Delete(ctx, l.Vault, o.SecretOf(l, k)); err != nil {
				r.Logger.Warn("a copy of a deleted order's certificate stays in a vault", "order", o.ID.Name, "vault", l.Vault, "secret", o.SecretOf(l, k), "error", err)
			}
		}
	}
}
