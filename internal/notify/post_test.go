package notify

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"certwright/internal/secret"
)

const signingSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// TestSignVector is the example of the Standard Webhooks libraries.
func TestSignVector(t *testing.T) {
	t.Parallel()
	key, err := SigningKey(secret.Bytes(signingSecret))
	if err != nil {
		t.Fatal(err)
	}
	got := Sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signed %s, want %s", got, want)
	}
	for _, bad := range []string{"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_***"} {
		if _, err := SigningKey(secret.Bytes(bad)); err == nil || bad != "" && strings.Contains(err.Error(), bad) && bad != "whsec_" {
			t.Errorf("secret %q: %v", bad, err)
		}
	}
}

// TestWebhookIsSigned has OpenSSL compute the signature over what arrived.
func TestWebhookIsSigned(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is missing")
		}
		t.Skip("openssl is missing")
	}
	r := listenWith(t, nil)
	m := message(t)
	c := &Channel{Name: "ops", Kind: Webhook, URL: r.URL, SecretFile: file(t, signingSecret+"\n")}
	if err := sender().Send(t.Context(), c, m); err != nil {
		t.Fatal(err)
	}
	id, stamp := r.header.Get("Webhook-Id"), r.header.Get("Webhook-Timestamp")
	if id != m.ID || stamp != "1793527200" {
		t.Errorf("id %s, timestamp %s", id, stamp)
	}
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(signingSecret, "whsec_"))
	cmd := exec.Command(openssl, "dgst", "-sha256", "-mac", "HMAC", "-macopt", "hexkey:"+hex.EncodeToString(key), "-binary")
	cmd.Stdin = bytes.NewReader(append([]byte(id+"."+stamp+"."), r.body...))
	mac, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.header.Get("Webhook-Signature"), "v1,"+base64.StdEncoding.EncodeToString(mac); got != want {
		t.Errorf("signature %s, OpenSSL says %s", got, want)
	}
}

// TestAnswers: what each answer means. No error shows the URL's path, which may be a secret.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer    http.HandlerFunc
		permanent bool
		after     time.Duration
		says      string
	}{
		"500": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "boom", 500) }, false, 0, "500 Internal Server Error: boom"},
		"404": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, true, 0, "404"},
		"410": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) }, true, 0, "410"},
		"429": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "90"); w.WriteHeader(429) }, false, 90 * time.Second, "429"},
		"503 date": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "Sun, 01 Nov 2026 10:05:00 GMT")
			w.WriteHeader(503)
		}, false, 5 * time.Minute, "503"},
		"redirect": {func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, "https://evil.test/", http.StatusFound)
		}, true, 0, "302"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := listenWith(t, tc.answer)
			err := sender().Send(t.Context(), &Channel{Kind: JSON, URL: r.URL + "/T0K3N"}, message(t))
			var f *Failure
			if !errors.As(err, &f) || f.Permanent != tc.permanent || f.RetryAfter() != tc.after || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%+v", err)
			}
			if strings.Contains(err.Error(), "T0K3N") || r.asked != 1 {
				t.Errorf("asked %d times: %v", r.asked, err)
			}
		})
	}
}

// TestNoAnswer: hanging and refusing receivers end in an error, within the time given, without the secret.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	hang := listenWith(t, func(http.ResponseWriter, *http.Request) { <-gone })
	defer close(gone)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	refused := errors.New("address not allowed")
	s := sender()
	s.Dial = func(context.Context, string, bool) (net.Conn, error) { return nil, refused }
	for name, err := range map[string]error{
		"hangs":       sender().Send(ctx, &Channel{Kind: Slack, URL: hang.URL + "/T0K3N"}, message(t)),
		"not allowed": s.Send(t.Context(), &Channel{Kind: Slack, URL: "http://a.test/T0K3N"}, message(t)),
		"no file":     sender().Send(t.Context(), &Channel{Kind: Webhook, URL: hang.URL, SecretFile: "/nonexistent"}, message(t)),
		"no URL":      sender().Send(t.Context(), &Channel{Kind: Teams, URLFile: file(t, "::T0K3N")}, message(t)),
	} {
		var f *Failure
		if !errors.As(err, &f) || f.Permanent || strings.Contains(err.Error(), "T0K3N") {
			t.Errorf("%s: %v", name, err)
		}
		if name == "not allowed" && !errors.Is(err, refused) {
			t.Errorf("%s: the cause is lost: %v", name, err)
		}
	}
}
