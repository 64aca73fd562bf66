package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"

	"certwright/internal/fulfill"
	"certwright/internal/order"
)

// SubscriptionState is "Enabled", "Warned" or "Disabled". fulfill.ErrNotFound.
func (s *Store) SubscriptionState(ctx context.Context, subscription string) (string, error) {
	var state string
	err := s.reader.one(ctx, `SELECT state FROM subscriptions WHERE id = $1`, lower(subscription)).Scan(&state)
	if errors.Is(err, sql.ErrNoRows) {
		return "", notFound("subscription " + subscription)
	}
	return state, fail("read subscription "+subscription, err)
}

// ListSubscriptions lists all subscriptions by id.
func (s *Store) ListSubscriptions(ctx context.Context) ([]order.Subscription, error) {
	var out []order.Subscription
	rows, err := s.reader.query(ctx, `SELECT shown, name, state FROM subscriptions ORDER BY id`)
	err = each(rows, err, func(r *sql.Rows) error {
		var v order.Subscription
		err := r.Scan(&v.ID, &v.Name, &v.State)
		out = append(out, v)
		return err
	})
	return out, fail("list subscriptions", err)
}

// SaveSubscription makes a subscription or changes its name and state, and records the events told.
func (s *Store) SaveSubscription(ctx context.Context, id, name, state string, told ...order.Event) error {
	return fail("save subscription "+id, s.write(ctx, func(ctx context.Context, q *session) error {
		_, err := q.exec(ctx, `INSERT INTO subscriptions (id, shown, name, state) VALUES ($1, $2, $3, $4)
			ON CONFLICT (id) DO UPDATE SET name = excluded.name, state = excluded.state`, lower(id), id, name, state)
		if err != nil {
			return err
		}
		return q.tell(ctx, s, told)
	}))
}

// GroupExists says whether the resource group is there.
func (s *Store) GroupExists(ctx context.Context, subscription, group string) (bool, error) {
	var n int
	err := s.reader.one(ctx, `SELECT COUNT(*) FROM resource_groups WHERE subscription = $1 AND name = $2`,
		lower(subscription), lower(group)).Scan(&n)
	return n > 0, fail("read resource group "+group, err)
}

// ListGroups lists the resource groups of a subscription by name.
func (s *Store) ListGroups(ctx context.Context, subscription string) ([]order.Group, error) {
	var out []order.Group
	rows, err := s.reader.query(ctx, `SELECT subscription, shown, created, location, tags FROM resource_groups WHERE subscription = $1 ORDER BY name`, lower(subscription))
	err = each(rows, err, func(r *sql.Rows) error {
		var v order.Group
		var created int64
		var tags string
		if err := r.Scan(&v.Subscription, &v.Name, &created, &v.Location, &tags); err != nil {
			return err
		}
		v.Created = at(created)
		out = append(out, v)
		return json.Unmarshal([]byte(tags), &out[len(out)-1].Tags)
	})
	return out, fail("list resource groups", err)
}

// DeleteGroup removes a resource group that nothing lies in, and records the events told. fulfill.ErrConflict where something does, and for the
// default group; fulfill.ErrNotFound.
func (s *Store) DeleteGroup(ctx context.Context, subscription, name string, told ...order.Event) error {
	sub, group := lower(subscription), lower(name)
	if sub == order.DefaultSubscription && group == order.DefaultGroup {
		return fail("delete resource group "+name, fulfill.ErrConflict)
	}
	prefix := strings.TrimSuffix(order.ID{Subscription: sub, Group: group}.Key(), lower(order.Type)+"/")
	return fail("delete resource group "+name, s.write(ctx, func(ctx context.Context, q *session) error {
		n, err := q.exec(ctx, `DELETE FROM resource_groups WHERE subscription = $1 AND name = $2
			AND NOT EXISTS (SELECT 1 FROM orders WHERE key > $3 AND key < $4)
			AND NOT EXISTS (SELECT 1 FROM resources WHERE subscription = $1 AND resource_group = $2)
			AND NOT EXISTS (SELECT 1 FROM vaults WHERE LOWER(subscription) = $1 AND LOWER(resource_group) = $2 AND deleted_at = 0)`, sub, group, prefix, prefix+"\x7f")
		if err == nil && n == 1 {
			return q.tell(ctx, s, told)
		}
		if err != nil {
			return err
		}
		err = q.one(ctx, `SELECT COUNT(*) FROM resource_groups WHERE subscription = $1 AND name = $2`, sub, group).Scan(&n)
		if err == nil && n == 0 {
			return missing{}
		} else if err == nil {
			return fulfill.ErrConflict
		}
		return err
	}))
}

// SaveGroup makes a resource group, or gives the one that is there other tags; nil leaves them as they are. It stays where it was made.
// The events told are recorded. fulfill.ErrNotFound if the subscription is not there.
func (s *Store) SaveGroup(ctx context.Context, g order.Group, told ...order.Event) error {
	now, doc := ms(s.now()), ""
	if g.Tags != nil {
		b, err := json.Marshal(g.Tags)
		if err != nil {
			return fail("save resource group "+g.Name, err)
		}
		doc = string(b)
	}
	return fail("save resource group "+g.Name, s.write(ctx, func(ctx context.Context, q *session) error {
		n, err := q.exec(ctx, `INSERT INTO resource_groups (subscription, name, shown, created, tags, location)
			SELECT id, CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS BIGINT), CASE WHEN $5 = '' THEN '{}' ELSE CAST($5 AS TEXT) END, CAST($6 AS TEXT) FROM subscriptions WHERE id = $1
			ON CONFLICT (subscription, name) DO UPDATE SET tags = CASE WHEN $5 = '' THEN resource_groups.tags ELSE excluded.tags END,
				location = CASE WHEN resource_groups.location = '' THEN excluded.location ELSE resource_groups.location END`,
			lower(g.Subscription), lower(g.Name), g.Name, now, doc, g.Location)
		if err == nil && n == 0 {
			return notFound("subscription " + g.Subscription)
		}
		if err != nil {
			return err
		}
		return q.tell(ctx, s, told)
	}))
}
