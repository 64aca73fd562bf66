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
		add(evidence.ProbeDNS, "name "+host, func(ctx context.Context) []evidence.Observation { return s.lookAtName(ctx, ask) })
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
	if m == order.MethodTXT && p != nil && p.Token != "" {
		ask.TXT = []evidence.TXTAsk{{Name: p.Token, Old: formerValues(o, id.Value, p.Value)}}
		ask.TXT[0].Values, ask.TXT[0].Beside = valuesAt(o, p.Token)
	}
	return ask
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
			case !o.Attempts[i].Open() || p.Method != order.MethodTXT || !strings.EqualFold(p.Token, place):
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
