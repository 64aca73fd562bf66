package api

import (
	"fmt"
	"net/http"
	"strings"

	"certwright/internal/arm"
	"certwright/internal/auth"
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

// listResources answers with those of a list that the caller's scope covers.
func listResources[T any](w http.ResponseWriter, r *request, all []T, err error, show func(*T) (arm.Resource, error)) error {
	if err != nil {
		return err
	}
	list := arm.List[arm.Resource]{Value: []arm.Resource{}}
	for i := range all {
		res, err := show(&all[i])
		if err != nil {
			return err
		}
		if auth.Covers(r.who.Scope, res.ID) {
			list.Value = append(list.Value, res)
		}
	}
	write(w, http.StatusOK, list)
	return nil
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
	return fresh()
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
