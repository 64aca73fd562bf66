package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
)

// The envelope is the stored form of everything sealed, version 1:
//
//	2  magic "CW"
//	1  format version
//	8  id of the key-encryption key (KEK) that wraps the data key
//	12 nonce of the wrapping, 32+16 the wrapped data key with its tag
//	12 nonce of the content,  n+16  the content with its tag
//
// The wrapping is bound to the KEK's id and the format; the content is bound to the format and to
// its place (the aad), so that a row copied over another does not open. The place is not part of
// the wrapping: a new KEK can wrap the data key again without knowing where the row lives.
const (
	magic       = "CW"
	formatV1    = 1
	kekIDSize   = 8
	keySize     = 32
	nonceSize   = 12
	tagSize     = 16
	headSize    = len(magic) + 1
	wrapAt      = headSize + kekIDSize
	wrapSize    = nonceSize + keySize + tagSize
	contentAt   = wrapAt + wrapSize
	minSealed   = contentAt + nonceSize + tagSize
	maxPlain    = 1 << 20 // far above any chain with its key; Key Vault itself stops at 25 KiB
	contextWrap = "certwright data key"
	contextSeal = "certwright sealed"
)

// errShape says that bytes are no envelope at all, as opposed to one that does not open.
var errShape = errors.New("not a sealed value of this program")

// envelope is a parsed one; its slices point into the bytes it was parsed from.
type envelope struct {
	kek     [kekIDSize]byte
	wrapped []byte // nonce and wrapped data key
	content []byte // nonce and encrypted content
}

// parseEnvelope splits sealed bytes into their parts. It opens nothing.
func parseEnvelope(sealed []byte) (envelope, error) {
	var e envelope
	switch {
	case len(sealed) == 0:
		return e, fmt.Errorf("%w: it is empty", errShape)
	case len(sealed) < headSize || string(sealed[:len(magic)]) != magic:
		return e, fmt.Errorf("%w: it does not begin as one", errShape)
	case sealed[len(magic)] != formatV1:
		return e, fmt.Errorf("%w: format %d, this build knows format %d: it was written by a newer Certwright", errShape, sealed[len(magic)], formatV1)
	case len(sealed) < minSealed:
		return e, fmt.Errorf("%w: %d bytes, at least %d are needed: it was cut off", errShape, len(sealed), minSealed)
	}
	copy(e.kek[:], sealed[headSize:wrapAt])
	e.wrapped = sealed[wrapAt:contentAt]
	e.content = sealed[contentAt:]
	return e, nil
}

// head is the beginning of an envelope, and part of what both encryptions are bound to.
func head() []byte { return append([]byte(magic), formatV1) }

// wrapAAD binds a wrapped data key to its KEK.
func wrapAAD(kek [kekIDSize]byte) []byte {
	return append(append([]byte(contextWrap), head()...), kek[:]...)
}

// sealAAD binds content to its place.
func sealAAD(place string) []byte {
	return append(append([]byte(contextSeal), head()...), place...)
}

// gcmSeal appends nonce and ciphertext to dst, under a random nonce.
func gcmSeal(dst, key, plain, aad []byte) ([]byte, error) {
	g, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	at := len(dst)
	dst = append(dst, make([]byte, nonceSize)...)
	rand.Read(dst[at:]) // never fails: crypto/rand ends the program first
	return g.Seal(dst, dst[at:at+nonceSize], plain, aad), nil
}

// gcmOpen is the reverse of gcmSeal.
func gcmOpen(key, sealed, aad []byte) ([]byte, error) {
	g, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	if len(sealed) < nonceSize+tagSize {
		return nil, errShape
	}
	return g.Open(nil, sealed[:nonceSize], sealed[nonceSize:], aad)
}

func newGCM(key []byte) (cipher.AEAD, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}
