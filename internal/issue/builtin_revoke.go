package issue

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/fulfill"
	"certwright/internal/order"
)

// builtinCRLLife is how long a CRL counts; a new one is made at half of it.
const builtinCRLLife = 72 * time.Hour

// builtinCRL is the CRL last made for a family, and of which revocations.
type builtinCRL struct {
	der    []byte
	made   time.Time
	digest [32]byte
}

// Reasons that a subscriber may give (RFC 5280 section 5.3.1, BR 7.2.2).
var builtinReasons = []int{0, 1, 3, 4, 5, 9}

// Revoke puts a certificate of ours on the CRL. One that is there already stays as it is.
func (b *Builtin) Revoke(ctx context.Context, cert []byte, reason int) error {
	final := func(detail, fix string) error {
		return &order.Problem{Class: order.Final, What: "revoke", Detail: detail, Fix: fix, Owner: order.OwnerOwner, At: b.opt.Now()}
	}
	if !slices.Contains(builtinReasons, reason) {
		return final(fmt.Sprintf("reason %d is not one that an owner can give", reason), "Use unspecified (0), keyCompromise (1), affiliationChanged (3), superseded (4), cessationOfOperation (5) or privilegeWithdrawn (9)")
	}
	leaf, err := x509.ParseCertificate(cert)
	if err != nil {
		return final("the certificate cannot be read: "+err.Error(), "Give the certificate itself")
	}
	if _, err := b.issuerOf(ctx, leaf); err != nil {
		return final(err.Error(), "Revoke it with the authority that issued it")
	}
	if err := b.opt.Serials.RevokeSerial(ctx, builtinSerialOf(leaf), reason, b.opt.Now()); err != nil {
		return fmt.Errorf("revoke %s: %w", builtinSerialOf(leaf), err)
	}
	return nil
}

// issuerOf is the authority of ours that signed the certificate.
func (b *Builtin) issuerOf(ctx context.Context, leaf *x509.Certificate) (*builtinCA, error) {
	ca, err := b.authority(ctx, builtinSerialFamily(builtinSerialOf(leaf)))
	if err != nil {
		return nil, err
	}
	if err := leaf.CheckSignatureFrom(ca.cert); err != nil {
		return nil, fmt.Errorf("the certificate %s was not issued by the built-in authority", builtinSerialOf(leaf))
	}
	return ca, nil
}

func builtinSerialOf(c *x509.Certificate) string {
	return strings.ToUpper(hex.EncodeToString(c.SerialNumber.FillBytes(make([]byte, max(builtinSerialLen, (c.SerialNumber.BitLen()+7)/8)))))
}

// CRL gives the present revocation list of a family (FamilyEC, FamilyRSA) in DER: the one made before
// while nothing was revoked since and less than half its life is over. The book is read every time, so that a
// revocation made by another replica shows at once.
func (b *Builtin) CRL(ctx context.Context, family string) ([]byte, error) {
	if family != FamilyEC && family != FamilyRSA {
		return nil, fmt.Errorf("CRL of %q: the families are %s and %s: %w", family, FamilyEC, FamilyRSA, fulfill.ErrNotFound)
	}
	ca, err := b.authority(ctx, family)
	if err != nil {
		return nil, err
	}
	now := b.opt.Now()
	entries, digest, err := b.revoked(ctx, family, now)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	last, ok := b.crls[family]
	b.mu.Unlock()
	if ok && last.digest == digest && now.Sub(last.made) < builtinCRLLife/2 && !now.Before(last.made) {
		return last.der, nil
	}
	number, err := b.opt.Serials.NextCRLNumber(ctx)
	if err != nil {
		return nil, fmt.Errorf("number of the %s CRL: %w", family, err)
	}
	t := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: now.UTC().Truncate(time.Second), NextUpdate: now.UTC().Truncate(time.Second).Add(builtinCRLLife), RevokedCertificateEntries: entries}
	der, err := x509.CreateRevocationList(nil, t, ca.cert, ca.key)
	if err != nil {
		return nil, fmt.Errorf("sign the %s CRL: %w", family, err)
	}
	b.mu.Lock()
	b.crls[family] = builtinCRL{der, now, digest}
	b.mu.Unlock()
	return der, nil
}

