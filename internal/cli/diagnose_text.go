package cli

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"certwright/internal/diagnose"
	"certwright/internal/order"
)

// text writes a report for a reader: as wide as the page, in colour or not.
type text struct {
	e     *Env
	p     paint
	width int
}

func (e *Env) text(p paint) text { return text{e, p, e.pageWidth()} }

// Bounds of the page: narrower is unreadable, wider is hard on the eyes.
const (
	minPage = 60
	maxPage = 140
)

// pageWidth is the terminal's width within bounds: COLUMNS where it is set, pageWidth where there is no terminal.
func (e *Env) pageWidth() int {
	if e.columns > 0 {
		return e.columns
	}
	w := pageWidth
	if f, ok := e.Stdout.(*os.File); ok && e.IsTerminal {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			w = n
		}
	}
	if n, err := strconv.Atoi(e.getenv("COLUMNS")); err == nil && n > 0 {
		w = n
	}
	return min(max(w, minPage), maxPage)
}

// edged says whether what is wider than the page is cut or broken by what shows it: a terminal, a pane, or whoever says how many
// columns there are.
func (e *Env) edged() bool { return e.IsTerminal || e.columns > 0 || e.getenv("COLUMNS") != "" }

// section begins a part of the report, once.
func (t text) section(first bool, title string) {
	if first {
		t.e.printf("\n%s\n", t.p.bold(title))
	}
}

