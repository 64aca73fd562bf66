package arm

import (
	"time"

	"certwright/internal/secret"
)

// Vault are the properties of a vault.
type Vault struct {
	Tenant          string         `json:"tenantId"`
	SKU             SKU            `json:"sku"`
	URI             string         `json:"vaultUri,omitempty"`
	RBAC            bool           `json:"enableRbacAuthorization"`
	SoftDelete      bool           `json:"enableSoftDelete"`
	Retention       int            `json:"softDeleteRetentionInDays"`
	PurgeProtection bool           `json:"enablePurgeProtection,omitempty"`
	Policies        []AccessPolicy `json:"accessPolicies"`
	Network         string         `json:"publicNetworkAccess"`
	Provisioning    string         `json:"provisioningState"`

	Own []OwnPrincipal `json:"ownPrincipals"` // Certwright's own: what Azure has no word for
}

// OwnPrincipal says whether one of Certwright's own principals may do its work in a vault.
type OwnPrincipal struct {
	ID      string `json:"objectId"`
	Name    string `json:"displayName"`
	Does    string `json:"does"`
	Allowed bool   `json:"allowed"`
}

// SKU is Azure's word for what a vault costs.
type SKU struct {
	Family string `json:"family"`
	Name   string `json:"name"`
}

// AccessPolicy is what one principal may do in a vault (AccessPolicyEntry).
type AccessPolicy struct {
	Tenant      string      `json:"tenantId,omitempty"`
	ObjectID    string      `json:"objectId"`
	Application string      `json:"applicationId,omitempty"`
	Permissions Permissions `json:"permissions"`
}

// Permissions are lists of words by kind of object.
type Permissions struct {
	Keys         []string `json:"keys,omitempty"`
	Secrets      []string `json:"secrets,omitempty"`
	Certificates []string `json:"certificates,omitempty"`
	Storage      []string `json:"storage,omitempty"`
}

// PoliciesOf are access policies in Azure's shape.
func PoliciesOf(list []secret.AccessPolicy, tenant string) []AccessPolicy {
	out := []AccessPolicy{}
	for _, p := range list {
		out = append(out, AccessPolicy{Tenant: tenant, ObjectID: p.Principal, Permissions: Permissions{Keys: p.Keys, Secrets: p.Secrets, Certificates: p.Certificates, Storage: p.Storage}})
	}
	return out
}

// VaultWish is the body with which a vault is made or changed.
type VaultWish struct {
	Location   string `json:"location"`
	Tags       Tags   `json:"tags,omitempty"`
	Properties struct {
		Tenant          string          `json:"tenantId,omitempty"`
		SKU             *SKU            `json:"sku,omitempty"`
		Policies        *[]AccessPolicy `json:"accessPolicies,omitempty"`
		RBAC            *bool           `json:"enableRbacAuthorization,omitempty"`
		SoftDelete      *bool           `json:"enableSoftDelete,omitempty"`
		Retention       *int            `json:"softDeleteRetentionInDays,omitempty"`
		PurgeProtection *bool           `json:"enablePurgeProtection,omitempty"`
		Mode            string          `json:"createMode,omitempty"` // default or recover
		Network         string          `json:"publicNetworkAccess,omitempty"`
		Rules           *struct {
			Default string `json:"defaultAction,omitempty"`
		} `json:"networkAcls,omitempty"`
	} `json:"properties"`
}

// PoliciesWish is the body that adds, replaces or removes access policies (VaultAccessPolicyParameters), and the answer.
type PoliciesWish struct {
	Echo
	Location   string         `json:"location,omitempty"`
	Properties PoliciesInside `json:"properties"`
}

// PoliciesInside are its properties.
type PoliciesInside struct {
	Policies []AccessPolicy `json:"accessPolicies"`
}

// OwnWish names those of Certwright's own principals that a right is given to or taken from; none = all of them.
type OwnWish struct {
	Principals []string `json:"objectIds,omitempty"`
}

// DeletedVault are the properties of a soft-deleted vault.
type DeletedVault struct {
	VaultID   string            `json:"vaultId"`
	Location  string            `json:"location"`
	Deleted   time.Time         `json:"deletionDate"`
	Purge     time.Time         `json:"scheduledPurgeDate"`
	Tags      map[string]string `json:"tags,omitempty"`
	Protected bool              `json:"purgeProtectionEnabled,omitempty"`
}

// NameWish asks whether a name can be had.
type NameWish struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// NameFree says whether it can.
type NameFree struct {
	Free    bool   `json:"nameAvailable"`
	Reason  string `json:"reason,omitempty"` // AccountNameInvalid or AlreadyExists
	Message string `json:"message,omitempty"`
}
