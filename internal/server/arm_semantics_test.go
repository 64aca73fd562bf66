package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"certwright/internal/arm"
	"certwright/internal/order"
	"certwright/internal/site"
	"certwright/internal/testworld"
)

// TestSemantics: entity tags, merging, what is fixed at creation, idempotence, case, and what a client that knows only
// Azure's properties leaves alone.
func TestSemantics(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	c := l.caller(l.FirstRun)
	id := order.Short("Www")
	path := id.String() + orderV
	put := func(body string, header ...string) (int, http.Header, map[string]any) {
		t.Helper()
		code, h, data := c.call("PUT", path, body, header...)
		var v map[string]any
		if err := json.Unmarshal(data, &v); err != nil {
			t.Fatalf("%d %s", code, data)
		}
		return code, h, v
	}
	body := `{"location":"Global","tags":{"a":"1"},"properties":{"names":["a.example.com","b.example.com"],"keyTypes":["EC-P256"],"renewAt":0.5,"productType":"StandardDomainValidatedSsl"}}`
	c.refused("PUT", path, body, 412, "PreconditionFailed", "If-Match", `"1"`)
	code, h, first := put(body, "If-None-Match", "*", "x-ms-client-request-id", "r-9", "x-ms-correlation-request-id", "k-9")
	if events, err := l.Store.FollowOrder(t.Context(), id, 0, 1); err != nil || len(events) != 1 || events[0].Correlation != "k-9" || events[0].Properties["clientRequestId"] != "r-9" || events[0].Caller != "owner" {
		t.Errorf("the ids of the request are not kept: %+v, %v", events, err)
	}
	if code != http.StatusCreated || h.Get("ETag") != `"1"` || !strings.HasPrefix(h.Get("Location"), c.base+id.String()+"/operationResults/1?") {
		t.Fatalf("created: %d %v", code, h)
	}
	c.refused("PUT", path, body, 412, "PreconditionFailed", "If-None-Match", "*")
	if code, h, _ := put(body); code != http.StatusOK || h.Get("ETag") != `"1"` {
		t.Errorf("the same again: %d, %s", code, h.Get("ETag"))
	}
	var plain arm.Resource
	if c.well("PUT", order.Short("plain").String()+orderV, strings.ReplaceAll(wishV, "%s", "plain.example.com"), http.StatusCreated, &plain); plain.Properties.(map[string]any)["keySize"] != 2048.0 || plain.Properties.(map[string]any)["validityInYears"] != 1.0 || plain.Properties.(map[string]any)["autoRenew"] != true {
		t.Errorf("without a wish, Azure's defaults: %+v", plain.Properties)
	}
	// What was read, put back whole: nothing changes.
	echo, err := json.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	if code, h, v := put(string(echo)); code != http.StatusOK || h.Get("ETag") != `"1"` {
		t.Errorf("an echo: %d, %s, %v", code, h.Get("ETag"), v)
	}
	// Progress is no change of the owner's; a client that knows no names leaves them.
	if code, h, v := put(`{"location":"Global","properties":{"distinguishedName":"CN=a.example.com","autoRenew":false,"productType":"StandardDomainValidatedSsl"}}`, "If-Match", `"1"`); code != http.StatusOK || h.Get("ETag") != `"2"` ||
		fmt.Sprint(v["properties"].(map[string]any)["names"]) != "[a.example.com b.example.com]" || v["properties"].(map[string]any)["renewAt"] != 0.5 || fmt.Sprint(v["tags"]) != "map[a:1]" {
		t.Errorf("a change by another client: %d %s %v", code, h.Get("ETag"), v)
	}
	c.refused("PATCH", path, `{"properties":{"productType":"StandardDomainValidatedSsl","autoRenew":true}}`, 412, "PreconditionFailed", "If-Match", `"1"`)
	c.refused("DELETE", path, "", 412, "PreconditionFailed", "If-Match", `"1"`)
	for _, bad := range []string{`"distinguishedName":"CN=x.example.com"`, `"keySize":2048`, `"productType":"StandardDomainValidatedWildCardSsl"`} {
		b := `{"properties":{"productType":"StandardDomainValidatedSsl",` + bad + `}}`
		if strings.Contains(bad, "productType") {
			b = `{"properties":{` + bad + `}}`
		}
		c.refused("PATCH", path, b, 409, "PropertyChangeNotAllowed")
	}
	c.refused("PATCH", path, `{"properties":{"productType":"StandardDomainValidatedSsl","colour":"red"}}`, 400, "InvalidBody")
	c.refused("PUT", path, `{"location":"Mars","properties":{"productType":"StandardDomainValidatedSsl"}}`, 400, "LocationNotAvailableForResourceType")
	c.refused("PUT", path, `{"location":"Global","name":"other","properties":{"productType":"StandardDomainValidatedSsl"}}`, 400, "NameMismatch")
	var got arm.Resource
	c.get(strings.ToUpper(id.String())+strings.ToUpper(orderV), &got)
	if got.ID != id.String() || got.Name != "Www" {
		t.Errorf("read in capitals: %s %s", got.ID, got.Name)
	}
	if code, _, data := c.call("HEAD", path, ""); code != http.StatusNoContent || len(data) != 0 {
		t.Errorf("HEAD: %d %s", code, data)
	}
	c.refused("HEAD", order.Short("nobody").String()+orderV, "", 404, "")
	c.refused("GET", "/v1/timeline?after=x", "", 400, "InvalidCursor")
	c.refused("GET", subID+"/providers/Microsoft.CertificateRegistration/certificateOrders"+orderV+"&$skiptoken=%21", "", 400, "InvalidCursor")
}

