package fulfill

import (
	"slices"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// dnsOrder is an order by dns-01 for a name and its wildcard.
func (l *lab) dnsOrder(name string) order.ID {
	l.t.Helper()
	id := order.Short(name)
	l.issuer.traits.Wildcard = true
	if _, err := l.Create(l.ctx(), by, id, Wish{Words: []string{name + ".example.com", "*." + name + ".example.com"}, Spec: order.Spec{Issuer: "test", AutoRenew: true}}); err != nil {
		l.t.Fatal(err)
	}
	return id
}

// TestRecordsSpread: the issuer is not asked while a name server says that it lacks a record, for two minutes at most, or
// until a person says so; servers that do not answer hold nothing up.
func TestRecordsSpread(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.proofs.place, l.proofs.account = "_acme-challenge.a.example.com", "dns"
	l.proofs.servers = []evidence.Outcome{evidence.Pass, evidence.Fail, evidence.Unknown}
	id := l.dnsOrder("a")
	o := l.advance(id)
	a := &o.Attempts[0]
	if o.Spec.Method != order.MethodDNS01 || l.issuer.calls["validate"] != 0 || l.proofs.left() != 2 || a.Waiting != order.OwnerUs || a.Problem.ID != "dns-txt-partly" {
		t.Fatalf("method %s, %d questions, %d records, waits for %q: %v", o.Spec.Method, l.issuer.calls["validate"], l.proofs.left(), a.Waiting, a.Problem)
	}
	if wait := o.DueAt.Sub(l.clock.now()); wait <= 0 || wait > 5*time.Second {
		t.Errorf("it looks again after %s", wait)
	}
	l.clock.move(spreadFor - time.Second)
	if l.advance(id); l.issuer.calls["validate"] != 0 {
		t.Error("the issuer was asked too early")
	}
	l.clock.move(time.Minute)
	if o = l.advance(id); o.First() == nil || l.proofs.left() != 0 {
		t.Errorf("what we see must be no gate: %v", o.Attempts[0].Problem)
	}

	id = l.dnsOrder("b")
	l.advance(id)
	if _, err := l.Verify(l.ctx(), by, id); err != nil {
		t.Fatal(err)
	}
	if o = l.advance(id); o.First() == nil {
		t.Error("a person said to ask the issuer")
	}
	l.proofs.servers = []evidence.Outcome{evidence.Pass, evidence.Unknown}
	if o = l.advance(l.dnsOrder("c")); o.First() == nil {
		t.Error("a server that does not answer held it up")
	}
}

// TestRecordsMove: where a record is to stand is on record before it is written; one that moves is taken away where it was.
func TestRecordsMove(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.proofs.place = "_acme-challenge.a.example.com"
	l.proofs.publish = func(p order.Proof) error {
		stored := l.load(order.Short("a")).Attempts[0].Proofs
		if !slices.ContainsFunc(stored, func(q order.Proof) bool { return q.Value == p.Value && q.Place == p.Place && q.Account == p.Account }) {
			t.Errorf("written to %s by %q, which is not on record: %+v", p.Place, p.Account, stored)
		}
		if p.Account == "" {
			return &order.Problem{Class: order.Waiting, What: "publish", Detail: "by hand", Owner: order.OwnerOwner, Fix: "publish " + p.Name.Value}
		}
		return nil
	}
	id := l.dnsOrder("a")
	o := l.advance(id)
	if o.Attempts[0].Waiting != order.OwnerOwner || o.Identifiers[0].Instruct != "publish a.example.com" || o.Identifiers[1].Instruct != "publish *.a.example.com" {
		t.Fatalf("by hand: %+v", o.Identifiers)
	}
	l.proofs.account, l.proofs.servers = "dns", []evidence.Outcome{evidence.Fail}
	l.clock.move(time.Minute)
	if o = l.advance(id); o.Attempts[0].Proofs[0].Account != "dns" || o.Attempts[0].Waiting != order.OwnerUs {
		t.Fatalf("with an account: %+v", o.Attempts[0])
	}
	var gone []string
	l.proofs.withdrawn = func(p order.Proof) { gone = append(gone, p.Place) }
	l.proofs.place, l.proofs.servers = "elsewhere.example.com", []evidence.Outcome{evidence.Pass}
	l.clock.move(10 * time.Second)
	if o = l.advance(id); o.First() == nil {
		t.Fatalf("%v", o.Attempts[0].Problem)
	}
	want := []string{"_acme-challenge.a.example.com", "_acme-challenge.a.example.com", "elsewhere.example.com", "elsewhere.example.com"}
	if !slices.Equal(gone, want) {
		t.Errorf("withdrawn at %v, want %v", gone, want)
	}
	if f := o.Attempts[0].Former; len(f) == 0 || f[0] != "value" {
		t.Errorf("the former values are %v", f)
	}
}
