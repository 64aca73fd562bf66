package vault_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/store"
	"certwright/internal/store/storetest"
	"certwright/internal/vault"
)

// The store satisfies what the vault needs of it.
var (
	_ vault.Rows       = (*store.Store)(nil)
	_ vault.SystemRows = (*store.Store)(nil)
	_ vault.Settings   = (*store.Store)(nil)
)

// TestOnTheStore walks a certificate and a system key through the real store, on both databases.
func TestOnTheStore(t *testing.T) {
	t.Parallel()
	for _, kind := range storetest.Kinds(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			st := storetest.Open(t, kind)
			file := filepath.Join(t.TempDir(), "kek")
			kr, err := vault.OpenKeyring(ctx, vault.KeyringOptions{Current: vault.Source{File: file}, Create: true}, st)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := vault.OpenKeyring(ctx, vault.KeyringOptions{Current: vault.Source{File: file}}, st); err != nil {
				t.Fatal("after a restart: ", err)
			}
			b := vault.NewBuiltin(vault.BuiltinOptions{Rows: st, Keyring: kr, Now: time.Now})
			c := certificate(t)
			for range 2 {
				if err := b.Put(ctx, c); err != nil {
					t.Fatal(err)
				}
			}
			got, err := b.Get(ctx, "Default", "WWW", "")
			if err != nil || !bytes.Equal(got.Chain[0], c.Chain[0]) || got.ID != c.ID {
				t.Fatalf("names compare without case: %v", err)
			}
			other := certificate(t)
			if err := b.Put(ctx, other); !errors.Is(err, secret.ErrConflict) {
				t.Errorf("another certificate under the id: %v", err)
			}
			missing := c
			missing.Vault = "none"
			if err := b.Put(ctx, missing); !errors.Is(err, secret.ErrNoVault) {
				t.Errorf("no such vault: %v", err)
			}
			if err := b.Disable(ctx, c.Vault, c.Name, c.ID); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Get(ctx, c.Vault, c.Name, ""); !errors.Is(err, secret.ErrDisabled) {
				t.Errorf("disabled: %v", err)
			}
			for range 2 {
				if err := b.Delete(ctx, c.Vault, c.Name); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := b.Get(ctx, c.Vault, c.Name, ""); !errors.Is(err, secret.ErrDeleted) {
				t.Errorf("deleted: %v", err)
			}
			keys := vault.NewSystemKeys(st, kr)
			one, err := keys.CreateSigner(ctx, "root", order.P256)
			if err != nil {
				t.Fatal(err)
			}
			two, err := keys.CreateSigner(ctx, "root", order.P256)
			if err != nil || !one.Public().(*ecdsa.PublicKey).Equal(two.Public()) {
				t.Errorf("made twice: %v", err)
			}
			if err := keys.SealApart(ctx, "root"); err != nil {
				t.Fatal(err)
			}
			if _, err := keys.Signer(ctx, "root"); !errors.Is(err, vault.ErrApart) {
				t.Errorf("sealed apart: %v", err)
			}
		})
	}
}

// TestWrongKeyLeavesTheDatabaseAlone compares the database's file byte for byte.
func TestWrongKeyLeavesTheDatabaseAlone(t *testing.T) {
	t.Parallel()
	ctx, dsn, dir := context.Background(), storetest.DSN(t, "sqlite"), t.TempDir()
	open := func() *store.Store {
		st, err := store.Open(ctx, store.Options{DSN: dsn, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	st := open()
	if _, err := vault.OpenKeyring(ctx, vault.KeyringOptions{Current: vault.Source{File: filepath.Join(dir, "kek")}, Create: true}, st); err != nil {
		t.Fatal(err)
	}
	st.Close()
	st = open() // the first write of an opened store may already be its own: compare from here
	before := files(t, dsn)
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, bytes.Repeat([]byte{3}, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.OpenKeyring(ctx, vault.KeyringOptions{Current: vault.Source{File: other}, Create: true}, st); !errors.Is(err, secret.ErrWrongKey) {
		t.Errorf("another key: %v, want ErrWrongKey", err)
	}
	if after := files(t, dsn); len(before) == 0 || !bytes.Equal(before, after) {
		t.Errorf("the database was written: %d bytes before, %d after", len(before), len(after))
	}
	st.Close()
}

// files are the bytes of a SQLite database with its write-ahead log.
func files(t *testing.T, dsn string) []byte {
	var all []byte
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(strings.TrimPrefix(dsn, "sqlite:") + suffix)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

func certificate(t *testing.T) fulfill.Certificate {
	key, err := order.GenerateKey(order.P256)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(9), DNSNames: []string{"www.example.test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return fulfill.Certificate{Vault: "default", Name: "www", ID: "0123456789abcdef0123456789abcdef", Key: key, Chain: [][]byte{der}}
}
