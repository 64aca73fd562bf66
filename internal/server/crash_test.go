package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"certwright/internal/order"
	"certwright/internal/store/storetest"
	"certwright/internal/testworld"
)

// walk is one run of the walk: all points of the path on one database with one authority.
type walk struct {
	w      *world
	kind   string
	issuer string
	csr    bool             // its owner keeps the key: there is nothing to store
	named  *testworld.Named // where records of dns-01 are written; nil = another method
	renew  bool             // walk the points of a renewal, every second one: the rest is walked on the other database
	room   []string         // what a clean run leaves below the root, the reference
}

// TestCrashWalk kills a server at every point of an order's path, before and after each write and each outside
// effect, starts it again, and looks whether the order comes to its end with nothing lost, doubled or left over.
func TestCrashWalk(t *testing.T) {
	t.Parallel()
	w := startWorld(t, true, testworld.PebbleOptions{})
	places := make(chan struct{}, 2) // two at a time: each is a whole server
	total, began := 0, time.Now()
	var mu sync.Mutex
	t.Run("walk", func(t *testing.T) {
		for _, kind := range storetest.Kinds(t) {
			whats := []string{"pebble", "builtin", "renewal"}
			if kind == "sqlite" { // the walk is another, not what is asked of the database
				whats = append(whats, "request")
			}
			for _, what := range whats {
				t.Run(kind+" "+what, func(t *testing.T) {
					t.Parallel()
					x := &walk{w: w, kind: kind, issuer: what}
					x.renew, x.csr = what == "renewal", what == "request"
					if x.renew || x.csr {
						x.issuer = "pebble"
					}
					n := x.all(t, places)
					mu.Lock()
					defer mu.Unlock()
					total += n
				})
			}
		}
		t.Run("another node", func(t *testing.T) {
			t.Parallel()
			places <- struct{}{}
			defer func() { <-places }()
			x := &walk{w: w, kind: "postgres", issuer: "pebble"}
			x.otherNode(t, "after finalise")
		})
		t.Run("dns", func(t *testing.T) {
			t.Parallel()
			x := &walk{w: w, kind: "sqlite", issuer: "builtin", named: startZones(t)}
			n := x.all(t, places)
			mu.Lock()
			defer mu.Unlock()
			total += n
		})
		t.Run("dns another node", func(t *testing.T) { // with a record that only the one that died has written
			t.Parallel()
			places <- struct{}{}
			defer func() { <-places }()
			x := &walk{w: w, kind: "postgres", issuer: "builtin", named: startZones(t)}
			x.otherNode(t, "after publish")
		})
	})
	t.Logf("%d crashes survived in %s", total, time.Since(began).Round(time.Second))
	for url, n := range w.proxy.PassedPaths(testworld.OpFinalize) {
		if n != 1 {
			t.Errorf("%s was finalised %d times", url, n)
		}
	}
}

// startZones starts name servers for the hosts of the walk.
func startZones(t *testing.T) *testworld.Named {
	return testworld.StartNamed(t, map[string]testworld.NamedZone{"example.test": {Records: "* A 127.0.0.1"}, "test": {Policy: "none"}})
}

// all walks every point, every third with -short, and says how many.
func (x *walk) all(t *testing.T, places chan struct{}) int {
	places <- struct{}{}
	first := x.prepare(t, 0)
	clean := x.child(t, first)
	<-places
	if clean == nil {
		t.Fatal("the path does not come to its end even without a crash")
	}
	x.room = roomOf(t, first)
	x.check(t, first, clean)
	start, step := 1, 1
	if x.renew {
		start, step = clean.Base+1, 2
		if x.kind == "postgres" {
			start++
		}
	}
	if testing.Short() || os.Getenv("CERTWRIGHT_SLOW") == "" {
		step *= 3 // make test-all walks every point
	}
	walked := 0
	t.Run("points", func(t *testing.T) {
		for k := start; k <= clean.Points; k += step {
			walked++
			name := strings.ReplaceAll(clean.Names[k-1], " ", "-")
			t.Run(fmt.Sprintf("%02d-%s", k, name), func(t *testing.T) {
				t.Parallel()
				places <- struct{}{}
				defer func() { <-places }()
				x.crash(t, k)
			})
		}
	})
	return walked
}

