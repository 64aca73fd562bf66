package diagnose

import (
	"crypto/x509"
	"net/netip"
	"slices"
	"strings"

	"certwright/internal/evidence"
)

// hostScopes makes a scope of every name asked about: what its addresses show taken together.
func (j *judge) hostScopes() []*scope {
	names := j.survey.names()
	if len(names) == 0 && j.opts.ServerName != "" {
		names = []string{j.opts.ServerName}
	}
	var out []*scope
	for _, n := range names {
		s := newScope(perName, n, n)
		s.vars["host"], s.vars["others"] = n, ""
		goals := j.survey.goals(n)
		j.addressSigns(s, n, goals)
		apart := j.spreadSigns(s, goals)
		j.elsewhereSigns(s, goals)
		near := append(j.dualSigns(s, goals), j.noNameSigns(s, goals)...)
		j.turns(s, goals, apart, near)
		out = append(out, s)
	}
	return out
}

// addressSigns are about reaching any of the name's addresses.
func (j *judge) addressSigns(s *scope, name string, goals []*look) {
	reached, noRoute := 0, 0
	for _, l := range goals {
		switch l.ErrorClass {
		case "unresolvable":
		case "unreachable":
			noRoute++
		default:
			reached++
		}
	}
	s.vars["host"] = j.host(name)
	s.set(sAllNoRoute, noRoute > 0 && reached == 0)
	if noRoute > 0 && reached == 0 {
		s.signs[sAllNoRoute] = mark{state: yes, ev: refs(goals)}
	}
	public := slices.ContainsFunc(goals, func(l *look) bool { return l.ErrorClass == "unreachable" && globalAddress(l.Address) })
	s.set(sInnerOnly, !public && j.wantsPublic())
}

// wantsPublic says whether the host has, or for its validation needs, an address that the whole internet reaches:
// no way to a private one then tells nothing of the way out.
func (j *judge) wantsPublic() bool {
	walks, _ := payloads[evidence.Walk](j.obs, evidence.ProbeDNS)
	return slices.ContainsFunc(walks, func(w evidence.Walk) bool {
		return w.Ask.Issue && (w.Ask.Method == "http-01" || w.Ask.Method == "tls-alpn-01") || slices.ContainsFunc(w.Addresses(), globalAddress)
	})
}

// host is the host name that was resolved for a server name: the target's own where they differ.
func (j *judge) host(name string) string {
	if j.opts.Host != "" {
		return j.opts.Host
	}
	return name
}

// spreadSigns compare the certificate over the name's addresses, key type by key type. It gives the looks that differ.
func (j *judge) spreadSigns(s *scope, goals []*look) (compared []*look) {
	byFamily, byNode := mark{state: no}, mark{state: no}
	for _, group := range byOffer(goals) {
		if len(group) < 2 || alike(group) {
			continue
		}
		stale, fresh := j.stale(group)
		m := mark{state: yes, ev: append(refs(fresh[:1]), refs(stale)...), covers: serving(goals, stale)}
		s.spreadWords(stale, fresh)
		compared = append(slices.Clone(stale), fresh...)
		if alike(family(group, "ip4")) && alike(family(group, "ip6")) && len(family(group, "ip4")) > 0 && len(family(group, "ip6")) > 0 {
			byFamily = m
			s.vars["family"] = map[string]string{"ip4": "IPv4", "ip6": "IPv6"}[familyOf(stale[0])]
			s.vars["otherfamily"] = map[string]string{"ip4": "IPv4", "ip6": "IPv6"}[familyOf(fresh[0])]
		} else {
			byNode = m
		}
		break // key types differ in the same way: one is enough
	}
	s.signs[sByFamily], s.signs[sByNode] = byFamily, byNode
	return compared
}

// stale splits looks that disagree: those that serve what is worse (for another name, out of its
// dates, older), and those that serve the best.
func (j *judge) stale(group []*look) (worse, best []*look) {
	top := group[0]
	for _, l := range group[1:] {
		if j.better(l, top) {
			top = l
		}
	}
	for _, l := range group {
		if l.leaf().Equal(top.leaf()) {
			best = append(best, l)
		} else {
			worse = append(worse, l)
		}
	}
	return worse, best
}

// better compares two leaves for the same name: the right name, then validity now, then a trusted
// chain, then the later issue.
func (j *judge) better(a, b *look) bool {
	ca, cb := a.leaf(), b.leaf()
	for _, test := range []func(*look, *x509.Certificate) bool{
		func(l *look, c *x509.Certificate) bool { return coversName(c, l.name) },
		func(_ *look, c *x509.Certificate) bool { return valid(c, j.now) },
		func(_ *look, c *x509.Certificate) bool { return !selfSigned(c) },
	} {
		if x, y := test(a, ca), test(b, cb); x != y {
			return x
		}
	}
	return ca.NotBefore.After(cb.NotBefore)
}

