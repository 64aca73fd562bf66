package order

import (
	"time"

	"certwright/internal/evidence"
	"certwright/internal/site"
)

// Identifier is the row of one name: whether its owner's control of it is shown.
type Identifier struct {
	Name
	Progress
	Verified   *time.Time `json:"verified,omitempty"`   // when control was last shown; nil = not yet
	ValidUntil *time.Time `json:"validUntil,omitempty"` // how long the issuer may re-use that; nil = for that one attempt
	Method     Method     `json:"method,omitempty"`     // by which it was shown, or is to be
	Token      string     `json:"token,omitempty"`      // the domain verification token of this order and name
	Instruct   string     `json:"instruct,omitempty"`   // what its owner has to publish, in words
}

// VersionState is where a version is on its road.
type VersionState string

// States of a version.
const (
	VersionIssued  VersionState = "issued"  // the authority has signed; not in the vault yet
	VersionStored  VersionState = "stored"  // the vault holds it
	VersionRevoked VersionState = "revoked" // withdrawn at the authority
)

// Version is one issued certificate of the order.
type Version struct {
	Number      int          `json:"number"` // from 1, over all key types
	KeyType     KeyType      `json:"keyType"`
	State       VersionState `json:"state"`
	Serial      string       `json:"serial"`     // upper-case hexadecimal
	Thumbprint  string       `json:"thumbprint"` // SHA-1 of the DER, upper-case hexadecimal, as Azure shows it
	Fingerprint string       `json:"sha256"`     // SHA-256 of the DER, upper-case hexadecimal
	KeyHash     string       `json:"keyHash"`    // SHA-256 of the SubjectPublicKeyInfo, upper-case hexadecimal
	Subject     string       `json:"subject"`
	IssuedBy    string       `json:"issuedBy"` // issuer's distinguished name
	Names       []string     `json:"names"`
	NotBefore   time.Time    `json:"notBefore"`
	NotAfter    time.Time    `json:"notAfter"`
	Issued      time.Time    `json:"issued"`
	Chain       []byte       `json:"chain,omitempty"`         // PEM, leaf first; public
	SecretID    string       `json:"secretVersion,omitempty"` // the vault's version id, chosen by the attempt
	Attempt     string       `json:"attempt,omitempty"`
	Issuer      string       `json:"issuer,omitempty"`  // name of the issuer, empty when imported
	Account     string       `json:"account,omitempty"` // account that it was issued to
	Reason      Reason       `json:"reason,omitempty"`
	External    bool         `json:"external,omitempty"` // its owner holds the key: the vault keeps nothing of it

	CertID   string     `json:"certId,omitempty"`   // RFC 9773 section 4.1
	Window   *Window    `json:"window,omitempty"`   // suggested renewal window of the issuer
	WindowAt *time.Time `json:"windowAt,omitempty"` // when to ask for it again; nil = the issuer has none

	RevokeAt  *time.Time `json:"revokeAt,omitempty"` // when it is to be revoked, nil = not
	RevokeFor int        `json:"revokeFor,omitempty"`
	RevokedAt *time.Time `json:"revokedAt,omitempty"`
	Revoke    Progress   `json:"revoke,omitzero"`
}

// Window is a suggested renewal window (RFC 9773 section 4.2).
type Window struct {
	Start       time.Time `json:"start"`
	End         time.Time `json:"end"`
	Explanation string    `json:"explanation,omitempty"` // URL for a person, such as of an incident
}

// Phase is how far an attempt has come. Each is committed before the next begins.
type Phase string

// Phases of an attempt.
const (
	Begun  Phase = "begun"  // the issuer's order, its proofs and the sealed key are recorded
	Signed Phase = "signed" // the certificate is recorded, the vault does not hold it yet
	Ended  Phase = "ended"  // stored, or given up (Problem says why)
)

