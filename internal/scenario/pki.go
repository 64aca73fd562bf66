package scenario

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// authority is a test authority in a folder: root.pem, root.key, int.pem, int.key (PEM, PKCS #8).
type authority struct {
	dir  string
	zone string // of its host pki.ZONE; certificates name http://pki.ZONE/int.crt and /int.crl
}

// newKey makes a key: EC-P256, EC-P384 or RSA-<bits>.
func newKey(kind string) (crypto.Signer, error) {
	switch kind {
	case "", "EC-P256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EC-P384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	}
	var bits int
	if _, err := fmt.Sscanf(kind, "RSA-%d", &bits); err != nil {
		return nil, fmt.Errorf("key kind %q is none of EC-P256, EC-P384, RSA-<bits>", kind)
	}
	return rsa.GenerateKey(rand.Reader, bits)
}

// create makes root and intermediate, each with its list of revoked certificates.
func (a authority) create(organization string) error {
	if err := os.MkdirAll(a.dir, 0o755); err != nil {
		return err
	}
	now := time.Now()
	root, err := a.caTemplate(organization, organization+" Root", now.AddDate(-3, 0, 0), now.AddDate(12, 0, 0))
	if err != nil {
		return err
	}
	rootKey, err := newKey("EC-P384")
	if err != nil {
		return err
	}
	if err := a.keep("root", root, root, rootKey, rootKey); err != nil {
		return err
	}
	mid, err := a.caTemplate(organization, organization+" Issuing 1", now.AddDate(-1, 0, 0), now.AddDate(4, 0, 0))
	if err != nil {
		return err
	}
	mid.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	mid.IssuingCertificateURL, mid.CRLDistributionPoints = []string{a.url("root.crt")}, []string{a.url("root.crl")}
	midKey, err := newKey("EC-P256")
	if err != nil {
		return err
	}
	root, err = readCertificate(filepath.Join(a.dir, "root.pem"))
	if err != nil {
		return err
	}
	if err := a.keep("int", mid, root, midKey, rootKey); err != nil {
		return err
	}
	for _, name := range []string{"root", "int"} {
		if err := a.revoke(name, time.Hour*24*7); err != nil {
			return err
		}
	}
	return nil
}

func (a authority) url(file string) string { return "http://pki." + a.zone + "/" + file }

func (a authority) caTemplate(organization, name string, from, until time.Time) (*x509.Certificate, error) {
	serial, err := newSerial("")
	return &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name, Organization: []string{organization}, Country: []string{"NL"}},
		NotBefore: from, NotAfter: until, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature}, err
}

// keep signs a certificate and writes NAME.pem, NAME.key and NAME.crt (DER, as authorities publish it).
func (a authority) keep(name string, tmpl, parent *x509.Certificate, key, signer crypto.Signer) error {
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), signer)
	if err != nil {
		return fmt.Errorf("sign %s: %w", name, err)
	}
	if err := os.WriteFile(filepath.Join(a.dir, name+".crt"), der, 0o644); err != nil {
		return err
	}
	if err := writeCerts(filepath.Join(a.dir, name+".pem"), der); err != nil {
		return err
	}
	return writeKey(filepath.Join(a.dir, name+".key"), key)
}

// revoke writes NAME.crl, signed by NAME, with these serials; its next update is so far away.
func (a authority) revoke(name string, next time.Duration, serials ...*big.Int) error {
	cert, err := readCertificate(filepath.Join(a.dir, name+".pem"))
	if err != nil {
		return err
	}
	key, err := readKey(filepath.Join(a.dir, name+".key"))
	if err != nil {
		return err
	}
	now := time.Now()
	l := &x509.RevocationList{Number: big.NewInt(now.UnixNano()), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(next)}
	if next < 0 {
		l.ThisUpdate = now.Add(2 * next)
	}
	for _, s := range serials {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: s, RevocationTime: now.Add(-time.Minute), ReasonCode: 1})
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, cert, key)
	if err != nil {
		return fmt.Errorf("sign the list of %s: %w", name, err)
	}
	return os.WriteFile(filepath.Join(a.dir, name+".crl"), der, 0o644)
}

// newSerial reads a hexadecimal serial number, or throws one of 120 bits.
func newSerial(hex string) (*big.Int, error) {
	if hex == "" {
		return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	}
	n, ok := new(big.Int).SetString(hex, 16)
	if !ok {
		return nil, fmt.Errorf("serial %q is not hexadecimal", hex)
	}
	return n, nil
}

func writeCerts(file string, ders ...[]byte) error {
	var text []byte
	for _, der := range ders {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return os.WriteFile(file, text, 0o644)
}

func writeKey(file string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

func readCertificate(file string) (*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	b, _ := pem.Decode(text)
	if b == nil {
		return nil, fmt.Errorf("%s holds no PEM", file)
	}
	return x509.ParseCertificate(b.Bytes)
}

func readKey(file string) (crypto.Signer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	b, _ := pem.Decode(text)
	if b == nil {
		return nil, fmt.Errorf("%s holds no PEM", file)
	}
	k, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	s, ok := k.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s holds no key that signs", file)
	}
	return s, nil
}
