package api

import (
	"slices"

	"certwright/internal/order"
	"certwright/internal/secret"
)

// Route is one route: what it answers and the action that its caller must be allowed. An empty action
// is open to everybody: health, and what clients of certificates need.
type Route struct {
	Method, Pattern, Action string
	handle                  handler
	On                      on       // what the action must be allowed on
	Versions                []string // API versions, one of which must be named; nil = none need be
	// Permission is what its caller needs instead of the action in a vault whose access policies say who may.
	Permission secret.Permission
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
	return slices.Concat(a.armRoutes(), a.openRoutes(), a.shortRoutes(), a.dnsRoutes())
}

// openRoutes are those of the service itself: its health, its authority, its sign-in, its figures.
func (a *API) openRoutes() []Route {
	return []Route{
		{Method: "GET", Pattern: "/healthz", Action: "", handle: a.health},
		{Method: "GET", Pattern: "/readyz", Action: "", handle: a.ready},
		{Method: "GET", Pattern: "/ca.pem", Action: "", handle: a.roots},
		{Method: "GET", Pattern: "/crl/{file}", Action: "", handle: a.crl},
		{Method: "GET", Pattern: "/metrics", Action: "Certwright/metrics/Read", handle: a.metrics, On: onAll},
		{Method: "POST", Pattern: "/v1/notifications/{name}/test", Action: "Certwright/notifications/test/Action", handle: a.testNotification, On: onAll},
		{Method: "POST", Pattern: "/{tenant}/oauth2/v2.0/token", Action: "", handle: a.token, On: onAll},
		{Method: "POST", Pattern: "/{tenant}/oauth2/token", Action: "", handle: a.token, On: onAll},
		{Method: "GET", Pattern: "/{tenant}/v2.0/.well-known/openid-configuration", Action: "", handle: a.openID, On: onAll},
		{Method: "GET", Pattern: "/{tenant}/.well-known/openid-configuration", Action: "", handle: a.openID, On: onAll},
		{Method: "GET", Pattern: "/{tenant}/discovery/v2.0/keys", Action: "", handle: a.noKeys, On: onAll},
		{Method: "GET", Pattern: "/metadata/endpoints", Action: "", handle: a.cloud, On: onAll},
		{Method: "GET", Pattern: "/openapi.json", Action: "", handle: a.openAPI, On: onAll},
		{Method: "GET", Pattern: "/common/discovery/instance", Action: "", handle: a.instances, On: onAll},
	}
}

