package server

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"certwright/internal/auth"
	"certwright/internal/keyvault"
	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/testworld"
)

// vaultCaller sends requests to the vaults of a server.
type vaultCaller struct {
	*live
	handler http.Handler
}

func callVault(l *live) *vaultCaller { return &vaultCaller{l, l.Server.handler()} }

// do asks a vault by its host name, or any other path of the server where host is empty.
func (v *vaultCaller) do(token, host, method, path, body string) *httptest.ResponseRecorder {
	v.t.Helper()
	r := httptest.NewRequestWithContext(v.t.Context(), method, "https://localhost/", strings.NewReader(body))
	u, err := url.Parse("https://" + host + path)
	if err != nil {
		v.t.Fatal(err)
	}
	r.URL, r.Host = u, host
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	v.handler.ServeHTTP(w, r)
	return w
}

func (v *vaultCaller) on(vault, method, path, body string) *httptest.ResponseRecorder {
	v.t.Helper()
	return v.do(v.FirstRun, vault+".vault.localhost:8443", method, path, body)
}

// secretError is the code of an answer, and of its inner error.
func secretError(w *httptest.ResponseRecorder) (code, inner string) {
	var b struct {
		Error struct {
			Code, Message string
			InnerError    struct{ Code string }
		}
	}
	if json.Unmarshal(w.Body.Bytes(), &b) != nil || b.Error.Message == "" {
		return "no error body: " + w.Body.String(), ""
	}
	return b.Error.Code, b.Error.InnerError.Code
}

// fillRoute puts names into a route's pattern.
func fillRoute(pattern, name string) string {
	return strings.NewReplacer("{name}", name, "{version?}", "").Replace(pattern)
}

// systemKeys are the keys of Certwright itself, as bytes.
func (v *vaultCaller) systemKeys() map[string][]byte {
	v.t.Helper()
	ctx := context.Background()
	names, err := v.Keys.List(ctx)
	if err != nil || len(names) < 3 {
		v.t.Fatalf("system keys: %v %v", names, err)
	}
	keys := map[string][]byte{}
	for _, n := range names {
		signer, err := v.Keys.Signer(ctx, n)
		if apart, ok := strings.CutPrefix(n, "apart/"); ok {
			signer, err = v.Keys.Apart(ctx, apart)
		}
		if err != nil { // a secret, or a key that lies apart
			plain, err := v.Keys.GetSecret(ctx, n)
			if err != nil {
				continue
			}
			keys[n] = plain.Reveal()
			continue
		}
		der, err := x509.MarshalPKCS8PrivateKey(signer)
		if err != nil {
			v.t.Fatal(err)
		}
		keys[n] = der
	}
	return keys
}

