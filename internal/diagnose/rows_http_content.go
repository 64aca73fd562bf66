package diagnose

// rowsHTTPContent are answers of status 200 that are not the proof.
var rowsHTTPContent = []Row{
	{
		ID: "http-body-bom", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must:  []sign{hBOM},
		Title: "A byte order mark stands before the proof of {name}",
		Cause: "The content is right but for its first three bytes, EF BB BF, which an editor has put there. Authorities compare byte for byte; only white space at the end is passed over.",
		Fix:   Fix{Text: "Save the file as UTF-8 without byte order mark, or let Certwright write it; then verify again.", Command: "curl -sSk {url} | head -c 16 | od -An -tx1", Action: ActionVerify},
		Twins: []Twin{
			{ID: "http-body-too-long", Because: "nothing but the mark stands beside the proof"},
			{ID: "http-wrong-thumbprint", Because: "token and thumbprint are right"},
		},
		Predicts: unproven,
	},
	{
		ID: "http-body-too-long", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must: []sign{hMore}, MustNot: []sign{hBOM},
		Title: "The answer holds the proof of {name} and more",
		Cause: "The body has to be the proof and nothing else. It begins: {body}",
		Fix:   Fix{Text: "Serve the file as it is, without header, footer or template around it; then verify again.", Command: "curl -sSk {url}", Action: ActionVerify},
		Twins: []Twin{
			{ID: "http-html-200", When: []sign{hMore}, Because: "the proof stands in the answer"},
			{ID: "http-body-bom", Because: "the answer does not begin with a byte order mark"},
		},
		Predicts: unproven,
	},
	{
		ID: "http-wrong-thumbprint", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must: []sign{hThumb}, MustNot: []sign{hV6Differs, hCache},
		Title: "{where} answers for another ACME account than the one that asks",
		Cause: "The answer has the right token, followed by the thumbprint {thumb} of another account. A server that makes up the answer itself (a stateless set-up) still has an old account's thumbprint, or another ACME client answers this path.",
		Fix:   Fix{Text: "Put the thumbprint of the present account into the server's configuration, or take the stateless rule out; then verify again. Expected: {expect}", Command: "curl -sSk {url}", Action: ActionVerify},
		Twins: []Twin{
			{ID: "http-stale-token", Because: "the token is the present one, so it is no old file"},
			{ID: "http-404-webroot", Because: "the path is answered"},
		},
		Predicts: unproven,
	},
	{
		ID: "http-stale-token", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must: []sign{hOtherTok}, MustNot: []sign{hThumb, hV6Differs},
		Title: "{where} serves an older content in place of the proof of {name}",
		Cause: "The path is answered with something that was right before: {body} {cached}",
		Fix:   Fix{Text: "Purge the path from the cache of the CDN or proxy and exempt /.well-known/ from it, or remove the old file; then verify again.", Command: "curl -sSik '{url}?fresh=1'", Action: ActionVerify},
		Twins: []Twin{
			{ID: "http-wrong-thumbprint", Because: "not only the thumbprint differs"},
			{ID: "http-html-200", Because: "the answer is a proof of the same kind, no page"},
		},
		Predicts: unproven,
	},
	{
		ID: "http-html-200", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must: []sign{hPage}, MustNot: []sign{hGate, hAway, hV6Differs, hDefault, hMore, hBOM, hAgent},
		Title: "{where} answers every path with a page of its own, the challenge path of {name} too",
		Cause: "The answer is 200 and a page, as for any name that does not exist: a rule for single-page applications or an error page with status 200 (nginx: \"try_files ... /index.html\") takes the path before the proof.",
		Fix:   Fix{Text: "Serve /.well-known/acme-challenge/ (and /.well-known/pki-validation/) before that rule, from the webroot or by passing it on to Certwright's listener; reload, and verify again.", Command: "curl -sSik {url}", Action: ActionVerify},
		Twins: []Twin{
			{ID: "http-bot-challenge", WhenNot: []sign{hGate}, Because: "the page is no test for browsers: it neither sets cookies by script nor says so in a header"},
			{ID: "http-404-webroot", Because: "the answer is 200"},
			{ID: "http-wrong-vhost", Because: "the site that answers is the name's own, or the server's only one"},
			{ID: "http-body-too-long", Because: "the proof does not stand in the page"},
		},
		Predicts: unproven,
	},
}

