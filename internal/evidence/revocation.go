package evidence

import "time"

// Sources of a Revocation.
const (
	FromCRL     = "crl"     // a list that the certificate names (RFC 5280 section 4.2.1.13)
	FromOCSP    = "ocsp"    // the responder that it names (RFC 6960)
	FromStapled = "stapled" // an OCSP answer that the server sent in the handshake (RFC 6066 section 8)
)

// Statuses of a Revocation.
const (
	StatusGood    = "good"
	StatusRevoked = "revoked"
	StatusUnknown = "unknown" // the responder does not know the certificate
)

// Revocation is the raw evidence of asking one source whether a certificate is revoked (ProbeTLS, Check
// "revocation"). A status is given only if the source's signature is the issuer's or its delegate's.
type Revocation struct {
	Leaf       string     `json:"leaf"` // SHA-256 of the certificate's DER, upper-case hexadecimal
	Serial     string     `json:"serial"`
	Source     string     `json:"source"`            // crl, ocsp or stapled
	URL        string     `json:"url,omitempty"`     // asked; empty for a stapled answer
	Address    string     `json:"address,omitempty"` // for a stapled answer: ip:port that sent it
	Status     string     `json:"status,omitempty"`  // good, revoked or unknown; empty = none was learnt
	Reason     string     `json:"reason,omitempty"`  // why it was revoked, in RFC 5280's words (section 5.3.1)
	RevokedAt  *time.Time `json:"revokedAt,omitempty"`
	ThisUpdate *time.Time `json:"thisUpdate,omitempty"` // when the answer was made
	NextUpdate *time.Time `json:"nextUpdate,omitempty"` // until when it may be used
	Entries    int        `json:"entries,omitempty"`    // of a list
	Error      string     `json:"error,omitempty"`
	// Fault says that the error is the source's own (it refuses, or what it sends is not usable); otherwise it could
	// not be reached from here, which says nothing of it.
	Fault bool `json:"fault,omitempty"`
}

// Page is the raw evidence of a request over TLS to one address, whatever its certificate (ProbeTLS, Check "page").
type Page struct {
	Address    string     `json:"address"`
	ServerName string     `json:"serverName,omitempty"`
	Status     int        `json:"status,omitempty"` // of HTTP; 0 = it does not speak HTTP
	HSTS       string     `json:"hsts,omitempty"`   // the Strict-Transport-Security header (RFC 6797)
	Date       *time.Time `json:"date,omitempty"`   // the Date header: the server's clock
	At         time.Time  `json:"at"`               // the clock here at that moment
	Error      string     `json:"error,omitempty"`
}
