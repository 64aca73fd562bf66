package diagnose

import (
	"net/netip"
	"slices"
	"strings"

	"certwright/internal/evidence"
)

// Signs of a host name (perDomain) as its own name servers see it.
const (
	sWalked      sign = "the-name-servers-were-asked-one-by-one"
	sAuthThere   sign = "the-name-servers-give-an-address"
	sLoop        sign = "the-CNAMEs-lead-in-a-circle"
	sApexCNAME   sign = "a-CNAME-stands-at-the-top-of-the-zone"
	sDangling    sign = "a-CNAME-leads-to-a-name-that-does-not-exist"
	sViewOld     sign = "the-resolver-still-gives-another-answer-than-the-name-servers"
	sViewNo      sign = "the-resolver-says-no-and-the-name-servers-say-yes"
	sViewInner   sign = "the-resolver-gives-private-addresses-and-the-name-servers-public-ones"
	sViewUseless sign = "what-the-resolver-gives-does-not-serve"
	sPrivate     sign = "the-public-DNS-gives-a-private-address"
	sByAddress   sign = "the-authority-has-to-reach-the-address"
	sTrouble     sign = "something-is-wrong-on-the-way-from-the-root-to-the-name"
)

// walkSigns read what the name servers say of the host's addresses. Their word stands over the resolver's.
func (d *domain) walkSigns() {
	d.s.set(sWalked, d.asked())
	if !d.asked() {
		return
	}
	chain := d.chain(d.host, evidence.RoleHost)
	if len(chain) == 0 {
		return
	}
	last := chain[len(chain)-1]
	nx, nodata, there := mark{state: no}, mark{state: no}, mark{state: no}
	saysNo, saysYes := map[string]EvidenceRef{}, map[string]EvidenceRef{} // by server
	seen := false
	for _, a := range append(of(last, "A"), of(last, "AAAA")...) {
		switch {
		case a.Error != "" || a.CNAME != "" || !a.AA:
			continue
		case len(a.Records) > 0:
			there.state, there.ev = yes, append(there.ev, d.answer(last, a))
			saysYes[a.Server] = d.answer(last, a)
		case a.Rcode == "NXDOMAIN":
			nx.state, nx.ev = yes, append(nx.ev, d.answer(last, a))
			saysNo[a.Server] = d.answer(last, a)
		default:
			nodata.state, nodata.ev = yes, append(nodata.ev, d.answer(last, a))
		}
		seen = true
	}
	if !seen {
		return
	}
	d.s.vars["zone"], d.s.vars["missing"] = last.Zone, last.Name
	d.s.signs[sAuthThere] = there
	d.tornSigns(last, saysNo, saysYes)
	if there.state == yes { // some address is there: at worst one kind of it is missing, or one server is behind
		nx, nodata = mark{state: no}, mark{state: no}
	}
	if nx.state == yes {
		nodata = mark{state: no}
	}
	d.s.signs[sNXDomain], d.s.signs[sNoData] = nx, nodata
	if nx.state == yes || nodata.state == yes {
		d.s.set(sNoAddress, true)
		d.s.set(sDangling, len(chain) > 1, d.cnames(chain)...)
	}
	if nx.state == yes {
		d.s.set(sNoDomain, registry(last.Zone, d.walk.Suffix, last.Name), nx.ev...)
		d.s.vars["domain"] = registered(last.Name, last.Zone)
	}
}

// tornSigns find servers that deny a name to one type of address (NXDOMAIN) and give the other.
func (d *domain) tornSigns(n *evidence.DNSName, saysNo, saysYes map[string]EvidenceRef) {
	m := mark{state: no}
	for _, server := range sortedKeys(saysNo) {
		if there, both := saysYes[server]; both {
			m.state, m.ev = yes, append(m.ev, saysNo[server], there)
		}
	}
	d.s.signs[sOdd] = m
	d.s.set(sOddSpared, true)
	d.s.set(sChallengeCut, false)
	d.s.vars["odd"] = "NXDOMAIN for " + n.Name + " to one type of address, and an address to the other"
	d.s.vars["oddly"] = "NXDOMAIN is said of the whole name (RFC 4074 section 4.2, RFC 8020): a resolver that was told so gives no address at all for as long as it remembers it. A type that is not there is answered with NOERROR and no record"
}

