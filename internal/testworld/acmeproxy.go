package testworld

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Operations of an ACME server, as the proxy tells them apart by Pebble's paths.
const (
	OpDirectory   = "directory"
	OpNewNonce    = "new-nonce"
	OpNewAccount  = "new-account"
	OpAccount     = "account"
	OpNewOrder    = "new-order"
	OpOrder       = "order"
	OpAuthz       = "authz"
	OpChallenge   = "challenge"
	OpFinalize    = "finalize"
	OpCertificate = "certificate"
	OpRevoke      = "revoke"
	OpRenewalInfo = "renewal-info"
	OpOther       = "other"
)

var opPaths = []struct{ prefix, op string }{
	{"/dir", OpDirectory}, {"/nonce-plz", OpNewNonce}, {"/sign-me-up", OpNewAccount}, {"/my-account/", OpAccount},
	{"/order-plz", OpNewOrder}, {"/my-order/", OpOrder}, {"/finalize-order/", OpFinalize}, {"/authZ/", OpAuthz},
	{"/chalZ/", OpChallenge}, {"/certZ/", OpCertificate}, {"/revoke-cert", OpRevoke}, {"/draft-ietf-acme-ari-03/", OpRenewalInfo},
}

// Fault is what the proxy does to requests of one operation. The parts that are set are done in the
// order of the fields.
type Fault struct {
	Op    string // one of the operations; empty = all
	After int    // so many requests are let through first
	Times int    // how many requests are hit; 0 = all

	Wait     <-chan struct{}                             // the answer waits until this is closed or the client goes away
	Drop     bool                                        // the connection is closed without an answer
	BadNonce bool                                        // badNonce with a good new nonce
	Status   int                                         // answered at once with this, not forwarded
	Header   map[string]string                           // of that answer, or added to the forwarded one
	Body     string                                      // of that answer
	Lose     bool                                        // forwarded, then the connection is closed: the answer is lost
	Rewrite  func(status int, body []byte) (int, []byte) // forwarded, the answer changed
}

// ACMEProxy is a reverse proxy before an ACME server that injects faults and counts requests. The
// server sees the proxy's host name, so that its URLs, and the "url" of signed requests, fit.
type ACMEProxy struct {
	Directory string // the directory through the proxy
	RootsPEM  []byte // what its HTTPS certificate chains to

	srv     *http.Server
	forward *httputil.ReverseProxy
	upNonce string
	client  *http.Client

	mu     sync.Mutex
	faults []*Fault
	seen   map[string]int
	passed map[string]int
	paths  map[string]map[string]int
}

// StartACMEProxy is RunACMEProxy for a test.
func StartACMEProxy(t TB, p *Pebble) *ACMEProxy {
	t.Helper()
	x, err := RunACMEProxy(context.Background(), p)
	if err != nil {
		t.Fatalf("ACME proxy: %v", err)
	}
	t.Cleanup(x.Stop)
	return x
}

// RunACMEProxy starts a proxy on 127.0.0.1 before a Pebble. It stops when ctx ends or Stop is called.
func RunACMEProxy(ctx context.Context, p *Pebble) (*ACMEProxy, error) {
	cert, err := NewHostCert("127.0.0.1", "localhost")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("ACME proxy: listen: %w", err)
	}
	x, err := ServeACMEProxy(ctx, l, p.Directory, p.Client(), cert.TLS)
	if err != nil {
		return nil, err
	}
	x.RootsPEM = cert.CertPEM
	return x, nil
}

// ServeACMEProxy starts a proxy on a listener, before the Pebble whose directory is given; client trusts its
// HTTPS. It stops when ctx ends or Stop is called.
func ServeACMEProxy(ctx context.Context, l net.Listener, directory string, client *http.Client, cert tls.Certificate) (*ACMEProxy, error) {
	up, err := url.Parse(directory)
	if err != nil {
		return nil, fmt.Errorf("ACME proxy: the directory's URL: %w", err)
	}
	x := &ACMEProxy{
		Directory: "https://" + l.Addr().String() + up.Path,
		upNonce:   "https://" + up.Host + "/nonce-plz", client: client,
		seen: map[string]int{}, passed: map[string]int{}, paths: map[string]map[string]int{},
	}
	x.forward = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: up.Scheme, Host: up.Host})
			r.Out.Host = r.In.Host // JWS "url" and every URL in the answers carry the proxy's host
		},
		Transport:      x.client.Transport,
		ModifyResponse: x.modify,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if errors.Is(err, errLost) {
				panic(http.ErrAbortHandler)
			}
			http.Error(w, "the authority behind the proxy does not answer: "+err.Error(), http.StatusBadGateway)
		},
	}
	x.srv = &http.Server{Handler: x, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, ReadHeaderTimeout: time.Minute}
	go func() { _ = x.srv.ServeTLS(l, "", "") }() // ends with Stop
	context.AfterFunc(ctx, x.Stop)
	return x, nil
}

