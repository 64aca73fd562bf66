package issue

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/testworld"
)

func TestBuiltinBegin(t *testing.T) {
	t.Parallel()
	w := newBuiltinWorld(t, func(o *BuiltinOptions) { o.NoControl = false })
	one := func(method order.Method, name string) fulfill.Request {
		r := builtinRequest("a1", name)
		r.Method = method
		return r
	}
	tests := []struct {
		name   string
		r      fulfill.Request
		method order.Method
		token  string // exactly, or its end
		id     string
	}{
		{"default of a name", one("", "www.example.test"), order.MethodHTML, ".html", ""},
		{"default of a wildcard", one("", "*.www.example.test"), order.MethodTXT, "example.test", ""},
		{"TXT at the registered domain", one("txt", "a.b.example.co.uk"), order.MethodTXT, "example.co.uk", ""},
		{"TXT below a company's suffix", one("txt", "www.me.github.io"), order.MethodTXT, "me.github.io", ""},
		{"TXT of a name without a dot", one("txt", "intranet"), order.MethodTXT, "intranet", ""},
		{"an IP address", one("html", "127.0.0.1"), order.MethodHTML, ".html", ""},
		{"TXT of an IP address", one("txt", "127.0.0.1"), "", "", "ca-challenge-not-offered"},
		{"a page for a wildcard", one("html", "*.example.test"), "", "", "ca-wildcard-needs-dns"},
		{"http-01", one("http-01", "www.example.test"), "", "", "ca-challenge-not-offered"},
		{"a public suffix", one("", "co.uk"), "", "", "ca-name-is-suffix"},
		{"a wildcard over one", one("", "*.co.uk"), "", "", "ca-name-is-suffix"},
		{"upper case", one("", "WWW.example.test"), "", "", "ca-name-bad-char"},
		{"an underscore", one("", "a_b.test"), "", "", "ca-name-bad-char"},
		{"nothing", fulfill.Request{Attempt: "a1"}, "", "", "ca-too-many-names"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := w.Begin(t.Context(), tt.r)
			if tt.id != "" {
				builtinWant(t, err, order.GiveUp, tt.id)
				return
			}
			if err != nil || len(o.Proofs) != 1 || o.URL != "builtin:a1" || o.Account == "" {
				t.Fatalf("%+v, %v", o, err)
			}
			p := o.Proofs[0]
			if p.Method != tt.method || !strings.HasSuffix(p.Token, tt.token) || p.Value != tt.r.Tokens[p.Name.Value] || p.Done {
				t.Errorf("proof %+v", p)
			}
			if strings.Contains(p.URL+p.Token, p.Value) {
				t.Errorf("the request would hold the token: %+v", p)
			}
			again, err := w.Begin(t.Context(), tt.r)
			if err != nil || again.Proofs[0] != p {
				t.Errorf("repeated: %+v, %v", again, err)
			}
		})
	}
}

