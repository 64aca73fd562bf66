package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"certwright/internal/diagnose"
	"certwright/internal/fulfill"
	"certwright/internal/notify"
	"certwright/internal/order"
	"certwright/internal/work"
)

// How often orders whose examination is due, and what is left in the outbox, are looked for.
const (
	examineSweep = 15 * time.Second
	outboxSweep  = 30 * time.Second
)

// buildWatch makes what watches orders: the examiner, who is told, the figures.
func (s *Server) buildWatch() {
	s.channels = channels(s.Config)
	s.sender = NewSender(s.Config, s.Version, s.Now)
	s.book = &notify.Book{Settings: s.Store}
	s.metrics = newMetrics(s.Version)
	s.metrics.registry.MustRegister(&gauges{s: s})
	s.examiner = work.NewExaminer(work.ExaminerOptions{Examine: s.look, Now: s.Now, Logger: s.Logger, AtOnce: s.Config.Watch.AtOnce})
}

// watcher passes on what the mover says.
type watcher struct{ s *Server }

// Stir has an order examined in a moment.
func (w watcher) Stir(id order.ID, failed bool) { w.s.examiner.Stir(id, failed) }

// Happened counts.
func (w watcher) Happened(o *order.Order, events []order.Event) { w.s.metrics.happened(o, events) }

// startMetrics opens the listener for Prometheus, where one is configured.
func (s *Server) startMetrics() error {
	if s.Config.Metrics.Listen == "" {
		return nil
	}
	ln, err := listen(s.Config.Metrics.Listen, "metrics.listen")
	if err != nil {
		return err
	}
	s.Metrics = ln.Addr().String()
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics.handler())
	s.figures = s.httpServer(mux, "metrics")
	s.serve(func() error { return s.figures.Serve(ln) })
	return nil
}

// look examines an order and records what stands first; a change that has held is told at once.
func (s *Server) look(ctx context.Context, id order.ID) error {
	o, err := s.Store.LoadOrder(ctx, id)
	switch {
	case errors.Is(err, fulfill.ErrNotFound):
		return nil
	case err != nil:
		return err
	case o.LeaseOwner != "" && o.LeaseUntil.After(s.Now()):
		return work.ErrLater // what it looks like in the middle of a step is no fault
	}
	found := order.Examined{}
	if !o.Ended() || o.DeniedAt != nil {
		c, err := s.examine(sharing(ctx, o, s.Now()), id)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err() // cut off: what was not seen is no finding
		}
		o = c.Options.Order
		found = examined(c.Judge(), o, s.Now())
	}
	found.Pace = s.pace()
	events, err := s.Mover.Examined(ctx, id, o.Revision, found)
	switch {
	case errors.Is(err, fulfill.ErrConflict):
		return work.ErrLater
	case errors.Is(err, fulfill.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	s.metrics.examined.Inc()
	s.metrics.changed(events)
	if len(events) > 0 {
		s.handOn(ctx)
	}
	return nil
}

func (s *Server) pace() order.Pace {
	return order.Pace{Well: time.Duration(s.Config.Watch.Every), Hold: time.Duration(s.Config.Watch.Hold)}
}

// examined is what of a report an order keeps: its first finding that is more than worth knowing. A report that is
// not well and has none saw nothing.
func examined(r diagnose.Report, o *order.Order, now time.Time) order.Examined {
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Severity == diagnose.Info {
			continue
		}
		out := &order.Finding{ID: f.ID, Leg: f.Leg, Severity: f.Severity, Certainty: f.Certainty, Title: f.Title, Cause: f.Cause, Fix: f.Fix.Text, Command: f.Fix.Command}
		worst := order.Worst(r.Path)
		out.Owner = worst.Owner
		if worst.State == order.StateFail && worst.Since != nil {
			out.Since = *worst.Since
		}
		out.Deadline = deadline(o, worst, now)
		return order.Examined{Finding: out}
	}
	return order.Examined{Blind: !r.Healthy}
}

// deadline is by when somebody must have acted: the stage's own, else the end of what is served.
func deadline(o *order.Order, worst order.Stage, now time.Time) *time.Time {
	if worst.Deadline != nil {
		return worst.Deadline
	}
	if p := o.Project(now); p.Expires.After(now) {
		return &p.Expires
	}
	return nil
}

// examineDue offers the orders whose time to be examined has come.
func (s *Server) examineDue(ctx context.Context, now time.Time) (bool, error) {
	due, err := s.Store.DueExaminations(ctx, now, 500)
	for _, id := range due {
		s.examiner.Offer(id)
	}
	return false, err
}
