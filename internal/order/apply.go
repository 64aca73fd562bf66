package order

import (
	"fmt"
	"strings"
	"time"

	"certwright/internal/evidence"
)

// Result is what came of a step or a command. Applying it changes the facts of an order and says in
// events what changed; it does so on whatever the order has become meanwhile, so that after a lost
// race a result is applied again and the work is never done again.
type Result interface {
	apply(o *Order, now time.Time) []Event
}

// Apply changes the facts by what came of work done. Only o is touched.
func (o *Order) Apply(now time.Time, results ...Result) []Event {
	var events []Event
	for _, r := range results {
		events = append(events, r.apply(o, now)...)
	}
	o.Updated = now
	o.trim()
	o.DueAt = o.NextDue(now)
	return events
}

// event starts an event of this order, done by Certwright itself.
func (o *Order) event(now time.Time, stage StageName, name, text string, args ...any) Event {
	return Event{
		Order: o.ID, At: now, Caller: OwnerUs, Correlation: o.Correlation, Operation: operation(name), Name: name,
		Stage: stage, Status: Succeeded, Level: Informational, Text: fmt.Sprintf(text, args...),
	}
}

// failed turns an event into that of a failure, with the problem kept whole in its properties.
func (e Event) failed(p *Problem, level Level) Event {
	e.Status, e.Level = Failed, level
	e.Properties = map[string]string{"what": p.What, "detail": p.Detail}
	set := func(k, v string) {
		if v != "" {
			e.Properties[k] = v
		}
	}
	set("where", p.Where)
	set("cause", p.Cause)
	set("fix", p.Fix)
	set("finding", p.ID)
	set("type", p.Type)
	set("owner", p.Owner)
	for _, s := range p.Sub {
		set("subproblem "+s.Identifier, s.Type+": "+s.Detail)
	}
	if !p.Until.IsZero() {
		set("notBefore", p.Until.UTC().Format(time.RFC3339))
	}
	return e
}

func (e Event) with(kv ...string) Event {
	if e.Properties == nil {
		e.Properties = map[string]string{}
	}
	for i := 0; i+1 < len(kv); i += 2 {
		if kv[i+1] != "" {
			e.Properties[kv[i]] = kv[i+1]
		}
	}
	return e
}

// operations are the activity log's names of what is done; what Azure has no name for is ours.
var operations = map[string]string{
	"created": "write", "imported": "write", "watched": "write", "updated": "write", "ordered-again": "write",
	"renew-requested": "renew/action", "rekey-requested": "reissue/action", "revoke-requested": "revoke/action",
	"verify-requested": "verifyDomainOwnership/action", "sync-requested": "sync/action", "canceled": "cancel/action", "moved": "write", "moved-away": "write", "notice-sent": "resendRequestEmails/action", "notice-failed": "resendRequestEmails/action",
	"delete-requested": "delete", "deleted": "delete", "exported": "export/action",
	"retry-requested": "sync/action", "store-requested": "sync/action", "secret-recovered": "sync/action", "secret-enabled": "sync/action",
}

func operation(name string) string {
	if op, ok := operations[name]; ok {
		return Type + "/" + op
	}
	return "Certwright/orders/" + name
}

// fail records a failed try on a row and when the next follows.
func (p *Progress) fail(problem *Problem, table []time.Duration, now time.Time) (first bool) {
	first = p.Problem == nil || p.Problem.What != problem.What || p.Problem.Detail != problem.Detail || p.Problem.Class != problem.Class
	if p.Problem == nil {
		p.Since = now
	}
	p.Tries++
	p.At, p.Problem = now, problem
	p.DueAt = after(table, p.Tries, now, problem.Until)
	if problem.Class == Final {
		p.DueAt = after(tryFinal, 1, now, problem.Until)
	}
	return first
}

// notBefore is what the other side asked for with its last answer (Retry-After): nothing undercuts it, a
// person's hurry least of all. Zero = it asked for nothing.
func (p *Progress) notBefore() time.Time {
	if p.Problem == nil {
		return time.Time{}
	}
	return p.Problem.Until
}

// hurry makes the row due as soon as the other side allows.
func (p *Progress) hurry() { p.DueAt, p.Tries = p.notBefore(), 0 }

// well records a try that went well; it says whether the row was in trouble before.
func (p *Progress) well(now time.Time) (recovered bool) {
	recovered = p.Problem != nil
	if recovered || p.Since.IsZero() {
		p.Since = now
	}
	p.At, p.Tries, p.Problem = now, 0, nil
	return recovered
}

// Ticked lets a time take effect: denial, expiry, a renewal nobody verified, the end of a revocation.
type Ticked struct{}

func (Ticked) apply(o *Order, now time.Time) []Event {
	var events []Event
	if o.DeniedAt == nil && o.denied(now) {
		events = append(events, o.deny(now))
	}
	if v := o.First(); v != nil && !o.Expired && !now.Before(v.NotAfter) {
		o.Expired = true
		e := o.event(now, StageServe, "expired", "Expired: %s ended at %s.", v.Label(), moment(v.NotAfter))
		e.Level, e.Status = Critical, Failed
		events = append(events, e)
	}
	for i := range o.Attempts {
		a := &o.Attempts[i]
		if a.Phase == Begun && a.Waiting == OwnerOwner && o.issued() && !now.Before(a.Started.Add(RenewWithin)) {
			p := &Problem{Class: GiveUp, What: "verify the names", Detail: "nobody verified them within 45 days", Owner: OwnerOwner, ID: "verify-lapsed", At: now, Until: a.notBefore()}
			events = append(events, AttemptFailed{ID: a.ID, Problem: p}.apply(o, now)...)
		}
	}
	if o.Revoking != nil && o.RevokedAt == nil && len(o.toRevoke(now)) == 0 {
		t := now
		o.RevokedAt = &t
		if len(o.Versions) > 0 {
			events = append(events, o.event(now, StageIssue, "revoked", "Revoked: no version of the order is valid any more."))
		}
	}
	return events
}

