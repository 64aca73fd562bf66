package work

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"certwright/internal/order"
)

// ErrLater is what Examine gives for an order that cannot be examined now: it is looked at again soon.
var ErrLater = errors.New("the order is being worked on")

// Times of examining.
const (
	settleTime  = 2 * time.Second        // after a failure, before looking: the run goes on for a moment
	lookAgain   = 15 * time.Second       // after ErrLater; each time in a row it takes twice as long
	lookRarely  = time.Minute            // no order is examined more often because it fails ...
	lookSoon    = 10 * time.Second       // ... or because something goes well
	lookLimit   = 30 * time.Second       // of one examination
	beatOfLooks = 250 * time.Millisecond // how exact all that is
	mostWaiting = 20000                  // orders that wait to be examined; the periodic examination finds the others
)

// ExaminerOptions are what an Examiner is made of.
type ExaminerOptions struct {
	// Examine looks at an order and records what it found. ErrLater: not now.
	Examine func(ctx context.Context, id order.ID) error
	Now     func() time.Time
	Logger  *slog.Logger
	AtOnce  int // examinations at a time; 0 = 2
}

// Examiner examines orders beside the engine: few at a time, so that it takes little from the runs; each
// order by one goroutine, and not at each of its failures. What waits is kept in memory alone: the periodic
// examination finds an order that was lost.
type Examiner struct {
	o      ExaminerOptions
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{}
	slots  chan struct{}
	wg     sync.WaitGroup

	mu      sync.Mutex
	waiting map[string]*look
	looked  map[string]time.Time // when the examination ended, of those looked at a moment ago
}

// look is an order that waits for its examination, or is being examined.
type look struct {
	id      order.ID
	at      time.Time
	running bool
	again   time.Time // it was stirred while running: when to look once more; zero = not
	later   int       // ErrLater in a row
}

// NewExaminer makes an Examiner; it works from Start on.
func NewExaminer(o ExaminerOptions) *Examiner {
	o.AtOnce = or(o.AtOnce, 2)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Examiner{o: o, wake: make(chan struct{}, 1), slots: make(chan struct{}, o.AtOnce), waiting: map[string]*look{}, looked: map[string]time.Time{}}
}

// Start begins to examine what is stirred or offered.
func (e *Examiner) Start(ctx context.Context) {
	e.ctx, e.cancel = context.WithCancel(context.WithoutCancel(ctx))
	e.wg.Go(e.run)
}

// Stop cuts the running examinations off and waits for their ends. What was waiting is forgotten.
func (e *Examiner) Stop() {
	if e.cancel != nil {
		e.cancel()
		e.wg.Wait()
	}
}

// Stir says that something happened to an order: it is examined in a moment, but for its failures no more often than
// once a minute.
func (e *Examiner) Stir(id order.ID, failed bool) {
	apart := lookSoon
	if failed {
		apart = lookRarely
	}
	e.add(id, settleTime, apart)
}

// Offer has an order examined as soon as there is room: its time has come.
func (e *Examiner) Offer(id order.ID) { e.add(id, 0, 0) }

// Waiting is how many orders wait to be examined or are being examined.
func (e *Examiner) Waiting() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.waiting)
}

func (e *Examiner) add(id order.ID, after, apart time.Duration) {
	now := e.o.Now()
	at := now.Add(after)
	key := id.Key()
	e.mu.Lock()
	defer e.mu.Unlock()
	if last, ok := e.looked[key]; ok && last.Add(apart).After(at) {
		at = last.Add(apart)
	}
	switch l := e.waiting[key]; {
	case l == nil && len(e.waiting) >= mostWaiting:
		return
	case l == nil:
		e.waiting[key] = &look{id: id, at: at}
	case l.running && after > 0: // what the sweep offers is being done
		l.again = now.Add(apart)
	case !l.running && at.Before(l.at) && l.later == 0:
		l.at = at
	}
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// run starts what is due, and sleeps while nothing waits.
func (e *Examiner) run() {
	beat := time.NewTicker(beatOfLooks)
	defer beat.Stop()
	for {
		for l := e.next(); l != nil; l = e.next() {
			e.wg.Go(func() { e.look(l) })
		}
		if e.idle() {
			beat.Stop()
			select {
			case <-e.ctx.Done():
				return
			case <-e.wake:
				beat.Reset(beatOfLooks)
			}
			continue
		}
		select {
		case <-e.ctx.Done():
			return
		case <-beat.C:
		}
	}
}

// idle forgets what was looked at long ago, and says whether nothing waits.
func (e *Examiner) idle() bool {
	now := e.o.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	for key, at := range e.looked {
		if now.Sub(at) > lookRarely {
			delete(e.looked, key)
		}
	}
	return len(e.waiting) == 0
}

// next takes a slot and the order that has waited longest of those that are due; nil without either.
func (e *Examiner) next() *look {
	select {
	case e.slots <- struct{}{}:
	default:
		return nil
	}
	now := e.o.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	var first *look
	for _, l := range e.waiting {
		if !l.running && !l.at.After(now) && (first == nil || l.at.Before(first.at)) {
			first = l
		}
	}
	if first == nil {
		<-e.slots
		return nil
	}
	first.running = true
	return first
}

func (e *Examiner) look(l *look) {
	defer func() { <-e.slots }()
	err := e.examine(l.id)
	if err != nil && !errors.Is(err, ErrLater) && e.ctx.Err() == nil {
		e.o.Logger.Warn("an order could not be examined; it will be in its turn", "order", l.id.String(), "error", err)
	}
	now := e.o.Now()
	key := l.id.Key()
	e.mu.Lock()
	defer e.mu.Unlock()
	l.running = false
	switch {
	case errors.Is(err, ErrLater) && l.later < 4:
		l.at, l.again = now.Add(lookAgain<<l.later), time.Time{}
		l.later++
	case !l.again.IsZero():
		l.at, l.again, l.later = l.again, time.Time{}, 0
	default:
		delete(e.waiting, key)
	}
	if err == nil {
		e.looked[key] = now
	}
}

// examine is one examination within its time, its panic made an error.
func (e *Examiner) examine(id order.ID) (err error) {
	ctx, cancel := context.WithTimeout(e.ctx, lookLimit)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("panic")
			e.o.Logger.Error("an examination panicked", "order", id.String(), "panic", p, "stack", string(debug.Stack()))
		}
	}()
	return e.o.Examine(ctx, id)
}