// Attempt is one run at an issuer for one version. The key lives sealed on it until the vault holds
// it or the attempt is given up.
type Attempt struct {
	ID       string        `json:"id"` // 32 hexadecimal digits; also the secret's version id
	KeyType  KeyType       `json:"keyType"`
	Reason   Reason        `json:"reason"`
	Phase    Phase         `json:"phase"`
	Progress               // of the work at the issuer
	Started  time.Time     `json:"started"`
	Finished *time.Time    `json:"finished,omitempty"`
	Issuer   string        `json:"issuer"`
	Account  string        `json:"account,omitempty"`
	URL      string        `json:"url,omitempty"`      // the order at the authority
	Expires  *time.Time    `json:"expires,omitempty"`  // when the authority forgets it
	Replaces string        `json:"replaces,omitempty"` // CertID given as replaced (RFC 9773 section 5)
	Proofs   []Proof       `json:"proofs,omitempty"`   // what has to be published; kept until it is withdrawn
	Visible  bool          `json:"visible,omitempty"`  // the proofs may be published still: they are to be withdrawn
	Withdraw Progress      `json:"withdraw,omitzero"`  // of taking them back
	Sealed   []byte        `json:"sealed,omitempty"`   // the private key, sealed; nil once stored or given up, or where its owner holds it
	CSR      []byte        `json:"csr,omitempty"`      // the certificate request (DER), until it ends
	External bool          `json:"external,omitempty"` // the request is its owner's: no key is sealed here
	Delay    time.Duration `json:"delay,omitempty"`    // see Need.Delay
	Revokes  int           `json:"revokes,omitempty"`  // number of the version to revoke after it, 0 = none
	Version  int           `json:"version,omitempty"`  // number of the version it made
	Failed   int           `json:"failed,omitempty"`   // attempts given up in a row before this one
	Waiting  string        `json:"waiting,omitempty"`  // for whom it waits: "owner", "issuer", "" = for us
	Instruct string        `json:"instruct,omitempty"` // what that one has to do
	Caller   string        `json:"caller,omitempty"`
	Ask      bool          `json:"ask,omitempty"`     // a person said: ask the issuer even if we do not see the proof
	AskedAt  time.Time     `json:"askedAt,omitzero"`  // when they did: a try that had begun by then is no answer
	Written  *time.Time    `json:"written,omitempty"` // when the first wait for its DNS records to spread began
	Former   []string      `json:"former,omitempty"`  // once ended: the values of its DNS records, by which one that stayed behind is known
}

// Open says whether the attempt is still running.
func (a *Attempt) Open() bool { return a.Phase != Ended }

// Proof is what shows control of one name to the issuer, and whether it is published now. It is
// recorded before it is published, so that it can be withdrawn after a crash.
type Proof struct {
	Name      Name       `json:"name"`
	Method    Method     `json:"method"`
	URL       string     `json:"url,omitempty"`     // the challenge at the authority
	AuthzURL  string     `json:"authz,omitempty"`   // its authorization
	Token     string     `json:"token,omitempty"`   // file name or record owner
	Value     string     `json:"value,omitempty"`   // content: what the authority has to find; public by nature
	Done      bool       `json:"done,omitempty"`    // the authority is satisfied
	ValidTill *time.Time `json:"until,omitempty"`   // how long the authority will remember it
	Problem   *Problem   `json:"problem,omitempty"` // the authority's word on this name
	Place     string     `json:"place,omitempty"`   // of dns-01: where its record stands, at the end of the CNAMEs
	Account   string     `json:"account,omitempty"` // of dns-01: the DNS account that writes it; empty = its owner does
}

