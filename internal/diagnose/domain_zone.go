package diagnose

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"certwright/internal/evidence"
)

// Signs of a zone on the way to a host (perDomain): its name servers, each asked by itself.
const (
	sNoneAnswers  sign = "no-name-server-of-the-zone-answers-with-authority"
	sSomeAnswers  sign = "other-name-servers-of-the-zone-answer"
	sAllSilent    sign = "every-name-server-of-the-zone-is-silent"
	sSomeSilent   sign = "a-name-server-of-the-zone-is-silent"
	sSomeLame     sign = "a-name-server-has-not-the-zone-that-it-is-named-for"
	sSomeRefuse   sign = "a-name-server-has-the-zone-and-refuses-to-answer"
	sOdd          sign = "a-name-server-says-what-makes-no-sense"
	sOddSpared    sign = "sense-is-to-be-had-all-the-same"
	sSomeFail     sign = "a-name-server-fails-to-answer-for-its-zone"
	sAllFail      sign = "every-name-server-fails-to-answer-for-its-zone"
	sManyLeft     sign = "three-or-more-name-servers-are-left"
	sAllSlow      sign = "every-name-server-that-answers-is-slow"
	sNoGlue       sign = "the-delegation-lacks-the-address-of-a-server-inside-the-zone"
	sNSDiffer     sign = "parent-and-zone-name-different-servers"
	sSerials      sign = "name-servers-hold-different-versions-of-the-zone"
	sNoTCP        sign = "a-name-server-does-not-answer-over-TCP"
	sTCPElsewhere sign = "others-answer-over-TCP"
	sTooBig       sign = "an-answer-is-too-big-for-UDP"
	sCutOff       sign = "some-answer-came-cut-off-and-the-server-has-no-TCP"
	sNoEDNS       sign = "questions-with-EDNS-get-no-answer"
	sCaseLost     sign = "the-letters-case-of-a-question-is-not-kept"
	sChallengeCut sign = "the-zone-is-only-for-the-challenge"
	sViewReaches  sign = "the-resolver-reaches-the-name-servers"
)

// slowServer is from when on a name server is called slow: authorities and resolvers give up, or try again,
// after a second or two.
const slowServer = 1500 * time.Millisecond

// zoneScope makes the scope of one zone.
func (d *domain) zoneScope(z evidence.Zone) *scope {
	s := newScope(perDomain, d.host+" "+z.Name, zoneWord(z.Name))
	s.vars["host"], s.vars["zone"], s.vars["parent"] = d.host, zoneWord(z.Name), zoneWord(z.Parent)
	d.secSigns(s, z)
	if !d.asked() {
		return s
	}
	d.stateSigns(s, z)
	d.delegationSigns(s, z)
	d.serialSigns(s, z)
	d.transportSigns(s, z)
	return s
}

func zoneWord(name string) string {
	if name == "." {
		return "the root zone"
	}
	return name
}

// server quotes what a name server said of its zone.
func (d *domain) server(z evidence.Zone, n evidence.NameServer) EvidenceRef {
	return d.said(n.Address, z.Name, "SOA", n.Name+": "+n.Seen)
}

