package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// VaultExists says whether there is a built-in vault of that name that is not deleted.
func (s *Store) VaultExists(ctx context.Context, vault string) (bool, error) {
	var n int
	err := s.reader.one(ctx, `SELECT COUNT(*) FROM vaults WHERE name = $1 AND deleted_at = 0`, lower(vault)).Scan(&n)
	return n > 0, fail("read vault "+vault, err)
}

// SaveVault makes a vault and records the events told. fulfill.ErrExists if the name is taken, by a soft-deleted one too: it is unique in the whole service.
func (s *Store) SaveVault(ctx context.Context, v secret.VaultRow, told ...order.Event) error {
	settings, err := json.Marshal(v.VaultSettings)
	if err != nil {
		return fail("save vault "+v.Name, err)
	}
	return fail("save vault "+v.Name, s.write(ctx, func(ctx context.Context, q *session) error {
		n, err := q.exec(ctx, `INSERT INTO vaults (name, shown, subscription, resource_group, soft_delete, purge_protection, created, settings)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name) DO NOTHING`,
			lower(v.Name), v.Name, v.Subscription, v.Group, int64(v.SoftDelete), flag(v.PurgeProtection), ms(v.Created), string(settings))
		if err == nil && n == 0 {
			return fulfill.ErrExists
		}
		if err != nil {
			return err
		}
		return q.tell(ctx, s, told)
	}))
}

// ChangeVault changes a vault as it is at that moment, records the events that edit gives, and gives it as it is then. secret.ErrNoVault, and what
// edit says.
func (s *Store) ChangeVault(ctx context.Context, vault string, edit func(*secret.VaultRow) ([]order.Event, error)) (secret.VaultRow, error) {
	var v secret.VaultRow
	err := s.write(ctx, func(ctx context.Context, q *session) error {
		// Takes the row first: of two changes the second sees the first.
		n, err := q.exec(ctx, `UPDATE vaults SET soft_delete = soft_delete WHERE name = $1 AND deleted_at = 0`, lower(vault))
		if err == nil && n == 0 {
			return secret.ErrNoVault
		}
		if err != nil {
			return err
		}
		all, err := vaults(ctx, q, ` WHERE name = $1`, lower(vault))
		if err != nil {
			return err
		}
		v = all[0]
		told, err := edit(&v)
		if err != nil {
			return err
		}
		settings, err := json.Marshal(v.VaultSettings)
		if err != nil {
			return err
		}
		_, err = q.exec(ctx, `UPDATE vaults SET soft_delete = $2, purge_protection = $3, settings = $4 WHERE name = $1`,
			lower(vault), int64(v.SoftDelete), flag(v.PurgeProtection), string(settings))
		if err != nil {
			return err
		}
		return q.tell(ctx, s, told)
	})
	return v, fail("change vault "+vault, err)
}

// LoadVault reads a vault that is not deleted. secret.ErrNoVault.
func (s *Store) LoadVault(ctx context.Context, vault string) (secret.VaultRow, error) {
	return s.oneVault(ctx, vault, ` AND deleted_at = 0`)
}

// LoadDeletedVault reads a soft-deleted vault. secret.ErrNoVault.
func (s *Store) LoadDeletedVault(ctx context.Context, vault string) (secret.VaultRow, error) {
	return s.oneVault(ctx, vault, ` AND deleted_at > 0`)
}

func (s *Store) oneVault(ctx context.Context, vault, cond string) (secret.VaultRow, error) {
	all, err := vaults(ctx, s.reader, ` WHERE name = $1`+cond, lower(vault))
	if err == nil && len(all) == 0 {
		err = secret.ErrNoVault
	}
	if err != nil {
		return secret.VaultRow{}, fail("read vault "+vault, err)
	}
	return all[0], nil
}

// ListVaults lists the vaults that are not deleted by name.
func (s *Store) ListVaults(ctx context.Context) ([]secret.VaultRow, error) {
	all, err := vaults(ctx, s.reader, ` WHERE deleted_at = 0 ORDER BY name`)
	return all, fail("list vaults", err)
}

// ListDeletedVaults lists the soft-deleted vaults by name.
func (s *Store) ListDeletedVaults(ctx context.Context) ([]secret.VaultRow, error) {
	all, err := vaults(ctx, s.reader, ` WHERE deleted_at > 0 ORDER BY name`)
	return all, fail("list deleted vaults", err)
}

