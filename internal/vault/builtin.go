package vault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// Builtin is the vault that is always there: secret versions as rows of the store, each sealed by the
// keyring and bound to its vault, name and version id. It implements fulfill.Vault.
type Builtin struct {
	rows   Rows
	kr     *Keyring
	now    func() time.Time
	retain time.Duration
}

// DefaultRetention is how long a soft-deleted secret can be recovered (Key Vault's default, 90 days).
const DefaultRetention = 90 * 24 * time.Hour

// BuiltinOptions are the parts of a built-in vault.
type BuiltinOptions struct {
	Rows      Rows
	Keyring   *Keyring
	Now       func() time.Time
	Retention time.Duration // of soft-deleted secrets; 0 = DefaultRetention. Key Vault takes 7 to 90 days
}

// NewBuiltin makes the built-in vault.
func NewBuiltin(o BuiltinOptions) *Builtin {
	if o.Retention == 0 {
		o.Retention = DefaultRetention
	}
	return &Builtin{rows: o.Rows, kr: o.Keyring, now: o.Now, retain: o.Retention}
}

// Tags of a stored certificate. App Service Certificates' exact keys are not documented; these are
// the ones that are commonly quoted.
const (
	TagCertificateID = "CertificateId"    // the ARM id of the order, as its writer gives it
	TagState         = "CertificateState" // TagReady once the value is there
	TagSerial        = "SerialNumber"
	TagThumbprint    = "Thumbprint"
	TagReady         = "Ready"
)

// Put writes one version: key and chain together or not at all. The same id with the same key and
// chain is no error; with others it is secret.ErrConflict. A key that is not the leaf's is refused and nothing is written.
func (b *Builtin) Put(ctx context.Context, c fulfill.Certificate) error {
	what, where := "store the certificate in the vault", place(c.Vault, c.Name, c.ID)
	p, err := newPair(c.Key, c.Chain)
	if err != nil {
		return b.refuse(what, where, "vault-corrupt", err.Error(), "the authority or an import gave something that is no certificate chain")
	}
	if c.Key == nil || !p.matches() {
		return b.refuse(what, where, "vault-key-mismatch", "the private key is not the one of the certificate with serial "+order.SerialOf(p.chain[0]), "key and certificate were not made for each other")
	}
	sealed, err := b.sealCertificate(c, p)
	if err != nil {
		return b.problem(what, where, err)
	}
	err = b.rows.PutSecret(ctx, sealed)
	if errors.Is(err, secret.ErrConflict) {
		err = b.same(ctx, c, p)
	}
	return b.problem(what, where, err)
}

// refuse is the problem of a certificate that must never be stored: this attempt is over.
func (b *Builtin) refuse(what, where, id, detail, cause string) error {
	return &order.Problem{Class: order.GiveUp, What: what, Where: where, Detail: detail, ID: id, Owner: order.OwnerUs, At: b.now(),
		Cause: cause, Fix: "nothing was written; the order begins a new version", Vault: order.VaultUnknownError}
}

// sealCertificate makes the row of a certificate.
func (b *Builtin) sealCertificate(c fulfill.Certificate, p pair) (secret.Sealed, error) {
	content := c.Content
	if content == "" {
		content = secret.ContentPFX
	}
	value, err := encode(p, content)
	if err != nil {
		return secret.Sealed{}, err
	}
	defer value.Wipe()
	leaf, now := p.chain[0], b.now()
	tags := map[string]string{}
	maps.Copy(tags, c.Tags)
	tags[TagState], tags[TagSerial], tags[TagThumbprint] = TagReady, order.SerialOf(leaf), order.ThumbprintOf(leaf.Raw)
	if tags[TagCertificateID] == "" {
		tags[TagCertificateID] = c.Name
	}
	nbf, exp := leaf.NotBefore, leaf.NotAfter
	return b.seal(secret.Version{Vault: c.Vault, Name: c.Name, ID: c.ID, Value: value, ContentType: content, Certificate: leaf.Raw, Tags: tags,
		Author: c.Author, Attributes: secret.Attributes{Enabled: true, NotBefore: &nbf, Expires: &exp, Created: now, Updated: now}})
}

// same holds a version that is there already against the one to be written. The values are opened:
// sealed or as PKCS#12, the same content never has the same bytes twice.
func (b *Builtin) same(ctx context.Context, c fulfill.Certificate, p pair) error {
	row, err := b.rows.SecretVersion(ctx, c.Vault, c.Name, c.ID)
	if err != nil {
		return err
	}
	v, err := b.open(row)
	if err != nil {
		return err
	}
	defer v.Value.Wipe()
	there, err := decode(v.Value, v.ContentType)
	if err != nil || !there.equal(p) {
		return secret.ErrConflict
	}
	return nil
}

