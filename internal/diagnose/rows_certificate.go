package diagnose

// rowsCertificate are the causes that lie in the served certificate itself.
func rowsCertificate() []Row {
	return []Row{
		{
			ID: "tls-leaf-expired", Per: perLook, Node: nodeTrust, Severity: Critical, Impact: blocksNow,
			Must:  []sign{sExpired, sCert},
			Title: "The certificate expired {ago} ago ({notAfter}) at {where}",
			Cause: "The server still serves serial {serial}, whose validity ended at {notAfter}. Every client refuses it. Either it was not renewed, or the renewed one never reached this server.",
			Fix: Fix{Text: "Look upstream first: if a newer certificate exists, put it where the server reads it and reload the server; if none does, renew now.",
				Action: "renew"},
			Twins: []Twin{
				{ID: "tls-intermediate-expired", WhenNot: []sign{sInterEnd}, Because: "no certificate above the leaf has ended"},
				{ID: "tls-client-clock", When: []sign{sExpired}, Because: "the end was compared with the clock that this report was made by, {ago} past it"},
				{ID: "sync-one-node-stale", WhenNot: []sign{sOtherWell}, Because: "no other address of the name answers, so there is no fresher certificate to be stale against"},
				{ID: "tls-not-yet-valid", WhenNot: []sign{sNotYet}, Because: "its validity had begun ({notBefore})"},
			},
			Predicts: []string{"tls-too-long-validity"},
		},
		{
			ID: "tls-not-yet-valid", Per: perLook, Node: nodeTrust, Severity: Critical, Impact: blocksNow,
			Must:  []sign{sNotYet, sCert},
			Title: "The certificate is valid only from {notBefore} at {where}",
			Cause: "The certificate's validity begins in {until}. It was issued with a start in the future (the authority's clock was ahead, or the date was set by hand), or the clock here is behind.",
			Fix:   Fix{Text: "Compare the clocks of this machine, of the server and of the authority with a time server; if they are right, put the previous certificate back until {notBefore}, or issue again.", Command: "timedatectl timesync-status"},
			Twins: []Twin{
				{ID: "tls-leaf-expired", WhenNot: []sign{sExpired}, Because: "its end, {notAfter}, is ahead"},
			},
		},
		{
			ID: "tls-leaf-expiring", Per: perLook, Node: nodeTrust, Severity: Warning, Impact: blocksLater,
			Must:  []sign{sExpiring, sCert},
			Title: "The certificate ends in {left} ({notAfter}) at {where}",
			Cause: "Five sixths of its life are over, and no newer one is served. Whatever renews it should have done so by now: the renewal does not run, fails, or does not reach this server.",
			Fix:   Fix{Text: "Renew now and see that the new certificate is served. Then find out why the renewal did not come by itself.", Action: "renew"},
			Twins: []Twin{
				{ID: "tls-leaf-expired", WhenNot: []sign{sExpired}, Because: "it is valid for another {left}"},
				{ID: "renew-not-due", When: []sign{sExpiring}, Because: "less than a sixth of its life is left, which is past the usual time of renewal"},
			},
		},
		{
			ID: "tls-self-signed-default", Per: perLook, Node: nodeListener, Severity: Critical, Impact: blocksNow,
			Must: []sign{sSelf, sCert}, MustNot: []sign{sTrusted, sNoVhost},
			Title: "{where} serves a self-signed certificate ({subject})",
			Cause: "The certificate is signed with its own key, which no client trusts. Servers come with one like it and serve it where no certificate has been configured for the name.",
			Fix:   Fix{Text: "Configure the issued certificate and its chain for {host} on this server, then reload it. If the self-signed one is meant, give it to the clients as a trusted root.", Action: "sync"},
			Twins: []Twin{
				{ID: "tls-untrusted-root", Because: "the certificate is its own issuer: there is no authority whose root could be missing"},
				{ID: "tls-chain-incomplete", When: []sign{sSelf}, Because: "a self-signed certificate has no issuer that could have been left out"},
				{ID: "tls-sni-default-served", WhenNot: []sign{sSeveral}, Because: "the server was not seen to have a certificate for any other name"},
			},
			Predicts: []string{"tls-name-mismatch", "tls-wildcard-depth", "tls-apex-missing", "tls-untrusted-root", "tls-weak-key", "tls-sha1-sig", "tls-too-long-validity",
				"tls-eku-missing", "tls-leaf-expired", "tls-leaf-expiring", "tls-extra-root-sent", "tls-chain-incomplete"},
		},
		{
			ID: "tls-sni-default-served", Per: perLook, Node: nodeListener, Severity: Critical, Impact: blocksNow,
			Must: []sign{sNoVhost, sNameWrong, sDefault, sSeveral}, MustNot: []sign{sWildDeep, sApex},
			Title: "{where} answers for {host} with its default certificate",
			Cause: "Asked for {host}, the server gives the certificate that it gives to any name ({names}), although it has others. Nothing in its configuration is bound to {host}: the server name is missing, misspelt, or in a file that was not loaded.",
			Fix:   Fix{Text: "Give the server a virtual host (server_name, ServerAlias, crt-list entry, SNI binding) for {host} with its certificate, then reload it.", Command: "nginx -T 2>/dev/null | grep -n -A3 server_name"},
			Twins: []Twin{
				{ID: "tls-name-mismatch", When: []sign{sDefault, sSeveral}, Because: "the server gives the same certificate to a name that nobody has, so it did not choose this one for {host}"},
				{ID: "tls-self-signed-default", When: []sign{sNoVhost}, Because: "the server has certificates of other names: what it lacks is one bound to {host}"},
				{ID: "tls-wildcard-depth", Because: "no wildcard of the certificate is above {host}"},
			},
			Predicts: []string{"tls-name-mismatch", "tls-self-signed-default", "tls-leaf-expired", "tls-leaf-expiring", "tls-untrusted-root", "tls-chain-incomplete", "tls-no-sni-client"},
		},
		{
			ID: "tls-wildcard-depth", Per: perLook, Node: nodeTrust, Severity: Critical, Impact: blocksNow,
			Must:  []sign{sWildDeep, sNameWrong},
			Title: "The wildcard {wildcard} does not reach down to {host}",
			Cause: "A wildcard stands for exactly one label. {host} lies two or more below, so the certificate at {where} is not for it.",
			Fix:   Fix{Text: "Order a certificate that also lists {host} (or a wildcard one level deeper), or serve the site under a name one level up.", Action: "rekey"},
			Twins: []Twin{
				{ID: "tls-name-mismatch", When: []sign{sWildDeep}, Because: "the certificate is for the right domain: only the depth is wrong"},
				{ID: "tls-apex-missing", Because: "{host} lies below the wildcard, not above it"},
				{ID: "tls-sni-default-served", When: []sign{sWildDeep}, Because: "the certificate was made for {wildcard}, which is the domain asked for"},
			},
		},
		{
			ID: "tls-apex-missing", Per: perLook, Node: nodeTrust, Severity: Critical, Impact: blocksNow,
			Must:  []sign{sApex, sNameWrong},
			Title: "The certificate is for {below}, but not for {host} itself",
			Cause: "Neither a wildcard nor a www name covers the domain above it. The certificate at {where} lists {names}.",
			Fix:   Fix{Text: "Order a certificate that lists {host} beside {below}.", Action: "rekey"},
			Twins: []Twin{
				{ID: "tls-name-mismatch", When: []sign{sApex}, Because: "the certificate is for names right below {host}: only {host} itself was left out"},
				{ID: "tls-wildcard-depth", Because: "{host} lies above the wildcard, not two labels below it"},
				{ID: "tls-sni-default-served", When: []sign{sApex}, Because: "the certificate was made for the domain asked for"},
			},
		},
		{
			ID: "tls-name-mismatch", Per: perLook, Node: nodeTrust, Severity: Critical, Impact: blocksNow,
			Must: []sign{sNameWrong, sCert}, MustNot: []sign{sWildDeep, sApex, sNoVhost},
			Title: "The certificate at {where} is not for {host}",
			Cause: "It lists {names}. Clients compare only these names with the one they asked for, and refuse.",
			Fix:   Fix{Text: "Order a certificate that lists {host}; or, if {host} has one already, bind it to this server's virtual host for {host}.", Action: "rekey"},
			Twins: []Twin{
				{ID: "tls-sni-default-served", WhenNot: []sign{sDefault}, Because: "to a name that nobody has the server gives another answer, so it chose this certificate for {host}"},
				{ID: "tls-sni-default-served", When: []sign{sAkin}, Because: "the certificate is for neighbours of {host}: it was made for this domain and lacks the name"},
				{ID: "tls-wildcard-depth", Because: "no wildcard of the certificate is above {host}"},
				{ID: "tls-apex-missing", Because: "the certificate has no name right below {host}"},
				{ID: "tls-self-signed-default", Because: "the certificate is issued by {issuer}, not signed with its own key"},
			},
		},
		{
			ID: "tls-weak-key", Per: perLook, Node: nodeTrust, Severity: Critical, Impact: blocksNow,
			Must:  []sign{sWeak, sCert},
			Title: "The certificate's key is too weak: {key} at {where}",
			Cause: "Clients and operating systems refuse RSA keys under 2048 bits (\"ee key too small\") and curves under 256 bits.",
			Fix:   Fix{Text: "Issue again with a new key of a current kind (ECDSA P-256 or RSA 2048).", Action: "rekey"},
			Twins: []Twin{
				{ID: "tls-name-mismatch", Because: "the certificate is for {host}"},
				{ID: "tls-cipher-mismatch", When: []sign{sCert}, Because: "the handshake came far enough to show the certificate"},
			},
		},
		{
			ID: "tls-sha1-sig", Per: perLook, Node: nodeTrust, Severity: Critical, Impact: blocksNow,
			Must:  []sign{sSHA1, sCert},
			Title: "{hashed} is signed with {hashedAlg}, which clients refuse",
			Cause: "Signatures over SHA-1 and older hashes can be forged; no current client accepts one below a root.",
			Fix:   Fix{Text: "Issue again from an authority that signs with SHA-256 or better, and replace the chain.", Action: "renew"},
			Twins: []Twin{
				{ID: "tls-untrusted-root", When: []sign{sSHA1}, Because: "the chain breaks at the hash of {hashed} before any root is looked for"},
			},
			Predicts: []string{"tls-untrusted-root"},
		},
		{
			ID: "tls-eku-missing", Per: perLook, Node: nodeTrust, Severity: Critical, Impact: blocksNow,
			Must:  []sign{sNoUsage, sCert},
			Title: "The certificate at {where} may not be used by a server",
			Cause: "Its extended key usage allows {usages} only; clients demand serverAuth of a server.",
			Fix:   Fix{Text: "Issue again with a profile for TLS servers.", Action: "renew"},
			Twins: []Twin{
				{ID: "tls-untrusted-root", Because: "the chain leads to the trusted root {root}: only the usage is wrong"},
				{ID: "tls-name-constraint", Because: "no constraint of an authority is broken"},
			},
		},
		{
			ID: "tls-name-constraint", Per: perLook, Node: nodeTrust, Severity: Critical, Impact: blocksNow,
			Must:  []sign{sOutside, sCert},
			Title: "The issuing authority may not issue for the certificate's names",
			Cause: "A name constraint in the chain excludes a name of the certificate: {constraint}.",
			Fix:   Fix{Text: "Have the certificate issued by an authority that is not constrained to other names."},
			Twins: []Twin{
				{ID: "tls-untrusted-root", When: []sign{sOutside}, Because: "the root {root} is trusted; the constraint is what refuses"},
				{ID: "tls-name-mismatch", Because: "the certificate itself lists {host}"},
			},
			Predicts: []string{"tls-untrusted-root"},
		},
		{
			ID: "tls-too-long-validity", Per: perLook, Node: nodeTrust, Severity: Warning, Impact: blocksLater,
			Must:  []sign{sTooLong, sTrusted},
			Title: "The certificate is valid for {life}, longer than clients accept",
			Cause: "Clients refuse certificates from publicly trusted authorities that are valid for more than {limit}, counted by the day of issue. This one runs from {notBefore} to {notAfter}.",
			Fix:   Fix{Text: "Issue again with a validity of at most {limit}.", Action: "renew"},
			Twins: []Twin{
				{ID: "tls-leaf-expired", Because: "it has not ended ({notAfter})"},
			},
		},
		{
			ID: "tls-must-staple-absent", Per: perLook, Node: nodeListener, Severity: Warning, Impact: blocksLater,
			Must: []sign{sStapleReq, sCert}, MustNot: []sign{sStapled},
			Title: "The certificate demands a stapled OCSP answer, and {where} staples none",
			Cause: "The certificate carries the TLS feature extension (must-staple). Clients that honour it refuse a handshake without an OCSP answer.",
			Fix:   Fix{Text: "Switch OCSP stapling on and give the server the issuer's certificate; or issue again without must-staple, which most authorities have given up.", Command: "openssl s_client -connect {address} -servername {host} -status </dev/null 2>/dev/null | grep -A3 'OCSP response'"},
			Twins: []Twin{
				{ID: "tls-revoked", When: []sign{sStapleReq}, Because: "no answer about revocation came at all, which is another thing than a bad one"},
			},
		},
	}
}