// dualSigns compare the RSA and the ECDSA certificate of each address. It gives the looks that differ.
func (j *judge) dualSigns(s *scope, goals []*look) (compared []*look) {
	m := mark{state: no}
	for _, addr := range uniqueAddresses(goals) {
		rsa, ec := byKey(goals, addr, "RSA"), byKey(goals, addr, "ECDSA")
		if rsa == nil || ec == nil {
			continue
		}
		old, fresh := rsa, ec
		if rsa.leaf().NotAfter.After(ec.leaf().NotAfter) {
			old, fresh = ec, rsa
		}
		if !j.overdue(old.leaf()) || j.overdue(fresh.leaf()) {
			continue // both current, or both late: no difference to explain
		}
		kind, _ := keyOf(old.leaf())
		other, _ := keyOf(fresh.leaf())
		s.vars["stalekind"], s.vars["freshkind"], s.vars["dualaddress"] = kind, other, addr
		s.vars["dualend"], s.vars["staleserial"] = day(old.leaf().NotAfter)+" UTC", serialOf(old.leaf())
		s.vars["freshserial"] = serialOf(fresh.leaf())
		m.state = yes
		m.ev = append(m.ev, old.ref, fresh.ref)
		compared = append(compared, old, fresh)
		for _, l := range goals {
			if l.leaf() != nil && l.leaf().Equal(old.leaf()) {
				m.covers = append(m.covers, l.key())
			}
		}
	}
	s.signs[sDualStale] = m
	return compared
}

// overdue says whether a certificate has ended or should long have been renewed.
func (j *judge) overdue(c *x509.Certificate) bool {
	return c.NotAfter.Sub(j.now) < Late(c.NotBefore, c.NotAfter)
}

// noNameSigns compare what is served without a server name with what the name gets. It gives the looks of which one is old.
func (j *judge) noNameSigns(s *scope, goals []*look) (compared []*look) {
	bad, old := mark{state: no}, mark{state: no}
	for _, g := range goals {
		gc := g.leaf()
		if gc == nil || !coversName(gc, g.name) || g.ServerName == "" {
			continue
		}
		for _, o := range j.survey.at(g.Address) {
			oc := o.leaf()
			if o.ServerName != "" || oc == nil || oc.Equal(gc) || oc.PublicKeyAlgorithm != gc.PublicKeyAlgorithm {
				continue
			}
			s.vars["nosni"] = listed(named(oc))
			s.vars["nosniserial"], s.vars["sniserial"], s.vars["nosniaddress"] = serialOf(oc), serialOf(gc), g.Address
			if coversName(oc, g.name) && oc.NotBefore.Before(gc.NotBefore) {
				old = mark{state: yes, ev: append(old.ev, o.ref, g.ref)}
				compared = append(compared, o, g)
			} else if !coversName(oc, g.name) {
				bad = mark{state: yes, ev: append(bad.ev, o.ref)}
			}
		}
	}
	s.signs[sNoSNIBad], s.signs[sNoSNIOld] = bad, old
	return compared
}

// byOffer groups looks with a certificate by the key that they got.
func byOffer(goals []*look) [][]*look {
	groups := map[string][]*look{}
	for _, l := range goals {
		if c := l.leaf(); c != nil {
			kind, _ := keyOf(c)
			if !hasAddress(groups[kind], l.Address) {
				groups[kind] = append(groups[kind], l)
			}
		}
	}
	if len(groups) > 1 { // addresses that give different kinds of key are compared as a client sees them
		var usual []*look
		for _, l := range goals {
			if l.usual() && l.leaf() != nil {
				usual = append(usual, l)
			}
		}
		if !sameSets(groups) {
			return [][]*look{usual}
		}
	}
	var out [][]*look
	for _, k := range sortedKeys(groups) {
		out = append(out, groups[k])
	}
	return out
}

// sameSets says whether every kind of key was seen at the same number of addresses.
func sameSets(groups map[string][]*look) bool {
	n := -1
	for _, g := range groups {
		if n >= 0 && len(g) != n {
			return false
		}
		n = len(g)
	}
	return true
}

func hasAddress(looks []*look, address string) bool {
	for _, l := range looks {
		if l.Address == address {
			return true
		}
	}
	return false
}

// alike says whether all looks saw the same leaf.
func alike(looks []*look) bool {
	for _, l := range looks[min(1, len(looks)):] {
		if !l.leaf().Equal(looks[0].leaf()) {
			return false
		}
	}
	return true
}

func family(looks []*look, which string) []*look {
	var out []*look
	for _, l := range looks {
		if familyOf(l) == which {
			out = append(out, l)
		}
	}
	return out
}

// familyOf tells the address family from the look or, where it does not say, the address.
func familyOf(l *look) string {
	if l.Family != "" {
		return l.Family
	}
	if a, err := netip.ParseAddrPort(l.Address); err == nil && a.Addr().Is6() {
		return "ip6"
	}
	return "ip4"
}

func byKey(looks []*look, address, kind string) *look {
	for _, l := range looks {
		if l.Address != address || l.leaf() == nil {
			continue
		}
		if k, _ := keyOf(l.leaf()); k == kind {
			return l
		}
	}
	return nil
}

func uniqueAddresses(looks []*look) []string {
	var out []string
	seen := map[string]bool{}
	for _, l := range looks {
		if !seen[l.Address] {
			seen[l.Address] = true
			out = append(out, l.Address)
		}
	}
	return out
}

func addresses(looks []*look) string { return strings.Join(uniqueAddresses(looks), ", ") }

func refs(looks []*look) []EvidenceRef {
	var out []EvidenceRef
	for _, l := range looks {
		out = append(out, l.ref)
	}
	return out
}

// serving gives the keys of all looks that saw one of these leaves at one of these addresses.
func serving(all, stale []*look) []string {
	var out []string
	for _, l := range all {
		for _, o := range stale {
			if l.leaf() != nil && l.leaf().Equal(o.leaf()) && l.Address == o.Address {
				out = append(out, l.key())
				break
			}
		}
	}
	return out
}
