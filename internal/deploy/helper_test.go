package deploy

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/site"
)

var _ fulfill.Deployer = (*Deployer)(nil)

// authority signs test certificates.
type authority struct {
	key crypto.Signer
	der []byte
	crt *x509.Certificate
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(0xCA), Subject: pkix.Name{CommonName: "Test CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(100 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	crt, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{key, der, crt}
}

// issue gives a new key with its chain of two.
func (a authority) issue(t testing.TB, serial int64) fulfill.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return a.sign(t, serial, key)
}

func (a authority) issueRSA(t testing.TB, serial int64) fulfill.Certificate {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return a.sign(t, serial, key)
}

func (a authority) sign(t testing.TB, serial int64, key crypto.Signer) fulfill.Certificate {
	t.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "www.example.test"}, DNSNames: []string{"www.example.test"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(50 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.crt, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return fulfill.Certificate{Vault: "default", Name: "www", ID: "v1", Key: key, Chain: [][]byte{der, a.der}}
}

// shop is a root with a Deployer over it.
type shop struct {
	t   testing.TB
	dir string
	d   *Deployer
	ca  authority
}

func newShop(t testing.TB, commands map[string]Command) *shop {
	t.Helper()
	dir := t.TempDir()
	return &shop{t: t, dir: dir, ca: newAuthority(t),
		d: New(Options{Now: time.Now, Roots: map[string]string{"web": dir}, Commands: commands})}
}

// pairTarget names a fullchain and a key.
func pairTarget(reload string) site.Target {
	return site.Target{Name: "web", Kind: site.KindFiles, Files: &site.Files{Root: "web", Fullchain: "www.crt", Key: "www.key", Reload: reload}}
}

func (s *shop) put(t site.Target, c fulfill.Certificate) order.Receipt {
	s.t.Helper()
	r, err := s.d.Put(context.Background(), site.Site{}, t, c)
	if err != nil {
		s.t.Fatal("Put: ", err)
	}
	return r
}

// settled is put with its look on the wire done.
func (s *shop) settled(t site.Target, c fulfill.Certificate) order.Receipt {
	s.t.Helper()
	r := s.put(t, c)
	if err := s.d.Settle(context.Background(), t, r); err != nil {
		s.t.Fatal("Settle: ", err)
	}
	return r
}

func (s *shop) path(name string) string { return filepath.Join(s.dir, name) }

func (s *shop) write(name, content string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(s.path(name), []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// serves reads the pair at the plain paths as a server would: the serial of the leaf, or why not.
func (s *shop) serves() string { return pairAt(s.path("www.crt"), s.path("www.key")) }

func pairAt(crt, key string) string {
	p, err := tls.LoadX509KeyPair(crt, key)
	if errors.Is(err, os.ErrNotExist) {
		return "nothing"
	}
	if err != nil {
		return err.Error()
	}
	return order.SerialOf(p.Leaf)
}

// tree lists everything in the root with mode and link target.
func (s *shop) tree() string {
	var l []string
	filepath.Walk(s.dir, func(p string, st os.FileInfo, err error) error {
		if err != nil || p == s.dir {
			return err
		}
		rel, _ := filepath.Rel(s.dir, p)
		line := st.Mode().String() + " " + rel
		if to, err := os.Readlink(p); err == nil {
			line += " -> " + to
		}
		l = append(l, line)
		return nil
	})
	sort.Strings(l)
	return strings.Join(l, "\n")
}

func problemOf(t testing.TB, err error) *order.Problem {
	t.Helper()
	var p *order.Problem
	if !errors.As(err, &p) {
		t.Fatalf("no problem: %v", err)
	}
	if p.What == "" || p.Where == "" || p.Detail == "" || p.Fix == "" || p.Owner == "" || p.At.IsZero() {
		t.Errorf("a problem must say all: %+v", p)
	}
	return p
}

// check gives the outcome of one check of an observation.
func check(obs []evidence.Observation, name string) string {
	for _, o := range obs {
		if o.Check == name {
			return string(o.Outcome)
		}
	}
	return "none"
}
