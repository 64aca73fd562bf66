package diagnose

import (
	"strings"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/secret"
)

func historyOf(failed time.Time, changes ...evidence.Change) evidence.Observation {
	o := evidence.Observation{Probe: evidence.ProbeOrder, Check: evidence.CheckChanges, Subject: "changes", Outcome: evidence.Pass, Seen: "changes", From: "test", At: noon, Command: "certwright timeline www"}
	h := evidence.History{Changes: changes}
	if !failed.IsZero() {
		h.Failed = &failed
	}
	return o.With(h)
}

// A change to what a finding is about is said with who and how long before the first failure, and only then; a bundle says the same.
func TestAChangeShortlyBeforeIsSaid(t *testing.T) {
	failed := noon.Add(-time.Hour)
	by := func(kind, name string, before time.Duration) evidence.Change {
		return evidence.Change{Kind: kind, Name: name, Who: "bert", What: "It was changed by bert.", At: failed.Add(-before)}
	}
	site, _, _ := strings.Cut(ordered(nil).Deployments[0].Key(), "/")
	for _, tt := range []struct {
		title string
		obs   []evidence.Observation
		want  string
	}{
		{"nothing is recorded", nil, ""},
		{"its site", []evidence.Observation{historyOf(failed, by("site", site, 4*time.Minute))}, "was changed by bert at 2026-11-23 10:56:00 UTC, 4 minutes before the first failure."},
		{"the last of two", []evidence.Observation{historyOf(failed, by("site", site, 40*time.Minute), by("site", site, 2*time.Minute))}, "2 minutes before the first failure"},
		{"no failure is recorded yet", []evidence.Observation{historyOf(time.Time{}, by("site", site, -50*time.Minute))}, "10 minutes before it was first seen"},
		{"long before", []evidence.Observation{historyOf(failed, by("site", site, 5*time.Hour))}, ""},
		{"after it", []evidence.Observation{historyOf(failed, by("site", site, -4*time.Minute))}, ""},
		{"another site", []evidence.Observation{historyOf(failed, by("site", "other", 4*time.Minute))}, ""},
	} {
		c := Case{Target: "www", Now: noon, Path: road(newFiles, oldWire), Observations: tt.obs, Options: Options{Order: ordered(receipt(nil))}}
		r := c.Judge()
		f := r.Findings[0]
		said := strings.Contains(f.Cause, "bert")
		if f.ID != "sync-reload-not-run" || said != (tt.want != "") || !strings.Contains(f.Cause, tt.want) {
			t.Errorf("%s: %s: %s", tt.title, f.ID, f.Cause)
		}
		quoted := false
		for _, e := range f.Evidence {
			quoted = quoted || e.Seen == "It was changed by bert"
		}
		if quoted != said {
			t.Errorf("%s: quoted %v, said %v", tt.title, quoted, said)
		}
		b, err := NewBundle(c, "test", secret.Scrubber{})
		if err != nil || len(b.Report.Findings) == 0 || b.Report.Findings[0].Cause != f.Cause {
			t.Errorf("%s: the bundle says otherwise: %v %s", tt.title, err, brief(b.Report))
		}
	}
}

// Of two findings that weigh the same in all else, the one whose object was changed stands first, and the reason is said.
func TestAChangeDecidesBetweenEquals(t *testing.T) {
	make := func(id string, prior int) *candidate {
		return &candidate{row: &Row{ID: id, Node: nodeFile, Must: []sign{tOld}}, verdict: confirmed, prior: prior}
	}
	a, b := make("a", 1), make("b", 2)
	if !before(a, b) || before(b, a) {
		t.Error("the more frequent one stands first where nothing was changed")
	}
	b.changed = &change{at: noon}
	if before(a, b) || !before(b, a) || !strings.Contains(whyBefore(b, a), "changed shortly before the first failure") {
		t.Errorf("%s", whyBefore(b, a))
	}
	a.row.Must = append(a.row.Must, tFilesNew)
	if !before(a, b) {
		t.Error("what is more specific stands first all the same")
	}
}
