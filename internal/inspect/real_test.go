package inspect_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"certwright/internal/diagnose"
)

const name = "www.shop.test"

func one(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }

// Two nodes take turns behind one address, of which one was missed: it is the node's fault, whichever look happens to hit it.
func TestNodesThatTakeTurns(t *testing.T) {
	p := newPKI(t)
	old := func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = p.now.Add(-80*24*time.Hour), p.now.Add(10*24*time.Hour)
	}
	fresh, stale := p.leaf(name), p.mint(&p.inter, name, []string{name}, p.ended)
	freshRSA, staleRSA := p.mint(&p.inter, name, []string{name}, withRSA), p.mint(&p.inter, name, []string{name}, withRSA, old)
	for title, nodes := range map[string][2][]tls.Certificate{
		"one kind of key":            {{fresh}, {stale}},
		"both, one with its RSA old": {{fresh, freshRSA}, {fresh, staleRSA}},
	} {
		for begin := range int32(2) {
			t.Run(fmt.Sprint(title, " from ", begin), func(t *testing.T) {
				t.Parallel()
				var n atomic.Int32
				n.Store(begin)
				conf := [2]*tls.Config{{Certificates: nodes[0]}, {Certificates: nodes[1]}}
				turns := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return conf[n.Add(1)%2], nil }}
				port := portOf(t, serve(t, "127.0.0.1:0", turns))
				r := diagnoseAt(t, p, name, port, "127.0.0.1")
				if len(r.Findings) == 0 && title != "one kind of key" {
					return // every RSA look hit the node that is well, which then was all that was seen
				}
				if f := first(t, r, "sync-one-node-stale"); f.Certainty != diagnose.Confirmed {
					t.Errorf("%s", f.Cause)
				}
			})
		}
	}
}

// Faults of one server of the standard library on loopback.
func TestServedFaults(t *testing.T) {
	p := newPKI(t)
	aia := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(p.inter.Certificate[0]) }))
	t.Cleanup(aia.Close)
	good := p.leaf(name)
	withRoot := p.leaf(name)
	withRoot.Certificate = append(withRoot.Certificate, p.root.Certificate[0])
	alone := p.mint(&p.inter, name, []string{name}, func(c *x509.Certificate) { c.IssuingCertificateURL = []string{aia.URL + "/i.der"} })
	alone.Certificate = alone.Certificate[:1]
	other := p.mint(&p.root, "Issuing", nil, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign })
	stranger := p.leaf(name)
	stranger.Certificate = [][]byte{stranger.Certificate[0], other.Certificate[0]}
	own := p.mint(nil, "Own Root", nil, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign })
	private := p.mint(&own, name, []string{name})
	for _, c := range []struct {
		want string
		conf *tls.Config
	}{
		{"", one(good)},
		{"", one(withRoot)},
		{"", &tls.Config{Certificates: []tls.Certificate{good, p.mint(&p.inter, name, []string{name}, withRSA)}}},
		{"tls-leaf-expired", one(p.mint(&p.inter, name, []string{name}, p.ended))},
		{"tls-chain-incomplete", one(alone)},
		{"tls-chain-wrong-intermediate", one(stranger)},
		{"tls-untrusted-root", one(private)},
		{"tls-self-signed-default", one(p.mint(nil, "snakeoil", []string{"snakeoil"}))},
		{"tls-name-mismatch", one(p.leaf("mail.shop.test"))},
		{"tls-wildcard-depth", one(p.leaf("*.test.", "*.test"))},
		{"tls-dual-key-one-stale", &tls.Config{Certificates: []tls.Certificate{good, p.mint(&p.inter, name, []string{name}, withRSA, p.ended)}}},
		{"tls-version-mismatch", &tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}},
		{"tls-client-cert-required", &tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}},
	} {
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			port := portOf(t, serve(t, "127.0.0.1:0", c.conf))
			f := first(t, diagnoseAt(t, p, name, port, "127.0.0.1"), c.want)
			if c.want == "tls-chain-incomplete" && f.Certainty != "confirmed" {
				t.Errorf("the issuer was there to fetch: %s", f.Cause)
			}
		})
	}
}

