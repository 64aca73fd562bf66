package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	kv "github.com/Azure/azure-sdk-for-go/sdk/keyvault/azcertificates"
)

// kept is what azcertificates saw, for the driver of the test to compare.
type kept struct {
	Order, Next struct{ ID, SID, Thumbprint, Issuer, Subject string }
	Names       []string
	Pages       int
	Refused     map[string]refused
	Steps       []string
}

// walker uses the client step by step.
type walker struct {
	*kv.Client
	ctx  context.Context
	kept kept
}

func certificates(ctx context.Context) (kept, error) {
	who, err := credential()
	if err != nil {
		return kept{}, err
	}
	c, err := kv.NewClient(os.Getenv("VAULT"), who, nil)
	if err != nil {
		return kept{}, err
	}
	w := &walker{Client: c, ctx: ctx, kept: kept{Refused: map[string]refused{}}}
	err = steps(w.order, w.self, w.elsewhere, w.stopped, w.brought, w.issuers, w.contacts, w.afterlife)
	return w.kept, err
}

// step notes a step; one that did not go well, or gave another answer than was asked for, ends the walk.
func (w *walker) step(what string, err error, well bool) error {
	if err == nil && !well {
		err = errors.New("the answer is another than was asked for")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	w.kept.Steps = append(w.kept.Steps, what)
	return nil
}

func (w *walker) refuse(what string, err error) {
	var r *azcore.ResponseError
	if !errors.As(err, &r) {
		w.kept.Refused[what] = refused{Text: fmt.Sprint(err)}
		return
	}
	w.kept.Refused[what] = refused{Status: r.StatusCode, Code: r.ErrorCode}
}

// done waits until an operation is over.
func (w *walker) done(name string) (kv.CertificateOperation, error) {
	o, err := until(w.ctx, func() (kv.GetCertificateOperationResponse, error) { return w.GetCertificateOperation(w.ctx, name, nil) },
		func(o kv.GetCertificateOperationResponse) bool { return value(o.Status) != "inProgress" })
	return o.CertificateOperation, err
}

// order reads the stored order as a certificate object, changes its policy, and makes a new version of it.
func (w *walker) order() error {
	got, err := w.GetCertificate(w.ctx, "shop", "", nil)
	if err != nil {
		return err
	}
	see := func(b kv.CertificateBundle) (ID, SID, Thumbprint, Issuer, Subject string) {
		return string(value(b.ID)), string(value(b.SID)), fmt.Sprintf("%X", b.X509Thumbprint), value(b.Policy.IssuerParameters.Name), value(b.Policy.X509CertificateProperties.Subject)
	}
	k := &w.kept.Order
	k.ID, k.SID, k.Thumbprint, k.Issuer, k.Subject = see(got.CertificateBundle)
	again, err := w.GetCertificate(w.ctx, "shop", got.ID.Version(), nil)
	if err := w.step("get a version", err, err == nil && bytes.Equal(again.CER, got.CER)); err != nil {
		return err
	}
	policy, err := w.GetCertificatePolicy(w.ctx, "shop", nil)
	if err := w.step("get the policy", err, err == nil && value(policy.IssuerParameters.Name) == "builtin" && *policy.X509CertificateProperties.SubjectAlternativeNames.DNSNames[0] == "shop.example.com"); err != nil {
		return err
	}
	policy.LifetimeActions = []*kv.LifetimeAction{{Action: &kv.Action{ActionType: pointer(kv.CertificatePolicyActionAutoRenew)}, Trigger: &kv.Trigger{LifetimePercentage: pointer(int32(60))}}}
	changed, err := w.UpdateCertificatePolicy(w.ctx, "shop", policy.CertificatePolicy, nil)
	if err := w.step("update the policy", err, err == nil && value(changed.LifetimeActions[0].Trigger.LifetimePercentage) == 60); err != nil {
		return err
	}
	op, err := w.CreateCertificate(w.ctx, "shop", kv.CreateCertificateParameters{CertificatePolicy: &changed.CertificatePolicy}, nil)
	if err := w.step("create under an order's name", err, err == nil && value(op.Status) == "inProgress"); err != nil {
		return err
	}
	end, err := w.done("shop")
	if err := w.step("get the operation", err, value(end.Status) == "completed"); err != nil {
		return err
	}
	next, err := w.GetCertificate(w.ctx, "shop", "", nil)
	if err := w.step("get the new version", err, err == nil && value(next.ID) != value(got.ID)); err != nil {
		return err
	}
	k = &w.kept.Next
	k.ID, k.SID, k.Thumbprint, k.Issuer, k.Subject = see(next.CertificateBundle)
	return nil
}

// self makes one that signs itself, twice, and lists its versions.
func (w *walker) self() error {
	ask := kv.CreateCertificateParameters{Tags: map[string]*string{"team": pointer("web")}, CertificatePolicy: &kv.CertificatePolicy{
		IssuerParameters: &kv.IssuerParameters{Name: pointer("Self")}, KeyProperties: &kv.KeyProperties{KeyType: pointer(kv.JSONWebKeyTypeEC), Curve: pointer(kv.JSONWebKeyCurveNameP384)},
		X509CertificateProperties: &kv.X509CertificateProperties{Subject: pointer("CN=go-self"), ValidityInMonths: pointer(int32(3))}}}
	for range 2 {
		if _, err := w.CreateCertificate(w.ctx, "go-self", ask, nil); err != nil {
			return err
		}
		if _, err := w.done("go-self"); err != nil {
			return err
		}
	}
	got, err := w.GetCertificate(w.ctx, "go-self", "", nil)
	if err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(got.CER)
	if err := w.step("create Self", err, err == nil && leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) == nil &&
		leaf.PublicKey.(*ecdsa.PublicKey).Curve == elliptic.P384() && value(got.Tags["team"]) == "web"); err != nil {
		return err
	}
	var versions []string
	for p := w.NewListCertificateVersionsPager("go-self", nil); p.More(); {
		page, err := p.NextPage(w.ctx)
		if err != nil {
			return err
		}
		for _, v := range page.Value {
			versions = append(versions, v.ID.Version())
		}
	}
	if err := w.step("list versions", nil, len(versions) == 2 && slices.Contains(versions, got.ID.Version())); err != nil {
		return err
	}
	off, err := w.UpdateCertificate(w.ctx, "go-self", got.ID.Version(), kv.UpdateCertificateParameters{CertificateAttributes: &kv.CertificateAttributes{Enabled: pointer(false)}, Tags: map[string]*string{"x": pointer("y")}}, nil)
	if err := w.step("update", err, err == nil && !value(off.Attributes.Enabled) && value(off.Tags["x"]) == "y" && len(off.Tags) == 1); err != nil {
		return err
	}
	_, err = w.UpdateCertificate(w.ctx, "go-self", got.ID.Version(), kv.UpdateCertificateParameters{CertificateAttributes: &kv.CertificateAttributes{Enabled: pointer(true)}}, nil)
	return w.step("enable", err, true)
}

