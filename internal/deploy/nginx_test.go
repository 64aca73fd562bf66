package deploy

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"certwright/internal/order"
	"certwright/internal/site"
	"certwright/internal/testworld/port"
)

// nginx is a real one with a prefix of its own.
type nginx struct {
	t      *testing.T
	bin    string
	prefix string
	addr   string
}

func nginxBinary(t *testing.T) string {
	t.Helper()
	for _, p := range []string{"nginx", "/usr/sbin/nginx"} {
		if bin, err := exec.LookPath(p); err == nil {
			return bin
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("nginx is not installed")
	}
	t.Skip("nginx is not installed")
	return ""
}

// startNginx serves the pair www.crt and www.key of dir.
func startNginx(t *testing.T, dir string) *nginx {
	t.Helper()
	n := &nginx{t: t, bin: nginxBinary(t), prefix: t.TempDir()}
	os.Mkdir(filepath.Join(n.prefix, "extra"), 0o755)
	n.addr = "127.0.0.1:" + port.Hold(t)
	if !n.start(dir) {
		t.Fatal("nginx does not start: ", n.log())
	}
	return n
}

func (n *nginx) start(dir string) bool {
	conf := fmt.Sprintf(`daemon off; pid %[1]s/nginx.pid; error_log %[1]s/error.log; worker_processes 1;
events { worker_connections 64; }
http { access_log off; client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2; fastcgi_temp_path %[1]s/t3; uwsgi_temp_path %[1]s/t4; scgi_temp_path %[1]s/t5;
 server { listen %[2]s ssl; ssl_certificate %[3]s/www.crt; ssl_certificate_key %[3]s/www.key; location / { return 200 "ok"; } }
 include %[1]s/extra/*.conf; }`, n.prefix, n.addr, dir)
	if err := os.WriteFile(n.prefix+"/nginx.conf", []byte(conf), 0o644); err != nil {
		n.t.Fatal(err)
	}
	cmd := exec.Command(n.bin, "-p", n.prefix, "-c", n.prefix+"/nginx.conf")
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		select {
		case <-ended:
			return false
		case <-time.After(10 * time.Millisecond):
		}
		if _, err := n.served(); err == nil {
			n.t.Cleanup(func() { cmd.Process.Signal(os.Interrupt); <-ended })
			return true
		}
	}
	cmd.Process.Kill()
	<-ended
	return false
}

func (n *nginx) reload() Command {
	return Command{Argv: []string{n.bin, "-p", n.prefix, "-c", n.prefix + "/nginx.conf", "-s", "reload"}, Timeout: 10 * time.Second}
}

func (n *nginx) log() string {
	b, _ := os.ReadFile(n.prefix + "/error.log")
	return string(b)
}

// served is the serial of the certificate on the wire.
func (n *nginx) served() (string, error) {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 2 * time.Second}, "tcp", n.addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return "", err
	}
	defer c.Close()
	return order.SerialOf(c.ConnectionState().PeerCertificates[0]), nil
}

// waitServed polls until the serial is served: nginx reloads after its command has ended.
func (n *nginx) waitServed(want string) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	for {
		got, err := n.served()
		if got == want {
			return
		}
		select {
		case <-ctx.Done():
			n.t.Fatalf("serves %q (%v), want %s\n%s", got, err, want, n.log())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// shopWithNginx serves a first certificate, put as plain files by another manager.
func shopWithNginx(t *testing.T) (*shop, *nginx, site.Target) {
	nginxBinary(t)
	commands := map[string]Command{}
	s := newShop(t, commands)
	old := s.ca.issue(t, 1)
	chain, _ := parseChain(old.Chain)
	key, _ := pemKey(old.Key)
	s.write("www.crt", string(pemCerts(chain)))
	s.write("www.key", string(key))
	n := startNginx(t, s.dir)
	n.waitServed("01")
	commands["nginx"] = n.reload()
	return s, n, pairTarget("nginx")
}

func TestNginxServesWhatWasPut(t *testing.T) {
	t.Parallel()
	s, n, tg := shopWithNginx(t)
	first := s.put(tg, s.ca.issue(t, 2))
	n.waitServed("02")
	if first.Reload == nil || first.Reload.Exit != 0 || first.Reload.Name != "nginx" {
		t.Errorf("reload %+v", first.Reload)
	}
	if err := s.d.TakeBack(context.Background(), tg, first); err != nil {
		t.Fatal(err)
	}
	n.waitServed("01")
	if _, err := os.Readlink(s.path("www.key")); err == nil {
		t.Error("the plain file of the other manager did not come back as one")
	}
	s.settled(tg, s.ca.issueRSA(t, 3))
	n.waitServed("03")
	s.settled(tg, s.ca.issue(t, 4))
	n.waitServed("04")
}

// TestNginxBrokenElsewhere: somebody else's configuration blocks every reload.
func TestNginxBrokenElsewhere(t *testing.T) {
	t.Parallel()
	s, n, tg := shopWithNginx(t)
	s.settled(tg, s.ca.issue(t, 2))
	n.waitServed("02")
	other := n.prefix + "/extra/other.conf"
	os.WriteFile(other, []byte("server { listn 80; }"), 0o644)
	three := s.ca.issue(t, 3)
	_, err := s.d.Put(context.Background(), site.Site{}, tg, three)
	p := problemOf(t, err)
	if p.ID != "sync-reload-failed-unrelated" || !strings.Contains(p.Detail, "listn") {
		t.Errorf("%+v", p)
	}
	n.waitServed("02") // an old worker may still answer for a moment after a reload
	if s.serves() != "02" {
		t.Errorf("files %s, want 02", s.serves())
	}
	os.Remove(other)
	s.settled(tg, three)
	n.waitServed("03")
}

// TestNginxRefusesTheNewPair: a key too weak for nginx's OpenSSL; the old one stays served.
func TestNginxRefusesTheNewPair(t *testing.T) {
	t.Parallel()
	s, n, tg := shopWithNginx(t)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Skip("no weak key can be made: ", err)
	}
	_, err = s.d.Put(context.Background(), site.Site{}, tg, s.ca.sign(t, 2, weak))
	p := problemOf(t, err)
	if p.ID != "sync-reload-failed-own" || !strings.Contains(p.Detail, "www.crt") || !strings.Contains(p.Detail, "former files are back and loaded") {
		t.Errorf("%+v", p)
	}
	n.waitServed("01")
	if s.serves() != "01" {
		t.Errorf("files %s, want 01", s.serves())
	}
}
