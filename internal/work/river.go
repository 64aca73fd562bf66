package work

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"certwright/internal/order"
)

// Queues. Upkeep has its own, so that a wave of orders never delays the sweep that would share it out.
const (
	queueOrders = "orders"
	queueUpkeep = "upkeep"
	queueNotice = "notices"
)

// Settings of River. Measured on two cores with BenchmarkJob and BenchmarkIdle: a cooldown of 20 ms gives the latency
// of a smaller one; polling is only a safety net, jobs of this process and PostgreSQL's notifications wake the workers.
const (
	fetchCooldown = 20 * time.Millisecond
	fetchPoll     = 2 * time.Second
	jobTries      = 3               // runs of one job before it is given up; the sweep makes a new one
	jobPeriod     = time.Minute / 2 // an order has at most one job in each of these
	keepDone      = time.Minute     // how long finished jobs stay in the table
	keepFailed    = time.Hour       // how long jobs that were given up stay, for a person to look at
)

// engine is a River client, whichever the database.
type engine interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
	// InsertMany, not InsertManyFast: that one copies on PostgreSQL, and a single job that is there
	// already then fails them all.
	InsertMany(ctx context.Context, params []river.InsertManyParams) ([]*rivertype.JobInsertResult, error)
}

// quiet is the SQLite driver without its imitation of LISTEN: a client then wakes its own workers in memory.
type quiet struct{ *riversqlite.Driver }

// SupportsListener is false: nothing is polled for notifications.
func (quiet) SupportsListener() bool { return false }

// SupportsListenNotify is false: no notification rows are written.
func (quiet) SupportsListenNotify() bool { return false }

// newEngine brings River's tables up to date and makes a client.
func newEngine(ctx context.Context, o Options, c *river.Config) (engine, error) {
	if o.SQLite != nil {
		return connect[*sql.Tx](ctx, quiet{riversqlite.New(o.SQLite)}, c)
	}
	return connect[pgx.Tx](ctx, riverpgxv5.New(o.Pgx), c)
}

func connect[TX any](ctx context.Context, d riverdriver.Driver[TX], c *river.Config) (engine, error) {
	m, err := rivermigrate.New(d, &rivermigrate.Config{Logger: c.Logger})
	if err != nil {
		return nil, fmt.Errorf("work: prepare River's tables: %w", err)
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, fmt.Errorf("work: bring River's tables up to date: %w", err)
	}
	client, err := river.NewClient(d, c)
	if err != nil {
		return nil, fmt.Errorf("work: start River: %w", err)
	}
	return client, nil
}

// rescueAfter is when River takes up a job whose process died; the order itself is found by the sweep.
const rescueAfter = time.Minute

// riverConfig is River's configuration for these options.
func (w *Work) riverConfig() (*river.Config, error) {
	workers := river.NewWorkers()
	if err := river.AddWorkerSafely(workers, &orderWorker{w: w}); err != nil {
		return nil, err
	}
	if err := river.AddWorkerSafely(workers, &choreWorker{w: w}); err != nil {
		return nil, err
	}
	if err := river.AddWorkerSafely(workers, &noticeWorker{w: w}); err != nil {
		return nil, err
	}
	return &river.Config{
		Logger:                      slog.New(riverLog{w.o.Logger.Handler()}),
		Workers:                     workers,
		Queues:                      map[string]river.QueueConfig{queueOrders: {MaxWorkers: w.o.Workers}, queueUpkeep: {MaxWorkers: 4}, queueNotice: {MaxWorkers: 4}},
		FetchCooldown:               fetchCooldown,
		FetchPollInterval:           fetchPoll,
		JobTimeout:                  rescueAfter, // each kind of job has its own besides
		RescueStuckJobsAfter:        rescueAfter,
		MaxAttempts:                 jobTries,
		RetryPolicy:                 retries{},
		CompletedJobRetentionPeriod: keepDone,
		CancelledJobRetentionPeriod: keepDone,
		DiscardedJobRetentionPeriod: keepFailed,
		PeriodicJobs:                w.periodic(),
	}, nil
}

