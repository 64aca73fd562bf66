package keyvault

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// attributeTypes are those of a subject that are known by name (RFC 4514 section 3, and E as Azure's tools write it).
var attributeTypes = map[string]asn1.ObjectIdentifier{
	"CN": {2, 5, 4, 3}, "O": {2, 5, 4, 10}, "OU": {2, 5, 4, 11}, "C": {2, 5, 4, 6}, "L": {2, 5, 4, 7}, "ST": {2, 5, 4, 8}, "S": {2, 5, 4, 8}, "STREET": {2, 5, 4, 9},
	"SERIALNUMBER": {2, 5, 4, 5}, "DC": {0, 9, 2342, 19200300, 100, 1, 25}, "E": {1, 2, 840, 113549, 1, 9, 1}, "EMAIL": {1, 2, 840, 113549, 1, 9, 1},
}

// parseName reads a distinguished name such as "CN=www.example.com, O=Example": parts in order, commas and quotes
// escaped by a backslash, or a value in quotes.
func parseName(s string) (pkix.Name, error) {
	var n pkix.Name
	var seq pkix.RDNSequence
	for _, part := range splitName(s) {
		k, v, ok := strings.Cut(part, "=")
		k, v = strings.ToUpper(strings.TrimSpace(k)), unquote(strings.TrimSpace(v))
		oid := attributeTypes[k]
		if !ok || oid == nil || v == "" {
			return n, bad("policy.x509_props.subject", "%q cannot be read at %q: parts such as CN=www.example.com, O=Example are expected", s, part)
		}
		seq = append(seq, pkix.RelativeDistinguishedNameSET{{Type: oid, Value: v}})
	}
	n.FillFromRDNSequence(&seq)
	n.ExtraNames = n.Names
	return n, nil
}

// splitName splits at commas that are neither escaped nor in quotes.
func splitName(s string) (parts []string) {
	start, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	if strings.TrimSpace(s[start:]) != "" || len(parts) > 0 {
		parts = append(parts, s[start:])
	}
	return parts
}

func unquote(s string) string {
	if len(s) > 1 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// usages are the names of key usages, in the order of their bits.
var usages = []string{"digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign", "cRLSign", "encipherOnly", "decipherOnly"}

// subjectOf is what self-signed certificates and requests have in common.
type subjectOf struct {
	name  pkix.Name
	dns   []string
	mail  []string
	ips   []net.IP
	uris  []*url.URL
	usage x509.KeyUsage
	ekus  []asn1.ObjectIdentifier
}

func (p *policy) subject() (s subjectOf, err error) {
	if s.name, err = parseName(p.X509.Subject); err != nil {
		return s, err
	}
	s.dns, s.mail = p.X509.SANs.DNS, p.X509.SANs.Emails
	for _, ip := range p.X509.SANs.IPs {
		a := net.ParseIP(ip)
		if a == nil {
			return s, bad("policy.x509_props.sans.ipAddresses", "%q is no address", ip)
		}
		s.ips = append(s.ips, a)
	}
	for _, u := range p.X509.SANs.URIs {
		v, err := url.Parse(u)
		if err != nil || v.Scheme == "" {
			return s, bad("policy.x509_props.sans.uris", "%q is no URI", u)
		}
		s.uris = append(s.uris, v)
	}
	for _, u := range p.X509.Usage {
		bit := slices.Index(usages, u)
		if bit < 0 {
			return s, bad("policy.x509_props.key_usage", "%q is none of %s", u, strings.Join(usages, ", "))
		}
		s.usage |= x509.KeyUsage(1) << bit
	}
	for _, e := range p.X509.EKUs {
		oid, ok := parseOID(e)
		if !ok {
			return s, bad("policy.x509_props.ekus", "%q is no object identifier, such as %s", e, ekuServer)
		}
		s.ekus = append(s.ekus, oid)
	}
	return s, nil
}

func parseOID(s string) (oid asn1.ObjectIdentifier, ok bool) {
	for _, part := range strings.Split(s, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return nil, false
		}
		oid = append(oid, n)
	}
	_, err := asn1.Marshal(oid)
	return oid, err == nil
}

