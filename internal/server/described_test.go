package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"certwright/internal/api"
	"certwright/internal/arm"
)

// description is what the service says of itself.
type description struct {
	doc   *openapi3.T
	paths arm.Router[*openapi3.Operation]
}

var described = sync.OnceValues(func() (*description, error) {
	rec := httptest.NewRecorder()
	api.New(api.Options{Public: "https://certs.example.test", Version: "test"}).ServeHTTP(rec, httptest.NewRequest("GET", "/openapi.json", nil))
	d := &description{}
	var err error
	if d.doc, err = openapi3.NewLoader().LoadFromData(rec.Body.Bytes()); err != nil {
		return nil, err
	}
	if err := d.doc.Validate(context.Background()); err != nil {
		return nil, err
	}
	for path, item := range d.doc.Paths.Map() {
		for method, o := range item.Operations() {
			d.paths.Add(method, path, o)
		}
	}
	return d, nil
})

// describedAs holds every answer that a test's server gives against /openapi.json, whoever asks and at whichever path.
// (What Azure's own specification says of it, wire.valid sees.)
func describedAs(t *testing.T) func(http.Handler) http.Handler {
	t.Helper()
	d, err := described()
	if err != nil {
		t.Fatal(err)
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f, ok := d.paths.Find(r.Method, r.URL.EscapedPath())
			if !ok || strings.Contains(r.Host, ".vault.") {
				next.ServeHTTP(w, r)
				return
			}
			seen := &answer{status: http.StatusOK, header: w.Header()}
			next.ServeHTTP(seen, r)
			if err := d.holds(r, f.Value, seen); err != nil {
				t.Errorf("%s %s: %d: %v\n%.1500s", r.Method, r.URL, seen.status, err, seen.body.Bytes())
			}
			w.WriteHeader(seen.status)
			_, _ = w.Write(seen.body.Bytes()) // the client is gone if this fails
		})
	}
}

// holds says what of an answer is not as it is described.
func (d *description) holds(r *http.Request, o *openapi3.Operation, a *answer) error {
	if r.Method == http.MethodHead || r.Context().Err() != nil {
		return nil
	}
	as := o.Responses.Value(strconv.Itoa(a.status))
	if as == nil {
		if a.status < 400 {
			return fmt.Errorf("the status is not described")
		}
		as = o.Responses.Default()
		if strings.HasSuffix(r.URL.Path, "/token") || strings.HasSuffix(r.URL.Path, "/readyz") {
			return nil // errors of RFC 6749; why it is not ready
		}
	}
	kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	content := as.Value.Content
	if len(content) == 0 {
		if a.body.Len() > 0 {
			return fmt.Errorf("a body that is not described")
		}
		return nil
	}
	if content.Get("application/json") == nil || kind != "application/json" {
		if content.Get(kind) == nil && content["application/octet-stream"] == nil {
			return fmt.Errorf("the content type is %q", kind)
		}
		return nil
	}
	if i := bytes.Index(a.body.Bytes(), []byte("0001-01-01T")); i >= 0 {
		return fmt.Errorf("a time that is none is shown: ...%s", a.body.Bytes()[max(0, i-200):i+30])
	}
	var v any
	if err := json.Unmarshal(a.body.Bytes(), &v); err != nil {
		return err
	}
	schema := content.Get("application/json").Schema
	if schema == nil {
		return nil
	}
	if err := schema.Value.VisitJSON(v, openapi3.MultiErrors(), openapi3.VisitAsResponse()); err != nil {
		return err
	}
	if at := undescribed(v, schema, ""); at != "" {
		return fmt.Errorf("the property %s is not described", at)
	}
	return nil
}

// undescribed finds a property of a value that no part of its schema has.
func undescribed(v any, s *openapi3.SchemaRef, at string) string {
	switch v := v.(type) {
	case []any:
		if s.Value.Items == nil {
			return ""
		}
		for i, x := range v {
			if found := undescribed(x, s.Value.Items, fmt.Sprintf("%s[%d]", at, i)); found != "" {
				return found
			}
		}
	case map[string]any:
		known := map[string]*openapi3.SchemaRef{}
		free := collect(s, known)
		for name, x := range v {
			of, ok := known[name]
			if !ok && !free {
				return at + "." + name
			}
			if ok {
				if found := undescribed(x, of, at+"."+name); found != "" {
					return found
				}
			}
		}
	}
	return ""
}

// collect gathers the properties that a schema has, those of its parts over its own; free: it may have any.
func collect(s *openapi3.SchemaRef, into map[string]*openapi3.SchemaRef) (free bool) {
	free = len(s.Value.Properties) == 0 && len(s.Value.AllOf) == 0 && len(s.Value.AnyOf) == 0
	for name, p := range s.Value.Properties {
		into[name] = p
	}
	for _, part := range append(append(openapi3.SchemaRefs{}, s.Value.AllOf...), s.Value.AnyOf...) {
		if part.Value.Type != nil && part.Value.Type.Is("null") {
			continue
		}
		free = collect(part, into) && free
	}
	return free
}

// TestDescribedSees: an answer of another shape, with a property that nobody described, with one missing, or with a status that
// is not listed, is seen.
func TestDescribedSees(t *testing.T) {
	t.Parallel()
	d, err := described()
	if err != nil {
		t.Fatal(err)
	}
	seen := func(method, path string, status int, kind, body string) error {
		r := httptest.NewRequest(method, path, nil)
		f, ok := d.paths.Find(method, r.URL.EscapedPath())
		if !ok {
			t.Fatalf("%s %s is not described", method, path)
		}
		a := &answer{status: status, header: http.Header{"Content-Type": {kind}}}
		a.body.WriteString(body)
		return d.holds(r, f.Value, a)
	}
	const issuer, js = "/v1/issuers/le", "application/json; charset=utf-8"
	if err := seen("GET", issuer, 200, js, `{"name":"le","kind":"acme","revision":1}`); err != nil {
		t.Errorf("what is right: %v", err)
	}
	for what, err := range map[string]error{
		"another type":               seen("GET", issuer, 200, js, `{"name":7,"kind":"acme","revision":1}`),
		"a missing property":         seen("GET", issuer, 200, js, `{"kind":"acme","revision":1}`),
		"an unknown property":        seen("GET", issuer, 200, js, `{"name":"le","kind":"acme","revision":1,"colour":"red"}`),
		"an unknown one of an order": seen("GET", "/v1/orders/www", 200, js, `{"id":"a","name":"b","type":"c","location":"d","properties":{"colour":"red"}}`),
		"no time":                    seen("GET", issuer, 200, js, `{"name":"le","kind":"acme","revision":1,"hold":"0001-01-01T00:00:00Z"}`),
		"null for a list":            seen("GET", "/v1/issuers", 200, js, `{"value":null}`),
		"another status":             seen("GET", issuer, 201, js, `{"name":"le","kind":"acme","revision":1}`),
		"a body where none is":       seen("DELETE", issuer, 204, js, `{}`),
		"no envelope":                seen("GET", issuer, 404, js, `{"message":"no"}`),
		"no JSON":                    seen("GET", issuer, 404, "text/plain", "404 page not found"),
	} {
		if err == nil {
			t.Errorf("%s goes through", what)
		}
	}
}
