package main

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
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// tokens answers http-01 for the bare loop.
type tokens struct {
	mu sync.Mutex
	m  map[string]string
}

func (t *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	v := t.m[r.URL.Path]
	t.mu.Unlock()
	fmt.Fprint(w, v)
}

// bareLoop issues with nothing but the library: the same requests and polling, nothing stored. It gives
// certificates a second.
func (w *world) bareLoop(ctx context.Context, o options) (float64, error) {
	t := &tokens{m: map[string]string{}}
	ln, err := net.Listen("tcp", w.http01)
	if err != nil {
		return 0, err
	}
	srv := &http.Server{Handler: t}
	go func() { _ = srv.Serve(ln) }()
	defer srv.Close()
	client := &acme.Client{Directory: w.pebble.Directory, HTTPClient: w.pebble.Client(), PollInterval: o.poll}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return 0, err
	}
	account, err := client.NewAccount(ctx, acme.Account{TermsOfServiceAgreed: true, PrivateKey: key})
	if err != nil {
		return 0, err
	}
	work, errs := make(chan int), make(chan error, o.inFlight)
	began := time.Now()
	for range o.inFlight {
		go func() {
			for i := range work {
				if err := bareOne(ctx, client, account, t, fmt.Sprintf("bare%d.example.test", i)); err != nil {
					errs <- err
					for range work {
					}
					return
				}
			}
			errs <- nil
		}()
	}
	for i := range o.orders {
		work <- i
	}
	close(work)
	for range o.inFlight {
		if err := <-errs; err != nil {
			return 0, err
		}
	}
	return float64(o.orders) / time.Since(began).Seconds(), nil
}

func bareOne(ctx context.Context, c *acme.Client, a acme.Account, t *tokens, name string) error {
	order, err := c.NewOrder(ctx, a, acme.Order{Identifiers: []acme.Identifier{{Type: "dns", Value: name}}})
	if err != nil {
		return err
	}
	authz, err := c.GetAuthorization(ctx, a, order.Authorizations[0])
	if err != nil {
		return err
	}
	for _, ch := range authz.Challenges {
		if ch.Type != acme.ChallengeTypeHTTP01 {
			continue
		}
		t.mu.Lock()
		t.m[ch.HTTP01ResourcePath()] = ch.KeyAuthorization
		t.mu.Unlock()
		if _, err := c.InitiateChallenge(ctx, a, ch); err != nil {
			return err
		}
	}
	if _, err := c.PollAuthorization(ctx, a, authz); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, key)
	if err != nil {
		return err
	}
	if order, err = c.FinalizeOrder(ctx, a, order, csr); err != nil {
		return err
	}
	_, err = c.GetCertificateChain(ctx, a, order.Certificate)
	return err
}
