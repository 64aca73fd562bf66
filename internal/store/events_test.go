package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"certwright/internal/order"
	"certwright/internal/store"
	"certwright/internal/store/storetest"
)

func TestChainReadsBackAndVerifies(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		o := create(t, s, sample("www"), waiting())
		e := event("odd")
		e.At = time.Date(2026, 11, 1, 12, 0, 0, 123456789, time.FixedZone("x", 3600)) // finer than stored, not UTC
		e.Text, e.Properties = "broken \xff byte, NUL \x00, <&>", map[string]string{"b": "2", "a": "\xfe"}
		bare := order.Event{Name: "bare"} // order and time are filled in
		events := []order.Event{e, bare}
		must(t, s.SaveOrder(t.Context(), o, issued(), events))
		if o.Seq != 3 || events[1].Seq != 3 || len(events[1].Hash) == 0 || string(o.Hash) != string(events[1].Hash) {
			t.Fatalf("the head of the chain was not given back: order %d %x, event %d %x", o.Seq, o.Hash, events[1].Seq, events[1].Hash)
		}
		back := get[[]order.Event](t)(s.FollowOrder(t.Context(), o.ID, 0, 0))
		must(t, order.VerifyChain(nil, back))
		if len(back) != 3 || !back[2].At.Equal(t0) || back[2].Order != o.ID {
			t.Errorf("events read back: %+v", back)
		}
		must(t, s.VerifyChain(t.Context(), o.ID))
	})
}

func TestVerifyChainFindsWhatWasChanged(t *testing.T) {
	t.Parallel()
	for what, text := range map[string]string{
		"changed": `UPDATE events SET doc = REPLACE(doc, 'It was', 'It is') WHERE seq = 2`,
		"missing": `DELETE FROM events WHERE seq = 2`,
		"cut off": `DELETE FROM events WHERE seq = 3`,
	} {
		t.Run(what, func(t *testing.T) {
			dsn := storetest.DSN(t, "sqlite")
			s := storetest.OpenWith(t, store.Options{DSN: dsn})
			o := create(t, s, sample("www"), waiting())
			must(t, s.SaveOrder(t.Context(), o, issued(), []order.Event{event("issued"), event("stored")}))
			db := get[*sql.DB](t)(sql.Open("sqlite", strings.TrimPrefix(dsn, "sqlite:")))
			defer db.Close()
			get[sql.Result](t)(db.Exec(text))
			if err := s.VerifyChain(t.Context(), o.ID); err == nil {
				t.Error("the chain verifies although an event is " + what)
			}
		})
	}
}

func TestAnOrderMadeAgainGoesOnWithItsChain(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		o := create(t, s, sample("www"), waiting())
		must(t, s.DeleteOrder(t.Context(), o, []order.Event{event("deleted")}))
		must(t, s.VerifyChain(t.Context(), o.ID))
		if n := total(t, s); n != 0 {
			t.Errorf("counted %d orders after the deletion, want 0", n)
		}
		again := create(t, s, sample("www"), waiting())
		if again.Seq != 3 || again.Revision != 1 {
			t.Errorf("made again with seq %d and revision %d, want 3 and 1", again.Seq, again.Revision)
		}
		must(t, s.VerifyChain(t.Context(), o.ID))
		if back := get[*order.Order](t)(s.LoadOrder(t.Context(), o.ID)); len(back.Versions) != 1 {
			t.Errorf("rows of the deleted order are left: %d versions", len(back.Versions))
		}
	})
}

