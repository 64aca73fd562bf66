// Package certwright has no code of its own: it holds the rules of the house as a test. Each rule is
// a function over parsed files that returns complaints; it is held against the whole repository, and
// against small fixtures which show that it can complain.
package certwright

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Rooms that appear in many lines of the table.
const (
	nouns = "order site evidence secret"
	faces = "fulfill inspect diagnose timeline arm auth faq"
)

// may says which rooms a room's code may import. Imports point down, never sideways between steps, never
// up. A room that is not here may import nothing of ours: add it, where DESIGN's map has it.
var may = map[string]string{
	// 0: the nouns know each other and nothing else.
	"order": nouns, "site": nouns, "evidence": nouns, "secret": nouns, "faq": "",
	// 1: the steps know nouns and, for plain types of its seams, fulfill; never each other.
	"verify": nouns + " fulfill probe", "issue": nouns + " fulfill", "vault": nouns + " fulfill", "deploy": nouns + " fulfill",
	"store": nouns + " fulfill", "auth": nouns + " fulfill", "probe": nouns, "timeline": nouns, "diagnose": nouns, "notify": nouns,
	// 2: the mover and the gatherer declare what they need as interfaces.
	"fulfill": nouns, "inspect": nouns, "arm": nouns,
	// 3: the faces and the engine.
	"api": nouns + " " + faces, "web": nouns + " " + faces, "work": nouns + " " + faces, "keyvault": nouns + " fulfill auth",
	// 4 to 6: the client speaks the API's own types; cli diagnoses without a server; server may know all but cli.
	"client":         nouns + " arm api",
	"cli":            nouns + " server client api arm inspect diagnose probe timeline faq",
	"server":         nouns + " " + faces + " verify issue vault deploy probe notify store api keyvault web work client testworld",
	"cmd/certwright": "cli",
	// The measuring tool drives the binary from outside, against the test world.
	"cmd/certwright-bench": nouns + " testworld client api arm store",
	// For tests and the sample alone (see testOnly).
	"testworld": nouns + " probe testworld/port", "testworld/port": "", "store/storetest": nouns + " fulfill store",
	// The driver of the scenarios: it starts the binary from outside, and judges its reports.
	"scenario": nouns + " testworld diagnose", "cmd/certwright-scenario": "scenario",
}

// testOnly are rooms that only tests may import, and the files named.
var testOnly = map[string][]string{
	"testworld":       {"internal/server/sample*.go", tools, scenarios},
	"scenario":        {"cmd/certwright-scenario/*.go"},
	"store/storetest": nil, "testworld/port": {"internal/testworld/*.go"},
}

// forbidden are imports that no code of the product may have, and why.
var forbidden = map[string]string{
	"html/template":                          "its Execute switches off the linker's pruning (20 MB): use templ",
	"text/template":                          "its Execute switches off the linker's pruning (20 MB): use templ, or fmt",
	"expvar":                                 "it puts state and a handler into globals",
	"math/rand":                              "not random enough for names or keys: use crypto/rand, or math/rand/v2 for spreading",
	"github.com/go-playground/validator/v10": "it switches off the linker's pruning",
}

// tools measure from outside: they wait, read the clock and start processes.
const (
	tools     = "cmd/certwright-bench/*.go"
	scenarios = "internal/scenario/*.go"
	clients   = "test/clients/*/*.go"
)

// Where a rule's one exception is.
var (
	clockFiles = []string{clients, "cmd/*/*.go", "internal/cli/clock*.go", "internal/server/*.go", "internal/testworld/*.go", "internal/store/storetest/*.go", scenarios,
		"internal/issue/acme_poll.go"} // compares with a context's deadline, which is real time whatever our clock says
	envFiles   = []string{clients, tools, scenarios, "internal/server/config*.go", "internal/cli/env.go", "internal/cli/clock*.go", "internal/testworld/*.go", "internal/store/storetest/*.go"}
	sqlFiles   = []string{"internal/store/*.go", "internal/store/*/*.go"}
	thirdLevel = []string{"internal/faq/articles", "internal/store/migrations", "internal/store/storetest", "internal/testworld/port", "internal/web/static", "internal/vault/*", "internal/*/testdata"}
)

// Sizes: the exceptions are by file or file:function, each with its reason. Aim at none.
const (
	maxFile = 500
	maxFunc = 60
)

var bigFiles, bigFuncs = map[string]string{}, map[string]string{}

// source is one Go file.
type source struct {
	path string // slash-separated, from the root
	text string
	file *ast.File
	set  *token.FileSet
}

func parse(name, text string) (source, error) {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	return source{path: name, text: text, file: f, set: set}, err
}

func (s source) test() bool      { return strings.HasSuffix(s.path, "_test.go") }
func (s source) generated() bool { return ast.IsGenerated(s.file) }

