package diagnose

import (
	"crypto/x509"
	"sort"
	"strings"
	"time"

	"certwright/internal/evidence"
)

// ServedLine is one certificate as one address serves it, for a table: the same certificate given to
// several kinds of client is one line.
type ServedLine struct {
	Address  string
	Via      string   // the protocol spoken before TLS, such as "SMTP"
	To       []string // who gets it: "the name", "no name", "other names"
	Key      string   // such as "ECDSA 256 bit"
	Serial   string
	Issuer   string
	Names    []string
	NotAfter time.Time
	Chain    []string // common names as sent, leaf first
	Trusted  bool     // the chain as sent leads to a trusted root
	Fits     bool     // it is for the name asked about
	Error    string   // why there is no certificate; then most fields are empty
}

// Served lists what was seen on the wire, address by address, for people.
func Served(obs []evidence.Observation, now time.Time, opts Options) []ServedLine {
	s := readSurvey(obs, opts.goal())
	var out []ServedLine
	at := map[string]int{}
	for _, l := range s.looks {
		c := l.leaf()
		if c == nil {
			if l.usual() && l.name != "" {
				out = append(out, ServedLine{Address: l.Address, Via: startNames[l.StartTLS], To: []string{"the name"}, Error: l.Error})
			}
			continue
		}
		key := l.Address + string(c.Raw)
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, servedLine(l, c, now, opts))
		}
		out[i].To = addWord(out[i].To, toWhom(l))
	}
	for i := range out {
		sort.SliceStable(out[i].To, func(a, b int) bool { return wordRank(out[i].To[a]) < wordRank(out[i].To[b]) })
	}
	sort.SliceStable(out, func(a, b int) bool {
		return out[a].Address == out[b].Address && wordRank(out[a].To[0]) < wordRank(out[b].To[0])
	})
	return out
}

// wordRank orders whom a certificate is given to: the name asked about first.
func wordRank(to string) int {
	switch to {
	case "the name":
		return 0
	case "no name":
		return 1
	case "unknown names":
		return 2
	}
	return 3
}

func servedLine(l *look, c *x509.Certificate, now time.Time, opts Options) ServedLine {
	kind, bits := keyOf(c)
	line := ServedLine{Address: l.Address, Via: startNames[l.StartTLS], Key: kind + " " + itoa(bits), Serial: serialOf(c), Issuer: issuerOf(c), Names: named(c), NotAfter: c.NotAfter,
		Trusted: opts.Roots != nil && Leads(l.Chain, opts.Roots, now), Fits: opts.ServerName == "" || coversName(c, opts.ServerName)}
	for _, x := range l.certs {
		line.Chain = append(line.Chain, called(x))
	}
	return line
}

// toWhom says which clients a look stands for.
func toWhom(l *look) string {
	switch {
	case l.name != "":
		return "the name"
	case l.ServerName == "":
		return "no name"
	case strings.HasSuffix(l.ServerName, ".invalid"):
		return "unknown names"
	}
	return l.ServerName
}

func addWord(list []string, w string) []string {
	for _, x := range list {
		if x == w {
			return list
		}
	}
	return append(list, w)
}
