package probe

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"certwright/internal/evidence"
)

// survey looks at every server of a zone: the zone's own records, TCP, and the case of the letters.
func (w *walker) survey(ctx context.Context, z *zone) {
	soa := w.query(ctx, z, z.name, dns.TypeSOA)
	w.query(ctx, z, z.name, dns.TypeDNSKEY)
	if w.via {
		return
	}
	w.query(ctx, z, z.name, dns.TypeNS)
	for _, s := range z.servers {
		w.busy.Go(func() { w.lookTCP(ctx, s, z) })
		if z.name != "." {
			w.busy.Go(func() { w.lookCase(ctx, s, z) })
		}
	}
	w.busy.Go(func() { w.afterwards(ctx, z, soa) })
}

func (w *walker) lookTCP(ctx context.Context, s *nameServer, z *zone) {
	_, err := w.p.askTCP(ctx, s.addr, question{name: z.name, qtype: dns.TypeSOA}, false)
	if err == nil {
		w.tcpOK.Store(true)
	}
	w.mu.Lock()
	w.tcp[s] = err
	w.mu.Unlock()
}

func (w *walker) lookCase(ctx context.Context, s *nameServer, z *zone) {
	q := question{name: mixCase(z.name), qtype: dns.TypeSOA}
	r := w.one(ctx, s, q)
	if r.msg == nil || len(r.msg.Question) == 0 {
		return
	}
	word := "kept"
	if r.msg.Question[0].Name != q.name {
		word = "changed"
	}
	w.mu.Lock()
	w.cased[s] = word
	w.mu.Unlock()
}

// afterwards looks longer where it is needed to tell one cause from another: a zone whose servers
// are all silent, and servers that refuse.
func (w *walker) afterwards(ctx context.Context, z *zone, soa *asking) {
	<-soa.all // each question ends by itself
	if soa.first(ctx) != nil {
		w.refusals(ctx, z, soa)
		return
	}
	replies := w.replies(soa)
	silent := 0
	for _, r := range replies {
		if r.err != nil && ErrorClass(r.err) == ClassTimeout && !errors.As(r.err, new(strayError)) {
			silent++
		}
	}
	w.refusals(ctx, z, soa)
	if silent == 0 || silent < len(replies) || ctx.Err() != nil {
		return
	}
	long := make([]reply, len(z.servers))
	each(len(z.servers), func(i int) {
		ctx, cancel := context.WithTimeout(ctx, nsLong)
		defer cancel()
		start := w.p.opt.Now()
		long[i] = w.p.askUDP(ctx, z.servers[i].addr, soa.q, nsLong)
		long[i].took = w.p.opt.Now().Sub(start)
	})
	w.mu.Lock()
	z.long = long
	w.mu.Unlock()
}

// refusals asks servers that refuse everything for a transfer: one that has the zone refuses that too,
// one that has it not says so (NOTAUTH, RFC 2136 section 2.2, RFC 5936 section 2.2.1).
func (w *walker) refusals(ctx context.Context, z *zone, soa *asking) {
	for i, r := range w.replies(soa) {
		if r.msg == nil || r.msg.Rcode != dns.RcodeRefused {
			continue
		}
		s := z.servers[i]
		m, err := w.p.askTCP(ctx, s.addr, question{name: z.name, qtype: dns.TypeAXFR}, false)
		word := ""
		switch {
		case err != nil:
		case m.Rcode == dns.RcodeNotAuth:
			word = "no"
		case m.Rcode == dns.RcodeRefused || m.Rcode == dns.RcodeSuccess:
			word = "yes"
		}
		w.mu.Lock()
		w.knows[s] = word
		w.mu.Unlock()
	}
}

// replies copies what came so far.
func (w *walker) replies(a *asking) []reply {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(a.replies)
}

