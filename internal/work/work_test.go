package work

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"certwright/internal/order"
)

func TestHintRunsAtOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d database) {
		o, db := d.open(t)
		o.SweepEvery = time.Hour // only the hint can have it run
		r := newRows(t, db, "a")
		w := start(t, o, r)
		eventually(t, 10*time.Second, "the first sweep", func() bool { return !w.LastSweep().IsZero() })
		r.put(t, time.Now(), "x")
		w.Hint(context.Background(), order.Short("x"))
		eventually(t, 5*time.Second, "x has run", func() bool { return r.runs("x") == 1 && r.left(t) == 0 })
	})
}

func TestOverflowGoesThroughRiver(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d database) {
		o, db := d.open(t)
		o.SweepEvery, o.Queue = time.Hour, -1
		r := newRows(t, db, "a")
		w := start(t, o, r)
		eventually(t, 10*time.Second, "the first sweep", func() bool { return !w.LastSweep().IsZero() })
		names := many(200)
		r.put(t, time.Now(), names...)
		for _, n := range names {
			for range 5 {
				w.Hint(context.Background(), order.Short(n))
			}
		}
		eventually(t, time.Minute, "all have run", func() bool { return r.left(t) == 0 })
		for _, n := range names {
			if got := r.runs(n); got != 1 {
				t.Fatalf("%s ran %d times under its lease, expected 1", n, got)
			}
		}
		// Few may have been inserted again once their first job was done.
		if n := jobs(t, r, "order"); n > 2*len(names) {
			t.Errorf("%d jobs for %d orders hinted five times: hints pile up", n, len(names))
		}
	})
}

func TestSweepFindsWhatHintsLost(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d database) {
		o, db := d.open(t)
		o.SweepEvery = 100 * time.Millisecond
		r := newRows(t, db, "a")
		w := start(t, o, r)
		eventually(t, 10*time.Second, "the first sweep", func() bool { return !w.LastSweep().IsZero() })
		r.put(t, time.Now().Add(300*time.Millisecond), "later")
		r.put(t, time.Now(), many(200)...)
		eventually(t, time.Minute, "all have run", func() bool { return r.left(t) == 0 })
	})
}

func TestHintDuringRunRunsAgain(t *testing.T) {
	t.Parallel()
	o, db := newDatabase(t, "sqlite").open(t)
	o.SweepEvery = time.Hour
	r := newRows(t, db, "a")
	in, out := make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	mover := moverFunc(func(context.Context, order.ID) error {
		if calls.Add(1) == 1 {
			close(in)
			<-out
		}
		return nil
	})
	w := startWith(t, o, r, mover)
	w.Hint(context.Background(), order.Short("x"))
	<-in
	for range 3 {
		w.Hint(context.Background(), order.Short("x"))
	}
	close(out)
	eventually(t, 5*time.Second, "x let go", func() bool { return w.Held() == 0 })
	if got := calls.Load(); got != 2 {
		t.Errorf("ran %d times, expected 2: once, and once more for the three hints during the run", got)
	}
}

func TestErrorIsTriedAgain(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d database) {
		o, db := d.open(t)
		o.SweepEvery = time.Hour // River's retries alone
		var n atomic.Int32
		w := startWith(t, o, newRows(t, db, "a"), moverFunc(func(context.Context, order.ID) error {
			switch n.Add(1) {
			case 1:
				return errors.New("database is gone")
			case 2:
				panic("a slip")
			}
			return nil
		}))
		w.Hint(context.Background(), order.Short("x"))
		eventually(t, 25*time.Second, "x has run well", func() bool { return n.Load() == 3 })
	})
}

