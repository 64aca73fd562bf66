package diagnose

import (
	"slices"
	"strings"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// hang puts refusals that are about a name, and rest on the authority's word alone, under a cause that is
// seen on the name now: the authority looked at the same thing, earlier and in other words.
func (j *judge) hang(found []*candidate) {
	for _, c := range found {
		if c.own != nil || c.row.Per != perIssuer || !aboutTheName(order.StageVerify, &order.Problem{}, c.id()) {
			continue
		}
		for _, s := range c.scopes {
			if root := j.liveRoot(found, s.vars["names"]); root != nil {
				c.under = root
				break
			}
		}
	}
}

// places finds the candidate that a recorded problem belongs under, nil if it stands by itself: a look at the
// authority that fails now or passes now, or a cause seen on the name.
func (j *judge) places(all []*candidate, stage order.StageName, r order.Row, id string, ref EvidenceRef) *candidate {
	if predicts(reachIDs, id) {
		for _, c := range all {
			if c.own == nil && c.verdict == confirmed && (predicts(reachIDs, c.id()) || c.id() == "sys-egress-down" || c.id() == "sys-resolver-broken") {
				return c
			}
		}
	}
	for _, c := range all {
		if stage == order.StageStore && id == Unnamed && c.id() == notStored && c.verdict == confirmed {
			return c // it says the same, and what to do about it
		}
		if c.id() == nowFixed && c.own == nil && slices.Contains(c.ev, ref) {
			return c
		}
	}
	if aboutTheName(stage, r.Problem, id) {
		return j.liveRoot(all, strings.Join(j.namesOf(stage, r), " "))
	}
	return nil
}

// notStored is the id of a signed version that the vault did not take.
const notStored = "renew-issued-not-stored"

// nowFixed is the id of a failure that is history.
const nowFixed = "ca-error-now-fixed"

// liveRoot is the confirmed cause that is seen now on one of the names that the words speak of; of several the
// first on the road. An order of one name needs no words.
func (j *judge) liveRoot(all []*candidate, words string) *candidate {
	var root *candidate
	for _, c := range all {
		// A challenge path that fails now fails now, even where two causes of it cannot be told apart.
		if c.own != nil || c.verdict != confirmed && c.row.Per != perChallenge || c.row.Severity == Info || !aboutResolving(c.row) || !j.sameName(c, words) {
			continue
		}
		if root == nil || before(c, root) {
			root = c
		}
	}
	return root
}

// aboutResolving says whether a row is about a name's way from the DNS to its proof.
func aboutResolving(r *Row) bool {
	switch r.leg() {
	case LegDNS, LegCAA, LegHTTP, LegALPN:
		return r.Per == perDomain || r.Per == perName || r.Per == perChallenge
	}
	return r.ID == "sys-resolver-broken"
}

// sameName says whether the candidate is about a name that the words speak of.
func (j *judge) sameName(c *candidate, words string) bool {
	if o := j.opts.Order; o == nil || len(o.Spec.Names) <= 1 {
		return true
	}
	for _, s := range c.scopes {
		for _, n := range append([]string{s.key, s.where}, s.vars["host"], s.vars["name"], s.vars["domain"]) {
			n = strings.TrimSuffix(strings.TrimPrefix(n, "*."), ".")
			if strings.Contains(n, ".") && speaksOf(words, n) {
				return true
			}
		}
	}
	return false
}

// speaksOf says whether words name a host, or one below it.
func speaksOf(words, name string) bool {
	return slices.ContainsFunc(hostWords(words), func(w string) bool { return w == name || strings.HasSuffix(w, "."+name) })
}

// mentions says whether words name exactly this host.
func mentions(words, name string) bool { return slices.Contains(hostWords(words), name) }

// hostWords are the words of a text, as host names are compared.
func hostWords(text string) []string {
	return strings.FieldsFunc(strings.ToLower(strings.ReplaceAll(text, ". ", " ")+" "), func(r rune) bool { return strings.ContainsRune(" ,;:\"'()/", r) })
}

// nowPasses makes ca-error-now-fixed of a verdict on a name that would be another today: the look that failed
// then was made again from here and passes, and nothing was found on the name. Nil if that is not known.
func (j *judge) nowPasses(stage order.StageName, r order.Row, id string, ref EvidenceRef) *candidate {
	if !aboutTheName(stage, r.Problem, id) || id == "ca-mpic-disagree" || predicts(limitIDs, id) {
		return nil
	}
	ev := j.passed(j.namesOf(stage, r), r, id)
	row, ok := Explain(nowFixed)
	if len(ev) == 0 || !ok {
		return nil
	}
	s := newScope(perIssuer, "then "+r.Name, r.Name)
	s.vars["order"], s.vars["then"], s.vars["failed"] = j.target, id, lowerFirst(titleOf(r.Problem, r.Name))
	s.vars["said"], s.vars["until"] = strings.TrimSpace(sentence(quoteWords(r.Problem))), "its next turn"
	if r.NextAt != nil {
		s.vars["until"] = day(*r.NextAt) + " UTC"
	}
	s.set(cNowFixed, true, append([]EvidenceRef{ref}, ev...)...)
	c := &candidate{row: &row, prior: 1000}
	c.add(s, confirmed, s.signs[cNowFixed].ev, nil, nil)
	if id != Unnamed {
		c.consequence(id)
	}
	return c
}

// passed are the looks, newer than the problem, at what the authority complained of; none if any of them
// does not pass.
func (j *judge) passed(names []string, r order.Row, id string) []EvidenceRef {
	probe := map[string]string{LegDNS: evidence.ProbeDNS, LegCAA: evidence.ProbeCAA, LegHTTP: evidence.ProbeHTTP, LegALPN: evidence.ProbeTLS}[legOf(id)]
	if probe == "" {
		probe = map[string]string{"dns": evidence.ProbeDNS, "caa": evidence.ProbeCAA, "connection": evidence.ProbeHTTP}[shortType(r.Problem.Type)]
	}
	var ev []EvidenceRef
	if probe == evidence.ProbeHTTP {
		return j.challengesPass(names)
	}
	for _, o := range j.obs {
		if probe == "" || o.Probe != probe || !o.At.After(r.Problem.At) || !slices.ContainsFunc(names, func(n string) bool { return speaksOf(o.Subject, strings.TrimPrefix(n, "*.")) }) {
			continue
		}
		if o.Outcome != evidence.Pass {
			return nil
		}
		ev = append(ev, refOf(o))
	}
	return ev
}

// shortType is a problem type without its namespace.
func shortType(t string) string { return t[strings.LastIndexByte(t, ':')+1:] }

// consequence notes an id that the candidate accounts for.
func (c *candidate) consequence(id string) {
	if id != Unnamed && id != c.id() && !slices.Contains(c.explains, id) {
		c.explains = append(c.explains, id)
	}
}
