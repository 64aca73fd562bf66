package api

import "certwright/internal/order"

// Route is one route: what it answers and the action that its caller must be allowed. An empty action
// is open to everybody: health, and what clients of certificates need.
type Route struct {
	Method, Pattern, Action string
	handle                  handler
}

const cert = order.Type

// These are needed on everything there is: figures and notifications are of all orders.
const (
	metricsRead = "Certwright/metrics/Read"
	notifyTest  = "Certwright/notifications/test/Action"
)

// Routes are all of them.
func (a *API) Routes() []Route {
	return []Route{
		{"GET", "/healthz", "", a.health},
		{"GET", "/readyz", "", a.ready},
		{"GET", "/ca.pem", "", a.roots},
		{"GET", "/crl/{file}", "", a.crl},
		{"GET", "/metrics", metricsRead, a.metrics},
		{"POST", "/v1/notifications/{name}/test", notifyTest, a.testNotification},

		{"GET", "/v1/version", cert + "/Read", a.version},
		{"GET", "/v1/counts", cert + "/Read", a.counts},
		{"GET", "/v1/orders", cert + "/Read", a.listOrders},
		{"PUT", "/v1/orders/{name}", cert + "/Write", a.createOrder},
		{"GET", "/v1/orders/{name}", cert + "/Read", a.getOrder},
		{"PATCH", "/v1/orders/{name}", cert + "/Write", a.updateOrder},
		{"DELETE", "/v1/orders/{name}", cert + "/Delete", a.deleteOrder},
		{"POST", "/v1/orders/{name}/import", cert + "/Write", a.importOrder},
		{"POST", "/v1/orders/{name}/watch", cert + "/Write", a.watchOrder},
		{"POST", "/v1/orders/{name}/verify", cert + "/verifyDomainOwnership/Action", a.command(a.verify)},
		{"POST", "/v1/orders/{name}/renew", cert + "/renew/Action", a.command(a.renew)},
		{"POST", "/v1/orders/{name}/rekey", cert + "/reissue/Action", a.command(a.rekey)},
		{"POST", "/v1/orders/{name}/sync", cert + "/sync/Action", a.command(a.sync)},
		{"POST", "/v1/orders/{name}/retry", cert + "/sync/Action", a.command(a.plain(func(s Service) plain { return s.Retry }))},
		{"POST", "/v1/orders/{name}/store", cert + "/sync/Action", a.command(a.plain(func(s Service) plain { return s.StoreAgain }))},
		{"POST", "/v1/orders/{name}/recover", cert + "/sync/Action", a.command(a.plain(func(s Service) plain { return s.Recover }))},
		{"POST", "/v1/orders/{name}/enable", cert + "/sync/Action", a.command(a.plain(func(s Service) plain { return s.Enable }))},
		{"POST", "/v1/orders/{name}/resume", cert + "/Write", a.command(a.plain(func(s Service) plain { return s.ResumeTargets }))},
		{"POST", "/v1/orders/{name}/revoke", cert + "/revoke/Action", a.command(a.revoke)},
		{"POST", "/v1/orders/{name}/cancel", cert + "/cancel/Action", a.command(a.cancel)},
		{"POST", "/v1/orders/{name}/again", cert + "/Write", a.command(a.again)},
		{"POST", "/v1/orders/{name}/export", cert + "/export/Action", a.export},
		{"GET", "/v1/orders/{name}/diagnose", cert + "/detectors/Read", a.diagnose},
		{"POST", "/v1/orders/{name}/fix", cert + "/detectors/Read", a.fix},
		{"GET", "/v1/orders/{name}/bundle", cert + "/detectors/Read", a.bundle},
		{"GET", "/v1/orders/{name}/timeline", cert + "/Read", a.orderEvents},
		{"GET", "/v1/orders/{name}/follow", cert + "/Read", a.follow},
		{"GET", "/v1/timeline", cert + "/Read", a.allEvents},

		{"GET", "/v1/sites", "Microsoft.Web/sites/Read", a.listSites},
		{"GET", "/v1/sites/{name}", "Microsoft.Web/sites/Read", a.getSite},
		{"PUT", "/v1/sites/{name}", "Microsoft.Web/sites/Write", a.putSite},
		{"DELETE", "/v1/sites/{name}", "Microsoft.Web/sites/Delete", a.deleteSite},

		{"GET", "/v1/issuers", "Certwright/issuers/Read", a.listIssuers},
		{"GET", "/v1/issuers/{issuer}", "Certwright/issuers/Read", a.getIssuer},
		{"PUT", "/v1/issuers/{issuer}", "Certwright/issuers/Write", a.putIssuer},
		{"DELETE", "/v1/issuers/{issuer}", "Certwright/issuers/Delete", a.deleteIssuer},

		{"GET", "/v1/vaults/{vault}/secrets", "Microsoft.KeyVault/vaults/secrets/Read", a.listSecrets},
		{"GET", "/v1/vaults/{vault}/secrets/{secret}", "Microsoft.KeyVault/vaults/secrets/Read", a.listVersions},
		{"DELETE", "/v1/vaults/{vault}/secrets/{secret}", "Microsoft.KeyVault/vaults/secrets/Delete", a.deleteSecret},
		{"GET", "/v1/vaults/{vault}/deletedsecrets", "Microsoft.KeyVault/vaults/secrets/Read", a.listDeleted},
		{"POST", "/v1/vaults/{vault}/deletedsecrets/{secret}/recover", "Microsoft.KeyVault/vaults/secrets/Write", a.recoverSecret},
		{"DELETE", "/v1/vaults/{vault}/deletedsecrets/{secret}", "Microsoft.KeyVault/vaults/secrets/Delete", a.purgeSecret},
	}
}
