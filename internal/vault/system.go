package vault

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"certwright/internal/order"
	"certwright/internal/secret"
)

// SystemRows keep Certwright's own keys, sealed. They are rows of their own: no secret of any vault
// is among them.
type SystemRows interface {
	// PutSystemKey creates only; secret.ErrConflict when the name is taken.
	PutSystemKey(ctx context.Context, name string, sealed []byte) error
	// SystemKey reads one; secret.ErrNotFound.
	SystemKey(ctx context.Context, name string) ([]byte, error)
	// ReplaceSystemKey overwrites one that is there; secret.ErrNotFound.
	ReplaceSystemKey(ctx context.Context, name string, sealed []byte) error
	ListSystemKeys(ctx context.Context) ([]string, error)
}

// SystemKeys are the keys of Certwright itself: of the built-in authority, of ACME accounts, of its
// own TLS, and the keys of external account bindings. Private keys leave it only as crypto.Signer.
type SystemKeys struct {
	rows SystemRows
	kr   *Keyring
}

// apartPrefix is where SealApart puts keys.
const apartPrefix = "apart/"

// ErrApart says that a key was sealed apart and signs nothing more in daily work.
var ErrApart = errors.New("the key is sealed apart")

// What a system row holds: its first byte once opened.
const (
	holdsKey    = 'k' // PKCS#8
	holdsSecret = 's' // raw bytes
	holdsApart  = 'a' // nothing: the key was moved to apart/<name>
)

// NewSystemKeys gives access to the rows through the keyring.
func NewSystemKeys(rows SystemRows, kr *Keyring) *SystemKeys {
	return &SystemKeys{rows: rows, kr: kr}
}

// Signer gives the private key of that name. secret.ErrNotFound when there is none, ErrApart when it
// was sealed apart. Each call opens and parses the key: whoever signs often keeps the signer.
func (s *SystemKeys) Signer(ctx context.Context, name string) (crypto.Signer, error) {
	return s.signer(ctx, name)
}

