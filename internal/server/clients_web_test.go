package server

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/order"
	"certwright/internal/testworld"
)

// TestNpmClientOfSites: @azure/arm-appservice imports the order's certificate and binds host names to it.
func TestNpmClientOfSites(t *testing.T) {
	t.Parallel()
	c := startClients(t)
	type certificate struct {
		Name, Thumbprint, KeyVaultSecretStatus, ServerFarmID, Location, SubjectName, Issuer, FriendlyName string
		HostNames                                                                                         []string
		Valid                                                                                             bool
		IssueDate, ExpirationDate                                                                         time.Time
	}
	type binding struct{ Name, SiteName, SSLState, Thumbprint, HostNameType, AzureResourceName, AzureResourceType string }
	var got struct {
		Imported, Synced, Updated, Got certificate
		Certificates, Sites            [][]string
		Site                           struct {
			Name, State, Kind string
			Tags              map[string]string
		}
		Shop, Stated, Echoed, Unstated struct {
			Kind, ServerFarmID string
			HostNames          []string
			EnabledHostNames   []string
			DefaultHostName    string
			HostNameSSLStates  []struct{ Name, SSLState, Thumbprint string }
		}
		Bindings                      []string
		Binding, Bare, Bound, Unbound binding
		Refused                       map[string]refusal
	}
	c.many(t, 0) // a group more
	c.script(&got, "appservice.mjs")
	c.wire.used(t, "azsdk-js-arm-appservice", ownOperations("Microsoft.Web", ""))
	v := c.load(c.id).First()
	if g := got.Imported; g.Name != "imported" || g.Thumbprint != v.Thumbprint || g.KeyVaultSecretStatus != "Succeeded" || !g.Valid || strings.Join(g.HostNames, "") != "shop.example.com" || g.Location != "West Europe" {
		t.Errorf("imported: %+v", g)
	}
	if g := got.Imported; !g.IssueDate.Equal(v.NotBefore) || !g.ExpirationDate.Equal(v.NotAfter) || g.SubjectName != v.Subject || g.Issuer != v.IssuedBy || g.FriendlyName != "shop.example.com" {
		t.Errorf("the certificate is shown as %+v, and is %+v", g, v)
	}
	if got.Synced.Thumbprint != v.Thumbprint || !strings.HasSuffix(got.Updated.ServerFarmID, "plan2") || got.Got.ServerFarmID != got.Updated.ServerFarmID {
		t.Errorf("synced %+v, updated %+v, got %+v", got.Synced, got.Updated, got.Got)
	}
	var lists []string
	for _, list := range append(got.Certificates, got.Sites...) {
		slices.Sort(list)
		lists = append(lists, strings.Join(list, " "))
	}
	if all := strings.Join(lists, ", "); all != "far imported, imported, far, far-site npm-site shop, npm-site shop, far-site" {
		t.Errorf("lists: %s", all)
	}
	if s := got.Site; s.State != "Running" || s.Kind != "app" || s.Tags["team"] != "web" || strings.Join(got.Shop.HostNames, " ") != "shop.example.com" || strings.Join(got.Shop.EnabledHostNames, " ") != "shop.example.com" || got.Shop.DefaultHostName != "shop.example.com" {
		t.Errorf("site %+v, shop %+v", s, got.Shop)
	}
	if got.Shop.Kind != "app" || len(got.Shop.HostNameSSLStates) != 1 || got.Shop.HostNameSSLStates[0].Thumbprint != v.Thumbprint || got.Shop.HostNameSSLStates[0].SSLState != "SniEnabled" {
		t.Errorf("site %+v, shop %+v", got.Site, got.Shop)
	}
	if b := got.Bound; b.SiteName != "shop" || b.AzureResourceName != "shop" || b.AzureResourceType != "Website" || b.HostNameType != "Verified" || b.Name != "shop/shop.example.com" {
		t.Errorf("bound: %+v", b)
	}
	if strings.Join(got.Bindings, "") != "shop/shop.example.com" || got.Binding.SSLState != "SniEnabled" || got.Binding.Thumbprint != v.Thumbprint || got.Bare.SSLState != "Disabled" ||
		got.Bound.SSLState != "SniEnabled" || got.Bound.Thumbprint != v.Thumbprint || got.Unbound.SSLState != "Disabled" || got.Unbound.Thumbprint != "" {
		t.Errorf("bindings %v, %+v, bare %+v, bound %+v, unbound %+v", got.Bindings, got.Binding, got.Bare, got.Bound, got.Unbound)
	}
	for i, x := range [][2]string{{got.Stated.HostNameSSLStates[0].SSLState, "SniEnabled"}, {got.Stated.HostNameSSLStates[0].Thumbprint, v.Thumbprint}, {got.Echoed.HostNameSSLStates[0].SSLState, "SniEnabled"},
		{got.Unstated.HostNameSSLStates[0].SSLState, "Disabled"}, {strings.Join(got.Unstated.HostNames, " "), "shop.example.com"}, {got.Shop.ServerFarmID, subID + "/resourceGroups/default/providers/Microsoft.Web/serverfarms/certwright"}} {
		if x[0] != x[1] {
			t.Errorf("bound by the site itself, %d: %s, want %s", i, x[0], x[1])
		}
	}
	for what, want := range map[string]refusal{"stated": {Status: 404, Code: "CertificateNotFound"}, "pending": {Status: 409, Code: "CertificateNotIssued"}, "vault": {Status: 400, Code: "InvalidKeyVaultId"}, "delete": {Status: 409, Code: "CertificateBound"},
		"binding": {Status: 404, Code: "BindingNotFound"}, "foreign": {Status: 409, Code: "HostNameNotCovered"}, "unknown": {Status: 404, Code: "CertificateNotFound"}, "gone": {Status: 404, Code: "SiteNotFound"}} {
		if r := got.Refused[what]; r.Status != want.Status || r.Code != want.Code {
			t.Errorf("%s is refused with %+v, want %d %s", what, r, want.Status, want.Code)
		}
	}
	ask := c.caller(c.FirstRun)
	for path, want := range map[string]string{"/providers/Certwright/issuers": "builtin", "/providers/Certwright/commands": "reload-shop shop shop",
		subID + "/resourceGroups/default/providers/Certwright/targets": "shop.files", subID + "/resourceGroups/default/providers/Certwright/endpoints": "shop.1"} {
		var list arm.List[arm.Resource]
		ask.get(path+"?api-version=2026-11-01", &list)
		var names []string
		for _, r := range list.Value {
			names = append(names, r.Name)
		}
		if strings.Join(names, " ") != want {
			t.Errorf("%s: %v, want %s", path, names, want)
		}
	}
	var targets arm.List[struct {
		Properties struct {
			Site, Kind string
			Files      map[string]any
		}
	}]
	ask.get(subID+"/resourceGroups/default/providers/Certwright/targets?api-version=2026-11-01", &targets)
	if p := targets.Value[0].Properties; p.Site != "shop" || p.Kind != "files" || p.Files["root"] != "shop" {
		t.Errorf("the target is shown as %+v", p)
	}
	if ask.get(subID+"/resourceGroups/many/providers/Certwright/targets?api-version=2026-11-01", &targets); len(targets.Value) != 0 {
		t.Errorf("another group has the targets %+v", targets.Value)
	}
	if o := c.load(c.id); len(o.Spec.Sites) != 0 {
		t.Errorf("after the last binding went, the order has the sites %v", o.Spec.Sites)
	}
}

