package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gdamore/tcell/v3"

	"certwright/internal/client"
	"certwright/internal/order"
)

// Two panes need so many columns; narrower screens show the tree or the page.
const (
	twoPanes = 100
	leastW   = 40
	leastH   = 8
)

var (
	barStyle  = tcell.StyleDefault.Reverse(true)
	faint     = tcell.StyleDefault.Dim(true)
	faultLine = styleOf("1;31")
)

// stateStyle is a state's colour on the screen.
func stateStyle(s order.StageState) tcell.Style { return styleOf(stateCode[s]) }

// put writes a text at a place of the screen, at most so wide, and gives the column behind it.
func (b *browser) put(x, y, most int, s string, st tcell.Style) int {
	b.screen.PutStrStyled(x, y, cut(s, most), st)
	return x + min(width(s), most)
}

// bar is a line in reverse over the whole width.
func (b *browser) bar(y int, s string) {
	w, _ := b.screen.Size()
	b.screen.FillArea(0, y, w, 1, ' ', barStyle)
	b.put(0, y, w, s, barStyle)
}

func (b *browser) treeHeight() int {
	_, h := b.screen.Size()
	return max(h-3, 1)
}

// draw draws everything anew; the screen sends only what differs.
func (b *browser) draw() {
	w, h := b.screen.Size()
	b.screen.Clear()
	b.screen.HideCursor()
	defer b.screen.Show()
	if w < leastW || h < leastH {
		b.put(0, 0, w, fmt.Sprintf("%d×%d is too small: q leaves", w, h), tcell.StyleDefault)
		return
	}
	b.bar(0, " certwright explore  "+b.cl.URL())
	b.drawLive(w)
	switch {
	case w >= twoPanes:
		left := min(w*36/100, 60)
		b.drawTree(0, left)
		for y := 1; y < h-2; y++ {
			b.screen.PutStrStyled(left, y, "│", faint)
		}
		b.drawPage(left+2, w-left-3)
	case b.paged:
		b.drawPage(1, w-2)
	default:
		b.drawTree(0, w)
	}
	b.drawFoot(w, h)
	if b.over != nil {
		b.drawOverlay(w, h)
	}
	if b.asked != nil {
		at := b.put(0, h-1, w, b.asked.label, tcell.StyleDefault.Bold(true))
		shown := b.asked.text
		for width(shown) > w-at-1 && shown != "" { // its end is what is being written
			shown = string([]rune(shown)[1:])
		}
		b.screen.ShowCursor(b.put(at, h-1, w-at, shown, tcell.StyleDefault), h-1)
	}
}

// drawLive draws at the end of the line above whether what is shown is how things stand now.
func (b *browser) drawLive(w int) {
	state, st := b.live, barStyle
	switch {
	case !b.gone.IsZero():
		why := "no server"
		if b.live == "" {
			why = "not live, r asks again:"
		}
		state, st = " ✗ "+why+" since "+b.gone.Local().Format("15:04:05")+" ", faultLine.Reverse(true)
	case b.busy > 0:
		state = "asking …"
	case state == "live":
		state = "● live"
	}
	b.put(max(w-width(state)-1, 0), 0, w, state, st)
}

// drawFoot draws where one is, or what happened, and the keys.
func (b *browser) drawFoot(w, h int) {
	switch {
	case b.bad:
		b.put(0, h-2, w, "✗ "+b.said, faultLine)
	case b.said != "":
		b.put(0, h-2, w, b.said, tcell.StyleDefault.Bold(true))
	case b.filter != "":
		b.put(0, h-2, w, fmt.Sprintf("only what has %q   Esc shows all", b.filter), styleOf("33"))
	default:
		b.put(0, h-2, w, cutFront(b.at.Path, w), faint)
	}
	keys := "↑↓ →← move  / filter  g go to  a act  y shell  ! not well  ? help  q quit"
	if b.paged {
		keys = "↑↓ scroll  ← tree  / find  a act  d diagnose  y shell  r again  ? help  q quit"
	}
	if width(keys) > w { // what is left out stands in the help
		keys = "? help  q quit  ↑↓ →← move  / filter  a act  ! not well"
	}
	if b.over != nil {
		keys = b.over.keys
	}
	b.put(0, h-1, w, keys, faint)
}

// cutFront makes a path fit: its end tells more than its beginning.
func cutFront(s string, n int) string {
	for short := s; ; {
		if short == s && width(s) <= n {
			return s
		}
		if short = short[1:]; width(short) < n && utf8.RuneStart(short[0]) {
			return "…" + short
		}
	}
}

