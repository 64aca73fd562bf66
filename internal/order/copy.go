package order

import (
	"strings"
	"time"
)

// Link is a place, besides the order's own secret or naming it, where its owner wants the certificate to be kept: an
// entry of an App Service Certificate's map of certificates.
type Link struct {
	Name    string `json:"name"`
	VaultID string `json:"vaultId"` // as its owner wrote it
	Vault   string `json:"vault"`
	Secret  string `json:"secret"`
}

// Link finds a link of the wish by its name; nil if there is none.
func (o *Order) Link(name string) *Link {
	for i := range o.Spec.Links {
		if strings.EqualFold(o.Spec.Links[i].Name, name) {
			return &o.Spec.Links[i]
		}
	}
	return nil
}

// Own says whether a link names the order's own secret: it is no copy then.
func (o *Order) Own(l *Link) bool {
	return strings.EqualFold(l.Vault, o.Spec.Vault) && strings.EqualFold(l.Secret, o.SecretName())
}

// SecretOf is the secret of one key type at a link.
func (o *Order) SecretOf(l *Link, k KeyType) string {
	return l.Secret + strings.TrimPrefix(o.SecretFor(k), o.SecretName())
}

// CopyRow is how the copy at a link stands.
type CopyRow struct {
	Progress
	Link    string      `json:"link"`
	Secret  string      `json:"secret"`            // vault and secret that it was made at
	Version int         `json:"version,omitempty"` // the newest version that was copied
	Fault   VaultStatus `json:"fault,omitempty"`
}

func (o *Order) copyRow(name string) *CopyRow {
	for i := range o.Copies {
		if strings.EqualFold(o.Copies[i].Link, name) {
			return &o.Copies[i]
		}
	}
	return nil
}

func (l *Link) place() string { return strings.ToLower(l.Vault + "/" + l.Secret) }

// newest is the number of the newest current version that the vault holds, of whatever key type; 0 = none.
func (o *Order) newest() (n int) {
	for _, k := range o.Spec.KeyTypes {
		if v := o.Current(k); v != nil && !o.Keyless(v) {
			n = max(n, v.Number)
		}
	}
	return n
}

// copyAgenda: links that do not hold the newest version yet.
func (o *Order) copyAgenda(add adder) {
	n := o.newest()
	if n == 0 {
		return
	}
	for i := range o.Spec.Links {
		l := &o.Spec.Links[i]
		if o.Own(l) {
			continue
		}
		row := o.copyRow(l.Name)
		switch {
		case row == nil || row.Secret != l.place():
			add(StepCopy, l.Name, time.Time{})
		case row.Version < n || row.Fault != "":
			add(StepCopy, l.Name, row.DueAt)
		}
	}
}

// Copied records that a link holds every current version, or why it could not be written (Problem).
type Copied struct {
	Link    Link
	Version int // with a Problem: the one that was looked for; 0 = it was to be written
	Problem *Problem
}

func (r Copied) apply(o *Order, now time.Time) []Event {
	l := o.Link(r.Link.Name)
	if l == nil || l.place() != r.Link.place() {
		return nil // its owner thought better of it meanwhile
	}
	row := o.copyRow(l.Name)
	if row == nil {
		o.Copies = append(o.Copies, CopyRow{Link: l.Name, Progress: Progress{Since: now}})
		row = &o.Copies[len(o.Copies)-1]
	}
	if r.Problem != nil && r.Version > 0 && r.Version < row.Version {
		return nil // a newer one was written while this one was looked for
	}
	row.Secret = l.place()
	if r.Problem != nil {
		news := row.fail(r.Problem, tryLocal, now)
		if row.Fault = fault(r.Problem); !news {
			return nil
		}
		return []Event{o.event(now, StageStore, "copy-failed", "The vault %s did not take the copy for link %s: %s", l.Vault, l.Name, r.Problem.Error()).failed(r.Problem, Error)}
	}
	row.well(now)
	row.Fault, row.Version, row.DueAt = "", r.Version, time.Time{}
	return []Event{o.event(now, StageStore, "copied", "Stored: version %d also in vault %s as secret %s, for link %s.", r.Version, l.Vault, l.Secret, l.Name)}
}

// Holds says whether a link was given every current version, so that all of them should be found there.
func (o *Order) Holds(row *CopyRow) bool {
	return row.Version > 0 && row.Version >= o.newest() && row.Fault == ""
}

// LinkStatus is Key Vault's word for a link.
func (o *Order) LinkStatus(l *Link, now time.Time) VaultStatus {
	s := o.VaultStatusOf(now)
	if o.Own(l) || s == VaultOrderFailed || s == VaultExternalKey {
		return s
	}
	row := o.copyRow(l.Name)
	switch {
	case row != nil && row.Secret == l.place() && row.Fault != "":
		return row.Fault
	case o.newest() == 0:
		return s
	case row == nil || row.Secret != l.place() || row.Version < o.newest():
		return VaultInitialized
	}
	return VaultSucceeded
}
