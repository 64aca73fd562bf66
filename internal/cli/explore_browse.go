package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gdamore/tcell/v3"
	"golang.org/x/term"

	"certwright/internal/arm"
	"certwright/internal/client"
	"certwright/internal/order"
)

// talks says whether a person sits at both ends: only then is a browser opened.
func (e *Env) talks() bool {
	in, ok := e.Stdin.(*os.File)
	return ok && e.IsTerminal && term.IsTerminal(int(in.Fd())) && e.getenv("TERM") != "dumb"
}

// browser is the explorer on a whole screen. Everything in it belongs to one goroutine, which draws and takes keys;
// whatever asks the server runs beside it and hands back, through news, what is to be done with the answer.
type browser struct {
	explorer
	screen tcell.Screen
	news   chan func()
	stop   context.CancelFunc

	root   *leaf
	at     *leaf  // the leaf that is chosen
	top    int    // the tree's first row that is drawn
	filter string // of the tree
	paged  bool   // keys go to the page, not to the tree
	find   string // what is searched for in the page

	page     []textLine // what is told of the chosen leaf
	pageFor  pageKey
	pageTop  int
	said     string    // the line below: what just happened
	bad      bool      // and it went wrong
	live     string    // whether the tree follows what happens
	gone     time.Time // since when what is shown may be old; zero = it is not
	busy     int       // questions under way
	asked    *prompt
	over     *overlay
	leaving  bool
	stale    map[string]bool // paths of orders that something happened to
	settling bool
}

// pageKey says what a page was laid out for; another one means that it has to be laid out again.
type pageKey struct {
	leaf  *leaf
	width int
	kids  int
	state string
}

// settleBrowser is how long a change waits for others, so that a burst is asked for once.
const settleBrowser = 200 * time.Millisecond

// browse opens the browser at a path and stays until it is left.
func (x explorer) browse(path string) error {
	if err := x.reachable(path); err != nil {
		return err
	}
	var opts []tcell.TerminfoScreenOption
	if x.getenv("NO_COLOR") != "" {
		opts = append(opts, tcell.OptColors(0))
	}
	screen, err := tcell.NewScreen(opts...)
	if err == nil {
		err = screen.Init()
	}
	if err != nil {
		return fmt.Errorf("open the terminal: %w\n  → print instead: certwright explore --plain", err)
	}
	defer screen.Fini()
	ctx, stop := context.WithCancel(x.ctx)
	defer stop()
	x.ctx = ctx
	b := &browser{explorer: x, screen: screen, news: make(chan func(), 16), stop: stop, root: newRoot(), stale: map[string]bool{}}
	b.at = b.root.kids[0]
	b.start(path)
	return b.loop()
}

// reachable asks for the place before the screen is taken: a server that is down, or a name that is not there, is told like
// any other error. A diagnosis is asked once only.
func (x explorer) reachable(path string) error {
	p := arm.PlaceOf(strings.TrimSuffix(path, "/diagnose"))
	if path == "/" || p.List { // lists are read anyway, and are there even where nothing is in them
		p = arm.PlaceOf("/subscriptions")
	}
	_, err := x.read(p)
	if p.List && refusedTo(err) {
		return nil // what lies below may be seen all the same
	}
	return err
}

// start goes to where the walk begins: the path, or without one the default group.
func (b *browser) start(path string) {
	if path == "/" {
		path, _ = arm.PathOf("groups/" + order.DefaultGroup)
		b.reveal(path, false)
	} else {
		b.reveal(path, true)
	}
	b.follow()
}

// loop draws, and takes what comes, until the browser is left.
func (b *browser) loop() error {
	for !b.leaving {
		b.draw()
		select {
		case <-b.ctx.Done():
			return b.ctx.Err()
		case do := <-b.news:
			do()
		case ev := <-b.screen.EventQ():
			switch ev := ev.(type) {
			case *tcell.EventResize:
				b.screen.Sync()
			case *tcell.EventKey:
				b.key(ev)
			}
		}
		b.want()
	}
	return nil
}

// ask runs a question beside the loop; what it gives back is done in the loop.
func (b *browser) ask(question func() (then func())) {
	b.busy++
	go func() {
		then := question()
		select {
		case b.news <- func() { b.busy--; then() }:
		case <-b.ctx.Done():
		}
	}()
}

// tell says something in the line below.
func (b *browser) tell(format string, args ...any) {
	b.said, b.bad = fmt.Sprintf(format, args...), false
}

// fail says what went wrong there, in one line: the first of the words, then what to do.
func (b *browser) fail(err error) {
	if b.ctx.Err() != nil {
		return
	}
	b.said, b.bad = b.hint(oneLine(err)), true
}

