package issue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// clockBound is the difference between our clock and the authority's beyond which signatures and
// certificates begin to look as if they were from another time.
const clockBound = time.Minute

// lookLimit bounds one look at the authority: a host that swallows packets must be seen as such before the
// inspection ends.
const lookLimit = 6 * time.Second

// Observe looks at the directory, the account and the authority's clock. It registers nothing.
func (a *ACME) Observe(ctx context.Context) []evidence.Observation {
	began := a.o.Now()
	seen := a.look(ctx)
	dir := a.observation(evidence.CheckDirectory, "an ACME directory")
	dir.Took = a.o.Now().Sub(began)
	switch {
	case seen.Directory:
		dir.Outcome, dir.Seen = evidence.Pass, "an ACME directory"
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		dir.Outcome, dir.Reason = evidence.Unknown, "the look was cut short"
	default:
		dir.Outcome, dir.Reason = evidence.Fail, seen.Error
		dir.Seen = seen.Error
	}
	return []evidence.Observation{dir.With(seen), a.observeClock(seen), a.observeAccount(ctx, seen.Directory)}
}

// observation is one of this authority, not judged yet.
func (a *ACME) observation(check, expected string) evidence.Observation {
	curl := "curl -sS -i "
	if len(a.o.Issuer.CAFile) > 0 {
		curl += "--cacert ca.pem "
	}
	return evidence.Observation{Probe: evidence.ProbeCA, Check: check, Subject: a.o.Issuer.Directory, Expected: expected,
		From: a.o.From, At: a.o.Now(), Command: curl + "'" + a.o.Issuer.Directory + "'"}
}

// look asks for the directory on a connection of its own and notes everything that comes back.
func (a *ACME) look(ctx context.Context) evidence.Authority {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	where := withoutFragment(a.o.Issuer.Directory)
	seen := evidence.Authority{Issuer: a.o.Issuer.Name, URL: where, OwnRoots: len(a.o.Issuer.CAFile) > 0, Known: a.o.Issuer.Account != ""}
	u, err := url.Parse(where)
	if err != nil {
		seen.Error, seen.ErrorClass = err.Error(), "other"
		return seen
	}
	seen.Host = u.Hostname()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", seen.Host)
	for _, ip := range addrs {
		seen.Addresses = append(seen.Addresses, ip.Unmap().String())
	}
	slices.Sort(seen.Addresses)
	if err == nil {
		err = a.fetch(ctx, where, &seen)
	}
	if err != nil {
		seen.Error, seen.ErrorClass = err.Error(), connectionClass(err)
		var dns *net.DNSError
		seen.NXDomain = errors.As(err, &dns) && dns.IsNotFound
		if certificateClass(seen.ErrorClass) {
			a.lookAtChain(ctx, u, &seen)
		}
	}
	return seen
}

// fetch gets the directory and reads it. The error is that of the connection; what HTTP said is in seen.
func (a *ACME) fetch(ctx context.Context, where string, seen *evidence.Authority) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", userAgent)
	req.Close = true // what is seen is of now, not of a connection from before
	if a.o.Proxy != nil {
		if p, err := a.o.Proxy(req); err == nil && p != nil {
			seen.Proxy = p.Host
		}
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit))
	if err != nil {
		return err
	}
	h := resp.Header
	seen.Status, seen.Type, seen.RetryAfter, seen.Via = resp.StatusCode, h.Get("Content-Type"), h.Get("Retry-After"), h.Get("Via")
	seen.Body = body[:min(len(body), 1024)]
	if resp.TLS != nil {
		for _, c := range resp.TLS.PeerCertificates {
			seen.Chain = append(seen.Chain, c.Raw)
		}
	}
	if date, ok := httpDate(h); ok {
		seen.Date, seen.Skew = &date, date.Sub(a.o.Now().Truncate(time.Second)) // the header has no fractions
	}
	var d directory
	switch err := d.parse(body); {
	case resp.StatusCode != http.StatusOK:
		seen.Error = fmt.Sprintf("HTTP %d: %s", resp.StatusCode, excerpt(body))
	case err != nil:
		seen.Error = fmt.Sprintf("no ACME directory: %v; it begins: %s", err, excerpt(body))
	default:
		seen.Directory, seen.Renewal = true, d.parsed.RenewalInfo != ""
		if m := d.parsed.Meta; m != nil {
			seen.EAB = m.ExternalAccountRequired
			seen.CAA = m.CAAIdentities
			for name := range m.Profiles {
				seen.Profiles = append(seen.Profiles, name)
			}
			slices.Sort(seen.Profiles)
		}
	}
	return nil
}