// TestSweepLeavesAFailingOrderAlone: a failing order is not run at every sweep.
func TestSweepLeavesAFailingOrderAlone(t *testing.T) {
	t.Parallel()
	o, db := newDatabase(t, "sqlite").open(t)
	o.SweepEvery = 10 * time.Millisecond
	r := newRows(t, db, "a")
	r.put(t, time.Now(), "bad")
	var bad atomic.Int32
	w := startWith(t, o, r, moverFunc(func(_ context.Context, id order.ID) error {
		if id.Name == "bad" {
			bad.Add(1)
			return errors.New("always")
		}
		return r.Advance(context.Background(), id)
	}))
	seen := w.LastSweep()
	for range 20 {
		eventually(t, 5*time.Second, "another sweep", func() bool { return w.LastSweep().After(seen) })
		seen = w.LastSweep()
	}
	if n := bad.Load(); n > 4 { // once by the sweep, then by River, whose tries are seconds apart
		t.Errorf("ran %d times in 20 sweeps", n)
	}
	r.put(t, time.Now(), "good")
	eventually(t, 5*time.Second, "another order has run", func() bool { return r.runs("good") == 1 })
}

func TestBusyIsNoFailure(t *testing.T) {
	t.Parallel()
	for name, busy := range map[string]error{"matched": fmt.Errorf("advance x: %w", errLeased), "said so": busyError{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, db := newDatabase(t, "sqlite").open(t)
			o.SweepEvery = time.Hour
			r := newRows(t, db, "a")
			var calls atomic.Int32
			w := startWith(t, o, r, moverFunc(func(context.Context, order.ID) error { calls.Add(1); return busy }))
			w.Hint(context.Background(), order.Short("x"))
			eventually(t, 5*time.Second, "x let go", func() bool { return calls.Load() == 1 && w.Held() == 0 })
			if n := jobs(t, r, "order"); n != 0 {
				t.Errorf("a busy order made %d jobs: it was taken for a failure", n)
			}
		})
	}
}

func TestStopWaitsThenCancels(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		limit     time.Duration
		cancelled bool
	}{"waits for a run": {20 * time.Second, false}, "cancels a run that takes too long": {50 * time.Millisecond, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, db := newDatabase(t, "sqlite").open(t)
			r := newRows(t, db, "a")
			in, out := make(chan struct{}), make(chan struct{})
			var cancelled atomic.Bool
			w := startWith(t, o, r, moverFunc(func(ctx context.Context, _ order.ID) error {
				close(in)
				select {
				case <-out:
				case <-ctx.Done():
					cancelled.Store(true)
				}
				return nil
			}))
			w.Hint(context.Background(), order.Short("x"))
			<-in
			ctx, cancel := context.WithTimeout(context.Background(), tc.limit)
			defer cancel()
			stopped := make(chan error, 1)
			go func() { stopped <- w.Stop(ctx) }()
			if !tc.cancelled {
				<-w.quit
				close(out)
			}
			if err := <-stopped; err != nil {
				t.Fatal(err)
			}
			if cancelled.Load() != tc.cancelled {
				t.Errorf("cancelled: %v, expected %v", cancelled.Load(), tc.cancelled)
			}
			w.Hint(context.Background(), order.Short("y")) // after the end: no panic, no run
		})
	}
}

func TestChoresRun(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d database) {
		o, db := d.open(t)
		var mu sync.Mutex
		var calls []bool
		o.Chores = []Chore{{Name: "prune", Every: time.Hour, Run: func(_ context.Context, now time.Time) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, len(calls) < 2)
			return calls[len(calls)-1], nil
		}}}
		start(t, o, newRows(t, db, "a"))
		eventually(t, 15*time.Second, "the chore ran until there was no more to do", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(calls) == 3
		})
	})
}

