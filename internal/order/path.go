package order

import (
	"fmt"
	"time"
)

// Times after which a state is called late.
const (
	WatchWarn = 14 * 24 * time.Hour // a watched certificate that ends this soon
	syncLate  = 2 * time.Hour       // a comparison or look overdue by this much: the sweep is not running
)

// weight orders stage states: the heaviest of a path is its worst.
var weight = map[StageState]int{StateFail: 6, Blocked: 5, StateWait: 4, StateUnkno: 3, Disabled: 2, Done: 1, Absent: 0}

// Worst is the stage that decides: the first of the heaviest on the road. A stage that is only blocked
// never decides over the one that blocks it.
func Worst(path []Stage) Stage {
	var w Stage
	for i, s := range path {
		if i == 0 || weight[s.State] > weight[w.State] || (w.State == Blocked && s.State != Blocked && weight[s.State] >= weight[StateWait]) {
			w = s
		}
	}
	if w.State == Done { // all is well: what comes next is the end of the road's next move
		for _, s := range path {
			if s.Stage == StageIssue && s.Next != "" {
				s.State = Done
				return s
			}
		}
	}
	return w
}

// Path is every stage of the road as it stands now. It is computed, never stored.
func (o *Order) Path(now time.Time) []Stage {
	path := []Stage{o.orderStage(now), o.verifyStage(now), o.issueStage(now), o.storeStage(now), o.deployStage(now), o.serveStage(now)}
	if !o.alive() || o.denied(now) {
		rest(path)
	}
	block(path)
	return path
}

// rest stills the stages of an order that strives for nothing any more: they wait for nobody.
func rest(path []Stage) {
	for i := range path[1:] {
		s := &path[i+1]
		if s.State == Done || s.State == Absent {
			continue
		}
		s.State, s.Owner, s.Problem, s.Deadline, s.NextAt = Disabled, "", nil, nil, nil
		s.Next = "nothing more is done here"
		for j := range s.Rows {
			if r := &s.Rows[j]; r.State == StateWait || r.State == Blocked {
				r.State, r.NextAt = Disabled, nil
			}
		}
	}
}

// block marks stages that merely wait for another one: they are blocked when that one failed. A stage
// that waits for nobody else waits for us.
func block(path []Stage) {
	for i := range path {
		s := &path[i]
		if s.State == StateWait && s.Owner == "" {
			if by := blocker(path, i); by != nil {
				s.Next, s.NextAt, s.Owner = fmt.Sprintf("waits for the stage %s", by.Stage), by.NextAt, by.Owner
				if by.State == StateFail {
					s.State = Blocked
				}
			}
		}
		if s.Owner == "" && (s.State == StateWait || s.State == StateFail || s.State == Blocked) {
			s.Owner = OwnerUs
		}
	}
}

// blocker is the stage that a stage waits for: the first before it that failed, else the first that waits.
// What has to be verified is known only once the issuer has taken the order on.
func blocker(path []Stage, i int) *Stage {
	before := path[:i]
	if path[i].Stage == StageVerify && path[i+1].State == StateFail {
		return &path[i+1]
	}
	for _, state := range []StageState{StateFail, StateWait} {
		for j := range before {
			if before[j].State == state {
				return &before[j]
			}
		}
	}
	return nil
}

// roll gives a stage the state of its worst row, with that row's since, problem and next time.
func (s *Stage) roll() {
	if len(s.Rows) == 0 {
		return
	}
	w := 0
	for i := range s.Rows {
		if s.Rows[i].weight() > s.Rows[w].weight() {
			w = i
		}
		if n := s.Rows[i].Version; n > s.Version {
			s.Version, s.Serial = n, s.Rows[i].Serial
		}
	}
	r := s.Rows[w]
	s.State, s.Since, s.Problem, s.NextAt = r.State, r.Since, r.Problem, r.NextAt
	s.Next = r.Text
	if r.Problem != nil {
		s.Owner = r.Problem.Owner
		s.Next = nextWord(r.Problem)
	}
}

// weight of a row in its stage: one that a person switched off says nothing about the others.
func (r *Row) weight() int {
	if r.State == Disabled && r.Problem == nil {
		return weight[Absent]
	}
	return weight[r.State]
}

func nextWord(p *Problem) string {
	switch {
	case p.Fix != "":
		return p.Fix
	case p.Class == Final:
		return "a person must act"
	}
	return "tried again by itself"
}

