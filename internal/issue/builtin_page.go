package issue

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// builtinPageFault is what is known of one way in which a page can fail.
type builtinPageFault struct {
	id, cause, fix string
	class          order.Class
}

// pageProblem says why the look at a page does not show control.
func (b *Builtin) pageProblem(p order.Proof, where string, o evidence.Observation, f evidence.Fetched) *order.Problem {
	problem := &order.Problem{What: "validate " + p.Name.Value, Where: where, Owner: order.OwnerOwner, At: b.opt.Now()}
	var fault builtinPageFault
	switch {
	case f.Error != "" || len(f.Hops) == 0:
		problem.Type = "urn:ietf:params:acme:error:connection"
		problem.Detail = builtinAtAddress(f) + "Fetching " + where + ": " + o.Reason
		fault = builtinConnectionFault(f)
		if strings.HasPrefix(fault.id, "dns-") || f.ErrorClass == "unresolvable" {
			problem.Type = "urn:ietf:params:acme:error:dns"
		}
	case f.Hops[len(f.Hops)-1].Status != 200:
		last := f.Hops[len(f.Hops)-1]
		problem.Type, problem.Status = "urn:ietf:params:acme:error:unauthorized", last.Status
		problem.Detail = fmt.Sprintf("%sInvalid response from %s: %d", builtinAtAddress(f), last.URL, last.Status)
		fault = builtinStatusFault(f, last)
	default:
		problem.Type = "urn:ietf:params:acme:error:unauthorized"
		problem.Detail = fmt.Sprintf("%sThe page %s does not hold the token alone: it begins %q", builtinAtAddress(f), f.Hops[len(f.Hops)-1].URL, builtinStart(f.Body))
		fault = builtinBodyFault(f, p.Value)
	}
	problem.ID, problem.Cause, problem.Fix, problem.Class = fault.id, fault.cause, fault.fix, fault.class
	if problem.Class == order.Waiting {
		problem.Fix = strings.TrimPrefix(fault.fix+"; publish this page: "+where+" with the content "+p.Value, "; ")
	}
	return problem
}

// builtinConnectionFault is for looks that ended without an answer, or in a redirect that is not followed.
func builtinConnectionFault(f evidence.Fetched) builtinPageFault {
	retry := func(id, cause, fix string) builtinPageFault { return builtinPageFault{id, cause, fix, order.Retry} }
	redirected := len(f.Hops) > 1 || len(f.Hops) == 1 && f.Hops[0].Location != ""
	switch f.ErrorClass {
	case "unresolvable":
		switch {
		case redirected:
			return retry("http-redirect-bad-host", "the server redirects to a host that does not exist", "Exempt /.well-known/ from the redirect, or correct its target")
		case strings.Contains(f.Error, "NXDOMAIN"):
			return retry("dns-nxdomain-host", "the name does not exist in the DNS", "Add an A or AAAA record for it")
		case strings.Contains(f.Error, "neither an A nor"):
			return retry("dns-nodata-address", "the name has no address", "Add an A or AAAA record for it")
		}
		return retry("", "the domain's name servers, or the resolver used here, do not answer", "See what the name servers answer")
	case "refused":
		return retry("http-refused", "nothing listens on that port, or a firewall rejects", "Start the web server on port 80, or let port 80 through")
	case "timeout":
		if len(f.Hops) > 0 && f.Hops[0].Status != 0 || strings.Contains(f.Error, "read ") {
			return retry("http-slow", "the server is overloaded or hangs", "See what the server is doing")
		}
		return retry("http-timeout-drop", "a firewall drops the packets, or the address is wrong", "Open port 80, or correct the address record")
	case "reset":
		return retry("http-reset", "something closes the connection after it was accepted: a load balancer or an intrusion filter", "Let the request through")
	case "forbidden":
		if redirected {
			return retry("http-redirect-bad-host", "the server redirects to an address that is not looked at", "Correct the redirect's target")
		}
		return retry("dns-private-address", "the name leads to a private or local address, which the configuration does not allow to look at", "Correct the address record, or allow private addresses in the configuration")
	case "redirect-loop", "too-many-redirects":
		return retry("http-redirect-loop", "the server's redirects lead in a circle", "Exempt /.well-known/ from the redirects")
	case "bad-redirect":
		return retry(builtinBadRedirect(f.Error), "the server redirects to where no authority follows", "Exempt /.well-known/ from the redirect, or correct its target")
	case "unreachable":
		return retry("", "there is no way to this address from here", "Correct the address record, or the network here")
	}
	if strings.Contains(f.Error, `malformed HTTP response "\x15`) || strings.Contains(f.Error, "HTTP response to HTTPS") {
		return retry("http-port80-is-tls", "the server speaks TLS on the port for plain HTTP", "Remove TLS from port 80")
	}
	if strings.Contains(f.Error, "malformed HTTP") {
		return retry("http-h2c", "the server does not speak HTTP/1.1 there", "Serve HTTP/1.1 on port 80")
	}
	return retry("", "", "See the words of the failure")
}

