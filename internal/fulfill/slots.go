package fulfill

import (
	"context"
	"fmt"
	"sync"

	"certwright/internal/order"
)

// slots bound how many attempts are in flight at an issuer at once, in this process.
type slots struct {
	mu   sync.Mutex
	open map[string]chan struct{}
}

const defaultInFlight = 4

// take waits for a slot at the issuer and gives the function that frees it.
func (s *slots) take(ctx context.Context, issuer string, limit int) (func(), error) {
	if limit <= 0 {
		limit = defaultInFlight
	}
	s.mu.Lock()
	c := s.open[issuer]
	if c == nil || cap(c) != limit {
		c = make(chan struct{}, limit)
		s.open[issuer] = c
	}
	s.mu.Unlock()
	select {
	case c <- struct{}{}:
		return sync.OnceFunc(func() { <-c }), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a free place at issuer %s: %w", issuer, ctx.Err())
	}
}

// slot takes a place for a key type's attempt; it is kept from begin to obtain within one run.
func (r *run) slot(ctx context.Context, k order.KeyType, issuer string, limit int) error {
	r.mu.Lock()
	have := r.held[string(k)] != nil
	r.mu.Unlock()
	if have {
		return nil
	}
	free, err := r.slots.take(ctx, issuer, limit)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.held[string(k)] = free
	r.mu.Unlock()
	return nil
}

// free lets a key type's place go.
func (r *run) free(k order.KeyType) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.held[string(k)]; f != nil {
		f()
		delete(r.held, string(k))
	}
}

func (r *run) releaseSlots() {
	for k := range r.held {
		r.held[k]()
	}
}
