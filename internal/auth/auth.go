// Package auth says who is asking and what they may do on which scope. A caller shows a token of 256
// random bits; only its SHA-256 is kept, so the database gives nobody access (a slow hash would
// add nothing: there is nothing to guess in 256 bits). A token has a role and a scope, as an Azure role
// assignment has; roles.go is the whole table of what a role may do.
package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
)

// Prefix starts every token, so that one that leaked into a log or a repository is recognised.
const Prefix = "cw_"

// Tenant is the one directory that there is. Azure's clients must name one; any is accepted.
const Tenant = "00000000-0000-0000-0000-000000000002"

// SessionLife is how long a sign-in to the pages lasts.
const SessionLife = 12 * time.Hour

// Errors of Authenticate, matched with errors.Is. All of them mean 401; anything else means that the
// database could not be asked.
var (
	ErrNoToken = errors.New("no token: send the header \"Authorization: Bearer cw_...\", or sign in to the pages; " +
		"the first token was printed when Certwright started for the first time")
	ErrBadToken = errors.New("this token is not known here: it was deleted, belongs to another server, or was not copied whole")
	ErrExpired  = errors.New("this token has expired: ask for a new one")
)

// Rows keep tokens; store is one.
type Rows interface {
	// SaveToken keeps a new token. fulfill.ErrExists if the name is taken.
	SaveToken(ctx context.Context, t order.Token) error
	// TokenByHash finds a token by the SHA-256 of its text. fulfill.ErrNotFound.
	TokenByHash(ctx context.Context, hash []byte) (order.Token, error)
	ListTokens(ctx context.Context) ([]order.Token, error)
	// DeleteToken: fulfill.ErrNotFound.
	DeleteToken(ctx context.Context, name string) error
}

// Principal is who asks: the name for events and logs, and what they may do where.
type Principal struct {
	Name  string
	Role  Role
	Scope string // ARM scope that the role holds on; "/" = everything
}

// Auth knows tokens. It is safe for use by many at once.
type Auth struct {
	rows Rows
	now  func() time.Time
	// Replicas says that others write to the same rows: then every request looks, so that a token that is withdrawn
	// at one is withdrawn at all.
	Replicas bool

	mu    sync.Mutex
	known map[[sha256.Size]byte]entry
}

type entry struct {
	token order.Token
	at    time.Time
}

// Limits of the cache. Where there are no replicas, what is deleted here is forgotten here at once.
const (
	cacheLife = 10 * time.Second
	cacheSize = 1024
)

// New makes an Auth over the rows.
func New(rows Rows, now func() time.Time) *Auth {
	return &Auth{rows: rows, now: now, known: map[[sha256.Size]byte]entry{}}
}

// Issue makes a token and keeps its hash. plain is shown to its owner once; nobody can read it again.
// ttl 0 = it never expires. fulfill.ErrExists if the name is taken.
func (a *Auth) Issue(ctx context.Context, name string, role Role, scope string, ttl time.Duration) (plain string, t order.Token, err error) {
	if err := order.ValidName(name); err != nil {
		return "", t, &order.Refusal{Kind: order.BadInput, Code: "InvalidTokenName", Property: "name", Message: err.Error(), Fix: "Use 1 to 64 letters, digits, '-', '_' and '.', beginning with a letter or digit"}
	}
	if ttl < 0 {
		return "", t, &order.Refusal{Kind: order.BadInput, Code: "OutOfRange", Property: "ttl", Message: fmt.Sprintf("a life of %s has ended before it began", ttl), Fix: "Give a length of time such as 2160h"}
	}
	return a.issue(ctx, name, role, scope, ttl)
}

// issue is Issue for any name; sessions have names that no user can give.
func (a *Auth) issue(ctx context.Context, name string, role Role, scope string, ttl time.Duration) (plain string, t order.Token, err error) {
	if _, ok := grants[role]; !ok {
		return "", t, &order.Refusal{Kind: order.BadInput, Code: "UnknownRole", Property: "role", Message: fmt.Sprintf("role %q is not known", role), Fix: "Use one of " + roleList()}
	}
	if _, ok := Within(scope, "", ""); !ok {
		return "", t, &order.Refusal{Kind: order.BadInput, Code: "InvalidScope", Property: "scope", Message: fmt.Sprintf("%q is no scope", scope),
			Fix: "Use /, /subscriptions/ID, /subscriptions/ID/resourceGroups/NAME, or the id of a resource"}
	}
	var raw [32]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", t, fmt.Errorf("make a token: %w", err)
	}
	plain = Prefix + base64.RawURLEncoding.EncodeToString(raw[:])
	hash := sha256.Sum256([]byte(plain))
	t = order.Token{Name: name, Hash: hash[:], Role: string(role), Scope: scope, Created: a.now()}
	if ttl > 0 {
		t.Expires = t.Created.Add(ttl)
	}
	if err := a.rows.SaveToken(ctx, t); err != nil {
		return "", order.Token{}, fmt.Errorf("token %s: %w", name, err)
	}
	return plain, t, nil
}

