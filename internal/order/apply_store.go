package order

import (
	"fmt"
	"time"
)

// Stored records that the vault holds the version of an attempt: its key leaves the attempt.
type Stored struct{ ID string }

func (r Stored) apply(o *Order, now time.Time) []Event {
	a := o.Attempt(r.ID)
	if a == nil || a.Phase != Signed {
		return nil
	}
	v := o.Version(a.Version)
	if v == nil {
		return nil
	}
	v.State = VersionStored
	old := o.before(v)
	secret := o.SecretFor(v.KeyType)
	o.arrived(a, v, now)
	o.Vault.well(now)
	o.Vault.Fault, o.Vault.Since, o.Vault.DueAt = "", now, time.Time{}
	o.Vault.Checked, o.Vault.CheckAt = now, now.Add(CheckEvery)
	e := o.event(now, StageStore, "stored", "Stored: %s in vault %s as secret %s.", v.Label(), o.Spec.Vault, secret).with("secretVersion", v.SecretID)
	if old != nil {
		e.Text += fmt.Sprintf(" It follows version %d.", old.Number)
	}
	return []Event{e}
}

// before is the version that v follows, of the key type that served until now, and stored.
func (o *Order) before(v *Version) *Version {
	var old *Version
	k := o.serving(v.KeyType)
	for i := range o.Versions {
		if w := &o.Versions[i]; w.KeyType == k && w.Number < v.Number && w.State == VersionStored {
			old = w
		}
	}
	return old
}

// StoreFailed records that the vault did not take the version of an attempt.
type StoreFailed struct {
	ID      string
	Problem *Problem
}

func (r StoreFailed) apply(o *Order, now time.Time) []Event {
	a := o.Attempt(r.ID)
	if a == nil || a.Phase != Signed {
		return nil
	}
	news := a.fail(r.Problem, tryLocal, now)
	if o.Vault.Problem == nil {
		o.Vault.Since = now
	}
	p := *r.Problem
	p.Until = later(p.Until, o.Vault.notBefore()) // what the vault asked for with a failed look holds on
	o.Vault.Problem, o.Vault.At = &p, now
	o.Vault.Fault = fault(r.Problem)
	o.Vault.DueAt = later(a.DueAt, p.Until)
	if !news {
		return nil
	}
	return []Event{o.event(now, StageStore, "store-failed", "The vault %s did not take the certificate: %s", o.Spec.Vault, r.Problem.Error()).failed(r.Problem, Error)}
}

func fault(p *Problem) VaultStatus {
	if p.Vault != "" {
		return p.Vault
	}
	return VaultUnknownError
}

// VaultSeen records a look at the vault, or the rewriting of what it lost (Problem nil = all is well).
type VaultSeen struct {
	Problem   *Problem
	Wrote     bool // a version was written again
	Overtaken bool // something was stored meanwhile: what was seen is no more, and is to be looked at again
	Began     time.Time
}

func (r VaultSeen) apply(o *Order, now time.Time) []Event {
	if r.Overtaken {
		o.Vault.CheckAt = time.Time{}
		return nil
	}
	o.Vault.Checked = now
	again := !answers(r.Began, o.Vault.AskedAt) // somebody changed it, or asked, while it was looked at
	if r.Problem != nil {
		news := o.Vault.fail(r.Problem, tryLocal, now)
		o.Vault.Fault = fault(r.Problem)
		if again {
			o.Vault.hurry()
		}
		if !news {
			return nil
		}
		return []Event{o.event(now, StageStore, "vault-out-of-sync", "Key Vault out of sync: %s", r.Problem.Error()).failed(r.Problem, Error)}
	}
	recovered := o.Vault.well(now)
	o.Vault.Fault, o.Vault.DueAt, o.Vault.CheckAt = "", time.Time{}, now.Add(CheckEvery)
	if again {
		o.Vault.CheckAt = time.Time{}
	}
	switch {
	case r.Wrote:
		return []Event{o.event(now, StageStore, "stored-again", "Stored again in vault %s: it had lost the current version.", o.Spec.Vault)}
	case recovered:
		return []Event{o.event(now, StageStore, "vault-in-sync", "The vault %s holds the current version again.", o.Spec.Vault)}
	}
	return nil
}
