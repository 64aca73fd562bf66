package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"certwright/internal/arm"
	"certwright/internal/fulfill"
	"certwright/internal/order"
)

const orders = "AppServiceCertificateOrders_"

// certificateHandlers answer Microsoft.CertificateRegistration.
func (a *API) certificateHandlers() map[string]handler {
	return map[string]handler{
		"CertificateRegistrationProvider_ListOperations": a.certificateOperations,
		orders + "ValidatePurchaseInformation":           a.validate,
		orders + "List":                                  a.listResources,
		orders + "ListByResourceGroup":                   a.listResources,
		orders + "Get":                                   a.getOrder,
		orders + "CreateOrUpdate":                        a.putOrder,
		orders + "Update":                                a.patchOrder,
		orders + "Delete":                                a.removeOrder,
		orders + "Reissue":                               a.asked(order.CmdRekey),
		orders + "Renew":                                 a.asked(order.CmdRenew),
		orders + "VerifyDomainOwnership":                 a.verifyNow,
		orders + "ResendEmail":                           a.resendEmail,
		orders + "ResendRequestEmails":                   a.resendRequestEmails,
		orders + "RetrieveCertificateActions":            a.actions,
		orders + "RetrieveCertificateEmailHistory":       a.mails,
		orders + "RetrieveSiteSeal":                      a.seal,
		orders + "ListCertificates":                      a.listLinks,
		orders + "GetCertificate":                        a.getLink,
		orders + "CreateOrUpdateCertificate":             a.putLink,
		orders + "UpdateCertificate":                     a.patchLink,
		orders + "DeleteCertificate":                     a.deleteLink,
		"Certwright_OperationResult":                     a.orderRecorded,
		"Certwright_LinkOperationResult":                 a.linkRecorded,
		"CertificateOrdersDiagnostics_ListAppServiceCertificateOrderDetectorResponse": a.listDetectors,
		"CertificateOrdersDiagnostics_GetAppServiceCertificateOrderDetectorResponse":  a.getDetector,
	}
}

// orderRecorded is the end of the operation that recorded an order.
func (a *API) orderRecorded(w http.ResponseWriter, r *request) error {
	o, err := a.load(r)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", arm.ETag(o.Generation))
	write(w, http.StatusOK, arm.Recorded(arm.Order(o, a.Now())))
	return nil
}

// pageSize is how many resources a page of a list has.
const pageSize = 100

// listResources gives orders whole, a page at a time.
func (a *API) listResources(w http.ResponseWriter, r *request) error {
	page, err := a.listed(r, order.Query{Subscription: r.PathValue("subscription"), Group: r.PathValue("group"), After: option(r, "$skiptoken"), Limit: pageSize})
	if err != nil {
		return err
	}
	list := arm.List[arm.Resource]{Value: []arm.Resource{}}
	orders, err := a.Reader.LoadOrders(r.Context(), page.IDs())
	if err != nil {
		return err
	}
	for _, o := range orders {
		list.Value = append(list.Value, arm.Order(o, a.Now()))
	}
	if page.Next != "" {
		list.NextLink = a.link(r, r.URL.Path, url.Values{"$skiptoken": {page.Next}})
	}
	write(w, http.StatusOK, list)
	return nil
}

// readOrder reads and checks the body of a PUT or PATCH as far as that can be done without the order.
func (a *API) readOrder(r *request, whole bool) (arm.Wish, error) {
	var body arm.Wish
	bare := false // a PATCH of tags alone need not name the product
	var err error
	if whole {
		err = read(r, &body)
	} else {
		body, bare, err = readPatch(r)
	}
	if err != nil {
		return body, err
	}
	p := &body.Properties
	switch {
	case bare:
		return body, nil
	case whole && body.Location == "":
		return body, required("location", "Give \"Global\"")
	case body.Location != "" && !strings.EqualFold(body.Location, "global"):
		return body, &order.Refusal{Kind: order.BadInput, Code: "LocationNotAvailableForResourceType", Property: "location", Message: fmt.Sprintf("%q is no place of a certificate order", body.Location), Fix: "Give \"Global\""}
	case body.Name != nil && r.scope.Name != "" && !strings.EqualFold(*body.Name, r.scope.Name):
		return body, &order.Refusal{Kind: order.BadInput, Code: "NameMismatch", Property: "name", Message: fmt.Sprintf("the body is of %s, the address of %s", *body.Name, r.scope.Name), Fix: "Leave name away, or send it to its own address"}
	case p.ProductType == "":
		return body, required("properties.productType", "Give StandardDomainValidatedSsl, or StandardDomainValidatedWildCardSsl for a wildcard")
	case p.ProductType != arm.ProductStandard && p.ProductType != arm.ProductWildcard:
		return body, &order.Refusal{Kind: order.BadInput, Code: "UnknownProductType", Property: "properties.productType", Message: fmt.Sprintf("%q is no product", p.ProductType), Fix: "Give " + arm.ProductStandard + " or " + arm.ProductWildcard}
	}
	return body, nil
}

