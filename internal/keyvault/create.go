package keyvault

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// creation is the body of a create.
type creation struct {
	Policy     json.RawMessage   `json:"policy"`
	Attributes *attributes       `json:"attributes"`
	Tags       map[string]string `json:"tags"`
	Keep       *bool             `json:"preserveCertOrder"`
}

// reserved are names below /certificates that are no certificates.
var reserved = []string{"issuers", "contacts", "restore"}

func checkCertificateName(name string) error {
	if slices.Contains(reserved, strings.ToLower(name)) {
		return bad("name", "%q is reserved", name)
	}
	return checkName(name)
}

// overlay reads what a body says of a policy over the one that there is, or over nothing.
func overlay(p *policy, body json.RawMessage) (*policy, error) {
	if p == nil {
		p = &policy{}
	}
	if len(body) > 0 && !bytes.Equal(body, []byte("null")) {
		old := p.Issuer.Name
		if err := p.clear(body); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(body, p); err != nil {
			return nil, bad("policy", "it cannot be read: %v", strings.TrimPrefix(err.Error(), "json: "))
		}
		if p.Issuer.Name == "" {
			p.Issuer.Name = old
		}
	}
	p.ID = ""
	return p, p.complete()
}

// clear takes out of a policy what a body replaces as a whole: the actions, the names, the measures of another kind of key.
// Some clients send empty names where they mean none of them.
func (p *policy) clear(body json.RawMessage) error {
	var given struct {
		Key     keyProps        `json:"key_props"`
		Actions json.RawMessage `json:"lifetime_actions"`
		X509    struct {
			SANs sans `json:"sans"`
		} `json:"x509_props"`
	}
	if err := json.Unmarshal(body, &given); err != nil {
		return bad("policy", "it cannot be read: %v", strings.TrimPrefix(err.Error(), "json: "))
	}
	if given.Actions != nil {
		p.Actions = nil
	}
	if s := given.X509.SANs; len(s.Emails)+len(s.DNS)+len(s.UPNs)+len(s.URIs)+len(s.IPs) > 0 {
		p.X509.SANs = sans{}
	}
	if given.Key.Type != "" && given.Key.Type != p.Key.Type {
		p.Key.Size, p.Key.Curve = 0, ""
	}
	return nil
}

// standing gives the object of a name that something is to be created under: nil parts where nothing is there yet.
func (h *Handler) standing(q *request) (*object, error) {
	o, err := h.object(q, q.name(), "")
	var away elsewhere
	if errors.As(err, &away) {
		return nil, away.conflict()
	}
	if errors.Is(err, secret.ErrNotFound) {
		o = &object{name: q.name()}
		if o.record, err = h.load(q, q.name()); err != nil {
			return nil, err
		}
		var l []secret.Info
		if l, err = h.Vault.Versions(q.Context(), q.vault.Name, q.name(), "", 1); err == nil && len(l) > 0 {
			err = &failure{http.StatusConflict, "Conflict", "", fmt.Sprintf("A secret named %s is there, and it is no certificate: choose another name.", q.name())}
		}
	}
	if err != nil {
		return nil, err
	}
	if o.record.open() {
		return nil, &failure{http.StatusConflict, "Conflict", "PendingCertificate", fmt.Sprintf("Certificate %s cannot be created or imported while its pending operation is in progress: merge it, or delete the operation.", o.name)}
	}
	return o, nil
}

// createCertificate makes a new version: at once where it signs itself, by whoever gets the request where the issuer is
// unknown, and by an order at every other issuer.
func (h *Handler) createCertificate(w http.ResponseWriter, q *request) error {
	var body creation
	if err := read(q, &body); err != nil {
		return err
	}
	for _, err := range []error{checkCertificateName(q.name()), checkTags(body.Tags)} {
		if err != nil {
			return err
		}
	}
	o, err := h.standing(q)
	if err != nil {
		return err
	}
	base, err := o.policy() // nothing of another issuer's is taken over when a whole policy is given
	if err != nil && !errors.Is(err, secret.ErrNotFound) {
		return err
	}
	if len(body.Policy) > 0 {
		base = nil
	} else if base == nil {
		return bad("policy", "it is missing, and there is no certificate %s whose policy could be used", q.name())
	}
	p, err := overlay(base, body.Policy)
	if err != nil {
		return err
	}
	o.record.Policy = p
	if body.Keep != nil {
		o.record.Keep = *body.Keep
	}
	o.record.Pending = &pending{ID: fulfill.NewID(), Issuer: p.Issuer.Name, Status: inProgress, Tags: body.Tags, Created: h.Now(),
		Disabled: body.Attributes.off()}
	switch {
	case p.is(issuerSelf):
		err = h.createSelf(q, o)
	case p.is(issuerUnknown):
		err = h.createUnknown(q, o)
	default:
		err = h.createOrder(q, o)
	}
	if err != nil {
		return err
	}
	if err := h.save(q.Context(), o.record); err != nil {
		return err
	}
	o, err = h.pendingObject(q)
	if err != nil {
		return err
	}
	// Also where it is done already: a client that is told so at once never reads the certificate (Azure's for Python).
	out := h.operationOf(q, o)
	out.Status, out.Target, out.Error = inProgress, "", nil
	return write(w, http.StatusAccepted, out)
}