// TestADefinitionSentAgain: whoever keeps an order as a definition sends it whole, with the keySize that it was ordered with, whatever
// a reissue has made of it since. It holds, and begins nothing. Before it is sent the first time it can be validated, its sites too.
func TestADefinitionSentAgain(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "shop.example.com")
	l := startLive(t, w, nil, sh)
	c := l.caller(l.FirstRun)
	if _, err := l.Mover.SaveSite(t.Context(), testBy, w.site(sh)); err != nil {
		t.Fatal(err)
	}
	id := order.Short("shop")
	definition := func(size int, tag, site string) string {
		return fmt.Sprintf(`{"location":"Global","tags":{"a":"%s"},"properties":{"distinguishedName":"CN=%s","keySize":%d,"productType":"StandardDomainValidatedSsl","sites":["%s"]}}`, tag, sh.host, size, site)
	}
	validate := subID + "/providers/Microsoft.CertificateRegistration/validateCertificateRegistrationInformation" + orderV
	c.well("POST", validate, definition(2048, "1", "Shop"), http.StatusNoContent, nil)
	if e := c.refused("POST", validate, definition(2048, "1", "none"), 422, "SiteNotFound"); !strings.Contains(e.Message, "no resource group of subscription") {
		t.Errorf("validated with a site that is nowhere: %q", e.Message)
	}
	c.refused("POST", validate+"&resourceGroup=none", definition(2048, "1", "shop"), 404, "ResourceGroupNotFound")
	c.well("PUT", id.String()+orderV, definition(2048, "1", "shop"), http.StatusCreated, nil)
	l.settled(id, 1)
	c.well("POST", id.String()+"/reissue"+orderV, `{"properties":{"keySize":3072}}`, http.StatusNoContent, nil)
	l.settled(id, 2)
	var got struct {
		Tags       map[string]string
		Properties struct{ KeySize int }
	}
	if c.well("PUT", id.String()+orderV, definition(2048, "2", "shop"), http.StatusOK, &got); got.Tags["a"] != "2" || got.Properties.KeySize != 3072 {
		t.Errorf("sent again: %+v", got)
	}
	c.refused("PUT", id.String()+orderV, definition(4096, "2", "shop"), 409, "PropertyChangeNotAllowed")
	c.refused("PATCH", id.String()+orderV, definition(2048, "2", "shop"), 409, "PropertyChangeNotAllowed")
	if o := l.load(id); len(o.Versions) != 2 || len(o.Attempts) != 2 || len(o.Needs) != 0 || o.Spec.KeyTypes[0] != order.RSA3072 {
		t.Errorf("a definition that was sent again began something: %+v", o.Needs)
	}
}

