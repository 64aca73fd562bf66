// Package api is the HTTP interface: it decodes a request, asks fulfill or the store, and encodes the
// answer as arm writes it. routes.go lists every route with the action that it needs.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/diagnose"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
	"certwright/internal/site"
)

// Service is what changes orders and sites: fulfill.Mover.
type Service interface {
	Create(ctx context.Context, by order.By, id order.ID, w fulfill.Wish) (*order.Order, error)
	Import(ctx context.Context, by order.By, id order.ID, w fulfill.Wish, b fulfill.Bundle) (*order.Order, error)
	Watch(ctx context.Context, by order.By, id order.ID, w fulfill.Wish) (*order.Order, error)
	Check(ctx context.Context, id order.ID, w fulfill.Wish) error
	Update(ctx context.Context, by order.By, id order.ID, generation int64, edit func(*fulfill.Wish)) (*order.Order, error)
	Verify(ctx context.Context, by order.By, id order.ID) (*order.Order, error)
	NewVersion(ctx context.Context, by order.By, id order.ID, c order.Command, a fulfill.Asked) (*order.Order, error)
	Sync(ctx context.Context, by order.By, id order.ID) (*order.Order, error)
	Retry(ctx context.Context, by order.By, id order.ID) (*order.Order, error)
	StoreAgain(ctx context.Context, by order.By, id order.ID) (*order.Order, error)
	Recover(ctx context.Context, by order.By, id order.ID) (*order.Order, error)
	Enable(ctx context.Context, by order.By, id order.ID) (*order.Order, error)
	ResumeTargets(ctx context.Context, by order.By, id order.ID) (*order.Order, error)
	Revoke(ctx context.Context, by order.By, id order.ID, reason int) (*order.Order, error)
	Cancel(ctx context.Context, by order.By, id order.ID) (*order.Order, error)
	Again(ctx context.Context, by order.By, id order.ID) (*order.Order, error)
	CheckMove(ctx context.Context, id order.ID, subscription, group string) error
	Move(ctx context.Context, by order.By, id order.ID, subscription, group string) (*order.Order, error)
	Delete(ctx context.Context, by order.By, id order.ID, force bool) (*order.Order, error)
	Export(ctx context.Context, by order.By, id order.ID, k order.KeyType) (fulfill.Certificate, error)
	SaveSite(ctx context.Context, by order.By, s site.Site) (*site.Site, error)
	DeleteSite(ctx context.Context, subscription, group, name string) error
}

// Reader is what lists and follows: the store.
type Reader interface {
	LoadOrder(ctx context.Context, id order.ID) (*order.Order, error)
	LoadOrders(ctx context.Context, ids []order.ID) ([]*order.Order, error)
	ListOrders(ctx context.Context, q order.Query) (order.Page, error)
	CountOrders(ctx context.Context, subscription, group string) ([]order.Count, error)
	Events(ctx context.Context, q order.EventQuery) ([]order.Event, string, error)
	FollowOrder(ctx context.Context, id order.ID, after int64, limit int) ([]order.Event, error)
	Follow(ctx context.Context, cursor string, limit int) ([]order.Event, string, error)
	Changed() <-chan struct{}
	OrdersBySite(ctx context.Context, subscription, group, site string) ([]order.ID, error)
	OrdersBySerial(ctx context.Context, serialOrThumbprint string) ([]order.ID, error)
	LoadSite(ctx context.Context, subscription, group, name string) (*site.Site, error)
	ListSites(ctx context.Context, subscription, group string) ([]site.Site, error)
}

// Issuers are the configured authorities.
type Issuers interface {
	Add(ctx context.Context, i order.Issuer, eabKey secret.Bytes) (order.Issuer, error)
	List(ctx context.Context) ([]order.Issuer, error)
	Get(ctx context.Context, name string) (order.Issuer, error)
	Remove(ctx context.Context, name string) error
}

// Secrets are the operations on a vault's secrets that are no order's.
type Secrets interface {
	List(ctx context.Context, vault, after string, limit int) ([]secret.Info, error)
	Versions(ctx context.Context, vault, name, after string, limit int) ([]secret.Info, error)
	ListDeleted(ctx context.Context, vault, after string, limit int) ([]secret.Info, error)
	Certificate(ctx context.Context, vault, name, id string) (secret.Info, error)
}

