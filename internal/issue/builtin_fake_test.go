package issue

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/probe"
	"certwright/internal/testworld/port"
)

// builtinBook keeps serials in memory by the store's rules; faults can be set.
type builtinBook struct {
	mu       sync.Mutex
	rows     map[string]*order.IssuedSerial
	settings map[string][]byte
	number   int64
	failSet  bool     // SetIssued fails: a crash between signing and keeping
	signed   [][]byte // every certificate that SetIssued was given
	lastWins bool     // SetIssued overwrites
	recorded []string // serials in the order of recording
}

func newBuiltinBook() *builtinBook {
	return &builtinBook{rows: map[string]*order.IssuedSerial{}, settings: map[string][]byte{}}
}

func (s *builtinBook) RecordSerial(_ context.Context, serial, o, attempt string, notAfter time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows {
		if r.Serial == serial || r.Attempt == attempt {
			return false, nil
		}
	}
	s.recorded = append(s.recorded, serial)
	s.rows[serial] = &order.IssuedSerial{Serial: serial, Order: o, Attempt: attempt, NotAfter: notAfter}
	return true, nil
}

func (s *builtinBook) SetIssued(_ context.Context, serial string, cert []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signed = append(s.signed, cert)
	if s.failSet {
		return errors.New("killed")
	}
	if r := s.rows[serial]; r.Cert == nil || s.lastWins {
		r.Cert = cert
	}
	return nil
}

func (s *builtinBook) IssuedByAttempt(_ context.Context, attempt string) (string, []byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows {
		if r.Attempt == attempt {
			return r.Serial, r.Cert, true, nil
		}
	}
	return "", nil, false, nil
}

func (s *builtinBook) RevokeSerial(_ context.Context, serial string, reason int, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rows[serial]; r == nil {
		return fulfill.ErrNotFound
	} else if r.Revoked == nil {
		r.Revoked, r.Reason = &at, reason
	}
	return nil
}

func (s *builtinBook) Revocations(_ context.Context, now time.Time) ([]order.Revocation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []order.Revocation
	for _, r := range s.rows {
		if r.Revoked != nil && now.Before(r.NotAfter) {
			out = append(out, order.Revocation{Serial: r.Serial, At: *r.Revoked, Reason: r.Reason})
		}
	}
	return out, nil
}

func (s *builtinBook) NextCRLNumber(context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	return s.number, nil
}

func (s *builtinBook) Setting(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.settings[key]
	if !ok {
		return nil, fmt.Errorf("setting %s: %w", key, fulfill.ErrNotFound)
	}
	return v, nil
}

func (s *builtinBook) SetSetting(_ context.Context, key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings[key] = slices.Clone(value)
	return nil
}

// builtinKeys keeps keys in memory: create-if-absent, a key sealed apart leaves its name taken.
type builtinKeys struct {
	mu    sync.Mutex
	keys  map[string]crypto.Signer
	apart map[string]crypto.Signer
}

func newBuiltinKeys() *builtinKeys {
	return &builtinKeys{keys: map[string]crypto.Signer{}, apart: map[string]crypto.Signer{}}
}

// builtinSharedRSA keeps the tests fast: finding primes is not what they are about.
var builtinSharedRSA = sync.OnceValue(func() crypto.Signer {
	k, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		panic(err)
	}
	return k
})

func (k *builtinKeys) Signer(_ context.Context, name string) (crypto.Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.apart[name] != nil {
		return nil, errors.New("sealed apart")
	}
	if k.keys[name] == nil {
		return nil, errors.New("not found")
	}
	return k.keys[name], nil
}

func (k *builtinKeys) CreateSigner(ctx context.Context, name string, kt order.KeyType) (crypto.Signer, error) {
	var fresh crypto.Signer
	var err error
	switch kt {
	case order.P256:
		fresh, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case order.P384:
		fresh, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case order.RSA3072:
		fresh = builtinSharedRSA()
	default:
		err = fmt.Errorf("key type %s", kt)
	}
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	if k.keys[name] == nil && k.apart[name] == nil {
		k.keys[name] = fresh
	}
	k.mu.Unlock()
	return k.Signer(ctx, name)
}

func (k *builtinKeys) SealApart(_ context.Context, name string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.apart[name] == nil {
		k.apart[name] = k.keys[name]
		delete(k.keys, name)
	}
	return nil
}