// oneLine is an error in one line.
func oneLine(err error) string {
	lines := strings.Split(err.Error(), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSpace(l)
	}
	return strings.Join(lines, "  ")
}

// want asks for what the screen lacks: the JSON of the chosen thing, the next page of a list whose end is near.
func (b *browser) want() {
	if b.at.thing() {
		b.load(b.at)
	}
	list := b.at.above
	if b.at.lists() && b.at.open {
		list = b.at
	}
	if list != nil && list.next != "" && len(list.kids)-slices.Index(list.kids, b.at) < treeShows {
		b.more(list)
	}
}

// load asks for what a place answers, once.
func (b *browser) load(l *leaf) {
	if l.read || l.reading || l.Path == "" {
		return
	}
	l.reading = true
	b.ask(func() func() {
		body, err := b.read(l.place)
		return func() {
			l.reading, l.read, l.body, l.bodyErr = false, true, body, err
			switch {
			case err == nil && !l.view:
				b.renew(l)
			case client.NotFound(err) && l.above.lists(): // deleted meanwhile
				b.reload(l.above)
			}
			b.pageFor = pageKey{}
		}
	})
}

// renew takes from a thing's own answer how it stands.
func (b *browser) renew(l *leaf) {
	t := arm.ThingOf(l.Path, l.body)
	scrub(&t)
	if t.Name == "" {
		t.Name = l.Name
	}
	t.Path = l.Path
	l.Thing = t
}

// more asks for the next page of a list.
func (b *browser) more(l *leaf) {
	if l.loading || !l.lists() || l.loaded && l.next == "" {
		return
	}
	address, first := l.next, !l.loaded
	if first {
		address = l.place.Address()
	}
	l.loading = true
	b.ask(func() func() {
		things, next, err := b.explorer.page(l.place, address)
		scrub(things)
		return func() {
			l.loading = false
			switch {
			case first && l.loaded: // it came on another way meanwhile
			case err != nil:
				l.err, l.next, l.loaded = err, "", true
			default:
				l.err = nil
				l.take(things, next)
			}
		}
	})
}

// expand opens a leaf. Of a group or subscription the lists are asked for at once, so that their counts and what is not
// well in them are seen.
func (b *browser) expand(l *leaf) {
	l.open = true
	if l.lists() {
		if !l.loaded {
			b.more(l)
		}
		return
	}
	l.unfold()
	if l.Order != nil || l.view || l.depth < 0 {
		return
	}
	for _, k := range l.kids {
		if k.lists() && (k.Name == "resourceGroups" || k.Name != "resources" && arm.InGroup(k.Path)) && !k.loaded {
			b.more(k)
		}
	}
}

// refresh forgets what was answered at and below a leaf, and asks again.
func (b *browser) refresh(l *leaf) {
	l.read, l.bodyErr = false, nil
	if l.lists() && l.loaded {
		b.reload(l)
	}
	for _, k := range l.kids {
		if k.lists() && k.loaded {
			b.reload(k)
		}
	}
	b.load(l)
	if b.live == "" {
		b.follow()
	}
}

// reload reads the first page of a list again and keeps what is open below its things.
func (b *browser) reload(l *leaf) {
	if l.loading {
		return
	}
	l.loading = true
	b.ask(func() func() {
		things, next, err := b.explorer.page(l.place, l.place.Address())
		scrub(things)
		return func() {
			l.loading = false
			if l.err = err; err != nil {
				return
			}
			b.replace(l, things, next)
		}
	})
}

// replace puts the things of a list's first page in the place of those that were there.
func (b *browser) replace(l *leaf, things []arm.Thing, next string) {
	old := l.kids
	l.kids = nil
	l.take(things, next)
	for i, k := range l.kids {
		if was := slices.IndexFunc(old, func(o *leaf) bool { return strings.EqualFold(o.Path, k.Path) }); was >= 0 && k.Path != "" {
			o := old[was]
			if o.Stages == nil || k.Stages != nil || k.Order == nil {
				o.Thing = k.Thing
			}
			l.kids[i] = o
		}
	}
	if b.at.above == l && !slices.Contains(l.kids, b.at) {
		b.at = l
		if i := slices.IndexFunc(l.kids, func(k *leaf) bool { return strings.EqualFold(k.Path, b.at.Path) }); i >= 0 {
			b.at = l.kids[i]
		}
	}
}

