package issue

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"certwright/internal/order"
)

const (
	// callLimit bounds one exchange with the authority, retries for nonces included.
	callLimit = time.Minute
	// bodyLimit is the largest answer that is read; the longest real chains have some 20 KiB.
	bodyLimit = 1 << 20
)

// answer is the last HTTP answer of a call, kept whole: the library gives its errors without the
// headers, and Retry-After is one.
type answer struct {
	Method, URL string
	Status      int // 0 = there was none
	Header      http.Header
	Body        []byte
	At          time.Time
}

// until is the moment that Retry-After names; zero = none.
func (a answer) until(now time.Time) time.Time {
	if d, ok := retryAfter(a.Header, now); ok {
		return now.Add(d)
	}
	return time.Time{}
}

// exchange is what the transport notes while one call is under way, and what it does for it.
type exchange struct {
	dir      *directory // answered from memory; nil = it goes out
	oneChain bool       // alternate chains are not wanted: their links are taken out
	stop     context.CancelFunc
	nonces   *nonces // of the account, to see one that comes twice

	mu    sync.Mutex
	last  answer
	err   error // of the last request, if it got no answer
	twice bool  // a nonce came that had come before
}

func (x *exchange) note(a answer, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.last, x.err = a, err
	x.twice = x.twice || err == nil && (x.nonces.again(a.Header.Get("Replay-Nonce")) || fromCache(a.Header))
}

// facts are what was measured beside the answer.
func (x *exchange) facts(ctx context.Context) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []string
	if x.twice {
		out = append(out, nonceRepeated)
	}
	f, _ := ctx.Value(factsKey{}).([]string)
	return append(out, f...)
}

// factsKey carries what a caller knows of its request to the judgement of the answer.
type factsKey struct{}

func (x *exchange) seen() (answer, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.last, x.err
}

type exchangeKey struct{}

// call runs fn with the account. Every error of it comes back as an *order.Problem, but for the end of
// ctx by cancelling. An account that the authority does not know is registered again, once.
func (a *ACME) call(ctx context.Context, at op, fn func(context.Context, *acme.Client, acme.Account) error) (answer, error) {
	for again := false; ; again = true {
		acct, dir, err := a.account(ctx, "")
		if err != nil {
			return answer{}, err
		}
		last, err := a.exchange(ctx, at, dir, func(ctx context.Context) error { return fn(ctx, dir.client, acct) })
		var p *order.Problem
		if again || !errors.As(err, &p) || p.ID != "ca-account-unknown" {
			return last, err
		}
		a.o.Logger.Warn("the authority no longer knows the account; registering it again", "issuer", a.o.Issuer.Name, "account", acct.Location)
		if _, _, err := a.account(ctx, acct.Location); err != nil {
			return last, err
		}
	}
}

// exchange runs fn under a context that carries the transport's notes, and judges its error.
func (a *ACME) exchange(ctx context.Context, at op, dir *directory, fn func(context.Context) error) (answer, error) {
	inner, stop := context.WithTimeout(ctx, callLimit)
	defer stop()
	x := &exchange{dir: dir, oneChain: at == opCertificate, stop: stop, nonces: &a.nonces}
	err := fn(context.WithValue(inner, exchangeKey{}, x))
	last, netErr := x.seen()
	if err == nil {
		return last, nil
	}
	var p *order.Problem
	switch {
	case errors.As(err, &p):
		return last, p
	case errors.Is(ctx.Err(), context.Canceled):
		return last, fmt.Errorf("%s (%s): %w", at, a.o.Issuer.Directory, context.Cause(ctx))
	case last.Status >= 400:
		return last, answered(at, last, a.o.Now(), x.facts(ctx)...)
	case netErr != nil || last.Status == 0 || inner.Err() != nil:
		if netErr == nil {
			netErr = err
		}
		where := last.URL
		if where == "" {
			where = a.o.Issuer.Directory
		}
		return last, unanswered(at, where, netErr, a.o.Now())
	}
	return last, rubbish(at, last.URL, err, last.Body, a.o.Now())
}

// wire is the transport under the library. It keeps each answer, bounds its size, and ends a call
// where the library would repeat a signed request that the authority may have taken already (a lost
// answer, a 5xx): what is repeated and when is for the order's own clock to say.
type wire struct {
	base http.RoundTripper
	now  func() time.Time
}

// RoundTrip is http.RoundTripper's.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	x, ok := req.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		return w.base.RoundTrip(req)
	}
	if x.dir != nil && req.Method == http.MethodGet && withoutFragment(req.URL.String()) == x.dir.url {
		return x.dir.answer(req), nil
	}
	a := answer{Method: req.Method, URL: req.URL.String()}
	resp, err := w.base.RoundTrip(req)
	if err == nil {
		a.Status, a.Header, a.At = resp.StatusCode, resp.Header, w.now()
		a.Body, err = io.ReadAll(io.LimitReader(resp.Body, bodyLimit+1))
		_ = resp.Body.Close() // it was read whole, or is given up
		if err == nil && len(a.Body) > bodyLimit {
			err = fmt.Errorf("the answer is larger than %d bytes", bodyLimit)
		}
	}
	x.note(a, err)
	if err != nil {
		if req.Method == http.MethodPost || req.Context().Err() != nil {
			x.stop()
		}
		return nil, err
	}
	if a.Status >= 500 || a.Status == http.StatusTooManyRequests {
		x.stop()
	}
	if x.oneChain {
		dropLinks(resp.Header, "alternate")
	}
	resp.Body = io.NopCloser(bytes.NewReader(a.Body))
	return resp, nil
}

// dropLinks removes the Link headers of one relation.
func dropLinks(h http.Header, rel string) {
	var kept []string
	for _, l := range h.Values("Link") {
		if !strings.Contains(l, `rel="`+rel+`"`) {
			kept = append(kept, l)
		}
	}
	h["Link"] = kept
}

func withoutFragment(u string) string {
	u, _, _ = strings.Cut(u, "#")
	return u
}

// newHTTPClient wraps the given client, or makes one that trusts the issuer's roots.
func newHTTPClient(o ACMEOptions) *http.Client {
	c := http.Client{}
	if o.HTTPClient != nil {
		c = *o.HTTPClient
	}
	if c.Transport == nil {
		dial := o.Dial
		if dial == nil {
			dial = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
		}
		t := &http.Transport{
			DialContext: dial, Proxy: o.Proxy,
			// HTTP/1.1: a few requests at a time over connections that stay; HTTP/2 cost more on both sides and gained nothing.
			TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
			TLSClientConfig:     &tls.Config{Time: o.Now, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 45 * time.Second,
			IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 2 * atOnce,
		}
		if len(o.Issuer.CAFile) > 0 {
			t.TLSClientConfig.RootCAs = x509.NewCertPool()
			t.TLSClientConfig.RootCAs.AppendCertsFromPEM(o.Issuer.CAFile)
		}
		c.Transport = t
	}
	c.Transport = &wire{base: c.Transport, now: o.Now}
	return &c
}
