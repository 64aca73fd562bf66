package probe

import (
	"context"
	"strings"

	"github.com/miekg/dns"

	"certwright/internal/evidence"
)

// LookCAA finds the CAA set that applies to a name (RFC 8659 section 3): asked at the name, then at each
// parent up to the top-level domain, until a set is found; CNAMEs are followed at each step, the climb goes
// on from the name as given. A leading "*." is taken off. The observation's Check is "set", its Data an
// evidence.Resolved with Climbed, FoundAt and CAA set.
//
//	PASS     the look-up succeeded; Seen is the set, or "no CAA records up to the top-level domain"
//	UNKNOWN  a step failed (SERVFAIL, REFUSED, no answer): Reason says at which name. This is no permission.
//
// What the set permits is for evidence.Resolved.JudgeCAA to say.
func (p *Prober) LookCAA(ctx context.Context, name string) evidence.Observation {
	start := p.opt.Now()
	name = strings.TrimSuffix(strings.ToLower(strings.TrimPrefix(name, "*.")), ".")
	all := evidence.Resolved{Name: name, Type: "CAA"}
	for at := name; ; {
		step := p.askCAA(ctx, at)
		all.Climbed = append(all.Climbed, at)
		all.Server, all.Rcode, all.Error = step.Server, step.Rcode, step.Error
		all.CNAMEs = append(all.CNAMEs, step.CNAMEs...)
		all.Insecure = all.Insecure || step.Insecure
		if step.Error != "" {
			break
		}
		if len(step.CAA) > 0 {
			all.FoundAt, all.CAA, all.Records = at, step.CAA, step.Records
			break
		}
		_, parent, more := strings.Cut(at, ".")
		if !more {
			break
		}
		at = parent
	}
	o := p.dnsObservation(evidence.ProbeCAA, "set", all, start)
	if o.Outcome == evidence.Fail { // no records is a plain answer for CAA
		o.Outcome, o.Seen = evidence.Pass, "no CAA records up to the top-level domain"
	}
	if all.FoundAt != "" {
		o.Seen = "at " + all.FoundAt + ": " + o.Seen
	}
	last := all
	last.Name = all.Climbed[len(all.Climbed)-1]
	o.Command = digCommand(last)
	return o
}

// askCAA asks one name and parses the set.
func (p *Prober) askCAA(ctx context.Context, name string) evidence.Resolved {
	r := p.ask(ctx, name, "CAA")
	for _, text := range r.Records {
		rr, err := dns.NewRR(". 0 IN CAA " + text)
		c, ok := rr.(*dns.CAA)
		if err != nil || !ok {
			r.Error = "a CAA record cannot be read: " + text
			return r
		}
		r.CAA = append(r.CAA, evidence.ParseCAA(c.Flag, c.Tag, unescape(c.Value)))
	}
	return r
}
