package api

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// missing says whether an error says that what was asked for is not there.
func missing(err error) bool {
	refusal, ok := order.AsRefusal(err)
	return ok && refusal.Kind == order.NotFound
}

// inPath says whether something lies in the subscription, and group, that a path names.
func inPath(r *request, subscription, group string) bool {
	g := r.PathValue("group")
	return strings.EqualFold(r.PathValue("subscription"), subscription) && (g == "" || strings.EqualFold(g, group))
}

// listResources answers with a page of those of a list that the caller's scope covers.
func listResources[T any](a *API, w http.ResponseWriter, r *request, all []T, err error, show func(*T) (arm.Resource, error)) error {
	if err != nil {
		return err
	}
	var covered []arm.Resource
	for i := range all {
		res, err := show(&all[i])
		if err != nil {
			return err
		}
		if auth.Covers(r.who.Scope, res.ID) {
			covered = append(covered, res)
		}
	}
	list, err := paged(a, r, covered, func(res arm.Resource) string { return res.ID })
	if err != nil {
		return err
	}
	write(w, http.StatusOK, list)
	return nil
}

// option is an OData parameter of a query: $top, $filter and the like. Its name compares without case.
func option(r *request, name string) string {
	for given, values := range r.URL.Query() {
		if strings.EqualFold(given, name) && values[0] != "" {
			return values[0]
		}
	}
	return ""
}

// top is how many things $top wants on a page, at most as many as there can be.
func top(r *request, most int) (int, error) {
	s := option(r, "$top")
	if s == "" {
		return most, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, &order.Refusal{Kind: order.BadInput, Code: "InvalidTop", Property: "$top", Message: fmt.Sprintf("%q is not a number of 1 or more", s), Fix: "Say how many a page is to have at most"}
	}
	return min(n, most), nil
}

// mostWhole is how many things of a list that is read as a whole come on a page.
const mostWhole = 1000

// paged gives a page of things that are at hand as a whole, by id: as many as $top wants, from where $skiptoken says.
func paged[T any](a *API, r *request, all []T, id func(T) string) (arm.List[T], error) {
	list := arm.List[T]{Value: []T{}}
	most, err := top(r, mostWhole)
	if err != nil {
		return list, err
	}
	after, err := base64.RawURLEncoding.DecodeString(option(r, "$skiptoken"))
	if s := string(after); err != nil || s != "" && !strings.HasPrefix(s, "/subscriptions/") && !strings.HasPrefix(s, "/providers/") {
		return list, &order.Refusal{Kind: order.BadInput, Code: "InvalidCursor", Property: "$skiptoken", Message: "the cursor is not one that was given out", Fix: "Begin again without one"}
	}
	key := func(v T) string { return strings.ToLower(id(v)) }
	slices.SortStableFunc(all, func(x, y T) int { return strings.Compare(key(x), key(y)) })
	for i, v := range all {
		switch {
		case key(v) <= string(after):
		case len(list.Value) == most:
			list.NextLink = a.link(r, r.URL.Path, url.Values{"$skiptoken": {base64.RawURLEncoding.EncodeToString([]byte(key(all[i-1])))}})
			return list, nil
		default:
			list.Value = append(list.Value, v)
		}
	}
	return list, nil
}

// answerResource answers with a resource, or with the error that stands in its place.
func answerResource(w http.ResponseWriter, res arm.Resource, err error) error {
	if err != nil {
		return err
	}
	if res.ETag != "" {
		w.Header().Set("ETag", res.ETag)
	}
	write(w, http.StatusOK, res)
	return nil
}

// foundOrNew gives what a PUT is about: what was found, or, where nothing is there, what fresh makes in a group that is.
func foundOrNew[T any](a *API, r *request, v T, err error, fresh func() (T, error)) (T, error) {
	if !missing(err) {
		return v, err
	}
	if _, err := a.group(r); err != nil {
		return v, err
	}
	if err := a.active(r); err != nil {
		return v, err
	}
	return fresh()
}

// active refuses something new in a subscription that is not Enabled.
func (a *API) active(r *request) error {
	s, err := a.subscription(r.Context(), r.PathValue("subscription"))
	if err == nil && s.State != order.SubscriptionEnabled {
		err = fulfill.NotActive(s.ID, s.State)
	}
	return err
}

// removed answers a DELETE of what err says was found or not, once remove did it.
func removed(w http.ResponseWriter, err error, remove func() error) error {
	if missing(err) {
		return nothing(w, http.StatusNoContent)
	}
	if err == nil {
		err = remove()
	}
	if err != nil {
		return err
	}
	return nothing(w, http.StatusOK)
}

// located refuses a body without a location.
func located(location string) error {
	if location == "" {
		return required("location", "Give any: Certwright is where it is")
	}
	return nil
}

// Azure Resource Manager's bounds of tags.
const (
	maxTags     = 50
	maxTagName  = 512
	maxTagValue = 256
)

// tagged are the tags of a resource as a body leaves them.
func tagged(was map[string]string, given arm.Tags, patch bool) (map[string]string, error) {
	tags := given.Over(was, patch)
	return tags, checkTags(tags)
}

// checkTags refuses tags that Azure would not take either.
func checkTags(tags map[string]string) error {
	bad := func(message string) error {
		return &order.Refusal{Kind: order.BadInput, Code: "InvalidTag", Property: "tags", Message: message}
	}
	if len(tags) > maxTags {
		return bad(fmt.Sprintf("%d tags are too many: at most %d", len(tags), maxTags))
	}
	for name, value := range tags {
		if name == "" || len(name) > maxTagName || len(value) > maxTagValue || strings.ContainsAny(name, `<>%&\?/`) {
			return bad(fmt.Sprintf("the tag %q is not possible: names have 1 to %d characters and none of <>%%&\\?/, values at most %d", name, maxTagName, maxTagValue))
		}
	}
	return nil
}

// vaultScope is the id of a vault: what rights in it are asked for.
func vaultScope(v secret.VaultRow) string {
	return arm.VaultID(order.ID{Subscription: v.Subscription, Group: v.Group}, v.Name)
}

// allowIn refuses what whoever asks may not do on a vault's data plane, by the vault's own permission model.
func allowIn(r *request, v secret.VaultRow, action string, right secret.Permission) error {
	if auth.AllowData(r.who, v.VaultSettings, action, right, vaultScope(v)) {
		return nil
	}
	if !v.ByPolicy {
		return allow(r, action, vaultScope(v))
	}
	kind, word, _ := strings.Cut(string(right), "/")
	return &order.Refusal{Kind: order.Forbidden, Code: "AuthorizationFailed", Message: fmt.Sprintf("the token %s does not have %s %s permission on vault %s, whose access policies say who may", r.who.Name, kind, word, v.Name),
		Fix: fmt.Sprintf("Give it with: certwright vault policy set %s --vault %s --%s %s", r.who.Name, v.Name, kind, word)}
}
