package order

import (
	"fmt"
	"slices"
	"time"
)

func (o *Order) deployStage(now time.Time) Stage {
	s := Stage{Stage: StageDeploy, State: Absent}
	if o.Kind == Watched {
		return s
	}
	for i := range o.Deployments {
		if d := &o.Deployments[i]; !d.Gone {
			s.Rows = append(s.Rows, o.deploymentRow(d, now))
		}
	}
	s.roll()
	if s.State == StateFail {
		s.Deadline = o.oldEnds()
	}
	return s
}

// oldEnds is when what the targets hold now ends: by then the new version must have arrived.
func (o *Order) oldEnds() *time.Time {
	var t time.Time
	for i := range o.Deployments {
		if v := o.Version(o.Deployments[i].Version); v != nil && !o.Deployments[i].Gone {
			t = earliest(t, v.NotAfter)
		}
	}
	if t.IsZero() {
		return o.servingEnds()
	}
	return when(t)
}

func (o *Order) deploymentRow(d *Deployment, now time.Time) Row {
	r := Row{Name: d.Key(), State: StateWait, Version: d.Version, Serial: d.Serial, Since: when(d.Since), Text: o.yet("nothing to deploy")}
	v := o.Current(d.KeyType)
	switch {
	case d.Disabled != "":
		r.State, r.Text = Disabled, "switched off by "+d.Disabled
	case !slices.Contains(o.Spec.KeyTypes, d.KeyType):
		r.State, r.Text = Disabled, o.takesOther(d.KeyType)
	case d.Problem != nil:
		r.State, r.Problem, r.NextAt, r.Text = StateFail, d.Problem, when(d.DueAt), d.Problem.Error()
		if d.Problem.Class == Waiting && d.Problem.Owner == OwnerOwner {
			r.State = StateWait
		}
	case v == nil:
		if d.Version > 0 {
			r.Text = "still holds " + o.named(d.Version)
		}
	case d.Version == v.Number:
		r.State, r.NextAt = Done, when(d.SyncAt)
		r.Text = fmt.Sprintf("holds version %d, compared %s, next %s", d.Version, moment(d.Synced), moment(d.SyncAt))
		if late := d.SyncAt.Add(syncLate); !now.Before(late) {
			r.overdue("compare with the vault", d.Key(), d.Synced, late)
		}
	default:
		r.Since, r.NextAt = when(v.Issued), when(d.DueAt)
		r.Text = fmt.Sprintf("version %d is on its way", v.Number)
		if d.Version > 0 {
			r.Text = fmt.Sprintf("holds version %d, %s", d.Version, r.Text)
		}
	}
	return r
}

// named is a version in a row's text, with what makes it unfit to be served.
func (o *Order) named(number int) string {
	s := fmt.Sprintf("version %d", number)
	if v := o.Version(number); v != nil && v.State == VersionRevoked {
		s += ", which is revoked"
	}
	return s
}

// takesOther says why a row is left alone: it is for a key type that another order may have.
func (o *Order) takesOther(k KeyType) string {
	return fmt.Sprintf("takes %s only, of which this order has none", k)
}

// overdue makes a row unknown that was well when it was last seen, and should have been looked at since.
func (r *Row) overdue(what, where string, seen, late time.Time) {
	r.State, r.Since = StateUnkno, when(late)
	r.Problem = &Problem{Class: Waiting, What: what, Where: where, Detail: "overdue; last done " + moment(seen), ID: "renew-scheduler-stopped", Owner: OwnerAdmin, At: late,
		Cause: "no worker has taken the order up", Fix: "See that Certwright runs and that /readyz answers 200"}
	r.Text = r.Problem.Error()
}

func (o *Order) serveStage(now time.Time) Stage {
	s := Stage{Stage: StageServe, State: Absent}
	for i := range o.Endpoints {
		if e := &o.Endpoints[i]; !e.Gone {
			s.Rows = append(s.Rows, o.endpointRow(e, now))
		}
	}
	s.roll()
	if s.State == StateFail {
		s.Deadline = o.servedEnds()
	}
	return s
}

// servedEnds is when what is served now ends.
func (o *Order) servedEnds() *time.Time {
	var t time.Time
	for i := range o.Endpoints {
		if e := &o.Endpoints[i]; e.NotAfter != nil && !e.Gone {
			t = earliest(t, *e.NotAfter)
		}
	}
	if t.IsZero() {
		return o.servingEnds()
	}
	return when(t)
}

func (o *Order) endpointRow(e *EndpointRow, now time.Time) Row {
	r := Row{Name: e.Address, State: StateWait, Since: when(e.Since), NextAt: when(e.DueAt), Text: o.yet("not looked at"), Serial: e.Served}
	if e.ServerName != "" {
		r.Name += " (" + e.ServerName + ")"
	}
	served := o.servedVersion(e)
	if served != nil {
		r.Version = served.Number
	}
	if k := KeyType(e.KeyType); k != "" && o.Kind != Watched && !slices.Contains(o.Spec.KeyTypes, k) {
		r.State, r.NextAt, r.Text = Disabled, nil, o.takesOther(k)
		return r
	}
	if e.Looked.IsZero() {
		return r
	}
	r.State = e.State
	switch {
	case e.Problem != nil:
		r.Problem, r.Text = e.Problem, e.Problem.Error()
	case e.State == Done:
		r.Text = "serves serial " + e.Served + ", seen " + moment(e.Looked)
	}
	switch late := e.DueAt.Add(syncLate); {
	case e.State == StateFail && served != nil && now.Before(served.NotAfter) && o.byHand(e):
		r.State, r.Problem = StateWait, o.byHandProblem(e, served)
		r.Text = r.Problem.Error()
	case e.State != Done:
	case !e.DueAt.IsZero() && !now.Before(late):
		r.overdue("look on the wire", e.Address, e.Looked, late)
	case o.Kind == Watched:
		return watchedRow(r, e, now)
	case r.Version > 0 && !slices.Contains(o.Expected(e), e.Served):
		r.State = StateWait // it was right when it was looked at; another version is current since
		r.Text = "when last seen it served " + o.named(r.Version)
		if len(o.Expected(e)) > 0 {
			r.Text += "; the current one is not seen yet"
		}
	case r.Version > 0:
		r.Text = fmt.Sprintf("serves serial %s (%s), seen %s", e.Served, o.named(r.Version), moment(e.Looked))
		if !served.NotAfter.After(now) {
			r.Text += ", expired " + moment(served.NotAfter)
		}
	}
	return r
}

// watchedRow warns of a watched certificate's end: nobody here renews it.
func watchedRow(r Row, e *EndpointRow, now time.Time) Row {
	if e.NotAfter == nil {
		return r
	}
	soon := e.soon()
	if now.Before(soon) {
		return r
	}
	p := &Problem{Class: Final, What: "watched certificate", Where: e.Address, Owner: OwnerOwner, At: soon, ID: "tls-leaf-expiring",
		Detail: "ends at " + moment(*e.NotAfter), Cause: "whoever runs it has not renewed it yet", Fix: "Renew it where it is managed, or create an order for it here"}
	if !e.NotAfter.After(now) {
		p.ID, p.Detail, p.At = "tls-leaf-expired", "ended at "+moment(*e.NotAfter), *e.NotAfter
	}
	r.State, r.Problem, r.Text, r.Since = StateFail, p, p.Error(), when(p.At)
	return r
}

// soon is when what is served is near its end.
func (e *EndpointRow) soon() time.Time {
	if e.From == nil {
		return e.NotAfter.Add(-WatchWarn)
	}
	return endsSoon(*e.From, *e.NotAfter)
}
