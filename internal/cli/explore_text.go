package cli

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/clipperhouse/displaywidth"
	"github.com/gdamore/tcell/v3"
	"github.com/gdamore/tcell/v3/color"

	"certwright/internal/arm"
)

// The browser shows the very text that the command prints, colours included: its escape codes become the screen's
// styles here, and lines that are too long for the pane go on below.

// span is a piece of a line in one style.
type span struct {
	text  string
	style tcell.Style
}

// textLine is a line as it stands on the screen.
type textLine []span

// plain is the line's text alone.
func (l textLine) plain() string {
	var b strings.Builder
	for _, s := range l {
		b.WriteString(s.text)
	}
	return b.String()
}

// code finds the one kind of escape code that this program writes.
var code = regexp.MustCompile("\x1b\\[([0-9;]*)m")

// inks are the colours of the codes in use.
var inks = map[string]color.Color{"31": color.Maroon, "32": color.Green, "33": color.Olive, "36": color.Teal}

// styleOf is the style of a colour code such as "1;31"; "0" is plain.
func styleOf(codes string) tcell.Style {
	st := tcell.StyleDefault
	for _, c := range strings.Split(codes, ";") {
		switch ink, ok := inks[c]; {
		case ok:
			st = st.Foreground(ink)
		case c == "1":
			st = st.Bold(true)
		case c == "2":
			st = st.Dim(true)
		case c == "7":
			st = st.Reverse(true)
		}
	}
	return st
}

// linesOf lays text with our colour codes out in lines that are at most so wide. What goes on below is indented as far as
// its line was.
func linesOf(text string, most int) (list []textLine) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		var spans []span
		st, from := tcell.StyleDefault, 0
		for _, at := range code.FindAllStringSubmatchIndex(line, -1) {
			spans = append(spans, span{line[from:at[0]], st})
			st, from = styleOf(line[at[2]:at[3]]), at[1]
		}
		spans = append(spans, span{line[from:], st})
		list = append(list, fold(slices.DeleteFunc(spans, func(s span) bool { return s.text == "" }), most)...)
	}
	return list
}

// fold breaks a line where it would be too wide, between words where it can.
func fold(line textLine, most int) (list []textLine) {
	text := line.plain()
	indent := min(len(text)-len(strings.TrimLeft(text, " "))+2, most/2)
	for first := true; ; first = false {
		room := most
		if !first {
			room = most - indent
		}
		if width(text) <= room || room < 2 {
			return append(list, indented(line, indent, first))
		}
		n := breakAt(text, room)
		head, rest := split(line, n)
		list = append(list, indented(head, indent, first))
		for len(rest) > 0 { // the space that the break was made at
			if rest[0].text = strings.TrimLeft(rest[0].text, " "); rest[0].text != "" {
				break
			}
			rest = rest[1:]
		}
		if line, text = rest, rest.plain(); text == "" {
			return list
		}
	}
}

func indented(line textLine, by int, first bool) textLine {
	if first || by == 0 {
		return line
	}
	return append(textLine{{strings.Repeat(" ", by), tcell.StyleDefault}}, line...)
}

// breakAt is where a text is to be broken so that its head fits into a room: behind its last space, else anywhere.
func breakAt(text string, room int) int {
	at, wide, space := 0, 0, 0
	for g := displaywidth.StringGraphemes(text); g.Next(); {
		if wide += g.Width(); wide > room {
			break
		}
		at += len(g.Value())
		if g.Value() == " " && strings.TrimSpace(text[:at]) != "" {
			space = at
		}
	}
	if space > 0 {
		return space
	}
	return max(at, 1)
}

// split cuts a line behind so many bytes.
func split(line textLine, n int) (head, rest textLine) {
	for i, s := range line {
		if n < len(s.text) {
			head = append(head, span{s.text[:n], s.style})
			return head, append(textLine{{s.text[n:], s.style}}, line[i+1:]...)
		}
		head, n = append(head, s), n-len(s.text)
	}
	return head, nil
}

// pageOf is what the command prints, for a pane that is so wide.
func (x explorer) pageOf(most int, print func(x explorer)) []textLine {
	var out bytes.Buffer
	in := *x.Env
	in.Stdout, in.IsTerminal, in.output, in.query = &out, true, "", ""
	in.Environ, in.columns = append(slices.Clone(x.Environ), "NO_COLOR=", "TERM=xterm"), most
	print(explorer{Env: &in, cl: x.cl, ctx: x.ctx, marks: true})
	return linesOf(out.String(), most)
}

// Parts of a line of indented JSON.
var jsonLine = regexp.MustCompile(`(?m)^( *)("(?:[^"\\]|\\.)*")(: )(.*)$`)

// printJSON is JSON with its names marked, and what is not well in it.
func (x explorer) printJSON(v any) {
	var out bytes.Buffer
	in := *x.Env
	in.Stdout = &out
	_ = in.writeJSON(v) // into memory
	c := x.colour()
	x.printf("%s", jsonLine.ReplaceAllStringFunc(out.String(), func(line string) string {
		p := jsonLine.FindStringSubmatch(line)
		name, value := p[2], p[4]
		var word string
		if json.Unmarshal([]byte(strings.TrimSuffix(value, ",")), &word) == nil {
			switch state, isState := arm.Standing(strings.Trim(name, `"`), word); {
			case isState:
				value = c.as(stateCode[state], value+" "+strings.TrimSpace(stateMark[state]))
			default:
				value = c.as("32", value)
			}
		}
		return p[1] + c.as("36", name) + p[3] + value
	}))
}
