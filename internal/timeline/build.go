package timeline

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"certwright/internal/order"
)

// group is an entry in the making: events of one operation, oldest first.
type group struct {
	events []order.Event
	ended  bool // the last event left nothing open
}

// Build groups events, given in any order and of any number of orders, into entries, newest first.
func Build(events []order.Event, opts Options) []Entry {
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b order.Event) int {
		if a.Order.Key() == b.Order.Key() {
			return cmp.Compare(a.Seq, b.Seq)
		}
		return a.At.Compare(b.At)
	})
	groups := assign(sorted, opts)
	out := make([]Entry, 0, len(groups))
	later := after{signed: signedBy(sorted), well: successes(sorted)}
	for _, g := range groups {
		out = append(out, g.entry(later))
	}
	slices.SortStableFunc(out, func(a, b Entry) int {
		if c := b.Last.Compare(a.Last); c != 0 {
			return c
		}
		return cmp.Compare(b.LastSeq, a.LastSeq)
	})
	if opts.Unfolded {
		return out
	}
	return foldEntries(out)
}

// after is what came after an operation and may have carried it to its end.
type after struct {
	signed map[string]order.Event   // by order and attempt
	well   map[string][]order.Event // the successes of each order, oldest first
}

// successes are the events of each order that end what stood at a row of it.
func successes(events []order.Event) map[string][]order.Event {
	out := map[string][]order.Event{}
	for _, e := range events {
		if k := kinds[e.Name]; e.Status == order.Succeeded && !k.asks && !k.begins && !waits(e.Name) && !found(e) {
			out[e.Order.Key()] = append(out[e.Order.Key()], e)
		}
	}
	return out
}

// mended finds the event with which the last of the rows that stood at the end of an operation was overcome by other operations
// after it: a command mends what another one's failure left. What was found, rather than done, ends by its own event.
func (a after) mended(standing map[row]order.Event, last order.Event) (by order.Event, ok bool) {
	well := a.well[last.Order.Key()]
	begin, _ := slices.BinarySearchFunc(well, last.Seq+1, func(e order.Event, seq int64) int { return cmp.Compare(e.Seq, seq) })
	for r, e := range standing {
		i := slices.IndexFunc(well[begin:], func(s order.Event) bool { return overcome(r, s) })
		if i < 0 || found(e) {
			return by, false
		}
		if s := well[begin+i]; s.Seq > by.Seq {
			by = s
		}
	}
	return by, len(standing) > 0
}

// found says whether an event tells of a finding.
func found(e order.Event) bool { return strings.HasPrefix(e.Name, "finding-") }

// signedBy finds for each attempt the event that tells of its certificate: another operation of the order, begun
// meanwhile, may have carried the attempt to its end.
func signedBy(events []order.Event) map[string]order.Event {
	out := map[string]order.Event{}
	for _, e := range events {
		if a := e.Properties["attempt"]; a != "" && e.Name == "issued" {
			out[e.Order.Key()+"\x00"+a] = e
		}
	}
	return out
}

// assign puts each event into the group it belongs to. A correlation alone is not enough: what the
// mover does weeks after a command may still carry the command's correlation.
func assign(events []order.Event, opts Options) []*group {
	var groups []*group
	latest := map[string]*group{}
	for _, e := range events {
		key := e.Order.Key() + "\x00" + e.Correlation
		if e.Correlation == "" {
			// With no correlation the operation is all that holds events together.
			key += "\x00" + e.Operation + "\x00" + e.Name
		}
		g := latest[key]
		if g == nil || !g.takes(e, opts) {
			g = &group{}
			groups = append(groups, g)
			latest[key] = g
		}
		g.add(e)
	}
	return groups
}

// takes says whether an event still belongs to the group.
func (g *group) takes(e order.Event, opts Options) bool {
	last := g.events[len(g.events)-1]
	gap := e.At.Sub(last.At)
	if g.ended {
		if kinds[e.Name].opens {
			return false
		}
		return gap <= opts.settle() && !g.issuedAgain(e)
	}
	if kinds[e.Name].opens && g.has(e.Name) {
		return false
	}
	return gap <= opts.patience()
}