// revoked are the entries of a family's CRL, and their digest.
func (b *Builtin) revoked(ctx context.Context, family string, now time.Time) ([]x509.RevocationListEntry, [32]byte, error) {
	list, err := b.opt.Serials.Revocations(ctx, now)
	if err != nil {
		return nil, [32]byte{}, fmt.Errorf("read the revocations: %w", err)
	}
	slices.SortFunc(list, func(x, y order.Revocation) int { return strings.Compare(x.Serial, y.Serial) })
	h := sha256.New()
	var out []x509.RevocationListEntry
	for _, r := range list {
		n, ok := new(big.Int).SetString(r.Serial, 16)
		if !ok || builtinSerialFamily(r.Serial) != family {
			continue
		}
		fmt.Fprintln(h, r.Serial, r.At.Unix(), r.Reason)
		out = append(out, x509.RevocationListEntry{SerialNumber: n, RevocationTime: r.At.UTC(), ReasonCode: r.Reason})
	}
	return out, [32]byte(h.Sum(nil)), nil
}

// RenewalInfo suggests the middle third of the second half of the certificate's life: from two thirds to
// five sixths of it. For one that is revoked the window is over already: renew at once (RFC 9773 section 4.2).
func (b *Builtin) RenewalInfo(ctx context.Context, leaf []byte) (fulfill.Renewal, error) {
	c, err := x509.ParseCertificate(leaf)
	if err != nil {
		return fulfill.Renewal{}, fmt.Errorf("renewal information: the certificate cannot be read: %w", err)
	}
	now := b.opt.Now()
	life := c.NotAfter.Sub(c.NotBefore)
	r := fulfill.Renewal{
		CertID: base64.RawURLEncoding.EncodeToString(c.AuthorityKeyId) + "." + base64.RawURLEncoding.EncodeToString(builtinSerialDER(c.SerialNumber)),
		Window: &order.Window{Start: c.NotBefore.Add(life * 2 / 3), End: c.NotBefore.Add(life * 5 / 6)},
		Again:  now.Add(max(min(6*time.Hour, life/10), time.Minute)),
	}
	list, err := b.opt.Serials.Revocations(ctx, now)
	if err != nil {
		return r, fmt.Errorf("renewal information: read the revocations: %w", err)
	}
	serial := builtinSerialOf(c)
	if slices.ContainsFunc(list, func(v order.Revocation) bool { return strings.EqualFold(v.Serial, serial) }) {
		r.Window = &order.Window{Start: now.Add(-2 * time.Hour), End: now.Add(-time.Hour)}
	}
	return r, nil
}

// builtinSerialDER is a serial's content octets as DER has them: with a zero octet before a set top bit.
func builtinSerialDER(n *big.Int) []byte {
	s := n.Bytes()
	if len(s) == 0 || s[0]&0x80 != 0 {
		s = append([]byte{0}, s...)
	}
	return s
}

// Observe looks at the authorities: how long each lives, whether its key signs, and the CRL.
func (b *Builtin) Observe(ctx context.Context) []evidence.Observation {
	now := b.opt.Now()
	out := []evidence.Observation{b.observeLife("root", b.root, now)}
	for _, family := range []string{FamilyEC, FamilyRSA} {
		key := evidence.Observation{Probe: evidence.ProbeCA, Check: "key", Subject: "built-in authority " + family, Outcome: evidence.Pass, Expected: "key usable", Seen: "key usable", From: "server", At: now}
		ca, err := b.authority(ctx, family)
		if err != nil {
			key.Outcome, key.Seen, key.Reason = evidence.Fail, "", err.Error()
			out = append(out, key)
			continue
		}
		out = append(out, b.observeLife(family, ca.cert, now))
		crl := evidence.Observation{Probe: evidence.ProbeCA, Check: "crl", Subject: "built-in authority " + family, Outcome: evidence.Pass, From: "server", At: now}
		der, err := b.CRL(ctx, family) // signing it shows that the key works
		if err != nil {
			crl.Outcome, crl.Reason = evidence.Fail, err.Error()
			key.Outcome, key.Seen, key.Reason = evidence.Unknown, "", "nothing could be signed: "+err.Error()
		} else if l, err := x509.ParseRevocationList(der); err == nil {
			crl.Seen = fmt.Sprintf("number %s, %d revoked, next %s", l.Number, len(l.RevokedCertificateEntries), l.NextUpdate.Format(time.RFC3339))
		}
		out = append(out, key, crl)
	}
	return out
}

func (b *Builtin) observeLife(what string, c *x509.Certificate, now time.Time) evidence.Observation {
	o := evidence.Observation{Probe: evidence.ProbeCA, Check: "validity", Subject: "built-in authority " + what, Outcome: evidence.Pass, Expected: "valid at " + now.UTC().Format(time.RFC3339),
		Seen: c.NotBefore.Format(time.RFC3339) + " to " + c.NotAfter.Format(time.RFC3339), From: "server", At: now}
	if now.Before(c.NotBefore) || now.After(c.NotAfter) {
		o.Outcome = evidence.Fail
	}
	o.Data, _ = json.Marshal(map[string]any{"certificate": c.Raw})
	return o
}
