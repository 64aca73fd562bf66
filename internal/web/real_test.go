package web

import (
	"strings"
	"testing"
	"time"

	"certwright/internal/order"
	"certwright/internal/site"
)

// TestPagesOfRealPaths draws orders as order's own functions see them, not as the fixtures of this package do.
func TestPagesOfRealPaths(t *testing.T) {
	wish := order.Spec{Names: names("www.example.test", "example.test"), Issuer: "builtin", Method: order.MethodHTML, KeyTypes: []order.KeyType{order.P256, order.RSA2048}, AutoRenew: true, Vault: "main", Sites: []string{"shop"}}
	shop := site.Site{Subscription: order.DefaultSubscription, Group: order.DefaultGroup, Name: "shop", Targets: []site.Target{{Name: "nginx", Kind: site.KindFiles}}, Endpoints: []site.Endpoint{{Address: "192.0.2.10:443"}}}
	fresh := order.Fresh(order.Short("www"), order.Ordered, wish, []site.Site{shop}, now)
	watched := order.Fresh(order.Short("far"), order.Watched, order.Spec{Names: names("far.example.test"), Endpoints: []site.Endpoint{{Address: "far.example.test:443"}}}, nil, now)
	dead := order.Fresh(order.Short("dead"), order.Watched, order.Spec{Names: names("far.example.test"), Endpoints: []site.Endpoint{{Address: "far.example.test:443"}}}, nil, now)
	dead.Endpoints[0].Looked, dead.Endpoints[0].State = now, order.StateFail
	dead.Endpoints[0].Problem = &order.Problem{What: "look on the wire", Detail: "connection refused", Owner: order.OwnerAdmin, At: now}
	keyless := order.Fresh(order.Short("keyless"), order.Imported, order.Spec{Names: names("www.example.test"), KeyTypes: []order.KeyType{order.P256}, Vault: "main", ExternalKey: true}, nil, now)
	tomorrow := now.Add(dayLong)
	keyless.Versions = []order.Version{
		{Number: 1, KeyType: order.P256, State: order.VersionStored, Serial: "A1", Issued: now, NotBefore: now, NotAfter: now.Add(90 * dayLong), RevokeAt: &tomorrow},
		{Number: 2, KeyType: order.P256, State: order.VersionStored, Serial: "A2", Issued: now, NotBefore: now, NotAfter: now.Add(90 * dayLong)}}
	awaits := order.Fresh(order.Short("hsm"), order.Ordered, order.Spec{Names: names("www.example.test"), Issuer: "builtin", KeyTypes: []order.KeyType{order.P256}, AutoRenew: true, Vault: "main", ExternalKey: true}, nil, now)
	awaits.Versions = []order.Version{{Number: 1, KeyType: order.P256, State: order.VersionIssued, External: true, Serial: "A1", Issued: now, NotBefore: now, NotAfter: now.Add(30 * dayLong)}}
	_, problem := awaits.NextCSR(now)
	awaits.Needs = []order.Need{{KeyType: order.P256, Reason: order.Renewal, Progress: order.Progress{Problem: problem, Since: now}}}
	for name, c := range map[string]struct {
		o    *order.Order
		at   time.Time
		want []string
	}{
		"fresh":   {fresh, now, []string{"Pending issuance", "Order done", "2 names", "2 key types", "1 target", "shop/nginx", "192.0.2.10:443", "Issuer builtin", "Vault status Initialized"}},
		"denied":  {fresh, now.Add(16 * dayLong), []string{"Certificate denied", "certwright order again www"}},
		"dead":    {dead, now, []string{"Serve failed", "Nothing is issued here, but the endpoint could not be looked at."}},
		"keyless": {keyless, now, []string{"Imported", "without its private key: it is looked at, and put where no key is needed", "replaced to be revoked in 24 h"}},
		"awaits":  {awaits, now, []string{"Certificate request awaited", "so only whoever holds it can make the request", "certwright order renew hsm --csr FILE", "Key kept by the order's owner", "Vault status ExternalPrivateKey"}},
		"watched": {watched, now, []string{"far.example.test", "Not looked at yet", "Verify not part of this order", "Serve", "far.example.test:443"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{all: []*fixture{{o: c.o, pr: c.o.Project(c.at)}}}
			o := w.options()
			o.Now = func() time.Time { return c.at }
			o.Path, o.Project = (*order.Order).Path, (*order.Order).Project
			h := New(o)
			for _, path := range []string{"/", orderPath(c.o.ID), under(c.o.ID, "diagnosis"), under(c.o.ID, "resource")} {
				if got := browse(t, h, "GET", path); got.Code != 200 {
					t.Errorf("%s: %d", path, got.Code)
				}
			}
			body := browse(t, h, "GET", orderPath(c.o.ID)).Body.String()
			says(t, body, c.want...)
			if strings.Contains(body, "0001-01-01") {
				t.Error("a time that is not set is shown")
			}
		})
	}
}