func TestPruneLeavesAChainThatVerifies(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		o := create(t, s, sample("www"), waiting())
		for i := range 1200 { // more than one transaction's worth
			e := event("looked")
			e.At = t0.Add(time.Duration(i) * time.Minute)
			if i == 1100 {
				e.At = t0 // the clock was set back: it stays, as what is before it in the chain does
			}
			must(t, s.SaveOrder(t.Context(), o, issued(), []order.Event{e}))
		}
		gone := create(t, s, sample("gone"), waiting())
		must(t, s.DeleteOrder(t.Context(), gone, []order.Event{event("deleted")}))
		n := get[int](t)(s.Prune(t.Context(), store.PruneLimits{EventsBefore: t0.Add(1000 * time.Minute)}))
		if n != 1001+2 {
			t.Errorf("pruned %d events, want 1001 of the order and 2 of the deleted one", n)
		}
		must(t, s.VerifyChain(t.Context(), o.ID))
		if seq, hash, err := s.ChainBase(t.Context(), o.ID); err != nil || seq != 1001 || len(hash) == 0 {
			t.Errorf("base of the chain = %d %x %v, want number 1001 and its hash", seq, hash, err)
		}
		if again := create(t, s, sample("gone"), waiting()); again.Seq != 1 {
			t.Errorf("of an order without any event something was remembered: seq %d", again.Seq)
		}
		// All events of a living order: the next one still follows.
		get[int](t)(s.Prune(t.Context(), store.PruneLimits{EventsBefore: t0.Add(9999 * time.Minute)}))
		must(t, s.SaveOrder(t.Context(), o, issued(), []order.Event{event("after")}))
		must(t, s.VerifyChain(t.Context(), o.ID))
	})
}

func TestEventsAreListedAndPaged(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		for i := range 3 {
			o := sample(fmt.Sprintf("o%d", i))
			if i == 2 {
				o.ID.Group = "Other"
			}
			must(t, s.CreateOrder(t.Context(), o, waiting(), nil))
			for j := range 10 {
				e := event(fmt.Sprintf("e%d", j))
				e.At = t0.Add(time.Duration(j) * time.Second) // the same times in all orders
				if j == 5 {
					e.Correlation = "five"
				}
				must(t, s.SaveOrder(t.Context(), o, issued(), []order.Event{e}))
			}
		}
		id := order.Short("O1")
		for _, c := range []struct {
			what        string
			q           order.EventQuery
			n           int
			first, last string
		}{
			{"all, newest first", order.EventQuery{Limit: 4}, 30, "e9", "e0"},
			{"all, oldest first", order.EventQuery{Limit: 7, Ascending: true}, 30, "e0", "e9"},
			{"of a group", order.EventQuery{Subscription: order.DefaultSubscription, Group: "OTHER", Limit: 3}, 10, "e9", "e0"},
			{"of an order", order.EventQuery{Order: &id, Limit: 3}, 10, "e9", "e0"},
			{"between numbers", order.EventQuery{Order: &id, After: 2, Before: 5, Ascending: true, Limit: 1}, 2, "e2", "e3"},
			{"between times", order.EventQuery{From: t0.Add(2 * time.Second), To: t0.Add(4 * time.Second), Limit: 2}, 6, "e3", "e2"},
			{"of a request", order.EventQuery{Correlation: "five"}, 3, "e5", "e5"},
		} {
			var got []order.Event
			seen := map[string]bool{}
			for {
				page, next, err := s.Events(t.Context(), c.q)
				must(t, err)
				for _, e := range page {
					if seen[e.ID] {
						t.Errorf("%s: event %s came twice", c.what, e.ID)
					}
					seen[e.ID] = true
				}
				got = append(got, page...)
				if c.q.Cursor = next; next == "" {
					break
				}
			}
			if len(got) != c.n || got[0].Name != c.first || got[len(got)-1].Name != c.last {
				t.Errorf("%s: %d events from %s to %s, want %d from %s to %s", c.what, len(got), got[0].Name, got[len(got)-1].Name, c.n, c.first, c.last)
			}
		}
		_, _, err := s.Events(t.Context(), order.EventQuery{Cursor: "nonsense"})
		wantErr(t, err, store.ErrCursor)
	})
}

