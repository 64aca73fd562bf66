package order

import (
	"fmt"
	"slices"
	"time"
)

// Began records an attempt that an issuer has taken on: its order there, what has to be published,
// and the key, sealed.
type Began struct {
	Attempt Attempt
	For     *Spec // the wish that the issuer was asked for; nil = the present one
}

func (r Began) apply(o *Order, now time.Time) []Event {
	a := r.Attempt
	if o.Attempt(a.ID) != nil {
		return nil
	}
	a.Phase, a.Started = Begun, now
	a.Progress = Progress{Since: now}
	if !o.alive() || o.Running(a.KeyType) != nil || o.outdated(&a, r.For) { // meanwhile its owner thought better of it
		a.end(now, &Problem{Class: GiveUp, What: "attempt", Detail: "it is wanted no more", At: now})
		o.Attempts = append(o.Attempts, a)
		return nil
	}
	if n := o.need(a.KeyType); n != nil {
		a.Failed = n.Failed // the count goes on until a version is issued
		if n.Reason != Rekey || a.Reason == Rekey {
			a.Delay = n.Delay
			o.dropNeed(a.KeyType)
		} // else the new key was asked for while this began: it comes after
	}
	for i := range o.Identifiers {
		o.Identifiers[i].Instruct = ""
	}
	a.Visible = slices.ContainsFunc(a.Proofs, func(p Proof) bool { return !p.Done }) // the intent, before anything is published
	o.Attempts = append(o.Attempts, a)
	return []Event{o.event(now, StageIssue, "attempt-begun", "Asked %s for %s (%s).", a.Issuer, a.KeyType, reasonText(a.Reason)).
		with("attempt", a.ID, "issuerOrder", a.URL, "replaces", a.Replaces, "keyType", string(a.KeyType), "reason", string(a.Reason))}
}

func reasonText(r Reason) string {
	switch r {
	case First:
		return "the first version"
	case Renewal:
		return "its time of renewal has come"
	case Manual:
		return "renewal asked for"
	case Rekey:
		return "a new key was asked for"
	}
	return string(r)
}

// BeginFailed records that an issuer could not be asked, or refused at once.
type BeginFailed struct {
	Need    Need
	Problem *Problem
	For     *Spec // as in Began
}

func (r BeginFailed) apply(o *Order, now time.Time) []Event {
	if !o.alive() || o.Running(r.Need.KeyType) != nil || !o.orders(r.Need.KeyType) {
		return nil
	}
	n := o.need(r.Need.KeyType)
	if n == nil {
		o.Needs = append(o.Needs, r.Need)
		n = &o.Needs[len(o.Needs)-1]
	}
	if o.asksOtherwise(r.For) { // what was refused is no longer asked for
		if r.For.Issuer == o.Spec.Issuer { // it may have asked to be left alone for a while
			o.AskAfter = later(o.AskAfter, r.Problem.Until)
			n.DueAt = later(n.DueAt, o.AskAfter)
		}
		return nil
	}
	return o.needFailed(n, r.Problem, now)
}

// needFailed spaces the next try by what the problem is: the table of attempts counts what the issuer counts.
func (o *Order) needFailed(n *Need, p *Problem, now time.Time) []Event {
	table := tryIssuer
	if p.ID == idAwaitsCSR {
		table = tryFinal
	}
	news := n.fail(p, table, now)
	if p.Class == GiveUp {
		n.Failed++
		n.DueAt = after(tryAttempt, n.Failed, now, p.Until)
	}
	if !news {
		return nil
	}
	switch {
	case p.ID == idAwaitsCSR:
		return []Event{o.awaitEvent(now, n, p)}
	case p.Class == Waiting:
		return []Event{o.waitEvent(now, p)}
	}
	return []Event{o.event(now, StageIssue, "attempt-failed", "Could not be issued%s: %s", o.as(n.KeyType), p.Error()).failed(p, Error).with("keyType", string(n.KeyType))}
}

