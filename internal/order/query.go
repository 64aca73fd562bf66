package order

import "time"

// Query filters and pages a list of orders. Empty fields do not filter. The order is by name within
// group and subscription; After is the cursor of a Page.
type Query struct {
	Subscription, Group string
	Status              Status
	Vault               VaultStatus
	Stage               StageName
	State               StageState
	Owner               string
	Issuer              string
	Kind                Kind
	Site                string
	Name                string // an identifier, exactly
	Finding             string // id of the top finding; "any" = those that have one
	Leg                 string // where the top finding lies
	Text                string // part of the order's name, or of an identifier
	ExpiresBefore       time.Time
	After               string
	Limit               int // 0 = 100, at most 1000
}

// Summary is one line of a list.
type Summary struct {
	ID         ID         `json:"id"`
	Kind       Kind       `json:"kind"`
	Generation int64      `json:"generation"`
	Revision   int64      `json:"revision"`
	CommonName string     `json:"commonName"`
	Issuer     string     `json:"issuer,omitempty"`
	Created    time.Time  `json:"created"`
	Updated    time.Time  `json:"updated"`
	DueAt      time.Time  `json:"dueAt,omitzero"`
	Projection Projection `json:"projection"`
}

// Page is a part of a list. Next is empty at its end.
type Page struct {
	Orders []Summary
	Next   string
}

// IDs are those of the page's orders.
func (p Page) IDs() []ID {
	var ids []ID
	for _, s := range p.Orders {
		ids = append(ids, s.ID)
	}
	return ids
}

// Count says how many orders of a group stand like this.
type Count struct {
	Subscription string     `json:"subscription"`
	Group        string     `json:"group"`
	Status       Status     `json:"status"`
	Stage        StageName  `json:"stage"`
	State        StageState `json:"state"`
	N            int64      `json:"n"`
}

// FindingCount says how many orders of a group have this top finding.
type FindingCount struct {
	Subscription string `json:"subscription"`
	Group        string `json:"group"`
	Finding      string `json:"finding"` // empty = well, or not examined yet
	Leg          string `json:"leg,omitempty"`
	Severity     string `json:"severity,omitempty"`
	N            int64  `json:"n"`
}

// EventQuery filters events, newest first unless Ascending. Before and After are Seq bounds, exclusive, 0 = none;
// they need Order. Without Order the events of all orders are listed by time.
type EventQuery struct {
	Order        *ID
	Subscription string
	Group        string
	Correlation  string
	Provider     string // of the resources' type; empty = of all
	From, To     time.Time
	Before       int64
	After        int64
	Ascending    bool
	Cursor       string // of the page before, for lists over many orders
	Limit        int    // 0 = 100, at most 1000
}
