package server

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/order"
	"certwright/internal/testworld"
)

// caller talks to a running server as curl would.
type caller struct {
	t      *testing.T
	base   string
	token  string
	client *http.Client
}

func (l *live) caller(token string) *caller {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(l.Builtin.RootsPEM())
	return &caller{t: l.t, base: "https://" + l.Address, token: token, client: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Time: l.Now}}}}
}

// call sends a request and gives status, header and body; headers come in pairs.
func (c *caller) call(method, path, body string, header ...string) (int, http.Header, []byte) {
	c.t.Helper()
	url := path
	if strings.HasPrefix(path, "/") {
		url = c.base + path
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, data
}

// get reads JSON that must be there.
func (c *caller) get(path string, into any) {
	c.t.Helper()
	code, _, data := c.call("GET", path, "")
	if code != http.StatusOK {
		c.t.Fatalf("GET %s: %d %s", path, code, data)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(into); err != nil {
		c.t.Fatalf("GET %s: %v", path, err)
	}
}

// refused sees that a request is refused with a status and a code, in the envelope.
func (c *caller) refused(method, path, body string, status int, code string, header ...string) arm.ErrorInfo {
	c.t.Helper()
	got, h, data := c.call(method, path, body, header...)
	var e arm.ErrorBody
	if err := json.Unmarshal(data, &e); method != "HEAD" && (err != nil || !strings.HasPrefix(h.Get("Content-Type"), "application/json")) {
		c.t.Errorf("%s %s: %d, no envelope: %s", method, path, got, data)
	}
	if got != status || method != "HEAD" && (e.Error.Code != code || e.Error.Message == "") {
		c.t.Errorf("%s %s: %d %+v, want %d %s", method, path, got, e.Error, status, code)
	}
	return e.Error
}

const (
	subID  = "/subscriptions/" + order.DefaultSubscription
	orderV = "?api-version=2024-11-01"
	resV   = "?api-version=2021-04-01"
	wishV  = `{"location":"Global","properties":{"distinguishedName":"CN=%s","productType":"StandardDomainValidatedSsl"}}`
)

// TestResourceManager walks what az, PowerShell and Terraform ask besides the orders themselves.
func TestResourceManager(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	l := startLive(t, w, nil)
	c := l.caller(l.FirstRun)
	var page arm.List[map[string]any]
	c.get("/subscriptions"+resV, &page)
	if len(page.Value) != 1 || page.Value[0]["state"] != "Enabled" || page.Value[0]["tenantId"] == "" {
		t.Errorf("subscriptions: %v", page.Value)
	}
	two := "/subscriptions/22222222-2222-2222-2222-222222222222"
	if code, _, data := c.call("PUT", two+resV, `{"displayName":"Second","state":"Enabled"}`); code != http.StatusCreated {
		t.Fatalf("make a subscription: %d %s", code, data)
	}
	c.refused("PUT", two+resV, `{"state":"Broken"}`, 400, "UnknownState")
	c.refused("HEAD", two+"/resourcegroups/web"+resV, "", 404, "")
	if code, _, data := c.call("PUT", two+"/resourcegroups/Web"+resV, `{"location":"westeurope"}`); code != http.StatusCreated {
		t.Fatalf("make a group: %d %s", code, data)
	}
	if code, _, _ := c.call("HEAD", two+"/RESOURCEGROUPS/WEB"+resV, ""); code != http.StatusNoContent {
		t.Errorf("HEAD of a group: %d", code)
	}
	c.get(two+"/resourcegroups"+resV, &page)
	if len(page.Value) != 1 || page.Value[0]["name"] != "Web" {
		t.Errorf("groups: %v", page.Value)
	}
	for i, name := range []string{"one", "two", "three"} {
		path := two + "/resourceGroups/web/providers/Microsoft.CertificateRegistration/certificateOrders/" + name + orderV
		if code, _, data := c.call("PUT", path, strings.ReplaceAll(wishV, "%s", name+".example.com")); code != http.StatusCreated {
			t.Fatalf("order %d: %d %s", i, code, data)
		}
	}
	filter := "&%24filter=resourceType%20eq%20%27microsoft.certificateregistration%2Fcertificateorders%27"
	c.get(two+"/resources"+resV+filter, &page)
	if len(page.Value) != 3 || page.Value[0]["type"] != order.Type {
		t.Errorf("resources: %v", page.Value)
	}
	c.get(two+"/resources"+resV+filter+"%20and%20name%20eq%20%27TWO%27", &page)
	if len(page.Value) != 1 || page.Value[0]["name"] != "two" {
		t.Errorf("resources by name: %v", page.Value)
	}
	for group, want := range map[string]int{"WEB": 3, "other": 0} { // as az resource list -g says it
		page.Value = nil
		c.get(two+"/resources"+resV+"&%24filter=resourceGroup+eq+%27"+group+"%27", &page)
		if len(page.Value) != want {
			t.Errorf("resources by group %s: %v, want %d", group, page.Value, want)
		}
	}
	page.Value = nil
	c.get(subID+"/resources"+resV+"&%24filter=location+eq+%27global%27+and+resourceGroup+eq+%27default%27", &page)
	if len(page.Value) != 1 || page.Value[0]["type"] != "Microsoft.KeyVault/vaults" || page.Value[0]["createdTime"] != nil {
		t.Errorf("the default subscription's resources: %v", page.Value)
	}
	c.refused("GET", subID+"/resourceGroups/default/resources"+resV+"&$filter=resourceGroup%20eq%20%27x%27", "", 400, "InvalidFilter")
	for _, filter := range []string{"kind%20eq%20%27x%27", "tagValue%20eq%20%27x%27"} {
		c.refused("GET", two+"/resources"+resV+"&$filter="+filter, "", 400, "InvalidFilter")
	}
	c.refused("GET", two+"/resourcegroups"+resV+"&$filter=name%20eq%20%27x%27", "", 400, "InvalidFilter")
	c.refused("DELETE", two+"/resourceGroups/web"+resV, "", 409, "ResourceGroupNotEmpty")

	// A suspended subscription takes no new orders.
	if code, _, data := c.call("PUT", two+resV, `{"state":"Disabled"}`); code != http.StatusOK {
		t.Fatalf("suspend: %d %s", code, data)
	}
	l.move(2e9) // what was read of it a moment ago is taken to hold for a second
	var suspended arm.Subscription
	if c.get(two+resV, &suspended); suspended.State != "Disabled" || suspended.Name != "Second" || suspended.UUID != strings.TrimPrefix(two, "/subscriptions/") || suspended.Tenant != auth.Tenant {
		t.Errorf("suspended: %+v", suspended)
	}
	c.refused("PUT", two+"/resourceGroups/web/providers/Microsoft.CertificateRegistration/certificateOrders/four"+orderV, strings.ReplaceAll(wishV, "%s", "four.example.com"), 409, "SubscriptionNotActive")

	var provider arm.ProviderInfo
	c.get("/providers/microsoft.certificateregistration"+resV, &provider)
	if provider.State != "Registered" || provider.Types[0].Name != "certificateOrders" || len(provider.Types[0].Versions) != 17 {
		t.Errorf("provider: %+v", provider)
	}
	c.refused("GET", "/providers/Microsoft.Nowhere"+resV, "", 404, "InvalidResourceNamespace")
	var tenants arm.List[arm.Tenant]
	if c.get("/tenants"+resV, &tenants); len(tenants.Value) != 1 || tenants.Value[0].UUID != auth.Tenant {
		t.Errorf("tenants: %+v", tenants)
	}
	c.get(subID+"/providers"+resV, &page)
	if len(page.Value) < 3 {
		t.Errorf("providers: %v", page.Value)
	}
	anybody := l.caller("")
	var cloud map[string]any
	var clouds []map[string]any
	anybody.get("/metadata/endpoints?api-version=2019-05-01", &clouds)
	anybody.get("/metadata/endpoints?api-version=2022-09-01", &cloud)
	_, port, _ := strings.Cut(strings.TrimPrefix(c.base, "https://"), ":")
	if len(clouds) != 1 || !reflect.DeepEqual(clouds[0], cloud) || cloud["name"] == "" || cloud["resourceManager"] != c.base || cloud["authentication"].(map[string]any)["loginEndpoint"] != c.base ||
		cloud["suffixes"].(map[string]any)["keyVaultDns"] != "vault.localhost:"+port || fmt.Sprint(cloud["authentication"].(map[string]any)["audiences"]) != "["+c.base+" https://management.azure.com/]" ||
		cloud["graph"] != c.base || cloud["graphEndpoint"] != c.base || cloud["portal"] != c.base || cloud["authentication"].(map[string]any)["tenant"] != auth.Tenant {
		t.Errorf("the cloud: %v, as a list %v", cloud, clouds)
	}
	var spec struct {
		OpenAPI string
		Paths   map[string]map[string]any
	}
	anybody.get("/openapi.json", &spec)
	if spec.OpenAPI != "3.1.0" || spec.Paths["/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.CertificateRegistration/certificateOrders/{name}"]["put"] == nil {
		t.Errorf("openapi.json: %s, %d paths", spec.OpenAPI, len(spec.Paths))
	}
}

// TestResourcesByGroupAndTag: lists of resources and groups have their tags, and hold what was asked for by group and tag alone, of
// every type.
func TestResourcesByGroupAndTag(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	c := l.caller(l.FirstRun)
	groups := subID + "/resourceGroups"
	for path, body := range map[string]string{
		"/Far": `{"location":"x","tags":{"Team":"web"}}`, "/near": `{"location":"x","tags":{"team":"ops"}}`,
	} {
		c.well("PUT", groups+path+resV, body, http.StatusCreated, nil)
	}
	for path, body := range map[string]string{
		"/far/providers/Microsoft.Web/sites/far-site": `{"location":"x","tags":{"team":"web"},"properties":{}}`, "/near/providers/Microsoft.Web/sites/near-site": `{"location":"x","properties":{}}`,
		"/far/providers/Microsoft.KeyVault/vaults/far-vault": `{"location":"x","tags":{"team":"web","more":""},"properties":{}}`, "/near/providers/Microsoft.KeyVault/vaults/near-vault": `{"location":"x","tags":{"team":"ops"},"properties":{}}`,
		"/far/providers/Microsoft.CertificateRegistration/certificateOrders/far-order":   `{"location":"Global","tags":{"TEAM":"web"},"properties":{"distinguishedName":"CN=a.example.com","productType":"StandardDomainValidatedSsl"}}`,
		"/near/providers/Microsoft.CertificateRegistration/certificateOrders/near-order": `{"location":"Global","tags":{"team":"Web"},"properties":{"distinguishedName":"CN=b.example.com","productType":"StandardDomainValidatedSsl"}}`,
	} {
		if code, _, data := c.call("PUT", groups+path+orderV, body); code > 201 {
			t.Fatalf("PUT %s: %d %s", path, code, data)
		}
	}
	for path, want := range map[string]string{
		"/resources?resourceGroup eq 'FAR'": "far-order far-site far-vault", "/resourceGroups/far/resources?": "far-order far-site far-vault", "/resources?tagname eq 'team'": "far-order far-site far-vault near-order near-vault",
		"/resources?tagname eq 'team' and tagvalue eq 'web'": "far-order far-site far-vault", "/resources?tagName eq 'more' and tagValue eq ''": "far-vault", "/resources?tagName eq 'none'": "", "/resources?name eq 'FAR-site'": "far-site", "/resources?name eq 'order'": "", "/resources?name eq 'near-ORDER'": "near-order",
		"/resources?tagName eq 'team' and resourceType eq 'Microsoft.Web/sites'": "far-site", "/resourceGroups/near/resources?tagname eq 'team' and tagvalue eq 'Web'": "near-order",
		"/resourcegroups?tagname eq 'team' and tagvalue eq 'web'": "Far", "/resourcegroups?tagname eq 'TEAM'": "Far near", "/resourcegroups?": "Far default near",
	} {
		at, filter, _ := strings.Cut(path, "?")
		var page arm.List[arm.Generic]
		c.get(subID+at+resV+"&$filter="+url.QueryEscape(filter), &page)
		var names []string
		for _, g := range page.Value {
			names = append(names, g.Name)
			if strings.HasPrefix(g.Name, "far-") && g.Tags["team"] != "web" && g.Tags["TEAM"] != "web" {
				t.Errorf("%s: %s has the tags %v", path, g.Name, g.Tags)
			}
		}
		if slices.Sort(names); strings.Join(names, " ") != want {
			t.Errorf("%s: %v, want %s", path, names, want)
		}
	}
	l.keepToScope()
	const vault, v = "/providers/Microsoft.KeyVault/vaults/far-vault", "?api-version=2023-07-01"
	body := `{"resources":["` + groups + `/far` + vault + `"],"targetResourceGroup":"` + groups + `/near"}`
	c.well("POST", groups+"/far/validateMoveResources"+resV, body, http.StatusNoContent, nil)
	c.well("GET", groups+"/far"+vault+v, "", http.StatusOK, nil)
	c.well("POST", groups+"/far/moveResources"+resV, body, http.StatusNoContent, nil)
	c.refused("GET", groups+"/far"+vault+v, "", 404, "ResourceNotFound")
	c.well("GET", groups+"/near"+vault+v, "", http.StatusOK, nil)
}

// keepToScope: whoever may see one group alone sees in every list what lies there, and nothing else.
func (l *live) keepToScope() {
	l.t.Helper()
	token, _, err := l.Auth.Issue(l.t.Context(), "far-reader", auth.Reader, subID+"/resourceGroups/far", 0)
	if err == nil {
		err = l.Store.SaveSubscription(l.t.Context(), "22222222-2222-2222-2222-222222222222", "Two", order.SubscriptionEnabled)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	all, c := l.caller(l.FirstRun), l.caller(token)
	const vault = "/providers/Microsoft.KeyVault/vaults/"
	for _, v := range []string{"far-gone", "near-gone"} {
		at := subID + "/resourceGroups/" + strings.TrimSuffix(v, "-gone") + vault + v + orderV
		all.well("PUT", at, `{"location":"x","properties":{}}`, http.StatusOK, nil)
		all.well("DELETE", at, "", http.StatusOK, nil)
	}
	const log = "/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter=eventTimestamp+ge+'2020-01-01T00:00:00Z'"
	for path, most := range map[string]int{"/subscriptions" + resV: 1, subID + "/resourcegroups" + resV: 1, subID + "/resources" + resV: 3, subID + "/providers/Microsoft.Web/sites" + orderV: 1, subID + vault[:len(vault)-1] + orderV: 1,
		subID + "/providers/Microsoft.KeyVault/deletedVaults" + orderV: 1, subID + "/providers/Microsoft.CertificateRegistration/certificateOrders" + orderV: 1, subID + log: 0, log: 0, subID + log + "+and+resourceUri+eq+'" + subID + "/resourceGroups/near/providers/" + order.Type + "/near-order'": 0, "/v1/timeline": 0} {
		var few, every arm.List[map[string]any]
		c.get(path, &few)
		all.get(path, &every)
		if n := len(few.Value); len(every.Value) <= n || most > 0 && n != most {
			l.t.Errorf("%s: %d of %d are shown, want %d", path, n, len(every.Value), most)
		}
		for _, v := range few.Value {
			if text := fmt.Sprint(v); strings.Contains(text, "near") || strings.Contains(text, "2222") {
				l.t.Errorf("%s shows %s", path, text)
			}
		}
	}
}

// TestVersionsAndUnknownPaths: every listed API version works, any other is refused, and so is what is not there.
func TestVersionsAndUnknownPaths(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	c := l.caller(l.FirstRun)
	orders := subID + "/providers/Microsoft.CertificateRegistration/certificateOrders"
	var provider arm.ProviderInfo
	c.get("/providers/Microsoft.CertificateRegistration"+resV, &provider)
	for _, v := range provider.Types[0].Versions {
		for _, name := range []string{"api-version", "api%2Dversion", "API-Version"} {
			if code, _, data := c.call("GET", orders+"?"+name+"="+v, ""); code != http.StatusOK {
				t.Errorf("%s=%s: %d %s", name, v, code, data)
			}
		}
	}
	e := c.refused("GET", orders, "", 400, "MissingApiVersionParameter")
	if !strings.Contains(e.Fix, "2024-11-01") {
		t.Errorf("the fix is %q", e.Fix)
	}
	c.refused("GET", orders+"?api-version=1999-01-01", "", 400, "InvalidApiVersionParameter")
	c.refused("GET", orders+"/x/y/z"+orderV, "", 404, "RouteNotFound")
	c.refused("PATCH", orders+orderV, "{}", 405, "MethodNotAllowed")
	c.refused("GET", "/subscriptions/"+strings.Repeat("x", 65)+"/resourceGroups"+resV, "", 400, "InvalidName")
	l.caller("").refused("GET", orders+orderV, "", 401, "AuthenticationFailed")
	l.caller("cw_wrong").refused("GET", orders+orderV, "", 401, "AuthenticationFailed")
	for _, path := range []string{orders + orderV, "/vaults/default/secrets?api-version=7.6"} {
		_, h, _ := c.call("GET", path, "", "x-ms-client-request-id", "c-1", "x-ms-correlation-request-id", "k-1")
		if h.Get("x-ms-client-request-id") != "c-1" || h.Get("x-ms-correlation-request-id") != "k-1" || h.Get("x-ms-request-id") == "" {
			t.Errorf("the ids of the request of %s: %v", path, h)
		}
	}
}
