package client

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"certwright/internal/api"
	"certwright/internal/arm"
	"certwright/internal/order"
)

// TimelineQuery says which events to read. The zero value is all of them.
type TimelineQuery struct {
	Order               string // empty = of all orders
	Subscription, Group string // of the order, or of all orders; empty = the default ones, or any
	Correlation         string
	From, To            time.Time
	Page                int // events a request; 0 = 1000
}

// Timeline hands on events, newest first, a page at a time, until take says no or there are no more.
func (c *Client) Timeline(ctx context.Context, q TimelineQuery, take func(page []order.Event) bool) error {
	p := "/v1/timeline"
	if q.Order != "" {
		p = path(q.Order, "timeline")
	}
	top := 1000
	if q.Page > 0 {
		top = min(q.Page, top)
	}
	query := url.Values{"top": {strconv.Itoa(top)}}
	for name, s := range map[string]string{"subscription": q.Subscription, "group": q.Group, "correlation": q.Correlation} {
		if s != "" {
			query.Set(name, s)
		}
	}
	for name, t := range map[string]time.Time{"from": q.From, "to": q.To} {
		if !t.IsZero() {
			query.Set(name, t.UTC().Format(time.RFC3339))
		}
	}
	for p != "" {
		var page arm.List[order.Event]
		if err := c.Call(ctx, "GET", p, query, nil, &page); err != nil {
			return err
		}
		if !take(page.Value) {
			return nil
		}
		p, query = c.Relative(page.NextLink), nil
	}
	return nil
}

// of says whether an event is of the orders that are asked for.
func (q TimelineQuery) of(e order.Event) bool {
	same := func(want, have string) bool { return want == "" || strings.EqualFold(want, have) }
	if q.Order != "" && q.Subscription == "" && q.Group == "" {
		return order.Short(q.Order).Key() == e.Order.Key()
	}
	return same(q.Order, e.Order.Name) && same(q.Subscription, e.Order.Subscription) && same(q.Group, e.Order.Group) && same(q.Correlation, e.Correlation)
}

// FollowTimeline hands on events as they come, oldest first, until take says no or ctx ends. Once it is ready, nothing
// that happens is missed.
func (c *Client) FollowTimeline(ctx context.Context, q TimelineQuery, ready func(), take func(order.Event) bool) error {
	for cursor := ""; ; {
		var f api.FollowedAll
		if err := c.Call(ctx, "GET", "/v1/timeline/follow", url.Values{"after": {cursor}}, nil, &f); err != nil {
			return err
		}
		for _, e := range f.Events {
			if q.of(e) && !take(e) {
				return nil
			}
		}
		if cursor == "" {
			ready()
		}
		cursor = f.Next
	}
}
