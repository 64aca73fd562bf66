package main

import (
	"context"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/go-azure-helpers/resourcemanager/commonids"
	ordersdk "github.com/hashicorp/go-azure-sdk/resource-manager/certificateregistration/2023-12-01/appservicecertificateorders"
	diagnosticsdk "github.com/hashicorp/go-azure-sdk/resource-manager/certificateregistration/2023-12-01/certificateordersdiagnostics"
	"github.com/hashicorp/go-azure-sdk/sdk/auth"
	"github.com/hashicorp/go-azure-sdk/sdk/environments"
)

// terraform is hashicorp's client: it learns of the server as a cloud from its address alone, as metadata_host does.
type terraform struct {
	*ordersdk.AppServiceCertificateOrdersClient
	diagnostics *diagnosticsdk.CertificateOrdersDiagnosticsClient
}

func newHashicorp(ctx context.Context) (*terraform, error) {
	env, err := environments.FromEndpoint(ctx, os.Getenv("URL"))
	if err != nil {
		return nil, err
	}
	by, err := auth.NewClientSecretAuthorizer(ctx, auth.ClientSecretAuthorizerOptions{Environment: *env, Api: env.ResourceManager, TenantId: tenant, ClientId: "owner", ClientSecret: os.Getenv("TOKEN")})
	if err != nil {
		return nil, err
	}
	c := &terraform{}
	if c.AppServiceCertificateOrdersClient, err = ordersdk.NewAppServiceCertificateOrdersClientWithBaseURI(env.ResourceManager); err != nil {
		return nil, err
	}
	if c.diagnostics, err = diagnosticsdk.NewCertificateOrdersDiagnosticsClientWithBaseURI(env.ResourceManager); err != nil {
		return nil, err
	}
	c.Client.SetAuthorizer(by)
	c.diagnostics.Client.SetAuthorizer(by)
	return c, nil
}

// refusedBy takes the status, the code and the message out of this client's errors: "unexpected status 404 (404 Not Found)
// with error: OrderNotFound: there is no order nobody".
func refusedBy(resp *http.Response, err error) error {
	if err == nil || resp == nil {
		return err
	}
	_, said, _ := strings.Cut(err.Error(), "with error: ")
	code, text, _ := strings.Cut(said, ": ")
	return refused{resp.StatusCode, code, text}
}

func orderID(name string) ordersdk.CertificateOrderId {
	return ordersdk.NewCertificateOrderID(subscription, group, name)
}

func linkID(name, link string) ordersdk.CertificateId {
	return ordersdk.NewCertificateID(subscription, group, name, link)
}

func (c *terraform) operations(context.Context) ([]string, error) { return nil, nil }

func bodyOf(w wish) ordersdk.AppServiceCertificateOrder {
	return ordersdk.AppServiceCertificateOrder{Location: "Global", Tags: &w.Tags, Properties: &ordersdk.AppServiceCertificateOrderProperties{
		DistinguishedName: &w.DN, AutoRenew: &w.AutoRenew, KeySize: pointer(int64(w.KeySize)), ValidityInYears: pointer(int64(1)), ProductType: ordersdk.CertificateProductTypeStandardDomainValidatedSsl}}
}

func (c *terraform) validate(ctx context.Context, w wish) error {
	r, err := c.ValidatePurchaseInformation(ctx, commonids.NewSubscriptionID(subscription), bodyOf(w))
	return refusedBy(r.HttpResponse, err)
}

func (c *terraform) put(ctx context.Context, name string, w wish) error {
	return c.CreateOrUpdateThenPoll(ctx, orderID(name), bodyOf(w))
}

func (c *terraform) patch(ctx context.Context, name string, w wish) (order, error) {
	p := &ordersdk.AppServiceCertificateOrderPatchResourceProperties{ProductType: ordersdk.CertificateProductTypeStandardDomainValidatedSsl, AutoRenew: &w.AutoRenew}
	if w.KeySize != 0 {
		p.KeySize = pointer(int64(w.KeySize))
	}
	r, err := c.Update(ctx, orderID(name), ordersdk.AppServiceCertificateOrderPatchResource{Properties: p})
	return fromTerraform(value(r.Model)), refusedBy(r.HttpResponse, err)
}

