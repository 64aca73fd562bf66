package server

import (
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"certwright/internal/keyvault"
	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/testworld"
)

// TestSelfSignedIsRenewed: a certificate that signs itself gets its next version when its policy says so, and not before.
func TestSelfSignedIsRenewed(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	v := callVault(startLive(t, w, nil))
	create := func(name, action string) {
		body := `{"policy":{"issuer":{"name":"Self"},"key_props":{"kty":"EC","reuse_key":true},"x509_props":{"subject":"CN=` + name + `","validity_months":10},
			"lifetime_actions":[{"trigger":{"lifetime_percentage":50},"action":{"action_type":"` + action + `"}}]},"tags":{"a":"b"}}`
		if rec := v.on("default", "POST", "/certificates/"+name+"/create", body); rec.Code != http.StatusAccepted || !strings.Contains(rec.Body.String(), `"status":"inProgress"`) { // what is begun is never done already: Azure's client for Python reads the certificate only then
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
		if rec := v.on("default", "GET", "/certificates/"+name+"/pending", ""); !strings.Contains(rec.Body.String(), `"status":"completed"`) {
			t.Errorf("%s", rec.Body)
		}
	}
	create("self", "AutoRenew")
	create("mailed", "EmailContacts")
	create("deleted", "AutoRenew")
	v.on("default", "DELETE", "/certificates/deleted", "")
	versions := func(name string) []secret.Info {
		l, err := v.Vault.CertificateVersions(t.Context(), "default", name, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{149 * 24 * time.Hour, 1}, {5 * 24 * time.Hour, 2}, {time.Hour, 2}} {
		v.move(step.after)
		if err := v.renewSelf(t.Context(), v.Now()); err != nil {
			t.Fatal(err)
		}
		if l := versions("self"); len(l) != step.want {
			t.Errorf("%s later it has %d versions, want %d", step.after, len(l), step.want)
		}
	}
	l := versions("self")
	one, err1 := x509.ParseCertificate(l[0].Certificate)
	two, err2 := x509.ParseCertificate(l[1].Certificate)
	if err1 != nil || err2 != nil || string(one.RawSubjectPublicKeyInfo) != string(two.RawSubjectPublicKeyInfo) || l[0].Tags["a"] != "b" || l[1].Tags["a"] != "b" {
		t.Errorf("key and tags are to stay: %v %v %v", err1, err2, l)
	}
	if n := len(versions("mailed")); n != 1 {
		t.Errorf("a certificate without AutoRenew has %d versions", n)
	}
}

// TestOrderThroughAVault: create under an issuer is an order of the vault's group; the operation says whom it waits for
// and what to do, and is completed when the certificate is in the vault.
func TestOrderThroughAVault(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "new.example.com")
	v := callVault(startLive(t, w, nil))
	body := `{"policy":{"issuer":{"name":"BUILTIN"},"key_props":{"kty":"EC","crv":"P-256"},"x509_props":{"subject":"CN=new.example.com","validity_months":2}},"tags":{"team":"web"}}`
	rec := v.on("default", "POST", "/certificates/new/create?api-version=7.4", body)
	if rec.Code != http.StatusAccepted || !strings.Contains(rec.Body.String(), `"status":"inProgress"`) {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	o := v.wait(order.Short("new"), "that it waits for its owner", func(o *order.Order) bool { return o.Running(order.P256) != nil && o.Running(order.P256).Waiting != "" })
	if rec := v.on("default", "GET", "/certificates/new/pending", ""); !strings.Contains(rec.Body.String(), `verify: waiting for owner`) || !strings.Contains(rec.Body.String(), "new.example.com") {
		t.Errorf("the operation does not say what it waits for: %s", rec.Body)
	}
	if rec := v.on("default", "GET", "/certificates/new", ""); rec.Code != 200 || !strings.Contains(rec.Body.String(), `"enabled":false`) {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if rec := v.on("default", "POST", "/certificates/new/create", body); rec.Code != http.StatusAccepted {
		t.Errorf("the same wish again: %d %s", rec.Code, rec.Body)
	}
	p := o.Running(order.P256).Proofs[0] // its owner publishes the page by hand
	page := filepath.Join(sh.www(), ".well-known", "pki-validation", path.Base(p.Token))
	if err := errors.Join(os.MkdirAll(filepath.Dir(page), 0o755), os.WriteFile(page, []byte(p.Value), 0o644)); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Mover.Verify(t.Context(), testBy, o.ID); err != nil {
		t.Fatal(err)
	}
	v.wait(o.ID, "that it is stored", func(o *order.Order) bool { return o.First() != nil })
	if rec := v.on("default", "GET", "/certificates/new/pending", ""); !strings.Contains(rec.Body.String(), `"status":"completed"`) || !strings.Contains(rec.Body.String(), `"target":"https://default.vault.localhost:8443/certificates/new"`) {
		t.Errorf("the operation: %s", rec.Body)
	}
	if rec := v.on("default", "GET", "/secrets/new", ""); rec.Code != 200 || !strings.Contains(rec.Body.String(), `"team":"web"`) {
		t.Errorf("the secret: %d %s", rec.Code, rec.Body)
	}
}

// TestHostileBodies sends what no client sends to every route that takes a body: a refusal in words, never a failure of ours.
func TestHostileBodies(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "shop.example.com")
	v := callVault(startLive(t, w, nil, sh))
	v.settled(v.place(sh, order.BuiltinIssuer), 1)
	self := `{"policy":{"issuer":{"name":"Self"},"key_props":{"kty":"EC"},"x509_props":{"subject":"CN=a"}}}`
	csr := `{"policy":{"issuer":{"name":"Unknown"},"key_props":{"kty":"EC"},"x509_props":{"subject":"CN=a"}}}`
	v.on("default", "POST", "/certificates/self/create", self)
	v.on("default", "POST", "/certificates/csr/create", csr)
	bodies := []string{"", "null", "[]", `"x"`, "{", "{}", `{"value":null}`, `{"value":7}`, `{"value":"AA"}`, `{"value":"x","attributes":{"exp":1e300}}`, `{"value":"x","attributes":{"nbf":-1}}`, `{"value":"x","tags":{"":"a"}}`,
		`{"value":"x","tags":{"a":null}}`, `{"tags":[]}`, `{"policy":null}`, `{"policy":[]}`, `{"policy":{}}`, `{"policy":{"x509_props":null}}`, `{"policy":{"issuer":{"name":"Self"},"x509_props":{"subject":"=,,\\"}}}`,
		`{"policy":{"issuer":{"name":"Self"},"x509_props":{"subject":"CN=a","ekus":["1","x"]}}}`, `{"policy":{"issuer":{"name":"Self"},"x509_props":{"subject":"CN=a","sans":{"ipAddresses":["x"]}}}}`,
		`{"policy":{"issuer":{"name":"Self"},"x509_props":{"subject":"CN=a","sans":{"dns_names":["é","\u0000"]}}}}`, `{"policy":{"issuer":{"name":"builtin"},"x509_props":{"subject":"CN=..","validity_months":-3}}}`,
		`{"policy":{"issuer":{"name":"Unknown"},"key_props":{"kty":"oct"},"x509_props":{"subject":"CN=a"}}}`, `{"policy":{"lifetime_actions":[{}]}}`, `{"policy":{"issuer":{"name":"Self"},"key_props":{"exportable":false},"x509_props":{"subject":"CN=a"}}}`,
		`{"x5c":null}`, `{"x5c":["AA=="]}`, `{"x5c":["` + strings.Repeat("A", 4000) + `"]}`, `{"cancellation_requested":"yes"}`, `{"provider":""}`, `{"provider":"builtin","credentials":{"pwd":"x"}}`, `{"contacts":[{}]}`, `{"contacts":null}`}
	for _, rt := range new(keyvault.Handler).Routes() {
		if rt.Method == http.MethodGet || rt.Method == http.MethodDelete {
			continue
		}
		for _, name := range []string{"shop", "self", "csr", "none", "a.b", "%00", "%ff", strings.Repeat("a", 128)} {
			for _, body := range bodies {
				rec := v.on("default", rt.Method, fillRoute(rt.Pattern, name), body)
				if code, _ := secretError(rec); rec.Code >= 500 || rec.Code >= 400 && strings.HasPrefix(code, "no error body") {
					t.Errorf("%s %s with %s is answered with %d %s", rt.Method, fillRoute(rt.Pattern, name), body, rec.Code, rec.Body)
				}
			}
		}
	}
	if rec := v.on("default", "GET", "/certificates?includePending=true&maxresults=2", ""); rec.Code != 200 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// TestOrderHearsOfItsSecret: what somebody does to an order's secret through the vault is in its timeline with who did it, and its
// status says so at once, not only after the daily look.
func TestOrderHearsOfItsSecret(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "shop.example.com")
	v := callVault(startLive(t, w, nil, sh))
	id := v.place(sh, order.BuiltinIssuer)
	o := v.settled(id, 1)
	told := func(text string) {
		t.Helper()
		events, _, err := v.Store.Events(t.Context(), order.EventQuery{Order: &id})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Name == "secret-changed" && e.Caller == "owner" && strings.Contains(e.Text, text) {
				return
			}
		}
		t.Errorf("the timeline does not say that the secret was %s", text)
	}
	for _, c := range []struct{ method, path, body, told, fault string }{
		{"PATCH", "/secrets/shop/" + o.First().SecretID, `{"attributes":{"enabled":false}}`, "disabled by owner", string(order.VaultNotPermitted)},
		{"PATCH", "/certificates/shop/" + o.First().SecretID, `{"attributes":{"enabled":true}}`, "enabled by owner", ""},
		{"DELETE", "/secrets/shop", "", "deleted by owner", string(order.VaultSecretNotExist)},
		{"POST", "/deletedcertificates/shop/recover", "", "recovered by owner", ""},
	} {
		if rec := v.on("default", c.method, c.path, c.body); rec.Code != 200 {
			t.Fatalf("%s %s: %d %s", c.method, c.path, rec.Code, rec.Body)
		}
		told(c.told)
		v.wait(id, c.told, func(o *order.Order) bool {
			return string(o.Vault.Fault) == c.fault && o.LeaseOwner == "" && (c.fault != "" || o.Vault.Problem == nil)
		})
	}
	events := func() int {
		l, _, err := v.Store.Events(t.Context(), order.EventQuery{Order: &id})
		if err != nil {
			t.Fatal(err)
		}
		return len(l)
	}
	before := events()
	if rec := v.on("default", "PATCH", "/secrets/shop", `{"tags":{"a":"b"}}`); rec.Code != 200 || events() != before {
		t.Errorf("tags are nothing to an order: %d %s, %d events more", rec.Code, rec.Body, events()-before)
	}
}
