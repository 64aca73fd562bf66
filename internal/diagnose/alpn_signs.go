package diagnose

import (
	"bytes"
	"strings"

	"certwright/internal/evidence"
)

// Signs of acme-tls/1 at one address (perChallenge).
const (
	aClosed   sign = "the-port-for-TLS-cannot-be-reached"
	aPlain    sign = "no-TLS-comes-back-at-the-port-for-TLS"
	aNot      sign = "acme-tls/1-is-not-chosen"
	aChosen   sign = "acme-tls/1-is-chosen"
	aFront    sign = "a-proxy-in-front-ends-TLS"
	aOtherOK  sign = "another-server-of-the-name-chooses-acme-tls/1"
	aOtherID  sign = "the-validation-certificate-is-another-order's"
	aBadShape sign = "the-validation-certificate-is-not-of-the-required-form"
)

// alpnScopes makes a scope of each address that was looked at for acme-tls/1.
func (j *judge) alpnScopes() []*scope {
	all, from := payloads[evidence.ALPN](j.obs, evidence.ProbeTLS)
	var out []*scope
	capable := ""
	for i, r := range all {
		if from[i].Check == checkALPN && r.Negotiated == checkALPN {
			capable = r.Address
		}
	}
	for i, r := range all {
		if from[i].Check != checkALPN || from[i].Outcome == evidence.Unknown || r.ErrorClass == "unresolvable" {
			continue
		}
		s := newScope(perChallenge, "alpn|"+r.Name+"|"+r.Address, r.Address)
		s.vars["name"], s.vars["address"], s.vars["port"], s.vars["via"], s.vars["capable"] = r.Name, r.Address, port(r.Address), r.Via, capable
		s.vars["names"], s.vars["alert"], s.vars["error"] = listed(r.Names), r.Alert, r.Error
		ref := refOf(from[i])
		chosen := r.Negotiated == checkALPN
		// An alert other than no_application_protocol, where usual clients are served: the server knows the protocol,
		// and has no validation under way.
		idle := r.ErrorClass == "alert" && !r.NoProtocol && len(r.Normal) > 0
		reached := r.ErrorClass == "" || r.ErrorClass == "alert" || r.Foreign
		s.set(aClosed, r.ErrorClass == "refused" || r.ErrorClass == "timeout" || r.ErrorClass == "reset" && len(r.Normal) == 0, ref)
		s.set(aPlain, r.ErrorClass == "not-tls", ref)
		s.set(aChosen, chosen, ref)
		s.set(aNot, reached && !chosen && !idle && (len(r.Normal) > 0 || len(r.Chain) > 0 || r.NoProtocol), ref)
		s.set(aOtherOK, !chosen && capable != "", ref)
		s.set(aFront, !chosen && (capable != "" || r.Via != ""), ref)
		s.alpnShape(r, ref)
		j.alpnSpare(s, r, all)
		out = append(out, s)
	}
	return out
}

// alpnShape holds the certificate against RFC 8737 section 3: self-signed, exactly one name, a critical
// acmeIdentifier of 32 bytes.
func (s *scope) alpnShape(r evidence.ALPN, ref EvidenceRef) {
	if r.Negotiated != checkALPN {
		s.set(aOtherID, false, ref)
		s.set(aBadShape, false, ref)
		return
	}
	var flaws []string
	add := func(is bool, words string) {
		if is {
			flaws = append(flaws, words)
		}
	}
	form := r.Extension && r.Critical && !r.BadDigest && r.SelfSigned
	add(!r.Extension, "it has no acmeIdentifier extension")
	add(r.Extension && !r.Critical, "its acmeIdentifier extension is not critical")
	add(r.BadDigest, "its acmeIdentifier does not hold 32 bytes")
	add(!r.SelfSigned, "it is not self-signed")
	add(len(r.Names) == 0, "it has no subject alternative name")
	add(len(r.Names) > 1, "it has "+plural(len(r.Names), "name")+" where exactly one is allowed: "+listed(r.Names))
	stranger := len(r.Names) == 1 && !strings.EqualFold(strings.TrimSuffix(r.Names[0], "."), r.Name)
	digest := r.Expect != nil && len(r.Digest) > 0 && !bytes.Equal(r.Expect, r.Digest)
	s.vars["flaws"] = strings.Join(flaws, "; ")
	s.vars["differs"] = "its name is " + listed(r.Names)
	if !stranger {
		s.vars["differs"] = "its acmeIdentifier is that of another key authorization"
	}
	s.set(aOtherID, form && len(r.Names) == 1 && (stranger || digest), ref)
	s.set(aBadShape, len(flaws) > 0, ref)
}

// alpnSpare says whether an authority would get by all the same: it goes on to the next family only where no
// connection comes about.
func (j *judge) alpnSpare(s *scope, r evidence.ALPN, all []evidence.ALPN) {
	spared := len(j.path) > 0 && j.servesWell()
	for _, o := range all {
		other := o.Name == r.Name && o.Address != r.Address && o.Negotiated == checkALPN
		spared = spared || other && (o.Family == "ip6" || s.signs[aClosed].state == yes)
	}
	s.set(hSpared, spared)
}
