package api

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"certwright/internal/arm"
	"certwright/internal/order"
)

// answer is what the gate of a test says to everybody.
type answer struct {
	err    error
	action string
	scope  string
}

func (a *answer) Authorize(_ *http.Request, action, scope string) (string, error) {
	a.action, a.scope = action, scope
	return "tester", a.err
}

func ask(t *testing.T, gate *answer, method, path, body string) (int, arm.ErrorBody, http.Header) {
	t.Helper()
	h := New(Options{Auth: gate, Logger: slog.New(slog.DiscardHandler), Public: "https://certwright.test"})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	var e arm.ErrorBody
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
		t.Errorf("%s %s: the body of status %d is no envelope: %q", method, path, w.Code, w.Body)
	}
	return w.Code, e, w.Header()
}

func fill(pattern string) string {
	return strings.NewReplacer("{name}", "www", "{issuer}", "le", "{vault}", "default", "{secret}", "www", "{file}", "ec.crl").Replace(pattern)
}

// TestEveryRouteIsGuarded walks all routes: without a token 401, without the right 403, each with the envelope; only
// what clients of certificates and health checks need is open.
func TestEveryRouteIsGuarded(t *testing.T) {
	open := map[string]bool{"/healthz": true, "/readyz": true, "/ca.pem": true, "/crl/{file}": true}
	for _, r := range (&API{}).Routes() {
		if r.Action == "" {
			if !open[r.Pattern] || r.Method != "GET" {
				t.Errorf("%s %s needs no action", r.Method, r.Pattern)
			}
			continue
		}
		if open[r.Pattern] {
			t.Errorf("%s is not open", r.Pattern)
		}
		path := fill(r.Pattern)
		gate := &answer{err: ErrNoToken}
		code, e, h := ask(t, gate, r.Method, path, "")
		if code != http.StatusUnauthorized || e.Error.Code != "AuthenticationFailed" || h.Get("WWW-Authenticate") == "" {
			t.Errorf("%s %s without a token: %d %+v", r.Method, path, code, e)
		}
		scope := "/subscriptions/" + order.DefaultSubscription + "/resourceGroups/" + order.DefaultGroup
		if r.Action == metricsRead || r.Action == notifyTest {
			scope = "/" // a token of one group does not see figures of all
		}
		if gate.action != r.Action || !strings.HasPrefix(gate.scope, scope) || scope == "/" && gate.scope != "/" {
			t.Errorf("%s %s asks for %s on %s", r.Method, path, gate.action, gate.scope)
		}
		code, e, _ = ask(t, &answer{err: &order.Refusal{Kind: order.Forbidden, Code: "AuthorizationFailed", Message: "no"}}, r.Method, path, "")
		if code != http.StatusForbidden || e.Error.Code != "AuthorizationFailed" {
			t.Errorf("%s %s without the right: %d %+v", r.Method, path, code, e)
		}
	}
}

// TestScopeFollowsTheQuery: an order of another group is asked for under that group.
func TestScopeFollowsTheQuery(t *testing.T) {
	gate := &answer{err: ErrNoToken}
	ask(t, gate, "GET", "/v1/orders/www?subscription=s1&group=g1", "")
	if gate.scope != "/subscriptions/s1/resourceGroups/g1/www" {
		t.Errorf("scope %s", gate.scope)
	}
}

func TestUnknownRoute(t *testing.T) {
	code, e, _ := ask(t, &answer{}, "GET", "/v1/nothing", "")
	if code != http.StatusNotFound || e.Error.Code != "RouteNotFound" {
		t.Errorf("%d %+v", code, e)
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
		code, e, _ := ask(t, &answer{}, c.method, c.path, c.body)
		if code != http.StatusBadRequest || e.Error.Code != c.code {
			t.Errorf("%s %s %s: %d %+v, want 400 %s", c.method, c.path, c.body, code, e, c.code)
		}
	}
	code, e, _ := ask(t, &answer{}, "PUT", "/v1/orders/www", `{"location":"`+strings.Repeat("x", 2<<20)+`"}`)
	if code != http.StatusRequestEntityTooLarge || e.Error.Code != "BodyTooLarge" {
		t.Errorf("a large body: %d %+v", code, e)
	}
}
