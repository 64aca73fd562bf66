package fulfill

import (
	"testing"
	"time"

	"certwright/internal/order"
)

// TestLinksStayCurrent: a link's secret gets every version, loses none for long, and goes with the order.
func TestLinksStayCurrent(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("www")
	link := order.Link{Name: "copy", VaultID: "/x", Vault: DefaultVault, Secret: "other"}
	o, err := l.Update(l.ctx(), by, id, 0, func(w *Wish) { w.Links = []order.Link{link} })
	if err != nil {
		t.Fatal(err)
	}
	if o.Generation != 2 || o.LinkStatus(&link, l.clock.now()) != order.VaultInitialized {
		t.Errorf("generation %d, link %s", o.Generation, o.LinkStatus(&link, l.clock.now()))
	}
	if o, err = l.Update(l.ctx(), by, id, 0, func(w *Wish) { w.Links = []order.Link{link} }); err != nil || o.Generation != 2 {
		t.Errorf("the same wish again: generation %d, %v", o.Generation, err)
	}
	held := func(secretName string, v *order.Version) bool {
		_, err := l.vault.Get(l.ctx(), DefaultVault, secretName, v.SecretID)
		return err == nil
	}
	o = l.until(id, 10, func(o *order.Order) bool { return o.LinkStatus(&link, l.clock.now()) == order.VaultSucceeded })
	if !held("other", o.First()) || !held("www", o.First()) {
		t.Error("the first version is not at both places")
	}
	if _, err := l.Renew(l.ctx(), by, id); err != nil {
		t.Fatal(err)
	}
	o = l.until(id, 10, func(o *order.Order) bool {
		return o.First().Number == 2 && o.LinkStatus(&link, l.clock.now()) == order.VaultSucceeded
	})
	if !held("other", o.First()) {
		t.Error("the link was not renewed")
	}
	// It is lost: the daily look sees it, and it is written again.
	l.vault.mu.Lock()
	delete(l.vault.held, "other/"+o.First().SecretID)
	l.vault.mu.Unlock()
	l.clock.move(25 * time.Hour)
	o = l.advance(id)
	if s := o.LinkStatus(&link, l.clock.now()); s != order.VaultUnknownError && s != order.VaultSecretNotExist || l.eventsNamed("copy-failed") != 1 {
		t.Errorf("a lost copy: %s, %d events", s, l.eventsNamed("copy-failed"))
	}
	o = l.until(id, 5, func(o *order.Order) bool { return o.LinkStatus(&link, l.clock.now()) == order.VaultSucceeded })
	if !held("other", o.First()) {
		t.Error("a lost copy was not written again")
	}
	for name, bad := range map[string]order.Link{
		"no vault":   {Name: "x", Vault: "nowhere", Secret: "s"},
		"no secret":  {Name: "x", Vault: DefaultVault, Secret: "a/b"},
		"same place": {Name: "x", Vault: DefaultVault, Secret: "OTHER"},
		"same name":  {Name: "COPY", Vault: DefaultVault, Secret: "s"},
		"no name":    {Vault: DefaultVault, Secret: "s"},
	} {
		if _, err := l.Update(l.ctx(), by, id, 0, func(w *Wish) { w.Links = []order.Link{link, bad} }); code(err) != "InvalidLink" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := l.Delete(l.ctx(), by, id, true); err != nil {
		t.Fatal(err)
	}
	l.advance2(id)
	if !l.vault.gone["other"] || !l.vault.gone["www"] {
		t.Errorf("after the order's end: %v", l.vault.gone)
	}
}

// advance2 advances an order that may be gone after it.
func (l *lab) advance2(id order.ID) {
	l.t.Helper()
	if err := l.Advance(l.ctx(), id); err != nil {
		l.t.Fatalf("advance: %v", err)
	}
}

// TestSuspendedSubscription: nothing is renewed, and the vault is out of sync, until the subscription is enabled again.
func TestSuspendedSubscription(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("www")
	l.until(id, 10, func(o *order.Order) bool { return o.First() != nil })
	l.store.state = order.SubscriptionDisabled
	l.clock.move(25 * time.Hour)
	o := l.advance(id)
	if s := o.VaultStatusOf(l.clock.now()); s != order.VaultNotPermitted || !s.OutOfSync() || o.Vault.Problem.ID != "sub-disabled" {
		t.Errorf("suspended: %s, %+v", s, o.Vault.Problem)
	}
	l.clock.move(70 * 24 * time.Hour) // its time of renewal has come
	o = l.advance(id)
	if len(o.Versions) != 1 || len(o.Needs) != 1 || o.Needs[0].Problem == nil || o.Needs[0].Problem.ID != "sub-disabled" {
		t.Errorf("renewed though suspended: %d versions, %+v", len(o.Versions), o.Needs)
	}
	l.store.state = order.SubscriptionEnabled
	if _, err := l.Sync(l.ctx(), by, id); err != nil {
		t.Fatal(err)
	}
	o = l.until(id, 10, func(o *order.Order) bool { return len(o.Versions) == 2 })
	if s := o.VaultStatusOf(l.clock.now()); s != order.VaultSucceeded {
		t.Errorf("enabled again: %s", s)
	}
}

// TestCheckRecordsNothing: a wish is judged as Create would, and nothing is there after it.
func TestCheckRecordsNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := order.ID{Subscription: order.DefaultSubscription, Name: "new"} // of no group yet
	if err := l.Check(l.ctx(), id, Wish{Words: []string{"a.example.com"}, Spec: order.Spec{Issuer: "test"}}); err != nil {
		t.Error(err)
	}
	if err := l.Check(l.ctx(), id, Wish{Words: []string{"a b"}, Spec: order.Spec{Issuer: "test"}}); code(err) != "InvalidName" {
		t.Errorf("a bad name: %v", err)
	}
	if len(l.store.orders) != 0 || len(l.store.events) != 0 {
		t.Errorf("%d orders and %d events were recorded", len(l.store.orders), len(l.store.events))
	}
}

// TestNoticesAreKept: the history says whom a mail went to.
func TestNoticesAreKept(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("www")
	if err := l.Noticed(l.ctx(), id, order.Noticed{By: order.By{Caller: "ada", Client: "c-1"}, To: []string{"a@example.com", "b@example.com"}, Mail: "m-1"}); err != nil {
		t.Fatal(err)
	}
	e := l.store.events[len(l.store.events)-1]
	if e.Name != order.NoticeSent || e.Properties["to"] != "a@example.com, b@example.com" || e.Properties["mail"] != "m-1" || e.Properties["clientRequestId"] != "c-1" || e.Caller != "ada" {
		t.Errorf("%+v", e)
	}
}
