package fulfill

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"certwright/internal/order"
)

// Examined records what an examination of an order found: the finding, and its event where the change has held.
// saw is the revision that was examined. ErrConflict: the order has become another since, or a worker holds it,
// so that what was seen may be no more; it is to be examined again.
func (m *Mover) Examined(ctx context.Context, id order.ID, saw int64, found order.Examined) ([]order.Event, error) {
	o, err := m.Store.LoadOrder(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("record what was found of %s: %w", id.Name, err)
	}
	now := m.Now()
	if o.Revision != saw || o.LeaseOwner != "" && o.LeaseUntil.After(now) {
		return nil, ErrConflict
	}
	due, updated := o.DueAt, o.Updated
	events := o.Apply(now, found)
	o.DueAt = due // an examination moves nothing
	if len(events) == 0 {
		o.Updated = updated
	}
	if err := m.Store.SaveOrder(ctx, o, o.Project(now), events); err != nil {
		if errors.Is(err, ErrConflict) {
			return nil, ErrConflict
		}
		return nil, fmt.Errorf("record what was found of %s: %w", id.Name, err)
	}
	return events, nil
}

// watch tells the watcher what was recorded, and of an order that fails, or in which something goes well while it is not.
func (r *run) watch(results []order.Result, events []order.Event) {
	if r.Watcher == nil {
		return
	}
	if len(events) > 0 {
		r.Watcher.Happened(r.o, events)
	}
	failed := slices.ContainsFunc(results, order.IsFailure)
	if failed || len(results) > 0 && r.o.Health.Finding != nil {
		r.Watcher.Stir(r.o.ID, failed)
	}
}
