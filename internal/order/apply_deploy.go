package order

import (
	"slices"
	"time"

	"certwright/internal/evidence"
)

// Deployed records that a target holds a version: pushed, or found to hold it already.
type Deployed struct {
	Key     string
	Receipt Receipt
	Seen    []evidence.Observation
	Began   time.Time // when the target was begun to be looked at
}

// answered: the wish for a push is fulfilled by one that began after it. Whoever mends a target and asks again while an
// earlier push is still running asks for another one.
func (d *Deployment) answered(began time.Time) {
	if answers(began, d.ForcedAt) {
		d.Forced, d.ForcedAt = false, time.Time{}
	}
}

func (r Deployed) apply(o *Order, now time.Time) []Event {
	d := o.Deployment(r.Key)
	if d == nil {
		return nil
	}
	asked := d.Forced
	changed := d.Version != r.Receipt.Version
	recovered := d.well(now)
	d.answered(r.Began)
	d.Bad, d.Tried, d.Synced, d.SyncAt, d.Seen, d.DueAt = 0, nil, now, o.syncTime(d, now), r.Seen, time.Time{}
	d.Version, d.Serial, d.Skipped = r.Receipt.Version, r.Receipt.Serial, ""
	if changed || recovered {
		d.Since = now
	}
	rc := r.Receipt
	rc.Seen = nil
	if r.Receipt.Changed || d.Receipt == nil {
		d.Receipt = &rc
	}
	if r.Receipt.Changed {
		e := o.event(now, StageDeploy, "deployed", "Deployed: version %d to %s. %s", d.Version, d.Key(), rc.Detail).with("serial", d.Serial, "target", d.Key())
		if rc.Reload != nil {
			e = e.with("reload", rc.Reload.Name)
		}
		return []Event{e}
	}
	d.Skipped = rc.Detail
	if changed || recovered || asked {
		return []Event{o.event(now, StageDeploy, "sync-skipped", "In sync: %s holds version %d already. %s", d.Key(), d.Version, rc.Detail).with("target", d.Key())}
	}
	return nil
}

// DeployFailed records that a version could not be put, or was taken back (TakenBack) because its
// reload or the look on the wire failed.
type DeployFailed struct {
	Key       string
	Version   int
	Problem   *Problem
	TakenBack bool
	Reload    *evidence.Reload // of the push that was taken back; nil = the target has none
	Seen      []evidence.Observation
	Began     time.Time // when the target was begun to be looked at
}

func (r DeployFailed) apply(o *Order, now time.Time) []Event {
	d := o.Deployment(r.Key)
	if d == nil {
		return nil
	}
	fresh := d.Tries == 0 // the first try of a version, or of a person
	table := tryLocal
	if r.Problem.Class == Waiting && r.Problem.Owner == OwnerOwner {
		table = tryOwner
	}
	news := d.fail(r.Problem, table, now) || fresh
	d.Seen = r.Seen
	d.answered(r.Began)
	if v := o.Current(d.KeyType); v != nil && v.Number != r.Version {
		d.hurry() // it says nothing of the version that came meanwhile
	} else if r.TakenBack {
		d.Bad, d.Tried = r.Version, r.Reload
		if at := now.Add(tryAttempt[min(d.Tries, len(tryAttempt)-1)]); at.After(d.DueAt) {
			d.DueAt = at // each try disturbs what serves: keep them apart
		}
	}
	if !news {
		return nil
	}
	name, text := "deploy-failed", "Version %d could not be put to %s: %s"
	if r.Problem.Class == Waiting {
		e := o.event(now, StageDeploy, "deploy-waiting", "Version %d is to be put to %s by somebody else: %s", r.Version, d.Key(), r.Problem.Error()).failed(r.Problem, Warning)
		e.Status = Started
		return []Event{e.with("target", d.Key())}
	}
	if r.TakenBack {
		name, text = "taken-back", "Version %d was taken back from %s, what was there before serves on: %s"
	}
	return []Event{o.event(now, StageDeploy, name, text, r.Version, d.Key(), r.Problem.Error()).failed(r.Problem, Error).with("target", d.Key())}
}

// Looked records a look at an endpoint. Only a transition is an event.
type Looked struct {
	Key     string
	Seen    []evidence.Observation
	Problem *Problem  // what is wrong, in words; nil = it serves what it should
	Began   time.Time // when it was begun to be looked at
}

