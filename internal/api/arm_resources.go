package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/fulfill"
	"certwright/internal/order"
)

// Scopes are what resources lie in: the store.
type Scopes interface {
	ListSubscriptions(ctx context.Context) ([]order.Subscription, error)
	SaveSubscription(ctx context.Context, id, name, state string, told ...order.Event) error
	ListGroups(ctx context.Context, subscription string) ([]order.Group, error)
	SaveGroup(ctx context.Context, g order.Group, told ...order.Event) error
	DeleteGroup(ctx context.Context, subscription, name string, told ...order.Event) error
}

// resourceHandlers answer Microsoft.Resources, and what is Certwright's own.
func (a *API) resourceHandlers() map[string]handler {
	return map[string]handler{
		"Tenants_List":                a.tenants,
		"Providers_ListAtTenantScope": a.listProviders, "Providers_List": a.listProviders,
		"Providers_GetAtTenantScope": a.getProvider, "Providers_Get": a.getProvider, "Providers_Register": a.getProvider,
		"Resources_MoveResources": a.move(true), "Resources_ValidateMoveResources": a.move(false),
		"Resources_List": a.everything, "Resources_ListByResourceGroup": a.everything,
		"Subscriptions_List": a.listSubscriptions, "Subscriptions_Get": a.getSubscription, "Certwright_SaveSubscription": a.putSubscription,
		"ResourceGroups_List": a.listGroups, "ResourceGroups_Get": a.getGroup, "ResourceGroups_CheckExistence": a.headGroup,
		"ResourceGroups_CreateOrUpdate": a.putGroup, "ResourceGroups_Update": a.patchGroup, "ResourceGroups_Delete": a.deleteGroup,
		"Certwright_sync": a.command(a.sync), "Certwright_revoke": a.command(a.revoke), "Certwright_cancel": a.command(a.cancel), "Certwright_again": a.command(a.again), "Certwright_chain": a.chain,
		"Certwright_retry":  a.command(a.plain(func(s Service) plain { return s.Retry })),
		"Certwright_import": a.importOrder, "Certwright_watch": a.watchOrder, "Certwright_diagnose": a.diagnose, "Certwright_fix": a.fix,
		"Certwright_timeline": a.orderEvents, "Certwright_follow": a.follow,
	}
}

func (a *API) tenants(w http.ResponseWriter, _ *request) error {
	write(w, http.StatusOK, arm.List[arm.Tenant]{Value: []arm.Tenant{{ID: "/tenants/" + auth.Tenant, UUID: auth.Tenant, Name: "Certwright"}}})
	return nil
}

// at is the subscription that a path names, as a scope; empty = the directory.
func at(r *request) string {
	if s := r.PathValue("subscription"); s != "" {
		return "/subscriptions/" + s
	}
	return ""
}

func (a *API) listProviders(w http.ResponseWriter, r *request) error {
	list := arm.List[arm.ProviderInfo]{}
	for _, name := range arm.Providers() {
		p, _ := arm.ProviderOf(at(r), name)
		list.Value = append(list.Value, p)
	}
	write(w, http.StatusOK, list)
	return nil
}

func (a *API) getProvider(w http.ResponseWriter, r *request) error {
	p, ok := arm.ProviderOf(at(r), r.PathValue("provider"))
	if !ok {
		return &order.Refusal{Kind: order.NotFound, Code: "InvalidResourceNamespace", Message: fmt.Sprintf("there is no provider %s", r.PathValue("provider")), Fix: "There are " + strings.Join(arm.Providers(), ", ")}
	}
	write(w, http.StatusOK, p)
	return nil
}

// touches says whether a scope lies within what the caller's covers, or the other way round: whoever may see one
// order sees that there is its group.
func touches(r *request, scope string) bool {
	return auth.Covers(r.who.Scope, scope) || auth.Covers(scope, r.who.Scope)
}

func (a *API) listSubscriptions(w http.ResponseWriter, r *request) error {
	all, err := a.Scopes.ListSubscriptions(r.Context())
	if err != nil {
		return err
	}
	list := arm.List[arm.Subscription]{Value: []arm.Subscription{}}
	for _, s := range all {
		if touches(r, "/subscriptions/"+s.ID) {
			list.Value = append(list.Value, arm.SubscriptionOf(s, auth.Tenant))
		}
	}
	write(w, http.StatusOK, list)
	return nil
}

func (a *API) subscription(ctx context.Context, id string) (order.Subscription, error) {
	all, err := a.Scopes.ListSubscriptions(ctx)
	if err != nil {
		return order.Subscription{}, err
	}
	for _, s := range all {
		if strings.EqualFold(s.ID, id) {
			return s, nil
		}
	}
	return order.Subscription{}, &order.Refusal{Kind: order.NotFound, Code: "SubscriptionNotFound", Message: fmt.Sprintf("there is no subscription %s", id), Fix: "See what there is at " + "/subscriptions"}
}

