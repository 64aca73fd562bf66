package diagnose

// rowsDNS are the causes for which the host's addresses are not found or not reached.
var rowsDNS = []Row{
	{
		ID: "sys-resolver-broken", Per: perName, Node: nodeResolver, Severity: Critical, Impact: blocksNow,
		Must: []sign{sNoAddress, sLookupFails, sResolverBad}, MustNot: []sign{sNXDomain, sNoData},
		Title: "The resolver answers no question at all",
		Cause: "Neither {host} nor a name that always exists could be looked up: {dnserror}. The fault is with the resolver that this machine uses, not with {host}.",
		Fix:   Fix{Text: "Mend the resolver's address in /etc/resolv.conf, or give another one with --resolver.", Command: "dig . NS"},
		Twins: []Twin{
			{ID: "dns-nxdomain-host", Because: "no answer came, so none that says that the name does not exist"},
			{ID: "dns-all-ns-down", When: []sign{sResolverBad}, Because: "questions about other names fail in the same way"},
		},
		Predicts: []string{"dns-*"},
	},
	{
		ID: "dns-domain-not-delegated", Per: perName, Node: nodeDNS, Severity: Critical, Impact: blocksNow,
		Must:  []sign{sNXDomain, sNoAddress, sParentGone},
		Title: "The domain {domain} does not exist in the DNS",
		Cause: "Not only {host}: the domain above it is unknown too. It has expired, is on hold, or was never registered or delegated.",
		Fix:   Fix{Text: "See at the registrar whether {domain} is paid for and delegated to its name servers.", Command: "dig +trace {domain} NS"},
		Twins: []Twin{
			{ID: "dns-nxdomain-host", Because: "the domain above the name is missing as well"},
			{ID: "sys-resolver-broken", Because: "the resolver gave a definite answer"},
		},
	},
	{
		ID: "dns-nxdomain-host", Per: perName, Node: nodeDNS, Severity: Critical, Impact: blocksNow,
		Must: []sign{sNXDomain, sNoAddress}, MustNot: []sign{sParentGone},
		Title: "The DNS knows no {host}",
		Cause: "The answer is NXDOMAIN: there is no record of any kind at this name. It is misspelt, or its address record was never made or was deleted.",
		Fix:   Fix{Text: "Add an A (and AAAA) record for {host} with the server's address; or mend the spelling.", Command: "dig {host} A"},
		Twins: []Twin{
			{ID: "dns-domain-not-delegated", Because: "the domain above it, {domain}, exists"},
			{ID: "dns-nodata-address", Because: "the answer is that the name does not exist, not that it lacks an address"},
			{ID: "sys-resolver-broken", Because: "the resolver gave a definite answer"},
		},
	},
	{
		ID: "dns-nodata-address", Per: perName, Node: nodeDNS, Severity: Critical, Impact: blocksNow,
		Must: []sign{sNoData, sNoAddress}, MustNot: []sign{sNXDomain, sLookupFails},
		Title: "{host} exists in the DNS and has no address",
		Cause: "The name has records, but neither A nor AAAA.",
		Fix:   Fix{Text: "Add an A (and AAAA) record for {host} with the server's address.", Command: "dig {host} A; dig {host} AAAA"},
		Twins: []Twin{
			{ID: "dns-nxdomain-host", Because: "the answer says that the name exists"},
			{ID: "sys-resolver-broken", Because: "the resolver gave a definite answer"},
		},
	},
	{
		ID: "dns-lookup-failed", Per: perName, Node: nodeDNS, Severity: Critical, Impact: blocksNow,
		Must: []sign{sNoAddress, sLookupFails, sResolverOK}, MustNot: []sign{sNXDomain},
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
		ID: "sys-egress-down", Per: perName, Node: nodeEgress, Severity: Critical, Impact: blocksNow,
		Must:  []sign{sAllNoRoute},
		Title: "No route leads from here to any address of {host}",
		Cause: "The machine that looks has no way to these addresses: its network is down, or it has no IPv6 and the name has IPv6 addresses only. Of the certificate nothing is known.",
		Fix:   Fix{Text: "Look from a machine with a way there, or mend the network here.", Command: "ip route; ip -6 route"},
		Twins: []Twin{
			{ID: "tls-timeout", When: []sign{sAllNoRoute}, Because: "this machine's own network refused at once"},
			{ID: "tls-port-closed", When: []sign{sAllNoRoute}, Because: "the far host was never reached"},
		},
	},
}