// para writes a paragraph whose first line begins with first and whose others are indented as far.
func (t text) para(first, s string) {
	indent := strings.Repeat(" ", seen(first))
	var b strings.Builder
	b.WriteString(first)
	at, fresh := seen(first), true
	for _, w := range strings.Fields(s) {
		switch n := seen(w); {
		case fresh:
		case at+1+n > t.width:
			b.WriteString("\n" + indent)
			at = len(indent)
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(w)
		at, fresh = at+seen(w), false
	}
	t.e.printf("%s\n", b.String())
}

// seen is how many columns a text takes: colours take none.
func seen(s string) int {
	n := 0
	for s != "" {
		before, after, found := strings.Cut(s, "\x1b[")
		n += width(before)
		if !found {
			break
		}
		_, s, _ = strings.Cut(after, "m")
	}
	return n
}

// label is the left column of a finding.
func (t text) label(word string) string { return "  " + t.p.bold(pad(word, 6)) + " " }

const under = "         " // below a label

// finding is one finding: cause, evidence with the command to repeat it, what it is not, the fix.
func (t text) finding(i, n int, f diagnose.Finding) {
	t.e.printf("\n")
	if n > 1 {
		t.para(t.p.bad(f.Severity, strconv.Itoa(i)+". "), t.p.bad(f.Severity, f.Title))
	}
	sure := ""
	if f.Certainty == diagnose.Possible {
		sure = ", possible"
	}
	t.e.printf("  %s\n", t.p.dim("["+f.ID+", "+f.Leg+", "+f.Severity+sure+"]"))
	t.para(t.label("Cause"), f.Cause)
	t.evidence(f.Evidence)
	for k, x := range f.RuledOut {
		first := under
		if k == 0 {
			first = t.label("Not")
		}
		t.para(first, x.ID+": "+x.Because)
	}
	if len(f.Consequences) > 0 {
		t.para(t.label("Then"), "it also explains "+strings.Join(f.Consequences, ", "))
	}
	t.para(t.label("Fix"), f.Fix.Text)
	if f.Fix.Command != "" {
		t.e.printf("%s%s\n", under, t.p.dim("$ "+f.Fix.Command))
	}
	if f.Rank != "" {
		t.para(under, t.p.dim("It stands before the next one because "+f.Rank+"."))
	}
}

// maxEvidence is how many sights of a finding are printed; -o json has all.
const maxEvidence = 3

// evidence lists what was seen; the same sight of several subjects is one.
func (t text) evidence(list []diagnose.EvidenceRef) {
	type sight struct {
		diagnose.EvidenceRef
		subjects []string
	}
	var sights []sight
	at := map[string]int{}
	for _, ev := range list {
		if i, ok := at[ev.Seen]; ok {
			sights[i].subjects = addOnce(sights[i].subjects, ev.Subject)
			if sights[i].Expected == "" {
				sights[i].Expected = ev.Expected
			}
			continue
		}
		at[ev.Seen] = len(sights)
		sights = append(sights, sight{ev, []string{ev.Subject}})
	}
	for k, s := range sights {
		if k == maxEvidence {
			t.e.printf("%s%s\n", under, t.p.dim(fmt.Sprintf("and %d more (-o json)", len(sights)-maxEvidence)))
			return
		}
		first := under
		if k == 0 {
			first = t.label("Seen")
		}
		if more := len(s.subjects) - 2; more > 0 {
			s.subjects = append(s.subjects[:2:2], fmt.Sprintf("%d more", more))
		}
		t.para(first, strings.Join(s.subjects, ", ")+": "+s.Seen)
		if s.Expected != "" {
			t.para(under+"  ", t.p.dim("expected: ")+s.Expected)
		}
		if s.Command != "" {
			t.e.printf("%s  %s\n", under, t.p.dim("$ "+s.Command))
		}
	}
}

func addOnce(list []string, s string) []string {
	for _, x := range list {
		if x == s {
			return list
		}
	}
	return append(list, s)
}

// path is an order's path in one line a stage.
func (t text) path(path []order.Stage) {
	var rows [][]string
	for _, s := range path {
		if s.State == order.Absent {
			continue
		}
		words := s.Next
		if s.Problem != nil {
			words = s.Problem.Error()
		}
		rows = append(rows, []string{"  " + string(s.Stage), string(s.State), tail(s.Serial), words})
	}
	if len(rows) > 0 {
		t.section(true, "Path")
		t.grid(rows, []int{3}, func(_, col int, s string) string {
			if col != 1 {
				return s
			}
			switch strings.TrimSpace(s) {
			case string(order.Done):
				return t.p.as("32", s)
			case string(order.StateFail), string(order.Blocked):
				return t.p.as("31", s)
			}
			return s
		})
	}
}

// served is the table of what each address serves to whom. A narrow page has fewer columns: what matters most stays.
func (t text) served(lines []diagnose.ServedLine) {
	if len(lines) == 0 {
		return
	}
	t.section(true, "Served")
	now := t.e.Now()
	cols := []string{"ADDRESS", "TO", "KEY", "SERIAL", "EXPIRES", "NAMES", "CHAIN"}
	switch {
	case t.width < 84:
		cols = slices.DeleteFunc(cols, func(c string) bool { return c == "KEY" || c == "SERIAL" })
	case t.width < 104:
		cols = slices.DeleteFunc(cols, func(c string) bool { return c == "KEY" })
	}
	rows := [][]string{slices.Clone(cols)}
	last := ""
	for _, l := range lines {
		cells := t.cells(l)
		if cells["ADDRESS"] == last {
			cells["ADDRESS"] = ""
		} else {
			last = cells["ADDRESS"]
		}
		var row []string
		for _, c := range cols {
			if l.Error != "" && c == "CHAIN" {
				continue // the error runs on to the edge
			}
			row = append(row, cells[c])
		}
		rows = append(rows, row)
	}
	for _, r := range rows {
		r[0] = "  " + r[0]
	}
	t.grid(rows, []int{len(cols) - 1, len(cols) - 2}, func(row, col int, s string) string {
		if row == 0 {
			return t.p.dim(s)
		}
		l, ended := lines[row-1], lines[row-1].NotAfter.Before(now)
		switch c := cols[col]; {
		case l.Error != "" && c == "NAMES", l.Error == "" && (c == "EXPIRES" && ended || c == "NAMES" && !l.Fits && addressed(l) || c == "CHAIN" && !l.Trusted):
			return t.p.as("31", s)
		}
		return s
	})
}

// cells are a line's words, by column.
func (t text) cells(l diagnose.ServedLine) map[string]string {
	addr := l.Address
	if l.Via != "" {
		addr += " (" + l.Via + ")"
	}
	if l.Error != "" {
		return map[string]string{"ADDRESS": addr, "TO": whom(l.To), "KEY": "-", "SERIAL": "-", "EXPIRES": "-", "NAMES": shortError(l.Error)}
	}
	chain := strings.Join(l.Chain[1:], " < ")
	if len(l.Chain) == 1 {
		chain = "leaf only, by " + l.Issuer
	}
	if !l.Trusted {
		chain = "not trusted: " + chain
	}
	expires := t.e.ends(l.NotAfter)
	if t.width < 104 {
		expires = t.e.left(l.NotAfter)
	}
	return map[string]string{"ADDRESS": addr, "TO": whom(l.To), "KEY": l.Key, "SERIAL": tail(l.Serial), "EXPIRES": expires, "NAMES": strings.Join(l.Names, " "), "CHAIN": chain}
}

// whom says who gets a certificate; one that the name, no name and a name that nobody has get is everybody's.
func whom(to []string) string {
	if slices.Contains(to, "the name") && slices.Contains(to, "no name") && slices.Contains(to, "unknown names") {
		return "everybody"
	}
	return strings.Join(to, ", ")
}

// shortError leaves out of a dial's error what the row says already.
func shortError(s string) string {
	if rest, ok := strings.CutPrefix(s, "dial tcp "); ok {
		if _, words, ok := strings.Cut(rest, ": "); ok {
			return strings.TrimPrefix(words, "connect: ")
		}
	}
	return s
}

// addressed says whether the line is what clients of the name get.
func addressed(l diagnose.ServedLine) bool { return len(l.To) > 0 && l.To[0] == "the name" }

// grid prints rows in columns. Where they are wider than the page, the columns of shrink give way, the first of them first. A row
// with fewer cells has its last one run on to the page's edge.
func (t text) grid(rows [][]string, shrink []int, colour func(row, col int, s string) string) {
	var widths []int
	for _, r := range rows {
		for i, c := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			if len(r) == len(rows[0]) || i < len(r)-1 {
				widths[i] = max(widths[i], width(c))
			}
		}
	}
	total := 2 * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for _, i := range shrink {
		if over := total - t.width; over > 0 {
			less := min(over, max(0, widths[i]-12))
			widths[i] -= less
			total -= less
		}
	}
	for n, r := range rows {
		var b strings.Builder
		at := 0
		for i, c := range r {
			room := widths[i]
			if i == len(r)-1 {
				room = max(t.width-at, 12)
			}
			b.WriteString(colour(n, i, pad(cut(c, room), widths[i])) + "  ")
			at += widths[i] + 2
		}
		t.e.printf("%s\n", strings.TrimRight(b.String(), " "))
	}
}

// ahead is what will happen to the certificate, and when.
func (t text) ahead(list []diagnose.Forecast) {
	for i, f := range list {
		t.section(i == 0, "Ahead")
		when := "  " + f.At.UTC().Format("2006-01-02") + "  "
		if f.Breaks {
			when = "  " + t.p.bad(diagnose.Warning, f.At.UTC().Format("2006-01-02")) + "  "
		}
		t.para(when, f.Text)
	}
}

// ends is a date with the days left to it.
func (e *Env) ends(at time.Time) string {
	return at.UTC().Format("2006-01-02") + " (" + e.left(at) + ")"
}

// left is the time left to a date, or gone since.
func (e *Env) left(at time.Time) string {
	d := at.Sub(e.Now())
	if d < 0 {
		return diagnose.Span(d) + " ago"
	}
	return diagnose.Span(d)
}
