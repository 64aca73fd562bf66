package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"certwright/internal/arm"
	"certwright/internal/order"
	"certwright/internal/timeline"
)

// The timeline of everything. Filters leave whole operations, so that each still tells how it ended; they work on what is
// read, a window of events at a time.
const (
	windowSize  = 500 // events that are read at once
	windows     = 12  // windows that are read for one page at most
	operationsN = 60  // operations that fill a page
)

// logFilter is what the timeline of everything is narrowed down to; it is the page's address.
type logFilter struct {
	Resource, Operation, Outcome, Person string
	From, To                             time.Time
	After                                string // cursor of the part before
}

const minuteForm = "2006-01-02T15:04" // of <input type=datetime-local>

func readLogFilter(q url.Values) logFilter {
	word := func(name string) string { return strings.TrimSpace(clip(q.Get(name), 255)) }
	f := logFilter{Resource: word("resource"), Operation: word("operation"), Outcome: word("status"), Person: word("by"), After: q.Get("after")}
	f.From, f.To = minute(q.Get("from")), minute(q.Get("to"))
	return f
}

// minute reads a time of a form, UTC; what is none is no time.
func minute(s string) time.Time {
	t, err := time.Parse(minuteForm, s)
	if err != nil {
		t, _ = time.Parse(time.RFC3339, s) // or of an address that somebody wrote
	}
	return t.UTC()
}

func (f logFilter) fields() url.Values {
	v := url.Values{}
	for k, s := range map[string]string{"resource": f.Resource, "operation": f.Operation, "status": f.Outcome, "by": f.Person, "from": formMinute(f.From), "to": formMinute(f.To), "after": f.After} {
		if s != "" {
			v.Set(k, s)
		}
	}
	return v
}

func formMinute(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(minuteForm)
}

func (f logFilter) url() string {
	if q := f.fields().Encode(); q != "" {
		return "/timeline?" + q
	}
	return "/timeline"
}

// newest is the filter at its newest part.
func (f logFilter) newest() logFilter {
	f.After = ""
	return f
}

func (f logFilter) narrowed() bool { return f.newest() != logFilter{} }

// takes says whether an operation is one of those asked for.
func (f logFilter) takes(e timeline.Entry) bool {
	return timeline.Filter{Resource: f.Resource, Operation: f.Operation, Person: f.Person, Outcome: timeline.Outcome(f.Outcome)}.Takes(e)
}

// since is the filter from a time on, up to now.
func (f logFilter) since(t time.Time) logFilter {
	f.From, f.To, f.After = t.UTC().Truncate(time.Minute), time.Time{}, ""
	return f
}

// spans are the times that are asked for most.
var spans = []struct {
	word string
	span time.Duration
}{{"an hour", time.Hour}, {"a day", 24 * time.Hour}, {"a week", 7 * 24 * time.Hour}, {"a month", 30 * 24 * time.Hour}}

// outcomes are the choices of the filter.
var outcomes = []timeline.Outcome{timeline.Failed, timeline.Waiting, timeline.Running, timeline.Succeeded, timeline.Noted}

// logView is a part of the timeline of everything.
type logView struct {
	visit
	Filter  logFilter
	Entries []timeline.Entry
	Next    string    // address of the part before
	Back    time.Time // how far was looked; zero = to the beginning
	Deep    bool      // much was read for it: it is drawn anew for news alone, so it tells no time from now
	Seen    string    // id of the newest event there is
	Now     time.Time
	Base    arm.Server
}

// trigger says what makes the page ask for its part anew.
func (v logView) trigger() string {
	if v.Deep {
		return "changed from:#stream"
	}
	return "changed from:#stream, tick from:#stream"
}

// now is the time that the page tells others from; none where it is not kept true.
func (v logView) now() time.Time {
	if v.Deep {
		return time.Time{}
	}
	return v.Now
}

// ours is the command that shows the same.
func (v logView) ours() string {
	s, f := "certwright timeline", v.Filter
	for _, o := range []struct{ flag, value string }{{"--resource", f.Resource}, {"--operation", f.Operation}, {"--outcome", f.Outcome}, {"--by", f.Person}, {"--since", stampOf(f.From)}, {"--until", stampOf(f.To)}} {
		if o.value != "" {
			s += " " + o.flag + " '" + strings.ReplaceAll(o.value, "'", `'\''`) + "'"
		}
	}
	return s
}

// curl is the line that gives the events themselves: of a time span, for the rest is judged by operation.
func (v logView) curl() string {
	q := url.Values{}
	for name, t := range map[string]time.Time{"from": v.Filter.From, "to": v.Filter.To} {
		if !t.IsZero() {
			q.Set(name, stampOf(t))
		}
	}
	return arm.Place{Path: "/v1/timeline" + strings.TrimSuffix("?"+q.Encode(), "?")}.Shell(v.Base).Curl
}

func stampOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

func (p *pages) everything(w http.ResponseWriter, r *http.Request, v visit) {
	view, err := p.logView(r.Context(), readLogFilter(r.URL.Query()))
	if err != nil {
		p.fail(w, r, v, http.StatusInternalServerError, "The timeline cannot be read", sentence(err.Error()))
		return
	}
	view.visit = v
	if partial(r) {
		p.render(w, r, http.StatusOK, logLive(view))
		return
	}
	p.render(w, r, http.StatusOK, logPage(view))
}

// logQuery reads the events of a filter; where it names an order, only those of that one.
func (p *pages) logQuery(ctx context.Context, f logFilter) order.EventQuery {
	q := order.EventQuery{From: f.From, To: f.To, Cursor: f.After, Limit: windowSize}
	if f.Resource != "" {
		if o, err := p.Reader.LoadOrder(ctx, order.Short(f.Resource)); err == nil {
			q.Order = &o.ID
		}
	}
	return q
}

func (p *pages) logView(ctx context.Context, f logFilter) (logView, error) {
	view := logView{Filter: f, Now: p.Now(), Base: p.server()}
	q := p.logQuery(ctx, f)
	var events []order.Event
	for range windows {
		part, next, err := p.Reader.Events(ctx, q)
		if err != nil {
			return view, fmt.Errorf("read the events: %w", err)
		}
		events = append(events, part...)
		view.Entries = slices.DeleteFunc(timeline.Build(events, timeline.Options{}), func(e timeline.Entry) bool { return !f.takes(e) })
		if q.Cursor = next; next == "" || len(view.Entries) >= operationsN {
			break
		}
	}
	view.Deep = len(events) > windowSize
	if len(events) > 0 {
		view.Seen = events[0].ID
	}
	if q.Cursor != "" {
		older := f
		older.After = q.Cursor
		view.Next, view.Back = older.url(), events[len(events)-1].At
	}
	return view, nil
}

// logStream is the stream of the timeline of everything: only its newest part has one.
func logStream(v logView) string {
	if v.Filter.After != "" {
		return ""
	}
	q := v.Filter.fields()
	q.Set("seen", v.Seen)
	return "/timeline/live?" + q.Encode()
}

func (p *pages) everythingLive(w http.ResponseWriter, r *http.Request, _ visit) {
	f := readLogFilter(r.URL.Query())
	q := p.logQuery(r.Context(), f)
	q.Limit = 1
	news := logNews{p: p, filter: f, told: map[string]int64{}}
	p.stream(w, r, audience{
		concerns: func(changed order.ID) bool { return q.Order == nil || q.Order.Key() == changed.Key() },
		stale: func() bool {
			events, _, err := p.Reader.Events(r.Context(), q)
			return err != nil || len(events) > 0 && events[0].ID != r.URL.Query().Get("seen")
		},
		matters: func(changed []order.ID) bool { return news.matter(r.Context(), changed) },
	})
}

// logNews judges for one page whether what happened is something that its filter takes. To draw the page anew may mean to
// read thousands of events; to look at what has changed means a few.
type logNews struct {
	p      *pages
	filter logFilter
	told   map[string]int64 // by order: the newest event that was judged
}

// Bounds of a judgement: a burst over more orders than that is drawn without one, and so far back goes what an order's
// operation may consist of.
const (
	newsOrders = 20
	newsEvents = 200
	newsWithin = time.Minute // operations of an order that ended so shortly before its newest event may be news, too
)

func (n logNews) matter(ctx context.Context, changed []order.ID) bool {
	ids := map[string]order.ID{}
	for _, id := range changed {
		ids[id.Key()] = id
	}
	if _, any := ids[order.ID{}.Key()]; any || !n.filter.narrowed() || len(ids) > newsOrders {
		return true
	}
	matter := false
	for key, id := range ids {
		events, _, err := n.p.Reader.Events(ctx, order.EventQuery{Order: &id, Limit: newsEvents})
		if err != nil {
			return true
		}
		if len(events) == 0 || events[0].Seq <= n.told[key] {
			continue
		}
		n.told[key] = events[0].Seq
		matter = matter || n.filter.takesNews(events)
	}
	return matter
}

// takesNews says whether the filter takes one of the newest operations of an order whose events, newest first, these are.
func (f logFilter) takesNews(events []order.Event) bool {
	at := events[0].At
	if !f.From.IsZero() && at.Before(f.From) || !f.To.IsZero() && !at.Before(f.To) {
		return false
	}
	return slices.ContainsFunc(timeline.Build(events, timeline.Options{}), func(e timeline.Entry) bool {
		return at.Sub(e.Last) <= newsWithin && f.takes(e)
	})
}
