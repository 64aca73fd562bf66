package web

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"certwright/internal/order"
)

// chromium finds the browser. A machine without one fails in CI and skips elsewhere.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("no Chromium found: install the package chromium")
	}
	t.Skip("no Chromium found: install the package chromium to run this test")
	return ""
}

// tab is a page in the browser with what its console complained of.
type tab struct {
	context.Context
	t    *testing.T
	mu   sync.Mutex
	errs []string
}

// startAndEnd is how long a browser may live: what is well takes seconds.
const startAndEnd = 3 * time.Minute

// open starts a browser of its own, signed in.
func open(t *testing.T, base string) *tab {
	t.Helper()
	dir := t.TempDir()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(dir), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.IgnoreCertErrors, chromedp.Flag("disable-quic", true), chromedp.NoFirstRun, chromedp.Flag("disable-background-networking", true),
		chromedp.WSURLReadTimeout(startAndEnd), // its own limit is 20 s, which is short for a start on a busy machine
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", false))
	ctx, cancel := context.WithTimeout(t.Context(), startAndEnd)
	t.Cleanup(cancel)
	alloc, cancelAlloc := chromedp.NewExecAllocator(ctx, opts...)
	t.Cleanup(cancelAlloc)
	browser, cancelTab := chromedp.NewContext(alloc)
	t.Cleanup(cancelTab)
	b := &tab{Context: browser, t: t}
	yes := true
	b.must(chromedp.Listen(browser, b.hear))
	call(b, runtime.Enable, cdp.Empty{})
	call(b, log.Enable, cdp.Empty{})
	call(b, network.Enable, network.EnableParams{})
	call(b, network.SetCookie, network.SetCookieParams{Name: SessionCookie, Value: "s3ssion", URL: base, Path: "/", Secure: &yes, HTTPOnly: &yes})
	return b
}

// call gives the browser a command of its protocol.
func call[P, R any](b *tab, c cdp.Command[P, R], p P) {
	b.t.Helper()
	_, err := chromedp.Call(b, c, p)
	b.must(err)
}

// eval evaluates an expression in the page.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b, chromedp.Evaluate[T](expression))
	b.must(err)
	return v
}

func (b *tab) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatalf("the browser: %v\nconsole: %s", err, b.complaints())
	}
}

func (b *tab) hear(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *runtime.EventConsoleAPICalled:
		if ev.Type == "error" || ev.Type == "warning" {
			for _, a := range ev.Args {
				b.errs = append(b.errs, fmt.Sprintf("console: %s %s", a.Value, a.Description))
			}
		}
	case *runtime.EventExceptionThrown:
		b.errs = append(b.errs, fmt.Sprintf("exception: %+v", ev.ExceptionDetails))
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.EntryLevelError {
			b.errs = append(b.errs, "log: "+ev.Entry.Text+" "+ev.Entry.URL)
		}
	}
}

// complaints are the console's errors so far.
func (b *tab) complaints() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.errs, "\n")
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	b.must(chromedp.Do(b, actions...))
}

// await waits until an expression is true in the page. It asks from outside, because the page's own
// policy rightly forbids the evaluation that a waiting script would need.
func (b *tab) await(what, expression string) {
	b.t.Helper()
	ask := time.NewTicker(20 * time.Millisecond)
	defer ask.Stop()
	limit := time.After(20 * time.Second)
	for {
		ok, err := chromedp.Run(b, chromedp.Evaluate[bool](expression))
		if ok {
			return
		}
		select {
		case <-ask.C:
		case <-limit:
			b.t.Fatalf("never came: %s (%v)\nconsole: %s\npage: %.2000s", what, err, b.complaints(), eval[string](b, "document.body.innerText"))
		}
	}
}

func (b *tab) text(has string) string {
	return fmt.Sprintf("document.body.innerText.includes(%q)", has)
}

