package server

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"certwright/internal/auth"
	"certwright/internal/keyvault"
)

// keyvault is the data plane of the vaults.
func (s *Server) keyvault() *keyvault.Handler {
	return keyvault.New(keyvault.Options{Vault: s.Vault, Items: s.Store, Orders: s.Mover, Reader: s.Store, Issuers: s.Issuers, Auth: s.Auth,
		Suffix: s.Config.Vault.Suffix, Login: func() string { return strings.TrimRight(s.Config.URL, "/") + "/" + auth.Tenant },
		Now: s.Now, Logger: s.Logger, MaxBody: int64(s.Config.Limits.Body), Quota: s.quota})
}

// VaultURL is where clients of Key Vault reach a vault.
func (s *Server) VaultURL(vault string) string {
	host := vault + "." + s.Config.Vault.Suffix
	if u, err := url.Parse(s.Config.URL); err == nil && u.Port() != "" {
		host += ":" + u.Port()
	}
	return "https://" + host
}

// renewSelf renews the certificates of all vaults that sign themselves and are due.
func (s *Server) renewSelf(ctx context.Context, now time.Time) error {
	vaults, err := s.Store.ListVaults(ctx)
	for _, v := range vaults {
		if _, more := s.Vaults.RenewSelf(ctx, v, now); more != nil {
			err = errors.Join(err, more)
		}
	}
	return err
}
