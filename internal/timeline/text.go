package timeline

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

func whole(d, unit time.Duration) string { return strconv.FormatInt(int64(d/unit), 10) }

// Folded says in words how often a line happened: "tried 7 times, first 10:02, last 14:40"; empty if once.
// Dates are left out where both are of the same day as each other.
func (l Line) Folded(loc *time.Location) string {
	if l.Count < 2 {
		return ""
	}
	verb := ""
	if l.Status == "Failed" {
		verb = "tried "
	}
	form := "15:04"
	if l.First.In(loc).Format(time.DateOnly) != l.Last.In(loc).Format(time.DateOnly) {
		form = "2006-01-02 15:04"
	}
	return fmt.Sprintf("%s%d times, first %s, last %s", verb, l.Count, l.First.In(loc).Format(form), l.Last.In(loc).Format(form))
}

// Paint colours words of the text by what they stand for; the zero Paint leaves them as they are.
type Paint struct {
	Outcome func(o Outcome, s string) string // an operation's outcome, and the mark of an event that is one
	Faint   func(s string) string            // what is not looked for first
	Strong  func(s string) string            // an operation's name
	Wrap    func(first, s string) string     // lays a text out below its beginning, with a line end; nil = on one line
}

func (p Paint) lay(first, s string) string {
	if p.Wrap == nil {
		return first + s + "\n"
	}
	return p.Wrap(first, s)
}

func (p Paint) outcome(o Outcome, s string) string {
	if p.Outcome == nil {
		return s
	}
	return p.Outcome(o, s)
}

func with(f func(string) string, s string) string {
	if f == nil {
		return s
	}
	return f(s)
}

// Painted is the timeline for a terminal, in the order given: a headline for each entry, its lines indented below it, and what
// is to be done about what still stands. Times are in loc and named by its zone.
func Painted(entries []Entry, loc *time.Location, p Paint) string {
	if loc == nil {
		loc = time.UTC
	}
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(headline(e, loc, p))
		for i, l := range e.Lines {
			at := ""
			if len(e.Lines) > 1 {
				at = clock(l.Last, e.Last, loc) + "  "
			}
			b.WriteString(body(at, l, loc, p))
			if fix := e.nextStep(i); fix != "" {
				b.WriteString(p.lay(strings.Repeat(" ", 4+len(at)+2)+"→ ", OneLine(fix)))
			}
		}
	}
	return b.String()
}

func headline(e Entry, loc *time.Location, p Paint) string {
	s := with(p.Faint, e.Last.In(loc).Format("2006-01-02 15:04:05 MST")) + "  " + with(p.Strong, e.Title) + ": " + p.outcome(e.Outcome, string(e.Outcome))
	if e.Count > 1 {
		s += fmt.Sprintf(" %d times", e.Count)
	} else if d := e.Duration(); d > 0 {
		prep := " after "
		if e.Outcome == Running || e.Outcome == Waiting {
			prep = " for "
		}
		s += prep + Lasting(d)
	}
	if e.Caller != "" {
		s += ", by " + OneLine(e.Caller)
	}
	return s + "\n"
}

// nextStep is what is to be done about a line's failure, where the operation still stands there: told once, with the last
// line that says it.
func (e Entry) nextStep(i int) string {
	fix := e.Lines[i].Properties["fix"]
	if e.Outcome != Failed && (e.Outcome != Waiting || !e.Lines[i].Waits()) || fix == "" {
		return ""
	}
	for _, l := range e.Lines[i+1:] {
		if l.Properties["fix"] == fix {
			return ""
		}
	}
	return fix
}

// body is a line with its sign: those of the stages, and a dot for a wish or the beginning of a step.
func body(at string, l Line, loc *time.Location, p Paint) string {
	mark, o := " ", Outcome("")
	switch {
	case l.Waits():
		mark, o = "…", Waiting
	case l.Status == "Failed":
		mark, o = "✗", Failed
	case l.Begun():
		mark = "•"
	case l.Status == "Succeeded":
		mark, o = "✓", Succeeded
	}
	s := OneLine(l.Text)
	if f := l.Folded(loc); f != "" {
		s += " (" + f + ")"
	}
	text := p.lay("    "+at+mark+" ", s)
	if painted := p.outcome(o, mark); o != "" && painted != mark {
		text = strings.Replace(text, mark, painted, 1)
	}
	if at != "" {
		text = strings.Replace(text, at, with(p.Faint, at), 1)
	}
	return text
}

// clock leaves the date out of a line's time where the headline has it already.
func clock(t, day time.Time, loc *time.Location) string {
	if t.In(loc).Format(time.DateOnly) == day.In(loc).Format(time.DateOnly) {
		return t.In(loc).Format("15:04:05")
	}
	return t.In(loc).Format("2006-01-02 15:04:05")
}

// OneLine keeps what others wrote (an authority's words, a name) from moving a terminal's cursor, from looking
// like more lines, or from turning the order in which it is read: control and bidirectional format
// characters go (Unicode TR 9, section 2), line ends and tabs become spaces.
func OneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r < 0x20 || r >= 0x7f && r <= 0x9f:
			return -1
		case r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f || r == 0x61c:
			return -1
		}
		return r
	}, s)
}
