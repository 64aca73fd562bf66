package main

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"time"
)

// run is what one server was measured at.
type figures struct {
	kind    string
	rate    float64       // certificates a second, from the first order to the last served
	cpu     float64       // milliseconds of processor time a certificate
	commits float64       // commits a certificate
	one     time.Duration // one order, from the request to the wire: the median of several
	start   time.Duration
	restRSS float64 // MiB, at rest after all that
	coldRSS float64 // MiB, at rest before any order
	restCPU float64 // per cent of a core at rest
}

// measure runs the whole programme against one server.
func (p *process) measure(ctx context.Context, w *world, o options) (figures, error) {
	f := figures{start: p.start}
	if err := p.prepare(ctx, w, o); err != nil {
		return f, err
	}
	f.coldRSS = float64(p.rss()) / 1024
	var err error
	if f.one, err = p.single(ctx, w); err != nil {
		return f, err
	}
	if err := p.load(ctx, o, &f); err != nil {
		return f, err
	}
	return f, p.restFigures(ctx, o, &f)
}

// prepare makes a site for every order: that is not measured.
func (p *process) prepare(ctx context.Context, w *world, o options) error {
	for i := range o.orders {
		if err := p.site(ctx, w, fmt.Sprintf("load%d", i)); err != nil {
			return err
		}
	}
	return nil
}

// single takes one order after another to the wire, as `order create --wait` does, and gives the median.
func (p *process) single(ctx context.Context, w *world) (time.Duration, error) {
	var all []time.Duration
	for i := range 7 {
		name := fmt.Sprintf("single%d", i)
		if err := p.site(ctx, w, name); err != nil {
			return 0, err
		}
		began := time.Now()
		if err := p.create(ctx, name); err != nil {
			return 0, err
		}
		var after int64
		for {
			f, err := p.client.Follow(ctx, name, after)
			if err != nil {
				return 0, err
			}
			if n := len(f.Events); n > 0 {
				after = f.Events[n-1].Seq
			}
			path := f.Order.Properties.Path
			if path[len(path)-1].State == "done" && path[len(path)-2].State == "done" {
				break
			}
			if time.Since(began) > 30*time.Second {
				return 0, fmt.Errorf("order %s is not served after 30 s: %s", name, f.Order.Properties.Worst.Text)
			}
		}
		all = append(all, time.Since(began))
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	return all[len(all)/2], nil
}

// load orders everything at once and waits until all is served.
func (p *process) load(ctx context.Context, o options, f *figures) error {
	before, err := p.served(ctx)
	if err != nil {
		return err
	}
	cpu, commits, began := p.cpu(), p.commits(ctx), time.Now()
	if err := p.createAll(ctx, o); err != nil {
		return err
	}
	for n := before; n < before+o.orders; {
		time.Sleep(nextLook(time.Since(began), n-before, o.orders))
		if n, err = p.served(ctx); err != nil {
			return err
		}
		if time.Since(began) > 5*time.Minute {
			return fmt.Errorf("%d of %d orders are served after 5 minutes", n-before, o.orders)
		}
	}
	took := time.Since(began)
	f.rate = float64(o.orders) / took.Seconds()
	f.cpu = float64((p.cpu() - cpu).Milliseconds()) / float64(o.orders)
	f.commits = float64(p.commits(ctx)-commits) / float64(o.orders)
	return nil
}

// nextLook is how long to wait before counting again: a look costs the server about as much as a tenth of a
// certificate, so there are few until the end is near.
func nextLook(took time.Duration, done, all int) time.Duration {
	if done <= 0 {
		return 200 * time.Millisecond
	}
	left := took * time.Duration(all-done) / time.Duration(done)
	return max(10*time.Millisecond, left/2)
}

func (p *process) createAll(ctx context.Context, o options) error {
	var wg sync.WaitGroup
	errs := make(chan error, o.orders)
	turn := make(chan struct{}, 8)
	for i := range o.orders {
		wg.Add(1)
		go func() {
			defer wg.Done()
			turn <- struct{}{}
			defer func() { <-turn }()
			if err := p.create(ctx, fmt.Sprintf("load%d", i)); err != nil {
				errs <- err
			}
		}()
	}
	wg.Wait()
	close(errs)
	return <-errs
}

// restFigures watches the server do nothing.
func (p *process) restFigures(ctx context.Context, o options, f *figures) error {
	if o.rest <= 0 {
		return nil
	}
	wait := func(d time.Duration) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := wait(3 * time.Second); err != nil { // the last jobs are completed and cleaned up
		return err
	}
	cpu, began := p.cpu(), time.Now()
	if err := wait(o.rest); err != nil {
		return err
	}
	f.restCPU = 100 * (p.cpu() - cpu).Seconds() / time.Since(began).Seconds()
	f.restRSS = float64(p.rss()) / 1024
	return nil
}
