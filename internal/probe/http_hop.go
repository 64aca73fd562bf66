package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"

	"certwright/internal/evidence"
)

// hop makes one request on a connection of its own, to the first address that connects. It keeps the
// body's beginning in f, and in f.Phase how far it came.
func (p *Prober) hop(ctx context.Context, v visit, u *url.URL, addrs []netip.Addr, f *evidence.Fetched) (evidence.Hop, error) {
	h := evidence.Hop{URL: u.String()}
	var at atomic.Value // Go's transport tells of its progress from goroutines of its own
	at.Store(net.JoinHostPort(addrs[0].String(), portOf(u)))
	var phase atomic.Value
	phase.Store(evidence.PhaseConnect)
	tr := &http.Transport{
		DisableKeepAlives:  true,
		DisableCompression: true,
		TLSClientConfig:    &tls.Config{InsecureSkipVerify: true, Time: p.opt.Now, MinVersion: tls.VersionTLS10},
		DialContext: func(ctx context.Context, _, _ string) (conn net.Conn, err error) {
			for _, a := range addrs {
				at.Store(net.JoinHostPort(a.String(), portOf(u)))
				if conn, err = p.dialer().DialContext(ctx, "tcp", at.Load().(string)); err == nil || ctx.Err() != nil {
					return conn, err
				}
			}
			return nil, err
		},
	}
	defer tr.CloseIdleConnections()
	trace := &httptrace.ClientTrace{
		TLSHandshakeStart: func() { phase.Store(evidence.PhaseTLS) },
		GotConn:           func(httptrace.GotConnInfo) { phase.Store(evidence.PhaseAnswer) },
	}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), http.MethodGet, u.String(), nil)
	if err != nil {
		return h, err
	}
	req.Header.Set("User-Agent", v.agent)
	req.Header.Set("Accept", "*/*")
	resp, err := tr.RoundTrip(req)
	f.Phase, h.Address = phase.Load().(string), at.Load().(string)
	if err != nil {
		// The library has no type for either: what comes is no HTTP, or it comes before anything was asked.
		if strings.Contains(err.Error(), "malformed HTTP") || strings.Contains(err.Error(), "readLoopPeekFail") {
			f.ErrorClass = ClassNotHTTP
		}
		return h, fmt.Errorf("get %s from %s: %w", u, h.Address, err)
	}
	defer resp.Body.Close()
	describe(&h, resp)
	f.Phase = evidence.PhaseBody
	f.Body, f.Longer, err = readStart(resp.Body)
	if err != nil {
		return h, fmt.Errorf("read %s from %s: %w", u, h.Address, err)
	}
	return h, nil
}

// readStart keeps the first KiB of a body, and reads on so far that a body that trickles is noticed.
func readStart(r io.Reader) (start []byte, longer bool, err error) {
	start, err = io.ReadAll(io.LimitReader(r, maxBody))
	if err != nil || len(start) < maxBody {
		return start, false, err
	}
	n, _ := io.CopyN(io.Discard, r, 1)
	return start, n > 0, nil
}

// headers that caches and proxies add (RFC 9111 section 5.1, RFC 9110 section 7.6.3, RFC 9211, and customs).
var cacheHeaders = []string{"Age", "Via", "Cache-Status", "X-Cache", "X-Cache-Status", "X-Proxy-Cache", "CF-Cache-Status", "CF-Ray", "X-Served-By", "X-Amz-Cf-Id", "X-Varnish"}

// headers with which firewalls say, to programs, that the answer is a test and not the page.
var gateHeaders = []string{"Cf-Mitigated", "X-Amzn-Waf-Action", "X-Sucuri-Block", "X-Datadome"}

// maxHeader bounds how much of a foreign header value is kept.
const maxHeader = 200

// describe takes what matters of an answer's header.
func describe(h *evidence.Hop, resp *http.Response) {
	get := func(name string) string { return cut(resp.Header.Get(name), maxHeader) }
	h.Status, h.Location = resp.StatusCode, cut(resp.Header.Get("Location"), 2048)
	h.Server, h.Type, h.Asks = get("Server"), get("Content-Type"), get("WWW-Authenticate")
	var cached []string
	for _, n := range cacheHeaders {
		v := get(n)
		if v == "" {
			continue
		}
		cached = append(cached, n+": "+v)
		low := strings.ToLower(v)
		h.Hit = h.Hit || n == "Age" && v != "0" || n != "Via" && n != "Age" && strings.Contains(low, "hit")
	}
	h.Cached = strings.Join(cached, "; ")
	for _, n := range gateHeaders {
		if v := get(n); v != "" {
			h.Gate = n + ": " + v
		}
	}
	for _, c := range resp.Cookies() {
		if len(h.Cookies) < 8 {
			h.Cookies = append(h.Cookies, cut(c.Name, 60))
		}
	}
	if resp.TLS != nil && len(resp.TLS.PeerCertificates) > 0 {
		h.Cert = resp.TLS.PeerCertificates[0].Raw
	}
}

// cut shortens a foreign text and keeps it printable.
func cut(s string, n int) string {
	return strings.ToValidUTF8(s[:min(len(s), n)], "?")
}
