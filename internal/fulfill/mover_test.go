package fulfill

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"certwright/internal/order"
	"certwright/internal/site"
)

func TestOneRunCarriesAnOrderToTheWire(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop", "files")
	o := l.advance(id)
	v := o.First()
	if v == nil || o.Deployments[0].Version != 1 || o.Endpoints[0].State != order.Done || o.Endpoints[0].Served != v.Serial {
		t.Fatalf("after one run: %+v", o)
	}
	if o.LeaseOwner != "" || !o.DueAt.After(l.clock.now()) {
		t.Errorf("the order is not let go: lease %q, due %s", o.LeaseOwner, o.DueAt)
	}
	if l.proofs.left() != 0 || l.proofs.ever != 1 {
		t.Errorf("%d proofs are still published, %d ever were", l.proofs.left(), l.proofs.ever)
	}
	if a := o.Attempts[0]; a.Sealed != nil || a.Proofs != nil || a.Visible {
		t.Errorf("the ended attempt keeps its key or its proofs: %+v", a)
	}
	if l.store.saves > 6 {
		t.Errorf("%d commits for one certificate, at most 6 are allowed", l.store.saves)
	}
	if err := order.VerifyChain(nil, l.store.events); err != nil {
		t.Error(err)
	}
}

// TestLostRaces: somebody else writes before each of a run's commits. The results are applied to what the
// order has become, and no work is done twice.
func TestLostRaces(t *testing.T) {
	t.Parallel()
	for lost := 1; lost <= 6; lost++ {
		l := newLab(t)
		id := l.order("shop", "files")
		n := 0
		var arm func()
		arm = func() { // before the n-th save a sync is asked for
			n++
			if n == lost {
				if _, err := l.Mover.change(context.Background(), id, func(*order.Order) ([]order.Result, error) {
					return []order.Result{order.Commanded{By: by, Command: order.CmdVerify}}, nil
				}); err != nil {
					t.Error(err)
				}
			}
			l.store.mu.Lock()
			l.store.before = arm
			l.store.mu.Unlock()
		}
		l.store.before = arm
		o := l.advance(id)
		if o.First() == nil || o.Deployments[0].Version != 1 {
			t.Fatalf("race before save %d: the order did not come to its end", lost)
		}
		for what, want := range map[string]int{"begin": 1, "validate": 1, "finalise": 1, "sign": 1} {
			if got := l.issuer.n(what); got != want {
				t.Errorf("race before save %d: %s was done %d times", lost, what, got)
			}
		}
		if l.vault.puts != 1 || l.target.pushes != 1 {
			t.Errorf("race before save %d: %d vault writes, %d pushes", lost, l.vault.puts, l.target.pushes)
		}
		if n >= lost && l.eventsNamed("verify-requested") != 1 {
			t.Errorf("race before save %d: the other's write was lost", lost)
		}
	}
}

// A command that comes in while the last commit of a run is under way is done in that run: it does not wait for the
// end of a lease that nobody uses.
func TestCommandAtTheLastCommit(t *testing.T) {
	l := newLab(t)
	id := l.order("www", "a")
	l.advance(id)
	if _, err := l.Update(l.ctx(), by, id, 0, func(w *Wish) { w.RenewAt = 0.5 }); err != nil {
		t.Fatal(err)
	}
	l.store.before = func() { // at the one commit of a run that finds nothing due
		if _, err := l.Rekey(l.ctx(), by, id, -1); err != nil {
			t.Error(err)
		}
	}
	o := l.advance(id)
	if o.LeaseOwner != "" || len(o.Versions) != 2 {
		t.Errorf("the order is leased by %q and has %d versions", o.LeaseOwner, len(o.Versions))
	}
}

func TestTwoMoversOneOrder(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop")
	entered, leave := make(chan struct{}), make(chan struct{})
	l.issuer.finalise = func(context.Context) error {
		close(entered)
		<-leave
		return nil
	}
	ended := make(chan error, 1)
	go func() { ended <- l.Advance(context.Background(), id) }()
	<-entered
	for _, node := range []string{"two", "one"} {
		if err := l.mover(node).Advance(l.ctx(), id); !errors.Is(err, ErrLeased) {
			t.Errorf("node %s took an order that is worked on: %v", node, err)
		}
	}
	close(leave)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if l.load(id).First() == nil || l.issuer.n("sign") != 1 {
		t.Errorf("the order is not at its end, or was signed %d times", l.issuer.n("sign"))
	}
}

// TestLeaseLost: a process sleeps for longer than its lease, as after SIGSTOP. Another one takes the order up; the
// first one's result is kept where it still counts, and it starts nothing more.
func TestLeaseLost(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop", "files")
	entered, leave := make(chan struct{}), make(chan struct{})
	first := true
	l.issuer.finalise = func(context.Context) error {
		if first {
			first = false
			close(entered)
			<-leave
		}
		return nil
	}
	ended := make(chan error, 1)
	go func() { ended <- l.Advance(context.Background(), id) }()
	<-entered
	l.clock.move(5 * time.Minute)
	if err := l.mover("two").Advance(l.ctx(), id); err != nil {
		t.Fatalf("the other node could not take it over: %v", err)
	}
	o := l.load(id)
	close(leave)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	after := l.load(id)
	if o.First() == nil || len(after.Versions) != 1 || after.First().Serial != o.First().Serial {
		t.Errorf("versions before and after the sleeper woke: %+v, %+v", o.Versions, after.Versions)
	}
	if l.issuer.n("sign") != 1 || len(l.vault.held) != 1 || l.target.pushes != 1 {
		t.Errorf("%d signatures, %d secrets, %d pushes", l.issuer.n("sign"), len(l.vault.held), l.target.pushes)
	}
	if after.LeaseOwner != "" {
		t.Errorf("a lease of %s was left", after.LeaseOwner)
	}
}

