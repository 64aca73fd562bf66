package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// defaultConns is the size of the pool where the DSN does not say: more only makes a server of a few
// cores slower.
const defaultConns = 16

// openPostgres opens one pgx pool; the store reads and writes through database/sql on top of it, River
// uses it directly.
func (s *Store) openPostgres(ctx context.Context, dsn string) error {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return err
	}
	if !strings.Contains(dsn, "pool_max_conns") {
		cfg.MaxConns = defaultConns
	}
	defaults := map[string]string{
		"application_name": "certwright",
		"lock_timeout":     "10s", // as busy_timeout on SQLite
		// A replica that hangs within a transaction must not hold its locks, nor followers' horizon, for ever.
		"idle_in_transaction_session_timeout": "60s",
	}
	for k, v := range defaults {
		if _, set := cfg.ConnConfig.RuntimeParams[k]; !set {
			cfg.ConnConfig.RuntimeParams[k] = v
		}
	}
	if s.pg, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return err
	}
	db := stdlib.OpenDBFromPool(s.pg)
	s.pools = append(s.pools, db)
	if err := migrate(ctx, goose.DialectPostgres, db); err != nil {
		return err
	}
	if err := forgetForeignTransactions(ctx, db); err != nil {
		return err
	}
	s.reader = plain{db}
	s.writes = &pgWriter{db: db, commits: &s.commits}
	return nil
}

// forgetForeignTransactions heals events that came from another cluster by dump and restore: their
// transaction numbers mean nothing here, and followers would wait for them for years. As 0 they sort
// before all new ones, and among themselves by id.
func forgetForeignTransactions(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, `UPDATE events SET txid = 0
		WHERE txid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint`)
	if err != nil {
		return fmt.Errorf("look for events restored from another server: %w", err)
	}
	return nil
}

// pgWriter is the writer of PostgreSQL: each write a transaction of its own (READ COMMITTED).
type pgWriter struct {
	db      *sql.DB
	commits *atomic.Int64
}

// retries of a transaction that the server gave up as the victim of a deadlock or a conflict.
const retries = 4

func (w *pgWriter) write(ctx context.Context, fn func(context.Context, *session) error) error {
	for try := 0; ; try++ {
		err := w.once(ctx, fn)
		if err == nil {
			w.commits.Add(1)
			return nil
		}
		if try == retries || !victim(err) {
			return err
		}
	}
}

func (w *pgWriter) once(ctx context.Context, fn func(context.Context, *session) error) error {
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin to write: %w", err)
	}
	defer tx.Rollback() // after a commit it does nothing
	if err := fn(ctx, &session{source: plain{tx}}); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (w *pgWriter) close() {}

// victim says whether the server undid the transaction for the sake of another: serialization_failure, deadlock_detected.
func victim(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}
