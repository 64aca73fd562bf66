package diagnose

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"sort"
	"strings"

	"certwright/internal/evidence"
)

// look is one handshake, read.
type look struct {
	evidence.Served
	obs   evidence.Observation
	name  string              // the name whose certificate was asked for; empty = a look without it, for comparison
	certs []*x509.Certificate // as served, leaf first; nil if none or unreadable
	ref   EvidenceRef
}

// leaf is the served certificate, nil if there was none.
func (l *look) leaf() *x509.Certificate {
	if len(l.certs) == 0 {
		return nil
	}
	return l.certs[0]
}

// usual says whether the look offered what a modern client offers.
func (l *look) usual() bool { return l.Offered == "" || l.Offered == "any" }

func (l *look) key() string {
	return l.Address + "|" + l.ServerName + "|" + l.Offered + "|" + l.StartTLS
}

// where names the look for a person.
func (l *look) where() string {
	switch l.Offered {
	case "rsa":
		return l.Address + " (to RSA clients)"
	case "ecdsa":
		return l.Address + " (to ECDSA clients)"
	case "tls1.2":
		return l.Address + " (to TLS 1.2 clients)"
	}
	return l.Address
}

// survey is everything seen on the wire for one target.
type survey struct {
	looks       []*look
	known       []*x509.Certificate // from AIA and from every handshake: what a chain can be completed with
	asked       map[string]evidence.Issuers
	fetch       []EvidenceRef
	tried       []tried
	revocations []revocation
	pages       []page
	again       []again
}

// readSurvey reads the TLS observations. serverName is the name asked about; empty = every look with
// a server name is one for that name.
func readSurvey(obs []evidence.Observation, serverName string) *survey {
	s := &survey{asked: map[string]evidence.Issuers{}}
	for _, o := range obs {
		if o.Probe != evidence.ProbeTLS || o.Check == checkALPN { // the certificate for acme-tls/1 is no client's
			continue
		}
		if s.addOther(o) {
			continue
		}
		sv, ok := evidence.Decode[evidence.Served](o)
		if !ok || sv.Address == "" && sv.ErrorClass == "" {
			continue
		}
		s.addLook(o, sv, serverName)
	}
	s.adopt(serverName)
	// The same survey in another order is the same evidence.
	sort.SliceStable(s.looks, func(i, j int) bool { return lessLook(s.looks[i], s.looks[j]) })
	return s
}

// adopt lets a connection that failed before any name was read stand for the name asked about, where
// no look with that name was made at the address: a prober tries a silent address once only.
func (s *survey) adopt(serverName string) {
	for _, l := range s.looks {
		if l.name != "" || serverName == "" || l.leaf() != nil || l.ErrorClass == "" || l.ErrorClass == "alert" {
			continue
		}
		asked := false
		for _, o := range s.at(l.Address) {
			asked = asked || o.name != ""
		}
		if !asked {
			l.name = serverName
		}
	}
}

// CheckIssuers is the Check of an observation that holds an evidence.Issuers.
const CheckIssuers = "issuers"

func (s *survey) addIssuers(o evidence.Observation) {
	is, ok := evidence.Decode[evidence.Issuers](o)
	if !ok {
		return
	}
	s.asked[is.Leaf] = is
	s.known = append(s.known, parseAll(is.Chain)...)
	s.fetch = append(s.fetch, refOf(o))
}

func (s *survey) addLook(o evidence.Observation, sv evidence.Served, serverName string) {
	l := &look{Served: sv, obs: o, certs: parseAll(sv.Chain)}
	if len(sv.Chain) > 0 && len(l.certs) < len(sv.Chain) && !parses(sv.Chain[0]) {
		l.certs = nil // the leaf itself cannot be read
	}
	if len(l.certs) > 1 {
		s.known = append(s.known, l.certs[1:]...)
	}
	l.name = goalName(sv.ServerName, serverName)
	for _, o := range s.looks {
		if o.key() == l.key() && o.ErrorClass == l.ErrorClass && (o.leaf() == l.leaf() || o.leaf() != nil && l.leaf() != nil && o.leaf().Equal(l.leaf())) {
			return // the same look made twice
		}
	}
	l.ref = lookRef(l)
	s.looks = append(s.looks, l)
}

