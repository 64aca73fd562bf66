package store_test

import (
	"encoding/json"
	"errors"
	"testing"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/site"
	"certwright/internal/store"
)

// TestMoveOrder: an order is under one id or the other, never under both or none; each id keeps its own chain, and the
// counts follow.
func TestMoveOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		must(t, s.SaveGroup(t.Context(), order.Group{Subscription: order.DefaultSubscription, Name: "Web"}))
		o := create(t, s, sample("www"), issued())
		moved := o.Clone()
		moved.ID.Group, moved.Revision, moved.Seq, moved.Hash = "Web", 0, 0, nil
		must(t, s.MoveOrder(t.Context(), o, moved, issued(), []order.Event{event("moved-away")}, []order.Event{event("moved")}))
		_, err := s.LoadOrder(t.Context(), o.ID)
		wantErr(t, err, fulfill.ErrNotFound)
		back := get[*order.Order](t)(s.LoadOrder(t.Context(), moved.ID))
		if back.Revision != 1 || back.Seq != 1 || len(back.Versions) != 1 || len(back.Attempts) != 1 || back.Spec.Sites[0] != "Shop" {
			t.Errorf("moved: %+v", back)
		}
		must(t, s.VerifyChain(t.Context(), o.ID))
		must(t, s.VerifyChain(t.Context(), moved.ID))
		counts := get[[]order.Count](t)(s.CountOrders(t.Context(), order.DefaultSubscription, ""))
		if len(counts) != 1 || counts[0].Group != "Web" || counts[0].N != 1 {
			t.Errorf("counted: %+v", counts)
		}
		if ids := get[[]order.ID](t)(s.OrdersBySite(t.Context(), order.DefaultSubscription, "web", "shop")); len(ids) != 1 {
			t.Errorf("by site: %v", ids)
		}
		// Back again, where another has taken the name meanwhile: nothing happens.
		create(t, s, sample("www"), issued())
		home := back.Clone()
		home.ID = o.ID
		wantErr(t, s.MoveOrder(t.Context(), back, home, issued(), nil, nil), fulfill.ErrExists)
		stale := back.Clone()
		stale.Revision = 7
		other := stale.Clone()
		other.ID.Name = "other"
		wantErr(t, s.MoveOrder(t.Context(), stale, other, issued(), nil, nil), fulfill.ErrConflict)
		if again := get[*order.Order](t)(s.LoadOrder(t.Context(), moved.ID)); again.Revision != 1 {
			t.Errorf("after moves that failed: revision %d", again.Revision)
		}
	})
}

// TestMoveVaultAndImports: a vault changes its group and keeps its name; imports are kept by name without case.
func TestMoveVaultAndImports(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		must(t, s.SaveVault(t.Context(), secret.VaultRow{Name: "KV", Subscription: "a", Group: "b", SoftDelete: 30}))
		must(t, s.MoveVault(t.Context(), "kv", "S2", "G2"))
		if v := get[secret.VaultRow](t)(s.LoadVault(t.Context(), "kv")); v.Name != "KV" || v.Subscription != "S2" || v.Group != "G2" || v.SoftDelete != 30 {
			t.Errorf("%+v", v)
		}
		if err := s.MoveVault(t.Context(), "none", "S2", "G2"); !errors.Is(err, secret.ErrNoVault) {
			t.Errorf("a vault that is not there: %v", err)
		}
		i := &site.Import{Subscription: "S", Group: "G", Name: "Shop", Vault: "default", Secret: "shop"}
		must(t, s.SaveImport(t.Context(), i))
		wantErr(t, s.SaveImport(t.Context(), &site.Import{Subscription: "s", Group: "g", Name: "SHOP"}), fulfill.ErrExists)
		read := get[*site.Import](t)(s.LoadImport(t.Context(), "s", "g", "shop"))
		if read.Name != "Shop" || read.Revision != 1 {
			t.Errorf("%+v", read)
		}
		read.Farm = "plan"
		must(t, s.SaveImport(t.Context(), read))
		if all := get[[]site.Import](t)(s.ListImports(t.Context(), "S", "")); len(all) != 1 || all[0].Farm != "plan" || all[0].Revision != 2 {
			t.Errorf("%+v", all)
		}
		must(t, s.DeleteImport(t.Context(), read))
		_, err := s.LoadImport(t.Context(), "s", "g", "shop")
		wantErr(t, err, fulfill.ErrNotFound)
	})
}

// TestLoadOrders: many at once, in the order asked for; those that are not there are left out.
func TestLoadOrders(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		for _, name := range []string{"a", "b", "c"} {
			create(t, s, sample(name), issued())
		}
		all := get[[]*order.Order](t)(s.LoadOrders(t.Context(), []order.ID{order.Short("C"), order.Short("none"), order.Short("a")}))
		if len(all) != 2 || all[0].ID.Name != "c" || all[1].ID.Name != "a" {
			t.Fatalf("%+v", all)
		}
		for _, o := range all {
			one := get[*order.Order](t)(s.LoadOrder(t.Context(), o.ID))
			sameOrder(t, o, one)
		}
		if all := get[[]*order.Order](t)(s.LoadOrders(t.Context(), nil)); len(all) != 0 {
			t.Errorf("of none: %+v", all)
		}
	})
}

func sameOrder(t *testing.T, a, b *order.Order) {
	t.Helper()
	x, y := asJSON(t, a), asJSON(t, b)
	if x != y {
		t.Errorf("loaded with others it is\n%s\nalone\n%s", x, y)
	}
}

func asJSON(t *testing.T, o *order.Order) string {
	t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
