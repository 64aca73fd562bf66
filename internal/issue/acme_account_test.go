package issue

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"certwright/internal/evidence"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/testworld"
)

func TestExternalAccount(t *testing.T) {
	t.Parallel()
	hmac := base64.RawURLEncoding.EncodeToString([]byte("a key of thirty-two octets, >?>?"))
	b := newBench(t, testworld.PebbleOptions{EABRequired: true, EAB: map[string]string{"kid-1": hmac}})
	r := fulfill.Request{Names: dnsNames("www.example.test")}
	tests := []struct{ name, kid, key, id string }{
		{"none", "", "", "ca-eab-required"},
		{"unknown kid", "kid-9", hmac, "ca-eab-unknown-kid"},
		{"wrong key", "kid-1", base64.RawURLEncoding.EncodeToString([]byte("another key of thirty-two octets")), "ca-eab-bad-hmac"},
		{"no base64", "kid-1", "!!", "ca-eab-bad-hmac"},
	}
	for _, tt := range tests {
		b.o.Issuer.EABKid, b.o.EABKey = tt.kid, secret.Bytes(tt.key)
		_, err := b.acme().Begin(limit(t), r)
		p := wantProblem(t, err, tt.id, order.Final)
		if tt.key != "" && strings.Contains(p.Error(), tt.key) {
			t.Errorf("%s: the key stands in the error", tt.name)
		}
	}
	// Standard base64 with padding is the same key.
	b.o.Issuer.EABKid, b.o.EABKey = "kid-1", secret.Bytes(strings.NewReplacer("-", "+", "_", "/").Replace(hmac)+"=\n")
	if _, err := b.acme().Begin(limit(t), r); err != nil {
		t.Error(err)
	}
}

// paddedSerial says whether DER puts a zero octet before the serial number, as one in 256 of Pebble's 63 random bits need.
// The octet belongs to the CertID (RFC 9773 section 4.1), but Pebble 2.10.1 looks its orders up without it, so it knows
// no order to be replaced by such a CertID.
func paddedSerial(t *testing.T, chain [][]byte) bool {
	t.Helper()
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf.SerialNumber.BitLen()%8 == 0
}

func TestReplacesAndRenewalInfo(t *testing.T) {
	t.Parallel()
	b := newBench(t, testworld.PebbleOptions{})
	r := fulfill.Request{Names: dnsNames("www.example.test")}
	chain, _ := b.issue(t, r)
	for paddedSerial(t, chain) {
		chain, _ = b.issue(t, r)
	}
	info, err := b.acme().RenewalInfo(limit(t), chain[0])
	if err != nil || info.Window == nil || !info.Window.End.After(info.Window.Start) {
		t.Fatalf("renewal information: %+v, %v", info, err)
	}
	if d := time.Until(info.Again); d < 5*time.Hour || d > 7*time.Hour {
		t.Errorf("ask again in %s; Pebble says 6 h", d)
	}

	r.Replaces = info.CertID
	if _, o := b.issue(t, r); !o.Replaced {
		t.Error("the authority did not take replaces")
	}
	before := b.proxy.Seen(testworld.OpNewOrder)
	if _, o := b.issue(t, r); o.Replaced { // replaced already
		t.Error("replaces was taken twice")
	}
	if n := b.proxy.Seen(testworld.OpNewOrder) - before; n != 2 {
		t.Errorf("asked %d times, want once with and once without", n)
	}

	r.Replaces = "AAAA.AQID" // of no certificate known there
	if _, o := b.issue(t, r); o.Replaced {
		t.Error("replaces of an unknown certificate was taken")
	}

	other := b.o
	other.Key, other.SaveAccount, other.Issuer.Account = newKey(t), nil, ""
	r.Replaces = info.CertID // of another account
	if o, err := NewACME(other).Begin(limit(t), r); err != nil || o.Replaced {
		t.Errorf("replaces of another account: %+v, %v", o, err)
	}
}

