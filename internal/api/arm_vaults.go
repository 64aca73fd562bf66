package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// vaultName is Key Vault's rule: a name is a label of the vault's host name.
var vaultName = regexp.MustCompile(`^[A-Za-z](?:[A-Za-z0-9]|-[A-Za-z0-9]){2,23}$`)

func (a *API) vaultHandlers() map[string]handler {
	return map[string]handler{"Vaults_List": a.listVaults, "Vaults_ListByResourceGroup": a.listVaults, "Vaults_Get": a.getVault,
		"Vaults_CreateOrUpdate": a.putVault, "Vaults_Update": a.patchVault, "Vaults_Delete": a.deleteVault}
}

func (a *API) vaultResource(v secret.VaultRow) arm.Resource {
	p := arm.Vault{Tenant: auth.Tenant, SKU: arm.SKU{Family: "A", Name: "standard"}, RBAC: true, SoftDelete: true, Retention: v.SoftDelete, PurgeProtection: v.PurgeProtection, Policies: []string{}, Provisioning: "Succeeded"}
	if u, err := url.Parse(a.Public); err == nil && a.VaultSuffix != "" {
		p.URI = "https://" + strings.ToLower(v.Name) + "." + a.VaultSuffix
		if u.Port() != "" {
			p.URI += ":" + u.Port()
		}
		p.URI += "/"
	}
	return arm.Resource{ID: arm.VaultID(order.ID{Subscription: v.Subscription, Group: v.Group}, v.Name), Name: v.Name, Type: "Microsoft.KeyVault/vaults", Location: "Global", Properties: p}
}

func (a *API) listVaults(w http.ResponseWriter, r *request) error {
	all, err := a.Scopes.ListVaults(r.Context())
	if err != nil {
		return err
	}
	list := arm.List[arm.Resource]{Value: []arm.Resource{}}
	for _, v := range all {
		res := a.vaultResource(v)
		if inPath(r, v.Subscription, v.Group) && auth.Covers(r.who.Scope, res.ID) {
			list.Value = append(list.Value, res)
		}
	}
	write(w, http.StatusOK, list)
	return nil
}

// inPath says whether something lies in the subscription, and group, that a path names.
func inPath(r *request, subscription, group string) bool {
	g := r.PathValue("group")
	return strings.EqualFold(r.PathValue("subscription"), subscription) && (g == "" || strings.EqualFold(g, group))
}

// vaultAt reads the vault that a path names; one of that name elsewhere is not it.
func (a *API) vaultAt(r *request) (secret.VaultRow, error) {
	v, err := a.Vaults.LoadVault(r.Context(), r.scope.Name)
	if err == nil && !inPath(r, v.Subscription, v.Group) {
		err = secret.ErrNoVault
	}
	if errors.Is(err, secret.ErrNoVault) {
		return v, &order.Refusal{Kind: order.NotFound, Code: "ResourceNotFound", Message: fmt.Sprintf("there is no vault %s in resource group %s", r.scope.Name, r.scope.Group), Fix: "See those that there are with: certwright explore"}
	}
	return v, err
}

func (a *API) getVault(w http.ResponseWriter, r *request) error {
	v, err := a.vaultAt(r)
	if err != nil {
		return err
	}
	write(w, http.StatusOK, a.vaultResource(v))
	return nil
}

// readVault reads a body. Who may do what is said by roles alone.
func (a *API) readVault(r *request) (arm.VaultWish, error) {
	var body arm.VaultWish
	if err := readLoose(r, &body); err != nil {
		return body, err
	}
	p := body.Properties
	switch {
	case len(p.Policies) > 0, p.RBAC != nil && !*p.RBAC:
		return body, &order.Refusal{Kind: order.Unsuitable, Code: "AccessPoliciesNotSupported", Property: "properties.accessPolicies", Message: "Certwright has no access policies: roles say who may read a vault",
			Fix: "Leave them away, set enableRbacAuthorization to true, and give a token the role: certwright token create NAME --role \"Key Vault Secrets User\" --scope VAULT-ID"}
	case p.SoftDelete != nil && !*p.SoftDelete:
		return body, &order.Refusal{Kind: order.BadInput, Code: "SoftDeleteRequired", Property: "properties.enableSoftDelete", Message: "soft delete cannot be switched off"}
	case p.Retention != nil && (*p.Retention < 7 || *p.Retention > 90):
		return body, &order.Refusal{Kind: order.BadInput, Code: "OutOfRange", Property: "properties.softDeleteRetentionInDays", Message: fmt.Sprintf("%d is not between 7 and 90", *p.Retention)}
	case len(body.Tags) > 0:
		return body, &order.Refusal{Kind: order.Unsuitable, Code: "TagsNotSupported", Property: "tags", Message: "Certwright keeps no tags of vaults", Fix: "Leave them away"}
	}
	return body, nil
}

