package verify

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
	"certwright/internal/site"
)

func TestCanaryIsPublishedAsAProofAndTakenAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	v := New(Options{Now: time.Now, Webroots: map[string]string{"web": dir}})
	ask, done := v.Canary(t.Context(), []site.Site{{Webroot: "web"}}, "www.example.test", order.MethodHTTP01)
	b, err := os.ReadFile(filepath.Join(dir, ask.Path))
	if err != nil || string(b) != ask.Body || ask.Kind != evidence.KindCanary || !strings.HasPrefix(ask.Path, "/"+challengeDir+"/") {
		t.Errorf("%+v: %q %v", ask, b, err)
	}
	os.Chmod(filepath.Join(dir, challengeDir), 0o700)
	closed := 0
	for _, o := range v.Modes([]site.Site{{Webroot: "web"}}, "www.example.test", ask.Path) {
		f, _ := evidence.Decode[evidence.File](o)
		if strings.HasPrefix(f.Path, filepath.Join(dir, ".well-known")) && o.Outcome == evidence.Fail {
			closed++
			if f.Kind != "directory" || f.Mode != "0700" || !strings.HasPrefix(o.Subject, "www.example.test ") {
				t.Errorf("%s: %+v", o, f)
			}
		}
	}
	if closed != 1 {
		t.Errorf("%d closed parts were seen below the webroot, want the one directory", closed)
	}
	done()
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCanaryWithoutAWayToPublish(t *testing.T) {
	t.Parallel()
	only := New(Options{Now: time.Now, Responder: NewResponder(nil)})
	for _, tt := range []struct {
		v    *Verifier
		m    order.Method
		kind string
	}{
		{New(Options{Now: time.Now}), order.MethodHTTP01, evidence.KindAbsent}, {only, order.MethodHTTP01, evidence.KindCanary},
		{only, order.MethodHTML, evidence.KindAbsent}, // its owner publishes by hand
	} {
		if ask, _ := tt.v.Canary(t.Context(), nil, "www.example.test", tt.m); ask.Kind != tt.kind || (ask.Body != "") != (tt.kind == evidence.KindCanary) {
			t.Errorf("%s: %+v", tt.m, ask)
		}
	}
}

// Every replica's listener answers a canary, and nothing else that it does not know.
func TestResponderAnswersCanaries(t *testing.T) {
	t.Parallel()
	ask, _ := New(Options{Now: time.Now, Responder: NewResponder(nil)}).Canary(t.Context(), nil, "www.example.test", order.MethodHTTP01)
	w := httptest.NewRecorder()
	NewResponder(nil).ServeHTTP(w, httptest.NewRequest("GET", ask.Path, nil))
	if w.Code != 200 || w.Body.String() != ask.Body {
		t.Errorf("%d %q, want %q", w.Code, w.Body.String(), ask.Body)
	}
	w = httptest.NewRecorder()
	NewResponder(nil).ServeHTTP(w, httptest.NewRequest("GET", "/"+challengeDir+"/other", nil))
	if w.Code != 404 {
		t.Errorf("an unknown token: %d", w.Code)
	}
}
