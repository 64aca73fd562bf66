package server

import (
	"context"
	"slices"
	"strings"
	"sync"

	"certwright/internal/evidence"
	"certwright/internal/issue"
	"certwright/internal/order"
)

// maxWalks bounds the names of an order that are walked to: many share their zones, and the first ones tell of
// those.
const maxWalks = 8

// addNames adds a walk through the DNS to each name of an order that is issued for: its name servers, DNSSEC, the
// CAA set as its issuer will read it, and the TXT record that is waited for.
func (s *Server) addNames(ctx context.Context, o *order.Order, add func(probe, name string, f observe)) {
	if o.Kind != order.Ordered || o.Ended() {
		return
	}
	domains, account := s.caaOf(ctx, o)
	var hosts []string
	for i := range o.Identifiers {
		id := &o.Identifiers[i]
		host := strings.TrimPrefix(id.Value, "*.")
		if id.Kind != order.DNS || slices.Contains(hosts, host) || len(hosts) >= maxWalks {
			continue
		}
		hosts = append(hosts, host)
		ask := s.askFor(o, id, host)
		ask.Issuers, ask.Account = domains, account
		add(evidence.ProbeDNS, "name "+host, func(ctx context.Context) []evidence.Observation {
			if id.Method == order.MethodDNS01 || o.Spec.Method == order.MethodDNS01 {
				for i := range ask.TXT {
					ask.TXT[i].Ours = s.writerOf(ctx, o, id.Value) != ""
				}
			}
			return s.lookAtName(ctx, ask)
		})
	}
}

// askFor says what is to be looked at for a name.
func (s *Server) askFor(o *order.Order, id *order.Identifier, host string) evidence.DNSAsk {
	m := id.Method
	p := waitedFor(o, id.Value)
	if p != nil {
		m = p.Method
	}
	if m == order.MethodNone {
		m = o.Spec.Method
	}
	unshown := s.unshown(o, id)
	ask := evidence.DNSAsk{Host: host, Issue: o.Spec.AutoRenew || unshown, Wildcard: host != id.Value, Method: string(m)}
	if m == order.MethodHTML || m == order.MethodTXT {
		ask.Method = issue.BuiltinCAAMethod(m)
	}
	if m == order.MethodDNS01 {
		ask.TXT = []evidence.TXTAsk{{Name: order.ChallengeName(id.Value)}}
	}
	if at := placeOf(p); at != "" {
		t := evidence.TXTAsk{Name: at, Old: formerValues(o, id.Value, p.Value)}
		if t.Values, t.Beside = valuesAt(o, at); m == order.MethodDNS01 {
			t.Token = p.Token
		}
		ask.TXT = []evidence.TXTAsk{t}
	}
	return ask
}

// placeOf is where a proof in the DNS is looked for; empty for others.
func placeOf(p *order.Proof) string {
	switch {
	case p == nil:
	case p.Method == order.MethodTXT:
		return p.Token
	case p.Method == order.MethodDNS01:
		return order.ChallengeName(p.Name.Value)
	}
	return ""
}

// writerOf is the DNS account that writes, or would write, a name's record: the one on record, else the one that would be
// chosen now; empty = its owner does.
func (s *Server) writerOf(ctx context.Context, o *order.Order, name string) string {
	if p := waitedFor(o, name); p != nil {
		return p.Account
	}
	p, err := s.verifier.Locate(ctx, o.Spec.DNSAccount, order.Proof{Name: order.Name{Kind: order.DNS, Value: name}, Method: order.MethodDNS01})
	if err != nil {
		return o.Spec.DNSAccount
	}
	return p.Account
}

// addAccounts adds a look at each DNS account that writes, or would write, records of the order.
func (s *Server) addAccounts(o *order.Order, add func(probe, name string, f observe)) {
	if o.Kind != order.Ordered || o.Ended() || o.Spec.Method != order.MethodDNS01 {
		return
	}
	add(evidence.ProbeDNS, "DNS accounts", func(ctx context.Context) (out []evidence.Observation) {
		var used []string
		for i := range o.Identifiers[:min(len(o.Identifiers), maxWalks)] {
			if name := s.writerOf(ctx, o, o.Identifiers[i].Value); name != "" && !slices.Contains(used, name) {
				used = append(used, name)
				out = append(out, s.verifier.ObserveAccount(ctx, name)...)
			}
		}
		if len(used) == 0 {
			out = append(out, evidence.Observation{Probe: evidence.ProbeDNS, Check: evidence.CheckDNSAccount, Subject: "DNS accounts", Outcome: evidence.Pass, Seen: "none writes records of this order: its owner publishes them", From: "server", At: s.Now()})
		}
		return out
	})
}

// waitedFor is the proof of a name in an attempt under way that the issuer has not accepted yet, whoever is to
// publish it.
func waitedFor(o *order.Order, name string) *order.Proof {
	for i := range o.Attempts {
		for k := range o.Attempts[i].Proofs {
			if p := &o.Attempts[i].Proofs[k]; o.Attempts[i].Open() && p.Name.Value == name && !p.Done {
				return p
			}
		}
	}
	return nil
}

// valuesAt are the values that an order's names have at one place, which a domain, its subdomains and its wildcard
// share: those that are waited for, and those that the issuer has accepted.
func valuesAt(o *order.Order, place string) (waited, accepted []string) {
	for i := range o.Attempts {
		for _, p := range o.Attempts[i].Proofs {
			switch {
			case !o.Attempts[i].Open() || !strings.EqualFold(placeOf(&p), place):
			case p.Done:
				accepted = append(accepted, p.Value)
			case !slices.Contains(waited, p.Value):
				waited = append(waited, p.Value)
			}
		}
	}
	return waited, accepted
}

// formerValues are what earlier attempts had published for a name.
func formerValues(o *order.Order, name, now string) (out []string) {
	for i := range o.Attempts {
		out = append(out, o.Attempts[i].Former...)
		for _, p := range o.Attempts[i].Proofs {
			if p.Name.Value == name && p.Value != now && p.Value != "" {
				out = append(out, p.Value)
			}
		}
	}
	return out
}

// caaOf gives the domains by which CAA records name the order's issuer, as far as its configuration tells, and
// the URI of our account there.
func (s *Server) caaOf(ctx context.Context, o *order.Order) (domains []string, account string) {
	if strings.EqualFold(o.Spec.Issuer, order.BuiltinIssuer) {
		domain := s.Config.Authority.CAA
		if domain == "" {
			domain = issue.DefaultCAADomain
		}
		return []string{domain}, "https://" + domain + "/account/builtin"
	}
	if row, err := s.Store.LoadIssuer(ctx, o.Spec.Issuer); err == nil {
		account = row.Account
	}
	return nil, account // an ACME authority lists its domains in its directory, which the look at it reads
}

// lookAtName walks to a name, and at the same time asks the resolver for what the walk finds at the source.
func (s *Server) lookAtName(ctx context.Context, ask evidence.DNSAsk) []evidence.Observation {
	type question struct{ name, kind string }
	qs := []question{{ask.Host, "A"}, {ask.Host, "AAAA"}, {".", "NS"}}
	for _, t := range ask.TXT {
		qs = append(qs, question{t.Name, "TXT"})
	}
	out := make([]evidence.Observation, len(qs))
	var walk []evidence.Observation
	var wg sync.WaitGroup
	for i, q := range qs {
		wg.Go(func() { out[i] = s.Prober.LookDNS(ctx, q.name, q.kind) })
	}
	wg.Go(func() { walk = s.Prober.WalkDNS(ctx, ask) })
	wg.Wait()
	return append(out, walk...)
}
