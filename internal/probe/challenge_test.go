package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"certwright/internal/evidence"
)

const (
	chName  = "shop.example.test"
	chToken = "tok_en-1"
	chBody  = "tok_en-1.nP1qzpXGymHBrUEepNY9HCsQk7K8KhOypzEt62jcerQ"
)

// challengeOf looks at a port of 127.0.0.1 (or the addresses given) as if it were the name's port 80.
func challengeOf(t *testing.T, port int, q evidence.ChallengeAsk, addrs ...string) []evidence.Challenge {
	t.Helper()
	if len(addrs) == 0 {
		addrs = []string{"127.0.0.1"}
	}
	return challengeWithin(t, patient, port, q, addrs...)
}

// challengeWithin is challengeOf with another patience than that of a look which gets its answer.
func challengeWithin(t *testing.T, timeout time.Duration, port int, q evidence.ChallengeAsk, addrs ...string) []evidence.Challenge {
	t.Helper()
	p := newProber(Options{Timeout: timeout, HTTPPorts: []int{port}, Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
		var out []netip.Addr
		for _, a := range addrs {
			out = append(out, netip.MustParseAddr(a))
		}
		if strings.HasPrefix(host, "gone") {
			return nil, &lookupError{host, "no such name (NXDOMAIN)", true}
		}
		return out, nil
	}})
	q.Name, q.Method, q.Port = chName, "http-01", port
	var out []evidence.Challenge
	for _, o := range p.LookChallenge(t.Context(), q) {
		c, ok := evidence.Decode[evidence.Challenge](o)
		if !ok {
			t.Fatalf("no payload in %s", o)
		}
		if pass := o.Outcome == evidence.Pass; pass != wellOverall(c, p) {
			t.Errorf("outcome %s of %s", o.Outcome, o)
		}
		out = append(out, c)
	}
	return out
}

func wellOverall(c evidence.Challenge, p *Prober) bool {
	l := challengeLook{p: p, q: evidence.ChallengeAsk{Kind: c.Kind, Token: c.Token, Body: c.Expect}, out: c}
	bad, _ := l.count()
	return bad == 0
}

func published() evidence.ChallengeAsk {
	return evidence.ChallengeAsk{Kind: evidence.KindProof, Token: chToken, Body: chBody}
}

func portOfServer(t *testing.T, s *httptest.Server) int {
	t.Helper()
	u, _ := url.Parse(s.URL)
	n, _ := strconv.Atoi(u.Port())
	return n
}

func TestChallengeHealthyMakesNoComparisons(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		switch {
		case r.URL.Path == challengeDir+chToken:
			fmt.Fprint(w, chBody+"\n") // a newline at the end is allowed
		case strings.HasPrefix(r.URL.Path, challengeDir+"certwright-canary-"):
			fmt.Fprint(w, strings.TrimPrefix(r.URL.Path, challengeDir)+".nP1qzpXGymHBrUEepNY9HCsQk7K8KhOypzEt62jcerQ") // stateless
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	for _, q := range []evidence.ChallengeAsk{published(), {}} {
		n.Store(0)
		c := challengeOf(t, portOfServer(t, s), q)[0]
		if len(c.Tries) != challengeTries || c.Outside != nil || c.Agents != nil || n.Load() != challengeTries {
			t.Errorf("%q: %d tries, %d requests, %+v", q.Token, len(c.Tries), n.Load(), c)
		}
	}
}

func TestChallengeOneNodeLacksTheToken(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1)%2 == 0 {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, chBody)
	}))
	t.Cleanup(s.Close)
	c := challengeOf(t, portOfServer(t, s), published())[0]
	status := map[int]int{}
	for _, f := range c.Tries {
		status[f.Hops[0].Status]++
	}
	if status[200] < 2 || status[404] < 1 || c.Outside != nil {
		t.Errorf("statuses %v", status)
	}
}

