package diagnose

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ocsp"

	"certwright/internal/evidence"
)

// statusSigns are about whether the certificate is revoked, and whether clients can find out.
func (j *judge) statusSigns(s *scope, l *look, c *x509.Certificate) {
	revoked, stale := mark{state: dark, why: "no source of revocation was asked"}, mark{state: no}
	var faults []EvidenceRef
	known := false
	for _, r := range j.survey.revocations {
		if r.Leaf != fingerprint(c) || r.Source == evidence.FromStapled && r.Address != l.Address {
			continue
		}
		ended := r.NextUpdate != nil && j.now.After(*r.NextUpdate)
		switch {
		case r.Status == evidence.StatusRevoked:
			revoked = mark{state: yes, ev: append(revoked.ev, r.ref)}
			s.vars["revokedAt"], s.vars["revokedWhy"], s.vars["revokedBy"] = day(*r.RevokedAt)+" UTC", r.Reason, sourceName(r)
		case r.Source == evidence.FromStapled && (ended || r.Fault):
			stale = mark{state: yes, ev: append(stale.ev, r.ref)}
			s.vars["staplewords"] = stapleWords(r, ended)
		case r.Source == evidence.FromStapled:
		case ended:
			faults = append(faults, r.ref)
			s.vars["statuswords"] = sourceName(r) + " has not been renewed: it could be used until " + day(*r.NextUpdate) + " UTC."
		case r.Fault:
			faults = append(faults, r.ref)
			s.vars["statuswords"] = capital(r.Error) + "."
		}
		if r.Status == evidence.StatusGood && !ended && r.Source != evidence.FromStapled {
			known = true
			if revoked.state == dark {
				revoked = mark{state: no, ev: []EvidenceRef{r.ref}}
			}
		}
	}
	s.signs[sRevoked], s.signs[sStapleOld] = revoked, stale
	s.set(sStatus, known)
	s.set(sNoStatus, len(faults) > 0 && !known && revoked.state != yes, faults...)
}

func sourceName(r revocation) string {
	switch r.Source {
	case evidence.FromCRL:
		return "the authority's list " + r.URL
	case evidence.FromOCSP:
		return "the authority's responder " + r.URL
	}
	return "the authority's answer that the server staples"
}

func stapleWords(r revocation, ended bool) string {
	if ended {
		return "The stapled answer could be used until " + day(*r.NextUpdate) + " UTC. The server does not fetch a new one: a file that nothing renews, or no way to the responder."
	}
	return capital(r.Error) + "."
}

// sctList is the extension of embedded signed certificate timestamps (RFC 6962 section 3.3).
var sctList = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}

// sctStapled is the extension of an OCSP answer with timestamps (the same section).
var sctStapled = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 5}

// publicSigns are the rules that browsers hold public authorities to.
func (j *judge) publicSigns(s *scope, l *look, c, root *x509.Certificate) {
	s.set(sPublic, j.opts.public(root), l.ref)
	limit, long := j.tooLong(c, root)
	s.set(sTooLong, long, l.ref)
	s.vars["limit"] = plural(limit, "day")
	stapled, read := stampsOfStaple(l.Stapled)
	switch {
	case hasStamps(c.Extensions, sctList) || l.SCTs > 0 || stapled:
		s.set(sNoSCT, false, l.ref)
	case !read:
		s.unknown(sNoSCT, "the stapled answer cannot be read, and may hold timestamps")
	case l.usual() && !l.Legacy:
		s.set(sNoSCT, true, l.ref)
	default:
		s.unknown(sNoSCT, "this look could not see timestamps in the handshake")
	}
}

// hasStamps says whether an extension holds at least one timestamp: a list within an OCTET STRING (RFC 6962 section 3.3).
func hasStamps(exts []pkix.Extension, id asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc(exts, func(e pkix.Extension) bool {
		var list []byte
		_, err := asn1.Unmarshal(e.Value, &list)
		return e.Id.Equal(id) && err == nil && len(list) > 2 // the list's own length, then each stamp
	})
}

// stampsOfStaple says whether a stapled OCSP answer holds timestamps of the certificate, and whether it could be read.
func stampsOfStaple(der []byte) (stamps, read bool) {
	if len(der) == 0 {
		return false, true
	}
	r, err := ocsp.ParseResponse(der, nil)
	if err != nil {
		return false, false
	}
	return hasStamps(r.Extensions, sctStapled), true
}

// clockDoubt is how far two clocks may part before the difference explains anything.
const clockDoubt = 5 * time.Minute

// pageSigns are what the server says over HTTP that bears on the certificate.
func (j *judge) pageSigns(s *scope, l *look, c *x509.Certificate) {
	refused := s.signs[sExpired].state == yes || s.signs[sNotYet].state == yes || s.signs[sNameWrong].state == yes || s.signs[sTrusted].state == no
	s.set(sRefusedNow, refused, l.ref)
	s.set(sHSTS, false)
	s.set(sPeerClock, false)
	s.set(sTwoClocks, false)
	for _, p := range j.survey.pages {
		if p.Address != l.Address {
			continue
		}
		if age, strict := hsts(p.HSTS); strict {
			s.set(sHSTS, true, p.ref)
			s.vars["hsts"] = Span(age)
		}
		if p.Date != nil && p.Date.Sub(p.At).Abs() > clockDoubt && valid(c, *p.Date) && !valid(c, j.now) {
			s.set(sPeerClock, true, p.ref)
			s.vars["peerclock"], s.vars["ownclock"] = day(*p.Date)+" UTC", day(p.At)+" UTC"
			s.vars["clockgap"] = Span(p.Date.Sub(p.At))
			j.secondClock(s, p)
		}
	}
}

// secondClock looks for another party whose clock agrees with the server's: an authority that signed an answer about
// revocation in what is the future here, or an answer that would be long stale.
func (j *judge) secondClock(s *scope, p page) {
	for _, r := range j.survey.revocations {
		if r.ThisUpdate == nil || r.NextUpdate == nil || r.Status == "" {
			continue
		}
		here := !j.now.Before(r.ThisUpdate.Add(-clockDoubt)) && !j.now.After(*r.NextUpdate)
		there := !p.Date.Before(r.ThisUpdate.Add(-clockDoubt)) && !p.Date.After(*r.NextUpdate)
		if there && !here {
			s.set(sTwoClocks, true, r.ref)
		}
	}
}

// hsts reads a Strict-Transport-Security header (RFC 6797 section 6.1).
func hsts(header string) (age time.Duration, strict bool) {
	for _, d := range strings.Split(header, ";") {
		k, v, _ := strings.Cut(strings.TrimSpace(d), "=")
		if strings.EqualFold(k, "max-age") {
			n, err := strconv.Atoi(strings.Trim(v, `"`))
			if err == nil && n > 0 {
				return time.Duration(min(n, 10*365*86400)) * time.Second, true
			}
		}
	}
	return 0, false
}
