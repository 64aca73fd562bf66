package issue

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"certwright/internal/order"
)

// userAgent names us to the authority (RFC 8555 section 6.1 wants one).
const userAgent = "certwright"

// directoryLife is how long a directory is believed.
const directoryLife = 12 * time.Hour

// directory is the authority's directory as last read.
type directory struct {
	url    string
	raw    []byte // for the library: without renewalInfo
	parsed acme.Directory
	client *acme.Client
	read   time.Time
}

// answer gives the directory to the library from memory. The library fetches it under a lock that all
// of a process's authorities share; so one that hangs would stop the others.
func (d *directory) answer(req *http.Request) *http.Response {
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Request: req,
		Body: io.NopCloser(bytes.NewReader(d.raw)), ContentLength: int64(len(d.raw)),
	}
}

// lock takes the turn, or gives up with ctx.
func (a *ACME) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case a.turn <- struct{}{}:
		return func() { <-a.turn }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the account of issuer %s: %w", a.o.Issuer.Name, context.Cause(ctx))
	}
}

// account gives the account and the directory, registering and reading them where needed. lost is an
// account URL that the authority was seen not to know; empty = none.
func (a *ACME) account(ctx context.Context, lost string) (acme.Account, *directory, error) {
	unlock, err := a.lock(ctx)
	if err != nil {
		return acme.Account{}, nil, err
	}
	defer unlock()
	dir, err := a.readDirectory(ctx)
	if err != nil {
		return acme.Account{}, nil, err
	}
	// Another call may have registered it again meanwhile: then it is no longer the lost one.
	if a.acct == nil || lost != "" && a.acct.Location == lost {
		acct, err := a.register(ctx, dir)
		if err != nil {
			return acme.Account{}, nil, err
		}
		a.acct = &acct
	}
	return *a.acct, dir, nil
}

// readDirectory reads the directory if it was not read lately. The turn is held.
func (a *ACME) readDirectory(ctx context.Context) (*directory, error) {
	if a.dir != nil && a.o.Now().Sub(a.dir.read) < directoryLife {
		return a.dir, nil
	}
	d := &directory{url: withoutFragment(a.o.Issuer.Directory), read: a.o.Now()}
	var body []byte
	_, err := a.get(ctx, opDirectory, d.url, &body)
	if err != nil {
		return nil, err
	}
	if err := d.parse(body); err != nil {
		return nil, rubbish(opDirectory, d.url, err, body, a.o.Now())
	}
	// The library keeps directories by URL for half a day; the digest lets a changed one through.
	d.client = &acme.Client{
		Directory: fmt.Sprintf("%s#%x", d.url, sha256.Sum256(d.raw)), HTTPClient: a.http, UserAgent: userAgent,
		PollTimeout: 1, // nanosecond: FinalizeOrder returns after its one POST; polling is ours
	}
	a.dir = d
	return d, nil
}

// get reads a public resource of the authority.
func (a *ACME) get(ctx context.Context, at op, where string, body *[]byte) (answer, error) {
	return a.exchange(ctx, at, nil, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
		if err != nil {
			return fmt.Errorf("%s is not a URL: %w", where, err)
		}
		req.Header.Set("User-Agent", userAgent)
		resp, err := a.http.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if *body, err = io.ReadAll(resp.Body); err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("HTTP %d", resp.StatusCode)
		}
		return err
	})
}

// parse checks a directory (RFC 8555 section 7.1.1).
func (d *directory) parse(body []byte) error {
	if err := json.Unmarshal(body, &d.parsed); err != nil {
		return err
	}
	for name, u := range map[string]string{"newNonce": d.parsed.NewNonce, "newAccount": d.parsed.NewAccount, "newOrder": d.parsed.NewOrder} {
		parsed, err := url.Parse(u)
		if err != nil || parsed.Host == "" {
			return fmt.Errorf("%s is %q and should be a URL", name, u)
		}
	}
	// Without renewalInfo, else the library asks for renewal information at every download, several times and
	// with seconds in between when there is none. We ask for it ourselves.
	forLibrary := d.parsed
	forLibrary.RenewalInfo = ""
	var err error
	d.raw, err = json.Marshal(forLibrary)
	return err
}

