package fulfill

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"certwright/internal/order"
	"certwright/internal/site"
)

// What goes on beside a step: other steps of the same run, and commands. What is told last is not always what is newest.

func stored(number int) func(o *order.Order) bool {
	return func(o *order.Order) bool { v := o.Version(number); return v != nil && v.State == order.VersionStored }
}

// TestTargetAddedUnderARun: a target that a site is given while a run pushes to another one is pushed to as well.
func TestTargetAddedUnderARun(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop", "files")
	add := once(func() {
		s, err := l.store.LoadSite(l.ctx(), id.Subscription, id.Group, "shop")
		if err != nil {
			t.Error(err)
			return
		}
		s.Targets = append(s.Targets, site.Target{Name: "more", Kind: site.KindFiles})
		if _, err := l.SaveSite(l.ctx(), by, *s); err != nil {
			t.Error(err)
		}
	})
	l.target.put = func(context.Context, site.Target) error { add(); return nil }
	o := l.advance(id)
	if d := o.Deployment("shop/more"); d == nil || d.Version != 1 || l.target.holds["shop/more"] == "" {
		t.Errorf("the new target: %+v", d)
	}
}

// TestSitesChangedUnderAPush: a push finds its target gone while its order comes to use another site.
func TestSitesChangedUnderAPush(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop", "files", "more")
	other := site.Site{Subscription: id.Subscription, Group: id.Group, Name: "other", Targets: []site.Target{{Name: "files", Kind: site.KindFiles}}}
	if _, err := l.SaveSite(l.ctx(), by, other); err != nil {
		t.Fatal(err)
	}
	v := l.store.sites["shop"] // as SaveSite leaves it before it tells the orders
	v.Targets, v.Revision = v.Targets[:1], v.Revision+1
	l.store.sites["shop"] = v
	change := once(func() {
		if _, err := l.Update(l.ctx(), by, id, 0, func(w *Wish) { w.Sites = []string{"other"} }); err != nil {
			t.Error(err)
		}
	})
	l.store.always = func(o *order.Order) {
		if o.First() != nil && !slices.Contains(o.Spec.Sites, "other") && (o.Deployment("shop/more") == nil || o.Deployment("shop/more").Gone) {
			change()
		}
	}
	l.advance(id)
	change() // the run knew the target to be gone before it pushed
	if o := l.advance(id); o.Deployment("other/files") == nil || o.Deployment("other/files").Version != 1 {
		t.Errorf("the targets of the order: %+v", o.Deployments)
	}
}

// TestWishChangedWhileAnAttemptBegins: what the authority was asked for is what the order no longer wants.
func TestWishChangedWhileAnAttemptBegins(t *testing.T) {
	t.Parallel()
	for what, edit := range map[string]func(w *Wish){
		"fewer names":    func(w *Wish) { w.Words = []string{"shop.example.com"} },
		"other names":    func(w *Wish) { w.Words = []string{"shop.example.com", "b.example.com"} },
		"another issuer": func(w *Wish) { w.Issuer = order.BuiltinIssuer },
		"another method": func(w *Wish) { w.Method = order.MethodHTTP01 },
	} {
		for _, refused := range []bool{false, true} {
			l := newLab(t)
			id := order.Short("shop")
			if _, err := l.Create(l.ctx(), by, id, Wish{Words: []string{"shop.example.com", "a.example.com"}, Spec: order.Spec{Issuer: "test"}}); err != nil {
				t.Fatal(err)
			}
			first := true
			l.issuer.begin = func() error {
				if !first {
					return nil
				}
				first = false
				if _, err := l.Update(l.ctx(), by, id, 0, edit); err != nil {
					t.Error(err)
				}
				if refused {
					return &order.Problem{Class: order.Final, What: "new order", Detail: "the authority does not issue for a.example.com"}
				}
				return nil
			}
			o := l.advance(id)
			v := o.First()
			if v == nil {
				t.Errorf("%s, refused %v: no version; needs %+v", what, refused, o.Needs)
				continue
			}
			if names := o.Names(); !slices.Equal(v.Names, names) || v.Issuer != o.Spec.Issuer || l.issuer.n("sign") != 1 || l.issuer.n("begin") != 2 {
				t.Errorf("%s, refused %v: the order is for %v of %s, its version for %v of %s; begun %d times, signed %d times",
					what, refused, names, o.Spec.Issuer, v.Names, v.Issuer, l.issuer.n("begin"), l.issuer.n("sign"))
			}
		}
	}
}

