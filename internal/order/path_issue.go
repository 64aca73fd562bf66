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
	switch {
	case s.State == Done:
	case o.First() != nil || o.issued():
		s.Deadline = o.servingEnds()
	case o.Kind == Ordered:
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
	r := Row{Name: string(k), State: StateWait, Since: when(o.Ordered), Text: o.yet("no version")}
	v := o.Newest(k)
	if v != nil && v.State != VersionRevoked && !v.Issued.Before(o.Ordered) {
		r.State, r.Version, r.Serial, r.Since = Done, v.Number, v.Serial, when(v.Issued)
		r.Text = "valid until " + moment(v.NotAfter)
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
	if o.Kind == Ordered && r.State == StateWait && o.need(k) == nil && o.Running(k) == nil {
		r.Text += "; the issuer is asked next"
	}
	if a := o.Running(k); a != nil && a.Phase == Begun {
		return o.attemptRow(r, a)
	}
	if n := o.need(k); n != nil {
		return o.needRow(r, n)
	}
	if o.Kind != Ordered {
		return broughtRow(r, v, now)
	}
	return o.renewRow(r, k, now)
}

func (o *Order) expiredProblem(v *Version) *Problem {
	p := &Problem{Class: Retry, What: "validity", Detail: fmt.Sprintf("%s expired at %s", v.Label(), moment(v.NotAfter)), ID: "tls-leaf-expired", Owner: OwnerUs, At: v.NotAfter,
		Cause: "no newer version was issued in time", Fix: "It is renewed by itself once the cause is gone; see the problem of the renewal"}
	switch {
	case o.Kind != Ordered:
		p.Class, p.Owner, p.Cause, p.Fix = Final, OwnerOwner, "it was imported, and no newer one was", importNext
	case !o.Spec.AutoRenew:
		p.Class, p.ID, p.Owner, p.Cause, p.Fix = Final, "renew-auto-off", OwnerOwner, "automatic renewal is off", "Renew it now, and switch automatic renewal on"
	}
	return p
}

const importNext = "Import the next certificate under the same name, or create an order with an issuer"

// endsSoon is when a certificate that nobody here renews is near its end: two weeks before, or the last
// third of a short life.
func endsSoon(from, to time.Time) time.Time {
	return to.Add(-min(WatchWarn, to.Sub(from)/3))
}

// broughtRow warns of an imported version's end: no issuer stands behind it.
func broughtRow(r Row, v *Version, now time.Time) Row {
	if v == nil || r.State != Done || now.Before(endsSoon(v.NotBefore, v.NotAfter)) {
		return r
	}
	r.State, r.Since = StateFail, when(endsSoon(v.NotBefore, v.NotAfter))
	r.Problem = &Problem{Class: Final, What: "imported certificate", Detail: v.Label() + " ends at " + moment(v.NotAfter), ID: "tls-leaf-expiring", Owner: OwnerOwner, At: *r.Since,
		Cause: "it was imported: nobody renews it here", Fix: importNext}
	r.Text = r.Problem.Error()
	return r
}

// noun is a version under way in words.
func (r Reason) noun() string {
	switch r {
	case First:
		return "the first version"
	case Renewal, Manual:
		return "a renewal"
	case Rekey:
		return "a version with a new key"
	}
	return "a version"
}

// attemptRow is a version under way, over what its key type has.
func (o *Order) attemptRow(r Row, a *Attempt) Row {
	was := r.Text
	r.NextAt = when(a.DueAt)
	if a.Problem == nil {
		r.Text = fmt.Sprintf("%s; %s is under way since %s", was, a.Reason.noun(), moment(a.Started))
		return r // the current version keeps serving, or stays expired, while the next one travels
	}
	expired := r.State == StateFail
	r.State, r.Problem, r.Text, r.Since = StateFail, a.Problem, a.Problem.Error(), when(a.Since)
	if a.Problem.Class == Waiting && !expired {
		r.State = StateWait
	}
	if expired {
		r.Text = was + "; " + r.Text
	}
	return r
}

// needRow is a version that could not be begun, or is about to be.
func (o *Order) needRow(r Row, n *Need) Row {
	r.NextAt = when(n.DueAt)
	was := r.Text
	if n.Problem == nil {
		r.Text += "; " + n.Reason.noun() + " is wanted"
		return r
	}
	expired := r.State == StateFail
	r.State, r.Problem, r.Text, r.Since = StateFail, n.Problem, n.Problem.Error(), when(n.Since)
	if n.Problem.Class == Waiting && !expired {
		r.State = StateWait
	}
	if expired {
		r.Text = was + "; " + r.Text
	}
	return r
}

// renewRow says when the current version is renewed, or why it will not be.
func (o *Order) renewRow(r Row, k KeyType, now time.Time) Row {
	v := o.Newest(k)
	if v == nil || r.State != Done {
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
	r.Text += ", renewal " + moment(at)
	if o.requestSpent() {
		r.Text += " with a new certificate request"
	}
	if late := o.lateTime(v); !now.Before(late) {
		r.State, r.Since = StateFail, when(at)
		r.Problem = &Problem{Class: Retry, What: "renewal", Detail: "overdue since " + moment(at) + " and not begun", ID: "renew-scheduler-stopped", Owner: OwnerAdmin, At: late,
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
	if o.Kind == Watched {
		return s
	}
	for _, k := range o.Spec.KeyTypes {
		if v := o.Current(k); v != nil && o.Keyless(v) || v == nil && o.Spec.ExternalKey {
			continue
		}
		r := Row{Name: o.Spec.Vault + "/" + o.SecretFor(k), State: StateWait, Text: o.yet("nothing to store")}
		if v := o.Current(k); v != nil {
			r.State, r.Version, r.Serial, r.Since = Done, v.Number, v.Serial, when(o.Vault.Since)
			r.Text = fmt.Sprintf("holds version %d", v.Number)
			r.NextAt = when(o.Vault.CheckAt)
		}
		if a := o.Running(k); a != nil && a.Phase == Signed {
			r.Since, r.NextAt, r.Text = when(a.Since), when(a.DueAt), fmt.Sprintf("version %d is to be stored", a.Version)
			if p := a.Problem; p != nil {
				r.State, r.Problem, r.Text = StateFail, p, p.Error()
			}
		}
		if p := o.Vault.Problem; p != nil && r.State != StateFail {
			r.State, r.Problem, r.Text, r.NextAt, r.Since = StateFail, p, p.Error(), when(o.Vault.DueAt), when(o.Vault.Since)
		}
		s.Rows = append(s.Rows, r)
	}
	s.roll()
	if s.State == StateFail {
		s.Deadline = o.servingEnds()
	}
	return s
}

// servingEnds is when the current version ends, or the one that is to be the first; nil if there is none.
func (o *Order) servingEnds() *time.Time {
	if v := o.First(); v != nil {
		return when(v.NotAfter)
	}
	for _, k := range o.Spec.KeyTypes {
		if v := o.Newest(k); v != nil {
			return when(v.NotAfter)
		}
	}
	if n := len(o.Versions); n > 0 { // of a key type that is ordered no more: it may be what serves
		return when(o.Versions[n-1].NotAfter)
	}
	return nil
}
