-- +goose Up

-- What is deleted in such a vault stays recoverable until its time is over: nobody can purge it before.
ALTER TABLE vaults ADD COLUMN purge_protection BIGINT NOT NULL DEFAULT 0;
