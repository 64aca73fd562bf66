package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

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
	case aSubscription + "/resources":
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
		exploreAt(allOrders):           append(tree[:len(tree):len(tree)], "api", "shop", "certificateOrders", "api", "mail", "haproxy does not load the new certificate.", "Next page", `curl -H "Authorization: Bearer $TOKEN" 'https://certwright.example.test:8443`+allOrders+`?api-version=2024-11-01'`, "az rest --method get --url"),
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
	says(t, body, "certificateOrders", "shop", "and more: search for them", "As text", "xxxx")
	if strings.Contains(body, `id="tree"`) || !strings.Contains(body, `id="raw"`) {
		t.Error("large JSON is a tree, or is not there at all")
	}
}
