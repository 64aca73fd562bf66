package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"certwright/internal/arm"
	"certwright/internal/order"
)

// armRoutes are the routes of the registry: every operation has a handler here by its id, and nothing else has.
func (a *API) armRoutes() []Route {
	var routes []Route
	handlers := a.handlers()
	for _, t := range arm.Registry() {
		for _, o := range t.Operations {
			h, ok := handlers[o.ID]
			if !ok {
				panic("api: no handler for " + o.ID)
			}
			delete(handlers, o.ID)
			r := Route{Method: o.Method, Pattern: o.Path, Action: o.Action, handle: h, Versions: t.Versions}
			if o.Within {
				r.On = onOwn
			}
			routes = append(routes, r)
		}
	}
	for id := range handlers {
		panic("api: a handler of no operation: " + id)
	}
	return routes
}

// handlers are what answers the operations of the registry.
func (a *API) handlers() map[string]handler {
	all := map[string]handler{}
	for _, some := range []map[string]handler{a.certificateHandlers(), a.resourceHandlers(), a.insightHandlers(), a.webHandlers(), a.vaultHandlers(), a.ourHandlers(), a.dnsHandlers()} {
		for id, h := range some {
			all[id] = h
		}
	}
	return all
}

// version gives the API version that a request names; an error where the route knows it not. The name of the
// parameter compares without case, as in Azure.
func version(q url.Values, known []string) error {
	if known == nil {
		return nil
	}
	var all []string
	for name, values := range q {
		if strings.EqualFold(name, "api-version") {
			all = append(all, values...)
		}
	}
	slices.Sort(all)
	all = slices.Compact(all) // the same twice is once
	given := strings.Join(all, ", ")
	switch {
	case len(all) > 1:
		return &order.Refusal{Kind: order.BadInput, Code: "InvalidApiVersionParameter", Property: "api-version", Message: "several API versions are named: " + given, Fix: "Name one"}
	case given == "":
		return &order.Refusal{Kind: order.BadInput, Code: "MissingApiVersionParameter", Property: "api-version", Message: "the query parameter api-version is missing", Fix: "Add ?api-version=" + known[0]}
	case !slices.ContainsFunc(known, func(v string) bool { return strings.EqualFold(v, given) }):
		return &order.Refusal{Kind: order.BadInput, Code: "InvalidApiVersionParameter", Property: "api-version", Message: fmt.Sprintf("the API version %q is not known", given),
			Fix: "Use one of " + strings.Join(known, ", ")}
	}
	return nil
}

// link is an absolute address of this service with the API version of a request.
func (a *API) link(r *request, path string, more url.Values) string {
	v := url.Values{}
	for name, values := range r.URL.Query() {
		if strings.EqualFold(name, "api-version") || strings.HasPrefix(name, "$") && more != nil {
			v[name] = values
		}
	}
	for name, values := range more {
		for given := range v { // whatever its case
			if strings.EqualFold(given, name) {
				delete(v, given)
			}
		}
		v[name] = values
	}
	u := url.URL{Path: path, RawQuery: v.Encode()}
	return a.Public + u.String()
}

// settled answers a PUT as the start of a long-running operation that is over already: what was asked for is
// recorded. It must not wait for more: clients would wait for a person. Some look at the status that Location has, some
// (Terraform, go-autorest) read on until a provisioningState is Succeeded, which a link's is only when its order is
// issued: to those, Azure-AsyncOperation says where the state of the operation itself is.
func (a *API) settled(w http.ResponseWriter, r *request, created bool, id, etag string, body any) error {
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	end := a.link(r, id+"/operationResults/"+strings.Trim(etag, `"`), nil)
	w.Header().Set("Location", end)
	w.Header().Set("Azure-AsyncOperation", end)
	w.Header().Set("Retry-After", "0")
	w.Header().Set("ETag", etag)
	write(w, status, body)
	return nil
}

// nothing is an answer without a body.
func nothing(w http.ResponseWriter, status int) error {
	w.WriteHeader(status)
	return nil
}
