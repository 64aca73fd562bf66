package keyvault

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"certwright/internal/secret"
)

func (h *Handler) certificateRoutes() []Route {
	const cert, ca, contacts = kv + "certificates/", kv + "certificatecas/", kv + "certificatecontacts/"
	return []Route{
		{Method: "GET", Pattern: "/certificates", Action: cert + "read", Permission: "certificates/list", handle: h.listCertificates},
		{Method: "GET", Pattern: "/certificates/issuers", Action: ca + "read", Permission: "certificates/listissuers", handle: h.listIssuers},
		{Method: "GET", Pattern: "/certificates/issuers/{name}", Action: ca + "read", Permission: "certificates/getissuers", handle: h.getIssuer},
		{Method: "PUT", Pattern: "/certificates/issuers/{name}", Action: ca + "write", Permission: "certificates/setissuers", handle: h.setIssuer},
		{Method: "PATCH", Pattern: "/certificates/issuers/{name}", Action: ca + "write", Permission: "certificates/setissuers", handle: h.updateIssuer},
		{Method: "DELETE", Pattern: "/certificates/issuers/{name}", Action: ca + "delete", Permission: "certificates/deleteissuers", handle: h.deleteIssuer},
		{Method: "GET", Pattern: "/certificates/contacts", Action: cert + "read", Permission: "certificates/managecontacts", handle: h.getContacts},
		{Method: "PUT", Pattern: "/certificates/contacts", Action: contacts + "write", Permission: "certificates/managecontacts", handle: h.setContacts},
		{Method: "DELETE", Pattern: "/certificates/contacts", Action: contacts + "write", Permission: "certificates/managecontacts", handle: h.deleteContacts},
		{Method: "POST", Pattern: "/certificates/restore", Action: cert + "restore/action", Permission: "certificates/restore", handle: h.restoreCertificate, large: true},
		{Method: "POST", Pattern: "/certificates/{name}/create", Action: cert + "create/action", Permission: "certificates/create", handle: h.createCertificate},
		{Method: "POST", Pattern: "/certificates/{name}/import", Action: cert + "import/action", Permission: "certificates/import", handle: h.importCertificate},
		{Method: "GET", Pattern: "/certificates/{name}/pending", Action: cert + "read", Permission: "certificates/get", handle: h.getPending},
		{Method: "PATCH", Pattern: "/certificates/{name}/pending", Action: cert + "update/action", Permission: "certificates/update", handle: h.updatePending},
		{Method: "DELETE", Pattern: "/certificates/{name}/pending", Action: cert + "delete", Permission: "certificates/delete", handle: h.deletePending},
		{Method: "POST", Pattern: "/certificates/{name}/pending/merge", Action: cert + "create/action", Permission: "certificates/create", handle: h.merge},
		{Method: "GET", Pattern: "/certificates/{name}/policy", Action: cert + "read", Permission: "certificates/get", handle: h.getPolicy},
		{Method: "PATCH", Pattern: "/certificates/{name}/policy", Action: cert + "update/action", Permission: "certificates/update", handle: h.updatePolicy},
		{Method: "GET", Pattern: "/certificates/{name}/versions", Action: cert + "read", Permission: "certificates/list", handle: h.listCertificateVersions},
		{Method: "POST", Pattern: "/certificates/{name}/backup", Action: cert + "backup/action", Permission: "certificates/backup", handle: h.backupCertificate},
		{Method: "DELETE", Pattern: "/certificates/{name}", Action: cert + "delete", Permission: "certificates/delete", handle: h.deleteCertificate},
		{Method: "GET", Pattern: "/certificates/{name}", Action: cert + "read", Permission: "certificates/get", handle: h.getCertificate},
		{Method: "PATCH", Pattern: "/certificates/{name}", Action: cert + "update/action", Permission: "certificates/update", handle: h.updateCertificate},
		{Method: "GET", Pattern: "/certificates/{name}/{version?}", Action: cert + "read", Permission: "certificates/get", handle: h.getCertificate},
		{Method: "PATCH", Pattern: "/certificates/{name}/{version?}", Action: cert + "update/action", Permission: "certificates/update", handle: h.updateCertificate},
		{Method: "GET", Pattern: "/deletedcertificates", Action: cert + "read", Permission: "certificates/list", handle: h.listDeletedCertificates},
		{Method: "GET", Pattern: "/deletedcertificates/{name}", Action: cert + "read", Permission: "certificates/get", handle: h.getDeletedCertificate},
		{Method: "DELETE", Pattern: "/deletedcertificates/{name}", Action: cert + "purge/action", Permission: "certificates/purge", handle: h.purgeCertificate},
		{Method: "POST", Pattern: "/deletedcertificates/{name}/recover", Action: cert + "recover/action", Permission: "certificates/recover", handle: h.recoverCertificate},
	}
}

