package keyvault

import (
	"net/http"
	"regexp"
	"strings"

	"certwright/internal/fulfill"
	"certwright/internal/secret"
)

// objectName is the rule for new names. Those that are there already (an order may be called a.b) are read all the same.
var objectName = regexp.MustCompile(`^[0-9a-zA-Z-]{1,127}$`)

func checkName(name string) error {
	if !objectName.MatchString(name) {
		return bad("name", "%q is no name: 1 to 127 letters, digits and '-'", name)
	}
	return nil
}

// Bounds of Key Vault's.
const (
	maxTags        = 15
	maxTag         = 256
	maxContentType = 255
)

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return bad("tags", "there are %d, at most %d are taken", len(tags), maxTags)
	}
	for k, v := range tags {
		if k == "" || len(k) > maxTag || len(v) > maxTag {
			return bad("tags", "%q: names have 1 to %d characters, values at most as many", k, maxTag)
		}
	}
	return nil
}

func checkDates(a *attributes) error {
	if a == nil || a.NotBefore == nil || a.Expires == nil {
		return nil
	}
	if nbf, exp := a.NotBefore.time(), a.Expires.time(); !exp.After(*nbf) {
		return bad("attributes", "exp is not after nbf")
	}
	return nil
}

func (h *Handler) setSecret(w http.ResponseWriter, q *request) error {
	var body struct {
		Value       *string           `json:"value"`
		ContentType string            `json:"contentType"`
		Tags        map[string]string `json:"tags"`
		Attributes  *attributes       `json:"attributes"`
	}
	if err := read(q, &body); err != nil {
		return err
	}
	for _, err := range []error{checkName(q.name()), checkTags(body.Tags), checkDates(body.Attributes)} {
		if err != nil {
			return err
		}
	}
	if body.Value == nil {
		return bad("value", "it is missing")
	}
	if len(body.ContentType) > maxContentType {
		return bad("contentType", "it has more than %d characters", maxContentType)
	}
	s := secret.Write{Vault: q.vault.Name, Name: q.name(), ID: fulfill.NewID(), Value: secret.Bytes(*body.Value), ContentType: body.ContentType, Tags: body.Tags, Author: q.by.Caller}
	if a := body.Attributes; a != nil {
		s.Disabled, s.NotBefore, s.Expires = a.off(), a.NotBefore.time(), a.Expires.time()
	}
	i, err := h.Vault.Set(q.Context(), s)
	if err != nil {
		return err
	}
	h.changed("set", q, i)
	b := q.bundle(i, i.ID)
	b.Value = body.Value
	return write(w, http.StatusOK, b)
}

// getSecret gives a value out: the one route that does.
func (h *Handler) getSecret(w http.ResponseWriter, q *request) error {
	v, err := h.Vault.GetSecret(q.Context(), q.vault.Name, q.name(), q.version())
	if err != nil {
		return err
	}
	defer v.Value.Wipe()
	value := v.Value
	if as := q.URL.Query().Get("outContentType"); as != "" && as != v.ContentType {
		if as != secret.ContentPEM || v.ContentType != secret.ContentPFX {
			return bad("outContentType", "%s cannot be written as %s: only %s as %s", v.ContentType, as, secret.ContentPFX, secret.ContentPEM)
		}
		if value, err = h.Vault.AsPEM(v); err != nil {
			return err
		}
		defer value.Wipe()
		v.ContentType = as
	}
	i := secret.Info{Vault: v.Vault, Name: v.Name, ID: v.ID, ContentType: v.ContentType, Tags: v.Tags, Attributes: v.Attributes}
	h.told("secret read", q, i)
	b := q.bundle(i, v.ID)
	text := string(value.Reveal())
	b.Value = &text
	if v.Certificate != nil && q.since("2025-07-01") {
		if b.Previous, err = h.Vault.PreviousCertificate(q.Context(), v.Vault, v.Name, v.ID); err != nil {
			return err
		}
	}
	return write(w, http.StatusOK, b)
}

// patched is changed for what is about a secret; its tags and dates are nothing to an order.
func (h *Handler) patched(q *request, i secret.Info, p secret.Patch) {
	switch {
	case p.Enabled != nil && !*p.Enabled:
		h.changed("disabled", q, i)
	case p.Enabled != nil:
		h.changed("enabled", q, i)
	case p.ContentType != nil:
		h.changed("given another content type", q, i)
	default:
		h.told("secret updated", q, i)
	}
}

