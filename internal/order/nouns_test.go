package order

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/site"
)

func TestIDsCompareWithoutCase(t *testing.T) {
	t.Parallel()
	id := ID{Subscription: "S", Group: "Shop", Name: "WWW"}
	equal(t, "id", id.String(), "/subscriptions/S/resourceGroups/Shop/providers/Microsoft.CertificateRegistration/certificateOrders/WWW")
	equal(t, "key", id.Key(), ID{Subscription: "s", Group: "SHOP", Name: "www"}.Key())
	if err := Short("www").Valid(); err != nil {
		t.Error(err)
	}
	equal(t, "no group", ID{Subscription: "s", Name: "a"}.Valid() != nil, true)
	for name, ok := range map[string]bool{
		"a": true, "a-b_c.9": true, "9": true, strings.Repeat("a", 64): true,
		"": false, "-a": false, ".": false, "a/b": false, "a b": false, "ä": false, strings.Repeat("a", 65): false, "a\x00": false,
	} {
		err := ID{Subscription: "s", Group: "g", Name: name}.Valid()
		if (err == nil) != ok {
			t.Errorf("name %q: %v", name, err)
		}
	}
}

func TestChainsOfCertificates(t *testing.T) {
	t.Parallel()
	der := selfSigned(noon, noon.Add(day))
	v, err := ParseChain([][]byte{der, der})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "serial", v.Serial, "04AF")
	equal(t, "names", strings.Join(v.Names, ","), "www.example.test")
	equal(t, "end", v.NotAfter, noon.Add(day))
	equal(t, "thumbprint", len(v.Thumbprint), 40)
	back := DecodeChain(append([]byte("-----BEGIN X-----\nAAAA\n-----END X-----\n"), v.Chain...))
	if len(back) != 2 || !bytes.Equal(back[0], der) {
		t.Errorf("%d certificates came back", len(back))
	}
	for name, chain := range map[string][][]byte{"empty": nil, "rubbish": {[]byte("no")}} {
		if _, err := ParseChain(chain); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestErrorsAsProblems(t *testing.T) {
	t.Parallel()
	if AsProblem(nil, "x", noon) != nil {
		t.Error("no error is no problem")
	}
	p := AsProblem(context.DeadlineExceeded, "look", noon)
	equal(t, "class", p.Class, Retry)
	equal(t, "owner", p.Owner, OwnerAdmin)
	own := &Problem{Class: Final, What: "w", Where: "there", Detail: "d", Sub: []Sub{{Identifier: "a.test", Detail: "no"}}}
	got := AsProblem(fmt.Errorf("wrapped: %w", own), "x", noon)
	equal(t, "what", got.Error(), "w (there): d; a.test: no")
	equal(t, "at", got.At, noon)
	equal(t, "the original is left alone", own.At.IsZero(), true)
	r := &Refusal{Property: "names[0]", Message: "is empty", Fix: "Give a name"}
	equal(t, "refusal", r.Error(), "names[0]: is empty. Give a name")
	if _, ok := AsRefusal(errors.New("x")); ok {
		t.Error("any error is taken for a refusal")
	}
}

// Of several addresses behind a name, the worst decides.
func TestTheWorstAddressDecides(t *testing.T) {
	t.Parallel()
	pass := evidence.Observation{Outcome: evidence.Pass, Seen: "A1"}
	unknown := evidence.Observation{Outcome: evidence.Unknown, Reason: "no route"}
	fail := evidence.Observation{Outcome: evidence.Fail, Seen: "B2", Expected: "A1"}
	for name, c := range map[string]struct {
		seen []evidence.Observation
		want StageState
	}{
		"pass":             {[]evidence.Observation{pass, pass}, Done},
		"one blind":        {[]evidence.Observation{pass, unknown}, StateUnkno},
		"blind first":      {[]evidence.Observation{unknown, pass}, StateUnkno},
		"one fails":        {[]evidence.Observation{pass, fail, unknown}, StateFail},
		"one fails, first": {[]evidence.Observation{fail, unknown, pass}, StateFail},
		"nothing was seen": {nil, StateUnkno},
	} {
		w := newWorld(t)
		w.run()
		w.give(Looked{Key: w.o.Endpoints[0].Key(), Seen: c.seen})
		equal(t, name, w.stage(StageServe).State, c.want)
	}
}

func TestALookIsAnEventOnlyWhenSomethingChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	n := w.said("look-changed")
	w.on("look", w.lookFails())
	w.wait(6 * time.Hour)
	equal(t, "said it fails once", w.said("look-changed"), n+1)
	w.well("look")
	w.wait(2 * time.Hour)
	equal(t, "said it is well once", w.said("look-changed"), n+2)
	w.give(Looked{Key: w.o.Endpoints[0].Key(), Problem: w.problem(Retry, "look on the wire"), Seen: w.looked("", w.o.First().Serial).Seen})
	equal(t, "a problem is a failure whatever was seen", w.stage(StageServe).State, StateFail)
	w.give(Looked{Key: "no such endpoint"})
}