// Faults that show only between addresses.
func TestAddressesDiffer(t *testing.T) {
	p := newPKI(t)
	fresh := p.leaf(name)
	old := p.mint(&p.inter, name, []string{name}, func(c *x509.Certificate) { c.NotBefore = c.NotBefore.AddDate(0, 0, -20) })
	t.Run("one of three nodes", func(t *testing.T) {
		port := portOf(t, serve(t, "127.0.0.1:0", one(fresh)))
		serve(t, "127.0.0.2:"+port, one(old))
		serve(t, "127.0.0.3:"+port, one(fresh))
		f := first(t, diagnoseAt(t, p, name, port, "127.0.0.1", "127.0.0.2", "127.0.0.3"), "sync-one-node-stale")
		if !strings.Contains(f.Title, "127.0.0.2") {
			t.Errorf("the wrong node: %s", f.Title)
		}
	})
	t.Run("v4 and v6", func(t *testing.T) {
		l, err := net.Listen("tcp", "[::1]:0")
		if err != nil {
			t.Skipf("this machine has no IPv6 on loopback: %v", err)
		}
		l.Close()
		port := freePort(t, "127.0.0.1", "::1")
		serve(t, "[::1]:"+port, one(p.mint(&p.inter, name, []string{name}, p.ended)))
		serve(t, "127.0.0.1:"+port, one(fresh))
		f := first(t, diagnoseAt(t, p, name, port, "::1", "127.0.0.1"), "tls-v4-v6-differ")
		if len(f.Consequences) != 1 || f.Consequences[0] != "tls-leaf-expired" {
			t.Errorf("consequences %v", f.Consequences)
		}
	})
	t.Run("one address refuses", func(t *testing.T) {
		port := portOf(t, serve(t, "127.0.0.1:0", one(fresh)))
		if f := first(t, diagnoseAt(t, p, name, port, "127.0.0.1", "127.0.0.4"), "tls-port-closed"); f.Severity != "warning" {
			t.Errorf("clients have another address: %s", f.Severity)
		}
	})
}

// Faults of the connection.
func TestConnectionFaults(t *testing.T) {
	p := newPKI(t)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	first(t, diagnoseAt(t, p, name, portOf(t, plain.Listener.Addr().String()), "127.0.0.1"), "tls-plain-http-443")
	first(t, diagnoseAt(t, p, name, freePort(t), "127.0.0.1"), "tls-port-closed")
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel and never speaks
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	first(t, diagnoseAt(t, p, name, portOf(t, silent.Addr().String()), "127.0.0.1"), "tls-timeout")
}

// openssl s_server: another TLS stack with a default certificate and one for a server name.
func TestOpenSSL(t *testing.T) {
	openssl := tool(t, "openssl")
	p := newPKI(t)
	defChain, defKey := p.files(p.leaf("default.test"))
	chain, key := p.files(p.leaf(name))
	port := freePort(t)
	start(t, "127.0.0.1:"+port, openssl, "s_server", "-accept", "127.0.0.1:"+port, "-quiet", "-cert", defChain, "-cert_chain", defChain, "-key", defKey,
		"-servername", name, "-cert2", chain, "-key2", key)
	r := diagnoseAt(t, p, "shop.test", port, "127.0.0.1") // www.shop.test is tried as a neighbour
	first(t, r, "tls-sni-default-served")
}

// nginx: virtual hosts, a default server, and a server without a name.
func TestNginx(t *testing.T) {
	nginx := tool(t, "nginx")
	p := newPKI(t)
	port, plain := freePort(t), freePort(t)
	dir := t.TempDir()
	var servers strings.Builder
	for i, s := range []struct {
		names string
		cert  tls.Certificate
	}{{"_", p.leaf("default.test")}, {"b.shop.test", p.leaf("b.shop.test")}, {name + " shop.test", p.leaf(name)}} {
		chain, key := p.files(s.cert)
		def := ""
		if i == 0 {
			def = " default_server"
		}
		fmt.Fprintf(&servers, "server { listen 127.0.0.1:%s ssl%s; server_name %s; ssl_certificate %s; ssl_certificate_key %s; }\n", port, def, s.names, chain, key)
	}
	fmt.Fprintf(&servers, "server { listen 127.0.0.1:%s; server_name _; }\n", plain)
	conf := fmt.Sprintf("daemon off; master_process off; pid %s/pid; error_log %s/error.log;\nevents {}\nhttp { access_log off;\nclient_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;\n%[3]s}\n", dir, dir, servers.String())
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	start(t, "127.0.0.1:"+port, nginx, "-p", dir, "-c", file)
	t.Run("well, with another certificate for clients without a name", func(t *testing.T) {
		r := diagnoseAt(t, p, name, port, "127.0.0.1")
		first(t, r, "")
		if len(r.Notes) != 1 || r.Notes[0].ID != "tls-no-sni-client" {
			t.Errorf("notes %v", r.Notes)
		}
	})
	t.Run("no virtual host for the name", func(t *testing.T) {
		first(t, diagnoseAt(t, p, "a.b.shop.test", port, "127.0.0.1"), "tls-sni-default-served")
	})
	t.Run("a virtual host whose certificate lacks the name", func(t *testing.T) {
		f := first(t, diagnoseAt(t, p, "shop.test", port, "127.0.0.1"), "tls-apex-missing")
		if f.Certainty != "confirmed" {
			t.Errorf("%s", f.Cause)
		}
	})
	t.Run("plain HTTP", func(t *testing.T) {
		first(t, diagnoseAt(t, p, name, plain, "127.0.0.1"), "tls-plain-http-443")
	})
}
