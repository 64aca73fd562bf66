package scenario

import (
	"flag"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// dnsFlags are the ways in which dirty-dns can be odd.
type dnsFlags struct {
	listen, upstream                  string
	drop, servfail, refuse, notimp    string // question types, with commas; * = all
	nxdomain, formerr, empty, cname   string
	slow                              time.Duration
	lower, noEDNS, ednsDrop, ednsForm bool
	truncate, noTCP, noUDP, noAA      bool
	upperDrop, noRRSIG, junk, upward  bool
	maxUDP, every                     int
	count                             int
}

// dirtyDNS is a name server that misbehaves: certwright-scenario dirty-dns -h. It answers from a zone file, or
// passes questions on to a real server and spoils the answers.
func dirtyDNS(args []string) error {
	var f dnsFlags
	s := flag.NewFlagSet("dirty-dns", flag.ContinueOnError)
	s.StringVar(&f.listen, "listen", "", "ADDRESS:PORT, several with commas (UDP and TCP)")
	s.StringVar(&f.upstream, "upstream", "", "ADDRESS:PORT of the server whose answers are spoiled")
	s.StringVar(&f.drop, "drop", "", "no answer to these types (A,CAA; * = all)")
	s.StringVar(&f.servfail, "servfail", "", "SERVFAIL to these types")
	s.StringVar(&f.refuse, "refuse", "", "REFUSED to these types")
	s.StringVar(&f.notimp, "notimp", "", "NOTIMP to these types")
	s.StringVar(&f.nxdomain, "nxdomain", "", "NXDOMAIN to these types")
	s.StringVar(&f.formerr, "formerr", "", "FORMERR to these types")
	s.StringVar(&f.empty, "empty", "", "NOERROR without records to these types")
	s.StringVar(&f.cname, "cname", "", "OWNER=TARGET: a CNAME for every type there but SOA and NS")
	s.BoolVar(&f.upward, "upward", false, "every answer is a referral up to the root")
	s.BoolVar(&f.junk, "junk", false, "what comes back is no DNS message")
	s.DurationVar(&f.slow, "slow", 0, "wait so long before each answer")
	s.BoolVar(&f.lower, "lower-case", false, "answer with the question's name in lower case")
	s.BoolVar(&f.noEDNS, "no-edns", false, "leave EDNS out of answers")
	s.BoolVar(&f.ednsDrop, "edns-drop", false, "no answer to questions with EDNS")
	s.BoolVar(&f.ednsForm, "edns-formerr", false, "FORMERR to questions with EDNS")
	s.BoolVar(&f.truncate, "truncate", false, "every UDP answer is truncated")
	s.BoolVar(&f.noTCP, "no-tcp", false, "not over TCP")
	s.BoolVar(&f.noUDP, "no-udp", false, "not over UDP")
	s.BoolVar(&f.noAA, "no-aa", false, "answers are not authoritative")
	s.BoolVar(&f.upperDrop, "upper-drop", false, "no answer to names with capitals (0x20)")
	s.BoolVar(&f.noRRSIG, "strip-rrsig", false, "leave signatures out")
	s.IntVar(&f.maxUDP, "max-udp", 0, "no UDP answer larger than so many bytes arrives")
	s.IntVar(&f.every, "every", 1, "only every n-th question is treated oddly")
	if err := s.Parse(args); err != nil {
		return err
	}
	if f.upstream == "" || f.listen == "" {
		return fmt.Errorf("-listen and -upstream are needed")
	}
	errs := make(chan error)
	for _, a := range split(f.listen) {
		for _, network := range []string{"udp", "tcp"} {
			if network == "tcp" && f.noTCP || network == "udp" && f.noUDP {
				continue
			}
			srv := &dns.Server{Addr: a, Net: network, Handler: &f}
			go func() { errs <- srv.ListenAndServe() }()
		}
	}
	return <-errs
}

// ServeDNS answers one question.
func (f *dnsFlags) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	if len(r.Question) != 1 {
		return
	}
	udp := w.LocalAddr().Network() == "udp"
	f.count++ // an odd one more or less through a race does not matter to -every
	odd := f.every <= 1 || f.count%f.every == 0
	if f.slow > 0 {
		<-time.After(f.slow)
	}
	q := r.Question[0]
	m := new(dns.Msg)
	if odd && f.junk {
		_, _ = w.Write([]byte("SSH-2.0-nothing of the kind\r\n"))
		return
	}
	if odd && (f.illegalCNAME(w, r, q) || f.referUp(w, r)) {
		return
	}
	if odd {
		switch code := f.code(r, q); {
		case code == dropped:
			return
		case code >= 0:
			m.SetRcode(r, code)
			m.Authoritative = !f.noAA && code != dns.RcodeRefused
			_ = w.WriteMsg(m) // a client that went away is its own affair
			return
		}
	}
	m, err := f.ask(r, udp)
	if err != nil {
		m = new(dns.Msg)
		m.SetRcode(r, dns.RcodeServerFailure)
	}
	if odd {
		f.spoil(m, udp)
	}
	if udp && f.maxUDP > 0 && m.Len() > f.maxUDP {
		return
	}
	_ = w.WriteMsg(m)
}

