package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"certwright/internal/order"
	"certwright/internal/store"
)

func names(t testing.TB, s *store.Store, q order.Query) []string {
	t.Helper()
	var out []string
	for {
		page, err := s.ListOrders(context.Background(), q)
		must(t, err)
		for _, l := range page.Orders {
			out = append(out, l.ID.Name)
		}
		if q.After = page.Next; page.Next == "" {
			return out
		}
	}
}

func TestListFilters(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		a := sample("Alpha")
		a.ID.Group = "Web"
		create(t, s, a, issued())
		b := sample("beta_x")
		b.Kind, b.Spec.Issuer, b.Spec.Sites = order.Imported, "le", []string{"mail"}
		p := issued()
		p.State, p.Stage, p.Owner, p.Vault = order.StateFail, order.StageDeploy, "admin", order.VaultUnknownError
		p.Expires = t0.Add(time.Hour)
		create(t, s, b, p)
		c := sample("betaxx")
		c.ID.Subscription = "s2"
		create(t, s, c, waiting())
		for _, x := range []struct {
			what string
			q    order.Query
			want string
		}{
			{"everything, by scope and name", order.Query{}, "beta_x Alpha betaxx"},
			{"one a page", order.Query{Limit: 1}, "beta_x Alpha betaxx"},
			{"subscription", order.Query{Subscription: "S2"}, "betaxx"},
			{"subscription and group", order.Query{Subscription: order.DefaultSubscription, Group: "wEB"}, "Alpha"},
			{"group of whatever subscription", order.Query{Group: "DEFAULT"}, "beta_x betaxx"},
			{"status", order.Query{Status: order.Issued}, "beta_x Alpha"},
			{"vault status", order.Query{Vault: order.VaultInitialized}, "betaxx"},
			{"stage", order.Query{Stage: order.StageDeploy}, "beta_x"},
			{"state", order.Query{State: order.StateWait}, "betaxx"},
			{"owner", order.Query{Owner: "admin"}, "beta_x"},
			{"issuer", order.Query{Issuer: "builtin"}, "Alpha betaxx"},
			{"kind", order.Query{Kind: order.Imported}, "beta_x"},
			{"site without case", order.Query{Site: "shop"}, "Alpha betaxx"},
			{"a verified name", order.Query{Name: "Alpha.example.test"}, "Alpha"},
			{"a name with no row of its own", order.Query{Name: "www.betaxx.example.test"}, "betaxx"},
			{"text of a name", order.Query{Text: "ALPH"}, "Alpha"},
			{"text of an identifier", order.Query{Text: "www.alpha"}, "Alpha"},
			{"text with a wildcard's sign", order.Query{Text: "a_"}, "beta_x"},
			{"expiry", order.Query{ExpiresBefore: t0.Add(2 * time.Hour)}, "beta_x"},
			{"two at once", order.Query{Issuer: "builtin", Status: order.Issued}, "Alpha"},
			{"nothing", order.Query{Text: "%"}, ""},
		} {
			if got := strings.Join(names(t, s, x.q), " "); got != x.want {
				t.Errorf("%s: %q, want %q", x.what, got, x.want)
			}
		}
		page := get[order.Page](t)(s.ListOrders(t.Context(), order.Query{Text: "beta_x"}))
		want := order.Summary{ID: b.ID, Kind: b.Kind, Generation: 1, Revision: 1, CommonName: "beta_x.example.test", Issuer: "le",
			Created: t0, Updated: t0, DueAt: t0, Projection: p}
		if len(page.Orders) != 1 || page.Orders[0] != want {
			t.Errorf("line of the list:\n%+v, want\n%+v", page.Orders, want)
		}
	})
}

func TestFiltersFollowTheOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		o := create(t, s, sample("www"), waiting())
		o.Spec.Sites = []string{"mail"}
		o.Spec.Names = o.Spec.Names[:1]
		must(t, s.SaveOrder(t.Context(), o, issued(), nil))
		for q, want := range map[order.Query]int{
			{Site: "shop"}: 0, {Site: "mail"}: 1, {Name: "www.www.example.test"}: 0, {Status: order.Pendingissuance}: 0, {Status: order.Issued}: 1,
		} {
			if got := names(t, s, q); len(got) != want {
				t.Errorf("%+v: %v, want %d orders", q, got, want)
			}
		}
		ids := func(v []order.ID, err error) int { must(t, err); return len(v) }
		if n := ids(s.OrdersBySite(t.Context(), order.DefaultSubscription, "DEFAULT", "MAIL")); n != 1 {
			t.Errorf("%d orders use the site, want 1", n)
		}
		if n := ids(s.OrdersBySite(t.Context(), order.DefaultSubscription, "other", "mail")); n != 0 {
			t.Errorf("%d orders of another group use the site, want 0", n)
		}
		if n := ids(s.OrdersByNames(t.Context(), []string{"WWW.example.test"})); n != 1 {
			t.Errorf("%d orders cover exactly the name, want 1", n)
		}
		if n := ids(s.OrdersByNames(t.Context(), []string{"www.example.test", "www.www.example.test"})); n != 0 {
			t.Errorf("%d orders cover the former names, want 0", n)
		}
		for _, number := range []string{"0awww", "f1www"} {
			if n := ids(s.OrdersBySerial(t.Context(), strings.ToUpper(number))); n != 0 {
				t.Errorf("serials are upper case: %s found %d", number, n)
			}
		}
		o.Versions[0].Serial, o.Versions[0].Thumbprint = "0ABC", "F1DE"
		must(t, s.SaveOrder(t.Context(), o, issued(), nil))
		for _, number := range []string{"0abc", "f1de"} {
			if n := ids(s.OrdersBySerial(t.Context(), number)); n != 1 {
				t.Errorf("%s found %d orders, want 1", number, n)
			}
		}
	})
}

func TestPagesAreStableWhileOrdersComeAndGo(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		var orders []*order.Order
		for i := range 20 {
			orders = append(orders, create(t, s, sample(fmt.Sprintf("m%02d", i)), waiting()))
		}
		first := get[order.Page](t)(s.ListOrders(t.Context(), order.Query{Limit: 10}))
		must(t, s.DeleteOrder(t.Context(), orders[9], nil)) // the cursor's own
		create(t, s, sample("a"), waiting())
		create(t, s, sample("m155"), waiting())
		rest := names(t, s, order.Query{Limit: 3, After: first.Next})
		want := []string{"m10", "m11", "m12", "m13", "m14", "m15", "m155", "m16", "m17", "m18", "m19"}
		if !slices.Equal(rest, want) {
			t.Errorf("the other pages hold %v, want %v", rest, want)
		}
		_, err := s.ListOrders(t.Context(), order.Query{After: "!"})
		wantErr(t, err, store.ErrCursor)
	})
}

