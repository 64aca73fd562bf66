package cli

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"certwright/internal/arm"
	"certwright/internal/client"
	"certwright/internal/order"
	"certwright/internal/timeline"
)

// timelineFlags say what is asked for.
type timelineFlags struct {
	number                int
	each, follow, past    bool // past: -f begins with what was
	filter                timeline.Filter
	status, stage, result string
	since, until          string
	q                     client.TimelineQuery
}

func (e *Env) timelineCommand() *cobra.Command {
	var t timelineFlags
	c := &cobra.Command{
		Use: "timeline [ORDER]", Short: "Show what was done, by whom, with which result: of one order, or of all", Args: upTo(1, "the name or id of one order, or nothing for all"),
		Long: `Show what was done, by whom, with which result: of one order, or of all, newest first. What belongs to one
operation stands together, and what was tried again and again is one line. Filters choose whole operations, so that each
still tells how it ended; with -o json, yaml or tsv it is their events. Words are parts of what is meant, in any case.

-f shows what happens from now on, event by event; with -n or --since it begins with what was.`,
		Example: `  certwright timeline www
  certwright timeline --outcome failed --since 24h
  certwright timeline --resource shop --operation renewal --by ci
  certwright timeline -f --since 1h
  certwright timeline www -o json --query "[?status=='Failed'].description"`,
	}
	f := c.Flags()
	f.IntVarP(&t.number, "number", "n", 100, "how many operations at most; with -o json, yaml or tsv, or --query: events")
	f.BoolVar(&t.each, "each", false, "every operation for itself, also the ones that are like the one before")
	f.BoolVarP(&t.follow, "follow", "f", false, "show what happens from now on, until interrupted")
	f.StringVar(&t.filter.Resource, "resource", "", "a part of the order's name or id")
	f.StringVar(&t.filter.Operation, "operation", "", "a part of the operation's name, such as renewal, or of an event's, such as deployed")
	f.StringVar(&t.result, "outcome", "", "how the operation stands: failed, waiting, running, succeeded or noted")
	f.StringVar(&t.status, "status", "", "of one of its events: Started, Succeeded, Failed or Info")
	f.StringVar(&t.stage, "stage", "", "of one of its events: order, verify, issue, store, deploy or serve")
	f.StringVar(&t.filter.Person, "by", "", "who did it: a token's name, or certwright")
	f.StringVar(&t.q.Correlation, "correlation", "", "the correlation id of one operation")
	f.StringVar(&t.q.Subscription, "subscription", "", "of this subscription's orders")
	f.StringVar(&t.q.Group, "group", "", "of this resource group's orders")
	f.StringVar(&t.since, "since", "", "not before: a time (2026-11-28T02:00:00Z, 2026-11-28, 02:00) or so long ago (24h, 7d)")
	f.StringVar(&t.until, "until", "", "before: a time, or so long ago")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := t.check(args, e.Now()); err != nil {
			return err
		}
		t.past = t.since != "" || c.Flags().Changed("number")
		cl, err := e.client()
		if err != nil {
			return err
		}
		if t.follow {
			return e.followTimeline(c.Context(), cl, &t)
		}
		return e.timeline(c.Context(), cl, &t)
	}
	return c
}

// check reads the flags' words.
func (t *timelineFlags) check(args []string, now time.Time) (err error) {
	if t.number < 1 || t.number > 100000 {
		return usage("-n %d is not a number of events or operations from 1 to 100000", t.number)
	}
	if len(args) == 1 {
		if t.q.Order = args[0]; strings.HasPrefix(args[0], "/") || strings.HasPrefix(args[0], "orders/") {
			path, _ := arm.PathOf(args[0]) // what is none has no order's id in it
			id, err := arm.ParseID(path)
			if err != nil || !strings.EqualFold(id.Type, order.Type) || id.Name == "" {
				return usage("%s is no order's id\n  → give a name, or an id as certwright explore shows it", args[0])
			}
			t.q.Subscription, t.q.Group, t.q.Order = id.Subscription, id.Group, id.Name
		}
	}
	statuses := []order.EventStatus{order.Started, order.Succeeded, order.Failed, order.Info}
	if t.filter.Status, err = oneOf("--status", t.status, statuses); err != nil {
		return err
	}
	if t.filter.Stage, err = oneOf("--stage", t.stage, order.Stages); err != nil {
		return err
	}
	outcomes := []timeline.Outcome{timeline.Failed, timeline.Waiting, timeline.Running, timeline.Succeeded, timeline.Noted}
	if t.filter.Outcome, err = oneOf("--outcome", t.result, outcomes); err != nil {
		return err
	}
	if t.q.From, err = moment(t.since, now); err != nil {
		return usage("--since %v", err)
	}
	if t.q.To, err = moment(t.until, now); err != nil {
		return usage("--until %v", err)
	}
	switch {
	case t.follow && t.until != "":
		return usage("-f shows what happens from now on: it does not go with --until")
	case t.follow && t.filter.Outcome != "":
		return usage("-f shows single events, which have no outcome: give --status\n  → certwright timeline -f --status Failed")
	case !t.q.From.IsZero() && !t.q.To.IsZero() && !t.q.From.Before(t.q.To):
		return usage("--since %s is not before --until %s", t.since, t.until)
	}
	return nil
}

