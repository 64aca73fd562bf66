package diagnose

import (
	"crypto/x509"
	"slices"
	"strings"

	"certwright/internal/evidence"
)

// Signs of whether a difference between looks is one between what was asked, or nodes that take turns (perName).
const (
	sNodes  sign = "looks-that-should-agree-serve-different-certificates"
	sSteady sign = "each-kind-of-client-gets-the-same-certificate-every-time"
)

// again is an answer to the same handshakes made again.
type again struct {
	evidence.Again
	ref EvidenceRef
}

// turns decides what a difference rests on. apart are looks that differ between addresses, near those that differ at one: a
// difference counts only if each of them was seen more than once, and always alike.
func (j *judge) turns(s *scope, goals, apart, near []*look) {
	worse, better := j.mixed(goals)
	near = slices.Concat(near, worse, better)
	state, ev := yes, []EvidenceRef{}
	offers := map[string][]evidence.Offer{}
	compared := slices.Concat(near, apart)
	for i, l := range compared {
		n, alike, refs := j.survey.seenAgain(l, i < len(near))
		ev = append(ev, refs...)
		switch {
		case !alike:
			s.unsteady(goals, l, refs)
			return
		case n < 2:
			state = dark
			if o := l.offer(); !slices.Contains(offers[l.Address], o) {
				offers[l.Address] = append(offers[l.Address], o)
			}
		}
	}
	for _, address := range uniqueAddresses(compared) {
		if len(offers[address]) > 0 {
			s.questions = append(s.questions, evidence.Question{Address: address, Offers: offers[address]})
		}
	}
	const why = "whether each kind of client gets the same certificate every time was not seen, and nodes behind one address may take turns"
	s.set(sSteady, true, ev...)
	if state == dark {
		s.unknown(sSteady, why)
	}
	if len(worse) > 0 && s.signs[sByNode].state != yes && s.signs[sByFamily].state != yes {
		s.signs[sNodes] = mark{state: yes, ev: append(refs(better[:1]), refs(worse)...), covers: serving(goals, worse)}
		s.spreadWords(worse, better)
		s.set(sByNode, false, ev...) // always alike: which one comes depends on the client
		if state == dark {
			s.unknown(sByNode, why)
		}
		return
	}
	s.signs[sNodes] = s.signs[sByNode]
	if state == dark && s.signs[sByNode].state == no {
		s.unknown(sNodes, why)
		s.unknown(sByNode, why)
	}
}

// unsteady says that one address gives the same client now one certificate and now another.
func (s *scope) unsteady(goals []*look, l *look, refs []EvidenceRef) {
	covers := []string{}
	for _, g := range goals {
		if g.Address == l.Address {
			covers = append(covers, g.key())
		}
	}
	s.set(sSteady, false, refs...)
	s.signs[sByNode] = mark{state: yes, ev: refs, covers: covers}
	s.signs[sNodes] = s.signs[sByNode]
	s.vars["stale"] = l.Address
	s.vars["spreadwords"] = "The same handshake with " + l.Address + ", made several times, brought different certificates: servers that hold different ones take turns behind the address."
}

// spreadWords say which addresses differ.
func (s *scope) spreadWords(stale, fresh []*look) {
	s.vars["stale"], s.vars["fresh"] = addresses(stale), addresses(fresh)
	s.vars["staleserial"], s.vars["freshserial"] = serialOf(stale[0].leaf()), serialOf(fresh[0].leaf())
	s.vars["spreadwords"] = s.vars["fresh"] + " serves serial " + s.vars["freshserial"] + ", " + s.vars["stale"] + " serial " + s.vars["staleserial"] + "."
}

// mixed finds looks at one address that got different certificates of the same kind of key that are both for the name, asked
// with the name or as anybody: those with the older one, and the others.
func (j *judge) mixed(goals []*look) (worse, better []*look) {
	for _, address := range uniqueAddresses(goals) {
		newest := map[x509.PublicKeyAlgorithm]*look{}
		fitting := slices.DeleteFunc(j.survey.at(address), func(l *look) bool {
			return l.leaf() == nil || l.name == "" && l.asNobody() != "" || !coversName(l.leaf(), goals[0].name)
		})
		for _, l := range fitting {
			if was := newest[l.leaf().PublicKeyAlgorithm]; was == nil || l.leaf().NotBefore.After(was.leaf().NotBefore) {
				newest[l.leaf().PublicKeyAlgorithm] = l
			}
		}
		for _, l := range fitting {
			if best := newest[l.leaf().PublicKeyAlgorithm]; !l.leaf().Equal(best.leaf()) {
				worse, better = append(worse, l), append(better, best)
			}
		}
	}
	if !slices.ContainsFunc(worse, j.aged) {
		return nil, nil // a site may well have more than one that are current
	}
	return worse, better
}

// aged says whether what a look got should no longer be served: it has ended or soon will, or the order has a newer version.
func (j *judge) aged(l *look) bool {
	if j.overdue(l.leaf()) || !valid(l.leaf(), j.now) {
		return true
	}
	return len(j.current()) > 0 && j.opts.Order != nil && j.versionOf(serialOf(l.leaf())) != nil && !slices.Contains(j.current(), strings.ToUpper(serialOf(l.leaf())))
}

// asNobody is the name sent, empty too where it is nobody's: both get what a server gives to names that it does not know.
func (l *look) asNobody() string {
	if strings.HasSuffix(l.ServerName, ".invalid") {
		return ""
	}
	return l.ServerName
}

// offer is what the look sent.
func (l *look) offer() evidence.Offer {
	return evidence.Offer{ServerName: l.ServerName, Offered: l.Offered, StartTLS: l.StartTLS}
}

// seenAgain says how often what a look saw was seen, and whether it was so each time the very same look was made. Where exact is
// not asked for, looks count too that offer something else and came to the same.
func (s *survey) seenAgain(l *look, exact bool) (n int, alike bool, refs []EvidenceRef) {
	alike, refs = true, []EvidenceRef{l.ref}
	for _, o := range s.at(l.Address) {
		if (o == l || !exact) && o.asNobody() == l.asNobody() && o.StartTLS == l.StartTLS && o.leaf() != nil && o.leaf().Equal(l.leaf()) {
			n++
		}
	}
	for _, a := range s.again {
		if a.Address != l.Address {
			continue
		}
		for _, v := range a.Served {
			if (evidence.Offer{ServerName: v.ServerName, Offered: v.Offered, StartTLS: v.StartTLS}) != l.offer() || len(v.Chain) == 0 {
				continue
			}
			n++
			if string(v.Chain[0]) != string(l.leaf().Raw) {
				alike = false
			}
			if !slices.Contains(refs, a.ref) {
				refs = append(refs, a.ref)
			}
		}
	}
	return n, alike, refs
}
