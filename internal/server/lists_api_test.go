package server

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/order"
	"certwright/internal/testworld"
)

// TestListsOfWhatIsNotThere: a list of a subscription or group that there is not, of a word that is none, or from a cursor
// that nobody gave out is refused and not empty; who may see nothing of it learns nothing.
func TestListsOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	c := l.caller(l.FirstRun)
	narrow, _, err := l.Auth.Issue(t.Context(), "narrow", auth.Reader, subID+"/resourceGroups/default", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/providers/Microsoft.CertificateRegistration/certificateOrders" + orderV, "/providers/Microsoft.KeyVault/vaults" + orderV, "/providers/Microsoft.Web/sites" + orderV, "/providers/Microsoft.Web/certificates" + orderV, "/resources" + resV} {
		c.refused("GET", "/subscriptions/none"+path, "", 404, "SubscriptionNotFound")
		c.refused("GET", subID+"/resourceGroups/none"+path, "", 404, "ResourceGroupNotFound")
		for _, at := range []string{"/subscriptions/none", subID + "/resourceGroups/none"} {
			var page arm.List[map[string]any]
			if l.caller(narrow).get(at+path, &page); len(page.Value) != 0 {
				t.Errorf("%s%s: %v", at, path, page.Value)
			}
		}
	}
	for _, q := range []string{"status=issued", "stage=Bogus", "state=Bogus", "kind=Bogus", "stauts=Issued", "top=-1", "top=x"} {
		e := c.refused("GET", "/v1/orders?"+q, "", 400, "InvalidParameter")
		if name, _, _ := strings.Cut(q, "="); e.Target != name || e.Fix == "" {
			t.Errorf("%s: %+v", q, e)
		}
	}
	for _, cursor := range []string{"zzz", "%21", "L2V0Yy9wYXNzd2Q", url.QueryEscape("1' OR '1'='1")} {
		c.refused("GET", "/v1/orders?after="+cursor, "", 400, "InvalidCursor")
		c.refused("GET", subID+"/resources"+resV+"&$skiptoken="+cursor, "", 400, "InvalidCursor")
		c.refused("GET", subID+"/providers/microsoft.insights/eventtypes/management/values?api-version=2015-04-01&$filter=eventTimestamp%20ge%20%272020-01-01T00:00:00Z%27&$skipToken="+cursor, "", 400, "InvalidCursor")
	}
}

// TestTokensAreGivenOutWithCare: nobody gives out more than they have, or on a scope that there is not; what is refused says
// which role may; sign-in libraries get the numbers that they look for; a withdrawn token ends at once, its sessions too.
func TestTokensAreGivenOutWithCare(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	c := l.caller(l.FirstRun)
	group := subID + "/resourceGroups/default"
	for i, scope := range []string{"/subscriptions/none", subID + "/resourceGroups/none", subID + "/resourceGroups/none/providers/" + order.Type + "/www"} {
		if e := c.refused("PUT", "/v1/tokens/bad", `{"role":"Reader","scope":"`+scope+`"}`, 400, "InvalidScope"); e.Target != "scope" {
			t.Errorf("%d: %+v", i, e)
		}
	}
	of := map[string]*caller{}
	for name, body := range map[string]string{"worker": `{"role":"Contributor"}`, "local": `{"role":"Owner","scope":"` + group + `"}`, "vaulted": `{"role":"Key Vault Secrets User"}`} {
		var made struct{ Token, Expires string }
		code, h, data := c.call("PUT", "/v1/tokens/"+name, body)
		if err := json.Unmarshal(data, &made); code != http.StatusCreated || err != nil || h.Get("Cache-Control") != "no-store" || made.Expires != "" {
			t.Fatalf("%s: %d %v %s", name, code, err, data)
		}
		of[name] = l.caller(made.Token)
	}
	for _, name := range []string{"worker", "local", "vaulted"} {
		for _, body := range []string{`{"role":"Owner"}`, `{"role":"Reader"}`, `{"role":"Owner","scope":"` + subID + `"}`} {
			e := of[name].refused("PUT", "/v1/tokens/more", body, 403, "AuthorizationFailed")
			if !strings.Contains(e.Message, name) || !strings.Contains(e.Message, "Certwright/tokens/Write") || !strings.Contains(e.Fix, "the role Owner") {
				t.Errorf("%s %s: %+v", name, body, e)
			}
		}
	}
	if code, _, data := of["local"].call("PUT", "/v1/tokens/less", `{"role":"Owner","scope":"`+strings.ToUpper(group)+`/"}`); code != http.StatusCreated {
		t.Errorf("an owner on their own scope: %d %s", code, data)
	}
	of["local"].refused("DELETE", "/v1/tokens/worker", "", 404, "TokenNotFound")
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"worker"}, "client_secret": {of["worker"].token}}
	post := func(path string, v url.Values) (int, map[string]any) {
		t.Helper()
		var out map[string]any
		code, _, data := l.caller("").call("POST", path, v.Encode(), "Content-Type", "application/x-www-form-urlencoded")
		if err := json.Unmarshal(data, &out); err != nil {
			t.Fatalf("%s: %d %s", path, code, data)
		}
		return code, out
	}
	code, v2 := post("/any/oauth2/v2.0/token", form)
	if code != http.StatusOK || v2["token_type"] != "Bearer" || v2["expires_on"] != nil {
		t.Fatalf("%d %v", code, v2)
	}
	form.Set("resource", "https://management.azure.com/")
	if code, v1 := post("/adfs/oauth2/token", form); code != http.StatusOK || v1["resource"] != form.Get("resource") || v1["expires_on"] == nil {
		t.Errorf("%d %v", code, v1)
	}
	form.Set("client_secret", "wrong")
	if code, no := post("/any/oauth2/v2.0/token", form); code != http.StatusUnauthorized || no["error"] != "invalid_client" || !strings.HasPrefix(no["error_description"].(string), "AADSTS7000215: ") {
		t.Errorf("%d %v", code, no)
	}
	bearer := l.caller(v2["access_token"].(string))
	if code, _, data := bearer.call("GET", "/v1/orders", ""); code != http.StatusOK {
		t.Errorf("the bearer: %d %s", code, data)
	}
	if code, _, data := c.call("DELETE", "/v1/tokens/worker", ""); code != http.StatusNoContent {
		t.Fatalf("withdraw: %d %s", code, data)
	}
	for _, gone := range []*caller{of["worker"], bearer} {
		gone.refused("GET", "/v1/orders", "", 401, "AuthenticationFailed")
	}
}
