package web

import (
	"net/http"
	"net/url"

	"certwright/internal/diagnose"
	"certwright/internal/order"
)

// table is a mux that knows what it was given.
type table struct {
	*http.ServeMux
	patterns []string
}

// HandleFunc adds a pattern.
func (t *table) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	t.patterns = append(t.patterns, pattern)
	t.ServeMux.HandleFunc(pattern, h)
}

// Patterns are those of every page and button, as net/http has them: tests walk them.
func Patterns() []string { return (&pages{}).table().patterns }

// routes answers every path, and keeps other sites' pages away.
func (p *pages) routes() http.Handler {
	guard := http.NewCrossOriginProtection()
	if u, err := url.Parse(p.PublicURL); err == nil && u.Host != "" {
		// Only an origin can be trusted, so the error of a URL with a path is avoided, not ignored.
		_ = guard.AddTrustedOrigin(u.Scheme + "://" + u.Host)
	}
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.fail(w, r, visit{}, http.StatusForbidden, "This came from another site", "The request was sent by a page of another origin, so nothing was done. Open Certwright itself and press the button there.")
	}))
	return secure(guard.Handler(p.table()))
}

// table lists every path. An order has a short address under the default subscription and group and
// a full one, /orders/{subscription}/{group}/{name}, for any other.
func (p *pages) table() *table {
	mux := &table{ServeMux: http.NewServeMux()}
	mux.HandleFunc("GET /static/{file}", serveStatic)
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, staticPath("favicon.svg"), http.StatusFound)
	})
	mux.HandleFunc("GET /sign-in", p.signInForm)
	mux.HandleFunc("POST /sign-in", p.signIn)
	mux.HandleFunc("POST /sign-out", p.signOut)

	mux.HandleFunc("GET /{$}", p.known(p.list))
	mux.HandleFunc("GET /faq", p.known(p.articles))
	mux.HandleFunc("GET /faq/{$}", p.known(p.articles))
	mux.HandleFunc("GET /faq/{id}", p.known(p.article))
	mux.HandleFunc("GET /live", p.known(p.listLive))
	mux.HandleFunc("GET /timeline", p.known(p.everything))
	mux.HandleFunc("GET /timeline/live", p.known(p.everythingLive))
	mux.HandleFunc("GET /explore", p.known(p.explore))
	for _, base := range []string{"/orders/{name}", "/orders/{subscription}/{group}/{name}"} {
		mux.HandleFunc("GET "+base, p.known(p.order))
		mux.HandleFunc("GET "+base+"/-/timeline", p.known(p.timeline))
		mux.HandleFunc("GET "+base+"/-/resource", p.known(p.resource))
		mux.HandleFunc("GET "+base+"/-/diagnosis", p.known(p.diagnosis))
		mux.HandleFunc("GET "+base+"/-/live", p.known(p.orderLive))
		mux.HandleFunc("GET "+base+"/-/chain", p.known(p.chain))
		mux.HandleFunc("POST "+base+"/-/request", p.known(p.request))
		for _, a := range diagnose.Actions() {
			if !a.Final {
				mux.HandleFunc("POST "+base+"/-/"+a.Name, p.known(p.act(a)))
			}
		}
	}
	mux.HandleFunc("/", p.known(func(w http.ResponseWriter, r *http.Request, v visit) {
		p.fail(w, r, v, http.StatusNotFound, "There is no such page", "Nothing is at "+r.URL.Path+". The list of all orders is a good place to go on.")
	}))
	return mux
}

// orderID is the order that a path names.
func orderID(r *http.Request) order.ID {
	id := order.Short(r.PathValue("name"))
	if s := r.PathValue("subscription"); s != "" {
		id.Subscription, id.Group = s, r.PathValue("group")
	}
	return id
}

// orderPath is the shortest address of an order.
func orderPath(id order.ID) string {
	if id.Subscription == order.DefaultSubscription && id.Group == order.DefaultGroup {
		return "/orders/" + url.PathEscape(id.Name)
	}
	return "/orders/" + url.PathEscape(id.Subscription) + "/" + url.PathEscape(id.Group) + "/" + url.PathEscape(id.Name)
}

// under is the address of one of an order's pages or actions. The "-" keeps them apart from the
// full address of an order whose group is called like a page.
func under(id order.ID, what string) string { return orderPath(id) + "/-/" + what }

// happenedTo is where a page shows what an event is of: an order's timeline, or in the explorer what is no order.
func happenedTo(id order.ID) string {
	if id.Type != "" {
		return exploreAt(id.String())
	}
	return under(id, "timeline")
}

// eventsOf is the path of the API that gives what an event is of as JSON: an order's events, what is no order itself.
func eventsOf(id order.ID) string {
	if id.Type != "" {
		return id.String()
	}
	return id.String() + "/timeline"
}
