package store

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"certwright/internal/order"
)

// Follow gives the events of all orders after a cursor in the order of their commits, up to limit, and the next
// cursor. It never misses one: of transactions that run side by side on PostgreSQL an event is given once all that
// began before its own have ended. The empty cursor gives no events and the cursor of now; "0" begins with the oldest.
func (s *Store) Follow(ctx context.Context, cursor string, limit int) ([]order.Event, string, error) {
	if cursor == "0" {
		cursor = "0.0"
	}
	events, next, err := s.follow(ctx, cursor, bounded(limit))
	if err != nil {
		return nil, cursor, fail("follow events", err)
	}
	return events, next, nil
}

func (s *Store) follow(ctx context.Context, cursor string, limit int) ([]order.Event, string, error) {
	if s.pg != nil {
		return s.followPostgres(ctx, cursor, limit)
	}
	if cursor == "" {
		var id int64
		err := s.reader.one(ctx, `SELECT COALESCE(MAX(id), 0) FROM events`).Scan(&id)
		return nil, pair(0, id), err
	}
	_, id, err := cursorPair(cursor)
	if err != nil {
		return nil, "", err
	}
	// One writer, and ids that are never given twice (AUTOINCREMENT): id is the order of the commits.
	rows, err := s.reader.query(ctx, `SELECT txid, id, doc FROM events WHERE id > $1 ORDER BY id LIMIT $2`, id, limit)
	events, cursors, err := readEvents(rows, err)
	return events, lastOr(cursors, cursor), err
}

// followPostgres reads below the horizon: pg_snapshot_xmin is the oldest transaction still running, and
// every transaction before it has ended. A cursor is "transaction.id"; while it stands at the
// snapshot that it began with, "~snapshot" keeps out what that snapshot saw.
func (s *Store) followPostgres(ctx context.Context, cursor string, limit int) ([]order.Event, string, error) {
	if cursor == "" {
		var xmin int64
		var snapshot string
		err := s.reader.one(ctx, `SELECT pg_snapshot_xmin(now_)::text::bigint, now_::text FROM (SELECT pg_current_snapshot() AS now_) x`).Scan(&xmin, &snapshot)
		return nil, pair(xmin, 0) + "~" + snapshot, err
	}
	place, snapshot, began := strings.Cut(cursor, "~")
	txid, id, err := cursorPair(place)
	if err != nil {
		return nil, "", err
	}
	var ahead bool
	if err := s.reader.one(ctx, `SELECT $1 > pg_snapshot_xmax(pg_current_snapshot())::text::bigint`, txid).Scan(&ahead); err != nil {
		return nil, "", err
	}
	if ahead {
		// The cursor is from before a restore on another server: what is new since has a greater id.
		txid, began = 0, false
	}
	text := `SELECT txid, id, doc FROM events WHERE (txid, id) > ($1, $2)
		AND txid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint`
	args := []any{txid, id}
	if began {
		args = append(args, snapshot)
		text += ` AND NOT pg_visible_in_snapshot(txid::text::xid8, $3::text::pg_snapshot)`
	}
	rows, err := s.reader.query(ctx, text+fmt.Sprintf(` ORDER BY txid, id LIMIT %d`, limit), args...)
	events, cursors, err := readEvents(rows, err)
	next := lastOr(cursors, place)
	if began && !past(next, snapshot) {
		next += "~" + snapshot
	}
	return events, next, err
}

// past says whether a place lies beyond everything that a snapshot (xmin:xmax:list) could see.
func past(place, snapshot string) bool {
	f := strings.Split(snapshot, ":")
	if len(f) < 2 {
		return true
	}
	txid, _, err1 := cursorPair(place)
	xmax, _, err2 := cursorPair(f[1] + ".0")
	return err1 == nil && err2 == nil && txid >= xmax
}

func lastOr(list []string, otherwise string) string {
	if len(list) == 0 {
		return otherwise
	}
	return list[len(list)-1]
}

// Changed gives a channel that is closed after the next commit of this process that wrote events. Take it
// before reading: nothing is missed then. It only wakes; commits of other replicas do not close it
// (a notification by the database may come later), so wait with a time limit.
func (s *Store) Changed() <-chan struct{} { return s.bell.wait() }

// Wait returns when events may have been written since changed was taken, or after max, or when ctx ends.
func (s *Store) Wait(ctx context.Context, changed <-chan struct{}, max time.Duration) {
	t := time.NewTimer(max)
	defer t.Stop()
	select {
	case <-changed:
	case <-t.C:
	case <-ctx.Done():
	}
}

// bell wakes everybody who waits.
type bell struct {
	mu sync.Mutex
	ch chan struct{}
}

func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}
