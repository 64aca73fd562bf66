package verify

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
	"certwright/internal/probe"
	"certwright/internal/secret"
	"certwright/internal/testworld"
)

// accounts are DNS accounts with one secret for all.
type accounts struct {
	list []order.DNSAccount
	key  string
}

func (a *accounts) DNSAccounts(context.Context) ([]order.DNSAccount, error) { return a.list, nil }
func (a *accounts) DNSKey(context.Context, string) (secret.Bytes, error) {
	return secret.Bytes(a.key), nil
}

var loopback = probe.Guard{AllowLoopback: true}

// dnsWorld is a verifier with an account at a real BIND.
func dnsWorld(t *testing.T, zones map[string]testworld.NamedZone) (*testworld.Named, *Verifier, *accounts) {
	t.Helper()
	n := testworld.StartNamed(t, zones)
	a := &accounts{key: n.Secret}
	for z := range zones {
		a.list = append(a.list, order.DNSAccount{Name: "bind-" + z, Kind: order.KindRFC2136, Server: n.Primary, Zones: []string{z}, Key: testworld.NamedKey, Algorithm: "hmac-sha256"})
	}
	looker := probe.New(probe.Options{Now: time.Now, From: "test", Resolver: n.Primary, Guard: loopback})
	return n, New(Options{Now: time.Now, Looker: looker, Accounts: a, Dial: (&net.Dialer{Control: loopback.Control}).DialContext, Wall: time.Now}), a
}

func dnsProof(name, value string) order.Proof {
	return order.Proof{Name: order.Name{Kind: order.DNS, Value: name}, Method: order.MethodDNS01, Token: "token", Value: value}
}

