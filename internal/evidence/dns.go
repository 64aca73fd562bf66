package evidence

import (
	"slices"
	"time"
)

// CheckWalk is the Check of the observation that carries a Walk.
const CheckWalk = "walk"

// CheckServers is the Check of an observation of what one name server says when asked by itself (its Data a Resolved).
const CheckServers = "servers"

// DNSAsk is a question to the walk through the DNS: about which host, and what is to be issued for it.
type DNSAsk struct {
	Host     string   `json:"host"`               // without the "*." of a wildcard name
	Issue    bool     `json:"issue,omitempty"`    // a certificate is to be issued; what follows is about that
	Wildcard bool     `json:"wildcard,omitempty"` // for *.Host
	Method   string   `json:"method,omitempty"`   // the validation method; empty = not known
	Issuers  []string `json:"issuers,omitempty"`  // the authority's CAA domains; empty = not known
	Account  string   `json:"account,omitempty"`  // the account's URI; empty = not known
	TXT      []TXTAsk `json:"txt,omitempty"`      // TXT records that should be there
}

// TXTAsk is a TXT record that a validation waits for. The values are published: they are no secrets.
type TXTAsk struct {
	Name   string   `json:"name"`             // such as _acme-challenge.www.example.com
	Values []string `json:"values,omitempty"` // all of them have to be there; none = nothing is known of them
	Token  string   `json:"token,omitempty"`  // of dns-01: the challenge's token, whose digest the value is
	Old    []string `json:"old,omitempty"`    // values of earlier attempts
	Beside []string `json:"beside,omitempty"` // values of other names at the same place that the issuer has accepted
	Ours   bool     `json:"ours,omitempty"`   // a DNS account writes it where the CNAMEs lead: nothing need be there in between
}

// Walk is the raw evidence of a walk from the root zone down to a host (ProbeDNS, CheckWalk): what each name
// server of each zone said when asked by itself.
type Walk struct {
	Ask    DNSAsk    `json:"ask"`
	Public bool      `json:"public"`          // it began at the public root servers
	Suffix string    `json:"suffix"`          // the part of the host's name under which anybody may register (such as co.uk)
	Via    string    `json:"via,omitempty"`   // the resolver that was asked in place of the name servers; empty = they were asked themselves
	Blind  string    `json:"blind,omitempty"` // why the name servers could not be asked at all: then nothing below is about them
	TCP    bool      `json:"tcp"`             // some server somewhere answered over TCP, so that this side lets it through
	Zones  []Zone    `json:"zones,omitempty"` // the root first; those of the host, then those that CNAMEs lead to
	Names  []DNSName `json:"names,omitempty"`
}

// Zone is a zone on the way, as its parent and its own servers describe it. Names are lower case, without the
// last dot; the root is ".".
type Zone struct {
	Name     string       `json:"name"`
	Parent   string       `json:"parent,omitempty"`
	NSParent []string     `json:"nsParent,omitempty"` // the delegation; empty where the parent's servers are the zone's own
	NSChild  []string     `json:"nsChild,omitempty"`  // what the zone's servers themselves say
	NoGlue   []string     `json:"noGlue,omitempty"`   // servers named inside the zone whose address the delegation does not give
	NoAddr   []string     `json:"noAddr,omitempty"`   // servers named elsewhere that have no address
	Servers  []NameServer `json:"servers,omitempty"`
	DNSSEC   ZoneSec      `json:"dnssec"`
}

// Answering are the servers that answer authoritatively.
func (z Zone) Answering() (out []NameServer) {
	for _, s := range z.Servers {
		if s.State == ServerAnswers {
			out = append(out, s)
		}
	}
	return out
}

