package issue

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"certwright/internal/fulfill"
	"certwright/internal/order"
)

// How often renewal information is asked for (RFC 9773 section 4.3.2 wants such bounds on both sides).
const (
	renewalAgain   = 6 * time.Hour // when the authority does not say
	renewalSoonest = time.Minute
	renewalLatest  = 24 * time.Hour
)

// CertID names a certificate to its authority (RFC 9773 section 4.1): its authority key identifier and
// its serial number, the DER content octets (with a leading 00 where the high bit is set), both
// base64url without padding, with a dot between.
func CertID(cert *x509.Certificate) (string, error) {
	if len(cert.AuthorityKeyId) == 0 {
		return "", errors.New("the certificate has no authority key identifier, so it has no CertID (RFC 9773 section 4.1)")
	}
	if cert.SerialNumber == nil {
		return "", errors.New("the certificate has no serial number")
	}
	der, err := asn1.Marshal(cert.SerialNumber)
	if err != nil {
		return "", fmt.Errorf("serial number: %w", err)
	}
	var raw asn1.RawValue
	if _, err := asn1.Unmarshal(der, &raw); err != nil {
		return "", fmt.Errorf("serial number: %w", err)
	}
	b64 := base64.RawURLEncoding
	return b64.EncodeToString(cert.AuthorityKeyId) + "." + b64.EncodeToString(raw.Bytes), nil
}

// RenewalInfo asks for the suggested renewal window of a certificate (RFC 9773 section 4). A zero
// Renewal: the authority has no such information.
func (a *ACME) RenewalInfo(ctx context.Context, leaf []byte) (fulfill.Renewal, error) {
	cert, err := x509.ParseCertificate(leaf)
	if err != nil {
		return fulfill.Renewal{}, fmt.Errorf("%s: the certificate: %w", opRenewal, err)
	}
	base, err := a.renewalURL(ctx)
	if err != nil || base == "" {
		return fulfill.Renewal{}, err
	}
	id, err := CertID(cert)
	if err != nil {
		return fulfill.Renewal{}, nil // nothing to ask by: as if there were no information
	}
	where := strings.TrimSuffix(base, "/") + "/" + id
	var body []byte
	last, err := a.get(ctx, opRenewal, where, &body)
	now := a.o.Now()
	again := renewalAgain
	if d, ok := retryAfter(last.Header, now); ok {
		again = min(max(d, renewalSoonest), renewalLatest)
	}
	r := fulfill.Renewal{CertID: id, Again: now.Add(again)}
	if gone(err) {
		// Not issued there, or forgotten: it has no window, and may have none to replace either.
		return fulfill.Renewal{Again: now.Add(renewalLatest)}, nil
	}
	if err != nil {
		return r, a.later(err, r.Again)
	}
	if r.Window, err = parseWindow(body); err != nil {
		return r, a.later(rubbish(opRenewal, where, err, body, now), r.Again)
	}
	return r, nil
}

// later says that renewal information is not asked for again before the time.
func (a *ACME) later(err error, until time.Time) error {
	var p *order.Problem
	if errors.As(err, &p) && p.Until.Before(until) && p.Status != 0 {
		p.Until = until
	}
	return err
}

// renewalURL is where the directory has renewal information; empty = nowhere.
func (a *ACME) renewalURL(ctx context.Context) (string, error) {
	unlock, err := a.lock(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	dir, err := a.readDirectory(ctx)
	if err != nil {
		return "", err
	}
	return dir.parsed.RenewalInfo, nil
}

// parseWindow reads the RenewalInfo object (RFC 9773 section 4.2).
func parseWindow(body []byte) (*order.Window, error) {
	var info struct {
		Window struct {
			Start, End time.Time
		} `json:"suggestedWindow"`
		Explanation string `json:"explanationURL"`
	}
	if err := json.Unmarshal(body, &info); err != nil {
		return nil, err
	}
	if info.Window.Start.IsZero() || !info.Window.End.After(info.Window.Start) {
		return nil, fmt.Errorf("the window from %s to %s is none", info.Window.Start.Format(time.RFC3339), info.Window.End.Format(time.RFC3339))
	}
	return &order.Window{Start: info.Window.Start, End: info.Window.End, Explanation: info.Explanation}, nil
}

// Revoke withdraws a certificate (DER) with the account's key (RFC 8555 section 7.6).
func (a *ACME) Revoke(ctx context.Context, cert []byte, reason int) error {
	c, err := x509.ParseCertificate(cert)
	if err != nil {
		return &order.Problem{Class: order.Final, What: string(opRevoke), Detail: "the certificate cannot be read: " + err.Error(), Owner: order.OwnerAdmin, At: a.o.Now()}
	}
	_, err = a.call(ctx, opRevoke, func(ctx context.Context, cl *acme.Client, acct acme.Account) error {
		return cl.RevokeCertificate(ctx, acct, c, nil, reason)
	})
	var p *order.Problem
	if errors.As(err, &p) && p.Type == acme.ProblemTypeAlreadyRevoked {
		return nil
	}
	return err
}

// httpDate reads the Date header of an answer; false = it has none.
func httpDate(h http.Header) (time.Time, bool) {
	t, err := http.ParseTime(h.Get("Date"))
	return t, err == nil
}
