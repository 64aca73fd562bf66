package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"certwright/internal/secret"
)

// PutSecret writes a version. secret.ErrConflict when the id is there already with another envelope (whether its content
// is the same is for the vault to find out), secret.ErrDeleted while the name is soft-deleted, secret.ErrNoVault, secret.ErrVaultFull.
func (s *Store) PutSecret(ctx context.Context, v secret.Sealed) error {
	vault, name, id := lower(v.Vault), lower(v.Name), lower(v.ID)
	err := s.write(ctx, func(ctx context.Context, q *session) error {
		if err := q.openSecret(ctx, vault, name); err != nil {
			return err
		}
		n, err := q.insertVersion(ctx, v)
		if err != nil || n == 1 {
			return err
		}
		err = q.one(ctx, `SELECT COUNT(*) FROM secret_versions WHERE vault = $1 AND name = $2 AND id = $3 AND envelope = $4`,
			vault, name, id, v.Blob).Scan(&n)
		if err == nil && n == 0 {
			return secret.ErrConflict
		}
		return err
	})
	if classify(err) == IDFull {
		err = errors.Join(secret.ErrVaultFull, err)
	}
	return fail("put secret "+v.Name, err)
}

// openSecret makes the secret's row, or takes it for this transaction: a delete or purge waits.
func (q *session) openSecret(ctx context.Context, vault, name string) error {
	var deleted int64
	err := q.one(ctx, `INSERT INTO secrets (vault, name, writes, deleted_at, purge_at)
		SELECT name, CAST($2 AS TEXT), 1, 0, 0 FROM vaults WHERE name = $1 AND deleted_at = 0
		ON CONFLICT (vault, name) DO UPDATE SET writes = secrets.writes + 1 RETURNING deleted_at`, vault, name).Scan(&deleted)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return secret.ErrNoVault
	case err == nil && deleted > 0:
		return secret.ErrDeleted
	}
	return err
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// versionColumns of secret_versions v and secrets s, as scanInfo reads them.
const versionColumns = `v.vault, v.shown, v.id, v.content_type, v.certificate, v.tags, v.author, v.enabled, v.not_before,
	v.expires, v.created, v.updated, s.deleted_at, s.purge_at`

const versionTables = ` FROM secret_versions v JOIN secrets s ON s.vault = v.vault AND s.name = v.name `

// newest bounds to the version created last of each secret.
const newest = `v.n = (SELECT w.n FROM secret_versions w WHERE w.vault = v.vault AND w.name = v.name
	ORDER BY w.created DESC, w.n DESC LIMIT 1)`

func scanInfo(r row, more ...any) (secret.Info, error) {
	var v secret.Info
	var tags string
	var enabled, created, updated, deleted, purge int64
	var notBefore, expires sql.NullInt64
	err := r.Scan(append([]any{&v.Vault, &v.Name, &v.ID, &v.ContentType, &v.Certificate, &tags, &v.Author, &enabled, &notBefore,
		&expires, &created, &updated, &deleted, &purge}, more...)...)
	if err != nil {
		return v, err
	}
	v.Attributes = secret.Attributes{Enabled: enabled == 1, NotBefore: atNull(notBefore), Expires: atNull(expires),
		Created: at(created), Updated: at(updated)}
	if deleted > 0 {
		v.Deleted = &secret.Deleted{At: at(deleted), Purge: at(purge)}
	}
	return v, json.Unmarshal([]byte(tags), &v.Tags)
}

// SecretVersion reads one version, disabled or not. secret.ErrNotFound, secret.ErrDeleted.
func (s *Store) SecretVersion(ctx context.Context, vault, name, id string) (secret.Sealed, error) {
	return s.sealed(ctx, `v.vault = $1 AND v.name = $2 AND v.id = $3`, lower(vault), lower(name), lower(id))
}

const latestOf = `v.vault = $1 AND v.name = $2 AND ` + newest

