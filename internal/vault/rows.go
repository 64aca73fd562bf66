package vault

import (
	"context"

	"certwright/internal/secret"
)

// Rows keep sealed secret versions. The store implements it. Names of vaults and secrets compare without case.
type Rows interface {
	// VaultExists says whether there is a vault of that name.
	VaultExists(ctx context.Context, vault string) (bool, error)
	// LoadVault reads a vault. secret.ErrNoVault.
	LoadVault(ctx context.Context, vault string) (secret.VaultRow, error)
	// LoadDeletedVault reads a soft-deleted vault. secret.ErrNoVault.
	LoadDeletedVault(ctx context.Context, vault string) (secret.VaultRow, error)
	// PutSecret writes a new version. secret.ErrConflict when this version id is there already,
	// secret.ErrDeleted when the name is soft-deleted, secret.ErrNoVault, secret.ErrVaultFull.
	PutSecret(ctx context.Context, s secret.Sealed) error
	// SecretVersion reads one version, disabled or not. secret.ErrNotFound, secret.ErrDeleted.
	SecretVersion(ctx context.Context, vault, name, id string) (secret.Sealed, error)
	// LatestSecret reads the version created last, disabled or not. secret.ErrNotFound, secret.ErrDeleted.
	LatestSecret(ctx context.Context, vault, name string) (secret.Sealed, error)
	// ListSecrets gives the newest version of each secret by name, from after the given name on.
	ListSecrets(ctx context.Context, vault, after string, limit int) ([]secret.Info, error)
	// ListSecretVersions gives the versions of one secret by id, from after the given id on.
	ListSecretVersions(ctx context.Context, vault, name, after string, limit int) ([]secret.Info, error)
	// UpdateSecret changes what is about a version, never its value. secret.ErrNotFound.
	UpdateSecret(ctx context.Context, vault, name, id, contentType string, a secret.Attributes, tags map[string]string) error
	// DeleteSecret soft-deletes a secret with all its versions. secret.ErrNotFound.
	DeleteSecret(ctx context.Context, vault, name string, d secret.Deleted) error
	// ListDeleted gives soft-deleted secrets by name.
	ListDeleted(ctx context.Context, vault, after string, limit int) ([]secret.Info, error)
	// RecoverSecret undoes DeleteSecret. secret.ErrNotFound.
	RecoverSecret(ctx context.Context, vault, name string) error
	// PurgeSecret removes a soft-deleted secret for good. secret.ErrNotFound.
	PurgeSecret(ctx context.Context, vault, name string) error

	// DeletedSecret reads the newest version of a soft-deleted secret. secret.ErrNotFound.
	DeletedSecret(ctx context.Context, vault, name string) (secret.Info, error)
	// RestoreSecret writes all versions of a secret that is not there, oldest first, or none. secret.ErrConflict when it is
	// there, secret.ErrDeleted.
	RestoreSecret(ctx context.Context, versions []secret.Sealed) error
	// The lists again, of those secrets that are certificates.
	ListCertificates(ctx context.Context, vault, after string, limit int) ([]secret.Info, error)
	ListDeletedCertificates(ctx context.Context, vault, after string, limit int) ([]secret.Info, error)
	// PreviousCertificate is the id of the certificate version created last before a version; empty = there is none.
	PreviousCertificate(ctx context.Context, vault, name, id string) (string, error)
	ListCertificateVersions(ctx context.Context, vault, name, after string, limit int) ([]secret.Info, error)
}
