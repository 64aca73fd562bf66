package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"certwright/internal/client"
	"certwright/internal/order"
)

type ctxt = context.Context

// waitFlags say whether a command follows the order to its rest.
type waitFlags struct {
	wait    bool
	timeout time.Duration
}

func (w *waitFlags) add(c *cobra.Command) {
	c.Flags().BoolVar(&w.wait, "wait", false, "follow the order live until it rests")
	c.Flags().DurationVar(&w.timeout, "timeout", 10*time.Minute, "how long to follow it; it goes on after that by itself")
}

// follow prints an order's events as they come, until it rests: everything is done, or it waits for
// somebody, or something failed. Then it prints the path.
func (e *Env) follow(ctx ctxt, cl *client.Client, o client.Order, w waitFlags) error {
	o, gone, err := e.trail(ctx, cl, o, max(0, o.Properties.LastEvent-1), w)
	if err != nil || gone {
		return err
	}
	if err := e.show(&o, func() { e.printf("\n"); e.printOrder(&o) }); err != nil {
		return err
	}
	if unwell(o) || o.Properties.Status == order.Pendingissuance {
		return Unhealthy{}
	}
	return nil
}

// trail prints an order's events after a number as they come, until it rests or is gone.
func (e *Env) trail(ctx ctxt, cl *client.Client, o client.Order, after int64, w waitFlags) (rest client.Order, gone bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	revision := int64(0)
	for {
		f, err := cl.FollowFrom(ctx, o.Name, after, revision)
		if err != nil {
			return o, false, e.letGo(ctx, o.Name, err, w)
		}
		for i := range f.Events {
			after = f.Events[i].Seq
			if e.plain() {
				scrub(&f.Events[i])
				e.printEvent(&f.Events[i])
			}
		}
		if f.Order == nil {
			if e.plain() {
				e.printf("\n%s is deleted.\n", o.Name)
			}
			return o, true, nil
		}
		o, revision = *f.Order, f.Order.Properties.Revision
		if rests(o) {
			return o, false, nil
		}
	}
}

// letGo says why following ended before the order came to rest: the order itself goes on in any case.
func (e *Env) letGo(ctx ctxt, name string, err error, w waitFlags) error {
	see := "\n  → see how it stands with: certwright order show " + name
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%s does not rest yet after %s; it goes on by itself%s", name, w.timeout, see)
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted; %s goes on by itself%s", name, see)
	case client.Lost(err):
		return fmt.Errorf("%w\n  → %s goes on by itself once the server runs: certwright order show %s", err, name, name)
	}
	return err
}

// rests says whether nothing more happens by itself now: no stage under way that Certwright works on.
func rests(o client.Order) bool {
	p := o.Properties
	if p.Busy || p.ProvisioningState == "Deleting" {
		return false
	}
	for _, s := range p.Path {
		switch s.State {
		case order.StateFail, order.Blocked:
			return true
		case order.StateWait:
			if s.Owner == order.OwnerOwner || s.Owner == order.OwnerAdmin {
				return true
			}
		}
	}
	for _, s := range p.Path {
		if s.State == order.StateWait {
			return false
		}
	}
	for _, a := range p.Attempts {
		if a.Phase != order.Ended {
			return false
		}
	}
	return true
}

var eventMark = map[order.EventStatus]string{order.Succeeded: "✓", order.Failed: "✗", order.Started: "…", order.Info: "•"}

var eventCode = map[order.EventStatus]string{order.Succeeded: "32", order.Failed: "1;31", order.Started: "33", order.Info: "36"}

// printEvent is one line of live progress, in local time, with the next step of what failed below it.
func (e *Env) printEvent(ev *order.Event) {
	c := e.colour()
	head := ev.At.Local().Format("15:04:05.000") + "  " + pad(string(ev.Stage), 8) + eventMark[ev.Status] + " "
	text := e.wrap(head, ev.Text)
	if mark := eventMark[ev.Status]; mark != "" {
		text = strings.Replace(text, mark, c.as(eventCode[ev.Status], mark), 1)
	}
	e.printf("%s", text)
	if fix := ev.Properties["fix"]; fix != "" && ev.Status != order.Succeeded {
		e.printf("%s", e.wrap(strings.Repeat(" ", width(head))+"→ ", fix))
	}
}

// firstLine reads the first line of a file; "" for no file.
func firstLine(file, what string) (string, error) {
	if file == "" {
		return "", nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", what, err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimRight(line, "\r"), nil
}

// writePrivate writes a file that only its owner can read; one that exists is not overwritten.
func writePrivate(file string, data []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("write the export: %s exists already, and is not overwritten\n  → name another file, or remove that one first", file)
	}
	if err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
