package vault

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"os"

	"certwright/internal/evidence"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"

	pkcs12 "software.sslmate.com/src/go-pkcs12"
)

var _ fulfill.Vault = Own{}

func testVault(t testing.TB) (*Builtin, *memory) {
	m := newMemory()
	now := testNow
	return NewBuiltin(BuiltinOptions{Rows: m, Keyring: testKeyring(t, 1), Now: func() time.Time { now = now.Add(time.Second); return now }}), m
}

func certificate(t testing.TB, kt order.KeyType, serial int64, id, content string) fulfill.Certificate {
	key, chain := issue(t, kt, serial)
	return fulfill.Certificate{Vault: "default", Name: "www", ID: id, Key: key, Chain: chain, Content: content, Author: "certwright"}
}

func TestPutAndGet(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, kt := range []order.KeyType{order.P256, order.P384, order.RSA2048} {
		for _, content := range []string{secret.ContentPFX, secret.ContentPEM} {
			t.Run(string(kt)+" "+content, func(t *testing.T) {
				t.Parallel()
				b, m := testVault(t)
				c := certificate(t, kt, 0x04AF, "v1", content)
				c.Tags = map[string]string{TagCertificateID: "/subscriptions/x"}
				if err := b.Put(ctx, c); err != nil {
					t.Fatal(err)
				}
				got, err := b.Get(ctx, "default", "www", "")
				if err != nil {
					t.Fatal(err)
				}
				if !sameKey(got.Key, c.Key.Public()) || len(got.Chain) != 2 || !bytes.Equal(got.Chain[0], c.Chain[0]) || !bytes.Equal(got.Chain[1], c.Chain[1]) {
					t.Error("what comes out is not what went in")
				}
				row := m.secrets[0]
				leaf, _ := x509.ParseCertificate(c.Chain[0])
				want := map[string]string{TagCertificateID: "/subscriptions/x", TagState: "Ready", TagSerial: "04AF", TagThumbprint: order.ThumbprintOf(leaf.Raw)}
				if fmt.Sprint(row.Tags) != fmt.Sprint(want) {
					t.Errorf("tags %v, want %v", row.Tags, want)
				}
				a := row.Attributes
				if !a.Enabled || !a.NotBefore.Equal(leaf.NotBefore) || !a.Expires.Equal(leaf.NotAfter) || row.ContentType != content {
					t.Errorf("attributes %+v, content type %s", a, row.ContentType)
				}
				der, _ := x509.MarshalPKCS8PrivateKey(c.Key)
				if bytes.Contains(row.Blob, der[len(der)-32:]) {
					t.Error("the row shows the key")
				}
			})
		}
	}
}

// TestOpenSSLReadsThePFX: the value is what an App Service Certificate's is, base64 PKCS#12 with an
// empty password, and other programs read it.
func TestOpenSSLReadsThePFX(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, _ := testVault(t)
	if err := b.Put(ctx, certificate(t, order.RSA2048, 77, "v1", "")); err != nil {
		t.Fatal(err)
	}
	v, err := b.GetSecret(ctx, "default", "www", "v1")
	if err != nil {
		t.Fatal(err)
	}
	der, err := base64.StdEncoding.DecodeString(string(v.Value))
	if err != nil || v.ContentType != "application/x-pkcs12" {
		t.Fatalf("%s: %v", v.ContentType, err)
	}
	if _, leaf, rest, err := pkcs12.DecodeChain(der, ""); err != nil || leaf.SerialNumber.Int64() != 77 || len(rest) != 1 {
		t.Errorf("Go: %v", err)
	}
	file := filepath.Join(t.TempDir(), "www.pfx")
	if err := os.WriteFile(file, der, 0o600); err != nil {
		t.Fatal(err)
	}
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed")
	}
	out, err := exec.Command(openssl, "pkcs12", "-in", file, "-passin", "pass:", "-nodes").CombinedOutput()
	if err != nil || strings.Count(string(out), "BEGIN CERTIFICATE") != 2 || !strings.Contains(string(out), "BEGIN PRIVATE KEY") {
		t.Errorf("openssl: %v\n%s", err, out)
	}
}

