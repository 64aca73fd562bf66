package server

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// systemRootFiles are where systems keep the roots that they trust, as crypto/x509 looks for them.
var systemRootFiles = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem"}

// publicRoots are those that browsers come with.
func publicRoots() *x509.CertPool {
	pool := x509.NewCertPool()
	for r := range bundle.Roots() {
		if c, err := x509.ParseCertificate(r.Certificate); err == nil {
			pool.AddCert(c)
		}
	}
	return pool
}

// addedRoots are the fingerprints of the roots that this system trusts and that browsers do not come with: an
// administrator added them, so what browsers ask of public certificates does not hold for what they sign. files
// are looked for in turn; the first that is there counts.
func addedRoots(files []string) []string {
	public := map[[sha256.Size]byte]bool{}
	for r := range bundle.Roots() {
		public[sha256.Sum256(r.Certificate)] = true
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		var out []string
		for b, rest := pem.Decode(text); b != nil; b, rest = pem.Decode(rest) {
			if sum := sha256.Sum256(b.Bytes); b.Type == "CERTIFICATE" && !public[sum] {
				out = append(out, fmt.Sprintf("%X", sum))
			}
		}
		return out
	}
	return nil
}
