package server

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"software.sslmate.com/src/go-pkcs12"

	"certwright/internal/fulfill"
)

// encoder writes certificates with their keys for their owner's hands.
type encoder struct{}

// PEM is the leaf, the chain and the key (PKCS#8) in one text.
func (encoder) PEM(c fulfill.Certificate) ([]byte, error) {
	var b bytes.Buffer
	for _, der := range c.Chain {
		if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
			return nil, err
		}
	}
	key, err := x509.MarshalPKCS8PrivateKey(c.Key)
	if err != nil {
		return nil, fmt.Errorf("encode the key: %w", err)
	}
	err = pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: key})
	return b.Bytes(), err
}

// PFX is a PKCS#12 file with the strong algorithms of today (AES-256, SHA-256), under the password.
func (encoder) PFX(c fulfill.Certificate, password string) ([]byte, error) {
	leaf, err := x509.ParseCertificate(c.Chain[0])
	if err != nil {
		return nil, err
	}
	var cas []*x509.Certificate
	for _, der := range c.Chain[1:] {
		ca, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		cas = append(cas, ca)
	}
	return pkcs12.Modern.Encode(c.Key, leaf, cas, password)
}