func (a *API) getSubscription(w http.ResponseWriter, r *request) error {
	s, err := a.subscription(r.Context(), r.PathValue("subscription"))
	if err != nil {
		return err
	}
	write(w, http.StatusOK, arm.SubscriptionOf(s, auth.Tenant))
	return nil
}

// putSubscription makes a subscription or changes its state. One that is not Enabled gets no new certificates.
func (a *API) putSubscription(w http.ResponseWriter, r *request) error {
	var body arm.SubscriptionWish
	if err := read(r, &body); err != nil {
		return err
	}
	id := r.PathValue("subscription")
	states := []string{order.SubscriptionEnabled, order.SubscriptionWarned, order.SubscriptionDisabled}
	old, err := a.subscription(r.Context(), id)
	status := http.StatusOK
	if err != nil {
		if refusal, ok := order.AsRefusal(err); !ok || refusal.Kind != order.NotFound {
			return err
		}
		status, old = http.StatusCreated, order.Subscription{ID: id, Name: id, State: order.SubscriptionEnabled}
	}
	s := order.Subscription{ID: old.ID, Name: or(body.Name, old.Name), State: or(body.State, old.State)}
	switch {
	case !slices.Contains(states, s.State):
		return &order.Refusal{Kind: order.BadInput, Code: "UnknownState", Property: "state", Message: fmt.Sprintf("%q is no state of a subscription", s.State), Fix: "Use " + strings.Join(states, ", ")}
	case len(s.Name) > 200:
		return &order.Refusal{Kind: order.BadInput, Code: "InvalidName", Property: "displayName", Message: "it is longer than 200 characters", Fix: "Give a shorter one"}
	}
	if err := a.Scopes.SaveSubscription(r.Context(), s.ID, s.Name, s.State, a.subscriptionEvents(r, status, old, s)...); err != nil {
		return err
	}
	write(w, status, arm.SubscriptionOf(s, auth.Tenant))
	return nil
}

// subscriptionEvents are what is recorded of a subscription that was made or changed; nothing where it is the same as before. That it takes no new
// orders any more, and why renewals stop, must be found in the log.
func (a *API) subscriptionEvents(r *request, status int, old, s order.Subscription) []order.Event {
	id := order.ID{Subscription: s.ID, Name: s.ID, Type: order.SubscriptionType}
	switch {
	case status == http.StatusCreated:
		return []order.Event{r.by.Did(id, "write", "subscription-created", a.Now(), "Subscription %s made by %s: %s.", s.Name, r.by.Caller, s.State)}
	case old.State != s.State:
		e := r.by.Did(id, "write", "subscription-changed", a.Now(), "Subscription %s is %s now, by %s; it was %s.", s.Name, s.State, r.by.Caller, old.State)
		if s.State != order.SubscriptionEnabled {
			e.Level = order.Warning
		}
		return []order.Event{e}
	case old != s:
		return []order.Event{r.by.Did(id, "write", "subscription-changed", a.Now(), "Subscription %s was renamed by %s: it was %s.", s.Name, r.by.Caller, old.Name)}
	}
	return nil
}

func (a *API) listGroups(w http.ResponseWriter, r *request) error {
	s, err := a.subscription(r.Context(), r.PathValue("subscription"))
	if err != nil {
		return err
	}
	all, err := a.Scopes.ListGroups(r.Context(), s.ID)
	if err != nil {
		return err
	}
	filter, err := arm.ParseResourceFilter(option(r, "$filter"), arm.OfGroups)
	if err != nil {
		return err
	}
	var groups []arm.GroupInfo
	for _, g := range all {
		g.Subscription = s.ID
		v := arm.GroupOf(g)
		if touches(r, v.ID) && filter.Takes(arm.Generic{ID: v.ID, Name: v.Name, Type: v.Type, Location: v.Location, Tags: v.Tags}) {
			groups = append(groups, v)
		}
	}
	list, err := paged(a, r, groups, func(g arm.GroupInfo) string { return g.ID })
	if err != nil {
		return err
	}
	write(w, http.StatusOK, list)
	return nil
}

