package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"

	"certwright/internal/evidence"
	"certwright/internal/site"
)

// Signature families that a handshake can offer (evidence.Served.Offered).
const (
	OfferAny   = "any"   // what a browser offers: the server chooses
	OfferECDSA = "ecdsa" // only a server's ECDSA certificate will do
	OfferRSA   = "rsa"   // only a server's RSA certificate will do
)

// LookTLS looks at every address of the endpoint with one handshake each (a second one only where a key type
// is asked for and the server speaks TLS 1.3 alone). It gives one observation of Check "serial" an address,
// its Data an evidence.Served, PASS when the leaf's serial is the expected one (hexadecimal, in any
// case; any serial when expected is empty). A host without addresses gives one observation. A look that
// could not be made from here (no route, the guard, the resolver silent, ctx over) is UNKNOWN.
func (p *Prober) LookTLS(ctx context.Context, e site.Endpoint, expected string) []evidence.Observation {
	host, port, err := net.SplitHostPort(e.Address)
	if err != nil {
		host, port = e.Address, "443"
	}
	name := e.ServerName
	if name == "" {
		name = host
	}
	look := tlsLook{port: port, name: sni(name), offered: offerFor(e.KeyType)}
	start := p.opt.Now()
	lctx, cancel := p.limit(ctx)
	addrs, err := p.addresses(lctx, host)
	cancel()
	if err != nil {
		o := evidence.Observation{Probe: evidence.ProbeTLS, Check: "serial", Subject: subject(e.Address, look.name),
			Outcome: outcomeOf(ctx, err), Expected: serialWord(expected), Reason: err.Error(), From: p.opt.From, At: start,
			Took: p.opt.Now().Sub(start), Command: "getent ahosts " + quote(host)}
		return []evidence.Observation{o.With(evidence.Served{Address: e.Address, ServerName: look.name, Offered: look.offered,
			Error: err.Error(), ErrorClass: ErrorClass(err)})}
	}
	out := make([]evidence.Observation, len(addrs))
	each(len(addrs), func(i int) {
		l := look
		l.addr = addrs[i]
		out[i] = p.serialObservation(ctx, l, expected)
	})
	return out
}

// serialObservation handshakes with one address and compares the leaf's serial.
func (p *Prober) serialObservation(ctx context.Context, l tlsLook, expected string) evidence.Observation {
	start := p.opt.Now()
	s, err := p.handshake(ctx, l)
	o := evidence.Observation{Probe: evidence.ProbeTLS, Check: "serial", Subject: subject(s.Address, s.ServerName), Outcome: evidence.Pass,
		Expected: serialWord(expected), From: p.opt.From, At: start, Took: s.Took, Command: opensslCommand(s)}
	if len(s.Chain) == 0 {
		o.Outcome, o.Reason = outcomeOf(ctx, err), s.Error
		return o.With(s)
	}
	serial, err := leafSerial(s.Chain[0])
	o.Seen = serialWord(serial)
	switch {
	case err != nil:
		o.Outcome, o.Reason = evidence.Fail, err.Error()
	case expected != "" && !sameSerial(serial, expected):
		o.Outcome = evidence.Fail
	}
	return o.With(s)
}

// tlsLook is one handshake to be made.
type tlsLook struct {
	addr    netip.Addr
	port    string
	name    string // SNI; empty = none
	offered string
}

// handshake captures what one address sends. It trusts nothing and verifies nothing: the chain is
// evidence. The error is also in the evidence, in words and as a class; it may come with a chain, when the server broke
// off after it had sent one (it wants a client certificate).
func (p *Prober) handshake(ctx context.Context, l tlsLook) (evidence.Served, error) {
	ctx, cancel := p.limit(ctx)
	defer cancel()
	start := p.opt.Now()
	s := evidence.Served{Address: net.JoinHostPort(l.addr.String(), l.port), ServerName: l.name, Family: family(l.addr), Offered: l.offered}
	err := p.handshakeGo(ctx, l, &s)
	if len(s.Chain) == 0 && needsOwnHello(l.offered, err) {
		if err13 := p.handshake13(ctx, l, &s); err13 == nil {
			err = nil
		} else if ErrorClass(err13) != ClassAlert {
			err = err13
		}
	}
	s.Took = p.opt.Now().Sub(start)
	if err != nil {
		s.Error, s.ErrorClass = err.Error(), ErrorClass(err)
	}
	return s, err
}

// needsOwnHello says whether a failed handshake is worth another one by hello13.go: offering one family, an alert
// leaves TLS 1.3 open (the server speaks nothing else, or has no cipher suite of that family in its TLS 1.2
// list); offering any, crypto/tls may have refused what the server sent, such as a certificate that it cannot parse.
func needsOwnHello(offered string, err error) bool {
	switch ErrorClass(err) {
	case ClassOther:
		return true
	case ClassAlert, ClassReset:
		return offered != OfferAny
	}
	return false
}

