package fulfill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"certwright/internal/order"
)

// CheckMove says whether an order could be moved to another resource group now.
func (m *Mover) CheckMove(ctx context.Context, id order.ID, subscription, group string) error {
	o, err := m.Store.LoadOrder(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return notFound(id)
	}
	if err != nil {
		return fmt.Errorf("read order %s: %w", id.Name, err)
	}
	return m.checkMove(ctx, o, order.ID{Subscription: subscription, Group: group, Name: o.ID.Name})
}

func (m *Mover) checkMove(ctx context.Context, o *order.Order, to order.ID) error {
	refuse := func(code, message, fix string) error {
		return &order.Refusal{Kind: order.Conflict, Code: code, Message: message, Fix: fix}
	}
	if to.Key() == o.ID.Key() {
		return refuse("ResourceMoveNotNeeded", fmt.Sprintf("order %s is in that resource group already", o.ID.Name), "")
	}
	if o.Deleting {
		return refuse("OrderDeleting", fmt.Sprintf("order %s is being deleted", o.ID.Name), "")
	}
	if err := m.checkScope(ctx, to); err != nil {
		return err
	}
	if _, err := m.Store.LoadOrder(ctx, to); err == nil {
		return refuse("OrderExists", fmt.Sprintf("the resource group %s has an order named %s", to.Group, to.Name), "Delete that one, or move to another group")
	} else if !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("read order %s: %w", to.Name, err)
	}
	for _, name := range o.Spec.Sites { // sites belong to a group
		if _, err := m.Store.LoadSite(ctx, to.Subscription, to.Group, name); errors.Is(err, ErrNotFound) {
			return refuse("SiteNotInTarget", fmt.Sprintf("order %s deploys to site %s, and the resource group %s has none of that name", o.ID.Name, name, to.Group), "Make the site there first, or take it off the order")
		} else if err != nil {
			return fmt.Errorf("read site %s: %w", name, err)
		}
	}
	return nil
}

// moveLease is how long a move keeps workers away.
const moveLease = 15 * time.Second

// Move puts an order, with all that has come of it, into another resource group. Its secrets stay where they are and
// keep their names; rights follow the new id, for a right holds on a scope. Its former id's events stay with that id.
func (m *Mover) Move(ctx context.Context, by order.By, id order.ID, subscription, group string) (*order.Order, error) {
	if err := m.CheckMove(ctx, id, subscription, group); err != nil {
		return nil, err
	}
	now := m.Now()
	o, err := m.Store.LeaseOrder(ctx, id, m.Node, now, now.Add(moveLease)) // whoever works on it would write to an id that is gone
	switch {
	case errors.Is(err, ErrLeased):
		return nil, &order.Refusal{Kind: order.Conflict, Code: "OrderBusy", Message: fmt.Sprintf("order %s is being worked on at this moment", id.Name), Fix: "Try again in a few seconds", After: 5 * time.Second}
	case errors.Is(err, ErrNotFound):
		return nil, notFound(id)
	case err != nil:
		return nil, fmt.Errorf("take order %s: %w", id.Name, err)
	}
	moved := o.Clone()
	moved.ID = order.ID{Subscription: subscription, Group: group, Name: o.ID.Name}
	moved.Revision, moved.Seq, moved.Hash = 0, 0, nil
	moved.LeaseOwner, moved.LeaseUntil, moved.DueAt, moved.Updated = "", time.Time{}, now, now
	came := moved.Apply(now, order.Bound{Sites: m.loadSites(ctx, moved)})
	came = append([]order.Event{by.Moved(moved, o.ID, now)}, came...)
	err = m.Store.MoveOrder(ctx, o, moved, moved.Project(now), []order.Event{by.MovedAway(o, moved.ID, now)}, came)
	switch {
	case errors.Is(err, ErrExists):
		return nil, &order.Refusal{Kind: order.Conflict, Code: "OrderExists", Message: fmt.Sprintf("the resource group %s has an order named %s", group, id.Name), Fix: "Delete that one, or move to another group"}
	case errors.Is(err, ErrConflict):
		return nil, &order.Refusal{Kind: order.Conflict, Code: "OrderBusy", Message: fmt.Sprintf("order %s was changed meanwhile", id.Name), Fix: "Try again", After: time.Second}
	case err != nil:
		return nil, fmt.Errorf("move order %s: %w", id.Name, err)
	}
	m.Hinter.Hint(ctx, moved.ID)
	return moved, nil
}