// CreateSigner makes and stores a key of that name. When there is one already (another replica was
// first), that one is returned, whatever its type.
func (s *SystemKeys) CreateSigner(ctx context.Context, name string, kt order.KeyType) (crypto.Signer, error) {
	key, err := order.GenerateKey(kt)
	if err != nil {
		return nil, fmt.Errorf("system key %s: %w", name, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("system key %s: encode it: %w", name, err)
	}
	defer clear(der)
	err = s.put(ctx, name, holdsKey, der)
	if errors.Is(err, secret.ErrConflict) {
		return s.Signer(ctx, name)
	}
	if err != nil {
		return nil, err
	}
	return key, nil
}

// PutSecret stores bytes (the HMAC key of an external account binding); what was there before under
// that name is replaced. A private key is never replaced by it: secret.ErrConflict.
func (s *SystemKeys) PutSecret(ctx context.Context, name string, value secret.Bytes) error {
	err := s.put(ctx, name, holdsSecret, value.Reveal())
	if !errors.Is(err, secret.ErrConflict) {
		return err
	}
	old, err := s.open(ctx, name)
	if err != nil {
		return err
	}
	defer old.Wipe()
	if old[0] != holdsSecret {
		return fmt.Errorf("system secret %s: %w: a private key has that name", name, secret.ErrConflict)
	}
	return s.replace(ctx, name, holdsSecret, value.Reveal())
}

// GetSecret gives the bytes of that name; secret.ErrNotFound.
func (s *SystemKeys) GetSecret(ctx context.Context, name string) (secret.Bytes, error) {
	plain, err := s.open(ctx, name)
	if err != nil {
		return nil, err
	}
	if plain[0] != holdsSecret {
		plain.Wipe()
		return nil, fmt.Errorf("system secret %s: it is a private key, and those are not given out", name)
	}
	return plain[1:], nil
}

// SealApart moves a key to "apart/<name>": from then on Signer(name) fails with ErrApart, and nothing can be
// signed with it by mistake. It may be repeated, after a crash between its two writes too.
func (s *SystemKeys) SealApart(ctx context.Context, name string) error {
	plain, err := s.open(ctx, name)
	if err != nil {
		return err
	}
	defer plain.Wipe()
	switch plain[0] {
	case holdsApart:
		return nil
	case holdsSecret:
		return fmt.Errorf("system secret %s: only private keys are sealed apart", name)
	}
	err = s.putAt(ctx, apartPrefix+name, holdsKey, plain[1:])
	if errors.Is(err, secret.ErrConflict) {
		there, oerr := s.open(ctx, apartPrefix+name)
		if oerr != nil {
			return oerr
		}
		defer there.Wipe()
		if !bytes.Equal(there, plain) {
			return fmt.Errorf("system key %s: %w: another key of that name was sealed apart before", name, secret.ErrConflict)
		}
		err = nil
	}
	if err != nil {
		return err
	}
	return s.replace(ctx, name, holdsApart, nil)
}

// Apart gives a key that was sealed apart, for the one thing that needs it: a root that signs a new
// issuing authority. secret.ErrNotFound when none was.
func (s *SystemKeys) Apart(ctx context.Context, name string) (crypto.Signer, error) {
	return s.signer(ctx, apartPrefix+name)
}

// List gives the names of all rows, those sealed apart as "apart/<name>".
func (s *SystemKeys) List(ctx context.Context) ([]string, error) {
	return s.rows.ListSystemKeys(ctx)
}

// Rewrap wraps every row with the newest KEK and says how many it changed. It may be repeated.
func (s *SystemKeys) Rewrap(ctx context.Context) (int, error) {
	names, err := s.rows.ListSystemKeys(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, name := range names {
		sealed, err := s.rows.SystemKey(ctx, name)
		if err != nil {
			return n, fmt.Errorf("system key %s: %w", name, err)
		}
		again, changed, err := s.kr.Rewrap(sealed)
		if err != nil {
			return n, fmt.Errorf("system key %s: %w", name, err)
		}
		if !changed {
			continue
		}
		if err := s.rows.ReplaceSystemKey(ctx, name, again); err != nil {
			return n, fmt.Errorf("system key %s: %w", name, err)
		}
		n++
	}
	return n, nil
}

func (s *SystemKeys) signer(ctx context.Context, name string) (crypto.Signer, error) {
	plain, err := s.open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer plain.Wipe()
	switch plain[0] {
	case holdsApart:
		return nil, fmt.Errorf("system key %s: %w: it signs nothing in daily work", name, ErrApart)
	case holdsSecret:
		return nil, fmt.Errorf("system key %s: it is a secret, no private key", name)
	}
	key, err := parseKey(plain[1:])
	if err != nil {
		return nil, fmt.Errorf("system key %s: %w", name, err)
	}
	return key, nil
}

// put is putAt for names that callers choose.
func (s *SystemKeys) put(ctx context.Context, name string, holds byte, value []byte) error {
	if name == "" || strings.HasPrefix(name, apartPrefix) {
		return fmt.Errorf("system key %q: the name must not be empty nor begin with %s", name, apartPrefix)
	}
	return s.putAt(ctx, name, holds, value)
}

func (s *SystemKeys) putAt(ctx context.Context, name string, holds byte, value []byte) error {
	sealed, err := s.seal(name, holds, value)
	if err != nil {
		return err
	}
	if err := s.rows.PutSystemKey(ctx, name, sealed); err != nil {
		return fmt.Errorf("store the system key %s: %w", name, err)
	}
	return nil
}

func (s *SystemKeys) replace(ctx context.Context, name string, holds byte, value []byte) error {
	sealed, err := s.seal(name, holds, value)
	if err != nil {
		return err
	}
	if err := s.rows.ReplaceSystemKey(ctx, name, sealed); err != nil {
		return fmt.Errorf("store the system key %s: %w", name, err)
	}
	return nil
}

func (s *SystemKeys) seal(name string, holds byte, value []byte) ([]byte, error) {
	plain := append(secret.Bytes{holds}, value...)
	defer plain.Wipe()
	return s.kr.Seal(plain, systemPlace(name))
}

// open gives what a row holds, at least one byte long.
func (s *SystemKeys) open(ctx context.Context, name string) (secret.Bytes, error) {
	sealed, err := s.rows.SystemKey(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("system key %s: %w", name, err)
	}
	plain, err := s.kr.Open(sealed, systemPlace(name))
	if err != nil {
		return nil, err
	}
	if len(plain) == 0 {
		return nil, fmt.Errorf("system key %s: %w: it is empty", name, secret.ErrUnsealed)
	}
	return plain, nil
}

func systemPlace(name string) string { return "system/" + name }

// parseKey reads PKCS#8. Its errors never quote the input.
func parseKey(der []byte) (crypto.Signer, error) {
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("the stored private key cannot be read: it is no PKCS#8")
	}
	s, ok := k.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("the stored private key is a %T, which cannot sign", k)
	}
	return s, nil
}
