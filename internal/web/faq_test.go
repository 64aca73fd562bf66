package web

import (
	"strings"
	"testing"

	"certwright/internal/faq"
)

// The list, a search, an article, a word for it, a typo: what a person meets who looks something up.
func TestFAQPages(t *testing.T) {
	t.Parallel()
	h := New(fixtures().options())
	says(t, browse(t, h, "GET", "/faq").Body.String(), "Questions and answers", "Tasks", "Order a first certificate", "DNS and DNSSEC", "Certwright itself")
	says(t, browse(t, h, "GET", "/faq?q=port+80+firewall").Body.String(), "Found, the best first", "port 80")
	says(t, browse(t, h, "GET", "/faq?q=xyzzyplugh").Body.String(), "No article has anything of", "All articles")
	body := browse(t, h, "GET", "/faq/sync-reload-not-run").Body.String()
	says(t, body, "The server was not told", "What it means", "How it comes about", "How to tell it apart", "How to fix it", "How to prevent it")
	if !strings.Contains(body, `<a href="/faq/sync-reload-failed-own">`) || !strings.Contains(body, "<code>nginx -s reload</code>") {
		t.Errorf("links and code are not rendered: %s", body)
	}
	for path, to := range map[string]string{"/faq/Denied": "/faq/status-denied", "/faq?q=Pendingissuance": "/faq/status-pendingissuance"} {
		if got := browse(t, h, "GET", path); got.Code != 303 || got.Header().Get("Location") != to {
			t.Errorf("%s: %d to %s", path, got.Code, got.Header().Get("Location"))
		}
	}
	got := browse(t, h, "GET", "/faq/sync-reload-notrun")
	if got.Code != 404 {
		t.Errorf("a typo: %d", got.Code)
	}
	says(t, got.Body.String(), "There is no such article", "sync-reload-not-run")
}

// Whatever an article's text holds, no HTML and no script of it reaches the page.
func TestArticlesRenderNoHTML(t *testing.T) {
	t.Parallel()
	html, err := htmlOf(faq.Article{ID: "x", Sections: []faq.Section{{Label: "Means", Title: "<script>alert(1)</script>", Text: `<img src=x onerror=alert(1)> [go](javascript:alert(1)) <b>bold</b> ` + "`<i>code</i>`"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<img", `href="javascript:`, "<b>", "<i>"} {
		if strings.Contains(html, bad) {
			t.Errorf("%s reaches the page: %s", bad, html)
		}
	}
	for _, a := range faq.All() {
		if html, err := htmlOf(a); err != nil || strings.Contains(html, "raw HTML omitted") || strings.Count(html, "<h2") != 5 {
			t.Errorf("%s is not rendered whole: %v %s", a.ID, err, html)
		}
	}
}

// A finding's card leads to its article, and offers the action that heals it, whichever that is.
func TestFindingsLeadToArticles(t *testing.T) {
	t.Parallel()
	w := fixtures()
	o := w.options()
	o.Diagnose = w.diagnose
	w.report = &Report{Roots: []Root{{ID: "vault-secret-soft-deleted", Severity: "critical", Title: "The secret was deleted", FixText: "Recover it", FixCommand: "certwright order recover shop", Action: "recover",
		RuledOut: []RuledOut{{"vault-secret-purged", "the bin still has it"}, {"not-an-id", "nobody knows it"}}}}}
	h := New(o)
	body := browse(t, h, "GET", "/orders/shop/-/diagnosis", htmx).Body.String()
	for _, want := range []string{`href="/faq/vault-secret-soft-deleted"`, `href="/faq/vault-secret-purged"`, `action="/orders/shop/-/recover"`, ">Recover</button>"} {
		if !strings.Contains(body, want) {
			t.Errorf("the card lacks %s: %s", want, body)
		}
	}
	if strings.Contains(body, "/faq/not-an-id") {
		t.Error("a link leads nowhere")
	}
	if got := post(h, "/orders/shop/-/recover", nil, signedIn, htmx); got.Code != 200 || w.called() != "recover shop by alice" {
		t.Errorf("%d, called %q", got.Code, w.called())
	}
	says(t, post(h, "/orders/shop/-/resume-target", nil, signedIn, htmx).Body.String(), "Resume target: asked for.", "appears in the timeline")
	if got := post(h, "/orders/shop/-/revoke", nil, signedIn); got.Code < 400 {
		t.Errorf("revoke has a button: %d", got.Code)
	}
}
