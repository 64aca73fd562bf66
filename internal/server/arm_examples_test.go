package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"

	"certwright/internal/arm"
	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/testworld"
)

// azure is the specification of Microsoft.CertificateRegistration with its examples.
type azure struct {
	doc        *openapi3.T
	operations []azureOperation
}

type azureOperation struct {
	OperationID, Method, Path, Example string
	Responses                          map[string]any
}

type example struct {
	Parameters map[string]any
}

// common are the definitions that the specification takes from elsewhere.
const common = `{"Resource":{"type":"object","properties":{"id":{"type":"string","readOnly":true},"name":{"type":"string","readOnly":true},"type":{"type":"string","readOnly":true}}},
"ProxyResource":{"allOf":[{"$ref":"#/definitions/Resource"}]},
"TrackedResource":{"allOf":[{"$ref":"#/definitions/Resource"}],"type":"object","required":["location"],"properties":{"location":{"type":"string"},"tags":{"type":"object","additionalProperties":{"type":"string"}}}},
"systemData":{"type":"object"}}`

// loadAzure reads it once for all tests.
func loadAzure(t *testing.T) *azure {
	t.Helper()
	a, err := azureSpec()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var azureSpec = sync.OnceValues(func() (*azure, error) {
	dir := filepath.Join("..", "arm", "testdata", "azure")
	text, err := os.ReadFile(filepath.Join(dir, "openapi.json"))
	if err != nil {
		return nil, err
	}
	const elsewhere = "../../../../../../common-types/resource-management/v3/types.json"
	var raw, more map[string]any
	if err := json.Unmarshal(bytes.ReplaceAll(text, []byte(elsewhere), nil), &raw); err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(common), &more); err != nil {
		return nil, err
	}
	for name, def := range more {
		raw["definitions"].(map[string]any)[name] = def
	}
	raw["paths"] = map[string]any{} // only the schemas are of use here: parameters are taken from elsewhere, too
	delete(raw, "parameters")
	if text, err = json.Marshal(raw); err != nil {
		return nil, err
	}
	var two openapi2.T
	if err := json.Unmarshal(text, &two); err != nil {
		return nil, err
	}
	a := &azure{}
	if a.doc, err = openapi2conv.ToV3(&two); err != nil {
		return nil, err
	}
	if text, err = os.ReadFile(filepath.Join(dir, "operations.json")); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &a.operations); err != nil {
		return nil, err
	}
	return a, nil
})

// check holds a body against a schema of the specification; array<X> is a bare array of X.
func (a *azure) check(name string, body []byte) error {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	values := []any{v}
	if of, ok := strings.CutPrefix(name, "array<"); ok {
		name = strings.TrimSuffix(of, ">")
		if values, ok = v.([]any); !ok {
			return fmt.Errorf("it is no array: %.100s", body)
		}
	}
	s := a.doc.Components.Schemas[name]
	if s == nil {
		return fmt.Errorf("there is no schema %s", name)
	}
	for _, v := range values {
		if err := s.Value.VisitJSON(v, openapi3.MultiErrors(), openapi3.VisitAsResponse()); err != nil {
			return err
		}
	}
	return nil
}

// request is an example as a request: its path, and its body where it has one.
func (o azureOperation) request(t *testing.T) (path, body string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "arm", "testdata", "azure", "examples", o.Example))
	if err != nil {
		t.Fatal(err)
	}
	var e example
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	// All examples are about one order; three of them call it otherwise, and two have it in another group.
	for k, v := range map[string]string{"subscriptionId": exampleSub, "resourceGroupName": exampleGroup, "certificateOrderName": exampleOrder} {
		if e.Parameters[k] != nil {
			e.Parameters[k] = v
		}
	}
	if e.Parameters["name"] == "SampleCertOrder" {
		e.Parameters["name"] = exampleOrder
	}
	path = o.Path
	for k, v := range e.Parameters {
		if s, ok := v.(string); ok {
			path = strings.ReplaceAll(path, "{"+k+"}", url.PathEscape(s))
			continue
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		body = strings.ReplaceAll(string(b), `"Domain name"`, `"SampleCustomDomain.com"`) // a placeholder
	}
	return path + "?api-version=" + e.Parameters["api-version"].(string), body
}

const (
	exampleSub   = "34adfa4f-cedf-4dc0-ba29-b6d1a69ab345"
	exampleGroup = "testrg123"
	exampleOrder = "SampleCertificateOrderName"
)

// startExamples starts a server that has what the examples take for granted: subscription, group, vault, a mail
// server, and a web server for the domain.
func startExamples(t *testing.T) (*live, *caller, order.ID) {
	t.Helper()
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "samplecustomdomain.com")
	_, address := startLetterbox(t)
	l := startLive(t, w, func(c *Config) {
		c.Notify = map[string]Notify{"ops": {Kind: "smtp", Server: address, TLS: "none", From: "certwright@example.com", To: []string{"ops@example.com"}}}
	}, sh)
	ctx := t.Context()
	s := w.site(sh)
	s.Subscription, s.Group = exampleSub, exampleGroup
	for _, err := range []error{l.Store.SaveSubscription(ctx, exampleSub, "Examples", order.SubscriptionEnabled), l.Store.SaveGroup(ctx, order.Group{Subscription: exampleSub, Name: exampleGroup}),
		l.Store.SaveVault(ctx, secret.VaultRow{Name: "SamplevaultName", Subscription: exampleSub, Group: exampleGroup, SoftDelete: 90, Created: l.Now()})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Mover.SaveSite(ctx, testBy, s); err != nil {
		t.Fatal(err)
	}
	return l, l.caller(l.FirstRun), order.ID{Subscription: exampleSub, Group: exampleGroup, Name: exampleOrder}
}

