package cli

import (
	"context"
	"errors"
	"fmt"
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
	c.Flags().DurationVar(&w.timeout, "timeout", 10*time.Minute, "how long to follow it")
}

// follow prints an order's events as they come, until it rests: everything is done, or it waits for
// somebody, or something failed.
func (e *Env) follow(ctx ctxt, cl *client.Client, o client.Order, w waitFlags) error {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	quiet := e.output == "json" || e.output == "yaml" || e.output == "tsv" || e.query != ""
	after := max(0, o.Properties.LastEvent-1)
	for {
		f, err := cl.Follow(ctx, o.Name, after)
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("%s does not rest yet after %s; it goes on without you\n  → certwright order show %s", o.Name, w.timeout, o.Name)
			}
			return err
		}
		for _, ev := range f.Events {
			after = ev.Seq
			if !quiet {
				e.printEvent(ev)
			}
		}
		if f.Order == nil {
			e.errorf("%s is deleted.\n", o.Name)
			return nil
		}
		o = *f.Order
		if rests(o) {
			break
		}
	}
	if err := e.show(o, func() { e.printf("\n"); e.printOrder(o) }); err != nil {
		return err
	}
	if unwell(o) || o.Properties.Status == order.Pendingissuance {
		return Unhealthy{}
	}
	return nil
}

// rests says whether nothing more happens by itself now: no stage under way that Certwright works on.
func rests(o client.Order) bool {
	p := o.Properties
	if p.LastEvent == 0 || p.DueAt != nil && !p.DueAt.After(p.Changed) {
		return false
	}
	if p.ProvisioningState == "Deleting" {
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

func (e *Env) printEvent(ev order.Event) {
	e.printf("%s  %-7s %s %s\n", ev.At.Local().Format("15:04:05.000"), ev.Stage, eventMark[ev.Status], ev.Text)
	if fix := ev.Properties["fix"]; fix != "" && ev.Status != order.Succeeded {
		e.printf("%s→ %s\n", strings.Repeat(" ", 24), fix)
	}
}

var stateMark = map[order.StageState]string{order.Done: "✓", order.StateWait: "…", order.Blocked: "■", order.StateFail: "✗", order.Disabled: "–", order.StateUnkno: "?", order.Absent: " "}

// printOrder prints an order as a person wants to see it at night: what is wrong first, then the path.
func (e *Env) printOrder(o client.Order) {
	p := o.Properties
	e.printf("%s  %s  (%s)\n", o.Name, p.Status, strings.Join(p.Names, ", "))
	if p.Worst.Text != "" && p.Worst.State != order.Done {
		e.printf("  %s %s: %s\n", stateMark[p.Worst.State], p.Worst.Stage, p.Worst.Text)
	}
	if p.ExpirationTime != nil {
		e.printf("  valid until %s (%s)", p.ExpirationTime.Format(time.RFC3339), e.ago(p.ExpirationTime))
		if p.NextAutoRenewal != nil {
			e.printf(", renewed %s", e.ago(p.NextAutoRenewal))
		}
		e.printf("\n")
	}
	if p.OutOfSync {
		e.printf("  Key Vault out of sync: %s\n", p.VaultStatus)
	}
	e.printf("\n")
	var rows [][]string
	for _, s := range p.Path {
		if s.State == order.Absent {
			continue
		}
		version := "-"
		if s.Version > 0 {
			version = fmt.Sprint(s.Version)
		}
		rows = append(rows, []string{stateMark[s.State] + " " + string(s.Stage), string(s.State), version, e.ago(s.Since), dash(s.Owner), e.ago(s.Deadline), cut(dash(s.Next), 90)})
		if len(s.Rows) < 2 && s.State == order.Done {
			continue
		}
		for _, r := range s.Rows {
			rows = append(rows, []string{"    " + r.Name, string(r.State), "", e.ago(r.Since), "", e.ago(r.NextAt), cut(dash(r.Text), 90)})
		}
	}
	e.table([]string{"STAGE", "STATE", "VERSION", "SINCE", "MUST ACT", "BY", "NEXT"}, rows)
}

// firstLine reads the first line of a file; "" for no file.
func firstLine(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimRight(line, "\r"), nil
}

// writePrivate writes a file that only its owner can read; one that exists is not overwritten.
func writePrivate(file string, data []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
