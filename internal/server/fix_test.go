package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"certwright/internal/auth"
	"certwright/internal/diagnose"
	"certwright/internal/order"
	"certwright/internal/testworld"
)

// Everything that a finding can name is done by somebody, but for what cannot be undone.
func TestEveryActionHasADoer(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	doers := l.doers()
	for _, a := range diagnose.Actions() {
		if _, ok := doers[a.Name]; ok == a.Final {
			t.Errorf("%s: has a doer %v, cannot be undone %v", a.Name, ok, a.Final)
		}
	}
	if _, err := l.Do(t.Context(), testBy, order.Short("www"), "revoke"); err == nil {
		t.Error("a fix revokes")
	}
}

// Looking needs the right to read, doing the right of the action; what heals is done once asked for, and not before.
func TestFixOverTheAPI(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "fix.example.com")
	l := startLive(t, w, nil, sh)
	id := l.place(sh, order.BuiltinIssuer)
	l.settled(id, 1)
	if _, err := l.Vault.DeleteSecret(t.Context(), "default", id.Name); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Mover.Sync(t.Context(), testBy, id); err != nil {
		t.Fatal(err)
	}
	ask := func(token, body string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/orders/"+id.Name+"/fix", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		rec := httptest.NewRecorder()
		l.handler().ServeHTTP(rec, r)
		return rec.Code, rec.Body.String()
	}
	reader, _, err := l.Auth.Issue(t.Context(), "reader", auth.Reader, "/", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	l.wait(id, "the loss being seen", func(o *order.Order) bool { return o.Vault.Fault != "" })
	code, text := ask(reader, `{}`)
	if code != 200 || !strings.Contains(text, `"vault-secret-soft-deleted"`) || !strings.Contains(text, `"doable": true`) || strings.Contains(text, `"did"`) {
		t.Fatalf("what would be done: %d %s", code, text)
	}
	if code, text = ask(reader, `{"do": true}`); code != http.StatusForbidden {
		t.Errorf("a reader heals: %d %s", code, text)
	}
	if _, err := l.Vault.GetSecret(t.Context(), "default", id.Name, ""); err == nil {
		t.Fatal("the secret is back, though nobody was allowed to")
	}
	if code, text = ask(l.FirstRun, `{"do": true}`); code != 200 || !strings.Contains(text, `"did"`) {
		t.Fatalf("the owner: %d %s", code, text)
	}
	if _, err := l.Vault.GetSecret(t.Context(), "default", id.Name, ""); err != nil {
		t.Errorf("the secret is not back: %v", err)
	}
	if code, text = ask(l.FirstRun, `{"done": ["explode"]}`); code != http.StatusBadRequest || !strings.Contains(text, "UnknownAction") {
		t.Errorf("an action that nobody knows: %d %s", code, text)
	}
}