// LatestSecret reads the version created last, disabled or not. secret.ErrNotFound, secret.ErrDeleted.
func (s *Store) LatestSecret(ctx context.Context, vault, name string) (secret.Sealed, error) {
	return s.sealed(ctx, latestOf, lower(vault), lower(name))
}

const sealedText = `SELECT ` + versionColumns + `, v.envelope` + versionTables + `WHERE `

func (s *Store) sealed(ctx context.Context, cond string, args ...any) (secret.Sealed, error) {
	var v secret.Sealed
	var err error
	what := "read secret " + args[1].(string)
	v.Info, err = scanInfo(s.reader.one(ctx, sealedText+cond, args...), &v.Blob)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return secret.Sealed{}, notFound(what)
	case err == nil && v.Deleted != nil:
		return secret.Sealed{}, fail(what, secret.ErrDeleted)
	}
	return v, fail(what, err)
}

func (s *Store) infos(ctx context.Context, what, cond string, args ...any) ([]secret.Info, error) {
	var out []secret.Info
	rows, err := s.reader.query(ctx, `SELECT `+versionColumns+versionTables+`WHERE `+cond, args...)
	err = each(rows, err, func(r *sql.Rows) error {
		v, err := scanInfo(r)
		out = append(out, v)
		return err
	})
	return out, fail(what, err)
}

// ListSecrets gives one line for each secret of a vault, its newest version, by name, from after the given name on.
func (s *Store) ListSecrets(ctx context.Context, vault, after string, limit int) ([]secret.Info, error) {
	return s.infos(ctx, "list secrets", `v.vault = $1 AND v.name > $2 AND s.deleted_at = 0 AND `+newest+`
		ORDER BY v.name LIMIT $3`, lower(vault), lower(after), bounded(limit))
}

// ListSecretVersions gives the versions of one secret by id, from after the given id on; none of a deleted one.
func (s *Store) ListSecretVersions(ctx context.Context, vault, name, after string, limit int) ([]secret.Info, error) {
	return s.infos(ctx, "list versions of secret "+name, `v.vault = $1 AND v.name = $2 AND v.id > $3 AND s.deleted_at = 0
		ORDER BY v.id LIMIT $4`, lower(vault), lower(name), lower(after), bounded(limit))
}

// ListDeleted gives the soft-deleted secrets of a vault by name, from after the given name on.
func (s *Store) ListDeleted(ctx context.Context, vault, after string, limit int) ([]secret.Info, error) {
	return s.infos(ctx, "list deleted secrets", `v.vault = $1 AND v.name > $2 AND s.deleted_at > 0 AND `+newest+`
		ORDER BY v.name LIMIT $3`, lower(vault), lower(after), bounded(limit))
}

// UpdateSecret changes what is about a version, never its value; its time of creation stays.
// secret.ErrNotFound, also for a deleted secret.
func (s *Store) UpdateSecret(ctx context.Context, vault, name, id, contentType string, a secret.Attributes, tags map[string]string) error {
	doc, err := json.Marshal(tags)
	if err != nil {
		return fail("update secret "+name, err)
	}
	return s.changeSecret(ctx, "update secret "+name, `UPDATE secret_versions SET content_type = $4, enabled = $5,
		not_before = $6, expires = $7, updated = $8, tags = $9 WHERE vault = $1 AND name = $2 AND id = $3 AND NOT EXISTS
		(SELECT 1 FROM secrets s WHERE s.vault = $1 AND s.name = $2 AND s.deleted_at > 0)`,
		lower(vault), lower(name), lower(id), contentType, flag(a.Enabled), nullMS(a.NotBefore), nullMS(a.Expires), ms(a.Updated), string(doc))
}

