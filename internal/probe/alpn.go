package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"certwright/internal/evidence"
)

// CheckALPN is the Check of an observation that holds an evidence.ALPN.
const CheckALPN = "acme-tls/1"

// ProtocolALPN is the protocol that an authority offers for tls-alpn-01 (RFC 8737 section 6.2).
const ProtocolALPN = "acme-tls/1"

// oidACMEIdentifier is id-pe-acmeIdentifier (RFC 8737 section 6.1).
var oidACMEIdentifier = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}

// LookALPN looks at a port as an authority does for tls-alpn-01 (RFC 8737 section 3): at every address of
// the name, offering acme-tls/1 alone; then as any other client, and at the headers of a page for signs of a
// proxy in front. digest is what the certificate has to carry, nil = not known. One observation an address,
// its Data an evidence.ALPN:
//
//	PASS     acme-tls/1 was chosen (and, where digest is given, the certificate is the proof)
//	FAIL     it was not, or the certificate is no proof
//	UNKNOWN  not possible from here
func (p *Prober) LookALPN(ctx context.Context, name, port string, digest []byte, pin ...netip.Addr) []evidence.Observation {
	addrs := pin
	if len(addrs) == 0 {
		lctx, cancel := p.limit(ctx)
		defer cancel()
		var err error
		if addrs, err = p.addresses(lctx, name); err != nil {
			at := net.JoinHostPort(name, port)
			o := evidence.Observation{Probe: evidence.ProbeTLS, Check: CheckALPN, Subject: subject(at, sni(name)), Outcome: outcomeOf(ctx, err),
				Reason: err.Error(), From: p.opt.From, At: p.opt.Now(), Command: "getent ahosts " + quote(name)}
			return []evidence.Observation{o.With(evidence.ALPN{Name: name, Address: at, Error: err.Error(), ErrorClass: ErrorClass(err)})}
		}
	}
	out := make([]evidence.Observation, len(addrs))
	each(len(addrs), func(i int) { out[i] = p.alpnAt(ctx, name, port, addrs[i], digest) })
	return out
}

func (p *Prober) alpnAt(ctx context.Context, name, port string, a netip.Addr, digest []byte) evidence.Observation {
	start := p.opt.Now()
	r := evidence.ALPN{Name: name, Address: net.JoinHostPort(a.String(), port), Family: family(a), Expect: digest}
	err := p.offerALPN(ctx, &r)
	if r.ErrorClass == "" || r.ErrorClass == ClassAlert || r.ErrorClass == ClassReset || r.Foreign {
		p.normalALPN(ctx, &r)
	}
	o := evidence.Observation{Probe: evidence.ProbeTLS, Check: CheckALPN, Subject: subject(r.Address, sni(name)) + " offering " + ProtocolALPN,
		Outcome: evidence.Fail, Expected: ProtocolALPN + " chosen", From: p.opt.From, At: start, Took: p.opt.Now().Sub(start), Command: alpnCommand(r)}
	switch {
	case r.Negotiated == ProtocolALPN:
		if o.Outcome, o.Seen = evidence.Pass, ProtocolALPN+" chosen, certificate for "+strings.Join(r.Names, ", "); digest != nil && string(digest) != string(r.Digest) {
			o.Outcome, o.Reason = evidence.Fail, "the certificate is not the proof that is to be there"
		}
	case err == nil:
		o.Seen = "a handshake without " + ProtocolALPN
	case r.ErrorClass == ClassAlert:
		o.Seen = "the alert: " + r.Alert
	case r.Foreign:
		o.Seen = "another protocol chosen, which was not offered"
	default:
		o.Outcome, o.Reason = outcomeOf(ctx, err), r.Error
	}
	return o.With(r)
}

// offerALPN shakes hands as an authority does.
func (p *Prober) offerALPN(ctx context.Context, r *evidence.ALPN) error {
	ctx, cancel := context.WithTimeout(ctx, min(challengeWait, p.opt.Timeout))
	defer cancel()
	cs, err := p.shake(ctx, r.Address, r.Name, ProtocolALPN)
	if r.Negotiated = cs.NegotiatedProtocol; len(cs.PeerCertificates) > 0 {
		for _, c := range cs.PeerCertificates {
			r.Chain = append(r.Chain, c.Raw)
		}
		readALPN(r, cs.PeerCertificates[0])
	}
	if err != nil {
		r.Error, r.ErrorClass = err.Error(), ErrorClass(err)
		r.Foreign = strings.Contains(r.Error, "unadvertised ALPN protocol") // crypto/tls has no error value for it
		if r.ErrorClass == ClassAlert {
			r.Alert = alertText(err)
			r.NoProtocol = strings.HasSuffix(r.Alert, tls.AlertError(120).Error()) // no_application_protocol, RFC 7301 section 3.2
		}
	}
	return err
}

