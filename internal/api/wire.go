package api

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"certwright/internal/auth"
	"certwright/internal/order"
)

// Bounds of a request besides its body. The server reads a little more than maxHeader, so that who sends too much is
// told so, and not just cut off.
const (
	maxURL    = 16 << 10
	maxHeader = 32 << 10
)

// sized refuses an address or a header that no client has reason to send.
func sized(r *http.Request) error {
	if n := len(r.URL.Path) + len(r.URL.RawQuery); n > maxURL {
		return &order.Refusal{Kind: order.LongURL, Code: "UriTooLong", Message: fmt.Sprintf("the address is %d bytes long: at most %d", n, maxURL), Fix: "Ask for less at once; a cursor of a page is taken from nextLink as it is"}
	}
	n, longest := 0, ""
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v)
			if longest == "" || len(v) > len(r.Header.Get(longest)) {
				longest = name
			}
		}
	}
	if n > maxHeader {
		return &order.Refusal{Kind: order.LongHeader, Code: "RequestHeaderFieldsTooLarge", Property: longest, Message: fmt.Sprintf("the header is %d bytes long: at most %d, and most of it is %s", n, maxHeader, longest), Fix: "Send less in " + longest}
	}
	return nil
}

// query reads a query strictly: what cannot be read would else be as if it had not been asked for.
func query(r *http.Request) (url.Values, error) {
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &order.Refusal{Kind: order.BadInput, Code: "InvalidQuery", Message: "the query of the address cannot be read: " + err.Error(), Fix: "Separate parameters with &, and write what is no letter or digit as %XX"}
	}
	return v, nil
}

// readable refuses a body that is said to be something else than JSON in UTF-8.
func readable(r *http.Request) error {
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return &order.Refusal{Kind: order.MediaType, Code: "UnsupportedMediaType", Property: "Content-Encoding", Message: fmt.Sprintf("a body with the Content-Encoding %q is not read here", e), Fix: "Send it as it is, without Content-Encoding"}
	}
	given := r.Header.Get("Content-Type")
	if given == "" {
		return nil
	}
	kind, params, err := mime.ParseMediaType(given)
	charset := strings.ToLower(params["charset"])
	switch {
	case kind == "application/x-www-form-urlencoded": // curl -d says so, of whatever it sends
	case err != nil || kind != "application/json" && kind != "text/json" && !strings.HasSuffix(kind, "+json"):
		return &order.Refusal{Kind: order.MediaType, Code: "UnsupportedMediaType", Property: "Content-Type", Message: fmt.Sprintf("a body of the Content-Type %q is not read here: it must be JSON", given), Fix: "Send the header Content-Type: application/json"}
	case charset != "" && charset != "utf-8" && charset != "utf8" && charset != "us-ascii":
		return &order.Refusal{Kind: order.MediaType, Code: "UnsupportedMediaType", Property: "Content-Type", Message: fmt.Sprintf("JSON in the character set %q is not read here", charset), Fix: "Send it in UTF-8"}
	}
	return nil
}

// inside marks requests of our own pages, which count for nobody's quota.
type inside struct{}

// ForPages answers the requests of the server's own pages.
func (a *API) ForPages() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), inside{}, true)))
	})
}

// within counts a request for its principal's quota, and says how much of that is left, in the words of Azure.
func (a *API) within(w http.ResponseWriter, q *request) error {
	if a.Quota == nil || q.Context().Value(inside{}) != nil {
		return nil
	}
	left, wait := a.Quota.Take(q.who.Name, a.Now())
	if wait > 0 {
		return auth.TooMany(q.who.Name, a.Quota.Most, wait)
	}
	kind := "writes"
	switch q.Method {
	case http.MethodGet, http.MethodHead:
		kind = "reads"
	case http.MethodDelete:
		kind = "deletes"
	}
	w.Header().Set("X-Ms-Ratelimit-Remaining-Subscription-"+kind, strconv.Itoa(left))
	return nil
}
