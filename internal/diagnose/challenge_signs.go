package diagnose

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// Signs of a challenge path at one address (perChallenge).
const (
	hBad       sign = "the-path-does-not-answer-as-it-should"
	hSuspect   sign = "the-path-or-an-authority-says-that-something-is-wrong-with-it"
	hPublished sign = "something-is-published-at-the-path"
	hHTML      sign = "control-is-shown-by-a-page"
	hByHand    sign = "the-owner-publishes-by-hand"
	hPartly    sign = "the-same-address-answers-now-well-and-now-not"
	hTwinWell  sign = "another-address-of-the-same-family-answers-well"
	hOneOf     sign = "only-some-nodes-answer-well"
	hV6Differs sign = "IPv6-answers-otherwise-than-IPv4"
	hMachine   sign = "the-IPv6-address-is-another-machine's"
	hSpared    sign = "an-authority-goes-on-to-an-address-that-answers-or-clients-are-still-served"

	hRefused sign = "the-port-refuses-the-request"
	hDropped sign = "the-connection-to-the-port-times-out"
	hSlow    sign = "the-connection-comes-about-and-no-whole-answer-in-time"
	hCut     sign = "the-connection-is-cut-before-an-answer"
	hTLS     sign = "the-port-for-plain-HTTP-speaks-TLS"
	hH2      sign = "the-port-speaks-HTTP/2-only"
	hHostUp  sign = "another-port-of-the-host-answers"

	hLoop      sign = "the-redirects-lead-in-a-circle"
	hBadScheme sign = "the-redirect-leads-to-another-protocol"
	hBadPort   sign = "the-redirect-leads-to-another-port-than-80-and-443"
	hBadHost   sign = "the-redirect-leads-to-no-public-host-name"
	hBadSlash  sign = "a-slash-is-missing-in-the-redirect"
	hAway      sign = "the-redirects-end-at-another-host"
	hToHTTPS   sign = "the-redirects-end-at-HTTPS-of-the-same-host"
	hBadCert   sign = "an-HTTPS-hop-has-a-certificate-that-browsers-refuse"

	h401       sign = "the-answer-is-401"
	h403       sign = "the-answer-is-403"
	h404       sign = "the-answer-is-404"
	h5xx       sign = "the-answer-is-a-server-error"
	h200       sign = "the-answer-is-200-with-another-content"
	hDotRule   sign = "a-rule-denies-the-directory"
	hOut403    sign = "paths-outside-are-denied-as-well"
	hClosed    sign = "the-files-cannot-be-read-by-the-server"
	hAgent     sign = "another-User-Agent-gets-another-answer"
	hGate      sign = "the-answer-is-a-test-for-browsers"
	hPage      sign = "an-HTML-page-stands-for-every-path"
	hDefault   sign = "the-server-knows-other-names-and-treats-this-one-as-unknown"
	hThumb     sign = "the-thumbprint-is-another-account's"
	hOtherTok  sign = "the-content-is-an-older-proof"
	hCache     sign = "a-cache-answers"
	hMore      sign = "the-content-holds-more-than-the-proof"
	hBOM       sign = "a-byte-order-mark-stands-before-the-proof"
	hNamedElse sign = "a-narrower-cause-is-seen"
)

