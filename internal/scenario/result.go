package scenario

import (
	"encoding/json"
	"path"
	"slices"
	"strings"

	"certwright/internal/diagnose"
)

// Outcomes of a run.
const (
	Hit    = "hit"
	Miss   = "miss"
	Broken = "broken" // the scenario itself does not hold: nothing is said about the product
	Skip   = "skip"
)

// Result is what one run of one scenario showed.
type Result struct {
	Set     string `json:"set"`
	ID      string `json:"id"`
	Title   string `json:"title,omitempty"`
	Kind    string `json:"kind"`
	Leg     string `json:"leg,omitempty"`
	Stack   string `json:"stack,omitempty"`
	Dir     string `json:"dir"`
	Seed    uint64 `json:"seed"`
	Outcome string `json:"outcome"`
	Why     string `json:"why,omitempty"`   // of a miss, a broken or a skipped one
	Again   bool   `json:"again,omitempty"` // the second run of one that was broken (with Options.Twice: or missed) at first
	First   string `json:"first,omitempty"` // outcome of that first run

	Expected  []string `json:"expected,omitempty"`
	Found     []string `json:"found"` // ids of the findings, in their order
	Top1      bool     `json:"top1"`
	Top3      bool     `json:"top3"`
	RightLeg  bool     `json:"rightLeg"`
	Forbidden []string `json:"forbidden,omitempty"` // ids that must not be among the first three, and are
	False     bool     `json:"falseAlarm,omitempty"`
	Cited     bool     `json:"cited"`
	Rechecked string   `json:"rechecked,omitempty"` // "ok", or what went wrong with a command of the evidence

	FixBy    string   `json:"fixBy,omitempty"` // action, command, script
	FixWorks bool     `json:"fixWorks"`
	FixWhy   string   `json:"fixWhy,omitempty"`
	Tried    []string `json:"tried,omitempty"` // what healed nothing before
	FixAsked bool     `json:"fixAsked"`        // a fix was to be shown

	Millis  int64 `json:"ms"`    // of the diagnosis
	TotalMs int64 `json:"total"` // of the whole run
	CPUMs   int64 `json:"cpu"`   // of all that ran in its namespaces
	Timeout bool  `json:"timeout,omitempty"`

	Steps stopwatch `json:"steps,omitempty"`

	Baselines map[string]bool   `json:"baselines,omitempty"` // by name: whether it would have been right
	Said      map[string]string `json:"said,omitempty"`      // what each said
	Control   *bool             `json:"control,omitempty"`   // right with the rows' ids shuffled among twins

	Report json.RawMessage `json:"report,omitempty"`
	Log    string          `json:"log,omitempty"`
}

// is matches an id against patterns ("dns-*").
func is(id string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { ok, _ := path.Match(p, id); return ok })
}

// score holds a report against what the scenario expects.
func (r *Result) score(s *Spec, rep diagnose.Report) {
	r.Found = []string{}
	serious := 0
	for _, f := range rep.Findings {
		r.Found = append(r.Found, f.ID)
		if f.Severity != diagnose.Info {
			serious++
		}
	}
	first3 := r.Found[:min(3, len(r.Found))]
	for _, id := range first3 {
		if is(id, s.Forbidden) {
			r.Forbidden = append(r.Forbidden, id)
		}
	}
	if s.Kind == KindHealthy {
		r.healthy(s, rep, serious)
		return
	}
	if len(rep.Findings) == 0 {
		r.miss("no finding")
		return
	}
	first := rep.Findings[0]
	r.RightLeg = s.Leg == "" || first.Leg == s.Leg
	r.Top1, r.Top3 = is(first.ID, s.Expected), slices.ContainsFunc(first3, func(id string) bool { return is(id, s.Expected) })
	if s.Kind == KindUnlisted && !r.Top1 {
		// A cause that no row has: the honest answer names the leg and does not pretend.
		r.Top1 = r.RightLeg && (first.ID == diagnose.Unnamed || strings.HasSuffix(first.ID, "-"+diagnose.Unnamed) || first.Certainty == diagnose.Possible)
		r.Top3 = r.Top1
	}
	r.cite(s, rep)
	switch {
	case !r.Top1:
		r.miss("first is " + first.ID + ", expected " + strings.Join(s.Expected, " or "))
	case len(r.Forbidden) > 0:
		r.miss("forbidden among the first three: " + strings.Join(r.Forbidden, ", "))
	case rep.Healthy && !s.HealthyToo:
		r.miss("it calls the target healthy")
	case !r.Cited:
		r.miss("the first finding's evidence does not show " + strings.Join(s.MustCite, ", "))
	default:
		r.Outcome = Hit
	}
	said := slices.Concat(r.Found, first.Consequences)
	for _, want := range s.AllOf {
		if !slices.ContainsFunc(said, func(id string) bool { return is(id, []string{want}) }) {
			r.miss(want + " is neither a finding nor a consequence of the first")
		}
	}
}

func (r *Result) healthy(s *Spec, rep diagnose.Report, serious int) {
	r.Top1, r.Top3, r.RightLeg, r.Cited = true, true, true, true
	r.Outcome = Hit
	switch {
	case serious > 0:
		r.False, r.Top1, r.Top3 = true, false, false
		r.miss("false alarm: " + strings.Join(r.Found, ", "))
	case len(r.Forbidden) > 0:
		r.miss("forbidden: " + strings.Join(r.Forbidden, ", "))
	case !rep.Healthy:
		r.False = true
		r.miss("not called healthy")
	}
}

// cite says whether the first finding shows what must be cited.
func (r *Result) cite(s *Spec, rep diagnose.Report) {
	f := rep.Findings[0]
	text := f.Title + "\n" + f.Cause
	for _, e := range f.Evidence {
		text += "\n" + strings.Join([]string{e.Probe, e.Subject, e.Expected, e.Seen, e.Command}, "\n")
	}
	r.Cited = !slices.ContainsFunc(s.MustCite, func(c string) bool { return !strings.Contains(strings.ToLower(text), strings.ToLower(c)) })
}

func (r *Result) miss(why string) {
	r.Outcome = Miss
	if r.Why != "" {
		why = r.Why + "; " + why
	}
	r.Why = why
}
