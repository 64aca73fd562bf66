package diagnose

import (
	"crypto/x509"
	"slices"

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

// turns decides what a difference rests on. compared are the looks of which differences are made; a difference counts only if
// each of them was seen more than once, and always alike.
func (j *judge) turns(s *scope, goals, compared []*look) {
	worse, better := mixed(goals)
	compared = append(compared, worse...)
	compared = append(compared, better...)
	state, ev := yes, []EvidenceRef{}
	offers := map[string][]evidence.Offer{}
	for _, l := range compared {
		n, alike, refs := j.survey.seenAgain(l)
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

// mixed finds looks at one address that got different certificates of the same kind of key for the same name: those with the
// older one, and the others.
func mixed(goals []*look) (worse, better []*look) {
	for _, address := range uniqueAddresses(goals) {
		newest := map[x509.PublicKeyAlgorithm]*look{}
		for _, l := range goals {
			if c := l.leaf(); l.Address == address && c != nil && (newest[c.PublicKeyAlgorithm] == nil || c.NotBefore.After(newest[c.PublicKeyAlgorithm].leaf().NotBefore)) {
				newest[c.PublicKeyAlgorithm] = l
			}
		}
		for _, l := range goals {
			if c := l.leaf(); l.Address == address && c != nil && !c.Equal(newest[c.PublicKeyAlgorithm].leaf()) {
				worse = append(worse, l)
				better = append(better, newest[c.PublicKeyAlgorithm])
			}
		}
	}
	return worse, better
}

// offer is what the look sent.
func (l *look) offer() evidence.Offer {
	return evidence.Offer{ServerName: l.ServerName, Offered: l.Offered, StartTLS: l.StartTLS}
}

// seenAgain says how often what a look saw was seen of the same kind of client, and whether it was so each time. Looks that
// offer something else and come to the same kind of key count as often as they agree; only the very same look can disagree.
func (s *survey) seenAgain(l *look) (n int, alike bool, refs []EvidenceRef) {
	alike, refs = true, []EvidenceRef{l.ref}
	for _, o := range s.at(l.Address) {
		if o.ServerName == l.ServerName && o.StartTLS == l.StartTLS && o.leaf() != nil && o.leaf().Equal(l.leaf()) {
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
