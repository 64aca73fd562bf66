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
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// links are the links of a wish: those from before, changed by what a body names. A link that is null goes.
func (a *API) links(r *request, before []order.Link, given map[string]*arm.LinkBody) ([]order.Link, error) {
	list := slices.Clone(before)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		i := slices.IndexFunc(list, func(l order.Link) bool { return strings.EqualFold(l.Name, name) })
		if given[name] == nil {
			if i >= 0 {
				list = slices.Delete(list, i, i+1)
			}
			continue
		}
		l := order.Link{Name: name}
		if i >= 0 {
			l = list[i]
		}
		was := l
		l, err := a.linkOf(r.Context(), "properties.certificates."+name, l, *given[name])
		if err == nil && l != was {
			err = a.mayKeep(r, l, "properties.certificates."+name)
		}
		if err != nil {
			return nil, err
		}
		if i >= 0 {
			list[i] = l
		} else {
			list = append(list, l)
		}
	}
	return list, nil
}

// linkOf changes a link by what a body names, and checks it.
func (a *API) linkOf(ctx context.Context, property string, l order.Link, b arm.LinkBody) (order.Link, error) {
	if b.KeyVaultID != nil {
		l.VaultID = *b.KeyVaultID
	}
	if b.KeyVaultSecretName != nil {
		l.Secret = *b.KeyVaultSecretName
	}
	switch {
	case l.VaultID == "":
		return l, required(property+".keyVaultId", "Give the id of a vault: /subscriptions/.../providers/Microsoft.KeyVault/vaults/NAME")
	case l.Secret == "":
		return l, required(property+".keyVaultSecretName", "Give the name of a secret")
	}
	bad := func(message, fix string) error {
		return &order.Refusal{Kind: order.BadInput, Code: "InvalidKeyVaultId", Property: property + ".keyVaultId", Message: message, Fix: fix}
	}
	id, err := arm.ParseID(l.VaultID)
	if err != nil || !strings.EqualFold(id.Type, order.VaultType) {
		return l, bad(fmt.Sprintf("%q is no id of a vault", l.VaultID), "It has the form /subscriptions/.../resourceGroups/.../providers/Microsoft.KeyVault/vaults/NAME")
	}
	row, err := a.Vaults.LoadVault(ctx, id.Name)
	if errors.Is(err, secret.ErrNoVault) {
		return l, bad(fmt.Sprintf("there is no vault %s", id.Name), "Create it first, or use the vault default: "+arm.VaultID(order.Short(""), fulfill.DefaultVault))
	}
	if err != nil {
		return l, err
	}
	if !strings.EqualFold(row.Subscription, id.Subscription) || !strings.EqualFold(row.Group, id.Group) {
		return l, bad(fmt.Sprintf("the vault %s is not in this subscription and resource group", row.Name), "Its id is "+arm.VaultID(order.ID{Subscription: row.Subscription, Group: row.Group}, row.Name))
	}
	l.Vault = row.Name
	return l, nil
}

// mayKeep refuses a link, of a property of a body, to a vault that the caller may not write to, and to a secret of another order.
func (a *API) mayKeep(r *request, l order.Link, property string) error {
	row, err := a.Vaults.LoadVault(r.Context(), l.Vault)
	if err != nil {
		return err
	}
	if err := allowIn(r, row, "Microsoft.KeyVault/vaults/secrets/Write", secret.MaySet); err != nil {
		return err
	}
	return a.ownSecret(r, l.Vault, l.Secret, property+".keyVaultSecretName")
}

func (a *API) listLinks(w http.ResponseWriter, r *request) error {
	o, err := a.load(r)
	if err != nil {
		return err
	}
	list := arm.List[arm.Resource]{Value: arm.Links(o, a.Now())}
	if list.Value == nil {
		list.Value = []arm.Resource{}
	}
	write(w, http.StatusOK, list)
	return nil
}

// linkAt finds the link that a route names.
func (a *API) linkAt(o *order.Order, name string) (arm.Resource, error) {
	for _, l := range arm.Links(o, a.Now()) {
		if strings.EqualFold(l.Name, name) {
			return l, nil
		}
	}
	return arm.Resource{}, &order.Refusal{Kind: order.NotFound, Code: "LinkNotFound", Message: fmt.Sprintf("order %s has no link %s to a vault", o.ID.Name, name), Fix: "See those that there are at " + o.ID.String() + "/certificates"}
}