// as says of which key type something is told, where the order has several.
func (o *Order) as(k KeyType) string {
	if len(o.Spec.KeyTypes) < 2 {
		return ""
	}
	return " as " + string(k)
}

func (o *Order) waitEvent(now time.Time, p *Problem) Event {
	e := o.event(now, StageVerify, "verify-waiting", "Waits for %s: %s", whom(p.Owner), p.Error()).failed(p, Warning)
	e.Status = Started
	return e
}

func whom(owner string) string {
	switch owner {
	case OwnerOwner:
		return "the owner of the names"
	case OwnerIssuer:
		return "the issuer"
	case OwnerAdmin:
		return "an administrator"
	}
	return "Certwright"
}

// Proved records how the proofs of an attempt stand at the authority.
type Proved struct {
	ID     string
	Proofs []Proof
}

func (r Proved) apply(o *Order, now time.Time) []Event {
	a := o.Attempt(r.ID)
	if a == nil || !a.Open() {
		return nil
	}
	a.Proofs = r.Proofs
	var events []Event
	for _, p := range r.Proofs {
		row := o.Identifier(p.Name.Value)
		if row == nil {
			continue
		}
		row.Method = p.Method
		if p.Problem != nil && p.Problem.Class == Waiting {
			continue // no verdict yet; AttemptWaits says for whom
		}
		if p.Problem != nil {
			if row.fail(p.Problem, tryOwner, now) {
				events = append(events, o.event(now, StageVerify, "verify-failed", "%s could not be verified: %s", p.Name.Value, p.Problem.Error()).failed(p.Problem, Error).with("identifier", p.Name.Value))
			}
			continue
		}
		if !p.Done {
			continue
		}
		news := row.Verified == nil || row.Problem != nil || (row.ValidUntil != nil && now.After(*row.ValidUntil))
		row.well(now)
		t := now
		row.Verified, row.ValidUntil, row.Instruct = &t, p.ValidTill, ""
		if news {
			row.Since = now
			events = append(events, o.event(now, StageVerify, "name-verified", "Domain verified: %s by %s.", p.Name.Value, p.Method).with("identifier", p.Name.Value))
		}
	}
	return events
}

// Withdrawn records that the proofs of an attempt are published no more, or could not be taken back (Problem).
type Withdrawn struct {
	ID      string
	Problem *Problem
}

func (r Withdrawn) apply(o *Order, now time.Time) []Event {
	a := o.Attempt(r.ID)
	if a == nil || !a.Visible {
		return nil
	}
	if r.Problem != nil {
		if !a.Withdraw.fail(r.Problem, tryLocal, now) {
			return nil
		}
		return []Event{o.event(now, StageVerify, "withdraw-failed", "A proof could not be withdrawn: %s", r.Problem.Error()).failed(r.Problem, Warning).with("attempt", a.ID)}
	}
	a.Visible, a.Withdraw = false, Progress{}
	a.forget()
	return nil
}

// AttemptWaits records for whom an attempt waits: its Problem is of class Waiting.
type AttemptWaits struct {
	ID      string
	Problem *Problem
	Names   []string          // the names it waits for; empty = all
	Each    map[string]string // what the owner has to do for each name, where it differs
	Written bool              // its records are written, and spread
	Began   time.Time         // when the try began
}

