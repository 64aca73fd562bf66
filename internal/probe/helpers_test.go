package probe

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
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/miekg/dns"

	"certwright/internal/testworld/port"
)

// open is a guard for tests: everything runs on loopback.
var open = Guard{AllowLoopback: true, AllowPrivate: true}

// patient is the time-out of looks that get an answer, however busy the machine.
const patient = 30 * time.Second

func newProber(o Options) *Prober {
	o.Now, o.From = time.Now, "test"
	if o.Guard == (Guard{}) {
		o.Guard = open
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	return New(o)
}

// need skips where a program is not installed, and fails with CI=true.
func need(t *testing.T, program string) string {
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

// selfSigned makes a certificate with the serial for the key.
func selfSigned(t *testing.T, key crypto.Signer, serial int64) tls.Certificate {
	t.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "www.example.test"},
		DNSNames: []string{"www.example.test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

const ecSerial, rsaSerial = 0xEC01, 0x05A1

// pair is an ECDSA and an RSA certificate.
func pair(t *testing.T) (ec, rs tls.Certificate) {
	t.Helper()
	ek, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rk, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return selfSigned(t, ek, ecSerial), selfSigned(t, rk, rsaSerial)
}

// serveTLS accepts handshakes until the test ends.
func serveTLS(t *testing.T, cfg *tls.Config) (host, port string) {
	t.Helper()
	return serve(t, func(c net.Conn) {
		s := tls.Server(c, cfg)
		if s.Handshake() == nil {
			s.Read(make([]byte, 1))
		}
	})
}

// serve hands each connection to f and closes it afterwards.
func serve(t *testing.T, f func(net.Conn)) (host, port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
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
			go func() { defer c.Close(); f(c) }()
		}
	}()
	host, port, _ = net.SplitHostPort(l.Addr().String())
	return host, port
}

// freePort is a port at which nothing listens until the test has something listen there; for UDP, it was free a moment ago.
func freePort(t *testing.T, addresses ...string) string {
	t.Helper()
	for range 20 {
		held := port.Hold(t, addresses...)
		if u, err := net.ListenPacket("udp", "127.0.0.1:"+held); err == nil {
			u.Close()
			return held
		}
	}
	t.Fatal("no port is free for both TCP and UDP")
	return ""
}

// startNamed runs a real BIND with the zones (name -> records after the SOA and NS) and gives its address.
func startNamed(t *testing.T, zones map[string]string) string {
	t.Helper()
	named := need(t, "named")
	dir, port := t.TempDir(), freePort(t)
	conf := fmt.Sprintf("options { directory %q; listen-on port %s { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; session-keyfile none;"+
		" recursion no; allow-query { any; }; minimal-responses no; notify no; };\ncontrols { };\n", dir, port)
	for zone, records := range zones {
		file := filepath.Join(dir, zone+".zone")
		text := "$TTL 1\n@ SOA ns.invalid. host.invalid. 1 60 60 600 1\n@ NS ns.invalid.\n" + records
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		conf += fmt.Sprintf("zone %q { type primary; file %q; check-names ignore; check-integrity no; };\n", zone, file)
	}
	confFile := filepath.Join(dir, "named.conf")
	if err := os.WriteFile(confFile, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(named, "-g", "-c", confFile, "-n", "1")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait(); log.Close() })
	addr := "127.0.0.1:" + port
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for zone := range zones {
		q := new(dns.Msg).SetQuestion(dns.Fqdn(zone), dns.TypeSOA)
		for {
			m, _, err := (&dns.Client{Timeout: 200 * time.Millisecond}).ExchangeContext(ctx, q, addr)
			if err == nil && m.Rcode == dns.RcodeSuccess {
				break
			}
			if ctx.Err() != nil {
				b, _ := os.ReadFile(log.Name())
				t.Fatalf("named does not answer for %s: %v\n%s", zone, err, b)
			}
			pause(ctx)
		}
	}
	return addr
}

// pause lets a polled program get on.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Millisecond):
	}
}
