package diagnose

import (
	"bytes"
	"crypto/x509"
	"errors"
	"time"

	"certwright/internal/order"
)

// maxPath bounds the search for a path: a real one has two to four certificates.
const maxPath = 8

// chainView is what a chain as served amounts to for a client that trusts the given roots.
type chainView struct {
	sentPath  []*x509.Certificate // leaf to the last certificate below or at a trusted root, with what was sent; nil = none
	knownPath []*x509.Certificate // the same with what else is known (AIA, other addresses); nil = none
	root      *x509.Certificate   // the trusted root of the better of the two
	expired   *x509.Certificate   // the intermediate or root whose end breaks the only path
	rootEnded bool                // expired is the root
	dead      *x509.Certificate   // sent beside a good path, and expired or leading to an expired root only
	top       *x509.Certificate   // where the sent chain ends when followed from the leaf
	unknown   *x509.Certificate   // self-signed certificate outside the trusted roots in which the chain ends
	insecure  *x509.Certificate   // on the way up: signed with a hash that clients refuse
	missing   *x509.Certificate   // the first certificate of knownPath that was not sent
}

// trust judges chains: the roots a client trusts, at a moment.
type trust struct {
	roots *x509.CertPool
	now   time.Time
}

// view follows the chain. sent is as served, leaf first; known are further certificates.
func (t trust) view(sent, known []*x509.Certificate) chainView {
	leaf, others := sent[0], sent[1:]
	v := chainView{top: climb(leaf, others)}
	v.sentPath, v.root = t.path(leaf, others, true)
	if v.sentPath != nil {
		v.dead = t.deadEnd(others, known, v.sentPath)
	} else if !v.ended(t, leaf, others) {
		all := append(append([]*x509.Certificate(nil), others...), known...)
		if v.knownPath, v.root = t.path(leaf, all, true); v.knownPath != nil {
			v.missing = firstMissing(v.knownPath, sent)
		} else if !v.ended(t, leaf, all) {
			if end := climb(leaf, all); selfSigned(end) && !end.Equal(leaf) {
				v.unknown = end
			}
		}
	}
	v.insecure = weaklySigned(sent)
	return v
}

// ended finds the certificate above the leaf whose end broke a path that held before.
func (v *chainView) ended(t trust, leaf *x509.Certificate, pool []*x509.Certificate) bool {
	path, root := t.path(leaf, pool, false)
	if path == nil {
		return false
	}
	for _, c := range path[1:] {
		if !valid(c, t.now) && !c.Equal(root) {
			v.expired = c
			return true
		}
	}
	if root != nil && t.now.After(root.NotAfter) {
		v.expired, v.rootEnded = root, true
		return true
	}
	return false
}

// path searches depth first from the leaf to a certificate that a trusted root has signed or is.
// The leaf's own dates never matter here: they are signs of their own. With inTime every certificate
// above it has to be valid now.
func (t trust) path(leaf *x509.Certificate, pool []*x509.Certificate, inTime bool) ([]*x509.Certificate, *x509.Certificate) {
	var walk func(way []*x509.Certificate) ([]*x509.Certificate, *x509.Certificate)
	walk = func(way []*x509.Certificate) ([]*x509.Certificate, *x509.Certificate) {
		cur := way[len(way)-1]
		if root := t.anchor(cur, inTime); root != nil {
			return way, root
		}
		if len(way) >= maxPath {
			return nil, nil
		}
		for _, c := range pool {
			if contains(way, c) || !issued(c, cur) || inTime && !valid(c, t.now) {
				continue
			}
			if p, root := walk(append(append([]*x509.Certificate(nil), way...), c)); p != nil {
				return p, root
			}
		}
		return nil, nil
	}
	return walk([]*x509.Certificate{leaf})
}

// anchor gives the trusted root that c is or that has signed it; nil if none. The moment that c is
// checked at is one at which c itself is valid, so that only the root's own dates can spoil it.
func (t trust) anchor(c *x509.Certificate, inTime bool) *x509.Certificate {
	moments := []time.Time{t.now}
	if !inTime || !valid(c, t.now) {
		moments = append(moments, c.NotAfter.Add(-time.Second), c.NotBefore.Add(time.Second))
	}
	for _, at := range moments {
		chains, err := c.Verify(x509.VerifyOptions{
			Roots: t.roots, Intermediates: x509.NewCertPool(), CurrentTime: at,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		})
		if err != nil {
			// A name constraint of the root is judged by itself; the root is found all the same.
			var inv x509.CertificateInvalidError
			if errors.As(err, &inv) && inv.Reason == x509.CANotAuthorizedForThisName {
				return c
			}
			continue
		}
		for _, ch := range chains {
			root := ch[len(ch)-1]
			if !inTime || valid(root, t.now) {
				return root
			}
		}
	}
	return nil
}

