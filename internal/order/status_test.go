package order

import (
	"testing"
	"time"
)

func TestDeniedAtTheExactSecond(t *testing.T) {
	t.Parallel()
	w := waitsForOwner(t)
	last := noon.Add(VerifyWithin - time.Second)
	w.to(last)
	equal(t, "a second before", w.o.StatusOf(last), Pendingissuance)
	equal(t, "by time alone", w.o.StatusOf(last.Add(time.Second)), Denied)
	if err := w.o.Allowed(CmdAgain, last.Add(time.Second)); err != nil {
		t.Errorf("order again is refused until the denial is recorded: %v", err)
	}
	equal(t, "not yet recorded", w.o.DeniedAt == nil, true)

	w.wait(time.Second)
	equal(t, "recorded", w.o.DeniedAt.Equal(noon.Add(VerifyWithin)), true)
	equal(t, "status", w.o.StatusOf(w.now), Denied)
	equal(t, "vault", w.o.VaultStatusOf(w.now), VaultOrderFailed)
	equal(t, "never due again", w.o.DueAt.IsZero(), true)
	e := w.events[len(w.events)-1]
	equal(t, "event", e.Name, "denied")
	equal(t, "what stood in the way", e.Properties["last"], "publish the proof (there): it said no")
}

func TestDenialIsFinalAndAgainKeepsTheSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *Spec) { s.KeyTypes = []KeyType{P384}; s.Tags = map[string]string{"team": "shop"} })
	w.on("obtain", w.waitsForOwner())
	w.wait(VerifyWithin)
	attempt := w.o.Attempts[0].ID
	w.give(w.proved(attempt), SignedBy{attempt, w.certificate(w.life)}, Stored{attempt}) // too late
	equal(t, "status", w.o.StatusOf(w.now), Denied)
	equal(t, "nothing to serve", w.o.First() == nil, true)
	w.well("obtain")
	w.run()
	equal(t, "what came too late is revoked", w.did("revoke"), 1)

	wish := w.o.Spec
	w.wait(day)
	w.command(CmdAgain)
	equal(t, "status", w.o.StatusOf(w.now), Pendingissuance)
	equal(t, "key type", w.o.Spec.KeyTypes[0], wish.KeyTypes[0])
	equal(t, "tag", w.o.Spec.Tags["team"], "shop")
	equal(t, "a new 15 days", w.stage(StageVerify).Deadline.Equal(w.now.Add(VerifyWithin)), true)
	w.run()
	equal(t, "status", w.o.StatusOf(w.now), Issued)
	equal(t, "number", w.o.First().Number, 2)
	equal(t, "deployed", w.o.Deployments[0].Version, 2)
}

func TestAgainAfterRevokedForgetsOldVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.life = 2 * day
	w.o.Spec.AutoRenew = false
	w.wait(3 * day) // version 1 has expired: no authority revokes it
	w.life = 90 * day
	w.command(CmdRenew)
	w.run()
	w.command(CmdRevoke)
	w.run()
	equal(t, "revoked", w.o.StatusOf(w.now), StatusRevoked)
	equal(t, "revocations", w.did("revoke"), 1)
	w.on("obtain", w.waitsForOwner())
	w.command(CmdAgain)
	w.run()
	equal(t, "status", w.o.StatusOf(w.now), Pendingissuance)
	equal(t, "current", w.o.First() == nil, true)
	equal(t, "nothing expired is deployed", w.o.Deployments[0].Version, 0)
}

func TestExpiredDescribesTheVersionAndRecoversByItself(t *testing.T) {
	t.Parallel()
	w := expired(t)
	equal(t, "status", w.o.StatusOf(w.now), StatusExpired)
	equal(t, "events of expiry", w.said("expired"), 1)
	if s := w.stage(StageIssue); s.NextAt == nil || !s.NextAt.After(w.now) {
		t.Errorf("an expired order with auto-renew must say when it tries again: %+v", s)
	}
	w.well("begin")
	w.wait(2 * time.Hour)
	equal(t, "status", w.o.StatusOf(w.now), Issued)
	equal(t, "deployed", w.o.Deployments[0].Version, 2)
	equal(t, "can expire again", w.o.Expired, false)
}

func TestExpiredWinsOverWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*world){
		"rekey":           func(w *world) { w.command(CmdRekey) },
		"waits for owner": func(w *world) { w.well("begin"); w.on("obtain", w.waitsForOwner()); w.wait(2 * time.Hour) },
	} {
		w := expired(t)
		prepare(w)
		equal(t, name, w.o.StatusOf(w.now), StatusExpired)
	}
}

func TestRenewalThatWaitsForItsOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.life = 120 * day
	w.run()
	w.on("obtain", w.waitsForOwner())
	begun := w.o.RenewTime(w.o.First())
	w.to(begun)
	equal(t, "status", w.o.StatusOf(w.now), Pendingissuance)
	equal(t, "owner", w.o.Project(w.now).Owner, OwnerOwner)
	equal(t, "deadline", w.stage(StageVerify).Deadline.Equal(w.o.First().NotAfter), true)
	w.wait(40*day - time.Hour)
	equal(t, "expired wins", w.o.StatusOf(w.o.First().NotAfter), StatusExpired)
	equal(t, "one attempt so far", w.did("begin"), 2)
	w.to(begun.Add(RenewWithin + time.Hour))
	equal(t, "given up after 45 days, begun again", w.did("begin"), 3)
	equal(t, "never denied", w.o.DeniedAt == nil, true)
}

// What the issuer asked for holds also for the attempt that follows one which nobody verified in time.
func TestRetryAfterOutlivesALapsedRenewal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.life = 120 * day
	w.run()
	begun := w.o.RenewTime(w.o.First())
	until := begun.Add(RenewWithin + 30*time.Hour)
	w.on("obtain", func(s Step) []Result {
		r := w.waitsForOwner()(s)[0].(AttemptWaits)
		r.Problem.Until = until
		return []Result{r}
	})
	w.to(begun.Add(RenewWithin + time.Hour))
	equal(t, "given up", w.o.Running(P256) == nil, true)
	w.command(CmdVerify)
	w.run()
	equal(t, "not asked yet", w.did("begin"), 2)
	w.to(until)
	equal(t, "begun again", w.did("begin"), 3)
}

// What the vault asked for when it was looked at holds also when it refuses a new version after that.
func TestRetryAfterOfTheVaultOutlivesAStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	w.wait(25 * time.Hour)
	until := w.now.Add(time.Hour)
	p := *w.problem(Retry, "read the vault")
	p.Until = until
	w.give(VaultSeen{Problem: &p})
	w.on("obtain", w.signedNotStored())
	w.on("store", w.storeFails())
	w.command(CmdRenew)
	w.run()
	equal(t, "not stored", w.o.unstored(), true)
	w.command(CmdStore)
	equal(t, "the vault is left alone", w.o.Vault.DueAt.Equal(until), true)
}

// A version that stands for two key types to come is asked about once.
func TestOneWindowForTwoTypesToCome(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	for i := range w.o.Versions {
		w.o.Versions[i].WindowAt = &w.now
	}
	w.o.Spec.KeyTypes = []KeyType{P384, RSA2048}
	w.o.Switches = []Switch{{To: P384, From: P256}, {To: RSA2048, From: P256}}
	n := 0
	for _, s := range w.o.Next(w.now) {
		if s.Kind == StepWindow {
			n++
		}
	}
	equal(t, "times it is due", n, 1)
}

func TestVaultStatusSaysWhatTheVaultSaid(t *testing.T) {
	t.Parallel()
	for _, s := range []VaultStatus{VaultNotPermitted, VaultUnauthorized, VaultNotExist, VaultSecretNotExist, VaultUnknownError} {
		w := newWorld(t)
		w.run()
		w.on("vault", w.vaultFails(s))
		w.wait(25 * time.Hour)
		equal(t, "vault", w.o.VaultStatusOf(w.now), s)
		equal(t, "out of sync", s.OutOfSync(), true)
		equal(t, "status", w.o.StatusOf(w.now), Issued)
		equal(t, "stage", w.o.Project(w.now).Stage, StageStore)
		equal(t, "said once", w.said("vault-out-of-sync"), 1)
		w.well("vault")
		w.wait(2 * time.Hour)
		equal(t, "recovered", w.o.VaultStatusOf(w.now), VaultSucceeded)
		equal(t, "said once", w.said("vault-in-sync"), 1)
	}
	for _, s := range []VaultStatus{VaultInitialized, VaultWaiting, VaultSucceeded, VaultOrderFailed, VaultExternalKey, VaultUnknown} {
		equal(t, string(s), s.OutOfSync(), false)
	}
}

func TestVaultThatTakesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.on("obtain", w.signedNotStored())
	w.on("store", w.storeFails())
	w.run()
	equal(t, "vault", w.o.VaultStatusOf(w.now), VaultUnknownError)
	p := w.o.Project(w.now)
	equal(t, "stage", p.Stage, StageStore)
	equal(t, "issued is done", w.stage(StageIssue).State, Done)
	equal(t, "blocked", w.stage(StageDeploy).State, Blocked)
	w.wait(20 * day)
	equal(t, "an issued order is not denied", w.o.StatusOf(w.now), Pendingissuance)
	equal(t, "issued once", w.issues, 1)
	equal(t, "the key is kept", len(w.o.Attempts[0].Sealed) > 0, true)
	w.well("store")
	w.wait(2 * time.Hour)
	equal(t, "status", w.o.StatusOf(w.now), Issued)
	equal(t, "vault", w.o.VaultStatusOf(w.now), VaultSucceeded)
	equal(t, "the key left", w.o.Attempts[0].Sealed == nil, true)
}

func TestVaultThatLostTheSecretIsWrittenAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	w.on("vault", func(Step) []Result { return []Result{VaultSeen{Wrote: true}} })
	w.wait(25 * time.Hour)
	equal(t, "said", w.said("stored-again"), 1)
	equal(t, "vault", w.o.VaultStatusOf(w.now), VaultSucceeded)
}

func TestWatchedOrder(t *testing.T) {
	t.Parallel()
	w := watched(t, 60*day)
	equal(t, "before the first look", w.o.StatusOf(w.now), Pendingissuance)
	w.run()
	end := noon.Add(60 * day)
	equal(t, "status", w.o.StatusOf(w.now), Issued)
	equal(t, "expires", w.o.Project(w.now).Expires.Equal(end), true)
	equal(t, "vault", w.o.VaultStatusOf(w.now), VaultUnknown)
	w.to(end.Add(-WatchWarn - time.Minute))
	equal(t, "well", w.o.Project(w.now).State, Done)
	equal(t, "changes", w.o.Project(w.now).Changes.Equal(w.now.Add(time.Minute)), true)
	w.wait(time.Minute)
	p := w.o.Project(w.now)
	equal(t, "ends soon", p.State, StateFail)
	equal(t, "owner", p.Owner, OwnerOwner)
	equal(t, "finding", w.stage(StageServe).Problem.ID, "tls-leaf-expiring")
	w.to(end)
	equal(t, "status", w.o.StatusOf(w.now), StatusExpired)
	equal(t, "finding", w.stage(StageServe).Problem.ID, "tls-leaf-expired")

	w.on("look", func(s Step) []Result { return []Result{Looked{Key: s.Key}} }) // no answer
	w.wait(2 * time.Hour)
	equal(t, "what was seen last stands", w.o.StatusOf(w.now), StatusExpired)
	equal(t, "blind", w.stage(StageServe).State, StateUnkno)
}

func TestWatchedShortLifeIsNotAlwaysAlarm(t *testing.T) {
	t.Parallel()
	w := watched(t, 6*day)
	w.wait(3 * day)
	equal(t, "half of six days", w.o.Project(w.now).State, Done)
	w.wait(day + time.Hour)
	equal(t, "the last third", w.o.Project(w.now).State, StateFail)
}

func TestImportedOrderNearItsEndHasAnOwner(t *testing.T) {
	t.Parallel()
	w := imported(t, 60*day, false)
	w.to(noon.Add(46*day - time.Second))
	equal(t, "well", w.o.Project(w.now).State, Done)
	w.wait(time.Second)
	p := w.o.Project(w.now)
	equal(t, "state", p.State, StateFail)
	equal(t, "owner", p.Owner, OwnerOwner)
	equal(t, "status", p.Status, Issued)
	w.to(noon.Add(60 * day))
	equal(t, "status", w.o.StatusOf(w.now), StatusExpired)
	equal(t, "fix", w.stage(StageIssue).Problem.Fix, importNext)
	equal(t, "nothing is issued", w.did("begin"), 0)
}

func TestAutoRenewOffIsTheOwnersBusiness(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *Spec) { s.AutoRenew = false })
	w.wait(59 * day)
	at := w.o.RenewTime(w.o.First())
	w.to(at)
	p := w.o.Project(w.now)
	equal(t, "state", p.State, Disabled)
	equal(t, "owner", p.Owner, OwnerOwner)
	equal(t, "finding", w.stage(StageIssue).Problem.ID, "renew-auto-off")
	w.to(noon.Add(90 * day))
	equal(t, "status", w.o.StatusOf(w.now), StatusExpired)
	equal(t, "finding", w.stage(StageIssue).Problem.ID, "renew-auto-off")
	equal(t, "begun", w.did("begin"), 1)
	w.command(CmdRenew)
	w.run()
	equal(t, "status", w.o.StatusOf(w.now), Issued)
}
