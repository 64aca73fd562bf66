package fulfill

import (
	"sync"
	"time"

	"certwright/internal/site"
)

// recently is how long what was read of a subscription, a group or a vault is taken to hold: these change by
// hand, and every order asks for them.
const recently = time.Second

// recent remembers what was found well a moment ago. Only what stands in no order's way is remembered, so
// that a thing made or mended a moment ago is seen at once.
type recent struct {
	mu sync.Mutex
	at map[string]time.Time
}

// maxRecent bounds what is remembered; then it begins anew.
const maxRecent = 1024

// well says whether the thing was found well within recently.
func (r *recent) well(thing string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.at[thing]
	return ok && now.Sub(at) < recently && !now.Before(at)
}

// found notes that the thing is well.
func (r *recent) found(thing string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at == nil || len(r.at) >= maxRecent {
		r.at = map[string]time.Time{}
	}
	r.at[thing] = now
}

// sited remembers the sites that a run read a moment ago, until somebody may have changed them.
type sited struct {
	mu     sync.Mutex
	sites  map[string]sitedAt
	forgot int // how often: what was being read meanwhile is not kept
}

type sitedAt struct {
	site *site.Site
	at   time.Time
}

// recall gives a site that was read within recently, or nil and what keep needs.
func (s *sited) recall(name string, now time.Time) (*site.Site, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if have, ok := s.sites[name]; ok && now.Sub(have.at) < recently {
		return have.site, s.forgot
	}
	return nil, s.forgot
}

// keep remembers a site that was read at that time.
func (s *sited) keep(name string, read *site.Site, at time.Time, forgot int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if forgot != s.forgot {
		return
	}
	if s.sites == nil {
		s.sites = map[string]sitedAt{}
	}
	s.sites[name] = sitedAt{read, at}
}

func (s *sited) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sites, s.forgot = nil, s.forgot+1
}
