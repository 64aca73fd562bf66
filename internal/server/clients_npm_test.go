package server

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"certwright/internal/order"
	"certwright/internal/site"
)

// npm installs Azure's clients for JavaScript, once, as the lock file has them.
var npm = sync.OnceValues(func() ([]byte, error) {
	dir := filepath.Join("..", "..", "test", "clients", "npm")
	lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return nil, err
	}
	stamp := filepath.Join(dir, "node_modules", ".lock-installed")
	if had, err := os.ReadFile(stamp); err == nil && bytes.Equal(had, lock) {
		return nil, nil
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return out, err
	}
	return nil, os.WriteFile(stamp, lock, 0o600)
})

func needNpmClients(t *testing.T) {
	t.Helper()
	if out, err := npm(); err != nil {
		missing(t, "Azure's clients for JavaScript are not here: npm ci: %v\n%s", err, out)
	}
}

// script runs a script of JavaScript and reads what it prints.
func (c *clients) script(into any, name string) {
	c.t.Helper()
	needNpmClients(c.t)
	c.run(into, "npm", "node", name)
	c.wire.used(c.t, "azsdk-js-identity", signsIn)
}

// signsIn is how clients come by a token: with a client id and its secret.
var signsIn = []operation{{"sign in", "POST", "/{tenant}/oauth2/v2.0/token", []string{"200"}}}

// letterbox is a mail server that keeps what it takes.
type letterbox struct {
	mu    sync.Mutex
	mails []string
}

func (m *letterbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &delivery{box: m}, nil }

type delivery struct{ box *letterbox }

func (delivery) Reset()                               {}
func (delivery) Logout() error                        { return nil }
func (delivery) Mail(string, *smtp.MailOptions) error { return nil }
func (delivery) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (d *delivery) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	d.box.mu.Lock()
	defer d.box.mu.Unlock()
	d.box.mails = append(d.box.mails, string(b))
	return err
}

// asked are the mails that somebody asked for: on a slow machine others come besides, of what is wrong with orders by then.
func (m *letterbox) asked() (list []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, mail := range m.mails {
		if strings.Contains(strings.Join(strings.Fields(mail), " "), "What has to be published for") { // lines are folded
			list = append(list, mail)
		}
	}
	return list
}

// startLetterbox starts a mail server, and gives its address.
func startLetterbox(t *testing.T) (*letterbox, string) {
	t.Helper()
	m := &letterbox{}
	s := smtp.NewServer(m)
	s.Domain, s.ReadTimeout, s.WriteTimeout = "mail.example.com", 10*time.Second, 10*time.Second
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(ln) }() // ends with Close
	t.Cleanup(func() { _ = s.Close() })
	return m, ln.Addr().String()
}

// refusal is what a client says of a call that was refused.
type refusal struct {
	Name, Code, Message string
	Status              int
}