// Authenticate says whose token this is. Its errors are ErrNoToken, ErrBadToken, ErrExpired, or that of a
// database that could not be asked; none tells the token.
func (a *Auth) Authenticate(ctx context.Context, plain string) (Principal, error) {
	if plain == "" {
		return Principal{}, ErrNoToken
	}
	if !strings.HasPrefix(plain, Prefix) || len(plain) > 200 {
		return Principal{}, ErrBadToken
	}
	hash := sha256.Sum256([]byte(plain))
	t, err := a.look(ctx, hash)
	if err != nil {
		return Principal{}, err
	}
	if subtle.ConstantTimeCompare(t.Hash, hash[:]) != 1 {
		return Principal{}, ErrBadToken
	}
	if !t.Expires.IsZero() && !a.now().Before(t.Expires) {
		return Principal{}, ErrExpired
	}
	return Principal{Name: ownerOf(t.Name), Role: Role(t.Role), Scope: t.Scope}, nil
}

// look finds a token in the cache or the rows. Tokens that are not known are not cached: anybody could fill it.
func (a *Auth) look(ctx context.Context, hash [sha256.Size]byte) (order.Token, error) {
	now := a.now()
	a.mu.Lock()
	e, ok := a.known[hash]
	a.mu.Unlock()
	if ok && !a.Replicas && now.Sub(e.at) < cacheLife {
		return e.token, nil
	}
	t, err := a.rows.TokenByHash(ctx, hash[:])
	if errors.Is(err, fulfill.ErrNotFound) {
		a.forget()
		return order.Token{}, ErrBadToken
	}
	if err != nil {
		return order.Token{}, fmt.Errorf("look for the token: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) >= cacheSize {
		clear(a.known)
	}
	a.known[hash] = entry{token: t, at: now}
	return t, nil
}

// forget empties the cache.
func (a *Auth) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.known)
}

// Delete withdraws a token, and every session that was opened with it. fulfill.ErrNotFound.
func (a *Auth) Delete(ctx context.Context, name string) error {
	defer a.forget()
	if err := a.rows.DeleteToken(ctx, name); err != nil {
		return fmt.Errorf("token %s: %w", name, err)
	}
	return a.deleteWhere(ctx, func(t order.Token) bool { return t.Name != name && ownerOf(t.Name) == name })
}

// Tokens lists the tokens, without sessions and without hashes.
func (a *Auth) Tokens(ctx context.Context) ([]order.Token, error) {
	all, err := a.rows.ListTokens(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the tokens: %w", err)
	}
	out := all[:0]
	for _, t := range all {
		if ownerOf(t.Name) == t.Name {
			t.Hash = nil
			out = append(out, t)
		}
	}
	return out, nil
}

// Prune removes sessions that have expired. Expired tokens stay: their owners should see why they do not work.
func (a *Auth) Prune(ctx context.Context) error {
	now := a.now()
	return a.deleteWhere(ctx, func(t order.Token) bool {
		return ownerOf(t.Name) != t.Name && !now.Before(t.Expires)
	})
}

func (a *Auth) deleteWhere(ctx context.Context, is func(order.Token) bool) error {
	all, err := a.rows.ListTokens(ctx)
	if err != nil {
		return fmt.Errorf("list the tokens: %w", err)
	}
	for _, t := range all {
		if !is(t) {
			continue
		}
		if err := a.rows.DeleteToken(ctx, t.Name); err != nil && !errors.Is(err, fulfill.ErrNotFound) {
			return fmt.Errorf("token %s: %w", t.Name, err)
		}
	}
	return nil
}

// SignIn opens a session for the owner of a token: a token of its own, with the same role and scope,
// that ends by itself. who is the owner's name.
func (a *Auth) SignIn(ctx context.Context, plain string) (session, who string, err error) {
	p, err := a.Authenticate(ctx, plain)
	if err != nil {
		return "", "", err
	}
	hash := sha256.Sum256([]byte(plain))
	t, err := a.look(ctx, hash)
	if err != nil {
		return "", "", err
	}
	session, _, err = a.open(ctx, t, SessionLife)
	return session, p.Name, err
}

// SignOut ends a session. One that has ended is no error; a token that is no session stays.
func (a *Auth) SignOut(ctx context.Context, session string) error {
	defer a.forget()
	hash := sha256.Sum256([]byte(session))
	t, err := a.rows.TokenByHash(ctx, hash[:])
	if errors.Is(err, fulfill.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for the session: %w", err)
	}
	if ownerOf(t.Name) == t.Name {
		return nil
	}
	if err := a.rows.DeleteToken(ctx, t.Name); err != nil && !errors.Is(err, fulfill.ErrNotFound) {
		return fmt.Errorf("end the session: %w", err)
	}
	return nil
}

// randomName tells sessions of one token apart.
func randomName() (string, error) {
	var n [8]byte
	if _, err := rand.Read(n[:]); err != nil {
		return "", fmt.Errorf("open a session: %w", err)
	}
	return hex.EncodeToString(n[:]), nil
}

func roleList() string {
	var words []string
	for _, r := range Roles {
		words = append(words, string(r))
	}
	return strings.Join(words, ", ")
}

// sessionMark is between a token's name and the rest of the name of its session; order.ValidName has no '/'.
const sessionMark = "/session/"

// ownerOf is the name of the token that a session was opened with; of a token, its own.
func ownerOf(name string) string {
	owner, _, _ := strings.Cut(name, sessionMark)
	return owner
}