// stateSigns count the servers by their state.
func (d *domain) stateSigns(s *scope, z evidence.Zone) {
	by := map[string][]EvidenceRef{}
	names := map[string]map[string][]string{} // by state, the addresses of each name
	n := 0
	add := func(kind string, srv evidence.NameServer) {
		by[kind] = append(by[kind], d.server(z, srv))
		if names[kind] == nil {
			names[kind] = map[string][]string{}
		}
		names[kind][srv.Name] = append(names[kind][srv.Name], srv.Address)
	}
	for _, srv := range z.Servers {
		if srv.State == evidence.ServerNotAsked {
			continue
		}
		n++
		kind := srv.State
		switch refs := d.refusedAddresses(z, srv); {
		case kind == evidence.ServerRefuses && srv.Knows != "yes":
			kind = evidence.ServerLame
		case kind == evidence.ServerAnswers && len(refs) > 0:
			kind = evidence.ServerRefuses
			by[kind] = append(by[kind], refs[0])
		}
		add(kind, srv)
	}
	if n == 0 && len(z.NoAddr) == 0 {
		return // a zone without a server that could be asked: its delegation is looked at elsewhere
	}
	answers, silent, slow := by[evidence.ServerAnswers], by[evidence.ServerSilent], by[evidence.ServerSlow]
	s.set(sNoneAnswers, len(answers) == 0, slices.Concat(silent, by[evidence.ServerRefuses], by[evidence.ServerLame], by[evidence.ServerFails], by[evidence.ServerOther], slow)...)
	s.set(sSomeAnswers, len(answers) > 0, answers[:min(1, len(answers))]...)
	s.set(sAllSilent, n > 0 && len(silent) == n, silent...)
	s.set(sSomeLame, len(by[evidence.ServerLame]) > 0 || len(z.NoAddr) > 0, by[evidence.ServerLame]...)
	s.set(sSomeRefuse, len(by[evidence.ServerRefuses]) > 0, by[evidence.ServerRefuses]...)
	s.set(sOdd, len(by[evidence.ServerOther]) > 0, by[evidence.ServerOther]...)
	s.set(sOddSpared, len(answers) > 0)
	s.vars["odd"], s.vars["oddly"] = oddly(z), "Asked for the zone's SOA record, "+serverList(names[evidence.ServerOther])+" gave what is no answer of a name server"
	s.set(sSomeFail, len(by[evidence.ServerFails]) > 0, by[evidence.ServerFails]...)
	s.set(sAllFail, n > 0 && len(by[evidence.ServerFails])+len(silent) == n && len(by[evidence.ServerFails]) > 0, by[evidence.ServerFails]...)
	s.set(sManyLeft, len(names[evidence.ServerAnswers]) >= 3)
	down := mark{state: no}
	for _, srv := range z.Servers {
		if srv.State != evidence.ServerSilent {
			continue
		}
		if len(names[evidence.ServerAnswers][srv.Name]) == 0 || !s.yes(sSomeAnswers) {
			down.state, down.ev = yes, append(down.ev, d.server(z, srv))
		}
	}
	s.signs[sSomeSilent] = down
	s.vars["silent"], s.vars["lame"] = serverList(names[evidence.ServerSilent]), serverList(names[evidence.ServerLame])
	s.vars["refusing"], s.vars["failing"] = serverList(names[evidence.ServerRefuses]), serverList(names[evidence.ServerFails])
	if len(z.NoAddr) > 0 && s.vars["lame"] == "" {
		s.vars["lame"] = listed(z.NoAddr) + " (which have no address)"
	}
	s.set(sChallengeCut, strings.HasPrefix(z.Name, "_acme-challenge."))
	s.set(sViewReaches, d.viewReaches(z))
	d.slowSigns(s, z, answers, slow)
}

// refusedAddresses are a server's refusals to give the addresses of names in a zone that it answers for: an
// access list, or a filter on types. Empty if it gave any.
func (d *domain) refusedAddresses(z evidence.Zone, srv evidence.NameServer) (out []EvidenceRef) {
	for i := range d.walk.Names {
		n := &d.walk.Names[i]
		if n.Zone != z.Name {
			continue
		}
		for _, a := range append(of(n, "A"), of(n, "AAAA")...) {
			switch {
			case a.Server != srv.Address:
			case a.Error == "":
				return nil
			case a.Rcode == "REFUSED":
				out = append(out, d.answer(n, a))
			}
		}
	}
	return out
}

// oddly says what the servers say that is no answer.
func oddly(z evidence.Zone) string {
	var out []string
	for _, srv := range z.Servers {
		if srv.State == evidence.ServerOther {
			out = addNew(out, srv.Seen)
		}
	}
	return listed(out)
}

// yes says whether a sign was seen to hold.
func (s *scope) yes(name sign) bool { return s.signs[name].state == yes }

// viewReaches says whether the resolver, unlike us, gets a fresh word from a zone's servers: about a name that
// nobody asked for before. A signed zone's answers may be put together from what is kept (RFC 8198).
func (d *domain) viewReaches(z evidence.Zone) bool {
	if z.DNSSEC.State == evidence.SecSecure {
		return false
	}
	looks, _ := payloads[evidence.Resolved](d.j.obs, evidence.ProbeDNS)
	for _, r := range looks {
		if strings.HasPrefix(r.Name, "cw-") && below(r.Name, z.Name) && r.Error == "" && sameName(r.Zone, z.Name) {
			return true
		}
	}
	return false
}

