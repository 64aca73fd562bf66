package scenario

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Steps of a run, as Result.Steps and the table of -timing name them, in their order; "of it" is part of the one above.
const (
	stepFurnish  = "namespaces"
	stepBase     = "base"
	stepServer   = "  of it server and order"
	stepGreen    = "base is green"
	stepSetup    = "setup and trigger"
	stepVerify   = "verify"
	stepDiagnose = "diagnose"
	stepMethods  = "other methods"
	stepRecheck  = "re-check"
	stepFix      = "fix"
	stepHealed   = "green again"
)

var stepNames = []string{stepFurnish, stepBase, stepServer, stepGreen, stepSetup, stepVerify, stepDiagnose, stepMethods, stepRecheck, stepFix, stepHealed}

// spent is what a step took: milliseconds on the clock, and of the processors, for all that ran meanwhile.
type spent struct {
	Ms  int64 `json:"ms"`
	CPU int64 `json:"cpu"`
}

// stopwatch adds up what each step of a run took. Its steps follow one another, or lie within one another.
type stopwatch map[string]spent

// step begins a step; what it returns ends it.
func (s stopwatch) step(name string) func() {
	began, cpu := time.Now(), processorMs()
	return func() {
		t := s[name]
		t.Ms += time.Since(began).Milliseconds()
		t.CPU += processorMs() - cpu
		s[name] = t
	}
}

// processorMs is the processor time of all that ran so far in these process namespaces: of what still runs, and of what
// ended and was waited for (process 1 waits for orphans).
func processorMs() int64 {
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well formed
	var ticks int64
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it ended meanwhile: its parent has its time
		}
		fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
		for _, i := range []int{11, 12, 13, 14} { // utime, stime, and those of children
			if i < len(fields) {
				n, _ := strconv.ParseInt(string(fields[i]), 10, 64) // the kernel writes numbers
				ticks += n
			}
		}
	}
	return ticks * 10 // Linux gives hundredths of a second
}

// PrintTiming writes where the time of these runs went.
func PrintTiming(w io.Writer, results []*Result) {
	sum, runs := map[string]spent{}, 0
	var total spent
	for _, r := range results {
		if r.Outcome == Skip {
			continue
		}
		runs++
		total.Ms += r.TotalMs
		total.CPU += r.CPUMs
		for name, t := range r.Steps {
			sum[name] = spent{sum[name].Ms + t.Ms, sum[name].CPU + t.CPU}
		}
	}
	if runs == 0 {
		return
	}
	a := func(ms int64) float64 { return float64(ms) / 1000 / float64(runs) }
	line := func(name string, t spent) {
		fmt.Fprintf(w, "  %-26s %8.1f s %8.2f s %8.2f s\n", name, float64(t.Ms)/1000, a(t.Ms), a(t.CPU))
	}
	fmt.Fprintf(w, "\n%-28s %10s %10s %10s\n", fmt.Sprintf("where the time of %d went", runs), "in all", "each", "processors")
	for _, name := range stepNames {
		line(name, sum[name])
	}
	line("the whole run", total)
}
