package issue

import (
	"context"
	"crypto"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mholt/acmez/v3/acme"
	"golang.org/x/sync/errgroup"

	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/secret"
)

// ACMEOptions say how an ACME authority is used. Issuer, Key and Now are needed.
type ACMEOptions struct {
	Issuer order.Issuer
	Key    crypto.Signer // the account key; never the key of a certificate
	// EABKey is the external account HMAC key as the authority shows it: base64url text (standard
	// base64 and padding are understood). Empty = no external account binding.
	EABKey secret.Bytes
	Now    func() time.Time
	// HTTPClient is used as it is, but for its Transport being wrapped. Nil = one made of Issuer.CAFile, Dial and Proxy.
	HTTPClient *http.Client
	// Dial connects; it is where addresses that may not be reached are refused. Nil = any address.
	Dial  func(ctx context.Context, network, address string) (net.Conn, error)
	Proxy func(*http.Request) (*url.URL, error) // nil = no proxy
	// Poll is the first wait between two looks at something pending; it grows to a hundred times
	// that. 0 = 50 ms, growing to 5 s. A Retry-After of the authority always counts for more.
	Poll time.Duration
	// Patience is how long Validate and Finalise poll before they let go with a Problem of class
	// Waiting. 0 = 30 s.
	Patience time.Duration
	// SaveAccount records the account's URL after a registration. Nil = it is not recorded.
	SaveAccount func(ctx context.Context, url string) error
	From        string       // vantage named in observations; empty = "server"
	Logger      *slog.Logger // nil = silent
}

// ACME is one account at an ACME authority (RFC 8555). It is a fulfill.Authority, safe for concurrent
// use, and keeps nothing that a restart would lose: an Opening is all that Validate and Finalise need.
type ACME struct {
	o    ACMEOptions
	http *http.Client

	fresh  fresh
	nonces nonces

	turn chan struct{} // held while directory or account are fetched; a channel, so that waiting ends with ctx
	dir  *directory    // under turn
	acct *acme.Account // under turn; nil until known
}

// atOnce is how many authorizations of one order are worked on at a time.
const atOnce = 4