// shortRoutes are those of the default subscription and group; no API version is needed.
func (a *API) shortRoutes() []Route {
	return []Route{
		{Method: "GET", Pattern: "/v1/version", Action: cert + "/Read", handle: a.version, On: onOwn},
		{Method: "GET", Pattern: "/v1/counts", Action: cert + "/Read", handle: a.counts, On: onOwn},
		{Method: "GET", Pattern: "/v1/orders", Action: cert + "/Read", handle: a.listOrders, On: onOwn},
		{Method: "PUT", Pattern: "/v1/orders/{name}", Action: cert + "/Write", handle: a.createOrder},
		{Method: "GET", Pattern: "/v1/orders/{name}", Action: cert + "/Read", handle: a.getOrder},
		{Method: "PATCH", Pattern: "/v1/orders/{name}", Action: cert + "/Write", handle: a.updateOrder},
		{Method: "DELETE", Pattern: "/v1/orders/{name}", Action: cert + "/Delete", handle: a.deleteOrder},
		{Method: "POST", Pattern: "/v1/orders/{name}/import", Action: cert + "/Write", handle: a.importOrder},
		{Method: "POST", Pattern: "/v1/orders/{name}/watch", Action: cert + "/Write", handle: a.watchOrder},
		{Method: "POST", Pattern: "/v1/orders/{name}/verify", Action: cert + "/verifyDomainOwnership/Action", handle: a.command(a.verify)},
		{Method: "POST", Pattern: "/v1/orders/{name}/renew", Action: cert + "/renew/Action", handle: a.command(a.renew)},
		{Method: "POST", Pattern: "/v1/orders/{name}/rekey", Action: cert + "/reissue/Action", handle: a.command(a.rekey)},
		{Method: "POST", Pattern: "/v1/orders/{name}/sync", Action: cert + "/sync/Action", handle: a.command(a.sync)},
		{Method: "POST", Pattern: "/v1/orders/{name}/retry", Action: cert + "/sync/Action", handle: a.command(a.plain(func(s Service) plain { return s.Retry }))},
		{Method: "POST", Pattern: "/v1/orders/{name}/store", Action: cert + "/sync/Action", handle: a.command(a.plain(func(s Service) plain { return s.StoreAgain }))},
		{Method: "POST", Pattern: "/v1/orders/{name}/recover", Action: cert + "/sync/Action", handle: a.command(a.plain(func(s Service) plain { return s.Recover }))},
		{Method: "POST", Pattern: "/v1/orders/{name}/enable", Action: cert + "/sync/Action", handle: a.command(a.plain(func(s Service) plain { return s.Enable }))},
		{Method: "POST", Pattern: "/v1/orders/{name}/resume", Action: cert + "/Write", handle: a.command(a.plain(func(s Service) plain { return s.ResumeTargets }))},
		{Method: "POST", Pattern: "/v1/orders/{name}/revoke", Action: cert + "/revoke/Action", handle: a.command(a.revoke)},
		{Method: "POST", Pattern: "/v1/orders/{name}/cancel", Action: cert + "/cancel/Action", handle: a.command(a.cancel)},
		{Method: "POST", Pattern: "/v1/orders/{name}/again", Action: cert + "/Write", handle: a.command(a.again)},
		{Method: "POST", Pattern: "/v1/orders/{name}/export", Action: cert + "/export/Action", handle: a.export},
		{Method: "GET", Pattern: "/v1/orders/{name}/chain", Action: cert + "/Read", handle: a.chain},
		{Method: "GET", Pattern: "/v1/orders/{name}/diagnose", Action: cert + "/detectors/Read", handle: a.diagnose},
		{Method: "POST", Pattern: "/v1/orders/{name}/fix", Action: cert + "/detectors/Read", handle: a.fix},
		{Method: "GET", Pattern: "/v1/orders/{name}/bundle", Action: cert + "/detectors/Read", handle: a.bundle},
		{Method: "GET", Pattern: "/v1/orders/{name}/timeline", Action: cert + "/Read", handle: a.orderEvents},
		{Method: "GET", Pattern: "/v1/orders/{name}/follow", Action: cert + "/Read", handle: a.follow},
		{Method: "GET", Pattern: "/v1/timeline", Action: cert + "/Read", handle: a.allEvents, On: onOwn},
		{Method: "GET", Pattern: "/v1/timeline/follow", Action: cert + "/Read", handle: a.followAll, On: onOwn},

		{Method: "POST", Pattern: "/v1/sync", Action: cert + "/sync/Action", handle: a.syncGroup, On: onOwn},
		{Method: "POST", Pattern: "/v1/sites/{name}/sync", Action: "Microsoft.Web/sites/sync/Action", handle: a.syncSite},

		{Method: "GET", Pattern: "/v1/tokens", Action: "Certwright/tokens/Read", handle: a.listTokens, On: onOwn},
		{Method: "PUT", Pattern: "/v1/tokens/{token}", Action: "Certwright/tokens/Write", handle: a.createToken, On: onOwn},
		{Method: "DELETE", Pattern: "/v1/tokens/{token}", Action: "Certwright/tokens/Delete", handle: a.deleteToken, On: onOwn},

		{Method: "GET", Pattern: "/v1/sites", Action: "Microsoft.Web/sites/Read", handle: a.listSites},
		{Method: "GET", Pattern: "/v1/sites/{name}", Action: "Microsoft.Web/sites/Read", handle: a.getSite},
		{Method: "PUT", Pattern: "/v1/sites/{name}", Action: "Microsoft.Web/sites/Write", handle: a.putSite},
		{Method: "DELETE", Pattern: "/v1/sites/{name}", Action: "Microsoft.Web/sites/Delete", handle: a.deleteSite},

		{Method: "GET", Pattern: "/v1/issuers", Action: "Certwright/issuers/Read", handle: a.listIssuers, On: onAll},
		{Method: "GET", Pattern: "/v1/issuers/{issuer}", Action: "Certwright/issuers/Read", handle: a.getIssuer, On: onAll},
		{Method: "PUT", Pattern: "/v1/issuers/{issuer}", Action: "Certwright/issuers/Write", handle: a.putIssuer, On: onAll},
		{Method: "DELETE", Pattern: "/v1/issuers/{issuer}", Action: "Certwright/issuers/Delete", handle: a.deleteIssuer, On: onAll},

		{Method: "GET", Pattern: "/v1/vaults/{vault}/secrets", Action: "Microsoft.KeyVault/vaults/secrets/Read", Permission: secret.MayList, handle: a.listSecrets},
		{Method: "GET", Pattern: "/v1/vaults/{vault}/secrets/{secret}", Action: "Microsoft.KeyVault/vaults/secrets/Read", Permission: secret.MayList, handle: a.listVersions},
		{Method: "DELETE", Pattern: "/v1/vaults/{vault}/secrets/{secret}", Action: "Microsoft.KeyVault/vaults/secrets/Delete", Permission: secret.MayDelete, handle: a.deleteSecret},
		{Method: "GET", Pattern: "/v1/vaults/{vault}/deletedsecrets", Action: "Microsoft.KeyVault/vaults/secrets/Read", Permission: secret.MayList, handle: a.listDeleted},
		{Method: "POST", Pattern: "/v1/vaults/{vault}/deletedsecrets/{secret}/recover", Action: "Microsoft.KeyVault/vaults/secrets/Write", Permission: secret.MayRecover, handle: a.recoverSecret},
		{Method: "DELETE", Pattern: "/v1/vaults/{vault}/deletedsecrets/{secret}", Action: "Microsoft.KeyVault/vaults/secrets/Delete", Permission: secret.MayPurge, handle: a.purgeSecret},
	}
}
