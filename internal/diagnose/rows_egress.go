package diagnose

// rowsEgress are the causes for which no address can be reached from here.
var rowsEgress = []Row{
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
