package diagnose

import (
	"net"
	"strings"

	"certwright/internal/evidence"
)

// connectionSigns are what came of dialling and shaking hands.
func (j *judge) connectionSigns(s *scope, l *look, goals []*look) {
	class, has := l.ErrorClass, saidIn(l.Error)
	s.set(sRefused, class == "refused", l.ref)
	s.set(sTimeout, class == "timeout", l.ref)
	s.set(sReset, class == "reset" && !l.Legacy, l.ref)
	s.set(sNoRoute, class == "unreachable", l.ref)
	s.set(sPlainHTTP, l.PlainHTTP, l.ref)
	s.set(sNotTLS, class == "not-tls", l.ref)
	refusal := class == "alert" || l.HTTPStatus >= 400 && l.HTTPStatus <= 403 || l.HTTPStatus == 495 || l.HTTPStatus == 496
	asks := l.ClientCert && refusal || has("certificate required", "certificate_required")
	s.set(sClientCert, asks, l.ref)
	s.set(sAlert, class == "alert" && !asks && !l.Legacy, l.ref)
	ev := []EvidenceRef{l.ref}
	spared := j.otherNamesFare(l)
	if spared != nil {
		ev = append(ev, spared.ref)
	}
	s.set(sAlertName, has("unrecognized name", "unrecognized_name") || class == "alert" && l.leaf() == nil && spared != nil, ev...)
	s.set(sBroken, l.leaf() == nil && class != "" && class != "forbidden", l.ref)
	s.set(sNotTLSNow, class == "not-tls" || class == "timeout" || class == "reset" || class == "other", l.ref)
	if host, port, err := net.SplitHostPort(l.Address); err == nil {
		s.vars["dial"] = host + "/" + port
	}
	negotiationSigns(s, l, asks)
	j.triedSigns(s, l)
	startSigns(s, l, j.survey.tried)
	other := false
	for _, g := range goals {
		if g.Address != l.Address && g.leaf() != nil {
			other = true
			s.vars["other"] = g.Address
		}
	}
	s.set(sOtherWell, other)
}

// otherNamesFare finds a look at the same address with another name, or none, that got a certificate.
func (j *judge) otherNamesFare(l *look) *look {
	for _, o := range j.survey.at(l.Address) {
		if o.ServerName != l.ServerName && o.leaf() != nil && !o.Legacy {
			return o
		}
	}
	return nil
}

// saidIn looks for words of an error, in any case.
func saidIn(text string) func(words ...string) bool {
	text = strings.ToLower(text)
	return func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
}

// negotiationSigns tell a version that is not shared from groups and from ciphers that are not. Where a client of the past was given the
// certificate that a current one was refused, what it agreed on says which; else the alert's own name does.
func negotiationSigns(s *scope, l *look, asks bool) {
	has := saidIn(l.Error)
	aged := l.Version == "TLS 1.0" || l.Version == "TLS 1.1" || strings.HasPrefix(l.Version, "SSL")
	old := l.usual() && aged || l.Legacy && aged
	alert := !l.Legacy && has("protocol version", "protocol_version", "unsupported protocol", "unsupported version")
	s.set(sVersion, old || alert, l.ref)
	s.vars["versionwords"] = "The server ended the handshake over the version (" + l.Error + ")."
	if old {
		s.vars["versionwords"] = "The best that the server would agree to is " + l.Version + "."
	}
	group := l.Group != "" && !aged
	s.set(sGroup, group, l.ref)
	s.set(sGroupNew, group && l.GroupNew, l.ref)
	s.vars["group"] = l.Group
	s.vars["groupwords"] = "A client with the groups of browsers (X25519, P-256, P-384) is turned away (" + l.Error + "); one that offers every group is asked for " + l.Group + ". OpenSSL's own client may have it, so that a test with it succeeds."
	if l.GroupNew {
		s.vars["groupwords"] = "The server answers only to clients with the post-quantum group " + l.Group + ". Current browsers have it; libraries and programs from before 2025 do not, and are turned away."
	}
	cipher := l.Legacy && !aged && !group
	s.vars["cipherwords"] = "The server ended the handshake with \"" + l.Error + "\". Its list of ciphers does not go with its key (a list for RSA only with an ECDSA certificate), or it has no certificate loaded."
	if cipher {
		s.vars["cipherwords"] = "A current client is turned away (" + l.Error + "); one that offers everything of the past gets " + l.Cipher + ", which current clients have given up."
	}
	words := has("handshake failure", "handshake_failure", "no cipher", "insufficient security")
	s.set(sAlertCiph, cipher || !l.Legacy && !group && !asks && l.ErrorClass == "alert" && words, l.ref)
	s.set(sOldCipher, cipher, l.ref)
	s.set(sPlainRSA, cipher && strings.HasPrefix(l.Cipher, "TLS_RSA_WITH_AES_"), l.ref)
}

