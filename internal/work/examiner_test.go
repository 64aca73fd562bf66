package work

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"certwright/internal/order"
)

// log is a list of what was examined when, in seconds since the start.
type looks struct {
	mu    sync.Mutex
	start time.Time
	at    map[string][]int
}

func (l *looks) note(id order.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at[id.Name] = append(l.at[id.Name], int(time.Since(l.start).Round(time.Second)/time.Second))
}

// examining runs a test with an examiner, in a bubble of fake time.
func examining(t *testing.T, atOnce int, examine func(ctx context.Context, id order.ID) error, f func(e *Examiner, l *looks)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &looks{start: time.Now(), at: map[string][]int{}}
		e := NewExaminer(ExaminerOptions{Now: time.Now, AtOnce: atOnce, Examine: func(ctx context.Context, id order.ID) error {
			l.note(id)
			if examine == nil {
				return nil
			}
			return examine(ctx, id)
		}})
		e.Start(t.Context())
		defer e.Stop()
		f(e, l)
	})
}

// TestStirIsDebounced: an order that fails all the time is examined once a minute; the last failure is not lost.
func TestStirIsDebounced(t *testing.T) {
	examining(t, 2, nil, func(e *Examiner, l *looks) {
		for range 150 {
			e.Stir(order.Short("www"), true)
			<-time.After(time.Second)
		}
		<-time.After(2 * time.Minute)
		l.mu.Lock()
		defer l.mu.Unlock()
		if got := l.at["www"]; len(got) != 4 || got[0] > 3 || got[1]-got[0] < 60 || got[3] < 150 || e.Waiting() != 0 {
			t.Errorf("examined at %v seconds; %d wait", got, e.Waiting())
		}
	})
}

// TestRecoveryIsSeenSoon: what goes well after a failure is looked at without waiting for the minute.
func TestRecoveryIsSeenSoon(t *testing.T) {
	examining(t, 2, nil, func(e *Examiner, l *looks) {
		e.Stir(order.Short("www"), true)
		<-time.After(4 * time.Second)
		e.Stir(order.Short("www"), true)
		e.Stir(order.Short("www"), false)
		<-time.After(2 * time.Minute)
		l.mu.Lock()
		defer l.mu.Unlock()
		if got := l.at["www"]; len(got) != 2 || got[1] > 15 {
			t.Errorf("examined at %v seconds", got)
		}
	})
}

// TestExaminerIsBounded: no more than so many at a time, each order by one.
func TestExaminerIsBounded(t *testing.T) {
	var now, most atomic.Int32
	examining(t, 3, func(ctx context.Context, _ order.ID) error {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-time.After(10 * time.Second)
		now.Add(-1)
		return nil
	}, func(e *Examiner, l *looks) {
		for _, n := range many(10) {
			e.Offer(order.Short(n))
			e.Offer(order.Short(n))
		}
		<-time.After(2 * time.Minute)
		l.mu.Lock()
		defer l.mu.Unlock()
		for n, at := range l.at {
			if len(at) != 1 {
				t.Errorf("%s was examined at %v", n, at)
			}
		}
		if len(l.at) != 10 || most.Load() != 3 {
			t.Errorf("%d orders examined, %d at a time", len(l.at), most.Load())
		}
	})
}

// TestLater: an order that is being worked on is looked at again, ever more slowly, and then left to the sweep.
func TestLater(t *testing.T) {
	examining(t, 2, func(context.Context, order.ID) error { return ErrLater }, func(e *Examiner, l *looks) {
		e.Stir(order.Short("busy"), true)
		<-time.After(time.Hour)
		l.mu.Lock()
		defer l.mu.Unlock()
		if got := l.at["busy"]; len(got) != 5 || got[1]-got[0] != 15 || got[4]-got[3] != 120 || e.Waiting() != 0 {
			t.Errorf("examined at %v seconds; %d wait", got, e.Waiting())
		}
	})
}

// TestStirDuringLook: what happens while an order is looked at has it looked at once more.
func TestStirDuringLook(t *testing.T) {
	examining(t, 2, func(ctx context.Context, _ order.ID) error { <-time.After(5 * time.Second); panic("a slip") }, func(e *Examiner, l *looks) {
		e.Offer(order.Short("www"))
		<-time.After(2 * time.Second)
		e.Stir(order.Short("www"), true)
		<-time.After(10 * time.Minute)
		l.mu.Lock()
		defer l.mu.Unlock()
		if got := l.at["www"]; len(got) != 2 {
			t.Errorf("examined at %v seconds", got)
		}
	})
}
