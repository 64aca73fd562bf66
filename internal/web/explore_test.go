package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"certwright/internal/arm"
	"certwright/internal/order"
)

const (
	aSubscription = "/subscriptions/" + order.DefaultSubscription
	aGroup        = aSubscription + "/resourceGroups/" + order.DefaultGroup
	allOrders     = aGroup + "/providers/" + order.Type
)

// ask answers as the API does, of the fixtures' orders.
func (w *world) ask(_ *http.Request, address string) (int, []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, err := url.Parse(address)
	if err != nil {
		return 400, nil
	}
	orders := []any{}
	var sums []order.Summary
	for _, f := range w.all {
		r := arm.Resource{ID: f.o.ID.String(), Name: f.o.ID.Name, Type: order.Type, Location: "Global", Properties: arm.Properties{ProvisioningState: "Succeeded", Status: f.pr.Status, Names: []string{"<b>" + f.o.Spec.Names[0].Value}, Path: f.path, Worst: f.pr}}
		if u.Path == r.ID {
			return said(r)
		}
		orders = append(orders, r)
		if strings.Contains(f.o.ID.Name, u.Query().Get("q")) {
			sums = append(sums, order.Summary{ID: f.o.ID, Projection: f.pr})
		}
	}
	list := func(v ...any) (int, []byte) { return said(map[string]any{"value": v}) }
	subscription := arm.Subscription{ID: aSubscription, UUID: order.DefaultSubscription, Name: "Main", State: "Enabled"}
	group := arm.GroupOf(order.Group{Subscription: order.DefaultSubscription, Name: order.DefaultGroup})
	switch u.Path {
	case "/v1/orders":
		return said(map[string]any{"value": sums})
	case "/subscriptions":
		return list(subscription)
	case aSubscription:
		return said(subscription)
	case aSubscription + "/resourceGroups":
		return list(group)
	case aGroup:
		return said(group)
	case aSubscription + "/providers/Microsoft.Web/sites":
		return list(arm.Generic{ID: aGroup + "/providers/Microsoft.Web/sites/shopfront", Name: "shopfront", Type: "Microsoft.Web/sites"})
	case allOrders:
		return said(map[string]any{"value": orders, "nextLink": "https://certwright.example.test" + allOrders + "?$skiptoken=T&api-version=x"})
	case "/providers", "/providers/Certwright/issuers", "/providers/Certwright/commands":
		return list()
	}
	return 404, []byte(`{"error":{"code":"NotFound","message":"there is no such thing","fix":"See what there is"}}`)
}

func said(v any) (int, []byte) {
	b, _ := json.Marshal(v) // made of what JSON has
	return 200, b
}

func TestExplorer(t *testing.T) {
	h := New(fixtures().options())
	tree := []string{"subscriptions", "Main", "resourceGroups", "default", "certificateOrders"}
	for path, want := range map[string][]string{
		"/explore":                     append(tree[:len(tree):len(tree)], "providers", "issuers", "Everything that the API has"),
		exploreAt(allOrders):           append(tree[:len(tree):len(tree)], "api", "shop", "certificateOrders", "api", "mail", "haproxy does not load the new certificate.", "Next page", `curl --cacert ca.pem -H "Authorization: Bearer $TOKEN" 'https://certwright.example.test:8443`+allOrders+`?api-version=2024-11-01'`, "az rest --method get --url"),
		exploreAt(allOrders + "/shop"): append(tree[:len(tree):len(tree)], "shop", "Deploy failed", "1 of 2 targets failed", "Look closer: certwright diagnose shop", "JSON", "properties", "The same in a shell", "What can be done here", "PUT", "renew", "Ask for a new version", order.Type+"/renew/Action"),
		"/explore?at=orders/mail":      {"mail", "Issued", "JSON", `"<b>mail.example.test"`},
		"/explore?q=shop":              {"Orders", "shop", "Deploy failed", "Other resources", "shopfront", "Show the whole tree"},
		"/explore?q=none-such":         {"Nothing has none-such in its name"},
	} {
		got := browse(t, h, "GET", path)
		if got.Code != 200 || strings.Contains(got.Body.String(), "<b>mail") {
			t.Errorf("%s: %d", path, got.Code)
		}
		says(t, got.Body.String(), want...)
	}
	for path, want := range map[string]string{exploreAt(allOrders + "/nobody"): "This cannot be shown. There is no such thing. See what there is", exploreAt("/v1/timeline/follow"): "There is nothing at /v1/timeline/follow that can be explored.",
		exploreAt("/v1/vaults/default/secrets"): "that can be explored"} {
		got := browse(t, h, "GET", path)
		if got.Code != 404 {
			t.Errorf("%s: %d", path, got.Code)
		}
		says(t, got.Body.String(), want)
		if strings.Contains(got.Body.String(), `aria-current="page"><span>nobody`) {
			t.Error("the tree shows what is not there")
		}
	}
	if got := browse(t, h, "GET", "/explore?q=shop", htmx).Body.String(); strings.Contains(got, "<html") || !strings.Contains(got, "shopfront") {
		t.Errorf("the piece for the tree: %.300s", got)
	}
}

