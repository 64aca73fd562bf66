package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/store"
	"certwright/internal/store/storetest"
)

func open(dsn string) (*store.Store, error) {
	return store.Open(context.Background(), store.Options{DSN: dsn, Now: time.Now})
}

// raw opens the database beside the store.
func raw(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	driver, name := "pgx", dsn
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		driver, name = "sqlite", path
	} else {
		name, _, _ = strings.Cut(dsn, "pool_max_conns")
		name = strings.TrimRight(name, "?&")
	}
	db := get[*sql.DB](t)(sql.Open(driver, name))
	t.Cleanup(func() { db.Close() })
	return db
}

func TestAStoreKeepsWhatItWasGivenOverARestart(t *testing.T) {
	t.Parallel()
	for _, kind := range storetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			dsn := storetest.EmptyDSN(t, kind)
			s := get[*store.Store](t)(open(dsn))
			o := create(t, s, sample("www"), waiting())
			must(t, s.Close())
			if err := s.SaveOrder(t.Context(), o, issued(), nil); err == nil {
				t.Error("a closed store saved an order")
			}
			again := storetest.OpenWith(t, store.Options{DSN: dsn})
			get[*order.Order](t)(again.LoadOrder(t.Context(), o.ID))
			must(t, again.Ping(t.Context()))
		})
	}
}

func TestReplicasThatStartTogetherMigrateOnce(t *testing.T) {
	t.Parallel()
	dsn := storetest.EmptyDSN(t, "postgres")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := open(dsn)
			if err != nil {
				t.Error(err)
				return
			}
			s.Close()
		})
	}
	wg.Wait()
	s := storetest.OpenWith(t, store.Options{DSN: dsn})
	if all := get[[]order.Subscription](t)(s.ListSubscriptions(t.Context())); len(all) != 1 {
		t.Errorf("%d default subscriptions were made", len(all))
	}
}

