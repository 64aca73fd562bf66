package fulfill

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"certwright/internal/order"
)

// TestOneRefusalHoldsTheAccount: 300 orders, one 429. The authority is asked by a handful at most before the
// time that it named, by every order after it.
func TestOneRefusalHoldsTheAccount(t *testing.T) {
	t.Parallel()
	for name, refusal := range map[string]order.Problem{
		"new orders": {Class: order.Retry, What: "new order", Detail: "too many new orders", ID: "ca-rate-limit-new-orders", Type: "urn:ietf:params:acme:error:rateLimited", Status: 429},
		"front":      {Class: order.Retry, What: "new order", Detail: "HTTP 429: slow down", Status: 429},
		"busy":       {Class: order.Retry, What: "new order", Detail: "HTTP 503: down for maintenance", ID: "ca-lb-throttle-503", Status: 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			const orders, rest = 300, time.Hour
			var ids []order.ID
			for i := range orders {
				ids = append(ids, l.order(fmt.Sprintf("o%d", i)))
			}
			until := l.clock.now().Add(rest)
			l.issuer.begin = func() error {
				if l.clock.now().Before(until) {
					p := refusal
					p.At, p.Until = l.clock.now(), until
					return &p
				}
				return nil
			}
			for range 3 { // now, and again while it holds, also after a restart
				l.all(ids)
				l.clock.move(rest / 4)
				l.Mover = l.mover("one")
			}
			if n := l.issuer.n("begin"); n < 1 || n > defaultInFlight {
				t.Errorf("the authority was asked %d times before the time that it named", n)
			}
			var waiting order.ID
			held := 0
			for _, id := range ids {
				o := l.load(id)
				p := o.Needs[0].Problem
				if p == nil || p.Until.Before(until) || o.DueAt.Before(until) || p.Until.After(until.Add(rest/holdSpread)) {
					t.Fatalf("%s does not say that it waits: %+v, due %s", id.Name, p, o.DueAt)
				}
				if p.Class == order.Waiting {
					held, waiting = held+1, id
				}
			}
			if held < orders-defaultInFlight {
				t.Errorf("%d orders wait for the issuer", held)
			}
			if _, err := l.Verify(l.ctx(), by, waiting); err != nil {
				t.Fatal(err)
			}
			if before := l.issuer.n("begin"); l.advance(waiting).First() != nil || l.issuer.n("begin") != before {
				t.Error("a person's hurry went past the time that the authority named")
			}
			l.clock.move(until.Add(rest / holdSpread).Sub(l.clock.now()))
			l.all(ids)
			for _, id := range ids {
				if l.load(id).First() == nil {
					t.Fatalf("%s did not go on by itself", id.Name)
				}
			}
			if l.issuer.hold != nil {
				t.Errorf("the issuer's row still holds: %v", l.issuer.hold)
			}
		})
	}
}

// all advances many orders, some at a time.
func (l *lab) all(ids []order.ID) {
	l.t.Helper()
	var wg sync.WaitGroup
	places := make(chan struct{}, 16)
	for _, id := range ids {
		if o := l.load(id); o.DueAt.IsZero() || o.DueAt.After(l.clock.now()) {
			continue // as the sweep does
		}
		wg.Add(1)
		places <- struct{}{}
		go func() {
			defer func() { <-places; wg.Done() }()
			if err := l.Advance(l.ctx(), id); err != nil {
				l.t.Error(err)
			}
		}()
	}
	wg.Wait()
}

// TestLimitOfOneNameHoldsNobodyElse: a limit that concerns one set of names is that order's alone.
func TestLimitOfOneNameHoldsNobodyElse(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	first, second := l.order("first"), l.order("second")
	refuse := true
	l.issuer.begin = func() error {
		if refuse {
			refuse = false
			return &order.Problem{Class: order.Retry, What: "new order", Detail: "too many certificates already issued for the exact set of identifiers", ID: "ca-rate-limit-exact-set",
				Type: "urn:ietf:params:acme:error:rateLimited", Status: 429, Until: l.clock.now().Add(time.Hour)}
		}
		return nil
	}
	l.advance(first)
	if l.advance(second).First() == nil {
		t.Error("another order was held by a limit that is not its own")
	}
	if o := l.load(first); o.DueAt.Before(l.clock.now().Add(time.Hour)) {
		t.Errorf("the order itself is due at %s", o.DueAt)
	}
}

// TestLimitOnNewOrdersLetsOthersFinish: it holds what is to begin, and not what has begun.
func TestLimitOnNewOrdersLetsOthersFinish(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	half, fresh := l.order("half"), l.order("fresh")
	l.issuer.validate = waits
	l.advance(half)
	l.issuer.validate = nil
	l.issuer.begin = func() error {
		return &order.Problem{Class: order.Retry, What: "new order", Detail: "too many new orders", ID: "ca-rate-limit-new-orders", Type: "urn:ietf:params:acme:error:rateLimited", Status: 429,
			At: l.clock.now(), Until: l.clock.now().Add(time.Hour)}
	}
	l.advance(fresh)
	l.clock.move(time.Minute)
	if l.advance(half).First() == nil {
		t.Error("an order under way was held by a limit on new ones")
	}
}
