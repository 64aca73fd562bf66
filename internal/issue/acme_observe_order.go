package issue

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// ObserveAttempt reads an attempt's order and authorizations at the authority; nothing is asked for.
func (a *ACME) ObserveAttempt(ctx context.Context, at *order.Attempt) []evidence.Observation {
	if at == nil || at.URL == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	o := a.observation(evidence.CheckOrder, "an order on its way")
	o.Subject, o.Command = at.URL, "" // it takes the account's signature
	seen := evidence.AuthorityOrder{Attempt: at.ID, URL: at.URL}
	made, _, err := a.readOrder(ctx, at.URL)
	var p *order.Problem
	switch {
	case errors.As(err, &p) && (gone(err) || p.Status/100 == 4):
		seen.Gone, seen.Error, seen.Type = true, p.Detail, p.Type
		o.Outcome, o.Seen, o.Reason = evidence.Fail, "the authority does not give it", err.Error()
		return []evidence.Observation{o.With(seen)}
	case err != nil:
		o.Outcome, o.Reason = evidence.Unknown, err.Error()
		return []evidence.Observation{o.With(seen)}
	}
	seen.Status, o.Seen, o.Outcome = made.Status, made.Status, evidence.Pass
	if !made.Expires.IsZero() {
		seen.Expires = &made.Expires
	}
	if made.Error != nil {
		seen.Error, seen.Type = made.Error.Detail, made.Error.Type
	}
	if made.Status == "invalid" {
		o.Outcome = evidence.Fail
	}
	for _, where := range made.Authorizations {
		seen.Names = append(seen.Names, a.seeAuthorization(ctx, where))
	}
	return []evidence.Observation{o.With(seen)}
}

// seeAuthorization reads one authorization.
func (a *ACME) seeAuthorization(ctx context.Context, where string) evidence.AuthzSeen {
	z, _, err := a.authorization(ctx, where)
	if err != nil {
		return evidence.AuthzSeen{Status: "not read", Error: err.Error()}
	}
	s := evidence.AuthzSeen{Name: z.IdentifierValue(), Status: z.Status}
	if !z.Expires.IsZero() {
		s.Expires = &z.Expires
	}
	for _, c := range z.Challenges {
		s.Offered = append(s.Offered, c.Type)
		if c.Error != nil && s.Error == "" {
			p := fromLibrary(*c.Error).problem(opProof, c.URL, a.o.Now())
			s.Error, s.Type, s.Finding = p.Detail, p.Type, p.ID
		}
	}
	return s
}

// windowLimit bounds the look at renewal information.
const windowLimit = 4 * time.Second

// ObserveWindow asks for the renewal information of a certificate (DER).
func (a *ACME) ObserveWindow(ctx context.Context, leaf []byte) []evidence.Observation {
	ctx, cancel := context.WithTimeout(ctx, windowLimit)
	defer cancel()
	o := a.observation(evidence.CheckRenewal, "a suggested window")
	seen := evidence.RenewalInfo{}
	if c, err := x509.ParseCertificate(leaf); err == nil {
		seen.Serial = order.SerialOf(c)
		o.Subject = "renewal information of serial " + seen.Serial
	}
	base, err := a.renewalURL(ctx)
	if err != nil {
		o.Outcome, o.Reason = evidence.Unknown, err.Error()
		return []evidence.Observation{o.With(seen)}
	}
	if base == "" {
		o.Outcome, o.Seen = evidence.Pass, "the authority has none"
		return []evidence.Observation{o.With(seen)}
	}
	seen.Offered = true
	r, err := a.RenewalInfo(ctx, leaf)
	switch {
	case err != nil:
		seen.Error, o.Outcome, o.Reason = err.Error(), evidence.Fail, err.Error()
	case r.Window == nil:
		seen.Error, o.Outcome, o.Seen = "the authority does not know the certificate there", evidence.Fail, "none for this certificate"
	default:
		seen.Start, seen.End, seen.Explanation = &r.Window.Start, &r.Window.End, r.Window.Explanation
		o.Outcome, o.Seen = evidence.Pass, fmt.Sprintf("from %s to %s", r.Window.Start.UTC().Format("2006-01-02 15:04"), r.Window.End.UTC().Format("2006-01-02 15:04"))
	}
	return []evidence.Observation{o.With(seen)}
}
