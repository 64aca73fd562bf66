package vault

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"certwright/internal/diagnose"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"

	pkcs12 "software.sslmate.com/src/go-pkcs12"
)

// stranger writes a version that the product did not.
func stranger(t *testing.T, b *Builtin, value []byte, contentType string) {
	t.Helper()
	if _, err := b.Set(context.Background(), secret.Write{Vault: "default", Name: "www", Value: secret.Bytes(value), ContentType: contentType, Author: "backup-job"}); err != nil {
		t.Fatal(err)
	}
}

// pemOfPair writes a certificate with its key as PEM.
func pemOfPair(t *testing.T, c fulfill.Certificate, chain [][]byte) []byte {
	t.Helper()
	p, err := newPair(c.Key, chain)
	if err != nil {
		t.Fatal(err)
	}
	v, err := encodePEM(p)
	if err != nil {
		t.Fatal(err)
	}
	return v.Reveal()
}

// TestVaultDiagnosed: what the vault's own look says of each fault leads to its one cause.
func TestVaultDiagnosed(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	at := func(d time.Duration) *time.Time { x := testNow.Add(d); return &x }
	for name, c := range map[string]struct {
		want  string
		ruled string
		spoil func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate)
	}{
		"well": {"", "", func(*testing.T, *Builtin, *memory, fulfill.Certificate) {}},
		"an expired and a disabled version below": {"", "", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) {
			old := certificate(t, order.P256, 3, "v0", "")
			if err := b.Put(ctx, old); err != nil {
				t.Fatal(err)
			}
			for i := range m.secrets {
				if m.secrets[i].ID == "v0" {
					m.secrets[i].Attributes.Created = testNow.Add(-time.Hour)
				}
			}
			b.Disable(ctx, "default", "www", "v0")
		}},
		"the same version written twice": {"", "", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) { b.Put(ctx, c) }},
		"no vault":                       {"vault-not-found", "vault-secret-purged", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) { m.vaults, m.secrets = nil, nil }},
		"the vault soft-deleted": {"vault-not-found", "vault-secret-purged", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) {
			m.vaults, m.gone = nil, &secret.Deleted{At: testNow, Purge: testNow.Add(time.Hour)}
		}},
		"no right to write": {"vault-write-denied", "vault-rbac-mode-switched", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) {
			m.settingsOf.Withdraw(secret.Storer.ID)
		}},
		"no policy to write": {"vault-write-denied", "vault-read-denied-target", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) {
			m.settingsOf = secret.VaultSettings{ByPolicy: true, NoRole: []string{secret.Storer.ID, secret.Fetcher.ID}}
			m.settingsOf.Grant()
			m.settingsOf.Remove([]secret.AccessPolicy{{Principal: secret.Storer.ID, Secrets: []string{"set"}}})
		}},
		"no right to read": {"vault-read-denied-target", "vault-write-denied", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) {
			m.settingsOf.Withdraw(secret.Fetcher.ID)
		}},
		"switched to roles": {"vault-rbac-mode-switched", "vault-write-denied", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) {
			m.settingsOf = secret.VaultSettings{NoRole: []string{secret.Storer.ID, secret.Fetcher.ID}, Policies: secret.OwnPolicies()}
		}},
		"soft-deleted": {"vault-secret-soft-deleted", "vault-secret-purged", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) { b.Delete(ctx, "default", "www") }},
		"purged": {"vault-secret-purged", "vault-secret-soft-deleted", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) {
			b.Delete(ctx, "default", "www")
			b.Purge(ctx, "default", "www")
		}},
		"another name": {"vault-wrong-name", "vault-secret-purged", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) {
			c.Name = "www-prod"
			b.Put(ctx, c)
			b.Delete(ctx, "default", "www")
			b.Purge(ctx, "default", "www")
		}},
		"disabled": {"vault-secret-disabled", "vault-secret-soft-deleted", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) {
			b.Disable(ctx, "default", "www", "v1")
		}},
		"exp past": {"vault-secret-attr-expired", "tls-leaf-expired", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) {
			b.Update(ctx, "default", "www", "", secret.Patch{Expires: at(-time.Hour)})
		}},
		"nbf ahead": {"vault-secret-nbf-future", "vault-secret-disabled", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) {
			b.Update(ctx, "default", "www", "", secret.Patch{NotBefore: at(time.Hour)})
		}},
		"key-encryption key gone": {"vault-dek-missing", "vault-corrupt", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) { b.kr = testKeyring(t, 9) }},
		"sealed bytes changed": {"vault-corrupt", "vault-dek-missing", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) {
			blob := m.secrets[0].Blob
			blob[len(blob)-1] ^= 1
		}},
		"PEM marked as PKCS12": {"vault-content-type", "vault-corrupt", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) {
			stranger(t, b, pemOfPair(t, c, c.Chain), secret.ContentPFX)
		}},
		"PKCS12 marked as PEM": {"vault-content-type", "vault-corrupt", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) {
			pem := secret.ContentPEM
			b.Update(ctx, "default", "www", "", secret.Patch{ContentType: &pem})
		}},
		"stored as a plain secret": {"vault-wrong-object-kind", "vault-content-type", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) {
			stranger(t, b, pemOfPair(t, c, c.Chain), "text/plain")
		}},
		"a password": {"vault-pfx-password", "vault-corrupt", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) {
			p, _ := newPair(c.Key, c.Chain)
			der, err := pkcs12.Modern2023.Encode(p.key, p.chain[0], p.chain[1:], "s3cret")
			if err != nil {
				t.Fatal(err)
			}
			stranger(t, b, []byte(base64.StdEncoding.EncodeToString(der)), secret.ContentPFX)
		}},
		"cut": {"vault-corrupt", "vault-content-type", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) {
			p, _ := newPair(c.Key, c.Chain)
			v, _ := encode(p, secret.ContentPFX)
			stranger(t, b, v.Reveal()[:len(v)/2/4*4], secret.ContentPFX)
		}},
		"base64 twice": {"vault-corrupt", "vault-pfx-password", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) {
			p, _ := newPair(c.Key, c.Chain)
			v, _ := encode(p, secret.ContentPFX)
			stranger(t, b, []byte(base64.StdEncoding.EncodeToString(v.Reveal())), secret.ContentPFX)
		}},
		"the key of another": {"vault-key-mismatch", "vault-corrupt", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) {
			c.Key = certificate(t, order.P256, 99, "x", "").Key
			stranger(t, b, pemOfPair(t, c, c.Chain), secret.ContentPEM)
		}},
		"the leaf alone": {"vault-chain-missing", "tls-chain-incomplete", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) {
			stranger(t, b, pemOfPair(t, c, c.Chain[:1]), secret.ContentPEM)
		}},
		"overwritten": {"vault-overwritten", "vault-wrong-name", func(t *testing.T, b *Builtin, m *memory, c fulfill.Certificate) {
			x := certificate(t, order.P256, 77, "x", "")
			stranger(t, b, pemOfPair(t, x, x.Chain), secret.ContentPEM)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, m := testVault(t)
			cert := withIntermediate(t, certificate(t, order.P256, 10, "v1", ""))
			if err := b.Put(ctx, cert); err != nil {
				t.Fatal(err)
			}
			o := orderOf(t, cert)
			c.spoil(t, b, m, cert)
			obs := b.ObserveSecret(ctx, "default", "www", o.Versions[0].Serial)
			r := diagnose.Judge("www", obs, nil, testNow.Add(time.Minute), diagnose.Options{Order: o})
			if c.want == "" {
				if len(r.Findings) > 0 {
					t.Fatalf("it is well: %s", ids(r))
				}
				return
			}
			if len(r.Findings) != 1 || r.Findings[0].ID != c.want || r.Findings[0].Certainty != diagnose.Confirmed {
				t.Fatalf("found %s, want %s\n%v", ids(r), c.want, obs)
			}
			if f := r.Findings[0]; !strings.Contains(ruledOut(f), c.ruled) || strings.Contains(f.Title+f.Cause+f.Fix.Text, "{") {
				t.Errorf("ruled out %s, want %s; %s: %s", ruledOut(f), c.ruled, f.Title, f.Cause)
			}
			for _, x := range obs {
				if strings.Contains(string(x.Data)+x.String(), "PRIVATE KEY") {
					t.Error("an observation holds a key")
				}
			}
		})
	}
}

