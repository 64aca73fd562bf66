package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/site"
	"certwright/internal/testworld"
)

// world is what stands outside of Certwright in these tests: a real Pebble behind a proxy that counts and
// spoils, and the web servers of many shops on one port each, told apart by name.
type world struct {
	pebble *testworld.Pebble // nil = only the built-in authority is used
	proxy  *testworld.ACMEProxy
	dns    string
	http   string // address of plain HTTP
	https  string // address of HTTPS

	mu    sync.Mutex
	shops map[string]*shop
}

// shop is one web server by name: a webroot, and a folder of which it loads certificate and key when it is
// told to, as real ones do.
type shop struct {
	host  string
	dir   string
	mu    sync.Mutex
	stamp time.Time
	pair  *tls.Certificate
	loads int
	only  string // serial of the only version that it can serve; empty = all
}

func (s *shop) www() string    { return filepath.Join(s.dir, "www") }
func (s *shop) tls() string    { return filepath.Join(s.dir, "tls") }
func (s *shop) reload() string { return filepath.Join(s.dir, "reload") }

// startWorld starts the servers, and a Pebble if one is wanted.
func startWorld(t testing.TB, withPebble bool, o testworld.PebbleOptions) *world {
	t.Helper()
	w := &world{shops: map[string]*shop{}}
	w.http = w.serve(t, http.HandlerFunc(w.page), nil)
	w.https = w.serve(t, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprintln(rw, "Welcome.") }),
		&tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: w.certificate})
	if !withPebble {
		d := testworld.StartDNS(t)
		d.Default("127.0.0.1")
		w.dns = d.Addr
		return w
	}
	o.HTTPPort = w.port()
	w.pebble = testworld.StartPebble(t, o)
	w.proxy = testworld.StartACMEProxy(t, w.pebble)
	w.dns = w.pebble.DNS.Addr
	return w
}

func (w *world) serve(t testing.TB, h http.Handler, c *tls.Config) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h, TLSConfig: c, ReadHeaderTimeout: 10 * time.Second, ErrorLog: discard()}
	go func() { // ends with Close
		if c != nil {
			_ = srv.ServeTLS(ln, "", "")
		} else {
			_ = srv.Serve(ln)
		}
	}()
	t.Cleanup(func() { _ = srv.Close() })
	return ln.Addr().String()
}

func (w *world) port() int {
	_, p, _ := net.SplitHostPort(w.http)
	n, _ := strconv.Atoi(p)
	return n
}

// shop adds a web server.
func (w *world) shop(t testing.TB, host string) *shop {
	t.Helper()
	s := &shop{host: host, dir: t.TempDir()}
	for _, d := range []string{s.www(), s.tls()} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shops[host] = s
	return s
}

func (w *world) find(host string) *shop {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shops[host]
}

// page serves the webroot of the shop that the request names.
func (w *world) page(rw http.ResponseWriter, r *http.Request) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if s := w.find(host); s != nil {
		http.FileServer(http.Dir(s.www())).ServeHTTP(rw, r)
		return
	}
	http.NotFound(rw, r)
}

// certificate is what a shop serves: loaded again only after the reload command has run.
func (w *world) certificate(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	s := w.find(h.ServerName)
	if s == nil {
		return nil, errors.New("no such shop")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if info, err := os.Stat(s.reload()); err == nil && !info.ModTime().Equal(s.stamp) {
		s.stamp = info.ModTime()
		pair, err := tls.LoadX509KeyPair(filepath.Join(s.tls(), "shop.pem"), filepath.Join(s.tls(), "shop.key"))
		if err == nil {
			s.pair, s.loads = &pair, s.loads+1
		}
	}
	if s.pair == nil {
		return nil, errors.New("the shop has no certificate yet")
	}
	if v, err := order.ParseChain(s.pair.Certificate); s.only != "" && (err != nil || v.Serial != s.only) {
		return nil, errors.New("the shop cannot serve this certificate")
	}
	return s.pair, nil
}

// config is a configuration that knows one shop.
func (w *world) config(data string, dsn string, shops ...*shop) Config {
	c := DefaultConfig()
	c.Data, c.Node, c.Listen, c.Resolver = Path(data), "one", "127.0.0.1:0", w.dns
	c.URL, c.Vault.Suffix = "https://localhost", "vault.localhost"
	c.Database.DSN = Hidden(dsn)
	if dsn == "" {
		c.Database.DSN = Hidden("sqlite:" + filepath.Join(data, "certwright.db"))
	}
	c.KEK.File = Path(filepath.Join(data, "kek"))
	c.HTTP01.Listen = "127.0.0.1:0"
	c.Network.Loopback = true
	c.Authority.HTTPPort = w.port()
	c.Sweep.Due, c.ACME.Poll = Duration(time.Second), Duration(20*time.Millisecond)
	c.Webroots, c.Roots, c.Commands = map[string]Path{}, map[string]Path{}, map[string]Command{}
	touch, err := exec.LookPath("touch")
	if err != nil {
		touch = "/usr/bin/touch"
	}
	for _, s := range shops {
		name := shopName(s.host)
		c.Webroots[name], c.Roots[name] = Path(s.www()), Path(s.tls())
		c.Commands["reload-"+name] = Command{Argv: []string{touch, s.reload()}, Timeout: Duration(10 * time.Second)}
	}
	return c
}

func shopName(host string) string { return strings.Split(host, ".")[0] }

// site is a shop as Certwright knows it.
func (w *world) site(s *shop) site.Site {
	id, name := order.Short("x"), shopName(s.host)
	return site.Site{Subscription: id.Subscription, Group: id.Group, Name: name, HostNames: []string{s.host}, Webroot: name,
		Targets:   []site.Target{{Name: "files", Kind: site.KindFiles, Files: &site.Files{Root: name, Fullchain: "shop.pem", Key: "shop.key", Reload: "reload-" + name}}},
		Endpoints: []site.Endpoint{{Address: w.https, ServerName: s.host}}}
}

// served is the serial on the wire, as any client sees it.
func (w *world) served(host string) (string, error) {
	d := &tls.Dialer{Config: &tls.Config{ServerName: host, InsecureSkipVerify: true}} // what is served is compared, not trusted
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := d.DialContext(ctx, "tcp", w.https)
	if err != nil {
		return "", err
	}
	defer c.Close()
	v, err := order.ParseChain([][]byte{c.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw})
	return v.Serial, err
}

var testBy = order.By{Caller: "tester", Correlation: "test"}

// addPebble records an ACME authority as issuer "pebble".
func addPebble(ctx context.Context, s *Server, directory string, roots []byte) error {
	_, err := s.Issuers.Add(ctx, order.Issuer{Name: "pebble", Kind: order.IssuerACME, Directory: directory, CAFile: roots}, nil)
	if r, ok := order.AsRefusal(err); ok && r.Code == "IssuerExists" {
		return nil
	}
	return err
}

// placeOrder records a shop and an order for it.
func (w *world) placeOrder(ctx context.Context, s *Server, sh *shop, issuer string) (order.ID, error) {
	id := order.Short(shopName(sh.host))
	if _, err := s.Mover.SaveSite(ctx, testBy, w.site(sh)); err != nil {
		return id, err
	}
	_, err := s.Mover.Create(ctx, testBy, id, fulfill.Wish{Words: []string{sh.host}, Spec: order.Spec{AutoRenew: true, Issuer: issuer, Sites: []string{shopName(sh.host)}}})
	return id, err
}
