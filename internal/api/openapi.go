package api

import (
	"net/http"
	"net/url"

	"certwright/internal/arm"
	"certwright/internal/auth"
)

// openAPI describes every operation of the registry, as it is served.
func (a *API) openAPI(w http.ResponseWriter, _ *request) error {
	write(w, http.StatusOK, arm.OpenAPI(a.Public, a.Version, a.Public+"/"+auth.Tenant+"/oauth2/v2.0/token"))
	return nil
}

// cloud describes the service as a cloud of its own, for az and the like (az cloud register --endpoint-resource-manager).
func (a *API) cloud(w http.ResponseWriter, _ *request) error {
	u, err := url.Parse(a.Public)
	if err != nil {
		return err
	}
	write(w, http.StatusOK, map[string]any{
		"galleryEndpoint": a.Public, "graphEndpoint": a.Public, "portalEndpoint": a.Public,
		"authentication": map[string]any{"loginEndpoint": a.Public, "audiences": []string{a.Public, "https://management.azure.com/"}, "tenant": auth.Tenant, "identityProvider": "AAD"},
		"suffixes":       map[string]string{"keyVaultDns": or(a.VaultSuffix, u.Hostname())},
	})
	return nil
}
