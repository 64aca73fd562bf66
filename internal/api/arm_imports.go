package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"certwright/internal/arm"
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

// orderOfUpload is the order that keeps an uploaded certificate.
func orderOfUpload(v *site.Import) order.ID {
	return order.ID{Subscription: v.Subscription, Group: v.Group, Name: v.Name}
}

// imported is an import as a resource: of the secret as it is now, so that it is never out of step.
func (a *API) imported(ctx context.Context, v *site.Import) (arm.Resource, error) {
	p := arm.WebCertificate{KeyVaultID: v.VaultID, SecretName: v.Secret, ServerFarmID: v.Farm, HostNames: []string{}, SecretStatus: order.VaultSucceeded}
	der, enabled, err := a.importedFrom(ctx, v)
	var problem *order.Problem
	switch {
	case err == nil:
	case errors.As(err, &problem) && problem.Vault != "":
		p.SecretStatus = problem.Vault
	case errors.Is(err, secret.ErrNoVault):
		p.SecretStatus = order.VaultNotExist
	case errors.Is(err, secret.ErrNotFound):
		p.SecretStatus = order.VaultSecretNotExist
	default:
		return arm.Resource{}, err
	}
	if err != nil && v.Uploaded { // it may not be in the vault yet
		if o, err := a.Reader.LoadOrder(ctx, orderOfUpload(v)); err == nil && o.First() == nil {
			p.SecretStatus = o.VaultStatusOf(a.Now())
			for i := range o.Versions {
				if chain := order.DecodeChain(o.Versions[i].Chain); len(chain) > 0 {
					der, enabled = chain[0], true
				}
			}
		}
	}
	if der != nil {
		leaf, err := order.ParseLeaf(der)
		if err != nil {
			return arm.Resource{}, err
		}
		p.SubjectName, p.HostNames, p.Issuer, p.IssueDate, p.Expires, p.Thumbprint = leaf.Subject, leaf.Names, leaf.IssuedBy, &leaf.NotBefore, &leaf.NotAfter, leaf.Thumbprint // no cerBlob: Azure gives none either, and az cannot print one
		p.Valid = enabled && leaf.NotAfter.After(a.Now()) && !leaf.NotBefore.After(a.Now())
		if len(leaf.Names) > 0 {
			p.CanonicalName, p.FriendlyName = leaf.Names[0], leaf.Names[0]
		}
	}
	return arm.Resource{ID: importID(v), Name: v.Name, Type: importType,
		Location: or(v.Location, "Global"), Tags: v.Tags, ETag: arm.ETag(v.Revision), Properties: p}, nil
}

const importType = "Microsoft.Web/certificates"

// importID is the ARM id of an imported certificate.
func importID(v *site.Import) string {
	return order.ID{Subscription: v.Subscription, Group: v.Group, Name: v.Name, Type: importType}.String()
}

// importedFrom reads the certificate of an import's secret as it is now. An error may come with one: it is there, and the sites may not have it.
func (a *API) importedFrom(ctx context.Context, v *site.Import) (der []byte, enabled bool, err error) {
	row, err := a.Vaults.LoadVault(ctx, v.Vault)
	if err != nil {
		return nil, false, err
	}
	info, err := a.Secrets.Certificate(ctx, v.Vault, v.Secret, "")
	if err == nil && !row.Admits(secret.Fetcher, secret.MayGet) {
		err = &order.Problem{Vault: order.VaultUnauthorized}
	}
	return info.Certificate, info.Attributes.Enabled, err
}

// importedAs are the properties of imported certificates that $filter takes.
var importedAs = map[string]func(*site.Import) string{
	"keyvaultid":         func(v *site.Import) string { return v.VaultID },
	"keyvaultsecretname": func(v *site.Import) string { return v.Secret },
	"serverfarmid":       func(v *site.Import) string { return v.Farm },
	"name":               func(v *site.Import) string { return v.Name },
}