// crash kills a server at one point and lets another of the same name finish.
func (x *walk) crash(t *testing.T, k int) {
	c := x.prepare(t, k)
	if x.child(t, c) != nil {
		t.Skip("this run passed fewer points") // steps run side by side: the last points are not always reached
	}
	c.Kill = 0
	report := x.child(t, c)
	if report == nil {
		t.Fatal("it did not come to its end")
	}
	x.check(t, c, report)
}

// otherNode lets a server of another name finish: it may not before the lease has run out.
func (x *walk) otherNode(t *testing.T, point string) {
	c := x.prepare(t, 0)
	clean := x.child(t, c)
	if clean == nil {
		t.Fatal("the path does not come to its end")
	}
	x.room = roomOf(t, c)
	k := 1
	for clean.Names[k-1] != point {
		k++
	}
	c = x.prepare(t, k)
	if x.child(t, c) != nil {
		t.Fatal("it was not killed")
	}
	c.Kill, c.Node, c.Ahead = 0, "two", 2*time.Minute
	report := x.child(t, c)
	if report == nil {
		t.Fatal("the other node did not take it over")
	}
	x.check(t, c, report)
}

var crashCount struct {
	sync.Mutex
	n int
}

// prepare makes a shop and a database for one case.
func (x *walk) prepare(t *testing.T, kill int) crashSpec {
	t.Helper()
	crashCount.Lock()
	crashCount.n++
	host := fmt.Sprintf("crash%d.example.test", crashCount.n)
	crashCount.Unlock()
	sh := x.w.shop(t, host)
	c := crashSpec{Dir: sh.dir, Data: t.TempDir(), Node: "one", Host: host, Issuer: x.issuer, DNS: x.w.dns, HTTP: x.w.http, HTTPS: x.w.https, Kill: kill, Renew: x.renew,
		Directory: x.w.proxy.Directory, CA: string(x.w.proxy.RootsPEM)}
	c.DSN = "sqlite:" + filepath.Join(c.Data, "certwright.db")
	if x.named != nil {
		c.DNS, c.TSIG = x.named.Primary, x.named.Secret
	}
	if x.csr {
		key := ecKey(t)
		keyAt(t, sh, key)
		c.CSR = base64.StdEncoding.EncodeToString(csrOf(t, key, host))
	}
	if x.kind != "sqlite" {
		c.DSN = storetest.DSN(t, x.kind)
	}
	return c
}

// child runs a server. Nil: it was killed at its point.
func (x *walk) child(t *testing.T, c crashSpec) *crashReport {
	t.Helper()
	spec, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), crashEnv+"="+string(spec))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	if c.Kill > 0 && cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == -1 && ctx.Err() == nil {
		return nil
	}
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(c.Data, "log"))
		t.Fatalf("the server: %v\n%s\n%s", err, errs.String(), log)
	}
	var r crashReport
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("the server's report: %v\n%s", err, out.String())
	}
	return &r
}

// check looks at the end from outside.
func (x *walk) check(t *testing.T, c crashSpec, r *crashReport) {
	t.Helper()
	for _, f := range r.Faults {
		t.Error(f)
	}
	if serial, err := x.w.served(c.Host); err != nil || serial != r.Serial {
		t.Errorf("%s is served (%v), the vault's current version is %s", serial, err, r.Serial)
	}
	if left := filesBelow(t, filepath.Join(c.Dir, "www")); len(left) > 0 {
		t.Errorf("proofs were left in the webroot: %v", left)
	}
	if room := roomOf(t, c); strings.Join(room, "\n") != strings.Join(x.room, "\n") {
		t.Errorf("at the target lies:\n%s\nafter a clean run:\n%s", strings.Join(room, "\n"), strings.Join(x.room, "\n"))
	}
	want := x.versions()
	if x.csr {
		want = 0
	}
	if len(r.Keys) != want {
		t.Errorf("the vault holds %d keys, want %d", len(r.Keys), want)
	}
	if x.named != nil {
		if left, err := x.named.TXT(x.named.Primary, order.ChallengeName(c.Host)); err != nil || len(left) > 0 {
			t.Errorf("records were left in the zone: %q, %v", left, err)
		}
	}
	x.issued(t, c, r)
	x.scan(t, c, r.Keys)
}

