package issue

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
)

// Families of issuing authority: a leaf is signed by the one whose algorithm its own key has.
const (
	FamilyEC  = "ec"
	FamilyRSA = "rsa"
)

// Names of the authority's keys and settings, and its life.
const (
	builtinRootKey  = "builtin/root"
	builtinRootName = "builtin-ca-root" // setting: the root's certificate, DER
	builtinLife     = 10                // years
)

// builtinCA is an issuing authority.
type builtinCA struct {
	family string
	cert   *x509.Certificate
	key    crypto.Signer
}

// setup loads or makes the root and the ECDSA authority.
//
// Two replicas that start at once end with the same authorities because everything is a function of
// the keys, and the keys are create-if-absent: subject, serial and dates of each certificate follow from its key and
// the present month, and its signature is deterministic (RFC 6979), so both sign the same bytes.
// (At the turn of a month they might differ in the dates; the one written last is read by both ever
// after, and chains verify with either, having the same name and key.) The root's key is sealed apart only when
// both issuing authorities are recorded: who then finds it gone also finds them.
func (b *Builtin) setup(ctx context.Context) error {
	var err error
	if b.root, err = b.loadOrMake(ctx, builtinRootName, b.makeRoot); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	if b.ec, err = b.issuing(ctx, FamilyEC); err != nil {
		return err
	}
	return nil
}

// authority gives the issuing authority of a family; the RSA one is made at the first need.
func (b *Builtin) authority(ctx context.Context, family string) (*builtinCA, error) {
	if family == FamilyEC {
		return b.ec, nil
	}
	select {
	case b.rsaTurn <- struct{}{}:
		defer func() { <-b.rsaTurn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the RSA authority: %w", ctx.Err())
	}
	if b.rsa != nil {
		return b.rsa, nil
	}
	ca, err := b.issuing(ctx, FamilyRSA)
	if err != nil {
		return nil, err
	}
	// The last thing the root signs in daily life. After a crash before this the next start comes here again.
	if err := b.opt.Keys.SealApart(ctx, builtinRootKey); err != nil {
		return nil, fmt.Errorf("seal the root's key apart: %w", err)
	}
	b.rsa = ca
	return ca, nil
}

// issuing loads or makes one issuing authority and its key.
func (b *Builtin) issuing(ctx context.Context, family string) (*builtinCA, error) {
	cert, err := b.loadOrMake(ctx, "builtin-ca-"+family, func(ctx context.Context) ([]byte, error) { return b.makeIssuing(ctx, family) })
	if err != nil {
		return nil, fmt.Errorf("%s issuing authority: %w", family, err)
	}
	key, err := b.opt.Keys.Signer(ctx, builtinKeyName(family))
	if err != nil {
		return nil, fmt.Errorf("%s issuing authority: open its key: %w", family, err)
	}
	if !builtinSameKey(key.Public(), cert.PublicKey) {
		return nil, fmt.Errorf("%s issuing authority: the stored key is not the one in its certificate: key store and database are of different backups", family)
	}
	return &builtinCA{family, cert, key}, nil
}

// loadOrMake reads a certificate kept as a setting; if there is none it is made, kept, and read again. A
// failure to make it counts only if no other replica has finished meanwhile.
func (b *Builtin) loadOrMake(ctx context.Context, setting string, makeCert func(context.Context) ([]byte, error)) (*x509.Certificate, error) {
	cert, err := b.load(ctx, setting)
	if cert != nil || err != nil {
		return cert, err
	}
	der, makeErr := makeCert(ctx)
	if cert, err = b.load(ctx, setting); cert != nil || err != nil {
		return cert, err
	}
	if makeErr != nil {
		return nil, makeErr
	}
	if err := b.opt.Serials.SetSetting(ctx, setting, der); err != nil {
		return nil, fmt.Errorf("keep its certificate: %w", err)
	}
	return b.load(ctx, setting)
}

// load reads a certificate; nil when there is none.
func (b *Builtin) load(ctx context.Context, setting string) (*x509.Certificate, error) {
	der, err := b.opt.Serials.Setting(ctx, setting)
	if errors.Is(err, fulfill.ErrNotFound) || err == nil && len(der) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read its certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("the setting %s holds no certificate: %w", setting, err)
	}
	return cert, nil
}

func (b *Builtin) makeRoot(ctx context.Context) ([]byte, error) {
	key, err := b.opt.Keys.CreateSigner(ctx, builtinRootKey, order.P384)
	if err != nil {
		return nil, fmt.Errorf("make its key: %w", err)
	}
	t, err := b.caTemplate("Root", key.Public())
	if err != nil {
		return nil, err
	}
	t.MaxPathLen = 1
	return builtinSign(t, t, key.Public(), key)
}

func (b *Builtin) makeIssuing(ctx context.Context, family string) ([]byte, error) {
	rootKey, err := b.opt.Keys.Signer(ctx, builtinRootKey)
	if err != nil {
		return nil, fmt.Errorf("open the root's key: %w", err)
	}
	kt, title := order.P256, "ECDSA Issuing"
	if family == FamilyRSA {
		kt, title = order.RSA3072, "RSA Issuing"
	}
	key, err := b.opt.Keys.CreateSigner(ctx, builtinKeyName(family), kt)
	if err != nil {
		return nil, fmt.Errorf("make its key: %w", err)
	}
	t, err := b.caTemplate(title, key.Public())
	if err != nil {
		return nil, err
	}
	t.MaxPathLenZero = true
	if t.NotBefore.Before(b.root.NotBefore) {
		t.NotBefore = b.root.NotBefore
	}
	t.NotAfter = b.root.NotAfter
	return builtinSign(t, b.root, key.Public(), rootKey)
}

// caTemplate is what root and issuing authorities have in common. The subject carries a part of the key's
// digest, so that two installations never have authorities of one name and different keys.
func (b *Builtin) caTemplate(title string, pub crypto.PublicKey) (*x509.Certificate, error) {
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, err
	}
	now := b.opt.Now().UTC()
	from := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	sum := sha256.Sum256(spki)
	serial := sha256.Sum256(append([]byte("certwright authority\x00"+from.Format(time.DateOnly)), spki...))
	serial[0] = serial[0]&0x3f | 0x40 // positive and always 20 octets
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[:20]),
		Subject: pkix.Name{Organization: []string{b.opt.Organization},
			CommonName: fmt.Sprintf("%s %s %s", b.opt.Organization, title, hex.EncodeToString(sum[:4]))},
		NotBefore: from, NotAfter: from.AddDate(builtinLife, 0, 0).Add(-time.Second),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true,
		SubjectKeyId: sum[:20],
	}, nil
}

// builtinSign signs without randomness: ECDSA as in RFC 6979, RSA as PKCS #1 v1.5. The same template and
// key always give the same bytes.
func builtinSign(t, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) ([]byte, error) {
	der, err := x509.CreateCertificate(nil, t, parent, pub, key)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return der, nil
}

func builtinKeyName(family string) string { return "builtin/issuing-" + family }

func builtinSameKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
