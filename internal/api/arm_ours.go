package api

import (
	"fmt"
	"maps"
	"net/http"
	"slices"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/order"
	"certwright/internal/site"
)

// ourHandlers answer the provider of what Azure does not have.
func (a *API) ourHandlers() map[string]handler {
	return map[string]handler{"Certwright_ListIssuers": a.issuers, "Certwright_GetIssuer": a.issuer, "Certwright_ListCommands": a.configured,
		"Certwright_SyncSubscription": a.syncGroup, "Certwright_SyncGroup": a.syncGroup, "Certwright_SyncSite": a.syncSite,
		"Certwright_ListTargets": a.targets, "Certwright_ListEndpoints": a.endpoints}
}

func issuerResource(i order.Issuer) arm.Resource {
	return arm.Resource{ID: "/providers/Certwright/issuers/" + i.Name, Name: i.Name, Type: "Certwright/issuers", Location: "Global", ETag: arm.ETag(i.Revision), Properties: i}
}

func (a *API) issuers(w http.ResponseWriter, r *request) error {
	all, err := a.Issuers.List(r.Context())
	return listResources(a, w, r, all, err, func(i *order.Issuer) (arm.Resource, error) { return issuerResource(*i), nil })
}

func (a *API) issuer(w http.ResponseWriter, r *request) error {
	i, err := a.Issuers.Get(r.Context(), r.PathValue("issuer"))
	return answerResource(w, issuerResource(i), err)
}

// configured lists by name what the configuration allows: never what a name stands for.
func (a *API) configured(w http.ResponseWriter, _ *request) error {
	list := arm.List[arm.Resource]{Value: []arm.Resource{}}
	for _, c := range a.Configured {
		list.Value = append(list.Value, arm.Resource{ID: "/providers/Certwright/commands/" + c.Name, Name: c.Name, Type: "Certwright/commands", Location: "Global", Properties: arm.Configured{Kind: c.Kind}})
	}
	write(w, http.StatusOK, list)
	return nil
}

// ofSites lists something of each site of a group that the caller's scope covers.
func (a *API) ofSites(w http.ResponseWriter, r *request, kind string, of func(s *site.Site) map[string]any) error {
	all, err := a.Reader.ListSites(r.Context(), r.PathValue("subscription"), r.PathValue("group"))
	if err != nil {
		return err
	}
	list := arm.List[arm.Resource]{Value: []arm.Resource{}}
	for i := range all {
		s := &all[i]
		if !auth.Covers(r.who.Scope, siteResource(*s).ID) {
			continue
		}
		found := of(s)
		for _, name := range slices.Sorted(maps.Keys(found)) {
			list.Value = append(list.Value, arm.Resource{ID: "/subscriptions/" + s.Subscription + "/resourceGroups/" + s.Group + "/providers/Certwright/" + kind + "/" + name, Name: name,
				Type: "Certwright/" + kind, Location: "Global", ETag: arm.ETag(s.Revision), Properties: found[name]})
		}
	}
	write(w, http.StatusOK, list)
	return nil
}

func (a *API) targets(w http.ResponseWriter, r *request) error {
	return a.ofSites(w, r, "targets", func(s *site.Site) map[string]any {
		found := map[string]any{}
		for _, t := range s.Targets {
			found[s.Name+"."+t.Name] = struct {
				Site string `json:"site"`
				site.Target
			}{s.Name, t}
		}
		return found
	})
}

func (a *API) endpoints(w http.ResponseWriter, r *request) error {
	return a.ofSites(w, r, "endpoints", func(s *site.Site) map[string]any {
		found := map[string]any{}
		for i, e := range s.Endpoints {
			found[fmt.Sprintf("%s.%d", s.Name, i+1)] = struct {
				Site string `json:"site"`
				site.Endpoint
			}{s.Name, e}
		}
		return found
	})
}
