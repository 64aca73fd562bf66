package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clipperhouse/displaywidth"

	"certwright/internal/diagnose"
	"certwright/internal/order"
)

// paint colours words; the zero paint leaves them as they are.
type paint struct{ on bool }

// painter follows --color and NO_COLOR (no-color.org).
func (e *Env) painter(flag string) (paint, error) {
	switch flag {
	case "always":
		return paint{true}, nil
	case "never":
		return paint{}, nil
	case "auto", "":
		return paint{e.IsTerminal && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb"}, nil
	}
	return paint{}, usage("--color %q is not known: use auto, always or never", flag)
}

func (p paint) as(code, s string) string {
	if !p.on {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p paint) bold(s string) string { return p.as("1", s) }
func (p paint) dim(s string) string  { return p.as("2", s) }
func (p paint) good(s string) string { return p.as("1;32", s) }

// bad colours by severity.
func (p paint) bad(severity, s string) string {
	switch severity {
	case diagnose.Critical:
		return p.as("1;31", s)
	case diagnose.Warning:
		return p.as("1;33", s)
	}
	return p.as("1;36", s)
}

// showReport prints a report as -o says and turns "not healthy" into the exit status.
func (e *Env) showReport(r diagnose.Report, lines []diagnose.ServedLine, p paint) error {
	if err := e.show(r, func() { e.printReport(r, lines, p) }); err != nil {
		return err
	}
	if !r.Healthy {
		return Unhealthy{}
	}
	return nil
}

// printReport is the report for a person: the verdict, each finding, what is served, what is ahead, notes, blind spots.
func (e *Env) printReport(r diagnose.Report, lines []diagnose.ServedLine, p paint) {
	scrub(&r) // names and greetings come from strangers
	scrub(&lines)
	t := e.text(p)
	t.headline(r, lines)
	for i, f := range r.Findings {
		t.finding(i+1, len(r.Findings), f)
	}
	t.path(r.Path)
	t.served(lines)
	t.ahead(r.Forecast)
	for i, n := range r.Notes {
		t.section(i == 0, "Notes")
		t.para("  ", n.Text+" "+p.dim("["+n.ID+"]"))
	}
	for i, b := range r.BlindSpots {
		t.section(i == 0, "Not seen")
		t.para("  ", b.What+": "+b.Because)
	}
}

// headline is the answer in one sentence, and who has to act by when.
func (t text) headline(r diagnose.Report, lines []diagnose.ServedLine) {
	e, p := t.e, t.p
	if len(r.Findings) == 0 {
		word := p.good("HEALTHY")
		if !r.Healthy {
			word = p.bad(diagnose.Warning, "UNKNOWN")
		}
		t.para(word+"  ", p.bold(r.Target)+e.wellWords(r, lines))
		return
	}
	f := headFinding(r)
	word := map[string]string{diagnose.Critical: "BROKEN", diagnose.Warning: "AT RISK", diagnose.Info: "HEALTHY"}[f.Severity]
	maybe := ""
	if f.Certainty == diagnose.Possible {
		maybe = "probably: "
	}
	t.para(p.bad(f.Severity, word)+"  ", p.bold(r.Target)+": "+maybe+f.Title)
	if f.Severity != diagnose.Info {
		e.printf("%s%s to act, %s\n", strings.Repeat(" ", len(word)+2), who(f), byWhen(f, r, lines, e.Now()))
	}
}

// headFinding is what the headline is about: the first finding, but never one that harms nobody while another does.
func headFinding(r diagnose.Report) diagnose.Finding {
	for _, f := range r.Findings {
		if f.Severity != diagnose.Info {
			return f
		}
	}
	return r.Findings[0]
}

// byWhen is how urgent the first finding is. Clients are refused only where the wire says so: a cause on the way to the
// next certificate leaves the one that is served, which may hold for weeks.
func byWhen(f diagnose.Finding, r diagnose.Report, lines []diagnose.ServedLine, now time.Time) string {
	critical, has, served := f.Severity == diagnose.Critical, hasCertificate(r), !firstEnd(lines).IsZero() || servedByPath(r.Path)
	switch {
	case critical && f.Leg == diagnose.LegEndpoint, critical && f.Leg == diagnose.LegDeploy && has && !served:
		return "now: clients are refused"
	case critical && f.Leg == diagnose.LegDNS && len(r.Path) == 0:
		return "now: clients do not find it"
	case !has:
		return "now: there is no certificate yet"
	}
	if end := firstEnd(lines); end.After(now) {
		return "before " + end.UTC().Format("2006-01-02 15:04 UTC") + ", when what is served ends"
	}
	for _, s := range r.Path {
		if s.State == order.Done || s.Deadline == nil {
			continue
		}
		if !s.Deadline.After(now) {
			return "now: its time ended at " + s.Deadline.UTC().Format("2006-01-02 15:04 UTC")
		}
		return "before " + s.Deadline.UTC().Format("2006-01-02 15:04 UTC")
	}
	return "before clients notice"
}

// hasCertificate says whether an order has a version: one was issued, imported or seen. A host needs none.
func hasCertificate(r diagnose.Report) bool {
	for _, s := range r.Path {
		if s.Serial != "" || slices.ContainsFunc(s.Rows, func(row order.Row) bool { return row.Serial != "" }) {
			return true
		}
	}
	return len(r.Path) == 0
}

// servedByPath says whether an endpoint of an order was seen to serve something.
func servedByPath(path []order.Stage) bool {
	for _, s := range path {
		if s.Stage == order.StageServe && (s.Serial != "" || slices.ContainsFunc(s.Rows, func(row order.Row) bool { return row.Serial != "" })) {
			return true
		}
	}
	return false
}

// wellWords say what is well.
func (e *Env) wellWords(r diagnose.Report, lines []diagnose.ServedLine) string {
	if !r.Healthy {
		return ": nothing could be seen of it"
	}
	if end := firstEnd(lines); !end.IsZero() {
		return fmt.Sprintf(": every address serves a trusted certificate for it, valid for another %s (until %s)",
			diagnose.Span(end.Sub(e.Now())), end.UTC().Format("2006-01-02"))
	}
	return ""
}

// firstEnd is when the first of the certificates for the name ends.
func firstEnd(lines []diagnose.ServedLine) time.Time {
	var t time.Time
	for _, l := range lines {
		if l.Error == "" && l.Fits && (t.IsZero() || l.NotAfter.Before(t)) {
			t = l.NotAfter
		}
	}
	return t
}

// who has to act on a finding, by the leg on which its cause lies.
func who(f diagnose.Finding) string {
	switch f.Leg {
	case diagnose.LegDNS, diagnose.LegCAA:
		return "Whoever keeps the domain's DNS has"
	case diagnose.LegEndpoint, diagnose.LegDeploy, diagnose.LegHTTP, diagnose.LegALPN:
		return "Whoever runs the server has"
	case diagnose.LegSystem:
		return "Whoever runs this machine has"
	case diagnose.LegVault:
		return "Whoever keeps the vault has"
	}
	return "The owner of the order has"
}

// tail is enough of a serial to tell it from others.
func tail(serial string) string {
	const n = 8
	if len(serial) <= n {
		return serial
	}
	return "…" + serial[len(serial)-n:]
}

// cut makes a text fit into so many cells.
func cut(s string, n int) string { return displaywidth.TruncateString(s, n, "…") }
