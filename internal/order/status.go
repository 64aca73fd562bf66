package order

import (
	"slices"
	"time"
)

// StatusOf is the App Service Certificates' status of the order, computed from its facts.
func (o *Order) StatusOf(now time.Time) Status {
	switch {
	case o.Kind == Watched:
		return o.watchedStatus(now)
	case o.denied(now):
		return Denied
	case o.Canceled != nil:
		return StatusCanceled
	case o.RevokedAt != nil:
		return StatusRevoked
	case o.Revoking != nil:
		return Pendingrevocation
	}
	switch v := o.First(); {
	case v != nil && !v.NotAfter.After(now):
		return StatusExpired // of the version that is served, whatever is under way to replace it
	case o.rekeying():
		return PendingRekey
	case v == nil || o.waitsForOwner() || o.waitsForCSR():
		return Pendingissuance // as in the service we equal, also a renewal whose names must be verified again
	}
	return Issued
}

// watchedStatus: what is served says it all.
func (o *Order) watchedStatus(now time.Time) Status {
	status := Pendingissuance
	for i := range o.Endpoints {
		e := &o.Endpoints[i]
		if e.NotAfter == nil || e.Gone {
			continue
		}
		if !e.NotAfter.After(now) {
			return StatusExpired
		}
		status = Issued
	}
	return status
}

func (o *Order) rekeying() bool {
	for i := range o.Needs {
		if o.Needs[i].Reason == Rekey {
			return true
		}
	}
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a.Open() && a.Reason == Rekey {
			return true
		}
	}
	return false
}

func (o *Order) waitsForOwner() bool {
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a.Open() && a.Waiting == OwnerOwner {
			return true
		}
	}
	return false
}

// VaultStatusOf is Key Vault's word for the link between the order and its secret. Watched orders have none.
func (o *Order) VaultStatusOf(now time.Time) VaultStatus {
	switch s := o.StatusOf(now); {
	case o.Kind == Watched:
		return VaultUnknown
	case o.KeyElsewhere():
		return VaultExternalKey
	case o.Vault.Fault != "":
		return o.Vault.Fault
	case o.First() != nil:
		return VaultSucceeded
	case s == Denied || s == StatusCanceled || s == StatusRevoked || s == Pendingrevocation:
		return VaultOrderFailed
	case len(o.Attempts) == 0 && len(o.Needs) == 0:
		return VaultInitialized
	}
	return VaultWaiting
}

// OutOfSync are the words for a vault that does not hold what it should: the tile "Key Vault out of sync".
func OutOfSync() []VaultStatus {
	return []VaultStatus{VaultNotPermitted, VaultUnauthorized, VaultNotExist, VaultSecretNotExist, VaultUnknownError}
}

// OutOfSync says whether it is one of those.
func (s VaultStatus) OutOfSync() bool { return slices.Contains(OutOfSync(), s) }

// Project is the projection: what lists filter and count by.
func (o *Order) Project(now time.Time) Projection {
	p := Projection{Status: o.StatusOf(now), Vault: o.VaultStatusOf(now)}
	path := o.Path(now)
	w := Worst(path)
	p.Stage, p.State, p.Owner = w.Stage, w.State, w.Owner
	p.Text = w.Next
	if w.Problem != nil {
		p.Text = w.Problem.Error()
	}
	if v := o.First(); v != nil {
		p.Expires, p.Serial = v.NotAfter, v.Serial
	} else if o.Kind == Watched {
		for i := range o.Endpoints {
			if e := &o.Endpoints[i]; e.NotAfter != nil && !e.Gone && (p.Expires.IsZero() || e.NotAfter.Before(p.Expires)) {
				p.Expires, p.Serial = *e.NotAfter, e.Served
			}
		}
	}
	if f := o.unwell(); f != nil {
		p.Finding, p.FindingLeg, p.FindingSeverity, p.FindingTitle, p.FindingSince = f.ID, f.Leg, f.Severity, f.Title, f.Since
	}
	p.Examine = o.Examine()
	p.Changes = o.changes(now)
	return p
}

// changes is when the projection becomes another with no event at all: the ends of versions, the
// deadlines and the times after which a state is called late.
func (o *Order) changes(now time.Time) time.Time {
	var t time.Time
	future := func(at time.Time) {
		if at.After(now) {
			t = earliest(t, at)
		}
	}
	if o.alive() && o.Kind == Ordered && !o.issued() {
		future(o.denyTime())
	}
	for _, k := range o.Spec.KeyTypes {
		for _, v := range slices.Compact([]*Version{o.Current(k), o.Newest(k)}) { // mostly the same one
			if v != nil {
				future(v.NotAfter)
				future(o.RenewTime(v))
				future(o.lateTime(v))
				if o.Kind != Ordered {
					future(endsSoon(v.NotBefore, v.NotAfter))
				}
			}
		}
	}
	for i := range o.Deployments {
		future(o.Deployments[i].SyncAt.Add(syncLate))
	}
	for i := range o.Endpoints {
		e := &o.Endpoints[i]
		future(e.DueAt.Add(syncLate))
		if o.Kind == Watched && e.NotAfter != nil {
			future(*e.NotAfter)
			future(e.soon())
		}
		if v := o.servedVersion(e); v != nil && o.byHand(e) {
			future(v.NotAfter)
		}
	}
	return t
}
