package web

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"certwright/internal/order"
)

// A page that is live holds one stream of server-sent events. The stream carries no content, only
// the word that something changed ("changed") or that time passed ("tick"); the page then asks for its
// changing part by its own address. So there is one way to draw a page, a burst of changes costs one
// refresh, and a stream that was lost is made good by comparing what the page has seen (the parameter
// "seen") when it comes back.

// settle is how long a change waits for others, so that a burst is told once.
const settle = 150 * time.Millisecond

// orderStream is the stream of an order's pages.
func orderStream(o *order.Order) string {
	return under(o.ID, "live") + "?seen=" + strconv.FormatInt(o.Revision, 10)
}

// listStream is the stream of the list.
func listStream(v listView) string {
	q := v.Filter.fields()
	q.Set("seen", v.Seen)
	return "/live?" + q.Encode()
}

func (p *pages) orderLive(w http.ResponseWriter, r *http.Request, _ visit) {
	id := orderID(r)
	p.stream(w, r, audience{concerns: func(changed order.ID) bool { return changed.Key() == id.Key() }, stale: func() bool {
		o, err := p.Reader.LoadOrder(r.Context(), id)
		return err != nil || strconv.FormatInt(o.Revision, 10) != r.URL.Query().Get("seen")
	}})
}

func (p *pages) listLive(w http.ResponseWriter, r *http.Request, _ visit) {
	p.stream(w, r, audience{concerns: func(order.ID) bool { return true }, stale: func() bool {
		view, err := p.seen(r, readFilter(r.URL.Query()))
		return err != nil || view != r.URL.Query().Get("seen")
	}})
}

// seen is the digest of the list as it is now, without drawing it.
func (p *pages) seen(r *http.Request, f filter) (string, error) {
	counts, err := p.Reader.CountOrders(r.Context(), f.Subscription, f.Group)
	if err != nil {
		return "", err
	}
	page, err := p.Reader.ListOrders(r.Context(), f.query())
	if err != nil {
		return "", err
	}
	return digest(counts, page), nil
}

// audience is what a page wants to be told of.
type audience struct {
	concerns func(order.ID) bool // whether a change of this order may
	// stale says whether what the page shows is out of date already; it is asked after the subscription stands, so that no
	// change falls between the two.
	stale func() bool
	// matters is asked once a burst has settled, where it costs less than to draw the page again; nil = every one does.
	matters func(changed []order.ID) bool
}

// stream follows the changes that concern a page.
func (p *pages) stream(w http.ResponseWriter, r *http.Request, a audience) {
	if p.Changes == nil {
		http.Error(w, "Nothing can be followed here.", http.StatusNotFound)
		return
	}
	select {
	case p.streams <- struct{}{}:
		defer func() { <-p.streams }()
	default:
		http.Error(w, "Too many pages are open at once. This one still works; reload it to see news.", http.StatusServiceUnavailable)
		return
	}
	changes, err := p.Changes(r.Context())
	if err != nil {
		http.Error(w, sentence(err.Error()), http.StatusServiceUnavailable)
		return
	}
	s := newSSE(w)
	if s.send("hello") != nil || a.stale() && s.send("changed") != nil {
		return
	}
	p.pump(r, s, changes, a)
}

// pump passes changes on until the reader goes, the changes end, or a write fails.
func (p *pages) pump(r *http.Request, s *sse, changes <-chan order.ID, a audience) {
	beat, tick := time.NewTicker(p.Heartbeat), time.NewTicker(p.Tick)
	defer beat.Stop()
	defer tick.Stop()
	var pending <-chan time.Time
	var changed []order.ID
	for {
		var err error
		select {
		case <-r.Context().Done():
			return
		case id, open := <-changes:
			if !open {
				return
			}
			if id != (order.ID{}) && !a.concerns(id) {
				continue
			}
			if changed = append(changed, id); pending == nil {
				pending = time.After(settle)
			}
		case <-pending:
			pending = nil
			if a.matters == nil || a.matters(changed) {
				err = s.send("changed")
			}
			changed = nil
		case <-tick.C:
			err = s.send("tick")
		case <-beat.C:
			err = s.comment()
		}
		if err != nil {
			return
		}
	}
}

// sse writes server-sent events. A reader that takes nothing for writeWithin is given up, so that a
// dead connection holds no slot.
type sse struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

const writeWithin = 10 * time.Second

func newSSE(w http.ResponseWriter) *sse {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx in front must not hold events back
	rc := http.NewResponseController(w)
	// The server's deadline is for answers that end; this one does not. What cannot set it has none.
	_ = rc.SetWriteDeadline(time.Time{})
	return &sse{w, rc}
}

func (s *sse) send(event string) error {
	return s.write("event: " + event + "\ndata: " + event + "\n\n")
}

func (s *sse) comment() error { return s.write(": still here\n\n") }

func (s *sse) write(text string) error {
	// A deadline in the past ends the write that hangs; set by a timer, it needs no clock.
	limit := time.AfterFunc(writeWithin, func() { _ = s.rc.SetWriteDeadline(time.Unix(1, 0)) })
	defer limit.Stop()
	if _, err := fmt.Fprint(s.w, text); err != nil {
		return err
	}
	if err := s.rc.Flush(); err != nil {
		return fmt.Errorf("stream: not passed on: %w", err)
	}
	return nil
}
