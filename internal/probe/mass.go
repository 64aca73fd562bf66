package probe

import (
	"context"
	"sync"

	"certwright/internal/evidence"
	"certwright/internal/site"
)

// LookTLSMany looks at many endpoints as LookTLS does, workers of them at once (0 = 64), and hands on what it sees of each as
// it comes, one call of take at a time: it keeps nothing itself. The expected serial numbers are by index; a short or nil
// list expects nothing of the rest. It ends early when ctx does.
func (p *Prober) LookTLSMany(ctx context.Context, endpoints []site.Endpoint, expected []string, workers int, take func(i int, obs []evidence.Observation)) {
	if workers <= 0 {
		workers = 64
	}
	next := make(chan int)
	var one sync.Mutex
	var wg sync.WaitGroup
	for range min(workers, len(endpoints)) {
		wg.Go(func() {
			for i := range next {
				want := ""
				if i < len(expected) {
					want = expected[i]
				}
				obs := p.LookTLS(ctx, endpoints[i], want)
				one.Lock()
				take(i, obs)
				one.Unlock()
			}
		})
	}
feed:
	for i := range endpoints {
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	wg.Wait()
}
