package api

import (
	"context"
	"strings"

	"certwright/internal/arm"
	"certwright/internal/order"
)

// mostMoves is how many former ids of an order its timeline goes back to.
const mostMoves = 20

// past is an id that an order had, and where its events under that id end: beyond it they are another order's.
type past struct {
	id  order.ID
	end int64 // the number of the event that says that it was moved away
}

// pastOf is where an order came from by the event that says so; false if the event does not.
func (a *API) pastOf(ctx context.Context, came order.Event) (past, bool, error) {
	from, err := arm.ParseID(came.Properties["from"])
	if err != nil {
		return past{}, false, nil
	}
	p := past{id: order.ID{Subscription: from.Subscription, Group: from.Group, Name: from.Name}}
	away, err := a.findEvent(ctx, p.id, func(e order.Event) bool {
		return e.Name == "moved-away" && strings.EqualFold(e.Properties["to"], came.Order.String())
	})
	if err != nil || away == nil {
		return p, false, err
	}
	p.end = away.Seq
	return p, true, nil
}

// findEvent finds the newest event of an id that is as it should be; nil = there is none.
func (a *API) findEvent(ctx context.Context, id order.ID, is func(e order.Event) bool) (*order.Event, error) {
	for before := int64(0); ; {
		events, _, err := a.Reader.Events(ctx, order.EventQuery{Order: &id, Before: before, Limit: 1000})
		if err != nil {
			return nil, err
		}
		for i := range events {
			if is(events[i]) {
				return &events[i], nil
			}
		}
		if len(events) < 1000 {
			return nil, nil
		}
		before = events[len(events)-1].Seq
	}
}

func moved(e order.Event) bool { return e.Name == "moved" }

// formerOf is the id that a page of an order's timeline goes on with: it must be one that the order really had, and nothing
// is shown there that came after it was moved away.
func (a *API) formerOf(ctx context.Context, id order.ID, given string) (past, error) {
	for range mostMoves {
		came, err := a.findEvent(ctx, id, moved)
		if err != nil {
			return past{}, err
		}
		if came == nil {
			break
		}
		p, ok, err := a.pastOf(ctx, *came)
		if err != nil || ok && strings.EqualFold(p.id.String(), given) {
			return p, err
		}
		if !ok {
			break
		}
		id = p.id
	}
	return past{}, &order.Refusal{Kind: order.BadInput, Code: "InvalidCursor", Property: "former", Message: "former is no id that this order had", Fix: "Follow nextLink as it is"}
}

// withPast lets a page of an order's events go on under the ids that it had before; at is the id and the number that the next
// page begins with, empty at the end.
func (a *API) withPast(ctx context.Context, q order.EventQuery, events []order.Event) (all []order.Event, at past, err error) {
	limit, here := q.Limit, *q.Order
	for range mostMoves {
		came := -1
		for i := range events {
			if moved(events[i]) {
				came = i
				break
			}
		}
		var event *order.Event
		switch filtered := q.Correlation != "" || !q.From.IsZero() || !q.To.IsZero(); {
		case came >= 0:
			events, event = events[:came+1], &events[came]
		case filtered && len(all)+len(events) < limit: // a filter may have left away the event that says so
			if event, err = a.findEvent(ctx, here, moved); err != nil {
				return nil, at, err
			}
		}
		all = append(all, events...)
		if event == nil {
			if n := len(all); n >= limit && all[n-1].Seq > 1 {
				at = past{here, all[n-1].Seq}
			}
			return all, at, nil
		}
		p, ok, err := a.pastOf(ctx, *event)
		if err != nil || !ok {
			return all, at, err
		}
		if here = p.id; len(all) >= limit {
			return all, past{here, p.end + 1}, nil
		}
		q.Order, q.Before, q.Limit = &here, p.end+1, limit-len(all)
		if events, _, err = a.Reader.Events(ctx, q); err != nil {
			return nil, at, err
		}
	}
	return all, at, nil
}
