package issue

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/testworld"
)

var _ fulfill.Authority = (*ACME)(nil)

// web is where the authority looks for http-01: an own small server, so that these tests rest on no
// other room.
type web struct {
	port int
	hold chan struct{} // answers wait until it is closed; nil = they do not
	mu   sync.Mutex
	body map[string]string
}

func startWeb(t *testing.T) *web {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &web{port: l.Addr().(*net.TCPAddr).Port, body: map[string]string{}}
	srv := &http.Server{Handler: w, ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return w
}

func (w *web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if w.hold != nil {
		select {
		case <-w.hold:
		case <-r.Context().Done():
		}
	}
	w.mu.Lock()
	body, ok := w.body[strings.TrimPrefix(r.URL.Path, "/.well-known/acme-challenge/")]
	w.mu.Unlock()
	if !ok {
		http.NotFound(rw, r)
		return
	}
	_, _ = io.WriteString(rw, body)
}

func (w *web) publish(proofs []order.Proof) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range proofs {
		w.body[p.Token] = p.Value
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newCSR(t *testing.T, key crypto.Signer, names ...order.Name) []byte {
	t.Helper()
	req := &x509.CertificateRequest{Subject: pkix.Name{}}
	for _, n := range names {
		if n.Kind == order.IP {
			req.IPAddresses = append(req.IPAddresses, net.ParseIP(n.Value))
		} else {
			req.DNSNames = append(req.DNSNames, n.Value)
		}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, req, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// bench is one authority with one account, ready to issue.
type bench struct {
	web    *web
	pebble *testworld.Pebble
	proxy  *testworld.ACMEProxy
	key    crypto.Signer
	saved  []string // account URLs as recorded
	o      ACMEOptions
}

func newBench(t *testing.T, po testworld.PebbleOptions) *bench {
	t.Helper()
	b := &bench{web: startWeb(t), key: newKey(t)}
	po.HTTPPort = b.web.port
	b.pebble = testworld.StartPebble(t, po)
	b.proxy = testworld.StartACMEProxy(t, b.pebble)
	b.o = ACMEOptions{
		Issuer: order.Issuer{Name: "pebble", Kind: order.IssuerACME, Directory: b.proxy.Directory, CAFile: b.proxy.RootsPEM},
		Key:    b.key, Now: time.Now, Poll: 10 * time.Millisecond, Patience: 10 * time.Second,
		SaveAccount: func(_ context.Context, url string) error { b.saved = append(b.saved, url); return nil },
	}
	return b
}

// acme is a new client, as after a restart of the process; the account's URL is what was recorded.
func (b *bench) acme() *ACME {
	if n := len(b.saved); n > 0 {
		b.o.Issuer.Account = b.saved[n-1]
	}
	return NewACME(b.o)
}

func limit(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func dnsNames(names ...string) []order.Name {
	var n []order.Name
	for _, s := range names {
		n = append(n, order.Name{Kind: order.DNS, Value: s})
	}
	return n
}

// issue takes a request the whole way.
func (b *bench) issue(t *testing.T, r fulfill.Request) ([][]byte, fulfill.Opening) {
	t.Helper()
	ctx, a := limit(t), b.acme()
	o, err := a.Begin(ctx, r)
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	b.web.publish(o.Proofs)
	if o.Proofs, err = a.Validate(ctx, r, o); err != nil {
		t.Fatalf("validate: %v", err)
	}
	for _, p := range o.Proofs {
		if !p.Done || p.ValidTill == nil {
			t.Fatalf("proof of %s: %+v, %v", p.Name.Value, p, p.Problem)
		}
	}
	chain, err := a.Finalise(ctx, r, o, newCSR(t, newKey(t), r.Names...))
	if err != nil {
		t.Fatalf("finalise: %v", err)
	}
	return chain, o
}

// wantProblem asserts a Problem with this finding and class, and gives it back.
func wantProblem(t *testing.T, err error, id string, class order.Class) *order.Problem {
	t.Helper()
	var p *order.Problem
	if !errors.As(err, &p) {
		t.Fatalf("error is %v (%T), want a Problem %s", err, err, id)
	}
	if p.ID != id || p.Class != class {
		t.Fatalf("problem is %q of class %s, want %q of class %s: %v", p.ID, p.Class, id, class, p)
	}
	if p.What == "" || p.Where == "" || p.Detail == "" || p.Owner == "" || p.Cause == "" || p.At.IsZero() {
		t.Errorf("problem %s does not say everything: %+v", id, p)
	}
	return p
}

func TestIssue(t *testing.T) {
	t.Parallel()
	b := newBench(t, testworld.PebbleOptions{Profiles: map[string]time.Duration{"short": 6 * time.Hour, "long": 100 * 24 * time.Hour}})
	tests := []struct {
		name    string
		names   []order.Name
		profile string
		life    time.Duration
	}{
		{"one name", dnsNames("www.example.test"), "long", 100 * 24 * time.Hour},
		{"three names, other profile", dnsNames("a.example.test", "b.example.test", "c.example.test"), "short", 6 * time.Hour},
		{"an address", []order.Name{{Kind: order.IP, Value: "127.0.0.1"}}, "short", 6 * time.Hour},
		{"name and address", []order.Name{{Kind: order.DNS, Value: "x.example.test"}, {Kind: order.IP, Value: "127.0.0.1"}}, "", 0},
	}
	for _, tt := range tests {
		chain, o := b.issue(t, fulfill.Request{Names: tt.names, Profile: tt.profile})
		leaf, err := x509.ParseCertificate(chain[0])
		if err != nil || len(chain) < 2 {
			t.Fatalf("%s: chain of %d, %v", tt.name, len(chain), err)
		}
		for _, n := range tt.names {
			if err := leaf.VerifyHostname(n.Value); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		if life := leaf.NotAfter.Sub(leaf.NotBefore).Round(time.Minute); tt.life != 0 && life != tt.life {
			t.Errorf("%s: lives %s, want %s", tt.name, life, tt.life)
		}
		roots := x509.NewCertPool()
		pemRoots, err := b.pebble.IssuerRootsPEM(limit(t))
		if err != nil {
			t.Fatal(err)
		}
		roots.AppendCertsFromPEM(pemRoots)
		inter := x509.NewCertPool()
		for _, der := range chain[1:] {
			c, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			inter.AddCert(c)
		}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: inter}); err != nil {
			t.Errorf("%s: chain does not verify: %v", tt.name, err)
		}
		if o.Account == "" || o.Expires == nil || len(b.saved) != 1 || b.saved[0] != o.Account {
			t.Errorf("%s: account %q, recorded %q", tt.name, o.Account, b.saved)
		}
	}
	if n := b.proxy.Seen(testworld.OpRenewalInfo); n != 0 {
		t.Errorf("downloading asked for renewal information %d times", n)
	}
}

// TestCrash: every step is done by a process of its own, and the last one twice.
func TestCrash(t *testing.T) {
	t.Parallel()
	b := newBench(t, testworld.PebbleOptions{})
	ctx := limit(t)
	r := fulfill.Request{Names: dnsNames("www.example.test", "example.test")}
	o, err := b.acme().Begin(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	b.web.publish(o.Proofs)
	for range 2 {
		if _, err = b.acme().Validate(ctx, r, o); err != nil {
			t.Fatal(err)
		}
	}
	csr := newCSR(t, newKey(t), r.Names...)
	first, err := b.acme().Finalise(ctx, r, o, csr)
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.acme().Finalise(ctx, r, o, csr)
	if err != nil {
		t.Fatal(err)
	}
	if string(first[0]) != string(second[0]) {
		t.Error("two certificates came of one order")
	}
	if n := b.proxy.Seen(testworld.OpFinalize); n != 1 {
		t.Errorf("finalised %d times, want once", n)
	}
	if n := b.proxy.Seen(testworld.OpChallenge); n != 2 {
		t.Errorf("asked for validation %d times, want once a name", n)
	}
	// Another key's CSR is not what this order was finalised with.
	_, err = b.acme().Finalise(ctx, r, o, newCSR(t, newKey(t), r.Names...))
	wantProblem(t, err, "", order.GiveUp)
}

// TestSlowValidation: a validation that is under way is not asked for again by the next process.
func TestSlowValidation(t *testing.T) {
	t.Parallel()
	b := newBench(t, testworld.PebbleOptions{})
	b.web.hold = make(chan struct{})
	ctx := limit(t)
	r := fulfill.Request{Names: dnsNames("www.example.test")}
	o, err := b.acme().Begin(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	b.web.publish(o.Proofs)
	b.proxy.Inject(testworld.Fault{Op: testworld.OpAuthz, Header: map[string]string{"Retry-After": "60"}}) // beyond our patience: it lets go
	for range 2 {
		proofs, err := b.acme().Validate(ctx, r, o)
		if p := wantProblem(t, err, "", order.Waiting); p.Owner != order.OwnerIssuer || len(proofs) != 1 || proofs[0].Done || proofs[0].Problem != nil {
			t.Errorf("%+v, %+v", p, proofs)
		}
	}
	close(b.web.hold)
	b.proxy.Heal()
	if proofs, err := b.acme().Validate(ctx, r, o); err != nil || !proofs[0].Done {
		t.Errorf("%+v, %v", proofs, err)
	}
	if n := b.proxy.Seen(testworld.OpChallenge); n != 1 {
		t.Errorf("asked for validation %d times, want once", n)
	}
}

func TestBeginRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, testworld.PebbleOptions{Blocklist: []string{"blocked.test"}})
	tests := []struct {
		name  string
		r     fulfill.Request
		id    string
		class order.Class
		words string
	}{
		{"wildcard over http-01", fulfill.Request{Names: dnsNames("ok.test", "*.ok.test")}, "ca-wildcard-needs-dns", order.Final, "*.ok.test"},
		{"method of the built-in authority", fulfill.Request{Names: dnsNames("ok.test"), Method: order.MethodTXT}, "ca-challenge-not-offered", order.Final, "txt"},
		{"blocked name", fulfill.Request{Names: dnsNames("www.blocked.test")}, "ca-name-policy-blocked", order.Final, "blocked.test"},
		{"unknown profile", fulfill.Request{Names: dnsNames("ok.test"), Profile: "gold"}, "ca-profile-unknown", order.Final, "default"},
		{"bad character", fulfill.Request{Names: dnsNames("under_score.test")}, "ca-name-bad-char", order.Final, "character"},
	}
	for _, tt := range tests {
		before := b.proxy.Seen(testworld.OpNewOrder)
		_, err := b.acme().Begin(limit(t), tt.r)
		p := wantProblem(t, err, tt.id, tt.class)
		if !strings.Contains(p.Detail, tt.words) {
			t.Errorf("%s: detail %q does not say %q", tt.name, p.Detail, tt.words)
		}
		if n := b.proxy.Seen(testworld.OpNewOrder) - before; n > 1 {
			t.Errorf("%s: asked %d times", tt.name, n)
		}
	}
}

func TestChallengeNotOffered(t *testing.T) {
	t.Parallel()
	b := newBench(t, testworld.PebbleOptions{})
	b.proxy.Inject(testworld.Fault{Op: testworld.OpAuthz, Rewrite: func(s int, body []byte) (int, []byte) {
		return s, []byte(strings.ReplaceAll(string(body), `"http-01"`, `"carrier-pigeon-01"`))
	}})
	_, err := b.acme().Begin(limit(t), fulfill.Request{Names: dnsNames("www.example.test")})
	p := wantProblem(t, err, "ca-challenge-not-offered", order.Final)
	if !strings.Contains(p.Detail, "carrier-pigeon-01") || !strings.Contains(p.Detail, "dns-01") {
		t.Errorf("detail does not list what is offered: %s", p.Detail)
	}
}

// TestRefusedProof: one name has no proof published; the other is not held up, and the order's problem
// names the one.
func TestRefusedProof(t *testing.T) {
	t.Parallel()
	b := newBench(t, testworld.PebbleOptions{})
	ctx, a := limit(t), b.acme()
	r := fulfill.Request{Names: dnsNames("good.example.test", "bad.example.test")}
	o, err := a.Begin(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range o.Proofs {
		if p.Name.Value == "good.example.test" {
			b.web.publish([]order.Proof{p})
		}
	}
	proofs, err := a.Validate(ctx, r, o)
	if err != nil {
		t.Fatalf("a refused proof is no error of Validate: %v", err)
	}
	for _, p := range proofs {
		if good := p.Name.Value == "good.example.test"; p.Done != good || (p.Problem == nil) != good {
			t.Errorf("%s: done %v, problem %v", p.Name.Value, p.Done, p.Problem)
		}
		if p.Problem != nil && (p.Problem.Class != order.GiveUp || p.Problem.Owner != order.OwnerOwner || p.Problem.Type == "" || p.Problem.Detail == "") {
			t.Errorf("problem lacks the authority's words: %+v", p.Problem)
		}
	}
	_, err = a.Finalise(ctx, r, o, newCSR(t, newKey(t), r.Names...))
	p := wantProblem(t, err, "ca-order-sibling-failed", order.GiveUp)
	if len(p.Sub) != 1 || p.Sub[0].Identifier != "bad.example.test" {
		t.Errorf("subproblems: %+v", p.Sub)
	}
	if n := b.proxy.Seen(testworld.OpFinalize); n != 0 {
		t.Errorf("an invalid order was finalised %d times", n)
	}
}

// TestReuse: authorizations that are valid already come as proofs that are done.
func TestReuse(t *testing.T) {
	t.Parallel()
	b := newBench(t, testworld.PebbleOptions{AuthzReuse: 100})
	r := fulfill.Request{Names: dnsNames("www.example.test")}
	b.issue(t, r)
	o, err := b.acme().Begin(limit(t), r)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Proofs) != 1 || !o.Proofs[0].Done {
		t.Fatalf("proofs: %+v", o.Proofs)
	}
	asked := b.proxy.Seen(testworld.OpChallenge)
	if _, err := b.acme().Validate(limit(t), r, o); err != nil {
		t.Fatal(err)
	}
	if b.proxy.Seen(testworld.OpChallenge) != asked {
		t.Error("a valid authorization was validated again")
	}
}

func TestAbandon(t *testing.T) {
	t.Parallel()
	b := newBench(t, testworld.PebbleOptions{})
	ctx, a := limit(t), b.acme()
	r := fulfill.Request{Names: dnsNames("a.example.test", "b.example.test")}
	o, err := a.Begin(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := a.Abandon(ctx, r, o); err != nil {
			t.Fatal(err)
		}
	}
	proofs, err := a.Validate(ctx, r, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range proofs {
		wantProblem(t, p.Problem, "ca-authz-deactivated", order.GiveUp)
	}
	if err := a.Abandon(ctx, r, fulfill.Opening{URL: strings.Replace(o.URL, "/my-order/", "/my-order/x", 1)}); err != nil {
		t.Errorf("an order that is not there: %v", err)
	}
}