// TestVaultManagement: vaults are made, listed, changed and removed; what is in use stays.
func TestVaultManagement(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	c := l.caller(l.FirstRun)
	vaults := subID + "/resourceGroups/default/providers/Microsoft.KeyVault/vaults"
	const v = "?api-version=2023-07-01"
	var got struct {
		ID         string
		Properties arm.Vault
	}
	c.get(vaults+"/default"+v, &got)
	if got.ID != vaults+"/default" || !got.Properties.RBAC || !strings.HasPrefix(got.Properties.URI, "https://default.vault.localhost:") {
		t.Errorf("default: %+v", got)
	}
	for _, body := range []string{`{"location":"x","properties":{"softDeleteRetentionInDays":30,"enableRbacAuthorization":true,"sku":{"family":"A","name":"standard"},"accessPolicies":[]}}`,
		`{"location":"x","properties":{"enablePurgeProtection":true}}`} {
		if code, _, data := c.call("PUT", vaults+"/kv-one"+v, body); code != http.StatusOK {
			t.Fatalf("make a vault: %d %s", code, data)
		}
	}
	c.get(strings.ToUpper(vaults)+"/KV-ONE"+v, &got)
	if got.Properties.Retention != 30 || !got.Properties.PurgeProtection {
		t.Errorf("kv-one: %+v", got)
	}
	c.refused("PATCH", vaults+"/kv-one"+v, `{"properties":{"enablePurgeProtection":false}}`, 400, "PurgeProtectionFinal")
	c.refused("PUT", vaults+"/kv-two"+v, `{"location":"x","properties":{"sku":{"name":"premium"}}}`, 422, "SkuNotSupported")
	c.refused("PUT", vaults+"/kv-two"+v, `{"location":"x","properties":{"networkAcls":{"defaultAction":"Deny"}}}`, 422, "NetworkRulesNotSupported")
	c.refused("PUT", vaults+"/kv-two"+v, `{"location":"x","properties":{"createMode":"copy"}}`, 400, "UnknownCreateMode")
	c.refused("PUT", vaults+"/kv-two"+v, `{"location":"x","tags":{"":"x"},"properties":{}}`, 400, "InvalidTag")
	c.refused("PUT", vaults+"/kv_two"+v, `{"location":"x","properties":{}}`, 400, "VaultNameNotValid")
	c.refused("PUT", vaults+"/kv-two"+v, `{"location":"x","properties":"y"}`, 400, "InvalidBody")
	c.refused("PUT", strings.Replace(vaults, "default", "nowhere", 1)+"/kv-two"+v, `{"location":"x","properties":{}}`, 404, "ResourceGroupNotFound")
	c.refused("DELETE", vaults+"/default"+v, "", 409, "VaultInUse")
	var list arm.List[arm.Resource]
	c.get(subID+"/providers/Microsoft.KeyVault/vaults"+v, &list)
	if len(list.Value) != 2 {
		t.Errorf("vaults: %+v", list.Value)
	}

	// An order may be kept in it by who may write there, and not over what another order keeps.
	orders := subID + "/resourceGroups/default/providers/Microsoft.CertificateRegistration/certificateOrders/"
	if code, _, data := c.call("PUT", orders+"one"+orderV, strings.ReplaceAll(wishV, "%s", "one.example.com")); code != http.StatusCreated {
		t.Fatalf("%d %s", code, data)
	}
	link := `{"location":"Global","properties":{"keyVaultId":"` + vaults + `/kv-one","keyVaultSecretName":"one"}}`
	token, _, err := l.Auth.Issue(t.Context(), "narrow", auth.Contributor, order.Short("one").String(), 0)
	if err != nil {
		t.Fatal(err)
	}
	narrow := l.caller(token)
	narrow.refused("PUT", orders+"one/certificates/x"+orderV, link, 403, "AuthorizationFailed")
	if code, _, data := c.call("PUT", orders+"one/certificates/x"+orderV, link); code != http.StatusCreated {
		t.Fatalf("%d %s", code, data)
	}
	if code, _, data := narrow.call("PATCH", orders+"one"+orderV, `{"properties":{"productType":"StandardDomainValidatedSsl","autoRenew":false}}`); code != http.StatusOK {
		t.Errorf("a change besides the links: %d %s", code, data)
	}
	if code, _, _ := c.call("DELETE", vaults+"/kv-one"+v, ""); code != http.StatusOK {
		t.Errorf("an empty vault is not removed: %d", code)
	}
	if code, _, _ := c.call("DELETE", vaults+"/kv-one"+v, ""); code != http.StatusNoContent {
		t.Errorf("a vault that is gone: %d", code)
	}
}
