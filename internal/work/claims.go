package work

import (
	"maps"
	"sync"
	"time"
)

// claims says what this process is doing with which order, so that it never runs an order twice at a
// time and loses no hint: one that comes during a run has the order run once more.
type claims struct {
	mu   sync.Mutex
	m    map[string]*claim
	cool map[string]time.Time // orders whose run ended in an error: not the sweep's before then
}

type claim struct {
	running bool
	again   bool // hinted while running
}

// offer notes a hint. True: the caller must queue the order. False: it is queued already, or running and
// will be run once more.
func (c *claims) offer(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.m[key]
	if at == nil {
		c.m[key] = &claim{}
		return true
	}
	at.again = at.running
	return false
}

// drop forgets an offered order that could not be queued.
func (c *claims) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.m[key]; at != nil && !at.running {
		delete(c.m, key)
	}
}

// held says whether the sweep has nothing to do with the order now: it is queued or running here, or its
// run has just failed.
func (c *claims) held(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, cooling := c.cool[key]
	return cooling || c.m[key] != nil
}

// thaw ends the cooling of orders whose time has come.
func (c *claims) thaw(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.cool, func(_ string, until time.Time) bool { return !now.Before(until) })
}

// beginQueued starts the run of an order taken from the queue; false if another worker began it since.
func (c *claims) beginQueued(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.m[key]
	if at == nil || at.running {
		return false
	}
	at.running = true
	return true
}

// begin starts a run whether the order is queued or not; false if it is running, then it is run once more.
func (c *claims) begin(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.m[key]
	if at == nil {
		at = &claim{}
		c.m[key] = at
	}
	if at.running {
		at.again = true
		return false
	}
	at.running = true
	return true
}

// again says, at the end of a run, whether the order was hinted meanwhile: then the run is to be
// repeated. Else the order is let go.
func (c *claims) again(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.m[key]
	if at == nil {
		return false
	}
	if at.again {
		at.again = false
		return true
	}
	delete(c.m, key)
	delete(c.cool, key)
	return false
}

// fail lets an order go whose run failed, and keeps the sweep from it for a while: River tries it again.
func (c *claims) fail(key string, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.m, key)
	c.cool[key] = until
}

// count is how many orders are held.
func (c *claims) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.m)
}
