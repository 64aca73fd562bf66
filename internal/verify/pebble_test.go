package verify

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"certwright/internal/evidence"
	"certwright/internal/order"
	"certwright/internal/probe"
	"certwright/internal/site"
	"certwright/internal/testworld"
	"certwright/internal/testworld/port"
)

// world is a Pebble that looks for proofs at a port, and a prober that sees what it sees.
type world struct {
	pebble *testworld.Pebble
	looker *probe.Prober
	client *acme.Client
	acct   acme.Account
	ctx    context.Context
}

func newWorld(t *testing.T, port int) *world {
	t.Helper()
	w := &world{pebble: testworld.StartPebble(t, testworld.PebbleOptions{HTTPPort: port})}
	var cancel context.CancelFunc
	w.ctx, cancel = context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	w.looker = probe.New(probe.Options{Now: time.Now, From: "test", Resolver: w.pebble.DNS.Addr, HTTPPorts: []int{port},
		Guard: probe.Guard{AllowLoopback: true}})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w.client = &acme.Client{Directory: w.pebble.Directory, HTTPClient: w.pebble.Client(), PollInterval: 5 * time.Millisecond}
	if w.acct, err = w.client.NewAccount(w.ctx, acme.Account{PrivateKey: key, TermsOfServiceAgreed: true}); err != nil {
		t.Fatal(err)
	}
	return w
}

// validate publishes, looks and lets Pebble look; it gives what was seen and Pebble's verdict.
func (w *world) validate(t *testing.T, v *Verifier, sites []site.Site, id acme.Identifier) (seen []evidence.Observation, verdict error) {
	t.Helper()
	o, err := w.client.NewOrder(w.ctx, w.acct, acme.Order{Identifiers: []acme.Identifier{id}})
	if err != nil {
		t.Fatal(err)
	}
	z, err := w.client.GetAuthorization(w.ctx, w.acct, o.Authorizations[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range z.Challenges {
		if c.Type != acme.ChallengeTypeHTTP01 {
			continue
		}
		p := order.Proof{Name: order.Name{Kind: order.NameKind(id.Type), Value: id.Value}, Method: order.MethodHTTP01, Token: c.Token, Value: c.KeyAuthorization}
		if err := v.Publish(w.ctx, sites, p); err != nil {
			t.Fatal(err)
		}
		seen = v.Preflight(w.ctx, p)
		if _, err := w.client.InitiateChallenge(w.ctx, w.acct, c); err != nil {
			t.Fatal(err)
		}
		_, verdict = w.client.PollAuthorization(w.ctx, w.acct, z)
		if err := v.Withdraw(w.ctx, sites, p); err != nil {
			t.Fatal(err)
		}
		for _, after := range v.Preflight(w.ctx, p) {
			if after.Outcome == evidence.Pass {
				t.Errorf("still to be seen after the withdrawal: %v", after)
			}
		}
		return seen, verdict
	}
	t.Fatal("Pebble offers no http-01")
	return nil, nil
}

// TestPebbleListener: Pebble finds proofs at the own listener, over IPv4 and IPv6, also when another
// replica than the one that works on the order answers.
func TestPebbleListener(t *testing.T) {
	t.Parallel()
	l4, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l4.Addr().(*net.TCPAddr).Port
	l6, err6 := net.Listen("tcp6", fmt.Sprintf("[::1]:%d", port))
	a, b := NewResponder(nil), NewResponder(nil)
	// The second replica asks the store; here the first one's memory stands for it.
	b.lookup = func(ctx context.Context, token string) (string, bool) { return a.find(ctx, challengeDir+"/"+token) }
	serve := func(l net.Listener, h http.Handler) {
		srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
		go func() { _ = srv.Serve(l) }()
		t.Cleanup(func() { _ = srv.Close() })
	}
	serve(l4, a)
	w := newWorld(t, port)
	v := New(Options{Now: time.Now, Responder: a, Looker: w.looker, HTTPPort: port})
	ids := []acme.Identifier{{Type: "dns", Value: "www.example.test"}, {Type: "ip", Value: "127.0.0.1"}}
	if err6 == nil {
		serve(l6, b)
		if err := w.pebble.DNS.Add("six.example.test. 60 IN AAAA ::1"); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, acme.Identifier{Type: "dns", Value: "six.example.test"}, acme.Identifier{Type: "ip", Value: "::1"})
	}
	for _, id := range ids {
		seen, verdict := w.validate(t, v, nil, id)
		if verdict != nil {
			t.Errorf("%s: %v", id.Value, verdict)
		}
		if len(seen) == 0 {
			t.Errorf("%s: nothing was looked at", id.Value)
		}
		for _, o := range seen {
			f, ok := evidence.Decode[evidence.Fetched](o)
			if o.Outcome != evidence.Pass || !ok || len(f.Hops) != 1 || !strings.HasPrefix(o.Command, "curl ") {
				t.Errorf("%s: %v", id.Value, o)
			}
		}
	}
}

// TestPebbleNginx: the proof is a file under a webroot that a real nginx serves, its workers being
// another user than we are where the test is run by root.
func TestPebbleNginx(t *testing.T) {
	t.Parallel()
	held := port.Hold(t)
	address := "127.0.0.1:" + held
	number, err := strconv.Atoi(held)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, d := range []string{root, filepath.Dir(root)} {
		if err := os.Chmod(d, 0o755); err != nil { // the test's own directory is closed to others
			t.Fatal(err)
		}
	}
	testworld.StartNginx(t, address, fmt.Sprintf("server { listen %s; root %s; location ~ /\\.certwright { deny all; } }", address, root))
	w := newWorld(t, number)
	v := New(Options{Now: time.Now, Webroots: map[string]string{"shop": root}, Looker: w.looker, HTTPPort: number})
	id := acme.Identifier{Type: "dns", Value: "www.example.test"}
	seen, verdict := w.validate(t, v, []site.Site{{Name: "shop", Webroot: "shop"}}, id)
	if verdict != nil || len(seen) == 0 || seen[0].Outcome != evidence.Pass {
		t.Errorf("%v, %v", verdict, seen)
	}
	if left := tree(t, root); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	// And one that is not there is refused, and seen to be missing before.
	empty := t.TempDir()
	v = New(Options{Now: time.Now, Webroots: map[string]string{"other": empty}, Looker: w.looker, HTTPPort: number})
	seen, verdict = w.validate(t, v, []site.Site{{Name: "shop", Webroot: "other"}}, id)
	if verdict == nil || len(seen) == 0 || seen[0].Outcome != evidence.Fail {
		t.Errorf("a proof in another webroot: %v, %v", verdict, seen)
	}
}

// TestTXTInDNS: a record that its owner has published is seen by a real question.
func TestTXTInDNS(t *testing.T) {
	t.Parallel()
	d := testworld.StartDNS(t, "example.test. 60 IN A 127.0.0.1")
	looker := probe.New(probe.Options{Now: time.Now, From: "test", Resolver: d.Addr})
	v := New(Options{Now: time.Now, Looker: looker})
	p := order.Proof{Name: order.Name{Kind: order.DNS, Value: "www.example.test"}, Method: order.MethodTXT, Token: "example.test", Value: "value-1"}
	wantProblem(t, v.Publish(context.Background(), nil, p), order.Waiting, order.OwnerOwner)
	if err := d.Set("example.test", "TXT", "v=spf1 -all", "value-1"); err != nil {
		t.Fatal(err)
	}
	if err := v.Publish(context.Background(), nil, p); err != nil {
		t.Error(err)
	}
}
