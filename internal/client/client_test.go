package client_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"certwright/internal/api"
	"certwright/internal/client"
	"certwright/internal/order"
)

func serve(t *testing.T, h http.HandlerFunc) (url string, ca []byte) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	return s.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func TestWhatDoesNotAnswerIsToldInWords(t *testing.T) {
	t.Parallel()
	url, ca := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/orders/proxy":
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte("<html>"))
		case "/v1/orders/refused":
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"error":{"code":"OrderNotFound","message":"there is no order refused","target":"name","fix":"See the names"}}`))
		case "/v1/orders/rubbish":
			_, _ = w.Write([]byte("no JSON"))
		}
	})
	later := func() time.Time { return time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		name   string
		config client.Config
		order  string
		want   string
	}{
		{"nobody listens", client.Config{URL: "https://127.0.0.1:1", CA: ca}, "x", "no server answers at https://127.0.0.1:1: connect: connection refused\n  → start it with: certwright serve"},
		{"another authority", client.Config{URL: url}, "x", "an authority that is not trusted here"},
		{"expired", client.Config{URL: url, CA: ca, Now: later}, "x", "shows a certificate that cannot be trusted: x509: certificate has expired"},
		{"not ours", client.Config{URL: url, CA: ca}, "proxy", "the server answered 502 Bad Gateway with something that is not its own"},
		{"refused", client.Config{URL: url, CA: ca}, "refused", "name: there is no order refused\n  → See the names"},
		{"rubbish", client.Config{URL: url, CA: ca}, "rubbish", "cannot be read"},
	} {
		cl, err := client.New(c.config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = cl.Order(context.Background(), c.order); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.name == "refused" && !client.NotFound(err) {
			t.Errorf("%s: NotFound does not know it", c.name)
		}
	}
	for _, u := range []string{"http://127.0.0.1:8443", "127.0.0.1:8443", "https://", ""} {
		if _, err := client.New(client.Config{URL: u}); err == nil || !strings.Contains(err.Error(), "it must be an https:// URL") {
			t.Errorf("%q: %v", u, err)
		}
	}
}

// A page's nextLink carries the server's public URL, which need not be the one by which we reach it.
func TestPagesAreFollowedWhereWeReachTheServer(t *testing.T) {
	t.Parallel()
	var tokens []string
	url, ca := serve(t, func(w http.ResponseWriter, r *http.Request) {
		tokens = append(tokens, r.Header.Get("Authorization"))
		page := map[string]any{"value": []any{map[string]any{"commonName": "a"}}, "nextLink": "https://certs.elsewhere.test/v1/orders?after=a&status=Issued"}
		if r.URL.Query().Get("after") == "a" {
			page = map[string]any{"value": []any{map[string]any{"commonName": "b"}}}
		}
		_ = json.NewEncoder(w).Encode(page)
	})
	cl, err := client.New(client.Config{URL: url + "/", CA: ca, Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	list, err := cl.Orders(context.Background(), nil)
	if err != nil || len(list) != 2 || list[0].CommonName != "a" || list[1].CommonName != "b" {
		t.Errorf("%v %v", list, err)
	}
	if strings.Join(tokens, " ") != "Bearer t Bearer t" {
		t.Errorf("%q", tokens)
	}
}

// A server that asks for patience is asked again, with the same body and token; one that asks for an hour is not waited for.
func TestPatienceIsKept(t *testing.T) {
	t.Parallel()
	var bodies []string
	url, ca := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		bodies = append(bodies, r.Method+" "+string(b)+" "+r.Header.Get("Authorization"))
		switch {
		case r.URL.Path == "/v1/orders/later":
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = w.Write([]byte(`{"error":{"code":"TooManyRequests","message":"too many requests"}}`))
		case len(bodies) < 3:
			w.Header().Set("Retry-After", "1")
			w.Header().Set("Retry-After-Ms", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			_, _ = w.Write([]byte(`{"name":"soon"}`))
		}
	})
	cl, err := client.New(client.Config{URL: url, CA: ca, Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	o, err := cl.Command(context.Background(), "soon", "renew", api.CommandBody{})
	if err != nil || o.Name != "soon" || len(bodies) != 3 || bodies[0] != bodies[2] || bodies[0] != "POST {} Bearer t" {
		t.Errorf("%v %v %q", o.Name, err, bodies)
	}
	bodies = nil
	if _, err := cl.Order(context.Background(), "later"); err == nil || !strings.Contains(err.Error(), "too many requests") || len(bodies) != 1 {
		t.Errorf("%v, asked %d times", err, len(bodies))
	}
}

// A timeline outlives its server: whoever follows is told once that it is gone, and once that it is back; nothing is missed.
// A refusal ends it.
func TestFollowingOutlivesTheServer(t *testing.T) {
	t.Parallel()
	var told, refused atomic.Bool
	url, ca := serve(t, func(w http.ResponseWriter, r *http.Request) {
		f := api.FollowedAll{Next: "1", Events: []order.Event{}}
		switch after := r.URL.Query().Get("after"); {
		case after == "1" && !told.Load():
			panic(http.ErrAbortHandler)
		case after == "1":
			f.Next, f.Events = "2", []order.Event{{ID: "meanwhile"}}
		case after == "2":
			refused.Store(true)
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"error":{"code":"AuthorizationFailed","message":"the token was withdrawn"}}`))
			return
		}
		_ = json.NewEncoder(w).Encode(f)
	})
	cl, err := client.New(client.Config{URL: url, CA: ca})
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	err = cl.FollowTimeline(t.Context(), client.TimelineQuery{}, client.Following{
		Ready: func() { said = append(said, "ready") },
		Take:  func(e order.Event) bool { said = append(said, e.ID); return true },
		Lost: func(err error) {
			told.Store(true)
			said = append(said, "lost")
			if !strings.Contains(err.Error(), "it was stopped, or is being restarted\n  → see that it runs") {
				t.Errorf("%v", err)
			}
		},
		Back: func() { said = append(said, "back") },
	})
	if err == nil || !refused.Load() || !strings.Contains(err.Error(), "the token was withdrawn") {
		t.Errorf("it ends with %v", err)
	}
	if got := strings.Join(said, " "); got != "ready lost back meanwhile" {
		t.Error(got)
	}
}

// TestAllPages: what a list has on its later pages is listed as well, with the query once, and none is an empty list.
func TestAllPages(t *testing.T) {
	t.Parallel()
	url, ca := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.RequestURI() {
		case "/v1/things?kind=a":
			_, _ = w.Write([]byte(`{"value":["one","two"],"nextLink":"https://public.example.com/v1/things?kind=a&after=2"}`))
		case "/v1/things?kind=a&after=2":
			_, _ = w.Write([]byte(`{"value":["three"]}`))
		case "/v1/none":
			_, _ = w.Write([]byte(`{"value":[]}`))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	cl, err := client.New(client.Config{URL: url, CA: ca})
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.All[string](t.Context(), cl, "/v1/things", map[string][]string{"kind": {"a"}})
	if err != nil || strings.Join(got, " ") != "one two three" {
		t.Errorf("%q, %v", got, err)
	}
	if none, err := client.All[string](t.Context(), cl, "/v1/none", nil); err != nil || none == nil || len(none) != 0 {
		t.Errorf("%#v, %v", none, err)
	}
	if _, err := client.All[string](t.Context(), cl, "/v1/gone", nil); err == nil {
		t.Error("a list that is not there was read")
	}
}
