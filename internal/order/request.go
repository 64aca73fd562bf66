package order

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// maxRequest is the size of the largest certificate request (DER) that is read: a hundred names of the greatest length
// and the largest key fit.
const maxRequest = 32 << 10

// Request is a certificate request (PKCS#10) with what an order has to know of it.
type Request struct {
	DER     []byte
	Public  any
	KeyHash string // as Version.KeyHash
	KeyType KeyType
	Words   []string // its names: the common name first, then the subject alternative names; lower case
}

// ReadRequest reads what people and clients send as a certificate request: PEM, or the DER in base64 with or without
// line breaks. It is checked with ParseRequest.
func ReadRequest(text string) (*Request, error) {
	if len(text) > 2*maxRequest {
		return nil, fmt.Errorf("it has %d characters, a certificate request has at most %d", len(text), 2*maxRequest)
	}
	if block, rest := pem.Decode([]byte(text)); block != nil {
		switch {
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return nil, errors.New("it is a private key: keep that to yourself, and send the request made with it")
		case block.Type != "CERTIFICATE REQUEST" && block.Type != "NEW CERTIFICATE REQUEST":
			return nil, fmt.Errorf("it is a %s, not a CERTIFICATE REQUEST", block.Type)
		case len(bytes.TrimSpace(rest)) > 0:
			return nil, errors.New("something follows after the certificate request")
		}
		return ParseRequest(block.Bytes)
	}
	compact := strings.Join(strings.Fields(text), "")
	der, err := base64.StdEncoding.DecodeString(compact)
	if err != nil || compact == "" {
		return nil, errors.New("it is neither PEM (BEGIN CERTIFICATE REQUEST) nor DER in base64")
	}
	return ParseRequest(der)
}

// ParseRequest reads a request (DER) and checks all that can be said of it by itself: its signature, that it names
// hosts and addresses and nothing else, and that its key is one that may be certified.
func ParseRequest(der []byte) (*Request, error) {
	if len(der) > maxRequest {
		return nil, fmt.Errorf("it has %d octets, a certificate request has at most %d", len(der), maxRequest)
	}
	c, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("it is no certificate request that can be read: %w", err)
	}
	if err := c.CheckSignature(); err != nil {
		return nil, fmt.Errorf("its signature is not by its own key: %w", err)
	}
	if len(c.EmailAddresses)+len(c.URIs) > 0 {
		return nil, errors.New("it holds mail addresses or URIs: a server's certificate names hosts and addresses alone")
	}
	if _, why := BadKey(c.PublicKey); why != "" {
		return nil, errors.New(why)
	}
	r := &Request{DER: der, Public: c.PublicKey, KeyHash: keyHash(c.RawSubjectPublicKeyInfo), KeyType: typeOf(c.PublicKey), Words: NamesOf(c)}
	if !slices.Contains(KeyTypes, r.KeyType) {
		return nil, fmt.Errorf("its key is of type %s: use one of %v", r.KeyType, KeyTypes)
	}
	return r, nil
}

// keyHash is the hash of a SubjectPublicKeyInfo (DER), as Version.KeyHash.
func keyHash(spki []byte) string {
	sum := sha256.Sum256(spki)
	return upperHex(sum[:])
}

// typeOf is the key type of a public key that BadKey has let through.
func typeOf(public any) KeyType {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		return KeyType("EC-" + strings.ReplaceAll(k.Curve.Params().Name, "-", ""))
	case *rsa.PublicKey:
		return KeyType(fmt.Sprintf("RSA-%d", k.N.BitLen()))
	}
	return ""
}

// NamesOf are the names that a request asks for, each once: the common name, then the subject alternative names.
func NamesOf(c *x509.CertificateRequest) []string {
	var words []string
	add := func(w string) {
		if w = strings.ToLower(w); w != "" && !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	add(c.Subject.CommonName)
	for _, n := range c.DNSNames {
		add(n)
	}
	for _, ip := range c.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			add(a.Unmap().String())
		}
	}
	return words
}

// Names says whether the request names exactly these, in whatever order.
func (r *Request) Names(names []Name) bool {
	var want []string
	for _, n := range names {
		want = append(want, n.Value)
	}
	slices.Sort(want)
	return slices.Equal(slices.Sorted(slices.Values(r.Words)), slices.Compact(want))
}
