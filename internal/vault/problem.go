package vault

import (
	"errors"
	"strings"
	"syscall"

	"certwright/internal/order"
	"certwright/internal/secret"
)

// kind is how one sort of failure is told: what can be done, Key Vault's word, the finding.
type kind struct {
	err    error
	class  order.Class
	status order.VaultStatus
	id     string
	owner  string
	cause  string
	fix    string
}

// kinds maps the errors of rows and keyring to problems, the most telling first.
var kinds = []kind{
	{secret.ErrNoVault, order.Retry, order.VaultNotExist, "vault-not-found", order.OwnerOwner,
		"the vault was deleted or renamed, or the order names another", "assign a vault that exists to the order, then sync"},
	{secret.ErrDeleted, order.Retry, order.VaultSecretNotExist, "vault-secret-soft-deleted", order.OwnerOwner,
		"somebody deleted the secret; the vault still keeps it", "recover the secret: certwright order recover NAME, or certwright vault recover SECRET; or purge it and renew the order"},
	{secret.ErrDisabled, order.Retry, order.VaultNotPermitted, "vault-secret-disabled", order.OwnerOwner,
		"the version's attribute enabled is false", "enable the version, or renew the order"},
	{secret.ErrWrongKey, order.Retry, order.VaultUnknownError, "vault-dek-missing", order.OwnerAdmin,
		"the key-encryption key that sealed it is not configured", "configure the former key as an older one and start again"},
	{secret.ErrUnsealed, order.Retry, order.VaultUnknownError, "vault-corrupt", order.OwnerAdmin,
		"the stored bytes were changed outside Certwright, or damaged", "renew the order: its next version is stored anew; restore the database from a backup if more is damaged"},
	{secret.ErrProtected, order.GiveUp, order.VaultNotPermitted, "", order.OwnerAdmin,
		"purge protection is on for this vault", "wait until its time is over: it is purged by itself"},
	{secret.ErrBackup, order.GiveUp, order.VaultUnknownError, "", order.OwnerOwner,
		"a backup opens only in the vault of the server that made it", "give the bytes as they were given out, in the same vault"},
	{secret.ErrTooLarge, order.GiveUp, order.VaultUnknownError, "", order.OwnerOwner, "it is larger than the vault takes", "keep it elsewhere"},
	{secret.ErrVaultFull, order.Retry, order.VaultUnknownError, "vault-full", order.OwnerAdmin,
		"the disk or the database's quota is full", "make space; it goes on by itself"},
	{secret.ErrDenied, order.Retry, order.VaultNotPermitted, "vault-write-denied", order.OwnerAdmin,
		"the caller lacks the permission", "give the permission on the vault"},
	{secret.ErrConflict, order.GiveUp, order.VaultUnknownError, "vault-overwritten", order.OwnerUs,
		"two writers used the same version id for different certificates", "nothing was overwritten; the order begins a new version"},
	{secret.ErrNotFound, order.Retry, order.VaultSecretNotExist, "vault-secret-purged", order.OwnerOwner,
		"the secret was never stored, or was deleted and purged", "renew the order: its next version is stored; the key of this one is gone"},
}

// problem tells err as a Problem that wraps it; an error of no known kind stays a retryable one.
func (b *Builtin) problem(what, where string, err error) error {
	if err == nil {
		return nil
	}
	var p *order.Problem
	if errors.As(err, &p) {
		return b.complete(p, what, where, err)
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = errors.Join(secret.ErrVaultFull, err)
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return &fault{err: err, p: order.Problem{Class: k.class, What: what, Where: where, Detail: oneLine(err), Cause: k.cause,
				Fix: k.fix, ID: k.id, Owner: k.owner, At: b.now(), Vault: k.status}}
		}
	}
	return &fault{err: err, p: order.Problem{Class: order.Retry, What: what, Where: where, Detail: oneLine(err), Owner: order.OwnerAdmin,
		Fix: "see the server's log; it is tried again by itself", At: b.now(), Vault: order.VaultUnknownError}}
}

// complete adds the vault's side to a Problem that came from below: the database's own trouble is the
// root cause and keeps its id; what and where are the vault's.
func (b *Builtin) complete(p *order.Problem, what, where string, err error) error {
	if p.Vault != "" {
		return err
	}
	f := &fault{err: err, p: *p}
	f.p.What, f.p.Where, f.p.Vault = what, where, order.VaultUnknownError
	if f.p.At.IsZero() {
		f.p.At = b.now()
	}
	return f
}

// fault is a Problem that still answers errors.Is for the error it came from.
type fault struct {
	p   order.Problem
	err error
}

// Error is the problem in one line.
func (f *fault) Error() string { return f.p.Error() }

// Unwrap gives the problem and what it came from.
func (f *fault) Unwrap() []error { return []error{&f.p, f.err} }

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
