package diagnose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"sync"
	"testing"
	"time"

	"certwright/internal/evidence"
)

// noon is the moment that all tests judge for.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// authority is a test authority: a certificate with its key.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

var (
	keyOnce sync.Once
	ecKeys  []*ecdsa.PrivateKey
	rsaKeys map[int]*rsa.PrivateKey
)

// testKeys are made once: RSA keys are slow.
func testKeys(t *testing.T) {
	keyOnce.Do(func() {
		for range 8 {
			k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			ecKeys = append(ecKeys, k)
		}
		rsaKeys = map[int]*rsa.PrivateKey{}
		for _, bits := range []int{1024, 2048} {
			k, err := rsa.GenerateKey(rand.Reader, bits)
			if err != nil {
				t.Fatal(err)
			}
			rsaKeys[bits] = k
		}
	})
}

var nextSerial = struct {
	sync.Mutex
	n int64
}{n: 0x0A00}

// mint makes a certificate for the key, changed by edit, signed by from (nil = by itself).
func mint(t *testing.T, key crypto.Signer, from *authority, edit func(*x509.Certificate)) *authority {
	t.Helper()
	nextSerial.Lock()
	nextSerial.n++
	serial := nextSerial.n
	nextSerial.Unlock()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: noon.AddDate(0, 0, -10), NotAfter: noon.AddDate(0, 0, 80),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true}
	if edit != nil {
		edit(tmpl)
	}
	parent, signer := tmpl, key
	if from != nil {
		parent, signer = from.cert, from.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{c, key}
}

// caNamed is an edit that makes an authority's certificate.
func caNamed(cn string, more ...func(*x509.Certificate)) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: cn}
		c.IsCA, c.KeyUsage, c.ExtKeyUsage = true, x509.KeyUsageCertSign, nil
		c.NotBefore, c.NotAfter = noon.AddDate(-5, 0, 0), noon.AddDate(5, 0, 0)
		for _, m := range more {
			m(c)
		}
	}
}

// pki is a root, an intermediate and what clients trust.
type pki struct {
	root, inter *authority
	roots       *x509.CertPool
}

func newPKI(t *testing.T) *pki {
	testKeys(t)
	root := mint(t, ecKeys[0], nil, caNamed("Test Root"))
	inter := mint(t, ecKeys[1], root, caNamed("Test Issuing"))
	pool := x509.NewCertPool()
	pool.AddCert(root.cert)
	return &pki{root, inter, pool}
}

// leafFor mints a leaf for names.
func (p *pki) leafFor(t *testing.T, names []string, edit ...func(*x509.Certificate)) *authority {
	return mint(t, ecKeys[2], p.inter, func(c *x509.Certificate) {
		c.DNSNames = names
		for _, e := range edit {
			e(c)
		}
	})
}

// rsaLeaf mints a leaf with an RSA key.
func (p *pki) rsaLeaf(t *testing.T, bits int, names []string, edit ...func(*x509.Certificate)) *authority {
	return mint(t, rsaKeys[bits], p.inter, func(c *x509.Certificate) {
		c.DNSNames = names
		for _, e := range edit {
			e(c)
		}
	})
}

func dates(from, to time.Time) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, to }
}

// mustStapleExt is the TLS feature extension with status_request.
func mustStapleExt(c *x509.Certificate) {
	c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}, Value: []byte{0x30, 3, 2, 1, 5}}}
}

// chainOf are DERs as served.
func chainOf(as ...*authority) [][]byte {
	var out [][]byte
	for _, a := range as {
		out = append(out, a.cert.Raw)
	}
	return out
}

// shake is an observation of one handshake.
func shake(addr, sni, offered string, chain [][]byte, edit ...func(*evidence.Served)) evidence.Observation {
	s := evidence.Served{Address: addr, ServerName: sni, Offered: offered, Version: "TLS 1.3", Chain: chain, Family: "ip4"}
	if addr[0] == '[' {
		s.Family = "ip6"
	}
	for _, e := range edit {
		e(&s)
	}
	o := evidence.Observation{Probe: evidence.ProbeTLS, Check: "handshake", Subject: addr + " sni=" + sni, Outcome: evidence.Pass, From: "test", At: noon}
	if len(chain) == 0 {
		o.Outcome, o.Reason = evidence.Fail, s.Error
	}
	return o.With(s)
}

// shookAgain are handshakes with an address that were made again.
func shookAgain(addr string, looks ...evidence.Observation) evidence.Observation {
	a := evidence.Again{Address: addr}
	for _, l := range looks {
		s, _ := evidence.Decode[evidence.Served](l)
		a.Served = append(a.Served, s)
	}
	o := evidence.Observation{Probe: evidence.ProbeTLS, Check: evidence.AskAgain, Subject: addr + " again", Outcome: evidence.Pass, Seen: "handshakes", Command: "openssl s_client", From: "test", At: noon}
	return o.With(a)
}

// failed is an edit that makes a handshake fail.
func failed(class, text string) func(*evidence.Served) {
	return func(s *evidence.Served) { s.ErrorClass, s.Error, s.Version = class, text, "" }
}

// issuersOf is an observation of issuers fetched for a leaf.
func issuersOf(leaf *authority, chain [][]byte, fail string) evidence.Observation {
	o := evidence.Observation{Probe: evidence.ProbeTLS, Check: CheckIssuers, Subject: "issuers", Command: "curl -s http://ca.test/i.der", Outcome: evidence.Pass, From: "test", At: noon}
	return o.With(evidence.Issuers{Leaf: fingerprint(leaf.cert), URLs: []string{"http://ca.test/i.der"}, Chain: chain, Error: fail})
}

// answered is an observation of a DNS question.
func answered(name, typ, rcode string, records []string, fail string) evidence.Observation {
	o := evidence.Observation{Probe: evidence.ProbeDNS, Check: "records", Subject: name + " " + typ, Outcome: evidence.Pass, From: "test", At: noon, Command: "dig " + name + " " + typ}
	switch {
	case fail != "":
		o.Outcome, o.Reason = evidence.Unknown, fail
	case len(records) == 0:
		o.Outcome, o.Seen = evidence.Fail, rcode
	}
	return o.With(evidence.Resolved{Name: name, Type: typ, Server: "127.0.0.1:53", Rcode: rcode, Records: records, Error: fail})
}
