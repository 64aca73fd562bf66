package evidence

import "time"

// Served is the raw evidence of one TLS handshake (ProbeTLS).
type Served struct {
	Address    string        `json:"address"`              // ip:port dialled
	ServerName string        `json:"serverName,omitempty"` // SNI sent; empty = none
	Family     string        `json:"family"`               // ip4 or ip6
	Offered    string        `json:"offered"`              // what was offered: "any", "ecdsa", "rsa" or "tls1.2"
	Version    string        `json:"version,omitempty"`    // negotiated, such as "TLS 1.3"
	Cipher     string        `json:"cipher,omitempty"`
	Chain      [][]byte      `json:"chain,omitempty"` // DER as sent, leaf first as the server sent it
	Stapled    []byte        `json:"stapled,omitempty"`
	Error      string        `json:"error,omitempty"`      // dial or handshake error text
	ErrorClass string        `json:"errorClass,omitempty"` // refused, timeout, reset, alert, not-tls, no-starttls, unreachable, unresolvable, forbidden, other
	PlainHTTP  bool          `json:"plainHttp,omitempty"`  // the bytes that came back were HTTP
	StartTLS   string        `json:"startTls,omitempty"`   // the protocol spoken before TLS, such as "smtp"
	Legacy     bool          `json:"legacy,omitempty"`     // a current client was refused (Error); the chain was given to one of the past
	Group      string        `json:"group,omitempty"`      // the key-exchange group (curve), or the curve of its key, that the server insists on and not every client has
	GroupNew   bool          `json:"groupNew,omitempty"`   // current browsers have that group: they were served
	SCTs       int           `json:"scts,omitempty"`       // signed certificate timestamps sent in the handshake (RFC 6962 section 3.3)
	ClientCert bool          `json:"clientCert,omitempty"` // the server asked for a certificate of the client
	HTTPStatus int           `json:"httpStatus,omitempty"` // what it answered to a request without one
	Greeting   string        `json:"greeting,omitempty"`   // the first bytes that came back in place of TLS, printable
	Speaks     string        `json:"speaks,omitempty"`     // the protocol that the greeting is of, in the words of StartTLS
	Took       time.Duration `json:"tookNs,omitempty"`
}

// Resolved is the raw evidence of one DNS question (ProbeDNS, ProbeCAA).
type Resolved struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`   // A, AAAA, CAA, TXT ...
	Server   string   `json:"server"` // ip:port asked, or "system"
	Rcode    string   `json:"rcode,omitempty"`
	Records  []string `json:"records,omitempty"`  // presentation form, one a record
	CNAMEs   []string `json:"cnames,omitempty"`   // the chain followed
	FoundAt  string   `json:"foundAt,omitempty"`  // for CAA: the ancestor whose set applies
	Climbed  []string `json:"climbed,omitempty"`  // for CAA: the names asked on the way up
	CAA      []CAA    `json:"caa,omitempty"`      // for CAA: the properties of the set that applies
	Insecure bool     `json:"insecure,omitempty"` // AD was not set
	TTL      uint32   `json:"ttl,omitempty"`      // seconds for which the answer, positive or not, may still be kept
	Own      bool     `json:"own,omitempty"`      // the server answered with authority of its own (AA)
	Zone     string   `json:"zone,omitempty"`     // of a negative answer: the zone that gave it
	Error    string   `json:"error,omitempty"`
}

// File is the raw evidence of a file at a target (ProbeFiles).
type File struct {
	Path     string    `json:"path"`
	Kind     string    `json:"kind"` // certificate, chain, fullchain, key, pfx, combined
	Exists   bool      `json:"exists"`
	Mode     string    `json:"mode,omitempty"` // such as 0640
	Owner    string    `json:"owner,omitempty"`
	Group    string    `json:"group,omitempty"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	Serials  []string  `json:"serials,omitempty"` // serials of the certificates in it, in order
	KeyMatch int       `json:"keyMatch"`          // index of the certificate that the key beside it fits; -1 none, -2 not known
	Error    string    `json:"error,omitempty"`
}