// TestNpmClientOfOrders: @azure/arm-certificateregistration does everything it can.
func TestNpmClientOfOrders(t *testing.T) {
	t.Parallel()
	box, address := startLetterbox(t)
	c := startClients(t, func(conf *Config) {
		conf.Notify = map[string]Notify{"ops": {Kind: "smtp", Server: address, TLS: "none", From: "certwright@example.com", To: []string{"ops@example.com"}}}
	})
	type resource struct {
		ID, Name, Type, Location, Status, ProvisioningState, DistinguishedName, ProductType, DomainVerificationToken, SerialNumber, KeyVaultID, KeyVaultSecretName string
		KeySize, ValidityInYears                                                                                                                                   int
		AutoRenew, IsPrivateKeyExternal                                                                                                                            bool
		CSR                                                                                                                                                        string
		Tags                                                                                                                                                       map[string]string
		Certificates                                                                                                                                               map[string]struct{ KeyVaultID, KeyVaultSecretName, ProvisioningState string }
		SignedCertificate, Intermediate                                                                                                                            *details
		LastCertificateIssuanceTime, ExpirationTime, NextAutoRenewalTimeStamp                                                                                      time.Time
		AppServiceCertificateNotRenewableReasons                                                                                                                   []string
	}
	type found struct {
		Name, Type string
		Metadata   struct{ ID string }
		Status     struct{ Message, StatusID string }
		Dataset    []struct {
			Table struct {
				TableName string
				Rows      [][]string
			}
		}
	}
	many := c.many(t, 2)
	var got struct {
		Operations, Listed, InGroup, InOther, Links, Detectors     []string
		Actions                                                    []acted
		Spanned                                                    string
		Created, Again, Got, Updated, Linked, Link, Relinked, Shop resource
		Own, External, Managed                                     resource
		Mails                                                      []mailed
		Seal, Dark                                                 struct{ HTML string }
		Detector, Waiting, Unasked                                 found
		First, Renewed                                             string
		Refused                                                    map[string]refusal
	}
	c.script(&got, "orders.mjs")
	c.wire.used(t, "azsdk-js-arm-certificateregistration", certOperations(t))

	checkOperations(t, got.Operations)
	n := got.Created
	if n.ID != order.Short("npm").String() || n.Type != order.Type || n.Location != "Global" || n.Status != "Pendingissuance" || n.ProvisioningState != "Succeeded" || n.DistinguishedName != "CN=npm.example.com" ||
		n.ProductType != "StandardDomainValidatedSsl" || n.KeySize != 2048 || n.ValidityInYears != 1 || !n.AutoRenew || n.DomainVerificationToken == "" || n.Tags["team"] != "web" {
		t.Errorf("created: %+v", n)
	}
	if got.Again.DomainVerificationToken != n.DomainVerificationToken || got.Got.ID != n.ID {
		t.Errorf("put again %+v, got %+v", got.Again, got.Got)
	}
	if all, in, other := strings.Join(got.Listed, " "), strings.Join(got.InGroup, " "), strings.Join(many, " "); all != "npm shop "+other || in != "npm shop" || strings.Join(got.InOther, " ") != other {
		t.Errorf("listed: %s; in the group: %s; in the other: %v", all, in, got.InOther)
	}
	if got.Updated.AutoRenew || got.Updated.Tags["team"] != "web" {
		t.Errorf("updated: %+v", got.Updated)
	}
	if l := got.Linked; l.Name != "link" || l.Type != order.Type+"/certificates" || l.ProvisioningState != "WaitingOnCertificateOrder" && l.ProvisioningState != "Initialized" || l.KeyVaultSecretName != "npm-link" || !strings.HasSuffix(l.KeyVaultID, "/microsoft.keyvault/vaults/default") {
		t.Errorf("linked: %+v", l)
	}
	if got.Relinked.KeyVaultSecretName != "npm-other" || strings.Join(got.Links, " ") != "link" || got.Link.ID != got.Linked.ID {
		t.Errorf("links %v, %+v, changed %+v", got.Links, got.Link, got.Relinked)
	}
	for what, want := range map[string]refusal{
		"validate": {Status: 400, Code: "InvalidName"}, "change": {Status: 409, Code: "PropertyChangeNotAllowed"}, "unknown": {Status: 404, Code: "OrderNotFound"},
		"group": {Status: 404, Code: "ResourceGroupNotFound"}, "vault": {Status: 400, Code: "InvalidKeyVaultId"}, "link": {Status: 404, Code: "LinkNotFound"},
		"name": {Status: 400, Code: "NameNotInOrder"}, "seal": {Status: 409, Code: "NothingIssued"}, "csr": {Status: 400, Code: "InvalidCsr"},
		"noCsr": {Status: 400, Code: order.CsrMissing}, "keySize": {Status: 400, Code: "UnknownKeySize"}, "both": {Status: 400, Code: "ConflictingProperties"}, "other": {Status: 409, Code: "PropertyChangeNotAllowed"}, "again": {Status: 400, Code: order.CsrMissing},
		"verify": {Status: 409, Code: "NothingToVerify"}, "gone": {Status: 404, Code: "OrderNotFound"}, "bound": {Status: 409, Code: "OrderBound"},
	} {
		if r := got.Refused[what]; r.Name != "RestError" || r.Status != want.Status || r.Code != want.Code || r.Message == "" {
			t.Errorf("%s is refused with %+v, want %d %s", what, r, want.Status, want.Code)
		}
	}
	if o := got.Own; !o.IsPrivateKeyExternal || o.CSR == "" || o.KeySize != 3072 || o.DistinguishedName != "CN=own.example.com" || o.Certificates["own"].ProvisioningState != "ExternalPrivateKey" {
		t.Errorf("ordered with a request: %+v", o)
	}
	if o := got.External; !o.IsPrivateKeyExternal || o.KeySize != 3072 || o.Certificates["copy"].ProvisioningState != "ExternalPrivateKey" {
		t.Errorf("reissued with a request: %+v", o)
	}
	if o := got.Managed; o.IsPrivateKeyExternal || o.KeySize != 4096 || o.CSR != "" {
		t.Errorf("renewed with a key made here: %+v", o)
	}
	c.checkMails(box, "npm.example.com", got.Mails)
	c.checkShop(got.First, got.Renewed, got.Shop.SerialNumber, got.Shop.SignedCertificate.Thumbprint)
	if got.Shop.Certificates["copy"].ProvisioningState != "Succeeded" || got.Shop.Status != "Issued" {
		t.Errorf("shop: %+v", got.Shop)
	}
	c.checkActions(got.Actions)
	v := c.load(c.id).Version(3)
	got.Shop.SignedCertificate.is(t, v, 0)
	got.Shop.Intermediate.is(t, v, 1)
	if s := got.Shop; !near(s.LastCertificateIssuanceTime, v.Issued) || !near(s.ExpirationTime, v.NotAfter) || !s.NextAutoRenewalTimeStamp.After(c.Now()) || !s.NextAutoRenewalTimeStamp.Before(v.NotAfter) || s.AppServiceCertificateNotRenewableReasons == nil || len(s.AppServiceCertificateNotRenewableReasons) > 0 {
		t.Errorf("issued %s, expires %s, renews %s, is not renewable for %v; the version is %+v", s.LastCertificateIssuanceTime, s.ExpirationTime, s.NextAutoRenewalTimeStamp, s.AppServiceCertificateNotRenewableReasons, v)
	}
	if light, dark := got.Seal.HTML, got.Dark.HTML; !strings.Contains(light, "shop.example.com") || !strings.Contains(light, got.Shop.SerialNumber) || !strings.Contains(light, "en-us") || !strings.Contains(dark, got.Shop.SerialNumber) ||
		light == dark || strings.Contains(dark, "en-us") || !strings.Contains(light, "background:#f5f5f5") || !strings.Contains(dark, "background:#1d2433") {
		t.Errorf("the seal is %s, without a wish %s", light, dark)
	}
	if strings.Join(got.Detectors, " ") != "Diagnosis AutoRenewStatus CertsImport KeyVaultLink DomainVerification BindingNotUpdated ServiceHealth" || got.Detector.Metadata.ID != "AutoRenewStatus" || got.Detector.Status.StatusID != "Success" ||
		len(got.Detector.Dataset) < 2 || got.Detector.Dataset[0].Table.TableName != "insights" || got.Detector.Dataset[1].Table.TableName != "path" || len(got.Detector.Dataset[1].Table.Rows) < 6 {
		t.Errorf("detectors %v, AutoRenewStatus %+v", got.Detectors, got.Detector)
	}
	if got.Spanned != "AutoRenewStatus" {
		t.Errorf("with a span of time the detector is %q", got.Spanned)
	}
	if w := got.Waiting; w.Status.StatusID == "Success" || w.Status.StatusID == "None" || w.Status.Message == "" || len(w.Dataset[0].Table.Rows) == 0 {
		t.Errorf("an order that waits for its owner is diagnosed as %+v", w)
	}
	if u := got.Unasked; u.Status.StatusID != "Success" || len(u.Dataset[0].Table.Rows) > 0 {
		t.Errorf("a detector of the vault says of an order that waits for its owner: %+v", u)
	}
}