// TestPages: a list of many orders comes in pages whose links are absolute and carry what was asked for.
func TestPages(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	c := l.caller(l.FirstRun)
	for i := range 103 { // watched ones ask nobody for anything
		o := order.Fresh(order.Short(fmt.Sprintf("w-%03d", i)), order.Watched, order.Spec{Names: []order.Name{{Kind: order.DNS, Value: "w.example.com"}}, Endpoints: []site.Endpoint{{Address: "127.0.0.1:1"}}}, nil, l.Now())
		if err := l.Store.CreateOrder(t.Context(), o, o.Project(l.Now()), []order.Event{testBy.Created(o, l.Now())}); err != nil {
			t.Fatal(err)
		}
	}
	events := map[any]bool{}
	for next := subID + "/providers/microsoft.insights/eventtypes/management/values?api-version=2015-04-01&%24filter=eventTimestamp%20ge%20%272020-01-01T00%3A00%3A00Z%27&$select=eventDataId,eventName"; next != ""; {
		var page arm.List[map[string]any]
		c.get(next, &page)
		for _, e := range page.Value {
			if len(e) != 2 {
				t.Errorf("selected: %v", e)
			}
			if e["eventName"].(map[string]any)["value"] == "watched" {
				events[e["eventDataId"]] = true
			}
		}
		next = page.NextLink
	}
	if len(events) != 103 {
		t.Errorf("the activity log has %d events over its pages, want 103", len(events))
	}
	seen := map[string]bool{}
	pages := 0
	for next := subID + "/providers/Microsoft.CertificateRegistration/certificateOrders?api%2Dversion=2024-11-01"; next != ""; pages++ {
		var page arm.List[arm.Resource]
		c.get(next, &page)
		for _, r := range page.Value {
			if seen[r.Name] {
				t.Errorf("%s comes twice", r.Name)
			}
			seen[r.Name] = true
		}
		if next = page.NextLink; next != "" && (!strings.HasPrefix(next, c.base+"/subscriptions/") || !strings.Contains(next, "api-version=2024-11-01")) {
			t.Errorf("the next link is %s", next)
		}
	}
	if pages != 2 || len(seen) != 103 {
		t.Errorf("%d pages with %d orders", pages, len(seen))
	}
	all := map[string]bool{}
	for next := subID + "/resources" + resV + "&$filter=location%20eq%20%27global%27"; next != ""; {
		var page arm.List[arm.Generic]
		c.get(next, &page)
		for _, g := range page.Value {
			all[g.ID] = true
		}
		next = page.NextLink
	}
	if len(all) != 104 || !all[order.Short("w-102").String()] {
		t.Errorf("%d resources over all pages, want 103 orders and a vault", len(all))
	}
}

// TestMailSaysWhatToPublish: whoever asks for the mail again gets the very record, and who got it is kept.
func TestMailSaysWhatToPublish(t *testing.T) {
	t.Parallel()
	box, address := startLetterbox(t)
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), func(conf *Config) {
		conf.Notify = map[string]Notify{"ops": {Kind: "smtp", Server: address, TLS: "none", From: "certwright@example.com", To: []string{"ops@example.com", "web@example.com"}}}
	})
	c := l.caller(l.FirstRun)
	id := order.Short("txt")
	if code, _, data := c.call("PUT", id.String()+orderV, `{"location":"Global","properties":{"names":["www.example.com","other.example.com"],"method":"txt","productType":"StandardDomainValidatedSsl"}}`); code != http.StatusCreated {
		t.Fatalf("%d %s", code, data)
	}
	o := l.wait(id, "asking for its records", func(o *order.Order) bool { return o.Identifiers[0].Instruct != "" && o.Identifiers[1].Instruct != "" })
	if code, _, data := c.call("POST", id.String()+"/resendRequestEmails"+orderV, `{"name":"WWW.example.com"}`); code != http.StatusNoContent {
		t.Fatalf("%d %s", code, data)
	}
	mail := strings.NewReplacer("=\r\n", "", "=3D", "=").Replace(strings.Join(box.asked(), "")) // quoted-printable
	for _, word := range strings.Fields(o.Identifiers[0].Instruct) {
		if !strings.Contains(mail, word) {
			t.Errorf("the mail lacks %q of %q:\n%s", word, o.Identifiers[0].Instruct, mail)
			break
		}
	}
	if strings.Contains(mail, "other.example.com") {
		t.Errorf("it was asked for one name, and the mail has the other, too:\n%s", mail)
	}
	code, _, data := c.call("POST", id.String()+"/retrieveEmailHistory"+orderV, "")
	var history []arm.Mail
	if err := json.Unmarshal(data, &history); code != http.StatusOK || err != nil || len(history) != 2 || history[0].ID != "ops@example.com" || history[1].ID != "web@example.com" || history[1].Properties != history[1].MailFacts {
		t.Errorf("the history: %d %s", code, data)
	}
	nobody := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	n := nobody.caller(nobody.FirstRun)
	if code, _, data := n.call("PUT", id.String()+orderV, strings.ReplaceAll(wishV, "%s", "www.example.com")); code != http.StatusCreated {
		t.Fatalf("%d %s", code, data)
	}
	n.refused("POST", id.String()+"/resendEmail"+orderV, "", 409, "NoMailServer")
}
