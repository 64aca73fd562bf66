package probe

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"certwright/internal/evidence"
)

// serverBinary finds a real server, or ends the test.
func serverBinary(t *testing.T, name string) string {
	t.Helper()
	for _, p := range []string{name, "/usr/sbin/" + name} {
		if bin, err := exec.LookPath(p); err == nil {
			return bin
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(name + " is not installed")
	}
	t.Skip(name + " is not installed")
	return ""
}

// pemPair makes a key and a self-signed certificate.
func pemPair(t *testing.T, serial int64, names ...string) (crt, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pemFor(t, serial, k, names...)
}

func pemFor(t *testing.T, serial int64, k crypto.Signer, names ...string) (crt, key []byte) {
	t.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	pk, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk})
}

func write(t *testing.T, name string, parts ...[]byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, bytes.Join(parts, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// serveConf starts a server on a free port; conf is written with the port put in for PORT.
func serveConf(t *testing.T, confFile, conf string, argv ...string) netip.AddrPort {
	t.Helper()
	at := netip.MustParseAddrPort("127.0.0.1:" + freePort(t))
	write(t, confFile, []byte(strings.ReplaceAll(conf, "PORT", fmt.Sprint(at.Port()))))
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = "/"
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	if !up(at, ended) {
		cmd.Process.Kill()
		<-ended
		t.Fatal("the server does not start: ", said.String())
	}
	t.Cleanup(func() { cmd.Process.Signal(os.Interrupt); <-ended })
	return at
}

// up waits until something answers TLS there.
func up(at netip.AddrPort, ended <-chan struct{}) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		if _, err := servedAt(at, ""); err == nil {
			return true
		}
		select {
		case <-ended:
			return false
		case <-ctx.Done():
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func servedAt(at netip.AddrPort, name string) (string, error) {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: time.Second}, "tcp", at.String(), &tls.Config{InsecureSkipVerify: true, ServerName: name})
	if err != nil {
		return "", err
	}
	defer c.Close()
	return fmt.Sprintf("%02X", c.ConnectionState().PeerCertificates[0].SerialNumber), nil
}

const nginxHead = `daemon off; pid %[1]s/nginx.pid; error_log %[1]s/error.log; worker_processes 1; events { worker_connections 64; }
http { access_log off; client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2; fastcgi_temp_path %[1]s/t3; uwsgi_temp_path %[1]s/t4; scgi_temp_path %[1]s/t5;
`

// payload finds the first payload of a check.
func payload[T any](t *testing.T, obs []evidence.Observation, check string) T {
	t.Helper()
	for _, o := range obs {
		if o.Check == check {
			if v, ok := evidence.Decode[T](o); ok && len(o.Data) > 0 {
				return v
			}
			t.Logf("%s", o)
		}
	}
	t.Fatalf("no %s in %v", check, obs)
	var zero T
	return zero
}

func prober() *Prober { return New(Options{Now: time.Now, From: "test"}) }

func TestTargetNginx(t *testing.T) {
	t.Parallel()
	bin, dir := serverBinary(t, "nginx"), t.TempDir()
	c1, k1 := pemPair(t, 1, "default.test")
	c2, k2 := pemPair(t, 2, "shop.test")
	write(t, dir+"/tls/default.pem", c1, k1)
	write(t, dir+"/tls/v2/shop.crt", c2)
	write(t, dir+"/tls/shop.key", k2)
	if err := os.Symlink("v2/shop.crt", dir+"/tls/shop.crt"); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/conf.d/shop.conf", []byte("server {\n listen 127.0.0.1:PORTX ssl;\n server_name shop.test *.shop.test;\n ssl_certificate tls/shop.crt; # relative\n ssl_certificate_key \"tls/shop.key\";\n}\n"))
	conf := fmt.Sprintf(nginxHead, dir) + ` server { listen 127.0.0.1:PORT ssl default_server; ssl_certificate ` + dir + `/tls/default.pem; ssl_certificate_key ` + dir + `/tls/default.pem; }
 include ` + dir + `/live/*.conf; }`
	// The port is known only when the main file is written, so the include is a copy made by the same hand.
	at := serveConf(t, dir+"/nginx.conf", conf, bin, "-p", dir, "-c", "nginx.conf")
	b, _ := os.ReadFile(dir + "/conf.d/shop.conf")
	write(t, dir+"/live/shop.conf", bytes.ReplaceAll(b, []byte("PORTX"), fmt.Append(nil, at.Port())))
	ask := TargetAsk{Target: "web/files", Test: true, Addresses: []netip.AddrPort{at}, ServerName: "shop.test"}

	obs := prober().LookTarget(context.Background(), ask)
	l := payload[evidence.Listener](t, obs, evidence.CheckListener)
	if len(l.Masters) != 1 || l.Masters[0].Software != "nginx" || !l.Masters[0].Renews || len(l.Masters[0].Workers) != 1 || time.Since(l.Masters[0].Loaded) > time.Minute {
		t.Errorf("%+v", l)
	}
	conf1 := payload[evidence.ServerConfig](t, obs, evidence.CheckConfig)
	if len(conf1.Uses) != 2 || !conf1.Uses[0].Chosen || !conf1.Uses[0].Named || conf1.Uses[0].Certificate != dir+"/tls/shop.crt" || conf1.Uses[0].Key != dir+"/tls/shop.key" ||
		conf1.Uses[0].From != dir+"/live/shop.conf:4" || conf1.Uses[1].Chosen || !conf1.TLS {
		t.Errorf("%+v", conf1)
	}
	f := payload[evidence.TargetFile](t, obs, evidence.CheckRead)
	if f.Path != dir+"/tls/shop.crt" || len(f.Links) != 1 || f.Real != dir+"/tls/v2/shop.crt" || len(f.Certs) != 1 || f.Certs[0].Serial != "02" || f.Form != "pem" || !f.Read || f.Ours {
		t.Errorf("%+v", f)
	}
	if x := payload[evidence.ConfigTest](t, obs, evidence.CheckTest); x.Exit != 0 {
		t.Errorf("%+v", x)
	}
	ask.Test = false
	quiet := prober().LookTarget(context.Background(), ask)
	if c := payload[evidence.ServerConfig](t, quiet, evidence.CheckConfig); len(c.Test) < 2 || c.Test[1] != "-t" || slices.ContainsFunc(quiet, func(o evidence.Observation) bool { return o.Check == evidence.CheckTest }) {
		t.Errorf("not asked for: %+v", c)
	}
	ask.Test = true
	// The file was written after nginx was started: it has not loaded it.
	if !f.Changed.Before(l.Masters[0].Loaded) {
		t.Errorf("loaded %s, changed %s", l.Masters[0].Loaded, f.Changed)
	}
	write(t, dir+"/live/z-other.conf", []byte("server {\n listn 80;\n}\n"))
	obs = prober().LookTarget(context.Background(), ask)
	x := payload[evidence.ConfigTest](t, obs, evidence.CheckTest)
	if x.Exit == 0 || len(x.Faults) != 1 || x.Faults[0].At != dir+"/live/z-other.conf:2" {
		t.Errorf("%+v", x)
	}
}

func TestTargetHAProxy(t *testing.T) {
	t.Parallel()
	bin, dir := serverBinary(t, "haproxy"), t.TempDir()
	c1, k1 := pemPair(t, 1, "default.test")
	c2, k2 := pemPair(t, 2, "shop.test")
	c3, k3 := pemPair(t, 3, "shop.test")
	write(t, dir+"/tls/default.pem", c1, k1)
	write(t, dir+"/tls/shop.pem", c2)
	write(t, dir+"/tls/shop.pem.key", k2)
	write(t, dir+"/list.txt", []byte("default.pem\n# a comment\nshop.pem [alpn h2] shop.test !no.shop.test\n"))
	conf := "global\n crt-base " + dir + "/tls\n stats socket " + dir + "/s.sock level admin\ndefaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\n" +
		"frontend f\n bind 127.0.0.1:PORT ssl crt-list " + dir + "/list.txt\n http-request return status 200\n"
	at := serveConf(t, dir+"/h.cfg", conf, bin, "-db", "-f", dir+"/h.cfg")
	ask := TargetAsk{Target: "web/files", Test: true, Addresses: []netip.AddrPort{at}, ServerName: "shop.test"}

	obs := prober().LookTarget(context.Background(), ask)
	c := payload[evidence.ServerConfig](t, obs, evidence.CheckConfig)
	if len(c.Uses) != 2 || c.Uses[0].Certificate != dir+"/tls/shop.pem" || c.Uses[0].Key != dir+"/tls/shop.pem.key" || !c.Uses[0].Named || c.Uses[0].From != dir+"/list.txt:3" ||
		!slices.Equal(c.Lists, []string{dir + "/list.txt"}) {
		t.Errorf("%+v", c)
	}
	m := payload[evidence.Memory](t, obs, evidence.CheckMemory)
	if len(m.Certs) != 2 || !slices.ContainsFunc(m.Certs, func(h evidence.HeldCert) bool { return h.File == dir+"/tls/shop.pem" && h.Serial == "02" && !h.Open }) {
		t.Errorf("%+v", m)
	}
	if x := payload[evidence.ConfigTest](t, obs, evidence.CheckTest); x.Exit != 0 {
		t.Errorf("%+v", x)
	}
	if out, err := sendHAProxy(dir+"/s.sock", "set ssl cert "+dir+"/tls/shop.pem <<\n"+string(c3)+string(k3)+"\n"); err != nil || !strings.Contains(out, "Transaction created") {
		t.Fatal(out, err)
	}
	m = payload[evidence.Memory](t, prober().LookTarget(context.Background(), ask), evidence.CheckMemory)
	if !slices.ContainsFunc(m.Certs, func(h evidence.HeldCert) bool { return h.File == dir+"/tls/shop.pem" && h.Serial == "03" && h.Open }) {
		t.Errorf("%+v", m)
	}
	ask.ServerName = "else.test"
	c = payload[evidence.ServerConfig](t, prober().LookTarget(context.Background(), ask), evidence.CheckConfig)
	if c.Uses[0].Certificate != dir+"/tls/default.pem" || c.Uses[0].Named || !c.Uses[0].Chosen {
		t.Errorf("%+v", c.Uses)
	}
}

func sendHAProxy(socket, command string) (string, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	fmt.Fprint(conn, command+"\n")
	b := make([]byte, 64<<10)
	n, err := conn.Read(b)
	return string(b[:n]), err
}
