package work

import (
	"context"
	"sync"
	"time"

	"certwright/internal/order"
)

const (
	pourWait = 30 * time.Millisecond // how long hints are gathered before they are inserted together; longer than River mutes its notifications
	pourMost = 1000                  // jobs in one insert
	pourHold = 20000                 // hints held for River at most; the sweep finds what is above
)

// Hint says that an order should be looked at soon. It never blocks and never fails: whatever becomes of
// the hint, the due sweep finds the order. Give it after the commit.
func (w *Work) Hint(_ context.Context, id order.ID) {
	if !w.claims.offer(id.Key()) {
		return
	}
	select {
	case w.local <- id:
	default:
		w.claims.drop(id.Key())
		w.pass(id)
	}
}

// pass hands an order to River.
func (w *Work) pass(ids ...order.ID) {
	if dropped := w.spill.add(ids); dropped > 0 {
		w.o.Logger.Debug("too many hints at once; the sweep will find the orders", "dropped", dropped)
	}
}

// spill gathers hints for one insert, each order once.
type spill struct {
	mu   sync.Mutex
	ids  []order.ID
	has  map[string]bool // keys of ids
	wake chan struct{}
}

// add gathers ids and says how many there was no room for.
func (s *spill) add(ids []order.ID) (dropped int) {
	s.mu.Lock()
	for _, id := range ids {
		switch {
		case s.has[id.Key()]:
		case len(s.ids) >= pourHold:
			dropped++
		default:
			s.has[id.Key()] = true
			s.ids = append(s.ids, id)
		}
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return dropped
}

// take is the next batch, and whether there is more.
func (s *spill) take() ([]order.ID, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(pourMost, len(s.ids))
	batch := s.ids[:n:n]
	s.ids = s.ids[n:]
	for _, id := range batch {
		delete(s.has, id.Key())
	}
	if len(s.ids) == 0 {
		s.ids = nil
	}
	return batch, len(s.ids) > 0
}

// pour inserts what was gathered, many in one commit, until Stop.
func (w *Work) pour() {
	gather := time.NewTimer(pourWait)
	defer gather.Stop()
	for {
		select {
		case <-w.quit:
			return
		case <-w.spill.wake:
		}
		gather.Reset(pourWait)
		select {
		case <-w.quit:
			return
		case <-gather.C:
		}
		for more := true; more; {
			var ids []order.ID
			ids, more = w.spill.take()
			if err := w.insert(w.ctx, ids); err != nil {
				w.o.Logger.Warn("could not hand orders to River; the sweep will find them", "orders", len(ids), "error", err)
				break
			}
		}
	}
}