// chain follows CNAMEs through the walk: the name, then each target.
func (d *domain) chain(name, role string) []*evidence.DNSName {
	var out []*evidence.DNSName
	for n := d.name(role, name); n != nil && !slices.Contains(out, n); {
		out = append(out, n)
		target := targetOf(n)
		if target == "" {
			break
		}
		next := d.name(evidence.RoleTarget, target)
		if next == nil {
			next = d.name(role, target)
		}
		n = next
	}
	return out
}

// targetOf is where a name's CNAME leads; empty if it has none.
func targetOf(n *evidence.DNSName) string {
	for _, a := range n.Answers {
		if a.CNAME != "" {
			return a.CNAME
		}
	}
	return ""
}

// cnames quote the CNAMEs of a chain.
func (d *domain) cnames(chain []*evidence.DNSName) (out []EvidenceRef) {
	for _, n := range chain {
		for _, a := range n.Answers {
			if a.CNAME != "" {
				out = append(out, d.answer(n, a))
				break
			}
		}
	}
	return out
}

// circle says whether a chain of CNAMEs comes back to itself.
func (d *domain) circle(chain []*evidence.DNSName) bool {
	if len(chain) == 0 {
		return false
	}
	target := targetOf(chain[len(chain)-1])
	return target != "" && slices.ContainsFunc(chain, func(n *evidence.DNSName) bool { return n.Name == target })
}

// chainSigns are about the CNAMEs of the host.
func (d *domain) chainSigns() {
	if !d.asked() {
		return
	}
	chain := d.chain(d.host, evidence.RoleHost)
	var names []string
	for _, n := range chain {
		names = append(names, n.Name)
	}
	loop := d.circle(chain)
	if loop {
		names = append(names, targetOf(chain[len(chain)-1]))
	}
	d.s.vars["cnames"] = strings.Join(names, " -> ")
	d.s.vars["via"] = ""
	if len(names) > 1 {
		d.s.vars["via"] = " (" + d.s.vars["cnames"] + ")"
	}
	d.s.set(sLoop, loop, d.cnames(chain)...)
	apex := mark{state: no}
	for i := range d.walk.Names {
		n := &d.walk.Names[i]
		if n.Name != n.Zone || n.Role == evidence.RoleTarget {
			continue
		}
		for _, a := range n.Answers {
			if a.CNAME != "" && a.AA {
				apex.state, apex.ev = yes, append(apex.ev, d.answer(n, a))
				d.s.vars["apex"], d.s.vars["apextarget"] = n.Name, a.CNAME
			}
		}
	}
	d.s.signs[sApexCNAME] = apex
	trouble := false
	for _, z := range d.walk.Zones {
		zs := d.zoneScope(z)
		for _, bad := range []sign{sNoneAnswers, sSomeLame, sSomeRefuse, sSomeFail, sOdd, sSecBroken, sSigBad} {
			trouble = trouble || zs.signs[bad].state == yes
		}
	}
	d.s.set(sTrouble, trouble)
}

