package server

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/testworld"
)

const (
	vaultsID = subID + "/resourceGroups/default/providers/Microsoft.KeyVault/vaults"
	vaultV   = "?api-version=2023-07-01"
)

// vaultAnswer is a vault as the API gives it.
type vaultAnswer struct {
	ID, Location string
	Tags         map[string]string
	Properties   arm.Vault
}

// well sends a request that must succeed with a status, and reads its answer.
func (c *caller) well(method, path, body string, status int, into any) {
	c.t.Helper()
	code, _, data := c.call(method, path, body)
	if code != status {
		c.t.Fatalf("%s %s: %d %s", method, path, code, data)
	}
	if into != nil {
		if err := json.Unmarshal(data, into); err != nil {
			c.t.Fatalf("%s %s: %v in %s", method, path, err, data)
		}
	}
}

// own is a certificate that signed itself, with its key.
type own struct {
	key  crypto.Signer
	leaf *x509.Certificate
}

func ownCertificate(t *testing.T, now time.Time, name string) own {
	t.Helper()
	key, err := order.GenerateKey(order.P256)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(60 * 24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return own{key, leaf}
}

func (o own) pem(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(o.key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: o.leaf.Raw})) + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// pfx is the certificate as PKCS#12 in base64.
func (o own) pfx(t *testing.T, password string) string {
	t.Helper()
	der, err := pkcs12.Modern2023.Encode(o.key, o.leaf, nil, password)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// TestAccessPolicies: where a vault's access policies say who may, they alone do, permission by permission and at once; where roles do, they
// have no effect; switching between the two is for an Owner.
func TestAccessPolicies(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	c, v := l.caller(l.FirstRun), callVault(l)
	kv := vaultsID + "/kv-pol"
	var got vaultAnswer
	c.well("PUT", kv+vaultV, `{"location":"West Europe","tags":{"team":"web"},"properties":{"accessPolicies":[{"tenantId":"any","objectId":"app","permissions":{"secrets":["Set","list"],"keys":["sign"]}}]}}`, 200, &got)
	if got.Properties.RBAC || got.Location != "West Europe" || got.Tags["team"] != "web" || len(got.Properties.Policies) != 3 || got.Properties.Policies[0].Permissions.Secrets[0] != "set" || got.Properties.Policies[0].Permissions.Keys[0] != "sign" {
		t.Fatalf("made: %+v", got)
	}
	for _, own := range got.Properties.Own {
		if !own.Allowed {
			t.Errorf("a fresh vault does not let %s in", own.Name)
		}
	}
	app, _, err := l.Auth.Issue(t.Context(), "app", auth.Reader, order.Short("nothing").String(), 0)
	if err != nil {
		t.Fatal(err)
	}
	host := "kv-pol.vault.localhost:8443"
	try := func(token, method, path, body string, want int) {
		t.Helper()
		rec := v.do(token, host, method, path, body)
		if code, inner := secretError(rec); rec.Code != want || want == 403 && (code != "Forbidden" || inner != "ForbiddenByPolicy" || !strings.Contains(rec.Body.String(), "permission on key vault 'kv-pol'")) {
			t.Errorf("%s %s: %d %s, want %d", method, path, rec.Code, rec.Body, want)
		}
	}
	try(app, "PUT", "/secrets/one", `{"value":"1"}`, 200)
	try(app, "GET", "/secrets", "", 200)
	try(app, "GET", "/secrets/one", "", 403) // report: list, and not get
	try(app, "GET", "/certificates", "", 403)
	try(l.FirstRun, "GET", "/secrets/one", "", 403) // an Owner has no policy
	own, _, err := l.Auth.Issue(t.Context(), secret.Storer.Name, auth.Owner, "/", 0)
	if err == nil {
		try(own, "GET", "/secrets/one", "", 403) // a token that only bears the name of one of Certwright's own
	}
	policies := kv + "/accessPolicies/"
	set := func(kind, permissions string) (out arm.PoliciesWish) {
		t.Helper()
		c.well("PUT", policies+kind+vaultV, `{"properties":{"accessPolicies":[{"tenantId":"x","objectId":"APP","permissions":`+permissions+`}]}}`, 200, &out)
		return out
	}
	if out := set("add", `{"secrets":["get"],"certificates":["all"]}`); len(out.Properties.Policies) != 3 || !slices.Equal(out.Properties.Policies[0].Permissions.Secrets, []string{"set", "list", "get"}) {
		t.Errorf("added: %+v", out)
	}
	try(app, "GET", "/secrets/one", "", 200)
	try(app, "GET", "/certificates", "", 200)
	try(app, "GET", "/certificates/issuers", "", 200)
	try(app, "DELETE", "/deletedcertificates/one", "", 403) // all is not purge
	set("remove", `{"secrets":["set"],"certificates":["all"]}`)
	try(app, "PUT", "/secrets/one", `{"value":"2"}`, 403)
	try(app, "GET", "/certificates", "", 403)
	c.caller2(app).well("GET", "/v1/vaults/kv-pol/deletedsecrets", "", 200, nil)
	c.caller2(app).refused("DELETE", "/v1/vaults/kv-pol/secrets/one", "", 403, "AuthorizationFailed")
	if out := set("replace", `{"secrets":["get"]}`); len(out.Properties.Policies) != 1 {
		t.Errorf("replaced: %+v", out)
	}
	for _, bad := range []struct {
		kind, policy, code string
		status             int
	}{
		{"add", `{"objectId":"a","permissions":{"secrets":["read"]}}`, "InvalidAccessPolicy", 400}, {"add", `{"permissions":{}}`, "InvalidAccessPolicy", 400},
		{"add", `{"objectId":"a","permissions":{}},{"objectId":"A","permissions":{}}`, "InvalidAccessPolicy", 400}, {"add", `{"objectId":"a","applicationId":"b","permissions":{}}`, "InvalidAccessPolicy", 422},
		{"swap", `{"objectId":"a","permissions":{}}`, "UnknownOperationKind", 400},
	} {
		c.refused("PUT", policies+bad.kind+vaultV, `{"properties":{"accessPolicies":[`+bad.policy+`]}}`, bad.status, bad.code)
	}
	contributor, _, err := l.Auth.Issue(t.Context(), "contributor", auth.Contributor, "/", 0)
	if err != nil {
		t.Fatal(err)
	}
	byRoles := `{"properties":{"enableRbacAuthorization":true}}`
	c.caller2(contributor).refused("PATCH", kv+vaultV, byRoles, 403, "AuthorizationFailed")
	c.caller2(contributor).well("PATCH", kv+vaultV, `{"tags":{"team":"ops"}}`, 200, &got)
	if got.Tags["team"] != "ops" || got.Location != "West Europe" {
		t.Errorf("patched: %+v", got)
	}
	c.well("PATCH", kv+vaultV, byRoles, 200, &got)
	if !got.Properties.RBAC || len(got.Properties.Policies) != 1 || got.Properties.Own[0].Allowed {
		t.Errorf("by roles: %+v", got.Properties)
	}
	if rec := v.do(app, host, "GET", "/secrets/one", ""); rec.Code != 403 || !strings.Contains(rec.Body.String(), "ForbiddenByRbac") || !strings.Contains(rec.Body.String(), "policies have no effect") {
		t.Errorf("by roles, the policy's token: %d %s", rec.Code, rec.Body)
	}
	try(contributor, "GET", "/secrets/one", "", 200)
}

// caller2 is the same caller with another token.
func (c *caller) caller2(token string) *caller {
	other := *c
	other.token = token
	return &other
}

// TestVaultWithoutRights: whoever owns the vault takes away what Certwright itself may do there. The order's link says so in the words of App Service
// Certificates, the timeline says who did it, the diagnosis names principal and fix; given back, the order heals by itself.
func TestVaultWithoutRights(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "shop.example.com")
	l := startLive(t, w, nil, sh)
	c := l.caller(l.FirstRun)
	id := l.place(sh, order.BuiltinIssuer)
	l.settled(id, 1)
	kv := vaultsID + "/default"
	stands := func(want order.VaultStatus, finding string) {
		t.Helper()
		o := l.wait(id, string(want), func(o *order.Order) bool {
			return o.LeaseOwner == "" && o.VaultStatusOf(l.Now()) == want && len(o.Next(l.Now())) == 0
		})
		r, err := l.Diagnose(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if finding == "" {
			if !r.Healthy {
				t.Errorf("it is not well again: %+v", r.Findings)
			}
			return
		}
		if len(r.Findings) == 0 || r.Findings[0].ID != finding || r.Findings[0].Fix.Command != "certwright vault grant --vault default" {
			t.Fatalf("found %+v, want %s", r.Findings, finding)
		}
		what := "store in the vault"
		if finding == "vault-read-denied-target" {
			what = "read from the vault for the targets"
		}
		p := l.says(o, order.StageStore, order.StateFail, what, "Key Vault: its principal Microsoft.Azure.")
		if p.ID != finding || p.Vault != want {
			t.Errorf("the problem is %+v", p)
		}
		var res struct{ Properties struct{ VaultStatus string } }
		c.get(id.String()+orderV, &res)
		if res.Properties.VaultStatus != string(want) {
			t.Errorf("the order says %s, want %s", res.Properties.VaultStatus, want)
		}
	}
	c.well("POST", kv+"/withdrawAccess"+vaultV, `{"objectIds":["`+secret.Storer.ID+`"]}`, 200, nil)
	stands(order.VaultNotPermitted, "vault-write-denied")
	l.renew(id) // the new version is signed, waits, and is not ordered again
	o := l.wait(id, "signed", func(o *order.Order) bool { return len(o.Versions) == 2 && o.LeaseOwner == "" })
	if o.First().Number != 1 || o.VaultStatusOf(l.Now()) != order.VaultNotPermitted {
		t.Errorf("it has version %d, %s", o.First().Number, o.VaultStatusOf(l.Now()))
	}
	c.well("POST", kv+"/grantAccess"+vaultV, `{}`, 200, nil)
	l.settled(id, 2)
	stands(order.VaultSucceeded, "")

	c.well("POST", kv+"/withdrawAccess"+vaultV, `{"objectIds":["`+secret.Fetcher.Name+`"]}`, 200, nil)
	stands(order.VaultUnauthorized, "vault-read-denied-target")
	c.refused("PUT", subID+"/resourceGroups/default/providers/Microsoft.Web/certificates/x"+orderV, `{"location":"x","properties":{"keyVaultId":"`+kv+`","keyVaultSecretName":"shop"}}`, 409, "KeyVaultAccessDenied")
	c.well("POST", kv+"/grantAccess"+vaultV, `{}`, 200, nil)
	stands(order.VaultSucceeded, "")

	c.well("PATCH", kv+vaultV, `{"properties":{"enableRbacAuthorization":false}}`, 200, nil)
	stands(order.VaultUnauthorized, "vault-rbac-mode-switched")
	c.well("POST", kv+"/grantAccess"+vaultV, `{}`, 200, nil)
	stands(order.VaultSucceeded, "")
	c.well("PUT", kv+"/accessPolicies/remove"+vaultV, `{"properties":{"accessPolicies":[{"objectId":"`+secret.Storer.ID+`","permissions":{"secrets":["set"]}}]}}`, 200, nil)
	l.wait(id, "out of sync", func(o *order.Order) bool { return o.VaultStatusOf(l.Now()).OutOfSync() })

	c.refused("POST", kv+"/withdrawAccess"+vaultV, `{"objectIds":["somebody"]}`, 400, "UnknownPrincipal")
	export := `{"format":"pem"}` // an order is no way round the policies of its vault
	c.refused("POST", "/v1/orders/shop/export", export, 403, "AuthorizationFailed")
	c.well("PUT", kv+"/accessPolicies/add"+vaultV, `{"properties":{"accessPolicies":[{"objectId":"owner","permissions":{"secrets":["get"]}}]}}`, 200, nil)
	if code, _, data := c.call("POST", "/v1/orders/shop/export", export); code != http.StatusOK {
		t.Errorf("exported by who may: %d %.80s", code, data)
	}
	events, _, err := l.Store.Events(t.Context(), order.EventQuery{Order: &id, Limit: 200})
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, e := range events {
		if e.Name == "vault-changed" && e.Caller == "owner" {
			said[e.Text] = true
		}
	}
	for _, what := range []string{"closed to Certwright itself, whose role was taken away,", "opened to Certwright itself, which was given a role,", "switched from roles to access policies", "given other access policies"} {
		if !said["The vault default was "+what+" by owner."] {
			t.Errorf("the timeline does not say that the vault was %s: %v", what, said)
		}
	}
}

// TestDeletedVault: a vault is soft-deleted with all that it holds; its orders say so, and are well again when it is recovered. Its name stays
// taken until it is purged.
func TestDeletedVault(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	c := l.caller(l.FirstRun)
	kv, deleted := vaultsID+"/kv-gone", subID+"/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/kv-gone"
	c.well("PUT", kv+vaultV, `{"location":"westeurope","tags":{"a":"b"},"properties":{"softDeleteRetentionInDays":7}}`, 200, nil)
	id := order.Short("brought")
	body, err := json.Marshal(map[string]any{"pem": ownCertificate(t, l.Now(), "brought.example.com").pem(t), "wish": map[string]any{"properties": map[string]any{"vault": "kv-gone"}}})
	if err != nil {
		t.Fatal(err)
	}
	c.well("POST", "/v1/orders/brought/import", string(body), 201, nil)
	l.wait(id, "stored", func(o *order.Order) bool { return o.First() != nil && o.LeaseOwner == "" })
	c.well("DELETE", kv+vaultV, "", 200, nil)
	if code, _, _ := c.call("DELETE", kv+vaultV, ""); code != http.StatusNoContent {
		t.Errorf("deleted twice: %d", code)
	}
	l.wait(id, "out of sync", func(o *order.Order) bool {
		return o.LeaseOwner == "" && o.VaultStatusOf(l.Now()) == order.VaultNotExist
	})
	r, err := l.Diagnose(t.Context(), id)
	if err != nil || len(r.Findings) == 0 || r.Findings[0].ID != "vault-not-found" || r.Findings[0].Fix.Command != "certwright vault recover --vault kv-gone" || !strings.Contains(r.Findings[0].Title, "deleted") {
		t.Errorf("found %+v, %v", r.Findings, err)
	}
	c.refused("GET", kv+vaultV, "", 404, "ResourceNotFound")
	c.refused("GET", "/v1/vaults/kv-gone/secrets", "", 404, "VaultNotFound")
	if rec := callVault(l).on("kv-gone", "GET", "/secrets", ""); rec.Code != 404 {
		t.Errorf("its data plane answers: %d %s", rec.Code, rec.Body)
	}
	c.refused("PUT", kv+vaultV, `{"location":"westeurope","properties":{}}`, 409, "ConflictError")
	var free arm.NameFree
	c.well("POST", subID+"/providers/Microsoft.KeyVault/checkNameAvailability"+vaultV, `{"name":"KV-gone","type":"Microsoft.KeyVault/vaults"}`, 200, &free)
	if free.Free || free.Reason != "AlreadyExists" {
		t.Errorf("the name: %+v", free)
	}
	var list arm.List[struct {
		ID         string
		Properties arm.DeletedVault
	}]
	c.get(subID+"/providers/Microsoft.KeyVault/deletedVaults"+vaultV, &list)
	if len(list.Value) != 1 || list.Value[0].ID != deleted || list.Value[0].Properties.VaultID != kv || list.Value[0].Properties.Tags["a"] != "b" || list.Value[0].Properties.Purge.Sub(list.Value[0].Properties.Deleted) != 7*24*time.Hour {
		t.Errorf("deleted vaults: %+v", list.Value)
	}
	c.well("PUT", kv+vaultV, `{"location":"westeurope","properties":{"createMode":"recover"}}`, 200, nil)
	l.wait(id, "well again", func(o *order.Order) bool {
		return o.LeaseOwner == "" && o.VaultStatusOf(l.Now()) == order.VaultSucceeded
	})
	c.refused("GET", deleted+vaultV, "", 404, "DeletedVaultNotFound")
	c.refused("PUT", vaultsID+"/kv-never"+vaultV, `{"location":"x","properties":{"createMode":"recover"}}`, 404, "DeletedVaultNotFound")

	c.well("PATCH", kv+vaultV, `{"properties":{"enablePurgeProtection":true}}`, 200, nil)
	c.well("DELETE", kv+vaultV, "", 200, nil)
	c.refused("POST", deleted+"/purge"+vaultV, "", 405, "MethodNotAllowed")
	c.well("PUT", vaultsID+"/kv-two"+vaultV, `{"location":"x","properties":{}}`, 200, nil)
	c.well("DELETE", vaultsID+"/kv-two"+vaultV, "", 200, nil)
	c.well("POST", strings.Replace(deleted, "gone", "two", 1)+"/purge"+vaultV, "", 200, nil)
	c.well("POST", subID+"/providers/Microsoft.KeyVault/checkNameAvailability"+vaultV, `{"name":"kv-two","type":"Microsoft.KeyVault/vaults"}`, 200, &free)
	if !free.Free {
		t.Errorf("the name of a purged vault: %+v", free)
	}
	c.well("POST", "/v1/orders/brought/cancel", "", 409, nil)
	var texts []string
	events, _, err := l.Store.Events(t.Context(), order.EventQuery{Order: &id, Limit: 200, Ascending: true})
	for _, e := range events {
		if e.Name == "vault-changed" || e.Name == "vault-in-sync" || e.Name == "vault-out-of-sync" {
			texts = append(texts, e.Name)
		}
	}
	if err != nil || !strings.HasPrefix(strings.Join(texts, " "), "vault-changed vault-out-of-sync vault-changed vault-in-sync vault-changed") {
		t.Errorf("the timeline: %v, %v", texts, err)
	}
}

// TestShortPathsOfSecretsTellTheOrder: what is done to an order's secret by the short paths is in its timeline with who did it, as by the data plane.
func TestShortPathsOfSecretsTellTheOrder(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "shop.example.com")
	l := startLive(t, w, nil, sh)
	c := l.caller(l.FirstRun)
	id := l.place(sh, order.BuiltinIssuer)
	l.settled(id, 1)
	said := func(what string) {
		t.Helper()
		events, _, err := l.Store.Events(t.Context(), order.EventQuery{Order: &id, Limit: 50})
		if err != nil || !slices.ContainsFunc(events, func(e order.Event) bool {
			return e.Name == "secret-changed" && e.Caller == "owner" && e.Text == "The secret shop of vault default was "+what+" by owner."
		}) {
			t.Errorf("the timeline does not say %s: %v", what, err)
		}
	}
	c.well("DELETE", "/v1/vaults/default/secrets/shop", "", 200, nil)
	said("deleted")
	l.wait(id, "out of sync", func(o *order.Order) bool {
		return o.LeaseOwner == "" && o.VaultStatusOf(l.Now()) == order.VaultSecretNotExist
	})
	c.well("POST", "/v1/vaults/default/deletedsecrets/shop/recover", "", 204, nil)
	said("recovered")
	l.wait(id, "well again", func(o *order.Order) bool {
		return o.LeaseOwner == "" && o.VaultStatusOf(l.Now()) == order.VaultSucceeded
	})
	c.refused("POST", "/v1/vaults/default/deletedsecrets/shop/recover", "", 404, "SecretNotFound")
}
