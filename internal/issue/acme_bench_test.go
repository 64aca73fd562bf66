package issue

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/testworld"
)

// BenchmarkIssue issues certificates at four in flight, first with a bare loop on the library, then
// with ACME: the difference is what reading before asking costs.
func BenchmarkIssue(b *testing.B) {
	w := &web{body: map[string]string{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := &http.Server{Handler: w, ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(l) }()
	defer srv.Close()
	p := testworld.StartPebble(b, testworld.PebbleOptions{HTTPPort: l.Addr().(*net.TCPAddr).Port})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	client := &acme.Client{Directory: p.Directory, HTTPClient: p.Client(), PollInterval: 10 * time.Millisecond}
	acct, err := client.NewAccount(ctx, acme.Account{PrivateKey: key, TermsOfServiceAgreed: true})
	if err != nil {
		b.Fatal(err)
	}
	a := NewACME(ACMEOptions{Issuer: order.Issuer{Directory: p.Directory, CAFile: p.RootsPEM}, Key: key, Now: time.Now, Poll: 10 * time.Millisecond})
	var n atomic.Int64
	request := func() (string, []byte) {
		name := fmt.Sprintf("n%d.example.test", n.Add(1))
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			b.Error(err)
		}
		csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, k)
		if err != nil {
			b.Error(err)
		}
		return name, csr
	}
	b.Run("bare", func(b *testing.B) { four(b, func() error { return bareLoop(ctx, client, acct, w, request) }) })
	b.Run("acme", func(b *testing.B) {
		four(b, func() error {
			name, csr := request()
			r := fulfill.Request{Names: dnsNames(name)}
			o, err := a.Begin(ctx, r)
			if err != nil {
				return err
			}
			w.publish(o.Proofs)
			if _, err = a.Validate(ctx, r, o); err != nil {
				return err
			}
			_, err = a.Finalise(ctx, r, o, csr)
			return err
		})
	})
}

// four runs f b.N times, four at once.
func four(b *testing.B, f func() error) {
	var all sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(b.N))
	for range 4 {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if err := f(); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "certs/s")
}

// bareLoop is the least that issues a certificate.
func bareLoop(ctx context.Context, c *acme.Client, acct acme.Account, w *web, request func() (string, []byte)) error {
	name, csr := request()
	o, err := c.NewOrder(ctx, acct, acme.Order{Identifiers: []acme.Identifier{{Type: "dns", Value: name}}})
	if err != nil {
		return err
	}
	z, err := c.GetAuthorization(ctx, acct, o.Authorizations[0])
	if err != nil {
		return err
	}
	for _, ch := range z.Challenges {
		if ch.Type != acme.ChallengeTypeHTTP01 {
			continue
		}
		w.publish([]order.Proof{{Token: ch.Token, Value: ch.KeyAuthorization}})
		if _, err := c.InitiateChallenge(ctx, acct, ch); err != nil {
			return err
		}
	}
	if _, err = c.PollAuthorization(ctx, acct, z); err != nil {
		return err
	}
	if o, err = c.FinalizeOrder(ctx, acct, o, csr); err != nil {
		return err
	}
	_, err = c.GetCertificateChain(ctx, acct, o.Certificate)
	return err
}
