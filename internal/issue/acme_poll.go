package issue

import (
	"context"
	"errors"
	"time"

	"certwright/internal/order"
)

// errLetGo is the cause of a context that ended because patience did, not its caller's.
var errLetGo = errors.New("the authority has not finished yet")

// waiter spaces looks at something that is pending: quickly at first, then slower, and never before
// the time that the authority names.
type waiter struct {
	a     *ACME
	at    op
	where string
	next  time.Duration
	seen  string // what the last look saw, in words
}

func (a *ACME) wait(at op, where string) *waiter {
	return &waiter{a: a, at: at, where: where, next: a.o.Poll, seen: "no verdict yet"}
}

// pause waits until the next look is due. Where that is beyond the end of ctx it does not wait: it
// lets go at once with a Problem of class Waiting that names the time.
func (w *waiter) pause(ctx context.Context, last answer, pending string) error {
	d := w.next
	w.seen = pending
	w.next = min(w.next*5/4, 100*w.a.o.Poll)
	if named, ok := retryAfter(last.Header, w.a.o.Now()); ok && named > d {
		d = named
	}
	if end, ok := ctx.Deadline(); ok && d >= time.Until(end) {
		return w.letGo(d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return w.letGo(d)
		}
		return context.Cause(ctx)
	}
}

func (w *waiter) letGo(d time.Duration) *order.Problem {
	now := w.a.o.Now()
	return &order.Problem{Class: order.Waiting, What: string(w.at), Where: w.where, Owner: order.OwnerIssuer, At: now, Until: now.Add(d),
		Detail: w.seen, Cause: "the authority has not finished yet", Fix: "nothing: it is looked at again"}
}

// ended gives the error of a call under the waiter's context: a call that was cut short by patience is
// no failure of the authority, and takes nothing from what the look before it saw.
func (w *waiter) ended(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errLetGo) {
		return w.letGo(w.next)
	}
	return err
}
