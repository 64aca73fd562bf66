package deploy

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"certwright/internal/order"
	"certwright/internal/site"
)

func sh(script string) Command { return Command{Argv: []string{"/bin/sh", "-c", script}} }

func TestReloadEvidence(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]Command{
		"env":   {Argv: []string{"/usr/bin/env"}, Env: []string{"COLOUR=blue"}},
		"both":  sh("echo out; echo err >&2; pwd"),
		"long":  sh("echo first; yes padding | head -c 200000; echo last"),
		"exit3": sh("echo bad config >&2; exit 3"),
		"leaks": sh("cat " + t.TempDir() + "/../nothing; printf -- '-----BEGIN PRIVATE KEY-----\\nMIGHsecret\\n-----END PRIVATE KEY-----\\nafter'"),
		"none":  {Argv: []string{"/nonexistent/reload"}},
		"bg":    sh("sleep 30 & echo started"),
	})
	ctx := context.Background()
	r, err := s.d.reload(ctx, "env")
	if err != nil || r.Exit != 0 {
		t.Fatal(r, err)
	}
	for _, l := range strings.Split(r.Output, "\n") {
		if name, _, _ := strings.Cut(l, "="); name != "PATH" && name != "LANG" && name != "COLOUR" {
			t.Errorf("the server's environment is passed on: %s", name)
		}
	}
	if r, err := s.d.reload(ctx, "both"); err != nil || r.Output != "out\nerr\n/" {
		t.Errorf("output %q %v", r.Output, err)
	}
	if r, _ := s.d.reload(ctx, "long"); len(r.Output) > maxOutput || !strings.HasPrefix(r.Output, "first") || !strings.HasSuffix(r.Output, "[...]") && len(r.Output) < 2000 {
		t.Errorf("output of %d bytes", len(r.Output))
	}
	if r, err := s.d.reload(ctx, "exit3"); err == nil || r.Exit != 3 || r.Output != "bad config" || r.Error == "" {
		t.Errorf("%+v %v", r, err)
	}
	if r, _ := s.d.reload(ctx, "leaks"); strings.Contains(r.Output, "MIGHsecret") || !strings.Contains(r.Output, "after") {
		t.Errorf("a private key is shown: %q", r.Output)
	}
	if r, err := s.d.reload(ctx, "none"); err == nil || r.Exit != -1 {
		t.Errorf("%+v %v", r, err)
	}
	start := time.Now()
	if _, err := s.d.reload(ctx, "bg"); err != nil || time.Since(start) > 20*time.Second {
		t.Errorf("a command that leaves something running: %v after %v", err, time.Since(start))
	}
}

func TestReloadAsUser(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]Command{"id": {Argv: []string{"/usr/bin/id", "-un"}, User: "nobody"}, "root": {Argv: []string{"/usr/bin/id", "-un"}, User: "root"}})
	r, err := s.d.reload(context.Background(), "id")
	if os.Geteuid() == 0 {
		if err != nil || r.Output != "nobody" {
			t.Errorf("%+v %v", r, err)
		}
		return
	}
	if _, err := s.d.Put(context.Background(), site.Site{}, pairTarget("root"), s.ca.issue(t, 1)); problemOf(t, err).ID != idForbidden {
		t.Errorf("an ordinary user runs a command as root: %v", err)
	}
}

// TestReloadFailsAndFilesComeBack walks the ways in which a reload fails. Where the former files load,
// the new ones are to blame; where they do not load either, something else is.
func TestReloadFailsAndFilesComeBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string // $1 is the root
		id     string
		says   string
	}{
		"refuses the new files":    {`openssl x509 -in $1/www.crt -noout -serial | grep -q =01`, idOwn, "exit status 1"},
		"refuses any":              {`test ! -e $1/broken || { echo unknown directive in other.conf:7; exit 1; }`, idUnrelated, "other.conf:7"},
		"is not permitted":         {`test ! -e $1/broken || { echo 'user web is not allowed to execute nginx'; exit 1; }`, idForbidden, "not allowed"},
		"names the files it hates": {`openssl x509 -in $1/www.crt -noout -serial | grep -q =01 || { echo cannot load $1/www.crt: Permission denied; exit 1; }`, idOwn, "cannot load"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			commands := map[string]Command{}
			s := newShop(t, commands)
			commands["reload"] = Command{Argv: []string{"/bin/sh", "-c", c.script, "reload", s.dir}}
			tg := pairTarget("reload")
			s.settled(tg, s.ca.issue(t, 1))
			before := s.tree()
			s.write("broken", "")
			two := s.ca.issue(t, 2)
			r, err := s.d.Put(context.Background(), site.Site{}, tg, two)
			p := problemOf(t, err)
			if p.ID != c.id || p.Class != order.Retry || !strings.Contains(p.Detail, c.says) || !strings.Contains(p.Detail, "former files are back") {
				t.Errorf("%+v", p)
			}
			if r.Reload == nil || r.Reload.Exit != 1 {
				t.Errorf("receipt %+v", r.Reload)
			}
			if s.serves() != "01" {
				t.Errorf("serves %s", s.serves())
			}
			os.Remove(s.path("broken"))
			if p.ID == idOwn && s.tree() != before {
				t.Errorf("left behind:\n%s\n--- before:\n%s", s.tree(), before)
			}
			if p.ID == idOwn {
				return
			}
			if r := s.put(tg, two); !r.Changed || s.serves() != "02" {
				t.Errorf("once the cause is gone: %+v, serves %s", r, s.serves())
			}
		})
	}
}

