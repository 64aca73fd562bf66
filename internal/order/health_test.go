package order

import (
	"testing"
	"time"
)

func ailment(id string) *Finding {
	leg := map[string]string{"dns-nxdomain": "dns", "unknown": "deploy"}[id]
	if leg == "" {
		leg = "endpoint"
	}
	return &Finding{ID: id, Leg: leg, Severity: "critical", Title: "It is " + id, Fix: "Mend it"}
}

// watchOf is an order that is only examined, at times given in minutes.
type watchOf struct {
	o    *Order
	now  time.Time
	pace Pace
}

func newWatch() *watchOf {
	now := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	o := &Order{ID: Short("www"), Kind: Ordered, Created: now, Ordered: now}
	return &watchOf{o: o, now: now, pace: Pace{Well: ExamineEvery, Hold: HoldFor}}
}

// look examines after a while and gives the events' names.
func (w *watchOf) look(after time.Duration, f *Finding) string {
	w.now = w.now.Add(after)
	said := ""
	for _, e := range w.o.Apply(w.now, Examined{Finding: f, Pace: w.pace}) {
		if said != "" {
			said += " "
		}
		said += e.Name
	}
	return said
}

// TestTransitions: what is told of a row of looks. Each look is a minute after the one before, unless it says otherwise.
func TestTransitions(t *testing.T) {
	t.Parallel()
	const well = ""
	type look struct {
		id    string // of the finding, empty = well
		after time.Duration
		want  string // events
	}
	min := time.Minute
	for name, looks := range map[string][]look{
		"well stays quiet":             {{well, min, ""}, {well, min, ""}, {well, 24 * time.Hour, ""}},
		"told at the second look":      {{"tls-expired", min, ""}, {"tls-expired", min, FindingAppeared}},
		"repetitions are not told":     {{"tls-expired", min, ""}, {"tls-expired", min, FindingAppeared}, {"tls-expired", min, ""}, {"tls-expired", 24 * time.Hour, ""}},
		"two looks at once are one":    {{"tls-expired", min, ""}, {"tls-expired", time.Second, ""}, {"tls-expired", time.Second, ""}, {"tls-expired", min, FindingAppeared}},
		"told once it has held":        {{"tls-expired", min, ""}, {"tls-expired", 11 * min, FindingAppeared}},
		"a blink is not told":          {{"tls-expired", min, ""}, {well, min, ""}, {"tls-expired", min, ""}, {well, min, ""}},
		"well is told once":            {{"tls-expired", min, ""}, {"tls-expired", min, FindingAppeared}, {well, min, FindingCleared}, {well, min, ""}, {well, min, ""}},
		"another fault is a change":    {{"tls-expired", min, ""}, {"tls-expired", min, FindingAppeared}, {"dns-nxdomain", min, ""}, {"dns-nxdomain", min, FindingChanged}, {well, 7 * time.Hour, FindingCleared}},
		"another fault for a moment":   {{"tls-expired", min, ""}, {"tls-expired", min, FindingAppeared}, {"dns-nxdomain", min, ""}, {"tls-expired", min, ""}, {"tls-expired", min, ""}},
		"two faults, neither holds":    {{"tls-expired", min, ""}, {"dns-nxdomain", min, ""}, {"tls-expired", min, ""}, {"dns-nxdomain", min, ""}},
		"after a flap well must hold":  {{"tls-expired", min, ""}, {"tls-expired", min, FindingAppeared}, {well, min, FindingCleared}, {"tls-expired", min, ""}, {"tls-expired", min, ""}, {"tls-expired", min, FindingAppeared}, {well, min, ""}, {well, min, ""}, {well, min, FindingCleared}},
		"a quiet day forgets flapping": {{"tls-expired", min, ""}, {"tls-expired", min, FindingAppeared}, {well, min, FindingCleared}, {well, 24 * time.Hour, ""}, {"tls-expired", min, ""}, {"tls-expired", min, FindingAppeared}, {well, 24 * time.Hour, FindingCleared}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatch()
			for i, l := range looks {
				var f *Finding
				if l.id != well {
					f = ailment(l.id)
				}
				if got := w.look(l.after, f); got != l.want {
					t.Fatalf("look %d (%s): told %q, want %q", i+1, l.id, got, l.want)
				}
			}
		})
	}
}

// The same fault with other words and numbers is the same; a cause without a name is told apart by its place.
// TestGraverIsTold: the same fault that becomes graver is told once, when two looks saw it; that it eases is not.
func TestGraverIsTold(t *testing.T) {
	t.Parallel()
	w := newWatch()
	for i, l := range []struct {
		severity string
		after    time.Duration
		want     string
	}{
		{"warning", time.Minute, ""}, {"warning", time.Minute, FindingAppeared}, {"warning", time.Minute, ""},
		{"critical", time.Minute, ""}, {"warning", time.Minute, ""}, // for a moment only
		{"critical", time.Minute, ""}, {"critical", time.Second, ""}, {"critical", time.Minute, FindingChanged}, {"critical", time.Minute, ""},
		{"warning", time.Minute, ""}, {"warning", time.Hour, ""}, {"critical", time.Minute, ""}, {"critical", time.Minute, ""}, // it was told to be critical
		{"", time.Minute, FindingCleared},
		{"warning", 8 * time.Hour, ""}, {"warning", time.Minute, FindingAppeared}, {"critical", time.Hour, ""}, {"critical", 11 * time.Minute, FindingChanged},
	} {
		var f *Finding
		if l.severity != "" {
			f = ailment("tls-leaf-expiring")
			f.Severity = l.severity
		}
		if got := w.look(l.after, f); got != l.want {
			t.Fatalf("look %d (%s): told %q, want %q", i+1, l.severity, got, l.want)
		}
		if l.want == FindingChanged {
			if h := w.o.Health; h.Was.Severity != "critical" || h.Finding.First.Equal(w.now) || h.Flips != 0 && i < 10 {
				t.Errorf("look %d: %+v", i+1, h)
			}
		}
	}
}

