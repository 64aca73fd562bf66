package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"certwright/internal/evidence"
)

// Bounds of a server's own program, asked about its configuration.
const (
	testTimeout = 5 * time.Second
	maxTestText = 8 << 10
)

// errNotAsked is why a server's own program is not run.
var errNotAsked = errors.New("its own program may not be asked")

// runOwn runs the program of a server that runs on this machine, by the path that the kernel has for it, with
// arguments that only read: no shell, no terminal to ask a pass phrase at, a clean environment, a time limit.
func runOwn(m master, args ...string) (string, error) {
	if err := m.mayAsk(); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, m.exe, args...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C"}
	if m.software == apacheName {
		for k, v := range environ(m.pid) {
			if strings.HasPrefix(k, "APACHE_") { // Debian's configuration is written with these
				cmd.Env = append(cmd.Env, k+"="+v)
			}
		}
	}
	if cmd.Dir = m.view().cwd; cmd.Dir == "" {
		cmd.Dir = "/"
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &limited{&out}, &limited{&out}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: m.readsAs()}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("%w: it did not end within %s", errNotAsked, testTimeout)
	}
	return strings.ToValidUTF8(keyText.ReplaceAllString(out.String(), "[private key]"), "?"), err
}

// mayAsk says why a server's own program may not be asked; nil where it may.
func (m master) mayAsk() error {
	switch {
	case m.exe == "":
		return fmt.Errorf("%w: this user may not see which program process %d runs", errNotAsked, m.pid)
	case m.view().apart:
		return fmt.Errorf("%w: it runs in a container or chroot of its own", errNotAsked)
	case os.Geteuid() != 0 && os.Geteuid() != m.uid && m.uid >= 0:
		return fmt.Errorf("%w: it runs as %s, this look is made as %s, who may read less", errNotAsked, userName(m.uid), userName(os.Geteuid()))
	}
	return nil
}

// readsAs is the user that the server opens its files as, where that is not the one that looks: so the test sees what
// the server would. Nil = as we are.
func (m master) readsAs() *syscall.Credential {
	if os.Geteuid() != 0 || m.uid <= 0 || !m.readsItself() || len(m.groups) == 0 {
		return nil
	}
	c := &syscall.Credential{Uid: uint32(m.uid), Gid: uint32(m.groups[0])}
	for _, g := range m.groups[1:] {
		c.Groups = append(c.Groups, uint32(g))
	}
	return c
}

// readsItself says whether the process that was found is the one that opens certificates at a reload. HAProxy without a
// master gave its rights up after it had read them; whoever starts the next one has them.
func (m master) readsItself() bool { return m.software != haproxyName || m.renews() }

// keyText finds a private key in what a program printed.
var keyText = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`)

// limited keeps the beginning of an output and drops the rest.
type limited struct{ b *bytes.Buffer }

// Write takes what still fits and never fails.
func (l *limited) Write(p []byte) (int, error) {
	l.b.Write(p[:max(0, min(len(p), maxTestText-l.b.Len()))])
	return len(p), nil
}

// testArgs are the arguments with which a server whose configuration is not known here tests it, nil where its program
// cannot. Apache and lighttpd test the language and that files are there, not what is in them.
func testArgs(m master) []string {
	rest := m.argv[min(1, len(m.argv)):]
	switch {
	case m.software == apacheName:
		out := []string{"-t"}
		for i := 0; i < len(rest); i++ {
			switch a := rest[i]; {
			case (a == "-k" || a == "-D") && i+1 < len(rest):
				i++
			case a == "-X", strings.HasPrefix(a, "-D"), strings.HasPrefix(a, "-k"):
			default:
				out = append(out, a)
			}
		}
		return out
	case filepath.Base(m.exe) == "lighttpd":
		return append([]string{"-tt"}, slices.DeleteFunc(slices.Clone(rest), func(a string) bool { return a == "-D" })...)
	}
	return nil
}

// testConfig lets a server test its configuration.
func testConfig(m master, args []string) (evidence.ConfigTest, error) {
	t := evidence.ConfigTest{Software: m.software, Argv: append([]string{m.exe}, args...)}
	out, err := runOwn(m, args...)
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		t.Exit = exit.ExitCode()
	default:
		return t, err
	}
	t.Output = strings.TrimSpace(out)
	if t.Exit != 0 {
		t.Faults = testFaults(t.Output)
	}
	return t, nil
}

var (
	inFile   = regexp.MustCompile(`(?: in |\[)(/[^\s\]":]+):(\d+)`)                                                               // nginx: in FILE:LINE; HAProxy: [FILE:LINE]
	lineOf   = regexp.MustCompile(`on line (\d+) of (/[^\s:]+)`)                                                                  // Apache
	source   = regexp.MustCompile(`source: (/\S+) line: (\d+)`)                                                                   // lighttpd
	anyPath  = regexp.MustCompile(`/[^\s"'\]:,;)]+`)                                                                              // any other file it speaks of
	complain = regexp.MustCompile(`(?i)\[(emerg|crit|alert|error)\]|\[ALERT\]|\(EE\)|^(nginx|haproxy): |^AH\d{5}: |\(configfile`) // lines that are more than a warning
)

// testFaults reads what a failed configuration test printed: where each complaint lies. Which file is whose is
// judged elsewhere.
func testFaults(output string) []evidence.TestFault {
	var out []evidence.TestFault
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if !complain.MatchString(line) || strings.HasSuffix(line, "test failed") {
			continue
		}
		f := evidence.TestFault{Text: line}
		if m := inFile.FindStringSubmatch(line); m != nil {
			f.At = m[1] + ":" + m[2]
		} else if m := lineOf.FindStringSubmatch(line); m != nil {
			f.At = m[2] + ":" + m[1]
		} else if m := source.FindStringSubmatch(line); m != nil {
			f.At = m[1] + ":" + m[2]
		}
		for _, p := range anyPath.FindAllString(line, -1) {
			if !strings.HasPrefix(f.At, p+":") && !slices.Contains(f.Paths, p) {
				f.Paths = append(f.Paths, p)
			}
		}
		if f.At != "" || len(f.Paths) > 0 {
			out = append(out, f)
		}
	}
	return out
}
