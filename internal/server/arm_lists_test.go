package server

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/order"
	"certwright/internal/testworld"
)

const (
	webV   = "?api-version=2023-12-01"
	logV   = "?api-version=2015-04-01"
	vaultB = `{"location":"westeurope","tags":{"env":"prod"},"properties":{"tenantId":"` + auth.Tenant + `","sku":{"family":"A","name":"standard"}}}`
)

// names follows a list over all its pages: the names in their order, and how many came on each page.
func (c *caller) names(path string) (names []string, sizes []int) {
	c.t.Helper()
	for next := path; next != ""; {
		var page arm.List[map[string]any]
		c.get(next, &page)
		for _, v := range page.Value {
			names = append(names, v["name"].(string))
		}
		if sizes = append(sizes, len(page.Value)); len(sizes) > 50 {
			c.t.Fatalf("%s never ends: %v", path, sizes)
		}
		next = page.NextLink
	}
	return names, sizes
}

func filtered(text string) string { return "&$filter=" + url.QueryEscape(text) }

// TestListsOfResources: $top bounds pages whose links lead through everything once; $filter takes what az sends; tags, places and
// states are shown as they were given.
func TestListsOfResources(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	c := l.caller(l.FirstRun)
	group := subID + "/resourceGroups/web"
	for _, g := range []string{"alpha", "web", "zeta"} {
		c.well("PUT", subID+"/resourcegroups/"+g+resV, `{"location":"West Europe","tags":{"team":"`+g+`"}}`, 201, nil)
	}
	want := []string{"s1", "kv-one"}
	c.well("PUT", group+"/providers/Microsoft.Web/sites/s1"+webV, `{"location":"westeurope","tags":{"env":"prod"},"properties":{}}`, 200, nil)
	c.well("PUT", group+"/providers/Microsoft.KeyVault/vaults/kv-one"+vaultV, vaultB, 200, nil)
	for i := range 5 {
		name := fmt.Sprintf("o%d", i)
		want = append(want, name)
		body := strings.ReplaceAll(wishV, "%s", name+".example.com")
		if i == 4 {
			body = `{"tags":{"env":"prod"},` + body[1:]
		}
		c.well("PUT", group+"/providers/Microsoft.CertificateRegistration/certificateOrders/"+name+orderV, body, 201, nil)
	}
	slices.Sort(want)
	for _, path := range []string{group + "/resources" + resV, subID + "/resources" + resV + filtered("resourceGroup eq 'WEB'")} {
		for top := 1; top <= 8; top++ {
			names, sizes := c.names(fmt.Sprintf("%s&%%24top=%d", path, top))
			if slices.Sort(names); !slices.Equal(names, want) || slices.Max(sizes) > top {
				t.Errorf("%s by %d: %v in pages of %v", path, top, names, sizes)
			}
		}
	}
	for filter, want := range map[string]string{
		"tagName eq 'env' and tagValue eq 'prod'": "[kv-one s1 o4]", "substringof('o', name) and resourceType ne 'Microsoft.KeyVault/vaults'": "[o0 o1 o2 o3 o4]",
		"location eq 'West Europe'": "[kv-one s1]", "name eq 'O3'": "[o3]",
	} {
		if names, _ := c.names(group + "/resources" + resV + filtered(filter) + "&$TOP=2"); fmt.Sprint(names) != want {
			t.Errorf("%s: %v, want %s", filter, names, want)
		}
	}
	var page arm.List[arm.Generic]
	c.get(group+"/resources"+resV+filtered("name eq 'o4'")+"&$expand=createdTime,provisioningState", &page)
	if len(page.Value) != 1 || page.Value[0].Tags["env"] != "prod" || page.Value[0].State != "Succeeded" || page.Value[0].Created == nil {
		t.Errorf("an order among the resources: %+v", page.Value)
	}
	for top := 1; top <= 5; top++ {
		if names, sizes := c.names(fmt.Sprintf("%s/resourcegroups%s&$top=%d", subID, resV, top)); fmt.Sprint(names) != "[alpha default web zeta]" || slices.Max(sizes) > top {
			t.Errorf("groups by %d: %v in pages of %v", top, names, sizes)
		}
		if names, sizes := c.names(fmt.Sprintf("%s/providers/Microsoft.KeyVault/vaults%s&$top=%d", subID, vaultV, top)); fmt.Sprint(names) != "[default kv-one]" || slices.Max(sizes) > top {
			t.Errorf("vaults by %d: %v in pages of %v", top, names, sizes)
		}
	}
	if names, _ := c.names(subID + "/resourcegroups" + resV + filtered("tagname eq 'team' and tagvalue eq 'zeta'")); fmt.Sprint(names) != "[zeta]" {
		t.Errorf("groups by tag: %v", names)
	}
	for _, path := range []string{"/resources", "/resourcegroups", "/providers/Microsoft.KeyVault/vaults"} {
		v := map[bool]string{true: vaultV, false: resV}[strings.Contains(path, "KeyVault")]
		for _, top := range []string{"0", "-1", "x", "1.5"} {
			c.refused("GET", subID+path+v+"&$top="+top, "", 400, "InvalidTop")
		}
		c.refused("GET", subID+path+v+"&$skiptoken=%21", "", 400, "InvalidCursor")
	}
	c.refused("GET", subID+"/resources"+resV+"&$skiptoken=o.%21", "", 400, "InvalidCursor")
	c.refused("GET", subID+"/resourcegroups"+resV+filtered("kind eq 'x'"), "", 400, "InvalidFilter")
}

