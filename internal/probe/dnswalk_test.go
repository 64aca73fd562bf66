package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"certwright/internal/evidence"
)

// authority is a name server with some zones, on one address; spoil may change or drop (nil) its answers.
type authority struct {
	zones map[string][]dns.RR
	spoil func(q, m *dns.Msg) *dns.Msg
}

func (a *authority) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(q)
	name := dns.CanonicalName(q.Question[0].Name)
	apex := ""
	for z := range a.zones {
		if dns.IsSubDomain(z, name) && (apex == "" || len(z) > len(apex)) {
			apex = z
		}
	}
	if apex == "" {
		m.Rcode = dns.RcodeRefused
	} else {
		a.answer(m, apex, name, q.Question[0].Qtype)
	}
	if q.IsEdns0() != nil {
		m.SetEdns0(1232, true)
	}
	if a.spoil != nil {
		if m = a.spoil(q, m); m == nil {
			return
		}
	}
	_ = w.WriteMsg(m) // who asked may have gone
}

func (a *authority) answer(m *dns.Msg, apex, name string, t uint16) {
	exists := false
	for _, rr := range a.zones[apex] {
		owner := dns.CanonicalName(rr.Header().Name)
		if rr.Header().Rrtype == dns.TypeNS && owner != apex && dns.IsSubDomain(owner, name) && t != dns.TypeDS {
			m.Ns = append(m.Ns, rr)
			for _, g := range a.zones[apex] {
				if strings.EqualFold(g.Header().Name, rr.(*dns.NS).Ns) && g.Header().Rrtype == dns.TypeA {
					m.Extra = append(m.Extra, g)
				}
			}
		}
		exists = exists || dns.IsSubDomain(name, owner)
		if owner == name && (rr.Header().Rrtype == t || rr.Header().Rrtype == dns.TypeCNAME) {
			m.Answer = append(m.Answer, rr)
		}
	}
	if len(m.Ns) > 0 {
		m.Answer = nil
		return
	}
	m.Authoritative = true
	if !exists {
		m.Rcode = dns.RcodeNameError
	}
	if len(m.Answer) == 0 {
		for _, rr := range a.zones[apex] {
			if rr.Header().Rrtype == dns.TypeSOA {
				m.Ns = append(m.Ns, rr)
			}
		}
	}
}

// tree runs name servers, one an address of 127/8, all on one port.
type tree struct {
	t    testing.TB
	port string
	net  string // 127.x.y.
}

func newTree(t testing.TB) *tree {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return &tree{t: t, port: port, net: fmt.Sprintf("127.%d.%d.", 20+len(t.Name())%200, time.Now().UnixNano()/1000%250)}
}

func (tr *tree) addr(host int) string { return fmt.Sprint(tr.net, host) }

// serve starts a server at an address; zones are texts of records.
func (tr *tree) serve(host int, spoil func(q, m *dns.Msg) *dns.Msg, zones ...string) {
	tr.t.Helper()
	a := &authority{zones: map[string][]dns.RR{}, spoil: spoil}
	for _, text := range zones {
		z := dns.NewZoneParser(strings.NewReader(text), ".", "")
		z.SetDefaultTTL(300)
		apex := ""
		for rr, ok := z.Next(); ok; rr, ok = z.Next() {
			if apex == "" {
				apex = dns.CanonicalName(rr.Header().Name)
			}
			a.zones[apex] = append(a.zones[apex], rr)
		}
		if z.Err() != nil {
			tr.t.Fatal(z.Err())
		}
	}
	at := net.JoinHostPort(tr.addr(host), tr.port)
	for _, network := range []string{"udp", "tcp"} {
		ready := make(chan struct{})
		s := &dns.Server{Addr: at, Net: network, Handler: a, NotifyStartedFunc: func() { close(ready) }}
		failed := make(chan error, 1)
		go func() { failed <- s.ListenAndServe() }()
		select {
		case <-ready:
		case err := <-failed:
			tr.t.Skipf("%s cannot be listened on here: %v", at, err)
		}
		tr.t.Cleanup(func() { _ = s.Shutdown() })
	}
}

// silent listens and never answers.
func (tr *tree) silent(host int) {
	tr.t.Helper()
	at := net.JoinHostPort(tr.addr(host), tr.port)
	c, err := net.ListenPacket("udp", at)
	if err != nil {
		tr.t.Fatal(err)
	}
	l, err := net.Listen("tcp", at)
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.t.Cleanup(func() { c.Close(); l.Close() })
}

const soa = " SOA ns.x. h.x. 7 1800 900 604800 300\n"

