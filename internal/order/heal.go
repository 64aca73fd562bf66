package order

import (
	"slices"
	"strings"
	"time"
)

// askVault makes due now whatever an order may have of its vault: a look, what is signed and not stored, and targets that failed.
func (o *Order) askVault(now time.Time) {
	o.Vault.ask(now)
	for i := range o.Attempts {
		if a := &o.Attempts[i]; a.Phase == Signed {
			a.hurry()
		}
	}
	for i := range o.Deployments { // a target that could not read the vault can now
		if d := &o.Deployments[i]; d.Problem != nil && !d.Gone && d.Disabled == "" {
			d.hurry()
		}
	}
}

// heal applies a command that mends: it makes due now what waits, and says in an event who asked.
func (r Commanded) heal(o *Order, now time.Time) []Event {
	o.askVault(now)
	switch r.Command {
	case CmdStore:
		return []Event{r.event(o, now, StageStore, "store-requested", "Storing again asked for by %s.", r.Caller)}
	case CmdRecover:
		return []Event{r.event(o, now, StageStore, "secret-recovered", "The soft-deleted secret of vault %s was recovered by %s.", o.Spec.Vault, r.Caller)}
	case CmdEnable:
		return []Event{r.event(o, now, StageStore, "secret-enabled", "The disabled secret of vault %s was enabled by %s.", o.Spec.Vault, r.Caller)}
	}
	for i := range o.Endpoints {
		o.Endpoints[i].ask(now)
	}
	o.hurry(now)
	return []Event{r.event(o, now, StageOrder, "retry-requested", "Trying again now was asked for by %s.", r.Caller)}
}

// SecretChanged records that somebody changed the order's secret past the order, through the vault: what of it is still
// as it should be is looked at now.
type SecretChanged struct {
	By
	Secret string
	What   string // what was done to it: "deleted", "disabled"
}

func (r SecretChanged) apply(o *Order, now time.Time) []Event {
	o.Vault.ask(now)
	return []Event{r.event(o, now, StageStore, "secret-changed", "The secret %s of vault %s was %s by %s.", r.Secret, o.Spec.Vault, r.What, r.Caller)}
}

// VaultChanged records that somebody changed a vault that the order is kept in: what of it is still as it should be is looked at now.
type VaultChanged struct {
	By
	Vault string
	What  string // what was done to it: "soft-deleted", "recovered"
}

func (r VaultChanged) apply(o *Order, now time.Time) []Event {
	o.askVault(now)
	for i := range o.Copies {
		o.Copies[i].hurry()
	}
	return []Event{r.event(o, now, StageStore, "vault-changed", "The vault %s was %s by %s.", r.Vault, r.What, r.Caller).with("vault", r.Vault)}
}

// KeptIn says whether the order keeps anything in a vault, or would.
func (o *Order) KeptIn(vault string) bool {
	if strings.EqualFold(o.Spec.Vault, vault) {
		return true
	}
	return slices.ContainsFunc(o.Spec.Links, func(l Link) bool { return strings.EqualFold(l.Vault, vault) })
}

// unstored says whether something is signed and not stored yet.
func (o *Order) unstored() bool {
	for i := range o.Attempts {
		if o.Attempts[i].Phase == Signed {
			return true
		}
	}
	return false
}