func (r AttemptWaits) apply(o *Order, now time.Time) []Event {
	a := o.Attempt(r.ID)
	if a == nil || !a.Open() {
		return nil
	}
	table := tryIssuer
	switch {
	case r.Written:
		table = tryDNS
	case r.Problem.Owner == OwnerOwner:
		table = tryOwner
	}
	news := a.fail(r.Problem, table, now)
	a.Waiting, a.Instruct = r.Problem.Owner, r.Problem.Fix
	if a.Ask = a.Ask && !answers(r.Began, a.AskedAt); a.Ask {
		a.hurry()
	}
	if t := now; r.Written && a.Written == nil {
		a.Written = &t
	}
	if r.Problem.Owner == OwnerOwner {
		for i := range o.Identifiers {
			row := &o.Identifiers[i]
			row.Instruct = ""
			if len(r.Names) == 0 || slices.Contains(r.Names, row.Value) {
				row.Instruct = r.Problem.Fix
				if fix := r.Each[row.Value]; fix != "" {
					row.Instruct = fix
				}
			}
		}
	}
	if !news {
		return nil
	}
	return []Event{o.waitEvent(now, r.Problem)}
}

// AttemptFailed records a failed try: by its class it is tried again, or the attempt is given up,
// its key destroyed, and a new one wanted on the table of intervals.
type AttemptFailed struct {
	ID      string
	Problem *Problem
}

func (r AttemptFailed) apply(o *Order, now time.Time) []Event {
	a := o.Attempt(r.ID)
	if a == nil || !a.Open() {
		return nil
	}
	if r.Problem.Class == Waiting {
		return AttemptWaits{ID: r.ID, Problem: r.Problem}.apply(o, now)
	}
	if r.Problem.Class == Retry {
		a.Waiting = ""
		if !a.fail(r.Problem, tryIssuer, now) {
			return nil
		}
		return []Event{o.event(now, StageIssue, "attempt-retry", "Will be tried again: %s", r.Problem.Error()).failed(r.Problem, Warning).with("keyType", string(a.KeyType))}
	}
	n := Need{KeyType: a.KeyType, Reason: a.Reason, Asked: a.Started, Delay: a.Delay, Caller: a.Caller}
	n.Failed = a.Failed
	a.end(now, r.Problem)
	if !o.alive() {
		return nil
	}
	if asked := o.need(a.KeyType); asked != nil { // a new key was asked for meanwhile
		n.Reason, n.Asked, n.Delay, n.Caller = asked.Reason, asked.Asked, asked.Delay, asked.Caller
		o.dropNeed(a.KeyType)
	}
	o.Needs = append(o.Needs, n)
	return o.needFailed(&o.Needs[len(o.Needs)-1], r.Problem, now)
}

// SignedBy records a certificate that an authority signed for an attempt; the vault does not hold it yet.
type SignedBy struct {
	ID      string
	Version Version
}

func (r SignedBy) apply(o *Order, now time.Time) []Event {
	a := o.Attempt(r.ID)
	if a == nil || a.Version != 0 {
		return nil
	}
	v := r.Version
	v.Number, v.State, v.KeyType = o.lastNumber()+1, VersionIssued, a.KeyType
	v.Issued, v.Attempt, v.SecretID = now, a.ID, a.ID
	v.Issuer, v.Account, v.Reason = a.Issuer, a.Account, a.Reason
	if !a.Open() {
		return o.signedLate(a, v, now)
	}
	for i := range o.Identifiers { // no authority signs a name that it does not hold for verified
		if row := &o.Identifiers[i]; row.Problem != nil {
			row.well(now)
		}
		o.Identifiers[i].Instruct = ""
	}
	a.Phase, a.Version, a.Waiting, a.Instruct = Signed, v.Number, "", ""
	a.Progress = Progress{Since: now}
	a.forget()
	v.External = a.External
	o.Versions = append(o.Versions, v)
	e := o.event(now, StageIssue, "issued", "Issued: %s by %s, valid until %s.", v.Label(), v.IssuedBy, moment(v.NotAfter)).
		with("serial", v.Serial, "thumbprint", v.Thumbprint, "notAfter", v.NotAfter.UTC().Format(time.RFC3339), "attempt", a.ID, "keyType", string(v.KeyType), "reason", string(v.Reason))
	if v.External { // there is nothing to store: from now on it is the current one
		e.Text += fmt.Sprintf(" Its key is with whoever made the request; 'certwright order export %s --chain' gives them the certificate.", o.ID.Name)
		o.arrived(a, o.Version(v.Number), now)
	}
	return []Event{e}
}

