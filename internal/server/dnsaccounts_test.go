package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"certwright/internal/order"
	"certwright/internal/testworld"
)

// TestADNSAccountInUseStays: what orders name is not removed under them; the refusal names some of them. Once none names it, or
// those that do get no version any more, it goes.
func TestADNSAccountInUseStays(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	c := l.caller(l.FirstRun)
	if err := addPebble(t.Context(), l.Server, "https://127.0.0.1:9/dir", l.Builtin.RootsPEM()); err != nil { // nobody is there: nothing is ever published
		t.Fatal(err)
	}
	account := &order.DNSAccount{Name: "Bind", Kind: order.KindRFC2136, Server: "127.0.0.1:9", Zones: []string{"example.com"}, Key: "k", Algorithm: "hmac-sha256", Created: l.Now(), Updated: l.Now()}
	if err := l.Store.SaveDNSAccount(t.Context(), account); err != nil {
		t.Fatal(err)
	}
	for i := range mostNamed + 2 {
		name := fmt.Sprintf("d%d", i)
		if code, _, data := c.call("PUT", "/v1/orders/"+name, `{"properties":{"names":["`+name+`.example.com"],"issuer":"pebble","method":"dns-01","dnsAccount":"bind"}}`); code != http.StatusCreated {
			t.Fatalf("%s: %d %s", name, code, data)
		}
	}
	e := c.refused("DELETE", "/v1/dns-accounts/bind", "", 409, "DNSAccountInUse")
	if !strings.Contains(e.Message, "orders d0, d1, d2, d3, d4 and others name it") || !strings.Contains(e.Fix, "order update d0 --dns-account") {
		t.Errorf("the refusal: %q, %q", e.Message, e.Fix)
	}
	for i := range mostNamed + 1 {
		if code, _, data := c.call("PATCH", fmt.Sprintf("/v1/orders/d%d", i), `{"properties":{"dnsAccount":null}}`); code != http.StatusOK || strings.Contains(string(data), `"dnsAccount"`) {
			t.Fatalf("leave the account out: %d %s", code, data)
		}
	}
	last := fmt.Sprintf("d%d", mostNamed+1)
	if e := c.refused("DELETE", "/v1/dns-accounts/Bind", "", 409, "DNSAccountInUse"); !strings.Contains(e.Message, "order "+last+" names it") {
		t.Errorf("the refusal: %q", e.Message)
	}
	if code, _, data := c.call("POST", "/v1/orders/"+last+"/cancel", ""); code != http.StatusOK {
		t.Fatalf("cancel: %d %s", code, data)
	}
	l.wait(order.Short(last), "being canceled", func(o *order.Order) bool { return o.StatusOf(l.Now()) == order.StatusCanceled })
	if code, _, data := c.call("DELETE", "/v1/dns-accounts/bind", ""); code != http.StatusNoContent {
		t.Errorf("remove it: %d %s", code, data)
	}
}
