package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"certwright/internal/order"
)

// PruneLimits say what is old enough to go. Ended attempts and superseded versions are not here: they go when
// their order is saved without them.
type PruneLimits struct {
	EventsBefore time.Time // events from before it; zero = none
	Orders       int       // look at this many orders at most, 0 = all
}

// pruneAtOnce events at most go in one transaction, so that nobody waits long behind it.
const pruneAtOnce = 500

// Prune removes old events and says how many. Of each order a first part of the chain goes, up to the first event
// that is to stay; the hash and number before that one are kept, so that the rest verifies.
func (s *Store) Prune(ctx context.Context, l PruneLimits) (int, error) {
	if l.EventsBefore.IsZero() {
		return 0, nil
	}
	before, last, total := ms(l.EventsBefore), "", 0
	for seen := 0; l.Orders <= 0 || seen < l.Orders; {
		keys, err := column(s.reader.query(ctx, `SELECT DISTINCT order_key FROM events WHERE at < $1 AND order_key > $2
			ORDER BY order_key LIMIT 100`, before, last))
		if err != nil {
			return total, fail("find events to prune", err)
		}
		for _, key := range keys {
			n, err := s.pruneOrder(ctx, key, before)
			total += n
			if err != nil {
				return total, fail("prune events", err)
			}
		}
		if len(keys) < 100 {
			return total, nil
		}
		seen, last = seen+len(keys), keys[len(keys)-1]
	}
	return total, nil
}

func (s *Store) pruneOrder(ctx context.Context, key string, before int64) (int, error) {
	total := 0
	for {
		n := 0
		err := s.write(ctx, func(ctx context.Context, q *session) (err error) {
			n, err = q.pruneSome(ctx, key, before)
			return err
		})
		total += n
		if err != nil || n < pruneAtOnce {
			return total, err
		}
	}
}

// pruneSome removes up to pruneAtOnce events from the beginning of one chain.
func (q *session) pruneSome(ctx context.Context, key string, before int64) (int, error) {
	var cut int64
	// The last event before the first that stays, pruneAtOnce further on at most.
	err := q.one(ctx, `SELECT COALESCE(MAX(seq), 0) FROM (SELECT seq FROM events WHERE order_key = $1 AND seq <
		COALESCE((SELECT MIN(seq) FROM events WHERE order_key = $1 AND at >= $2), 9223372036854775807)
		ORDER BY seq LIMIT 500) old`, key, before).Scan(&cut)
	if err != nil || cut == 0 {
		return 0, err
	}
	var doc string
	if err := q.one(ctx, `SELECT doc FROM events WHERE order_key = $1 AND seq = $2`, key, cut).Scan(&doc); err != nil {
		return 0, err
	}
	var e order.Event
	if err := json.Unmarshal([]byte(doc), &e); err != nil {
		return 0, err
	}
	if _, err := q.exec(ctx, `INSERT INTO chains (order_key, base_seq, base_hash, end_seq, end_hash) VALUES ($1, $2, $3, 0, NULL)
		ON CONFLICT (order_key) DO UPDATE SET base_seq = excluded.base_seq, base_hash = excluded.base_hash`, key, cut, e.Hash); err != nil {
		return 0, err
	}
	n, err := q.exec(ctx, `DELETE FROM events WHERE order_key = $1 AND seq <= $2`, key, cut)
	if err != nil {
		return 0, err
	}
	if _, err := q.exec(ctx, `DELETE FROM outbox WHERE order_key = $1 AND seq <= $2`, key, cut); err != nil {
		return 0, err
	}
	// Of an order that is gone together with all its events nothing has to be remembered.
	_, err = q.exec(ctx, `DELETE FROM chains WHERE order_key = $1 AND end_seq > 0 AND end_seq <= base_seq
		AND NOT EXISTS (SELECT 1 FROM orders WHERE key = $1)`, key)
	return int(n), err
}

// ChainBase is the number and hash before the oldest event kept of an order; zero when all are kept.
func (s *Store) ChainBase(ctx context.Context, id order.ID) (int64, []byte, error) {
	var h chainHead
	err := s.reader.one(ctx, `SELECT base_seq, base_hash FROM chains WHERE order_key = $1`, id.Key()).Scan(&h.seq, &h.hash)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil, nil
	}
	return h.seq, h.hash, fail("read the chain of order "+id.Name, err)
}

// VerifyChain reads the kept events of an order and checks them from their base to the head that the
// order's row carries. An error names the first event that is wrong. The order may be written meanwhile.
func (s *Store) VerifyChain(ctx context.Context, id order.ID) error {
	head, err := s.chainHead(ctx, id)
	if err != nil {
		return fail("verify the events of order "+id.Name, err)
	}
	seq, prev, err := s.ChainBase(ctx, id)
	if err != nil {
		return err
	}
	for seq < head.seq {
		events, err := s.FollowOrder(ctx, id, seq, 1000)
		if err != nil {
			return err
		}
		if len(events) == 0 || events[0].Seq != seq+1 {
			return fmt.Errorf("events of order %s: number %d is missing", id.Name, seq+1)
		}
		for i := range events {
			if events[i].Seq > head.seq {
				events = events[:i] // written after the head was read
				break
			}
		}
		if err := order.VerifyChain(prev, events); err != nil {
			return err
		}
		seq, prev = events[len(events)-1].Seq, events[len(events)-1].Hash
	}
	if seq == head.seq && !bytes.Equal(prev, head.hash) {
		return fmt.Errorf("events of order %s: the last one, number %d, is not the one that the order's row names", id.Name, seq)
	}
	return nil
}

// chainHead is the end of an order's chain: of its row, or of its deletion.
func (s *Store) chainHead(ctx context.Context, id order.ID) (chainHead, error) {
	var h chainHead
	err := s.reader.one(ctx, `SELECT seq, hash FROM orders WHERE key = $1`, id.Key()).Scan(&h.seq, &h.hash)
	if errors.Is(err, sql.ErrNoRows) {
		err = s.reader.one(ctx, `SELECT end_seq, end_hash FROM chains WHERE order_key = $1`, id.Key()).Scan(&h.seq, &h.hash)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return h, missing{}
	}
	return h, err
}
