package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/fulfill"
	"certwright/internal/order"
)

// TokenBody is what createToken reads.
type TokenBody struct {
	Role  string `json:"role"`
	Scope string `json:"scope"`         // empty = everything
	TTL   string `json:"ttl,omitempty"` // such as "2160h"; empty = it never expires
}

// Created is a token that was just made. Token is shown this once.
type Created struct {
	order.Token
	Secret string `json:"token"`
}

// createToken makes a token for somebody else: with a role on a scope on which its maker may hand out access.
func (a *API) createToken(w http.ResponseWriter, r *request) error {
	var body TokenBody
	if err := read(r, &body); err != nil {
		return err
	}
	body.Scope = or(body.Scope, "/")
	var ttl time.Duration
	if body.TTL != "" {
		var err error
		if ttl, err = time.ParseDuration(body.TTL); err != nil || ttl <= 0 {
			return &order.Refusal{Kind: order.BadInput, Code: "OutOfRange", Property: "ttl", Message: fmt.Sprintf("%q is no length of time: write it such as 2160h", body.TTL), Fix: "Give hours and minutes, at most 290 years, or leave it away: then the token never expires"}
		}
	}
	if err := allow(r, "Certwright/tokens/Write", body.Scope); err != nil {
		return err
	}
	if err := a.there(r.Context(), body.Scope); err != nil {
		return err
	}
	plain, t, err := a.Auth.Issue(r.Context(), r.PathValue("token"), auth.Role(body.Role), body.Scope, ttl)
	if errors.Is(err, fulfill.ErrExists) {
		return &order.Refusal{Kind: order.Conflict, Code: "TokenExists", Property: "name", Message: fmt.Sprintf("a token named %s exists already", r.PathValue("token")), Fix: "Choose another name, or delete that one first"}
	}
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	write(w, http.StatusCreated, Created{t, plain})
	return nil
}

// there refuses a scope in a subscription or group that there is not: it would be a mistake of whoever typed it. A resource
// need not be there yet.
func (a *API) there(ctx context.Context, scope string) error {
	in, ok := auth.Within(scope, "", "")
	if !ok || in.Subscription == "" {
		return nil // Issue refuses what is no scope
	}
	s, err := a.subscription(ctx, in.Subscription)
	if err == nil && in.Group != "" {
		var all []order.Group
		if all, err = a.Scopes.ListGroups(ctx, s.ID); err == nil && !slices.ContainsFunc(all, func(g order.Group) bool { return strings.EqualFold(g.Name, in.Group) }) {
			err = &order.Refusal{Kind: order.NotFound, Code: "ResourceGroupNotFound", Message: "there is no resource group " + in.Group}
		}
	}
	if refusal, ok := order.AsRefusal(err); ok {
		return &order.Refusal{Kind: order.BadInput, Code: "InvalidScope", Property: "scope", Message: refusal.Message, Fix: "Make it first, or mend the scope " + scope}
	}
	return err
}

// listTokens gives the tokens on scopes that the caller's covers.
func (a *API) listTokens(w http.ResponseWriter, r *request) error {
	all, err := a.Auth.Tokens(r.Context())
	if err != nil {
		return err
	}
	list := arm.List[order.Token]{Value: []order.Token{}}
	for _, t := range all {
		if auth.Covers(r.who.Scope, t.Scope) {
			list.Value = append(list.Value, t)
		}
	}
	write(w, http.StatusOK, list)
	return nil
}