// drawTree draws the part of the tree around the chosen leaf.
func (b *browser) drawTree(x, w int) {
	rows := b.root.visible(b.filter)
	height, i := b.treeHeight(), max(slices.Index(rows, b.at), 0)
	switch {
	case i < b.top:
		b.top = i
	case i >= b.top+height:
		b.top = i - height + 1
	}
	b.top = max(min(b.top, len(rows)-height), 0)
	for y := 0; y < height && b.top+y < len(rows); y++ {
		b.drawLeaf(x, y+1, w, rows[b.top+y])
	}
	if len(rows) == 0 {
		b.put(x+1, 1, w-1, "Nothing that was opened has that in its name.", tcell.StyleDefault)
	}
}

// drawLeaf draws one line of the tree: its sign, its name, how it stands in a word.
func (b *browser) drawLeaf(x, y, w int, l *leaf) {
	chosen := l == b.at
	as := func(st tcell.Style) tcell.Style {
		if chosen && !b.paged {
			return st.Reverse(true)
		}
		return st
	}
	if chosen {
		b.screen.FillArea(x, y, w, 1, ' ', as(tcell.StyleDefault))
	}
	turn := "  "
	switch {
	case l.open && (len(l.kids) > 0 || l.lists()):
		turn = "▾ "
	case l.lists() || len(l.place.Below) > 0 && !l.view:
		turn = "▸ "
	}
	end := x + w
	x = b.put(x+1+2*l.depth, y, end-x, turn, as(tcell.StyleDefault))
	if l.State != "" {
		x = b.put(x, y, end-x, stateMark[l.State]+" ", as(stateStyle(l.State)))
	}
	name := as(tcell.StyleDefault)
	if chosen {
		name = name.Bold(true)
	}
	x = b.put(x, y, end-x, l.Name, name)
	if s, n := l.worst(); n > 0 && end > x {
		x = b.put(x, y, end-x, fmt.Sprintf(" %s%d", stateMark[s], n), as(stateStyle(s)))
	}
	if n := l.count(); n != "" && end > x {
		x = b.put(x, y, end-x, " ("+n+")", as(faint))
	}
	switch word := l.word(); {
	case l.loading && end > x:
		b.put(x, y, end-x, "  asking", as(faint))
	case l.err != nil && end > x:
		b.put(x, y, end-x, "  "+whyNot(l.err), as(styleOf("33")))
	case word != "" && end > x+2:
		b.put(x+2, y, end-x-2, word, as(stateStyle(l.State)))
	}
}

// whyNot is why something is not shown, in two or three words.
func whyNot(err error) string {
	var refused *client.Error
	switch {
	case refusedTo(err):
		return "not for this token"
	case errors.As(err, &refused):
		return fmt.Sprintf("not shown: %d", refused.Status)
	}
	return "no answer"
}

// drawPage draws what is told of the chosen leaf.
func (b *browser) drawPage(x, w int) {
	key := pageKey{leaf: b.at, width: w, kids: len(b.at.kids), state: fmt.Sprint(b.at.loading, b.at.reading, b.at.loaded, b.at.State, b.at.err != nil)}
	if key != b.pageFor {
		if b.pageFor.leaf != b.at {
			b.pageTop = 0
		}
		b.page, b.pageFor = b.pageOf(w, b.tellOf(b.at)), key
	}
	height := b.treeHeight()
	b.pageTop = max(min(b.pageTop, len(b.page)-height), 0)
	for y := 0; y < height && b.pageTop+y < len(b.page); y++ {
		b.drawLine(x, y+1, w, b.page[b.pageTop+y])
	}
	if more := len(b.page) - b.pageTop - height; more > 0 {
		note := fmt.Sprintf(" ↓ %d more ", more)
		b.put(x+w-width(note), height, width(note), note, barStyle)
	}
}

// drawLine draws a line; what is searched for is marked.
func (b *browser) drawLine(x, y, w int, line textLine) {
	end := x + w
	for _, s := range line {
		for rest := s.text; rest != "" && x < end; {
			at := -1
			if b.find != "" {
				at = strings.Index(strings.ToLower(rest), strings.ToLower(b.find))
			}
			if at < 0 || at+len(b.find) > len(rest) {
				x = b.put(x, y, end-x, rest, s.style)
				break
			}
			x = b.put(x, y, end-x, rest[:at], s.style)
			if x < end {
				x = b.put(x, y, end-x, rest[at:at+len(b.find)], s.style.Reverse(true))
			}
			rest = rest[at+len(b.find):]
		}
	}
}

