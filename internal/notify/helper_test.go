package notify

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"certwright/internal/order"
)

var t0 = time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)

// transition is the event of a fault as an order records it.
func transition(name string) order.Event {
	return order.Event{ID: "5b5d4082-22d9-892b-8dd9-6757b112322e", Order: order.Short("www"), At: t0, Name: name, Properties: map[string]string{
		"finding": "tls-port-closed", "leg": "endpoint", "severity": "critical", "title": "Nothing listens at <shop>", "cause": "The server\nis down", "owner": "admin",
		"since": "2026-11-01T09:00:00Z", "deadline": "2026-11-05T00:00:00Z", "fix": "Start it", "command": "systemctl start nginx"}}
}

func message(t *testing.T) Message {
	t.Helper()
	m, ok := Of(transition(order.FindingAppeared), []string{"www.example.test"}, "https://cw.test/orders/www")
	if !ok {
		t.Fatal("a change of health makes no message")
	}
	return m
}

func sender() *Sender {
	return &Sender{Now: func() time.Time { return t0 }, Host: "cw.test", Version: "test", Dial: func(ctx context.Context, address string, _ bool) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}}
}

// receiver keeps what it is sent, and answers as told.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	header http.Header
	body   []byte
	asked  int
}

func listenWith(t *testing.T, answer http.HandlerFunc) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		b, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		r.header, r.body = q.Header.Clone(), b
		r.asked++
		r.mu.Unlock()
		if answer != nil {
			answer(w, q)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func file(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
