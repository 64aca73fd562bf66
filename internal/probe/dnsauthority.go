package probe

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"certwright/internal/evidence"
)

// maxReferrals is how many delegations below the zone that the resolver names are followed.
const maxReferrals = 4

// zoneServers is a zone with the servers that it is served by.
type zoneServers struct {
	zone    string // with its last dot
	servers []*nameServer
}

// LookServers asks every name server of a name's zone for records by itself, past the resolver and what that
// remembers, and follows CNAMEs into other zones. One observation a server, of Check "servers", its Data an evidence.Resolved
// with the zone, and with the CNAMEs that led there:
//
//	PASS     it has records of the type
//	FAIL     it says that there are none
//	UNKNOWN  it did not answer, or not with authority
//
// Where the zone's servers cannot be found, it is the resolver that is asked: one observation of Check "records".
func (p *Prober) LookServers(ctx context.Context, name, qtype string) []evidence.Observation {
	start := p.opt.Now()
	at, t := dns.CanonicalName(name), dns.StringToType[qtype]
	if _, ok := dns.IsDomainName(at); !ok || t == dns.TypeNone {
		return []evidence.Observation{p.LookDNS(ctx, name, qtype)} // which says that it is none
	}
	var chain []string
	for range maxCNAMEs + 1 {
		z, err := p.authorityOf(ctx, at)
		if (err != nil || len(z.servers) == 0) && len(chain) > 0 {
			res := evidence.Resolved{Name: bare(dns.CanonicalName(name)), Type: qtype, CNAMEs: chain, Error: "the name servers of " + bare(at) + ", where the CNAMEs lead, are not found"}
			o := p.dnsObservation(evidence.ProbeDNS, evidence.CheckServers, res, start)
			o.Command = digCommand(res)
			return []evidence.Observation{o}
		}
		if err != nil || len(z.servers) == 0 {
			return []evidence.Observation{p.LookDNS(ctx, name, qtype)}
		}
		replies := p.askAll(ctx, &z, question{name: at, qtype: t})
		target := ""
		for _, r := range replies {
			if r.msg != nil && r.msg.Authoritative && target == "" {
				target = cnameOf(r.msg, at)
			}
		}
		if target == "" || slices.Contains(chain, bare(target)) {
			out := make([]evidence.Observation, len(replies))
			for i, r := range replies {
				out[i] = p.serverObservation(evidence.Resolved{Name: bare(dns.CanonicalName(name)), Type: qtype, CNAMEs: slices.Clip(chain), Zone: bare(z.zone)}, at, z.servers[i], r)
				out[i].At, out[i].Took = start, p.opt.Now().Sub(start)
			}
			return out
		}
		chain, at = append(chain, bare(target)), target
	}
	return []evidence.Observation{p.LookDNS(ctx, name, qtype)} // which says that they lead too far
}

// serverObservation is what one server said of the name at the end of the CNAMEs.
func (p *Prober) serverObservation(res evidence.Resolved, at string, s *nameServer, r reply) evidence.Observation {
	res.Server = s.addr.String()
	switch {
	case r.msg == nil:
		res.Error = r.err.Error()
	case r.msg.Rcode != dns.RcodeSuccess && r.msg.Rcode != dns.RcodeNameError:
		res.Error = rcodeText(r.msg, res.Type, at)
	case !r.msg.Authoritative:
		res.Error = "it answers without authority: it does not serve the zone " + res.Zone
	default:
		zone := res.Zone
		collect(&res, r.msg, at, dns.StringToType[res.Type])
		res.Zone = zone
	}
	o := p.dnsObservation(evidence.ProbeDNS, evidence.CheckServers, res, p.opt.Now())
	o.Subject += " at " + s.addr.String()
	asked := res
	asked.Name = bare(at)
	o.Command = strings.Replace(digCommand(asked), "dig ", "dig +norec ", 1)
	return o
}

// askAll asks every server of a zone, and follows a delegation below it, which becomes the zone.
func (p *Prober) askAll(ctx context.Context, z *zoneServers, q question) []reply {
	for range maxReferrals {
		replies := make([]reply, len(z.servers))
		each(len(z.servers), func(i int) { replies[i] = p.askServer(ctx, z.servers[i].addr, q) })
		below := zoneServers{}
		for _, r := range replies {
			if r.msg == nil {
				continue
			}
			owner, names := delegation(r.msg)
			if owner != "" && owner != z.zone && dns.IsSubDomain(z.zone, owner) && dns.IsSubDomain(owner, q.name) {
				below = zoneServers{owner, p.serversNamed(ctx, r.msg, names)}
				break
			}
		}
		if len(below.servers) == 0 {
			return replies
		}
		*z = below
	}
	return nil
}

// authorityOf finds the zone that a name lies in and its servers by way of the resolver. It asks about the name above,
// never about the name itself: the resolver would remember that there is nothing yet.
func (p *Prober) authorityOf(ctx context.Context, name string) (zoneServers, error) {
	list, err := p.servers()
	if err != nil {
		return zoneServers{}, err
	}
	for n := parentOf(name); ; n = parentOf(n) {
		m, _, err := p.exchange(ctx, list, n, dns.TypeSOA)
		if err != nil {
			return zoneServers{}, err
		}
		for _, rr := range append(slices.Clone(m.Answer), m.Ns...) {
			if soa, ok := rr.(*dns.SOA); ok && dns.IsSubDomain(soa.Hdr.Name, n) {
				zone := dns.CanonicalName(soa.Hdr.Name)
				ns, _, err := p.exchange(ctx, list, zone, dns.TypeNS)
				if err != nil {
					return zoneServers{}, err
				}
				_, names := nsOf(ns.Answer)
				return zoneServers{zone, p.serversNamed(ctx, ns, names)}, nil
			}
		}
		if n == "." {
			return zoneServers{}, fmt.Errorf("no zone is found that %s lies in", bare(name))
		}
	}
}

// serversNamed are the addresses of name servers: those that came along, else those that are found.
func (p *Prober) serversNamed(ctx context.Context, m *dns.Msg, names []string) (out []*nameServer) {
	found := make([][]netip.Addr, len(names))
	each(len(names), func(i int) {
		if found[i] = glue(m, names[i]); len(found[i]) == 0 {
			found[i], _ = p.addresses(ctx, names[i]) // a server without an address is left out
		}
	})
	for i, n := range names {
		for _, a := range found[i] {
			out = append(out, p.server(n, a))
		}
	}
	return out[:min(len(out), maxServers)]
}
