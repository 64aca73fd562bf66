package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"
)

// apiFigures are what the API was measured at, beside a bare handler that does the same SQL reads.
type apiFigures struct {
	orders int
	loaded float64 // orders a second that the loader made
	reads  []readFigures
	first  time.Duration // medians of a page of 100: the first one, the thousandth, the first of one status
	far    time.Duration
	status time.Duration
	sweep  time.Duration // finding 1,000 orders that are due
	rss    float64       // MiB of the server afterwards
}

// readFigures are one kind of read.
type readFigures struct {
	name       string
	rate, bare float64       // requests a second, as many as come
	p50, p99   time.Duration // at half of that rate
}

// lookFor is how long each rate is measured.
const lookFor = 4 * time.Second

// measureAPI makes a database of o.api orders, starts the program and the bare handler on it, and asks both.
func measureAPI(ctx context.Context, o options) (*apiFigures, error) {
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return nil, err
	}
	parent, err := filepath.Abs(o.dir)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(parent, "api-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	f := &apiFigures{orders: o.api}
	if err := f.load(ctx, o, dir); err != nil {
		return nil, err
	}
	p, err := launch(ctx, o, dir, "")
	if err != nil {
		return nil, fmt.Errorf("start on %d orders: %w", o.api, err)
	}
	defer p.stop()
	b, err := startBare(ctx, database(dir))
	if err != nil {
		return nil, err
	}
	defer b.stop()
	if err := f.ask(ctx, o, p, b); err != nil {
		return nil, err
	}
	f.rss = float64(p.rss()) / 1024
	return f, nil
}

// database is the file in a server's folder.
func database(dir string) string { return filepath.Join(dir, "data", "certwright.db") }

// ask measures the three kinds of read, then pages.
func (f *apiFigures) ask(ctx context.Context, o options, p *process, b *bareProcess) error {
	client := driver(o.conns)
	for _, k := range []struct {
		name string
		path func(i int) string
	}{
		{"GET of an order", func(i int) string { return "/v1/orders/" + loadedName(i*7919%o.api) }},
		{"a list of 100 by status", func(int) string { return "/v1/orders?top=100&status=" + rareStatus }},
		{"GET of a secret", func(i int) string {
			return "/vaults/default/secrets/" + secretName(i%secretsMade) + "?api-version=7.4"
		}},
	} {
		r := readFigures{name: k.name}
		var err error
		for range 2 { // in turn; the better of two counts for both
			var rate float64
			if rate, err = most(ctx, client, o.conns, b.url, "", k.path); err != nil {
				return fmt.Errorf("%s of the bare handler: %w", k.name, err)
			}
			r.bare = max(r.bare, rate)
			if rate, err = most(ctx, client, o.conns, p.url, p.token, k.path); err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
			r.rate = max(r.rate, rate)
		}
		if r.p50, r.p99, err = paced(ctx, client, o.conns, p.url, p.token, r.rate/2, k.path); err != nil {
			return fmt.Errorf("%s at half the rate: %w", k.name, err)
		}
		fmt.Printf("api: %s: %.0f/s beside %.0f/s of a bare handler; at half of that p50 %.1f ms, p99 %.1f ms\n", r.name, r.rate, r.bare, millis(r.p50), millis(r.p99))
		f.reads = append(f.reads, r)
	}
	return f.pages(ctx, client, p)
}

// pages compares the first page, the thousandth (or the last there is) and the first of one status.
func (f *apiFigures) pages(ctx context.Context, client *http.Client, p *process) error {
	first := p.url + "/v1/orders?top=100"
	far, err := nthPage(ctx, client, p, first, 1000)
	if err != nil {
		return err
	}
	for _, m := range []struct {
		url  string
		into *time.Duration
	}{{first, &f.first}, {far, &f.far}, {first + "&status=" + rareStatus, &f.status}} {
		if *m.into, err = typical(ctx, client, m.url, p.token); err != nil {
			return err
		}
	}
	fmt.Printf("api: a page of 100: the first %.1f ms, the thousandth %.1f ms, of one status %.1f ms\n", millis(f.first), millis(f.far), millis(f.status))
	return nil
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// print is the table's part about the API.
func (f *apiFigures) print(w *tabwriter.Writer) {
	at := fmt.Sprintf("api at %d orders: ", f.orders)
	for _, r := range f.reads {
		row(w, at+r.name+", requests/s", fmt.Sprintf("%.0f = %.2f of a bare handler", r.rate, r.rate/r.bare), ">= 0.50", r.rate >= 0.5*r.bare)
		row(w, at+r.name+", p99 at half the rate", fmt.Sprintf("%.1f ms", millis(r.p99)), "< 20 ms", r.p99 < 20*time.Millisecond)
	}
	slow, fast := max(f.first, f.far, f.status), min(f.first, f.far, f.status)
	row(w, at+"first page, page 1,000, a status", fmt.Sprintf("%.1f, %.1f, %.1f ms", millis(f.first), millis(f.far), millis(f.status)), "within 2x", slow <= 2*fast)
	row(w, at+"finding 1,000 due orders", fmt.Sprintf("%.1f ms", millis(f.sweep)), "< 50 ms", f.sweep < 50*time.Millisecond)
	fmt.Fprintf(w, "%s\t%.1f MiB\t\t\n", at+"the server's memory afterwards", f.rss)
}
