package server

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"certwright/internal/order"
)

// full builds the program of test/clients/gofull, once. It downloads 220 MB of modules when they are not there.
var full = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "certwright-clients-")
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "clients")
	cmd := exec.Command("go", "build", "-o", program, ".")
	cmd.Dir = filepath.Join("..", "..", "test", "clients", "gofull")
	out, err := cmd.CombinedOutput()
	if err != nil {
		os.RemoveAll(dir)
		return string(out), err
	}
	return program, nil
})

// TestGoClientsInFull: the Go clients that are too large for every test: azure-sdk-for-go v68, hashicorp's, azcertificates
// and armmonitor, each of whose operations is used.
func TestGoClientsInFull(t *testing.T) {
	if os.Getenv("CERTWRIGHT_SLOW") == "" {
		t.Skip("these clients are 1.4 GB of source: CERTWRIGHT_SLOW=1 (make test-all)")
	}
	program, err := full()
	if err != nil {
		missing(t, "the clients of test/clients/gofull cannot be built: %v\n%s", err, program)
	}
	t.Cleanup(func() { os.RemoveAll(filepath.Dir(program)) })
	t.Run("clients", func(t *testing.T) { // which ends when all of them have
		for name, test := range map[string]func(*testing.T, string){"autorest": testV68, "hashicorp": testHashicorp, "azcertificates": testAzcertificates, "armmonitor": testArmmonitor} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, program)
			})
		}
	})
}

