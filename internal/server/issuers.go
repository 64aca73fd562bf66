package server

import (
	"bytes"
	"context"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"certwright/internal/fulfill"
	"certwright/internal/issue"
	"certwright/internal/order"
	"certwright/internal/probe"
	"certwright/internal/secret"
)

// issuers are the configured authorities: rows of the store, and a client for each that is used.
type issuers struct {
	s       *Server
	mu      sync.Mutex
	clients map[string]*client
	rows    map[string]seenRow
}

// seenRow is an issuer's row as it was a moment ago: every order asks for it several times.
type seenRow struct {
	row order.Issuer
	at  time.Time
}

// rowLife is how long a row is taken for true: what another replica changed is seen after it.
const rowLife = time.Second

// load reads an issuer's row, or gives the one that was read a moment ago.
func (i *issuers) load(ctx context.Context, name string) (*order.Issuer, error) {
	key, now := strings.ToLower(name), i.s.Now()
	i.mu.Lock()
	seen, ok := i.rows[key]
	i.mu.Unlock()
	if ok && now.Sub(seen.at) < rowLife && !now.Before(seen.at) {
		row := seen.row
		return &row, nil
	}
	row, err := i.s.Store.LoadIssuer(ctx, name)
	if err != nil {
		return nil, err
	}
	i.mu.Lock()
	i.rows[key] = seenRow{*row, now}
	i.mu.Unlock()
	return row, nil
}

// forget drops what is known of a row that was changed.
func (i *issuers) forget(name string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.rows, strings.ToLower(name))
}

// client is an ACME account in use, with the row that it was made of.
type client struct {
	of   string
	acme *issue.ACME
}

// Authority gives the authority of an issuer's name.
func (i *issuers) Authority(ctx context.Context, name string) (fulfill.Authority, fulfill.Traits, error) {
	if strings.EqualFold(name, order.BuiltinIssuer) {
		return i.s.Builtin, fulfill.Traits{Patient: true, Wildcard: true, Internal: true, InFlight: 64}, nil
	}
	row, err := i.load(ctx, name)
	if err != nil {
		return nil, fulfill.Traits{}, err
	}
	c, err := i.client(ctx, row)
	traits := fulfill.Traits{InFlight: row.InFlight, Wildcard: true}
	if !row.Hold.IsZero() && row.Problem != nil {
		traits.Hold = row.Problem
	}
	return c, traits, err
}

// Hold records what an authority asked of the whole account: not to be asked before p.Until. nil = that is over.
func (i *issuers) Hold(ctx context.Context, name string, p *order.Problem) error {
	defer i.forget(name)
	for {
		row, err := i.s.Store.LoadIssuer(ctx, name)
		if errors.Is(err, fulfill.ErrNotFound) {
			return nil // the built-in authority has no row, a removed one needs none
		}
		if err != nil {
			return err
		}
		if p == nil && row.Hold.IsZero() || p != nil && !p.Until.After(row.Hold) {
			return nil
		}
		row.Hold, row.Problem, row.Updated = time.Time{}, nil, i.s.Now()
		if p != nil {
			row.Hold, row.Problem = p.Until, p
		}
		if err := i.s.Store.SaveIssuer(ctx, row); !errors.Is(err, fulfill.ErrConflict) {
			return err
		}
	}
}

