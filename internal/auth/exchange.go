package auth

import (
	"context"
	"crypto/sha256"
	"strings"
	"time"

	"certwright/internal/order"
)

// BearerLife is how long a bearer token lasts that a client got for its secret.
const BearerLife = time.Hour

// Exchange gives a client, which is a token's name with the token as its secret, a bearer token of an hour with the
// same role and scope: OAuth's client credentials. ErrBadToken also when the secret is another client's, or is
// itself a session or such a bearer token.
func (a *Auth) Exchange(ctx context.Context, client, plain string) (bearer string, life time.Duration, err error) {
	p, err := a.Authenticate(ctx, plain)
	if err != nil {
		return "", 0, err
	}
	t, err := a.look(ctx, sha256.Sum256([]byte(plain)))
	if err != nil {
		return "", 0, err
	}
	if ownerOf(t.Name) != t.Name || !strings.EqualFold(client, p.Name) {
		return "", 0, ErrBadToken
	}
	return a.open(ctx, t, BearerLife)
}

// open makes a short-lived token for the owner of another, which it does not outlive.
func (a *Auth) open(ctx context.Context, t order.Token, life time.Duration) (string, time.Duration, error) {
	if !t.Expires.IsZero() {
		life = min(life, t.Expires.Sub(a.now()))
	}
	n, err := randomName()
	if err != nil {
		return "", 0, err
	}
	plain, _, err := a.issue(ctx, ownerOf(t.Name)+sessionMark+n, Role(t.Role), t.Scope, life)
	return plain, life, err
}