// periodic are River's periodic jobs: the sweep and the chores.
func (w *Work) periodic() []*river.PeriodicJob {
	jobs := []*river.PeriodicJob{upkeep(sweepName, w.o.SweepEvery)}
	for _, c := range w.o.Chores {
		jobs = append(jobs, upkeep(c.Name, c.Every))
	}
	return jobs
}

// upkeep is a periodic job that is tried once: the next one comes anyway.
func upkeep(name string, every time.Duration) *river.PeriodicJob {
	return river.NewPeriodicJob(river.PeriodicInterval(every), func() (river.JobArgs, *river.InsertOpts) {
		return choreArgs{Name: name}, &river.InsertOpts{Queue: queueUpkeep, MaxAttempts: 1}
	}, &river.PeriodicJobOpts{ID: name, RunOnStart: true})
}

// retries is the retry policy of a run that ended in an error: soon, for a database that was busy or
// restarted. Orders have their own intervals, which do not come here.
type retries struct{}

// NextRetry is two, then ten seconds after the attempt.
func (retries) NextRetry(job *rivertype.JobRow) time.Time {
	wait := 2 * time.Second
	if job.Attempt > 1 {
		wait = 10 * time.Second
	}
	if job.AttemptedAt == nil {
		return job.ScheduledAt.Add(wait)
	}
	return job.AttemptedAt.Add(wait)
}

// orderArgs are the arguments of a hint as a job. They are all that River knows of an order.
type orderArgs struct {
	Subscription string `json:"s"`
	Group        string `json:"g"`
	Name         string `json:"n"`
}

// Kind names the job.
func (orderArgs) Kind() string { return "order" }

// jobFor is the job of a hint. Unique by order within jobPeriod, whatever became of it but done: hints do not
// pile up, an order whose runs fail is not tried all the time, and a dead process's job blocks for a short time.
func jobFor(id order.ID) river.InsertManyParams {
	return river.InsertManyParams{
		Args: orderArgs{Subscription: id.Subscription, Group: id.Group, Name: id.Name},
		InsertOpts: &river.InsertOpts{Queue: queueOrders, UniqueOpts: river.UniqueOpts{
			ByArgs: true, ByPeriod: jobPeriod,
			ByState: []rivertype.JobState{
				rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
				rivertype.JobStateScheduled, rivertype.JobStateRetryable, rivertype.JobStateDiscarded,
			},
		}},
	}
}

// orderWorker runs an order that a job names.
type orderWorker struct {
	river.WorkerDefaults[orderArgs]
	w *Work
}

// Timeout is a run's own.
func (o *orderWorker) Timeout(*river.Job[orderArgs]) time.Duration { return o.w.o.RunLimit }

// Work runs the order; an error has River try again.
func (o *orderWorker) Work(ctx context.Context, j *river.Job[orderArgs]) error {
	return o.w.runJob(ctx, order.ID{Subscription: j.Args.Subscription, Group: j.Args.Group, Name: j.Args.Name})
}

// choreArgs name a sweep or a chore.
type choreArgs struct {
	Name string `json:"name"`
}

// Kind names the job.
func (choreArgs) Kind() string { return "chore" }

// choreWorker runs sweeps and chores.
type choreWorker struct {
	river.WorkerDefaults[choreArgs]
	w *Work
}

// Timeout is longer than an order's.
func (*choreWorker) Timeout(*river.Job[choreArgs]) time.Duration { return ChoreLimit }

// Work runs the chore.
func (c *choreWorker) Work(ctx context.Context, j *river.Job[choreArgs]) error {
	return c.w.chore(ctx, j.Args.Name)
}

// riverLog lets River's warnings and errors through, as ours: what it says below that is about itself.
type riverLog struct{ slog.Handler }

// Enabled is true from warnings on.
func (h riverLog) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.Handler.Enabled(ctx, l)
}

// WithAttrs keeps the filter.
func (h riverLog) WithAttrs(a []slog.Attr) slog.Handler { return riverLog{h.Handler.WithAttrs(a)} }

// WithGroup keeps the filter.
func (h riverLog) WithGroup(n string) slog.Handler { return riverLog{h.Handler.WithGroup(n)} }
