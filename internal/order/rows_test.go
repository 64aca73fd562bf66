package order

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestThreeTargetsOneHangsRenewalProceeds(t *testing.T) {
	t.Parallel()
	w := worldOf(t, Ordered, newWorld(t).o.Spec, shop("a", "hung", "c"))
	w.life = 12 * day
	w.on("deploy shop/hung", func(Step) []Result { return nil }) // it never answers: nothing comes of it
	w.runBut("deploy shop/hung")
	first := w.o.First().Number
	for next := range 2 { // two renewals in a row
		w.toBut(w.o.RenewTime(w.o.First()), "deploy shop/hung")
		equal(t, "current", w.o.First().Number, first+1+next)
	}
	equal(t, "a", w.o.Deployment("shop/a").Version, first+2)
	equal(t, "c", w.o.Deployment("shop/c").Version, first+2)
	equal(t, "hung", w.o.Deployment("shop/hung").Version, 0)
	equal(t, "row a", w.row(StageDeploy, "shop/a").State, Done)
	equal(t, "row c", w.row(StageDeploy, "shop/c").State, Done)
	equal(t, "row hung", w.row(StageDeploy, "shop/hung").State, StateWait)
	equal(t, "still due", slices.Contains(w.o.Next(w.now), Step{StepDeploy, "shop/hung"}), true)

	// The mover's time limit ends the hanging push: the path shows that target alone.
	w.give(DeployFailed{Key: "shop/hung", Version: first + 2, Problem: w.problem(Retry, "deploy to shop/hung")})
	for _, s := range w.o.Path(w.now) {
		if s.Stage != StageServe {
			equal(t, string(s.Stage), s.State == Done, s.Stage != StageDeploy)
		}
	}
	p := w.o.Project(w.now)
	equal(t, "stage", p.Stage, StageDeploy)
	equal(t, "state", p.State, StateFail)
	equal(t, "status", p.Status, Issued)
	equal(t, "begun", w.did("begin"), 3)
}

// runBut and toBut leave one step hanging, as a mover does whose worker waits for an answer.
func (w *world) runBut(hangs string) {
	for range 50 {
		for _, s := range w.o.Next(w.now) {
			if string(s.Kind)+" "+s.Key != hangs && w.still(s) {
				w.step(s)
			}
		}
	}
}

func (w *world) toBut(t time.Time, hangs string) {
	for w.now.Before(t) {
		w.now = w.now.Add(min(6*time.Hour, t.Sub(w.now)))
		w.runBut(hangs)
	}
}

func TestTargetThatFailsIsTriedAtOnceWithANewVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.on("deploy", w.deployFails())
	w.wait(3 * time.Hour)
	equal(t, "one event for one problem", w.said("deploy-failed"), 1)
	tries, since := w.did("deploy"), w.row(StageDeploy, "shop/nginx").Since
	if tries < 8 || tries > 14 {
		t.Errorf("%d tries in three hours", tries)
	}
	w.command(CmdRenew)
	w.run()
	equal(t, "tried at once", w.did("deploy"), tries+1)
	equal(t, "an event for the new version", w.said("deploy-failed"), 2)
	equal(t, "since the first failure", w.row(StageDeploy, "shop/nginx").Since.Equal(*since), true)
	w.well("deploy")
	w.wait(2 * time.Hour)
	equal(t, "state", w.stage(StageDeploy).State, Done)
	equal(t, "said", w.said("deployed"), 1)
}

func TestTakenBackIsKeptApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	good := w.o.Deployments[0].Serial
	w.on("deploy", func(s Step) []Result {
		return []Result{DeployFailed{Key: s.Key, Version: 2, TakenBack: true, Problem: w.problem(Retry, "look on the wire after the push")}}
	})
	w.command(CmdRenew)
	w.wait(time.Hour)
	d := w.o.Deployments[0]
	equal(t, "what was there serves on", d.Serial, good)
	equal(t, "bad", d.Bad, 2)
	equal(t, "said", w.said("taken-back"), 1)
	if n := w.did("deploy") - 1; n > 4 {
		t.Errorf("%d pushes that disturb what serves in an hour", n)
	}
}

