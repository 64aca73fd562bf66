package order

import (
	"fmt"
	"strings"
	"time"

	"certwright/internal/site"
)

// Created is the first event of an order.
func (by By) Created(o *Order, now time.Time) Event {
	switch o.Kind {
	case Imported:
		return by.event(o, now, StageOrder, "imported", "Imported from %s by %s: %s.", orWord(o.Spec.ImportedFrom, "a bundle"), by.Caller, nameList(o.Spec.Names))
	case Watched:
		return by.event(o, now, StageOrder, "watched", "Watched for %s: %s.", by.Caller, nameList(o.Spec.Names))
	}
	return by.event(o, now, StageOrder, "created", "Ordered by %s: %s from issuer %s.", by.Caller, nameList(o.Spec.Names), o.Spec.Issuer)
}

// Moved is the first event of an order under the id that it was moved to.
func (by By) Moved(o *Order, from ID, now time.Time) Event {
	return by.event(o, now, StageOrder, "moved", "Moved here by %s from resource group %s of subscription %s.", by.Caller, from.Group, from.Subscription).with("from", from.String())
}

// MovedAway is the last event of an order under the id that it had.
func (by By) MovedAway(o *Order, to ID, now time.Time) Event {
	return by.event(o, now, StageOrder, "moved-away", "Moved by %s to resource group %s of subscription %s.", by.Caller, to.Group, to.Subscription).with("to", to.String())
}

