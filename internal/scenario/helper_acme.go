package scenario

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"certwright/internal/testworld"
)

// acmeFault is a fault as the control port takes it: what testworld.Fault does, in JSON.
type acmeFault struct {
	Op       string            `json:"op"`    // directory, new-nonce, new-account, account, new-order, order, authz, challenge, finalize, certificate, revoke, renewal-info; empty = all
	After    int               `json:"after"` // so many are let through first
	Times    int               `json:"times"` // so many are hit; 0 = all
	Drop     bool              `json:"drop"`
	BadNonce bool              `json:"bad_nonce"`
	Lose     bool              `json:"lose"`  // passed on, the answer lost
	Stuck    bool              `json:"stuck"` // finished orders look unfinished
	Hang     bool              `json:"hang"`  // no answer until the client goes away
	Status   int               `json:"status"`
	Type     string            `json:"type"`   // of an ACME problem document, its last part: rateLimited
	Detail   string            `json:"detail"` // its words
	Retry    string            `json:"retry_after"`
	Body     string            `json:"body"` // in place of a problem document
	Header   map[string]string `json:"header"`
	Replace  []string          `json:"replace"` // old, new, old, new ... in the authority's answer
	Problem  json.RawMessage   `json:"problem"` // a whole problem document
}

// fault is the same for the proxy.
func (a acmeFault) fault() testworld.Fault {
	f := testworld.Fault{Op: a.Op, After: a.After, Times: a.Times, Drop: a.Drop, BadNonce: a.BadNonce, Lose: a.Lose, Status: a.Status, Body: a.Body, Header: a.Header}
	if f.Header == nil {
		f.Header = map[string]string{}
	}
	switch {
	case a.Type != "":
		if f.Status == 0 {
			f.Status = http.StatusForbidden
		}
		p := testworld.ProblemFault(a.Op, f.Status, a.Type, a.Detail, a.Retry)
		f.Body, f.Header["Content-Type"] = p.Body, "application/problem+json"
	case len(a.Problem) > 0:
		f.Body, f.Header["Content-Type"] = string(a.Problem), "application/problem+json"
		if f.Status == 0 {
			f.Status = http.StatusForbidden
		}
	}
	if a.Retry != "" {
		f.Header["Retry-After"] = a.Retry
	}
	if a.Hang {
		f.Wait = make(chan struct{}) // nobody closes it
	}
	if a.Stuck {
		f.Rewrite = testworld.StuckFault().Rewrite
	}
	if len(a.Replace) > 1 {
		r := strings.NewReplacer(a.Replace[:len(a.Replace)&^1]...)
		f.Rewrite = func(status int, body []byte) (int, []byte) { return status, []byte(r.Replace(string(body))) }
	}
	return f
}

// acmeProxy is the fault-injecting proxy before Pebble: certwright-scenario acme-proxy -h. Faults come as JSON by
// POST to the control address; DELETE heals; GET gives the counts by operation.
func acmeProxy(args []string) error {
	s := flag.NewFlagSet("acme-proxy", flag.ContinueOnError)
	listen := s.String("listen", "", "ADDRESS:PORT, several with commas")
	directory := s.String("upstream", "", "the directory of the Pebble behind it")
	cert, key := s.String("cert", "", "certificate for its HTTPS"), s.String("key", "", "its key")
	roots := s.String("roots", "", "what the upstream's HTTPS chains to")
	control := s.String("control", "127.0.0.1:14009", "address for faults")
	if err := s.Parse(args); err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(*roots)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	var all []*testworld.ACMEProxy
	for _, a := range split(*listen) {
		l, err := net.Listen("tcp", a)
		if err != nil {
			return err
		}
		x, err := testworld.ServeACMEProxy(context.Background(), l, *directory, client, pair)
		if err != nil {
			return err
		}
		all = append(all, x)
	}
	return each(*control, func(l net.Listener) error { return http.Serve(l, controlled(all)) })
}

// controlled takes faults for all proxies.
func controlled(all []*testworld.ACMEProxy) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodDelete:
			for _, x := range all {
				x.Heal()
			}
		case http.MethodPost:
			var a acmeFault
			d := json.NewDecoder(r.Body)
			d.DisallowUnknownFields()
			if err := d.Decode(&a); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			for _, x := range all {
				x.Inject(a.fault())
			}
		default:
			op := strings.TrimPrefix(r.URL.Path, "/")
			n := 0
			for _, x := range all {
				n += x.Seen(op)
			}
			fmt.Fprintln(w, n)
		}
	})
}