// room is the folder below internal, or cmd/NAME; empty elsewhere.
func (s source) room() string { return roomOf(path.Dir(s.path)) }

func roomOf(dir string) string {
	if strings.HasPrefix(dir, "cmd/") {
		return dir
	}
	if r, ok := strings.CutPrefix(dir, "internal/"); ok {
		return r
	}
	return ""
}

func (s source) at(p token.Pos) string { return fmt.Sprintf("%s:%d", s.path, s.set.Position(p).Line) }

// under says whether the file is one of those that the patterns name.
func under(name string, patterns ...string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { ok, _ := path.Match(p, name); return ok })
}

// imports: which rooms know which.
func imports(s source) (bad []string) {
	if s.test() {
		return nil // tests use real parts
	}
	for _, spec := range s.file.Imports {
		name, _ := strconv.Unquote(spec.Path.Value)
		if why := forbidden[name]; why != "" && !under(s.path, "internal/testworld/*.go") {
			bad = append(bad, fmt.Sprintf("%s: imports %s: %s", s.at(spec.Pos()), name, why))
		}
		rest, ours := strings.CutPrefix(name, "certwright/")
		if !ours {
			continue
		}
		to := roomOf(rest)
		if !slices.Contains(strings.Fields(may[s.room()]), to) && !vaultKind(s.room(), to) {
			bad = append(bad, fmt.Sprintf("%s: %q may not import %s; it may: %s", s.at(spec.Pos()), s.room(), name, may[s.room()]))
		} else if only, ok := testOnly[to]; ok && !under(s.path, only...) {
			bad = append(bad, fmt.Sprintf("%s: %s is for tests", s.at(spec.Pos()), name))
		}
	}
	return bad
}

// vaultKind allows vault/<kind>, the one third level of code: it is a vault, and server plugs it in.
func vaultKind(from, to string) bool {
	kind := strings.HasPrefix(from, "vault/")
	return kind && slices.Contains(strings.Fields(may["vault"]+" vault"), to) || from == "server" && strings.HasPrefix(to, "vault/")
}

// clocks: nobody but the wiring reads the time; nobody sleeps.
func clocks(s source) (bad []string) {
	calls(s, "time", func(n ast.Node, name string) {
		switch {
		case name == "Sleep" && !under(s.path, tools):
			bad = append(bad, s.at(n.Pos())+": time.Sleep: wait for what is meant, with a deadline")
		case slices.Contains([]string{"Now", "Since", "Until"}, name) && !s.test() && !under(s.path, clockFiles...):
			bad = append(bad, fmt.Sprintf("%s: time.%s: take the clock that server gives (now func() time.Time)", s.at(n.Pos()), name))
		}
	})
	return bad
}

// environments: variables are read in one place.
func environments(s source) (bad []string) {
	calls(s, "os", func(n ast.Node, name string) {
		if slices.Contains([]string{"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv"}, name) && !s.test() && !under(s.path, envFiles...) {
			bad = append(bad, fmt.Sprintf("%s: os.%s: settings come from the configuration", s.at(n.Pos()), name))
		}
	})
	return bad
}

// calls finds what is used of a package of the standard library.
func calls(s source, pkg string, each func(ast.Node, string)) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == pkg {
				each(n, sel.Sel.Name)
			}
		}
		return true
	})
}

// statement is what only SQL looks like: upper-case words in their places.
var statement = regexp.MustCompile(`\b(SELECT\s[^;]*\sFROM|INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|(CREATE|ALTER|DROP)\s+(TABLE|INDEX|DATABASE)|PRAGMA)\s`)

// sql: one room speaks it.
func sql(s source) (bad []string) {
	if s.test() || under(s.path, sqlFiles...) {
		return nil
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && statement.MatchString(lit.Value) {
			bad = append(bad, s.at(lit.Pos())+": SQL belongs to internal/store")
		}
		return true
	})
	return bad
}

// sizes: what fits on a few screens.
func sizes(s source) (bad []string) {
	if s.generated() {
		return nil
	}
	if n := strings.Count(s.text, "\n"); n > maxFile && bigFiles[s.path] == "" {
		bad = append(bad, fmt.Sprintf("%s: %d lines, at most %d: split it by kind", s.path, n, maxFile))
	}
	if s.test() {
		return bad // a table of cases may be long
	}
	for _, d := range s.file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		n := s.set.Position(f.End()).Line - s.set.Position(f.Pos()).Line + 1
		if n > maxFunc && !isTable(f) && bigFuncs[s.path+":"+f.Name.Name] == "" {
			bad = append(bad, fmt.Sprintf("%s: %s has %d lines, at most %d", s.at(f.Pos()), f.Name.Name, n, maxFunc))
		}
	}
	return bad
}

