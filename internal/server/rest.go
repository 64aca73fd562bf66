package server

import (
	"context"
	"time"

	"certwright/internal/order"
)

// How long an examination lets what is under way come to an end: the steps of a worker, and a server that was reloaded just
// now, whose old processes may answer for some milliseconds more. What either looks like in the middle is no fault.
const (
	stepsEnd   = time.Second
	reloadEnds = 500 * time.Millisecond
)

// atRest reads the order once no worker holds it and no reload of ours is fresh, or after a while.
func (s *Server) atRest(ctx context.Context, id order.ID) (*order.Order, error) {
	patience, cancel := context.WithTimeout(ctx, stepsEnd)
	defer cancel()
	for {
		changed := s.Store.Changed()
		o, err := s.Store.LoadOrder(ctx, id)
		if err != nil {
			return nil, err
		}
		if o.LeaseOwner == "" || !o.LeaseUntil.After(s.Now()) || patience.Err() != nil {
			wait(ctx, freshReload(o, s.Now()))
			return o, nil
		}
		s.Store.Wait(patience, changed, stepsEnd/20) // a lease that is let go rings no bell
	}
}

// freshReload is how much longer the order's last reload may need until all that answers has the new files.
func freshReload(o *order.Order, now time.Time) time.Duration {
	var left time.Duration
	for i := range o.Deployments {
		if r := o.Deployments[i].Receipt; r != nil && r.Reload != nil && !r.At.After(now) {
			left = max(left, reloadEnds-now.Sub(r.At))
		}
	}
	return left
}

// wait lets a length of time pass, or ctx end.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