func TestRenewalInfoAnswers(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Second) // the authority's own certificate is checked by this clock, too
	good := `{"suggestedWindow":{"start":"2027-01-01T00:00:00Z","end":"2027-01-02T00:00:00Z"},"explanationURL":"https://ca.test/why"}`
	tests := []struct {
		name, retry, body string
		status            int
		window            bool
		again             time.Duration
		problem           bool
	}{
		{"hourly", "3600", good, 200, true, time.Hour, false},
		{"too soon", "1", good, 200, true, time.Minute, false},
		{"too late", "9999999", good, 200, true, 24 * time.Hour, false},
		{"not said", "", good, 200, true, 6 * time.Hour, false},
		{"window backwards", "", `{"suggestedWindow":{"start":"2027-01-02T00:00:00Z","end":"2027-01-01T00:00:00Z"}}`, 200, false, 6 * time.Hour, true},
		{"rubbish", "", `<html>`, 200, false, 6 * time.Hour, true},
		{"not known there", "", `{"type":"urn:ietf:params:acme:error:malformed","detail":"no such certificate"}`, 404, false, 24 * time.Hour, false},
		{"trouble", "7200", `oops`, 503, false, 2 * time.Hour, true},
	}
	b := newBench(t, testworld.PebbleOptions{})
	chain, _ := b.issue(t, fulfill.Request{Names: dnsNames("www.example.test")})
	b.o.Now = func() time.Time { return now }
	for _, tt := range tests {
		b.proxy.Heal()
		h := map[string]string{"Content-Type": "application/json"}
		if tt.retry != "" {
			h["Retry-After"] = tt.retry
		}
		b.proxy.Inject(testworld.Fault{Op: testworld.OpRenewalInfo, Status: tt.status, Header: h, Body: tt.body})
		got, err := b.acme().RenewalInfo(limit(t), chain[0])
		if (got.Window != nil) != tt.window || !got.Again.Equal(now.Add(tt.again)) || (err != nil) != tt.problem {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
		var p *order.Problem
		if tt.problem && (!errors.As(err, &p) || p.Class != order.Retry) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	b.proxy.Heal()
	b.proxy.Inject(testworld.Fault{Op: testworld.OpDirectory, Rewrite: func(s int, body []byte) (int, []byte) {
		return s, []byte(strings.Replace(string(body), `"renewalInfo"`, `"somethingElse"`, 1))
	}})
	if got, err := b.acme().RenewalInfo(limit(t), chain[0]); err != nil || got != (fulfill.Renewal{}) {
		t.Errorf("an authority without renewal information: %+v, %v", got, err)
	}
}

// TestCertID uses the certificate of RFC 9773 appendix A: its key identifier is
// 69:88:5B:6B:87:46:40:41:E1:B3:7B:84:7B:A0:AE:2C:DE:01:C8:D4 and its serial 00:87:65:43:21.
func TestCertID(t *testing.T) {
	t.Parallel()
	b := newBench(t, testworld.PebbleOptions{})
	chain, _ := b.issue(t, fulfill.Request{Names: dnsNames("www.example.test")})
	cert, err := x509.ParseCertificate(chain[0])
	if err != nil {
		t.Fatal(err)
	}
	aki, err := base64.RawURLEncoding.DecodeString("aYhba4dGQEHhs3uEe6CuLN4ByNQ")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		serial int64
		want   string
	}{
		{0x87654321, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"}, // the RFC's: high bit set
		{0x7fffffff, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.f____w"},
		{0x80, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIA"},
	}
	for _, tt := range tests {
		c := *cert
		c.AuthorityKeyId = aki
		c.SerialNumber = bigInt(tt.serial)
		got, err := CertID(&c)
		theirs, err2 := acme.ARIUniqueIdentifier(&c)
		if err != nil || err2 != nil || got != tt.want || got != theirs {
			t.Errorf("serial %x: %q, library %q, want %q (%v, %v)", tt.serial, got, theirs, tt.want, err, err2)
		}
	}
	c := *cert
	c.AuthorityKeyId = nil
	if _, err := CertID(&c); err == nil {
		t.Error("a certificate without authority key identifier has a CertID")
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	b := newBench(t, testworld.PebbleOptions{})
	chain, _ := b.issue(t, fulfill.Request{Names: dnsNames("www.example.test")})
	for range 2 {
		if err := b.acme().Revoke(limit(t), chain[0], 4); err != nil {
			t.Fatal(err)
		}
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		t.Fatal(err)
	}
	status, err := b.pebble.CertStatus(limit(t), leaf.SerialNumber.Text(16))
	if err != nil || !strings.Contains(status, "Revoked") {
		t.Errorf("Pebble says %s, %v", status, err)
	}
	second, _ := b.issue(t, fulfill.Request{Names: dnsNames("www.example.test")})
	wantProblem(t, b.acme().Revoke(limit(t), second[0], 7), "", order.Final)
	if p := wantProblem(t, b.acme().Revoke(limit(t), chain[1], 0), "", order.Final); p.Type == "" {
		t.Errorf("the authority's words are lost: %+v", p)
	}
}

// TestLostAccount: the authority was rebuilt. The account comes back with the same key; the order it
// had is given up.
func TestLostAccount(t *testing.T) {
	t.Parallel()
	b := newBench(t, testworld.PebbleOptions{})
	r := fulfill.Request{Names: dnsNames("www.example.test")}
	running := b.acme()
	o, err := running.Begin(limit(t), r)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.pebble.Restart(limit(t)); err != nil {
		t.Fatal(err)
	}
	_, err = running.Finalise(limit(t), r, o, newCSR(t, newKey(t), r.Names...))
	wantProblem(t, err, "ca-order-expired", order.GiveUp)
	if len(b.saved) != 2 {
		t.Errorf("accounts recorded: %v", b.saved)
	}
	_, err = b.acme().Validate(limit(t), r, o)
	wantProblem(t, err, "ca-order-expired", order.GiveUp)
	b.issue(t, r)
	if len(b.saved) != 2 {
		t.Errorf("registered again without need: %v", b.saved)
	}
}

func TestDeactivatedAccount(t *testing.T) {
	t.Parallel()
	b := newBench(t, testworld.PebbleOptions{})
	r := fulfill.Request{Names: dnsNames("www.example.test")}
	a := b.acme()
	if _, err := a.Begin(limit(t), r); err != nil {
		t.Fatal(err)
	}
	c := &acme.Client{Directory: b.pebble.Directory, HTTPClient: b.pebble.Client()}
	acct, err := c.GetAccount(limit(t), acme.Account{PrivateKey: b.key})
	if err == nil {
		acct.Status = acme.StatusDeactivated
		_, err = c.UpdateAccount(limit(t), acct)
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Begin(limit(t), r)
	wantProblem(t, err, "ca-account-deactivated", order.Final)
	b.saved = nil
	b.o.Issuer.Account = ""
	_, err = b.acme().Begin(limit(t), r)
	wantProblem(t, err, "ca-account-deactivated", order.Final)
	for _, o := range a.Observe(limit(t)) {
		if o.Check == "account" && o.Outcome != evidence.Fail {
			t.Errorf("%v", o)
		}
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	b := newBench(t, testworld.PebbleOptions{})
	check := func(when string, want map[string]evidence.Outcome) {
		t.Helper()
		got := b.acme().Observe(limit(t))
		if len(got) != len(want) {
			t.Fatalf("%s: %v", when, got)
		}
		for _, o := range got {
			if o.Probe != evidence.ProbeCA || o.Outcome != want[o.Check] || o.From == "" || o.At.IsZero() || o.Subject == "" {
				t.Errorf("%s: %v", when, o)
			}
		}
	}
	check("no account yet", map[string]evidence.Outcome{"directory": evidence.Pass, "clock": evidence.Pass, "account": evidence.Unknown})
	if len(b.saved) != 0 {
		t.Error("looking registered an account")
	}
	if _, err := b.acme().Begin(limit(t), fulfill.Request{Names: dnsNames("www.example.test")}); err != nil {
		t.Fatal(err)
	}
	check("well", map[string]evidence.Outcome{"directory": evidence.Pass, "clock": evidence.Pass, "account": evidence.Pass})
	b.o.Now = func() time.Time { return time.Now().Add(time.Hour) }
	check("clock ahead", map[string]evidence.Outcome{"directory": evidence.Pass, "clock": evidence.Fail, "account": evidence.Pass})
	b.o.Now = time.Now
	if err := b.pebble.Restart(limit(t)); err != nil {
		t.Fatal(err)
	}
	check("account lost", map[string]evidence.Outcome{"directory": evidence.Pass, "clock": evidence.Pass, "account": evidence.Fail})
	b.proxy.Stop()
	check("gone", map[string]evidence.Outcome{"directory": evidence.Fail, "clock": evidence.Unknown, "account": evidence.Unknown})
}
