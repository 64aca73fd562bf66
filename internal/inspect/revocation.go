package inspect

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ocsp"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// CheckRevocation is the Check of an observation whose Data is an evidence.Revocation.
const CheckRevocation = "revocation"

const (
	maxListBytes = 16 << 20 // of a revocation list
	maxOCSPBytes = 64 << 10
	maxPoints    = 2 // distribution points and responders asked of one certificate
)

// reasons are the words of CRLReason (RFC 5280 section 5.3.1).
var reasons = map[int]string{0: "unspecified", 1: "keyCompromise", 2: "cACompromise", 3: "affiliationChanged", 4: "superseded",
	5: "cessationOfOperation", 6: "certificateHold", 8: "removeFromCRL", 9: "privilegeWithdrawn", 10: "aACompromise"}

// revocations asks for every distinct leaf that clients of the name were served: its lists, its responder, and what was
// stapled. Leaves that have ended are left out: lists forget them.
func (o HostOptions) revocations(ctx context.Context, obs []evidence.Observation) []evidence.Observation {
	if o.ControlLocal != nil && local(obs) {
		o.Control = o.ControlLocal
	}
	known := o.knownIssuers(obs)
	var jobs []func() evidence.Observation
	seen := map[string]bool{}
	once := func(key string, f func() evidence.Observation) {
		if !seen[key] {
			seen[key] = true
			jobs = append(jobs, f)
		}
	}
	for _, x := range obs {
		s, ok := evidence.Decode[evidence.Served](x)
		if !ok || len(s.Chain) == 0 || s.ServerName != o.ServerName && !isAddress(o.ServerName) {
			continue
		}
		leaf, err := x509.ParseCertificate(s.Chain[0])
		if err != nil || o.Now().After(leaf.NotAfter) {
			continue
		}
		ask := revocationAsk{o: o, leaf: leaf, issuer: issuerAmong(leaf, s.Chain[1:], known)}
		if len(s.Stapled) > 0 {
			once(s.Address+string(s.Stapled), func() evidence.Observation { return ask.stapled(s) })
		}
		if o.Control == nil {
			continue
		}
		for _, u := range httpOnly(leaf.CRLDistributionPoints) {
			once(string(leaf.Raw)+u, func() evidence.Observation { return ask.crl(ctx, u) })
		}
		for _, u := range httpOnly(leaf.OCSPServer) {
			once(string(leaf.Raw)+u, func() evidence.Observation { return ask.ocsp(ctx, u) })
		}
	}
	out := make([]evidence.Observation, len(jobs))
	var wg sync.WaitGroup
	for i, j := range jobs {
		wg.Go(func() { out[i] = j() })
	}
	wg.Wait()
	return out
}

// httpOnly are the first addresses that are fetched by plain HTTP, as authorities publish.
func httpOnly(urls []string) []string {
	var out []string
	for _, u := range urls {
		if p, err := url.Parse(u); err == nil && p.Scheme == "http" && p.Host != "" && len(out) < maxPoints {
			out = append(out, u)
		}
	}
	return out
}

// knownIssuers are the certificates that may have issued a leaf: served by others, fetched, or trusted.
func (o HostOptions) knownIssuers(obs []evidence.Observation) []*x509.Certificate {
	out := append([]*x509.Certificate(nil), o.Roots...)
	for _, x := range obs {
		var ders [][]byte
		if is, ok := evidence.Decode[evidence.Issuers](x); ok && x.Check == CheckIssuers {
			ders = is.Chain
		} else if s, ok := evidence.Decode[evidence.Served](x); ok && len(s.Chain) > 1 {
			ders = s.Chain[1:]
		}
		for _, der := range ders {
			if c, err := x509.ParseCertificate(der); err == nil {
				out = append(out, c)
			}
		}
	}
	return out
}

// issuerAmong finds the certificate whose key signed the leaf; nil if none did.
func issuerAmong(leaf *x509.Certificate, sent [][]byte, known []*x509.Certificate) *x509.Certificate {
	for _, der := range sent {
		if c, err := x509.ParseCertificate(der); err == nil {
			known = append(known, c)
		}
	}
	for _, c := range known {
		if bytes.Equal(c.RawSubject, leaf.RawIssuer) && leaf.CheckSignatureFrom(c) == nil {
			return c
		}
	}
	return nil
}