func TestFollowMissesNothingUnderConcurrentCommits(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		const writers, each = 8, 40
		before := create(t, s, sample("before"), waiting())
		_, cursor, err := s.Follow(t.Context(), "", 0)
		must(t, err)
		var running atomic.Int64
		running.Store(writers)
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				defer running.Add(-1)
				o := create(t, s, sample(fmt.Sprintf("w%d", w)), waiting())
				for range each - 1 {
					if err := s.SaveOrder(context.Background(), o, issued(), []order.Event{event("saved")}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		last := map[string]int64{}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		for n := 0; n < writers*each; {
			changed := s.Changed()
			done := running.Load() == 0
			events, next, err := s.Follow(ctx, cursor, 7)
			must(t, err)
			for _, e := range events {
				if e.Seq != last[e.Order.Name]+1 {
					t.Fatalf("order %s: event %d came after %d", e.Order.Name, e.Seq, last[e.Order.Name])
				}
				last[e.Order.Name] = e.Seq
			}
			n, cursor = n+len(events), next
			if len(events) == 0 {
				if done && s.Kind() == "sqlite" {
					t.Fatalf("%d of %d events came", n, writers*each)
				}
				s.Wait(ctx, changed, 50*time.Millisecond)
			}
		}
		wg.Wait()
		if last[before.ID.Name] != 0 {
			t.Error("an event from before the cursor was given")
		}
	})
}

// A transaction that commits late must hold back the events of those that began after it.
func TestFollowWaitsForAnOlderTransaction(t *testing.T) {
	t.Parallel()
	dsn := storetest.DSN(t, "postgres")
	s := storetest.OpenWith(t, store.Options{DSN: dsn})
	o := create(t, s, sample("www"), waiting())
	_, cursor, err := s.Follow(t.Context(), "", 0)
	must(t, err)
	slow := get[*sql.Tx](t)(openTx(t, dsn))
	// It takes its number, as an order's save does with its first write.
	get[sql.Result](t)(slow.Exec(`INSERT INTO events (order_key, subscription, resource_group, seq, at, correlation, doc)
		VALUES ('late', '', '', 1, 0, '', '{"eventName":"late"}')`))
	must(t, s.SaveOrder(t.Context(), o, issued(), []order.Event{event("quick")}))
	events, same, err := s.Follow(t.Context(), cursor, 0)
	must(t, err)
	if len(events) != 0 {
		t.Fatalf("%d events were given although an older transaction has not ended: it would be missed", len(events))
	}
	must(t, slow.Commit())
	var names []string
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	for len(names) < 2 { // other tests' transactions in the cluster may hold the horizon for a moment
		events, same, err = s.Follow(ctx, same, 0)
		must(t, err)
		for _, e := range events {
			names = append(names, e.Name)
		}
	}
	if strings.Join(names, " ") != "late quick" {
		t.Errorf("events came as %v, want late, then quick", names)
	}
}

// openTx begins a transaction that the store knows nothing of.
func openTx(t *testing.T, dsn string) (*sql.Tx, error) {
	plain, _, _ := strings.Cut(dsn, "pool_max_conns")
	db, err := sql.Open("pgx", strings.TrimRight(plain, "?&"))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { db.Close() })
	return db.Begin()
}

func TestFollowFromTheBeginning(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		create(t, s, sample("a"), waiting())
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
		defer stop()
		var events []order.Event
		cursor := "0"
		for len(events) == 0 {
			var err error
			events, cursor, err = s.Follow(ctx, cursor, 0)
			must(t, err)
		}
		if len(events) != 1 || events[0].Order.Name != "a" {
			t.Errorf("from the beginning came %+v", events)
		}
		_, _, err := s.Follow(ctx, "x.y", 0)
		wantErr(t, err, store.ErrCursor)
	})
}

func TestChangedIsClosedByEventsAlone(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		o := create(t, s, sample("www"), waiting())
		changed := s.Changed()
		must(t, s.SaveOrder(t.Context(), o, issued(), nil))
		select {
		case <-changed:
			t.Error("a save without events woke followers")
		default:
		}
		must(t, s.SaveOrder(t.Context(), o, issued(), []order.Event{event("x")}))
		select {
		case <-changed:
		default:
			t.Error("a save with an event woke nobody")
		}
	})
}
