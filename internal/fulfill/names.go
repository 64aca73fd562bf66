package fulfill

import (
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"certwright/internal/order"
)

// MaxNames is how many identifiers an order may have unless Options say otherwise: what the public authorities
// allow at most.
const MaxNames = 100

// ParseNames reads the names of an order: DNS names in either form (IDN as U-labels or A-labels),
// wildcards, IP addresses; at most MaxNames. They are returned in canonical form. The error is a *order.Refusal.
func ParseNames(words []string) ([]order.Name, error) { return parseNames(words, MaxNames) }

func parseNames(words []string, most int) ([]order.Name, error) {
	if len(words) == 0 {
		return nil, badName("NamesMissing", "an order needs at least one name", "Give one in properties.names, or with --dns, such as --dns shop.example.com")
	}
	if len(words) > most {
		return nil, badName("TooManyNames", fmt.Sprintf("%d names are too many: an order holds at most %d", len(words), most), "Split them over several orders")
	}
	seen := map[string]string{}
	names := make([]order.Name, 0, len(words))
	for _, w := range words {
		n, err := ParseName(w)
		if err != nil {
			return nil, err
		}
		if before, ok := seen[n.Value]; ok {
			return nil, badName("DuplicateName", fmt.Sprintf("%q is given twice (as %q before)", w, before), "Give each name once")
		}
		seen[n.Value] = w
		names = append(names, n)
	}
	return names, nil
}

func badName(code, message, fix string) *order.Refusal {
	return &order.Refusal{Kind: order.BadInput, Code: code, Property: "names", Message: message, Fix: fix}
}

// ParseName reads one name. See ParseNames.
func ParseName(word string) (order.Name, error) {
	w := strings.TrimSpace(word)
	if ip, err := netip.ParseAddr(strings.Trim(w, "[]")); err == nil {
		return ipName(word, ip)
	}
	rest, wild := strings.CutPrefix(strings.TrimSuffix(w, "."), "*.")
	bad := func(why, fix string) (order.Name, error) {
		return order.Name{}, badName("InvalidName", fmt.Sprintf("%q is no name for a certificate: %s", word, why), fix)
	}
	switch {
	case rest == "":
		return bad("it is empty", "Give a DNS name, such as shop.example.com")
	case strings.Contains(rest, "*"):
		return bad("a wildcard is allowed only as the whole first label", "Use *.example.com")
	case strings.ContainsAny(rest, "/:@?#"):
		return bad("it holds a character of an address or URL", "Give the host name alone, without https:// or a port")
	case strings.ContainsAny(rest, " \t"):
		return bad("it holds a space", "Give one name at a time")
	case strings.Contains(rest, "_"):
		return bad("an underscore is not allowed in a host name", "Use a hyphen, or another name")
	case strings.Contains(rest, ".."), strings.HasPrefix(rest, "."):
		return bad("it has an empty label", "Remove the extra dot")
	}
	if label := hyphened(rest); label != "" {
		return bad("the label "+label+" begins or ends with a hyphen", "Use a name whose labels begin and end with a letter or digit")
	}
	ascii, err := idna.Lookup.ToASCII(strings.ToLower(rest))
	if err != nil {
		return bad(idnaWords(err), "Give the name as it is registered; an internationalised one in Unicode or as xn-- form")
	}
	if ascii == "" || strings.Contains(ascii, "..") || strings.HasPrefix(ascii, ".") || strings.HasSuffix(ascii, ".") {
		return bad("nothing is left of a label that is written as xn--", "Give the name in Unicode, or copy its xn-- form again")
	}
	if why := tooLong(ascii, wild); why != "" {
		return bad(why, "Use a shorter name")
	}
	if last := ascii[strings.LastIndexByte(ascii, '.')+1:]; strings.Trim(last, "0123456789") == "" {
		return bad("its last label is a number, so it would be an IP address, and is none", "Give four numbers from 0 to 255, an IPv6 address, or a DNS name")
	}
	if suffix, icann := publicsuffix.PublicSuffix(ascii); icann && suffix == ascii {
		return bad("it is a public suffix, under which many owners register: nobody is issued a certificate for it", "Give a name registered below it")
	}
	if wild {
		ascii = "*." + ascii
	}
	return order.Name{Kind: order.DNS, Value: ascii}, nil
}

func ipName(word string, ip netip.Addr) (order.Name, error) {
	ip = ip.Unmap()
	if ip.Zone() != "" || ip.IsUnspecified() || ip.IsMulticast() {
		return order.Name{}, badName("InvalidName", fmt.Sprintf("%q is no address for a certificate", word), "Give the address of one host, without a zone")
	}
	return order.Name{Kind: order.IP, Value: ip.String()}, nil
}

// tooLong checks RFC 1035 section 2.3.4: a label 63 octets, a name 253.
func tooLong(ascii string, wild bool) string {
	n := len(ascii)
	if wild {
		n += 2
	}
	if n > 253 {
		return fmt.Sprintf("it is %d characters long, 253 are allowed", n)
	}
	for _, label := range strings.Split(ascii, ".") {
		if len(label) > 63 {
			return fmt.Sprintf("the label %.20s… is %d characters long, 63 are allowed", label, len(label))
		}
	}
	return ""
}

// hyphened is the first label that begins or ends with a hyphen; empty = none.
func hyphened(name string) string {
	for _, label := range strings.Split(name, ".") {
		if strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") && !strings.HasPrefix(strings.ToLower(label), "xn--") {
			return label
		}
	}
	return ""
}

func idnaWords(err error) string {
	s := strings.TrimPrefix(err.Error(), "idna: ")
	return strings.Join(strings.Fields(s), " ")
}

// Unicode is a name as a person reads it.
func Unicode(name string) string {
	rest, wild := strings.CutPrefix(name, "*.")
	u, err := idna.Display.ToUnicode(rest)
	if err != nil {
		u = rest
	}
	if wild {
		u = "*." + u
	}
	return u
}
