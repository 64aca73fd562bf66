package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/testworld"
)

// TestLimitsOfTheConfigurationCount: what the configuration says of sizes, names and validity reaches the parts.
func TestLimitsOfTheConfigurationCount(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "limits.example.com")
	l := startLive(t, w, func(c *Config) {
		c.Limits, c.Authority.Validity.Default = Limits{Body: 64 << 10, Names: 2}, Duration(5*24*time.Hour)
	}, sh)

	_, err := l.Mover.Create(t.Context(), testBy, order.Short("three"), fulfill.Wish{Words: []string{"a.example.com", "b.example.com", "c.example.com"}})
	if r, ok := order.AsRefusal(err); !ok || r.Code != "TooManyNames" || !strings.Contains(r.Message, "at most 2") {
		t.Errorf("three names where two are allowed: %v", err)
	}

	for size, want := range map[int]int{64 << 10: http.StatusBadRequest, 64<<10 + 1: http.StatusRequestEntityTooLarge} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/v1/orders/big", strings.NewReader(`"`+strings.Repeat("x", size-2)+`"`))
		r.Header.Set("Authorization", "Bearer "+l.FirstRun)
		r.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		l.handler().ServeHTTP(rec, r)
		if rec.Code != want {
			t.Errorf("a body of %d bytes: %d %s, want %d", size, rec.Code, rec.Body, want)
		}
	}

	id := l.place(sh, order.BuiltinIssuer)
	o := l.settled(id, 1)
	if left := o.First().NotAfter.Sub(l.Now()).Round(time.Hour); left != 5*24*time.Hour {
		t.Errorf("an order without a validity got %s", left)
	}
}