// triedSigns are what other ways of looking brought where the handshake brought nothing.
func (j *judge) triedSigns(s *scope, l *look) {
	s.set(sProxy, false)
	s.set(sHTTPRefuse, false)
	for _, t := range j.survey.tried {
		switch {
		case t.Address != l.Address || l.leaf() != nil || l.StartTLS != "":
		case t.What == "a PROXY header" && t.Worked:
			s.set(sProxy, true, l.ref, t.ref)
			s.vars["proxywords"] = "Connections are cut off; begun with a PROXY header, the same server shakes hands and shows its certificate. Its listener is set to take that header (accept-proxy, listen ... proxy_protocol), and what stands in front does not send it, or clients reach it without passing a proxy."
		case t.What == "plain HTTP" && t.HTTPStatus == 400:
			s.set(sHTTPRefuse, true, t.ref)
			s.signs[sProxy] = mark{why: "the server behind could not be asked by itself", ev: []EvidenceRef{l.ref, t.ref}}
			s.vars["proxywords"] = "To a TLS hello and to a faultless HTTP request alike the answer is HTTP 400: what arrives there is not what was sent. A proxy in front that puts a PROXY header before each connection (send-proxy), to a server that does not expect one, looks like this."
		}
	}
}

// startNames are the protocols as people call them.
var startNames = map[string]string{"smtp": "SMTP", "imap": "IMAP", "pop3": "POP3", "ftp": "FTP", "ldap": "LDAP", "postgres": "PostgreSQL",
	"mysql": "MySQL", "xmpp": "XMPP", "xmpp-server": "XMPP"}

// startPorts are the ports at which a protocol begins in the clear.
var startPorts = map[string]string{"21": "ftp", "25": "smtp", "587": "smtp", "110": "pop3", "143": "imap", "389": "ldap", "3306": "mysql",
	"5432": "postgres", "5222": "xmpp", "5269": "xmpp-server"}

// startSigns are about protocols that begin in the clear and turn to TLS when asked.
func startSigns(s *scope, l *look, tries []tried) {
	proto, found := l.StartTLS, ""
	switch {
	case l.leaf() != nil:
		s.set(sStartWrong, false, l.ref)
		return
	case proto != "" && l.ErrorClass == "no-starttls":
		found = "The server speaks " + startNames[proto] + " and does not offer to turn to TLS: " + l.Error + "."
		s.vars["startfix"] = "Switch TLS on in the server's own settings (smtpd_tls_security_level, ssl = on ...) and give it the certificate."
	case proto != "" && l.ErrorClass == "not-tls":
		found = "It was asked in " + startNames[proto] + ", and what listens there speaks something else: " + l.Error + "."
		s.vars["startfix"] = "Look with the protocol that the port really speaks (--starttls), or let the right server listen there."
	case proto == "" && l.Speaks != "":
		proto = l.Speaks
	case proto == "" && !l.PlainHTTP && (l.ErrorClass == "not-tls" || l.ErrorClass == "timeout" || l.ErrorClass == "reset" || l.ErrorClass == "other"):
		proto = startPorts[port(l.Address)]
	}
	ev := []EvidenceRef{l.ref}
	for _, t := range tries {
		if t.Address == l.Address && l.StartTLS == "" && startNames[t.What] != "" && (t.Worked || t.Seen != "") {
			proto, ev = t.What, append(ev, t.ref)
		}
	}
	if found == "" && proto != "" && l.StartTLS == "" {
		found = "TLS was expected from the first byte. What listens there speaks " + startNames[proto] + ", which begins in the clear and turns to TLS only when asked."
		s.vars["startfix"] = "Let the check and the clients ask for TLS in " + startNames[proto] + " (--starttls " + proto + "), or use the port on which the service speaks TLS from the start."
	}
	s.set(sStartWrong, found != "", ev...)
	s.vars["startwords"], s.vars["protocol"], s.vars["starttls"] = found, startNames[proto], proto
}

// told says whether an unknown look says nothing that a reader needs: a server that speaks no HTTP, or a source of revocation
// beside one that answered.
func (s *survey) told(o evidence.Observation) bool {
	switch o.Check {
	case checkPage:
		return o.Probe == evidence.ProbeTLS
	case checkRevocation:
		v, ok := evidence.Decode[evidence.Revocation](o)
		if !ok || o.Probe != evidence.ProbeTLS {
			return false
		}
		for _, r := range s.revocations {
			if r.Leaf == v.Leaf && r.Status != "" || v.Fault {
				return true
			}
		}
	}
	return false
}
