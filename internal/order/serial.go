package order

import "time"

// IssuedSerial is a serial number that the built-in authority has given out. It is recorded before the
// certificate is signed, so that no serial is ever used twice (RFC 5280 section 4.1.2.2).
type IssuedSerial struct {
	Serial   string // upper-case hexadecimal
	Order    string // the order's Key
	Attempt  string // the attempt's id
	NotAfter time.Time
	Cert     []byte     // DER; nil until signed
	Revoked  *time.Time // nil = not withdrawn
	Reason   int        // RFC 5280 section 5.3.1
}

// Revocation is one entry of the built-in authority's CRL (RFC 5280 section 5.1.2.6).
type Revocation struct {
	Serial string // upper-case hexadecimal
	At     time.Time
	Reason int // RFC 5280 section 5.3.1
}

// Token is an API token as it is kept: the hash of it, never the token.
type Token struct {
	Name    string    `json:"name"`
	Hash    []byte    `json:"-"`
	Role    string    `json:"role"`
	Scope   string    `json:"scope"` // ARM scope that the role holds on
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // zero = never
}
