package issue

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"certwright/internal/evidence"
)

// connectionClass names the way in which a request got no answer: one of the classes of evidence.Authority.
func connectionClass(err error) string {
	var (
		dns     *net.DNSError
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		name    x509.HostnameError
		verify  *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		alert   tls.AlertError
	)
	switch {
	case errors.As(err, &dns):
		return "unresolvable"
	case errors.As(err, &unknown):
		return evidence.ClassUntrusted
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return evidence.ClassDates
	case errors.As(err, &name):
		return evidence.ClassName
	case errors.As(err, &verify):
		return evidence.ClassCert
	case errors.As(err, &record):
		return "not-tls"
	case errors.As(err, &alert):
		return "alert"
	case strings.Contains(err.Error(), "proxyconnect"), strings.Contains(err.Error(), "Proxy Authentication Required"):
		return evidence.ClassProxy
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return "unreachable"
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return "timeout"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "reset"
	}
	return "other"
}

// certificateClass says whether an HTTPS certificate was sent and not believed.
func certificateClass(class string) bool {
	return slices.Contains([]string{evidence.ClassUntrusted, evidence.ClassDates, evidence.ClassName, evidence.ClassCert}, class)
}

// strangerName is a server name that no authority serves: who has a certificate for it makes them on the fly.
const strangerName = "not-there.certwright.invalid"

// lookAtChain gets the certificates that were not believed, and sees whether the same address makes a
// certificate for any name that is asked for, as inspecting proxies do.
func (a *ACME) lookAtChain(ctx context.Context, u *url.URL, seen *evidence.Authority) {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	address := net.JoinHostPort(u.Hostname(), port)
	if chain := a.handshake(ctx, address, u.Hostname()); len(chain) > 0 {
		for _, c := range chain {
			seen.Chain = append(seen.Chain, c.Raw)
		}
		other := a.handshake(ctx, address, strangerName)
		seen.Minted = len(other) > 0 && other[0].VerifyHostname(strangerName) == nil
	}
}

// handshake gives the certificates that a server sends for a name, believed or not; nothing is sent over it.
func (a *ACME) handshake(ctx context.Context, address, name string) []*x509.Certificate {
	dial := a.o.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: lookLimit}).DialContext
	}
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil
	}
	defer conn.Close()
	c := tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, Time: a.o.Now}) // only looked at
	if c.HandshakeContext(ctx) != nil {
		return nil
	}
	return c.ConnectionState().PeerCertificates
}
