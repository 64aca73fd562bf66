-- +goose Up

-- The top finding of an order's last examination, as lists show it, and when the next one is due.
ALTER TABLE orders ADD COLUMN finding          TEXT NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN finding_leg      TEXT NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN finding_severity TEXT NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN finding_title    TEXT NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN finding_since    BIGINT NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN examine_at       BIGINT NOT NULL DEFAULT 0;
UPDATE orders SET examine_at = created + 86400000 WHERE status NOT IN ('Revoked', 'Canceled', 'Pendingrevocation');
CREATE INDEX orders_finding ON orders (finding, key) WHERE finding <> '';
CREATE INDEX orders_examine ON orders (examine_at) WHERE examine_at > 0;

-- The rollup counts by finding too: a new key needs a new table.
CREATE TABLE rollup_3 (
  subscription   TEXT   NOT NULL,
  resource_group TEXT   NOT NULL,
  status         TEXT   NOT NULL,
  stage          TEXT   NOT NULL,
  state          TEXT   NOT NULL,
  finding        TEXT   NOT NULL,
  leg            TEXT   NOT NULL,
  severity       TEXT   NOT NULL,
  shard          BIGINT NOT NULL,
  n              BIGINT NOT NULL,
  PRIMARY KEY (subscription, resource_group, status, stage, state, finding, leg, severity, shard)
);
INSERT INTO rollup_3 SELECT subscription, resource_group, status, stage, state, '', '', '', shard, n FROM rollup;
DROP TABLE rollup;
ALTER TABLE rollup_3 RENAME TO rollup;

-- Changes of health that somebody is still to be told of: written with the event, gone once handed on.
CREATE TABLE outbox (
  event_id  TEXT   NOT NULL PRIMARY KEY,
  order_key TEXT   NOT NULL,
  seq       BIGINT NOT NULL,
  at        BIGINT NOT NULL
);
CREATE INDEX outbox_at ON outbox (at, event_id);
CREATE INDEX outbox_order ON outbox (order_key, seq);
