-- +goose Up

-- The few attempts that an authority may be looking at now: asked for by token at every challenge request.
CREATE INDEX parts_begun ON parts (order_key) WHERE kind = 'attempt' AND state = 'begun';

-- A request's events in the order in which they are listed.
DROP INDEX events_correlation;
CREATE INDEX events_correlation ON events (correlation, at, id) WHERE correlation <> '';