// deadEnd finds a certificate that was sent beside the good path and only leads to an end that has
// expired: harmless to clients that search, fatal to those that follow what is sent.
func (t trust) deadEnd(others, known, good []*x509.Certificate) *x509.Certificate {
	all := append(append([]*x509.Certificate(nil), others...), known...)
	for _, c := range others {
		if selfSigned(c) || contains(good, c) {
			continue
		}
		if t.now.After(c.NotAfter) || t.now.After(climb(c, all).NotAfter) {
			return c
		}
		if root := t.anchor(c, false); root != nil && t.now.After(root.NotAfter) {
			return c
		}
	}
	return nil
}

// policy runs the library's own verification over a path, for what a walk over signatures does not
// see: name constraints, path lengths, nested usages. The moment is one at which all of it is valid.
func (t trust) policy(path []*x509.Certificate, root *x509.Certificate) error {
	if root == nil {
		return nil
	}
	from, to := path[0].NotBefore, path[0].NotAfter
	inter := x509.NewCertPool()
	for _, c := range append(path[1:len(path):len(path)], root) {
		inter.AddCert(c)
		if c.NotBefore.After(from) {
			from = c.NotBefore
		}
		if c.NotAfter.Before(to) {
			to = c.NotAfter
		}
	}
	at := t.now
	if at.Before(from) || at.After(to) {
		at = to.Add(-time.Second)
	}
	if at.Before(from) {
		return nil // never valid together: their dates are the finding
	}
	_, err := path[0].Verify(x509.VerifyOptions{Roots: t.roots, Intermediates: inter, CurrentTime: at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err
}

// issued says whether parent has signed child, hashes that are refused today included.
func issued(parent, child *x509.Certificate) bool {
	if !bytes.Equal(parent.RawSubject, child.RawIssuer) {
		return false
	}
	err := child.CheckSignatureFrom(parent)
	var weak x509.InsecureAlgorithmError
	if errors.As(err, &weak) {
		return len(child.AuthorityKeyId) == 0 || bytes.Equal(child.AuthorityKeyId, parent.SubjectKeyId)
	}
	return err == nil
}

// selfSigned says whether the certificate is signed with its own key.
func selfSigned(c *x509.Certificate) bool {
	if !bytes.Equal(c.RawSubject, c.RawIssuer) {
		return false
	}
	err := c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
	var weak x509.InsecureAlgorithmError
	return err == nil || errors.As(err, &weak)
}

// climb follows issuers among the given certificates as far as they go.
func climb(c *x509.Certificate, pool []*x509.Certificate) *x509.Certificate {
	for range maxPath {
		next := c
		for _, p := range pool {
			if !p.Equal(c) && issued(p, c) {
				next = p
				break
			}
		}
		if next == c {
			return c
		}
		c = next
	}
	return c
}

func firstMissing(path, sent []*x509.Certificate) *x509.Certificate {
	for _, c := range path {
		if !contains(sent, c) {
			return c
		}
	}
	return nil
}

// weaklySigned finds a certificate of the chain, roots apart, whose signature uses MD5 or SHA-1.
func weaklySigned(sent []*x509.Certificate) *x509.Certificate {
	for _, c := range sent {
		switch c.SignatureAlgorithm {
		case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
			if !selfSigned(c) {
				return c
			}
		}
	}
	return nil
}

func contains(list []*x509.Certificate, c *x509.Certificate) bool {
	for _, x := range list {
		if x.Equal(c) {
			return true
		}
	}
	return false
}

func valid(c *x509.Certificate, now time.Time) bool {
	return !now.Before(c.NotBefore) && !now.After(c.NotAfter)
}

// called names a certificate for a sentence.
func called(c *x509.Certificate) string {
	if c == nil {
		return "none"
	}
	if c.Subject.CommonName != "" {
		return c.Subject.CommonName
	}
	if s := c.Subject.String(); s != "" {
		return s
	}
	if n := named(c); len(n) > 0 {
		return n[0]
	}
	return "serial " + serialOf(c)
}

// serialOf is the serial number as orders keep it.
func serialOf(c *x509.Certificate) string { return order.SerialOf(c) }

// Leads says whether a chain in DER, leaf first, leads to one of the roots with nothing but what it
// holds. The leaf's own dates and names do not matter.
func Leads(chain [][]byte, roots *x509.CertPool, now time.Time) bool {
	certs := parseAll(chain)
	if len(certs) == 0 || len(certs) < len(chain) {
		return false
	}
	path, _ := trust{roots: roots, now: now}.path(certs[0], certs[1:], true)
	return path != nil
}
