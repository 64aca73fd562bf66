package auth

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
)

// Cookie holds a session of the pages. The prefix makes browsers insist on Secure, Path=/ and no Domain
// (RFC 6265bis section 4.1.3.2).
const Cookie = "__Host-certwright"

// Bearer is the token of a request's Authorization header (RFC 6750 section 2.1), empty if it has none.
func Bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// Shown is what a request shows for itself: the bearer token, else the session. A request of a page carries
// the cookie whoever made it, so whatever takes Shown must also refuse cross-site requests; the API
// itself takes Bearer alone where it can.
func Shown(r *http.Request) string {
	if t := Bearer(r); t != "" {
		return t
	}
	c, err := r.Cookie(Cookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// Request says who sent a request, by what it shows.
func (a *Auth) Request(ctx context.Context, r *http.Request) (Principal, error) {
	return a.Authenticate(ctx, Shown(r))
}

// Who is the name of whoever sent a request; false if they are not known, or could not be looked up.
func (a *Auth) Who(ctx context.Context, r *http.Request) (string, bool) {
	p, err := a.Request(ctx, r)
	return p.Name, err == nil
}

// Strange says whether an error of Authenticate means that nobody knows who asks.
func Strange(err error) bool {
	return errors.Is(err, ErrNoToken) || errors.Is(err, ErrBadToken) || errors.Is(err, ErrExpired)
}

// Address is where a request came from, without its port: what strangers are counted by.
func Address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