func TestADatabaseOfANewerVersionIsRefused(t *testing.T) {
	t.Parallel()
	for _, kind := range storetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			dsn := storetest.DSN(t, kind)
			must(t, get[*store.Store](t)(open(dsn)).Close())
			db := raw(t, dsn)
			get[sql.Result](t)(db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, ` + map[string]string{"sqlite": "1", "postgres": "true"}[kind] + `)`))
			s, err := open(dsn)
			if err == nil {
				s.Close()
				t.Fatal("a database of schema 9999 was opened")
			}
			for _, word := range []string{"9999", "newer Certwright", "nothing was changed"} {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("the refusal %q does not say %q", err, word)
				}
			}
		})
	}
}

func TestTheFileIsForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "with space?&#%", "store.db")
	s := storetest.OpenWith(t, store.Options{DSN: "sqlite:" + path})
	create(t, s, sample("www"), waiting())
	for _, f := range []string{path, path + "-wal"} {
		info := get[os.FileInfo](t)(os.Stat(f))
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", f, info.Mode())
		}
	}
	if s.RiverSQLite() == nil || s.RiverPgx() != nil {
		t.Error("the pool for River is not SQLite's")
	}
	var mode string
	must(t, s.RiverSQLite().QueryRow(`PRAGMA journal_mode`).Scan(&mode))
	if mode != "wal" {
		t.Errorf("journal mode %s, want wal", mode)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for dsn, word := range map[string]string{
		"mysql://x": `must start with "sqlite:"`,
		"sqlite:":   "names no file",
		"postgres://nobody@127.0.0.1:1/x?sslmode=disable&connect_timeout=2": "Check that the server runs",
		"sqlite:" + t.TempDir(): "is a directory",
	} {
		s, err := open(dsn)
		if err == nil {
			s.Close()
			t.Errorf("%s was opened", dsn)
		} else if !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %q does not say %q", dsn, err, word)
		}
	}
	notDB := filepath.Join(t.TempDir(), "x.db")
	must(t, os.WriteFile(notDB, []byte(strings.Repeat("no database ", 100)), 0o600))
	_, err := open("sqlite:" + notDB)
	wantProblem(t, err, store.IDDown)
}

func wantProblem(t *testing.T, err error, id string) {
	t.Helper()
	var p *order.Problem
	if !errors.As(err, &p) || p.ID != id || p.Fix == "" || p.Cause == "" {
		t.Errorf("error %v carries the problem %+v, want %s with cause and fix", err, p, id)
	}
}

func TestAFullDiskIsNamedAndPasses(t *testing.T) {
	t.Parallel()
	dsn := storetest.DSN(t, "sqlite")
	s := storetest.OpenWith(t, store.Options{DSN: dsn})
	o := create(t, s, sample("www"), waiting())
	must(t, s.LimitPages(t.Context(), 0))
	big := o.Clone()
	big.Versions[0].Chain = make([]byte, 4<<20)
	var wg sync.WaitGroup
	for i := range 8 { // together: those that need no space of their own are not lost with the one that does
		wg.Go(func() {
			if i == 0 {
				wantProblem(t, s.SaveOrder(context.Background(), big, issued(), nil), store.IDFull)
			} else if _, err := s.LeaseOrder(context.Background(), order.Short("none"), "n", t0, t0); err == nil {
				t.Error("a lease of an order that is not there was given")
			}
		})
	}
	wg.Wait()
	large := version("www", "a1", 0)
	large.Blob = make([]byte, 4<<20)
	wantErr(t, s.PutSecret(t.Context(), large), secret.ErrVaultFull)
	must(t, s.LimitPages(t.Context(), 1<<30))
	must(t, s.SaveOrder(t.Context(), o, issued(), []order.Event{event("after")}))
	must(t, s.VerifyChain(t.Context(), o.ID))
}

func TestADatabaseThatMayOnlyBeReadIsNamed(t *testing.T) {
	t.Parallel()
	s, err := open(storetest.DSN(t, "postgres") + "&default_transaction_read_only=on")
	if err == nil {
		s.Close()
		t.Fatal("a database that may only be read was opened")
	}
	wantProblem(t, err, store.IDReadonly)
}

func TestALockedDatabaseIsNamed(t *testing.T) {
	t.Parallel()
	dsn := storetest.DSN(t, "postgres")
	s := storetest.OpenWith(t, store.Options{DSN: dsn + "&lock_timeout=100"})
	o := create(t, s, sample("www"), waiting())
	tx := get[*sql.Tx](t)(raw(t, dsn).Begin())
	get[sql.Result](t)(tx.Exec(`UPDATE orders SET text = 'held'`))
	wantProblem(t, s.SaveOrder(t.Context(), o, issued(), nil), store.IDLocked)
	must(t, tx.Rollback())
	must(t, s.SaveOrder(t.Context(), o, issued(), nil))
}

func TestADatabaseThatIsGoneIsNamed(t *testing.T) {
	t.Parallel()
	dsn := storetest.DSN(t, "postgres")
	s := storetest.OpenWith(t, store.Options{DSN: dsn})
	u := get[*url.URL](t)(url.Parse(dsn))
	name := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	get[sql.Result](t)(raw(t, u.String()).Exec(fmt.Sprintf(`ALTER DATABASE %s WITH ALLOW_CONNECTIONS false`, name)))
	get[sql.Result](t)(raw(t, u.String()).Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, name))
	var err error
	for range 10 { // connections that were cut are found out one by one
		if err = s.Ping(t.Context()); err != nil {
			break
		}
	}
	wantProblem(t, err, store.IDDown)
}

func TestAWriteCanBeGivenUpWhileItWaits(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		ctx, stop := context.WithCancel(t.Context())
		stop()
		o := sample("www")
		if err := s.CreateOrder(ctx, o, waiting(), nil); !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v, want that the context has ended", err)
		}
		create(t, s, o, waiting())
	})
}

// After a dump and restore on a new server the stored transaction numbers are from its future.
func TestEventsRestoredOnAnotherServerAreFollowed(t *testing.T) {
	t.Parallel()
	dsn := storetest.DSN(t, "postgres")
	s := get[*store.Store](t)(open(dsn))
	create(t, s, sample("a"), waiting())
	create(t, s, sample("b"), waiting())
	must(t, s.Close())
	get[sql.Result](t)(raw(t, dsn).Exec(`UPDATE events SET txid = txid + 1000000000`))
	again := storetest.OpenWith(t, store.Options{DSN: dsn})
	create(t, again, sample("c"), waiting())
	for cursor, want := range map[string]string{"0": "a b c", "1999999999.1": "b c"} { // of a follower that had seen a
		var got []string
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
		for len(got) < len(strings.Fields(want)) {
			events, next, err := again.Follow(ctx, cursor, 0)
			must(t, err)
			for _, e := range events {
				got = append(got, e.Order.Name)
			}
			cursor = next
		}
		stop()
		if strings.Join(got, " ") != want {
			t.Errorf("followed %v, want %s", got, want)
		}
	}
}
