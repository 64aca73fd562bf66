package store_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/site"
	"certwright/internal/store"
)

func TestSitesAndIssuersUnderTheirRevision(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		v := &site.Site{Subscription: order.DefaultSubscription, Group: "Web", Name: "Shop", HostNames: []string{"a.test"},
			Targets: []site.Target{{Name: "files", Kind: site.KindFiles, Files: &site.Files{Root: "www"}}}}
		must(t, s.SaveSite(t.Context(), v))
		back := get[*site.Site](t)(s.LoadSite(t.Context(), order.DefaultSubscription, "WEB", "shop"))
		if v.Revision != 1 || !reflect.DeepEqual(back, v) {
			t.Errorf("site read back %+v, want %+v", back, v)
		}
		wantErr(t, s.SaveSite(t.Context(), &site.Site{Subscription: order.DefaultSubscription, Group: "web", Name: "SHOP"}), fulfill.ErrExists)
		must(t, s.SaveSite(t.Context(), back))
		wantErr(t, s.SaveSite(t.Context(), v), fulfill.ErrConflict)
		wantErr(t, s.DeleteSite(t.Context(), v), fulfill.ErrConflict)
		if v.Revision != 1 {
			t.Error("a refused save counted the revision up")
		}
		for group, want := range map[string]int{"": 1, "web": 1, "other": 0} {
			if all := get[[]site.Site](t)(s.ListSites(t.Context(), order.DefaultSubscription, group)); len(all) != want || want == 1 && all[0].Revision != 2 {
				t.Errorf("sites of group %q: %+v, want %d of revision 2", group, all, want)
			}
		}
		must(t, s.DeleteSite(t.Context(), back))
		_, err := s.LoadSite(t.Context(), order.DefaultSubscription, "web", "shop")
		wantErr(t, err, fulfill.ErrNotFound)
		wantErr(t, s.SaveSite(t.Context(), back), fulfill.ErrNotFound)

		i := &order.Issuer{Name: "LE", Kind: order.IssuerACME, Directory: "https://ca.test/dir", Hold: t0}
		must(t, s.SaveIssuer(t.Context(), i))
		read := get[*order.Issuer](t)(s.LoadIssuer(t.Context(), "le"))
		if !reflect.DeepEqual(read, i) {
			t.Errorf("issuer read back %+v, want %+v", read, i)
		}
		must(t, s.SaveIssuer(t.Context(), read))
		wantErr(t, s.SaveIssuer(t.Context(), i), fulfill.ErrConflict)
		if all := get[[]order.Issuer](t)(s.ListIssuers(t.Context())); len(all) != 1 || all[0].Revision != 2 {
			t.Errorf("issuers: %+v", all)
		}
		must(t, s.DeleteIssuer(t.Context(), read))
		wantErr(t, s.DeleteIssuer(t.Context(), read), fulfill.ErrNotFound)
	})
}

