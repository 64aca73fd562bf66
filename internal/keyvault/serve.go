package keyvault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"certwright/internal/auth"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// PathPrefix begins the path form of a vault's address, for whoever cannot resolve its host name:
// https://HOST/vaults/NAME/secrets/... Clients of Key Vault need the host name.
const PathPrefix = "/vaults/"

// request is one call to a vault.
type request struct {
	*http.Request
	vault secret.VaultRow
	base  string // https://HOST of the vault: the beginning of every id
	// viaPath says that the vault was named by the path, not by the host.
	viaPath bool
	args    map[string]string
	by      order.By
}

func (r *request) name() string    { return r.args["name"] }
func (r *request) version() string { return strings.ToLower(r.args["version"]) }

// Serves says whether a request is for a vault: by its host, or by its path.
func (h *Handler) Serves(r *http.Request) bool {
	if _, ok := h.hostVault(r.Host); ok {
		return true
	}
	return strings.HasPrefix(r.URL.Path, PathPrefix)
}

// hostVault is the vault that a host names: one label below the suffix.
func (h *Handler) hostVault(host string) (string, bool) {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	label, ok := strings.CutSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), "."+h.Suffix)
	return label, ok && label != "" && !strings.Contains(label, ".")
}

// ServeHTTP finds the vault and the operation, asks who calls, and only then looks at anything else.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := &request{Request: r, by: order.By{Correlation: short(r.Header.Get("X-Ms-Correlation-Request-Id")), Client: short(r.Header.Get("X-Ms-Client-Request-Id")),
		Address: auth.Address(r), Request: r.Method + " " + r.URL.Path}}
	if q.by.Correlation == "" {
		q.by.Correlation = fulfill.NewUUID()
	}
	w.Header().Set("X-Ms-Request-Id", q.by.Correlation)
	w.Header().Set("X-Ms-Correlation-Request-Id", q.by.Correlation)
	if q.by.Client != "" {
		w.Header().Set("X-Ms-Client-Request-Id", q.by.Client)
	}
	w.Header().Set("Cache-Control", "no-store")
	vault, path, port := "", r.URL.EscapedPath(), ""
	if v, ok := h.hostVault(r.Host); ok {
		vault, q.base = v, "https://"+strings.ToLower(r.Host)
	} else {
		q.viaPath = true
		v, rest, _ := strings.Cut(strings.TrimPrefix(path, PathPrefix), "/")
		if _, p, err := net.SplitHostPort(r.Host); err == nil {
			port = ":" + p
		}
		vault, path = strings.ToLower(v), "/"+rest
		q.base = "https://" + vault + "." + h.Suffix + port
	}
	route, args := h.match(r.Method, path)
	q.args = args
	if err := h.serve(w, q, vault, route); err != nil {
		h.fail(w, q, err)
	}
}

// short is an id that a client chose, empty if it is longer than any client makes it.
func short(id string) string {
	if len(id) > 100 {
		return ""
	}
	return id
}

func (h *Handler) serve(w http.ResponseWriter, q *request, vault string, route *Route) error {
	// Before anything is said of vaults, paths, queries and bodies: a client's first request comes without token and body.
	who, err := h.caller(q.Request)
	if err != nil {
		return err
	}
	q.by.Caller = who.Name
	if h.Quota != nil {
		if _, wait := h.Quota.Take(who.Name, h.Now()); wait > 0 {
			return auth.TooMany(who.Name, h.Quota.Most, wait)
		}
	}
	q.vault, err = h.known.vault(q.Context(), h.Vault, vault, h.Now())
	switch {
	case err != nil && !errors.Is(err, secret.ErrNoVault):
		return err
	case err != nil:
		return &failure{404, "VaultNotFound", "", fmt.Sprintf("There is no vault %s here.", vault)}
	case route == nil:
		if methods := h.methods(q); len(methods) > 0 {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			return &failure{405, "MethodNotAllowed", "", fmt.Sprintf("%s of %s is not possible: it answers %s.", q.Method, q.URL.Path, strings.Join(methods, ", "))}
		}
		return &failure{404, "NotFound", "", fmt.Sprintf("There is no %s %s.", q.Method, q.URL.Path)}
	case !auth.AllowData(who, q.vault.VaultSettings, route.Action, route.Permission, scopeOf(q, route)):
		return forbidden(who, q, route)
	}
	if v := q.URL.Query().Get("api-version"); v != "" && !apiVersion.MatchString(v) {
		return bad("api-version", "%q is no api-version of Key Vault, such as 7.6 or 2025-07-01", v)
	}
	limit := h.MaxBody
	if route.large {
		limit = max(limit, maxRestore)
	}
	q.Body = http.MaxBytesReader(w, q.Body, limit)
	return route.handle(w, q)
}

// forbidden says what whoever asks lacks, in the words of the permission model that the vault has.
func forbidden(who auth.Principal, q *request, route *Route) error {
	if q.vault.ByPolicy {
		kind, word, _ := strings.Cut(string(route.Permission), "/")
		return &failure{403, "Forbidden", "ForbiddenByPolicy", fmt.Sprintf("The token %s does not have %s %s permission on key vault '%s', whose access policies say who may: give it with certwright vault policy set %s --vault %s --%s %s.",
			who.Name, kind, word, q.vault.Name, who.Name, q.vault.Name, kind, word)}
	}
	more := ""
	if q.vault.Allows(who.Name, route.Permission) {
		more = " The vault has an access policy that would allow it, but policies have no effect while roles say who may (enableRbacAuthorization)."
	}
	return &failure{403, "Forbidden", "ForbiddenByRbac", fmt.Sprintf("The token %s (%s on %s) may not do %s on %s: ask for a role that may, on this scope or one above it.%s",
		who.Name, who.Role, who.Scope, route.Action, scopeOf(q, route), more)}
}