// builtinClock can be moved.
type builtinClock struct {
	mu  sync.Mutex
	off time.Duration
}

func (c *builtinClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.off)
}

func (c *builtinClock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off += d
}

// builtinWorld is an authority with its book, its keys and a clock.
type builtinWorld struct {
	*Builtin
	book  *builtinBook
	keys  *builtinKeys
	clock *builtinClock
}

// newBuiltinWorld starts an authority; set changes its options. Without eyes it asks for no proofs.
func newBuiltinWorld(t *testing.T, set func(*BuiltinOptions)) *builtinWorld {
	t.Helper()
	w := &builtinWorld{book: newBuiltinBook(), keys: newBuiltinKeys(), clock: &builtinClock{}}
	o := BuiltinOptions{Now: w.clock.Now, Keys: w.keys, Serials: w.book, Looks: probe.New(probe.Options{Now: w.clock.Now}), CRLURL: "http://ca.example.test/crl", NoCAA: true, NoControl: true}
	if set != nil {
		set(&o)
	}
	b, err := NewBuiltin(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	w.Builtin = b
	return w
}

// request is for DNS names; each has a token of its own.
func builtinRequest(attempt string, names ...string) fulfill.Request {
	r := fulfill.Request{Order: order.Short("www"), Attempt: attempt, Tokens: map[string]string{}, Proven: map[string]order.Identifier{}}
	for _, n := range names {
		kind := order.DNS
		if net.ParseIP(n) != nil {
			kind = order.IP
		}
		r.Names = append(r.Names, order.Name{Kind: kind, Value: n})
		r.Tokens[n] = fmt.Sprintf("%032x", len(r.Names)+0xabc)
	}
	return r
}

func builtinECKey(t *testing.T) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// makeCSR makes a request for the names with the key.
func builtinCSR(t *testing.T, key crypto.Signer, names ...string) []byte {
	t.Helper()
	q := &x509.CertificateRequest{Subject: pkix.Name{}}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			q.IPAddresses = append(q.IPAddresses, ip)
		} else {
			q.DNSNames = append(q.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, q, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// builtinNeed skips where a program is not installed, and fails with CI=true.
func builtinNeed(t *testing.T, program string) string {
	t.Helper()
	p, err := exec.LookPath(program)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", program)
	}
	if err != nil {
		t.Skipf("%s is not installed: this test needs it", program)
	}
	return p
}

// builtinNamed runs a real BIND for the zone "test" with these records and gives its address.
func builtinNamed(t *testing.T, records string) string {
	t.Helper()
	named, dir := builtinNeed(t, "named"), t.TempDir()
	held := port.Hold(t)
	addr := "127.0.0.1:" + held
	zone := filepath.Join(dir, "zone")
	conf := filepath.Join(dir, "named.conf")
	write := func(file, text string) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(zone, "$TTL 1\n@ SOA ns.invalid. host.invalid. 1 60 60 600 1\n@ NS ns.invalid.\n"+records)
	write(conf, fmt.Sprintf("options { directory %q; listen-on port %s { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; session-keyfile none; recursion no; notify no; };\n"+
		"controls { };\nzone \"test\" { type primary; file %q; check-names ignore; check-integrity no; };\n", dir, held, zone))
	cmd := exec.Command(named, "-g", "-c", conf, "-n", "1")
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for q := new(dns.Msg).SetQuestion("test.", dns.TypeSOA); ; {
		m, _, err := (&dns.Client{Timeout: 200 * time.Millisecond}).ExchangeContext(ctx, q, addr)
		if err == nil && m.Rcode == dns.RcodeSuccess {
			return addr
		}
		if ctx.Err() != nil {
			cmd.Process.Kill()
			cmd.Wait()
			t.Fatalf("named does not answer: %v\n%s", err, log.String())
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// builtinWeb runs a web server with the handler and gives its port.
func builtinWeb(t *testing.T, h http.HandlerFunc) int {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	u, _ := url.Parse(s.URL)
	port, _ := strconv.Atoi(u.Port())
	return port
}

// builtinEyes looks through that resolver at loopback addresses.
func builtinEyes(w *builtinClock, resolver string, ports ...int) *probe.Prober {
	return probe.New(probe.Options{Now: w.Now, From: "server", Resolver: resolver, HTTPPorts: ports, Guard: probe.Guard{AllowLoopback: true}, Timeout: 5 * time.Second})
}
