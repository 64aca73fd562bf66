package order

import (
	"errors"
	"strings"
	"time"
)

// Class is what can be done about a problem.
type Class string

// Classes. They decide about the next try, never about the words shown.
const (
	Retry   Class = "retry"   // try again by itself, on the table of intervals
	Waiting Class = "waiting" // not a failure: it waits for someone until a deadline
	GiveUp  Class = "giveup"  // this attempt ends; a new one begins on the table of intervals
	Final   Class = "final"   // nothing will happen until a person acts
)

// Owners: who must act next.
const (
	OwnerUs     = "certwright"
	OwnerOwner  = "owner"  // the person who ordered: publish a record, mend a name
	OwnerIssuer = "issuer" // the authority
	OwnerAdmin  = "admin"  // the person who runs Certwright or the target
)

// Problem is why something is not as it should be, kept whole: what failed, where, the likely cause,
// the next step. It is an error, shown as it stands; it holds no secret.
type Problem struct {
	Class  Class       `json:"class"`
	What   string      `json:"what"`             // what failed: "new order", "reload nginx"
	Where  string      `json:"where,omitempty"`  // at what: a URL, a path, an address
	Detail string      `json:"detail"`           // the words of whoever refused
	Cause  string      `json:"cause,omitempty"`  // the likely cause in words
	Fix    string      `json:"fix,omitempty"`    // the next step
	ID     string      `json:"id,omitempty"`     // finding id of the catalogue, where it is certain
	Owner  string      `json:"owner,omitempty"`  // who must act: one of the owners
	At     time.Time   `json:"at"`               // when
	Until  time.Time   `json:"until,omitzero"`   // not before then (Retry-After); zero = the table decides
	Type   string      `json:"type,omitempty"`   // problem document: its type (RFC 7807, RFC 8555 section 6.7)
	Status int         `json:"status,omitempty"` // problem document: HTTP status
	Sub    []Sub       `json:"sub,omitempty"`    // problem document: subproblems, kept whole
	Vault  VaultStatus `json:"vault,omitempty"`  // of a vault's problem: Key Vault's word for it
}

// Sub is a subproblem (RFC 8555 section 6.7.1).
type Sub struct {
	Type       string `json:"type"`
	Detail     string `json:"detail"`
	Identifier string `json:"identifier,omitempty"`
}

// Error is the problem in one line: what failed, where, why.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.What)
	if p.Where != "" && !strings.Contains(p.Detail, p.Where) {
		b.WriteString(" (" + p.Where + ")")
	}
	if p.Detail != "" {
		b.WriteString(": " + p.Detail)
	}
	for _, s := range p.Sub {
		b.WriteString("; " + s.Identifier + ": " + s.Detail)
	}
	return b.String()
}

// AsProblem gives err as a Problem: the one it wraps, else a retryable one in the words of err.
func AsProblem(err error, what string, now time.Time) *Problem {
	if err == nil {
		return nil
	}
	var p *Problem
	if errors.As(err, &p) {
		q := *p
		if q.At.IsZero() {
			q.At = now
		}
		return &q
	}
	return &Problem{Class: Retry, What: what, Detail: err.Error(), Owner: OwnerAdmin, At: now}
}
