package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/site"
)

func TestLookTLS(t *testing.T) {
	t.Parallel()
	ec, rs := pair(t)
	host, port := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ec, rs}})
	p := newProber(Options{})
	tests := []struct {
		name     string
		keyType  string
		expected string
		outcome  evidence.Outcome
		seen     string
	}{
		{"any serial will do", "", "", evidence.Pass, "serial EC01"},
		{"the expected one", "", "ec01", evidence.Pass, "serial EC01"},
		{"with a leading zero", "", "00EC01", evidence.Pass, "serial EC01"},
		{"another one", "", "EC02", evidence.Fail, "serial EC01"},
		{"the RSA one", "RSA-2048", "05A1", evidence.Pass, "serial 05A1"},
		{"the EC one", "EC-P256", "05A1", evidence.Fail, "serial EC01"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			os := p.LookTLS(t.Context(), site.Endpoint{Address: net.JoinHostPort(host, port), ServerName: "www.example.test", KeyType: tt.keyType}, tt.expected)
			if len(os) != 1 {
				t.Fatalf("%d observations, want 1: %v", len(os), os)
			}
			o := os[0]
			if o.Outcome != tt.outcome || o.Seen != tt.seen || o.Check != "serial" || o.From != "test" || o.At.IsZero() {
				t.Errorf("got %s (check %s, from %s)", o, o.Check, o.From)
			}
			s, ok := evidence.Decode[evidence.Served](o)
			if !ok || len(s.Chain) != 1 || s.Family != "ip4" || s.ServerName != "www.example.test" || s.Version == "" {
				t.Errorf("raw evidence: %+v", s)
			}
		})
	}
}

func TestLookTLSCommandRepeats(t *testing.T) {
	t.Parallel()
	need(t, "openssl")
	ec, _ := pair(t)
	host, port := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ec}})
	o := newProber(Options{}).LookTLS(t.Context(), site.Endpoint{Address: host + ":" + port, ServerName: "www.example.test"}, "")[0]
	out, err := exec.Command("sh", "-c", o.Command).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "serial=EC01") {
		t.Errorf("%s\n%v\n%s", o.Command, err, out)
	}
}

func TestLookTLSCostsOneHandshakeAnAddress(t *testing.T) {
	t.Parallel()
	ec, _ := pair(t)
	var n atomic.Int64
	cfg := &tls.Config{Certificates: []tls.Certificate{ec}}
	host, port := serve(t, func(c net.Conn) { n.Add(1); tls.Server(c, cfg).Handshake() })
	newProber(Options{}).LookTLS(t.Context(), site.Endpoint{Address: host + ":" + port}, "")
	if n.Load() != 1 {
		t.Errorf("%d connections, want 1", n.Load())
	}
}

func TestLookTLSErrors(t *testing.T) {
	t.Parallel()
	refused := "127.0.0.1:" + freePort(t)
	listen := func(f func(net.Conn)) string { h, p := serve(t, f); return h + ":" + p }
	hello := func(c net.Conn) { c.Read(make([]byte, 1024)) }
	ec, _ := pair(t)
	tests := []struct {
		name    string
		address string
		guard   Guard
		class   string
		outcome evidence.Outcome
		plain   bool
	}{
		{"nothing listens", refused, open, ClassRefused, evidence.Fail, false},
		{"silence", listen(func(c net.Conn) { io.Copy(io.Discard, c) }), open, ClassTimeout, evidence.Fail, false},
		{"closed after the hello", listen(hello), open, ClassReset, evidence.Fail, false},
		{"reset", listen(func(c net.Conn) { hello(c); c.(*net.TCPConn).SetLinger(0) }), open, ClassReset, evidence.Fail, false},
		{"ssh", listen(func(c net.Conn) { c.Write([]byte("SSH-2.0-x\r\n")); hello(c) }), open, ClassNotTLS, evidence.Fail, false},
		{"http", listen(func(c net.Conn) { hello(c); c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }), open, ClassNotTLS, evidence.Fail, true},
		{"guarded", refused, Guard{AllowPrivate: true}, ClassForbidden, evidence.Unknown, false},
		{"alert", listen(func(c net.Conn) {
			tls.Server(c, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
				if h.ServerName != "" {
					return nil, os.ErrNotExist
				}
				return &ec, nil
			}}).Handshake()
		}), open, ClassAlert, evidence.Fail, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			timeout := patient
			if tt.class == ClassTimeout {
				timeout = time.Second
			}
			p := newProber(Options{Guard: tt.guard, Timeout: timeout})
			o := p.LookTLS(t.Context(), site.Endpoint{Address: tt.address, ServerName: "www.example.test"}, "01")[0]
			s, _ := evidence.Decode[evidence.Served](o)
			if s.ErrorClass != tt.class || o.Outcome != tt.outcome || s.PlainHTTP != tt.plain || o.Reason == "" {
				t.Errorf("got class %q, plain %v, %s", s.ErrorClass, s.PlainHTTP, o)
			}
		})
	}
}

