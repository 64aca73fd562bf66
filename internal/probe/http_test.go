package probe

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"certwright/internal/evidence"
)

// web is a real HTTP server with redirects of all kinds, and a prober that follows to its port.
func web(t *testing.T) (*httptest.Server, *Prober) {
	t.Helper()
	mux := http.NewServeMux()
	var base string
	mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "token") })
	mux.HandleFunc("/big", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, strings.Repeat("x", 5000)) })
	mux.HandleFunc("/to/{where...}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", map[string]string{
			"page": "/page", "loop": "/to/loop", "ftp": "ftp://x/", "port": "http://127.0.0.1:22/", "slash": "http://example.test.well-known/",
			"metadata": "http://169.254.169.254/latest", "other": strings.Replace(base, "127.0.0.1", "localhost", 1) + "/page", "gone": "http://nowhere.example.test/",
		}[r.PathValue("where")])
		w.WriteHeader(301)
	})
	mux.HandleFunc("/count/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.PathValue("n"))
		http.Redirect(w, r, fmt.Sprintf("/count/%d", n+1), http.StatusFound)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	base = s.URL
	u, _ := url.Parse(s.URL)
	port, _ := strconv.Atoi(u.Port())
	p := newProber(Options{HTTPPorts: []int{port}, Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
		if strings.HasPrefix(host, "nowhere") {
			return nil, &lookupError{host, "no such name (NXDOMAIN)", true}
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}})
	return s, p
}

func TestFetchHTTP(t *testing.T) {
	t.Parallel()
	s, p := web(t)
	tests := []struct {
		path    string
		outcome evidence.Outcome
		hops    int
		class   string
		says    string
	}{
		{"/page", evidence.Pass, 1, "", "status 200"},
		{"/to/page", evidence.Pass, 2, "", "status 200 at"},
		{"/to/other", evidence.Pass, 2, "", "status 200 at http://localhost"},
		{"/missing", evidence.Fail, 1, "", "status 404"},
		{"/to/loop", evidence.Fail, 1, ClassRedirectLoop, "visited before"},
		{"/count/0", evidence.Fail, 11, ClassTooManyRedirects, "more than 10 redirects"},
		{"/to/ftp", evidence.Fail, 1, ClassBadRedirect, "only http and https"},
		{"/to/port", evidence.Fail, 1, ClassBadRedirect, "invalid port 22"},
		{"/to/slash", evidence.Fail, 1, ClassBadRedirect, `a "/" is missing`},
		{"/to/metadata", evidence.Unknown, 2, ClassForbidden, "link-local"},
		{"/to/gone", evidence.Fail, 1, ClassUnresolvable, "NXDOMAIN"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			os := p.FetchHTTP(t.Context(), s.URL+tt.path)
			if len(os) != 1 {
				t.Fatalf("%d observations: %v", len(os), os)
			}
			o := os[0]
			f, _ := evidence.Decode[evidence.Fetched](o)
			if o.Outcome != tt.outcome || len(f.Hops) != tt.hops || f.ErrorClass != tt.class || !strings.Contains(o.Seen+o.Reason, tt.says) {
				t.Errorf("got %s; class %q, %d hops", o, f.ErrorClass, len(f.Hops))
			}
			if tt.outcome == evidence.Pass && string(f.Body) != "token" {
				t.Errorf("body %q", f.Body)
			}
		})
	}
}

func TestFetchHTTPEveryAddressAndPin(t *testing.T) {
	t.Parallel()
	s, _ := web(t)
	u, _ := url.Parse(s.URL)
	p := newProber(Options{Lookup: func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.66")}, nil
	}})
	got := p.FetchHTTP(t.Context(), "http://www.example.test:"+u.Port()+"/page")
	if len(got) != 2 || got[0].Outcome != evidence.Pass || got[1].Outcome != evidence.Fail || !strings.Contains(string(got[1].Data), ClassRefused) {
		t.Errorf("got %v", got)
	}
	if got := p.FetchHTTP(t.Context(), "http://www.example.test:"+u.Port()+"/page", netip.MustParseAddr("127.0.0.66")); len(got) != 1 || got[0].Outcome != evidence.Fail {
		t.Errorf("pinned: %v", got)
	}
	need(t, "curl")
	out, err := exec.Command("sh", "-c", got[0].Command).CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "token") {
		t.Errorf("%s: %v\n%s", got[0].Command, err, out)
	}
}

func TestFetchHTTPErrors(t *testing.T) {
	t.Parallel()
	host, port := serve(t, func(c net.Conn) { c.Read(make([]byte, 10)) })
	s, _ := web(t)
	tests := []struct{ url, class string }{
		{"http://127.0.0.1:" + freePort(t) + "/", ClassRefused},
		{"http://" + host + ":" + port + "/", ClassReset},
		{"ftp://x/", ClassBadURL},
		{"https://" + strings.TrimPrefix(s.URL, "http://"), ClassNotTLS},
	}
	for _, tt := range tests {
		o := newProber(Options{}).FetchHTTP(t.Context(), tt.url)[0]
		f, _ := evidence.Decode[evidence.Fetched](o)
		if f.ErrorClass != tt.class || o.Outcome != evidence.Fail {
			t.Errorf("%s: class %q, %s", tt.url, f.ErrorClass, o)
		}
	}
	o := newProber(Options{}).FetchHTTP(t.Context(), s.URL+"/big")[0]
	if f, _ := evidence.Decode[evidence.Fetched](o); len(f.Body) != maxBody {
		t.Errorf("%d bytes of body kept, want %d", len(f.Body), maxBody)
	}
}
