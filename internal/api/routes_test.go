package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
	"time"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// gate knows one principal, or nobody (err).
type gate struct {
	who auth.Principal
	err error
}

func (g *gate) Authenticate(context.Context, string) (auth.Principal, error) { return g.who, g.err }

func (g *gate) Exchange(context.Context, string, string) (string, time.Duration, error) {
	return "", 0, auth.ErrBadToken
}

func (g *gate) Issue(context.Context, string, auth.Role, string, time.Duration) (string, order.Token, error) {
	return "", order.Token{}, errors.New("no token is made here")
}

func (g *gate) Tokens(context.Context) ([]order.Token, error) { return nil, nil }

func (g *gate) Delete(context.Context, string) error { return nil }

// elsewhere is where the vaults of these tests lie.
type elsewhere struct{ Vaults }

func (elsewhere) LoadVault(context.Context, string) (secret.VaultRow, error) {
	return secret.VaultRow{Name: "kv", Subscription: "vs", Group: "vg"}, nil
}

func owner(scope string) *gate {
	return &gate{who: auth.Principal{Name: "tester", Role: auth.Owner, Scope: scope}}
}

func ask(t *testing.T, g *gate, method, path, body string) (int, arm.ErrorBody, http.Header) {
	t.Helper()
	h := New(Options{Auth: g, Vaults: elsewhere{}, Logger: slog.New(slog.DiscardHandler), Public: "https://certwright.test", Now: time.Now})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	var e arm.ErrorBody
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
		t.Errorf("%s %s: the body of status %d is no envelope: %q", method, path, w.Code, w.Body)
	}
	return w.Code, e, w.Header()
}

func fill(pattern string) string {
	return strings.NewReplacer("{name}", "www", "{issuer}", "le", "{token}", "ci", "{tenant}", "t", "{subscription}", order.DefaultSubscription, "{group}", "default", "{child}", "c", "{operation}", "1", "{provider}", "Microsoft.Web", "{vault}", "default", "{secret}", "www", "{file}", "ec.crl").Replace(pattern)
}

// open are the routes without an action: health, what clients of certificates need, and what a client needs before
// it has a token.
var open = map[string]bool{"/healthz": true, "/readyz": true, "/ca.pem": true, "/crl/{file}": true,
	"/{tenant}/oauth2/v2.0/token": true, "/{tenant}/oauth2/token": true, "/{tenant}/v2.0/.well-known/openid-configuration": true,
	"/{tenant}/.well-known/openid-configuration": true, "/{tenant}/discovery/v2.0/keys": true, "/common/discovery/instance": true, "/metadata/endpoints": true, "/openapi.json": true}

// TestEveryRouteIsGuarded walks all routes: without a token 401, without the right 403, each with the envelope, for
// every role that the table of roles does not give it to.
func TestEveryRouteIsGuarded(t *testing.T) {
	for _, r := range (&API{}).Routes() {
		if open[r.Pattern] != (r.Action == "") {
			t.Errorf("%s %s: open %v, action %q", r.Method, r.Pattern, open[r.Pattern], r.Action)
		}
		if r.Action == "" {
			continue
		}
		at := fill(r.Pattern)
		for _, unknown := range []error{auth.ErrNoToken, auth.ErrBadToken, auth.ErrExpired} {
			code, e, h := ask(t, &gate{err: unknown}, r.Method, at, "")
			if code != http.StatusUnauthorized || e.Error.Code != "AuthenticationFailed" || h.Get("WWW-Authenticate") == "" {
				t.Errorf("%s %s, %v: %d %+v", r.Method, at, unknown, code, e)
			}
		}
		for _, role := range append([]auth.Role{"", "owner"}, auth.Roles...) {
			g := &gate{who: auth.Principal{Name: "tester", Role: role, Scope: "/"}}
			if auth.Allow(g.who, r.Action, "/") {
				continue // what it does then needs a service, which is not here: live tests show it
			}
			if code, e, _ := ask(t, g, r.Method, at, ""); code != http.StatusForbidden || e.Error.Code != "AuthorizationFailed" {
				t.Errorf("%s %s as %q: %d %+v", r.Method, at, role, code, e)
			}
		}
		if r.On == onOwn {
			continue // narrowed to the scope, whatever it is
		}
		for _, scope := range []string{"/subscriptions/other", "/subscriptions/" + order.DefaultSubscription + "/resourceGroups/other"} {
			if code, e, _ := ask(t, owner(scope), r.Method, at, ""); code != http.StatusForbidden || e.Error.Code != "AuthorizationFailed" {
				t.Errorf("%s %s with the scope %s: %d %+v", r.Method, at, scope, code, e)
			}
		}
	}
}

// TestWritesNeedMoreThanReading: no route that can change something is open to a Reader, and none that gives out
// values or access.
func TestWritesNeedMoreThanReading(t *testing.T) {
	looks := map[string]bool{"checkNameAvailability": true, "fix": true} // the first only looks; the second says what would heal: doing it needs the right of each step
	for _, r := range (&API{}).Routes() {
		if r.Method != "GET" && r.Method != "HEAD" && r.Action != "" && !looks[path.Base(r.Pattern)] && auth.Allow(auth.Principal{Role: auth.Reader, Scope: "/"}, r.Action, "/") {
			t.Errorf("%s %s needs only %s, which a Reader may", r.Method, r.Pattern, r.Action)
		}
		for _, role := range []auth.Role{auth.SecretsUser, auth.CertificatesOfficer} {
			if r.Action != "" && auth.Allow(auth.Principal{Role: role, Scope: "/"}, r.Action, "/") && !strings.HasPrefix(r.Action, "Microsoft.KeyVault/") {
				t.Errorf("%s may %s %s: it is a role of the vault alone", role, r.Method, r.Pattern)
			}
		}
	}
}

