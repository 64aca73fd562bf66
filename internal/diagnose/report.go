package diagnose

import (
	"strings"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// Severities of a finding.
const (
	Critical = "critical" // clients are refused, or will be with no one acting
	Warning  = "warning"  // works for most clients now, and must be mended
	Info     = "info"     // worth knowing; the target is healthy all the same
)

// Certainties of a finding.
const (
	Confirmed = "confirmed" // every condition was observed directly
	Possible  = "possible"  // some condition could not be observed; Finding.Cause says which twin remains
)

// Unnamed is the id of a cause that is in no list: the leg and the evidence still hold.
const Unnamed = "unknown"

// Report is the answer to "what is wrong with this target". Its JSON is public.
type Report struct {
	Target     string        `json:"target"`
	Healthy    bool          `json:"healthy"` // no finding above info, and at least one look succeeded
	DurationMs int64         `json:"durationMs"`
	Path       []order.Stage `json:"path"`
	Findings   []Finding     `json:"findings"` // root cause first
	BlindSpots []BlindSpot   `json:"blindSpots"`
	Notes      []Note        `json:"notes,omitempty"`    // harmless oddities and states that are no faults
	Forecast   []Forecast    `json:"forecast,omitempty"` // what will happen to what is served, the nearest first
}

// Finding is one root cause with all that follows from it.
type Finding struct {
	ID           string        `json:"id"` // of the fault catalogue
	Leg          string        `json:"leg"`
	Severity     string        `json:"severity"`
	Certainty    string        `json:"certainty"`
	Title        string        `json:"title"`
	Cause        string        `json:"cause"`
	Evidence     []EvidenceRef `json:"evidence"`
	RuledOut     []RuledOut    `json:"ruledOut"`
	Consequences []string      `json:"consequences"` // ids that this one explains
	Fix          Fix           `json:"fix"`

	// Rank says in words why the finding stands before the next one; empty for the last.
	Rank string `json:"-"`
}

// EvidenceRef is an observation as a finding quotes it, with the command that repeats the look.
type EvidenceRef struct {
	Probe    string    `json:"probe"`
	Subject  string    `json:"subject"`
	Expected string    `json:"expected,omitempty"`
	Seen     string    `json:"seen,omitempty"`
	From     string    `json:"from,omitempty"`
	At       time.Time `json:"at"`
	Command  string    `json:"command,omitempty"`
}

// RuledOut is a twin of the cause and the observation that excludes it.
type RuledOut struct {
	ID      string `json:"id"`
	Because string `json:"because"`
}

// Fix is what heals the cause. Action is a command of an order (sync, renew, verify ...) where one
// heals it; Command is a shell line for a person.
type Fix struct {
	Text    string `json:"text"`
	Command string `json:"command,omitempty"`
	Action  string `json:"action,omitempty"`
}

// BlindSpot is something that could not be seen. It is never counted as well nor as a fault.
type BlindSpot struct {
	What    string `json:"what"`
	Because string `json:"because"`
}

// Note is a harmless oddity or a state that is no fault, such as a root sent in the chain or a sync
// that is due later. Notes leave a target healthy.
type Note struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// refOf quotes an observation.
func refOf(o evidence.Observation) EvidenceRef {
	seen := o.Seen
	if seen == "" {
		seen = o.Reason
	}
	if seen == "" {
		seen = strings.ToLower(string(o.Outcome))
	}
	return EvidenceRef{Probe: o.Probe, Subject: o.Subject, Expected: o.Expected, Seen: seen, From: o.From, At: o.At, Command: o.Command}
}
