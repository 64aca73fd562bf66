package server

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"certwright/internal/order"
)

// live is a whole server in this process, on a clock that can be moved.
type live struct {
	*Server
	t     *testing.T
	w     *world
	ahead atomic.Int64
	wire  wire
}

// startLive starts a server that knows these shops. tune may change its configuration first.
func startLive(t *testing.T, w *world, tune func(*Config), shops ...*shop) *live {
	t.Helper()
	l := &live{t: t, w: w}
	conf := w.config(t.TempDir(), "", shops...)
	if tune != nil {
		tune(&conf)
	}
	log := io.Discard
	if testing.Verbose() {
		log = t.Output()
	}
	s, err := New(t.Context(), Options{Config: conf, Around: func(h http.Handler) http.Handler { return l.wire.around(describedAs(t)(h)) }, Now: func() time.Time { return time.Now().Add(time.Duration(l.ahead.Load())) },
		Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelInfo}))})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("stop: %v", err)
		}
		l.wire.valid(t)
	})
	l.Server = s
	if w.pebble != nil {
		if err := addPebble(t.Context(), s, w.proxy.Directory, w.proxy.RootsPEM); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// move sets the clock forward.
func (l *live) move(d time.Duration) { l.ahead.Add(int64(d)) }

// place places an order for a shop.
func (l *live) place(sh *shop, issuer string) order.ID {
	l.t.Helper()
	id, err := l.w.placeOrder(l.t.Context(), l.Server, sh, issuer)
	if err != nil {
		l.t.Fatal(err)
	}
	return id
}

func (l *live) load(id order.ID) *order.Order {
	l.t.Helper()
	o, err := l.Store.LoadOrder(context.Background(), id)
	if err != nil {
		l.t.Fatal(err)
	}
	return o
}

// patience is how long a test waits for what has to come true, however busy the machine: what is well never takes as long.
const patience = 40 * time.Second

// wait polls until the order is as it should be.
func (l *live) wait(id order.ID, what string, is func(o *order.Order) bool) *order.Order {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		o := l.load(id)
		if is(o) {
			return o
		}
		select {
		case <-ctx.Done():
			text, _ := json.MarshalIndent(o.Path(l.Now()), "", " ")
			l.t.Fatalf("%s: it did not come to that; now %s, due %s, lease %q: %s", what, l.Now(), o.DueAt, o.LeaseOwner, text)
		case <-tick.C:
		}
	}
}

// settled waits until the order has nothing to do, and compares the wire with the vault.
func (l *live) settled(id order.ID, version int) *order.Order {
	l.t.Helper()
	o := l.wait(id, "the end", func(o *order.Order) bool {
		return settled(o, l.Now()) && o.First().Number == version
	})
	serial, err := l.w.served(o.Spec.Names[0].Value)
	for end := time.Now().Add(patience); serial != o.First().Serial && time.Now().Before(end); { // an nginx worker that is being replaced still answers
		serial, err = l.w.served(o.Spec.Names[0].Value)
	}
	if err != nil || serial != o.First().Serial {
		l.t.Errorf("%s is served (%v), the vault's current version is %s", serial, err, o.First().Serial)
	}
	return o
}

// byItself moves the clock from one due time of the order to the next until it is settled, within a time.
func (l *live) byItself(id order.ID, version int, within time.Duration) *order.Order {
	l.t.Helper()
	end := l.Now().Add(within)
	l.wait(id, "the end by itself", func(o *order.Order) bool {
		if settled(o, l.Now()) && o.First().Number == version {
			return true
		}
		if d := o.DueAt.Sub(l.Now()); d > 0 && o.LeaseOwner == "" && o.DueAt.Before(end) {
			l.move(d)
		}
		return false
	})
	return l.settled(id, version)
}

// stage is a stage of the path.
func (l *live) stage(o *order.Order, name order.StageName) order.Stage {
	for _, s := range o.Path(l.Now()) {
		if s.Stage == name {
			return s
		}
	}
	l.t.Fatalf("there is no stage %s", name)
	return order.Stage{}
}

// says checks that a stage is in a state and that its problem says what failed, where, why and what to do.
func (l *live) says(o *order.Order, name order.StageName, state order.StageState, what string, parts ...string) *order.Problem {
	l.t.Helper()
	s := l.stage(o, name)
	p := s.Problem
	for i := range s.Rows {
		if p == nil {
			p = s.Rows[i].Problem
		}
	}
	if s.State != state || p == nil {
		l.t.Fatalf("stage %s is %s (want %s), problem %v", name, s.State, state, p)
	}
	for field, v := range map[string]string{"where": p.Where, "detail": p.Detail, "cause": p.Cause, "fix": p.Fix, "owner": p.Owner} {
		if v == "" {
			l.t.Errorf("stage %s: the problem does not say %s: %+v", name, field, *p)
		}
	}
	if !strings.Contains(p.What, what) {
		l.t.Errorf("stage %s: what failed is %q, want %q", name, p.What, what)
	}
	all := strings.Join([]string{p.Where, p.Detail, p.Cause, p.Fix, p.ID}, "\n")
	for _, part := range parts {
		if !strings.Contains(all, part) {
			l.t.Errorf("stage %s: %q is not said:\n%s", name, part, all)
		}
	}
	return p
}

// problemOf is what stands in the way of a version: of its wish or its attempt.
func problemOf(o *order.Order) *order.Problem {
	for i := range o.Needs {
		if p := o.Needs[i].Problem; p != nil {
			return p
		}
	}
	if a := o.Running(order.P256); a != nil {
		return a.Problem
	}
	return nil
}

func failing(o *order.Order) bool { return problemOf(o) != nil && o.LeaseOwner == "" }

func (l *live) renew(id order.ID) {
	l.t.Helper()
	if _, err := l.Mover.Renew(l.t.Context(), testBy, id); err != nil {
		l.t.Fatal(err)
	}
}

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }
