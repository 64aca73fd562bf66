package api

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/order"
)

// insightHandlers answer Microsoft.Insights: the timeline as an activity log.
func (a *API) insightHandlers() map[string]handler {
	return map[string]handler{"ActivityLogs_List": a.activityLog, "TenantActivityLogs_List": a.activityLog, "EventCategories_List": a.categories}
}

func (a *API) categories(w http.ResponseWriter, _ *request) error {
	write(w, http.StatusOK, arm.List[arm.Localized]{Value: []arm.Localized{{Value: arm.Category, Localized: arm.Category}}})
	return nil
}

// activityLog lists events as Azure's activity log does, newest first.
func (a *API) activityLog(w http.ResponseWriter, r *request) error {
	f, err := arm.ParseLogFilter(option(r, "$filter"))
	if err != nil {
		return err
	}
	names, err := arm.Selection(option(r, "$select"))
	if err != nil {
		return err
	}
	list := arm.List[any]{Value: []any{}}
	q, ok, err := logQuery(r, f)
	if err != nil {
		return err
	}
	if !ok { // nothing of what was asked for can be there, or be seen
		write(w, http.StatusOK, list)
		return nil
	}
	next := option(r, "$skiptoken")
	for looked := 0; looked < mostLooked && len(list.Value) < pageSize && (looked == 0 || next != ""); looked += q.Limit {
		q.Cursor = next
		var events []order.Event
		if events, next, err = a.Reader.Events(r.Context(), q); err != nil {
			return err
		}
		for i := range events {
			e := arm.EventOf(&events[i], auth.Tenant)
			if !f.Takes(e) {
				continue
			}
			d, err := arm.Select(e, names)
			if err != nil {
				return err
			}
			list.Value = append(list.Value, d)
		}
	}
	if next != "" {
		list.NextLink = a.link(r, r.URL.Path, url.Values{"$skipToken": {next}})
	}
	write(w, http.StatusOK, list)
	return nil
}

// logQuery is a filter as a query of events, within the caller's scope. False: nothing can match.
func logQuery(r *request, f arm.LogFilter) (order.EventQuery, bool, error) {
	q := order.EventQuery{From: f.From, Correlation: f.Correlation, Limit: pageSize}
	if !f.To.IsZero() {
		q.To = f.To.Add(time.Millisecond) // "le" means that instant too; events are kept to the millisecond
	}
	subscription, group := r.PathValue("subscription"), f.Group
	if f.Provider != "" && !strings.EqualFold(f.Provider, order.Provider) {
		return q, false, nil
	}
	if f.Resource != "" {
		id, err := arm.ParseID(f.Resource)
		if err != nil {
			return q, false, &order.Refusal{Kind: order.BadInput, Code: "InvalidFilter", Property: "$filter", Message: err.Error(), Fix: "Give resourceUri the id of a resource"}
		}
		if !strings.EqualFold(id.Type, order.Type) || subscription != "" && !strings.EqualFold(subscription, id.Subscription) {
			return q, false, nil
		}
		q.Order = &order.ID{Subscription: id.Subscription, Group: id.Group, Name: id.Name}
		return q, auth.Covers(r.who.Scope, q.Order.String()), nil
	}
	in, ok := auth.Within(r.who.Scope, subscription, group)
	if !ok || in.Type != "" && !strings.EqualFold(in.Type, order.Type) {
		return q, false, nil
	}
	q.Subscription, q.Group = in.Subscription, in.Group
	if in.Name != "" {
		q.Order = &order.ID{Subscription: in.Subscription, Group: in.Group, Name: in.Name}
	}
	return q, true, nil
}