// isTable says whether a function does nothing but return a literal: that is data, read by the row.
func isTable(f *ast.FuncDecl) bool {
	if len(f.Body.List) != 1 {
		return false
	}
	r, ok := f.Body.List[0].(*ast.ReturnStmt)
	if !ok || len(r.Results) != 1 {
		return false
	}
	_, ok = r.Results[0].(*ast.CompositeLit)
	return ok
}

// docs: every package says what it is for, and it says so once.
func docs(all []source) (bad []string) {
	found, dirs := map[string][]string{}, map[string]string{}
	for _, s := range all {
		if s.test() && s.path != "arch_test.go" || s.generated() {
			continue
		}
		dir := path.Dir(s.path)
		dirs[dir] = s.file.Name.Name
		if doc := s.file.Doc.Text(); strings.HasPrefix(doc, "Package "+s.file.Name.Name+" ") || strings.HasPrefix(doc, "Command ") {
			found[dir] = append(found[dir], s.path)
		}
	}
	for dir, name := range dirs {
		switch n := found[dir]; len(n) {
		case 1:
		case 0:
			bad = append(bad, fmt.Sprintf("%s: no package comment (\"Package %s ...\")", dir, name))
		default:
			bad = append(bad, fmt.Sprintf("%s: more than one package comment: %s", dir, strings.Join(n, ", ")))
		}
	}
	slices.Sort(bad)
	return bad
}

// folders: a room has no rooms in it, but for a few.
func folders(dirs []string) (bad []string) {
	for _, d := range dirs {
		p := strings.Split(d, "/")
		if p[0] == "internal" && len(p) > 2 && !under(strings.Join(p[:3], "/"), thirdLevel...) {
			bad = append(bad, d+": a folder within a room: split by file, or document it in thirdLevel and DESIGN's map")
		}
	}
	return bad
}

// each rule that looks at one file at a time.
var rules = map[string]func(source) []string{
	"imports": imports, "clocks": clocks, "environments": environments, "sql": sql, "sizes": sizes,
}

// repository reads every Go file and folder.
func repository(t *testing.T) (all []source, dirs []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if d.IsDir() {
			if name != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"bin", "testdata"}, d.Name())) {
				return filepath.SkipDir
			}
			dirs = append(dirs, name)
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		s, err := parse(name, string(text))
		if err != nil {
			return err
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, dirs
}

func TestArchitecture(t *testing.T) {
	all, dirs := repository(t)
	if len(all) < 20 {
		t.Fatalf("only %d Go files found: the rules would hold of nothing", len(all))
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			for _, s := range all {
				complain(t, rule(s))
			}
		})
	}
	t.Run("docs", func(t *testing.T) { complain(t, docs(all)) })
	t.Run("folders", func(t *testing.T) { complain(t, folders(dirs)) })
	t.Run("exceptions", func(t *testing.T) {
		for name := range bigFiles {
			if !slices.ContainsFunc(all, func(s source) bool { return s.path == name }) {
				t.Errorf("bigFiles names %s, which is not there", name)
			}
		}
	})
}

// TestNoKeyLiesAround: what a command or a test wrote where it was called from must not be committed with the rest.
func TestNoKeyLiesAround(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !f.Type().IsRegular() || filepath.Ext(f.Name()) == ".go" {
			continue
		}
		if text, err := os.ReadFile(f.Name()); err == nil && bytes.Contains(text, []byte("PRIVATE KEY-----")) {
			t.Errorf("%s holds a private key: remove it", f.Name())
		}
	}
}

func complain(t *testing.T, bad []string) {
	t.Helper()
	for _, b := range bad {
		t.Error(b)
	}
}