// deny ends an order that got no version in time. Its event keeps the last thing that stood in the way.
func (o *Order) deny(now time.Time) Event {
	last := o.lastProblem()
	t := now
	o.DeniedAt = &t
	o.endAttempts(now, "the order was denied")
	e := o.event(now, StageVerify, "denied", "Denied: control of %s was not shown within 15 days. Use 'order again' to order it once more with the same settings.", nameList(o.Spec.Names))
	e.Level, e.Status = Error, Failed
	if last != nil {
		e = e.with("last", last.Error(), "cause", last.Cause)
	}
	return e
}

// lastProblem is what stood in the way of a version last; nil if nothing did.
func (o *Order) lastProblem() *Problem {
	var last *Problem
	keep := func(p *Problem) {
		if p != nil && (last == nil || p.At.After(last.At)) {
			last = p
		}
	}
	for i := range o.Needs {
		keep(o.Needs[i].Problem)
	}
	for i := range o.Attempts {
		if o.Attempts[i].Open() {
			keep(o.Attempts[i].Problem)
		}
	}
	return last
}

// endAttempts gives up every open attempt; their keys are destroyed. What the issuer asked for stays.
func (o *Order) endAttempts(now time.Time, why string) {
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a.Open() {
			o.AskAfter = later(o.AskAfter, a.notBefore())
			a.end(now, o.stopped(now, a, why))
		}
	}
	for i := range o.Needs {
		o.AskAfter = later(o.AskAfter, o.Needs[i].notBefore())
	}
	o.Needs = nil
}

// stopped is why an attempt was given up by a person or a deadline; what it struggled with is the cause.
func (o *Order) stopped(now time.Time, a *Attempt, why string) *Problem {
	p := &Problem{Class: GiveUp, What: "attempt", Detail: why, At: now}
	if a.Problem != nil {
		p.Cause = a.Problem.Error()
	}
	return p
}

// end closes an attempt and destroys its key.
func (a *Attempt) end(now time.Time, p *Problem) {
	t := now
	a.Phase, a.Finished, a.Problem, a.Sealed, a.CSR = Ended, &t, p, nil, nil
	a.Waiting, a.Instruct, a.Ask, a.DueAt = "", "", false, time.Time{}
	a.forget()
}

// forget drops proofs that are of no more use, unless they have to be withdrawn yet.
func (a *Attempt) forget() {
	if !a.Visible && a.Phase != Begun {
		for _, p := range a.Proofs {
			if p.Method == MethodDNS01 && p.Value != "" {
				a.Former = append(a.Former, p.Value)
			}
		}
		a.Proofs = nil
	}
}

// trim forgets old ended attempts and old versions, so that a row does not grow for ever.
func (o *Order) trim() {
	for over := len(o.Attempts) - keepAttempts; over > 0; over-- {
		for i := range o.Attempts {
			if a := &o.Attempts[i]; !a.Open() && !a.withdrawable() {
				o.Attempts = append(o.Attempts[:i], o.Attempts[i+1:]...)
				break
			}
		}
	}
	for over := len(o.Versions) - keepVersions; over > 0; over-- {
		for i := range o.Versions {
			if v := &o.Versions[i]; o.superseded(v, o.Updated) {
				o.Versions = append(o.Versions[:i], o.Versions[i+1:]...)
				break
			}
		}
	}
}

// superseded says whether nothing can need a version any more.
func (o *Order) superseded(v *Version, now time.Time) bool {
	toRevoke := (v.RevokeAt != nil || o.Revoking != nil) && v.State != VersionRevoked && v.NotAfter.After(now)
	return !toRevoke && o.Newest(v.KeyType) != v && o.Current(v.KeyType) != v && len(o.holding(v.Number)) == 0
}

// worst is the observation that says most: a FAIL, else an UNKNOWN, else the first.
func worst(seen []evidence.Observation) *evidence.Observation {
	var w *evidence.Observation
	for i := range seen {
		s := &seen[i]
		if w == nil || rank(s.Outcome) > rank(w.Outcome) {
			w = s
		}
	}
	return w
}

func rank(o evidence.Outcome) int {
	return strings.Index("PASS UNKNOWN FAIL", string(o))
}

// IsFailure says whether a result records that something failed or waits; such a result of a step that
// was cut short by a shutdown is not to be believed.
func IsFailure(r Result) bool {
	switch r := r.(type) {
	case BeginFailed, AttemptWaits, AttemptFailed, StoreFailed, DeployFailed:
		return true
	case Withdrawn:
		return r.Problem != nil
	case VaultSeen:
		return r.Problem != nil
	case Looked:
		return r.Problem != nil
	case Copied:
		return r.Problem != nil
	case RevokedResult:
		return r.Problem != nil
	}
	return false
}

// Removed is the last event of an order: its row goes with it.
func (o *Order) Removed(now time.Time) Event {
	return o.event(now, StageOrder, "deleted", "Deleted: order %s for %s.", o.ID.Name, nameList(o.Spec.Names))
}
