package issue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// clockBound is the difference between our clock and the authority's beyond which signatures and
// certificates begin to look as if they were from another time.
const clockBound = 5 * time.Minute

// Observe looks at the directory, the account and the authority's clock. It registers nothing.
func (a *ACME) Observe(ctx context.Context) []evidence.Observation {
	began := a.o.Now()
	var body []byte
	last, err := a.get(ctx, opDirectory, withoutFragment(a.o.Issuer.Directory), &body)
	dir := a.observation("directory", "an ACME directory")
	dir.Took = a.o.Now().Sub(began)
	var d directory
	if err == nil {
		if e := d.parse(body); e != nil {
			err = rubbish(opDirectory, a.o.Issuer.Directory, e, body, a.o.Now())
		}
	}
	fetched := evidence.Fetched{URL: a.o.Issuer.Directory, Body: body[:min(len(body), 1024)]}
	if last.Status != 0 {
		fetched.Hops = []evidence.Hop{{URL: last.URL, Status: last.Status, Server: last.Header.Get("Server"), Type: last.Header.Get("Content-Type")}}
	}
	if err != nil {
		dir.Outcome, dir.Reason, fetched.Error = evidence.Fail, err.Error(), err.Error()
	} else {
		dir.Outcome, dir.Seen = evidence.Pass, "an ACME directory"
	}
	return []evidence.Observation{dir.With(fetched), a.observeClock(last), a.observeAccount(ctx, err)}
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

// observeClock compares our clock with the Date header of an answer.
func (a *ACME) observeClock(last answer) evidence.Observation {
	o := a.observation("clock", fmt.Sprintf("within %s of ours", clockBound))
	date, ok := httpDate(last.Header)
	if !ok {
		o.Outcome, o.Reason = evidence.Unknown, "there was no answer with a Date"
		return o
	}
	diff := date.Sub(last.At.Truncate(time.Second)) // the header has no fractions
	o.Seen, o.Outcome = fmt.Sprintf("%+.0f s", diff.Seconds()), evidence.Pass
	if diff.Abs() > clockBound {
		o.Outcome, o.Reason = evidence.Fail, "the authority's clock and ours differ"
	}
	return o
}

// observeAccount asks for the account that has our key, making none (RFC 8555 section 7.3.1).
func (a *ACME) observeAccount(ctx context.Context, dirErr error) evidence.Observation {
	o := a.observation("account", acme.StatusValid)
	o.Command = "" // it takes the account's signature
	if dirErr != nil {
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
	var p *order.Problem
	switch {
	case err == nil && (acct.Status == acme.StatusValid || acct.Status == ""):
		o.Outcome, o.Seen = evidence.Pass, acme.StatusValid
	case err == nil:
		o.Outcome, o.Seen = evidence.Fail, acct.Status
	case errors.As(err, &p) && p.ID == "ca-account-unknown" && a.acct == nil:
		o.Outcome, o.Reason = evidence.Unknown, "no account is registered yet; it is made with the first order"
	case errors.As(err, &p) && p.ID == "ca-account-unknown":
		o.Outcome, o.Seen, o.Reason = evidence.Fail, "unknown", p.Detail
	case errors.As(err, &p) && p.ID == "ca-account-deactivated":
		o.Outcome, o.Seen, o.Reason = evidence.Fail, acme.StatusDeactivated, p.Detail
	default:
		o.Outcome, o.Reason = evidence.Unknown, err.Error()
	}
	if a.acct != nil {
		o.Subject = a.acct.Location
	}
	return o
}
