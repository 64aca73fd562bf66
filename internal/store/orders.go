package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
)

var _ fulfill.Store = (*Store)(nil)

// draft is an order ready to be written: computed outside the transaction.
type draft struct {
	o     *order.Order
	doc   string
	parts []part
	face  face
	p     order.Projection
}

// newDraft encodes an order. What has a column of its own and can change without the document is left
// out of the document.
func newDraft(o *order.Order, p order.Projection) (draft, error) {
	parts, err := partsOf(o)
	if err != nil {
		return draft{}, err
	}
	h := *o
	h.Identifiers, h.Versions, h.Attempts, h.Deployments, h.Endpoints = nil, nil, nil, nil, nil
	h.Revision, h.Seq, h.Hash = 0, 0, nil
	h.DueAt, h.LeaseOwner, h.LeaseUntil = time.Time{}, "", time.Time{}
	b, err := json.Marshal(&h)
	if err != nil {
		return draft{}, err
	}
	return draft{o: o, doc: string(b), parts: parts, face: faceOf(o, p), p: p}, nil
}

// settle gives the order what was written: the revision, the head of the chain, times as they are stored.
func (d draft) settle(revision int64, to []order.Event, written []order.Event) {
	d.o.Revision = revision
	copy(to, written)
	if n := len(written); n > 0 {
		d.o.Seq, d.o.Hash = written[n-1].Seq, written[n-1].Hash
	}
	d.o.DueAt, d.o.LeaseUntil = at(dueMS(d.o.DueAt)), at(ms(d.o.LeaseUntil))
}

// CreateOrder writes a new order with its first events; its revision becomes 1. fulfill.ErrExists if its id is
// taken. An order made again after one of that id was deleted goes on with the chain of events of the former.
func (s *Store) CreateOrder(ctx context.Context, o *order.Order, p order.Projection, events []order.Event) error {
	what := "create order " + o.ID.Name
	d, err := newDraft(o, p)
	if err != nil {
		return fail(what, err)
	}
	var n newOrder
	err = s.write(ctx, func(ctx context.Context, q *session) error {
		n, err = s.add(ctx, q, d, events)
		return err
	})
	if err != nil {
		return fail(what, err)
	}
	n.settle(d, events)
	return nil
}

// newOrder is what came of writing one.
type newOrder struct {
	head    chainHead // where the chain of a former order of its id ended
	written []order.Event
}

func (n newOrder) settle(d draft, events []order.Event) {
	d.o.Seq, d.o.Hash = n.head.seq, n.head.hash
	d.settle(1, events, n.written)
}

// add writes a new order with its first events.
func (s *Store) add(ctx context.Context, q *session, d draft, events []order.Event) (n newOrder, err error) {
	id := d.o.ID
	if n.head, err = q.endOfChain(ctx, id.Key()); err != nil {
		return n, err
	}
	n.written = s.chain(id, n.head, events)
	if err := q.insertOrder(ctx, d, headAfter(n.head, n.written)); err != nil {
		return n, err
	}
	if err := q.writeParts(ctx, id.Key(), d.parts, true); err != nil {
		return n, err
	}
	q.count(id, d.face.standing(), 1)
	return n, q.insertEvents(ctx, n.written)
}

func (q *session) insertOrder(ctx context.Context, d draft, head chainHead) error {
	o, f := d.o, d.face
	n, err := q.exec(ctx, `INSERT INTO orders (key, subscription, resource_group, name, kind, generation, revision, doc,
		issuer, common_name, names_digest, search, created, updated, status, vault_status, stage, state, owner, text,
		expires_at, serial, changes_at, mark, was, due_at, lease_owner, lease_until, seq, hash,
		finding, finding_leg, finding_severity, finding_title, finding_since, examine_at) VALUES `+values(1, 36)+`
		ON CONFLICT (key) DO NOTHING`,
		o.ID.Key(), o.ID.Subscription, o.ID.Group, o.ID.Name, f.kindName, o.Generation, 1, d.doc,
		f.issuer, f.commonName, f.names, f.search, ms(o.Created), ms(o.Updated), f.status, f.vault, f.stage, f.state, f.owner, d.p.Text,
		f.expires, f.serial, dueMS(d.p.Changes), f.mark(), "", dueMS(o.DueAt), o.LeaseOwner, ms(o.LeaseUntil), head.seq, head.hash,
		f.finding, f.leg, f.severity, f.title, f.since, f.examine)
	if err == nil && n == 0 {
		return fulfill.ErrExists
	}
	return err
}

