package api

import (
	"net/http"

	"certwright/internal/arm"
	"certwright/internal/order"
)

// syncGroup syncs the orders of a subscription or group that the caller's scope covers, a page a call.
func (a *API) syncGroup(w http.ResponseWriter, r *request) error {
	v := r.URL.Query()
	return a.syncMany(w, r, order.Query{Subscription: or(r.PathValue("subscription"), v.Get("subscription")), Group: or(r.PathValue("group"), v.Get("group"))})
}

// syncSite syncs the orders of a site.
func (a *API) syncSite(w http.ResponseWriter, r *request) error {
	s, err := a.siteAt(r)
	if err != nil {
		return err
	}
	return a.syncMany(w, r, order.Query{Subscription: s.Subscription, Group: s.Group, Site: s.Name})
}

// syncMany asks the orders of a page to sync, each as if it had been asked alone: what one cannot be asked for is said
// of that one, and the others go on.
func (a *API) syncMany(w http.ResponseWriter, r *request, q order.Query) error {
	q.After, q.Limit = r.URL.Query().Get("$skiptoken"), pageSize
	page, err := a.listed(r, q)
	if err != nil {
		return err
	}
	done := arm.Synced{Asked: []string{}, Refused: []arm.NotSynced{}, Next: page.Next}
	for _, s := range page.Orders {
		err := allow(r, order.Type+"/sync/Action", s.ID.String())
		if err == nil {
			_, err = a.Service.Sync(r.Context(), r.by, s.ID)
		}
		refusal, refused := order.AsRefusal(err)
		switch {
		case refused:
			done.Refused = append(done.Refused, arm.NotSynced{ID: s.ID.String(), Reason: refusal})
		case err != nil:
			return err
		default:
			done.Asked = append(done.Asked, s.ID.String())
		}
	}
	write(w, http.StatusOK, done)
	return nil
}