// above runs root (1) and TLD (2) for shop.test. with name servers at 3 and, where given, 4.
func (tr *tree) above(ns ...int) {
	tld := "test." + soa + "test. NS ns.nic.test.\nns.nic.test. A " + tr.addr(2) + "\n"
	for _, n := range ns {
		tld += fmt.Sprintf("shop.test. NS ns%d.shop.test.\nns%d.shop.test. A %s\n", n, n, tr.addr(n))
	}
	tr.serve(1, nil, "."+soa+". NS root.\nroot. A "+tr.addr(1)+"\ntest. NS ns.nic.test.\nns.nic.test. A "+tr.addr(2)+"\n")
	tr.serve(2, nil, tld)
}

// zone is shop.test. with name servers at these addresses.
func (tr *tree) zone(more string, ns ...int) string {
	z := "shop.test." + soa
	for _, n := range ns {
		z += fmt.Sprintf("shop.test. NS ns%d.shop.test.\nns%d.shop.test. A %s\n", n, n, tr.addr(n))
	}
	return z + more
}

func (tr *tree) walk(ask evidence.DNSAsk) evidence.Walk {
	tr.t.Helper()
	p := New(Options{Now: time.Now, From: "test", Guard: Guard{AllowLoopback: true}, DNSPort: tr.port, Resolver: "127.0.0.1:1",
		Roots: []RootServer{{"root.", []netip.Addr{netip.MustParseAddr(tr.addr(1))}}}})
	w, ok := evidence.Decode[evidence.Walk](p.WalkDNS(context.Background(), ask)[0])
	if !ok {
		tr.t.Fatal("the observation carries no walk")
	}
	return w
}

func zoneOf(t testing.TB, w evidence.Walk, name string) evidence.Zone {
	t.Helper()
	for _, z := range w.Zones {
		if z.Name == name {
			return z
		}
	}
	t.Fatalf("no zone %s in %+v", name, w.Zones)
	return evidence.Zone{}
}

func TestWalkFindsTheWay(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	tr.above(3, 4)
	z := tr.zone("www.shop.test. CNAME web.shop.test.\nweb.shop.test. A 192.0.2.7\nshop.test. CAA 0 issue \"ca.test\"\n", 3, 4)
	tr.serve(3, nil, z)
	tr.serve(4, nil, z)
	w := tr.walk(evidence.DNSAsk{Host: "www.shop.test"})
	if got := w.Addresses(); len(got) != 1 || got[0] != "192.0.2.7" || w.Blind != "" {
		t.Fatalf("addresses %v, blind %q", got, w.Blind)
	}
	shop := zoneOf(t, w, "shop.test")
	if len(shop.Answering()) != 2 || fmt.Sprint(shop.NSParent) != "[ns3.shop.test ns4.shop.test]" || fmt.Sprint(shop.NSChild) != fmt.Sprint(shop.NSParent) || shop.Parent != "test" {
		t.Errorf("%+v", shop)
	}
	for _, s := range shop.Servers {
		if s.Serial != 7 || s.TCP != "ok" || s.EDNS != "ok" || s.Case != "kept" {
			t.Errorf("%+v", s)
		}
	}
	if shop.DNSSEC.State != evidence.SecInsecure {
		t.Errorf("an unsigned zone: %+v", shop.DNSSEC)
	}
}