func (h *Handler) updateSecret(w http.ResponseWriter, q *request) error {
	var body struct {
		ContentType *string           `json:"contentType"`
		Tags        map[string]string `json:"tags"`
		Attributes  *attributes       `json:"attributes"`
	}
	if err := read(q, &body); err != nil {
		return err
	}
	for _, err := range []error{checkTags(body.Tags), checkDates(body.Attributes)} {
		if err != nil {
			return err
		}
	}
	p := secret.Patch{ContentType: body.ContentType, Tags: body.Tags}
	if a := body.Attributes; a != nil {
		p.Enabled, p.NotBefore, p.Expires = a.Enabled, a.NotBefore.time(), a.Expires.time()
	}
	i, err := h.Vault.Update(q.Context(), q.vault.Name, q.name(), q.version(), p)
	if err != nil {
		return err
	}
	h.patched(q, i, p)
	return write(w, http.StatusOK, q.bundle(i, i.ID))
}

func (h *Handler) listSecrets(w http.ResponseWriter, q *request) error {
	return list(w, q, func(after string, limit int) ([]secret.Info, error) {
		return h.Vault.List(q.Context(), q.vault.Name, after, limit)
	}, byName, func(i secret.Info) secretBundle { return q.bundle(i, "") })
}

func byName(i secret.Info) string { return i.Name }
func byID(i secret.Info) string   { return i.ID }

func (h *Handler) listSecretVersions(w http.ResponseWriter, q *request) error {
	return list(w, q, func(after string, limit int) ([]secret.Info, error) {
		return h.Vault.Versions(q.Context(), q.vault.Name, q.name(), after, limit)
	}, byID, func(i secret.Info) secretBundle { return q.bundle(i, i.ID) })
}

func (h *Handler) deleteSecret(w http.ResponseWriter, q *request) error {
	i, err := h.Delete(q.Context(), q.by, q.vault, q.name())
	if err != nil {
		return gone(err)
	}
	return write(w, http.StatusOK, q.bundle(i, i.ID))
}

func (h *Handler) listDeletedSecrets(w http.ResponseWriter, q *request) error {
	return list(w, q, func(after string, limit int) ([]secret.Info, error) {
		return h.Vault.ListDeleted(q.Context(), q.vault.Name, after, limit)
	}, byName, func(i secret.Info) secretBundle { return q.bundle(i, "") })
}

func (h *Handler) getDeletedSecret(w http.ResponseWriter, q *request) error {
	i, err := h.Vault.Deleted(q.Context(), q.vault.Name, q.name())
	if err != nil {
		return notDeleted("Secret", q, err)
	}
	return write(w, http.StatusOK, q.bundle(i, i.ID))
}

func (h *Handler) recoverSecret(w http.ResponseWriter, q *request) error {
	i, err := h.Recover(q.Context(), q.by, q.vault, q.name())
	if err != nil {
		return notDeleted("Secret", q, err)
	}
	return write(w, http.StatusOK, q.bundle(i, i.ID))
}

func (h *Handler) purgeSecret(w http.ResponseWriter, q *request) error {
	if err := h.Purge(q.Context(), q.by, q.vault, q.name()); err != nil {
		return notDeleted("Secret", q, err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *Handler) backupSecret(w http.ResponseWriter, q *request) error {
	b, err := h.Vault.Backup(q.Context(), "secret", q.vault.Name, q.name(), nil)
	if err != nil {
		return gone(err)
	}
	h.told("secret backed up", q, secret.Info{Vault: q.vault.Name, Name: q.name()})
	return write(w, http.StatusOK, newBlob(b))
}

func (h *Handler) restoreSecret(w http.ResponseWriter, q *request) error {
	i, _, err := h.restored("secret", q)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, q.bundle(i, i.ID))
}

// restored takes a backup of a kind of thing back.
func (h *Handler) restored(kind string, q *request) (secret.Info, []byte, error) {
	var body blob
	if err := read(q, &body); err != nil {
		return secret.Info{}, nil, err
	}
	b, err := body.bytes()
	if err != nil {
		return secret.Info{}, nil, err
	}
	i, extra, err := h.Vault.Restore(q.Context(), kind, q.vault.Name, b)
	q.args["name"] = i.Name // the path has none: the backup says what it is of, a refusal names it
	if err == nil {
		h.changed("restored", q, i)
	}
	return i, extra, err
}

// since says whether the request names a dated API version, and none before this one.
func (q *request) since(version string) bool {
	given := q.URL.Query().Get("api-version")
	return strings.HasPrefix(given, "20") && given >= version
}
