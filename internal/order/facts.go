package order

import (
	"fmt"
	"strings"
	"time"
)

// Current is the newest version of a key type that the vault holds and nobody has withdrawn: what
// should be served. An order whose key lies elsewhere counts its newest version.
func (o *Order) Current(k KeyType) *Version {
	k = o.serving(k)
	for i := len(o.Versions) - 1; i >= 0; i-- {
		v := &o.Versions[i]
		if v.KeyType != k || v.State == VersionRevoked || o.history(v) {
			continue
		}
		if v.State == VersionStored || o.Keyless(v) {
			return v
		}
	}
	return nil
}

// history says whether a version is of an earlier run of the order: it was ordered again since, and what
// was left of it had expired.
func (o *Order) history(v *Version) bool { return o.Kind == Ordered && v.Issued.Before(o.Ordered) }

// First is the current version of the order's first key type that has one.
func (o *Order) First() *Version {
	for _, k := range o.Spec.KeyTypes {
		if v := o.Current(k); v != nil {
			return v
		}
	}
	return nil
}

// Newest is the newest version of a key type, whatever its state; nil if there is none. One that was
// signed after its attempt had been given up does not count: its key is gone.
func (o *Order) Newest(k KeyType) *Version {
	k = o.serving(k)
	for i := len(o.Versions) - 1; i >= 0; i-- {
		if v := &o.Versions[i]; v.KeyType == k && (v.State != VersionIssued || v.External || v.RevokeAt == nil) {
			return v
		}
	}
	return nil
}

// Version finds a version by its number.
func (o *Order) Version(number int) *Version {
	for i := range o.Versions {
		if o.Versions[i].Number == number {
			return &o.Versions[i]
		}
	}
	return nil
}

// Attempt finds an attempt by its id.
func (o *Order) Attempt(id string) *Attempt {
	for i := range o.Attempts {
		if o.Attempts[i].ID == id {
			return &o.Attempts[i]
		}
	}
	return nil
}

// Running is the open attempt of a key type; nil if there is none.
func (o *Order) Running(k KeyType) *Attempt {
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a.KeyType == k && a.Open() {
			return a
		}
	}
	return nil
}

// Deployment finds the row of a target by its key.
func (o *Order) Deployment(key string) *Deployment {
	for i := range o.Deployments {
		if strings.EqualFold(o.Deployments[i].Key(), key) {
			return &o.Deployments[i]
		}
	}
	return nil
}

// Endpoint finds the row of an endpoint by its key.
func (o *Order) Endpoint(key string) *EndpointRow {
	for i := range o.Endpoints {
		if o.Endpoints[i].Key() == key {
			return &o.Endpoints[i]
		}
	}
	return nil
}

// Identifier finds the row of a name.
func (o *Order) Identifier(value string) *Identifier {
	for i := range o.Identifiers {
		if o.Identifiers[i].Value == value {
			return &o.Identifiers[i]
		}
	}
	return nil
}

// need finds the wish for a key type.
func (o *Order) need(k KeyType) *Need {
	for i := range o.Needs {
		if o.Needs[i].KeyType == k {
			return &o.Needs[i]
		}
	}
	return nil
}

func (o *Order) dropNeed(k KeyType) {
	for i := range o.Needs {
		if o.Needs[i].KeyType == k {
			o.Needs = append(o.Needs[:i], o.Needs[i+1:]...)
			return
		}
	}
}

// alive says whether the order still strives for certificates.
func (o *Order) alive() bool {
	return o.DeniedAt == nil && o.Canceled == nil && o.Revoking == nil && o.RevokedAt == nil && !o.Deleting
}

// Ended says whether the order strives for nothing any more: denied, canceled, revoked or being deleted.
func (o *Order) Ended() bool { return !o.alive() }

// issued says whether the order ever had a certificate since it was last ordered.
func (o *Order) issued() bool {
	for i := range o.Versions {
		if !o.Versions[i].Issued.Before(o.Ordered) {
			return true
		}
	}
	return false
}

// denied says whether the order is denied: recorded, or its time has passed and the next tick records it.
func (o *Order) denied(now time.Time) bool {
	return o.DeniedAt != nil || o.alive() && o.Kind == Ordered && !o.issued() && !now.Before(o.denyTime())
}

// denyTime is when an order without any certificate is denied.
func (o *Order) denyTime() time.Time { return o.Ordered.Add(VerifyWithin) }

// Bound lists the targets that hold a version of the order: it cannot be deleted unforced.
func (o *Order) Bound() []string {
	var keys []string
	for i := range o.Deployments {
		if d := &o.Deployments[i]; d.Version > 0 && !d.Gone {
			keys = append(keys, d.Key())
		}
	}
	return keys
}

// Expected are the serials that may be served at an endpoint: those of the current versions, of one
// key type where the endpoint names one.
func (o *Order) Expected(e *EndpointRow) []string {
	var serials []string
	for _, k := range o.Spec.KeyTypes {
		if e.KeyType != "" && string(k) != e.KeyType {
			continue
		}
		if v := o.Current(k); v != nil {
			serials = append(serials, v.Serial)
		}
	}
	return serials
}

// Label names a version for a person: "version 3 (serial 04AF...)".
func (v *Version) Label() string {
	s := v.Serial
	if len(s) > 12 {
		s = s[:12] + "…"
	}
	return fmt.Sprintf("version %d (serial %s)", v.Number, s)
}

// nameList is the names of an order for a sentence.
func nameList(names []Name) string {
	if len(names) == 0 {
		return "no names"
	}
	s := names[0].Value
	switch n := len(names) - 1; {
	case n == 1:
		s += " and " + names[1].Value
	case n > 1:
		s += fmt.Sprintf(" and %d more", n)
	}
	return s
}
