package diagnose

import (
	"strings"
	"testing"
)

// What a fix does and what it leaves to a person, finding by finding.
func TestPlan(t *testing.T) {
	possible := func(string) string { return "" }
	find := func(id, leg, severity, action string) Finding {
		return Finding{ID: id, Leg: leg, Severity: severity, Fix: Fix{Text: "mend " + id, Action: action}}
	}
	for _, c := range []struct {
		title   string
		finding []Finding
		refused func(string) string
		anyway  bool
		done    []string
		next    string // finding of the step that is done, empty = none
		because string // why the first is not
	}{
		{title: "an action that heals", finding: []Finding{find("a", LegDeploy, Critical, ActionSync)}, next: "a"},
		{title: "nobody but a person", finding: []Finding{find("a", LegDNS, Critical, "")}, because: "a person has to act"},
		{title: "the second can be done", finding: []Finding{find("a", LegDNS, Critical, ""), find("b", LegDeploy, Warning, ActionSync)}, next: "b", because: "a person"},
		{title: "a person first, for the authority counts", finding: []Finding{find("a", LegHTTP, Critical, ActionVerify)}, because: "--anyway"},
		{title: "a person first, but told to go on", finding: []Finding{find("a", LegHTTP, Critical, ActionVerify)}, anyway: true, next: "a"},
		{title: "a push does no harm", finding: []Finding{find("a", LegDNS, Critical, ActionSync)}, next: "a"},
		{title: "tried already", finding: []Finding{find("a", LegDeploy, Critical, ActionSync)}, done: []string{ActionSync}, because: "once only"},
		{title: "not possible now", finding: []Finding{find("a", LegRenewal, Critical, ActionRenew)}, refused: func(string) string { return "an attempt is running" }, because: "an attempt is running"},
		{title: "cannot be undone", finding: []Finding{find("a", LegOrder, Critical, ActionRevoke)}, because: "cannot be undone"},
		{title: "harmless", finding: []Finding{find("a", LegEndpoint, Info, ActionSync)}, because: "nobody is harmed"},
		{title: "well", finding: nil},
	} {
		refused := c.refused
		if refused == nil {
			refused = possible
		}
		p := PlanOf(Report{Target: "www", Findings: c.finding}, refused, c.anyway, c.done)
		next := ""
		if s := p.Next(); s != nil {
			next = s.Finding
			if s.Command == "" || s.Changes == "" || s.Because != "" {
				t.Errorf("%s: the step is not whole: %+v", c.title, *s)
			}
		}
		if next != c.next {
			t.Errorf("%s: does %q, want %q", c.title, next, c.next)
		}
		if len(p.Steps) != len(c.finding) {
			t.Errorf("%s: %d steps", c.title, len(p.Steps))
		}
		if c.because != "" && !strings.Contains(p.Steps[0].Because, c.because) {
			t.Errorf("%s: because %q, want %q", c.title, p.Steps[0].Because, c.because)
		}
	}
}

// One action for two findings is done once.
func TestPlanDoesNothingTwice(t *testing.T) {
	f := Finding{ID: "a", Leg: LegDeploy, Severity: Critical, Fix: Fix{Text: "x", Action: ActionSync}}
	p := PlanOf(Report{Findings: []Finding{f, f}}, func(string) string { return "" }, false, nil)
	if !p.Steps[0].Doable || p.Steps[1].Doable {
		t.Errorf("%+v", p.Steps)
	}
}
