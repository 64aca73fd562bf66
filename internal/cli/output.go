package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jmespath/go-jmespath"
	"go.yaml.in/yaml/v3"
)

// show prints v as -o and --query say; table prints it as a table.
func (e *Env) show(v any, table func()) error {
	if e.query == "" && (e.output == "table" || e.output == "") {
		table()
		return nil
	}
	plain, err := plainJSON(v)
	if err != nil {
		return err
	}
	if e.query != "" {
		if plain, err = jmespath.Search(e.query, plain); err != nil {
			return usage("--query %q is no JMESPath expression: %v", e.query, err)
		}
	}
	switch e.output {
	case "yaml":
		return yaml.NewEncoder(e.Stdout).Encode(plain)
	case "tsv":
		e.tsv(plain)
		return nil
	case "json", "table", "":
		enc := json.NewEncoder(e.Stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(plain)
	}
	return usage("-o %s is not known: use table, json, yaml or tsv", e.output)
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

func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64, bool:
		return fmt.Sprint(v)
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// table prints rows under headings in columns.
func (e *Env) table(head []string, rows [][]string) {
	w := tabwriter.NewWriter(e.Stdout, 2, 4, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(head, "\t"))
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	w.Flush()
}

// ago is a time as a person says it, seen from now.
func (e *Env) ago(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	d := e.Now().Sub(*t)
	if d > -time.Second && d < time.Second {
		return "now"
	}
	if d < 0 {
		return "in " + short(-d)
	}
	return short(d) + " ago"
}

// short writes a length of time in its two largest parts at most.
func short(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
