package order

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// Command is what a person can ask of an order.
type Command string

// Commands.
const (
	CmdVerify Command = "verify" // look for the proofs now
	CmdRenew  Command = "renew"  // a new version now
	CmdRekey  Command = "rekey"  // a new version with a new key now
	CmdSync   Command = "sync"   // make every target hold the current version, and look
	CmdRevoke Command = "revoke" // withdraw all versions
	CmdDelete Command = "delete" // revoke and forget
	CmdCancel Command = "cancel" // stop an order that has no version yet
	CmdAgain  Command = "again"  // order once more with the same settings
	CmdUpdate Command = "update" // change the wish
	CmdExport Command = "export" // read the current version

	// Commands that heal (heal.go).
	CmdRetry   Command = "retry"   // try now whatever failed and waits for its next time
	CmdStore   Command = "store"   // look at the vault now, store what it lacks
	CmdRecover Command = "recover" // the soft-deleted secret was taken back
	CmdEnable  Command = "enable"  // the disabled secret was switched on
)

// Commands are all of them.
var Commands = []Command{CmdVerify, CmdRenew, CmdRekey, CmdSync, CmdRevoke, CmdDelete, CmdCancel, CmdAgain, CmdUpdate, CmdExport,
	CmdRetry, CmdStore, CmdRecover, CmdEnable}

// Allowed says whether a command can be given to the order as it stands: nil, or a *Refusal that says why
// not and what to do instead.
func (o *Order) Allowed(c Command, now time.Time) error { return o.AllowedWith(c, now, o.Spec) }

// AllowedWith says the same of a renewal or a rekey that changes the wish with it: next is what it becomes.
func (o *Order) AllowedWith(c Command, now time.Time, next Spec) error {
	if o.Deleting && c != CmdDelete {
		return o.refuse(c, "OrderDeleting", "the order is being deleted", "Create a new order")
	}
	if err := o.allowedKind(c); err != nil {
		return err
	}
	if err := o.allowedEnded(c, now); err != nil {
		return err
	}
	if c == CmdRenew || c == CmdRekey {
		return o.allowedNext(c, now, next)
	}
	return o.allowedLive(c, now)
}

func (o *Order) refuse(c Command, code, why, fix string) error {
	return &Refusal{Kind: Conflict, Code: code, Message: fmt.Sprintf("%s of order %s is not possible: %s", c, o.ID.Name, why), Fix: fix}
}

// allowedKind: what orders without an issuer cannot be asked.
func (o *Order) allowedKind(c Command) error {
	switch {
	case o.Kind == Imported && in(c, CmdVerify, CmdRenew, CmdRekey, CmdCancel, CmdAgain, CmdRevoke):
		return o.refuse(c, "NoIssuer", "its certificate was imported, no issuer stands behind it", "Import the next certificate under the same name, or create an order with an issuer")
	case o.Kind == Watched && !in(c, CmdSync, CmdDelete, CmdUpdate, CmdRetry):
		return o.refuse(c, "OnlyWatched", "it is only watched: Certwright holds no key and no certificate of it", "Create an order for these names, or import the certificate")
	case o.KeyElsewhere() && in(c, CmdExport, CmdStore, CmdRecover, CmdEnable):
		fix := "The certificate alone: certwright order export " + o.ID.Name + " --chain"
		if c != CmdExport {
			fix = "The key is with whoever made the certificate's request"
		}
		return o.refuse(c, "ExternalPrivateKey", "its private key is not in the vault", fix)
	}
	return nil
}

