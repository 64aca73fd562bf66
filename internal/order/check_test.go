package order

import (
	"encoding/json"
	"reflect"
	"time"
)

// check holds what must be true of any order at any time.
func (w *world) check() {
	w.t.Helper()
	w.checkAgenda()
	w.checkSealed()
	w.checkBounds()
	w.checkPath()
}

// The row is the only clock: due now exactly when there is something to do, never in the past.
func (w *world) checkAgenda() {
	w.t.Helper()
	next, at := w.o.Next(w.now), w.o.NextDue(w.now)
	if !at.IsZero() && at.Before(w.now) {
		w.t.Fatalf("NextDue %s is before now %s", at, w.now)
	}
	if due := !at.IsZero() && !at.After(w.now); due != (len(next) > 0) {
		w.t.Fatalf("NextDue %s, now %s, due: %v", at, w.now, next)
	}
	if len(next) > 0 && w.o.DueAt.After(w.now) {
		w.t.Fatalf("due: %v, but DueAt is %s, now %s", next, w.o.DueAt, w.now)
	}
	seen := map[Step]bool{}
	for _, s := range next {
		if seen[s] && s.Kind != StepTick {
			w.t.Fatalf("step %v is due twice", s)
		}
		seen[s] = true
	}
}

// Keys lie sealed on running attempts and nowhere else.
func (w *world) checkSealed() {
	w.t.Helper()
	for _, a := range w.o.Attempts {
		if !a.Open() && a.Sealed != nil {
			w.t.Fatalf("attempt %s has ended and keeps its key", a.ID)
		}
		if a.Open() && !w.o.alive() {
			w.t.Fatalf("attempt %s runs on an order that strives for nothing", a.ID)
		}
	}
	running := map[KeyType]int{}
	for _, a := range w.o.Attempts {
		if running[a.KeyType]++; a.Open() && w.o.Running(a.KeyType).ID != a.ID {
			w.t.Fatalf("two attempts run for %s", a.KeyType)
		}
	}
}

func (w *world) checkBounds() {
	w.t.Helper()
	kept := 0
	for i := range w.o.Attempts {
		if !w.o.Attempts[i].withdrawable() {
			kept++
		}
	}
	if kept > keepAttempts+len(w.o.Spec.KeyTypes) {
		w.t.Fatalf("%d attempts are kept", kept)
	}
	waiting := 0
	for _, v := range w.o.Versions {
		if v.RevokeAt != nil || w.o.Revoking != nil {
			waiting++
		}
	}
	if n := len(w.o.Versions) - waiting; n > keepVersions+len(w.o.Spec.KeyTypes)+len(w.o.Deployments) {
		w.t.Fatalf("%d versions are kept", n)
	}
	if n := len(w.o.Needs); n > len(w.o.Spec.KeyTypes) {
		w.t.Fatalf("%d wishes for %d key types", n, len(w.o.Spec.KeyTypes))
	}
}

// Every stage that is not done has an owner, and a deadline where the order can die of it.
func (w *world) checkPath() {
	w.t.Helper()
	path := w.o.Path(w.now)
	for i, s := range path {
		if s.Stage != Stages[i] {
			w.t.Fatalf("stage %d is %s", i, s.Stage)
		}
		if s.State != StateWait && s.State != StateFail && s.State != Blocked {
			continue
		}
		if s.Owner == "" || s.Next == "" {
			w.t.Fatalf("stage %s is %s: owner %q, next %q", s.Stage, s.State, s.Owner, s.Next)
		}
		if s.State == StateFail && s.Problem == nil {
			w.t.Fatalf("stage %s failed without a problem", s.Stage)
		}
		if (s.Stage == StageVerify || s.Stage == StageIssue) && s.Deadline == nil {
			w.t.Fatalf("stage %s is %s without a deadline", s.Stage, s.State)
		}
	}
	p := w.o.Project(w.now)
	if p.Status == "" || p.Vault == "" || p.Stage == "" || p.State == "" {
		w.t.Fatalf("the projection lacks something: %+v", p)
	}
	if !p.Changes.IsZero() && !p.Changes.After(w.now) {
		w.t.Fatalf("the projection changes at %s, now is %s", p.Changes, w.now)
	}
}

// projected is what lists filter by.
func projected(p Projection) [4]string {
	return [4]string{string(p.Status), string(p.Stage), string(p.State), p.Owner}
}

// checkChanges holds the projection to its word: until Changes nothing of it changes by time alone.
func (w *world) checkChanges() {
	w.t.Helper()
	p := w.o.Project(w.now)
	end := p.Changes.Add(-time.Nanosecond)
	if p.Changes.IsZero() {
		end = w.now.Add(3 * 365 * day)
	}
	for _, f := range []float64{0.001, 0.3, 0.7, 1} {
		at := w.now.Add(time.Duration(f * float64(end.Sub(w.now))))
		if q := w.o.Project(at); projected(q) != projected(p) {
			w.t.Fatalf("the projection is %v at %s and %v at %s, before its change at %s", projected(p), w.now, projected(q), at, p.Changes)
		}
	}
}

func (w *world) checkClone() {
	w.t.Helper()
	c := w.o.Clone()
	a, _ := json.Marshal(w.o)
	b, _ := json.Marshal(c)
	if string(a) != string(b) || !reflect.DeepEqual(c, c.Clone()) {
		w.t.Fatalf("the clone differs:\n%s\n%s", a, b)
	}
}
