package cli

import (
	"slices"
	"strings"

	"github.com/gdamore/tcell/v3"

	"certwright/internal/arm"
)

// prompt asks for a line of text below.
type prompt struct {
	label  string
	text   string
	change func(text string) // with each key; may be nil
	done   func(text string) // with Enter
	cancel func()            // with Escape; may be nil
}

// overlay lies over the panes until a key closes it: a help, a choice, a question, an answer.
type overlay struct {
	title   string
	text    func(most int) []textLine
	choices []choice
	at, top int
	keys    string                // what the keys do, for the line below
	key     func(key string) bool // takes keys of its own; false = not its key
}

// choice is a line of an overlay that can be chosen.
type choice struct {
	label string
	do    func()
}

// word is a key by a name of ours: one for each of those that mean the same.
func word(ev *tcell.EventKey) string {
	switch ev.Key() {
	case tcell.KeyRune:
		return ev.Str()
	case tcell.KeyUp, tcell.KeyCtrlP:
		return "up"
	case tcell.KeyDown, tcell.KeyCtrlN:
		return "down"
	case tcell.KeyLeft:
		return "left"
	case tcell.KeyRight:
		return "right"
	case tcell.KeyEnter:
		return "enter"
	case tcell.KeyBackspace, tcell.KeyDEL:
		return "backspace"
	case tcell.KeyEscape:
		return "escape"
	case tcell.KeyPgUp, tcell.KeyCtrlB:
		return "pgup"
	case tcell.KeyPgDn, tcell.KeyCtrlF:
		return "pgdn"
	case tcell.KeyHome:
		return "home"
	case tcell.KeyEnd:
		return "end"
	case tcell.KeyTab, tcell.KeyBacktab:
		return "tab"
	case tcell.KeyCtrlC:
		return "interrupt"
	case tcell.KeyCtrlU:
		return "clear"
	case tcell.KeyCtrlL:
		return "redraw"
	case tcell.KeyF1:
		return "?"
	case tcell.KeyF5:
		return "r"
	}
	return ""
}

// key takes a key: a prompt's first, then an overlay's, then the browser's own.
func (b *browser) key(ev *tcell.EventKey) {
	k := word(ev)
	switch {
	case k == "interrupt":
		b.leaving = true
	case k == "redraw":
		b.screen.Sync()
	case b.asked != nil:
		b.promptKey(k)
	case b.over != nil:
		b.overlayKey(k)
	default:
		b.said, b.bad = "", false
		b.browseKey(k)
	}
}

func (b *browser) promptKey(k string) {
	p := b.asked
	switch {
	case k == "enter":
		b.asked = nil
		p.done(p.text)
		return
	case k == "escape", k == "backspace" && p.text == "":
		b.asked = nil
		if p.cancel != nil {
			p.cancel()
		}
		return
	case k == "backspace":
		r := []rune(p.text)
		p.text = string(r[:len(r)-1])
	case k == "clear":
		p.text = ""
	case len([]rune(k)) == 1 || k != "" && k[0] >= 0x80:
		p.text += k
	}
	if p.change != nil {
		p.change(p.text)
	}
}

func (b *browser) overlayKey(k string) {
	o := b.over
	if o.key != nil && o.key(k) {
		return
	}
	by := map[string]int{"up": -1, "k": -1, "down": 1, "j": 1, "pgup": -10, "pgdn": 10, " ": 10, "home": -1 << 20, "end": 1 << 20}[k]
	switch {
	case k == "escape" || k == "q" || k == "left" || k == "h" || k == "backspace" || k == "enter" && len(o.choices) == 0:
		b.over = nil
	case k == "enter" || k == "right" || k == "l":
		b.over = nil
		o.choices[o.at].do()
	case len(o.choices) > 0:
		o.at = min(max(o.at+by, 0), len(o.choices)-1)
	default:
		o.top = max(o.top+by, 0) // drawing knows the end
	}
}

// commands are the keys that mean the same in both panes.
func (b *browser) commands() map[string]func() {
	return map[string]func(){
		"q": func() { b.leaving = true },
		"?": b.help,
		"/": b.search,
		"g": b.askPath,
		"a": b.actions,
		"y": b.same,
		"r": func() { b.tell("Asked again."); b.refresh(b.at) },
		"d": func() { b.lookAt("diagnose") },
		"t": func() { b.lookAt("timeline") },
		"!": b.nextWrong,
		"tab": func() {
			b.paged = !b.paged
			if b.paged && b.at.view && !b.at.lists() {
				b.load(b.at)
			}
		},
	}
}

func (b *browser) browseKey(k string) {
	if do := b.commands()[k]; do != nil {
		do()
		return
	}
	if b.paged {
		b.pageKey(k)
		return
	}
	rows := b.root.visible(b.filter)
	i := max(slices.Index(rows, b.at), 0)
	step := b.treeHeight() - 1
	switch k {
	case "up", "k":
		b.choose(rows, i-1)
	case "down", "j":
		b.choose(rows, i+1)
	case "pgup":
		b.choose(rows, i-step)
	case "pgdn":
		b.choose(rows, i+step)
	case "home":
		b.choose(rows, 0)
	case "end", "G":
		b.choose(rows, len(rows)-1)
	case "enter":
		b.enter()
	case "right", "l":
		b.descend()
	case "left", "h", "backspace":
		b.ascend()
	case " ":
		if b.at.open {
			b.at.open = false
		} else {
			b.expand(b.at)
		}
	case "escape":
		b.filter = ""
	}
}