func TestSameCause(t *testing.T) {
	t.Parallel()
	w := newWatch()
	w.pace.Hold = 0
	if got := w.look(time.Minute, ailment("tls-expired")); got != FindingAppeared {
		t.Fatalf("with no time to hold: %q", got)
	}
	other := ailment("tls-expired")
	other.Title, other.Severity = "It expired 3 days ago", "warning"
	if got := w.look(time.Minute, other); got != "" || w.o.Health.Finding.Title != other.Title {
		t.Errorf("other numbers: told %q, keeps %q", got, w.o.Health.Finding.Title)
	}
	if first := w.o.Health.Finding.First; !first.Equal(w.now.Add(-time.Minute)) {
		t.Errorf("first seen %s", first)
	}
	if got := w.look(time.Minute, ailment("unknown")); got != FindingChanged {
		t.Errorf("another: %q", got)
	}
	elsewhere := ailment("unknown")
	elsewhere.Leg = "vault"
	if got := w.look(time.Minute, elsewhere); got != FindingChanged {
		t.Errorf("in another place: %q", got)
	}
}

func TestBlindLooksSayNothing(t *testing.T) {
	t.Parallel()
	w := newWatch()
	w.look(time.Minute, ailment("tls-expired"))
	w.look(time.Minute, ailment("tls-expired"))
	w.now = w.now.Add(time.Minute)
	events := w.o.Apply(w.now, Examined{Blind: true, Pace: w.pace})
	if h := w.o.Health; len(events) != 0 || h.Finding == nil || !h.Looked.Equal(w.now) || h.Looks != 2 {
		t.Errorf("a look that saw nothing: events %v, health %+v", events, h)
	}
}

// The event says all that a notification needs, and the chain of events stays whole.
func TestEventOfAFinding(t *testing.T) {
	t.Parallel()
	w := newWatch()
	f := ailment("dns-nxdomain")
	by := w.now.Add(24 * time.Hour)
	f.Cause, f.Command, f.Owner, f.Deadline, f.Since = "The name is gone", "dig www", OwnerOwner, &by, w.now.Add(-time.Hour)
	w.pace.Hold = 0
	w.now = w.now.Add(time.Minute)
	e := w.o.Apply(w.now, Examined{Finding: f, Pace: w.pace})[0]
	for k, want := range map[string]string{"finding": "dns-nxdomain", "leg": "dns", "severity": "critical", "title": f.Title, "cause": f.Cause, "fix": f.Fix,
		"command": "dig www", "owner": OwnerOwner, "since": stamp(f.Since), "deadline": stamp(by)} {
		if e.Properties[k] != want {
			t.Errorf("%s is %q, want %q", k, e.Properties[k], want)
		}
	}
	if e.Stage != StageVerify || e.Status != Failed || e.Level != Critical || !IsTransition(&e) || e.Correlation != "" {
		t.Errorf("event %+v", e)
	}
	w.now = w.now.Add(7 * time.Hour)
	e = w.o.Apply(w.now, Examined{Pace: w.pace})[0]
	if e.Name != FindingCleared || e.Status != Succeeded || e.Properties["was"] != "dns-nxdomain" || e.Level != Informational {
		t.Errorf("event %+v", e)
	}
}

func TestWhenToExamine(t *testing.T) {
	t.Parallel()
	w := newWatch()
	between := func(what string, at time.Time, from, to time.Duration) {
		t.Helper()
		if d := at.Sub(w.now); d < from || d > to {
			t.Errorf("%s: examined after %s, want %s to %s", what, d, from, to)
		}
	}
	between("a new order", w.o.Project(w.now).Examine, ExamineEvery*9/10, ExamineEvery)
	w.look(time.Hour, nil)
	between("one that is well", w.o.Project(w.now).Examine, ExamineEvery*9/10, ExamineEvery)
	w.look(time.Hour, ailment("tls-expired"))
	between("a fault seen once", w.o.Examine(), lookApart, time.Minute)
	w.look(time.Minute, ailment("tls-expired"))
	between("a fault that was told", w.o.Examine(), time.Minute, time.Minute)
	w.look(24*time.Hour, ailment("tls-expired"))
	between("an old fault", w.o.Examine(), examineLatest, examineLatest)
	canceled := w.now
	w.o.Canceled = &canceled
	if p := w.o.Project(w.now); p.Finding != "" || p.Examine.IsZero() {
		t.Errorf("a canceled order shows %q, examined %s", p.Finding, p.Examine)
	}
	if got := w.look(time.Minute, ailment("tls-expired")); got != FindingCleared || !w.o.Examine().IsZero() {
		t.Errorf("canceled: told %q, examined %s", got, w.o.Examine())
	}
}