// issuedAgain says whether an attempt begins for a key type that the group has a certificate of already:
// then it is the next operation. Another key type's attempt is the same one, going on.
func (g *group) issuedAgain(e order.Event) bool {
	return e.Name == "attempt-begun" && subject(e) != "" && slices.ContainsFunc(g.events, func(p order.Event) bool {
		return p.Name == "issued" && subject(p) == subject(e)
	})
}

func (g *group) has(name string) bool {
	return slices.ContainsFunc(g.events, func(e order.Event) bool { return e.Name == name })
}

func (g *group) add(e order.Event) {
	g.events = append(g.events, e)
	g.ended = !repeats(e) || strings.HasSuffix(e.Name, "-skipped")
}

// entry makes the entry of a group.
func (g *group) entry(later after) Entry {
	first, last := g.events[0], g.events[len(g.events)-1]
	out := Entry{
		ID: first.ID, Order: first.Order, Correlation: first.Correlation, Caller: first.Caller,
		Title: title(g.events), First: first.At, Last: last.At, FirstSeq: first.Seq, LastSeq: last.Seq,
		Count: 1, Lines: lines(g.events),
	}
	for _, e := range g.events {
		if out.Operation == "" {
			out.Operation = e.Operation
		}
	}
	out.Outcome, out.Text = outcome(g.events, later)
	out.Level = level(g.events, out.Outcome)
	return out
}

// lines folds repeated tries: an event joins the line of its like if since then nothing but more
// tries (started, failed, waiting) has happened. A success between them keeps them apart, because
// "failed, mended, failed again" is another story than "failed twice".
func lines(events []order.Event) []Line {
	var out []Line
	open := map[string]int{} // key -> index of the line that may still grow
	for _, e := range events {
		k := lineKey(e)
		if i, ok := open[k]; ok {
			l := &out[i]
			l.Count++
			l.Last, l.Text, l.Properties = e.At, e.Text, e.Properties
			continue
		}
		if !repeats(e) {
			clear(open)
		}
		out = append(out, Line{Name: e.Name, Stage: e.Stage, Subject: subject(e), Status: e.Status, Level: e.Level, Text: text(e),
			Caller: e.Caller, First: e.At, Last: e.At, Count: 1, Properties: e.Properties, key: k})
		if repeats(e) {
			open[k] = len(out) - 1
		}
	}
	slices.SortStableFunc(out, func(a, b Line) int { return a.Last.Compare(b.Last) })
	return out
}

// repeats says whether an event is one of those that come again and again while something is stuck.
func repeats(e order.Event) bool {
	return e.Status == order.Failed || e.Status == order.Started || kinds[e.Name].begins || waits(e.Name) || strings.HasSuffix(e.Name, "-skipped")
}

// lineKey is what an event shares with its repetitions. Numbers in the text (ports, times, counters,
// serials) do not make it another one; another refusal does.
func lineKey(e order.Event) string {
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, e.Text)
	return strings.Join([]string{e.Name, string(e.Stage), subject(e), string(e.Status), digits}, "\x00")
}

// text is the event's own sentence; one that has none is called by its name.
func text(e order.Event) string {
	if e.Text != "" {
		return e.Text
	}
	return plainTitle(e) + "."
}

// outcome reads how an operation stands: each row of each stage counts with its last word, so a failure that
// was overcome does not count, by another operation neither, and a failing target is not hidden by its well sibling.
func outcome(events []order.Event, later after) (Outcome, string) {
	standing := map[row]order.Event{}
	seen := true // nothing but what was seen, so far
	for _, e := range events {
		k := kinds[e.Name]
		seen = seen && (k.fact || e.Status == order.Info)
		at := row{e.Stage, subject(e)}
		switch {
		case k.asks || e.Status == order.Info:
		case waits(e.Name) || e.Status == order.Failed:
			standing[at] = e
		case k.begins || e.Status == order.Started:
			// A failure stands until the next try has succeeded.
			if _, ok := standing[at]; !ok {
				standing[at] = e
			}
		default:
			for r, was := range standing {
				if overcome(r, e) && (was.Name != "vault-out-of-sync" || r.stage == e.Stage) { // what a target holds already proves nothing of the vault
					delete(standing, r)
				}
			}
		}
	}
	if seen && len(standing) == 0 {
		return Noted, text(events[len(events)-1])
	}
	for r, e := range standing {
		if s, ok := later.signed[e.Order.Key()+"\x00"+e.Properties["attempt"]]; ok && s.Seq > events[len(events)-1].Seq {
			if delete(standing, r); len(standing) == 0 {
				return Succeeded, text(s)
			}
		}
	}
	if s, ok := later.mended(standing, events[len(events)-1]); ok {
		return Succeeded, "Mended later: " + text(s)
	}
	return worst(standing, events)
}