func required(property, fix string) error {
	return &order.Refusal{Kind: order.BadInput, Code: "PropertyMissing", Property: property, Message: "it is required", Fix: fix}
}

// putOrder creates an order, or changes its wish.
func (a *API) putOrder(w http.ResponseWriter, r *request) error {
	body, err := a.readOrder(r, true)
	if err != nil {
		return err
	}
	old, err := a.Reader.LoadOrder(r.Context(), r.scope)
	switch {
	case err == nil:
		return a.changeOrder(w, r, old, body)
	case !errors.Is(err, fulfill.ErrNotFound):
		return err
	}
	wish, err := a.newWish(r, body)
	if err != nil {
		return err
	}
	o, err := a.Service.Create(r.Context(), r.by, r.scope, wish)
	err = inProperties(err)
	if refusal, ok := order.AsRefusal(err); ok && refusal.Code == "OrderExists" && r.Header.Get("If-None-Match") == "" { // another request was first
		if old, err = a.load(r); err == nil {
			return a.changeOrder(w, r, old, body)
		}
	}
	if err != nil {
		return err
	}
	return a.settled(w, r, true, o.ID.String(), arm.ETag(o.Generation), arm.Order(o, a.Now()))
}

func stale(message string) error {
	return &order.Refusal{Kind: order.Stale, Code: "PreconditionFailed", Message: message, Fix: "Read it again and repeat the change"}
}

// newWish is the wish of a new order, with Azure's defaults.
func (a *API) newWish(r *request, body arm.Wish) (fulfill.Wish, error) {
	years := 1
	p := &body.Properties
	if p.Years == nil {
		p.Years = &years
	}
	w := fulfill.Wish{Spec: order.Spec{AutoRenew: true}, Duplicate: p.AllowDuplicate, CSR: csrOf(body)}
	if p.KeySize == nil && p.KeyTypes == nil && w.CSR == "" {
		w.KeyTypes = []order.KeyType{order.RSA2048}
	}
	if err := body.Apply(&w.Spec, &w.Words); err != nil {
		return w, badBody(err)
	}
	var err error
	if w.Links, err = a.links(r, nil, p.Certificates); err != nil {
		return w, err
	}
	if len(w.Links) > 0 && w.Vault == "" && w.Secret == "" {
		w.Vault, w.Secret = w.Links[0].Vault, w.Links[0].Secret
	}
	words := w.Words
	if len(words) == 0 && w.CSR != "" {
		if req, err := order.ReadRequest(w.CSR); err == nil { // what is wrong with it is said where it is used
			words = req.Words
		}
	}
	if err := product(p.ProductType, words); err != nil {
		return w, err
	}
	return w, inProperties(a.mayReach(r, nil, w.Spec))
}

// csrOf is the certificate request that a body brings; empty = none.
func csrOf(body arm.Wish) string {
	if body.Properties.CSR == nil {
		return ""
	}
	return *body.Properties.CSR
}

// badBody is an error of a body, as a refusal.
func badBody(err error) error {
	if _, ok := order.AsRefusal(err); ok || err == nil {
		return err
	}
	return &order.Refusal{Kind: order.BadInput, Code: "InvalidBody", Message: err.Error(), Fix: "See what there is in /openapi.json"}
}

// product refuses names that Azure's product does not cover, as whoever ordered it would not get what they think.
func product(given string, words []string) error {
	wild := false
	for _, n := range words {
		wild = wild || strings.HasPrefix(n, "*.")
		if strings.HasPrefix(n, "*.") && given != arm.ProductWildcard {
			return &order.Refusal{Kind: order.BadInput, Code: "ProductMismatch", Property: "properties.productType", Message: fmt.Sprintf("%s does not cover %s", given, n), Fix: "Give " + arm.ProductWildcard}
		}
	}
	if !wild && len(words) > 0 && given != arm.ProductStandard {
		return &order.Refusal{Kind: order.BadInput, Code: "ProductMismatch", Property: "properties.productType", Message: fmt.Sprintf("%s is for wildcards, and no name is one", given), Fix: "Give " + arm.ProductStandard + ", or a name such as *." + words[0]}
	}
	return nil
}