func located(t *testing.T, v *Verifier, account string, p order.Proof) order.Proof {
	t.Helper()
	p, err := v.Locate(t.Context(), account, p)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// everywhere waits until both servers have exactly these values.
func everywhere(t *testing.T, n *testworld.Named, name string, want ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	slices.Sort(want)
	for _, server := range []string{n.Primary, n.Secondary} {
		for {
			got, err := n.TXT(server, name)
			slices.Sort(got)
			if err == nil && slices.Equal(got, want) {
				break
			}
			select {
			case <-ctx.Done():
				t.Fatalf("%s at %s: %q, want %q (%v)", name, server, got, want, err)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
}

// TestDNSRecords: two values stand side by side, beside one of somebody else; each is withdrawn by itself, twice too.
func TestDNSRecords(t *testing.T) {
	t.Parallel()
	n, v, _ := dnsWorld(t, map[string]testworld.NamedZone{"example.test": {Records: "_acme-challenge TXT \"of somebody else\""}})
	const name = "_acme-challenge.example.test"
	one, two := located(t, v, "", dnsProof("example.test", "one")), located(t, v, "", dnsProof("*.example.test", "two"))
	if one.Place != name || two.Place != name || one.Account != "bind-example.test" {
		t.Fatalf("%+v %+v", one, two)
	}
	for _, p := range []order.Proof{one, two, one} {
		if err := v.Publish(t.Context(), nil, p); err != nil {
			t.Fatal(err)
		}
	}
	everywhere(t, n, name, "of somebody else", "one", "two")
	seen := v.Preflight(t.Context(), two)
	if len(seen) != 2 {
		t.Errorf("%d servers looked at", len(seen))
	}
	for _, o := range seen {
		if o.Outcome != evidence.Pass || !strings.HasPrefix(o.Command, "dig +norec @127.53.") {
			t.Errorf("%+v", o)
		}
	}
	for range 2 {
		if err := v.Withdraw(t.Context(), nil, one); err != nil {
			t.Fatal(err)
		}
	}
	everywhere(t, n, name, "of somebody else", "two")
	if seen := v.Preflight(t.Context(), one); len(seen) != 2 || seen[0].Outcome != evidence.Fail {
		t.Errorf("after it was withdrawn: %+v", seen)
	}
}

// TestDNSDelegated: the record is written where the CNAME leads, by the account that has that zone.
func TestDNSDelegated(t *testing.T) {
	t.Parallel()
	n, v, _ := dnsWorld(t, map[string]testworld.NamedZone{
		"example.test":    {Policy: "none", Records: "_acme-challenge.www CNAME www.challenges.test.\n_acme-challenge.two CNAME _acme-challenge.www\n_acme-challenge.lost CNAME lost.elsewhere.test."},
		"challenges.test": {}, "sub.example.test": {}})
	for _, name := range []string{"www.example.test", "two.example.test"} {
		p := located(t, v, "", dnsProof(name, name))
		if p.Place != "www.challenges.test" || p.Account != "bind-challenges.test" {
			t.Fatalf("%+v", p)
		}
		if err := v.Publish(t.Context(), nil, p); err != nil {
			t.Fatal(err)
		}
	}
	everywhere(t, n, "www.challenges.test", "www.example.test", "two.example.test")
	if p := located(t, v, "", dnsProof("lost.example.test", "x")); p.Place != "lost.elsewhere.test" || p.Account != "" {
		t.Errorf("a zone of nobody: %+v", p)
	}
	if p := located(t, v, "", dnsProof("a.sub.example.test", "x")); p.Account != "bind-sub.example.test" {
		t.Errorf("the longer zone: %+v", p)
	}
	if p := located(t, v, "BIND-challenges.test", dnsProof("www.example.test", "x")); p.Account != "bind-challenges.test" {
		t.Errorf("a named account: %+v", p)
	}
	for account, want := range map[string]string{"bind-example.test": "the CNAME at _acme-challenge.www.example.test leads to www.challenges.test", "none": "certwright dns-account list"} {
		_, err := v.Locate(t.Context(), account, dnsProof("www.example.test", "x"))
		var p *order.Problem
		if !errors.As(err, &p) || !strings.Contains(strings.ToLower(p.Fix), strings.ToLower(want)) {
			t.Errorf("%s: %v", account, err)
		}
	}
}

// TestDNSRefusals: what a real BIND holds against an update says what to do.
func TestDNSRefusals(t *testing.T) {
	t.Parallel()
	n, v, a := dnsWorld(t, map[string]testworld.NamedZone{"example.test": {}, "closed.test": {Policy: "none"}, "other.test": {Policy: "grant somebody zonesub TXT;"}})
	base := a.list[0]
	for name, tc := range map[string]struct {
		change func(*order.DNSAccount, *accounts, *Verifier)
		id     string
		says   string
	}{
		"well":       {func(*order.DNSAccount, *accounts, *Verifier) {}, "", ""},
		"policy":     {func(o *order.DNSAccount, _ *accounts, _ *Verifier) { o.Zones = []string{"other.test"} }, "dns-update-refused", "grant certwright subdomain other.test. TXT"},
		"no updates": {func(o *order.DNSAccount, _ *accounts, _ *Verifier) { o.Zones = []string{"closed.test"} }, "dns-update-refused", "REFUSED"},
		"no zone":    {func(o *order.DNSAccount, _ *accounts, _ *Verifier) { o.Zones = []string{"nowhere.test"} }, "dns-provider-zone-not-found", "NOTAUTH"},
		"key":        {func(o *order.DNSAccount, _ *accounts, _ *Verifier) { o.Key = "stranger" }, "dns-update-badkey", "BADKEY"},
		"algorithm":  {func(o *order.DNSAccount, _ *accounts, _ *Verifier) { o.Algorithm = "hmac-sha512" }, "dns-update-badkey", "hmac-sha512"},
		"secret":     {func(_ *order.DNSAccount, a *accounts, _ *Verifier) { a.key = "c2VjcmV0" }, "dns-update-badsig", "--replace"},
		"clock": {func(_ *order.DNSAccount, _ *accounts, v *Verifier) {
			v.o.Wall = func() time.Time { return time.Now().Add(-time.Hour) }
		}, "dns-update-badtime", "its clock shows 20"},
		"port": {func(o *order.DNSAccount, _ *accounts, _ *Verifier) { o.Server = "127.53.0.1:9" }, "", "no name server listens"},
		"guard": {func(_ *order.DNSAccount, _ *accounts, v *Verifier) {
			v.o.Dial = (&net.Dialer{Control: probe.Guard{}.Control}).DialContext
		}, "", "network.loopback"},
	} {
		acct, mine, its := base, *a, *v
		acct.Zones = []string{"example.test"}
		tc.change(&acct, &mine, &its)
		tests := its.TestAccount(t.Context(), acct, secret.Bytes(mine.key))
		if len(tests) != 1 {
			t.Fatalf("%s: %+v", name, tests)
		}
		p := tests[0].Problem
		if name == "well" {
			if p != nil || !tests[0].Written {
				t.Errorf("%s: %+v", name, p)
			}
			continue
		}
		if p == nil || p.ID != tc.id || !strings.Contains(p.Detail+p.Cause+p.Fix, tc.says) || p.Fix == "" {
			t.Errorf("%s: %+v, want %s and %q", name, p, tc.id, tc.says)
		}
	}
	if left, err := n.TXT(n.Primary, "_acme-challenge.certwright-test.example.test"); err != nil || len(left) > 0 {
		t.Errorf("left behind by a test: %q, %v", left, err)
	}
}

// TestDNSObserve: a look at an account tells a key that the server does not take, without writing.
func TestDNSObserve(t *testing.T) {
	t.Parallel()
	n, v, a := dnsWorld(t, map[string]testworld.NamedZone{"example.test": {}})
	seen := v.ObserveAccount(t.Context(), a.list[0].Name)
	if len(seen) != 1 || seen[0].Outcome != evidence.Pass {
		t.Fatalf("%+v", seen)
	}
	a.key = "c2VjcmV0"
	seen = v.ObserveAccount(t.Context(), a.list[0].Name)
	f, ok := evidence.Decode[evidence.DNSAccount](seen[0])
	if !ok || f.ID != "dns-update-badsig" || seen[0].Outcome != evidence.Fail {
		t.Errorf("%+v", seen)
	}
	a.key, a.list[0].Zones = n.Secret, []string{"nowhere.test"}
	seen = v.ObserveAccount(t.Context(), a.list[0].Name)
	if f, _ := evidence.Decode[evidence.DNSAccount](seen[0]); f.ID != "dns-provider-zone-not-found" {
		t.Errorf("%+v", seen)
	}
}

// TestDNSByHand: without an account its owner is told which record to publish, and it is seen once it is there at every
// name server; looking for it does not make a resolver remember that it is not there.
func TestDNSByHand(t *testing.T) {
	t.Parallel()
	n, v, a := dnsWorld(t, map[string]testworld.NamedZone{"example.test": {}})
	mine := a.list
	a.list = nil
	p := located(t, v, "", dnsProof("www.example.test", "by-hand"))
	problem := wantProblem(t, v.Publish(t.Context(), nil, p), order.Waiting, order.OwnerOwner)
	if !strings.Contains(problem.Fix, `_acme-challenge.www.example.test. 300 IN TXT "by-hand"`) {
		t.Errorf("%+v", problem)
	}
	if err := v.with(mine[0], secret.Bytes(n.Secret)).add(t.Context(), p.Place, p.Value); err != nil {
		t.Fatal(err)
	}
	everywhere(t, n, p.Place, "by-hand")
	if err := v.Publish(t.Context(), nil, p); err != nil {
		t.Error(err)
	}
	if err := v.Withdraw(t.Context(), nil, p); err != nil {
		t.Error(err)
	}
	everywhere(t, n, p.Place, "by-hand") // it is its owner's
}