// row is what can stand for itself: an identifier, a key type, a target or an endpoint at its stage.
type row struct {
	stage   order.StageName
	subject string
}

// worst picks what stands: a failure before waiting before running; the latest of equals.
func worst(standing map[row]order.Event, events []order.Event) (Outcome, string) {
	rank := func(e order.Event) int {
		switch {
		case waits(e.Name):
			return 2
		case e.Status == order.Failed:
			return 3
		}
		return 1
	}
	byHand := slices.ContainsFunc(slices.Collect(maps.Values(standing)), func(e order.Event) bool { return e.Name == "deploy-waiting" })
	var w *order.Event
	for _, e := range standing {
		if byHand && e.Stage == order.StageServe { // what is to be put there by somebody cannot be served yet
			continue
		}
		if w == nil || rank(e) > rank(*w) || rank(e) == rank(*w) && e.Seq > w.Seq {
			w = &e
		}
	}
	if w == nil {
		return Succeeded, text(events[len(events)-1])
	}
	return map[int]Outcome{1: Running, 2: Waiting, 3: Failed}[rank(*w)], text(*w)
}

// overcome says whether a success ends what stood at a row: the same row's success, or one of its whole stage.
// Names and the vault are proven by what comes after them; key types, targets and endpoints stand for themselves.
func overcome(r row, by order.Event) bool {
	if r.stage == by.Stage {
		return r.subject == subject(by) || subject(by) == "" || r.subject == ""
	}
	at, now := slices.Index(order.Stages, r.stage), slices.Index(order.Stages, by.Stage)
	return at < now && at < slices.Index(order.Stages, order.StageDeploy) && (r.stage != order.StageIssue || r.subject == "")
}

// level is the weight of an entry: the heaviest of its events where it failed or waits; at most a
// warning where it came to a good end.
func level(events []order.Event, o Outcome) order.Level {
	weight := []order.Level{order.Informational, order.Warning, order.Error, order.Critical}
	w := 0
	for _, e := range events {
		w = max(w, slices.Index(weight, e.Level))
	}
	if o == Succeeded {
		w = min(w, 1)
	}
	return weight[w]
}

// foldEntries joins like operations that follow each other: same order, title, outcome and single line.
func foldEntries(entries []Entry) []Entry {
	var out []Entry
	for _, e := range entries {
		if n := len(out); n > 0 && alike(out[n-1], e) {
			p := &out[n-1]
			p.Count += e.Count
			p.ID, p.First, p.FirstSeq = e.ID, e.First, e.FirstSeq
			p.Lines[0].First = e.Lines[0].First
			p.Lines[0].Count += e.Lines[0].Count
			continue
		}
		out = append(out, e)
	}
	return out
}

func alike(a, b Entry) bool {
	return len(a.Lines) == 1 && len(b.Lines) == 1 && a.Order.Key() == b.Order.Key() &&
		a.Title == b.Title && a.Outcome == b.Outcome && a.Lines[0].key == b.Lines[0].key &&
		!kinds[a.Lines[0].Name].opens
}

// Lasting is a duration as people say it: "340 ms", "12 s", "5 min", "3 h 20 min", "2 days".
func Lasting(d time.Duration) string {
	switch {
	case d < 0:
		return Lasting(-d)
	case d < time.Second:
		return whole(d, time.Millisecond) + " ms"
	case d < 2*time.Minute:
		return whole(d, time.Second) + " s"
	case d < 2*time.Hour:
		return whole(d, time.Minute) + " min"
	case d < 48*time.Hour:
		s := whole(d, time.Hour) + " h"
		if m := d % time.Hour / time.Minute; m > 0 && d < 10*time.Hour {
			s += " " + whole(d%time.Hour, time.Minute) + " min"
		}
		return s
	}
	return whole(d, 24*time.Hour) + " days"
}