// askedLink is the link that a request is about.
func (a *API) askedLink(r *request) (arm.Resource, error) {
	o, err := a.load(r)
	if err != nil {
		return arm.Resource{}, err
	}
	return a.linkAt(o, r.PathValue("child"))
}

func (a *API) getLink(w http.ResponseWriter, r *request) error {
	l, err := a.askedLink(r)
	return answerResource(w, l, err)
}

// linkRecorded is the end of the operation that recorded a link.
func (a *API) linkRecorded(w http.ResponseWriter, r *request) error {
	l, err := a.askedLink(r)
	if err != nil {
		return err
	}
	write(w, http.StatusOK, arm.Recorded(l))
	return nil
}

func (a *API) putLink(w http.ResponseWriter, r *request) error {
	var body arm.LinkWish
	if err := read(r, &body); err != nil {
		return err
	}
	if body.Location == nil {
		return required("location", "Give \"Global\"")
	}
	o, err := a.load(r)
	if err != nil {
		return err
	}
	created := o.Link(r.PathValue("child")) == nil
	l, err := a.saveLink(r, o, body.Properties, false)
	if err != nil {
		return err
	}
	return a.settled(w, r, created, l.ID, l.ETag, l)
}

func (a *API) patchLink(w http.ResponseWriter, r *request) error {
	var body arm.LinkWish
	if err := read(r, &body); err != nil {
		return err
	}
	o, err := a.load(r)
	if err != nil {
		return err
	}
	if _, err := a.linkAt(o, r.PathValue("child")); err != nil {
		return err
	}
	l, err := a.saveLink(r, o, body.Properties, true)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", l.ETag)
	write(w, http.StatusOK, l)
	return nil
}

// saveLink makes or changes a link of an order. merge: what the body does not name stays.
func (a *API) saveLink(r *request, o *order.Order, b arm.LinkBody, merge bool) (arm.Resource, error) {
	name := r.PathValue("child")
	if o.Kind == order.Watched {
		return arm.Resource{}, &order.Refusal{Kind: order.Conflict, Code: "OnlyWatched", Message: fmt.Sprintf("order %s is only watched: there is nothing to keep in a vault", o.ID.Name), Fix: "Order the certificate, or import it with its key: certwright order import"}
	}
	was := order.Link{Name: name}
	if l := o.Link(name); merge && l != nil {
		was = *l
	} else if merge { // the link that is there of itself, to the order's own secret
		was.VaultID, was.Secret = arm.VaultID(o.ID, o.Spec.Vault), o.SecretName()
	}
	l, err := a.linkOf(r.Context(), "properties", was, b)
	if err != nil {
		return arm.Resource{}, err
	}
	if old := o.Link(name); old == nil || *old != l {
		if err := a.mayKeep(r, l, "properties"); err != nil {
			return arm.Resource{}, err
		}
	}
	saved, err := a.Service.Update(r.Context(), r.by, r.scope, r.generation, func(w *fulfill.Wish) {
		i := slices.IndexFunc(w.Links, func(x order.Link) bool { return strings.EqualFold(x.Name, name) })
		if w.Links = slices.Clone(w.Links); i >= 0 {
			l.Name = w.Links[i].Name
			w.Links[i] = l
		} else {
			w.Links = append(w.Links, l)
		}
	})
	if err != nil {
		return arm.Resource{}, err
	}
	return a.linkAt(saved, name)
}

// deleteLink forgets a link. What its secret holds stays in the vault.
func (a *API) deleteLink(w http.ResponseWriter, r *request) error {
	o, err := a.Reader.LoadOrder(r.Context(), r.scope)
	if errors.Is(err, fulfill.ErrNotFound) {
		return nothing(w, http.StatusNoContent)
	}
	if err != nil {
		return err
	}
	name := r.PathValue("child")
	if o.Link(name) == nil {
		if _, err := a.linkAt(o, name); err == nil {
			return &order.Refusal{Kind: order.Conflict, Code: "OwnSecret", Message: fmt.Sprintf("%s is the order's own secret, without which it could keep no certificate", name), Fix: "Add a link of another name instead, or delete the order"}
		}
		return nothing(w, http.StatusNoContent)
	}
	if _, err := a.Service.Update(r.Context(), r.by, r.scope, r.generation, func(w *fulfill.Wish) {
		w.Links = slices.DeleteFunc(slices.Clone(w.Links), func(l order.Link) bool { return strings.EqualFold(l.Name, name) })
	}); err != nil {
		return err
	}
	return nothing(w, http.StatusOK)
}
