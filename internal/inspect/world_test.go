package inspect_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"certwright/internal/diagnose"
	"certwright/internal/inspect"
	"certwright/internal/probe"
	"certwright/internal/testworld/port"
)

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// pki is a small authority with real dates: openssl and nginx live in real time.
type pki struct {
	t           *testing.T
	now         time.Time
	root, inter tls.Certificate
	pool        *x509.CertPool
}

func newPKI(t *testing.T) *pki {
	p := &pki{t: t, now: time.Now()}
	p.root = p.mint(nil, "Root", nil, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign })
	p.inter = p.mint(&p.root, "Issuing", nil, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign })
	p.pool = x509.NewCertPool()
	p.pool.AddCert(p.root.Leaf)
	return p
}

// mint makes a certificate; its chain is what a server should send, without the root.
func (p *pki) mint(from *tls.Certificate, cn string, names []string, edit ...func(*x509.Certificate)) tls.Certificate {
	p.t.Helper()
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	tmpl := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: cn}, DNSNames: names, BasicConstraintsValid: true,
		NotBefore: p.now.AddDate(0, 0, -30), NotAfter: p.now.AddDate(0, 0, 60), KeyUsage: x509.KeyUsageDigitalSignature}
	for _, e := range edit {
		e(tmpl)
	}
	var key any
	var pub any
	if tmpl.PublicKeyAlgorithm == x509.RSA {
		key, pub = rsaKey(), rsaKey().Public()
	} else {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			p.t.Fatal(err)
		}
		key, pub = k, k.Public()
	}
	parent, signer := tmpl, key
	if from != nil {
		parent, signer = from.Leaf, from.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, pub, signer)
	if err != nil {
		p.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		p.t.Fatal(err)
	}
	out := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	if from != nil && from.Leaf.Subject.CommonName != "Root" {
		out.Certificate = append(out.Certificate, from.Certificate[0])
	}
	return out
}

func (p *pki) leaf(names ...string) tls.Certificate { return p.mint(&p.inter, names[0], names) }

func withRSA(c *x509.Certificate) { c.PublicKeyAlgorithm = x509.RSA }

func (p *pki) ended(c *x509.Certificate) {
	c.NotBefore, c.NotAfter = p.now.AddDate(0, 0, -100), p.now.AddDate(0, 0, -4)
}

// files writes a pair as PEM and gives the paths.
func (p *pki) files(c tls.Certificate) (chain, key string) {
	p.t.Helper()
	dir := p.t.TempDir()
	chain, key = filepath.Join(dir, "chain.pem"), filepath.Join(dir, "key.pem")
	var out []byte
	for _, der := range c.Certificate {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	k, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		p.t.Fatal(err)
	}
	for path, b := range map[string][]byte{chain: out, key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: k})} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	return chain, key
}

// serve runs a TLS server of the standard library on an address; port 0 = the kernel picks.
func serve(t *testing.T, addr string, conf *tls.Config) string {
	t.Helper()
	l, err := tls.Listen("tcp", addr, conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = c.(*tls.Conn).Handshake()
				_, _ = c.Read(make([]byte, 1))
			}()
		}
	}()
	return l.Addr().String()
}

// diagnoseAt looks at host as if the DNS gave these addresses, and judges.
func diagnoseAt(t *testing.T, p *pki, host, port string, addrs ...string) diagnose.Report {
	t.Helper()
	now := func() time.Time { return p.now }
	pr := probe.New(probe.Options{Now: now, From: "test", Guard: probe.Guard{AllowLoopback: true}, Timeout: 3 * time.Second,
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			var out []netip.Addr
			for _, a := range addrs {
				out = append(out, netip.MustParseAddr(a))
			}
			return out, nil
		}})
	look := inspect.HostOptions{Clock: inspect.Clock{Now: now, From: "test"}, Host: host, Port: port, Prober: pr,
		Complete: func(c [][]byte) bool { return diagnose.Leads(c, p.pool, p.now) }, Control: probe.Guard{AllowLoopback: true}.Control}
	c := diagnose.Case{Target: host, Now: p.now, Observations: inspect.Host(t.Context(), look), Options: diagnose.Options{Roots: p.pool, ServerName: host}}
	c.Observations = inspect.Settle(t.Context(), c.Observations, inspect.Further{Clock: look.Clock, Began: p.now, Open: c.Open, Ask: look.Ask})
	return c.Judge()
}

// first checks the first finding and that no other stands beside it.
func first(t *testing.T, r diagnose.Report, want string) diagnose.Finding {
	t.Helper()
	var ids []string
	for _, f := range r.Findings {
		ids = append(ids, f.ID+": "+f.Title)
	}
	if want == "" {
		if !r.Healthy || len(ids) > 0 {
			t.Fatalf("healthy %v, findings %q, blind %v", r.Healthy, ids, r.BlindSpots)
		}
		return diagnose.Finding{}
	}
	if len(ids) != 1 || r.Findings[0].ID != want {
		t.Fatalf("findings %q, want %s alone; not seen: %v", ids, want, r.BlindSpots)
	}
	return r.Findings[0]
}

func portOf(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// tool finds a program; where it is missing, the test fails under CI and is skipped elsewhere.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is needed for this test and is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

// start runs a server and waits until its port answers.
func start(t *testing.T, addr, prog string, args ...string) {
	t.Helper()
	cmd := exec.Command(prog, args...)
	in, err := cmd.StdinPipe() // openssl s_server ends with its input
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s does not listen on %s: %v", prog, addr, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// freePort is a port of loopback at which nothing listens until the test has something listen there.
func freePort(t *testing.T, addresses ...string) string {
	t.Helper()
	return port.Hold(t, addresses...)
}
