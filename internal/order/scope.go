package order

import "time"

// States of a subscription (Azure: Subscription.state).
const (
	SubscriptionEnabled  = "Enabled"
	SubscriptionWarned   = "Warned"
	SubscriptionDisabled = "Disabled"
)

// Subscription is the outer scope that orders live in.
type Subscription struct {
	ID    string `json:"subscriptionId"`
	Name  string `json:"displayName"`
	State string `json:"state"` // one of the subscription states
}

// Group is a resource group: the inner scope.
type Group struct {
	Subscription string            `json:"subscription"`
	Name         string            `json:"name"`
	Created      time.Time         `json:"created"`
	Location     string            `json:"location,omitempty"` // as whoever made it said; empty = nobody did
	Tags         map[string]string `json:"tags,omitempty"`
}
