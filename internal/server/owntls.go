package server

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// ownTLS is Certwright's own certificate: of the built-in authority, renewed by itself, or of files
// that are read again when they change.
type ownTLS struct {
	s       *Server
	current atomic.Pointer[tls.Certificate]
	changed time.Time // of the certificate's file
}

const (
	ownKey      = "server/tls"
	ownSetting  = "server.tls.chain" // the own certificate's chain, PEM
	ownValidity = 90 * 24 * time.Hour
)

func newOwnTLS(ctx context.Context, s *Server) (*ownTLS, error) {
	t := &ownTLS{s: s}
	if err := t.refresh(ctx); err != nil {
		return nil, fmt.Errorf("the server's own certificate: %w", err)
	}
	return t, nil
}

func (t *ownTLS) get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return t.current.Load(), nil }

// keep renews until ctx ends.
func (t *ownTLS) keep(ctx context.Context) {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := t.refresh(ctx); err != nil {
				t.s.Logger.Error("Certwright's own certificate could not be renewed", "error", err)
			}
		}
	}
}

// refresh takes the certificate from its files, or from the authority when less than a third of its life is left.
func (t *ownTLS) refresh(ctx context.Context) error {
	if c := t.s.Config.TLS; c.Certificate != "" {
		return t.fromFiles(string(c.Certificate), string(c.Key))
	}
	key, err := t.s.Keys.CreateSigner(ctx, ownKey, order.P256)
	if err != nil {
		return err
	}
	names := t.names()
	if old, err := t.s.Store.Setting(ctx, ownSetting); err == nil && t.good(order.DecodeChain(old), key, names) {
		return t.use(order.DecodeChain(old), key)
	} else if err != nil && !errors.Is(err, secret.ErrNotFound) {
		return err
	}
	chain, err := t.obtain(ctx, key, names)
	if err != nil {
		return err
	}
	if err := t.s.Store.SetSetting(ctx, ownSetting, order.EncodeChain(chain)); err != nil {
		return err
	}
	return t.use(chain, key)
}

func (t *ownTLS) use(chain [][]byte, key crypto.PrivateKey) error {
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return err
	}
	t.current.Store(&tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf})
	return nil
}

// names are what the server is reached by.
func (t *ownTLS) names() []order.Name {
	var names []order.Name
	add := func(host string) {
		n := order.Name{Kind: order.DNS, Value: host}
		if ip, err := netip.ParseAddr(host); err == nil {
			if ip.IsUnspecified() {
				return
			}
			n = order.Name{Kind: order.IP, Value: ip.String()}
		}
		if host != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if u, err := url.Parse(t.s.Config.URL); err == nil {
		add(u.Hostname())
	}
	host, _, _ := net.SplitHostPort(t.s.Address)
	add(host)
	for _, h := range []string{"localhost", "127.0.0.1", "::1"} {
		add(h)
	}
	add("*." + t.s.Config.Vault.Suffix)
	return names
}

// good says whether a chain can still be shown: of this key and authority, for these names, young enough.
func (t *ownTLS) good(chain [][]byte, key crypto.Signer, names []order.Name) bool {
	if len(chain) < 2 {
		return false
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return false
	}
	pub, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(key.Public()) {
		return false
	}
	for _, n := range names {
		if leaf.VerifyHostname(n.Value) != nil {
			return false
		}
	}
	now := t.s.Now()
	roots, inter := x509.NewCertPool(), x509.NewCertPool()
	for _, r := range t.s.Builtin.Roots() {
		roots.AddCert(r)
	}
	for _, der := range chain[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			inter.AddCert(c)
		}
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: inter, CurrentTime: now})
	return err == nil && now.Before(leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore)*2/3))
}

func (t *ownTLS) obtain(ctx context.Context, key crypto.Signer, names []order.Name) ([][]byte, error) {
	own := t.s.Builtin.WithoutChecks() // the names are the configuration's and need no proof
	csr := &x509.CertificateRequest{}
	for _, n := range names {
		if n.Kind == order.IP {
			csr.IPAddresses = append(csr.IPAddresses, net.ParseIP(n.Value))
		} else {
			csr.DNSNames = append(csr.DNSNames, n.Value)
		}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, csr, key)
	if err != nil {
		return nil, err
	}
	r := fulfill.Request{Order: order.Short("certwright"), Attempt: fulfill.NewID(), Names: names, Validity: ownValidity}
	opening, err := own.Begin(ctx, r)
	if err != nil {
		return nil, err
	}
	return own.Finalise(ctx, r, opening, der)
}

// fromFiles reads certificate and key again when the certificate's file changed.
func (t *ownTLS) fromFiles(cert, key string) error {
	info, err := os.Stat(cert)
	if err != nil {
		return err
	}
	if t.current.Load() != nil && info.ModTime().Equal(t.changed) {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("read %s and %s: %w", cert, key, err)
	}
	t.current.Store(&pair)
	t.changed = info.ModTime()
	return nil
}