// client makes the account's client once for as long as its row says the same.
func (i *issuers) client(ctx context.Context, row *order.Issuer) (*issue.ACME, error) {
	of := strings.Join([]string{row.Directory, string(row.CAFile), strings.Join(row.Contact, ","), row.EABKid, row.Profile}, "\x00")
	i.mu.Lock()
	defer i.mu.Unlock()
	if c := i.clients[row.Name]; c != nil && c.of == of {
		return c.acme, nil
	}
	key, err := i.s.Keys.CreateSigner(ctx, accountKey(row.Name), order.P256)
	if err != nil {
		return nil, fmt.Errorf("open the account key of issuer %s: %w", row.Name, err)
	}
	var eab secret.Bytes
	if row.EABKid != "" {
		if eab, err = i.s.Keys.GetSecret(ctx, eabKey(row.Name)); err != nil {
			return nil, fmt.Errorf("open the external account binding of issuer %s: %w", row.Name, err)
		}
	}
	dialer := i.s.dialer()
	c := issue.NewACME(issue.ACMEOptions{Issuer: *row, Key: key, EABKey: eab, Now: i.s.Now, Dial: dialer.DialContext, Poll: time.Duration(i.s.Config.ACME.Poll), Logger: i.s.Logger,
		SaveAccount: func(ctx context.Context, account string) error { return i.saveAccount(ctx, row.Name, account) }})
	i.clients[row.Name] = &client{of: of, acme: c}
	return c, nil
}

func accountKey(issuer string) string { return "issuer/" + strings.ToLower(issuer) }
func eabKey(issuer string) string     { return accountKey(issuer) + "/eab" }

// saveAccount records where the account is.
func (i *issuers) saveAccount(ctx context.Context, name, account string) error {
	for {
		row, err := i.s.Store.LoadIssuer(ctx, name)
		if err != nil || row.Account == account {
			return err
		}
		row.Account, row.Updated = account, i.s.Now()
		if err := i.s.Store.SaveIssuer(ctx, row); !errors.Is(err, fulfill.ErrConflict) {
			return err
		}
	}
}

func bad(property, message, fix string) error {
	return &order.Refusal{Kind: order.BadInput, Code: "InvalidIssuer", Property: property, Message: message, Fix: fix}
}

// Add records a new issuer. The account is registered when it is first used.
func (i *issuers) Add(ctx context.Context, row order.Issuer, eab secret.Bytes) (order.Issuer, error) {
	if err := checkIssuer(row, eab, i.s.guard()); err != nil {
		return row, err
	}
	switch old, err := i.s.Store.LoadIssuer(ctx, row.Name); {
	case err == nil:
		return i.again(ctx, *old, row, eab)
	case !errors.Is(err, fulfill.ErrNotFound):
		return row, err
	}
	row.Created, row.Updated, row.Revision = i.s.Now(), i.s.Now(), 0
	if row.EABKid != "" {
		if err := i.s.Keys.PutSecret(ctx, eabKey(row.Name), eab); err != nil {
			return row, fmt.Errorf("keep the external account binding: %w", err)
		}
	}
	defer i.forget(row.Name)
	err := i.s.Store.SaveIssuer(ctx, &row)
	if errors.Is(err, fulfill.ErrExists) || errors.Is(err, fulfill.ErrConflict) {
		return row, issuerExists(row.Name)
	}
	return row, err
}

// again is an issuer that is there already: asked for in the same words it is as it was; a change is refused, as it
// would be another account.
func (i *issuers) again(ctx context.Context, old, row order.Issuer, eab secret.Bytes) (order.Issuer, error) {
	same := row.Directory == old.Directory && bytes.Equal(row.CAFile, old.CAFile) && slices.Equal(row.Contact, old.Contact) && row.EABKid == old.EABKid && row.Profile == old.Profile && row.InFlight == old.InFlight
	if same && row.EABKid != "" {
		kept, err := i.s.Keys.GetSecret(ctx, eabKey(old.Name))
		if err != nil {
			return row, fmt.Errorf("open the external account binding of issuer %s: %w", old.Name, err)
		}
		same = subtle.ConstantTimeCompare(kept, eab) == 1
	}
	if !same {
		return row, issuerExists(old.Name)
	}
	return old, nil
}

func issuerExists(name string) error {
	return &order.Refusal{Kind: order.Conflict, Code: "IssuerExists", Property: "name", Message: fmt.Sprintf("an issuer named %s exists already", name), Fix: "Choose another name, or remove that one first"}
}

