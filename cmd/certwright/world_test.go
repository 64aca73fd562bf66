package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"certwright/internal/testworld"
)

// world is what stands around one script: an address on loopback of its own, so that its fixed ports meet
// nobody else's, a name server that gives this address for every name, and the programs that it started.
type world struct {
	dns       *testworld.DNS
	processes map[string]*process
	pebble    *testworld.Pebble
	t         testscript.T
}

type worldKey struct{}

func worldOf(ts *testscript.TestScript) *world { return ts.Value(worldKey{}).(*world) }

func setup(e *testscript.Env) error {
	ip, err := testworld.OwnIP()
	if err != nil {
		return err
	}
	w := &world{processes: map[string]*process{}, t: e.T()}
	if w.dns, err = testworld.RunDNS(context.Background()); err != nil {
		return err
	}
	w.dns.Default(ip)
	e.Defer(w.dns.Stop)
	e.Values[worldKey{}] = w
	home := filepath.Join(e.WorkDir, "home")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(w.dns.Addr)
	for k, v := range map[string]string{"HOME": home, "IP": ip, "DNS": w.dns.Addr, "DNSPORT": port, "CERTWRIGHT_DATA": filepath.Join(e.WorkDir, "data"),
		"PATH": programs + string(os.PathListSeparator) + os.Getenv("PATH"), "TZ": "UTC"} {
		e.Setenv(k, v)
	}
	// nginx's workers read what they serve as another user.
	return os.Chmod(e.WorkDir, 0o755)
}

// dnsRecord NAME TYPE VALUE... sets the records of a name; no value removes them.
func dnsRecord(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: dns NAME TYPE VALUE...")
	}
	ts.Check(worldOf(ts).dns.Set(args[0], args[1], args[2:]...))
}

// pebble [VALIDITY] starts a Pebble that looks for http-01 at port 5002, and says where in DIRECTORY and
// PEBBLE_CA (the file that its HTTPS chains to).
func pebble(ts *testscript.TestScript, neg bool, args []string) {
	o := testworld.PebbleOptions{DNS: ts.Getenv("DNS"), HTTPPort: 5002, Address: ts.Getenv("IP")}
	if len(args) == 1 {
		var err error
		o.Validity, err = time.ParseDuration(args[0])
		ts.Check(err)
	}
	p := testworld.StartPebble(tb{ts}, o)
	worldOf(ts).pebble = p
	file := ts.MkAbs("pebble-ca.pem")
	ts.Check(os.WriteFile(file, p.RootsPEM, 0o600))
	roots, err := p.IssuerRootsPEM(context.Background())
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("pebble-roots.pem"), roots, 0o600))
	ts.Setenv("DIRECTORY", p.Directory)
	ts.Setenv("PEBBLE_CA", file)
}

// named ZONE... starts a real BIND, a primary and a secondary, with these zones; ZONE=none takes no updates. What lies in
// the file ZONE.zone is in it. It becomes the script's resolver, Pebble's too. NAMED and NAMED2 are the servers' addresses,
// tsig.txt holds the secret of the key certwright.
func namedServers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: named ZONE[=none]...")
	}
	zones := map[string]testworld.NamedZone{}
	for _, a := range args {
		name, policy, _ := strings.Cut(a, "=")
		records, err := os.ReadFile(ts.MkAbs(name + ".zone"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			ts.Check(err)
		}
		zones[name] = testworld.NamedZone{Policy: policy, Records: string(records)}
	}
	n := testworld.StartNamed(tb{ts}, zones)
	one, _, _ := net.SplitHostPort(n.Primary)
	two, _, _ := net.SplitHostPort(n.Secondary)
	ts.Setenv("NAMED", one)
	ts.Setenv("NAMED2", two)
	ts.Setenv("DNS", n.Primary)
	ts.Check(os.WriteFile(ts.MkAbs("tsig.txt"), []byte(n.Secret+"\n"), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("tsig.key"), fmt.Appendf(nil, "key %q { algorithm hmac-sha256; secret %q; };\n", testworld.NamedKey, n.Secret), 0o600))
}