func TestShutdownIsNoFailure(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop")
	ctx, stop := context.WithCancel(context.Background())
	l.issuer.validate = func(ctx context.Context, p []order.Proof) ([]order.Proof, error) {
		stop()
		<-ctx.Done()
		return p, ctx.Err()
	}
	if err := l.Advance(ctx, id); err != nil {
		t.Fatal(err)
	}
	o := l.load(id)
	a := o.Running(order.P256)
	if a == nil || a.Problem != nil || a.Tries != 0 || o.LeaseOwner != "" {
		t.Fatalf("after the stop: %+v, lease %q", a, o.LeaseOwner)
	}
	l.issuer.validate = nil
	if o = l.advance(id); o.First() == nil || l.issuer.n("begin") != 1 {
		t.Errorf("it did not go on where it was: %d orders at the authority", l.issuer.n("begin"))
	}
	if l.proofs.left() != 0 {
		t.Error("a proof was left")
	}
}

func TestPanickingStep(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop", "files")
	l.target.put = func(context.Context, site.Target) error { panic("a bug in a kind of target") }
	o := l.advance(id)
	if o.First() == nil {
		t.Fatal("the panic of the push kept the certificate from being stored")
	}
	if o.LeaseOwner != "" || !o.DueAt.After(l.clock.now()) || o.DueAt.After(l.clock.now().Add(time.Minute)) {
		t.Errorf("after a panic: lease %q, due %s", o.LeaseOwner, o.DueAt)
	}
	l.target.put = nil
	l.clock.move(time.Minute)
	if o = l.advance(id); o.Deployments[0].Version != 1 {
		t.Errorf("it did not go on by itself: %+v", o.Deployments)
	}
}

// TestStepThatNeverSettles: a step whose result changes nothing must not turn in a loop.
func TestStepThatNeverSettles(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop", "files")
	l.advance(id)
	// The target's site vanishes behind the order's back: the row cannot be worked on and says so, once.
	l.target.put = func(context.Context, site.Target) error {
		return &order.Problem{Class: order.Retry, What: "deploy", Detail: "no", Until: l.clock.now()}
	}
	if _, err := l.Sync(l.ctx(), by, id); err != nil {
		t.Fatal(err)
	}
	before := l.store.saves
	o := l.advance(id)
	if n := l.store.saves - before; n > 2*sameStep {
		t.Errorf("%d commits in one run", n)
	}
	if o.LeaseOwner != "" || !o.DueAt.After(l.clock.now()) {
		t.Errorf("lease %q, due %s at %s", o.LeaseOwner, o.DueAt, l.clock.now())
	}
}

// TestThreeTargetsOneHangs: the others are served and the next renewal proceeds while one push hangs.
func TestThreeTargetsOneHangs(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop", "a", "b", "c")
	l.target.put = func(ctx context.Context, t site.Target) error {
		if t.Name != "b" {
			return nil
		}
		return &order.Problem{Class: order.Retry, What: "reload nginx", Where: "shop/b", Detail: "it ran longer than 30s and was killed", Owner: order.OwnerAdmin}
	}
	o := l.advance(id)
	for version := 1; version <= 2; version++ {
		for key, want := range map[string]int{"shop/a": version, "shop/b": 0, "shop/c": version} {
			d := o.Deployment(key)
			if d.Version != want {
				t.Errorf("version %d: %s holds %d", version, key, d.Version)
			}
			if key == "shop/b" && (d.Problem == nil || d.Problem.What != "reload nginx") {
				t.Errorf("the hanging target says %v", d.Problem)
			}
		}
		if version == 1 {
			if _, err := l.Renew(l.ctx(), by, id); err != nil {
				t.Fatal(err)
			}
			o = l.advance(id)
		}
	}
	l.target.put = nil
	o = l.until(id, 3, func(o *order.Order) bool { return o.Deployment("shop/b").Version == 2 })
	if o.Deployment("shop/b").Problem != nil {
		t.Errorf("the target is well again: %v", o.Deployment("shop/b").Problem)
	}
}

// TestTakenBack: a push that makes serving worse is taken back, each time, and the endpoint's row shows what
// serves after that.
func TestTakenBack(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop", "files")
	o := l.advance(id)
	first := o.First().Serial
	l.target.broken["03EA"] = true // the second one
	if _, err := l.Renew(l.ctx(), by, id); err != nil {
		t.Fatal(err)
	}
	for try := 1; try <= 2; try++ {
		o = l.advance(id)
		second := o.First().Serial
		if second == first || !l.target.broken[second] {
			t.Fatalf("serials %s and %s", first, second)
		}
		if l.target.holds["shop/files"] != first || l.target.backs != try {
			t.Fatalf("try %d: the target holds %s, taken back %d times", try, l.target.holds["shop/files"], l.target.backs)
		}
		e, d := o.Endpoints[0], o.Deployments[0]
		if e.Served != first || e.Problem == nil || strings.Contains(e.Problem.Error(), "refused") {
			t.Errorf("try %d: the endpoint says it serves %s: %v", try, e.Served, e.Problem)
		}
		if d.Version != 1 || d.Problem == nil || d.Problem.What != "look on the wire after the push" {
			t.Errorf("try %d: the target's row: %+v", try, d)
		}
		l.clock.move(d.DueAt.Sub(l.clock.now()))
	}
	delete(l.target.broken, o.First().Serial)
	if o = l.until(id, 2, func(o *order.Order) bool { return o.Deployments[0].Version == 2 }); o.Endpoints[0].State != order.Done {
		t.Errorf("it is served now, the row says %s", o.Endpoints[0].State)
	}
}
