package diagnose

import (
	"slices"
	"sort"
	"strings"
)

// candidate is a row that holds in one or more scopes.
type candidate struct {
	row        *Row
	verdict    verdict
	scopes     []*scope
	everywhere bool // it holds in every scope of its kind
	ev         []EvidenceRef
	missing    []string
	ruled      []RuledOut
	explains   []string
	covers     map[string]bool // scopes of handshakes that it is about; nil = all
	orElse     []*candidate    // twins that the evidence cannot tell from it
	prior      int             // place in the catalogue: the more frequent cause stands first
	worst      string          // the gravest severity of what it explains
	own        *Finding        // a finding made of a recorded problem, in its own words
	node       node            // of a recorded problem
	changed    *change         // the last change to what it is about, shortly before the first failure; nil = none is recorded
	under      *candidate      // the cause that it was put under before the frontier is drawn
}

// add merges another scope in which the row holds. Confirmed anywhere is confirmed.
func (c *candidate) add(s *scope, v verdict, ev []EvidenceRef, missing []string, ruled []RuledOut) {
	c.scopes = append(c.scopes, s)
	c.verdict = max(c.verdict, v)
	for _, e := range ev {
		if !slices.Contains(c.ev, e) {
			c.ev = append(c.ev, e)
		}
	}
	for _, m := range missing {
		if !slices.Contains(c.missing, m) {
			c.missing = append(c.missing, m)
		}
	}
	if len(c.scopes) == 1 {
		c.ruled = ruled
	} else { // a twin is ruled out only if it is so everywhere
		c.ruled = slices.DeleteFunc(c.ruled, func(r RuledOut) bool {
			return !slices.ContainsFunc(ruled, func(o RuledOut) bool { return o.ID == r.ID })
		})
	}
	for _, m := range c.row.Must {
		for _, k := range s.signs[m].covers {
			if c.covers == nil {
				c.covers = map[string]bool{}
			}
			c.covers[k] = true
		}
	}
	if s.kind == perLook || s.kind == perChallenge {
		if c.covers == nil {
			c.covers = map[string]bool{}
		}
		c.covers[s.key] = true
	}
}

// frontier keeps the causes that no confirmed cause explains, puts what they explain under them, and
// orders them.
func frontier(found []*candidate) []*candidate {
	parent := map[*candidate]*candidate{}
	for _, b := range found {
		if b.under != nil {
			parent[b] = b.under
			continue
		}
		for _, a := range found {
			if a != b && a.explainsAll(b) && !isUnder(parent, a, b) {
				if p := parent[b]; p == nil || before(a, p) {
					parent[b] = a
				}
			}
		}
	}
	var roots []*candidate
	for _, c := range found {
		root := c
		for parent[root] != nil {
			root = parent[root]
		}
		if root == c {
			roots = append(roots, c)
		} else if !slices.Contains(root.explains, c.id()) && c.id() != root.id() {
			root.explains = append(root.explains, c.id())
		}
		if root != c && c.verdict == confirmed && graver(c.severity(), root.worst) {
			root.worst = c.severity()
		}
	}
	sort.SliceStable(roots, func(i, k int) bool { return before(roots[i], roots[k]) })
	return undecided(roots)
}

// severity is how grave the candidate is by itself.
func (c *candidate) severity() string {
	switch {
	case c.own != nil:
		return c.own.Severity
	case c.spared():
		return Warning
	}
	return c.row.Severity
}

// graver says whether a severity is above another; the empty one is below all.
func graver(a, b string) bool {
	rank := map[string]int{Info: 1, Warning: 2, Critical: 3}
	return rank[a] > rank[b]
}

// undecided folds a merely possible cause into the merely possible twin that stands before it: the
// evidence says "one of the two", which is one finding, not two.
func undecided(roots []*candidate) []*candidate {
	var out []*candidate
	for _, b := range roots {
		folded := false
		for _, a := range out {
			if a.verdict == possible && b.verdict == possible && a.row != nil && b.row != nil && twins(a.row, b.row) {
				a.orElse, folded = append(a.orElse, b), true
				break
			}
		}
		if !folded {
			out = append(out, b)
		}
	}
	return out
}

func twins(a, b *Row) bool {
	has := func(r *Row, id string) bool {
		return slices.ContainsFunc(r.Twins, func(t Twin) bool { return t.ID == id })
	}
	return has(a, b.ID) || has(b, a.ID)
}

// isUnder says whether a already hangs below b, so that b must not be hung below a.
func isUnder(parent map[*candidate]*candidate, a, b *candidate) bool {
	for p := a; p != nil; p = parent[p] {
		if p == b {
			return true
		}
	}
	return false
}

// explainsAll says whether a, if confirmed, accounts for b everywhere that b is seen.
func (c *candidate) explainsAll(b *candidate) bool {
	enough := c.verdict == confirmed || b.own == nil && b.row.Summary
	if !enough || c.row == nil || !predicts(c.row.Predicts, b.id()) {
		return false
	}
	if c.covers == nil || b.covers == nil || c.row.Per == perChallenge && b.row.Per != perChallenge {
		return true
	}
	for k := range b.covers {
		if !c.covers[k] {
			return false
		}
	}
	return true
}

// predicts matches an id with a row's list; "tls-*" stands for the family.
func predicts(list []string, id string) bool {
	for _, p := range list {
		if base, wild := strings.CutSuffix(p, "*"); p == id || wild && strings.HasPrefix(id, base) {
			return true
		}
	}
	return false
}

