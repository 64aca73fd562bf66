package fulfill

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"net"
	"strings"

	"certwright/internal/order"
	"certwright/internal/secret"
)

type keySigner = crypto.Signer

// NewID is 32 random hexadecimal digits.
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails (Go 1.24)
	return hex.EncodeToString(b[:])
}

// NewUUID makes a random UUID (version 4, RFC 9562): the form of ids that go with a request.
func NewUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // as above
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// sealPlace binds a sealed key to its attempt.
func sealPlace(attempt string) string { return "attempt/" + attempt }

// keyFor gives an attempt what it asks with: its owner's request where they hold the key, else a key made and sealed here
// and the request for it.
func (m *Mover) keyFor(o *order.Order, a *order.Attempt) error {
	if o.Spec.ExternalKey {
		a.External, a.CSR = true, o.Spec.CSR
		return nil
	}
	key, err := order.GenerateKey(a.KeyType)
	if err != nil {
		return err
	}
	if a.CSR, err = makeCSR(key, o.Spec.Names); err != nil {
		return fmt.Errorf("make the certificate request: %w", err)
	}
	a.Sealed, err = m.sealKey(key, a.ID)
	return err
}

// requestOf is what an attempt asks with: its key (nil where its owner holds it), the request, the public key in it.
func (m *Mover) requestOf(o *order.Order, a *order.Attempt) (key crypto.Signer, csr []byte, public any, err error) {
	if a.External {
		req, err := order.ParseRequest(a.CSR)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("the certificate request: %w", err)
		}
		return nil, a.CSR, req.Public, nil
	}
	if key, err = m.openKey(a); err != nil {
		return nil, nil, nil, err
	}
	if csr = a.CSR; csr == nil { // begun before requests were kept
		csr, err = makeCSR(key, o.Spec.Names)
	}
	return key, csr, key.Public(), err
}

func (m *Mover) sealKey(key crypto.Signer, attempt string) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode the key: %w", err)
	}
	plain := secret.Bytes(der)
	defer plain.Wipe()
	sealed, err := m.Sealer.Seal(plain, sealPlace(attempt))
	if err != nil {
		return nil, fmt.Errorf("seal the key: %w", err)
	}
	return sealed, nil
}

// openKey opens the key sealed on an attempt.
func (m *Mover) openKey(a *order.Attempt) (crypto.Signer, error) {
	plain, err := m.Sealer.Open(a.Sealed, sealPlace(a.ID))
	if err != nil {
		return nil, err
	}
	defer plain.Wipe()
	key, err := x509.ParsePKCS8PrivateKey(plain.Reveal())
	if err != nil {
		return nil, fmt.Errorf("the sealed key cannot be read")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("the sealed key cannot sign")
	}
	return signer, nil
}

func keyTypeList() string {
	var names []string
	for _, k := range order.KeyTypes {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// makeCSR makes the request: the names as subject alternative names; a common name only where it fits
// (RFC 5280 limits it to 64 characters).
func makeCSR(key crypto.Signer, names []order.Name) ([]byte, error) {
	t := &x509.CertificateRequest{}
	for _, n := range names {
		if n.Kind == order.IP {
			t.IPAddresses = append(t.IPAddresses, net.ParseIP(n.Value))
		} else {
			t.DNSNames = append(t.DNSNames, n.Value)
		}
	}
	if n := names[0]; n.Kind == order.DNS && len(n.Value) <= 64 {
		t.Subject = pkix.Name{CommonName: n.Value}
	}
	return x509.CreateCertificateRequest(rand.Reader, t, key)
}

// checkIssued reads what an authority issued and refuses anything but what was asked for: the request's key, all
// our names. A certificate that lost a name would silently break the site behind it.
func checkIssued(chain [][]byte, public any, names []order.Name) (order.Version, error) {
	v, err := order.ParseChain(chain)
	if err != nil {
		return v, err
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return v, err
	}
	if !samePublic(leaf.PublicKey, public) {
		return v, fmt.Errorf("the certificate holds another public key than the request")
	}
	have := map[string]bool{}
	for _, n := range v.Names {
		have[strings.ToLower(n)] = true
	}
	for _, n := range names {
		if !have[n.Value] {
			return v, fmt.Errorf("the certificate lacks the name %s; it has %s", n.Value, strings.Join(v.Names, ", "))
		}
	}
	return v, nil
}

func samePublic(a, b any) bool {
	x, err1 := x509.MarshalPKIXPublicKey(a)
	y, err2 := x509.MarshalPKIXPublicKey(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}
