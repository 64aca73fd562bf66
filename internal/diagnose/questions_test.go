package diagnose

import (
	"slices"
	"strings"
	"testing"
	"time"

	"certwright/internal/evidence"
)

// What is asked is what tells apart what remains: nothing where all is decided, and an answer ends it.
func TestQuestionsSplit(t *testing.T) {
	p := newPKI(t)
	w := world{p, t}
	old := w.good(dates(noon.AddDate(0, 0, -60), noon.AddDate(0, 0, 30)))
	named, bare := shake(v4, host, "any", w.good()), shake(v4, "", "any", old)
	denied := lookAt("proof", three(got(403, "")), nil)
	denied.Tries[0].Took = 500 * time.Millisecond
	for _, tt := range []struct {
		title string
		obs   []evidence.Observation
		want  string
	}{
		{"healthy", w.around(v4, w.good()), ""},
		{"decided", w.around(v4, w.good(dates(noon.AddDate(0, 0, -95), noon.AddDate(0, 0, -5)))), ""},
		{"possible, and no look would tell", w.around(v4, chainOf(p.leafFor(t, []string{host}))), ""},
		{"old without a name, seen once", []evidence.Observation{named, bare}, "again " + v4 + " 200ms"},
		{"old without a name, seen again", []evidence.Observation{named, bare, shookAgain(v4, named, bare, bare, named)}, ""},
		{"denied, nobody else was asked", observed([]evidence.Challenge{denied}), "by-agent 192.0.2.1:80 7s"},
		{"denied, each always alike", observed([]evidence.Challenge{lookAt("proof", three(got(403, "")), compared(404, 404, 404, 404))}), ""},
	} {
		var got []string
		for _, q := range (Case{Target: host, Now: noon, Options: Options{Roots: p.roots, ServerName: host}}).Open(tt.obs) {
			if q.Why == "" || q.What == evidence.AskAgain && len(q.Offers) == 0 {
				t.Errorf("%s: %+v", tt.title, q)
			}
			got = append(got, q.What+" "+q.Address+" "+q.Cost.String())
		}
		if s := strings.Join(got, "; "); s != tt.want {
			t.Errorf("%s: asks %q, want %q", tt.title, s, tt.want)
		}
	}
}

// A sign that all of what remains takes in the same way splits nothing: it is not asked for.
func TestWhatDoesNotSplitIsNotAsked(t *testing.T) {
	row := func(id string, must, not []sign) *candidate {
		s := newScope(perChallenge, "x", "x")
		s.questions = []evidence.Question{{Address: "192.0.2.1:80"}}
		s.set(hBad, true)
		s.unknown(hAgent, "not asked")
		return &candidate{row: &Row{ID: id, Must: must, MustNot: not}, verdict: possible, scopes: []*scope{s}}
	}
	a, b, c := row("a", []sign{hBad, hAgent}, nil), row("b", []sign{hBad, hAgent}, nil), row("c", []sign{hBad}, []sign{hAgent})
	for _, tt := range []struct {
		group []*candidate
		asked int
	}{{[]*candidate{a}, 1}, {[]*candidate{a, b}, 0}, {[]*candidate{a, c}, 1}, {[]*candidate{a, b, c}, 1}} {
		n := 0
		tt.group[0].ask(tt.group, func(evidence.Question) { n++ })
		if n != tt.asked {
			t.Errorf("%d of the group: asked %d, want %d", len(tt.group), n, tt.asked)
		}
	}
}

// What could not be asked is said where it is missed, and is a blind spot.
func TestWhatWasNotAskedIsSaid(t *testing.T) {
	p := newPKI(t)
	w := world{p, t}
	obs := []evidence.Observation{shake(v4, host, "any", w.good()), shake(v4, "", "any", w.good(dates(noon.AddDate(0, 0, -60), noon.AddDate(0, 0, 30))))}
	c := Case{Target: host, Now: noon, Options: Options{Roots: p.roots, ServerName: host}}
	q := c.Open(obs)[0]
	o := evidence.Observation{Probe: evidence.ProbeTLS, Check: evidence.CheckQuestion, Subject: q.About(), Outcome: evidence.Unknown, Reason: "no time was left", At: noon}
	c.Observations = append(obs, o.With(q))
	r := c.Judge()
	if len(r.Findings) != 1 || r.Findings[0].Certainty != Possible || !strings.Contains(r.Findings[0].Cause, "(no time was left)") ||
		slices.ContainsFunc(r.Findings[0].RuledOut, func(o RuledOut) bool { return o.ID == "sync-one-node-stale" }) || len(r.BlindSpots) == 0 {
		t.Errorf("%s: %+v, blind %v", brief(r), r.Findings, r.BlindSpots)
	}
}