func TestTimelineOfEverything(t *testing.T) {
	h := New(fixtures().options())
	for path, want := range map[string][]string{
		"/timeline": {"Timeline", "Resource", "Status", "cdn", "Storing in the vault", "failed", "mail", "Renewal", "succeeded", "by certwright", "6 steps"},
		"/timeline?resource=mail&operation=renew":   {"mail : Renewal", "succeeded"},
		"/timeline?status=failed&by=CERT":           {"failed"},
		"/timeline?by=nobody":                       {"Nothing that was asked for has happened"},
		"/timeline?from=2026-11-23T00:00&status=":   {"Show all", "cdn"},
		"/timeline?resource=ma&to=2026-01-01T00:00": {"Nothing that was asked for has happened"},
	} {
		got := browse(t, h, "GET", path)
		if got.Code != 200 {
			t.Errorf("%s: %d", path, got.Code)
		}
		says(t, got.Body.String(), want...)
	}
	for path, never := range map[string]string{"/timeline?resource=mail": "cdn", "/timeline?status=failed": "succeeded", "/timeline?from=2026-11-23T00:00": "mail"} {
		if body := browse(t, h, "GET", path, htmx).Body.String(); strings.Contains(words(body), " "+never+" ") {
			t.Errorf("%s shows %s: %s", path, never, words(body))
		}
	}
}

// TestTimelineTellsTheSameForAShell: the filters are those of the command.
func TestTimelineTellsTheSameForAShell(t *testing.T) {
	body := browse(t, New(fixtures().options()), "GET", "/timeline?resource=mail&operation=renew&status=succeeded&by=cert&from=2026-11-01T00:00").Body.String()
	says(t, body, "Since", "an hour", "a week", "ago", "mail as JSON", "The same in a shell",
		"certwright timeline --resource 'mail' --operation 'renew' --outcome 'succeeded' --by 'cert' --since '2026-11-01T00:00:00Z'", "'https://certwright.example.test:8443/v1/timeline?from=2026-11-01T00%3A00%3A00Z'")
	if !strings.Contains(body, `href="/timeline?by=cert&amp;from=2026-11-16T02%3A14&amp;operation=renew&amp;resource=mail&amp;status=succeeded"`) {
		t.Error("the link to the last week drops the other filters")
	}
}

// TestTimelineReadsLittleForNews: a page that had to look far back for what its filter takes is not drawn anew for what the
// filter does not take: only the orders that changed are looked at.
func TestTimelineReadsLittleForNews(t *testing.T) {
	w := fixtures()
	for _, f := range w.all {
		f.events = failing(f.o.ID, 1, 900, "store-failed", order.StageStore, "refused")
	}
	p := &pages{Options: w.options()}
	page := browse(t, New(w.options()), "GET", "/timeline?by=nobody", htmx).Body.String()
	if w.read() < 3000 || !strings.Contains(page, `hx-trigger="changed from:#stream"`) {
		t.Fatalf("the page is not one that looks far back: %d events, %.300s", w.read(), page)
	}
	news := logNews{p: p, filter: logFilter{Person: "nobody"}, told: map[string]int64{}}
	mail, shop := order.Short("mail"), order.Short("shop")
	happens := func(name, caller string, seq int64) {
		w.change(name, func(f *fixture) {
			f.events = append(f.events, order.Event{Seq: seq, ID: fmt.Sprint(name, seq), Order: f.o.ID, At: now.Add(time.Duration(seq) * time.Minute), Caller: caller, Correlation: fmt.Sprint("c", seq), Name: "sync-requested", Status: order.Succeeded})
		})
	}
	before := w.read()
	for i := range int64(10) {
		happens("mail", "alice", 1000+i)
		if news.matter(t.Context(), []order.ID{mail, mail}) {
			t.Error("what the filter does not take is news")
		}
	}
	if n := w.read() - before; n > 10*newsEvents {
		t.Errorf("%d events were read for ten changes", n)
	}
	happens("mail", "nobody", 2000)
	if !news.matter(t.Context(), []order.ID{shop, mail}) {
		t.Error("what the filter takes is no news")
	}
	if news.matter(t.Context(), []order.ID{mail}) {
		t.Error("it is news twice")
	}
	if !news.matter(t.Context(), []order.ID{{}}) {
		t.Error("that anything may have changed is no news")
	}
	w.mu.Lock()
	w.broken = errors.New("down")
	w.mu.Unlock()
	if !news.matter(t.Context(), []order.ID{mail}) {
		t.Error("what cannot be judged is kept from the page")
	}
}

