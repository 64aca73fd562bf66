package order

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"sync"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/site"
)

// noon is when every world begins.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// failer is what a world needs of a test; *testing.T and *rapid.T have it.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// world moves one order as the mover would, with a clock that only moves when told. Every step is
// answered at once, well unless a test says otherwise. What must hold of any order is checked after
// every change (check_test.go).
type world struct {
	t       failer
	o       *Order
	now     time.Time
	events  []Event
	answers map[string]func(Step) []Result // by "kind key", else by "kind"
	life    time.Duration                  // of what the authority issues
	windows func(*Version) *Window         // renewal information; nil = the authority has none
	done    []Step
	issues  int
	removed bool
	ids     int
}

// newWorld has a fresh order for www.example.test of issuer le, deployed to one target and looked at on one
// endpoint; change alters the wish before it is ordered.
func newWorld(t failer, change ...func(*Spec)) *world {
	t.Helper()
	spec := Spec{
		Names: []Name{{DNS, "www.example.test"}}, Issuer: "le", Method: MethodHTTP01, KeyTypes: []KeyType{P256},
		AutoRenew: true, Vault: "main", Sites: []string{"shop"},
	}
	for _, c := range change {
		c(&spec)
	}
	return worldOf(t, Ordered, spec, shop("nginx"))
}

// shop is a site with targets of these names, and one endpoint for each.
func shop(targets ...string) site.Site {
	s := site.Site{Name: "shop"}
	for i, name := range targets {
		s.Targets = append(s.Targets, site.Target{Name: name, Kind: site.KindFiles})
		s.Endpoints = append(s.Endpoints, site.Endpoint{Address: fmt.Sprintf("192.0.2.%d:443", i+1)})
	}
	return s
}

func worldOf(t failer, kind Kind, spec Spec, sites ...site.Site) *world {
	t.Helper()
	w := &world{t: t, now: noon, answers: map[string]func(Step) []Result{}, life: 90 * day}
	w.o = Fresh(Short("www"), kind, spec, sites, w.now)
	w.record(By{Caller: "ada"}.Created(w.o, w.now))
	if kind != Imported { // one that is imported is saved with what was brought
		w.check()
	}
	return w
}

// imported is a world whose order was brought with its key; external leaves the key where it was.
func imported(t failer, life time.Duration, external bool) *world {
	t.Helper()
	spec := Spec{Names: []Name{{DNS, "www.example.test"}}, KeyTypes: []KeyType{P256}, Vault: "main", Sites: []string{"shop"}, ExternalKey: external}
	w := worldOf(t, Imported, spec, shop("nginx"))
	b := Brought{Version: w.certificate(life), Attempt: Attempt{ID: w.id(), KeyType: P256, Sealed: []byte("sealed")}}
	b.Version.Issuer = ""
	if external {
		b.Attempt.Sealed = nil
	}
	w.give(b)
	return w
}

// watched is a world whose order is only looked at; the wire serves a certificate of this life.
func watched(t failer, life time.Duration) *world {
	t.Helper()
	spec := Spec{Names: []Name{{DNS, "www.example.test"}}, Endpoints: []site.Endpoint{{Address: "192.0.2.1:443"}}}
	w := worldOf(t, Watched, spec)
	der := selfSigned(noon, noon.Add(life))
	w.on("look", func(s Step) []Result { return []Result{Looked{Key: s.Key, Seen: servedChain(der)}} })
	return w
}

// on answers steps of a kind ("deploy"), or one of them ("deploy shop/nginx").
func (w *world) on(step string, answer func(Step) []Result) { w.answers[step] = answer }

// well takes an answer back.
func (w *world) well(step string) { delete(w.answers, step) }

