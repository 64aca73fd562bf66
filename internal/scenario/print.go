package scenario

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"certwright/internal/diagnose"
)

// line is the result in one line.
func (r *Result) line() string {
	mark := map[string]string{Hit: "ok    ", Miss: "MISS  ", Broken: "BROKEN", Skip: "skip  "}[r.Outcome]
	fix := ""
	switch {
	case r.FixAsked && r.FixWorks:
		fix = "  fixed by " + r.FixBy
	case r.FixAsked:
		fix = "  FIX FAILS"
	}
	why := r.Why
	if r.Outcome == Broken && len(why) > 300 {
		why = why[:300] + "..."
	}
	if why != "" {
		why = "  " + why
	}
	return fmt.Sprintf("%s %-46s %6.2f s%s%s", mark, r.Set+"/"+r.ID, float64(r.Millis)/1000, fix, why)
}

// explain prints what was found and why it counts as a miss.
func (r *Result) explain(w io.Writer) {
	var rep diagnose.Report
	if json.Unmarshal(r.Report, &rep) == nil {
		for i, f := range rep.Findings {
			fmt.Fprintf(w, "    %d. %s (%s, %s, %s) %s\n", i+1, f.ID, f.Leg, f.Severity, f.Certainty, f.Title)
		}
		for _, b := range rep.BlindSpots {
			fmt.Fprintf(w, "    dark: %s: %s\n", b.What, b.Because)
		}
	}
	if r.FixWhy != "" {
		fmt.Fprintf(w, "    fix: %s\n", r.FixWhy)
	}
	if r.Log != "" {
		fmt.Fprintf(w, "    | %s\n", strings.ReplaceAll(strings.TrimSpace(r.Log), "\n", "\n    | "))
	}
}