// goalName says for which name a look with that SNI counts; empty = it is one for comparison.
func goalName(sni, wanted string) string {
	switch {
	case strings.HasSuffix(sni, ".invalid"): // RFC 6761: nobody's name, sent to see the default
		return ""
	case wanted == "", sni != "" && isIP(wanted):
		return sni
	case strings.EqualFold(sni, wanted), sni == "" && isIP(wanted):
		return wanted // SNI never carries an address (RFC 6066 section 3)
	}
	return ""
}

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

func lessLook(a, b *look) bool {
	if a.Family != b.Family {
		return a.Family < b.Family
	}
	return a.key() < b.key()
}

// lookRef quotes a handshake: what was served in one line, and the openssl command that shows it.
func lookRef(l *look) EvidenceRef {
	r := refOf(l.obs)
	if r.Subject == "" {
		r.Subject = l.Address + " sni=" + l.ServerName
	}
	if c := l.leaf(); c != nil {
		r.Seen = fmt.Sprintf("serial %s, names %s, valid %s to %s, issued by %s", serialOf(c), listed(named(c)), day(c.NotBefore), day(c.NotAfter), issuerOf(c))
	} else if l.Error != "" {
		r.Seen = l.Error
	}
	if r.Command == "" {
		r.Command = opensslCommand(l)
	}
	return r
}

// opensslCommand repeats a handshake and prints what was served.
func opensslCommand(l *look) string {
	c := "openssl s_client -connect " + l.Address
	if l.ServerName == "" {
		c += " -noservername"
	} else {
		c += " -servername " + quote(l.ServerName)
	}
	switch l.Offered {
	case "rsa":
		c += " -tls1_2 -cipher aRSA"
	case "ecdsa":
		c += " -tls1_2 -cipher aECDSA"
	case "tls1.2":
		c += " -tls1_2"
	}
	if l.StartTLS != "" {
		c += " -starttls " + l.StartTLS
	}
	return c + " -showcerts </dev/null 2>/dev/null | openssl x509 -noout -serial -subject -issuer -dates -ext subjectAltName"
}

// quote makes a word safe for a POSIX shell.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:*[]") == "" && !strings.ContainsAny(s, "*") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// parseAll reads what can be read.
func parseAll(ders [][]byte) []*x509.Certificate {
	var out []*x509.Certificate
	for _, der := range ders {
		if c, err := x509.ParseCertificate(der); err == nil {
			out = append(out, c)
		}
	}
	return out
}

func parses(der []byte) bool {
	_, err := x509.ParseCertificate(der)
	return err == nil
}

// fingerprint is the SHA-256 of the DER in upper-case hexadecimal, as orders keep it.
func fingerprint(c *x509.Certificate) string {
	h := sha256.Sum256(c.Raw)
	return strings.ToUpper(hex.EncodeToString(h[:]))
}

func issuerOf(c *x509.Certificate) string {
	if c.Issuer.CommonName != "" {
		return c.Issuer.CommonName
	}
	return c.Issuer.String()
}

// at gives the looks at one address.
func (s *survey) at(address string) []*look {
	var out []*look
	for _, l := range s.looks {
		if l.Address == address {
			out = append(out, l)
		}
	}
	return out
}

// names are the names asked about, in order.
func (s *survey) names() []string {
	seen := map[string]bool{}
	var out []string
	for _, l := range s.looks {
		if l.name != "" && !seen[l.name] {
			seen[l.name] = true
			out = append(out, l.name)
		}
	}
	sort.Strings(out)
	return out
}

// goals are the looks for a name.
func (s *survey) goals(name string) []*look {
	var out []*look
	for _, l := range s.looks {
		if l.name == name {
			out = append(out, l)
		}
	}
	return out
}

// port is the port of an address, empty if it has none.
func port(address string) string {
	_, p, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	return p
}
