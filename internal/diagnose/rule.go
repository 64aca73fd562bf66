package diagnose

import (
	"sort"
	"strings"

	"certwright/internal/evidence"
)

// sign names one fact about a scope. A row of the catalogue is made of signs; the functions that
// find them are in wire_*.go, host_*.go and path_*.go.
type sign string

// state is what is known of a sign.
type state int

// States of a sign. The zero value is "not known": a sign that nobody set is a blind spot, never a no.
const (
	dark state = iota // not known
	no
	yes
)

// mark is a sign as found in one scope: its state and the evidence for it.
type mark struct {
	state  state
	ev     []EvidenceRef
	why    string // why it is dark
	covers []string
}

// scope is what a row is weighed against: one handshake, one name on all its addresses, or one order.
type scope struct {
	kind  kind
	key   string            // unique; host marks point at handshake scopes by it
	where string            // how a person calls it: "192.0.2.1:443, RSA"
	signs map[sign]mark     //
	vars  map[string]string // fill the {placeholders} of a row's texts

	questions []evidence.Question // what could be asked about it further, but for what and cost
}

// kind says what sort of scope a row is about.
type kind int

// Kinds of scope.
const (
	perLook      kind = iota // one handshake with the name asked about
	perName                  // one name over all its addresses, key types and the look without a name
	perOrder                 // one order's path
	perDomain                // one name to be resolved and verified: DNS, DNSSEC, CAA, challenge
	perTarget                // one deployment: files, the server's configuration, its processes
	perVault                 // one secret in a vault
	perIssuer                // one authority, its account, and what it said
	perChallenge             // one challenge path (or acme-tls/1) at one address of a name
	perSystem                // Certwright's own host, database and workers
)

func newScope(k kind, key, where string) *scope {
	return &scope{kind: k, key: key, where: where, signs: map[sign]mark{}, vars: map[string]string{}}
}

// set records a sign as seen or seen not to hold.
func (s *scope) set(name sign, holds bool, ev ...EvidenceRef) {
	m := mark{state: no, ev: ev}
	if holds {
		m.state = yes
	}
	s.signs[name] = m
}

// unknown records why a sign could not be seen.
func (s *scope) unknown(name sign, why string) { s.signs[name] = mark{why: why} }

// Row is one cause of the catalogue: data only.
type Row struct {
	ID       string
	Per      kind
	Node     node     // where on the precondition graph the cause lies
	Must     []sign   // all have to hold; the first is the symptom and has to be seen, never assumed
	MustNot  []sign   // any of them excludes the cause
	Predicts []string // ids that this cause explains where it covers them; a trailing * stands for a family
	Twins    []Twin   // what it is most easily mistaken for
	Severity string
	Impact   impact
	Spare    sign // where it holds too, clients have another way: the finding is a warning
	Summary  bool // it says only that something is wrong: a narrower cause stands for it even while merely possible
	NoteIf   sign // where it holds in every scope of the row, the row is a note
	Note     bool // a harmless oddity or a state: reported as a note, never as a finding
	Title    string
	Cause    string
	Fix      Fix
}

// Twin is a cause that looks alike. It is ruled out when its own row is excluded in the same scope, or,
// where it has no row, when all signs of When hold. Because says it in words.
type Twin struct {
	ID      string
	When    []sign
	WhenNot []sign
	Because string
}

// impact says when a cause hurts.
type impact int

// Impacts, the worst first.
const (
	blocksNow   impact = iota // clients are refused now
	blocksLater               // clients will be refused at a known date, or some are
	hygiene                   // nobody is refused
)

// verdict of a row in a scope.
type verdict int

const (
	excluded verdict = iota
	possible
	confirmed
)

// weigh judges the row in a scope. The signs it rests on come back as evidence, those that were dark as names.
func (r *Row) weigh(s *scope) (v verdict, ev []EvidenceRef, missing []string) {
	v = confirmed
	for i, m := range r.Must {
		k := s.signs[m]
		switch {
		case k.state == no, i == 0 && k.state == dark:
			return excluded, nil, nil
		case k.state == dark:
			v, missing = possible, append(missing, lack(m, k))
		}
		ev = append(ev, k.ev...)
	}
	for _, m := range r.MustNot {
		switch k := s.signs[m]; k.state {
		case yes:
			return excluded, nil, nil
		case dark:
			v, missing = possible, append(missing, lack(m, k))
		}
	}
	return v, ev, missing
}

// lack says that a sign was not seen, and why.
func lack(m sign, k mark) string {
	if k.why != "" {
		return k.why
	}
	return "it was not seen whether " + strings.ReplaceAll(string(m), "-", " ")
}

// ruledOut lists the row's twins that the scope's signs exclude.
func (r *Row) ruledOut(cat map[string]*Row, s *scope) []RuledOut {
	var out []RuledOut
	for _, t := range r.Twins {
		if t.excludedIn(cat, s) {
			out = append(out, RuledOut{ID: t.ID, Because: fill(t.Because, s.vars)})
		}
	}
	return out
}

// excludedIn never takes a dark sign for an exclusion.
func (t Twin) excludedIn(cat map[string]*Row, s *scope) bool {
	for _, w := range t.When {
		if s.signs[w].state != yes {
			return false
		}
	}
	for _, w := range t.WhenNot {
		if s.signs[w].state != no {
			return false
		}
	}
	if row, ok := cat[t.ID]; ok && row.Per == s.kind {
		v, _, _ := row.weigh(s)
		lookedFor := s.signs[row.Must[0]].why == "" // a symptom that could not be looked for excludes nothing by itself
		return v == excluded && (lookedFor || len(t.When)+len(t.WhenNot) > 0)
	}
	return len(t.When)+len(t.WhenNot) > 0
}

// fill puts the scope's words into a text's {placeholders}.
func fill(text string, vars map[string]string) string {
	if !strings.Contains(text, "{") {
		return text
	}
	keys := make([]string, 0, len(vars))
	for k := range vars {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	pairs := make([]string, 0, 2*len(keys))
	for _, k := range keys {
		pairs = append(pairs, "{"+k+"}", vars[k])
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// known pulls the payload out of observations of one type.
func payloads[T any](obs []evidence.Observation, probe string) (out []T, from []evidence.Observation) {
	for _, o := range obs {
		if o.Probe != probe {
			continue
		}
		if v, ok := evidence.Decode[T](o); ok {
			out, from = append(out, v), append(from, o)
		}
	}
	return out, from
}