// tellOf is what the page tells of a leaf.
func (b *browser) tellOf(l *leaf) func(x explorer) {
	return func(x explorer) {
		p := l.place
		switch {
		case l.lists() || l.view && l.Path == "":
			b.tellList(x, l)
		case l.Path == "":
			x.printf("%s\n", x.line(&l.Thing, x.colour()))
		case l.bodyErr != nil:
			x.head(p)
			x.printf("\n%s", x.colour().as("1;31", x.wrap("✗ ", strings.ReplaceAll(l.bodyErr.Error(), "\n", " "))))
			x.printf("%s", x.wrap("→ ", "r asks again"))
		case !l.read && l.view && !l.reading:
			x.head(p)
			x.printf("\n→ Enter asks for it\n")
		case !l.read:
			x.head(p)
			x.printf("\nasking …\n")
		default:
			var v any
			if json.Unmarshal(l.body, &v) != nil {
				x.head(p)
				x.printf("\nThis is no JSON (%d bytes): save it with %s\n", len(l.body), p.Shell(b.cl.At()).Curl)
				return
			}
			x.printAnswer(p, l.body, v)
		}
	}
}

// tellList tells of a list what is known of its things: first those that are not well.
func (b *browser) tellList(x explorer, l *leaf) {
	if l.Path == "" {
		x.printf("%s\n", x.colour().bold(upper(l.Name)))
	} else {
		x.head(l.place)
	}
	switch {
	case l.err != nil:
		x.printf("\n%s", x.colour().as("1;31", x.wrap("✗ ", strings.ReplaceAll(l.err.Error(), "\n", " "))))
		return
	case !l.loaded && l.loading:
		x.printf("\nasking …\n")
		return
	case !l.loaded:
		x.printf("\n→ Enter lists them\n")
		return
	case len(l.kids) == 0:
		x.printf("\nNothing is here.\n")
		return
	}
	var wrong, well []*leaf
	for _, k := range l.kids {
		if notWell(&k.Thing) {
			wrong = append(wrong, k)
		} else {
			well = append(well, k)
		}
	}
	x.printf("\n")
	for _, k := range wrong {
		x.printf("%s\n", x.typed(&k.Thing, l.place))
		x.advise(&k.Thing, "    ")
	}
	if len(wrong) > 0 && len(well) > 0 {
		x.printf("\n")
	}
	for _, k := range well {
		x.printf("%s\n", x.typed(&k.Thing, l.place))
	}
	if l.next != "" {
		x.printf("\nand more: they come as you go down the list\n")
	}
}

// drawOverlay draws what lies over the panes, in a frame.
func (b *browser) drawOverlay(w, h int) {
	o := b.over
	ow := min(w-4, 96)
	text, from, to := o.lines(ow - 4)
	oh := min(len(text), h-6)
	x, y := (w-ow)/2, max((h-oh-2)/2, 1)
	b.frame(x, y, ow, oh+2, o.title)
	if len(o.choices) > 0 {
		o.top = min(max(o.top, to-oh), from)
	}
	o.top = max(min(o.top, len(text)-oh), 0)
	for i := range oh {
		n := o.top + i
		line := text[n]
		if n >= from && n < to {
			b.screen.FillArea(x+1, y+1+i, ow-2, 1, ' ', barStyle)
			line = textLine{{line.plain(), barStyle}}
		}
		b.drawLine(x+2, y+1+i, ow-4, line)
	}
	if o.top+oh < len(text) {
		b.put(x+ow-11, y+oh+1, 9, " ↓ more ", tcell.StyleDefault)
	}
}

// lines are the overlay's text and choices in lines of a width, and which of them are the choice that is at hand.
func (o *overlay) lines(most int) (list []textLine, from, to int) {
	if o.text != nil {
		list = o.text(most)
	}
	for i, c := range o.choices {
		if i == o.at {
			from = len(list)
		}
		list = append(list, linesOf(c.label, most)...)
		if i == o.at {
			to = len(list)
		}
	}
	return list, from, to
}

// frame draws an empty frame with a title.
func (b *browser) frame(x, y, w, h int, title string) {
	b.screen.FillArea(x, y, w, h, ' ', tcell.StyleDefault)
	edge := strings.Repeat("─", w-2)
	b.screen.PutStrStyled(x, y, "┌"+edge+"┐", faint)
	b.screen.PutStrStyled(x, y+h-1, "└"+edge+"┘", faint)
	for i := 1; i < h-1; i++ {
		b.screen.PutStrStyled(x, y+i, "│", faint)
		b.screen.PutStrStyled(x+w-1, y+i, "│", faint)
	}
	b.put(x+2, y, w-4, " "+title+" ", tcell.StyleDefault.Bold(true))
}