func TestDNSAccounts(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		a := &order.DNSAccount{Name: "Bind", Kind: order.KindRFC2136, Server: "ns.test:53", Zones: []string{"example.test"}, Key: "k", Algorithm: "hmac-sha256", Created: t0, Updated: t0}
		must(t, s.SaveDNSAccount(t.Context(), a))
		wantErr(t, s.SaveDNSAccount(t.Context(), &order.DNSAccount{Name: "BIND"}), fulfill.ErrExists)
		read := get[*order.DNSAccount](t)(s.LoadDNSAccount(t.Context(), "bind"))
		if !reflect.DeepEqual(read, a) {
			t.Errorf("read back %+v, want %+v", read, a)
		}
		must(t, s.SaveDNSAccount(t.Context(), read))
		wantErr(t, s.SaveDNSAccount(t.Context(), a), fulfill.ErrConflict)
		if all := get[[]order.DNSAccount](t)(s.ListDNSAccounts(t.Context())); len(all) != 1 || all[0].Revision != 2 {
			t.Errorf("accounts: %+v", all)
		}

		o := sample("www")
		o.Attempts[0].Proofs = []order.Proof{{Method: order.MethodDNS01, Value: "v", Place: "_acme-challenge.example.test", Account: "Bind"}}
		create(t, s, o, waiting())
		if id, found, err := s.OrderPublishing(t.Context(), "bind"); err != nil || !found || id.Name != "www" {
			t.Errorf("publishing: %v %v %v", id, found, err)
		}
		if _, found, err := s.OrderPublishing(t.Context(), "other"); err != nil || found {
			t.Errorf("another account: %v %v", found, err)
		}
		o.Attempts[0].Phase = order.Ended
		must(t, s.SaveOrder(t.Context(), o, issued(), nil))
		if _, found, err := s.OrderPublishing(t.Context(), "bind"); err != nil || found {
			t.Errorf("after the attempt: %v %v", found, err)
		}

		named := sample("named")
		named.Spec.DNSAccount = "BIND"
		create(t, s, named, waiting())
		if ids := get[[]order.ID](t)(s.OrdersByDNSAccount(t.Context(), "bind", 5)); len(ids) != 1 || ids[0].Name != "named" {
			t.Errorf("orders that name it: %v", ids)
		}
		named.Spec.DNSAccount = ""
		must(t, s.SaveOrder(t.Context(), named, waiting(), nil))
		if ids := get[[]order.ID](t)(s.OrdersByDNSAccount(t.Context(), "bind", 5)); len(ids) != 0 {
			t.Errorf("orders that name it once it is left out: %v", ids)
		}

		must(t, s.DeleteDNSAccount(t.Context(), read))
		_, err := s.LoadDNSAccount(t.Context(), "bind")
		wantErr(t, err, fulfill.ErrNotFound)
	})
}

func TestScopes(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		if st := get[string](t)(s.SubscriptionState(t.Context(), order.DefaultSubscription)); st != order.SubscriptionEnabled {
			t.Errorf("the default subscription is %s", st)
		}
		if !get[bool](t)(s.GroupExists(t.Context(), order.DefaultSubscription, "DEFAULT")) {
			t.Error("the default group is not there")
		}
		_, err := s.SubscriptionState(t.Context(), "none")
		wantErr(t, err, fulfill.ErrNotFound)
		wantErr(t, s.SaveGroup(t.Context(), order.Group{Subscription: "None", Name: "g"}), fulfill.ErrNotFound)
		must(t, s.SaveSubscription(t.Context(), "Two", "Second", order.SubscriptionEnabled))
		must(t, s.SaveSubscription(t.Context(), "TWO", "Second", order.SubscriptionDisabled))
		if st := get[string](t)(s.SubscriptionState(t.Context(), "two")); st != order.SubscriptionDisabled {
			t.Errorf("the state is %s, want Disabled", st)
		}
		must(t, s.SaveGroup(t.Context(), order.Group{Subscription: "two", Name: "Web"}))
		must(t, s.SaveGroup(t.Context(), order.Group{Subscription: "two", Name: "WEB"}))
		groups := get[[]order.Group](t)(s.ListGroups(t.Context(), "TWO"))
		if len(groups) != 1 || !reflect.DeepEqual(groups[0], order.Group{Subscription: "two", Name: "Web", Created: t0, Tags: map[string]string{}}) {
			t.Errorf("groups: %+v", groups)
		}
		if all := get[[]order.Subscription](t)(s.ListSubscriptions(t.Context())); len(all) != 2 || all[1].ID != "Two" {
			t.Errorf("subscriptions: %+v", all)
		}
	})
}

// TestOnlyEmptyGroupsGo: a group with an order, a site or a vault stays, and so does the default one.
func TestOnlyEmptyGroupsGo(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		must(t, s.SaveSubscription(t.Context(), "Two", "Second", order.SubscriptionEnabled))
		wantErr(t, s.DeleteGroup(t.Context(), "two", "none"), fulfill.ErrNotFound)
		wantErr(t, s.DeleteGroup(t.Context(), order.DefaultSubscription, "Default"), fulfill.ErrConflict)
		for _, g := range []string{"empty", "vaults", "sites"} {
			must(t, s.SaveGroup(t.Context(), order.Group{Subscription: "two", Name: g}))
		}
		must(t, s.SaveVault(t.Context(), secret.VaultRow{Name: "kv", Subscription: "Two", Group: "Vaults", SoftDelete: 90}))
		must(t, s.SaveSite(t.Context(), &site.Site{Subscription: "two", Group: "sites", Name: "shop"}))
		wantErr(t, s.DeleteGroup(t.Context(), "two", "vaults"), fulfill.ErrConflict)
		wantErr(t, s.DeleteGroup(t.Context(), "two", "sites"), fulfill.ErrConflict)
		must(t, s.DeleteGroup(t.Context(), "TWO", "Empty"))
		if groups := get[[]order.Group](t)(s.ListGroups(t.Context(), "two")); len(groups) != 2 {
			t.Errorf("groups: %+v", groups)
		}
	})
}

