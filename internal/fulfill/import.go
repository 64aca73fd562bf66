package fulfill

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"strings"

	"software.sslmate.com/src/go-pkcs12"

	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/site"
)

// Bundle is a certificate that is brought: PEM (certificates and, maybe, a key, in any order) or PFX.
type Bundle struct {
	PEM      secret.Bytes
	PFX      secret.Bytes
	Password secret.Bytes // of the PFX
	From     string       // where it came from, for the record
}

func badImport(code, message, fix string) *order.Refusal {
	return &order.Refusal{Kind: order.BadInput, Code: code, Property: "certificate", Message: message, Fix: fix}
}

// Import records an order for a certificate that is brought. The key lies sealed on an attempt until the
// vault holds it. An imported order of the same name gets it as its next version.
func (m *Mover) Import(ctx context.Context, by order.By, id order.ID, w Wish, b Bundle) (*order.Order, error) {
	key, chain, err := b.Open()
	if err != nil {
		return nil, err
	}
	v, k, err := m.checkImport(key, chain)
	if err != nil {
		return nil, err
	}
	spec := w.Spec
	spec.Issuer, spec.AutoRenew, spec.KeyTypes = "", false, []order.KeyType{k}
	spec.ImportedFrom, spec.ExternalKey = b.From, key == nil
	sites, err := m.checkWish(ctx, id, &spec, v.Names)
	if err != nil {
		return nil, err
	}
	brought := order.Brought{Version: v, Attempt: order.Attempt{ID: NewID(), KeyType: k}}
	if key != nil {
		if brought.Attempt.Sealed, err = m.sealKey(key, brought.Attempt.ID); err != nil {
			return nil, err
		}
	}
	now := m.Now()
	old, err := m.Store.LoadOrder(ctx, id)
	if err == nil {
		return m.importNext(ctx, by, old, spec, sites, brought)
	}
	if !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("read order %s: %w", id.Name, err)
	}
	o := order.Fresh(id, order.Imported, spec, sites, now)
	events := append([]order.Event{by.Created(o, now)}, o.Apply(now, brought)...)
	return o, m.record(ctx, o, events...)
}

// importNext makes what was brought the next version of an imported order.
func (m *Mover) importNext(ctx context.Context, by order.By, old *order.Order, spec order.Spec, sites []site.Site, b order.Brought) (*order.Order, error) {
	if old.Kind != order.Imported {
		return nil, &order.Refusal{Kind: order.Conflict, Code: "OrderExists", Property: "name", Message: fmt.Sprintf("order %s exists and was not imported", old.ID.Name), Fix: "Choose another name"}
	}
	for i := range old.Versions {
		if old.Versions[i].Fingerprint == b.Version.Fingerprint {
			return nil, badImport("AlreadyImported", fmt.Sprintf("order %s holds this certificate already as version %d", old.ID.Name, old.Versions[i].Number), "")
		}
	}
	if len(spec.Sites) == 0 {
		spec.Sites, sites = old.Spec.Sites, m.loadSites(ctx, old)
	}
	return m.change(ctx, old.ID, func(o *order.Order) ([]order.Result, error) {
		return []order.Result{order.Rewished{By: by, Spec: spec, Sites: sites}, b}, nil
	})
}

// Open reads the bundle: the key (nil if there is none) and the chain, leaf first.
func (b Bundle) Open() (crypto.Signer, [][]byte, error) {
	if len(b.PFX) > 0 {
		return b.openPFX()
	}
	var key crypto.Signer
	var chain [][]byte
	for rest := b.PEM.Reveal(); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		switch {
		case block.Type == "CERTIFICATE":
			chain = append(chain, block.Bytes)
		case strings.Contains(block.Type, "ENCRYPTED"), block.Headers["DEK-Info"] != "":
			return nil, nil, badImport("KeyEncrypted", "the private key is encrypted", "Decrypt it first: openssl pkey -in key.pem -out plain.pem")
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			k, err := parseKey(block.Bytes)
			if err != nil {
				return nil, nil, err
			}
			if key != nil {
				return nil, nil, badImport("TwoKeys", "there is more than one private key in it", "Give one key with its certificate")
			}
			key = k
		}
	}
	if len(chain) == 0 {
		return nil, nil, badImport("NoCertificate", "there is no certificate in it", "Give PEM text with BEGIN CERTIFICATE, or a PFX file")
	}
	return key, LeafFirst(chain, key), nil
}