// observeClock compares our clock with the Date header of an answer.
func (a *ACME) observeClock(seen evidence.Authority) evidence.Observation {
	o := a.observation(evidence.CheckClock, fmt.Sprintf("within %s of ours", clockBound))
	if seen.Date == nil {
		o.Outcome, o.Reason = evidence.Unknown, "there was no answer with a Date"
		return o
	}
	o.Seen, o.Outcome = fmt.Sprintf("%+.0f s", seen.Skew.Seconds()), evidence.Pass
	if seen.Skew.Abs() > clockBound {
		o.Outcome, o.Reason = evidence.Fail, "the authority's clock and ours differ"
	}
	return o.With(evidence.Clock{Peers: []evidence.ClockPeer{{Name: "issuer " + a.o.Issuer.Name, Host: seen.Host, Skew: seen.Skew}}})
}

// observeAccount asks for the account that has our key, making none (RFC 8555 section 7.3.1).
func (a *ACME) observeAccount(ctx context.Context, directory bool) evidence.Observation {
	o := a.observation(evidence.CheckAccount, acme.StatusValid)
	o.Command = "" // it takes the account's signature
	if !directory {
		o.Outcome, o.Reason = evidence.Unknown, "the directory cannot be read"
		return o
	}
	unlock, err := a.lock(ctx)
	if err != nil {
		o.Outcome, o.Reason = evidence.Unknown, err.Error()
		return o
	}
	defer unlock()
	dir, err := a.readDirectory(ctx)
	var acct acme.Account
	if err == nil {
		_, err = a.exchange(ctx, opAccount, dir, func(ctx context.Context) (err error) {
			acct, err = dir.client.GetAccount(ctx, acme.Account{PrivateKey: a.o.Key, TermsOfServiceAgreed: true})
			return err
		})
	}
	seen := evidence.Account{}
	if a.acct != nil {
		o.Subject, seen.URL = a.acct.Location, a.acct.Location
	}
	var p *order.Problem
	if errors.As(err, &p) {
		seen.Error, seen.Type, seen.HTTP, seen.Finding = p.Detail, p.Type, p.Status, p.ID
	}
	switch {
	case err == nil && (acct.Status == acme.StatusValid || acct.Status == ""):
		o.Outcome, o.Seen, seen.Status = evidence.Pass, acme.StatusValid, acme.StatusValid
		if seen.URL != "" && acct.Location != "" && acct.Location != seen.URL {
			o.Seen += " as " + acct.Location
		}
	case err == nil:
		o.Outcome, o.Seen, seen.Status = evidence.Fail, acct.Status, acct.Status
		seen.Finding, seen.Error = "ca-account-deactivated", "the account is "+acct.Status
	case p != nil && p.ID == "ca-account-unknown" && a.acct == nil:
		seen.None, seen.Finding = true, ""
		o.Outcome, o.Reason = evidence.Unknown, "no account is registered yet; it is made with the first order"
	case p != nil && p.ID == "ca-account-unknown":
		seen.None, o.Outcome, o.Seen, o.Reason = true, evidence.Fail, "unknown", p.Detail
	case p != nil && p.ID == "ca-account-deactivated":
		seen.Status, o.Outcome, o.Seen, o.Reason = acme.StatusDeactivated, evidence.Fail, acme.StatusDeactivated, p.Detail
	case p != nil && p.Status/100 == 4 && p.ID != "" && p.Type != "":
		o.Outcome, o.Seen, o.Reason = evidence.Fail, p.Type, p.Detail
	default:
		o.Outcome, o.Reason = evidence.Unknown, err.Error()
	}
	return o.With(seen)
}
