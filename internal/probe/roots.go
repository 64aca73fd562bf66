package probe

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// RootServer is a name server of the root zone, where a walk through the DNS begins.
type RootServer struct {
	Name      string // lower case, with its last dot
	Addresses []netip.Addr
}

// Anchor is a key that is trusted beforehand, as a DS record says it (RFC 4034 section 5).
type Anchor struct {
	Zone       string // lower case, with its last dot
	Tag        uint16
	Algorithm  uint8
	DigestType uint8
	Digest     string // lower-case hexadecimal
}

// BuiltinRoots are the servers of the public root zone (IANA's "named.root").
func BuiltinRoots() []RootServer {
	var out []RootServer
	for i, pair := range [][2]string{
		{"198.41.0.4", "2001:503:ba3e::2:30"}, {"170.247.170.2", "2801:1b8:10::b"}, {"192.33.4.12", "2001:500:2::c"},
		{"199.7.91.13", "2001:500:2d::d"}, {"192.203.230.10", "2001:500:a8::e"}, {"192.5.5.241", "2001:500:2f::f"},
		{"192.112.36.4", "2001:500:12::d0d"}, {"198.97.190.53", "2001:500:1::53"}, {"192.36.148.17", "2001:7fe::53"},
		{"192.58.128.30", "2001:503:c27::2:30"}, {"193.0.14.129", "2001:7fd::1"}, {"199.7.83.42", "2001:500:9f::42"},
		{"202.12.27.33", "2001:dc3::35"},
	} {
		out = append(out, RootServer{string(rune('a'+i)) + ".root-servers.net.", []netip.Addr{netip.MustParseAddr(pair[0]), netip.MustParseAddr(pair[1])}})
	}
	return out
}

// BuiltinAnchors are the keys of the public root zone (IANA's "root-anchors.xml"): of 2017 and of 2024.
func BuiltinAnchors() []Anchor {
	return []Anchor{
		{".", 20326, dns.RSASHA256, dns.SHA256, "e06d44b80b8f1d39a95c0b0d7c65d08458e880409bbc683457104237c7f8ec8d"},
		{".", 38696, dns.RSASHA256, dns.SHA256, "683d2d0acb8c9b712a1948b27f741219298d0a450d612c483af444a4c0fb2b16"},
	}
}

// ReadRoots reads root hints in the form of a zone file: NS records of ".", A and AAAA records of the
// servers. Errors say which line cannot be read, or that no server with an address is named.
func ReadRoots(r io.Reader, file string) ([]RootServer, error) {
	addrs := map[string][]netip.Addr{}
	var names []string
	err := eachRecord(r, file, func(rr dns.RR) {
		owner := dns.CanonicalName(rr.Header().Name)
		switch v := rr.(type) {
		case *dns.NS:
			if owner == "." {
				names = append(names, dns.CanonicalName(v.Ns))
			}
		case *dns.A:
			addrs[owner] = append(addrs[owner], addrOf(v.A))
		case *dns.AAAA:
			addrs[owner] = append(addrs[owner], addrOf(v.AAAA))
		}
	})
	if err != nil {
		return nil, err
	}
	var out []RootServer
	for _, n := range names {
		if len(addrs[n]) > 0 && !slices.ContainsFunc(out, func(s RootServer) bool { return s.Name == n }) {
			out = append(out, RootServer{n, addrs[n]})
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s names no root server: it needs lines such as \". NS a.root.\" and \"a.root. A 192.0.2.1\"", file)
	}
	return out, nil
}

// ReadAnchors reads trust anchors: DS or DNSKEY records in the form of a zone file, of the root zone or of
// any other. Errors say which line cannot be read, or that there is no such record.
func ReadAnchors(r io.Reader, file string) ([]Anchor, error) {
	var out []Anchor
	err := eachRecord(r, file, func(rr dns.RR) {
		ds, ok := rr.(*dns.DS)
		if k, isKey := rr.(*dns.DNSKEY); isKey {
			ds, ok = k.ToDS(dns.SHA256), true
		}
		if ok && ds != nil {
			out = append(out, Anchor{dns.CanonicalName(ds.Hdr.Name), ds.KeyTag, ds.Algorithm, ds.DigestType, strings.ToLower(ds.Digest)})
		}
	})
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("%s holds no trust anchor: it needs a line such as \". IN DS 20326 8 2 E06D...\"", file)
	}
	return out, err
}

// eachRecord gives every record of a zone file to f.
func eachRecord(r io.Reader, file string, f func(dns.RR)) error {
	z := dns.NewZoneParser(r, ".", file)
	z.SetDefaultTTL(3600)
	z.SetIncludeAllowed(false)
	for rr, ok := z.Next(); ok; rr, ok = z.Next() {
		f(rr)
	}
	if err := z.Err(); err != nil {
		return fmt.Errorf("%s cannot be read as a zone file: %w", file, err)
	}
	return nil
}

func addrOf(ip []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
