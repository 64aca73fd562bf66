package api

import (
	"net/http"
	"net/url"

	"certwright/internal/arm"
	"certwright/internal/auth"
)

// openAPI describes every operation of the registry, as it is served.
func (a *API) openAPI(w http.ResponseWriter, _ *request) error {
	write(w, http.StatusOK, arm.OpenAPI(a.Public, a.Version, a.Public+"/"+auth.Tenant+"/oauth2/v2.0/token", a.described()))
	return nil
}

// cloud describes the service as a cloud of its own, for whoever is told its address alone: az (cloud register
// --endpoint-resource-manager), Terraform (metadata_host), PowerShell. The newest form has all names of the older ones;
// 2019-05-01 is a list of clouds.
func (a *API) cloud(w http.ResponseWriter, r *request) error {
	u, err := url.Parse(a.Public)
	if err != nil {
		return err
	}
	suffix := or(a.VaultSuffix, u.Hostname())
	if u.Port() != "" {
		suffix += ":" + u.Port() // clients put a vault's name before it, and have its address
	}
	cloud := map[string]any{
		"name": "Certwright", "resourceManager": a.Public, "portal": a.Public, "graph": a.Public, "graphAudience": a.Public, "microsoftGraphResourceId": a.Public,
		"galleryEndpoint": a.Public, "graphEndpoint": a.Public, "portalEndpoint": a.Public,
		"authentication": map[string]any{"loginEndpoint": a.Public, "audiences": []string{a.Public, "https://management.azure.com/"}, "tenant": auth.Tenant, "identityProvider": "AAD"},
		"suffixes":       map[string]string{"keyVaultDns": suffix},
	}
	if r.URL.Query().Get("api-version") == "2019-05-01" {
		write(w, http.StatusOK, []any{cloud})
		return nil
	}
	write(w, http.StatusOK, cloud)
	return nil
}