// allowedEnded: what an order that has come to an end can still be asked.
func (o *Order) allowedEnded(c Command, now time.Time) error {
	switch {
	case o.denied(now) && !in(c, CmdAgain, CmdDelete):
		return o.refuse(c, "OrderDenied", "it was denied, which is final", "Use 'order again' to order once more with the same settings, or delete it")
	case o.Canceled != nil && !in(c, CmdAgain, CmdDelete):
		return o.refuse(c, "OrderCanceled", "it was canceled", "Use 'order again' to order once more with the same settings, or delete it")
	case o.RevokedAt != nil && !in(c, CmdAgain, CmdDelete):
		return o.refuse(c, "OrderRevoked", "its certificates were revoked", "Use 'order again' to order once more with the same settings, or delete it")
	case o.Revoking != nil && o.RevokedAt == nil && !in(c, CmdDelete, CmdExport):
		return o.refuse(c, "RevocationPending", "its certificates are being revoked", "Wait until it is Revoked, then use 'order again'")
	case c == CmdAgain && !o.denied(now) && o.Canceled == nil && o.RevokedAt == nil:
		fix := "Use renew or rekey for a new version"
		if o.pending() {
			fix = "Use verify, or see 'order show' for what it waits for"
		}
		return o.refuse(c, "OrderAlive", "it is neither denied nor canceled nor revoked", fix)
	}
	return nil
}

// allowedLive: what an order that strives for certificates can be asked.
func (o *Order) allowedLive(c Command, now time.Time) error {
	has := o.First() != nil
	switch c {
	case CmdVerify:
		if !o.pending() {
			return o.refuse(c, "NothingToVerify", "nothing waits for verification", "Use renew for a new version now")
		}
	case CmdExport, CmdRecover, CmdEnable:
		if !has {
			return o.refuse(c, "NothingStored", "the vault holds no version of it yet", "See 'order show' for what it waits for")
		}
	case CmdStore:
		if !has && !o.unstored() {
			return o.refuse(c, "NothingToStore", "no version of it is issued yet", "See 'order show' for what it waits for")
		}
	case CmdRevoke:
		return o.allowedRevoke(now)
	case CmdCancel:
		if o.issued() || has {
			return o.refuse(c, "OrderIssued", "it has a version already", "Use revoke or delete")
		}
	}
	return nil
}

// allowedNext: when a new version can be asked for. A certificate request that is given, or a key that is to be made here
// from now on, may replace what is under way: that may wait for nothing else.
func (o *Order) allowedNext(c Command, now time.Time, next Spec) error {
	given := next.ExternalKey != o.Spec.ExternalKey || next.ExternalKey && (!next.CSRGiven.Equal(o.Spec.CSRGiven) || !bytes.Equal(next.CSR, o.Spec.CSR))
	if o.First() == nil && o.pending() && !given {
		return o.refuse(c, "OrderPending", "its first version is not issued yet", "Use verify, or see 'order show' for what it waits for")
	}
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a.Open() && (c == CmdRenew || a.Reason == Rekey) && (a.Phase == Signed || !given) {
			return o.refuse(c, "AttemptRunning", fmt.Sprintf("a new version is under way since %s", moment(a.Started)), "See 'order show' for what it waits for, or use verify")
		}
	}
	if !next.ExternalKey || given {
		return nil
	}
	p := &Problem{Detail: "a new key needs a new one", Fix: fmt.Sprintf("Make one with the new key, and give it: certwright order rekey %s --csr FILE; or have the key made here: --managed", o.ID.Name)}
	if c == CmdRenew {
		if _, p = o.NextCSR(now); p == nil {
			return nil
		}
	}
	return &Refusal{Kind: BadInput, Code: CsrMissing, Property: "csr", Message: fmt.Sprintf("%s of order %s needs a certificate request, for its private key is not here: %s", c, o.ID.Name, p.Detail), Fix: p.Fix}
}

// CsrMissing is the code of a refusal for want of a certificate request.
const CsrMissing = "CsrMissing"

func (o *Order) allowedRevoke(now time.Time) error {
	if len(o.Versions) == 0 {
		return o.refuse(CmdRevoke, "NothingIssued", "no version was issued", "Use cancel or delete")
	}
	for i := range o.Versions {
		if v := &o.Versions[i]; v.State != VersionRevoked && v.NotAfter.After(now) {
			return nil
		}
	}
	return o.refuse(CmdRevoke, "AllExpired", "all its versions have expired or are revoked, an authority does not revoke those", "Use delete, or renew")
}