func (c *terraform) get(ctx context.Context, name string) (order, error) {
	r, err := c.Get(ctx, orderID(name))
	return fromTerraform(value(r.Model)), refusedBy(r.HttpResponse, err)
}

func (c *terraform) remove(ctx context.Context, name string) error {
	r, err := c.Delete(ctx, orderID(name))
	return refusedBy(r.HttpResponse, err)
}

func (c *terraform) list(ctx context.Context, group string) (list []order, err error) {
	var items []ordersdk.AppServiceCertificateOrder
	if group == "" {
		r, e := c.ListComplete(ctx, commonids.NewSubscriptionID(subscription))
		items, err = r.Items, refusedBy(r.LatestHttpResponse, e)
	} else {
		r, e := c.ListByResourceGroupComplete(ctx, commonids.NewResourceGroupID(subscription, group))
		items, err = r.Items, refusedBy(r.LatestHttpResponse, e)
	}
	for _, o := range items {
		list = append(list, fromTerraform(o))
	}
	return list, err
}

func fromTerraform(o ordersdk.AppServiceCertificateOrder) order {
	p := value(o.Properties)
	signed := value(p.SignedCertificate)
	out := order{ID: value(o.Id), Name: value(o.Name), Type: value(o.Type), Location: o.Location, Status: string(value(p.Status)), Provisioning: string(value(p.ProvisioningState)), DN: value(p.DistinguishedName),
		Product: string(p.ProductType), Token: value(p.DomainVerificationToken), Serial: value(p.SerialNumber), Thumbprint: value(signed.Thumbprint), Issuer: value(signed.Issuer), KeySize: int(value(p.KeySize)),
		Years: int(value(p.ValidityInYears)), AutoRenew: value(p.AutoRenew), External: value(p.IsPrivateKeyExternal), Tags: value(o.Tags), Links: map[string]string{}}
	if t, err := p.GetLastCertificateIssuanceTimeAsTime(); err == nil {
		out.Issued = value(t)
	}
	if t, err := p.GetExpirationTimeAsTime(); err == nil {
		out.Expires = value(t)
	}
	for k, v := range value(p.Certificates) {
		out.Links[k] = value(v.KeyVaultSecretName)
	}
	return out
}

func fromTerraformLink(r ordersdk.AppServiceCertificateResource) link {
	p := value(r.Properties)
	return link{value(r.Id), value(r.Name), value(p.KeyVaultId), value(p.KeyVaultSecretName), string(value(p.ProvisioningState))}
}

func (c *terraform) putLink(ctx context.Context, name, link, secret string) error {
	return c.CreateOrUpdateCertificateThenPoll(ctx, linkID(name, link), ordersdk.AppServiceCertificateResource{Location: "Global", Properties: &ordersdk.AppServiceCertificate{KeyVaultId: pointer(vaultID), KeyVaultSecretName: &secret}})
}

func (c *terraform) patchLink(ctx context.Context, name, child, secret string) (link, error) {
	r, err := c.UpdateCertificate(ctx, linkID(name, child), ordersdk.AppServiceCertificatePatchResource{Properties: &ordersdk.AppServiceCertificate{KeyVaultId: pointer(vaultID), KeyVaultSecretName: &secret}})
	return fromTerraformLink(value(r.Model)), refusedBy(r.HttpResponse, err)
}

func (c *terraform) getLink(ctx context.Context, name, child string) (link, error) {
	r, err := c.GetCertificate(ctx, linkID(name, child))
	return fromTerraformLink(value(r.Model)), refusedBy(r.HttpResponse, err)
}

func (c *terraform) removeLink(ctx context.Context, name, child string) error {
	r, err := c.DeleteCertificate(ctx, linkID(name, child))
	return refusedBy(r.HttpResponse, err)
}

func (c *terraform) links(ctx context.Context, name string) (list []link, err error) {
	r, err := c.ListCertificatesComplete(ctx, orderID(name))
	for _, l := range r.Items {
		list = append(list, fromTerraformLink(l))
	}
	return list, refusedBy(r.LatestHttpResponse, err)
}

