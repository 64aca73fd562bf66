package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"certwright/internal/arm"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/site"
)

func (a *API) webHandlers() map[string]handler {
	return map[string]handler{
		"WebApps_List": a.listWebSites, "WebApps_ListByResourceGroup": a.listWebSites, "WebApps_Get": a.getWebSite, "WebApps_CreateOrUpdate": a.putWebSite, "WebApps_Update": a.patchWebSite, "WebApps_Delete": a.deleteWebSite,
		"WebApps_ListHostNameBindings": a.listBindings, "WebApps_GetHostNameBinding": a.getBinding, "WebApps_CreateOrUpdateHostNameBinding": a.putBinding, "WebApps_DeleteHostNameBinding": a.deleteBinding,
		"Certificates_List": a.listImports, "Certificates_ListByResourceGroup": a.listImports, "Certificates_Get": a.getImport, "Certificates_CreateOrUpdate": a.putImport,
		"Certificates_Update": a.patchImport, "Certificates_Delete": a.deleteImport,
	}
}

// siteAt reads the site that a path names.
func (a *API) siteAt(r *request) (*site.Site, error) {
	s, err := a.Reader.LoadSite(r.Context(), r.scope.Subscription, r.scope.Group, r.scope.Name)
	if errors.Is(err, fulfill.ErrNotFound) {
		return nil, &order.Refusal{Kind: order.NotFound, Code: "SiteNotFound", Message: "there is no site " + r.scope.Name, Fix: "See the names with: certwright site list"}
	}
	return s, err
}

// ordersOf are the orders that deploy to a site, as they stand.
func (a *API) ordersOf(ctx context.Context, s *site.Site) ([]*order.Order, error) {
	ids, err := a.Reader.OrdersBySite(ctx, s.Subscription, s.Group, s.Name)
	if err != nil {
		return nil, err
	}
	return a.Reader.LoadOrders(ctx, ids)
}

// webSite is a site in Azure's shape.
func (a *API) webSite(ctx context.Context, s *site.Site) (arm.Resource, error) {
	bound, err := a.ordersOf(ctx, s)
	if err != nil {
		return arm.Resource{}, err
	}
	p := arm.WebSite{State: "Running", Enabled: true, HostNames: []string{}, SSLStates: []arm.SSLState{}, Provisioning: "Succeeded",
		Farm: "/subscriptions/" + s.Subscription + "/resourceGroups/" + s.Group + "/providers/Microsoft.Web/serverfarms/certwright", Webroot: s.Webroot, Targets: append([]site.Target{}, s.Targets...), Endpoints: append([]site.Endpoint{}, s.Endpoints...)}
	for _, h := range s.HostNames {
		p.HostNames = append(p.HostNames, h)
		b := binding(s, h, bound)
		p.SSLStates = append(p.SSLStates, arm.SSLState{Name: h, State: b.State, Thumbprint: b.Thumbprint, HostType: "Standard"})
	}
	p.EnabledHosts = p.HostNames
	if len(p.HostNames) > 0 {
		p.DefaultHost = p.HostNames[0]
	}
	res := siteResource(*s)
	res.Kind, res.Properties = "app", p // az webapp list leaves out what has no kind
	return res, nil
}

func (a *API) listWebSites(w http.ResponseWriter, r *request) error {
	all, err := a.Reader.ListSites(r.Context(), r.PathValue("subscription"), r.PathValue("group"))
	return listResources(a, w, r, all, err, func(s *site.Site) (arm.Resource, error) { return a.webSite(r.Context(), s) })
}

func (a *API) answerSite(w http.ResponseWriter, r *request, s *site.Site, err error) error {
	if err != nil {
		return err
	}
	res, err := a.webSite(r.Context(), s)
	return answerResource(w, res, err)
}

func (a *API) getWebSite(w http.ResponseWriter, r *request) error {
	s, err := a.siteAt(r)
	return a.answerSite(w, r, s, err)
}

