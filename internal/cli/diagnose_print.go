package cli

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

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

// printReport is the report for a person: headline, what is served, findings, blind spots.
func (e *Env) printReport(r diagnose.Report, lines []diagnose.ServedLine, p paint) {
	e.printHeadline(r, lines, p)
	e.printPath(r.Path, p)
	e.printServed(lines, p)
	for i, f := range r.Findings {
		e.printFinding(i+1, len(r.Findings), f, p)
	}
	for _, n := range r.Notes {
		e.printf("\n%s %s %s\n", p.dim("note"), n.Text, p.dim("["+n.ID+"]"))
	}
	if len(r.BlindSpots) > 0 {
		e.printf("\n%s\n", p.bold("Not seen"))
		for _, b := range r.BlindSpots {
			e.printf("  %s: %s\n", b.What, b.Because)
		}
	}
}

// printHeadline is the answer in one sentence, and who has to act by when.
func (e *Env) printHeadline(r diagnose.Report, lines []diagnose.ServedLine, p paint) {
	if len(r.Findings) == 0 {
		word := p.good("HEALTHY")
		if !r.Healthy {
			word = p.bad(diagnose.Warning, "UNKNOWN")
		}
		e.printf("%s  %s%s\n", word, p.bold(r.Target), e.wellWords(r, lines))
		return
	}
	f := r.Findings[0]
	word := map[string]string{diagnose.Critical: "BROKEN", diagnose.Warning: "AT RISK", diagnose.Info: "HEALTHY"}[f.Severity]
	maybe := ""
	if f.Certainty == diagnose.Possible {
		maybe = "probably: "
	}
	e.printf("%s  %s: %s%s\n", p.bad(f.Severity, word), p.bold(r.Target), maybe, f.Title)
	if f.Severity == diagnose.Info {
		return
	}
	e.printf("%s to act, %s\n", who(f), byWhen(f, r, lines, e.Now()))
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

// printPath is an order's path in one line a stage.
func (e *Env) printPath(path []order.Stage, p paint) {
	if len(path) == 0 {
		return
	}
	e.printf("\n%s\n", p.bold("Path"))
	w := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
	for _, s := range path {
		if s.State == order.Absent {
			continue
		}
		text := s.Next
		if s.Problem != nil {
			text = s.Problem.Error()
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", s.Stage, s.State, tail(s.Serial), text)
	}
	w.Flush()
}

// printServed is the table of what each address serves to whom.
func (e *Env) printServed(lines []diagnose.ServedLine, p paint) {
	if len(lines) == 0 {
		return
	}
	e.printf("\n%s\n", p.bold("Served"))
	w := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  ADDRESS\tTO\tKEY\tSERIAL\tNAMES\tEXPIRES\tCHAIN")
	last := ""
	for _, l := range lines {
		addr := l.Address
		if addr == last {
			addr = ""
		}
		last = l.Address
		if l.Error != "" {
			fmt.Fprintf(w, "  %s\t%s\t-\t-\t%s\t\t\n", addr, strings.Join(l.To, ", "), cut(l.Error, 70))
			continue
		}
		chain := strings.Join(l.Chain[1:], " < ")
		if len(l.Chain) == 1 {
			chain = "leaf only, by " + l.Issuer
		}
		if !l.Trusted {
			chain += " (not trusted)"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", addr, strings.Join(l.To, ", "), l.Key, tail(l.Serial), cut(strings.Join(l.Names, " "), 40), e.ends(l.NotAfter), chain)
	}
	w.Flush()
}

// ends is a date with the days left to it.
func (e *Env) ends(t time.Time) string {
	d := t.Sub(e.Now())
	if d < 0 {
		return t.UTC().Format("2006-01-02") + " (" + diagnose.Span(d) + " ago)"
	}
	return t.UTC().Format("2006-01-02") + " (" + diagnose.Span(d) + ")"
}

// tail is enough of a serial to tell it from others.
func tail(serial string) string {
	const n = 8
	if len(serial) <= n {
		return serial
	}
	return "…" + serial[len(serial)-n:]
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// printFinding is one finding: cause, evidence with the command to repeat it, what it is not, the fix.
func (e *Env) printFinding(i, n int, f diagnose.Finding, p paint) {
	head := f.Title
	if n > 1 {
		head = fmt.Sprintf("%d. %s", i, head)
	}
	sure := ""
	if f.Certainty == diagnose.Possible {
		sure = ", possible"
	}
	e.printf("\n%s\n  %s\n", p.bad(f.Severity, head), p.dim("["+f.ID+", "+f.Leg+", "+f.Severity+sure+"]"))
	e.printf("  %s  %s\n", p.bold("Cause"), f.Cause)
	const most = 3
	for k, ev := range f.Evidence {
		if k == most {
			e.printf("        %s\n", p.dim(fmt.Sprintf("and %d more (-o json)", len(f.Evidence)-most)))
			break
		}
		label := "        "
		if k == 0 {
			label = p.bold("Seen") + "    "
		}
		e.printf("  %s%s: %s\n", label, ev.Subject, ev.Seen)
		if ev.Expected != "" {
			e.printf("          expected: %s\n", ev.Expected)
		}
		if ev.Command != "" {
			e.printf("          %s\n", p.dim("$ "+ev.Command))
		}
	}
	for k, x := range f.RuledOut {
		label := "     "
		if k == 0 {
			label = p.bold("Not  ")
		}
		e.printf("  %s  %s: %s\n", label, x.ID, x.Because)
	}
	if len(f.Consequences) > 0 {
		e.printf("  %s  it also explains %s\n", p.bold("Then "), strings.Join(f.Consequences, ", "))
	}
	e.printf("  %s    %s\n", p.bold("Fix"), f.Fix.Text)
	if f.Fix.Command != "" {
		e.printf("          %s\n", p.dim("$ "+f.Fix.Command))
	}
	if f.Rank != "" {
		e.printf("  %s\n", p.dim("It stands before the next one because "+f.Rank+"."))
	}
}
