package api

import (
	"fmt"
	"html"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/fulfill"
	"certwright/internal/order"
)

// certificateOperations lists every action of the provider, as role definitions are made of them.
func (a *API) certificateOperations(w http.ResponseWriter, _ *request) error {
	list := arm.List[arm.Described]{Value: []arm.Described{}}
	var seen []string
	for _, t := range arm.Registry() {
		if t.Provider != order.Provider {
			continue
		}
		for _, o := range t.Operations {
			if o.Action == "" || slices.Contains(seen, o.Action) {
				continue
			}
			seen = append(seen, o.Action)
			list.Value = append(list.Value, arm.Described{Name: o.Action, Origin: "user,system", Display: arm.Display{Provider: "Certwright certificates", Resource: or(t.Name, "provider"), Operation: o.Text, Description: o.Text}})
		}
	}
	write(w, http.StatusOK, list)
	return nil
}

// validate says whether an order would be taken: 204, or the refusal that it would meet.
func (a *API) validate(w http.ResponseWriter, r *request) error {
	body, err := a.readOrder(r, true)
	if err != nil {
		return err
	}
	if body.Name != nil {
		r.scope.Name = *body.Name
	}
	groups, err := a.groupsFor(r, body)
	for _, g := range groups {
		if err = a.check(r, g, body); err == nil {
			break // in one of them it would be taken
		}
	}
	if err != nil {
		return err
	}
	return nothing(w, http.StatusNoContent)
}

// check says whether an order would be taken in a group; empty = in whichever.
func (a *API) check(r *request, group string, body arm.Wish) error {
	r.scope.Group = or(group, order.DefaultGroup)
	wish, err := a.newWish(r, body)
	if err != nil {
		return err
	}
	return a.Service.Check(r.Context(), order.ID{Subscription: r.scope.Subscription, Group: group, Name: or(r.scope.Name, "new")}, wish)
}

// groupsFor are the groups that an order could be meant for whose body is to be validated: that of ?resourceGroup= or of the body's id, else those
// that have all its sites, as an order's sites are in its group. An empty one stands for whichever.
func (a *API) groupsFor(r *request, body arm.Wish) ([]string, error) {
	if g := r.URL.Query().Get("resourceGroup"); g != "" {
		return []string{g}, nil
	}
	if body.ID != nil {
		if id, err := arm.ParseID(*body.ID); err == nil {
			return []string{id.Group}, nil
		}
	}
	if body.Properties.Sites == nil || len(*body.Properties.Sites) == 0 {
		return []string{""}, nil
	}
	all, err := a.Reader.ListSites(r.Context(), r.scope.Subscription, "")
	if err != nil {
		return nil, err
	}
	here := map[string][]string{}
	for _, s := range all {
		if auth.Covers(r.who.Scope, siteResource(s).ID) {
			here[s.Group] = append(here[s.Group], s.Name)
		}
	}
	var groups []string
	for _, g := range slices.Sorted(maps.Keys(here)) {
		if !slices.ContainsFunc(*body.Properties.Sites, func(n string) bool {
			return !slices.ContainsFunc(here[g], func(s string) bool { return strings.EqualFold(s, n) })
		}) {
			groups = append(groups, g)
		}
	}
	if len(groups) == 0 {
		return nil, &order.Refusal{Kind: order.Unsuitable, Code: "SiteNotFound", Property: "properties.sites", Message: fmt.Sprintf("no resource group of subscription %s has %s", r.scope.Subscription, strings.Join(*body.Properties.Sites, ", ")), Fix: "Make them in the group that the order is to be in, or name the group with ?resourceGroup="}
	}
	return groups, nil
}

func (a *API) verifyNow(w http.ResponseWriter, r *request) error {
	if _, err := a.Service.Verify(r.Context(), r.by, r.scope); err != nil {
		return err
	}
	return nothing(w, http.StatusNoContent)
}

// taken are Azure's words for our events.
var taken = map[string]string{
	"created": "CertificateOrderCreated", "imported": "CertificateOrderCreated", "watched": "CertificateOrderCreated", "ordered-again": "CertificateOrderCreated",
	"name-verified": "DomainValidationComplete", "issued": "CertificateIssued", "brought": "CertificateIssued",
	"canceled": "CertificateOrderCanceled", "denied": "CertificateOrderCanceled", "revoked": "CertificateRevoked", "version-revoked": "CertificateRevoked", "expired": "CertificateExpired",
}

