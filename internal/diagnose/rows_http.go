package diagnose

// unproven are the failures that follow when control of a name cannot be shown.
var unproven = []string{"verify-never-started", "renew-verification-lapsed", "verify-lapsed", "ca-order-sibling-failed",
	"ca-order-expired", "ca-authz-expired", "tls-leaf-expired", "tls-leaf-expiring", "tls-self-signed-default", "tls-port-closed"}

// rowsHTTP are the causes for which no HTTP answer comes from the challenge path.
var rowsHTTP = []Row{
	{
		ID: "http-refused", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must:  []sign{hRefused},
		Title: "Nothing listens at {stop}, where an authority looks for the proof of {name}",
		Cause: "The host answers and refuses the connection at once: no program listens on port {stopport} of this address, or a firewall rejects. An authority asks port 80 first, whatever else is open.",
		Fix:   Fix{Text: "Let the web server listen on port {stopport} of this address (IPv6 needs a listener of its own), or let the port through; then verify again.", Command: "ss -ltnp | grep ':{stopport} '", Action: ActionVerify},
		Twins: []Twin{
			{ID: "http-timeout-drop", Because: "the refusal came at once; a firewall that drops would have stayed silent"},
			{ID: "http-reset", Because: "no connection came about at all"},
			{ID: "dns-points-elsewhere", When: []sign{hHostUp}, Because: "the host behind the address is there: its port {otherport} answers"},
		},
		Predicts: unproven,
	},
	{
		ID: "http-timeout-drop", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must:  []sign{hDropped},
		Title: "{stop} does not answer, where an authority looks for the proof of {name}",
		Cause: "No connection came about in the time allowed: a firewall drops the packets to port {stopport}, or no host has this address.",
		Fix:   Fix{Text: "Open port {stopport} in the firewall and at the provider (security group, NAT), or correct the address record; then verify again.", Command: "curl -sS -m 10 -o /dev/null {url}", Action: ActionVerify},
		Twins: []Twin{
			{ID: "http-refused", Because: "nothing came back; a closed port would have been refused at once"},
			{ID: "http-slow", Because: "not even the connection came about"},
			{ID: "dns-points-elsewhere", When: []sign{hHostUp}, Because: "the host behind the address is there: its port {otherport} answers"},
		},
		Predicts: unproven,
	},
	{
		ID: "http-reset", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must: []sign{hCut}, MustNot: []sign{hAgent, hTLS, hH2},
		Title: "{stop} accepts the connection and cuts it without an answer",
		Cause: "The connection for {url} came about, and was closed before an HTTP answer. A load balancer without a backend, an intrusion filter, or a server that expects another protocol (PROXY protocol) does that.",
		Fix:   Fix{Text: "See in the log of the load balancer or filter before the server why it closes the request for /.well-known/, and let it through; then verify again.", Action: ActionVerify},
		Twins: []Twin{
			{ID: "http-refused", Because: "the connection was accepted first"},
			{ID: "http-port80-is-tls", Because: "a TLS handshake is not answered there"},
			{ID: "http-h2c", Because: "HTTP/2 is not answered there"},
			{ID: "http-ua-or-geo-block", Because: "a browser is cut off in the same way"},
		},
		Predicts: unproven,
	},
	{
		ID: "http-slow", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must:  []sign{hSlow},
		Title: "{stop} does not answer the request for the proof of {name} in time",
		Cause: "The connection came about at once, and no whole answer came within {took}: the server is overloaded, hangs, or sends byte by byte. Authorities wait 10 seconds for everything.",
		Fix:   Fix{Text: "See what the server waits for (its backend, its disk, its number of workers), or serve /.well-known/ from files before the application; then verify again.", Command: "curl -sS -o /dev/null -w '%{time_connect} %{time_starttransfer} %{time_total}\\n' {url}", Action: ActionVerify},
		Twins: []Twin{
			{ID: "http-timeout-drop", Because: "the connection came about: no firewall drops it"},
			{ID: "http-5xx-app", Because: "no answer came, not even of a failure"},
		},
		Predicts: unproven,
	},
	{
		ID: "http-port80-is-tls", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must:  []sign{hTLS},
		Title: "{where} speaks TLS where plain HTTP is expected",
		Cause: "A TLS handshake is answered on port {port}, a plain request is not: the listener has TLS switched on (nginx: \"listen 80 ssl\"; haproxy: \"bind :80 ssl\").",
		Fix:   Fix{Text: "Take TLS off the listener of port {port}, and verify again.", Command: "openssl s_client -connect {address} -servername {name} </dev/null", Action: ActionVerify},
		Twins: []Twin{
			{ID: "http-reset", Because: "the same port answers a TLS handshake"},
			{ID: "http-h2c", Because: "what answers is TLS, not HTTP/2 in the clear"},
		},
		Predicts: unproven,
	},
	{
		ID: "http-h2c", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must: []sign{hH2}, MustNot: []sign{hTLS},
		Title: "{where} speaks HTTP/2 in the clear only",
		Cause: "A request in HTTP/1.1, as authorities send it, is not answered on port {port}; HTTP/2 with prior knowledge is.",
		Fix:   Fix{Text: "Let the listener of port {port} answer HTTP/1.1 too, and verify again.", Command: "curl -sS -i --http2-prior-knowledge {url}", Action: ActionVerify},
		Twins: []Twin{
			{ID: "http-port80-is-tls", Because: "a TLS handshake is not answered there"},
			{ID: "http-reset", Because: "the same port answers HTTP/2"},
		},
		Predicts: unproven,
	},
	{
		ID: Unnamed, Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must: []sign{hBad}, MustNot: []sign{hNamedElse},
		Title: "The challenge path of {name} is not answered as it should be at {where}: {answer}",
		Cause: "The cause is in no list that this version knows. Asked for {path}, the server answers: {answer}.",
		Fix:   Fix{Text: "Repeat the request with the command of the evidence and read the server's log of that moment; then verify again.", Action: ActionVerify},
		Twins: []Twin{
			{ID: "http-refused", Because: "the connection was not refused"},
			{ID: "http-timeout-drop", Because: "an answer came back in time"},
		},
		Predicts: unproven,
	},
}

