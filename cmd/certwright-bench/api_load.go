package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"certwright/internal/api"
	"certwright/internal/order"
	"certwright/internal/store"
)

// What the loader makes: copies of one real order, of which one in rareEach has another status; and real secrets.
const (
	rareStatus  = "Canceled"
	rareEach    = 50
	secretsMade = 64
	dueMade     = 1000
)

func loadedName(i int) string { return fmt.Sprintf("o%07d", i) }
func secretName(i int) string { return fmt.Sprintf("secret%d", i) }

// load starts the program once on an empty folder, has it store real certificates, stops it, and fills its database.
func (f *apiFigures) load(ctx context.Context, o options, dir string) error {
	p, err := launch(ctx, o, dir, "")
	if err != nil {
		return err
	}
	for i := range secretsMade {
		if err = p.importOne(ctx, secretName(i)); err != nil {
			break
		}
	}
	p.stop()
	if err != nil {
		return fmt.Errorf("store a certificate: %w", err)
	}
	s, err := store.Open(ctx, store.Options{DSN: "sqlite:" + database(dir), Now: time.Now})
	if err != nil {
		return err
	}
	defer s.Close()
	model, err := s.LoadOrder(ctx, order.Short(secretName(0)))
	if err != nil {
		return err
	}
	began := time.Now()
	if err := fillOrders(ctx, s, model, o.api); err != nil {
		return err
	}
	f.loaded = float64(o.api) / time.Since(began).Seconds()
	fmt.Printf("api: %d orders made, %.0f/s\n", o.api, f.loaded)
	f.sweep, err = timeSweep(ctx, s, o.api)
	return err
}

// importOne has a self-signed certificate stored as an order of that name.
func (p *process) importOne(ctx context.Context, name string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	host := name + ".example.test"
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host, "www." + host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 90), KeyUsage: x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return err
	}
	pk, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk}))
	_, err = p.client.ImportOrder(ctx, name, api.ImportBody{PEM: text})
	return err
}

// fillOrders makes n copies of the model, many at once so that they share commits.
func fillOrders(ctx context.Context, s *store.Store, model *order.Order, n int) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, 64)
	for range cap(errs) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := s.CreateOrder(ctx, copyOrder(model, i), projection(model, i), nil); err != nil {
					errs <- fmt.Errorf("make order %d: %w", i, err)
					return
				}
				if i > 0 && i%100000 == 0 {
					fmt.Printf("api: %d orders\n", i)
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return err
	}
	return ctx.Err()
}

// copyOrder is the model under another name and with other serial numbers. Nothing of it is due by itself.
func copyOrder(model *order.Order, i int) *order.Order {
	o := *model
	o.ID = order.Short(loadedName(i))
	o.Revision, o.Seq, o.Hash, o.DueAt, o.LeaseOwner = 0, 0, nil, time.Time{}, ""
	host := o.ID.Name + ".example.test"
	o.Spec.Names = []order.Name{{Kind: order.DNS, Value: host}, {Kind: order.DNS, Value: "www." + host}}
	o.Spec.Secret = o.ID.Name
	o.Versions = append([]order.Version(nil), model.Versions...)
	for k := range o.Versions {
		o.Versions[k].Serial = fmt.Sprintf("%016X", i)
		o.Versions[k].Thumbprint = fmt.Sprintf("%040X", i)
	}
	if rare(i) {
		at := o.Created
		o.Canceled = &at
	}
	return &o
}

func rare(i int) bool { return i%rareEach == 0 }

// projection is what lists show of a copy; it never changes by itself.
func projection(model *order.Order, i int) order.Projection {
	p := copyOrder(model, i).Project(model.Created)
	if rare(i) {
		p.Status = rareStatus
	}
	p.Changes, p.Examine = time.Time{}, time.Time{}
	return p
}

// timeSweep makes some orders due, finds them as the sweep does, and lets them rest again.
func timeSweep(ctx context.Context, s *store.Store, n int) (time.Duration, error) {
	now := time.Now()
	due := func(at time.Time) error {
		for i := range min(dueMade, n) {
			o, err := s.LoadOrder(ctx, order.Short(loadedName(i*(n/min(dueMade, n)))))
			if err != nil {
				return err
			}
			o.DueAt = at
			p := o.Project(now)
			p.Changes, p.Examine = time.Time{}, time.Time{}
			if err := s.SaveOrder(ctx, o, p, nil); err != nil {
				return err
			}
		}
		return nil
	}
	if err := due(now.Add(-time.Minute)); err != nil {
		return 0, err
	}
	var all []time.Duration
	for range 9 {
		began := time.Now()
		ids, err := s.DueOrders(ctx, now, dueMade)
		if err != nil {
			return 0, err
		}
		if len(ids) != min(dueMade, n) {
			return 0, fmt.Errorf("the sweep finds %d orders of %d that are due", len(ids), min(dueMade, n))
		}
		all = append(all, time.Since(began))
	}
	sort.Slice(all, func(i, k int) bool { return all[i] < all[k] })
	return all[len(all)/2], due(time.Time{})
}
