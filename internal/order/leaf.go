package order

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"
)

// ParseLeaf reads what a Version says of its certificate (DER). Number, State and the like are not set.
func ParseLeaf(der []byte) (Version, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return Version{}, fmt.Errorf("read the certificate: %w", err)
	}
	return leafOf(c), nil
}

func leafOf(c *x509.Certificate) Version {
	sum := sha256.Sum256(c.Raw)
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return Version{
		Serial: SerialOf(c), Thumbprint: ThumbprintOf(c.Raw), Fingerprint: upperHex(sum[:]), KeyHash: keyHash(c.RawSubjectPublicKeyInfo),
		Subject: c.Subject.String(), IssuedBy: c.Issuer.String(), Names: names, NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(),
	}
}

// SerialOf is a certificate's serial number as Certwright writes it: upper-case hexadecimal, an even
// number of digits.
func SerialOf(c *x509.Certificate) string {
	b := c.SerialNumber.Bytes()
	if len(b) == 0 {
		b = []byte{0}
	}
	return upperHex(b)
}

// ThumbprintOf is the SHA-1 digest of a certificate as Azure names it: upper-case hexadecimal.
func ThumbprintOf(der []byte) string {
	sum := sha1.Sum(der)
	return upperHex(sum[:])
}

func upperHex(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }

// ParseChain reads a version and its chain in PEM from DER certificates, leaf first.
func ParseChain(chain [][]byte) (Version, error) {
	if len(chain) == 0 {
		return Version{}, fmt.Errorf("the chain is empty")
	}
	v, err := ParseLeaf(chain[0])
	if err != nil {
		return v, err
	}
	v.Chain = EncodeChain(chain)
	return v, nil
}

// EncodeChain writes DER certificates as PEM.
func EncodeChain(chain [][]byte) []byte {
	var b bytes.Buffer
	for _, der := range chain {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // a bytes.Buffer does not fail
	}
	return b.Bytes()
}

// DecodeChain reads PEM certificates as DER; other blocks are passed over.
func DecodeChain(text []byte) [][]byte {
	var chain [][]byte
	for {
		var block *pem.Block
		block, text = pem.Decode(text)
		if block == nil {
			return chain
		}
		if block.Type == "CERTIFICATE" {
			chain = append(chain, block.Bytes)
		}
	}
}
