package order

import (
	"fmt"
	"time"
)

func (o *Order) deployStage(now time.Time) Stage {
	s := Stage{Stage: StageDeploy, State: Absent}
	if o.Kind == Watched || o.Spec.ExternalKey {
		return s
	}
	for i := range o.Deployments {
		if d := &o.Deployments[i]; !d.Gone {
			s.Rows = append(s.Rows, o.deploymentRow(d))
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
		if v := o.Version(o.Deployments[i].Version); v != nil {
			t = earliest(t, v.NotAfter)
		}
	}
	if t.IsZero() {
		if v := o.First(); v != nil {
			t = v.NotAfter
		}
	}
	return when(t)
}

func (o *Order) deploymentRow(d *Deployment) Row {
	r := Row{Name: d.Key(), State: StateWait, Version: d.Version, Serial: d.Serial, Since: when(d.Since), Text: "nothing to deploy yet"}
	v := o.Current(d.KeyType)
	switch {
	case d.Disabled != "":
		r.State, r.Text = Disabled, "switched off by "+d.Disabled
	case d.Problem != nil:
		r.State, r.Problem, r.NextAt, r.Text = StateFail, d.Problem, when(d.DueAt), d.Problem.Error()
	case v == nil:
	case d.Version == v.Number:
		r.State, r.NextAt = Done, when(d.SyncAt)
		r.Text = fmt.Sprintf("holds version %d, compared %s, next %s", d.Version, d.Synced.UTC().Format(time.RFC3339), d.SyncAt.UTC().Format(time.RFC3339))
	default:
		r.Text = fmt.Sprintf("version %d is on its way", v.Number)
	}
	return r
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
	return when(t)
}

func (o *Order) endpointRow(e *EndpointRow, now time.Time) Row {
	r := Row{Name: e.Address, State: StateWait, Since: when(e.Since), NextAt: when(e.DueAt), Text: "not looked at yet", Serial: e.Served}
	if e.ServerName != "" {
		r.Name += " (" + e.ServerName + ")"
	}
	for i := range o.Versions {
		if o.Versions[i].Serial == e.Served && e.Served != "" {
			r.Version = o.Versions[i].Number
		}
	}
	if e.Looked.IsZero() {
		return r
	}
	r.State = e.State
	switch {
	case e.Problem != nil:
		r.Problem, r.Text = e.Problem, e.Problem.Error()
	case e.State == Done:
		r.Text = "serves serial " + e.Served + ", seen " + e.Looked.UTC().Format(time.RFC3339)
	}
	if o.Kind == Watched && e.State == Done {
		return watchedRow(r, e, now)
	}
	return r
}

// watchedRow warns of a watched certificate's end: nobody here renews it.
func watchedRow(r Row, e *EndpointRow, now time.Time) Row {
	if e.NotAfter == nil || e.NotAfter.After(now.Add(WatchWarn)) {
		return r
	}
	p := &Problem{Class: Final, What: "watched certificate", Where: e.Address, Owner: OwnerOwner, At: e.NotAfter.Add(-WatchWarn), ID: "tls-leaf-expiring",
		Detail: "ends at " + e.NotAfter.UTC().Format(time.RFC3339), Cause: "whoever runs it has not renewed it yet", Fix: "Renew it where it is managed, or create an order for it here"}
	if !e.NotAfter.After(now) {
		p.ID, p.Detail, p.At = "tls-leaf-expired", "ended at "+e.NotAfter.UTC().Format(time.RFC3339), *e.NotAfter
	}
	r.State, r.Problem, r.Text, r.Since = StateFail, p, p.Error(), when(p.At)
	return r
}
