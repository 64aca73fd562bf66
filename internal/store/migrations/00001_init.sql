-- One text for both databases; migrate.go says what is replaced for PostgreSQL. Times are Unix
-- milliseconds, 0 = none. Columns that ids are looked up by hold them in lower case.

-- +goose Up

CREATE TABLE subscriptions (
  id    TEXT NOT NULL PRIMARY KEY, -- lower case
  shown TEXT NOT NULL,             -- as written
  name  TEXT NOT NULL,
  state TEXT NOT NULL
);

CREATE TABLE resource_groups (
  subscription TEXT   NOT NULL,
  name         TEXT   NOT NULL,
  shown        TEXT   NOT NULL,
  created      BIGINT NOT NULL,
  PRIMARY KEY (subscription, name)
);

-- An order: what lists show and sweeps look for as columns, everything else as JSON in doc.
CREATE TABLE orders (
  key            TEXT   NOT NULL PRIMARY KEY, -- order.ID.Key
  subscription   TEXT   NOT NULL,             -- the three as written
  resource_group TEXT   NOT NULL,
  name           TEXT   NOT NULL,
  kind           TEXT   NOT NULL,
  generation     BIGINT NOT NULL,
  revision       BIGINT NOT NULL,
  doc            TEXT   NOT NULL,
  issuer         TEXT   NOT NULL,
  common_name    TEXT   NOT NULL,
  names_digest   TEXT   NOT NULL, -- of the set of names
  search         TEXT   NOT NULL, -- name and identifiers, lower case, one a line
  created        BIGINT NOT NULL,
  updated        BIGINT NOT NULL,
  status         TEXT   NOT NULL, -- from here to changes_at: the projection
  vault_status   TEXT   NOT NULL,
  stage          TEXT   NOT NULL,
  state          TEXT   NOT NULL,
  owner          TEXT   NOT NULL,
  text           TEXT   NOT NULL,
  expires_at     BIGINT NOT NULL,
  serial         TEXT   NOT NULL,
  changes_at     BIGINT NOT NULL,
  mark           TEXT   NOT NULL, -- rollup bucket and digest of the rarely changing columns
  was            TEXT   NOT NULL, -- mark before the last write: an UPDATE can return it
  due_at         BIGINT NOT NULL,
  lease_owner    TEXT   NOT NULL,
  lease_until    BIGINT NOT NULL,
  seq            BIGINT NOT NULL, -- head of the chain of events
  hash           BLOB
);
CREATE INDEX orders_status  ON orders (status, key);
CREATE INDEX orders_state   ON orders (state, key);
CREATE INDEX orders_issuer  ON orders (issuer, key);
CREATE INDEX orders_names   ON orders (names_digest);
CREATE INDEX orders_expires ON orders (expires_at) WHERE expires_at > 0;
CREATE INDEX orders_due     ON orders (due_at) WHERE due_at > 0;
CREATE INDEX orders_changes ON orders (changes_at) WHERE changes_at > 0;
CREATE INDEX orders_lease   ON orders (lease_owner) WHERE lease_owner <> '';

-- What an order consists of, each a row: identifier, version, attempt, deployment, endpoint; and, with
-- an empty doc, what it can be found by besides: name, site.
CREATE TABLE parts (
  order_key TEXT   NOT NULL,
  kind      TEXT   NOT NULL,
  key       TEXT   NOT NULL,
  ord       BIGINT NOT NULL, -- place in its slice
  lookup    TEXT   NOT NULL, -- name; serial; site; address
  lookup2   TEXT   NOT NULL, -- version: thumbprint; deployment: target; endpoint: site
  due_at    BIGINT NOT NULL,
  state     TEXT   NOT NULL,
  digest    BIGINT NOT NULL, -- of the row: what is unchanged is not written
  doc       TEXT   NOT NULL,
  PRIMARY KEY (order_key, kind, key)
);
CREATE INDEX parts_lookup  ON parts (lookup, kind) WHERE lookup <> '';
CREATE INDEX parts_lookup2 ON parts (lookup2, kind) WHERE lookup2 <> '';

-- How many orders of a group stand how. A bucket is spread over shards, so that writers do not queue
-- on one row: a shard may be negative, the sum never is.
CREATE TABLE rollup (
  subscription   TEXT   NOT NULL,
  resource_group TEXT   NOT NULL,
  status         TEXT   NOT NULL,
  stage          TEXT   NOT NULL,
  state          TEXT   NOT NULL,
  shard          BIGINT NOT NULL,
  n              BIGINT NOT NULL,
  PRIMARY KEY (subscription, resource_group, status, stage, state, shard)
);

