package scenario

import (
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// httpFlags are the ways in which serve-http can be odd.
type httpFlags struct {
	listen, root, body, kind, redirect, header string
	status, every                              int
	trickle, wait                              time.Duration
	h2c, catchAll, drop, garbage               bool
}

// serveHTTP is a plain web server: certwright-scenario serve-http -h.
func serveHTTP(args []string) error {
	var f httpFlags
	s := flag.NewFlagSet("serve-http", flag.ContinueOnError)
	s.StringVar(&f.listen, "listen", "", "ADDRESS:PORT, several with commas")
	s.StringVar(&f.root, "root", "", "serve this folder")
	s.StringVar(&f.body, "body", "Welcome.\n", "answer with this where no file is")
	s.StringVar(&f.kind, "type", "text/plain", "Content-Type")
	s.StringVar(&f.redirect, "redirect", "", "send everybody there; {path} and {host} are filled in")
	s.StringVar(&f.header, "header", "", "further header NAME: VALUE")
	s.IntVar(&f.status, "status", 404, "status where no file is")
	s.IntVar(&f.every, "every", 1, "only every n-th request is answered oddly (redirect, wait, drop, -status)")
	s.DurationVar(&f.trickle, "trickle", 0, "wait so long after each byte")
	s.DurationVar(&f.wait, "wait", 0, "wait so long before the answer")
	s.BoolVar(&f.h2c, "h2c", false, "speak HTTP/2 in clear only")
	s.BoolVar(&f.catchAll, "catch-all", false, "answer 200 with -body for every path")
	s.BoolVar(&f.drop, "drop", false, "close the connection without an answer")
	s.BoolVar(&f.garbage, "garbage", false, "answer with what is no HTTP")
	if err := s.Parse(args); err != nil {
		return err
	}
	return each(f.listen, func(l net.Listener) error {
		if f.garbage {
			return garbage(l)
		}
		srv := &http.Server{Handler: f.handler(), Protocols: new(http.Protocols)}
		srv.Protocols.SetHTTP1(!f.h2c)
		srv.Protocols.SetUnencryptedHTTP2(f.h2c)
		return srv.Serve(l)
	})
}

func (f httpFlags) handler() http.Handler {
	var n atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		odd := f.every <= 1 || n.Add(1)%int64(f.every) == 0
		if name, value, ok := strings.Cut(f.header, ":"); ok {
			w.Header().Set(name, strings.TrimSpace(value))
		}
		if odd && f.wait > 0 {
			select {
			case <-time.After(f.wait):
			case <-r.Context().Done():
			}
		}
		switch {
		case odd && f.drop:
			panic(http.ErrAbortHandler)
		case odd && f.redirect != "":
			http.Redirect(w, r, strings.NewReplacer("{path}", r.URL.Path, "{host}", r.Host).Replace(f.redirect), http.StatusFound)
			return
		}
		status, body := f.answer(r, odd)
		w.Header().Set("Content-Type", f.kind)
		w.WriteHeader(status)
		f.send(w, r, body)
	})
}

// answer is the file, or the body.
func (f httpFlags) answer(r *http.Request, odd bool) (int, []byte) {
	if f.root != "" && (!odd || f.every == 1) {
		name := filepath.Join(f.root, filepath.Clean("/"+r.URL.Path))
		if b, err := os.ReadFile(name); err == nil {
			return http.StatusOK, b
		}
	}
	if f.catchAll {
		return http.StatusOK, []byte(f.body)
	}
	return f.status, []byte(f.body)
}

// send writes the body, byte by byte where it trickles.
func (f httpFlags) send(w http.ResponseWriter, r *http.Request, body []byte) {
	if f.trickle == 0 {
		_, _ = w.Write(body) // a client that went away is its own affair
		return
	}
	flush, _ := w.(http.Flusher)
	for i := 0; ; i++ {
		b := byte(' ')
		if i < len(body) {
			b = body[i]
		}
		if _, err := w.Write([]byte{b}); err != nil {
			return
		}
		if flush != nil {
			flush.Flush()
		}
		select {
		case <-time.After(f.trickle):
		case <-r.Context().Done():
			return
		}
	}
}

func garbage(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			_, _ = io.WriteString(c, "220 this is no web server\r\n") // whether it arrives does not matter
			_ = c.Close()
		}()
	}
}

// socket sends one line to a UNIX socket and prints the answer: socket PATH LINE.
func socket(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: socket PATH LINE")
	}
	c, err := net.DialTimeout("unix", args[0], 2*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(c, args[1]); err != nil {
		return err
	}
	if u, ok := c.(*net.UnixConn); ok {
		_ = u.CloseWrite() // so that the other side ends too; one that does not is left at the deadline
	}
	answer, _ := io.ReadAll(c)
	_, err = os.Stdout.Write(answer)
	return err
}
