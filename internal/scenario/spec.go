package scenario

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"certwright/internal/diagnose"
)

// Kinds of scenario.
const (
	KindFault    = "fault"    // one cause, named by Expected
	KindCompound = "compound" // several causes at once: one of Expected first, all of AllOf among the findings
	KindUnlisted = "unlisted" // a cause in no list: the right leg counts
	KindHealthy  = "healthy"  // a decoy: no finding above info may come
)

// Spec is one scenario as its directory says (docs/scenarios.md), before its placeholders are filled.
type Spec struct {
	ID          string            `yaml:"id"`
	Title       string            `yaml:"title"`
	Kind        string            `yaml:"kind"`
	Base        string            `yaml:"base"`
	Stack       string            `yaml:"stack"`
	Leg         string            `yaml:"leg"`
	Goal        Goal              `yaml:"goal"`
	Expected    []string          `yaml:"expected"`
	AllOf       []string          `yaml:"all_of"`
	AlsoTrue    []string          `yaml:"also_true"`
	Forbidden   []string          `yaml:"forbidden"`
	MustCite    []string          `yaml:"must_cite"`
	MaxSeconds  int               `yaml:"max_seconds"`
	Timeout     bool              `yaml:"timeout"` // a time-out is part of the fault: 30 s are allowed
	Needs       []string          `yaml:"needs"`   // programs without which it cannot run
	Options     map[string]string `yaml:"options"` // of the base
	Vars        map[string]string `yaml:"vars"`
	Setup       string            `yaml:"setup"`
	Trigger     string            `yaml:"trigger"`
	Verify      string            `yaml:"verify"`
	Fix         string            `yaml:"fix"`
	Before      string            `yaml:"before"`       // runs before the base comes up
	Fast        bool              `yaml:"fast"`         // one of the few that `make test` runs
	HealthyToo  bool              `yaml:"healthy_too"`  // the target counts as well in spite of the finding (severity info)
	Rows        []yaml.Node       `yaml:"rows"`         // scenarios.yaml: each overlays the file's own keys
	Skip        string            `yaml:"skip"`         // why it is not run
	Seedless    bool              `yaml:"seedless"`     // names and addresses never vary
	FixOptional bool              `yaml:"fix_optional"` // nobody can mend it from here: not counted under "fix works"

	Dir string `yaml:"-"` // where it lies
	Set string `yaml:"-"` // the folder above it, as a name: "endpoint"
}

// Goal is what is diagnosed.
type Goal struct {
	Order        string   `yaml:"order"`         // an order of the base's server
	Host         string   `yaml:"host"`          // or a host, with or without port
	Method       string   `yaml:"method"`        // --method
	ExpectIssuer string   `yaml:"expect_issuer"` // --expect-issuer
	Args         []string `yaml:"args"`          // further arguments of certwright diagnose
	Later        bool     `yaml:"later"`         // it comes into being in setup: before that, {{target}} must be green
}

// Load finds all scenarios at or below the directories. A scenario whose file cannot be read is an error:
// one that silently does not run would look like one that passed.
func Load(dirs []string) ([]*Spec, error) {
	var all []*Spec
	for _, dir := range dirs {
		before := len(all)
		err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			if b := d.Name(); b != "scenario.yaml" && b != "scenarios.yaml" {
				return nil
			}
			list, err := readFile(name)
			all = append(all, list...)
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(all) == before {
			return nil, fmt.Errorf("%s holds no scenario.yaml and no scenarios.yaml, nor does a folder below it", dir)
		}
	}
	slices.SortStableFunc(all, func(a, b *Spec) int { return strings.Compare(a.Set+"/"+a.ID, b.Set+"/"+b.ID) })
	return all, nil
}

