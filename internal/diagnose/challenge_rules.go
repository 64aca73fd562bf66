package diagnose

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"certwright/internal/evidence"
)

// denySigns tell a rule that denies from files that cannot be read.
func (j *judge) denySigns(s *scope, c *challenge) {
	if c.Dot == nil || c.Outside == nil || c.Beside == nil {
		return // dark: the comparisons were not made
	}
	dot, out, beside := status(c.Dot) == 403, status(c.Outside) == 403, status(c.Beside) == 403
	s.set(hOut403, out, c.quoteFetch("a random name elsewhere", c.Outside))
	open, seen, ref := j.modes(c)
	fileOnly := c.Absent != nil && (status(c.Absent) == 404 || status(c.Absent) == 410)
	switch {
	case dot && !out:
		s.set(hDotRule, true, c.quoteFetch("another name that begins with a dot", c.Dot), c.quoteFetch("a random name elsewhere", c.Outside))
	case out, !beside, fileOnly, seen && !open:
		s.set(hDotRule, false)
	case seen && open:
		s.set(hDotRule, true, c.quoteFetch("a random name in /.well-known/", c.Beside), ref)
	default:
		s.unknown(hDotRule, "a rule that denies /.well-known/ and a directory that the server may not enter look the same from outside; the server's error log or the directory's mode tells")
	}
	switch {
	case seen:
		s.set(hClosed, !open, ref)
	case fileOnly:
		s.set(hClosed, true, c.quoteFetch("a random name beside it", c.Absent))
	case dot && !out:
		s.set(hClosed, false)
	default:
		s.unknown(hClosed, "the modes of the files at the server were not seen")
	}
}

// modes reads what is known of the files below the webroot: whether everybody can read them. Subject of the
// observation is the webroot's; ProbeFiles with Check "webroot" and an evidence.File for each part of the path.
func (j *judge) modes(c *challenge) (open, seen bool, ref EvidenceRef) {
	open = true
	for _, o := range j.obs {
		f, ok := evidence.Decode[evidence.File](o)
		if o.Probe != evidence.ProbeFiles || o.Check != "webroot" || !ok || !f.Exists || f.Mode == "" || !strings.HasPrefix(o.Subject, c.Name+" ") {
			continue
		}
		need := byte('4') // read for everybody
		if f.Kind == "directory" {
			need = '1' // enter
		}
		if (f.Mode[len(f.Mode)-1]-'0')&(need-'0') == 0 {
			return false, true, refOf(o)
		}
		seen, ref = true, refOf(o)
	}
	return open, seen, ref
}

// agentSigns compare what other programs and browsers get. A difference counts only if each program got the same every time it
// asked: nodes behind one address that take turns look like one otherwise.
func (j *judge) agentSigns(s *scope, c *challenge) {
	f := c.first()
	s.set(hGate, len(c.bad) > 0 && gated(f), c.ref())
	s.set(hSuspect, len(c.bad) > 0 || c.Doubted, c.ref())
	s.vars["agent"], s.vars["agentanswer"], s.vars["otheranswer"] = f.Agent, answerOf(f), "(not asked)"
	reached := c.Speaks == "" && (status(f) != 0 || f.ErrorClass == "reset" && f.Phase != evidence.PhaseConnect)
	switch {
	case len(c.bad) > 0 && len(c.good) > 0, !reached, len(c.bad) == 0 && !c.Doubted:
		s.set(hAgent, false, c.ref()) // the same program is answered well, always or now and then; or none is answered
		return
	case len(c.Agents) == 0:
		s.unknown(hAgent, "whether another User-Agent gets another answer at "+c.Address+" was not asked")
		return
	}
	s.set(hAgent, false, c.ref())
	for _, a := range c.others() {
		favoured := !c.well(a) // the usual one is well: does another authority's get less?
		if len(c.bad) > 0 {
			barred := slices.Contains([]int{401, 403, 406, 429, 503, 200}, status(f)) || f.ErrorClass == "reset"
			favoured = c.well(a) || barred && status(a) != status(f) && status(a) > 0 && status(a) < 500 && status(a) != 403
		}
		switch told := c.repeated(a); {
		case favoured && told == yes:
			s.set(hAgent, true, c.ref(), c.quoteFetch("with the User-Agent "+a.Agent, a))
			s.vars["otheranswer"] = answerOf(a)
			if len(c.bad) == 0 {
				s.vars["agent"], s.vars["agentanswer"], s.vars["otheranswer"] = a.Agent, answerOf(a), answerOf(f)
			}
			return
		case favoured && told == dark:
			s.unknown(hAgent, "another User-Agent got another answer at "+c.Address+", once: whether it always does was not asked")
		}
	}
}

// others are the first answers that each other program got.
func (c *challenge) others() []*evidence.Fetched {
	var out []*evidence.Fetched
	for i := range c.Agents {
		a := &c.Agents[i]
		if !slices.ContainsFunc(out, func(o *evidence.Fetched) bool { return o.Agent == a.Agent }) {
			out = append(out, a)
		}
	}
	return out
}

// repeated says whether the program that got this answer got the like each time: yes, no, or dark where it asked once.
func (c *challenge) repeated(a *evidence.Fetched) state {
	same := 0
	for i := range c.Agents {
		switch o := &c.Agents[i]; {
		case o.Agent != a.Agent:
		case c.well(o) != c.well(a) || status(o) != status(a) || o.ErrorClass != a.ErrorClass:
			return no
		default:
			same++
		}
	}
	if same < 2 {
		return dark
	}
	return yes
}

