package order

import (
	"testing"
	"time"
)

func TestShortLivesRenewSensibly(t *testing.T) {
	t.Parallel()
	for name, life := range map[string]time.Duration{
		"six days": 6 * day, "one hour": time.Hour, "five minutes": 5 * time.Minute, "one minute": time.Minute,
	} {
		for _, deploys := range []bool{true, false} {
			w := newWorld(t)
			w.life = life
			if !deploys {
				w.on("deploy", w.deployFails())
			}
			w.to(noon.Add(10 * life))
			if w.issues < 11 || w.issues > 18 {
				t.Errorf("%s, deployments succeed: %v: %d issues in ten lives", name, deploys, w.issues)
			}
			equal(t, name+" expired", w.said("expired"), 0)
		}
	}
}

func TestSecondsOfLifeDoNotHammer(t *testing.T) {
	t.Parallel()
	for _, life := range []time.Duration{5 * time.Second, 0, -time.Hour} {
		w := newWorld(t)
		w.life = life
		w.wait(10 * time.Minute)
		if w.issues > 21 {
			t.Errorf("a life of %s: %d issues in ten minutes", life, w.issues)
		}
	}
}

func TestBackdatedShortLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.on("obtain", func(s Step) []Result { // an hour of the 65 minutes is gone when it is issued
		v := w.certificate(5 * time.Minute)
		v.NotBefore = w.now.Add(-time.Hour)
		return []Result{w.proved(s.Key), SignedBy{s.Key, v}, Stored{s.Key}}
	})
	w.wait(50 * time.Minute)
	if w.issues < 11 || w.issues > 18 {
		t.Errorf("%d issues in ten lives", w.issues)
	}
}

func TestRenewTimeIsAFractionOfLife(t *testing.T) {
	t.Parallel()
	for _, at := range []float64{0, 0.1, 0.5, 0.95, 1, -3} {
		w := newWorld(t, func(s *Spec) { s.RenewAt = at })
		w.run()
		v := w.o.First()
		want := at
		if at <= 0 || at >= 1 {
			want = DefaultRenew
		}
		got := float64(w.o.RenewTime(v).Sub(v.NotBefore)) / float64(w.life)
		if got > want || got < want-1.0/60-0.001 {
			t.Errorf("RenewAt %v: renewed after %.3f of life", at, got)
		}
	}
}

func TestSpreadKeepsOrdersApart(t *testing.T) {
	t.Parallel()
	seen := map[time.Time]bool{}
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		w := newWorld(t)
		w.o.ID.Name = name
		w.run()
		seen[w.o.RenewTime(w.o.First())] = true
		equal(t, "the same each time", w.o.RenewTime(w.o.First()), w.o.RenewTime(w.o.First()))
	}
	equal(t, "times", len(seen), 6)
}

func TestWindowDecidesWhenToRenew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ start, end, from, to time.Duration }{ // from issue
		"early":             {20 * day, 30 * day, 20 * day, 30 * day},
		"after the end":     {100 * day, 110 * day, 80 * day, 81 * day},
		"over the end":      {85 * day, 95 * day, 80 * day, 81 * day},
		"turned round":      {30 * day, 20 * day, 58 * day, 60 * day},
		"of no length":      {30 * day, 30 * day, 58 * day, 60 * day},
		"in the past":       {-20 * day, -10 * day, time.Hour, day},
		"began in the past": {-2 * day, 10 * day, time.Hour, 10 * day},
	} {
		w := newWorld(t)
		w.windows = func(v *Version) *Window {
			if v.Number > 1 {
				return nil
			}
			return &Window{Start: noon.Add(c.start), End: noon.Add(c.end)}
		}
		w.run()
		for w.issues == 1 && w.now.Before(noon.Add(90*day)) {
			w.to(w.o.DueAt)
		}
		if got := w.now.Sub(noon); got < c.from || got > c.to {
			t.Errorf("%s: renewed %s after issue, want %s to %s", name, got, c.from, c.to)
		}
	}
}

func TestMovedWindowIsFollowedAndSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	window := Window{Start: noon.Add(55 * day), End: noon.Add(60 * day)}
	w.windows = func(v *Version) *Window { x := window; return &x }
	w.wait(10 * day)
	equal(t, "said", w.said("renewal-window"), 1)
	window = Window{Start: noon.Add(11 * day), End: noon.Add(12 * day), Explanation: "https://ca.test/incident"}
	w.to(noon.Add(11 * day))
	equal(t, "said", w.said("renewal-window"), 2)
	equal(t, "why", w.events[len(w.events)-1].Properties["explanation"], "https://ca.test/incident")
	equal(t, "issues", w.issues, 1)
	w.to(noon.Add(12 * day))
	equal(t, "issues", w.issues, 2)
	equal(t, "reason", w.o.First().Reason, Renewal)
}

