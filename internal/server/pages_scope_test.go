package server

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"certwright/internal/auth"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/testworld"
	"certwright/internal/web"
)

// TestPagesKeepToRoleAndScope: the pages show what the signed-in principal's scope covers, and the buttons do what its
// role allows.
func TestPagesKeepToRoleAndScope(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	for _, name := range []string{"alpha", "beta"} {
		wish := fulfill.Wish{Words: []string{name + ".example.com"}, Spec: order.Spec{Issuer: order.BuiltinIssuer}}
		if _, err := l.Mover.Create(t.Context(), testBy, order.Short(name), wish); err != nil {
			t.Fatal(err)
		}
	}
	pages := l.handler()
	ask := func(session, method, path string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
		r.AddCookie(&http.Cookie{Name: web.SessionCookie, Value: session})
		rec := httptest.NewRecorder()
		pages.ServeHTTP(rec, r)
		return rec.Code, rec.Body.String()
	}
	sub := "/subscriptions/" + order.DefaultSubscription
	group := sub + "/resourceGroups/" + order.DefaultGroup
	for i, tt := range []struct {
		role        auth.Role
		scope       string
		alpha, beta bool // seen
		press       int
	}{
		{auth.Owner, "/", true, true, http.StatusSeeOther},
		{auth.Contributor, sub, true, true, http.StatusSeeOther},
		{auth.Contributor, strings.ToUpper(group), true, true, http.StatusSeeOther},
		{auth.Reader, "/", true, true, http.StatusForbidden},
		{auth.Owner, order.Short("alpha").String(), true, false, http.StatusSeeOther},
		{auth.Owner, sub + "/resourceGroups/other", false, false, http.StatusForbidden},
		{auth.Owner, "/subscriptions/00000000-0000-0000-0000-00000000ffff", false, false, http.StatusForbidden},
		{auth.Owner, group + "/providers/Microsoft.Web/sites/alpha", false, false, http.StatusForbidden},
		{auth.SecretsUser, "/", false, false, http.StatusForbidden},
	} {
		token, _, err := l.Auth.Issue(t.Context(), "viewer-"+string(rune('a'+i)), tt.role, tt.scope, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		session, _, err := l.Auth.SignIn(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		who := string(tt.role) + " on " + tt.scope
		for name, seen := range map[string]bool{"alpha": tt.alpha, "beta": tt.beta} {
			for _, list := range []string{"/", "/?subscription=" + order.DefaultSubscription, "/?q=" + name} {
				if code, text := ask(session, http.MethodGet, list); code != http.StatusOK || strings.Contains(text, `href="/orders/`+name) != seen {
					t.Errorf("%s: list %s: %d, shows %s: %v, want %v", who, list, code, name, !seen, seen)
				}
			}
			for _, list := range []string{"/timeline", "/timeline?resource=" + name} {
				if code, text := ask(session, http.MethodGet, list); code != http.StatusOK || strings.Contains(text, `href="/orders/`+name+`/-/timeline"`) != seen {
					t.Errorf("%s: %s: %d, shows %s: %v, want %v", who, list, code, name, !seen, seen)
				}
			}
			at := "/explore?at=" + url.QueryEscape(order.Short(name).String())
			for _, page := range []string{"/explore?at=orders", "/explore?q=" + name} {
				if code, text := ask(session, http.MethodGet, page); strings.Contains(text, `href="`+at+`"`) != seen {
					t.Errorf("%s: %s: %d, shows %s: %v, want %v", who, page, code, name, !seen, seen)
				}
			}
			if code, text := ask(session, http.MethodGet, at); (code == http.StatusOK && strings.Contains(text, "CN="+name+".example.com")) != seen {
				t.Errorf("%s: %s: %d, want it shown: %v", who, at, code, seen)
			}
			want := http.StatusOK
			if !seen {
				want = http.StatusNotFound
			}
			for _, page := range []string{"", "/-/timeline", "/-/resource"} {
				if code, _ := ask(session, http.MethodGet, "/orders/"+name+page); code != want {
					t.Errorf("%s: page %s%s: %d, want %d", who, name, page, code, want)
				}
			}
		}
		for _, button := range []string{"sync", "verify"} {
			if code, text := ask(session, http.MethodPost, "/orders/alpha/-/"+button); (code == http.StatusForbidden) != (tt.press == http.StatusForbidden) {
				t.Errorf("%s: %s: %d, want %d: %.300s", who, button, code, tt.press, text)
			}
		}
	}
	if code, _ := ask("cw_nobody", http.MethodGet, "/"); code != http.StatusSeeOther {
		t.Errorf("nobody is shown the list: %d", code)
	}
}
