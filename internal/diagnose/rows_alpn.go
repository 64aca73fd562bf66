package diagnose

// rowsALPN are the causes for which tls-alpn-01 (RFC 8737) cannot succeed at an address.
var rowsALPN = []Row{
	{
		ID: "alpn-443-closed", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must:  []sign{aClosed},
		Title: "{where} cannot be reached, where an authority looks for tls-alpn-01 of {name}",
		Cause: "The connection fails: {error}. Authorities ask port 443 only.",
		Fix:   Fix{Text: "Let the server listen on port {port} of this address, and let the port through; then verify again.", Command: "ss -ltnp | grep ':{port} '", Action: ActionVerify},
		Twins: []Twin{
			{ID: "alpn-not-offered", Because: "no handshake came about in which a protocol could have been chosen"},
			{ID: "tls-plain-http-443", WhenNot: []sign{aPlain}, Because: "nothing came back, not even in another protocol"},
		},
		Predicts: append([]string{"tls-timeout", "alpn-not-offered"}, unproven...),
	},
	{
		ID: "alpn-terminated-upstream", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must: []sign{aNot, aFront}, MustNot: []sign{aClosed},
		Title: "A proxy in front of {name} ends TLS at {where}, so the server behind it never sees acme-tls/1",
		Cause: "Offered acme-tls/1 alone, {address} does not choose it. {capable} does, or the answer's headers show a proxy: {via}.",
		Fix:   Fix{Text: "Let the proxy pass TLS through for clients that offer acme-tls/1 (haproxy: \"req.ssl_alpn acme-tls/1\" in TCP mode; nginx: ssl_preread_alpn_protocols), or use http-01 or dns-01.", Action: ActionOtherMethod},
		Twins: []Twin{
			{ID: "alpn-not-offered", When: []sign{aFront}, Because: "what answers at {address} is a proxy, not the server itself"},
			{ID: "alpn-443-closed", Because: "a TLS server answers at the address"},
		},
		Predicts: append([]string{"alpn-not-offered"}, unproven...),
	},
	{
		ID: "alpn-not-offered", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must: []sign{aNot}, MustNot: []sign{aFront, aClosed},
		Title: "The server at {where} does not know acme-tls/1",
		Cause: "Offered acme-tls/1 alone, it goes on without it or refuses: it is a TLS server that is not set up to answer tls-alpn-01 for {name}.",
		Fix:   Fix{Text: "Let the ACME client answer port 443 during validation, or pass clients that offer acme-tls/1 on to it (nginx: ssl_preread_alpn_protocols; haproxy: req.ssl_alpn), or use http-01 or dns-01.", Action: ActionOtherMethod},
		Twins: []Twin{
			{ID: "alpn-terminated-upstream", Because: "no proxy shows itself in the answer's headers, and no other server of the name chooses the protocol"},
			{ID: "alpn-443-closed", Because: "a TLS server answers at the address"},
			{ID: "alpn-wrong-identifier", Because: "no validation certificate came at all"},
		},
		Predicts: unproven,
	},
	{
		ID: "alpn-wrong-identifier", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must:  []sign{aOtherID, aChosen},
		Title: "The validation certificate at {where} is that of another order",
		Cause: "acme-tls/1 is chosen, and the certificate is well formed; but {differs}.",
		Fix:   Fix{Text: "End the other validation, or let one ACME client only answer for {name}; then verify again.", Action: ActionVerify},
		Twins: []Twin{
			{ID: "alpn-bad-cert-shape", WhenNot: []sign{aBadShape}, Because: "the certificate has the form that RFC 8737 demands"},
			{ID: "alpn-not-offered", Because: "acme-tls/1 was chosen"},
		},
		Predicts: unproven,
	},
	{
		ID: "alpn-bad-cert-shape", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must:  []sign{aBadShape, aChosen},
		Title: "The validation certificate at {where} is not of the form that authorities demand",
		Cause: "acme-tls/1 is chosen, and the certificate that comes back is none for validation (RFC 8737 section 3): {flaws}.",
		Fix:   Fix{Text: "Serve a self-signed certificate with {name} as its only name and a critical acmeIdentifier extension to clients that choose acme-tls/1, and the usual one to all others; then verify again.", Action: ActionVerify},
		Twins: []Twin{
			{ID: "alpn-wrong-identifier", Because: "the form itself is wrong, whatever order it is of"},
			{ID: "alpn-not-offered", Because: "acme-tls/1 was chosen"},
		},
		Predicts: unproven,
	},
}
