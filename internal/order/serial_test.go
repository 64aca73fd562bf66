package order

import (
	"crypto/x509"
	"math/big"
	"testing"
)

// A serial number that begins with a zero digit is written in whole octets by all who compare it.
func TestSerialOfWholeOctets(t *testing.T) {
	for n, want := range map[int64]string{0x0536146777921542: "0536146777921542", 0x7f: "7F", 0xa: "0A", 0: "00", 0x80: "80"} {
		if got := SerialOf(&x509.Certificate{SerialNumber: big.NewInt(n)}); got != want {
			t.Errorf("%#x is written %s, want %s", n, got, want)
		}
	}
}