// selfSigned makes a certificate that vouches for itself: for tests and for peers that pin it.
func (p *policy) selfSigned(key crypto.Signer, now time.Time) ([]byte, error) {
	s, err := p.subject()
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{SerialNumber: serial.Add(serial, big.NewInt(1)), Subject: s.name, DNSNames: s.dns, EmailAddresses: s.mail, IPAddresses: s.ips, URIs: s.uris,
		NotBefore: now.Add(-10 * time.Minute), NotAfter: now.AddDate(0, p.X509.Months, 0), BasicConstraintsValid: true, KeyUsage: s.usage, UnknownExtKeyUsage: s.ekus}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	return der, unwritable(err)
}

// request makes a certificate request for whoever signs it.
func (p *policy) request(key crypto.Signer) ([]byte, error) {
	s, err := p.subject()
	if err != nil {
		return nil, err
	}
	t := &x509.CertificateRequest{Subject: s.name, DNSNames: s.dns, EmailAddresses: s.mail, IPAddresses: s.ips, URIs: s.uris}
	usage, err := asn1.Marshal(bits(s.usage))
	if err != nil {
		return nil, err
	}
	ekus, err := asn1.Marshal(s.ekus)
	if err != nil {
		return nil, err
	}
	t.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: usage}, {Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Value: ekus}}
	der, err := x509.CreateCertificateRequest(rand.Reader, t, key)
	return der, unwritable(err)
}

// unwritable says that X.509 cannot hold what a policy asks for.
func unwritable(err error) error {
	if err == nil {
		return nil
	}
	return bad("policy.x509_props", "no certificate can say this: %s", strings.TrimPrefix(err.Error(), "x509: "))
}

// bits are key usages as X.509 writes them: the first is the highest bit (RFC 5280 section 4.2.1.3).
func bits(u x509.KeyUsage) asn1.BitString {
	var b asn1.BitString
	b.Bytes = []byte{0, 0}
	for i := range usages {
		if u&(x509.KeyUsage(1)<<i) != 0 {
			b.Bytes[i/8] |= 1 << (7 - i%8)
			b.BitLength = i + 1
		}
	}
	b.Bytes = b.Bytes[:(b.BitLength+7)/8]
	return b
}

// policyOfCertificate says what a certificate is as a policy, where nothing else is known of it.
func policyOfCertificate(c *x509.Certificate, contentType string) *policy {
	p := &policy{Issuer: issuerRef{Name: issuerUnknown}, Secret: secretProps{contentType}, Key: keyOf(c.PublicKey)}
	p.X509.Subject = c.Subject.String()
	p.X509.SANs = sans{Emails: c.EmailAddresses, DNS: c.DNSNames}
	for _, ip := range c.IPAddresses {
		p.X509.SANs.IPs = append(p.X509.SANs.IPs, ip.String())
	}
	for _, u := range c.URIs {
		p.X509.SANs.URIs = append(p.X509.SANs.URIs, u.String())
	}
	for i, name := range usages {
		if c.KeyUsage&(x509.KeyUsage(1)<<i) != 0 {
			p.X509.Usage = append(p.X509.Usage, name)
		}
	}
	for _, e := range c.ExtKeyUsage {
		if oid := ekuOIDs[e]; oid != "" {
			p.X509.EKUs = append(p.X509.EKUs, oid)
		}
	}
	for _, e := range c.UnknownExtKeyUsage {
		p.X509.EKUs = append(p.X509.EKUs, e.String())
	}
	p.X509.Months = max(1, int(float64(c.NotAfter.Sub(c.NotBefore))/month+0.5))
	a := action{Trigger: trigger{Percentage: 80}}
	a.Action.Type = "EmailContacts"
	p.Actions = []action{a}
	return p
}

// ekuOIDs are the extended key usages that the standard library has words for.
var ekuOIDs = map[x509.ExtKeyUsage]string{x509.ExtKeyUsageServerAuth: ekuServer, x509.ExtKeyUsageClientAuth: ekuClient, x509.ExtKeyUsageCodeSigning: "1.3.6.1.5.5.7.3.3",
	x509.ExtKeyUsageEmailProtection: "1.3.6.1.5.5.7.3.4", x509.ExtKeyUsageTimeStamping: "1.3.6.1.5.5.7.3.8", x509.ExtKeyUsageOCSPSigning: "1.3.6.1.5.5.7.3.9", x509.ExtKeyUsageAny: "2.5.29.37.0"}