// oneOf finds a word among those that a flag knows, in any case; "" is none.
func oneOf[T ~string](flag, word string, known []T) (T, error) {
	if word == "" {
		return "", nil
	}
	var names []string
	for _, k := range known {
		if strings.EqualFold(word, string(k)) {
			return k, nil
		}
		names = append(names, string(k))
	}
	last := len(names) - 1
	return "", usage("%s %s is none of %s and %s", flag, word, strings.Join(names[:last], ", "), names[last])
}

// moment reads a time, a day (local midnight), a time of today, or how long ago; "" is none.
func moment(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok { // what time.ParseDuration does not know
		if d, err := time.ParseDuration(days + "h"); err == nil && d >= 0 {
			return now.Add(-24 * d), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return at, nil
	}
	for _, form := range []string{time.DateOnly, "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if at, err := time.ParseInLocation(form, s, time.Local); err == nil {
			return at, nil
		}
	}
	if at, err := time.ParseInLocation("15:04", s, time.Local); err == nil {
		y, m, d := now.Local().Date()
		return time.Date(y, m, d, at.Hour(), at.Minute(), 0, 0, time.Local), nil
	}
	return time.Time{}, errors.New(s + " is neither a time such as 2026-11-28T02:00:00Z or 2026-11-28, nor a length such as 24h or 7d")
}

// narrowed says whether operations are to be chosen among.
func (t *timelineFlags) narrowed() bool { return t.filter != timeline.Filter{} }

// timeline shows what was.
func (e *Env) timeline(ctx ctxt, cl *client.Client, t *timelineFlags) error {
	events, entries, err := e.readTimeline(ctx, cl, t)
	if err != nil {
		return err
	}
	if t.q.Order != "" && len(events) == 0 && t.q.Subscription == "" { // no such order, rather than one without a past
		if _, err := cl.Order(ctx, t.q.Order); client.NotFound(err) {
			return err
		}
	}
	return e.show(events, func() { e.printTimeline(entries, t) })
}

// readTimeline reads until there are as many as asked for: operations for a person, events for a program.
func (e *Env) readTimeline(ctx ctxt, cl *client.Client, t *timelineFlags) (events []order.Event, entries []timeline.Entry, err error) {
	events = []order.Event{}
	if !e.plain() && !t.narrowed() {
		t.q.Page = t.number
	}
	pages, next := 0, 1
	build := func() (enough bool) {
		entries = slices.DeleteFunc(timeline.Build(events, timeline.Options{Unfolded: t.each}), func(o timeline.Entry) bool { return !t.filter.Takes(o) })
		n := len(entries)
		if !e.plain() {
			n = len(eventsOf(events, entries))
		}
		return n >= t.number
	}
	err = cl.Timeline(ctx, t.q, func(page []order.Event) bool {
		events = append(events, page...)
		if pages++; pages < next {
			return true // to build is to sort all that was read: not at every page
		}
		next *= 2
		return !build()
	})
	if err != nil {
		return nil, nil, err
	}
	build()
	if t.narrowed() {
		events = eventsOf(events, entries)
	}
	return events[:min(t.number, len(events))], entries[:min(t.number, len(entries))], nil
}

