package keyvault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// record is what the vault keeps of a certificate object besides its versions.
type record struct {
	Policy  *policy  `json:"policy,omitempty"`
	Pending *pending `json:"pending,omitempty"` // the last operation; nil = none, or it was deleted
	Keep    bool     `json:"preserveCertOrder,omitempty"`
	item    secret.Item
}

// pending is an operation that makes a version.
type pending struct {
	ID       string            `json:"id"` // of the version that it makes
	Issuer   string            `json:"issuer"`
	CSR      []byte            `json:"csr,omitempty"`
	Sealed   []byte            `json:"sealed,omitempty"` // the private key, until the version is there
	Status   string            `json:"status"`
	Order    bool              `json:"order,omitempty"` // the order of that name does it, and says how it stands
	Cancel   bool              `json:"cancel,omitempty"`
	Disabled bool              `json:"disabled,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	Created  time.Time         `json:"created"`
}

// Key Vault's words for how an operation stands.
const (
	inProgress = "inProgress"
	completed  = "completed"
	cancelled  = "cancelled"
	failed     = "failed"
)

// open says whether an operation of the record's own is under way.
func (r *record) open() bool {
	return r.Pending != nil && !r.Pending.Order && r.Pending.Status == inProgress
}

// load reads a certificate's record; an empty one if there is none.
func (h *Handler) load(q *request, name string) (*record, error) {
	r := &record{}
	i, err := h.Items.LoadItem(q.Context(), secret.ItemCertificate, q.vault.Name, name)
	if errors.Is(err, secret.ErrNotFound) {
		r.item = secret.Item{Kind: secret.ItemCertificate, Vault: q.vault.Name, Name: name}
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	r.item = i
	return r, unmarshal(i, r)
}

func unmarshal(i secret.Item, into any) error {
	if err := json.Unmarshal(i.Doc, into); err != nil {
		return fmt.Errorf("read %s %s of vault %s: %w", i.Kind, i.Name, i.Vault, err)
	}
	return nil
}

func (h *Handler) save(ctx context.Context, r *record) error {
	doc, err := json.Marshal(r)
	if err != nil {
		return err
	}
	r.item.Doc = doc
	if err := h.Items.SaveItem(ctx, r.item); err != nil {
		return err
	}
	r.item.Revision++
	return nil
}

// object is all that is known of a certificate object: its version, its record, and the order that writes it.
type object struct {
	name    string
	version *secret.Info // nil = none is stored
	record  *record
	order   *order.Order // nil = none
	key     order.KeyType
}

// object gathers a certificate object; id empty = its current version. secret.ErrNotFound when there is neither
// a version nor anything that makes one, elsewhere when an order of that name keeps its key out of here, secret.ErrDeleted.
func (h *Handler) object(q *request, name, id string) (*object, error) {
	o := &object{name: name}
	i, err := h.Vault.Certificate(q.Context(), q.vault.Name, name, id)
	switch {
	case err == nil:
		o.version, o.name = &i, i.Name
	case !errors.Is(err, secret.ErrNotFound):
		return nil, err
	}
	if o.record, err = h.load(q, name); err != nil {
		return nil, err
	}
	if o.order, o.key, err = h.orderOf(q, name, o.version); err != nil {
		return nil, err
	}
	if o.version == nil && o.order != nil && o.order.KeyElsewhere() {
		return nil, elsewhere{o.order.ID.Name}
	}
	if o.version == nil && (id == "" && o.order == nil && o.record.Pending == nil || id != "" && id != o.pendingID()) {
		return nil, secret.ErrNotFound
	}
	return o, nil
}

// orderOf finds the order that writes a secret: the one that its tags name, or the one of the same name. Tags can be
// written by anybody who may write the secret, so the order has to say the same.
func (h *Handler) orderOf(q *request, name string, i *secret.Info) (*order.Order, order.KeyType, error) {
	return h.writerOf(q.Context(), q.vault, name, i)
}

func (h *Handler) writerOf(ctx context.Context, v secret.VaultRow, name string, i *secret.Info) (*order.Order, order.KeyType, error) {
	candidates := []order.ID{{Subscription: v.Subscription, Group: v.Group, Name: name}}
	if i != nil {
		if id, ok := parseID(i.Tags["CertificateId"]); ok {
			candidates = append([]order.ID{id}, candidates...)
		}
	}
	for n, id := range candidates {
		if id.Valid() != nil || n > 0 && id.Key() == candidates[0].Key() {
			continue
		}
		o, err := h.Reader.LoadOrder(ctx, id)
		if errors.Is(err, fulfill.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		if k, ok := writes(o, v.Name, name); ok {
			return o, k, nil
		}
	}
	return nil, "", nil
}

// writes says whether an order stores into that secret, and the key type of what it stores there.
func writes(o *order.Order, vault, name string) (order.KeyType, bool) {
	if !strings.EqualFold(o.Spec.Vault, vault) {
		return "", false
	}
	for _, k := range o.Spec.KeyTypes {
		if strings.EqualFold(o.SecretFor(k), name) {
			return k, true
		}
	}
	return "", false
}

// parseID reads the ARM id of an order.
func parseID(s string) (order.ID, bool) {
	p := strings.Split(s, "/")
	if len(p) != 9 || !strings.EqualFold(strings.Join(p[6:8], "/"), order.Type) {
		return order.ID{}, false
	}
	return order.ID{Subscription: p[2], Group: p[4], Name: p[8]}, true
}

// policy is the certificate's as it is now: the order's wish, what was given, or what the certificate shows.
func (o *object) policy() (*policy, error) {
	switch {
	case o.order != nil:
		return policyOfOrder(o.order, o.key), nil
	case o.record.Policy != nil:
		p := *o.record.Policy
		return &p, nil
	case o.version != nil:
		return policyOfInfo(o.version)
	}
	return nil, secret.ErrNotFound
}

// pendingID is the id of the version that is being made, or was last; for an order that has not begun, one of its own.
func (o *object) pendingID() string {
	if o.order == nil {
		if o.record.Pending == nil {
			return ""
		}
		return o.record.Pending.ID
	}
	if a := o.order.Running(o.key); a != nil {
		return a.ID
	}
	if v := o.order.Newest(o.key); v != nil && v.SecretID != "" {
		return v.SecretID
	}
	return digest(o.order.ID.Key() + o.order.Ordered.UTC().String())
}

// withPending lists certificates together with those that are only being made.
func (h *Handler) withPending(q *request, after string, limit int) ([]secret.Info, error) {
	l, err := h.Vault.ListCertificates(q.Context(), q.vault.Name, after, limit)
	if err != nil {
		return nil, err
	}
	found := 0
	for from := after; found < limit; {
		items, err := h.Items.ListItems(q.Context(), secret.ItemCertificate, q.vault.Name, from, limit)
		if err != nil {
			return nil, err
		}
		for _, i := range items {
			o, err := h.object(q, i.Name, "")
			if errors.Is(gone(err), secret.ErrNotFound) || err == nil && o.version != nil {
				continue
			}
			if err != nil {
				return nil, err
			}
			found++
			l = append(l, secret.Info{Vault: q.vault.Name, Name: i.Name})
		}
		if len(items) < limit {
			break
		}
		from = items[len(items)-1].Name
	}
	slices.SortFunc(l, func(a, b secret.Info) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return l[:min(limit, len(l))], nil
}