// moment is a time as people read it.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (o *Order) orderStage(now time.Time) Stage {
	s := Stage{Stage: StageOrder, State: Done, Since: when(o.Ordered)}
	switch {
	case o.Deleting && (o.Revoking == nil || o.RevokedAt != nil):
		s.State, s.Since, s.Owner, s.Next, s.NextAt = StateWait, when(o.Updated), OwnerUs, "is being deleted", when(o.Vault.DueAt)
		if p := o.Vault.Problem; p != nil {
			s.State, s.Since, s.Problem, s.Owner, s.Next = StateFail, when(o.Vault.Since), p, p.Owner, nextWord(p)
		}
	case o.denied(now):
		p := o.deniedProblem()
		s.State, s.Since, s.Owner, s.Problem, s.Next = StateFail, when(o.denyTime()), p.Owner, p, p.Fix
	case o.Canceled != nil:
		s.State, s.Since, s.Next = Disabled, when(*o.Canceled), "canceled; 'order again' orders once more"
	case o.RevokedAt != nil:
		s.State, s.Since, s.Next = Disabled, when(*o.RevokedAt), "revoked; 'order again' orders once more"
	case o.Revoking != nil:
		s.State, s.Since, s.Owner, s.Next = StateWait, when(o.Revoking.At), OwnerUs, "its versions are being revoked"
		for i := range o.Versions {
			v := &o.Versions[i]
			if p := v.Revoke.Problem; p != nil && v.State != VersionRevoked {
				s.State, s.Since, s.Problem, s.Owner, s.Next, s.NextAt = StateFail, when(v.Revoke.Since), p, p.Owner, nextWord(p), when(v.Revoke.DueAt)
			}
		}
	}
	return s
}

// deniedProblem is the end of an order that got no version in time, with what stood in its way last.
func (o *Order) deniedProblem() *Problem {
	p := &Problem{Class: Final, What: "domain verification", Detail: "control of the names was not shown within 15 days", ID: "verify-lapsed", Owner: OwnerOwner, At: o.denyTime(),
		Cause: "nobody published the proof, or it never could be seen", Fix: "Use 'order again' to order once more with the same settings"}
	for i := range o.Attempts {
		if last := o.Attempts[i].Problem; last != nil && last.Cause != "" {
			p.Cause = last.Cause
		}
	}
	for i := range o.Identifiers {
		if last := o.Identifiers[i].Problem; last != nil {
			p.Cause = last.Error()
		}
	}
	return p
}

func (o *Order) verifyStage(now time.Time) Stage {
	s := Stage{Stage: StageVerify, State: Absent}
	if o.Kind != Ordered {
		return s
	}
	waiting := o.waitsForOwner()
	for i := range o.Identifiers {
		r := o.identifierRow(&o.Identifiers[i], waiting, now)
		if r.State == StateWait || r.State == StateFail {
			r.NextAt = when(o.nextAsk())
		}
		s.Rows = append(s.Rows, r)
	}
	s.roll()
	if s.State == StateWait || s.State == StateFail {
		s.Deadline = o.servingEnds()
		if !o.issued() {
			s.Deadline = when(o.denyTime())
		}
	}
	if waiting && s.State == StateWait {
		s.Owner = OwnerOwner
	}
	return s
}

// nextAsk is when an attempt goes on, or a new one begins; zero = now.
func (o *Order) nextAsk() time.Time {
	var t time.Time
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a.Phase == Begun {
			t = earliest(t, a.DueAt)
		}
	}
	for i := range o.Needs {
		t = earliest(t, o.Needs[i].DueAt)
	}
	return t
}

// yet puts in words what is not there: of an order that strives for nothing more it will not come.
func (o *Order) yet(s string) string {
	if o.alive() {
		s += " yet"
	}
	return s
}

// asked is the proof that a running attempt still needs for a name; nil if none does.
func (o *Order) asked(name string) *Proof {
	for i := range o.Attempts {
		if o.Attempts[i].Phase != Begun {
			continue
		}
		for j := range o.Attempts[i].Proofs {
			if p := &o.Attempts[i].Proofs[j]; p.Name.Value == name && !p.Done {
				return p
			}
		}
	}
	return nil
}

func (o *Order) identifierRow(id *Identifier, waiting bool, now time.Time) Row {
	r := Row{Name: id.Value, State: StateWait, Since: when(id.Since), Text: o.yet("not verified")}
	if r.Since == nil {
		r.Since = when(o.Ordered)
	}
	switch {
	case waiting && id.Instruct != "":
		r.Text = id.Instruct
	case id.Problem != nil:
		r.State, r.Problem, r.Text = StateFail, id.Problem, id.Problem.Error()
	case id.Verified != nil:
		r.State, r.Text = Done, fmt.Sprintf("verified by %s", id.Method)
		if id.ValidUntil != nil && id.ValidUntil.After(now) {
			r.Text += ", re-usable until " + moment(*id.ValidUntil)
		}
	case o.issued() || o.First() != nil:
		r.State, r.Text = Done, "the issuer did not ask again"
	default:
		if p := o.asked(id.Value); p != nil {
			r.Text = fmt.Sprintf("being verified by %s", p.Method)
		}
	}
	return r
}
