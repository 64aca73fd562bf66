package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"certwright/internal/evidence"
)

// This file makes looks again, in an order in which nothing that takes turns (nodes behind one address) can pass for a difference
// between what is asked.

// mixed is the order in which a challenge path is asked for as several programs: -1 is the authority's, the others are the
// places in others. Each comes at least twice, and no two of them alternate.
var mixed = [evidence.AgentTries]int{-1, 0, 0, -1, 1, -1, -1, 1, 2, 2, -1, 3, 3, -1}

// LookAgents asks one address for a challenge path as an authority, a browser and other programs, one after the other. Data
// is an evidence.Agents; the outcome says whether all got what has to be there.
func (p *Prober) LookAgents(ctx context.Context, q evidence.ChallengeAsk, at netip.Addr) evidence.Observation {
	q = q.Filled(challengeDir, "certwright-canary-"+random())
	u := &url.URL{Scheme: "http", Host: hostPort(q.Name, q.Port), Path: q.Path}
	l := &challengeLook{p: p, q: q, u: u, addr: at, start: p.opt.Now()}
	l.out.Address = net.JoinHostPort(at.String(), fmt.Sprint(q.Port))
	others := []string{agentBrowser, agentPebble, p.opt.UserAgent, agentGo}
	out := evidence.Agents{Name: q.Name, Address: l.out.Address, Path: q.Path}
	var got []string
	outcome := evidence.Pass
	for _, n := range mixed {
		if ctx.Err() != nil {
			break
		}
		v := l.visit(u)
		if n >= 0 {
			v.agent = others[n]
		}
		f, _ := l.fetch(ctx, v)
		if !l.well(f) {
			outcome = evidence.Fail
		}
		out.Tries = append(out.Tries, f)
		if w := shortAgent(f.Agent) + ": " + answer(f); !slices.Contains(got, w) {
			got = append(got, w)
		}
	}
	o := evidence.Observation{Probe: evidence.ProbeHTTP, Check: evidence.AskAgents, Subject: u.String() + " at " + at.String() + " as several programs",
		Outcome: outcome, Expected: l.expected(), Seen: strings.Join(got, "; "), From: p.opt.From, At: l.start, Took: p.opt.Now().Sub(l.start),
		Command: l.command()}
	return o.With(out)
}

// shortAgent is enough of a User-Agent to tell it from the others.
func shortAgent(a string) string {
	switch a {
	case agentAuthority:
		return "an authority"
	case agentBrowser:
		return "a browser"
	}
	name, _, _ := strings.Cut(a, " ")
	return name
}

// LookAgain makes handshakes with an address (ip:port) again, each of the offers several times and mixed. Data is an
// evidence.Again; PASS where each offer brought the same certificate every time.
func (p *Prober) LookAgain(ctx context.Context, address string, offers []evidence.Offer) evidence.Observation {
	start := p.opt.Now()
	o := evidence.Observation{Probe: evidence.ProbeTLS, Check: evidence.AskAgain, Subject: address + ", the same handshakes again", Outcome: evidence.Pass,
		Expected: "the same each time", From: p.opt.From, At: start}
	at, err := netip.ParseAddrPort(address)
	if err != nil || len(offers) == 0 {
		o.Outcome, o.Reason = evidence.Unknown, "it is no address to shake hands with again"
		return o
	}
	rounds := [][]evidence.Offer{offers, slices.Clone(offers), offers, offers}
	slices.Reverse(rounds[1])
	out := evidence.Again{Address: address}
	seen := map[evidence.Offer]string{}
	for _, f := range slices.Concat(rounds...) {
		if ctx.Err() != nil {
			break
		}
		s, _ := p.handshake(ctx, tlsLook{addr: at.Addr(), port: fmt.Sprint(at.Port()), name: f.ServerName, offered: f.Offered, start: f.StartTLS})
		out.Served = append(out.Served, s.Served)
		if o.Command == "" {
			o.Command = opensslCommand(s.Served)
		}
		what := s.ErrorClass
		if len(s.Chain) > 0 {
			serial, _ := s.serial()
			what = serialWord(serial)
		}
		if was, ok := seen[f]; ok && was != what {
			o.Outcome = evidence.Fail
			o.Seen = "now " + was + ", now " + what
		} else if !ok {
			seen[f] = what
		}
	}
	if o.Outcome == evidence.Pass {
		o.Seen = fmt.Sprintf("%d handshakes, each kind the same every time", len(out.Served))
	}
	o.Took = p.opt.Now().Sub(start)
	return o.With(out)
}
