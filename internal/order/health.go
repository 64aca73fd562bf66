package order

import "time"

// Times of examining, where the configuration says nothing else.
const (
	ExamineEvery = 24 * time.Hour   // an order that is well is examined this often
	HoldFor      = 10 * time.Minute // a change that has held for so long is told, however few looks saw it

	examineSoonest = time.Minute      // between two looks at an order that is not well ...
	examineLatest  = 30 * time.Minute // ... and at one that has not been well for hours
	examinePart    = 6                // the looks come after this part of the time that it has not been well
	lookApart      = 15 * time.Second // looks closer than this are one look
	quietAfter     = 6 * time.Hour    // a state told this long ago is no part of a flapping any more
	mostFlips      = 8                // flapping makes telling slower, up to this much
)

// Finding is what an examination puts first: the root cause, in the words of the report.
type Finding struct {
	ID        string     `json:"id"` // of the fault catalogue
	Leg       string     `json:"leg"`
	Severity  string     `json:"severity"`
	Certainty string     `json:"certainty,omitempty"`
	Title     string     `json:"title"`
	Cause     string     `json:"cause,omitempty"`
	Fix       string     `json:"fix,omitempty"`     // in one line
	Command   string     `json:"command,omitempty"` // that does it
	Owner     string     `json:"owner,omitempty"`   // who must act
	Deadline  *time.Time `json:"deadline,omitempty"`
	Since     time.Time  `json:"since"` // since when it holds, as far as is known: of the path, or the first look that saw it
	First     time.Time  `json:"first"` // the first look that saw it
}

// cause tells one fault from another: the same fault with other numbers is the same cause.
func (f *Finding) cause() string {
	switch {
	case f == nil:
		return ""
	case f.ID == "unknown":
		return f.ID + " " + f.Leg // two causes without a name are one only where they are in one place
	}
	return f.ID
}

// Health is what examinations have said of an order, and what of it was told: an event and a notification
// come of a change that held, never of a look.
type Health struct {
	Looked  time.Time `json:"looked,omitzero"`   // when it was last examined
	Next    time.Time `json:"next,omitzero"`     // when it is to be examined next; zero = as a new one
	Finding *Finding  `json:"finding,omitempty"` // of the last examination; nil = well. Replaced, never changed
	Since   time.Time `json:"since,omitzero"`    // the first of the looks in a row that said so
	Looks   int       `json:"looks,omitempty"`   // how many those are
	Told    string    `json:"told,omitempty"`    // cause that was told last; empty = well
	Was     *Finding  `json:"was,omitempty"`     // the finding that was told last; nil = well
	ToldAt  time.Time `json:"toldAt,omitzero"`
	Flips   int       `json:"flips,omitempty"` // changes told shortly after one another
}

// Pace is how often orders are examined and how long a change has to hold.
type Pace struct {
	Well time.Duration // between two examinations of an order that is well
	Hold time.Duration // a change is told once it has held for so long, or once two looks saw it; 0 = at the first look
}

// Examined is what an examination found. Blind: it could see nothing, so that it says nothing either.
type Examined struct {
	Finding *Finding // the top one; nil = well
	Blind   bool
	Pace    Pace
}

func (r Examined) apply(o *Order, now time.Time) []Event {
	h := &o.Health
	apart := now.Sub(h.Looked) >= lookApart
	h.Looked = now
	if o.retired() {
		r.Finding, r.Blind = nil, false // nothing is wrong with what nobody strives for
	}
	if r.Blind {
		h.Next = now.Add(examineLatest)
		return nil
	}
	h.see(r.Finding, apart, now)
	var events []Event
	if h.changed() && (o.retired() || h.held(r.Pace, now)) {
		events = append(events, o.tell(now))
	}
	h.Next = o.nextExamination(r.Pace, now)
	return events
}

// see takes in one look.
func (h *Health) see(f *Finding, apart bool, now time.Time) {
	if f != nil {
		g := *f
		g.First = now
		if h.Finding.cause() == g.cause() {
			g.First = h.Finding.First
		}
		if g.Since.IsZero() || g.Since.After(g.First) {
			g.Since = g.First
		}
		f = &g
	}
	switch same := h.Finding.cause() == f.cause() && h.Looks > 0 && !graver(f, h.Finding); {
	case !same:
		h.Since, h.Looks = now, 1
	case apart && h.Looks < 1000:
		h.Looks++
	}
	h.Finding = f
}

// changed says whether the last look differs from what was told: another cause, or the same one, graver now.
func (h *Health) changed() bool { return h.Finding.cause() != h.Told || h.rose() }

// rose says whether the fault that was told has become graver since. That it eased is not told: it is still there.
func (h *Health) rose() bool { return h.Finding.cause() == h.Told && graver(h.Finding, h.Was) }

// graver says whether a finding is graver than another; none is graver than nothing.
func graver(f, than *Finding) bool {
	rank := map[string]int{"info": 1, "warning": 2, "critical": 3}
	return f != nil && than != nil && rank[f.Severity] > rank[than.Severity]
}

