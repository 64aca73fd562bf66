package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"

	"certwright/internal/arm"
	"certwright/internal/diagnose"
	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/site"
)

// told is what /openapi.json says of a route that is not the registry's.
type told struct {
	text         string
	body, answer any
	kind         string // of an answer that is no JSON
	form         bool   // the body is a form
	codes        []int  // of success; nil = 200
}

// list is a page of something.
func list[T any]() any { return arm.List[T]{} }

// ofService describe the routes of the service itself, its tokens and its issuers, by method and pattern.
func ofService() map[string]told {
	grant := map[string]string{}
	return map[string]told{
		"GET /healthz":                                        {text: "Say that the process lives", answer: map[string]string{}},
		"GET /readyz":                                         {text: "Say whether it can do its work", answer: Readiness{}},
		"GET /ca.pem":                                         {text: "The built-in authority's roots", kind: "application/x-pem-file"},
		"GET /crl/{file}":                                     {text: "A revocation list of the built-in authority", kind: "application/pkix-crl"},
		"GET /metrics":                                        {text: "Figures for Prometheus", kind: "text/plain"},
		"POST /v1/notifications/{name}/test":                  {text: "Send a test over a notification", answer: Told{}},
		"POST /{tenant}/oauth2/v2.0/token":                    {text: "Give a bearer token for a client's id and secret", body: grant, form: true, answer: Bearer{}},
		"POST /{tenant}/oauth2/token":                         {text: "Give a bearer token for a client's id and secret, as version 1 asks", body: grant, form: true, answer: Bearer{}},
		"GET /{tenant}/discovery/v2.0/keys":                   {text: "No keys: bearer tokens are opaque", answer: map[string]any{}},
		"GET /metadata/endpoints":                             {text: "Describe the service as a cloud", answer: json.RawMessage{}},
		"GET /openapi.json":                                   {text: "This description", answer: map[string]any{}},
		"GET /common/discovery/instance":                      {text: "Say that this host signs in for itself", answer: map[string]any{}},
		"GET /v1/version":                                     {text: "The version of the server", answer: Version{}},
		"GET /v1/tokens":                                      {text: "List the tokens", answer: list[order.Token]()},
		"PUT /v1/tokens/{token}":                              {text: "Make a token; its text is shown this once", body: TokenBody{}, answer: Created{}, codes: []int{201}},
		"DELETE /v1/tokens/{token}":                           {text: "Withdraw a token", codes: []int{204}},
		"GET /v1/issuers":                                     {text: "List the issuers", answer: list[order.Issuer]()},
		"GET /v1/issuers/{issuer}":                            {text: "Read an issuer", answer: order.Issuer{}},
		"PUT /v1/issuers/{issuer}":                            {text: "Add an ACME authority", body: IssuerBody{}, answer: order.Issuer{}, codes: []int{200, 201}},
		"DELETE /v1/issuers/{issuer}":                         {text: "Remove an issuer", codes: []int{204}},
		"GET /{tenant}/v2.0/.well-known/openid-configuration": {text: "Where tokens are given out", answer: map[string]any{}},
		"GET /{tenant}/.well-known/openid-configuration":      {text: "Where tokens are given out, as version 1 asks", answer: map[string]any{}},
	}
}

// ofDNS describe the routes of DNS accounts.
func ofDNS() map[string]told {
	return map[string]told{
		"GET /v1/dns-accounts":                 {text: "List the DNS accounts", answer: list[order.DNSAccount]()},
		"GET /v1/dns-accounts/{account}":       {text: "Read a DNS account", answer: order.DNSAccount{}},
		"PUT /v1/dns-accounts/{account}":       {text: "Make or change a DNS account", body: arm.DNSAccountBody{}, answer: order.DNSAccount{}, codes: []int{200, 201}},
		"DELETE /v1/dns-accounts/{account}":    {text: "Remove a DNS account", codes: []int{204}},
		"POST /v1/dns-accounts/{account}/test": {text: "Write a record, look for it, and remove it", answer: arm.DNSAccountTest{}},
	}
}