// zoneFact writes a zone out; everything has been answered by then.
func (w *walker) zoneFact(z *zone) evidence.Zone {
	f := evidence.Zone{Name: bare(z.name), NSParent: bares(z.nsParent), NoGlue: bares(z.noGlue), NoAddr: bares(z.noAddr)}
	if z.parent != nil {
		f.Parent = bare(z.parent.name)
	}
	if z.sec != nil {
		f.DNSSEC = z.sec.fact
	}
	if w.via {
		return f
	}
	soa, ns := w.asked[z.name+" "+z.name+" SOA"], w.asked[z.name+" "+z.name+" NS"]
	for i, s := range z.servers {
		n := w.serverFact(z, s, soa.replies[i])
		if len(z.long) > i && z.long[i].msg != nil {
			n.State, n.Took, n.Seen = evidence.ServerSlow, z.long[i].took, "an answer after "+z.long[i].took.Round(100e6).String()
		}
		if r := ns.replies[i]; r.msg != nil && r.msg.Authoritative {
			_, names := nsOf(r.msg.Answer)
			n.NS = bares(names)
			for _, x := range n.NS {
				if !slices.Contains(f.NSChild, x) {
					f.NSChild = append(f.NSChild, x)
				}
			}
		}
		f.Servers = append(f.Servers, n)
	}
	slices.Sort(f.NSChild)
	return f
}

// serverFact says what one server is, by its answer about the zone's SOA record.
func (w *walker) serverFact(z *zone, s *nameServer, r reply) evidence.NameServer {
	n := evidence.NameServer{Name: bare(s.name), Address: s.addr.String(), Took: r.took, Case: w.cased[s], Knows: w.knows[s]}
	n.State, n.Seen = stateOf(z, r)
	if err, tried := w.tcp[s]; tried {
		n.TCP = "ok"
		if err != nil {
			n.TCP, n.TCPLost = err.Error(), ErrorClass(err) == ClassTimeout
		}
	}
	if r.msg == nil {
		return n
	}
	n.Rcode, n.EDNS = dns.RcodeToString[r.msg.Rcode], "ok"
	switch {
	case r.plain:
		n.EDNS = "dropped"
	case r.formerr:
		n.EDNS = "refused"
	}
	for _, rr := range r.msg.Answer {
		if soa, ok := rr.(*dns.SOA); ok && n.State == evidence.ServerAnswers {
			n.Serial, n.MName, n.Minimum = soa.Serial, bare(dns.CanonicalName(soa.Ns)), soa.Minttl
		}
	}
	return n
}

// stateOf names a server's state and says in words what came.
func stateOf(z *zone, r reply) (state, seen string) {
	var stray strayError
	switch {
	case r.msg == nil && errors.As(r.err, &stray):
		return evidence.ServerOther, stray.what
	case r.msg == nil:
		switch ErrorClass(r.err) {
		case ClassUnreachable, ClassForbidden:
			return evidence.ServerNotAsked, r.err.Error()
		case ClassTimeout:
			return evidence.ServerSilent, "no answer in " + (2*nsTry + nsGrace).String()
		case ClassRefused:
			return evidence.ServerSilent, "the port is closed"
		}
		return evidence.ServerSilent, r.err.Error()
	}
	switch r.msg.Rcode {
	case dns.RcodeSuccess:
	case dns.RcodeRefused:
		return evidence.ServerRefuses, rcodeText(r.msg, "SOA", z.name)
	case dns.RcodeServerFailure:
		return evidence.ServerFails, rcodeText(r.msg, "SOA", z.name)
	case dns.RcodeNotAuth, dns.RcodeNameError: // of the zone itself: it has none of that name
		return evidence.ServerLame, rcodeText(r.msg, "SOA", z.name)
	default:
		return evidence.ServerOther, rcodeText(r.msg, "SOA", z.name)
	}
	for _, rr := range r.msg.Answer {
		if _, ok := rr.(*dns.SOA); ok && strings.EqualFold(rr.Header().Name, z.name) {
			if r.msg.Authoritative {
				return evidence.ServerAnswers, "authoritative"
			}
			return evidence.ServerLame, "an answer without authority (AA is not set)"
		}
	}
	if owner, _ := delegation(r.msg); owner != "" {
		return evidence.ServerLame, "a pointer to the servers of " + bare(owner)
	}
	return evidence.ServerLame, "no SOA record of the zone"
}

// bare is a name without its last dot; the root stays ".".
func bare(name string) string {
	if name == "." {
		return name
	}
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

func bares(names []string) []string {
	var out []string
	for _, n := range names {
		out = append(out, bare(n))
	}
	slices.Sort(out)
	return out
}
