package web

import (
	"net/http"
	"strconv"

	"certwright/internal/order"
	"certwright/internal/timeline"
)

// timelinePer is how many events a page of the timeline groups.
const timelinePer = 200

// timelineView is a part of an order's timeline, newest first.
type timelineView struct {
	orderView
	Before int64  // this part ends before that event; 0 = it is the newest part
	Next   string // address of the part before it, empty at the beginning
}

func (p *pages) timeline(w http.ResponseWriter, r *http.Request, v visit) {
	o, ok := p.load(w, r, v)
	if !ok {
		return
	}
	before, _ := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64) // anything else is the newest part
	before = max(before, 0)
	events, _, err := p.Reader.Events(r.Context(), order.EventQuery{Order: &o.ID, Before: before, Limit: timelinePer})
	if err != nil {
		p.fail(w, r, v, http.StatusInternalServerError, "The timeline cannot be read", sentence(err.Error()))
		return
	}
	view := timelineView{Before: before}
	view.visit, view.Order, view.Now = v, o, p.Now()
	view.Entries = timeline.Build(events, timeline.Options{})
	if len(events) == timelinePer {
		low := events[0].Seq
		for _, e := range events {
			low = min(low, e.Seq)
		}
		if low > 1 {
			view.Next = under(o.ID, "timeline") + "?before=" + strconv.FormatInt(low, 10)
		}
	}
	if partial(r) {
		p.render(w, r, http.StatusOK, timelineLive(view))
		return
	}
	p.render(w, r, http.StatusOK, timelinePage(view))
}

// here is the address of this part.
func (v timelineView) here() string {
	if v.Before == 0 {
		return under(v.Order.ID, "timeline")
	}
	return under(v.Order.ID, "timeline") + "?before=" + strconv.FormatInt(v.Before, 10)
}