func TestBrowserSyncAndLive(t *testing.T) {
	t.Parallel()
	w := fixtures()
	w.report = hungReport()
	o := w.options()
	o.Diagnose = w.diagnose
	s := serve(t, o)
	b := open(t, s.URL)
	b.do(chromedp.Navigate(s.URL + "/orders/shop"))
	b.await("the stream", `document.getElementById("stream").dataset.state === "live"`)
	b.await("the diagnosis", b.text("Another tool overwrites shop.pem"))

	// A mark on the window proves that nothing below reloads the page.
	eval[bool](b, `window.mark = "same page"; document.querySelector("#stage-verify details").open = true`)
	b.do(chromedp.Click(chromedp.CSS(`#diagnosis .heal button`)))
	b.await("the word on what was done", b.text("Sync was asked for."))
	if w.called() != "sync shop by alice" {
		t.Errorf("called: %q", w.called())
	}

	healthy := base("shop", "shop.example.test")
	w.mu.Lock()
	w.report = &Report{Healthy: true}
	w.mu.Unlock()
	w.change("shop", func(f *fixture) { f.path, f.pr = healthy.path, healthy.pr })
	b.await("the live change", b.text("Nothing has to be done."))
	b.await("the healed card to go", "!"+b.text("Another tool overwrites"))
	mark := eval[string](b, `window.mark || ""`)
	unfolded := eval[bool](b, `document.querySelector("#stage-verify details").open`)
	if mark != "same page" || !unfolded {
		t.Errorf("the page was reloaded (%q) or what was unfolded is shut again (%v)", mark, unfolded)
	}
	if !eval[bool](b, b.text("Sync was asked for.")) {
		t.Error("the live change took the confirmation away")
	}
	if c := b.complaints(); c != "" {
		t.Errorf("console: %s", c)
	}
}

func TestBrowserListIsLiveAndComesBack(t *testing.T) {
	t.Parallel()
	w := fixtures()
	s := serve(t, w.options())
	b := open(t, s.URL)
	b.do(chromedp.Navigate(s.URL + "/"))
	b.await("the stream", `document.getElementById("stream").dataset.state === "live"`)
	eval[int](b, `window.mark = 1`)
	w.change("mail", func(f *fixture) { f.pr.Text = "the news of today" })
	b.await("the live change", b.text("The news of today."))

	// The stream breaks (a server that restarts): the page says so, comes back, and has missed nothing.
	back := w.cut()
	b.await("the word that it is not live", b.text("Not live: connection lost, retrying"))
	shoot(b, "not-live.png")
	w.change("mail", func(f *fixture) { f.pr.Text = "what happened meanwhile" })
	back()
	b.await("the stream again", `document.getElementById("stream").dataset.state === "live"`)
	b.await("what was missed", b.text("What happened meanwhile."))

	b.do(chromedp.SendKeys(chromedp.CSS("#q"), "shop"))
	b.await("the search", `document.querySelectorAll(".row").length === 1 && `+b.text("shop.example.test"))
	b.await("the address", `location.search === "?q=shop"`)
	w.change("shop", func(f *fixture) { f.pr.Text = "searched and live" })
	b.await("a change under the search", b.text("Searched and live."))
	rows, mark := eval[int](b, `document.querySelectorAll(".row").length`), eval[int](b, `window.mark || 0`)
	if rows != 1 || mark != 1 {
		t.Errorf("%d rows after a change under a search, want 1; same page: %d", rows, mark)
	}
	if c := b.complaints(); c != "" {
		t.Errorf("console: %s", c)
	}
}

