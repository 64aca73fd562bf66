package fulfill

import (
	"errors"
	"testing"
	"time"

	"certwright/internal/order"
)

func refusal(t *testing.T, err error, code string) {
	t.Helper()
	if r, ok := order.AsRefusal(err); !ok || r.Code != code || r.Fix == "" {
		t.Errorf("got %v, want a refusal %s with a fix", err, code)
	}
}

// A soft-deleted secret comes back, and what failed for want of it goes on; nothing deleted is a refusal.
func TestRecoverHealsTheOrder(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("www", "a")
	l.advance(id)
	_, err := l.Recover(l.ctx(), by, id)
	refusal(t, err, "SecretNotDeleted")
	l.vault.gone["www"] = true
	if _, err := l.Sync(l.ctx(), by, id); err != nil {
		t.Fatal(err)
	}
	if o := l.advance(id); o.Vault.Fault == "" {
		t.Fatal("the vault's loss was not seen")
	}
	if _, err := l.Recover(l.ctx(), by, id); err != nil {
		t.Fatal(err)
	}
	o := l.advance(id)
	if o.Vault.Fault != "" || o.Deployments[0].Problem != nil || l.eventsNamed("secret-recovered") != 1 {
		t.Errorf("fault %q, target %v, %d events", o.Vault.Fault, o.Deployments[0].Problem, l.eventsNamed("secret-recovered"))
	}
	_, err = l.Recover(l.ctx(), by, order.Short("nobody"))
	refusal(t, err, "OrderNotFound")
}

// What failed at the vault is stored again with no new order at the authority.
func TestStoreAgainAsksNoAuthority(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.vault.put = func() error { return errors.New("sealed") }
	id := l.order("www")
	o := l.advance(id)
	if o.First() != nil || len(o.Versions) != 1 {
		t.Fatalf("versions %+v", o.Versions)
	}
	begun := l.issuer.calls["begin"]
	l.vault.put = nil
	if o = l.advance(id); o.First() != nil {
		t.Fatal("it was tried again before its time")
	}
	if _, err := l.StoreAgain(l.ctx(), by, id); err != nil {
		t.Fatal(err)
	}
	l.until(id, 3, func(o *order.Order) bool { return o.First() != nil })
	if l.issuer.calls["begin"] != begun {
		t.Errorf("asked %d times before and %d after", begun, l.issuer.calls["begin"])
	}
}

// Targets that somebody switched off are switched on, and only where there are any.
func TestResumeTargets(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("www", "a")
	l.advance(id)
	_, err := l.ResumeTargets(l.ctx(), by, id)
	refusal(t, err, "NothingSwitchedOff")
	s, err := l.store.LoadSite(l.ctx(), id.Subscription, id.Group, "www")
	if err != nil {
		t.Fatal(err)
	}
	s.Targets[0].Disabled = "ada"
	if _, err := l.SaveSite(l.ctx(), by, *s); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Renew(l.ctx(), by, id); err != nil {
		t.Fatal(err)
	}
	o := l.until(id, 5, func(o *order.Order) bool { return o.First().Number == 2 })
	if got := SwitchedOff(o); len(got) != 1 || got[0] != "www/a" || o.Deployment("www/a").Version != 1 {
		t.Fatalf("off %v, a holds %d", got, o.Deployment("www/a").Version)
	}
	if _, err := l.ResumeTargets(l.ctx(), by, id); err != nil {
		t.Fatal(err)
	}
	l.until(id, 5, func(o *order.Order) bool { return len(SwitchedOff(o)) == 0 && o.Deployment("www/a").Version == 2 })
}

// Automatic renewal comes back on, and a renewal that is due begins.
func TestResumeRenewal(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("www")
	l.advance(id)
	if _, err := l.Update(l.ctx(), by, id, 0, func(w *Wish) { w.AutoRenew = false }); err != nil {
		t.Fatal(err)
	}
	l.clock.move(80 * 24 * time.Hour)
	if o := l.advance(id); len(o.Versions) != 1 {
		t.Fatal("it was renewed while that was off")
	}
	if _, err := l.ResumeRenewal(l.ctx(), by, id); err != nil {
		t.Fatal(err)
	}
	l.until(id, 5, func(o *order.Order) bool { return len(o.Versions) == 2 && o.Spec.AutoRenew })
}

// Another method is one that the issuer takes for these names; where there is none, that is said.
func TestOtherMethod(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("www")
	_, err := l.OtherMethod(l.ctx(), by, id)
	refusal(t, err, "NoOtherMethod")
	l.issuer.traits.Patient = true
	for _, want := range []order.Method{order.MethodTXT, order.MethodHTML, order.MethodTXT} {
		o, err := l.OtherMethod(l.ctx(), by, id)
		if err != nil || o.Spec.Method != want {
			t.Fatalf("%v, method %q, want %q", err, o.Spec.Method, want)
		}
	}
	wild, err := l.Create(l.ctx(), by, order.Short("wild"), Wish{Words: []string{"*.example.com"}, Spec: order.Spec{Issuer: "test", Method: order.MethodTXT}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.NextMethod(l.ctx(), wild)
	refusal(t, err, "NoOtherMethod")
	l.store.dns = []order.DNSAccount{{Name: "dns", Zones: []string{"example.com"}}}
	if next, err := l.NextMethod(l.ctx(), wild); err != nil || next != order.MethodDNS01 {
		t.Errorf("with a DNS account that can write the record: %q, %v", next, err)
	}
}

// A retry comes before its time: the vault that failed is asked at once, and not before somebody says so.
func TestRetryIsNow(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.vault.put = func() error { return errors.New("full") }
	id := l.order("www", "a")
	l.advance(id)
	l.vault.put = nil
	if o := l.advance(id); o.First() != nil {
		t.Fatal("it was tried again before its time")
	}
	if _, err := l.Retry(l.ctx(), by, id); err != nil {
		t.Fatal(err)
	}
	at := l.clock.now()
	l.until(id, 3, func(o *order.Order) bool { return o.First() != nil && o.Deployments[0].Version == 1 })
	if waited := l.clock.now().Sub(at); waited > time.Second {
		t.Errorf("it waited for %s all the same", waited)
	}
}
