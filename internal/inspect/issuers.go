package inspect

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"certwright/internal/evidence"
)

const (
	maxIssuers     = 5        // certificates fetched above one leaf
	maxIssuerBytes = 64 << 10 // of one answer
	issuerTimeout  = 4 * time.Second
)

// CheckIssuers is the Check of an observation whose Data is an evidence.Issuers.
const CheckIssuers = "issuers"

// fetchIssuers follows the caIssuers addresses (RFC 5280 section 4.2.2.1) from the top of a served
// chain until a self-signed certificate. Only plain HTTP is asked, as authorities publish there; the
// guard sees every address. No observation if the certificates name no place.
func (o HostOptions) fetchIssuers(ctx context.Context, chain [][]byte) []evidence.Observation {
	top := topOf(chain)
	if top == nil || selfIssued(top) || len(top.IssuingCertificateURL) == 0 {
		return nil
	}
	o.tell("fetching the issuer of %q", top.Subject.CommonName)
	start := o.Now()
	is := evidence.Issuers{Leaf: fingerprint(chain[0])}
	client := o.client()
	for cur := top; len(is.Chain) < maxIssuers && !selfIssued(cur); {
		if len(cur.IssuingCertificateURL) == 0 {
			is.Error = fmt.Sprintf("%q names no place to fetch its issuer from", cur.Subject.CommonName)
			break
		}
		where := cur.IssuingCertificateURL[0]
		is.URLs = append(is.URLs, where)
		next, err := fetchOne(ctx, client, where, cur)
		if err != nil {
			is.Error = err.Error()
			break
		}
		is.Chain = append(is.Chain, next.Raw)
		cur = next
	}
	return []evidence.Observation{o.issuersObservation(top, is, start)}
}

func (o HostOptions) issuersObservation(top *x509.Certificate, is evidence.Issuers, start time.Time) evidence.Observation {
	x := evidence.Observation{Probe: evidence.ProbeTLS, Check: CheckIssuers, Subject: "issuer of " + top.Subject.String(), Outcome: evidence.Pass,
		Expected: "issued by " + top.Issuer.String(), From: o.From, At: start, Took: o.Now().Sub(start),
		Command: "curl -s '" + strings.ReplaceAll(is.URLs[0], "'", "%27") + "' | openssl x509 -inform der -noout -subject -issuer -dates"}
	var names []string
	for _, der := range is.Chain {
		if c, err := x509.ParseCertificate(der); err == nil {
			names = append(names, c.Subject.String())
		}
	}
	x.Seen = strings.Join(names, " <- ")
	if len(is.Chain) == 0 {
		x.Outcome, x.Reason = evidence.Unknown, is.Error
	}
	return x.With(is)
}

// fetchOne gets the issuer of a certificate, in DER or PEM (bundles in PKCS #7 are not read). What bears another
// name than the issuer is refused.
func fetchOne(ctx context.Context, client *http.Client, where string, child *x509.Certificate) (*x509.Certificate, error) {
	u, err := url.Parse(where)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("%q is not an HTTP address", where)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch the issuer from %s: %w", where, err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch the issuer: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch the issuer from %s: HTTP %d", where, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxIssuerBytes+1))
	if err != nil {
		return nil, fmt.Errorf("fetch the issuer from %s: %w", where, err)
	}
	if len(body) > maxIssuerBytes {
		return nil, fmt.Errorf("fetch the issuer from %s: more than %d bytes came back", where, maxIssuerBytes)
	}
	c, err := x509.ParseCertificate(derOf(body))
	if err != nil {
		return nil, fmt.Errorf("fetch the issuer from %s: not a certificate: %w", where, err)
	}
	if !bytes.Equal(c.RawSubject, child.RawIssuer) {
		return nil, fmt.Errorf("fetch the issuer from %s: it is %q, not the issuer %q", where, c.Subject, child.Issuer)
	}
	return c, nil
}

// derOf takes PEM off, where there is any.
func derOf(body []byte) []byte {
	if b, _ := pem.Decode(body); b != nil {
		return b.Bytes
	}
	return body
}

// client makes the guarded client: no proxy, no keep-alive, few redirects, plain HTTP only.
func (o HostOptions) client() *http.Client {
	d := &net.Dialer{Timeout: issuerTimeout, Control: o.Control}
	return &http.Client{
		Timeout:   issuerTimeout,
		Transport: &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 2 || r.URL.Scheme != "http" {
				return errors.New("it redirects too often, or away from plain HTTP")
			}
			return nil
		},
	}
}

// topOf is the certificate at which a chain ends when followed by names from the leaf.
func topOf(chain [][]byte) *x509.Certificate {
	var certs []*x509.Certificate
	for _, der := range chain {
		if c, err := x509.ParseCertificate(der); err == nil {
			certs = append(certs, c)
		}
	}
	if len(certs) == 0 {
		return nil
	}
	cur := certs[0]
	for range certs {
		for _, c := range certs {
			if !selfIssued(cur) && bytes.Equal(c.RawSubject, cur.RawIssuer) && cur.CheckSignatureFrom(c) == nil {
				cur = c
				break
			}
		}
	}
	return cur
}

func selfIssued(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }

func fingerprint(der []byte) string {
	h := sha256.Sum256(der)
	return strings.ToUpper(hex.EncodeToString(h[:]))
}
