package diagnose

import (
	"strings"

	"certwright/internal/order"
)

// Actions: what Certwright can do by itself to heal a finding. A row names one of these in its
// Fix.Action where that heals the cause with nobody else having to act first; where a person has to mend
// something outside, the row's Fix.Text says what, and the action is what follows (a sync after the file's
// owner was mended, a retry after the record was published). A row that nothing of these heals leaves it empty.
const (
	// ActionSync makes every target hold the vault's current version, reloads, looks on the wire: the sync-*
	// and tls-* causes that a push mends.
	ActionSync = "sync"
	// ActionStore lets the vault be looked at and written again now, where a signed version waits for it
	// (renew-issued-not-stored, a vault that was sealed, full or unreachable). It asks no authority.
	ActionStore = "store"
	// ActionRecover takes the order's soft-deleted secret back (vault-secret-soft-deleted).
	ActionRecover = "recover"
	// ActionEnable switches the order's disabled secret version on again (vault-secret-disabled).
	ActionEnable = "enable"
	// ActionVerify looks for the proofs now and asks the authority, even where we do not see them.
	ActionVerify = "verify"
	// ActionOtherMethod has control of the names shown by another method that the issuer offers.
	ActionOtherMethod = "other-method"
	// ActionRenew asks for a new version now. It counts against the authority's limits.
	ActionRenew = "renew"
	// ActionRetry tries again now whatever failed and waits for its next time, at the authority, the vault and
	// the targets; what the authority asked to wait for (Retry-After) is still waited for.
	ActionRetry = "retry"
	// ActionRekey asks for a new version with a new key now.
	ActionRekey = "rekey"
	// ActionResumeRenewal switches automatic renewal on (renew-auto-off).
	ActionResumeRenewal = "resume-renewal"
	// ActionResumeTarget switches on the order's targets that a person had switched off (sync-disabled).
	ActionResumeTarget = "resume-target"
	// ActionAgain orders once more, with the same settings, what was denied, canceled or revoked.
	ActionAgain = "again"
	// ActionRevoke withdraws all versions (a key that is in strange hands). It cannot be undone: it is shown, and
	// never done by a fix.
	ActionRevoke = "revoke"
)

// Action is one of them, as data.
type Action struct {
	Name    string `json:"name"`
	Command string `json:"command"` // what a person can type instead; {order} stands for the order's name
	Changes string `json:"changes"` // what it changes, a sentence
	Right   string `json:"-"`       // what a caller must be allowed, below the type of an order
	Repeat  bool   `json:"repeat"`  // doing it again changes nothing more, and costs nothing at an authority
	Final   bool   `json:"final"`   // it cannot be undone: a fix shows it and does not do it
}

// actions are all of them, the gentlest first.
var actions = []Action{
	{Name: ActionSync, Command: "certwright order sync {order}", Right: "sync/Action", Repeat: true,
		Changes: "The vault's current version is written to every target, each is reloaded, and every endpoint is looked at again."},
	{Name: ActionStore, Command: "certwright order store {order}", Right: "sync/Action", Repeat: true,
		Changes: "The vault is looked at now, and what was signed and not stored yet is stored. No authority is asked, no target is touched before the vault holds it."},
	{Name: ActionRetry, Command: "certwright order retry {order}", Right: "sync/Action", Repeat: true,
		Changes: "Everything of the order that failed and waits for its next try is tried now, unless the authority asked to wait."},
	{Name: ActionRecover, Command: "certwright order recover {order}", Right: "sync/Action", Repeat: true,
		Changes: "The soft-deleted secret comes back with all its versions, and the vault is looked at again."},
	{Name: ActionEnable, Command: "certwright order enable {order}", Right: "sync/Action", Repeat: true,
		Changes: "The current version of the secret, which somebody disabled, is enabled again."},
	{Name: ActionVerify, Command: "certwright order verify {order}", Right: "verifyDomainOwnership/Action", Repeat: true,
		Changes: "The proofs are looked for now and the authority is asked. An authority counts attempts that fail."},
	{Name: ActionOtherMethod, Command: "certwright order update {order} --method METHOD", Right: "Write",
		Changes: "Control of the names is shown by another method that the issuer offers; what is under way begins anew."},
	{Name: ActionResumeRenewal, Command: "certwright order update {order} --auto-renew", Right: "Write", Repeat: true,
		Changes: "Automatic renewal is switched on; if the renewal is due, it begins at once."},
	{Name: ActionResumeTarget, Command: "certwright order resume {order}", Right: "Write", Repeat: true,
		Changes: "The targets that somebody switched off are switched on, and get the current version."},
	{Name: ActionRenew, Command: "certwright order renew {order}", Right: "renew/Action",
		Changes: "The issuer is asked for a new version, which counts against its limits. The present one serves until the new one is seen on the wire."},
	{Name: ActionRekey, Command: "certwright order rekey {order}", Right: "reissue/Action",
		Changes: "The issuer is asked for a new version with a new key, which counts against its limits. The present one is not revoked."},
	{Name: ActionAgain, Command: "certwright order again {order}", Right: "Write",
		Changes: "The order begins anew with the same settings: names are verified, a first version is issued."},
	{Name: ActionRevoke, Command: "certwright order revoke {order} --reason key-compromise", Right: "revoke/Action", Final: true,
		Changes: "All versions are withdrawn at their authority: clients that check refuse them from then on."},
}

// Actions lists what Certwright can do, the gentlest first.
func Actions() []Action { return append([]Action{}, actions...) }

// ActionOf finds an action by its name.
func ActionOf(name string) (Action, bool) {
	for _, a := range actions {
		if a.Name == name {
			return a, true
		}
	}
	return Action{}, false
}

// CommandFor is what a person can type in place of the action.
func (a Action) CommandFor(orderName string) string {
	return strings.ReplaceAll(a.Command, "{order}", quote(orderName))
}

// RightOf is the action, in the words of access control, that a caller must be allowed.
func (a Action) RightOf() string { return order.Type + "/" + a.Right }

// healers name the action for recorded problems whose cause is certain by their id, where the stage's own does not heal it.
var healers = map[string]string{
	"vault-secret-soft-deleted": ActionRecover,
	"vault-secret-disabled":     ActionEnable,
	"vault-secret-purged":       ActionRenew,
	"vault-corrupt":             ActionRenew,
	"vault-key-mismatch":        ActionRenew,
	"vault-pfx-password":        ActionRenew,
	"vault-content-type":        ActionRenew,
	"vault-overwritten":         ActionRenew,
	"vault-sealed":              ActionStore,
	"vault-unreachable":         ActionStore,
	"vault-full":                ActionStore,
	"vault-throttled":           ActionStore,
	"vault-token-expired":       ActionStore,
	"vault-write-denied":        ActionStore,
	"renew-issued-not-stored":   ActionStore,
	"ca-key-blocked":            ActionRekey,
	"ca-csr-weak-key":           ActionRekey,
	"ca-wildcard-needs-dns":     ActionOtherMethod,
	"ca-challenge-not-offered":  ActionOtherMethod,
	"caa-validationmethods":     ActionOtherMethod,
	"ca-error-now-fixed":        ActionRetry,
	"ca-5xx":                    ActionRetry,
	"ca-lb-throttle-503":        ActionRetry,
	"ca-unreachable":            ActionRetry,
}

// actionFor is what heals a recorded problem: by its id, else by the stage that recorded it.
func actionFor(id string, stage order.StageName) string {
	if a := healers[id]; a != "" {
		return a
	}
	return actionOf(stage)
}
