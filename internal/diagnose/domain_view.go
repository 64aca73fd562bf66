package diagnose

import (
	"slices"
	"strings"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// Signs of a host name (perDomain) as the resolver sees it.
const (
	sNoAddress   sign = "the-name-has-no-address"
	sNXDomain    sign = "the-DNS-says-no-such-name"
	sNoData      sign = "the-name-exists-without-an-address"
	sNoDomain    sign = "the-domain-itself-is-not-delegated"
	sLookupFails sign = "the-resolver-s-lookup-fails"
	sResolverOK  sign = "the-resolver-answers-for-other-names"
	sResolverBad sign = "the-resolver-answers-for-no-name"
	sViewThere   sign = "the-resolver-gives-an-address"
	sViewGone    sign = "the-resolver-says-that-there-is-no-address"
	sUnsought    sign = "nobody-needs-an-address-of-the-name"
	sAnyway      sign = "the-host-is-reached-from-here-all-the-same-and-nothing-is-to-be-issued"
)

// viewSigns read what the configured resolver said.
func (d *domain) viewSigns() {
	var nx, nodata, failed, there mark
	nx.state, nodata.state, failed.state, there.state = no, no, no, no
	for i, r := range d.view {
		m := &nodata
		switch {
		case r.Error != "":
			m = &failed
			d.s.vars["dnserror"] = r.Error
		case r.Rcode == "NXDOMAIN":
			m = &nx
			d.notDelegated(r)
		case len(r.Records) > 0:
			m = &there
		}
		m.state, m.ev = yes, append(m.ev, d.views[i])
	}
	none, unresolved, reached := d.unresolved()
	d.s.set(sUnsought, d.unsought())
	d.s.set(sAnyway, !d.intent() && (reached || there.state == yes))
	if len(d.view) == 0 && unresolved {
		d.s.vars["dnserror"] = none[0].Seen
		d.s.set(sLookupFails, true, none...)
		d.s.set(sNoAddress, true, none...)
	}
	if len(d.view) > 0 {
		d.s.signs[sLookupFails], d.s.signs[sNXDomain], d.s.signs[sViewThere] = failed, nx, there
		if there.state == no && failed.state == no {
			d.s.signs[sNoData] = nodata
		} else {
			d.s.set(sNoData, false)
		}
		d.s.set(sViewGone, there.state == no && failed.state == no, append(nx.ev, nodata.ev...)...)
		d.s.set(sNoAddress, unresolved || there.state == no && !reached, none...)
	}
	d.s.vars["remembers"] = ""
	if saidIn(d.s.vars["dnserror"])("servfail") {
		d.s.vars["remembers"] = " If the name servers were mended within the last quarter of an hour, it may only remember what they were like: a resolver keeps for minutes that a server failed or did not have the zone, and emptying its answers alone does not end that."
	}
	d.others()
}

// unresolved says what the handshakes tell of finding an address.
func (d *domain) unresolved() (none []EvidenceRef, unresolved, reached bool) {
	for _, l := range d.j.survey.looks {
		switch {
		case l.name == "" || l.ErrorClass == "forbidden", d.j.opts.Order != nil && !sameName(l.name, d.host):
		case l.ErrorClass == "unresolvable":
			none = append(none, l.ref)
		default:
			reached = true
		}
	}
	return none, len(none) > 0 && !reached, reached
}

// unsought says whether nobody needs an address of the host: the order shows control of it by a TXT record, and
// no endpoint goes by its name. Wildcards and domains for mail alone often have none.
func (d *domain) unsought() bool {
	if d.j.opts.Order == nil || d.walk == nil {
		return false
	}
	m := d.walk.Ask.Method
	return (m == "dns-01" || m == "ca-"+string(order.MethodTXT)) &&
		!slices.ContainsFunc(d.j.survey.looks, func(l *look) bool { return sameName(l.name, d.host) })
}

// notDelegated reads from which zone a "no such name" comes.
func (d *domain) notDelegated(r evidence.Resolved) {
	if r.Zone == "" {
		return
	}
	suffix := ""
	if d.walk != nil {
		suffix = d.walk.Suffix
	}
	d.s.set(sNoDomain, registry(r.Zone, suffix, d.host))
	d.s.vars["domain"] = registered(d.host, r.Zone)
}

// others read the comparison questions: the domain above the host, and the root zone.
func (d *domain) others() {
	looks, from := payloads[evidence.Resolved](d.j.obs, evidence.ProbeDNS)
	for i, r := range looks {
		if sameName(r.Name, d.host) || from[i].Check == evidence.CheckWalk {
			continue
		}
		ref := refOf(from[i])
		if r.Error == "" {
			d.s.set(sResolverOK, true, ref)
			d.s.set(sResolverBad, false, ref)
		} else if d.s.signs[sResolverOK].state == dark {
			d.s.set(sResolverOK, false, ref)
			d.s.set(sResolverBad, true, ref)
		}
		name := strings.TrimSuffix(r.Name, ".")
		if name == "" || !below(d.host, name) || r.Error != "" || d.s.signs[sNoDomain].state != dark {
			continue
		}
		d.s.vars["domain"] = name
		d.s.set(sNoDomain, r.Rcode == "NXDOMAIN", ref)
	}
}

// privateTLDs are names at the top that hosts stand directly under, in private networks.
const privateTLDs = " internal lan local home corp intranet private localdomain "

// registry says whether a zone is one under which domains are registered, so that a name missing
// there is a missing domain.
func registry(zone, suffix, host string) bool {
	if strings.Contains(privateTLDs, " "+zone+" ") && strings.Count(host, ".") == 1 {
		return false
	}
	return zone == "." || !strings.Contains(zone, ".") || suffix != "" && zone == suffix && zone != host
}

// registered is the host's ancestor directly below a zone.
func registered(host, zone string) string {
	rest := strings.TrimSuffix(host, "."+zone)
	if zone == "." {
		rest = host
	}
	if i := strings.LastIndexByte(rest, '.'); i >= 0 {
		rest = rest[i+1:]
	}
	if zone == "." {
		return rest
	}
	return rest + "." + zone
}