// authority is somebody else, who signs requests.
func authority() (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Elsewhere"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	c, err := x509.ParseCertificate(der)
	return c, key, err
}

// elsewhere lets somebody else sign the request, and merges the certificate.
func (w *walker) elsewhere() error {
	op, err := w.CreateCertificate(w.ctx, "go-csr", unknown("CN=go-csr.example.com"), nil)
	if err := w.step("create Unknown", err, err == nil && value(op.Status) == "inProgress" && len(op.CSR) > 100); err != nil {
		return err
	}
	csr, err := x509.ParseCertificateRequest(op.CSR)
	if err := w.step("the request", err, err == nil && csr.CheckSignature() == nil && csr.Subject.CommonName == "go-csr.example.com"); err != nil {
		return err
	}
	ca, key, err := authority()
	if err != nil {
		return err
	}
	leaf, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(2), Subject: csr.Subject, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, DNSNames: []string{"go-csr.example.com"}}, ca, csr.PublicKey, key)
	if err != nil {
		return err
	}
	_, err = w.MergeCertificate(w.ctx, "go-csr", kv.MergeCertificateParameters{X509Certificates: [][]byte{ca.Raw}}, nil)
	w.refuse("merge another's", err)
	merged, err := w.MergeCertificate(w.ctx, "go-csr", kv.MergeCertificateParameters{X509Certificates: [][]byte{leaf, ca.Raw}, Tags: map[string]*string{"from": pointer("merge")}}, nil)
	return w.step("merge", err, err == nil && bytes.Equal(merged.CER, leaf) && merged.Tags["from"] != nil && *merged.Tags["from"] == "merge")
}

