package arm

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"certwright/internal/order"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestETag(t *testing.T) {
	for in, want := range map[string]string{`"7"`: `["7"]`, `W/"7"`: `["7"]`, ` "12" `: `["12"]`, "*": "[]", "": "[]", "7": `["7"]`, `"1", W/"2","x-y"`: `["1" "2" "x-y"]`, `""`: `[""]`, ETag(41): `["41"]`} {
		if got, err := ParseETags(in); err != nil || fmt.Sprint(got) != want {
			t.Errorf("ParseETags(%q) = %v, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{`"7` + "\x00" + `"`, `"7`, `7"`, `"1" "2"`, `"1",`, `*, "1"`, `w/"1"`, `-1`} {
		if got, err := ParseETags(in); err == nil {
			t.Errorf("ParseETags(%q) = %v, want an error", in, got)
		}
	}
}

func TestDecodeIsStrict(t *testing.T) {
	for body, want := range map[string]string{
		`{"properties":{"issuer":"le"}}`:          "",
		`{"properties":{"isuer":"le"}}`:           `property "isuer" is not known`,
		`{"properties":{"issuer":7}}`:             "not the JSON that is expected",
		`{"properties":{}} {"properties":{}}`:     "more after the end",
		`{"properties":`:                          "not the JSON that is expected",
		`{"properties":{"productType":"Std"}}`:    "",
		`{"location":"Global","properties":{}}`:   "",
		`{"properties":{"distinguishedName":""}}`: "",
	} {
		var w Wish
		err := Decode([]byte(body), &w)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}

func TestWishAppliesOnlyWhatIsGiven(t *testing.T) {
	spec := order.Spec{Issuer: "le", AutoRenew: true, Vault: "default", Sites: []string{"shop"}}
	words := []string{"a.test"}
	var w Wish
	if err := Decode([]byte(`{"properties":{"autoRenew":false,"validity":"36h","sites":[]}}`), &w); err != nil {
		t.Fatal(err)
	}
	if err := w.Apply(&spec, &words); err != nil {
		t.Fatal(err)
	}
	if spec.Issuer != "le" || spec.Vault != "default" || spec.AutoRenew || spec.Validity != 36*time.Hour || len(spec.Sites) != 0 || len(words) != 1 {
		t.Errorf("applied: %+v, names %v", spec, words)
	}
	for body, want := range map[string]string{
		`{"properties":{"validity":"3 days"}}`:             "no length of time",
		`{"properties":{"distinguishedName":"O=x"}}`:       "CN=name",
		`{"properties":{"distinguishedName":"CN=a,OU=b"}}`: "CN=name",
	} {
		var w Wish
		if err := Decode([]byte(body), &w); err != nil {
			t.Fatal(err)
		}
		if err := w.Apply(&order.Spec{}, new([]string)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
	var names []string
	w = Wish{Properties: WishProperties{DistinguishedName: "CN=a.test"}}
	if err := w.Apply(&order.Spec{}, &names); err != nil || len(names) != 1 || names[0] != "a.test" {
		t.Errorf("the name of a distinguished name: %v, %v", names, err)
	}
}

// TestOrderShowsNoKey: what is sealed on an attempt never reaches an answer, and the link's words are Azure's.
func TestOrderShowsNoKey(t *testing.T) {
	spec := order.Spec{Names: []order.Name{{Kind: order.DNS, Value: "*.a.test"}}, Issuer: "le", KeyTypes: []order.KeyType{order.P256}, AutoRenew: true, Vault: "default"}
	o := order.Fresh(order.Short("www"), order.Ordered, spec, nil, now)
	o.Apply(now, order.Began{Attempt: order.Attempt{ID: "00112233445566778899aabbccddeeff", KeyType: order.P256, Issuer: "le", Sealed: []byte("very secret")}})
	b, err := json.Marshal(Order(o, now))
	if err != nil {
		t.Fatal(err)
	}
	for _, leak := range []string{"sealed", "dmVyeSBzZWNyZXQ", "very secret"} {
		if strings.Contains(strings.ToLower(string(b)), strings.ToLower(leak)) {
			t.Errorf("the resource holds %q", leak)
		}
	}
	r := Order(o, now)
	p := r.Properties.(Properties)
	if r.Type != order.Type || r.Location != "Global" || r.ETag != `"1"` || p.Status != order.Pendingissuance || p.ProductType != "StandardDomainValidatedWildCardSsl" ||
		p.ProvisioningState != "Succeeded" || p.DistinguishedName != "CN=*.a.test" || p.Certificates["www"].ProvisioningState != order.VaultWaiting || p.NotRenewable == nil {
		t.Errorf("resource: %+v\nproperties: %+v", r, p)
	}
}

// TestPatch: what a patch names is set, null takes away or gives back the default, the rest stays (RFC 7396).
func TestPatch(t *testing.T) {
	was := order.Spec{Issuer: "le", AutoRenew: false, Validity: time.Hour, Sites: []string{"shop"}, Tags: map[string]string{"a": "1", "b": "2"}}
	for body, want := range map[string]string{
		`{}`:                             "le false 1h0m0s [shop] map[a:1 b:2] bare",
		`{"tags":{"c":"3","a":null}}`:    "le false 1h0m0s [shop] map[b:2 c:3] bare",
		`{"tags":{}}`:                    "le false 1h0m0s [shop] map[a:1 b:2] bare",
		`{"tags":null}`:                  "le false 1h0m0s [shop] map[] bare",
		`{"properties":{}}`:              "le false 1h0m0s [shop] map[a:1 b:2]",
		`{"properties":{"issuer":null}}`: "builtin false 1h0m0s [shop] map[a:1 b:2]",
		`{"properties":{"Validity":null,"autoRenew":null,"sites":null}}`: "le true 0s [] map[a:1 b:2]",
		`{"properties":{"status":null,"productType":null}}`:              "le false 1h0m0s [shop] map[a:1 b:2]",
	} {
		w, bare, err := DecodePatch([]byte(body))
		s, words := was, []string{"x.test"}
		if err == nil {
			err = w.Apply(&s, &words)
		}
		got := fmt.Sprintf("%s %v %s %v %v", s.Issuer, s.AutoRenew, s.Validity, s.Sites, s.Tags)
		if bare {
			got += " bare"
		}
		if err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", body, got, err, want)
		}
	}
	if len(was.Tags) != 2 {
		t.Errorf("a patch changed what was read: %v", was.Tags)
	}
	if _, _, err := DecodePatch([]byte(`{"properties":{"names":null}}`)); err == nil {
		t.Error("an order without names")
	}
}
