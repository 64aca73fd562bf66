// Package issue obtains certificates: from any ACME authority (acme*.go) or from the built-in one
// (builtin*.go). Both are a fulfill.Authority. Every failure is an order.Problem that keeps the
// authority's own words; what each means and what can be done is one table in this file.
package issue

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"certwright/internal/order"
)

// acmeError is the namespace of ACME's problem types (RFC 8555 section 6.7).
const acmeError = "urn:ietf:params:acme:error:"

// op is what was asked of the authority: the same words can mean different things in different places.
type op string

const (
	opDirectory   op = "read the directory"
	opAccount     op = "register the account"
	opNewOrder    op = "new order"
	opOrder       op = "read the order"
	opAuthz       op = "read an authorization"
	opChallenge   op = "ask for validation"
	opFinalise    op = "finalise the order"
	opCertificate op = "download the certificate"
	opRevoke      op = "revoke the certificate"
	opRenewal     op = "ask for renewal information"
	opAbandon     op = "deactivate an authorization"
	opProof       op = "validation" // the authority's verdict on a proof, inside an authorization
)

// judge finds the rule for a failure.
func judge(at op, typ string, status int, detail string) rule {
	short := strings.TrimPrefix(typ, acmeError)
	if typ == "" {
		short = "-"
	}
	for _, r := range rules {
		if (r.typ == "" || r.typ == short) && (r.at == "" || r.at == at) && (r.not == "" || r.not != at) &&
			(r.status == 0 || r.status == status || r.status == 5 && status/100 == 5) &&
			(r.words == nil || r.words.MatchString(detail)) {
			return r
		}
	}
	panic("issue: the last rule must fit everything")
}

// document is a problem document as it comes (RFC 7807, RFC 8555 section 6.7.1).
type document struct {
	Type        string        `json:"type"`
	Title       string        `json:"title"`
	Status      int           `json:"status"`
	Detail      string        `json:"detail"`
	Subproblems []subdocument `json:"subproblems"`
}

type subdocument struct {
	Type       string        `json:"type"`
	Detail     string        `json:"detail"`
	Identifier subIdentifier `json:"identifier"`
}

type subIdentifier struct {
	Value string `json:"value"`
}

// problem makes the order's Problem of a problem document.
// facts are what the client measured of the same request, in the words that the table knows.
func (d document) problem(at op, where string, now time.Time, facts ...string) *order.Problem {
	p := &order.Problem{What: string(at), Where: where, Detail: d.Detail, Type: d.Type, Status: d.Status, At: now}
	if p.Detail == "" {
		p.Detail = d.Title
	}
	all := p.Detail // the words that matter may stand in a subproblem only
	for _, s := range d.Subproblems {
		p.Sub = append(p.Sub, order.Sub{Type: s.Type, Detail: s.Detail, Identifier: s.Identifier.Value})
		all += "\n" + s.Detail
	}
	all = strings.Join(append([]string{all}, facts...), "\n")
	r := judge(at, d.Type, d.Status, all)
	if strings.TrimPrefix(d.Type, acmeError) == "compound" && len(d.Subproblems) > 0 {
		r = judge(at, d.Subproblems[0].Type, d.Status, d.Subproblems[0].Detail)
	}
	r.apply(p)
	return p
}

func (r rule) apply(p *order.Problem) {
	p.ID, p.Class, p.Owner, p.Cause, p.Fix = r.id, r.class, r.owner, r.cause, r.fix
}

// answered makes a Problem of an answer with an error status.
func answered(at op, a answer, now time.Time, facts ...string) *order.Problem {
	var d document
	isDoc := json.Unmarshal(a.Body, &d) == nil && (d.Type != "" || d.Detail != "")
	if !isDoc {
		d = document{Detail: fmt.Sprintf("HTTP %d: %s", a.Status, excerpt(a.Body))}
	}
	d.Status = a.Status // the status on the wire counts; a document may leave its own out
	p := d.problem(at, a.URL, now, facts...)
	until := a.until(now)
	if !isDoc && !until.IsZero() {
		judge(at, "", a.Status, "retry-after").apply(p)
	}
	if until.IsZero() {
		until = untilInWords(d.Detail, a.Header.Get("Date"), now)
	}
	if p.Class == order.Retry {
		p.Until = until
	}
	return p
}