// mailed is a mail of an order's history.
type mailed struct {
	EmailID   string
	TimeStamp time.Time
}

func (c *clients) checkMails(box *letterbox, name string, history []mailed) {
	c.t.Helper()
	mails := box.asked()
	if len(history) != 2 || history[0].EmailID != "ops@example.com" || len(mails) != 2 {
		c.t.Fatalf("the history has %v, the letterbox %d mails: %s", history, len(mails), mails)
	}
	for _, m := range history {
		if age := c.Now().Sub(m.TimeStamp); age < 0 || age > 10*time.Minute {
			c.t.Errorf("the mail %+v went at another time: it is %s", m, c.Now())
		}
	}
	if m := mails[1]; !strings.Contains(m, name) || !strings.Contains(m, "Subject: ") {
		c.t.Errorf("the mail is %s", m)
	}
}

// checkShop compares what a client saw of the shop's versions with what there is.
func (c *clients) checkShop(first, renewed, last, thumbprint string) {
	c.t.Helper()
	o := c.load(c.id)
	v := o.Version(3)
	if first != c.o.First().Serial || renewed == first || last == renewed || v.Serial != last || v.Thumbprint != thumbprint {
		c.t.Errorf("the serials seen are %s, %s, %s; the order has %+v", first, renewed, last, v)
	}
	copied, err := c.Vault.GetSecret(c.t.Context(), "default", "shop-copy", v.SecretID)
	if err != nil || copied.ID != v.SecretID {
		c.t.Errorf("the copy holds %v, %v; want version %s", copied.ID, err, v.SecretID)
	}
	old := o.Version(2)
	if old == nil || old.RevokeAt == nil || !old.RevokeAt.After(c.Now().Add(time.Hour)) {
		c.t.Errorf("the version before the reissue is %+v: it is to be revoked after two hours", old)
	}
}

