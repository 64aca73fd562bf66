package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"certwright/internal/diagnose"
)

// recheck runs the commands with which a person repeats the looks behind the first finding: each must be a command
// that the shell understands and finds. What it shows is for eyes.
func (w *world) recheck(ctx context.Context, r *Result, rep diagnose.Report) {
	if len(rep.Findings) == 0 {
		return
	}
	seen := map[string]bool{}
	for _, e := range rep.Findings[0].Evidence {
		if e.Command == "" || seen[e.Command] || len(seen) == 3 {
			continue
		}
		seen[e.Command] = true
		if err := w.repeat(ctx, e.Command); err != nil {
			r.Rechecked = err.Error()
			return
		}
	}
	if len(seen) > 0 {
		r.Rechecked = "ok"
	}
}

// repeat runs one command for some seconds at most; a time-out may be what the look shows.
func (w *world) repeat(ctx context.Context, command string) error {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	var stderr bytes.Buffer
	c := exec.CommandContext(ctx, "bash", "-c", command)
	own(c)
	c.Env, c.Stderr, c.WaitDelay = w.environment(), &stderr, time.Second
	err := c.Run()
	var exit *exec.ExitError
	missing := errors.As(err, &exit) && exit.ExitCode() == 127
	for _, bad := range []string{"command not found", "syntax error", "unexpected EOF while looking"} {
		missing = missing || strings.Contains(stderr.String(), "bash: ") && strings.Contains(stderr.String(), bad)
	}
	if missing {
		return fmt.Errorf("%s: %s", command, lastLines(stderr.String(), 2))
	}
	return nil
}
