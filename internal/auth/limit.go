package auth

import (
	"sync"
	"time"
)

// Limiter counts failures by who caused them, and says when one has had too many. It is safe for use by many at
// once; the zero value counts nothing.
type Limiter struct {
	Most int           // failures in a window
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
