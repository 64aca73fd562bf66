package arm

import (
	"slices"
	"strings"
	"testing"

	"certwright/internal/order"
)

const aGroup = "/subscriptions/s1/resourceGroups/g1"

func below(p Place) string {
	var list []string
	for _, b := range p.Below {
		list = append(list, strings.TrimPrefix(b.Path, p.Path))
	}
	return strings.Join(list, " ")
}

func TestPlaces(t *testing.T) {
	for path, want := range map[string]struct {
		kind  string
		list  bool
		below string // some of it
	}{
		"/":                 {"", false, "subscriptions"},
		"/subscriptions":    {"Microsoft.Resources/subscriptions", true, ""},
		"/SUBSCRIPTIONS/s1": {"Microsoft.Resources/subscriptions", false, "/resourceGroups"},
		aGroup:              {"Microsoft.Resources/resourceGroups", false, "/providers/Microsoft.CertificateRegistration/certificateOrders"},
		aGroup + "/providers/microsoft.certificateregistration/certificateorders": {order.Type, true, ""},
		aGroup + "/providers/" + order.Type + "/www":                              {order.Type, false, "/certificates"},
		aGroup + "/providers/" + order.Type + "/www/certificates":                 {order.Type + "/certificates", true, ""},
		aGroup + "/providers/" + order.Type + "/www/timeline":                     {"Certwright", false, ""},
		aGroup + "/providers/Microsoft.Web/sites/shop":                            {"Microsoft.Web/sites", false, "/hostNameBindings"},
		"/subscriptions/s1/providers/Microsoft.Web":                               {"Microsoft.Resources", false, "/sites"},
		"/v1/tokens": {"", false, ""},
	} {
		p := PlaceOf(path)
		if p.Type != want.kind || p.List != want.list || !strings.Contains(" "+below(p)+" ", want.below) || want.below == "" && below(p) != "" {
			t.Errorf("%s: %q list %v below %q", path, p.Type, p.List, below(p))
		}
		for _, b := range p.Below {
			if strings.Contains(b.Path, "{") || strings.HasSuffix(b.Path, "/follow") {
				t.Errorf("%s: below it %s", path, b.Path)
			}
		}
	}
}

func TestActionsOfAPlace(t *testing.T) {
	at := aGroup + "/providers/" + order.Type + "/www"
	var got []string
	for _, a := range PlaceOf(at).Actions {
		got = append(got, a.Method+" "+strings.TrimPrefix(a.Path, at))
		if a.Right == "" || a.Text == "" {
			t.Errorf("%+v", a)
		}
	}
	for _, want := range []string{"PUT ", "PATCH ", "DELETE ", "POST /renew", "POST /sync", "POST /fix"} {
		if !slices.Contains(got, want) {
			t.Errorf("there is no %q in %q", want, got)
		}
	}
	if slices.Contains(got, "PUT /certificates") || len(PlaceOf(aGroup+"/resources").Actions) != 0 {
		t.Errorf("%q", got)
	}
}

func TestPathOf(t *testing.T) {
	group := "/subscriptions/" + order.DefaultSubscription + "/resourceGroups/" + order.DefaultGroup
	for said, want := range map[string]string{
		"": "/", "/": "/", "dns-accounts": "/providers/Certwright/dnsAccounts", "/v1/dns-accounts/main": "/providers/Certwright/dnsAccounts/main", "orders": group + "/providers/" + order.Type, "Orders/www/": group + "/providers/" + order.Type + "/www", "/v1/orders/www/diagnose": group + "/providers/" + order.Type + "/www/diagnose",
		"sites/shop": group + "/providers/Microsoft.Web/sites/shop", "issuers": "/providers/Certwright/issuers", "targets": group + "/providers/Certwright/targets", "/v1/tokens": "/v1/tokens", aGroup: aGroup, "/providers/Microsoft.Web/": "/providers/Microsoft.Web",
	} {
		if got, ok := PathOf(said); !ok || got != want {
			t.Errorf("%q: %q %v, want %q", said, got, ok, want)
		}
	}
	if got, ok := PathOf("nonsense/www"); ok {
		t.Errorf("nonsense is %q", got)
	}
	if got := Above(group + "/providers/" + order.Type + "/www"); got != group+"/providers/"+order.Type {
		t.Errorf("above an order: %s", got)
	}
	if got := Above(group + "/providers/" + order.Type); got != group {
		t.Errorf("above the orders: %s", got)
	}
	if got := Above("/subscriptions"); got != "/" {
		t.Errorf("above the subscriptions: %s", got)
	}
}

func TestThings(t *testing.T) {
	list := `{"value":[
	 {"id":"/subscriptions/s1","subscriptionId":"s1","displayName":"One","state":"Disabled"},
	 {"id":"` + aGroup + `","name":"g1","properties":{"provisioningState":"Succeeded"}},
	 {"id":"` + aGroup + `/providers/Microsoft.Web/sites/www","name":"www","properties":{"provisioningState":"Succeeded","status":"Issued","summary":{"state":"done","finding":"tls-expired"},"path":[{"stage":"serve","state":"done"}]}},
	 {"id":"` + aGroup + `/providers/Microsoft.Web/sites/new","name":"new","properties":{"provisioningState":"Succeeded","status":"Pendingissuance","summary":{"state":"waiting"}}},
	 {"name":"builtin","kind":"builtin"}, {"id":"` + aGroup + `/providers/Certwright/targets/a.b","name":"a.b"}, 7],"nextLink":"https://x/next"}`
	things, next, err := Things("/providers/Certwright/issuers", []byte(list))
	if err != nil || next != "https://x/next" || len(things) != 7 {
		t.Fatalf("%v %q %+v", err, next, things)
	}
	for i, want := range []Thing{{Name: "One", Path: "/subscriptions/s1", State: order.StateFail, Word: "Disabled"}, {Name: "g1", Path: aGroup, State: order.Done, Word: "Succeeded"},
		{Name: "www", Path: aGroup + "/providers/Microsoft.Web/sites/www", State: order.StateFail, Word: "Issued"}, {Name: "new", Path: aGroup + "/providers/Microsoft.Web/sites/new", State: order.StateWait, Word: "Pendingissuance"}, {Name: "builtin", Path: "/providers/Certwright/issuers/builtin"}, {Name: "a.b"}, {}} {
		if got := things[i]; got.Name != want.Name || got.Path != want.Path || got.State != want.State || got.Word != want.Word {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if _, _, err := Things("/", []byte("{")); err == nil {
		t.Error("no JSON is no list")
	}
}