func (a *API) listImports(w http.ResponseWriter, r *request) error {
	filter, err := arm.Filter(option(r, "$filter"))
	if err != nil {
		return err
	}
	for _, c := range filter {
		if c.Op != "eq" || importedAs[strings.ToLower(c.Name)] == nil {
			return &order.Refusal{Kind: order.BadInput, Code: "InvalidFilter", Property: "$filter", Message: fmt.Sprintf("%s %s is no comparison of imported certificates", c.Name, c.Op), Fix: "Use keyVaultId, keyVaultSecretName, serverFarmId and name, each with eq '...', joined by and"}
		}
	}
	all, err := a.Imports.ListImports(r.Context(), r.PathValue("subscription"), r.PathValue("group"))
	all = slices.DeleteFunc(all, func(v site.Import) bool {
		return slices.ContainsFunc(filter, func(c arm.Compare) bool { return !strings.EqualFold(importedAs[strings.ToLower(c.Name)](&v), c.Value) })
	})
	return listResources(a, w, r, all, err, func(v *site.Import) (arm.Resource, error) { return a.imported(r.Context(), v) })
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
	return a.answerImport(w, r, v, err)
}

func (a *API) answerImport(w http.ResponseWriter, r *request, v *site.Import, err error) error {
	if err != nil {
		return err
	}
	res, err := a.imported(r.Context(), v)
	return answerResource(w, res, err)
}

// putImport makes the certificate of a secret, or one that is brought as a PFX, known to the sites of a group. Putting it again is
// Azure's way to sync; here that happens by itself, and it does no harm.
func (a *API) putImport(w http.ResponseWriter, r *request) error {
	var body arm.WebCertificateWish
	err := readLoose(r, &body)
	if err == nil {
		err = located(body.Location)
	}
	if err != nil {
		return err
	}
	v, err := a.importAt(r)
	v, err = foundOrNew(a, r, v, err, func() (*site.Import, error) {
		return &site.Import{Subscription: r.scope.Subscription, Group: r.scope.Group, Name: r.scope.Name}, nil
	})
	return a.saveImport(w, r, v, err, body, false)
}

func (a *API) patchImport(w http.ResponseWriter, r *request) error {
	var body arm.WebCertificateWish
	if err := readLoose(r, &body); err != nil {
		return err
	}
	v, err := a.importAt(r)
	return a.saveImport(w, r, v, err, body, true)
}

// saveImport puts what a body names onto an import.
func (a *API) saveImport(w http.ResponseWriter, r *request, v *site.Import, err error, body arm.WebCertificateWish, patch bool) error {
	if err != nil {
		return err
	}
	was, p := *v, body.Properties
	if v.Tags, err = tagged(v.Tags, body.Tags, patch); err != nil {
		return err
	}
	linked := p.KeyVaultID != nil || p.SecretName != nil
	switch {
	case len(p.PFX) > 0 && linked:
		err = &order.Refusal{Kind: order.BadInput, Code: "TwoSources", Property: "properties.pfxBlob", Message: "a certificate comes from a vault or is brought as a PFX, not both", Fix: "Give keyVaultId and keyVaultSecretName, or pfxBlob and password"}
	case len(p.PFX) > 0:
		err = a.upload(r, v, body)
	case v.Uploaded && linked:
		err = &order.Refusal{Kind: order.Conflict, Code: "CertificateUploaded", Property: "properties.keyVaultId", Message: fmt.Sprintf("the certificate %s was uploaded: it cannot come from a vault instead", v.Name), Fix: "Import the vault's secret under another name"}
	case !v.Uploaded:
		err = a.fromVault(r, v, arm.LinkBody{KeyVaultID: p.KeyVaultID, KeyVaultSecretName: p.SecretName})
	}
	if err != nil {
		return err
	}
	put(p.ServerFarmID, &v.Farm)
	v.Location = or(body.Location, v.Location)
	if v.Revision != 0 && reflect.DeepEqual(was, *v) {
		return a.answerImport(w, r, v, nil) // the same again is no change
	}
	err = a.Imports.SaveImport(r.Context(), v)
	if errors.Is(err, fulfill.ErrExists) || errors.Is(err, fulfill.ErrConflict) {
		return stale(fmt.Sprintf("the imported certificate %s was changed meanwhile", v.Name))
	}
	return a.answerImport(w, r, v, err)
}

