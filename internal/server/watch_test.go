package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"certwright/internal/diagnose"
	"certwright/internal/fulfill"
	"certwright/internal/notify"
	"certwright/internal/order"
	"certwright/internal/site"
	"certwright/internal/testworld"
	"certwright/internal/work"
)

// mailbox keeps the messages that arrive, and answers with a status.
type mailbox struct {
	*httptest.Server
	mu     sync.Mutex
	got    []notify.Message
	status int
	hang   chan struct{}
}

func openMailbox(t *testing.T) *mailbox {
	m := &mailbox{status: http.StatusNoContent}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Data notify.Message }
		b, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(b, &body)
		m.mu.Lock()
		status, hang := m.status, m.hang
		m.got = append(m.got, body.Data)
		m.mu.Unlock()
		if hang != nil {
			<-hang
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *mailbox) answer(status int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status = status
}

// messages are those about an order.
func (m *mailbox) messages(id order.ID) []notify.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []notify.Message
	for _, g := range m.got {
		if g.Order == id.Name {
			out = append(out, g)
		}
	}
	return out
}

func (m *mailbox) tuned(c *Config) {
	c.Watch.Hold = 0
	c.Notify = map[string]Notify{"ops": {Kind: notify.JSON, URL: Hidden(m.URL)}}
}

// until polls a condition that needs no order.
func (l *live) until(what string, is func() bool) {
	l.t.Helper()
	l.wait(order.Short("any"), what, func(*order.Order) bool { return is() })
}

// anyOrder records an order that nothing is done for, so that there is one to load.
func (l *live) anyOrder() {
	l.t.Helper()
	o := order.Fresh(order.Short("any"), order.Watched, order.Spec{Names: []order.Name{{Kind: order.DNS, Value: "any.test"}}}, nil, l.Now())
	if err := l.Store.CreateOrder(l.t.Context(), o, o.Project(l.Now()), nil); err != nil {
		l.t.Fatal(err)
	}
}

