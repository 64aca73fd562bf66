package order

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"certwright/internal/evidence"
)

var update = flag.Bool("update", false, "write the golden files anew")

// aloud is a path as a person reads it at night: what is wrong, since when, who must act, by when, what comes next.
func (w *world) aloud() string {
	var b strings.Builder
	p := w.o.Project(w.now)
	fmt.Fprintf(&b, "now %s: %s, vault %s, %s %s\n", clock(&w.now), p.Status, p.Vault, p.Stage, p.State)
	for _, s := range w.o.Path(w.now) {
		if s.State == Absent {
			continue
		}
		fmt.Fprintf(&b, "%s: %s", s.Stage, s.State)
		for _, part := range []struct {
			word string
			t    *time.Time
		}{{"since", s.Since}, {"by", s.Deadline}, {"next at", s.NextAt}} {
			if part.t != nil {
				fmt.Fprintf(&b, ", %s %s", part.word, clock(part.t))
			}
		}
		if s.Owner != "" {
			fmt.Fprintf(&b, ", %s must act", s.Owner)
		}
		b.WriteString("\n")
		if s.Problem != nil {
			fmt.Fprintf(&b, "  wrong: %s\n", s.Problem)
			if s.Problem.Cause != "" {
				fmt.Fprintf(&b, "  cause: %s\n", s.Problem.Cause)
			}
		}
		if s.Next != "" {
			fmt.Fprintf(&b, "  next: %s\n", s.Next)
		}
		for _, r := range s.Rows {
			fmt.Fprintf(&b, "  - %s %s: %s\n", r.Name, r.State, r.Text)
		}
	}
	return b.String()
}

func clock(t *time.Time) string { return t.UTC().Format("01-02 15:04:05") }

// The path in typical situations, word for word: read the golden file aloud after a change.
func TestPathReadAloud(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, s := range situations {
		fmt.Fprintf(&b, "== %s\n%s\n", s.name, s.build(t).aloud())
	}
	file := filepath.Join("testdata", "paths.txt")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(b.String(), "\n")
	for i, line := range strings.Split(string(want), "\n") {
		if i >= len(got) || got[i] != line {
			t.Fatalf("line %d of %s:\n got %q\nwant %q\n(go test -run PathReadAloud -update writes it anew)", i+1, file, got[min(i, len(got)-1)], line)
		}
	}
}

var situations = []struct {
	name  string
	build func(*testing.T) *world
}{
	{"just ordered", func(t *testing.T) *world { return newWorld(t) }},
	{"the issuer is being asked", func(t *testing.T) *world {
		w := newWorld(t)
		w.step(Step{StepBegin, string(P256)})
		return w
	}},
	{"the owner has to publish a record", func(t *testing.T) *world { w := waitsForOwner(t); w.wait(2 * day); return w }},
	{"the issuer cannot be reached", func(t *testing.T) *world {
		w := newWorld(t)
		w.on("begin", func(s Step) []Result {
			r := w.beginFails(Retry)(s)[0].(BeginFailed)
			r.Problem = &Problem{Class: Retry, What: "read the directory", Where: "https://le.test/dir", Detail: "connection refused", Cause: "the authority is down or a firewall rejects", Owner: OwnerIssuer, At: w.now}
			return []Result{r}
		})
		w.wait(time.Hour)
		return w
	}},
	{"a name was refused", func(t *testing.T) *world {
		w := newWorld(t)
		w.on("obtain", func(s Step) []Result {
			p := w.problem(GiveUp, "verify www.example.test")
			p.Owner, p.Where, p.Detail, p.Fix = OwnerOwner, "http://www.example.test/.well-known/acme-challenge/token", "404 Not Found", "Serve the file under that address"
			return []Result{Proved{s.Key, []Proof{{Name: w.o.Spec.Names[0], Method: MethodHTTP01, Problem: p}}}, AttemptFailed{s.Key, p}}
		})
		w.wait(10 * time.Minute)
		return w
	}},
	{"the vault takes nothing", func(t *testing.T) *world {
		w := newWorld(t)
		w.on("obtain", w.signedNotStored())
		w.on("store", w.storeFails())
		w.wait(time.Hour)
		return w
	}},
	{"all is well", func(t *testing.T) *world { w := newWorld(t); w.wait(time.Hour); return w }},
	{"one of three targets fails, a renewal is out", func(t *testing.T) *world {
		w := worldOf(t, Ordered, newWorld(t).o.Spec, shop("a", "b", "c"))
		w.on("deploy", func(s Step) []Result { return w.success(s)[:1] })
		w.run()
		w.wait(2 * time.Hour)
		w.on("deploy shop/b", w.deployFails())
		w.command(CmdRenew)
		w.run()
		return w
	}},
	{"deployed, not served", func(t *testing.T) *world {
		w := newWorld(t)
		w.on("deploy", func(s Step) []Result {
			seen := []evidence.Observation{{Probe: evidence.ProbeTLS, Check: "serial", Outcome: evidence.Fail, Expected: "A1", Seen: "B0", Command: "openssl s_client -connect 192.0.2.1:443"}}
			return []Result{w.success(s)[0], Looked{Key: w.o.Endpoints[0].Key(), Seen: seen}}
		})
		w.run()
		return w
	}},
	{"the endpoint cannot be seen from here", func(t *testing.T) *world {
		w := newWorld(t)
		blind := []evidence.Observation{{Outcome: evidence.Unknown, Reason: "no route to host"}}
		w.on("deploy", func(s Step) []Result {
			return []Result{w.success(s)[0], Looked{Key: w.o.Endpoints[0].Key(), Seen: blind}}
		})
		w.run()
		return w
	}},
	{"a renewal fails while the old version serves", renewing},
	{"expired, and the renewal fails", expired},
	{"a rekey is under way", func(t *testing.T) *world {
		w := newWorld(t)
		w.run()
		w.command(CmdRekey)
		w.step(Step{StepBegin, string(P256)})
		return w
	}},
	{"stored, not deployed yet", func(t *testing.T) *world {
		w := newWorld(t)
		w.run()
		w.command(CmdRenew)
		w.step(Step{StepBegin, string(P256)})
		w.step(Step{StepObtain, w.o.Running(P256).ID})
		return w
	}},
	{"automatic renewal is off", func(t *testing.T) *world {
		w := newWorld(t, func(s *Spec) { s.AutoRenew = false })
		w.life = 9 * day
		w.wait(7 * day)
		return w
	}},
	{"no worker has run for a day", func(t *testing.T) *world { w := newWorld(t); w.run(); w.now = w.now.Add(27 * time.Hour); return w }},
	{"denied", func(t *testing.T) *world { w := waitsForOwner(t); w.wait(VerifyWithin); return w }},
	{"canceled", func(t *testing.T) *world { w := waitsForOwner(t); w.command(CmdCancel); w.run(); return w }},
	{"a revocation fails", pendingRevocation},
	{"revoked", func(t *testing.T) *world { w := newWorld(t); w.run(); w.command(CmdRevoke); w.run(); return w }},
	{"imported, near its end", func(t *testing.T) *world { w := imported(t, 9*day, false); w.wait(7 * day); return w }},
	{"watched, near its end", func(t *testing.T) *world { w := watched(t, 9*day); w.wait(7 * day); return w }},
}
