package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// maxGroup is how many writes share one commit at most; it bounds how long the first of them waits.
const maxGroup = 64

// groupWriter is the writer of SQLite. One goroutine owns the only writing connection; the writes that are
// waiting when it begins a transaction share it, each in a savepoint of its own, and are answered
// after its commit: one fsync for all of them.
type groupWriter struct {
	conn    *sql.Conn
	stmts   *prepared
	commits *atomic.Int64
	queue   chan *request // unbuffered: who is not taken yet can still leave
	quit    chan struct{}
	stopped chan struct{}
	once    sync.Once
}

// request is one write that waits for its turn.
type request struct {
	ctx  context.Context
	fn   func(context.Context, *session) error
	err  error
	done chan struct{}
}

func newGroupWriter(conn *sql.Conn, commits *atomic.Int64) *groupWriter {
	w := &groupWriter{
		conn: conn, stmts: &prepared{h: conn}, commits: commits,
		queue: make(chan *request), quit: make(chan struct{}), stopped: make(chan struct{}),
	}
	go w.run()
	return w
}

// write waits for the writer to take fn, then for its commit. Once taken it is not given up: ending
// the context would interrupt a statement and with it the transaction of everyone in the group.
func (w *groupWriter) write(ctx context.Context, fn func(context.Context, *session) error) error {
	if err := ctx.Err(); err != nil {
		return err // the select below picks at random
	}
	r := &request{ctx: context.WithoutCancel(ctx), fn: fn, done: make(chan struct{})}
	select {
	case <-w.quit:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	case w.queue <- r:
	}
	<-r.done
	return r.err
}

func (w *groupWriter) close() {
	w.once.Do(func() { close(w.quit) })
	<-w.stopped
}

func (w *groupWriter) run() {
	defer close(w.stopped)
	defer w.conn.Close()
	defer w.stmts.close()
	for {
		select {
		case <-w.quit:
			return
		case r := <-w.queue:
			w.serve(w.gather(r))
		}
	}
}

// gather takes who else is waiting right now.
func (w *groupWriter) gather(first *request) []*request {
	group := []*request{first}
	for len(group) < maxGroup {
		select {
		case r := <-w.queue:
			group = append(group, r)
		default:
			return group
		}
	}
	return group
}

// serve runs a group in one transaction and answers it. If one of them breaks the transaction (a full
// disk makes SQLite roll all of it back), or its commit fails, each is run again by itself so that each gets an answer of its own.
func (w *groupWriter) serve(group []*request) {
	if len(group) > 1 && !w.together(group) {
		for _, r := range group {
			r.err = w.alone(r)
		}
	} else if len(group) == 1 {
		group[0].err = w.alone(group[0])
	}
	for _, r := range group {
		close(r.done)
	}
}

// together runs a group in one transaction; false means that nothing of it was kept and each has to be
// run by itself.
func (w *groupWriter) together(group []*request) bool {
	ctx := context.Background()
	if err := w.do(ctx, "BEGIN IMMEDIATE"); err != nil {
		// The lock was waited for in vain once for all: each by itself would wait as long again.
		for _, r := range group {
			r.err = fmt.Errorf("begin to write: %w", err)
		}
		return true
	}
	for _, r := range group {
		if err := w.do(ctx, "SAVEPOINT one"); err != nil {
			return w.rollback()
		}
		r.err = r.fn(r.ctx, &session{source: w.stmts})
		if r.err != nil {
			if err := w.do(ctx, "ROLLBACK TO one"); err != nil {
				return w.rollback()
			}
		}
		if err := w.do(ctx, "RELEASE one"); err != nil {
			return w.rollback()
		}
	}
	if err := w.do(ctx, "COMMIT"); err != nil {
		return w.rollback()
	}
	w.commits.Add(1)
	return true
}

// alone runs one write in a transaction of its own.
func (w *groupWriter) alone(r *request) error {
	ctx := context.Background()
	if err := w.do(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin to write: %w", err)
	}
	if err := r.fn(r.ctx, &session{source: w.stmts}); err != nil {
		w.rollback()
		return err
	}
	if err := w.do(ctx, "COMMIT"); err != nil {
		w.rollback()
		return fmt.Errorf("commit: %w", err)
	}
	w.commits.Add(1)
	return nil
}

// rollback ends the transaction, if SQLite has not done so already. It is always false, for together.
func (w *groupWriter) rollback() bool {
	_ = w.do(context.Background(), "ROLLBACK")
	return false
}

func (w *groupWriter) do(ctx context.Context, text string) error {
	_, err := w.stmts.exec(ctx, text)
	if errors.Is(err, sql.ErrConnDone) {
		return ErrClosed
	}
	return err
}