// TestPushOfAFormerVersionFails: it says nothing of the new one, which is pushed at once.
func TestPushOfAFormerVersionFails(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop", "files")
	l.advance(id)
	there, first := l.when(stored(2)), true
	l.target.put = func(context.Context, site.Target) error {
		if !first {
			return nil
		}
		first = false
		await(t, there, "version 2")
		return &order.Problem{Class: order.Retry, What: "deploy", Detail: "no"}
	}
	for _, command := range []func(context.Context, order.By, order.ID) (*order.Order, error){l.Sync, l.Renew} {
		if _, err := command(l.ctx(), by, id); err != nil {
			t.Fatal(err)
		}
	}
	o := l.advance(id)
	if d := o.Deployments[0]; d.Version != 2 || d.Problem != nil {
		t.Errorf("the target holds version %d, due %s: %v", d.Version, d.DueAt.Sub(l.clock.now()), d.Problem)
	}
}

// TestNoVaultLookBesideAStore: what could not be stored is tried again at the moment at which the vault is looked at again.
// Storing says how the vault is; a look beside it says how it was.
func TestNoVaultLookBesideAStore(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop")
	l.advance(id)
	away := &order.Problem{Class: order.Retry, What: "store", Detail: "the vault is away"}
	l.vault.put = func() error { return away }
	if _, err := l.Renew(l.ctx(), by, id); err != nil {
		t.Fatal(err)
	}
	o := l.advance(id)
	if o.Vault.Fault == "" || !o.Vault.DueAt.Equal(o.Running(order.P256).DueAt) {
		t.Fatalf("vault %+v, attempt %+v", o.Vault, o.Running(order.P256))
	}
	l.vault.put = nil
	there := l.when(stored(2))
	l.vault.ready = func() error { // what it says is how it was before
		await(t, there, "version 2")
		return away
	}
	l.clock.move(o.Vault.DueAt.Sub(l.clock.now()))
	if o = l.advance(id); o.First().Number != 2 || o.Vault.Fault != "" || l.eventsNamed("vault-out-of-sync") != 0 {
		t.Errorf("version %d is stored, and the vault is called %q: %v", o.First().Number, o.Vault.Fault, o.Vault.Problem)
	}
}

// TestOvertakenVaultLook: a look that began before a version was stored, and is told after it, counts no more.
func TestOvertakenVaultLook(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop")
	l.advance(id)
	there, first := l.when(stored(2)), true
	l.vault.ready = func() error {
		if !first {
			return nil
		}
		first = false
		await(t, there, "version 2")
		return &order.Problem{Class: order.Retry, What: "use the vault", Detail: "the vault is away"}
	}
	for _, command := range []func(context.Context, order.By, order.ID) (*order.Order, error){l.Sync, l.Renew} {
		if _, err := command(l.ctx(), by, id); err != nil {
			t.Fatal(err)
		}
	}
	if o := l.advance(id); o.First().Number != 2 || o.Vault.Fault != "" || l.eventsNamed("vault-out-of-sync") != 0 {
		t.Errorf("version %d is stored, and the vault is called %q: %v", o.First().Number, o.Vault.Fault, o.Vault.Problem)
	}
}

// TestVaultLookBesideACopy: a copy that is being made is not a lost one.
func TestVaultLookBesideACopy(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.Lease = 30 * time.Millisecond // it sees at a beat what was changed
	id := l.order("www")
	link := order.Link{Name: "copy", VaultID: "/x", Vault: DefaultVault, Secret: "other"}
	if _, err := l.Update(l.ctx(), by, id, 0, func(w *Wish) { w.Links = []order.Link{link} }); err != nil {
		t.Fatal(err)
	}
	o := l.advance(id)
	if o.Copies[0].Version != 1 {
		t.Fatalf("the copy: %+v", o.Copies)
	}
	if _, err := l.Renew(l.ctx(), by, id); err != nil {
		t.Fatal(err)
	}
	l.vault.putting = func(c Certificate) {
		if c.Name != "other" {
			return
		}
		l.clock.move(time.Second)
		looked := l.when(func(o *order.Order) bool { return o.Vault.Checked.Equal(l.clock.now()) })
		if _, err := l.Sync(l.ctx(), by, id); err != nil {
			t.Error(err)
		}
		await(t, looked, "the look at the vault")
	}
	o = l.advance(id)
	if o.Copies[0].Version != 2 || o.Copies[0].Fault != "" || l.eventsNamed("copy-failed") != 0 {
		t.Errorf("the copy: %+v, %d events of failures", o.Copies[0], l.eventsNamed("copy-failed"))
	}
}

