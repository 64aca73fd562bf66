package probe

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"certwright/internal/evidence"
)

// serveDNS runs an in-process server for misbehaviour that BIND does not offer, on UDP and, if tcp, TCP.
func serveDNS(t *testing.T, tcp bool, f dns.HandlerFunc) string {
	t.Helper()
	addr := "127.0.0.1:" + freePort(t)
	udp, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	servers := []*dns.Server{{PacketConn: udp, Handler: f}}
	if tcp {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		servers = append(servers, &dns.Server{Listener: l, Handler: f})
	}
	for _, s := range servers {
		up := make(chan struct{})
		s.NotifyStartedFunc = func() { close(up) }
		go s.ActivateAndServe()
		<-up
		t.Cleanup(func() { s.Shutdown() })
	}
	return addr
}

func TestLookDNSOnBIND(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 250)
	big := ""
	for i := range 12 {
		big += "big TXT \"" + long + string(rune('a'+i)) + "\"\n"
	}
	server := startNamed(t, map[string]string{"example.test": `@ A 127.0.0.1
@ TXT "one" "two"
@ TXT "quote\"d \\ back"
www CNAME alias
alias CNAME @
away CNAME www.other.test.
dangling CNAME nowhere
loop-a CNAME loop-b
loop-b CNAME loop-a
six AAAA ::1
` + big, "other.test": "www A 127.0.0.2\n"})
	p := newProber(Options{Resolver: server})
	tests := []struct {
		name, qtype string
		outcome     evidence.Outcome
		records     []string
		cnames      []string
		rcode       string
	}{
		{"example.test", "A", evidence.Pass, []string{"127.0.0.1"}, nil, "NOERROR"},
		{"example.test", "TXT", evidence.Pass, []string{"onetwo", `quote"d \ back`}, nil, "NOERROR"},
		{"WWW.example.test.", "A", evidence.Pass, []string{"127.0.0.1"}, []string{"alias.example.test", "example.test"}, "NOERROR"},
		{"away.example.test", "A", evidence.Pass, []string{"127.0.0.2"}, []string{"www.other.test"}, "NOERROR"},
		{"www.example.test", "CNAME", evidence.Pass, []string{"alias.example.test."}, nil, "NOERROR"},
		{"six.example.test", "AAAA", evidence.Pass, []string{"::1"}, nil, "NOERROR"},
		{"six.example.test", "A", evidence.Fail, nil, nil, "NOERROR"},
		{"nothing.example.test", "A", evidence.Fail, nil, nil, "NXDOMAIN"},
		{"dangling.example.test", "A", evidence.Fail, nil, []string{"nowhere.example.test"}, "NXDOMAIN"},
		{"loop-a.example.test", "A", evidence.Unknown, nil, nil, ""},
		{"not-ours.invalid", "A", evidence.Unknown, nil, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name+" "+tt.qtype, func(t *testing.T) {
			o := p.LookDNS(t.Context(), tt.name, tt.qtype)
			r, _ := evidence.Decode[evidence.Resolved](o)
			slices.Sort(r.Records)
			if o.Outcome != tt.outcome || !slices.Equal(r.Records, tt.records) || tt.cnames != nil && !slices.Equal(r.CNAMEs, tt.cnames) || tt.rcode != "" && r.Rcode != tt.rcode {
				t.Errorf("got %s, raw %+v", o, r)
			}
			if o.Outcome == evidence.Unknown && o.Reason == "" {
				t.Error("UNKNOWN without a reason")
			}
		})
	}
	t.Run("TCP when truncated", func(t *testing.T) {
		r, _ := evidence.Decode[evidence.Resolved](p.LookDNS(t.Context(), "big.example.test", "TXT"))
		if len(r.Records) != 12 {
			t.Errorf("%d records, want 12: %s", len(r.Records), r.Error)
		}
	})
	t.Run("the command repeats it", func(t *testing.T) {
		need(t, "dig")
		o := p.LookDNS(t.Context(), "example.test", "A")
		out, err := exec.Command("sh", "-c", o.Command+" +short").CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "127.0.0.1" {
			t.Errorf("%s: %v %s", o.Command, err, out)
		}
	})
}

func TestLookDNSErrors(t *testing.T) {
	t.Parallel()
	rcode := func(code int) dns.HandlerFunc {
		return func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetRcode(q, code)
			m.SetEdns0(1232, false)
			m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeDNSBogus, ExtraText: "why"})
			w.WriteMsg(m)
		}
	}
	truncated := func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Truncated = true
		w.WriteMsg(m)
	}
	tests := []struct{ name, server, reason string }{
		{"SERVFAIL", serveDNS(t, false, rcode(dns.RcodeServerFailure)), "SERVFAIL looking up A for www.example.test (EDE 6 DNSSEC Bogus: why)"},
		{"REFUSED", serveDNS(t, false, rcode(dns.RcodeRefused)), "REFUSED looking up A"},
		{"truncated, no TCP", serveDNS(t, false, truncated), "response was truncated and TCP failed"},
		{"nothing there", "127.0.0.1:" + freePort(t), "connection refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newProber(Options{Resolver: tt.server}).LookDNS(t.Context(), "www.example.test", "A")
			if o.Outcome != evidence.Unknown || !strings.Contains(o.Reason, tt.reason) {
				t.Errorf("got %s, want reason %q", o, tt.reason)
			}
		})
	}
}

