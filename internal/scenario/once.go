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
	"strings"
	"time"

	"certwright/internal/diagnose"
)

// job is what the driver hands to the process inside the namespaces.
type job struct {
	Spec     *Spec    `json:"spec"`
	Seed     uint64   `json:"seed"`
	Bin      string   `json:"bin"`      // folder of the programs under test
	Flags    []string `json:"flags"`    // flags that certwright diagnose knows
	Fixes    bool     `json:"fixes"`    // certwright has the command fix
	Evidence bool     `json:"evidence"` // certwright diagnose has the hidden flag --evidence
	Wait     bool     `json:"wait"`     // a person wants to look around after the fault is in
	Base     bool     `json:"base"`     // only bring the base up (with Wait)
}

// Inside runs one scenario: it must be the child of Init in namespaces of its own. The job comes in as JSON,
// the result goes out as JSON.
func Inside(in io.Reader, out io.Writer) error {
	var j job
	if err := json.NewDecoder(in).Decode(&j); err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	w := &world{job: j, vars: varsOf(j.Spec, j.Seed), time: stopwatch{}}
	w.settle()
	began := time.Now()
	r := w.once()
	r.TotalMs, r.Steps = time.Since(began).Milliseconds(), w.time
	if r.Outcome != Hit || (r.FixAsked && !r.FixWorks) {
		tails(&w.log)
		r.Log = w.log.String()
	}
	return json.NewEncoder(out).Encode(r)
}

// settle adds the variables that do not depend on the seed, and fills the scenario's placeholders.
func (w *world) settle() {
	v := w.vars
	v["STATE"], v["CADIR"], v["CA_FILE"] = stateDir, stateDir+"/ca", stateDir+"/trusted-roots.pem"
	v["ROOT_HINTS"], v["TRUST_ANCHOR"] = stateDir+"/root.hints", stateDir+"/trust-anchor"
	v["CERTWRIGHT"], v["CAORG"] = w.job.Bin+"/certwright", strings.ToUpper(v["RANDOM_WORD"][:1])+v["RANDOM_WORD"][1:]+" Trust"
	v["CAADOMAIN"] = v["CAZONE"]
	v["STACK"] = w.job.Spec.Stack
	if v["STACK"] == "" {
		v["STACK"] = "nginx"
	}
	if v["STACK"] == "haproxy" {
		v["KEY"] = v["CERT"] + ".key" // where haproxy looks by itself
	}
	// All variables stand before the base comes up: its parts start side by side and read them.
	v["HTTP_LISTEN4"], v["HTTP_LISTEN6"] = v["ADDR4"]+":80", "["+v["ADDR6"]+"]:80"
	if v["STACK"] == "haproxy" {
		v["HTTP_LISTEN4"], v["HTTP_LISTEN6"] = "127.0.0.1:8080", "[::1]:8080"
	}
	v["ORDER"] = strings.ReplaceAll(v["ZONE"], ".", "-")
	v["SITE"] = v["HOSTLABEL"] + "-site"
	if o := w.job.Spec.Goal.Order; o != "" && !strings.Contains(o, "\u27e6") {
		v["ORDER"] = o
	}
	w.spec = w.job.Spec.filled(v)
	v["METHOD"] = w.spec.Goal.Method
	for k, x := range w.spec.Vars {
		v[k] = x
	}
}

// once is the whole run.
func (w *world) once() *Result {
	s := w.spec
	r := &Result{Set: s.Set, ID: s.ID, Title: s.Title, Kind: s.Kind, Leg: s.Leg, Stack: w.vars["STACK"], Dir: s.Dir, Seed: w.job.Seed, Expected: s.Expected, Timeout: s.Timeout, Found: []string{}}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	broken := func(err error) *Result {
		r.Outcome, r.Why = Broken, err.Error()
		return r
	}
	if err := w.up(ctx); err != nil {
		return broken(err)
	}
	if w.job.Base {
		w.pause()
		return broken(errors.New("only the base was asked for"))
	}
	step, stop := context.WithTimeout(ctx, 60*time.Second)
	done := w.time.step(stepSetup)
	err := w.script(step, "setup", s.Setup)
	if err == nil {
		err = w.script(step, "trigger", s.Trigger)
	}
	done()
	stop()
	if err != nil {
		return broken(err)
	}
	step, stop = context.WithTimeout(ctx, 45*time.Second)
	done = w.time.step(stepVerify)
	err = w.script(step, "verify", s.Verify)
	done()
	stop()
	if w.job.Wait {
		w.pause()
	}
	if err != nil {
		return broken(fmt.Errorf("the fault is not there as the scenario says: %w", err))
	}
	began, done := time.Now(), w.time.step(stepDiagnose)
	raw, rep, err := w.diagnose(ctx, time.Duration(s.MaxSeconds+20)*time.Second)
	done()
	r.Millis = time.Since(began).Milliseconds()
	r.Report = raw
	if err != nil {
		r.miss(err.Error())
		return r
	}
	r.score(s, rep)
	if r.Millis > int64(s.MaxSeconds)*1000 {
		r.miss(fmt.Sprintf("it took %.1f s, allowed are %d", float64(r.Millis)/1000, s.MaxSeconds))
	}
	done = w.time.step(stepMethods)
	w.baselines(ctx, r)
	done()
	done = w.time.step(stepRecheck)
	w.recheck(ctx, r, rep)
	done()
	w.mend(ctx, r, rep)
	return r
}

