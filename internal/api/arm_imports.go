package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/site"
)

// Imports are the rows of imported certificates: the store.
type Imports interface {
	LoadImport(ctx context.Context, subscription, group, name string) (*site.Import, error)
	SaveImport(ctx context.Context, v *site.Import) error
	ListImports(ctx context.Context, subscription, group string) ([]site.Import, error)
	DeleteImport(ctx context.Context, v *site.Import) error
}

// imported is an import as a resource: of the secret as it is now, so that it is never out of step.
func (a *API) imported(ctx context.Context, v *site.Import) (arm.Resource, error) {
	p := arm.WebCertificate{KeyVaultID: v.VaultID, SecretName: v.Secret, ServerFarmID: v.Farm, HostNames: []string{}, SecretStatus: order.VaultSucceeded}
	info, err := a.Secrets.Certificate(ctx, v.Vault, v.Secret, "")
	var problem *order.Problem
	switch {
	case err == nil:
		leaf, err := order.ParseLeaf(info.Certificate)
		if err != nil {
			return arm.Resource{}, err
		}
		p.SubjectName, p.HostNames, p.Issuer, p.IssueDate, p.Expires, p.Thumbprint, p.Blob = leaf.Subject, leaf.Names, leaf.IssuedBy, &leaf.NotBefore, &leaf.NotAfter, leaf.Thumbprint, info.Certificate
		p.Valid = info.Attributes.Enabled && leaf.NotAfter.After(a.Now()) && !leaf.NotBefore.After(a.Now())
		if len(leaf.Names) > 0 {
			p.CanonicalName, p.FriendlyName = leaf.Names[0], leaf.Names[0]
		}
	case errors.Is(err, secret.ErrNoVault):
		p.SecretStatus = order.VaultNotExist
	case errors.Is(err, secret.ErrNotFound):
		p.SecretStatus = order.VaultSecretNotExist
	case errors.As(err, &problem) && problem.Vault != "":
		p.SecretStatus = problem.Vault
	default:
		return arm.Resource{}, err
	}
	return arm.Resource{ID: "/subscriptions/" + v.Subscription + "/resourceGroups/" + v.Group + "/providers/Microsoft.Web/certificates/" + v.Name, Name: v.Name, Type: "Microsoft.Web/certificates",
		Location: or(v.Location, "Global"), Tags: v.Tags, ETag: arm.ETag(v.Revision), Properties: p}, nil
}

func (a *API) listImports(w http.ResponseWriter, r *request) error {
	all, err := a.Imports.ListImports(r.Context(), r.PathValue("subscription"), r.PathValue("group"))
	if err != nil {
		return err
	}
	list := arm.List[arm.Resource]{Value: []arm.Resource{}}
	for i := range all {
		res, err := a.imported(r.Context(), &all[i])
		if err != nil {
			return err
		}
		if auth.Covers(r.who.Scope, res.ID) {
			list.Value = append(list.Value, res)
		}
	}
	write(w, http.StatusOK, list)
	return nil
}

func (a *API) importAt(r *request) (*site.Import, error) {
	v, err := a.Imports.LoadImport(r.Context(), r.scope.Subscription, r.scope.Group, r.scope.Name)
	if errors.Is(err, fulfill.ErrNotFound) {
		return nil, &order.Refusal{Kind: order.NotFound, Code: "ResourceNotFound", Message: fmt.Sprintf("there is no imported certificate %s in resource group %s", r.scope.Name, r.scope.Group), Fix: "See those that there are at the group's /providers/Microsoft.Web/certificates"}
	}
	return v, err
}

func (a *API) getImport(w http.ResponseWriter, r *request) error {
	v, err := a.importAt(r)
	if err != nil {
		return err
	}
	return a.answerImport(w, r, v)
}

func (a *API) answerImport(w http.ResponseWriter, r *request, v *site.Import) error {
	res, err := a.imported(r.Context(), v)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", res.ETag)
	write(w, http.StatusOK, res)
	return nil
}

// putImport makes the certificate of a secret known to the sites of a group. Putting it again is Azure's way to sync;
// here that happens by itself, and it does no harm.
func (a *API) putImport(w http.ResponseWriter, r *request) error {
	v, err := a.importAt(r)
	if refusal, ok := order.AsRefusal(err); ok && refusal.Kind == order.NotFound {
		if _, err := a.group(r); err != nil {
			return err
		}
		v = &site.Import{Subscription: r.scope.Subscription, Group: r.scope.Group, Name: r.scope.Name}
	} else if err != nil {
		return err
	}
	return a.saveImport(w, r, v, true)
}