func TestChallengeComparisons(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.Host, "www."):
			fmt.Fprint(w, "the www host")
		case strings.HasPrefix(r.URL.Path, "/."):
			http.Error(w, "no", http.StatusForbidden)
		case strings.Contains(r.UserAgent(), "Firefox"):
			fmt.Fprint(w, "browser")
		default:
			w.Header().Set("Age", "61")
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	c := challengeOf(t, portOfServer(t, s), published())[0]
	statusOf := func(f *evidence.Fetched) int {
		if f == nil || len(f.Hops) == 0 {
			return 0
		}
		return f.Hops[0].Status
	}
	for what, got := range map[string][2]int{"dot": {statusOf(c.Dot), 403}, "beside": {statusOf(c.Beside), 403}, "outside": {statusOf(c.Outside), 404},
		"absent": {statusOf(c.Absent), 403}, "busted": {statusOf(c.Busted), 403}, "root": {statusOf(c.Root), 404}, "nobody": {statusOf(c.Nobody), 404}} {
		if got[0] != got[1] {
			t.Errorf("%s: status %d, want %d", what, got[0], got[1])
		}
	}
	if len(c.Kin) != 1 || string(c.Kin[0].Body) != "the www host" || !c.Outside.Hops[0].Hit {
		t.Errorf("%+v", c)
	}
}

func TestChallengeRedirects(t *testing.T) {
	t.Parallel()
	var port int
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", map[string]string{"port": "http://" + chName + ":8443/", "loop": r.URL.Path, "scheme": "ftp://" + chName + "/",
			"single": fmt.Sprintf("http://intranet:%d/", port), "address": fmt.Sprintf("http://192.0.2.1:%d/", port), "slash": "https://" + chName + ".well-known/x",
			"gone": fmt.Sprintf("http://gone.example.test:%d/", port)}[strings.TrimPrefix(r.URL.Path, challengeDir)])
		w.WriteHeader(http.StatusMovedPermanently)
	}))
	t.Cleanup(s.Close)
	port = portOfServer(t, s)
	for token, want := range map[string]struct{ class, says string }{
		"port": {ClassBadRedirect, "invalid port 8443"}, "loop": {ClassRedirectLoop, "loop"}, "scheme": {ClassBadRedirect, "scheme"}, "single": {ClassBadRedirect, "single label"},
		"address": {ClassBadRedirect, "address"}, "slash": {ClassBadRedirect, `"/" is missing`}, "gone": {ClassUnresolvable, "NXDOMAIN"},
	} {
		c := challengeOf(t, port, evidence.ChallengeAsk{Kind: evidence.KindProof, Token: token, Body: "x"})[0]
		if f := c.Tries[0]; f.ErrorClass != want.class || !strings.Contains(f.Error, want.says) || f.Hops[0].Status != 301 {
			t.Errorf("%s: class %q, %s", token, f.ErrorClass, f.Error)
		}
	}
}

// serveH2C serves HTTP/2 without TLS and nothing else; it gives the port.
func serveH2C(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var only http.Protocols
	only.SetUnencryptedHTTP2(true)
	s := &http.Server{Handler: http.NotFoundHandler(), Protocols: &only}
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(func() { s.Close() })
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

func TestChallengeWhatThePortSpeaks(t *testing.T) {
	t.Parallel()
	ec, _ := pair(t)
	_, tlsPort := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ec}})
	_, cutPort := serve(t, func(c net.Conn) { c.Read(make([]byte, 10)); c.(*net.TCPConn).SetLinger(0) })
	_, slowPort := serve(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	_, h2Port := serve(t, func(c net.Conn) { // it greets with a SETTINGS frame, as most do
		c.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0})
		c.Read(make([]byte, 4096))
	})
	h2Only := serveH2C(t) // it cuts whoever does not begin with the preface
	_, trickle := serve(t, func(c net.Conn) {
		c.Read(make([]byte, 4096)) // no answer comes before its question
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ntok")
		io.Copy(io.Discard, c)
	})
	for _, tt := range []struct {
		port, class, phase, speaks string
		tries                      int
	}{
		{tlsPort, ClassReset, evidence.PhaseAnswer, "tls", challengeTries}, {cutPort, ClassReset, evidence.PhaseAnswer, "", challengeTries},
		{h2Port, ClassNotHTTP, evidence.PhaseAnswer, "h2c", challengeTries}, {h2Only, ClassReset, evidence.PhaseAnswer, "h2c", challengeTries}, {freePort(t), ClassRefused, evidence.PhaseConnect, "", 2},
		{slowPort, ClassTimeout, evidence.PhaseAnswer, "", 1}, {trickle, ClassTimeout, evidence.PhaseBody, "", 0},
	} {
		t.Run(tt.class+" "+tt.speaks, func(t *testing.T) {
			t.Parallel()
			port, _ := strconv.Atoi(tt.port)
			timeout := patient
			if tt.class == ClassTimeout {
				timeout = time.Second
			}
			c := challengeWithin(t, timeout, port, evidence.ChallengeAsk{}, "127.0.0.1")[0]
			if f := c.Tries[0]; f.ErrorClass != tt.class || f.Phase != tt.phase || c.Speaks != tt.speaks || tt.tries > 0 && len(c.Tries) != tt.tries {
				t.Errorf("want %+v, got class %q phase %q speaks %q, %d tries: %s", tt, f.ErrorClass, f.Phase, c.Speaks, len(c.Tries), f.Error)
			}
		})
	}
}

