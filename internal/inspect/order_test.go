package inspect_test

import (
	"context"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/inspect"
	"certwright/internal/order"
	"certwright/internal/site"
)

type observer func(context.Context) []evidence.Observation

func (f observer) Observe(ctx context.Context) []evidence.Observation { return f(ctx) }

// A source that hangs, even one that ignores its context, holds up nobody and is UNKNOWN.
func TestOrderAsksAllAtOnce(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	well := evidence.Observation{Probe: evidence.ProbeVault, Subject: "vault", Outcome: evidence.Pass}
	met := make(chan struct{})
	sources := []inspect.Source{
		{Probe: evidence.ProbeFiles, Name: "target", Deadline: 50 * time.Millisecond, Observer: observer(func(context.Context) []evidence.Observation { <-release; return nil })},
		// These two wait for each other: one after the other they would never end.
		{Probe: evidence.ProbeVault, Name: "vault", Observer: observer(func(context.Context) []evidence.Observation { met <- struct{}{}; return []evidence.Observation{well} })},
		{Probe: evidence.ProbeCA, Name: "issuer", Observer: observer(func(context.Context) []evidence.Observation { <-met; return nil })},
	}
	o := &order.Order{Vault: order.VaultRow{Seen: []evidence.Observation{{Probe: evidence.ProbeVault, Subject: "vault", Outcome: evidence.Fail}}},
		Endpoints: []order.EndpointRow{{Seen: []evidence.Observation{{Probe: evidence.ProbeTLS, Subject: "wire", Outcome: evidence.Pass}}}}}
	got := inspect.Order(t.Context(), o, sources, inspect.Clock{Now: time.Now, From: "test", Deadline: 10 * time.Second})
	want := []string{"UNKNOWN files observe [target]: it did not answer in time", "PASS vault  [vault]", "UNKNOWN ca observe [issuer]: it had nothing to say", "PASS tls  [wire]"}
	if len(got) != len(want) {
		t.Fatalf("%d observations, want %d: %v", len(got), len(want), got)
	}
	for i := range want {
		if got[i].String() != want[i] {
			t.Errorf("%d: %s, want %s", i, got[i], want[i])
		}
	}
}

// What an endpoint's name led to then is no part of it once it leads elsewhere; it counts while the endpoint cannot be looked at.
func TestFormerAddressesAreForgotten(t *testing.T) {
	then := evidence.Observation{Probe: evidence.ProbeTLS, Subject: "192.0.2.1:443", Outcome: evidence.Pass}
	now := evidence.Observation{Probe: evidence.ProbeTLS, Subject: "192.0.2.2:443", Outcome: evidence.Fail}
	o := &order.Order{Endpoints: []order.EndpointRow{{Endpoint: site.Endpoint{Address: "www.a.test:443"}, Seen: []evidence.Observation{then}}}}
	for _, answers := range []bool{true, false} {
		source := inspect.Source{Probe: evidence.ProbeTLS, Name: inspect.EndpointSource("www.a.test:443"), Observer: observer(func(context.Context) []evidence.Observation {
			if answers {
				return []evidence.Observation{now}
			}
			return nil
		})}
		got := inspect.Order(t.Context(), o, []inspect.Source{source}, inspect.Clock{Now: time.Now, From: "test", Deadline: 10 * time.Second})
		if last := got[len(got)-1].Subject; answers != (len(got) == 1) || answers != (last == now.Subject) {
			t.Errorf("answers %v: %v", answers, got)
		}
	}
}

// dnsOnly is a prober that finds no address.
type dnsOnly struct{ asked chan string }

func (d dnsOnly) SurveyTLS(_ context.Context, host, port string, _ []string) []evidence.Observation {
	return []evidence.Observation{evidence.Observation{Probe: evidence.ProbeTLS}.With(evidence.Served{Address: host + ":" + port, ErrorClass: "unresolvable", Error: "no such host"})}
}

func (d dnsOnly) LookDNS(_ context.Context, name, qtype string) evidence.Observation {
	d.asked <- name + " " + qtype
	return evidence.Observation{Probe: evidence.ProbeDNS}
}

func (d dnsOnly) WalkDNS(context.Context, evidence.DNSAsk) []evidence.Observation { return nil }

func TestDNSIsAsked(t *testing.T) {
	d := dnsOnly{make(chan string, 9)}
	inspect.Host(t.Context(), inspect.HostOptions{Clock: inspect.Clock{Now: time.Now}, Host: "www.a.test", Port: "443", Prober: d, DNS: d})
	close(d.asked)
	got := map[string]bool{}
	for q := range d.asked {
		got[q] = true
	}
	for _, q := range []string{"www.a.test A", "www.a.test AAAA", ". NS", "a.test SOA"} {
		if !got[q] {
			t.Errorf("%s was not asked: %v", q, got)
		}
	}
}
