package testworld

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// TestDNS asks over UDP and TCP for everything the server can be set to answer.
func TestDNS(t *testing.T) {
	t.Parallel()
	d := StartDNS(t, "www.example.test. 60 IN A 127.0.0.1", "www.example.test. 60 IN AAAA ::1", "alias.example.test. 60 IN CNAME www.example.test.",
		`example.test. 60 IN CAA 0 issue "ca.test"`)
	if err := d.Set("txt.example.test", "TXT", "one", "two"); err != nil {
		t.Fatal(err)
	}
	if err := d.Fail("broken.example.test", "CAA", dns.RcodeServerFailure); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, qtype string
		rcode       int
		answers     []string
	}{
		{"WWW.example.test.", "A", dns.RcodeSuccess, []string{"127.0.0.1"}},
		{"www.example.test.", "AAAA", dns.RcodeSuccess, []string{"::1"}},
		{"www.example.test.", "TXT", dns.RcodeSuccess, nil},
		{"alias.example.test.", "A", dns.RcodeSuccess, []string{"www.example.test.", "127.0.0.1"}},
		{"example.test.", "CAA", dns.RcodeSuccess, []string{`0 issue "ca.test"`}},
		{"txt.example.test.", "TXT", dns.RcodeSuccess, []string{`"one"`, `"two"`}},
		{"test.", "A", dns.RcodeSuccess, nil}, // an empty non-terminal
		{"none.example.test.", "A", dns.RcodeNameError, nil},
		{"broken.example.test.", "CAA", dns.RcodeServerFailure, nil},
	}
	for _, network := range []string{"udp", "tcp"} {
		c := &dns.Client{Net: network}
		for _, tt := range tests {
			q := new(dns.Msg).SetQuestion(tt.name, dns.StringToType[tt.qtype])
			m, _, err := c.Exchange(q, d.Addr)
			if err != nil || m.Rcode != tt.rcode || len(m.Answer) != len(tt.answers) {
				t.Fatalf("%s %s %s: %v, %v", network, tt.name, tt.qtype, m, err)
			}
			for i, rr := range m.Answer {
				if !strings.HasSuffix(rr.String(), "\t"+tt.answers[i]) {
					t.Errorf("%s %s: %v, want %s", tt.name, tt.qtype, rr, tt.answers[i])
				}
			}
		}
	}
	// Changes show at once.
	if err := d.Set("www.example.test", "A"); err != nil {
		t.Fatal(err)
	}
	d.Default("127.0.0.9")
	for name, want := range map[string]int{"www.example.test.": 0, "any.other.test.": 1} {
		m, _, err := new(dns.Client).Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), d.Addr)
		if err != nil || len(m.Answer) != want {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
	if asked := d.Asked(); len(asked) != 2*len(tests)+2 || asked[0] != "www.example.test. A" {
		t.Errorf("asked: %v", asked)
	}
}
