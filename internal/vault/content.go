package vault

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"

	"certwright/internal/secret"

	pkcs12 "software.sslmate.com/src/go-pkcs12"
)

// pfx writes PKCS#12 as OpenSSL 3 does (AES-256-CBC, PBKDF2 and MAC with SHA-256), but derives its keys
// with a single iteration. Iterations slow down the guessing of a password; this password is empty and public,
// so they would protect nothing (the value is encrypted by the keyring, and whoever may read it
// needs no guess). They would cost: 1.5 ms of CPU per certificate at the usual 2048, 0.09 ms at 1.
var pfx = pkcs12.Modern2023.WithIterations(1)

// pair is a certificate value taken apart: the leaf with the key that fits it, and the rest of its chain.
type pair struct {
	key   crypto.Signer
	chain []*x509.Certificate // leaf first
}

// der gives the chain as it was sent.
func (p pair) der() [][]byte {
	out := make([][]byte, len(p.chain))
	for i, c := range p.chain {
		out[i] = c.Raw
	}
	return out
}

// matches says whether the key is the leaf's.
func (p pair) matches() bool { return len(p.chain) > 0 && sameKey(p.key, p.chain[0].PublicKey) }

// equal says whether both hold the same key and the same chain, byte for byte.
func (p pair) equal(q pair) bool {
	if len(p.chain) != len(q.chain) || p.key == nil || q.key == nil || !sameKey(p.key, q.key.Public()) {
		return false
	}
	for i := range p.chain {
		if !bytes.Equal(p.chain[i].Raw, q.chain[i].Raw) {
			return false
		}
	}
	return true
}

// newPair parses a chain in DER.
func newPair(key crypto.Signer, chain [][]byte) (pair, error) {
	p := pair{key: key}
	if len(chain) == 0 {
		return p, errors.New("the chain is empty: the leaf certificate is missing")
	}
	for i, der := range chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return p, fmt.Errorf("certificate %d of the chain cannot be read: %w", i+1, err)
		}
		p.chain = append(p.chain, c)
	}
	return p, nil
}

// encode writes the value of a secret: base64 PKCS#12 or PEM.
func encode(p pair, contentType string) (secret.Bytes, error) {
	switch contentType {
	case secret.ContentPFX, "":
		der, err := pfx.Encode(p.key, p.chain[0], p.chain[1:], "")
		if err != nil {
			return nil, fmt.Errorf("encode PKCS#12: %w", err)
		}
		return base64.StdEncoding.AppendEncode(nil, der), nil
	case secret.ContentPEM:
		return encodePEM(p)
	}
	return nil, fmt.Errorf("content type %q is not known: %s or %s", contentType, secret.ContentPFX, secret.ContentPEM)
}

// encodePEM writes the key (PKCS#8) and then the chain: the order in which Key Vault gives PEM out.
func encodePEM(p pair) (secret.Bytes, error) {
	der, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		return nil, fmt.Errorf("encode the private key: %w", err)
	}
	defer clear(der)
	out := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	for _, c := range p.chain {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out, nil
}

// decode reads a value that encode wrote, or that a client stored with the content type of a
// certificate. Its errors say what is wrong with the value and never quote it.
func decode(value secret.Bytes, contentType string) (pair, error) {
	switch contentType {
	case secret.ContentPFX:
		return decodePFX(value)
	case secret.ContentPEM:
		return decodePEM(value)
	}
	return pair{}, fmt.Errorf("content type %q is none of a certificate", contentType)
}

// errLocked is why a PKCS#12 with a password is not read.
var errLocked = errors.New("the PKCS#12 is protected by a password: store it with an empty one")

func decodePFX(value secret.Bytes) (pair, error) {
	if bytes.HasPrefix(value, []byte("-----BEGIN")) {
		return pair{}, errors.New("the value is PEM, but its content type says PKCS#12")
	}
	der := make([]byte, base64.StdEncoding.DecodedLen(len(value)))
	n, err := base64.StdEncoding.Decode(der, bytes.TrimSpace(value.Reveal()))
	if err != nil {
		return pair{}, errors.New("the value is not base64, as a stored PKCS#12 must be")
	}
	key, leaf, rest, err := pkcs12.DecodeChain(der[:n], "")
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return pair{}, errLocked
	}
	if err != nil {
		return pair{}, errors.New("the value is base64, but no PKCS#12 with one key and its certificates")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return pair{}, errors.New("the PKCS#12 holds a key that cannot sign")
	}
	return pair{key: signer, chain: append([]*x509.Certificate{leaf}, rest...)}, nil
}

func decodePEM(value secret.Bytes) (pair, error) {
	var p pair
	for rest := value.Reveal(); ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if b.Type == "CERTIFICATE" {
			c, err := x509.ParseCertificate(b.Bytes)
			if err != nil {
				return p, fmt.Errorf("certificate %d in the PEM cannot be read: %w", len(p.chain)+1, err)
			}
			p.chain = append(p.chain, c)
			continue
		}
		key, err := pemKey(b)
		if err != nil {
			return p, err
		}
		if p.key != nil {
			return p, errors.New("the PEM holds more than one private key")
		}
		p.key = key
	}
	if p.key == nil || len(p.chain) == 0 {
		return p, fmt.Errorf("the PEM must hold a private key and its certificate; it holds %d certificates and a key: %t", len(p.chain), p.key != nil)
	}
	return p, nil
}

// pemKey reads a private key block in any of the three usual encodings.
func pemKey(b *pem.Block) (crypto.Signer, error) {
	var k any
	var err error
	switch b.Type {
	case "PRIVATE KEY":
		k, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	case "RSA PRIVATE KEY":
		k, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	case "EC PRIVATE KEY":
		k, err = x509.ParseECPrivateKey(b.Bytes)
	default:
		return nil, fmt.Errorf("the PEM holds a block %q: only certificates and one unencrypted private key are taken", b.Type)
	}
	s, ok := k.(crypto.Signer)
	if err != nil || !ok {
		return nil, fmt.Errorf("the private key in the PEM (%s) cannot be read", b.Type)
	}
	return s, nil
}

// sameKey says whether the private key belongs to the public one.
func sameKey(key crypto.Signer, public crypto.PublicKey) bool {
	if key == nil {
		return false
	}
	switch k := key.Public().(type) {
	case *rsa.PublicKey:
		return k.Equal(public)
	case *ecdsa.PublicKey:
		return k.Equal(public)
	case ed25519.PublicKey:
		return k.Equal(public)
	}
	return false
}
