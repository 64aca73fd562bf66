package vault

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"certwright/internal/secret"
)

// maxValue is the largest value taken, in bytes (Key Vault: 25 KiB).
const maxValue = 25 << 10

// Set writes a new version. When the content type says certificate and the value is one, the
// version is readable as a certificate object too; else it is a secret and nothing more.
func (b *Builtin) Set(ctx context.Context, w secret.Write) (secret.Info, error) {
	if w.ID == "" {
		w.ID = newID()
	}
	what, where := "set the secret", place(w.Vault, w.Name, w.ID)
	if len(w.Value) > maxValue {
		return secret.Info{}, fmt.Errorf("%s: %w: it has %d bytes, at most %d are taken", where, secret.ErrTooLarge, len(w.Value), maxValue)
	}
	now := b.now()
	v := secret.Version{Vault: w.Vault, Name: w.Name, ID: w.ID, Value: w.Value, ContentType: w.ContentType, Tags: maps.Clone(w.Tags), Author: w.Author,
		Attributes: secret.Attributes{Enabled: !w.Disabled, NotBefore: w.NotBefore, Expires: w.Expires, Created: now, Updated: now}}
	if p, err := decode(w.Value, w.ContentType); err == nil && p.matches() {
		v.Certificate = p.chain[0].Raw
	}
	row, err := b.seal(v)
	if err == nil {
		err = b.rows.PutSecret(ctx, row)
	}
	return row.Info, b.problem(what, where, err)
}

// GetSecret opens a version; id empty = the newest enabled one. secret.ErrDisabled, secret.ErrNotFound,
// secret.ErrDeleted and secret.ErrNoVault can be told apart with errors.Is. The caller wipes the value.
func (b *Builtin) GetSecret(ctx context.Context, vault, name, id string) (secret.Version, error) {
	v, err := b.read(ctx, vault, name, id)
	return v, b.problem("read the secret", place(vault, name, id), err)
}

// List gives a page of the vault's secrets by name, each as its newest version. after is the last
// name of the page before, empty at first.
func (b *Builtin) List(ctx context.Context, vault, after string, limit int) ([]secret.Info, error) {
	l, err := b.rows.ListSecrets(ctx, vault, after, limit)
	if err == nil && len(l) == 0 && after == "" {
		return l, b.Exists(ctx, vault) // an empty list must not hide a vault's name that was mistyped
	}
	return l, b.problem("list secrets", vault, err)
}

// Versions gives a page of the versions of one secret.
func (b *Builtin) Versions(ctx context.Context, vault, name, after string, limit int) ([]secret.Info, error) {
	l, err := b.rows.ListSecretVersions(ctx, vault, name, after, limit)
	return l, b.problem("list versions", place(vault, name, ""), err)
}

// Update changes the attributes, tags or content type of a version (id empty = the newest).
func (b *Builtin) Update(ctx context.Context, vault, name, id string, p secret.Patch) (secret.Info, error) {
	what, where := "update the secret", place(vault, name, id)
	row, err := b.row(ctx, vault, name, id)
	if err != nil {
		return secret.Info{}, b.problem(what, where, err)
	}
	i := row.Info
	if p.ContentType != nil {
		i.ContentType = *p.ContentType
	}
	if p.Tags != nil {
		i.Tags = maps.Clone(p.Tags)
	}
	if p.Enabled != nil {
		i.Attributes.Enabled = *p.Enabled
	}
	i.Attributes.NotBefore = patchTime(i.Attributes.NotBefore, p.NotBefore)
	i.Attributes.Expires = patchTime(i.Attributes.Expires, p.Expires)
	i.Attributes.Updated = b.now()
	err = b.rows.UpdateSecret(ctx, i.Vault, i.Name, i.ID, i.ContentType, i.Attributes, i.Tags)
	return i, b.problem(what, where, err)
}

func patchTime(old, patch *time.Time) *time.Time {
	switch {
	case patch == nil:
		return old
	case patch.IsZero():
		return nil
	}
	return patch
}

// DeleteSecret soft-deletes a secret with all its versions and says until when it can be recovered.
func (b *Builtin) DeleteSecret(ctx context.Context, vault, name string) (secret.Info, error) {
	what, where := "delete the secret", place(vault, name, "")
	row, err := b.row(ctx, vault, name, "")
	if err != nil {
		return secret.Info{}, b.problem(what, where, err)
	}
	retain, err := b.retention(ctx, vault)
	if err != nil {
		return secret.Info{}, b.problem(what, where, err)
	}
	d := secret.Deleted{At: b.now(), Purge: b.now().Add(retain)}
	if err := b.rows.DeleteSecret(ctx, vault, name, d); err != nil {
		return secret.Info{}, b.problem(what, where, err)
	}
	row.Info.Deleted = &d
	return row.Info, nil
}

