package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
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
	SaveSubscription(ctx context.Context, id, name, state string) error
	ListGroups(ctx context.Context, subscription string) ([]order.Group, error)
	SaveGroup(ctx context.Context, subscription, name string, tags map[string]string) error
	DeleteGroup(ctx context.Context, subscription, name string) error
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
	if err := a.Scopes.SaveSubscription(r.Context(), s.ID, s.Name, s.State); err != nil {
		return err
	}
	write(w, status, arm.SubscriptionOf(s, auth.Tenant))
	return nil
}

func (a *API) listGroups(w http.ResponseWriter, r *request) error {
	by, err := soughtBy(r.URL.Query().Get("$filter"), byTag, byTagValue)
	if err != nil {
		return err
	}
	s, err := a.subscription(r.Context(), r.PathValue("subscription"))
	if err != nil {
		return err
	}
	all, err := a.Scopes.ListGroups(r.Context(), s.ID)
	if err != nil {
		return err
	}
	list := arm.List[arm.GroupInfo]{Value: []arm.GroupInfo{}}
	for _, g := range all {
		g.Subscription = s.ID
		if v := arm.GroupOf(g); touches(r, v.ID) && by.tagged(v.Tags) {
			list.Value = append(list.Value, v)
		}
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
	_, err := a.group(r)
	status := http.StatusOK
	if refusal, ok := order.AsRefusal(err); ok && refusal.Code == "ResourceGroupNotFound" {
		status = http.StatusCreated
	} else if err != nil {
		return err
	}
	return a.saveGroup(w, r, status, body)
}

// patchGroup changes the tags of a group: nothing else of one can be changed.
func (a *API) patchGroup(w http.ResponseWriter, r *request) error {
	var body arm.GroupWish
	if err := read(r, &body); err != nil {
		return err
	}
	if _, err := a.group(r); err != nil {
		return err
	}
	return a.saveGroup(w, r, http.StatusOK, body)
}

func (a *API) saveGroup(w http.ResponseWriter, r *request, status int, body arm.GroupWish) error {
	if err := checkTags(body.Tags); err != nil {
		return err
	}
	if err := a.Scopes.SaveGroup(r.Context(), r.PathValue("subscription"), r.PathValue("group"), body.Tags); err != nil {
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
	if _, err := a.group(r); err != nil {
		return err
	}
	err := a.Scopes.DeleteGroup(r.Context(), r.PathValue("subscription"), r.PathValue("group"))
	if errors.Is(err, fulfill.ErrConflict) {
		return &order.Refusal{Kind: order.Conflict, Code: "ResourceGroupNotEmpty", Message: fmt.Sprintf("the resource group %s has resources, or is the default one", r.PathValue("group")), Fix: "Delete them first: see " + at(r) + "/resourceGroups/" + r.PathValue("group") + "/resources"}
	}
	if err != nil {
		return err
	}
	return nothing(w, http.StatusOK)
}

// everything lists resources of all types; $filter takes resourceType, name, location, tagName with tagValue and, in a subscription,
// resourceGroup (az resource list -g says it so).
func (a *API) everything(w http.ResponseWriter, r *request) error {
	names, group := []string{byType, byResource, byLocation, byTag, byTagValue}, r.PathValue("group")
	if group == "" {
		names = append(names, byGroup)
	}
	s, err := soughtBy(r.URL.Query().Get("$filter"), names...)
	if err != nil {
		return err
	}
	group = or(group, s[byGroup])
	list := arm.List[arm.Generic]{Value: []arm.Generic{}}
	add := func(some []arm.Generic) {
		for _, g := range some {
			if s.is(byType, g.Type) && s.is(byResource, g.Name) && s.is(byLocation, g.Location) && s.tagged(g.Tags) {
				list.Value = append(list.Value, g)
			}
		}
	}
	after := r.URL.Query().Get("$skiptoken")
	if after == "" { // the few first, then the orders page by page
		others, err := a.others(r, group)
		if err != nil {
			return err
		}
		add(others)
	}
	if s.is(byType, order.Type) {
		page, err := a.listed(r, order.Query{Subscription: r.PathValue("subscription"), Group: group, Text: s[byResource], After: after, Limit: pageSize})
		if err != nil {
			return err
		}
		orders, err := a.Reader.LoadOrders(r.Context(), page.IDs())
		if err != nil {
			return err
		}
		for _, o := range orders {
			add([]arm.Generic{arm.GenericOf(o)})
		}
		if page.Next != "" {
			list.NextLink = a.link(r, r.URL.Path, url.Values{"$skiptoken": {page.Next}})
		}
	}
	write(w, http.StatusOK, list)
	return nil
}

// others are the sites, imported certificates and vaults of a subscription, or of a group of it, that the caller's scope covers.
func (a *API) others(r *request, group string) ([]arm.Generic, error) {
	subscription := r.PathValue("subscription")
	sites, err := a.Reader.ListSites(r.Context(), subscription, group)
	if err != nil {
		return nil, err
	}
	vaults, err := a.Vaults.ListVaults(r.Context())
	if err != nil {
		return nil, err
	}
	var list []arm.Generic
	add := func(g arm.Generic) {
		if auth.Covers(r.who.Scope, g.ID) {
			list = append(list, g)
		}
	}
	for _, s := range sites {
		v := siteResource(s)
		add(arm.Generic{ID: v.ID, Name: v.Name, Type: v.Type, Location: v.Location, Tags: v.Tags})
	}
	imports, err := a.Imports.ListImports(r.Context(), subscription, group)
	if err != nil {
		return nil, err
	}
	for _, v := range imports {
		add(arm.Generic{ID: "/subscriptions/" + v.Subscription + "/resourceGroups/" + v.Group + "/providers/Microsoft.Web/certificates/" + v.Name, Name: v.Name, Type: "Microsoft.Web/certificates", Location: or(v.Location, "Global"), Tags: v.Tags})
	}
	for _, v := range vaults {
		if inPath(r, v.Subscription, v.Group) && (group == "" || strings.EqualFold(group, v.Group)) {
			g := arm.Generic{ID: vaultScope(v), Name: v.Name, Type: "Microsoft.KeyVault/vaults", Location: or(v.Location, "Global"), Tags: v.Tags}
			if created := v.Created.UTC(); !created.IsZero() { // the default vault has always been there
				g.Created = &created
			}
			add(g)
		}
	}
	return list, nil
}