// putWebSite makes a site or changes it. What a client leaves away stays: Azure's know no targets.
func (a *API) putWebSite(w http.ResponseWriter, r *request) error {
	var body arm.SiteWish
	err := readLoose(r, &body)
	if err == nil {
		err = located(body.Location)
	}
	if err != nil {
		return err
	}
	s, err := a.siteAt(r)
	s, err = foundOrNew(a, r, s, err, func() (*site.Site, error) {
		return &site.Site{Subscription: r.scope.Subscription, Group: r.scope.Group, Name: r.scope.Name, Location: body.Location}, nil // it stays there
	})
	return a.saveWebSite(w, r, s, err, body, false)
}

func (a *API) patchWebSite(w http.ResponseWriter, r *request) error {
	var body arm.SiteWish
	if err := readLoose(r, &body); err != nil {
		return err
	}
	s, err := a.siteAt(r)
	return a.saveWebSite(w, r, s, err, body, true)
}

// saveWebSite puts what a body names onto a site.
func (a *API) saveWebSite(w http.ResponseWriter, r *request, s *site.Site, err error, body arm.SiteWish, patch bool) error {
	if err != nil {
		return err
	}
	if s.Tags, err = tagged(s.Tags, body.Tags, patch); err != nil {
		return err
	}
	s.Revision = or0(r.generation, s.Revision)
	p := body.Properties
	bind, err := a.wishes(r, s, p.SSLStates)
	if err != nil {
		return err
	}
	put(p.HostNames, &s.HostNames)
	put(p.Webroot, &s.Webroot)
	put(p.Targets, &s.Targets)
	put(p.Endpoints, &s.Endpoints)
	saved, err := a.Service.SaveSite(r.Context(), r.by, *s)
	for i := range bind {
		if err == nil {
			saved, err = a.bind(r, saved, bind[i])
		}
	}
	return a.answerSite(w, r, saved, err)
}

func put[T any](from *T, to *T) {
	if from != nil {
		*to = *from
	}
}

func (a *API) deleteWebSite(w http.ResponseWriter, r *request) error {
	_, err := a.siteAt(r)
	return removed(w, err, func() error {
		return a.Service.DeleteSite(r.Context(), r.scope.Subscription, r.scope.Group, r.scope.Name)
	})
}

// binding says what a host name of a site is served with: the current version of an order that deploys there and
// covers it.
func binding(s *site.Site, host string, bound []*order.Order) arm.Binding {
	b := arm.Binding{Site: s.Name, HostType: "Verified", Resource: s.Name, Kind: "Website", State: arm.Unbound}
	for _, o := range bound {
		if v := o.First(); v != nil && covers(v.Names, host) {
			b.State, b.Thumbprint = arm.BySNI, v.Thumbprint
		}
	}
	return b
}

// covers says whether one of a certificate's names is the host's: its own, or a wildcard right above it.
func covers(names []string, host string) bool {
	_, above, _ := strings.Cut(host, ".")
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, host) || strings.EqualFold(n, "*."+above) })
}

func bindingResource(s *site.Site, host string, b arm.Binding) arm.Resource {
	at := siteResource(*s)
	return arm.Resource{ID: at.ID + "/hostNameBindings/" + host, Name: s.Name + "/" + host, Type: "Microsoft.Web/sites/hostNameBindings", Location: "Global", Properties: b}
}

func (a *API) listBindings(w http.ResponseWriter, r *request) error {
	s, err := a.siteAt(r)
	if err != nil {
		return err
	}
	bound, err := a.ordersOf(r.Context(), s)
	if err != nil {
		return err
	}
	list := arm.List[arm.Resource]{Value: []arm.Resource{}}
	for _, h := range s.HostNames {
		list.Value = append(list.Value, bindingResource(s, h, binding(s, h, bound)))
	}
	write(w, http.StatusOK, list)
	return nil
}