func (a *API) putVault(w http.ResponseWriter, r *request) error {
	body, err := a.readVault(r)
	if err != nil {
		return err
	}
	if body.Location == "" {
		return required("location", "Give any: Certwright is where it is")
	}
	v, err := a.vaultAt(r)
	if refusal, ok := order.AsRefusal(err); ok && refusal.Kind == order.NotFound {
		if !vaultName.MatchString(r.scope.Name) {
			return &order.Refusal{Kind: order.BadInput, Code: "VaultNameNotValid", Property: "name", Message: fmt.Sprintf("%q is no name of a vault", r.scope.Name), Fix: "Use 3 to 24 letters, digits and single '-', beginning with a letter: it becomes a part of a host name"}
		}
		if _, err := a.group(r); err != nil {
			return err
		}
		v = secret.VaultRow{Name: r.scope.Name, Subscription: r.scope.Subscription, Group: r.scope.Group, SoftDelete: 90, Created: a.Now()}
	} else if err != nil {
		return err
	}
	return a.saveVault(w, r, v, body)
}

func (a *API) patchVault(w http.ResponseWriter, r *request) error {
	body, err := a.readVault(r)
	if err != nil {
		return err
	}
	v, err := a.vaultAt(r)
	if err != nil {
		return err
	}
	return a.saveVault(w, r, v, body)
}

func (a *API) saveVault(w http.ResponseWriter, r *request, v secret.VaultRow, body arm.VaultWish) error {
	p := body.Properties
	if p.Retention != nil {
		v.SoftDelete = *p.Retention
	}
	if p.PurgeProtection != nil {
		if v.PurgeProtection && !*p.PurgeProtection {
			return &order.Refusal{Kind: order.BadInput, Code: "PurgeProtectionFinal", Property: "properties.enablePurgeProtection", Message: "purge protection cannot be switched off again"}
		}
		v.PurgeProtection = *p.PurgeProtection
	}
	err := a.Scopes.SaveVault(r.Context(), v)
	if errors.Is(err, fulfill.ErrExists) {
		return &order.Refusal{Kind: order.Conflict, Code: "VaultAlreadyExists", Property: "name", Message: fmt.Sprintf("the name %s is taken: vaults have one name in the whole service", v.Name), Fix: "Choose another name"}
	}
	if err != nil {
		return err
	}
	write(w, http.StatusOK, a.vaultResource(v))
	return nil
}

// deleteVault removes a vault that is empty. What is in one has to be deleted, and purged, first.
func (a *API) deleteVault(w http.ResponseWriter, r *request) error {
	v, err := a.vaultAt(r)
	if refusal, ok := order.AsRefusal(err); ok && refusal.Kind == order.NotFound {
		return nothing(w, http.StatusNoContent)
	}
	if err != nil {
		return err
	}
	if strings.EqualFold(v.Name, secret.DefaultVault) {
		return &order.Refusal{Kind: order.Conflict, Code: "VaultInUse", Message: "the vault default is always there: orders that name none are kept in it"}
	}
	secrets, err := a.Secrets.List(r.Context(), v.Name, "", 1)
	if err != nil {
		return err
	}
	deleted, err := a.Secrets.ListDeleted(r.Context(), v.Name, "", 1)
	if err != nil {
		return err
	}
	if len(secrets)+len(deleted) > 0 {
		return &order.Refusal{Kind: order.Conflict, Code: "VaultInUse", Message: fmt.Sprintf("the vault %s holds secrets, or deleted ones that can be recovered", v.Name), Fix: "Delete and purge them first: certwright vault list --vault " + v.Name}
	}
	if err := a.Scopes.DeleteVault(r.Context(), v.Name); err != nil && !errors.Is(err, secret.ErrNoVault) {
		return err
	}
	return nothing(w, http.StatusOK)
}
