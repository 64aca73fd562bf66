package server

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"certwright/internal/arm"
	"certwright/internal/order"
	"certwright/internal/testworld"
	"certwright/internal/vault"
)

// sample is a value that a schema allows, so far as its types go; deep: how many structures may lie in one another.
func sample(s *openapi3.SchemaRef, deep int) any {
	if s == nil || deep == 0 {
		return nil
	}
	v := map[string]any{}
	for _, part := range s.Value.AllOf {
		if m, ok := sample(part, deep).(map[string]any); ok {
			maps.Copy(v, m)
		}
	}
	switch t := s.Value.Type; {
	case t == nil && len(v) == 0:
		return nil // anything
	case t.Is("string"):
		return "x"
	case t.Is("integer"), t.Is("number"):
		return 1.0
	case t.Is("boolean"):
		return true
	case t.Is("array"):
		if x := sample(s.Value.Items, deep-1); x != nil {
			return []any{x}
		}
		return []any{}
	}
	for name, p := range s.Value.Properties {
		if x := sample(p, deep-1); x != nil {
			v[name] = x
		}
	}
	if s.Value.AdditionalProperties.Schema != nil {
		v["x"] = sample(s.Value.AdditionalProperties.Schema, deep-1)
	}
	return v
}

// tablesOf is everything that a database holds but what goes on by itself.
func tablesOf(t *testing.T, path string) map[string]string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tables := map[string]string{}
	rows, err := db.QueryContext(t.Context(), `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'river%' AND name NOT LIKE 'sqlite%'`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables[name] = ""
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for name := range tables {
		tables[name] = content(t, db, name)
	}
	return tables
}

// content is a hash of a table's rows.
func content(t *testing.T, db *sql.DB, table string) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT * FROM "`+table+`"`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprint(values...))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	h := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return fmt.Sprintf("%d rows %s", len(lines), hex.EncodeToString(h[:6]))
}

// TestBodiesThatBreakOurOwnSchema: every route that /openapi.json says reads a body gets, one at a time, each value of
// another type that its schema does not allow, and text that is no JSON: always a 4xx with the envelope, what to do about
// it and, where it is one property's fault, its name; and the database is the same afterwards, row by row.
func TestBodiesThatBreakOurOwnSchema(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	c := l.caller(l.FirstRun)
	d, err := described()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(string(l.Config.Data), "certwright.db")
	tick := time.NewTicker(50 * time.Millisecond) // the built-in authority makes its keys while it serves already; sealing its root's apart is the last of it
	defer tick.Stop()
	for apart := false; !apart; {
		<-tick.C
		_, err := l.Keys.Signer(t.Context(), "builtin/root")
		if apart = errors.Is(err, vault.ErrApart); err != nil && !apart {
			t.Fatal(err)
		}
	}
	before := tablesOf(t, path)
	if before["secrets"] == "" || before["orders"] == "" || before["tokens"] == "" {
		t.Fatalf("the tables are %v", before)
	}
	r, tries, named := rand.New(rand.NewPCG(3, 4)), 0, 0
	for _, pattern := range slices.Sorted(maps.Keys(d.doc.Paths.Map())) {
		for method, o := range d.doc.Paths.Value(pattern).Operations() {
			if o.RequestBody == nil || o.RequestBody.Value.Content.Get("application/json") == nil {
				continue
			}
			at := walkable(pattern, "ghost") + "?api-version=" + namedVersion(o)
			whole := sample(o.RequestBody.Value.Content.Get("application/json").Schema, 5)
			text, err := json.Marshal(whole)
			if err != nil {
				t.Fatal(err)
			}
			var bad []string
			for _, b := range breaks(whole) {
				out, err := json.Marshal(b)
				if err != nil {
					t.Fatal(err)
				}
				bad = append(bad, string(out))
			}
			if len(bad) > 150 { // of the largest, some
				r.Shuffle(len(bad), func(i, j int) { bad[i], bad[j] = bad[j], bad[i] })
				bad = bad[:150]
			}
			for range 3 {
				bad = append(bad, spoil(r, string(text)))
			}
			for _, body := range bad {
				tries++
				code, h, data := c.call(method, at, body)
				var e arm.ErrorBody
				if err := json.Unmarshal(data, &e); err != nil || code < 400 || code > 499 || e.Error.Code == "" || e.Error.Message == "" || e.Error.Fix == "" || !strings.HasPrefix(h.Get("Content-Type"), "application/json") {
					t.Errorf("%s %s with %.200s: %d %.300s", method, at, body, code, data)
				}
				if e.Error.Target != "" {
					named++
					if word := e.Error.Target[strings.LastIndex(e.Error.Target, ".")+1:]; !strings.Contains(e.Error.Message, word) {
						t.Errorf("%s %s: the message does not name %s: %s", method, at, e.Error.Target, e.Error.Message)
					}
				}
			}
		}
	}
	if tries < 500 || named < tries/3 {
		t.Errorf("%d bodies were tried, and of %d it was said where they are wrong", tries, named)
	}
	for table, now := range tablesOf(t, path) {
		if now != before[table] && !changesItself[table] {
			t.Errorf("the table %s was %s and is %s", table, before[table], now)
		}
	}
}

// changesItself are tables that are written to though nobody asks for anything.
var changesItself = map[string]bool{"nodes": true}

// namedVersion is an API version that an operation takes.
func namedVersion(o *openapi3.Operation) string {
	for _, p := range o.Parameters {
		if p.Value.Name == "api-version" && len(p.Value.Schema.Value.Enum) > 0 {
			return fmt.Sprint(p.Value.Schema.Value.Enum[0])
		}
	}
	return ""
}

// walkable is a pattern with a name in the place of each parameter but the subscription and, of a write below it, the group.
func walkable(pattern, name string) string {
	path := strings.NewReplacer("{subscription}", order.DefaultSubscription, "{group}", order.DefaultGroup, "{provider}", "Microsoft.Web", "{tenant}", "t", "{operation}", "1").Replace(pattern)
	if strings.HasSuffix(pattern, "/resourceGroups/{group}") {
		path = strings.TrimSuffix(path, order.DefaultGroup) + name
	}
	if strings.HasSuffix(pattern, "/subscriptions/{subscription}") {
		path = strings.TrimSuffix(path, order.DefaultSubscription) + name
	}
	for {
		i, j := strings.Index(path, "{"), strings.Index(path, "}")
		if i < 0 {
			return path
		}
		path = path[:i] + name + path[j+1:]
	}
}
