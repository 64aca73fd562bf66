// Package storetest opens stores for tests: on SQLite in the test's own folder, and on a real PostgreSQL that
// is started for the test binary (scripts/postgres.sh), with a database for each test.
package storetest

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"

	"certwright/internal/store"
)

// EnvDSN names the variable with the DSN of a running PostgreSQL whose user may create databases; without
// it one is started.
const EnvDSN = "CERTWRIGHT_TEST_PG"

// Kinds are the databases that a suite runs on: Open skips what is not installed (with CI=true it fails).
func Kinds(testing.TB) []string { return []string{"sqlite", "postgres"} }

// Open opens an empty store of a kind, closed at the end of the test. Its clock is the real one.
func Open(t testing.TB, kind string) *store.Store {
	t.Helper()
	return OpenWith(t, store.Options{DSN: DSN(t, kind)})
}

// OpenWith opens a store on a given database, closed at the end of the test.
func OpenWith(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	if o.Now == nil {
		o.Now = time.Now
	}
	s, err := store.Open(context.Background(), o)
	if err != nil {
		t.Fatalf("storetest: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("storetest: close: %v", err)
		}
	})
	return s
}

// DSN is that of a database of the test's own: for opening it several times, or in another process.
// A PostgreSQL database has the schema already, a SQLite file is not there yet.
func DSN(t testing.TB, kind string) string {
	t.Helper()
	switch kind {
	case "sqlite":
		return "sqlite:" + filepath.Join(t.TempDir(), "store.db")
	case "postgres":
		s := server(t)
		return s.database(t, "TEMPLATE "+s.template)
	}
	t.Fatalf("storetest: no such kind of database: %q", kind)
	return ""
}

// EmptyDSN is DSN without any schema.
func EmptyDSN(t testing.TB, kind string) string {
	t.Helper()
	if kind == "postgres" {
		return server(t).database(t, "")
	}
	return DSN(t, kind)
}

// postgres is a running server.
type postgres struct {
	dsn      string
	admin    *sql.DB
	template string    // database that has the schema
	alive    io.Closer // the server's standard input: it stops when this is closed or collected
	n        atomic.Int64
}

// start is done once for a test binary: the server ends with it, by the end of its standard input.
var start = sync.OnceValues(func() (*postgres, error) {
	dsn := os.Getenv(EnvDSN)
	var alive io.Closer
	if dsn == "" {
		var err error
		if dsn, alive, err = serve(); err != nil {
			return nil, err
		}
	}
	admin, err := sql.Open("pgx", dsn)
	if err != nil {
		return nil, err
	}
	p := &postgres{dsn: dsn, admin: admin, alive: alive, template: fmt.Sprintf("cw_template_%d", os.Getpid())}
	if _, err := admin.Exec("CREATE DATABASE " + p.template); err != nil {
		return nil, err
	}
	s, err := store.Open(context.Background(), store.Options{DSN: p.named(p.template), Now: time.Now})
	if err != nil {
		return nil, err
	}
	return p, s.Close()
})

// server gives the server, or ends the test.
func server(t testing.TB) *postgres {
	t.Helper()
	p, err := start()
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("storetest: PostgreSQL: %v", err)
	} else if err != nil {
		t.Skipf("storetest: PostgreSQL: %v", err)
	}
	return p
}

// serve runs the script. Its standard input is a pipe that only we hold: however this process ends, the
// server goes.
func serve() (string, io.Closer, error) {
	_, here, _, _ := runtime.Caller(0)
	cmd := exec.Command(filepath.Join(filepath.Dir(here), "..", "..", "..", "scripts", "postgres.sh"), "serve")
	var errs strings.Builder
	cmd.Stderr = &errs
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", nil, errors.Join(errors.New(strings.TrimSpace(errs.String())), cmd.Wait())
	}
	return strings.TrimSpace(line), in, nil
}

// named is the DSN of a database of the server.
func (p *postgres) named(name string) string {
	u, err := url.Parse(p.dsn)
	if err != nil {
		return p.dsn
	}
	u.Path = "/" + name
	q := u.Query()
	q.Set("pool_max_conns", "8") // many tests at once share one server
	u.RawQuery = q.Encode()
	return u.String()
}

// database makes a database, dropped at the end of the test.
func (p *postgres) database(t testing.TB, how string) string {
	t.Helper()
	name := fmt.Sprintf("cw_%d_%d", os.Getpid(), p.n.Add(1))
	if _, err := p.admin.Exec("CREATE DATABASE " + name + " " + how); err != nil {
		t.Fatalf("storetest: %v", err)
	}
	t.Cleanup(func() {
		if _, err := p.admin.Exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Logf("storetest: %v", err)
		}
	})
	return p.named(name)
}
