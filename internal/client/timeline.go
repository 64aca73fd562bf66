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

// Following is what is done with a timeline that is followed. Ready and Take are needed.
type Following struct {
	Ready func()                 // once: from here on nothing is missed
	Take  func(order.Event) bool // an event as it comes, oldest first; false ends it
	Lost  func(error)            // the server does not answer any more; it is asked again until it does
	Back  func()                 // it answers again; what happened meanwhile follows
}

// askAgain is how long a server that does not answer any more is left in peace.
const askAgain = time.Second

// FollowTimeline hands on events as they come until Take says no or ctx ends. A server that is lost once it was there is
// waited for; a refusal ends it.
func (c *Client) FollowTimeline(ctx context.Context, q TimelineQuery, do Following) error {
	lost := false
	for cursor := ""; ; {
		var f api.FollowedAll
		err := c.Call(ctx, "GET", "/v1/timeline/follow", url.Values{"after": {cursor}}, nil, &f)
		switch {
		case err != nil && (cursor == "" || do.Lost == nil || !Lost(err)):
			return err
		case err != nil:
			if !lost {
				do.Lost(err)
			}
			lost = true
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(askAgain):
			}
			continue
		case lost:
			if lost = false; do.Back != nil {
				do.Back()
			}
		}
		for _, e := range f.Events {
			if q.of(e) && !do.Take(e) {
				return nil
			}
		}
		if cursor == "" {
			do.Ready()
		}
		cursor = f.Next
	}
}