// Get opens a version of a certificate; id empty = the newest enabled one.
func (b *Builtin) Get(ctx context.Context, vault, name, id string) (fulfill.Certificate, error) {
	what, where := "read the certificate from the vault", place(vault, name, id)
	v, err := b.read(ctx, vault, name, id)
	if err != nil {
		return fulfill.Certificate{}, b.problem(what, where, err)
	}
	defer v.Value.Wipe()
	p, err := decode(v.Value, v.ContentType)
	if err != nil {
		return fulfill.Certificate{}, b.unreadable(what, where, v, err)
	}
	if !p.matches() {
		err := fmt.Errorf("%w: its private key is not the one of its certificate", secret.ErrUnsealed)
		return fulfill.Certificate{}, b.mark(b.problem(what, where, err), "vault-key-mismatch")
	}
	return fulfill.Certificate{Vault: v.Vault, Name: v.Name, ID: v.ID, Key: p.key, Chain: p.der(), Content: v.ContentType, Tags: v.Tags, Author: v.Author}, nil
}

// unreadable tells a value that opens but is no certificate. A client of the data plane can store such a one.
func (b *Builtin) unreadable(what, where string, v secret.Version, err error) error {
	id := "vault-corrupt"
	switch {
	case v.ContentType != secret.ContentPFX && v.ContentType != secret.ContentPEM,
		strings.Contains(err.Error(), "content type says"):
		id = "vault-content-type"
	case strings.Contains(err.Error(), "password"):
		id = "vault-pfx-password"
	}
	return b.mark(b.problem(what, where, fmt.Errorf("%w: %w (written by %q)", secret.ErrUnsealed, err, v.Author)), id)
}

// mark gives a problem a more telling id.
func (b *Builtin) mark(err error, id string) error {
	var p *order.Problem
	if errors.As(err, &p) {
		p.ID = id
	}
	return err
}

// Disable marks a version as not to be used. One that is disabled already, or is not there, is no error.
func (b *Builtin) Disable(ctx context.Context, vault, name, id string) error {
	off := false
	_, err := b.Update(ctx, vault, name, id, secret.Patch{Enabled: &off})
	if errors.Is(err, secret.ErrNotFound) || errors.Is(err, secret.ErrDeleted) {
		return nil
	}
	return err
}

// Enable undoes Disable. secret.ErrNotFound when the version is not there.
func (b *Builtin) Enable(ctx context.Context, vault, name, id string) error {
	on := true
	_, err := b.Update(ctx, vault, name, id, secret.Patch{Enabled: &on})
	return err
}

// Delete soft-deletes the secret with all its versions; not there is no error.
func (b *Builtin) Delete(ctx context.Context, vault, name string) error {
	_, err := b.DeleteSecret(ctx, vault, name)
	if errors.Is(err, secret.ErrNotFound) || errors.Is(err, secret.ErrDeleted) {
		return nil
	}
	return err
}

// Exists says whether the vault is there: nil, or a Problem with KeyVaultDoesNotExist.
func (b *Builtin) Exists(ctx context.Context, vault string) error {
	ok, err := b.rows.VaultExists(ctx, vault)
	if err == nil && !ok {
		err = fmt.Errorf("vault %q: %w", vault, secret.ErrNoVault)
	}
	return b.problem("look at the vault", vault, err)
}

// seal makes the row of a version.
func (b *Builtin) seal(v secret.Version) (secret.Sealed, error) {
	if v.Vault == "" || v.Name == "" || v.ID == "" {
		return secret.Sealed{}, fmt.Errorf("vault %q, secret %q, version %q: none of them may be empty", v.Vault, v.Name, v.ID)
	}
	blob, err := b.kr.Seal(v.Value, secretPlace(v.Vault, v.Name, v.ID))
	if err != nil {
		return secret.Sealed{}, err
	}
	return secret.Sealed{Blob: blob, Info: secret.Info{Vault: v.Vault, Name: v.Name, ID: v.ID, ContentType: v.ContentType,
		Certificate: v.Certificate, Tags: v.Tags, Attributes: v.Attributes, Author: v.Author}}, nil
}

// open is the reverse of seal.
func (b *Builtin) open(s secret.Sealed) (secret.Version, error) {
	value, err := b.kr.Open(s.Blob, secretPlace(s.Vault, s.Name, s.ID))
	if err != nil {
		return secret.Version{}, err
	}
	return secret.Version{Vault: s.Vault, Name: s.Name, ID: s.ID, Value: value, ContentType: s.ContentType, Certificate: s.Certificate,
		Tags: s.Tags, Attributes: s.Attributes, Author: s.Author}, nil
}

// secretPlace is what a secret's value is bound to. Names compare without case, so it is lower case.
func secretPlace(vault, name, id string) string {
	return "secret/" + strings.ToLower(vault+"/"+name+"/"+id)
}

// place names a secret for a person.
func place(vault, name, id string) string {
	s := "vault " + vault + ", secret " + name
	if id != "" {
		s += ", version " + id
	}
	return s
}
