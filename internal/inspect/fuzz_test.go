package inspect

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"certwright/internal/evidence"
)

// FuzzRevocation: whatever a list's server or a responder sends, a status comes only out of what the issuer signed.
func FuzzRevocation(f *testing.F) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	tmpl := func(cn string, serial int64, ca bool) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: cn}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
			IsCA: ca, BasicConstraintsValid: ca, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SubjectKeyId: []byte{1}}
	}
	made := func(t *x509.Certificate) *x509.Certificate {
		der, err := x509.CreateCertificate(rand.Reader, t, tmpl("issuer", 1, true), key.Public(), key)
		if err != nil {
			f.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			f.Fatal(err)
		}
		return c
	}
	issuer, leaf := made(tmpl("issuer", 1, true)), made(tmpl("leaf", 2, false))
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: big.NewInt(2), RevocationTime: now}}}, issuer, key)
	if err != nil {
		f.Fatal(err)
	}
	answer, err := ocsp.CreateResponse(issuer, issuer, ocsp.Response{Status: ocsp.Good, SerialNumber: big.NewInt(2), ThisUpdate: now, NextUpdate: now.Add(time.Hour)}, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(list)
	f.Add(answer)
	f.Add([]byte("-----BEGIN X509 CRL-----\nMA==\n-----END X509 CRL-----\n"))
	a := revocationAsk{leaf: leaf, issuer: issuer}
	f.Fuzz(func(t *testing.T, in []byte) {
		var r evidence.Revocation
		if err := a.readAnswer(in, "an answer", &r); (err == nil) != (r.Status != "") {
			t.Errorf("status %q with error %v", r.Status, err)
		}
		if l, err := parseCRL(in); (err == nil) != (l != nil) {
			t.Errorf("list %v with error %v", l, err)
		}
	})
}
