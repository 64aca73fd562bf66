package fulfill

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/site"
)

// leafOf makes a self-signed certificate.
func leafOf(t *testing.T, key crypto.Signer, change func(c *x509.Certificate)) *x509.Certificate {
	t.Helper()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	c := &x509.Certificate{SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: "brought.example.com"}, DNSNames: []string{"brought.example.com"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(90 * 24 * time.Hour)}
	if change != nil {
		change(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func pemOf(t *testing.T, key crypto.Signer, certs ...*x509.Certificate) secret.Bytes {
	t.Helper()
	var out []byte
	if key != nil {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		out = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// code is the code of a refusal; "" if err is none.
func code(err error) string {
	if r, ok := order.AsRefusal(err); ok {
		return r.Code
	}
	return ""
}

func TestImport(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := order.Short("brought")
	key := ecKey(t)
	leaf := leafOf(t, key, nil)
	if _, err := l.Import(l.ctx(), by, id, Wish{}, Bundle{PEM: pemOf(t, key, leaf), From: "brought.pem"}); err != nil {
		t.Fatal(err)
	}
	o := l.load(id)
	if len(o.Attempts) != 1 || o.Attempts[0].Sealed == nil {
		t.Fatalf("the key is not sealed until the vault has it: %+v", o.Attempts)
	}
	o = l.advance(id)
	if v := o.First(); v == nil || v.Serial != "4D" || o.Attempts[0].Sealed != nil || len(l.vault.held) != 1 {
		t.Fatalf("not stored: %+v", o)
	}
	if _, err := l.Import(l.ctx(), by, id, Wish{}, Bundle{PEM: pemOf(t, key, leaf)}); code(err) != "AlreadyImported" {
		t.Errorf("the same again: %v", err)
	}
	next := leafOf(t, key, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(78) })
	pfx, err := pkcs12.Modern.Encode(key, next, nil, "secret")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Import(l.ctx(), by, id, Wish{}, Bundle{PFX: pfx, Password: secret.Bytes("wrong")}); code(err) != "WrongPassword" {
		t.Errorf("a wrong password: %v", err)
	}
	if _, err := l.Import(l.ctx(), by, id, Wish{}, Bundle{PFX: pfx, Password: secret.Bytes("secret")}); err != nil {
		t.Fatal(err)
	}
	if o = l.advance(id); o.First().Serial != "4E" || o.First().Number != 2 {
		t.Errorf("the next one is %+v", o.First())
	}
	for _, c := range []order.Command{order.CmdRenew, order.CmdRekey} {
		if err := o.Allowed(c, l.clock.now()); code(err) != "NoIssuer" {
			t.Errorf("%s of an imported order: %v", c, err)
		}
	}
}

func TestImportRefuses(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	key, other := ecKey(t), ecKey(t)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	leaf := leafOf(t, key, nil)
	for name, c := range map[string]struct {
		bundle Bundle
		code   string
	}{
		"nothing":          {Bundle{}, "NoCertificate"},
		"no certificate":   {Bundle{PEM: pemOf(t, key)}, "NoCertificate"},
		"another key":      {Bundle{PEM: pemOf(t, other, leaf)}, "KeyMismatch"},
		"two keys":         {Bundle{PEM: append(pemOf(t, key), pemOf(t, other, leaf)...)}, "TwoKeys"},
		"weak":             {Bundle{PEM: pemOf(t, weak, leafOf(t, weak, nil))}, "WeakKey"},
		"ended":            {Bundle{PEM: pemOf(t, key, leafOf(t, key, func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(time.Minute) }))}, "CertificateExpired"},
		"an authority":     {Bundle{PEM: pemOf(t, key, leafOf(t, key, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }))}, "IsAuthority"},
		"no names":         {Bundle{PEM: pemOf(t, key, leafOf(t, key, func(c *x509.Certificate) { c.DNSNames, c.Subject = nil, pkix.Name{} }))}, "NoNames"},
		"encrypted":        {Bundle{PEM: append(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}), pemOf(t, nil, leaf)...)}, "KeyEncrypted"},
		"a spoilt key":     {Bundle{PEM: append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}), pemOf(t, nil, leaf)...)}, "KeyUnreadable"},
		"a spoilt PFX":     {Bundle{PFX: secret.Bytes("PFX")}, "UnreadablePFX"},
		"of public suffix": {Bundle{PEM: pemOf(t, key, leafOf(t, key, func(c *x509.Certificate) { c.DNSNames = []string{"co.uk"} }))}, "InvalidName"},
	} {
		if _, err := l.Import(l.ctx(), by, order.Short("x"), Wish{}, c.bundle); code(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	if len(l.store.orders) != 0 || len(l.store.events) != 0 {
		t.Error("something refused was stored")
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.order("taken")
	if _, err := l.SaveSite(l.ctx(), by, site.Site{Subscription: order.DefaultSubscription, Group: order.DefaultGroup, Name: "rsa", Targets: []site.Target{{Name: "t", Kind: site.KindFiles, KeyType: "RSA-2048"}}}); err != nil {
		t.Fatal(err)
	}
	orders, events := len(l.store.orders), len(l.store.events)
	l.issuer.traits = Traits{} // a public authority
	good := func() Wish {
		return Wish{Words: []string{"new.example.com"}, Spec: order.Spec{Issuer: "test"}}
	}
	for name, c := range map[string]struct {
		change func(w *Wish, id *order.ID)
		code   string
	}{
		"no names":           {func(w *Wish, _ *order.ID) { w.Words = nil }, "NamesMissing"},
		"a bad order name":   {func(_ *Wish, id *order.ID) { id.Name = "a/b" }, "InvalidOrderName"},
		"the same name":      {func(_ *Wish, id *order.ID) { id.Name = "TAKEN" }, "OrderExists"},
		"the same names":     {func(w *Wish, _ *order.ID) { w.Words = []string{"TAKEN.example.com"} }, "DuplicateOrder"},
		"unknown issuer":     {func(w *Wish, _ *order.ID) { w.Issuer = "nobody" }, "IssuerNotFound"},
		"unknown key type":   {func(w *Wish, _ *order.ID) { w.KeyTypes = []order.KeyType{"RSA-1024"} }, "UnknownKeyType"},
		"a key type twice":   {func(w *Wish, _ *order.ID) { w.KeyTypes = []order.KeyType{order.P256, order.P256} }, "DuplicateKeyType"},
		"unknown vault":      {func(w *Wish, _ *order.ID) { w.Vault = "elsewhere" }, "VaultNotUsable"},
		"unknown site":       {func(w *Wish, _ *order.ID) { w.Sites = []string{"nowhere"} }, "SiteNotFound"},
		"key type of target": {func(w *Wish, _ *order.ID) { w.Sites = []string{"rsa"} }, "KeyTypeNotOrdered"},
		"a wildcard":         {func(w *Wish, _ *order.ID) { w.Words = []string{"*.example.com"} }, "WildcardNeedsDNS"},
		"an internal name":   {func(w *Wish, _ *order.ID) { w.Words = []string{"intranet"} }, "NameNotPublic"},
		"a foreign method":   {func(w *Wish, _ *order.ID) { w.Method = order.MethodHTML }, "MethodNotSuitable"},
		"a short validity":   {func(w *Wish, _ *order.ID) { w.Validity = time.Second }, "OutOfRange"},
		"a fraction above 1": {func(w *Wish, _ *order.ID) { w.RenewAt = 1.5 }, "OutOfRange"},
		"a bad secret name":  {func(w *Wish, _ *order.ID) { w.Secret = "../x" }, "OutOfRange"},
		"a bad content type": {func(w *Wish, _ *order.ID) { w.Content = "text/html" }, "OutOfRange"},
		"a bad endpoint":     {func(w *Wish, _ *order.ID) { w.Endpoints = []site.Endpoint{{Address: "x:99999"}} }, "InvalidEndpoint"},
		"unknown group":      {func(_ *Wish, id *order.ID) { id.Group = "other" }, "ResourceGroupNotFound"},
		"unknown account":    {func(_ *Wish, id *order.ID) { id.Subscription = "none" }, "SubscriptionNotFound"},
	} {
		w, id := good(), order.Short("new")
		c.change(&w, &id)
		_, err := l.Create(l.ctx(), by, id, w)
		if r, ok := order.AsRefusal(err); !ok || r.Code != c.code || r.Message == "" {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	if len(l.store.orders) != orders || len(l.store.events) != events {
		t.Error("something refused was stored")
	}
	if _, err := l.Create(l.ctx(), by, order.Short("new"), good()); err != nil {
		t.Errorf("what is good is refused: %v", err)
	}
}

func TestSiteRefuses(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.order("shop", "files")
	s := func(change func(s *site.Site)) error {
		v := site.Site{Subscription: order.DefaultSubscription, Group: order.DefaultGroup, Name: "new"}
		change(&v)
		_, err := l.SaveSite(l.ctx(), by, v)
		return err
	}
	for name, c := range map[string]struct {
		change func(s *site.Site)
		code   string
	}{
		"a bad name":      {func(s *site.Site) { s.Name = "a b" }, "InvalidSite"},
		"a target twice":  {func(s *site.Site) { s.Targets = []site.Target{{Name: "a"}, {Name: "A"}} }, "InvalidSite"},
		"an unknown root": {func(s *site.Site) { s.Targets = []site.Target{{Name: "bad"}} }, "InvalidSite"},
		"exists":          {func(s *site.Site) { s.Name = "shop" }, "SiteExists"},
		"changed since":   {func(s *site.Site) { s.Name, s.Revision = "shop", 7 }, "PreconditionFailed"},
		"a bad endpoint":  {func(s *site.Site) { s.Endpoints = []site.Endpoint{{Address: "*.example.com"}} }, "InvalidEndpoint"},
	} {
		if err := s(c.change); code(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	if err := l.DeleteSite(l.ctx(), order.DefaultSubscription, order.DefaultGroup, "shop"); code(err) != "SiteInUse" {
		t.Errorf("a site in use is deleted: %v", err)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.target.holds["seen/x"] = "AB"
	id := order.Short("seen")
	if _, err := l.Watch(l.ctx(), by, id, Wish{Spec: order.Spec{Endpoints: []site.Endpoint{{Address: "seen.example.com"}}}}); err != nil {
		t.Fatal(err)
	}
	o := l.advance(id)
	if e := o.Endpoints[0]; e.Served != "AB" || e.State != order.Done || e.Address != "seen.example.com:443" || e.ServerName != "seen.example.com" {
		t.Errorf("%+v", e)
	}
	if l.issuer.n("begin") != 0 || len(l.vault.held) != 0 {
		t.Error("a watched order asked an issuer or wrote to the vault")
	}
	if _, err := l.Renew(l.ctx(), by, id); code(err) != "OnlyWatched" {
		t.Errorf("renewed: %v", err)
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop", "files")
	o := l.advance(id)
	if _, err := l.Update(l.ctx(), by, id, o.Generation+1, func(*Wish) {}); code(err) != "PreconditionFailed" {
		t.Errorf("an old generation: %v", err)
	}
	if _, err := l.Update(l.ctx(), by, id, o.Generation, func(w *Wish) { w.Words = append(w.Words, "co.uk") }); code(err) != "InvalidName" {
		t.Errorf("a bad name: %v", err)
	}
	if _, err := l.Update(l.ctx(), by, id, o.Generation, func(w *Wish) { w.Words = append(w.Words, "www.shop.example.com") }); err != nil {
		t.Fatal(err)
	}
	o = l.advance(id)
	if v := o.First(); v.Number != 2 || len(v.Names) != 2 || o.Generation != 2 || o.Deployments[0].Version != 2 {
		t.Errorf("after a name was added: %+v", v)
	}
}

// TestUpdateOfTheIssuer: an attempt that waits for one issuer is given up for another, its proofs with it, and
// what the first had said does not bind the second.
func TestUpdateOfTheIssuer(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop")
	l.issuer.validate = func(_ context.Context, p []order.Proof) ([]order.Proof, error) {
		return p, &order.Problem{Class: order.Waiting, What: "validate", Detail: "slow", Owner: order.OwnerIssuer, Until: l.clock.now().Add(24 * time.Hour)}
	}
	l.advance(id)
	l.issuer.validate = nil
	if _, err := l.Update(l.ctx(), by, id, 0, func(w *Wish) { w.Issuer = order.BuiltinIssuer }); err != nil {
		t.Fatal(err)
	}
	o := l.advance(id)
	if v := o.First(); v == nil || v.Issuer != order.BuiltinIssuer || l.proofs.left() != 0 || len(o.Attempts) != 2 {
		t.Errorf("%+v, %d proofs left", v, l.proofs.left())
	}
}

func TestRevokeAgainDelete(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop", "files")
	l.advance(id)
	if _, err := l.Again(l.ctx(), by, id); code(err) != "OrderAlive" {
		t.Errorf("ordered again while alive: %v", err)
	}
	if _, err := l.Revoke(l.ctx(), by, id, 7); code(err) != "UnknownReason" {
		t.Errorf("reason 7: %v", err)
	}
	if _, err := l.Revoke(l.ctx(), by, id, 4); err != nil {
		t.Fatal(err)
	}
	o := l.advance(id)
	if o.RevokedAt == nil || len(l.issuer.revoked) != 1 {
		t.Fatalf("not revoked: %+v", o)
	}
	if _, err := l.Again(l.ctx(), by, id); err != nil {
		t.Fatal(err)
	}
	if o = l.advance(id); o.First() == nil || o.First().Number != 2 {
		t.Fatalf("ordered again: %+v", o.First())
	}
	c, err := l.Export(l.ctx(), by, id, "")
	if err != nil || c.Key == nil || l.eventsNamed("exported") != 1 {
		t.Errorf("export: %v, %d events", err, l.eventsNamed("exported"))
	}
	if _, err := l.Delete(l.ctx(), by, id, false); code(err) != "OrderBound" {
		t.Errorf("a bound order is deleted unforced: %v", err)
	}
	if _, err := l.Delete(l.ctx(), by, id, true); err != nil {
		t.Fatal(err)
	}
	if err := l.Advance(l.ctx(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := l.store.LoadOrder(l.ctx(), id); !errors.Is(err, ErrNotFound) || len(l.issuer.revoked) != 2 || !l.vault.gone["shop"] {
		t.Errorf("after the deletion: %v, %d revoked, secret gone %v", err, len(l.issuer.revoked), l.vault.gone["shop"])
	}
	if err := order.VerifyChain(nil, l.store.events); err != nil {
		t.Error(err)
	}
	if _, err := l.Sync(l.ctx(), by, id); code(err) != "OrderNotFound" {
		t.Errorf("a command to a deleted order: %v", err)
	}
}

// TestDelayedRevocation: after a rekey the old version is revoked when its time has come and no target holds it.
func TestDelayedRevocation(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop", "files")
	l.advance(id)
	if _, err := l.Rekey(l.ctx(), by, id, time.Hour); err != nil {
		t.Fatal(err)
	}
	l.target.put = func(context.Context, site.Target) error { return errors.New("it hangs") }
	o := l.advance(id)
	if o.First().Number != 2 || o.Version(1).RevokeAt == nil {
		t.Fatalf("%+v", o.Versions)
	}
	l.clock.move(2 * time.Hour)
	if l.advance(id); len(l.issuer.revoked) != 0 {
		t.Fatal("a version that a target still serves was revoked")
	}
	l.target.put = nil
	l.until(id, 4, func(o *order.Order) bool { return o.Version(1).State == order.VersionRevoked })
	if len(l.issuer.revoked) != 1 {
		t.Errorf("%d revoked", len(l.issuer.revoked))
	}
}

// TestSuspended: nothing new is bought for a subscription that is not Enabled, and it goes on when it is again.
func TestSuspended(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.order("shop")
	l.store.state = "Disabled"
	o := l.advance(id)
	if l.issuer.n("begin") != 0 || o.Needs[0].Problem == nil || o.Needs[0].Problem.ID != "sub-disabled" {
		t.Fatalf("%+v", o.Needs)
	}
	l.store.state = "Enabled"
	l.until(id, 3, func(o *order.Order) bool { return o.First() != nil })
}
