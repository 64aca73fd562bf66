package work

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"certwright/internal/order"
)

// Work is an engine. Make it with New, run it with Start, and end it with Stop.
type Work struct {
	o      Options
	river  engine
	claims claims
	local  chan order.ID // the short way
	slots  chan struct{} // one for each run at a time, whichever way it came
	spill  spill         // hints on their way to River

	ctx    context.Context // of the runs; ends at the hard end of Stop
	cancel context.CancelFunc
	quit   chan struct{} // closed when Stop begins
	once   sync.Once
	wg     sync.WaitGroup

	mu        sync.Mutex // the sweep: one at a time
	lastMu    sync.Mutex
	last      time.Time // end of the last sweep that went well
	lastError error
}

// New makes an engine and brings River's own tables up to date. Nothing runs before Start.
func New(ctx context.Context, o Options) (*Work, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	w := &Work{
		o:      o,
		claims: claims{m: map[string]*claim{}, cool: map[string]time.Time{}},
		local:  make(chan order.ID, o.Queue),
		slots:  make(chan struct{}, o.Workers),
		spill:  spill{wake: make(chan struct{}, 1), has: map[string]bool{}},
		quit:   make(chan struct{}),
	}
	conf, err := w.riverConfig()
	if err != nil {
		return nil, fmt.Errorf("work: %w", err)
	}
	w.river, err = newEngine(ctx, o, conf)
	if err != nil {
		return nil, err
	}
	return w, nil
}

// Start lets go of this node's old leases, begins to work, and takes up what is due. It returns once
// all that is under way; ctx bounds Start alone.
func (w *Work) Start(ctx context.Context) error {
	n, err := w.o.Source.ReleaseNode(ctx, w.o.Node)
	if err != nil {
		return fmt.Errorf("work: end the leases that node %q left behind: %w", w.o.Node, err)
	}
	if n > 0 {
		w.o.Logger.Info("took up orders that this node was working on when it stopped", "orders", n)
	}
	w.ctx, w.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := w.river.Start(w.ctx); err != nil {
		w.cancel()
		return fmt.Errorf("work: start River: %w", err)
	}
	if w.o.Queue > 0 {
		for range w.o.Workers {
			w.wg.Go(w.runLocal)
		}
	}
	w.wg.Go(w.pour)
	w.wg.Go(w.watch)
	return nil
}

// Stop takes no more work and waits for the runs under way. When ctx ends first they are cancelled, and
// Stop returns once they have: a run that is cancelled lets go of its lease. Hints still queued are lost,
// and found by the next sweep.
func (w *Work) Stop(ctx context.Context) error {
	if w.cancel == nil {
		return nil
	}
	w.once.Do(func() { close(w.quit) })
	done := make(chan struct{})
	go func() { w.wg.Wait(); close(done) }()
	err := w.river.Stop(ctx)
	select {
	case <-done:
	case <-ctx.Done():
	}
	w.cancel()
	if err != nil || ctx.Err() != nil {
		hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = w.river.StopAndCancel(hard)
		select {
		case <-done:
		case <-hard.Done():
			err = errors.Join(err, errors.New("some runs did not end when cancelled"))
		}
	}
	if err != nil {
		return fmt.Errorf("work: stop: %w", err)
	}
	return nil
}

// runLocal runs queued orders until Stop.
func (w *Work) runLocal() {
	for !w.stopping() { // a full queue must not win over Stop
		select {
		case <-w.quit:
			return
		case id := <-w.local:
			w.slots <- struct{}{}
			if w.claims.beginQueued(id.Key()) {
				if err := w.run(w.ctx, id); err != nil {
					// River tries again, and goes on doing so after a crash.
					w.pass(id)
				}
			}
			<-w.slots
		}
	}
}

// runJob runs an order that came by River.
func (w *Work) runJob(ctx context.Context, id order.ID) error {
	select {
	case w.slots <- struct{}{}:
	case <-w.quit:
		return nil // it is still due: another node's sweep, or our next start, finds it
	case <-ctx.Done():
		return nil
	}
	defer func() { <-w.slots }()
	if !w.claims.begin(id.Key()) {
		return nil // running here: it will be run once more
	}
	return w.run(ctx, id)
}

// run advances a claimed order, and again if it was hinted meanwhile, and lets the claim go.
func (w *Work) run(ctx context.Context, id order.ID) error {
	for {
		err := w.advance(ctx, id)
		if w.busy(err) {
			err = nil // whoever holds the lease looks once more when releasing it
		}
		if err != nil {
			w.claims.fail(id.Key(), w.o.Now().Add(jobPeriod))
			if w.ctx.Err() == nil { // else Stop cut it off
				w.o.Logger.Error("an order's run ended in an error; it will be tried again", "order", id.String(), "error", err)
			}
			return err
		}
		if !w.claims.again(id.Key()) {
			return nil
		}
	}
}

// advance is one call of the mover, within its time, its panic made an error.
func (w *Work) advance(ctx context.Context, id order.ID) (err error) {
	ctx, cancel := context.WithTimeout(ctx, w.o.RunLimit)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return w.o.Mover.Advance(ctx, id)
}

// busy says whether err means that another worker holds the lease.
func (w *Work) busy(err error) bool {
	if err == nil {
		return false
	}
	var b interface{ Busy() bool }
	return w.o.Busy != nil && errors.Is(err, w.o.Busy) || errors.As(err, &b) && b.Busy()
}
