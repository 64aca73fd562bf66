package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"certwright/internal/arm"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// maxMoved is how many resources one request may move.
const maxMoved = 800

// move moves orders and vaults to another resource group, of another subscription too; do false: it only says whether
// that could be. All are judged before any is moved. Rights hold on scopes: who had one by the former group has it no
// more. A vault keeps its name, so that nothing of it is out of sync.
func (a *API) move(do bool) handler {
	return func(w http.ResponseWriter, r *request) error {
		var body arm.MoveWish
		if err := read(r, &body); err != nil {
			return err
		}
		from, err := a.group(r)
		if err != nil {
			return err
		}
		target, err := a.target(r, body)
		if err != nil {
			return err
		}
		var ids []arm.ID
		for _, s := range body.Resources {
			id, err := a.movable(r, s, from, target)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		for _, id := range ids {
			if !do {
				break
			}
			if err := a.moveOne(r, id, target); err != nil {
				return err
			}
		}
		return nothing(w, http.StatusNoContent)
	}
}

// target is the resource group that a move goes to.
func (a *API) target(r *request, body arm.MoveWish) (order.Group, error) {
	parts := strings.Split(strings.Trim(body.Target, "/"), "/")
	switch {
	case len(body.Resources) == 0:
		return order.Group{}, required("resources", "Give the ids of orders and vaults")
	case len(body.Resources) > maxMoved:
		return order.Group{}, &order.Refusal{Kind: order.BadInput, Code: "TooManyResources", Property: "resources", Message: fmt.Sprintf("%d are too many: at most %d", len(body.Resources), maxMoved), Fix: "Move them in several requests"}
	case len(parts) != 4 || !strings.EqualFold(parts[0], "subscriptions") || !strings.EqualFold(parts[2], "resourceGroups"):
		return order.Group{}, &order.Refusal{Kind: order.BadInput, Code: "InvalidTarget", Property: "targetResourceGroup", Message: fmt.Sprintf("%q is no id of a resource group", body.Target), Fix: "Write /subscriptions/ID/resourceGroups/NAME"}
	}
	s, err := a.subscription(r.Context(), parts[1])
	if err != nil {
		return order.Group{}, err
	}
	all, err := a.Scopes.ListGroups(r.Context(), s.ID)
	if err != nil {
		return order.Group{}, err
	}
	for _, g := range all {
		if strings.EqualFold(g.Name, parts[3]) {
			return order.Group{Subscription: s.ID, Name: g.Name}, nil
		}
	}
	return order.Group{}, &order.Refusal{Kind: order.NotFound, Code: "ResourceGroupNotFound", Property: "targetResourceGroup", Message: fmt.Sprintf("there is no resource group %s", parts[3]), Fix: "Create it first"}
}

// movable judges one resource: it is there, it can be moved, and whoever asks may write it at both places.
func (a *API) movable(r *request, s string, from arm.GroupInfo, target order.Group) (arm.ID, error) {
	id, err := arm.ParseID(s)
	if err != nil || !strings.EqualFold("/subscriptions/"+id.Subscription+"/resourceGroups/"+id.Group, from.ID) {
		return id, &order.Refusal{Kind: order.BadInput, Code: "InvalidResource", Property: "resources", Message: fmt.Sprintf("%q is no id of a resource in resource group %s", s, from.Name), Fix: "Give the ids as a list of the group's resources shows them: " + from.ID + "/resources"}
	}
	at := "/subscriptions/" + target.Subscription + "/resourceGroups/" + target.Name + "/providers/" + id.Type + "/" + id.Name
	for _, scope := range []string{s, at} {
		if err := allow(r, id.Type+"/Write", scope); err != nil {
			return id, err
		}
	}
	switch {
	case strings.EqualFold(id.Type, order.Type):
		return id, a.Service.CheckMove(r.Context(), order.ID{Subscription: id.Subscription, Group: id.Group, Name: id.Name}, target.Subscription, target.Name)
	case strings.EqualFold(id.Type, order.VaultType):
		v, err := a.Vaults.LoadVault(r.Context(), id.Name)
		if errors.Is(err, secret.ErrNoVault) || err == nil && !inPath(r, v.Subscription, v.Group) {
			return id, &order.Refusal{Kind: order.NotFound, Code: "ResourceNotFound", Property: "resources", Message: fmt.Sprintf("there is no vault %s in resource group %s", id.Name, from.Name), Fix: "See those that there are at " + from.ID + "/resources"}
		}
		if err == nil && strings.EqualFold(v.Name, secret.DefaultVault) {
			return id, &order.Refusal{Kind: order.Conflict, Code: "ResourceMoveNotSupported", Property: "resources", Message: "the vault default stays where it is: orders that name none are kept in it", Fix: "Make another vault in the target group, and have orders kept there"}
		}
		return id, err
	}
	return id, &order.Refusal{Kind: order.Conflict, Code: "ResourceMoveNotSupported", Property: "resources", Message: id.Type + " cannot be moved", Fix: "Make it anew in the other group"}
}

func (a *API) moveOne(r *request, id arm.ID, target order.Group) error {
	if strings.EqualFold(id.Type, order.Type) {
		_, err := a.Service.Move(r.Context(), r.by, order.ID{Subscription: id.Subscription, Group: id.Group, Name: id.Name}, target.Subscription, target.Name)
		return err
	}
	v, err := a.Vaults.LoadVault(r.Context(), id.Name)
	if err != nil {
		return err
	}
	from, to := order.VaultAt(v.Subscription, v.Group, v.Name), order.VaultAt(target.Subscription, target.Name, v.Name)
	away := r.by.Did(from, "move/action", "vault-moved-away", a.Now(), "Moved by %s to resource group %s of subscription %s.", r.by.Caller, to.Group, to.Subscription)
	here := r.by.Did(to, "move/action", "vault-moved", a.Now(), "Moved here by %s from resource group %s of subscription %s.", r.by.Caller, from.Group, from.Subscription)
	return a.Vaults.MoveVault(r.Context(), v.Name, to.Subscription, to.Group, away, here)
}