func unknown(subject string) kv.CreateCertificateParameters {
	return kv.CreateCertificateParameters{CertificatePolicy: &kv.CertificatePolicy{IssuerParameters: &kv.IssuerParameters{Name: pointer("Unknown")}, X509CertificateProperties: &kv.X509CertificateProperties{Subject: &subject}}}
}

// stopped gives an operation up, and removes it.
func (w *walker) stopped() error {
	if _, err := w.CreateCertificate(w.ctx, "go-stop", unknown("CN=go-stop.example.com"), nil); err != nil {
		return err
	}
	_, err := w.UpdateCertificateOperation(w.ctx, "go-stop", kv.UpdateCertificateOperationParameter{CancellationRequested: pointer(true)}, nil)
	if err := w.step("cancel", err, true); err != nil {
		return err
	}
	if o, err := w.done("go-stop"); err != nil || value(o.Status) != "cancelled" {
		return w.step("cancelled", err, false)
	}
	_, err = w.DeleteCertificateOperation(w.ctx, "go-stop", nil)
	if err := w.step("delete the operation", err, true); err != nil {
		return err
	}
	_, err = w.GetCertificateOperation(w.ctx, "go-stop", nil)
	w.refuse("a deleted operation", err)
	return nil
}

// brought imports PEM, and lists everything past a page.
func (w *walker) brought() error {
	ca, key, err := authority()
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw})
	_, err = w.ImportCertificate(w.ctx, "go-bad", kv.ImportCertificateParameters{Base64EncodedCertificate: pointer(string(text))}, nil)
	w.refuse("no key", err)
	whole := string(text) + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	for i := range 27 {
		got, err := w.ImportCertificate(w.ctx, fmt.Sprintf("go-many-%02d", i), kv.ImportCertificateParameters{Base64EncodedCertificate: &whole,
			CertificatePolicy: &kv.CertificatePolicy{SecretProperties: &kv.SecretProperties{ContentType: pointer("application/x-pem-file")}}, Tags: map[string]*string{"i": pointer(fmt.Sprint(i))}}, nil)
		if err != nil || !bytes.Equal(got.CER, ca.Raw) || value(got.Policy.IssuerParameters.Name) != "Unknown" || value(got.Tags["i"]) != fmt.Sprint(i) {
			return w.step("import", err, false)
		}
	}
	for p := w.NewListCertificatesPager(nil); p.More(); w.kept.Pages++ {
		page, err := p.NextPage(w.ctx)
		if err != nil {
			return err
		}
		for _, v := range page.Value {
			w.kept.Names = append(w.kept.Names, v.ID.Name())
		}
	}
	return w.step("import and list", nil, true)
}

func (w *walker) issuers() error {
	set, err := w.SetCertificateIssuer(w.ctx, "go-issuer", kv.SetCertificateIssuerParameters{Provider: pointer("builtin"), Credentials: &kv.IssuerCredentials{AccountID: pointer("abc")},
		OrganizationDetails: &kv.OrganizationDetails{AdminDetails: []*kv.AdministratorDetails{{EmailAddress: pointer("a@example.com")}}}}, nil)
	if err := w.step("set an issuer", err, err == nil && value(set.Provider) == "builtin" && value(set.Credentials.AccountID) == "abc" && value(set.OrganizationDetails.AdminDetails[0].EmailAddress) == "a@example.com"); err != nil {
		return err
	}
	changed, err := w.UpdateCertificateIssuer(w.ctx, "go-issuer", kv.UpdateCertificateIssuerParameters{Credentials: &kv.IssuerCredentials{AccountID: pointer("xyz")}}, nil)
	if err := w.step("update the issuer", err, err == nil && value(changed.Credentials.AccountID) == "xyz" && value(changed.Provider) == "builtin"); err != nil {
		return err
	}
	got, err := w.GetCertificateIssuer(w.ctx, "go-issuer", nil)
	if err := w.step("get the issuer", err, err == nil && value(got.Credentials.AccountID) == "xyz"); err != nil {
		return err
	}
	names := 0
	for p := w.NewListCertificateIssuersPager(nil); p.More(); {
		page, err := p.NextPage(w.ctx)
		if err != nil {
			return err
		}
		names += len(page.Value)
	}
	if err := w.step("list issuers", nil, names == 2); err != nil {
		return err
	}
	gone, err := w.DeleteCertificateIssuer(w.ctx, "go-issuer", nil)
	if err := w.step("delete the issuer", err, err == nil && value(gone.Credentials.AccountID) == "xyz"); err != nil {
		return err
	}
	_, err = w.GetCertificateIssuer(w.ctx, "go-issuer", nil)
	w.refuse("a deleted issuer", err)
	return nil
}

