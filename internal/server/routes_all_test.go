package server

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"certwright/internal/auth"
	"certwright/internal/keyvault"
	"certwright/internal/order"
	"certwright/internal/web"
)

// TestEveryRouteOfTheVaultsWithEveryRole walks the data plane as nobody and in every role: nobody gets 401, a role that may
// not 403, and no answer but that of the secret's own route, to who may read it, holds a private key; none a system key.
func TestEveryRouteOfTheVaultsWithEveryRole(t *testing.T) {
	t.Parallel()
	c := startClients(t)
	keys, tokens := c.systemKeys(), map[auth.Role]string{"": ""}
	for i, role := range auth.Roles {
		plain, _, err := c.Auth.Issue(t.Context(), "walker-"+string(rune('a'+i)), role, "/", 0)
		if err != nil {
			t.Fatal(err)
		}
		tokens[role] = plain
	}
	routes := (&keyvault.Handler{}).Routes()
	if len(routes) < 39 {
		t.Fatalf("there are %d routes", len(routes))
	}
	for _, r := range routes {
		if r.Action == "" {
			t.Errorf("%s %s needs no right", r.Method, r.Pattern)
		}
		name := "ghost"
		if r.Method == http.MethodGet || strings.HasSuffix(r.Pattern, "/backup") {
			name = "shop"
		}
		path := "/vaults/default" + strings.NewReplacer("{name}", name, "{version?}", "").Replace(r.Pattern) + "?api-version=7.6"
		for role, token := range tokens {
			code, _, data := c.caller(token).call(r.Method, path, "{}")
			what := string(role) + " " + r.Method + " " + path
			for _, k := range keys {
				if strings.Contains(string(data), k) {
					t.Errorf("%s: the answer holds a system key", what)
				}
			}
			var e struct {
				Error struct{ Code, Message string }
			}
			allowed := role != "" && auth.Allow(auth.Principal{Role: role, Scope: "/"}, r.Action, "/")
			switch want := map[bool]int{true: http.StatusForbidden, false: http.StatusUnauthorized}[role != ""]; {
			case allowed && (code >= 500 || code == http.StatusUnauthorized || code == http.StatusForbidden):
				t.Errorf("%s: %d %s", what, code, data)
			case !allowed && (code != want || json.Unmarshal(data, &e) != nil || e.Error.Code == "" || !strings.Contains(e.Error.Message, map[bool]string{true: r.Action, false: "token"}[role != ""])):
				t.Errorf("%s: %d %s", what, code, data)
			}
			if strings.Contains(string(data), "PRIVATE KEY") && r.Action != "Microsoft.KeyVault/vaults/secrets/getSecret/action" {
				t.Errorf("%s: the answer holds a private key", what)
			}
		}
	}
}

// openPages are the pages that anybody may see.
var openPages = map[string]bool{"GET /static/{file}": true, "GET /favicon.ico": true, "GET /sign-in": true, "POST /sign-in": true, "POST /sign-out": true}

// TestEveryPageWithEveryRole walks the pages and their buttons: nobody is sent to sign in, whoever may not read orders sees
// none, and no button does anything for who may not.
func TestEveryPageWithEveryRole(t *testing.T) {
	t.Parallel()
	c := startClients(t)
	keys := c.systemKeys()
	cookies := map[auth.Role]string{"": ""}
	for i, role := range auth.Roles {
		plain, _, err := c.Auth.Issue(t.Context(), "looker-"+string(rune('a'+i)), role, "/", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		session, _, err := c.Auth.SignIn(t.Context(), plain)
		if err != nil {
			t.Fatal(err)
		}
		cookies[role] = auth.Cookie + "=" + session
	}
	before := c.load(order.Short("shop")).Generation
	asked := c.caller("")
	asked.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, pattern := range web.Patterns() {
		method, path, ok := strings.Cut(pattern, " ")
		if !ok {
			method, path = "GET", pattern+"nowhere"
		}
		if openPages[pattern] || strings.HasSuffix(path, "live") { // the live ones answer for as long as one looks
			continue
		}
		path = strings.NewReplacer("{name}", "shop", "{subscription}", order.DefaultSubscription, "{group}", order.DefaultGroup, "{id}", "renew-late", "{$}", "").Replace(path)
		for role, cookie := range cookies {
			if method == http.MethodPost && role != "" && auth.Allow(auth.Principal{Role: role, Scope: "/"}, order.Type+"/Write", "/") {
				continue // what a button does for who may, its own tests show
			}
			code, h, data := asked.call(method, path, "", "Cookie", cookie, "Origin", c.Config.URL, "Content-Type", "application/x-www-form-urlencoded")
			what := string(role) + " " + method + " " + path
			reads := role != "" && auth.Allow(auth.Principal{Role: role, Scope: "/"}, order.Type+"/Read", "/")
			switch {
			case code >= 500:
				t.Errorf("%s: %d %.300s", what, code, data)
			case role == "" && (code < 300 || !strings.HasPrefix(h.Get("Location"), "/sign-in") && code != http.StatusUnauthorized):
				t.Errorf("%s: %d, to %s", what, code, h.Get("Location"))
			case role != "" && !reads && strings.Contains(string(data), "shop.example"):
				t.Errorf("%s: %d shows an order", what, code)
			case method == http.MethodPost && code != http.StatusForbidden && code != http.StatusNotFound && role != "":
				t.Errorf("%s: %d %.200s", what, code, data)
			}
			for _, k := range keys {
				if strings.Contains(string(data), k) {
					t.Errorf("%s: the page holds a system key", what)
				}
			}
			if strings.Contains(string(data), "PRIVATE KEY") {
				t.Errorf("%s: the page holds a private key", what)
			}
		}
		if method == http.MethodPost {
			if after := c.load(order.Short("shop")).Generation; after != before {
				t.Fatalf("%s changed the order's wish, for none that may", pattern)
			}
		}
	}
}
