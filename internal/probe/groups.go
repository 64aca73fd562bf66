package probe

import (
	"context"
	"crypto/tls"
	encasn1 "encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"certwright/internal/evidence"
)

// This file finds the key-exchange group (curve) without which a server makes no handshake, where current clients lack it.

// groupNames are the groups of the IANA registry that a server may insist on, as OpenSSL calls them.
var groupNames = map[uint16]string{
	19: "prime192v1", 21: "secp224r1", 22: "secp256k1", 23: "P-256", 24: "P-384", 25: "P-521", 26: "brainpoolP256r1", 27: "brainpoolP384r1", 28: "brainpoolP512r1",
	29: "X25519", 30: "X448", 31: "brainpoolP256r1tls13", 32: "brainpoolP384r1tls13", 33: "brainpoolP512r1tls13",
	256: "ffdhe2048", 257: "ffdhe3072", 258: "ffdhe4096", 259: "ffdhe6144", 260: "ffdhe8192", 512: "MLKEM512", 513: "MLKEM768", 514: "MLKEM1024",
	4587: "SecP256r1MLKEM768", 4588: "X25519MLKEM768", 4589: "SecP384r1MLKEM1024",
}

// hybrids are the groups that current browsers have beside the curves which every client has.
var hybrids = []tls.CurveID{tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024}

// allGroups are the common curves first, then all others.
func allGroups() []uint16 {
	out := commonGroups()
	for id := range groupNames {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	slices.Sort(out[len(curves):])
	return out
}

func commonGroups() (out []uint16) {
	for _, c := range curves {
		out = append(out, uint16(c))
	}
	return out
}

// otherGroup looks whether a TLS 1.3 server ends the handshake for want of a group, and gives the one it asks for: a hello that
// names every group and brings a key for none is answered with the group wanted (RFC 8446 section 4.1.4), and the same hello
// with the common curves alone is refused. False = the groups are not why.
func (p *Prober) otherGroup(ctx context.Context, l tlsLook, s *evidence.Served) (tls.CurveID, bool) {
	wants, err := p.groupAsked(ctx, l, s, allGroups())
	if err != nil || slices.Contains(curves, wants) {
		return 0, false
	}
	_, err = p.groupAsked(ctx, l, s, commonGroups())
	return wants, ErrorClass(err) == ClassAlert
}

// groupAsked is the group that a server of TLS 1.3 asks for out of those offered.
func (p *Prober) groupAsked(ctx context.Context, l tlsLook, s *evidence.Served, groups []uint16) (tls.CurveID, error) {
	var asked uint16
	err := p.exchange13(ctx, l, s, groups, nil, func(h *hello13, r *reader13) error {
		sh, err := r.message(2)
		if err != nil {
			return err
		}
		answer, err := parseServerHello13(sh[4:])
		if asked = answer.group; err == nil && !answer.retry {
			return errors.New("the server asks for no group")
		}
		return err
	})
	return tls.CurveID(asked), err
}

// withHybrids shakes hands as current browsers do, with the post-quantum groups that clientConfig leaves out.
func (p *Prober) withHybrids(ctx context.Context, l tlsLook, s *capture, wants tls.CurveID) error {
	l.groups = append([]tls.CurveID{wants}, curves...)
	err := p.handshakeGo(ctx, l, s)
	if err == nil {
		s.Group, s.GroupNew = tlsGroup(uint16(wants)), true
	}
	return err
}

func tlsGroup(id uint16) string {
	if n, ok := groupNames[id]; ok {
		return n
	}
	return fmt.Sprintf("group %#04x", id)
}

// oddGroup is the group of a TLS 1.2 server's key exchange, or the curve of its key, where it is none of the common ones and
// the cipher suite is one that every client has: then it is for the group that current clients are refused.
func oddGroup(s evidence.Served, exchange []byte) string {
	if !current(s) {
		return ""
	}
	if curve := oddCurve(s.Chain[0]); curve != "" {
		return curve
	}
	b := cryptobyte.String(exchange)
	var kind uint8
	var group uint16
	if !b.ReadUint8(&kind) || !b.ReadUint16(&group) || kind != 3 || slices.Contains(curves, tls.CurveID(group)) {
		return "" // 3 = a named curve (RFC 8422 section 5.4)
	}
	return tlsGroup(group)
}

// keyCurves are curves of keys that no common client knows, by their object identifiers.
var keyCurves = map[string]string{"1.3.132.0.10": "secp256k1", "1.2.840.10045.3.1.1": "prime192v1", "1.3.36.3.3.2.8.1.1.7": "brainpoolP256r1",
	"1.3.36.3.3.2.8.1.1.11": "brainpoolP384r1", "1.3.36.3.3.2.8.1.1.13": "brainpoolP512r1", "1.3.132.0.33": "secp224r1"}

// oddCurve is the curve of a certificate's key if it is one of keyCurves.
func oddCurve(der []byte) string {
	var cert, tbs, spki, alg cryptobyte.String
	in := cryptobyte.String(der)
	if !in.ReadASN1(&cert, asn1.SEQUENCE) || !cert.ReadASN1(&tbs, asn1.SEQUENCE) || !tbs.SkipOptionalASN1(asn1.Tag(0).ContextSpecific().Constructed()) {
		return ""
	}
	for _, field := range []asn1.Tag{asn1.INTEGER, asn1.SEQUENCE, asn1.SEQUENCE, asn1.SEQUENCE, asn1.SEQUENCE} { // serial, signature, issuer, validity, subject
		if !tbs.SkipASN1(field) {
			return ""
		}
	}
	var oid encasn1.ObjectIdentifier
	if !tbs.ReadASN1(&spki, asn1.SEQUENCE) || !spki.ReadASN1(&alg, asn1.SEQUENCE) || !alg.SkipASN1(asn1.OBJECT_IDENTIFIER) || !alg.ReadASN1ObjectIdentifier(&oid) {
		return ""
	}
	return keyCurves[oid.String()]
}
