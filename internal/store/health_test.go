package store_test

import (
	"slices"
	"testing"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/store"
)

func unwell(id string) order.Projection {
	p := issued()
	p.Finding, p.FindingLeg, p.FindingSeverity, p.FindingTitle, p.FindingSince = id, "endpoint", "critical", "What "+id+" is called", t0
	p.Examine = t0.Add(time.Minute)
	return p
}

func TestFindingsAreListedAndCounted(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		create(t, s, sample("a"), unwell("tls-expired"))
		create(t, s, sample("b"), unwell("tls-expired"))
		o := create(t, s, sample("c"), unwell("dns-nxdomain"))
		create(t, s, sample("d"), issued())
		page := get[order.Page](t)(s.ListOrders(t.Context(), order.Query{Finding: "tls-expired"}))
		if len(page.Orders) != 2 || page.Orders[0].Projection != unwell("tls-expired") {
			t.Errorf("listed %+v", page.Orders)
		}
		if n := names(t, s, order.Query{Finding: "any"}); !slices.Equal(n, []string{"a", "b", "c"}) {
			t.Errorf("those that are not well: %v", n)
		}
		if n := names(t, s, order.Query{Leg: "dns"}); len(n) != 0 {
			t.Errorf("in the DNS leg: %v", n)
		}
		must(t, s.SaveOrder(t.Context(), o, issued(), nil))
		got := map[string]int64{}
		for _, c := range get[[]order.FindingCount](t)(s.CountFindings(t.Context(), order.DefaultSubscription, "default")) {
			got[c.Finding+"/"+c.Leg+"/"+c.Severity] = c.N
		}
		if got["tls-expired/endpoint/critical"] != 2 || got["//"] != 2 || len(got) != 2 {
			t.Errorf("counted %v", got)
		}
	})
}

func TestDueExaminations(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		create(t, s, sample("soon"), unwell("tls-expired"))
		create(t, s, sample("never"), issued())
		if _, waits, err := s.OldestExamination(t.Context(), t0); waits || err != nil {
			t.Error("one is due too early", err)
		}
		due := get[[]order.ID](t)(s.DueExaminations(t.Context(), t0.Add(time.Minute), 0))
		if len(due) != 1 || due[0].Name != "soon" {
			t.Errorf("due: %v", due)
		}
		if since, waits, err := s.OldestExamination(t.Context(), t0.Add(time.Hour)); !waits || !since.Equal(t0.Add(time.Minute)) {
			t.Errorf("waits since %s, %v, %v", since, waits, err)
		}
	})
}

func TestExpiring(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		day := 24 * time.Hour
		for name, end := range map[string]time.Duration{"past": -day, "today": time.Hour, "edge": day, "later": 40 * day, "much": 400 * day} {
			p := issued()
			p.Expires = t0.Add(end)
			create(t, s, sample(name), p)
		}
		none := issued()
		none.Expires = time.Time{}
		create(t, s, sample("none"), none)
		counts, first, err := s.Expiring(t.Context(), t0, []time.Time{t0, t0.Add(day), t0.Add(90 * day)})
		if must(t, err); !slices.Equal(counts, []int64{1, 2, 1}) || !first.Equal(t0.Add(time.Hour)) {
			t.Errorf("counts %v, earliest %s", counts, first)
		}
	})
}

// What is to be told is written with the event: neither without the other, nothing else, and once.
func TestOutbox(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		o := create(t, s, sample("www"), issued())
		stale := o.Clone()
		must(t, s.SaveOrder(t.Context(), o, unwell("tls-expired"), []order.Event{event("deployed"), event(order.FindingAppeared)}))
		wantErr(t, s.SaveOrder(t.Context(), stale, issued(), []order.Event{event(order.FindingCleared)}), fulfill.ErrConflict)
		out := get[[]order.Event](t)(s.Outbox(t.Context(), 0))
		if len(out) != 1 || out[0].Name != order.FindingAppeared || out[0].Seq != 3 {
			t.Fatalf("the outbox holds %+v", out)
		}
		e := get[order.Event](t)(s.EventOf(t.Context(), o.ID, out[0].Seq))
		if e.ID != out[0].ID {
			t.Errorf("the event is %+v", e)
		}
		must(t, s.Handed(t.Context(), out))
		must(t, s.Handed(t.Context(), out))
		if out := get[[]order.Event](t)(s.Outbox(t.Context(), 0)); len(out) != 0 {
			t.Errorf("handed on, and there still: %v", out)
		}
		must(t, s.SaveOrder(t.Context(), o, issued(), []order.Event{event(order.FindingCleared)}))
		get[int](t)(s.Prune(t.Context(), store.PruneLimits{EventsBefore: t0.Add(time.Hour)}))
		if n := len(get[[]order.Event](t)(s.Outbox(t.Context(), 0))); n != 0 {
			t.Errorf("%d are to be told whose event is gone", n)
		}
	})
}
