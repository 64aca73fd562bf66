package order

import "time"

// Kinds of issuer.
const (
	IssuerACME    = "acme"
	IssuerBuiltin = "builtin"
)

// BuiltinIssuer is the name of the built-in authority's issuer; it is always there.
const BuiltinIssuer = "builtin"

// Issuer is a configured authority and our account there. Account keys are not here: they are
// system keys, sealed in their own store under the name issuer/<name>.
type Issuer struct {
	Name      string        `json:"name"`
	Kind      string        `json:"kind"` // IssuerACME or IssuerBuiltin
	Revision  int64         `json:"revision"`
	Directory string        `json:"directory,omitempty"` // ACME directory URL
	CAFile    []byte        `json:"caFile,omitempty"`    // PEM roots that its HTTPS certificate must chain to; nil = the system's
	Contact   []string      `json:"contact,omitempty"`   // mailto: URIs
	EABKid    string        `json:"eabKid,omitempty"`    // external account binding (RFC 8555 section 7.3.4); its key is a system key
	Account   string        `json:"account,omitempty"`   // account URL, once registered
	Profile   string        `json:"profile,omitempty"`   // default ACME profile
	InFlight  int           `json:"inFlight,omitempty"`  // attempts at once; 0 = 4
	Reuse     time.Duration `json:"reuse,omitempty"`     // built-in: how long a shown control is re-used; 0 = 198 days
	Hold      time.Time     `json:"hold,omitzero"`       // not asked before then: a rate limit or Retry-After that holds for the whole account
	Problem   *Problem      `json:"problem,omitempty"`   // of the account, nil when well
	Created   time.Time     `json:"created,omitzero"`    // the built-in authority was always there
	Updated   time.Time     `json:"updated,omitzero"`
}