func TestBuiltinBeginTakesWhatIsProven(t *testing.T) {
	t.Parallel()
	w := newBuiltinWorld(t, func(o *BuiltinOptions) { o.NoControl = false })
	r := builtinRequest("a1", "a.test", "b.test", "*.c.test", "d.test")
	now, later := time.Now(), time.Now().Add(time.Hour)
	before := now.Add(-time.Second)
	r.Proven["a.test"] = order.Identifier{Verified: &now, ValidUntil: &later, Method: order.MethodHTML}
	r.Proven["b.test"] = order.Identifier{Verified: &now, ValidUntil: &before, Method: order.MethodHTML}
	r.Proven["*.c.test"] = order.Identifier{Verified: &now, ValidUntil: &later, Method: order.MethodHTML} // a page proves no wildcard
	r.Proven["d.test"] = order.Identifier{ValidUntil: &later}
	o, err := w.Begin(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range o.Proofs {
		names = append(names, p.Name.Value)
	}
	if got := strings.Join(names, " "); got != "b.test *.c.test d.test" {
		t.Errorf("proofs for %s", got)
	}
	if _, err := w.Finalise(t.Context(), r, o, builtinCSR(t, builtinECKey(t), "a.test", "b.test", "*.c.test", "d.test")); err == nil {
		t.Error("signed without proofs")
	} else {
		builtinWant(t, err, order.GiveUp, "verify-lapsed")
	}
	if len(w.book.recorded) != 0 {
		t.Error("a serial was recorded for names that are not proven")
	}
}

// builtinCAAZone is a zone with every kind of CAA set.
const builtinCAAZone = `none A 127.0.0.1
ours CAA 0 issue "certwright.internal"
other CAA 0 issue "other.example"
wild CAA 0 issue "certwright.internal"
wild CAA 0 issuewild "other.example"
wildours CAA 0 issue "other.example"
wildours CAA 0 issuewild "certwright.internal"
deny CAA 0 issue ";"
account CAA 0 issue "certwright.internal; accounturi=https://certwright.internal/account/builtin"
foreign CAA 0 issue "certwright.internal; accounturi=https://certwright.internal/account/x"
method CAA 0 issue "certwright.internal; validationmethods=ca-txt"
nomethod CAA 0 issue "certwright.internal; validationmethods=dns-01,ca-html"
critical CAA 128 tbs "x"
critical1 CAA 1 tbs "x"
malformed CAA 0 issue "certwright.internal; a_b=1"
alias CNAME deny
`

func TestBuiltinCAAOnBIND(t *testing.T) {
	t.Parallel()
	// Every domain's token stands at test's child; example names share nothing but the top-level domain.
	var records strings.Builder
	records.WriteString(builtinCAAZone)
	tests := []struct{ name, id string }{
		{"none.test", ""},
		{"ours.test", ""},
		{"*.ours.test", ""},
		{"a.b.ours.test", ""},
		{"other.test", "caa-issue-excludes-ca"},
		{"a.b.other.test", "caa-parent-inherited"},
		{"wild.test", ""},
		{"*.wild.test", "caa-issuewild-excludes"},
		{"wildours.test", "caa-issue-excludes-ca"},
		{"*.wildours.test", ""},
		{"deny.test", "caa-deny-all"},
		{"account.test", ""},
		{"foreign.test", "caa-accounturi-mismatch"},
		{"method.test", ""},
		{"nomethod.test", "caa-validationmethods"},
		{"critical.test", "caa-critical-unknown"},
		{"critical1.test", "caa-critical-unknown"},
		{"malformed.test", "caa-malformed-param"},
		{"alias.test", "caa-deny-all"},
	}
	var w *builtinWorld
	requests := make([]fulfill.Request, len(tests))
	for i, tt := range tests {
		requests[i] = builtinRequest(fmt.Sprintf("a%d", i), tt.name)
		requests[i].Method = order.MethodTXT
		requests[i].Tokens[tt.name] = fmt.Sprintf("token-%026d", i)
		if root := builtinRootDomain(tt.name); root != "alias.test" { // a CNAME stands alone
			fmt.Fprintf(&records, "%s. TXT %q\n", root, requests[i].Tokens[tt.name])
		} else {
			fmt.Fprintf(&records, "deny TXT %q\n", requests[i].Tokens[tt.name])
		}
	}
	resolver := builtinNamed(t, records.String())
	w = newBuiltinWorld(t, func(o *BuiltinOptions) {
		o.NoCAA, o.NoControl = false, false
		o.Looks = builtinEyes(&builtinClock{}, resolver)
	})
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := w.Begin(t.Context(), requests[i])
			if err != nil {
				t.Fatal(err)
			}
			o.Proofs, err = w.Validate(t.Context(), requests[i], o)
			if err != nil {
				t.Fatal(err)
			}
			p := o.Proofs[0]
			chain, err := w.Finalise(t.Context(), requests[i], o, builtinCSR(t, builtinECKey(t), tt.name))
			if tt.id == "" {
				if p.Problem != nil || !p.Done || p.ValidTill == nil || err != nil || len(chain) != 2 {
					t.Errorf("want a certificate, got proof %+v, %v", p, err)
				}
				return
			}
			if p.Done || p.Problem == nil {
				t.Fatalf("proof %+v, want %s", p, tt.id)
			}
			builtinWant(t, p.Problem, order.GiveUp, tt.id)
			if !strings.Contains(p.Problem.Detail, "CAA record for ") || !strings.HasSuffix(p.Problem.Type, ":caa") || p.Problem.Fix == "" {
				t.Errorf("words: %+v", p.Problem)
			}
			if err == nil {
				t.Error("signed against the CAA set")
			}
		})
	}
}