// TestNoRouteReachesTheKeysOfCertwright walks every route of the data plane, and the short ones, with the names of its own keys
// in every way to write them and with the most powerful token: nothing gives one out, lists one or backs one up.
func TestNoRouteReachesTheKeysOfCertwright(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "shop.example.com")
	v := callVault(startLive(t, w, nil, sh))
	v.settled(v.place(sh, order.BuiltinIssuer), 1)
	if err := v.Keys.PutSecret(t.Context(), "issuer/le/eab", secret.Bytes("an-hmac-key-of-an-account-0123456789")); err != nil {
		t.Fatal(err)
	}
	keys := v.systemKeys()
	var names []string
	for n := range keys {
		names = append(names, n, url.PathEscape(n), "system_"+n, "..%2fsystem%2f"+url.PathEscape(n), "system%2F"+url.PathEscape(n))
	}
	names = append(names, "shop", "server", "tls", "*", "%25", ".", "..", "%2e%2e")
	var answers []string
	for _, vault := range []string{"default", "system", "apart", "issuer"} {
		for _, rt := range new(keyvault.Handler).Routes() {
			if rt.Method == http.MethodDelete || rt.Method == http.MethodGet && rt.Pattern == "/secrets/{name}" {
				continue // the latter is the next one's twin
			}
			for _, name := range names {
				rec := v.on(vault, rt.Method, fillRoute(rt.Pattern, name), "{}")
				if rec.Code < 300 && strings.Contains(rt.Pattern, "{name}") && name != "shop" && rt.Method == http.MethodGet && !strings.HasSuffix(rt.Pattern, "/versions") {
					t.Errorf("%s %s %s is answered with %d: %s", vault, rt.Method, fillRoute(rt.Pattern, name), rec.Code, rec.Body)
				}
				if rec.Code >= 500 {
					t.Errorf("%s %s %s is answered with %d: %s", vault, rt.Method, fillRoute(rt.Pattern, name), rec.Code, rec.Body)
				}
				answers = append(answers, rec.Body.String())
			}
		}
		for _, path := range []string{"/v1/vaults/" + vault + "/secrets", "/v1/vaults/" + vault + "/deletedsecrets", "/vaults/" + vault + "/secrets", "/vaults/" + vault + "/certificates"} {
			answers = append(answers, v.do(v.FirstRun, "localhost", "GET", path, "").Body.String())
		}
	}
	all := strings.Join(answers, "\n")
	if !strings.Contains(all, `"value"`) {
		t.Fatal("nothing was read at all")
	}
	for n, raw := range keys {
		for what, form := range map[string]string{"base64": base64.StdEncoding.EncodeToString(raw), "base64url": base64.RawURLEncoding.EncodeToString(raw), "hex": hex.EncodeToString(raw),
			"text": string(raw), "PEM": strings.Split(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})), "\n")[1]} {
			if strings.Contains(all, form) {
				t.Errorf("the key %s is given out as %s", n, what)
			}
		}
	}
	for _, list := range []string{"/secrets?maxresults=1000", "/certificates?maxresults=1000&includePending=true", "/deletedsecrets", "/deletedcertificates"} {
		body := v.on("default", "GET", list, "").Body.String()
		for n := range keys {
			if strings.Contains(body, "/"+url.PathEscape(n)+`"`) {
				t.Errorf("%s lists %s", list, n)
			}
		}
	}
}

