package issue

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

func TestBuiltinRevokeAndCRL(t *testing.T) {
	t.Parallel()
	openssl := builtinNeed(t, "openssl")
	w := newBuiltinWorld(t, nil)
	issue := func(attempt string) []byte {
		chain, err := w.finalise(t, builtinRequest(attempt, "www.example.test"), builtinCSR(t, builtinECKey(t), "www.example.test"))
		if err != nil {
			t.Fatal(err)
		}
		return chain[0]
	}
	crl := func(family string) *x509.RevocationList {
		der, err := w.CRL(t.Context(), family)
		if err != nil {
			t.Fatal(err)
		}
		l, err := x509.ParseRevocationList(der)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	cert := issue("a1")
	first := crl(FamilyEC)
	if len(first.RevokedCertificateEntries) != 0 || first.CheckSignatureFrom(w.ec.cert) != nil {
		t.Errorf("first CRL: %d entries", len(first.RevokedCertificateEntries))
	}
	if again := crl(FamilyEC); again.Number.Cmp(first.Number) != 0 {
		t.Error("a CRL was made although nothing had changed")
	}
	for range 2 { // the second time is no error
		if err := w.Revoke(t.Context(), cert, 4); err != nil {
			t.Fatal(err)
		}
	}
	second := crl(FamilyEC)
	leaf, _ := x509.ParseCertificate(cert)
	if len(second.RevokedCertificateEntries) != 1 || second.RevokedCertificateEntries[0].SerialNumber.Cmp(leaf.SerialNumber) != 0 || second.RevokedCertificateEntries[0].ReasonCode != 4 || second.Number.Cmp(first.Number) <= 0 {
		t.Errorf("after the revocation: %+v", second.RevokedCertificateEntries)
	}
	if n := len(crl(FamilyRSA).RevokedCertificateEntries); n != 0 {
		t.Errorf("%d entries on the RSA CRL, want none: it is another authority", n)
	}
	w.clock.Add(builtinCRLLife / 2)
	if third := crl(FamilyEC); third.Number.Cmp(second.Number) <= 0 || !third.NextUpdate.After(second.NextUpdate) {
		t.Error("no new CRL after half its life")
	}
	der, _ := w.CRL(t.Context(), FamilyEC)
	file := filepath.Join(t.TempDir(), "crl")
	if err := os.WriteFile(file, der, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(openssl, "crl", "-inform", "DER", "-in", file, "-noout", "-text").CombinedOutput()
	if err != nil || !strings.Contains(strings.ToUpper(string(out)), builtinSerialOf(leaf)) || !strings.Contains(string(out), "Superseded") {
		t.Errorf("openssl crl: %v\n%s", err, out)
	}
	if _, err := w.CRL(t.Context(), "dsa"); err == nil {
		t.Error("a CRL of an unknown family")
	}
}

func TestBuiltinRevokeRefuses(t *testing.T) {
	t.Parallel()
	w, other := newBuiltinWorld(t, nil), newBuiltinWorld(t, nil)
	chain, err := other.finalise(t, builtinRequest("a", "www.example.test"), builtinCSR(t, builtinECKey(t), "www.example.test"))
	if err != nil {
		t.Fatal(err)
	}
	builtinWant(t, w.Revoke(t.Context(), chain[0], 0), order.Final, "")
	builtinWant(t, w.Revoke(t.Context(), []byte("x"), 0), order.Final, "")
	builtinWant(t, other.Revoke(t.Context(), chain[0], 6), order.Final, "")
}

func TestBuiltinRenewalInfo(t *testing.T) {
	t.Parallel()
	w := newBuiltinWorld(t, nil)
	r := builtinRequest("a", "www.example.test")
	r.Validity = 10 * time.Hour
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := w.finalise(t, r, builtinCSR(t, key, "www.example.test"))
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(chain[0])
	info, err := w.RenewalInfo(t.Context(), chain[0])
	if err != nil {
		t.Fatal(err)
	}
	aki, serial, _ := strings.Cut(info.CertID, ".")
	rawAKI, _ := base64.RawURLEncoding.DecodeString(aki)
	rawSerial, _ := base64.RawURLEncoding.DecodeString(serial)
	if !bytes.Equal(rawAKI, leaf.AuthorityKeyId) || !bytes.Equal(rawSerial, leaf.SerialNumber.Bytes()) {
		t.Errorf("CertID %s", info.CertID)
	}
	if !info.Window.Start.After(time.Now().Add(6*time.Hour)) || !info.Window.End.Before(leaf.NotAfter.Add(-time.Hour)) || !info.Window.Start.Before(info.Window.End) || !info.Again.After(time.Now()) {
		t.Errorf("window %+v, again %s, for a certificate until %s", info.Window, info.Again, leaf.NotAfter)
	}
	if err := w.Revoke(t.Context(), chain[0], 1); err != nil {
		t.Fatal(err)
	}
	if info, err = w.RenewalInfo(t.Context(), chain[0]); err != nil || !info.Window.End.Before(time.Now()) {
		t.Errorf("revoked: %+v, %v", info.Window, err)
	}
}

func TestBuiltinCertIDSerialEncoding(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"7F": "\x7f", "80": "\x00\x80", "8765432100": "\x00\x87\x65\x43\x21\x00"} { // RFC 9773 section 4.1: 0x8765...
		n, _ := new(big.Int).SetString(in, 16)
		if got := string(builtinSerialDER(n)); got != want {
			t.Errorf("%s: %x, want %x", in, got, want)
		}
	}
}

func TestBuiltinObserveAuthority(t *testing.T) {
	t.Parallel()
	w := newBuiltinWorld(t, nil)
	fails := func() (out []string) {
		for _, o := range w.Observe(t.Context()) {
			if o.Outcome != evidence.Pass {
				out = append(out, o.String())
			}
		}
		return out
	}
	if f := fails(); len(f) != 0 {
		t.Errorf("a new authority: %v", f)
	}
	w.clock.Add(11 * 365 * 24 * time.Hour)
	if f := fails(); len(f) != 3 || !strings.Contains(f[0], "root") {
		t.Errorf("an expired authority: %v", f)
	}
}
