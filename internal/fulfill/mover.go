package fulfill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"sync"
	"time"

	"certwright/internal/order"
)

// Options are what a Mover is made of. All but Logger must be set.
type Options struct {
	Store       Store
	Authorities Authorities
	Verifier    Verifier
	Vault       Vault
	Sealer      Sealer
	Deployer    Deployer
	Prober      Prober
	Hinter      Hinter
	Watcher     Watcher // nil = nobody watches
	Now         func() time.Time
	Pause       func(ctx context.Context, d time.Duration) // waits between two looks after a push, or until ctx ends; nil = by the machine's clock
	Node        string                                     // this process, for leases
	Lease       time.Duration                              // how long a lease lasts; 0 = LeaseFor
	MaxNames    int                                        // names in one order; 0 = MaxNames
	Logger      *slog.Logger
}

// Mover moves orders and takes commands.
type Mover struct {
	Options
	slots  slots
	holds  holds
	recent recent
}

// New makes a Mover.
func New(o Options) *Mover {
	if o.Lease == 0 {
		o.Lease = LeaseFor
	}
	if o.MaxNames == 0 {
		o.MaxNames = MaxNames
	}
	if o.Pause == nil {
		o.Pause = pause
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Mover{Options: o, slots: slots{open: map[string]chan struct{}{}}, holds: holds{by: map[string]*order.Problem{}}}
}

// LeaseFor is how long a lease lasts, unless Options say otherwise: with the sweep that finds it ended (every 5 s by
// default) another replica goes on within a minute after a kill.
const LeaseFor = 50 * time.Second

// Limits of one run.
const (
	obtainLimit = 10 * time.Minute // an attempt's work at the issuer; it goes on in the next run
	deployLimit = 3 * time.Minute  // a push with its reload and look
	stepLimit   = time.Minute      // everything else
	sameStep    = 8                // how often one step may be done in one run: a loop ends here
	saveLimit   = 15 * time.Second // a commit, also while shutting down
)

// Advance carries an order as far down its path as it can go now. It takes the lease, does all due
// steps, each of them beside the others, commits what came of each as it comes, and lets the order go
// with the time at which it is due again. ErrLeased and ErrNotFound are no faults of the order.
func (m *Mover) Advance(ctx context.Context, id order.ID) error {
	now := m.Now()
	o, err := m.Store.LeaseOrder(ctx, id, m.Node, now, now.Add(m.Lease))
	if err != nil {
		return fmt.Errorf("advance %s: %w", id.Name, err)
	}
	r := &run{Mover: m, o: o, busy: map[order.Step]bool{}, count: map[order.Step]int{}, stale: map[order.Step]bool{}, out: make(chan outcome), held: map[string]func(){}, fresh: map[string]Certificate{}}
	defer r.releaseSlots()
	if err := r.walk(ctx); err != nil {
		return fmt.Errorf("advance %s: %w", id.Name, err)
	}
	return nil
}

// run is one Advance. The order it holds is replaced, never changed: steps read the one they began with.
type run struct {
	*Mover
	mu     sync.Mutex // guards held, fresh and sited, which steps share
	o      *order.Order
	busy   map[order.Step]bool
	count  map[order.Step]int
	stale  map[order.Step]bool // looks that a push or a store overtook: what they saw is no more
	out    chan outcome
	held   map[string]func()              // slots at issuers, by key type
	fresh  map[string]Certificate         // versions that this run obtained: they need not be read back from the vault
	early  early                          // attempts that go on while their beginning is being recorded
	sited  sited                          // sites that this run has read
	launch func(order.Step, *order.Order) // begins a step beside the others
	gone   bool                           // the row was removed
	lost   bool                           // another worker has the lease now
	stop   bool                           // we are shutting down: nothing new is begun, the lease is let go
}

// outcome is what a step gave. A partial one leaves the step running.
type outcome struct {
	step    order.Step
	results []order.Result
	partial bool
	removed bool
	broken  bool // the step panicked: it is not done again in this run
}

// walk is the loop: start what is due, commit what came.
func (r *run) walk(ctx context.Context) error {
	steps, cancel := context.WithCancel(ctx)
	defer cancel()
	r.launch = func(s order.Step, o *order.Order) {
		r.busy[s] = true
		r.count[s]++
		go r.work(steps, s, o)
	}
	beat := time.NewTicker(r.Lease / 3)
	defer beat.Stop()
	for {
		if r.stop = ctx.Err() != nil; !r.stop && !r.lost && !r.gone {
			r.start()
		}
		if r.lost || r.gone {
			cancel() // another worker is at it, or nobody wants it any more
		}
		if len(r.busy) == 0 {
			if done, err := r.rest(ctx); done {
				return err
			}
			continue
		}
		select {
		case out := <-r.out:
			if err := r.take(ctx, out); err != nil {
				cancel()
				r.drain()
				return err
			}
		case <-beat.C:
			if err := r.commit(ctx); err != nil {
				cancel()
				r.drain()
				return err
			}
		}
	}
}

// rest lets the order go when nothing of it is being done: nothing was due, or the last commit could not know that it was
// the last. A command that came in at this very commit makes something due again: then the walk goes on.
func (r *run) rest(ctx context.Context) (done bool, err error) {
	if r.gone || r.lost || r.o.LeaseOwner == "" {
		return true, nil
	}
	err = r.commit(ctx)
	return err != nil || r.stop || r.gone || r.lost || r.o.LeaseOwner == "", err
}

// start begins every due step that is not running and that need not wait for another.
func (r *run) start() {
	steps := r.o.Next(r.Now())
	sort.SliceStable(steps, func(i, j int) bool { return turn(steps[i]) < turn(steps[j]) })
	for _, s := range steps {
		if r.busy[s] || r.count[s] >= sameStep || r.waits(s) {
			continue
		}
		if s.Kind == order.StepDeploy {
			r.overtake(r.o.Deployment(s.Key))
		}
		r.launch(s, r.o)
	}
}

// work does one step and hands in what came of it, a panic included.
func (r *run) work(ctx context.Context, s order.Step, o *order.Order) {
	out := outcome{step: s}
	defer func() {
		if p := recover(); p != nil {
			r.Logger.Error("step panicked", "order", o.ID.Name, "step", s.Kind, "key", s.Key, "panic", p)
			out = outcome{step: s, broken: true}
		}
		r.out <- out
	}()
	ctx, cancel := context.WithTimeout(ctx, limitOf(s.Kind))
	defer cancel()
	out = r.do(ctx, s, o)
}

func limitOf(k order.StepKind) time.Duration {
	switch k {
	case order.StepObtain:
		return obtainLimit
	case order.StepDeploy:
		return deployLimit
	}
	return stepLimit
}

// drain waits for the steps still running; what they hand in is dropped: it will be done again.
func (r *run) drain() {
	for len(r.busy) > 0 {
		if out := <-r.out; !out.partial {
			delete(r.busy, out.step)
		}
	}
}

// take commits an outcome together with every other one that is there already.
func (r *run) take(ctx context.Context, out outcome) error {
	var results []order.Result
	for more := true; more; {
		if !out.partial {
			delete(r.busy, out.step)
		}
		if out.broken {
			r.count[out.step] = sameStep
		}
		out.results = r.upToDate(out)
		r.gone = r.gone || out.removed
		for _, res := range out.results {
			if ctx.Err() == nil || !order.IsFailure(res) { // what failed because we are stopping did not fail
				results = append(results, res)
			}
		}
		select {
		case out = <-r.out:
		default:
			more = false
		}
	}
	if r.gone {
		return nil
	}
	return r.commit(ctx, results...)
}

// commit applies results and saves under the revision; if someone else wrote meanwhile, the results are
// applied to what the order has become. The lease is extended, or let go when nothing is left to do.
func (r *run) commit(ctx context.Context, results ...order.Result) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveLimit)
	defer cancel()
	for {
		now := r.Now()
		next := r.o.Clone()
		events := next.Apply(now, results...)
		r.hold(next, now)
		r.goAhead(next, now)
		err := r.Store.SaveOrder(ctx, next, next.Project(now), events)
		if err == nil {
			r.o = next
			r.recorded(next)
			r.watch(results, events)
			return nil
		}
		if !errors.Is(err, ErrConflict) {
			r.recorded(nil)
			return fmt.Errorf("save: %w", err)
		}
		fresh, err := r.Store.LoadOrder(ctx, r.o.ID)
		if errors.Is(err, ErrNotFound) {
			r.gone = true
			r.recorded(nil)
			return nil
		}
		if err != nil {
			r.recorded(nil)
			return fmt.Errorf("load after a conflict: %w", err)
		}
		r.lost = fresh.LeaseOwner != r.Node
		r.o = fresh
		r.sited.forget() // what was changed may be which targets they have
		if r.lost && len(results) == 0 {
			return nil
		}
	}
}

// hold sets the lease of the order about to be saved.
func (r *run) hold(o *order.Order, now time.Time) {
	if r.lost {
		return
	}
	more := len(r.busy) > 0
	for _, s := range o.Next(now) {
		if r.count[s] < sameStep {
			more = true
		} else if o.DueAt.Before(now.Add(30 * time.Second)) {
			o.DueAt = now.Add(30 * time.Second) // a step that does not settle is taken up again later
		}
	}
	if more && !r.stop {
		o.LeaseOwner, o.LeaseUntil = r.Node, now.Add(r.Lease)
		return
	}
	o.LeaseOwner, o.LeaseUntil = "", time.Time{}
}
