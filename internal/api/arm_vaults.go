package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// Vaults are the rows of the built-in vaults: the store.
type Vaults interface {
	// LoadVault reads a vault that is not deleted, LoadDeletedVault one that is. secret.ErrNoVault.
	LoadVault(ctx context.Context, vault string) (secret.VaultRow, error)
	LoadDeletedVault(ctx context.Context, vault string) (secret.VaultRow, error)
	ListVaults(ctx context.Context) ([]secret.VaultRow, error)
	ListDeletedVaults(ctx context.Context) ([]secret.VaultRow, error)
	// SaveVault makes one. fulfill.ErrExists if the name is taken, by a deleted one too.
	SaveVault(ctx context.Context, v secret.VaultRow, told ...order.Event) error
	// ChangeVault changes one as it is at that moment. What is done to a vault is recorded with it: told, or what edit gives.
	ChangeVault(ctx context.Context, vault string, edit func(*secret.VaultRow) ([]order.Event, error)) (secret.VaultRow, error)
	MoveVault(ctx context.Context, vault, subscription, group string, told ...order.Event) error
	DeleteVault(ctx context.Context, vault string, d secret.Deleted, told ...order.Event) error
	RecoverVault(ctx context.Context, vault string, told ...order.Event) error
	PurgeVault(ctx context.Context, vault string, told ...order.Event) error
}

// vaultName is Key Vault's rule: a name is a label of the vault's host name.
var vaultName = regexp.MustCompile(`^[A-Za-z](?:[A-Za-z0-9]|-[A-Za-z0-9]){2,23}$`)

func (a *API) vaultHandlers() map[string]handler {
	return map[string]handler{"Vaults_List": a.listVaults, "Vaults_ListByResourceGroup": a.listVaults, "Vaults_Get": a.getVault,
		"Vaults_CreateOrUpdate": a.putVault, "Vaults_Update": a.patchVault, "Vaults_Delete": a.deleteVault, "Vaults_UpdateAccessPolicy": a.putPolicies,
		"Vaults_ListDeleted": a.listDeletedVaults, "Vaults_GetDeleted": a.getDeletedVault, "Vaults_PurgeDeleted": a.purgeVault, "Vaults_CheckNameAvailability": a.checkVaultName,
		"Certwright_grantVaultAccess": a.ownAccess((*secret.VaultSettings).Grant), "Certwright_withdrawVaultAccess": a.ownAccess((*secret.VaultSettings).Withdraw)}
}

func (a *API) vaultResource(v secret.VaultRow) arm.Resource {
	p := arm.Vault{Tenant: auth.Tenant, SKU: arm.SKU{Family: "A", Name: "standard"}, RBAC: !v.ByPolicy, SoftDelete: true, Retention: v.SoftDelete, PurgeProtection: v.PurgeProtection,
		Policies: arm.PoliciesOf(v.Policies, auth.Tenant), Network: "Enabled", Provisioning: "Succeeded"}
	if u, err := url.Parse(a.Public); err == nil && a.VaultSuffix != "" {
		p.URI = "https://" + strings.ToLower(v.Name) + "." + a.VaultSuffix
		if u.Port() != "" {
			p.URI += ":" + u.Port()
		}
		p.URI += "/"
	}
	for _, own := range secret.Own {
		right := secret.MaySet
		if own == secret.Fetcher {
			right = secret.MayGet
		}
		p.Own = append(p.Own, arm.OwnPrincipal{ID: own.ID, Name: own.Name, Does: own.Does, Allowed: v.Admits(own, right)})
	}
	return arm.Resource{ID: vaultScope(v), Name: v.Name, Type: order.VaultType, Location: or(v.Location, "Global"), Tags: v.Tags, Properties: p}
}

func (a *API) listVaults(w http.ResponseWriter, r *request) error {
	all, err := a.Vaults.ListVaults(r.Context())
	return listResources(a, w, r, inPathAlone(r, all), err, func(v *secret.VaultRow) (arm.Resource, error) { return a.vaultResource(*v), nil })
}

// inPathAlone are those of the vaults that lie in the subscription, and group, that a path names.
func inPathAlone(r *request, all []secret.VaultRow) (out []secret.VaultRow) {
	for _, v := range all {
		if inPath(r, v.Subscription, v.Group) {
			out = append(out, v)
		}
	}
	return out
}