func TestBrowserWithoutScripts(t *testing.T) {
	t.Parallel()
	w := fixtures()
	s := serve(t, w.options())
	b := open(t, s.URL)
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	call(b, network.ClearBrowserCookies, cdp.Empty{})
	b.do(chromedp.Navigate(s.URL + "/orders/shop"))
	shoot(b, "sign-in.png")
	b.do(chromedp.SendKeys(chromedp.CSS("#token"), "right"), chromedp.Click(chromedp.CSS(`form.stack button`)))
	b.do(chromedp.WaitVisible(chromedp.CSS("#diagnosis .heal button")), chromedp.Click(chromedp.CSS(`#diagnosis .heal button`)))
	b.do(chromedp.WaitVisible(chromedp.CSS("#message .note")))
	said, where := eval[string](b, `document.getElementById("message").innerText`), eval[string](b, `location.href`)
	if !strings.Contains(said, "Sync was asked for.") || !strings.HasSuffix(where, "/orders/shop?did=sync") || w.called() != "sync shop by alice" {
		t.Errorf("said %q at %s, called %q", said, where, w.called())
	}
}

func TestBrowserFirstOrderAppears(t *testing.T) {
	t.Parallel()
	w := &world{}
	s := serve(t, w.options())
	b := open(t, s.URL)
	b.do(chromedp.Navigate(s.URL + "/"))
	b.await("the stream", `document.getElementById("stream").dataset.state === "live"`)
	b.await("the copy buttons", `!document.querySelector("button[data-copy]").hidden`)
	shoot(b, "empty.png")
	w.mu.Lock()
	w.all = append(w.all, base("www", "www.example.test"))
	w.mu.Unlock()
	w.change("www", func(*fixture) {})
	b.await("the first order", `document.querySelectorAll(".row").length === 1`)
	if c := b.complaints(); c != "" {
		t.Errorf("console: %s", c)
	}
}

// TestBrowserLateExtension holds the stream's script back until htmx has run and had time to begin: the page must be
// live all the same (a deferred htmx began without it, now and then on a busy machine).
func TestBrowserLateExtension(t *testing.T) {
	t.Parallel()
	w := fixtures()
	pages := New(w.options())
	release := make(chan struct{})
	s := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "hx-sse") {
			<-release
		}
		pages.ServeHTTP(rw, r)
	}))
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	b := open(t, s.URL)
	b.do(chromedp.Navigate("about:blank"))
	eval[string](b, fmt.Sprintf("location.href = %q", s.URL+"/"))
	b.await("htmx", `typeof htmx === "object" && document.body !== null && document.readyState === "interactive"`)
	eval[int](b, "setTimeout(() => { window.later = true; }, 0)")
	b.await("a turn of the page's loop", "window.later === true")
	close(release)
	b.await("the stream", `document.getElementById("stream").dataset.state === "live"`)
}

