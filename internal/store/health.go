package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"certwright/internal/order"
)

// CountFindings counts orders by their top finding, in one subscription and group or (where they are
// empty) in all. It reads the rollup, not the orders.
func (s *Store) CountFindings(ctx context.Context, subscription, group string) ([]order.FindingCount, error) {
	var w where
	w.eq("r.subscription", lower(subscription))
	w.eq("r.resource_group", lower(group))
	rows, err := s.reader.query(ctx, `SELECT r.subscription, COALESCE(g.shown, r.resource_group), r.finding, r.leg, r.severity,
		CAST(SUM(r.n) AS BIGINT) FROM rollup r
		LEFT JOIN resource_groups g ON g.subscription = r.subscription AND g.name = r.resource_group`+w.text()+`
		GROUP BY 1, 2, 3, 4, 5 HAVING SUM(r.n) <> 0 ORDER BY 1, 2, 3, 4, 5`, w.args...)
	var out []order.FindingCount
	err = each(rows, err, func(r *sql.Rows) error {
		var c order.FindingCount
		err := r.Scan(&c.Subscription, &c.Group, &c.Finding, &c.Leg, &c.Severity, &c.N)
		out = append(out, c)
		return err
	})
	return out, fail("count findings", err)
}

// DueExaminations lists up to limit orders (0 = all) that are to be examined at now, the longest due first.
func (s *Store) DueExaminations(ctx context.Context, now time.Time, limit int) ([]order.ID, error) {
	ids, err := s.idsWhere(ctx, `examine_at > 0 AND examine_at <= $1 ORDER BY examine_at LIMIT $2`, ms(now), capped(limit))
	return ids, fail("find orders to be examined", err)
}

// OldestExamination is since when the order has been waiting that has waited longest to be examined; false
// when none is due.
func (s *Store) OldestExamination(ctx context.Context, now time.Time) (time.Time, bool, error) {
	var due sql.NullInt64
	err := s.reader.one(ctx, `SELECT MIN(examine_at) FROM orders WHERE examine_at > 0 AND examine_at <= $1`, ms(now)).Scan(&due)
	return at(due.Int64), due.Valid, fail("find the order to be examined first", err)
}

// Expiring counts the orders whose current version ends up to each of the times, which ascend: the first
// count is of those up to the first time, the next of those between it and the second, and so on. It reads the
// index of the ends, and no order. The earliest end after now comes with it, zero where there is none.
func (s *Store) Expiring(ctx context.Context, now time.Time, bounds []time.Time) (counts []int64, earliest time.Time, err error) {
	last := int64(0)
	for _, b := range bounds {
		var n int64
		if err := s.reader.one(ctx, `SELECT COUNT(*) FROM orders WHERE expires_at > 0 AND expires_at > $1 AND expires_at <= $2`,
			last, ms(b)).Scan(&n); err != nil {
			return nil, earliest, fail("count what expires", err)
		}
		counts, last = append(counts, n), ms(b)
	}
	var first sql.NullInt64
	err = s.reader.one(ctx, `SELECT MIN(expires_at) FROM orders WHERE expires_at > 0 AND expires_at > $1`, ms(now)).Scan(&first)
	return counts, at(first.Int64), fail("find what expires first", err)
}

// Leased counts the orders that a worker holds at now.
func (s *Store) Leased(ctx context.Context, now time.Time) (int64, error) {
	var n int64
	err := s.reader.one(ctx, `SELECT COUNT(*) FROM orders WHERE lease_owner <> '' AND lease_owner > '' AND lease_until > $1`, ms(now)).Scan(&n)
	return n, fail("count leases", err)
}

// post puts a change of health into the outbox, in the transaction of its event.
func (q *session) post(ctx context.Context, e *order.Event) error {
	if !order.IsTransition(e) {
		return nil
	}
	_, err := q.exec(ctx, `INSERT INTO outbox (event_id, order_key, seq, at) VALUES ($1, $2, $3, $4) ON CONFLICT (event_id) DO NOTHING`,
		e.ID, e.Order.Key(), e.Seq, ms(e.At))
	return err
}

// Outbox lists up to limit (0 = all) changes of health that were not handed on yet, oldest first. They go
// with their events when those are pruned.
func (s *Store) Outbox(ctx context.Context, limit int) ([]order.Event, error) {
	var out []order.Event
	rows, err := s.reader.query(ctx, `SELECT e.doc FROM outbox b JOIN events e ON e.order_key = b.order_key AND e.seq = b.seq
		ORDER BY b.at, b.event_id LIMIT $1`, capped(limit))
	err = each(rows, err, func(r *sql.Rows) error {
		var doc string
		if err := r.Scan(&doc); err != nil {
			return err
		}
		var e order.Event
		err := json.Unmarshal([]byte(doc), &e)
		out = append(out, e)
		return err
	})
	return out, fail("read the outbox", err)
}

// Handed takes changes of health out of the outbox: somebody else sees to them now.
func (s *Store) Handed(ctx context.Context, events []order.Event) error {
	return fail("clear the outbox", s.write(ctx, func(ctx context.Context, q *session) error {
		for _, e := range events {
			if _, err := q.exec(ctx, `DELETE FROM outbox WHERE event_id = $1`, e.ID); err != nil {
				return err
			}
		}
		return nil
	}))
}

// EventOf reads one event of an order. fulfill.ErrNotFound once it is past its retention.
func (s *Store) EventOf(ctx context.Context, id order.ID, seq int64) (order.Event, error) {
	var doc string
	var e order.Event
	err := s.reader.one(ctx, `SELECT doc FROM events WHERE order_key = $1 AND seq = $2`, id.Key(), seq).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return e, notFound("the event")
	}
	if err == nil {
		err = json.Unmarshal([]byte(doc), &e)
	}
	return e, fail("read an event of "+id.Name, err)
}
