package diagnose

import (
	"crypto/x509"
	"net"
	"slices"
	"strings"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// liveSigns are what a look at the authority shows now: its directory, its account, the attempt's order there.
func (j *judge) liveSigns(s *scope) {
	s.vars["issuer"], s.vars["authority"], s.vars["order"] = "the authority", "the authority", j.target
	if o := j.opts.Order; o != nil && o.Spec.Issuer != "" {
		s.vars["issuer"] = o.Spec.Issuer
	}
	s.set(cServesWell, j.servesWell())
	s.set(cNowFixed, false)
	seen, from := payloads[evidence.Authority](checked(j.obs, evidence.CheckDirectory), evidence.ProbeCA)
	for i, a := range seen {
		if from[i].Outcome != evidence.Unknown && (j.opts.Order == nil || strings.EqualFold(a.Issuer, j.opts.Order.Spec.Issuer)) {
			j.directorySigns(s, a, refOf(from[i]))
			break
		}
	}
	j.accountSigns(s)
	j.orderSigns(s)
}

// directorySigns split the ways in which a directory cannot be read.
func (j *judge) directorySigns(s *scope, a evidence.Authority, ref EvidenceRef) {
	s.where, s.vars["issuer"], s.vars["authority"], s.vars["directory"] = a.Issuer, a.Issuer, a.Host, a.URL
	s.vars["error"], s.vars["addresses"], s.vars["status"], s.vars["begins"] = a.Error, listed(a.Addresses), itoa(a.Status), start(a.Body)
	s.vars["proxy"] = a.Proxy
	if a.Proxy == "" {
		s.vars["proxy"] = "that stands in between"
	}
	s.set(cDirReads, a.Directory, ref)
	s.set(cDirFails, !a.Directory, ref)
	is := func(classes ...string) bool { return slices.Contains(classes, a.ErrorClass) }
	s.set(cRefused, is("refused"), ref)
	s.set(cTimeout, is("timeout"), ref)
	s.set(cCut, is("reset", "not-tls", "alert", "other"), ref)
	s.set(cNoRoute, is("unreachable"), ref)
	s.set(cNoAnswer, is("refused", "timeout", "reset", "not-tls", "alert", "other", "unreachable"), ref)
	s.set(cUnresolved, is("unresolvable"), ref)
	s.set(cNXDomain, a.NXDomain, ref)
	s.set(cUntrusted, is(evidence.ClassUntrusted, evidence.ClassDates, evidence.ClassName, evidence.ClassCert), ref)
	s.set(cProxyAuth, a.Status == 407 || is(evidence.ClassProxy) && strings.Contains(a.Error, "407"), ref)
	busy := !a.Directory && (a.Status == 429 || a.Status == 503 && a.RetryAfter != "")
	s.set(cBusy, busy, ref)
	s.set(cServerError, a.Status/100 == 5 && !busy, ref)
	if id := map[bool]string{busy: "ca-lb-throttle-503", a.Status/100 == 5 && !busy: "ca-5xx"}[true]; id != "" {
		s.set(said(id), true, ref) // seen now: as good as recorded
		s.vars["said"] = "The directory answers HTTP " + itoa(a.Status) + ": " + start(a.Body) + "."
	}
	s.set(cNotACME, !a.Directory && a.Status != 0 && a.Status != 407 && a.Status/100 != 5 && !busy, ref)
	if s.vars["until"] == "" {
		s.vars["until"] = "the time that it named"
	}
	j.strangerSigns(s, a, ref)
	j.peerSigns(s, a)
}

// start is the beginning of a body, in one line.
func start(body []byte) string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(body), "")), " ")
	if len(text) > 120 {
		text = strings.ToValidUTF8(text[:120], "") + " ..."
	}
	return text
}

// interceptors are words in the names of what signs certificates on the fly.
var interceptors = []string{"zscaler", "fortinet", "fortigate", "palo alto", "blue coat", "bluecoat", "netskope", "mitmproxy", "squid", "sophos", "checkpoint", "check point",
	"forcepoint", "mcafee web", "cisco umbrella", "barracuda", "watchguard", "intercept", "inspection", "ssl bump", "sslbump", "burp", "portswigger", "decrypt", "web gateway", "proxy"}

// strangerSigns say who signed the authority's HTTPS certificate, where it is not believed: something on the
// way is known by its name, by making certificates for whatever name is asked for, or by having signed
// other hosts' too.
func (j *judge) strangerSigns(s *scope, a evidence.Authority, ref EvidenceRef) {
	s.set(cStrangeCA, false, ref)
	certs := parseAll(a.Chain)
	s.vars["signer"], s.vars["named"], s.vars["whyNot"] = "nobody known here", a.Host, "its chain leads to no root that is trusted here"
	if len(certs) == 0 {
		return
	}
	leaf := certs[0]
	s.vars["signer"], s.vars["named"] = leaf.Issuer.String(), listed(named(leaf))
	switch a.ErrorClass {
	case evidence.ClassDates:
		s.vars["whyNot"] = "by this machine's clock it is valid only from " + day(leaf.NotBefore) + " to " + day(leaf.NotAfter) + " UTC"
	case evidence.ClassName:
		s.vars["whyNot"] = "it is for " + listed(named(leaf)) + ", not for " + a.Host
	}
	if a.ErrorClass != evidence.ClassUntrusted {
		return
	}
	ev, how := []EvidenceRef{ref}, ""
	switch {
	case a.Minted:
		how = "The same address makes a certificate for whatever name is asked for."
	case signedByName(certs):
		how = "The signer's name says what it is."
	default:
		if other, r := j.signsOthers(leaf, a.Host); other != "" {
			how, ev = "It signs the certificate of "+other+" too.", append(ev, r)
		}
	}
	s.vars["how"] = how
	s.set(cStrangeCA, how != "", ev...)
}

