package probe

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
	"golang.org/x/net/publicsuffix"

	"certwright/internal/evidence"
)

// WalkDNS goes from the root zone through every delegation down to the host, and asks every name server of
// every zone on the way by itself: the zone's own records, the host's addresses and CAA set, and, where a
// method or a TXT record is asked about, the places of the challenge. It computes the DNSSEC chain. One observation
// of Check "walk", its Data an evidence.Walk:
//
//	PASS     the host has an address
//	FAIL     the name servers say that it has none, or none of them answers
//	UNKNOWN  the root servers cannot be asked from here (port 53 closed, or something answers in their
//	         place): Reason says it. What the resolver gives without its validation is then in Data.
func (p *Prober) WalkDNS(ctx context.Context, ask evidence.DNSAsk) []evidence.Observation {
	start := p.opt.Now()
	ask.Host = bare(dns.CanonicalName(ask.Host))
	w := p.newWalker(p.rootZone())
	fact := evidence.Walk{Ask: ask, Public: len(p.opt.Roots) == 0}
	fact.Suffix, _ = publicsuffix.PublicSuffix(ask.Host)
	if fact.Blind = w.blind(ctx); fact.Blind != "" {
		w.busy.Wait()
		w = p.viaResolver()
	}
	if w != nil {
		w.visitAll(ctx, ask)
		w.busy.Wait()
		w.report(ctx, &fact)
	}
	o := evidence.Observation{Probe: evidence.ProbeDNS, Check: evidence.CheckWalk, Subject: ask.Host, From: p.opt.From,
		At: start, Took: p.opt.Now().Sub(start), Outcome: evidence.Pass, Command: "dig +trace +nodnssec " + quote(ask.Host) + " A"}
	switch addrs := fact.Addresses(); {
	case fact.Blind != "":
		o.Outcome, o.Reason = evidence.Unknown, fact.Blind
	case len(addrs) > 0:
		o.Seen = strings.Join(addrs, "; ")
	default:
		o.Outcome, o.Seen = evidence.Fail, "no address"
	}
	return []evidence.Observation{o.With(fact)}
}

// blind says why the walk cannot begin; empty = it can.
func (w *walker) blind(ctx context.Context) string {
	a := w.query(ctx, w.root, ".", dns.TypeSOA)
	if r := a.first(ctx); r != nil && r.msg.Authoritative {
		return ""
	}
	intercepted := ""
	for _, r := range w.replies(a) {
		if r.msg != nil && intercepted == "" {
			intercepted = dns.RcodeToString[r.msg.Rcode]
		}
	}
	if intercepted != "" {
		return "the root name servers' addresses give answers that are not a root server's (" + intercepted + ", not authoritative): something between here and them answers in their place"
	}
	return "no root name server answers from here (port 53 to the outside is closed, or the root hints are wrong), so that the name servers could not be asked one by one"
}

// viaResolver makes a walker that asks the configured resolver, without its validation; nil if there is none.
func (p *Prober) viaResolver() *walker {
	list, err := p.servers()
	if err != nil {
		return nil
	}
	root := &zone{name: "."}
	for _, s := range list[:min(len(list), 2)] {
		if a, err := netip.ParseAddrPort(s); err == nil {
			root.servers = append(root.servers, &nameServer{name: "resolver", addr: a})
		}
	}
	w := p.newWalker(root)
	w.via = true
	return w
}

// visitAll asks about the host and everything around it, at once.
func (w *walker) visitAll(ctx context.Context, ask evidence.DNSAsk) {
	host := dns.CanonicalName(ask.Host)
	var wg sync.WaitGroup
	wg.Go(func() { w.visit(ctx, host, evidence.RoleHost, "", dns.TypeA, dns.TypeAAAA, dns.TypeCAA) })
	for up := parentOf(host); up != "."; up = parentOf(up) {
		wg.Go(func() { w.visit(ctx, up, evidence.RoleAbove, "", dns.TypeCAA) })
	}
	if !w.via {
		wg.Go(func() { w.besides(ctx, host, ask) })
	}
	wg.Wait()
}

// besides asks names that show how the zone treats what is not there, and the places of a challenge.
func (w *walker) besides(ctx context.Context, host string, ask evidence.DNSAsk) {
	z := w.descend(ctx, host, true, 0)
	label := fmt.Sprintf("cw-%08x.", rand.Uint32())
	var wg sync.WaitGroup
	if z.name != "." {
		wg.Go(func() { w.visit(ctx, label+z.name, evidence.RoleRandom, "", dns.TypeA) })
	}
	txt := slices.Clone(ask.TXT)
	if ask.Method == "dns-01" {
		txt = append(txt, evidence.TXTAsk{Name: "_acme-challenge." + ask.Host})
	}
	for _, t := range txt {
		name := dns.CanonicalName(t.Name)
		wg.Go(func() { w.visit(ctx, name, evidence.RoleChallenge, "", dns.TypeTXT) })
		if z.name == "." || !dns.IsSubDomain(z.name, name) {
			continue
		}
		wg.Go(func() { w.visit(ctx, label+parentOf(name), evidence.RoleRandom, bare(name), dns.TypeTXT) })
		for _, m := range mistakes(name, host, z.name) {
			wg.Go(func() { w.visit(ctx, m, evidence.RoleMistaken, bare(name), dns.TypeTXT) })
		}
	}
	wg.Wait()
}

