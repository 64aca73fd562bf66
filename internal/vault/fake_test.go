package vault

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"certwright/internal/order"
	"certwright/internal/secret"
)

// memory is a store of rows for tests: settings, system keys and secrets.
type memory struct {
	mu        sync.Mutex
	settings  map[string][]byte
	keys      map[string][]byte
	vaults    []string
	secrets   []secret.Sealed
	deleted   map[string]secret.Deleted
	writes    int
	full      error
	protected bool

	settingsOf secret.VaultSettings // of every vault
	gone       *secret.Deleted      // when the vault was soft-deleted
}

func newMemory() *memory {
	return &memory{settings: map[string][]byte{}, keys: map[string][]byte{}, vaults: []string{"default"}, deleted: map[string]secret.Deleted{}}
}

func (m *memory) Setting(_ context.Context, name string) ([]byte, error) {
	if v, ok := m.settings[name]; ok {
		return bytes.Clone(v), nil
	}
	return nil, secret.ErrNotFound
}

func (m *memory) SetSetting(_ context.Context, name string, value []byte) error {
	m.writes++
	m.settings[name] = bytes.Clone(value)
	return nil
}

func (m *memory) PutSystemKey(_ context.Context, name string, sealed []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.keys[name]; ok {
		return secret.ErrConflict
	}
	m.keys[name] = bytes.Clone(sealed)
	return nil
}

func (m *memory) SystemKey(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.keys[name]; ok {
		return bytes.Clone(v), nil
	}
	return nil, secret.ErrNotFound
}

func (m *memory) ReplaceSystemKey(_ context.Context, name string, sealed []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.keys[name]; !ok {
		return secret.ErrNotFound
	}
	m.keys[name] = bytes.Clone(sealed)
	return nil
}

func (m *memory) ListSystemKeys(context.Context) ([]string, error) {
	return slices.Sorted(maps.Keys(m.keys)), nil
}

func (m *memory) VaultExists(_ context.Context, vault string) (bool, error) {
	return slices.Contains(m.vaults, vault), nil
}

func (m *memory) LoadVault(_ context.Context, vault string) (secret.VaultRow, error) {
	if !slices.Contains(m.vaults, vault) {
		return secret.VaultRow{}, secret.ErrNoVault
	}
	return secret.VaultRow{Name: vault, PurgeProtection: m.protected, VaultSettings: m.settingsOf}, nil
}

func (m *memory) LoadDeletedVault(context.Context, string) (secret.VaultRow, error) {
	if m.gone == nil {
		return secret.VaultRow{}, secret.ErrNoVault
	}
	return secret.VaultRow{Name: "default", Deleted: m.gone}, nil
}

func (m *memory) DeletedSecret(_ context.Context, vault, name string) (secret.Info, error) {
	d, ok := m.deleted[vault+"/"+name]
	if !ok {
		return secret.Info{}, secret.ErrNotFound
	}
	return secret.Info{Vault: vault, Name: name, Deleted: &d}, nil
}