func TestReady(t *testing.T) {
	t.Parallel()
	o, db := newDatabase(t, "sqlite").open(t)
	o.SweepEvery = 20 * time.Millisecond
	r := newRows(t, db, "a")
	w := start(t, o, r)
	eventually(t, 10*time.Second, "ready", func() bool { return w.Ready() == nil })
	if lag, err := w.Lag(context.Background()); err != nil || lag != 0 {
		t.Errorf("lag %s, %v with nothing due", lag, err)
	}
	r.set(func() { r.fail = errors.New("disk I/O error") })
	eventually(t, 10*time.Second, "not ready while the sweep fails", func() bool { return w.Ready() != nil })
	if err := w.Ready(); !strings.Contains(err.Error(), "disk I/O error") {
		t.Errorf("%q does not say why", err)
	}
	r.set(func() { r.fail = nil })
	eventually(t, 10*time.Second, "ready again by itself", func() bool { return w.Ready() == nil })
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	o, db := newDatabase(t, "sqlite").open(t)
	r := newRows(t, db, "a")
	good := o
	good.Mover, good.Source, good.Now, good.Node = r, r, time.Now, "a"
	for name, spoil := range map[string]func(*Options){
		"no database": func(o *Options) { o.SQLite = nil },
		"no node":     func(o *Options) { o.Node = "" },
		"no mover":    func(o *Options) { o.Mover = nil },
		"no clock":    func(o *Options) { o.Now = nil },
		"bad chore":   func(o *Options) { o.Chores = []Chore{{Name: "x"}} },
	} {
		bad := good
		spoil(&bad)
		if _, err := New(context.Background(), bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestTakeOver kills a process in the middle of a run. On SQLite the same node starts again and goes on at
// once; on PostgreSQL another node takes over when the lease ends.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, d database) {
		o, db := d.open(t)
		r := newRows(t, db, "b")
		r.lease = 2 * time.Second
		r.put(t, time.Now(), "x")
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), "WORK_TEST_CHILD="+d.kind+"|"+d.dsn)
		var said strings.Builder
		cmd.Stderr = &said
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil { // it is within the lease now
			t.Fatalf("the child did not come to its run: %v\n%s", err, said.String())
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		killed := time.Now()
		o.SweepEvery = 200 * time.Millisecond
		limit := 10 * time.Second
		if d.kind == "sqlite" {
			r.node = "child" // its lease lasts for a minute: only letting go of it explains a run before
		} else if _, err := db.Exec(`UPDATE lab SET until = $1`, killed.Add(2*time.Second).UnixMilli()); err != nil {
			t.Fatal(err)
		}
		w := start(t, o, r)
		eventually(t, limit, "the order of the killed process has run", func() bool { return r.left(t) == 0 })
		t.Logf("taken over %s after the kill", time.Since(killed).Round(time.Millisecond))
		if r.runs("x") != 1 || w.Ready() != nil {
			t.Errorf("ran %d times, ready: %v", r.runs("x"), w.Ready())
		}
	})
}

// child is the process that TestTakeOver kills: it says that it is within a run and hangs. Its order
// comes through River, so that a River job is left behind in state running, too.
func child() {
	kind, dsn, _ := strings.Cut(os.Getenv("WORK_TEST_CHILD"), "|")
	t := childTB{}
	o, db := database{kind: kind, dsn: dsn}.open(t)
	o.Queue, o.SweepEvery = -1, 100*time.Millisecond
	r := newRows(t, db, "child")
	r.do = func(context.Context, order.ID) error {
		fmt.Print("!")
		select {}
	}
	start(t, o, r)
	select {}
}

// childTB stands in for a test in the child.
type childTB struct{ testing.TB }

func (childTB) Output() io.Writer         { return os.Stderr }
func (childTB) Helper()                   {}
func (childTB) Cleanup(func())            {}
func (childTB) Fatalf(f string, a ...any) { childTB{}.Fatal(fmt.Sprintf(f, a...)) }
func (childTB) Fatal(a ...any)            { fmt.Fprintln(os.Stderr, a...); os.Exit(3) }

type moverFunc func(context.Context, order.ID) error

func (f moverFunc) Advance(ctx context.Context, id order.ID) error { return f(ctx, id) }

type busyError struct{}

func (busyError) Error() string { return "somebody else is at it" }
func (busyError) Busy() bool    { return true }

// startWith is start with another mover.
func startWith(tb testing.TB, o Options, r *rows, m Mover) *Work {
	tb.Helper()
	o.Mover, o.Source, o.Now, o.Node, o.Busy = m, r, time.Now, r.node, errLeased
	w, err := New(context.Background(), o)
	if err != nil {
		tb.Fatal(err)
	}
	if err := w.Start(context.Background()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = w.Stop(ctx)
	})
	return w
}

func many(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("o%04d", i)
	}
	return out
}

// jobs counts River's rows of a kind.
func jobs(tb testing.TB, r *rows, kind string) int {
	var n int
	if err := r.db.QueryRow(`SELECT count(*) FROM river_job WHERE kind = $1`, kind).Scan(&n); err != nil {
		tb.Fatal(err)
	}
	return n
}
