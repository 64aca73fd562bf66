package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jmespath/go-jmespath"
	"go.yaml.in/yaml/v3"

	"certwright/internal/timeline"
)

// checkOutput refuses an -o or a --query that cannot be, before anything is done.
func (e *Env) checkOutput() error {
	switch e.output {
	case "", "table", "json", "yaml", "tsv":
	default:
		return usage("-o %s is not known: use table, json, yaml or tsv", e.output)
	}
	if e.query != "" {
		if _, err := jmespath.Compile(e.query); err != nil {
			return usage("--query %q is no JMESPath expression: %v", e.query, err)
		}
	}
	return nil
}

// plain says that a person reads, not a program.
func (e *Env) plain() bool { return e.query == "" && (e.output == "table" || e.output == "") }

// show prints v (a pointer or slice) as -o and --query say; table prints it for a person, once v is clean of
// control characters.
func (e *Env) show(v any, table func()) error {
	if e.plain() {
		scrub(v)
		table()
		return nil
	}
	plain, err := plainJSON(v)
	if err != nil {
		return err
	}
	if e.query != "" {
		if plain, err = jmespath.Search(e.query, plain); err != nil {
			return usage("--query %q: %v", e.query, err)
		}
	}
	switch e.output {
	case "yaml":
		enc := yaml.NewEncoder(e.Stdout)
		enc.SetIndent(2)
		return enc.Encode(plain)
	case "tsv":
		e.tsv(plain)
		return nil
	}
	return e.writeJSON(plain)
}

// writeJSON is JSON for people and programs: indented, with the control characters that encoding/json leaves as they
// are (RFC 8259 allows them) written as escapes.
func (e *Env) writeJSON(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	var out strings.Builder
	for _, r := range b.String() {
		if r >= 0x7f && r <= 0x9f {
			fmt.Fprintf(&out, `\u%04x`, r)
			continue
		}
		out.WriteRune(r)
	}
	_, err := e.Stdout.Write([]byte(out.String()))
	return err
}

// plainJSON makes v what JSON knows, so that queries and YAML see the API's names.
func plainJSON(v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var plain any
	return plain, json.Unmarshal(b, &plain)
}

// tsv prints rows of a list, or one row, tab-separated, as `az -o tsv` does.
func (e *Env) tsv(v any) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, row := range list {
		if cells, ok := row.([]any); ok {
			words := make([]string, len(cells))
			for i, c := range cells {
				words[i] = cell(c)
			}
			e.printf("%s\n", strings.Join(words, "\t"))
			continue
		}
		e.printf("%s\n", cell(row))
	}
}

// cell is one value on one line: a tab or a line end in it would make another cell or row.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return timeline.OneLine(v)
	case float64:
		return strings.TrimSuffix(fmt.Sprintf("%.6f", v), ".000000")
	case bool:
		return fmt.Sprint(v)
	}
	b, _ := json.Marshal(v) // it came from JSON
	return timeline.OneLine(string(b))
}
