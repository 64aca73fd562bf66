package keyvault

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

func (h *Handler) getPolicy(w http.ResponseWriter, q *request) error {
	o, err := h.object(q, q.name(), "")
	if err != nil {
		return err
	}
	p, err := o.policy()
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, q.withID(o.name, p))
}

// updatePolicy changes how the next versions are made: of an order its wish, else what is kept.
func (h *Handler) updatePolicy(w http.ResponseWriter, q *request) error {
	var body json.RawMessage
	if err := read(q, &body); err != nil {
		return err
	}
	o, err := h.object(q, q.name(), "")
	if err != nil {
		return gone(err)
	}
	if err := h.changePolicy(q, o, body); err != nil {
		return err
	}
	return h.getPolicy(w, q)
}

func (h *Handler) changePolicy(q *request, o *object, body json.RawMessage) error {
	p, err := o.policy()
	if err != nil {
		return err
	}
	if p, err = overlay(p, body); err != nil {
		return err
	}
	if o.order == nil {
		if !p.is(issuerSelf) && !p.is(issuerUnknown) {
			if _, err := h.issuer(q, p.Issuer.Name); err != nil {
				return err
			}
		}
		if _, err := p.subject(); err != nil {
			return err
		}
		o.record.Policy = p
		return h.save(q.Context(), o.record)
	}
	if o.order.Kind != order.Ordered {
		return o.ordered()
	}
	w, err := h.wishOf(q, p)
	if err != nil {
		return err
	}
	_, err = h.Orders.Update(q.Context(), q.by, o.order.ID, 0, func(old *fulfill.Wish) {
		old.Issuer, old.Words, old.Content, old.AutoRenew = w.Issuer, w.Words, w.Content, w.AutoRenew
		before := policyOfOrder(o.order, o.key)
		if p.X509.Months != before.X509.Months { // months are coarser than what an order holds
			old.Validity = w.Validity
		}
		if ok, at := before.renewal(w.Validity); ok != w.AutoRenew || at != w.RenewAt {
			old.RenewAt = w.RenewAt
		}
		if k, err := p.keyType(); err == nil && k != o.key && len(old.KeyTypes) == 1 {
			old.KeyTypes = w.KeyTypes
		}
	})
	return err
}

// importCertificate stores a certificate that is brought with its key: PFX in base64, or PEM. Which of them it is
// shows by itself, for some clients never say.
func (h *Handler) importCertificate(w http.ResponseWriter, q *request) error {
	var body struct {
		creation
		Value    string `json:"value"`
		Password string `json:"pwd"`
	}
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
	if err := o.ordered(); err != nil {
		return err
	}
	b, content, err := bundleFrom(body.Value, body.Password)
	if err != nil {
		return err
	}
	key, chain, err := b.Open()
	if err != nil {
		return err
	}
	if key == nil {
		return bad("value", "it holds no private key")
	}
	if err := fulfill.Fits(chain, key); err != nil {
		return bad("value", "%v", err)
	}
	return h.keepImport(w, q, o, fulfill.Certificate{Vault: q.vault.Name, Name: o.name, Key: key, Chain: chain, Content: content, Tags: body.Tags, Author: q.by.Caller}, body.creation)
}

// keepImport stores what was brought, with the policy that it shows and that the body says over it.
func (h *Handler) keepImport(w http.ResponseWriter, q *request, o *object, c fulfill.Certificate, body creation) error {
	p, err := policyOfInfo(&secret.Info{Name: o.name, Certificate: c.Chain[0], ContentType: c.Content})
	if err != nil {
		return err
	}
	if len(body.Policy) > 0 {
		if p, err = overlay(p, body.Policy); err != nil {
			return err
		}
		c.Content = p.Secret.ContentType
	}
	i, err := h.Vault.SetCertificate(q.Context(), c, body.Attributes.off())
	if err != nil {
		return err
	}
	h.told("certificate imported", q, i)
	o.record.Policy, o.record.Pending = p, nil
	if body.Keep != nil {
		o.record.Keep = *body.Keep
	}
	if err := h.save(q.Context(), o.record); err != nil && !errors.Is(err, fulfill.ErrConflict) {
		return err
	}
	out := q.certWhole(i, p)
	out.Keep = o.record.Keep
	return write(w, http.StatusOK, out)
}

// bundleFrom takes the value of an import apart.
func bundleFrom(value, password string) (fulfill.Bundle, string, error) {
	b := fulfill.Bundle{Password: secret.Bytes(password)}
	if strings.Contains(value, "-----BEGIN ") {
		b.PEM = secret.Bytes(value)
		return b, secret.ContentPEM, nil
	}
	der, err := base64.StdEncoding.DecodeString(trimSpace(value))
	if err != nil || len(der) == 0 {
		return b, "", bad("value", "it is neither PEM nor a PFX in base64")
	}
	if strings.Contains(string(der), "-----BEGIN ") { // PEM, once more in base64
		b.PEM = der
		return b, secret.ContentPEM, nil
	}
	b.PFX = der
	return b, secret.ContentPFX, nil
}

// trimSpace takes line breaks out of base64.
func trimSpace(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == ' ' {
			return -1
		}
		return r
	}, s)
}