func (c *terraform) renew(ctx context.Context, name string) error {
	r, err := c.Renew(ctx, orderID(name), ordersdk.RenewCertificateOrderRequest{Properties: &ordersdk.RenewCertificateOrderRequestProperties{IsPrivateKeyExternal: pointer(false)}})
	return refusedBy(r.HttpResponse, err)
}

func (c *terraform) reissue(ctx context.Context, name string, delay int) error {
	r, err := c.Reissue(ctx, orderID(name), ordersdk.ReissueCertificateOrderRequest{Properties: &ordersdk.ReissueCertificateOrderRequestProperties{DelayExistingRevokeInHours: pointer(int64(delay))}})
	return refusedBy(r.HttpResponse, err)
}

func (c *terraform) verify(ctx context.Context, name string) error {
	r, err := c.VerifyDomainOwnership(ctx, orderID(name))
	return refusedBy(r.HttpResponse, err)
}

func (c *terraform) resend(ctx context.Context, name string) error {
	r, err := c.ResendEmail(ctx, orderID(name))
	return refusedBy(r.HttpResponse, err)
}

func (c *terraform) resendFor(ctx context.Context, name, host string) error {
	r, err := c.ResendRequestEmails(ctx, orderID(name), ordersdk.NameIdentifier{Name: &host})
	return refusedBy(r.HttpResponse, err)
}

func (c *terraform) actions(ctx context.Context, name string) (list []string, err error) {
	r, err := c.RetrieveCertificateActions(ctx, orderID(name))
	for _, a := range value(r.Model) {
		if t, err := a.GetCreatedAtAsTime(); err == nil && t != nil {
			list = append(list, string(value(a.ActionType)))
		}
	}
	return list, refusedBy(r.HttpResponse, err)
}

func (c *terraform) mails(ctx context.Context, name string) (list []string, err error) {
	r, err := c.RetrieveCertificateEmailHistory(ctx, orderID(name))
	for _, m := range value(r.Model) {
		if t, err := m.GetTimeStampAsTime(); err == nil && t != nil {
			list = append(list, value(m.EmailId))
		}
	}
	return list, refusedBy(r.HttpResponse, err)
}

func (c *terraform) seal(ctx context.Context, name string) (string, error) {
	r, err := c.RetrieveSiteSeal(ctx, orderID(name), ordersdk.SiteSealRequest{LightTheme: pointer(true), Locale: pointer("en-us")})
	return value(r.Model).Html, refusedBy(r.HttpResponse, err)
}

func (c *terraform) detectors(ctx context.Context, name string) (list []detector, err error) {
	r, err := c.diagnostics.ListAppServiceCertificateOrderDetectorResponseComplete(ctx, diagnosticsdk.NewCertificateOrderID(subscription, group, name))
	for _, d := range r.Items {
		list = append(list, fromTerraformDetector(d))
	}
	return list, refusedBy(r.LatestHttpResponse, err)
}

func (c *terraform) detector(ctx context.Context, name, id string, from, to time.Time) (detector, error) {
	r, err := c.diagnostics.GetAppServiceCertificateOrderDetectorResponse(ctx, diagnosticsdk.NewDetectorID(subscription, group, name, id), diagnosticsdk.GetAppServiceCertificateOrderDetectorResponseOperationOptions{
		StartTime: pointer(from.Format(time.RFC3339)), EndTime: pointer(to.Format(time.RFC3339)), TimeGrain: pointer("PT10M")})
	return fromTerraformDetector(value(r.Model)), refusedBy(r.HttpResponse, err)
}

func fromTerraformDetector(r diagnosticsdk.DetectorResponse) detector {
	p := value(r.Properties)
	d := detector{Name: value(r.Name), ID: value(value(p.Metadata).Id), Status: string(value(value(p.Status).StatusId)), Message: value(value(p.Status).Message)}
	for _, data := range value(p.Dataset) {
		t := value(data.Table)
		d.Tables = append(d.Tables, value(t.TableName))
		d.Rows += len(value(t.Rows))
	}
	return d
}
