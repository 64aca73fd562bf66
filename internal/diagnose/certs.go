package diagnose

import (
	"crypto/dsa" //lint:ignore SA1019 only recognised, never used
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"sort"
	"strings"
	"time"
)

// minRSA is the smallest RSA key that clients and authorities accept (Baseline Requirements 6.1.5).
const minRSA = 2048

// keyOf names a certificate's key and its size in bits.
func keyOf(c *x509.Certificate) (kind string, bits int) {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return "RSA", k.N.BitLen()
	case *ecdsa.PublicKey:
		return "ECDSA", k.Curve.Params().BitSize
	case ed25519.PublicKey:
		return "Ed25519", 256
	case *dsa.PublicKey:
		return "DSA", k.P.BitLen()
	}
	return c.PublicKeyAlgorithm.String(), 0
}

func weakKey(kind string, bits int) bool {
	switch kind {
	case "RSA":
		return bits < minRSA
	case "ECDSA":
		return bits < 256
	case "DSA":
		return true
	}
	return false
}

// forServers says whether the extended key usages allow a TLS server (RFC 5280 section 4.2.1.12); no
// such extension allows all.
func forServers(c *x509.Certificate) bool {
	if len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0 {
		return true
	}
	for _, u := range c.ExtKeyUsage {
		if u == x509.ExtKeyUsageServerAuth || u == x509.ExtKeyUsageAny {
			return true
		}
	}
	return false
}

// usagesOf names the extended key usages.
func usagesOf(c *x509.Certificate) string {
	words := map[x509.ExtKeyUsage]string{
		x509.ExtKeyUsageClientAuth: "clientAuth", x509.ExtKeyUsageServerAuth: "serverAuth", x509.ExtKeyUsageCodeSigning: "codeSigning",
		x509.ExtKeyUsageEmailProtection: "emailProtection", x509.ExtKeyUsageOCSPSigning: "OCSPSigning", x509.ExtKeyUsageTimeStamping: "timeStamping",
	}
	var out []string
	for _, u := range c.ExtKeyUsage {
		if w := words[u]; w != "" {
			out = append(out, w)
		} else {
			out = append(out, "another")
		}
	}
	for _, oid := range c.UnknownExtKeyUsage {
		out = append(out, oid.String())
	}
	return strings.Join(out, ", ")
}

// mustStaple says whether the certificate carries the TLS feature status_request (RFC 7633).
func mustStaple(c *x509.Certificate) bool {
	oid := asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}
	for _, e := range c.Extensions {
		if !e.Id.Equal(oid) {
			continue
		}
		var features []int
		if _, err := asn1.Unmarshal(e.Value, &features); err != nil {
			return false
		}
		for _, f := range features {
			if f == 5 || f == 17 {
				return true
			}
		}
	}
	return false
}

// lifeLimits are the longest validities in days that clients accept of publicly trusted certificates,
// by the day of issue (Baseline Requirements 6.3.2, ballots SC-31 and SC-081v3).
var lifeLimits = []struct {
	from time.Time
	days int
}{
	{time.Date(2029, 3, 15, 0, 0, 0, 0, time.UTC), 47},
	{time.Date(2027, 3, 15, 0, 0, 0, 0, time.UTC), 100},
	{time.Date(2026, 3, 15, 0, 0, 0, 0, time.UTC), 200},
	{time.Date(2020, 9, 1, 0, 0, 0, 0, time.UTC), 398},
}

// privateLimit is what a certificate under a root of one's own is held to: client vendors publish 825
// days for those, and no authority in practice goes above 398.
const privateLimit = 398

// limitAt is the longest validity in days of a publicly trusted certificate issued at a moment.
func limitAt(issued time.Time) int {
	for _, l := range lifeLimits {
		if !issued.Before(l.from) {
			return l.days
		}
	}
	return 825 // ballot 193, from 2018
}

// tooLong says whether clients refuse the certificate for its validity, and the limit in days.
func (j *judge) tooLong(c, root *x509.Certificate) (limit int, long bool) {
	days := int((c.NotAfter.Sub(c.NotBefore) + time.Second + 24*time.Hour - 1) / (24 * time.Hour))
	limit = privateLimit
	if j.opts.public(root) {
		limit = limitAt(c.NotBefore)
	}
	return limit, days > limit
}

// Late is how long before its end a certificate should long have been renewed: a sixth of its life,
// at most three weeks. Issuers' clients renew after two thirds of the life, so that what is left then
// shows that something did not happen.
func Late(notBefore, notAfter time.Time) time.Duration {
	return min(notAfter.Sub(notBefore)/6, 21*24*time.Hour)
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
