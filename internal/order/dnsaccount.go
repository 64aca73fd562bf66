package order

import (
	"strings"
	"time"
)

// KindRFC2136 is a DNS account at a name server that takes dynamic updates (RFC 2136) signed with a shared
// key (TSIG, RFC 8945): BIND, Knot DNS, PowerDNS, Windows and others.
const KindRFC2136 = "rfc2136"

// DNSAccountKinds are the kinds of DNS account that there are.
var DNSAccountKinds = []string{KindRFC2136}

// TSIGAlgorithms are those that a key may have, the default first.
var TSIGAlgorithms = []string{"hmac-sha256", "hmac-sha384", "hmac-sha512", "hmac-sha224", "hmac-sha1"}

// DNSAccount is where Certwright may write the TXT records of the method dns-01. The key's secret is not here: it
// is a system secret, sealed in its own store under the name dns-account/<name>.
type DNSAccount struct {
	Name      string    `json:"name"`
	Kind      string    `json:"kind"` // KindRFC2136
	Revision  int64     `json:"revision"`
	Server    string    `json:"server"`    // host:port of the server that takes updates
	Zones     []string  `json:"zones"`     // that it may write, each with all that lies below
	Key       string    `json:"key"`       // the TSIG key's name
	Algorithm string    `json:"algorithm"` // one of TSIGAlgorithms
	Created   time.Time `json:"created"`
	Updated   time.Time `json:"updated"`
}

// Covers is the longest of the account's zones that a name lies in; empty if none.
func (a *DNSAccount) Covers(name string) string {
	name, longest := strings.ToLower(strings.TrimSuffix(name, ".")), ""
	for _, z := range a.Zones {
		if (name == z || strings.HasSuffix(name, "."+z)) && len(z) > len(longest) {
			longest = z
		}
	}
	return longest
}

// ChooseDNSAccount is the account with the longest zone that a name lies in, the first by name among equals; nil if
// there is none.
func ChooseDNSAccount(list []DNSAccount, name string) *DNSAccount {
	var best *DNSAccount
	longest := 0
	for i := range list {
		if n := len(list[i].Covers(name)); n > longest {
			best, longest = &list[i], n
		}
	}
	return best
}

// ChallengeName is where the TXT record of dns-01 stands for a name (RFC 8555 section 8.4).
func ChallengeName(name string) string {
	return "_acme-challenge." + strings.TrimPrefix(name, "*.")
}

// ZoneTest is what came of writing a record into one zone of a DNS account and taking it away again.
type ZoneTest struct {
	Zone    string   `json:"zone"`
	Name    string   `json:"name"`              // of the record
	Written bool     `json:"written"`           // it was there
	Problem *Problem `json:"problem,omitempty"` // nil = written and removed
}