// Plane is the data plane of the vaults, which tells orders what is done to their secrets: keyvault.Handler.
type Plane interface {
	Delete(ctx context.Context, by order.By, v secret.VaultRow, name string) (secret.Info, error)
	Recover(ctx context.Context, by order.By, v secret.VaultRow, name string) (secret.Info, error)
	Purge(ctx context.Context, by order.By, v secret.VaultRow, name string) error
	// VaultChanged tells the orders that are kept in a vault that it was changed.
	VaultChanged(ctx context.Context, by order.By, vault, what string)
}

// Encoder writes a certificate with its key for its owner.
type Encoder interface {
	PEM(c fulfill.Certificate) ([]byte, error)
	PFX(c fulfill.Certificate, password string) ([]byte, error)
}

// Auth says who shows a token: auth.Auth. What they may do is for auth.Allow to say.
type Auth interface {
	Authenticate(ctx context.Context, plain string) (auth.Principal, error)
	Exchange(ctx context.Context, client, plain string) (bearer string, life time.Duration, err error)
	Issue(ctx context.Context, name string, role auth.Role, scope string, ttl time.Duration) (plain string, t order.Token, err error)
	Tokens(ctx context.Context) ([]order.Token, error)
	Delete(ctx context.Context, name string) error
}

// Configured is something of the server's configuration, by its name alone.
type Configured struct{ Kind, Name string }

// Options are what the API is made of.
type Options struct {
	Service  Service
	Reader   Reader
	Issuers  Issuers
	DNS      DNSAccounts
	Secrets  Secrets
	Plane    Plane
	Vaults   Vaults
	Scopes   Scopes
	Imports  Imports
	Encoder  Encoder
	Auth     Auth
	Diagnose func(ctx context.Context, id order.ID) (diagnose.Report, error)
	// Mail sends what has to be published for a name of an order (empty = for all), and records that.
	Mail   func(ctx context.Context, by order.By, o *order.Order, name string) error
	Bundle func(ctx context.Context, id order.ID) ([]byte, error) // one redacted file of all that is known of an order
	// Fix says what would heal an order and, when the body asks for it, does the first step, once allow has let it.
	Fix   func(ctx context.Context, by order.By, id order.ID, b FixBody, allow func(right string) error) (FixAnswer, error)
	Roots func() []byte                                          // the built-in authority's roots, PEM
	CRL   func(ctx context.Context, name string) ([]byte, error) // fulfill.ErrNotFound for an unknown name
	Ready func(ctx context.Context) error                        // nil = ready to serve
	// TestNotify sends a test over a notification of the configuration and says who took it. fulfill.ErrNotFound.
	TestNotify  func(ctx context.Context, name, caller string) (string, error)
	Metrics     http.Handler                       // answers Prometheus
	Notes       func(ctx context.Context) []string // what a person should know of a service that is ready all the same
	Commits     func() int64                       // of the database since the start: for measuring
	Configured  []Configured                       // what targets and sites may name
	VaultSuffix string                             // below which vaults have their host names; empty = none have
	Public      string                             // public base URL, without a slash at its end
	Version     string
	Now         func() time.Time
	Logger      *slog.Logger
	MaxBody     int64         // how large a request's body may be, in bytes; 0 = 1 MiB
	Quota       *auth.Limiter // of the requests of one principal, shared with the vaults; nil = no bound
}

// API answers requests.
type API struct {
	Options
	routes  arm.Router[Route]
	strange auth.Limiter // tokens that are not known, by address
	clients auth.Limiter // wrong secrets at the token endpoint, by address and client
	bearers auth.Limiter // bearer tokens that a client got at the token endpoint
}

// New is the handler of every route.
func New(o Options) *API {
	if o.MaxBody == 0 {
		o.MaxBody = 1 << 20
	}
	a := &API{Options: o, strange: auth.Limiter{Most: 100, Per: time.Minute}, clients: auth.Limiter{Most: 10, Per: time.Minute},
		bearers: auth.Limiter{Most: 120, Per: time.Minute}}
	for _, r := range a.Routes() {
		a.routes.Add(r.Method, r.Pattern, r)
	}
	return a
}

