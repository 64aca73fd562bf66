package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
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

// orderEvents gives the events of one order, newest first, and those that it had under the ids from which it was moved.
func (a *API) orderEvents(w http.ResponseWriter, r *request) error {
	before, err := number(r.URL.Query(), "before", 0, 1<<60)
	if err != nil {
		return err
	}
	q := order.EventQuery{Order: &r.scope, Before: int64(before)}
	if former := r.URL.Query().Get("former"); former != "" {
		p, err := a.formerOf(r.Context(), r.scope, former)
		if err != nil {
			return err
		}
		if q.Order = &p.id; before == 0 || int64(before) > p.end {
			q.Before = p.end + 1
		}
	}
	return a.events(w, r, q)
}

func (a *API) allEvents(w http.ResponseWriter, r *request) error {
	in, ok := auth.Within(r.who.Scope, r.URL.Query().Get("subscription"), r.URL.Query().Get("group"))
	if !ok {
		write(w, http.StatusOK, arm.List[order.Event]{Value: []order.Event{}})
		return nil
	}
	q := order.EventQuery{Subscription: in.Subscription, Group: in.Group, Cursor: r.URL.Query().Get("after")}
	if in.Name != "" {
		id := order.ID{Subscription: in.Subscription, Group: in.Group, Name: in.Name}.Of(in.Type)
		q.Order = &id
	}
	return a.events(w, r, q)
}

// instant reads a time of a query (RFC 3339); none is the zero time.
func instant(v url.Values, name string) (time.Time, error) {
	s := v.Get(name)
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, &order.Refusal{Kind: order.BadInput, Code: "InvalidParameter", Property: name, Message: fmt.Sprintf("%q is no time such as 2026-11-28T02:04:05Z (RFC 3339)", s), Fix: "Give " + name + " a time with its zone"}
	}
	return t, nil
}

func (a *API) events(w http.ResponseWriter, r *request, q order.EventQuery) error {
	var err error
	if q.Limit, err = number(r.URL.Query(), "top", 100, 1000); err != nil {
		return err
	}
	q.Correlation = r.URL.Query().Get("correlation")
	if q.From, err = instant(r.URL.Query(), "from"); err != nil {
		return err
	}
	if q.To, err = instant(r.URL.Query(), "to"); err != nil {
		return err
	}
	events, next, err := a.Reader.Events(r.Context(), q)
	if err != nil {
		return err
	}
	var at past
	if r.scope.Name != "" { // of one order, not of what a narrow token may see
		if events, at, err = a.withPast(r.Context(), q, events); err != nil {
			return err
		}
	}
	list := arm.List[order.Event]{Value: events}
	if list.Value == nil {
		list.Value = []order.Event{}
	}
	if next != "" && r.scope.Name == "" {
		v := r.URL.Query()
		v.Set("after", next)
		list.NextLink = a.Public + "/v1/timeline?" + v.Encode()
	}
	if at.end > 0 {
		v := r.URL.Query()
		v.Set("before", strconv.FormatInt(at.end, 10))
		if v.Del("former"); at.id.Key() != r.scope.Key() {
			v.Set("former", at.id.String())
		}
		list.NextLink = a.Public + r.URL.Path + "?" + v.Encode()
	}
	write(w, http.StatusOK, list)
	return nil
}
