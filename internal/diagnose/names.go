package diagnose

import (
	"crypto/x509"
	"net/netip"
	"strings"
)

// named lists what a certificate is for, as a person reads it.
func named(c *x509.Certificate) []string {
	out := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		out = append(out, ip.String())
	}
	return out
}

// covers says whether the certificate is for the host (RFC 9525: subjectAltName only, a wildcard
// stands for exactly one leftmost label).
func coversName(c *x509.Certificate, host string) bool { return c.VerifyHostname(bracket(host)) == nil }

// bracket marks an IPv6 literal the way VerifyHostname wants it.
func bracket(host string) string {
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		return "[" + host + "]"
	}
	return host
}

// wildcardTooShallow finds a wildcard of the certificate that would cover the host if * stood for
// several labels.
func wildcardTooShallow(c *x509.Certificate, host string) (string, bool) {
	for _, n := range c.DNSNames {
		base, ok := strings.CutPrefix(n, "*.")
		if !ok {
			continue
		}
		rest, under := strings.CutSuffix(strings.ToLower(host), "."+strings.ToLower(base))
		if under && strings.Contains(rest, ".") {
			return n, true
		}
	}
	return "", false
}

// onlyBelow finds a name of the certificate, *.host or www.host, that leaves out the host itself.
func onlyBelow(c *x509.Certificate, host string) (string, bool) {
	for _, n := range c.DNSNames {
		if strings.EqualFold(n, "*."+host) || strings.EqualFold(n, "www."+host) {
			return n, true
		}
	}
	return "", false
}

// akin says whether a name of the certificate shares its parent domain with the host: a certificate
// that lacks a name usually holds its siblings, one that is the server's default usually does not.
func akin(c *x509.Certificate, host string) bool {
	for _, n := range c.DNSNames {
		n = strings.TrimPrefix(strings.ToLower(n), "*.")
		h := strings.ToLower(host)
		if strings.HasSuffix(h, "."+n) || strings.HasSuffix(n, "."+h) || parent(n) == parent(h) && strings.Contains(parent(h), ".") {
			return true
		}
	}
	return false
}

// parent is the name without its first label.
func parent(name string) string {
	_, p, _ := strings.Cut(name, ".")
	return p
}

// listed joins names for a sentence, cutting a long list.
func listed(names []string) string {
	const most = 6
	if len(names) == 0 {
		return "no name at all"
	}
	if len(names) > most {
		return strings.Join(names[:most], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}