// TestNpmClientOfTheActivityLog: @azure/arm-monitor reads the timeline.
func TestNpmClientOfTheActivityLog(t *testing.T) {
	t.Parallel()
	c := startClients(t)
	type word struct{ Value string }
	var got struct {
		First struct {
			Caller, CorrelationID, ResourceID, Level, SubscriptionID, TenantID, Description, EventDataID string
			OperationName, Status, ResourceType, Category                                                word
			Authorization                                                                                struct{ Action, Scope string }
			EventTimestamp                                                                               time.Time
		}
		Count, Group, Provider, OtherProvider, None, Tenant int
		URI, Correlation, Categories                        []string
		Selected                                            map[string]any
		Refused                                             map[string]refusal
	}
	c.script(&got, "monitor.mjs")
	c.wire.used(t, "azsdk-js-arm-monitor", ownOperations("Microsoft.Insights", ""))
	all, _, err := c.Store.Events(t.Context(), order.EventQuery{Limit: 1000, Ascending: true})
	if err != nil {
		t.Fatal(err)
	}
	f, e := got.First, all[0]
	if f.EventDataID != e.ID || f.Caller != e.Caller || f.CorrelationID != e.Correlation || f.ResourceID != c.id.String() || f.OperationName.Value != order.Type+"/write" || f.Status.Value != "Succeeded" ||
		f.Category.Value != "Administrative" || f.ResourceType.Value != order.Type || f.Description != e.Text || !f.EventTimestamp.Equal(e.At) || f.Authorization.Scope != c.id.String() {
		t.Errorf("the first event is %+v, want %+v", f, e)
	}
	if got.Count != len(all) || got.Group != len(all) || got.Provider != len(all) || got.Tenant != len(all) || len(got.URI) != len(all) || got.OtherProvider != 0 || got.None != 0 {
		t.Errorf("of %d events: %d, by group %d, by provider %d and %d, by resource %d, of the tenant %d, of no time %d", len(all), got.Count, got.Group, got.Provider, got.OtherProvider, len(got.URI), got.Tenant, got.None)
	}
	for _, id := range got.Correlation {
		if id != e.Correlation {
			t.Errorf("by correlation: %v", got.Correlation)
		}
	}
	if len(got.Selected) != 2 || got.Selected["eventName"] == nil || got.Selected["level"] == nil || strings.Join(got.Categories, "") != "Administrative" {
		t.Errorf("selected %v, categories %v", got.Selected, got.Categories)
	}
	for what, r := range got.Refused {
		if r.Status != 400 || r.Code != "InvalidFilter" {
			t.Errorf("%s is refused with %+v", what, r)
		}
	}
}

// TestNpmClientsTurnPages: lists go on where a page ends, by the absolute link that it names.
func TestNpmClientsTurnPages(t *testing.T) {
	t.Parallel()
	c := startClients(t)
	want := c.many(t, 103)
	var got struct{ All, Group, Events [][]string }
	c.script(&got, "pages.mjs")
	for what, pages := range map[string][][]string{"group": got.Group, "events": got.Events, "all": got.All} {
		var list []string
		for _, p := range pages {
			for _, v := range p {
				if v = v[strings.LastIndex(v, "/")+1:]; strings.HasPrefix(v, "w-") {
					list = append(list, v)
				}
			}
		}
		slices.Sort(list)
		if len(pages) < 2 || !slices.Equal(list, want) {
			t.Errorf("%s: %d pages with %d of %d orders: %v", what, len(pages), len(list), len(want), list)
		}
	}
}

// many records orders in the group "many": watched ones, which ask nobody for anything.
func (l *live) many(t *testing.T, n int) (names []string) {
	t.Helper()
	if err := l.Store.SaveGroup(t.Context(), order.Group{Subscription: order.DefaultSubscription, Name: "many"}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		id := order.Short(fmt.Sprintf("w-%03d", i))
		id.Group = "many"
		o := order.Fresh(id, order.Watched, order.Spec{Names: []order.Name{{Kind: order.DNS, Value: "w.example.com"}}, Endpoints: []site.Endpoint{{Address: "127.0.0.1:1"}}}, nil, l.Now())
		if err := l.Store.CreateOrder(t.Context(), o, o.Project(l.Now()), []order.Event{testBy.Created(o, l.Now())}); err != nil {
			t.Fatal(err)
		}
		names = append(names, id.Name)
	}
	return names
}