// caller says who asks. Who tries one token after the other is made to wait.
func (h *Handler) caller(r *http.Request) (auth.Principal, error) {
	who, err := h.Auth.Authenticate(r.Context(), auth.Bearer(r))
	if !auth.Strange(err) {
		return who, err
	}
	from := auth.Address(r)
	if wait := h.strange.Wait(from, h.Now()); wait > 0 {
		return who, &order.Refusal{Kind: order.TooMany, Code: "Throttled", Message: "too many requests came from " + from + " with tokens that are not known", Fix: "Wait, then use a token that is valid", After: wait}
	}
	if !errors.Is(err, auth.ErrNoToken) {
		h.strange.Fail(from, h.Now())
	}
	return who, err
}

// apiVersion are the forms of Key Vault's versions. All have one behaviour here.
var apiVersion = regexp.MustCompile(`^(7\.\d+|20\d\d-\d\d-\d\d)(-preview(\.\d+)?)?$`)

// maxRestore is the largest backup that is taken back.
const maxRestore = 32 << 20

// scopeOf is the id that rights are asked for: the vault's, with the object's name behind it where the route has one.
func scopeOf(q *request, route *Route) string {
	s := order.VaultAt(q.vault.Subscription, q.vault.Group, q.vault.Name).String()
	name := q.args["name"]
	if name == "" || name == "." || name == ".." || strings.Contains(name, "/") || strings.HasPrefix(route.Pattern, "/certificates/issuers") {
		return s // such a name exists nowhere; issuers are the vault's
	}
	if strings.HasPrefix(route.Pattern, "/secrets") || strings.HasPrefix(route.Pattern, "/deletedsecrets") {
		return s + "/secrets/" + name
	}
	return s + "/certificates/" + name
}

// knownVaults remembers for a moment where vaults are: every request asks.
type knownVaults struct {
	mu   sync.Mutex
	rows map[string]knownVault
}

type knownVault struct {
	row secret.VaultRow
	at  time.Time
}

// vaultLife is how long a vault's row is taken for true; vaultMax bounds how many are remembered.
const (
	vaultLife = 2 * time.Second
	vaultMax  = 1000
)

// Forget lets the next request read a vault anew: it was changed.
func (h *Handler) Forget(vault string) {
	h.known.mu.Lock()
	defer h.known.mu.Unlock()
	delete(h.known.rows, strings.ToLower(vault))
}

func (k *knownVaults) vault(ctx context.Context, from Vault, name string, now time.Time) (secret.VaultRow, error) {
	k.mu.Lock()
	seen, ok := k.rows[name]
	k.mu.Unlock()
	if age := now.Sub(seen.at); ok && age >= 0 && age < vaultLife {
		return seen.row, nil
	}
	row, err := from.Vault(ctx, name)
	if err != nil {
		return row, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.rows == nil || len(k.rows) >= vaultMax {
		k.rows = map[string]knownVault{}
	}
	k.rows[name] = knownVault{row, now}
	return row, nil
}

// match finds the route of a path, whose words compare without case; a segment may be empty at the end alone.
func (h *Handler) match(method, escaped string) (*Route, map[string]string) {
	segments := strings.Split(strings.TrimPrefix(escaped, "/"), "/")
	for i := range h.routes {
		rt := &h.routes[i]
		if rt.Method != method {
			continue
		}
		if args, ok := fits(rt.segments, segments); ok {
			return rt, args
		}
	}
	return nil, nil
}

// methods are those that the path of a request has.
func (h *Handler) methods(q *request) []string {
	var list []string
	path := q.URL.EscapedPath()
	if q.viaPath {
		_, rest, _ := strings.Cut(strings.TrimPrefix(path, PathPrefix), "/")
		path = "/" + rest
	}
	for i := range h.routes {
		m := h.routes[i].Method
		if rt, _ := h.match(m, path); rt != nil && !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	slices.Sort(list)
	return list
}

func fits(pattern, segments []string) (map[string]string, bool) {
	if len(pattern) != len(segments) {
		return nil, false
	}
	args := map[string]string{}
	for i, p := range pattern {
		if !strings.HasPrefix(p, "{") {
			if !strings.EqualFold(p, segments[i]) {
				return nil, false
			}
			continue
		}
		v, err := url.PathUnescape(segments[i])
		key := strings.Trim(p, "{}?")
		if err != nil || v == "" && !strings.HasSuffix(p, "?}") {
			return nil, false
		}
		args[key] = v
	}
	return args, true
}

// read decodes a body. What this program does not know is passed over, as Key Vault does: its clients are newer or older.
func read(q *request, v any) error {
	data, err := io.ReadAll(q.Body)
	if err != nil {
		return err
	}
	if len(strings.TrimSpace(string(data))) == 0 {
		data = []byte("{}")
	}
	var kind *json.UnmarshalTypeError
	if err := json.Unmarshal(data, v); errors.As(err, &kind) && kind.Field != "" {
		return bad(kind.Field, "the body cannot have a JSON %s there", kind.Value)
	} else if err != nil {
		return bad("", "the request's body is not the JSON that is expected: %v", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// write sends JSON.
func write(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // the client is gone if this fails
	return nil
}
