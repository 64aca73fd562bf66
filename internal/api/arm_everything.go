package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/order"
)

// mostLooked is how many orders one request looks at for those that a filter takes: then the answer links to the next.
const mostLooked = 10 * pageSize

// ofOrders begins a $skiptoken of everything that goes on among the orders; one without goes on among the others.
const ofOrders = "o."

// everything lists resources of all types: the few first, then the orders. $filter is arm.ParseResourceFilter's, $top how many a page
// has at most, $expand=provisioningState says how each stands.
func (a *API) everything(w http.ResponseWriter, r *request) error {
	names := arm.OfSubscription
	if r.PathValue("group") != "" {
		names = arm.OfGroup
	}
	filter, err := arm.ParseResourceFilter(option(r, "$filter"), names)
	if err != nil {
		return err
	}
	most, err := top(r, pageSize)
	if err != nil {
		return err
	}
	group := or(r.PathValue("group"), filter.Group)
	list := arm.List[arm.Generic]{Value: []arm.Generic{}}
	after, inOrders := strings.CutPrefix(option(r, "$skiptoken"), ofOrders)
	if !inOrders {
		all, err := a.others(r, group)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(g arm.Generic) bool { return !filter.Takes(g) })
		if list, err = paged(a, r, all, func(g arm.Generic) string { return g.ID }); err != nil {
			return err
		}
		after = ""
	}
	if list.NextLink == "" && (filter.Type == "" || strings.EqualFold(filter.Type, order.Type)) {
		q := order.Query{Subscription: r.PathValue("subscription"), Group: group, Text: filter.Name, After: after}
		if err := a.ordersAmong(r, q, filter, most, &list); err != nil {
			return err
		}
	}
	if !strings.Contains(strings.ToLower(option(r, "$expand")), "provisioningstate") {
		for i := range list.Value {
			list.Value[i].State = ""
		}
	}
	write(w, http.StatusOK, list)
	return nil
}

// ordersAmong fills a page of everything with the orders that the filter takes.
func (a *API) ordersAmong(r *request, q order.Query, filter arm.ResourceFilter, most int, list *arm.List[arm.Generic]) error {
	for looked := 0; ; {
		if q.Limit = most - len(list.Value); q.Limit <= 0 || looked >= mostLooked {
			list.NextLink = a.link(r, r.URL.Path, url.Values{"$skiptoken": {ofOrders + q.After}})
			return nil
		}
		page, err := a.listed(r, q)
		if err != nil {
			return err
		}
		orders, err := a.Reader.LoadOrders(r.Context(), page.IDs())
		if err != nil {
			return err
		}
		for _, o := range orders {
			if g := arm.GenericOf(o, a.Now()); filter.Takes(g) {
				list.Value = append(list.Value, g)
			}
		}
		if page.Next == "" {
			return nil
		}
		looked, q.After = looked+max(q.Limit, pageSize/10), page.Next // a short page is a question to the database, too
	}
}

// settledState is how sites, imported certificates and vaults stand: what is written is done.
const settledState = "Succeeded"

// others are the sites and vaults of a subscription or group that the caller's scope covers.
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
		add(arm.Generic{ID: v.ID, Name: v.Name, Type: v.Type, Location: v.Location, Tags: v.Tags, State: settledState})
	}
	imports, err := a.Imports.ListImports(r.Context(), subscription, group)
	if err != nil {
		return nil, err
	}
	for i := range imports {
		v := &imports[i]
		add(arm.Generic{ID: importID(v), Name: v.Name, Type: importType, Location: or(v.Location, "Global"), Tags: v.Tags, State: settledState})
	}
	for _, v := range vaults {
		if inPath(r, v.Subscription, v.Group) {
			g := arm.Generic{ID: vaultScope(v), Name: v.Name, Type: order.VaultType, Location: or(v.Location, "Global"), Tags: v.Tags, State: settledState}
			if created := v.Created.UTC(); !created.IsZero() { // the default vault has always been there
				g.Created = &created
			}
			add(g)
		}
	}
	return list, nil
}
