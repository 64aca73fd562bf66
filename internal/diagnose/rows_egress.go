package diagnose

// rowsEgress are the causes for which no address can be reached from here.
var rowsEgress = []Row{
	{
		ID: "sys-egress-down", Per: perName, Node: nodeEgress, Severity: Critical, Impact: blocksNow,
		Must: []sign{sAllNoRoute}, MustNot: []sign{sInnerOnly},
		Title: "No way leads from here to {host}{others}",
		Cause: "The machine that looks has no way out: its network is down, a firewall drops everything, or it has no IPv6 and the name has IPv6 addresses only. Of the far side nothing is known.",
		Fix:   Fix{Text: "Look from a machine with a way there, or mend the network here.", Command: "ip route; ip -6 route"},
		Twins: []Twin{
			{ID: "tls-timeout", When: []sign{sAllNoRoute}, Because: "not one host is silent, but all that were tried"},
			{ID: "tls-port-closed", When: []sign{sAllNoRoute}, Because: "the far host was never reached"},
			{ID: "ca-egress-blocked", When: []sign{sAllNoRoute}, Because: "the authority is not the only one that cannot be reached"},
		},
		Predicts: []string{"ca-unreachable", "ca-egress-blocked", "ca-host-unresolvable", "renew-ari-unreadable", "sys-resolver-broken", "dns-all-ns-down", "dns-one-ns-down",
			"dns-lookup-failed", "dns-slow", "http-timeout-drop", "tls-timeout"},
	},
}
