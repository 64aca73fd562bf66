package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"certwright/internal/evidence"
)

const (
	// ednsSize is the UDP answer size offered: what passes unfragmented (DNS flag day 2020).
	ednsSize = 1232
	// maxCNAMEs followed for one question, as resolvers do.
	maxCNAMEs = 10
	// dnsTry is the time given to one try of one server.
	dnsTry = 3 * time.Second
)

// LookDNS asks for records of a type ("A", "AAAA", "TXT", "CAA", "CNAME", "SOA", "MX", "NS") and
// follows CNAMEs. The observation's Data is an evidence.Resolved, its Check "records"; PASS = there are
// records, FAIL = the name or the type is not there, UNKNOWN = the resolver did not answer or answered with
// an error, with its words in Reason.
func (p *Prober) LookDNS(ctx context.Context, name, qtype string) evidence.Observation {
	start := p.opt.Now()
	res := p.ask(ctx, name, qtype)
	o := p.dnsObservation(evidence.ProbeDNS, "records", res, start)
	o.Command = digCommand(res)
	return o
}

// dnsObservation is what an answer amounts to, without a command.
func (p *Prober) dnsObservation(probe, check string, res evidence.Resolved, start time.Time) evidence.Observation {
	o := evidence.Observation{
		Probe: probe, Check: check, Subject: res.Name + " " + res.Type, From: p.opt.From,
		At: start, Took: p.opt.Now().Sub(start), Outcome: evidence.Pass, Seen: strings.Join(res.Records, "; "),
	}
	switch {
	case res.Error != "":
		o.Outcome, o.Reason = evidence.Unknown, res.Error
	case len(res.Records) == 0:
		o.Outcome, o.Seen = evidence.Fail, "no such name (NXDOMAIN)"
		if res.Rcode != "NXDOMAIN" {
			o.Seen = "no " + res.Type + " record"
		}
	}
	return o.With(res)
}

// ask puts one question and follows CNAMEs that the server did not follow itself.
func (p *Prober) ask(ctx context.Context, name, qtype string) evidence.Resolved {
	res := evidence.Resolved{Name: strings.TrimSuffix(name, "."), Type: qtype, Server: p.opt.Resolver}
	t, ok := dns.StringToType[qtype]
	if _, valid := dns.IsDomainName(name); !ok || !valid {
		res.Error = fmt.Sprintf("%q %q is not a DNS question", name, qtype)
		return res
	}
	servers, err := p.servers()
	if err != nil {
		res.Server, res.Error = "system", err.Error()
		return res
	}
	seen := map[string]bool{}
	for next := dns.Fqdn(strings.ToLower(name)); ; {
		if seen[next] {
			res.Error = "the CNAMEs lead in a circle: " + strings.Join(res.CNAMEs, " -> ")
			return res
		}
		seen[next] = true
		m, server, err := p.exchange(ctx, servers, next, t)
		res.Server = server
		if err != nil {
			res.Error = err.Error()
			return res
		}
		end := collect(&res, m, next, t)
		if len(res.Records) > 0 || end == next || res.Error != "" || answersFor(m, end) {
			return res
		}
		if len(res.CNAMEs) > maxCNAMEs {
			res.Error = fmt.Sprintf("more than %d CNAMEs: %s", maxCNAMEs, strings.Join(res.CNAMEs, " -> "))
			return res
		}
		next = end
	}
}

// collect reads one answer into res and returns the name where its chain of CNAMEs ends.
func collect(res *evidence.Resolved, m *dns.Msg, name string, t uint16) string {
	res.Rcode = dns.RcodeToString[m.Rcode]
	res.Insecure = res.Insecure || !m.AuthenticatedData
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		res.Error = rcodeText(m, res.Type, name)
		return name
	}
	for range len(m.Answer) { // the CNAMEs may stand in any order
		moved := false
		for _, rr := range m.Answer {
			c, ok := rr.(*dns.CNAME)
			if ok && t != dns.TypeCNAME && strings.EqualFold(c.Hdr.Name, name) && len(res.CNAMEs) <= 2*maxCNAMEs {
				name, moved = strings.ToLower(c.Target), true
				res.CNAMEs = append(res.CNAMEs, strings.TrimSuffix(name, "."))
				break
			}
		}
		if !moved {
			break
		}
	}
	for _, rr := range m.Answer {
		if rr.Header().Rrtype == t && strings.EqualFold(rr.Header().Name, name) {
			res.Records, res.TTL = append(res.Records, recordText(rr)), rr.Header().Ttl
		}
	}
	res.Own = m.Authoritative
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok && len(res.Records) == 0 {
			res.Zone, res.TTL = bare(dns.CanonicalName(soa.Hdr.Name)), min(soa.Hdr.Ttl, soa.Minttl)
		}
	}
	return name
}

