package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"certwright/internal/evidence"
)

const (
	defaultTimeout = 30 * time.Second
	waitDelay      = 2 * time.Second // for pipes that a child of the command still holds
	maxCapture     = 64 << 10        // read of a command's output, so that a key in it is found whole
	maxOutput      = 4 << 10         // kept of it
	cleanPath      = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// errHung says that a command was killed at its time limit; errStart that it was never started.
var (
	errHung  = errors.New("it did not end within its time limit and was killed")
	errStart = errors.New("it could not be started")
)

// reload runs a configured command and says how it went; nil and no error without one. The error is
// nil only for exit status 0.
func (d *Deployer) reload(ctx context.Context, name string) (*evidence.Reload, error) {
	if name == "" {
		return nil, nil
	}
	c, ok := d.commands[name]
	r := &evidence.Reload{Name: name, Argv: slices.Clone(c.Argv), Exit: -1}
	if !ok || len(c.Argv) == 0 {
		r.Error = "the command is not configured"
		return r, fmt.Errorf("reload command %q: %w: it is not configured", name, errStart)
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	limited, cancel := context.WithTimeoutCause(ctx, c.Timeout, errHung)
	defer cancel()
	out := &capture{}
	start := d.now()
	err := run(limited, c, out)
	r.Took, r.Output = d.now().Sub(start), out.text()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() >= 0 {
		r.Exit = exit.ExitCode()
	}
	switch {
	case err == nil:
		r.Exit = 0
		return r, nil
	case errors.Is(context.Cause(limited), errHung):
		err = fmt.Errorf("%w (%s)", errHung, c.Timeout)
	}
	r.Error = err.Error()
	d.log.Warn("deploy: reload failed", "command", name, "exit", r.Exit, "error", err)
	return r, fmt.Errorf("reload command %q: %w", name, err)
}

// run starts the command in a process group of its own, so that everything it started can be killed
// with it, and waits for it.
func run(ctx context.Context, c Command, out *capture) error {
	cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
	cmd.Env = append([]string{cleanPath, "LANG=C"}, c.Env...)
	if cmd.Dir = c.Dir; cmd.Dir == "" {
		cmd.Dir = "/"
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = waitDelay
	if err := runAs(cmd, c.User); err != nil {
		return fmt.Errorf("%w: %w", errStart, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%w: %w", errStart, err)
	}
	err := cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) {
		return nil // it ended well; something it left running holds its output
	}
	return err
}

// runAs makes the command run as the user, with that user's groups.
func runAs(cmd *exec.Cmd, name string) error {
	if name == "" {
		return nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return fmt.Errorf("its user: %w", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("its user %s: %w", name, err)
	}
	cmd.Env = append(cmd.Env, "HOME="+u.HomeDir, "USER="+u.Username, "LOGNAME="+u.Username)
	if int(uid) == os.Geteuid() {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("it is to run as %s, and only a server that runs as root may do that: %w", name, syscall.EPERM)
	}
	cred := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	ids, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("the groups of its user %s: %w", name, err)
	}
	for _, id := range ids {
		if g, err := strconv.ParseUint(id, 10, 32); err == nil {
			cred.Groups = append(cred.Groups, uint32(g))
		}
	}
	cmd.SysProcAttr.Credential = cred
	return nil
}

// capture takes the beginning of a command's output and drops the rest, so that the command never
// waits for its reader.
type capture struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write takes what still fits and never fails.
func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf.Write(p[:min(len(p), maxCapture-c.buf.Len())])
	return len(p), nil
}

// keyBlock finds private keys that a command printed, also one that the capture cut off.
var keyBlock = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`)

// text is the output as it may be shown: no private key, valid UTF-8, at most 4 KiB. Of a long one
// the beginning and the end are kept: programs say what is wrong at either.
func (c *capture) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := keyBlock.ReplaceAllString(c.buf.String(), "[private key redacted]")
	s = strings.TrimSpace(strings.ToValidUTF8(s, "?"))
	if len(s) <= maxOutput {
		return s
	}
	const gap, headLen = "\n[...]\n", 1 << 10
	tail := maxOutput - headLen - len(gap)
	return strings.ToValidUTF8(s[:headLen], "") + gap + strings.ToValidUTF8(s[len(s)-tail:], "")
}