func (m *memory) RestoreSecret(ctx context.Context, versions []secret.Sealed) error {
	if _, err := m.find(versions[0].Vault, versions[0].Name, ""); err == nil {
		return secret.ErrConflict
	}
	for _, v := range versions {
		if err := m.PutSecret(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

func certified(l []secret.Info, err error) ([]secret.Info, error) {
	return slices.DeleteFunc(l, func(i secret.Info) bool { return i.Certificate == nil }), err
}

func (m *memory) ListCertificates(ctx context.Context, vault, after string, limit int) ([]secret.Info, error) {
	return certified(m.ListSecrets(ctx, vault, after, limit))
}

func (m *memory) ListDeletedCertificates(ctx context.Context, vault, after string, limit int) ([]secret.Info, error) {
	return certified(m.ListDeleted(ctx, vault, after, limit))
}

func (m *memory) ListCertificateVersions(ctx context.Context, vault, name, after string, limit int) ([]secret.Info, error) {
	return certified(m.ListSecretVersions(ctx, vault, name, after, limit))
}

func (m *memory) PreviousCertificate(_ context.Context, vault, name, id string) (string, error) {
	previous := ""
	for _, s := range m.secrets {
		switch {
		case s.Vault != vault || s.Name != name || s.Certificate == nil:
		case s.ID == id:
			return previous, nil
		default:
			previous = s.ID
		}
	}
	return "", nil
}

func (m *memory) PutSecret(_ context.Context, s secret.Sealed) error {
	if m.full != nil {
		return m.full
	}
	if !slices.Contains(m.vaults, s.Vault) {
		return secret.ErrNoVault
	}
	if _, ok := m.deleted[s.Vault+"/"+s.Name]; ok {
		return secret.ErrDeleted
	}
	for _, t := range m.secrets {
		if t.Vault == s.Vault && t.Name == s.Name && t.ID == s.ID {
			return secret.ErrConflict
		}
	}
	m.writes++
	m.secrets = append(m.secrets, s)
	return nil
}

func (m *memory) find(vault, name, id string) (secret.Sealed, error) {
	if _, ok := m.deleted[vault+"/"+name]; ok {
		return secret.Sealed{}, secret.ErrDeleted
	}
	for _, s := range slices.Backward(m.secrets) {
		if s.Vault == vault && s.Name == name && (id == "" || s.ID == id) {
			return s, nil
		}
	}
	return secret.Sealed{}, secret.ErrNotFound
}

func (m *memory) SecretVersion(_ context.Context, vault, name, id string) (secret.Sealed, error) {
	return m.find(vault, name, id)
}

func (m *memory) LatestSecret(_ context.Context, vault, name string) (secret.Sealed, error) {
	return m.find(vault, name, "")
}

func (m *memory) ListSecrets(_ context.Context, vault, after string, limit int) ([]secret.Info, error) {
	byName := map[string]secret.Info{}
	for _, s := range m.secrets {
		if _, gone := m.deleted[vault+"/"+s.Name]; s.Vault == vault && s.Name > after && !gone {
			byName[s.Name] = s.Info
		}
	}
	return firstOf(slices.SortedFunc(maps.Values(byName), func(a, b secret.Info) int { return cmp.Compare(a.Name, b.Name) }), limit), nil
}

func (m *memory) ListSecretVersions(_ context.Context, vault, name, after string, limit int) ([]secret.Info, error) {
	var l []secret.Info
	for _, s := range m.secrets {
		if s.Vault == vault && s.Name == name && s.ID > after {
			l = append(l, s.Info)
		}
	}
	slices.SortFunc(l, func(a, b secret.Info) int { return cmp.Compare(a.ID, b.ID) })
	return firstOf(l, limit), nil
}

func firstOf(l []secret.Info, limit int) []secret.Info { return l[:min(limit, len(l))] }

func (m *memory) UpdateSecret(_ context.Context, vault, name, id, contentType string, a secret.Attributes, tags map[string]string) error {
	for i, s := range m.secrets {
		if s.Vault == vault && s.Name == name && s.ID == id {
			m.secrets[i].ContentType, m.secrets[i].Attributes, m.secrets[i].Tags = contentType, a, tags
			return nil
		}
	}
	return secret.ErrNotFound
}

func (m *memory) DeleteSecret(_ context.Context, vault, name string, d secret.Deleted) error {
	if _, err := m.find(vault, name, ""); err != nil {
		return err
	}
	m.deleted[vault+"/"+name] = d
	return nil
}

func (m *memory) ListDeleted(_ context.Context, vault, after string, limit int) ([]secret.Info, error) {
	var l []secret.Info
	for k, d := range m.deleted {
		if name, ok := strings.CutPrefix(k, vault+"/"); ok && name > after {
			l = append(l, secret.Info{Vault: vault, Name: name, Deleted: &d})
		}
	}
	slices.SortFunc(l, func(a, b secret.Info) int { return cmp.Compare(a.Name, b.Name) })
	return firstOf(l, limit), nil
}

func (m *memory) RecoverSecret(_ context.Context, vault, name string) error {
	if _, ok := m.deleted[vault+"/"+name]; !ok {
		return secret.ErrNotFound
	}
	delete(m.deleted, vault+"/"+name)
	return nil
}

func (m *memory) PurgeSecret(ctx context.Context, vault, name string) error {
	if err := m.RecoverSecret(ctx, vault, name); err != nil {
		return err
	}
	m.secrets = slices.DeleteFunc(m.secrets, func(s secret.Sealed) bool { return s.Vault == vault && s.Name == name })
	return nil
}

// testNow is the clock of these tests.
var testNow = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func testKeyring(t testing.TB, fill byte) *Keyring {
	t.Helper()
	kr, err := NewKeyring(bytes.Repeat([]byte{fill}, keySize))
	if err != nil {
		t.Fatal(err)
	}
	return kr
}

// issue makes a key and a chain of two certificates.
func issue(t testing.TB, kt order.KeyType, serial int64) (crypto.Signer, [][]byte) {
	t.Helper()
	caKey, err := order.GenerateKey(order.P256)
	if err != nil {
		t.Fatal(err)
	}
	key, err := order.GenerateKey(kt)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: testNow.Add(-time.Hour), NotAfter: testNow.Add(1000 * time.Hour)}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "www.example.test"}, DNSNames: []string{"www.example.test"},
		NotBefore: testNow.Add(-time.Minute), NotAfter: testNow.Add(100 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	return key, [][]byte{der, caDER}
}