// held says whether a change is old enough to be told: a fault that two looks saw, an end of it that one
// saw; more where the order has been flapping.
func (h *Health) held(p Pace, now time.Time) bool {
	flips := h.Flips
	if now.Sub(h.ToldAt) >= quietAfter {
		flips = 0
	}
	need := 2 + flips
	if h.Finding == nil {
		need = 1 + flips
	}
	return h.Looks >= need || now.Sub(h.Since) >= p.Hold*time.Duration(1+flips)
}

// Events of a change of health.
const (
	FindingAppeared = "finding-appeared" // well, then not
	FindingChanged  = "finding-changed"  // not well for another cause now, or graver
	FindingCleared  = "finding-cleared"  // well again
)

// tell records the change as told, and is its event.
func (o *Order) tell(now time.Time) Event {
	h := &o.Health
	f, was, rose := h.Finding, h.Was, h.rose()
	switch {
	case h.ToldAt.IsZero() || now.Sub(h.ToldAt) >= quietAfter:
		h.Flips = 0
	case !rose: // growing worse is no flapping
		h.Flips = min(h.Flips+1, mostFlips)
	}
	h.Told, h.Was, h.ToldAt = f.cause(), f, now
	var e Event
	switch {
	case f == nil:
		e = o.event(now, stageOf(was.Leg), FindingCleared, "Well again. It was: %s.", was.Title).with("since", stamp(was.Since), "leg", was.Leg, "severity", was.Severity)
	case was == nil:
		e = o.finding(now, FindingAppeared, "Not well: %s.", f)
	case rose:
		e = o.finding(now, FindingChanged, "Graver now, "+f.Severity+" (was "+was.Severity+"): %s.", f).with("rose", f.Severity)
	default:
		e = o.finding(now, FindingChanged, "Not well for another cause: %s.", f)
	}
	if was != nil {
		e = e.with("was", was.ID, "wasTitle", was.Title, "wasSeverity", was.Severity)
	}
	e.Correlation = "" // it is nobody's command
	return e
}

// finding is the event of a fault, with all that a notification says of it.
func (o *Order) finding(now time.Time, name, text string, f *Finding) Event {
	e := o.event(now, stageOf(f.Leg), name, text, f.Title)
	e.Status, e.Level = Failed, Warning
	if f.Severity == "critical" {
		e.Level = Critical
	}
	e = e.with("finding", f.ID, "leg", f.Leg, "severity", f.Severity, "certainty", f.Certainty, "title", f.Title, "cause", f.Cause,
		"fix", f.Fix, "command", f.Command, "owner", f.Owner, "since", stamp(f.Since))
	if f.Deadline != nil {
		e = e.with("deadline", stamp(*f.Deadline))
	}
	return e
}

// IsTransition says whether an event is a change of an order's health: what notifications are sent of.
func IsTransition(e *Event) bool {
	return e.Name == FindingAppeared || e.Name == FindingChanged || e.Name == FindingCleared
}

// retired says whether nobody strives for the order's certificate any more. A denied order is not: that it
// was denied is a fault.
func (o *Order) retired() bool { return o.DeniedAt == nil && !o.alive() }

// unwell is the finding that lists show: of the last look, unless it no longer matters.
func (o *Order) unwell() *Finding {
	if o.retired() {
		return nil
	}
	return o.Health.Finding
}

// nextExamination is when the order is worth another look.
func (o *Order) nextExamination(p Pace, now time.Time) time.Time {
	h := &o.Health
	switch {
	case h.changed():
		return now.Add(max(lookApart, min(examineSoonest, p.Hold)))
	case h.Finding != nil:
		return now.Add(min(examineLatest, max(examineSoonest, now.Sub(h.Finding.First)/examinePart)))
	}
	return now.Add(o.fallApart(p.Well))
}

// fallApart shortens an interval by up to a tenth, for each order by another part.
func (o *Order) fallApart(d time.Duration) time.Duration {
	return d - time.Duration(float64(d)*spread(o.ID.Key(), "examine")/10)
}

// Examine is when the order is to be examined next, with no failure at all; zero = not again.
func (o *Order) Examine() time.Time {
	h := &o.Health
	switch {
	case o.retired() && h.Finding == nil && h.Told == "":
		return time.Time{}
	case o.retired() || !h.Next.IsZero():
		return h.Next
	}
	return o.Created.Add(o.fallApart(ExamineEvery))
}

// stageOf is the stage of the road that a leg of the diagnosis belongs to.
func stageOf(leg string) StageName {
	switch leg {
	case "caa", "dns", "http", "alpn":
		return StageVerify
	case "order", "renewal":
		return StageIssue
	case "vault":
		return StageStore
	case "deploy":
		return StageDeploy
	case "endpoint":
		return StageServe
	}
	return StageOrder
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
