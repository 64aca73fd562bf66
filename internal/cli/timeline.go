package cli

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"certwright/internal/client"
	"certwright/internal/order"
	"certwright/internal/timeline"
)

// timelineFlags say which events are asked for.
type timelineFlags struct {
	number                int
	each, follow          bool
	operation, status, by string
	stage, correlation    string
	since, until          string
	from, to              time.Time // of since and until
}

func (e *Env) timelineCommand() *cobra.Command {
	var t timelineFlags
	c := &cobra.Command{
		Use: "timeline [ORDER]", Short: "Show what was done, by whom, with which result: of one order, or of all", Args: upTo(1, "the name of one order, or nothing for all"),
		Long: `Show what was done, by whom, with which result: of one order, or of all, newest first. What belongs to one
operation stands together, and what was tried again and again is one line. Filters leave single events, each with its time.`,
		Example: `  certwright timeline www
  certwright timeline --status Failed --since 24h
  certwright timeline www --operation renew --by ci
  certwright timeline -f
  certwright timeline www -o json --query "[?status=='Failed'].description"`,
	}
	f := c.Flags()
	f.IntVarP(&t.number, "number", "n", 100, "how many events at most")
	f.BoolVar(&t.each, "each", false, "every operation for itself, also the ones that are like the one before")
	f.BoolVarP(&t.follow, "follow", "f", false, "show what happens from now on, until interrupted")
	f.StringVar(&t.operation, "operation", "", "a part of the operation's name, such as renew, or of the event's, such as deployed")
	f.StringVar(&t.status, "status", "", "Started, Succeeded, Failed or Info")
	f.StringVar(&t.by, "by", "", "who began it: a token's name, or certwright")
	f.StringVar(&t.stage, "stage", "", "order, verify, issue, store, deploy or serve")
	f.StringVar(&t.correlation, "correlation", "", "the correlation id of one operation")
	f.StringVar(&t.since, "since", "", "not before: a time (2026-11-28T02:00:00Z, 2026-11-28) or so long ago (24h)")
	f.StringVar(&t.until, "until", "", "before: a time, or so long ago")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := t.check(e.Now()); err != nil {
			return err
		}
		cl, err := e.client()
		if err != nil {
			return err
		}
		q := client.TimelineQuery{From: t.from, To: t.to, Match: t.match(), Most: t.number}
		if len(args) == 1 {
			q.Order = args[0]
		}
		if t.follow {
			return e.followTimeline(c.Context(), cl, q)
		}
		events, err := cl.Timeline(c.Context(), q)
		if err != nil {
			return err
		}
		if q.Order != "" && len(events) == 0 { // no such order, rather than one without a past
			if _, err := cl.Order(c.Context(), q.Order); client.NotFound(err) {
				return err
			}
		}
		return e.show(events, func() { e.printTimeline(events, q, t.each) })
	}
	return c
}

// check reads the flags' words.
func (t *timelineFlags) check(now time.Time) (err error) {
	if t.number < 1 || t.number > 100000 {
		return usage("-n %d is not a number of events from 1 to 100000", t.number)
	}
	if _, known := eventMark[order.EventStatus(t.status)]; t.status != "" && !known {
		return usage("--status %s is none of Started, Succeeded, Failed and Info", t.status)
	}
	if t.from, err = moment(t.since, now); err != nil {
		return usage("--since %v", err)
	}
	if t.to, err = moment(t.until, now); err != nil {
		return usage("--until %v", err)
	}
	if t.follow && (t.since != "" || t.until != "") {
		return usage("-f shows what happens from now on: it goes with neither --since nor --until")
	}
	return nil
}

// moment reads a time, a day (local midnight), or how long ago; "" is none.
func moment(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return at, nil
	}
	for _, form := range []string{time.DateOnly, "2006-01-02 15:04", "2006-01-02 15:04:05"} {
		if at, err := time.ParseInLocation(form, s, time.Local); err == nil {
			return at, nil
		}
	}
	return time.Time{}, errors.New(s + " is neither a time such as 2026-11-28T02:00:00Z or 2026-11-28, nor a length such as 24h")
}

// match is what single events have to meet; nil where nothing is asked.
func (t *timelineFlags) match() func(order.Event) bool {
	if t.operation == "" && t.status == "" && t.by == "" && t.stage == "" && t.correlation == "" {
		return nil
	}
	has := func(s string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(t.operation)) }
	same := func(want, have string) bool { return want == "" || strings.EqualFold(want, have) }
	return func(e order.Event) bool {
		return (has(e.Operation) || has(e.Name)) && same(t.status, string(e.Status)) && same(t.by, e.Caller) && same(t.stage, string(e.Stage)) && same(t.correlation, e.Correlation)
	}
}

// followTimeline prints events as they come: lines for a person, one JSON value after the other for a program.
func (e *Env) followTimeline(ctx ctxt, cl *client.Client, q client.TimelineQuery) error {
	ready := func() { e.errorf("Following what happens from now on; an interrupt (Ctrl-C) ends it.\n") }
	err := cl.FollowTimeline(ctx, q, ready, func(ev order.Event) bool {
		if !e.plain() {
			return e.show(&ev, nil) == nil
		}
		scrub(&ev)
		if q.Order == "" {
			ev.Text = ev.Order.Name + ": " + ev.Text
		}
		e.printEvent(&ev)
		return true
	})
	if ctx.Err() != nil {
		return nil // that is how one ends it
	}
	return err
}

// printTimeline prints events as grouped entries, newest first; filtered ones one by one, for what is left of an operation
// tells nothing of how it ended. Of several orders each names its own.
func (e *Env) printTimeline(events []order.Event, q client.TimelineQuery, each bool) {
	switch {
	case len(events) > 0:
	case q.Match != nil || !q.From.IsZero() || !q.To.IsZero():
		e.printf("Nothing that was asked for has happened.\n")
		return
	default:
		e.printf("Nothing has happened yet.\n")
		return
	}
	if q.Match != nil {
		e.printEvents(events, q.Order == "")
		return
	}
	entries := timeline.Build(events, timeline.Options{Unfolded: each})
	if q.Order == "" {
		for i := range entries {
			entries[i].Title = entries[i].Order.Name + ": " + entries[i].Title
		}
	}
	e.printf("%s", timeline.Text(entries, time.Local))
}

// printEvents prints single events with their day.
func (e *Env) printEvents(events []order.Event, all bool) {
	day := ""
	for i := range events {
		if d := events[i].At.Local().Format("2006-01-02 MST"); d != day {
			day = d
			e.printf("%s\n", day)
		}
		if all {
			events[i].Text = events[i].Order.Name + ": " + events[i].Text
		}
		events[i].Text += " (" + events[i].Caller + ")"
		e.printEvent(&events[i])
	}
}
