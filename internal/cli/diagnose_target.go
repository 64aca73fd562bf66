package cli

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// hostTarget is what `diagnose` looks at: a host, or an address, and its port.
type hostTarget struct {
	Host string // A-label form, or an IP address without brackets
	Port string
}

// String is the target as a person writes it; the usual port is left out.
func (t hostTarget) String() string {
	if t.Port == "443" {
		return t.Host
	}
	return net.JoinHostPort(t.Host, t.Port)
}

// couldBeOrder says whether a target may be an order's name: hosts and addresses have a dot or a colon.
func couldBeOrder(s string) bool { return !strings.ContainsAny(s, ".:/") && s != "localhost" }

// parseTarget reads HOST, HOST:PORT, an IPv4 or IPv6 address with or without brackets and port, or an
// https:// address. Errors are of usage and say what is wrong with the text.
func parseTarget(text string) (hostTarget, error) {
	s := strings.TrimSpace(text)
	if s == "" {
		return hostTarget{}, usage("TARGET is empty: give HOST, HOST:PORT or an order's name")
	}
	if strings.Contains(s, "://") {
		u, err := url.Parse(s)
		if err != nil || u.Host == "" {
			return hostTarget{}, usage("%q is not an address that can be read", text)
		}
		if u.Scheme != "https" && u.Scheme != "wss" {
			return hostTarget{}, usage("%q: %s:// carries no certificate; give https:// or HOST:PORT", text, u.Scheme)
		}
		s = u.Host
	}
	host, port, err := splitTarget(strings.TrimSuffix(s, "/"))
	if err != nil {
		return hostTarget{}, usage("%q: %v", text, err)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return hostTarget{}, usage("%q: the port %q is not a number from 1 to 65535", text, port)
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return hostTarget{a.String(), port}, nil
	}
	name, err := hostName(host)
	if err != nil {
		return hostTarget{}, usage("%q: %v", text, err)
	}
	return hostTarget{name, port}, nil
}

// splitTarget parts host and port; the port is 443 unless given.
func splitTarget(s string) (host, port string, err error) {
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil { // an address without a port, IPv6 included
		return strings.Trim(s, "[]"), "443", nil
	}
	if !strings.Contains(s, ":") {
		return s, "443", nil
	}
	host, port, err = net.SplitHostPort(s)
	if err != nil {
		return "", "", errText("it is neither HOST:PORT nor an IP address (write an IPv6 address with a port as [2001:db8::1]:443)")
	}
	return host, port, nil
}

type errText string

func (e errText) Error() string { return string(e) }

// hostName checks a host's name and brings it to the form that the DNS uses (RFC 5891, RFC 1123).
func hostName(s string) (string, error) {
	s = strings.TrimSuffix(s, ".")
	ascii, err := idna.Lookup.ToASCII(s)
	if err != nil { // underscores and the like are no host names by the letter, and are in use
		ascii = strings.ToLower(s)
	}
	if ascii == "" || len(ascii) > 253 {
		return "", errText("a host's name has 1 to 253 characters")
	}
	for _, label := range strings.Split(ascii, ".") {
		if label == "" || len(label) > 63 {
			return "", errText("each part of a host's name has 1 to 63 characters")
		}
		if strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return "", errText("a part of a host's name neither begins nor ends with a hyphen")
		}
		if bad := strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_"); bad != "" {
			return "", errText("the character " + strconv.QuoteRune([]rune(bad)[0]) + " cannot stand in a host's name")
		}
	}
	return ascii, nil
}