// ordered refuses what would write beside an order.
func (o *object) ordered() error {
	if o.order == nil {
		return nil
	}
	fix := "rekey or update the order, or choose another name"
	if o.order.Kind != order.Ordered {
		fix = "bring its next certificate with 'certwright order import', or choose another name"
	}
	return &failure{http.StatusConflict, "Conflict", "CertificateOfOrder", fmt.Sprintf("Certificate %s is written by order %s: %s.", o.name, o.order.ID.Name, fix)}
}

// conflict refuses what would make a key here for an order whose owner keeps it.
func (e elsewhere) conflict() error {
	return &failure{http.StatusConflict, "Conflict", "ExternalPrivateKey", fmt.Sprintf("Order %s was made with a certificate request of somebody who keeps its private key. Have its key made here first, with 'certwright order rekey %s --managed', or choose another name.", e.order, e.order)}
}

// createSelf signs at once.
func (h *Handler) createSelf(q *request, o *object) error {
	if err := o.ordered(); err != nil {
		return err
	}
	_, err := h.selfSign(q.Context(), q.vault.Name, o.name, o.record, q.by.Caller)
	return err
}

// selfSign makes the version that a record's pending operation is for.
func (h *Handler) selfSign(ctx context.Context, vault, name string, r *record, author string) (secret.Info, error) {
	p, op := r.Policy, r.Pending
	kt, err := p.keyType()
	if err != nil {
		return secret.Info{}, err
	}
	var key crypto.Signer
	if p.Key.Reuse != nil && *p.Key.Reuse {
		key, err = h.Vault.CurrentKey(ctx, vault, name)
	}
	if key == nil || err != nil {
		if key, err = order.GenerateKey(kt); err != nil {
			return secret.Info{}, err
		}
	}
	der, err := p.selfSigned(key, h.Now())
	if err != nil {
		return secret.Info{}, err
	}
	i, err := h.Vault.SetCertificate(ctx, fulfill.Certificate{Vault: vault, Name: name, ID: op.ID, Key: key, Chain: [][]byte{der}, Content: p.Secret.ContentType, Tags: op.Tags, Author: author}, op.Disabled)
	if err == nil {
		op.Status = completed
		h.Logger.Info("certificate signed by itself", "vault", vault, "certificate", name, "version", op.ID, "caller", author)
	}
	return i, err
}

// createUnknown makes a key and a request; the certificate is brought by merge.
func (h *Handler) createUnknown(q *request, o *object) error {
	if err := o.ordered(); err != nil {
		return err
	}
	p, op := o.record.Policy, o.record.Pending
	kt, err := p.keyType()
	if err != nil {
		return err
	}
	key, sealed, err := h.Vault.PendingKey(q.vault.Name, o.name, op.ID, kt)
	if err != nil {
		return err
	}
	op.Sealed = sealed
	op.CSR, err = p.request(key)
	return err
}

// wishOf is what a policy wishes of an order at its issuer.
func (h *Handler) wishOf(q *request, p *policy) (w fulfill.Wish, err error) {
	issuer, err := h.issuer(q, p.Issuer.Name)
	if err == nil {
		err = p.onto(&w, issuer)
	}
	return w, err
}

// off says whether attributes switch a version off.
func (a *attributes) off() bool { return a != nil && a.Enabled != nil && !*a.Enabled }

// createOrder orders at an issuer, or orders anew what the order of that name writes.
func (h *Handler) createOrder(q *request, o *object) error {
	p, op := o.record.Policy, o.record.Pending
	w, err := h.wishOf(q, p)
	if err != nil {
		return err
	}
	op.Order = true
	if o.order == nil {
		id := order.ID{Subscription: q.vault.Subscription, Group: q.vault.Group, Name: o.name}
		w.Vault, w.Secret, w.Tags = q.vault.Name, o.name, op.Tags
		_, err = h.Orders.Create(q.Context(), q.by, id, w)
		return err
	}
	if o.order.Kind != order.Ordered {
		return o.ordered()
	}
	if o.order.Spec.ExternalKey {
		return elsewhere{o.order.ID.Name}.conflict()
	}
	id := o.order.ID
	if o.order.Ended() {
		if _, err := h.Orders.Again(q.Context(), q.by, id); err != nil {
			return err
		}
	}
	again := o.version != nil && !o.order.Ended() // its key type changes with the rekey then: what is served stays current until that is done
	_, err = h.Orders.Update(q.Context(), q.by, id, 0, func(old *fulfill.Wish) {
		old.Issuer, old.Words, old.Content, old.Validity, old.AutoRenew, old.RenewAt = w.Issuer, w.Words, w.Content, w.Validity, w.AutoRenew, w.RenewAt
		if len(old.KeyTypes) == 1 && !again {
			old.KeyTypes = w.KeyTypes
		}
		if op.Tags != nil {
			old.Tags = op.Tags
		}
	})
	if err == nil && again {
		asked := fulfill.Asked{Delay: -1}
		if len(o.order.Spec.KeyTypes) == 1 {
			asked.KeyTypes = w.KeyTypes
		}
		_, err = h.Orders.NewVersion(q.Context(), q.by, id, order.CmdRekey, asked)
	}
	return err
}
