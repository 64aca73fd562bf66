// Package evidence holds observations: what a probe saw, from where and when, and the command with
// which a person sees the same. A probe measures; whether it matters is judged elsewhere (diagnose).
// Pure: no I/O, nothing of ours is imported.
package evidence

import (
	"encoding/json"
	"fmt"
	"time"
)

// Outcome is how an observation compares with what was expected of its subject.
type Outcome string

// The three outcomes. Unknown is never a failure: it is a blind spot, with its reason in Reason.
const (
	Pass    Outcome = "PASS"
	Fail    Outcome = "FAIL"
	Unknown Outcome = "UNKNOWN"
)

// Probe names. One word for each way of looking.
const (
	ProbeDNS    = "dns"
	ProbeCAA    = "caa"
	ProbeHTTP   = "http"
	ProbeTLS    = "tls"
	ProbeVault  = "vault"
	ProbeFiles  = "files"
	ProbeCA     = "ca"
	ProbeHost   = "host"
	ProbeOrder  = "order"
	ProbeReload = "reload"
)

// Observation is one look at one thing. It holds no secret: it is stored, shown and exported.
type Observation struct {
	Probe    string          `json:"probe"`              // which probe looked: one of the Probe names
	Check    string          `json:"check"`              // what was checked, such as "serial", "chain", "pair", "http-status"
	Subject  string          `json:"subject"`            // what was looked at: "127.0.0.9:443 sni=www.example.test"
	Outcome  Outcome         `json:"outcome"`            // PASS, FAIL or UNKNOWN
	Expected string          `json:"expected,omitempty"` // what should have been seen, in the words of Seen
	Seen     string          `json:"seen,omitempty"`     // what was seen
	Reason   string          `json:"reason,omitempty"`   // why UNKNOWN, or the error text of a FAIL
	From     string          `json:"from"`               // the vantage: "server", "cli", an agent's name
	At       time.Time       `json:"at"`
	Took     time.Duration   `json:"tookNs,omitempty"`
	Command  string          `json:"command,omitempty"` // the shell command that repeats the look
	Data     json.RawMessage `json:"data,omitempty"`    // the raw evidence: one of this package's payload types
}

// String is the observation in one line for logs and tests.
func (o Observation) String() string {
	s := fmt.Sprintf("%s %s %s [%s]", o.Outcome, o.Probe, o.Check, o.Subject)
	if o.Seen != "" {
		s += " saw " + o.Seen
	}
	if o.Expected != "" {
		s += ", expected " + o.Expected
	}
	if o.Reason != "" {
		s += ": " + o.Reason
	}
	return s
}

// With returns the observation carrying raw evidence v as its Data.
func (o Observation) With(v any) Observation {
	b, err := json.Marshal(v)
	if err == nil {
		o.Data = b
	}
	return o
}

// Decode reads the raw evidence into a payload type; false if there is none or it is of another type.
func Decode[T any](o Observation) (T, bool) {
	var v T
	if len(o.Data) == 0 || json.Unmarshal(o.Data, &v) != nil {
		return v, false
	}
	return v, true
}
