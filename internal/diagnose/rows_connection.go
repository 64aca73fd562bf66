package diagnose

// rowsConnection are the causes for which no certificate comes at all, or not to every client.
var rowsConnection = []Row{
	{
		ID: "tls-port-closed", Per: perLook, Node: nodeListener, Severity: Critical, Impact: blocksNow, Spare: sOtherWell,
		Must:  []sign{sRefused},
		Title: "Nothing listens at {where}",
		Cause: "The host answers and refuses the connection at once: no program listens on port {port} of this address, or a firewall rejects it.",
		Fix:   Fix{Text: "Start the server or let it listen on this address and port (IPv6 needs a listener of its own); or take the address out of the DNS.", Command: "ss -ltnp | grep ':{port} '"},
		Twins: []Twin{
			{ID: "tls-timeout", Because: "the refusal came at once; a dropping firewall would have stayed silent"},
			{ID: "sys-checker-vantage-only", When: []sign{sOtherWell}, Because: "{other} answers to the same machine"},
		},
	},
	{
		ID: "tls-timeout", Per: perLook, Node: nodeListener, Severity: Critical, Impact: blocksNow, Spare: sOtherWell,
		Must: []sign{sTimeout}, MustNot: []sign{sPlainHTTP},
		Title: "{where} does not answer",
		Cause: "No answer came within the time allowed: a firewall drops the packets, the address belongs to a host that is gone, or the server hangs.",
		Fix:   Fix{Text: "Check the firewall and the route to {address}, and that the address in the DNS is this server's.", Command: "nc -vz -w 5 {dial}"},
		Twins: []Twin{
			{ID: "tls-port-closed", Because: "nothing came back; a closed port would have been refused at once"},
			{ID: "sys-checker-vantage-only", When: []sign{sOtherWell}, Because: "{other} answers to the same machine"},
		},
	},
	{
		ID: "tls-plain-http-443", Per: perLook, Node: nodeListener, Severity: Critical, Impact: blocksNow,
		Must: []sign{sPlainHTTP}, MustNot: []sign{sHTTPRefuse},
		Title: "{where} speaks plain HTTP where TLS is expected",
		Cause: "The bytes that came back are HTTP: the server listens on port {port} without TLS (nginx: \"listen 443\" without \"ssl\").",
		Fix:   Fix{Text: "Switch TLS on for this listener and give it the certificate, then reload.", Command: "curl -sI http://{address}/"},
		Twins: []Twin{
			{ID: "tls-port-closed", Because: "a server answered"},
			{ID: "tls-starttls-wrong", Because: "the answer is HTTP, not the greeting of another protocol"},
			{ID: "tls-proxy-protocol", Because: "a plain HTTP request at the same port is not refused as malformed"},
			{ID: "tls-version-mismatch", WhenNot: []sign{sVersion}, Because: "no TLS of any version came back"},
		},
		Predicts: []string{"tls-starttls-wrong", Unnamed},
	},
	{
		ID: "tls-proxy-protocol", Per: perLook, Node: nodeListener, Severity: Critical, Impact: blocksNow, Spare: sOtherWell,
		Must:  []sign{sBroken, sProxy},
		Title: "{where} and what connects to it do not agree on the PROXY protocol",
		Cause: "{proxywords}",
		Fix: Fix{Text: "Let both sides agree: either the proxy in front sends the header (HAProxy: send-proxy; nginx: proxy_protocol on) and the server takes it (bind ... accept-proxy; listen ... proxy_protocol), or neither does.",
			Command: "curl -vk --haproxy-protocol --connect-to ::{address} https://{host}:{port}/ -o /dev/null"},
		Twins: []Twin{
			{ID: "tls-timeout", Because: "an end came, rather than silence"},
			{ID: "tls-port-closed", Because: "the connection was accepted"},
			{ID: "tls-plain-http-443", Because: "no web server without TLS answers there: what is behind refuses plain HTTP too, or does not speak it"},
			{ID: "tls-cipher-mismatch", WhenNot: []sign{sAlert}, Because: "the server sent no TLS alert: it never read a hello"},
		},
		Predicts: []string{Unnamed, "tls-plain-http-443", "tls-starttls-wrong"},
	},
	{
		ID: "tls-starttls-wrong", Per: perLook, Node: nodeListener, Severity: Warning, Impact: blocksLater,
		Must: []sign{sStartWrong}, MustNot: []sign{sPlainHTTP, sProxy},
		Title: "TLS does not begin at {where} the way it was asked for ({protocol})",
		Cause: "{startwords}",
		Fix:   Fix{Text: "{startfix}", Command: "openssl s_client -connect {address} -starttls {starttls} </dev/null"},
		Twins: []Twin{
			{ID: "tls-plain-http-443", Because: "what came back is not HTTP"},
			{ID: "tls-port-closed", Because: "a server answered"},
			{ID: "tls-proxy-protocol", WhenNot: []sign{sProxy}, Because: "the server speaks {protocol} without any header of a proxy"},
		},
		Predicts: []string{Unnamed, "tls-timeout"},
	},
	{
		ID: "tls-version-mismatch", Per: perLook, Node: nodeListener, Severity: Critical, Impact: blocksNow,
		Must:  []sign{sVersion},
		Title: "{where} offers no TLS version that clients accept",
		Cause: "{versionwords} Current clients speak TLS 1.2 and 1.3 only.",
		Fix:   Fix{Text: "Allow TLS 1.2 and 1.3 on the server (nginx: ssl_protocols TLSv1.2 TLSv1.3).", Command: "openssl s_client -connect {address} -servername {host} -tls1_2 </dev/null"},
		Twins: []Twin{
			{ID: "tls-cipher-mismatch", When: []sign{sVersion}, Because: "it is the version that the two sides do not share"},
			{ID: "tls-plain-http-443", Because: "TLS records came back"},
		},
	},
	{
		ID: "tls-cipher-mismatch", Per: perLook, Node: nodeListener, Severity: Critical, Impact: blocksNow,
		Spare: sPlainRSA,
		Must:  []sign{sAlertCiph}, MustNot: []sign{sVersion, sAlertName, sClientCert},
		Title: "{where} shares no cipher or signature with current clients",
		Cause: "{cipherwords}",
		Fix:   Fix{Text: "Allow the default ciphers of TLS 1.2 and 1.3, and see that a certificate is configured for the listener.", Command: "openssl s_client -connect {address} -servername {host} </dev/null"},
		Twins: []Twin{
			{ID: "tls-version-mismatch", Because: "the alert is not about the version"},
			{ID: "tls-client-cert-required", WhenNot: []sign{sClientCert}, Because: "the server did not ask for a certificate of the client"},
			{ID: "tls-sni-refused", WhenNot: []sign{sAlertName}, Because: "the alert is not about the name"},
		},
	},
	{
		ID: "tls-sni-refused", Per: perLook, Node: nodeListener, Severity: Critical, Impact: blocksNow,
		Must:  []sign{sAlertName},
		Title: "{where} knows no {host} and refuses the handshake",
		Cause: "The server ends the handshake over the name ({error}): no virtual host is bound to {host}, and there is no default certificate.",
		Fix:   Fix{Text: "Give the server a virtual host for {host} with its certificate, then reload it.", Command: "nginx -T 2>/dev/null | grep -n server_name"},
		Twins: []Twin{
			{ID: "tls-sni-default-served", WhenNot: []sign{sCert}, Because: "no certificate was served at all, not even a default one"},
			{ID: "tls-cipher-mismatch", Because: "the name is the reason: the alert says so, or the same hello with another name is answered"},
		},
	},
	{
		ID: "tls-client-cert-required", Per: perLook, Node: nodeListener, Severity: Info, Impact: hygiene,
		Must:  []sign{sClientCert},
		Title: "{where} admits only clients with a certificate of their own",
		Cause: "The server demands a client certificate (mutual TLS). That is no fault of the certificate it serves.",
		Fix:   Fix{Text: "Nothing has to be done if only known clients are meant to connect; otherwise switch client verification off (nginx: ssl_verify_client).", Command: "openssl s_client -connect {address} -servername {host} -cert client.pem -key client.key </dev/null"},
		Twins: []Twin{
			{ID: "tls-cipher-mismatch", Because: "the handshake went as far as the request for a client's certificate"},
		},
	},
	{
		ID: Unnamed, Per: perLook, Node: nodeListener, Severity: Critical, Impact: blocksNow, Spare: sOtherWell,
		Must: []sign{sBroken}, MustNot: []sign{sCert, sPlainHTTP, sRefused, sTimeout, sNoRoute, sAlertName, sVersion, sAlertCiph, sClientCert, sStartWrong, sProxy},
		Title: "The handshake with {where} fails: {error}",
		Cause: "The cause is in no list that this version knows. The connection comes about and then ends without a certificate: a proxy in front that reaches nothing behind it, a server without any certificate, or a filter on the way does that.",
		Fix:   Fix{Text: "Repeat the handshake with the command of the evidence and read the server's own log of that moment."},
		Twins: []Twin{
			{ID: "tls-port-closed", Because: "the connection was accepted"},
			{ID: "tls-timeout", Because: "an end came, rather than silence"},
		},
	},
}