func (a *API) group(r *request) (arm.GroupInfo, error) {
	s, err := a.subscription(r.Context(), r.PathValue("subscription"))
	if err != nil {
		return arm.GroupInfo{}, err
	}
	all, err := a.Scopes.ListGroups(r.Context(), s.ID)
	if err != nil {
		return arm.GroupInfo{}, err
	}
	for _, g := range all {
		if strings.EqualFold(g.Name, r.PathValue("group")) {
			g.Subscription = s.ID
			return arm.GroupOf(g), nil
		}
	}
	return arm.GroupInfo{}, &order.Refusal{Kind: order.NotFound, Code: "ResourceGroupNotFound", Message: fmt.Sprintf("there is no resource group %s", r.PathValue("group")), Fix: "See those that there are at " + at(r) + "/resourceGroups, or create it with PUT"}
}

func (a *API) getGroup(w http.ResponseWriter, r *request) error {
	g, err := a.group(r)
	if err != nil {
		return err
	}
	write(w, http.StatusOK, g)
	return nil
}

func (a *API) headGroup(w http.ResponseWriter, r *request) error {
	if _, err := a.group(r); err != nil {
		return err
	}
	return nothing(w, http.StatusNoContent)
}

func (a *API) putGroup(w http.ResponseWriter, r *request) error {
	var body arm.GroupWish
	if err := read(r, &body); err != nil {
		return err
	}
	if err := located(body.Location); err != nil {
		return err
	}
	old, err := a.group(r)
	status := http.StatusOK
	if refusal, ok := order.AsRefusal(err); ok && refusal.Code == "ResourceGroupNotFound" {
		if err := a.active(r); err != nil {
			return err
		}
		status = http.StatusCreated
	} else if err != nil {
		return err
	}
	return a.saveGroup(w, r, status, old, body)
}

// patchGroup changes the tags of a group: nothing else of one can be changed.
func (a *API) patchGroup(w http.ResponseWriter, r *request) error {
	var body arm.GroupWish
	if err := read(r, &body); err != nil {
		return err
	}
	old, err := a.group(r)
	if err != nil {
		return err
	}
	return a.saveGroup(w, r, http.StatusOK, old, body)
}

// saveGroup makes a group, or gives the old one the tags of the body. It stays where it was made.
func (a *API) saveGroup(w http.ResponseWriter, r *request, status int, old arm.GroupInfo, body arm.GroupWish) error {
	if old.Placed && body.Location != "" && !arm.SamePlace(body.Location, old.Location) {
		return &order.Refusal{Kind: order.Conflict, Code: "InvalidResourceGroupLocation", Property: "location", Message: fmt.Sprintf("the resource group %s is in location %s already, and stays there", old.Name, old.Location), Fix: "Give " + old.Location}
	}
	tags, err := tagged(old.Tags, body.Tags, false) // a PATCH of a group's tags gives all of them, as in Azure
	if err != nil {
		return err
	}
	if body.Tags != nil && tags == nil {
		tags = map[string]string{} // nil would leave those that were
	}
	id := order.ID{Subscription: r.PathValue("subscription"), Group: or(old.Name, r.PathValue("group")), Type: order.GroupType}
	id.Name = id.Group
	var told []order.Event
	if status == http.StatusCreated {
		told = append(told, r.by.Did(id, "write", "group-created", a.Now(), "Resource group %s made by %s.", id.Group, r.by.Caller))
	} else if body.Tags != nil && !maps.Equal(tags, old.Tags) {
		told = append(told, r.by.Did(id, "write", "group-changed", a.Now(), "Tags of resource group %s changed by %s.", id.Group, r.by.Caller))
	}
	if err := a.Scopes.SaveGroup(r.Context(), order.Group{Subscription: id.Subscription, Name: id.Group, Location: body.Location, Tags: tags}, told...); err != nil {
		return err
	}
	g, err := a.group(r)
	if err != nil {
		return err
	}
	write(w, status, g)
	return nil
}

// deleteGroup removes a group that nothing lies in: what is in one would have to be revoked first, and nobody should
// do that by the way.
func (a *API) deleteGroup(w http.ResponseWriter, r *request) error {
	g, err := a.group(r)
	if err != nil {
		return err
	}
	id := order.ID{Subscription: r.PathValue("subscription"), Group: g.Name, Name: g.Name, Type: order.GroupType}
	err = a.Scopes.DeleteGroup(r.Context(), id.Subscription, id.Group, r.by.Did(id, "delete", "group-deleted", a.Now(), "Resource group %s removed by %s.", g.Name, r.by.Caller))
	if errors.Is(err, fulfill.ErrConflict) {
		return &order.Refusal{Kind: order.Conflict, Code: "ResourceGroupNotEmpty", Message: fmt.Sprintf("the resource group %s has resources, or is the default one", r.PathValue("group")), Fix: "Delete them first: see " + at(r) + "/resourceGroups/" + r.PathValue("group") + "/resources"}
	}
	if err != nil {
		return err
	}
	return nothing(w, http.StatusOK)
}