// challengeScopes makes a scope of each challenge path at each address.
func (j *judge) challengeScopes() []*scope {
	all := j.challenges()
	var out []*scope
	for _, c := range all {
		s := newScope(perChallenge, c.Name+"|"+c.Address, c.Address)
		f := c.first()
		s.vars["name"], s.vars["address"], s.vars["path"], s.vars["url"] = c.Name, c.Address, c.Path, f.URL
		s.vars["port"], s.vars["end"], s.vars["answer"], s.vars["stop"] = port(c.Address), last(f).URL, answerOf(f), last(f).Address
		s.vars["status"], s.vars["location"], s.vars["body"] = fmt.Sprint(last(f).Status), last(f).Location, beginning(f.Body)
		s.vars["expect"], s.vars["stopport"], s.vars["server"] = c.Expect, port(last(f).Address), last(f).Server
		s.vars["took"], s.vars["endhost"] = Span(f.Took), hopHost(last(f))
		s.questions = []evidence.Question{{Name: c.Name, Address: c.Address, Token: c.Token, Cost: time.Duration(evidence.AgentTries) * c.Tries[0].Took}}
		s.set(hBad, len(c.bad) > 0, c.ref())
		s.set(hPublished, c.known())
		s.set(hHTML, c.Method == string(order.MethodHTML))
		s.set(hByHand, c.ByHand)
		s.set(hAway, false)
		if len(c.bad) > 0 {
			j.reachSigns(s, c, f)
			j.redirectSigns(s, c, f)
			j.answerSigns(s, c, f)
			j.bodySigns(s, c, f)
			j.denySigns(s, c)
			j.vhostSigns(s, c)
		}
		j.agentSigns(s, c)
		j.siblingSigns(s, c, all)
		s.narrow()
		s.set(hBadCert, untrustedHop(c) != "", c.ref())
		s.vars["badcert"] = untrustedHop(c)
		out = append(out, s)
	}
	return out
}

// narrow says whether any cause that has a row of its own is seen, or may be.
func (s *scope) narrow() {
	any := false
	for _, n := range []sign{hRefused, hDropped, hCut, hSlow, hTLS, hH2, hLoop, hBadScheme, hBadPort, hBadHost, hBadSlash, hAway, h401, h404, h5xx,
		hBOM, hMore, hThumb, hOtherTok, hPage, hGate, hAgent, hDefault, hV6Differs} {
		any = any || s.signs[n].state == yes
	}
	denied := s.signs[h403].state == yes && (s.signs[hDotRule].state != no || s.signs[hClosed].state != no)
	s.set(hNamedElse, any || denied)
}

// beginning is the first line of a body for a sentence.
func beginning(body []byte) string {
	s := strings.Join(strings.Fields(strings.ToValidUTF8(string(body[:min(len(body), 120)]), "?")), " ")
	if len(s) > 80 {
		s = s[:80] + " ..."
	}
	return s
}

// siblingSigns compare the address with the name's others.
func (j *judge) siblingSigns(s *scope, c *challenge, all []*challenge) {
	var same, v4 *challenge
	for _, o := range all {
		if o == c || o.Name != c.Name || o.Path != c.Path && o.Method != c.Method || !o.allWell() {
			continue
		}
		if o.Family == c.Family {
			same = o
		}
		if c.Family == "ip6" && o.Family == "ip4" {
			v4 = o
		}
	}
	ref := func(o *challenge) []EvidenceRef {
		if o == nil {
			return nil
		}
		s.vars["otheraddress"] = o.Address
		return []EvidenceRef{o.ref()}
	}
	partly := c.byTurns() && len(c.bad) > 0
	if partly {
		s.vars["share"] = fmt.Sprintf("%d of %d requests", len(c.bad), len(c.Tries))
	}
	s.set(hPartly, partly, c.ref())
	s.set(hTwinWell, same != nil, ref(same)...)
	s.set(hOneOf, partly || same != nil && c.known(), append([]EvidenceRef{c.ref()}, ref(same)...)...)
	answered := c.Tries[0].Hops != nil && c.Tries[0].Hops[0].Status != 0
	s.set(hV6Differs, len(c.bad) > 0 && !partly && answered && v4 != nil, append([]EvidenceRef{c.ref()}, ref(v4)...)...)
	j.sameMachine(s, c, v4)
	// An authority tries IPv6 first and goes on to IPv4 only where no connection comes about.
	v6Serves := false
	for _, o := range all {
		v6Serves = v6Serves || c.Family == "ip4" && o.Family == "ip6" && o.Name == c.Name && o.allWell()
	}
	s.set(hSpared, v6Serves || !answered && v4 != nil || len(j.path) > 0 && j.servesWell())
}

