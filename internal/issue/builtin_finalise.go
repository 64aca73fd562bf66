package issue

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
)

const (
	builtinSkew       = 5 * time.Minute // how far a certificate is back-dated for clients whose clock is behind
	builtinSerialLen  = 20
	builtinRandomLen  = 9 // octets: 69 random bits, more than the 64 of BR 7.1
	builtinRecordTry  = 3
	builtinSerialMark = 0x40 // second bit set: never negative, always 20 octets
	builtinSerialRSA  = 0x20 // third bit: the family, by which CRLs are told apart
)

// Finalise signs the certificate for an attempt, once, and returns it with its issuing authority.
//
// No serial is ever on two different certificates, whatever crashes and however many replicas are at
// it. The serial is recorded before signing, one an attempt. It holds 69 random bits, the moment the
// certificate begins, and a digest of everything else that goes into it (key, names, end, authority, CRL);
// and the signature is deterministic. So the certificate is a function of the recorded serial and the request: who finds a
// serial without a certificate either signs exactly the same bytes again, or sees by the digest that
// the request is another one and gives the attempt up (its serial stays unused for ever). What is returned is what the
// book holds at the end, should a key store's signatures not be deterministic after all.
func (b *Builtin) Finalise(ctx context.Context, r fulfill.Request, o fulfill.Opening, csr []byte) ([][]byte, error) {
	req, p := b.checkCSR(r, csr)
	if p != nil {
		return nil, p
	}
	family := FamilyRSA
	if _, ok := req.PublicKey.(*ecdsa.PublicKey); ok {
		family = FamilyEC
	}
	ca, err := b.authority(ctx, family)
	if err != nil {
		return nil, &order.Problem{Class: order.Retry, What: "finalise", Where: o.URL, Detail: err.Error(), ID: "ca-builtin-key-unavailable", Owner: order.OwnerAdmin,
			Cause: "the issuing authority's key cannot be opened", Fix: "Check the key-encryption key and the database; it is tried again", At: b.opt.Now()}
	}
	serial, cert, found, err := b.opt.Serials.IssuedByAttempt(ctx, r.Attempt)
	if err != nil {
		return nil, fmt.Errorf("look up what was issued for the attempt: %w", err)
	}
	if !found || cert == nil {
		if err := b.maySign(ctx, r, o); err != nil {
			return nil, err
		}
		if serial, cert, err = b.record(ctx, r, req, ca, serial); err != nil {
			return nil, err
		}
	}
	if cert == nil {
		if cert, err = b.signRecorded(ctx, r, req, ca, serial); err != nil {
			return nil, err
		}
	}
	return b.chainOf(cert, req, ca)
}

// chainOf checks that the certificate in the book is the one asked for.
func (b *Builtin) chainOf(cert []byte, req *x509.CertificateRequest, ca *builtinCA) ([][]byte, error) {
	leaf, err := x509.ParseCertificate(cert)
	if err != nil {
		return nil, fmt.Errorf("the certificate in the book cannot be read: %w", err)
	}
	if !builtinSameKey(leaf.PublicKey, req.PublicKey) {
		return nil, b.giveUp("finalise", "", "", "a certificate for another key was issued for this attempt before", "Nothing: a new attempt follows")
	}
	return [][]byte{cert, ca.cert.Raw}, nil
}

// record writes the intent to sign, unless serial is recorded already, and returns the attempt's serial,
// and its certificate where another replica was faster.
func (b *Builtin) record(ctx context.Context, r fulfill.Request, req *x509.CertificateRequest, ca *builtinCA, serial string) (string, []byte, error) {
	if serial != "" {
		return serial, nil, nil
	}
	from := b.opt.Now().UTC().Truncate(time.Second).Add(-builtinBack(b.validity(r)))
	if from.Before(ca.cert.NotBefore) {
		from = ca.cert.NotBefore
	}
	until, p := b.end(r, ca, from)
	if p != nil {
		return "", nil, p
	}
	for range builtinRecordTry {
		serial, err := b.newSerial(r, req, ca, from, until)
		if err != nil {
			return "", nil, err
		}
		ok, err := b.opt.Serials.RecordSerial(ctx, serial, r.Order.Key(), r.Attempt, until)
		if err != nil {
			return "", nil, fmt.Errorf("record the serial before signing: %w", err)
		}
		if ok {
			return serial, nil, nil
		}
		there, cert, found, err := b.opt.Serials.IssuedByAttempt(ctx, r.Attempt)
		if err != nil {
			return "", nil, fmt.Errorf("look up what was issued for the attempt: %w", err)
		}
		if found {
			return there, cert, nil
		}
	}
	return "", nil, errors.New("no serial could be recorded: each was taken already, which chance cannot explain; see whether the random number source works")
}

