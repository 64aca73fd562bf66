package store

import (
	"context"
	"database/sql"
	"errors"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// Setting is a small value kept by name. secret.ErrNotFound and fulfill.ErrNotFound if it was never set.
func (s *Store) Setting(ctx context.Context, name string) ([]byte, error) {
	var v []byte
	err := s.reader.one(ctx, `SELECT value FROM settings WHERE name = $1`, name).Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("setting " + name)
	}
	return v, fail("read setting "+name, err)
}

// SetSetting keeps a small value.
func (s *Store) SetSetting(ctx context.Context, name string, value []byte) error {
	if value == nil {
		value = []byte{}
	}
	return fail("set "+name, s.write(ctx, func(ctx context.Context, q *session) error {
		_, err := q.exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
		return err
	}))
}

// SaveToken keeps a new token's hash under its name. fulfill.ErrExists if the name or the hash is taken.
func (s *Store) SaveToken(ctx context.Context, t order.Token) error {
	return fail("save token "+t.Name, s.write(ctx, func(ctx context.Context, q *session) error {
		n, err := q.exec(ctx, `INSERT INTO tokens (name, shown, hash, role, scope, created, expires)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
			lower(t.Name), t.Name, t.Hash, t.Role, t.Scope, ms(t.Created), ms(t.Expires))
		if err == nil && n == 0 {
			return fulfill.ErrExists
		}
		return err
	}))
}

// TokenByHash finds a token, expired ones included: whether it still counts is for auth to say. fulfill.ErrNotFound.
func (s *Store) TokenByHash(ctx context.Context, hash []byte) (order.Token, error) {
	all, err := s.tokens(ctx, ` WHERE hash = $1`, hash)
	if err != nil {
		return order.Token{}, fail("look for a token", err)
	}
	if len(all) == 0 {
		return order.Token{}, notFound("token")
	}
	return all[0], nil
}

// ListTokens lists all tokens by name, their hashes included.
func (s *Store) ListTokens(ctx context.Context) ([]order.Token, error) {
	all, err := s.tokens(ctx, ` ORDER BY name`)
	return all, fail("list tokens", err)
}

func (s *Store) tokens(ctx context.Context, tail string, args ...any) ([]order.Token, error) {
	var out []order.Token
	rows, err := s.reader.query(ctx, `SELECT shown, hash, role, scope, created, expires FROM tokens`+tail, args...)
	err = each(rows, err, func(r *sql.Rows) error {
		var t order.Token
		var created, expires int64
		err := r.Scan(&t.Name, &t.Hash, &t.Role, &t.Scope, &created, &expires)
		t.Created, t.Expires = at(created), at(expires)
		out = append(out, t)
		return err
	})
	return out, err
}

// DeleteToken removes a token by its name. fulfill.ErrNotFound.
func (s *Store) DeleteToken(ctx context.Context, name string) error {
	return fail("delete token "+name, s.write(ctx, func(ctx context.Context, q *session) error {
		n, err := q.exec(ctx, `DELETE FROM tokens WHERE name = $1`, lower(name))
		if err == nil && n == 0 {
			return missing{}
		}
		return err
	}))
}

// PutSystemKey keeps a sealed key of Certwright itself. The same bytes again are no error; others under a
// name that is taken are secret.ErrConflict.
func (s *Store) PutSystemKey(ctx context.Context, name string, sealed []byte) error {
	return fail("put system key "+name, s.write(ctx, func(ctx context.Context, q *session) error {
		n, err := q.exec(ctx, `INSERT INTO system_keys (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, name, sealed)
		if err != nil || n == 1 {
			return err
		}
		err = q.one(ctx, `SELECT COUNT(*) FROM system_keys WHERE name = $1 AND sealed = $2`, name, sealed).Scan(&n)
		if err == nil && n == 0 {
			return secret.ErrConflict
		}
		return err
	}))
}

// SystemKey gives a sealed key. secret.ErrNotFound.
func (s *Store) SystemKey(ctx context.Context, name string) ([]byte, error) {
	var v []byte
	err := s.reader.one(ctx, `SELECT sealed FROM system_keys WHERE name = $1`, name).Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("system key " + name)
	}
	return v, fail("read system key "+name, err)
}

// ReplaceSystemKey overwrites a sealed key, for a change of the key-encryption key. secret.ErrNotFound.
func (s *Store) ReplaceSystemKey(ctx context.Context, name string, sealed []byte) error {
	return fail("replace system key "+name, s.write(ctx, func(ctx context.Context, q *session) error {
		n, err := q.exec(ctx, `UPDATE system_keys SET sealed = $2 WHERE name = $1`, name, sealed)
		if err == nil && n == 0 {
			return missing{}
		}
		return err
	}))
}

// DeleteSystemKey destroys a sealed key, such as of an issuer that was removed; not there is no error.
func (s *Store) DeleteSystemKey(ctx context.Context, name string) error {
	return fail("delete system key "+name, s.write(ctx, func(ctx context.Context, q *session) error {
		_, err := q.exec(ctx, `DELETE FROM system_keys WHERE name = $1`, name)
		return err
	}))
}

// ListSystemKeys lists the names of all sealed keys.
func (s *Store) ListSystemKeys(ctx context.Context) ([]string, error) {
	names, err := column(s.reader.query(ctx, `SELECT name FROM system_keys ORDER BY name`))
	return names, fail("list system keys", err)
}