// revocationAsk asks about one leaf.
type revocationAsk struct {
	o            HostOptions
	leaf, issuer *x509.Certificate
}

// faulty is an error that is the source's own.
type faulty struct{ error }

func faultf(format string, args ...any) error { return faulty{fmt.Errorf(format, args...)} }

func (a revocationAsk) report(start time.Time, r evidence.Revocation, err error, command string) evidence.Observation {
	r.Leaf, r.Serial = fingerprint(a.leaf.Raw), order.SerialOf(a.leaf)
	if len(r.Serial)%2 == 1 {
		r.Serial = "0" + r.Serial
	}
	o := evidence.Observation{Probe: evidence.ProbeTLS, Check: CheckRevocation, Subject: "serial " + r.Serial + " by " + sourceWords(r), Outcome: evidence.Pass,
		Expected: "not revoked", From: a.o.From, At: start, Took: a.o.Now().Sub(start), Command: command}
	if err != nil {
		var f faulty
		r.Error, r.Fault = err.Error(), errors.As(err, &f)
		o.Outcome, o.Reason = evidence.Unknown, r.Error
		return o.With(r)
	}
	o.Seen = r.Status
	if r.Status == evidence.StatusRevoked {
		o.Outcome = evidence.Fail
		o.Seen += " since " + r.RevokedAt.UTC().Format("2006-01-02 15:04") + " UTC, reason " + r.Reason
	}
	if r.NextUpdate != nil {
		o.Seen += ", usable until " + r.NextUpdate.UTC().Format("2006-01-02 15:04") + " UTC"
	}
	return o.With(r)
}

func sourceWords(r evidence.Revocation) string {
	switch r.Source {
	case evidence.FromStapled:
		return "the OCSP answer that " + r.Address + " staples"
	case evidence.FromOCSP:
		return "the OCSP responder " + r.URL
	}
	return "the list " + r.URL
}

// crl fetches a list, holds it against the issuer's key and looks for the serial number.
func (a revocationAsk) crl(ctx context.Context, where string) evidence.Observation {
	start := a.o.Now()
	r := evidence.Revocation{Source: evidence.FromCRL, URL: where}
	err := a.readCRL(ctx, where, &r)
	cmd := fmt.Sprintf("curl -s '%s' | openssl crl -inform der -noout -text | grep -A3 -e 'Update:' -e '%X'", strings.ReplaceAll(where, "'", "%27"), a.leaf.SerialNumber)
	return a.report(start, r, err, cmd)
}

func (a revocationAsk) readCRL(ctx context.Context, where string, r *evidence.Revocation) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return faultf("fetch the revocation list: %w", err)
	}
	body, err := a.fetch(req, maxListBytes)
	if err != nil {
		return fmt.Errorf("fetch the revocation list from %s: %w", where, err)
	}
	list, err := parseCRL(body)
	if err != nil {
		return faultf("what %s sends is no revocation list: %w", where, err)
	}
	r.Entries, r.ThisUpdate = len(list.RevokedCertificateEntries), &list.ThisUpdate
	if !list.NextUpdate.IsZero() {
		r.NextUpdate = &list.NextUpdate
	}
	switch {
	case !bytes.Equal(list.RawIssuer, a.leaf.RawIssuer):
		return fmt.Errorf("the list of %s is signed by %q for others (an indirect list), which is not followed", where, list.Issuer)
	case a.issuer == nil:
		return fmt.Errorf("the certificate of %q is not at hand, so the signature of the list of %s could not be checked", a.leaf.Issuer, where)
	}
	if err := list.CheckSignatureFrom(a.issuer); err != nil {
		return faultf("the list of %s does not bear the signature of %q: %w", where, a.leaf.Issuer, err)
	}
	r.Status = evidence.StatusGood
	for _, e := range list.RevokedCertificateEntries {
		if e.SerialNumber.Cmp(a.leaf.SerialNumber) == 0 && e.ReasonCode != 8 {
			r.Status, r.RevokedAt, r.Reason = evidence.StatusRevoked, &e.RevocationTime, reasonWord(e.ReasonCode)
		}
	}
	return nil
}

// parseCRL reads a list in DER, or in PEM as some authorities publish it.
func parseCRL(body []byte) (*x509.RevocationList, error) {
	return x509.ParseRevocationList(derOf(body))
}

