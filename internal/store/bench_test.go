package store_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
	"certwright/internal/store"
	"certwright/internal/store/storetest"
)

// onEach runs a benchmark on both databases with some writers at once; workers is how many orders are in flight.
func onEach(b *testing.B, f func(b *testing.B, s *store.Store, workers int)) {
	for _, kind := range storetest.Kinds(b) {
		for _, workers := range []int{1, 4, 16} {
			b.Run(fmt.Sprintf("%s/%d", kind, workers), func(b *testing.B) {
				s := storetest.Open(b, kind)
				before := s.Commits()
				b.ResetTimer()
				f(b, s, workers)
				b.ReportMetric(float64(s.Commits()-before)/float64(b.N), "commits/op")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
			})
		}
	}
}

// spread runs n operations on some goroutines.
func spread(b *testing.B, workers int, f func(i int) error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)); i <= b.N; i = int(next.Add(1)) {
				if err := f(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkCertificate is what one certificate costs the store: it is created, leased and saved four
// times, each time with an event and another part of its rows changed: six commits.
func BenchmarkCertificate(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store, workers int) {
		spread(b, workers, func(i int) error { return certificate(s, fmt.Sprintf("c%d", i)) })
	})
}

func certificate(s *store.Store, name string) error {
	ctx := context.Background()
	o := sample(name)
	o.Versions, o.Attempts, o.Deployments, o.Endpoints = nil, nil, nil, nil
	if err := s.CreateOrder(ctx, o, waiting(), []order.Event{event("created")}); err != nil {
		return err
	}
	o, err := s.LeaseOrder(ctx, o.ID, "node", t0, t0.Add(time.Minute))
	if err != nil {
		return err
	}
	seen := []evidence.Observation{{Probe: "tls", Check: "serial", Subject: "127.0.0.1:443", Outcome: evidence.Pass, Data: []byte(`"` + string(make2k('x')) + `"`)}}
	for _, step := range []func(){
		func() {
			o.Attempts = []order.Attempt{{ID: name + "1", Phase: order.Begun, Sealed: make2k('s')[:300], Proofs: []order.Proof{{Token: name}, {Token: name}}}}
		},
		func() {
			o.Attempts[0].Phase = order.Signed
			o.Versions = []order.Version{{Number: 1, Serial: "0A" + name, Chain: make2k('c')}}
		},
		func() {
			o.Attempts[0].Phase, o.Attempts[0].Sealed = order.Ended, nil
			o.Versions[0].State = order.VersionStored
			o.Deployments = []order.Deployment{{Site: "Shop", Target: "files"}}
		},
		func() {
			o.Deployments[0].Version = 1
			o.Endpoints = []order.EndpointRow{{Seen: seen, State: order.Done}}
			o.LeaseOwner, o.LeaseUntil = "", time.Time{}
		},
	} {
		step()
		p := issued()
		p.Text = string(rune('a' + o.Seq))
		if err := s.SaveOrder(ctx, o, p, []order.Event{event("stepped"), event("looked")}); err != nil {
			return err
		}
	}
	return nil
}

func make2k(c byte) []byte {
	b := make([]byte, 2048)
	for i := range b {
		b[i] = c
	}
	return b
}

// BenchmarkSave is one save of an order with a changed row and an event.
func BenchmarkSave(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store, workers int) {
		orders := make(chan *order.Order, workers)
		for i := range workers {
			orders <- create(b, s, sample(fmt.Sprintf("o%d", i)), issued())
		}
		b.ResetTimer()
		spread(b, workers, func(i int) error {
			o := <-orders
			defer func() { orders <- o }()
			o.Deployments[0].Tries = i
			return s.SaveOrder(context.Background(), o, issued(), []order.Event{event("saved")})
		})
	})
}

// BenchmarkLoad reads an order whole.
func BenchmarkLoad(b *testing.B) {
	onEach(b, func(b *testing.B, s *store.Store, workers int) {
		o := create(b, s, sample("www"), issued())
		b.ResetTimer()
		spread(b, workers, func(int) error {
			_, err := s.LoadOrder(context.Background(), o.ID)
			return err
		})
	})
}