// pending says whether a version is wanted or under way.
func (o *Order) pending() bool {
	for _, n := range o.Wanted() {
		if n.Reason != Renewal || n.Problem != nil {
			return true
		}
	}
	for i := range o.Attempts {
		if o.Attempts[i].Open() {
			return true
		}
	}
	return false
}

func in(c Command, list ...Command) bool {
	for _, x := range list {
		if x == c {
			return true
		}
	}
	return false
}

// By is who gave a command.
type By struct {
	Caller      string
	Correlation string
	Client      string // the id that the client gave its request; empty where there was none
	Address     string // where the request came from
	Request     string // method and path
}

func (by By) event(o *Order, now time.Time, stage StageName, name, text string, args ...any) Event {
	o.Caller, o.Correlation = by.Caller, by.Correlation
	return by.asked(o.event(now, stage, name, text, args...))
}

// Did is the event of something that was done to a resource that is no order. operation is what follows its type: write, delete.
func (by By) Did(to ID, operation, name string, now time.Time, text string, args ...any) Event {
	stage := StageOrder
	if to.Type == VaultType {
		stage = StageStore
	}
	return by.asked(Event{Order: to, At: now, Correlation: by.Correlation, Operation: to.TypeOf() + "/" + operation, Name: name,
		Stage: stage, Status: Succeeded, Level: Informational, Text: fmt.Sprintf(text, args...)})
}

// asked adds to an event who asked for it.
func (by By) asked(e Event) Event {
	e.Caller = by.Caller
	for k, v := range map[string]string{"clientRequestId": by.Client, "clientIpAddress": by.Address, "request": by.Request} {
		if v != "" {
			e = e.with(k, v)
		}
	}
	return e
}

// Commanded applies a command that Allowed let through. What it needs besides is in its fields.
type Commanded struct {
	By
	Command Command
	Delay   time.Duration // rekey: how long the old version stays unrevoked; <0 = it is not revoked
	Reason  int           // revoke: RFC 5280 section 5.3.1
	Force   bool          // sync: push even where nothing differs
}

func (r Commanded) apply(o *Order, now time.Time) []Event {
	switch r.Command {
	case CmdVerify:
		o.hurry(now)
		return []Event{r.event(o, now, StageVerify, "verify-requested", "Verification of %s asked for by %s.", nameList(o.Spec.Names), r.Caller)}
	case CmdRenew, CmdRekey:
		return r.renew(o, now)
	case CmdSync:
		return r.sync(o, now)
	case CmdRevoke, CmdDelete:
		return r.revoke(o, now)
	case CmdCancel:
		t := now
		o.endAttempts(now, "the order was canceled")
		o.Canceled = &t
		return []Event{r.event(o, now, StageOrder, "canceled", "Canceled by %s.", r.Caller)}
	case CmdAgain:
		o.again(now)
		return []Event{r.event(o, now, StageOrder, "ordered-again", "Ordered again with the same settings by %s.", r.Caller)}
	case CmdRetry, CmdStore, CmdRecover, CmdEnable:
		return r.heal(o, now)
	case CmdExport:
		return []Event{r.event(o, now, StageStore, "exported", "The current version and its key were read by %s.", r.Caller)}
	}
	return nil
}

// hurry makes everything that waits due now.
func (o *Order) hurry(now time.Time) {
	for i := range o.Needs {
		o.Needs[i].hurry()
	}
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a.Open() {
			a.ask(now)
		}
	}
}

// hurry makes a wish due now, or when the issuer allows it; not as often as a person may press a button
// where attempt after attempt is refused, for the authority counts those.
func (n *Need) hurry() {
	n.Progress.hurry()
	if n.Failed >= calmAfter {
		n.DueAt = later(n.DueAt, n.At.Add(calm))
	}
}

