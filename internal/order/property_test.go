package order

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"certwright/internal/site"
)

// chaos is a world whose authority, vault, targets, wire and owner do anything.
type chaos struct {
	*world
	rt     *rapid.T
	before map[string]time.Time // Retry-After given, by "issuer keytype" or by step
	old    []Result             // given before: a result may come again
}

// TestAnyOrderSurvivesAnything applies random results, commands and times to random orders. What must hold
// of any order is checked after each (check_test.go); in the end all goes well, and so must the order.
func TestAnyOrderSurvivesAnything(t *testing.T) {
	t.Parallel()
	if os.Getenv("CERTWRIGHT_SLOW") == "" && flag.Lookup("rapid.checks").Value.String() == "100" {
		_ = flag.Set("rapid.checks", "30") // make test-all tells a hundred stories, -rapid.checks as many as you like
	}
	rapid.Check(t, func(rt *rapid.T) {
		c := newChaos(rt)
		for range rapid.IntRange(1, 40).Draw(rt, "moves") {
			c.move()
			if c.removed {
				return
			}
			c.checkChanges()
		}
		c.recover()
	})
}

var lives = []time.Duration{time.Hour, 6 * day, 90 * day}

func newChaos(rt *rapid.T) *chaos {
	spec := Spec{
		Names: []Name{{DNS, "www.example.test"}, {DNS, "example.test"}}, Issuer: "le", KeyTypes: []KeyType{P256},
		AutoRenew: rapid.Bool().Draw(rt, "autoRenew"), Vault: "main", Sites: []string{"shop"},
	}
	if rapid.Bool().Draw(rt, "two") {
		spec.KeyTypes = append(spec.KeyTypes, RSA2048)
	}
	if rapid.IntRange(0, 4).Draw(rt, "request") == 0 {
		spec.KeyTypes, spec.ExternalKey, spec.CSR, spec.CSRGiven = []KeyType{P256}, true, requests[0], noon
		spec.ReuseCSR = rapid.Bool().Draw(rt, "reuse")
	}
	var w *world
	switch rapid.IntRange(0, 5).Draw(rt, "kind") {
	case 0:
		w = imported(rt, 30*day, rapid.Bool().Draw(rt, "external"))
	case 1:
		w = watched(rt, 30*day)
	default:
		w = worldOf(rt, Ordered, spec, drawShop(rt))
	}
	w.life = rapid.SampledFrom(lives).Draw(rt, "life")
	if rapid.Bool().Draw(rt, "windows") {
		start := rapid.Float64Range(-0.5, 1.5).Draw(rt, "start")
		w.windows = func(v *Version) *Window {
			at := v.NotBefore.Add(part(w.life, start))
			return &Window{Start: at, End: at.Add(w.life / 20)}
		}
	}
	return &chaos{world: w, rt: rt, before: map[string]time.Time{}}
}

func drawShop(rt *rapid.T) site.Site {
	s := shop([]string{"a", "b", "c"}[:rapid.IntRange(0, 3).Draw(rt, "targets")]...)
	for i := range s.Targets {
		if rapid.IntRange(0, 4).Draw(rt, "off") == 0 {
			s.Targets[i].Disabled = "bob"
		}
		if rapid.IntRange(0, 2).Draw(rt, "rsa") == 0 {
			s.Targets[i].KeyType = string(RSA2048)
		}
	}
	return s
}

func (c *chaos) move() {
	switch rapid.IntRange(0, 9).Draw(c.rt, "move") {
	case 0:
		c.now = c.now.Add(rapid.SampledFrom([]time.Duration{1, time.Second, time.Minute, time.Hour, day, 5 * day, 16 * day, 46 * day}).Draw(c.rt, "time"))
		c.give()
	case 1:
		if !c.o.DueAt.IsZero() && c.o.DueAt.After(c.now) {
			c.now = c.o.DueAt
		}
	case 2:
		if rapid.IntRange(0, 3).Draw(c.rt, "anew") == 0 {
			c.askAnew()
		} else {
			c.ask()
		}
	case 3:
		if len(c.old) > 0 { // a result that was given already comes again
			c.give(rapid.SampledFrom(c.old).Draw(c.rt, "again"))
		}
	case 4:
		if c.o.Kind == Ordered {
			c.give(Bound{Sites: []site.Site{drawShop(c.rt)}})
			c.forgetRows()
		}
	default:
		c.work()
	}
}

// ask gives a command if it is allowed.
func (c *chaos) ask() {
	cmd := rapid.SampledFrom(Commands).Draw(c.rt, "command")
	if cmd == CmdRevoke || cmd == CmdDelete || cmd == CmdCancel { // they end most stories: give them seldom
		if rapid.IntRange(0, 3).Draw(c.rt, "really") != 0 {
			return
		}
	}
	if c.o.Allowed(cmd, c.now) != nil {
		return
	}
	if cmd == CmdUpdate {
		spec := c.o.Spec
		spec.AutoRenew = !spec.AutoRenew
		if c.o.Kind == Ordered {
			spec.Names = spec.Names[:1+rapid.IntRange(0, len(spec.Names)-1).Draw(c.rt, "names")]
			c.give(Rewished{By: By{Caller: "ada"}, Spec: spec, Sites: []site.Site{drawShop(c.rt)}})
			c.forgetRows()
		}
		return
	}
	delay := rapid.SampledFrom([]time.Duration{-1, 0, time.Hour, 3 * day}).Draw(c.rt, "delay")
	c.give(Commanded{By: By{Caller: "ada"}, Command: cmd, Delay: delay})
}

