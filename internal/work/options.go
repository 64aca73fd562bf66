package work

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"certwright/internal/order"
)

// Mover takes an order as far as it can go; fulfill is one.
type Mover interface {
	// Advance runs the order's due steps. An order that is not due, or is gone, is no error. An error with a
	// method Busy() bool that says true, or one that is Options.Busy, means that another worker holds the lease.
	Advance(ctx context.Context, id order.ID) error
}

// Source knows which orders are due; store is one. Instants are those of Options.Now.
type Source interface {
	// DueOrders lists at most limit orders that are due and under no lease at now, the longest due first.
	DueOrders(ctx context.Context, now time.Time, limit int) ([]order.ID, error)
	// OldestDue is the time since which the longest due order without a lease has been due; false if none is due.
	OldestDue(ctx context.Context, now time.Time) (time.Time, bool, error)
	// ReleaseNode ends all leases of the node and says how many there were.
	ReleaseNode(ctx context.Context, node string) (int, error)
}

// Chore is a periodic task of the whole service: one replica runs it, in the background.
type Chore struct {
	Name  string        // 2 or more of letters, digits and '-'
	Every time.Duration // at least a second
	// Run does a bounded amount of work and says whether there is more to do, then it is called again at
	// once. Its context ends after ChoreLimit.
	Run func(ctx context.Context, now time.Time) (more bool, err error)
}

// ChoreLimit is how long one run of a Chore may take.
const ChoreLimit = 10 * time.Minute

// Options are what an engine is made of. Exactly one of SQLite and Pgx is set.
type Options struct {
	// SQLite is a pool of River's own on the same file as the orders, with one connection
	// (SetMaxOpenConns(1)), WAL, immediate transactions and a busy timeout: River and the store each write
	// through one connection, which measured faster and steadier than sharing one.
	SQLite *sql.DB
	// Pgx is a pool; River keeps one of its connections for LISTEN.
	Pgx *pgxpool.Pool

	Mover  Mover
	Source Source
	Chores []Chore
	// Send sends one notification, once; nil where none is ever posted. An error that says so by a method
	// RetryAfter() time.Duration is not tried again before that.
	Send   func(ctx context.Context, n Notice) error
	Now    func() time.Time
	Node   string // the name that this process leases under; not shared with a process that runs at the same time
	Logger *slog.Logger

	Busy       error         // matched with errors.Is: Advance found the order leased by another worker; may be nil
	Workers    int           // orders run at a time; 0 = 16
	Queue      int           // hints kept in memory; 0 = 1024 on SQLite, four times Workers on PostgreSQL, so that replicas get the rest; -1 = none
	SweepEvery time.Duration // 0 = 5 s
	SweepLimit int           // orders found by one sweep; 0 = 1000
	RunLimit   time.Duration // one run of an order is cut off after this; its lease it renews itself; 0 = 15 min
}

// withDefaults fills what is zero and refuses what cannot work.
func (o Options) withDefaults() (Options, error) {
	if (o.SQLite == nil) == (o.Pgx == nil) {
		return o, errors.New("work: exactly one of SQLite and Pgx must be given")
	}
	if o.Mover == nil || o.Source == nil || o.Now == nil || o.Node == "" {
		return o, errors.New("work: Mover, Source, Now and Node must be given")
	}
	for _, c := range o.Chores {
		if len(c.Name) < 2 || c.Run == nil || c.Every < time.Second {
			return o, fmt.Errorf("work: chore %q needs a name of two letters or more, a Run, and an interval of a second or more", c.Name)
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Workers = or(o.Workers, 16)
	o.SweepEvery = or(o.SweepEvery, 5*time.Second)
	o.SweepLimit = or(o.SweepLimit, 1000)
	o.RunLimit = or(o.RunLimit, 15*time.Minute)
	if o.Queue == 0 && o.SQLite != nil {
		o.Queue = 1024
	}
	o.Queue = max(0, or(o.Queue, 4*o.Workers))
	return o, nil
}

// or is v, or the default where v is zero.
func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