func TestTimelineGoesOn(t *testing.T) {
	w := fixtures()
	for _, f := range w.all {
		f.events = failing(f.o.ID, 1, 900, "store-failed", order.StageStore, "refused")
	}
	h := New(w.options())
	body := browse(t, h, "GET", "/timeline?by=nobody").Body.String()
	says(t, body, "Nothing that was asked for has happened", "since 20", `look further with "Older"`, "Older")
	if !strings.Contains(body, `href="/timeline?after=6000&amp;by=nobody"`) {
		t.Errorf("there is no way on: %s", body)
	}
	says(t, browse(t, h, "GET", "/timeline?after=6000&by=nobody").Body.String(), "Newest")
}

// TestExplorerExplains: what is wrong is told with what heals it; ids in the JSON lead on; states in it have signs.
func TestExplorerExplains(t *testing.T) {
	w := fixtures()
	w.change("shop", func(f *fixture) {
		f.pr.Finding, f.pr.FindingTitle = "dns-domain-not-delegated", "Nobody delegates example.test"
	})
	body := browse(t, New(w.options()), "GET", exploreAt(allOrders+"/shop")).Body.String()
	says(t, body, "Nobody delegates example.test.", "The parent zone has no NS records", "What heals it:", "Look at the registration with", "More on this", "In a shell", "certwright rest POST '"+allOrders+"/shop/renew'")
	for _, want := range []string{`href="/faq/dns-domain-not-delegated"`, `href="` + strings.ReplaceAll(exploreAt(allOrders+"/shop"), "&", "&amp;") + `">&#34;/subscriptions/`, `class="small short ink-bad" title="Deploy failed"`, `aria-expanded="true"`, `data-copy="path"`} {
		if !strings.Contains(body, want) {
			t.Errorf("there is no %s", want)
		}
	}
	if n := strings.Count(body, `<span class="v-string">&#34;failed&#34;</span> <svg`); n == 0 {
		t.Error("a stage that failed has no sign in the JSON")
	}
}

func TestBrowserExploresAndFollows(t *testing.T) {
	t.Parallel()
	w := fixtures()
	s := serve(t, w.options())
	b := open(t, s.URL)
	b.do(chromedp.Navigate(s.URL + exploreAt(allOrders+"/shop")))
	b.await("the copy buttons", `!document.querySelector("button[data-copy]").hidden`)
	b.do(chromedp.Click(chromedp.CSS(`button[data-fold="shut"]`)))
	if eval[int](b, `document.querySelectorAll("#tree details[open]").length`) != 0 {
		t.Error("something is still unfolded")
	}
	// Keys: the slash goes to the search, arrows walk in the tree and follow its links.
	b.do(chromedp.Navigate(s.URL + exploreAt(allOrders+"/shop")))
	b.await("the script", `!document.querySelector("button[data-copy]").hidden`)
	eval[string](b, `document.querySelector("#places [aria-current]").focus(), ""`)
	focus := func(key, want string) {
		b.do(chromedp.KeyEvent(key))
		b.await(key+" to "+want, fmt.Sprintf(`(document.activeElement.innerText || "").includes(%q)`, want))
	}
	focus(kb.ArrowLeft, "certificateOrders")
	focus(kb.ArrowRight, "api")
	focus(kb.ArrowDown, "blog")
	b.do(chromedp.KeyEvent(kb.ArrowRight))
	b.await("the resource that the arrow opened", `document.querySelector(".place h2").textContent === "blog"`)
	b.await("its script", `!document.querySelector("button[data-copy]").hidden`)
	b.do(chromedp.KeyEvent("/"))
	b.await("the search", `document.activeElement.id === "q"`)
	eval[string](b, `document.activeElement.value = ""`) // the browser's protocol types the slash all the same
	b.do(chromedp.SendKeys(chromedp.CSS("#q"), "mail"))
	b.await("the tree of what was found", `document.querySelectorAll("#places a").length === 2 && document.querySelector("#places a").textContent.includes("mail")`)
	b.do(chromedp.Click(chromedp.CSS("#places a")))
	b.await("the resource", `document.querySelector(".place h2").textContent === "mail"`)

	b.do(chromedp.Navigate(s.URL + "/timeline?resource=mail"))
	b.await("the stream", `document.getElementById("stream").dataset.state === "live"`)
	w.change("mail", func(f *fixture) {
		f.events = append(f.events, order.Event{Seq: 7, ID: "news", Order: f.o.ID, At: now, Caller: "alice", Correlation: "n", Name: "sync-requested", Status: order.Succeeded, Stage: order.StageDeploy, Text: "Alice asked for a sync."})
	})
	b.await("the live change", b.text("Alice asked for a sync."))
	if c := b.complaints(); c != "" {
		t.Errorf("console: %s", c)
	}
}