// TestAzureExamples replays every example of the specification as a request; each answer has a status that the
// specification lists, and a body of its schema.
func TestAzureExamples(t *testing.T) {
	t.Parallel()
	a := loadAzure(t)
	for name, bad := range map[string]string{"SiteSeal": `{}`, "AppServiceCertificateOrder": `{"properties":{}}`, "DetectorResponseCollection": `{"value":{}}`, "array<CertificateEmail>": `{}`} {
		if a.check(name, []byte(bad)) == nil {
			t.Errorf("%s passes for a %s: nothing is checked here", bad, name)
		}
	}
	if err := a.check("AppServiceCertificateOrder", []byte(`{"location":"Global","properties":{"productType":"Other"}}`)); err == nil {
		t.Error("a product that is none passes")
	}
	l, c, id := startExamples(t)
	done := map[string]bool{}
	replay := func(name string) {
		t.Helper()
		i := slices.IndexFunc(a.operations, func(o azureOperation) bool { return strings.HasSuffix(o.OperationID, "_"+name) })
		if i < 0 {
			t.Fatalf("no operation %s", name)
		}
		o := a.operations[i]
		path, body := o.request(t)
		code, h, data := c.call(o.Method, path, body)
		schema, ok := o.Responses[strconv.Itoa(code)]
		if !ok {
			t.Fatalf("%s: %d %s", o.OperationID, code, data)
		}
		if s, _ := schema.(string); s != "" {
			if err := a.check(s, data); err != nil {
				t.Errorf("%s: the answer is no %s: %v\n%.2000s", o.OperationID, s, err, data)
			}
			if o.Method == "PUT" { // the long-running operation is over
				if code, _, data = c.call("GET", h.Get("Location"), ""); code != http.StatusOK {
					t.Errorf("%s: %s: %d %s", o.OperationID, h.Get("Location"), code, data)
				}
				if err := a.check(s, data); err != nil {
					t.Errorf("%s: the end of the operation is no %s: %v", o.OperationID, s, err)
				}
				var end arm.Resource
				if at, _, _ := strings.Cut(path, "?"); json.Unmarshal(data, &end) != nil || !strings.EqualFold(end.ID, at) || !strings.HasSuffix(strings.ToLower(at), "/"+strings.ToLower(end.Name)) {
					t.Errorf("%s: the end of the operation is another resource: %s", o.OperationID, data)
				}
				// Clients that would read on until a provisioningState is Succeeded look there first.
				var over arm.Over
				if c.get(h.Get("Azure-AsyncOperation"), &over); over.Status != "Succeeded" {
					t.Errorf("%s: the state of the operation is %q", o.OperationID, over.Status)
				}
			}
		} else if len(data) != 0 {
			t.Errorf("%s: %d with a body: %s", o.OperationID, code, data)
		}
		done[o.OperationID] = true
	}
	for _, name := range []string{"ListOperations", "ValidatePurchaseInformation", "CreateOrUpdate", "CreateOrUpdate", "Get", "List", "ListByResourceGroup", "Update", "VerifyDomainOwnership", "ResendEmail", "ResendRequestEmails",
		"RetrieveCertificateEmailHistory", "ListCertificates", "GetCertificate", "ListAppServiceCertificateOrderDetectorResponse", "GetAppServiceCertificateOrderDetectorResponse"} {
		replay(name)
	}
	// What a site is no example knows; it survives their update.
	if code, _, data := c.call("PATCH", id.String()+orderV, `{"properties":{"productType":"StandardDomainValidatedSsl","sites":["samplecustomdomain"]}}`); code != http.StatusOK {
		t.Fatalf("set the site: %d %s", code, data)
	}
	replay("Update")
	o := l.settled(id, 1)
	if len(o.Spec.Sites) != 1 || len(o.Spec.Links) != 2 {
		t.Errorf("after an update by a client that knows no sites: %v, %v", o.Spec.Sites, o.Spec.Links)
	}
	replay("Get") // now with a certificate
	replay("RetrieveSiteSeal")
	replay("Renew")
	l.settled(id, 2)
	replay("Reissue")
	l.settled(id, 3)
	for _, name := range []string{"RetrieveCertificateActions", "CreateOrUpdateCertificate", "UpdateCertificate", "Get", "List", "GetAppServiceCertificateOrderDetectorResponse", "DeleteCertificate", "DeleteCertificate"} {
		replay(name)
	}
	if code, _, data := c.call("PATCH", id.String()+orderV, `{"properties":{"productType":"StandardDomainValidatedSsl","sites":[]}}`); code != http.StatusOK {
		t.Fatalf("take the site away: %d %s", code, data)
	}
	replay("Delete")
	replay("Delete")
	for _, o := range a.operations {
		if !done[o.OperationID] {
			t.Errorf("%s was not replayed", o.OperationID)
		}
	}
	code, _, data := c.call("GET", id.String()+orderV, "")
	if err := a.check("DefaultErrorResponse", data); code != http.StatusNotFound || err != nil {
		t.Errorf("after the end: %d %v %s", code, err, data)
	}
}