// use runs one of the clients and reads what it saw.
func (c *clients) use(into any, program, client string) {
	c.t.Helper()
	roots := filepath.Join(c.t.TempDir(), "ca.pem")
	if err := os.WriteFile(roots, c.Builtin.RootsPEM(), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.env = append(c.env, "URL=https://"+c.Address, "SSL_CERT_FILE="+roots, "HTTPS_PROXY=http://"+tunnel(c.t, c.Address))
	c.run(into, "gofull", program, client)
}

// fullOrder, fullLink, fullDetector and fullOrders are what test/clients/gofull says it saw of orders.
type fullOrder struct {
	ID, Name, Type, Location, Status, Provisioning, DN, Product, Token, Serial, Thumbprint, Issuer string
	KeySize, Years                                                                                 int
	AutoRenew, External                                                                            bool
	Tags, Links                                                                                    map[string]string
	Issued, Expires                                                                                time.Time
}

type fullLink struct{ ID, Name, Vault, Secret, State string }

type fullDetector struct {
	Name, ID, Status, Message string
	Tables                    []string
	Rows                      int
}

type fullOrders struct {
	Operations, Actions, Mails   []string
	Created, Again, Got, Patched fullOrder
	All, Group, Many             []string
	Linked, Relinked             fullLink
	Links                        []fullLink
	First, Renewed, Shop         fullOrder
	Seal                         string
	Detectors                    []fullDetector
	Detector, Waiting            fullDetector
	Refused                      map[string]struct {
		Status     int
		Code, Text string
	}
}

func testV68(t *testing.T, program string) {
	got, c := walkFull(t, program, "autorest")
	c.wire.used(t, "Azure-SDK-For-Go/v68", certOperations(t))
	c.wire.used(t, "Go/", []operation{{"sign in", "POST", "/{tenant}/oauth2/token", []string{"200"}}})
	if n := c.wire.count("POST", "/oauth2/token"); n != 1 {
		t.Errorf("it signed in %d times: its token does not last", n)
	}
	checkOperations(t, got.Operations)
}

func testHashicorp(t *testing.T, program string) {
	_, c := walkFull(t, program, "hashicorp")
	c.wire.used(t, "HashiCorp/go-azure-sdk", certOperations(t, "CertificateRegistrationProvider_ListOperations"))
}

// count is how often a path with this end was asked for.
func (x *wire) count(method, end string) (n int) {
	for _, h := range x.all() {
		if h.Method == method && strings.HasSuffix(h.Path, end) {
			n++
		}
	}
	return n
}

// walkFull lets a client use every operation on orders, and compares all that it saw with what the server has.
func walkFull(t *testing.T, program, client string) (fullOrders, *clients) {
	box, address := startLetterbox(t)
	c := startClients(t, func(conf *Config) {
		conf.Notify = map[string]Notify{"ops": {Kind: "smtp", Server: address, TLS: "none", From: "certwright@example.com", To: []string{"ops@example.com"}}}
	})
	many := c.many(t, 103)
	var got fullOrders
	c.use(&got, program, client)
	got.checkOwn(t)
	for what, lists := range map[string][2][]string{"all": {got.All, append([]string{"go-own", "shop"}, many...)}, "the group": {got.Group, {"go-own", "shop"}}, "many": {got.Many, many}} {
		slices.Sort(lists[0])
		slices.Sort(lists[1])
		if !slices.Equal(lists[0], lists[1]) {
			t.Errorf("%s: %d orders, want %d: %v", what, len(lists[0]), len(lists[1]), lists[0])
		}
	}
	var history []mailed
	for _, m := range got.Mails {
		history = append(history, mailed{m, c.Now()})
	}
	c.checkMails(box, "go-own.example.com", history)
	o := c.load(c.id)
	v, s := o.First(), got.Shop
	if got.First.Serial != c.o.First().Serial || got.Renewed.Serial == got.First.Serial || s.Serial == got.Renewed.Serial || s.Serial != v.Serial || s.Thumbprint != v.Thumbprint || s.Issuer != v.IssuedBy ||
		!s.Expires.Equal(v.NotAfter) || !s.Issued.Truncate(time.Millisecond).Equal(v.Issued.Truncate(time.Millisecond)) || s.DN != "CN=shop.example.com" || s.External || s.Links["shop"] != "shop" {
		t.Errorf("the shop: first %s, renewed %s, at last %+v; the order has %+v", got.First.Serial, got.Renewed.Serial, s, v)
	}
	if old := o.Version(2); old == nil || old.RevokeAt == nil || !old.RevokeAt.After(c.Now().Add(time.Hour)) {
		t.Errorf("the version before the reissue is %+v: it is to be revoked after two hours", old)
	}
	for _, want := range []string{"CertificateOrderCreated", "DomainValidationComplete", "CertificateIssued"} {
		if !slices.Contains(got.Actions, want) {
			t.Errorf("the actions are %v, without %s", got.Actions, want)
		}
	}
	if !strings.Contains(got.Seal, "shop.example.com") || !strings.Contains(got.Seal, v.Serial) {
		t.Errorf("the seal is %s", got.Seal)
	}
	return got, c
}

// checkOwn compares what a client saw of its own order with what it asked for.
func (got *fullOrders) checkOwn(t *testing.T) {
	t.Helper()
	n := got.Created
	if n.ID != order.Short("go-own").String() || n.Name != "go-own" || n.Type != order.Type || n.Location != "Global" || n.Status != "Pendingissuance" || n.Provisioning != "Succeeded" || n.DN != "CN=go-own.example.com" ||
		n.Product != "StandardDomainValidatedSsl" || n.KeySize != 2048 || n.Years != 1 || !n.AutoRenew || n.Token == "" || n.Tags["team"] != "web" || n.Serial != "" {
		t.Errorf("created: %+v", n)
	}
	if got.Again.Token != n.Token || got.Got.ID != n.ID || got.Patched.AutoRenew || got.Patched.Tags["team"] != "web" || got.Patched.DN != n.DN {
		t.Errorf("put again %+v, got %+v, patched %+v", got.Again, got.Got, got.Patched)
	}
	if l := got.Linked; l.ID != n.ID+"/certificates/link" || l.Name != "link" || l.Secret != "go-link" || !strings.HasSuffix(strings.ToLower(l.Vault), "/vaults/default") || l.State != "WaitingOnCertificateOrder" && l.State != "Initialized" ||
		len(got.Links) != 1 || got.Links[0].ID != l.ID || got.Links[0].Secret != l.Secret || got.Relinked.ID != l.ID || got.Relinked.Secret != "go-other" {
		t.Errorf("linked %+v, listed %+v, changed %+v", l, got.Links, got.Relinked)
	}
	for what, want := range map[string]refusal{"validate": {Status: 400, Code: "InvalidName"}, "change": {Status: 409, Code: "PropertyChangeNotAllowed"}, "unknown": {Status: 404, Code: "OrderNotFound"},
		"link": {Status: 404, Code: "LinkNotFound"}, "name": {Status: 400, Code: "NameNotInOrder"}, "seal": {Status: 409, Code: "NothingIssued"}, "verify": {Status: 409, Code: "NothingToVerify"},
		"detector": {Status: 404, Code: "DetectorNotFound"}, "gone": {Status: 404, Code: "OrderNotFound"}, "bound": {Status: 409, Code: "OrderBound"}} {
		if r := got.Refused[what]; r.Status != want.Status || r.Code != want.Code || r.Text == "" {
			t.Errorf("%s is refused with %+v, want %d %s", what, r, want.Status, want.Code)
		}
	}
	names := []string{}
	for _, d := range got.Detectors {
		names = append(names, d.Name)
	}
	if d := got.Detector; !slices.Contains(names, "AutoRenewStatus") || !slices.Contains(names, "CertsImport") || d.ID != "AutoRenewStatus" || d.Status != "Success" || len(d.Tables) < 2 || d.Tables[0] != "insights" || d.Rows == 0 {
		t.Errorf("detectors %v, AutoRenewStatus %+v", names, d)
	}
	if w := got.Waiting; w.Status == "Success" || w.Status == "None" || w.Status == "" || w.Message == "" || w.Rows == 0 {
		t.Errorf("an order that waits for its owner is diagnosed as %+v", w)
	}
}

// testAzcertificates: all 27 operations, and what is created under the order's name is a version of it.
func testAzcertificates(t *testing.T, program string) {
	c := startClients(t)
	var got struct {
		Order, Next struct{ ID, SID, Thumbprint, Issuer, Subject string }
		Names       []string
		Pages       int
		Refused     map[string]refusal
		Steps       []string
	}
	c.use(&got, program, "certificates")
	c.wire.used(t, "azsdk-go-azcertificates", vaultOperations(t, "certificates"))
	o := c.settled(c.id, 2)
	for i, k := range []struct{ ID, SID, Thumbprint, Issuer, Subject string }{got.Order, got.Next} {
		v := o.Version(i + 1)
		if k.ID != c.vault("default")+"/certificates/shop/"+v.SecretID || k.SID != c.vault("default")+"/secrets/shop/"+v.SecretID || k.Thumbprint != v.Thumbprint || k.Issuer != order.BuiltinIssuer || k.Subject != "CN=shop.example.com" {
			t.Errorf("version %d is seen as %+v, and is %+v", i+1, k, v)
		}
	}
	if o.Spec.RenewAt != 0.6 {
		t.Errorf("the order renews at %v of its life, the policy said 60 %%", o.Spec.RenewAt)
	}
	if got.Pages < 2 || !slices.Contains(got.Names, "go-many-26") || !slices.Contains(got.Names, "shop") {
		t.Errorf("%d pages list %v", got.Pages, got.Names)
	}
	for what, want := range map[string]refusal{"merge another's": {Status: 400, Code: "BadParameter"}, "a deleted operation": {Status: 404, Code: "PendingCertificateNotFound"}, "no key": {Status: 400, Code: "BadParameter"},
		"a deleted issuer": {Status: 404, Code: "CertificateIssuerNotFound"}, "deleted contacts": {Status: 404, Code: "ContactsNotFound"}, "a deleted certificate": {Status: 404, Code: "CertificateNotFound"}, "a purged certificate": {Status: 404, Code: "CertificateNotFound"}} {
		if r := got.Refused[what]; r.Status != want.Status || r.Code != want.Code {
			t.Errorf("%s is refused with %+v, want %d %s", what, r, want.Status, want.Code)
		}
	}
	if len(got.Steps) != 32 || got.Steps[len(got.Steps)-1] != "restore" {
		t.Errorf("%d steps: %v", len(got.Steps), got.Steps)
	}
}

// testArmmonitor: the activity log, by each filter.
func testArmmonitor(t *testing.T, program string) {
	c := startClients(t)
	c.many(t, 103)
	var got struct {
		First, Selected                         map[string]any
		All, Tenant, Group, Correlation, Nobody []string
		URI, Provider, Other, Categories        []string
		Pages                                   int
		Refused                                 refusal
	}
	c.use(&got, program, "monitor")
	c.wire.used(t, "azsdk-go-armmonitor", ownOperations("Microsoft.Insights", ""))
	all, _, err := c.Store.Events(t.Context(), order.EventQuery{Limit: 1000, Ascending: true})
	if err != nil {
		t.Fatal(err)
	}
	ids := func(is func(order.Event) bool) (list []string) {
		for _, e := range all {
			if is(e) {
				list = append(list, e.ID)
			}
		}
		return list
	}
	first := all[0]
	for what, x := range map[string]struct {
		got  []string
		want func(order.Event) bool
	}{
		"all": {got.All, func(order.Event) bool { return true }}, "tenant": {got.Tenant, func(order.Event) bool { return true }}, "provider": {got.Provider, func(order.Event) bool { return true }},
		"other provider": {got.Other, func(order.Event) bool { return false }}, "no time": {got.Nobody, func(order.Event) bool { return false }},
		"group": {got.Group, func(e order.Event) bool { return e.Order.Group == "many" }}, "uri": {got.URI, func(e order.Event) bool { return e.Order == c.id }},
		"correlation": {got.Correlation, func(e order.Event) bool { return e.Correlation == first.Correlation }},
	} {
		// What has happened since the client read is not there; what it saw must be.
		want := ids(x.want)
		if len(x.got) == 0 && len(want) > 0 || len(want)-len(x.got) > 103 || slices.ContainsFunc(x.got, func(id string) bool { return !slices.Contains(want, id) }) {
			t.Errorf("by %s: %d events, want %d", what, len(x.got), len(want))
		}
	}
	if got.Pages < 2 || got.First["eventDataId"] != first.ID || got.First["caller"] != first.Caller || got.First["correlationId"] != first.Correlation || got.First["resourceId"] != c.id.String() || got.First["description"] != first.Text ||
		got.First["operationName"].(map[string]any)["value"] != order.Type+"/write" {
		t.Errorf("%d pages, the first event is %+v, want %+v", got.Pages, got.First, first)
	}
	if len(got.Selected) != 3 || got.Selected["eventDataId"] != first.ID || got.Selected["level"] != "Informational" || strings.Join(got.Categories, "") != "Administrative" {
		t.Errorf("selected %+v, categories %v", got.Selected, got.Categories)
	}
	if got.Refused.Status != 400 || got.Refused.Code != "InvalidFilter" {
		t.Errorf("a filter without a start is refused with %+v", got.Refused)
	}
}