// TestDeletedWhileItIsSigned: the authority signs for an order that is being deleted. The row does not go before that
// certificate is revoked and the vault rid of it.
func TestDeletedWhileItIsSigned(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.Lease = 30 * time.Millisecond
	id := l.order("www")
	l.advance(id)
	l.issuer.proven = true // no proof is left to be withdrawn first
	l.issuer.finalise = func(ctx context.Context) error {
		seen := 0
		beats := l.when(func(o *order.Order) bool {
			if o.Deleting {
				seen++
			}
			return seen == 4 // the command, and then the run
		})
		if _, err := l.Delete(l.ctx(), by, id, true); err != nil {
			t.Error(err)
		}
		select {
		case <-beats:
		case <-ctx.Done(): // it is gone; the authority signs all the same
		case <-time.After(time.Minute):
			t.Error("nothing was saved meanwhile")
		}
		return nil
	}
	if _, err := l.Renew(l.ctx(), by, id); err != nil {
		t.Fatal(err)
	}
	l.advance2(id)
	if _, err := l.store.LoadOrder(l.ctx(), id); !errors.Is(err, ErrNotFound) {
		t.Errorf("the order: %v", err)
	}
	if n := l.issuer.n("sign"); n != 2 || len(l.issuer.revoked) != 2 {
		t.Errorf("%d certificates were signed, %d of them revoked", n, len(l.issuer.revoked))
	}
	if !l.vault.gone["www"] {
		t.Error("a certificate is left in the vault")
	}
}

// TestSecretDeletedUnderALook: the look has seen the secret when somebody deletes it. It is looked for once more.
func TestSecretDeletedUnderALook(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("www")
	l.advance(id)
	l.vault.got = func(name string) {
		l.vault.mu.Lock()
		gone := l.vault.gone[name]
		l.vault.gone[name] = true
		l.vault.mu.Unlock()
		if gone {
			return
		}
		l.clock.move(time.Second)
		if _, err := l.SecretChanged(l.ctx(), by, id, name, "deleted"); err != nil {
			t.Error(err)
		}
	}
	if _, err := l.Sync(l.ctx(), by, id); err != nil {
		t.Fatal(err)
	}
	if o := l.advance(id); o.Vault.Fault == "" {
		t.Errorf("the secret is gone, and the vault is next looked at in %s", o.Vault.CheckAt.Sub(l.clock.now()))
	}
}

// TestAskedUnderALook: who mends what serves, and asks while a look is under way, gets another one.
func TestAskedUnderALook(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(*Mover, context.Context, order.By, order.ID) (*order.Order, error){"sync": (*Mover).Sync, "retry": (*Mover).Retry} {
		l := newLab(t)
		id := order.Short("www")
		if _, err := l.Watch(l.ctx(), by, id, Wish{Spec: order.Spec{Endpoints: []site.Endpoint{{Address: "www.example.com:443"}}}}); err != nil {
			t.Fatal(err)
		}
		l.target.seen = func(look int) {
			if look == 1 {
				l.clock.move(time.Second)
				if _, err := ask(l.Mover, l.ctx(), by, id); err != nil {
					t.Error(err)
				}
			}
		}
		if l.advance(id); l.target.looks != 2 {
			t.Errorf("%s: looked %d times, want 2", name, l.target.looks)
		}
	}
}

// TestVerifyUnderATry: an owner has published what we do not see, and says so while a try is under way.
func TestVerifyUnderATry(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("www")
	tries := 0
	l.proofs.publish = func(order.Proof) error {
		if tries++; tries == 1 {
			l.clock.move(time.Second)
			if _, err := l.Verify(l.ctx(), by, id); err != nil {
				t.Error(err)
			}
		}
		return &order.Problem{Class: order.Waiting, Owner: order.OwnerOwner, What: "publish", Fix: "Publish it"}
	}
	if o := l.advance(id); o.First() == nil || tries != 2 {
		t.Errorf("tried %d times, the authority was asked %d times", tries, l.issuer.n("validate"))
	}
}

// TestTargetMoves: a site's target is to be put elsewhere from now on: it is, at once, also while a push to where it was is
// under way.
func TestTargetMoves(t *testing.T) {
	t.Parallel()
	for _, during := range []bool{false, true} {
		l := newLab(t)
		id := l.order("shop", "files", "more")
		move := once(func() {
			s, err := l.store.LoadSite(l.ctx(), id.Subscription, id.Group, "shop")
			if err != nil {
				t.Error(err)
				return
			}
			s.Targets[0].Files = &site.Files{Key: "other.key"}
			l.clock.move(time.Second)
			if _, err := l.SaveSite(l.ctx(), by, *s); err != nil {
				t.Error(err)
			}
		})
		var mu sync.Mutex
		var puts []string
		l.target.put = func(_ context.Context, target site.Target) error {
			key := ""
			if target.Files != nil {
				key = target.Files.Key
			}
			mu.Lock()
			puts = append(puts, target.Name+" "+key)
			mu.Unlock()
			if during && target.Name == "files" {
				move()
			}
			return nil
		}
		l.advance(id)
		move()
		l.advance(id)
		slices.Sort(puts)
		if want := []string{"files ", "files other.key", "more "}; !slices.Equal(puts, want) {
			t.Errorf("during a push %v: put %q, want %q", during, puts, want)
		}
	}
}