func TestServerWithoutEDNS(t *testing.T) {
	t.Parallel()
	server := serveDNS(t, false, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.IsEdns0() != nil {
			m.SetRcode(q, dns.RcodeFormatError)
		} else {
			rr, _ := dns.NewRR("www.example.test. 1 IN A 127.0.0.9")
			m.Answer = append(m.Answer, rr)
		}
		w.WriteMsg(m)
	})
	o := newProber(Options{Resolver: server}).LookDNS(t.Context(), "www.example.test", "A")
	if o.Outcome != evidence.Pass || o.Seen != "127.0.0.9" {
		t.Errorf("got %s", o)
	}
}

func TestSystemResolverFile(t *testing.T) {
	t.Parallel()
	server := serveDNS(t, false, func(w dns.ResponseWriter, q *dns.Msg) { w.WriteMsg(new(dns.Msg).SetReply(q)) })
	ap := netip.MustParseAddrPort(server)
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver "+ap.Addr().String()+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := newProber(Options{ResolvConf: file}).servers()
	if err != nil || !slices.Equal(got, []string{"127.0.0.1:53"}) {
		t.Errorf("servers %v, %v", got, err)
	}
	if _, err := newProber(Options{ResolvConf: file + "-missing"}).servers(); err == nil || !strings.Contains(err.Error(), "resolv.conf-missing") {
		t.Errorf("a missing file gives %v", err)
	}
}

func TestUnresolvableHost(t *testing.T) {
	t.Parallel()
	server := startNamed(t, map[string]string{"test": "txt.example TXT x\n"})
	p := newProber(Options{Resolver: server})
	for host, want := range map[string]evidence.Outcome{"nothing.test": evidence.Fail, "txt.example.test": evidence.Fail, "refused.invalid": evidence.Unknown} {
		for _, o := range [][]evidence.Observation{p.SurveyTLS(t.Context(), host, "443", nil), p.FetchHTTP(t.Context(), "http://"+host+"/")} {
			if len(o) != 1 || o[0].Outcome != want || !strings.Contains(string(o[0].Data), ClassUnresolvable) {
				t.Errorf("%s: got %v, want one %s of class %s", host, o, want, ClassUnresolvable)
			}
		}
	}
}

func TestLookCAAOnBIND(t *testing.T) {
	t.Parallel()
	server := startNamed(t, map[string]string{"test": `example CAA 0 issue "ca.example; accounturi=https://ca.example/1"
example CAA 0 iodef "mailto:a@b"
alias.deep.example CNAME elsewhere.test.
elsewhere CAA 0 issue ";"
own.example CAA 128 tbs "un\"known"
nothing A 127.0.0.1
`})
	p := newProber(Options{Resolver: server})
	tests := []struct {
		name, found string
		climbed     []string
		tags        []string
	}{
		{"example.test", "example.test", []string{"example.test"}, []string{"iodef", "issue"}},
		{"*.a.b.example.test", "example.test", []string{"a.b.example.test", "b.example.test", "example.test"}, []string{"iodef", "issue"}},
		{"alias.deep.example.test", "alias.deep.example.test", []string{"alias.deep.example.test"}, []string{"issue"}},
		{"x.alias.deep.example.test", "alias.deep.example.test", []string{"x.alias.deep.example.test", "alias.deep.example.test"}, []string{"issue"}},
		{"own.example.test", "own.example.test", []string{"own.example.test"}, []string{"tbs"}},
		{"nothing.test", "", []string{"nothing.test", "test"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := p.LookCAA(t.Context(), tt.name)
			r, _ := evidence.Decode[evidence.Resolved](o)
			var tags []string
			for _, c := range r.CAA {
				tags = append(tags, c.Tag)
			}
			slices.Sort(tags)
			if o.Outcome != evidence.Pass || r.FoundAt != tt.found || !slices.Equal(r.Climbed, tt.climbed) || !slices.Equal(tags, tt.tags) {
				t.Errorf("got %s, raw %+v", o, r)
			}
		})
	}
	r, _ := evidence.Decode[evidence.Resolved](p.LookCAA(t.Context(), "own.example.test"))
	if c := r.CAA[0]; c.Flag != 128 || c.Value != `un"known` || !c.Critical() {
		t.Errorf("property read as %+v", c)
	}
}

func TestLookCAAServfailIsNoPermission(t *testing.T) {
	t.Parallel()
	server := serveDNS(t, false, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Name == "example.test." {
			m.Rcode = dns.RcodeServerFailure
		}
		w.WriteMsg(m)
	})
	o := newProber(Options{Resolver: server}).LookCAA(t.Context(), "www.example.test")
	if o.Outcome != evidence.Unknown || !strings.Contains(o.Reason, "SERVFAIL looking up CAA for example.test") {
		t.Errorf("got %s", o)
	}
}
