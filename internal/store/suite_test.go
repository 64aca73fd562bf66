package store_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/site"
	"certwright/internal/store"
	"certwright/internal/store/storetest"
)

// t0 is the time at which the tests' orders begin.
var t0 = time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)

// onBoth runs a test on both databases, side by side.
func onBoth(t *testing.T, f func(t *testing.T, s *store.Store)) {
	t.Parallel()
	for _, kind := range storetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f(t, storetest.OpenWith(t, store.Options{DSN: storetest.DSN(t, kind), Now: func() time.Time { return t0 }}))
		})
	}
}

// sample is an order with a row of each kind.
func sample(name string) *order.Order {
	return &order.Order{
		ID: order.Short(name), Kind: order.Ordered, Generation: 1, Created: t0, Updated: t0, DueAt: t0,
		Spec: order.Spec{
			Names:  []order.Name{{Kind: order.DNS, Value: name + ".example.test"}, {Kind: order.DNS, Value: "www." + name + ".example.test"}},
			Issuer: "builtin", KeyTypes: []order.KeyType{order.P256}, AutoRenew: true, Vault: "default", Sites: []string{"Shop"},
		},
		Identifiers: []order.Identifier{{Name: order.Name{Kind: order.DNS, Value: name + ".example.test"}}},
		Versions:    []order.Version{{Number: 1, Serial: "0A" + name, Thumbprint: "F1" + name, State: order.VersionStored, Chain: []byte("PEM")}},
		Attempts:    []order.Attempt{{ID: name + "1", Phase: order.Begun, Sealed: []byte{1, 2}}},
		Deployments: []order.Deployment{{Site: "Shop", Target: "files"}},
		Endpoints:   []order.EndpointRow{{Endpoint: site.Endpoint{Address: "127.0.0.1:443"}, State: order.Done}},
	}
}

func waiting() order.Projection {
	return order.Projection{Status: order.Pendingissuance, Vault: order.VaultInitialized, Stage: order.StageVerify, State: order.StateWait, Owner: "owner", Text: "publish the record"}
}

func issued() order.Projection {
	return order.Projection{Status: order.Issued, Vault: order.VaultSucceeded, Stage: order.StageServe, State: order.Done, Serial: "0A", Expires: t0.Add(90 * 24 * time.Hour)}
}

func event(name string) order.Event {
	return order.Event{At: t0, Caller: "test", Correlation: "c-1", Operation: order.Type + "/write", Name: name, Status: order.Succeeded, Level: order.Informational, Text: "It was " + name}
}

func create(t testing.TB, s *store.Store, o *order.Order, p order.Projection) *order.Order {
	t.Helper()
	must(t, s.CreateOrder(context.Background(), o, p, []order.Event{event("created")}))
	return o
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func get[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		must(t, err)
		return v
	}
}

func wantErr(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("error = %v, want %v", err, target)
	}
}

func TestOrderComesBackAsItWasSaved(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		n := 0
		rapid.Check(t, func(r *rapid.T) {
			n++
			o := randomOrder(r, fmt.Sprintf("r%d", n))
			if err := s.CreateOrder(t.Context(), o, waiting(), []order.Event{event("created")}); err != nil {
				r.Fatal(err)
			}
			same(r, t, s, o)
			// A save after a Clone, with other rows: what went is gone, what came is there.
			c := o.Clone()
			other := randomOrder(r, o.ID.Name)
			c.Spec, c.Identifiers, c.Versions, c.Attempts, c.Deployments, c.Endpoints = other.Spec, other.Identifiers, other.Versions, other.Attempts, other.Deployments, other.Endpoints
			if err := s.SaveOrder(t.Context(), c, issued(), []order.Event{event("changed")}); err != nil {
				r.Fatal(err)
			}
			same(r, t, s, c)
		})
	})
}

func same(r *rapid.T, t *testing.T, s *store.Store, o *order.Order) {
	back, err := s.LoadOrder(t.Context(), o.ID)
	if err != nil {
		r.Fatal(err)
	}
	if !reflect.DeepEqual(back, o) {
		r.Fatalf("stored:\n%+v\nread:\n%+v", o, back)
	}
}

func TestCreateRefusesATakenID(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		create(t, s, sample("www"), waiting())
		again := sample("WWW") // ids compare without case
		wantErr(t, s.CreateOrder(t.Context(), again, waiting(), []order.Event{event("created")}), fulfill.ErrExists)
		if again.Revision != 0 || again.Seq != 0 {
			t.Errorf("a refused order was changed: revision %d, seq %d", again.Revision, again.Seq)
		}
		_, err := s.LoadOrder(t.Context(), order.Short("none"))
		wantErr(t, err, fulfill.ErrNotFound)
		if n := total(t, s); n != 1 {
			t.Errorf("counted %d orders, want 1", n)
		}
	})
}

func TestSaveUnderAMovedRevisionChangesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		o := create(t, s, sample("www"), waiting())
		stale := o.Clone()
		must(t, s.SaveOrder(t.Context(), o, issued(), []order.Event{event("issued")}))
		before := stale.Clone()
		events := []order.Event{event("lost")}
		wantErr(t, s.SaveOrder(t.Context(), stale, waiting(), events), fulfill.ErrConflict)
		if !reflect.DeepEqual(stale, before) || !reflect.DeepEqual(events, []order.Event{event("lost")}) {
			t.Error("a refused save changed the order or its events")
		}
		back := get[*order.Order](t)(s.LoadOrder(t.Context(), o.ID))
		if back.Revision != 2 || back.Seq != 2 {
			t.Errorf("stored revision %d and seq %d, want 2 and 2", back.Revision, back.Seq)
		}
		wantErr(t, s.DeleteOrder(t.Context(), stale, nil), fulfill.ErrConflict)
		gone := sample("gone")
		wantErr(t, s.SaveOrder(t.Context(), gone, waiting(), nil), fulfill.ErrNotFound)
		wantErr(t, s.DeleteOrder(t.Context(), gone, nil), fulfill.ErrNotFound)
	})
}

func TestTwoRowsOfOneKeyAreRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		o := sample("www")
		o.Versions = append(o.Versions, o.Versions[0])
		if err := s.CreateOrder(t.Context(), o, waiting(), nil); err == nil {
			t.Fatal("an order with two versions 1 was stored: one of them is lost")
		}
	})
}

func TestOfManySaversExactlyOneWins(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		o := create(t, s, sample("www"), waiting())
		for round := range 10 {
			var mu sync.Mutex
			var won []*order.Order
			race(16, func(int) {
				c := o.Clone()
				switch err := s.SaveOrder(context.Background(), c, issued(), []order.Event{event("raced")}); {
				case err == nil:
					mu.Lock()
					won = append(won, c)
					mu.Unlock()
				case !errors.Is(err, fulfill.ErrConflict):
					t.Error(err)
				}
			})
			if len(won) != 1 {
				t.Fatalf("round %d: %d saves under one revision succeeded, want 1", round, len(won))
			}
			o = won[0]
		}
		must(t, s.VerifyChain(t.Context(), o.ID))
	})
}

func TestOfManyLeasersExactlyOneWins(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		o := create(t, s, sample("www"), waiting())
		now := t0
		for round := range 10 {
			var mu sync.Mutex
			won := 0
			race(16, func(i int) {
				// Two workers of one node compete as well.
				_, err := s.LeaseOrder(context.Background(), o.ID, fmt.Sprintf("node%d", i/2), now, now.Add(time.Minute))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errors.Is(err, fulfill.ErrLeased) {
					t.Error(err)
				}
			})
			if won != 1 {
				t.Fatalf("round %d: %d leases were given, want 1", round, won)
			}
			now = now.Add(time.Minute) // the lease has ended
		}
		_, err := s.LeaseOrder(t.Context(), order.Short("none"), "n", now, now)
		wantErr(t, err, fulfill.ErrNotFound)
	})
}

func TestALostLeaseCanSaveNoMore(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		o := create(t, s, sample("www"), waiting())
		first := get[*order.Order](t)(s.LeaseOrder(t.Context(), o.ID, "a", t0, t0.Add(time.Minute)))
		if first.LeaseOwner != "a" || !first.LeaseUntil.Equal(t0.Add(time.Minute)) {
			t.Fatalf("lease read back as %q until %v", first.LeaseOwner, first.LeaseUntil)
		}
		get[*order.Order](t)(s.LeaseOrder(t.Context(), o.ID, "b", t0.Add(time.Minute), t0.Add(2*time.Minute)))
		wantErr(t, s.SaveOrder(t.Context(), first, issued(), nil), fulfill.ErrConflict)
	})
}

func TestDueOrders(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		for i, due := range []time.Time{t0.Add(2 * time.Second), t0, t0.Add(time.Hour), {}, t0.Add(time.Second + 300*time.Microsecond)} {
			o := sample(fmt.Sprintf("o%d", i))
			o.DueAt = due
			create(t, s, o, waiting())
		}
		now := t0.Add(3 * time.Second)
		want := func(what string, now time.Time, names ...string) {
			t.Helper()
			var got []string
			for _, id := range get[[]order.ID](t)(s.DueOrders(t.Context(), now, 10)) {
				got = append(got, id.Name)
			}
			if !slices.Equal(got, names) {
				t.Errorf("%s: due are %v, want %v", what, got, names)
			}
		}
		want("longest due first", now, "o1", "o4", "o0")
		want("a due time is never rounded down", t0.Add(time.Second), "o1")
		since, any, err := s.OldestDue(t.Context(), now)
		if must(t, err); !any || !since.Equal(t0) {
			t.Errorf("oldest due = %v %v, want %v", since, any, t0)
		}
		get[*order.Order](t)(s.LeaseOrder(t.Context(), order.Short("o1"), "n1", now, now.Add(time.Minute)))
		want("a leased order is not due", now, "o4", "o0")
		want("it is once the lease has ended", now.Add(time.Minute), "o1", "o4", "o0")
		if n := get[int](t)(s.ReleaseNode(t.Context(), "n1")); n != 1 {
			t.Errorf("released %d leases, want 1", n)
		}
		want("a released order is due now", now, "o1", "o4", "o0")
		if n := get[int](t)(s.ReleaseNode(t.Context(), "n1")); n != 0 {
			t.Errorf("released %d leases again, want 0", n)
		}
		_, any, err = s.OldestDue(t.Context(), t0.Add(-time.Second))
		if must(t, err); any {
			t.Error("an order is due before its time")
		}
	})
}

// race runs f n times at once.
func race(n int, f func(i int)) {
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		wg.Go(func() { <-gate; f(i) })
	}
	close(gate)
	wg.Wait()
}

func total(t testing.TB, s *store.Store) int64 {
	var n int64
	for _, c := range get[[]order.Count](t)(s.CountOrders(context.Background(), "", "")) {
		n += c.N
	}
	return n
}
