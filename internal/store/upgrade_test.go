package store_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/store"
	"certwright/internal/store/storetest"
)

// fixture makes the databases in testdata anew; name it after the newest migration:
//
//	go test ./internal/store -run TestUpgrade -fixture 00001
var fixture = flag.String("fixture", "", "write testdata/<name>.sqlite.gz and .postgres.sql.gz")

// Every database that a former program made must open, be brought up to date and be whole.
func TestUpgrade(t *testing.T) {
	if *fixture != "" {
		writeFixtures(t, *fixture)
	}
	files, err := filepath.Glob("testdata/*.gz")
	must(t, err)
	if len(files) == 0 {
		t.Fatal("no former database in testdata")
	}
	all, err := filepath.Glob("migrations/*.sql")
	must(t, err)
	for _, m := range all[:len(all)-1] { // the newest may be of this very commit
		number, _, _ := strings.Cut(filepath.Base(m), "_")
		if !slices.Contains(files, "testdata/"+number+".sqlite.gz") || !slices.Contains(files, "testdata/"+number+".postgres.sql.gz") {
			t.Errorf("no database of migration %s is in testdata: make it with -fixture, at the commit of the migration", number)
		}
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			s := storetest.OpenWith(t, store.Options{DSN: restored(t, f)})
			o := get[*order.Order](t)(s.LoadOrder(t.Context(), order.Short("www")))
			if len(o.Versions) != 1 || len(o.Endpoints) != 1 || o.Spec.Sites[0] != "Shop" {
				t.Errorf("the order was not kept whole: %+v", o)
			}
			must(t, s.VerifyChain(t.Context(), o.ID))
			must(t, s.SaveOrder(t.Context(), o, issued(), []order.Event{event("upgraded")}))
			must(t, s.VerifyChain(t.Context(), o.ID))
			if n := total(t, s); n != 1 {
				t.Errorf("counted %d orders, want 1", n)
			}
			get[secret.Sealed](t)(s.LatestSecret(t.Context(), "default", "www"))
			// Since 00005 orders name DNS accounts; that they are found by them came after it.
			if number, _, _ := strings.Cut(filepath.Base(f), "."); number >= "00005" {
				if ids := get[[]order.ID](t)(s.OrdersByDNSAccount(t.Context(), "bind", 5)); len(ids) != 1 || ids[0] != o.ID {
					t.Errorf("found by its DNS account: %v, want the order", ids)
				}
			}
			events, _, err := s.Follow(t.Context(), "0", 0)
			if must(t, err); len(events) < 2 {
				t.Errorf("followers see %d events, want the former ones too", len(events))
			}
		})
	}
}

// restored gives the DSN of a database with the content of a file.
func restored(t *testing.T, file string) string {
	z := get[*gzip.Reader](t)(gzip.NewReader(bytes.NewReader(get[[]byte](t)(os.ReadFile(file)))))
	content := get[[]byte](t)(io.ReadAll(z))
	if strings.Contains(file, ".sqlite") {
		dsn := storetest.EmptyDSN(t, "sqlite")
		must(t, os.WriteFile(strings.TrimPrefix(dsn, "sqlite:"), content, 0o600))
		return dsn
	}
	dsn := storetest.EmptyDSN(t, "postgres")
	conn := get[*sql.Conn](t)(raw(t, dsn).Conn(t.Context()))
	defer conn.Close()
	// Many statements without an argument go through the simple protocol in one piece.
	get[sql.Result](t)(conn.ExecContext(t.Context(), string(content)))
	return dsn
}

func writeFixtures(t *testing.T, name string) {
	for _, kind := range storetest.Kinds(t) {
		dsn := storetest.DSN(t, kind)
		s := get[*store.Store](t)(open(dsn))
		www := sample("www")
		www.Spec.DNSAccount = "Bind"
		o := create(t, s, www, waiting())
		must(t, s.SaveOrder(context.Background(), o, issued(), []order.Event{event("issued")}))
		must(t, s.PutSecret(context.Background(), version("www", "a1", 0)))
		must(t, s.Close())
		if kind == "sqlite" {
			pack(t, "testdata/"+name+".sqlite.gz", get[[]byte](t)(os.ReadFile(strings.TrimPrefix(dsn, "sqlite:"))))
			continue
		}
		plain, _, _ := strings.Cut(dsn, "pool_max_conns")
		programs := get[[]string](t)(filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump"))
		dump := get[[]byte](t)(exec.Command(programs[len(programs)-1], "--inserts", "--no-owner", strings.TrimRight(plain, "?&")).Output())
		var lines []string
		for _, l := range strings.Split(string(dump), "\n") {
			// psql's own commands; and what would hide the tables from the session that goes on.
			if !strings.HasPrefix(l, `\`) && !strings.Contains(l, "search_path") {
				lines = append(lines, l)
			}
		}
		pack(t, "testdata/"+name+".postgres.sql.gz", []byte(strings.Join(lines, "\n")))
	}
}

func pack(t *testing.T, file string, content []byte) {
	must(t, os.MkdirAll("testdata", 0o755))
	var b bytes.Buffer
	z := get[*gzip.Writer](t)(gzip.NewWriterLevel(&b, gzip.BestCompression))
	get[int](t)(z.Write(content))
	must(t, z.Close())
	must(t, os.WriteFile(file, b.Bytes(), 0o644))
}
