package diagnose

// rowsStatus are the causes that lie in what others say of a certificate: its authority (revoked or not), the logs, the
// clocks.
var rowsStatus = []Row{
	{
		ID: "tls-revoked", Per: perLook, Node: nodeTrust, Severity: Critical, Impact: blocksNow,
		Must:  []sign{sRevoked, sCert},
		Title: "The certificate at {where} has been revoked ({revokedWhy})",
		Cause: "Its authority withdrew serial {serial} at {revokedAt}, for the reason {revokedWhy}: so says {revokedBy}. Clients that ask refuse it, the others follow as their own lists are renewed.",
		Fix: Fix{Text: "Find out who revoked it and why. Then have a new certificate issued with a new key (the old key may be known to others: keyCompromise), and serve that.",
			Action: "rekey"},
		Twins: []Twin{
			{ID: "tls-leaf-expired", WhenNot: []sign{sExpired}, Because: "its validity lasts until {notAfter}"},
			{ID: "tls-crl-unreachable", When: []sign{sRevoked}, Because: "the authority's answer came, is signed by {issuer}, and names this serial number"},
			{ID: "tls-untrusted-root", WhenNot: []sign{sNoPath}, Because: "the chain leads to a trusted root: it is this one certificate that was withdrawn"},
		},
	},
	{
		ID: "tls-crl-unreachable", Per: perLook, Node: nodeTrust, Severity: Warning, Impact: hygiene,
		Must: []sign{sNoStatus, sCert}, MustNot: []sign{sStatus, sExpired},
		Title: "Whether the certificate at {where} is revoked cannot be found out",
		Cause: "{statuswords} Most clients go on without an answer; those that insist on one (some of Java's, of Windows' and of VPNs) refuse.",
		Fix:   Fix{Text: "Tell the authority that its list or responder does not answer; for one of your own, start what publishes it, and let it sign anew before the old one ends."},
		Twins: []Twin{
			{ID: "tls-revoked", When: []sign{sNoStatus}, Because: "nobody says that it is revoked: there is no usable answer"},
			{ID: "sys-egress-down", When: []sign{sCert}, Because: "the network here works: the certificate's own server was reached, and the source answered or refused"},
		},
	},
	{
		ID: "tls-staple-expired", Per: perLook, Node: nodeListener, Severity: Critical, Impact: blocksNow, Spare: sNoDemand,
		Must:  []sign{sStapleOld, sCert},
		Title: "{where} staples an OCSP answer that clients cannot use",
		Cause: "{staplewords} Clients that look at the stapled answer refuse the connection, or ask the authority themselves.",
		Fix: Fix{Text: "Let the server fetch answers itself (nginx: ssl_stapling on with a resolver, in place of ssl_stapling_file), or renew the file before it ends; or switch stapling off if the certificate does not demand it.",
			Command: "openssl s_client -connect {address} -servername {host} -status </dev/null 2>/dev/null | grep -E 'Update|Cert Status'"},
		Twins: []Twin{
			{ID: "tls-must-staple-absent", When: []sign{sStapled}, Because: "an answer is stapled: it is the answer that is no good"},
			{ID: "tls-revoked", WhenNot: []sign{sRevoked}, Because: "asked directly, the authority says that the certificate is not revoked"},
			{ID: "tls-leaf-expired", WhenNot: []sign{sExpired}, Because: "the certificate itself lasts until {notAfter}"},
		},
	},
	{
		ID: "tls-ct-missing", Per: perLook, Node: nodeTrust, Severity: Warning, Impact: blocksNow,
		Must: []sign{sNoSCT, sPublic, sTrusted, sCert}, MustNot: []sign{sExpired},
		Title: "No certificate log has signed for the certificate at {where}",
		Cause: "The root {root} is a public one. Browsers (Chrome, Safari, Firefox) accept certificates from public authorities only with signed certificate timestamps; there are none in the certificate, in the handshake or in a stapled answer. Other programs do not ask for them.",
		Fix:   Fix{Text: "Have it issued again with embedded timestamps, which every public authority does unless asked not to.", Action: "renew"},
		Twins: []Twin{
			{ID: "tls-untrusted-root", When: []sign{sTrusted}, Because: "the chain leads to the trusted root {root}"},
			{ID: "tls-too-long-validity", WhenNot: []sign{sTooLong}, Because: "its validity of {life} is within the limit"},
		},
	},
	{
		ID: "tls-client-clock", Per: perLook, Node: nodeClock, Severity: Critical, Impact: blocksNow,
		Must:  []sign{sPeerClock, sTwoClocks},
		Title: "The clock of this machine is wrong by {clockgap}",
		Cause: "By the clock here, {ownclock}, the certificate at {where} is outside its validity ({notBefore} to {notAfter}). By the server's own clock, {peerclock}, it is valid, and what the authority signed agrees with that. Other clients accept it.",
		Fix:   Fix{Text: "Set this machine's clock and keep it by a time server.", Command: "timedatectl set-ntp true; timedatectl timesync-status"},
		Twins: []Twin{
			{ID: "tls-leaf-expired", When: []sign{sTwoClocks}, Because: "two independent clocks place the present within its validity"},
			{ID: "tls-not-yet-valid", When: []sign{sTwoClocks}, Because: "two independent clocks place the present within its validity"},
		},
		Predicts: []string{"tls-leaf-expired", "tls-not-yet-valid", "tls-leaf-expiring", "tls-intermediate-expired", "tls-staple-expired", "tls-crl-unreachable"},
	},
	{
		ID: "tls-hsts-blocked-bypass", Per: perLook, Node: nodeTrust, Severity: Info, Impact: hygiene, Note: true,
		Must:  []sign{sRefusedNow, sHSTS},
		Title: "Visitors cannot pass the warning: the site tells browsers to insist on a good certificate (HSTS, kept for {hsts})",
		Cause: "The server sends Strict-Transport-Security. Browsers that have been there offer no way past a certificate error.",
		Fix:   Fix{Text: "Mend the certificate first; taking the header away does not help those who have it."},
		Twins: []Twin{
			{ID: "tls-leaf-expired", When: []sign{sHSTS}, Because: "the header is no fault: it makes another one weigh more"},
		},
	},
}
