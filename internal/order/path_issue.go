package order

import (
	"fmt"
	"time"
)

// lateTime is when a renewal that has not succeeded is no longer merely under way: half-way between
// its time and the version's end.
func (o *Order) lateTime(v *Version) time.Time {
	at := o.RenewTime(v)
	if at.After(v.NotAfter) {
		return v.NotAfter
	}
	return at.Add(v.NotAfter.Sub(at) / 2)
}

func (o *Order) issueStage(now time.Time) Stage {
	s := Stage{Stage: StageIssue, State: Absent}
	if o.Kind == Watched {
		return s
	}
	for _, k := range o.Spec.KeyTypes {
		s.Rows = append(s.Rows, o.keyTypeRow(k, now))
	}
	s.roll()
	if v := o.First(); v != nil && s.State != Done {
		s.Deadline = when(v.NotAfter)
	} else if v == nil && o.Kind == Ordered && o.alive() {
		s.Deadline = when(o.denyTime())
	}
	if s.State == StateWait && s.Owner == "" {
		s.Owner = o.issueOwner()
	}
	return s
}

// issueOwner is who must act for the version under way.
func (o *Order) issueOwner() string {
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a.Open() && a.Waiting != "" {
			return a.Waiting
		}
	}
	return OwnerUs
}

// keyTypeRow is how the newest version of one key type stands, and what comes next for it.
func (o *Order) keyTypeRow(k KeyType, now time.Time) Row {
	r := Row{Name: string(k), State: StateWait, Since: when(o.Ordered), Text: "no version yet"}
	v := o.Newest(k)
	if v != nil && v.State != VersionRevoked && !v.Issued.Before(o.Ordered) {
		r.State, r.Version, r.Serial, r.Since = Done, v.Number, v.Serial, when(v.Issued)
		r.Text = "valid until " + v.NotAfter.UTC().Format(time.RFC3339)
		if !v.NotAfter.After(now) {
			r.State, r.Since = StateFail, when(v.NotAfter)
			r.Problem = o.expiredProblem(v)
			r.Text = r.Problem.Error()
		}
	} else if v != nil && v.State == VersionRevoked {
		r.Text, r.Since = v.Label()+" is revoked", when(deref(v.RevokedAt))
	}
	if !o.alive() {
		return r
	}
	if a := o.Running(k); a != nil {
		return o.attemptRow(r, a)
	}
	if n := o.need(k); n != nil {
		return o.needRow(r, n)
	}
	return o.renewRow(r, k, now)
}

func (o *Order) expiredProblem(v *Version) *Problem {
	p := &Problem{Class: Retry, What: "validity", Detail: fmt.Sprintf("%s expired at %s", v.Label(), v.NotAfter.UTC().Format(time.RFC3339)), ID: "tls-leaf-expired", Owner: OwnerUs, At: v.NotAfter,
		Cause: "no newer version was issued in time", Fix: "It is renewed by itself once the cause is gone; see the problem of the renewal"}
	if !o.Spec.AutoRenew || o.Kind != Ordered {
		p.ID, p.Owner, p.Cause, p.Fix = "renew-auto-off", OwnerOwner, "automatic renewal is off", "Renew it now, and switch automatic renewal on"
	}
	return p
}

// attemptRow is a version under way, over what its key type has.
func (o *Order) attemptRow(r Row, a *Attempt) Row {
	had := r.State == Done
	r.NextAt, r.Since = when(a.DueAt), when(a.Started)
	r.Text = fmt.Sprintf("%s under way since %s", reasonText(a.Reason), a.Started.UTC().Format(time.RFC3339))
	switch {
	case a.Problem == nil:
		r.State, r.Problem = StateWait, nil
	case a.Problem.Class == Waiting:
		r.State, r.Problem, r.Text = StateWait, a.Problem, a.Problem.Error()
	default:
		r.State, r.Problem, r.Text = StateFail, a.Problem, a.Problem.Error()
	}
	if had && a.Problem == nil {
		r.State = Done // the current version keeps serving while the next one travels
	}
	return r
}

// needRow is a version that could not be begun, or is about to be.
func (o *Order) needRow(r Row, n *Need) Row {
	r.NextAt = when(n.DueAt)
	if n.Problem == nil {
		if r.State != Done {
			r.State, r.Problem, r.Text = StateWait, nil, reasonText(n.Reason)
		}
		return r
	}
	r.State, r.Problem, r.Text, r.Since = StateFail, n.Problem, n.Problem.Error(), when(n.Since)
	if n.Problem.Class == Waiting {
		r.State = StateWait
	}
	return r
}

// renewRow says when the current version is renewed, or why it will not be.
func (o *Order) renewRow(r Row, k KeyType, now time.Time) Row {
	v := o.Newest(k)
	if v == nil || r.State != Done || o.Kind != Ordered {
		return r
	}
	at := o.RenewTime(v)
	if !o.Spec.AutoRenew {
		if !now.Before(at) {
			r.State, r.Since = Disabled, when(at)
			r.Problem = &Problem{Class: Final, What: "renewal", Detail: "its time has come, but automatic renewal is off", ID: "renew-auto-off", Owner: OwnerOwner, At: at,
				Cause: "automatic renewal was switched off", Fix: "Renew it now, or switch automatic renewal on"}
			r.Text = r.Problem.Error()
		} else {
			r.Text += ", not renewed by itself"
		}
		return r
	}
	r.NextAt = when(at)
	r.Text += ", renewal " + at.UTC().Format(time.RFC3339)
	if late := o.lateTime(v); !now.Before(late) {
		r.State, r.Since = StateFail, when(at)
		r.Problem = &Problem{Class: Retry, What: "renewal", Detail: "overdue since " + at.UTC().Format(time.RFC3339) + " and not begun", ID: "renew-scheduler-stopped", Owner: OwnerAdmin, At: late,
			Cause: "no worker has taken the order up", Fix: "See that Certwright runs and that /readyz answers 200"}
		r.Text = r.Problem.Error()
	}
	return r
}

func deref(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func (o *Order) storeStage(now time.Time) Stage {
	s := Stage{Stage: StageStore, State: Absent}
	if o.Kind == Watched || o.Spec.ExternalKey {
		return s
	}
	for _, k := range o.Spec.KeyTypes {
		r := Row{Name: o.Spec.Vault + "/" + o.SecretFor(k), State: StateWait, Text: "nothing to store yet"}
		if v := o.Current(k); v != nil {
			r.State, r.Version, r.Serial, r.Since = Done, v.Number, v.Serial, when(o.Vault.Since)
			r.Text = fmt.Sprintf("holds version %d", v.Number)
			r.NextAt = when(o.Vault.CheckAt)
		}
		if a := o.Running(k); a != nil && a.Phase == Signed {
			r.Since, r.Text = when(a.Since), fmt.Sprintf("version %d is to be stored", a.Version)
			if r.State != Done {
				r.State = StateWait
			}
		}
		if p := o.Vault.Problem; p != nil {
			r.State, r.Problem, r.Text, r.NextAt, r.Since = StateFail, p, p.Error(), when(o.Vault.DueAt), when(o.Vault.Since)
		}
		s.Rows = append(s.Rows, r)
	}
	s.roll()
	return s
}
