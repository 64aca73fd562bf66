package order

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// StepKind is a kind of work.
type StepKind string

// Steps. Each says what its Key names.
const (
	StepBegin  StepKind = "begin"  // key type: open an attempt for a wanted version
	StepObtain StepKind = "obtain" // attempt: publish, validate, finalise, store
	StepStore  StepKind = "store"  // attempt: the vault does not hold what was signed
	StepUnsay  StepKind = "unsay"  // attempt: its proofs are of no more use, and may be published still
	StepCopy   StepKind = "copy"   // name of a link: write the current version there too
	StepVault  StepKind = "vault"  // "": look at the vault's secret, write it again where it is to be
	StepDeploy StepKind = "deploy" // site/target: compare with the vault, push if it differs, look
	StepLook   StepKind = "look"   // endpoint: look at the wire
	StepRevoke StepKind = "revoke" // version number: withdraw it at the authority
	StepWindow StepKind = "window" // version number: ask for renewal information
	StepTick   StepKind = "tick"   // "": a time has passed that changes facts by itself
	StepRemove StepKind = "remove" // "": everything is withdrawn, the row can go
)

// Step is one piece of due work.
type Step struct {
	Kind StepKind
	Key  string
}

// due is a step with the time from which it can be done; zero = now.
type due struct {
	Step
	at time.Time
}

// Next is the set of steps that are due now. Each can be done independently of the others.
func (o *Order) Next(now time.Time) []Step {
	var steps []Step
	for _, d := range o.agenda(now) {
		if !d.at.After(now) {
			steps = append(steps, d.Step)
		}
	}
	return steps
}

// NextDue is the earliest time at which a step becomes due; zero = never by itself.
func (o *Order) NextDue(now time.Time) time.Time {
	var t time.Time
	for _, d := range o.agenda(now) {
		at := d.at
		if at.Before(now) {
			at = now
		}
		t = earliest(t, at)
	}
	return t
}

// agenda is everything that is to be done at some time, in the order of the road.
func (o *Order) agenda(now time.Time) []due {
	var list []due
	add := func(k StepKind, key string, at time.Time) { list = append(list, due{Step{k, key}, at}) }
	o.tickAgenda(now, add)
	if o.alive() {
		o.issueAgenda(add)
		o.storeAgenda(add)
		o.copyAgenda(add)
		o.deployAgenda(add)
	}
	o.unsayAgenda(add)
	o.revokeAgenda(now, add)
	if o.RevokedAt == nil && o.DeniedAt == nil && o.Canceled == nil && !o.Deleting {
		o.lookAgenda(add)
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].at.Before(list[j].at) })
	return list
}

type adder func(k StepKind, key string, at time.Time)

// tickAgenda: denial, the event of expiry, the row's end.
func (o *Order) tickAgenda(now time.Time, add adder) {
	if o.alive() && o.Kind == Ordered && !o.issued() {
		add(StepTick, "", o.denyTime())
	}
	if v := o.First(); o.alive() && v != nil && !o.Expired {
		add(StepTick, "", v.NotAfter)
	}
	for i := range o.Attempts {
		if a := &o.Attempts[i]; o.alive() && a.Phase == Begun && a.Waiting == OwnerOwner && o.issued() {
			add(StepTick, "", a.Started.Add(RenewWithin))
		}
	}
	revoked := o.Revoking == nil || len(o.toRevoke(now)) == 0
	if o.Revoking != nil && o.RevokedAt == nil && revoked {
		add(StepTick, "", time.Time{})
	}
	if o.Deleting && revoked && (o.Revoking == nil || o.RevokedAt != nil) && !o.visible() {
		add(StepRemove, "", o.Vault.DueAt)
	}
}

// Wanted are the versions to be begun, with the time from which each may be: those asked for, the
// first ones, and those whose time of renewal comes.
func (o *Order) Wanted() []Need {
	if o.Kind != Ordered || !o.alive() {
		return nil
	}
	var needs []Need
	for _, k := range o.Spec.KeyTypes {
		if o.Running(k) != nil {
			continue
		}
		if n := o.need(k); n != nil {
			needs = append(needs, *n)
			continue
		}
		v := o.Newest(k)
		switch {
		case v == nil || v.Issued.Before(o.Ordered) || v.State == VersionRevoked:
			needs = append(needs, Need{KeyType: k, Reason: First, Asked: o.Ordered, Progress: Progress{DueAt: o.AskAfter}})
		case o.Spec.AutoRenew && (v.State != VersionIssued || v.External):
			at := o.RenewTime(v)
			needs = append(needs, Need{KeyType: k, Reason: Renewal, Asked: at, Progress: Progress{DueAt: later(at, o.AskAfter)}})
		}
	}
	return needs
}