// hostAt finds the host name that a path names in its site.
func hostAt(s *site.Site, r *request) (string, int, error) {
	n, err := fulfill.ParseName(r.PathValue("child"))
	if err != nil {
		return "", 0, err
	}
	return n.Value, slices.IndexFunc(s.HostNames, func(h string) bool { return strings.EqualFold(h, n.Value) }), nil
}

func (a *API) getBinding(w http.ResponseWriter, r *request) error {
	s, err := a.siteAt(r)
	if err != nil {
		return err
	}
	host, i, err := hostAt(s, r)
	if err != nil {
		return err
	}
	if i < 0 {
		return &order.Refusal{Kind: order.NotFound, Code: "BindingNotFound", Message: fmt.Sprintf("site %s has no host name %s", s.Name, host), Fix: "See those that it has at its /hostNameBindings"}
	}
	return a.answerBinding(w, r, s, host)
}

func (a *API) answerBinding(w http.ResponseWriter, r *request, s *site.Site, host string) error {
	bound, err := a.ordersOf(r.Context(), s)
	if err != nil {
		return err
	}
	write(w, http.StatusOK, bindingResource(s, host, binding(s, host, bound)))
	return nil
}

// wished is what a host name of a site is to be served with; no order: with nothing.
type wished struct {
	host  string
	order *order.Order
}

// wishes reads the states that a site's body asks for, as 'az webapp config ssl bind' sends them.
func (a *API) wishes(r *request, s *site.Site, states []arm.SSLWish) ([]wished, error) {
	var list []wished
	for i, w := range states {
		if !w.Update {
			continue
		}
		n, err := fulfill.ParseName(w.Name)
		if err != nil {
			return nil, err
		}
		x, err := a.wish(r, s, n.Value, w.State, w.Thumbprint, fmt.Sprintf("properties.hostNameSslStates[%d].", i))
		if err != nil {
			return nil, err
		}
		list = append(list, x)
	}
	return list, nil
}

// wish checks what a host name is to be served with: an order whose certificate covers it, or nothing.
func (a *API) wish(r *request, s *site.Site, host, state, thumbprint, property string) (wished, error) {
	x := wished{host: host}
	var err error
	switch or(state, arm.Unbound) {
	case arm.Unbound:
	case arm.BySNI:
		x.order, err = a.orderOf(r, s, host, thumbprint, property+"thumbprint")
	case arm.ByIP:
		err = &order.Refusal{Kind: order.Unsuitable, Code: "IpBasedNotSupported", Property: property + "sslState", Message: "a site here has no address of its own that a certificate could be bound to", Fix: "Use SniEnabled; which certificate a client without SNI gets is for the server's configuration to say"}
	default:
		err = &order.Refusal{Kind: order.BadInput, Code: "UnknownSslState", Property: property + "sslState", Message: fmt.Sprintf("%q is no state of a binding", state), Fix: "Use Disabled or SniEnabled"}
	}
	return x, err
}

// bind adds a host name to a site and lets the order of its certificate deploy there, or takes the site off the orders that cover it. The
// site always gets the order's current version, whichever of them the thumbprint named.
func (a *API) bind(r *request, s *site.Site, x wished) (*site.Site, error) {
	var err error
	if !slices.ContainsFunc(s.HostNames, func(h string) bool { return strings.EqualFold(h, x.host) }) {
		s.HostNames = append(s.HostNames, x.host)
		if s, err = a.Service.SaveSite(r.Context(), r.by, *s); err != nil {
			return nil, err
		}
	}
	if x.order == nil {
		err = a.unbind(r, s, x.host)
	} else if !slices.ContainsFunc(x.order.Spec.Sites, func(n string) bool { return strings.EqualFold(n, s.Name) }) {
		_, err = a.Service.Update(r.Context(), r.by, x.order.ID, 0, func(w *fulfill.Wish) { w.Sites = append(slices.Clone(w.Sites), s.Name) })
	}
	return s, err
}

