package server

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"certwright/internal/order"
)

// gauges are the figures that the database knows. They are the same at every replica: over several, take the maximum.
type gauges struct {
	s *Server

	mu    sync.Mutex // one scrape at a time; guards what is kept
	read  time.Time
	ends  []int64
	first time.Time
}

// gaugesLimit is how long reading them may take; expiryKept, for how long the count of ends is not made anew.
const (
	gaugesLimit = 10 * time.Second
	expiryKept  = time.Minute
)

// expiryBounds are the bounds of the histogram of ends, as time from now. The first bucket is of those past.
var expiryBounds = []time.Duration{0, time.Hour, 6 * time.Hour, 24 * time.Hour, 3 * 24 * time.Hour, 7 * 24 * time.Hour, 14 * 24 * time.Hour,
	30 * 24 * time.Hour, 60 * 24 * time.Hour, 90 * 24 * time.Hour, 400 * 24 * time.Hour}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("certwright_"+name, help, labels, nil)
}

var (
	descOrders    = describe("orders", "Orders by their worst stage and its state.", "stage", "state")
	descStatus    = describe("orders_by_status", "Orders by status.", "status")
	descFindings  = describe("order_findings", "Orders by the finding that stands first in their last examination.", "finding", "leg", "severity")
	descExpiry    = describe("order_expiry_seconds", "Time to the end of what each order serves; the bucket of 0 is of what has expired. Its sum is not kept.")
	descFirst     = describe("earliest_expiry_timestamp_seconds", "When the next certificate that is valid now ends.")
	descLag       = describe("sweep_lag_seconds", "For how long the longest due order has been waiting for a worker.")
	descSweep     = describe("sweep_last_timestamp_seconds", "When due orders were last looked for by this process.")
	descQueue     = describe("queue_orders", "Orders queued or running in this process.")
	descLeases    = describe("leased_orders", "Orders that a worker of any process holds.")
	descExamining = describe("examinations_waiting", "Orders that wait in this process to be examined, or are being examined.")
	descLate      = describe("examination_lag_seconds", "For how long the order has been waiting that has waited longest for its examination.")
	descBroken    = describe("notification_channel_broken", "1 where notifications do not arrive over a channel (finding sys-notify-failed).", "channel")
	descReady     = describe("ready", "1 while this process can do its work.")
	descCommits   = describe("database_commits_total", "Transactions that this process committed.")
)

// Describe names the figures.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descOrders, descStatus, descFindings, descExpiry, descFirst, descLag, descSweep, descQueue, descLeases, descExamining, descLate, descBroken, descReady, descCommits} {
		ch <- d
	}
}

// Collect reads the figures. What cannot be read is left out, and reported as an error of the scrape.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), gaugesLimit)
	defer cancel()
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.s.Now()
	put := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	try := func(d *prometheus.Desc, err error) bool {
		if err != nil {
			ch <- prometheus.NewInvalidMetric(d, err)
		}
		return err == nil
	}
	put(descReady, flag(g.s.ready(ctx) == nil))
	put(descQueue, float64(g.s.Work.Held()))
	put(descExamining, float64(g.s.examiner.Waiting()))
	if last := g.s.Work.LastSweep(); !last.IsZero() {
		put(descSweep, seconds(last))
	}
	ch <- prometheus.MustNewConstMetric(descCommits, prometheus.CounterValue, float64(g.s.Store.Commits()))
	g.standing(ctx, put, try)
	g.expiry(ctx, now, ch, put, try)
	if lag, err := g.s.Work.Lag(ctx); try(descLag, err) {
		put(descLag, lag.Seconds())
	}
	if n, err := g.s.Store.Leased(ctx, now); try(descLeases, err) {
		put(descLeases, float64(n))
	}
	if since, waits, err := g.s.Store.OldestExamination(ctx, now); try(descLate, err) {
		late := 0.0
		if waits {
			late = max(0, now.Sub(since).Seconds())
		}
		put(descLate, late)
	}
	g.channels(ctx, put, try)
}

type putter func(d *prometheus.Desc, v float64, labels ...string)
type trier func(d *prometheus.Desc, err error) bool

// standing reads the rollup. Every stage and status is there, at 0 too, so that a rule over it has a value.
func (g *gauges) standing(ctx context.Context, put putter, try trier) {
	if counts, err := g.s.Store.CountOrders(ctx, "", ""); try(descOrders, err) {
		stages, status := map[[2]string]int64{}, map[string]int64{}
		for _, s := range order.Stages {
			stages[[2]string{string(s), string(order.StateFail)}] = 0
		}
		for _, c := range counts {
			stages[[2]string{string(c.Stage), string(c.State)}] += c.N
			status[string(c.Status)] += c.N
		}
		for k, n := range stages {
			put(descOrders, float64(n), k[0], k[1])
		}
		for k, n := range status {
			put(descStatus, float64(n), k)
		}
	}
	if found, err := g.s.Store.CountFindings(ctx, "", ""); try(descFindings, err) {
		sums := map[[3]string]int64{}
		for _, c := range found {
			if c.Finding != "" {
				sums[[3]string{c.Finding, c.Leg, c.Severity}] += c.N
			}
		}
		for k, n := range sums {
			put(descFindings, float64(n), k[0], k[1], k[2])
		}
	}
}

// expiry gives the histogram of ends. Counting goes along an index and is done once a minute at most.
func (g *gauges) expiry(ctx context.Context, now time.Time, ch chan<- prometheus.Metric, put putter, try trier) {
	if g.ends == nil || now.Sub(g.read) >= expiryKept || now.Before(g.read) {
		var bounds []time.Time
		for _, b := range expiryBounds {
			bounds = append(bounds, now.Add(b))
		}
		ends, first, err := g.s.Store.Expiring(ctx, now, append(bounds, now.AddDate(1000, 0, 0)))
		if !try(descExpiry, err) {
			return
		}
		g.ends, g.first, g.read = ends, first, now
	}
	buckets, total := map[float64]uint64{}, uint64(0)
	for i, n := range g.ends {
		total += uint64(n)
		if i < len(expiryBounds) {
			buckets[expiryBounds[i].Seconds()] = total
		}
	}
	ch <- prometheus.MustNewConstHistogram(descExpiry, total, 0, buckets)
	if !g.first.IsZero() {
		put(descFirst, seconds(g.first))
	}
}

func (g *gauges) channels(ctx context.Context, put putter, try trier) {
	broken, err := g.s.broken(ctx)
	if !try(descBroken, err) {
		return
	}
	is := map[string]bool{}
	for _, b := range broken {
		is[b.Channel] = true
	}
	for _, c := range g.s.channels {
		put(descBroken, flag(is[c.Name]), c.Name)
	}
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