func TestSyncForcesEveryTarget(t *testing.T) {
	t.Parallel()
	w := worldOf(t, Ordered, newWorld(t).o.Spec, shop("a", "off"))
	s := shop("a", "off")
	s.Targets[1].Disabled = "bob"
	w.give(Bound{Sites: s2(s)})
	w.run()
	equal(t, "disabled is left alone", w.did("deploy shop/off"), 0)
	w.command(CmdSync)
	equal(t, "due", len(w.o.Next(w.now)) >= 3, true) // target, vault, endpoints
	w.run()
	equal(t, "pushed again", w.did("deploy shop/a"), 2)
	equal(t, "still left alone", w.did("deploy shop/off"), 0)
	equal(t, "says why nothing was pushed", w.said("sync-skipped"), 1)
	equal(t, "row", w.row(StageDeploy, "shop/off").Text, "switched off by bob")
	equal(t, "the others decide", w.stage(StageDeploy).State, Done)
	if text := w.events[len(w.events)-1]; text.Name == "" {
		t.Error("no event")
	}
	s.Targets[1].Disabled = ""
	w.give(Bound{Sites: s2(s)})
	w.run()
	equal(t, "switched on", w.o.Deployment("shop/off").Version, 1)
}

// TestSyncDuringAPush: a push that had begun when somebody asked for a sync is no answer to it, whether it went well or not; one
// that begins afterwards is.
func TestSyncDuringAPush(t *testing.T) {
	t.Parallel()
	for name, result := range map[string]func(w *world, d *Deployment) Result{
		"in sync": func(_ *world, d *Deployment) Result { return Deployed{Key: d.Key(), Receipt: *d.Receipt} },
		"failed": func(w *world, d *Deployment) Result {
			return DeployFailed{Key: d.Key(), Version: d.Version, Problem: w.problem(Retry, "push")}
		},
	} {
		w := worldOf(t, Ordered, newWorld(t).o.Spec, shop("a"))
		w.run()
		d := w.o.Deployment("shop/a")
		began := w.now
		w.wait(time.Second)
		w.command(CmdSync)
		w.give(WorkBegan(began, s2(result(w, d)))...)
		equal(t, name+": asked for still", w.o.Deployment("shop/a").Forced, true)
		w.give(WorkBegan(w.now, s2(result(w, d)))...)
		equal(t, name+": answered", w.o.Deployment("shop/a").Forced, false)
	}
}

func s2[T any](x ...T) []T { return x }

func TestGoneTargetsHoldNothingUp(t *testing.T) {
	t.Parallel()
	w := worldOf(t, Ordered, newWorld(t).o.Spec, shop("a", "b"))
	w.run()
	equal(t, "bound", strings.Join(w.o.Bound(), " "), "shop/a shop/b")
	w.give(Bound{Sites: s2(shop("a"))})
	equal(t, "bound", strings.Join(w.o.Bound(), " "), "shop/a")
	equal(t, "rows shown", len(w.stage(StageDeploy).Rows), 1)
	equal(t, "endpoints", len(w.o.Endpoints), 1)
	w.command(CmdRenew)
	w.run()
	equal(t, "b keeps what it has", w.o.Deployment("shop/b").Version, 1)
	equal(t, "b is not pushed to", w.did("deploy shop/b"), 1)
}

// twoTypes has an ECDSA and an RSA version side by side, each with a target of its own.
func twoTypes(t *testing.T) *world {
	spec := newWorld(t, func(s *Spec) { s.KeyTypes = []KeyType{P256, RSA2048} }).o.Spec
	s := shop("modern", "old")
	s.Targets[1].KeyType = string(RSA2048)
	for i, k := range []KeyType{P256, RSA2048} {
		s.Endpoints[i].KeyType = string(k)
	}
	w := worldOf(t, Ordered, spec, s)
	w.life = 12 * day
	// The push looks at the endpoint of its own key type only.
	w.on("deploy", func(s Step) []Result {
		d := w.o.Deployment(s.Key)
		v := w.o.Current(d.KeyType)
		results := []Result{Deployed{Key: s.Key, Receipt: Receipt{Version: v.Number, Serial: v.Serial, Changed: true}}}
		for _, e := range w.o.Endpoints {
			if e.KeyType == string(d.KeyType) {
				results = append(results, w.looked(e.Key(), v.Serial))
			}
		}
		return results
	})
	return w
}