// Stored is the raw evidence of a secret in a vault (ProbeVault): everything but its value.
type Stored struct {
	Vault       string     `json:"vault"`
	Name        string     `json:"name"`
	Version     string     `json:"version,omitempty"` // id of the version looked at; empty = none was found
	Author      string     `json:"author,omitempty"`  // who wrote it
	ContentType string     `json:"contentType,omitempty"`
	Kind        string     `json:"kind,omitempty"` // "certificate" when readable as a certificate object, else "secret"
	Enabled     bool       `json:"enabled"`
	NotBefore   *time.Time `json:"nbf,omitempty"` // the attribute, not the certificate's date
	Expires     *time.Time `json:"exp,omitempty"`
	Created     time.Time  `json:"created"`
	Deleted     *time.Time `json:"deleted,omitempty"` // when it was soft-deleted
	Purge       *time.Time `json:"purge,omitempty"`   // when it will be gone for good
	Serials     []string   `json:"serials,omitempty"` // of the certificates in the value, leaf first
	KeyMatch    int        `json:"keyMatch"`          // index of the certificate that the key in the value fits; -1 none, -2 not known
	Object      bool       `json:"object"`            // it can be read as a certificate object too
	Form        string     `json:"form,omitempty"`    // what the value's own bytes are: pem, pkcs12, der, pkcs12-twice (base64 of base64), empty, other
	Locked      bool       `json:"locked,omitempty"`  // the value is a PKCS#12 with a password
	Issues      bool       `json:"issues,omitempty"`  // every certificate in it was issued by the next one
	Error       string     `json:"error,omitempty"`   // in Certwright's words
	Finding     string     `json:"finding,omitempty"` // finding id that the error stands for, such as vault-dek-missing
	// VaultGone and VaultPurge: the vault itself is soft-deleted, and when it will be gone for good.
	VaultGone  *time.Time   `json:"vaultDeleted,omitempty"`
	VaultPurge *time.Time   `json:"vaultPurge,omitempty"`
	Rights     *VaultRights `json:"rights,omitempty"` // nil = not seen
	// Versions are those that the vault keeps, the newest first, at most 100.
	Versions []StoredVersion `json:"versions,omitempty"`
	// Elsewhere are other secrets of the vault that hold the expected serial, where this one does not.
	Elsewhere []string `json:"elsewhere,omitempty"`
}

// VaultRights are what Certwright's own principals may do in a vault.
type VaultRights struct {
	ByPolicy bool `json:"byPolicy"` // its access policies say who may; else roles do
	Store    bool `json:"store"`    // who stores orders may set secrets
	Read     bool `json:"read"`     // who reads what is deployed may get them
	Switched bool `json:"switched"` // what is missing was given in the other permission model, which has no effect now
	Named    int  `json:"named"`    // principals that its access policies name
}

// StoredVersion is one version of a secret: everything but its value.
type StoredVersion struct {
	ID      string    `json:"id"`
	Author  string    `json:"author,omitempty"`
	Serial  string    `json:"serial,omitempty"` // of its leaf, or as its tag says; empty = not known
	Enabled bool      `json:"enabled"`
	Created time.Time `json:"created"`
}

// Reload is the raw evidence of a reload command (ProbeReload).
type Reload struct {
	Name   string        `json:"name"`
	Argv   []string      `json:"argv"`
	Exit   int           `json:"exit"` // -1: not started or killed
	Output string        `json:"output,omitempty"`
	Took   time.Duration `json:"tookNs"`
	Error  string        `json:"error,omitempty"`
}

// Issuers is the raw evidence of fetching a certificate's issuers from where the certificates say
// they are (ProbeTLS, Check "aia"; RFC 5280 section 4.2.2.1).
type Issuers struct {
	Leaf  string   `json:"leaf"`            // SHA-256 of the DER that the search began at, upper-case hexadecimal
	URLs  []string `json:"urls,omitempty"`  // asked, in order; none = the certificate names no place
	Chain [][]byte `json:"chain,omitempty"` // DER as fetched, nearest issuer first
	Error string   `json:"error,omitempty"` // why the search stopped short of a self-signed certificate
}

// Tried is the raw evidence of another way of looking, after a handshake brought nothing (ProbeTLS, Check "tried").
type Tried struct {
	Address    string `json:"address"` // ip:port dialled
	ServerName string `json:"serverName,omitempty"`
	What       string `json:"what"`   // "a PROXY header", "plain HTTP", or a protocol in the words of Served.StartTLS
	Worked     bool   `json:"worked"` // it brought what the handshake alone did not
	Seen       string `json:"seen,omitempty"`
	HTTPStatus int    `json:"httpStatus,omitempty"` // of plain HTTP
	Error      string `json:"error,omitempty"`
}