// vaultAt reads the vault that a path names; one of that name elsewhere is not it.
func (a *API) vaultAt(r *request) (secret.VaultRow, error) {
	v, err := a.Vaults.LoadVault(r.Context(), r.scope.Name)
	return vaultIn(r, v, err)
}

func vaultIn(r *request, v secret.VaultRow, err error) (secret.VaultRow, error) {
	if err == nil && !inPath(r, v.Subscription, v.Group) {
		err = secret.ErrNoVault
	}
	if errors.Is(err, secret.ErrNoVault) {
		return v, &order.Refusal{Kind: order.NotFound, Code: "ResourceNotFound", Message: fmt.Sprintf("there is no vault %s in resource group %s", r.scope.Name, r.scope.Group), Fix: "A deleted one is in: certwright vault deleted"}
	}
	return v, err
}

func (a *API) getVault(w http.ResponseWriter, r *request) error {
	v, err := a.vaultAt(r)
	return answerResource(w, a.vaultResource(v), err)
}

func (a *API) putVault(w http.ResponseWriter, r *request) error {
	body, err := readVault(r)
	if err == nil {
		err = located(body.Location)
	}
	if err != nil {
		return err
	}
	v, err := a.vaultAt(r)
	if strings.EqualFold(body.Properties.Mode, "recover") {
		return a.recoverVault(w, r, v, err)
	}
	if missing(err) {
		return a.createVault(w, r, body)
	}
	if err != nil {
		return err
	}
	return a.changeVault(w, r, body)
}

func (a *API) patchVault(w http.ResponseWriter, r *request) error {
	body, err := readVault(r)
	if err == nil {
		_, err = a.vaultAt(r)
	}
	if err != nil {
		return err
	}
	return a.changeVault(w, r, body)
}

// createVault makes a vault. Certwright's own principals may use it, unless the body says otherwise of them.
func (a *API) createVault(w http.ResponseWriter, r *request, body arm.VaultWish) error {
	if !vaultName.MatchString(r.scope.Name) {
		return &order.Refusal{Kind: order.BadInput, Code: "VaultNameNotValid", Property: "name", Message: fmt.Sprintf("%q is no name of a vault", r.scope.Name), Fix: "Use 3 to 24 letters, digits and single '-', beginning with a letter: it becomes a part of a host name"}
	}
	if _, err := a.group(r); err != nil {
		return err
	}
	if err := a.active(r); err != nil {
		return err
	}
	v := secret.VaultRow{Name: r.scope.Name, Subscription: r.scope.Subscription, Group: r.scope.Group, SoftDelete: 90, Created: a.Now().UTC().Truncate(time.Millisecond)}
	v.ByPolicy = body.Properties.RBAC == nil && body.Properties.Policies != nil && len(*body.Properties.Policies) > 0
	if err := applyVault(&v, body, false); err != nil {
		return err
	}
	if v.ByPolicy { // nothing has a role in it: a switch to roles takes all rights away, as in Azure
		for _, p := range secret.Own {
			if v.NoRole = append(v.NoRole, p.ID); v.Policy(p.ID) == nil {
				v.Grant(p.ID)
			}
		}
	}
	err := a.Vaults.SaveVault(r.Context(), v, a.did(r, v, "write", "vault-created", "Made by %s; %s say who may do what in it.", r.by.Caller, model(v)))
	if errors.Is(err, fulfill.ErrExists) {
		return a.nameTaken(r.Context(), v.Name)
	}
	return answerResource(w, a.vaultResource(v), err)
}

// did is the event of what was done to a vault.
func (a *API) did(r *request, v secret.VaultRow, operation, name, text string, args ...any) order.Event {
	return r.by.Did(order.VaultAt(v.Subscription, v.Group, v.Name), operation, name, a.Now(), text, args...)
}

// model says in a word who says what may be done in a vault.
func model(v secret.VaultRow) string {
	if v.ByPolicy {
		return "access policies"
	}
	return "roles"
}

