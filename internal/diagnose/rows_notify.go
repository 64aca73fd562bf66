package diagnose

import (
	"time"

	"certwright/internal/evidence"
)

// Signs of a channel of notifications.
const (
	nFailing sign = "notifications-do-not-arrive"
	nRefused sign = "notifications-are-refused"
)

// rowsNotify: nobody is told of what is wrong. It touches no certificate, and so stands at the graph's end, before no
// cause that does.
var rowsNotify = []Row{
	{
		ID: "sys-notify-failed", Per: perSystem, Node: nodeTrust, Severity: Info, Impact: hygiene,
		Must:  []sign{nFailing},
		Title: "Notifications over {channel} do not arrive",
		Cause: "{tries} in a row failed, since {since}; the last one ended with: {error}. Orders go on all the same; only nobody is told over {channel}.",
		Fix:   Fix{Text: "Mend the channel in the configuration, or what it leads to, and try it. What failed is sent again by itself, for a day.", Command: "certwright notify test {channel}"},
		Twins: []Twin{
			{ID: "sys-egress-down", When: []sign{nRefused}, Because: "the other side was reached, and refuses"},
		},
	},
}

// notifyScopes reads how the channels do.
func (j *judge) notifyScopes() []*scope {
	var out []*scope
	said, from := payloads[evidence.Notified](j.obs, evidence.ProbeHost)
	for i, n := range said {
		if from[i].Check != "notify" {
			continue
		}
		s := newScope(perSystem, "notify "+n.Channel, "notification "+n.Channel)
		if from[i].Outcome == evidence.Unknown {
			s.unknown(nFailing, from[i].Reason)
		} else {
			s.set(nFailing, n.Failing != nil, refOf(from[i]))
			s.set(nRefused, n.Refused, refOf(from[i]))
		}
		s.vars["channel"], s.vars["tries"], s.vars["error"] = n.Channel, plural(n.Tries, "message"), n.Error
		if n.Failing != nil {
			s.vars["since"] = n.Failing.UTC().Format(time.RFC3339)
		}
		out = append(out, s)
	}
	return out
}
