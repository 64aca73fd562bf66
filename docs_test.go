package certwright

import (
	"fmt"
	"go/ast"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pagesOf reads the documentation: README.md and docs/*.md.
func pagesOf(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{}
	for _, name := range append(names, "README.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		pages[filepath.ToSlash(name)] = string(text)
	}
	if len(pages) < 10 {
		t.Fatalf("only %d pages found: the tests would hold of nothing", len(pages))
	}
	return pages
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	slugged = regexp.MustCompile(`[^a-z0-9 -]`)
)

// deadLinks are the links of a page that lead to no file, or to no heading of a page. there says what a path holds.
func deadLinks(name, text string, there func(string) (string, bool)) (bad []string) {
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		if strings.Contains(m[1], "://") {
			continue // others' pages are others' affair, and tests need no internet
		}
		file, anchor, _ := strings.Cut(m[1], "#")
		target := name
		if file != "" {
			target = filepath.ToSlash(filepath.Join(filepath.Dir(name), file))
		}
		body, ok := there(target)
		if !ok {
			bad = append(bad, fmt.Sprintf("%s: %s is not there", name, m[1]))
			continue
		}
		var anchors []string
		for _, h := range heading.FindAllStringSubmatch(body, -1) {
			anchors = append(anchors, strings.ReplaceAll(slugged.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-"))
		}
		if anchor != "" && !slices.Contains(anchors, anchor) {
			bad = append(bad, fmt.Sprintf("%s: %s has no heading for %s", name, target, m[1]))
		}
	}
	return bad
}

func TestLinksLeadSomewhere(t *testing.T) {
	onDisk := func(path string) (string, bool) {
		text, err := os.ReadFile(path)
		return string(text), err == nil
	}
	for name, text := range pagesOf(t) {
		complain(t, deadLinks(name, text, onDisk))
	}
	two := func(path string) (string, bool) { return "# A few words\n", path == "docs/b.md" }
	if bad := deadLinks("docs/a.md", "[x](b.md#a-few-words) [y](b.md#none) [z](c.md)", two); len(bad) != 2 {
		t.Errorf("two dead links of three should be found: %q", bad)
	}
}

// TestEveryKeyOfTheConfigurationIsDocumented holds the table of docs/configuration.md against the struct itself.
func TestEveryKeyOfTheConfigurationIsDocumented(t *testing.T) {
	text, err := os.ReadFile("internal/server/config.go")
	if err != nil {
		t.Fatal(err)
	}
	s, err := parse("internal/server/config.go", string(text))
	if err != nil {
		t.Fatal(err)
	}
	keys := configKeys(s, "Config", "")
	documented := map[string]bool{}
	for _, line := range strings.Split(pagesOf(t)["docs/configuration.md"], "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, m := range regexp.MustCompile("`([a-z0-9.-]+)`").FindAllStringSubmatch(cells[1], -1) {
			documented[m[1]] = true
		}
	}
	for _, k := range keys {
		if !documented[k] {
			t.Errorf("docs/configuration.md lacks the key %s", k)
		}
		delete(documented, k)
	}
	for _, k := range slices.Sorted(maps.Keys(documented)) {
		t.Errorf("docs/configuration.md has the key %s, which the configuration does not know", k)
	}
	if len(keys) < 20 {
		t.Errorf("only %d keys were found in config.go: %v", len(keys), keys)
	}
}

// configKeys are the dotted keys of a struct of config.go; a section is a field whose type is such a struct.
func configKeys(s source, typeName, prefix string) (keys []string) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != typeName {
			return true
		}
		st, ok := spec.Type.(*ast.StructType)
		if !ok {
			return false
		}
		for _, f := range st.Fields.List {
			raw, _ := strconv.Unquote(f.Tag.Value)
			key := prefix + reflect.StructTag(raw).Get("yaml")
			if id, ok := f.Type.(*ast.Ident); ok {
				if inner := configKeys(s, id.Name, key+"."); len(inner) > 0 {
					keys = append(keys, inner...)
					continue
				}
			}
			keys = append(keys, key)
		}
		return false
	})
	return keys
}

// TestTheMapIsTheHouse holds README's table of folders against the folders.
func TestTheMapIsTheHouse(t *testing.T) {
	readme := pagesOf(t)["README.md"]
	onMap := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `((?:internal|cmd)/[a-z-]+)` \\|").FindAllStringSubmatch(readme, -1) {
		onMap[m[1]] = true
	}
	for _, parent := range []string{"internal", "cmd"} {
		entries, err := os.ReadDir(parent)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if name := parent + "/" + e.Name(); e.IsDir() && !onMap[name] {
				t.Errorf("README's map lacks %s", name)
			} else {
				delete(onMap, name)
			}
		}
	}
	for name := range onMap {
		t.Errorf("README's map has %s, which is not there", name)
	}
}

// TestTargetsOfMakeAreThere: a page tells nobody to make what the Makefile does not know.
func TestTargetsOfMakeAreThere(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	called := regexp.MustCompile("(?:^|`|\\$ )make ([a-z][a-z-]*)")
	found := 0
	for name, text := range pagesOf(t) {
		for _, line := range strings.Split(text, "\n") {
			for _, m := range called.FindAllStringSubmatch(line, -1) {
				found++
				if !strings.Contains(string(makefile), "\n"+m[1]+":") {
					t.Errorf("%s: the Makefile has no target %s", name, m[1])
				}
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d calls of make were found", found)
	}
}
