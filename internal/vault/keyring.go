package vault

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"certwright/internal/secret"
)

// Keyring seals what must lie in the database unread. Each sealed thing has a random data key of its
// own, wrapped by a key-encryption key (KEK). It holds the newest KEK, which seals, and older ones, which
// only open. It is safe for concurrent use and never changes after OpenKeyring.
type Keyring struct {
	newest kek
	all    map[[kekIDSize]byte]kek
}

// kek is a key-encryption key. Its id is derived from it, so that a key cannot be taken for another.
type kek struct {
	id  [kekIDSize]byte
	key secret.Bytes
}

// Settings are the store's own settings, as far as the keyring needs them: the salt of a passphrase
// and the check value.
type Settings interface {
	// Setting reads a value; secret.ErrNotFound (or an empty value) when it was never set.
	Setting(ctx context.Context, name string) ([]byte, error)
	SetSetting(ctx context.Context, name string, value []byte) error
}

// settingCreator is a Settings that can also create only: secret.ErrConflict when the name is set
// already. With it two replicas that start on an empty store at the same moment cannot seal under
// different keys; without it the check value is read back, which leaves them a moment to.
type settingCreator interface {
	CreateSetting(ctx context.Context, name string, value []byte) error
}

// Names of the keyring's settings.
const (
	settingCheck = "keyring.check" // a known text, sealed by the newest KEK
	settingSalt  = "keyring.salt"  // of passphrases; not secret
)

// checkText is what the check value holds, checkPlace where it is bound to.
const (
	checkText  = "certwright: this store opens"
	checkPlace = "settings/" + settingCheck
)

// KeyringOptions say where the key-encryption keys come from.
type KeyringOptions struct {
	Current Source   // seals; the only one needed unless the key was changed
	Older   []Source // open what was sealed before the key was changed, until everything is rewrapped
	Create  bool     // make Current's file with random bytes when it is not there and the store is unused
}

// OpenKeyring reads the KEKs and holds them against the store's check value BEFORE anything is
// written: a KEK that does not open this store ends in secret.ErrWrongKey, store and disk unchanged. At first use it
// stores the check value; after a change of key (the former in Older) it stores a new one.
func OpenKeyring(ctx context.Context, o KeyringOptions, s Settings) (*Keyring, error) {
	check, err := readSetting(ctx, s, settingCheck)
	if err != nil {
		return nil, err
	}
	salt, err := readSetting(ctx, s, settingSalt)
	if err != nil {
		return nil, err
	}
	fresh := len(check) == 0
	l := loader{salt: salt, fresh: fresh, create: o.Create && fresh}
	kr, err := l.ring(o)
	if err != nil {
		return nil, err
	}
	if !fresh {
		if err := kr.verify(check); err != nil {
			return nil, err
		}
		if e, _ := parseEnvelope(check); e.kek == kr.newest.id {
			return kr, nil
		}
	}
	if l.newSalt {
		err := firstSetting(ctx, s, settingSalt, l.salt)
		if errors.Is(err, secret.ErrConflict) {
			return OpenKeyring(ctx, o, s) // another replica was first: its salt is there now
		}
		if err != nil {
			return nil, fmt.Errorf("store the salt of the key-encryption passphrase: %w", err)
		}
	}
	if err := kr.storeCheck(ctx, s, fresh); err != nil {
		return nil, err
	}
	return kr, nil
}

// firstSetting stores a value that nobody stored before.
func firstSetting(ctx context.Context, s Settings, name string, value []byte) error {
	if c, ok := s.(settingCreator); ok {
		return c.CreateSetting(ctx, name, value)
	}
	return s.SetSetting(ctx, name, value)
}

// NewKeyring makes a keyring of one KEK of 32 bytes, without a check value: for tests and tools.
func NewKeyring(key secret.Bytes) (*Keyring, error) {
	k, err := newKEK(key)
	if err != nil {
		return nil, err
	}
	return &Keyring{newest: k, all: map[[kekIDSize]byte]kek{k.id: k}}, nil
}

// newKEK derives the id of a key.
func newKEK(key secret.Bytes) (kek, error) {
	if len(key) != keySize {
		return kek{}, fmt.Errorf("key-encryption key: %d bytes, %d are needed", len(key), keySize)
	}
	id, err := hkdf.Key(sha256.New, key.Reveal(), nil, "certwright kek id v1", kekIDSize)
	if err != nil {
		return kek{}, fmt.Errorf("key-encryption key: derive its id: %w", err)
	}
	k := kek{key: append(secret.Bytes(nil), key...)}
	copy(k.id[:], id)
	return k, nil
}

// verify opens the store's check value.
func (kr *Keyring) verify(check []byte) error {
	plain, err := kr.Open(check, checkPlace)
	if err == nil && string(plain) != checkText {
		err = errors.New("it holds something else")
	}
	if err != nil {
		why := err.Error()
		if _, after, ok := strings.Cut(why, secret.ErrWrongKey.Error()+": "); ok {
			why = after
		}
		return fmt.Errorf("%w: %s; configured is key %s. Nothing was written\n"+
			"  → configure the key that it was sealed with; if it was changed on purpose, name the former one under 'older'",
			secret.ErrWrongKey, why, kr.newest.name())
	}
	return nil
}

