package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options say how scenarios are run.
type Options struct {
	Seed   uint64
	Jobs   int    // how many at once
	Bin    string // folder with certwright (and pebble); empty = built from this tree
	Only   string // regular expression on SET/ID
	Fast   bool   // only those that say fast: true
	Stack  string // only this stack
	Wait   bool   // stop once the fault is in, for a person
	Base   bool   // only bring the base up and wait
	Out    io.Writer
	Report bool // print each miss's findings
	Twice  bool // run each miss again at the end, alone: the second time counts, the first is kept in Result.First
	Timing bool // say at the end where the time went
}

// Ready says why scenarios cannot be run here; nil if they can.
func Ready() error {
	if os.Geteuid() != 0 {
		return errors.New("scenarios need root: each has network and mount namespaces of its own, with ports 53, 80 and 443. Run it with sudo, or in a container with --privileged")
	}
	c := exec.Command("true")
	apart(c)
	if err := c.Run(); err != nil {
		return fmt.Errorf("the kernel does not give namespaces (unshare -n -m -p): %w. In a container, start it with --privileged", err)
	}
	for _, p := range strings.Fields("named rndc dnssec-keygen dnssec-signzone dnssec-dsfromkey unbound unbound-control nginx dig openssl ip awk setsid") {
		if _, err := (&world{}).program(p); err != nil {
			return err
		}
	}
	return nil
}

// kit is what all runs share.
type kit struct {
	bin      string
	flags    []string
	fixes    bool
	evidence bool
}

// Jobs is how many scenarios run at once where nothing else is said: each waits for most of its time.
func Jobs() int { return 2 * runtime.NumCPU() }