// ReplaceEnvelope puts another envelope in the place of the one read: the same value under a changed
// key-encryption key. secret.ErrConflict if it is another one meanwhile.
func (s *Store) ReplaceEnvelope(ctx context.Context, vault, name, id string, old, blob []byte) error {
	err := s.changeSecret(ctx, "rewrap secret "+name, `UPDATE secret_versions SET envelope = $5
		WHERE vault = $1 AND name = $2 AND id = $3 AND envelope = $4`, lower(vault), lower(name), lower(id), old, blob)
	if errors.Is(err, secret.ErrNotFound) {
		return fail("rewrap secret "+name, secret.ErrConflict)
	}
	return err
}

// DeleteSecret soft-deletes a secret with all its versions. secret.ErrNotFound, also when it is deleted already.
func (s *Store) DeleteSecret(ctx context.Context, vault, name string, d secret.Deleted) error {
	return s.changeSecret(ctx, "delete secret "+name, `UPDATE secrets SET deleted_at = $3, purge_at = $4
		WHERE vault = $1 AND name = $2 AND deleted_at = 0`, lower(vault), lower(name), ms(d.At), ms(d.Purge))
}

// RecoverSecret undoes DeleteSecret. secret.ErrNotFound if it is not deleted.
func (s *Store) RecoverSecret(ctx context.Context, vault, name string) error {
	return s.changeSecret(ctx, "recover secret "+name, `UPDATE secrets SET deleted_at = 0, purge_at = 0
		WHERE vault = $1 AND name = $2 AND deleted_at > 0`, lower(vault), lower(name))
}

// changeSecret runs a statement that must find its row.
func (s *Store) changeSecret(ctx context.Context, what, text string, args ...any) error {
	return fail(what, s.write(ctx, func(ctx context.Context, q *session) error {
		n, err := q.exec(ctx, text, args...)
		if err == nil && n == 0 {
			return missing{}
		}
		return err
	}))
}

// PurgeSecret removes a soft-deleted secret for good, all its versions with it. secret.ErrNotFound if it is not deleted.
func (s *Store) PurgeSecret(ctx context.Context, vault, name string) error {
	return fail("purge secret "+name, s.write(ctx, func(ctx context.Context, q *session) error {
		return q.purge(ctx, lower(vault), lower(name))
	}))
}

func (q *session) purge(ctx context.Context, vault, name string) error {
	// Takes the row first, so that a recovery either came before or finds nothing.
	n, err := q.exec(ctx, `UPDATE secrets SET writes = writes + 1 WHERE vault = $1 AND name = $2 AND deleted_at > 0`, vault, name)
	if err == nil && n == 0 {
		return missing{}
	}
	for _, text := range []string{
		`DELETE FROM secret_versions WHERE vault = $1 AND name = $2`,
		`DELETE FROM secrets WHERE vault = $1 AND name = $2`,
	} {
		if err == nil {
			_, err = q.exec(ctx, text, vault, name)
		}
	}
	if err == nil {
		err = q.deleteItem(ctx, secret.ItemCertificate, vault, name)
	}
	return err
}

// PurgeDue purges the deleted secrets and vaults whose time to recover has passed at now, and says how many.
func (s *Store) PurgeDue(ctx context.Context, now time.Time) (int, error) {
	total, err := s.purgeVaultsDue(ctx, now)
	if err != nil {
		return total, fail("purge deleted vaults", err)
	}
	rows, err := s.reader.query(ctx, `SELECT vault, name FROM secrets WHERE deleted_at > 0 AND purge_at <= $1 ORDER BY vault, name`, ms(now))
	var due [][2]string
	err = each(rows, err, func(r *sql.Rows) error {
		var d [2]string
		err := r.Scan(&d[0], &d[1])
		due = append(due, d)
		return err
	})
	for _, d := range due {
		if err != nil {
			break
		}
		err = s.write(ctx, func(ctx context.Context, q *session) error { return q.purge(ctx, d[0], d[1]) })
		if errors.Is(err, missing{}) {
			err = nil // recovered, or purged by another
			continue
		}
		total++
	}
	return total, fail("purge deleted secrets", err)
}
