package web

import (
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"certwright/internal/order"
)

// browse asks the pages as a signed-in browser without JavaScript.
func browse(t *testing.T, h http.Handler, method, path string, set ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "https://certwright.example.test:8443"+path, nil)
	r.AddCookie(&http.Cookie{Name: SessionCookie, Value: "s3ssion"})
	for _, f := range set {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func htmx(r *http.Request) { r.Header.Set("HX-Request", "true") }

var (
	tags   = regexp.MustCompile(`(?s)<[^>]*>`)
	spaces = regexp.MustCompile(`\s+`)
)

// words is what a page says: its text, one space between words.
func words(body string) string {
	return spaces.ReplaceAllString(html.UnescapeString(tags.ReplaceAllString(body, " ")), " ")
}

// says checks that a page says all of these, and in this order.
func says(t *testing.T, body string, want ...string) {
	t.Helper()
	rest := words(body)
	for _, s := range want {
		i := strings.Index(rest, s)
		if i < 0 {
			t.Fatalf("the page does not say %q (after what came before); it goes on: %.1500s", s, rest)
		}
		rest = rest[i+len(s):]
	}
}

func TestEveryPageOfEveryFixture(t *testing.T) {
	w := fixtures()
	o := w.options()
	o.Diagnose = w.diagnose
	h := New(o)
	paths := []string{"/", "/?q=shop", "/?state=failed", "/?status=Denied", "/timeline", "/timeline?status=failed", "/explore", exploreAt(allOrders), exploreAt(allOrders + "/mail"), "/faq", "/faq?q=expired+signature", "/faq?q=xyzzy", "/faq/sync-reload-not-run"}
	for _, f := range w.all {
		for _, sub := range []string{"timeline", "resource", "diagnosis"} {
			paths = append(paths, under(f.o.ID, sub))
		}
		paths = append(paths, orderPath(f.o.ID))
	}
	for _, path := range paths {
		for _, set := range [][]func(*http.Request){nil, {htmx}} {
			got := browse(t, h, "GET", path, set...)
			if got.Code != 200 || !strings.HasPrefix(got.Header().Get("Content-Type"), "text/html") {
				t.Errorf("%s: %d %s", path, got.Code, got.Header().Get("Content-Type"))
			}
			body := got.Body.String()
			for _, bad := range []string{" style=", "<style", "onclick", "hx-on", "javascript:", "%!", "0001-01-01", "<script>"} {
				if strings.Contains(body, bad) && !strings.HasSuffix(path, "/resource") && !(bad == "0001-01-01" && strings.HasPrefix(path, "/explore")) {
					t.Errorf("%s: the page contains %q", path, bad)
				}
			}
			if n := strings.Count(body, "<h1"); len(set) == 0 && n != 1 {
				t.Errorf("%s: %d main headings", path, n)
			}
		}
	}
}

// TestWhatThePagesSay holds for each state: the tile in App Service Certificates' words, what is wrong,
// since when, who must act, by when, and the way out.
func TestWhatThePagesSay(t *testing.T) {
	h := New(fixtures().options())
	for name, want := range map[string][]string{
		"mail":     {"Issued", "ready", "Nothing has to be done", "Order done", "Verify done", "3 names: 3 done", "Deploy done", "Next sync", "in 9 h", "Versions", "current", "replaced", "Renewal succeeded", "6 steps", "begun: An order was opened"},
		"blog":     {"Domain verification required", "press Verify", "Verify", "Waiting for the owner of the name", "Since 3 days ago", "Who must act the owner of the name", "By in 12 days", "Publish the TXT record certwright-verify=8f0c2d77", "certwright order verify blog", "Issue blocked"},
		"api":      {"Certificate denied", "cannot be restored", "Order again", "certwright order again api", "no proof was found"},
		"intranet": {"Certificate expired", "recovers once the cause below is gone", "New order failed", "names only digicert.com", "Since 26 days ago", "the administrator", "Overdue since 5 days ago", "Add the record", "certwright order renew intranet", "Evidence", "https://acme.example.net/new-order", "intranet.example.test: CAA record for example.test prevents issuance", "Finding caa-not-permitted", "Issue failed", "Versions", "expired", "tried 12 times"},
		"cdn":      {"Key Vault out of sync", "permission", "Sync", "Write the certificate to the vault failed", "no longer lets Certwright write", "secrets/set", "certwright order sync cdn", "Store failed", "tried again · looked at again in 20 min", "Deploy blocked"},
		"shop":     {"Deploy failed", "The certificate is issued, but not every target has it", "Reload haproxy", "Since 3 h 20 min ago", "By in 8 h", "Stop the other tool", "exit status 1", "expected key of version 2 seen key of version 1", "Deploy failed version 2 since 3 h 20 min ago", "2 targets: 1 failed, 1 done", "Serve blocked"},
		"old":      {"Revoked", "cannot be undone", "revoked"},
		"login":    {"Rekey", "new key", "Issue waiting", "next to act: the certificate authority"},
		"db":       {"Imported", "brought", "It expires in 11 days and nothing renews it", "Verify not part of this order", "Imported from", "/etc/letsencrypt/live"},
		"partner":  {"Not verifiable", "can be seen from here", "Serve not verifiable", "does not answer"},
	} {
		t.Run(name, func(t *testing.T) { says(t, browse(t, h, "GET", "/orders/"+name).Body.String(), want...) })
	}
}

func TestButtonsFitTheState(t *testing.T) {
	h := New(fixtures().options())
	for name, want := range map[string]string{"mail": "sync", "blog": "verify", "shop": "sync", "partner": "", "api": "", "old": ""} {
		body := browse(t, h, "GET", "/orders/"+name).Body.String()
		for _, b := range []string{"sync", "verify"} {
			has := strings.Contains(body, `action="/orders/`+name+`/-/`+b+`"`)
			if has != (b == want) {
				t.Errorf("%s: button %s there: %v", name, b, has)
			}
		}
	}
}

func TestListSays(t *testing.T) {
	h := New(fixtures().options())
	body := browse(t, h, "GET", "/").Body.String()
	says(t, body, "10 All orders", "4 Something failed", "1 Key Vault out of sync", "1 Certificate expired", "1 Certificate denied", "1 Domain verification required", "1 Rekey", "1 Revoked", "5 Issued",
		"Certificate denied api", "Domain verification required blog", "Verify: waiting", "no certificate", "Certificate expired intranet", "Issue: failed", "CAA at example.test does not permit le", "Next to act: the administrator", "expired 5 days ago",
		"Deploy failed shop", "Deploy: failed", "1 of 2 targets failed", "expires in 50 days")
	filtered := words(browse(t, h, "GET", "/?status=Denied").Body.String())
	if strings.Contains(filtered, "intranet") || !strings.Contains(filtered, "api.example.test") {
		t.Errorf("the filter does not filter: %s", filtered)
	}
	says(t, browse(t, h, "GET", "/?q=nothing-like-it").Body.String(), "No order fits", `with "nothing-like-it" in a name`)
}

func TestEmptyListTellsTheFirstCommand(t *testing.T) {
	h := New((&world{}).options())
	says(t, browse(t, h, "GET", "/").Body.String(), "No orders yet", "certwright order create www --dns www.example.test")
}

func TestListPages(t *testing.T) {
	w := &world{}
	for i := range 60 {
		w.all = append(w.all, base(fmt.Sprintf("o%02d", i), "x.example.test"))
	}
	h := New(w.options())
	path, seen := "/?status=Issued", 0
	next := regexp.MustCompile(`href="([^"]*)" rel="next"`)
	for range 5 {
		body := browse(t, h, "GET", path).Body.String()
		seen += strings.Count(body, `class="row `)
		m := next.FindStringSubmatch(body)
		if m == nil {
			break
		}
		path = html.UnescapeString(m[1])
		if !strings.Contains(path, "status=Issued") {
			t.Fatalf("the next page lost the filter: %s", path)
		}
	}
	if seen != 60 {
		t.Errorf("%d orders over all pages, want 60", seen)
	}
}

func TestNamesAreEscaped(t *testing.T) {
	w := &world{}
	evil := `<script>alert(1)</script>"'><img src=x onerror=alert(1)>`
	f := base("x", evil)
	f.o.Spec.Tags = map[string]string{evil: evil}
	f.o.Spec.ImportedFrom, f.pr.Text = evil, evil
	f.path[2] = order.Stage{Stage: order.StageIssue, State: order.StateFail, Owner: evil, Next: evil, Problem: &order.Problem{What: evil, Where: evil, Detail: evil, Cause: evil, Fix: evil, ID: evil},
		Rows: []order.Row{{Name: evil, Text: evil, State: order.StateFail}}}
	f.events = failing(f.o.ID, 1, 2, evil, order.StageIssue, evil)
	w.all = append(w.all, f)
	w.report = &Report{Roots: []Root{{ID: evil, Title: evil, Cause: evil, FixCommand: evil, Evidence: []Evidence{{Subject: evil, Seen: evil, Command: evil}}}}, BlindSpots: []string{evil}}
	o := w.options()
	o.Diagnose = w.diagnose
	h := New(o)
	for _, path := range []string{"/", "/?q=" + url.QueryEscape(evil), "/orders/x", "/orders/x/-/timeline", "/orders/x/-/resource", "/orders/x/-/diagnosis",
		"/orders/" + url.PathEscape(evil), "/nothing/" + url.PathEscape(evil)} {
		body := browse(t, h, "GET", path).Body.String()
		if strings.Contains(body, "<script>") || strings.Contains(body, "<img") {
			t.Errorf("%s: not escaped", path)
		}
	}
}

func TestSealedKeysAreNotShown(t *testing.T) {
	w := &world{}
	f := base("x", "x.example.test")
	f.o.Attempts = []order.Attempt{{ID: "a1", Phase: order.Begun, Sealed: []byte("sealed-private-key")}}
	w.all = append(w.all, f)
	body := browse(t, New(w.options()), "GET", "/orders/x/-/resource").Body.String()
	says(t, body, "attempts", "a1")
	if strings.Contains(body, "sealed") || strings.Contains(body, "c2VhbGVk") {
		t.Error("the resource shows the sealed key")
	}
}

func TestNotFoundAndBroken(t *testing.T) {
	w := fixtures()
	h := New(w.options())
	for path, want := range map[string]string{"/orders/nobody": "There is no such order", "/orders/s/g/nobody": "There is no such order", "/elsewhere": "There is no such page"} {
		got := browse(t, h, "GET", path)
		if got.Code != 404 {
			t.Errorf("%s: %d", path, got.Code)
		}
		says(t, got.Body.String(), want)
	}
	w.broken = errors.New("the database is locked")
	for _, path := range []string{"/", "/orders/mail"} {
		got := browse(t, h, "GET", path)
		if got.Code != 500 {
			t.Errorf("%s: %d", path, got.Code)
		}
		says(t, got.Body.String(), "cannot be read", "database is locked.")
	}
}

func TestFullAddress(t *testing.T) {
	w := &world{}
	f := base("x", "x.example.test")
	f.o.ID = order.ID{Subscription: "11111111-0000-0000-0000-000000000001", Group: "shops", Name: "x"}
	w.all = append(w.all, f)
	h := New(w.options())
	body := browse(t, h, "GET", "/orders/11111111-0000-0000-0000-000000000001/SHOPS/X").Body.String()
	says(t, body, "x.example.test")
	if !strings.Contains(body, `/orders/11111111-0000-0000-0000-000000000001/shops/x/-/timeline`) {
		t.Error("the order's other pages are not under its full address")
	}
	if got := browse(t, h, "GET", "/orders/x"); got.Code != 404 {
		t.Errorf("the short address finds an order of another group: %d", got.Code)
	}
}

func TestDiagnosis(t *testing.T) {
	w := fixtures()
	o := w.options()
	o.Diagnose = w.diagnose
	h := New(o)
	// A diagnosis that fails leaves what is recorded, and says why there is no better.
	says(t, browse(t, h, "GET", "/orders/shop/-/diagnosis", htmx).Body.String(), "Reload haproxy", "No diagnosis could be made", "did not answer in time")
	w.report = hungReport()
	body := browse(t, h, "GET", "/orders/shop/-/diagnosis").Body.String()
	says(t, body, "Another tool overwrites shop.pem", "changed 4 seconds after", "Since 3 h 20 min ago", "the administrator", "Take shop.pem out", "Sync", "certwright order sync shop", "Evidence (1)", "openssl x509", "What it is not (1)", "sync-reload-not-run", "Finding deploy-file-overwritten", "What could not be seen (1)")
	w.report = &Report{Healthy: true}
	says(t, browse(t, h, "GET", "/orders/mail/-/diagnosis").Body.String(), "Nothing is wrong")
	if got := browse(t, h, "GET", "/orders/mail/-/diagnosis", htmx).Body.String(); strings.TrimSpace(got) != "" {
		t.Errorf("a healthy order's card: %s", got)
	}
}

func TestTimelinePages(t *testing.T) {
	w := &world{}
	f := base("x", "x.example.test")
	f.events = nil
	for i := range 450 {
		f.events = append(f.events, order.Event{Seq: int64(i + 1), ID: fmt.Sprint(i), Order: f.o.ID, At: now.Add(time.Duration(i-450) * dayLong), Correlation: fmt.Sprint(i),
			Name: "updated", Stage: order.StageOrder, Status: order.Succeeded, Text: fmt.Sprintf("change number %d.", i+1)})
	}
	w.all = append(w.all, f)
	h := New(w.options())
	path, seen := "/orders/x/-/timeline", 0
	next := regexp.MustCompile(`href="([^"]*)" rel="next"`)
	for range 5 {
		body := browse(t, h, "GET", path).Body.String()
		seen += strings.Count(words(body), "change number")
		m := next.FindStringSubmatch(body)
		if m == nil {
			break
		}
		path = html.UnescapeString(m[1])
	}
	if seen != 450 {
		t.Errorf("%d events over all parts, want 450", seen)
	}
	says(t, browse(t, h, "GET", "/orders/x").Body.String(), "change number 450", "The whole timeline")
}

func TestResourceTree(t *testing.T) {
	n, err := parseTree([]byte(`{"b":1,"a":[true,null,"<x>",{}],"n":12345678901234567890}`))
	if err != nil || len(n.Kids) != 3 || n.Kids[0].Key != "b" || n.Kids[1].Kids[2].Value != `"<x>"` || n.Kids[2].Value != "12345678901234567890" {
		t.Errorf("%+v %v", n, err)
	}
	for _, bad := range []string{"", "{", "1 2", strings.Repeat("[", 40) + strings.Repeat("]", 40)} {
		if _, err := parseTree([]byte(bad)); err == nil {
			t.Errorf("%.20q was taken", bad)
		}
	}
}

func TestStreamTellsWhatThePageMissed(t *testing.T) {
	w := fixtures()
	o := w.options()
	o.Heartbeat, o.Tick = time.Hour, time.Hour
	s := serve(t, o)
	first := func(path string) string {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL+path, nil)
		r.AddCookie(&http.Cookie{Name: SessionCookie, Value: "s3ssion"})
		res, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("%s: %d %s", path, res.StatusCode, res.Header)
		}
		w.change("mail", func(*fixture) {}) // whatever the page has seen, this it has not
		var got strings.Builder
		buf := make([]byte, 512)
		for !strings.Contains(got.String(), "changed\n\n") {
			n, err := res.Body.Read(buf)
			got.Write(buf[:n])
			if err != nil && !errors.Is(err, io.EOF) || n == 0 {
				t.Fatalf("%q %v", got.String(), err)
			}
		}
		return got.String()
	}
	for _, path := range []string{"/orders/mail/-/live?seen=7", "/orders/mail/-/live?seen=6", "/live?seen=old"} {
		if got := first(path); !strings.HasPrefix(got, "event: hello\n") {
			t.Errorf("%s: %q", path, got)
		}
	}
}

func TestStreamsAreBounded(t *testing.T) {
	o := fixtures().options()
	o.Streams = 1
	p := &pages{Options: o, streams: make(chan struct{}, 1)}
	p.streams <- struct{}{}
	w := httptest.NewRecorder()
	p.stream(w, httptest.NewRequest("GET", "/live", nil), audience{})
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d", w.Code)
	}
	<-p.streams
}