// excerpt is the start of a body in one line, for a person.
func excerpt(b []byte) string {
	s := strings.Join(strings.Fields(tags.ReplaceAllString(string(b), " ")), " ")
	if s == "" {
		return "no content"
	}
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + " ..."
	}
	return s
}

var tags = regexp.MustCompile(`(?s)<(script|style).*?</(script|style)>|<[^>]*>`)

// longest is how far in the future a Retry-After is believed.
const longest = 31 * 24 * time.Hour

// retryAfter reads a Retry-After header (RFC 9110 section 10.2.3): seconds, or a date by the
// authority's clock. A date is turned into a span with the Date header of the same answer, so that a
// difference of the clocks does no harm. False: there is none.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	if n, err := strconv.ParseInt(v, 10, 64); err == nil {
		return time.Duration(min(max(n, 0), int64(longest/time.Second))) * time.Second, true
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	return span(at, h.Get("Date"), now), true
}

// span is how long it is until a moment of the authority's clock.
func span(at time.Time, date string, now time.Time) time.Duration {
	base := now
	if d, err := http.ParseTime(date); err == nil {
		base = d
	}
	return min(max(at.Sub(base), 0), longest)
}

var inWords = regexp.MustCompile(`(?i)retry after (\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)`)

// untilInWords reads "retry after 2026-11-23 18:38:12 UTC" out of a rate limit's detail.
func untilInWords(detail, date string, now time.Time) time.Time {
	m := inWords.FindStringSubmatch(detail)
	if m == nil {
		return time.Time{}
	}
	at, err := time.Parse("2006-01-02 15:04:05", m[1]+" "+m[2])
	if err != nil {
		return time.Time{}
	}
	return now.Add(span(at, date, now))
}

// unanswered makes a Problem of a request that got no answer.
func unanswered(at op, where string, err error, now time.Time) *order.Problem {
	p := &order.Problem{Class: order.Retry, What: string(at), Where: where, Detail: err.Error(), Owner: order.OwnerAdmin, At: now, ID: "ca-unreachable",
		Cause: "the authority is down, or a firewall blocks the way to it", Fix: "see whether the directory URL opens from this machine; it is tried again"}
	var host *net.DNSError
	var verify *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &host):
		p.ID, p.Cause, p.Fix = "ca-host-unresolvable", "this machine cannot resolve the authority's host name", "check the directory URL and this machine's resolver"
	case errors.As(err, &unknown):
		p.ID, p.Cause, p.Fix = "ca-directory-untrusted", "the authority's HTTPS certificate chains to no root that is trusted here", "give the issuer the authority's root (--ca-file), or trust it on this machine"
	case errors.As(err, &verify):
		p.ID, p.Cause, p.Fix = "ca-directory-untrusted", "the authority's HTTPS certificate is expired or is for another name", "check the directory URL and this machine's clock"
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		p.Cause = "no answer in time: the authority is overloaded, or a firewall drops the packets"
	}
	return p
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// rubbish makes a Problem of an answer with a good status and a content that makes no sense.
func rubbish(at op, where string, why error, body []byte, now time.Time) *order.Problem {
	p := &order.Problem{Class: order.Retry, What: string(at), Where: where, Owner: order.OwnerAdmin, At: now,
		Detail: fmt.Sprintf("the answer makes no sense: %v; it begins: %s", why, excerpt(body)),
		Cause:  "something between here and the authority changes its answers, or the authority is broken", Fix: "open the URL with curl and see who answers"}
	if at == opDirectory {
		p.ID, p.Cause, p.Fix = "ca-directory-not-json", "this URL is not an ACME directory, or a captive portal answers for it", "check the issuer's directory URL"
	}
	return p
}