// Each way of a name server to be of no use, beside one that is well.
func TestWalkTellsServersApart(t *testing.T) {
	t.Parallel()
	lower := func(_, m *dns.Msg) *dns.Msg { m.Question[0].Name = strings.ToLower(m.Question[0].Name); return m }
	for _, c := range []struct {
		name  string
		spoil func(q, m *dns.Msg) *dns.Msg
		check func(s evidence.NameServer) bool
	}{
		{"refuses all", func(q, m *dns.Msg) *dns.Msg { m.SetRcode(q, dns.RcodeRefused); return m }, func(s evidence.NameServer) bool { return s.State == evidence.ServerRefuses && s.Knows == "yes" }},
		{"refuses, transfers not authoritative", func(q, m *dns.Msg) *dns.Msg {
			m.SetRcode(q, dns.RcodeRefused)
			if q.Question[0].Qtype == dns.TypeAXFR {
				m.Rcode = dns.RcodeNotAuth
			}
			return m
		}, func(s evidence.NameServer) bool { return s.State == evidence.ServerRefuses && s.Knows == "no" }},
		{"fails", func(q, m *dns.Msg) *dns.Msg { m.SetRcode(q, dns.RcodeServerFailure); return m }, func(s evidence.NameServer) bool { return s.State == evidence.ServerFails }},
		{"without authority", func(_, m *dns.Msg) *dns.Msg { m.Authoritative = false; return m }, func(s evidence.NameServer) bool { return s.State == evidence.ServerLame }},
		{"drops EDNS", func(q, m *dns.Msg) *dns.Msg {
			if q.IsEdns0() != nil {
				return nil
			}
			return m
		}, func(s evidence.NameServer) bool { return s.State == evidence.ServerAnswers && s.EDNS == "dropped" }},
		{"older than EDNS", func(q, m *dns.Msg) *dns.Msg {
			if q.IsEdns0() != nil {
				m.SetRcode(q, dns.RcodeFormatError)
				m.Extra = nil
			}
			return m
		}, func(s evidence.NameServer) bool { return s.State == evidence.ServerAnswers && s.EDNS == "refused" }},
		{"small letters", lower, func(s evidence.NameServer) bool { return s.State == evidence.ServerAnswers && s.Case == "changed" }},
		{"answers something else", func(_, m *dns.Msg) *dns.Msg { m.Question[0].Name = "other.test."; return m }, func(s evidence.NameServer) bool {
			return s.State == evidence.ServerOther && s.Seen == "the answer is to another question"
		}},
		{"knows no such zone", func(q, m *dns.Msg) *dns.Msg { m.SetRcode(q, dns.RcodeNameError); m.Answer = nil; return m }, func(s evidence.NameServer) bool { return s.State == evidence.ServerLame }},
		{"silent", func(_, _ *dns.Msg) *dns.Msg { return nil }, func(s evidence.NameServer) bool { return s.State == evidence.ServerSilent }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tr := newTree(t)
			tr.above(3, 4)
			z := tr.zone("www.shop.test. A 192.0.2.7\n", 3, 4)
			tr.serve(3, nil, z)
			tr.serve(4, c.spoil, z)
			w := tr.walk(evidence.DNSAsk{Host: "www.shop.test"})
			if len(w.Addresses()) != 1 {
				t.Fatalf("the good server's address is not found: %+v", w.Names)
			}
			for _, s := range zoneOf(t, w, "shop.test").Servers {
				if good := strings.HasPrefix(s.Address, tr.addr(3)+":"); good && s.State != evidence.ServerAnswers || !good && !c.check(s) {
					t.Errorf("%+v", s)
				}
			}
		})
	}
}

// A missing name, a circle of CNAMEs, a missing domain and a delegation without addresses.
func TestWalkNamesThatLeadNowhere(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	tr.serve(1, nil, "."+soa+". NS root.\nroot. A "+tr.addr(1)+"\ntest. NS ns.nic.test.\nns.nic.test. A "+tr.addr(2)+"\n")
	tr.serve(2, nil, "test."+soa+"test. NS ns.nic.test.\nns.nic.test. A "+tr.addr(2)+"\nbare.test. NS ns.bare.test.\nshop.test. NS ns3.shop.test.\nns3.shop.test. A "+tr.addr(3)+"\n")
	tr.serve(3, nil, tr.zone("a.shop.test. CNAME b.shop.test.\nb.shop.test. CNAME a.shop.test.\n", 3))
	w := tr.walk(evidence.DNSAsk{Host: "gone.shop.test"})
	if z := zoneOf(t, w, "shop.test"); len(z.Answering()) != 1 || len(w.Addresses()) != 0 {
		t.Errorf("a missing name: %+v", w)
	}
	w = tr.walk(evidence.DNSAsk{Host: "a.shop.test"})
	seen := map[string]string{}
	for _, n := range w.Names {
		for _, a := range n.Answers {
			if a.CNAME != "" {
				seen[n.Name] = a.CNAME
			}
		}
	}
	if seen["a.shop.test"] != "b.shop.test" || seen["b.shop.test"] != "a.shop.test" {
		t.Errorf("a circle: %v", seen)
	}
	w = tr.walk(evidence.DNSAsk{Host: "www.none.test"})
	if last := w.Zones[len(w.Zones)-1]; last.Name != "test" {
		t.Errorf("a domain that is not delegated: the last zone is %s", last.Name)
	}
	w = tr.walk(evidence.DNSAsk{Host: "www.bare.test"})
	if z := zoneOf(t, w, "bare.test"); fmt.Sprint(z.NoGlue) != "[ns.bare.test]" || len(z.Servers) != 0 {
		t.Errorf("no glue: %+v", z)
	}
}

