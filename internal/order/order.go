package order

import (
	"slices"
	"time"

	"certwright/internal/site"
)

// Kind says how an order came to be.
type Kind string

// Kinds of order. Imported and Watched ones have no issuer.
const (
	Ordered  Kind = "ordered"  // issued by an issuer
	Imported Kind = "imported" // key and certificate were brought; stored, deployed, looked at
	Watched  Kind = "watched"  // nothing but looked at
)

// Order is all that is recorded of one order: its owner's wish (Spec) and what has come of it.
// Rows with a state of their own are slices; each is found by its Key.
type Order struct {
	ID          ID        `json:"id"`
	Kind        Kind      `json:"kind"`
	Generation  int64     `json:"generation"` // counted up when the owner's wish changes: the ETag
	Revision    int64     `json:"revision"`   // counted up by any write: the compare-and-swap
	Spec        Spec      `json:"spec"`
	Ordered     time.Time `json:"ordered"` // when it was last ordered: the verification deadline counts from here
	Created     time.Time `json:"created"`
	Updated     time.Time `json:"updated"`
	Correlation string    `json:"correlation,omitempty"` // of the command last given
	Caller      string    `json:"caller,omitempty"`      // who gave it

	DeniedAt  *time.Time `json:"deniedAt,omitempty"`  // final
	Canceled  *time.Time `json:"canceled,omitempty"`  // by its owner while pending
	Revoking  *Revoking  `json:"revoking,omitempty"`  // the owner asked to revoke all versions
	RevokedAt *time.Time `json:"revokedAt,omitempty"` // all versions are withdrawn
	Deleting  bool       `json:"deleting,omitempty"`  // the row goes once everything is withdrawn
	Expired   bool       `json:"expired,omitempty"`   // the event of expiry was recorded for the current version

	Vault       VaultRow      `json:"vault"`
	Identifiers []Identifier  `json:"identifiers"`
	Versions    []Version     `json:"versions,omitempty"` // oldest first
	Attempts    []Attempt     `json:"attempts,omitempty"` // oldest first
	Deployments []Deployment  `json:"deployments,omitempty"`
	Copies      []CopyRow     `json:"copies,omitempty"` // of the links
	Endpoints   []EndpointRow `json:"endpoints,omitempty"`

	Health Health `json:"health"` // what examinations have said, see watch in docs/monitoring.md

	Needs    []Need    `json:"needs,omitempty"`    // versions asked for and not yet begun (renew, rekey)
	Switches []Switch  `json:"switches,omitempty"` // key types that are to be others (switch.go)
	AskAfter time.Time `json:"askAfter"`           // not before then is the issuer asked again: its Retry-After outlives a cancelled attempt

	Seq  int64  `json:"seq"`            // number of the last event
	Hash []byte `json:"hash,omitempty"` // hash of the last event: the head of the chain

	DueAt      time.Time `json:"dueAt"` // when anything can change next; zero = never by itself
	LeaseOwner string    `json:"leaseOwner,omitempty"`
	LeaseUntil time.Time `json:"leaseUntil"`
}

// Spec is the owner's wish.
type Spec struct {
	Names        []Name            `json:"names"` // the first is the common name
	Issuer       string            `json:"issuer,omitempty"`
	Method       Method            `json:"method,omitempty"`     // how control of the names is shown
	DNSAccount   string            `json:"dnsAccount,omitempty"` // that writes the records of dns-01; empty = the one with the longest zone
	KeyTypes     []KeyType         `json:"keyTypes,omitempty"`
	FirstRSA     KeyType           `json:"firstRSA,omitempty"`  // the RSA one that it was ordered with, once it has others
	Validity     time.Duration     `json:"validity,omitempty"`  // asked of the built-in authority; 0 = the issuer's own
	Profile      string            `json:"profile,omitempty"`   // ACME profile
	AutoRenew    bool              `json:"autoRenew"`           //
	RenewAt      float64           `json:"renewAt,omitempty"`   // fraction of life after which to renew; 0 = 2/3
	Vault        string            `json:"vault,omitempty"`     // name of the vault; empty only for a watched order
	Secret       string            `json:"secret,omitempty"`    // name of the secret; empty = the order's name
	Links        []Link            `json:"links,omitempty"`     // where it is kept besides (copy.go)
	Years        int               `json:"years,omitempty"`     // as Azure's clients give it; kept for them, the issuer decides
	Content      string            `json:"content,omitempty"`   // secret.ContentPFX (default) or secret.ContentPEM
	Sites        []string          `json:"sites,omitempty"`     // deployed to and looked at there
	Endpoints    []site.Endpoint   `json:"endpoints,omitempty"` // looked at besides the sites' own
	Tags         map[string]string `json:"tags,omitempty"`
	ExternalKey  bool              `json:"externalKey,omitempty"`  // its owner holds the key: it was imported without, or is asked for with CSR
	CSR          []byte            `json:"csr,omitempty"`          // certificate request (DER) of whoever holds the key
	CSRGiven     time.Time         `json:"csrGiven,omitzero"`      // when it was given: it is good for one version after that ...
	ReuseCSR     bool              `json:"reuseCsr,omitempty"`     // ... or, if its owner allows it, for every one
	ImportedFrom string            `json:"importedFrom,omitempty"` // where an imported certificate came from
}

