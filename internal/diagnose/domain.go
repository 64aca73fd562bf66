package diagnose

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"certwright/internal/evidence"
)

// domain is all that is known of one host's name: what the resolver says, and what the name servers
// say when each is asked by itself.
type domain struct {
	j     *judge
	s     *scope
	host  string
	walk  *evidence.Walk // nil if there was none
	obs   evidence.Observation
	view  []evidence.Resolved // the resolver's answers about the host's addresses
	views []EvidenceRef
}

// domainScopes makes a scope of every host name, and one of every zone on the way to it.
func (j *judge) domainScopes() []*scope {
	var out []*scope
	zones := map[string]bool{}
	for _, d := range j.domains() {
		d.fill()
		out = append(append(out, d.s), d.challengeScopes()...)
		if d.walk == nil {
			continue
		}
		for _, z := range d.walk.Zones {
			if !zones[z.Name] {
				zones[z.Name] = true
				out = append(out, d.zoneScope(z))
			}
		}
	}
	return out
}

// domains are the hosts that were walked to, or else the one asked about.
func (j *judge) domains() []*domain {
	var out []*domain
	walks, from := payloads[evidence.Walk](j.obs, evidence.ProbeDNS)
	for i := range walks {
		if from[i].Check == evidence.CheckWalk {
			out = append(out, j.domain(walks[i].Ask.Host, &walks[i], from[i]))
		}
	}
	names := j.survey.names()
	if len(names) == 0 && j.opts.ServerName != "" {
		names = []string{j.opts.ServerName}
	}
	if j.opts.Order != nil { // each name has a host of its own
		names = j.lookedUp()
	} else if len(out) > 0 {
		names = nil
	}
	for _, n := range names {
		if n = j.host(n); !slices.ContainsFunc(out, func(d *domain) bool { return sameName(d.host, n) }) {
			out = append(out, j.domain(n, nil, evidence.Observation{}))
		}
	}
	return out
}

// lookedUp are the names whose addresses the resolver was asked for.
func (j *judge) lookedUp() (names []string) {
	looks, from := payloads[evidence.Resolved](j.obs, evidence.ProbeDNS)
	for i, r := range looks {
		if from[i].Check != evidence.CheckWalk && (r.Type == "A" || r.Type == "AAAA") && !strings.HasPrefix(r.Name, "cw-") {
			names = addNew(names, strings.TrimSuffix(r.Name, "."))
		}
	}
	return names
}

func (j *judge) domain(host string, walk *evidence.Walk, obs evidence.Observation) *domain {
	d := &domain{j: j, s: newScope(perDomain, host, host), host: strings.ToLower(strings.TrimSuffix(host, ".")), walk: walk, obs: obs}
	d.s.vars["via"] = ""
	d.s.vars["host"], d.s.vars["thing"] = host, "an address of "+host
	looks, from := payloads[evidence.Resolved](j.obs, evidence.ProbeDNS)
	for i, r := range looks {
		if from[i].Check != evidence.CheckWalk && sameName(r.Name, host) && (r.Type == "A" || r.Type == "AAAA") {
			d.view, d.views = append(d.view, r), append(d.views, refOf(from[i]))
		}
	}
	return d
}

// fill sets the signs of the host itself.
func (d *domain) fill() {
	d.viewSigns()
	d.walkSigns()
	d.chainSigns()
	d.cacheSigns()
	d.addressKindSigns()
	d.caaSigns()
}

// asked says whether the name servers were asked by themselves.
func (d *domain) asked() bool { return d.walk != nil && d.walk.Blind == "" }

// intent says whether a certificate is to be issued for the host.
func (d *domain) intent() bool { return d.walk != nil && d.walk.Ask.Issue }

// name finds what was asked under a role; nil if nothing was.
func (d *domain) name(role, name string) *evidence.DNSName {
	if d.walk == nil {
		return nil
	}
	for i := range d.walk.Names {
		if n := &d.walk.Names[i]; n.Role == role && (name == "" || n.Name == name) {
			return n
		}
	}
	return nil
}

// of are a name's answers to one type.
func of(n *evidence.DNSName, kind string) (out []evidence.DNSAnswer) {
	if n == nil {
		return nil
	}
	for _, a := range n.Answers {
		if a.Type == kind {
			out = append(out, a)
		}
	}
	return out
}

// zone finds a zone of the walk; nil if it was not on the way.
func (d *domain) zone(name string) *evidence.Zone {
	for i := range d.walk.Zones {
		if d.walk.Zones[i].Name == name {
			return &d.walk.Zones[i]
		}
	}
	return nil
}

// said quotes one server's answer, with the command that asks it again.
func (d *domain) said(server, name, kind, seen string) EvidenceRef {
	return EvidenceRef{Probe: d.obs.Probe, Subject: name + " " + kind + " at " + server, Seen: seen, From: d.obs.From, At: d.obs.At,
		Command: "dig " + digAt(server) + "+norec " + name + " " + kind}
}

// answer quotes an answer in full.
func (d *domain) answer(n *evidence.DNSName, a evidence.DNSAnswer) EvidenceRef {
	return d.said(a.Server, n.Name, a.Type, wordsOf(a))
}

// wordsOf says an answer in words.
func wordsOf(a evidence.DNSAnswer) string {
	switch {
	case a.Error != "":
		return a.Error
	case a.CNAME != "":
		return "CNAME " + a.CNAME
	case len(a.Records) > 0:
		return strings.Join(a.Records, "; ")
	case a.Rcode == "NXDOMAIN":
		return "no such name (NXDOMAIN)"
	}
	return "no " + a.Type + " record"
}

// digAt is the server of a dig command.
func digAt(server string) string {
	a, err := netip.ParseAddrPort(server)
	switch {
	case err != nil:
		return ""
	case a.Port() != 53:
		return fmt.Sprintf("@%s -p %d ", a.Addr(), a.Port())
	}
	return "@" + a.Addr().String() + " "
}

func sameName(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}

// below says whether name lies in the domain.
func below(name, domain string) bool {
	return domain == "." || sameName(name, domain) || strings.HasSuffix(strings.ToLower(name), "."+strings.ToLower(domain))
}

func addNew(list []string, more ...string) []string {
	for _, m := range more {
		if !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	return list
}

// seconds says a time to live in words.
func seconds(ttl uint32) string { return (time.Duration(ttl) * time.Second).String() }
