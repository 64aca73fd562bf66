package store

import (
	"context"
	"database/sql"
	"errors"

	"certwright/internal/fulfill"
	"certwright/internal/secret"
)

// VaultExists says whether there is a built-in vault of that name.
func (s *Store) VaultExists(ctx context.Context, vault string) (bool, error) {
	var n int
	err := s.reader.one(ctx, `SELECT COUNT(*) FROM vaults WHERE name = $1`, lower(vault)).Scan(&n)
	return n > 0, fail("read vault "+vault, err)
}

// SaveVault makes a vault, or changes the days of soft delete and the purge protection of the one of that name and place.
// fulfill.ErrExists if the name is taken in another group: it is unique in the whole service.
func (s *Store) SaveVault(ctx context.Context, v secret.VaultRow) error {
	return fail("save vault "+v.Name, s.write(ctx, func(ctx context.Context, q *session) error {
		n, err := q.exec(ctx, `INSERT INTO vaults (name, shown, subscription, resource_group, soft_delete, purge_protection, created)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) DO UPDATE
			SET soft_delete = excluded.soft_delete, purge_protection = excluded.purge_protection
			WHERE LOWER(vaults.subscription) = LOWER(excluded.subscription) AND LOWER(vaults.resource_group) = LOWER(excluded.resource_group)`,
			lower(v.Name), v.Name, v.Subscription, v.Group, int64(v.SoftDelete), flag(v.PurgeProtection), ms(v.Created))
		if err == nil && n == 0 {
			return fulfill.ErrExists
		}
		return err
	}))
}

// LoadVault reads a vault. secret.ErrNoVault.
func (s *Store) LoadVault(ctx context.Context, vault string) (secret.VaultRow, error) {
	all, err := s.vaults(ctx, ` WHERE name = $1`, lower(vault))
	if err == nil && len(all) == 0 {
		err = secret.ErrNoVault
	}
	if err != nil {
		return secret.VaultRow{}, fail("read vault "+vault, err)
	}
	return all[0], nil
}

// ListVaults lists all vaults by name.
func (s *Store) ListVaults(ctx context.Context) ([]secret.VaultRow, error) {
	all, err := s.vaults(ctx, ` ORDER BY name`)
	return all, fail("list vaults", err)
}

func (s *Store) vaults(ctx context.Context, tail string, args ...any) ([]secret.VaultRow, error) {
	var out []secret.VaultRow
	rows, err := s.reader.query(ctx, `SELECT shown, subscription, resource_group, soft_delete, purge_protection, created FROM vaults`+tail, args...)
	err = each(rows, err, func(r *sql.Rows) error {
		var v secret.VaultRow
		var protected, created int64
		err := r.Scan(&v.Name, &v.Subscription, &v.Group, &v.SoftDelete, &protected, &created)
		v.PurgeProtection, v.Created = protected == 1, at(created)
		out = append(out, v)
		return err
	})
	return out, err
}

// ErrVaultInUse is the error of deleting a vault that holds secrets.
var ErrVaultInUse = errors.New("the vault holds secrets: delete and purge them first")

// MoveVault puts a vault into another resource group. Its name, and so its address, stays. secret.ErrNoVault.
func (s *Store) MoveVault(ctx context.Context, vault, subscription, group string) error {
	return fail("move vault "+vault, s.write(ctx, func(ctx context.Context, q *session) error {
		n, err := q.exec(ctx, `UPDATE vaults SET subscription = $2, resource_group = $3 WHERE name = $1`, lower(vault), subscription, group)
		if err == nil && n == 0 {
			return secret.ErrNoVault
		}
		return err
	}))
}

// DeleteVault removes an empty vault. secret.ErrNoVault, ErrVaultInUse.
func (s *Store) DeleteVault(ctx context.Context, vault string) error {
	return fail("delete vault "+vault, s.write(ctx, func(ctx context.Context, q *session) error {
		// The secrets' reference to their vault backs this up against a writer beside it.
		n, err := q.exec(ctx, `DELETE FROM vaults WHERE name = $1 AND NOT EXISTS (SELECT 1 FROM secrets WHERE vault = $1)`, lower(vault))
		if err == nil && n == 1 {
			_, err = q.exec(ctx, `DELETE FROM resources WHERE subscription = '' AND resource_group = $1 AND kind IN ($2, $3, $4)`,
				lower(vault), secret.ItemCertificate, secret.ItemIssuer, secret.ItemContacts)
		}
		if err != nil || n == 1 {
			return err
		}
		err = q.one(ctx, `SELECT COUNT(*) FROM vaults WHERE name = $1`, lower(vault)).Scan(&n)
		if err == nil && n == 0 {
			return secret.ErrNoVault
		} else if err == nil {
			return ErrVaultInUse
		}
		return err
	}))
}
