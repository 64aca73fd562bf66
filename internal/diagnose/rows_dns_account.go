package diagnose

import "certwright/internal/evidence"

// Signs of a DNS account, for each of its zones (perDomain): what its server says to an update that changes nothing.
const (
	uRefused sign = "the-server-refuses-the-account-s-updates"
	uBadKey  sign = "the-server-does-not-know-the-account-s-key"
	uBadSig  sign = "the-account-s-secret-is-another-one-than-the-server-s"
	uBadTime sign = "the-server-s-clock-and-ours-differ"
	uNoZone  sign = "the-server-does-not-have-the-account-s-zone"
	uWell    sign = "the-server-takes-the-account-s-updates"
)

// updateSigns are the signs by the finding's id that the server's words stand for.
var updateSigns = map[string]sign{"dns-update-refused": uRefused, "dns-update-badkey": uBadKey, "dns-update-badsig": uBadSig, "dns-update-badtime": uBadTime,
	"dns-provider-zone-not-found": uNoZone}

// rowsDNSAccount are the causes for which a DNS account writes no records.
var rowsDNSAccount = []Row{
	accountRow("dns-update-badkey", uBadKey, "{server} does not know the key of DNS account {account}",
		"The server answers BADKEY: it has no key {key} of algorithm {algorithm}. It was removed or renamed there, or the account names another algorithm.",
		"Give the server and the account the same key, then try.", Twin{"dns-update-badsig", nil, nil, "the server does not get as far as the signature"}),
	accountRow("dns-update-badsig", uBadSig, "The secret of DNS account {account} is not the one that {server} has",
		"The server knows the key {key}, and the signature does not fit: one side has another secret.",
		"Give the account the secret of the server's configuration (certwright dns-account add {account} --replace ... --secret-file FILE), then try.", Twin{"dns-update-badkey", nil, nil, "the server knows the key"}),
	accountRow("dns-update-badtime", uBadTime, "The clocks of {server} and of Certwright differ",
		"{detail}. Updates are signed with the time, and one that is more than five minutes off is refused.",
		"Compare both clocks with the time (timedatectl), and let NTP set the one that is off, then try.", Twin{"dns-update-badsig", nil, nil, "the signature fits, only its time does not"}),
	accountRow("dns-update-refused", uRefused, "{server} refuses the updates of DNS account {account} for {zone}",
		"The key is taken, and the zone's policy does not let it write TXT records there: {detail}.",
		"Let it, in the zone's configuration (BIND: update-policy [ grant {key} zonesub TXT; ]), then try.",
		Twin{"dns-update-badkey", nil, nil, "the server knows the key"}, Twin{"dns-provider-zone-not-found", nil, nil, "the server has the zone"}),
	accountRow("dns-provider-zone-not-found", uNoZone, "{server} is not the primary of {zone}",
		"DNS account {account} is to write {zone} there, and the server says that it does not keep that zone: {detail}.",
		"Let the account name the zone's primary server, and zones that it has, then try.", Twin{"dns-update-refused", nil, nil, "the server does not have the zone at all"}),
}

// accountRow makes the row of an account that cannot write. What was not written is then missing.
func accountRow(id string, must sign, title, cause, fix string, twins ...Twin) Row {
	return Row{ID: id, Per: perDomain, Node: nodeDNS, Severity: Critical, Impact: blocksNow, Spare: cServesWell, Must: []sign{must}, MustNot: []sign{uWell},
		Title: title, Cause: cause, Fix: Fix{Text: fix, Command: "certwright dns-account test {account}"}, Twins: twins,
		Predicts: append(append([]string{}, lapse...), "dns-txt-missing", "dns-txt-stale", "dns-txt-wrong-value", "dns-txt-partly", "renew-verification-lapsed", "verify-lapsed")}
}

// accountScopes reads what the servers of DNS accounts said.
func (j *judge) accountScopes() []*scope {
	var out []*scope
	said, from := payloads[evidence.DNSAccount](j.obs, evidence.ProbeDNS)
	for i, a := range said {
		if from[i].Check != evidence.CheckDNSAccount {
			continue
		}
		s := newScope(perDomain, "DNS account "+a.Name+" "+a.Zone, "DNS account "+a.Name)
		s.vars["account"], s.vars["server"], s.vars["zone"], s.vars["key"], s.vars["algorithm"], s.vars["detail"] = a.Name, a.Server, a.Zone, a.Key, a.Algorithm, a.Detail
		s.set(cServesWell, j.servesWell())
		for id, sign := range updateSigns {
			if from[i].Outcome == evidence.Unknown {
				s.unknown(sign, from[i].Reason)
			} else {
				s.set(sign, a.ID == id, refOf(from[i]))
			}
		}
		s.set(uWell, from[i].Outcome == evidence.Pass, refOf(from[i]))
		out = append(out, s)
	}
	return out
}