func TestBuiltinCAALookups(t *testing.T) {
	t.Parallel()
	d := testworld.StartDNS(t, "www.example.test. 60 IN A 127.0.0.1")
	w := newBuiltinWorld(t, nil)
	w.opt.NoCAA, w.opt.Looks = false, builtinEyes(w.clock, d.Addr)
	r := builtinRequest("a1", "www.example.test")
	csr := builtinCSR(t, builtinECKey(t), "www.example.test")
	set := func(name, rtype string, rcode int) {
		if err := d.Fail(name, rtype, rcode); err != nil {
			t.Fatal(err)
		}
	}
	set("example.test", "CAA", dns.RcodeServerFailure)
	_, err := w.finalise(t, r, csr)
	builtinWant(t, err, order.Retry, "caa-lookup-servfail")
	set("www.example.test", "CAA", dns.RcodeServerFailure)
	set("www.example.test", "A", dns.RcodeServerFailure)
	_, err = w.finalise(t, r, csr)
	builtinWant(t, err, order.Retry, "") // everything fails: nothing special about CAA
	for _, n := range []string{"example.test", "www.example.test"} {
		set(n, "CAA", dns.RcodeSuccess)
	}
	if _, err = w.finalise(t, r, csr); err != nil {
		t.Fatal(err)
	}
	// A yes counts for 8 hours, then the set is read again.
	if err := d.Set("example.test", "CAA", `0 issue ";"`); err != nil {
		t.Fatal(err)
	}
	w.clock.Add(7 * time.Hour)
	if _, err := w.finalise(t, builtinRequest("a2", "www.example.test"), csr); err != nil {
		t.Errorf("within 8 hours: %v", err)
	}
	w.clock.Add(2 * time.Hour)
	_, err = w.finalise(t, builtinRequest("a3", "www.example.test"), csr)
	builtinWant(t, err, order.GiveUp, "caa-deny-all")
	if n := len(w.book.recorded); n != 2 {
		t.Errorf("%d serials recorded, want 2", n)
	}
}

func TestBuiltinTXT(t *testing.T) {
	t.Parallel()
	const token = "0123456789abcdef0123456789abcdef"
	tests := []struct {
		name    string
		records []string
		fail    string // type that fails at the domain
		class   order.Class
		id      string
	}{
		{"there", []string{"example.test. 1 IN TXT " + token}, "", "", ""},
		{"there among others", []string{`example.test. 1 IN TXT "v=spf1 -all"`, "example.test. 1 IN TXT " + token}, "", "", ""},
		{"nothing", nil, "", order.Waiting, "dns-txt-missing"},
		{"only others", []string{`example.test. 1 IN TXT "v=spf1 -all"`}, "", order.Waiting, "dns-txt-missing"},
		{"wrong", []string{"example.test. 1 IN TXT 1123456789abcdef0123456789abcdef"}, "", order.Waiting, "dns-txt-wrong-value"},
		{"quoted", []string{`example.test. 1 IN TXT "\"` + token + `\""`}, "", order.Waiting, "dns-txt-quoted"},
		{"at the name", []string{"www.example.test. 1 IN TXT " + token}, "", order.Waiting, "txt-not-at-root"},
		{"as for ACME", []string{"_acme-challenge.example.test. 1 IN TXT " + token}, "", order.Waiting, "txt-not-at-root"},
		{"twice the zone", []string{"example.test.example.test. 1 IN TXT " + token}, "", order.Waiting, "dns-txt-double-label"},
		{"SERVFAIL", nil, "TXT", order.Retry, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := testworld.StartDNS(t, append(tt.records, "www.example.test. 1 IN A 127.0.0.1")...)
			if tt.fail != "" {
				if err := d.Fail("example.test", tt.fail, dns.RcodeServerFailure); err != nil {
					t.Fatal(err)
				}
			}
			w := newBuiltinWorld(t, nil)
			w.opt.NoControl, w.opt.Looks = false, builtinEyes(w.clock, d.Addr)
			r := builtinRequest("a1", "www.example.test")
			r.Method, r.Tokens["www.example.test"] = order.MethodTXT, token
			builtinCheck(t, w, r, tt.class, tt.id)
		})
	}
}

