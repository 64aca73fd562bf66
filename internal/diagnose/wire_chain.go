package diagnose

import (
	"crypto/x509"
	"errors"
	"strings"

	"certwright/internal/order"
)

// chainSigns are about the way from the leaf to a root that the client trusts.
func (j *judge) chainSigns(s *scope, l *look, c *x509.Certificate) {
	v := j.trust.view(l.certs, j.survey.known)
	others := l.certs[1:]
	if m := j.withheld(c); m != nil && v.sentPath != nil && len(withoutRoots(others)) == 0 {
		v.knownPath, v.sentPath, v.missing = append(v.sentPath, m), nil, m
	}
	self := selfSigned(c)
	trusted := v.sentPath != nil
	s.set(sSelf, self && !trusted, l.ref)
	s.set(sTrusted, trusted, l.ref)
	s.set(sCompleted, v.knownPath != nil, append([]EvidenceRef{l.ref}, j.survey.fetch...)...)
	s.set(sInterEnd, v.expired != nil && !v.rootEnded, l.ref)
	s.set(sRootEnd, v.expired != nil && v.rootEnded, l.ref)
	s.set(sPathEnd, v.dead != nil || v.expired != nil && v.rootEnded, l.ref)
	s.set(sNoPath, !trusted && v.knownPath == nil, l.ref)
	s.set(sOwnRoot, v.unknown != nil, append([]EvidenceRef{l.ref}, j.survey.fetch...)...)
	if v.unknown == nil && !trusted && v.knownPath == nil && v.expired == nil && !self {
		// The end of the chain was not seen: it may be a missing certificate or an unknown root.
		why := j.whyNoIssuers(c, v.top)
		s.unknown(sOwnRoot, why)
		s.unknown(sCompleted, why)
	}
	s.set(sGap, !trusted && !self && (v.knownPath != nil || len(withoutRoots(others)) == 0), l.ref)
	s.set(sStaging, strings.Contains(c.Issuer.String(), "STAGING") || strings.Contains(c.Issuer.String(), "Fake LE"), l.ref)
	s.set(sStranger, len(withoutRoots(others)) > 0 && !anyIssued(others, c), l.ref)
	s.set(sShuffled, shuffled(l.certs), l.ref)
	s.set(sRootSent, len(others) > len(withoutRoots(others)), l.ref)
	s.set(sSHA1, v.insecure != nil, l.ref)
	j.chainWords(s, v, others)
	j.policySigns(s, l, v)
	j.publicSigns(s, l, c, v.root)
}

// withheld is the intermediate that the authority gave with this leaf, if the order knows the leaf: a
// server that sends the leaf alone leaves it out, even where the judge itself would trust the intermediate.
func (j *judge) withheld(leaf *x509.Certificate) *x509.Certificate {
	if j.opts.Order == nil {
		return nil
	}
	for i := range j.opts.Order.Versions {
		chain := parseAll(order.DecodeChain(j.opts.Order.Versions[i].Chain))
		if len(chain) > 1 && chain[0].Equal(leaf) && !selfSigned(chain[1]) {
			return chain[1]
		}
	}
	return nil
}

// policySigns are name constraints on the path (RFC 5280 section 4.2.1.10).
func (j *judge) policySigns(s *scope, l *look, v chainView) {
	path := v.sentPath
	if path == nil {
		path = v.knownPath
	}
	s.unknown(sOutside, "the chain leads to no trusted root, so its name constraints were not applied")
	if path == nil {
		return
	}
	err := j.trust.policy(path, v.root)
	var inv x509.CertificateInvalidError
	outside := errors.As(err, &inv) && inv.Reason == x509.CANotAuthorizedForThisName
	s.set(sOutside, outside, l.ref)
	if outside {
		s.vars["constraint"] = inv.Detail
	}
}

// chainWords fill the texts about the chain.
func (j *judge) chainWords(s *scope, v chainView, others []*x509.Certificate) {
	s.vars["root"], s.vars["top"] = called(v.root), called(v.top)
	s.vars["sent"] = plural(len(others)+1, "certificate")
	if v.unknown != nil {
		s.vars["ownroot"] = called(v.unknown)
	} else {
		s.vars["ownroot"] = issuerOf(v.top)
	}
	s.vars["missing"] = issuerOf(v.top)
	if v.missing != nil {
		s.vars["missing"] = called(v.missing)
	}
	if v.dead == nil {
		v.dead = v.expired
	}
	for k, c := range map[string]*x509.Certificate{"ended": v.expired, "dead": v.dead, "hashed": v.insecure} {
		if c != nil {
			s.vars[k] = called(c)
			s.vars[k+"At"] = day(c.NotAfter) + " UTC"
			s.vars[k+"Alg"] = c.SignatureAlgorithm.String()
		}
	}
	s.vars["aia"] = ""
	if urls := v.top.IssuingCertificateURL; len(urls) > 0 {
		s.vars["aia"] = " It can be fetched from " + urls[0] + "."
	}
	var wrong []string
	for _, c := range withoutRoots(others) {
		wrong = append(wrong, called(c))
	}
	s.vars["strangers"] = listed(wrong)
}

// whyNoIssuers says why the issuer above what was sent is not known.
func (j *judge) whyNoIssuers(leaf, top *x509.Certificate) string {
	is, asked := j.survey.asked[fingerprint(leaf)]
	switch {
	case len(top.IssuingCertificateURL) == 0:
		return called(top) + " names no place to fetch its issuer from, so whether \"" + issuerOf(top) + "\" is a missing intermediate or an unknown root could not be seen"
	case !asked:
		return "the issuer of " + called(top) + " was not fetched from " + top.IssuingCertificateURL[0]
	case is.Error != "":
		return "the issuer of " + called(top) + " could not be fetched: " + strings.TrimSuffix(is.Error, ".")
	}
	return "the fetched issuers of " + called(top) + " end at no root"
}

// shuffled says whether a certificate above the leaf comes before one that it is needed by: each
// should certify the one before it (RFC 5246 section 7.4.2). Certificates that certify none are
// passed over.
func shuffled(sent []*x509.Certificate) bool {
	at := 0
	for cur := sent[0]; ; {
		next := -1
		for i, c := range sent {
			if i != at && issued(c, cur) && !c.Equal(cur) {
				next = i
			}
			if next > at {
				break // one that stands after it will do
			}
		}
		if next < 0 || selfSigned(cur) {
			return false
		}
		if next < at {
			return true
		}
		cur, at = sent[next], next
	}
}

func withoutRoots(certs []*x509.Certificate) []*x509.Certificate {
	var out []*x509.Certificate
	for _, c := range certs {
		if !selfSigned(c) {
			out = append(out, c)
		}
	}
	return out
}

func anyIssued(certs []*x509.Certificate, child *x509.Certificate) bool {
	for _, c := range certs {
		if issued(c, child) {
			return true
		}
	}
	return false
}
