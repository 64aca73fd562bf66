package scenario

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

//go:embed lib.sh
var library []byte

// stateDir holds what a run makes: keys, logs, the library. It lies on the namespace's own /run.
const stateDir = "/run/scenario"

// world is one run's surroundings, inside its namespaces.
type world struct {
	spec *Spec
	job  job
	vars map[string]string
	log  bytes.Buffer // what scripts printed
	time stopwatch
}

// base is a healthy surrounding that scenarios start from.
type base struct {
	about string
	up    func(*world) error
}

// bases by name.
var bases = map[string]base{}

func baseNames() []string {
	var names []string
	for n := range bases {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// environment is what scripts and the product see: the variables, and paths that find the programs under test.
func (w *world) environment() []string {
	env := []string{"PATH=" + w.job.Bin + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + stateDir, "TZ=UTC", "LC_ALL=C.UTF-8",
		"LIB=" + stateDir + "/lib.sh", "CERTWRIGHT_CONTEXT=" + stateDir + "/context.json"}
	for k, v := range w.vars {
		env = append(env, k+"="+v)
	}
	return env
}

// script runs a snippet with the library; what it prints is kept for the report.
func (w *world) script(ctx context.Context, what, text string) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	var out bytes.Buffer
	c := exec.CommandContext(ctx, "bash", "-c", "set -eu\n. \"$LIB\"\n"+mustFail(text))
	own(c)
	c.Env, c.Dir, c.Stdout, c.Stderr, c.WaitDelay = w.environment(), w.spec.Dir, &out, &out, time.Second
	err := c.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // a server that it started holds its output open
	}
	fmt.Fprintf(&w.log, "--- %s\n%s", what, out.Bytes())
	if err != nil {
		return fmt.Errorf("%s: %w: %s", what, err, lastLines(out.String(), 6))
	}
	return nil
}

var negated = regexp.MustCompile(`(?m)^([ \t]*)! (.+)$`)

// mustFail makes lines that begin with "! " mean what they say: bash's own -e overlooks a negated command that
// succeeds.
func mustFail(text string) string {
	return negated.ReplaceAllStringFunc(text, func(line string) string {
		m := negated.FindStringSubmatch(line)
		if strings.Contains(m[2], "||") || strings.Contains(m[2], "&&") || strings.HasSuffix(m[2], "\\") || strings.HasSuffix(m[2], "{") {
			return line
		}
		return m[1] + "if " + m[2] + "; then say " + quote("succeeds, and should not: "+m[2]) + "; exit 1; fi"
	})
}

// quote makes a text one word of the shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], " | ")
}

// start runs a server of the base in the background, as the library's svc_start does.
func (w *world) start(name string, argv ...string) error {
	if err := os.MkdirAll(stateDir+"/svc", 0o755); err != nil {
		return err
	}
	var quoted []string
	for _, a := range argv {
		quoted = append(quoted, quote(a))
	}
	if err := os.WriteFile(filepath.Join(stateDir, "svc", name), []byte(strings.Join(quoted, " ")), 0o644); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(stateDir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	path, err := w.program(argv[0])
	if err != nil {
		return err
	}
	c := exec.Command(path, argv[1:]...)
	c.Env, c.Stdout, c.Stderr = w.environment(), f, f
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	go func() { _ = c.Wait() }() // how it ended is in its log
	return os.WriteFile(filepath.Join(stateDir, name+".pid"), fmt.Appendf(nil, "%d\n", c.Process.Pid), 0o644)
}

// program finds a program where the scripts find it.
func (w *world) program(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range append([]string{w.job.Bin}, strings.Fields("/usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin")...) {
		if path := filepath.Join(dir, name); executable(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("the program %s is missing: scripts/deps.sh says what to install", name)
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// write writes a file of the base, with its folder; placeholders are filled.
func (w *world) write(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(fill(text, w.vars)), 0o644)
}

// until polls a condition, quickly at first.
func until(ctx context.Context, limit time.Duration, ok func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	wait := 2 * time.Millisecond
	for {
		if ok() {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return ok()
		case <-t.C:
		}
		wait = min(wait*2, 100*time.Millisecond)
	}
}

// run is a command whose output counts only when it fails.
func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// tails are the ends of the servers' logs, for whoever reads a miss.
func tails(w io.Writer) {
	files, _ := filepath.Glob(stateDir + "/*.log") // the pattern is well formed
	more, _ := filepath.Glob("/var/log/nginx/error.log")
	for _, f := range append(files, more...) {
		b, err := os.ReadFile(f)
		if err != nil || len(b) == 0 {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		fmt.Fprintf(w, "--- %s\n%s\n", f, strings.Join(lines[max(0, len(lines)-10):], "\n"))
	}
}