func (o *Order) issueAgenda(add adder) {
	for _, n := range o.Wanted() {
		add(StepBegin, string(n.KeyType), n.DueAt)
	}
	for i := range o.Attempts {
		switch a := &o.Attempts[i]; a.Phase {
		case Begun:
			add(StepObtain, a.ID, a.DueAt)
		case Signed:
			add(StepStore, a.ID, a.DueAt)
		}
	}
	if !o.Spec.AutoRenew || o.Kind != Ordered {
		return
	}
	var asked []int
	for _, k := range o.Spec.KeyTypes { // one version may stand for several types that are only to come
		if v := o.Current(k); v != nil && v.WindowAt != nil && !slices.Contains(asked, v.Number) {
			add(StepWindow, strconv.Itoa(v.Number), *v.WindowAt)
			asked = append(asked, v.Number)
		}
	}
}

// unsayAgenda: proofs that stayed behind when their attempt ended without the run that published them:
// canceled, denied, given up by a changed wish, or cut off by a crash.
func (o *Order) unsayAgenda(add adder) {
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a.Visible && a.Phase != Begun {
			add(StepUnsay, a.ID, a.Withdraw.DueAt)
		}
	}
}

// unsayTries is how often withdrawing is tried before an order that is being deleted goes without it, and
// an old attempt may be forgotten: a webroot that is gone must keep neither for ever.
const unsayTries = 4

// visible says whether a proof may be published still, and can yet be withdrawn.
func (o *Order) visible() bool {
	for i := range o.Attempts {
		if o.Attempts[i].withdrawable() {
			return true
		}
	}
	return false
}

// withdrawable says whether a proof of the attempt may be published still, and there is hope to withdraw it.
func (a *Attempt) withdrawable() bool { return a.Visible && a.Withdraw.Tries < unsayTries }

// storeAgenda: the daily look at the vault, and writing again what it lost.
func (o *Order) storeAgenda(add adder) {
	if o.Spec.Vault == "" || o.newest() == 0 {
		return
	}
	at := o.Vault.CheckAt
	if o.Vault.Fault != "" {
		at = o.Vault.DueAt
	}
	add(StepVault, "", at)
}

func (o *Order) deployAgenda(add adder) {
	for i := range o.Deployments {
		d := &o.Deployments[i]
		v := o.Current(d.KeyType)
		if d.Gone || d.Disabled != "" || v == nil {
			continue
		}
		switch {
		case d.Forced:
			add(StepDeploy, d.Key(), d.notBefore())
		case d.Version != v.Number || d.Problem != nil:
			add(StepDeploy, d.Key(), d.DueAt)
		default:
			add(StepDeploy, d.Key(), d.SyncAt)
		}
	}
}

// lookAgenda: an endpoint is looked at once there is something that it should serve.
func (o *Order) lookAgenda(add adder) {
	for i := range o.Endpoints {
		e := &o.Endpoints[i]
		if e.Gone || (o.Kind != Watched && len(o.Expected(e)) == 0) || o.pushing(e) {
			continue
		}
		add(StepLook, e.Key(), e.DueAt)
	}
}

// ShowsPushTo says whether a push to the target can change what the endpoint serves.
func (e *EndpointRow) ShowsPushTo(d *Deployment) bool {
	return strings.EqualFold(d.Site, e.Site) && (e.Target == "" || strings.EqualFold(e.Target, d.Target))
}

// pushing says whether a push to the endpoint's site is due or was never done: the push looks itself.
func (o *Order) pushing(e *EndpointRow) bool {
	if e.Site == "" || !o.alive() {
		return false
	}
	for i := range o.Deployments {
		d := &o.Deployments[i]
		if e.ShowsPushTo(d) && !d.Gone && d.Disabled == "" && d.Tries == 0 && o.Current(d.KeyType) != nil && d.Version != o.Current(d.KeyType).Number {
			return true
		}
	}
	return false
}

// toRevoke are the versions that an order being revoked still has to withdraw: no authority revokes what
// has expired.
func (o *Order) toRevoke(now time.Time) []*Version {
	var list []*Version
	for i := range o.Versions {
		v := &o.Versions[i]
		if v.State != VersionRevoked && v.Issuer != "" && v.NotAfter.After(now) {
			list = append(list, v)
		}
	}
	return list
}

// revokeAgenda: all versions of an order being revoked; else those whose delayed revocation comes,
// not while a target still holds them.
func (o *Order) revokeAgenda(now time.Time, add adder) {
	if o.Revoking != nil {
		for _, v := range o.toRevoke(now) {
			add(StepRevoke, strconv.Itoa(v.Number), v.Revoke.DueAt)
		}
		return
	}
	for i := range o.Versions {
		v := &o.Versions[i]
		if v.RevokeAt == nil || v.State == VersionRevoked || !v.NotAfter.After(now) {
			continue
		}
		if len(o.holding(v.Number)) == 0 {
			add(StepRevoke, strconv.Itoa(v.Number), later(*v.RevokeAt, v.Revoke.DueAt))
		}
	}
}

// holding lists the enabled targets that still hold a version.
func (o *Order) holding(number int) []string {
	var keys []string
	for i := range o.Deployments {
		if d := &o.Deployments[i]; d.Version == number && !d.Gone && d.Disabled == "" {
			keys = append(keys, d.Key())
		}
	}
	return keys
}
