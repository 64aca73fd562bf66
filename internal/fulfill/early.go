package fulfill

import (
	"context"
	"sync"
	"time"

	"certwright/internal/order"
)

// early lets an attempt go on while its beginning is being recorded: the authority may look at the proofs
// meanwhile, where they lie in memory alone. Nothing is finalised before the record stands. Saved that way is
// the time of one commit while a place at the issuer is taken.
type early struct {
	mu      sync.Mutex
	allowed map[string]bool          // attempts that may
	gates   map[string]chan struct{} // those that do: closed once it is known whether they are on record
	stands  map[string]bool          // they are
}

// allow lets an attempt go on early.
func (e *early) allow(attempt string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.allowed == nil {
		e.allowed, e.gates, e.stands = map[string]bool{}, map[string]chan struct{}{}, map[string]bool{}
	}
	e.allowed[attempt] = true
}

// any says whether an attempt is allowed and has not gone on yet.
func (e *early) any() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.allowed) > 0
}

// take says whether the attempt is to go on now; only once.
func (e *early) take(attempt string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.allowed[attempt] {
		return false
	}
	delete(e.allowed, attempt)
	e.gates[attempt] = make(chan struct{})
	return true
}

// open tells everyone who waits whether the attempt is on record.
func (e *early) open(stands func(attempt string) bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, gate := range e.gates {
		e.stands[id] = stands(id)
		close(gate)
		delete(e.gates, id)
	}
}

// wait waits until it is known whether the attempt is on record; at once if it did not go on early.
func (e *early) wait(ctx context.Context, attempt string) bool {
	e.mu.Lock()
	gate := e.gates[attempt]
	stands, early := e.stands[attempt]
	e.mu.Unlock()
	if gate == nil {
		return stands || !early
	}
	select {
	case <-gate:
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.stands[attempt]
	case <-ctx.Done():
		return false
	}
}

// leavesNothing says whether publishing the attempt's proofs leaves nothing behind after a crash.
func (r *run) leavesNothing(ctx context.Context, o *order.Order, a *order.Attempt) bool {
	sites := r.sites(ctx, o)
	for _, p := range a.Proofs {
		if !p.Done && !r.Verifier.LeavesNothing(sites, p) {
			return false
		}
	}
	return true
}

// goAhead begins what is due of the attempts that may go on early, on the order as it is about to be saved.
func (r *run) goAhead(next *order.Order, now time.Time) {
	if r.stop || r.lost || !r.early.any() {
		return
	}
	for _, s := range next.Next(now) {
		if s.Kind == order.StepObtain && !r.busy[s] && r.early.take(s.Key) {
			o := *next // saving writes revision and times into next
			r.launch(s, &o)
		}
	}
}

// recorded opens the gates: the order was saved as given, or not at all.
func (r *run) recorded(o *order.Order) {
	r.early.open(func(attempt string) bool {
		if o == nil {
			return false
		}
		a := o.Attempt(attempt)
		return a != nil && a.Phase == order.Begun
	})
}
