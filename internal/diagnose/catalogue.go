package diagnose

// catalogue is every row, in the order of how often the cause is met: where nothing else decides
// between two findings, the earlier row stands first.
func catalogue() []Row {
	var all []Row
	for _, part := range [][]Row{
		rowsOrder,
		rowsVault, rowsVaultRights,
		rowsFiles,
		rowsSync,
		rowsSpread,
		rowsElsewhere,
		rowsCertificate,
		rowsChain,
		rowsConnection,
		rowsStatus,
		rowsDNS,
		rowsSystem,
		rowsRenew,
		rowsCAReach,
		rowsCAAccount,
		rowsCA,
		rowsHTTP,
		rowsHTTPRedirect,
		rowsHTTPAnswer,
		rowsHTTPContent,
		rowsHTTPNode,
		rowsALPN,
		rowsServers,
		rowsDNSSEC,
		rowsCAA,
		rowsTXT,
		rowsDNSAccount,
		rowsEgress,
		rowsNotify,
	} {
		all = append(all, part...)
	}
	return all
}

// additions are ids that the fault catalogue lacks, each with the reason that it is needed.
var additions = []Known{
	// A certificate near its end on a host whose order is not known: the renew-* ids name why an
	// order does not renew, and of a bare host nobody can know that.
	{"tls-leaf-expiring", LegEndpoint},
	// The server ends the handshake with unrecognized_name: it has no certificate for the name and, unlike
	// with tls-sni-default-served, no default to give either.
	{"tls-sni-refused", LegEndpoint},
	// The server and its clients share ciphers, and no group (curve) for the key exchange: tls-cipher-mismatch would send people to
	// the wrong setting.
	{"tls-group-mismatch", LegEndpoint},
	// The resolver works for other names and fails for this one. The rows dnssec-*, dns-all-ns-down and
	// dns-lame-delegation split it once each name server is asked by itself.
	{"dns-lookup-failed", LegDNS},
	// Every connection and file of the server needs a descriptor; at the limit everything fails at once.
	{"sys-files-exhausted", LegSystem},
	// The data directory's file system is full while the database still takes writes: sys-db-full comes next.
	{"sys-disk-full", LegSystem},
	// A rate limit in words that name none of the five buckets, such as new accounts from one address.
	{"ca-rate-limit-other", LegOrder},
	// What the walk through the DNS tells apart, and the list does not: a host's own circle of CNAMEs; a
	// zone that no server could load; an answer that only TCP could carry; a signature that does not fit; a
	// TXT record that some name servers have.
	{"dns-cname-loop", LegDNS},
	{"dns-zone-not-loaded", LegDNS},
	{"dns-answer-too-big", LegDNS},
	{"dnssec-rrsig-invalid", LegDNS},
	{"dns-txt-partly", LegDNS},
	// The version was made from a request of whoever keeps the key, and its target takes key and certificate.
	{"sync-key-external", LegDeploy},
	// The authority's or the system's own words of a cause that is in no list.
	{Unnamed, ""},
}

// legOf is the leg of an id, empty for one that nobody knows.
func legOf(id string) string {
	for _, list := range [][]Known{known, additions} {
		for _, k := range list {
			if k.ID == id {
				return k.Leg
			}
		}
	}
	return ""
}

// leg is where the row's cause lies; one in no list lies where it was seen.
func (r *Row) leg() string {
	switch l := legOf(r.ID); {
	case l == "" && r.Per == perLook:
		return LegEndpoint
	case l == "" && r.Per == perChallenge:
		return LegHTTP
	case l == "" && r.Per == perDomain:
		return LegDNS
	default:
		return l
	}
}

// Explain gives the general words of an id: title, cause and fix of its row, with the placeholders
// left out. False if the id has no row.
func Explain(id string) (Row, bool) {
	for _, r := range catalogue() {
		if r.ID == id {
			return r, true
		}
	}
	return Row{}, false
}

// Additions lists the ids that reality needs beyond the fault catalogue.
func Additions() []Known { return additions }
