package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
)

// ErrForbidden is why an address was not dialled: the guard refuses it. Matched with errors.Is.
var ErrForbidden = errors.New("address not allowed")

// Guard decides which addresses may be dialled on behalf of users and peers (redirects, AIA, CRL,
// webhooks, directories, endpoints). Link-local, metadata, multicast and broadcast addresses are
// refused always; private and loopback ones unless allowed. It acts on the address that is really
// dialled, so that a name which resolves to something else a moment later does not pass it.
type Guard struct {
	AllowPrivate  bool // RFC 1918, RFC 4193, RFC 6598 (shared) addresses
	AllowLoopback bool // 127.0.0.0/8 and ::1
}

// Addresses of cloud providers' metadata services outside the link-local range.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"),
	netip.MustParseAddr("100.100.100.200"),
	netip.MustParseAddr("168.63.129.16"),
	netip.MustParseAddr("192.0.0.192"),
	netip.MustParseAddr("fd20:ce::254"),
}

var (
	shared    = netip.MustParsePrefix("100.64.0.0/10")  // RFC 6598
	thisNet   = netip.MustParsePrefix("0.0.0.0/8")      // RFC 1122: reaches this host on Linux
	reserved  = netip.MustParsePrefix("240.0.0.0/4")    // RFC 1112, 255.255.255.255 included
	siteLocal = netip.MustParsePrefix("fec0::/10")      // RFC 3879, once private
	nat64     = netip.MustParsePrefix("64:ff9b::/96")   // RFC 6052: an IPv4 address in its last 32 bits
	sixToFour = netip.MustParsePrefix("2002::/16")      // RFC 3056: an IPv4 address in bits 16 to 47
	nat64own  = netip.MustParsePrefix("64:ff9b:1::/48") // RFC 8215: local translation
	compat    = netip.MustParsePrefix("::/96")          // RFC 4291: IPv4-compatible, deprecated
)

// Check says whether the address may be dialled: nil, or an error that wraps ErrForbidden and says why.
func (g Guard) Check(a netip.Addr) error {
	a = a.WithZone("").Unmap()
	if inner, ok := embedded(a); ok {
		a = inner
	}
	no := func(why string) error { return fmt.Errorf("%w: %s is %s", ErrForbidden, a, why) }
	for _, m := range metadata {
		if a == m {
			return no("a cloud metadata service")
		}
	}
	switch {
	case !a.IsValid():
		return no("no address")
	case a.IsLinkLocalUnicast(), a.IsLinkLocalMulticast(), a.IsInterfaceLocalMulticast():
		return no("link-local")
	case a.IsMulticast(), reserved.Contains(a):
		return no("not a unicast address")
	case a.IsLoopback(), a.IsUnspecified(), thisNet.Contains(a):
		if !g.AllowLoopback {
			return no("this machine itself (loopback is not allowed by the configuration)")
		}
	case a.IsPrivate(), shared.Contains(a), siteLocal.Contains(a), nat64own.Contains(a):
		if !g.AllowPrivate {
			return no("private (private ranges are not allowed by the configuration)")
		}
	}
	return nil
}

// Control is a net.Dialer.Control that refuses what Check refuses.
func (g Guard) Control(network, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s %q is not an IP address and port", ErrForbidden, network, address)
	}
	if !strings.HasPrefix(network, "tcp") && !strings.HasPrefix(network, "udp") {
		return fmt.Errorf("%w: network %s", ErrForbidden, network)
	}
	return g.Check(ap.Addr())
}

// embedded is the IPv4 address that an IPv6 one leads to through a translator or tunnel.
func embedded(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return a, false
	}
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case compat.Contains(a) && b[12] != 0:
		return netip.AddrFrom4([4]byte(b[12:16])), true
	}
	return a, false
}