func version(name, id string, after time.Duration) secret.Sealed {
	end := t0.Add(time.Hour)
	return secret.Sealed{Blob: []byte("sealed " + id), Info: secret.Info{Vault: "default", Name: name, ID: id, ContentType: secret.ContentPEM,
		Certificate: []byte{1}, Tags: map[string]string{"k": "v"}, Author: "me",
		Attributes: secret.Attributes{Enabled: true, Expires: &end, Created: t0.Add(after), Updated: t0.Add(after)}}}
}

func TestSecretVersions(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		v := version("Www", "b2", 0)
		must(t, s.PutSecret(t.Context(), v))
		must(t, s.PutSecret(t.Context(), v)) // a repeat after a crash
		other := v
		other.Blob = []byte("other")
		wantErr(t, s.PutSecret(t.Context(), other), secret.ErrConflict)
		back := get[secret.Sealed](t)(s.SecretVersion(t.Context(), "DEFAULT", "WWW", "B2"))
		if !reflect.DeepEqual(back, v) {
			t.Errorf("read back %+v, want %+v", back, v)
		}
		newer := version("www", "a1", time.Second)
		newer.Attributes.Enabled = false
		must(t, s.PutSecret(t.Context(), newer))
		if latest := get[secret.Sealed](t)(s.LatestSecret(t.Context(), "default", "www")); latest.ID != "a1" {
			t.Errorf("the latest is %s, want a1", latest.ID)
		}
		must(t, s.PutSecret(t.Context(), version("api", "c3", 0)))
		lines := get[[]secret.Info](t)(s.ListSecrets(t.Context(), "default", "", 10))
		if len(lines) != 2 || lines[0].Name != "api" || lines[1].ID != "a1" {
			t.Errorf("secrets: %+v", lines)
		}
		if rest := get[[]secret.Info](t)(s.ListSecrets(t.Context(), "default", "API", 1)); len(rest) != 1 || rest[0].ID != "a1" {
			t.Errorf("secrets after the first: %+v", rest)
		}
		all := get[[]secret.Info](t)(s.ListSecretVersions(t.Context(), "default", "www", "", 10))
		if len(all) != 2 || all[0].ID != "a1" || all[1].ID != "b2" {
			t.Errorf("versions: %+v", all)
		}
		a := v.Attributes
		a.Enabled, a.Expires = false, nil
		must(t, s.UpdateSecret(t.Context(), "default", "www", "b2", "text/plain", a, nil))
		back = get[secret.Sealed](t)(s.SecretVersion(t.Context(), "default", "www", "b2"))
		if back.Attributes != a || back.ContentType != "text/plain" || back.Tags != nil || string(back.Blob) != "sealed b2" {
			t.Errorf("after the update: %+v", back)
		}
		wantErr(t, s.UpdateSecret(t.Context(), "default", "www", "none", "", a, nil), secret.ErrNotFound)
		must(t, s.ReplaceEnvelope(t.Context(), "default", "www", "b2", []byte("sealed b2"), []byte("again")))
		wantErr(t, s.ReplaceEnvelope(t.Context(), "default", "www", "b2", []byte("sealed b2"), []byte("lost")), secret.ErrConflict)
		nowhere := version("www", "d4", 0)
		nowhere.Vault = "none"
		wantErr(t, s.PutSecret(t.Context(), nowhere), secret.ErrNoVault)
	})
}

