package api

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// maxPolicies is how many access policies a vault may have (Key Vault's bound).
const maxPolicies = 1024

// readVault reads the body with which a vault is made or changed. What Azure has and Certwright has not is refused where leaving it away would
// promise something; the rest is for a platform that this is not.
func readVault(r *request) (arm.VaultWish, error) {
	var body arm.VaultWish
	if err := readLoose(r, &body); err != nil {
		return body, err
	}
	no := func(kind order.RefusalKind, code, property, message, fix string) error {
		return &order.Refusal{Kind: kind, Code: code, Property: "properties." + property, Message: message, Fix: fix}
	}
	p := body.Properties
	switch {
	case p.SoftDelete != nil && !*p.SoftDelete:
		return body, no(order.BadInput, "SoftDeleteRequired", "enableSoftDelete", "soft delete cannot be switched off", "Leave it away")
	case p.Retention != nil && (*p.Retention < 7 || *p.Retention > 90):
		return body, no(order.BadInput, "OutOfRange", "softDeleteRetentionInDays", fmt.Sprintf("%d is not between 7 and 90", *p.Retention), "")
	case p.Mode != "" && !strings.EqualFold(p.Mode, "default") && !strings.EqualFold(p.Mode, "recover"):
		return body, no(order.BadInput, "UnknownCreateMode", "createMode", fmt.Sprintf("%q is no way to make a vault", p.Mode), "Use default or recover")
	case p.SKU != nil && p.SKU.Name != "" && !strings.EqualFold(p.SKU.Name, "standard"):
		return body, no(order.Unsuitable, "SkuNotSupported", "sku.name", fmt.Sprintf("there is no %s vault here: keys in hardware are not kept", p.SKU.Name), "Use standard")
	case strings.EqualFold(p.Network, "Disabled"), p.Rules != nil && strings.EqualFold(p.Rules.Default, "Deny"):
		return body, no(order.Unsuitable, "NetworkRulesNotSupported", "networkAcls", "a vault here has no network rules of its own", "Bound who reaches the server by the address that it listens at, or by a firewall before it")
	}
	return body, nil
}

// applyVault puts what a body names onto a vault.
func applyVault(v *secret.VaultRow, body arm.VaultWish, patch bool) error {
	p := body.Properties
	var err error
	if v.Tags, err = tagged(v.Tags, body.Tags, patch); err != nil {
		return err
	}
	put(p.Retention, &v.SoftDelete)
	if p.PurgeProtection != nil {
		if v.PurgeProtection && !*p.PurgeProtection {
			return &order.Refusal{Kind: order.BadInput, Code: "PurgeProtectionFinal", Property: "properties.enablePurgeProtection", Message: "purge protection cannot be switched off again"}
		}
		v.PurgeProtection = *p.PurgeProtection
	}
	v.Location = or(v.Location, body.Location) // a vault stays where it was made
	if p.RBAC != nil {
		v.ByPolicy = !*p.RBAC
	}
	if p.Policies == nil {
		return nil
	}
	list, err := policiesOf(*p.Policies)
	v.Policies = list
	return err
}

// policiesOf reads access policies, each principal once.
func policiesOf(given []arm.AccessPolicy) ([]secret.AccessPolicy, error) {
	bad := func(kind order.RefusalKind, i int, message, fix string) error {
		return &order.Refusal{Kind: kind, Code: "InvalidAccessPolicy", Property: fmt.Sprintf("properties.accessPolicies[%d]", i), Message: message, Fix: fix}
	}
	if len(given) > maxPolicies {
		return nil, bad(order.BadInput, maxPolicies, fmt.Sprintf("%d policies are too many: at most %d", len(given), maxPolicies), "Use roles (enableRbacAuthorization)")
	}
	list := []secret.AccessPolicy{}
	for i, g := range given {
		p := secret.AccessPolicy{Principal: g.ObjectID, Secrets: g.Permissions.Secrets, Certificates: g.Permissions.Certificates, Keys: g.Permissions.Keys, Storage: g.Permissions.Storage}
		if own, ok := secret.OwnPrincipal(g.ObjectID); ok {
			p.Principal = own.ID
		}
		p, err := p.Normal()
		switch {
		case err != nil:
			return nil, bad(order.BadInput, i, err.Error(), "")
		case p.Principal == "" || len(p.Principal) > 200:
			return nil, bad(order.BadInput, i, "objectId is missing, or is longer than any", "Give the name of a token (certwright token list), or the id of one of Certwright's own principals")
		case g.Application != "":
			return nil, bad(order.Unsuitable, i, "applicationId: a token acts for itself alone here, never for somebody else", "Leave it away, and name the token in objectId")
		case slices.ContainsFunc(list, func(o secret.AccessPolicy) bool { return strings.EqualFold(o.Principal, p.Principal) }):
			return nil, bad(order.BadInput, i, fmt.Sprintf("%s has a policy above already", p.Principal), "Name each principal once")
		}
		list = append(list, p)
	}
	return list, nil
}