func (b *browser) choose(rows []*leaf, i int) {
	if len(rows) > 0 {
		b.at = rows[min(max(i, 0), len(rows)-1)]
	}
}

// enter opens what is chosen; of a thing or a look it is the page that is gone to.
func (b *browser) enter() {
	switch {
	case b.at.lists():
		b.at.open = !b.at.open
		if b.at.open {
			b.expand(b.at)
		}
	case b.at.Order == nil && b.at.thing() && len(b.at.place.Below) > 0 && !b.at.open:
		b.expand(b.at)
	default:
		if b.at.thing() {
			b.expand(b.at)
		}
		b.load(b.at)
		b.paged = true
	}
}

// descend goes one down: it opens, then goes to the first below, and where nothing is below to the page.
func (b *browser) descend() {
	hasBelow := b.at.lists() || !b.at.view && len(b.at.place.Below) > 0
	switch {
	case hasBelow && !b.at.open:
		b.expand(b.at)
	case len(b.at.kids) > 0 && b.filter == "":
		b.at = b.at.kids[0]
	case !hasBelow:
		b.enter()
	}
}

// ascend goes one up: it shuts what is open, then goes to where that lies.
func (b *browser) ascend() {
	switch {
	case b.at.open && b.filter == "":
		b.at.open = false
	case b.at.above != b.root:
		b.at = b.at.above
	}
}

// pageKey takes a key for the page.
func (b *browser) pageKey(k string) {
	step := b.treeHeight() - 1
	switch k {
	case "up", "k":
		b.pageTop--
	case "down", "j", "enter":
		b.pageTop++
	case "pgup":
		b.pageTop -= step
	case "pgdn", " ":
		b.pageTop += step
	case "home":
		b.pageTop = 0
	case "end", "G":
		b.pageTop = 1 << 20 // drawing knows the end
	case "n":
		b.findNext(1)
	case "N":
		b.findNext(-1)
	case "left", "h", "backspace", "escape":
		b.paged = false
	}
}

// search asks for words: of the page to find, of the tree to filter by.
func (b *browser) search() {
	if b.paged {
		b.asked = &prompt{label: "Find in the page: ", text: "", done: func(s string) { b.find = s; b.pageTop--; b.findNext(1) }}
		return
	}
	before := b.filter
	b.asked = &prompt{label: "Filter: ", text: b.filter, change: b.filterBy, done: b.searchServer, cancel: func() { b.filterBy(before) }}
}

// filterBy filters the tree, and keeps something chosen that is seen.
func (b *browser) filterBy(s string) {
	b.filter = s
	rows := b.root.visible(s)
	if slices.Contains(rows, b.at) && (s == "" || b.at.matches(s)) {
		return
	}
	for _, l := range rows {
		if l.matches(s) {
			b.at = l
			return
		}
	}
}

// findNext goes to the next line of the page that has the words.
func (b *browser) findNext(by int) {
	if b.find == "" {
		return
	}
	for i, n := b.pageTop+by, 0; n < len(b.page); i, n = i+by, n+1 {
		at := (i + len(b.page)) % len(b.page)
		if strings.Contains(strings.ToLower(b.page[at].plain()), strings.ToLower(b.find)) {
			b.pageTop = at
			return
		}
	}
	b.pageTop = max(b.pageTop, 0)
	b.tell("The page has no %q.", b.find)
}

// askPath asks where to go.
func (b *browser) askPath() {
	b.asked = &prompt{label: "Go to: ", done: func(s string) {
		path, ok := arm.PathOf(strings.TrimSpace(s))
		if !ok || path == "/" {
			b.tell("%q is nothing that can be explored: give an id, a short path, or words such as orders/www.", s)
			b.bad = true
			return
		}
		b.reveal(path, true)
	}}
}

// lookAt opens a look that the chosen order, or the one that is lain in, has below it.
func (b *browser) lookAt(name string) {
	for l := b.at; l != nil; l = l.above {
		if l.Order == nil {
			continue
		}
		b.expand(l)
		for _, k := range l.kids {
			if k.Name == name {
				k.read = false // now, not as it was
				b.at, b.paged = k, true
				b.load(k)
				return
			}
		}
	}
	b.tell("%s is for an order: choose one.", upper(name))
}

// nextWrong goes to the next thing of the tree that is not well.
func (b *browser) nextWrong() {
	all := slices.Collect(b.root.all())
	from := slices.Index(all, b.at)
	for i := range all {
		l := all[(from+1+i)%len(all)]
		if !l.view && notWell(&l.Thing) {
			for up := l.above; up != nil; up = up.above {
				up.open = true
			}
			b.at, b.filter, b.paged = l, "", false
			return
		}
	}
	b.tell("Nothing that was looked at is not well. What is not open yet was not looked at.")
}