// up furnishes the namespaces and brings the base up green.
func (w *world) up(ctx context.Context) error {
	began := time.Now()
	if err := furnish(""); err != nil {
		return err
	}
	if err := os.MkdirAll(stateDir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(stateDir+"/lib.sh", library, 0o644); err != nil {
		return err
	}
	if err := w.addresses(); err != nil {
		return err
	}
	w.time[stepFurnish] = spent{Ms: time.Since(began).Milliseconds(), CPU: processorMs()} // /proc is the namespace's only now
	done := w.time.step(stepBase)
	if err := w.script(ctx, "before", w.spec.Before); err != nil {
		return err
	}
	if err := bases[w.spec.Base].up(w); err != nil {
		return fmt.Errorf("the base does not come up: %w", err)
	}
	done()
	if w.job.Base {
		return nil
	}
	defer w.time.step(stepGreen)()
	goal := w.spec.Goal
	if w.spec.Base == "server" || goal.Later {
		w.spec.Goal = Goal{Host: w.vars["TARGET"]} // the order, or what is asked about, is not there yet
	}
	raw, ok, err := w.green(ctx, 15*time.Second)
	w.spec.Goal = goal
	if !ok {
		return fmt.Errorf("the base is not green before the fault: %w: %s", err, raw)
	}
	return nil
}

// pause lets a person look around: until a byte comes on the standard input, or it ends.
func (w *world) pause() {
	fmt.Fprintf(os.Stderr, "the world stands; in it:  env -i %s bash\nEnter ends it\n", strings.Join(quoteAll(w.environment()), " "))
	_, _ = os.Stdin.Read(make([]byte, 1)) // the end of input is as good as a byte
}

func quoteAll(list []string) []string {
	var out []string
	for _, s := range list {
		out = append(out, quote(s))
	}
	return out
}

// arguments of certwright diagnose for the goal; flags that this build does not know are left out.
func (w *world) arguments() []string {
	g := w.spec.Goal
	if g.Order != "" {
		return append([]string{"diagnose", g.Order, "-o", "json"}, g.Args...)
	}
	_ = os.Remove(evidenceFile) // it is never overwritten
	args := []string{"diagnose", g.Host, "-o", "json"}
	add := func(flag, value string) {
		for _, known := range w.job.Flags {
			if known == flag && value != "" && !has(g.Args, flag) {
				args = append(args, flag, value)
			}
		}
	}
	add("--ca-file", w.vars["CA_FILE"])
	add("--root-hints", w.vars["ROOT_HINTS"])
	add("--trust-anchor", w.vars["TRUST_ANCHOR"])
	add("--method", g.Method)
	add("--expect-issuer", g.ExpectIssuer)
	if w.job.Evidence {
		args = append(args, "--evidence", evidenceFile)
	}
	return append(args, g.Args...)
}

func has(args []string, flag string) bool {
	for _, a := range args {
		if a == flag || strings.HasPrefix(a, flag+"=") {
			return true
		}
	}
	return false
}

// diagnose asks the product.
func (w *world) diagnose(ctx context.Context, limit time.Duration) (json.RawMessage, diagnose.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(ctx, w.vars["CERTWRIGHT"], w.arguments()...)
	own(c)
	c.Env, c.Stdout, c.Stderr, c.WaitDelay = w.environment(), &stdout, &stderr, time.Second
	err := c.Run()
	var rep diagnose.Report
	if ctx.Err() != nil {
		return nil, rep, fmt.Errorf("certwright diagnose gave no answer within %s", limit)
	}
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 3) {
		return nil, rep, fmt.Errorf("certwright %s: %w: %s", strings.Join(w.arguments(), " "), err, lastLines(stderr.String(), 4))
	}
	raw := json.RawMessage(bytes.TrimSpace(stdout.Bytes()))
	if err := json.Unmarshal(raw, &rep); err != nil {
		return nil, rep, fmt.Errorf("certwright diagnose printed what is no report: %w: %.300s", err, raw)
	}
	return raw, rep, nil
}

// green waits until the product calls the goal healthy, with no finding above info.
func (w *world) green(ctx context.Context, limit time.Duration) (json.RawMessage, bool, error) {
	var raw json.RawMessage
	var err error
	ok := until(ctx, limit, func() bool {
		var rep diagnose.Report
		raw, rep, err = w.diagnose(ctx, limit+10*time.Second)
		if err != nil {
			return false
		}
		r := &Result{}
		r.score(&Spec{Kind: KindHealthy}, rep)
		if r.Outcome == Hit {
			return true
		}
		err = errors.New(r.Why)
		return false
	})
	if ok {
		return raw, true, nil
	}
	return raw, false, err
}
