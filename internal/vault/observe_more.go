package vault

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"certwright/internal/evidence"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// Bounds of what is looked through around one secret.
const (
	maxVersions = 100
	maxSecrets  = 5000
)

// around adds what lies around the version looked at: the other versions and, where the secret is not there, the
// secrets that hold what was expected of it.
func (b *Builtin) around(ctx context.Context, l *looked, serial string) {
	for after := ""; len(l.Versions) < maxVersions; {
		list, err := b.rows.ListSecretVersions(ctx, l.Vault, l.Name, after, page)
		if err != nil || len(list) == 0 {
			break
		}
		for _, i := range list {
			l.Versions = append(l.Versions, evidence.StoredVersion{ID: i.ID, Author: i.Author, Serial: serialIn(i), Enabled: i.Attributes.Enabled, Created: i.Attributes.Created})
		}
		after = list[len(list)-1].ID
	}
	slices.SortStableFunc(l.Versions, func(x, y evidence.StoredVersion) int { return y.Created.Compare(x.Created) })
	l.Versions = l.Versions[:min(len(l.Versions), maxVersions)]
	if l.Version == "" && l.Deleted == nil && serial != "" && absentOutcome(l.err) == evidence.Fail {
		l.Elsewhere = b.elsewhere(ctx, l.Vault, serial)
	}
}

// lookAtVault sees whether the vault is there, and what Certwright may do in it.
func (b *Builtin) lookAtVault(ctx context.Context, l *looked) error {
	row, err := b.rows.LoadVault(ctx, l.Vault)
	if errors.Is(err, secret.ErrNoVault) {
		if gone, err := b.rows.LoadDeletedVault(ctx, l.Vault); err == nil && gone.Deleted != nil {
			l.VaultGone, l.VaultPurge = &gone.Deleted.At, &gone.Deleted.Purge
		}
	}
	if err != nil {
		return err
	}
	l.Rights = &evidence.VaultRights{ByPolicy: row.ByPolicy, Named: len(row.Policies), Store: row.Admits(secret.Storer, secret.MaySet), Read: row.Admits(secret.Fetcher, secret.MayGet),
		Switched: row.Switched(secret.Storer, secret.MaySet) || row.Switched(secret.Fetcher, secret.MayGet)}
	return nil
}

// elsewhere finds the secrets whose newest version holds a serial.
func (b *Builtin) elsewhere(ctx context.Context, vault, serial string) []string {
	var out []string
	seen := 0
	for after := ""; seen < maxSecrets; {
		list, err := b.rows.ListSecrets(ctx, vault, after, page)
		if err != nil || len(list) == 0 {
			return out
		}
		for _, i := range list {
			if strings.EqualFold(serialIn(i), serial) {
				out = append(out, i.Name)
			}
		}
		seen += len(list)
		after = list[len(list)-1].Name
	}
	return out
}

// serialIn is the serial of a version: of its certificate object, else as its tag says.
func serialIn(i secret.Info) string {
	if c, err := x509.ParseCertificate(i.Certificate); err == nil {
		return order.SerialOf(c)
	}
	return i.Tags[TagSerial]
}

// formOf says what a value is by its own bytes, whatever its content type says.
func formOf(v secret.Bytes) string {
	b := bytes.TrimSpace(v.Reveal())
	switch {
	case len(b) == 0:
		return "empty"
	case bytes.Contains(b, []byte("-----BEGIN ")):
		return "pem"
	case isPFX(b):
		return "der"
	}
	once := decoded(b)
	defer clear(once)
	if isPFX(once) {
		return "pkcs12"
	}
	twice := decoded(bytes.TrimSpace(once))
	defer clear(twice)
	if isPFX(twice) {
		return "pkcs12-twice"
	}
	if bytes.Contains(once, []byte("-----BEGIN ")) {
		return "pem-base64"
	}
	return "other"
}

// decoded undoes base64; nil if it is none.
func decoded(b []byte) []byte {
	out := make([]byte, base64.StdEncoding.DecodedLen(len(b)))
	n, err := base64.StdEncoding.Decode(out, b)
	if err != nil {
		clear(out)
		return nil
	}
	return out[:n]
}

// isPFX says whether bytes begin as a PKCS#12 does: a SEQUENCE whose first element is the version 3 (RFC 7292 section 4).
func isPFX(b []byte) bool {
	var outer asn1.RawValue
	var version int
	if rest, err := asn1.Unmarshal(b, &outer); err != nil || len(rest) > 0 || outer.Tag != asn1.TagSequence {
		return false
	}
	_, err := asn1.Unmarshal(outer.Bytes, &version)
	return err == nil && version == 3
}

// leads says whether each certificate names the next one as its issuer.
func leads(chain []*x509.Certificate) bool {
	for i := 1; i < len(chain); i++ {
		if !bytes.Equal(chain[i-1].RawIssuer, chain[i].RawSubject) {
			return false
		}
	}
	return true
}
