package evidence

import "time"

// Checks of an authority (ProbeCA) and what their Data is.
const (
	CheckDirectory = "directory" // Authority
	CheckAccount   = "account"   // Account
	CheckOrder     = "order"     // AuthorityOrder
	CheckRenewal   = "renewal"   // RenewalInfo
)

// Classes of Authority.ErrorClass beside those of Served.ErrorClass: the HTTPS certificate of the authority
// was sent and not believed, because ...
const (
	ClassUntrusted = "untrusted"    // ... its chain leads to no root trusted here
	ClassDates     = "cert-dates"   // ... it has expired or is not valid yet by our clock
	ClassName      = "cert-name"    // ... it is for another name
	ClassProxy     = "proxy"        // the proxy on the way out could not be used
	ClassCert      = "cert-refused" // ... of something else
)

// Authority is the raw evidence of one look at an ACME directory (RFC 8555 section 7.1.1).
type Authority struct {
	Issuer     string        `json:"issuer"` // name of the issuer
	URL        string        `json:"url"`
	Host       string        `json:"host"`                 // of the URL, without the port
	Addresses  []string      `json:"addresses,omitempty"`  // what the host resolves to here
	Error      string        `json:"error,omitempty"`      // why no directory was read
	ErrorClass string        `json:"errorClass,omitempty"` // as Served.ErrorClass, and the classes above; empty = HTTP was answered
	NXDomain   bool          `json:"nxdomain,omitempty"`   // the resolver says that the host does not exist
	Status     int           `json:"status,omitempty"`     // HTTP status; 0 = no answer
	Type       string        `json:"contentType,omitempty"`
	RetryAfter string        `json:"retryAfter,omitempty"` // header
	Via        string        `json:"via,omitempty"`        // header: a proxy names itself
	Body       []byte        `json:"body,omitempty"`       // the first 1 KiB
	Directory  bool          `json:"directory"`            // an ACME directory was read
	Proxy      string        `json:"proxy,omitempty"`      // host of the proxy that is used
	Chain      [][]byte      `json:"chain,omitempty"`      // its HTTPS certificates as sent, DER, also where they are not believed
	Minted     bool          `json:"minted,omitempty"`     // for another server name the same address gave a certificate made for that name
	OwnRoots   bool          `json:"ownRoots,omitempty"`   // the issuer names its roots itself
	Known      bool          `json:"known,omitempty"`      // an account was registered there before
	Date       *time.Time    `json:"date,omitempty"`       // the Date header
	Skew       time.Duration `json:"skewNs,omitempty"`     // Date minus our clock, whole seconds
	EAB        bool          `json:"eab,omitempty"`        // it takes only accounts bound to a customer account
	CAA        []string      `json:"caa,omitempty"`        // the domains that CAA records name it by, as its directory lists them
	Profiles   []string      `json:"profiles,omitempty"`   // that it lists
	Renewal    bool          `json:"renewal,omitempty"`    // it has renewal information (RFC 9773)
}

// Account is the raw evidence of asking for the account that has our key (RFC 8555 section 7.3.1).
type Account struct {
	URL     string `json:"url,omitempty"`     // empty = none was registered yet
	Status  string `json:"status,omitempty"`  // valid, deactivated, revoked; empty = no answer that says so
	Error   string `json:"error,omitempty"`   // the authority's words
	Type    string `json:"type,omitempty"`    // problem type
	HTTP    int    `json:"http,omitempty"`    // HTTP status of a refusal
	Finding string `json:"finding,omitempty"` // finding id that the refusal stands for
	None    bool   `json:"none,omitempty"`    // the authority has no account for the key
}

// AuthorityOrder is the raw evidence of reading an attempt's order at the authority (RFC 8555 section 7.1.3).
type AuthorityOrder struct {
	Attempt string      `json:"attempt"`
	URL     string      `json:"url"`
	Status  string      `json:"status,omitempty"` // pending, ready, processing, valid, invalid; empty = not read
	Gone    bool        `json:"gone,omitempty"`   // the authority no longer knows it
	Expires *time.Time  `json:"expires,omitempty"`
	Error   string      `json:"error,omitempty"` // the order's error in the authority's words, or why it was not read
	Type    string      `json:"type,omitempty"`  // its problem type
	Names   []AuthzSeen `json:"names,omitempty"`
}

// AuthzSeen is one authorization of an AuthorityOrder (RFC 8555 section 7.1.4).
type AuthzSeen struct {
	Name    string     `json:"name"`
	Status  string     `json:"status"` // pending, valid, invalid, deactivated, expired, revoked
	Expires *time.Time `json:"expires,omitempty"`
	Offered []string   `json:"offered,omitempty"` // challenge types
	Error   string     `json:"error,omitempty"`   // in the authority's words
	Type    string     `json:"type,omitempty"`
	Finding string     `json:"finding,omitempty"` // finding id that the error stands for
}

// RenewalInfo is the raw evidence of asking for renewal information (RFC 9773 section 4).
type RenewalInfo struct {
	Serial      string     `json:"serial"`
	Offered     bool       `json:"offered"` // the directory has such information
	Start       *time.Time `json:"start,omitempty"`
	End         *time.Time `json:"end,omitempty"`
	Explanation string     `json:"explanation,omitempty"` // URL for a person
	Error       string     `json:"error,omitempty"`
}