// give applies results to a clone, as the mover does, and keeps their events in the chain.
func (w *world) give(results ...Result) []Event {
	w.t.Helper()
	if routine(results) { // most of a year is looks that find nothing new
		events := w.o.Apply(w.now, results...)
		w.record(events...)
		w.checkAgenda()
		return events
	}
	before, _ := json.Marshal(w.o)
	next := new(Order)
	if err := json.Unmarshal(before, next); err != nil {
		w.t.Fatalf("read the order: %v", err)
	}
	events := next.Apply(w.now, results...)
	if len(events) > 0 {
		if after, _ := json.Marshal(w.o); string(before) != string(after) {
			w.t.Fatalf("%T changed the original", results)
		}
		w.checkClone()
	}
	w.o = next
	w.record(events...)
	w.check()
	return events
}

func routine(results []Result) bool {
	for _, r := range results {
		if l, ok := r.(Looked); !ok || l.Problem != nil || len(l.Seen) == 0 || worst(l.Seen).Outcome != evidence.Pass || worst(l.Seen).Data != nil {
			return false
		}
	}
	return len(results) > 0
}

func (w *world) record(events ...Event) {
	for _, e := range events {
		e.Chain(w.o.Seq+1, w.o.Hash)
		w.o.Seq, w.o.Hash = e.Seq, e.Hash
		w.events = append(w.events, e)
	}
}

// run does all that is due now, until nothing is.
func (w *world) run() {
	w.t.Helper()
	for rounds := 0; !w.removed; rounds++ {
		steps := w.o.Next(w.now)
		if len(steps) == 0 {
			return
		}
		if rounds > 30 {
			w.t.Fatalf("busy loop at %s: still due: %v", w.now, steps)
		}
		for _, s := range steps {
			if w.still(s) && !w.removed {
				w.step(s)
			}
		}
	}
}

func (w *world) still(s Step) bool {
	for _, x := range w.o.Next(w.now) {
		if x == s {
			return true
		}
	}
	return false
}

func (w *world) step(s Step) {
	w.t.Helper()
	w.done = append(w.done, s)
	w.give(w.answer(s)...)
}

// to runs the order up to a time, and stands there.
func (w *world) to(t time.Time) {
	w.t.Helper()
	w.run()
	for !w.removed && !w.o.DueAt.IsZero() && !w.o.DueAt.After(t) {
		w.now = w.o.DueAt
		w.run()
	}
	w.now = t
	w.run()
}

func (w *world) wait(d time.Duration) { w.t.Helper(); w.to(w.now.Add(d)) }

// command gives a command that must be allowed.
func (w *world) command(c Command) {
	w.t.Helper()
	if err := w.o.Allowed(c, w.now); err != nil {
		w.t.Fatalf("%s: %v", c, err)
	}
	w.give(Commanded{By: By{Caller: "ada"}, Command: c})
}

func (w *world) answer(s Step) []Result {
	if f := w.answers[string(s.Kind)+" "+s.Key]; f != nil {
		return f(s)
	}
	if f := w.answers[string(s.Kind)]; f != nil {
		return f(s)
	}
	return w.success(s)
}

// success is how a step ends that goes well.
func (w *world) success(s Step) []Result {
	switch s.Kind {
	case StepBegin:
		return w.begins(KeyType(s.Key))
	case StepObtain:
		return []Result{w.proved(s.Key), Withdrawn{ID: s.Key}, w.signed(s.Key), Stored{s.Key}}
	case StepUnsay:
		return []Result{Withdrawn{ID: s.Key}}
	case StepStore:
		return []Result{Stored{s.Key}}
	case StepVault:
		return []Result{VaultSeen{}}
	case StepDeploy:
		d := w.o.Deployment(s.Key)
		v := w.o.Current(d.KeyType)
		results := []Result{Deployed{Key: s.Key, Receipt: Receipt{Version: v.Number, Serial: v.Serial, At: w.now, Changed: d.Version != v.Number, Detail: "reloaded"}}}
		for i := range w.o.Endpoints {
			if e := &w.o.Endpoints[i]; e.Site == d.Site {
				results = append(results, w.looked(e.Key(), v.Serial))
			}
		}
		return results
	case StepLook:
		return []Result{w.looked(s.Key, w.o.Expected(w.o.Endpoint(s.Key))[0])}
	case StepRevoke:
		n, _ := strconv.Atoi(s.Key)
		return []Result{RevokedResult{Number: n}}
	case StepWindow:
		return []Result{w.window(s.Key)}
	case StepTick:
		return []Result{Ticked{}}
	case StepRemove:
		w.removed = true
	}
	return nil
}