// builtinCheck validates the only name and compares the outcome; an empty class means control is shown.
func builtinCheck(t *testing.T, w *builtinWorld, r fulfill.Request, class order.Class, id string) *order.Problem {
	t.Helper()
	o, err := w.Begin(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	proofs, err := w.Validate(t.Context(), r, o)
	if len(proofs) != 1 {
		t.Fatalf("%d proofs, %v", len(proofs), err)
	}
	p := proofs[0]
	if class == "" {
		if err != nil || p.Problem != nil || !p.Done || p.ValidTill == nil {
			t.Errorf("want control shown, got %+v, %v", p.Problem, err)
		}
		return nil
	}
	if p.Done || p.Problem == nil {
		t.Fatalf("proof %+v", p)
	}
	if class != order.GiveUp {
		builtinWant(t, err, class, id)
	}
	builtinWant(t, p.Problem, class, id)
	if p.Problem.Owner != order.OwnerOwner || p.Problem.Fix == "" {
		t.Errorf("nobody knows what to do: %+v", p.Problem)
	}
	return p.Problem
}

func TestBuiltinPage(t *testing.T) {
	t.Parallel()
	const host = "www.example.test"
	var token string
	r := builtinRequest("a1", host)
	token = r.Tokens[host]
	say := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	to := func(where string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/end" {
				fmt.Fprint(w, token)
				return
			}
			http.Redirect(w, r, where, http.StatusFound)
		}
	}
	tests := []struct {
		name  string
		page  http.HandlerFunc
		class order.Class
		id    string
	}{
		{"there", say(200, "text/html", token), "", ""},
		{"with a newline", say(200, "text/plain", token+"\r\n"), "", ""},
		{"after a redirect", to("/end"), "", ""},
		{"missing", say(404, "text/html", "no"), order.Waiting, "html-token-404"},
		{"a page for everything", say(200, "text/html; charset=utf-8", "<!doctype html><HTML>hello"), order.Waiting, "http-html-200"},
		{"byte order mark", say(200, "text/plain", "\xef\xbb\xbf"+token), order.Waiting, "http-body-bom"},
		{"more than the token", say(200, "text/plain", token+" and more"), order.Waiting, "http-body-too-long"},
		{"another token", say(200, "text/plain", "another"), order.Waiting, ""},
		{"password", say(401, "text/html", ""), order.Retry, "http-401"},
		{"forbidden", say(403, "text/html", ""), order.Retry, ""},
		{"application down", say(502, "text/html", ""), order.Retry, "http-5xx-app"},
		{"loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, order.Retry, "http-redirect-loop"},
		{"to another port", to("http://www.example.test:8443/"), order.Retry, "http-redirect-bad-port"},
		{"slash missing", to("https://www.example.test.well-known/x"), order.Retry, "http-redirect-missing-slash"},
		{"to ftp", to("ftp://www.example.test/"), order.Retry, "http-redirect-bad-scheme"},
		{"to nowhere", to("http://nowhere.example.test/"), order.Retry, "http-redirect-bad-host"},
		{"to metadata", to("http://169.254.169.254/latest"), order.Retry, "http-redirect-bad-host"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := testworld.StartDNS(t, host+". 1 IN A 127.0.0.1")
			port := builtinWeb(t, tt.page)
			w := newBuiltinWorld(t, nil)
			w.opt.NoControl, w.opt.HTTPPort, w.opt.Looks = false, port, builtinEyes(w.clock, d.Addr, port)
			builtinCheck(t, w, r, tt.class, tt.id)
		})
	}
}

