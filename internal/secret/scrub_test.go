package secret

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
)

func newKey(t *testing.T) (der []byte, text string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if der, err = x509.MarshalPKCS8PrivateKey(k); err != nil {
		t.Fatal(err)
	}
	return der, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// What looks like a secret goes, wherever in a text it stands.
func TestScrubText(t *testing.T) {
	_, key := newKey(t)
	body := strings.Split(key, "\n")[1]
	for _, c := range []struct{ text, gone string }{
		{"the file holds\n" + key + "and more", body},
		{"cut off: " + key[:len(key)/2], body[:20]},
		{"curl -H 'Authorization: Bearer s3cr3t-t0ken-value'", "s3cr3t"},
		{"Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"},
		{"token cw_abcDEF0123456789_xyz of the owner", "cw_abc"},
		{"connect to postgres://app:hunter22@db.example.test/certwright failed", "hunter22"},
		{"post https://hooks.slack.com/services/T0000/B0000/abcdefgh failed", "abcdefgh"},
		{"post https://example.webhook.office.com/webhookb2/11-22@33/IncomingWebhook/44/55", "IncomingWebhook"},
		{"https://chat.example.test/hooks/9f8e7d6c5b4a", "9f8e7d6c"},
		{"https://api.example.test/?a=1&access_token=Zm9vYmFyYmF6&b=2", "Zm9vYmFy"},
		{"password: correct-horse", "correct-horse"},
		{"deploy --password=correct-horse --to x", "correct-horse"},
		{"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "eyJzdWIi"},
		{"VAULT_TOKEN=hvs.CAESIJlY0123456789", "hvs.CAES"},
		{"the key QmFzZTY0SGlkZGVuU2VjcmV0 of the account", "QmFzZTY0"},
	} {
		s := Scrubber{Known: []Bytes{[]byte("Base64HiddenSecret")}}
		got := s.Text(c.text)
		if strings.Contains(got, c.gone) {
			t.Errorf("%q is still in %q", c.gone, got)
		}
		if !strings.Contains(got, Redacted) {
			t.Errorf("nothing says that something was taken out of %q", got)
		}
		if again := s.Text(got); again != got {
			t.Errorf("a second time changes %q into %q", got, again)
		}
	}
}

// Words, commands and records that are no secret stay as they are: a diagnosis rests on them.
func TestScrubLeavesWords(t *testing.T) {
	for _, text := range []string{
		"secret default/www: version 3 is not there", "openssl s_client -connect 192.0.2.1:443 -servername www.example.test", "basic constraints are missing",
		`_acme-challenge.example.test TXT "gfj9Xq...Rg85nM"`, "0 issue \"ca.example; accounturi=https://ca.example/acme/acct/1; validationmethods=dns-01\"",
		"certwright order sync www", "serial 04AF1B2C", "the token is not there", "key values mismatch", "http://www.example.test/.well-known/acme-challenge/abcdefghijk: HTTP 404",
		"SHA256:abcdef", "the key of the certificate", "https://www.example.test/a@b",
	} {
		if got := (Scrubber{}).Text(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// In a document the names of fields tell, and keys in base64 are known for what they are; the rest is untouched.
func TestScrubJSON(t *testing.T) {
	der, text := newKey(t)
	doc := map[string]any{
		"secret": "www", "secretName": "www", "key": "shop.key", "n": json.Number("12345678901234567890"), "tokenURL": "https://a.test/",
		"eabKey": "aGVsbG8gd29ybGQ", "smtp": map[string]any{"password": "x", "PassPhrase": "y", "user": "u"}, "off": map[string]any{"password": "", "credentials": nil, "bearer": true},
		"der": base64.StdEncoding.EncodeToString(der), "pem": base64.StdEncoding.EncodeToString([]byte(text)),
		"list": []any{"a", "password=abcdefg"}, "https://u:p4ssw0rd@h.test/": 1, "webhook-url": []any{"https://x.test/y"},
	}
	in, _ := json.Marshal(doc)
	out, err := Scrubber{}.JSON(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"aGVsbG8", `"x"`, `"y"`, base64.StdEncoding.EncodeToString(der)[:40], base64.StdEncoding.EncodeToString([]byte(text))[:40], "abcdefg", "p4ssw0rd", "x.test"} {
		if bytes.Contains(out, []byte(gone)) {
			t.Errorf("%s is still there: %s", gone, out)
		}
	}
	for _, kept := range []string{`"secret":"www"`, `"secretName":"www"`, `"key":"shop.key"`, `12345678901234567890`, `"tokenURL":"https://a.test/"`, `"user":"u"`, `"password":""`, `"bearer":true`} {
		if !bytes.Contains(out, []byte(kept)) {
			t.Errorf("%s is gone: %s", kept, out)
		}
	}
	if _, err := (Scrubber{}).JSON([]byte("{")); err == nil {
		t.Error("a broken document was taken")
	}
}
