package scenario

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Board is the scoreboard over many results.
type Board struct {
	Runs, Faults, Healthy, Broken, Skipped           int
	Top1, Top3, RightLeg, Forbidden, FalseAlarms     int
	FixAsked, FixWorks, Cited, RecheckAsked, Recheck int
	FixBy                                            map[string]int
	Quick, Slow                                      []int64 // milliseconds of a diagnosis, without and with a time-out in the fault
	Baselines                                        map[string]int
	Control, ControlOf                               int
	Bad, Uncheckable                                 []*Result
}

// Tally adds the results up. A broken scenario counts as broken, not as a miss.
func Tally(results []*Result) *Board {
	b := &Board{FixBy: map[string]int{}, Baselines: map[string]int{}}
	for _, r := range results {
		b.Runs++
		switch {
		case r.Outcome == Skip:
			b.Skipped++
			continue
		case r.Outcome == Broken:
			b.Broken++
			b.Bad = append(b.Bad, r)
			continue
		case r.Outcome != Hit || r.FixAsked && !r.FixWorks:
			b.Bad = append(b.Bad, r)
		}
		if r.Timeout {
			b.Slow = append(b.Slow, r.Millis)
		} else {
			b.Quick = append(b.Quick, r.Millis)
		}
		b.Forbidden += len(r.Forbidden)
		if r.Kind == KindHealthy {
			b.Healthy++
			b.FalseAlarms += one(r.False)
			continue
		}
		b.fault(r)
	}
	return b
}

func (b *Board) fault(r *Result) {
	b.Faults++
	b.Top1 += one(r.Top1)
	b.Top3 += one(r.Top3)
	b.RightLeg += one(r.RightLeg)
	b.Cited += one(r.Cited)
	if r.Rechecked != "" {
		b.RecheckAsked++
		if r.Rechecked != "ok" {
			b.Uncheckable = append(b.Uncheckable, r)
		}
		b.Recheck += one(r.Rechecked == "ok")
	}
	if r.FixAsked {
		b.FixAsked++
		if r.Top1 && r.FixWorks {
			b.FixWorks++
			b.FixBy[r.FixBy]++
		}
	}
	for name, right := range r.Baselines {
		b.Baselines[name] += one(right)
	}
	if r.Control != nil {
		b.ControlOf++
		b.Control += one(*r.Control)
	}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// share is a part of a whole; of nothing it is whole.
func share(n, of int) float64 {
	if of == 0 {
		return 1
	}
	return float64(n) / float64(of)
}

// percentile of milliseconds, in seconds (nearest rank).
func percentile(ms []int64, p float64) float64 {
	if len(ms) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(ms))
	i := int(p*float64(len(s))+0.999999) - 1
	return float64(s[min(max(i, 0), len(s)-1)]) / 1000
}

// target is one figure with what it has to be.
type target struct {
	name, value, want string
	ok                bool
}

func (b *Board) targets() []target {
	rate := func(name string, n, of int, want float64) target {
		s := share(n, of)
		wanted := fmt.Sprintf("%g %%", 100*want)
		if want == 0 {
			wanted = "-"
		}
		return target{name, fmt.Sprintf("%5.1f %%  %d of %d", 100*s, n, of), wanted, s >= want}
	}
	none := func(name string, n int) target { return target{name, fmt.Sprint(n), "0", n == 0} }
	quick, slow := percentile(b.Quick, 0.95), percentile(b.Slow, 0.95)
	list := []target{
		rate("first finding right", b.Top1, b.Faults, 0.97),
		rate("among the first three", b.Top3, b.Faults, 0.99),
		rate("right leg", b.RightLeg, b.Faults, 0),
		none("forbidden among the first three", b.Forbidden),
		{"false alarms on healthy ones", fmt.Sprintf("%d of %d", b.FalseAlarms, b.Healthy), "0", b.FalseAlarms == 0},
		rate("the fix heals", b.FixWorks, b.FixAsked, 0.90),
		{"p50, p95 of a diagnosis", fmt.Sprintf("%.2f s, %.2f s", percentile(b.Quick, 0.5), quick), "p95 10 s", quick <= 10},
		{"p50, p95 with a time-out in the fault", fmt.Sprintf("%.2f s, %.2f s", percentile(b.Slow, 0.5), slow), "p95 30 s", slow <= 30},
		none("broken scenarios", b.Broken),
	}
	if b.RecheckAsked > 0 {
		list = append(list, rate("evidence can be re-checked", b.Recheck, b.RecheckAsked, 0))
	}
	if n, ok := b.Baselines[baselineFirstFail]; ok && b.Faults >= 20 {
		lead := 100 * (share(b.Top1, b.Faults) - share(n, b.Faults))
		list = append(list, target{"points above the first failing check", fmt.Sprintf("%.1f", lead), "15", lead >= 15})
	}
	if b.ControlOf >= 20 {
		s, top := share(b.Control, b.ControlOf), share(b.Top1, b.Faults)
		list = append(list, target{"control: ids shuffled among twins", fmt.Sprintf("%5.1f %%  %d of %d", 100*s, b.Control, b.ControlOf), "far lower", s < top-0.4})
	}
	return list
}

// Reached says whether all targets are reached.
func (b *Board) Reached() bool {
	return !slices.ContainsFunc(b.targets(), func(t target) bool { return !t.ok })
}

// Print writes the scoreboard.
func (b *Board) Print(w io.Writer) {
	fmt.Fprintf(w, "\n%d runs: %d faults, %d healthy, %d broken, %d skipped\n\n", b.Runs, b.Faults, b.Healthy, b.Broken, b.Skipped)
	for _, t := range b.targets() {
		mark := "  "
		if !t.ok {
			mark = "✗ "
		}
		fmt.Fprintf(w, "%s%-40s %-24s wanted %s\n", mark, t.name, t.value, t.want)
	}
	var by []string
	for _, k := range []string{"action", "command", "script"} {
		by = append(by, fmt.Sprintf("%d by %s", b.FixBy[k], k))
	}
	fmt.Fprintf(w, "  %-40s %s\n", "fixes that healed", strings.Join(by, ", "))
	if len(b.Baselines) > 0 {
		fmt.Fprintln(w, "\nthe same scenarios by other methods (first answer right)")
		for _, name := range baselineNames {
			fmt.Fprintf(w, "  %-40s %5.1f %%  %d of %d\n", name, 100*share(b.Baselines[name], b.Faults), b.Baselines[name], b.Faults)
		}
	}
	for i, r := range b.Uncheckable {
		if i == 0 {
			fmt.Fprintln(w, "\ncommands of the evidence that a shell does not run:")
		}
		fmt.Fprintf(w, "  %s/%s: %.200s\n", r.Set, r.ID, r.Rechecked)
	}
	if len(b.Bad) > 0 {
		fmt.Fprintln(w, "\nto be mended:")
		for _, r := range b.Bad {
			fmt.Fprintln(w, "  "+r.line())
			if r.FixAsked && !r.FixWorks && r.FixWhy != "" {
				fmt.Fprintf(w, "         fix: %.400s\n", r.FixWhy)
			}
		}
	}
}