// eventsOf are the events that belong to one of the operations.
func eventsOf(events []order.Event, entries []timeline.Entry) []order.Event {
	type operation struct{ order, correlation string }
	by := map[operation][]timeline.Entry{}
	for _, o := range entries {
		k := operation{o.Order.Key(), o.Correlation}
		by[k] = append(by[k], o)
	}
	some := []order.Event{}
	for _, ev := range events {
		if slices.ContainsFunc(by[operation{ev.Order.Key(), ev.Correlation}], func(o timeline.Entry) bool { return ev.Seq >= o.FirstSeq && ev.Seq <= o.LastSeq }) {
			some = append(some, ev)
		}
	}
	return some
}

// printTimeline prints operations, newest first. Of several orders each names its own.
func (e *Env) printTimeline(entries []timeline.Entry, t *timelineFlags) {
	switch {
	case len(entries) > 0:
	case t.narrowed() || !t.q.From.IsZero() || !t.q.To.IsZero() || t.q.Correlation != "":
		e.printf("Nothing that was asked for has happened.\n")
		return
	default:
		e.printf("Nothing has happened yet.\n")
		return
	}
	if t.q.Order == "" {
		for i := range entries {
			entries[i].Title = entries[i].Order.Name + ": " + entries[i].Title
		}
	}
	e.printf("%s", timeline.Painted(entries, time.Local, e.timelinePaint()))
}

// timelinePaint are the timeline's colours; without colour it is as it is. Only a screen has an edge: for a file or grep each
// event is one line.
func (e *Env) timelinePaint() timeline.Paint {
	c := e.colour()
	codes := map[timeline.Outcome]string{timeline.Succeeded: "32", timeline.Failed: "1;31", timeline.Waiting: "33", timeline.Running: "33", timeline.Noted: "36"}
	p := timeline.Paint{Outcome: func(o timeline.Outcome, s string) string { return c.as(codes[o], s) }, Faint: c.dim, Strong: c.bold}
	if e.edged() {
		p.Wrap = e.wrap
	}
	return p
}

// followTimeline prints events as they come: lines for a person, one JSON value after the other for a program. What was is
// read once following stands, so that nothing falls between the two.
func (e *Env) followTimeline(ctx ctxt, cl *client.Client, t *timelineFlags) error {
	shown, day := map[string]bool{}, ""
	show := func(ev order.Event) bool {
		if shown[ev.ID] || !t.takesEvent(ev) {
			return true
		}
		if shown[ev.ID] = true; !e.plain() {
			return e.show(&ev, nil) == nil
		}
		scrub(&ev)
		if d := ev.At.Local().Format("2006-01-02 MST"); t.past && d != day { // what was may be of another day
			day = d
			e.printf("%s\n", day)
		}
		if t.q.Order == "" {
			ev.Text = ev.Order.Name + ": " + ev.Text
		}
		e.printEvent(&ev)
		return true
	}
	var broken error
	ready := func() {
		if t.past {
			var past []order.Event
			broken = cl.Timeline(ctx, t.q, func(page []order.Event) bool {
				past = append(past, slices.DeleteFunc(page, func(ev order.Event) bool { return !t.takesEvent(ev) })...)
				return len(past) < t.number
			})
			for _, ev := range slices.Backward(past[:min(t.number, len(past))]) {
				show(ev)
			}
		}
		e.errorf("Following what happens from now on; an interrupt (Ctrl-C) ends it.\n")
	}
	err := cl.FollowTimeline(ctx, t.q, client.Following{
		Ready: ready,
		Take:  func(ev order.Event) bool { return broken == nil && show(ev) },
		Lost: func(err error) {
			why, _, _ := strings.Cut(err.Error(), "\n")
			e.errorf("%s  %s\n  → it is asked again until it answers; an interrupt (Ctrl-C) ends that\n", e.Now().Local().Format("15:04:05"), upper(why))
		},
		Back: func() { e.errorf("%s  The server answers again.\n", e.Now().Local().Format("15:04:05")) },
	})
	if ctx.Err() != nil {
		return nil // that is how one ends it
	}
	return errors.Join(broken, err)
}

// takesEvent says whether a single event is one of those asked for, as if it were an operation of its own.
func (t *timelineFlags) takesEvent(ev order.Event) bool {
	return t.filter.Takes(timeline.Build([]order.Event{ev}, timeline.Options{})[0])
}
