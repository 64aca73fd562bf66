package store_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/store"
)

// TestVaults: a vault's settings are kept, its name is one in the whole service, and a change sees the vault as it is.
func TestVaults(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		if !get[bool](t)(s.VaultExists(t.Context(), "Default")) {
			t.Error("the default vault is not there")
		}
		v := secret.VaultRow{Name: "Kv", Subscription: "s", Group: "g", SoftDelete: 7, Created: t0, VaultSettings: secret.VaultSettings{Location: "here", Tags: map[string]string{"a": "1"},
			ByPolicy: true, Policies: secret.OwnPolicies(), NoRole: []string{secret.Storer.ID}}}
		must(t, s.SaveVault(t.Context(), v))
		if back := get[secret.VaultRow](t)(s.LoadVault(t.Context(), "KV")); !reflect.DeepEqual(back, v) {
			t.Errorf("read back %+v", back)
		}
		elsewhere := v
		elsewhere.Group = "h"
		wantErr(t, s.SaveVault(t.Context(), elsewhere), fulfill.ErrExists)
		v.SoftDelete, v.PurgeProtection, v.Tags = 30, true, nil
		got := get[secret.VaultRow](t)(s.ChangeVault(t.Context(), "KV", func(r *secret.VaultRow) ([]order.Event, error) {
			r.SoftDelete, r.PurgeProtection, r.Tags = 30, true, nil
			return nil, nil
		}))
		if back := get[secret.VaultRow](t)(s.LoadVault(t.Context(), "kv")); !reflect.DeepEqual(back, v) || !reflect.DeepEqual(got, v) {
			t.Errorf("changed to %+v, read back %+v", got, back)
		}
		never := errors.New("never mind")
		_, err := s.ChangeVault(t.Context(), "kv", func(r *secret.VaultRow) ([]order.Event, error) { r.SoftDelete = 90; return nil, never })
		wantErr(t, err, never)
		_, err = s.ChangeVault(t.Context(), "none", func(*secret.VaultRow) ([]order.Event, error) { return nil, nil })
		wantErr(t, err, secret.ErrNoVault)
		if all := get[[]secret.VaultRow](t)(s.ListVaults(t.Context())); len(all) != 2 || all[1].SoftDelete != 30 {
			t.Errorf("vaults: %+v", all)
		}
	})
}

// TestVaultsAreSoftDeleted: a deleted vault takes nothing and its name stays taken; recovered it has all it had; it goes when it is
// purged, or when its time is over.
func TestVaultsAreSoftDeleted(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		must(t, s.SaveSubscription(t.Context(), "s", "S", order.SubscriptionEnabled))
		must(t, s.SaveGroup(t.Context(), order.Group{Subscription: "s", Name: "g"}))
		v := secret.VaultRow{Name: "Kv", Subscription: "s", Group: "g", SoftDelete: 7, Created: t0}
		must(t, s.SaveVault(t.Context(), v))
		sv := version("www", "a1", 0)
		sv.Vault = "kv"
		must(t, s.PutSecret(t.Context(), sv))
		d := secret.Deleted{At: t0, Purge: t0.Add(7 * 24 * time.Hour)}
		must(t, s.DeleteVault(t.Context(), "KV", d))
		wantErr(t, s.DeleteVault(t.Context(), "kv", d), secret.ErrNoVault)
		_, err := s.LoadVault(t.Context(), "kv")
		wantErr(t, err, secret.ErrNoVault)
		if get[bool](t)(s.VaultExists(t.Context(), "kv")) {
			t.Error("a deleted vault is there")
		}
		next := version("www", "a2", time.Second)
		next.Vault = "kv"
		wantErr(t, s.PutSecret(t.Context(), next), secret.ErrNoVault)
		wantErr(t, s.SaveVault(t.Context(), v), fulfill.ErrExists)
		wantErr(t, s.MoveVault(t.Context(), "kv", "s", "h"), secret.ErrNoVault)
		if all := get[[]secret.VaultRow](t)(s.ListDeletedVaults(t.Context())); len(all) != 1 || all[0].Name != "Kv" || *all[0].Deleted != d {
			t.Errorf("deleted: %+v", all)
		}
		if n := get[int](t)(s.PurgeDue(t.Context(), d.Purge.Add(-time.Second))); n != 0 {
			t.Errorf("%d purged too early", n)
		}
		must(t, s.RecoverVault(t.Context(), "kv"))
		wantErr(t, s.RecoverVault(t.Context(), "kv"), secret.ErrNoVault)
		wantErr(t, s.PurgeVault(t.Context(), "kv"), secret.ErrNoVault)
		if got := get[secret.Sealed](t)(s.LatestSecret(t.Context(), "kv", "www")); got.ID != "a1" {
			t.Errorf("recovered: %+v", got)
		}
		must(t, s.DeleteVault(t.Context(), "kv", d))
		must(t, s.DeleteGroup(t.Context(), "s", "g"))
		if n := get[int](t)(s.PurgeDue(t.Context(), d.Purge)); n != 1 {
			t.Errorf("%d purged when its time was over", n)
		}
		_, err = s.LoadDeletedVault(t.Context(), "kv")
		wantErr(t, err, secret.ErrNoVault)
		must(t, s.SaveVault(t.Context(), v)) // the name is free again, and nothing of the former is in it
		_, err = s.LatestSecret(t.Context(), "kv", "www")
		wantErr(t, err, secret.ErrNotFound)
	})
}

// TestGroupTags: tags are kept until others are given.
func TestGroupTags(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		for _, tags := range []map[string]string{{"a": "1"}, nil, {"b": "2"}} {
			must(t, s.SaveGroup(t.Context(), order.Group{Subscription: order.DefaultSubscription, Name: "Web", Location: "westeurope", Tags: tags}))
		}
		groups := get[[]order.Group](t)(s.ListGroups(t.Context(), order.DefaultSubscription))
		if len(groups) != 2 || !reflect.DeepEqual(groups[1].Tags, map[string]string{"b": "2"}) || len(groups[0].Tags) != 0 {
			t.Errorf("groups: %+v", groups)
		}
		must(t, s.SaveGroup(t.Context(), order.Group{Subscription: order.DefaultSubscription, Name: "web", Location: "elsewhere", Tags: map[string]string{}}))
		if groups := get[[]order.Group](t)(s.ListGroups(t.Context(), order.DefaultSubscription)); len(groups[1].Tags) != 0 || groups[1].Name != "Web" || groups[1].Location != "westeurope" {
			t.Errorf("groups: %+v", groups)
		}
	})
}
