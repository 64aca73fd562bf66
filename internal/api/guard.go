package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// ServeHTTP finds the route of a request, sees that whoever asks may, bounds its body, and turns its error into an
// answer.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, a.MaxBody)
	q := &request{Request: r, by: order.By{Correlation: or(shortly(r.Header.Get("X-Ms-Correlation-Request-Id")), fulfill.NewUUID()), Client: shortly(r.Header.Get("X-Ms-Client-Request-Id")),
		Address: auth.Address(r), Request: r.Method + " " + r.URL.Path}}
	w.Header().Set("X-Ms-Correlation-Request-Id", q.by.Correlation)
	w.Header().Set("X-Ms-Request-Id", fulfill.NewUUID())
	if q.by.Client != "" {
		w.Header().Set("X-Ms-Client-Request-Id", q.by.Client)
	}
	w.Header().Set("Cache-Control", "no-cache")
	if forPerson(r) {
		w = indented{w}
	}
	err := sized(r)
	if err == nil {
		err = a.serve(w, q)
	}
	if err != nil {
		a.fail(w, r, err)
	}
}

// shortly is an id of a client, or nothing where it is longer than any id.
func shortly(id string) string {
	if len(id) > 128 {
		return ""
	}
	return id
}

func (a *API) serve(w http.ResponseWriter, q *request) error {
	f, ok := a.routes.Find(q.Method, q.URL.EscapedPath())
	switch {
	case !ok && len(f.Allowed) > 0:
		if slices.Contains(f.Allowed, "GET") && !slices.Contains(f.Allowed, "HEAD") {
			f.Allowed = append(f.Allowed, "HEAD")
		}
		w.Header().Set("Allow", strings.Join(f.Allowed, ", "))
		return &order.Refusal{Kind: order.NoMethod, Code: "MethodNotAllowed", Message: fmt.Sprintf("%s of %s is not possible", q.Method, q.URL.Path), Fix: "It answers " + strings.Join(f.Allowed, ", ")}
	case !ok:
		return &order.Refusal{Kind: order.NotFound, Code: "RouteNotFound", Message: fmt.Sprintf("there is no %s %s", q.Method, q.URL.Path), Fix: "See what there is in " + a.Public + "/openapi.json"}
	}
	for name, value := range f.Params {
		q.SetPathValue(name, value)
	}
	rt := f.Value
	v, malformed := query(q.Request)
	q.scope = order.ID{Subscription: or(q.PathValue("subscription"), or(v.Get("subscription"), order.DefaultSubscription)),
		Group: or(q.PathValue("group"), or(v.Get("group"), order.DefaultGroup)), Name: q.PathValue("name")}
	if rt.Action != "" {
		if err := a.admit(w, q, rt); err != nil {
			return err
		}
	}
	if malformed != nil {
		return malformed
	}
	if err := version(v, rt.Versions); err != nil {
		return err
	}
	if rt.Action != "" { // what is open to everybody is read, or is the token endpoint, whose bodies are forms
		if err := readable(q.Request); err != nil {
			return err
		}
		if err := a.conditions(q, rt); err != nil {
			return err
		}
		if err := a.listable(q, rt); err != nil {
			return err
		}
	}
	if q.Method == http.MethodHead && rt.Method == http.MethodGet && rt.Versions != nil {
		w = exists{w}
	}
	return rt.handle(w, q)
}

// listable refuses the list of a subscription or group that there is not, which would else be an empty one. Whoever may see
// nothing there gets the empty one all the same.
func (a *API) listable(q *request, rt Route) error {
	if rt.On != onOwn || q.Method != http.MethodGet || q.PathValue("name") != "" || q.PathValue("subscription") == "" {
		return nil
	}
	if in, ok := auth.Within(q.who.Scope, q.PathValue("subscription"), q.PathValue("group")); !ok || in.Name != "" {
		return nil
	}
	var err error
	if q.PathValue("group") != "" {
		_, err = a.group(q)
	} else {
		_, err = a.subscription(q.Context(), q.PathValue("subscription"))
	}
	return err
}

