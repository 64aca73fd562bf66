package server

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"certwright/internal/auth"
	"certwright/internal/order"
	"certwright/internal/site"
	"certwright/internal/testworld"
)

// csrOf is a request with a key for names: its DER.
func csrOf(t *testing.T, key crypto.Signer, names ...string) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: names}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// isFor says whether a version is for a key.
func isFor(t *testing.T, v *order.Version, key crypto.Signer) bool {
	t.Helper()
	c, err := x509.ParseCertificate(order.DecodeChain(v.Chain)[0])
	if err != nil {
		t.Fatal(err)
	}
	a, _ := x509.MarshalPKIXPublicKey(c.PublicKey)
	b, _ := x509.MarshalPKIXPublicKey(key.Public())
	return bytes.Equal(a, b)
}

// keyAt puts a key to a shop, as whoever keeps it would.
func keyAt(t *testing.T, sh *shop, key *ecdsa.PrivateKey) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err == nil {
		err = os.WriteFile(filepath.Join(sh.tls(), "shop.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestRequestAtPebble: an order with a request of its owner goes down the whole path at an ACME authority: their key is
// certified, the certificate is put beside it and served, the vault holds nothing, and says so to each face.
func TestRequestAtPebble(t *testing.T) {
	t.Parallel()
	w := startWorld(t, true, testworld.PebbleOptions{})
	sh := w.shop(t, "hsm.example.com")
	l := startLive(t, w, nil, sh)
	key := ecKey(t)
	keyAt(t, sh, key)
	st := w.site(sh) // the key lies there already: the certificate alone is put beside it
	st.Targets = []site.Target{{Name: "files", Kind: site.KindFiles, Files: &site.Files{Root: st.Name, Fullchain: "shop.pem", Reload: "reload-" + st.Name}}}
	if _, err := l.Mover.SaveSite(t.Context(), testBy, st); err != nil {
		t.Fatal(err)
	}
	c := l.caller(l.FirstRun)
	path := subID + "/resourceGroups/default/providers/Microsoft.CertificateRegistration/certificateOrders/hsm"
	csr := base64.StdEncoding.EncodeToString(csrOf(t, key, sh.host))
	body := fmt.Sprintf(`{"location":"Global","properties":{"csr":"%s","productType":"StandardDomainValidatedSsl","issuer":"pebble","sites":["hsm"]}}`, csr)
	if code, _, data := c.call("POST", subID+"/providers/Microsoft.CertificateRegistration/validateCertificateRegistrationInformation"+orderV+"&resourceGroup=default", body); code != http.StatusNoContent {
		t.Fatalf("validate: %d %s", code, data)
	}
	if code, _, data := c.call("PUT", path+orderV, body); code != http.StatusCreated {
		t.Fatalf("%d %s", code, data)
	}
	id := order.Short("hsm")
	o := l.settled(id, 1)
	if !isFor(t, o.First(), key) || !o.First().External {
		t.Errorf("%+v", o.First())
	}
	var got struct {
		Properties struct {
			CSR                  string
			IsPrivateKeyExternal bool
			KeySize              int
			Status               string
			Certificates         map[string]struct{ ProvisioningState string }
		}
	}
	c.get(path+orderV, &got)
	if p := got.Properties; p.CSR != csr || !p.IsPrivateKeyExternal || p.KeySize != 0 || p.Status != "Issued" || p.Certificates["hsm"].ProvisioningState != "ExternalPrivateKey" {
		t.Errorf("%+v", p)
	}
	if code, _, data := c.call("PUT", path+orderV, body); code != http.StatusOK || l.load(id).Generation != o.Generation {
		t.Errorf("the same again: %d %s", code, data)
	}
	other := strings.Replace(body, csr, base64.StdEncoding.EncodeToString(csrOf(t, ecKey(t), sh.host)), 1)
	c.refused("PUT", path+orderV, other, 409, "PropertyChangeNotAllowed")
	c.refused("POST", "/v1/orders/hsm/export", `{"format":"pem"}`, 409, "ExternalPrivateKey")
	if code, h, data := c.call("GET", "/v1/orders/hsm/chain", ""); code != http.StatusOK || h.Get("Content-Type") != "application/pem-certificate-chain" || !bytes.Equal(data, o.First().Chain) {
		t.Errorf("the chain: %d %s %s", code, h.Get("Content-Type"), data)
	}
	v := callVault(l)
	for _, kind := range []string{"certificates", "secrets"} {
		if rec := v.on("default", "GET", "/"+kind+"/hsm", ""); rec.Code != http.StatusNotFound {
			t.Errorf("%s: %d %s", kind, rec.Code, rec.Body)
		}
	}
	if rec := v.on("default", "GET", "/certificates/hsm", ""); !strings.Contains(rec.Body.String(), "ExternalPrivateKey") || !strings.Contains(rec.Body.String(), "--chain") {
		t.Errorf("the vault does not say why: %s", rec.Body)
	}
	policy := `{"policy":{"issuer":{"name":"builtin"},"key_props":{"kty":"EC"},"x509_props":{"subject":"CN=hsm.example.com"}}}`
	if rec := v.on("default", "POST", "/certificates/hsm/create", policy); rec.Code != http.StatusConflict {
		t.Errorf("a key made here under the order's name: %d %s", rec.Code, rec.Body)
	}
	report, err := l.Diagnose(t.Context(), id)
	if err != nil || !report.Healthy {
		t.Errorf("%v %+v", err, report.Findings)
	}
	// Renewed with the next key, which whoever runs the server has put there.
	next := ecKey(t)
	keyAt(t, sh, next)
	renewal := fmt.Sprintf(`{"properties":{"csr":"%s"}}`, base64.StdEncoding.EncodeToString(csrOf(t, next, sh.host)))
	if code, _, data := c.call("POST", path+"/renew"+orderV, renewal); code != http.StatusNoContent {
		t.Fatalf("renew: %d %s", code, data)
	}
	if o = l.settled(id, 2); !isFor(t, o.First(), next) {
		t.Error("the renewal is for another key")
	}
}

// TestReissueChangesTheKey walks reissue and renew of the built-in authority's orders through Azure's API: key sizes,
// from a key kept here to one kept elsewhere and back, the delayed revocation; whatever cannot be leaves all as it was.
func TestReissueChangesTheKey(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	sh := w.shop(t, "shop.example.com")
	l := startLive(t, w, nil, sh)
	id := l.place(sh, order.BuiltinIssuer)
	first := l.settled(id, 1)
	c := l.caller(l.FirstRun)
	path := subID + "/resourceGroups/default/providers/Microsoft.CertificateRegistration/certificateOrders/shop"
	own := ecKey(t)
	text := func(names ...string) string {
		return base64.StdEncoding.EncodeToString(csrOf(t, own, names...))
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []struct{ action, properties, code, target string }{
		{"reissue", `"keySize":1024`, "UnknownKeySize", "properties.keySize"},
		{"reissue", `"keySize":2048,"keyTypes":["EC-P384"]`, "ConflictingProperties", "properties.keySize"},
		{"reissue", `"keyTypes":["EC-P521"]`, "UnknownKeyType", "properties.keyTypes"},
		{"reissue", `"delayExistingRevokeInHours":-1`, "OutOfRange", "properties.delayExistingRevokeInHours"},
		{"renew", `"delayExistingRevokeInHours":1`, "OutOfRange", "properties.delayExistingRevokeInHours"},
		{"reissue", `"csr":"hello"`, "InvalidCsr", "properties.csr"},
		{"reissue", `"csr":"` + base64.StdEncoding.EncodeToString(csrOf(t, weak, sh.host)) + `"`, "InvalidCsr", "properties.csr"},
		{"renew", `"csr":"` + text("other.example.com") + `"`, "CsrNamesMismatch", "properties.csr"},
		{"reissue", `"csr":"` + text(sh.host) + `","isPrivateKeyExternal":false`, "ConflictingProperties", "properties.isPrivateKeyExternal"},
		{"reissue", `"csr":"` + text(sh.host) + `","keySize":2048`, "CsrKeyMismatch", "properties.keySize"},
		{"renew", `"isPrivateKeyExternal":true`, order.CsrMissing, "properties.csr"},
	} {
		if e := c.refused("POST", path+"/"+bad.action+orderV, `{"properties":{`+bad.properties+`}}`, 400, bad.code); e.Target != bad.target {
			t.Errorf("%s with %.60s names %q", bad.action, bad.properties, e.Target)
		}
	}
	if o := l.load(id); o.Generation != first.Generation || len(o.Needs) != 0 || len(o.Attempts) != len(first.Attempts) {
		t.Errorf("a refused request changed the order: %+v", o.Needs)
	}
	do := func(action, properties string) {
		t.Helper()
		if code, _, data := c.call("POST", path+"/"+action+orderV, `{"properties":{`+properties+`}}`); code != http.StatusNoContent {
			t.Fatalf("%s: %d %s", action, code, data)
		}
	}
	do("reissue", `"keySize":3072,"delayExistingRevokeInHours":2`)
	o := l.settled(id, 2)
	if k, err := x509.ParseCertificate(order.DecodeChain(o.First().Chain)[0]); err != nil || k.PublicKey.(*rsa.PublicKey).N.BitLen() != 3072 || o.Version(1).RevokeAt == nil {
		t.Errorf("%v %+v", err, o.Versions)
	}
	v := callVault(l)
	var secret struct{ ID, PreviousVersion string }
	for version, want := range map[string]string{"2025-07-01": o.Version(1).SecretID, "7.6": ""} {
		rec := v.on("default", "GET", "/secrets/shop?api-version="+version, "")
		secret.PreviousVersion = ""
		if err := json.Unmarshal(rec.Body.Bytes(), &secret); err != nil || secret.PreviousVersion != want || !strings.HasSuffix(secret.ID, o.First().SecretID) {
			t.Errorf("the secret at %s: %v %+v", version, err, secret)
		}
	}
	l.move(3 * 3600e9)
	l.wait(id, "that the old version is revoked", func(o *order.Order) bool { return o.Version(1).State == order.VersionRevoked })
	do("reissue", `"csr":"`+text(sh.host)+`","isPrivateKeyExternal":true,"delayExistingRevokeInHours":1`)
	o = l.wait(id, "that the target waits for its owner", func(o *order.Order) bool {
		return len(o.Versions) == 3 && o.Deployments[0].Problem != nil && o.LeaseOwner == ""
	})
	if !isFor(t, o.First(), own) || o.VaultStatusOf(l.Now()) != order.VaultExternalKey || o.Deployments[0].Problem.ID != "sync-key-external" {
		t.Errorf("%+v %+v", o.First(), o.Deployments[0])
	}
	report, err := l.Diagnose(t.Context(), id)
	if err != nil || len(report.Findings) != 1 || report.Findings[0].ID != "sync-key-external" {
		t.Errorf("%v %+v", err, report.Findings)
	}
	l.move(3 * 3600e9) // version 2 is served still: it is not revoked under the server
	if o = l.load(id); o.Version(2).State == order.VersionRevoked {
		t.Error("what is served was revoked")
	}
	do("reissue", `"isPrivateKeyExternal":false,"keyTypes":["EC-P256"]`)
	if o = l.settled(id, 4); o.First().External || o.Spec.ExternalKey || o.First().KeyType != order.P256 {
		t.Errorf("%+v", o.First())
	}
	l.wait(id, "that version 2 is revoked once nothing serves it", func(o *order.Order) bool { return o.Version(2).State == order.VersionRevoked })
	policy := `{"policy":{"issuer":{"name":"builtin"},"key_props":{"kty":"RSA","key_size":2048},"x509_props":{"subject":"CN=shop.example.com","validity_months":2}}}`
	if rec := v.on("default", "POST", "/certificates/shop/create", policy); rec.Code != http.StatusAccepted {
		t.Fatalf("another key through the vault: %d %s", rec.Code, rec.Body)
	}
	if o = l.load(id); o.First() == nil {
		t.Error("what is served counts no more while the next version is made")
	}
	if o = l.settled(id, 5); o.First().KeyType != order.RSA2048 {
		t.Errorf("%+v", o.First())
	}
}

// TestPendingRequest: the operation of an order's certificate shows the request that the authority is given.
func TestPendingRequest(t *testing.T) {
	t.Parallel()
	w := startWorld(t, false, testworld.PebbleOptions{})
	w.shop(t, "new.example.com")
	v := callVault(startLive(t, w, nil))
	body := `{"policy":{"issuer":{"name":"builtin"},"key_props":{"kty":"RSA","key_size":2048},"x509_props":{"subject":"CN=new.example.com"}}}`
	if rec := v.on("default", "POST", "/certificates/new/create", body); rec.Code != http.StatusAccepted {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	v.wait(order.Short("new"), "an attempt", func(o *order.Order) bool { return o.Running(order.RSA2048) != nil })
	var op struct {
		CSR    []byte
		Status string
	}
	rec := v.on("default", "GET", "/certificates/new/pending", "")
	if err := json.Unmarshal(rec.Body.Bytes(), &op); err != nil || op.Status != "inProgress" {
		t.Fatalf("%v %s", err, rec.Body)
	}
	req, err := order.ParseRequest(op.CSR)
	if err != nil || req.KeyType != order.RSA2048 || strings.Join(req.Words, " ") != "new.example.com" {
		t.Errorf("%v %+v", err, req)
	}
}

// TestRequestFromThePage: a certificate request pasted into the order's page makes the next version with its key; an empty form
// is no renewal, and whoever may not renew cannot bring one.
func TestRequestFromThePage(t *testing.T) {
	t.Parallel()
	c := startClients(t)
	key := ecKey(t)
	csr := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csrOf(t, key, "shop.example.com")}))
	press := buttons{c.Server}
	as := func(role auth.Role) context.Context {
		return context.WithValue(t.Context(), principalKey{}, auth.Principal{Name: "p", Role: role, Scope: "/"})
	}
	for what, err := range map[string]error{
		"may not do":                       press.Request(as(auth.Reader), "p", c.id, csr, false),
		"there is no certificate request":  press.Request(as(auth.Owner), "p", c.id, "", false),
		"it cannot be used":                press.Request(as(auth.Owner), "p", c.id, "rubbish", false),
		"the order names shop.example.com": press.Request(as(auth.Owner), "p", c.id, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csrOf(t, key, "other.example.com")})), false),
	} {
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if o := c.load(c.id); o.Generation != c.o.Generation || len(o.Needs) != 0 {
		t.Fatal("a refused request changed the order")
	}
	if err := press.Request(as(auth.Contributor), "p", c.id, csr, false); err != nil {
		t.Fatal(err)
	}
	c.wait(c.id, "a version with the key of the request", func(o *order.Order) bool {
		v := o.Newest(order.P256)
		return v != nil && v.Number == 2 && isFor(t, v, key)
	})
}
