package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"certwright/internal/testworld"
)

// world is what both sides are measured against: a Pebble whose validations come to a port of ours, and
// a TLS listener that serves, by server name, what lies in a folder.
type world struct {
	dir    string
	pebble *testworld.Pebble
	http01 string // address that Pebble validates at
	tls    string // address of the TLS listener
	files  string // folder it serves from
	stops  []func()
	pairs  sync.Map // by file: a link's target names the version, so that each is read and parsed once
}

// pair reads what lies in the folder for a name.
func (w *world) pair(name string) (*tls.Certificate, error) {
	file := filepath.Join(w.files, name+".pem")
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return nil, err
	}
	if c, ok := w.pairs.Load(real); ok {
		return c.(*tls.Certificate), nil
	}
	c, err := tls.LoadX509KeyPair(file, filepath.Join(w.files, name+".key"))
	if err != nil {
		return nil, err
	}
	w.pairs.Store(real, &c)
	return &c, nil
}

func newWorld(ctx context.Context, o options) (*world, error) {
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return nil, err
	}
	parent, err := filepath.Abs(o.dir)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(parent, "run-")
	if err != nil {
		return nil, err
	}
	w := &world{dir: dir, files: filepath.Join(dir, "tls")}
	w.stops = append(w.stops, func() { os.RemoveAll(dir) })
	if o.files != "" {
		if w.files, err = os.MkdirTemp(o.files, "certwright-bench-"); err != nil {
			return nil, err
		}
		w.stops = append(w.stops, func() { os.RemoveAll(w.files) })
	}
	if err := os.MkdirAll(w.files, 0o755); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	w.http01 = fmt.Sprintf("127.0.0.1:%d", port)
	if w.pebble, err = testworld.RunPebble(ctx, testworld.PebbleOptions{HTTPPort: port}); err != nil {
		return nil, err
	}
	w.stops = append(w.stops, w.pebble.Stop)
	return w, w.serveTLS()
}

func (w *world) close() {
	for i := len(w.stops) - 1; i >= 0; i-- {
		w.stops[i]()
	}
}

func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

// serveTLS serves by server name what lies in the folder: <name>.pem and <name>.key.
func (w *world) serveTLS() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.tls = ln.Addr().String()
	srv := &http.Server{ErrorLog: log.New(io.Discard, "", 0), TLSConfig: &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if h.ServerName == "" {
			return nil, errors.New("no server name")
		}
		return w.pair(h.ServerName)
	}}}
	go func() { _ = srv.ServeTLS(ln, "", "") }()
	w.stops = append(w.stops, func() { _ = srv.Close() })
	return nil
}