func (w *walker) contacts() error {
	people := kv.Contacts{ContactList: []*kv.Contact{{EmailAddress: pointer("ops@example.com"), Name: pointer("Ops"), Phone: pointer("1")}}}
	set, err := w.SetCertificateContacts(w.ctx, people, nil)
	if err := w.step("set contacts", err, err == nil && len(set.ContactList) == 1); err != nil {
		return err
	}
	got, err := w.GetCertificateContacts(w.ctx, nil)
	if err := w.step("get contacts", err, err == nil && *got.ContactList[0].EmailAddress == "ops@example.com" && *got.ContactList[0].Name == "Ops" && *got.ContactList[0].Phone == "1"); err != nil {
		return err
	}
	gone, err := w.DeleteCertificateContacts(w.ctx, nil)
	if err := w.step("delete contacts", err, err == nil && len(gone.ContactList) == 1); err != nil {
		return err
	}
	_, err = w.GetCertificateContacts(w.ctx, nil)
	w.refuse("deleted contacts", err)
	return nil
}

// afterlife backs up, deletes, recovers, purges and restores.
func (w *walker) afterlife() error {
	before, err := w.GetCertificate(w.ctx, "go-self", "", nil)
	if err != nil {
		return err
	}
	backup, err := w.BackupCertificate(w.ctx, "go-self", nil)
	if err := w.step("backup", err, err == nil && len(backup.Value) > 100); err != nil {
		return err
	}
	remove := func(what string) error {
		d, err := w.DeleteCertificate(w.ctx, "go-self", nil)
		return w.step(what, err, err == nil && value(d.RecoveryID) == os.Getenv("VAULT")+"/deletedcertificates/go-self" && d.ScheduledPurgeDate.After(*d.DeletedDate))
	}
	if err := remove("delete"); err != nil {
		return err
	}
	_, err = w.GetCertificate(w.ctx, "go-self", "", nil)
	w.refuse("a deleted certificate", err)
	dead, err := w.GetDeletedCertificate(w.ctx, "go-self", nil)
	if err := w.step("get deleted", err, err == nil && bytes.Equal(dead.CER, before.CER) && value(dead.Policy.X509CertificateProperties.Subject) == "CN=go-self"); err != nil {
		return err
	}
	var names []string
	for p := w.NewListDeletedCertificatesPager(nil); p.More(); {
		page, err := p.NextPage(w.ctx)
		if err != nil {
			return err
		}
		for _, v := range page.Value {
			names = append(names, v.ID.Name())
		}
	}
	if err := w.step("list deleted", nil, slices.Contains(names, "go-self")); err != nil {
		return err
	}
	back, err := w.RecoverDeletedCertificate(w.ctx, "go-self", nil)
	if err := w.step("recover", err, err == nil && back.ID.Name() == "go-self"); err != nil {
		return err
	}
	if err := remove("delete again"); err != nil {
		return err
	}
	_, err = w.PurgeDeletedCertificate(w.ctx, "go-self", nil)
	if err := w.step("purge", err, true); err != nil {
		return err
	}
	_, err = w.GetDeletedCertificate(w.ctx, "go-self", nil)
	w.refuse("a purged certificate", err)
	restored, err := w.RestoreCertificate(w.ctx, kv.RestoreCertificateParameters{CertificateBundleBackup: backup.Value}, nil)
	return w.step("restore", err, err == nil && bytes.Equal(restored.CER, before.CER))
}
