package issue

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/fulfill"
	"certwright/internal/order"
)

// finalise begins and finalises an attempt.
func (w *builtinWorld) finalise(t *testing.T, r fulfill.Request, csr []byte) ([][]byte, error) {
	t.Helper()
	o, err := w.Begin(t.Context(), r)
	if err != nil {
		return nil, err
	}
	return w.Finalise(t.Context(), r, o, csr)
}

func builtinWant(t *testing.T, err error, class order.Class, id string) *order.Problem {
	t.Helper()
	var p *order.Problem
	if !errors.As(err, &p) {
		t.Fatalf("got %v, want a problem %s", err, id)
	}
	if p.Class != class || p.ID != id || p.Detail == "" || p.At.IsZero() {
		t.Errorf("got class %s id %q: %v; want %s %q", p.Class, p.ID, p, class, id)
	}
	return p
}

func TestBuiltinConcurrentFirstStartsMakeOneAuthority(t *testing.T) {
	t.Parallel()
	book, keys := newBuiltinBook(), newBuiltinKeys()
	var wg sync.WaitGroup
	all := make([]*Builtin, 8)
	for i := range all {
		wg.Go(func() {
			b, err := NewBuiltin(t.Context(), BuiltinOptions{Now: time.Now, Keys: keys, Serials: book, Looks: builtinBlind{}})
			if err == nil {
				err = b.Ready(t.Context())
			}
			if err != nil {
				t.Error(err)
				return
			}
			all[i] = b
		})
	}
	wg.Wait()
	for _, b := range all {
		if b == nil {
			t.FailNow()
		}
		if !b.root.Equal(all[0].root) || !b.ec.cert.Equal(all[0].ec.cert) || !b.rsa.cert.Equal(all[0].rsa.cert) {
			t.Error("replicas have different authorities")
		}
	}
	if keys.keys[builtinRootKey] != nil || keys.apart[builtinRootKey] == nil {
		t.Error("the root's key was not sealed apart")
	}
	again, err := NewBuiltin(t.Context(), BuiltinOptions{Now: time.Now, Keys: keys, Serials: book, Looks: builtinBlind{}})
	if err != nil || again.Ready(t.Context()) != nil || !again.root.Equal(all[0].root) {
		t.Errorf("a restart: %v", err)
	}
}

