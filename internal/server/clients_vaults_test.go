package server

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"certwright/internal/arm"
	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/testworld"
)

// TestNpmClientOfVaults: @azure/arm-keyvault manages vaults, their access policies and their deletion.
func TestNpmClientOfVaults(t *testing.T) {
	t.Parallel()
	c := startClients(t)
	type vault struct {
		ID, Name, Type, Location string
		Tags                     map[string]string
		Properties               struct {
			VaultURI                  string
			EnableRbacAuthorization   bool
			SoftDeleteRetentionInDays int
			AccessPolicies            []struct {
				TenantID, ObjectID string
				Permissions        struct{ Secrets, Certificates []string }
			}
			VaultID                          string
			Location                         string
			Tags                             map[string]string
			DeletionDate, ScheduledPurgeDate time.Time
		}
	}
	var got struct {
		Free, Invalid, Taken struct {
			NameAvailable   bool
			Reason, Message string
		}
		Made, Updated, Got, Recovered vault
		Kept                          vault
		Added, Removed, Replaced, One vault
		Lists                         [][]string
		Deleted                       []vault
		Refused                       map[string]refusal
	}
	c.many(t, 0) // a group more
	c.script(&got, "keyvault.mjs")
	if !got.Free.NameAvailable || got.Invalid.NameAvailable || got.Invalid.Reason != "AccountNameInvalid" || got.Taken.NameAvailable || got.Taken.Reason != "AlreadyExists" {
		t.Errorf("names: %+v %+v %+v", got.Free, got.Invalid, got.Taken)
	}
	if p := got.Made.Properties; got.Made.Name != "kv-npm" || got.Made.Location != "westeurope" || got.Made.Tags["team"] != "web" || p.EnableRbacAuthorization || p.SoftDeleteRetentionInDays != 7 ||
		len(p.AccessPolicies) != 3 || p.AccessPolicies[0].ObjectID != "npm-app" || p.AccessPolicies[1].ObjectID != secret.Storer.ID || !strings.HasPrefix(p.VaultURI, "https://kv-npm.vault.localhost") {
		t.Errorf("made: %+v", got.Made)
	}
	words := func(v vault) string {
		if len(v.Properties.AccessPolicies) == 0 {
			return ""
		}
		p := v.Properties.AccessPolicies[0].Permissions
		return strings.Join(p.Secrets, ",") + "/" + strings.Join(p.Certificates, ",")
	}
	if words(got.Added) != "get,list/get" || words(got.Removed) != "list/" || len(got.Replaced.Properties.AccessPolicies) != 0 {
		t.Errorf("policies: %s, %s, %+v", words(got.Added), words(got.Removed), got.Replaced)
	}
	if !got.Updated.Properties.EnableRbacAuthorization || got.Updated.Tags["team"] != "ops" || got.Got.Tags["team"] != "ops" || len(got.Got.Properties.AccessPolicies) != 0 {
		t.Errorf("updated %+v, got %+v", got.Updated, got.Got)
	}
	for i, want := range []string{"default kv-npm", "kv-far", "default kv-far kv-npm", "default kv-far kv-npm"} {
		if slices.Sort(got.Lists[i]); strings.Join(got.Lists[i], " ") != want {
			t.Errorf("list %d: %v, want %s", i, got.Lists[i], want)
		}
	}
	if len(got.Deleted) != 1 || got.Deleted[0].ID != got.One.ID || got.One.Properties.VaultID != got.Made.ID || got.One.Properties.Tags["team"] != "ops" || got.Recovered.ID != got.Made.ID {
		t.Errorf("deleted %+v, one %+v, recovered %+v", got.Deleted, got.One, got.Recovered)
	}
	if p := got.One.Properties; p.ScheduledPurgeDate.Sub(p.DeletionDate) != 7*24*time.Hour || p.DeletionDate.After(c.Now()) {
		t.Errorf("deleted at %s, purged at %s", p.DeletionDate, p.ScheduledPurgeDate)
	}
	if p := got.Kept.Properties; words(got.Kept) != "get/get" || got.Kept.Tags["team"] != "ops" || !p.EnableRbacAuthorization || p.SoftDeleteRetentionInDays != 7 || got.Kept.Location != "westeurope" {
		t.Errorf("recovered: %+v", got.Kept)
	}
	for what, want := range map[string]refusal{"permission": {Status: 400, Code: "InvalidAccessPolicy"}, "premium": {Status: 422, Code: "SkuNotSupported"}, "network": {Status: 422, Code: "NetworkRulesNotSupported"},
		"far": {Status: 404, Code: "ResourceNotFound"}, "gone": {Status: 404, Code: "ResourceNotFound"}, "again": {Status: 409, Code: "ConflictError"}, "purged": {Status: 404, Code: "DeletedVaultNotFound"}} {
		if r := got.Refused[what]; r.Status != want.Status || r.Code != want.Code {
			t.Errorf("%s is refused with %+v, want %d %s", what, r, want.Status, want.Code)
		}
	}
}

