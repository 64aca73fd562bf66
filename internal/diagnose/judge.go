package diagnose

import (
	"crypto/x509"
	"slices"
	"sort"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// Options are what a judgement needs besides the evidence. They are written down with a Case, Roots apart.
type Options struct {
	// Roots are what clients trust. Nil trusts nothing, so that every chain ends in an unknown root.
	Roots *x509.CertPool `json:"-"`
	// PublicRoots says that Roots are those of browsers and systems, whose limits then hold, but for
	// PrivateRoots: SHA-256 fingerprints (upper-case hexadecimal) of roots among them that only their owner's clients trust.
	PublicRoots  bool     `json:"publicRoots,omitempty"`
	PrivateRoots []string `json:"privateRoots,omitempty"`
	// ServerName is the name that clients ask for; empty = every name that was sent as SNI.
	ServerName string `json:"serverName,omitempty"`
	// Host is what was resolved to find the addresses; empty = ServerName.
	Host string `json:"host,omitempty"`
	// Method is the ACME validation method that is intended (http-01, dns-01, tls-alpn-01), and
	// ExpectIssuer the CAA domain of the authority to be used; both empty = nothing is to be issued.
	Method       string `json:"method,omitempty"`
	ExpectIssuer string `json:"expectIssuer,omitempty"`
	// Order is the order whose path is given; nil for a bare host.
	Order *order.Order `json:"order,omitempty"`
	// Moved is by how much now was moved on purpose against the real time, to rehearse a later day; other
	// clocks are compared with the real one then.
	Moved time.Duration
	// Took is written to the report as its duration.
	Took time.Duration `json:"tookNs,omitempty"`
}

// goal is the name that a look has to be for to count. The endpoints of an order each have their own,
// so that every name sent counts there; only an address, which is never sent, has to be told.
func (o Options) goal() string {
	if o.Order != nil && !isIP(o.ServerName) {
		return ""
	}
	return o.ServerName
}

// public says whether a trusted root is one that browsers and systems come with.
func (o Options) public(root *x509.Certificate) bool {
	return root != nil && o.PublicRoots && !slices.Contains(o.PrivateRoots, fingerprint(root))
}

// judge holds one judgement.
type judge struct {
	target string
	obs    []evidence.Observation
	path   []order.Stage
	now    time.Time
	opts   Options
	trust  trust
	survey *survey
}

// Judge names what is wrong with the target, root cause first, from observations and, where the
// target is an order, its path. It reads no clock: now is the moment it judges for.
func Judge(target string, obs []evidence.Observation, path []order.Stage, now time.Time, opts Options) Report {
	return newJudge(target, obs, path, now, opts).judgeWith(catalogue())
}

func newJudge(target string, obs []evidence.Observation, path []order.Stage, now time.Time, opts Options) *judge {
	if opts.Roots == nil {
		opts.Roots = x509.NewCertPool()
	}
	return &judge{target: target, obs: obs, path: path, now: now, opts: opts,
		trust: trust{roots: opts.Roots, now: now}, survey: readSurvey(obs, opts.goal())}
}

// readers turn the evidence into scopes, one for each kind of thing that a cause can be about.
var readers = []func(*judge) []*scope{
	(*judge).wireScopes,
	(*judge).hostScopes,
	(*judge).orderScopes,
	(*judge).issuerScopes,
	(*judge).systemScopes,
	(*judge).challengeScopes,
	(*judge).alpnScopes,
	(*judge).targetScopes,
	(*judge).vaultScopes,
	(*judge).domainScopes,
	(*judge).accountScopes,
	(*judge).notifyScopes,
}

// judgeWith weighs the given rows; tests pass others.
func (j *judge) judgeWith(rows []Row) Report {
	r := Report{Target: j.target, DurationMs: j.opts.Took.Milliseconds(), Path: j.path,
		Findings: []Finding{}, BlindSpots: []BlindSpot{}}
	if r.Path == nil {
		r.Path = []order.Stage{}
	}
	found, notes := weighAll(rows, j.scopes())
	found = append(found, j.problems(found)...)
	j.dateChanges(found)
	roots := frontier(found)
	for i, c := range roots {
		f := c.finding()
		f.Fix.Command = j.nextCommand(f.Fix)
		if i+1 < len(roots) {
			f.Rank = whyBefore(c, roots[i+1])
		}
		r.Findings = append(r.Findings, f)
	}
	r.Notes, r.Forecast = notes, j.forecast()
	r.BlindSpots = append(r.BlindSpots, j.blindSpots()...)
	r.Healthy = healthy(r.Findings) && j.sawAnything()
	return r
}

// nextCommand is what to run for a fix: its own command; else what has Certwright do it; else, where the mending is somebody's
// elsewhere, the look that shows whether it is done.
func (j *judge) nextCommand(f Fix) string {
	switch {
	case f.Command != "":
		return f.Command
	case f.Action != "" && j.opts.Order != nil:
		return "certwright fix " + quote(j.target) + " --yes"
	}
	return "certwright diagnose " + quote(j.target)
}

// scopes are all kinds of scope, read from the evidence.
func (j *judge) scopes() []*scope {
	var all []*scope
	for _, read := range readers {
		all = append(all, read(j)...)
	}
	j.unanswered(all)
	return all
}

// healthy says whether no finding is above info.
func healthy(fs []Finding) bool {
	for _, f := range fs {
		if f.Severity != Info {
			return false
		}
	}
	return true
}

// sawAnything says whether there is a ground to call the target well: a certificate was seen, or,
// for an order with no endpoint, its path is there.
func (j *judge) sawAnything() bool {
	for _, l := range j.survey.looks {
		if l.name != "" && l.leaf() != nil {
			return true
		}
	}
	return len(j.path) > 0 && len(j.survey.looks) == 0
}

// weighAll weighs each row in each scope of its kind and merges the scopes in which it holds.
func weighAll(rows []Row, scopes []*scope) ([]*candidate, []Note) {
	cat := map[string]*Row{}
	for i := range rows {
		cat[rows[i].ID] = &rows[i]
	}
	var found []*candidate
	var notes []Note
	for i := range rows {
		row := &rows[i]
		var c *candidate
		total := 0
		for _, s := range scopes {
			if s.kind != row.Per {
				continue
			}
			total++
			v, ev, missing := row.weigh(s)
			if v == excluded {
				continue
			}
			if c == nil {
				c = &candidate{row: row, verdict: v, prior: i}
			}
			c.add(s, v, ev, missing, row.ruledOut(cat, s))
		}
		switch {
		case c == nil:
		case row.Note || c.noteOnly():
			notes = append(notes, Note{ID: row.ID, Text: c.title()})
		default:
			c.everywhere = len(c.scopes) == total
			found = append(found, c)
		}
	}
	return found, notes
}

// blindSpots are the looks that did not come off, each with its reason.
func (j *judge) blindSpots() []BlindSpot {
	var out []BlindSpot
	seen := map[BlindSpot]bool{}
	add := func(b BlindSpot) {
		if !seen[b] && b.Because != "" {
			seen[b] = true
			out = append(out, b)
		}
	}
	for _, o := range j.obs {
		if o.Outcome == evidence.Unknown && !j.told(o) && !j.survey.told(o) {
			add(BlindSpot{What: o.Probe + " " + o.Check + " of " + o.Subject, Because: reasonOf(o)})
		}
	}
	for _, l := range j.survey.looks {
		if len(l.Chain) > 0 && l.leaf() == nil {
			add(BlindSpot{What: "the certificate at " + l.Address, Because: "it cannot be read as X.509"})
		}
	}
	sort.SliceStable(out, func(a, b int) bool { return out[a].What < out[b].What })
	return out
}

// told says whether an unknown look is already the evidence of a finding: a name that cannot be resolved.
func (j *judge) told(o evidence.Observation) bool {
	sv, ok := evidence.Decode[evidence.Served](o)
	if !ok {
		return false
	}
	// A server need not have both kinds of key: that one is not there is no blind spot.
	noSuchKey := sv.ErrorClass == "alert" && sv.Offered != "" && sv.Offered != "any"
	return sv.ErrorClass == "unresolvable" || noSuchKey
}

func reasonOf(o evidence.Observation) string {
	if o.Reason != "" {
		return o.Reason
	}
	return "the look gave no answer"
}