// An issuer that always asks to renew at once must not be followed into its rate limits.
func TestWindowAlwaysInThePastDoesNotLoop(t *testing.T) {
	t.Parallel()
	for _, life := range []time.Duration{90 * day, 6 * day, time.Hour, 5 * time.Minute} {
		w := newWorld(t)
		w.life = life
		w.windows = func(v *Version) *Window {
			return &Window{Start: v.NotBefore.Add(-2 * time.Hour), End: v.NotBefore.Add(-time.Hour)}
		}
		w.wait(life)
		if w.issues > 8 {
			t.Errorf("life %s: %d issues in one life", life, w.issues)
		}
		w.wait(3 * life)
		equal(t, "expired", w.said("expired"), 0)
		if w.issues > 14 {
			t.Errorf("life %s: %d issues in four lives", life, w.issues)
		}
	}
}

func TestGuardHoldsForAutomaticIssuesOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.windows = func(v *Version) *Window { return &Window{Start: noon.Add(-2 * day), End: noon.Add(-day)} }
	w.run()
	w.to(noon.Add(time.Hour - time.Second))
	equal(t, "within the hour", w.issues, 1)
	w.command(CmdRenew)
	w.run()
	equal(t, "a person may", w.issues, 2)
}

func TestRenewalInformationIsNotAskedForAllTheTime(t *testing.T) {
	t.Parallel()
	for again, most := range map[time.Duration]int{0: 0, -time.Hour: 61, time.Second: 61, 6 * time.Hour: 1, 400 * day: 1} {
		w := newWorld(t)
		w.run()
		soon := w.now.Add(time.Second)
		w.o.First().WindowAt = &soon
		w.on("window", func(s Step) []Result {
			r := WindowSeen{Number: 1, Again: w.now.Add(again)}
			if again == 0 {
				r.Again = time.Time{}
			}
			return []Result{r}
		})
		w.give()
		w.wait(time.Hour)
		if n := w.did("window"); n > most+1 {
			t.Errorf("again after %s: asked %d times in an hour", again, n)
		}
		if at := w.o.First().WindowAt; at != nil && at.After(w.now.Add(windowLatest)) {
			t.Errorf("again after %s: asked next at %s", again, at)
		}
	}
}

// hurried is a step that is refused with a Retry-After, and the command of a person who will not wait.
type hurried struct {
	step    string
	fails   func(*world) func(Step) []Result
	command Command
}

// What the other side asked for (Retry-After) is not undercut by any command.
func TestRetryAfterIsNeverUndercut(t *testing.T) {
	t.Parallel()
	begin := func(c Class) func(*world) func(Step) []Result {
		return func(w *world) func(Step) []Result { return w.beginFails(c) }
	}
	obtain := func(w *world) func(Step) []Result { return w.obtainFails(Retry) }
	vault := func(w *world) func(Step) []Result { return w.vaultFails(VaultUnknownError) }
	for name, h := range map[string]hurried{
		"verify at begin":  {"begin", begin(Retry), CmdVerify},
		"give up":          {"begin", begin(GiveUp), CmdVerify},
		"final":            {"begin", begin(Final), CmdVerify},
		"renew":            {"begin", begin(GiveUp), CmdRenew},
		"rekey":            {"begin", begin(GiveUp), CmdRekey},
		"verify at obtain": {"obtain", obtain, CmdVerify},
		"rekey at obtain":  {"obtain", obtain, CmdRekey},
		"waiting":          {"obtain", (*world).waitsForOwner, CmdVerify},
		"sync at deploy":   {"deploy", (*world).deployFails, CmdSync},
		"sync at vault":    {"vault", vault, CmdSync},
		"sync at store":    {"store", (*world).storeFails, CmdSync},
		"sync at look":     {"look", (*world).lookFails, CmdSync},
		"new version":      {"deploy", (*world).deployFails, CmdRenew},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); h.test(t) })
	}
}

func (h hurried) test(t *testing.T) {
	w := newWorld(t)
	w.run()
	w.now = noon.Add(40 * day)
	end := w.now.Add(2 * day)
	h.refuse(w, end)
	tries := h.tries(w)
	for range 5 {
		if w.o.Allowed(h.command, w.now) == nil {
			w.command(h.command)
		}
		w.run()
		w.wait(time.Hour)
	}
	w.to(end.Add(-time.Second))
	equal(t, "tries", h.tries(w), tries)
	w.well(h.step)
	w.well("obtain")
	w.to(end.Add(25 * time.Hour))
	equal(t, "recovers", w.o.Project(w.now).State, Done)
}

