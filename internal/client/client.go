// Package client is the Go client of Certwright's API: the command line's way to a server.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"

	"certwright/internal/arm"
)

// Config is where a server is and who we are there.
type Config struct {
	URL   string // base URL, https
	CA    []byte // PEM roots that its certificate must chain to; nil = the system's
	Token string
	Now   func() time.Time // by which the server's certificate is judged; nil = the system's clock
}

// Client talks to one server. It is safe for use by many goroutines.
type Client struct {
	base     *url.URL
	ownRoots bool
	pipeline runtime.Pipeline
}

// New checks the configuration and makes a client; nothing is sent.
func New(c Config) (*Client, error) {
	u, err := url.Parse(strings.TrimRight(c.URL, "/"))
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is no server address: it must be an https:// URL", c.URL)
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, Time: c.Now}
	if len(c.CA) > 0 {
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(c.CA) {
			return nil, errors.New("the CA given for the server holds no certificate in PEM")
		}
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	transport := &http.Transport{TLSClientConfig: t, DialContext: dialer.DialContext, ForceAttemptHTTP2: true, ResponseHeaderTimeout: 2 * time.Minute}
	return &Client{base: u, ownRoots: len(c.CA) > 0, pipeline: newPipeline(c.Token, &http.Client{Transport: transport})}, nil
}

// URL is the server's base URL.
func (c *Client) URL() string { return c.base.String() }

// At is the server as lines for a shell name it.
func (c *Client) At() arm.Server { return arm.Server{URL: c.URL(), OwnRoots: c.ownRoots} }

// Error is a refusal or failure that the server answered with.
type Error struct {
	Status int // HTTP status
	arm.ErrorInfo
	Answer Answer // as it came
}

// Error is the message, with the property it is about and the next step.
func (e *Error) Error() string {
	s := e.Message
	if e.Target != "" && !strings.HasPrefix(s, e.Target+": ") {
		s = e.Target + ": " + s
	}
	if e.Fix != "" {
		s += "\n  → " + e.Fix
	}
	return s
}

// NotFound says whether the thing asked for is not there.
func NotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// Answer is what the server sent back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Call sends a request with a JSON body (nil = none) and decodes the answer into out: a pointer, a
// *[]byte for the raw body, or nil.
func (c *Client) Call(ctx context.Context, method, path string, query url.Values, body, out any, header ...string) error {
	var payload []byte
	if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			return fmt.Errorf("encode the request: %w", err)
		}
	}
	a, err := c.Send(ctx, method, path, query, payload, header...)
	if err != nil {
		return err
	}
	switch o := out.(type) {
	case nil:
		return nil
	case *[]byte:
		*o = a.Body
		return nil
	}
	if len(a.Body) == 0 {
		return nil
	}
	if err := json.Unmarshal(a.Body, out); err != nil {
		return fmt.Errorf("the answer of %s cannot be read: %w", c.base, err)
	}
	return nil
}

// Send sends a request with a JSON body as it is (nil = none) to a path of the server, or to a whole address that it gave
// as nextLink or Location. An answer of 400 or more is an *Error.
func (c *Client) Send(ctx context.Context, method, path string, query url.Values, body []byte, header ...string) (Answer, error) {
	u := path
	if !strings.HasPrefix(path, "https://") {
		u = c.base.String() + path
	}
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	req, err := runtime.NewRequest(ctx, method, u)
	if err != nil {
		return Answer{}, err
	}
	runtime.SkipBodyDownload(req)
	req.Raw().Header.Set("Accept", "application/json")
	if body != nil {
		if err := req.SetBody(streaming.NopCloser(bytes.NewReader(body)), "application/json"); err != nil {
			return Answer{}, err
		}
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Raw().Header.Set(header[i], header[i+1])
	}
	resp, err := c.pipeline.Do(req)
	if err != nil {
		return Answer{}, c.unreachable(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return Answer{}, c.unreachable(err)
	}
	if resp.StatusCode >= 400 {
		return Answer{}, readError(resp, data)
	}
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: data}, nil
}

// unreachable says in words why the server did not answer.
func (c *Client) unreachable(err error) error {
	var of *url.Error
	if errors.As(err, &of) { // its method and URL say nothing to a user of the command line
		err = of.Err
	}
	var unknown x509.UnknownAuthorityError
	var cert *tls.CertificateVerificationError
	var op *net.OpError
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &unknown):
		return fmt.Errorf("the server at %s shows a certificate of an authority that is not trusted here: %w\n  → the roots of Certwright's own authority: curl -sk %s/ca.pem -o ca.pem\n  → sign in again with: certwright login %s --ca-file ca.pem", c.base, err, c.base, c.base)
	case errors.As(err, &cert):
		return fmt.Errorf("the server at %s shows a certificate that cannot be trusted: %w\n  → see what is wrong with it: certwright diagnose %s", c.base, cert.Err, c.base.Host)
	case errors.As(err, &op) && op.Op == "dial":
		return noAnswer{fmt.Errorf("no server answers at %s: %w\n  → start it with: certwright serve", c.base, op.Err)}
	case hungUp(err):
		return noAnswer{fmt.Errorf("the server at %s has ended the connection: it was stopped, or is being restarted\n  → see that it runs, and what its log says", c.base)}
	}
	return noAnswer{fmt.Errorf("the server at %s did not answer: %w\n  → see that it runs, and what its log says", c.base, err)}
}

// noAnswer is an error that means that there is no server now.
type noAnswer struct{ error }

func (n noAnswer) Unwrap() error { return n.error }

// hungUp says whether the other side ended a connection that stood; HTTP/2's own word for it has no type.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || strings.Contains(err.Error(), "GOAWAY")
}

// Lost says whether an error means that there is no server now, rather than that it said no or is not to be trusted.
func Lost(err error) bool {
	var refused *Error
	if errors.As(err, &refused) {
		return refused.Status == http.StatusServiceUnavailable || refused.Status == http.StatusBadGateway || refused.Status == http.StatusGatewayTimeout
	}
	return errors.As(err, new(noAnswer))
}

func readError(resp *http.Response, data []byte) error {
	var b arm.ErrorBody
	_ = json.Unmarshal(data, &b) // the vaults' inner error is no text but an object: the rest is read all the same
	if b.Error.Message == "" {
		b.Error = arm.ErrorInfo{Code: "Unreadable", Message: fmt.Sprintf("the server answered %s with something that is not its own", resp.Status)}
	}
	return &Error{Status: resp.StatusCode, ErrorInfo: b.Error, Answer: Answer{Status: resp.StatusCode, Header: resp.Header, Body: data}}
}