// sameMachine says in words whether the IPv6 and the IPv4 address look like one machine: by the certificate
// at the HTTPS port.
func (j *judge) sameMachine(s *scope, six, four *challenge) {
	s.set(hMachine, false)
	s.vars["machine"] = "Whether the IPv6 address is this server's own (then its listener for IPv6 lacks the site) or an old one that was forgotten in the DNS was not seen."
	if four == nil {
		return
	}
	leaf := func(c *challenge) *x509.Certificate {
		for _, l := range j.survey.looks {
			if ipOf(l.Address) == ipOf(c.Address) && l.usual() && l.leaf() != nil {
				return l.leaf()
			}
		}
		return nil
	}
	a, b := leaf(six), leaf(four)
	pages := six.Root != nil && len(six.Root.Hops) > 0 && four.Root != nil && four.Nobody != nil && len(four.Nobody.Hops) > 0
	switch {
	case a != nil && b != nil && !a.Equal(b) && (!pages || !alikePage(six.Root, four.Root) && !alikePage(six.Root, four.Nobody)):
		s.vars["machine"] = "With TLS the two addresses serve different certificates, and the pages are none of the IPv4 server's."
		s.set(hMachine, true, six.ref(), four.ref())
	case a == nil && b == nil && pages && !alikePage(six.Root, four.Root) && !alikePage(six.Root, four.Nobody):
		s.vars["machine"] = "Its pages are none of the IPv4 server's: neither those of the name nor those that the IPv4 server gives to unknown names."
		s.set(hMachine, true, six.quoteFetch("home page over IPv6", six.Root), four.quoteFetch("home page over IPv4", four.Root))
	case a == nil || b == nil:
	case a.Equal(b):
		s.vars["machine"] = "With TLS both addresses serve the same certificate, so it is the same server: its listener for IPv6 lacks the site, rather than the AAAA record being an old one."
	}
}

func ipOf(address string) string {
	i := strings.LastIndexByte(address, ':')
	if i < 0 {
		return address
	}
	return address[:i]
}

// reachSigns are about getting an HTTP answer at all, at the first hop or a later one.
func (j *judge) reachSigns(s *scope, c *challenge, f *evidence.Fetched) {
	home := !c.away(f)
	connecting := f.Phase == evidence.PhaseConnect || f.Phase == ""
	s.set(hRefused, home && f.ErrorClass == "refused", c.ref())
	s.set(hDropped, home && f.ErrorClass == "timeout" && connecting, c.ref())
	s.set(hSlow, home && f.ErrorClass == "timeout" && !connecting && c.Speaks == "", c.ref())
	s.set(hTLS, c.Speaks == "tls", c.ref())
	s.set(hH2, c.Speaks == "h2c", c.ref())
	s.set(hCut, home && f.ErrorClass == "reset" && c.Speaks == "", c.ref())
	for _, l := range j.survey.looks {
		if ipOf(l.Address) != ipOf(last(f).Address) || l.Address == last(f).Address {
			continue
		}
		up := l.leaf() != nil || l.ErrorClass == "refused" || l.ErrorClass == "alert"
		if up || s.signs[hHostUp].state == dark {
			s.set(hHostUp, up, l.ref)
			s.vars["otherport"] = port(l.Address)
		}
	}
}

