package timeline

import (
	"time"

	"certwright/internal/order"
)

// Outcome is how an entry ended, as far as its events tell.
type Outcome string

// Outcomes. Running means that no event has ended it yet; Waiting that it stands until somebody acts.
const (
	Succeeded Outcome = "succeeded"
	Failed    Outcome = "failed"
	Waiting   Outcome = "waiting"
	Running   Outcome = "running"
	Noted     Outcome = "noted" // a fact that is no operation's outcome, such as a change seen on the wire
)

// Entry is one operation of one order: all its events in one place.
type Entry struct {
	ID          string // event id of its oldest event: stable while the entry grows
	Order       order.ID
	Correlation string
	Operation   string // as in the activity log, of the oldest event that has one
	Title       string // in words: "Renewal", "Domain verification"
	Outcome     Outcome
	Level       order.Level // of what still stands; a failure that was overcome counts as a warning
	Caller      string      // who began it
	Text        string      // the line that says how it stands
	First, Last time.Time
	FirstSeq    int64
	LastSeq     int64
	Count       int // how many like operations are folded into it; 1 = none
	Lines       []Line
}

// Duration is the time from the first event to the last one.
func (e Entry) Duration() time.Duration { return e.Last.Sub(e.First) }

// Line is one event, or several of the same kind folded: Count says how many.
type Line struct {
	Name        string
	Stage       order.StageName
	Subject     string // the identifier, target or endpoint concerned, if the event names one
	Status      order.EventStatus
	Level       order.Level
	Text        string // of the last one
	Caller      string
	First, Last time.Time
	Count       int
	Properties  map[string]string // of the last one

	key string // what makes another event "the same again"
}

// Begun says that the line is a wish or the beginning of a step: what came of it is told by later lines.
func (l Line) Begun() bool {
	k := kinds[l.Name]
	return l.Status != order.Failed && !l.Waits() && (k.asks || k.begins || l.Status == order.Started)
}

// Waits says that the operation stood still there until somebody acted.
func (l Line) Waits() bool { return waits(l.Name) }

// Options tune Build. The zero value is right for people.
type Options struct {
	// Settle is how long after an operation has ended an event of the same correlation still belongs to it
	// (the look on the wire after a deployment). 0 = 15 minutes.
	Settle time.Duration
	// Patience is the same for an operation that has not ended: it may wait for its owner for as long as
	// an order may stay unverified. 0 = 16 days.
	Patience time.Duration
	// Unfolded keeps like operations apart that follow each other (daily syncs that found nothing to do).
	Unfolded bool
}

func (o Options) settle() time.Duration {
	if o.Settle > 0 {
		return o.Settle
	}
	return 15 * time.Minute
}

func (o Options) patience() time.Duration {
	if o.Patience > 0 {
		return o.Patience
	}
	return 16 * 24 * time.Hour
}
