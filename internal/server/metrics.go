package server

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"certwright/internal/order"
)

// metrics are the figures that this process counts, and the registry of all. What is known of orders is read when
// Prometheus asks (gauges.go), from the projection, by the database's indexes.
type metrics struct {
	registry    *prometheus.Registry
	issued      *prometheus.CounterVec // issuer, reason
	attempts    *prometheus.CounterVec // issuer
	issuing     *prometheus.HistogramVec
	deployed    *prometheus.CounterVec // result
	arriving    prometheus.Histogram
	transitions *prometheus.CounterVec // to
	examined    prometheus.Counter
	sent        *prometheus.CounterVec   // channel, result
	sending     *prometheus.HistogramVec // kind
}

// Bounds of histograms, in seconds.
var (
	issueBounds = []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 6 * 3600, 24 * 3600}
	sendBounds  = []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20}
)

func newMetrics(version string) *metrics {
	m := &metrics{registry: prometheus.NewRegistry(),
		issued:      counters("certwright_versions_issued_total", "Certificates issued, by issuer and by why they were wanted (first, renewal, manual, rekey).", "issuer", "reason"),
		attempts:    counters("certwright_attempts_failed_total", "Attempts at an issuer that were given up.", "issuer"),
		issuing:     durations("certwright_issue_duration_seconds", "From the beginning of an attempt to its certificate.", issueBounds, "issuer"),
		deployed:    counters("certwright_deployments_total", "Pushes to targets, by result (ok, failed, taken-back).", "result"),
		arriving:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "certwright_arrival_duration_seconds", Help: "From a certificate's issue until a target holds it.", Buckets: issueBounds}),
		transitions: counters("certwright_transitions_total", "Changes of an order's health that were told, by what it became (failed, changed, well).", "to"),
		examined:    prometheus.NewCounter(prometheus.CounterOpts{Name: "certwright_examinations_total", Help: "Orders examined."}),
		sent:        counters("certwright_notifications_total", "Notifications tried, by channel and result (ok, failed).", "channel", "result"),
		sending:     durations("certwright_notification_duration_seconds", "How long one try of a notification took.", sendBounds, "kind"),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "certwright_build_info", Help: "Always 1; its labels say which program this is."}, []string{"version", "goversion"})
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(m.issued, m.attempts, m.issuing, m.deployed, m.arriving, m.transitions, m.examined, m.sent, m.sending, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func durations(name, help string, bounds []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: bounds}, labels)
}

// results are what the events of pushes count as.
var results = map[string]string{"deployed": "ok", "deploy-failed": "failed", "taken-back": "taken-back"}

// happened counts what was recorded of an order.
func (m *metrics) happened(o *order.Order, events []order.Event) {
	for i := range events {
		e := &events[i]
		switch e.Name {
		case "issued":
			m.countIssue(o, e)
		case "attempt-failed":
			m.attempts.WithLabelValues(o.Spec.Issuer).Inc()
		case "deployed", "deploy-failed", "taken-back":
			m.deployed.WithLabelValues(results[e.Name]).Inc()
			m.countArrival(o, e)
		}
	}
}

func (m *metrics) countIssue(o *order.Order, e *order.Event) {
	v := versionOf(o, e.Properties["serial"])
	if v == nil {
		return
	}
	m.issued.WithLabelValues(v.Issuer, string(v.Reason)).Inc()
	if a := o.Attempt(v.Attempt); a != nil {
		m.issuing.WithLabelValues(v.Issuer).Observe(e.At.Sub(a.Started).Seconds())
	}
}

// countArrival counts how long a version took to its target, unless it was issued elsewhere.
func (m *metrics) countArrival(o *order.Order, e *order.Event) {
	if v := versionOf(o, e.Properties["serial"]); e.Name == "deployed" && v != nil && v.Issuer != "" {
		m.arriving.Observe(e.At.Sub(v.Issued).Seconds())
	}
}

func versionOf(o *order.Order, serial string) *order.Version {
	for i := range o.Versions {
		if v := &o.Versions[i]; serial != "" && v.Serial == serial {
			return v
		}
	}
	return nil
}

// changed counts changes of health.
func (m *metrics) changed(events []order.Event) {
	for _, e := range events {
		if to := map[string]string{order.FindingAppeared: "failed", order.FindingChanged: "changed", order.FindingCleared: "well"}[e.Name]; to != "" {
			m.transitions.WithLabelValues(to).Inc()
		}
	}
}

// told counts one try of a notification.
func (m *metrics) told(channel, kind string, ok bool, took time.Duration) {
	result := "ok"
	if !ok {
		result = "failed"
	}
	m.sent.WithLabelValues(channel, result).Inc()
	m.sending.WithLabelValues(kind).Observe(took.Seconds())
}

// handler answers Prometheus. Two scrapes at a time are enough for anybody.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 2, Timeout: 20 * time.Second, ErrorHandling: promhttp.ContinueOnError})
}
