package cli

import (
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"

	"certwright/internal/arm"
	"certwright/internal/order"
)

// leaf is a place in the browser's tree. What is below it is asked for when it is opened, a page at a time.
type leaf struct {
	arm.Thing
	place arm.Place
	above *leaf
	depth int
	view  bool // a list or a look that a thing has below it, not a thing itself

	kids    []*leaf
	open    bool
	loaded  bool   // its first page is here
	loading bool   // and the next one is on its way
	next    string // address of the next page; empty = there is none
	err     error  // why what is below is not known

	body    []byte // what the place itself answered
	bodyErr error
	read    bool
	reading bool
}

// newRoot is the tree before anything was asked.
func newRoot() *leaf {
	root := &leaf{Thing: arm.Thing{Name: "Everything", Path: "/"}, place: arm.Root(), depth: -1, open: true, loaded: true}
	for _, p := range arm.Root().Below {
		root.kids = append(root.kids, root.viewOf(p))
	}
	return root
}

// viewOf is the leaf of a list or look below this one.
func (l *leaf) viewOf(p arm.Place) *leaf {
	name := p.Path[strings.LastIndexByte(p.Path, '/')+1:]
	return &leaf{Thing: arm.Thing{Name: name, Path: p.Path, Type: p.Type}, place: arm.PlaceOf(p.Path), above: l, depth: l.depth + 1, view: true}
}

// thingOf is the leaf of a thing of this list. One that has no place of its own can only be looked at here.
func (l *leaf) thingOf(t arm.Thing) *leaf {
	k := &leaf{Thing: t, above: l, depth: l.depth + 1}
	if t.Path != "" {
		k.place = arm.PlaceOf(t.Path)
	}
	return k
}

// lists says whether its things come from the server, a page at a time.
func (l *leaf) lists() bool { return l.view && l.place.List }

// thing says whether it is something whose JSON is worth showing as soon as it is chosen. Looks are asked only when they
// are opened: a diagnosis costs time.
func (l *leaf) thing() bool { return !l.view && l.Path != "" && l.depth >= 0 }

// unfold makes the leaves that need no question: the lists and looks of a thing.
func (l *leaf) unfold() {
	if l.loaded || l.lists() {
		return
	}
	l.loaded = true
	for _, p := range l.place.Below {
		l.kids = append(l.kids, l.viewOf(p))
	}
	// Groups are what a subscription is walked by; the list of all resources is the same things once more.
	order := map[string]int{"resourceGroups": -1, "resources": 1}
	slices.SortStableFunc(l.kids, func(a, b *leaf) int { return order[a.Name] - order[b.Name] })
}

// take adds a page of a list.
func (l *leaf) take(things []arm.Thing, next string) {
	for _, t := range things {
		l.kids = append(l.kids, l.thingOf(t))
	}
	l.loaded, l.next = true, next
}

// all are the leaves below this one, from top to bottom, open or not.
func (l *leaf) all() iter.Seq[*leaf] {
	return func(yield func(*leaf) bool) { l.walk(yield) }
}

func (l *leaf) walk(yield func(*leaf) bool) bool {
	for _, k := range l.kids {
		if !yield(k) || !k.walk(yield) {
			return false
		}
	}
	return true
}

// find is the leaf at a path below this one, as far as it is known.
func (l *leaf) find(path string) *leaf {
	for k := range l.all() {
		if strings.EqualFold(k.Path, path) {
			return k
		}
	}
	return nil
}

// child is the leaf at a path right below this one. A thing that the first page of a large list has not is added.
func (l *leaf) child(path string) *leaf {
	for _, k := range l.kids {
		if strings.EqualFold(k.Path, path) {
			return k
		}
	}
	name := path[strings.LastIndexByte(path, '/')+1:]
	if un, err := url.PathUnescape(name); err == nil {
		name = un
	}
	var k *leaf
	if l.lists() {
		k = l.thingOf(arm.Thing{Name: name, Path: path})
	} else {
		k = l.viewOf(arm.PlaceOf(path))
	}
	l.kids = append(l.kids, k)
	return k
}

// matches says whether a filter's words are in its name or in what is told of it.
func (l *leaf) matches(filter string) bool {
	text := strings.ToLower(l.Name + " " + l.word())
	for _, w := range strings.Fields(strings.ToLower(filter)) {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// word is what a line of the tree tells of a thing beside its name: of an order where it fails, of others what is not well.
func (l *leaf) word() string {
	switch {
	case l.Order != nil && l.State == order.StateFail && l.Order.State == order.Done:
		return "not well"
	case l.Order != nil && notWell(&l.Thing):
		return string(l.Order.Stage) + " " + string(l.Order.State)
	case l.State == order.Done:
		return ""
	}
	return l.Word
}

// worst is the worst state of the things of a list that are known, and how many of them are not well.
func (l *leaf) worst() (worst order.StageState, n int) {
	rank := []order.StageState{order.StateWait, order.StateUnkno, order.Blocked, order.StateFail}
	at := -1
	for _, k := range l.kids {
		if r := slices.Index(rank, k.State); r >= 0 && !k.view {
			at, n = max(at, r), n+1
		}
	}
	if at >= 0 {
		worst = rank[at]
	}
	return worst, n
}

// count says how many things a list has, as far as it is known: "3", "100+"; empty before it was asked.
func (l *leaf) count() string {
	switch {
	case !l.lists() || !l.loaded:
		return ""
	case l.next != "":
		return fmt.Sprintf("%d+", len(l.kids))
	}
	return fmt.Sprint(len(l.kids))
}

// visible are the leaves that are drawn, in order: what is open, or with a filter what matches and what leads there.
func (l *leaf) visible(filter string) []*leaf {
	var list []*leaf
	for _, k := range l.kids {
		var below []*leaf
		if k.open || filter != "" {
			below = k.visible(filter)
		}
		if filter == "" || len(below) > 0 || k.matches(filter) {
			list = append(append(list, k), below...)
		}
	}
	return list
}