// Where no root server answers, nothing is said of anybody's name servers.
func TestWalkBlind(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	w := tr.walk(evidence.DNSAsk{Host: "www.shop.test"}) // nothing listens
	if w.Blind == "" {
		t.Fatalf("not blind: %+v", w)
	}
	for _, z := range w.Zones {
		if len(z.Servers) > 0 {
			t.Errorf("servers of %s: %+v", z.Name, z.Servers)
		}
	}
	tr = newTree(t)
	tr.serve(1, func(_, m *dns.Msg) *dns.Msg { m.Authoritative, m.RecursionAvailable = false, true; return m }, "."+soa)
	if w = tr.walk(evidence.DNSAsk{Host: "www.shop.test"}); !strings.Contains(w.Blind, "in their place") {
		t.Errorf("something that answers in the root's place: %q", w.Blind)
	}
}

// The order of names (RFC 4034 section 6.1, its own example) and what lies between.
func TestCanonicalOrder(t *testing.T) {
	list := []string{"example.", "a.example.", "yljkjljk.a.example.", "Z.a.example.", "zABC.a.EXAMPLE.", "z.example.", `\001.z.example.`, "*.z.example.", `\200.z.example.`}
	for i := range list {
		for k := range list {
			if got := canonical(list[i], list[k]); (got < 0) != (i < k) || (got == 0) != (i == k) {
				t.Errorf("%s against %s: %d", list[i], list[k], got)
			}
		}
	}
	for _, c := range []struct {
		owner, next, name string
		want              bool
	}{
		{"a.x.", "c.x.", "b.x.", true}, {"a.x.", "c.x.", "c.x.", false}, {"a.x.", "c.x.", "a.x.", false}, {"a.x.", "c.x.", "d.x.", false},
		{"c.x.", "x.", "d.x.", true}, {"c.x.", "x.", "b.x.", false}, {"a.x.", "c.x.", "b.a.x.", true},
	} {
		if got := between(c.owner, c.next, c.name); got != c.want {
			t.Errorf("%s between %s and %s: %v", c.name, c.owner, c.next, got)
		}
	}
}

// Whatever a name server sends, reading it ends without a panic.
func FuzzAnswer(f *testing.F) {
	m := new(dns.Msg)
	m.SetQuestion("www.shop.test.", dns.TypeA)
	for _, text := range []string{"shop.test. 300 IN NSEC a.shop.test. A NS RRSIG", "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.shop.test. 300 IN NSEC3 1 1 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr A",
		"www.shop.test. 300 IN CNAME www.shop.test.", "www.shop.test. 300 IN RRSIG A 13 3 300 20261201000000 20261101000000 1 shop.test. AAAA", "shop.test. 300 IN NS ns.shop.test."} {
		rr, err := dns.NewRR(text)
		if err != nil {
			f.Fatal(err)
		}
		m.Ns = append(m.Ns, rr)
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		m.Answer = append(m.Answer, rr)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := new(dns.Msg)
		if m.Unpack(b) != nil {
			return
		}
		now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
		w := New(Options{Now: func() time.Time { return now }}).newWalker(&zone{name: "."})
		z := &zone{name: "shop.test.", sec: &zoneSec{fact: evidence.ZoneSec{State: evidence.SecSecure}, keys: []*dns.DNSKEY{{Algorithm: 13, PublicKey: "AAAA", Protocol: 3}}}}
		v := &visited{name: "www.shop.test.", zone: z}
		for _, kind := range []uint16{dns.TypeA, dns.TypeCAA, dns.TypeTXT, dns.TypeDS} {
			w.answerFact(v, kind, &nameServer{}, reply{msg: m})
			w.serves(z, question{name: v.name, qtype: kind}, reply{msg: m})
		}
		_, _ = stateOf(z, reply{msg: m})
		q := question{name: v.name, qtype: dns.TypeA}.message(true)
		if _ = strayText(m, []*dns.Msg{q}); answers(m, q) && m.Id != q.Id {
			t.Fatal("an answer with another number than the question was taken")
		}
		_ = glue(m, "ns.shop.test.")
		_, _ = delegation(m)
	})
}

// A walk through a healthy tree, and one past a dead name server.
func BenchmarkWalk(b *testing.B) {
	for _, dead := range []bool{false, true} {
		b.Run(map[bool]string{false: "healthy", true: "one of two is dead"}[dead], func(b *testing.B) {
			tr := newTree(b)
			tr.above(3, 4)
			z := tr.zone("www.shop.test. A 192.0.2.7\n", 3, 4)
			tr.serve(3, nil, z)
			if dead {
				tr.silent(4)
			} else {
				tr.serve(4, nil, z)
			}
			for b.Loop() {
				tr.walk(evidence.DNSAsk{Host: "www.shop.test"})
			}
		})
	}
}