func ids(r diagnose.Report) string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, f.ID+" ("+f.Certainty+": "+f.Cause+")")
	}
	return strings.Join(out, ", ")
}

func ruledOut(f diagnose.Finding) string {
	var out []string
	for _, x := range f.RuledOut {
		out = append(out, x.ID)
	}
	return strings.Join(out, " ")
}

// withIntermediate makes the second certificate of the chain one that needs a further one above it.
func withIntermediate(t *testing.T, c fulfill.Certificate) fulfill.Certificate {
	t.Helper()
	c.Key, c.Chain = issueBelow(t, 10)
	return c
}

// orderOf is an order whose current version is the certificate.
func orderOf(t *testing.T, c fulfill.Certificate) *order.Order {
	t.Helper()
	v, err := order.ParseChain(c.Chain)
	if err != nil {
		t.Fatal(err)
	}
	v.Number, v.KeyType, v.State, v.SecretID, v.Issued = 1, order.P256, order.VersionStored, c.ID, testNow
	return &order.Order{ID: order.Short("www"), Kind: order.Ordered, Spec: order.Spec{KeyTypes: []order.KeyType{order.P256}, Vault: "default", AutoRenew: true}, Versions: []order.Version{v}}
}

// issueBelow gives a key with its leaf and the intermediate that signed it, whose own issuer is left out.
func issueBelow(t *testing.T, serial int64) (crypto.Signer, [][]byte) {
	t.Helper()
	sign := func(tmpl, up *x509.Certificate, pub crypto.PublicKey, by crypto.Signer) []byte {
		tmpl.NotBefore, tmpl.NotAfter = testNow.Add(-time.Minute), testNow.Add(100*time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, tmpl, up, pub, by)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	key, err1 := order.GenerateKey(order.P256)
	interKey, err2 := order.GenerateKey(order.P256)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test Root"}, IsCA: true, BasicConstraintsValid: true}
	inter := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Test CA"}, IsCA: true, BasicConstraintsValid: true}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "www.example.test"}, DNSNames: []string{"www.example.test"}}
	return key, [][]byte{sign(leaf, inter, key.Public(), interKey), sign(inter, root, interKey.Public(), interKey)}
}
