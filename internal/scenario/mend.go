package scenario

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"certwright/internal/diagnose"
)

// mend applies the fix that the product named, and looks whether the goal is green again. First what the product
// can do by itself, then its command; then the scenario's own script, which stands for a person who does what the
// fix says in words (and, for an order, has the product try again).
func (w *world) mend(ctx context.Context, r *Result, rep diagnose.Report) {
	s := w.spec
	if s.Kind == KindHealthy || len(rep.Findings) == 0 || s.FixOptional {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	r.FixAsked = true
	fix := rep.Findings[0].Fix
	var why []string
	for _, way := range w.ways(fix) {
		r.FixBy = way.by
		step, stop := context.WithTimeout(ctx, 45*time.Second)
		done := w.time.step(stepFix)
		err := w.script(step, "fix by "+way.by, way.text)
		done()
		stop()
		limit := time.Second // what failed, or says that it healed nothing, has nothing under way
		switch {
		case way.by == "script":
			limit = 20 * time.Second
		case err == nil:
			limit = 2 * time.Second
		}
		if err != nil && way.by == "script" {
			r.FixWhy = err.Error()
			return
		}
		done = w.time.step(stepHealed)
		raw, ok, e := w.green(ctx, limit)
		if done(); ok {
			r.FixWorks, r.FixWhy = true, ""
			return
		} else if e != nil {
			why = append(why, fmt.Sprintf("%s: %v", way.by, errors.Join(err, e)))
			r.Tried = append(r.Tried, fmt.Sprintf("%s: %.200s: %v", way.by, way.text, err))
			fmt.Fprintf(&w.log, "--- after the fix by %s\n%s\n", way.by, raw)
		}
	}
	r.FixWhy = strings.Join(why, "; ")
	if r.FixBy == "" {
		r.FixWhy = "neither the finding nor the scenario has a fix that can be run"
	}
}

type way struct{ by, text string }

// ways are what can be tried, in their order.
func (w *world) ways(fix diagnose.Fix) []way {
	var out []way
	order := w.spec.Goal.Order
	act := fmt.Sprintf("certwright fix %s --yes", order)
	if order != "" && fix.Action != "" && w.job.Fixes {
		out = append(out, way{"action", act})
	} else if order != "" && has([]string{"sync", "renew", "rekey", "verify"}, fix.Action) {
		out = append(out, way{"action", fmt.Sprintf("certwright order %s %s --wait", fix.Action, order)})
	}
	looks := strings.HasPrefix(fix.Command, "certwright diagnose ") // it mends nothing by itself
	if fix.Command != "" && !looks && !strings.ContainsAny(fix.Command, "<>…") && !strings.Contains(fix.Command, "...") {
		out = append(out, way{"command", fix.Command})
	}
	if strings.TrimSpace(w.spec.Fix) != "" {
		text := w.spec.Fix
		if order != "" && fix.Action != "" && w.job.Fixes {
			text += "\n" + act + " || true"
		}
		out = append(out, way{"script", text})
	}
	return out
}
