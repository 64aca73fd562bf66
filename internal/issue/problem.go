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

// rule says what one kind of failure means. A zero field fits everything.
type rule struct {
	typ    string         // last part of the problem type; "-" = an answer that is no problem document
	at     op             // what was asked
	status int            // HTTP status; 5 = any 5xx
	words  *regexp.Regexp // found in the detail

	id    string // finding of the catalogue, only where it is certain
	class order.Class
	owner string
	cause string
	fix   string
}

func words(s string) *regexp.Regexp { return regexp.MustCompile("(?i)" + s) }

// rules are tried from the top; the first that fits is used. Texts are those of Boulder and Pebble.
var rules = []rule{
	// Limits. They hold until a time; asking before it makes them worse.
	{typ: "rateLimited", words: words(`unpause|is paused`), id: "ca-identifier-paused", class: order.Final, owner: order.OwnerOwner, cause: "so many validations of this name failed in a row that the authority has paused it", fix: "repair the cause of the failures, then unpause the name at the address in the authority's words"},
	{typ: "rateLimited", words: words(`exact set of (identifiers|domains)|duplicate certificate`), id: "ca-rate-limit-exact-set", class: order.Retry, owner: order.OwnerUs, cause: "this same set of names was issued too often within a week, usually because an earlier certificate was lost", fix: "use the certificate in the vault; the next try is made when the limit allows it"},
	{typ: "rateLimited", words: words(`too many certificates .*already issued`), id: "ca-rate-limit-registered-domain", class: order.Retry, owner: order.OwnerUs, cause: "too many certificates were issued for the registered domain within a week, by anybody", fix: "wait, or ask the authority for a higher limit"},
	{typ: "rateLimited", words: words(`failed (authorizations|validations)`), id: "ca-rate-limit-failed-authz", class: order.Retry, owner: order.OwnerOwner, cause: "earlier validations of this name failed too often; the limit is their consequence", fix: "repair what made the earlier validations fail; the next try is made when the limit allows it"},
	{typ: "rateLimited", words: words(`new orders`), id: "ca-rate-limit-new-orders", class: order.Retry, owner: order.OwnerAdmin, cause: "this account made too many orders in a short time", fix: "spread the orders; the next try is made when the limit allows it"},
	{typ: "rateLimited", class: order.Retry, owner: order.OwnerUs, cause: "a rate limit of the authority", fix: "the next try is made when the limit allows it"},
	{typ: "-", status: http.StatusTooManyRequests, class: order.Retry, owner: order.OwnerUs, cause: "a request limit before the authority", fix: "the next try is made when the limit allows it"},
	{typ: "-", status: http.StatusServiceUnavailable, words: words(`retry-after`), id: "ca-lb-throttle-503", class: order.Retry, owner: order.OwnerIssuer, cause: "the front of the authority limits requests or is under maintenance", fix: "nothing: the next try is made at the time it named"},

	// The account.
	{typ: "accountDoesNotExist", id: "ca-account-unknown", class: order.Retry, owner: order.OwnerUs, cause: "the authority lost this account or never had it (another environment, a rebuilt authority)", fix: "it is registered again with the same key; CAA records with accounturi need the new account's URL"},
	{typ: "unauthorized", words: words(`authori[sz]ation.*deactivated`), id: "ca-authz-deactivated", class: order.GiveUp, owner: order.OwnerUs, cause: "someone or another tool deactivated the authorization", fix: "a new order is made"},
	{typ: "unauthorized", words: words(`account.*(deactivated|revoked|not valid)`), id: "ca-account-deactivated", class: order.Final, owner: order.OwnerAdmin, cause: "the account was deactivated at the authority", fix: "give the issuer a new account key, or use another issuer"},
	{typ: "externalAccountRequired", id: "ca-eab-required", class: order.Final, owner: order.OwnerAdmin, cause: "the authority takes only accounts that are bound to a customer account", fix: "get a key id and HMAC key from the authority and configure them on the issuer (external account binding)"},
	{at: opAccount, words: words(`(kid|key id|external account|EAB).*(not found|not known|unknown|no such|not exist|used|revoked|expired)`), id: "ca-eab-unknown-kid", class: order.Final, owner: order.OwnerAdmin, cause: "the external account key id is unknown, revoked or used up", fix: "get a new key id and HMAC key from the authority"},
	{at: opAccount, words: words(`external account|EAB|HMAC|binding|error in cryptographic primitive`), id: "ca-eab-bad-hmac", class: order.Final, owner: order.OwnerAdmin, cause: "the external account HMAC key does not fit its key id: a typing error, or another encoding than base64url", fix: "copy the HMAC key again as the authority shows it"},
	{typ: "userActionRequired", id: "ca-tos-changed", class: order.Final, owner: order.OwnerAdmin, cause: "the terms of service changed and were not agreed to yet", fix: "read and agree to the authority's terms of service at the address in its words"},
	{typ: "invalidContact", id: "ca-invalid-contact", class: order.Final, owner: order.OwnerAdmin, cause: "the authority does not accept the account's contact address", fix: "give the issuer a mailto: address whose domain receives mail, or none"},
	{typ: "unsupportedContact", id: "ca-invalid-contact", class: order.Final, owner: order.OwnerAdmin, cause: "the authority supports no contact of this kind", fix: "give the issuer a mailto: address, or none"},
	{typ: "badSignatureAlgorithm", id: "ca-bad-signature-alg", class: order.Final, owner: order.OwnerAdmin, cause: "the authority does not take the account key's algorithm", fix: "use an account key of type ECDSA P-256 or RSA 2048"},
	{words: words(`JWS verification error|JWS.*signature.*(invalid|fail)`), id: "ca-account-key-mismatch", class: order.Final, owner: order.OwnerAdmin, cause: "the stored key is not the key of this account", fix: "restore the account's key, or remove the account's URL from the issuer so that a new account is registered"},
	{words: words(`'url'|JWS url|url header|header parameter "url"`), typ: "malformed", id: "ca-jws-url-mismatch", class: order.Retry, owner: order.OwnerAdmin, cause: "a proxy between here and the authority changes host, port or scheme", fix: "let the proxy keep the Host header as it is"},
	{typ: "badNonce", id: "ca-badnonce-storm", class: order.Retry, owner: order.OwnerIssuer, cause: "the authority refused every nonce that it had just given: its servers do not share them, or a proxy caches them", fix: "if there is a caching proxy before the authority, let it pass; else it is the authority's to repair"},

	// The names.
	{typ: "rejectedIdentifier", words: words(`ip (identifier|address)`), id: "ca-ip-not-allowed", class: order.Final, owner: order.OwnerOwner, cause: "this profile or authority issues for DNS names only", fix: "choose a profile that allows addresses, or the built-in authority"},
	{words: words(`public suffix|not.*public(ly)? .*domain`), id: "ca-name-not-public", class: order.Final, owner: order.OwnerOwner, cause: "the name is an internal one; a public authority may not issue for it", fix: "use the built-in authority for internal names"},
	{words: words(`ICANN TLD|is a (top.level|public suffix)`), id: "ca-name-is-suffix", class: order.Final, owner: order.OwnerOwner, cause: "the name is one under which others register, not a registered one", fix: "order for a name that is registered"},
	{words: words(`punycode|R-LDH|reserved (ldh|label)`), id: "ca-idn-malformed", class: order.Final, owner: order.OwnerOwner, cause: "a label starting with xn-- (or with -- in third place) is no valid international name", fix: "write the name in its correct A-label form"},
	{at: opNewOrder, words: words(`invalid character|illegal character`), id: "ca-name-bad-char", class: order.Final, owner: order.OwnerOwner, cause: "the name has a character that host names cannot have", fix: "order for names of letters, digits and '-'"},
	{at: opNewOrder, words: words(`too many (identifiers|names|domains)|more than \d+ (identifiers|names|domains)`), id: "ca-too-many-names", class: order.Final, owner: order.OwnerOwner, cause: "the order has more names than the authority or profile allows", fix: "split the order"},
	{typ: "rejectedIdentifier", id: "ca-name-policy-blocked", class: order.Final, owner: order.OwnerOwner, cause: "the authority's policy forbids this name", fix: "take the name out of the order, or use another authority"},
	{typ: "unsupportedIdentifier", class: order.Final, owner: order.OwnerOwner, cause: "the authority does not issue for this kind of name", fix: "take the name out of the order, or use another authority"},
	{typ: "invalidProfile", id: "ca-profile-unknown", class: order.Final, owner: order.OwnerOwner, cause: "the profile is misspelt or was retired by the authority", fix: "choose one that the directory lists, or none"},
	{typ: "alreadyReplaced", id: "ca-replaces-rejected", class: order.GiveUp, owner: order.OwnerUs, cause: "another order has replaced that certificate already", fix: "the order is made without naming the certificate it replaces"},
	{typ: "conflict", at: opNewOrder, id: "ca-replaces-rejected", class: order.GiveUp, owner: order.OwnerUs, cause: "another order has replaced that certificate already", fix: "the order is made without naming the certificate it replaces"},

	// Validation, the authority's own look.
	{at: opProof, words: words(`^\s*during secondary validation`), id: "ca-mpic-disagree", class: order.GiveUp, owner: order.OwnerOwner, cause: "the authority sees the proof from one place and not from others: DNS or a firewall answers by region", fix: "let DNS and the web server answer the same everywhere"},
	{at: opProof, words: words(`redirect loop`), id: "http-redirect-loop", class: order.GiveUp, owner: order.OwnerOwner, cause: "the server's redirects lead in a circle", fix: "exempt /.well-known/ from the redirects"},
	{typ: "caa", words: words(`servfail|looking up|timed? ?out`), id: "caa-lookup-servfail", class: order.GiveUp, owner: order.OwnerOwner, cause: "the authority could not look up the CAA records", fix: "let the name's DNS servers answer questions for CAA (an empty answer is enough)"},
	{typ: "dns", words: words(`looking up CAA`), id: "caa-lookup-servfail", class: order.GiveUp, owner: order.OwnerOwner, cause: "the authority could not look up the CAA records", fix: "let the name's DNS servers answer questions for CAA (an empty answer is enough)"},
	{typ: "caa", words: words(`prevents issuance|forbids? issuance|forbidden by CAA`), id: "caa-issue-excludes-ca", class: order.GiveUp, owner: order.OwnerOwner, cause: "the CAA records forbid this authority", fix: "add a CAA record that allows it, or remove the set"},
	{typ: "caa", class: order.GiveUp, owner: order.OwnerOwner, cause: "the CAA records forbid this authority, or could not be looked up", fix: "see the authority's words; add a CAA record that allows it, or remove the set"},
	{typ: "dns", at: opProof, words: words(`NXDOMAIN looking up (A|AAAA) `), id: "dns-nxdomain-host", class: order.GiveUp, owner: order.OwnerOwner, cause: "the name does not exist in public DNS", fix: "add an A or AAAA record that leads to the server that has the proof"},
	{typ: "dns", at: opProof, words: words(`no valid (A|AAAA|IP)\b|no IP addresses`), id: "dns-nodata-address", class: order.GiveUp, owner: order.OwnerOwner, cause: "the name has no address in public DNS", fix: "add an A or AAAA record that leads to the server that has the proof"},
	{typ: "dns", at: opProof, class: order.GiveUp, owner: order.OwnerOwner, cause: "the authority could not resolve the name", fix: "let the name resolve to the server that has the proof, in public DNS"},
	{typ: "connection", at: opProof, words: words(`DNS lookup for .* unsuccessful response: 3\b`), id: "dns-nxdomain-host", class: order.GiveUp, owner: order.OwnerOwner, cause: "the name does not exist in the authority's DNS", fix: "add an A or AAAA record that leads to the server that has the proof"},
	{typ: "connection", at: opProof, words: words(`could not resolve URL`), id: "dns-nodata-address", class: order.GiveUp, owner: order.OwnerOwner, cause: "the name has no address in the authority's DNS", fix: "add an A or AAAA record that leads to the server that has the proof"},
	{typ: "connection", at: opProof, words: words(`connection refused`), id: "http-refused", class: order.GiveUp, owner: order.OwnerOwner, cause: "nothing listens on port 80 of the name's address, or a firewall rejects", fix: "start the web server on port 80, or let port 80 through"},
	// A timeout after the connection stands is a slow server, no firewall: it has no row of its own here.
	{typ: "connection", at: opProof, words: words(`timeout during connect|dial tcp \S+: i/o timeout|connection timed out|no route to host`), id: "http-timeout-drop", class: order.GiveUp, owner: order.OwnerOwner, cause: "a firewall drops the packets to port 80, or the address is wrong", fix: "open port 80 to the internet, or correct the address record"},
	{typ: "connection", at: opProof, words: words(`reset by peer`), id: "http-reset", class: order.GiveUp, owner: order.OwnerOwner, cause: "something closes the connection after it was accepted: a load balancer or an intrusion filter", fix: "let the authority's request through"},
	{typ: "connection", at: opProof, class: order.GiveUp, owner: order.OwnerOwner, cause: "the authority could not connect to the server at the name", fix: "let port 80 of every address of the name be reached from outside"},
	{typ: "tls", at: opProof, class: order.GiveUp, owner: order.OwnerOwner, cause: "the TLS handshake with the server at the name failed"},
	{typ: "unauthorized", at: opProof, words: words(`(: |returned )404\b`), id: "http-404-webroot", class: order.GiveUp, owner: order.OwnerOwner, cause: "the server at the name answers, but serves the proof's URL from another directory", fix: "let /.well-known/acme-challenge/ lead to Certwright's listener or webroot, at every address of the name"},
	{typ: "unauthorized", at: opProof, words: words(`(: |returned )5\d\d\b`), id: "http-5xx-app", class: order.GiveUp, owner: order.OwnerOwner, cause: "the application behind the server at the name fails or is down", fix: "serve /.well-known/acme-challenge/ from files, before the application"},
	{typ: "incorrectResponse", at: opProof, words: words(`(: |returned )404\b`), id: "http-404-webroot", class: order.GiveUp, owner: order.OwnerOwner, cause: "the server at the name answers, but serves the proof's URL from another directory", fix: "let /.well-known/acme-challenge/ lead to Certwright's listener or webroot, at every address of the name"},
	{typ: "incorrectResponse", at: opProof, words: words(`(: |returned )5\d\d\b`), id: "http-5xx-app", class: order.GiveUp, owner: order.OwnerOwner, cause: "the application behind the server at the name fails or is down", fix: "serve /.well-known/acme-challenge/ from files, before the application"},
	{typ: "incorrectResponse", at: opProof, class: order.GiveUp, owner: order.OwnerOwner, cause: "the server at the name answered with something else than the proof", fix: "let the proof's URL reach Certwright's listener or webroot"},
	{typ: "unauthorized", at: opProof, class: order.GiveUp, owner: order.OwnerOwner, cause: "the server at the name does not have the proof", fix: "let the proof's URL reach Certwright's listener or webroot, at every address of the name"},

	// The CSR.
	{words: words(`signature on CSR|CSR.*signature`), id: "ca-csr-bad-signature", class: order.GiveUp, owner: order.OwnerUs, cause: "the CSR is damaged", fix: "a new one is made"},
	{at: opFinalise, words: words(`same (identifiers|number of)|(does not|not) specify|missing .*(name|identifier)|identifiers? .*(not|differ)`), id: "ca-csr-names-mismatch", class: order.GiveUp, owner: order.OwnerUs, cause: "the names of the CSR are not those of the order", fix: "a new order is made"},
	{at: opFinalise, words: words(`key for a known account|different than account key`), id: "ca-csr-account-key-reuse", class: order.GiveUp, owner: order.OwnerUs, cause: "the certificate's key is the account's key", fix: "a new key is made"},
	{at: opFinalise, typ: "badPublicKey", words: words(`block|compromis|forbidden`), id: "ca-key-blocked", class: order.GiveUp, owner: order.OwnerUs, cause: "the key is on the authority's list of compromised keys", fix: "rekey the order"},
	{at: opFinalise, typ: "badPublicKey", class: order.GiveUp, owner: order.OwnerOwner, cause: "the authority does not take this kind of key, or finds it weak", fix: "choose EC-P256 or RSA-2048 and rekey"},
	{typ: "badCSR", class: order.GiveUp, owner: order.OwnerUs, cause: "the authority does not accept the CSR", fix: "choose another key type, or another profile"},
	{typ: "orderNotReady", id: "ca-finalize-not-ready", class: order.Retry, owner: order.OwnerUs, cause: "the authority's own view of the order lags behind", fix: "nothing: it is read again"},

	// What is gone.
	{status: http.StatusNotFound, at: opOrder, id: "ca-order-expired", class: order.GiveUp, owner: order.OwnerUs, cause: "the authority no longer knows the order: it expired, or the authority lost it", fix: "a new order is made"},
	{status: http.StatusNotFound, at: opAuthz, id: "ca-order-expired", class: order.GiveUp, owner: order.OwnerUs, cause: "the authority no longer knows the authorization: its order expired, or the authority lost it", fix: "a new order is made"},
	{status: http.StatusNotFound, at: opChallenge, id: "ca-order-expired", class: order.GiveUp, owner: order.OwnerUs, cause: "the authority no longer knows the challenge: its order expired, or the authority lost it", fix: "a new order is made"},
	{status: http.StatusNotFound, at: opFinalise, id: "ca-order-expired", class: order.GiveUp, owner: order.OwnerUs, cause: "the authority no longer knows the order", fix: "a new order is made"},
	{typ: "unauthorized", at: opOrder, class: order.GiveUp, owner: order.OwnerUs, cause: "the order belongs to another account of the authority", fix: "a new order is made with the present account"},
	{typ: "unauthorized", at: opAuthz, class: order.GiveUp, owner: order.OwnerUs, cause: "the authorization belongs to another account of the authority", fix: "a new order is made with the present account"},
	{typ: "malformed", at: opChallenge, words: words(`expired|not pending|no longer`), id: "ca-authz-expired", class: order.GiveUp, owner: order.OwnerUs, cause: "the proof came too late: the authorization has ended", fix: "a new order is made"},

	// Revocation.
	{typ: "unauthorized", at: opRevoke, class: order.Final, owner: order.OwnerAdmin, cause: "the certificate was not issued to this account", fix: "revoke it with the account it was issued to, or with its own key"},
	{typ: "badRevocationReason", class: order.Final, owner: order.OwnerOwner, cause: "the authority does not take this reason code from subscribers", fix: "use unspecified (0), keyCompromise (1), superseded (4) or cessationOfOperation (5)"},
	{at: opRevoke, words: words(`unable to find|not found|unknown cert`), class: order.Final, owner: order.OwnerAdmin, cause: "the authority does not know the certificate", fix: "see which authority issued it"},

	// Trouble of the authority, and everything else.
	{status: http.StatusProxyAuthRequired, id: "ca-proxy-auth", class: order.Retry, owner: order.OwnerAdmin, cause: "the proxy on the way out wants a password", fix: "give the proxy's user and password in the configuration"},
	{at: opDirectory, typ: "-", status: http.StatusNotFound, id: "ca-directory-not-json", class: order.Retry, owner: order.OwnerAdmin, cause: "there is no ACME directory at this URL", fix: "check the issuer's directory URL"},
	{status: 5, id: "ca-5xx", class: order.Retry, owner: order.OwnerIssuer, cause: "an internal error of the authority", fix: "nothing: it is tried again; if it lasts, see the authority's status page"},
	{typ: "serverInternal", id: "ca-5xx", class: order.Retry, owner: order.OwnerIssuer, cause: "an internal error of the authority", fix: "nothing: it is tried again; if it lasts, see the authority's status page"},
	{at: opRevoke, class: order.Retry, owner: order.OwnerIssuer, cause: "the authority did not revoke"},
	{at: opRenewal, class: order.Retry, owner: order.OwnerIssuer, cause: "the authority gave no renewal information"},
	{at: opNewOrder, class: order.GiveUp, owner: order.OwnerAdmin, cause: "the authority refused the order", fix: "see the authority's words"},
	{at: opProof, class: order.GiveUp, owner: order.OwnerOwner, cause: "the authority did not accept the proof", fix: "see the authority's words"},
	{at: opFinalise, class: order.GiveUp, owner: order.OwnerAdmin, cause: "the authority refused to issue", fix: "see the authority's words"},
	{at: opAccount, class: order.Final, owner: order.OwnerAdmin, cause: "the authority refused the account", fix: "see the authority's words"},
	{class: order.Retry, owner: order.OwnerIssuer, cause: "the authority refused the request"},
}