// TestEveryRouteAsksForItsRight walks every route of the data plane with every role, with a token of another place, and
// with none. What each role may is written down here a second time, in other words.
func TestEveryRouteAsksForItsRight(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "shop.example.com")
	v := callVault(startLive(t, w, nil, sh))
	o := v.settled(v.place(sh, order.BuiltinIssuer), 1)
	value := ""
	if s, err := v.Vault.GetSecret(t.Context(), "default", "shop", ""); err == nil {
		value = string(s.Value.Reveal())
	}
	group := "/subscriptions/" + order.DefaultSubscription + "/resourceGroups/default"
	reads := func(rt keyvault.Route) bool { return rt.Method == http.MethodGet }
	ofValue := func(rt keyvault.Route) bool {
		return reads(rt) && strings.HasPrefix(rt.Pattern, "/secrets/") && !strings.HasSuffix(rt.Pattern, "versions")
	}
	ofCertificates := func(rt keyvault.Route) bool { return strings.Contains(rt.Pattern, "certificates") }
	for who, c := range map[string]struct {
		role  auth.Role
		scope string
		may   func(rt keyvault.Route) bool
	}{
		"reader":      {auth.Reader, "/", func(rt keyvault.Route) bool { return reads(rt) && !ofValue(rt) }},
		"contributor": {auth.Contributor, group, func(keyvault.Route) bool { return true }},
		"of-all":      {auth.Owner, "/", func(keyvault.Route) bool { return true }},
		"user":        {auth.SecretsUser, group + "/providers/Microsoft.KeyVault/vaults/default", func(rt keyvault.Route) bool { return reads(rt) && !ofCertificates(rt) }},
		"officer":     {auth.CertificatesOfficer, group, ofCertificates},
		"elsewhere":   {auth.Owner, "/subscriptions/" + order.DefaultSubscription + "/resourceGroups/other", func(keyvault.Route) bool { return false }},
		"of-one": {auth.SecretsUser, group + "/providers/Microsoft.KeyVault/vaults/default/secrets/SHOP", func(rt keyvault.Route) bool {
			return reads(rt) && strings.Contains(rt.Pattern, "secrets/{name}")
		}},
	} {
		token, _, err := v.Auth.Issue(t.Context(), who, c.role, c.scope, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		for _, rt := range new(keyvault.Handler).Routes() {
			// Nothing is really changed: the bodies are empty, and what is deleted is not there.
			name := "shop"
			if rt.Method != http.MethodGet {
				name = "none-such"
				if who == "of-one" {
					continue
				}
			}
			rec := v.do(token, "default.vault.localhost:8443", rt.Method, fillRoute(rt.Pattern, name), "{}")
			code, inner := secretError(rec)
			forbidden := rec.Code == http.StatusForbidden && code == "Forbidden" && inner == "ForbiddenByRbac"
			if c.may(rt) == forbidden || rec.Code == http.StatusUnauthorized || rec.Code >= 500 {
				t.Errorf("%s: %s %s is answered with %d %s (%s)", who, rt.Method, rt.Pattern, rec.Code, rec.Body, rt.Action)
			}
			if gives := strings.Contains(rec.Body.String(), value[200:300]); gives != (c.may(rt) && ofValue(rt)) {
				t.Errorf("%s: %s %s gives the value out: %v", who, rt.Method, rt.Pattern, gives)
			}
		}
	}
	for _, rt := range new(keyvault.Handler).Routes() {
		rec := v.do("", "default.vault.localhost:8443", rt.Method, fillRoute(rt.Pattern, "shop"), "")
		if code, _ := secretError(rec); rec.Code != http.StatusUnauthorized || code != "Unauthorized" {
			t.Errorf("without a token: %s %s is answered with %d %s", rt.Method, rt.Pattern, rec.Code, rec.Body)
		}
		want := `Bearer authorization="` + v.Config.URL + "/" + auth.Tenant + `", resource="https://vault.localhost:8443"`
		if got := rec.Header().Get("WWW-Authenticate"); got != want {
			t.Errorf("%s %s: the challenge is %s, want %s", rt.Method, rt.Pattern, got, want)
		}
	}
	if n := len(new(keyvault.Handler).Routes()); n != 43 { // 12 + 27 operations, four of them at two paths
		t.Errorf("%d routes were walked", n)
	}
	if v.load(o.ID).First().SecretID != o.First().SecretID {
		t.Error("the walk changed the order")
	}
}

