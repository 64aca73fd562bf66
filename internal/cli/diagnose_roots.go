package cli

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// trustedRoots are the built-in roots (Mozilla's), or those of a PEM file in their place.
func trustedRoots(file string) (roots *x509.CertPool, list []*x509.Certificate, err error) {
	roots = x509.NewCertPool()
	if file == "" {
		for r := range bundle.Roots() {
			c, err := x509.ParseCertificate(r.Certificate)
			if err != nil {
				continue // one that this Go refuses to read cannot be a trusted root either
			}
			list = append(list, c)
			if r.Constraint != nil {
				roots.AddCertWithConstraint(c, r.Constraint)
			} else {
				roots.AddCert(c)
			}
		}
		return roots, list, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, fmt.Errorf("read the trusted roots: %w", err)
	}
	for b, rest := pem.Decode(text); b != nil; b, rest = pem.Decode(rest) {
		if b.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("read the trusted roots from %s: certificate %d cannot be read: %w", file, len(list)+1, err)
		}
		roots.AddCert(c)
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, nil, fmt.Errorf("%s holds no certificate in PEM form (\"-----BEGIN CERTIFICATE-----\"), so nothing would be trusted", file)
	}
	return roots, list, nil
}