// inProperties names a property of a wish as the body has it.
func inProperties(err error) error {
	r, ok := order.AsRefusal(err)
	if !ok || !arm.IsWished(r.Property) {
		return err
	}
	named := *r
	named.Property = "properties." + r.Property
	return &named
}

func (a *API) patchOrder(w http.ResponseWriter, r *request) error {
	body, err := a.readOrder(r, false)
	if err != nil {
		return err
	}
	o, err := a.load(r)
	if err != nil {
		return err
	}
	if o, err = a.change(r, o, body, true); err != nil {
		return err
	}
	return a.answer(w, http.StatusOK, o)
}

func (a *API) changeOrder(w http.ResponseWriter, r *request, old *order.Order, body arm.Wish) error {
	o, err := a.change(r, old, body, false)
	if err != nil {
		return err
	}
	return a.settled(w, r, false, o.ID.String(), arm.ETag(o.Generation), arm.Order(o, a.Now()))
}

// change writes what the body names over the wish of an order. What a client that does not know a property leaves
// away stays as it is. merge: links that are not named stay too.
func (a *API) change(r *request, old *order.Order, body arm.Wish, merge bool) (*order.Order, error) {
	if err := body.Fixed(old); err != nil {
		return nil, err
	}
	spec, words := order.Spec{KeyTypes: old.Spec.KeyTypes}, []string{"x"}
	if err := body.Apply(&spec, &words); err != nil {
		return nil, badBody(err)
	}
	p := body.Properties
	if p.Names != nil {
		if err := product(p.ProductType, *p.Names); err != nil {
			return nil, err
		}
	}
	before := old.Spec.Links
	if !merge {
		before = nil
	}
	links, err := a.links(r, before, p.Certificates)
	if err != nil {
		return nil, err
	}
	// The link that is there of itself, sent back by a client that has read it, is no wish.
	links = slices.DeleteFunc(links, func(l order.Link) bool {
		return strings.EqualFold(l.Name, old.ID.Name) && old.Own(&l) && old.Link(l.Name) == nil
	})
	if err := a.mayReachBy(r, body); err != nil {
		return nil, inProperties(err)
	}
	o, err := a.Service.Update(r.Context(), r.by, r.scope, r.generation, func(w *fulfill.Wish) {
		_ = body.Apply(&w.Spec, &w.Words) // it was applied already: it cannot fail
		if p.Certificates != nil {
			w.Links = links
		}
	})
	return o, inProperties(err)
}

// removeFor is how long a DELETE waits for an order to be gone. Revoking takes an authority a moment; where it takes
// longer, the order is there until then, and says that it is Deleting.
const removeFor = 10 * time.Second

// removeOrder deletes an order; one that is not there is as good as deleted.
func (a *API) removeOrder(w http.ResponseWriter, r *request) error {
	_, err := a.Reader.LoadOrder(r.Context(), r.scope)
	switch {
	case errors.Is(err, fulfill.ErrNotFound):
		return nothing(w, http.StatusNoContent)
	case err != nil:
		return err
	}
	force := r.URL.Query().Get("force") == "true" || r.URL.Query().Get("forceDelete") == "true"
	if _, err := a.Service.Delete(r.Context(), r.by, r.scope, force); err != nil {
		if refusal, ok := order.AsRefusal(err); ok && refusal.Kind == order.NotFound {
			return nothing(w, http.StatusNoContent)
		}
		return err
	}
	if err := a.gone(r.Context(), r.scope); err != nil {
		return err
	}
	return nothing(w, http.StatusOK)
}

// gone waits until an order is there no more, or for a while.
func (a *API) gone(ctx context.Context, id order.ID) error {
	ctx, cancel := context.WithTimeout(ctx, removeFor)
	defer cancel()
	elsewhere := time.NewTicker(200 * time.Millisecond) // what another replica commits rings no bell here
	defer elsewhere.Stop()
	for {
		changed := a.Reader.Changed()
		_, err := a.Reader.LoadOrder(ctx, id)
		if errors.Is(err, fulfill.ErrNotFound) || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-changed:
		case <-elsewhere.C:
		case <-ctx.Done():
			return nil
		}
	}
}