// NewACME makes the account's client. Nothing is asked before the first use.
func NewACME(o ACMEOptions) *ACME {
	if o.Poll <= 0 {
		o.Poll = 50 * time.Millisecond
	}
	if o.Patience <= 0 {
		o.Patience = 30 * time.Second
	}
	if o.From == "" {
		o.From = "server"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	a := &ACME{o: o, http: newHTTPClient(o), turn: make(chan struct{}, 1)}
	if o.Issuer.Account != "" {
		a.acct = &acme.Account{Location: o.Issuer.Account, PrivateKey: o.Key, Contact: o.Issuer.Contact, TermsOfServiceAgreed: true}
	}
	return a
}

// Begin makes a new order at the authority and picks a challenge for each name (RFC 8555 sections 7.4
// and 7.5.1). Authorities that re-use pending orders or valid authorizations answer with those.
func (a *ACME) Begin(ctx context.Context, r fulfill.Request) (fulfill.Opening, error) {
	method := r.Method
	if method == order.MethodNone {
		method = order.MethodHTTP01
	}
	if p := a.refuseMethod(method, r.Names); p != nil {
		return fulfill.Opening{}, p
	}
	want := acme.Order{Replaces: r.Replaces, Profile: r.Profile}
	if want.Profile == "" {
		want.Profile = a.o.Issuer.Profile
	}
	for _, n := range r.Names {
		want.Identifiers = append(want.Identifiers, acme.Identifier{Type: string(n.Kind), Value: n.Value})
	}
	made, account, err := a.newOrder(ctx, want)
	if err != nil {
		return fulfill.Opening{}, err
	}
	o := fulfill.Opening{URL: made.Location, Account: account, Replaced: r.Replaces != "" && made.Replaces == r.Replaces}
	if !made.Expires.IsZero() {
		o.Expires = &made.Expires
	}
	if o.Proofs, err = a.proofs(ctx, made, method); err != nil {
		// No one will come back to this order: its address is not recorded yet.
		_ = a.abandon(context.WithoutCancel(ctx), made)
		return fulfill.Opening{}, err
	}
	a.fresh.open(made.Location)
	return o, nil
}

// newOrder asks for an order. A "replaces" that the authority does not like must not keep a
// certificate from being renewed (RFC 9773 section 5), so it is left out at the second try.
func (a *ACME) newOrder(ctx context.Context, want acme.Order) (made acme.Order, account string, err error) {
	for {
		var last answer
		last, err = a.call(context.WithValue(ctx, factsKey{}, nameFacts(want.Identifiers)), opNewOrder, func(ctx context.Context, c *acme.Client, acct acme.Account) error {
			dir, err := c.GetDirectory(ctx)
			if err != nil {
				return err
			}
			if p := a.unknownProfile(dir, want.Profile); p != nil {
				return p
			}
			account = acct.Location
			made, err = c.NewOrder(ctx, acct, want)
			return err
		})
		p := order.AsProblem(err, string(opNewOrder), a.o.Now())
		if want.Replaces == "" || p == nil || !aboutReplaces(p, last.Status) {
			break
		}
		a.o.Logger.Warn("the authority refused the order because of the certificate it replaces; asking without", "issuer", a.o.Issuer.Name, "replaces", want.Replaces, "detail", p.Detail)
		want.Replaces = ""
	}
	if err == nil && (made.Location == "" || len(made.Authorizations) == 0) {
		err = rubbish(opNewOrder, a.o.Issuer.Directory, fmt.Errorf("an order needs a Location and authorizations"), nil, a.o.Now())
	}
	if want.Replaces == "" {
		made.Replaces = ""
	} else {
		made.Replaces = want.Replaces // some authorities do not echo it
	}
	return made, account, err
}

// aboutReplaces says whether a refused order may be one for its "replaces" alone: a certificate
// replaced already, of another account, or not known (any of 404, malformed, an internal error).
func aboutReplaces(p *order.Problem, status int) bool {
	if status == 0 {
		return false // it was not even answered
	}
	switch strings.TrimPrefix(p.Type, acmeError) {
	case "alreadyReplaced", "conflict", "unauthorized":
		return true
	case "malformed":
		return status == http.StatusNotFound || mentionsReplaces.MatchString(p.Detail)
	case "serverInternal":
		return mentionsReplaces.MatchString(p.Detail)
	}
	return p.Type == "" && (status == http.StatusNotFound || status == http.StatusConflict)
}

var mentionsReplaces = words(`replace|certID|ARI|given certificate|existing order`)

// unknownProfile refuses a profile that the directory does not list; it must not be asked for.
func (a *ACME) unknownProfile(dir acme.Directory, profile string) error {
	if profile == "" {
		return nil
	}
	var offered []string
	if dir.Meta != nil {
		for name := range dir.Meta.Profiles {
			if name == profile {
				return nil
			}
			offered = append(offered, name)
		}
	}
	slices.Sort(offered)
	p := &order.Problem{What: string(opNewOrder), Where: a.o.Issuer.Directory, At: a.o.Now(), Detail: fmt.Sprintf("the directory lists no profile %q; it lists: %s", profile, listed(offered))}
	judge(opNewOrder, acmeError+"invalidProfile", 0, p.Detail).apply(p)
	return p
}

// refuseMethod refuses what can be seen to be impossible before the authority is asked.
func (a *ACME) refuseMethod(method order.Method, names []order.Name) error {
	p := &order.Problem{Class: order.Final, What: "choose a challenge", Where: a.o.Issuer.Directory, Owner: order.OwnerOwner, At: a.o.Now()}
	if method == order.MethodDNS01 {
		return nil
	}
	if method != order.MethodHTTP01 {
		p.ID, p.Detail = "ca-challenge-not-offered", fmt.Sprintf("an ACME authority does not verify by %q", method)
		p.Cause, p.Fix = "this method belongs to the built-in authority", "set the order's method to http-01 or dns-01, or use the built-in authority"
		return p
	}
	for _, n := range names {
		if n.Kind == order.DNS && strings.HasPrefix(n.Value, "*.") {
			p.ID, p.Detail = "ca-wildcard-needs-dns", n.Value+" is a wildcard, and http-01 cannot show control of one (RFC 8555 section 8.3)"
			p.Cause, p.Fix = "wildcards are verified over DNS only", "set the order's method to dns-01, or name each host in the order instead of the wildcard"
			return p
		}
	}
	return nil
}

// proofs reads the order's authorizations and picks the challenge of each.
func (a *ACME) proofs(ctx context.Context, o acme.Order, method order.Method) ([]order.Proof, error) {
	proofs := make([]order.Proof, len(o.Authorizations))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, authzURL := range o.Authorizations {
		g.Go(func() error {
			z, _, err := a.authorization(ctx, authzURL)
			if err == nil {
				proofs[i], err = a.proof(z, method)
			}
			return err
		})
	}
	return proofs, g.Wait()
}

// proof is what has to be published for one authorization.
func (a *ACME) proof(z acme.Authorization, method order.Method) (order.Proof, error) {
	p := order.Proof{Name: order.Name{Kind: order.NameKind(z.Identifier.Type), Value: z.IdentifierValue()}, Method: method, AuthzURL: z.Location}
	var offered []string
	for _, c := range z.Challenges {
		offered = append(offered, c.Type)
		if c.Type == string(method) {
			p.URL, p.Token, p.Value = c.URL, c.Token, c.KeyAuthorization
			if method == order.MethodDNS01 {
				p.Value = c.DNS01KeyAuthorization()
			}
		}
	}
	if a.settle(&p, z) || p.URL != "" {
		return p, nil
	}
	slices.Sort(offered)
	return p, &order.Problem{Class: order.Final, What: "choose a challenge", Where: z.Location, Owner: order.OwnerOwner, At: a.o.Now(), ID: "ca-challenge-not-offered",
		Detail: fmt.Sprintf("the authority does not offer %s for %s; it offers: %s", method, p.Name.Value, listed(offered)),
		Cause:  "the authority's policy for this name leaves this method out", Fix: "choose a method that is offered, or another authority"}
}

// authorization reads one authorization.
func (a *ACME) authorization(ctx context.Context, authzURL string) (z acme.Authorization, last answer, err error) {
	last, err = a.call(ctx, opAuthz, func(ctx context.Context, c *acme.Client, acct acme.Account) (err error) {
		z, err = c.GetAuthorization(ctx, acct, authzURL)
		return err
	})
	return z, last, err
}

// readOrder reads the order at the authority.
func (a *ACME) readOrder(ctx context.Context, orderURL string) (o acme.Order, last answer, err error) {
	last, err = a.call(ctx, opOrder, func(ctx context.Context, c *acme.Client, acct acme.Account) (err error) {
		o, err = c.GetOrder(ctx, acct, acme.Order{Location: orderURL})
		return err
	})
	return o, last, err
}

// Abandon deactivates the order's pending authorizations (RFC 8555 section 7.5.2), so that they do not
// count against the account. An order that is gone already is no error.
func (a *ACME) Abandon(ctx context.Context, _ fulfill.Request, o fulfill.Opening) error {
	a.fresh.take(o.URL)
	made, _, err := a.readOrder(ctx, o.URL)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return a.abandon(ctx, made)
}

func (a *ACME) abandon(ctx context.Context, o acme.Order) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, authzURL := range o.Authorizations {
		g.Go(func() error {
			z, _, err := a.authorization(ctx, authzURL)
			if err != nil || z.Status != acme.StatusPending {
				if gone(err) {
					err = nil
				}
				return err
			}
			_, err = a.call(ctx, opAbandon, func(ctx context.Context, c *acme.Client, acct acme.Account) error {
				_, err := c.DeactivateAuthorization(ctx, acct, authzURL)
				return err
			})
			return err
		})
	}
	return g.Wait()
}

func listed(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}