func TestBuiltinPageUnreachable(t *testing.T) {
	t.Parallel()
	const host = "www.example.test"
	port := builtinWeb(t, func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) })
	tests := []struct {
		name, record string
		port         int
		id           string
	}{
		{"no such name", "other.test. 1 IN A 127.0.0.1", port, "dns-nxdomain-host"},
		{"no address", host + ". 1 IN TXT x", port, "dns-nodata-address"},
		{"refused", host + ". 1 IN A 127.0.0.99", port, "http-refused"},
		{"private", host + ". 1 IN A 10.0.0.1", port, "dns-private-address"},
		{"cut off", host + ". 1 IN A 127.0.0.1", port, "http-reset"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := testworld.StartDNS(t, tt.record)
			w := newBuiltinWorld(t, nil)
			w.opt.NoControl, w.opt.HTTPPort, w.opt.Looks = false, tt.port, builtinEyes(w.clock, d.Addr, tt.port)
			p := builtinCheck(t, w, builtinRequest("a1", host), order.Retry, tt.id)
			if !strings.Contains(p.Detail, "Fetching http://"+host) {
				t.Errorf("words: %s", p.Detail)
			}
		})
	}
}

func TestBuiltinPageFallsBackFromIPv6OnlyWithoutConnection(t *testing.T) {
	t.Parallel()
	d := testworld.StartDNS(t, "www.example.test. 1 IN A 127.0.0.1", "www.example.test. 1 IN AAAA ::1")
	r := builtinRequest("a1", "www.example.test")
	port := builtinWeb(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, r.Tokens["www.example.test"]) }) // on 127.0.0.1 alone
	w := newBuiltinWorld(t, nil)
	w.opt.NoControl, w.opt.HTTPPort, w.opt.Looks = false, port, builtinEyes(w.clock, d.Addr, port)
	builtinCheck(t, w, r, "", "")
}

func TestBuiltinValidateSeveralNames(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	published := map[string]string{}
	port := builtinWeb(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		host, _, _ := strings.Cut(r.Host, ":")
		if v, ok := published[host+r.URL.Path]; ok {
			fmt.Fprint(w, v)
			return
		}
		http.NotFound(w, r)
	})
	d := testworld.StartDNS(t)
	d.Default("127.0.0.1")
	w := newBuiltinWorld(t, nil)
	w.opt.NoControl, w.opt.NoCAA, w.opt.HTTPPort, w.opt.Looks = false, false, port, builtinEyes(w.clock, d.Addr, port)
	r := builtinRequest("a1", "a.test", "b.test", "c.test")
	o, err := w.Begin(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	publish := func(p order.Proof) {
		mu.Lock()
		defer mu.Unlock()
		published[p.Name.Value+"/.well-known/pki-validation/"+p.Token] = p.Value
	}
	publish(o.Proofs[0])
	o.Proofs, err = w.Validate(t.Context(), r, o)
	builtinWant(t, err, order.Waiting, "html-token-404")
	if !o.Proofs[0].Done || o.Proofs[1].Done || o.Proofs[1].Problem == nil {
		t.Fatalf("%+v", o.Proofs)
	}
	publish(o.Proofs[1])
	publish(o.Proofs[2])
	mu.Lock()
	clear(published) // what was seen once need not stay
	mu.Unlock()
	publish(o.Proofs[1])
	publish(o.Proofs[2])
	if o.Proofs, err = w.Validate(t.Context(), r, o); err != nil {
		t.Fatal(err)
	}
	chain, err := w.Finalise(t.Context(), r, o, builtinCSR(t, builtinECKey(t), "a.test", "b.test", "c.test"))
	if err != nil || len(chain) != 2 {
		t.Fatal(err)
	}
	if err := d.Set("b.test", "CAA", `0 issue "other.example"`); err != nil {
		t.Fatal(err)
	}
	w.clock.Add(9 * time.Hour)
	r.Attempt = "a2"
	_, err = w.Finalise(t.Context(), r, o, builtinCSR(t, builtinECKey(t), "a.test", "b.test", "c.test"))
	if p := builtinWant(t, err, order.GiveUp, "caa-issue-excludes-ca"); !strings.HasPrefix(p.Detail, "rechecking caa: ") {
		t.Errorf("words: %s", p.Detail)
	}
	w.clock.Add(200 * 24 * time.Hour)
	_, err = w.Finalise(t.Context(), r, o, builtinCSR(t, builtinECKey(t), "a.test", "b.test", "c.test"))
	builtinWant(t, err, order.GiveUp, "verify-lapsed")
}