// tellings describe the routes of openRoutes and shortRoutes, by method and pattern.
func tellings() map[string]told {
	one, lone := arm.Resource{Properties: arm.Properties{}}, arm.Resource{Properties: site.Site{}}
	all := map[string]told{
		"GET /v1/counts":                                          {text: "Count the orders by how they stand", answer: list[order.Count]()},
		"GET /v1/orders":                                          {text: "List orders", answer: list[order.Summary]()},
		"GET /v1/orders/{name}":                                   {text: "Read an order", answer: one},
		"PUT /v1/orders/{name}":                                   {text: "Order a certificate, or change an order", body: arm.Wish{}, answer: one, codes: []int{200, 201}},
		"PATCH /v1/orders/{name}":                                 {text: "Change some properties of an order", body: arm.Wish{}, answer: one},
		"DELETE /v1/orders/{name}":                                {text: "Revoke and forget an order", answer: one},
		"POST /v1/orders/{name}/import":                           {text: "Bring a certificate with its key", body: ImportBody{}, answer: one, codes: []int{201}},
		"POST /v1/orders/{name}/watch":                            {text: "Watch endpoints", body: WatchBody{}, answer: one, codes: []int{201}},
		"POST /v1/orders/{name}/export":                           {text: "Give out the certificate with its key", body: ExportBody{}, kind: "application/octet-stream"},
		"GET /v1/orders/{name}/chain":                             {text: "The current certificate with its intermediates", kind: chainType},
		"GET /v1/orders/{name}/diagnose":                          {text: "Look at everything now and say what is wrong, root cause first", answer: diagnose.Report{}},
		"POST /v1/orders/{name}/fix":                              {text: "Say what would heal the order; with do: true, do the first of it", body: FixBody{}, answer: FixAnswer{}},
		"GET /v1/orders/{name}/bundle":                            {text: "All that is known of an order, redacted", kind: "application/gzip"},
		"GET /v1/orders/{name}/timeline":                          {text: "What happened, newest first", answer: list[order.Event]()},
		"GET /v1/orders/{name}/follow":                            {text: "Wait for the next event", answer: Followed{}},
		"GET /v1/timeline":                                        {text: "What happened to all orders, newest first", answer: list[order.Event]()},
		"GET /v1/timeline/follow":                                 {text: "Wait for the next event of any order", answer: FollowedAll{}},
		"POST /v1/sync":                                           {text: "Sync the orders of a group, a subscription, everything", answer: arm.Synced{}},
		"POST /v1/sites/{name}/sync":                              {text: "Sync the orders of a site", answer: arm.Synced{}},
		"GET /v1/sites":                                           {text: "List the sites of a group", answer: list[arm.Resource]()},
		"GET /v1/sites/{name}":                                    {text: "Read a site", answer: lone},
		"PUT /v1/sites/{name}":                                    {text: "Make or change a site", body: SiteBody{}, answer: lone, codes: []int{200, 201}},
		"DELETE /v1/sites/{name}":                                 {text: "Remove a site", codes: []int{204}},
		"GET /v1/vaults/{vault}/secrets":                          {text: "List the secrets of a vault", answer: list[secret.Info]()},
		"GET /v1/vaults/{vault}/secrets/{secret}":                 {text: "List the versions of a secret", answer: list[secret.Info]()},
		"GET /v1/vaults/{vault}/deletedsecrets":                   {text: "List the soft-deleted secrets", answer: list[secret.Info]()},
		"DELETE /v1/vaults/{vault}/secrets/{secret}":              {text: "Soft-delete a secret", answer: secret.Info{}},
		"POST /v1/vaults/{vault}/deletedsecrets/{secret}/recover": {text: "Recover a secret", codes: []int{204}},
		"DELETE /v1/vaults/{vault}/deletedsecrets/{secret}":       {text: "Purge a secret", codes: []int{204}},
	}
	maps.Copy(all, ofService())
	maps.Copy(all, ofDNS())
	for word, text := range map[string]string{"verify": "Look for the proofs of control now", "renew": "Ask for a new version", "rekey": "Ask for a new version with a new key", "sync": "Make every target hold the current version, and look",
		"retry": "Try now whatever failed", "store": "Store the certificate again", "recover": "Recover its deleted secret", "enable": "Enable its disabled secret", "resume": "Deploy again to targets that were switched off",
		"revoke": "Withdraw all versions", "cancel": "Stop an order that has no version yet", "again": "Order once more with the same settings"} {
		all["POST /v1/orders/{name}/"+word] = told{text: text, body: CommandBody{}, answer: one}
	}
	return all
}

// bodies are what some operations of the registry read and answer: types that arm does not know.
func bodies() []arm.Operation {
	one := arm.Resource{Properties: arm.Properties{}}
	all := []arm.Operation{{ID: "Certwright_diagnose", Answer: diagnose.Report{}}, {ID: "Certwright_fix", Body: FixBody{}, Answer: FixAnswer{}}, {ID: "Certwright_follow", Answer: Followed{}},
		{ID: "Certwright_import", Body: ImportBody{}, Answer: one}, {ID: "Certwright_watch", Body: WatchBody{}, Answer: one}}
	for _, word := range []string{"sync", "revoke", "cancel", "again", "retry"} {
		all = append(all, arm.Operation{ID: "Certwright_" + word, Body: CommandBody{}, Answer: one})
	}
	return all
}

// described are the operations of the routes that are not the registry's, for /openapi.json.
func (a *API) described() []arm.Operation {
	all := bodies()
	tellings := tellings()
	theirs := map[string]bool{}
	for _, t := range arm.Registry() {
		for _, o := range t.Operations {
			theirs[o.Method+" "+o.Path] = true
		}
	}
	for _, r := range a.Routes() {
		if theirs[r.Method+" "+r.Pattern] {
			continue
		}
		t, ok := tellings[r.Method+" "+r.Pattern]
		if !ok {
			panic("api: nothing is said of " + r.Method + " " + r.Pattern)
		}
		o := arm.Operation{ID: strings.ToLower(r.Method) + strings.NewReplacer("/", "_", "{", "", "}", "", ".", "_", "-", "_").Replace(r.Pattern), Method: r.Method, Path: r.Pattern, Action: r.Action,
			Body: t.body, Answer: t.answer, Codes: t.codes, Text: t.text, Kind: t.kind, Form: t.form}
		if o.Codes == nil {
			o.Codes = []int{http.StatusOK}
		}
		all = append(all, o)
	}
	return all
}
