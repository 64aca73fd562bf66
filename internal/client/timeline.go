package client

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"certwright/internal/api"
	"certwright/internal/arm"
	"certwright/internal/order"
)

// TimelineQuery says which events to read. The zero value is all of them.
type TimelineQuery struct {
	Order    string // empty = of all orders
	From, To time.Time
	Match    func(order.Event) bool // nil = every one; what the server does not filter by
	Most     int                    // events at most
}

func (q TimelineQuery) matches(e order.Event) bool { return q.Match == nil || q.Match(e) }

// Timeline reads events, newest first.
func (c *Client) Timeline(ctx context.Context, q TimelineQuery) ([]order.Event, error) {
	p := "/v1/timeline"
	if q.Order != "" {
		p = path(q.Order, "timeline")
	}
	top := 1000
	if q.Match == nil {
		top = min(q.Most, top)
	}
	query := url.Values{"top": {strconv.Itoa(top)}}
	for name, t := range map[string]time.Time{"from": q.From, "to": q.To} {
		if !t.IsZero() {
			query.Set(name, t.UTC().Format(time.RFC3339))
		}
	}
	var all []order.Event
	for p != "" && len(all) < q.Most {
		var page arm.List[order.Event]
		if err := c.Call(ctx, "GET", p, query, nil, &page); err != nil {
			return nil, err
		}
		for _, e := range page.Value {
			if q.matches(e) {
				all = append(all, e)
			}
		}
		p, query = c.Relative(page.NextLink), nil
	}
	return all[:min(q.Most, len(all))], nil
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
			if (q.Order == "" || q.Order == e.Order.Name) && q.matches(e) && !take(e) {
				return nil
			}
		}
		if cursor == "" {
			ready()
		}
		cursor = f.Next
	}
}