// nginx says 400 on its TLS port to plain HTTP, and denies names that begin with a dot: the real one.
func TestChallengeNginx(t *testing.T) {
	t.Parallel()
	plain, secure := startNginx(t, "location ~ /\\. { deny all; }")
	c := challengeOf(t, plain, published(), "127.0.0.1", "::1")
	if len(c) != 2 || c[0].Family != "ip6" || c[1].Family != "ip4" {
		t.Fatalf("%+v", c)
	}
	for _, c := range c {
		if c.Tries[0].Hops[0].Status != 403 || c.Dot.Hops[0].Status != 403 || c.Outside.Hops[0].Status != 404 {
			t.Errorf("%s: %s; dot %s; outside %s", c.Address, answer(c.Tries[0]), answer(*c.Dot), answer(*c.Outside))
		}
	}
	if c := challengeOf(t, secure, published())[0]; c.Speaks != "tls" || c.Tries[0].Hops[0].Status != 400 {
		t.Errorf("TLS on the plain port: %q, %s", c.Speaks, answer(c.Tries[0]))
	}
}

// startNginx runs a real nginx on a plain and a TLS port of 127.0.0.1 and ::1.
func startNginx(t *testing.T, server string) (plain, secure int) {
	t.Helper()
	nginx, openssl := need(t, "nginx"), need(t, "openssl")
	dir := t.TempDir()
	if out, err := exec.Command(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9", "-subj", "/CN=snakeoil",
		"-keyout", dir+"/k.pem", "-out", dir+"/c.pem").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	plain, _ = strconv.Atoi(freePort(t, "127.0.0.1", "::1"))
	secure, _ = strconv.Atoi(freePort(t))
	conf := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/log; worker_rlimit_nofile 512; events { worker_connections 100; }
http { access_log off; client_body_temp_path %[1]s/1; proxy_temp_path %[1]s/2; fastcgi_temp_path %[1]s/3; uwsgi_temp_path %[1]s/4; scgi_temp_path %[1]s/5;
server { listen 127.0.0.1:%[2]d; listen [::1]:%[2]d; root %[1]s; %[4]s }
server { listen 127.0.0.1:%[3]d ssl; ssl_certificate %[1]s/c.pem; ssl_certificate_key %[1]s/k.pem; root %[1]s; } }`, dir, plain, secure, server)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(nginx, "-p", dir, "-c", file, "-e", dir+"/log")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", secure))
		if err == nil {
			c.Close()
			return plain, secure
		}
		if ctx.Err() != nil {
			b, _ := os.ReadFile(dir + "/log")
			t.Fatalf("nginx does not answer: %s", b)
		}
		pause(ctx)
	}
}

func FuzzReadStartAndSettings(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		start, longer, err := readStart(strings.NewReader(string(b)))
		if err != nil || len(start) > maxBody || longer != (len(b) > maxBody) || string(start) != string(b[:len(start)]) {
			t.Errorf("%d of %d bytes, longer %v, %v", len(start), len(b), longer, err)
		}
		var head [9]byte
		if copy(head[:], b); isSettings(head) && b[3] != 4 {
			t.Error("a frame of another type taken for SETTINGS")
		}
		stateless(chToken, b)
	})
}
