package api

import (
	"context"
	"net/http"

	"certwright/internal/arm"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// DNSAccounts are where TXT records may be written. No answer of any has a secret.
type DNSAccounts interface {
	List(ctx context.Context) ([]order.DNSAccount, error)
	Get(ctx context.Context, name string) (order.DNSAccount, error)
	// Put makes or changes one, at the revision that it names (0 = any); an empty key leaves the one that is kept. The same
	// again changes nothing.
	Put(ctx context.Context, a order.DNSAccount, key secret.Bytes) (saved order.DNSAccount, created bool, err error)
	Test(ctx context.Context, name string) ([]order.ZoneTest, error)
	Remove(ctx context.Context, name string) error
}

func (a *API) dnsHandlers() map[string]handler {
	return map[string]handler{"Certwright_ListDNSAccounts": a.dnsAccountResources, "Certwright_GetDNSAccount": a.dnsAccountResource,
		"Certwright_CreateOrUpdateDNSAccount": a.putDNSAccountResource, "Certwright_DeleteDNSAccount": a.deleteDNSAccount, "Certwright_TestDNSAccount": a.testDNSAccount}
}

// dnsRoutes are the short ones.
func (a *API) dnsRoutes() []Route {
	const path, action = "/v1/dns-accounts", "Certwright/dnsAccounts"
	return []Route{
		{Method: "GET", Pattern: path, Action: action + "/Read", handle: a.listDNSAccounts, On: onAll},
		{Method: "GET", Pattern: path + "/{account}", Action: action + "/Read", handle: a.getDNSAccount, On: onAll},
		{Method: "PUT", Pattern: path + "/{account}", Action: action + "/Write", handle: a.putDNSAccount, On: onAll},
		{Method: "DELETE", Pattern: path + "/{account}", Action: action + "/Delete", handle: a.deleteDNSAccount, On: onAll},
		{Method: "POST", Pattern: path + "/{account}/test", Action: action + "/test/Action", handle: a.testDNSAccount, On: onAll},
	}
}

func (a *API) listDNSAccounts(w http.ResponseWriter, r *request) error {
	all, err := a.DNS.List(r.Context())
	if err != nil {
		return err
	}
	write(w, http.StatusOK, arm.List[order.DNSAccount]{Value: append([]order.DNSAccount{}, all...)})
	return nil
}

func (a *API) dnsAccountResources(w http.ResponseWriter, r *request) error {
	all, err := a.DNS.List(r.Context())
	return listResources(a, w, r, all, err, func(one *order.DNSAccount) (arm.Resource, error) { return arm.DNSAccountOf(*one), nil })
}

func (a *API) getDNSAccount(w http.ResponseWriter, r *request) error {
	one, err := a.DNS.Get(r.Context(), r.PathValue("account"))
	if err != nil {
		return err
	}
	write(w, http.StatusOK, one)
	return nil
}

func (a *API) dnsAccountResource(w http.ResponseWriter, r *request) error {
	one, err := a.DNS.Get(r.Context(), r.PathValue("account"))
	return answerResource(w, arm.DNSAccountOf(one), err)
}

// saveDNSAccount makes or changes an account as the body and the conditions of the request say.
func (a *API) saveDNSAccount(r *request, b arm.DNSAccountBody) (saved order.DNSAccount, status int, err error) {
	one := b.Account(r.PathValue("account"))
	one.Revision = r.generation
	saved, created, err := a.DNS.Put(r.Context(), one, secret.Bytes(b.Secret))
	if created {
		return saved, http.StatusCreated, err
	}
	return saved, http.StatusOK, err
}

func (a *API) putDNSAccount(w http.ResponseWriter, r *request) error {
	var b arm.DNSAccountBody
	if err := read(r, &b); err != nil {
		return err
	}
	saved, status, err := a.saveDNSAccount(r, b)
	if err != nil {
		return err
	}
	write(w, status, saved)
	return nil
}

func (a *API) putDNSAccountResource(w http.ResponseWriter, r *request) error {
	var b arm.DNSAccountWish
	if err := read(r, &b); err != nil {
		return err
	}
	if len(b.Tags) > 0 {
		return &order.Refusal{Kind: order.Unsuitable, Code: "TagsNotSupported", Property: "tags", Message: "Certwright keeps no tags of DNS accounts", Fix: "Leave them away"}
	}
	saved, status, err := a.saveDNSAccount(r, b.Properties)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", arm.ETag(saved.Revision))
	write(w, status, arm.DNSAccountOf(saved))
	return nil
}

func (a *API) deleteDNSAccount(w http.ResponseWriter, r *request) error {
	if err := a.DNS.Remove(r.Context(), r.PathValue("account")); err != nil {
		return err
	}
	return nothing(w, http.StatusNoContent)
}

func (a *API) testDNSAccount(w http.ResponseWriter, r *request) error {
	zones, err := a.DNS.Test(r.Context(), r.PathValue("account"))
	if err != nil {
		return err
	}
	write(w, http.StatusOK, arm.DNSAccountTest{Zones: zones})
	return nil
}
