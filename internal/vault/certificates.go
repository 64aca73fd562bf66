package vault

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"strings"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// Certificate gives the certificate object of a secret: the same row without its key, id empty = of the newest enabled version, or of the newest
// where none is enabled; secret.ErrNotFound when it holds none.
func (b *Builtin) Certificate(ctx context.Context, vault, name, id string) (secret.Info, error) {
	row, err := b.row(ctx, vault, name, id)
	if err == nil && id == "" && !row.Attributes.Enabled {
		if older, err := b.newestEnabled(ctx, vault, name); err == nil {
			row = older
		}
	}
	if err == nil && row.Certificate == nil {
		err = fmt.Errorf("%w: the secret holds no certificate (content type %q)", secret.ErrNotFound, row.ContentType)
	}
	if err != nil {
		return secret.Info{}, b.problem("read the certificate object", place(vault, name, id), err)
	}
	return row.Info, nil
}

// SetCertificate writes a new version that is no order's: an import, a merge, a self-signed certificate. Its tags are
// those given and no others; its dates are the certificate's.
func (b *Builtin) SetCertificate(ctx context.Context, c fulfill.Certificate, disabled bool) (secret.Info, error) {
	if c.ID == "" {
		c.ID = newID()
	}
	what, where := "store the certificate in the vault", place(c.Vault, c.Name, c.ID)
	p, err := newPair(c.Key, c.Chain)
	if err != nil {
		return secret.Info{}, b.refuse(what, where, "vault-corrupt", err.Error(), "it is no certificate chain")
	}
	if !p.matches() {
		return secret.Info{}, b.refuse(what, where, "vault-key-mismatch", "the private key is not the certificate's", "key and certificate were not made for each other")
	}
	value, err := encode(p, c.Content)
	if err != nil {
		return secret.Info{}, b.problem(what, where, err)
	}
	defer value.Wipe()
	content := c.Content
	if content == "" {
		content = secret.ContentPFX
	}
	leaf := p.chain[0]
	return b.Set(ctx, secret.Write{Vault: c.Vault, Name: c.Name, ID: c.ID, Value: value, ContentType: content, Tags: c.Tags, Disabled: disabled,
		NotBefore: &leaf.NotBefore, Expires: &leaf.NotAfter, Author: c.Author})
}

// AsPEM gives the value of an opened version that is PKCS#12 as PEM; one that is PEM stays as it is.
func (b *Builtin) AsPEM(v secret.Version) (secret.Bytes, error) {
	if v.ContentType == secret.ContentPEM {
		return v.Value, nil
	}
	p, err := decode(v.Value, v.ContentType)
	if err != nil {
		return nil, b.unreadable("write the secret as PEM", place(v.Vault, v.Name, v.ID), v, err)
	}
	return encodePEM(p)
}

// ListCertificates gives a page of the vault's certificate objects by name, each as its newest version.
func (b *Builtin) ListCertificates(ctx context.Context, vault, after string, limit int) ([]secret.Info, error) {
	l, err := b.rows.ListCertificates(ctx, vault, after, limit)
	return l, b.problem("list certificates", vault, err)
}

// CertificateVersions gives a page of the versions of one certificate.
func (b *Builtin) CertificateVersions(ctx context.Context, vault, name, after string, limit int) ([]secret.Info, error) {
	l, err := b.rows.ListCertificateVersions(ctx, vault, name, after, limit)
	return l, b.problem("list versions", place(vault, name, ""), err)
}

// PreviousCertificate is the id of the version before a version of a certificate; empty = it is the first.
func (b *Builtin) PreviousCertificate(ctx context.Context, vault, name, id string) (string, error) {
	previous, err := b.rows.PreviousCertificate(ctx, vault, name, id)
	return previous, b.problem("read the version before", place(vault, name, id), err)
}

// ListDeletedCertificates gives a page of the soft-deleted certificates by name.
func (b *Builtin) ListDeletedCertificates(ctx context.Context, vault, after string, limit int) ([]secret.Info, error) {
	l, err := b.rows.ListDeletedCertificates(ctx, vault, after, limit)
	return l, b.problem("list deleted certificates", vault, err)
}

// Deleted gives the newest version of a soft-deleted secret. secret.ErrNotFound when it is not soft-deleted.
func (b *Builtin) Deleted(ctx context.Context, vault, name string) (secret.Info, error) {
	i, err := b.rows.DeletedSecret(ctx, vault, name)
	return i, b.problem("read the deleted secret", place(vault, name, ""), err)
}

// PendingKey makes the private key of a certificate that somebody else signs, and seals it bound to its place.
func (b *Builtin) PendingKey(vault, name, id string, kt order.KeyType) (crypto.Signer, []byte, error) {
	key, err := order.GenerateKey(kt)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	defer clear(der)
	sealed, err := b.kr.Seal(der, pendingPlace(vault, name, id))
	return key, sealed, err
}

// OpenPending opens a key that PendingKey sealed for the same place.
func (b *Builtin) OpenPending(vault, name, id string, sealed []byte) (crypto.Signer, error) {
	der, err := b.kr.Open(sealed, pendingPlace(vault, name, id))
	if err != nil {
		return nil, b.problem("open the pending key", place(vault, name, id), err)
	}
	defer der.Wipe()
	return parseKey(der)
}

func pendingPlace(vault, name, id string) string {
	return "pending/" + strings.ToLower(vault+"/"+name+"/"+id)
}

// CurrentKey gives the private key of the newest enabled version to whoever signs with it here.
func (b *Builtin) CurrentKey(ctx context.Context, vault, name string) (crypto.Signer, error) {
	c, err := b.Get(ctx, vault, name, "")
	return c.Key, err
}