// Stop ends the proxy and its connections. It may be called again.
func (x *ACMEProxy) Stop() { _ = x.srv.Close() }

// Inject adds a fault; of several that fit a request the first is used.
func (x *ACMEProxy) Inject(f Fault) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.faults = append(x.faults, &f)
}

// Heal ends all faults.
func (x *ACMEProxy) Heal() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.faults = nil
}

// Seen counts the requests of an operation that came to the proxy.
func (x *ACMEProxy) Seen(op string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.seen[op]
}

// Passed counts the requests of an operation that were forwarded to the authority.
func (x *ACMEProxy) Passed(op string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.passed[op]
}

// PassedPaths counts the requests of an operation that were forwarded, by path: each order has one to be
// finalised at.
func (x *ACMEProxy) PassedPaths(op string) map[string]int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return maps.Clone(x.paths[op])
}

func opOf(path string) string {
	for _, p := range opPaths {
		if strings.HasPrefix(path, p.prefix) {
			return p.op
		}
	}
	return OpOther
}

type faultKey struct{}

var errLost = errors.New("the answer is lost on purpose")

// ServeHTTP does the first fault that fits, or forwards.
func (x *ACMEProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op := opOf(r.URL.Path)
	f := x.take(op)
	if f == nil {
		f = &Fault{}
	}
	if f.Wait != nil {
		select {
		case <-f.Wait:
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case f.Drop:
		panic(http.ErrAbortHandler)
	case f.BadNonce:
		x.badNonce(w, r)
		return
	case f.Status != 0:
		for k, v := range f.Header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, f.Body) // a client that went away is part of the game
		return
	}
	x.mu.Lock()
	x.passed[op]++
	if x.paths[op] == nil {
		x.paths[op] = map[string]int{}
	}
	x.paths[op][r.URL.Path]++
	x.mu.Unlock()
	x.forward.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), faultKey{}, f)))
}

// take counts the request and finds its fault.
func (x *ACMEProxy) take(op string) *Fault {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seen[op]++
	for i, f := range x.faults {
		if f.Op != "" && f.Op != op {
			continue
		}
		if f.After > 0 {
			f.After--
			continue
		}
		hit := *f
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				x.faults = append(x.faults[:i:i], x.faults[i+1:]...)
			}
		}
		return &hit
	}
	return nil
}

// modify changes a forwarded answer as the request's fault says.
func (x *ACMEProxy) modify(resp *http.Response) error {
	f, _ := resp.Request.Context().Value(faultKey{}).(*Fault)
	if f == nil {
		return nil
	}
	if f.Lose {
		return errLost
	}
	for k, v := range f.Header {
		resp.Header.Set(k, v)
	}
	if f.Rewrite == nil {
		return nil
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	resp.StatusCode, body = f.Rewrite(resp.StatusCode, body)
	resp.Status = ""
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(string(body))), int64(len(body))
	resp.Header.Set("Content-Length", fmt.Sprint(len(body)))
	return nil
}

// badNonce refuses the nonce and gives another one, fresh from the authority (RFC 8555 section 6.5).
func (x *ACMEProxy) badNonce(w http.ResponseWriter, r *http.Request) {
	if req, err := http.NewRequestWithContext(r.Context(), http.MethodHead, x.upNonce, nil); err == nil {
		req.Header.Set("User-Agent", "testworld")
		if resp, err := x.client.Do(req); err == nil {
			_ = resp.Body.Close()
			w.Header().Set("Replay-Nonce", resp.Header.Get("Replay-Nonce"))
		}
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, `{"type":"urn:ietf:params:acme:error:badNonce","status":400,"detail":"nonce refused on purpose"}`)
}

// ProblemFault answers requests of op with an ACME problem document; typ is the last part of its type.
// retryAfter is the Retry-After header, empty = none.
func ProblemFault(op string, status int, typ, detail, retryAfter string) Fault {
	h := map[string]string{"Content-Type": "application/problem+json"}
	if retryAfter != "" {
		h["Retry-After"] = retryAfter
	}
	return Fault{Op: op, Status: status, Header: h,
		Body: fmt.Sprintf(`{"type":"urn:ietf:params:acme:error:%s","status":%d,"detail":%q}`, typ, status, detail)}
}

// StuckFault makes finished orders look as if the authority were still at work on them.
func StuckFault() Fault {
	stuck := func(status int, body []byte) (int, []byte) {
		return status, []byte(strings.NewReplacer(`"status": "valid"`, `"status": "processing"`, `"status":"valid"`, `"status":"processing"`).Replace(string(body)))
	}
	return Fault{Op: OpOrder, Rewrite: stuck}
}