// putBinding adds a host name to a site and, with a thumbprint, binds it.
func (a *API) putBinding(w http.ResponseWriter, r *request) error {
	var body arm.BindingWish
	if err := readLoose(r, &body); err != nil {
		return err
	}
	s, err := a.siteAt(r)
	if err != nil {
		return err
	}
	host, _, err := hostAt(s, r)
	if err != nil {
		return err
	}
	x, err := a.wish(r, s, host, body.Properties.State, body.Properties.Thumbprint, "properties.")
	if err == nil {
		s, err = a.bind(r, s, x)
	}
	if err != nil {
		return err
	}
	return a.answerBinding(w, r, s, host)
}

// orderOf finds the order in the site's group whose version has a thumbprint and covers a host name.
func (a *API) orderOf(r *request, s *site.Site, host, thumbprint, property string) (*order.Order, error) {
	if thumbprint == "" {
		return nil, required(property, "Give the thumbprint of an imported certificate")
	}
	ids, err := a.Reader.OrdersBySerial(r.Context(), thumbprint)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if !strings.EqualFold(id.Subscription, s.Subscription) || !strings.EqualFold(id.Group, s.Group) {
			continue
		}
		o, err := a.Reader.LoadOrder(r.Context(), id)
		if err != nil {
			return nil, err
		}
		v := o.First()
		if v == nil {
			return nil, &order.Refusal{Kind: order.Conflict, Code: "CertificateNotStored", Property: property, Message: fmt.Sprintf("the certificate of order %s is not in its vault yet", id.Name), Fix: "See how far it is with: certwright order show " + id.Name}
		}
		if !covers(v.Names, host) {
			return nil, &order.Refusal{Kind: order.Conflict, Code: "HostNameNotCovered", Property: "name", Message: fmt.Sprintf("the certificate of order %s does not cover %s", id.Name, host), Fix: "Bind the certificate of an order that lists it"}
		}
		return o, allow(r, order.Type+"/Write", id.String())
	}
	return nil, &order.Refusal{Kind: order.NotFound, Code: "CertificateNotFound", Property: property, Message: fmt.Sprintf("no order in resource group %s has a certificate with the thumbprint %s", s.Group, thumbprint), Fix: "See the orders of this group with: certwright order list"}
}

// unbind takes a site off the orders that cover a host name of it, unless they cover another one, too.
func (a *API) unbind(r *request, s *site.Site, host string) error {
	bound, err := a.ordersOf(r.Context(), s)
	if err != nil {
		return err
	}
	for _, o := range bound {
		v := o.First()
		if v == nil || !covers(v.Names, host) || slices.ContainsFunc(s.HostNames, func(h string) bool { return !strings.EqualFold(h, host) && covers(v.Names, h) }) {
			continue
		}
		if err := allow(r, order.Type+"/Write", o.ID.String()); err != nil {
			return err
		}
		if _, err := a.Service.Update(r.Context(), r.by, o.ID, 0, func(w *fulfill.Wish) {
			w.Sites = slices.DeleteFunc(slices.Clone(w.Sites), func(n string) bool { return strings.EqualFold(n, s.Name) })
		}); err != nil {
			return err
		}
	}
	return nil
}

func (a *API) deleteBinding(w http.ResponseWriter, r *request) error {
	s, err := a.siteAt(r)
	if err != nil {
		return removed(w, err, nil)
	}
	host, i, err := hostAt(s, r)
	if err != nil {
		return err
	}
	if i < 0 {
		return nothing(w, http.StatusNoContent)
	}
	if err := a.unbind(r, s, host); err != nil {
		return err
	}
	s.HostNames = slices.Delete(s.HostNames, i, i+1)
	_, err = a.Service.SaveSite(r.Context(), r.by, *s)
	return removed(w, err, func() error { return nil })
}