// answersFor says whether the answer is final about the name where its CNAMEs end: a resolver that
// followed them to the end gives the SOA of that name's zone (RFC 2308) or NXDOMAIN.
func answersFor(m *dns.Msg, name string) bool {
	if m.Rcode == dns.RcodeNameError {
		return true
	}
	for _, rr := range m.Ns {
		if rr.Header().Rrtype == dns.TypeSOA && dns.IsSubDomain(strings.ToLower(rr.Header().Name), name) {
			return true
		}
	}
	return false
}

// recordText is the record's data in presentation form; for TXT the joined character strings, bare,
// because that is what values are compared with.
func recordText(rr dns.RR) string {
	if t, ok := rr.(*dns.TXT); ok {
		return unescape(strings.Join(t.Txt, ""))
	}
	return strings.TrimSpace(strings.TrimPrefix(rr.String(), rr.Header().String()))
}

// unescape undoes the library's zone-file escapes (\" \\ \DDD) in a character string.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		if i+3 < len(s) && isDigits(s[i+1:i+4]) {
			b.WriteByte(byte(int(s[i+1]-'0')*100 + int(s[i+2]-'0')*10 + int(s[i+3]-'0')))
			i += 3
			continue
		}
		i++
		b.WriteByte(s[i])
	}
	return b.String()
}

func isDigits(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// exchange asks the servers in turn, twice round, over UDP and, when the answer is truncated, TCP.
func (p *Prober) exchange(ctx context.Context, servers []string, name string, t uint16) (*dns.Msg, string, error) {
	q := new(dns.Msg)
	q.SetQuestion(name, t)
	q.SetEdns0(ednsSize, false)
	q.AuthenticatedData = true // asks for the AD bit without asking for signatures (RFC 6840 section 5.7)
	var last error
	server := servers[0]
	for range 2 {
		for _, server = range servers {
			m, err := p.exchangeOne(ctx, server, q)
			if err == nil && m.Rcode != dns.RcodeServerFailure && m.Rcode != dns.RcodeRefused {
				return m, server, nil
			}
			if last = err; err == nil {
				last = errors.New(rcodeText(m, dns.TypeToString[t], name))
				if server == servers[len(servers)-1] && m.Rcode == dns.RcodeRefused {
					return m, server, nil // a refusal does not change within a second; a SERVFAIL may
				}
			}
			if ctx.Err() != nil {
				return nil, server, last
			}
		}
	}
	return nil, server, last
}

// exchangeOne asks one server once.
func (p *Prober) exchangeOne(ctx context.Context, server string, q *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, min(dnsTry, p.opt.Timeout))
	defer cancel()
	m, _, err := (&dns.Client{Net: "udp", UDPSize: ednsSize, Timeout: dnsTry}).ExchangeContext(ctx, q, server)
	if err == nil && m.Rcode == dns.RcodeFormatError && m.IsEdns0() == nil {
		plain := q.Copy() // a server from before EDNS (RFC 6891 section 7)
		plain.Extra = nil
		m, _, err = (&dns.Client{Net: "udp", Timeout: dnsTry}).ExchangeContext(ctx, plain, server)
	}
	if err != nil {
		return nil, fmt.Errorf("ask %s for %s over UDP: %w", server, questionText(q), err)
	}
	if m.Truncated {
		m, _, err = (&dns.Client{Net: "tcp", Timeout: dnsTry}).ExchangeContext(ctx, q, server)
		if err != nil {
			return nil, fmt.Errorf("ask %s for %s: the response was truncated and TCP failed: %w", server, questionText(q), err)
		}
	}
	return m, nil
}

func questionText(q *dns.Msg) string {
	return q.Question[0].Name + " " + dns.TypeToString[q.Question[0].Qtype]
}

