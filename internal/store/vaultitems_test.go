package store_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/secret"
	"certwright/internal/store"
)

func named(l []secret.Info) (names []string) {
	for _, i := range l {
		names = append(names, i.Name)
	}
	return names
}

// The lists of certificates are those of the secrets, without what is none.
func TestCertificateLists(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		plain := version("password", "b1", 0)
		plain.Certificate = nil
		overwritten := version("over", "c2", time.Second)
		overwritten.Certificate = nil
		for _, v := range []secret.Sealed{version("www", "a1", 0), version("www", "a2", time.Second), plain, version("over", "c1", 0), overwritten, version("api", "d1", 0)} {
			must(t, s.PutSecret(t.Context(), v))
		}
		if l := named(get[[]secret.Info](t)(s.ListCertificates(t.Context(), "DEFAULT", "", 10))); !slices.Equal(l, []string{"api", "www"}) {
			t.Errorf("certificates: %v", l)
		}
		if l := named(get[[]secret.Info](t)(s.ListCertificates(t.Context(), "default", "API", 1))); !slices.Equal(l, []string{"www"}) {
			t.Errorf("certificates after the first: %v", l)
		}
		if l := get[[]secret.Info](t)(s.ListCertificateVersions(t.Context(), "default", "OVER", "", 10)); len(l) != 1 || l[0].ID != "c1" {
			t.Errorf("versions: %+v", l)
		}
		for id, want := range map[string]string{"a2": "a1", "A1": "", "c2": "c1", "c1": "", "zz": ""} {
			name := map[byte]string{'a': "WWW", 'A': "www", 'c': "over", 'z': "www"}[id[0]]
			if got := get[string](t)(s.PreviousCertificate(t.Context(), "Default", name, id)); got != want {
				t.Errorf("the certificate before %s is %q, want %q", id, got, want)
			}
		}
		d := secret.Deleted{At: t0, Purge: t0.Add(time.Hour)}
		_, err := s.DeletedSecret(t.Context(), "default", "www")
		wantErr(t, err, secret.ErrNotFound)
		must(t, s.DeleteSecret(t.Context(), "default", "www", d))
		must(t, s.DeleteSecret(t.Context(), "default", "password", d))
		if i := get[secret.Info](t)(s.DeletedSecret(t.Context(), "default", "WWW")); i.ID != "a2" || *i.Deleted != d {
			t.Errorf("deleted: %+v", i)
		}
		if l := named(get[[]secret.Info](t)(s.ListDeletedCertificates(t.Context(), "default", "", 10))); !slices.Equal(l, []string{"www"}) {
			t.Errorf("deleted certificates: %v", l)
		}
	})
}

// A restored secret has all its versions or none, and is never mixed with one that is there.
func TestRestoreSecret(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		both := []secret.Sealed{version("www", "b1", 0), version("www", "a2", 0)} // of one moment: their order here counts
		must(t, s.RestoreSecret(t.Context(), both))
		if latest := get[secret.Sealed](t)(s.LatestSecret(t.Context(), "default", "www")); latest.ID != "a2" || string(latest.Blob) != "sealed a2" {
			t.Errorf("the latest is %+v", latest)
		}
		wantErr(t, s.RestoreSecret(t.Context(), []secret.Sealed{version("www", "c3", 0)}), secret.ErrConflict)
		must(t, s.DeleteSecret(t.Context(), "default", "www", secret.Deleted{At: t0, Purge: t0}))
		wantErr(t, s.RestoreSecret(t.Context(), both), secret.ErrDeleted)
		nowhere := version("www", "d4", 0)
		nowhere.Vault = "none"
		wantErr(t, s.RestoreSecret(t.Context(), []secret.Sealed{nowhere}), secret.ErrNoVault)
		must(t, s.PurgeSecret(t.Context(), "default", "www"))
		must(t, s.RestoreSecret(t.Context(), both))
	})
}

// A vault's documents are kept under a revision, belong to one vault, and go with the secret or the vault.
func TestVaultItems(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		row := secret.VaultRow{Name: "Kv", Subscription: "s", Group: "g", SoftDelete: 7, PurgeProtection: true, Created: t0}
		must(t, s.SaveVault(t.Context(), row))
		if back := get[secret.VaultRow](t)(s.LoadVault(t.Context(), "kv")); !reflect.DeepEqual(back, row) {
			t.Errorf("read back %+v", back)
		}
		i := secret.Item{Kind: secret.ItemCertificate, Vault: "Kv", Name: "Www", Doc: []byte(`{"a":1}`)}
		must(t, s.SaveItem(t.Context(), i))
		wantErr(t, s.SaveItem(t.Context(), i), fulfill.ErrExists)
		i.Revision, i.Doc = 1, []byte(`{"a":2}`)
		must(t, s.SaveItem(t.Context(), i))
		wantErr(t, s.SaveItem(t.Context(), i), fulfill.ErrConflict)
		if back := get[secret.Item](t)(s.LoadItem(t.Context(), secret.ItemCertificate, "KV", "WWW")); back.Revision != 2 || string(back.Doc) != `{"a":2}` {
			t.Errorf("read back %+v", back)
		}
		_, err := s.LoadItem(t.Context(), secret.ItemCertificate, "default", "www")
		wantErr(t, err, secret.ErrNotFound)
		for _, n := range []string{"b", "a", "c"} {
			must(t, s.SaveItem(t.Context(), secret.Item{Kind: secret.ItemIssuer, Vault: "kv", Name: n, Doc: []byte("{}")}))
		}
		if l := get[[]secret.Item](t)(s.ListItems(t.Context(), secret.ItemIssuer, "KV", "A", 1)); len(l) != 1 || l[0].Name != "b" || l[0].Revision != 1 {
			t.Errorf("issuers after a: %+v", l)
		}
		must(t, s.DeleteItem(t.Context(), secret.ItemIssuer, "kv", "b"))
		must(t, s.DeleteItem(t.Context(), secret.ItemIssuer, "kv", "b"))

		v := version("www", "a1", 0)
		v.Vault = "kv"
		must(t, s.PutSecret(t.Context(), v))
		must(t, s.DeleteSecret(t.Context(), "kv", "www", secret.Deleted{At: t0, Purge: t0}))
		must(t, s.PurgeSecret(t.Context(), "kv", "www"))
		_, err = s.LoadItem(t.Context(), secret.ItemCertificate, "kv", "www")
		wantErr(t, err, secret.ErrNotFound)
		must(t, s.DeleteVault(t.Context(), "kv", secret.Deleted{At: t0, Purge: t0}))
		must(t, s.PurgeVault(t.Context(), "kv"))
		if l := get[[]secret.Item](t)(s.ListItems(t.Context(), secret.ItemIssuer, "kv", "", 10)); len(l) != 0 {
			t.Errorf("of a vault that is gone: %+v", l)
		}
	})
}
