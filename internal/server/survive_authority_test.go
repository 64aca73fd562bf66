package server

import (
	"strings"
	"testing"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/testworld"
)

// TestAuthorityRefuses: a name that the authority's policy forbids. It is asked once a day, until the owner
// takes the name out.
func TestAuthorityRefuses(t *testing.T) {
	t.Parallel()
	w := startWorld(t, true, testworld.PebbleOptions{Blocklist: []string{"blocked.example.test"}})
	sh := w.shop(t, "refuses.example.test")
	l := startLive(t, w, nil, sh)
	id := order.Short("refuses")
	if _, err := l.Mover.SaveSite(t.Context(), testBy, w.site(sh)); err != nil {
		t.Fatal(err)
	}
	wish := fulfill.Wish{Words: []string{sh.host, "blocked.example.test"}, Spec: order.Spec{AutoRenew: true, Issuer: "pebble", Sites: []string{"refuses"}}}
	if _, err := l.Mover.Create(t.Context(), testBy, id, wish); err != nil {
		t.Fatal(err)
	}
	o := l.wait(id, "refusal", failing)
	p := l.says(o, order.StageIssue, order.StateFail, "new order", "ca-name-policy-blocked", "order-plz")
	if p.Owner != order.OwnerOwner || !strings.HasSuffix(p.Type, ":rejectedIdentifier") || p.Class != order.Final {
		t.Errorf("owner %s, type %s, class %s", p.Owner, p.Type, p.Class)
	}
	asked := w.proxy.Seen(testworld.OpNewOrder)
	for range 5 { // most of a day
		l.move(4 * time.Hour)
		l.passOf()
	}
	if n := w.proxy.Seen(testworld.OpNewOrder); n != asked || asked != 1 {
		t.Errorf("the authority was asked %d times for what it refused for good", n)
	}
	if _, err := l.Mover.Update(t.Context(), testBy, id, 0, func(w *fulfill.Wish) { w.Words = []string{sh.host} }); err != nil {
		t.Fatal(err)
	}
	l.settled(id, 1)
}

// passOf waits until a sweep has looked at the moved clock.
func (l *live) passOf() {
	l.t.Helper()
	moved := l.Now()
	for !l.Work.LastSweep().After(moved) {
		select {
		case <-l.t.Context().Done():
			l.t.Fatal("no sweep came")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestAuthorityNamesATime: 429 and 503 with Retry-After, with and without a problem document, at every place of
// the path: nothing is asked before the time, all goes on after it.
func TestAuthorityNamesATime(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]testworld.Fault{
		"429 new order":      testworld.ProblemFault(testworld.OpNewOrder, 429, "rateLimited", "too many new orders (300) from this account in the last 3h", "3600"),
		"429 bare":           {Op: testworld.OpNewOrder, Status: 429, Header: map[string]string{"Retry-After": "3600"}, Body: "slow down"},
		"503 new order":      {Op: testworld.OpNewOrder, Status: 503, Header: map[string]string{"Retry-After": "3600"}, Body: "<html>Down for maintenance</html>"},
		"503 challenge":      {Op: testworld.OpChallenge, Status: 503, Header: map[string]string{"Retry-After": "3600"}, Body: "busy"},
		"503 finalise":       testworld.ProblemFault(testworld.OpFinalize, 503, "serverInternal", "Service busy; retry later.", "3600"),
		"503 certificate":    {Op: testworld.OpCertificate, Status: 503, Header: map[string]string{"Retry-After": "3600"}, Body: "busy"},
		"slow authorization": slowAuthority(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t, true, testworld.PebbleOptions{})
			sh, other := w.shop(t, "waits.example.test"), w.shop(t, "other.example.test")
			l := startLive(t, w, nil, sh, other)
			w.proxy.Inject(f)
			id := l.place(sh, "pebble")
			o := l.wait(id, "the refusal", failing)
			state := order.StateFail
			if problemOf(o).Class == order.Waiting {
				state = order.StateWait
			}
			p := problemOf(o)
			if p.Where == "" || p.Detail == "" || p.Cause == "" || p.Fix == "" || p.Owner == "" || p.Until.IsZero() {
				t.Errorf("the problem does not say everything: %+v", *p)
			}
			if got := l.stage(o, order.StageIssue).State; got != state {
				t.Errorf("the stage is %s, want %s", got, state)
			}
			if d := p.Until.Sub(p.At); d < 59*time.Minute || d > 61*time.Minute {
				t.Errorf("not before %s from then, the authority said an hour", d)
			}
			seen := total(w)
			for range 5 {
				l.move(11 * time.Minute)
				l.passOf()
				if _, err := l.Mover.Verify(t.Context(), testBy, id); err != nil { // a person presses the button, too
					t.Fatal(err)
				}
			}
			l.passOf()
			if n := total(w); n != seen {
				t.Errorf("%d requests came before the time that the authority named", n-seen)
			}
			if wide := f.Op == testworld.OpNewOrder || f.Status == 503; wide {
				id := l.place(other, "pebble")
				o := l.wait(id, "the hold", failing)
				if p := problemOf(o); p.Class != order.Waiting || !strings.Contains(p.Detail, "for no order before") || total(w) != seen {
					t.Errorf("another order of the account: %+v, %d requests", p, total(w)-seen)
				}
			}
			w.proxy.Heal()
			l.byItself(id, 1, 30*time.Minute)
			for url, n := range w.proxy.PassedPaths(testworld.OpFinalize) {
				if n != 1 {
					t.Errorf("%s was finalised %d times", url, n)
				}
			}
		})
	}
}

