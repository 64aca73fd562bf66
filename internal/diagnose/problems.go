package diagnose

import (
	"slices"
	"strconv"
	"strings"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// stageNodes are where on the precondition graph a stage's own problems lie, and on which leg.
var stageNodes = map[order.StageName]struct {
	node node
	leg  string
}{
	order.StageOrder: {nodeOrder, LegOrder}, order.StageVerify: {nodeVerify, LegOrder}, order.StageIssue: {nodeIssue, LegOrder},
	order.StageStore: {nodeVault, LegVault}, order.StageDeploy: {nodeFile, LegDeploy}, order.StageServe: {nodeListener, LegEndpoint},
}

// vaultIDs name a vault's problem by Key Vault's word for it, where the problem names none itself.
var vaultIDs = map[order.VaultStatus]string{
	order.VaultNotExist: "vault-not-found", order.VaultNotPermitted: "vault-write-denied",
	order.VaultUnauthorized: "vault-read-denied-target", order.VaultSecretNotExist: "vault-secret-purged",
}

// problems makes a candidate of every problem that the path records and that no row has found by
// itself: the problem's id where it has one, else Unnamed on the stage's leg. What was recorded is history: a
// cause that is seen now explains it, and what is seen to pass now is over (see places). The look on the wire
// is left to the rows where they found anything: it only repeats them.
func (j *judge) problems(found []*candidate) []*candidate {
	j.hang(found)
	var out []*candidate
	for _, st := range j.path {
		for _, r := range problemRows(st) {
			id := j.problemID(st.Stage, r.Problem)
			if st.Stage == order.StageServe && id == Unnamed && len(found)+len(out) > 0 {
				continue
			}
			ref := j.problemRef(st.Stage, r)
			all := append(slices.Clone(found), out...)
			if c := having(all, id, r.Problem); c != nil {
				c.cite(ref)
				continue
			}
			if c := awaited(all, r.Problem); c != nil && id == Unnamed {
				c.cite(ref)
				continue
			}
			if c := j.places(all, st.Stage, r, id, ref); c != nil {
				c.cite(ref)
				c.consequence(id)
				continue
			}
			if c := j.nowPasses(st.Stage, r, id, ref); c != nil {
				out = append(out, c)
				continue
			}
			out = append(out, j.recorded(st.Stage, r, id, ref))
		}
	}
	return out
}

// problemRows are a stage's rows with a problem, or the stage itself.
func problemRows(st order.Stage) []order.Row {
	var out []order.Row
	for _, r := range st.Rows {
		if r.Problem != nil {
			out = append(out, r)
		}
	}
	if len(out) == 0 && st.Problem != nil {
		out = []order.Row{{Name: string(st.Stage), State: st.State, Since: st.Since, NextAt: st.NextAt, Problem: st.Problem}}
	}
	return out
}

// problemID is the finding id that a recorded problem stands for, Unnamed where it stands for none.
func (j *judge) problemID(_ order.StageName, p *order.Problem) string {
	if p.ID != "" && legOf(p.ID) != "" {
		return p.ID
	}
	if id := vaultIDs[p.Vault]; id != "" {
		return id
	}
	return Unnamed
}

// awaited finds the candidate that tells already that the owner of the names is waited for.
func awaited(list []*candidate, p *order.Problem) *candidate {
	if p.Class != order.Waiting || p.Owner != order.OwnerOwner {
		return nil
	}
	for _, c := range list {
		switch c.id() {
		case "verify-never-started", "renew-verification-lapsed", "renew-san-added":
			return c
		}
	}
	return nil
}

// having finds the candidate of the same cause; causes in no list are the same if their words are.
func having(list []*candidate, id string, p *order.Problem) *candidate {
	for _, c := range list {
		if c.id() == id && (id != Unnamed || c.own != nil && strings.Contains(c.own.Cause, p.Detail)) {
			return c
		}
	}
	return nil
}

// cite adds evidence to a candidate.
func (c *candidate) cite(ref EvidenceRef) {
	if c.own != nil {
		same := func(e EvidenceRef) bool { return e.Seen == ref.Seen && e.At.Equal(ref.At) } // one problem, recorded on two stages
		if !slices.ContainsFunc(c.own.Evidence, same) {
			c.own.Evidence = append(c.own.Evidence, ref)
		}
	} else if !slices.Contains(c.ev, ref) {
		c.ev = append(c.ev, ref)
	}
}

// recorded is a finding of a problem that the path recorded: in its row's words where they can be filled, else
// in its own.
func (j *judge) recorded(stage order.StageName, r order.Row, id string, ref EvidenceRef) *candidate {
	p, at := r.Problem, stageNodes[stage]
	leg := legOf(id)
	if leg == "" {
		leg = at.leg
	}
	f := &Finding{ID: id, Leg: leg, Severity: Critical, Certainty: Confirmed, Title: titleOf(p, r.Name) + " failed",
		Cause: sentence(p.Detail) + sentence(p.Cause), Evidence: []EvidenceRef{ref}, RuledOut: []RuledOut{}, Fix: Fix{Text: p.Fix, Action: actionFor(id, stage)}}
	if p.Where != "" && !strings.Contains(f.Title, p.Where) && !strings.Contains(p.Detail, p.Where) {
		f.Title += " (" + p.Where + ")"
	}
	switch {
	case p.Class == order.Waiting:
		f.Severity, f.Title = Warning, titleOf(p, r.Name)+" waits for "+waitsFor(p.Owner)
	case j.servesWell():
		f.Severity = Warning // clients are still served; what fails is what comes next
	}
	j.rowWords(f, r)
	if f.Fix.Text == "" {
		f.Fix.Text = "Mend the cause; Certwright tries again by itself. " + retryWords(r)
	}
	for _, s := range p.Sub {
		if !strings.Contains(f.Cause, s.Detail) {
			f.Cause += sentence(s.Identifier + ": " + s.Detail)
		}
	}
	if !p.Until.IsZero() && p.Until.After(j.now) {
		f.Cause += sentence("not tried again before " + day(p.Until) + " UTC")
	}
	row := &Row{ID: id, Node: nodeOf(id, at.node), Predicts: follows(stage)}
	if known, ok := Explain(id); ok {
		row.Predicts = append(append([]string{}, known.Predicts...), row.Predicts...)
	}
	return &candidate{own: f, node: row.Node, verdict: confirmed, prior: 1000, row: row}
}

// rowWords gives a recorded finding its row's title and fix, unless they speak of what only a look would know.
func (j *judge) rowWords(f *Finding, r order.Row) {
	row, ok := Explain(f.ID)
	if !ok {
		return
	}
	vars := map[string]string{"order": j.target, "host": r.Name, "name": r.Name, "domain": r.Name, "names": r.Name, "where": r.Name}
	whole := func(text string) string {
		if text = fill(text, vars); strings.Contains(text, "{") {
			return ""
		}
		return text
	}
	if title := whole(row.Title); title != "" && r.Problem.Class != order.Waiting {
		f.Cause = sentence(f.Title+": "+r.Problem.Detail) + sentence(r.Problem.Cause)
		f.Title = capital(title)
	}
	if f.Fix.Text == "" && row.Fix.Text != "" {
		f.Fix.Text = whole(row.Fix.Text)
	}
	if row.Fix.Action != "" {
		f.Fix.Action = row.Fix.Action
	}
}

// nodeOf is where a recorded cause lies: where its row says, else by its leg, else at the stage that recorded it.
func nodeOf(id string, stage node) node {
	if row, ok := Explain(id); ok {
		return row.Node
	}
	switch legOf(id) {
	case LegDNS:
		return nodeDNS
	case LegCAA:
		return nodeCAA
	case LegHTTP, LegALPN:
		return nodeVerify
	case LegVault:
		return nodeVault
	case LegSystem:
		return nodeEgress
	}
	return stage
}

// titleOf says what was tried, and of what where the words do not name it.
func titleOf(p *order.Problem, name string) string {
	if strings.Contains(p.What, name) {
		return capital(p.What)
	}
	return capital(p.What) + " of " + name
}

// follows are the failures further down that a problem of a stage accounts for.
func follows(stage order.StageName) []string {
	end := []string{"tls-leaf-expired", "tls-leaf-expiring", "tls-dual-key-one-stale", "renew-scheduler-stopped"}
	switch stage {
	case order.StageOrder, order.StageVerify, order.StageIssue:
		return append(end, "renew-verification-lapsed", "verify-lapsed", "ca-rate-limit-failed-authz", "ca-identifier-paused", "ca-order-sibling-failed")
	case order.StageStore:
		return append(end, "renew-issued-not-stored", "renew-stored-not-synced", "sync-*")
	case order.StageDeploy:
		return append(append([]string{}, stale...), "sync-needs-restart")
	}
	return nil
}

// servesWell says whether every endpoint of the order is served as it should be for now.
func (j *judge) servesWell() bool { return j.stage(order.StageServe).State == order.Done }

// problemRef quotes a problem as evidence, with what the one who refused said, word for word.
func (j *judge) problemRef(stage order.StageName, r order.Row) EvidenceRef {
	p := r.Problem
	seen := p.Detail
	if p.Type != "" {
		seen = p.Type + ": " + seen
	}
	if p.Status != 0 {
		seen = "HTTP " + strconv.Itoa(p.Status) + " " + seen
	}
	probe := map[order.StageName]string{order.StageIssue: evidence.ProbeCA, order.StageVerify: evidence.ProbeCA, order.StageStore: evidence.ProbeVault,
		order.StageDeploy: evidence.ProbeFiles, order.StageServe: evidence.ProbeTLS}[stage]
	if probe == "" {
		probe = evidence.ProbeOrder
	}
	subject := string(stage) + " " + r.Name
	if p.Where != "" {
		subject += " at " + p.Where
	}
	at := p.At
	if at.IsZero() {
		at = j.now
	}
	return EvidenceRef{Probe: probe, Subject: subject, Seen: seen, From: "server", At: at, Command: "certwright timeline " + quote(j.target)}
}

func actionOf(stage order.StageName) string {
	switch stage {
	case order.StageVerify:
		return "verify"
	case order.StageIssue:
		return "renew"
	case order.StageStore, order.StageDeploy, order.StageServe:
		return "sync"
	}
	return ""
}

func waitsFor(owner string) string {
	switch owner {
	case order.OwnerOwner:
		return "its owner"
	case order.OwnerIssuer:
		return "the authority"
	case order.OwnerAdmin:
		return "the administrator"
	}
	return "Certwright"
}

func retryWords(r order.Row) string {
	if r.NextAt == nil {
		return ""
	}
	return "The next try is at " + day(*r.NextAt) + " UTC."
}

// sentence closes words with a full stop and a space.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	return capital(strings.TrimRight(s, ".")) + ". "
}

// title begins with a capital letter, unless it begins with a name, which is written as it is.
func (c *candidate) title() string {
	t := c.text(c.row.Title)
	word, rest, _ := strings.Cut(strings.TrimPrefix(c.row.Title, "{"), "}")
	if rest != "" && slices.Contains([]string{"order", "secret", "user", "author"}, word) {
		return t
	}
	if first, _, _ := strings.Cut(t, " "); strings.ContainsAny(first, ".:/") {
		return t // a host, an address, a file
	}
	return capital(t)
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func itoa(n int) string { return strconv.Itoa(n) }
