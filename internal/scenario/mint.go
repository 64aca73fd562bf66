package scenario

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// mintFlags are the ways in which a certificate can be odd.
type mintFlags struct {
	ca, zone, issuer, out, keyOut, keyIn, keyKind, cn, names, serial, eku, chain, permit, exclude, sig, name string
	notBefore, notAfter                                                                                      time.Duration
	staple, noAIA, noCRL, selfSigned                                                                         bool
	next                                                                                                     time.Duration
	revoke                                                                                                   string
}

// Mint makes certificates with every defect that a scenario needs: `certwright-scenario mint -h`.
func Mint(args []string, out io.Writer) error {
	var f mintFlags
	s := flag.NewFlagSet("mint", flag.ContinueOnError)
	s.SetOutput(out)
	s.StringVar(&f.ca, "ca", os.Getenv("CADIR"), "folder of the authority (NAME.pem, NAME.key)")
	s.StringVar(&f.zone, "pki-zone", os.Getenv("CAZONE"), "zone of the authority's host pki.ZONE")
	s.StringVar(&f.issuer, "issuer", "int", "who signs: NAME.pem and NAME.key in the authority's folder")
	s.StringVar(&f.out, "out", "", "file for the chain, PEM")
	s.StringVar(&f.keyOut, "key-out", "", "file for the new key")
	s.StringVar(&f.keyIn, "key-in", "", "use this key")
	s.StringVar(&f.keyKind, "key", "EC-P256", "EC-P256, EC-P384, RSA-2048, RSA-1024 ...")
	s.StringVar(&f.cn, "cn", "", "common name; default the first name")
	s.StringVar(&f.names, "names", os.Getenv("NAME"), "names and addresses, with commas")
	s.StringVar(&f.serial, "serial", "", "hexadecimal")
	s.StringVar(&f.eku, "eku", "server", "server, client, both, none")
	s.StringVar(&f.chain, "chain", "int", "what follows the leaf in -out, with commas: NAMEs of the authority's folder, or none")
	s.StringVar(&f.permit, "permit", "", "name constraint of a CA: permitted domains, with commas")
	s.StringVar(&f.exclude, "exclude", "", "name constraint of a CA: excluded domains, with commas")
	s.StringVar(&f.sig, "sig", "", "signature algorithm: sha1 (by openssl; needs an RSA issuer), or empty")
	s.StringVar(&f.name, "as-ca", "", "make a CA certificate and keep it as NAME.pem and NAME.key in the authority's folder")
	s.DurationVar(&f.notBefore, "not-before", -24*time.Hour, "relative to now")
	s.DurationVar(&f.notAfter, "not-after", 75*24*time.Hour, "relative to now")
	s.BoolVar(&f.staple, "must-staple", false, "TLS feature extension (RFC 7633)")
	s.BoolVar(&f.noAIA, "no-aia", false, "without the issuer's address")
	s.BoolVar(&f.noCRL, "no-crl", false, "without the list of revoked ones")
	s.BoolVar(&f.selfSigned, "self-signed", false, "signed by its own key")
	s.StringVar(&f.revoke, "revoke", "", "no certificate: write -issuer's CRL with these certificates (PEM files, commas; none = an empty list)")
	s.DurationVar(&f.next, "next-update", 7*24*time.Hour, "of the CRL, relative to now")
	if err := s.Parse(args); err != nil {
		return err
	}
	a := authority{dir: f.ca, zone: f.zone}
	if f.revoke != "" {
		return f.revokeAll(a)
	}
	return f.mint(a)
}

func (f mintFlags) revokeAll(a authority) error {
	var serials []*big.Int
	for _, file := range strings.Split(f.revoke, ",") {
		if file == "none" {
			continue
		}
		c, err := readCertificate(file)
		if err != nil {
			return err
		}
		serials = append(serials, c.SerialNumber)
	}
	return a.revoke(f.issuer, f.next, serials...)
}

// template is the certificate before it is signed.
func (f mintFlags) template(a authority) (*x509.Certificate, error) {
	serial, err := newSerial(f.serial)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	t := &x509.Certificate{SerialNumber: serial, NotBefore: now.Add(f.notBefore), NotAfter: now.Add(f.notAfter), BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature}
	if !f.noAIA && !f.selfSigned {
		t.IssuingCertificateURL = []string{a.url(f.issuer + ".crt")}
	}
	if !f.noCRL && !f.selfSigned {
		t.CRLDistributionPoints = []string{a.url(f.issuer + ".crl")}
	}
	t.Subject.CommonName = f.cn
	for _, n := range strings.Split(f.names, ",") {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else if n != "" && f.name == "" {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	if f.cn == "" && len(t.DNSNames) > 0 && len(t.DNSNames[0]) <= 64 {
		t.Subject.CommonName = t.DNSNames[0]
	}
	switch f.eku {
	case "server":
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	case "client":
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	case "both":
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	if f.staple {
		der, err := asn1.Marshal([]int{5})
		if err != nil {
			return nil, err
		}
		t.ExtraExtensions = append(t.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}, Value: der})
	}
	if f.name != "" {
		t.IsCA, t.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
		t.Subject = pkix.Name{CommonName: f.cn, Organization: []string{"Scenario Trust"}}
		t.PermittedDNSDomains, t.ExcludedDNSDomains = split(f.permit), split(f.exclude)
		t.PermittedDNSDomainsCritical = f.permit+f.exclude != ""
	}
	return t, nil
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func (f mintFlags) mint(a authority) error {
	tmpl, err := f.template(a)
	if err != nil {
		return err
	}
	key, err := newKey(f.keyKind)
	if f.keyIn != "" {
		key, err = readKey(f.keyIn)
	}
	if err != nil {
		return err
	}
	parent, signer := tmpl, key
	if !f.selfSigned {
		if parent, err = readCertificate(filepath.Join(a.dir, f.issuer+".pem")); err != nil {
			return err
		}
		if signer, err = readKey(filepath.Join(a.dir, f.issuer+".key")); err != nil {
			return err
		}
	}
	if f.name != "" {
		return a.keep(f.name, tmpl, parent, key, signer)
	}
	if f.keyOut != "" {
		if err := writeKey(f.keyOut, key); err != nil {
			return err
		}
	}
	var leaf []byte
	if f.sig == "sha1" {
		leaf, err = sha1Leaf(tmpl, parent, key, signer)
	} else {
		leaf, err = x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), signer)
	}
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	return f.write(a, leaf)
}

// write writes the leaf with what shall follow it.
func (f mintFlags) write(a authority, leaf []byte) error {
	ders := [][]byte{leaf}
	if f.chain != "none" && !f.selfSigned {
		for _, n := range split(f.chain) {
			if !strings.Contains(n, "/") {
				n = filepath.Join(a.dir, n+".pem")
			}
			text, err := os.ReadFile(n)
			if err != nil {
				return err
			}
			for b, rest := pem.Decode(text); b != nil; b, rest = pem.Decode(rest) {
				ders = append(ders, b.Bytes)
			}
		}
	}
	return writeCerts(f.out, ders...)
}
