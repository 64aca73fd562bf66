package arm_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"certwright/internal/arm"
)

// TestOpenAPI: the description is valid OpenAPI, has every operation of the registry, and every reference leads
// somewhere.
func TestOpenAPI(t *testing.T) {
	text, err := json.Marshal(arm.OpenAPI("https://certs.example.test", "v1", "https://certs.example.test/t/oauth2/v2.0/token", nil))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	n := 0
	for _, typ := range arm.Registry() {
		for _, o := range typ.Operations {
			n++
			item := doc.Paths.Value(o.Path)
			if item == nil || item.GetOperation(o.Method) == nil || item.GetOperation(o.Method).OperationID != o.ID {
				t.Errorf("%s %s is not described", o.Method, o.Path)
			}
			if o.Action == "" || o.Text == "" || len(o.Codes) == 0 {
				t.Errorf("%s lacks an action, a text or its codes", o.ID)
			}
		}
	}
	if n < 70 {
		t.Errorf("only %d operations", n)
	}
	s := doc.Components.Schemas["WishProperties"]
	if s == nil || s.Value.Properties["distinguishedName"] == nil || s.Value.Properties["names"] == nil || s.Value.Properties["status"] == nil {
		t.Errorf("the properties of an order are described as %+v", s)
	}
}

// TestProvidersAndTypes: what is listed of a provider is what the registry has.
func TestProvidersAndTypes(t *testing.T) {
	if got := strings.Join(arm.Providers(), " "); got != "Microsoft.CertificateRegistration Microsoft.Resources Certwright Microsoft.Insights Microsoft.Web Microsoft.KeyVault" {
		t.Errorf("providers: %s", got)
	}
	p, ok := arm.ProviderOf("/subscriptions/s", "MICROSOFT.KEYVAULT")
	if !ok || p.ID != "/subscriptions/s/providers/Microsoft.KeyVault" || len(p.Types) != 4 || p.Types[0].Name != "vaults" || p.Types[0].Default == "" {
		t.Errorf("%v %+v", ok, p)
	}
	if _, ok := arm.ProviderOf("", "Microsoft.Nothing"); ok {
		t.Error("a provider that is not there is found")
	}
}

func TestFilters(t *testing.T) {
	for in, ok := range map[string]bool{
		"eventTimestamp ge '2026-01-01T00:00:00Z'": true,
		"eventTimestamp ge '2026-01-01T00:00:00Z' and eventTimestamp le '2026-02-01T00:00:00Z' and correlationId eq 'x''y'": true,
		"EVENTTIMESTAMP ge '2026-01-01T00:00:00.123+01:00' AND resourceuri eq '/a'":                                         true,
		"": false, "eventTimestamp ge 'soon'": false, "level eq 'Error'": false,
		"eventTimestamp ge '2026-01-01T00:00:00Z' and resourceGroupName ne 'x'":                                       false,
		"eventTimestamp ge '2026-01-01T00:00:00Z' and resourceGroupName eq 'a' and resourceProvider eq 'Microsoft.X'": false,
		"eventTimestamp ge '2026-01-01T00:00:00Z' or resourceGroupName eq 'a'":                                        false,
		"(eventTimestamp ge '2026-01-01T00:00:00Z')":                                                                  false,
	} {
		if f, err := arm.ParseLogFilter(in); (err == nil) != ok {
			t.Errorf("%s: %+v, %v", in, f, err)
		}
	}
	f, err := arm.ParseLogFilter("eventTimestamp ge '2026-01-01T00:00:00Z' and correlationId eq 'x''y'")
	if err != nil || f.Correlation != "x'y" {
		t.Errorf("a quote in a value: %+v, %v", f, err)
	}
}

func TestIDs(t *testing.T) {
	id, err := arm.ParseID("/subscriptions/S/resourcegroups/G/providers/microsoft.web/sites/shop/hostNameBindings/a.test")
	if err != nil || id != (arm.ID{Subscription: "S", Group: "G", Type: "microsoft.web/sites/hostNameBindings", Name: "shop", Child: "a.test"}) {
		t.Errorf("%+v %v", id, err)
	}
	for _, bad := range []string{"", "/", "subscriptions/S/resourceGroups/G/providers/a/b/c", "/subscriptions/S/resourceGroups/G", "/subscriptions/S/resourceGroups/G/providers/a/b", "/subscriptions/S/resourceGroups/G/providers/a/b/c/d"} {
		if id, err := arm.ParseID(bad); err == nil {
			t.Errorf("%s: %+v", bad, id)
		}
	}
}
