package testworld

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// DNS is a name server inside the process: authoritative for everything, over UDP and TCP on one
// port. Its records can be changed while it runs. It is safe for concurrent use.
type DNS struct {
	Addr string // ip:port, the same for UDP and TCP

	mu       sync.Mutex
	records  map[string][]dns.RR // by lower-case owner name with its last dot
	failures map[question]int    // rcode for a question, before any record
	fallback map[uint16]string   // value of A or AAAA for names without records of their own
	asked    []string
	servers  []*dns.Server
}

type question struct {
	name  string
	qtype uint16
}

// RunDNS starts a name server on 127.0.0.1 with records in presentation form
// ("www.example.test. 60 IN A 127.0.0.1"). It stops when ctx ends or Stop is called.
func RunDNS(ctx context.Context, records ...string) (*DNS, error) {
	d := &DNS{records: map[string][]dns.RR{}, failures: map[question]int{}, fallback: map[uint16]string{}}
	for _, r := range records {
		if err := d.Add(r); err != nil {
			return nil, err
		}
	}
	tcp, udp, err := bothPorts()
	if err != nil {
		return nil, err
	}
	d.Addr = tcp.Addr().String()
	for _, s := range []*dns.Server{{Listener: tcp, Handler: d}, {PacketConn: udp, Handler: d}} {
		ready := make(chan struct{})
		s.NotifyStartedFunc = func() { close(ready) }
		go func() { _ = s.ActivateAndServe() }() // ends with Shutdown; its error then says nothing
		<-ready
		d.servers = append(d.servers, s)
	}
	context.AfterFunc(ctx, d.Stop)
	return d, nil
}

// StartDNS is RunDNS for a test: it is stopped at the test's end.
func StartDNS(t TB, records ...string) *DNS {
	t.Helper()
	d, err := RunDNS(context.Background(), records...)
	if err != nil {
		t.Fatalf("name server: %v", err)
	}
	t.Cleanup(d.Stop)
	return d
}

// bothPorts listens on one port of 127.0.0.1 that is free for TCP and UDP.
func bothPorts() (net.Listener, net.PacketConn, error) {
	var last error
	for range 20 { // a port that is free for TCP may be taken for UDP
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, fmt.Errorf("name server: listen on TCP: %w", err)
		}
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		if err == nil {
			return tcp, udp, nil
		}
		_, last = tcp.Close(), err
	}
	return nil, nil, fmt.Errorf("name server: no port is free for both UDP and TCP: %w", last)
}

// Stop ends the server. It may be called again.
func (d *DNS) Stop() {
	for _, s := range d.servers {
		_ = s.Shutdown() // "not started" of a second Stop is no news
	}
}

// Add adds one record in presentation form.
func (d *DNS) Add(record string) error {
	rr, err := dns.NewRR(record)
	if err != nil || rr == nil {
		return fmt.Errorf("name server: %q is not a record: %w", record, err)
	}
	name := dns.CanonicalName(rr.Header().Name)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.records[name] = append(d.records[name], rr)
	return nil
}

// Set replaces all records of one name and type by these values ("TXT" values without quotes). No
// value removes them.
func (d *DNS) Set(name, rtype string, values ...string) error {
	name = dns.CanonicalName(name)
	qtype, ok := dns.StringToType[strings.ToUpper(rtype)]
	if !ok {
		return fmt.Errorf("name server: unknown record type %q", rtype)
	}
	d.mu.Lock()
	var kept []dns.RR
	for _, rr := range d.records[name] {
		if rr.Header().Rrtype != qtype {
			kept = append(kept, rr)
		}
	}
	d.records[name] = kept
	if len(kept) == 0 {
		delete(d.records, name)
	}
	d.mu.Unlock()
	for _, v := range values {
		if qtype == dns.TypeTXT {
			v = `"` + v + `"`
		}
		if err := d.Add(fmt.Sprintf("%s 60 IN %s %s", name, rtype, v)); err != nil {
			return err
		}
	}
	return nil
}

// Default answers A (or AAAA) questions for names without any record of their own with this address.
func (d *DNS) Default(address string) {
	qtype := dns.TypeA
	if strings.Contains(address, ":") {
		qtype = dns.TypeAAAA
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fallback[qtype] = address
}

// Fail answers questions for one name and type with this code, such as dns.RcodeServerFailure;
// dns.RcodeSuccess ends it.
func (d *DNS) Fail(name, rtype string, rcode int) error {
	qtype, ok := dns.StringToType[strings.ToUpper(rtype)]
	if !ok {
		return fmt.Errorf("name server: unknown record type %q", rtype)
	}
	q := question{dns.CanonicalName(name), qtype}
	d.mu.Lock()
	defer d.mu.Unlock()
	if rcode == dns.RcodeSuccess {
		delete(d.failures, q)
		return nil
	}
	d.failures[q] = rcode
	return nil
}

// Asked are the questions so far, oldest first: "www.example.test. A".
func (d *DNS) Asked() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.asked...)
}

// ServeDNS answers one question.
func (d *DNS) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(r)
	m.Authoritative, m.RecursionAvailable = true, true
	if len(r.Question) != 1 {
		m.Rcode = dns.RcodeFormatError
		_ = w.WriteMsg(m)
		return
	}
	q := question{dns.CanonicalName(r.Question[0].Name), r.Question[0].Qtype}
	d.mu.Lock()
	d.asked = append(d.asked, q.name+" "+dns.TypeToString[q.qtype])
	if rcode, failing := d.failures[q]; failing {
		m.Rcode = rcode
	} else {
		d.answer(m, q, 0)
	}
	d.mu.Unlock()
	if w.LocalAddr().Network() == "udp" {
		size := dns.MinMsgSize
		if o := r.IsEdns0(); o != nil {
			size = int(o.UDPSize())
		}
		m.Truncate(size)
	}
	_ = w.WriteMsg(m) // a client that went away is its own affair
}

// answer fills m: records of the name, a CNAME followed, else the fallback, else NODATA or NXDOMAIN.
func (d *DNS) answer(m *dns.Msg, q question, depth int) {
	found := false
	for _, rr := range d.records[q.name] {
		if rr.Header().Rrtype == q.qtype {
			m.Answer, found = append(m.Answer, rr), true
		}
	}
	if found {
		return
	}
	for _, rr := range d.records[q.name] {
		if c, ok := rr.(*dns.CNAME); ok && depth < 8 {
			m.Answer = append(m.Answer, c)
			d.answer(m, question{dns.CanonicalName(c.Target), q.qtype}, depth+1)
			return
		}
	}
	if len(d.records[q.name]) == 0 && len(d.fallback) > 0 {
		if value, ok := d.fallback[q.qtype]; ok {
			rr, err := dns.NewRR(fmt.Sprintf("%s 60 IN %s %s", q.name, dns.TypeToString[q.qtype], value))
			if err == nil {
				m.Answer = append(m.Answer, rr)
			}
		}
	} else if !d.exists(q.name) {
		m.Rcode = dns.RcodeNameError
	}
	if soa, err := dns.NewRR(". 60 IN SOA ns.test. hostmaster.test. 1 60 60 60 60"); err == nil && len(m.Answer) == 0 {
		m.Ns = append(m.Ns, soa)
	}
}

// exists says whether the name or one below it has records (an empty non-terminal exists).
func (d *DNS) exists(name string) bool {
	for n := range d.records {
		if n == name || strings.HasSuffix(n, "."+name) {
			return true
		}
	}
	return false
}