func TestBuiltinStartAfterACrashBeforeTheRSAAuthority(t *testing.T) {
	t.Parallel()
	w := newBuiltinWorld(t, nil)
	if err := w.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	// As it is when the process died after the ECDSA authority was recorded.
	delete(w.book.settings, "builtin-ca-rsa")
	w.keys.keys[builtinRootKey], w.keys.apart = w.keys.apart[builtinRootKey], map[string]crypto.Signer{}
	b, err := NewBuiltin(t.Context(), w.opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !b.rsa.cert.Equal(w.rsa.cert) || w.keys.apart[builtinRootKey] == nil {
		t.Error("the second start did not come to the same authority, sealed")
	}
}

func TestBuiltinForeignKeyIsNoticed(t *testing.T) {
	t.Parallel()
	w := newBuiltinWorld(t, nil)
	w.keys.mu.Lock()
	w.keys.keys[builtinKeyName(FamilyEC)] = builtinECKey(t)
	w.keys.mu.Unlock()
	if _, err := NewBuiltin(t.Context(), w.opt); err == nil || !strings.Contains(err.Error(), "not the one in its certificate") {
		t.Errorf("got %v", err)
	}
}

func TestBuiltinFinaliseBothFamilies(t *testing.T) {
	t.Parallel()
	openssl := builtinNeed(t, "openssl")
	w := newBuiltinWorld(t, nil)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		key      crypto.Signer
		validity time.Duration
		want     time.Duration
	}{
		{"EC five minutes", builtinECKey(t), 5 * time.Minute, 5 * time.Minute},
		{"EC three years", builtinECKey(t), 3 * 365 * 24 * time.Hour, 3 * 365 * 24 * time.Hour},
		{"EC default", builtinECKey(t), 0, 90 * 24 * time.Hour},
		{"RSA six days", rsaKey, 6 * 24 * time.Hour, 6 * 24 * time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			names := []string{"www.example.test", "example.test", "127.0.0.1"}
			r := builtinRequest("a-"+tt.name, names...)
			r.Validity = tt.validity
			chain, err := w.finalise(t, r, builtinCSR(t, tt.key, names...))
			if err != nil {
				t.Fatal(err)
			}
			leaf, err := x509.ParseCertificate(chain[0])
			if err != nil || len(chain) != 2 {
				t.Fatalf("chain of %d: %v", len(chain), err)
			}
			now := time.Now()
			if d := leaf.NotAfter.Sub(now) - tt.want; d > time.Second || d < -10*time.Second {
				t.Errorf("lives for %s, want %s", leaf.NotAfter.Sub(now), tt.want)
			}
			if now.Sub(leaf.NotBefore) < 25*time.Second || now.Sub(leaf.NotBefore) > 6*time.Minute {
				t.Errorf("back-dated by %s", now.Sub(leaf.NotBefore))
			}
			if leaf.Subject.CommonName != "www.example.test" || len(leaf.DNSNames) != 2 || len(leaf.IPAddresses) != 1 || leaf.SerialNumber.BitLen() < 158 || len(leaf.SubjectKeyId) != 20 || len(leaf.CRLDistributionPoints) != 1 {
				t.Errorf("leaf: %s %v %v serial %x crl %v", leaf.Subject, leaf.DNSNames, leaf.IPAddresses, leaf.SerialNumber, leaf.CRLDistributionPoints)
			}
			_, isEC := tt.key.Public().(*ecdsa.PublicKey)
			if (leaf.SignatureAlgorithm == x509.ECDSAWithSHA256) != isEC {
				t.Errorf("signed with %s", leaf.SignatureAlgorithm)
			}
			builtinVerify(t, openssl, w, chain)
		})
	}
}

// builtinVerify verifies the chain for a TLS server, strictly, the CRL included.
func builtinVerify(t *testing.T, openssl string, w *builtinWorld, chain [][]byte) {
	t.Helper()
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		f := filepath.Join(dir, name)
		if err := os.WriteFile(f, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return f
	}
	toPEM := func(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}) }
	leaf, _ := x509.ParseCertificate(chain[0])
	crl, err := w.CRL(t.Context(), builtinSerialFamily(builtinSerialOf(leaf)))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(openssl, "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "example.test", "-crl_check",
		"-CRLfile", file("crl", pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: crl})),
		"-CAfile", file("root", w.RootsPEM()), "-untrusted", file("int", toPEM(chain[1])), file("leaf", toPEM(chain[0]))).CombinedOutput()
	if err != nil {
		t.Errorf("openssl verify: %v\n%s", err, out)
	}
}

