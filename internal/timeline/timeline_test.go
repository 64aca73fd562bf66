package timeline

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"certwright/internal/order"
)

var t0 = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// story writes events down as a compact table: name, status, minutes after t0.
type story struct {
	events []order.Event
	corr   string
}

// inPlain is the timeline without colour.
func inPlain(entries []Entry, loc *time.Location) string { return Painted(entries, loc, Paint{}) }

func (s *story) add(at time.Duration, name string, st order.EventStatus, stage order.StageName, text string, props ...string) *story {
	lv := order.Informational
	if st == order.Failed {
		lv = order.Error
	}
	e := order.Event{Seq: int64(len(s.events) + 1), Order: order.Short("www"), At: t0.Add(at), Caller: "alice", Correlation: s.corr,
		Operation: order.Type + "/write", Name: name, Stage: stage, Status: st, Level: lv, Text: text, ID: name + "-" + at.String()}
	for i := 0; i+1 < len(props); i += 2 {
		if e.Properties == nil {
			e.Properties = map[string]string{}
		}
		e.Properties[props[i]] = props[i+1]
	}
	s.events = append(s.events, e)
	return s
}

func created() *story {
	s := &story{corr: "c1"}
	return s.add(0, "created", order.Succeeded, order.StageOrder, "Order www was created.").
		add(time.Second, "attempt-begun", order.Succeeded, order.StageIssue, "An order was opened at le.", "keyType", "EC-P256", "reason", "first").
		add(3*time.Second, "name-verified", order.Succeeded, order.StageVerify, "www.example.test is verified.", "identifier", "www.example.test").
		add(5*time.Second, "issued", order.Succeeded, order.StageIssue, "Version 1 was issued.", "keyType", "EC-P256").
		add(6*time.Second, "stored", order.Succeeded, order.StageStore, "Version 1 is in the vault.").
		add(8*time.Second, "deployed", order.Succeeded, order.StageDeploy, "Version 1 is at shop/files.", "target", "shop/files")
}

func one(t *testing.T, entries []Entry) Entry {
	t.Helper()
	if len(entries) != 1 {
		t.Fatalf("%d entries, want one:\n%s", len(entries), inPlain(entries, time.UTC))
	}
	return entries[0]
}

func TestOneOperationIsOneEntry(t *testing.T) {
	e := one(t, Build(created().events, Options{}))
	if e.Title != "Order created" || e.Outcome != Succeeded || e.Caller != "alice" || e.Duration() != 8*time.Second || len(e.Lines) != 6 {
		t.Errorf("got %q %s by %s in %s with %d lines", e.Title, e.Outcome, e.Caller, e.Duration(), len(e.Lines))
	}
	if e.FirstSeq != 1 || e.LastSeq != 6 || e.ID != "created-0s" {
		t.Errorf("place: seq %d to %d, id %s", e.FirstSeq, e.LastSeq, e.ID)
	}
}

func TestOrderOfInputDoesNotMatter(t *testing.T) {
	ev := created().events
	back := make([]order.Event, len(ev))
	for i := range ev {
		back[len(ev)-1-i] = ev[i]
	}
	if a, b := inPlain(Build(ev, Options{}), nil), inPlain(Build(back, Options{}), nil); a != b {
		t.Errorf("differs:\n%s\n%s", a, b)
	}
}

func TestRepeatedFailuresFold(t *testing.T) {
	s := &story{corr: "c2"}
	s.add(0, "renew-requested", order.Succeeded, order.StageOrder, "Renewal was asked for.")
	for i := range 7 {
		at := time.Duration(i) * time.Hour
		s.add(at+time.Minute, "attempt-begun", order.Started, order.StageIssue, "Opening an order.", "keyType", "EC-P256")
		s.add(at+2*time.Minute, "attempt-failed", order.Failed, order.StageIssue, fmt.Sprintf("new order: 503, try %d", i+1), "keyType", "EC-P256")
	}
	e := one(t, Build(s.events, Options{}))
	if e.Outcome != Failed || e.Level != order.Error || e.Title != "Renewal" || len(e.Lines) != 3 {
		t.Fatalf("%s %s %q, %d lines", e.Outcome, e.Level, e.Title, len(e.Lines))
	}
	l := e.Lines[2]
	if l.Count != 7 || !l.First.Equal(t0.Add(2*time.Minute)) || !l.Last.Equal(t0.Add(6*time.Hour+2*time.Minute)) {
		t.Errorf("folded: %+v", l)
	}
	if got := inPlain([]Entry{e}, time.UTC); !strings.Contains(got, "tried 7 times, first 10:02, last 16:02") {
		t.Errorf("text:\n%s", got)
	}
}

