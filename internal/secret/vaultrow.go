package secret

import "time"

// DefaultVault is the built-in vault that is always there.
const DefaultVault = "default"

// VaultRow is one built-in vault: a place of secrets within a resource group.
type VaultRow struct {
	Name         string    `json:"name"` // unique in the whole service: it is part of the data plane's address
	Subscription string    `json:"subscription"`
	Group        string    `json:"group"`
	SoftDelete   int       `json:"softDeleteRetentionInDays"` // days a deleted secret can be recovered
	Created      time.Time `json:"created"`
}
