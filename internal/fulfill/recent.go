package fulfill

import (
	"sync"
	"time"
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