// States of a NameServer, by what it says of the zone's own SOA record.
const (
	ServerAnswers  = "answers"           // authoritatively
	ServerSilent   = "silent"            // nothing in time, or the port is closed
	ServerRefuses  = "refuses"           // REFUSED
	ServerFails    = "fails"             // SERVFAIL
	ServerLame     = "not-authoritative" // an answer without authority, or a pointer to another zone
	ServerOther    = "other"             // another error code, or an answer that cannot be read
	ServerSlow     = "slow"              // it answers, but only after the time that resolvers give
	ServerNotAsked = "not-asked"         // it could not be asked from here: no route of that family, or not allowed
)

// NameServer is one address of one name server of a zone.
type NameServer struct {
	Name    string        `json:"name"`
	Address string        `json:"address"` // ip:port
	State   string        `json:"state"`
	Seen    string        `json:"seen,omitempty"` // the answer or error in words
	Rcode   string        `json:"rcode,omitempty"`
	Serial  uint32        `json:"serial,omitempty"`
	MName   string        `json:"mname,omitempty"`
	Minimum uint32        `json:"minimum,omitempty"` // seconds for which resolvers keep that something is not there
	Took    time.Duration `json:"tookNs,omitempty"`
	NS      []string      `json:"ns,omitempty"`      // the zone's servers as this one says
	TCP     string        `json:"tcp,omitempty"`     // "ok", or the error; empty = not tried
	TCPLost bool          `json:"tcpLost,omitempty"` // the error is silence: something throws the packets away
	EDNS    string        `json:"edns,omitempty"`    // "ok", "dropped" (an answer came only without it), "refused" (FORMERR)
	Case    string        `json:"case,omitempty"`    // "kept" or "changed": the letters' case of the question in the answer
	// Knows is of a server that refuses: "yes" if its answer to a transfer request is a refusal as well, "no"
	// if it says that it has no such zone (NOTAUTH).
	Knows string `json:"knows,omitempty"`
}

// Roles of a DNSName: why it was asked.
const (
	RoleHost      = "host"
	RoleApex      = "apex"      // the top of a zone: its SOA record
	RoleAbove     = "above"     // a domain above the host: CAA
	RoleTarget    = "target"    // a CNAME leads here
	RoleChallenge = "challenge" // where a TXT record is waited for
	RoleRandom    = "random"    // a label that nobody uses, beside or below the host
	RoleMistaken  = "mistaken"  // where the TXT record is often put by mistake
)

// DNSName is a name with the answers of each server of its zone.
type DNSName struct {
	Name    string      `json:"name"`
	Role    string      `json:"role"`
	Zone    string      `json:"zone"`
	For     string      `json:"for,omitempty"` // of a target: the name whose CNAME leads here
	Answers []DNSAnswer `json:"answers,omitempty"`
}

// DNSAnswer is one server's answer to one question.
type DNSAnswer struct {
	Type      string        `json:"type"`
	Server    string        `json:"server"` // ip:port
	Rcode     string        `json:"rcode,omitempty"`
	AA        bool          `json:"aa"`
	Records   []string      `json:"records,omitempty"`
	CNAME     string        `json:"cname,omitempty"` // the name's own, where the answer is one
	CAA       []CAA         `json:"caa,omitempty"`
	TTL       uint32        `json:"ttl"`                 // of the records; of a negative answer, how long it is kept
	Truncated bool          `json:"truncated,omitempty"` // UDP was too small
	Error     string        `json:"error,omitempty"`     // no answer, or none that can be used
	Class     string        `json:"class,omitempty"`     // of Error, as Served.ErrorClass, and truncated
	Took      time.Duration `json:"tookNs,omitempty"`
	Sec       *RRsetSec     `json:"sec,omitempty"` // where the zone is signed and leads to a trust anchor
}

// Present says whether the answer holds records of its type or a CNAME.
func (a DNSAnswer) Present() bool { return a.Error == "" && (len(a.Records) > 0 || a.CNAME != "") }

// Absent says whether the answer is a definite no: NXDOMAIN, or no record of the type.
func (a DNSAnswer) Absent() bool {
	return a.Error == "" && a.AA && !a.Present() && (a.Rcode == "NXDOMAIN" || a.Rcode == "NOERROR")
}