// register makes the account, or finds the one that has this key (RFC 8555 section 7.3), and records
// its URL. The turn is held.
func (a *ACME) register(ctx context.Context, dir *directory) (acme.Account, error) {
	acct := acme.Account{PrivateKey: a.o.Key, Contact: a.o.Issuer.Contact, TermsOfServiceAgreed: true}
	where := dir.parsed.NewAccount
	_, err := a.exchange(ctx, opAccount, dir, func(ctx context.Context) error {
		if err := a.bind(ctx, dir, &acct); err != nil {
			return err
		}
		made, err := dir.client.NewAccount(ctx, acct)
		acct.Status, acct.Location = made.Status, made.Location
		return err
	})
	var p *order.Problem
	if errors.As(err, &p) && acct.ExternalAccountBinding != nil && (p.ID == "" || p.ID == "ca-account-key-mismatch") && p.Status/100 == 4 {
		ruleOf("ca-eab-bad-hmac").apply(p) // our own key signed the request itself: what does not fit is the binding in it
	}
	if err != nil {
		return acct, err
	}
	if acct.Location == "" {
		return acct, rubbish(opAccount, where, fmt.Errorf("an account needs a Location"), nil, a.o.Now())
	}
	if acct.Status != "" && acct.Status != acme.StatusValid {
		p := &order.Problem{What: string(opAccount), Where: acct.Location, Detail: "the account is " + acct.Status, At: a.o.Now()}
		judge(opAccount, acmeError+"unauthorized", 0, "account deactivated").apply(p)
		return acct, p
	}
	acct.ExternalAccountBinding = nil // used once
	a.o.Logger.Info("account registered", "issuer", a.o.Issuer.Name, "account", acct.Location)
	if a.o.SaveAccount != nil {
		// Registering again with the same key finds the same account, so a lost record does no harm.
		if err := a.o.SaveAccount(ctx, acct.Location); err != nil {
			return acct, fmt.Errorf("record account %s of issuer %s: %w", acct.Location, a.o.Issuer.Name, err)
		}
	}
	return acct, nil
}

// bind adds the external account binding (RFC 8555 section 7.3.4), or says that one is missing.
func (a *ACME) bind(ctx context.Context, dir *directory, acct *acme.Account) error {
	required := dir.parsed.Meta != nil && dir.parsed.Meta.ExternalAccountRequired
	p := &order.Problem{What: string(opAccount), Where: dir.parsed.NewAccount, At: a.o.Now()}
	if a.o.Issuer.EABKid == "" || len(a.o.EABKey) == 0 {
		if required {
			p.Detail = "the directory says that an external account is required, and the issuer has none"
			judge(opAccount, acmeError+"externalAccountRequired", 0, p.Detail).apply(p)
			return p
		}
		return nil
	}
	text := strings.NewReplacer("+", "-", "/", "_", "=", "", " ", "", "\n", "", "\r", "", "\t", "").Replace(string(a.o.EABKey.Reveal()))
	if key, err := base64.RawURLEncoding.DecodeString(text); err != nil || len(key) == 0 {
		p.Detail = "the external account HMAC key is not base64url text"
		judge(opAccount, acmeError+"malformed", 0, "external account HMAC").apply(p)
		return p
	}
	return acct.SetExternalAccountBinding(ctx, dir.client, acme.EAB{KeyID: a.o.Issuer.EABKid, MACKey: text})
}

// Thumbprint is that of the account's key (RFC 8555 section 8.1, RFC 7638): the second half of every key
// authorization. Empty if it cannot be computed.
func (a *ACME) Thumbprint() string {
	t, err := (&acme.Account{PrivateKey: a.o.Key}).Thumbprint()
	if err != nil {
		return ""
	}
	return t
}