func TestLookTLSAllAddresses(t *testing.T) {
	t.Parallel()
	ec, _ := pair(t)
	host, port := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ec}})
	p := newProber(Options{Lookup: func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr(host), netip.MustParseAddr("127.0.0.77"), netip.MustParseAddr("::1")}, nil
	}})
	got := p.LookTLS(t.Context(), site.Endpoint{Address: "www.example.test:" + port}, "EC01")
	if len(got) != 3 {
		t.Fatalf("%d observations, want one an address: %v", len(got), got)
	}
	for i, want := range []string{"[::1]:" + port, "127.0.0.1:" + port, "127.0.0.77:" + port} {
		if !strings.HasPrefix(got[i].Subject, want) || (got[i].Outcome == evidence.Pass) != (i == 1) {
			t.Errorf("address %d: %s, want %s", i, got[i], want)
		}
	}
}

func TestClientCertificateWantedStillShowsTheChain(t *testing.T) {
	t.Parallel()
	ec, _ := pair(t)
	host, port := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ec}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12})
	o := newProber(Options{}).LookTLS(t.Context(), site.Endpoint{Address: host + ":" + port}, "EC01")[0]
	s, _ := evidence.Decode[evidence.Served](o)
	if o.Outcome != evidence.Pass || s.ErrorClass != ClassAlert {
		t.Errorf("%s, class %q: want the chain and the alert", o, s.ErrorClass)
	}
}

// families runs a survey without server name differences and returns the serial seen for each family.
func families(t *testing.T, p *Prober, host, port string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, o := range p.SurveyTLS(t.Context(), host, port, []string{"www.example.test"}) {
		s, ok := evidence.Decode[evidence.Served](o)
		if !ok {
			t.Fatalf("no raw evidence: %s", o)
		}
		key := s.Offered
		if s.ServerName == "" {
			key += " nosni"
		}
		out[key] = strings.TrimPrefix(o.Seen, "serial ")
		if o.Seen == "" {
			out[key] = string(o.Outcome) + " " + s.ErrorClass
		}
	}
	return out
}

func TestSurveyTellsFamiliesApart(t *testing.T) {
	t.Parallel()
	ec, rs := pair(t)
	both := []tls.Certificate{ec, rs}
	tests := []struct {
		name    string
		cfg     *tls.Config
		ec, rsa string
	}{
		{"TLS 1.2 and 1.3, both", &tls.Config{Certificates: both}, "EC01", "05A1"},
		{"TLS 1.3 only, both", &tls.Config{Certificates: both, MinVersion: tls.VersionTLS13}, "EC01", "05A1"},
		{"TLS 1.3 only, P-384 share", &tls.Config{Certificates: both, MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.CurveP384}}, "EC01", "05A1"},
		{"TLS 1.2 only, both", &tls.Config{Certificates: both, MaxVersion: tls.VersionTLS12}, "EC01", "05A1"},
		{"TLS 1.3 only, RSA", &tls.Config{Certificates: []tls.Certificate{rs}, MinVersion: tls.VersionTLS13}, "UNKNOWN alert", "05A1"},
		{"TLS 1.2 only, ECDSA", &tls.Config{Certificates: []tls.Certificate{ec}, MaxVersion: tls.VersionTLS12}, "EC01", "UNKNOWN alert"},
		{"TLS 1.0 only", &tls.Config{Certificates: []tls.Certificate{rs}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, "UNKNOWN alert", "05A1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			host, port := serveTLS(t, tt.cfg)
			got := families(t, newProber(Options{}), host, port)
			if got[OfferECDSA] != tt.ec || got[OfferRSA] != tt.rsa || len(got) != 7 {
				t.Errorf("saw %v, want ecdsa %s and rsa %s, seven looks", got, tt.ec, tt.rsa)
			}
		})
	}
}

