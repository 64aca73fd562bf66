package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
	"certwright/internal/site"
)

// Signature families that a handshake can offer (evidence.Served.Offered).
const (
	OfferAny   = "any"    // what a browser offers: the server chooses
	OfferECDSA = "ecdsa"  // only a server's ECDSA certificate will do
	OfferRSA   = "rsa"    // only a server's RSA certificate will do
	OfferTLS12 = "tls1.2" // as any, but no TLS 1.3: some servers keep another certificate for it
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
	look := tlsLook{port: port, name: sni(name), offered: offerFor(e.KeyType), start: p.startProtocol(port)}
	start := p.opt.Now()
	addrs, err := p.lookup(ctx, host)
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
		Expected: serialWord(expected), From: p.opt.From, At: start, Took: s.Took, Command: opensslCommand(s.Served)}
	if len(s.Chain) == 0 {
		o.Outcome, o.Reason = outcomeOf(ctx, err), s.Error
		return o.With(s.Served)
	}
	serial, err := s.serial()
	o.Seen = serialWord(serial)
	switch {
	case err != nil:
		o.Outcome, o.Reason = evidence.Fail, err.Error()
	case expected != "" && !sameSerial(serial, expected):
		o.Outcome = evidence.Fail
	}
	return o.With(s.Served)
}

// lookup finds the addresses of a host within the limit of one look.
func (p *Prober) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, ok := literal(host); ok {
		return []netip.Addr{a}, nil
	}
	ctx, cancel := p.limit(ctx)
	defer cancel()
	return p.addresses(ctx, host)
}

// tlsLook is one handshake to be made.
type tlsLook struct {
	addr    netip.Addr
	port    string
	name    string // SNI; empty = none
	offered string
	start   string        // the protocol to speak before TLS; empty = none
	proxy   bool          // send a PROXY header first, as a proxy in front would
	groups  []tls.CurveID // key exchange; none = the common curves
}

// capture is the evidence of one handshake, with the leaf as crypto/tls parsed it: nil where it did not.
type capture struct {
	evidence.Served
	leaf *x509.Certificate
}

// serial is that of the leaf, of which there must be one.
func (c capture) serial() (string, error) {
	if c.leaf != nil {
		return order.SerialOf(c.leaf), nil
	}
	return leafSerial(c.Chain[0])
}

// handshake captures what one address sends. It trusts nothing and verifies nothing: the chain is
// evidence. The error is also in the evidence, in words and as a class; it may come with a chain: when the server broke
// off after it had sent one (it wants a client certificate), or when only a client of the past is given one (Legacy).
func (p *Prober) handshake(ctx context.Context, l tlsLook) (capture, error) {
	ctx, cancel := p.limit(ctx)
	defer cancel()
	start := p.opt.Now()
	s := capture{Served: evidence.Served{Address: net.JoinHostPort(l.addr.String(), l.port), ServerName: l.name, Family: family(l.addr), Offered: l.offered, StartTLS: l.start}}
	err := p.handshakeGo(ctx, l, &s)
	if len(s.Chain) == 0 && needsOwnHello(l.offered, err) {
		if err13 := p.handshake13(ctx, l, &s.Served); err13 == nil {
			err = nil
		} else if ErrorClass(err13) != ClassAlert {
			err = err13
		}
	}
	if len(s.Chain) == 0 && l.offered == OfferAny && !l.proxy && worthAnOldHello(err) && p.opt.Now().Sub(start) < slowEnd {
		err = p.asOthers(ctx, l, &s, err)
	}
	s.Took = p.opt.Now().Sub(start)
	if err != nil {
		s.Error, s.ErrorClass = err.Error(), ErrorClass(err)
	}
	return s, err
}

// asOthers looks whether a client of the past, or one with other groups, fares better than the current one that got err. What comes
// back is the current client's error still, or nil where such a client does get through.
func (p *Prober) asOthers(ctx context.Context, l tlsLook, s *capture, err error) error {
	wants, odd := tls.CurveID(0), false
	if ErrorClass(err) == ClassAlert {
		wants, odd = p.otherGroup(ctx, l, &s.Served)
	}
	if odd && slices.Contains(hybrids, wants) && p.withHybrids(ctx, l, s, wants) == nil {
		return nil
	}
	if p.handshake12(ctx, l, &s.Served) == nil {
		if s.Legacy = ErrorClass(err) != ClassOther || !current(s.Served); !s.Legacy {
			s.Group, err = "", nil // crypto/tls could not read what any other client can
		}
	}
	if odd {
		s.Group = tlsGroup(uint16(wants))
	}
	return err
}

// needsOwnHello says whether a failed handshake is worth another one by hello13.go: offering one family, an alert
// leaves TLS 1.3 open (the server speaks nothing else, or has no cipher suite of that family in its TLS 1.2
// list); offering any, crypto/tls may have refused what the server sent, such as a certificate that it cannot parse.
func needsOwnHello(offered string, err error) bool {
	switch ErrorClass(err) {
	case ClassOther:
		return offered != OfferTLS12
	case ClassAlert, ClassReset:
		return offered == OfferECDSA || offered == OfferRSA
	}
	return false
}

// slowEnd is how late an end comes from a proxy that tried to reach something behind it: asking again would only wait again.
const slowEnd = time.Second

// worthAnOldHello says whether a client of the past may fare better: the server broke off, and not over the name.
func worthAnOldHello(err error) bool {
	switch ErrorClass(err) {
	case ClassOther, ClassReset:
		return true
	case ClassAlert:
		return !strings.Contains(err.Error(), "unrecognized name")
	}
	return false
}

