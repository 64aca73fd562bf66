package store_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"certwright/internal/store"
	"certwright/internal/store/storetest"
)

func since() func() time.Duration {
	began := time.Now()
	return func() time.Duration { return time.Since(began) }
}

// A database that is well says so on both kinds; one whose lock somebody holds is told apart from one that
// may only be read and one that is gone.
func TestAlive(t *testing.T) {
	for _, kind := range storetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dsn := storetest.DSN(t, kind)
			s := storetest.OpenWith(t, store.Options{DSN: dsn})
			if h := s.Alive(t.Context(), since()); !h.Answers || !h.Writes || h.Finding != "" || h.Have != h.Want || h.Want == 0 {
				t.Fatalf("well: %+v", h)
			}
			if _, left, err := s.Leader(t.Context()); err != nil && kind == "postgres" || left > 0 {
				t.Logf("leader: %s, %v", left, err) // River's tables are made by work, not here
			}
			if n, err := s.Backlog(t.Context(), time.Now()); n != 0 || err != nil {
				t.Errorf("backlog %d, %v", n, err)
			}
			release := hold(t, kind, dsn)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			h := s.Alive(ctx, since())
			if !h.Answers || h.Writes || h.Finding != store.IDLocked {
				t.Errorf("locked: %+v", h)
			}
			if kind == "postgres" && !strings.Contains(h.Blocker, "session") {
				t.Errorf("who holds the lock is not told: %+v", h)
			}
			release()
			for range 50 { // the write that was given up may still be under way
				if h = s.Alive(t.Context(), since()); h.Writes {
					break
				}
			}
			if !h.Writes {
				t.Errorf("after: %+v", h)
			}
			if kind == "postgres" {
				readonly(t, s, dsn)
			}
		})
	}
}

// hold takes the lock that writers need, until release.
func hold(t *testing.T, kind, dsn string) (release func()) {
	t.Helper()
	driver, name, lock := "pgx", bare(dsn), `LOCK TABLE orders IN ACCESS EXCLUSIVE MODE`
	if kind == "sqlite" {
		driver, name, lock = "sqlite", "file:"+strings.TrimPrefix(dsn, "sqlite:")+"?_txlock=immediate", `SELECT 1`
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err == nil {
		_, err = tx.Exec(lock)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = tx.Rollback(); _ = db.Close() }
}

// bare is the DSN without what only a pool understands.
func bare(dsn string) string {
	at, _, _ := strings.Cut(dsn, "pool_max_conns")
	return strings.TrimRight(at, "&?")
}

func readonly(t *testing.T, s *store.Store, dsn string) {
	t.Helper()
	db, err := sql.Open("pgx", bare(dsn))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var name string
	if err := db.QueryRow(`SELECT current_database()`).Scan(&name); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`ALTER DATABASE "` + name + `" SET default_transaction_read_only = on`); err != nil {
		t.Fatal(err)
	}
	s.RiverPgx().Reset()
	if h := s.Alive(t.Context(), since()); h.Writes || h.Finding != store.IDReadonly {
		t.Errorf("read-only: %+v", h)
	}
}