func TestBuiltinFinaliseRepeatedGivesTheSame(t *testing.T) {
	t.Parallel()
	for _, lastWins := range []bool{false, true} {
		w := newBuiltinWorld(t, nil)
		w.book.lastWins = lastWins
		r, csr := builtinRequest("a1", "www.example.test"), builtinCSR(t, builtinECKey(t), "www.example.test")
		var wg sync.WaitGroup
		got := make([][][]byte, 12)
		for i := range got {
			wg.Go(func() {
				var err error
				if got[i], err = w.finalise(t, r, csr); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, c := range got {
			if len(c) != 2 || !bytes.Equal(c[0], got[0][0]) {
				t.Fatal("different certificates for one attempt")
			}
		}
		for _, c := range w.book.signed {
			if !bytes.Equal(c, got[0][0]) {
				t.Error("two different certificates were signed under one serial")
			}
		}
		if len(w.book.recorded) != 1 {
			t.Errorf("%d serials for one attempt", len(w.book.recorded))
		}
		w.clock.Add(time.Hour)
		if later, err := w.finalise(t, r, csr); err != nil || !bytes.Equal(later[0], got[0][0]) {
			t.Errorf("an hour later: %v", err)
		}
	}
}

func TestBuiltinCrashBetweenRecordingAndKeeping(t *testing.T) {
	t.Parallel()
	names := []string{"www.example.test"}
	crash := func(t *testing.T) (*builtinWorld, fulfill.Request, []byte) {
		w := newBuiltinWorld(t, nil)
		r, csr := builtinRequest("a1", names...), builtinCSR(t, builtinECKey(t), names...)
		w.book.failSet = true
		if _, err := w.finalise(t, r, csr); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("got %v", err)
		}
		w.book.failSet = false
		return w, r, csr
	}
	t.Run("the same request signs the same bytes, later and on another replica", func(t *testing.T) {
		w, r, csr := crash(t)
		w.clock.Add(3 * time.Hour)
		b, err := NewBuiltin(t.Context(), w.opt)
		if err != nil {
			t.Fatal(err)
		}
		chain, err := b.Finalise(t.Context(), r, fulfill.Opening{}, csr)
		if err != nil || len(w.book.signed) != 2 || !bytes.Equal(w.book.signed[0], chain[0]) || !bytes.Equal(w.book.signed[1], chain[0]) {
			t.Errorf("%v, %d signed", err, len(w.book.signed))
		}
	})
	t.Run("another request does not get the serial", func(t *testing.T) {
		for name, change := range map[string]func(w *builtinWorld, r *fulfill.Request, csr *[]byte){
			"key": func(_ *builtinWorld, _ *fulfill.Request, csr *[]byte) {
				*csr = builtinCSR(t, builtinECKey(t), names...)
			},
			"validity": func(_ *builtinWorld, r *fulfill.Request, _ *[]byte) { r.Validity = time.Hour },
			"CRL":      func(w *builtinWorld, _ *fulfill.Request, _ *[]byte) { w.opt.CRLURL = "http://elsewhere" },
			"family": func(_ *builtinWorld, _ *fulfill.Request, csr *[]byte) {
				k, _ := rsa.GenerateKey(rand.Reader, 2048)
				*csr = builtinCSR(t, k, names...)
			},
		} {
			w, r, csr := crash(t)
			change(w, &r, &csr)
			_, err := w.finalise(t, r, csr)
			p := builtinWant(t, err, order.GiveUp, "")
			if len(w.book.signed) != 1 {
				t.Errorf("%s: a second certificate was signed under the serial (%v)", name, p)
			}
		}
	})
	t.Run("too late", func(t *testing.T) {
		w, r, csr := crash(t)
		w.clock.Add(50 * 24 * time.Hour)
		_, err := w.finalise(t, r, csr)
		builtinWant(t, err, order.GiveUp, "")
	})
}

func TestBuiltinCertificateKeptForAnotherKey(t *testing.T) {
	t.Parallel()
	w := newBuiltinWorld(t, nil)
	r := builtinRequest("a1", "www.example.test")
	if _, err := w.finalise(t, r, builtinCSR(t, builtinECKey(t), "www.example.test")); err != nil {
		t.Fatal(err)
	}
	_, err := w.finalise(t, r, builtinCSR(t, builtinECKey(t), "www.example.test"))
	builtinWant(t, err, order.GiveUp, "")
}

func TestBuiltinAuthorityNearItsEnd(t *testing.T) {
	t.Parallel()
	w := newBuiltinWorld(t, nil)
	left := func(d time.Duration) { w.clock.Add(w.ec.cert.NotAfter.Sub(w.clock.Now()) - d) }
	issue := func(attempt string) ([][]byte, error) {
		r := builtinRequest(attempt, "www.example.test")
		r.Validity = 100 * time.Hour
		return w.finalise(t, r, builtinCSR(t, builtinECKey(t), "www.example.test"))
	}
	left(60 * time.Hour)
	chain, err := issue("a1")
	if err != nil {
		t.Fatal(err)
	}
	if leaf, _ := x509.ParseCertificate(chain[0]); !leaf.NotAfter.Equal(w.ec.cert.NotAfter) {
		t.Errorf("ends at %s, want with its authority at %s", leaf.NotAfter, w.ec.cert.NotAfter)
	}
	left(40 * time.Hour)
	_, err = issue("a2")
	builtinWant(t, err, order.GiveUp, "ca-builtin-ca-too-short")
	left(-time.Minute)
	_, err = issue("a3")
	builtinWant(t, err, order.GiveUp, "ca-builtin-root-expired")
}

func TestBuiltinWithoutChecks(t *testing.T) {
	t.Parallel()
	w := newBuiltinWorld(t, func(o *BuiltinOptions) { o.NoCAA, o.NoControl = false, false })
	r, csr := builtinRequest("a", "www.example.test"), builtinCSR(t, builtinECKey(t), "www.example.test")
	_, err := w.Finalise(t.Context(), r, fulfill.Opening{}, csr)
	builtinWant(t, err, order.GiveUp, "verify-lapsed")
	own := w.WithoutChecks()
	chain, err := own.Finalise(t.Context(), r, fulfill.Opening{}, csr)
	if err != nil || !bytes.Equal(chain[1], w.ec.cert.Raw) {
		t.Errorf("for its own names: %v", err)
	}
	if own.Ready(t.Context()) != nil || own.rsa != w.rsa {
		t.Error("not the same authority")
	}
}

func TestBuiltinDefaultValidity(t *testing.T) {
	t.Parallel()
	w := newBuiltinWorld(t, func(o *BuiltinOptions) { o.Validity = 6 * time.Hour })
	for _, tt := range []struct{ asked, want time.Duration }{{0, 6 * time.Hour}, {48 * time.Hour, 48 * time.Hour}} {
		r := builtinRequest("a-"+tt.asked.String(), "www.example.test")
		r.Validity = tt.asked
		chain, err := w.finalise(t, r, builtinCSR(t, builtinECKey(t), "www.example.test"))
		if err != nil {
			t.Fatal(err)
		}
		if leaf, _ := x509.ParseCertificate(chain[0]); time.Until(leaf.NotAfter).Round(time.Hour) != tt.want {
			t.Errorf("asked for %s: lives until %s, want %s from now", tt.asked, leaf.NotAfter, tt.want)
		}
	}
}

func TestBuiltinMaxValidity(t *testing.T) {
	t.Parallel()
	w := newBuiltinWorld(t, func(o *BuiltinOptions) { o.MaxValidity = 48 * time.Hour })
	r := builtinRequest("a", "www.example.test")
	r.Validity = 1000 * time.Hour
	chain, err := w.finalise(t, r, builtinCSR(t, builtinECKey(t), "www.example.test"))
	if err != nil {
		t.Fatal(err)
	}
	if leaf, _ := x509.ParseCertificate(chain[0]); time.Until(leaf.NotAfter) > 48*time.Hour {
		t.Errorf("lives until %s", leaf.NotAfter)
	}
}

func TestBuiltinFinaliseRefusesRequests(t *testing.T) {
	t.Parallel()
	w := newBuiltinWorld(t, nil)
	name := "www.example.test"
	csr := func(change func(*x509.CertificateRequest), key crypto.Signer) []byte {
		q := &x509.CertificateRequest{DNSNames: []string{name}}
		if change != nil {
			change(q)
		}
		der, err := x509.CreateCertificateRequest(rand.Reader, q, key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	p521, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	odd, err := rsa.GenerateKey(rand.Reader, 2041)
	if err != nil {
		t.Fatal(err)
	}
	broken := csr(nil, builtinECKey(t))
	broken[len(broken)-3] ^= 1
	tests := []struct {
		name string
		csr  []byte
		id   string
	}{
		{"rubbish", []byte("rubbish"), "ca-csr-bad-fields"},
		{"bad signature", broken, "ca-csr-bad-signature"},
		{"other name", csr(func(q *x509.CertificateRequest) { q.DNSNames = []string{"other.test"} }, builtinECKey(t)), "ca-csr-names-mismatch"},
		{"one more", csr(func(q *x509.CertificateRequest) { q.DNSNames = append(q.DNSNames, "other.test") }, builtinECKey(t)), "ca-csr-names-mismatch"},
		{"other common name", csr(func(q *x509.CertificateRequest) { q.Subject = pkix.Name{CommonName: "other.test"} }, builtinECKey(t)), "ca-csr-names-mismatch"},
		{"mail", csr(func(q *x509.CertificateRequest) { q.EmailAddresses = []string{"a@b.test"} }, builtinECKey(t)), "ca-csr-bad-fields"},
		{"URI", csr(func(q *x509.CertificateRequest) { q.URIs = []*url.URL{{Scheme: "x", Host: "y"}} }, builtinECKey(t)), "ca-csr-bad-fields"},
		{"Ed25519", csr(nil, ed), "ca-csr-key-type-unsupported"},
		{"P-521", csr(nil, p521), "ca-csr-key-type-unsupported"},
		{"short RSA", csr(nil, odd), "ca-csr-weak-key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.finalise(t, builtinRequest("a", name), tt.csr)
			builtinWant(t, err, order.GiveUp, tt.id)
		})
	}
	if len(w.book.recorded) != 0 {
		t.Error("a refused request used up a serial")
	}
}

func TestBuiltinWeakRSA(t *testing.T) {
	t.Parallel()
	p, err := rand.Prime(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	next := func(n *big.Int) *big.Int {
		for n = new(big.Int).Add(n, big.NewInt(2)); !n.ProbablyPrime(20); {
			n.Add(n, big.NewInt(2))
		}
		return n
	}
	close := new(big.Int).Mul(p, next(p))
	factor := new(big.Int).Lsh(big.NewInt(1), 2047)
	factor.Add(factor, big.NewInt(1))
	for new(big.Int).Mod(factor, big.NewInt(751)).Sign() != 0 {
		factor.Add(factor, big.NewInt(2))
	}
	// A modulus with ROCA's structure: 65537^k modulo the product of the small primes.
	m := big.NewInt(1)
	for _, q := range []int64{2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167} {
		m.Mul(m, big.NewInt(q))
	}
	roca := new(big.Int).Exp(big.NewInt(65537), big.NewInt(123456789), m)
	k := new(big.Int).Div(new(big.Int).Lsh(big.NewInt(1), 2048), m)
	roca.Add(roca, new(big.Int).Mul(m, k.Sub(k, big.NewInt(5))))
	good, _ := rsa.GenerateKey(rand.Reader, 2048)
	tests := []struct {
		name string
		n    *big.Int
		e    int
		says string
	}{
		{"good", good.N, 65537, ""},
		{"exponent 3", good.N, 3, "exponent is 3"},
		{"1024 bits", p, 65537, "1024 bits"},
		{"close primes", close, 65537, "too close"},
		{"small factor", factor, 65537, "small factor"},
		{"ROCA", roca, 65537, "ROCA"},
		{"8192 bits", new(big.Int).Lsh(big.NewInt(1), 8191), 65537, "not accepted"},
	}
	for _, tt := range tests {
		_, got := order.BadKey(&rsa.PublicKey{N: tt.n, E: tt.e})
		if tt.says == "" && got != "" || !strings.Contains(got, tt.says) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.says)
		}
	}
}

// FuzzBuiltinCSR: no request panics, and what is accepted names exactly the order's names.
func FuzzBuiltinCSR(f *testing.F) {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	for _, q := range []*x509.CertificateRequest{{DNSNames: []string{"www.example.test"}}, {Subject: pkix.Name{CommonName: "www.example.test"}}, {DNSNames: []string{"a.test", "b.test"}}, {}} {
		der, err := x509.CreateCertificateRequest(rand.Reader, q, key)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	b := &Builtin{opt: BuiltinOptions{Now: time.Now}}
	f.Fuzz(func(t *testing.T, der []byte) {
		req, p := b.checkCSR(builtinRequest("a", "www.example.test"), der)
		if p == nil && strings.Join(order.NamesOf(req), " ") != "www.example.test" {
			t.Errorf("accepted %v", order.NamesOf(req))
		}
	})
}

// builtinBlind sees nothing.
type builtinBlind struct{ Looks }

func (builtinBlind) LookCAA(context.Context, string) evidence.Observation {
	return evidence.Observation{}
}