func TestTwoKeyTypesSideBySide(t *testing.T) {
	t.Parallel()
	w := twoTypes(t)
	w.run()
	ec, rsa := w.o.Current(P256), w.o.Current(RSA2048)
	if ec == nil || rsa == nil || ec.Number == rsa.Number || ec.Attempt == rsa.Attempt {
		t.Fatalf("versions %v and %v", ec, rsa)
	}
	equal(t, "secret", w.o.SecretFor(P256), "www")
	equal(t, "secret", w.o.SecretFor(RSA2048), "www-rsa-2048")
	equal(t, "modern", w.o.Deployment("shop/modern").Version, ec.Number)
	equal(t, "old", w.o.Deployment("shop/old").Version, rsa.Number)
	for _, e := range w.o.Endpoints {
		want := map[string]string{string(P256): ec.Serial, string(RSA2048): rsa.Serial}[e.KeyType]
		equal(t, "expected at "+e.KeyType, strings.Join(w.o.Expected(&e), ","), want)
	}
	equal(t, "issue rows", len(w.stage(StageIssue).Rows), 2)
	equal(t, "status", w.o.StatusOf(w.now), Issued)
}

func TestOneKeyTypeFailingDoesNotHoldUpTheOther(t *testing.T) {
	t.Parallel()
	w := twoTypes(t)
	w.on("begin "+string(RSA2048), until(w.beginFails(GiveUp), noon.Add(20*day)))
	w.run()
	equal(t, "ECDSA", w.o.Deployment("shop/modern").Version, 1)
	equal(t, "RSA", w.o.Deployment("shop/old").Version, 0)
	equal(t, "path", w.stage(StageIssue).State, StateFail)
	equal(t, "row", w.row(StageIssue, string(P256)).State, Done)
	equal(t, "row", w.row(StageIssue, string(RSA2048)).State, StateFail)
	w.to(noon.Add(19 * day))
	if n := w.o.Deployment("shop/modern").Version; n < 3 {
		t.Errorf("ECDSA was not renewed while RSA fails: version %d", n)
	}
	equal(t, "Retry-After of the one is obeyed", w.did("begin "+string(RSA2048)), 1)
	w.well("begin " + string(RSA2048))
	w.to(noon.Add(20*day + time.Minute))
	equal(t, "RSA comes", w.o.Current(RSA2048) != nil, true)
	equal(t, "path", w.stage(StageDeploy).State, Done)
}

func TestRemovedKeyTypeIsNotBegun(t *testing.T) {
	t.Parallel()
	w := twoTypes(t)
	w.on("begin "+string(RSA2048), w.beginFails(Retry))
	w.run()
	spec := w.o.Spec
	spec.KeyTypes = []KeyType{P256}
	w.give(Rewished{By: By{Caller: "ada"}, Spec: spec, Sites: s2(shop("modern"))})
	equal(t, "generation", w.o.Generation, int64(2))
	equal(t, "wishes", len(w.o.Needs), 0)
	n := w.did("begin " + string(RSA2048))
	w.wait(day)
	equal(t, "begun", w.did("begin "+string(RSA2048)), n)
	equal(t, "status", w.o.StatusOf(w.now), Issued)
}

func TestChangedNamesWantANewVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	spec := w.o.Spec
	spec.Names = append(append([]Name(nil), spec.Names...), Name{DNS, "shop.example.test"})
	w.give(Rewished{By: By{Caller: "ada"}, Spec: spec, Sites: s2(shop("nginx")), Tokens: map[string]string{"shop.example.test": "t2"}})
	equal(t, "token", w.o.Identifier("shop.example.test").Token, "t2")
	w.run()
	equal(t, "version", w.o.Deployments[0].Version, 2)
	equal(t, "the old one stays unrevoked", w.did("revoke"), 0)
	equal(t, "said", w.said("updated"), 1)
}

func TestChangedNamesObeyRetryAfter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.on("obtain", until(w.obtainFails(Retry), noon.Add(3*time.Hour)))
	w.run()
	spec := w.o.Spec
	spec.Names = []Name{{DNS, "shop.example.test"}}
	w.give(Rewished{By: By{Caller: "ada"}, Spec: spec, Sites: s2(shop("nginx"))})
	w.to(noon.Add(3*time.Hour - time.Second))
	equal(t, "asked", w.did("begin"), 1)
	w.well("obtain")
	w.wait(time.Second)
	equal(t, "status", w.o.StatusOf(w.now), Issued)
}

// A site that somebody changed is an event with the caller; rows that follow the order's own change are none.
func TestAChangedSiteIsAnEvent(t *testing.T) {
	o := &Order{ID: Short("www")}
	if got := (Bound{}).apply(o, time.Now()); len(got) != 0 {
		t.Errorf("%v", got)
	}
	got := (Bound{By: By{Caller: "bert", Correlation: "c"}, Changed: "web"}).apply(o, time.Now())
	if len(got) != 1 || got[0].Name != "site-changed" || got[0].Caller != "bert" || got[0].Status != Info || got[0].Properties["site"] != "web" {
		t.Errorf("%+v", got)
	}
}