// TestUploadedCertificate: a certificate of one's own comes as a PFX, lies in the vault, and is bound, replaced and removed like others; its
// key is given out by the vault alone.
func TestUploadedCertificate(t *testing.T) {
	t.Parallel()
	c := startClients(t)
	ask := c.caller(c.FirstRun)
	path := subID + "/resourceGroups/default/providers/Microsoft.Web/certificates/"
	mine := ownCertificate(t, c.Now(), "own.example.com")
	body := func(o own, with, password string) string {
		return `{"location":"West Europe","tags":{"a":"b"},"properties":{"pfxBlob":"` + o.pfx(t, with) + `","password":"` + password + `"}}`
	}
	type certificate struct {
		ID         string
		Tags       map[string]string
		Properties arm.WebCertificate
	}
	var got certificate
	ask.refused("PUT", path+"own"+orderV, body(mine, "one", "two"), 400, "WrongPassword")
	ask.refused("PUT", path+"own"+orderV, `{"location":"x","properties":{"pfxBlob":"bm9uc2Vuc2U=","password":""}}`, 400, "UnreadablePFX")
	ask.refused("PUT", path+"own"+orderV, `{"location":"x","properties":{"pfxBlob":"AAAA","keyVaultId":"x"}}`, 400, "TwoSources")
	if e := ask.refused("PUT", path+"own"+orderV, `{"location":"x","properties":{"pfxBlob":"%%%"}}`, 400, "InvalidBody"); e.Target != "properties.pfxBlob" {
		t.Errorf("refused for %q", e.Target)
	}
	ask.refused("PUT", path+"shop"+orderV, body(mine, "p", "p"), 409, "OrderExists")
	for range 2 { // the same again is no change
		ask.well("PUT", path+"own"+orderV, body(mine, "p", "p"), http.StatusOK, &got)
		if p := got.Properties; p.Thumbprint != order.ThumbprintOf(mine.leaf.Raw) || !p.Valid || got.Tags["a"] != "b" || p.SecretName != "own" || strings.Join(p.HostNames, " ") != "own.example.com" {
			t.Fatalf("uploaded: %+v", got)
		}
	}
	id := order.Short("own")
	c.wait(id, "stored", func(o *order.Order) bool { return o.First() != nil && o.LeaseOwner == "" })
	ask.well("GET", path+"own"+orderV, "", http.StatusOK, &got)
	if got.Properties.SecretStatus != order.VaultSucceeded || len(c.load(id).Versions) != 1 {
		t.Errorf("stored: %+v", got)
	}
	code, _, data := ask.call("GET", "/vaults/default/certificates/own?api-version=7.4", "")
	if code != http.StatusOK || strings.Contains(string(data), "PRIVATE") {
		t.Errorf("in the vault: %d %s", code, data)
	}
	ask.well("DELETE", "/vaults/default/secrets/own?api-version=7.4", "", http.StatusOK, nil)
	if ask.well("GET", path+"own"+orderV, "", http.StatusOK, &got); got.Properties.SecretStatus != order.VaultSecretNotExist || got.Properties.Valid {
		t.Errorf("without its secret: %+v", got)
	}
	ask.well("POST", "/vaults/default/deletedsecrets/own/recover?api-version=7.4", "", http.StatusOK, nil)
	site := subID + "/resourceGroups/default/providers/Microsoft.Web/sites/"
	ask.well("PUT", site+"mine"+orderV, `{"location":"x","tags":{"t":"1"},"properties":{}}`, http.StatusOK, nil)
	ask.well("PATCH", site+"mine"+orderV, `{"tags":{"t":"2"},"properties":{"hostNames":["other.example.com"]}}`, http.StatusOK, &got)
	var patched struct{ Properties arm.WebSite }
	ask.well("GET", site+"mine"+orderV, "", http.StatusOK, &patched)
	if p := patched.Properties; got.Tags["t"] != "2" || strings.Join(p.HostNames, " ") != "other.example.com" {
		t.Errorf("the site's tags: %v, its names: %v", got.Tags, p.HostNames)
	}
	ask.refused("PUT", site+"mine/hostNameBindings/own.example.com"+orderV, `{"properties":{"sslState":"IpBasedEnabled","thumbprint":"`+order.ThumbprintOf(mine.leaf.Raw)+`"}}`, 422, "IpBasedNotSupported")
	ask.well("PUT", site+"mine/hostNameBindings/own.example.com"+orderV, `{"properties":{"sslState":"SniEnabled","thumbprint":"`+order.ThumbprintOf(mine.leaf.Raw)+`"}}`, http.StatusOK, nil)
	if e := ask.refused("DELETE", path+"own"+orderV, "", 409, "CertificateBound"); !strings.Contains(e.Message, "because it is used for hostname own.example.com") {
		t.Errorf("refused with %q", e.Message)
	}
	ask.well("DELETE", site+"mine/hostNameBindings/own.example.com"+orderV, "", http.StatusOK, nil)
	ask.refused("PATCH", path+"own"+orderV, `{"properties":{"keyVaultSecretName":"shop"}}`, 409, "CertificateUploaded")
	ask.well("DELETE", path+"own"+orderV, "", http.StatusOK, nil)
	ask.refused("GET", path+"own"+orderV, "", 404, "ResourceNotFound")
}

// TestGroupTagsAndPatch: a resource group keeps its tags, and PATCH changes them.
func TestGroupTagsAndPatch(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	ask := l.caller(l.FirstRun)
	group := subID + "/resourceGroups/tagged"
	ask.well("PUT", group+resV, `{"location":"x","tags":{"a":"1"}}`, http.StatusCreated, nil)
	var got arm.GroupInfo
	ask.well("PATCH", group+resV, `{"tags":{"b":"2"}}`, http.StatusOK, &got)
	if len(got.Tags) != 1 || got.Tags["b"] != "2" || got.Properties.State != "Succeeded" {
		t.Errorf("tags: %v", got.Tags)
	}
	ask.well("PUT", group+resV, `{"location":"x"}`, http.StatusOK, &got)
	if got.Tags["b"] != "2" {
		t.Errorf("a client that knows no tags took them: %v", got.Tags)
	}
	ask.refused("PATCH", subID+"/resourceGroups/none"+resV, `{"tags":{}}`, 404, "ResourceGroupNotFound")
}
