package inspect

import (
	"strings"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// changes are the events that record a change by somebody, and of what.
var changes = map[string]string{
	"updated": evidence.ChangedOrder, "rekey-requested": evidence.ChangedOrder, "site-changed": evidence.ChangedSite,
	"secret-recovered": evidence.ChangedSecret, "secret-enabled": evidence.ChangedSecret, "secret-changed": evidence.ChangedSecret, "vault-changed": evidence.ChangedSecret,
}

// History reads an order's events, given in any direction, for what was changed by whom, and since when what fails now fails.
func History(o *order.Order, events []order.Event, c Clock) evidence.Observation {
	var h evidence.History
	failed := map[order.StageName]order.Event{}
	for _, e := range oldestFirst(events) {
		switch kind := changes[e.Name]; {
		case kind != "" && e.Caller != "" && e.Caller != order.OwnerUs:
			name := e.Properties["site"]
			if kind != evidence.ChangedSite {
				name = o.ID.Name
			}
			h.Changes = append([]evidence.Change{{Kind: kind, Name: name, Who: e.Caller, What: e.Text, At: e.At}}, h.Changes...)
		case e.Status == order.Failed:
			if _, ok := failed[e.Stage]; !ok {
				failed[e.Stage] = e
			}
		case e.Status == order.Succeeded && !strings.HasSuffix(e.Name, "-requested"):
			delete(failed, e.Stage)
		}
	}
	seen := "nothing was changed by anybody"
	if len(h.Changes) > 0 {
		seen = h.Changes[0].What
	}
	for _, e := range failed {
		if at := e.At; h.Failed == nil || at.Before(*h.Failed) {
			h.Failed = &at
		}
	}
	out := evidence.Observation{Probe: evidence.ProbeOrder, Check: evidence.CheckChanges, Subject: "changes along order " + o.ID.Name, Outcome: evidence.Pass, Seen: seen,
		From: c.From, At: c.Now(), Command: "certwright timeline " + o.ID.Name}
	return out.With(h)
}

// oldestFirst turns events round that are given the newest first.
func oldestFirst(events []order.Event) []order.Event {
	if len(events) < 2 || events[0].Seq < events[len(events)-1].Seq {
		return events
	}
	out := make([]order.Event, 0, len(events))
	for i := len(events) - 1; i >= 0; i-- {
		out = append(out, events[i])
	}
	return out
}