// rcodeText says an error answer in words, with the server's extended error (RFC 8914) if it gave one.
func rcodeText(m *dns.Msg, qtype, name string) string {
	s := fmt.Sprintf("%s looking up %s for %s", dns.RcodeToString[m.Rcode], qtype, strings.TrimSuffix(name, "."))
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if e, ok := o.(*dns.EDNS0_EDE); ok {
				s += fmt.Sprintf(" (EDE %d %s: %s)", e.InfoCode, dns.ExtendedErrorCodeToString[e.InfoCode], e.ExtraText)
			}
		}
	}
	return s
}

// servers are the addresses to ask. The system's file is read each time: it changes under a long-lived
// process.
func (p *Prober) servers() ([]string, error) {
	if p.opt.Resolver != "" {
		return []string{p.opt.Resolver}, nil
	}
	c, err := dns.ClientConfigFromFile(p.opt.ResolvConf)
	if err != nil || len(c.Servers) == 0 {
		return nil, fmt.Errorf("no DNS server found in %s: name one in the configuration (%v)", p.opt.ResolvConf, err)
	}
	var out []string
	for _, s := range c.Servers {
		out = append(out, net.JoinHostPort(s, c.Port))
	}
	return out, nil
}

// lookupError is a host without addresses.
type lookupError struct {
	host, why string
	definite  bool // the DNS says so; else the resolver did not answer
}

func (e *lookupError) Error() string {
	return fmt.Sprintf("find the addresses of %s: %s", e.host, e.why)
}

// addresses are all addresses of a host, IPv6 first as a dual-stack client tries them; an IP literal is its own.
func (p *Prober) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, ok := literal(host); ok {
		return []netip.Addr{a}, nil
	}
	host = bareName(host)
	var out []netip.Addr
	var err error
	switch {
	case p.opt.Lookup != nil:
		out, err = p.opt.Lookup(ctx, host)
	case p.opt.Resolver == "":
		out, err = p.systemLookup(ctx, host)
	case host == "localhost" || strings.HasSuffix(host, ".localhost"): // RFC 6761 section 6.3: never asked of the DNS
		out = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	default:
		out, err = p.dnsLookup(ctx, host)
	}
	if err != nil {
		return nil, err
	}
	var six, four []netip.Addr
	for _, a := range out {
		if a = a.Unmap(); a.Is4() {
			four = append(four, a)
		} else {
			six = append(six, a)
		}
	}
	out = append(six, four...)
	if len(out) == 0 {
		return nil, &lookupError{host, "it has neither an A nor an AAAA record", true}
	}
	return out[:min(len(out), maxAddresses)], nil
}

// literal reads a host that is an address. One ends with a digit, or has colons: what is neither costs nothing.
func literal(host string) (netip.Addr, bool) {
	host = bareName(host)
	if n := len(host); n == 0 || (host[n-1] < '0' || host[n-1] > '9') && !strings.Contains(host, ":") {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(host)
	return a.Unmap(), err == nil
}

// bareName is a host without brackets and without the last dot.
func bareName(host string) string { return strings.TrimSuffix(strings.Trim(host, "[]"), ".") }

func (p *Prober) systemLookup(ctx context.Context, host string) ([]netip.Addr, error) {
	out, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err == nil {
		return out, nil
	}
	var d *net.DNSError
	return nil, &lookupError{host, err.Error(), errors.As(err, &d) && d.IsNotFound}
}

// dnsLookup asks for A and AAAA at once. One of them failing is passed over when the other has addresses.
func (p *Prober) dnsLookup(ctx context.Context, host string) ([]netip.Addr, error) {
	answers := make([]evidence.Resolved, 2)
	each(2, func(i int) { answers[i] = p.ask(ctx, host, []string{"AAAA", "A"}[i]) })
	var out []netip.Addr
	why, definite := "", true
	for _, r := range answers {
		for _, s := range r.Records {
			if a, err := netip.ParseAddr(s); err == nil {
				out = append(out, a)
			}
		}
		switch {
		case r.Error != "":
			why, definite = r.Error, false
		case r.Rcode == "NXDOMAIN" && why == "":
			why = "no such name (NXDOMAIN)"
		}
	}
	if len(out) == 0 && why != "" {
		return nil, &lookupError{host, why, definite}
	}
	return out, nil
}

// digCommand repeats a question.
func digCommand(r evidence.Resolved) string {
	at := ""
	if host, port, err := net.SplitHostPort(r.Server); err == nil {
		at = "@" + host + " "
		if port != "53" {
			at += "-p " + port + " "
		}
	}
	return "dig " + at + quote(r.Name) + " " + r.Type
}
