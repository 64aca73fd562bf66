package issue

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"

	"certwright/internal/fulfill"
	"certwright/internal/order"
)

// checkCSR reads a certificate request (DER) and refuses whatever must not be signed: a bad signature, names that
// are not exactly the order's, fields that the authority does not vouch for, a weak key.
func (b *Builtin) checkCSR(r fulfill.Request, der []byte) (*x509.CertificateRequest, *order.Problem) {
	if len(r.Names) == 0 {
		return nil, b.giveUp("finalise", "", "ca-too-many-names", "the order has no names", "Create the order again")
	}
	no := func(id, detail string) *order.Problem {
		p := b.giveUp("check the certificate request", r.Names[0].Value, id, detail, "Make a new request from the order's own names, with an EC-P256 or RSA-2048 key")
		p.Type = "urn:ietf:params:acme:error:badCSR"
		return p
	}
	req, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, no("ca-csr-bad-fields", "cannot be read: "+err.Error())
	}
	if err := req.CheckSignature(); err != nil {
		return nil, no("ca-csr-bad-signature", "invalid signature on CSR: "+err.Error())
	}
	if len(req.EmailAddresses)+len(req.URIs) > 0 {
		return nil, no("ca-csr-bad-fields", "CSR contains e-mail addresses or URIs")
	}
	want, got := builtinNameSet(r), builtinCSRNames(req)
	if !slices.Equal(want, got) {
		return nil, no("ca-csr-names-mismatch", fmt.Sprintf("CSR does not specify same identifiers as Order: it names %s, the order %s", strings.Join(got, ", "), strings.Join(want, ", ")))
	}
	if id, why := builtinBadKey(req.PublicKey); why != "" {
		p := no(id, why)
		p.Type = "urn:ietf:params:acme:error:badPublicKey"
		return nil, p
	}
	return req, nil
}

func builtinNameSet(r fulfill.Request) []string {
	var out []string
	for _, n := range r.Names {
		v := strings.ToLower(n.Value)
		if a, err := netip.ParseAddr(v); err == nil {
			v = a.Unmap().String()
		}
		out = append(out, v)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// builtinCSRNames are the names that a request asks for, its common name included.
func builtinCSRNames(req *x509.CertificateRequest) []string {
	out := []string{}
	for _, n := range req.DNSNames {
		out = append(out, strings.ToLower(n))
	}
	for _, ip := range req.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			out = append(out, a.Unmap().String())
		}
	}
	if cn := strings.ToLower(req.Subject.CommonName); cn != "" {
		out = append(out, cn)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// builtinBadKey says why a key must not be certified, with its finding id; "" when it is well.
func builtinBadKey(pub any) (id, why string) {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() && k.Curve != elliptic.P384() {
			return "ca-csr-key-type-unsupported", "the curve " + k.Curve.Params().Name + " is not accepted: use P-256 or P-384"
		}
		if _, err := k.ECDH(); err != nil { // checks that the point is on the curve and not at infinity
			return "ca-csr-weak-key", "the public key is not a point of its curve"
		}
		return "", ""
	case *rsa.PublicKey:
		if why := builtinWeakRSA(k); why != "" {
			return "ca-csr-weak-key", why
		}
		return "", ""
	}
	return "ca-csr-key-type-unsupported", fmt.Sprintf("keys of type %T are not accepted: use EC-P256, EC-P384 or RSA", pub)
}

// builtinWeakRSA finds RSA keys that can be broken (BR 6.1.1.3): too short, a bad exponent, small
// factors, factors close to each other (Fermat), or the structure of ROCA (CVE-2017-15361).
func builtinWeakRSA(k *rsa.PublicKey) string {
	bits := k.N.BitLen()
	switch {
	case bits < 2048:
		return fmt.Sprintf("the RSA key has %d bits, at least 2048 are needed", bits)
	case bits > 4096:
		return fmt.Sprintf("the RSA key has %d bits, more than 4096 are not accepted", bits)
	case bits%8 != 0:
		return fmt.Sprintf("the RSA key has %d bits, which is no multiple of 8", bits)
	case k.E != 65537:
		return fmt.Sprintf("the RSA key's exponent is %d, only 65537 is accepted", k.E)
	case builtinSmallFactor(k.N):
		return "the RSA key's modulus has a small factor"
	case builtinROCA(k.N):
		return "the RSA key was made by a flawed library (ROCA, CVE-2017-15361)"
	case builtinFermat(k.N):
		return "the RSA key's two primes are too close to each other (Fermat factorization)"
	}
	return ""
}

// builtinSmallFactor tries the primes below 752, as BR 6.1.6 asks.
func builtinSmallFactor(n *big.Int) bool {
	var m big.Int
	for p := int64(2); p < 752; p++ {
		if big.NewInt(p).ProbablyPrime(0) && m.Mod(n, big.NewInt(p)).Sign() == 0 {
			return true
		}
	}
	return false
}

// builtinROCAPrimes are the primes of the published fingerprint (Nemec et al., CCS 2017).
var builtinROCAPrimes = []int64{11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157}

// builtinROCA says whether the modulus is a power of 65537 modulo every prime of the fingerprint.
func builtinROCA(n *big.Int) bool {
	var m big.Int
	for _, p := range builtinROCAPrimes {
		want, in, x := m.Mod(n, big.NewInt(p)).Int64(), false, int64(1)
		for range p {
			if x == want {
				in = true
				break
			}
			x = x * 65537 % p
		}
		if !in {
			return false
		}
	}
	return true
}

// builtinFermat makes 100 rounds of Fermat's factorization (BR 6.1.1.3).
func builtinFermat(n *big.Int) bool {
	a := new(big.Int).Sqrt(n)
	one := big.NewInt(1)
	if new(big.Int).Mul(a, a).Cmp(n) < 0 {
		a.Add(a, one)
	}
	var b2, b big.Int
	for range 100 {
		b2.Sub(b2.Mul(a, a), n)
		b.Sqrt(&b2)
		if new(big.Int).Mul(&b, &b).Cmp(&b2) == 0 {
			return true
		}
		a.Add(a, one)
	}
	return false
}