func (w *world) attempt(k KeyType) Attempt {
	a := Attempt{ID: w.id(), KeyType: k, Reason: First, Issuer: "le", Account: "acct/1", URL: "https://le.test/order/1", Sealed: []byte("sealed")}
	for _, n := range w.o.Wanted() {
		if n.KeyType == k {
			a.Reason, a.Delay = n.Reason, n.Delay
		}
	}
	if v := w.o.Newest(k); v != nil && a.Reason == Rekey {
		a.Revokes = v.Number
	}
	for _, n := range w.o.Spec.Names {
		a.Proofs = append(a.Proofs, Proof{Name: n, Method: MethodHTTP01, Token: "token", Value: "value"})
	}
	return a
}

func (w *world) proved(attempt string) Proved {
	proofs := append([]Proof(nil), w.o.Attempt(attempt).Proofs...)
	for i := range proofs {
		proofs[i].Done = true
	}
	return Proved{attempt, proofs}
}

func (w *world) certificate(life time.Duration) Version {
	w.issues++
	serial := fmt.Sprintf("%012X", 0xA00000000000+w.issues)
	v := Version{Serial: serial, IssuedBy: "CN=Test CA", Names: []string{"www.example.test"}, NotBefore: w.now, NotAfter: w.now.Add(life)}
	if w.windows != nil {
		t := w.now.Add(life / 100)
		v.WindowAt = &t
	}
	return v
}

func (w *world) window(number string) WindowSeen {
	n, _ := strconv.Atoi(number)
	return WindowSeen{Number: n, CertID: "id." + number, Window: w.windows(w.o.Version(n)), Again: w.now.Add(6 * time.Hour)}
}

func (w *world) looked(key, serial string) Looked {
	return Looked{Key: key, Seen: []evidence.Observation{{Probe: evidence.ProbeTLS, Check: "serial", Outcome: evidence.Pass, Expected: serial, Seen: serial, At: w.now}}}
}

// id is an attempt's id.
func (w *world) id() string { w.ids++; return fmt.Sprintf("%032x", w.ids) }

// problem is one of a class, at now, with an owner and a fix.
func (w *world) problem(c Class, what string) *Problem {
	return &Problem{Class: c, What: what, Where: "there", Detail: "it said no", Owner: OwnerAdmin, Fix: "Mend it", At: w.now}
}

// Answers that tests give often.
func (w *world) beginFails(c Class) func(Step) []Result {
	return func(s Step) []Result {
		for _, n := range w.o.Wanted() {
			if string(n.KeyType) == s.Key {
				return []Result{BeginFailed{Need: n, Problem: w.problem(c, "new order")}}
			}
		}
		return nil
	}
}

func (w *world) obtainFails(c Class) func(Step) []Result {
	return func(s Step) []Result { return []Result{AttemptFailed{s.Key, w.problem(c, "finalise")}} }
}

func (w *world) waitsForOwner() func(Step) []Result {
	return func(s Step) []Result {
		p := w.problem(Waiting, "publish the proof")
		p.Owner, p.Fix = OwnerOwner, "Publish the TXT record _acme-challenge.www.example.test"
		return []Result{AttemptWaits{ID: s.Key, Problem: p}}
	}
}

func (w *world) signedNotStored() func(Step) []Result {
	return func(s Step) []Result {
		return []Result{w.proved(s.Key), w.signed(s.Key), StoreFailed{s.Key, w.problem(Retry, "write the secret")}}
	}
}