// Run runs the scenarios and gives their results in the order of the list. A broken one is run once more at the end,
// alone: on a busy machine a server may not be up in time, and that says nothing about the scenario.
func Run(ctx context.Context, list []*Spec, o Options) ([]*Result, error) {
	if err := Ready(); err != nil {
		return nil, err
	}
	list, err := chosen(list, o)
	if err != nil {
		return nil, err
	}
	k, done, err := prepare(ctx, o)
	if err != nil {
		return nil, err
	}
	defer done()
	results := make([]*Result, len(list))
	var wg sync.WaitGroup
	var mu sync.Mutex
	next, finished := 0, 0
	for range max(1, o.Jobs) {
		wg.Go(func() {
			for ctx.Err() == nil {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(list) {
					return
				}
				r := k.one(ctx, list[i], o)
				mu.Lock()
				results[i] = r
				finished++
				fmt.Fprintf(o.Out, "%s  %s", r.line(), progress(finished, len(list)))
				if o.Report && r.Outcome != Hit {
					r.explain(o.Out)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for i, r := range results {
		if r != nil && (r.Outcome == Broken || o.Twice && r.Outcome == Miss) && len(list) > 1 && ctx.Err() == nil {
			results[i] = k.one(ctx, list[i], o)
			results[i].Again, results[i].First = true, r.Outcome
			fmt.Fprintf(o.Out, "%s  (again, alone)\n", results[i].line())
		}
	}
	return slices.DeleteFunc(results, func(r *Result) bool { return r == nil }), ctx.Err()
}

func progress(n, of int) string { return fmt.Sprintf("(%d/%d)\n", n, of) }

// chosen are the scenarios that the options name.
func chosen(list []*Spec, o Options) ([]*Spec, error) {
	re, err := regexp.Compile(o.Only)
	if err != nil {
		return nil, fmt.Errorf("-only: %w", err)
	}
	var out []*Spec
	for _, s := range list {
		if re.MatchString(s.Set+"/"+s.ID) && (!o.Fast || s.Fast) && (o.Stack == "" || s.Stack == o.Stack) {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no scenario is left to run")
	}
	return out, nil
}

// prepare builds the programs under test into one folder.
func prepare(ctx context.Context, o Options) (*kit, func(), error) {
	dir, err := os.MkdirTemp("", "certwright-scenarios-")
	if err != nil {
		return nil, nil, err
	}
	done := func() { _ = os.RemoveAll(dir) } // a temporary folder: what stays does no harm
	fail := func(err error) (*kit, func(), error) { done(); return nil, nil, err }
	if err := os.Chmod(dir, 0o755); err != nil {
		return fail(err)
	}
	bin := ""
	if o.Bin != "" {
		if bin, err = filepath.Abs(o.Bin); err != nil {
			return fail(err)
		}
	}
	for program := range programsOf {
		from := filepath.Join(bin, program)
		if self, err := os.Executable(); err == nil && program == filepath.Base(self) {
			from = self
		}
		if filepath.IsAbs(from) && executable(from) {
			if err := run("cp", from, filepath.Join(dir, program)); err != nil {
				return fail(err)
			}
		}
	}
	if err := buildAll(ctx, dir); err != nil {
		return fail(err)
	}
	k := &kit{bin: dir}
	help, _ := exec.CommandContext(ctx, filepath.Join(dir, "certwright"), "diagnose", "--help").CombinedOutput() // its flags, whatever its status
	k.flags = regexp.MustCompile(`--[a-z][a-z-]+`).FindAllString(string(help), -1)
	k.fixes = exec.CommandContext(ctx, filepath.Join(dir, "certwright"), "fix", "--help").Run() == nil
	k.evidence = exec.CommandContext(ctx, filepath.Join(dir, "certwright"), "diagnose", "--evidence", "x", "--help").Run() == nil
	return k, done, nil
}

// programsOf are the programs of a run, with the packages that they are built from.
var programsOf = map[string]string{"certwright": "certwright/cmd/certwright", "certwright-scenario": "certwright/cmd/certwright-scenario",
	"pebble": "github.com/letsencrypt/pebble/v2/cmd/pebble"}

// buildAll builds those that the folder lacks.
func buildAll(ctx context.Context, dir string) error {
	for program, pkg := range programsOf {
		if !executable(filepath.Join(dir, program)) {
			if err := build(ctx, filepath.Join(dir, program), pkg); err != nil {
				return err
			}
		}
	}
	return nil
}

func build(ctx context.Context, out, pkg string) error {
	c := exec.CommandContext(ctx, "go", "build", "-tags", "grpcnotrace,testclock", "-o", out, pkg)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", pkg, err, b)
	}
	return nil
}

// one runs one scenario in its namespaces.
func (k *kit) one(ctx context.Context, s *Spec, o Options) *Result {
	r := &Result{Set: s.Set, ID: s.ID, Kind: s.Kind, Leg: s.Leg, Stack: s.Stack, Dir: s.Dir, Seed: o.Seed, Found: []string{}}
	if s.Skip != "" {
		r.Outcome, r.Why = Skip, s.Skip
		return r
	}
	for _, p := range s.Needs {
		if _, err := (&world{job: job{Bin: k.bin}}).program(p); err != nil {
			r.Outcome, r.Why = Skip, err.Error()
			return r
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 6*time.Minute)
	if o.Wait || o.Base {
		ctx, cancel = context.WithCancel(ctx)
	}
	defer cancel()
	in, err := json.Marshal(job{Spec: s, Seed: o.Seed, Bin: k.bin, Flags: k.flags, Fixes: k.fixes, Evidence: k.evidence, Wait: o.Wait, Base: o.Base})
	if err != nil {
		r.Outcome, r.Why = Broken, err.Error()
		return r
	}
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(ctx, filepath.Join(k.bin, "certwright-scenario"), "init")
	apart(c)
	c.Stdin, c.Stdout, c.Stderr, c.WaitDelay = io.MultiReader(bytes.NewReader(in)), &stdout, &stderr, 2*time.Second
	if o.Wait || o.Base {
		c.Stdin, c.Stderr = io.MultiReader(bytes.NewReader(append(in, '\n')), os.Stdin), os.Stderr
	}
	if err := c.Start(); err != nil {
		r.Outcome, r.Why = Broken, err.Error()
		return r
	}
	if o.Wait || o.Base {
		fmt.Fprintf(os.Stderr, "process %d: enter with  nsenter -t %d -a\n", c.Process.Pid, c.Process.Pid)
	}
	err = c.Wait()
	if e := json.Unmarshal(stdout.Bytes(), r); e != nil {
		r.Outcome, r.Why = Broken, fmt.Sprintf("the run ended without a result: %v: %s", err, lastLines(stderr.String(), 5))
	}
	r.CPUMs = (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Milliseconds()
	return r
}
