package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"certwright/internal/api"
	"certwright/internal/client"
	"certwright/internal/diagnose"
)

// maxFixes bounds how many things one fix does, one after the other: each is done once, and there are not many.
const maxFixes = 8

// fixed is what `fix` answers as JSON.
type fixed struct {
	Plan   diagnose.Plan       `json:"plan"` // as it was at first
	Done   []diagnose.PlanStep `json:"done"` // what was done, in order
	Failed []string            `json:"failed,omitempty"`
	Report *diagnose.Report    `json:"report,omitempty"` // of afterwards; absent where nothing was to be done
}

func (e *Env) fixCommand() *cobra.Command {
	var yes, anyway bool
	var wait waitFlags
	var color string
	c := &cobra.Command{
		Use: "fix ORDER", Short: "Say what would heal an order, and with --yes do it", Args: oneArg("the order's name"),
		Long: `Look at everything along an order's path and say, for each finding in its order, what Certwright can do about it, what
that changes, and what a person has to do. Nothing is changed without --yes.

With --yes the first thing that can be done is done and followed until it rests, then all is looked at again, and so on,
until the order is well or nothing is left to do. Nothing is done twice, and nothing that cannot be undone. Where a zone, a
web server or a firewall has to be mended by a person first, an authority is not asked before: it counts what fails
(--anyway asks all the same).

Exit status: 0 the order is healthy (afterwards), 1 the command failed, 2 wrong usage, 3 it is not healthy.`,
		Example: "  certwright fix www\n  certwright fix www --yes\n  certwright fix www -o json",
	}
	c.Flags().BoolVar(&yes, "yes", false, "do it")
	c.Flags().BoolVar(&anyway, "anyway", false, "with --yes: also ask the authority where a person should mend something first")
	c.Flags().DurationVar(&wait.timeout, "timeout", 10*time.Minute, "how long to follow each thing done; it goes on after that by itself")
	c.Flags().StringVar(&color, "color", "auto", "auto, always or never")
	c.RunE = func(c *cobra.Command, args []string) error {
		paint, err := e.painter(color)
		if err != nil {
			return err
		}
		cl, err := e.client()
		if err != nil {
			return err
		}
		if !yes {
			return e.fixDry(c.Context(), cl, args[0], anyway, paint)
		}
		return e.fix(c.Context(), cl, args[0], anyway, wait, paint)
	}
	return c
}

// fixDry shows what would be done.
func (e *Env) fixDry(ctx ctxt, cl *client.Client, name string, anyway bool, p paint) error {
	a, err := cl.Fix(ctx, name, api.FixBody{Anyway: anyway})
	if err != nil {
		return err
	}
	err = e.show(&fixed{Plan: a.Plan, Done: []diagnose.PlanStep{}}, func() {
		e.printPlan(a.Plan, p)
		if a.Plan.Next() != nil {
			e.printf("\nNothing was changed.\n  → do it with: certwright fix %s --yes\n", name)
		}
	})
	if err == nil && !a.Plan.Healthy {
		err = Unhealthy{}
	}
	return err
}

// fix does one thing after the other, each followed until it rests, and looks again.
func (e *Env) fix(ctx ctxt, cl *client.Client, name string, anyway bool, w waitFlags, p paint) error {
	out := fixed{Done: []diagnose.PlanStep{}}
	var done []string
	for round := range maxFixes {
		before, err := cl.Order(ctx, name)
		if err != nil {
			return err
		}
		a, err := cl.Fix(ctx, name, api.FixBody{Do: true, Anyway: anyway, Done: done})
		if err != nil {
			if len(out.Done) == 0 {
				return err
			}
			out.Failed = append(out.Failed, err.Error())
			break
		}
		if round == 0 {
			out.Plan = a.Plan
			if e.plain() {
				e.printPlan(a.Plan, p)
			}
		}
		if a.Did == nil {
			break
		}
		done, out.Done = append(done, a.Did.Action), append(out.Done, *a.Did)
		if e.plain() {
			e.printf("\n%s %s\n", p.bold(upper(a.Did.Action)+":"), a.Did.Changes)
		}
		if _, gone, err := e.trail(ctx, cl, before, before.Properties.LastEvent, w); err != nil || gone {
			return err
		}
	}
	return e.fixedWell(ctx, cl, name, out, p)
}

// fixedWell looks once more and says how the order stands now.
func (e *Env) fixedWell(ctx ctxt, cl *client.Client, name string, out fixed, p paint) error {
	raw, err := cl.Diagnose(ctx, name)
	if err != nil {
		return err
	}
	var r diagnose.Report
	if err := json.Unmarshal(raw, &r); err != nil {
		return fmt.Errorf("read the server's diagnosis: %w", err)
	}
	out.Report = &r
	err = e.show(&out, func() {
		for _, f := range out.Failed {
			e.printf("\nIt could not be gone on: %s\n", f)
		}
		if len(out.Done) == 0 && len(r.Findings) > 0 {
			e.printf("\nThere is nothing that Certwright can do by itself: see above what a person has to do.\n")
			return
		}
		if len(out.Done) > 0 || !out.Plan.Healthy {
			e.printf("\n%s\n", p.bold("Afterwards"))
			e.printReport(r, nil, p)
		}
	})
	if err == nil && !r.Healthy {
		err = Unhealthy{}
	}
	return err
}

// printPlan is the plan for a person: finding by finding, what Certwright does and what a person has to do.
func (e *Env) printPlan(pl diagnose.Plan, p paint) {
	if len(pl.Steps) == 0 {
		if pl.Healthy {
			e.printf("%s  %s: there is nothing to fix\n", p.good("HEALTHY"), p.bold(pl.Target))
		} else {
			e.printf("%s  %s: nothing could be seen of it, so nothing can be fixed\n", p.bad(diagnose.Warning, "UNKNOWN"), p.bold(pl.Target))
		}
		return
	}
	for i, s := range pl.Steps {
		if i > 0 {
			e.printf("\n")
		}
		maybe := ""
		if s.Certainty == diagnose.Possible {
			maybe = "possibly: "
		}
		e.printf("%s\n  %s\n", p.bad(s.Severity, fmt.Sprintf("%d. %s%s", i+1, maybe, s.Title)), p.dim("["+s.Finding+", "+s.Severity+"]"))
		e.printf("%s", e.wrap("  "+p.bold("Fix")+"     ", s.Text))
		if s.Shell != "" {
			e.printf("          %s\n", p.dim("$ "+s.Shell))
		}
		if s.Doable {
			e.printf("%s", e.wrap("  "+p.bold("Does")+"    ", s.Action+": "+s.Changes))
			e.printf("          %s\n", p.dim("$ "+s.Command))
			continue
		}
		word := s.Because
		if s.Action != "" {
			word = s.Action + " is not done: " + s.Because
		}
		e.printf("%s", e.wrap("  "+p.bold("By hand")+" ", word))
	}
}

// upper begins a word with a capital letter.
func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