func (w *world) storeFails() func(Step) []Result {
	return func(s Step) []Result { return []Result{StoreFailed{s.Key, w.problem(Retry, "write the secret")}} }
}

func (w *world) deployFails() func(Step) []Result {
	return func(s Step) []Result {
		d := w.o.Deployment(s.Key)
		return []Result{DeployFailed{Key: s.Key, Version: w.o.Current(d.KeyType).Number, Problem: w.problem(Retry, "reload nginx")}}
	}
}

func (w *world) lookFails() func(Step) []Result {
	return func(s Step) []Result {
		seen := []evidence.Observation{{Probe: evidence.ProbeTLS, Check: "serial", Outcome: evidence.Fail, Seen: "BAD0", At: w.now}}
		return []Result{Looked{Key: s.Key, Seen: seen, Problem: w.problem(Retry, "look on the wire")}}
	}
}

func (w *world) revokeFails() func(Step) []Result {
	return func(s Step) []Result {
		n, _ := strconv.Atoi(s.Key)
		return []Result{RevokedResult{Number: n, Problem: w.problem(Retry, "revoke")}}
	}
}

func (w *world) vaultFails(s VaultStatus) func(Step) []Result {
	return func(Step) []Result {
		p := w.problem(Retry, "read the secret")
		p.Vault = s
		return []Result{VaultSeen{Problem: p}}
	}
}

// hurt is a problem that every failing answer carries an Until in.
func until(f func(Step) []Result, t time.Time) func(Step) []Result {
	return func(s Step) []Result {
		results := f(s)
		for _, r := range results {
			if p := problemOf(r); p != nil {
				p.Until = t
			}
		}
		return results
	}
}

func problemOf(r Result) *Problem {
	switch r := r.(type) {
	case BeginFailed:
		return r.Problem
	case AttemptFailed:
		return r.Problem
	case AttemptWaits:
		return r.Problem
	case StoreFailed:
		return r.Problem
	case VaultSeen:
		return r.Problem
	case DeployFailed:
		return r.Problem
	case Looked:
		return r.Problem
	case RevokedResult:
		return r.Problem
	case Withdrawn:
		return r.Problem
	}
	return nil
}

// did counts the steps done, by "kind" or "kind key".
func (w *world) did(step string) int {
	n := 0
	for _, s := range w.done {
		if step == string(s.Kind) || step == string(s.Kind)+" "+s.Key {
			n++
		}
	}
	return n
}

// said counts the events of a name.
func (w *world) said(name string) int {
	n := 0
	for _, e := range w.events {
		if e.Name == name {
			n++
		}
	}
	return n
}

// stage finds a stage of the path as it stands.
func (w *world) stage(name StageName) Stage {
	for _, s := range w.o.Path(w.now) {
		if s.Stage == name {
			return s
		}
	}
	w.t.Fatalf("no stage %s", name)
	return Stage{}
}

func (w *world) row(stage StageName, name string) Row {
	w.t.Helper()
	for _, r := range w.stage(stage).Rows {
		if r.Name == name {
			return r
		}
	}
	w.t.Fatalf("no row %s in stage %s", name, stage)
	return Row{}
}

var testKey = sync.OnceValue(func() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
})

// selfSigned is a real certificate, for what is read from the wire.
func selfSigned(from, to time.Time) []byte {
	c := &x509.Certificate{SerialNumber: big.NewInt(0x4AF), Subject: pkix.Name{CommonName: "www.example.test"}, DNSNames: []string{"www.example.test"}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, c, c, testKey().Public(), testKey())
	if err != nil {
		panic(err)
	}
	return der
}

func servedChain(der []byte) []evidence.Observation {
	o := evidence.Observation{Probe: evidence.ProbeTLS, Check: "serial", Outcome: evidence.Pass}
	return []evidence.Observation{o.With(evidence.Served{Address: "192.0.2.1:443", Chain: [][]byte{der}})}
}

// equal fails unless got is want.
func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
