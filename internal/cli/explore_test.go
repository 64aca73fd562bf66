package cli

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"certwright/internal/order"
)

// someAPI answers what a walk from the subscriptions to one order asks.
func someAPI(t *testing.T) *httptest.Server {
	t.Helper()
	group := "/subscriptions/s1/resourceGroups/g1"
	at := group + "/providers/" + order.Type
	www := `{"id":"` + at + `/www","name":"www","type":"` + order.Type + `","properties":{"provisioningState":"Succeeded","status":"Issued","path":[{"stage":"serve","state":"failed"}],
	 "summary":{"state":"failed","stage":"serve","finding":"tls-expired","findingTitle":"an expired certificate \u001b[2J is served","findingSince":"2026-11-24T11:00:00Z"}}}`
	answers := map[string]string{
		"/subscriptions":                    `{"value":[{"id":"/subscriptions/s1","subscriptionId":"s1","displayName":"One","state":"Enabled"}]}`,
		"/subscriptions/s1":                 `{"id":"/subscriptions/s1","subscriptionId":"s1","displayName":"One","state":"Enabled"}`,
		group:                               `{"id":"` + group + `","name":"g1","properties":{"provisioningState":"Succeeded"}}`,
		"/subscriptions/s1/resourceGroups":  `{"value":[{"id":"` + group + `","name":"g1","properties":{"provisioningState":"Succeeded"}}]}`,
		at:                                  `{"value":[` + www + strings.Repeat(","+www, treeShows) + `]}`,
		at + "/www":                         www,
		"/providers/Certwright/dnsAccounts": `{"value":[]}`,
		"/providers/Certwright/commands":    `{"value":[]}`,
		"/providers":                        `{"value":[]}`,
	}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := answers[r.URL.Path]
		switch {
		case r.URL.Path == "/providers/Certwright/issuers":
			w.WriteHeader(http.StatusForbidden)
			a = `{"error":{"code":"AuthorizationFailed","message":"the token may not do that"}}`
		case ok:
		case strings.HasPrefix(r.URL.Path, group+"/providers/"):
			a = `{"value":[]}`
		default:
			w.WriteHeader(http.StatusNotFound)
			a = `{"error":{"code":"NotFound","message":"there is no such thing"}}`
		}
		fmt.Fprint(w, a)
	}))
	t.Cleanup(s.Close)
	return s
}

// exploring is an environment whose context is the server.
func exploring(t *testing.T) (*Env, func() string) {
	t.Helper()
	s := someAPI(t)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	b, err := json.Marshal(Context{URL: s.URL, CA: string(ca), Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "context.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	e, out, errs := testEnv("CERTWRIGHT_CONTEXT="+file, "NO_COLOR=1")
	return e, func() string { return out.String() + errs.String() }
}

func has(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("there is no %q in:\n%s", w, text)
		}
	}
	if strings.ContainsRune(text, 0x1b) {
		t.Errorf("a control character reaches the terminal: %q", text)
	}
}

func TestExploreTree(t *testing.T) {
	t.Parallel()
	e, out := exploring(t)
	if got := e.Run(t.Context(), []string{"explore"}); got != ExitWell {
		t.Errorf("status %d", got)
	}
	has(t, out(), "✓ One  Enabled", "✓ g1  Succeeded", "✗ www  Issued   serve✗", "is served [tls-expired], for 60 min", "→ certwright explore /subscriptions/s1/resourceGroups/g1/providers/"+order.Type+"/www/diagnose", "not for this token: the token may not do that", "and more   → certwright order list --state failed, or --search WORD")
}

func TestExploreRefuses(t *testing.T) {
	t.Parallel()
	e, out := exploring(t)
	if got := e.Run(t.Context(), []string{"explore", "nonsense"}); got != ExitUsage {
		t.Errorf("status %d", got)
	}
	has(t, out(), `"nonsense" is nothing that can be explored`)
	if got := e.Run(t.Context(), []string{"explore", "orders/none"}); got != ExitFailed {
		t.Errorf("status %d", got)
	}
	has(t, out(), "there is no such thing")
}
