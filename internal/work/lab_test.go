package work

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"

	"certwright/internal/order"
	"certwright/internal/store"
	"certwright/internal/store/storetest"
)

// database is one of the two kinds.
type database struct {
	kind string
	dsn  string
}

// onBoth runs a test on SQLite and on PostgreSQL.
func onBoth(t *testing.T, f func(t *testing.T, d database)) {
	t.Helper()
	for _, kind := range storetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f(t, newDatabase(t, kind))
		})
	}
}

func newDatabase(tb testing.TB, kind string) database {
	tb.Helper()
	return database{kind: kind, dsn: storetest.DSN(tb, kind)}
}

// open gives what one process has: River's pool, as the store makes it, and a pool for the lab's own table.
func (d database) open(tb testing.TB) (Options, *sql.DB) {
	tb.Helper()
	s := storetest.OpenWith(tb, store.Options{DSN: d.dsn})
	o := Options{SQLite: s.RiverSQLite(), Pgx: s.RiverPgx(), Logger: slog.New(slog.NewTextHandler(tb.Output(), nil))}
	if o.Pgx != nil {
		return o, stdlib.OpenDBFromPool(o.Pgx)
	}
	db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(d.dsn, "sqlite:")+"?_pragma=busy_timeout(10000)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		tb.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	tb.Cleanup(func() { db.Close() })
	return o, db
}

// rows are orders in a bare table: just what the engine needs of a store, and a Mover that does what
// fulfill does with the lease.
type rows struct {
	db    *sql.DB
	node  string
	lease time.Duration

	mu  sync.Mutex
	ran map[string]int
	do  func(ctx context.Context, id order.ID) error // within the lease; nil = nothing
	hit chan struct{}
	// fail breaks the source
	fail error
}

var errLeased = errors.New("leased")

func newRows(tb testing.TB, db *sql.DB, node string) *rows {
	tb.Helper()
	_, err := db.Exec(`CREATE TABLE IF NOT EXISTS lab (name TEXT PRIMARY KEY, due BIGINT NOT NULL, node TEXT NOT NULL, until BIGINT NOT NULL)`)
	if err != nil {
		tb.Fatal(err)
	}
	return &rows{db: db, node: node, lease: time.Minute, ran: map[string]int{}, hit: make(chan struct{}, 1)}
}

func (r *rows) put(tb testing.TB, due time.Time, names ...string) {
	tb.Helper()
	tx, err := r.db.Begin()
	if err != nil {
		tb.Fatal(err)
	}
	for _, n := range names {
		if _, err := tx.Exec(`INSERT INTO lab VALUES ($1, $2, '', 0)`, n, due.UnixMilli()); err != nil {
			tb.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		tb.Fatal(err)
	}
}

const never = int64(1) << 60

// Advance leases, works, and puts the order off for ever.
func (r *rows) Advance(ctx context.Context, id order.ID) error {
	now := time.Now()
	res, err := r.db.ExecContext(ctx, `UPDATE lab SET node = $1, until = $2 WHERE name = $3 AND due <= $4 AND until <= $4`,
		r.node, now.Add(r.lease).UnixMilli(), id.Name, now.UnixMilli())
	if err != nil {
		return err
	}
	if n, _ := res.RowsAffected(); n == 0 {
		var until int64
		if err := r.db.QueryRowContext(ctx, `SELECT until FROM lab WHERE name = $1`, id.Name).Scan(&until); err == nil && until > now.UnixMilli() {
			return errLeased
		}
		return nil
	}
	r.mu.Lock()
	do := r.do
	r.ran[id.Name]++
	r.mu.Unlock()
	if do != nil {
		if err := do(ctx, id); err != nil {
			_, _ = r.db.ExecContext(context.WithoutCancel(ctx), `UPDATE lab SET node = '', until = 0 WHERE name = $1`, id.Name)
			return err
		}
	}
	_, err = r.db.ExecContext(context.WithoutCancel(ctx), `UPDATE lab SET due = $1, node = '', until = 0 WHERE name = $2`, never, id.Name)
	select {
	case r.hit <- struct{}{}:
	default:
	}
	return err
}

func (r *rows) DueOrders(ctx context.Context, now time.Time, limit int) ([]order.ID, error) {
	if err := r.broken(); err != nil {
		return nil, err
	}
	q, err := r.db.QueryContext(ctx, `SELECT name FROM lab WHERE due <= $1 AND until <= $1 ORDER BY due LIMIT $2`, now.UnixMilli(), limit)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	var ids []order.ID
	for q.Next() {
		var n string
		if err := q.Scan(&n); err != nil {
			return nil, err
		}
		ids = append(ids, order.Short(n))
	}
	return ids, q.Err()
}

func (r *rows) OldestDue(ctx context.Context, now time.Time) (time.Time, bool, error) {
	var ms sql.NullInt64
	err := r.db.QueryRowContext(ctx, `SELECT min(due) FROM lab WHERE due <= $1 AND until <= $1`, now.UnixMilli()).Scan(&ms)
	return time.UnixMilli(ms.Int64), ms.Valid, err
}

func (r *rows) ReleaseNode(ctx context.Context, node string) (int, error) {
	res, err := r.db.ExecContext(ctx, `UPDATE lab SET node = '', until = 0 WHERE node = $1`, node)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	return int(n), err
}

func (r *rows) broken() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fail
}

func (r *rows) set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *rows) runs(name string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ran[name]
}

// left is how many orders are still due.
func (r *rows) left(tb testing.TB) int {
	var n int
	if err := r.db.QueryRow(`SELECT count(*) FROM lab WHERE due < $1`, never).Scan(&n); err != nil {
		tb.Fatal(err)
	}
	return n
}

// start makes an engine over the rows and stops it when the test ends.
func start(tb testing.TB, o Options, r *rows) *Work {
	tb.Helper()
	o.Mover, o.Source, o.Now, o.Node, o.Busy = r, r, time.Now, r.node, errLeased
	w, err := New(context.Background(), o)
	if err != nil {
		tb.Fatal(err)
	}
	if err := w.Start(context.Background()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := w.Stop(ctx); err != nil {
			tb.Error(err)
		}
	})
	return w
}

// eventually waits for a condition.
func eventually(tb testing.TB, within time.Duration, what string, ok func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			tb.Fatalf("not within %s: %s", within, what)
		case <-tick.C:
		}
	}
}

// TestMain is the tests; as a child of TestTakeOver, it is the process to be killed.
func TestMain(m *testing.M) {
	if os.Getenv("WORK_TEST_CHILD") != "" {
		child()
	}
	os.Exit(m.Run())
}
