package fulfill

import (
	"context"
	"testing"

	"certwright/internal/order"
	"certwright/internal/site"
)

// TestNoLookBesideAPush: a push that failed and the look at what it would have changed come due at the same moment. The
// push looks itself; a look beside it would see what was there before.
func TestNoLookBesideAPush(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop", "files")
	l.advance(id)
	l.target.put = func(context.Context, site.Target) error {
		return &order.Problem{Class: order.Retry, What: "deploy", Detail: "no"}
	}
	if _, err := l.Renew(l.ctx(), by, id); err != nil {
		t.Fatal(err)
	}
	o := l.advance(id)
	e, d := o.Endpoints[0], o.Deployments[0]
	if d.Problem == nil {
		t.Fatal("the push did not fail")
	}
	l.target.put = nil
	l.clock.move(max(e.DueAt.Sub(l.clock.now()), d.DueAt.Sub(l.clock.now())))
	before := l.target.looks
	o = l.advance(id)
	if n := l.target.looks - before; n != 1 {
		t.Errorf("looked %d times, want once, after the push", n)
	}
	if o.Deployments[0].Version != 2 || o.Endpoints[0].State != order.Done {
		t.Errorf("version %d, endpoint %s: %v", o.Deployments[0].Version, o.Endpoints[0].State, o.Endpoints[0].Problem)
	}
}

// TestOvertakenLook: a look that began before a push, and is told after it, counts no more.
func TestOvertakenLook(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop", "files")
	o := l.advance(id)
	first, looking := l.target.looks+1, make(chan struct{})
	pushed := l.when(func(o *order.Order) bool { return o.Deployments[0].Version == 2 })
	l.target.seen = func(look int) {
		if look == first {
			close(looking)
			await(t, pushed, "the push of version 2")
		}
	}
	l.issuer.begin = func() error { // else the push's own look may be the first
		await(t, looking, "the look")
		return nil
	}
	l.clock.move(o.Endpoints[0].DueAt.Sub(l.clock.now()))
	if _, err := l.Renew(l.ctx(), by, id); err != nil {
		t.Fatal(err)
	}
	o = l.advance(id)
	if e := o.Endpoints[0]; e.State != order.Done || e.Served != o.First().Serial || l.target.looks != first+1 {
		t.Errorf("it serves %s since the push, the row says %s, %s (%d looks): %v", o.First().Serial, e.Served, e.State, l.target.looks-first+1, e.Problem)
	}
}
