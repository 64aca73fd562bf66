package server

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"certwright/internal/testworld"
)

// TestWireOfTheVault: what Azure's clients read past: the ids of policies and operations, what comes before a version, times of
// change, ids of requests.
func TestWireOfTheVault(t *testing.T) {
	t.Parallel()
	l := startLive(t, startWorld(t, false, testworld.PebbleOptions{}), nil)
	c := l.caller(l.FirstRun)
	_, port, _ := strings.Cut(l.Address, ":")
	base := "https://default.vault.localhost:" + port
	type wired struct {
		ID, SID, X5T, Status, Target, ContentType, PreviousVersion string
		CER                                                        []byte
		RequestID                                                  string `json:"request_id"`
		Keep                                                       bool   `json:"preserveCertOrder"`
		Policy                                                     struct{ ID string }
		Attributes                                                 struct{ Created, Updated int64 }
	}
	ask := func(method, path, body string, status int) (v wired) {
		t.Helper()
		code, h, data := c.call(method, "/vaults/default"+path+"?api-version=2025-07-01", body, "x-ms-client-request-id", "c-1")
		if err := json.Unmarshal(data, &v); err != nil || code != status || h.Get("x-ms-request-id") == "" || h.Get("x-ms-client-request-id") != "c-1" {
			t.Fatalf("%s %s: %d %v %s %v", method, path, code, err, data, h)
		}
		return v
	}
	const create = `{"policy":{"issuer":{"name":"Self"},"x509_props":{"subject":"CN=wire"},"key_props":{"kty":"EC","crv":"P-256"}},"preserveCertOrder":true}`
	asked := ask("POST", "/certificates/wire/create", create, http.StatusAccepted)
	if asked.ID != base+"/certificates/wire/pending" || asked.Status != "inProgress" || asked.Target != "" || len(asked.RequestID) != 32 || !asked.Keep {
		t.Errorf("asked for: %+v", asked)
	}
	if done := ask("GET", "/certificates/wire/pending", "", http.StatusOK); done.Status != "completed" || done.Target != base+"/certificates/wire" || done.RequestID != asked.RequestID || !done.Keep {
		t.Errorf("completed: %+v", done)
	}
	first := ask("GET", "/certificates/wire", "", http.StatusOK)
	version, sum := strings.TrimPrefix(first.ID, base+"/certificates/wire/"), sha1.Sum(first.CER)
	if version != asked.RequestID || first.SID != base+"/secrets/wire/"+version || first.X5T != base64.RawURLEncoding.EncodeToString(sum[:]) || first.Policy.ID != base+"/certificates/wire/policy" || !first.Keep || first.ContentType != "application/x-pkcs12" {
		t.Errorf("the certificate: %+v", first)
	}
	if p := ask("GET", "/certificates/wire/policy", "", http.StatusOK); p.ID != first.Policy.ID {
		t.Errorf("the policy: %+v", p)
	}
	l.move(time.Minute) // of two versions the later counts
	second := ask("POST", "/certificates/wire/create", create, http.StatusAccepted)
	if s := ask("GET", "/secrets/wire", "", http.StatusOK); s.ID != base+"/secrets/wire/"+second.RequestID || s.PreviousVersion != version {
		s.Policy.ID = ""
		t.Errorf("the second version's secret: %s, before it %q, want %s", s.ID, s.PreviousVersion, version)
	}
	l.move(time.Minute)
	if a := ask("PATCH", "/secrets/wire/"+version, `{"tags":{"a":"b"}}`, http.StatusOK).Attributes; a.Updated < a.Created+120 || a.Updated > l.Now().Unix() {
		t.Errorf("changed two minutes later, and the time that this test takes: %+v", a)
	}
}
