package keyvault

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"certwright/internal/order"
	"certwright/internal/secret"
)

// vaultIssuer is what a vault keeps of an issuer of its own: another name for one of the service's, which its provider names.
type vaultIssuer struct {
	Provider    string       `json:"provider"`
	Credentials *credentials `json:"credentials,omitempty"`
	Org         *orgDetails  `json:"org_details,omitempty"`
	Attributes  attributes   `json:"attributes"`
}

type credentials struct {
	Account  string `json:"account_id,omitempty"`
	Password string `json:"pwd,omitempty"` // never kept: accounts at authorities are the service's
}

type orgDetails struct {
	ID     string        `json:"id,omitempty"`
	Admins []adminDetail `json:"admin_details,omitempty"`
}

type adminDetail struct {
	First string `json:"first_name,omitempty"`
	Last  string `json:"last_name,omitempty"`
	Email string `json:"email,omitempty"`
	Phone string `json:"phone,omitempty"`
}

// issuerBundle is IssuerBundle and CertificateIssuerItem.
type issuerBundle struct {
	ID string `json:"id"`
	vaultIssuer
}

func (q *request) issuerBundle(name string, v vaultIssuer) issuerBundle {
	return issuerBundle{ID: q.id("certificates/issuers", name, ""), vaultIssuer: v}
}

// ofService says an issuer of the service as a vault's: every vault can use it.
func ofService(i order.Issuer) vaultIssuer {
	yes := true
	v := vaultIssuer{Provider: "ACME", Attributes: attributes{Enabled: &yes, Created: at(&i.Created), Updated: at(&i.Updated)}}
	if i.Kind == order.IssuerBuiltin {
		v.Provider = "Certwright"
	}
	return v
}

// serviceIssuer finds an issuer of the service by its name.
func (h *Handler) serviceIssuer(q *request, name string) (order.Issuer, bool, error) {
	all, err := h.Issuers.List(q.Context())
	for _, i := range all {
		if strings.EqualFold(i.Name, name) {
			return i, true, err
		}
	}
	return order.Issuer{}, false, err
}

// issuer is the service's name of the issuer that a policy names: a vault's own, or one of the service's.
func (h *Handler) issuer(q *request, name string) (string, error) {
	v, _, err := h.loadIssuer(q, name)
	if err == nil {
		if !*v.Attributes.Enabled {
			return "", bad("policy.issuer.name", "issuer %s is disabled in this vault", name)
		}
		name = v.Provider
	} else if !errors.Is(err, secret.ErrNotFound) {
		return "", err
	}
	i, ok, err := h.serviceIssuer(q, name)
	if err == nil && !ok {
		err = bad("policy.issuer.name", "there is no issuer %s; there are %s, %s, and those at /certificates/issuers", name, issuerSelf, issuerUnknown)
	}
	return i.Name, err
}

func (h *Handler) loadIssuer(q *request, name string) (vaultIssuer, secret.Item, error) {
	var v vaultIssuer
	i, err := h.Items.LoadItem(q.Context(), secret.ItemIssuer, q.vault.Name, name)
	if err == nil {
		err = unmarshal(i, &v)
	}
	return v, i, err
}

func noIssuer(name string) error {
	return &failure{http.StatusNotFound, "CertificateIssuerNotFound", "", fmt.Sprintf("Issuer not found: %s.", name)}
}

// listIssuers gives the service's issuers and the vault's own, by name.
func (h *Handler) listIssuers(w http.ResponseWriter, q *request) error {
	read := func(after string, limit int) ([]issuerBundle, error) {
		all, err := h.Issuers.List(q.Context())
		if err != nil {
			return nil, err
		}
		own, err := h.Items.ListItems(q.Context(), secret.ItemIssuer, q.vault.Name, after, limit)
		if err != nil {
			return nil, err
		}
		var l []issuerBundle
		for _, i := range all {
			if strings.ToLower(i.Name) > after {
				l = append(l, q.issuerBundle(i.Name, ofService(i)))
			}
		}
		for _, i := range own {
			var v vaultIssuer
			if err := unmarshal(i, &v); err != nil {
				return nil, err
			}
			l = append(l, q.issuerBundle(i.Name, v))
		}
		slices.SortFunc(l, func(a, b issuerBundle) int { return strings.Compare(strings.ToLower(a.ID), strings.ToLower(b.ID)) })
		return l[:min(limit, len(l))], nil
	}
	return list(w, q, read, func(b issuerBundle) string { return strings.ToLower(b.ID[strings.LastIndex(b.ID, "/")+1:]) },
		func(b issuerBundle) issuerBundle { b.Credentials, b.Org = nil, nil; return b })
}

func (h *Handler) getIssuer(w http.ResponseWriter, q *request) error {
	if i, ok, err := h.serviceIssuer(q, q.name()); err != nil || ok {
		if err != nil {
			return err
		}
		return write(w, http.StatusOK, q.issuerBundle(i.Name, ofService(i)))
	}
	v, i, err := h.loadIssuer(q, q.name())
	if errors.Is(err, secret.ErrNotFound) {
		err = noIssuer(q.name())
	}
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, q.issuerBundle(i.Name, v))
}

func (h *Handler) setIssuer(w http.ResponseWriter, q *request) error {
	v := vaultIssuer{}
	if err := read(q, &v); err != nil {
		return err
	}
	_, old, err := h.loadIssuer(q, q.name())
	if err != nil && !errors.Is(err, secret.ErrNotFound) {
		return err
	}
	created := h.Now()
	return h.keepIssuer(w, q, v, old.Revision, &created)
}