// nameTaken says by what a vault's name is taken.
func (a *API) nameTaken(ctx context.Context, name string) error {
	if v, err := a.Vaults.LoadDeletedVault(ctx, name); err == nil {
		return &order.Refusal{Kind: order.Conflict, Code: "ConflictError", Property: "name", Message: fmt.Sprintf("a vault with the name %s exists already in deleted state", v.Name),
			Fix: fmt.Sprintf("Recover it (createMode recover, or: certwright vault recover --vault %s), or purge it (certwright vault purge --vault %s), or choose another name", v.Name, v.Name)}
	}
	return &order.Refusal{Kind: order.Conflict, Code: "VaultAlreadyExists", Property: "name", Message: fmt.Sprintf("the name %s is taken: vaults have one name in the whole service", name), Fix: "Choose another name"}
}

// changeVault changes a vault by what a body names; the rest stays.
func (a *API) changeVault(w http.ResponseWriter, r *request, body arm.VaultWish) error {
	return a.edit(w, r, func(v *secret.VaultRow) error {
		if b := body.Properties.RBAC; b != nil && *b == v.ByPolicy {
			if err := allow(r, "Microsoft.Authorization/roleAssignments/Write", vaultScope(*v)); err != nil { // as in Azure: it gives and takes rights of everybody
				return err
			}
		}
		return applyVault(v, body, r.Method == http.MethodPatch)
	})
}

// edit changes the vault that a path names, tells the orders in it where rights are others then, and answers with it.
func (a *API) edit(w http.ResponseWriter, r *request, how func(*secret.VaultRow) error) error {
	v, err := a.edited(r, how)
	return answerResource(w, a.vaultResource(v), err)
}

func (a *API) edited(r *request, how func(*secret.VaultRow) error) (secret.VaultRow, error) {
	v, err := a.vaultAt(r)
	if err != nil {
		return v, err
	}
	var before secret.VaultRow
	v, err = a.Vaults.ChangeVault(r.Context(), v.Name, func(row *secret.VaultRow) ([]order.Event, error) {
		before = *row
		if err := how(row); err != nil {
			return nil, err
		}
		what := vaultChanged(before, *row)
		if what == "" { // the same again is no change
			return nil, nil
		}
		return []order.Event{a.did(r, *row, "write", "vault-updated", "Changed by %s: %s.", r.by.Caller, what)}, nil
	})
	if err != nil {
		return v, err
	}
	if what := rightsChanged(before, v); what != "" {
		a.Plane.VaultChanged(r.Context(), r.by, v.Name, what)
	}
	return v, nil
}

// deleteVault soft-deletes a vault with all that it holds.
func (a *API) deleteVault(w http.ResponseWriter, r *request) error {
	v, err := a.vaultAt(r)
	return removed(w, err, func() error {
		if strings.EqualFold(v.Name, secret.DefaultVault) {
			return &order.Refusal{Kind: order.Conflict, Code: "VaultInUse", Message: "the vault default is always there: orders that name none are kept in it"}
		}
		now := a.Now()
		purge := now.AddDate(0, 0, v.SoftDelete)
		e := a.did(r, v, "delete", "vault-deleted", "Deleted by %s with all that it holds; it can be recovered until %s.", r.by.Caller, purge.UTC().Format(time.RFC3339))
		e.Level = order.Warning
		err := a.Vaults.DeleteVault(r.Context(), v.Name, secret.Deleted{At: now, Purge: purge}, e)
		if err == nil {
			a.Plane.VaultChanged(r.Context(), r.by, v.Name, "soft-deleted with all that it holds")
		} else if errors.Is(err, secret.ErrNoVault) {
			err = nil // somebody was faster
		}
		return err
	})
}

// recoverVault undoes a deletion (createMode recover). A vault that is there is recovered already.
func (a *API) recoverVault(w http.ResponseWriter, r *request, v secret.VaultRow, err error) error {
	if !missing(err) {
		return answerResource(w, a.vaultResource(v), err)
	}
	v, err = a.Vaults.LoadDeletedVault(r.Context(), r.scope.Name)
	if v, err = vaultIn(r, v, err); missing(err) {
		return &order.Refusal{Kind: order.NotFound, Code: "DeletedVaultNotFound", Message: fmt.Sprintf("there is no deleted vault %s in resource group %s", r.scope.Name, r.scope.Group), Fix: "See those that there are with: certwright vault deleted"}
	}
	if err == nil {
		_, err = a.group(r)
	}
	if err == nil {
		err = a.Vaults.RecoverVault(r.Context(), v.Name, a.did(r, v, "write", "vault-recovered", "Recovered by %s with all that it holds.", r.by.Caller))
	}
	if err != nil {
		return err
	}
	a.Plane.VaultChanged(r.Context(), r.by, v.Name, "recovered")
	return answerResource(w, a.vaultResource(v), nil)
}

