package evidence

import "time"

// CheckChanges is the Check of the observation that carries History (ProbeOrder).
const CheckChanges = "changes"

// Kinds of what was changed (Change.Kind).
const (
	ChangedOrder  = "order"  // its settings
	ChangedSite   = "site"   // its targets and endpoints
	ChangedSecret = "secret" // its version in the vault was enabled, recovered ...
)

// History is what was changed along an order's path of late, and since when it fails, as recorded.
type History struct {
	Changes []Change   `json:"changes,omitempty"` // by people and their tools; the newest first
	Failed  *time.Time `json:"failed,omitempty"`  // the first failure of those that still stand
}

// Change is one recorded change.
type Change struct {
	Kind string    `json:"kind"`
	Name string    `json:"name"` // of what was changed
	Who  string    `json:"who"`
	What string    `json:"what"` // one sentence
	At   time.Time `json:"at"`
}