// arrived makes a version the current one of its key type: its attempt ends, targets follow, and the one that it
// replaces is to be revoked if that was asked for.
func (o *Order) arrived(a *Attempt, v *Version, now time.Time) {
	a.end(now, nil)
	a.Progress = Progress{Since: now}
	o.switched(v.KeyType)
	if o.First() == v {
		o.Expired = false
	}
	for i := range o.Deployments {
		if d := &o.Deployments[i]; d.KeyType == v.KeyType { // what ails it is shown until the new version is there
			d.hurry()
			d.Bad, d.Tried = 0, nil
		}
	}
	if a.Revokes > 0 && a.Delay >= 0 {
		if ov := o.Version(a.Revokes); ov != nil {
			t := now.Add(a.Delay)
			ov.RevokeAt, ov.RevokeFor = &t, 4 // superseded, RFC 5280 section 5.3.1
		}
	}
}

// signedLate keeps a version whose attempt was given up while the authority signed: its key is gone, so it
// is revoked.
func (o *Order) signedLate(a *Attempt, v Version, now time.Time) []Event {
	v.RevokeAt, v.RevokeFor = &now, 5 // cessation of operation, RFC 5280 section 5.3.1
	a.Version = v.Number
	o.Versions = append(o.Versions, v)
	e := o.event(now, StageIssue, "issued-late", "Issued too late: %s came after its attempt had been given up; it will be revoked.", v.Label()).with("serial", v.Serial, "attempt", a.ID)
	e.Level = Warning
	return []Event{e}
}

func (o *Order) lastNumber() int {
	n := 0
	for i := range o.Versions {
		n = max(n, o.Versions[i].Number)
	}
	return n
}

// Window records renewal information of a version.
type WindowSeen struct {
	Number int
	CertID string
	Window *Window
	Again  time.Time // zero = the issuer has none
}

func (r WindowSeen) apply(o *Order, now time.Time) []Event {
	v := o.Version(r.Number)
	if v == nil {
		return nil
	}
	moved := r.Window != nil && (v.Window == nil || !v.Window.Start.Equal(r.Window.Start) || !v.Window.End.Equal(r.Window.End))
	if r.CertID != "" {
		v.CertID = r.CertID
	}
	if r.Window != nil {
		v.Window = r.Window
	}
	v.WindowAt = nil
	if !r.Again.IsZero() {
		t := now.Add(min(max(r.Again.Sub(now), windowSoonest), windowLatest))
		v.WindowAt = &t
	}
	if !moved {
		return nil
	}
	return []Event{o.event(now, StageIssue, "renewal-window", "The issuer suggests to renew version %d between %s and %s.", v.Number,
		moment(r.Window.Start), moment(r.Window.End)).with("explanation", r.Window.Explanation)}
}

// RevokedResult records that a version was withdrawn, or could not be (Problem).
type RevokedResult struct {
	Number  int
	Problem *Problem
}

func (r RevokedResult) apply(o *Order, now time.Time) []Event {
	v := o.Version(r.Number)
	if v == nil || v.State == VersionRevoked {
		return nil
	}
	if r.Problem != nil {
		if !v.Revoke.fail(r.Problem, tryIssuer, now) {
			return nil
		}
		return []Event{o.event(now, StageIssue, "revoke-failed", "Version %d could not be revoked: %s", v.Number, r.Problem.Error()).failed(r.Problem, Error)}
	}
	t := now
	v.State, v.RevokedAt, v.RevokeAt = VersionRevoked, &t, nil
	v.Revoke = Progress{Since: now}
	events := []Event{o.event(now, StageIssue, "version-revoked", "Revoked: %s.", v.Label()).with("serial", v.Serial)}
	return append(events, Ticked{}.apply(o, now)...)
}