// current says whether version and cipher suite are ones that current clients offer.
func current(s evidence.Served) bool {
	for _, c := range tls.CipherSuites() {
		if c.Name == s.Cipher {
			return s.Version == "TLS 1.2" || s.Version == "TLS 1.3"
		}
	}
	return false
}

// handshakeGo uses crypto/tls. It cannot restrict a client's signature algorithms, so a family is
// chosen by TLS 1.2's cipher suites, which name the kind of certificate; TLS 1.3 has no such suites (hello13.go).
func (p *Prober) handshakeGo(ctx context.Context, l tlsLook, s *capture) error {
	conn, err := p.dialer().DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if l.proxy {
		if _, err := conn.Write([]byte(proxyHeader(conn))); err != nil {
			return err
		}
	}
	if err := p.begin(ctx, conn, l); err != nil {
		return err
	}
	heard := &recorder{Conn: conn}
	c := tls.Client(heard, p.clientConfig(l, &s.Served))
	err = c.HandshakeContext(ctx)
	cs := c.ConnectionState()
	s.Stapled, s.SCTs = cs.OCSPResponse, len(cs.SignedCertificateTimestamps)
	if cs.Version != 0 {
		s.Version = tls.VersionName(cs.Version)
	}
	if cs.CipherSuite != 0 {
		s.Cipher = suiteName(cs.CipherSuite)
	}
	if len(s.Chain) > 0 && len(cs.PeerCertificates) > 0 {
		s.leaf = cs.PeerCertificates[0]
	}
	var h tls.RecordHeaderError
	switch {
	case err == nil && s.ClientCert && l.start == "":
		return p.afterAsking(ctx, c, &s.Served)
	case !errors.As(err, &h):
		return err
	}
	s.Greeting = firstRunes(printable(heard.first[:heard.n]), 80)
	if looksLikeHTTP(h.RecordHeader[:]) {
		s.PlainHTTP = true
		return fmt.Errorf("%s answered in plain HTTP, not TLS: %w", s.Address, err)
	}
	s.Speaks = greetingOf(heard.first[:heard.n])
	return err
}

// looksLikeHTTP says whether the first five bytes are those of a web server: a status line, or the page that some send
// without one to a request that they cannot read.
func looksLikeHTTP(first []byte) bool {
	first = bytes.ToLower(first)
	for _, begins := range []string{"http/", "<html", "<!doc", "<head", "<?xml"} {
		if bytes.HasPrefix(first, []byte(begins)) {
			return true
		}
	}
	return false
}

// clientConfig is a current client's, but for trusting anybody. Looks for one family offer what is old as well:
// whether a current client fares well is seen by the look that offers any.
func (p *Prober) clientConfig(l tlsLook, s *evidence.Served) *tls.Config {
	cfg := &tls.Config{
		// Every server has one of these; the certificate is the same with a post-quantum exchange, which costs twice the time.
		CurvePreferences: curves,
		ServerName:       l.name, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, Time: p.opt.Now,
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			s.Chain = raw
			return nil
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			s.ClientCert = true
			return &tls.Certificate{}, nil
		},
	}
	if len(l.groups) > 0 {
		cfg.CurvePreferences = l.groups
	}
	switch l.offered {
	case OfferECDSA, OfferRSA:
		cfg.CipherSuites, cfg.MinVersion, cfg.MaxVersion = suites(l.offered), tls.VersionTLS10, tls.VersionTLS12
	case OfferTLS12:
		cfg.MaxVersion = tls.VersionTLS12
	}
	return cfg
}

var curves = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}

// afterAsking sees whether a server that asked for a client's certificate goes on without one: in TLS 1.3 the alert comes
// after the handshake, and some answer by a status of HTTP.
func (p *Prober) afterAsking(ctx context.Context, c *tls.Conn, s *evidence.Served) error {
	if t, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(t); err != nil {
			return err
		}
	}
	stop := context.AfterFunc(ctx, func() { c.NetConn().Close() })
	defer stop()
	if _, err := io.WriteString(c, getRequest(s.ServerName)); err != nil {
		return err
	}
	line := make([]byte, 64)
	n, err := io.ReadAtLeast(c, line, len("HTTP/1.1 400"))
	if err != nil {
		if ErrorClass(err) == ClassAlert {
			return err
		}
		return nil // silence or an end, as of a server that speaks no HTTP
	}
	s.HTTPStatus = statusOf(line[:n])
	return nil
}

// recorder keeps the first bytes that came.
type recorder struct {
	net.Conn
	first [96]byte
	n     int
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	if r.n < len(r.first) && n > 0 {
		r.n += copy(r.first[r.n:], b[:n])
	}
	return n, err
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
	if _, ok := literal(name); ok {
		return ""
	}
	return bareName(name)
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
	return order.SerialOf(c), nil
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
	case OfferTLS12:
		c += " -tls1_2"
	}
	if s.StartTLS != "" {
		c += " -starttls " + s.StartTLS
	}
	if s.Group != "" {
		c += " -groups " + s.Group + ":X25519:P-256:P-384:P-521"
	}
	if s.Legacy {
		c += " " + legacyFlags(s.Version)
	}
	return c + " -showcerts </dev/null 2>/dev/null | openssl x509 -noout -serial -subject -issuer -dates"
}

// legacyFlags make openssl as permissive as the old hello was.
func legacyFlags(version string) string {
	flag := map[string]string{"SSL 3.0": "-ssl3", "TLS 1.0": "-tls1", "TLS 1.1": "-tls1_1", "TLS 1.2": "-tls1_2"}[version]
	return strings.TrimSpace(flag + " -cipher ALL:COMPLEMENTOFALL:@SECLEVEL=0")
}
