package diagnose

import (
	"slices"
)

// Plan is what a fix would do about a report: its findings in their order, and for each what Certwright can do
// and what a person has to. Its JSON is public.
type Plan struct {
	Target  string     `json:"target"`
	Healthy bool       `json:"healthy"`
	Steps   []PlanStep `json:"steps"`
}

// PlanStep is one finding and what is to be done about it.
type PlanStep struct {
	Finding   string `json:"finding"`
	Title     string `json:"title"`
	Severity  string `json:"severity"`
	Certainty string `json:"certainty"`
	Text      string `json:"text"`              // the fix in words
	Shell     string `json:"shell,omitempty"`   // a line for the shell of whoever mends it by hand
	Action    string `json:"action,omitempty"`  // what Certwright can do; empty = a person alone can mend it
	Command   string `json:"command,omitempty"` // the same as a command
	Changes   string `json:"changes,omitempty"` // what the action changes
	Doable    bool   `json:"doable"`            // the action would be done now
	Because   string `json:"because,omitempty"` // why it would not
}

// byPerson are the legs where somebody else's things are at fault: a zone, a web server, a firewall. An authority is
// not asked again before they are mended, for it counts what fails.
var byPerson = []string{LegCAA, LegDNS, LegHTTP, LegALPN}

// asks are the actions that come to an authority.
var asks = []string{ActionVerify, ActionRenew, ActionRekey, ActionRetry, ActionAgain}

// PlanOf says what a fix would do. refused gives why an action is not possible as the order stands, "" = it is. anyway
// does also what waits for a person. done are actions that were tried already: none is tried twice.
func PlanOf(r Report, refused func(action string) string, anyway bool, done []string) Plan {
	p := Plan{Target: r.Target, Healthy: r.Healthy, Steps: []PlanStep{}}
	taken := slices.Clone(done)
	for _, f := range r.Findings {
		s := PlanStep{Finding: f.ID, Title: f.Title, Severity: f.Severity, Certainty: f.Certainty, Text: f.Fix.Text, Shell: f.Fix.Command}
		s.weigh(f, r.Target, refused, anyway, taken)
		if s.Doable {
			taken = append(taken, s.Action)
		}
		p.Steps = append(p.Steps, s)
	}
	return p
}

// weigh decides whether the step is done.
func (s *PlanStep) weigh(f Finding, target string, refused func(string) string, anyway bool, taken []string) {
	a, ok := ActionOf(f.Fix.Action)
	if !ok {
		s.Because = "nothing that Certwright can do heals it: a person has to act"
		return
	}
	s.Action, s.Command, s.Changes = a.Name, a.CommandFor(target), a.Changes
	if s.Shell == s.Command || s.Shell == "certwright fix "+quote(target)+" --yes" {
		s.Shell = ""
	}
	switch {
	case a.Final:
		s.Because = "it cannot be undone: give the command yourself"
	case f.Severity == Info:
		s.Because = "nobody is harmed by leaving it as it is"
	case slices.Contains(taken, a.Name):
		s.Because = a.Name + " is done once only"
	case slices.Contains(byPerson, f.Leg) && slices.Contains(asks, a.Name) && !anyway:
		s.Because = "a person has to mend the cause first; --anyway asks the authority all the same"
	default:
		s.Because = refused(a.Name)
		s.Doable = s.Because == ""
	}
}

// Next is the first step that would be done; nil = nothing would.
func (p Plan) Next() *PlanStep {
	for i := range p.Steps {
		if p.Steps[i].Doable {
			return &p.Steps[i]
		}
	}
	return nil
}
