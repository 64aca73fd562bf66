package secret

import "time"

// DefaultVault is the built-in vault that is always there.
const DefaultVault = "default"

// VaultRow is one built-in vault: a place of secrets within a resource group.
type VaultRow struct {
	Name         string    `json:"name"` // unique in the whole service: it is part of the data plane's address
	Subscription string    `json:"subscription"`
	Group        string    `json:"group"`
	SoftDelete   int       `json:"softDeleteRetentionInDays"` // days a deleted secret, or the deleted vault, can be recovered
	Created      time.Time `json:"created"`

	PurgeProtection bool     `json:"enablePurgeProtection"` // what is deleted cannot be purged before its time
	Deleted         *Deleted `json:"deleted,omitempty"`     // nil unless the vault itself is soft-deleted

	VaultSettings
}

// VaultSettings are what a vault's owner says of it besides its protection. The zero value is a vault whose rights roles give,
// with Certwright's own principals among those that have one.
type VaultSettings struct {
	Location string            `json:"location,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	ByPolicy bool              `json:"byPolicy,omitempty"` // its access policies say who may; false = roles do (RBAC)
	Policies []AccessPolicy    `json:"policies,omitempty"` // kept, and of no effect, while roles say who may
	NoRole   []string          `json:"noRole,omitempty"`   // ids of those of Certwright's own principals that have no role here
}

// RecoveryLevel says how what the vault holds is protected from deletion, in Key Vault's words (DeletionRecoveryLevel).
func (v VaultRow) RecoveryLevel() string {
	level := "Recoverable"
	if v.SoftDelete < 90 {
		level = "CustomizedRecoverable"
	}
	if !v.PurgeProtection {
		level += "+Purgeable"
	}
	return level
}

// Kinds of item.
const (
	ItemCertificate = "certificate" // what there is of a certificate object besides its versions: policy, pending operation
	ItemIssuer      = "vault-issuer"
	ItemContacts    = "vault-contacts"
)

// Item is a small document that belongs to a vault, by its kind and name.
type Item struct {
	Kind, Vault, Name string
	Revision          int64 // 0 = it is new
	Doc               []byte
}