func builtinBadRedirect(text string) string {
	switch {
	case strings.Contains(text, "invalid port"):
		return "http-redirect-bad-port"
	case strings.Contains(text, `a "/" is missing`):
		return "http-redirect-missing-slash"
	case strings.Contains(text, "protocol scheme"):
		return "http-redirect-bad-scheme"
	}
	return "http-redirect-bad-host"
}

// builtinStatusFault is for answers other than 200. A page that is not there is not published yet.
func builtinStatusFault(f evidence.Fetched, last evidence.Hop) builtinPageFault {
	first, _ := url.Parse(f.Hops[0].URL)
	end, _ := url.Parse(last.URL)
	sameHost := first != nil && end != nil && strings.EqualFold(first.Hostname(), end.Hostname())
	switch s := last.Status; {
	case s == 404 && !sameHost:
		return builtinPageFault{"http-redirect-other-host-missing", "the host that the server redirects to does not have the page", "", order.Waiting}
	case s == 404 && end.Scheme == "https":
		return builtinPageFault{"html-https-only", "everything is redirected to HTTPS, and the page is not there", "Publish the page for HTTPS too, or exempt /.well-known/pki-validation/ from the redirect", order.Waiting}
	case s == 404:
		return builtinPageFault{"html-token-404", "the page is not published yet, or in another directory than the one served", "", order.Waiting}
	case s == 401:
		return builtinPageFault{"http-401", "the server asks for a password", "Exempt /.well-known/pki-validation/ from authentication", order.Retry}
	case s == 403:
		return builtinPageFault{"", "the file's permissions, or a rule against names that begin with a dot", "Let everybody read /.well-known/pki-validation/", order.Retry}
	case s >= 500:
		return builtinPageFault{"http-5xx-app", "the application behind the server fails or is down", "Serve /.well-known/pki-validation/ from files, before the application", order.Retry}
	}
	return builtinPageFault{"", "", "See the server's log", order.Retry}
}

// builtinBodyFault is for a page with another content.
func builtinBodyFault(f evidence.Fetched, value string) builtinPageFault {
	body, last := string(f.Body), f.Hops[len(f.Hops)-1]
	html := strings.Contains(last.Type, "text/html") && strings.Contains(strings.ToLower(body), "<html")
	switch {
	case bytes.HasPrefix(f.Body, []byte("\xef\xbb\xbf")) && strings.Contains(body, value):
		return builtinPageFault{"http-body-bom", "an editor put a byte order mark before the token", "Save the page without a byte order mark", order.Waiting}
	case strings.Contains(body, value):
		return builtinPageFault{"http-body-too-long", "the page holds more than the token", "Serve the token alone", order.Waiting}
	case html:
		return builtinPageFault{"http-html-200", "the server answers every path with a page of its own", "Exempt /.well-known/pki-validation/ from the rewriting", order.Waiting}
	}
	return builtinPageFault{"", "the page of another order, or a cached one", "", order.Waiting}
}

func builtinStart(body []byte) string {
	return strings.ToValidUTF8(string(body[:min(len(body), 80)]), "?")
}

// builtinAtAddress begins a sentence with the address that answered, as authorities do.
func builtinAtAddress(f evidence.Fetched) string {
	if len(f.Hops) == 0 || f.Hops[len(f.Hops)-1].Address == "" {
		return ""
	}
	return f.Hops[len(f.Hops)-1].Address + ": "
}