// TestExplorerOfFarThings: a thing that the first page of its list has not is in the tree all the same; JSON that is too
// large to fold is text.
func TestExplorerOfFarThings(t *testing.T) {
	w := fixtures()
	o := w.options()
	at := allOrders + "/shop"
	o.Ask = func(r *http.Request, address string) (int, []byte) {
		status, body := w.ask(r, address)
		if strings.HasPrefix(address, allOrders+"?") {
			return said(map[string]any{"value": []any{}, "nextLink": "https://certwright.example.test" + allOrders + "?$skiptoken=T"})
		}
		if strings.HasPrefix(address, at+"?") {
			body = []byte(strings.Replace(string(body), `"location":"Global"`, `"location":"`+strings.Repeat("x", foldable)+`"`, 1))
		}
		return status, body
	}
	body := browse(t, New(o), "GET", exploreAt(at)).Body.String()
	says(t, body, "certificateOrders", "shop", "and more: page by page", "search for them", "As text", "xxxx")
	if strings.Contains(body, `id="tree"`) || !strings.Contains(body, `id="raw"`) {
		t.Error("large JSON is a tree, or is not there at all")
	}
}

// TestBrowserTellsThatTheServerIsGone: a search that gets no answer says so, and takes it back when one comes.
func TestBrowserTellsThatTheServerIsGone(t *testing.T) {
	t.Parallel()
	pages := New(fixtures().options())
	var gone atomic.Bool
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if gone.Load() {
			panic(http.ErrAbortHandler)
		}
		pages.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	b := open(t, s.URL)
	b.do(chromedp.Navigate(s.URL + "/explore"))
	b.await("the page at rest", `typeof htmx === "object" && document.getElementById("lost").hidden`)
	gone.Store(true)
	b.do(chromedp.SendKeys(chromedp.CSS("#q"), "mail"))
	b.await("the word that nothing came", `!document.getElementById("lost").hidden && `+b.text("The server did not answer"))
	gone.Store(false)
	b.do(chromedp.SendKeys(chromedp.CSS("#q"), "x"))
	b.await("an answer", `document.getElementById("lost").hidden && `+b.text("Nothing has mailx in its name."))
}

// TestBrowserTimelineIsDrawnForItsOwnNews: with a filter the page stays as it is while other things happen, and is drawn anew
// once for what it is meant to show.
func TestBrowserTimelineIsDrawnForItsOwnNews(t *testing.T) {
	t.Parallel()
	w := fixtures()
	pages := New(w.options())
	var drawn atomic.Int32
	s := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/timeline" {
			drawn.Add(1)
		}
		pages.ServeHTTP(rw, r)
	}))
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	b := open(t, s.URL)
	b.do(chromedp.Navigate(s.URL + "/timeline?by=alice"))
	b.await("the stream", `document.getElementById("stream").dataset.state === "live"`)
	happens := func(caller string, seq int64, text string) {
		w.change("mail", func(f *fixture) {
			f.events = append(f.events, order.Event{Seq: seq, ID: fmt.Sprint("news", seq), Order: f.o.ID, At: now.Add(time.Duration(seq) * time.Minute), Caller: caller, Correlation: fmt.Sprint("n", seq), Name: "sync-requested", Status: order.Succeeded, Text: text})
		})
	}
	before := w.read()
	happens("bob", 100, "Bob asked for a sync.")
	for judged := time.NewTicker(10 * time.Millisecond); w.read() == before; { // that it is no news is known once it was judged
		<-judged.C
	}
	if n := drawn.Load(); n != 1 {
		t.Errorf("the page was drawn %d times though nothing of alice's happened", n)
	}
	happens("alice", 200, "Alice asked for a sync.")
	b.await("what alice did", b.text("Alice asked for a sync."))
	if n := drawn.Load(); n != 2 || eval[bool](b, b.text("Bob asked")) {
		t.Errorf("the page was drawn %d times, or shows what bob did", n)
	}
}

// TestExplorerSaysWhatIsRefused: what the viewer may not see is told, with the way back.
func TestExplorerSaysWhatIsRefused(t *testing.T) {
	w := fixtures()
	o := w.options()
	o.Ask = func(r *http.Request, address string) (int, []byte) {
		if strings.HasPrefix(address, "/providers/Certwright/issuers") {
			return 403, []byte(`{"error":{"code":"AuthorizationFailed","message":"alice may not read issuers","fix":"Ask for the role Reader at /"}}`)
		}
		return w.ask(r, address)
	}
	got := browse(t, New(o), "GET", "/explore?at=issuers")
	if got.Code != 403 {
		t.Errorf("status %d", got.Code)
	}
	says(t, got.Body.String(), "subscriptions", "issuers", "Everything", "This cannot be shown. Alice may not read issuers. Ask for the role Reader at /")
}