// TestWatchTellsOfChanges: what is served fails, and is mended: one message each, with all that a person needs; the list,
// the counts and the timeline say the same. A healthy issuance is not examined.
func TestWatchTellsOfChanges(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	box := openMailbox(t)
	sh := w.shop(t, "watched.example.test")
	l := startLive(t, w, box.tuned, sh)
	l.anyOrder()
	id := l.place(sh, "builtin")
	o := l.settled(id, 1)
	if !o.Health.Looked.IsZero() || len(box.messages(id)) != 0 {
		t.Errorf("a healthy issuance was examined: %+v", o.Health)
	}
	sh.mu.Lock()
	sh.only = "00" // from now on it cannot serve
	sh.mu.Unlock()
	l.sync(id)
	o = l.wait(id, "not well, and told", func(o *order.Order) bool { return o.Health.Told != "" })
	l.until("a message", func() bool { return len(box.messages(id)) == 1 })
	m := box.messages(id)[0]
	if m.Type != notify.TypeUnwell || m.Finding != o.Health.Finding.ID || m.Page != "https://"+l.Address+"/orders/"+id.Name || m.Severity == "" || m.Since == nil || m.Fix == "" || m.Owner == "" {
		t.Errorf("%+v", m)
	}
	page, err := l.Store.ListOrders(t.Context(), order.Query{Finding: m.Finding})
	if err != nil || len(page.Orders) != 1 || page.Orders[0].Projection.FindingTitle != m.Title {
		t.Errorf("listed: %+v, %v", page.Orders, err)
	}
	sh.mu.Lock()
	sh.only = ""
	sh.mu.Unlock()
	l.sync(id)
	l.wait(id, "well again, and told", func(o *order.Order) bool { return o.Health.Told == "" && o.Health.Finding == nil })
	l.until("another message", func() bool { return len(box.messages(id)) == 2 })
	if m := box.messages(id)[1]; m.Type != notify.TypeWell || m.Was != o.Health.Finding.ID {
		t.Errorf("%+v", m)
	}
	if err := l.Store.VerifyChain(t.Context(), id); err != nil {
		t.Error(err)
	}
	before := l.wait(id, "rest", func(o *order.Order) bool { return o.LeaseOwner == "" && len(o.Next(l.Now())) == 0 })
	for range 3 { // nothing changes: nothing is recorded but when it was looked at
		var err error
		l.until("a look of ours, beside those that are due", func() bool {
			err = l.look(t.Context(), id)
			return !errors.Is(err, work.ErrLater)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if after := l.load(id); after.Seq != before.Seq || !after.Updated.Equal(before.Updated) || !after.DueAt.Equal(before.DueAt) || len(box.messages(id)) != 2 {
		t.Errorf("looking changed the order: %+v", after)
	}
}

func (l *live) sync(id order.ID) {
	l.t.Helper()
	if _, err := l.Mover.Sync(l.t.Context(), testBy, id); err != nil {
		l.t.Fatal(err)
	}
}

// TestFailedNotificationChangesNothing: a receiver that refuses and one that hangs. Orders are issued and changes of
// health recorded as ever; that nobody was told is a note, and a finding that leaves the order healthy.
func TestFailedNotificationChangesNothing(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	box, stuck := openMailbox(t), openMailbox(t)
	box.answer(http.StatusForbidden)
	stuck.hang = make(chan struct{})
	sh := w.shop(t, "untold.example.test")
	l := startLive(t, w, func(c *Config) {
		box.tuned(c)
		c.Notify["stuck"] = Notify{Kind: notify.JSON, URL: Hidden(stuck.URL)}
	}, sh)
	t.Cleanup(func() { close(stuck.hang) })
	l.anyOrder()
	dead, err := l.Mover.Watch(t.Context(), testBy, order.Short("dead"), watchWish("127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	l.wait(dead.ID, "recorded", func(o *order.Order) bool { return o.Health.Told != "" })
	l.until("both receivers were asked", func() bool { return len(box.messages(dead.ID)) > 0 && len(stuck.messages(dead.ID)) > 0 })
	o := l.settled(l.place(sh, "builtin"), 1)
	l.until("the note", func() bool { return len(l.notes(t.Context())) == 1 })
	if n := l.notes(t.Context())[0]; !strings.Contains(n, "sys-notify-failed") || !strings.Contains(n, "ops") || strings.Contains(n, box.URL) {
		t.Errorf("note: %s", n)
	}
	if err := l.ready(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
	r, err := l.Diagnose(t.Context(), o.ID)
	if err != nil || !r.Healthy || len(r.Findings) != 1 || r.Findings[0].ID != "sys-notify-failed" || r.Findings[0].Severity != diagnose.Info || r.Findings[0].Leg != diagnose.LegSystem {
		t.Errorf("diagnosed: %+v, %v", r.Findings, err)
	}
	if len(r.Findings[0].RuledOut) == 0 || !strings.Contains(r.Findings[0].Cause, "403") {
		t.Errorf("finding: %+v", r.Findings[0])
	}
	box.answer(http.StatusOK)
	if err := l.tell(t.Context(), &l.channels[0], notify.Test("1", "ada", "", l.Now())); err != nil || len(l.notes(t.Context())) != 0 {
		t.Errorf("the channel works again: %v, %v", err, l.notes(t.Context()))
	}
	_ = l.look(t.Context(), o.ID)
	if l.load(o.ID).Health.Finding != nil {
		t.Error("an order is not well because nobody was told")
	}
}

// TestCrashBeforeSending: a change was committed and the process died: before it was handed on, or in between. The next
// start sends it, once, under the same id.
func TestCrashBeforeSending(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	for name, handed := range map[string]bool{"before it was handed on": false, "while it was handed on": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box := openMailbox(t)
			conf := w.config(t.TempDir(), "")
			box.tuned(&conf)
			first, err := New(t.Context(), Options{Config: conf, Now: time.Now, Logger: silent()})
			if err != nil {
				t.Fatal(err)
			}
			o := order.Fresh(order.Short("any"), order.Watched, order.Spec{Names: []order.Name{{Kind: order.DNS, Value: "any.test"}}}, nil, time.Now())
			if err := first.Store.CreateOrder(t.Context(), o, o.Project(time.Now()), nil); err != nil {
				t.Fatal(err)
			}
			events, err := first.Mover.Examined(t.Context(), o.ID, o.Revision, order.Examined{Finding: &order.Finding{ID: "tls-port-closed", Leg: "endpoint", Severity: "critical", Title: "It is closed"}})
			if err != nil || len(events) != 1 {
				t.Fatal(events, err)
			}
			if handed { // it was given to River, and not yet taken out of the outbox
				if err := first.Work.Post(t.Context(), []work.Notice{{Order: o.ID, Seq: events[0].Seq, Channel: "ops"}}); err != nil {
					t.Fatal(err)
				}
			}
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			l := startLive(t, w, func(c *Config) { *c = conf })
			l.until("the message", func() bool { return len(box.messages(o.ID)) > 0 })
			l.until("the outbox is empty", func() bool {
				out, err := l.Store.Outbox(context.Background(), 0)
				return err == nil && len(out) == 0
			})
			l.handOn(t.Context())
			if got := box.messages(o.ID); len(got) != 1 || got[0].ID != events[0].ID {
				t.Errorf("%d messages: %+v, want one with id %s", len(got), got, events[0].ID)
			}
		})
	}
}

// TestMetrics: who may read them, that Prometheus' own tool takes them, and that the page names each.
func TestMetrics(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	box := openMailbox(t)
	sh := w.shop(t, "counted.example.test")
	l := startLive(t, w, func(c *Config) { box.tuned(c); c.Metrics.Listen = "127.0.0.1:0" }, sh)
	l.anyOrder()
	dead, err := l.Mover.Watch(t.Context(), testBy, order.Short("dead"), watchWish("127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	l.settled(l.place(sh, "builtin"), 1)
	l.until("told", func() bool { return len(box.messages(dead.ID)) == 1 })
	want := []string{`certwright_orders_by_status{status="Issued"} 1`, `certwright_order_findings{finding="tls-port-closed",leg="endpoint",severity="critical"} 1`,
		`certwright_versions_issued_total{issuer="builtin",reason="first"} 1`, `certwright_deployments_total{result="ok"} 1`, `certwright_transitions_total{to="failed"} 1`,
		`certwright_notifications_total{channel="ops",result="ok"} 1`, `certwright_notification_channel_broken{channel="ops"} 0`, `certwright_ready 1`,
		`certwright_order_expiry_seconds_bucket{le="7.776e+06"} 1`, `certwright_order_expiry_seconds_bucket{le="0"} 0`}
	var text string
	var lacks []string
	defer func() {
		if t.Failed() {
			t.Logf("lacks %q:\n%s", lacks, text)
		}
	}()
	l.until("all figures", func() bool { // a message is counted once its receiver's answer is here, a push once it is recorded
		text = fetch(t, "http://"+l.Metrics+"/metrics")
		lacks = slices.DeleteFunc(slices.Clone(want), func(w string) bool { return strings.Contains(text, w+"\n") })
		return len(lacks) == 0
	})
	documented(t, text)
	promtool(t, text)
	rec := httptest.NewRecorder()
	l.https.Handler.ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	if rec.Code != http.StatusUnauthorized {
		t.Errorf("without a token: %d", rec.Code)
	}
	q := httptest.NewRequest("GET", "/metrics", nil)
	q.Header.Set("Authorization", "Bearer "+l.FirstRun)
	rec = httptest.NewRecorder()
	l.https.Handler.ServeHTTP(rec, q)
	if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "certwright_ready 1") {
		t.Errorf("with the owner's token: %d", rec.Code)
	}
}

// documented compares the figures with the table of the page.
func documented(t *testing.T, text string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "monitoring.md"))
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, line := range strings.Split(string(page), "\n") {
		if cells := strings.Split(line, "|"); len(cells) == 5 {
			for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[1], -1) {
				listed = append(listed, "certwright_"+m[1])
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (certwright_\w+)`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(listed, m[1]) {
			t.Errorf("docs/monitoring.md lacks %s", m[1])
		}
	}
	if len(listed) < 20 {
		t.Errorf("only %d figures were found on the page", len(listed))
	}
}

func promtool(t *testing.T, text string) {
	t.Helper()
	tool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("promtool is missing: scripts/deps.sh installs it (Debian: prometheus)")
		}
		t.Log("promtool is missing: what it would say of the figures was not seen")
		return
	}
	cmd := exec.Command(tool, "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, r.Status, err)
	}
	return string(b)
}

func watchWish(address string) (w fulfill.Wish) {
	w.Endpoints = []site.Endpoint{{Address: address}}
	return w
}
