package fulfill

import (
	"context"
	"errors"
	"testing"
	"time"

	"certwright/internal/order"
)

// waits is an authority that has not decided yet.
func waits(ctx context.Context, p []order.Proof) ([]order.Proof, error) {
	return p, &order.Problem{Class: order.Waiting, What: "read an authorization", Detail: "it is being validated", Owner: order.OwnerIssuer}
}

// TestProofsStayWhileTheAuthorityLooks: a run that lets go leaves them where they are, and no name has failed.
func TestProofsStayWhileTheAuthorityLooks(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop")
	l.issuer.validate = waits
	o := l.advance(id)
	if l.proofs.left() != 1 {
		t.Fatalf("%d proofs are published while the authority looks, want 1", l.proofs.left())
	}
	if l.eventsNamed("verify-failed") != 0 || o.Identifiers[0].Problem != nil {
		t.Errorf("waiting was recorded as a failure: %v", o.Identifiers[0].Problem)
	}
	l.issuer.validate = nil
	if o = l.until(id, 2, func(o *order.Order) bool { return o.First() != nil }); l.proofs.left() != 0 || o.Attempts[0].Visible {
		t.Errorf("%d proofs are left after the end", l.proofs.left())
	}
}

// TestProofsWithoutVerdict: a proof whose own problem is of class Waiting has not failed.
func TestProofsWithoutVerdict(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop")
	l.issuer.validate = func(_ context.Context, p []order.Proof) ([]order.Proof, error) {
		w := &order.Problem{Class: order.Waiting, What: "look for the page", Detail: "not there yet", Owner: order.OwnerOwner, Fix: "publish it"}
		p[0].Problem = w
		return p, w
	}
	o := l.advance(id)
	if l.eventsNamed("verify-failed") != 0 || l.eventsNamed("verify-waiting") != 1 || o.Identifiers[0].Problem != nil {
		t.Errorf("%d failures, %d waits, %v", l.eventsNamed("verify-failed"), l.eventsNamed("verify-waiting"), o.Identifiers[0].Problem)
	}
	if o.Identifiers[0].Instruct != "publish it" {
		t.Errorf("the owner is told %q", o.Identifiers[0].Instruct)
	}
}

// TestProofsAreWithdrawnHoweverItEnds: whatever ends an attempt, its proofs go.
func TestProofsAreWithdrawnHoweverItEnds(t *testing.T) {
	t.Parallel()
	refusal := func(_ context.Context, p []order.Proof) ([]order.Proof, error) {
		p[0].Problem = &order.Problem{Class: order.GiveUp, What: "http-01", Detail: "404", Owner: order.OwnerOwner}
		return p, nil
	}
	for name, end := range map[string]func(l *lab, id order.ID) error{
		"canceled": func(l *lab, id order.ID) error { _, err := l.Cancel(l.ctx(), by, id); return err },
		"deleted":  func(l *lab, id order.ID) error { _, err := l.Delete(l.ctx(), by, id, true); return err },
		"names changed": func(l *lab, id order.ID) error {
			_, err := l.Update(l.ctx(), by, id, 0, func(w *Wish) { w.Words = []string{"other.example.com"} })
			return err
		},
		"refused": func(l *lab, id order.ID) error {
			l.issuer.validate = refusal
			_, err := l.Verify(l.ctx(), by, id)
			return err
		},
		"denied": func(l *lab, _ order.ID) error { l.clock.move(order.VerifyWithin); return nil },
		"given up": func(l *lab, id order.ID) error {
			l.issuer.validate = func(_ context.Context, p []order.Proof) ([]order.Proof, error) {
				return p, &order.Problem{Class: order.GiveUp, What: "read the order", Detail: "it expired"}
			}
			_, err := l.Verify(l.ctx(), by, id)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			id := l.order("shop")
			l.issuer.validate = waits
			attempt := l.advance(id).Attempts[0].ID
			if l.proofs.left() != 1 {
				t.Fatal("nothing is published")
			}
			l.proofs.stuck = errors.New("the disk is read-only") // the first try fails: it is tried again
			if err := end(l, id); err != nil {
				t.Fatal(err)
			}
			if err := l.Advance(l.ctx(), id); err != nil {
				t.Fatal(err)
			}
			l.proofs.stuck = nil
			if l.eventsNamed("withdraw-failed") != 1 {
				t.Errorf("%d events say that it could not be withdrawn", l.eventsNamed("withdraw-failed"))
			}
			for range 3 {
				l.clock.move(time.Minute)
				if err := l.Advance(l.ctx(), id); err != nil && !errors.Is(err, ErrNotFound) {
					t.Fatal(err)
				}
			}
			if _, still := l.proofs.visible["token-"+attempt[:6]+"-shop.example.com"]; still {
				t.Error("the ended attempt's proof is still published")
			}
			if name == "deleted" {
				if _, err := l.store.LoadOrder(l.ctx(), id); !errors.Is(err, ErrNotFound) {
					t.Errorf("the order is still there: %v", err)
				}
				return
			}
			for _, a := range l.load(id).Attempts {
				if a.ID == attempt && (a.Visible || a.Proofs != nil) {
					t.Errorf("the attempt keeps its proofs: %+v", a)
				}
			}
		})
	}
}

// TestCanceledWhileTheAuthorityLooks: the run that published is still at it when its order is canceled.
func TestCanceledWhileTheAuthorityLooks(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop")
	l.issuer.validate = func(ctx context.Context, p []order.Proof) ([]order.Proof, error) {
		if _, err := l.Cancel(context.Background(), by, id); err != nil {
			t.Error(err)
		}
		return waits(ctx, p)
	}
	o := l.advance(id)
	if o.Canceled == nil || l.proofs.left() != 0 || o.LeaseOwner != "" {
		t.Errorf("canceled %v, %d proofs left, lease %q", o.Canceled, l.proofs.left(), o.LeaseOwner)
	}
}

// TestPublishingAfterTheEnd: an order is canceled while one of its runs is just about to publish. What that run
// publishes late is withdrawn all the same.
func TestPublishingAfterTheEnd(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := order.Short("shop")
	spec := order.Spec{Issuer: "test", KeyTypes: []order.KeyType{order.P256, order.P384}}
	if _, err := l.Create(l.ctx(), by, id, Wish{Words: []string{"shop.example.com"}, Spec: spec}); err != nil {
		t.Fatal(err)
	}
	l.issuer.validate = waits
	o := l.advance(id)
	late := o.Running(order.P384).Proofs[0].Token
	gone := make(chan struct{})
	l.proofs.withdrawn = func(p order.Proof) {
		if p.Token == late {
			close(gone)
			l.proofs.withdrawn = nil
		}
	}
	l.proofs.publish = func(p order.Proof) error {
		if p.Token == late { // wait for a withdrawal that comes too early, if one does
			select {
			case <-gone:
			case <-time.After(200 * time.Millisecond):
			}
		}
		return nil
	}
	l.issuer.validate = func(ctx context.Context, p []order.Proof) ([]order.Proof, error) {
		if p[0].Token != late {
			if _, err := l.Cancel(context.Background(), by, id); err != nil {
				t.Error(err)
			}
		}
		return waits(ctx, p)
	}
	l.clock.move(time.Minute)
	if l.advance(id); l.proofs.left() != 0 {
		t.Errorf("%d proofs are left of a canceled order", l.proofs.left())
	}
}