// SaveOrder writes o if the stored revision is still o.Revision, counts o.Revision up and chains the
// events. fulfill.ErrConflict (or ErrNotFound) changes nothing, o and events included.
func (s *Store) SaveOrder(ctx context.Context, o *order.Order, p order.Projection, events []order.Event) error {
	what := "save order " + o.ID.Name
	d, err := newDraft(o, p)
	if err != nil {
		return fail(what, err)
	}
	written := s.chain(o.ID, chainHead{o.Seq, o.Hash}, events)
	head := headAfter(chainHead{o.Seq, o.Hash}, written)
	err = s.write(ctx, func(ctx context.Context, q *session) error {
		var was string
		// The old seq is a part of the condition: a chain is never forked, whatever the caller made of o.
		err := q.one(ctx, `UPDATE orders SET revision = revision + 1, generation = $4, doc = $5, updated = $6, text = $7,
			changes_at = $8, due_at = $9, lease_owner = $10, lease_until = $11, seq = $12, hash = $13, was = mark, mark = $14
			WHERE key = $1 AND revision = $2 AND seq = $3 RETURNING was`,
			o.ID.Key(), o.Revision, o.Seq, o.Generation, d.doc, ms(o.Updated), p.Text,
			dueMS(p.Changes), dueMS(o.DueAt), o.LeaseOwner, ms(o.LeaseUntil), head.seq, head.hash, d.face.mark()).Scan(&was)
		if errors.Is(err, sql.ErrNoRows) {
			return q.whyNot(ctx, o.ID)
		} else if err != nil {
			return err
		}
		if err := q.writeFace(ctx, o.ID, d.face, was); err != nil {
			return err
		}
		if err := q.writeParts(ctx, o.ID.Key(), d.parts, false); err != nil {
			return err
		}
		return q.insertEvents(ctx, written)
	})
	if err != nil {
		return fail(what, err)
	}
	d.settle(o.Revision+1, events, written)
	return nil
}

// whyNot tells a moved revision from a deleted order.
func (q *session) whyNot(ctx context.Context, id order.ID) error {
	var n int
	if err := q.one(ctx, `SELECT COUNT(*) FROM orders WHERE key = $1`, id.Key()).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return missing{}
	}
	return fulfill.ErrConflict
}

// LoadOrder reads an order whole. fulfill.ErrNotFound.
func (s *Store) LoadOrder(ctx context.Context, id order.ID) (*order.Order, error) {
	o, err := load(ctx, s.reader, id.Key())
	return o, fail("read order "+id.Name, err)
}

const loadText = `
	SELECT '' AS kind, 0 AS ord, doc, revision, seq, hash, due_at, lease_owner, lease_until FROM orders WHERE key = $1
	UNION ALL
	SELECT kind, ord, doc, 0, 0, NULL, 0, '', 0 FROM parts WHERE order_key = $1 AND doc <> ''`

// load reads an order whole.
func load(ctx context.Context, q source, key string) (*order.Order, error) {
	all, err := loadAll(ctx, q, []string{key})
	if err != nil {
		return nil, err
	}
	if all[key] == nil {
		return nil, missing{}
	}
	return all[key], nil
}