-- Events. txid orders them by commit on PostgreSQL; on SQLite, with its one writer, id does.
CREATE TABLE events (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  txid           BIGINT NOT NULL DEFAULT 0,
  order_key      TEXT   NOT NULL,
  subscription   TEXT   NOT NULL,
  resource_group TEXT   NOT NULL,
  seq            BIGINT NOT NULL,
  at             BIGINT NOT NULL,
  correlation    TEXT   NOT NULL,
  doc            TEXT   NOT NULL
);
CREATE UNIQUE INDEX events_order ON events (order_key, seq);
CREATE INDEX events_at ON events (at, id);
CREATE INDEX events_correlation ON events (correlation) WHERE correlation <> '';
-- postgres: ALTER TABLE events ALTER COLUMN txid SET DEFAULT (pg_current_xact_id()::text::bigint);
-- postgres: CREATE INDEX events_follow ON events (txid, id);

-- Where an order's chain begins, once events were pruned, and where it ended, once the order is deleted:
-- an order made again under the same id goes on with its chain.
CREATE TABLE chains (
  order_key TEXT   NOT NULL PRIMARY KEY,
  base_seq  BIGINT NOT NULL,
  base_hash BLOB,
  end_seq   BIGINT NOT NULL, -- 0 = the order is there
  end_hash  BLOB
);

-- Sites and issuers: a noun as JSON under a revision.
CREATE TABLE resources (
  kind           TEXT   NOT NULL,
  subscription   TEXT   NOT NULL,
  resource_group TEXT   NOT NULL,
  name           TEXT   NOT NULL,
  revision       BIGINT NOT NULL,
  doc            TEXT   NOT NULL,
  PRIMARY KEY (kind, subscription, resource_group, name)
);

CREATE TABLE vaults (
  name           TEXT   NOT NULL PRIMARY KEY,
  shown          TEXT   NOT NULL,
  subscription   TEXT   NOT NULL,
  resource_group TEXT   NOT NULL,
  soft_delete    BIGINT NOT NULL, -- days
  created        BIGINT NOT NULL
);

-- A secret is its name; deleting and recovering act on all versions by this one row.
CREATE TABLE secrets (
  vault      TEXT   NOT NULL REFERENCES vaults (name),
  name       TEXT   NOT NULL,
  writes     BIGINT NOT NULL, -- counted up by each: makes writers of one secret take turns
  deleted_at BIGINT NOT NULL, -- 0 = not deleted
  purge_at   BIGINT NOT NULL,
  PRIMARY KEY (vault, name)
);
CREATE INDEX secrets_purge ON secrets (purge_at) WHERE deleted_at > 0;

CREATE TABLE secret_versions (
  n            INTEGER PRIMARY KEY AUTOINCREMENT,
  vault        TEXT   NOT NULL,
  name         TEXT   NOT NULL,
  id           TEXT   NOT NULL,
  shown        TEXT   NOT NULL, -- the secret's name as written
  content_type TEXT   NOT NULL,
  certificate  BLOB,
  tags         TEXT   NOT NULL, -- JSON
  author       TEXT   NOT NULL,
  enabled      BIGINT NOT NULL,
  not_before   BIGINT,
  expires      BIGINT,
  created      BIGINT NOT NULL,
  updated      BIGINT NOT NULL,
  envelope     BLOB   NOT NULL,
  FOREIGN KEY (vault, name) REFERENCES secrets (vault, name)
);
CREATE UNIQUE INDEX secret_versions_id ON secret_versions (vault, name, id);
CREATE INDEX secret_versions_newest ON secret_versions (vault, name, created, n);

CREATE TABLE system_keys (
  name   TEXT NOT NULL PRIMARY KEY,
  sealed BLOB NOT NULL
);

-- The built-in authority's book: a serial is written before its certificate is signed.
CREATE TABLE serials (
  serial     TEXT   NOT NULL PRIMARY KEY,
  order_key  TEXT   NOT NULL,
  attempt    TEXT   NOT NULL,
  not_after  BIGINT NOT NULL,
  cert       BLOB,
  revoked_at BIGINT NOT NULL,
  reason     BIGINT NOT NULL
);
CREATE UNIQUE INDEX serials_attempt ON serials (attempt) WHERE attempt <> '';
CREATE INDEX serials_revoked ON serials (not_after) WHERE revoked_at > 0;

CREATE TABLE tokens (
  name    TEXT   NOT NULL PRIMARY KEY,
  shown   TEXT   NOT NULL,
  hash    BLOB   NOT NULL,
  role    TEXT   NOT NULL,
  scope   TEXT   NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL
);
CREATE UNIQUE INDEX tokens_hash ON tokens (hash);

CREATE TABLE settings (
  name  TEXT NOT NULL PRIMARY KEY,
  value BLOB NOT NULL
);

CREATE TABLE counters (
  name TEXT   NOT NULL PRIMARY KEY,
  n    BIGINT NOT NULL
);

INSERT INTO subscriptions (id, shown, name, state)
  VALUES ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000001', 'Certwright', 'Enabled');
INSERT INTO resource_groups (subscription, name, shown, created)
  VALUES ('00000000-0000-0000-0000-000000000001', 'default', 'default', 0);
INSERT INTO vaults (name, shown, subscription, resource_group, soft_delete, created)
  VALUES ('default', 'default', '00000000-0000-0000-0000-000000000001', 'default', 90, 0);