// eventsOf are the events of an order with one of the names, newest first.
func (a *API) eventsOf(r *request, wanted func(name string) bool) ([]order.Event, error) {
	if _, err := a.load(r); err != nil {
		return nil, err
	}
	all, _, err := a.Reader.Events(r.Context(), order.EventQuery{Order: &r.scope, Limit: 1000})
	return slices.DeleteFunc(all, func(e order.Event) bool { return !wanted(e.Name) }), err
}

// actions tells in Azure's words what happened to an order: a bare array.
func (a *API) actions(w http.ResponseWriter, r *request) error {
	events, err := a.eventsOf(r, func(name string) bool { return taken[name] != "" })
	if err != nil {
		return err
	}
	list := []arm.ActionTaken{}
	for _, e := range events {
		list = append(list, arm.Took(taken[e.Name], e.At))
	}
	write(w, http.StatusOK, list)
	return nil
}

// mails lists whom mails of the order went to: a bare array.
func (a *API) mails(w http.ResponseWriter, r *request) error {
	events, err := a.eventsOf(r, func(name string) bool { return name == order.NoticeSent })
	if err != nil {
		return err
	}
	list := []arm.Mail{}
	for _, e := range events {
		for _, to := range strings.Split(e.Properties["to"], ", ") {
			list = append(list, arm.Sent(to, e.At))
		}
	}
	write(w, http.StatusOK, list)
	return nil
}

// seal gives a snippet of HTML that names the certificate. It has no script and no address of others.
func (a *API) seal(w http.ResponseWriter, r *request) error {
	var body arm.SealWish
	if err := read(r, &body); err != nil {
		return err
	}
	o, err := a.load(r)
	if err != nil {
		return err
	}
	v := o.First()
	if v == nil || !v.NotAfter.After(a.Now()) {
		return &order.Refusal{Kind: order.Conflict, Code: "NothingIssued", Message: fmt.Sprintf("order %s has no certificate that is valid now: there is nothing to show", o.ID.Name), Fix: "See what it waits for with: certwright order show " + o.ID.Name}
	}
	ink, paper := "#f5f5f5", "#1d2433"
	if body.Light != nil && *body.Light {
		ink, paper = paper, ink
	}
	text := fmt.Sprintf("%s: certificate %s by %s, valid until %s", strings.Join(v.Names, ", "), v.Serial, v.IssuedBy, v.NotAfter.UTC().Format(time.DateOnly))
	lang := ""
	if body.Locale != nil && *body.Locale != "" {
		lang = ` lang="en" data-locale="` + html.EscapeString(*body.Locale) + `"` // the words are English, whatever was asked for
	}
	write(w, http.StatusOK, arm.Seal{HTML: `<span` + lang + ` style="display:inline-block;padding:.4em .8em;border-radius:.3em;color:` + ink + `;background:` + paper + `">` + html.EscapeString(text) + `</span>`})
	return nil
}

func (a *API) resendEmail(w http.ResponseWriter, r *request) error { return a.mail(w, r, "") }

func (a *API) resendRequestEmails(w http.ResponseWriter, r *request) error {
	var body arm.Named
	if err := read(r, &body); err != nil {
		return err
	}
	return a.mail(w, r, body.Name)
}

// mail sends what has to be published for a name, or for all, to whom the server's configuration tells by mail.
func (a *API) mail(w http.ResponseWriter, r *request, name string) error {
	o, err := a.load(r)
	if err != nil {
		return err
	}
	if name != "" {
		n, err := fulfill.ParseName(name)
		if err != nil {
			return err
		}
		if o.Identifier(n.Value) == nil {
			return &order.Refusal{Kind: order.BadInput, Code: "NameNotInOrder", Property: "name", Message: fmt.Sprintf("order %s has no name %s", o.ID.Name, name), Fix: "Give one of its names: " + strings.Join(o.Names(), ", ")}
		}
		name = n.Value
	}
	if err := a.Mail(r.Context(), r.by, o, name); err != nil {
		return err
	}
	return nothing(w, http.StatusNoContent)
}
