package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"certwright/internal/secret"
)

// certified bounds to versions that are certificate objects too.
const certified = ` AND v.certificate IS NOT NULL `

// DeletedSecret reads the newest version of a soft-deleted secret. secret.ErrNotFound if it is not deleted.
func (s *Store) DeletedSecret(ctx context.Context, vault, name string) (secret.Info, error) {
	what := "read deleted secret " + name
	v, err := scanInfo(s.reader.one(ctx, `SELECT `+versionColumns+versionTables+`WHERE v.vault = $1 AND v.name = $2
		AND s.deleted_at > 0 AND `+newest, lower(vault), lower(name)))
	if errors.Is(err, sql.ErrNoRows) {
		return secret.Info{}, notFound(what)
	}
	return v, fail(what, err)
}

// ListCertificates is ListSecrets for those whose newest version is a certificate.
func (s *Store) ListCertificates(ctx context.Context, vault, after string, limit int) ([]secret.Info, error) {
	return s.infos(ctx, "list certificates", `v.vault = $1 AND v.name > $2 AND s.deleted_at = 0 AND `+newest+certified+`
		ORDER BY v.name LIMIT $3`, lower(vault), lower(after), bounded(limit))
}

// ListDeletedCertificates is ListDeleted for those whose newest version is a certificate.
func (s *Store) ListDeletedCertificates(ctx context.Context, vault, after string, limit int) ([]secret.Info, error) {
	return s.infos(ctx, "list deleted certificates", `v.vault = $1 AND v.name > $2 AND s.deleted_at > 0 AND `+newest+certified+`
		ORDER BY v.name LIMIT $3`, lower(vault), lower(after), bounded(limit))
}

// ListCertificateVersions is ListSecretVersions for those that are certificates.
func (s *Store) ListCertificateVersions(ctx context.Context, vault, name, after string, limit int) ([]secret.Info, error) {
	return s.infos(ctx, "list versions of certificate "+name, `v.vault = $1 AND v.name = $2 AND v.id > $3 AND s.deleted_at = 0`+certified+`
		ORDER BY v.id LIMIT $4`, lower(vault), lower(name), lower(after), bounded(limit))
}

// PreviousCertificate is the id of the certificate version created last before a version; empty = there is none.
func (s *Store) PreviousCertificate(ctx context.Context, vault, name, id string) (previous string, err error) {
	err = s.reader.one(ctx, `SELECT v.id FROM secret_versions v JOIN secret_versions w ON w.vault = v.vault AND w.name = v.name AND w.id = $3
		WHERE v.vault = $1 AND v.name = $2`+certified+`AND (v.created < w.created OR v.created = w.created AND v.n < w.n)
		ORDER BY v.created DESC, v.n DESC LIMIT 1`, lower(vault), lower(name), lower(id)).Scan(&previous)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return previous, fail("read the version before "+id+" of secret "+name, err)
}

// RestoreSecret writes all versions of a secret that is not there, oldest first, in one transaction. secret.ErrConflict if
// it is there, secret.ErrDeleted while it is soft-deleted, secret.ErrNoVault.
func (s *Store) RestoreSecret(ctx context.Context, versions []secret.Sealed) error {
	if len(versions) == 0 {
		return nil
	}
	vault, name := lower(versions[0].Vault), lower(versions[0].Name)
	return fail("restore secret "+versions[0].Name, s.write(ctx, func(ctx context.Context, q *session) error {
		if err := q.openSecret(ctx, vault, name); err != nil {
			return err
		}
		var n int64
		err := q.one(ctx, `SELECT COUNT(*) FROM secret_versions WHERE vault = $1 AND name = $2`, vault, name).Scan(&n)
		if err == nil && n > 0 {
			err = secret.ErrConflict
		}
		for _, v := range versions {
			if err != nil {
				return err
			}
			_, err = q.insertVersion(ctx, v)
		}
		return err
	}))
}

// insertVersion writes a version and says how many rows that made: none if its id is there.
func (q *session) insertVersion(ctx context.Context, v secret.Sealed) (int64, error) {
	tags, err := json.Marshal(v.Tags)
	if err != nil {
		return 0, err
	}
	return q.exec(ctx, `INSERT INTO secret_versions (vault, name, id, shown, content_type, certificate, tags, author,
		enabled, not_before, expires, created, updated, envelope) VALUES `+values(1, 14)+` ON CONFLICT DO NOTHING`,
		lower(v.Vault), lower(v.Name), lower(v.ID), v.Name, v.ContentType, v.Certificate, string(tags), v.Author, flag(v.Attributes.Enabled),
		nullMS(v.Attributes.NotBefore), nullMS(v.Attributes.Expires), ms(v.Attributes.Created), ms(v.Attributes.Updated), v.Blob)
}

// itemAt is where a vault's document is: its vault stands in the place of the group.
func itemAt(kind, vault, name string) resource {
	return resource{kind: kind, group: lower(vault), name: lower(name)}
}

// LoadItem reads a document of a vault. secret.ErrNotFound.
func (s *Store) LoadItem(ctx context.Context, kind, vault, name string) (secret.Item, error) {
	var doc json.RawMessage
	revision, err := loadResource(ctx, s.reader, itemAt(kind, vault, name), &doc)
	return secret.Item{Kind: kind, Vault: vault, Name: name, Revision: revision, Doc: doc}, err
}

// SaveItem writes a document under its revision. fulfill.ErrExists, fulfill.ErrConflict.
func (s *Store) SaveItem(ctx context.Context, i secret.Item) error {
	return s.saveResource(ctx, itemAt(i.Kind, i.Vault, i.Name), i.Revision, json.RawMessage(i.Doc))
}

// DeleteItem removes a document; not there is no error.
func (s *Store) DeleteItem(ctx context.Context, kind, vault, name string) error {
	err := s.write(ctx, func(ctx context.Context, q *session) error { return q.deleteItem(ctx, kind, vault, name) })
	return fail("delete "+kind+" "+name, err)
}

func (q *session) deleteItem(ctx context.Context, kind, vault, name string) error {
	_, err := q.exec(ctx, `DELETE FROM resources WHERE kind = $1 AND subscription = '' AND resource_group = $2 AND name = $3`,
		kind, lower(vault), lower(name))
	return err
}

// ListItems lists the documents of a kind of one vault by name, from after the given name on.
func (s *Store) ListItems(ctx context.Context, kind, vault, after string, limit int) ([]secret.Item, error) {
	var out []secret.Item
	rows, err := s.reader.query(ctx, `SELECT name, doc, revision FROM resources WHERE kind = $1 AND subscription = ''
		AND resource_group = $2 AND name > $3 ORDER BY name LIMIT $4`, kind, lower(vault), lower(after), bounded(limit))
	err = each(rows, err, func(r *sql.Rows) error {
		i := secret.Item{Kind: kind, Vault: vault}
		var doc string
		err := r.Scan(&i.Name, &doc, &i.Revision)
		i.Doc = []byte(doc)
		out = append(out, i)
		return err
	})
	return out, fail("list items of vault "+vault, err)
}