func (a *API) deleteToken(w http.ResponseWriter, r *request) error {
	name := r.PathValue("token")
	all, err := a.Auth.Tokens(r.Context())
	if err != nil {
		return err
	}
	for _, t := range all {
		if !strings.EqualFold(t.Name, name) || !auth.Covers(r.who.Scope, t.Scope) {
			continue
		}
		if err := a.Auth.Delete(r.Context(), t.Name); err != nil && !errors.Is(err, fulfill.ErrNotFound) {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return &order.Refusal{Kind: order.NotFound, Code: "TokenNotFound", Message: fmt.Sprintf("there is no token %s", name), Fix: "See the names with: certwright token list"}
}

// grantBody bounds a request of a token: it is small.
const grantBody = 16 << 10

// grantError is an error of the token endpoint (RFC 6749 section 5.2).
type grantError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Codes       []int  `json:"error_codes,omitempty"`
	Timestamp   string `json:"timestamp"`
	Trace       string `json:"trace_id"`
	Correlation string `json:"correlation_id"`
}

// token gives a bearer token for a client's id and secret: the name of a token, and the token. Any tenant and any
// scope will do, as Azure's clients name a cloud that this is not.
func (a *API) token(w http.ResponseWriter, r *request) error {
	w.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, grantBody)
	if err := r.ParseForm(); err != nil {
		return a.noGrant(w, r, http.StatusBadRequest, "invalid_request", "the body is not a form: "+err.Error(), 900144)
	}
	client, plain, ok := r.BasicAuth()
	if ok { // RFC 6749 section 2.3.1: both are encoded as in a form
		client, plain = unform(client), unform(plain)
	} else {
		client, plain = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	switch {
	case r.PostForm.Get("grant_type") != "client_credentials":
		return a.noGrant(w, r, http.StatusBadRequest, "unsupported_grant_type", fmt.Sprintf("the grant type %q is not possible: use client_credentials", r.PostForm.Get("grant_type")), 70003)
	case client == "" || plain == "":
		return a.noGrant(w, r, http.StatusBadRequest, "invalid_request", "client_id and client_secret must be given: the name of a token, and the token", 900144)
	}
	who := auth.Address(r.Request) + " " + strings.ToLower(client)
	if wait := a.clients.Wait(who, a.Now()); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
		return a.noGrant(w, r, http.StatusTooManyRequests, "temporarily_unavailable", "too many wrong secrets were shown for this client: wait, then try again", 50196)
	}
	if _, wait := a.bearers.Take(who, a.Now()); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
		return a.noGrant(w, r, http.StatusTooManyRequests, "temporarily_unavailable", "this client asked for too many tokens: keep one until it expires, an hour later", 50196)
	}
	bearer, life, err := a.Auth.Exchange(r.Context(), client, plain)
	if auth.Strange(err) {
		a.clients.Fail(who, a.Now())
		if errors.Is(err, auth.ErrExpired) {
			return a.noGrant(w, r, http.StatusUnauthorized, "invalid_client", "the secret of this client has expired: make a new one with: certwright token create NAME", 7000222)
		}
		return a.noGrant(w, r, http.StatusUnauthorized, "invalid_client", "the secret is not this client's, or has expired: the client id is the name of a token and the secret is the token; make one with: certwright token create NAME", 7000215)
	}
	if err != nil {
		return err
	}
	seconds := int(life / time.Second)
	b := Bearer{Type: "Bearer", In: seconds, Ext: seconds, Token: bearer}
	if resource := r.PostForm.Get("resource"); resource != "" { // as version 1 answers
		b.Resource, b.From, b.On = resource, strconv.FormatInt(a.Now().Unix(), 10), strconv.FormatInt(a.Now().Add(life).Unix(), 10)
	}
	write(w, http.StatusOK, b)
	return nil
}

// Bearer is a bearer token as the token endpoint gives it (RFC 6749 section 5.1).
type Bearer struct {
	Type  string `json:"token_type"`
	In    int    `json:"expires_in"`
	Ext   int    `json:"ext_expires_in"`
	Token string `json:"access_token"`

	Resource string `json:"resource,omitempty"`
	From     string `json:"not_before,omitempty"`
	On       string `json:"expires_on,omitempty"`
}

func unform(s string) string {
	if v, err := url.QueryUnescape(s); err == nil {
		return v
	}
	return s
}

func (a *API) noGrant(w http.ResponseWriter, r *request, status int, word, text string, code int) error {
	text = fmt.Sprintf("AADSTS%d: %s. Trace ID: %s Correlation ID: %s", code, text, w.Header().Get("X-Ms-Request-Id"), r.by.Correlation) // sign-in libraries look for the number
	write(w, status, grantError{Error: word, Description: text, Codes: []int{code}, Timestamp: a.Now().UTC().Format("2006-01-02 15:04:05Z"), Trace: w.Header().Get("X-Ms-Request-Id"), Correlation: r.by.Correlation})
	return nil
}

// openID is what sign-in libraries fetch before they ask for a token.
func (a *API) openID(w http.ResponseWriter, r *request) error {
	tenant := r.PathValue("tenant")
	base := a.Public + "/" + url.PathEscape(tenant)
	write(w, http.StatusOK, map[string]any{
		"issuer": base + "/v2.0", "token_endpoint": base + "/oauth2/v2.0/token", "jwks_uri": base + "/discovery/v2.0/keys",
		"authorization_endpoint":                base + "/oauth2/v2.0/authorize",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
		"response_types_supported":              []string{"code"}, "subject_types_supported": []string{"pairwise"}, "id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported": []string{"openid"}, "grant_types_supported": []string{"client_credentials"},
	})
	return nil
}

// noKeys: bearer tokens are opaque, nobody but this service can judge them.
func (a *API) noKeys(w http.ResponseWriter, _ *request) error {
	write(w, http.StatusOK, map[string]any{"keys": []json.RawMessage{}})
	return nil
}

// instances says to sign-in libraries that this host speaks for itself.
func (a *API) instances(w http.ResponseWriter, _ *request) error {
	u, err := url.Parse(a.Public)
	if err != nil {
		return err
	}
	write(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": a.Public + "/" + auth.Tenant + "/v2.0/.well-known/openid-configuration", "api-version": "1.1",
		"metadata": []any{map[string]any{"preferred_network": u.Host, "preferred_cache": u.Host, "aliases": []string{u.Host}}},
	})
	return nil
}
