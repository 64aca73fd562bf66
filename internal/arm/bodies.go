package arm

import (
	"encoding/json"
	"time"

	"certwright/internal/order"
)

// Described is an action as a provider lists it (CsmOperationDescription).
type Described struct {
	Name    string  `json:"name"`
	Display Display `json:"display"`
	Origin  string  `json:"origin"`
}

// Display is an action in words.
type Display struct {
	Provider    string `json:"provider"`
	Resource    string `json:"resource"`
	Operation   string `json:"operation"`
	Description string `json:"description"`
}

// Asked is the body of reissue and renew.
type Asked struct {
	Echo
	Properties AskedProperties `json:"properties"`
}

// AskedProperties are what reissue and renew take.
type AskedProperties struct {
	KeySize  *int    `json:"keySize,omitempty"`
	Delay    *int    `json:"delayExistingRevokeInHours,omitempty"` // reissue; absent = the old version is not revoked
	CSR      *string `json:"csr,omitempty"`                        // of a key that its owner keeps
	External *bool   `json:"isPrivateKeyExternal,omitempty"`       // whether the key is theirs from now on

	KeyTypes *[]order.KeyType `json:"keyTypes,omitempty"` // Certwright's own: says more than keySize
	ReuseCSR *bool            `json:"reuseCsr,omitempty"` // Certwright's own: whether renewals may use csr again
}

// Named is the body of resendRequestEmails.
type Named struct {
	Name string `json:"name"`
}

// ActionTaken is something that happened to an order (CertificateOrderAction), for clients of all API versions: those
// before 2022-03-01 look below properties.
type ActionTaken struct {
	ActionFacts
	Properties ActionFacts `json:"properties"`
}

// ActionFacts are what happened, and when.
type ActionFacts struct {
	Type string    `json:"actionType"`
	At   time.Time `json:"createdAt"`
}

// Took is an action as its clients read it.
func Took(action string, at time.Time) ActionTaken {
	f := ActionFacts{action, at.UTC()}
	return ActionTaken{f, f}
}

// Mail is a mail that was sent (CertificateEmail), for clients of all API versions as well.
type Mail struct {
	MailFacts
	Properties MailFacts `json:"properties"`
}

// MailFacts are to whom a mail was sent, and when.
type MailFacts struct {
	ID string    `json:"emailId"`
	At time.Time `json:"timeStamp"`
}

// Sent is a mail as its clients read it.
func Sent(to string, at time.Time) Mail {
	f := MailFacts{to, at.UTC()}
	return Mail{f, f}
}

// SealWish is the body of retrieveSiteSeal.
type SealWish struct {
	Light  *bool   `json:"lightTheme,omitempty"`
	Locale *string `json:"locale,omitempty"`
}

// Seal is a site seal.
type Seal struct {
	HTML string `json:"html"`
}

// LinkWish is the body with which a link to a vault is made or changed.
type LinkWish struct {
	Echo
	Location   *string           `json:"location,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Properties LinkBody          `json:"properties"`
}

// LinkBody is a link as its owner gives it.
type LinkBody struct {
	KeyVaultID         *string `json:"keyVaultId,omitempty"`
	KeyVaultSecretName *string `json:"keyVaultSecretName,omitempty"`
	ProvisioningState  *string `json:"provisioningState,omitempty"` // read-only
}

// Echo are the parts of the envelope that a client may send back, and that change nothing.
type Echo struct {
	ID     *string         `json:"id,omitempty"`
	Name   *string         `json:"name,omitempty"`
	Type   *string         `json:"type,omitempty"`
	Kind   *string         `json:"kind,omitempty"`
	ETag   *string         `json:"etag,omitempty"`
	System json.RawMessage `json:"systemData,omitempty"`
}

// ReadOnly are the read-only properties of an order: a client that changes what it has read sends them back. They must
// be of their type, and change nothing.
type ReadOnly struct {
	DomainVerificationToken *string    `json:"domainVerificationToken,omitempty"`
	ProvisioningState       *string    `json:"provisioningState,omitempty"`
	Status                  *string    `json:"status,omitempty"`
	SignedCertificate       *Details   `json:"signedCertificate,omitempty"`
	Intermediate            *Details   `json:"intermediate,omitempty"`
	Root                    *Details   `json:"root,omitempty"`
	SerialNumber            *string    `json:"serialNumber,omitempty"`
	LastIssuance            *time.Time `json:"lastCertificateIssuanceTime,omitempty"`
	ExpirationTime          *time.Time `json:"expirationTime,omitempty"`
	NextAutoRenewal         *time.Time `json:"nextAutoRenewalTimeStamp,omitempty"`
	External                *bool      `json:"isPrivateKeyExternal,omitempty"`
	NotRenewable            []string   `json:"appServiceCertificateNotRenewableReasons,omitempty"`
	Contact                 *Contact   `json:"contact,omitempty"`

	OrderKind    json.RawMessage `json:"orderKind,omitempty"`
	VaultStatus  json.RawMessage `json:"vaultStatus,omitempty"`
	OutOfSync    json.RawMessage `json:"keyVaultOutOfSync,omitempty"`
	ImportedFrom json.RawMessage `json:"importedFrom,omitempty"`
	Created      json.RawMessage `json:"createdTime,omitempty"`
	Changed      json.RawMessage `json:"changedTime,omitempty"`
	Ordered      json.RawMessage `json:"orderedTime,omitempty"`
	DueAt        json.RawMessage `json:"dueTime,omitempty"`
	Generation   json.RawMessage `json:"generation,omitempty"`
	Revision     json.RawMessage `json:"revision,omitempty"`
	Busy         json.RawMessage `json:"busy,omitempty"`
	Path         json.RawMessage `json:"path,omitempty"`
	Identifiers  json.RawMessage `json:"identifiers,omitempty"`
	Versions     json.RawMessage `json:"versions,omitempty"`
	Attempts     json.RawMessage `json:"attempts,omitempty"`
	Deployments  json.RawMessage `json:"deployments,omitempty"`
	Looks        json.RawMessage `json:"looks,omitempty"`
	Worst        json.RawMessage `json:"summary,omitempty"`
	LastEvent    json.RawMessage `json:"lastEvent,omitempty"`
}

// Contact is whom Azure would write to.
type Contact struct {
	Email string `json:"email,omitempty"`
	First string `json:"nameFirst,omitempty"`
	Last  string `json:"nameLast,omitempty"`
	Phone string `json:"phone,omitempty"`
}
