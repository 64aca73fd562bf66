package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/services/web/mgmt/2021-03-01/web"
	"github.com/Azure/go-autorest/autorest"
	"github.com/Azure/go-autorest/autorest/adal"
	"github.com/Azure/go-autorest/autorest/azure"
	"github.com/Azure/go-autorest/autorest/date"
)

// v68 is azure-sdk-for-go v68, signed in as go-autorest does it: with the first version of the token endpoint.
type v68 struct {
	web.AppServiceCertificateOrdersClient
	diagnostics web.CertificateOrdersDiagnosticsClient
	provider    web.CertificateRegistrationProviderClient
}

func newAutorest() (*v68, error) {
	base := os.Getenv("URL")
	login, err := adal.NewOAuthConfig(base, tenant)
	if err != nil {
		return nil, err
	}
	token, err := adal.NewServicePrincipalToken(*login, "owner", os.Getenv("TOKEN"), "https://management.azure.com/")
	if err != nil {
		return nil, err
	}
	c := &v68{web.NewAppServiceCertificateOrdersClientWithBaseURI(base, subscription), web.NewCertificateOrdersDiagnosticsClientWithBaseURI(base, subscription),
		web.NewCertificateRegistrationProviderClientWithBaseURI(base, subscription)}
	by := autorest.NewBearerAuthorizer(token)
	c.Authorizer, c.diagnostics.Authorizer, c.provider.Authorizer = by, by, by
	return c, nil
}

// failed takes the status, the code and the message out of this client's errors. (After a 409 it gives the service's error
// as a value, else as a pointer.)
func failed(err error) error {
	var d autorest.DetailedError
	if !errors.As(err, &d) {
		return err
	}
	status, _ := d.StatusCode.(int)
	var service *azure.RequestError
	var conflict azure.RequestError
	if errors.As(d.Original, &conflict) {
		service = &conflict
	}
	if (service != nil || errors.As(d.Original, &service)) && service.ServiceError != nil {
		return refused{status, service.ServiceError.Code, service.ServiceError.Message}
	}
	return err
}

func (c *v68) operations(ctx context.Context) (names []string, err error) {
	page, err := c.provider.ListOperations(ctx)
	for ; err == nil && page.NotDone(); err = page.NextWithContext(ctx) {
		for _, o := range page.Values() {
			names = append(names, value(o.Name))
		}
	}
	return names, failed(err)
}

func body(w wish) web.AppServiceCertificateOrder {
	o := web.AppServiceCertificateOrder{Location: pointer("Global"), Tags: map[string]*string{}, AppServiceCertificateOrderProperties: &web.AppServiceCertificateOrderProperties{
		DistinguishedName: &w.DN, AutoRenew: &w.AutoRenew, KeySize: pointer(int32(w.KeySize)), ValidityInYears: pointer(int32(1)), ProductType: web.CertificateProductTypeStandardDomainValidatedSsl}}
	for k, v := range w.Tags {
		o.Tags[k] = &v
	}
	return o
}

func (c *v68) validate(ctx context.Context, w wish) error {
	_, err := c.ValidatePurchaseInformation(ctx, body(w))
	return failed(err)
}

func (c *v68) put(ctx context.Context, name string, w wish) error {
	f, err := c.CreateOrUpdate(ctx, group, name, body(w))
	if err == nil {
		err = f.WaitForCompletionRef(ctx, c.Client)
	}
	if err == nil {
		_, err = f.Result(c.AppServiceCertificateOrdersClient)
	}
	return failed(err)
}

func (c *v68) patch(ctx context.Context, name string, w wish) (order, error) {
	p := &web.AppServiceCertificateOrderPatchResourceProperties{ProductType: web.CertificateProductTypeStandardDomainValidatedSsl, AutoRenew: &w.AutoRenew}
	if w.KeySize != 0 {
		p.KeySize = pointer(int32(w.KeySize))
	}
	o, err := c.Update(ctx, group, name, web.AppServiceCertificateOrderPatchResource{AppServiceCertificateOrderPatchResourceProperties: p})
	return fromWeb(o), failed(err)
}

func (c *v68) get(ctx context.Context, name string) (order, error) {
	o, err := c.Get(ctx, group, name)
	return fromWeb(o), failed(err)
}

func (c *v68) remove(ctx context.Context, name string) error {
	_, err := c.Delete(ctx, group, name)
	return failed(err)
}

func (c *v68) list(ctx context.Context, group string) (list []order, err error) {
	page, err := c.List(ctx)
	if group != "" {
		page, err = c.ListByResourceGroup(ctx, group)
	}
	for ; err == nil && page.NotDone(); err = page.NextWithContext(ctx) {
		for _, o := range page.Values() {
			list = append(list, fromWeb(o))
		}
	}
	return list, failed(err)
}

func fromWeb(o web.AppServiceCertificateOrder) order {
	p := value(o.AppServiceCertificateOrderProperties)
	signed := value(p.SignedCertificate)
	out := order{ID: value(o.ID), Name: value(o.Name), Type: value(o.Type), Location: value(o.Location), Status: string(p.Status), Provisioning: string(p.ProvisioningState), DN: value(p.DistinguishedName),
		Product: string(p.ProductType), Token: value(p.DomainVerificationToken), Serial: value(p.SerialNumber), Thumbprint: value(signed.Thumbprint), Issuer: value(signed.Issuer), KeySize: int(value(p.KeySize)),
		Years: int(value(p.ValidityInYears)), AutoRenew: value(p.AutoRenew), External: value(p.IsPrivateKeyExternal), Tags: map[string]string{}, Links: map[string]string{},
		Issued: value(p.LastCertificateIssuanceTime).Time, Expires: value(p.ExpirationTime).Time}
	for k, v := range o.Tags {
		out.Tags[k] = value(v)
	}
	for k, v := range p.Certificates {
		out.Links[k] = value(v.KeyVaultSecretName)
	}
	return out
}