func vaults(ctx context.Context, q source, tail string, args ...any) ([]secret.VaultRow, error) {
	var out []secret.VaultRow
	rows, err := q.query(ctx, `SELECT shown, subscription, resource_group, soft_delete, purge_protection, created, settings, deleted_at, purge_at FROM vaults`+tail, args...)
	err = each(rows, err, func(r *sql.Rows) error {
		var v secret.VaultRow
		var protected, created, deleted, purge int64
		var settings string
		if err := r.Scan(&v.Name, &v.Subscription, &v.Group, &v.SoftDelete, &protected, &created, &settings, &deleted, &purge); err != nil {
			return err
		}
		v.PurgeProtection, v.Created = protected == 1, at(created)
		if deleted > 0 {
			v.Deleted = &secret.Deleted{At: at(deleted), Purge: at(purge)}
		}
		out = append(out, v)
		return json.Unmarshal([]byte(settings), &out[len(out)-1].VaultSettings)
	})
	return out, err
}

// MoveVault puts a vault into another resource group. Its name, and so its address, stays. secret.ErrNoVault.
func (s *Store) MoveVault(ctx context.Context, vault, subscription, group string, told ...order.Event) error {
	return s.changeVault(ctx, "move vault "+vault, told, `UPDATE vaults SET subscription = $2, resource_group = $3 WHERE name = $1 AND deleted_at = 0`, lower(vault), subscription, group)
}

// DeleteVault soft-deletes a vault with all that it holds. secret.ErrNoVault.
func (s *Store) DeleteVault(ctx context.Context, vault string, d secret.Deleted, told ...order.Event) error {
	return s.changeVault(ctx, "delete vault "+vault, told, `UPDATE vaults SET deleted_at = $2, purge_at = $3 WHERE name = $1 AND deleted_at = 0`, lower(vault), ms(d.At), ms(d.Purge))
}

// RecoverVault undoes DeleteVault. secret.ErrNoVault if it is not deleted.
func (s *Store) RecoverVault(ctx context.Context, vault string, told ...order.Event) error {
	return s.changeVault(ctx, "recover vault "+vault, told, `UPDATE vaults SET deleted_at = 0, purge_at = 0 WHERE name = $1 AND deleted_at > 0`, lower(vault))
}

// changeVault runs a statement that must find its vault, and records the events told.
func (s *Store) changeVault(ctx context.Context, what string, told []order.Event, text string, args ...any) error {
	return fail(what, s.write(ctx, func(ctx context.Context, q *session) error {
		n, err := q.exec(ctx, text, args...)
		if err == nil && n == 0 {
			return secret.ErrNoVault
		}
		if err != nil {
			return err
		}
		return q.tell(ctx, s, told)
	}))
}

// PurgeVault removes a soft-deleted vault for good, with all that it holds. secret.ErrNoVault if it is not deleted.
func (s *Store) PurgeVault(ctx context.Context, vault string, told ...order.Event) error {
	return fail("purge vault "+vault, s.write(ctx, func(ctx context.Context, q *session) error {
		if err := q.purgeVault(ctx, lower(vault)); err != nil {
			return err
		}
		return q.tell(ctx, s, told)
	}))
}

func (q *session) purgeVault(ctx context.Context, vault string) error {
	// Takes the row first, so that a recovery either came before or finds nothing.
	n, err := q.exec(ctx, `UPDATE vaults SET soft_delete = soft_delete WHERE name = $1 AND deleted_at > 0`, vault)
	if err == nil && n == 0 {
		return secret.ErrNoVault
	}
	for _, text := range []string{
		`DELETE FROM secret_versions WHERE vault = $1`,
		`DELETE FROM secrets WHERE vault = $1`,
		`DELETE FROM vaults WHERE name = $1`,
	} {
		if err == nil {
			_, err = q.exec(ctx, text, vault)
		}
	}
	if err == nil {
		_, err = q.exec(ctx, `DELETE FROM resources WHERE subscription = '' AND resource_group = $1 AND kind IN ($2, $3, $4)`,
			vault, secret.ItemCertificate, secret.ItemIssuer, secret.ItemContacts)
	}
	return err
}

// purgeVaultsDue purges the deleted vaults whose time to recover has passed at now, and says how many.
func (s *Store) purgeVaultsDue(ctx context.Context, now time.Time) (int, error) {
	due, err := vaults(ctx, s.reader, ` WHERE deleted_at > 0 AND purge_at <= $1 ORDER BY name`, ms(now))
	total := 0
	for _, v := range due {
		err = s.PurgeVault(ctx, v.Name, order.By{Caller: order.OwnerUs}.Did(order.VaultAt(v.Subscription, v.Group, v.Name), "purge/action", "vault-purged", now, "Purged with all that it held: its time to be recovered was over."))
		if errors.Is(err, secret.ErrNoVault) {
			err = nil // recovered, or purged by another
			continue
		}
		if err != nil {
			break
		}
		total++
	}
	return total, err
}
