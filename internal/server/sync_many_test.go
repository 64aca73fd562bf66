package server

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/order"
)

// TestSyncOfMany: a group, a subscription and a site are synced order by order; who may sync a part syncs that part, and
// an order that cannot be synced is named with the reason, and stops no other.
func TestSyncOfMany(t *testing.T) {
	t.Parallel()
	c := startClients(t)
	ask := c.caller(c.FirstRun)
	for name, body := range map[string]string{"waits": `{"properties":{"names":["waits.example.test"],"method":"txt"}}`, "ended": `{"properties":{"names":["ended.example.test"],"method":"txt"}}`} {
		if code, _, data := ask.call("PUT", "/v1/orders/"+name, body); code != http.StatusCreated {
			t.Fatalf("%d %s", code, data)
		}
	}
	if code, _, data := ask.call("POST", "/v1/orders/ended/cancel", "{}"); code != http.StatusOK {
		t.Fatalf("%d %s", code, data)
	}
	narrow, _, err := c.Auth.Issue(t.Context(), "one", auth.Contributor, c.id.String(), 0)
	if err != nil {
		t.Fatal(err)
	}
	const shop, waits, ended = "shop", "waits", "ended"
	group := subID + "/resourceGroups/default"
	for _, at := range []struct {
		what, token, path string
		asked, refused    []string
	}{
		{"everything", c.FirstRun, "/v1/sync", []string{shop, waits}, []string{ended}},
		{"a group", c.FirstRun, group + "/providers/Certwright/sync", []string{shop, waits}, []string{ended}},
		{"a subscription", c.FirstRun, subID + "/providers/Certwright/sync", []string{shop, waits}, []string{ended}},
		{"a site", c.FirstRun, "/v1/sites/shop/sync", []string{shop}, nil},
		{"a site by its id", c.FirstRun, strings.ToLower(group) + "/providers/microsoft.web/SITES/shop/sync", []string{shop}, nil},
		{"what one's scope covers", narrow, "/v1/sync", []string{shop}, nil},
		{"a group of which the scope covers one order", narrow, group + "/providers/Certwright/sync", []string{shop}, nil},
	} {
		before := c.load(c.id).Revision
		code, _, data := c.caller(at.token).call("POST", at.path, "")
		var got arm.Synced
		if err := json.Unmarshal(data, &got); code != http.StatusOK || err != nil {
			t.Fatalf("%s: %d %s", at.what, code, data)
		}
		var refused []string
		for _, r := range got.Refused {
			refused = append(refused, r.ID)
			if r.Reason.Code == "" || r.Reason.Message == "" {
				t.Errorf("%s: %s is refused without a reason", at.what, r.ID)
			}
		}
		if !sameNames(got.Asked, at.asked) || !sameNames(refused, at.refused) || got.Next != "" {
			t.Errorf("%s: %s", at.what, data)
		}
		if c.load(c.id).Revision == before {
			t.Errorf("%s: the order was not asked", at.what)
		}
	}
	ask.refused("POST", "/v1/sites/none/sync", "", 404, "SiteNotFound")
	c.caller(narrow).refused("POST", "/v1/sites/shop/sync", "", 403, "AuthorizationFailed")
	reader, _, err := c.Auth.Issue(t.Context(), "looks", auth.Reader, "/", 0)
	if err != nil {
		t.Fatal(err)
	}
	c.caller(reader).refused("POST", "/v1/sync", "", 403, "AuthorizationFailed")
}

// sameNames says whether ids are those of the named orders.
func sameNames(ids, names []string) bool {
	if len(ids) != len(names) {
		return false
	}
	for _, n := range names {
		if !strings.Contains(strings.Join(ids, " ")+" ", order.Short(n).String()+" ") {
			return false
		}
	}
	return true
}