func (h *Handler) updateIssuer(w http.ResponseWriter, q *request) error {
	v, old, err := h.loadIssuer(q, q.name())
	if errors.Is(err, secret.ErrNotFound) {
		if _, ok, _ := h.serviceIssuer(q, q.name()); !ok {
			return noIssuer(q.name())
		}
	} else if err != nil {
		return err
	}
	created := v.Attributes.Created.time()
	if err := read(q, &v); err != nil {
		return err
	}
	return h.keepIssuer(w, q, v, old.Revision, created)
}

// keepIssuer checks and keeps an issuer of a vault.
func (h *Handler) keepIssuer(w http.ResponseWriter, q *request, v vaultIssuer, revision int64, created *time.Time) error {
	if _, ok, err := h.serviceIssuer(q, q.name()); err != nil || ok || slices.ContainsFunc([]string{issuerSelf, issuerUnknown}, func(s string) bool { return strings.EqualFold(s, q.name()) }) {
		if err == nil {
			err = &failure{http.StatusConflict, "Conflict", "", fmt.Sprintf("%s is an issuer of the whole service, which no vault changes: choose another name, or use 'certwright issuer'.", q.name())}
		}
		return err
	}
	if err := checkName(q.name()); err != nil {
		return err
	}
	i, ok, err := h.serviceIssuer(q, v.Provider)
	switch {
	case err != nil:
		return err
	case !ok:
		return bad("provider", "%q is no issuer of this service: the provider of a vault's issuer names one, such as %s", v.Provider, order.BuiltinIssuer)
	case v.Credentials != nil && v.Credentials.Password != "":
		return bad("credentials.pwd", "accounts at authorities belong to the service's issuers and are set with 'certwright issuer add': leave it out")
	}
	v.Provider = i.Name
	now := h.Now()
	v.Attributes = attributes{Enabled: orTrue(v.Attributes.Enabled), Created: at(created), Updated: at(&now)}
	doc, err := json.Marshal(v)
	if err == nil {
		err = h.Items.SaveItem(q.Context(), secret.Item{Kind: secret.ItemIssuer, Vault: q.vault.Name, Name: q.name(), Revision: revision, Doc: doc})
	}
	if err != nil {
		return err
	}
	h.told("issuer set", q, secret.Info{Vault: q.vault.Name, Name: q.name()})
	return write(w, http.StatusOK, q.issuerBundle(strings.ToLower(q.name()), v))
}

func (h *Handler) deleteIssuer(w http.ResponseWriter, q *request) error {
	v, i, err := h.loadIssuer(q, q.name())
	if errors.Is(err, secret.ErrNotFound) {
		if _, ok, _ := h.serviceIssuer(q, q.name()); ok {
			return &failure{http.StatusConflict, "Conflict", "", fmt.Sprintf("%s is an issuer of the whole service: 'certwright issuer remove' removes it.", q.name())}
		}
		err = noIssuer(q.name())
	}
	if err == nil {
		err = h.Items.DeleteItem(q.Context(), secret.ItemIssuer, q.vault.Name, q.name())
	}
	if err != nil {
		return err
	}
	h.told("issuer deleted", q, secret.Info{Vault: q.vault.Name, Name: q.name()})
	return write(w, http.StatusOK, q.issuerBundle(i.Name, v))
}

// contacts are whom Key Vault writes to. Here the service's notifications do that; they are kept for the clients that ask.
type contacts struct {
	ID       string    `json:"id,omitempty"`
	Contacts []contact `json:"contacts"`
}

type contact struct {
	Email string `json:"email,omitempty"`
	Name  string `json:"name,omitempty"`
	Phone string `json:"phone,omitempty"`
}

func (h *Handler) loadContacts(q *request) (contacts, secret.Item, error) {
	var c contacts
	i, err := h.Items.LoadItem(q.Context(), secret.ItemContacts, q.vault.Name, "contacts")
	if err == nil {
		err = unmarshal(i, &c)
	}
	c.ID = q.base + "/certificates/contacts"
	return c, i, err
}

func (h *Handler) getContacts(w http.ResponseWriter, q *request) error {
	c, _, err := h.loadContacts(q)
	if errors.Is(err, secret.ErrNotFound) {
		err = &failure{http.StatusNotFound, "ContactsNotFound", "", "There are no contacts in vault " + q.vault.Name + "."}
	}
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, c)
}

func (h *Handler) setContacts(w http.ResponseWriter, q *request) error {
	var c contacts
	if err := read(q, &c); err != nil {
		return err
	}
	if len(c.Contacts) == 0 || len(c.Contacts) > 100 {
		return bad("contacts", "there are %d, 1 to 100 are taken", len(c.Contacts))
	}
	for _, p := range c.Contacts {
		if !strings.Contains(p.Email, "@") {
			return bad("contacts.email", "%q is no mail address", p.Email)
		}
	}
	_, i, err := h.loadContacts(q)
	if err != nil && !errors.Is(err, secret.ErrNotFound) {
		return err
	}
	doc, err := json.Marshal(contacts{Contacts: c.Contacts})
	if err == nil {
		err = h.Items.SaveItem(q.Context(), secret.Item{Kind: secret.ItemContacts, Vault: q.vault.Name, Name: "contacts", Revision: i.Revision, Doc: doc})
	}
	if err != nil {
		return err
	}
	return h.getContacts(w, q)
}

func (h *Handler) deleteContacts(w http.ResponseWriter, q *request) error {
	c, _, err := h.loadContacts(q)
	if errors.Is(err, secret.ErrNotFound) {
		return h.getContacts(w, q)
	}
	if err == nil {
		err = h.Items.DeleteItem(q.Context(), secret.ItemContacts, q.vault.Name, "contacts")
	}
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, c)
}
