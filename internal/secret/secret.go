// Package secret holds the words of the vault: bytes that must not be shown, secret versions and
// their attributes, named as Key Vault names them. Pure: no I/O, nothing of ours is imported.
package secret

import (
	"encoding/json"
	"errors"
	"log/slog"
	"time"
)

// Redacted is what a Bytes prints as, wherever it is printed.
const Redacted = "[redacted]"

// Bytes are private key material or a password. They redact themselves in every form of printing,
// JSON and slog included; only Reveal gives them out.
type Bytes []byte

// Reveal gives the bytes out. Every call of it is a place where a secret leaves its wrapper.
func (b Bytes) Reveal() []byte { return b }

// String redacts.
func (b Bytes) String() string { return Redacted }

// GoString redacts (the %#v verb).
func (b Bytes) GoString() string { return Redacted }

// MarshalJSON redacts.
func (b Bytes) MarshalJSON() ([]byte, error) { return json.Marshal(Redacted) }

// LogValue redacts in structured logs.
func (b Bytes) LogValue() slog.Value { return slog.StringValue(Redacted) }

// Wipe overwrites the bytes with zeros.
func (b Bytes) Wipe() {
	for i := range b {
		b[i] = 0
	}
}

// Content types of a stored certificate, as App Service Certificates write them.
const (
	ContentPFX = "application/x-pkcs12"
	ContentPEM = "application/x-pem-file"
)

// Attributes are a secret version's management attributes (Key Vault: SecretAttributes).
type Attributes struct {
	Enabled   bool       `json:"enabled"`
	NotBefore *time.Time `json:"nbf,omitempty"`
	Expires   *time.Time `json:"exp,omitempty"`
	Created   time.Time  `json:"created"`
	Updated   time.Time  `json:"updated"`
}

// Version is one version of a secret, its value opened.
type Version struct {
	Vault, Name string            // the vault's name and the secret's
	ID          string            // 32 hexadecimal digits; the writer may choose it, so that a write can be repeated
	Value       Bytes             // the value; for a certificate base64 PKCS#12 or PEM, as ContentType says
	ContentType string            // ContentPFX, ContentPEM or empty
	Certificate []byte            // the leaf certificate in DER where the secret is also a certificate object, else nil
	Tags        map[string]string // free tags; of a certificate see the vault room's docs
	Attributes  Attributes
	Author      string // who wrote it: a principal of Certwright or a token's name
}

// Info is a Version without its value: what a list shows.
type Info struct {
	Vault       string            `json:"vault"`
	Name        string            `json:"name"`
	ID          string            `json:"id"`
	ContentType string            `json:"contentType,omitempty"`
	Certificate []byte            `json:"certificate,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Attributes  Attributes        `json:"attributes"`
	Author      string            `json:"author,omitempty"`
	Deleted     *Deleted          `json:"deleted,omitempty"` // nil unless the secret is soft-deleted
}

// Deleted says when a soft-deleted secret was deleted and when it will be purged.
type Deleted struct {
	At    time.Time `json:"at"`
	Purge time.Time `json:"purge"`
}

// Write is a new version of a secret, as a client of the data plane sets it.
type Write struct {
	Vault, Name string
	ID          string // 32 hexadecimal digits; empty = a random one
	Value       Bytes
	ContentType string
	Tags        map[string]string
	Disabled    bool
	NotBefore   *time.Time
	Expires     *time.Time
	Author      string
}

// Patch changes what is about a version; nil leaves a field as it is. The zero time removes a date.
type Patch struct {
	ContentType *string
	Tags        map[string]string // replaces all tags
	Enabled     *bool
	NotBefore   *time.Time
	Expires     *time.Time
}

// Sealed is a secret version as it is stored: the value encrypted under a data key of its own, the
// data key wrapped by the key-encryption key.
type Sealed struct {
	Info
	Blob []byte // envelope: see vault's keyring
}

// Errors that a vault's rows can end in. They are matched with errors.Is.
var (
	ErrNotFound  = errors.New("not found")
	ErrDeleted   = errors.New("soft-deleted: recover or purge it first")
	ErrDisabled  = errors.New("disabled")
	ErrConflict  = errors.New("conflict: this version exists with another content")
	ErrWrongKey  = errors.New("the key-encryption key does not open this store")
	ErrNoVault   = errors.New("vault does not exist")
	ErrDenied    = errors.New("denied")
	ErrUnsealed  = errors.New("value cannot be opened")
	ErrVaultFull = errors.New("no space left for the secret")
	ErrProtected = errors.New("the vault is protected from purging: what is deleted stays until its time is over")
	ErrTooLarge  = errors.New("the value is too large")
	ErrBackup    = errors.New("this is no backup made here of such a thing")
)