// loadAll reads orders whole, with their parts, by their keys, in one statement: one snapshot on either database.
func loadAll(ctx context.Context, q source, keys []string) (map[string]*order.Order, error) {
	all, parts := map[string]*order.Order{}, map[string][]part{}
	var in strings.Builder
	var args []any
	for i, k := range keys {
		fmt.Fprintf(&in, ", $%d", i+1)
		args = append(args, k)
	}
	list := strings.TrimPrefix(in.String(), ", ")
	rows, err := q.query(ctx, `
		SELECT key, '' AS kind, 0 AS ord, doc, revision, seq, hash, due_at, lease_owner, lease_until FROM orders WHERE key IN (`+list+`)
		UNION ALL
		SELECT order_key, kind, ord, doc, 0, 0, NULL, 0, '', 0 FROM parts WHERE order_key IN (`+list+`) AND doc <> ''`, args...)
	err = each(rows, err, func(r *sql.Rows) error {
		var key string
		var p part
		var revision, seq, due, until int64
		var hash []byte
		var owner string
		if err := r.Scan(&key, &p.kind, &p.ord, &p.doc, &revision, &seq, &hash, &due, &owner, &until); err != nil {
			return err
		}
		if p.kind != "" {
			parts[key] = append(parts[key], p)
			return nil
		}
		o := new(order.Order)
		if err := json.Unmarshal([]byte(p.doc), o); err != nil {
			return fmt.Errorf("the stored order cannot be read: %w", err)
		}
		o.Revision, o.Seq, o.Hash, o.LeaseOwner = revision, seq, hash, owner
		o.DueAt, o.LeaseUntil = at(due), at(until)
		all[key] = o
		return nil
	})
	if err != nil {
		return nil, err
	}
	for key, o := range all {
		if err := attach(o, parts[key]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// LoadOrders reads many orders whole, in the order of their ids; those that are not there are left out.
func (s *Store) LoadOrders(ctx context.Context, ids []order.ID) ([]*order.Order, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var keys []string
	for _, id := range ids {
		keys = append(keys, id.Key())
	}
	all, err := loadAll(ctx, s.reader, keys)
	if err != nil {
		return nil, fail("read orders", err)
	}
	var list []*order.Order
	for _, k := range keys {
		if o := all[k]; o != nil {
			list = append(list, o)
		}
	}
	return list, nil
}

// LeaseOrder takes the lease for node until the given time and reads the order, in one transaction; the revision
// is counted up, so that whoever held it before can save no more. fulfill.ErrLeased while a lease has not
// ended by now, the node's own included.
func (s *Store) LeaseOrder(ctx context.Context, id order.ID, node string, now, until time.Time) (*order.Order, error) {
	var o *order.Order
	err := s.write(ctx, func(ctx context.Context, q *session) error {
		n, err := q.exec(ctx, `UPDATE orders SET lease_owner = $2, lease_until = $3, revision = revision + 1
			WHERE key = $1 AND (lease_owner = '' OR lease_until <= $4)`, id.Key(), node, ms(until), ms(now))
		if err != nil {
			return err
		}
		if n == 0 {
			if err := q.whyNot(ctx, id); !errors.Is(err, fulfill.ErrConflict) {
				return err
			}
			return fulfill.ErrLeased
		}
		o, err = load(ctx, q, id.Key())
		return err
	})
	if err != nil {
		return nil, fail("take the lease of order "+id.Name, err)
	}
	return o, nil
}

// DeleteOrder removes the order under its revision. Its events stay for their retention, these last ones
// included.
func (s *Store) DeleteOrder(ctx context.Context, o *order.Order, events []order.Event) error {
	written := s.chain(o.ID, chainHead{o.Seq, o.Hash}, events)
	head := headAfter(chainHead{o.Seq, o.Hash}, written)
	err := s.write(ctx, func(ctx context.Context, q *session) error { return q.remove(ctx, o, head, written) })
	if err != nil {
		return fail("delete order "+o.ID.Name, err)
	}
	copy(events, written)
	o.Seq, o.Hash = head.seq, head.hash
	return nil
}

// remove deletes an order under its revision, with the end of its chain.
func (q *session) remove(ctx context.Context, o *order.Order, head chainHead, written []order.Event) error {
	var mark string
	err := q.one(ctx, `DELETE FROM orders WHERE key = $1 AND revision = $2 AND seq = $3 RETURNING mark`, o.ID.Key(), o.Revision, o.Seq).Scan(&mark)
	if errors.Is(err, sql.ErrNoRows) {
		return q.whyNot(ctx, o.ID)
	} else if err != nil {
		return err
	}
	if _, err := q.exec(ctx, `DELETE FROM parts WHERE order_key = $1`, o.ID.Key()); err != nil {
		return err
	}
	q.count(o.ID, standingOf(mark), -1)
	if err := q.endChain(ctx, o.ID.Key(), head); err != nil {
		return err
	}
	return q.insertEvents(ctx, written)
}

// MoveOrder replaces an order, under its revision, by what it is under another id, in one transaction. The events of
// each stay with its id; left are the last of the old, came the first of the new. fulfill.ErrExists if the new id is taken.
func (s *Store) MoveOrder(ctx context.Context, o, moved *order.Order, p order.Projection, left, came []order.Event) error {
	what := "move order " + o.ID.Name
	d, err := newDraft(moved, p)
	if err != nil {
		return fail(what, err)
	}
	gone := s.chain(o.ID, chainHead{o.Seq, o.Hash}, left)
	var n newOrder
	err = s.write(ctx, func(ctx context.Context, q *session) error {
		if err := q.remove(ctx, o, headAfter(chainHead{o.Seq, o.Hash}, gone), gone); err != nil {
			return err
		}
		n, err = s.add(ctx, q, d, came)
		return err
	})
	if err != nil {
		return fail(what, err)
	}
	n.settle(d, came)
	return nil
}
