package diagnose

import (
	"crypto/x509"
	"fmt"
	"strings"
)

// wireScopes makes a scope of every look that counts for a name, with its signs.
func (j *judge) wireScopes() []*scope {
	var out []*scope
	for _, name := range j.survey.names() {
		goals := j.survey.goals(name)
		for _, l := range goals {
			if l.leaf() == nil && !l.usual() {
				continue // a server need not have both kinds of key
			}
			if !l.usual() && repeats(l, goals) {
				continue // the same certificate as the usual look's: nothing new
			}
			if l.ErrorClass == "unresolvable" || l.Address == "" {
				continue // the name's scope tells of it
			}
			out = append(out, j.wireScope(l, goals))
		}
	}
	return out
}

// repeats says whether the usual look at the same address saw the same leaf.
func repeats(l *look, goals []*look) bool {
	for _, g := range goals {
		if g.usual() && g.Address == l.Address && g.leaf() != nil && g.leaf().Equal(l.leaf()) {
			return true
		}
	}
	return false
}

func (j *judge) wireScope(l *look, goals []*look) *scope {
	s := newScope(perLook, l.key(), l.where())
	s.vars["host"], s.vars["port"], s.vars["error"] = l.name, port(l.Address), l.Error
	s.vars["address"] = l.Address
	j.connectionSigns(s, l, goals)
	c := l.leaf()
	s.set(sCert, c != nil, l.ref)
	if c == nil {
		return s
	}
	j.dateSigns(s, l, c)
	j.nameSigns(s, l, c)
	j.keySigns(s, l, c)
	j.chainSigns(s, l, c)
	j.statusSigns(s, l, c)
	j.pageSigns(s, l, c)
	return s
}

// nameSigns are about what the certificate is for.
func (j *judge) nameSigns(s *scope, l *look, c *x509.Certificate) {
	s.vars["names"], s.vars["serial"], s.vars["issuer"], s.vars["subject"] = listed(named(c)), serialOf(c), issuerOf(c), called(c)
	wrong := !coversName(c, l.name)
	s.set(sNameWrong, wrong, l.ref)
	w, deep := wildcardTooShallow(c, l.name)
	s.set(sWildDeep, wrong && deep, l.ref)
	a, apex := onlyBelow(c, l.name)
	s.set(sApex, wrong && apex, l.ref)
	s.vars["wildcard"], s.vars["below"] = w, a
	s.set(sAkin, akin(c, l.name), l.ref)
	s.unknown(sDefault, "no look without a server name was possible at "+l.Address)
	s.unknown(sSeveral, "no other certificate was seen at "+l.Address+", so whether the server has one for other names is not known")
	for _, o := range j.survey.at(l.Address) {
		oc := o.leaf()
		if o.name == l.name || oc == nil {
			continue
		}
		if o.ServerName == "" || strings.HasSuffix(o.ServerName, ".invalid") {
			// A server that gives two key types may give the other one here: only the names decide.
			same := oc.Equal(c) || oc.PublicKeyAlgorithm != c.PublicKeyAlgorithm && sameNames(oc, c)
			if s.signs[sDefault].state != yes {
				s.set(sDefault, same, l.ref, o.ref)
			}
		}
		if !oc.Equal(c) && !sameNames(oc, c) {
			s.set(sSeveral, true, o.ref)
			s.vars["othernames"] = listed(named(oc))
		}
	}
	vhostSign(s, l, c)
}

// vhostSign decides whether the certificate was chosen for the name or is what anybody gets. A server
// of which only one certificate was seen may be either: its names decide where they can.
func vhostSign(s *scope, l *look, c *x509.Certificate) {
	is := func(n sign) bool { return s.signs[n].state == yes }
	switch {
	case is(sDefault) && is(sSeveral):
		s.set(sNoVhost, true, s.signs[sDefault].ev...)
	case s.signs[sDefault].state == no, is(sAkin), selfSigned(c):
		s.set(sNoVhost, false, l.ref)
	case s.signs[sDefault].state == dark:
		s.unknown(sNoVhost, s.signs[sDefault].why+", so whether this is the server's default (tls-sni-default-served) is not known")
	default:
		s.unknown(sNoVhost, "only this one certificate was seen at "+l.Address+"; if the server has others, nothing on it is bound to "+l.name+" (tls-sni-default-served)")
	}
}

// keySigns are about the certificate's key, signature, usages and extensions.
func (j *judge) keySigns(s *scope, l *look, c *x509.Certificate) {
	kind, bits := keyOf(c)
	s.vars["key"] = fmt.Sprintf("%s %d bit", kind, bits)
	s.set(sWeak, weakKey(kind, bits), l.ref)
	s.set(sNoUsage, !forServers(c), l.ref)
	s.vars["usages"] = usagesOf(c)
	s.set(sStapleReq, mustStaple(c), l.ref)
	s.set(sNoDemand, !mustStaple(c), l.ref)
	s.set(sStapled, len(l.Stapled) > 0, l.ref)
	s.vars["life"] = Span(c.NotAfter.Sub(c.NotBefore))
}

// dateSigns are about the leaf's own validity.
func (j *judge) dateSigns(s *scope, l *look, c *x509.Certificate) {
	s.vars["notAfter"], s.vars["notBefore"] = day(c.NotAfter)+" UTC", day(c.NotBefore)+" UTC"
	s.vars["ago"], s.vars["left"], s.vars["until"] = Span(j.now.Sub(c.NotAfter)), Span(c.NotAfter.Sub(j.now)), Span(c.NotBefore.Sub(j.now))
	ref := l.ref
	ref.Expected = "valid at " + day(j.now) + " UTC"
	s.set(sExpired, j.now.After(c.NotAfter), ref)
	s.set(sNotYet, j.now.Before(c.NotBefore), ref)
	s.set(sExpiring, valid(c, j.now) && c.NotAfter.Sub(j.now) < Late(c.NotBefore, c.NotAfter), ref)
}

// sameNames says whether two certificates are for the same set of names.
func sameNames(a, b *x509.Certificate) bool {
	set := func(c *x509.Certificate) string {
		m := map[string]bool{}
		for _, n := range named(c) {
			m[strings.ToLower(n)] = true
		}
		return strings.Join(sortedKeys(m), " ")
	}
	return set(a) == set(b)
}
