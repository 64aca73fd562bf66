package server

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"certwright/internal/api"
	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// TestEveryRouteWithEveryRole walks all routes of a running server as nobody and in every role: nobody gets 401, a
// role that may not gets 403, whoever may gets an answer that is no failure of ours; and no answer to anybody holds a
// key of the service, sealed or open.
func TestEveryRouteWithEveryRole(t *testing.T) {
	t.Parallel()
	c := startClients(t)
	tsig := "dHNpZyBzZWNyZXQgb2YgYW4gYWNjb3VudA=="
	if _, _, err := c.DNS.Put(t.Context(), order.DNSAccount{Name: "shop", Kind: order.KindRFC2136, Server: "192.0.2.53", Zones: []string{"example.test"}, Key: "k"}, secret.Bytes(tsig)); err != nil {
		t.Fatal(err)
	}
	keys := append(c.systemKeys(), tsig)
	tokens := map[auth.Role]string{"": ""}
	for i, role := range auth.Roles {
		plain, _, err := c.Auth.Issue(t.Context(), "walker-"+string(rune('a'+i)), role, "/", 0)
		if err != nil {
			t.Fatal(err)
		}
		tokens[role] = plain
	}
	waits := map[string]bool{"/v1/timeline/follow": true} // it answers when something happens
	for _, r := range api.New(api.Options{}).Routes() {
		if waits[r.Pattern] {
			continue
		}
		path := walkPath(r)
		for role, token := range tokens {
			ask := c.caller(token)
			code, _, data := ask.call(r.Method, path, "{}")
			what := string(role) + " " + r.Method + " " + path
			for _, k := range keys {
				if strings.Contains(string(data), k) {
					t.Errorf("%s: the answer holds a system key", what)
				}
			}
			if strings.Contains(string(data), "PRIVATE KEY") {
				t.Errorf("%s: the answer holds a private key", what)
			}
			switch {
			case r.Action == "":
				if code >= 500 {
					t.Errorf("%s: %d %s", what, code, data)
				}
			case role == "":
				walked(t, what, r.Method, code, data, http.StatusUnauthorized, "AuthenticationFailed")
			case !auth.Allow(auth.Principal{Role: role, Scope: "/"}, r.Action, "/"):
				walked(t, what, r.Method, code, data, http.StatusForbidden, "AuthorizationFailed")
			case code >= 500 || code == http.StatusUnauthorized:
				t.Errorf("%s: %d %s", what, code, data)
			}
		}
	}
}

func walked(t *testing.T, what, method string, code int, data []byte, want int, word string) {
	t.Helper()
	var e arm.ErrorBody
	if code != want || method != http.MethodHead && (json.Unmarshal(data, &e) != nil || e.Error.Code != word) {
		t.Errorf("%s: %d %.300s, want %d %s", what, code, data, want, word)
	}
}

// walkPath is a route's path: of what is there for those that read, of what is not for those that change something.
func walkPath(r api.Route) string {
	name := "ghost"
	if r.Method == http.MethodGet {
		name = "shop"
	}
	vault := "default"
	if r.Method != http.MethodGet {
		vault = "ghost"
	}
	path := strings.NewReplacer("{name}", name, "{subscription}", order.DefaultSubscription, "{group}", order.DefaultGroup, "{child}", name, "{operation}", "1", "{provider}", "Microsoft.Web",
		"{issuer}", "ghost", "{account}", name, "{vault}", vault, "{secret}", name, "{token}", "ghost", "{tenant}", "t", "{file}", "ec.crl").Replace(r.Pattern)
	if r.Method == http.MethodPut && strings.HasSuffix(r.Pattern, "/resourceGroups/{group}") || r.Method == http.MethodDelete && strings.HasSuffix(r.Pattern, "/resourceGroups/{group}") {
		path = strings.Replace(path, "/"+order.DefaultGroup, "/ghost", 1)
	}
	query := "?after=0"
	if len(r.Versions) > 0 {
		query += "&api-version=" + r.Versions[0]
	}
	return path + query
}

// systemKeys are the sealed keys of the service, as text might hold them.
func (c *clients) systemKeys() []string {
	c.t.Helper()
	names, err := c.Store.ListSystemKeys(c.t.Context())
	if err != nil || len(names) == 0 {
		c.t.Fatalf("there are the system keys %v, %v", names, err)
	}
	var out []string
	for _, name := range names {
		sealed, err := c.Store.SystemKey(c.t.Context(), name)
		if err != nil {
			c.t.Fatal(err)
		}
		out = append(out, base64.StdEncoding.EncodeToString(sealed), base64.RawURLEncoding.EncodeToString(sealed), hex.EncodeToString(sealed), string(sealed))
	}
	return out
}
