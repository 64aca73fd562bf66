package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// process is a program that runs beside a script, its output in NAME.out and NAME.err.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

// start NAME PROGRAM ARG... runs a program beside the script. It is killed at the script's end if it still runs.
func start(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME PROGRAM ARG...")
	}
	w := worldOf(ts)
	name := args[0]
	if old := w.processes[name]; old != nil {
		select {
		case <-old.exited:
		default:
			ts.Fatalf("%s runs already", name)
		}
	}
	program := args[1]
	if !strings.Contains(program, "/") {
		program = filepath.Join(programs, program)
	}
	p := &process{cmd: exec.Command(program, args[2:]...), exited: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = ts.MkAbs("."), environ(ts)
	out, err := os.Create(ts.MkAbs(name + ".out"))
	ts.Check(err)
	defer out.Close() // the program has its own copy
	errs, err := os.Create(ts.MkAbs(name + ".err"))
	ts.Check(err)
	defer errs.Close()
	p.cmd.Stdout, p.cmd.Stderr = out, errs
	ts.Check(p.cmd.Start())
	go func() { _ = p.cmd.Wait(); close(p.exited) }() // halt reads how it ended
	w.processes[name] = p
	ts.Defer(func() {
		_ = p.cmd.Process.Kill() // it may have ended already
		<-p.exited
	})
}

// environ is the script's environment, for programs that testscript does not start.
func environ(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "WORK", "TZ", "CERTWRIGHT_DATA", "CERTWRIGHT_CONTEXT", "CERTWRIGHT_CLOCK_OFFSET", "CERTWRIGHT_KEK_FILE", "CERTWRIGHT_LISTEN"} {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

var signals = map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL}

// halt NAME [SIGNAL] ends a program (TERM unless said otherwise; NONE only waits) and wants exit status 0, with ! another.
func halt(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: halt NAME [SIGNAL]")
	}
	p := worldOf(ts).processes[args[0]]
	if p == nil {
		ts.Fatalf("%s was not started", args[0])
	}
	sig := "TERM"
	if len(args) == 2 {
		sig = args[1]
	}
	if s, ok := signals[sig]; ok {
		_ = p.cmd.Process.Signal(s) // it may have ended already
	} else if sig != "NONE" {
		ts.Fatalf("signal %s is not known", sig)
	}
	select {
	case <-p.exited:
	case <-time.After(patience):
		ts.Fatalf("%s does not end; it wrote:\n%s%s", args[0], ts.ReadFile(args[0]+".out"), ts.ReadFile(args[0]+".err"))
	}
	if well := p.cmd.ProcessState.Success(); well == neg {
		ts.Fatalf("%s ended with %s; it wrote:\n%s%s", args[0], p.cmd.ProcessState, ts.ReadFile(args[0]+".out"), ts.ReadFile(args[0]+".err"))
	}
}

// poll tries until it is well, or patience is at its end.
func poll(try func() bool) bool {
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(60 * time.Millisecond)
	defer tick.Stop()
	for !try() {
		if time.Now().After(deadline) {
			return false
		}
		<-tick.C
	}
	return true
}

// await FILE REGEXP [VARIABLE] waits until the file has a line like it, and keeps its first group.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: await FILE REGEXP [VARIABLE]")
	}
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	var text []byte
	var found [][]byte
	if !poll(func() bool {
		text, _ = os.ReadFile(ts.MkAbs(args[0])) // not there yet = not yet
		found = re.FindSubmatch(text)
		return found != nil
	}) {
		ts.Fatalf("no %q in %s:\n%s", args[1], args[0], text)
	}
	if len(args) == 3 {
		ts.Setenv(args[2], string(found[len(found)-1]))
	}
}

// until REGEXP PROGRAM ARG... runs a program again and again until its output has a line like it, whatever
// its exit status; with ! until its output has none.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: until REGEXP PROGRAM ARG...")
	}
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	var out bytes.Buffer
	if !poll(func() bool {
		out.Reset()
		c := command(ts, args[1:]...)
		c.Stdout, c.Stderr = &out, &out
		var exit *exec.ExitError
		if err := c.Run(); err != nil && !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		return re.Match(out.Bytes()) != neg
	}) {
		ts.Fatalf("%s: still not as wanted (%q):\n%s", strings.Join(args[1:], " "), args[0], out.String())
	}
	_, err = ts.Stdout().Write(out.Bytes())
	ts.Check(err)
}

// command is a program in the script's directory and environment.
func command(ts *testscript.TestScript, args ...string) *exec.Cmd {
	program := args[0]
	if own := filepath.Join(programs, program); fileThere(own) {
		program = own
	}
	c := exec.Command(program, args[1:]...)
	c.Dir, c.Env = ts.MkAbs("."), environ(ts)
	return c
}

func fileThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// exits STATUS PROGRAM ARG... wants exactly this exit status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, not %d", got, want)
	}
}

// state FILE writes all that the server holds as its user can see it: orders, sites, issuers, secrets, events.
// Two such files are equal if nothing was stored in between.
func state(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: state FILE")
	}
	var all bytes.Buffer
	for _, c := range [][]string{{"order", "list"}, {"site", "list"}, {"issuer", "list"}, {"vault", "list"}, {"timeline", "-n", "1000"}} {
		cmd := command(ts, append(append([]string{"certwright"}, c...), "-o", "json")...)
		out, err := cmd.Output()
		if err != nil {
			ts.Fatalf("%s: %v", strings.Join(c, " "), err)
		}
		all.Write(out)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), all.Bytes(), 0o600))
}

// expand FILE... replaces $VARIABLES in files.
func expand(ts *testscript.TestScript, neg bool, args []string) {
	for _, f := range args {
		ts.Check(os.WriteFile(ts.MkAbs(f), []byte(os.Expand(ts.ReadFile(f), ts.Getenv)), 0o600))
	}
}
