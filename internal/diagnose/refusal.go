package diagnose

import "certwright/internal/order"

// refusal is a row about what an authority said, in short: the refusal was recorded with its id where the
// authority's answer was judged (issue), and nothing that was seen since says that it is over.
type refusal struct {
	id       string
	node     node // nodeOrder if empty
	must     []sign
	not      []sign
	title    string
	cause    string
	fix      string
	command  string
	action   string
	twins    []Twin
	predicts []string
	state    bool // it waits for a time or for others: a warning
	summary  bool
}

// said is the sign that a recorded refusal has the id.
func said(id string) sign { return sign("the-authority-said-" + id) }

// lapse are the failures that follow when no new version comes in time.
var lapse = []string{"tls-leaf-expired", "tls-leaf-expiring", "tls-dual-key-one-stale"}

// rows writes the refusals out. Clients whose certificate is still good have time: then it is a warning.
func refusals(list []refusal) []Row {
	rows := make([]Row, len(list))
	for i, r := range list {
		row := Row{ID: r.id, Per: perIssuer, Node: r.node, Severity: Critical, Impact: blocksNow, Spare: cServesWell, Summary: r.summary,
			Must: append([]sign{said(r.id)}, r.must...), MustNot: append([]sign{cNowFixed}, r.not...),
			Title: r.title, Cause: r.cause, Fix: Fix{Text: r.fix, Command: r.command, Action: r.action},
			Twins: r.twins, Predicts: append(append([]string{}, lapse...), r.predicts...)}
		if r.node != nodeIssue {
			row.Predicts = append(row.Predicts, "renew-verification-lapsed", "verify-lapsed")
		}
		if r.node == "" {
			row.Node = nodeOrder
		}
		if r.state {
			row.Severity, row.Impact = Warning, blocksLater
		}
		rows[i] = row
	}
	return rows
}

// validationTypes are the problem types with which an authority tells of its own look at a name (RFC 8555
// section 6.7): what is wrong there can be seen from here too.
var validationTypes = map[string]bool{"dns": true, "connection": true, "unauthorized": true, "incorrectResponse": true, "tls": true, "caa": true}

// aboutTheName says whether a recorded problem is the authority's verdict on a name, or follows from such.
func aboutTheName(stage order.StageName, p *order.Problem, id string) bool {
	switch legOf(id) {
	case LegDNS, LegCAA, LegHTTP, LegALPN:
		return true
	}
	switch id {
	case "ca-rate-limit-failed-authz", "ca-identifier-paused", "ca-mpic-disagree", "ca-order-sibling-failed", "ca-authz-expired", "verify-lapsed", "renew-verification-lapsed":
		return true
	case Unnamed:
		return stage == order.StageVerify || (stage == order.StageIssue || stage == order.StageOrder) && validationTypes[shortType(p.Type)]
	}
	return false
}