// judge finds the rule for a failure.
func judge(at op, typ string, status int, detail string) rule {
	short := strings.TrimPrefix(typ, acmeError)
	if typ == "" {
		short = "-"
	}
	for _, r := range rules {
		if (r.typ == "" || r.typ == short) && (r.at == "" || r.at == at) &&
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
func (d document) problem(at op, where string, now time.Time) *order.Problem {
	p := &order.Problem{What: string(at), Where: where, Detail: d.Detail, Type: d.Type, Status: d.Status, At: now}
	if p.Detail == "" {
		p.Detail = d.Title
	}
	all := p.Detail // the words that matter may stand in a subproblem only
	for _, s := range d.Subproblems {
		p.Sub = append(p.Sub, order.Sub{Type: s.Type, Detail: s.Detail, Identifier: s.Identifier.Value})
		all += "\n" + s.Detail
	}
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
func answered(at op, a answer, now time.Time) *order.Problem {
	var d document
	isDoc := json.Unmarshal(a.Body, &d) == nil && (d.Type != "" || d.Detail != "")
	if !isDoc {
		d = document{Detail: fmt.Sprintf("HTTP %d: %s", a.Status, excerpt(a.Body))}
	}
	d.Status = a.Status // the status on the wire counts; a document may leave its own out
	p := d.problem(at, a.URL, now)
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