func signedByName(certs []*x509.Certificate) bool {
	for _, c := range certs {
		issuer := strings.ToLower(c.Issuer.String())
		if slices.ContainsFunc(interceptors, func(w string) bool { return strings.Contains(issuer, w) }) {
			return true
		}
	}
	return false
}

// signsOthers finds another host whose certificate has the same unknown signer although it belongs to others.
func (j *judge) signsOthers(leaf *x509.Certificate, host string) (string, EvidenceRef) {
	peers, from := payloads[evidence.Reached](checked(j.obs, evidence.CheckReach), evidence.ProbeHost)
	for i, p := range peers {
		if strings.HasPrefix(p.Name, "issuer ") && p.Issuer == leaf.Issuer.String() && hostOf(p.Address) != host {
			return p.Name, refOf(from[i])
		}
	}
	return "", EvidenceRef{}
}

func hostOf(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
}

// peerSigns compare with the other hosts that were connected to at the same time.
func (j *judge) peerSigns(s *scope, a evidence.Authority) {
	peers, from := payloads[evidence.Reached](checked(j.obs, evidence.CheckReach), evidence.ProbeHost)
	var well, bad []EvidenceRef
	for i, p := range peers {
		host := hostOf(p.Address)
		if host == a.Host || slices.Contains(a.Addresses, host) || host == "127.0.0.1" || host == "::1" || from[i].Outcome == evidence.Unknown {
			continue // the same host, or our own: says nothing of the way out
		}
		if p.Answered || p.ErrorClass == "refused" { // a refusal comes from there too
			well = append(well, refOf(from[i]))
		} else if p.ErrorClass == "timeout" || p.ErrorClass == "unreachable" {
			bad = append(bad, refOf(from[i]))
		}
	}
	s.vars["others"] = ""
	if len(well)+len(bad) == 0 {
		s.unknown(cOthers, "no other host was there to compare with")
		s.set(cBlocked, false)
		s.unknown(cNobody, "no other host was there to compare with")
		if a.ErrorClass == "refused" { // a refusal is an answer: something was reached
			s.set(cNobody, false)
		}
		return
	}
	if len(well) > 0 {
		s.vars["others"] = " Other hosts answer from here."
	}
	s.set(cOthers, len(well) > 0, well...)
	s.set(cBlocked, len(well) > 0 && a.ErrorClass == "timeout", well...)
	s.set(cNobody, len(well) == 0, bad...)
}

// accountSigns are what a signed question for our account showed now.
func (j *judge) accountSigns(s *scope) {
	seen, from := payloads[evidence.Account](checked(j.obs, evidence.CheckAccount), evidence.ProbeCA)
	for i, a := range seen {
		ref := refOf(from[i])
		if a.Status != "" {
			s.set(cClosed, a.Status != "valid", ref)
			s.set(cGone, false, ref)
		}
		if a.None && a.URL != "" {
			s.set(cGone, true, ref)
			s.set(cClosed, false, ref)
		}
		if a.Finding != "" { // the same refusal, seen now: as good as a recorded one
			s.set(said(a.Finding), true, ref)
			s.vars["said"] = strings.TrimSpace(sentence(quoteWords(&order.Problem{Detail: a.Error})))
		}
	}
}

// How long an authority takes to sign at most before it counts as stuck: real ones take seconds (RFC 8555 section 7.4
// has the client look again in between). A run that has looked for all its time and let go has waited half a minute
// before that.
const (
	processLimit = time.Minute
	polledLimit  = 15 * time.Second
)

// orderSigns are how the attempt's order stands at the authority now.
func (j *judge) orderSigns(s *scope) {
	seen, from := payloads[evidence.AuthorityOrder](checked(j.obs, evidence.CheckOrder), evidence.ProbeCA)
	for i, a := range seen {
		ref := refOf(from[i])
		processing := a.Status == "processing"
		s.set(cProcessing, processing, ref)
		since, limit := j.waitingSince(a.Attempt)
		s.set(cLong, processing && !since.IsZero() && j.now.Sub(since) >= limit, ref)
		if !since.IsZero() {
			s.vars["since"] = day(since) + " UTC"
		}
	}
}

// waitingSince is since when an attempt waits, and how long it may.
func (j *judge) waitingSince(id string) (time.Time, time.Duration) {
	if j.opts.Order == nil {
		return time.Time{}, processLimit
	}
	a := j.opts.Order.Attempt(id)
	switch {
	case a == nil:
		return time.Time{}, processLimit
	case a.Problem != nil && a.Problem.Class == order.Waiting && a.Waiting != order.OwnerOwner && !a.Since.IsZero():
		return a.Since, polledLimit
	case a.Since.IsZero():
		return a.Started, processLimit
	}
	return a.Since, processLimit
}
