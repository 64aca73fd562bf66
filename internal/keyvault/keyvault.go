// Package keyvault speaks Key Vault's data plane over the built-in vault, so that official clients of
// secrets and certificates work unchanged. A vault is a host name below a configured suffix (or a path, for curl and
// the command line); routes.go lists every operation with the action that it needs. A stored order is seen both
// as a secret and as a certificate object, because both are views of one row. Only the secret's own route gives a
// private key out; Certwright's own keys are in another store, which nothing here can name.
package keyvault

import (
	"context"
	"crypto"
	"log/slog"
	"time"

	"certwright/internal/auth"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// Vault is the built-in vault. Its errors answer errors.Is for those of package secret.
type Vault interface {
	Vault(ctx context.Context, name string) (secret.VaultRow, error)
	Set(ctx context.Context, w secret.Write) (secret.Info, error)
	GetSecret(ctx context.Context, vault, name, id string) (secret.Version, error)
	AsPEM(v secret.Version) (secret.Bytes, error)
	Update(ctx context.Context, vault, name, id string, p secret.Patch) (secret.Info, error)
	List(ctx context.Context, vault, after string, limit int) ([]secret.Info, error)
	Versions(ctx context.Context, vault, name, after string, limit int) ([]secret.Info, error)
	DeleteSecret(ctx context.Context, vault, name string) (secret.Info, error)
	Deleted(ctx context.Context, vault, name string) (secret.Info, error)
	ListDeleted(ctx context.Context, vault, after string, limit int) ([]secret.Info, error)
	Recover(ctx context.Context, vault, name string) error
	Purge(ctx context.Context, vault, name string) error
	Backup(ctx context.Context, kind, vault, name string, extra []byte) ([]byte, error)
	Restore(ctx context.Context, kind, vault string, blob []byte) (secret.Info, []byte, error)

	// Certificate gives what is about a version that is a certificate, never its value; id empty = the newest that is enabled.
	Certificate(ctx context.Context, vault, name, id string) (secret.Info, error)
	SetCertificate(ctx context.Context, c fulfill.Certificate, disabled bool) (secret.Info, error)
	ListCertificates(ctx context.Context, vault, after string, limit int) ([]secret.Info, error)
	// PreviousCertificate is the id of the version before a version of a certificate; empty = it is the first.
	PreviousCertificate(ctx context.Context, vault, name, id string) (string, error)
	CertificateVersions(ctx context.Context, vault, name, after string, limit int) ([]secret.Info, error)
	ListDeletedCertificates(ctx context.Context, vault, after string, limit int) ([]secret.Info, error)
	// PendingKey makes a private key, seals it and gives it out for one signature; OpenPending opens it again for the same id.
	PendingKey(vault, name, id string, kt order.KeyType) (crypto.Signer, []byte, error)
	OpenPending(vault, name, id string, sealed []byte) (crypto.Signer, error)
	// CurrentKey is the private key of the newest enabled version, for a certificate that re-uses it.
	CurrentKey(ctx context.Context, vault, name string) (crypto.Signer, error)
}

// Items keep a vault's small documents; store is one.
type Items interface {
	// LoadItem: secret.ErrNotFound.
	LoadItem(ctx context.Context, kind, vault, name string) (secret.Item, error)
	// SaveItem: fulfill.ErrExists, fulfill.ErrConflict.
	SaveItem(ctx context.Context, i secret.Item) error
	DeleteItem(ctx context.Context, kind, vault, name string) error
	ListItems(ctx context.Context, kind, vault, after string, limit int) ([]secret.Item, error)
}

// Orders are what makes a certificate of an issuer: fulfill.Mover.
type Orders interface {
	Create(ctx context.Context, by order.By, id order.ID, w fulfill.Wish) (*order.Order, error)
	Update(ctx context.Context, by order.By, id order.ID, generation int64, edit func(*fulfill.Wish)) (*order.Order, error)
	NewVersion(ctx context.Context, by order.By, id order.ID, c order.Command, a fulfill.Asked) (*order.Order, error)
	Again(ctx context.Context, by order.By, id order.ID) (*order.Order, error)
	Cancel(ctx context.Context, by order.By, id order.ID) (*order.Order, error)
	Delete(ctx context.Context, by order.By, id order.ID, force bool) (*order.Order, error)
	// SecretChanged tells an order that somebody changed its secret here.
	SecretChanged(ctx context.Context, by order.By, id order.ID, name, what string) (*order.Order, error)
	// VaultChanged tells an order that somebody changed a vault that it is kept in.
	VaultChanged(ctx context.Context, by order.By, id order.ID, vault, what string) (*order.Order, error)
}

// Reader finds orders; store is one.
type Reader interface {
	// LoadOrder: fulfill.ErrNotFound.
	LoadOrder(ctx context.Context, id order.ID) (*order.Order, error)
	ListOrders(ctx context.Context, q order.Query) (order.Page, error)
}

// Issuers are the configured authorities.
type Issuers interface {
	List(ctx context.Context) ([]order.Issuer, error)
}

// Auth says who shows a token: auth.Auth. What they may do is for auth.Allow to say.
type Auth interface {
	Authenticate(ctx context.Context, plain string) (auth.Principal, error)
}

// Options are what the data plane is made of.
type Options struct {
	Vault   Vault
	Items   Items
	Orders  Orders
	Reader  Reader
	Issuers Issuers
	Auth    Auth
	Suffix  string        // vaults are the host names one label below it
	Login   func() string // where a client gets tokens: an https URL whose path is the tenant
	Now     func() time.Time
	Logger  *slog.Logger
	MaxBody int64         // of a request; 0 = 1 MiB
	Quota   *auth.Limiter // of the requests of one principal, shared with the API; nil = no bound
}

// Handler answers the data plane's requests.
type Handler struct {
	Options
	routes  []Route
	known   knownVaults
	strange auth.Limiter // tokens that are not known, by address
}

// New makes the data plane.
func New(o Options) *Handler {
	if o.MaxBody == 0 {
		o.MaxBody = 1 << 20
	}
	h := &Handler{Options: o, strange: auth.Limiter{Most: 100, Per: time.Minute}}
	h.routes = h.Routes()
	return h
}