// TestVaultAddresses: hosts, paths, versions and queries as clients write them.
func TestVaultAddresses(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	v := callVault(startLive(t, w, nil))
	put := v.on("default", "PUT", "/secrets/one?api%2Dversion=2025-07-01", `{"value":"1","unknown":true}`)
	if put.Code != http.StatusOK {
		t.Fatalf("%d %s", put.Code, put.Body)
	}
	id := func(rec *httptest.ResponseRecorder) string {
		var b struct{ ID string }
		_ = json.Unmarshal(rec.Body.Bytes(), &b)
		return b.ID
	}
	if s := id(put); !strings.HasPrefix(s, "https://default.vault.localhost:8443/secrets/one/") || len(s) != len("https://default.vault.localhost:8443/secrets/one/")+32 {
		t.Errorf("the id is %s", s)
	}
	for host, path := range map[string]string{
		"DEFAULT.Vault.Localhost:8443":   "/Secrets/ONE/",
		"default.vault.localhost":        "/secrets/one?api-version=7.0",
		"default.vault.localhost:443":    "/secrets/one/?api-version=7.6-preview.2",
		"127.0.0.1:8443":                 "/vaults/default/secrets/one?api-version=2026-04-01",
		"certs.example.test":             "/vaults/DEFAULT/secrets/one/",
		"default.vault.localhost.:12345": "/secrets/one/" + strings.ToUpper(id(put)[strings.LastIndex(id(put), "/")+1:]),
	} {
		if rec := v.do(v.FirstRun, host, "GET", path, ""); rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), `"value":"1"`) {
			t.Errorf("%s%s: %d %s", host, path, rec.Code, rec.Body)
		}
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"GET", "/secrets/one?api-version=banana", "", 400, "BadParameter"},
		{"GET", "/secrets?maxresults=0", "", 400, "BadParameter"},
		{"GET", "/secrets?$skiptoken=%21", "", 400, "BadParameter"},
		{"GET", "/secrets/one/two/three", "", 404, "NotFound"},
		{"GET", "/keys/one", "", 404, "NotFound"},
		{"POST", "/secrets/one", "", 405, "MethodNotAllowed"},
		{"PUT", "/secrets/one", "", 400, "BadParameter"},
		{"PUT", "/secrets/one", "{", 400, "BadParameter"},
		{"PUT", "/secrets/one", `{"value":"` + strings.Repeat("x", 2<<20) + `"}`, 413, "BadParameter"},
		{"GET", "/secrets/one?outContentType=application/x-pem-file", "", 400, "BadParameter"},
		{"POST", "/certificates/one/import", `{"value":"x"}`, 409, "Conflict"},
		{"GET", "/certificates/one", "", 404, "CertificateNotFound"},
	} {
		rec := v.on("default", c.method, c.path, c.body)
		if code, _ := secretError(rec); rec.Code != c.status || code != c.code {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, rec.Code, rec.Body, c.status, c.code)
		}
	}
	// A page of the path form goes on in the path form, which whoever asks can reach.
	v.on("default", "PUT", "/secrets/two", `{"value":"2"}`)
	var page struct{ NextLink string }
	rec := v.do(v.FirstRun, "127.0.0.1:9", "GET", "/vaults/default/secrets?maxresults=1&api-version=7.4", "")
	if err := json.Unmarshal(rec.Body.Bytes(), &page); err != nil || !strings.HasPrefix(page.NextLink, "https://127.0.0.1:9/vaults/default/secrets?") || !strings.Contains(page.NextLink, "%24skiptoken=") || !strings.Contains(page.NextLink, "api-version=7.4") {
		t.Errorf("%v %s", err, rec.Body)
	}
}

