package inspect_test

import (
	"slices"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/inspect"
	"certwright/internal/order"
)

// What people changed is kept with who and when, what Certwright did is not; the first failure is that of those that still stand.
func TestHistory(t *testing.T) {
	at := func(m int) time.Time { return time.Date(2026, 11, 23, 12, m, 0, 0, time.UTC) }
	event := func(seq int64, m int, name string, stage order.StageName, status order.EventStatus, caller string) order.Event {
		return order.Event{Seq: seq, At: at(m), Name: name, Stage: stage, Status: status, Caller: caller, Text: name + ".", Properties: map[string]string{"site": "web"}}
	}
	events := []order.Event{
		event(1, 0, "created", order.StageOrder, order.Succeeded, "anna"),
		event(2, 1, "deploy-failed", order.StageDeploy, order.Failed, "certwright"),
		event(3, 2, "deployed", order.StageDeploy, order.Succeeded, "certwright"),
		event(4, 3, "site-changed", order.StageDeploy, order.Info, "bert"),
		event(5, 4, "sync-requested", order.StageDeploy, order.Succeeded, "anna"),
		event(6, 7, "deploy-failed", order.StageDeploy, order.Failed, "certwright"),
		event(7, 8, "sync-requested", order.StageDeploy, order.Succeeded, "anna"),
		event(8, 9, "deploy-failed", order.StageDeploy, order.Failed, "certwright"),
		event(9, 9, "updated", order.StageOrder, order.Succeeded, "anna"),
	}
	o := &order.Order{ID: order.Short("www")}
	clock := inspect.Clock{Now: func() time.Time { return at(10) }, From: "test"}
	for range 2 { // the newest first as well
		got, _ := evidence.Decode[evidence.History](inspect.History(o, events, clock))
		want := []evidence.Change{{Kind: "order", Name: "www", Who: "anna", What: "updated.", At: at(9)}, {Kind: "site", Name: "web", Who: "bert", What: "site-changed.", At: at(3)}}
		if !slices.Equal(got.Changes, want) || got.Failed == nil || !got.Failed.Equal(at(7)) {
			t.Errorf("%+v, failed %v", got.Changes, got.Failed)
		}
		slices.Reverse(events)
	}
	if got, _ := evidence.Decode[evidence.History](inspect.History(o, events[7:8], clock)); got.Failed == nil {
		t.Error("a failure whose beginning is not among the events is one all the same")
	}
}
