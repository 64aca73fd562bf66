package diagnose

// rowsChain are the causes that lie between the served leaf and the client's root.
var rowsChain = []Row{
	{
		ID: "tls-chain-incomplete", Per: perLook, Node: nodeListener, Severity: Critical, Impact: blocksNow,
		Must: []sign{sGap, sCompleted}, MustNot: []sign{sTrusted, sSelf, sStranger, sOwnRoot, sInterEnd, sRootEnd, sSHA1},
		Title: "{where} sends the certificate without its intermediate",
		Cause: "The server sends {sent}; the one that issued it, {missing}, is left out. Browsers that have met it elsewhere still connect, others and most programs cannot find the way to a trusted root.",
		Fix: Fix{Text: "Serve the full chain: the leaf, then {missing} (fullchain.pem instead of cert.pem).{aia}",
			Command: "openssl s_client -connect {address} -servername {host} -showcerts </dev/null 2>/dev/null | grep -c 'BEGIN CERTIFICATE'", Action: "sync"},
		Twins: []Twin{
			{ID: "tls-untrusted-root", When: []sign{sCompleted}, Because: "with {missing} added the chain leads to the trusted root {root}"},
			{ID: "tls-chain-wrong-intermediate", Because: "no intermediate is sent at all, rather than a wrong one"},
			{ID: "tls-intermediate-expired", WhenNot: []sign{sInterEnd}, Because: "nothing above the leaf has ended"},
		},
	},
	{
		ID: "tls-chain-wrong-intermediate", Per: perLook, Node: nodeListener, Severity: Critical, Impact: blocksNow,
		Must: []sign{sStranger, sCert}, MustNot: []sign{sTrusted, sSelf, sInterEnd, sRootEnd},
		Title: "{where} sends an intermediate that did not issue the certificate",
		Cause: "The certificate is issued by {issuer}. What is sent with it ({strangers}) did not sign it: its key is another one. This is what is left when the authority changed its intermediate and only the leaf was replaced.",
		Fix:   Fix{Text: "Replace the whole chain with the one that came with the certificate: leaf first, then {missing}.{aia}", Action: "sync"},
		Twins: []Twin{
			{ID: "tls-chain-incomplete", Because: "an intermediate is sent; it is the wrong one"},
			{ID: "tls-untrusted-root", When: []sign{sStranger}, Because: "the chain already breaks right above the leaf, before any root"},
		},
		Predicts: []string{"tls-untrusted-root", "tls-chain-incomplete"},
	},
	{
		ID: "tls-intermediate-expired", Per: perLook, Node: nodeTrust, Severity: Critical, Impact: blocksNow,
		Must: []sign{sInterEnd, sCert}, MustNot: []sign{sTrusted},
		Title: "The intermediate {ended} expired ({endedAt})",
		Cause: "The leaf is issued by {issuer}, and {where} sends a certificate of that chain whose validity ended at {endedAt}. The chain file was not renewed with the leaf.",
		Fix:   Fix{Text: "Replace the chain that is served with the authority's current one; the leaf may stay.", Action: "sync"},
		Twins: []Twin{
			{ID: "tls-leaf-expired", WhenNot: []sign{sExpired}, Because: "the leaf itself is valid until {notAfter}"},
			{ID: "tls-root-expired-path", Because: "what ended is an intermediate, not the root"},
			{ID: "tls-chain-incomplete", When: []sign{sInterEnd}, Because: "no certificate is missing: the chain held until {endedAt}"},
		},
		Predicts: []string{"tls-untrusted-root"},
	},
	{
		ID: "tls-root-expired-path", Per: perLook, Node: nodeTrust, Severity: Critical, Impact: blocksNow, Spare: sTrusted,
		Must:  []sign{sPathEnd, sCert},
		Title: "The chain that {where} sends leads to an expired root",
		Cause: "What is sent with the certificate ({dead}) leads only to a root or cross-signature that has ended. Clients that search find another way if they hold a newer root; those that follow what is sent (old OpenSSL, embedded ones) refuse.",
		Fix:   Fix{Text: "Take the old cross-signed certificate out of the served chain and send the authority's current default chain.", Action: "sync"},
		Twins: []Twin{
			{ID: "tls-intermediate-expired", Because: "every certificate between the leaf and the roots that is needed is valid"},
			{ID: "tls-leaf-expired", WhenNot: []sign{sExpired}, Because: "the leaf itself is valid until {notAfter}"},
		},
		Predicts: []string{"tls-untrusted-root"},
	},
	{
		ID: "tls-untrusted-root", Per: perLook, Node: nodeTrust, Severity: Critical, Impact: blocksNow,
		Must: []sign{sNoPath, sOwnRoot}, MustNot: []sign{sTrusted, sSelf, sCompleted, sStranger, sInterEnd, sRootEnd, sStaging},
		Title: "The chain at {where} ends in a root that clients do not trust ({ownroot})",
		Cause: "The certificate is issued by {issuer}; followed to its end, the chain arrives at {ownroot}, which is not among the trusted roots. It is a private or a test authority, or one that was distrusted.",
		Fix:   Fix{Text: "If {ownroot} is your own authority, install its root at the clients (and give it to this command with --ca-file). If the public is to connect, order from a publicly trusted authority."},
		Twins: []Twin{
			{ID: "tls-chain-incomplete", When: []sign{sOwnRoot}, Because: "the chain was followed to its self-signed end: nothing is missing from it"},
			{ID: "tls-self-signed-default", Because: "the certificate was issued by an authority, {issuer}"},
			{ID: "ca-wrong-directory", Because: "{issuer} is not known as an authority's test environment"},
		},
	},
	{
		ID: "ca-wrong-directory", Per: perLook, Node: nodeCA, Severity: Critical, Impact: blocksNow,
		Must: []sign{sNoPath, sStaging}, MustNot: []sign{sTrusted, sSelf},
		Title: "The certificate at {where} comes from an authority's test environment ({issuer})",
		Cause: "It was ordered at the staging directory, whose roots no client trusts.",
		Fix:   Fix{Text: "Point the issuer at the authority's production directory and order again.", Action: "renew"},
		Twins: []Twin{
			{ID: "tls-untrusted-root", When: []sign{sStaging}, Because: "the issuer's name says that it is a test environment: the root is not meant to be trusted"},
		},
		Predicts: []string{"tls-untrusted-root", "tls-chain-incomplete"},
	},
	{
		ID: "tls-chain-order-served", Per: perLook, Node: nodeListener, Severity: Warning, Impact: hygiene,
		Must:  []sign{sShuffled, sTrusted},
		Title: "{where} sends the chain in the wrong order",
		Cause: "Each certificate should be followed by the one that issued it. All that is needed is there, and clients that search find their way; strict ones (TLS 1.2 and older by the letter) refuse.",
		Fix:   Fix{Text: "Write the chain file anew: leaf first, then each issuer in turn.", Action: "sync"},
		Twins: []Twin{
			{ID: "tls-chain-incomplete", When: []sign{sTrusted}, Because: "nothing is missing: the chain leads to {root}"},
		},
	},
	{
		ID: "tls-extra-root-sent", Per: perLook, Node: nodeListener, Severity: Info, Impact: hygiene, Note: true,
		Must:  []sign{sRootSent, sTrusted},
		Title: "{where} sends the root as well. It does no harm: clients use their own copy",
		Cause: "The root is part of the served chain. Clients ignore it and use the one they hold.",
		Fix:   Fix{Text: "Nothing has to be done; leaving the root out saves about a kilobyte in each handshake."},
		Twins: []Twin{
			{ID: "tls-untrusted-root", When: []sign{sTrusted}, Because: "the root that is sent is a trusted one"},
		},
	},
}
