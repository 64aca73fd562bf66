package arm

import "certwright/internal/order"

// Synced answers a sync of many orders: those that were asked, those that could not be, and where to go on.
type Synced struct {
	Asked   []string    `json:"asked"`          // ids
	Refused []NotSynced `json:"refused"`        // with the reason of each
	Next    string      `json:"next,omitempty"` // what to give as $skiptoken for the rest; empty = that was all
}

// NotSynced is an order that could not be asked to sync.
type NotSynced struct {
	ID     string         `json:"id"`
	Reason *order.Refusal `json:"error"`
}

// manyTypes are the operations on everything that lies in a scope. They need no API version.
func manyTypes() Type {
	act := func(id, path, kind, text string) Operation {
		return Operation{ID: id, Method: "POST", Path: path, Action: kind + "/sync/Action", Answer: Synced{}, Codes: []int{200}, Text: text, Within: kind == order.Type}
	}
	return Type{Provider: ours, Operations: []Operation{
		act("Certwright_SyncSubscription", inSubscription+inOurs+"/sync", order.Type, "Sync every order of a subscription, a hundred a call"),
		act("Certwright_SyncGroup", inGroup+inOurs+"/sync", order.Type, "Sync every order of a group, a hundred a call"),
		act("Certwright_SyncSite", oneSite+"/sync", web+"/sites", "Sync every order of a site, a hundred a call"),
	}}
}
