package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/site"
	"certwright/internal/testworld"
)

// SampleName is the name of the sample's order and site.
const SampleName = "shop"

// SampleHost is the host name that the sample shop answers to.
const SampleHost = "shop.example.test"

// Sample is a small shop on loopback, to see the whole path with: a web server for plain HTTP with a webroot, one
// for HTTPS that serves what lies in its folder, and a name server that knows its name. Nothing leaves the machine.
type Sample struct {
	Dir     string // its folder: www (webroot) and tls (certificate and key)
	HTTP    string // address of plain HTTP
	HTTPS   string // address of HTTPS
	Control string // address that its reload command calls
	DNS     string // address of its name server

	pair atomic.Pointer[tls.Certificate]
	stop []func()
}

// StartSample starts the shop in a folder.
func StartSample(ctx context.Context, dir string) (*Sample, error) {
	s := &Sample{Dir: dir}
	for _, d := range []string{s.webroot(), s.tlsDir()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("make the sample's folder: %w", err)
		}
	}
	dns, err := testworld.RunDNS(ctx, SampleHost+". 60 IN A 127.0.0.1")
	if err != nil {
		return nil, fmt.Errorf("start the sample's name server: %w", err)
	}
	s.DNS = dns.Addr
	s.stop = append(s.stop, dns.Stop)
	if err := s.load(); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if s.HTTP, err = s.listen(http.FileServer(http.Dir(s.webroot())), nil); err != nil {
		return nil, err
	}
	control := http.NewServeMux()
	control.HandleFunc("POST /reload", s.reload)
	if s.Control, err = s.listen(control, nil); err != nil {
		return nil, err
	}
	shop := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "Welcome to the sample shop.") })
	s.HTTPS, err = s.listen(shop, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.certificate})
	return s, err
}

func (s *Sample) webroot() string { return filepath.Join(s.Dir, "www") }
func (s *Sample) tlsDir() string  { return filepath.Join(s.Dir, "tls") }

// listen serves a handler on a loopback port that the kernel picks.
func (s *Sample) listen(h http.Handler, t *tls.Config) (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("start the sample shop: %w", err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, TLSConfig: t}
	if t != nil {
		srv.ErrorLog = discard()
		go func() { _ = srv.ServeTLS(ln, "", "") }() // ends with Close
	} else {
		go func() { _ = srv.Serve(ln) }()
	}
	s.stop = append(s.stop, func() { _ = srv.Close() })
	return ln.Addr().String(), nil
}

// load reads certificate and key, as a web server does when it starts or reloads.
func (s *Sample) load() error {
	pair, err := tls.LoadX509KeyPair(filepath.Join(s.tlsDir(), "shop.pem"), filepath.Join(s.tlsDir(), "shop.key"))
	if err != nil {
		return fmt.Errorf("load the shop's certificate: %w", err)
	}
	s.pair.Store(&pair)
	return nil
}

func (s *Sample) reload(w http.ResponseWriter, _ *http.Request) {
	if err := s.load(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (s *Sample) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if pair := s.pair.Load(); pair != nil {
		return pair, nil
	}
	return nil, errors.New("the shop has no certificate yet")
}

// Close stops the shop.
func (s *Sample) Close() {
	for _, stop := range s.stop {
		stop()
	}
}

// Configure makes a configuration know the shop: its roots, its reload command, its name server.
func (s *Sample) Configure(c *Config, program string) {
	c.Resolver = s.DNS
	c.Network.Loopback = true
	_, port, _ := net.SplitHostPort(s.HTTP)
	fmt.Sscan(port, &c.Authority.HTTPPort)
	add := func(m *map[string]Path, dir string) {
		if *m == nil {
			*m = map[string]Path{}
		}
		(*m)[SampleName] = Path(dir)
	}
	add(&c.Webroots, s.webroot())
	add(&c.Roots, s.tlsDir())
	if c.Commands == nil {
		c.Commands = map[string]Command{}
	}
	c.Commands["reload-shop"] = Command{Argv: []string{program, "sample", "reload", s.Control}, Timeout: Duration(10 * time.Second)}
}

// Order sees that the shop's site and order are there: the site as the shop is now, the order new or due.
func (s *Sample) Order(ctx context.Context, m *fulfill.Mover) (*order.Order, error) {
	by := order.By{Caller: "sample", Correlation: fulfill.NewID()}
	id := order.Short(SampleName)
	shop := site.Site{Subscription: id.Subscription, Group: id.Group, Name: SampleName, HostNames: []string{SampleHost}, Webroot: SampleName,
		Targets:   []site.Target{{Name: "files", Kind: site.KindFiles, Files: &site.Files{Root: SampleName, Fullchain: "shop.pem", Key: "shop.key", Reload: "reload-shop"}}},
		Endpoints: []site.Endpoint{{Address: s.HTTPS, ServerName: SampleHost}}}
	if old, err := m.Store.LoadSite(ctx, id.Subscription, id.Group, SampleName); err == nil {
		shop.Revision = old.Revision
	}
	if _, err := m.SaveSite(ctx, by, shop); err != nil {
		return nil, err
	}
	o, err := m.Create(ctx, by, id, fulfill.Wish{Words: []string{SampleHost}, Spec: order.Spec{AutoRenew: true, Method: order.MethodHTML, Sites: []string{SampleName}}})
	if r, ok := order.AsRefusal(err); ok && r.Code == "OrderExists" {
		return m.Sync(ctx, by, id)
	}
	return o, err
}