func TestPutTwice(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, m := testVault(t)
	c := certificate(t, order.P256, 5, "v1", secret.ContentPFX)
	for range 3 {
		if err := b.Put(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.secrets) != 1 {
		t.Errorf("%d rows", len(m.secrets))
	}
	other := certificate(t, order.P256, 6, "v1", secret.ContentPFX)
	err := b.Put(ctx, other)
	if !errors.Is(err, secret.ErrConflict) {
		t.Errorf("another certificate under the same id: %v, want ErrConflict", err)
	}
	got, err := b.Get(ctx, "default", "www", "v1")
	if err != nil || !bytes.Equal(got.Chain[0], c.Chain[0]) {
		t.Errorf("the first one was overwritten: %v", err)
	}
	shorter := c
	shorter.Chain = c.Chain[:1]
	if err := b.Put(ctx, shorter); !errors.Is(err, secret.ErrConflict) {
		t.Errorf("the same leaf with another chain: %v, want ErrConflict", err)
	}
}

func TestPutRefusesAWrongKey(t *testing.T) {
	t.Parallel()
	b, m := testVault(t)
	c := certificate(t, order.P256, 5, "v1", "")
	c.Key, _ = order.GenerateKey(order.P256)
	for name, bad := range map[string]fulfill.Certificate{"another key": c, "no key": {Vault: "default", Name: "www", ID: "v1", Chain: c.Chain}} {
		p := asProblem(t, b.Put(context.Background(), bad))
		if p.ID != "vault-key-mismatch" || p.Class != order.GiveUp {
			t.Errorf("%s: %+v", name, p)
		}
	}
	c.Chain = nil
	asProblem(t, b.Put(context.Background(), c))
	if len(m.secrets) != 0 {
		t.Error("something was written")
	}
}

func asProblem(t *testing.T, err error) *order.Problem {
	t.Helper()
	var p *order.Problem
	if !errors.As(err, &p) {
		t.Fatalf("no problem: %v", err)
	}
	if p.What == "" || p.Where == "" || p.Detail == "" || p.Fix == "" || p.Vault == "" || p.At.IsZero() {
		t.Errorf("a problem must say all: %+v", p)
	}
	return p
}

func TestFaultsAreNamed(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	get := func(b *Builtin) error { _, err := b.Get(ctx, "default", "www", ""); return err }
	for name, c := range map[string]struct {
		do     func(t *testing.T, b *Builtin, m *memory) error
		status order.VaultStatus
		id     string
		is     error
	}{
		"vault gone": {func(t *testing.T, b *Builtin, m *memory) error { m.vaults = nil; return b.Exists(ctx, "default") }, order.VaultNotExist, "vault-not-found", secret.ErrNoVault},
		"put to a vault that is gone": {func(t *testing.T, b *Builtin, m *memory) error {
			m.vaults = nil
			return b.Put(ctx, certificate(t, order.P256, 6, "v2", ""))
		}, order.VaultNotExist, "vault-not-found", secret.ErrNoVault},
		"purged": {func(t *testing.T, b *Builtin, m *memory) error { m.secrets = nil; return get(b) }, order.VaultSecretNotExist, "vault-secret-purged", secret.ErrNotFound},
		"purged with its vault": {func(t *testing.T, b *Builtin, m *memory) error { m.secrets, m.vaults = nil, nil; return get(b) },
			order.VaultNotExist, "vault-not-found", secret.ErrNoVault},
		"soft-deleted": {func(t *testing.T, b *Builtin, m *memory) error { b.Delete(ctx, "default", "www"); return get(b) },
			order.VaultSecretNotExist, "vault-secret-soft-deleted", secret.ErrDeleted},
		"put over a soft-deleted one": {func(t *testing.T, b *Builtin, m *memory) error {
			b.Delete(ctx, "default", "www")
			return b.Put(ctx, certificate(t, order.P256, 6, "v2", ""))
		}, order.VaultSecretNotExist, "vault-secret-soft-deleted", secret.ErrDeleted},
		"disabled": {func(t *testing.T, b *Builtin, m *memory) error { b.Disable(ctx, "default", "www", "v1"); return get(b) },
			order.VaultNotPermitted, "vault-secret-disabled", secret.ErrDisabled},
		"key-encryption key gone": {func(t *testing.T, b *Builtin, m *memory) error { b.kr = testKeyring(t, 9); return get(b) },
			order.VaultUnknownError, "vault-dek-missing", secret.ErrWrongKey},
		"cut off": {func(t *testing.T, b *Builtin, m *memory) error {
			m.secrets[0].Blob = m.secrets[0].Blob[:50]
			return get(b)
		}, order.VaultUnknownError, "vault-corrupt", secret.ErrUnsealed},
		"disk full": {func(t *testing.T, b *Builtin, m *memory) error {
			m.full = fmt.Errorf("write: %w", syscall.ENOSPC)
			return b.Put(ctx, certificate(t, order.P256, 6, "v2", ""))
		}, order.VaultUnknownError, "vault-full", secret.ErrVaultFull},
		"the database explains itself": {func(t *testing.T, b *Builtin, m *memory) error {
			m.full = fmt.Errorf("put: %w", &order.Problem{Class: order.Retry, What: "use the database", Detail: "full", Fix: "Free space", ID: "sys-db-full"})
			return b.Put(ctx, certificate(t, order.P256, 6, "v2", ""))
		}, order.VaultUnknownError, "sys-db-full", nil},
		"overwritten by a client": {func(t *testing.T, b *Builtin, m *memory) error {
			b.Set(ctx, secret.Write{Vault: "default", Name: "www", Value: secret.Bytes("hello"), Author: "eve"})
			return get(b)
		}, order.VaultUnknownError, "vault-content-type", secret.ErrUnsealed},
		"PEM said to be PFX": {func(t *testing.T, b *Builtin, m *memory) error {
			b.Set(ctx, secret.Write{Vault: "default", Name: "www", Value: secret.Bytes("-----BEGIN CERTIFICATE-----"), ContentType: secret.ContentPFX})
			return get(b)
		}, order.VaultUnknownError, "vault-content-type", secret.ErrUnsealed},
		"PFX with a password": {func(t *testing.T, b *Builtin, m *memory) error {
			key, chain := issue(t, order.P256, 9)
			leaf, _ := x509.ParseCertificate(chain[0])
			der, _ := pfx.Encode(key, leaf, nil, "password")
			b.Set(ctx, secret.Write{Vault: "default", Name: "www", Value: secret.Bytes(base64.StdEncoding.EncodeToString(der)), ContentType: secret.ContentPFX})
			return get(b)
		}, order.VaultUnknownError, "vault-pfx-password", secret.ErrUnsealed},
		"key and certificate of two versions": {func(t *testing.T, b *Builtin, m *memory) error {
			_, chain := issue(t, order.P256, 9)
			key, _ := issue(t, order.P256, 10)
			p, _ := newPair(key, chain)
			v, _ := encodePEM(p)
			b.Set(ctx, secret.Write{Vault: "default", Name: "www", Value: v, ContentType: secret.ContentPEM})
			return get(b)
		}, order.VaultUnknownError, "vault-key-mismatch", secret.ErrUnsealed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, m := testVault(t)
			if err := b.Put(ctx, certificate(t, order.P256, 5, "v1", "")); err != nil {
				t.Fatal(err)
			}
			err := c.do(t, b, m)
			p := asProblem(t, err)
			if p.Vault != c.status || p.ID != c.id || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %s %s (%v), want %s %s", p.Vault, p.ID, err, c.status, c.id)
			}
		})
	}
}