// rowsHTTPNode are answers that differ by node or address family.
var rowsHTTPNode = []Row{
	{
		ID: "dns-aaaa-stale", Per: perChallenge, Node: nodeDNS, Severity: Critical, Impact: blocksNow,
		Must:  []sign{hV6Differs, hMachine},
		Title: "The AAAA record of {name} leads to another machine than its A record",
		Cause: "At {address} the answer is: {answer}. At {otheraddress} it is as it should be. {machine} The IPv6 address is an old or a foreign host's, and authorities and most clients prefer it.",
		Fix:   Fix{Text: "Correct the AAAA record of {name} or take it out of the DNS; then verify again.", Command: "dig {name} AAAA; curl -sSik -6 {url}; curl -sSik -4 {url}"},
		Twins: []Twin{
			{ID: "http-404-webroot", When: []sign{hV6Differs}, Because: "the same path is answered well over IPv4"},
			{ID: "http-ipv6-elsewhere", When: []sign{hMachine}, Because: "it is not this server's own listener for IPv6: another machine answers"},
		},
		Predicts: append([]string{"http-*", "html-*", "tls-v4-v6-differ", "tls-name-mismatch", "tls-sni-default-served", "tls-self-signed-default", Unnamed}, unproven...),
	},
	{
		ID: "http-ipv6-elsewhere", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow,
		Must:  []sign{hV6Differs},
		Title: "Over IPv6 {name} answers otherwise than over IPv4, and authorities prefer IPv6",
		Cause: "At {address} the answer is: {answer}. At {otheraddress} it is as it should be. An authority goes on to IPv4 only where the IPv6 address does not connect. {machine}",
		Fix:   Fix{Text: "Let the server for {name} listen on its IPv6 address with the same site (nginx: \"listen [::]:80\" in that server block), or correct or remove the AAAA record; then verify again.", Command: "dig {name} AAAA; curl -sSik -6 {url}; curl -sSik -4 {url}", Action: ActionVerify},
		Twins: []Twin{
			{ID: "http-404-webroot", When: []sign{hV6Differs}, Because: "the same path is answered well over IPv4"},
			{ID: "dns-aaaa-stale", WhenNot: []sign{hMachine}, Because: "nothing shows that the IPv6 address is another machine's"},
			{ID: "http-one-node-lacks-token", WhenNot: []sign{hPartly}, Because: "each family answers the same every time; it is the family that makes the difference"},
		},
		Predicts: append([]string{"http-*", "html-*", "tls-v4-v6-differ", Unnamed}, unproven...),
	},
	{
		ID: "http-one-node-lacks-token", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must: []sign{hOneOf, h404, hPublished}, MustNot: []sign{hV6Differs},
		Title: "Not every node behind {name} has the proof",
		Cause: "The same request is answered well by some nodes and with {status} by others: {address}. The proof was published on some of the servers that share the name.",
		Fix:   Fix{Text: "Publish proofs where all nodes read them (a shared directory, or /.well-known/acme-challenge/ passed on to Certwright's listener from every node), and verify again.", Command: "for i in 1 2 3 4 5 6; do curl -sSk -o /dev/null -w '%{http_code}\\n' {url}; done", Action: ActionVerify},
		Twins: []Twin{
			{ID: "http-404-webroot", Because: "some requests find the proof, so the path leads to the right directory"},
			{ID: "http-token-cleaned-early", When: []sign{hOneOf}, Because: "it is found and missed at the same time"},
			{ID: "http-ipv6-elsewhere", Because: "it is not the address family that makes the difference"},
		},
		Predicts: append([]string{"http-404-webroot", "html-token-404"}, unproven...),
	},
}
