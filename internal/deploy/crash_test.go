package deploy

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/site"
)

// job is what a child process of the crash walk does, and before which change on disk it dies.
type job struct {
	Dir     string
	Step    int
	Receipt *order.Receipt // set: TakeBack, else Put
	Key     []byte
	Chain   [][]byte
}

const jobVariable = "CERTWRIGHT_TEST_CRASH_JOB"

// TestCrashChild is not a test: it is the child process that the walk kills.
func TestCrashChild(t *testing.T) {
	file := os.Getenv(jobVariable)
	if file == "" {
		t.Skip("only run by the crash walk")
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var j job
	if err := json.Unmarshal(b, &j); err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKCS8PrivateKey(j.Key)
	if err != nil {
		t.Fatal(err)
	}
	d := crashDeployer(j.Dir)
	n := 0
	d.step = func(string) {
		if n++; n == j.Step {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	if j.Receipt != nil {
		err = d.TakeBack(context.Background(), pairTarget("true"), *j.Receipt)
	} else {
		_, err = d.Put(context.Background(), site.Site{}, pairTarget("true"), fulfill.Certificate{Key: key.(crypto.Signer), Chain: j.Chain})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func crashDeployer(dir string) *Deployer {
	return New(Options{Now: time.Now, Roots: map[string]string{"web": dir}, Commands: map[string]Command{"true": {Argv: []string{"/bin/true"}}}})
}

// killed runs the job in a child and says whether it was killed at its step.
func (j job) killed(t *testing.T) bool {
	t.Helper()
	b, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "job")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrashChild$")
	cmd.Env = append(os.Environ(), jobVariable+"="+file)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		t.Fatalf("child: %v\n%s", err, out)
	}
	return false
}

// strictly is serves, but a half pair is not "nothing".
func (s *shop) strictly() string {
	_, err1 := os.Stat(s.path("www.crt"))
	_, err2 := os.Stat(s.path("www.key"))
	if errors.Is(err1, fs.ErrNotExist) != errors.Is(err2, fs.ErrNotExist) {
		return "half a pair"
	}
	return s.serves()
}

// starts are the states that a crash walk begins in.
var starts = map[string]struct {
	serves  string
	prepare func(s *shop)
}{
	"nothing there": {"nothing", func(*shop) {}},
	"plain files of another manager": {"01", func(s *shop) {
		c := s.ca.issue(s.t, 1)
		chain, _ := parseChain(c.Chain)
		key, _ := pemKey(c.Key)
		s.write("www.crt", string(pemCerts(chain)))
		s.write("www.key", string(key))
	}},
	"an earlier version of ours": {"01", func(s *shop) { s.settled(pairTarget("true"), s.ca.issue(s.t, 1)) }},
	"one file replaced by another manager": {"01", func(s *shop) {
		c := s.ca.issue(s.t, 1)
		s.settled(pairTarget("true"), c)
		b, _ := os.ReadFile(s.path("www.crt"))
		os.Remove(s.path("www.crt"))
		s.write("www.crt", string(b)+"\n")
	}},
}

func crashShop(t *testing.T, prepare func(*shop)) *shop {
	s := newShop(t, nil)
	s.d = crashDeployer(s.dir)
	prepare(s)
	return s
}

// TestCrashWalk kills Put before every single change on disk. Whatever is there then is the old pair or the new
// one; Put again comes to the end, and can still be taken back to just what was there at first.
func TestCrashWalk(t *testing.T) {
	t.Parallel()
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, tg := context.Background(), pairTarget("true")
			for step, going := 1, true; going; step += stride() {
				s := crashShop(t, start.prepare)
				before := plain(s.tree())
				c := s.ca.issue(t, 2)
				der, _ := x509.MarshalPKCS8PrivateKey(c.Key)
				going = job{Dir: s.dir, Step: step, Key: der, Chain: c.Chain}.killed(t)
				if got := s.strictly(); got != start.serves && got != "02" {
					t.Fatalf("killed before change %d: %s\n%s", step, got, s.tree())
				}
				r := s.put(tg, c)
				if got := s.strictly(); got != "02" || !r.Changed || r.Previous == "" {
					t.Fatalf("step %d, put again: %s, %+v", step, got, r)
				}
				if err := s.d.TakeBack(ctx, tg, r); err != nil || s.strictly() != start.serves {
					t.Fatalf("step %d, taken back: %s, %v", step, s.strictly(), err)
				}
				if after := plain(s.tree()); after != before {
					t.Fatalf("step %d: not as it was:\n%s\n--- before:\n%s", step, after, before)
				}
				s.settled(tg, c)
				if left := leftovers(s); s.strictly() != "02" || left != "" {
					t.Fatalf("step %d, at the end: %s, left over: %s", step, s.strictly(), left)
				}
			}
		})
	}
}

// TestCrashWalkTakeBack kills TakeBack before every change.
func TestCrashWalkTakeBack(t *testing.T) {
	t.Parallel()
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tg := pairTarget("true")
			for step, going := 1, true; going; step += stride() {
				s := crashShop(t, start.prepare)
				before := plain(s.tree())
				c := s.ca.issue(t, 2)
				r := s.put(tg, c)
				der, _ := x509.MarshalPKCS8PrivateKey(c.Key)
				going = job{Dir: s.dir, Step: step, Receipt: &r, Key: der, Chain: c.Chain}.killed(t)
				if got := s.strictly(); got != start.serves && got != "02" {
					t.Fatalf("killed before change %d: %s\n%s", step, got, s.tree())
				}
				if err := s.d.TakeBack(context.Background(), tg, r); err != nil || s.strictly() != start.serves {
					t.Fatalf("step %d, taken back again: %s, %v\n%s", step, s.strictly(), err, s.tree())
				}
				if after := plain(s.tree()); after != before {
					t.Fatalf("step %d: not as it was:\n%s\n--- before:\n%s", step, after, before)
				}
				s.settled(tg, c)
				if left := leftovers(s); s.strictly() != "02" || left != "" {
					t.Fatalf("step %d, at the end: %s, left over: %s", step, s.strictly(), left)
				}
			}
		})
	}
}

// stride: every step, or every fourth with -short.
func stride() int {
	if testing.Short() {
		return 4
	}
	return 1
}

// plain is a tree without Certwright's own state.
func plain(tree string) string {
	var l []string
	for _, line := range strings.Split(tree, "\n") {
		if !strings.Contains(line, " "+stateDir) {
			l = append(l, line)
		}
	}
	return strings.Join(l, "\n")
}

// leftovers are what should not be there after Settle: more than one version, or half-made links.
func leftovers(s *shop) string {
	versions, _ := filepath.Glob(s.path(stateDir + "/*/[cv]-*"))
	if len(versions) == 1 {
		versions = nil
	}
	temps, _ := filepath.Glob(s.path(".*certwright-new"))
	more, _ := filepath.Glob(s.path(stateDir + "/*/.*"))
	pending, _ := filepath.Glob(s.path(stateDir + "/*/" + pendingFile))
	l := append(append(append(versions, temps...), more...), pending...)
	if len(l) == 0 {
		return ""
	}
	return strconv.Itoa(len(l)) + ": " + strings.Join(l, " ")
}