// rightsChanged says in words how what may be done in a vault is another now; empty = it is as before.
func rightsChanged(before, after secret.VaultRow) string {
	same := func(x, y secret.AccessPolicy) bool {
		return x.Principal == y.Principal && slices.Equal(x.Secrets, y.Secrets) && slices.Equal(x.Certificates, y.Certificates)
	}
	switch {
	case before.ByPolicy != after.ByPolicy && after.ByPolicy:
		return "switched from roles to access policies"
	case before.ByPolicy != after.ByPolicy:
		return "switched from access policies to roles"
	case after.ByPolicy && !slices.EqualFunc(before.Policies, after.Policies, same):
		return "given other access policies"
	case !after.ByPolicy && len(after.NoRole) > len(before.NoRole):
		return "closed to Certwright itself, whose role was taken away,"
	case !after.ByPolicy && len(after.NoRole) < len(before.NoRole):
		return "opened to Certwright itself, which was given a role,"
	}
	return ""
}

// vaultChanged says in words what of a vault is another now; empty = nothing.
func vaultChanged(before, after secret.VaultRow) string {
	var what []string
	if rights := rightsChanged(before, after); rights != "" {
		what = append(what, "it was "+strings.TrimSuffix(rights, ","))
	} else if !reflect.DeepEqual(before.Policies, after.Policies) {
		what = append(what, "access policies, which count once it is switched to them")
	}
	if before.SoftDelete != after.SoftDelete {
		what = append(what, fmt.Sprintf("softDeleteRetentionInDays from %d to %d", before.SoftDelete, after.SoftDelete))
	}
	if after.PurgeProtection && !before.PurgeProtection {
		what = append(what, "purge protection is on")
	}
	if !maps.Equal(before.Tags, after.Tags) {
		what = append(what, "tags")
	}
	return strings.Join(what, ", ")
}

// putPolicies adds, replaces or removes access policies: PUT .../accessPolicies/{add|replace|remove}.
func (a *API) putPolicies(w http.ResponseWriter, r *request) error {
	var body arm.PoliciesWish
	if err := readLoose(r, &body); err != nil {
		return err
	}
	given, err := policiesOf(body.Properties.Policies)
	if err != nil {
		return err
	}
	how := map[string]func(v *secret.VaultRow){
		"add": func(v *secret.VaultRow) { v.Merge(given) }, "remove": func(v *secret.VaultRow) { v.Remove(given) }, "replace": func(v *secret.VaultRow) { v.Policies = given },
	}[strings.ToLower(r.PathValue("child"))]
	if how == nil {
		return &order.Refusal{Kind: order.BadInput, Code: "UnknownOperationKind", Property: "operationKind", Message: fmt.Sprintf("%q is nothing that can be done to access policies", r.PathValue("child")), Fix: "Use add, replace or remove"}
	}
	v, err := a.edited(r, func(v *secret.VaultRow) error {
		how(v)
		if len(v.Policies) > maxPolicies {
			return &order.Refusal{Kind: order.Conflict, Code: "TooManyAccessPolicies", Property: "properties.accessPolicies", Message: fmt.Sprintf("the vault would have more than %d access policies", maxPolicies), Fix: "Use roles (enableRbacAuthorization)"}
		}
		return nil
	})
	if err != nil {
		return err
	}
	id, kind := vaultScope(v)+"/accessPolicies/", "Microsoft.KeyVault/vaults/accessPolicies"
	write(w, http.StatusOK, arm.PoliciesWish{Echo: arm.Echo{ID: &id, Type: &kind}, Location: or(v.Location, "Global"), Properties: arm.PoliciesInside{Policies: arm.PoliciesOf(v.Policies, auth.Tenant)}})
	return nil
}

// ownAccess gives Certwright's own principals what they need in a vault, or takes it away.
func (a *API) ownAccess(how func(v *secret.VaultSettings, ids ...string)) handler {
	return func(w http.ResponseWriter, r *request) error {
		var body arm.OwnWish
		if err := read(r, &body); err != nil {
			return err
		}
		var ids []string
		for i, s := range body.Principals {
			p, ok := secret.OwnPrincipal(s)
			if !ok {
				return &order.Refusal{Kind: order.BadInput, Code: "UnknownPrincipal", Property: fmt.Sprintf("objectIds[%d]", i), Message: fmt.Sprintf("%q is none of Certwright's own principals", s), Fix: "They are " + ownNames() + ", or leave objectIds away for all of them"}
			}
			ids = append(ids, p.ID)
		}
		return a.edit(w, r, func(v *secret.VaultRow) error { how(&v.VaultSettings, ids...); return nil })
	}
}

func ownNames() string {
	var names []string
	for _, p := range secret.Own {
		names = append(names, p.Name)
	}
	return strings.Join(names, " and ")
}
