package diagnose

// onOne are the failures at the wire that a difference between addresses accounts for.
var onOne = []string{"tls-leaf-expired", "tls-leaf-expiring", "tls-not-yet-valid", "tls-name-mismatch", "tls-wildcard-depth", "tls-apex-missing", "tls-self-signed-default",
	"tls-sni-default-served", "tls-untrusted-root", "tls-chain-*", "tls-intermediate-expired", "tls-root-expired-path", "tls-weak-key", "tls-sha1-sig",
	"tls-too-long-validity", "tls-eku-missing", "tls-must-staple-absent"}

// rowsSpread are the causes that only a comparison shows: between addresses, families, key types and
// server names.
var rowsSpread = []Row{
	{
		ID: "tls-v4-v6-differ", Per: perName, Node: nodeListener, Severity: Critical, Impact: blocksNow,
		Must:  []sign{sByFamily, sSteady},
		Title: "{host} serves another certificate over {family} than over {otherfamily}",
		Cause: "Over {family} ({stale}) clients get serial {staleserial}, over {otherfamily} ({fresh}) serial {freshserial}. The two families have listeners of their own, or lead to different hosts, and only one was kept up to date.",
		Fix:   Fix{Text: "Bind the current certificate to the {family} listener too (nginx: listen [::]:443 ssl in the same server block) and reload; or, if {stale} is an old host, take its record out of the DNS.", Action: "sync"},
		Twins: []Twin{
			{ID: "sync-one-node-stale", When: []sign{sByFamily}, Because: "the line runs between the families: all addresses of one family agree"},
			{ID: "tls-dual-key-one-stale", WhenNot: []sign{sDualStale}, Because: "at one address RSA and ECDSA clients get certificates of the same age"},
		},
		Predicts: onOne,
	},
	{
		ID: "sync-one-node-stale", Per: perName, Node: nodeListener, Severity: Critical, Impact: blocksNow,
		Must:  []sign{sNodes, sByNode},
		Title: "One of the nodes behind {host} serves another certificate than the others (seen at {stale})",
		Cause: "{spreadwords} One node behind the name was missed by the last rollout, or is another host.",
		Fix:   Fix{Text: "Bring the current certificate to every node that answers at {stale} and reload it there; then see in that node's own log why the rollout missed it.", Action: "sync"},
		Twins: []Twin{
			{ID: "tls-v4-v6-differ", When: []sign{sByNode}, Because: "addresses of the same family differ"},
			{ID: "tls-dual-key-one-stale", WhenNot: []sign{sDualStale}, Because: "at one address RSA and ECDSA clients get certificates of the same age"},
			{ID: "tls-cdn-old", When: []sign{sByNode}, Because: "the addresses of the name itself differ, with nothing in front of them"},
		},
		Predicts: onOne,
	},
	{
		ID: "tls-dual-key-one-stale", Per: perName, Node: nodeListener, Severity: Critical, Impact: blocksNow,
		Must:  []sign{sDualStale, sSteady},
		Title: "The {stalekind} certificate of {host} was not renewed with the {freshkind} one",
		Cause: "{dualaddress} serves two certificates: clients that take {freshkind} get serial {freshserial}, which is current; those that take only {stalekind} get serial {staleserial}, which ends or ended at {dualend}. An ordinary look sees only one of the two.",
		Fix:   Fix{Text: "Renew the {stalekind} certificate as well and reload; or serve one kind of key only.", Action: "renew"},
		Twins: []Twin{
			{ID: "sync-one-node-stale", When: []sign{sDualStale}, Because: "both certificates come from the same address, {dualaddress}: which one depends on the client"},
			{ID: "tls-leaf-expired", When: []sign{sDualStale}, Because: "clients that take {freshkind} get a current certificate"},
		},
		Predicts: []string{"tls-leaf-expired", "tls-leaf-expiring", "tls-chain-*", "tls-intermediate-expired", "tls-untrusted-root"},
	},
	{
		ID: "tls-sni-ip-binding-differ", Per: perName, Node: nodeListener, Severity: Warning, Impact: blocksLater,
		Must: []sign{sNoSNIOld, sSteady}, MustNot: []sign{sByNode, sByFamily},
		Title: "Without a server name {nosniaddress} still serves the older certificate of {host}",
		Cause: "With the name, clients get serial {sniserial}; without it, serial {nosniserial} for the same names. The binding by address was not updated with the binding by name.",
		Fix:   Fix{Text: "Update the certificate of the address binding (the default virtual host) as well, then reload.", Action: "sync"},
		Twins: []Twin{
			{ID: "sync-one-node-stale", Because: "it is one address: what it serves depends on whether the name is sent"},
			{ID: "tls-no-sni-client", When: []sign{sNoSNIOld}, Because: "what is served without a name is for {host}, only older"},
		},
	},
	{
		ID: "tls-no-sni-client", Per: perName, Node: nodeListener, Severity: Info, Impact: hygiene, Note: true,
		Must:  []sign{sNoSNIBad},
		Title: "Clients that send no server name get the default certificate ({nosni}); all current clients send one",
		Cause: "The server chooses the certificate by the name. Clients without SNI get the default one.",
		Fix:   Fix{Text: "Nothing has to be done unless such clients are to be served: then make this certificate the default one, or give the name an address of its own."},
		Twins: []Twin{
			{ID: "tls-sni-default-served", When: []sign{sNoSNIBad}, Because: "asked with the name, the server gives the right certificate"},
		},
	},
}
