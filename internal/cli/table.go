package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/clipperhouse/displaywidth"
)

// pageWidth is the width that tables and wrapped texts keep to.
const pageWidth = 100

// style colours a cell that is padded already; nil leaves all as it is.
type style func(row, column int, s string) string

// table prints rows under headings in columns. Where a row would be wider than the terminal, its last column is cut: -o json has
// all of it. What is no terminal has no edge.
func (e *Env) table(head []string, rows [][]string, paint style) {
	e.tableOf(head, rows, paint, func(int) bool { return false })
}

// tableOf is a table some of whose rows must not be cut: what does not fit of them stands whole below the row.
func (e *Env) tableOf(head []string, rows [][]string, paint style, whole func(row int) bool) {
	widths := make([]int, len(head))
	for i := range head {
		widths[i] = width(head[i])
		for _, r := range rows {
			widths[i] = max(widths[i], width(r[i]))
		}
	}
	last := len(head) - 1
	before := 0
	for _, w := range widths[:last] {
		before += w + 2
	}
	room := max(e.pageWidth()-before, 30)
	if !e.edged() {
		room = max(room, widths[last])
	}
	line := func(n int, cells []string) {
		var b strings.Builder
		below := ""
		for i, c := range cells {
			switch {
			case i < last:
				c = pad(c, widths[i]+2)
			case n >= 0 && width(c) > room && whole(n):
				c, below = "", c
			default:
				c = cut(c, room)
			}
			if paint != nil && n >= 0 {
				c = paint(n, i, c)
			}
			b.WriteString(c)
		}
		e.printf("%s\n", strings.TrimRight(b.String(), " "))
		if below != "" {
			e.printf("%s", e.wrap("    ", below))
		}
	}
	line(-1, head)
	for n, r := range rows {
		line(n, r)
	}
}

// width is how many cells of a terminal a text takes: two for a wide character, none for a mark that joins another.
func width(s string) int { return displaywidth.String(s) }

func pad(s string, to int) string { return s + strings.Repeat(" ", max(0, to-width(s))) }

// wrap breaks a text into lines of the page's width: the first begins with first, the others are indented as far. A
// word that is longer than a line stays whole.
func (e *Env) wrap(first, s string) string {
	most := min(e.pageWidth(), pageWidth)
	var b strings.Builder
	indent := strings.Repeat(" ", width(first))
	b.WriteString(first)
	at, fresh := width(first), true
	for _, w := range strings.Fields(e.hint(s)) {
		switch {
		case fresh:
		case at+1+width(w) > most:
			b.WriteString("\n" + indent)
			at = width(indent)
		default:
			b.WriteString(" ")
			at++
		}
		b.WriteString(w)
		at, fresh = at+width(w), false
	}
	return b.String() + "\n"
}

// ago is a time as a person says it, seen from now.
func (e *Env) ago(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	d := e.Now().Sub(*t)
	if d > -time.Second && d < time.Second {
		return "now"
	}
	if d < 0 {
		return "in " + short(-d)
	}
	return short(d) + " ago"
}

// due is a time at which something is to happen; one that has passed is not yet noticed, so it is now.
func (e *Env) due(t *time.Time) string {
	if t != nil && !t.IsZero() && !t.After(e.Now()) {
		return "now"
	}
	return e.ago(t)
}

// short writes a length of time in its largest part.
func short(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// stamp is a time in the reader's zone.
func stamp(t time.Time) string { return t.Local().Format("2006-01-02 15:04 MST") }

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// count is a number of things.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