// redirectSigns are about redirects that no authority follows, and where those end that are followed.
func (j *judge) redirectSigns(s *scope, c *challenge, f *evidence.Fetched) {
	ref := c.ref()
	s.set(hLoop, f.ErrorClass == "redirect-loop" || f.ErrorClass == "too-many-redirects", ref)
	s.set(hBadScheme, f.Bad == evidence.BadScheme, ref)
	s.set(hBadPort, f.Bad == evidence.BadPort, ref)
	s.set(hBadSlash, f.Bad == evidence.BadSlash, ref)
	nowhere := f.Phase == evidence.PhaseResolve && f.ErrorClass == "unresolvable"
	s.set(hBadHost, f.Bad == evidence.BadHost || nowhere, ref)
	s.set(hAway, c.away(f) && f.Bad == "" && !nowhere && f.ErrorClass != "redirect-loop" && f.ErrorClass != "too-many-redirects", ref)
	s.set(hToHTTPS, len(f.Hops) > 1 && !c.away(f) && hopScheme(last(f)) == "https", ref)
	var hops []string
	for _, h := range f.Hops {
		hops = append(hops, h.URL)
	}
	if f.Bad != "" {
		hops = append(hops, last(f).Location)
	}
	s.vars["hops"] = listed(hops)
}

// untrustedHop names an HTTPS hop whose certificate browsers would refuse: authorities do not look at it.
func untrustedHop(c *challenge) string {
	for _, h := range c.Tries[0].Hops {
		if len(h.Cert) == 0 {
			continue
		}
		if crt, err := x509.ParseCertificate(h.Cert); err == nil && (selfSigned(crt) || !coversName(crt, hopHost(h)) || crt.NotAfter.Before(c.obs.At)) {
			return h.URL
		}
	}
	return ""
}

// answerSigns are the statuses of the last answer, at the name's own host.
func (j *judge) answerSigns(s *scope, c *challenge, f *evidence.Fetched) {
	code, ref := status(f), c.ref()
	if f.Error != "" {
		code = 0
	}
	s.set(h401, code == 401, ref)
	s.set(h403, code == 403, ref)
	s.set(h404, code == 404 || code == 410, ref)
	s.set(h5xx, code >= 500, ref)
	s.set(h200, code == 200, ref)
	s.vars["asks"] = last(f).Asks
}

// bodySigns are about a content that is not the proof.
func (j *judge) bodySigns(s *scope, c *challenge, f *evidence.Fetched) {
	is := status(f) == 200 && f.Error == ""
	body := bytes.TrimRight(f.Body, " \t\r\n")
	token, thumb, auth := keyAuthorization(string(body))
	bom := bytes.HasPrefix(f.Body, []byte("\xef\xbb\xbf"))
	holds := c.known() && c.Expect != "" && bytes.Contains(f.Body, []byte(c.Expect))
	ref := c.ref()
	s.vars["thumb"] = thumb
	s.set(hBOM, is && bom && holds, ref)
	s.set(hMore, is && !bom && holds, ref)
	s.set(hThumb, is && c.known() && auth && token == c.Token, ref)
	if s.signs[hThumb].state == yes && c.Kind == evidence.KindCanary && c.Thumb == "" {
		s.unknown(hThumb, "the thumbprint of the account that asks is not known here")
	}
	fresh := c.Busted != nil && c.well(c.Busted)
	changed := strings.EqualFold(string(body), c.Expect) && c.Expect != "" // the right one, in other letters: something on the way did that
	s.set(hOtherTok, is && c.known() && !holds && !changed && (auth && token != c.Token || fresh || !html(f) && last(f).Hit), ref)
	s.set(hCache, is && (fresh || last(f).Hit), ref)
	s.vars["cached"] = last(f).Cached
	if c.Busted != nil && fresh {
		s.signs[hCache] = mark{state: yes, ev: []EvidenceRef{c.quoteFetch("with a query that no cache has seen", c.Busted)}}
		s.vars["cached"] = "the same path with a query behind it brings the right content"
	}
	page := is && !auth && !holds && (html(f) || !c.known() || status(c.Outside) == 200 && c.Outside.Error == "" && bytes.Equal(c.Outside.Body, f.Body))
	ev := []EvidenceRef{ref}
	if c.Outside != nil && status(c.Outside) == 200 {
		ev = append(ev, c.quoteFetch("a random name elsewhere", c.Outside))
	}
	s.set(hPage, page, ev...)
}
