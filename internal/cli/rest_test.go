package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"certwright/internal/order"
)

func TestRestPath(t *testing.T) {
	t.Parallel()
	group := "/subscriptions/" + order.DefaultSubscription + "/resourceGroups/" + order.DefaultGroup
	for path, want := range map[string]string{
		"/v1/orders/www":              "/v1/orders/www",
		"https://h/v1/orders?after=x": "https://h/v1/orders?after=x",
		"orders/www":                  "/v1/orders/www",
		"targets?x=y":                 group + "/providers/Certwright/targets?api-version=2026-11-01&x=y",
		group + "/providers/" + order.Type + "/www/renew": group + "/providers/" + order.Type + "/www/renew?api-version=2024-11-01",
		"/providers/Certwright/issuers":                   "/providers/Certwright/issuers?api-version=2026-11-01",
		"/subscriptions/s?api-version=2020-01-01":         "/subscriptions/s?api-version=2020-01-01",
		group + "/providers/Microsoft.New/things/a":       group + "/providers/Microsoft.New/things/a?api-version=",
	} {
		if got, err := restPath(path); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("%s becomes %s (%v), want %s", path, got, err, want)
		}
	}
	if _, err := restPath("nonsense"); err == nil {
		t.Error("nonsense is a path")
	}
}

// TestRestWaits follows a Location through two answers that it is not over yet, to the resource as it is then.
func TestRestWaits(t *testing.T) {
	t.Parallel()
	looks := 0
	var s *httptest.Server
	s = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == "PUT", r.URL.Path == "/v1/op" && looks < 2:
			looks++
			w.Header().Set("Location", s.URL+"/v1/op")
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusAccepted)
		case r.URL.Path == "/v1/op":
			w.WriteHeader(http.StatusNoContent)
		default:
			fmt.Fprintf(w, `{"name":"www","looks":%d}`, looks)
		}
	}))
	t.Cleanup(s.Close)
	e, out, errs := testEnv("CERTWRIGHT_CONTEXT=" + contextOf(t, s))
	e.Now = time.Now
	if got := e.Run(t.Context(), []string{"rest", "PUT", "/v1/orders/www", "--body", "{}", "--wait", "--query", "looks"}); got != ExitWell {
		t.Fatalf("status %d: %s", got, errs)
	}
	if strings.TrimSpace(out.String()) != "2" {
		t.Errorf("it ended with %s", out)
	}
	looks = -1 << 30
	if got := e.Run(t.Context(), []string{"rest", "PUT", "/v1/orders/www", "--body", "{}", "--wait", "--timeout", "50ms"}); got != ExitFailed || !strings.Contains(errs.String(), "it is not over after 50ms; it goes on by itself at https://") {
		t.Errorf("status %d: %s", got, errs)
	}
}
