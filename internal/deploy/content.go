package deploy

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"certwright/internal/fulfill"
	"certwright/internal/order"

	pkcs12 "software.sslmate.com/src/go-pkcs12"
)

// file is a named file with its content.
type file struct {
	named
	content []byte
	parsed  parsed // what the content holds
}

// parsed is what a file holds, as far as it can be read.
type parsed struct {
	certs []*x509.Certificate
	key   crypto.PublicKey // of the private key in it; nil = none
}

// pfx: as in the vault, one iteration of key derivation. The password is empty, so iterations would protect nothing.
var pfx = pkcs12.Modern2023.WithIterations(1)

// render makes the content of every named file. A key that is not the leaf's is refused, and none where a file is to
// hold it: nothing that cannot work is ever written.
func render(w *work, c fulfill.Certificate) ([]file, string, error) {
	chain, err := parseChain(c.Chain)
	if err != nil {
		return nil, "", err
	}
	secret := slices.ContainsFunc(w.names, func(n named) bool { return secretKind(n.kind) })
	if c.Key == nil && secret || c.Key != nil && !samePublic(c.Key.Public(), chain[0].PublicKey) {
		return nil, "", errors.New("the private key is not the one of the certificate: nothing was written")
	}
	var out []file
	for _, n := range w.names {
		b, err := content(n.kind, c.Key, chain)
		if err != nil {
			return nil, "", fmt.Errorf("make %s: %w", n.path, err)
		}
		f := file{named: n, content: b}
		f.parsed = parse(n.kind, b)
		out = append(out, f)
	}
	return out, order.SerialOf(chain[0]), nil
}

func parseChain(chain [][]byte) ([]*x509.Certificate, error) {
	if len(chain) == 0 {
		return nil, errors.New("the chain is empty: there is no certificate to deploy")
	}
	var out []*x509.Certificate
	for i, der := range chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of the chain cannot be read: %w", i+1, err)
		}
		out = append(out, c)
	}
	return out, nil
}

// content makes the bytes of one kind of file.
func content(kind string, key crypto.Signer, chain []*x509.Certificate) ([]byte, error) {
	switch kind {
	case kindCertificate:
		return pemCerts(chain[:1]), nil
	case kindChain:
		return pemCerts(chain[1:]), nil
	case kindFullchain:
		return pemCerts(chain), nil
	case kindKey:
		return pemKey(key)
	case kindPFX:
		return pfx.Encode(key, chain[0], chain[1:], "")
	case kindCombined:
		k, err := pemKey(key)
		return append(pemCerts(chain), k...), err
	}
	return nil, fmt.Errorf("kind of file %q is not known", kind)
}

func pemCerts(certs []*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range certs {
		pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	return b.Bytes()
}

func pemKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// parse reads what a file holds; what cannot be read is left out.
func parse(kind string, b []byte) parsed {
	if kind == kindPFX {
		return parsePFX(b)
	}
	var p parsed
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			return p
		}
		switch block.Type {
		case "CERTIFICATE":
			if c, err := x509.ParseCertificate(block.Bytes); err == nil {
				p.certs = append(p.certs, c)
			}
		case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			p.key = publicOf(block.Bytes)
		}
	}
}

func parsePFX(b []byte) parsed {
	key, leaf, rest, err := pkcs12.DecodeChain(b, "")
	if err != nil {
		return parsed{}
	}
	p := parsed{certs: append([]*x509.Certificate{leaf}, rest...)}
	if s, ok := key.(crypto.Signer); ok {
		p.key = s.Public()
	}
	return p
}

// publicOf reads a private key in any of the usual encodings and keeps its public half alone.
func publicOf(der []byte) crypto.PublicKey {
	for _, read := range []func([]byte) (any, error){
		x509.ParsePKCS8PrivateKey,
		func(b []byte) (any, error) { return x509.ParseECPrivateKey(b) },
		func(b []byte) (any, error) { return x509.ParsePKCS1PrivateKey(b) },
	} {
		k, err := read(der)
		if s, ok := k.(crypto.Signer); err == nil && ok {
			return s.Public()
		}
	}
	return nil
}

// wipe overwrites rendered keys once they are written.
func wipe(files []file) {
	for _, f := range files {
		if secretKind(f.kind) {
			clear(f.content)
		}
	}
}

// same says whether a file on disk holds what f would: byte for byte, but a PKCS#12 is salted and is compared opened.
func (f file) same(b []byte) bool {
	if f.kind != kindPFX {
		return bytes.Equal(f.content, b)
	}
	p := parsePFX(b)
	if len(p.certs) != len(f.parsed.certs) || p.key == nil || !samePublic(p.key, f.parsed.key) {
		return false
	}
	for i, c := range p.certs {
		if !c.Equal(f.parsed.certs[i]) {
			return false
		}
	}
	return true
}

func samePublic(a, b crypto.PublicKey) bool {
	switch k := a.(type) {
	case *rsa.PublicKey:
		return k.Equal(b)
	case *ecdsa.PublicKey:
		return k.Equal(b)
	case ed25519.PublicKey:
		return k.Equal(b)
	}
	return false
}

// keyHash names a public key: SHA-256 of its SubjectPublicKeyInfo, as order.Version.KeyHash.
func keyHash(key crypto.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "(unreadable)"
	}
	return fmt.Sprintf("%X", sha256.Sum256(der))
}