// certBundle is CertificateBundle, CertificateItem and their deleted forms. There is no kid: keys have no routes here.
type certBundle struct {
	ID          string            `json:"id"`
	SecretID    string            `json:"sid,omitempty"`
	Thumbprint  string            `json:"x5t,omitempty"` // base64url of the SHA-1
	Certificate string            `json:"cer,omitempty"` // base64 of the DER
	ContentType string            `json:"contentType,omitempty"`
	Attributes  *attributes       `json:"attributes"`
	Tags        map[string]string `json:"tags,omitempty"`
	Policy      *policy           `json:"policy,omitempty"`
	Pending     *struct {
		ID string `json:"id"`
	} `json:"pending,omitempty"`
	Keep bool `json:"preserveCertOrder,omitempty"`
	deletion
}

// certItem is a certificate without its bytes and policy. Lists name it without its version.
func (q *request) certItem(i secret.Info, version string) certBundle {
	b := certBundle{ID: q.id("certificates", i.Name, version), Attributes: q.attributesOf(i.Attributes), Tags: i.Tags, deletion: q.deletionOf("deletedcertificates", i.Name, i.Deleted)}
	if i.Certificate != nil {
		sum := sha1.Sum(i.Certificate)
		b.Thumbprint = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return b
}

// certWhole is a stored version with all that there is.
func (q *request) certWhole(i secret.Info, p *policy) certBundle {
	b := q.certItem(i, i.ID)
	b.SecretID, b.Certificate, b.ContentType = q.id("secrets", i.Name, i.ID), base64.StdEncoding.EncodeToString(i.Certificate), i.ContentType
	b.Policy = q.withID(i.Name, p)
	return b
}

func (q *request) withID(name string, p *policy) *policy {
	if p == nil {
		return nil
	}
	c := *p
	c.ID = q.id("certificates", name, "policy")
	return &c
}

func policyOfInfo(i *secret.Info) (*policy, error) {
	c, err := x509.ParseCertificate(i.Certificate)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of secret %s: %w", i.Name, err)
	}
	return policyOfCertificate(c, i.ContentType), nil
}

// bundleOf is a certificate object: of its version, or, where there is none yet, what is known of the one that is being made.
func (h *Handler) bundleOf(q *request, o *object) (certBundle, error) {
	p, err := o.policy()
	if err != nil {
		return certBundle{}, err
	}
	if o.version != nil {
		b := q.certWhole(*o.version, p)
		b.Keep = o.record.Keep
		return b, nil
	}
	no := false
	b := certBundle{ID: q.id("certificates", o.name, o.pendingID()), Attributes: &attributes{Enabled: &no, RecoveryLevel: q.vault.RecoveryLevel(), RecoverableDays: q.vault.SoftDelete},
		Policy: q.withID(o.name, p), Keep: o.record.Keep}
	b.Pending = &struct {
		ID string `json:"id"`
	}{q.id("certificates", o.name, "pending")}
	switch {
	case o.order != nil:
		b.Attributes.Created, b.Attributes.Updated, b.Tags = at(&o.order.Created), at(&o.order.Updated), o.order.Spec.Tags
	case o.record.Pending != nil:
		b.Attributes.Created, b.Attributes.Updated, b.Tags = at(&o.record.Pending.Created), at(&o.record.Pending.Created), o.record.Pending.Tags
	}
	return b, nil
}

func (h *Handler) getCertificate(w http.ResponseWriter, q *request) error {
	o, err := h.object(q, q.name(), q.version())
	if err != nil {
		return err
	}
	b, err := h.bundleOf(q, o)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, b)
}

func (h *Handler) listCertificates(w http.ResponseWriter, q *request) error {
	read := func(after string, limit int) ([]secret.Info, error) {
		return h.Vault.ListCertificates(q.Context(), q.vault.Name, after, limit)
	}
	if q.URL.Query().Get("includePending") == "true" {
		read = func(after string, limit int) ([]secret.Info, error) { return h.withPending(q, after, limit) }
	}
	return list(w, q, read, byName, func(i secret.Info) certBundle { return q.certItem(i, "") })
}

func (h *Handler) listCertificateVersions(w http.ResponseWriter, q *request) error {
	return list(w, q, func(after string, limit int) ([]secret.Info, error) {
		return h.Vault.CertificateVersions(q.Context(), q.vault.Name, q.name(), after, limit)
	}, byID, func(i secret.Info) certBundle { return q.certItem(i, i.ID) })
}

