package order

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"math/big"
)

// BadKey says why a key must not be certified, with its finding id; "" when it is well.
func BadKey(pub any) (id, why string) {
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
		if why := weakRSA(k); why != "" {
			return "ca-csr-weak-key", why
		}
		return "", ""
	}
	return "ca-csr-key-type-unsupported", fmt.Sprintf("keys of type %T are not accepted: use EC-P256, EC-P384 or RSA", pub)
}

// weakRSA finds RSA keys that can be broken (BR 6.1.1.3): too short, a bad exponent, small
// factors, factors close to each other (Fermat), or the structure of ROCA (CVE-2017-15361).
func weakRSA(k *rsa.PublicKey) string {
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
	case smallFactor(k.N):
		return "the RSA key's modulus has a small factor"
	case roca(k.N):
		return "the RSA key was made by a flawed library (ROCA, CVE-2017-15361)"
	case closePrimes(k.N):
		return "the RSA key's two primes are too close to each other (Fermat factorization)"
	}
	return ""
}

// smallFactor tries the primes below 752, as BR 6.1.6 asks.
func smallFactor(n *big.Int) bool {
	var m big.Int
	for p := int64(2); p < 752; p++ {
		if big.NewInt(p).ProbablyPrime(0) && m.Mod(n, big.NewInt(p)).Sign() == 0 {
			return true
		}
	}
	return false
}

// rocaPrimes are the primes of the published fingerprint (Nemec et al., CCS 2017).
var rocaPrimes = []int64{11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157}

// roca says whether the modulus is a power of 65537 modulo every prime of the fingerprint.
func roca(n *big.Int) bool {
	var m big.Int
	for _, p := range rocaPrimes {
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

// closePrimes makes 100 rounds of Fermat's factorization (BR 6.1.1.3).
func closePrimes(n *big.Int) bool {
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