// signRecorded signs under a recorded serial and keeps the certificate.
func (b *Builtin) signRecorded(ctx context.Context, r fulfill.Request, req *x509.CertificateRequest, ca *builtinCA, serial string) ([]byte, error) {
	raw, err := hex.DecodeString(serial)
	if err != nil || len(raw) != builtinSerialLen {
		return nil, fmt.Errorf("the serial %q in the book was not made by this authority", serial)
	}
	from := builtinSerialTime(raw)
	until, p := b.end(r, ca, from)
	if p != nil {
		return nil, p
	}
	if digest := b.commitment(r, req, ca, from, until, raw[:builtinRandomLen]); !slices.Equal(digest, raw[14:]) {
		return nil, b.giveUp("finalise", "", "", "the attempt was begun with another request or configuration", "Nothing: a new attempt follows")
	}
	if now := b.opt.Now(); until.Sub(now) < until.Sub(from)/2 {
		return nil, b.giveUp("finalise", "", "", "the attempt was interrupted for so long that more than half of the certificate's life is over", "Nothing: a new attempt follows")
	}
	der, err := builtinSign(b.leafTemplate(r, req, ca, raw, from, until), ca.cert, req.PublicKey, ca.key)
	if err != nil {
		return nil, err
	}
	if err := b.opt.Serials.SetIssued(ctx, serial, der); err != nil {
		return nil, fmt.Errorf("keep the certificate under its serial: %w", err)
	}
	_, kept, found, err := b.opt.Serials.IssuedByAttempt(ctx, r.Attempt)
	if err != nil || !found || kept == nil {
		return nil, fmt.Errorf("read the certificate back from the book (found %v): %w", found, err)
	}
	return kept, nil
}

// leafTemplate is the certificate to sign. Everything in it is in the commitment or follows from it.
func (b *Builtin) leafTemplate(r fulfill.Request, req *x509.CertificateRequest, ca *builtinCA, serial []byte, from, until time.Time) *x509.Certificate {
	ski := sha256.Sum256(req.RawSubjectPublicKeyInfo)
	t := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), NotBefore: from, NotAfter: until, SubjectKeyId: ski[:20],
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	if ca.family == FamilyRSA {
		t.KeyUsage |= x509.KeyUsageKeyEncipherment // RSA key exchange of TLS 1.2
	}
	if cn := r.Names[0].Value; len(cn) <= 64 { // RFC 5280: ub-common-name
		t.Subject = pkix.Name{CommonName: cn}
	}
	for _, n := range r.Names {
		if n.Kind == order.IP {
			t.IPAddresses = append(t.IPAddresses, net.ParseIP(n.Value))
		} else {
			t.DNSNames = append(t.DNSNames, n.Value)
		}
	}
	if b.opt.CRLURL != "" {
		t.CRLDistributionPoints = []string{b.opt.CRLURL + "/" + ca.family + ".crl"}
	}
	return t
}