// byTurns says whether the same program got now what has to be there and now something else.
func (c *challenge) byTurns() bool {
	if len(c.bad) > 0 && len(c.good) > 0 {
		return true
	}
	for _, a := range c.others() {
		for i := range c.Agents {
			if o := &c.Agents[i]; o.Agent == a.Agent && c.well(o) != c.well(a) {
				return true
			}
		}
	}
	return false
}

// script that sets a cookie or loads the page again: what a test for browsers is made of.
var script = regexp.MustCompile(`(?is)document\.cookie|location\.(reload|replace|href)|<meta[^>]+http-equiv=["']?refresh|enable (javascript|cookies)|_cf_chl_`)

// gated says whether an answer is a test that only a browser passes: a header says so, or a page that sets
// cookies by script or comes back to itself, or a circle of redirects that sets cookies.
func gated(f *evidence.Fetched) bool {
	cookies := slices.ContainsFunc(f.Hops, func(h evidence.Hop) bool { return len(h.Cookies) > 0 })
	if slices.ContainsFunc(f.Hops, func(h evidence.Hop) bool { return h.Gate != "" }) {
		return true
	}
	if f.ErrorClass == "redirect-loop" {
		return cookies && sameURL(f)
	}
	switch status(f) {
	case 200, 202, 401, 403, 405, 429, 503:
		return html(f) && script.Match(f.Body)
	}
	return false
}

// sameURL says whether a circle of redirects leads from a page to itself.
func sameURL(f *evidence.Fetched) bool { return len(f.Hops) <= 2 }

// vhostSigns tell whether the server has a site for the name: it treats the name as one that nobody has,
// while it knows other names.
func (j *judge) vhostSigns(s *scope, c *challenge) {
	if len(c.good) > 0 || status(c.first()) == 0 { // no site answers where none answers in HTTP
		s.set(hDefault, false, c.ref())
		return
	}
	for i := range c.KinPath {
		if c.known() && c.well(&c.KinPath[i]) {
			s.set(hDefault, true, c.quoteFetch("asked for "+hopHost(c.KinPath[i].Hops[0]), &c.KinPath[i]))
			s.vars["kin"] = hopHost(c.KinPath[i].Hops[0])
			return
		}
	}
	if c.Root == nil || c.Nobody == nil || len(c.Root.Hops) == 0 || len(c.Nobody.Hops) == 0 {
		return
	}
	ev := []EvidenceRef{c.quoteFetch("home page", c.Root), c.quoteFetch("home page of a name that nobody has", c.Nobody)}
	if !alikePage(c.Root, c.Nobody) {
		s.set(hDefault, false, ev...)
		return
	}
	for i := range c.Kin {
		if k := &c.Kin[i]; k.Error == "" || k.ErrorClass == "bad-redirect" {
			if !alikePage(k, c.Nobody) {
				s.set(hDefault, true, append(ev, c.quoteFetch("home page of a neighbour", k))...)
				s.vars["kin"] = hopHost(k.Hops[0])
				return
			}
		}
	}
	if name := j.knownAtTLS(c); name {
		s.set(hDefault, true, ev...)
		s.vars["kin"] = "the name itself over HTTPS"
		return
	}
	s.set(hDefault, false, ev...) // one site for all names: it is the name's own
}

// knownAtTLS says whether the same machine has a certificate for the name at its HTTPS port, and another for
// names that it does not know.
func (j *judge) knownAtTLS(c *challenge) bool {
	var own, other [][]byte
	for _, l := range j.survey.looks {
		if ipOf(l.Address) != ipOf(c.Address) || l.leaf() == nil || !l.usual() {
			continue
		}
		if strings.EqualFold(l.ServerName, c.Name) && coversName(l.leaf(), c.Name) {
			own = append(own, l.leaf().Raw)
		}
		if strings.HasSuffix(l.ServerName, ".invalid") {
			other = append(other, l.leaf().Raw)
		}
	}
	return len(own) > 0 && len(other) > 0 && !bytes.Equal(own[0], other[0])
}

// challengePasses says whether what was published for the name is served well right now, at every address, to
// every User-Agent: what the authority complained of is gone. Dark where nothing was published.
func (j *judge) challengePasses(name string) mark {
	m := mark{why: "nothing is published for " + name + " now, so whether it would be found is not known"}
	for _, c := range j.challenges() {
		if c.Name != name || !c.known() {
			continue
		}
		if !c.allWell() || slices.ContainsFunc(c.Agents, func(a evidence.Fetched) bool { return !c.well(&a) }) {
			return mark{state: no, ev: []EvidenceRef{c.ref()}}
		}
		m.state, m.ev = yes, append(m.ev, c.ref())
	}
	return m
}

// challengesPass are the looks that show that the proofs of all of the names are found now; none if one is
// not, or was not looked for: that a path answers 404 for a name that nobody has shows nothing of a proof.
func (j *judge) challengesPass(names []string) []EvidenceRef {
	var ev []EvidenceRef
	for _, n := range names {
		m := j.challengePasses(n)
		if m.state != yes {
			return nil
		}
		ev = append(ev, m.ev...)
	}
	return ev
}
