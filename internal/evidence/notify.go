package evidence

import "time"

// Notified is the raw evidence of how a channel of notifications does (ProbeHost, Check "notify").
type Notified struct {
	Channel string     `json:"channel"`
	Kind    string     `json:"kind"`              // webhook, json, slack, teams, smtp
	Failing *time.Time `json:"failing,omitempty"` // since when messages do not arrive; nil = they do
	Tries   int        `json:"tries,omitempty"`   // failed ones in a row
	Error   string     `json:"error,omitempty"`   // of the last one
	Refused bool       `json:"refused,omitempty"` // the other side will not take them until a person acts
}
