package issue

import (
	"math/big"
	"net/http"
	"testing"
	"time"
)

func bigInt(n int64) *big.Int { return big.NewInt(n) }

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	ahead := now.Add(40 * 24 * time.Hour) // our clock is far ahead of the authority's
	tests := []struct {
		name, value, date string
		now               time.Time
		want              time.Duration
		ok                bool
	}{
		{"none", "", "", now, 0, false},
		{"seconds", "120", "", now, 2 * time.Minute, true},
		{"zero", "0", "", now, 0, true},
		{"negative", "-5", "", now, 0, true},
		{"absurd", "99999999999", "", now, longest, true},
		{"rubbish", "soon", "", now, 0, false},
		{"date", "Mon, 23 Nov 2026 12:05:00 GMT", "", now, 5 * time.Minute, true},
		{"date that has gone", "Mon, 23 Nov 2026 11:05:00 GMT", "", now, 0, true},
		{"date, other clock", "Mon, 23 Nov 2026 12:05:00 GMT", "Mon, 23 Nov 2026 12:00:00 GMT", ahead, 5 * time.Minute, true},
	}
	for _, tt := range tests {
		h := http.Header{}
		h.Set("Retry-After", tt.value)
		h.Set("Date", tt.date)
		if got, ok := retryAfter(h, tt.now); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %s, %v; want %s, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

// TestRules: words of real authorities find their row, each in its place.
func TestRules(t *testing.T) {
	t.Parallel()
	tests := []struct {
		at     op
		typ    string
		status int
		detail string
		id     string
	}{
		{opNewOrder, "rejectedIdentifier", 400, "The server will not issue certificates for the identifier", "ca-name-policy-blocked"},
		{opNewOrder, "rejectedIdentifier", 400, "Profile \"classic\" does not permit ip type identifiers: IP address", "ca-ip-not-allowed"},
		{opNewOrder, "rejectedIdentifier", 400, "Domain name does not end with a valid public suffix (TLD)", "ca-name-not-public"},
		{opNewOrder, "rejectedIdentifier", 400, "Domain name is an ICANN TLD", "ca-name-is-suffix"},
		{opNewOrder, "malformed", 400, "Domain name contains malformed punycode", "ca-idn-malformed"},
		{opNewOrder, "malformed", 400, "Domain name contains an invalid character", "ca-name-bad-char"},
		{opNewOrder, "malformed", 400, "Order cannot contain more than 100 identifiers", "ca-too-many-names"},
		{opNewOrder, "invalidProfile", 400, "profile not recognized", "ca-profile-unknown"},
		{opAccount, "unauthorized", 403, "external account key was already used", "ca-eab-unknown-kid"},
		{opAccount, "malformed", 400, "HMAC does not match", "ca-eab-bad-hmac"},
		{opAccount, "invalidContact", 400, "contact email has invalid domain", "ca-invalid-contact"},
		{opOrder, "unauthorized", 403, "Account is not valid, has status \"deactivated\"", "ca-account-deactivated"},
		{opAuthz, "malformed", 404, "No such authorization", "ca-order-expired"},
		{opProof, "unauthorized", 403, "During secondary validation: 127.0.0.1: Invalid response", "ca-mpic-disagree"},
		// Validation failures: Boulder's words, then Pebble's.
		{opProof, "connection", 400, "192.0.2.1: Fetching http://example.test/.well-known/acme-challenge/x: Timeout during connect (likely firewall problem)", "http-timeout-drop"},
		{opProof, "connection", 400, "192.0.2.1: Fetching http://example.test/.well-known/acme-challenge/x: Timeout after connect (your server may be slow or overloaded)", ""},
		{opProof, "connection", 400, "192.0.2.1: Fetching http://example.test/.well-known/acme-challenge/x: Connection refused", "http-refused"},
		{opProof, "connection", 400, "192.0.2.1: Fetching http://example.test/.well-known/acme-challenge/x: Connection reset by peer", "http-reset"},
		{opProof, "connection", 400, "192.0.2.1: Fetching https://example.test/.well-known/acme-challenge/x: Redirect loop detected", "http-redirect-loop"},
		{opProof, "connection", 400, "192.0.2.1: Fetching http://example.test/.well-known/acme-challenge/x: Error getting validation data", ""},
		{opProof, "unauthorized", 403, "192.0.2.1: Invalid response from http://example.test/.well-known/acme-challenge/x: 404", "http-404-webroot"},
		{opProof, "unauthorized", 403, "192.0.2.1: Invalid response from http://example.test/.well-known/acme-challenge/404x: 403", ""},
		{opProof, "unauthorized", 403, "192.0.2.1: Invalid response from http://example.test:5002/.well-known/acme-challenge/x: 503", "http-5xx-app"},
		{opProof, "incorrectResponse", 403, "Invalid response from http://example.test/.well-known/acme-challenge/x: 404", "http-404-webroot"},
		{opProof, "incorrectResponse", 403, "The key authorization file from the server did not match this challenge", ""},
		{opProof, "dns", 400, "DNS problem: NXDOMAIN looking up A for example.test - check that a DNS record exists for this domain", "dns-nxdomain-host"},
		{opProof, "dns", 400, "DNS problem: NXDOMAIN looking up TXT for _acme-challenge.example.test - check that a DNS record exists for this domain", "dns-txt-missing"},
		{opProof, "dns", 400, "no valid A records found for example.test; no valid AAAA records found for example.test", "dns-nodata-address"},
		{opProof, "dns", 400, "No valid IP addresses found for example.test", "dns-nodata-address"},
		{opProof, "dns", 400, "DNS problem: SERVFAIL looking up A for example.test", ""},
		{opProof, "dns", 400, "While processing CAA for example.test: DNS problem: SERVFAIL looking up CAA for example.test", "caa-lookup-servfail"},
		{opProof, "caa", 403, "DNS problem: query timed out looking up CAA for example.test", "caa-lookup-servfail"},
		{opProof, "caa", 403, "CAA record for example.test prevents issuance", "caa-issue-excludes-ca"},
		{opFinalise, "caa", 403, "rechecking caa: While processing CAA for example.test: CAA record for example.test prevents issuance", "caa-issue-excludes-ca"},
		{opProof, "connection", 400, "Get \"http://example.test:5002/x\": dial tcp 127.0.0.1:5002: connect: connection refused", "http-refused"},
		{opProof, "connection", 400, "Get \"http://example.test:5002/x\": dial tcp 192.0.2.1:5002: i/o timeout (Client.Timeout exceeded while awaiting headers)", "http-timeout-drop"},
		{opProof, "connection", 400, "Get \"http://example.test:5002/x\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)", ""},
		{opProof, "connection", 400, "Get \"http://example.test:5002/x\": read tcp 127.0.0.1:40000->127.0.0.1:5002: read: connection reset by peer", "http-reset"},
		{opProof, "connection", 400, "Get \"http://example.test:5002/x\": error occurred while resolving URL \"http://example.test:5002/x\": DNS lookup for \"example.test\" returned an unsuccessful response: 3", "dns-nxdomain-host"},
		{opProof, "connection", 400, "Get \"http://example.test:5002/x\": could not resolve URL \"http://example.test:5002/x\"", "dns-nodata-address"},
		{opProof, "unauthorized", 403, "Non-200 status code from HTTP: http://example.test:5002/.well-known/acme-challenge/x returned 404", "http-404-webroot"},
		{opProof, "unauthorized", 403, "Non-200 status code from HTTP: http://example.test:5002/.well-known/acme-challenge/x returned 502", "http-5xx-app"},
		{opFinalise, "badCSR", 400, "CSR does not specify same identifiers as Order", "ca-csr-names-mismatch"},
		{opFinalise, "badCSR", 400, "invalid signature on CSR", "ca-csr-bad-signature"},
		{opFinalise, "badCSR", 400, "CSR contains a public key for a known account", "ca-csr-account-key-reuse"},
		{opFinalise, "badPublicKey", 400, "public key is forbidden: blocked", "ca-key-blocked"},
		{opFinalise, "orderNotReady", 403, "Order's status (\"pending\") is not acceptable for finalization", "ca-finalize-not-ready"},
		{opOrder, "malformed", 400, "JWS verification error", "ca-account-key-mismatch"},
		{opNewOrder, "", 500, "HTTP 500: oops", "ca-5xx"},
	}
	for _, tt := range tests {
		typ := tt.typ
		if typ != "" {
			typ = acmeError + typ
		}
		if r := judge(tt.at, typ, tt.status, tt.detail); r.id != tt.id {
			t.Errorf("%s %s %q: %q, want %q", tt.at, tt.typ, tt.detail, r.id, tt.id)
		}
	}
}

// TestEveryRuleIsWhole: each row says what to make of it, and the last one takes everything.
func TestEveryRuleIsWhole(t *testing.T) {
	t.Parallel()
	for i, r := range rules {
		if r.class == "" || r.owner == "" || r.cause == "" {
			t.Errorf("row %d (%s %s) lacks class, owner or cause: %+v", i, r.typ, r.at, r)
		}
	}
	if last := rules[len(rules)-1]; last.typ != "" || last.at != "" || last.status != 0 || last.words != nil {
		t.Error("the last row does not fit everything")
	}
}
