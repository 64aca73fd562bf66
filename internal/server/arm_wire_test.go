package server

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"certwright/internal/order"
	"certwright/internal/testworld"
)

// TestWhatIsNoRequestForUs: what is wrong with the form of a request, before anything of it counts, is said in the
// envelope with the right status.
func TestWhatIsNoRequestForUs(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), func(c *Config) { c.Limits.Body = 64 << 10 })
	c := l.caller(l.FirstRun)
	orders := subID + "/providers/Microsoft.CertificateRegistration/certificateOrders"
	x := order.Short("x").String() + orderV
	wish := strings.ReplaceAll(wishV, "%s", "x.example.com")
	big := strings.Repeat("a", 40<<10)
	for _, w := range []struct {
		method, path, body string
		status             int
		code               string
		header             []string
	}{
		{"GET", orders + orderV + "&x=" + big, "", 414, "UriTooLong", nil},
		{"GET", orders + orderV, "", 431, "RequestHeaderFieldsTooLarge", []string{"X-Big", big}},
		{"PUT", x, wish, 415, "UnsupportedMediaType", []string{"Content-Type", "text/xml"}},
		{"PUT", x, wish, 415, "UnsupportedMediaType", []string{"Content-Type", "application/json; charset=utf-16"}},
		{"PUT", x, wish, 415, "UnsupportedMediaType", []string{"Content-Type", "application/json", "Content-Encoding", "gzip"}},
		{"PUT", x, strings.Replace(wish, "x.example", "\xff.example", 1), 400, "InvalidBody", nil},
		{"PUT", x, wish + "}", 400, "InvalidBody", nil},
		{"PUT", x, wish + strings.Repeat(" ", 64<<10), 413, "BodyTooLarge", nil},
		{"GET", orders + orderV + "&$skiptoken=%zz", "", 400, "InvalidQuery", nil},
		{"GET", subID + "/resources" + resV + "&$filter=name eq 'x';name", "", 400, "InvalidQuery", nil},
		{"GET", orders + orderV + "&api-version=2015-08-01", "", 400, "InvalidApiVersionParameter", nil},
		{"GET", orders + orderV + "&API-VERSION=1999-01-01", "", 400, "InvalidApiVersionParameter", nil},
		{"OPTIONS", orders + orderV, "", 405, "MethodNotAllowed", nil},
		{"BREW", orders + orderV, "", 405, "MethodNotAllowed", nil},
		{"POST", "/nowhere", "{}", 404, "RouteNotFound", nil},
		{"GET", "/nowhere", "", 404, "RouteNotFound", nil},
		{"GET", order.Short("").String() + "%00" + orderV, "", 400, "InvalidName", nil},
		{"GET", orders + "/..%2f..%2fx" + orderV, "", 404, "RouteNotFound", nil},
	} {
		e := c.refused(w.method, strings.ReplaceAll(w.path, " ", "%20"), w.body, w.status, w.code, w.header...)
		if e.Fix == "" {
			t.Errorf("%s %.100s: %s, and nothing to do about it", w.method, w.path, e.Message)
		}
	}
	for _, well := range [][]string{{"Content-Type", "application/json; charset=UTF-8"}, {"Content-Type", "application/merge-patch+json"}, {"Content-Type", "application/x-www-form-urlencoded"}, {"Content-Encoding", "identity"}} {
		if code, _, data := c.call("PUT", x, "\xef\xbb\xbf"+wish, well...); code > 201 {
			t.Errorf("%v: %d %s", well, code, data)
		}
	}
	if code, _, data := c.call("GET", "//"+strings.ReplaceAll(strings.TrimPrefix(orders, "/"), "/", "//")+"/"+orderV+"&api-version=2024-11-01", ""); code != http.StatusOK {
		t.Errorf("slashes too many, and a version twice: %d %s", code, data)
	}
	plain, err := net.Dial("tcp", l.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, err := io.WriteString(plain, "GET /v1/orders HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(plain)
	if err != nil || !bytes.Contains(answer, []byte("400 Bad Request")) || !bytes.Contains(answer, []byte(`{"error":{"code":"HttpsRequired"`)) || !bytes.Contains(answer, []byte("application/json")) {
		t.Errorf("plain HTTP: %v %s", err, answer)
	}
}

// TestConditionsOfEveryType: If-Match and If-None-Match hold for every kind of resource, at both kinds of paths, and for
// commands; nothing is changed where they do not.
func TestConditionsOfEveryType(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	c := l.caller(l.FirstRun)
	group := subID + "/resourceGroups/default"
	www := order.Short("www").String()
	put := func(path, body string) {
		t.Helper()
		if code, _, data := c.call("PUT", path, body); code > 201 {
			t.Fatalf("PUT %s: %d %s", path, code, data)
		}
	}
	wish, siteBody, place := strings.ReplaceAll(wishV, "%s", "www.example.com"), `{"properties":{"hostNames":["www.example.com"]}}`, `{"location":"x"}`
	put(www+orderV, wish)
	put("/v1/sites/web", siteBody)
	put(group+"/providers/Microsoft.KeyVault/vaults/kv1"+orderV, place)
	link := `{"location":"Global","properties":{"keyVaultId":"` + group + `/providers/Microsoft.KeyVault/vaults/kv1","keyVaultSecretName":"www"}}`
	for path, body := range map[string]string{www + orderV: wish, "/v1/orders/www": `{"properties":{"names":["www.example.com"]}}`, "/v1/sites/web": siteBody, group + "/providers/Microsoft.Web/sites/web" + orderV: `{"location":"x","properties":{"hostNames":["www.example.com"]}}`} {
		c.refused("PUT", path, body, 412, "PreconditionFailed", "If-None-Match", "*")
		c.refused("PUT", path, body, 412, "PreconditionFailed", "If-None-Match", `"9", W/"1"`)
		c.refused("PUT", path, body, 412, "PreconditionFailed", "If-Match", `"9"`)
		c.refused("PUT", path, body, 412, "PreconditionFailed", "If-Match", `"9", "of-another-service"`)
		c.refused("PUT", path, body, 400, "InvalidETag", "If-Match", `"1`)
		c.refused("DELETE", path, "", 412, "PreconditionFailed", "If-Match", `"9"`)
		for _, held := range []string{`"1"`, `W/"1"`, `"9", "1"`, "*", "1"} {
			if code, h, data := c.call("PUT", path, body, "If-Match", held); code != http.StatusOK || h.Get("ETag") != `"1"` {
				t.Errorf("PUT %s with If-Match %s: %d, %s %s", path, held, code, h.Get("ETag"), data)
			}
		}
		c.refused("PUT", strings.NewReplacer("/www", "/none", "/web", "/none").Replace(path), body, 412, "PreconditionFailed", "If-Match", "*")
	}
	for _, path := range []string{"/v1/orders/www/renew", www + "/renew" + orderV, www + "/verifyDomainOwnership" + orderV, www + "/sync"} {
		c.refused("POST", path, "", 412, "PreconditionFailed", "If-Match", `"9"`)
	}
	c.refused("PUT", group+"/providers/Microsoft.KeyVault/vaults/KV1"+orderV, place, 412, "PreconditionFailed", "If-None-Match", "*")
	c.refused("PUT", group+"/providers/Microsoft.KeyVault/vaults/kv2"+orderV, place, 412, "PreconditionFailed", "If-Match", "*")
	c.refused("PUT", group+resV, place, 412, "PreconditionFailed", "If-None-Match", "*")
	c.refused("PUT", www+"/certificates/more"+orderV, link, 412, "PreconditionFailed", "If-Match", "*")
	put(www+"/certificates/more"+orderV, link)
	c.refused("PUT", www+"/certificates/MORE"+orderV, link, 412, "PreconditionFailed", "If-None-Match", "*")
	c.refused("DELETE", www+"/certificates/more"+orderV, "", 412, "PreconditionFailed", "If-Match", `"1"`)
	if code, h, _ := c.call("GET", www+orderV, "", "If-None-Match", h2(l, order.Short("www"))); code != http.StatusOK || h.Get("ETag") != `"2"` {
		t.Errorf("reading again: %d, %s: progress is no part of an entity tag, so nothing is ever 'not modified'", code, h.Get("ETag"))
	}
}

func h2(l *live, id order.ID) string { return `"` + strconv.FormatInt(l.load(id).Generation, 10) + `"` }

// TestQuota: one token's requests are bounded whatever their outcome, with what is left and how long to wait; others, the
// health checks and the pages go on.
func TestQuota(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), func(c *Config) { c.Limits.Requests = 5 })
	greedy, _, err := l.Auth.Issue(t.Context(), "greedy", "Contributor", "/", 0)
	if err != nil {
		t.Fatal(err)
	}
	session, _, err := l.Auth.SignIn(t.Context(), greedy)
	if err != nil {
		t.Fatal(err)
	}
	c := l.caller(greedy)
	var left []string
	for i := range 5 {
		code, h, data := c.call("GET", []string{"/v1/orders", "/v1/orders/none"}[i%2], "")
		if code == http.StatusTooManyRequests {
			t.Fatalf("request %d: %s", i, data)
		}
		left = append(left, h.Get("X-Ms-Ratelimit-Remaining-Subscription-Reads"))
	}
	if !slices.Equal(left, []string{"4", "3", "2", "1", "0"}) {
		t.Errorf("what is left: %v", left)
	}
	code, h, data := c.call("GET", "/v1/orders", "")
	wait, err := strconv.Atoi(h.Get("Retry-After"))
	if code != http.StatusTooManyRequests || err != nil || wait < 1 || wait > 60 || !strings.Contains(string(data), "the token greedy") || !strings.Contains(string(data), "limits.requests") {
		t.Errorf("the sixth: %d, wait %q, %s", code, h.Get("Retry-After"), data)
	}
	req, err := http.NewRequest("GET", c.base+"/vaults/default/secrets", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+greedy)
	resp, err := c.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	var kv struct{ Error struct{ Code string } }
	if err := json.NewDecoder(resp.Body).Decode(&kv); err != nil || resp.StatusCode != http.StatusTooManyRequests || kv.Error.Code != "Throttled" || resp.Header.Get("Retry-After") == "" {
		t.Errorf("the vault: %d %+v %v %v", resp.StatusCode, kv, err, resp.Header)
	}
	resp.Body.Close()
	for range 8 {
		if code, _, _ := l.caller("").call("GET", "/healthz", ""); code != http.StatusOK {
			t.Fatalf("health: %d", code)
		}
		if code, _, data := l.caller("").call("GET", "/explore", "", "Cookie", "__Host-certwright="+session); code != http.StatusOK {
			t.Fatalf("a page: %d %s", code, data)
		}
	}
	if code, _, data := l.caller(l.FirstRun).call("GET", "/v1/orders", ""); code != http.StatusOK {
		t.Errorf("another token: %d %s", code, data)
	}
	l.move(time.Minute)
	if code, _, data := c.call("GET", "/v1/orders", ""); code != http.StatusOK {
		t.Errorf("a minute later: %d %s", code, data)
	}
}