// TestPlacesAndTags: a place stays as it was given and where it is; null takes a tag away, of every type.
func TestPlacesAndTags(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "shop.example.com")
	l := startLive(t, w, nil, sh)
	c := l.caller(l.FirstRun)
	l.settled(l.place(sh, order.BuiltinIssuer), 1)
	at := subID + "/resourceGroups/web"
	c.well("PUT", at+resV, `{"location":"westeurope","tags":{"env":"prod"}}`, 201, nil)
	c.well("PUT", at+resV, `{"location":"West Europe"}`, 200, nil)
	c.refused("PUT", at+resV, `{"location":"eastus"}`, 409, "InvalidResourceGroupLocation")
	def := subID + "/resourceGroups/default"
	shared := arm.VaultID(order.Short(""), "default")
	for path, body := range map[string]string{
		at + resV: "", at + "/providers/Microsoft.Web/sites/s1" + webV: `{"location":"westeurope","tags":{"env":"prod"},"properties":{}}`, at + "/providers/Microsoft.KeyVault/vaults/kv-one" + vaultV: vaultB,
		def + "/providers/Microsoft.Web/certificates/c1" + webV: `{"location":"westeurope","tags":{"env":"prod"},"properties":{"keyVaultId":"` + shared + `","keyVaultSecretName":"shop"}}`,
	} {
		if body != "" {
			c.well("PUT", path, body, 200, nil)
		}
		c.well("PATCH", path, `{"tags":{"env":null,"b":"2"}}`, 200, nil)
		c.well("PATCH", path, `{"tags":{"c":"3"}}`, 200, nil)
		var got arm.Resource
		want := "map[b:2 c:3]"
		if path == at+resV {
			want = "map[c:3]" // of a group, all are given at once
		}
		if c.get(path, &got); fmt.Sprint(got.Tags) != want || got.Location != "westeurope" {
			t.Errorf("%s: tags %v in %s", path, got.Tags, got.Location)
		}
		c.well("PATCH", path, `{"tags":{"b":null,"c":null}}`, 200, nil)
		got = arm.Resource{}
		if c.get(path, &got); len(got.Tags) != 0 {
			t.Errorf("%s: tags %v", path, got.Tags)
		}
	}
	list := subID + "/providers/Microsoft.Web/certificates" + webV
	for filter, want := range map[string]string{"KeyVaultId eq '" + strings.ToLower(shared) + "'": "[c1]", "keyVaultSecretName eq 'other'": "[]"} {
		if names, _ := c.names(list + filtered(filter)); fmt.Sprint(names) != want {
			t.Errorf("%s: %v, want %s", filter, names, want)
		}
	}
	c.refused("GET", list+filtered("valid eq 'true'"), "", 400, "InvalidFilter")
	// Nothing new comes to be in a subscription that is suspended.
	two := "/subscriptions/two"
	c.well("PUT", two+resV, `{"state":"Enabled"}`, 201, nil)
	c.well("PUT", two+"/resourceGroups/g"+resV, `{"location":"x"}`, 201, nil)
	c.well("PUT", two+resV, `{"state":"Disabled"}`, 200, nil)
	c.refused("PUT", two+"/resourceGroups/g/providers/Microsoft.KeyVault/vaults/kv-two"+vaultV, vaultB, 409, "SubscriptionNotActive")
	c.refused("PUT", two+"/resourceGroups/h"+resV, `{"location":"x"}`, 409, "SubscriptionNotActive")
	c.well("PATCH", two+"/resourceGroups/g"+resV, `{"tags":{"a":"b"}}`, 200, nil)
}

// TestParametersOfADetector: what Azure's specification cannot be is refused.
func TestParametersOfADetector(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	c := l.caller(l.FirstRun)
	id := order.Short("www")
	c.well("PUT", id.String()+orderV, strings.ReplaceAll(wishV, "%s", "www.example.com"), http.StatusCreated, nil)
	one := id.String() + "/detectors/AutoRenewStatus" + orderV
	for _, bad := range []string{"&startTime=yesterday", "&endTime=2026-11-28", "&timeGrain=PT1H", "&timeGrain=1h"} {
		c.refused("GET", one+bad, "", 400, "InvalidParameter")
	}
	c.well("GET", one+"&startTime=2026-11-27T00:00:00Z&endTime=2026-11-28T00:00:00%2B00:00&timeGrain=PT15M", "", 200, nil)
	// The activity log, as az and PowerShell ask for it.
	log := subID + "/providers/Microsoft.Insights/eventtypes/management/values" + logV
	for filter, want := range map[string]int{"caller eq 'OWNER' and status eq 'Succeeded'": 1, "caller eq 'nobody'": 0} {
		var page arm.List[map[string]any]
		c.get(log+filtered("eventTimestamp ge 2020-01-01T00:00:00.123456 and resourceId eq '"+id.String()+"' and "+filter)+"&$select=caller,status,id", &page)
		if len(page.Value) != want || want > 0 && (len(page.Value[0]) != 3 || page.Value[0]["caller"] != "owner") {
			t.Errorf("%s: %v", filter, page.Value)
		}
	}
}
