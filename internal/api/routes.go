package api

import "certwright/internal/order"

// Route is one route: what it answers and the action that its caller must be allowed. An empty action
// is open to everybody: health, and what clients of certificates need.
type Route struct {
	Method, Pattern, Action string
	handle                  handler
	On                      on // what the action must be allowed on
}

// on is what a route is about.
type on int

// What a route is about.
const (
	onResource on = iota // the resource that the path names, else the group
	onAll                // everything there is
	onOwn                // whatever lies within the caller's scope: the answer is narrowed to that
)

const cert = order.Type

// Routes are all of them.
func (a *API) Routes() []Route {
	return []Route{
		{"GET", "/healthz", "", a.health, onResource},
		{"GET", "/readyz", "", a.ready, onResource},
		{"GET", "/ca.pem", "", a.roots, onResource},
		{"GET", "/crl/{file}", "", a.crl, onResource},
		{"GET", "/metrics", "Certwright/metrics/Read", a.metrics, onAll},
		{"POST", "/v1/notifications/{name}/test", "Certwright/notifications/test/Action", a.testNotification, onAll},

		{"GET", "/v1/version", cert + "/Read", a.version, onOwn},
		{"GET", "/v1/counts", cert + "/Read", a.counts, onOwn},
		{"GET", "/v1/orders", cert + "/Read", a.listOrders, onOwn},
		{"PUT", "/v1/orders/{name}", cert + "/Write", a.createOrder, onResource},
		{"GET", "/v1/orders/{name}", cert + "/Read", a.getOrder, onResource},
		{"PATCH", "/v1/orders/{name}", cert + "/Write", a.updateOrder, onResource},
		{"DELETE", "/v1/orders/{name}", cert + "/Delete", a.deleteOrder, onResource},
		{"POST", "/v1/orders/{name}/import", cert + "/Write", a.importOrder, onResource},
		{"POST", "/v1/orders/{name}/watch", cert + "/Write", a.watchOrder, onResource},
		{"POST", "/v1/orders/{name}/verify", cert + "/verifyDomainOwnership/Action", a.command(a.verify), onResource},
		{"POST", "/v1/orders/{name}/renew", cert + "/renew/Action", a.command(a.renew), onResource},
		{"POST", "/v1/orders/{name}/rekey", cert + "/reissue/Action", a.command(a.rekey), onResource},
		{"POST", "/v1/orders/{name}/sync", cert + "/sync/Action", a.command(a.sync), onResource},
		{"POST", "/v1/orders/{name}/retry", cert + "/sync/Action", a.command(a.plain(func(s Service) plain { return s.Retry })), onResource},
		{"POST", "/v1/orders/{name}/store", cert + "/sync/Action", a.command(a.plain(func(s Service) plain { return s.StoreAgain })), onResource},
		{"POST", "/v1/orders/{name}/recover", cert + "/sync/Action", a.command(a.plain(func(s Service) plain { return s.Recover })), onResource},
		{"POST", "/v1/orders/{name}/enable", cert + "/sync/Action", a.command(a.plain(func(s Service) plain { return s.Enable })), onResource},
		{"POST", "/v1/orders/{name}/resume", cert + "/Write", a.command(a.plain(func(s Service) plain { return s.ResumeTargets })), onResource},
		{"POST", "/v1/orders/{name}/revoke", cert + "/revoke/Action", a.command(a.revoke), onResource},
		{"POST", "/v1/orders/{name}/cancel", cert + "/cancel/Action", a.command(a.cancel), onResource},
		{"POST", "/v1/orders/{name}/again", cert + "/Write", a.command(a.again), onResource},
		{"POST", "/v1/orders/{name}/export", cert + "/export/Action", a.export, onResource},
		{"GET", "/v1/orders/{name}/diagnose", cert + "/detectors/Read", a.diagnose, onResource},
		{"POST", "/v1/orders/{name}/fix", cert + "/detectors/Read", a.fix, onResource},
		{"GET", "/v1/orders/{name}/bundle", cert + "/detectors/Read", a.bundle, onResource},
		{"GET", "/v1/orders/{name}/timeline", cert + "/Read", a.orderEvents, onResource},
		{"GET", "/v1/orders/{name}/follow", cert + "/Read", a.follow, onResource},
		{"GET", "/v1/timeline", cert + "/Read", a.allEvents, onOwn},
		{"GET", "/v1/timeline/follow", cert + "/Read", a.followAll, onOwn},

		{"GET", "/v1/tokens", "Certwright/tokens/Read", a.listTokens, onOwn},
		{"PUT", "/v1/tokens/{token}", "Certwright/tokens/Write", a.createToken, onOwn},
		{"DELETE", "/v1/tokens/{token}", "Certwright/tokens/Delete", a.deleteToken, onOwn},
		{"POST", "/{tenant}/oauth2/v2.0/token", "", a.token, onAll},
		{"POST", "/{tenant}/oauth2/token", "", a.token, onAll},
		{"GET", "/{tenant}/v2.0/.well-known/openid-configuration", "", a.openID, onAll},
		{"GET", "/{tenant}/.well-known/openid-configuration", "", a.openID, onAll},
		{"GET", "/{tenant}/discovery/v2.0/keys", "", a.noKeys, onAll},
		{"GET", "/common/discovery/instance", "", a.instances, onAll},

		{"GET", "/v1/sites", "Microsoft.Web/sites/Read", a.listSites, onResource},
		{"GET", "/v1/sites/{name}", "Microsoft.Web/sites/Read", a.getSite, onResource},
		{"PUT", "/v1/sites/{name}", "Microsoft.Web/sites/Write", a.putSite, onResource},
		{"DELETE", "/v1/sites/{name}", "Microsoft.Web/sites/Delete", a.deleteSite, onResource},

		{"GET", "/v1/issuers", "Certwright/issuers/Read", a.listIssuers, onAll},
		{"GET", "/v1/issuers/{issuer}", "Certwright/issuers/Read", a.getIssuer, onAll},
		{"PUT", "/v1/issuers/{issuer}", "Certwright/issuers/Write", a.putIssuer, onAll},
		{"DELETE", "/v1/issuers/{issuer}", "Certwright/issuers/Delete", a.deleteIssuer, onAll},

		{"GET", "/v1/vaults/{vault}/secrets", "Microsoft.KeyVault/vaults/secrets/Read", a.listSecrets, onResource},
		{"GET", "/v1/vaults/{vault}/secrets/{secret}", "Microsoft.KeyVault/vaults/secrets/Read", a.listVersions, onResource},
		{"DELETE", "/v1/vaults/{vault}/secrets/{secret}", "Microsoft.KeyVault/vaults/secrets/Delete", a.deleteSecret, onResource},
		{"GET", "/v1/vaults/{vault}/deletedsecrets", "Microsoft.KeyVault/vaults/secrets/Read", a.listDeleted, onResource},
		{"POST", "/v1/vaults/{vault}/deletedsecrets/{secret}/recover", "Microsoft.KeyVault/vaults/secrets/Write", a.recoverSecret, onResource},
		{"DELETE", "/v1/vaults/{vault}/deletedsecrets/{secret}", "Microsoft.KeyVault/vaults/secrets/Delete", a.purgeSecret, onResource},
	}
}
