package diagnose

// nothingAsked are the failures that follow when the authority cannot be asked.
var nothingAsked = append([]string{"renew-ari-unreadable", "ca-unreachable", "ca-order-stuck-processing"}, lapse...)

// rowsCAReach are the causes that a look at the authority shows by itself: whether it can be reached, who
// answers, and whether it still knows the account.
var rowsCAReach = []Row{
	{
		ID: "ca-error-now-fixed", Per: perIssuer, Node: nodeIssue, Severity: Warning, Impact: blocksLater,
		Must:  []sign{cNowFixed},
		Title: "What stood in the way is over: {failed} can be tried again",
		Cause: "{said} Recorded as {then}. Looked at again now, the same passes; nothing else was found in its way.",
		Fix:   Fix{Text: "Try again now; by itself Certwright does at {until}.", Command: "certwright order verify {order}", Action: ActionRetry},
		Twins: []Twin{
			{ID: "ca-unreachable", When: []sign{cDirReads}, Because: "the authority's directory can be read"},
			{ID: "ca-account-deactivated", WhenNot: []sign{cClosed}, Because: "the account is open"},
		},
		Predicts: lapse,
	},
	{
		ID: "ca-host-unresolvable", Per: perIssuer, Node: nodeResolver, Severity: Critical, Impact: blocksNow, Spare: cServesWell,
		Must:  []sign{cUnresolved},
		Title: "This machine cannot find the address of the authority {authority}",
		Cause: "The look-up here failed: {error}.",
		Fix:   Fix{Text: "Check the issuer's directory URL, and what the resolver of this machine answers for the host.", Command: "dig {authority}"},
		Twins: []Twin{
			{ID: "ca-unreachable", Because: "no address was found to connect to"},
			{ID: "sys-resolver-broken", When: []sign{cOthers}, Because: "other names were resolved on the same machine"},
		},
		Predicts: nothingAsked,
	},
	{
		ID: "ca-egress-blocked", Per: perIssuer, Node: nodeEgress, Severity: Critical, Impact: blocksNow, Spare: cServesWell,
		Must:  []sign{cTimeout, cOthers},
		Title: "A firewall drops what goes from here to the authority {authority}",
		Cause: "{addresses} gives no answer of any kind, not even a refusal, while other hosts answer from here. A host that is up refuses what it does not serve; packets that vanish are dropped by a filter on the way, or the host is off altogether.",
		Fix:   Fix{Text: "Allow this machine to go out to {authority}, TCP port of {directory}. If it is allowed, see from another network whether the authority is up.", Command: "curl -sS -m 10 -o /dev/null -i '{directory}'"},
		Twins: []Twin{
			{ID: "ca-unreachable", WhenNot: []sign{cRefused}, Because: "nothing refuses the connection: the packets get no answer"},
			{ID: "sys-egress-down", When: []sign{cOthers}, Because: "other hosts answer from here"},
			{ID: "ca-host-unresolvable", Because: "the host's name was resolved"},
		},
		Predicts: nothingAsked,
	},
	{
		ID: "ca-unreachable", Per: perIssuer, Node: nodeCA, Severity: Critical, Impact: blocksNow, Spare: cServesWell,
		Must: []sign{cDirFails, cNoAnswer}, MustNot: []sign{cUnresolved, cBlocked, cNobody},
		Title: "The authority {authority} does not take connections",
		Cause: "Connecting to {addresses} fails: {error}.{others}",
		Fix:   Fix{Text: "See whether the authority is up (its status page; for one of your own, the service). Certwright goes on trying.", Command: "curl -sS -m 10 '{directory}'", Action: ActionRetry},
		Twins: []Twin{
			{ID: "ca-egress-blocked", WhenNot: []sign{cTimeout}, Because: "an answer came: the connection is refused or cut, not dropped on the way"},
			{ID: "ca-host-unresolvable", Because: "the host's name was resolved"},
			{ID: "ca-directory-untrusted", Because: "no HTTPS certificate was ever sent"},
			{ID: "ca-5xx", When: []sign{cNoAnswer}, Because: "no HTTP answer came"},
		},
		Predicts: append([]string{"ca-5xx"}, nothingAsked...),
	},
	{
		ID: "ca-tls-intercepted", Per: perIssuer, Node: nodeCA, Severity: Critical, Impact: blocksNow, Spare: cServesWell,
		Must:  []sign{cUntrusted, cStrangeCA},
		Title: "Something between here and {authority} opens the TLS connection",
		Cause: "The HTTPS certificate for {authority} is signed by {signer}, which is no authority that is trusted here. {how}",
		Fix:   Fix{Text: "Exempt {authority} from TLS inspection. If it has to stay, give the issuer the inspecting authority's root (--ca-file).", Command: "openssl s_client -connect {authority}:443 -servername {authority} </dev/null | openssl x509 -noout -issuer -dates"},
		Twins: []Twin{
			{ID: "ca-directory-untrusted", When: []sign{cStrangeCA}, Because: "the signer is one that makes certificates on the way, not the authority's own"},
			{ID: "ca-unreachable", Because: "a TLS handshake came about"},
		},
		Predicts: nothingAsked,
	},
	{
		ID: "ca-directory-untrusted", Per: perIssuer, Node: nodeCA, Severity: Critical, Impact: blocksNow, Spare: cServesWell,
		Must: []sign{cUntrusted}, MustNot: []sign{cStrangeCA},
		Title: "The HTTPS certificate of the authority {authority} is not trusted here",
		Cause: "It is for {named}, signed by {signer}; {whyNot}.",
		Fix:   Fix{Text: "Give the issuer the root of the authority's HTTPS certificate (--ca-file), or trust it on this machine.", Command: "openssl s_client -connect {authority}:443 -servername {authority} -showcerts </dev/null"},
		Twins: []Twin{
			{ID: "ca-tls-intercepted", WhenNot: []sign{cStrangeCA}, Because: "nothing shows that the signer stands in between: it makes no certificates for other names, signs no other host, and no inspecting product's name is in it"},
			{ID: "ca-unreachable", Because: "a TLS handshake came about"},
			{ID: "sys-trust-store-stale", When: []sign{cOthers}, Because: "one authority is affected, not TLS everywhere"},
		},
		Predicts: nothingAsked,
	},
	{
		ID: "ca-proxy-auth", Per: perIssuer, Node: nodeEgress, Severity: Critical, Impact: blocksNow, Spare: cServesWell,
		Must:  []sign{cProxyAuth},
		Title: "The proxy on the way to {authority} wants a password",
		Cause: "The answer is 407 from the proxy {proxy}; the authority was never asked.",
		Fix:   Fix{Text: "Give the proxy's user and password in the configuration, or let {authority} pass without."},
		Twins: []Twin{
			{ID: "ca-5xx", Because: "407 is a proxy's answer, never an authority's"},
			{ID: "ca-directory-not-json", Because: "it was the proxy that answered, not a server at the URL"},
		},
		Predicts: nothingAsked,
	},
	{
		ID: "ca-directory-not-json", Per: perIssuer, Node: nodeCA, Severity: Critical, Impact: blocksNow, Spare: cServesWell,
		Must:  []sign{cNotACME},
		Title: "{directory} is not an ACME directory",
		Cause: "HTTP {status} came back, beginning with: {begins}. The URL is wrong, or a captive portal or another server answers in the authority's place.",
		Fix:   Fix{Text: "Correct the issuer's directory URL; open it with curl and see who answers.", Command: "curl -sS -i '{directory}'"},
		Twins: []Twin{
			{ID: "ca-5xx", Because: "the answer is no server error"},
			{ID: "ca-proxy-auth", Because: "the answer is not 407"},
			{ID: "ca-unreachable", Because: "HTTP was answered"},
		},
		Predicts: nothingAsked,
	},
	{
		ID: "ca-order-stuck-processing", Per: perIssuer, Node: nodeIssue, Severity: Warning, Impact: blocksLater,
		Must:  []sign{cProcessing, cLong},
		Title: "The authority has been at work on the order since {since} and does not finish",
		Cause: "The order was finalised and is processing, with no error. The delay is the authority's: Certwright looks again and again.",
		Fix:   Fix{Text: "Wait; if it lasts for hours, see the authority's status page and order anew.", Action: ActionRetry},
		Twins: []Twin{
			{ID: "sys-worker-crashed-mid-order", When: []sign{cProcessing}, Because: "the authority itself says that it is not ready"},
			{ID: "ca-5xx", Because: "the authority answers without an error"},
			{ID: "ca-finalize-not-ready", Because: "the order was finalised"},
		},
		Predicts: lapse,
	},
}
