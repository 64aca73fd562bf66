package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/site"
)

var _ fulfill.Verifier = (*Verifier)(nil)

func challenge(name, token string) order.Proof {
	return order.Proof{Name: order.Name{Kind: order.DNS, Value: name}, Method: order.MethodHTTP01, Token: token, Value: token + ".thumbprint"}
}

// tree lists what is under a directory, with modes.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		list = append(list, fmt.Sprintf("%s %s", rel, info.Mode()))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func shop(webroots ...string) []site.Site {
	var s []site.Site
	for i, w := range webroots {
		s = append(s, site.Site{Name: fmt.Sprintf("shop%d", i), Webroot: w})
	}
	return s
}

func wantProblem(t *testing.T, err error, class order.Class, owner string) *order.Problem {
	t.Helper()
	var p *order.Problem
	if !errors.As(err, &p) {
		t.Fatalf("error is %v, want a Problem", err)
	}
	if p.Class != class || p.Owner != owner || p.What == "" || p.Detail == "" || p.Cause == "" || p.Fix == "" || p.At.IsZero() {
		t.Fatalf("problem is %+v, want class %s, owner %s", p, class, owner)
	}
	return p
}

func TestWebroot(t *testing.T) {
	t.Parallel()
	ctx, a, b := context.Background(), t.TempDir(), t.TempDir()
	v := New(Options{Now: time.Now, Webroots: map[string]string{"a": a, "b": b}})
	p := challenge("www.example.test", "tok-1_A")
	for range 2 {
		if err := v.Publish(ctx, shop("a", "b", "a"), p); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{a, b} {
		file := filepath.Join(dir, challengeDir, "tok-1_A")
		got, err := os.ReadFile(file)
		if err != nil || string(got) != p.Value {
			t.Fatalf("file holds %q, %v", got, err)
		}
		for path, want := range map[string]fs.FileMode{file: 0o644, filepath.Dir(file): fs.ModeDir | 0o755, filepath.Join(dir, ".well-known"): fs.ModeDir | 0o755} {
			if info, err := os.Stat(path); err != nil || info.Mode() != want {
				t.Errorf("%s: mode %v, want %v, %v", path, info.Mode(), want, err)
			}
		}
	}
	// By another process, after a crash, and with the site gone.
	v = New(Options{Now: time.Now, Webroots: map[string]string{"a": a, "b": b}})
	for range 2 {
		if err := v.Withdraw(ctx, nil, p); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{a, b} {
		if left := tree(t, dir); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

// TestCrashPoints: whatever step a publication or a withdrawal was killed after, publishing again works,
// and withdrawing leaves nothing of ours and all that is others'.
func TestCrashPoints(t *testing.T) {
	t.Parallel()
	p := challenge("www.example.test", "tok")
	wk, dir := ".well-known", challengeDir
	file := dir + "/tok"
	states := []struct {
		name  string
		dirs  []string
		files map[string]string
	}{
		{"mark of the outer directory", nil, map[string]string{markOf(wk): ""}},
		{"outer directory", []string{wk}, map[string]string{markOf(wk): ""}},
		{"both directories", []string{dir}, map[string]string{markOf(wk): "", markOf(dir): ""}},
		{"mark of the file", []string{dir}, map[string]string{markOf(wk): "", markOf(dir): "", markOf(file): p.Value}},
		{"half a mark", []string{dir}, map[string]string{markOf(wk): "", markOf(dir): "", markOf(file): "to"}},
		{"new file", []string{dir}, map[string]string{markOf(wk): "", markOf(dir): "", markOf(file): p.Value, markOf(file) + ".new": p.Value}},
		{"published", []string{dir}, map[string]string{markOf(wk): "", markOf(dir): "", markOf(file): p.Value, file: p.Value}},
		{"inner directory removed, its mark not", []string{wk}, map[string]string{markOf(wk): "", markOf(dir): ""}},
		{"outer directory removed, its mark not", nil, map[string]string{markOf(wk): ""}},
	}
	for _, s := range states {
		for _, again := range []bool{false, true} {
			for _, foreign := range []bool{false, true} {
				root := t.TempDir()
				for _, d := range s.dirs {
					if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
						t.Fatal(err)
					}
				}
				for f, c := range s.files {
					if err := os.WriteFile(filepath.Join(root, f), []byte(c), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				other := filepath.Join(root, dir, "other")
				if foreign && slices.Contains(s.dirs, dir) {
					if err := os.WriteFile(other, []byte("theirs"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				v := New(Options{Now: time.Now, Webroots: map[string]string{"w": root}})
				if again {
					if err := v.Publish(context.Background(), shop("w"), p); err != nil {
						t.Fatalf("%s: publish: %v", s.name, err)
					}
					if got, err := os.ReadFile(filepath.Join(root, file)); err != nil || string(got) != p.Value {
						t.Errorf("%s: published %q, %v", s.name, got, err)
					}
				}
				if err := v.Withdraw(context.Background(), shop("w"), p); err != nil {
					t.Fatalf("%s: withdraw: %v", s.name, err)
				}
				left := tree(t, root)
				if foreign && slices.Contains(s.dirs, dir) {
					if got, err := os.ReadFile(other); err != nil || string(got) != "theirs" || slices.ContainsFunc(left, func(l string) bool { return strings.Contains(l, "tok") }) {
						t.Errorf("%s: %q %v, left %v", s.name, got, err, left)
					}
				} else if len(left) != 0 {
					t.Errorf("%s, again %v: left behind %v", s.name, again, left)
				}
			}
		}
	}
}

func TestForeignFilesStay(t *testing.T) {
	t.Parallel()
	ctx, root := context.Background(), t.TempDir()
	dir := filepath.Join(root, validationDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	v := New(Options{Now: time.Now, Webroots: map[string]string{"w": root}})
	p := order.Proof{Name: order.Name{Kind: order.DNS, Value: "www.example.test"}, Method: order.MethodHTML, Token: "page.html", Value: "the-token"}
	file := filepath.Join(dir, "page.html")

	// Put there by hand with a newline: that will do, and it stays.
	if err := os.WriteFile(file, []byte("the-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := v.Publish(ctx, shop("w"), p); err != nil {
		t.Fatal(err)
	}
	// Another content: not overwritten, and said.
	if err := v.Withdraw(ctx, shop("w"), p); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("somebody else's"), 0o600); err != nil {
		t.Fatal(err)
	}
	prob := wantProblem(t, v.Publish(ctx, shop("w"), p), order.Retry, order.OwnerAdmin)
	if !strings.Contains(prob.Where, file) || !strings.Contains(prob.Detail, "did not write") {
		t.Errorf("%+v", prob)
	}
	if err := v.Withdraw(ctx, shop("w"), p); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "somebody else's" {
		t.Errorf("%q, %v", got, err)
	}
	// The owner's empty directories stay too.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := v.Publish(ctx, shop("w"), p); err != nil {
		t.Fatal(err)
	}
	if err := v.Withdraw(ctx, shop("w"), p); err != nil {
		t.Fatal(err)
	}
	if left := tree(t, root); len(left) != 2 {
		t.Errorf("the owner's two directories are now %v", left)
	}
}

func TestPathEscapes(t *testing.T) {
	t.Parallel()
	ctx, base := context.Background(), t.TempDir()
	root, outside := filepath.Join(base, "root"), filepath.Join(base, "outside")
	for _, d := range []string{root, outside} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r := NewResponder(nil)
	v := New(Options{Now: time.Now, Webroots: map[string]string{"w": root}, Responder: r})
	for _, token := range []string{"", ".", "..", "../../x", "a/b", "a\\b", "a\x00b", "/etc/x", "tok\n", "%2e%2e", ".hidden", "a..b", strings.Repeat("a", 300), "tök"} {
		for _, m := range []order.Method{order.MethodHTTP01, order.MethodHTML} {
			p := challenge("www.example.test", token)
			p.Method = m
			wantProblem(t, v.Publish(ctx, shop("w"), p), order.GiveUp, order.OwnerIssuer)
			if err := v.Withdraw(ctx, shop("w"), p); err != nil {
				t.Errorf("withdraw of %q: %v", token, err)
			}
		}
	}
	if left := tree(t, base); len(left) != 2 {
		t.Errorf("written: %v", left)
	}
	// A symbolic link out of the root is not followed, whichever part it is.
	for _, link := range []string{".well-known", ".well-known/acme-challenge"} {
		if err := os.RemoveAll(filepath.Join(root, ".well-known")); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(link, "/") {
			if err := os.Mkdir(filepath.Join(root, ".well-known"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(outside, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
		p := wantProblem(t, v.Publish(ctx, shop("w"), challenge("www.example.test", "tok")), order.Retry, order.OwnerAdmin)
		if !strings.Contains(p.Cause, "symbolic link") {
			t.Errorf("%s: cause %q, detail %q", link, p.Cause, p.Detail)
		}
		if left := tree(t, outside); len(left) != 0 {
			t.Errorf("%s: written outside: %v", link, left)
		}
	}
}

func TestWebrootTrouble(t *testing.T) {
	t.Parallel()
	ctx, good := context.Background(), t.TempDir()
	r := NewResponder(nil)
	v := New(Options{Now: time.Now, Webroots: map[string]string{"good": good, "gone": filepath.Join(good, "not", "there")}, Responder: r})
	p := challenge("www.example.test", "tok")
	if prob := wantProblem(t, v.Publish(ctx, shop("good", "unknown"), p), order.Retry, order.OwnerAdmin); !strings.Contains(prob.Where, "unknown") {
		t.Errorf("%+v", prob)
	}
	if prob := wantProblem(t, v.Publish(ctx, shop("good", "gone"), p), order.Retry, order.OwnerAdmin); !strings.Contains(prob.Cause, "not there") {
		t.Errorf("%+v", prob)
	}
	if left := tree(t, good); len(left) != 0 {
		t.Errorf("half published: %v", left)
	}
	if _, ok := r.find(ctx, challengeDir+"/tok"); ok {
		t.Error("half published in memory")
	}
	if err := v.Withdraw(ctx, shop("good", "gone", "unknown"), p); err != nil {
		t.Errorf("withdrawing where nothing is: %v", err)
	}
}

// TestNoPermission: a webroot that belongs to someone else is named with the cause.
func TestNoPermission(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere; the test needs an ordinary user")
	}
	root := t.TempDir()
	if err := os.Chmod(root, 0o555); err != nil {
		t.Fatal(err)
	}
	v := New(Options{Now: time.Now, Webroots: map[string]string{"w": root}})
	p := wantProblem(t, v.Publish(context.Background(), shop("w"), challenge("www.example.test", "tok")), order.Retry, order.OwnerAdmin)
	if !strings.Contains(p.Cause, "may not write") || !strings.Contains(p.Where, root) {
		t.Errorf("%+v", p)
	}
}

func TestConcurrent(t *testing.T) {
	t.Parallel()
	ctx, root := context.Background(), t.TempDir()
	// Two verifiers, as two replicas on one file system would be, would need more than a lock; within one
	// process every proof is published and withdrawn beside the others.
	v := New(Options{Now: time.Now, Webroots: map[string]string{"w": root}, Responder: NewResponder(nil)})
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			p := challenge("www.example.test", fmt.Sprintf("tok%d", i))
			for range 5 {
				if err := v.Publish(ctx, shop("w"), p); err != nil {
					t.Error(err)
				}
				if got, err := os.ReadFile(filepath.Join(root, challengeDir, p.Token)); err != nil || string(got) != p.Value {
					t.Errorf("%q, %v", got, err)
				}
				if err := v.Withdraw(ctx, shop("w"), p); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if left := tree(t, root); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// fakeLooker sees fixed things: the seam alone; the real prober is in the end-to-end tests.
type fakeLooker struct {
	pages   map[string]string
	records map[string][]string
}

func (f fakeLooker) FetchHTTP(_ context.Context, u string, _ ...netip.Addr) []evidence.Observation {
	body, ok := f.pages[u]
	o := evidence.Observation{Probe: evidence.ProbeHTTP, Check: "http-status", Subject: u, Outcome: evidence.Pass, Seen: "status 200", Command: "curl " + u}
	if !ok {
		o.Outcome, o.Seen = evidence.Fail, "status 404"
	}
	return []evidence.Observation{o.With(evidence.Fetched{URL: u, Body: []byte(body)})}
}

func (f fakeLooker) LookDNS(_ context.Context, name, qtype string) evidence.Observation {
	r := f.records[name+" "+qtype]
	o := evidence.Observation{Probe: evidence.ProbeDNS, Subject: name + " " + qtype, Outcome: evidence.Pass, Seen: strings.Join(r, "; ")}
	if len(r) == 0 {
		o.Outcome = evidence.Fail
	}
	return o.With(evidence.Resolved{Name: name, Type: qtype, Records: r})
}

func (f fakeLooker) LookServers(ctx context.Context, name, qtype string) []evidence.Observation {
	return []evidence.Observation{f.LookDNS(ctx, name, qtype)}
}

func TestByHand(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	looker := fakeLooker{pages: map[string]string{}, records: map[string][]string{}}
	txt := order.Proof{Name: order.Name{Kind: order.DNS, Value: "www.example.test"}, Method: order.MethodTXT, Token: "example.test", Value: "v-1"}
	html := order.Proof{Name: order.Name{Kind: order.DNS, Value: "www.example.test"}, Method: order.MethodHTML, Token: "p.html", Value: "v-2"}
	v6 := order.Proof{Name: order.Name{Kind: order.IP, Value: "2001:db8::1"}, Method: order.MethodHTML, Token: "p.html", Value: "v-3"}

	for _, r := range []*Responder{nil, NewResponder(nil)} {
		v := New(Options{Now: time.Now, Looker: looker, Responder: r})
		p := wantProblem(t, v.Publish(ctx, nil, txt), order.Waiting, order.OwnerOwner)
		if !strings.Contains(p.Fix, `example.test. 300 IN TXT "v-1"`) {
			t.Errorf("fix: %s", p.Fix)
		}
		p = wantProblem(t, v.Publish(ctx, nil, html), order.Waiting, order.OwnerOwner)
		if !strings.Contains(p.Fix, "http://www.example.test/.well-known/pki-validation/p.html") || !strings.Contains(p.Fix, "v-2") {
			t.Errorf("fix: %s", p.Fix)
		}
		p = wantProblem(t, v.Publish(ctx, nil, v6), order.Waiting, order.OwnerOwner)
		if !strings.Contains(p.Fix, "http://[2001:db8::1]/.well-known/pki-validation/p.html") {
			t.Errorf("fix: %s", p.Fix)
		}
	}
	wantProblem(t, New(Options{Now: time.Now}).Publish(ctx, nil, challenge("www.example.test", "tok")), order.Waiting, order.OwnerOwner)

	looker.records["example.test TXT"] = []string{"v=spf1 -all", "v-1"}
	looker.pages["http://www.example.test/.well-known/pki-validation/p.html"] = "v-2\n"
	v := New(Options{Now: time.Now, Looker: looker})
	for _, p := range []order.Proof{txt, html} {
		if err := v.Publish(ctx, nil, p); err != nil {
			t.Errorf("it is there: %v", err)
		}
		if err := v.Withdraw(ctx, nil, p); err != nil {
			t.Error(err)
		}
	}
	looker.records["example.test TXT"] = []string{"v-0"}
	wantProblem(t, v.Publish(ctx, nil, txt), order.Waiting, order.OwnerOwner)
}

func TestRecordOwner(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, token, want string }{
		{"www.example.test", "example.test", "example.test"},
		{"www.example.test", "Example.Test.", "example.test"},
		{"*.example.test", "", "example.test"},
		{"www.example.test", "some-token", "www.example.test"},
		{"www.example.test", "ample.test", "www.example.test"},
		{"www.example.test", "_verify.www.example.test", "_verify.www.example.test"},
	} {
		if got := recordOwner(order.Proof{Name: order.Name{Value: tt.name}, Token: tt.token}); got != tt.want {
			t.Errorf("%s, %s: %s, want %s", tt.name, tt.token, got, tt.want)
		}
	}
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	p := challenge("www.example.test", "tok")
	u := "http://www.example.test:8080/.well-known/acme-challenge/tok"
	tests := []struct {
		name, page string
		there      bool
		want       evidence.Outcome
	}{
		{"exact", p.Value, true, evidence.Pass},
		{"with a newline", p.Value + "\r\n", true, evidence.Pass},
		{"byte order mark", "\ufeff" + p.Value, true, evidence.Fail},
		{"other value", "tok.other", true, evidence.Fail},
		{"404", "", false, evidence.Fail},
	}
	for _, tt := range tests {
		l := fakeLooker{pages: map[string]string{}}
		if tt.there {
			l.pages[u] = tt.page
		}
		seen := New(Options{Now: time.Now, Looker: l, HTTPPort: 8080}).Preflight(context.Background(), p)
		if len(seen) != 1 || seen[0].Outcome != tt.want || seen[0].Expected != p.Value || seen[0].Command == "" || !json.Valid(seen[0].Data) {
			t.Errorf("%s: %v", tt.name, seen)
		}
	}
	// A page of the built-in authority is looked for where that authority says it looks.
	page := order.Proof{Name: p.Name, Method: order.MethodHTML, Token: "p.html", Value: "v", URL: "http://www.example.test:8081/.well-known/pki-validation/p.html"}
	l := fakeLooker{pages: map[string]string{page.URL: "v"}}
	if seen := New(Options{Now: time.Now, Looker: l}).Preflight(context.Background(), page); len(seen) != 1 || seen[0].Outcome != evidence.Pass {
		t.Errorf("page at the authority's own URL: %v", seen)
	}
	seen := New(Options{Now: time.Now}).Preflight(context.Background(), p)
	if len(seen) != 1 || seen[0].Outcome != evidence.Unknown || seen[0].Reason == "" {
		t.Errorf("nothing to look with: %v", seen)
	}
}
