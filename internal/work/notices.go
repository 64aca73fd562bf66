package work

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"certwright/internal/order"
)

// Notice names a notification: which event of which order goes to which channel. It is all that River knows of it.
type Notice struct {
	Order   order.ID
	Seq     int64
	Channel string
}

// noticeTries are the waits between the tries of one notification, spread over a day; then it is given up.
var noticeTries = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 8 * time.Hour}

// noticeLimit is how long one try may take.
const noticeLimit = 30 * time.Second

type noticeArgs struct {
	Subscription string `json:"s"`
	Group        string `json:"g"`
	Name         string `json:"n"`
	Seq          int64  `json:"q"`
	Channel      string `json:"c"`
}

// Kind names the job.
func (noticeArgs) Kind() string { return "notice" }

// Post hands notifications to River, in one commit: once it returns nil each is sent, by whichever replica, or given
// up after a day of tries. One that is posted twice is sent once, unless the first was done a while ago; then the
// receiver tells it by its id.
func (w *Work) Post(ctx context.Context, notices []Notice) error {
	if len(notices) == 0 {
		return nil
	}
	jobs := make([]river.InsertManyParams, len(notices))
	for i, n := range notices {
		jobs[i] = river.InsertManyParams{
			Args:       noticeArgs{Subscription: n.Order.Subscription, Group: n.Order.Group, Name: n.Order.Name, Seq: n.Seq, Channel: n.Channel},
			InsertOpts: &river.InsertOpts{Queue: queueNotice, MaxAttempts: len(noticeTries) + 1, UniqueOpts: river.UniqueOpts{ByArgs: true}},
		}
	}
	if _, err := w.river.InsertMany(ctx, jobs); err != nil {
		return fmt.Errorf("hand %d notifications to River: %w", len(notices), err)
	}
	return nil
}

// noticeWorker sends a notification that a job names.
type noticeWorker struct {
	river.WorkerDefaults[noticeArgs]
	w *Work
}

// Timeout is of one try.
func (*noticeWorker) Timeout(*river.Job[noticeArgs]) time.Duration { return noticeLimit }

// NextRetry is the next of noticeTries, spread a little.
func (n *noticeWorker) NextRetry(j *river.Job[noticeArgs]) time.Time {
	wait := noticeTries[min(max(j.Attempt, 1), len(noticeTries))-1]
	from := j.ScheduledAt
	if j.AttemptedAt != nil {
		from = *j.AttemptedAt
	}
	return from.Add(wait + wait/10*time.Duration(j.ID%10)/10)
}

// Work sends; an error has River try again.
func (n *noticeWorker) Work(ctx context.Context, j *river.Job[noticeArgs]) error {
	if n.w.o.Send == nil {
		return nil
	}
	a := j.Args
	err := n.w.o.Send(ctx, Notice{Order: order.ID{Subscription: a.Subscription, Group: a.Group, Name: a.Name}, Seq: a.Seq, Channel: a.Channel})
	if err == nil {
		return nil
	}
	if j.Attempt >= j.MaxAttempts {
		n.w.o.Logger.Error("a notification is given up", "channel", a.Channel, "order", a.Name, "tries", j.Attempt, "error", err)
	}
	var late interface{ RetryAfter() time.Duration }
	if errors.As(err, &late) && late.RetryAfter() > noticeTries[min(j.Attempt, len(noticeTries))-1] && j.Attempt < j.MaxAttempts {
		return river.JobSnooze(late.RetryAfter())
	}
	return err
}

var _ rivertype.JobArgs = noticeArgs{}
