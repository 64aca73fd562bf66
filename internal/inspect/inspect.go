// Package inspect gathers evidence: of a host (Host), of everything along an order's path (Order). It
// looks at many things at once, within one deadline, and gives no verdict: diagnose judges what it
// brings. What did not answer in time is an observation too, UNKNOWN, with the reason.
package inspect

import (
	"context"
	"fmt"
	"sync"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// DefaultDeadline is how long an inspection takes at most, unless told.
const DefaultDeadline = 10 * time.Second

// Observer is whatever can say something of itself: a vault, an issuer's account, a target.
type Observer interface {
	// Observe looks and reports, and judges nothing. It ends when ctx does.
	Observe(ctx context.Context) []evidence.Observation
}

// Source is an observer with its name, for the observation that stands in for it when it is silent.
type Source struct {
	Probe    string // one of evidence's probe names
	Name     string // what is looked at, such as "vault main/www"
	Observer Observer
	Deadline time.Duration // 0 = the inspection's own
}

// Clock is where and when an inspection looks from.
type Clock struct {
	Now      func() time.Time // required
	From     string           // the vantage, such as "server" or "cli"
	Deadline time.Duration    // 0 = DefaultDeadline
	Progress func(string)     // told in words what is looked at, from several goroutines; may be nil
}

func (c Clock) tell(format string, args ...any) {
	if c.Progress != nil {
		c.Progress(fmt.Sprintf(format, args...))
	}
}

func (c Clock) deadline() time.Duration {
	if c.Deadline > 0 {
		return c.Deadline
	}
	return DefaultDeadline
}

// Order asks every source along the order's path at once, each within its deadline, and adds what the
// order itself remembers of its last looks where no source spoke of the same subject. The sources'
// order is kept, so that the same answers give the same evidence.
func Order(ctx context.Context, o *order.Order, sources []Source, c Clock) []evidence.Observation {
	ctx, cancel := context.WithTimeout(ctx, c.deadline())
	defer cancel()
	answers := make([][]evidence.Observation, len(sources))
	var wg sync.WaitGroup
	for i, s := range sources {
		wg.Go(func() { answers[i] = c.ask(ctx, s) })
	}
	wg.Wait()
	var out []evidence.Observation
	for _, a := range answers {
		out = append(out, a...)
	}
	return append(out, remembered(o, out, answered(sources, answers))...)
}

// answered names the sources that brought something.
func answered(sources []Source, answers [][]evidence.Observation) map[string]bool {
	names := map[string]bool{}
	for i, s := range sources {
		if a := answers[i]; len(a) > 1 || a[0].Check != checkSilent {
			names[s.Name] = true
		}
	}
	return names
}

// ask waits for one source no longer than its deadline. A source that ignores its context is left
// behind; its late answer is dropped.
func (c Clock) ask(ctx context.Context, s Source) []evidence.Observation {
	if s.Deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.Deadline)
		defer cancel()
	}
	c.tell("looking at %s", s.Name)
	start := c.Now()
	done := make(chan []evidence.Observation, 1)
	go func() { done <- s.Observer.Observe(ctx) }()
	select {
	case obs := <-done:
		if len(obs) > 0 {
			return obs
		}
		return []evidence.Observation{c.silent(s, start, "it had nothing to say")}
	case <-ctx.Done():
		return []evidence.Observation{c.silent(s, start, "it did not answer in time")}
	}
}

// checkSilent is the check of what stands in for a source that brought nothing.
const checkSilent = "observe"

// EndpointSource names the source that looks at an order's endpoint.
func EndpointSource(address string) string { return "endpoint " + address }

// silent stands in for a source that brought nothing.
func (c Clock) silent(s Source, start time.Time, why string) evidence.Observation {
	return evidence.Observation{Probe: s.Probe, Check: checkSilent, Subject: s.Name, Outcome: evidence.Unknown, Reason: why,
		From: c.From, At: start, Took: c.Now().Sub(start)}
}

// remembered are the order's own last looks at what no fresh observation is about. An endpoint that answered now has
// only the addresses that its name has now: one that it had then is no part of it any more.
func remembered(o *order.Order, fresh []evidence.Observation, answered map[string]bool) []evidence.Observation {
	if o == nil {
		return nil
	}
	seen := map[string]bool{}
	for _, f := range fresh {
		seen[f.Probe+" "+f.Subject] = true
	}
	var out []evidence.Observation
	add := func(list []evidence.Observation) {
		for _, x := range list {
			if !seen[x.Probe+" "+x.Subject] {
				out = append(out, x)
			}
		}
	}
	add(o.Vault.Seen)
	for i := range o.Deployments {
		if !o.Deployments[i].Gone {
			add(o.Deployments[i].Seen)
		}
	}
	for i := range o.Endpoints {
		if !o.Endpoints[i].Gone && !answered[EndpointSource(o.Endpoints[i].Address)] {
			add(o.Endpoints[i].Seen)
		}
	}
	return out
}
