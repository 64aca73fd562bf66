package vault

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"certwright/internal/secret"

	"golang.org/x/crypto/argon2"
)

// Source is where a KEK comes from: a file of 32 random bytes, or a passphrase. Exactly one is set.
type Source struct {
	File       string
	Passphrase secret.Bytes
}

// Parameters of Argon2id: the second recommended option of RFC 9106 section 4 (64 MiB), which a
// small server can afford at each start. They stand before the salt, so that they can be raised later.
const (
	argonTime    = 3
	argonMemory  = 64 << 10 // KiB
	argonThreads = 4
	saltSize     = 16
	saltHead     = 1 + 4 + 4 + 1 // format, time, memory, threads
)

// minPassphrase is the shortest passphrase taken, in bytes.
const minPassphrase = 12

// loader reads sources. Nothing is written unless the store is unused (create).
type loader struct {
	salt          []byte
	fresh, create bool
	newSalt       bool
}

// ring reads all sources. A file is made last, after every other source was found good.
func (l *loader) ring(o KeyringOptions) (*Keyring, error) {
	kr := &Keyring{all: map[[kekIDSize]byte]kek{}}
	for _, src := range o.Older {
		k, err := l.load(src, false)
		if err != nil {
			return nil, err
		}
		kr.all[k.id] = k
	}
	k, err := l.load(o.Current, l.create)
	if err != nil {
		return nil, err
	}
	kr.newest, kr.all[k.id] = k, k
	return kr, nil
}

// load reads one source.
func (l *loader) load(src Source, create bool) (kek, error) {
	switch {
	case src.File != "" && len(src.Passphrase) > 0:
		return kek{}, errors.New("key-encryption key: a file and a passphrase are both configured: choose one")
	case src.File != "":
		return l.file(src.File, create)
	case len(src.Passphrase) > 0:
		return l.passphrase(src.Passphrase)
	}
	return kek{}, errors.New("key-encryption key: none is configured: name a key file or a passphrase")
}

// passphrase derives a KEK. The salt is the store's, made at first use.
func (l *loader) passphrase(p secret.Bytes) (kek, error) {
	if len(p) < minPassphrase {
		return kek{}, fmt.Errorf("key-encryption passphrase: %d bytes long, at least %d are needed", len(p), minPassphrase)
	}
	if len(l.salt) == 0 {
		l.salt, l.newSalt = newSalt(), true
	}
	s := l.salt
	if len(s) != saltHead+saltSize || s[0] != 1 {
		return kek{}, fmt.Errorf("key-encryption passphrase: the store's setting %s is not a salt of this program: restore it from a backup", settingSalt)
	}
	time, memory, threads := binary.BigEndian.Uint32(s[1:]), binary.BigEndian.Uint32(s[5:]), s[9]
	// A damaged setting must not make the start take all memory, or panic in argon2.
	if time < 1 || time > 64 || memory < 8 || memory > 4<<20 || threads < 1 {
		return kek{}, fmt.Errorf("key-encryption passphrase: the store's setting %s holds impossible parameters: restore it from a backup", settingSalt)
	}
	return newKEK(argon2.IDKey(p.Reveal(), s[saltHead:], time, memory, threads, keySize))
}

func newSalt() []byte {
	s := make([]byte, saltHead+saltSize)
	s[0] = 1
	binary.BigEndian.PutUint32(s[1:], argonTime)
	binary.BigEndian.PutUint32(s[5:], argonMemory)
	s[9] = argonThreads
	rand.Read(s[saltHead:])
	return s
}

// file reads a key file, or makes it.
func (l *loader) file(path string, create bool) (kek, error) {
	key, err := readKeyFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		switch {
		case create:
			key, err = createKeyFile(path)
		case !l.fresh:
			// A new key would open nothing of this store: say so rather than make one.
			return kek{}, fmt.Errorf("%w: the key file %s is not there, and this store was sealed with it. Nothing was written. Restore the file from its backup", secret.ErrWrongKey, path)
		default:
			return kek{}, fmt.Errorf("key-encryption key: %s is not there: make it (head -c 32 /dev/urandom, mode 0600) or let the configuration make it", path)
		}
	}
	if err != nil {
		return kek{}, err
	}
	return newKEK(key)
}

// readKeyFile reads 32 raw bytes from a file that not everybody may read.
func readKeyFile(path string) (secret.Bytes, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the key-encryption key: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the key-encryption key: %w", err)
	}
	if st.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("the key-encryption key %s may be read by everybody (mode %04o): chmod 0600 it, and change the key if others had access", path, st.Mode().Perm())
	}
	b, err := io.ReadAll(io.LimitReader(f, keySize+1))
	if err != nil {
		return nil, fmt.Errorf("read the key-encryption key %s: %w", path, err)
	}
	if len(b) != keySize {
		return nil, fmt.Errorf("the key-encryption key %s must hold exactly %d raw bytes; it holds %d (or more)", path, keySize, len(b))
	}
	return b, nil
}

// createKeyFile makes the key file whole or not at all: it is written beside its place and linked
// there, so that a crash leaves no short key, and another process's file wins over ours.
func createKeyFile(path string) (secret.Bytes, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the key-encryption key: %w", err)
	}
	f, err := os.CreateTemp(dir, ".kek-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("make the key-encryption key: %w", err)
	}
	defer os.Remove(f.Name())
	key := make(secret.Bytes, keySize)
	rand.Read(key)
	_, err = f.Write(key.Reveal())
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Link(f.Name(), path)
	}
	if errors.Is(err, fs.ErrExist) {
		return readKeyFile(path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("make the key-encryption key %s: %w", path, err)
	}
	return key, nil
}

// syncDir makes a new directory entry survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