func (b Bundle) openPFX() (crypto.Signer, [][]byte, error) {
	k, leaf, cas, err := pkcs12.DecodeChain(b.PFX.Reveal(), string(b.Password.Reveal()))
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return nil, nil, badImport("WrongPassword", "the password does not open the PFX", "Give the right one with --password-file")
	}
	if err != nil && strings.Contains(err.Error(), "asn1:") {
		return nil, nil, badImport("UnreadablePFX", "it is neither PEM nor a PFX (PKCS#12)", "See what it is with: openssl asn1parse -inform DER -in FILE")
	}
	if err != nil {
		return nil, nil, badImport("UnreadablePFX", "the PFX cannot be read: "+err.Error(), "See what it is with: openssl pkcs12 -info -in FILE -nokeys")
	}
	key, ok := k.(crypto.Signer)
	if !ok {
		return nil, nil, badImport("KeyUnknown", "the key in the PFX is of a kind that cannot sign", "Use RSA or ECDSA")
	}
	chain := [][]byte{leaf.Raw}
	for _, c := range cas {
		chain = append(chain, c.Raw)
	}
	return key, chain, nil
}

func parseKey(der []byte) (crypto.Signer, error) {
	if k, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if s, ok := k.(crypto.Signer); ok {
			return s, nil
		}
	}
	if k, err := x509.ParseECPrivateKey(der); err == nil {
		return k, nil
	}
	if k, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return k, nil
	}
	return nil, badImport("KeyUnreadable", "the private key cannot be read", "Use PKCS#8, PKCS#1 or SEC 1 in PEM, of RSA or ECDSA")
}

// LeafFirst puts the certificate that the key fits first: bundles come in any order.
func LeafFirst(chain [][]byte, key crypto.Signer) [][]byte {
	for i, der := range chain {
		c, err := x509.ParseCertificate(der)
		if err != nil || (key != nil && !samePublic(c.PublicKey, key.Public())) || (key == nil && c.IsCA) {
			continue
		}
		ordered := [][]byte{der}
		ordered = append(ordered, chain[:i]...)
		return append(ordered, chain[i+1:]...)
	}
	return chain
}

// Fits says why a chain, leaf first, is none of the key's: nil if it is.
func Fits(chain [][]byte, key crypto.Signer) error {
	for i, der := range chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("certificate %d cannot be read: %w", i+1, err)
		}
		if i == 0 && !samePublic(c.PublicKey, key.Public()) {
			return errors.New("no certificate in it belongs to the private key")
		}
	}
	return nil
}

// checkImport refuses what must not be stored: a key that does not fit, is weak or of an unknown kind, a
// certificate that has ended or is an authority's.
func (m *Mover) checkImport(key crypto.Signer, chain [][]byte) (order.Version, order.KeyType, error) {
	v, err := order.ParseChain(chain)
	if err != nil {
		return v, "", badImport("UnreadableCertificate", err.Error(), "")
	}
	leaf, _ := x509.ParseCertificate(chain[0])
	if key != nil && !samePublic(leaf.PublicKey, key.Public()) {
		return v, "", badImport("KeyMismatch", "the private key does not belong to any certificate in it", "Give the key that the certificate was requested with")
	}
	k, err := keyTypeOf(leaf.PublicKey)
	if err != nil {
		return v, "", err
	}
	if !v.NotAfter.After(m.Now()) {
		return v, "", badImport("CertificateExpired", "the certificate ended at "+v.NotAfter.Format("2006-01-02 15:04 UTC"), "Import the one that replaced it")
	}
	if leaf.IsCA {
		return v, "", badImport("IsAuthority", "it is a certificate of an authority, not of a server", "Import the server's certificate with its chain")
	}
	if len(v.Names) == 0 {
		if cn := leaf.Subject.CommonName; cn != "" && net.ParseIP(cn) == nil {
			v.Names = []string{cn}
		} else {
			return v, "", badImport("NoNames", "the certificate names no host", "")
		}
	}
	return v, k, nil
}

func keyTypeOf(public any) (order.KeyType, error) {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve.Params().BitSize {
		case 256:
			return order.P256, nil
		case 384:
			return order.P384, nil
		}
		return "", badImport("KeyTypeUnsupported", fmt.Sprintf("its key is on the curve %s", k.Curve.Params().Name), "Use P-256 or P-384")
	case *rsa.PublicKey:
		switch n := k.N.BitLen(); {
		case n < 2048:
			return "", badImport("WeakKey", fmt.Sprintf("its RSA key has %d bits, at least 2048 are needed", n), "Order a new certificate with a stronger key")
		case n < 3072:
			return order.RSA2048, nil
		case n < 4096:
			return order.RSA3072, nil
		default:
			return order.RSA4096, nil
		}
	}
	return "", badImport("KeyTypeUnsupported", "its key is neither RSA nor ECDSA", "Use RSA 2048 or more, or ECDSA P-256 or P-384")
}