func fromWebLink(r web.AppServiceCertificateResource) link {
	p := value(r.AppServiceCertificate)
	return link{value(r.ID), value(r.Name), value(p.KeyVaultID), value(p.KeyVaultSecretName), string(p.ProvisioningState)}
}

func (c *v68) putLink(ctx context.Context, name, link, secret string) error {
	f, err := c.CreateOrUpdateCertificate(ctx, group, name, link, web.AppServiceCertificateResource{Location: pointer("Global"), AppServiceCertificate: &web.AppServiceCertificate{KeyVaultID: pointer(vaultID), KeyVaultSecretName: &secret}})
	if err == nil {
		err = f.WaitForCompletionRef(ctx, c.Client)
	}
	if err == nil {
		_, err = f.Result(c.AppServiceCertificateOrdersClient)
	}
	return failed(err)
}

func (c *v68) patchLink(ctx context.Context, name, child, secret string) (link, error) {
	r, err := c.UpdateCertificate(ctx, group, name, child, web.AppServiceCertificatePatchResource{AppServiceCertificate: &web.AppServiceCertificate{KeyVaultID: pointer(vaultID), KeyVaultSecretName: &secret}})
	return fromWebLink(r), failed(err)
}

func (c *v68) getLink(ctx context.Context, name, child string) (link, error) {
	r, err := c.GetCertificate(ctx, group, name, child)
	return fromWebLink(r), failed(err)
}

func (c *v68) removeLink(ctx context.Context, name, child string) error {
	_, err := c.DeleteCertificate(ctx, group, name, child)
	return failed(err)
}

func (c *v68) links(ctx context.Context, name string) (list []link, err error) {
	page, err := c.ListCertificates(ctx, group, name)
	for ; err == nil && page.NotDone(); err = page.NextWithContext(ctx) {
		for _, r := range page.Values() {
			list = append(list, fromWebLink(r))
		}
	}
	return list, failed(err)
}

func (c *v68) renew(ctx context.Context, name string) error {
	_, err := c.Renew(ctx, group, name, web.RenewCertificateOrderRequest{RenewCertificateOrderRequestProperties: &web.RenewCertificateOrderRequestProperties{IsPrivateKeyExternal: pointer(false)}})
	return failed(err)
}

func (c *v68) reissue(ctx context.Context, name string, delay int) error {
	_, err := c.Reissue(ctx, group, name, web.ReissueCertificateOrderRequest{ReissueCertificateOrderRequestProperties: &web.ReissueCertificateOrderRequestProperties{DelayExistingRevokeInHours: pointer(int32(delay))}})
	return failed(err)
}

func (c *v68) verify(ctx context.Context, name string) error {
	_, err := c.VerifyDomainOwnership(ctx, group, name)
	return failed(err)
}

func (c *v68) resend(ctx context.Context, name string) error {
	_, err := c.ResendEmail(ctx, group, name)
	return failed(err)
}

func (c *v68) resendFor(ctx context.Context, name, host string) error {
	_, err := c.ResendRequestEmails(ctx, group, name, web.NameIdentifier{Name: &host})
	return failed(err)
}

func (c *v68) actions(ctx context.Context, name string) (list []string, err error) {
	r, err := c.RetrieveCertificateActions(ctx, group, name)
	for _, a := range value(r.Value) {
		if p := value(a.CertificateOrderActionProperties); !value(p.CreatedAt).IsZero() {
			list = append(list, string(p.ActionType))
		}
	}
	return list, failed(err)
}

func (c *v68) mails(ctx context.Context, name string) (list []string, err error) {
	r, err := c.RetrieveCertificateEmailHistory(ctx, group, name)
	for _, m := range value(r.Value) {
		if p := value(m.CertificateEmailProperties); !value(p.TimeStamp).IsZero() {
			list = append(list, value(p.EmailID))
		}
	}
	return list, failed(err)
}

func (c *v68) seal(ctx context.Context, name string) (string, error) {
	r, err := c.RetrieveSiteSeal(ctx, group, name, web.SiteSealRequest{LightTheme: pointer(true), Locale: pointer("en-us")})
	return value(r.HTML), failed(err)
}

func (c *v68) detectors(ctx context.Context, name string) (list []detector, err error) {
	page, err := c.diagnostics.ListAppServiceCertificateOrderDetectorResponse(ctx, group, name)
	for ; err == nil && page.NotDone(); err = page.NextWithContext(ctx) {
		for _, r := range page.Values() {
			list = append(list, fromWebDetector(r))
		}
	}
	return list, failed(err)
}

func (c *v68) detector(ctx context.Context, name, id string, from, to time.Time) (detector, error) {
	r, err := c.diagnostics.GetAppServiceCertificateOrderDetectorResponse(ctx, group, name, id, &date.Time{Time: from}, &date.Time{Time: to}, "PT10M")
	return fromWebDetector(r), failed(err)
}

func fromWebDetector(r web.DetectorResponse) detector {
	p := value(r.DetectorResponseProperties)
	d := detector{Name: value(r.Name), ID: value(value(p.Metadata).ID), Status: string(value(p.Status).StatusID), Message: value(value(p.Status).Message)}
	for _, data := range value(p.Dataset) {
		t := value(data.Table)
		d.Tables = append(d.Tables, value(t.TableName))
		d.Rows += len(value(t.Rows))
	}
	return d
}