func TestAnotherRefusalIsNotFolded(t *testing.T) {
	s := &story{corr: "c"}
	s.add(0, "attempt-failed", order.Failed, order.StageIssue, "CAA forbids it.")
	s.add(time.Minute, "attempt-failed", order.Failed, order.StageIssue, "rate limited.")
	s.add(2*time.Minute, "attempt-failed", order.Failed, order.StageIssue, "CAA forbids it.")
	e := one(t, Build(s.events, Options{}))
	if len(e.Lines) != 2 || e.Lines[1].Count != 2 || e.Lines[1].Text != "CAA forbids it." {
		t.Errorf("lines: %+v", e.Lines)
	}
}

func TestFailureAfterRecoveryIsItsOwnLine(t *testing.T) {
	s := &story{corr: "c"}
	s.add(0, "deploy-failed", order.Failed, order.StageDeploy, "reload failed.", "target", "a")
	s.add(time.Minute, "deployed", order.Succeeded, order.StageDeploy, "deployed.", "target", "a")
	s.add(2*time.Minute, "deploy-failed", order.Failed, order.StageDeploy, "reload failed.", "target", "a")
	e := one(t, Build(s.events, Options{}))
	if len(e.Lines) != 3 || e.Outcome != Failed {
		t.Errorf("%s: %+v", e.Outcome, e.Lines)
	}
}

func TestOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		make func(s *story)
		want Outcome
	}{
		"a failing target is not hidden by its sibling": {func(s *story) {
			s.add(0, "deploy-failed", order.Failed, order.StageDeploy, "a: refused", "target", "a")
			s.add(1, "deployed", order.Succeeded, order.StageDeploy, "b", "target", "b")
		}, Failed},
		"a failure that was overcome does not count": {func(s *story) {
			s.add(0, "store-failed", order.Failed, order.StageStore, "no space")
			s.add(1, "stored", order.Succeeded, order.StageStore, "stored")
		}, Succeeded},
		"what follows proves what was before": {func(s *story) {
			s.add(0, "verify-waiting", order.Started, order.StageVerify, "waiting", "identifier", "x")
			s.add(1, "issued", order.Succeeded, order.StageIssue, "issued")
		}, Succeeded},
		"a target's failure outlives the look on the wire": {func(s *story) {
			s.add(0, "deploy-failed", order.Failed, order.StageDeploy, "a: refused", "target", "a")
			s.add(1, "served", order.Succeeded, order.StageServe, "served", "endpoint", "b")
		}, Failed},
		"a try that has begun hides no failure": {func(s *story) {
			s.add(0, "attempt-failed", order.Failed, order.StageIssue, "refused", "keyType", "EC-P256")
			s.add(1, "attempt-begun", order.Succeeded, order.StageIssue, "again", "keyType", "EC-P256")
		}, Failed},
		"a key type that is stored hides no other": {func(s *story) {
			s.add(0, "attempt-failed", order.Failed, order.StageIssue, "refused", "keyType", "RSA-2048")
			s.add(1, "issued", order.Succeeded, order.StageIssue, "issued", "keyType", "EC-P256")
			s.add(2, "stored", order.Succeeded, order.StageStore, "stored")
		}, Failed},
		"a look that saw the wrong certificate": {func(s *story) {
			s.add(0, "deployed", order.Succeeded, order.StageDeploy, "a", "target", "a")
			s.add(1, "look-changed", order.Failed, order.StageServe, "serves another", "endpoint", "x")
		}, Failed},
		"a wish alone": {func(s *story) { s.add(0, "sync-requested", order.Succeeded, order.StageDeploy, "asked") }, Succeeded},
		"waiting": {func(s *story) {
			s.add(0, "verify-waiting", order.Info, order.StageVerify, "x")
			s.events[0].Status = order.Started
		}, Waiting},
		"begun":  {func(s *story) { s.add(0, "attempt-begun", order.Started, order.StageIssue, "x") }, Running},
		"a fact": {func(s *story) { s.add(0, "look-changed", order.Info, order.StageServe, "serial changed") }, Noted},
	} {
		s := &story{corr: "c"}
		c.make(s)
		if got := one(t, Build(s.events, Options{})).Outcome; got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestOneCorrelationManyOperations(t *testing.T) {
	s := created()
	s.add(20*time.Second, "look-changed", order.Info, order.StageServe, "127.0.0.1:443 serves version 1.")
	s.add(40*24*time.Hour, "look-changed", order.Info, order.StageServe, "127.0.0.1:443 serves another certificate.")
	s.add(60*24*time.Hour, "attempt-begun", order.Started, order.StageIssue, "Renewal is due.", "keyType", "EC-P256", "reason", "renewal")
	s.add(60*24*time.Hour+time.Second, "issued", order.Succeeded, order.StageIssue, "Version 2 was issued.", "keyType", "EC-P256", "reason", "renewal")
	got := Build(s.events, Options{})
	var titles []string
	for _, e := range got {
		titles = append(titles, e.Title)
	}
	if strings.Join(titles, ", ") != "Renewal, Change on the wire, Order created" {
		t.Errorf("titles: %v", titles)
	}
	if n := len(got[2].Lines); n != 7 {
		t.Errorf("the creation has %d lines, want 7: the first look belongs to it", n)
	}
}

func TestTwoKeyTypesAreOneOperation(t *testing.T) {
	s := &story{corr: "c"}
	s.add(0, "renew-requested", order.Succeeded, order.StageOrder, "asked")
	for i, k := range []string{"EC-P256", "RSA-2048"} {
		at := time.Duration(i) * time.Second
		s.add(at, "attempt-begun", order.Started, order.StageIssue, "begun", "keyType", k)
		s.add(at, "issued", order.Succeeded, order.StageIssue, "issued", "keyType", k)
	}
	s.add(5*time.Second, "attempt-begun", order.Started, order.StageIssue, "begun again", "keyType", "EC-P256")
	if got := Build(s.events, Options{}); len(got) != 2 || len(got[1].Lines) != 5 {
		t.Errorf("%s", inPlain(got, nil))
	}
}

// TestMendedLater: what failed under one command and was mended under another has not failed for ever; of a target that nothing mended, of
// a later success of another row, and of findings, the failure stands.
func TestMendedLater(t *testing.T) {
	for name, c := range map[string]struct {
		later func(s *story)
		want  Outcome
		text  string
	}{
		"by a sync": {func(s *story) {
			s.add(time.Hour, "sync-requested", order.Succeeded, order.StageDeploy, "asked").
				add(time.Hour+time.Second, "deployed", order.Succeeded, order.StageDeploy, "Version 2 is at a.", "target", "a").
				add(time.Hour+time.Minute, "deploy-failed", order.Failed, order.StageDeploy, "a: full again", "target", "a")
		}, Succeeded, "Mended later: Version 2 is at a."},
		"nothing": {func(s *story) {
			s.add(time.Hour, "sync-requested", order.Succeeded, order.StageDeploy, "asked")
		}, Failed, "a: refused"},
		"another target": {func(s *story) {
			s.add(time.Hour, "deployed", order.Succeeded, order.StageDeploy, "Version 2 is at b.", "target", "b")
		}, Failed, "a: refused"},
		"a finding that is gone": {func(s *story) {
			s.add(time.Hour, "finding-cleared", order.Succeeded, order.StageDeploy, "Well again.")
		}, Failed, "a: refused"},
	} {
		s := &story{corr: "renew"}
		s.add(0, "renew-requested", order.Succeeded, order.StageOrder, "asked").
			add(time.Second, "issued", order.Succeeded, order.StageIssue, "version 2", "keyType", "EC-P256").
			add(2*time.Second, "deploy-failed", order.Failed, order.StageDeploy, "a: refused", "target", "a")
		s.corr = "sync"
		c.later(s)
		got := Build(s.events, Options{})
		if e := got[len(got)-1]; e.Title != "Renewal" || e.Outcome != c.want || e.Text != c.text {
			t.Errorf("%s: %s %s %q", name, e.Title, e.Outcome, e.Text)
		}
	}
}

// TestOvertaken: a renewal whose attempt went on under the next command is not under way for ever.
func TestOvertaken(t *testing.T) {
	s := &story{corr: "renew"}
	s.add(0, "renew-requested", order.Succeeded, order.StageOrder, "asked").
		add(time.Second, "attempt-begun", order.Started, order.StageIssue, "begun", "keyType", "EC-P256", "attempt", "a1")
	s.corr = "update"
	s.add(2*time.Second, "updated", order.Succeeded, order.StageOrder, "changed").
		add(3*time.Second, "issued", order.Succeeded, order.StageIssue, "version 2", "keyType", "EC-P256", "attempt", "a1")
	got := Build(s.events, Options{})
	if len(got) != 2 || got[1].Outcome != Succeeded || got[1].Text != "version 2" {
		t.Errorf("%s", inPlain(got, nil))
	}
	if got := Build(s.events[:3], Options{}); got[1].Outcome != Running {
		t.Errorf("%s", inPlain(got, nil))
	}
}

func TestAWaitOfDaysIsOneEntry(t *testing.T) {
	s := &story{corr: "c"}
	s.add(0, "created", order.Succeeded, order.StageOrder, "created")
	for d := range 10 {
		s.add(time.Duration(d)*24*time.Hour+time.Second, "verify-waiting", order.Started, order.StageVerify, "no TXT yet", "identifier", "x")
	}
	e := one(t, Build(s.events, Options{}))
	if e.Outcome != Waiting || e.Lines[1].Count != 10 {
		t.Errorf("%s %+v", e.Outcome, e.Lines)
	}
}

func TestLikeOperationsFold(t *testing.T) {
	s := &story{}
	for d := range 30 {
		s.corr = "sync" + time.Duration(d).String()
		s.add(time.Duration(d)*24*time.Hour, "sync-skipped", order.Succeeded, order.StageDeploy, "Nothing differs.", "target", "a")
	}
	e := one(t, Build(s.events, Options{}))
	if e.Count != 30 || e.Title != "Sync" || !e.First.Equal(t0) {
		t.Errorf("%+v", e)
	}
	if n := len(Build(s.events, Options{Unfolded: true})); n != 30 {
		t.Errorf("unfolded: %d", n)
	}
}

func TestOrdersStayApart(t *testing.T) {
	a, b := created(), created()
	for i := range b.events {
		b.events[i].Order = order.Short("api")
	}
	if n := len(Build(append(a.events, b.events...), Options{})); n != 2 {
		t.Errorf("%d entries, want 2", n)
	}
}

func TestUnknownNames(t *testing.T) {
	s := &story{corr: "x"}
	s.add(0, "key-rotated", order.Info, order.StageOrder, "The key was rotated.")
	e := one(t, Build(s.events, Options{}))
	if e.Title != "Key rotated" || e.Text != "The key was rotated." || e.Outcome != Noted {
		t.Errorf("%+v", e)
	}
	bare := []order.Event{{Order: order.Short("w"), At: t0, Operation: order.Type + "/renew/action", Status: order.Succeeded}}
	if e := one(t, Build(bare, Options{})); e.Title != "Renew" || e.Text != "Renew." {
		t.Errorf("%+v", e)
	}
	if e := one(t, Build([]order.Event{{}}, Options{})); e.Title != "Event" {
		t.Errorf("the empty event: %+v", e)
	}
	if len(Build(nil, Options{})) != 0 {
		t.Error("nothing makes no entries")
	}
}

func TestTextIsSafeForATerminal(t *testing.T) {
	s := &story{corr: "x"}
	s.add(0, "attempt-failed", order.Failed, order.StageIssue, "they said \x1b[2J\u009b31m\r\nno")
	got := inPlain(Build(s.events, Options{}), time.UTC)
	if strings.ContainsAny(got, "\x1b\r\u009b") || strings.Count(got, "\n") != 2 || !strings.Contains(got, "2026-11-23 10:00:00 UTC  Issuance: failed, by alice") {
		t.Errorf("%q", got)
	}
}

func TestLasting(t *testing.T) {
	for want, d := range map[string]time.Duration{"340 ms": 340 * time.Millisecond, "90 s": 90 * time.Second, "5 min": 5 * time.Minute,
		"3 h 20 min": 200 * time.Minute, "20 h": 20*time.Hour + time.Minute, "3 days": 80 * time.Hour} {
		if got := Lasting(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

// What still stands says what to do, once; what was overcome does not.
func TestTextSaysTheNextStep(t *testing.T) {
	s := created()
	s.add(6*time.Second, "deploy-failed", order.Failed, order.StageDeploy, "Pushing to shop/files failed.", "target", "shop/files", "fix", "Start nginx").
		add(7*time.Second, "deploy-failed", order.Failed, order.StageDeploy, "Pushing to shop/cdn failed.", "target", "shop/cdn", "fix", "Start nginx")
	got := inPlain(Build(s.events, Options{}), time.UTC)
	if !strings.Contains(got, "    10:00:07  ✗ Pushing to shop/cdn failed.\n                → Start nginx\n") || strings.Count(got, "Start nginx") != 1 {
		t.Errorf("the next step is not told once, below the last failure:\n%s", got)
	}
	s.add(8*time.Second, "deployed", order.Succeeded, order.StageDeploy, "Deployed.", "target", "shop/files").add(9*time.Second, "deployed", order.Succeeded, order.StageDeploy, "Deployed.", "target", "shop/cdn")
	if got := inPlain(Build(s.events, Options{}), time.UTC); strings.Contains(got, "Start nginx") || !strings.Contains(got, "  ✓ Deployed.") || !strings.Contains(got, "  • An order was opened") {
		t.Errorf("what was overcome says what to do, or signs are missing:\n%s", got)
	}
}

// A sync that found the vault out of sync has failed, though the targets hold what they should.
func TestVaultOutOfSyncStands(t *testing.T) {
	s := &story{corr: "s"}
	s.add(0, "sync-requested", order.Succeeded, order.StageDeploy, "Sync asked for.").
		add(time.Second, "vault-out-of-sync", order.Failed, order.StageStore, "Key Vault out of sync: it is disabled").
		add(2*time.Second, "sync-skipped", order.Succeeded, order.StageDeploy, "In sync: shop/files holds version 1 already.", "target", "shop/files")
	if e := one(t, Build(s.events, Options{})); e.Outcome != Failed || e.Text != "Key Vault out of sync: it is disabled" {
		t.Errorf("%s: %s", e.Outcome, e.Text)
	}
	s.add(3*time.Second, "vault-in-sync", order.Succeeded, order.StageStore, "The vault holds it again.")
	if e := one(t, Build(s.events, Options{})); e.Outcome != Succeeded {
		t.Errorf("mended: %s: %s", e.Outcome, e.Text)
	}
}

// What somebody has to put there by hand is waited for: that it is not served yet is no failure, and not what to mend.
func TestDeploymentByHandIsWaitedFor(t *testing.T) {
	s := created()
	s.add(6*time.Second, "deploy-waiting", order.Started, order.StageDeploy, "Version 1 is to be put to shop/files by somebody else.", "target", "shop/files", "fix", "Put it there with its key").
		add(7*time.Second, "look-changed", order.Failed, order.StageServe, "Seen on the wire: the former serial.", "endpoint", "shop:443", "fix", "Sync the order")
	entries := Build(s.events, Options{})
	if e := one(t, entries); e.Outcome != Waiting || !strings.Contains(e.Text, "by somebody else") {
		t.Errorf("%s: %s", e.Outcome, e.Text)
	}
	if got := inPlain(entries, time.UTC); !strings.Contains(got, "→ Put it there with its key") || strings.Contains(got, "→ Sync the order") {
		t.Error(got)
	}
}
