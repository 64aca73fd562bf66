package diagnose

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
)

// sha1Leaf makes a leaf signed with SHA-1, which the standard library refuses to make: it takes a
// good one apart, changes the algorithm and signs it again.
func sha1Leaf(t *testing.T, from *authority, name string) []byte {
	t.Helper()
	good := mint(t, ecKeys[2], from, func(c *x509.Certificate) { c.DNSNames = []string{name} })
	type tbs struct {
		Raw        asn1.RawContent
		Version    int `asn1:"optional,explicit,default:0,tag:0"`
		Serial     *big.Int
		Algorithm  pkix.AlgorithmIdentifier
		Issuer     asn1.RawValue
		Validity   asn1.RawValue
		Subject    asn1.RawValue
		PublicKey  asn1.RawValue
		Extensions asn1.RawValue `asn1:"optional,explicit,tag:3"`
	}
	var in tbs
	if _, err := asn1.Unmarshal(good.cert.RawTBSCertificate, &in); err != nil {
		t.Fatal(err)
	}
	alg := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, Parameters: asn1.NullRawValue}
	in.Raw, in.Algorithm = nil, alg
	body, err := asn1.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha1.Sum(body)
	sig, err := rsa.SignPKCS1v15(rand.Reader, from.key.(*rsa.PrivateKey), crypto.SHA1, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	der, err := asn1.Marshal(struct {
		Body asn1.RawValue
		Alg  pkix.AlgorithmIdentifier
		Sig  asn1.BitString
	}{asn1.RawValue{FullBytes: body}, alg, asn1.BitString{Bytes: sig, BitLength: len(sig) * 8}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return der
}
