package scenario

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
)

// sha1Leaf signs with SHA-1, which the standard library refuses to do: the certificate is made with
// SHA-256 first, then its algorithm is exchanged and it is signed anew.
func sha1Leaf(tmpl, parent *x509.Certificate, key, signer crypto.Signer) ([]byte, error) {
	rsaKey, ok := signer.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("SHA-1 needs an issuer with an RSA key: mint -as-ca NAME -key RSA-2048")
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	var whole struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &whole); err != nil {
		return nil, err
	}
	sha1RSA := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, Parameters: asn1.NullRawValue}
	tbs, err := exchange(whole.TBS, sha1RSA)
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum(tbs)
	sig, err := rsa.SignPKCS1v15(rand.Reader, rsaKey, crypto.SHA1, sum[:])
	if err != nil {
		return nil, err
	}
	whole.TBS = asn1.RawValue{FullBytes: tbs}
	whole.Algorithm, whole.Signature = sha1RSA, asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)}
	return asn1.Marshal(whole)
}

// exchange puts another signature algorithm into the part that is signed: its third element, after version and serial.
func exchange(tbs asn1.RawValue, alg pkix.AlgorithmIdentifier) ([]byte, error) {
	var parts []asn1.RawValue
	for rest := tbs.Bytes; len(rest) > 0; {
		var p asn1.RawValue
		next, err := asn1.Unmarshal(rest, &p)
		if err != nil {
			return nil, err
		}
		parts, rest = append(parts, p), next
	}
	if len(parts) < 3 {
		return nil, errors.New("the certificate has too few parts")
	}
	der, err := asn1.Marshal(alg)
	if err != nil {
		return nil, err
	}
	parts[2] = asn1.RawValue{FullBytes: der}
	var body []byte
	for _, p := range parts {
		body = append(body, p.FullBytes...)
	}
	return asn1.Marshal(asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSequence, IsCompound: true, Bytes: body})
}
