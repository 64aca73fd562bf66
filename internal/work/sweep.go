package work

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"certwright/internal/order"
)

// sweepName is the chore that looks for due orders.
const sweepName = "due-sweep"

// lateAfter is after how many intervals without a sweep a node looks for itself; staleAfter, after how
// many it is not ready.
const (
	lateAfter  = 3
	staleAfter = 12
)

// chore runs a sweep or one of the chores by name. A name that is not known is an older or newer
// version's: nothing to do here.
func (w *Work) chore(ctx context.Context, name string) error {
	if name == sweepName {
		return w.sweep(ctx)
	}
	for _, c := range w.o.Chores {
		if c.Name != name {
			continue
		}
		for more := true; more && ctx.Err() == nil && !w.stopping(); {
			var err error
			if more, err = c.Run(ctx, w.o.Now()); err != nil {
				w.o.Logger.Error("a periodic task ended in an error; it will be run again in its turn", "task", name, "error", err)
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// stopping says whether Stop has begun.
func (w *Work) stopping() bool {
	select {
	case <-w.quit:
		return true
	default:
		return false
	}
}

// sweep hints every due order that is not held here. One sweep runs at a time; a second is no sweep at
// all, the first sees the same.
func (w *Work) sweep(ctx context.Context) error {
	if !w.mu.TryLock() {
		return nil
	}
	defer w.mu.Unlock()
	err := w.findDue(ctx)
	w.lastMu.Lock()
	defer w.lastMu.Unlock()
	if w.lastError = err; err == nil {
		w.last = w.o.Now()
	}
	return err
}

func (w *Work) findDue(ctx context.Context) error {
	w.claims.thaw(w.o.Now())
	due, err := w.o.Source.DueOrders(ctx, w.o.Now(), w.o.SweepLimit)
	if err != nil {
		return fmt.Errorf("look for due orders: %w", err)
	}
	for _, id := range due {
		if !w.claims.held(id.Key()) {
			w.Hint(ctx, id)
		}
	}
	return nil
}

// insert makes a job of each order that has none, in one commit. No order may be in ids twice.
func (w *Work) insert(ctx context.Context, ids []order.ID) error {
	if len(ids) == 0 {
		return nil
	}
	jobs := make([]river.InsertManyParams, len(ids))
	for i, id := range ids {
		jobs[i] = jobFor(id)
	}
	if _, err := w.river.InsertMany(ctx, jobs); err != nil {
		return fmt.Errorf("insert %d jobs: %w", len(ids), err)
	}
	return nil
}

// watch sweeps once at the start, when there may be no leader yet, and later whenever the leader's sweep
// has not come to this node for some intervals.
func (w *Work) watch() {
	t := time.NewTicker(w.o.SweepEvery)
	defer t.Stop()
	for {
		if last := w.LastSweep(); w.o.Now().Sub(last) >= lateAfter*w.o.SweepEvery {
			if err := w.sweep(w.ctx); err != nil && w.ctx.Err() == nil {
				w.o.Logger.Error("the sweep for due orders failed; it is tried again", "error", err)
			}
		}
		select {
		case <-w.quit:
			return
		case <-t.C:
		}
	}
}
