package api

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// TestOpenAPIIsWhatIsServed: /openapi.json is valid OpenAPI 3.1, describes every route with the action that it needs, and
// nothing that is not there; what is open to everybody says so.
func TestOpenAPIIsWhatIsServed(t *testing.T) {
	a := New(Options{Public: "https://certs.example.test", Version: "v1"})
	rec := httptest.NewRecorder()
	a.ServeHTTP(rec, httptest.NewRequest("GET", "/openapi.json", nil))
	doc, err := openapi3.NewLoader().LoadFromData(rec.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("it is of version %s", doc.OpenAPI)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	ids, served := map[string]bool{}, map[string]bool{}
	for _, r := range a.Routes() {
		served[r.Method+" "+r.Pattern] = true
		item := doc.Paths.Value(r.Pattern)
		if item == nil || item.GetOperation(r.Method) == nil {
			t.Errorf("%s %s is not described", r.Method, r.Pattern)
			continue
		}
		o := item.GetOperation(r.Method)
		open := o.Security != nil && len(*o.Security) == 0
		if action, _ := o.Extensions["x-certwright-action"].(string); action != r.Action || open != (r.Action == "") {
			t.Errorf("%s %s needs %q, and %q is described; open %v", r.Method, r.Pattern, r.Action, action, open)
		}
		if o.OperationID == "" || ids[o.OperationID] || o.Summary == "" {
			t.Errorf("%s %s: id %q (given before: %v), summary %q", r.Method, r.Pattern, o.OperationID, ids[o.OperationID], o.Summary)
		}
		ids[o.OperationID] = true
		if n := strings.Count(r.Pattern, "{"); n > len(o.Parameters) {
			t.Errorf("%s %s has %d parameters, and %d are described", r.Method, r.Pattern, n, len(o.Parameters))
		}
		if (r.Method == "PUT" || r.Method == "PATCH") && o.RequestBody == nil {
			t.Errorf("%s %s reads a body that is not described", r.Method, r.Pattern)
		}
	}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			if !served[method+" "+path] {
				t.Errorf("%s %s is described, and not served", method, path)
			}
		}
	}
}