// versions is how many there are at the end.
func (x *walk) versions() int {
	if x.renew {
		return 2
	}
	return 1
}

// issued counts certificates: one a version, whatever happened.
func (x *walk) issued(t *testing.T, c crashSpec, r *crashReport) {
	t.Helper()
	if x.issuer == "pebble" {
		all, n := x.w.proxy.PassedPaths(testworld.OpFinalize), 0
		for _, url := range r.Attempts {
			n += all["/finalize-order/"+path.Base(url)]
		}
		if n != x.versions() {
			t.Errorf("%d certificates were asked for, want %d", n, x.versions())
		}
		return
	}
	db := openSQL(t, c.DSN)
	var n, signed int
	q := `SELECT count(*), count(cert) FROM serials WHERE order_key LIKE '%` + shopName(c.Host) + `'`
	if err := db.QueryRow(q).Scan(&n, &signed); err != nil {
		t.Fatal(err)
	}
	if n != 1 || signed != 1 {
		t.Errorf("the book has %d serials, %d of them signed, want 1", n, signed)
	}
}

var hexID = regexp.MustCompile(`[0-9a-f]{6,}`)

// roomOf lists what lies below the target's root, random parts left out.
func roomOf(t *testing.T, c crashSpec) []string {
	var names []string
	for _, n := range filesBelow(t, filepath.Join(c.Dir, "tls")) {
		names = append(names, hexID.ReplaceAllString(n, "x"))
	}
	return names
}

func filesBelow(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, p); rel != "." {
			names = append(names, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func openSQL(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	name, _, _ := strings.Cut(dsn, "?") // without the settings of a pool
	driver := "pgx"
	if file, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		driver, name = "sqlite", file
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// scan looks for the vault's keys in every byte of the data directory (database, its log, our log, what the
// API said) and of a PostgreSQL database.
func (x *walk) scan(t *testing.T, c crashSpec, keys [][]byte) {
	t.Helper()
	texts := map[string][]byte{}
	for _, name := range filesBelow(t, c.Data) {
		if b, err := os.ReadFile(filepath.Join(c.Data, name)); err == nil {
			texts[name] = b
		}
	}
	if x.kind == "postgres" {
		dump(t, openSQL(t, c.DSN), texts)
	}
	if len(texts) < 4 {
		t.Errorf("there is little to scan: %d texts", len(texts))
	}
	for name, text := range texts {
		for form, n := range needles(t, keys) {
			if bytes.Contains(text, n) {
				t.Errorf("%s holds a private key as %s", name, form)
			}
		}
	}
}

// dump reads every row of every table as text.
func dump(t *testing.T, db *sql.DB, texts map[string][]byte) {
	t.Helper()
	rows, err := db.Query(`SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`)
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, name := range tables {
		var all sql.NullString
		if err := db.QueryRow(`SELECT string_agg(x::text, chr(10)) FROM "` + name + `" x`).Scan(&all); err != nil {
			t.Fatal(err)
		}
		texts["table "+name] = []byte(all.String)
	}
}

// needles are the forms in which a private key could lie somewhere: its secret number, whatever wraps it,
// raw, as hexadecimal and as base64 at each of the three alignments; and any PEM key.
func needles(t *testing.T, keys [][]byte) map[string][]byte {
	t.Helper()
	all := map[string][]byte{"PEM": []byte("PRIVATE KEY-----")}
	for i, der := range keys {
		k, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			t.Fatal(err)
		}
		d, err := k.(*ecdsa.PrivateKey).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		all[fmt.Sprintf("%d raw", i)] = d
		all[fmt.Sprintf("%d hex", i)] = []byte(hex.EncodeToString(d))
		all[fmt.Sprintf("%d HEX", i)] = []byte(strings.ToUpper(hex.EncodeToString(d)))
		for shift := range 3 {
			enc := base64.StdEncoding.EncodeToString(append(make([]byte, shift), d...))
			part := []byte(enc[4 : 4+36]) // the first and last characters depend on the neighbours
			all[fmt.Sprintf("%d base64 at %d", i, shift)] = part
			all[fmt.Sprintf("%d base64url at %d", i, shift)] = []byte(strings.NewReplacer("+", "-", "/", "_").Replace(string(part)))
		}
	}
	return all
}
