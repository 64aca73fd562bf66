package api

import (
	"net/http/httptest"
	"testing"
)

// A program gets its JSON as it is, a person's is indented.
func TestWhoReadsTheAnswer(t *testing.T) {
	for accept, want := range map[string]string{
		"application/json":                "{\"a\":1}\n",
		"application/json, text/plain;q=": "{\"a\":1}\n",
		"*/*":                             "{\n  \"a\": 1\n}\n",
		"":                                "{\n  \"a\": 1\n}\n",
	} {
		r := httptest.NewRequest("GET", "/v1/version", nil)
		r.Header.Set("Accept", accept)
		rec := httptest.NewRecorder()
		if forPerson(r) {
			write(indented{rec}, 200, map[string]int{"a": 1})
		} else {
			write(rec, 200, map[string]int{"a": 1})
		}
		if rec.Body.String() != want {
			t.Errorf("Accept %q: %q", accept, rec.Body)
		}
	}
}
