package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"certwright/internal/diagnose"
)

func TestRowsOverlayTheirFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "endpoint")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	text := `
leg: endpoint
expected: [tls-name-mismatch]
vars: {wrong: "other.{{zone}}", both: file}
setup: |
  mint -names {{wrong}} {{ZONE}} "$NAME" {{unknown}}
rows:
  - {id: a}
  - {id: b, stack: haproxy, vars: {wrong: "{{zone}}"}, goal: {host: "{{target}}", args: ["--x", "{{both}}"]}}
`
	if err := os.WriteFile(filepath.Join(dir, "scenarios.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	list, err := Load([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].ID != "a" || list[1].Stack != "haproxy" || list[1].Leg != "endpoint" {
		t.Fatalf("the rows are not as written: %+v", list)
	}
	vars := map[string]string{"ZONE": "z.example", "TARGET": "www.z.example:8443"}
	a, b := list[0].filled(vars), list[1].filled(vars)
	if want := "mint -names other.z.example z.example \"$NAME\" {{unknown}}\n"; a.Setup != want {
		t.Errorf("setup of a is %q, want %q", a.Setup, want)
	}
	if !strings.HasPrefix(b.Setup, "mint -names z.example ") || b.Goal.Host != "www.z.example:8443" || b.Goal.Args[1] != "file" {
		t.Errorf("b is not filled: %+v", b)
	}
}

func TestBadFilesAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"unknown key":       "id: x\nexpected: [y]\nexpcted: [z]\n",
		"no id":             "expected: [y]\n",
		"nothing expected":  "id: x\n",
		"no such kind":      "id: x\nkind: ill\nexpected: [y]\n",
		"no such base":      "id: x\nbase: moon\nexpected: [y]\n",
		"healthy, expected": "id: x\nkind: healthy\nexpected: [y]\n",
		"no pattern":        "id: x\nexpected: [\"[\"]\n",
		"row without id":    "expected: [y]\nrows: [{title: x}]\n",
	} {
		file := filepath.Join(t.TempDir(), "scenario.yaml")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if list, err := Load([]string{filepath.Dir(file)}); err == nil {
			t.Errorf("%s: was taken: %+v", name, list)
		}
	}
	if _, err := Load([]string{t.TempDir()}); err == nil {
		t.Error("a folder without scenarios was taken")
	}
}

func TestSeedsVaryAndRepeat(t *testing.T) {
	s := &Spec{ID: "x"}
	a, b, again := varsOf(s, 1), varsOf(s, 2), varsOf(s, 1)
	if a["NAME"] == b["NAME"] && a["ADDR4"] == b["ADDR4"] {
		t.Error("two seeds give the same world")
	}
	for k, v := range a {
		if again[k] != v {
			t.Errorf("%s differs for the same seed: %q and %q", k, v, again[k])
		}
	}
	if c := varsOf(&Spec{ID: "y"}, 1); c["ADDR4"] == a["ADDR4"] {
		t.Error("two scenarios of a seed share an address")
	}
}

func TestScores(t *testing.T) {
	finding := func(id, leg, severity string) diagnose.Finding {
		return diagnose.Finding{ID: id, Leg: leg, Severity: severity, Title: "about " + id}
	}
	report := func(healthy bool, f ...diagnose.Finding) diagnose.Report {
		return diagnose.Report{Healthy: healthy, Findings: f}
	}
	spec := &Spec{ID: "x", Kind: KindFault, Leg: "dns", Expected: []string{"dns-a"}, Forbidden: []string{"tls-*"}}
	a, b, c := finding("dns-a", "dns", "critical"), finding("dns-b", "dns", "critical"), finding("tls-c", "endpoint", "critical")
	for name, tc := range map[string]struct {
		spec             *Spec
		rep              diagnose.Report
		outcome          string
		top1, top3, wide bool
	}{
		"right":                   {spec, report(false, a), Hit, true, true, true},
		"right but forbidden":     {spec, report(false, a, c), Miss, true, true, true},
		"second":                  {spec, report(false, b, a), Miss, false, true, true},
		"fourth":                  {spec, report(false, b, b, b, a), Miss, false, false, true},
		"nothing":                 {spec, report(true), Miss, false, false, false},
		"called healthy":          {spec, report(true, a), Miss, true, true, true},
		"not cited":               {&Spec{Kind: KindFault, Expected: []string{"dns-a"}, MustCite: []string{"serial"}}, report(false, a), Miss, true, true, true},
		"compound, one missing":   {&Spec{Kind: KindCompound, Expected: []string{"dns-*"}, AllOf: []string{"dns-a", "tls-c"}}, report(false, a), Miss, true, true, true},
		"compound, both":          {&Spec{Kind: KindCompound, Expected: []string{"dns-*"}, AllOf: []string{"dns-a", "tls-c"}}, report(false, a, c), Hit, true, true, true},
		"unlisted, honest":        {&Spec{Kind: KindUnlisted, Leg: "dns"}, report(false, finding(diagnose.Unnamed, "dns", "critical")), Hit, true, true, true},
		"unlisted, too sure":      {&Spec{Kind: KindUnlisted, Leg: "dns"}, report(false, a), Miss, false, false, true},
		"healthy":                 {&Spec{Kind: KindHealthy}, report(true, finding("x", "dns", "info")), Hit, true, true, true},
		"healthy, a warning":      {&Spec{Kind: KindHealthy}, report(false, finding("x", "dns", "warning")), Miss, false, false, true},
		"healthy, but not called": {&Spec{Kind: KindHealthy}, report(false), Miss, true, true, true},
	} {
		r := &Result{Kind: tc.spec.Kind}
		r.score(tc.spec, tc.rep)
		if r.Outcome != tc.outcome || r.Top1 != tc.top1 || r.Top3 != tc.top3 || r.RightLeg != tc.wide {
			t.Errorf("%s: %s (%s), top1 %v, top3 %v, leg %v", name, r.Outcome, r.Why, r.Top1, r.Top3, r.RightLeg)
		}
	}
}

func TestNegatedLinesFail(t *testing.T) {
	for in, changed := range map[string]bool{"! trusted": true, "  ! a | grep -q b": true, "! a || true": false, "if ! a; then": false, "await 5 x\n! y": true} {
		if got := mustFail(in); (got != in) != changed {
			t.Errorf("%q became %q", in, got)
		}
	}
}

func TestTextCountsOnlyByItsWords(t *testing.T) {
	if !says("certificate has Expired (leaf)", "tls-leaf-expired") || says("certificate has expired", "tls-leaf-expired") || says("", "tls-x") {
		t.Error("an id counts if all its words stand in the text, and only then")
	}
}