// TestPurgeProtection: what is deleted in a protected vault stays until its time is over, and its level says so. The clients of another
// vault do not see it.
func TestPurgeProtection(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	v := callVault(startLive(t, w, nil))
	row := secret.VaultRow{Name: "Safe", Subscription: order.DefaultSubscription, Group: "default", SoftDelete: 7, PurgeProtection: true, Created: v.Now()}
	if err := v.Store.SaveVault(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	if rec := v.on("safe", "PUT", "/secrets/one", `{"value":"1"}`); rec.Code != 200 || !strings.Contains(rec.Body.String(), `"recoveryLevel":"CustomizedRecoverable","recoverableDays":7`) {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	if rec := v.on("default", "GET", "/secrets/one", ""); rec.Code != 404 {
		t.Errorf("another vault has it: %s", rec.Body)
	}
	v.on("safe", "DELETE", "/secrets/one", "")
	rec := v.on("safe", "DELETE", "/deletedsecrets/one", "")
	if code, inner := secretError(rec); rec.Code != 403 || code != "Forbidden" || inner != "ForbiddenByPurgeProtection" {
		t.Errorf("purge: %d %s", rec.Code, rec.Body)
	}
	if n, err := v.Store.PurgeDue(t.Context(), v.Now().Add(7*24*time.Hour+time.Minute)); err != nil || n != 1 {
		t.Errorf("%d were purged when their time was over: %v", n, err)
	}
	if rec := v.on("safe", "GET", "/deletedsecrets/one", ""); rec.Code != 404 {
		t.Errorf("it is still there: %s", rec.Body)
	}
}

// TestBackupOpensOnlyWhereItWasMade: not in another vault, not as another kind of thing, not at another server.
func TestBackupOpensOnlyWhereItWasMade(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	v, other := callVault(startLive(t, w, nil)), callVault(startLive(t, w, nil))
	if err := v.Store.SaveVault(t.Context(), secret.VaultRow{Name: "second", Subscription: order.DefaultSubscription, Group: "default", SoftDelete: 90, Created: v.Now()}); err != nil {
		t.Fatal(err)
	}
	v.on("default", "PUT", "/secrets/one", `{"value":"in no backup is this readable"}`)
	body := v.on("default", "POST", "/secrets/one/backup", "").Body.String()
	var b struct{ Value string }
	if err := json.Unmarshal([]byte(body), &b); err != nil || strings.ContainsAny(b.Value, "=+/") {
		t.Fatalf("%v %s", err, body)
	}
	raw, _ := base64.RawURLEncoding.DecodeString(b.Value)
	if strings.Contains(string(raw), "readable") {
		t.Error("the backup can be read")
	}
	for _, inner := range []string{"", "ObjectIsDeletedButRecoverable"} {
		rec := v.on("default", "POST", "/secrets/restore", body)
		if code, is := secretError(rec); rec.Code != 409 || code != "Conflict" || is != inner || !strings.Contains(rec.Body.String(), "A secret named one is") {
			t.Errorf("over what is there: %d %s", rec.Code, rec.Body)
		}
		v.on("default", "DELETE", "/secrets/one", "")
	}
	v.on("default", "DELETE", "/deletedsecrets/one", "")
	for what, rec := range map[string]*httptest.ResponseRecorder{
		"another vault": v.on("second", "POST", "/secrets/restore", body), "a certificate": v.on("default", "POST", "/certificates/restore", body),
		"another server": other.on("default", "POST", "/secrets/restore", body),
	} {
		if code, _ := secretError(rec); rec.Code != 400 || code != "BadParameter" {
			t.Errorf("as %s: %d %s", what, rec.Code, rec.Body)
		}
	}
	if rec := v.on("default", "POST", "/secrets/restore", body); rec.Code != 200 {
		t.Errorf("where it was made: %d %s", rec.Code, rec.Body)
	}
	if rec := v.on("default", "GET", "/secrets/one", ""); !strings.Contains(rec.Body.String(), "in no backup") {
		t.Errorf("restored: %s", rec.Body)
	}
}

// TestPEMOfAnOrder: outContentType writes the key with its chain, as servers read them.
func TestPEMOfAnOrder(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "shop.example.com")
	v := callVault(startLive(t, w, nil, sh))
	o := v.settled(v.place(sh, order.BuiltinIssuer), 1)
	var b struct{ Value, ContentType string }
	rec := v.on("default", "GET", "/secrets/shop/?outContentType=application/x-pem-file", "")
	if err := json.Unmarshal(rec.Body.Bytes(), &b); err != nil || b.ContentType != secret.ContentPEM {
		t.Fatalf("%v %s", err, rec.Body)
	}
	var blocks []string
	for rest := []byte(b.Value); ; {
		var p *pem.Block
		if p, rest = pem.Decode(rest); p == nil {
			break
		}
		blocks = append(blocks, p.Type)
	}
	if !slices.Equal(blocks, []string{"PRIVATE KEY", "CERTIFICATE", "CERTIFICATE"}) {
		t.Errorf("%v", blocks)
	}
	if chain := order.DecodeChain([]byte(b.Value)); len(chain) < 1 || !slices.Equal(chain[0], order.DecodeChain(o.First().Chain)[0]) {
		t.Error("it is another certificate")
	}
}
