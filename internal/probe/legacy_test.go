package probe

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"certwright/internal/evidence"
)

// sServer runs openssl s_server.
func sServer(t *testing.T, file string, args ...string) (port string) {
	t.Helper()
	openssl := need(t, "openssl")
	port = freePort(t)
	cmd := exec.Command(openssl, append([]string{"s_server", "-accept", "127.0.0.1:" + port, "-cert", file, "-key", file, "-quiet"}, args...)...)
	in, err := cmd.StdinPipe() // it ends with its input
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Process.Kill(); cmd.Wait() })
	waitPort(t, "127.0.0.1:"+port)
	return port
}

func surveyFirst(t *testing.T, port string) (evidence.Served, []evidence.Observation) {
	t.Helper()
	obs := newProber(Options{}).SurveyTLS(t.Context(), "127.0.0.1", port, []string{"www.example.test"})
	s, ok := evidence.Decode[evidence.Served](obs[0])
	if !ok {
		t.Fatalf("%v", obs)
	}
	return s, obs
}

// Servers that a current client cannot talk to still show their certificate.
func TestLegacyServers(t *testing.T) {
	t.Parallel()
	ec, rs := pair(t)
	dir := t.TempDir()
	e, r := writePEM(t, dir, "ec", ec), writePEM(t, dir, "rsa", rs)
	weak := "ALL:@SECLEVEL=0"
	for _, c := range []struct {
		file            string
		args            []string
		version, cipher string
		legacy          bool
	}{
		{r, []string{"-tls1", "-cipher", weak}, "TLS 1.0", "", true},
		{e, []string{"-tls1_1", "-cipher", weak}, "TLS 1.1", "", true},
		{r, []string{"-tls1_2", "-cipher", "AES128-SHA"}, "TLS 1.2", "TLS_RSA_WITH_AES_128_CBC_SHA", true},
		{r, []string{"-tls1_2", "-cipher", "DHE-RSA-AES128-SHA256"}, "TLS 1.2", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256", true},
		{r, []string{"-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"}, "TLS 1.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", false},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			t.Parallel()
			s, obs := surveyFirst(t, sServer(t, c.file, c.args...))
			if len(s.Chain) != 1 || s.Legacy != c.legacy || s.Version != c.version || c.cipher != "" && s.Cipher != c.cipher || c.legacy == (s.Error == "") {
				t.Fatalf("%+v", s)
			}
			out, err := exec.Command("sh", "-c", obs[0].Command).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "serial=") {
				t.Errorf("the command does not repeat the look: %s\n%v %s", obs[0].Command, err, out)
			}
		})
	}
	for _, suite := range []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA} {
		_, port := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{rs}, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}})
		if s, _ := surveyFirst(t, port); !s.Legacy || s.Cipher != tls.CipherSuiteName(suite) || len(s.Chain) != 1 {
			t.Errorf("%+v", s)
		}
	}
}

// A server that only SSL 3.0 reaches, which no library at hand speaks: its flight by the letter of RFC 6101.
func TestSSL3(t *testing.T) {
	t.Parallel()
	ec, _ := pair(t)
	der := ec.Certificate[0]
	_, port := serve(t, func(c net.Conn) {
		b := make([]byte, 4096)
		n, err := c.Read(b)
		if err != nil || n < 11 || b[2] != 0 { // only a record of SSL 3.0 is taken
			c.Write([]byte{21, 3, 0, 0, 2, 2, 40})
			return
		}
		hello := append([]byte{2, 0, 0, 38, 3, 0}, make([]byte, 33)...)
		hello = append(hello, 0, 5, 0)
		n = len(der)
		cert := append([]byte{11, byte((n + 6) >> 16), byte((n + 6) >> 8), byte(n + 6), byte((n + 3) >> 16), byte((n + 3) >> 8), byte(n + 3), byte(n >> 16), byte(n >> 8), byte(n)}, der...)
		for _, m := range [][]byte{hello, cert} {
			c.Write(append([]byte{22, 3, 0, byte(len(m) >> 8), byte(len(m))}, m...))
		}
	})
	if s, _ := surveyFirst(t, port); !s.Legacy || s.Version != "SSL 3.0" || len(s.Chain) != 1 {
		t.Errorf("%+v", s)
	}
}

// A server that waits for a PROXY header gives its certificate after one.
func TestTriedProxyHeader(t *testing.T) {
	t.Parallel()
	haproxy := need(t, "haproxy")
	ec, _ := pair(t)
	dir, port, closed := t.TempDir(), freePort(t), freePort(t)
	conf := filepath.Join(dir, "haproxy.cfg")
	text := fmt.Sprintf("global\ndefaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\n retries 0\nfrontend f\n bind 127.0.0.1:%s accept-proxy ssl crt %s\nfrontend g\n mode tcp\n bind 127.0.0.1:%s\n default_backend d\nbackend d\n mode tcp\n server d 127.0.0.1:1\n",
		port, writePEM(t, dir, "pair.pem", ec), closed)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(haproxy, "-db", "-f", conf)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	waitPort(t, "127.0.0.1:"+port)
	for p, want := range map[string]bool{port: true, closed: false} {
		s, obs := surveyFirst(t, p)
		tried := map[string]bool{}
		for _, o := range obs {
			if tr, ok := evidence.Decode[evidence.Tried](o); ok && o.Check == CheckTried {
				tried[tr.What] = tr.Worked
			}
		}
		if worked, ok := tried["a PROXY header"]; len(s.Chain) > 0 || !ok || worked != want {
			t.Errorf("port %s: %+v, tried %v", p, s, tried)
		}
	}
}

// What asks for a client's certificate is told from what insists on it.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	ec, _ := pair(t)
	file := writePEM(t, t.TempDir(), "ec", ec)
	for _, c := range []struct {
		args   []string
		asks   bool
		refuse bool
	}{{[]string{"-www"}, false, false}, {[]string{"-www", "-verify", "1"}, true, false}, {[]string{"-www", "-Verify", "1"}, true, true}, {[]string{"-www", "-Verify", "1", "-tls1_2"}, true, true}} {
		s, _ := surveyFirst(t, sServer(t, file, c.args...))
		if s.ClientCert != c.asks || (s.ErrorClass == ClassAlert) != c.refuse || len(s.Chain) != 1 {
			t.Errorf("%v: %+v", c.args, s)
		}
	}
}
