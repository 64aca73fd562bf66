package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/fulfill"
	"certwright/internal/order"
)

func (a *API) diagnose(w http.ResponseWriter, r *request) error {
	if _, err := a.load(r); err != nil {
		return err
	}
	report, err := a.Diagnose(r.Context(), r.scope)
	if err != nil {
		return err
	}
	write(w, http.StatusOK, report)
	return nil
}

// bundle gives all that is known of an order as one redacted file.
func (a *API) bundle(w http.ResponseWriter, r *request) error {
	if _, err := a.load(r); err != nil {
		return err
	}
	data, err := a.Bundle(r.Context(), r.scope)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/gzip")
	w.Header().Set("Content-Disposition", `attachment; filename="`+r.scope.Name+`.certwright.gz"`)
	w.Header().Set("Cache-Control", "no-store")
	_, err = w.Write(data)
	return err
}

func (a *API) counts(w http.ResponseWriter, r *request) error {
	counts, err := a.counted(r)
	if err != nil {
		return err
	}
	write(w, http.StatusOK, arm.List[order.Count]{Value: counts})
	return nil
}

// counted counts what the caller's scope leaves.
func (a *API) counted(r *request) ([]order.Count, error) {
	in, ok := auth.Within(r.who.Scope, r.URL.Query().Get("subscription"), r.URL.Query().Get("group"))
	if !ok || in.Type != "" && !strings.EqualFold(in.Type, order.Type) {
		return []order.Count{}, nil
	}
	if in.Name == "" {
		return a.Reader.CountOrders(r.Context(), in.Subscription, in.Group)
	}
	o, err := a.Reader.LoadOrder(r.Context(), order.ID{Subscription: in.Subscription, Group: in.Group, Name: in.Name})
	if errors.Is(err, fulfill.ErrNotFound) {
		return []order.Count{}, nil
	}
	if err != nil {
		return nil, err
	}
	p := o.Project(a.Now())
	return []order.Count{{Subscription: in.Subscription, Group: in.Group, Status: p.Status, Stage: p.Stage, State: p.State, N: 1}}, nil
}

// orderEvents gives the events of one order, newest first.
func (a *API) orderEvents(w http.ResponseWriter, r *request) error {
	before, err := number(r.URL.Query(), "before", 0, 1<<60)
	if err != nil {
		return err
	}
	return a.events(w, r, order.EventQuery{Order: &r.scope, Before: int64(before)})
}

func (a *API) allEvents(w http.ResponseWriter, r *request) error {
	in, ok := auth.Within(r.who.Scope, r.URL.Query().Get("subscription"), r.URL.Query().Get("group"))
	if !ok || in.Type != "" && !strings.EqualFold(in.Type, order.Type) {
		write(w, http.StatusOK, arm.List[order.Event]{Value: []order.Event{}})
		return nil
	}
	q := order.EventQuery{Subscription: in.Subscription, Group: in.Group, Cursor: r.URL.Query().Get("after")}
	if in.Name != "" {
		q.Order = &order.ID{Subscription: in.Subscription, Group: in.Group, Name: in.Name}
	}
	return a.events(w, r, q)
}

func (a *API) events(w http.ResponseWriter, r *request, q order.EventQuery) error {
	var err error
	if q.Limit, err = number(r.URL.Query(), "top", 100, 1000); err != nil {
		return err
	}
	q.Correlation = r.URL.Query().Get("correlation")
	events, next, err := a.Reader.Events(r.Context(), q)
	if err != nil {
		return err
	}
	list := arm.List[order.Event]{Value: events}
	if list.Value == nil {
		list.Value = []order.Event{}
	}
	if next != "" && q.Order == nil {
		v := r.URL.Query()
		v.Set("after", next)
		list.NextLink = a.Public + "/v1/timeline?" + v.Encode()
	}
	if q.Order != nil && len(events) == q.Limit && events[len(events)-1].Seq > 1 {
		v := r.URL.Query()
		v.Set("before", strconv.FormatInt(events[len(events)-1].Seq, 10))
		list.NextLink = a.Public + r.URL.Path + "?" + v.Encode()
	}
	write(w, http.StatusOK, list)
	return nil
}

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
