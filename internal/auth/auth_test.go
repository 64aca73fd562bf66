package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
)

// table is Rows in memory.
type table struct {
	mu    sync.Mutex
	rows  map[string]order.Token
	looks int
	fail  error
}

func (m *table) SaveToken(_ context.Context, t order.Token) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.rows[t.Name]; ok {
		return fulfill.ErrExists
	}
	m.rows[t.Name] = t
	return nil
}

func (m *table) TokenByHash(_ context.Context, hash []byte) (order.Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.looks++
	if m.fail != nil {
		return order.Token{}, m.fail
	}
	for _, t := range m.rows {
		if bytes.Equal(t.Hash, hash) {
			return t, nil
		}
	}
	return order.Token{}, fmt.Errorf("token: %w", fulfill.ErrNotFound)
}

func (m *table) ListTokens(context.Context) ([]order.Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []order.Token
	for _, t := range m.rows {
		out = append(out, t)
	}
	return out, nil
}

func (m *table) DeleteToken(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.rows[name]; !ok {
		return fulfill.ErrNotFound
	}
	delete(m.rows, name)
	return nil
}

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func setup() (*Auth, *table, *clock) {
	m := &table{rows: map[string]order.Token{}}
	c := &clock{t: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	return New(m, c.now), m, c
}

func TestIssueAndAuthenticate(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	a, m, c := setup()
	plain, tok, err := a.Issue(ctx, "ci", Contributor, "/subscriptions/S", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(plain, "cw_") || len(plain) != len("cw_")+43 {
		t.Errorf("token of %d characters: expected cw_ and 256 bits in base64url", len(plain))
	}
	if kept := fmt.Sprintf("%v %x", m.rows["ci"], m.rows["ci"].Hash); strings.Contains(kept, plain[3:]) {
		t.Error("the token itself is kept")
	}
	if tok.Expires != c.t.Add(time.Hour) {
		t.Errorf("expires %s", tok.Expires)
	}
	p, err := a.Authenticate(ctx, plain)
	if err != nil || p != (Principal{"ci", Contributor, "/subscriptions/S"}) {
		t.Fatalf("%+v, %v", p, err)
	}
	second, _, err := a.Issue(ctx, "other", Reader, "/", 0)
	if err != nil || second == plain {
		t.Fatalf("second token: %v", err)
	}
	if _, _, err := a.Issue(ctx, "ci", Reader, "/", 0); !errors.Is(err, fulfill.ErrExists) {
		t.Errorf("a name twice: %v", err)
	}
	c.t = c.t.Add(time.Hour)
	if _, err := a.Authenticate(ctx, plain); !errors.Is(err, ErrExpired) {
		t.Errorf("after its life: %v", err)
	}
	if _, err := a.Authenticate(ctx, second); err != nil {
		t.Errorf("one that never expires: %v", err)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	a, m, c := setup()
	plain, _, err := a.Issue(ctx, "x", Owner, "/", 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		show string
		want error
	}{
		"nothing":       {"", ErrNoToken},
		"cut short":     {plain[:len(plain)-1], ErrBadToken},
		"other case":    {strings.ToUpper(plain), ErrBadToken},
		"no prefix":     {plain[3:], ErrBadToken},
		"its hash":      {Prefix + string(m.rows["x"].Hash), ErrBadToken},
		"overlong":      {Prefix + strings.Repeat("x", 1<<20), ErrBadToken},
		"another token": {Prefix + strings.Repeat("A", 43), ErrBadToken},
	} {
		if _, err := a.Authenticate(ctx, tc.show); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, expected %v", name, err, tc.want)
		}
	}
	c.t = c.t.Add(time.Minute)
	m.fail = errors.New("database is gone")
	_, err = a.Authenticate(ctx, plain)
	if err == nil || errors.Is(err, ErrBadToken) || !strings.Contains(err.Error(), "database is gone") {
		t.Errorf("database away: %v; it must not look like a wrong token", err)
	}
}

func TestIssueRefuses(t *testing.T) {
	t.Parallel()
	a, m, _ := setup()
	for name, tc := range map[string]struct {
		name, scope string
		role        Role
		ttl         time.Duration
	}{
		"no name":        {"", "/", Owner, 0},
		"session's name": {"x/session/1", "/", Owner, 0},
		"unknown role":   {"x", "/", "Admin", 0},
		"no role":        {"x", "/", "", 0},
		"no scope":       {"x", "", Owner, 0},
		"bad scope":      {"x", "subscriptions/1", Owner, 0},
		"climbing scope": {"x", "/subscriptions/../", Owner, 0},
		"negative life":  {"x", "/", Owner, -1},
	} {
		if _, _, err := a.Issue(context.Background(), tc.name, tc.role, tc.scope, tc.ttl); err == nil {
			t.Errorf("%s: issued", name)
		}
	}
	if len(m.rows) != 0 {
		t.Errorf("%d tokens kept", len(m.rows))
	}
}

func TestCache(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	a, m, c := setup()
	plain, _, err := a.Issue(ctx, "x", Owner, "/", 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := a.Authenticate(ctx, plain); err != nil {
			t.Fatal(err)
		}
	}
	if m.looks != 1 {
		t.Errorf("%d looks at the rows for 10 requests", m.looks)
	}
	delete(m.rows, "x") // as another replica deletes it
	c.t = c.t.Add(cacheLife)
	if _, err := a.Authenticate(ctx, plain); !errors.Is(err, ErrBadToken) {
		t.Errorf("%s after another replica deleted it: %v", cacheLife, err)
	}
	b := New(m, c.now) // two replicas
	a2 := New(m, c.now)
	a2.Replicas, b.Replicas = true, true
	shared, _, err := a2.Issue(ctx, "shared", Owner, "/", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Authenticate(ctx, shared); err != nil {
		t.Fatal(err)
	}
	if err := a2.Delete(ctx, "shared"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Authenticate(ctx, shared); !errors.Is(err, ErrBadToken) {
		t.Errorf("at once after another replica deleted it: %v", err)
	}
	if plain, _, err = a.Issue(ctx, "x", Owner, "/", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(ctx, plain); err != nil {
		t.Fatal(err)
	}
	if err := a.Delete(ctx, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(ctx, plain); !errors.Is(err, ErrBadToken) {
		t.Errorf("right after its deletion here: %v", err)
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	a, m, c := setup()
	plain, _, err := a.Issue(ctx, "alice", Contributor, "/subscriptions/S", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.SignIn(ctx, "cw_wrong"); !errors.Is(err, ErrBadToken) {
		t.Errorf("sign-in with a wrong token: %v", err)
	}
	one, who, err := a.SignIn(ctx, plain)
	if err != nil || who != "alice" || one == plain {
		t.Fatalf("sign-in: %q %v", who, err)
	}
	two, _, err := a.SignIn(ctx, plain)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := a.Authenticate(ctx, one); err != nil || p != (Principal{"alice", Contributor, "/subscriptions/S"}) {
		t.Errorf("session: %+v %v", p, err)
	}
	if list, err := a.Tokens(ctx); err != nil || len(list) != 1 || list[0].Hash != nil {
		t.Errorf("tokens listed: %+v %v; expected alice's alone, without its hash", list, err)
	}
	if err := a.SignOut(ctx, plain); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(ctx, plain); err != nil {
		t.Errorf("signing out deleted the token itself: %v", err)
	}
	if err := a.SignOut(ctx, one); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(ctx, one); !errors.Is(err, ErrBadToken) {
		t.Errorf("session after sign-out: %v", err)
	}
	c.t = c.t.Add(SessionLife)
	if _, err := a.Authenticate(ctx, two); !errors.Is(err, ErrExpired) {
		t.Errorf("session after its life: %v", err)
	}
	if err := a.Prune(ctx); err != nil || len(m.rows) != 1 {
		t.Errorf("after pruning %d rows, %v; expected the token alone", len(m.rows), err)
	}
	three, _, err := a.SignIn(ctx, plain)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Delete(ctx, "alice"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(ctx, three); !errors.Is(err, ErrBadToken) {
		t.Errorf("session of a deleted token: %v", err)
	}
}

func TestSessionEndsWithItsToken(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	a, _, c := setup()
	plain, _, err := a.Issue(ctx, "brief", Reader, "/", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := a.SignIn(ctx, plain)
	if err != nil {
		t.Fatal(err)
	}
	c.t = c.t.Add(time.Minute)
	if _, err := a.Authenticate(ctx, s); !errors.Is(err, ErrExpired) {
		t.Errorf("session after its token's life: %v", err)
	}
}

func TestShown(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ header, cookie, want string }{
		"bearer":         {"Bearer cw_a", "", "cw_a"},
		"lower case":     {"bearer cw_a", "", "cw_a"},
		"cookie":         {"", "cw_s", "cw_s"},
		"bearer wins":    {"Bearer cw_a", "cw_s", "cw_a"},
		"another scheme": {"Basic eDp5", "", ""},
		"nothing":        {"", "", ""},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if tc.header != "" {
			r.Header.Set("Authorization", tc.header)
		}
		if tc.cookie != "" {
			r.Header.Set("Cookie", Cookie+"="+tc.cookie)
		}
		if got := Shown(r); got != tc.want {
			t.Errorf("%s: %q, expected %q", name, got, tc.want)
		}
	}
}
