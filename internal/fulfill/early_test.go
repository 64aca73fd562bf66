package fulfill

import (
	"context"
	"testing"
	"time"

	"certwright/internal/order"
)

// The authority looks while the attempt's beginning is being saved, and finalises nothing before that stands.
func TestLooksWhileTheBeginningIsRecorded(t *testing.T) {
	t.Parallel()
	for _, memory := range []bool{true, false} {
		l := newLab(t)
		l.proofs.memory = memory
		looked := make(chan struct{})
		l.issuer.validate = func(_ context.Context, proofs []order.Proof) ([]order.Proof, error) {
			close(looked)
			for i := range proofs {
				proofs[i].Done = true
			}
			return proofs, nil
		}
		id := l.order("www", "a")
		l.store.before = func() {
			if !memory {
				if l.issuer.n("validate") != 0 || l.proofs.left() != 0 {
					t.Error("a proof that outlives a crash was published before it was on record")
				}
				return
			}
			select {
			case <-looked:
			case <-time.After(time.Minute):
				t.Error("the authority was not asked while the beginning was being saved")
			}
			if l.issuer.n("finalise") != 0 {
				t.Error("finalised before the attempt was on record")
			}
		}
		o := l.advance(id)
		if o.Current(order.P256) == nil || l.issuer.n("finalise") != 1 || l.issuer.n("validate") != 1 || l.proofs.left() != 0 {
			t.Errorf("in memory %v: finalised %d times, asked to validate %d times, %d proofs left, versions %+v", memory, l.issuer.n("finalise"), l.issuer.n("validate"), l.proofs.left(), o.Versions)
		}
	}
}

// What could not be recorded is not finalised.
func TestNothingIsFinalisedOffTheRecord(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.proofs.memory = true
	id := l.order("www", "a")
	l.store.before = func() { // somebody removes the order under the run
		l.store.mu.Lock()
		defer l.store.mu.Unlock()
		delete(l.store.orders, id.Key())
	}
	if err := l.Advance(l.ctx(), id); err != nil {
		t.Fatal(err)
	}
	if l.issuer.n("begin") != 1 || l.issuer.n("finalise") != 0 {
		t.Errorf("begun %d times, finalised %d times", l.issuer.n("begin"), l.issuer.n("finalise"))
	}
}

// An order that somebody else changed meanwhile is saved at the second try, and its attempt goes on.
func TestGoesOnAfterAConflict(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.proofs.memory = true
	id := l.order("www", "a")
	l.store.before = func() {
		l.store.mu.Lock()
		defer l.store.mu.Unlock()
		l.store.orders[id.Key()].Revision++
	}
	o := l.advance(id)
	if o.Current(order.P256) == nil || l.issuer.n("validate") != 1 || l.issuer.n("finalise") != 1 {
		t.Errorf("asked to validate %d times, finalised %d times, versions %+v", l.issuer.n("validate"), l.issuer.n("finalise"), o.Versions)
	}
}