// retention is how long what is deleted in a vault can be recovered.
func (b *Builtin) retention(ctx context.Context, vault string) (time.Duration, error) {
	row, err := b.rows.LoadVault(ctx, vault)
	if err != nil || row.SoftDelete == 0 || strings.EqualFold(vault, secret.DefaultVault) {
		return b.retain, err // the default vault's is the configuration's
	}
	return time.Duration(row.SoftDelete) * 24 * time.Hour, nil
}

// Vault reads a vault as it counts: the default one has the configuration's retention. secret.ErrNoVault.
func (b *Builtin) Vault(ctx context.Context, vault string) (secret.VaultRow, error) {
	row, err := b.rows.LoadVault(ctx, vault)
	if err == nil && strings.EqualFold(vault, secret.DefaultVault) {
		row.SoftDelete = int(b.retain / (24 * time.Hour))
	}
	return row, err
}

// ListDeleted gives a page of the soft-deleted secrets by name.
func (b *Builtin) ListDeleted(ctx context.Context, vault, after string, limit int) ([]secret.Info, error) {
	l, err := b.rows.ListDeleted(ctx, vault, after, limit)
	if err == nil && len(l) == 0 && after == "" {
		return l, b.Exists(ctx, vault)
	}
	return l, b.problem("list deleted secrets", vault, err)
}

// Recover undoes DeleteSecret. secret.ErrNotFound when it is not soft-deleted.
func (b *Builtin) Recover(ctx context.Context, vault, name string) error {
	return b.problem("recover the secret", place(vault, name, ""), b.rows.RecoverSecret(ctx, vault, name))
}

// Purge removes a soft-deleted secret for good. secret.ErrNotFound when it is not soft-deleted, secret.ErrProtected.
func (b *Builtin) Purge(ctx context.Context, vault, name string) error {
	row, err := b.rows.LoadVault(ctx, vault)
	if err == nil && row.PurgeProtection {
		err = secret.ErrProtected
	}
	if err != nil {
		return b.problem("purge the secret", place(vault, name, ""), err)
	}
	return b.problem("purge the secret", place(vault, name, ""), b.rows.PurgeSecret(ctx, vault, name))
}

// read opens a version: the given one, or the newest enabled one.
func (b *Builtin) read(ctx context.Context, vault, name, id string) (secret.Version, error) {
	row, err := b.row(ctx, vault, name, id)
	if err != nil {
		return secret.Version{}, err
	}
	if !row.Attributes.Enabled {
		if id != "" {
			return secret.Version{}, secret.ErrDisabled
		}
		if row, err = b.newestEnabled(ctx, vault, name); err != nil {
			return secret.Version{}, err
		}
	}
	return b.open(row)
}

// row reads a version's row; id empty = the newest, enabled or not. A missing vault is told as that.
func (b *Builtin) row(ctx context.Context, vault, name, id string) (secret.Sealed, error) {
	var row secret.Sealed
	var err error
	if id == "" {
		row, err = b.rows.LatestSecret(ctx, vault, name)
	} else {
		row, err = b.rows.SecretVersion(ctx, vault, name, id)
	}
	if !errors.Is(err, secret.ErrNotFound) {
		return row, err
	}
	if ok, verr := b.rows.VaultExists(ctx, vault); verr == nil && !ok {
		err = fmt.Errorf("vault %q: %w", vault, secret.ErrNoVault)
	}
	return row, err
}

// page is how many versions are read at once.
const page = 100

// newestEnabled looks through all versions, because the newest is disabled.
func (b *Builtin) newestEnabled(ctx context.Context, vault, name string) (secret.Sealed, error) {
	var best secret.Info
	for after := ""; ; {
		l, err := b.rows.ListSecretVersions(ctx, vault, name, after, page)
		if err != nil {
			return secret.Sealed{}, err
		}
		for _, i := range l {
			if i.Attributes.Enabled && (best.ID == "" || i.Attributes.Created.After(best.Attributes.Created)) {
				best = i
			}
		}
		if len(l) < page {
			break
		}
		after = l[len(l)-1].ID
	}
	if best.ID == "" {
		return secret.Sealed{}, fmt.Errorf("%w: every version of it is", secret.ErrDisabled)
	}
	return b.rows.SecretVersion(ctx, vault, name, best.ID)
}

// newID is a random version id.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
