package server

import (
	"encoding/json"
	"net/http"
	"testing"

	"certwright/internal/order"
	"certwright/internal/testworld"
)

// TestWhatWasReadPutBackChangesNothing: for every type of resource, at both kinds of paths: 200, the same entity tag, the same
// to read, and no event.
func TestWhatWasReadPutBackChangesNothing(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	c := l.caller(l.FirstRun)
	group, www := subID+"/resourceGroups/default", order.Short("www").String()
	vault := group + "/providers/Microsoft.KeyVault/vaults/kv1"
	web := group + "/providers/Microsoft.Web/sites/web"
	for _, made := range [][2]string{
		{vault + orderV, `{"location":"x"}`},
		{www + orderV, `{"location":"Global","tags":{"a":"1"},"properties":{"names":["www.example.com","b.example.com"],"keyTypes":["EC-P256","RSA-2048"],"renewAt":0.5,"validity":"240h","endpoints":[{"address":"www.example.com"}],"productType":"StandardDomainValidatedSsl"}}`},
		{www + "/certificates/more" + orderV, `{"location":"Global","properties":{"keyVaultId":"` + vault + `","keyVaultSecretName":"www"}}`},
		{web + orderV, `{"location":"x","properties":{"hostNames":["www.example.com"]}}`},
	} {
		if code, _, data := c.call("PUT", made[0], made[1]); code > 201 {
			t.Fatalf("PUT %s: %d %s", made[0], code, data)
		}
	}
	asked := func() (n int) {
		events, err := l.Store.FollowOrder(t.Context(), order.Short("www"), 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Caller == "owner" {
				n++
			}
		}
		return n
	}
	before := asked()
	for _, path := range []string{www + orderV, www + "/certificates/more" + orderV, vault + orderV, web + orderV, web + "/hostNameBindings/www.example.com" + orderV, group + resV, subID + resV, "/v1/orders/www", "/v1/sites/web"} {
		_, _, first := c.call("GET", path, "")
		code, _, data := c.call("PUT", path, string(first))
		_, _, again := c.call("GET", path, "")
		var was, is struct {
			ETag     string
			Tags     map[string]string
			Location string
		}
		if err := json.Unmarshal(first, &was); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(again, &is); err != nil || code != http.StatusOK || was.ETag != is.ETag || was.Location != is.Location || len(was.Tags) != len(is.Tags) {
			t.Errorf("%s: %d %v, %+v became %+v: %.500s", path, code, err, was, is, data)
		}
	}
	if n := asked(); n != before {
		t.Errorf("%d events of changes that were none", n-before)
	}
}