// handshakeGo uses crypto/tls. It cannot restrict a client's signature algorithms, so a family is
// chosen by TLS 1.2's cipher suites, which name the kind of certificate; TLS 1.3 has no such suites (hello13.go).
func (p *Prober) handshakeGo(ctx context.Context, l tlsLook, s *evidence.Served) error {
	conn, err := p.dialer().DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	cfg := &tls.Config{
		// Every server has one of these; the certificate is the same with a post-quantum exchange, which costs twice the time.
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
		ServerName:       l.name, InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, Time: p.opt.Now,
		CipherSuites: suites(l.offered),
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			s.Chain = raw
			return nil
		},
	}
	if l.offered != OfferAny {
		cfg.MaxVersion = tls.VersionTLS12
	}
	c := tls.Client(conn, cfg)
	err = c.HandshakeContext(ctx)
	cs := c.ConnectionState()
	s.Stapled = cs.OCSPResponse
	if cs.Version != 0 {
		s.Version = tls.VersionName(cs.Version)
	}
	if cs.CipherSuite != 0 {
		s.Cipher = tls.CipherSuiteName(cs.CipherSuite)
	}
	var h tls.RecordHeaderError
	if errors.As(err, &h) && bytes.HasPrefix(h.RecordHeader[:], []byte("HTTP")) {
		s.PlainHTTP = true
		return fmt.Errorf("%s answered in plain HTTP, not TLS: %w", s.Address, err)
	}
	return err
}

// suites are the cipher suites of TLS 1.0 to 1.2 that fit a certificate family, the insecure ones
// included: a probe wants to see the certificate even of a server that is badly set up.
func suites(offered string) []uint16 {
	var out []uint16
	for _, c := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if c.SupportedVersions[0] == tls.VersionTLS13 {
			continue // not configurable, always there
		}
		ecdsa := strings.Contains(c.Name, "_ECDSA_")
		if offered == OfferAny || ecdsa == (offered == OfferECDSA) {
			out = append(out, c.ID)
		}
	}
	return out
}

// offerFor is the family of an order's key type; unknown and empty ones leave the choice to the server.
func offerFor(keyType string) string {
	switch t := strings.ToUpper(keyType); {
	case strings.HasPrefix(t, "EC"):
		return OfferECDSA
	case strings.HasPrefix(t, "RSA"):
		return OfferRSA
	}
	return OfferAny
}

// sni is the name as it may be sent: never an IP address (RFC 6066 section 3).
func sni(name string) string {
	name = strings.TrimSuffix(strings.Trim(name, "[]"), ".")
	if _, err := netip.ParseAddr(name); err == nil {
		return ""
	}
	return name
}

func subject(address, name string) string {
	if name == "" {
		return address + " without sni"
	}
	return address + " sni=" + name
}

func serialWord(serial string) string {
	if serial == "" {
		return ""
	}
	return "serial " + strings.ToUpper(serial)
}

// leafSerial is the upper-case hexadecimal serial number of a certificate.
func leafSerial(der []byte) (string, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return "", fmt.Errorf("the leaf served cannot be parsed: %w", err)
	}
	return strings.ToUpper(evenHex(c.SerialNumber)), nil
}

// evenHex writes whole bytes, as openssl does.
func evenHex(n *big.Int) string {
	s := n.Text(16)
	if len(s)%2 == 1 {
		s = "0" + s
	}
	return s
}

// sameSerial compares as numbers: leading zeros, case and colons do not count.
func sameSerial(a, b string) bool {
	x, ok := new(big.Int).SetString(strings.ReplaceAll(a, ":", ""), 16)
	y, ok2 := new(big.Int).SetString(strings.ReplaceAll(b, ":", ""), 16)
	return ok && ok2 && x.Cmp(y) == 0
}

// opensslCommand repeats a handshake.
func opensslCommand(s evidence.Served) string {
	c := "openssl s_client -connect " + quote(s.Address)
	if s.ServerName == "" {
		c += " -noservername"
	} else {
		c += " -servername " + quote(s.ServerName)
	}
	switch s.Offered {
	case OfferECDSA:
		c += " -sigalgs ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512"
	case OfferRSA:
		c += " -sigalgs RSA-PSS+SHA256:RSA-PSS+SHA384:RSA+SHA256:RSA+SHA384:RSA+SHA512"
	}
	return c + " -showcerts </dev/null 2>/dev/null | openssl x509 -noout -serial -subject -issuer -dates"
}