// fromVault makes an import that of a vault's secret, which must hold a certificate that whoever asks, and the sites, may read.
func (a *API) fromVault(r *request, v *site.Import, b arm.LinkBody) error {
	l, err := a.linkOf(r.Context(), "properties", order.Link{Name: v.Name, VaultID: v.VaultID, Secret: v.Secret}, b)
	if err != nil {
		return err
	}
	row, err := a.Vaults.LoadVault(r.Context(), l.Vault)
	if err != nil {
		return err
	}
	if err := allowIn(r, row, "Microsoft.KeyVault/vaults/secrets/getSecret/action", secret.MayGet); err != nil {
		return err
	}
	if p := secret.Fetcher; !row.Admits(p, secret.MayGet) {
		return &order.Refusal{Kind: order.Conflict, Code: "KeyVaultAccessDenied", Property: "properties.keyVaultId",
			Message: fmt.Sprintf("The service does not have access to '%s' Key Vault: its principal %s (%s) lacks %s", vaultScope(row), p.Name, p.ID, secret.MayGet), Fix: "Give it with: certwright vault grant --vault " + row.Name}
	}
	if _, err := a.Secrets.Certificate(r.Context(), l.Vault, l.Secret, ""); err != nil {
		if !errors.Is(err, secret.ErrNotFound) {
			return err
		}
		return &order.Refusal{Kind: order.Conflict, Code: "CertificateNotIssued", Property: "properties.keyVaultSecretName", Message: fmt.Sprintf("the secret %s of vault %s holds no certificate yet", l.Secret, l.Vault), Fix: "Wait until the order is Issued: certwright order list"}
	}
	v.VaultID, v.Vault, v.Secret = l.VaultID, l.Vault, l.Secret
	return nil
}

// upload brings a certificate of one's own with its key. An imported order of the same name keeps it: so it is in the vault, where alone its key
// can be read by whom the vault lets, can be bound to host names, and is watched until it ends.
func (a *API) upload(r *request, v *site.Import, body arm.WebCertificateWish) error {
	id := orderOfUpload(v)
	if err := allow(r, order.Type+"/Write", id.String()); err != nil {
		return err
	}
	if err := a.ownSecret(r, fulfill.DefaultVault, v.Name, "name"); err != nil {
		return err
	}
	pfx, err := unbased("properties.pfxBlob", body.Properties.PFX)
	if err != nil {
		return err
	}
	o, err := a.Service.Import(r.Context(), r.by, id, fulfill.Wish{Spec: order.Spec{Tags: v.Tags}},
		fulfill.Bundle{PFX: pfx, Password: secret.Bytes(body.Properties.Password), From: "the upload of certificate " + v.Name})
	if refusal, ok := order.AsRefusal(err); ok {
		switch refusal.Code {
		case "AlreadyImported": // the same once more
			o, err = a.Reader.LoadOrder(r.Context(), id)
		case "WrongPassword":
			refusal.Property, refusal.Fix = "properties.password", "Give the one that the PFX was made with"
		default:
			refusal.Property = strings.Replace(refusal.Property, "certificate", "properties.pfxBlob", 1)
		}
	}
	if err != nil {
		return err
	}
	v.Uploaded, v.Vault, v.Secret, v.VaultID = true, o.Spec.Vault, o.SecretName(), arm.VaultID(o.ID, o.Spec.Vault)
	return nil
}

// deleteImport forgets an import, and what was uploaded with it. While host names are bound to it, it stays.
func (a *API) deleteImport(w http.ResponseWriter, r *request) error {
	v, err := a.importAt(r)
	return removed(w, err, func() error {
		if err := a.unbound(r, v); err != nil {
			return err
		}
		if v.Uploaded {
			if err := allow(r, order.Type+"/Delete", orderOfUpload(v).String()); err != nil {
				return err
			}
			if _, err := a.Service.Delete(r.Context(), r.by, orderOfUpload(v), false); err != nil && !missing(err) {
				return err
			}
		}
		err := a.Imports.DeleteImport(r.Context(), v)
		if errors.Is(err, fulfill.ErrNotFound) {
			return nil
		}
		return err
	})
}

// unbound refuses where a host name of the group's sites is bound to an import's certificate.
func (a *API) unbound(r *request, v *site.Import) error {
	res, err := a.imported(r.Context(), v)
	if err != nil {
		return err
	}
	thumbprint := res.Properties.(arm.WebCertificate).Thumbprint
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
			if b := binding(&sites[i], h, bound); b.Thumbprint != "" && strings.EqualFold(b.Thumbprint, thumbprint) {
				return &order.Refusal{Kind: order.Conflict, Code: "CertificateBound", Message: fmt.Sprintf("Cannot remove certificate with thumbprint %s because it is used for hostname %s: it is bound to it on site %s", thumbprint, h, sites[i].Name), Fix: "Take the binding away first"}
			}
		}
	}
	return nil
}