// normalALPN shakes hands as any client does, and asks for a page: a proxy's headers tell of a proxy.
func (p *Prober) normalALPN(ctx context.Context, r *evidence.ALPN) {
	ctx, cancel := context.WithTimeout(ctx, min(challengeWait, p.opt.Timeout)/2)
	defer cancel()
	cs, err := p.shake(ctx, r.Address, r.Name)
	if len(cs.PeerCertificates) > 0 {
		r.Normal = cs.PeerCertificates[0].Raw
	}
	if err != nil {
		r.NormalError = err.Error()
		return
	}
	a, err := netip.ParseAddrPort(r.Address)
	if err != nil {
		return
	}
	var f evidence.Fetched
	u := &url.URL{Scheme: "https", Host: net.JoinHostPort(r.Name, fmt.Sprint(a.Port())), Path: "/"}
	_ = p.walk(ctx, visit{url: u, addr: a.Addr(), agent: agentBrowser, follow: func(*url.URL) error { return errStay }}, &f) // without an answer there is no header
	if len(f.Hops) > 0 {
		r.Via = f.Hops[0].Cached
	}
}

// shake makes one handshake, whatever the certificate is.
func (p *Prober) shake(ctx context.Context, address, name string, protocols ...string) (tls.ConnectionState, error) {
	conn, err := p.dialer().DialContext(ctx, "tcp", address)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	c := tls.Client(conn, &tls.Config{ServerName: sniALPN(name), InsecureSkipVerify: true, NextProtos: protocols, Time: p.opt.Now})
	err = c.HandshakeContext(ctx)
	return c.ConnectionState(), err
}

// sniALPN is the server name of the look: of an address its name in the reverse tree (RFC 8738 section 6).
func sniALPN(name string) string {
	a, err := netip.ParseAddr(name)
	if err != nil {
		return sni(name)
	}
	if a = a.Unmap(); a.Is4() {
		b := a.As4()
		return fmt.Sprintf("%d.%d.%d.%d.in-addr.arpa", b[3], b[2], b[1], b[0])
	}
	var s strings.Builder
	b := a.As16()
	for i := 15; i >= 0; i-- {
		fmt.Fprintf(&s, "%x.%x.", b[i]&15, b[i]>>4)
	}
	return s.String() + "ip6.arpa"
}

// readALPN takes what RFC 8737 section 3 demands of the certificate.
func readALPN(r *evidence.ALPN, c *x509.Certificate) {
	r.SelfSigned = c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
	r.Names = append(r.Names, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		r.Names = append(r.Names, ip.String())
	}
	r.Names = append(r.Names, c.EmailAddresses...)
	for _, u := range c.URIs {
		r.Names = append(r.Names, u.String())
	}
	for _, e := range c.Extensions {
		if e.Id.Equal(oidACMEIdentifier) {
			r.Extension, r.Critical = true, e.Critical
			r.Digest, r.BadDigest = readDigest(e.Value)
		}
	}
}

// readDigest reads the content of acmeIdentifier: an OCTET STRING of 32 bytes.
func readDigest(der []byte) (digest []byte, bad bool) {
	rest, err := asn1.Unmarshal(der, &digest)
	if err != nil || len(rest) > 0 || len(digest) != 32 {
		return nil, true
	}
	return digest, false
}

// alertText is the alert's own words.
func alertText(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err.Error()
	}
	return err.Error()
}

// alpnCommand repeats the look.
func alpnCommand(r evidence.ALPN) string {
	return "openssl s_client -connect " + quote(r.Address) + " -servername " + quote(sniALPN(r.Name)) + " -alpn " + ProtocolALPN +
		" </dev/null 2>&1 | grep -E 'ALPN|alert'; openssl s_client -connect " + quote(r.Address) + " -servername " + quote(sniALPN(r.Name)) +
		" -alpn " + ProtocolALPN + " </dev/null 2>/dev/null | openssl x509 -noout -text | grep -A1 -E '1.3.6.1.5.5.7.1.31|Alternative'"
}