func TestNewestEnabledVersion(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, _ := testVault(t)
	for i, id := range []string{"ff", "aa", "cc"} { // ids are not in the order of creation
		if err := b.Put(ctx, certificate(t, order.P256, int64(i+1), id, "")); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"cc", "aa", "ff"} {
		c, err := b.Get(ctx, "default", "www", "")
		if err != nil || c.ID != want {
			t.Fatalf("newest enabled: %q %v, want %q", c.ID, err, want)
		}
		if err := b.Disable(ctx, "default", "www", want); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Disable(ctx, "default", "www", "none"); err != nil {
		t.Errorf("disabling what is not there: %v", err)
	}
}

func TestSecretLife(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, _ := testVault(t)
	exp := testNow.Add(time.Hour)
	i, err := b.Set(ctx, secret.Write{Vault: "default", Name: "password", Value: secret.Bytes("s3cret"), ContentType: "text/plain", Expires: &exp, Author: "ann"})
	if err != nil || len(i.ID) != 32 {
		t.Fatalf("%+v %v", i, err)
	}
	if _, err := b.Certificate(ctx, "default", "password", ""); !errors.Is(err, secret.ErrNotFound) {
		t.Errorf("a plain secret as certificate object: %v", err)
	}
	off, none := false, time.Time{}
	i, err = b.Update(ctx, "default", "password", i.ID, secret.Patch{Enabled: &off, Expires: &none, Tags: map[string]string{"a": "b"}})
	if err != nil || i.Attributes.Enabled || i.Attributes.Expires != nil || i.Tags["a"] != "b" || i.ContentType != "text/plain" {
		t.Errorf("after the update: %+v %v", i, err)
	}
	if _, err := b.GetSecret(ctx, "default", "password", i.ID); !errors.Is(err, secret.ErrDisabled) {
		t.Errorf("disabled: %v", err)
	}
	d, err := b.DeleteSecret(ctx, "default", "password")
	if err != nil || d.Deleted.Purge.Sub(d.Deleted.At).Round(time.Minute) != DefaultRetention {
		t.Errorf("deleted: %+v %v", d.Deleted, err)
	}
	if l, _ := b.List(ctx, "default", "", 10); len(l) != 0 {
		t.Errorf("listed though deleted: %v", l)
	}
	if l, _ := b.ListDeleted(ctx, "default", "", 10); len(l) != 1 {
		t.Errorf("deleted ones: %v", l)
	}
	if err := b.Recover(ctx, "default", "password"); err != nil {
		t.Fatal(err)
	}
	if l, _ := b.List(ctx, "default", "", 10); len(l) != 1 {
		t.Errorf("recovered, not listed: %v", l)
	}
	if err := b.Purge(ctx, "default", "password"); !errors.Is(err, secret.ErrNotFound) {
		t.Errorf("purge of what is not deleted: %v", err)
	}
	b.Delete(ctx, "default", "password")
	if err := b.Purge(ctx, "default", "password"); err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(ctx, "default", "password"); err != nil {
		t.Errorf("deleting what is not there: %v", err)
	}
	if _, err := b.Set(ctx, secret.Write{Vault: "default", Name: "big", Value: make(secret.Bytes, maxValue+1)}); err == nil {
		t.Error("a value above the limit was taken")
	}
}

func TestCertificateObject(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b, _ := testVault(t)
	c := certificate(t, order.P256, 5, "v1", "")
	if err := b.Put(ctx, c); err != nil {
		t.Fatal(err)
	}
	o, err := b.Certificate(ctx, "default", "www", "")
	if err != nil || !bytes.Equal(o.Certificate, c.Chain[0]) || order.ThumbprintOf(o.Certificate) != o.Tags[TagThumbprint] || o.ID != "v1" {
		t.Errorf("%+v %v", o, err)
	}
	v, err := b.GetSecret(ctx, "default", "www", "v1")
	if err != nil {
		t.Fatal(err)
	}
	if i, err := b.Set(ctx, secret.Write{Vault: "default", Name: "copy", Value: v.Value, ContentType: v.ContentType}); err != nil || !bytes.Equal(i.Certificate, c.Chain[0]) {
		t.Errorf("a PFX that a client set is no certificate object: %v", err)
	}
}

func TestObserveSecret(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	outcomes := func(obs []evidence.Observation) string {
		var s []string
		for _, o := range obs {
			if o.Probe != evidence.ProbeVault || o.Subject == "" || o.At.IsZero() || o.From == "" || o.Command == "" {
				t.Errorf("incomplete: %+v", o)
			}
			s = append(s, o.Check+"="+string(o.Outcome))
		}
		return strings.Join(s, " ")
	}
	for name, c := range map[string]struct {
		before func(b *Builtin, m *memory)
		serial string
		want   string
		id     string
	}{
		"well":           {nil, "0A", "deleted=PASS enabled=PASS object-kind=PASS pair=PASS chain=PASS serial=PASS", ""},
		"another serial": {nil, "0B", "deleted=PASS enabled=PASS object-kind=PASS pair=PASS chain=PASS serial=FAIL", ""},
		"gone":           {func(b *Builtin, m *memory) { m.secrets = nil }, "0A", "deleted=FAIL serial=FAIL", "vault-secret-purged"},
		"soft-deleted":   {func(b *Builtin, m *memory) { b.Delete(ctx, "default", "www") }, "0A", "deleted=FAIL serial=FAIL", "vault-secret-soft-deleted"},
		"no vault":       {func(b *Builtin, m *memory) { m.vaults, m.secrets = nil, nil }, "0A", "deleted=FAIL serial=FAIL", "vault-not-found"},
		"disabled": {func(b *Builtin, m *memory) { b.Disable(ctx, "default", "www", "v1") }, "0A",
			"deleted=PASS enabled=FAIL object-kind=PASS pair=PASS chain=PASS serial=PASS", ""},
		"attribute expired": {func(b *Builtin, m *memory) {
			at := testNow
			b.Update(ctx, "default", "www", "", secret.Patch{Expires: &at})
		}, "0A",
			"deleted=PASS enabled=FAIL object-kind=PASS pair=PASS chain=PASS serial=PASS", ""},
		"overwritten": {func(b *Builtin, m *memory) {
			b.Set(ctx, secret.Write{Vault: "default", Name: "www", Value: secret.Bytes("x")})
		}, "0A",
			"deleted=PASS enabled=PASS object-kind=FAIL serial=FAIL", "vault-content-type"},
		"key-encryption key gone": {func(b *Builtin, m *memory) { b.kr = testKeyring(t, 9) }, "0A", "deleted=PASS enabled=PASS serial=FAIL", "vault-dek-missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, m := testVault(t)
			if err := b.Put(ctx, certificate(t, order.P256, 10, "v1", "")); err != nil {
				t.Fatal(err)
			}
			if c.before != nil {
				c.before(b, m)
			}
			obs := b.ObserveSecret(ctx, "default", "www", c.serial)
			if got := outcomes(obs); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			s, ok := evidence.Decode[evidence.Stored](obs[0])
			if !ok || s.Finding != c.id {
				t.Errorf("finding %q, want %q", s.Finding, c.id)
			}
		})
	}
}

func BenchmarkPut(b *testing.B) {
	v, m := testVault(b)
	c := certificate(b, order.P256, 5, "", "")
	for i := range b.N {
		c.ID = fmt.Sprint(i)
		m.secrets = nil
		if err := v.Put(context.Background(), c); err != nil {
			b.Fatal(err)
		}
	}
}
