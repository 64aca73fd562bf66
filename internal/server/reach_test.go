package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/testworld"
)

// TestNobodyReachesFurtherThanTheirRights: whoever may write orders in one group cannot have them written to vaults, secrets
// and sites of others, at either kind of path, when an order is made or when it is changed.
func TestNobodyReachesFurtherThanTheirRights(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	c := l.caller(l.FirstRun)
	put := func(path, body string) {
		t.Helper()
		if code, _, data := c.call("PUT", path, body); code > 201 {
			t.Fatalf("PUT %s: %d %s", path, code, data)
		}
	}
	put(subID+"/resourceGroups/ours"+resV, `{"location":"x"}`)
	put(subID+"/resourceGroups/theirs"+resV, `{"location":"x"}`)
	put(subID+"/resourceGroups/theirs/providers/Microsoft.KeyVault/vaults/theirvault"+orderV, `{"location":"x"}`)
	put(subID+"/resourceGroups/ours/providers/Microsoft.KeyVault/vaults/ourvault"+orderV, `{"location":"x"}`)
	put("/v1/sites/web?group=ours", `{"properties":{"hostNames":["a.example.com"]}}`)
	if _, err := l.Vault.Set(t.Context(), secret.Write{Vault: "default", Name: "password", Value: secret.Bytes("hunter2")}); err != nil {
		t.Fatal(err)
	}
	scope := subID + "/resourceGroups/ours"
	token := func(name, scope string) *caller {
		t.Helper()
		plain, _, err := l.Auth.Issue(t.Context(), name, auth.Contributor, scope, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return l.caller(plain)
	}
	ours := token("ours", scope)
	path := func(name string) string {
		return order.ID{Subscription: order.DefaultSubscription, Group: "ours", Name: name}.String() + orderV
	}
	wish := func(host, more string) string {
		return `{"location":"Global","properties":{"names":["` + host + `.example.com"],` + more + `"productType":"StandardDomainValidatedSsl"}}`
	}
	short := func(name string) string { return "/v1/orders/" + name + "?group=ours" }
	theirs, password := `"vault":"TheirVault",`, `"secretName":"password",`
	before := len(l.ids())
	ours.refused("PUT", path("a"), wish("a", theirs), 403, "AuthorizationFailed")
	ours.refused("PUT", path("a"), wish("a", password), 409, "SecretTaken")
	ours.refused("PUT", path("password"), wish("a", ""), 409, "SecretTaken")
	ours.refused("PUT", short("a"), wish("a", theirs), 403, "AuthorizationFailed")
	ours.refused("PUT", short("a"), wish("a", password), 409, "SecretTaken")
	ours.refused("POST", "/v1/orders/a/import?group=ours", `{"pem":"x","wish":{"properties":{`+strings.TrimSuffix(theirs, ",")+`}}}`, 403, "AuthorizationFailed")
	if n := len(l.ids()); n != before {
		t.Errorf("%d orders were recorded", n-before)
	}
	for _, at := range []string{path("b"), short("c")} {
		if code, _, data := ours.call("PUT", at, wish("b"+string(at[1]), `"vault":"ourvault",`)); code != http.StatusCreated {
			t.Fatalf("%s: %d %s", at, code, data)
		}
		for _, method := range []string{"PUT", "PATCH"} {
			ours.refused(method, at, `{"location":"Global","properties":{`+theirs+`"productType":"StandardDomainValidatedSsl"}}`, 403, "AuthorizationFailed")
			ours.refused(method, at, `{"location":"Global","properties":{"vault":"default",`+password+`"productType":"StandardDomainValidatedSsl"}}`, 409, "SecretTaken")
		}
	}
	link := `{"location":"Global","properties":{"keyVaultId":"` + arm.VaultID(order.Short(""), "default") + `","keyVaultSecretName":"password"}}`
	if e := l.caller(l.FirstRun).refused("PUT", strings.TrimSuffix(path("b"), orderV)+"/certificates/l"+orderV, link, 409, "SecretTaken"); e.Target != "properties.keyVaultSecretName" {
		t.Errorf("a link to it is refused for %q", e.Target)
	}
	// A right on one order is none on a site.
	one := token("one", strings.TrimSuffix(path("b"), orderV))
	one.refused("PATCH", path("b"), `{"properties":{"sites":["web"],"productType":"StandardDomainValidatedSsl"}}`, 403, "AuthorizationFailed")
	if code, _, data := one.call("PATCH", path("b"), `{"tags":{"a":"b"}}`); code != http.StatusOK {
		t.Errorf("its own order: %d %s", code, data)
	}
	if code, _, data := ours.call("PATCH", path("b"), `{"properties":{"sites":["web"],"productType":"StandardDomainValidatedSsl"}}`); code != http.StatusOK {
		t.Errorf("a site of the group: %d %s", code, data)
	}
}

// ids are the orders that there are.
func (l *live) ids() []order.ID {
	l.t.Helper()
	page, err := l.Store.ListOrders(l.t.Context(), order.Query{Limit: 1000})
	if err != nil {
		l.t.Fatal(err)
	}
	var all []order.ID
	for _, s := range page.Orders {
		all = append(all, s.ID)
	}
	return all
}
