package diagnose

// fromDNS is what a name that cannot be resolved explains.
var fromDNS = []string{"dns-lookup-failed", "dns-local-resolver-broken", "tls-*", "http-*", "caa-lookup-servfail"}

// rowsDNS are the causes for which a host's addresses are not found.
var rowsDNS = []Row{
	{
		ID: "sys-resolver-broken", Per: perDomain, Node: nodeResolver, Severity: Critical, Impact: blocksNow,
		Must: []sign{sNoAddress, sLookupFails, sResolverBad}, MustNot: []sign{sNXDomain, sNoData},
		Title: "The resolver answers no question at all",
		Cause: "Neither {host} nor a name that always exists could be looked up: {dnserror}. The fault is with the resolver that this machine uses, not with {host}.",
		Fix:   Fix{Text: "Mend the resolver's address in /etc/resolv.conf, or give another one with --resolver.", Command: "dig . NS"},
		Twins: []Twin{
			{ID: "dns-nxdomain-host", Because: "no answer came, so none that says that the name does not exist"},
			{ID: "dns-all-ns-down", When: []sign{sResolverBad}, Because: "questions about other names fail in the same way"},
		},
		Predicts: []string{"dns-lookup-failed", "dns-local-resolver-broken", "ca-host-unresolvable", "renew-ari-unreadable"},
	},
	{
		ID: "dns-domain-not-delegated", Per: perDomain, Node: nodeDNS, Severity: Critical, Impact: blocksNow, NoteIf: sAnyway,
		Must:  []sign{sNXDomain, sNoAddress, sNoDomain},
		Title: "The domain {domain} does not exist in the DNS",
		Cause: "Not only {host}: the zone above knows no {domain} either. The domain has expired, is on hold, or was never registered or delegated.",
		Fix:   Fix{Text: "See at the registrar whether {domain} is paid for and delegated to its name servers.", Command: "dig +trace {domain} NS"},
		Twins: []Twin{
			{ID: "dns-nxdomain-host", Because: "the domain above the name is missing as well"},
			{ID: "sys-resolver-broken", Because: "there is a definite answer"},
		},
		Predicts: fromDNS,
	},
	{
		ID: "dns-nxdomain-host", Per: perDomain, Node: nodeDNS, Severity: Critical, Impact: blocksNow, NoteIf: sAnyway,
		Must: []sign{sNXDomain, sNoAddress}, MustNot: []sign{sNoDomain, sUnsought},
		Title: "The DNS knows no {host}{via}",
		Cause: "The answer is NXDOMAIN: there is no record of any kind at this name{via}. It is misspelt, or its address record was never made or was deleted.",
		Fix:   Fix{Text: "Add an A (and AAAA) record for {host} with the server's address; or mend the spelling.", Command: "dig {host} A"},
		Twins: []Twin{
			{ID: "dns-domain-not-delegated", Because: "the domain above it exists"},
			{ID: "dns-nodata-address", Because: "the answer is that the name does not exist, not that it lacks an address"},
			{ID: "sys-resolver-broken", Because: "there is a definite answer"},
		},
		Predicts: fromDNS,
	},
	{
		ID: "dns-nodata-address", Per: perDomain, Node: nodeDNS, Severity: Critical, Impact: blocksNow, NoteIf: sAnyway,
		Must: []sign{sNoData, sNoAddress}, MustNot: []sign{sNXDomain, sUnsought},
		Title: "{host} exists in the DNS and has no address{via}",
		Cause: "The name has records, but neither A nor AAAA.",
		Fix:   Fix{Text: "Add an A (and AAAA) record for {host} with the server's address.", Command: "dig {host} A; dig {host} AAAA"},
		Twins: []Twin{
			{ID: "dns-nxdomain-host", Because: "the answer says that the name exists"},
			{ID: "sys-resolver-broken", Because: "there is a definite answer"},
		},
		Predicts: fromDNS,
	},
	{
		ID: "dns-cname-loop", Per: perDomain, Node: nodeDNS, Severity: Critical, Impact: blocksNow,
		Must:  []sign{sLoop},
		Title: "The CNAMEs of {host} lead in a circle",
		Cause: "{cnames}: no address is ever reached.",
		Fix:   Fix{Text: "Let one of these names have an address, or lead to one that has.", Command: "dig +norec {host} CNAME"},
		Twins: []Twin{
			{ID: "dns-nxdomain-host", Because: "every name of the circle exists"},
			{ID: "dns-local-resolver-broken", When: []sign{sLoop}, Because: "the name servers themselves lead in the circle"},
		},
		Predicts: fromDNS,
	},
	{
		ID: "dns-apex-cname", Per: perDomain, Node: nodeDNS, Severity: Critical, Impact: blocksLater,
		Must: []sign{sApexCNAME}, MustNot: []sign{sLoop},
		Title: "A CNAME stands at the top of the zone {apex}",
		Cause: "{apex} is a CNAME to {apextarget}, beside the zone's own SOA and NS records. A CNAME allows no other record at its name (RFC 1034 section 3.6.2): resolvers then lose the zone's servers, its mail or its CAA set, each in another way.",
		Fix:   Fix{Text: "Put A and AAAA records at {apex}, or the provider's ALIAS or ANAME record, in place of the CNAME.", Command: "dig {apex} CNAME; dig {apex} SOA"},
		Twins: []Twin{
			{ID: "dns-nodata-address", Because: "a CNAME answers the question for an address"},
			{ID: "dns-nxdomain-host", Because: "the name exists"},
		},
		Predicts: append([]string{"dns-nxdomain-host", "dns-nodata-address", "dnssec-rrsig-missing"}, fromDNS...),
	},
	{
		ID: "dns-lookup-failed", Per: perDomain, Node: nodeDNS, Severity: Critical, Impact: blocksNow,
		Must: []sign{sNoAddress, sLookupFails, sResolverOK}, MustNot: []sign{sNXDomain, sWalked},
		Title: "The lookup of {host} fails, while other names resolve",
		Cause: "The resolver answers for other names and gives no answer for this one: {dnserror}. The domain's name servers are unreachable or refuse, or its DNSSEC signatures do not hold; each server has to be asked by itself to tell which.",
		Fix:   Fix{Text: "Ask the domain's name servers one by one, and once without validation: if the answer comes with +cd only, DNSSEC is the cause.", Command: "dig {host} A +cd; dig +trace {host} A"},
		Twins: []Twin{
			{ID: "sys-resolver-broken", Because: "the same resolver answers for other names"},
			{ID: "dns-nxdomain-host", Because: "no answer says that the name does not exist"},
			{ID: "dns-nodata-address", Because: "no answer says that the name lacks an address"},
		},
	},
	{
		ID: "dns-local-resolver-broken", Per: perDomain, Node: nodeDNS, Severity: Critical, Impact: blocksNow,
		Must: []sign{sAuthThere, sLookupFails, sResolverOK}, MustNot: []sign{sTrouble, sApexCNAME, sResolverBad},
		Title: "The resolver of this machine fails for {host}, whose name servers are well",
		Cause: "{host} has {authority} by its own name servers, asked one by one, and its DNSSEC holds. The resolver that this machine uses says: {dnserror}.{remembers}",
		Fix:   Fix{Text: "Mend the resolver (its forwarders, its trust anchor, its clock); have it forget the name and what it knows of the servers (unbound-control flush_infra all && unbound-control reload; rndc flush; resolvectl flush-caches and reset-server-features); or give another one with --resolver.", Command: "dig {host} A; dig +trace {host} A"},
		Twins: []Twin{
			{ID: "sys-resolver-broken", Because: "the same resolver answers for other names"},
			{ID: "dns-all-ns-down", When: []sign{sAuthThere}, Because: "the name servers answer"},
			{ID: "dnssec-ds-mismatch", When: []sign{sAuthThere}, WhenNot: []sign{sTrouble}, Because: "the chain of keys was computed here, and holds"},
		},
		Predicts: []string{"dns-lookup-failed", "tls-*", "http-*"},
	},
	{
		ID: "dns-negative-cache", Per: perDomain, Node: nodeDNS, Severity: Warning, Impact: blocksLater,
		Must: []sign{sViewNo, sAuthThere}, MustNot: []sign{sTrouble},
		Title: "The resolver still remembers that {thing} is not there",
		Cause: "The name servers give {authority}. The resolver was asked before these records were there, and keeps its \"no\" for another {ttl}.",
		Fix:   Fix{Text: "Wait {ttl}, or empty the resolver's cache. A smaller last number in the zone's SOA record shortens this the next time.", Command: "dig {host} A"},
		Twins: []Twin{
			{ID: "dns-nxdomain-host", Because: "the name servers themselves give an address"},
			{ID: "dns-one-ns-stale", When: []sign{sViewNo}, WhenNot: []sign{sTrouble}, Because: "each name server was asked by itself, and gives the address"},
		},
		Predicts: []string{"tls-*", "http-*"},
	},
	{
		ID: "dns-positive-cache", Per: perDomain, Node: nodeDNS, Severity: Warning, Impact: blocksLater,
		Must: []sign{sViewOld, sViewUseless, sAuthThere}, MustNot: []sign{sTrouble, sViewInner},
		Title: "The resolver still gives the old records for {thing}",
		Cause: "The name servers give {authority}; the resolver gives {viewed} from its cache for another {ttl}, which is of no use any more.",
		Fix:   Fix{Text: "Wait {ttl}, or empty the resolver's cache. Lower the records' time to live before the next move.", Command: "dig {host} A"},
		Twins: []Twin{
			{ID: "dns-points-elsewhere", When: []sign{sViewOld}, Because: "the name servers give another address already"},
			{ID: "dns-one-ns-stale", When: []sign{sViewOld}, WhenNot: []sign{sTrouble}, Because: "the name servers agree"},
		},
		Predicts: []string{"tls-port-closed", "tls-timeout", "tls-name-mismatch", "tls-self-signed-default", "tls-sni-default-served", "tls-plain-http-443", "http-*"},
	},
	{
		ID: "dns-split-horizon", Per: perDomain, Node: nodeDNS, Severity: Warning, Impact: blocksLater,
		Must: []sign{sViewOld, sViewUseless, sViewInner, sAuthThere}, MustNot: []sign{sTrouble},
		Title: "The resolver gives {host} another address than the public DNS, and nothing serves there",
		Cause: "The public name servers give {authority}; the resolver that this machine uses gives {viewed}, a private address: an inner copy of the zone, or a rule of the resolver's own. What is put into the public zone is not seen here, and what is put into the inner one is seen nowhere else.",
		Fix:   Fix{Text: "Correct the address in the inner zone (or take the name out of it), or look with --resolver at one that sees the public DNS.", Command: "dig {host} A; dig +trace {host} A"},
		Twins: []Twin{
			{ID: "dns-positive-cache", When: []sign{sViewInner}, Because: "the public zone has no private address that could be remembered"},
			{ID: "dns-private-address", When: []sign{sViewInner}, Because: "the public name servers give a public address"},
			{ID: "sys-egress-down", When: []sign{sViewInner}, Because: "other hosts are reached from here"},
		},
		Predicts: []string{"tls-*", "http-*"},
	},
	{
		ID: "dns-private-address", Per: perDomain, Node: nodeDNS, Severity: Critical, Impact: blocksNow,
		Must:  []sign{sPrivate, sByAddress},
		Title: "{host} has the private address {private} in the public DNS",
		Cause: "A public authority has to reach {host} to validate it by {method}, and {private} cannot be reached from the internet.",
		Fix:   Fix{Text: "Publish the public address, or validate by dns-01, which needs no way to the host.", Command: "dig {host} A; dig {host} AAAA"},
		Twins: []Twin{
			{ID: "tls-port-closed", When: []sign{sPrivate}, Because: "the address itself is one that the internet does not carry"},
			{ID: "dns-nodata-address", Because: "the name has an address"},
			{ID: "sys-egress-down", When: []sign{sPrivate}, Because: "no way leads to a private address from anywhere outside; public ones are reached: the name servers answered"},
		},
		Predicts: []string{"http-*"},
	},
}