func reasonWord(code int) string {
	if w := reasons[code]; w != "" {
		return w
	}
	return fmt.Sprintf("code %d", code)
}

// ocsp asks a responder.
func (a revocationAsk) ocsp(ctx context.Context, where string) evidence.Observation {
	start := a.o.Now()
	r := evidence.Revocation{Source: evidence.FromOCSP, URL: where}
	err := a.readOCSP(ctx, where, &r)
	return a.report(start, r, err, fmt.Sprintf("openssl ocsp -no_nonce -issuer issuer.pem -serial 0x%X -url '%s' -noverify -resp_text", a.leaf.SerialNumber, strings.ReplaceAll(where, "'", "%27")))
}

func (a revocationAsk) readOCSP(ctx context.Context, where string, r *evidence.Revocation) error {
	if a.issuer == nil {
		return fmt.Errorf("the certificate of %q is not at hand, which a question to %s needs", a.leaf.Issuer, where)
	}
	question, err := ocsp.CreateRequest(a.leaf, a.issuer, nil)
	if err != nil {
		return fmt.Errorf("make a question for %s: %w", where, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, where, bytes.NewReader(question))
	if err != nil {
		return faultf("ask the OCSP responder: %w", err)
	}
	req.Header.Set("Content-Type", "application/ocsp-request")
	body, err := a.fetch(req, maxOCSPBytes)
	if err != nil {
		return fmt.Errorf("ask the OCSP responder %s: %w", where, err)
	}
	return a.readAnswer(body, "the answer of "+where, r)
}

// readAnswer reads an OCSP answer into r.
func (a revocationAsk) readAnswer(der []byte, what string, r *evidence.Revocation) error {
	if a.issuer == nil {
		return fmt.Errorf("the certificate of %q is not at hand, so the signature of %s could not be checked", a.leaf.Issuer, what)
	}
	ans, err := ocsp.ParseResponseForCert(der, a.leaf, nil)
	if err == nil {
		err = a.signer(ans)
	}
	if err != nil {
		return faultf("%s cannot be used: %w", what, err)
	}
	r.ThisUpdate = &ans.ThisUpdate
	if !ans.NextUpdate.IsZero() {
		r.NextUpdate = &ans.NextUpdate
	}
	switch ans.Status {
	case ocsp.Good:
		r.Status = evidence.StatusGood
	case ocsp.Revoked:
		r.Status, r.RevokedAt, r.Reason = evidence.StatusRevoked, &ans.RevokedAt, reasonWord(ans.RevocationReason)
	default:
		r.Status = evidence.StatusUnknown
	}
	return nil
}

// signer checks who signed an answer: the issuer, or one whom it delegated that to (RFC 6960 section 4.2.2.2). Many responders
// send the issuer's own certificate along, which the library would take for a delegate's.
func (a revocationAsk) signer(ans *ocsp.Response) error {
	by := ans.Certificate
	switch {
	case by == nil:
		return ans.CheckSignatureFrom(a.issuer)
	case bytes.Equal(by.RawSubjectPublicKeyInfo, a.issuer.RawSubjectPublicKeyInfo):
		return nil // its signature was checked with this key
	case !slices.Contains(by.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return fmt.Errorf("%q, who signed it, may not sign for %q", by.Subject, a.issuer.Subject)
	}
	return a.issuer.CheckSignature(by.SignatureAlgorithm, by.RawTBSCertificate, by.Signature)
}

// stapled reads the answer that came with the handshake.
func (a revocationAsk) stapled(s evidence.Served) evidence.Observation {
	start := a.o.Now()
	r := evidence.Revocation{Source: evidence.FromStapled, Address: s.Address}
	err := a.readAnswer(s.Stapled, "the answer that "+s.Address+" staples", &r)
	cmd := "openssl s_client -connect " + s.Address + " -servername " + a.o.ServerName + " -status </dev/null 2>/dev/null | grep -A16 'OCSP Response Data'"
	return a.report(start, r, err, cmd)
}

// fetch makes a request under the guard. An answer that is an error of the source's own is faulty; that it was not reached
// is not, but where it refused.
func (a revocationAsk) fetch(req *http.Request, most int64) ([]byte, error) {
	resp, err := a.o.client().Do(req)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF) {
			return nil, faulty{err}
		}
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, faultf("HTTP %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > most {
		return nil, fmt.Errorf("more than %d bytes came", most)
	}
	return body, nil
}