// tb lets testworld's starters work for a script.
type tb struct{ ts *testscript.TestScript }

func (t tb) Helper()                           {}
func (t tb) Name() string                      { return t.ts.Name() }
func (t tb) Cleanup(f func())                  { t.ts.Defer(f) }
func (t tb) Logf(format string, args ...any)   { t.ts.Logf(format, args...) }
func (t tb) Fatalf(format string, args ...any) { t.ts.Fatalf(format, args...) }
func (t tb) TempDir() string {
	dir, err := os.MkdirTemp(t.ts.MkAbs("."), "tmp-")
	t.ts.Check(err)
	return dir
}

func (t tb) Skipf(format string, args ...any) { worldOf(t.ts).t.Skip(fmt.Sprintf(format, args...)) }

// nginx FILE starts an nginx with these server blocks, $VARIABLES replaced, and waits until it accepts at
// $IP:8444. NGINX_RELOAD becomes its reload command, as a YAML list. The file tls/shop.pem and its key are
// there first, self-signed, as an administrator would have them.
func nginx(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: nginx FILE")
	}
	ts.Check(os.MkdirAll(ts.MkAbs("tls"), 0o755))
	c, err := testworld.NewHostCert("placeholder.test")
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("tls/shop.pem"), c.CertPEM, 0o644))
	ts.Check(os.WriteFile(ts.MkAbs("tls/shop.key"), c.KeyPEM, 0o600))
	n := testworld.StartNginx(tb{ts}, ts.Getenv("IP")+":8444", os.Expand(ts.ReadFile(args[0]), ts.Getenv))
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx" // StartNginx found it there
	}
	ts.Setenv("NGINX_PID", n.Dir+"/nginx.pid")
	ts.Setenv("NGINX_RELOAD", fmt.Sprintf("[%s, -p, %s, -c, %s/nginx.conf, -e, %s/error.log, -s, reload]", program, n.Dir, n.Dir, n.Dir))
}

// tlsServer CERTIFICATE KEY serves what lies in two PEM files at $IP:9443.
func tlsServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tlsserver CERTIFICATE KEY")
	}
	pair, err := tls.LoadX509KeyPair(ts.MkAbs(args[0]), ts.MkAbs(args[1]))
	ts.Check(err)
	l, err := tls.Listen("tcp", ts.Getenv("IP")+":9443", &tls.Config{Certificates: []tls.Certificate{pair}})
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() }) // it ends the loop below
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_ = c.(*tls.Conn).Handshake() // a client that goes away is no news
				_ = c.Close()
			}()
		}
	}()
}

// served ADDRESS NAME SERIAL waits until openssl, which knows nothing of us, sees this serial: a server that
// reloads may show the former one for a moment. With ! until it sees another.
func served(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: served ADDRESS NAME SERIAL")
	}
	seen := ""
	if !poll(func() bool {
		seen = lookFromOutside(ts, args[0], args[1])
		return seen != "" && (seen == args[2]) != neg
	}) {
		ts.Fatalf("openssl sees serial %q at %s", seen, args[0])
	}
}

func lookFromOutside(ts *testscript.TestScript, address, name string) string {
	c := command(ts, "openssl", "s_client", "-connect", address, "-servername", name)
	c.Stdin = strings.NewReader("")
	pem, _ := c.Output() // its exit status says whether it trusts the chain: that is not asked here
	x := command(ts, "openssl", "x509", "-noout", "-serial")
	x.Stdin = strings.NewReader(string(pem))
	out, _ := x.Output() // nothing where there was no certificate
	return strings.TrimPrefix(strings.TrimSpace(string(out)), "serial=")
}

// keep VARIABLE PROGRAM ARG... keeps what a program prints, without the last line's end.
func keep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: keep VARIABLE PROGRAM ARG...")
	}
	out, err := command(ts, args[1:]...).Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 3) { // "not healthy" prints all the same
		ts.Fatalf("%s: %v", strings.Join(args[1:], " "), err)
	}
	ts.Setenv(args[0], strings.TrimSpace(string(out)))
}
