// Command certwright-bench measures Certwright against a real Pebble and prints ratios to a bare loop on
// the same ACME library in the same run. See docs/performance.md for what each figure means.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	program  string
	orders   int
	inFlight int
	poll     time.Duration
	postgres string
	rest     time.Duration
	dir      string
	files    string
	rounds   int
	looks    bool
	only     bool
	api      int
	conns    int
	bare     string
}

func main() {
	var o options
	flag.StringVar(&o.program, "program", "bin/certwright", "the program to measure")
	flag.IntVar(&o.orders, "orders", 300, "certificates in one measurement")
	flag.IntVar(&o.inFlight, "in-flight", 4, "orders in flight at the authority (Pebble can deadlock above 4)")
	flag.DurationVar(&o.poll, "poll", 10*time.Millisecond, "first wait between two looks at something pending, for both sides")
	flag.StringVar(&o.postgres, "postgres", "", "DSN of an empty PostgreSQL database to measure beside SQLite")
	flag.DurationVar(&o.rest, "rest", 20*time.Second, "how long the server at rest is watched")
	flag.StringVar(&o.dir, "dir", ".run/bench", "folder for databases and certificates; its file system is part of what is measured")
	flag.StringVar(&o.files, "files", "", "folder for deployed certificates (default: below -dir); one in memory shows what their fsyncs cost")
	flag.IntVar(&o.rounds, "rounds", 2, "bare loop and Certwright in turn, this often")
	flag.BoolVar(&o.looks, "looks", true, "measure what the diagnosis's looks cost, too (go test runs them)")
	flag.BoolVar(&o.only, "only-looks", false, "measure nothing else")
	flag.IntVar(&o.api, "api", 0, "measure the API at so many orders, which are made first; 0 = not")
	flag.IntVar(&o.conns, "conns", 16, "connections of the API's measurement")
	flag.StringVar(&o.bare, "bare", "", "be the bare handler over this database that the API is measured against")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	work := run
	if o.bare != "" {
		work = serveBare
	}
	if err := work(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "certwright-bench:", err)
		os.Exit(1)
	}
}

// run measures everything and prints the figures with their bounds; a figure out of bounds is said, not an error:
// a loaded machine is no defect.
func run(ctx context.Context, o options) error {
	r := &report{}
	program, err := filepath.Abs(o.program)
	if err != nil {
		return err
	}
	o.program = program
	if !o.only && o.orders > 0 {
		if err := measureOrders(ctx, o, r); err != nil {
			return err
		}
	}
	if o.looks || o.only {
		if r.looks, err = measureLooks(ctx); err != nil {
			return err
		}
	}
	if o.api > 0 {
		if r.api, err = measureAPI(ctx, o); err != nil {
			return fmt.Errorf("the API at %d orders: %w", o.api, err)
		}
	}
	r.print()
	return nil
}

// measureOrders takes Certwright and the bare loop in turn.
func measureOrders(ctx context.Context, o options, r *report) error {
	w, err := newWorld(ctx, o)
	if err != nil {
		return err
	}
	defer w.close()
	for round := 1; round <= o.rounds; round++ {
		if err := measureRound(ctx, w, o, round, r); err != nil {
			return err
		}
	}
	if o.postgres != "" {
		if err := measureServer(ctx, w, o, "postgresql", o.postgres, 1, r); err != nil {
			return err
		}
	}
	return nil
}

func measureRound(ctx context.Context, w *world, o options, round int, r *report) error {
	bare, err := w.bareLoop(ctx, o)
	if err != nil {
		return fmt.Errorf("bare loop: %w", err)
	}
	r.bare = append(r.bare, bare)
	fmt.Printf("round %d: bare loop %.1f certificates/s\n", round, bare)
	return measureServer(ctx, w, o, "sqlite", "", round, r)
}

func measureServer(ctx context.Context, w *world, o options, kind, dsn string, round int, r *report) error {
	s, err := w.startServer(ctx, o, dsn)
	if err != nil {
		return fmt.Errorf("start on %s: %w", kind, err)
	}
	defer s.stop()
	m, err := s.measure(ctx, w, o)
	if err != nil {
		return fmt.Errorf("measure on %s: %w", kind, err)
	}
	m.kind = kind
	r.runs = append(r.runs, m)
	fmt.Printf("round %d: certwright on %s %.1f certificates/s, %.1f ms CPU and %.2f commits a certificate, one order to the wire in %d ms\n", round, kind, m.rate, m.cpu, m.commits, m.one.Milliseconds())
	return nil
}
