// Package store keeps everything that Certwright has to remember, in SQLite (pure Go, embedded) or in
// PostgreSQL (several replicas). All SQL is here; no rule about orders is. It satisfies
// fulfill.Store, the readers of api, web and work, and the rows of vault, issue and auth; one suite
// of tests runs on both databases.
//
// Layout: an order is one row (orders: what lists and sweeps need as columns, the rest as JSON) and a
// row for each of its parts; projection, rollup and events are written in the order's own transaction.
// Times are Unix milliseconds and come from the caller or Options.Now, never from the database.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"certwright/internal/fulfill"
	"certwright/internal/secret"
)

// Options say where the database is.
type Options struct {
	// DSN is "sqlite:PATH" (the file is made, mode 0600) or "postgres://...". Of a PostgreSQL URL
	// pool_max_conns sets the number of connections (default 16).
	DSN string
	// Now is the clock, for what carries no time of its own: releases of leases, events without one.
	Now func() time.Time
}

// Store is an open database. Its methods may be called from many goroutines; errors wrap
// fulfill.ErrNotFound, ErrExists, ErrConflict, ErrLeased or the errors of secret, and where the database itself
// is the cause an *order.Problem that says what to do (see Explain).
type Store struct {
	now    func() time.Time
	reader source // reads outside a transaction
	writes writer
	pools  []interface{ Close() error }
	pg     *pgxpool.Pool // nil on SQLite
	river  *sql.DB       // nil on PostgreSQL
	bell   bell

	commits atomic.Int64
	written atomic.Int64
}

// writer runs a function in one transaction, or in one joined with others; the function may be run
// again and must change nothing but the database and what it alone owns.
type writer interface {
	write(ctx context.Context, fn func(context.Context, *session) error) error
	close()
}

// ErrClosed is the error of a Store that was closed.
var ErrClosed = errors.New("the store is closed")

// Open opens the database and brings its schema up to this program's. A database made by a newer
// program is refused, unchanged.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Now == nil {
		return nil, errors.New("open store: no clock was given (Options.Now)")
	}
	s := &Store{now: o.Now}
	var err error
	switch {
	case strings.HasPrefix(o.DSN, "sqlite:"):
		err = s.openSQLite(ctx, strings.TrimPrefix(o.DSN, "sqlite:"))
	case strings.HasPrefix(o.DSN, "postgres://"), strings.HasPrefix(o.DSN, "postgresql://"):
		err = s.openPostgres(ctx, o.DSN)
	default:
		err = errors.New(`the DSN must start with "sqlite:" (followed by a path) or "postgres://"`)
	}
	if err != nil {
		s.closePools()
		return nil, fail("open store", err)
	}
	return s, nil
}

// Close waits for running writes and closes the database. River must have been stopped before.
func (s *Store) Close() error {
	if s.writes != nil {
		s.writes.close()
	}
	return s.closePools()
}

func (s *Store) closePools() error {
	var errs []error
	for _, p := range s.pools {
		errs = append(errs, p.Close())
	}
	if s.pg != nil {
		s.pg.Close()
	}
	return errors.Join(errs...)
}

// RiverSQLite is the pool for River on SQLite, apart from the store's own so that neither waits for
// the other's connection; nil on PostgreSQL.
func (s *Store) RiverSQLite() *sql.DB { return s.river }

// RiverPgx is the pool for River on PostgreSQL, the store's own; nil on SQLite.
func (s *Store) RiverPgx() *pgxpool.Pool { return s.pg }

// Kind is "sqlite" or "postgres".
func (s *Store) Kind() string {
	if s.pg != nil {
		return "postgres"
	}
	return "sqlite"
}

// Commits counts the transactions committed by this Store. On SQLite writers that come together share
// one, so there may be fewer than Writes.
func (s *Store) Commits() int64 { return s.commits.Load() }

// Writes counts the writes that succeeded, each atomic for itself.
func (s *Store) Writes() int64 { return s.written.Load() }

// Ping asks the database for an answer: nil, or why there is none.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return fail("ask the database", s.reader.one(ctx, `SELECT 1`).Scan(&one))
}

// write runs fn in a transaction, with the counts of the rollup written at its end and followers woken after it.
func (s *Store) write(ctx context.Context, fn func(context.Context, *session) error) error {
	var events bool
	err := s.writes.write(ctx, func(ctx context.Context, q *session) error {
		q.deltas, q.events = nil, false
		if err := fn(ctx, q); err != nil {
			return err
		}
		events = q.events
		return q.flushRollup(ctx)
	})
	if err != nil {
		return err
	}
	s.written.Add(1)
	if events {
		s.bell.ring()
	}
	return nil
}

// notFound is an error in the words of both who ask for orders and who ask for secrets.
func notFound(what string) error {
	return fmt.Errorf("%s: %w", what, missing{})
}

// missing is fulfill.ErrNotFound and secret.ErrNotFound at once.
type missing struct{}

func (missing) Error() string { return fulfill.ErrNotFound.Error() }
func (missing) Is(target error) bool {
	return target == fulfill.ErrNotFound || target == secret.ErrNotFound
}
