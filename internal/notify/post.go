package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"certwright/internal/secret"
)

// envelope is the body of webhook and json: as the Standard Webhooks specification suggests it, "Payload structure".
type envelope struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      *Message  `json:"data"`
}

// body is the message in a channel's form.
func body(kind string, m *Message) ([]byte, error) {
	switch kind {
	case Slack:
		return json.Marshal(slackBody(m))
	case Teams:
		return json.Marshal(teamsBody(m))
	}
	return json.Marshal(envelope{Type: m.Type, Timestamp: m.At, Data: m})
}

// Sign is the value of the header webhook-signature: "v1," and the HMAC-SHA256 over id, timestamp (Unix seconds) and
// body, joined by full stops, in base64 (Standard Webhooks specification 1.0.0, "Signature scheme": symmetric).
// The key is the secret's base64 after "whsec_".
func Sign(key secret.Bytes, id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.", id, at.Unix())
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// SigningKey reads a secret as the specification writes it: "whsec_" and the base64 of 24 to 64 bytes.
func SigningKey(text secret.Bytes) (secret.Bytes, error) {
	rest, ok := strings.CutPrefix(string(text), "whsec_")
	key, err := base64.StdEncoding.DecodeString(rest)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("the webhook's secret must be whsec_ and the base64 of 24 to 64 bytes: make one with: echo whsec_$(openssl rand -base64 32)")
	}
	return key, nil
}

// post sends a message over HTTP. Redirects are not followed: where a secret is posted to is the operator's to say.
func (s *Sender) post(ctx context.Context, c *Channel, m *Message) error {
	target := c.URL
	if c.URLFile != "" {
		text, err := readSecret(c.URLFile, "the URL")
		if err != nil {
			return err
		}
		target = string(text)
	}
	u, err := url.Parse(target)
	if err != nil || u.Host == "" {
		return errors.New("the URL cannot be read as one") // not its text: it may be a secret
	}
	content, err := body(c.Kind, m)
	if err != nil {
		return fmt.Errorf("write the message: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(content))
	if err != nil {
		return errors.New("the URL cannot be asked")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "certwright/"+s.Version)
	if err := s.sign(req, c, m.ID, content); err != nil {
		return err
	}
	roots, err := c.roots()
	if err != nil {
		return err
	}
	t := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Time: s.Now}, TLSHandshakeTimeout: 10 * time.Second,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return s.Dial(ctx, address, literal(u.Hostname()))
		}}
	client := &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(req)
	if err != nil {
		var plain *url.Error
		if errors.As(err, &plain) {
			err = plain.Err // without the URL
		}
		return &Failure{Where: u.Host, Err: err}
	}
	defer answer.Body.Close()
	return judge(answer, u.Host, s.Now())
}

// sign sets the headers of Standard Webhooks. Every kind but the signed one carries the id too, so that a receiver can
// tell a repetition.
func (s *Sender) sign(req *http.Request, c *Channel, id string, content []byte) error {
	at := s.Now()
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	if c.Kind != Webhook {
		return nil
	}
	text, err := readSecret(c.SecretFile, "the webhook's secret")
	if err != nil {
		return err
	}
	key, err := SigningKey(text)
	if err != nil {
		return err
	}
	req.Header.Set("Webhook-Signature", Sign(key, id, at, content))
	return nil
}

// judge makes an error of an answer that does not say that the message was taken.
func judge(a *http.Response, host string, now time.Time) error {
	said, _ := io.ReadAll(io.LimitReader(a.Body, 4<<10)) // what it says is only for the log
	if a.StatusCode >= 200 && a.StatusCode < 300 {
		return nil
	}
	f := &Failure{Where: host, Err: fmt.Errorf("it answered %s", a.Status)}
	if words := oneLine(string(said)); words != "" && !strings.HasPrefix(words, "<") {
		f.Err = fmt.Errorf("it answered %s: %s", a.Status, clip(words, 200))
	}
	switch a.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
	default:
		f.Permanent = a.StatusCode < 500
	}
	if n, err := strconv.Atoi(a.Header.Get("Retry-After")); err == nil && n > 0 {
		f.After = min(time.Duration(n)*time.Second, 24*time.Hour)
	} else if t, err := http.ParseTime(a.Header.Get("Retry-After")); err == nil && t.After(now) {
		f.After = min(t.Sub(now), 24*time.Hour)
	}
	return f
}

// clip shortens a text to at most n bytes, at a rune.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