// TestScopes: what a route asks the action on.
func TestScopes(t *testing.T) {
	group := "/subscriptions/" + order.DefaultSubscription + "/resourceGroups/default"
	for path, want := range map[string]string{
		"/v1/orders/www": group + "/providers/Microsoft.CertificateRegistration/certificateOrders/www",
		"/v1/orders/www?subscription=s1&group=g1": "/subscriptions/s1/resourceGroups/g1/providers/Microsoft.CertificateRegistration/certificateOrders/www",
		"/v1/orders/www/diagnose":                 group + "/providers/Microsoft.CertificateRegistration/certificateOrders/www",
		"/v1/sites/shop":                          group + "/providers/Microsoft.Web/sites/shop",
		"/v1/sites?group=g2":                      "/subscriptions/" + order.DefaultSubscription + "/resourceGroups/g2",
		"/v1/issuers":                             "/",
		"/v1/vaults/kv/secrets":                   "/subscriptions/vs/resourceGroups/vg/providers/Microsoft.KeyVault/vaults/kv",
		"/metrics":                                "/",
	} {
		_, e, _ := ask(t, owner("/subscriptions/nowhere"), "GET", path, "")
		if !strings.HasSuffix(e.Error.Message, " on "+want) {
			t.Errorf("%s: %s; want the scope %s", path, e.Error.Message, want)
		}
	}
}

// TestGuessingIsSlowedDown: who shows unknown tokens again and again is told to wait; a token that is known is heard
// all the same.
func TestGuessingIsSlowedDown(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	g := &gate{err: auth.ErrBadToken}
	h := New(Options{Auth: g, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }, Commits: func() int64 { return 0 }})
	try := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/v1/version", nil))
		return w
	}
	for i := range 100 {
		if w := try(); w.Code != http.StatusUnauthorized {
			t.Fatalf("try %d: %d", i, w.Code)
		}
	}
	if w := try(); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "60" {
		t.Errorf("after too many: %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	g.who, g.err = auth.Principal{Name: "known", Role: auth.Reader, Scope: "/"}, nil
	if w := try(); w.Code != http.StatusOK {
		t.Errorf("a known token: %d %s", w.Code, w.Body)
	}
	g.err, now = auth.ErrBadToken, now.Add(time.Minute)
	if w := try(); w.Code != http.StatusUnauthorized {
		t.Errorf("a minute later: %d", w.Code)
	}
}

func TestUnknownRoute(t *testing.T) {
	code, e, _ := ask(t, owner("/"), "GET", "/v1/nothing", "")
	if code != http.StatusNotFound || e.Error.Code != "RouteNotFound" {
		t.Errorf("%d %+v", code, e)
	}
	code, e, h := ask(t, owner("/"), "PATCH", "/v1/tokens", "")
	if code != http.StatusMethodNotAllowed || e.Error.Code != "MethodNotAllowed" || h.Get("Allow") != "GET, HEAD" {
		t.Errorf("a method that is not there: %d %+v, Allow %q", code, e, h.Get("Allow"))
	}
}

// TestBodies: bodies that cannot be meant are refused before anything is asked of the service (there is none here).
func TestBodies(t *testing.T) {
	for _, c := range []struct{ method, path, body, code string }{
		{"PUT", "/v1/orders/www", `{"properties":{"isuer":"le"}}`, "InvalidBody"},
		{"PUT", "/v1/orders/www", `{`, "InvalidBody"},
		{"PUT", "/v1/orders/www", `{"properties":{"validity":"soon"}}`, "InvalidBody"},
		{"POST", "/v1/orders/www/rekey", `{"delayExistingRevokeInHours":-1}`, "OutOfRange"},
		{"POST", "/v1/orders/www/export", `{"format":"der"}`, "UnknownFormat"},
		{"POST", "/v1/orders/www/import", `{"pfx":"***"}`, "InvalidBody"},
		{"PUT", "/v1/issuers/le", `{"directory":"https://a.test","eabKey":"***"}`, "InvalidEABKey"},
		{"GET", "/v1/orders?top=many", "", "InvalidParameter"},
		{"PATCH", "/v1/orders/www", `{"properties":{"x":1}}`, "InvalidBody"},
	} {
		code, e, _ := ask(t, owner("/"), c.method, c.path, c.body)
		if code != http.StatusBadRequest || e.Error.Code != c.code {
			t.Errorf("%s %s %s: %d %+v, want 400 %s", c.method, c.path, c.body, code, e, c.code)
		}
	}
	code, e, _ := ask(t, owner("/"), "PUT", "/v1/orders/www", `{"location":"`+strings.Repeat("x", 2<<20)+`"}`)
	if code != http.StatusRequestEntityTooLarge || e.Error.Code != "BodyTooLarge" {
		t.Errorf("a large body: %d %+v", code, e)
	}
}

// TestReadyz fails while the server cannot do its work, and says why.
func TestReadyz(t *testing.T) {
	t.Parallel()
	var late error
	h := New(Options{Auth: owner(""), Vaults: elsewhere{}, Logger: slog.New(slog.DiscardHandler), Public: "https://certwright.test", Now: time.Now, Ready: func(context.Context) error { return late }})
	look := func() (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		return w.Code, w.Body.String()
	}
	if code, body := look(); code != 200 || !strings.Contains(body, `"ready"`) {
		t.Errorf("well: %d %s", code, body)
	}
	late = errors.New("no sweep for 2 minutes")
	if code, body := look(); code != 503 || !strings.Contains(body, "no sweep for 2 minutes") {
		t.Errorf("late: %d %s", code, body)
	}
}