// slowSigns are about the time that answers take.
func (d *domain) slowSigns(s *scope, z evidence.Zone, answers, late []EvidenceRef) {
	m := mark{state: no}
	fastest := time.Duration(0)
	for _, srv := range z.Servers {
		if (srv.State == evidence.ServerAnswers || srv.State == evidence.ServerSlow) && (fastest == 0 || srv.Took < fastest) {
			fastest = srv.Took
		}
		if srv.State == evidence.ServerAnswers && srv.Took >= slowServer {
			m.ev = append(m.ev, d.said(srv.Address, z.Name, "SOA", srv.Name+": an answer after "+srv.Took.Round(100*time.Millisecond).String()))
		}
	}
	m.ev = append(m.ev, late...)
	if len(answers)+len(late) > 0 && fastest >= slowServer {
		m.state = yes
	}
	s.vars["delay"] = fastest.Round(100 * time.Millisecond).String()
	s.signs[sAllSlow] = m
}

// serverList names servers with their addresses.
func serverList(names map[string][]string) string {
	var out []string
	for _, n := range sortedKeys(names) {
		out = append(out, n+" ("+strings.Join(names[n], ", ")+")")
	}
	return listed(out)
}

// delegationSigns compare what the parent says of the zone's servers with what the zone says.
func (d *domain) delegationSigns(s *scope, z evidence.Zone) {
	at := EvidenceRef{Probe: d.obs.Probe, Subject: "delegation of " + z.Name, Seen: strings.Join(z.NSParent, ", "), Expected: strings.Join(z.NSChild, ", "),
		From: d.obs.From, At: d.obs.At, Command: "dig +norec " + z.Name + " NS"}
	if p := d.zone(z.Parent); p != nil {
		if a := p.Answering(); len(a) > 0 {
			at.Command = "dig " + digAt(a[0].Address) + "+norec " + z.Name + " NS"
		}
	}
	s.set(sNoGlue, len(z.NoGlue) > 0, EvidenceRef{Probe: at.Probe, Subject: at.Subject, Seen: "no address of " + strings.Join(z.NoGlue, ", "), From: at.From, At: at.At, Command: at.Command})
	s.vars["noglue"] = listed(z.NoGlue)
	if len(z.NSParent) == 0 || len(z.NSChild) == 0 || z.Parent == "" {
		return
	}
	only := func(a, b []string) (out []string) {
		for _, x := range a {
			if !slices.Contains(b, x) {
				out = append(out, x)
			}
		}
		return out
	}
	up, down := only(z.NSParent, z.NSChild), only(z.NSChild, z.NSParent)
	s.set(sNSDiffer, len(up)+len(down) > 0, at)
	var words []string
	if len(up) > 0 {
		words = append(words, "only the parent names "+listed(up))
	}
	if len(down) > 0 {
		words = append(words, "only the zone itself names "+listed(down))
	}
	s.vars["nsdiff"] = strings.Join(words, ", ")
}

// serialSigns compare the versions of the zone that the servers hold. Servers with another primary number
// their versions by themselves.
func (d *domain) serialSigns(s *scope, z evidence.Zone) {
	newest := map[string]uint32{}
	for _, srv := range z.Answering() {
		if v, ok := newest[srv.MName]; !ok || int32(srv.Serial-v) > 0 { // RFC 1982
			newest[srv.MName] = srv.Serial
		}
	}
	m := mark{state: no}
	var behind []string
	for _, srv := range z.Answering() {
		ref := d.said(srv.Address, z.Name, "SOA", srv.Name+": serial "+strconv.FormatUint(uint64(srv.Serial), 10))
		if srv.Serial != newest[srv.MName] {
			m.state = yes
			ref.Expected = "serial " + strconv.FormatUint(uint64(newest[srv.MName]), 10)
			behind = addNew(behind, srv.Name)
		}
		m.ev = append(m.ev, ref)
	}
	slices.SortStableFunc(m.ev, func(a, b EvidenceRef) int { return strings.Compare(b.Expected, a.Expected) })
	s.vars["behind"] = listed(behind)
	s.vars["olddiff"] = d.differences(z, behind)
	s.signs[sSerials] = m
}

