package auth

import (
	"fmt"
	"math"
	"sync"
	"time"

	"certwright/internal/order"
)

// Limiter counts by who caused it what must not come too often (failures, or requests of any outcome), and says when
// one has had too much. It is safe for use by many at once.
type Limiter struct {
	Most int           // in a window
	Per  time.Duration // the window

	mu sync.Mutex
	by map[string]window
}

type window struct {
	began time.Time
	n     int
}

// limiterSize bounds what is remembered: beyond it, those whose window is over are forgotten, and if that is not
// enough, all.
const limiterSize = 4096

// Wait is how long who still has to wait; 0 = not at all.
func (l *Limiter) Wait(who string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	w, ok := l.by[who]
	if !ok || w.n < l.Most || now.Sub(w.began) >= l.Per {
		return 0
	}
	return l.Per - now.Sub(w.began)
}

// Fail counts a failure.
func (l *Limiter) Fail(who string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count(who, now)
}

// Take counts a request and says how many more there may be in this window; with none left, how long to wait, and it
// is not to be answered.
func (l *Limiter) Take(who string, now time.Time) (left int, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w, ok := l.by[who]; ok && w.n >= l.Most && now.Sub(w.began) < l.Per {
		return 0, l.Per - now.Sub(w.began)
	}
	return l.Most - l.count(who, now), 0
}

// count adds one to who's window, and gives how many it has; the lock is held.
func (l *Limiter) count(who string, now time.Time) int {
	if l.by == nil {
		l.by = map[string]window{}
	}
	w, ok := l.by[who]
	if !ok && len(l.by) >= limiterSize {
		l.forget(now)
	}
	if !ok || now.Sub(w.began) >= l.Per {
		w = window{began: now}
	}
	w.n++
	l.by[who] = w
	return w.n
}

func (l *Limiter) forget(now time.Time) {
	for who, w := range l.by {
		if now.Sub(w.began) >= l.Per {
			delete(l.by, who)
		}
	}
	if len(l.by) >= limiterSize {
		clear(l.by)
	}
}

// TooMany is the no to a principal whose quota is used up.
func TooMany(who string, most int, wait time.Duration) error {
	return &order.Refusal{Kind: order.TooMany, Code: "TooManyRequests", Message: fmt.Sprintf("the token %s made more than %d requests in a minute", who, most),
		Fix: fmt.Sprintf("Wait %d s, then ask less often; whoever runs the server can allow more with limits.requests", int(math.Ceil(wait.Seconds()))), After: wait}
}
