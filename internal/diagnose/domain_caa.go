package diagnose

import (
	"slices"
	"strings"

	"certwright/internal/evidence"
)

// Signs of the CAA set that applies to a host (perDomain).
const (
	sNoIntent    sign = "nothing-is-to-be-issued"
	sCAAExcludes sign = "the-name-s-CAA-set-names-other-authorities-only"
	sCAAParent   sign = "a-CAA-set-above-the-name-names-other-authorities-only"
	sCAAWild     sign = "the-issuewild-properties-name-other-authorities-only"
	sCAADeny     sign = "the-CAA-set-permits-nobody"
	sCAAAccount  sign = "the-CAA-set-permits-another-account-only"
	sNoAccount   sign = "the-account-to-be-used-is-not-known"
	sCAAMethod   sign = "the-CAA-set-permits-other-validation-methods-only"
	sCAACritical sign = "the-CAA-set-holds-a-critical-property-that-nobody-knows"
	sCAAMalform  sign = "the-CAA-property-for-the-authority-cannot-be-read"
	sCAAPermits  sign = "the-CAA-set-permits-what-is-intended"
	sCAAFails    sign = "questions-about-CAA-fail"
	sCAATooBig   sign = "the-CAA-set-is-too-big-for-UDP-and-TCP-fails"
	sOtherTypes  sign = "questions-about-other-types-are-answered"
)

var caaSign = map[string]sign{
	"caa-issue-excludes-ca": sCAAExcludes, "caa-parent-inherited": sCAAParent, "caa-issuewild-excludes": sCAAWild, "caa-deny-all": sCAADeny,
	"caa-accounturi-mismatch": sCAAAccount, "caa-validationmethods": sCAAMethod, "caa-critical-unknown": sCAACritical, "caa-malformed-param": sCAAMalform,
}

// caaSigns find the set that applies (RFC 8659 section 3) and judge it for what is to be issued.
func (d *domain) caaSigns() {
	if d.walk == nil || d.walk.Blind != "" && d.walk.Via == "" {
		return
	}
	d.s.set(sNoIntent, !d.intent())
	d.s.set(sNoAccount, d.walk.Ask.Account == "")
	set := evidence.Resolved{Name: d.host, Type: "CAA"}
	var ref EvidenceRef
	for at := d.host; at != ""; _, at, _ = strings.Cut(at, ".") {
		n, a, ok := d.caaAt(at)
		if !ok {
			return
		}
		if len(a.CAA) > 0 {
			set.FoundAt, set.CAA, ref = at, a.CAA, d.answer(n, a)
			break
		}
	}
	d.s.set(sCAAFails, false)
	d.s.set(sCAATooBig, false)
	d.judgeCAA(set, ref)
}

// caaAt is the answer about one name, at the end of its CNAMEs. A look-up that failed is marked; ok is
// then false, as it is where nothing was asked.
func (d *domain) caaAt(name string) (n *evidence.DNSName, a evidence.DNSAnswer, ok bool) {
	role := evidence.RoleAbove
	if name == d.host {
		role = evidence.RoleHost
	}
	chain := d.chain(name, role)
	if len(chain) == 0 {
		return nil, a, false
	}
	n = chain[len(chain)-1]
	var bad []evidence.DNSAnswer
	for _, x := range of(n, "CAA") {
		switch {
		case x.Error == "" && (x.AA || d.walk.Via != ""):
			if !ok || len(x.CAA) > len(a.CAA) {
				a, ok = x, true
			}
		case x.Class == "rcode" || x.Class == "timeout" || x.Class == "truncated":
			bad = append(bad, x)
		}
	}
	if ok || len(bad) == 0 {
		return n, a, ok
	}
	var refs []EvidenceRef
	big := false
	for _, x := range bad {
		refs = append(refs, d.answer(n, x))
		big = big || x.Class == "truncated"
	}
	d.s.vars["caaname"] = n.Name
	d.s.set(sCAATooBig, big, refs...)
	d.s.set(sCAAFails, !big, refs...)
	d.otherTypes(n)
	return n, a, false
}