// NameKind is the kind of an identifier.
type NameKind string

// Kinds of identifier (RFC 8555 section 9.7.7, RFC 8738).
const (
	DNS NameKind = "dns"
	IP  NameKind = "ip"
)

// Name is an identifier: a DNS name in A-label form, lower case, no trailing dot; or an IP address.
type Name struct {
	Kind  NameKind `json:"kind"`
	Value string   `json:"value"`
}

// Method is how control of a name is shown.
type Method string

// Methods. HTML and TXT are the App Service Certificates' ones, for the built-in authority.
const (
	MethodHTTP01 Method = "http-01"
	MethodHTML   Method = "html" // /.well-known/pki-validation/<file>
	MethodTXT    Method = "txt"  // TXT record at the name's registered domain
	MethodDNS01  Method = "dns-01"
	MethodNone   Method = "" // the issuer's default
)

// KeyType is an algorithm and size.
type KeyType string

// Key types that can be ordered.
const (
	P256    KeyType = "EC-P256"
	P384    KeyType = "EC-P384"
	RSA2048 KeyType = "RSA-2048"
	RSA3072 KeyType = "RSA-3072"
	RSA4096 KeyType = "RSA-4096"
)

// KeyTypes are all of them, the default first.
var KeyTypes = []KeyType{P256, P384, RSA2048, RSA3072, RSA4096}

// Need is a wish for a new version, not yet begun. Its Progress is that of beginning: an attempt that
// was given up leaves its Problem and the time of the next one here.
type Need struct {
	Progress
	KeyType KeyType       `json:"keyType"`
	Reason  Reason        `json:"reason"`
	Asked   time.Time     `json:"asked"`           // when the wish arose
	Delay   time.Duration `json:"delay,omitempty"` // how long the replaced version stays unrevoked; <0 = it is not revoked
	Caller  string        `json:"caller,omitempty"`
	Failed  int           `json:"failed,omitempty"` // attempts given up in a row
}

// Reason is why a version is wanted.
type Reason string

// Reasons.
const (
	First   Reason = "first"   // the order has none yet
	Renewal Reason = "renewal" // its time has come
	Manual  Reason = "manual"  // its owner asked to renew
	Rekey   Reason = "rekey"   // its owner asked for a new key
)

// Revoking is a wish to revoke.
type Revoking struct {
	At     time.Time `json:"at"`
	Reason int       `json:"reason"` // RFC 5280 section 5.3.1
	Caller string    `json:"caller,omitempty"`
}

// Progress is what every row with work of its own carries. The zero value is due at once.
type Progress struct {
	Since   time.Time `json:"since,omitzero"`    // when it entered its present state
	At      time.Time `json:"at,omitzero"`       // when it was last worked on
	DueAt   time.Time `json:"dueAt,omitzero"`    // when it is next to be worked on; zero = now, if there is work
	Tries   int       `json:"tries,omitempty"`   // failed ones in a row
	Problem *Problem  `json:"problem,omitempty"` // of the last try, nil when it went well
}

// Clone copies the order so that Apply on the copy leaves the original untouched, should a save be lost.
// Rows are copied; what they point to is shared, for it is replaced and never changed.
func (o *Order) Clone() *Order {
	c := *o
	c.Needs = slices.Clone(o.Needs)
	c.Switches = slices.Clone(o.Switches)
	c.Identifiers = slices.Clone(o.Identifiers)
	c.Versions = slices.Clone(o.Versions)
	c.Attempts = slices.Clone(o.Attempts)
	for i := range c.Attempts {
		c.Attempts[i].Proofs = slices.Clone(c.Attempts[i].Proofs)
	}
	c.Deployments = slices.Clone(o.Deployments)
	c.Copies = slices.Clone(o.Copies)
	c.Endpoints = slices.Clone(o.Endpoints)
	return &c
}

// SecretName is the name under which the vault holds the certificate.
func (o *Order) SecretName() string {
	if o.Spec.Secret != "" {
		return o.Spec.Secret
	}
	return o.ID.Name
}

// SecretFor is the secret of one key type: the order's own for the first, with the type as suffix
// for the others (a vault holds one certificate a secret).
func (o *Order) SecretFor(k KeyType) string {
	if len(o.Spec.KeyTypes) == 0 || k == "" || k == o.Spec.KeyTypes[0] || k == o.serving(o.Spec.KeyTypes[0]) {
		return o.SecretName()
	}
	return o.SecretName() + "-" + lower(string(k))
}

func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