// TestRulesCanFail holds each rule against what it must refuse (want > 0) and what it must let through.
func TestRulesCanFail(t *testing.T) {
	long := "package x\nfunc f() {\n" + strings.Repeat("\n", maxFunc) + "}\n"
	for _, tc := range []struct {
		rule, path, text string
		want             int
	}{
		{"imports", "internal/verify/a.go", `package verify; import "certwright/internal/issue"`, 1},
		{"imports", "internal/verify/a.go", `package verify; import "certwright/internal/fulfill"`, 0},
		{"imports", "internal/verify/a_test.go", `package verify; import "certwright/internal/issue"`, 0},
		{"imports", "internal/fulfill/a.go", `package fulfill; import "certwright/internal/store"`, 1},
		{"imports", "internal/order/a.go", `package order; import "certwright/internal/fulfill"`, 1},
		{"imports", "internal/order/a.go", `package order; import "certwright/internal/site"`, 0},
		{"imports", "internal/diagnose/a.go", `package diagnose; import "certwright/internal/probe"`, 1},
		{"imports", "internal/api/a.go", `package api; import "certwright/internal/store"`, 1},
		{"imports", "internal/server/a.go", `package server; import "certwright/internal/cli"`, 1},
		{"imports", "internal/server/a.go", `package server; import "certwright/internal/testworld"`, 1},
		{"imports", "internal/server/sample_shop.go", `package server; import "certwright/internal/testworld"`, 0},
		{"imports", "internal/vault/keyvault/a.go", `package keyvault; import "certwright/internal/vault"`, 0},
		{"imports", "internal/vault/keyvault/a.go", `package keyvault; import "certwright/internal/deploy"`, 1},
		{"imports", "internal/newroom/a.go", `package newroom; import "certwright/internal/order"`, 1},
		{"imports", "cmd/certwright/main.go", `package main; import "certwright/internal/server"`, 1},
		{"imports", "internal/web/a.go", `package web; import "html/template"`, 1},
		{"clocks", "internal/issue/a.go", "package issue\nimport \"time\"\nvar t = time.Now()", 1},
		{"clocks", "internal/issue/a.go", "package issue\nimport \"time\"\nvar now = time.Now", 1},
		{"clocks", "internal/issue/a.go", "package issue\nimport \"time\"\nvar d = time.Until(x)", 1},
		{"clocks", "internal/issue/a_test.go", "package issue\nimport \"time\"\nvar t = time.Now()", 0},
		{"clocks", "internal/issue/a_test.go", "package issue\nimport \"time\"\nfunc f() { time.Sleep(1) }", 1},
		{"clocks", "internal/server/server.go", "package server\nimport \"time\"\nvar t = time.Now()", 0},
		{"environments", "internal/issue/a.go", "package issue\nimport \"os\"\nvar h = os.Getenv(\"HOME\")", 1},
		{"environments", "internal/server/server.go", "package server\nimport \"os\"\nvar h = os.Environ()", 1},
		{"environments", "internal/server/config_env.go", "package server\nimport \"os\"\nvar h = os.Environ()", 0},
		{"sql", "internal/work/a.go", "package work\nconst q = `SELECT a\n FROM b `", 1},
		{"sql", "internal/work/a.go", "package work\nconst q = \"DELETE FROM b WHERE\"", 1},
		{"sql", "internal/work/a.go", "package work\nconst q = \"select the vault from the list, update it\"", 0},
		{"sql", "internal/store/a.go", "package store\nconst q = `SELECT a FROM b `", 0},
		{"sizes", "internal/order/a.go", long, 1},
		{"sizes", "internal/order/a_test.go", long, 0},
		{"sizes", "internal/diagnose/a.go", "package x\nfunc f() []int {\n\treturn []int{\n" + strings.Repeat("\t\t1,\n", maxFunc) + "\t}\n}\n", 0},
		{"sizes", "internal/diagnose/a.go", "package x\nfunc f() []int {\n\treturn g([]int{\n" + strings.Repeat("\t\t1,\n", maxFunc) + "\t})\n}\n", 1},
		{"sizes", "internal/order/a_test.go", "package x\n" + strings.Repeat("\n", maxFile), 1},
		{"sizes", "internal/web/a_templ.go", "// Code generated by templ - DO NOT EDIT.\n\n" + long, 0},
	} {
		s, err := parse(tc.path, tc.text)
		if err != nil {
			t.Fatal(err)
		}
		if bad := rules[tc.rule](s); len(bad) != tc.want {
			t.Errorf("%s on %s %q: %d complaints, expected %d: %v", tc.rule, tc.path, tc.text, len(bad), tc.want, bad)
		}
	}
}

func TestRulesOnPackagesCanFail(t *testing.T) {
	files := func(pairs ...string) (all []source) {
		for i := 0; i < len(pairs); i += 2 {
			s, err := parse(pairs[i], pairs[i+1])
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
		return all
	}
	for name, tc := range map[string]struct {
		all  []source
		want int
	}{
		"documented": {files("internal/a/a.go", "// Package a does it.\npackage a", "internal/a/b.go", "package a"), 0},
		"not":        {files("internal/a/a.go", "package a"), 1},
		"detached":   {files("internal/a/a.go", "// Package a does it.\n\npackage a"), 1},
		"in a test":  {files("internal/a/a.go", "package a", "internal/a/a_test.go", "// Package a does it.\npackage a"), 1},
		"twice":      {files("internal/a/a.go", "// Package a x.\npackage a", "internal/a/b.go", "// Package a y.\npackage a"), 1},
		"a command":  {files("cmd/a/main.go", "// Command a does it.\npackage main"), 0},
	} {
		if bad := docs(tc.all); len(bad) != tc.want {
			t.Errorf("docs, %s: %v, expected %d", name, bad, tc.want)
		}
	}
	if bad := folders([]string{".", "internal/order", "internal/order/sub", "internal/store/migrations/sqlite", "internal/vault/keyvault", "docs/a/b/c"}); len(bad) != 1 {
		t.Errorf("folders: %v, expected the one within order", bad)
	}
}
