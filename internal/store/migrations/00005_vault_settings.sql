-- +goose Up

-- Who may do what in a vault, its tags (JSON of secret.VaultSettings), and its own soft delete: 0 = it is not deleted.
ALTER TABLE vaults ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
ALTER TABLE vaults ADD COLUMN deleted_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE vaults ADD COLUMN purge_at BIGINT NOT NULL DEFAULT 0;

ALTER TABLE resource_groups ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';
