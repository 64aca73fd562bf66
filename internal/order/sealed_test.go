package order

import (
	"slices"
	"testing"
	"time"
)

// keys counts the attempts that hold a sealed key.
func (w *world) keys() int {
	n := 0
	for _, a := range w.o.Attempts {
		if a.Sealed != nil {
			n++
		}
	}
	return n
}

func TestSealedKeyLeavesWithItsAttempt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		obtain func(*world) func(Step) []Result
		end    func(*world)
	}{
		"stored":                 {nil, func(w *world) {}},
		"stored after a failure": {(*world).signedNotStored, func(w *world) { w.wait(time.Hour) }},
		"given up":               {func(w *world) func(Step) []Result { return w.obtainFails(GiveUp) }, func(w *world) {}},
		"final":                  {func(w *world) func(Step) []Result { return w.obtainFails(Final) }, func(w *world) {}},
		"denied":                 {(*world).waitsForOwner, func(w *world) { w.wait(VerifyWithin) }},
		"canceled":               {(*world).waitsForOwner, func(w *world) { w.command(CmdCancel) }},
		"deleted":                {(*world).waitsForOwner, func(w *world) { w.command(CmdDelete) }},
		"revoked":                {(*world).signedNotStored, func(w *world) { w.command(CmdRevoke); w.run() }},
		"names changed": {(*world).waitsForOwner, func(w *world) {
			spec := w.o.Spec
			spec.Names = []Name{{DNS, "other.example.test"}}
			w.give(Rewished{By: By{Caller: "ada"}, Spec: spec})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			held := 0
			if c.obtain != nil {
				fails := c.obtain(w)
				w.on("obtain", func(s Step) []Result { held = w.keys(); return fails(s) })
			} else {
				w.on("obtain", func(s Step) []Result { held = w.keys(); return w.success(s) })
			}
			if name == "revoked" {
				w.on("store", w.storeFails())
			}
			w.run()
			c.end(w)
			equal(t, "keys while it ran", held, 1)
			equal(t, "keys after", w.keys(), 0)
		})
	}
}

func TestRekeyBesideASignedVersionStoresItFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	w.on("obtain", w.signedNotStored())
	w.on("store", w.storeFails())
	w.command(CmdRenew)
	w.run()
	w.command(CmdRekey)
	equal(t, "the signed one keeps its key", w.keys(), 1)
	w.well("obtain")
	w.well("store")
	w.wait(time.Hour)
	equal(t, "versions", len(w.o.Versions), 3)
	equal(t, "current", w.o.First().Reason, Rekey)
	equal(t, "keys", w.keys(), 0)
}

func TestAttemptThatBeganTooLateHoldsNoKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	began := w.attempt(P256)
	failed := w.beginFails(Retry)(Step{StepBegin, string(P256)})
	w.command(CmdCancel)
	equal(t, "said", len(w.give(Began{Attempt: began})), 0)
	w.give(failed...)
	equal(t, "keys", w.keys(), 0)
	equal(t, "wishes", len(w.o.Needs), 0)
	w.run()
	equal(t, "never due again", w.o.DueAt.IsZero(), true)
}

func TestRekeyAskedForWhileARenewalBeginsIsKept(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]bool{"the renewal comes": false, "the renewal fails": true} {
		w := newWorld(t)
		w.run()
		w.command(CmdRenew)
		began := w.attempt(P256)
		w.command(CmdRekey)
		w.give(Began{Attempt: began})
		if fails {
			w.give(w.obtainFails(GiveUp)(Step{StepObtain, began.ID})...)
			equal(t, name+": status", w.o.StatusOf(w.now), PendingRekey)
		}
		w.wait(2 * time.Minute)
		equal(t, name, w.o.First().Reason, Rekey)
	}
}

func TestSignedAfterCancelIsRevoked(t *testing.T) {
	t.Parallel()
	for _, c := range []Command{CmdCancel, CmdDelete} {
		w := newWorld(t)
		w.step(Step{StepBegin, string(P256)})
		a := w.o.Running(P256).ID
		w.command(c)
		w.give(SignedBy{a, w.certificate(w.life)}, Stored{a})
		w.run()
		equal(t, "revoked", w.did("revoke"), 1)
		equal(t, "nothing is current", w.o.First() == nil, true)
		equal(t, "said", w.said("issued-late"), 1)
		equal(t, "gone", w.removed, c == CmdDelete)
	}
}

func TestRekeyRevokesTheOldVersionOnlyWhenNobodyHoldsIt(t *testing.T) {
	t.Parallel()
	w := worldOf(t, Ordered, newWorld(t).o.Spec, shop("a", "b"))
	w.run()
	w.on("deploy shop/b", w.deployFails())
	w.give(Commanded{By: By{Caller: "ada"}, Command: CmdRekey, Delay: 3 * time.Hour})
	w.wait(2 * time.Hour)
	equal(t, "rekeyed", w.o.Deployment("shop/a").Version, 2)
	equal(t, "not due yet", w.did("revoke"), 0)
	w.wait(10 * time.Hour)
	equal(t, "shop/b holds it still", w.did("revoke"), 0)
	w.well("deploy shop/b")
	w.wait(2 * time.Hour)
	equal(t, "revoked", w.did("revoke 1"), 1)
	old := w.o.Version(1)
	equal(t, "state", old.State, VersionRevoked)
	equal(t, "reason", old.RevokeFor, 4)
	equal(t, "the new one serves", w.o.StatusOf(w.now), Issued)
}