// storeCheck writes the check value and reads it back: where two replicas start on an empty store
// with different keys at the same moment, one of them stops here instead of sealing apart.
func (kr *Keyring) storeCheck(ctx context.Context, s Settings, first bool) error {
	sealed, err := kr.Seal(secret.Bytes(checkText), checkPlace)
	if err != nil {
		return err
	}
	put := s.SetSetting
	if first {
		put = func(ctx context.Context, name string, value []byte) error { return firstSetting(ctx, s, name, value) }
	}
	if err := put(ctx, settingCheck, sealed); err != nil && !errors.Is(err, secret.ErrConflict) {
		return fmt.Errorf("store the check value of the key-encryption key: %w", err)
	}
	stored, err := readSetting(ctx, s, settingCheck)
	if err != nil {
		return err
	}
	return kr.verify(stored)
}

// KeyID names the KEK that seals, in hexadecimal: for the log and for health.
func (kr *Keyring) KeyID() string { return kr.newest.name() }

func (k kek) name() string { return hex.EncodeToString(k.id[:]) }

// Seal encrypts plain under a new data key, bound to its place (aad): opening it at another fails.
func (kr *Keyring) Seal(plain secret.Bytes, aad string) ([]byte, error) {
	if len(plain) > maxPlain {
		return nil, fmt.Errorf("seal %s: %d bytes, at most %d are taken", aad, len(plain), maxPlain)
	}
	var dek [keySize]byte
	rand.Read(dek[:])
	defer clear(dek[:])
	out := make([]byte, 0, minSealed+len(plain))
	out = append(append(out, head()...), kr.newest.id[:]...)
	out, err := gcmSeal(out, kr.newest.key.Reveal(), dek[:], wrapAAD(kr.newest.id))
	if err != nil {
		return nil, fmt.Errorf("seal %s: wrap its data key: %w", aad, err)
	}
	out, err = gcmSeal(out, dek[:], plain.Reveal(), sealAAD(aad))
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", aad, err)
	}
	return out, nil
}

// Open decrypts what Seal made for the same place. secret.ErrWrongKey when no KEK of the ring wraps
// its data key, secret.ErrUnsealed when it was changed, cut or belongs to another place.
func (kr *Keyring) Open(sealed []byte, aad string) (secret.Bytes, error) {
	e, err := parseEnvelope(sealed)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w: %w", aad, secret.ErrUnsealed, err)
	}
	dek, err := kr.unwrap(e)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", aad, err)
	}
	defer clear(dek)
	plain, err := gcmOpen(dek, e.content, sealAAD(aad))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w: it was changed, or belongs to another place", aad, secret.ErrUnsealed)
	}
	return plain, nil
}

// Rewrap wraps the data key of a sealed value with the newest KEK; false if it is already. The content is
// neither opened nor changed, so no place is needed. After all rows are rewrapped, the older KEKs can go.
func (kr *Keyring) Rewrap(sealed []byte) ([]byte, bool, error) {
	e, err := parseEnvelope(sealed)
	if err != nil {
		return nil, false, fmt.Errorf("rewrap: %w: %w", secret.ErrUnsealed, err)
	}
	dek, err := kr.unwrap(e)
	if err != nil {
		return nil, false, fmt.Errorf("rewrap: %w", err)
	}
	defer clear(dek)
	if e.kek == kr.newest.id {
		return sealed, false, nil
	}
	out := make([]byte, 0, len(sealed))
	out = append(append(out, head()...), kr.newest.id[:]...)
	out, err = gcmSeal(out, kr.newest.key.Reveal(), dek, wrapAAD(kr.newest.id))
	if err != nil {
		return nil, false, fmt.Errorf("rewrap: %w", err)
	}
	return append(out, e.content...), true, nil
}

// unwrap gives the data key of an envelope.
func (kr *Keyring) unwrap(e envelope) ([]byte, error) {
	k, ok := kr.all[e.kek]
	if !ok {
		return nil, fmt.Errorf("%w: it is sealed with key %s, which is not configured", secret.ErrWrongKey, kek{id: e.kek}.name())
	}
	dek, err := gcmOpen(k.key.Reveal(), e.wrapped, wrapAAD(k.id))
	if err != nil || len(dek) != keySize {
		return nil, fmt.Errorf("%w: its data key was changed", secret.ErrUnsealed)
	}
	return dek, nil
}

// readSetting reads a setting; nil when it was never set.
func readSetting(ctx context.Context, s Settings, name string) ([]byte, error) {
	v, err := s.Setting(ctx, name)
	if errors.Is(err, secret.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the store's setting %s: %w", name, err)
	}
	return v, nil
}
