// Package web is the pages: server-rendered HTML (templ) that a person in trouble can read at a
// glance: what is wrong, since when, who must act, by when, and the one action that heals it. Pages work
// without JavaScript; with it they follow the orders live (htmx and server-sent events). It reads
// through small interfaces that server plugs together and changes nothing but by Actions.
package web

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"golang.org/x/sync/singleflight"

	"certwright/internal/order"
)

// Reader is what the pages read. A missing order is fulfill.ErrNotFound.
type Reader interface {
	ListOrders(ctx context.Context, q order.Query) (order.Page, error)
	CountOrders(ctx context.Context, subscription, group string) ([]order.Count, error)
	LoadOrder(ctx context.Context, id order.ID) (*order.Order, error)
	Events(ctx context.Context, q order.EventQuery) ([]order.Event, string, error)
}

// Actions are the commands behind the buttons. They record a wish and return; what comes of it is
// seen in the order. A no is an *order.Refusal, shown as it stands.
type Actions interface {
	// Do takes one of diagnose's actions for an order, if the caller may.
	Do(ctx context.Context, caller string, id order.ID, action string) error
	// Request asks for a version with a certificate request of whoever keeps the key, if the caller may; reuse = renewals
	// may use it again.
	Request(ctx context.Context, caller string, id order.ID, csr string, reuse bool) error
}

// Auth knows who is asking. SignIn exchanges a token for a session, which the pages keep in the
// SessionCookie; Who finds the name of whoever sent a request (see Session).
type Auth interface {
	SignIn(ctx context.Context, token string) (session, who string, err error)
	Who(ctx context.Context, r *http.Request) (string, bool)
}

// Root is a finding as the pages show it: a cause and what heals it. Server makes it of the findings
// of diagnose (DESIGN section 6).
type Root struct {
	ID         string // finding id of the catalogue
	Leg        string
	Severity   string // critical, warning, info
	Certainty  string // confirmed, possible
	Title      string
	Cause      string
	Since      time.Time // zero = not known
	Owner      string    // who must act: one of order's owners
	Deadline   time.Time // by when; zero = none
	Evidence   []Evidence
	RuledOut   []RuledOut
	FixText    string
	FixCommand string
	Action     string // one of diagnose's actions when a button with it heals the cause, else empty
}

// Evidence is one observation behind a finding.
type Evidence struct {
	Subject, Expected, Seen, From, Command string
	At                                     time.Time
}

// RuledOut is a cause that it is not, and why.
type RuledOut struct{ ID, Because string }

// Report is a diagnosis: the root cause first. BlindSpots are sentences: what could not be seen, because.
type Report struct {
	Healthy    bool
	Roots      []Root
	BlindSpots []string
	Took       time.Duration
}

// Options is everything the pages need. Reader, Actions, Auth, Now, Path and Project must be set.
type Options struct {
	Reader  Reader
	Actions Actions
	Auth    Auth
	Now     func() time.Time

	// Path and Project are order's pure functions.
	Path    func(*order.Order, time.Time) []order.Stage
	Project func(*order.Order, time.Time) order.Projection

	// Diagnose looks at an order now and judges; nil = the pages show what is recorded only.
	Diagnose func(ctx context.Context, id order.ID) (Report, error)
	// Changes gives the ids of orders as they change, until ctx ends. The zero ID means that any may have
	// changed. A closed channel ends the streams; browsers come back by themselves. nil = nothing is live.
	Changes func(ctx context.Context) (<-chan order.ID, error)
	// Resource is the order as the API shows it, JSON; nil = the order's own JSON without sealed keys.
	Resource func(ctx context.Context, o *order.Order) (json.RawMessage, error)
	// Ask asks the API for an address, as whoever sent the request: its status and JSON. nil = there is no explorer.
	Ask func(r *http.Request, address string) (status int, body []byte)
	// SignOut ends the session of a request; nil = only its cookie is dropped.
	SignOut func(ctx context.Context, r *http.Request) error

	PublicURL string // where browsers reach the pages; its origin may post (behind a proxy that rewrites Host)
	OwnRoots  bool   // the certificate there is of Certwright's own authority: who asks from a shell needs its roots
	Version   string
	Heartbeat time.Duration // between signs of life on a stream; 0 = 15 s
	Tick      time.Duration // between refreshes of an idle page, so that "3 min ago" stays true; 0 = 60 s
	Streams   int           // live streams at once; 0 = 1000
}

// pages is the handler of all pages with what it needs.
type pages struct {
	Options
	streams chan struct{} // one slot for each live stream
	looks   singleflight.Group
}

// New gives the handler of all pages. It is mounted at the root; see routes for its paths.
func New(o Options) http.Handler {
	if o.Heartbeat == 0 {
		o.Heartbeat = 15 * time.Second
	}
	if o.Tick == 0 {
		o.Tick = time.Minute
	}
	if o.Streams == 0 {
		o.Streams = 1000
	}
	p := &pages{Options: o, streams: make(chan struct{}, o.Streams)}
	return p.routes()
}
