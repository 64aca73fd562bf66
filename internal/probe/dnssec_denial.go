package probe

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"certwright/internal/evidence"
)

// maxIterations of NSEC3 hashing above which validators treat a zone as insecure (RFC 9276 section 3.2).
const maxIterations = 150

// judgeAbsence says whether a negative answer is proved: by NSEC (RFC 4035 section 5.4) or NSEC3 (RFC 5155
// section 8) records that are signed and fit the question.
func judgeAbsence(zoneName string, m *dns.Msg, name string, qtype uint16, keys []*dns.DNSKEY, now time.Time) evidence.RRsetSec {
	none := evidence.RRsetSec{Why: evidence.SigNoProof, Text: "nothing proves that " + bare(name) + " has no " + dns.TypeToString[qtype] + " record"}
	var plain []*dns.NSEC
	var hashed []*dns.NSEC3
	for _, rr := range m.Ns {
		switch v := rr.(type) {
		case *dns.NSEC:
			plain = append(plain, v)
		case *dns.NSEC3:
			hashed = append(hashed, v)
		default:
			continue
		}
		set, sigs := rrset(m.Ns, rr.Header().Name, rr.Header().Rrtype)
		if v := judgeSet(zoneName, set, sigs, keys, now); v.Why != "" {
			if v.Why == evidence.SigNone {
				v.Why = evidence.SigNoProof
			}
			v.Text = "the proof that " + bare(name) + " has no " + dns.TypeToString[qtype] + " record: " + v.Text
			return v
		}
	}
	proved := false
	switch {
	case len(hashed) > 0:
		proved = hashed[0].Iterations > maxIterations || hashedProof(zoneName, hashed, name, qtype, m.Rcode)
	case len(plain) > 0:
		proved = plainProof(zoneName, plain, name, qtype, m.Rcode)
	}
	if !proved {
		return none
	}
	return evidence.RRsetSec{}
}

// plainProof reads NSEC records.
func plainProof(zoneName string, list []*dns.NSEC, name string, qtype uint16, rcode int) bool {
	covered := func(n string) bool {
		return slices.ContainsFunc(list, func(r *dns.NSEC) bool { return between(r.Hdr.Name, r.NextDomain, n) })
	}
	lacks := func(n string) bool {
		return slices.ContainsFunc(list, func(r *dns.NSEC) bool {
			return strings.EqualFold(r.Hdr.Name, n) && !slices.Contains(r.TypeBitMap, qtype) && !slices.Contains(r.TypeBitMap, dns.TypeCNAME)
		})
	}
	if rcode != dns.RcodeNameError {
		if lacks(name) {
			return true
		}
		for _, r := range list { // a name that exists only because of one below it
			if dns.IsSubDomain(strings.ToLower(name), strings.ToLower(r.NextDomain)) && between(r.Hdr.Name, r.NextDomain, name) {
				return true
			}
		}
	}
	if !covered(name) {
		return false
	}
	for up := parentOf(name); ; up = parentOf(up) {
		wild := "*." + up
		if up == "." {
			wild = "*."
		}
		if covered(wild) || rcode != dns.RcodeNameError && lacks(wild) {
			return true
		}
		if up == "." || strings.EqualFold(up, zoneName) {
			return false
		}
	}
}

// hashedProof reads NSEC3 records.
func hashedProof(zoneName string, list []*dns.NSEC3, name string, qtype uint16, rcode int) bool {
	match := func(n string) *dns.NSEC3 {
		for _, r := range list {
			if r.Match(n) {
				return r
			}
		}
		return nil
	}
	cover := func(n string) *dns.NSEC3 {
		for _, r := range list {
			if r.Cover(n) {
				return r
			}
		}
		return nil
	}
	if r := match(name); r != nil {
		return rcode != dns.RcodeNameError && !slices.Contains(r.TypeBitMap, qtype) && !slices.Contains(r.TypeBitMap, dns.TypeCNAME)
	}
	next := name
	for up := parentOf(name); dns.IsSubDomain(zoneName, up); next, up = up, parentOf(up) {
		if match(up) != nil {
			c := cover(next)
			switch {
			case c == nil:
				return false
			case c.Flags&1 == 1 && qtype == dns.TypeDS: // opt-out: an unsigned delegation may be there
				return true
			case rcode == dns.RcodeNameError:
				return cover("*."+up) != nil
			}
			w := match("*." + up)
			return w != nil && !slices.Contains(w.TypeBitMap, qtype) || c.Flags&1 == 1
		}
		if up == "." {
			break
		}
	}
	return false
}

func parentOf(name string) string {
	i, end := dns.NextLabel(name, 0)
	if end || i >= len(name) {
		return "."
	}
	return name[i:]
}

// between says whether n lies strictly between owner and next in canonical order; next may be the
// zone's apex, after the last name.
func between(owner, next, n string) bool {
	switch a, b := canonical(owner, n), canonical(n, next); {
	case canonical(owner, next) < 0:
		return a < 0 && b < 0
	default:
		return a < 0 || b < 0
	}
}

// canonical compares names in the order of RFC 4034 section 6.1: label by label from the right.
func canonical(a, b string) int {
	x, y := dns.SplitDomainName(a), dns.SplitDomainName(b)
	for i, k := len(x)-1, len(y)-1; i >= 0 && k >= 0; i, k = i-1, k-1 {
		if c := bytes.Compare(wire(x[i]), wire(y[k])); c != 0 {
			return c
		}
	}
	return len(x) - len(y)
}

// wire is a label's bytes in lower case.
func wire(label string) []byte {
	b := []byte(unescape(label))
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return b
}