// Deployment is the row of one target.
type Deployment struct {
	Site   string `json:"site"`
	Target string `json:"target"`
	Progress
	KeyType  KeyType                `json:"keyType,omitempty"`  // resolved: which version goes there
	Disabled string                 `json:"disabled,omitempty"` // who switched the target off
	Gone     bool                   `json:"gone,omitempty"`     // the site no longer names this target
	Version  int                    `json:"version,omitempty"`  // number of the version it holds, as last seen
	Serial   string                 `json:"serial,omitempty"`
	Receipt  *Receipt               `json:"receipt,omitempty"` // of the last push that stands
	SyncAt   time.Time              `json:"syncAt,omitzero"`   // when it is next compared with the vault
	Synced   time.Time              `json:"synced,omitzero"`   // when it was last compared
	Skipped  string                 `json:"skipped,omitempty"` // why the last comparison pushed nothing
	Forced   bool                   `json:"forced,omitempty"`  // push even when nothing differs
	ForcedAt time.Time              `json:"forcedAt,omitzero"` // when that was asked for: a push that had begun by then is no answer
	Bad      int                    `json:"bad,omitempty"`     // version that was taken back: not pushed again by itself until RetryBad
	Tried    *evidence.Reload       `json:"tried,omitempty"`   // the reload of the push that was taken back; nil = no command is configured
	Seen     []evidence.Observation `json:"seen,omitempty"`    // the latest look at it
}

// Key names the row.
func (d *Deployment) Key() string { return d.Site + "/" + d.Target }

// Receipt is what a target gives for a push: what was done, and what to take back.
type Receipt struct {
	Version  int                    `json:"version"`
	Serial   string                 `json:"serial"`
	At       time.Time              `json:"at"`
	Changed  bool                   `json:"changed"`            // false: the target held it already
	Files    []string               `json:"files,omitempty"`    // paths written
	Previous string                 `json:"previous,omitempty"` // where the files before it are kept; opaque to all but the target
	Reload   *evidence.Reload       `json:"reload,omitempty"`
	Detail   string                 `json:"detail,omitempty"` // one line for the timeline
	Seen     []evidence.Observation `json:"-"`
}

// EndpointRow is the row of one place on the wire.
type EndpointRow struct {
	site.Endpoint
	Site string `json:"site,omitempty"` // the site it belongs to; empty = the order's own
	Progress
	State    StageState             `json:"state"`
	Gone     bool                   `json:"gone,omitempty"`
	Served   string                 `json:"served,omitempty"`   // serial last seen; several addresses: the worst one's
	From     *time.Time             `json:"from,omitempty"`     // validity of what was seen last: from ...
	NotAfter *time.Time             `json:"notAfter,omitempty"` // ... to
	Seen     []evidence.Observation `json:"seen,omitempty"`     // the latest look
	Home     []string               `json:"home,omitempty"`     // ip:port of every address at which all was well last
	Looked   time.Time              `json:"looked,omitzero"`
	AskedAt  time.Time              `json:"askedAt,omitzero"` // when a look was asked for: one that had begun by then is no answer
}

// Key names the row.
func (e *EndpointRow) Key() string { return e.Site + "|" + e.Endpoint.Key() }

// VaultStatus is Key Vault's word for the link between an order and its secret
// (KeyVaultSecretStatus of App Service Certificates).
type VaultStatus string

// All of them.
const (
	VaultInitialized    VaultStatus = "Initialized"
	VaultWaiting        VaultStatus = "WaitingOnCertificateOrder"
	VaultSucceeded      VaultStatus = "Succeeded"
	VaultOrderFailed    VaultStatus = "CertificateOrderFailed"
	VaultNotPermitted   VaultStatus = "OperationNotPermittedOnKeyVault"
	VaultUnauthorized   VaultStatus = "AzureServiceUnauthorizedToAccessKeyVault"
	VaultNotExist       VaultStatus = "KeyVaultDoesNotExist"
	VaultSecretNotExist VaultStatus = "KeyVaultSecretDoesNotExist"
	VaultUnknownError   VaultStatus = "UnknownError"
	VaultExternalKey    VaultStatus = "ExternalPrivateKey"
	VaultUnknown        VaultStatus = "Unknown"
)

// VaultRow is the row of the order's vault.
type VaultRow struct {
	Progress
	Fault   VaultStatus            `json:"fault,omitempty"`  // last failure in the vault's words; empty = none
	CheckAt time.Time              `json:"checkAt"`          // when it is next looked at
	Checked time.Time              `json:"checked"`          // when it was last looked at
	Seen    []evidence.Observation `json:"seen,omitempty"`   // the latest look
	AskedAt time.Time              `json:"askedAt,omitzero"` // when a look was asked for: one that had begun by then is no answer
}
