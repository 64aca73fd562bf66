package issue

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
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

func TestReplacesAndRenewalInfo(t *testing.T) {
	t.Parallel()
	b := newBench(t, testworld.PebbleOptions{})
	r := fulfill.Request{Names: dnsNames("www.example.test")}
	chain, _ := b.issue(t, r)
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
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
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

// TestAnswers: what a spoilt answer to the new order becomes.
func TestAnswers(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	html := map[string]string{"Content-Type": "text/html", "Retry-After": "120"}
	tests := []struct {
		name  string
		fault testworld.Fault
		id    string
		class order.Class
		until time.Duration // 0 = none
		seen  int           // requests that it cost
	}{
		{"429 with seconds", testworld.ProblemFault(testworld.OpNewOrder, 429, "rateLimited", "too many new orders (300) from this account in the last 3h0m0s", "90"), "ca-rate-limit-new-orders", order.Retry, 90 * time.Second, 1},
		{"429 with words", testworld.ProblemFault(testworld.OpNewOrder, 429, "rateLimited", "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s, retry after 2026-11-24 12:00:00 UTC: see https://ca.test/limits", ""), "ca-rate-limit-exact-set", order.Retry, 24 * time.Hour, 1},
		{"429 for a domain", testworld.ProblemFault(testworld.OpNewOrder, 429, "rateLimited", `too many certificates (50) already issued for "example.test" in the last 168h0m0s`, "Mon, 23 Nov 2026 13:00:00 GMT"), "ca-rate-limit-registered-domain", order.Retry, time.Hour, 1},
		{"429 failed", testworld.ProblemFault(testworld.OpNewOrder, 429, "rateLimited", `too many failed authorizations (5) for "www.example.test" in the last 1h0m0s`, "60"), "ca-rate-limit-failed-authz", order.Retry, time.Minute, 1},
		{"paused", testworld.ProblemFault(testworld.OpNewOrder, 429, "rateLimited", `Your account is temporarily prevented from requesting certificates for www.example.test and possibly others. Please visit: https://ca.test/unpause?x`, "60"), "ca-identifier-paused", order.Final, 0, 1},
		{"503 html", testworld.Fault{Op: testworld.OpNewOrder, Status: 503, Header: html, Body: "<html><h1>Service busy</h1></html>"}, "ca-lb-throttle-503", order.Retry, 2 * time.Minute, 1},
		{"502 html", testworld.Fault{Op: testworld.OpNewOrder, Status: 502, Body: "bad gateway"}, "ca-5xx", order.Retry, 0, 1},
		{"500", testworld.ProblemFault(testworld.OpNewOrder, 500, "serverInternal", "Error creating new order", ""), "ca-5xx", order.Retry, 0, 1},
		{"rubbish JSON", testworld.Fault{Op: testworld.OpNewOrder, Status: 201, Header: map[string]string{"Content-Type": "application/json", "Location": "https://ca.test/o"}, Body: `{"status": pend`}, "", order.Retry, 0, 1},
		{"html with 200", testworld.Fault{Op: testworld.OpNewOrder, Status: 200, Header: map[string]string{"Content-Type": "text/html"}, Body: "<p>Log in to the airport's network</p>"}, "", order.Retry, 0, 1},
		{"empty order", testworld.Fault{Op: testworld.OpNewOrder, Status: 201, Header: map[string]string{"Content-Type": "application/json"}, Body: `{}`}, "", order.Retry, 0, 1},
		{"answer lost", testworld.Fault{Op: testworld.OpNewOrder, Lose: true}, "ca-unreachable", order.Retry, 0, 1},
		{"connection closed", testworld.Fault{Op: testworld.OpNewOrder, Drop: true}, "ca-unreachable", order.Retry, 0, 1},
		{"caa", testworld.ProblemFault(testworld.OpNewOrder, 403, "caa", "CAA record for example.test prevents issuance", ""), "", order.GiveUp, 0, 1},
		{"terms", testworld.ProblemFault(testworld.OpNewOrder, 403, "userActionRequired", "must agree to terms of service", ""), "ca-tos-changed", order.Final, 0, 1},
		{"url rewritten", testworld.ProblemFault(testworld.OpNewOrder, 400, "malformed", `JWS header parameter 'url' incorrect. Expected "https://a", got "https://b"`, ""), "ca-jws-url-mismatch", order.Retry, 0, 1},
		{"directory is a page", testworld.Fault{Op: testworld.OpDirectory, Status: 200, Body: "<html>hello</html>"}, "ca-directory-not-json", order.Retry, 0, 0},
		{"directory of something else", testworld.Fault{Op: testworld.OpDirectory, Status: 200, Body: `{"hello":"world"}`}, "ca-directory-not-json", order.Retry, 0, 0},
		{"no directory", testworld.Fault{Op: testworld.OpDirectory, Status: 404, Body: "not found"}, "ca-directory-not-json", order.Retry, 0, 0},
		{"proxy password", testworld.Fault{Op: testworld.OpDirectory, Status: 407, Body: "who are you"}, "ca-proxy-auth", order.Retry, 0, 0},
		{"directory 503", testworld.Fault{Op: testworld.OpDirectory, Status: 503, Header: html, Body: "busy"}, "ca-lb-throttle-503", order.Retry, 2 * time.Minute, 0},
	}
	b := newBench(t, testworld.PebbleOptions{})
	b.o.Now = func() time.Time { return now }
	r := fulfill.Request{Names: dnsNames("www.example.test")}
	for _, tt := range tests {
		b.proxy.Heal()
		if tt.fault.Header == nil {
			tt.fault.Header = map[string]string{}
		}
		tt.fault.Header["Date"] = now.Format(http.TimeFormat)
		b.proxy.Inject(tt.fault)
		before := b.proxy.Seen(testworld.OpNewOrder)
		b.o.HTTPClient = clientAt(b, now)
		_, err := b.acme().Begin(limit(t), r)
		t.Log(tt.name)
		p := wantProblem(t, err, tt.id, tt.class)
		if want := now.Add(tt.until); tt.until != 0 && !p.Until.Equal(want) || tt.until == 0 && !p.Until.IsZero() {
			t.Errorf("%s: until %s", tt.name, p.Until)
		}
		if n := b.proxy.Seen(testworld.OpNewOrder) - before; n != tt.seen {
			t.Errorf("%s: asked %d times, want %d", tt.name, n, tt.seen)
		}
		if strings.Contains(p.Detail, "<h") {
			t.Errorf("%s: markup in the detail: %s", tt.name, p.Detail)
		}
	}
	b.proxy.Heal()
	b.issue(t, r) // and when the cause is gone it goes on
}

// clientAt trusts the proxy, whatever the test's clock says.
func clientAt(b *bench, _ time.Time) *http.Client {
	c := b.pebble.Client()
	t := c.Transport.(*http.Transport).Clone()
	t.TLSClientConfig.RootCAs.AppendCertsFromPEM(b.proxy.RootsPEM)
	c.Transport = t
	return c
}

func TestSubproblems(t *testing.T) {
	t.Parallel()
	b := newBench(t, testworld.PebbleOptions{})
	f := testworld.ProblemFault(testworld.OpNewOrder, 400, "", "", "")
	f.Body = `{"type":"urn:ietf:params:acme:error:rejectedIdentifier","status":400,"detail":"Error creating new order :: Cannot issue for \"a.test\": policy forbids (and 1 more problems)",
	 "subproblems":[{"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"policy forbids","identifier":{"type":"dns","value":"a.test"}},
	 {"type":"urn:ietf:params:acme:error:malformed","detail":"too short","identifier":{"type":"dns","value":"b"}}]}`
	b.proxy.Inject(f)
	_, err := b.acme().Begin(limit(t), fulfill.Request{Names: dnsNames("a.test", "b")})
	p := wantProblem(t, err, "ca-name-policy-blocked", order.Final)
	if p.Status != 400 || p.Type != "urn:ietf:params:acme:error:rejectedIdentifier" || len(p.Sub) != 2 || p.Sub[1].Identifier != "b" || p.Sub[1].Detail != "too short" {
		t.Errorf("not kept whole: %+v", p)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	b := newBench(t, testworld.PebbleOptions{})
	r := fulfill.Request{Names: dnsNames("www.example.test")}

	o := b.o
	o.Issuer.CAFile = b.pebble.RootsPEM // not the proxy's
	_, err := NewACME(o).Begin(limit(t), r)
	wantProblem(t, err, "ca-directory-untrusted", order.Retry)

	o = b.o
	o.Issuer.Directory = strings.Replace(o.Issuer.Directory, "127.0.0.1", "no-such-host.invalid", 1)
	_, err = NewACME(o).Begin(limit(t), r)
	wantProblem(t, err, "ca-host-unresolvable", order.Retry)

	b.proxy.Stop()
	_, err = b.acme().Begin(limit(t), r)
	wantProblem(t, err, "ca-unreachable", order.Retry)
}

// TestSlow: an authority that hangs does not outlive its caller, and one that is cancelled is not
// reported as a failure of the authority.
func TestSlow(t *testing.T) {
	t.Parallel()
	b := newBench(t, testworld.PebbleOptions{})
	r := fulfill.Request{Names: dnsNames("www.example.test")}
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	b.proxy.Inject(testworld.Fault{Op: testworld.OpNewOrder, Wait: hang})
	ctx, cancel := context.WithTimeout(limit(t), 200*time.Millisecond)
	defer cancel()
	_, err := b.acme().Begin(ctx, r)
	wantProblem(t, err, "ca-unreachable", order.Retry)

	ctx, cancel2 := context.WithCancelCause(limit(t))
	stop := errors.New("the server stops")
	time.AfterFunc(100*time.Millisecond, func() { cancel2(stop) })
	_, err = b.acme().Begin(ctx, r)
	var p *order.Problem
	if !errors.Is(err, stop) || errors.As(err, &p) {
		t.Errorf("cancelled: %v", err)
	}

	// Someone else's turn at a directory that hangs: waiting ends with ctx.
	b.proxy.Heal()
	b.proxy.Inject(testworld.Fault{Op: testworld.OpDirectory, Wait: hang})
	a := b.acme()
	go func() { _, _ = a.Begin(limit(t), r) }()
	for b.proxy.Seen(testworld.OpDirectory) < 1 {
		<-time.After(time.Millisecond)
	}
	ctx, cancel3 := context.WithTimeout(limit(t), 100*time.Millisecond)
	defer cancel3()
	if _, err := a.Begin(ctx, r); err == nil {
		t.Error("a hanging directory answered")
	}
}

// TestFinaliseTrouble: whatever happens to the one POST of the CSR, the certificate comes, and no
// second CSR is accepted.
func TestFinaliseTrouble(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault testworld.Fault
		id    string
		posts int // forwarded to the authority in the end
	}{
		{"500", testworld.ProblemFault(testworld.OpFinalize, 500, "serverInternal", "Error finalizing order", ""), "ca-5xx", 1},
		{"503", testworld.Fault{Op: testworld.OpFinalize, Status: 503, Header: map[string]string{"Retry-After": "30"}, Body: "busy"}, "ca-lb-throttle-503", 1},
		{"answer lost", testworld.Fault{Op: testworld.OpFinalize, Lose: true}, "ca-unreachable", 1},
		{"rubbish", testworld.Fault{Op: testworld.OpFinalize, Rewrite: func(s int, _ []byte) (int, []byte) { return s, []byte("<html>") }}, "", 1},
	}
	b := newBench(t, testworld.PebbleOptions{})
	for _, tt := range tests {
		ctx, a := limit(t), b.acme()
		r := fulfill.Request{Names: dnsNames("www.example.test")}
		o, err := a.Begin(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		b.web.publish(o.Proofs)
		if _, err := a.Validate(ctx, r, o); err != nil {
			t.Fatal(err)
		}
		seen, passed := b.proxy.Seen(testworld.OpFinalize), b.proxy.Passed(testworld.OpFinalize)
		tt.fault.Times = 1
		b.proxy.Inject(tt.fault)
		csr := newCSR(t, newKey(t), r.Names...)
		if chain, err := a.Finalise(ctx, r, o, csr); tt.id != "" {
			wantProblem(t, err, tt.id, order.Retry)
			if n := b.proxy.Seen(testworld.OpFinalize) - seen; n != 1 {
				t.Errorf("%s: the CSR was sent %d times in one run", tt.name, n)
			}
		} else if err != nil || len(chain) == 0 {
			t.Errorf("%s: %v", tt.name, err)
		}
		chain, err := b.acme().Finalise(ctx, r, o, csr)
		if err != nil || sameKey(chain[0], csr) != nil {
			t.Fatalf("%s: second run: %v", tt.name, err)
		}
		if n := b.proxy.Passed(testworld.OpFinalize) - passed; n != tt.posts {
			t.Errorf("%s: the authority got %d CSRs, want %d", tt.name, n, tt.posts)
		}
	}
}

func TestStuck(t *testing.T) {
	t.Parallel()
	b := newBench(t, testworld.PebbleOptions{})
	ctx, a := limit(t), b.acme()
	r := fulfill.Request{Names: dnsNames("www.example.test")}
	o, err := a.Begin(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	b.web.publish(o.Proofs)
	if _, err := a.Validate(ctx, r, o); err != nil {
		t.Fatal(err)
	}
	b.proxy.Inject(testworld.StuckFault())
	b.o.Patience = time.Second
	csr := newCSR(t, newKey(t), r.Names...)
	for range 2 {
		began := time.Now()
		_, err = b.acme().Finalise(ctx, r, o, csr)
		p := wantProblem(t, err, "", order.Waiting)
		if p.Owner != order.OwnerIssuer || p.Until.IsZero() || !strings.Contains(p.Detail, "processing") {
			t.Errorf("problem: %+v", p)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("held on for %s", took)
		}
	}
	b.proxy.Heal()
	if _, err = a.Finalise(ctx, r, o, csr); err != nil {
		t.Fatal(err)
	}
	if n := b.proxy.Seen(testworld.OpFinalize); n != 1 {
		t.Errorf("finalised %d times", n)
	}
}

// TestRetryAfterObeyed: a long Retry-After ends the run at once and is handed on as Until.
func TestRetryAfterObeyed(t *testing.T) {
	t.Parallel()
	b := newBench(t, testworld.PebbleOptions{RetryAuthz: 600})
	r := fulfill.Request{Names: dnsNames("www.example.test")}
	a := b.acme()
	o, err := a.Begin(limit(t), r)
	if err != nil {
		t.Fatal(err)
	}
	b.web.publish(o.Proofs)
	b.proxy.Inject(testworld.Fault{Op: testworld.OpChallenge, Header: map[string]string{"Retry-After": "600"}, Rewrite: func(s int, b []byte) (int, []byte) { return s, b }})
	before := time.Now()
	proofs, err := a.Validate(limit(t), r, o)
	p := wantProblem(t, err, "", order.Waiting)
	if d := p.Until.Sub(before); d < 590*time.Second || d > 620*time.Second {
		t.Errorf("until is in %s, want 600 s", d)
	}
	if len(proofs) != 1 || time.Since(before) > 5*time.Second {
		t.Errorf("%d proofs after %s", len(proofs), time.Since(before))
	}
	if n := b.proxy.Seen(testworld.OpAuthz); n != 2 {
		t.Errorf("the authorization was read %d times, want once by Begin and once by Validate", n)
	}
}

func TestNonceStorm(t *testing.T) {
	t.Parallel()
	b := newBench(t, testworld.PebbleOptions{NonceReject: 20})
	b.proxy.Inject(testworld.Fault{Op: testworld.OpNewOrder, BadNonce: true, Times: 2})
	b.issue(t, fulfill.Request{Names: dnsNames("www.example.test")})

	b.proxy.Inject(testworld.Fault{Op: testworld.OpNewOrder, BadNonce: true})
	_, err := b.acme().Begin(limit(t), fulfill.Request{Names: dnsNames("www.example.test")})
	wantProblem(t, err, "ca-badnonce-storm", order.Retry)
}

// TestOneHangsOtherGoes: the library reads directories under one lock for the whole process; a hanging
// authority must not hold up another.
func TestOneHangsOtherGoes(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(hang); slow.Close() })
	ctx, cancel := context.WithCancel(limit(t))
	done := make(chan struct{})
	go func() {
		defer close(done)
		a := NewACME(ACMEOptions{Issuer: order.Issuer{Name: "slow", Directory: slow.URL}, Key: newKey(t), Now: time.Now})
		_, _ = a.Begin(ctx, fulfill.Request{Names: dnsNames("www.example.test")})
	}()
	newBench(t, testworld.PebbleOptions{}).issue(t, fulfill.Request{Names: dnsNames("www.example.test")})
	select {
	case <-done:
		t.Error("the slow authority was not slow")
	default:
	}
	cancel()
	<-done
}