// work does one due step, well or badly.
func (c *chaos) work() {
	steps := c.o.Next(c.now)
	if len(steps) == 0 {
		return
	}
	s := rapid.SampledFrom(steps).Draw(c.rt, "step")
	if at := c.before[c.whose(s)]; c.now.Before(at) {
		c.rt.Fatalf("%v at %s, not to be before %s", s, c.now, at)
	}
	c.done = append(c.done, s)
	who := c.whose(s)
	results := c.answer(s)
	if bad := c.failure(s); bad != nil && rapid.Bool().Draw(c.rt, "fails") {
		results = bad
		if rapid.Bool().Draw(c.rt, "retryAfter") {
			at := c.now.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Hour, 30 * time.Hour, 10 * day}).Draw(c.rt, "until"))
			if c.life < day {
				at = c.now.Add(time.Hour)
			}
			for _, r := range bad {
				if p := problemOf(r); p != nil {
					p.Until = at
					c.before[who] = at
				}
			}
		}
	}
	for _, r := range results {
		switch r := r.(type) {
		case Looked: // a push that arrived looked itself, whatever an earlier look was told
			if r.Problem == nil && s.Kind == StepDeploy {
				delete(c.before, fmt.Sprint(Step{StepLook, r.Key}))
			}
		case Stored: // the vault has just taken something: what it asked for with an earlier failure is over
			delete(c.before, fmt.Sprint(Step{StepVault, ""}))
			c.old = append(c.old, r)
		case Began, Proved, SignedBy, RevokedResult, Ticked:
			c.old = append(c.old, r)
		}
	}
	c.give(results...)
	if c.removed || s.Kind == StepTick {
		return
	}
	if c.still(s) && (s.Kind != StepDeploy || c.o.Deployment(s.Key).Version != c.o.Current(c.o.Deployment(s.Key).KeyType).Number) {
		c.rt.Fatalf("%v is due again at once after %#v", s, results)
	}
}

// forgetRows: a target that was taken away and comes back is a new one.
func (c *chaos) forgetRows() {
	for who := range c.before {
		if !strings.HasPrefix(who, "issuer ") {
			delete(c.before, who)
		}
	}
}

// whose names what a Retry-After holds for: the issuer's for all attempts of a key type.
func (c *chaos) whose(s Step) string {
	switch s.Kind {
	case StepBegin:
		return "issuer " + s.Key
	case StepObtain:
		return "issuer " + string(c.o.Attempt(s.Key).KeyType)
	}
	return fmt.Sprint(s)
}

// failure is a way in which a step can fail; nil where it cannot.
func (c *chaos) failure(s Step) []Result {
	class := rapid.SampledFrom([]Class{Retry, Waiting, GiveUp, Final}).Draw(c.rt, "class")
	switch s.Kind {
	case StepBegin:
		return c.beginFails(class)(s)
	case StepObtain:
		switch rapid.IntRange(0, 3).Draw(c.rt, "how") {
		case 0:
			return c.waitsForOwner()(s)
		case 1:
			p := c.problem(class, "verify")
			return []Result{Proved{s.Key, []Proof{{Name: c.o.Spec.Names[0], Method: MethodHTTP01, Problem: p}}}, AttemptFailed{s.Key, p}}
		case 2:
			if !c.o.Attempt(s.Key).External { // nothing of it is stored
				return c.signedNotStored()(s)
			}
		}
		return c.obtainFails(class)(s)
	case StepUnsay:
		return []Result{Withdrawn{ID: s.Key, Problem: c.problem(class, "withdraw")}}
	case StepStore:
		return c.storeFails()(s)
	case StepVault:
		return c.vaultFails(VaultSecretNotExist)(s)
	case StepDeploy:
		r := c.deployFails()(s)[0].(DeployFailed)
		r.TakenBack, r.Problem.Class = rapid.Bool().Draw(c.rt, "takenBack"), class
		return []Result{r}
	case StepLook:
		if rapid.Bool().Draw(c.rt, "blind") {
			return []Result{Looked{Key: s.Key}}
		}
		return c.lookFails()(s)
	case StepRevoke:
		return c.revokeFails()(s)
	}
	return nil
}

// recover has everything go well from here on: the order must come to its end by itself.
func (c *chaos) recover() {
	horizon := c.now.Add(20*day + min(2*c.life, 20*day))
	for c.now.Before(horizon) && !c.removed {
		c.run()
		if c.o.DueAt.IsZero() || c.o.DueAt.After(horizon) {
			break
		}
		c.now = c.o.DueAt
		if c.life < day && c.now.After(horizon.Add(-2*c.life)) || c.settled() {
			break
		}
	}
	if !c.removed && !c.settled() {
		c.rt.Fatalf("not settled at %s: status %s, deleting %v, path %+v", c.now, c.o.StatusOf(c.now), c.o.Deleting, Worst(c.o.Path(c.now)))
	}
}

// settled says whether the order stands as its owner wished.
func (c *chaos) settled() bool {
	if c.o.Deleting || c.o.Revoking != nil && c.o.RevokedAt == nil {
		return false
	}
	if c.o.Kind != Ordered || !c.o.alive() || !c.o.Spec.AutoRenew {
		return true
	}
	w := Worst(c.o.Path(c.now))
	if c.o.waitsForCSR() && w.Stage == StageIssue && w.Owner == OwnerOwner {
		return true // nobody but whoever holds the key can go on
	}
	return c.o.StatusOf(c.now) == Issued && (w.State == Done || w.State == Disabled)
}
