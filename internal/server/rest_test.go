package server

import (
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// A reload of a moment ago is given its time, an older one and a push without a reload are not.
func TestFreshReload(t *testing.T) {
	now := time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)
	at := func(ago time.Duration, reload *evidence.Reload) *order.Order {
		return &order.Order{Deployments: []order.Deployment{{}, {Receipt: &order.Receipt{At: now.Add(-ago), Reload: reload}}}}
	}
	ran := &evidence.Reload{Name: "web"}
	for _, c := range []struct {
		name string
		o    *order.Order
		want time.Duration
	}{
		{"just now", at(0, ran), reloadEnds},
		{"a little ago", at(200*time.Millisecond, ran), reloadEnds - 200*time.Millisecond},
		{"long ago", at(time.Minute, ran), 0},
		{"no reload", at(0, nil), 0},
		{"nothing pushed", &order.Order{}, 0},
	} {
		if got := freshReload(c.o, now); max(got, 0) != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
