package diagnose

import (
	"slices"
	"strings"

	"certwright/internal/evidence"
)

// Signs of a name that leads to another machine than the order's.
const (
	sElsewhere sign = "every-address-of-the-name-serves-a-stranger's-certificate"
	sWasOurs   sign = "the-name-led-elsewhere-when-all-was-well"
)

// elsewhereSigns compare where an order's name leads now with where its certificate was seen before.
func (j *judge) elsewhereSigns(s *scope, goals []*look) {
	if j.opts.Order == nil || len(goals) == 0 {
		return
	}
	var now []string
	var strangers []EvidenceRef
	for _, l := range goals {
		switch {
		case l.leaf() == nil:
			continue // such as an offer that the server has no key for
		case !j.foreign(l):
			s.set(sElsewhere, false, l.ref)
			return
		}
		now, strangers = append(now, l.Address), append(strangers, l.ref)
	}
	s.set(sElsewhere, len(strangers) > 0, strangers...)
	var before []EvidenceRef
	for i := range j.opts.Order.Endpoints {
		e := &j.opts.Order.Endpoints[i]
		if e.Gone || e.ServerName != "" && !strings.EqualFold(e.ServerName, goals[0].name) {
			continue
		}
		for _, home := range e.Home {
			if !slices.Contains(now, home) {
				before = append(before, EvidenceRef{Probe: evidence.ProbeOrder, Subject: "endpoint " + e.Address + ", where all was well last", Expected: home, Seen: listed(unique(now)), From: "server", At: e.Looked, Command: "certwright order show " + quote(j.target)})
				s.vars["formeraddress"] = home
			}
		}
	}
	s.vars["nowaddress"] = listed(unique(now))
	s.set(sWasOurs, len(before) > 0, before...)
}

// foreign says whether what is served is neither a version of the order nor for the name: another server answers, or another
// site of this one.
func (j *judge) foreign(l *look) bool {
	return j.opts.Order != nil && j.versionOf(serialOf(l.leaf())) == nil && !coversName(l.leaf(), l.name)
}

func unique(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// rowsElsewhere are the causes by which a name leaves its server.
var rowsElsewhere = []Row{
	{
		ID: "tls-dns-elsewhere", Per: perName, Node: nodeDNS, Severity: Critical, Impact: blocksNow,
		Must:  []sign{sElsewhere, sWasOurs},
		Title: "{host} leads to {nowaddress} now, which is not where its certificate is served",
		Cause: "At {nowaddress} a certificate of somebody else answers for {host}. When all was well last, the name led to {formeraddress}. The DNS was changed, or the name given to another machine.",
		Fix:   Fix{Text: "If the move was meant, deploy to the new machine: give its site a target and an endpoint. If not, point the A and AAAA records of {host} back.", Command: "dig +short {host} A; dig +short {host} AAAA"},
		Twins: []Twin{
			{ID: "tls-sni-default-served", When: []sign{sWasOurs}, Because: "it is not the server that had the certificate"},
			{ID: "tls-name-mismatch", When: []sign{sWasOurs}, Because: "the order's own server has the right certificate"},
			{ID: "sync-one-node-stale", WhenNot: []sign{sByNode}, Because: "no address of the name serves any version of the order"},
		},
		Predicts: []string{"tls-name-mismatch", "tls-self-signed-default", "tls-untrusted-root", "tls-sni-default-served", "tls-chain-incomplete", "tls-leaf-expired", "tls-leaf-expiring",
			"tls-wildcard-depth", "tls-apex-missing", "sync-*", "renew-stored-not-synced", Unnamed},
	},
}