func deletedVault(v secret.VaultRow) arm.Resource {
	location := or(v.Location, "Global")
	return arm.Resource{ID: "/subscriptions/" + v.Subscription + "/providers/Microsoft.KeyVault/locations/" + location + "/deletedVaults/" + v.Name, Name: v.Name, Type: "Microsoft.KeyVault/deletedVaults", Location: location,
		Properties: arm.DeletedVault{VaultID: vaultScope(v), Location: location, Deleted: v.Deleted.At, Purge: v.Deleted.Purge, Tags: v.Tags, Protected: v.PurgeProtection}}
}

func (a *API) listDeletedVaults(w http.ResponseWriter, r *request) error {
	all, err := a.Vaults.ListDeletedVaults(r.Context())
	if err != nil {
		return err
	}
	list := arm.List[arm.Resource]{Value: []arm.Resource{}}
	for _, v := range inPathAlone(r, all) {
		if auth.Covers(r.who.Scope, vaultScope(v)) { // it lies in no group any more: who could see the vault sees it
			list.Value = append(list.Value, deletedVault(v))
		}
	}
	write(w, http.StatusOK, list)
	return nil
}

// deletedAt reads the deleted vault that a path names.
func (a *API) deletedAt(r *request) (secret.VaultRow, error) {
	v, err := a.Vaults.LoadDeletedVault(r.Context(), r.PathValue("name"))
	if errors.Is(err, secret.ErrNoVault) || err == nil && !inPath(r, v.Subscription, v.Group) {
		return v, &order.Refusal{Kind: order.NotFound, Code: "DeletedVaultNotFound", Message: fmt.Sprintf("there is no deleted vault %s", r.PathValue("name")), Fix: "See those that there are with: certwright vault deleted"}
	}
	return v, err
}

func (a *API) getDeletedVault(w http.ResponseWriter, r *request) error {
	v, err := a.deletedAt(r)
	if err != nil {
		return err
	}
	write(w, http.StatusOK, deletedVault(v))
	return nil
}

func (a *API) purgeVault(w http.ResponseWriter, r *request) error {
	v, err := a.deletedAt(r)
	if err != nil {
		return err
	}
	if v.PurgeProtection {
		return &order.Refusal{Kind: order.NoMethod, Code: "MethodNotAllowed", Message: fmt.Sprintf("the vault %s has purge protection: it is purged by itself at %s", v.Name, v.Deleted.Purge.UTC().Format(time.RFC3339)), Fix: "Recover it, or wait"}
	}
	e := a.did(r, v, "purge/action", "vault-purged", "Purged by %s with all that it held.", r.by.Caller)
	e.Level = order.Warning
	if err := a.Vaults.PurgeVault(r.Context(), v.Name, e); err != nil {
		return err
	}
	a.Plane.VaultChanged(r.Context(), r.by, v.Name, "purged with all that it held")
	return nothing(w, http.StatusOK)
}

func (a *API) checkVaultName(w http.ResponseWriter, r *request) error {
	var body arm.NameWish
	if err := readLoose(r, &body); err != nil {
		return err
	}
	if body.Name == "" {
		return required("name", "Give the name that the vault is to have")
	}
	out := arm.NameFree{Free: true}
	_, live := a.Vaults.LoadVault(r.Context(), body.Name)
	_, gone := a.Vaults.LoadDeletedVault(r.Context(), body.Name)
	switch {
	case !vaultName.MatchString(body.Name):
		out = arm.NameFree{Reason: "AccountNameInvalid", Message: fmt.Sprintf("%q is no name of a vault: 3 to 24 letters, digits and single '-', beginning with a letter", body.Name)}
	case live == nil || gone == nil:
		refusal, _ := order.AsRefusal(a.nameTaken(r.Context(), body.Name))
		out = arm.NameFree{Reason: "AlreadyExists", Message: refusal.Message}
	case !errors.Is(live, secret.ErrNoVault):
		return live
	case !errors.Is(gone, secret.ErrNoVault):
		return gone
	}
	write(w, http.StatusOK, out)
	return nil
}
