-- +goose Up

-- Orders are found by the DNS account that they name, too: a part without a document. Those that are there get theirs.
-- sqlite: INSERT INTO parts (order_key, kind, key, ord, lookup, lookup2, due_at, state, digest, doc) SELECT key, 'dns-account', lower(json_extract(doc, '$.spec.dnsAccount')), 0, lower(json_extract(doc, '$.spec.dnsAccount')), '', 0, '', 0, '' FROM orders WHERE doc LIKE '%"dnsAccount":"_%' AND COALESCE(json_extract(doc, '$.spec.dnsAccount'), '') <> '';
-- postgres: INSERT INTO parts (order_key, kind, key, ord, lookup, lookup2, due_at, state, digest, doc) SELECT key, 'dns-account', lower(doc::json->'spec'->>'dnsAccount'), 0, lower(doc::json->'spec'->>'dnsAccount'), '', 0, '', 0, '' FROM orders WHERE doc LIKE '%"dnsAccount":"_%' AND COALESCE(doc::json->'spec'->>'dnsAccount', '') <> '';

-- Where a resource group lies, as whoever made it said: their tools compare.
ALTER TABLE resource_groups ADD COLUMN location TEXT NOT NULL DEFAULT '';

-- Events are of other resources than orders, too; the log is asked for those of one provider. Empty = an order's.
ALTER TABLE events ADD COLUMN provider TEXT NOT NULL DEFAULT '';
CREATE INDEX events_provider ON events (provider, at, id) WHERE provider <> '';