func TestDelayedRevocationComesWhenDue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	w.give(Commanded{By: By{Caller: "ada"}, Command: CmdRekey, Delay: 3 * time.Hour})
	w.to(noon.Add(3*time.Hour - time.Second))
	equal(t, "before", w.did("revoke"), 0)
	w.wait(time.Second)
	equal(t, "at the time", w.did("revoke 1"), 1)

	never := newWorld(t)
	never.run()
	never.give(Commanded{By: By{Caller: "ada"}, Command: CmdRekey, Delay: -1})
	never.wait(5 * day)
	equal(t, "not wished", never.did("revoke"), 0)
	equal(t, "rekeyed", never.o.First().Number, 2)
}

func TestDisabledTargetDoesNotHoldARevocationUp(t *testing.T) {
	t.Parallel()
	w := worldOf(t, Ordered, newWorld(t).o.Spec, shop("a", "b"))
	w.run()
	s := shop("a", "b")
	s.Targets[1].Disabled = "bob"
	w.give(Bound{Sites: s2(s)})
	w.command(CmdRekey)
	w.run()
	equal(t, "revoked", w.did("revoke 1"), 1)
}

func TestDeleteRevokesThenRemoves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	w.on("revoke", w.revokeFails())
	w.command(CmdDelete)
	w.wait(time.Hour)
	equal(t, "not while a version is valid", w.removed, false)
	equal(t, "status", w.o.StatusOf(w.now), Pendingrevocation)
	w.well("revoke")
	w.on("remove", func(Step) []Result { return w.vaultFails(VaultUnauthorized)(Step{}) })
	w.wait(2 * time.Hour)
	s := w.stage(StageOrder)
	equal(t, "the vault refuses", s.State, StateFail)
	equal(t, "owner", s.Owner, OwnerAdmin)
	w.well("remove")
	w.wait(2 * time.Hour)
	equal(t, "gone", w.removed, true)
	e := w.o.Removed(w.now)
	equal(t, "operation", e.Operation, Type+"/delete")
	if e.Text == "" {
		t.Error("the last event says nothing")
	}
}

func TestExpiredVersionsNeedNoRevocation(t *testing.T) {
	t.Parallel()
	w := pendingRevocation(t)
	w.to(w.o.Versions[0].NotAfter.Add(2 * time.Hour))
	equal(t, "status", w.o.StatusOf(w.now), StatusRevoked)
	equal(t, "never due again", w.o.DueAt.IsZero(), true)
}

func TestOldVersionsAndAttemptsAreForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.life = time.Hour
	w.run()
	w.on("revoke", w.revokeFails())
	for range 40 { // each leaves a version to revoke, which fails until it expires
		w.command(CmdRekey)
		w.wait(20 * time.Minute)
	}
	equal(t, "versions", len(w.o.Versions) <= keepVersions+1, true)
	equal(t, "attempts", len(w.o.Attempts) <= keepAttempts+1, true)
	unrevoked := slices.ContainsFunc(w.o.Versions, func(v Version) bool {
		return v.RevokeAt != nil && v.State != VersionRevoked && v.NotAfter.After(w.now)
	})
	equal(t, "what is to be revoked is kept", unrevoked, true)
}

func TestWithdrawnProofs(t *testing.T) {
	t.Parallel()
	w := waitsForOwner(t)
	w.on("unsay", func(s Step) []Result {
		return []Result{Withdrawn{ID: s.Key, Problem: w.problem(Retry, "remove the file")}}
	})
	w.command(CmdCancel)
	w.wait(time.Minute)
	equal(t, "tried again", w.did("unsay") > 1, true)
	equal(t, "said once", w.said("withdraw-failed"), 1)
	equal(t, "what to withdraw is kept", len(w.o.Attempts[0].Proofs), 1)
	w.well("unsay")
	w.wait(2 * time.Hour)
	equal(t, "forgotten", len(w.o.Attempts[0].Proofs), 0)
	equal(t, "never due again", w.o.DueAt.IsZero(), true)
}

// A webroot that is gone for good must not make the row grow.
func TestProofsThatNobodyCanWithdrawDoNotPileUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.on("obtain", w.obtainFails(GiveUp))
	w.on("unsay", func(s Step) []Result {
		return []Result{Withdrawn{ID: s.Key, Problem: w.problem(Retry, "remove the file")}}
	})
	w.wait(14 * day)
	equal(t, "attempts were many", w.did("begin") > 2*keepAttempts, true)
	equal(t, "attempts kept", len(w.o.Attempts) <= keepAttempts+1, true)
}