// reveal opens the tree down to a path and chooses what is there. Strictly: it is an error if nothing is.
func (b *browser) reveal(path string, strictly bool) {
	way := []string{path}
	for p := arm.Above(path); p != "/"; p = arm.Above(p) {
		way = append(way, p)
	}
	slices.Reverse(way)
	b.tell("Looking for %s", path)
	b.ask(func() func() {
		pages := map[string]func(l *leaf){}
		var refused *client.Error
		for _, p := range way {
			place := arm.PlaceOf(p)
			if !place.List {
				continue
			}
			things, next, err := b.explorer.page(place, place.Address())
			if errors.As(err, &refused) && refused.Status == http.StatusForbidden && p != path {
				continue // what is below may be seen all the same
			}
			if err != nil {
				return func() { b.fail(err) }
			}
			scrub(things)
			pages[p] = func(l *leaf) { l.take(things, next) }
		}
		var body []byte
		var err error
		if last := arm.PlaceOf(path); strictly && !last.List {
			body, err = b.read(last)
		}
		return func() {
			if err != nil {
				b.fail(err)
				return
			}
			b.arrive(way, pages, body)
		}
	})
}

// arrive walks down the tree along a way whose lists were read.
func (b *browser) arrive(way []string, pages map[string]func(*leaf), body []byte) {
	b.said, b.filter = "", ""
	l := b.root
	for i, p := range slices.Backward(way) { // some lists lie at the top, whatever their path
		if slices.ContainsFunc(l.kids, func(k *leaf) bool { return k.Path == p }) {
			way = way[i:]
			break
		}
	}
	for _, p := range way {
		l.unfold()
		k := l.child(p)
		if take := pages[k.Path]; take != nil && !k.loaded {
			take(k)
		}
		b.expand(l)
		if k.thing() && k.State == "" { // it was on no page that was read
			b.load(k)
		}
		l = k
	}
	if b.at = l; body != nil {
		l.body, l.read = body, true
		if !l.view {
			b.renew(l)
		}
		b.paged = l.view
	}
	b.expand(l)
}

// follow follows what happens to orders, so that the tree shows how they stand now. While the server is gone the line above
// says so, since when: what the screen shows may be old then.
func (b *browser) follow() {
	b.live, b.gone = "…", time.Time{}
	go func() {
		err := b.cl.FollowTimeline(b.ctx, client.TimelineQuery{}, client.Following{
			Ready: func() { b.hand(func() { b.live = "live" }) },
			Take: func(e order.Event) bool {
				b.hand(func() { b.changed(e.Order.String()) })
				return b.ctx.Err() == nil
			},
			Lost: func(err error) { b.hand(func() { b.gone = b.Now(); b.fail(err) }) },
			Back: func() { b.hand(b.back) },
		})
		b.hand(func() {
			b.live = ""
			if b.gone = (time.Time{}); err != nil && !refusedTo(err) { // such as a token that was withdrawn
				b.gone = b.Now()
			}
			if err != nil && b.said == "" && !refusedTo(err) {
				b.fail(err)
			}
		})
	}()
}

// back asks again for what could not be read while the server was gone, and for what is looked at.
func (b *browser) back() {
	b.gone = time.Time{}
	b.tell("The server answers again.")
	for l := range b.root.all() {
		if l.bodyErr != nil && !client.NotFound(l.bodyErr) {
			l.read, l.bodyErr = false, nil
		}
		if l.lists() && l.err != nil {
			b.reload(l)
		}
	}
	b.refresh(b.at)
}

// refusedTo says whether an error is the server's no to who asks.
func refusedTo(err error) bool {
	var e *client.Error
	return errors.As(err, &e) && e.Status == http.StatusForbidden
}

// hand has the loop do something.
func (b *browser) hand(do func()) {
	select {
	case b.news <- do:
	case <-b.ctx.Done():
	}
}

// changed notes that something happened to a thing; a burst is looked at once.
func (b *browser) changed(path string) {
	b.stale[path] = true
	if b.settling {
		return
	}
	b.settling = true
	time.AfterFunc(settleBrowser, func() {
		b.hand(func() {
			b.settling = false
			for path := range b.stale {
				b.again(path)
			}
			clear(b.stale)
		})
	})
}

// again asks once more for a thing wherever the tree has it, and for the list that it is new in.
func (b *browser) again(path string) {
	for l := range b.root.all() {
		if strings.EqualFold(l.Path, path) {
			l.read = false
			b.load(l)
		}
	}
	list := b.root.find(arm.Above(path))
	if list != nil && list.loaded && list.next == "" && !slices.ContainsFunc(list.kids, func(k *leaf) bool { return strings.EqualFold(k.Path, path) }) {
		b.reload(list)
	}
}
