package order

import (
	"errors"
	"time"
)

// RefusalKind says what sort of no it is; the API maps it to an HTTP status.
type RefusalKind string

// Kinds of refusal.
const (
	BadInput   RefusalKind = "bad"       // 400: the wish itself cannot be
	NotFound   RefusalKind = "not-found" // 404
	Conflict   RefusalKind = "conflict"  // 409: not in this state
	Stale      RefusalKind = "stale"     // 412: the generation given is not the present one
	Forbidden  RefusalKind = "forbidden" // 403
	TooMany    RefusalKind = "too-many"  // 429
	Unsuitable RefusalKind = "cannot"    // 422: well formed, but not with this issuer, vault, site
	NoMethod   RefusalKind = "method"    // 405: the path is there, the method is not
	LongURL    RefusalKind = "url"       // 414
	MediaType  RefusalKind = "media"     // 415: a body of another kind than is read here
	LongHeader RefusalKind = "header"    // 431
)

// Refusal is a no to a command: nothing was changed. It says which property or state is the cause
// and what to do instead.
type Refusal struct {
	Kind     RefusalKind `json:"-"`
	Code     string      `json:"code"`             // stable word, such as InvalidName, OrderDenied
	Property string      `json:"target,omitempty"` // which property of the wish
	Message  string      `json:"message"`
	Fix      string      `json:"fix,omitempty"`

	After time.Duration `json:"-"` // how long to wait before trying again; 0 = nothing to wait for
}

// Error is the message with its fix.
func (r *Refusal) Error() string {
	s := r.Message
	if r.Property != "" {
		s = r.Property + ": " + s
	}
	if r.Fix != "" {
		s += ". " + r.Fix
	}
	return s
}

// AsRefusal finds the refusal that err wraps.
func AsRefusal(err error) (*Refusal, bool) {
	var r *Refusal
	ok := errors.As(err, &r)
	return r, ok
}