// TestReloadHangs: it is killed with everything it started, and the former files come back.
func TestReloadHangs(t *testing.T) {
	t.Parallel()
	pid := filepath.Join(t.TempDir(), "pid")
	commands := map[string]Command{}
	s := newShop(t, commands)
	tg := pairTarget("hang")
	commands["hang"] = sh("true")
	s.settled(tg, s.ca.issue(t, 1))
	commands["hang"] = Command{Argv: []string{"/bin/sh", "-c", "sleep 600 & echo $! >" + pid + "; wait"}, Timeout: 2 * time.Second} // a shell that is slow to start has written by then
	start := time.Now()
	_, err := s.d.Put(context.Background(), site.Site{}, tg, s.ca.issue(t, 2))
	p := problemOf(t, err)
	if p.ID != idHook || !strings.Contains(p.Detail, "time limit") || time.Since(start) > 20*time.Second {
		t.Errorf("%+v after %v", p, time.Since(start))
	}
	if s.serves() != "01" {
		t.Errorf("serves %s", s.serves())
	}
	b, _ := os.ReadFile(pid)
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); alive(n); { // a kill takes effect when its target is next scheduled
		if time.Now().After(deadline) {
			t.Fatalf("process %d, started by the command, still runs", n)
		}
		runtime.Gosched()
	}
}

// alive says whether a process runs; a killed one may wait as a zombie for its new parent.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return syscall.Kill(pid, 0) == nil
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// TestStopDuringReload: when the server stops in the middle of a reload, the next start runs it again.
func TestStopDuringReload(t *testing.T) {
	t.Parallel()
	commands := map[string]Command{}
	s := newShop(t, commands)
	tg := pairTarget("reload")
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	commands["reload"] = sh("echo up >" + fifo + "; sleep 600")
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		os.ReadFile(fifo) // returns once the command runs
		stop()
	}()
	one := s.ca.issue(t, 1)
	_, err := s.d.Put(ctx, site.Site{}, tg, one)
	problemOf(t, err)
	if obs := s.d.Observe(context.Background(), tg, one); check(obs, CheckReload) != "FAIL" || check(obs, CheckSerial) != "PASS" {
		t.Errorf("an outstanding reload is not seen: %v", obs)
	}
	var runs func() int
	ok, runs := counter(t)
	commands["reload"] = ok["count"]
	r := s.put(tg, one)
	if !r.Changed || runs() != 1 || r.Previous == "" || r.Reload == nil {
		t.Errorf("%+v, %d reloads", r, runs())
	}
	if err := s.d.TakeBack(context.Background(), tg, r); err != nil || s.serves() != "nothing" {
		t.Errorf("taken back: %v, serves %s", err, s.serves())
	}
}

// Reload runs the command though no file changed, and tells a failure as a problem; without a command it is nothing.
func TestReloadAlone(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	count := s.path("count")
	s.d.commands = map[string]Command{"tick": {Argv: []string{"/bin/sh", "-c", "echo x >> " + count}}, "fail": {Argv: []string{"/bin/sh", "-c", "exit 3"}}}
	s.settled(pairTarget("tick"), s.ca.issue(t, 1))
	if ran, err := s.d.Reload(context.Background(), pairTarget("tick")); err != nil || ran == nil || ran.Exit != 0 {
		t.Fatal(ran, err)
	}
	if b, _ := os.ReadFile(count); string(b) != "x\nx\n" {
		t.Errorf("the command ran %d times, want 2", strings.Count(string(b), "x"))
	}
	_, err := s.d.Reload(context.Background(), pairTarget("fail"))
	if p := problemOf(t, err); p.ID != idOwn || s.serves() != "01" {
		t.Errorf("%+v, serves %s", p, s.serves())
	}
	if ran, err := s.d.Reload(context.Background(), pairTarget("")); ran != nil || err != nil {
		t.Error(ran, err)
	}
}