// rowsHTTPRedirect are redirects that no authority follows, or that lead to where the proof is not.
var rowsHTTPRedirect = []Row{
	{
		ID: "http-redirect-loop", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must: []sign{hLoop}, MustNot: []sign{hGate},
		Title: "The challenge path of {name} redirects in a circle",
		Cause: "The redirects come back to where they were: {hops}. Often HTTP redirects to HTTPS and the other way round, because something in front ends TLS and asks in plain HTTP.",
		Fix:   Fix{Text: "Answer /.well-known/acme-challenge/ before the redirects, or let the server behind the proxy heed X-Forwarded-Proto; then verify again.", Command: "curl -sSikL --max-redirs 10 {url}", Action: ActionVerify},
		Twins: []Twin{
			{ID: "http-redirect-bad-port", Because: "every redirect can be followed; they never end"},
			{ID: "http-bot-challenge", WhenNot: []sign{hGate}, Because: "no cookie is set on the way, by which a firewall would let a browser pass"},
		},
		Predicts: unproven,
	},
	{
		ID: "http-redirect-bad-port", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must:  []sign{hBadPort},
		Title: "The challenge path of {name} redirects to another port than 80 and 443",
		Cause: "{end} redirects to {location}. Authorities follow to the ports 80 and 443 only.",
		Fix:   Fix{Text: "Take the port out of the redirect, or answer /.well-known/acme-challenge/ before it; then verify again.", Command: "curl -sSik {url}", Action: ActionVerify},
		Twins: []Twin{
			{ID: "http-redirect-bad-host", Because: "the host of the redirect can be followed; its port cannot"},
			{ID: "http-redirect-loop", Because: "the redirects do not come back to where they were"},
		},
		Predicts: unproven,
	},
	{
		ID: "http-redirect-missing-slash", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must:  []sign{hBadSlash},
		Title: "The redirect of {name} lacks the slash between host and path",
		Cause: "{end} redirects to {location}: the path became part of the host's name.",
		Fix:   Fix{Text: "Write the slash into the redirect (nginx: \"return 301 https://$host$request_uri\"; Apache: \"Redirect / https://{name}/\" with the slash at the end), and verify again.", Command: "curl -sSik {url}", Action: ActionVerify},
		Twins: []Twin{
			{ID: "http-redirect-bad-host", Because: "the strange host is the wanted one with the path's beginning behind it"},
			{ID: "dns-nxdomain-host", When: []sign{hBadSlash}, Because: "the name that does not exist is not {name}, but one that the redirect made up"},
		},
		Predicts: unproven,
	},
	{
		ID: "http-redirect-bad-scheme", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must:  []sign{hBadScheme},
		Title: "The challenge path of {name} redirects to something that is neither http nor https",
		Cause: "{end} redirects to {location}. Authorities follow http and https only.",
		Fix:   Fix{Text: "Correct the redirect, or answer /.well-known/acme-challenge/ before it; then verify again.", Command: "curl -sSik {url}", Action: ActionVerify},
		Twins: []Twin{
			{ID: "http-redirect-bad-host", Because: "it is the protocol of the redirect that cannot be followed"},
			{ID: "http-redirect-bad-port", Because: "it is the protocol of the redirect that cannot be followed"},
		},
		Predicts: unproven,
	},
	{
		ID: "http-redirect-bad-host", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must: []sign{hBadHost}, MustNot: []sign{hBadSlash},
		Title: "The challenge path of {name} redirects to a host that authorities cannot go to",
		Cause: "The hops are {hops}. The last of them is an address, a name of a single label, or a name that does not exist.",
		Fix:   Fix{Text: "Redirect to a public name that exists, or answer /.well-known/acme-challenge/ before the redirect; then verify again.", Command: "curl -sSik {url}", Action: ActionVerify},
		Twins: []Twin{
			{ID: "http-redirect-missing-slash", Because: "the host of the redirect does not end in the path's beginning"},
			{ID: "http-redirect-other-host-missing", Because: "the host of the redirect was never reached"},
			{ID: "http-redirect-bad-port", Because: "it is the host of the redirect that cannot be followed"},
		},
		Predicts: unproven,
	},
	{
		ID: "http-redirect-other-host-missing", Per: perChallenge, Node: nodeVerify, Severity: Critical, Impact: blocksNow, Spare: hSpared,
		Must: []sign{hAway}, MustNot: []sign{hPartly},
		Title: "The challenge path of {name} redirects to {endhost}, which does not have the proof",
		Cause: "The hops are {hops}. There the answer is: {answer}. The proof was published for {name}, and the redirect takes the authority to another host.",
		Fix:   Fix{Text: "Answer /.well-known/acme-challenge/ at {name} before the redirect, or publish the proof at {endhost} too; then verify again.", Command: "curl -sSikL --max-redirs 10 {url}", Action: ActionVerify},
		Twins: []Twin{
			{ID: "http-404-webroot", Because: "the last answer is not {name}'s own: a redirect to {endhost} was followed"},
			{ID: "http-redirect-bad-host", Because: "{endhost} exists"},
		},
		Predicts: unproven,
	},
	{
		ID: "http-redirect-https-badcert", Per: perChallenge, Node: nodeVerify, Severity: Info, Impact: hygiene, Note: true,
		Must: []sign{hBadCert}, MustNot: []sign{hBad},
		Title: "The challenge path of {name} is redirected to {badcert}, whose certificate browsers refuse; authorities follow all the same",
		Cause: "Authorities do not verify certificates on the way to a challenge: the one to be issued may be the first good one.",
		Fix:   Fix{Text: "Nothing has to be done."},
		Twins: []Twin{
			{ID: "http-redirect-loop", Because: "the redirect ends, and well"},
		},
	},
}