func TestSoftDelete(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		must(t, s.PutSecret(t.Context(), version("www", "a1", 0)))
		must(t, s.PutSecret(t.Context(), version("www", "a2", time.Second)))
		d := secret.Deleted{At: t0, Purge: t0.Add(time.Hour)}
		wantErr(t, s.PurgeSecret(t.Context(), "default", "www"), secret.ErrNotFound)
		must(t, s.DeleteSecret(t.Context(), "default", "WWW", d))
		wantErr(t, s.DeleteSecret(t.Context(), "default", "www", d), secret.ErrNotFound)
		_, err := s.SecretVersion(t.Context(), "default", "www", "a1")
		wantErr(t, err, secret.ErrDeleted)
		_, err = s.LatestSecret(t.Context(), "default", "www")
		wantErr(t, err, secret.ErrDeleted)
		wantErr(t, s.PutSecret(t.Context(), version("www", "a3", 0)), secret.ErrDeleted)
		wantErr(t, s.UpdateSecret(t.Context(), "default", "www", "a1", "", secret.Attributes{}, nil), secret.ErrNotFound)
		lists := func() [3]int {
			return [3]int{len(get[[]secret.Info](t)(s.ListSecrets(t.Context(), "default", "", 0))),
				len(get[[]secret.Info](t)(s.ListSecretVersions(t.Context(), "default", "www", "", 0))),
				len(get[[]secret.Info](t)(s.ListDeleted(t.Context(), "default", "", 0)))}
		}
		if n := lists(); n != [3]int{0, 0, 1} {
			t.Errorf("deleted: listed secrets, versions, deleted = %v", n)
		}
		if line := get[[]secret.Info](t)(s.ListDeleted(t.Context(), "default", "", 0))[0]; line.ID != "a2" || *line.Deleted != d {
			t.Errorf("line of the deleted: %+v", line)
		}
		must(t, s.RecoverSecret(t.Context(), "default", "www"))
		wantErr(t, s.RecoverSecret(t.Context(), "default", "www"), secret.ErrNotFound)
		if n := lists(); n != [3]int{1, 2, 0} {
			t.Errorf("recovered: listed secrets, versions, deleted = %v", n)
		}
		must(t, s.DeleteSecret(t.Context(), "default", "www", d))
		if n := get[int](t)(s.PurgeDue(t.Context(), d.Purge.Add(-time.Second))); n != 0 {
			t.Errorf("purged %d before their time", n)
		}
		if n := get[int](t)(s.PurgeDue(t.Context(), d.Purge)); n != 1 {
			t.Errorf("purged %d, want 1", n)
		}
		_, err = s.SecretVersion(t.Context(), "default", "www", "a1")
		wantErr(t, err, secret.ErrNotFound)
		must(t, s.PutSecret(t.Context(), version("www", "a1", 0)))
	})
}

func TestSystemKeysAndSettings(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		_, err := s.SystemKey(t.Context(), "root")
		wantErr(t, err, secret.ErrNotFound)
		wantErr(t, s.ReplaceSystemKey(t.Context(), "root", []byte{9}), secret.ErrNotFound)
		var first atomic.Int64 // of many that make the key at once one wins, and all can go on with its
		race(8, func(i int) {
			if err := s.PutSystemKey(context.Background(), "root", []byte{byte(i)}); err == nil {
				first.Add(1)
			} else if !errors.Is(err, secret.ErrConflict) {
				t.Error(err)
			}
		})
		if first.Load() != 1 {
			t.Errorf("%d keys were put under one name", first.Load())
		}
		key := get[[]byte](t)(s.SystemKey(t.Context(), "root"))
		must(t, s.PutSystemKey(t.Context(), "root", key))
		must(t, s.ReplaceSystemKey(t.Context(), "root", []byte{9}))
		must(t, s.PutSystemKey(t.Context(), "a", []byte{1}))
		if all := get[[]string](t)(s.ListSystemKeys(t.Context())); !reflect.DeepEqual(all, []string{"a", "root"}) {
			t.Errorf("keys: %v", all)
		}
		must(t, s.DeleteSystemKey(t.Context(), "a"))

		_, err = s.Setting(t.Context(), "x")
		wantErr(t, err, secret.ErrNotFound)
		wantErr(t, err, fulfill.ErrNotFound)
		must(t, s.SetSetting(t.Context(), "x", []byte("1")))
		must(t, s.SetSetting(t.Context(), "x", nil))
		if v := get[[]byte](t)(s.Setting(t.Context(), "x")); len(v) != 0 {
			t.Errorf("setting = %q", v)
		}
	})
}