// dialled refuses a directory whose address would be refused when it is dialled. What a name leads to is seen then.
func dialled(host string, g probe.Guard) error {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return nil
	}
	if err := g.Check(a); err != nil {
		return bad("directory", err.Error(), "Give the address of an ACME authority; which private ones may be dialled, network.private and network.loopback of the configuration say")
	}
	return nil
}

func checkIssuer(row order.Issuer, eab secret.Bytes, g probe.Guard) error {
	if err := order.ValidName(row.Name); err != nil {
		return bad("name", err.Error(), "Use 1 to 64 letters, digits, '-', '_' and '.', beginning with a letter or digit")
	}
	if strings.EqualFold(row.Name, order.BuiltinIssuer) {
		return bad("name", "the name builtin is the built-in authority's", "Choose another name")
	}
	u, err := url.Parse(row.Directory)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return bad("directory", fmt.Sprintf("%q is no ACME directory: it must be an https:// URL", row.Directory), "See the authority's documentation for its directory URL")
	}
	if err := dialled(u.Hostname(), g); err != nil {
		return err
	}
	if len(row.CAFile) > 0 && !x509.NewCertPool().AppendCertsFromPEM(row.CAFile) {
		return bad("caFile", "it holds no certificate in PEM", "Give the text of a file that begins with -----BEGIN CERTIFICATE-----")
	}
	for _, c := range row.Contact {
		if !strings.HasPrefix(c, "mailto:") || !strings.Contains(c, "@") {
			return bad("contact", fmt.Sprintf("%q is no contact", c), "Write it as mailto:ops@example.com")
		}
	}
	if (row.EABKid == "") != (len(eab) == 0) {
		return bad("eabKid", "an external account binding needs both its key id and its HMAC key", "Give both, as the authority shows them")
	}
	if row.InFlight < 0 || row.InFlight > 1000 {
		return bad("inFlight", "it must be between 0 and 1000", "Give how many orders may be under way at once, or leave it away")
	}
	return nil
}

// builtin is the row of the built-in authority, which is in no table.
func (i *issuers) builtin() order.Issuer {
	return order.Issuer{Name: order.BuiltinIssuer, Kind: order.IssuerBuiltin}
}

// List gives all issuers, the built-in one first.
func (i *issuers) List(ctx context.Context) ([]order.Issuer, error) {
	rows, err := i.s.Store.ListIssuers(ctx)
	return append([]order.Issuer{i.builtin()}, rows...), err
}

// Get gives one issuer.
func (i *issuers) Get(ctx context.Context, name string) (order.Issuer, error) {
	if strings.EqualFold(name, order.BuiltinIssuer) {
		return i.builtin(), nil
	}
	row, err := i.s.Store.LoadIssuer(ctx, name)
	if errors.Is(err, fulfill.ErrNotFound) {
		return order.Issuer{}, &order.Refusal{Kind: order.NotFound, Code: "IssuerNotFound", Message: fmt.Sprintf("there is no issuer %s", name), Fix: "See the names with: certwright issuer list"}
	}
	if err != nil {
		return order.Issuer{}, err
	}
	return *row, nil
}

// Remove removes an issuer that no order uses.
func (i *issuers) Remove(ctx context.Context, name string) error {
	row, err := i.Get(ctx, name)
	if err != nil {
		return err
	}
	if row.Kind == order.IssuerBuiltin {
		return bad("name", "the built-in authority cannot be removed", "Remove another one")
	}
	page, err := i.s.Store.ListOrders(ctx, order.Query{Issuer: row.Name, Limit: 1})
	if err != nil {
		return err
	}
	if len(page.Orders) > 0 {
		return &order.Refusal{Kind: order.Conflict, Code: "IssuerInUse", Message: fmt.Sprintf("order %s is issued by %s", page.Orders[0].ID.Name, name), Fix: "Change or delete that order first"}
	}
	defer i.forget(name)
	return i.s.Store.DeleteIssuer(ctx, &row)
}