// addressesOf are the addresses that were looked at.
func addressesOf(seen []evidence.Observation) []string {
	var out []string
	for _, s := range seen {
		if l, ok := evidence.Decode[evidence.Served](s); ok && l.Address != "" && !slices.Contains(out, l.Address) {
			out = append(out, l.Address)
		}
	}
	return out
}

func (r Looked) apply(o *Order, now time.Time) []Event {
	e := o.Endpoint(r.Key)
	if e == nil {
		return nil
	}
	was, served := e.State, e.Served
	e.Seen, e.Looked, e.At = r.Seen, now, now
	e.State = lookState(r.Seen)
	if e.State == Done {
		e.Home = addressesOf(r.Seen)
	}
	o.readServed(e)
	if r.Problem == nil && e.State != Done {
		r.Problem = unexplained(e, now)
	}
	if r.Problem != nil && e.State == Done {
		e.State = StateFail
	}
	if r.Problem == nil {
		e.well(now)
		e.DueAt = now.Add(LookEvery - time.Duration(spread(o.ID.Key(), r.Key)*float64(LookEvery)/10))
	} else {
		e.fail(r.Problem, tryLocal, now)
	}
	if !answers(r.Began, e.AskedAt) {
		e.hurry()
	}
	if was == e.State && served == e.Served {
		return nil
	}
	if was != e.State {
		e.Since = now
	}
	return []Event{o.lookEvent(now, e, was, served)}
}

func lookState(seen []evidence.Observation) StageState {
	w := worst(seen)
	switch {
	case w == nil || w.Outcome == evidence.Unknown:
		return StateUnkno
	case w.Outcome == evidence.Fail:
		return StateFail
	}
	return Done
}

// unexplained is the problem of a look that nobody put in words.
func unexplained(e *EndpointRow, now time.Time) *Problem {
	p := &Problem{Class: Waiting, What: "look on the wire", Where: e.Address, Owner: OwnerAdmin, At: now, Detail: "nothing was seen", Cause: "it cannot be verified from here"}
	w := worst(e.Seen)
	if w == nil {
		return p
	}
	p.Detail = w.Reason
	if w.Outcome == evidence.Fail {
		p.Class, p.Cause = Retry, ""
		if w.Reason == "" {
			p.Detail = "serves " + w.Seen + ", expected " + w.Expected
		}
	}
	if w.Command != "" {
		p.Fix = "Repeat the look with: " + w.Command
	}
	return p
}

// readServed takes the serial and validity of what the worst address serves; what gave no answer leaves
// those last seen.
func (o *Order) readServed(e *EndpointRow) {
	w := worst(e.Seen)
	if w == nil || w.Seen == "" && len(w.Data) == 0 {
		return
	}
	if w.Seen != "" {
		e.Served, e.From, e.NotAfter = w.Seen, nil, nil
	}
	if s, ok := evidence.Decode[evidence.Served](*w); ok && len(s.Chain) > 0 {
		if leaf, err := ParseLeaf(s.Chain[0]); err == nil {
			e.Served, e.From, e.NotAfter = leaf.Serial, &leaf.NotBefore, &leaf.NotAfter
		}
	}
}

func (o *Order) lookEvent(now time.Time, e *EndpointRow, was StageState, served string) Event {
	at := e.Address
	if e.ServerName != "" {
		at += " (" + e.ServerName + ")"
	}
	switch {
	case e.State == Done && o.Kind == Watched:
		return o.event(now, StageServe, "look-changed", "Seen on the wire: %s serves serial %s.", at, e.Served).with("serial", e.Served, "before", served, "endpoint", at)
	case e.State == Done:
		return o.event(now, StageServe, "look-changed", "Seen on the wire: %s serves the current version (serial %s).", at, e.Served).with("serial", e.Served, "before", served, "endpoint", at)
	}
	ev := o.event(now, StageServe, "look-changed", "Seen on the wire: %s", e.Problem.Error()).failed(e.Problem, Error)
	if e.State == StateUnkno { // a blind spot is no failure
		ev.Text, ev.Level, ev.Status = "Cannot be seen from here: "+e.Problem.Error(), Warning, Info
	}
	return ev.with("before", string(was)+" "+served, "endpoint", at)
}