// mistakes are the names under which a TXT record is often put by mistake: with the zone's name
// appended once more by a panel, without the underscore, at the zone's top, at the host itself.
func mistakes(name, host, zoneName string) []string {
	out := []string{name + zoneName}
	if rest, ok := strings.CutPrefix(name, "_"); ok {
		out = append(out, rest)
	}
	for _, n := range []string{zoneName, host, "_acme-challenge." + host} {
		if n != name && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// visit asks every server of the name's zone for the types, and follows a CNAME.
func (w *walker) visit(ctx context.Context, name, role, from string, types ...uint16) {
	if _, ok := dns.IsDomainName(name); !ok || len(name) > 254 {
		return
	}
	z := w.descend(ctx, name, role != evidence.RoleAbove, 0)
	v := &visited{name: name, role: role, from: from, zone: z, types: types}
	w.mu.Lock()
	chain := 0
	for _, o := range w.names {
		if o.name == name && o.role == role && o.from == from {
			w.mu.Unlock()
			return
		}
		if o.role == evidence.RoleTarget {
			chain++
		}
	}
	w.names = append(w.names, v)
	w.mu.Unlock()
	var asked []*asking
	for _, t := range types {
		asked = append(asked, w.query(ctx, z, name, t))
	}
	if role == evidence.RoleRandom || role == evidence.RoleMistaken || chain >= maxTargets {
		return
	}
	r := asked[0].first(ctx)
	if r == nil {
		return
	}
	if target := cnameOf(r.msg, name); target != "" && !w.seen(target) {
		w.visit(ctx, target, evidence.RoleTarget, bare(name), types...)
	}
}

// seen says whether a name was visited as the host, a challenge or a target: a circle ends there.
func (w *walker) seen(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.names, func(v *visited) bool {
		return v.name == name && (v.role == evidence.RoleTarget || v.role == evidence.RoleHost || v.role == evidence.RoleChallenge)
	})
}

func cnameOf(m *dns.Msg, name string) string {
	for _, rr := range m.Answer {
		if c, ok := rr.(*dns.CNAME); ok && strings.EqualFold(c.Hdr.Name, name) {
			return dns.CanonicalName(c.Target)
		}
	}
	return ""
}

// report writes down what was found; every question has been answered.
func (w *walker) report(ctx context.Context, f *evidence.Walk) {
	f.TCP = w.tcpOK.Load()
	if w.via && len(w.root.servers) > 0 {
		f.Via = w.root.servers[0].addr.String()
	}
	for _, z := range w.order {
		w.secure(ctx, z)
	}
	w.busy.Wait() // questions that only the chain of keys needed
	for _, z := range w.order {
		f.Zones = append(f.Zones, w.zoneFact(z))
		if z.name != "." && dns.CountLabel(z.name) > 1 || w.via && z.name != "." {
			f.Names = append(f.Names, w.nameFact(&visited{name: z.name, role: evidence.RoleApex, zone: z, types: []uint16{dns.TypeSOA}}))
		}
	}
	slices.SortStableFunc(f.Zones, func(a, b evidence.Zone) int {
		return dns.CountLabel(dns.Fqdn(a.Name)) - dns.CountLabel(dns.Fqdn(b.Name))
	})
	slices.SortStableFunc(w.names, func(a, b *visited) int { return strings.Compare(a.role+a.name+a.from, b.role+b.name+b.from) })
	for _, v := range w.names {
		f.Names = append(f.Names, w.nameFact(v))
	}
}

func (w *walker) nameFact(v *visited) evidence.DNSName {
	n := evidence.DNSName{Name: bare(v.name), Role: v.role, Zone: bare(v.zone.name), For: v.from}
	for _, t := range v.types {
		a := w.asked[v.zone.name+" "+v.name+" "+dns.TypeToString[t]]
		if a == nil {
			continue
		}
		for i, s := range v.zone.servers {
			n.Answers = append(n.Answers, w.answerFact(v, t, s, a.replies[i]))
		}
	}
	return n
}

// answerFact writes one server's answer down.
func (w *walker) answerFact(v *visited, t uint16, s *nameServer, r reply) evidence.DNSAnswer {
	f := evidence.DNSAnswer{Type: dns.TypeToString[t], Server: s.addr.String(), Truncated: r.truncated, Took: r.took}
	if r.msg == nil {
		f.Error, f.Class = r.err.Error(), ErrorClass(r.err)
		return f
	}
	f.Rcode, f.AA = dns.RcodeToString[r.msg.Rcode], r.msg.Authoritative
	switch {
	case r.msg.Truncated:
		f.Error, f.Class = "the answer does not fit into UDP", "truncated"
		if r.tcpErr != nil {
			f.Error += ", and TCP failed: " + r.tcpErr.Error()
		}
		return f
	case cnameOf(r.msg, v.name) != "" && f.AA: // an error is then about where it leads
	case r.msg.Rcode != dns.RcodeSuccess && r.msg.Rcode != dns.RcodeNameError:
		f.Error, f.Class = rcodeText(r.msg, f.Type, v.name), "rcode"
		return f
	}
	set, _ := rrset(r.msg.Answer, v.name, t)
	for _, rr := range set {
		f.Records, f.TTL = append(f.Records, recordText(rr)), rr.Header().Ttl
		if c, ok := rr.(*dns.CAA); ok {
			f.CAA = append(f.CAA, evidence.ParseCAA(c.Flag, c.Tag, unescape(c.Value)))
		}
	}
	slices.Sort(f.Records)
	if c := cnameOf(r.msg, v.name); c != "" && t != dns.TypeCNAME {
		f.CNAME = bare(c)
	}
	for _, rr := range r.msg.Ns {
		if soa, ok := rr.(*dns.SOA); ok && len(set) == 0 {
			f.TTL = min(soa.Hdr.Ttl, soa.Minttl)
		}
	}
	if z := v.zone; z.sec != nil && z.sec.fact.State == evidence.SecSecure && !r.plain && (f.AA || w.via) {
		sec := w.judgeAnswer(z, z.sec, r.msg, v.name, t)
		f.Sec = &sec
	}
	return f
}