// newSerial is 20 octets: random bits with mark and family in front, the beginning in Unix seconds, the commitment.
func (b *Builtin) newSerial(r fulfill.Request, req *x509.CertificateRequest, ca *builtinCA, from, until time.Time) (string, error) {
	s := make([]byte, builtinRandomLen, builtinSerialLen)
	if _, err := io.ReadFull(rand.Reader, s); err != nil {
		return "", fmt.Errorf("random bits for a serial: %w", err)
	}
	s[0] = s[0]&0x1f | builtinSerialMark
	if ca.family == FamilyRSA {
		s[0] |= builtinSerialRSA
	}
	digest := b.commitment(r, req, ca, from, until, s)
	var t [8]byte
	binary.BigEndian.PutUint64(t[:], uint64(from.Unix()))
	s = append(append(s, t[3:]...), digest...)
	return strings.ToUpper(hex.EncodeToString(s)), nil
}

// commitment is a digest of everything that goes into the certificate.
func (b *Builtin) commitment(r fulfill.Request, req *x509.CertificateRequest, ca *builtinCA, from, until time.Time, random []byte) []byte {
	h := sha256.New()
	part := func(v []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(v)))
		h.Write(n[:])
		h.Write(v)
	}
	part(random)
	part([]byte(from.UTC().Format(time.RFC3339) + " " + until.UTC().Format(time.RFC3339)))
	part(req.RawSubjectPublicKeyInfo)
	part(ca.cert.Raw)
	part([]byte(b.opt.CRLURL))
	for _, n := range r.Names {
		part([]byte(string(n.Kind) + ":" + n.Value))
	}
	return h.Sum(nil)[:builtinSerialLen-14]
}

// builtinSerialTime is the beginning that a serial carries.
func builtinSerialTime(raw []byte) time.Time {
	var t [8]byte
	copy(t[3:], raw[9:14])
	return time.Unix(int64(binary.BigEndian.Uint64(t[:])), 0).UTC()
}

// builtinSerialFamily is the family of the authority that gave out a serial.
func builtinSerialFamily(serial string) string {
	raw, err := hex.DecodeString(serial)
	if err == nil && len(raw) == builtinSerialLen && raw[0]&builtinSerialRSA != 0 {
		return FamilyRSA
	}
	return FamilyEC
}

// validity is how long the certificate is to live from now.
func (b *Builtin) validity(r fulfill.Request) time.Duration {
	v := r.Validity
	if v <= 0 {
		v = b.opt.Validity
	}
	if b.opt.MaxValidity > 0 {
		v = min(v, b.opt.MaxValidity)
	}
	return max(v, minValidity).Truncate(time.Second)
}

// builtinBack is by how much a certificate of that validity is back-dated.
func builtinBack(validity time.Duration) time.Duration {
	return min(builtinSkew, validity/10).Truncate(time.Second)
}

// end is the certificate's last second, given its first. An issuing authority that ends before caps it, as
// long as at least half of what was asked for remains.
func (b *Builtin) end(r fulfill.Request, ca *builtinCA, from time.Time) (time.Time, *order.Problem) {
	v := b.validity(r)
	until := from.Add(builtinBack(v) + v - time.Second) // notAfter is inclusive (RFC 5280 section 4.1.2.5)
	if !until.After(ca.cert.NotAfter) {
		return until, nil
	}
	if ended := ca.cert.NotAfter; !b.opt.Now().Before(ended) {
		return until, &order.Problem{Class: order.GiveUp, What: "finalise", Where: ca.cert.Subject.CommonName, ID: "ca-builtin-root-expired", Owner: order.OwnerAdmin, At: b.opt.Now(),
			Detail: "the built-in authority's certificates ended at " + ended.Format(time.RFC3339),
			Cause:  "the built-in authority has outlived its ten years", Fix: "Order from another issuer, or set up a new built-in authority and give its root to the clients"}
	}
	if ca.cert.NotAfter.Sub(from) < v/2 {
		return until, &order.Problem{Class: order.GiveUp, What: "finalise", Where: ca.cert.Subject.CommonName, ID: "ca-builtin-ca-too-short", Owner: order.OwnerAdmin, At: b.opt.Now(),
			Detail: fmt.Sprintf("the issuing authority ends at %s, a certificate of %s does not fit", ca.cert.NotAfter.Format(time.RFC3339), v),
			Cause:  "the built-in authority nears its end", Fix: "Ask for a shorter validity, or renew the built-in authority"}
	}
	return ca.cert.NotAfter, nil
}
