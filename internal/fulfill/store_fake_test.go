package fulfill

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"certwright/internal/order"
	"certwright/internal/site"
)

// memStore is a Store in memory, with everything that the contract says of revisions and leases.
type memStore struct {
	mu     sync.Mutex
	orders map[string]*order.Order
	sites  map[string]site.Site
	events []order.Event
	dns    []order.DNSAccount
	state  string // of the subscription
	saves  int
	// before, when set, runs before a save, without the lock: it makes races. It runs once.
	before func()
	always func(next *order.Order) // runs before every save, without the lock
}

func (s *memStore) CreateOrder(_ context.Context, o *order.Order, _ order.Projection, e []order.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.orders[o.ID.Key()] != nil {
		return ErrExists
	}
	o.Revision = 1
	s.put(o, e)
	return nil
}

// put keeps a copy, under the lock.
func (s *memStore) put(o *order.Order, events []order.Event) {
	for i := range events {
		o.Seq++
		events[i].Chain(o.Seq, o.Hash)
		o.Hash = events[i].Hash
		s.events = append(s.events, events[i])
	}
	s.orders[o.ID.Key()] = o.Clone()
}

func (s *memStore) LoadOrder(_ context.Context, id order.ID) (*order.Order, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.orders[id.Key()]; o != nil {
		return o.Clone(), nil
	}
	return nil, ErrNotFound
}

func (s *memStore) SaveOrder(_ context.Context, o *order.Order, _ order.Projection, e []order.Event) error {
	s.mu.Lock()
	hook, always := s.before, s.always
	s.before = nil
	s.mu.Unlock()
	if always != nil {
		always(o)
	}
	if hook != nil {
		hook()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.orders[o.ID.Key()]
	if have == nil || have.Revision != o.Revision {
		return ErrConflict
	}
	s.saves++
	o.Revision++
	s.put(o, e)
	return nil
}

func (s *memStore) LeaseOrder(_ context.Context, id order.ID, node string, now, until time.Time) (*order.Order, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.orders[id.Key()]
	if o == nil {
		return nil, ErrNotFound
	}
	if o.LeaseOwner != "" && o.LeaseUntil.After(now) {
		return nil, ErrLeased
	}
	o.LeaseOwner, o.LeaseUntil = node, until
	o.Revision++
	return o.Clone(), nil
}

func (s *memStore) DeleteOrder(_ context.Context, o *order.Order, e []order.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.orders[o.ID.Key()]
	if have == nil || have.Revision != o.Revision {
		return ErrConflict
	}
	s.put(o, e)
	delete(s.orders, o.ID.Key())
	return nil
}

func (s *memStore) MoveOrder(_ context.Context, o, moved *order.Order, _ order.Projection, left, came []order.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.orders[o.ID.Key()]
	if have == nil || have.Revision != o.Revision {
		return ErrConflict
	}
	if s.orders[moved.ID.Key()] != nil {
		return ErrExists
	}
	s.put(o, left)
	delete(s.orders, o.ID.Key())
	moved.Revision = 1
	s.put(moved, came)
	return nil
}

func (s *memStore) ids(match func(*order.Order) bool) []order.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []order.ID
	for _, o := range s.orders {
		if match(o) {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

func (s *memStore) OrdersBySite(_ context.Context, _, _, name string) ([]order.ID, error) {
	return s.ids(func(o *order.Order) bool { return slices.Contains(o.Spec.Sites, name) }), nil
}

func (s *memStore) OrdersByNames(_ context.Context, names []string) ([]order.ID, error) {
	return s.ids(func(o *order.Order) bool {
		var have []string
		for _, n := range o.Spec.Names {
			have = append(have, n.Value)
		}
		want := slices.Clone(names)
		slices.Sort(have)
		slices.Sort(want)
		return slices.Equal(have, want)
	}), nil
}

func (s *memStore) LoadSite(_ context.Context, _, _, name string) (*site.Site, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.sites[strings.ToLower(name)]; ok {
		v.Targets = slices.Clone(v.Targets) // as a database gives them: nobody else's
		return &v, nil
	}
	return nil, ErrNotFound
}

func (s *memStore) SaveSite(_ context.Context, v *site.Site) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	have, ok := s.sites[strings.ToLower(v.Name)]
	switch {
	case ok && v.Revision == 0:
		return ErrExists
	case have.Revision != v.Revision:
		return ErrConflict
	}
	v.Revision++
	s.sites[strings.ToLower(v.Name)] = *v
	return nil
}

func (s *memStore) ListSites(context.Context, string, string) ([]site.Site, error) { return nil, nil }

func (s *memStore) DeleteSite(_ context.Context, v *site.Site) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sites, strings.ToLower(v.Name))
	return nil
}

func (s *memStore) LoadIssuer(context.Context, string) (*order.Issuer, error) {
	return nil, ErrNotFound
}
func (s *memStore) ListDNSAccounts(context.Context) ([]order.DNSAccount, error) { return s.dns, nil }
func (s *memStore) LoadDNSAccount(_ context.Context, name string) (*order.DNSAccount, error) {
	if name != "dns" {
		return nil, ErrNotFound
	}
	return &order.DNSAccount{Name: name}, nil
}
func (s *memStore) SaveIssuer(context.Context, *order.Issuer) error     { return nil }
func (s *memStore) ListIssuers(context.Context) ([]order.Issuer, error) { return nil, nil }
func (s *memStore) DeleteIssuer(context.Context, *order.Issuer) error   { return nil }
func (s *memStore) GroupExists(_ context.Context, _, g string) (bool, error) {
	return g == order.DefaultGroup, nil
}
func (s *memStore) SubscriptionState(_ context.Context, sub string) (string, error) {
	if sub != order.DefaultSubscription {
		return "", ErrNotFound
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, nil
}
