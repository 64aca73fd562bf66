package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"certwright/internal/evidence"
)

// aliveKey is the setting that a look at the database writes, to see that writing works.
const aliveKey = "alive"

// Alive asks the database for an answer, then writes to it as an order is written, and says who is in the
// way where the database knows. It ends when ctx does. took measures a span on the real clock.
func (s *Store) Alive(ctx context.Context, took func() time.Duration) evidence.Database {
	seen := evidence.Database{Kind: s.Kind()}
	note := func(err error) {
		seen.Error = err.Error()
		if p := Explain(err); p != nil {
			seen.Finding = p.ID
		}
	}
	if err := s.Ping(ctx); err != nil {
		note(err)
		if seen.Finding == "" { // no answer of any kind in time
			seen.Finding = IDDown
		}
		return seen
	}
	seen.Answers = true
	seen.Have, seen.Want = s.schema(ctx)
	before := took()
	// A writer whose turn does not come waits for the lock's own time-out; whoever asks does not.
	done := make(chan error, 1)
	go func() { done <- s.touch(ctx) }()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	seen.Wait = took() - before
	if err == nil {
		seen.Writes = true
		return seen
	}
	note(err)
	if seen.Finding == "" && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		seen.Finding = IDLocked // it answers questions, and the write got no turn
	}
	if seen.Finding == IDLocked {
		seen.Blocker = s.blocker(context.WithoutCancel(ctx))
	}
	return seen
}

// touch writes as an order is written, and changes nothing that counts.
func (s *Store) touch(ctx context.Context) error {
	return s.write(ctx, func(ctx context.Context, q *session) error {
		// The row is nobody's: no order is touched, and its table's locks are met all the same.
		if _, err := q.exec(ctx, `UPDATE orders SET due_at = due_at WHERE subscription = '' AND due_at < 0`); err != nil {
			return err
		}
		_, err := q.exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, aliveKey, []byte(strconv.FormatInt(ms(s.now()), 10)))
		return err
	})
}

// schema gives the version that the database has and the one that this program needs; 0 = not read.
func (s *Store) schema(ctx context.Context) (have, want int64) {
	var v sql.NullInt64
	if s.reader.one(ctx, `SELECT MAX(version_id) FROM goose_db_version WHERE is_applied`).Scan(&v) == nil {
		have = v.Int64
	}
	files, err := fs.Glob(embedded, "migrations/*.sql")
	if err != nil {
		return have, 0
	}
	for _, f := range files {
		number, _, _ := strings.Cut(strings.TrimPrefix(f, "migrations/"), "_")
		if n, err := strconv.ParseInt(number, 10, 64); err == nil {
			want = max(want, n)
		}
	}
	return have, want
}

// blocker says who holds a lock on our tables that keeps writers out; empty where the database does not say (SQLite).
func (s *Store) blocker(ctx context.Context) string {
	if s.pg == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var pid int
	var app, state string
	var age float64
	err := s.reader.one(ctx, `SELECT a.pid, a.application_name, a.state, COALESCE(EXTRACT(EPOCH FROM clock_timestamp() - a.xact_start), 0)::float8
		FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE l.granted AND l.relation = ANY(ARRAY['orders'::regclass::oid, 'settings'::regclass::oid]) AND a.pid <> pg_backend_pid()
		AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') ORDER BY a.xact_start LIMIT 1`).Scan(&pid, &app, &state, &age)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("session %d (%q, %s, in its transaction since %s)", pid, app, state, time.Duration(age*float64(time.Second)).Round(time.Second))
}

// Backlog counts the orders that are due at now and wait for a worker.
func (s *Store) Backlog(ctx context.Context, now time.Time) (int64, error) {
	var n int64
	err := s.reader.one(ctx, `SELECT COUNT(*) FROM orders WHERE due_at > 0 AND due_at <= $1 AND (lease_owner = '' OR lease_until <= $2)`, ms(now), ms(now)).Scan(&n)
	return n, fail("count the orders that are due", err)
}

// Leader is who leads the periodic jobs by River's own table, and for how much longer; negative = that has
// ended. Empty = nobody ever did.
func (s *Store) Leader(ctx context.Context) (id string, left time.Duration, err error) {
	text := `SELECT leader_id, (julianday(expires_at) - julianday('now')) * 86400.0 FROM river_leader ORDER BY expires_at DESC LIMIT 1`
	if s.pg != nil {
		text = `SELECT leader_id, EXTRACT(EPOCH FROM expires_at - now())::float8 FROM river_leader ORDER BY expires_at DESC LIMIT 1`
	}
	var seconds sql.NullFloat64
	err = s.reader.one(ctx, text).Scan(&id, &seconds)
	if errors.Is(err, sql.ErrNoRows) {
		return "", 0, nil
	}
	return id, time.Duration(seconds.Float64 * float64(time.Second)), fail("see who leads the periodic jobs", err)
}
