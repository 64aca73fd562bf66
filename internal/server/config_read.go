package server

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// loader fills a Config and gathers every mistake on the way.
type loader struct {
	lines map[string]string // where each key was given: "line 3", "environment variable ..."
	from  string            // of the value being read, if not a line
	bad   []string          // keys with a mistake of form: what is there now is not what the user meant
	errs  []error
}

func (l *loader) fail(format string, args ...any) {
	l.errs = append(l.errs, fmt.Errorf(format, args...))
}

// misread fails for a mistake of form at a key.
func (l *loader) misread(key, format string, args ...any) {
	l.bad = append(l.bad, key)
	l.fail(format, args...)
}

// spoilt says whether a mistake of form at the key, below or above it, makes its value worthless to judge.
func (l *loader) spoilt(key string) bool {
	return slices.ContainsFunc(l.bad, func(bad string) bool {
		return bad == "" || bad == key || strings.HasPrefix(bad, key+".") || strings.HasPrefix(bad, key+"[") || strings.HasPrefix(key, bad+".") || strings.HasPrefix(key, bad+"[")
	})
}

// where says where a node was written.
func (l *loader) where(n *yaml.Node) string {
	if l.from != "" {
		return l.from
	}
	return fmt.Sprintf("line %d", n.Line)
}

// file reads the YAML text.
func (l *loader) file(text []byte, c *Config) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return // an empty file is a whole one: all defaults
	}
	if err != nil {
		l.fail("this is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		return
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		l.fail("there is a second document ('---') in the file; put everything into one")
		return
	}
	l.value(doc.Content[0], reflect.ValueOf(c).Elem(), "")
}

// value reads a node into v. A key with nothing after it keeps its default.
func (l *loader) value(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return
	}
	l.lines[path] = l.where(n)
	if t, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if n.Kind != yaml.ScalarNode || t.UnmarshalText([]byte(n.Value)) != nil {
			l.wrong(n, v, path)
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		l.section(n, v, path)
	case reflect.Map:
		l.table(n, v, path)
	case reflect.Slice:
		l.list(n, v, path)
	default:
		l.scalar(n, v, path)
	}
}

// scalar reads text, a number or a yes-or-no.
func (l *loader) scalar(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode {
		l.wrong(n, v, path)
		return
	}
	if v.Kind() == reflect.String {
		v.SetString(n.Value) // numbers too: a name may look like one
		return
	}
	if n.Decode(v.Addr().Interface()) != nil {
		l.wrong(n, v, path)
	}
}

// section reads a mapping into a struct, whose keys are all known.
func (l *loader) section(n *yaml.Node, v reflect.Value, path string) {
	l.pairs(n, v, path, func(key, val *yaml.Node) {
		i := slices.IndexFunc(reflect.VisibleFields(v.Type()), func(f reflect.StructField) bool { return f.Tag.Get("yaml") == key.Value })
		if i < 0 {
			l.unknown(key, v.Type(), path)
			return
		}
		l.value(val, v.Field(i), join(path, key.Value))
	})
}

// table reads a mapping into a map, whose keys are names of the user's.
func (l *loader) table(n *yaml.Node, v reflect.Value, path string) {
	m := reflect.MakeMap(v.Type())
	l.pairs(n, v, path, func(key, val *yaml.Node) {
		item := reflect.New(v.Type().Elem()).Elem()
		l.value(val, item, join(path, key.Value))
		m.SetMapIndex(reflect.ValueOf(key.Value), item)
	})
	v.Set(m)
}

// pairs goes through a mapping and refuses a key that is given twice.
func (l *loader) pairs(n *yaml.Node, v reflect.Value, path string, each func(key, val *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		l.wrong(n, v, path)
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if line, twice := seen[key.Value]; twice {
			l.misread(join(path, key.Value), "key '%s' at %s was given before, at line %d", join(path, key.Value), l.where(key), line)
			continue
		}
		seen[key.Value] = key.Line
		each(key, n.Content[i+1])
	}
}

func (l *loader) list(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		l.wrong(n, v, path)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		l.value(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

// wrong says what form a value should have. The value itself is shown only where it cannot be secret.
func (l *loader) wrong(n *yaml.Node, v reflect.Value, path string) {
	name := "'" + path + "'"
	if path == "" {
		name = "the file"
	}
	got := map[yaml.Kind]string{yaml.MappingNode: "a section", yaml.SequenceNode: "a list"}[n.Kind]
	if n.Kind == yaml.ScalarNode {
		got = "'" + n.Value + "'"
		if v.Kind() == reflect.Struct || v.Kind() == reflect.Map {
			got = "a single value"
		}
	}
	l.misread(path, "%s at %s must be %s, not %s", name, l.where(n), form(v), got)
}

// form is the form that values of a type have.
func form(v reflect.Value) string {
	if f, ok := v.Interface().(interface{ form() string }); ok {
		return f.form()
	}
	switch v.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Slice:
		return "a list such as [a, b]"
	case reflect.Map:
		return "a section of names and values"
	case reflect.Struct:
		return "a section with the keys " + strings.Join(keysOf(v.Type()), ", ")
	}
	return "text"
}

// unknown refuses a key and names the one that was probably meant.
func (l *loader) unknown(key *yaml.Node, t reflect.Type, path string) {
	hint := "known here are " + strings.Join(keysOf(t), ", ")
	if near := nearest(key.Value, keysOf(t)); near != "" {
		hint = fmt.Sprintf("did you mean '%s'?", near)
	} else if homes := homesOf(key.Value); len(homes) > 0 {
		hint = fmt.Sprintf("did you mean '%s'?", strings.Join(homes, "' or '"))
	}
	l.misread(join(path, key.Value), "unknown key '%s' at %s: %s", join(path, key.Value), l.where(key), hint)
}

// keysOf lists the keys of a section.
func keysOf(t reflect.Type) []string {
	var out []string
	for _, f := range reflect.VisibleFields(t) {
		out = append(out, f.Tag.Get("yaml"))
	}
	return out
}

// homesOf lists the places where a key of this name belongs.
func homesOf(key string) []string {
	var out []string
	for _, leaf := range leaves(reflect.TypeFor[Config](), "") {
		if leaf == key || strings.HasSuffix(leaf, "."+key) {
			out = append(out, leaf)
		}
	}
	return out
}

// leaves are the paths of all keys that hold a value.
func leaves(t reflect.Type, path string) []string {
	var out []string
	for _, f := range reflect.VisibleFields(t) {
		p := join(path, f.Tag.Get("yaml"))
		if f.Type.Kind() == reflect.Struct {
			out = append(out, leaves(f.Type, p)...)
			continue
		}
		out = append(out, p)
	}
	return out
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// nearest is the word that a mistyped one was probably meant to be, empty if none is near.
func nearest(word string, known []string) string {
	best, at := "", len(word)/3+2
	for _, k := range known {
		if d := distance(strings.ToLower(word), k); d < at {
			best, at = k, d
		}
	}
	return best
}

// distance is how many letters must be changed, added or left out to make a of b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
