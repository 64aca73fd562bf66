package inspect_test

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"certwright/internal/diagnose"
)

// list signs a revocation list of the intermediate.
func (p *pki) list(next time.Time, serials ...*big.Int) []byte {
	p.t.Helper()
	var entries []x509.RevocationListEntry
	for _, s := range serials {
		entries = append(entries, x509.RevocationListEntry{SerialNumber: s, RevocationTime: p.now.Add(-time.Hour), ReasonCode: 4})
	}
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: p.now.Add(-2 * time.Hour), NextUpdate: next, RevokedCertificateEntries: entries},
		p.inter.Leaf, p.inter.PrivateKey.(crypto.Signer))
	if err != nil {
		p.t.Fatal(err)
	}
	return der
}

// Lists of revoked certificates, fetched from a real server.
func TestRevocationList(t *testing.T) {
	p := newPKI(t)
	var body atomic.Value
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := body.Load().([]byte)
		if b == nil {
			http.Error(w, "gone", http.StatusNotFound)
			return
		}
		_, _ = w.Write(b)
	}))
	t.Cleanup(srv.Close)
	leaf := p.mint(&p.inter, name, []string{name}, func(c *x509.Certificate) { c.CRLDistributionPoints = []string{srv.URL + "/int.crl"} })
	port := portOf(t, serve(t, "127.0.0.1:0", one(leaf)))
	soon := p.now.Add(time.Hour)
	other := newPKI(t)
	for _, c := range []struct {
		want string
		list []byte
	}{
		{"", p.list(soon, big.NewInt(5))},
		{"", pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: p.list(soon)})},
		{"tls-revoked", p.list(soon, leaf.Leaf.SerialNumber)},
		{"tls-crl-unreachable", p.list(p.now.Add(-time.Hour))},
		{"tls-crl-unreachable", []byte("<html>not a list")},
		{"tls-crl-unreachable", other.list(soon, leaf.Leaf.SerialNumber)}, // of the same name, signed by another key
		{"tls-crl-unreachable", nil},
	} {
		body.Store(c.list)
		f := first(t, diagnoseAt(t, p, name, port, "127.0.0.1"), c.want)
		if c.want == "tls-revoked" && (!strings.Contains(f.Title, "superseded") || len(f.RuledOut) < 2) {
			t.Errorf("%s: %v", f.Title, f.RuledOut)
		}
	}
}

// openssl's responder, asked directly, and its answer stapled.
func TestOCSP(t *testing.T) {
	openssl := tool(t, "openssl")
	p := newPKI(t)
	dir := t.TempDir()
	at := "127.0.0.1:" + freePort(t)
	leaf := p.mint(&p.inter, name, []string{name}, func(c *x509.Certificate) { c.OCSPServer = []string{"http://" + at} })
	port := portOf(t, serve(t, "127.0.0.1:0", one(leaf)))
	first(t, diagnoseAt(t, p, name, port, "127.0.0.1"), "tls-crl-unreachable") // nobody answers yet
	key, err := x509.MarshalPKCS8PrivateKey(p.inter.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	ca, caKey, index := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key"), filepath.Join(dir, "index.txt")
	row := fmt.Sprintf("R\t490101000000Z\t261101000000Z,keyCompromise\t%X\tunknown\t/CN=x\n", leaf.Leaf.SerialNumber)
	if len(fmt.Sprintf("%X", leaf.Leaf.SerialNumber))%2 == 1 {
		row = strings.Replace(row, "\t"+fmt.Sprintf("%X", leaf.Leaf.SerialNumber), "\t0"+fmt.Sprintf("%X", leaf.Leaf.SerialNumber), 1)
	}
	for file, b := range map[string][]byte{ca: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.inter.Certificate[0]}),
		caKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), index: []byte(row)} {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(openssl, "ocsp", "-port", at[strings.LastIndex(at, ":")+1:], "-index", index, "-CA", ca, "-rsigner", ca, "-rkey", caKey, "-ndays", "2", "-ignore_err")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	r := diagnoseAt(t, p, name, port, "127.0.0.1")
	// An empty connection makes this responder hang: what shows that it is up is its first answer.
	for deadline := time.Now().Add(10 * time.Second); len(r.Findings) > 0 && r.Findings[0].ID == "tls-crl-unreachable" && time.Now().Before(deadline); {
		r = diagnoseAt(t, p, name, port, "127.0.0.1")
	}
	f := first(t, r, "tls-revoked")
	if !strings.Contains(f.Title, "keyCompromise") {
		t.Errorf("%s", f.Title)
	}
	out, err := exec.Command("sh", "-c", strings.ReplaceAll(f.Evidence[0].Command, "issuer.pem", ca)).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "revoked") {
		t.Errorf("the command does not repeat the look: %s\n%v %s", f.Evidence[0].Command, err, out)
	}
}

// What is stapled: an old answer, one of another certificate, a good one.
func TestStapled(t *testing.T) {
	p := newPKI(t)
	leaf := p.leaf(name)
	staple := func(serial *big.Int, next time.Time) []byte {
		der, err := ocsp.CreateResponse(p.inter.Leaf, p.inter.Leaf, ocsp.Response{Status: ocsp.Good, SerialNumber: serial, ThisUpdate: next.Add(-72 * time.Hour), NextUpdate: next},
			p.inter.PrivateKey.(crypto.Signer))
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	for _, c := range []struct {
		want   string
		staple []byte
	}{
		{"", staple(leaf.Leaf.SerialNumber, p.now.Add(time.Hour))},
		{"tls-staple-expired", staple(leaf.Leaf.SerialNumber, p.now.Add(-time.Hour))},
		{"tls-staple-expired", staple(big.NewInt(7), p.now.Add(time.Hour))},
		{"tls-staple-expired", []byte{1, 2, 3}},
	} {
		conf := one(leaf)
		conf.Certificates[0].OCSPStaple = c.staple
		port := portOf(t, serve(t, "127.0.0.1:0", conf))
		if f := first(t, diagnoseAt(t, p, name, port, "127.0.0.1"), c.want); c.want != "" && f.Severity != diagnose.Warning {
			t.Errorf("%s, though the certificate demands no answer", f.Severity)
		}
	}
}