// The rollup must be what counting the rows gives, after whatever was done in whatever order.
func TestRollupIsTheCountOfTheRows(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		race(6, func(w int) {
			rnd := rand.New(rand.NewPCG(uint64(w), 7))
			mine := map[int]*order.Order{}
			for range 60 {
				i := rnd.IntN(5)
				p := waiting()
				p.Status = []order.Status{order.Pendingissuance, order.Issued, order.Denied}[rnd.IntN(3)]
				p.Stage = order.Stages[rnd.IntN(len(order.Stages))]
				p.Changes = t0
				p.Finding = []string{"", "tls-expired", "dns-nxdomain"}[rnd.IntN(3)]
				if p.Finding != "" {
					p.FindingLeg, p.FindingSeverity = "endpoint", []string{"critical", "warning"}[rnd.IntN(2)]
				}
				var err error
				switch o := mine[i]; {
				case o == nil:
					o = sample(fmt.Sprintf("w%d-%d", w, i))
					o.ID.Group = fmt.Sprintf("G%d", i%2)
					if err = s.CreateOrder(context.Background(), o, p, nil); err == nil {
						mine[i] = o
					}
				case rnd.IntN(6) == 0:
					err = s.DeleteOrder(context.Background(), o, nil)
					delete(mine, i)
				case rnd.IntN(4) == 0:
					// Beside the others' saves: it must neither lose nor count twice.
					_, err = s.RefreshProjections(context.Background(), t0, 5, func(*order.Order) order.Projection { return p })
				default:
					err = s.SaveOrder(context.Background(), o, p, nil)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
		counted, found := map[order.Count]int64{}, map[order.FindingCount]int64{}
		page := order.Page{Next: "first"}
		for q := (order.Query{Limit: 7}); page.Next != ""; q.After = page.Next {
			page = get[order.Page](t)(s.ListOrders(t.Context(), q))
			for _, l := range page.Orders {
				counted[order.Count{Subscription: strings.ToLower(l.ID.Subscription), Group: strings.ToLower(l.ID.Group),
					Status: l.Projection.Status, Stage: l.Projection.Stage, State: l.Projection.State}]++
				found[order.FindingCount{Subscription: strings.ToLower(l.ID.Subscription), Group: strings.ToLower(l.ID.Group),
					Finding: l.Projection.Finding, Leg: l.Projection.FindingLeg, Severity: l.Projection.FindingSeverity}]++
			}
		}
		rollup := get[[]order.Count](t)(s.CountOrders(t.Context(), "", ""))
		for _, c := range rollup {
			n := c.N
			c.N = 0
			if counted[c] != n {
				t.Errorf("the rollup says %d of %+v, the rows %d", n, c, counted[c])
			}
			delete(counted, c)
		}
		for _, c := range get[[]order.FindingCount](t)(s.CountFindings(t.Context(), "", "")) {
			n := c.N
			c.N = 0
			if found[c] != n {
				t.Errorf("the rollup says %d of %+v, the rows %d", n, c, found[c])
			}
			delete(found, c)
		}
		if len(counted)+len(found) > 0 {
			t.Errorf("not in the rollup: %v %v", counted, found)
		}
		for _, c := range get[[]order.Count](t)(s.CountOrders(t.Context(), order.DefaultSubscription, "g1")) {
			if c.Group != "g1" {
				t.Errorf("counts of one group hold %+v", c)
			}
		}
	})
}

func TestRefreshProjections(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		p := issued()
		p.Changes = t0.Add(time.Hour)
		for i := range 60 { // more than one transaction's worth
			create(t, s, sample(fmt.Sprintf("o%d", i)), p)
		}
		create(t, s, sample("later"), issued())
		expired := func(*order.Order) order.Projection {
			q := issued()
			q.Status = order.StatusExpired
			return q
		}
		if n := get[int](t)(s.RefreshProjections(t.Context(), t0.Add(time.Hour-time.Millisecond), 0, expired)); n != 0 {
			t.Errorf("refreshed %d before their time", n)
		}
		if n := get[int](t)(s.RefreshProjections(t.Context(), t0.Add(time.Hour), 7, expired)); n != 7 {
			t.Errorf("refreshed %d, want the 7 asked for", n)
		}
		if n := get[int](t)(s.RefreshProjections(t.Context(), t0.Add(time.Hour), 0, expired)); n != 53 {
			t.Errorf("refreshed %d, want the other 53", n)
		}
		if n := len(names(t, s, order.Query{Status: order.StatusExpired})); n != 60 {
			t.Errorf("%d are listed as expired, want 60", n)
		}
		o := get[*order.Order](t)(s.LoadOrder(t.Context(), order.Short("o1")))
		if o.Revision != 1 || o.Generation != 1 || o.Seq != 1 {
			t.Errorf("a refresh is no change of the order: revision %d, generation %d, seq %d", o.Revision, o.Generation, o.Seq)
		}
	})
}

func TestRefreshLeavesAnOrderThatIsSavedMeanwhile(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		p := issued()
		p.Changes = t0
		o := create(t, s, sample("www"), p)
		n, err := s.RefreshProjections(t.Context(), t0, 0, func(*order.Order) order.Projection {
			must(t, s.SaveOrder(t.Context(), o, waiting(), nil)) // comes in between reading and writing
			return issued()
		})
		if must(t, err); n != 0 {
			t.Error("a projection of old facts was written over a newer one")
		}
		if got := names(t, s, order.Query{Status: order.Pendingissuance}); len(got) != 1 {
			t.Error("the projection is not the save's")
		}
	})
}
