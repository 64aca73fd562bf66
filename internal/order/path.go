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
	block(path)
	return path
}

// block marks stages that merely wait for an earlier one: they are blocked when that one failed.
func block(path []Stage) {
	var by *Stage
	for i := range path {
		s := &path[i]
		if by != nil && s.State == StateWait && s.Owner == "" {
			s.Next = fmt.Sprintf("waits for the stage %s", by.Stage)
			if by.State == StateFail {
				s.State = Blocked
			}
			s.Owner = by.Owner
		}
		if by == nil && (s.State == StateFail || s.State == StateWait) {
			by = s
		}
	}
}

// roll gives a stage the state of its worst row, with that row's since, problem and next time.
func (s *Stage) roll() {
	if len(s.Rows) == 0 {
		return
	}
	w := 0
	for i := range s.Rows {
		if weight[s.Rows[i].State] > weight[s.Rows[w].State] {
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

func nextWord(p *Problem) string {
	switch {
	case p.Fix != "":
		return p.Fix
	case p.Class == Final:
		return "a person must act"
	}
	return "tried again by itself"
}

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
	case o.StatusOf(now) == Denied:
		s.State, s.Since, s.Owner = StateFail, when(o.denyTime()), OwnerOwner
		s.Problem = &Problem{Class: Final, What: "domain verification", Detail: "control of the names was not shown within 15 days", ID: "verify-lapsed", Owner: OwnerOwner, At: o.denyTime(),
			Cause: "nobody published the proof, or it never could be seen", Fix: "Use 'order again' to order once more with the same settings"}
		s.Next = s.Problem.Fix
	case o.Canceled != nil:
		s.State, s.Since, s.Next = Disabled, when(*o.Canceled), "canceled; 'order again' orders once more"
	case o.RevokedAt != nil:
		s.State, s.Since, s.Next = Disabled, when(*o.RevokedAt), "revoked; 'order again' orders once more"
	case o.Revoking != nil:
		s.State, s.Since, s.Owner, s.Next = StateWait, when(o.Revoking.At), OwnerUs, "its versions are being revoked"
		for i := range o.Versions {
			if p := o.Versions[i].Revoke.Problem; p != nil {
				s.State, s.Problem, s.Owner, s.Next = StateFail, p, p.Owner, nextWord(p)
			}
		}
	case o.Deleting:
		s.State, s.Owner, s.Next = StateWait, OwnerUs, "is being deleted"
	}
	return s
}

func (o *Order) verifyStage(now time.Time) Stage {
	s := Stage{Stage: StageVerify, State: Absent}
	if o.Kind != Ordered {
		return s
	}
	waiting := o.waitsForOwner()
	for i := range o.Identifiers {
		s.Rows = append(s.Rows, o.identifierRow(&o.Identifiers[i], waiting, now))
	}
	s.roll()
	if s.State == StateWait || s.State == StateFail {
		if !o.issued() {
			s.Deadline = when(o.denyTime())
		} else if v := o.First(); v != nil {
			s.Deadline = when(v.NotAfter)
		}
	}
	if waiting && s.State == StateWait {
		s.Owner = OwnerOwner
	}
	return s
}

func (o *Order) identifierRow(id *Identifier, waiting bool, now time.Time) Row {
	r := Row{Name: id.Value, State: StateWait, Since: when(id.Since), Text: "not asked for yet"}
	if r.Since == nil {
		r.Since = when(o.Ordered)
	}
	switch {
	case waiting && id.Instruct != "":
		r.Text = id.Instruct
	case id.Problem != nil:
		r.State, r.Problem, r.NextAt, r.Text = StateFail, id.Problem, when(id.DueAt), id.Problem.Error()
	case id.Verified != nil:
		r.State, r.Text = Done, fmt.Sprintf("verified by %s", id.Method)
		if id.ValidUntil != nil && id.ValidUntil.After(now) {
			r.Text += ", re-usable until " + id.ValidUntil.UTC().Format(time.DateOnly)
		}
	case o.First() != nil:
		r.State, r.Text = Done, "the issuer did not ask again"
	}
	return r
}