// exists answers HEAD of a resource as Azure does: 204 for what is there, and no body.
type exists struct{ http.ResponseWriter }

// WriteHeader sends the status.
func (e exists) WriteHeader(status int) {
	if status == http.StatusOK {
		status = http.StatusNoContent
	}
	e.ResponseWriter.WriteHeader(status)
}

// Write sends nothing.
func (e exists) Write(b []byte) (int, error) { return len(b), nil }

// admit says who asks, and refuses what they may not do.
func (a *API) admit(w http.ResponseWriter, q *request, rt Route) error {
	var err error
	who := auth.Address(q.Request)
	if q.who, err = a.Auth.Authenticate(q.Context(), auth.Bearer(q.Request)); err != nil {
		if wait := a.strange.Wait(who, a.Now()); auth.Strange(err) && wait > 0 {
			return &order.Refusal{Kind: order.TooMany, Code: "TooManyRequests", Message: "too many requests came from " + who + " with tokens that are not known", Fix: "Wait, then use a token that is valid", After: wait}
		}
		if auth.Strange(err) && !errors.Is(err, auth.ErrNoToken) {
			a.strange.Fail(who, a.Now())
		}
		return err
	}
	q.by.Caller = q.who.Name
	if err := a.within(w, q); err != nil {
		return err
	}
	for _, name := range []string{"name", "group", "subscription"} { // before anything is made of it: a scope, a path
		if s := q.PathValue(name); s != "" {
			if err := order.ValidName(s); err != nil {
				return &order.Refusal{Kind: order.BadInput, Code: "InvalidName", Property: name, Message: err.Error(), Fix: "Use 1 to 64 letters, digits, '-', '_' and '.', beginning with a letter or digit"}
			}
		}
	}
	if v := q.PathValue("vault"); v != "" {
		return a.admitTo(q, rt, v)
	}
	scope, err := a.scopeOf(q, rt)
	if err != nil {
		return err
	}
	return allow(q, rt.Action, scope)
}

// admitTo refuses what whoever asks may not do in a vault, by the vault's own permission model, and remembers the vault.
func (a *API) admitTo(q *request, rt Route, vault string) error {
	row, err := a.Vaults.LoadVault(q.Context(), vault)
	if errors.Is(err, secret.ErrNoVault) {
		if err := allow(q, rt.Action, arm.VaultID(q.scope, vault)); err != nil {
			return err
		}
		return &order.Refusal{Kind: order.NotFound, Code: "VaultNotFound", Property: "vault", Message: fmt.Sprintf("there is no vault %s", vault), Fix: "A deleted one is in: certwright vault deleted"}
	}
	if err != nil {
		return err
	}
	q.vault = row
	return allowIn(q, row, rt.Action, rt.Permission)
}

// allow refuses what whoever asks may not do on a scope.
func allow(q *request, action, scope string) error {
	if auth.Allow(q.who, action, scope) {
		return nil
	}
	return &order.Refusal{Kind: order.Forbidden, Code: "AuthorizationFailed", Message: fmt.Sprintf("the token %s (%s on %s) may not do %s on %s", q.who.Name, q.who.Role, q.who.Scope, action, scope),
		Fix: "Ask for a token of the role " + auth.RolesFor(action) + " on that scope or one above it: certwright token create NAME --role ROLE --scope SCOPE"}
}

// scopeOf is what a route is about: the id of the resource, or what it lies in.
func (a *API) scopeOf(q *request, rt Route) (string, error) {
	switch rt.On {
	case onAll:
		return "/", nil
	case onOwn:
		return q.who.Scope, nil
	}
	if rt.Versions != nil && q.PathValue("subscription") == "" {
		return "/", nil // of the directory
	}
	if q.PathValue("subscription") != "" && q.PathValue("group") == "" {
		return "/subscriptions/" + q.scope.Subscription, nil
	}
	at := "/subscriptions/" + q.scope.Subscription + "/resourceGroups/" + q.scope.Group
	words := strings.SplitN(rt.Action, "/", 3)
	if q.scope.Name != "" {
		at += "/providers/" + words[0] + "/" + words[1] + "/" + q.scope.Name
	}
	return at, nil
}
