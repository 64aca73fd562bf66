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
	q.Provider = f.Provider
	subscription, group := r.PathValue("subscription"), f.Group
	if f.Resource != "" {
		id, err := resourceOf(f.Resource)
		if err != nil {
			return q, false, &order.Refusal{Kind: order.BadInput, Code: "InvalidFilter", Property: "$filter", Message: err.Error(), Fix: "Give resourceUri the id of a resource"}
		}
		if subscription != "" && !strings.EqualFold(subscription, id.Subscription) {
			return q, false, nil
		}
		q.Order = &id
		return q, auth.Covers(r.who.Scope, id.String()), nil
	}
	in, ok := auth.Within(r.who.Scope, subscription, group)
	if !ok {
		return q, false, nil
	}
	q.Subscription, q.Group = in.Subscription, in.Group
	if in.Name != "" {
		id := order.ID{Subscription: in.Subscription, Group: in.Group, Name: in.Name}.Of(in.Type)
		q.Order = &id
	}
	return q, true, nil
}

// resourceOf is what a resourceUri names: a resource, a group or a subscription.
func resourceOf(uri string) (order.ID, error) {
	if in, ok := auth.Within(uri, "", ""); ok && in.Name == "" && in.Subscription != "" {
		if in.Group == "" {
			return order.ID{Subscription: in.Subscription, Type: order.SubscriptionType}, nil
		}
		return order.ID{Subscription: in.Subscription, Group: in.Group, Type: order.GroupType}, nil
	}
	id, err := arm.ParseID(uri)
	return order.ID{Subscription: id.Subscription, Group: id.Group, Name: id.Name}.Of(id.Type), err
}