// dropped stands for no answer, passed for the upstream's.
const (
	dropped = -1
	passed  = -2
)

// code is the rcode that a question gets at once.
func (f *dnsFlags) code(r *dns.Msg, q dns.Question) int {
	edns := r.IsEdns0() != nil
	switch {
	case f.ednsDrop && edns, f.upperDrop && q.Name != strings.ToLower(q.Name), matches(f.drop, q):
		return dropped
	case f.ednsForm && edns, matches(f.formerr, q):
		return dns.RcodeFormatError
	case matches(f.servfail, q):
		return dns.RcodeServerFailure
	case matches(f.refuse, q):
		return dns.RcodeRefused
	case matches(f.notimp, q):
		return dns.RcodeNotImplemented
	case matches(f.nxdomain, q):
		return dns.RcodeNameError
	case matches(f.empty, q):
		return dns.RcodeSuccess
	}
	return passed
}

// illegalCNAME answers with the CNAME that stands beside other records.
func (f *dnsFlags) illegalCNAME(w dns.ResponseWriter, r *dns.Msg, q dns.Question) bool {
	owner, target, ok := strings.Cut(f.cname, "=")
	if !ok || !strings.EqualFold(dns.Fqdn(owner), q.Name) || q.Qtype == dns.TypeSOA || q.Qtype == dns.TypeNS {
		return false
	}
	m := new(dns.Msg)
	m.SetReply(r)
	m.Authoritative = true
	m.Answer = []dns.RR{&dns.CNAME{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 300}, Target: dns.Fqdn(target)}}
	_ = w.WriteMsg(m)
	return true
}

// referUp answers as a server does that knows nothing of the zone, with the servers of the root.
func (f *dnsFlags) referUp(w dns.ResponseWriter, r *dns.Msg) bool {
	if !f.upward {
		return false
	}
	m := new(dns.Msg)
	m.SetReply(r)
	m.Ns = []dns.RR{&dns.NS{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: 3600}, Ns: "a.root-servers.test."}}
	_ = w.WriteMsg(m)
	return true
}

// matches says whether a question is of one of the types; TYPE@NAME narrows it to a name.
func matches(types string, q dns.Question) bool {
	for _, t := range split(types) {
		t, name, _ := strings.Cut(t, "@")
		if name != "" && !strings.EqualFold(dns.Fqdn(name), q.Name) {
			continue
		}
		if t == "*" || t == dns.TypeToString[q.Qtype] {
			return true
		}
	}
	return false
}

// ask passes the question on, over the protocol that it came by.
func (f *dnsFlags) ask(r *dns.Msg, udp bool) (*dns.Msg, error) {
	c := &dns.Client{Net: "tcp", Timeout: 3 * time.Second}
	if udp {
		c.Net = "udp"
	}
	up := f.upstream
	if _, _, err := net.SplitHostPort(up); err != nil {
		up = net.JoinHostPort(up, "53")
	}
	m, _, err := c.Exchange(r, up)
	return m, err
}

// spoil changes an answer.
func (f *dnsFlags) spoil(m *dns.Msg, udp bool) {
	if f.lower {
		for i := range m.Question {
			m.Question[i].Name = strings.ToLower(m.Question[i].Name)
		}
	}
	if f.noAA {
		m.Authoritative = false
	}
	if f.truncate && udp {
		m.Truncated, m.Answer, m.Ns = true, nil, nil
	}
	strip := func(list []dns.RR, t uint16) []dns.RR {
		return slices.DeleteFunc(list, func(rr dns.RR) bool { return rr.Header().Rrtype == t })
	}
	if f.noEDNS {
		m.Extra = strip(m.Extra, dns.TypeOPT)
	}
	if f.noRRSIG {
		m.Answer, m.Ns = strip(m.Answer, dns.TypeRRSIG), strip(m.Ns, dns.TypeRRSIG)
	}
}