func (h *Handler) updateCertificate(w http.ResponseWriter, q *request) error {
	var body struct {
		Attributes *attributes       `json:"attributes"`
		Tags       map[string]string `json:"tags"`
		Policy     *policy           `json:"policy"`
	}
	if err := read(q, &body); err != nil {
		return err
	}
	if err := checkTags(body.Tags); err != nil {
		return err
	}
	o, err := h.object(q, q.name(), q.version())
	if err != nil {
		return gone(err)
	}
	if o.version == nil {
		return &failure{http.StatusConflict, "Conflict", "", fmt.Sprintf("Certificate %s is not there yet: its operation is still under way.", q.name())}
	}
	if body.Attributes != nil || body.Tags != nil {
		p := secret.Patch{Tags: body.Tags}
		if body.Attributes != nil {
			p.Enabled = body.Attributes.Enabled // the dates are the certificate's
		}
		i, err := h.Vault.Update(q.Context(), q.vault.Name, q.name(), o.version.ID, p)
		if err != nil {
			return err
		}
		h.patched(q, i, p)
		o.version.Attributes, o.version.Tags = i.Attributes, i.Tags
	}
	b, err := h.bundleOf(q, o)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, b)
}

// deleteCertificate soft-deletes a certificate with its secret: they are one. What is only being made is given up.
func (h *Handler) deleteCertificate(w http.ResponseWriter, q *request) error {
	o, err := h.object(q, q.name(), "")
	if err != nil {
		return gone(err)
	}
	p, err := o.policy()
	if err != nil {
		return err
	}
	if o.version == nil {
		b, err := h.bundleOf(q, o)
		if err == nil {
			err = h.giveUp(q, o)
		}
		if err != nil {
			return err
		}
		return write(w, http.StatusOK, b)
	}
	i, err := h.Delete(q.Context(), q.by, q.vault, q.name())
	if err != nil {
		return gone(err)
	}
	return write(w, http.StatusOK, q.certWhole(i, p))
}

func (h *Handler) listDeletedCertificates(w http.ResponseWriter, q *request) error {
	return list(w, q, func(after string, limit int) ([]secret.Info, error) {
		return h.Vault.ListDeletedCertificates(q.Context(), q.vault.Name, after, limit)
	}, byName, func(i secret.Info) certBundle { return q.certItem(i, "") })
}

// deletedCertificate reads a soft-deleted certificate with its policy.
func (h *Handler) deletedCertificate(q *request) (secret.Info, *policy, error) {
	i, err := h.Vault.Deleted(q.Context(), q.vault.Name, q.name())
	if err == nil && i.Certificate == nil {
		err = secret.ErrNotFound
	}
	if err != nil {
		return i, nil, notDeleted("Certificate", q, err)
	}
	o := &object{name: i.Name, version: &i}
	if o.record, err = h.load(q, i.Name); err == nil {
		o.order, o.key, err = h.orderOf(q, i.Name, &i)
	}
	if err != nil {
		return i, nil, err
	}
	p, err := o.policy()
	return i, p, err
}

func (h *Handler) getDeletedCertificate(w http.ResponseWriter, q *request) error {
	i, p, err := h.deletedCertificate(q)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, q.certWhole(i, p))
}

func (h *Handler) recoverCertificate(w http.ResponseWriter, q *request) error {
	_, p, err := h.deletedCertificate(q)
	if err != nil {
		return err
	}
	i, err := h.Recover(q.Context(), q.by, q.vault, q.name())
	if err != nil {
		return notDeleted("Certificate", q, err)
	}
	return write(w, http.StatusOK, q.certWhole(i, p))
}

func (h *Handler) purgeCertificate(w http.ResponseWriter, q *request) error {
	if _, _, err := h.deletedCertificate(q); err != nil {
		return err
	}
	if err := h.Purge(q.Context(), q.by, q.vault, q.name()); err != nil {
		return notDeleted("Certificate", q, err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// digest is a version id made of a text.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

func (h *Handler) backupCertificate(w http.ResponseWriter, q *request) error {
	o, err := h.object(q, q.name(), "")
	if err == nil && o.version == nil {
		err = secret.ErrNotFound
	}
	if err != nil {
		return gone(err)
	}
	kept, err := json.Marshal(record{Policy: o.record.Policy, Keep: o.record.Keep})
	if err != nil {
		return err
	}
	b, err := h.Vault.Backup(q.Context(), secret.ItemCertificate, q.vault.Name, q.name(), kept)
	if err != nil {
		return gone(err)
	}
	h.told("certificate backed up", q, *o.version)
	return write(w, http.StatusOK, newBlob(b))
}

func (h *Handler) restoreCertificate(w http.ResponseWriter, q *request) error {
	i, kept, err := h.restored(secret.ItemCertificate, q)
	if err != nil {
		return err
	}
	r, err := h.load(q, i.Name)
	if err != nil {
		return err
	}
	if err := unmarshal(secret.Item{Kind: secret.ItemCertificate, Vault: q.vault.Name, Name: i.Name, Doc: kept}, r); err != nil {
		return err
	}
	if r.Policy != nil {
		if err := h.save(q.Context(), r); err != nil && !errors.Is(err, secret.ErrNotFound) {
			return err
		}
	}
	o, err := h.object(q, i.Name, i.ID)
	if err != nil {
		return err
	}
	b, err := h.bundleOf(q, o)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, b)
}