// Serves says whether a path is one of the API's, whatever the method.
func (a *API) Serves(r *http.Request) bool {
	f, ok := a.routes.Find(r.Method, r.URL.EscapedPath())
	return ok || len(f.Allowed) > 0
}

// request is one call: who asks, of which scope.
type request struct {
	*http.Request
	by    order.By
	who   auth.Principal
	scope order.ID // subscription and group; Name where the route names a resource
	// generation is what If-Match named; 0 = whichever there is.
	generation int64
	vault      secret.VaultRow // where the route is about a vault's secrets
}

type handler func(w http.ResponseWriter, r *request) error

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// or0 is the first number that is not 0.
func or0(a, b int64) int64 {
	if a == 0 {
		return b
	}
	return a
}

var statusOf = map[order.RefusalKind]int{
	order.BadInput: 400, order.NotFound: 404, order.Conflict: 409, order.Stale: 412, order.Forbidden: 403, order.TooMany: 429, order.Unsuitable: 422, order.NoMethod: 405,
	order.LongURL: 414, order.MediaType: 415, order.LongHeader: 431,
}

// fail writes an error in ARM's envelope. What is no refusal is ours: it is logged whole and told in short.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	var body arm.ErrorBody
	status := http.StatusInternalServerError
	refusal, isRefusal := order.AsRefusal(err)
	var tooLarge *http.MaxBytesError
	switch {
	case isRefusal:
		status = statusOf[refusal.Kind]
		if refusal.After > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(refusal.After.Seconds()))))
		}
		body.Error = arm.Refused(refusal)
	case auth.Strange(err):
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", `Bearer authorization="`+a.Public+"/"+auth.Tenant+`", authorization_uri="`+a.Public+"/"+auth.Tenant+`", error="invalid_token"`)
		body.Error = arm.ErrorInfo{Code: "AuthenticationFailed", Message: err.Error(), Fix: "Sign in with: certwright login " + a.Public}
	case errors.As(err, &tooLarge):
		status = http.StatusRequestEntityTooLarge
		body.Error = arm.ErrorInfo{Code: "BodyTooLarge", Message: fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit), Fix: "Send less at once; whoever runs the server can allow more with limits.body"}
	case errors.Is(err, fulfill.ErrNotFound), errors.Is(err, secret.ErrNotFound):
		status = http.StatusNotFound
		body.Error = arm.ErrorInfo{Code: "NotFound", Message: err.Error(), Fix: "See what there is with: certwright explore"}
	default:
		var p *order.Problem
		if errors.As(err, &p) {
			status = http.StatusUnprocessableEntity
			body.Error = arm.ErrorInfo{Code: or(p.ID, "Problem"), Message: p.Error(), Fix: p.Fix}
			break
		}
		a.Logger.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		body.Error = arm.ErrorInfo{Code: "InternalServerError", Message: "Certwright could not do this: " + err.Error(), Fix: "Try again; if it stays, see the server's log"}
	}
	write(w, status, body)
}

// write sends JSON.
func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if _, ok := w.(indented); ok {
		e.SetIndent("", "  ")
	}
	_ = e.Encode(v) // the client is gone if this fails
}

// indented is an answer that a person reads: curl and browsers do not ask for application/json, programs do. To indent an order
// costs three times what writing it costs.
type indented struct{ http.ResponseWriter }

func forPerson(r *http.Request) bool {
	return !strings.Contains(r.Header.Get("Accept"), "application/json")
}

// readLoose decodes a body of which much is for a platform that this is not: properties that are not known mean nothing.
func readLoose(r *request, v any) error {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	return arm.DecodeLoose(data, v)
}

// readPatch decodes the body of a PATCH of an order; bare: it says nothing of properties.
func readPatch(r *request) (w arm.Wish, bare bool, err error) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return w, false, err
	}
	if len(strings.TrimSpace(string(data))) == 0 {
		data = []byte("{}")
	}
	return arm.DecodePatch(data)
}

// read decodes a body strictly; none is an empty object.
func read(r *request, v any) error {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if len(strings.TrimSpace(string(data))) == 0 {
		data = []byte("{}")
	}
	return arm.Decode(data, v)
}
