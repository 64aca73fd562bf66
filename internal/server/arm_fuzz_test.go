package server

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"certwright/internal/arm"
	"certwright/internal/order"
)

// breaks are a body's descendants, each with one thing that no schema allows: a value of another type, something
// that is required left away, a word that is none of an enumeration.
func breaks(body any) []any {
	var out []any
	each(body, nil, func(path []any, v any) {
		for _, wrong := range wrongs(v) {
			out = append(out, with(body, path, wrong))
		}
	})
	return out
}

// wrongs are values that are not of the type of v.
func wrongs(v any) []any {
	switch v.(type) {
	case string:
		return []any{17.0, true, []any{"x"}, map[string]any{"a": 1.0}}
	case float64:
		return []any{"x", true, []any{}, map[string]any{}, 1.5, 1e300}
	case bool:
		return []any{"yes", 1.0, []any{}, map[string]any{}}
	case map[string]any:
		return []any{"x", 1.0, true, []any{1.0}}
	}
	return []any{"x", 1.0, true, map[string]any{}}
}

// each visits every value below v, with the way to it.
func each(v any, path []any, visit func(path []any, v any)) {
	visit(path, v)
	switch v := v.(type) {
	case map[string]any:
		for k, child := range v {
			each(child, append(path[:len(path):len(path)], k), visit)
		}
	case []any:
		for i, child := range v {
			each(child, append(path[:len(path):len(path)], i), visit)
		}
	}
}

// with is a copy of v with another value at a path.
func with(v any, path []any, value any) any {
	if len(path) == 0 {
		return value
	}
	switch v := v.(type) {
	case map[string]any:
		c := map[string]any{}
		for k, x := range v {
			c[k] = x
		}
		c[path[0].(string)] = with(v[path[0].(string)], path[1:], value)
		return c
	case []any:
		c := append([]any{}, v...)
		c[path[0].(int)] = with(v[path[0].(int)], path[1:], value)
		return c
	}
	return value
}

// spoil makes text that is no JSON, or not only JSON, of an object's. It leaves some of it: no body at all is an empty object
// to the API, and right for some.
func spoil(r *rand.Rand, text string) string {
	switch i := 1 + r.IntN(len(text)-1); r.IntN(4) {
	case 0:
		return text[:i]
	case 1:
		return text[:i] + string(rune(r.IntN(32))) + "\xff" + text[i:] + "}"
	case 2:
		return text + text
	}
	return strings.Repeat("[", 5000) + text
}

// TestBodiesThatBreakTheSchema: whatever is wrong with a body, the answer is a 4xx with the envelope, and nothing is
// stored. The bodies are made of the specification's own examples, each of which is taken as it is: what was refused was
// refused for what is wrong with it.
func TestBodiesThatBreakTheSchema(t *testing.T) {
	t.Parallel()
	a := loadAzure(t)
	l, c, id := startExamples(t)
	wish := `{"location":"Global","properties":{"distinguishedName":"CN=samplecustomdomain.com","productType":"StandardDomainValidatedSsl","sites":["samplecustomdomain"],"validityInYears":2}}`
	if code, _, data := c.call("PUT", id.String()+orderV, wish); code != http.StatusCreated {
		t.Fatalf("%d %s", code, data)
	}
	l.settled(id, 1)
	r := rand.New(rand.NewPCG(1, 2))
	tries := 0
	before := l.snapshot(id)
	for _, o := range a.operations {
		path, text := o.request(t)
		if text == "" {
			continue
		}
		var body any
		if err := json.Unmarshal([]byte(text), &body); err != nil {
			t.Fatal(err)
		}
		bodies := breaks(body)
		if o.Method == "PUT" {
			bodies = append(bodies, without(body, []any{"location"}))
		}
		if strings.Contains(text, "productType") {
			bodies = append(bodies, without(body, []any{"properties", "productType"}))
		}
		var texts []string
		for _, b := range bodies {
			out, err := json.Marshal(b)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(out))
		}
		for range 20 {
			texts = append(texts, spoil(r, text))
		}
		texts = append(texts, `{"properties":{"keySize":"`+strings.Repeat("9", 2<<20)+`"}}`)
		for _, bad := range texts {
			tries++
			code, h, data := c.call(o.Method, path, bad)
			var e arm.ErrorBody
			if err := json.Unmarshal(data, &e); code < 400 || code > 499 || err != nil || e.Error.Code == "" || e.Error.Message == "" || !strings.HasPrefix(h.Get("Content-Type"), "application/json") {
				t.Errorf("%s with %.300s: %d %.300s", o.OperationID, bad, code, data)
			}
		}
	}
	if tries < 300 {
		t.Errorf("only %d bodies were tried", tries)
	}
	if after := l.snapshot(id); after != before {
		t.Errorf("something was stored: before %s, after %s", before, after)
	}
	for _, o := range a.operations {
		if path, text := o.request(t); text != "" {
			code, _, data := c.call(o.Method, path, text)
			there := strings.HasSuffix(o.OperationID, "_ValidatePurchaseInformation") // it is the very order that is there
			if there != (code > 299) || there && !strings.Contains(string(data), `"DuplicateOrder"`) {
				t.Errorf("%s: its own example is answered with %d %s", o.OperationID, code, data)
			}
			if strings.HasSuffix(o.OperationID, "_Reissue") || strings.HasSuffix(o.OperationID, "_Renew") { // of two at once the second would have to wait
				l.wait(id, "the next version", func(o *order.Order) bool { return settled(o, l.Now()) })
			}
		}
	}
}

// without is a copy of v without what a path leads to.
func without(v any, path []any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	c := map[string]any{}
	for k, x := range m {
		switch {
		case k != path[0]:
			c[k] = x
		case len(path) > 1:
			c[k] = without(x, path[1:])
		}
	}
	return c
}

// snapshot is what a request could have changed.
func (l *live) snapshot(id order.ID) string {
	l.t.Helper()
	page, err := l.Store.ListOrders(l.t.Context(), order.Query{Limit: 1000})
	if err != nil {
		l.t.Fatal(err)
	}
	o := l.load(id)
	spec, err := json.Marshal(o.Spec)
	if err != nil {
		l.t.Fatal(err)
	}
	events, err := l.Store.FollowOrder(l.t.Context(), id, 0, 1000)
	if err != nil {
		l.t.Fatal(err)
	}
	asked := 0 // what Certwright does by itself goes on meanwhile
	for _, e := range events {
		if e.Caller == "owner" {
			asked++
		}
	}
	return fmt.Sprintf("%d orders, generation %d, %d events of ours, %s", len(page.Orders), o.Generation, asked, spec)
}