func TestTokens(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		h := sha256.Sum256([]byte("t"))
		v := order.Token{Name: "Ci", Hash: h[:], Role: "Reader", Scope: "/", Created: t0, Expires: t0.Add(time.Hour)}
		must(t, s.SaveToken(t.Context(), v))
		wantErr(t, s.SaveToken(t.Context(), order.Token{Name: "ci", Hash: []byte("x")}), fulfill.ErrExists)
		wantErr(t, s.SaveToken(t.Context(), order.Token{Name: "other", Hash: h[:]}), fulfill.ErrExists)
		if back := get[order.Token](t)(s.TokenByHash(t.Context(), h[:])); !reflect.DeepEqual(back, v) {
			t.Errorf("read back %+v", back)
		}
		if all := get[[]order.Token](t)(s.ListTokens(t.Context())); len(all) != 1 {
			t.Errorf("tokens: %+v", all)
		}
		must(t, s.DeleteToken(t.Context(), "CI"))
		wantErr(t, s.DeleteToken(t.Context(), "ci"), fulfill.ErrNotFound)
		_, err := s.TokenByHash(t.Context(), h[:])
		wantErr(t, err, fulfill.ErrNotFound)
	})
}

func TestBookOfSerials(t *testing.T) {
	onBoth(t, func(t *testing.T, s *store.Store) {
		end := t0.Add(time.Hour)
		record := func(serial, attempt string, want bool) {
			t.Helper()
			if got := get[bool](t)(s.RecordSerial(t.Context(), serial, "/o", attempt, end)); got != want {
				t.Errorf("recording %s for %s: %v, want %v", serial, attempt, got, want)
			}
		}
		record("0A", "a1", true)
		record("0A", "a2", false) // the serial is taken
		record("0B", "a1", false) // the attempt has one
		serial, cert, found, err := s.IssuedByAttempt(t.Context(), "a1")
		if must(t, err); !found || serial != "0A" || cert != nil {
			t.Errorf("before signing: %s %x %v", serial, cert, found)
		}
		must(t, s.SetIssued(t.Context(), "0A", []byte{7}))
		if _, cert, _, _ = s.IssuedByAttempt(t.Context(), "a1"); string(cert) != "\x07" {
			t.Errorf("after signing: %x", cert)
		}
		_, _, found, err = s.IssuedByAttempt(t.Context(), "none")
		if must(t, err); found {
			t.Error("an attempt without a serial has one")
		}
		wantErr(t, s.SetIssued(t.Context(), "FF", nil), fulfill.ErrNotFound)
		wantErr(t, s.RevokeSerial(t.Context(), "FF", 1, t0), fulfill.ErrNotFound)
		must(t, s.RevokeSerial(t.Context(), "0A", 4, t0))
		must(t, s.RevokeSerial(t.Context(), "0A", 1, t0.Add(time.Minute)))
		want := []order.Revocation{{Serial: "0A", At: t0, Reason: 4}}
		if got := get[[]order.Revocation](t)(s.Revocations(t.Context(), end)); !reflect.DeepEqual(got, want) {
			t.Errorf("revocations %+v, want the first date and reason %+v", got, want)
		}
		if got := get[[]order.Revocation](t)(s.Revocations(t.Context(), end.AddDate(0, 1, 0))); len(got) != 0 {
			t.Errorf("long expired ones are still listed: %+v", got)
		}
		v := get[order.IssuedSerial](t)(s.Serial(t.Context(), "0A"))
		if v.Order != "/o" || !v.NotAfter.Equal(end) || v.Revoked == nil {
			t.Errorf("serial read back: %+v", v)
		}
		var sum atomic.Int64
		race(8, func(int) {
			n, err := s.NextCRLNumber(context.Background())
			if err != nil {
				t.Error(err)
			}
			sum.Add(n)
		})
		if sum.Load() != 36 {
			t.Errorf("eight CRL numbers at once sum up to %d, want 1+2+...+8", sum.Load())
		}
	})
}
