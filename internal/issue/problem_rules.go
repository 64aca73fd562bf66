package issue

import (
	"net/http"
	"regexp"

	"certwright/internal/order"
)

// Words that are not the authority's: facts which the client measured, handed to the table beside the
// authority's words, so that facts and words are judged in one place. They begin with a control character
// that no answer keeps.
const (
	nonceRepeated = "\x01a nonce came twice"
	nonASCII      = "\x01a name is not ASCII"
	internalName  = "\x01a name ends in a suffix for private use"
	ipName        = "\x01a name is an address"
)

// rule says what one kind of failure means. A zero field fits everything.
type rule struct {
	typ    string         // last part of the problem type; "-" = an answer that is no problem document
	at     op             // what was asked
	not    op             // what was not asked
	status int            // HTTP status; 5 = any 5xx
	words  *regexp.Regexp // found in the detail

	id    string // finding of the catalogue, only where it is certain
	class order.Class
	owner string
	cause string
	fix   string
}

func words(s string) *regexp.Regexp { return regexp.MustCompile("(?i)" + s) }

// ruleOf finds the row of a finding id.
func ruleOf(id string) rule {
	for _, r := range rules {
		if r.id == id {
			return r
		}
	}
	panic("issue: no row has the id " + id)
}

// rules are tried from the top; the first that fits is used. Texts are those of Boulder and Pebble.
var rules = []rule{
	// Limits. They hold until a time; asking before it makes them worse.
	{typ: "rateLimited", words: words(`unpause|is paused|temporarily prevented from requesting`), id: "ca-identifier-paused", class: order.Final, owner: order.OwnerOwner, cause: "so many validations of this name failed in a row that the authority has paused it", fix: "repair the cause of the failures, then unpause the name at the address in the authority's words"},
	{typ: "rateLimited", words: words(`exact(ly)? (the )?(same )?set of|duplicate certificate`), id: "ca-rate-limit-exact-set", class: order.Retry, owner: order.OwnerUs, cause: "this same set of names was issued too often within a week, usually because an earlier certificate was lost", fix: "use the certificate in the vault; the next try is made when the limit allows it"},
	{typ: "rateLimited", words: words(`too many certificates|certificates (already )?issued for`), id: "ca-rate-limit-registered-domain", class: order.Retry, owner: order.OwnerUs, cause: "too many certificates were issued for the registered domain within a week, by anybody", fix: "wait, or ask the authority for a higher limit"},
	{typ: "rateLimited", words: words(`failed (authori[sz]ation|validation)|(authori[sz]ation|validation)s? (attempts? )?failed`), id: "ca-rate-limit-failed-authz", class: order.Retry, owner: order.OwnerOwner, cause: "earlier validations of this name failed too often; the limit is their consequence", fix: "repair what made the earlier validations fail; the next try is made when the limit allows it"},
	{typ: "rateLimited", words: words(`(new|too many) orders`), id: "ca-rate-limit-new-orders", class: order.Retry, owner: order.OwnerAdmin, cause: "this account made too many orders in a short time", fix: "spread the orders; the next try is made when the limit allows it"},
	{typ: "rateLimited", id: "ca-rate-limit-other", class: order.Retry, owner: order.OwnerUs, cause: "a rate limit of the authority; its words say which", fix: "the next try is made when the limit allows it"},
	{typ: "-", status: http.StatusTooManyRequests, id: "ca-lb-throttle-503", class: order.Retry, owner: order.OwnerUs, cause: "the front of the authority limits requests", fix: "the next try is made when the limit allows it"},
	{typ: "-", status: http.StatusServiceUnavailable, words: words(`retry-after`), id: "ca-lb-throttle-503", class: order.Retry, owner: order.OwnerIssuer, cause: "the front of the authority limits requests or is under maintenance", fix: "nothing: the next try is made at the time it named"},

	// The account.
	{typ: "accountDoesNotExist", id: "ca-account-unknown", class: order.Retry, owner: order.OwnerUs, cause: "the authority lost this account or never had it (another environment, a rebuilt authority)", fix: "it is registered again with the same key; CAA records with accounturi need the new account's URL"},
	{typ: "unauthorized", words: words(`authori[sz]ation.*deactivated`), id: "ca-authz-deactivated", class: order.GiveUp, owner: order.OwnerUs, cause: "someone or another tool deactivated the authorization", fix: "a new order is made"},
	{words: words(`(kid|key id).*(missing expected URL prefix|does not correspond to an account)`), id: "ca-account-unknown", class: order.Retry, owner: order.OwnerUs, cause: "the recorded account belongs to another authority or another address of this one", fix: "it is registered again with the same key; CAA records with accounturi need the new account's URL"},
	{typ: "unauthorized", words: words(`account.*(deactivated|revoked|suspended|disabled|not (valid|active))`), id: "ca-account-deactivated", class: order.Final, owner: order.OwnerAdmin, cause: "the account was deactivated at the authority", fix: "give the issuer a new account key, or use another issuer"},
	{typ: "externalAccountRequired", id: "ca-eab-required", class: order.Final, owner: order.OwnerAdmin, cause: "the authority takes only accounts that are bound to a customer account", fix: "get a key id and HMAC key from the authority and configure them on the issuer (external account binding)"},
	{at: opAccount, words: words(`(kid|key id|key with id|external account|EAB).*(not found|not known|unknown|no such|not exist|already|used|revoked|expired|not match a known)`), id: "ca-eab-unknown-kid", class: order.Final, owner: order.OwnerAdmin, cause: "the external account key id is unknown, revoked or used up", fix: "get a new key id and HMAC key from the authority"},
	{at: opAccount, words: words(`external account|EAB|HMAC|binding|error in cryptographic primitive`), id: "ca-eab-bad-hmac", class: order.Final, owner: order.OwnerAdmin, cause: "the external account HMAC key does not fit its key id: a typing error, or another encoding than base64url", fix: "copy the HMAC key again as the authority shows it"},
	{typ: "userActionRequired", id: "ca-tos-changed", class: order.Final, owner: order.OwnerAdmin, cause: "the terms of service changed and were not agreed to yet", fix: "read and agree to the authority's terms of service at the address in its words"},
	{typ: "invalidContact", id: "ca-invalid-contact", class: order.Final, owner: order.OwnerAdmin, cause: "the authority does not accept the account's contact address", fix: "give the issuer a mailto: address whose domain receives mail, or none"},
	{typ: "unsupportedContact", id: "ca-invalid-contact", class: order.Final, owner: order.OwnerAdmin, cause: "the authority supports no contact of this kind", fix: "give the issuer a mailto: address, or none"},
	{typ: "badSignatureAlgorithm", id: "ca-bad-signature-alg", class: order.Final, owner: order.OwnerAdmin, cause: "the authority does not take the account key's algorithm", fix: "use an account key of type ECDSA P-256 or RSA 2048"},
	{words: words(`signature on CSR|CSR.*signature`), id: "ca-csr-bad-signature", class: order.GiveUp, owner: order.OwnerUs, cause: "the CSR is damaged", fix: "a new one is made"},
	{not: opProof, words: words(`JWS verification error|JWS.*signature.*(invalid|fail|wrong)|(verif\w+|validat\w+|check\w*).{0,20}(JWS|request signature)|signature.{0,20}(invalid|does not match|verif)|invalid signature`), id: "ca-account-key-mismatch", class: order.Final, owner: order.OwnerAdmin, cause: "the stored key is not the key of this account", fix: "restore the account's key, or remove the account's URL from the issuer so that a new account is registered"},
	{not: opProof, words: words(`'url'.*(incorrect|expected|differ)|(JWS|header).*\burl\b.*(incorrect|expected|differ|match|wrong)|JWS url|url header|header parameter "url"|\burl\b.*(does not|doesn't|not) match|unexpected .*\burl\b`), id: "ca-jws-url-mismatch", class: order.Retry, owner: order.OwnerAdmin, cause: "a proxy between here and the authority changes host, port or scheme", fix: "let the proxy keep the Host header as it is"},
	{typ: "badNonce", words: words(nonceRepeated), id: "ca-nonce-cached-by-proxy", class: order.Retry, owner: order.OwnerAdmin, cause: "a caching proxy between here and the authority hands out nonces that were used before", fix: "let the proxy pass the authority's answers without keeping them (they carry Cache-Control: no-store)"},
	{typ: "badNonce", id: "ca-badnonce-storm", class: order.Retry, owner: order.OwnerIssuer, cause: "the authority refused every nonce that it had just given: its servers do not share them, or a proxy caches them", fix: "if there is a caching proxy before the authority, let it pass; else it is the authority's to repair"},

	// The names.
	{typ: "rejectedIdentifier", words: words(`\bip\b.{0,20}(identifier|address)|permit ip\b`), id: "ca-ip-not-allowed", class: order.Final, owner: order.OwnerOwner, cause: "this profile or authority issues for DNS names only", fix: "choose a profile that allows addresses, or the built-in authority"},
	{words: words(`not end (with|in) a (valid )?public suffix|(internal|non-?public|not a public|reserved) (name|domain|tld)|not.*publicly`), id: "ca-name-not-public", class: order.Final, owner: order.OwnerOwner, cause: "the name is an internal one; a public authority may not issue for it", fix: "use the built-in authority for internal names"},
	{words: words(`is an? (ICANN |effective |public )?(TLD|top.level domain|public suffix|suffix)\b`), id: "ca-name-is-suffix", class: order.Final, owner: order.OwnerOwner, cause: "the name is one under which others register, not a registered one", fix: "order for a name that is registered"},
	{words: words(`punycode|R-LDH|reserved (ldh|label)`), id: "ca-idn-malformed", class: order.Final, owner: order.OwnerOwner, cause: "a label starting with xn-- (or with -- in third place) is no valid international name", fix: "write the name in its correct A-label form"},
	{at: opNewOrder, words: words(nonASCII), id: "ca-idn-not-punycode", class: order.Final, owner: order.OwnerOwner, cause: "the name was sent with letters outside ASCII", fix: "write the name in its A-label form (xn--...)"},
	{at: opNewOrder, words: words(`(invalid|illegal|bad|disallowed) character|ends? in a (dot|period)|ending in a (dot|period)|two dots in a row|(label|name).*(longer than|too long)|longer than \d+ (char|byte)|needs at least one dot|(empty|invalid|malformed) (label|wildcard)|is empty|empty value`), id: "ca-name-bad-char", class: order.Final, owner: order.OwnerOwner, cause: "the name has a character that host names cannot have", fix: "order for names of letters, digits and '-'"},
	{at: opNewOrder, words: words(`too many (\w+ )?(identifiers|names|domains|SANs)|(more than|at most|maximum( of)?|limit of|exceeds?) (\d+ |the )?(\w+ )?(identifiers|names|domains|SANs)|number of (identifiers|names|domains)`), id: "ca-too-many-names", class: order.Final, owner: order.OwnerOwner, cause: "the order has more names than the authority or profile allows", fix: "split the order"},
	{typ: "rejectedIdentifier", words: words(`polic(y|ies)|forbid|block|not (allowed|authori[sz]ed|permitted)|denied|high.risk`), id: "ca-name-policy-blocked", class: order.Final, owner: order.OwnerOwner, cause: "the authority's policy forbids this name", fix: "take the name out of the order, or use another authority"},
	{typ: "rejectedIdentifier", words: words(internalName), id: "ca-name-not-public", class: order.Final, owner: order.OwnerOwner, cause: "the name is an internal one; a public authority may not issue for it", fix: "use the built-in authority for internal names"},
	{typ: "rejectedIdentifier", id: "ca-name-policy-blocked", class: order.Final, owner: order.OwnerOwner, cause: "the authority's policy forbids this name", fix: "take the name out of the order, or use another authority"},
	{typ: "unsupportedIdentifier", words: words(ipName), id: "ca-ip-not-allowed", class: order.Final, owner: order.OwnerOwner, cause: "this profile or authority issues for DNS names only", fix: "choose a profile that allows addresses, or the built-in authority"},
	{typ: "unsupportedIdentifier", class: order.Final, owner: order.OwnerOwner, cause: "the authority does not issue for this kind of name", fix: "take the name out of the order, or use another authority"},
	{typ: "invalidProfile", id: "ca-profile-unknown", class: order.Final, owner: order.OwnerOwner, cause: "the profile is misspelt or was retired by the authority", fix: "choose one that the directory lists, or none"},
	{at: opNewOrder, words: words(`profile.*(not (recogni[sz]ed|permitted|known|found|allowed|supported)|unknown|unrecogni[sz]ed|retired)|(unknown|unrecogni[sz]ed).*profile`), id: "ca-profile-unknown", class: order.Final, owner: order.OwnerOwner, cause: "the profile is misspelt, was retired, or is not for this account", fix: "choose one that the directory lists, or none"},
	{typ: "alreadyReplaced", id: "ca-replaces-rejected", class: order.GiveUp, owner: order.OwnerUs, cause: "another order has replaced that certificate already", fix: "the order is made without naming the certificate it replaces"},
	{typ: "conflict", at: opNewOrder, id: "ca-replaces-rejected", class: order.GiveUp, owner: order.OwnerUs, cause: "another order has replaced that certificate already", fix: "the order is made without naming the certificate it replaces"},

	// Validation, the authority's own look.
	{at: opProof, words: words(`^\s*during secondary validation`), id: "ca-mpic-disagree", class: order.GiveUp, owner: order.OwnerOwner, cause: "the authority sees the proof from one place and not from others: DNS or a firewall answers by region", fix: "let DNS and the web server answer the same everywhere"},
	{at: opProof, words: words(`redirect loop`), id: "http-redirect-loop", class: order.GiveUp, owner: order.OwnerOwner, cause: "the server's redirects lead in a circle", fix: "exempt /.well-known/ from the redirects"},
	{typ: "caa", words: words(`servfail|looking up|timed? ?out`), id: "caa-lookup-servfail", class: order.GiveUp, owner: order.OwnerOwner, cause: "the authority could not look up the CAA records", fix: "let the name's DNS servers answer questions for CAA (an empty answer is enough)"},
	{typ: "dns", words: words(`looking up CAA`), id: "caa-lookup-servfail", class: order.GiveUp, owner: order.OwnerOwner, cause: "the authority could not look up the CAA records", fix: "let the name's DNS servers answer questions for CAA (an empty answer is enough)"},
	{typ: "caa", words: words(`prevents issuance|forbids? issuance|forbidden by CAA`), id: "caa-issue-excludes-ca", class: order.GiveUp, owner: order.OwnerOwner, cause: "the CAA records forbid this authority", fix: "add a CAA record that allows it, or remove the set"},
	{typ: "caa", class: order.GiveUp, owner: order.OwnerOwner, cause: "the CAA records forbid this authority, or could not be looked up", fix: "see the authority's words; add a CAA record that allows it, or remove the set"},
	{at: opProof, words: words(`NXDOMAIN looking up TXT|no TXT records? found`), id: "dns-txt-missing", class: order.GiveUp, owner: order.OwnerOwner, cause: "the name servers that the authority asked do not have the TXT record, or its resolver remembers that it was not there", fix: "see which name server lacks it with certwright diagnose; a new order is made by itself"},
	{at: opProof, words: words(`incorrect TXT record|correct value not found`), class: order.GiveUp, owner: order.OwnerOwner, cause: "another TXT record stands at the name: of an earlier try, of another client, or a mistyped one", fix: "delete what is stale there; see what stands at each name server with certwright diagnose"},
	{typ: "dns", at: opProof, words: words(`looking up TXT`), class: order.GiveUp, owner: order.OwnerOwner, cause: "the authority could not look up the TXT record: the name servers of _acme-challenge do not answer it", fix: "let them answer; see which does not with certwright diagnose"},
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
	{at: opFinalise, words: words(`same (identifiers|names|number of)|different (number of|names|identifiers)|(does not|not) specify|CSR is missing|missing .*(name|identifier)|(identifiers?|names|SANs) .*(not|differ)`), id: "ca-csr-names-mismatch", class: order.GiveUp, owner: order.OwnerUs, cause: "the names of the CSR are not those of the order", fix: "a new order is made"},
	{at: opFinalise, words: words(`key for a known account|different (than|from) (the )?account key|same as (the )?account key|account'?s? (public )?key.*(reuse|re-used|same)`), id: "ca-csr-account-key-reuse", class: order.GiveUp, owner: order.OwnerUs, cause: "the certificate's key is the account's key", fix: "a new key is made"},
	{at: opFinalise, words: words(`email address|e-mail|\bURIs?\b|IP address in Common Name|common name|CN was longer|CN .*(long|bytes)|subject .*(field|attribute)`), id: "ca-csr-bad-fields", class: order.GiveUp, owner: order.OwnerOwner, cause: "the CSR holds fields that the authority does not certify", fix: "take addresses, URIs and long common names out of the request"},
	{at: opFinalise, words: words(`\b(block|compromis|forbidden|revoked key|pwned)`), id: "ca-key-blocked", class: order.GiveUp, owner: order.OwnerUs, cause: "the key is on the authority's list of compromised keys", fix: "rekey the order"},
	{at: opFinalise, words: words(`too (small|short|weak)|weak|small (prime|factor)|ROCA|Fermat|Debian|exponent|\b(512|768|1024)\b|key size not supported|modulus|divisible`), id: "ca-csr-weak-key", class: order.GiveUp, owner: order.OwnerOwner, cause: "the authority finds the key weak", fix: "choose EC-P256 or RSA-2048 and rekey"},
	{at: opFinalise, words: words(`(curve|key type|algorithm|type of key).{0,40}(not|un)|unknown key type|unsupported (public )?(key|curve|signature)|Ed25519|P-?521`), id: "ca-csr-key-type-unsupported", class: order.GiveUp, owner: order.OwnerOwner, cause: "the authority does not take this kind of key", fix: "choose EC-P256 or RSA-2048 and rekey"},
	{at: opFinalise, typ: "badPublicKey", id: "ca-csr-key-type-unsupported", class: order.GiveUp, owner: order.OwnerOwner, cause: "the authority does not take this kind of key, or finds it weak", fix: "choose EC-P256 or RSA-2048 and rekey"},
	{typ: "badCSR", class: order.GiveUp, owner: order.OwnerUs, cause: "the authority does not accept the CSR", fix: "choose another key type, or another profile"},
	{at: opFinalise, words: words(`order.*expired|expired.*order`), id: "ca-order-expired", class: order.GiveUp, owner: order.OwnerUs, cause: "the order lived longer than the authority keeps it", fix: "a new order is made"},
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