func (c *candidate) id() string {
	if c.own != nil {
		return c.own.ID
	}
	return c.row.ID
}

func (c *candidate) at() int {
	if c.own != nil {
		return position(c.node)
	}
	return position(c.row.Node)
}

func (c *candidate) hurts() impact {
	if c.own != nil {
		switch c.own.Severity {
		case Critical:
			return blocksNow
		case Warning:
			return blocksLater
		}
		return hygiene
	}
	if c.spared() {
		return blocksLater
	}
	if c.worst == Critical {
		return blocksNow // it accounts for what hurts now
	}
	return c.row.Impact
}

// spared says whether clients have another way wherever the cause holds.
func (c *candidate) spared() bool {
	for _, s := range c.scopes {
		if c.row.Spare == "" || s.signs[c.row.Spare].state != yes {
			return false
		}
	}
	return true
}

// noteOnly says whether the row is no more than a note wherever it holds.
func (c *candidate) noteOnly() bool {
	for _, s := range c.scopes {
		if c.row.NoteIf == "" || s.signs[c.row.NoteIf].state != yes {
			return false
		}
	}
	return true
}

func (c *candidate) musts() int {
	if c.row == nil {
		return 0
	}
	return len(c.row.Must) + len(c.row.MustNot)
}

// order is the lexicographic order of findings: each step decides only among those that the steps
// before it leave equal, and each is a sentence.
var ranking = []struct {
	less func(a, b *candidate) bool
	why  string
}{
	{func(a, b *candidate) bool { return a.verdict > b.verdict }, "it is confirmed, the next one is only possible"},
	{func(a, b *candidate) bool { return a.hurts() < b.hurts() }, "it hurts sooner than the next one"},
	{func(a, b *candidate) bool { return a.at() < b.at() }, "it lies earlier on the certificate's road than the next one"},
	{func(a, b *candidate) bool { return a.own == nil && b.own != nil }, "it was seen directly, the next one is somebody's word"},
	{func(a, b *candidate) bool { return a.musts() > b.musts() }, "it is the more specific of the two: more had to be seen for it"},
	{func(a, b *candidate) bool { return a.everywhere && !b.everywhere }, "it holds at every address"},
	{func(a, b *candidate) bool { return a.changed != nil && b.changed == nil }, "what it is about was changed shortly before the first failure"},
	{func(a, b *candidate) bool { return a.prior < b.prior }, "it is the more frequent of the two"},
}

// before is the order of findings.
func before(a, b *candidate) bool {
	for _, r := range ranking {
		if r.less(a, b) {
			return true
		}
		if r.less(b, a) {
			return false
		}
	}
	return false
}

// whyBefore says in words why a stands before b.
func whyBefore(a, b *candidate) string {
	for _, r := range ranking {
		if r.less(a, b) {
			return r.why
		}
	}
	return "the two weigh the same"
}

// finding writes the candidate out.
func (c *candidate) finding() Finding {
	if c.own != nil {
		f := *c.own
		f.Consequences = append([]string{}, c.explains...)
		c.tellChange(&f)
		return f
	}
	f := Finding{
		ID: c.row.ID, Leg: c.row.leg(), Severity: c.row.Severity, Certainty: Confirmed,
		Title: c.title(), Cause: c.text(c.row.Cause),
		Evidence: append([]EvidenceRef{}, c.ev...), RuledOut: append([]RuledOut{}, c.ruled...),
		Consequences: append([]string{}, c.explains...),
		Fix:          Fix{Text: c.text(c.row.Fix.Text), Command: c.text(c.row.Fix.Command), Action: c.row.Fix.Action},
	}
	if f.Severity = c.severity(); f.Severity == Info && c.worst != "" && graver(c.worst, Info) {
		f.Severity = c.worst // a state that by itself is no fault hurts by what follows from it
	}
	if c.verdict == possible {
		f.Certainty = Possible
		for _, o := range c.orElse {
			f.Cause += " Or " + o.row.ID + ": " + lowerFirst(o.text(o.row.Title)) + "."
		}
		f.Cause += " Not certain: " + strings.Join(c.missing, "; ") + "."
	}
	c.tellChange(&f)
	return f
}

// tellChange says what was changed shortly before, and quotes it.
func (c *candidate) tellChange(f *Finding) {
	if c.changed == nil {
		return
	}
	f.Cause = strings.TrimSpace(f.Cause) + " " + c.changed.words
	if !slices.Contains(f.Evidence, c.changed.ref) {
		f.Evidence = append(slices.Clone(f.Evidence), c.changed.ref)
	}
}

// text fills a text with the words of the first scope; {where} is all places, or "every address".
func (c *candidate) text(t string) string {
	if len(c.scopes) == 0 {
		return t
	}
	vars := map[string]string{}
	for k, v := range c.scopes[0].vars {
		vars[k] = v
	}
	var places []string
	for _, s := range c.scopes {
		if !slices.Contains(places, s.where) {
			places = append(places, s.where)
		}
	}
	vars["where"] = listed(places)
	if c.everywhere && len(places) > 1 {
		vars["where"] = "every address"
	}
	return fill(t, vars)
}

// lowerFirst lets a title stand inside a sentence.
func lowerFirst(s string) string {
	if strings.HasPrefix(s, "The ") {
		return "t" + s[1:]
	}
	return s
}