// differences says in which records asked for the servers that are behind differ.
func (d *domain) differences(z evidence.Zone, behind []string) string {
	old := map[string]bool{}
	for _, srv := range z.Servers {
		old[srv.Address] = slices.Contains(behind, srv.Name)
	}
	var out []string
	for i := range d.walk.Names {
		n := &d.walk.Names[i]
		if n.Zone != z.Name || n.Role == evidence.RoleRandom || n.Role == evidence.RoleApex {
			continue
		}
		for _, kind := range []string{"A", "AAAA", "TXT", "CAA"} {
			var a, b string
			for _, x := range of(n, kind) {
				switch {
				case x.Error != "":
				case old[x.Server]:
					a = wordsOf(x)
				default:
					b = wordsOf(x)
				}
			}
			if a != "" && b != "" && a != b {
				out = addNew(out, "for "+n.Name+" they give "+a+", the others "+b)
			}
		}
	}
	if len(out) == 0 {
		return "in what was asked here they agree"
	}
	return strings.Join(out, "; ")
}

// transportSigns are about UDP, TCP, EDNS and the case of letters.
func (d *domain) transportSigns(s *scope, z evidence.Zone) {
	tcp, edns, cased := mark{state: no}, mark{state: no}, mark{state: no}
	elsewhere := false
	var noTCP, noEDNS, lost []string
	for _, srv := range z.Answering() {
		if srv.TCP != "ok" && srv.TCP != "" && srv.Took < slowServer { // a slow one is slow over TCP too
			tcp.state = yes
			r := d.said(srv.Address, z.Name, "SOA", srv.Name+" over TCP: "+srv.TCP)
			r.Command = strings.Replace(r.Command, "+norec", "+tcp +norec", 1)
			tcp.ev, noTCP = append(tcp.ev, r), addNew(noTCP, srv.Name)
		}
		if srv.EDNS == "dropped" {
			edns.state = yes
			r := d.said(srv.Address, z.Name, "SOA", srv.Name+": an answer only to the question without EDNS")
			edns.ev, noEDNS = append(edns.ev, r), addNew(noEDNS, srv.Name)
		}
		if srv.Case == "changed" {
			cased.state = yes
			cased.ev, lost = append(cased.ev, d.said(srv.Address, z.Name, "SOA", srv.Name+": the question comes back in other letters")), addNew(lost, srv.Name)
		}
	}
	for _, o := range d.walk.Zones {
		for _, srv := range o.Servers {
			elsewhere = elsewhere || srv.TCP == "ok"
		}
	}
	s.vars["notcp"], s.vars["noedns"], s.vars["caselost"] = listed(noTCP), listed(noEDNS), listed(lost)
	s.signs[sNoTCP], s.signs[sNoEDNS], s.signs[sCaseLost] = tcp, edns, cased
	s.set(sTCPElsewhere, elsewhere)
	d.cutOff(s, z)
}

// cutOff finds answers that did not fit into UDP and could not be fetched over TCP. A CAA set has causes of
// its own. Where TCP is lost on the way, rather than turned away by the server, that is the cause.
func (d *domain) cutOff(s *scope, z evidence.Zone) {
	big, any := mark{state: no}, false
	for i := range d.walk.Names {
		n := &d.walk.Names[i]
		for _, a := range n.Answers {
			if n.Zone != z.Name || a.Class != "truncated" {
				continue
			}
			any = any || !slices.ContainsFunc(z.Servers, func(srv evidence.NameServer) bool { return srv.Address == a.Server && srv.TCPLost })
			if a.Type != "CAA" {
				big.state, big.ev = yes, append(big.ev, d.answer(n, a))
				s.vars["big"] = n.Name + " " + a.Type
			}
		}
	}
	s.set(sCutOff, any)
	s.signs[sTooBig] = big
}