func (r Commanded) renew(o *Order, now time.Time) []Event {
	reason, name, word := Manual, "renew-requested", "Renewal"
	if r.Command == CmdRekey {
		reason, name, word = Rekey, "rekey-requested", "A new key"
	}
	for _, k := range o.Spec.KeyTypes {
		n := Need{KeyType: k, Reason: reason, Asked: now, Delay: r.Delay, Caller: r.Caller}
		if v := o.Newest(k); v == nil || o.history(v) {
			n.Reason, n.Delay = First, 0
		}
		if old := o.need(k); old != nil { // what the issuer said to it still holds
			n.Progress, n.Failed = old.Progress, old.Failed
			if p := n.Problem; p != nil && p.ID == idAwaitsCSR { // it is given, or needed no more
				n.Progress = Progress{}
			}
		}
		if a := o.Running(k); a != nil && a.Phase == Begun { // what is signed already is stored first
			n.Problem, n.At, n.Since, n.Failed = a.Problem, a.At, a.Since, a.Failed
			a.end(now, o.stopped(now, a, "another version was asked for instead"))
		}
		n.hurry()
		n.DueAt = later(n.DueAt, o.AskAfter)
		o.dropNeed(k)
		o.Needs = append(o.Needs, n)
	}
	e := r.event(o, now, StageIssue, name, "%s asked for by %s.", word, r.Caller)
	if r.Command == CmdRekey && r.Delay >= 0 {
		e.Text += fmt.Sprintf(" The old version will be revoked %s after the new one is stored, once no target holds it.", r.Delay)
	}
	return []Event{e}
}

func (r Commanded) sync(o *Order, now time.Time) []Event {
	var to []string
	for i := range o.Deployments {
		d := &o.Deployments[i]
		if d.Gone || d.Disabled != "" {
			continue
		}
		d.hurry()
		d.Forced, d.ForcedAt = true, now
		to = append(to, d.Key())
	}
	for i := range o.Endpoints {
		o.Endpoints[i].ask(now)
	}
	o.Vault.ask(now)
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a.Phase == Signed {
			a.hurry()
		}
	}
	text := "Sync asked for by %s"
	if len(to) > 0 {
		text += ": " + strings.ReplaceAll(strings.Join(to, ", "), "%", "%%")
	}
	return []Event{r.event(o, now, StageDeploy, "sync-requested", text+".", r.Caller)}
}

func (r Commanded) revoke(o *Order, now time.Time) []Event {
	name, text := "revoke-requested", "Revocation asked for by %s."
	if r.Command == CmdDelete {
		name, text = "delete-requested", "Deletion asked for by %s: its versions are revoked, then it is forgotten."
		o.Deleting = true
		o.Vault.DueAt = time.Time{} // what the vault refused before is tried now
	}
	e := r.event(o, now, StageOrder, name, text, r.Caller)
	o.endAttempts(now, "the order is being revoked")
	if o.Kind == Ordered && o.RevokedAt == nil && o.Revoking == nil {
		o.Revoking = &Revoking{At: now, Reason: r.Reason, Caller: r.Caller}
		return append([]Event{e}, Ticked{}.apply(o, now)...)
	}
	return []Event{e}
}

// again starts the order afresh: its settings stay, its old versions are history.
func (o *Order) again(now time.Time) {
	o.endAttempts(now, "it was ordered again")
	o.Ordered = now
	o.DeniedAt, o.Canceled, o.Revoking, o.RevokedAt, o.Expired, o.Switches = nil, nil, nil, nil, false, nil
	if o.AskAfter.After(now) {
		for _, k := range o.Spec.KeyTypes {
			o.Needs = append(o.Needs, Need{KeyType: k, Reason: First, Asked: now, Progress: Progress{DueAt: o.AskAfter}})
		}
	}
	for i := range o.Identifiers {
		row := &o.Identifiers[i]
		row.Progress, row.Instruct = Progress{Since: now}, ""
		row.Verified, row.ValidUntil = nil, nil
	}
	for i := range o.Deployments {
		o.Deployments[i].Version, o.Deployments[i].Problem, o.Deployments[i].Bad, o.Deployments[i].Tried = 0, nil, 0, nil
	}
	o.Vault.Progress, o.Vault.Fault = Progress{Since: now}, ""
}
