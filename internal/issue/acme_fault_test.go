package issue

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/testworld"
)

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
		{"caa", testworld.ProblemFault(testworld.OpNewOrder, 403, "caa", "CAA record for example.test prevents issuance", ""), "caa-issue-excludes-ca", order.GiveUp, 0, 1},
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
	a, before := b.acme(), b.proxy.Seen(testworld.OpDirectory)
	go func() { _, _ = a.Begin(limit(t), r) }()
	for b.proxy.Seen(testworld.OpDirectory) == before {
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
	stuck := testworld.StuckFault()
	stuck.Times = 3
	b.proxy.Inject(stuck)
	stuck.Times, stuck.Header = 0, map[string]string{"Retry-After": "60"} // beyond our patience: then it lets go
	b.proxy.Inject(stuck)
	csr := newCSR(t, newKey(t), r.Names...)
	for _, looks := range []int{4, 1} {
		before, seen := time.Now(), b.proxy.Seen(testworld.OpOrder)
		_, err = b.acme().Finalise(ctx, r, o, csr)
		p := wantProblem(t, err, "", order.Waiting)
		if p.Owner != order.OwnerIssuer || p.Until.Before(before.Add(time.Minute)) || p.Detail != "the order is processing" {
			t.Errorf("problem: %+v", p)
		}
		if n := b.proxy.Seen(testworld.OpOrder) - seen; n != looks {
			t.Errorf("looked at the order %d times, want %d", n, looks)
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

// TestPatienceEnds: while it waits, or in the middle of a look. What the look before saw is what is known.
func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	w := NewACME(ACMEOptions{Now: time.Now}).wait(opOrder, "https://ca.test/order/1")
	ctx, cancel := context.WithDeadlineCause(t.Context(), time.Now().Add(-time.Second), errLetGo)
	defer cancel()
	look := errors.New("cut short")
	for _, known := range []string{"no verdict yet", "the order is processing"} {
		if p := wantProblem(t, w.ended(ctx, look), "", order.Waiting); p.Detail != known || p.Until.IsZero() {
			t.Errorf("%+v, want %q", p, known)
		}
		if p := wantProblem(t, w.pause(ctx, answer{}, "the order is processing"), "", order.Waiting); p.Detail != "the order is processing" {
			t.Errorf("%+v", p)
		}
	}
	if err := w.ended(t.Context(), look); err != look {
		t.Errorf("an error that patience has nothing to do with: %v", err)
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
	if n := b.proxy.Seen(testworld.OpAuthz); n != 1 {
		t.Errorf("the authorization was read %d times, want once by Begin: nobody can have asked for it since", n)
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
