package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"certwright/internal/arm"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// mayReach refuses a wish that would reach further than whoever makes it: an order writes to the vault and the sites that
// it names, so their maker must have the right to write there. was is the wish before; nil = the order is new. Whoever
// may write an order may keep it in the vault default, but never at a secret that is somebody else's.
func (a *API) mayReach(r *request, was *order.Spec, will order.Spec) error {
	vault, name := or(will.Vault, fulfill.DefaultVault), or(will.Secret, r.scope.Name)
	sites := will.Sites
	if was != nil {
		sites = slices.DeleteFunc(slices.Clone(sites), func(s string) bool {
			return slices.ContainsFunc(was.Sites, func(t string) bool { return strings.EqualFold(s, t) })
		})
	}
	for _, s := range sites {
		if err := allow(r, "Microsoft.Web/sites/Write", "/subscriptions/"+r.scope.Subscription+"/resourceGroups/"+r.scope.Group+"/providers/Microsoft.Web/sites/"+s); err != nil {
			return err
		}
	}
	if was != nil && strings.EqualFold(vault, or(was.Vault, fulfill.DefaultVault)) && strings.EqualFold(name, or(was.Secret, r.scope.Name)) {
		return nil
	}
	if !strings.EqualFold(vault, fulfill.DefaultVault) {
		row, err := a.Vaults.LoadVault(r.Context(), vault)
		if errors.Is(err, secret.ErrNoVault) {
			return nil // whoever checks the wish says so
		}
		if err != nil {
			return err
		}
		if err := allowIn(r, row, "Microsoft.KeyVault/vaults/secrets/Write", secret.MaySet); err != nil {
			return err
		}
	}
	return a.ownSecret(r, vault, name, "secretName")
}

// ownSecret refuses a secret that holds anything but a certificate of this order.
func (a *API) ownSecret(r *request, vault, name, property string) error {
	versions, err := a.Secrets.Versions(r.Context(), vault, name, "", 1000)
	if errors.Is(err, secret.ErrNotFound) || errors.Is(err, secret.ErrNoVault) || err == nil && len(versions) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	newest := slices.MaxFunc(versions, func(a, b secret.Info) int { return a.Attributes.Created.Compare(b.Attributes.Created) })
	owner := newest.Tags["CertificateId"]
	if strings.EqualFold(owner, r.scope.String()) { // it may be of an order that had this id, and took its secret along
		last, _, err := a.Reader.Events(r.Context(), order.EventQuery{Order: &r.scope, Limit: 1})
		if err != nil {
			return err
		}
		if len(last) == 1 && last[0].Name == "moved-away" {
			owner = last[0].Properties["to"]
		}
	}
	if !strings.EqualFold(owner, r.scope.String()) {
		return &order.Refusal{Kind: order.Conflict, Code: "SecretTaken", Property: property, Message: fmt.Sprintf("the secret %s of vault %s holds something else (%s)", name, vault, or(owner, "of no order")), Fix: "Choose another name"}
	}
	return nil
}

// mayReachBy is mayReach for a change of an order that is there, as a body has it.
func (a *API) mayReachBy(r *request, body arm.Wish) error {
	o, err := a.Reader.LoadOrder(r.Context(), r.scope)
	if errors.Is(err, fulfill.ErrNotFound) || err == nil && o.Kind == order.Watched {
		return nil
	}
	if err != nil {
		return err
	}
	will, words := o.Clone().Spec, []string{"x"}
	if err := body.Apply(&will, &words); err != nil {
		return badBody(err)
	}
	return a.mayReach(r, &o.Spec, will)
}

// mayExport refuses an export out of a vault whose access policies say who may, and do not let whoever asks get its secrets: an order is no
// way round them. Where roles say who may, the right to export the order is enough.
func (a *API) mayExport(r *request) error {
	o, err := a.load(r)
	if err != nil {
		return err
	}
	row, err := a.Vaults.LoadVault(r.Context(), or(o.Spec.Vault, fulfill.DefaultVault))
	if errors.Is(err, secret.ErrNoVault) || err == nil && !row.ByPolicy {
		return nil // the export itself says what is missing
	}
	if err != nil {
		return err
	}
	return allowIn(r, row, "Microsoft.KeyVault/vaults/secrets/getSecret/action", secret.MayGet)
}