func (a *API) patchImport(w http.ResponseWriter, r *request) error {
	v, err := a.importAt(r)
	if err != nil {
		return err
	}
	return a.saveImport(w, r, v, false)
}

func (a *API) saveImport(w http.ResponseWriter, r *request, v *site.Import, whole bool) error {
	var body arm.WebCertificateWish
	if err := readLoose(r, &body); err != nil {
		return err
	}
	p := body.Properties
	switch {
	case whole && body.Location == "":
		return required("location", "Give any: Certwright is where it is")
	case p.PFX != nil:
		return &order.Refusal{Kind: order.Unsuitable, Code: "UploadNotSupported", Property: "properties.pfxBlob", Message: "a PFX is not uploaded here", Fix: "Bring it with: certwright order import FILE --name " + v.Name}
	}
	l, err := a.linkOf(r.Context(), "properties", order.Link{Name: v.Name, VaultID: v.VaultID, Secret: v.Secret}, arm.LinkBody{KeyVaultID: p.KeyVaultID, KeyVaultSecretName: p.SecretName})
	if err != nil {
		return err
	}
	row, err := a.Vaults.LoadVault(r.Context(), l.Vault)
	if err != nil {
		return err
	}
	if err := allow(r, "Microsoft.KeyVault/vaults/secrets/getSecret/action", arm.VaultID(order.ID{Subscription: row.Subscription, Group: row.Group}, row.Name)); err != nil {
		return err
	}
	if _, err := a.Secrets.Certificate(r.Context(), l.Vault, l.Secret, ""); err != nil {
		if !errors.Is(err, secret.ErrNotFound) {
			return err
		}
		return &order.Refusal{Kind: order.Conflict, Code: "CertificateNotIssued", Property: "properties.keyVaultSecretName", Message: fmt.Sprintf("the secret %s of vault %s holds no certificate yet", l.Secret, l.Vault), Fix: "Wait until the order is Issued: certwright order list"}
	}
	was := *v
	v.VaultID, v.Vault, v.Secret = l.VaultID, l.Vault, l.Secret
	put(p.ServerFarmID, &v.Farm)
	v.Location = or(body.Location, v.Location)
	if body.Tags != nil {
		v.Tags = body.Tags
	}
	if v.Revision != 0 && reflect.DeepEqual(was, *v) {
		return a.answerImport(w, r, v) // the same again is no change
	}
	switch err := a.Imports.SaveImport(r.Context(), v); {
	case errors.Is(err, fulfill.ErrExists), errors.Is(err, fulfill.ErrConflict):
		return stale(fmt.Sprintf("the imported certificate %s was changed meanwhile", v.Name))
	case err != nil:
		return err
	}
	return a.answerImport(w, r, v)
}

// deleteImport forgets an import. While host names are bound to it, it stays.
func (a *API) deleteImport(w http.ResponseWriter, r *request) error {
	v, err := a.importAt(r)
	if refusal, ok := order.AsRefusal(err); ok && refusal.Kind == order.NotFound {
		return nothing(w, http.StatusNoContent)
	}
	if err != nil {
		return err
	}
	res, err := a.imported(r.Context(), v)
	if err != nil {
		return err
	}
	sites, err := a.Reader.ListSites(r.Context(), v.Subscription, v.Group)
	if err != nil {
		return err
	}
	for i := range sites {
		bound, err := a.ordersOf(r.Context(), &sites[i])
		if err != nil {
			return err
		}
		for _, h := range sites[i].HostNames {
			if b := binding(&sites[i], h, bound); b.Thumbprint != "" && strings.EqualFold(b.Thumbprint, res.Properties.(arm.WebCertificate).Thumbprint) {
				return &order.Refusal{Kind: order.Conflict, Code: "CertificateBound", Message: fmt.Sprintf("the certificate is bound to %s of site %s", h, sites[i].Name), Fix: "Take the binding away first"}
			}
		}
	}
	if err := a.Imports.DeleteImport(r.Context(), v); err != nil && !errors.Is(err, fulfill.ErrNotFound) {
		return err
	}
	return nothing(w, http.StatusOK)
}