func orWord(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// Brought records a certificate that was imported with its key sealed on the attempt: from there it goes
// into the vault as any other. Without a key it is only looked at.
type Brought struct {
	Version Version
	Attempt Attempt
}

func (r Brought) apply(o *Order, now time.Time) []Event {
	a, v := r.Attempt, r.Version
	v.Number, v.State, v.KeyType, v.Issued, v.Attempt, v.SecretID = o.lastNumber()+1, VersionIssued, a.KeyType, now, a.ID, a.ID
	v.External = a.Sealed == nil
	a.Phase, a.Version, a.Started, a.Progress = Signed, v.Number, now, Progress{Since: now}
	o.Expired = false
	o.Versions = append(o.Versions, v)
	if a.Sealed != nil {
		o.Attempts = append(o.Attempts, a)
	}
	return []Event{o.event(now, StageIssue, "brought", "Brought: %s issued by %s, valid until %s.", v.Label(), v.IssuedBy, moment(v.NotAfter)).
		with("serial", v.Serial, "thumbprint", v.Thumbprint)}
}

// Rewished replaces the owner's wish: the generation counts up, the rows follow the names and sites.
type Rewished struct {
	By
	Spec   Spec
	Sites  []site.Site
	Tokens map[string]string // verification tokens for names that are new
}

// RSA is the first RSA type among an order's keys; empty = it has none.
func (s Spec) RSA() KeyType {
	for _, k := range s.KeyTypes {
		if strings.HasPrefix(string(k), "RSA-") {
			return k
		}
	}
	return ""
}

func (r Rewished) apply(o *Order, now time.Time) []Event {
	changed := differences(o.Spec, r.Spec)
	names := !sameNames(o.Spec.Names, r.Spec.Names)
	types := fmt.Sprint(o.Spec.KeyTypes) != fmt.Sprint(r.Spec.KeyTypes)
	was := o.Spec
	if types {
		o.switchTypes(r.Spec.KeyTypes)
	}
	o.Spec = r.Spec
	o.Spec.FirstRSA = was.FirstRSA
	if rsa := was.RSA(); o.Spec.FirstRSA == "" && o.Spec.RSA() != rsa {
		o.Spec.FirstRSA = rsa
	}
	o.Generation++
	switch {
	case names:
		o.rename(r.Tokens, now)
	case was.Issuer != o.Spec.Issuer || was.Method != o.Spec.Method || was.Profile != o.Spec.Profile:
		o.askAnew(was.Issuer != o.Spec.Issuer, now)
	}
	if types || !o.Spec.AutoRenew {
		o.dropForeignNeeds()
	}
	if types {
		o.dropForeignAttempts(now)
		o.wantSwitched(r.Caller, now)
	}
	if was.Issuer != o.Spec.Issuer {
		o.AskAfter = time.Time{} // another was asked to wait for
	}
	events := Bound{Sites: r.Sites}.apply(o, now)
	e := r.event(o, now, StageOrder, "updated", "Changed by %s: %s.", r.Caller, orWord(strings.Join(changed, ", "), "nothing"))
	return append(events, e)
}

// rename makes the rows of identifiers those of the wish; a changed set of names wants a new version.
func (o *Order) rename(tokens map[string]string, now time.Time) {
	var rows []Identifier
	for _, n := range o.Spec.Names {
		if have := o.Identifier(n.Value); have != nil {
			rows = append(rows, *have)
			continue
		}
		rows = append(rows, Identifier{Name: n, Method: o.Spec.Method, Token: tokens[n.Value], Progress: Progress{Since: now}})
	}
	o.Identifiers = rows
	if o.Kind != Ordered {
		return
	}
	for _, k := range o.Spec.KeyTypes {
		n := Need{KeyType: k, Reason: Manual, Asked: now, Delay: -1, Caller: o.Caller}
		if v := o.Newest(k); v == nil || o.history(v) {
			n.Reason, n.Delay = First, 0
		}
		if a := o.Running(k); a != nil && a.Phase == Begun {
			n.Problem, n.At, n.Since, n.Failed = a.Problem, a.At, a.Since, a.Failed // what the issuer said still holds
			a.end(now, o.stopped(now, a, "the names of the order were changed"))
		}
		if have := o.need(k); have != nil {
			have.hurry() // what was refused for good was asked for other names
		} else {
			n.hurry()
			n.DueAt = later(n.DueAt, o.AskAfter)
			o.Needs = append(o.Needs, n)
		}
	}
}

// askAnew lets what is under way be asked for in the new way, by another method or profile or of another issuer:
// what the one before had said does not bind that one.
func (o *Order) askAnew(otherIssuer bool, now time.Time) {
	for _, k := range o.Spec.KeyTypes {
		if a := o.Running(k); a != nil && a.Phase == Begun && o.need(k) == nil {
			n := Need{KeyType: k, Reason: a.Reason, Asked: a.Started, Delay: a.Delay, Caller: a.Caller, Failed: a.Failed}
			n.Problem, n.At, n.Since = a.Problem, a.At, a.Since
			a.end(now, o.stopped(now, a, "the order was changed to be issued in another way"))
			o.Needs = append(o.Needs, n)
		}
		n := o.need(k)
		if n == nil {
			continue
		}
		if otherIssuer {
			n.Progress, n.Failed = Progress{Since: now}, 0
			continue
		}
		n.hurry()
	}
}

func (o *Order) dropForeignNeeds() {
	kept := o.Needs[:0]
	for _, n := range o.Needs {
		if n.Reason == Renewal && !o.Spec.AutoRenew || !o.orders(n.KeyType) { // what came of itself and is switched off is no longer wanted
			o.AskAfter = later(o.AskAfter, n.notBefore())
			continue
		}
		kept = append(kept, n)
	}
	o.Needs = kept
}

func sameNames(a, b []Name) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// differences names the properties of a wish that changed.
func differences(a, b Spec) []string {
	var list []string
	add := func(name string, x, y any) {
		if sx, sy := fmt.Sprint(x), fmt.Sprint(y); sx != sy {
			list = append(list, fmt.Sprintf("%s %s → %s", name, sx, sy))
		}
	}
	add("names", a.Names, b.Names)
	add("issuer", a.Issuer, b.Issuer)
	add("method", a.Method, b.Method)
	add("keyTypes", a.KeyTypes, b.KeyTypes)
	add("validity", a.Validity, b.Validity)
	add("profile", a.Profile, b.Profile)
	add("autoRenew", a.AutoRenew, b.AutoRenew)
	add("renewAt", a.RenewAt, b.RenewAt)
	add("vault", a.Vault, b.Vault)
	add("secretName", a.Secret, b.Secret)
	add("certificates", a.Links, b.Links)
	add("validityInYears", a.Years, b.Years)
	add("tags", a.Tags, b.Tags)
	add("contentType", a.Content, b.Content)
	add("sites", a.Sites, b.Sites)
	add("endpoints", a.Endpoints, b.Endpoints)
	add("isPrivateKeyExternal", a.ExternalKey, b.ExternalKey)
	add("csr", requestWord(a), requestWord(b))
	add("reuseCsr", a.ReuseCSR, b.ReuseCSR)
	return list
}
