package server

import (
	"slices"
	"testing"
)

// TestNpmClientHabits: lists and pollers are gone on with, calls are given up, conditions hold, and tokens are withdrawn, as
// users of Azure's clients for JavaScript do it.
func TestNpmClientHabits(t *testing.T) {
	t.Parallel()
	c := startClients(t, func(conf *Config) { conf.Limits.Requests = 100 })
	want := c.many(t, 103)
	var got struct {
		Listed  []string
		Refused map[string]refusal
	}
	c.script(&got, "habits.mjs")
	if slices.Sort(got.Listed); !slices.Equal(got.Listed, want) {
		t.Errorf("listed %d orders of %d: %v", len(got.Listed), len(want), got.Listed)
	}
	for what, want := range map[string]refusal{"never": {Status: 404, Code: "OrderNotFound"}, "stale": {Status: 412, Code: "PreconditionFailed"}, "staleDelete": {Status: 412, Code: "PreconditionFailed"},
		"secret": {Status: 401, Code: "Unauthorized"}, "order": {Status: 401, Code: "AuthenticationFailed"}, "often": {Status: 429, Code: "TooManyRequests"}, "oftenSecret": {Status: 429, Code: "Throttled"}} {
		if r := got.Refused[what]; r.Status != want.Status || r.Code != want.Code || r.Message == "" {
			t.Errorf("%s is refused with %+v, want %d %s", what, r, want.Status, want.Code)
		}
	}
}