// TestBrowserEveryPageFits looks at every page, narrow and wide, light and dark: nothing overflows
// sideways, the console is silent, controls have names. CERTWRIGHT_SHOTS keeps the pictures in a folder.
func TestBrowserEveryPageFits(t *testing.T) {
	t.Parallel()
	w := fixtures()
	w.all = append(w.all, longNames())
	o := w.options()
	o.Diagnose = func(_ context.Context, id order.ID) (Report, error) {
		if id.Name == "shop" {
			return *hungReport(), nil
		}
		return Report{}, nil
	}
	s := serve(t, o)
	b := open(t, s.URL)
	paths := map[string]string{"list": "/", "none": "/?q=none-such", "timeline": "/orders/intranet/-/timeline", "resource": "/orders/mail/-/resource", "diagnosis": "/orders/shop/-/diagnosis", "missing": "/orders/nobody",
		"everything": "/timeline", "explore": exploreAt(allOrders), "explore-top": "/explore", "explore-shop": exploreAt(allOrders + "/shop"), "explore-search": "/explore?q=shop",
		"faq": "/faq", "faq-search": "/faq?q=port+80+firewall", "faq-article": "/faq/dnssec-ds-mismatch"}
	for _, f := range w.all {
		paths["order-"+f.o.ID.Name] = orderPath(f.o.ID)
	}
	for name, path := range paths {
		for _, view := range []struct {
			width  int64
			scheme string
		}{{320, "light"}, {1280, "light"}, {320, "dark"}, {1280, "dark"}, {768, "light"}} {
			// Narrow is where pages break; what is wider or dark differs by style alone, and three pages show all of it.
			if (view.scheme == "dark" || view.width == 768 || view.width == 1280 && os.Getenv("CERTWRIGHT_SHOTS") == "") && name != "list" && name != "order-shop" && name != "resource" && !(strings.HasPrefix(name, "faq") && os.Getenv("CERTWRIGHT_SHOTS") != "") {
				continue
			}
			call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: view.width, Height: 800, DeviceScaleFactor: 1})
			call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: view.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
			b.do(chromedp.Navigate(s.URL + path))
			if strings.HasPrefix(name, "order-") {
				b.await("the page at rest", `document.getElementById("stream").dataset.state === "live" && !document.querySelector(".htmx-request:not(#stream)")`)
			}
			if overflow := eval[string](b, overflowing); overflow != "" {
				t.Errorf("%s at %d: overflows: %s", path, view.width, overflow)
			}
			if unnamed := eval[string](b, nameless); unnamed != "" {
				t.Errorf("%s: without a name for a screen reader: %s", path, unnamed)
			}
			shoot(b, fmt.Sprintf("%s-%d-%s.png", name, view.width, view.scheme))
			if opened := eval[int](b, unfold); opened > 0 {
				if overflow := eval[string](b, overflowing); overflow != "" {
					t.Errorf("%s at %d, unfolded: overflows: %s", path, view.width, overflow)
				}
				if strings.HasPrefix(name, "order-") { // others can be too long for a picture
					shoot(b, fmt.Sprintf("%s-%d-%s-unfolded.png", name, view.width, view.scheme))
				}
			}
		}
	}
	for c := range strings.Lines(b.complaints()) {
		if !strings.Contains(c, "status of 404") || !strings.Contains(c, "/orders/nobody") {
			t.Errorf("console: %s", c)
		}
	}
}

// overflowing names what stands out of the page sideways, unless it scrolls in a frame of its own.
const overflowing = `(() => {
  const w = document.documentElement.clientWidth, out = [];
  if (document.documentElement.scrollWidth > w) out.push("page " + document.documentElement.scrollWidth + " > " + w);
  for (const e of document.querySelectorAll("body *")) {
    const r = e.getBoundingClientRect();
    if (r.width && r.right > w + 1 && !e.closest(".scroll, .hidden, .skip")) out.push(e.tagName + "." + e.className);
  }
  return out.slice(0, 5).join(", ");
})()`

// unfold opens what is folded, and says how much that was.
const unfold = `(() => { const l = document.querySelectorAll("details:not([open])"); for (const d of l) d.open = true; return l.length; })()`

// nameless lists controls without a name, pictures without a word, and ids that occur twice.
const nameless = `(() => {
  const out = [];
  for (const e of document.querySelectorAll("a[href], button, input:not([type=hidden]), summary")) {
    const label = e.labels && e.labels.length ? e.labels[0].textContent : "";
    if (!(e.textContent + label + (e.getAttribute("aria-label") || "")).trim()) out.push(e.outerHTML.slice(0, 80));
  }
  const ids = new Set();
  for (const e of document.querySelectorAll("[id]")) { if (ids.has(e.id)) out.push("id twice: " + e.id); ids.add(e.id); }
  for (const tag of ["main", "header", "footer"]) if (document.querySelectorAll("body > " + tag).length !== 1) out.push("landmark " + tag);
  return out.join(", ");
})()`

// shoot keeps a picture of the whole page.
func shoot(b *tab, name string) {
	dir := os.Getenv("CERTWRIGHT_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b, chromedp.FullScreenshot(100))
	b.must(err)
	if err := os.WriteFile(filepath.Join(dir, name), png, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// longNames is an order whose words have no place to break.
func longNames() *fixture {
	host := strings.Repeat("a", 63) + "." + strings.Repeat("b", 63) + "." + strings.Repeat("c", 63) + ".example.test"
	f := base(strings.Repeat("n", 64), host, "second."+host[64:])
	hungF(f)
	f.pr.Text = "cannot reach " + host
	return f
}