// States of ZoneSec.
const (
	SecSecure   = "secure"   // the chain of keys from the anchor to the zone's holds
	SecInsecure = "insecure" // unsigned, or signed with what cannot be checked: treated as unsigned
	SecBroken   = "broken"   // signed, and the chain does not hold
	SecUnknown  = "unknown"  // it could not be seen
)

// What is wrong with a zone's keys or with a signature; measured, not judged.
const (
	SigNone     = "no-signature"      // a signed zone's records came without one
	SigExpired  = "expired"           // past its end
	SigFuture   = "not-yet"           // before its beginning
	SigNoKey    = "key-missing"       // made with a key that the zone does not publish
	SigInvalid  = "invalid"           // it does not fit the data
	SigNoProof  = "no-proof"          // that something is not there is not proved (NSEC, NSEC3)
	KeyNone     = "no-dnskey"         // DS records at the parent, no DNSKEY in the zone
	KeyMismatch = "ds-matches-no-key" // no DNSKEY has the digest of a DS record
)

// ZoneSec is the DNSSEC chain into a zone, as computed here.
type ZoneSec struct {
	State       string    `json:"state,omitempty"`
	Why         string    `json:"why,omitempty"`         // of broken: one of the constants above; of insecure: "unsigned", "unsupported" or "parent"
	Text        string    `json:"text,omitempty"`        // in words
	DS          []DSFact  `json:"ds,omitempty"`          // at the parent
	Keys        []KeyFact `json:"keys,omitempty"`        // the zone's DNSKEY records
	KeySigs     []SigFact `json:"keySigs,omitempty"`     // over the DNSKEY records
	Unsupported bool      `json:"unsupported,omitempty"` // some DS record uses an algorithm or digest that cannot be checked
}

// DSFact is a DS record.
type DSFact struct {
	Tag        uint16 `json:"tag"`
	Algorithm  uint8  `json:"algorithm"`
	DigestType uint8  `json:"digestType"`
	Digest     string `json:"digest"`
	Supported  bool   `json:"supported"`
	Matches    bool   `json:"matches"` // a DNSKEY has this digest
}

// KeyFact is a DNSKEY record.
type KeyFact struct {
	Tag       uint16 `json:"tag"`
	Algorithm uint8  `json:"algorithm"`
	SEP       bool   `json:"sep"` // secure entry point: by convention the key that the DS is of
}

// SigFact is an RRSIG record.
type SigFact struct {
	Tag       uint16    `json:"tag"`
	Algorithm uint8     `json:"algorithm"`
	Begins    time.Time `json:"begins"`
	Ends      time.Time `json:"ends"`
	KeyThere  bool      `json:"keyThere"`
	Verifies  bool      `json:"verifies"` // the data fits, whatever the dates
}

// RRsetSec is what the signatures of one answer are worth. Why empty = valid.
type RRsetSec struct {
	Why  string    `json:"why,omitempty"`
	Text string    `json:"text,omitempty"`
	Sigs []SigFact `json:"sigs,omitempty"`
}

// Addresses are the addresses that the name servers give for the host, at the end of its CNAMEs.
func (w Walk) Addresses() (out []string) {
	for _, n := range w.Names {
		if n.Role != RoleHost && (n.Role != RoleTarget || !w.leads(n)) {
			continue
		}
		for _, a := range n.Answers {
			for _, r := range a.Records {
				if (a.Type == "A" || a.Type == "AAAA") && !slices.Contains(out, r) {
					out = append(out, r)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// leads says whether the host's CNAMEs lead to a target.
func (w Walk) leads(n DNSName) bool {
	for range len(w.Names) {
		if n.For == w.Ask.Host {
			return true
		}
		i := slices.IndexFunc(w.Names, func(o DNSName) bool { return o.Role == RoleTarget && o.Name == n.For })
		if i < 0 {
			return false
		}
		n = w.Names[i]
	}
	return false
}