// slowAuthority makes orders stay in processing, to be looked at in an hour.
func slowAuthority() testworld.Fault {
	f := testworld.StuckFault()
	f.Header = map[string]string{"Retry-After": "3600"}
	return f
}

// total counts every request that came to the authority.
func total(w *world) int {
	n := 0
	for _, op := range []string{testworld.OpDirectory, testworld.OpNewNonce, testworld.OpNewAccount, testworld.OpNewOrder, testworld.OpOrder, testworld.OpAuthz, testworld.OpChallenge,
		testworld.OpFinalize, testworld.OpCertificate, testworld.OpOther} {
		n += w.proxy.Seen(op)
	}
	return n
}

// TestAuthorityLosesTheAccount: it comes back empty. The account is registered again with the same key, and
// an attempt whose order is gone is begun anew.
func TestAuthorityLosesTheAccount(t *testing.T) {
	t.Parallel()
	w := startWorld(t, true, testworld.PebbleOptions{})
	first, second := w.shop(t, "first.example.test"), w.shop(t, "second.example.test")
	l := startLive(t, w, nil, first, second)
	done := l.place(first, "pebble")
	l.settled(done, 1)
	account, _ := l.Issuers.Get(t.Context(), "pebble")
	w.proxy.Inject(slowAuthority())
	half := l.place(second, "pebble")
	l.wait(half, "the authority's slowness", failing)
	if err := w.pebble.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.proxy.Heal()
	l.move(61 * time.Minute)
	l.wait(half, "the loss", func(o *order.Order) bool { // the order at the authority is gone: a new attempt follows
		return len(o.Attempts) > 1 || len(o.Needs) > 0 && o.Needs[0].Problem != nil
	})
	l.move(2 * time.Minute)
	o := l.settled(half, 1)
	if p := o.Attempts[0].Problem; p == nil || p.ID != "ca-order-expired" && p.ID != "ca-account-unknown" {
		t.Errorf("the lost attempt says %v", p)
	}
	l.renew(done)
	l.settled(done, 2)
	if now, _ := l.Issuers.Get(t.Context(), "pebble"); now.Account == "" || now.Account == account.Account {
		t.Errorf("the account was %s, is %s", account.Account, now.Account)
	}
}

// TestAuthorityAnswersRubbish: each shows in words where and what came, is tried again on the table, and goes on.
func TestAuthorityAnswersRubbish(t *testing.T) {
	t.Parallel()
	rubbish := func(int, []byte) (int, []byte) { return 200, []byte("<html><h1>Welcome to the hotel</h1></html>") }
	for _, op := range []string{testworld.OpDirectory, testworld.OpNewOrder, testworld.OpAuthz, testworld.OpCertificate} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t, true, testworld.PebbleOptions{})
			sh := w.shop(t, "rubbish.example.test")
			l := startLive(t, w, nil, sh)
			w.proxy.Inject(testworld.Fault{Op: op, Rewrite: rubbish})
			id := l.place(sh, "pebble")
			o := l.wait(id, "the rubbish", failing)
			p := problemOf(o)
			if p.Where == "" || p.Cause == "" || p.Fix == "" || p.Owner == "" || !strings.Contains(p.Detail, "Welcome to the hotel") {
				t.Errorf("%+v", *p)
			}
			if s := l.stage(o, order.StageIssue); s.State != order.StateFail {
				t.Errorf("the stage is %s", s.State)
			}
			before := w.proxy.Seen(op)
			for range 6 { // an hour
				l.move(10 * time.Minute)
				l.passOf()
			}
			if n := w.proxy.Seen(op) - before; n > 30 {
				t.Errorf("%d requests in an hour", n)
			}
			w.proxy.Heal()
			l.byItself(id, 1, 2*time.Hour)
		})
	}
}