func TestIdentifierThatFailsIsNamedAndRecovers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *Spec) { s.Names = append(s.Names, Name{DNS, "shop.example.test"}) })
	w.step(Step{StepBegin, string(P256)})
	a := w.o.Running(P256)
	proofs := append([]Proof(nil), a.Proofs...)
	till := noon.Add(30 * day)
	proofs[0].Done, proofs[0].ValidTill = true, &till
	proofs[1].Problem = w.problem(GiveUp, "verify shop.example.test")
	proofs[1].Problem.Owner, proofs[1].Problem.Sub = OwnerOwner, []Sub{{Type: "dns", Detail: "NXDOMAIN", Identifier: "shop.example.test"}}
	w.give(Proved{a.ID, append(proofs, Proof{Name: Name{DNS, "no.such.test"}})}, AttemptFailed{a.ID, proofs[1].Problem})
	equal(t, "first", w.row(StageVerify, "www.example.test").Text, "verified by http-01, re-usable until 2026-03-31 12:00 UTC")
	equal(t, "second", w.row(StageVerify, "shop.example.test").State, StateFail)
	equal(t, "owner", w.o.Project(w.now).Owner, OwnerOwner)
	e := w.events[len(w.events)-1]
	equal(t, "subproblem", e.Properties["subproblem shop.example.test"], "dns: NXDOMAIN")
	w.wait(2 * time.Minute)
	equal(t, "recovers", w.stage(StageVerify).State, Done)
	equal(t, "status", w.o.StatusOf(w.now), Issued)
}

// An authority that still holds a name for verified asks for no proof: an old refusal must not stay.
func TestIssuedNamesAreNotShownAsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.on("obtain", func(s Step) []Result {
		p := w.problem(GiveUp, "verify www.example.test")
		return []Result{Proved{s.Key, []Proof{{Name: w.o.Spec.Names[0], Method: MethodHTTP01, Problem: p}}}, AttemptFailed{s.Key, p}}
	})
	w.run()
	w.on("obtain", func(s Step) []Result {
		return []Result{SignedBy{s.Key, w.certificate(w.life)}, Stored{s.Key}}
	})
	w.wait(2 * time.Minute)
	equal(t, "verify", w.stage(StageVerify).State, Done)
}

func TestWaitingForOthers(t *testing.T) {
	t.Parallel()
	for owner, who := range map[string]string{OwnerOwner: "the owner of the names", OwnerIssuer: "the issuer", OwnerAdmin: "an administrator", OwnerUs: "Certwright"} {
		w := newWorld(t)
		w.on("obtain", func(s Step) []Result {
			p := w.problem(Waiting, "validate")
			p.Owner = owner
			return []Result{AttemptFailed{s.Key, p}} // by its class it waits, whatever the result is called
		})
		w.run()
		e := w.events[len(w.events)-1]
		equal(t, "event", e.Name, "verify-waiting")
		equal(t, "text", strings.HasPrefix(e.Text, "Waits for "+who+": "), true)
		equal(t, "owner", w.stage(StageIssue).Owner, owner)
		equal(t, "the attempt runs on", w.o.Running(P256) != nil, true)
		equal(t, "status", w.o.StatusOf(w.now), Pendingissuance)
	}
}

func TestResultsForWhatIsGoneChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	p := w.problem(Retry, "x")
	for _, r := range []Result{
		Proved{ID: "gone"}, AttemptWaits{ID: "gone", Problem: p}, AttemptFailed{"gone", p}, SignedBy{ID: "gone"}, Stored{"gone"}, StoreFailed{"gone", p},
		WindowSeen{Number: 99}, RevokedResult{Number: 99}, Deployed{Key: "gone/x"}, DeployFailed{Key: "gone/x", Problem: p}, Withdrawn{ID: "gone"},
		Stored{w.o.Attempts[0].ID}, SignedBy{ID: w.o.Attempts[0].ID},
	} {
		if events := w.give(r); len(events) != 0 {
			t.Errorf("%T: %v", r, events)
		}
	}
	equal(t, "versions", len(w.o.Versions), 1)
	equal(t, "status", w.o.StatusOf(w.now), Issued)
}

func TestIsFailure(t *testing.T) {
	t.Parallel()
	p := &Problem{}
	for _, r := range []Result{BeginFailed{}, AttemptWaits{}, AttemptFailed{}, StoreFailed{}, DeployFailed{}, VaultSeen{Problem: p}, Looked{Problem: p}, RevokedResult{Problem: p}, Withdrawn{Problem: p}} {
		equal(t, fmt.Sprintf("%T", r), IsFailure(r), true)
	}
	for _, r := range []Result{Began{}, Stored{}, VaultSeen{}, Looked{}, RevokedResult{}, Withdrawn{}, Ticked{}, Commanded{}} {
		equal(t, fmt.Sprintf("%T", r), IsFailure(r), false)
	}
}

func TestServerNameOfAnEndpoint(t *testing.T) {
	t.Parallel()
	for want, names := range map[string][]Name{
		"a.test":     {{IP, "192.0.2.1"}, {DNS, "*.test"}, {DNS, "a.test"}},
		"www.b.test": {{DNS, "*.b.test"}},
		"":           {{IP, "192.0.2.1"}},
	} {
		o := Fresh(Short("x"), Ordered, Spec{Names: names}, []site.Site{shop("a")}, noon)
		equal(t, "server name", o.Endpoints[0].ServerName, want)
	}
}

func TestWordsForPeople(t *testing.T) {
	t.Parallel()
	n := []Name{{DNS, "a.test"}, {DNS, "b.test"}, {DNS, "c.test"}}
	equal(t, "none", nameList(nil), "no names")
	equal(t, "one", nameList(n[:1]), "a.test")
	equal(t, "two", nameList(n[:2]), "a.test and b.test")
	equal(t, "three", nameList(n), "a.test and 2 more")
	v := Version{Number: 3, Serial: "0123456789ABCDEF"}
	equal(t, "label", v.Label(), "version 3 (serial 0123456789AB…)")
	equal(t, "problem without a fix", nextWord(&Problem{Class: Final}), "a person must act")
	for _, r := range []Reason{First, Renewal, Manual, Rekey} {
		if reasonText(r) == string(r) || r.noun() == "a version" {
			t.Errorf("no words for %s", r)
		}
	}
}

func TestSecretNames(t *testing.T) {
	t.Parallel()
	o := Fresh(Short("www"), Ordered, Spec{Secret: "shop", KeyTypes: []KeyType{RSA2048, P384}}, nil, noon)
	equal(t, "first", o.SecretFor(RSA2048), "shop")
	equal(t, "second", o.SecretFor(P384), "shop-ec-p384")
	equal(t, "none", o.SecretFor(""), "shop")
}