// cacheSigns compare the resolver's answer with the name servers'.
func (d *domain) cacheSigns() {
	if !d.asked() || d.s.signs[sAuthThere].state == dark {
		return
	}
	auth := d.walk.Addresses()
	old, gone := mark{state: no}, mark{state: no}
	var seen []string
	d.s.vars["authority"] = strings.Join(auth, ", ")
	for i, r := range d.view {
		if r.Error != "" {
			continue
		}
		if d.s.vars["ttl"] == "" || r.TTL > 0 {
			d.s.vars["ttl"] = seconds(r.TTL)
		}
		seen = append(seen, r.Records...)
		if len(r.Records) == 0 && hasFamily(auth, r.Type) && !d.somebodyLacks(r.Type) {
			gone.state, gone.ev = yes, append(gone.ev, d.views[i])
		}
		if len(r.Records) > 0 && hasFamily(auth, r.Type) && !overlap(r.Records, auth) {
			old.state, old.ev = yes, append(old.ev, d.views[i])
		}
	}
	if len(seen) > 0 {
		gone = mark{state: no} // one family is enough to reach the host
	}
	d.s.vars["viewed"] = strings.Join(seen, ", ")
	d.s.set(sViewInner, len(seen) > 0 && !slices.ContainsFunc(seen, globalAddress) && slices.ContainsFunc(auth, globalAddress))
	quote := d.s.signs[sAuthThere].ev
	quote = quote[:min(1, len(quote))]
	for _, m := range []*mark{&old, &gone} {
		if m.state == yes {
			m.ev = append(m.ev, quote...)
		}
	}
	d.s.signs[sViewOld], d.s.signs[sViewNo] = old, gone
	useless := false
	for _, l := range d.j.survey.looks {
		if l.name == "" {
			continue
		}
		switch {
		case l.leaf() == nil && (l.ErrorClass == "refused" || l.ErrorClass == "timeout" || l.ErrorClass == "unreachable" || l.ErrorClass == "not-tls"), l.leaf() != nil && !coversName(l.leaf(), l.name):
			useless = true
		case l.leaf() != nil:
			d.s.set(sViewUseless, false, l.ref)
			return
		}
	}
	d.s.set(sViewUseless, useless)
}

// somebodyLacks says whether one of the name servers itself says that there is no address of a type: then a
// resolver that says so need not remember anything.
func (d *domain) somebodyLacks(kind string) bool {
	chain := d.chain(d.host, evidence.RoleHost)
	return len(chain) > 0 && slices.ContainsFunc(of(chain[len(chain)-1], kind), evidence.DNSAnswer.Absent)
}

// addressKindSigns are about addresses that the world cannot reach.
func (d *domain) addressKindSigns() {
	if d.walk == nil {
		return
	}
	m := d.walk.Ask.Method
	d.s.set(sByAddress, d.walk.Ask.Issue && (m == "http-01" || m == "tls-alpn-01"))
	if !d.asked() {
		return
	}
	private := mark{state: no}
	chain := d.chain(d.host, evidence.RoleHost)
	if len(chain) == 0 {
		return
	}
	last := chain[len(chain)-1]
	z := d.zone(last.Zone)
	if z == nil || !slices.ContainsFunc(z.Servers, func(s evidence.NameServer) bool { return globalAddress(s.Address) }) {
		d.s.signs[sPrivate] = private // the zone itself is a private one
		return
	}
	var list []string
	public := false
	for _, a := range append(of(last, "A"), of(last, "AAAA")...) {
		for _, r := range a.Records {
			if globalAddress(r) {
				public = true
			} else if a.CNAME == "" {
				list = addNew(list, r)
				private.state, private.ev = yes, append(private.ev, d.answer(last, a))
			}
		}
	}
	if public && d.walk.Ask.Method != "http-01" {
		private = mark{state: no}
	}
	d.s.vars["private"] = strings.Join(list, ", ")
	d.s.signs[sPrivate] = private
}

// globalAddress says whether the whole internet can reach an address, with or without a port.
func globalAddress(s string) bool {
	a, err := netip.ParseAddr(s)
	if err != nil {
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			return false
		}
		a = ap.Addr()
	}
	a = a.Unmap()
	shared := netip.MustParsePrefix("100.64.0.0/10")
	return a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a)
}

func hasFamily(addrs []string, kind string) bool {
	return slices.ContainsFunc(addrs, func(a string) bool { return strings.Contains(a, ":") == (kind == "AAAA") })
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
}
