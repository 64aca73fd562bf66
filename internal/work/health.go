package work

import (
	"context"
	"fmt"
	"time"
)

// LastSweep is when this node's last sweep for due orders went well, by Options.Now; zero before the first.
func (w *Work) LastSweep() time.Time {
	w.lastMu.Lock()
	defer w.lastMu.Unlock()
	return w.last
}

// Lag is for how long the longest due order has been waiting for a worker; 0 if none waits. It grows
// under a wave of orders, and when nothing works at all.
func (w *Work) Lag(ctx context.Context) (time.Duration, error) {
	now := w.o.Now()
	since, waiting, err := w.o.Source.OldestDue(ctx, now)
	if err != nil {
		return 0, fmt.Errorf("look for the longest due order: %w", err)
	}
	if !waiting {
		return 0, nil
	}
	return max(0, now.Sub(since)), nil
}

// Ready is nil while the sweep comes in time: then nothing that is due is forgotten. Its error says how
// late it is and why.
func (w *Work) Ready() error {
	w.lastMu.Lock()
	last, cause := w.last, w.lastError
	w.lastMu.Unlock()
	limit := staleAfter * w.o.SweepEvery
	if last.IsZero() {
		if cause != nil {
			return fmt.Errorf("due orders have not been looked for yet: %w", cause)
		}
		return fmt.Errorf("due orders have not been looked for yet: the engine is still starting")
	}
	if late := w.o.Now().Sub(last); late > limit {
		if cause == nil {
			return fmt.Errorf("due orders were last looked for %s ago, it should be every %s", late.Round(time.Second), w.o.SweepEvery)
		}
		return fmt.Errorf("due orders were last looked for %s ago, it should be every %s: %w", late.Round(time.Second), w.o.SweepEvery, cause)
	}
	return nil
}

// Held is how many orders are queued or running in this process.
func (w *Work) Held() int { return w.claims.count() }
