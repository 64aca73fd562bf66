package fulfill

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"certwright/internal/order"
	"certwright/internal/site"
)

// clock is a clock that stands until it is moved.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// lab is a Mover with all its fakes.
type lab struct {
	*Mover
	t      *testing.T
	clock  *clock
	store  *memStore
	issuer *issuerFake
	proofs *proofsFake
	vault  *vaultFake
	target *targetsFake
}

func newLab(t *testing.T) *lab {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{t: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	l := &lab{t: t, clock: c,
		store:  &memStore{orders: map[string]*order.Order{}, sites: map[string]site.Site{}, state: "Enabled"},
		issuer: &issuerFake{now: c.now, key: key, life: 90 * 24 * time.Hour, calls: map[string]int{}, signed: map[string][]byte{}, traits: Traits{Wildcard: true, Internal: true}},
		proofs: &proofsFake{visible: map[string]bool{}}, vault: &vaultFake{held: map[string]Certificate{}, gone: map[string]bool{}},
		target: &targetsFake{holds: map[string]string{}, broken: map[string]bool{}}}
	l.Mover = l.mover("one")
	return l
}

// mover is one more process on the same store.
func (l *lab) mover(node string) *Mover {
	return New(Options{Store: l.store, Authorities: l.issuer, Verifier: l.proofs, Vault: l.vault, Sealer: plainSealer{}, Deployer: l.target, Prober: l.target,
		Hinter: &hintsFake{}, Now: l.clock.now, Pause: func(context.Context, time.Duration) {}, Node: node})
}

var by = order.By{Caller: "tester"}

// order places an order for one name with a site of these targets.
func (l *lab) order(name string, targets ...string) order.ID {
	l.t.Helper()
	id := order.Short(name)
	spec := order.Spec{Issuer: "test", AutoRenew: true}
	if len(targets) > 0 {
		s := site.Site{Subscription: id.Subscription, Group: id.Group, Name: name, Webroot: name, Endpoints: []site.Endpoint{{Address: name + ".example.com:443"}}}
		for _, t := range targets {
			s.Targets = append(s.Targets, site.Target{Name: t, Kind: site.KindFiles})
		}
		if _, err := l.SaveSite(l.ctx(), by, s); err != nil {
			l.t.Fatal(err)
		}
		spec.Sites = []string{name}
	}
	if _, err := l.Create(l.ctx(), by, id, Wish{Words: []string{name + ".example.com"}, Spec: spec}); err != nil {
		l.t.Fatal(err)
	}
	return id
}

func (l *lab) ctx() context.Context { return l.t.Context() }

func (l *lab) advance(id order.ID) *order.Order {
	l.t.Helper()
	if err := l.Advance(l.ctx(), id); err != nil {
		l.t.Fatalf("advance: %v", err)
	}
	return l.load(id)
}

func (l *lab) load(id order.ID) *order.Order {
	l.t.Helper()
	o, err := l.store.LoadOrder(l.ctx(), id)
	if err != nil {
		l.t.Fatal(err)
	}
	return o
}

// until moves the clock to when the order is due and advances it, until done says so or it took too often.
func (l *lab) until(id order.ID, most int, done func(o *order.Order) bool) *order.Order {
	l.t.Helper()
	for range most {
		o := l.advance(id)
		if done(o) {
			return o
		}
		if d := o.DueAt.Sub(l.clock.now()); d > 0 {
			l.clock.move(d)
		}
	}
	l.t.Fatalf("it did not come to that in %d runs: %+v", most, l.load(id))
	return nil
}

// eventsNamed counts events of a name.
func (l *lab) eventsNamed(name string) int {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	n := 0
	for _, e := range l.store.events {
		if e.Name == name {
			n++
		}
	}
	return n
}

// once gives a function that does something at its first call only, and is called from several goroutines.
func once(do func()) func() {
	var o sync.Once
	return func() { o.Do(do) }
}

// await waits for something that another step of the run brings about.
func await(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Error(what + " did not come about meanwhile")
	}
}

// when gives a channel that is closed as soon as an order is saved of which that holds.
func (l *lab) when(holds func(o *order.Order) bool) <-chan struct{} {
	c := make(chan struct{})
	tell := once(func() { close(c) })
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	l.store.always = func(o *order.Order) {
		if holds(o) {
			tell()
		}
	}
	return c
}