// readFile reads one scenario.yaml, or all rows of a scenarios.yaml.
func readFile(name string) ([]*Spec, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	base, err := parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	base.place(abs)
	if len(base.Rows) == 0 {
		return []*Spec{base}, base.complete(name)
	}
	var all []*Spec
	for i, row := range base.Rows {
		s, err := base.with(&row, string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: row %d: %w", name, i+1, err)
		}
		s.place(abs)
		if s.ID == "" || s.ID == base.ID {
			return nil, fmt.Errorf("%s: row %d: has no id of its own", name, i+1)
		}
		if err := s.complete(name); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// parse decodes a file; an unknown key is an error.
func parse(text string) (*Spec, error) {
	d := yaml.NewDecoder(strings.NewReader(shield(text)))
	d.KnownFields(true)
	s := &Spec{}
	if err := d.Decode(s); err != nil {
		return nil, fmt.Errorf("not a scenario: %w", err)
	}
	return s, nil
}

// with lays a row over the file's own keys. Its `vars` add to those of the file.
func (s *Spec) with(row *yaml.Node, text string) (*Spec, error) {
	out, err := parse(text)
	if err != nil {
		return nil, err
	}
	vars := out.Vars
	out.Rows, out.Vars = nil, nil
	b, err := yaml.Marshal(row)
	if err != nil {
		return nil, err
	}
	d := yaml.NewDecoder(strings.NewReader(string(b)))
	d.KnownFields(true)
	if err := d.Decode(out); err != nil {
		return nil, err
	}
	for k, v := range vars {
		if out.Vars == nil {
			out.Vars = map[string]string{}
		}
		if _, own := out.Vars[k]; !own {
			out.Vars[k] = v
		}
	}
	return out, nil
}

// place notes where the scenario lies, and reads the script files that stand there in place of inline text.
func (s *Spec) place(dir string) {
	s.Dir = dir
	parts := strings.Split(filepath.ToSlash(dir), "/")
	s.Set = parts[max(0, len(parts)-2)]
	if len(s.Rows) > 0 || s.Set == "scenarios" {
		s.Set = parts[len(parts)-1]
	}
	for file, into := range map[string]*string{"setup.sh": &s.Setup, "verify.sh": &s.Verify, "fix.sh": &s.Fix, "trigger.sh": &s.Trigger, "before.sh": &s.Before} {
		if b, err := os.ReadFile(filepath.Join(dir, file)); err == nil && *into == "" {
			*into = string(b)
		}
	}
}

// complete fills what is left out and checks what is there.
func (s *Spec) complete(name string) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%s: scenario %q: %s", name, s.ID, fmt.Sprintf(format, args...))
	}
	if s.ID == "" {
		return bad("it has no id")
	}
	if s.Kind == "" {
		s.Kind = KindFault
	}
	if !slices.Contains([]string{KindFault, KindCompound, KindUnlisted, KindHealthy}, s.Kind) {
		return bad("kind %q is none of fault, compound, unlisted, healthy", s.Kind)
	}
	if s.Kind != KindHealthy && s.Leg != "" && !slices.Contains(diagnose.Legs(), s.Leg) {
		return bad("leg %q is none of %s", s.Leg, strings.Join(diagnose.Legs(), ", "))
	}
	if s.Goal.Order == "" && s.Goal.Host == "" {
		s.Goal.Host = "{{target}}"
	}
	if s.Base == "" {
		s.Base = "host"
		if s.Goal.Order != "" {
			s.Base = "order"
		}
	}
	if _, ok := bases[s.Base]; !ok {
		return bad("base %q is none of %s", s.Base, strings.Join(baseNames(), ", "))
	}
	if s.Kind == KindHealthy && len(s.Expected) > 0 {
		return bad("a healthy one expects no finding")
	}
	if s.Kind != KindHealthy && len(s.Expected) == 0 && (s.Kind != KindUnlisted || s.Leg == "") {
		return bad("expected is empty")
	}
	for _, g := range append(slices.Clone(s.Expected), s.Forbidden...) {
		if _, err := path.Match(g, "x"); err != nil {
			return bad("%q is no pattern", g)
		}
	}
	if s.MaxSeconds == 0 {
		s.MaxSeconds = 15
		if s.Timeout {
			s.MaxSeconds = 40
		}
	}
	return nil
}

// shield keeps {{placeholders}} that stand unquoted from being read as YAML's own braces.
func shield(text string) string { return placeholder.ReplaceAllString(text, "\u27e6$1\u27e7") }

var placeholder = regexp.MustCompile(`\{\{\s*([A-Za-z][A-Za-z0-9_]*)\s*\}\}`)

// fill replaces {{name}} by the variable's value, in lower or upper case. What is unknown stays.
func fill(text string, vars map[string]string) string {
	text = strings.NewReplacer("\u27e6", "{{", "\u27e7", "}}").Replace(text)
	if !strings.Contains(text, "{{") {
		return text
	}
	var pairs []string
	for k, v := range vars {
		pairs = append(pairs, "{{"+k+"}}", v, "{{"+strings.ToLower(k)+"}}", v, "{{ "+strings.ToLower(k)+" }}", v)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// filled is the scenario with its placeholders replaced.
func (s Spec) filled(vars map[string]string) *Spec {
	all := map[string]string{}
	for k, v := range vars {
		all[k] = v
	}
	for k, v := range s.Vars {
		all[strings.ToUpper(k)] = fill(v, vars)
	}
	list := func(in []string) []string {
		var out []string
		for _, x := range in {
			out = append(out, fill(x, all))
		}
		return out
	}
	for _, p := range []*string{&s.Title, &s.Goal.Order, &s.Goal.Host, &s.Goal.Method, &s.Goal.ExpectIssuer, &s.Setup, &s.Trigger, &s.Verify, &s.Fix, &s.Before} {
		*p = fill(*p, all)
	}
	s.Goal.Args, s.MustCite, s.Expected, s.AlsoTrue = list(s.Goal.Args), list(s.MustCite), list(s.Expected), list(s.AlsoTrue)
	options := map[string]string{}
	for k, v := range s.Options {
		options[k] = fill(v, all)
	}
	s.Options, s.Vars = options, all
	return &s
}
