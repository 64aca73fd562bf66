package order

import (
	"testing"
	"time"
)

// inState are worlds in every state, each reached as the mover would: name and builder.
func inState(t *testing.T) map[string]func() *world {
	ran := func(w *world) *world { w.run(); return w }
	return map[string]func() *world{
		"fresh":              func() *world { return newWorld(t) },
		"waits for owner":    func() *world { return ran(waitsForOwner(t)) },
		"issued":             func() *world { return ran(newWorld(t)) },
		"renewing":           func() *world { return renewing(t) },
		"renewal begun":      func() *world { return begun(t, CmdRenew) },
		"rekey wanted":       func() *world { w := ran(newWorld(t)); w.command(CmdRekey); return w },
		"rekey begun":        func() *world { return begun(t, CmdRekey) },
		"expired":            func() *world { return expired(t) },
		"pending revocation": func() *world { return pendingRevocation(t) },
		"revoked":            func() *world { w := ran(newWorld(t)); w.command(CmdRevoke); return ran(w) },
		"denied":             func() *world { w := waitsForOwner(t); w.wait(VerifyWithin); return w },
		"canceled":           func() *world { w := waitsForOwner(t); w.command(CmdCancel); return ran(w) },
		"deleting":           func() *world { w := pendingRevocation(t); w.command(CmdDelete); return w },
		"imported":           func() *world { return ran(imported(t, 90*day, false)) },
		"imported, no key":   func() *world { return ran(imported(t, 90*day, true)) },
		"watched":            func() *world { return ran(watched(t, 90*day)) },
	}
}

func waitsForOwner(t *testing.T) *world {
	w := newWorld(t)
	w.on("obtain", w.waitsForOwner())
	w.run()
	return w
}

// renewing has its time of renewal come, and the issuer out of reach.
func renewing(t *testing.T) *world {
	w := newWorld(t)
	w.life = 9 * day
	w.run()
	w.on("begin", w.beginFails(Retry))
	w.wait(6*day + time.Hour)
	return w
}

// begun has an attempt running beside its version.
func begun(t *testing.T, c Command) *world {
	w := newWorld(t)
	w.run()
	w.command(c)
	w.on("obtain", w.obtainFails(Retry))
	w.run()
	return w
}

func expired(t *testing.T) *world {
	w := renewing(t)
	w.wait(4 * day)
	return w
}

func pendingRevocation(t *testing.T) *world {
	w := newWorld(t)
	w.run()
	w.on("revoke", w.revokeFails())
	w.command(CmdRevoke)
	w.run()
	return w
}

func TestStatusOfEveryState(t *testing.T) {
	t.Parallel()
	states := inState(t)
	for name, want := range map[string]struct {
		status Status
		vault  VaultStatus
		stage  StageName
		state  StageState
		owner  string
	}{
		"fresh":              {Pendingissuance, VaultInitialized, StageVerify, StateWait, OwnerUs},
		"waits for owner":    {Pendingissuance, VaultWaiting, StageVerify, StateWait, OwnerOwner},
		"issued":             {Issued, VaultSucceeded, StageIssue, Done, ""},
		"renewing":           {Issued, VaultSucceeded, StageIssue, StateFail, OwnerAdmin},
		"renewal begun":      {Issued, VaultSucceeded, StageIssue, StateFail, OwnerAdmin},
		"rekey wanted":       {PendingRekey, VaultSucceeded, StageIssue, Done, ""},
		"rekey begun":        {PendingRekey, VaultSucceeded, StageIssue, StateFail, OwnerAdmin},
		"expired":            {StatusExpired, VaultSucceeded, StageIssue, StateFail, OwnerAdmin},
		"pending revocation": {Pendingrevocation, VaultSucceeded, StageOrder, StateFail, OwnerAdmin},
		"revoked":            {StatusRevoked, VaultOrderFailed, StageOrder, Disabled, ""},
		"denied":             {Denied, VaultOrderFailed, StageOrder, StateFail, OwnerOwner},
		"canceled":           {StatusCanceled, VaultOrderFailed, StageOrder, Disabled, ""},
		"deleting":           {Pendingrevocation, VaultSucceeded, StageOrder, StateFail, OwnerAdmin},
		"imported":           {Issued, VaultSucceeded, StageIssue, Done, ""},
		"imported, no key":   {Issued, VaultExternalKey, StageIssue, Done, ""},
		"watched":            {Issued, VaultUnknown, StageOrder, Done, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := states[name]()
			delete(states, name)
			p := w.o.Project(w.now)
			equal(t, "status", p.Status, want.status)
			equal(t, "vault", p.Vault, want.vault)
			equal(t, "stage", p.Stage, want.stage)
			equal(t, "state", p.State, want.state)
			equal(t, "owner", p.Owner, want.owner)
			w.checkChanges()
		})
	}
	for name := range states {
		t.Errorf("state %q has no expectation", name)
	}
}