func TestSurveyOpenSSLWithTwoCertificates(t *testing.T) {
	t.Parallel()
	openssl := need(t, "openssl")
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		for _, suite := range []string{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"} {
			t.Run(version+suite, func(t *testing.T) {
				t.Parallel()
				ec, rs := pair(t)
				dir, port := t.TempDir(), freePort(t)
				e, r := writePEM(t, dir, "ec", ec), writePEM(t, dir, "rsa", rs)
				cmd := exec.Command(openssl, "s_server", "-accept", "127.0.0.1:"+port, "-cert", e, "-key", e, "-dcert", r, "-dkey", r, version, "-ciphersuites", suite, "-quiet")
				in, err := cmd.StdinPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { in.Close(); cmd.Process.Kill(); cmd.Wait() })
				waitPort(t, "127.0.0.1:"+port)
				got := families(t, newProber(Options{}), "127.0.0.1", port)
				if got[OfferECDSA] != "EC01" || got[OfferRSA] != "05A1" {
					t.Errorf("saw %v", got)
				}
			})
		}
	}
}

func TestSurveySNIAndNone(t *testing.T) {
	t.Parallel()
	ec, rs := pair(t)
	host, port := serveTLS(t, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if h.ServerName == "" {
			return &rs, nil
		}
		return &ec, nil
	}})
	got := families(t, newProber(Options{}), host, port)
	if got[OfferAny] != "EC01" || got[OfferAny+" nosni"] != "05A1" {
		t.Errorf("saw %v", got)
	}
}

func writePEM(t *testing.T, dir, name string, c tls.Certificate) string {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	b := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	file := filepath.Join(dir, name+".pem")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// waitPort waits until the address accepts connections.
func waitPort(t *testing.T, addr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil {
			c.Close()
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%s does not accept: %v", addr, err)
		}
		pause(ctx)
	}
}

func TestCertificateThatCannotBeParsedIsStillEvidence(t *testing.T) {
	t.Parallel()
	ec, _ := pair(t)
	ec.Certificate, ec.Leaf = [][]byte{[]byte("no certificate")}, nil
	host, port := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ec}})
	o := newProber(Options{}).LookTLS(t.Context(), site.Endpoint{Address: host + ":" + port}, "01")[0]
	s, _ := evidence.Decode[evidence.Served](o)
	if o.Outcome != evidence.Fail || len(s.Chain) != 1 || string(s.Chain[0]) != "no certificate" || !strings.Contains(o.Reason, "cannot be parsed") {
		t.Errorf("got %s, chain %q", o, s.Chain)
	}
}

// FuzzHello13: whatever a server answers, the reader ends with an error or a chain.
func FuzzHello13(f *testing.F) {
	f.Add([]byte{22, 3, 3, 0, 4, 2, 0, 0, 0}, uint8(0))
	f.Add([]byte{21, 3, 3, 0, 2, 2, 40}, uint8(0))
	f.Add([]byte{0, 0, 0, 8, 0, 0, 3, 1, 2, 3, 0, 0}, uint8(1))
	f.Fuzz(func(t *testing.T, in []byte, what uint8) {
		if what%2 == 1 {
			if chain, _, err := parseCertificate13(in); err == nil && len(chain) == 0 {
				t.Error("neither a chain nor an error")
			}
			return
		}
		client, server := net.Pipe()
		go func() { server.Write(in); server.Close() }()
		defer client.Close()
		h, hello, err := newHello13(tlsLook{name: "www.example.test", offered: OfferRSA}, groups13, curves13)
		if err != nil || len(hello) == 0 {
			t.Fatal(err)
		}
		r := &reader13{conn: client}
		for {
			m, err := r.message(2)
			if err != nil {
				return
			}
			_ = h.keys(m[4:], r)
		}
	})
}