// refuse has the step be due, and refused until end.
func (h hurried) refuse(w *world, end time.Time) {
	first := CmdSync
	if h.issuing() {
		first = CmdRenew
	}
	w.command(first)
	w.on(h.step, until(h.fails(w), end))
	switch h.step {
	case "store": // the first refusal, with no Retry-After, comes with the signing
		w.on("obtain", w.signedNotStored())
		w.wait(time.Minute)
	case "look": // the push does not look here
		w.on("deploy", func(s Step) []Result { return w.success(s)[:1] })
		w.wait(2 * time.Hour)
	}
	w.run()
}

func (h hurried) issuing() bool { return h.step == "begin" || h.step == "obtain" || h.step == "store" }

// tries counts the times that whoever refused was asked: the issuer with all of its steps.
func (h hurried) tries(w *world) int {
	if h.issuing() {
		return w.did("begin") + w.did("obtain") + w.did("store")
	}
	return w.did(h.step)
}

func TestRetryAfterOutlivesCancelAndAgain(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"begin", "obtain"} {
		w := newWorld(t)
		end := noon.Add(6 * time.Hour)
		w.on("begin", until(w.beginFails(Retry), end))
		if step == "obtain" {
			w.well("begin")
			w.on("obtain", until(w.obtainFails(Retry), end))
		}
		w.run()
		w.command(CmdCancel)
		w.run()
		w.command(CmdAgain)
		w.well("obtain")
		w.well("begin")
		w.to(end.Add(-time.Second))
		equal(t, step+": asked", w.did("begin"), 1)
		w.wait(time.Second)
		equal(t, step+": status", w.o.StatusOf(w.now), Issued)
	}
}

// A person who presses the button again and again does not run the names into the authority's limits.
func TestVerifyInAHurryIsSlowedDownAfterManyRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.on("obtain", w.obtainFails(GiveUp))
	for range 120 {
		w.run()
		w.command(CmdVerify)
		w.wait(30 * time.Second)
	}
	if n := w.did("begin"); n < 5 || n > 9 {
		t.Errorf("%d attempts in an hour of pressing verify", n)
	}
}

func TestAttemptsAreSpacedByTheTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.on("obtain", w.obtainFails(GiveUp))
	w.wait(time.Hour)
	equal(t, "attempts in the first hour", w.did("begin"), 5)
	w.to(noon.Add(10 * day))
	if n := w.did("begin"); n < 30 || n > 45 {
		t.Errorf("%d attempts in ten days", n)
	}
	w.well("obtain")
	w.wait(9 * time.Hour)
	equal(t, "recovers by itself", w.o.StatusOf(w.now), Issued)
}

func TestNothingToDoIsDueFarAway(t *testing.T) {
	t.Parallel()
	w := imported(t, 300*day, true)
	w.run()
	for i := range w.o.Endpoints {
		w.o.Endpoints[i].Gone = true
	}
	for i := range w.o.Deployments { // one without its key is put to targets that need none, and looked for at others
		w.o.Deployments[i].Gone = true
	}
	w.give()
	equal(t, "the event of its expiry is all", w.o.DueAt, noon.Add(300*day))
	w.to(noon.Add(301 * day))
	equal(t, "never by itself", w.o.DueAt.IsZero(), true)
}

func TestFinalProblemIsLookedAtOnceADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.on("begin", w.beginFails(Final))
	w.wait(5*day + time.Hour)
	equal(t, "tries", w.did("begin"), 6)
	equal(t, "one event", w.said("attempt-failed"), 1)
}

func TestOverdueLooksAreUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	w.now = noon.Add(2 * time.Hour)
	equal(t, "serve", w.stage(StageServe).State, Done)
	w.now = noon.Add(4 * time.Hour) // no worker took it up
	s := w.stage(StageServe)
	equal(t, "serve", s.State, StateUnkno)
	equal(t, "owner", s.Owner, OwnerAdmin)
	w.now = noon.Add(27 * time.Hour)
	equal(t, "deploy", w.stage(StageDeploy).State, StateUnkno)
	w.run()
	equal(t, "deploy", w.stage(StageDeploy).State, Done)
	w.now = noon.Add(85 * day)
	equal(t, "issue", w.stage(StageIssue).State, StateFail)
	equal(t, "finding", w.stage(StageIssue).Problem.ID, "renew-scheduler-stopped")
}
