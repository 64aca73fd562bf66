package vault

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"certwright/internal/secret"
)

// backup is what a backup holds, before it is sealed: all versions of a secret, with their values.
type backup struct {
	Name     string          `json:"name"`
	Versions []backupVersion `json:"versions"`       // oldest first
	Extra    []byte          `json:"item,omitempty"` // what the caller keeps beside them
}

type backupVersion struct {
	secret.Info
	Value []byte `json:"value"`
}

// maxBackup is how many versions a backup may hold (Key Vault: 500).
const maxBackup = 500

// backupPlace is what a backup is bound to: a kind of thing in one vault. The key of a certificate cannot be had by
// restoring its backup as a secret, or in a vault where its reader has more rights.
func backupPlace(kind, vault string) string { return "backup/" + kind + "/" + strings.ToLower(vault) }

// Backup seals all versions of a secret, with what the caller keeps of it besides: bytes that say nothing to anybody and that only
// Restore of this store opens, for the same kind of thing in the same vault.
func (b *Builtin) Backup(ctx context.Context, kind, vault, name string, extra []byte) ([]byte, error) {
	what, where := "back the "+kind+" up", place(vault, name, "")
	if _, err := b.row(ctx, vault, name, ""); err != nil {
		return nil, b.problem(what, where, err)
	}
	out := backup{Name: name, Extra: extra}
	defer func() { wipeVersions(out.Versions) }()
	for after := ""; ; {
		l, err := b.rows.ListSecretVersions(ctx, vault, name, after, page)
		if err != nil {
			return nil, b.problem(what, where, err)
		}
		for _, i := range l {
			row, err := b.rows.SecretVersion(ctx, vault, name, i.ID)
			if err != nil {
				return nil, b.problem(what, where, err)
			}
			v, err := b.open(row)
			if err != nil {
				return nil, b.problem(what, where, err)
			}
			out.Versions = append(out.Versions, backupVersion{row.Info, v.Value.Reveal()})
		}
		if len(l) < page {
			break
		}
		after = l[len(l)-1].ID
	}
	if len(out.Versions) > maxBackup {
		return nil, b.problem(what, where, fmt.Errorf("%w: it has %d versions, a backup holds at most %d", secret.ErrTooLarge, len(out.Versions), maxBackup))
	}
	slices.SortStableFunc(out.Versions, func(x, y backupVersion) int {
		return cmp.Or(x.Attributes.Created.Compare(y.Attributes.Created), strings.Compare(x.ID, y.ID))
	})
	plain, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	sealed, err := b.kr.Seal(plain, backupPlace(kind, vault))
	return sealed, b.problem(what, where, err)
}

func wipeVersions(l []backupVersion) {
	for _, v := range l {
		clear(v.Value)
	}
}

// Restore brings back what Backup sealed, every version with its id and attributes, and gives its newest version and what was kept
// besides. secret.ErrBackup when it was not sealed here for this kind and vault, secret.ErrConflict when a secret of
// that name is there, secret.ErrDeleted while one is soft-deleted.
func (b *Builtin) Restore(ctx context.Context, kind, vault string, blob []byte) (secret.Info, []byte, error) {
	what := "restore the " + kind
	plain, err := b.kr.Open(blob, backupPlace(kind, vault))
	if errors.Is(err, secret.ErrUnsealed) || errors.Is(err, secret.ErrWrongKey) {
		err = fmt.Errorf("%w: it was changed, or made of another kind of thing, in another vault or by another server", secret.ErrBackup)
	}
	if err != nil {
		return secret.Info{}, nil, b.problem(what, "vault "+vault, err)
	}
	defer plain.Wipe()
	var in backup
	if err := json.Unmarshal(plain.Reveal(), &in); err != nil || len(in.Versions) == 0 {
		return secret.Info{}, nil, b.problem(what, "vault "+vault, fmt.Errorf("%w: it holds nothing that can be read", secret.ErrBackup))
	}
	defer wipeVersions(in.Versions)
	rows := make([]secret.Sealed, 0, len(in.Versions))
	for _, v := range in.Versions {
		row, err := b.seal(secret.Version{Vault: vault, Name: v.Name, ID: v.ID, Value: v.Value, ContentType: v.ContentType, Certificate: v.Certificate,
			Tags: v.Tags, Attributes: v.Attributes, Author: v.Author})
		if err != nil {
			return secret.Info{}, nil, b.problem(what, place(vault, v.Name, v.ID), err)
		}
		rows = append(rows, row)
	}
	if err := b.rows.RestoreSecret(ctx, rows); err != nil {
		return secret.Info{Vault: vault, Name: in.Name}, nil, b.problem(what, place(vault, in.Name, ""), err)
	}
	return rows[len(rows)-1].Info, in.Extra, nil
}
