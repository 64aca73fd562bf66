package secret

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"regexp"
	"strings"
)

// Scrubber takes secrets out of texts that leave the process, such as a support bundle. Nothing that it is
// given should hold one; it is the last net. It knows secrets by their value (Known), by the name of the
// field that they stand in, and by their looks.
type Scrubber struct {
	// Known are secrets whose values the caller knows; those shorter than 6 bytes are too common to look for.
	Known []Bytes
}

// RedactedBytes stands for secret bytes in a document: Redacted in base64, so that it can be read as bytes.
const RedactedBytes = "W3JlZGFjdGVkXQ=="

// field names whose value is secret whatever it looks like. A field's name is compared in lower case
// without - and _; these are its ends, so that "secretName" and "tokenURL" are none.
var secretFields = []string{"password", "passwd", "passphrase", "apikey", "privatekey", "hmac", "hmackey", "eabkey", "bearer", "authorization", "cookie",
	"clientsecret", "accesstoken", "refreshtoken", "apitoken", "sessiontoken", "webhook", "webhookurl", "sealed", "secretkey", "accesskey", "signingkey", "credential", "credentials", "kek", "dsn"}

// looks are texts that are secret wherever they stand. The first group, where there is one, is kept.
var looks = []*regexp.Regexp{
	regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)`),
	regexp.MustCompile(`(?i)(\bbearer\s+)[A-Za-z0-9._~+/-]{6,}=*`),
	regexp.MustCompile(`(?i)(\bauthorization["']?\s*[:=]\s*["']?[a-z]+\s+)[A-Za-z0-9._~+/-]{4,}=*`),
	regexp.MustCompile(`\bcw_[A-Za-z0-9_-]{8,}`),
	regexp.MustCompile(`\bey[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`),                                                                           // JSON web tokens
	regexp.MustCompile(`\b(?:gh[pousr]_[A-Za-z0-9]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abeprs]-[A-Za-z0-9-]{8,}|hv[sb]\.[A-Za-z0-9_-]{12,}|AKIA[A-Z0-9]{16})`), // tokens that name their maker
	regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/\s"'@]+@`),                                                                                            // user and password of a URL
	regexp.MustCompile(`(?i)(https://(?:hooks\.slack\.com/|[a-z0-9.-]*webhook\.office\.com/|discord(?:app)?\.com/api/webhooks/|[a-z0-9.-]*logic\.azure\.com[:0-9]*/))[^\s"'<>]+`),
	regexp.MustCompile(`(?i)([/.](?:web)?hooks?/)[^\s"'<>]{6,}`),
	// An assignment; with a colon only after words that say nothing else, for "secret main/www: ..." is a place.
	regexp.MustCompile(`(?i)((?:pass(?:word|wd|phrase)?|secret|api[_-]?key|access[_-]?key|token|hmac|sig|signature|credential)s?["']?\s*=\s*["']?)[^\s"'&,;{}<>\[\]]{4,}`),
	regexp.MustCompile(`(?i)(\b(?:password|passwd|passphrase|api[_-]?key|access[_-]?key|hmac(?:[_ -]?key)?)["']?\s*:\s*["']?)[^\s"'&,;{}<>\[\]]{4,}`),
	regexp.MustCompile(`(?i)(--(?:password|secret|token|key|hmac|eab-key|api-key)[= ]["']?)[^\s"'\[]{6,}`),
}

// Text gives the text without what looks like a secret, or is one of Known.
func (s Scrubber) Text(text string) string {
	for _, k := range s.Known {
		if len(k) < 6 {
			continue
		}
		for _, form := range forms(k) {
			text = strings.ReplaceAll(text, form, Redacted)
		}
	}
	for _, re := range looks {
		if re.MatchString(text) {
			text = re.ReplaceAllString(text, "${1}"+Redacted)
		}
	}
	text = packed.ReplaceAllStringFunc(text, func(word string) string {
		raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(word, "="))
		if err == nil && isPrivateKey(raw) {
			return Redacted
		}
		return word
	})
	return strings.ReplaceAll(text, Redacted+Redacted, Redacted)
}

// packed are words that may be a private key in base64: DER begins with M, PEM with LS0.
var packed = regexp.MustCompile(`\b(?:M|LS0)[A-Za-z0-9+/]{60,}={0,2}`)

// forms are the ways in which a secret is written down: as it is, and in the base64 of the fields of JSON and of tokens.
func forms(b Bytes) []string {
	return []string{string(b), base64.StdEncoding.EncodeToString(b), base64.RawStdEncoding.EncodeToString(b),
		base64.URLEncoding.EncodeToString(b), base64.RawURLEncoding.EncodeToString(b), fmt.Sprintf("%x", []byte(b))}
}

// JSON gives a JSON document without secrets: fields by their name, texts by their looks, and bytes in base64 that
// are a private key. Numbers stay as they are written; the order of fields becomes that of their names.
func (s Scrubber) JSON(doc []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("take secrets out of a document: it is no JSON: %w", err)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(s.value("", v))
	return out.Bytes(), err
}

func (s Scrubber) value(field string, v any) any {
	if secretField(field) && !empty(v) {
		if text, ok := v.(string); ok && len(text) >= 16 {
			if _, err := base64.StdEncoding.DecodeString(text); err == nil {
				return RedactedBytes
			}
		}
		return Redacted
	}
	switch v := v.(type) {
	case string:
		if raw, err := base64.StdEncoding.DecodeString(v); err == nil && len(v) >= 40 {
			if isPrivateKey(raw) {
				return RedactedBytes
			}
			if looksBinary(raw) || parsesAsCertificate(raw) {
				return v // a certificate, a digest: no words to look through
			}
		}
		return s.Text(v)
	case []any:
		for i := range v {
			v[i] = s.value("", v[i])
		}
	case map[string]any:
		for k, x := range v {
			if clean := s.Text(k); clean != k {
				delete(v, k)
				k = clean
			}
			v[k] = s.value(k, x)
		}
	}
	return v
}

func secretField(name string) bool {
	name = strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(name))
	for _, f := range secretFields {
		if strings.HasSuffix(name, f) {
			return true
		}
	}
	return false
}

// empty says whether there is nothing to hide. Booleans and numbers are settings, not secrets.
func empty(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case nil, bool, json.Number:
		return true
	}
	return false
}

func looksBinary(b []byte) bool {
	return bytes.ContainsFunc(b, func(r rune) bool { return r == '\uFFFD' || r < 9 })
}

func parsesAsCertificate(b []byte) bool {
	p, _ := pem.Decode(b)
	return p != nil && p.Type == "CERTIFICATE" && !bytes.Contains(b, []byte("PRIVATE KEY"))
}

// isPrivateKey says whether bytes are a private key in PEM or DER (PKCS #8, PKCS #1, SEC 1).
func isPrivateKey(b []byte) bool {
	if bytes.Contains(b, []byte("PRIVATE KEY-----")) {
		return true
	}
	if len(b) == 0 || b[0] != 0x30 {
		return false
	}
	if _, err := x509.ParsePKCS8PrivateKey(b); err == nil {
		return true
	}
	if _, err := x509.ParseECPrivateKey(b); err == nil {
		return true
	}
	_, err := x509.ParsePKCS1PrivateKey(b)
	return err == nil
}