// otherTypes says whether the servers that fail for CAA answer something else.
func (d *domain) otherTypes(n *evidence.DNSName) {
	d.s.set(sOtherTypes, false)
	z := d.zone(n.Zone)
	for _, x := range n.Answers {
		if x.Type != "CAA" && x.Error == "" && (x.AA || d.walk.Via != "") {
			d.s.set(sOtherTypes, true, d.answer(n, x))
			return
		}
	}
	if z != nil && len(z.Answering()) > 0 {
		d.s.set(sOtherTypes, true, d.server(*z, z.Answering()[0]))
	}
}

// judgeCAA asks the set for permission for each of the authority's names.
func (d *domain) judgeCAA(set evidence.Resolved, ref EvidenceRef) {
	ask := d.walk.Ask
	d.s.vars["caaat"], d.s.vars["caaset"], d.s.vars["issuer"] = set.FoundAt, caaList(set.CAA), "the authority"
	d.s.vars["method"] = ask.Method
	for _, sg := range caaSign {
		d.s.set(sg, false)
	}
	issuers := d.issuers()
	if len(issuers) == 0 {
		issuers = []string{""}
	} else {
		d.s.vars["issuer"] = strings.Join(issuers, " or ")
	}
	var first evidence.CAAVerdict
	for i, domain := range issuers {
		v := set.JudgeCAA(evidence.CAAQuery{Domain: domain, Wildcard: ask.Wildcard, Account: ask.Account, Method: ask.Method})
		if v.ID == "" {
			d.s.set(sCAAPermits, true)
			return
		}
		if i == 0 {
			first = v
		}
	}
	if issuers[0] == "" && first.ID != "caa-deny-all" && first.ID != "caa-critical-unknown" {
		if ask.Method == "" || !onlyOtherMethods(set.CAA, ask.Method) {
			return // which authority is meant is not known: a set that names some is no fault
		}
		first = evidence.CAAVerdict{ID: "caa-validationmethods", Text: "every authority that the CAA record of " + set.FoundAt + " names may use other methods only"}
	}
	ref.Expected = "a property that permits " + d.s.vars["issuer"]
	d.s.set(caaSign[first.ID], true, ref)
	d.s.vars["caatext"] = first.Text
	if p := first.Property; p != nil {
		d.s.vars["property"] = p.String()
		d.s.vars["permitted"] = strings.Join(p.Param("accounturi"), ", ")
		if ms := p.Param("validationmethods"); len(ms) > 0 {
			d.s.vars["methods"] = strings.Join(ms, ", ")
		}
	}
}

// issuers are the authority's names in CAA records: as asked for, or as its directory lists them.
func (d *domain) issuers() []string {
	if len(d.walk.Ask.Issuers) > 0 || d.j.opts.Order == nil {
		return d.walk.Ask.Issuers
	}
	seen, _ := payloads[evidence.Authority](d.j.obs, evidence.ProbeCA)
	for _, a := range seen {
		if strings.EqualFold(a.Issuer, d.j.opts.Order.Spec.Issuer) && len(a.CAA) > 0 {
			return a.CAA
		}
	}
	return nil
}

// onlyOtherMethods says whether every authority of a set is held to methods that lack this one.
func onlyOtherMethods(set []evidence.CAA, method string) bool {
	some := false
	for _, c := range set {
		if c.Tag != "issue" || c.Domain == "" {
			continue
		}
		ms := c.Param("validationmethods")
		if len(ms) != 1 || slices.Contains(strings.Split(ms[0], ","), method) {
			return false
		}
		some = true
	}
	return some
}

func caaList(set []evidence.CAA) string {
	var out []string
	for _, c := range set {
		out = append(out, c.String())
	}
	return strings.Join(out, "; ")
}
