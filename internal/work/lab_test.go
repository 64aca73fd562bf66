package work

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"certwright/internal/order"
)

// database is one of the two kinds, with nothing in it.
type database struct {
	kind string
	dsn  string // SQLite: the file; PostgreSQL: a connection string
}

// onBoth runs a test on SQLite and on PostgreSQL.
func onBoth(t *testing.T, f func(t *testing.T, d database)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f(t, newSQLite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f(t, newPostgres(t))
	})
}

func newSQLite(tb testing.TB) database {
	return database{kind: "sqlite", dsn: filepath.Join(tb.TempDir(), "lab.db")}
}

func newPostgres(tb testing.TB) database {
	tb.Helper()
	server := startPostgres(tb)
	admin, err := sql.Open("pgx", server+" dbname=postgres")
	if err != nil {
		tb.Fatal(err)
	}
	defer admin.Close()
	name := fmt.Sprintf("lab%d", databases.next())
	if _, err := admin.Exec("CREATE DATABASE " + name); err != nil {
		tb.Fatal(err)
	}
	return database{kind: "postgres", dsn: server + " dbname=" + name}
}

type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) next() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.n
}

var databases counter

// open gives the pools of one process: River's and the lab's own.
func (d database) open(tb testing.TB) (Options, *sql.DB) {
	tb.Helper()
	if d.kind == "sqlite" {
		dsn := "file:" + d.dsn + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)&_txlock=immediate"
		var pools [2]*sql.DB
		for i := range pools {
			db, err := sql.Open("sqlite", dsn)
			if err != nil {
				tb.Fatal(err)
			}
			db.SetMaxOpenConns(1)
			tb.Cleanup(func() { db.Close() })
			pools[i] = db
		}
		return Options{SQLite: pools[0]}, pools[1]
	}
	pool, err := pgxpool.New(context.Background(), d.dsn)
	if err != nil {
		tb.Fatal(err)
	}
	db := stdlib.OpenDBFromPool(pool)
	tb.Cleanup(func() { db.Close(); pool.Close() })
	return Options{Pgx: pool}, db
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

// cluster is the PostgreSQL server of this test run.
var cluster struct {
	once sync.Once
	dir  string
	cmd  *exec.Cmd
	err  error
}

// startPostgres starts a server on a Unix socket, once a run, as an unprivileged user.
func startPostgres(tb testing.TB) string {
	tb.Helper()
	bin := "/usr/lib/postgresql/15/bin"
	if m, _ := filepath.Glob("/usr/lib/postgresql/*/bin"); len(m) > 0 {
		bin = m[len(m)-1]
	}
	if _, err := os.Stat(filepath.Join(bin, "postgres")); err != nil {
		if os.Getenv("CI") != "" {
			tb.Fatal("PostgreSQL is not installed; scripts/deps.sh installs it")
		}
		tb.Skip("PostgreSQL is not installed: install the package postgresql, or run scripts/deps.sh as root")
	}
	cluster.once.Do(func() { cluster.dir, cluster.cmd, cluster.err = runPostgres(bin) })
	if cluster.err != nil {
		tb.Fatal(cluster.err)
	}
	return "host=" + cluster.dir + " user=lab sslmode=disable"
}

func runPostgres(bin string) (dir string, cmd *exec.Cmd, err error) {
	dir, err = os.MkdirTemp("/tmp", "cwpg")
	if err != nil {
		return "", nil, err
	}
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			return "", nil, err
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			return "", nil, err
		}
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-A", "trust", "-U", "lab", "-E", "UTF8", "--no-sync")
	initdb.SysProcAttr = attr
	initdb.Dir = dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return "", nil, err
	}
	cmd = exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "max_connections=200")
	cmd.SysProcAttr, cmd.Dir, cmd.Stdout, cmd.Stderr = attr, dir, io.Discard, log
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		db, err := sql.Open("pgx", "host="+dir+" user=lab dbname=postgres sslmode=disable")
		if err != nil {
			return "", nil, err
		}
		err = db.Ping()
		db.Close()
		if err == nil {
			return dir, cmd, nil
		}
		var refused *net.OpError
		if !errors.As(err, &refused) && cmd.ProcessState != nil {
			break
		}
	}
	out, _ := os.ReadFile(log.Name())
	return "", nil, fmt.Errorf("PostgreSQL did not start within 30 s:\n%s", out)
}

// TestMain stops the server that a test started. As a child of TestTakeOver it is the process to be killed.
func TestMain(m *testing.M) {
	if os.Getenv("WORK_TEST_CHILD") != "" {
		child()
		return
	}
	code := m.Run()
	if cluster.cmd != nil {
		_ = cluster.cmd.Process.Signal(syscall.SIGINT)
		_ = cluster.cmd.Wait()
		_ = os.RemoveAll(cluster.dir)
	}
	os.Exit(code)
}
