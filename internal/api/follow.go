package api

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/order"
)

// Followed is an answer of follow: the events after a number, and the order as it stands.
type Followed struct {
	Events []order.Event `json:"events"`
	Order  *arm.Resource `json:"order,omitempty"` // nil once it is deleted
}

// followFor is how long follow waits for something to happen.
const followFor = 20 * time.Second

// follow waits until the order has an event after the given number, or, where a revision is given, is of another
// one; or for a while. Not every write has an event: that a worker has let an order go, for one.
func (a *API) follow(w http.ResponseWriter, r *request) error {
	after, err := number(r.URL.Query(), "after", 0, 1<<60)
	if err != nil {
		return err
	}
	revision, err := number(r.URL.Query(), "revision", 0, 1<<60)
	if err != nil {
		return err
	}
	timeout := time.NewTimer(followFor)
	defer timeout.Stop()
	elsewhere := time.NewTicker(time.Second) // what another replica commits rings no bell here
	defer elsewhere.Stop()
	for {
		changed := a.Reader.Changed()
		events, err := a.Reader.FollowOrder(r.Context(), r.scope, int64(after), 200)
		if err != nil {
			return err
		}
		if len(events) > 0 {
			return a.followed(w, r, events)
		}
		if revision != 0 {
			if o, err := a.load(r); err != nil || o.Revision != int64(revision) {
				return a.followed(w, r, []order.Event{})
			}
		}
		select {
		case <-changed:
		case <-elsewhere.C:
		case <-timeout.C:
			return a.followed(w, r, []order.Event{})
		case <-r.Context().Done():
			return nil
		}
	}
}

func (a *API) followed(w http.ResponseWriter, r *request, events []order.Event) error {
	f := Followed{Events: events}
	o, err := a.load(r)
	if err == nil {
		res := arm.Order(o, a.Now())
		f.Order = &res
	} else if ref, ok := order.AsRefusal(err); !ok || ref.Kind != order.NotFound {
		return err
	}
	write(w, http.StatusOK, f)
	return nil
}

// FollowedAll is an answer of followAll: the events after a cursor, in the order of their commits, and where to go on.
type FollowedAll struct {
	Events []order.Event `json:"events"`
	Next   string        `json:"next"`
}

// followAll waits until something happens to any order that the caller may see, or for a while. With no cursor it gives
// the cursor of now, at once.
func (a *API) followAll(w http.ResponseWriter, r *request) error {
	v := r.URL.Query()
	cursor := v.Get("after")
	in, ok := auth.Within(r.who.Scope, v.Get("subscription"), v.Get("group"))
	seen := func(e order.Event) bool { return ok && within(in, e.Order) }
	timeout := time.NewTimer(followFor)
	defer timeout.Stop()
	elsewhere := time.NewTicker(time.Second)
	defer elsewhere.Stop()
	for first := cursor == ""; ; first = false {
		changed := a.Reader.Changed()
		events, next, err := a.Reader.Follow(r.Context(), cursor, 200)
		if err != nil {
			return err
		}
		more := len(events) > 0
		events = slices.DeleteFunc(events, func(e order.Event) bool { return !seen(e) })
		if cursor = next; first || len(events) > 0 {
			write(w, http.StatusOK, FollowedAll{Events: append([]order.Event{}, events...), Next: next})
			return nil
		}
		if more { // they were not for this caller
			continue
		}
		select {
		case <-changed:
		case <-elsewhere.C:
		case <-timeout.C:
			write(w, http.StatusOK, FollowedAll{Events: []order.Event{}, Next: next})
			return nil
		case <-r.Context().Done():
			return nil
		}
	}
}

// within says whether an order lies in a part.
func within(in auth.Part, id order.ID) bool {
	same := func(want, have string) bool { return want == "" || strings.EqualFold(want, have) }
	return same(in.Subscription, id.Subscription) && same(in.Group, id.Group) && same(in.Type, id.TypeOf()) && same(in.Name, id.Name)
}
