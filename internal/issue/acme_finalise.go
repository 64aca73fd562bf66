package issue

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/mholt/acmez/v3/acme"

	"certwright/internal/fulfill"
	"certwright/internal/order"
)

// Finalise submits the CSR if, and only if, the authority says that the order is ready for it (RFC
// 8555 section 7.4), waits for the certificate and downloads its default chain. It returns the chain
// in DER, leaf first.
func (a *ACME) Finalise(ctx context.Context, _ fulfill.Request, o fulfill.Opening, csr []byte) ([][]byte, error) {
	outer := ctx
	ctx, cancel := context.WithTimeoutCause(ctx, a.o.Patience, errLetGo)
	defer cancel()
	w := a.wait(opOrder, o.URL)
	made, last, err := a.readOrder(ctx, o.URL)
	for submitted := false; ; {
		if err != nil {
			return nil, w.ended(ctx, err)
		}
		switch made.Status {
		case acme.StatusValid:
			// With the caller's own time: the certificate is made, only the download is left.
			return a.download(outer, made.Certificate, csr)
		case acme.StatusInvalid:
			return nil, a.invalid(ctx, made)
		case acme.StatusReady:
			if !submitted {
				submitted = true
				made, last, err = a.submit(outer, made, csr) // not cut short by our own patience
				continue
			}
		case acme.StatusPending:
			if p := a.lapsed(made); p != nil {
				return nil, p
			}
		case acme.StatusProcessing:
		default:
			return nil, rubbish(opOrder, o.URL, fmt.Errorf("an order cannot be %q", made.Status), last.Body, a.o.Now())
		}
		if err := w.pause(ctx, last, "the order is "+made.Status); err != nil {
			return nil, a.notReady(made, err)
		}
		made, last, err = a.readOrder(ctx, o.URL)
	}
}

// submit sends the CSR in one POST. An authority whose view was not up to date (orderNotReady) is
// asked for its order again.
func (a *ACME) submit(ctx context.Context, o acme.Order, csr []byte) (acme.Order, answer, error) {
	made := o
	last, err := a.call(ctx, opFinalise, func(ctx context.Context, c *acme.Client, acct acme.Account) (err error) {
		made, err = c.FinalizeOrder(ctx, acct, o, csr)
		x, _ := ctx.Value(exchangeKey{}).(*exchange)
		if got, netErr := x.seen(); netErr == nil && got.Status/100 == 2 {
			return nil // the library's error is its view of the order's status; ours follows
		}
		return err
	})
	var p *order.Problem
	if errors.As(err, &p) && p.Type == acme.ProblemTypeOrderNotReady {
		return a.readOrder(ctx, o.Location)
	}
	if errors.As(err, &p) && aboutCSR[strings.TrimPrefix(p.Type, acmeError)] {
		if id := csrFault(csr, a.o.Key.Public(), o.Identifiers); id != "" { // what the request shows counts for more than words
			ruleOf(id).apply(p)
		}
	}
	made.Location = o.Location
	if err == nil && made.Status == acme.StatusReady {
		made, last, err = a.readOrder(ctx, o.Location) // an answer without the new state
	}
	return made, last, err
}

// aboutCSR are the problem types under which authorities refuse a request.
var aboutCSR = map[string]bool{"badCSR": true, "badPublicKey": true, "malformed": true, "unauthorized": true}

// notReady names what is amiss with an order that waits for authorizations although all are done.
func (a *ACME) notReady(o acme.Order, err error) error {
	var p *order.Problem
	if o.Status != acme.StatusPending || !errors.As(err, &p) || p.Class != order.Waiting {
		return err
	}
	q := &order.Problem{What: string(opFinalise), Where: o.Location, Detail: "the order is still pending: not every authorization is valid", At: a.o.Now(), Until: p.Until}
	judge(opFinalise, acme.ProblemTypeOrderNotReady, http.StatusForbidden, "").apply(q)
	return q
}

// lapsed says that the order's time is over, where it is.
func (a *ACME) lapsed(o acme.Order) error {
	if o.Expires.IsZero() || a.o.Now().Before(o.Expires) {
		return nil
	}
	p := &order.Problem{What: string(opFinalise), Where: o.Location, Detail: "the order expired at " + o.Expires.UTC().Format("2006-01-02 15:04:05 MST"), At: a.o.Now()}
	judge(opOrder, "", http.StatusNotFound, "").apply(p)
	return p
}

// invalid gives up an order that the authority refused, in its words and those on each name.
func (a *ACME) invalid(ctx context.Context, o acme.Order) error {
	p := &order.Problem{Class: order.GiveUp, What: "the order at the authority", Where: o.Location, Detail: "the order is invalid", Owner: order.OwnerOwner, At: a.o.Now(), Fix: "a new order is made"}
	if o.Error != nil {
		p = fromLibrary(*o.Error).problem(opFinalise, o.Location, a.o.Now())
		p.Class = order.GiveUp // whatever the words: this order is over
	}
	lapsed := o.Error == nil && a.lapsed(o) != nil
	var names []string
	for _, authzURL := range o.Authorizations {
		z, _, err := a.authorization(ctx, authzURL)
		if err != nil {
			continue // the order's own words stand without it
		}
		var proof order.Proof
		if z.Status == acme.StatusPending || z.Status == acme.StatusValid || !a.settle(&proof, z) {
			continue
		}
		lapsed = lapsed && proof.Problem.ID == "ca-authz-expired"
		names = append(names, z.IdentifierValue())
		p.Sub = append(p.Sub, order.Sub{Type: proof.Problem.Type, Detail: proof.Problem.Detail, Identifier: z.IdentifierValue()})
		if p.Cause == "" {
			p.Cause, p.Fix, p.Owner, p.ID = proof.Problem.Cause, proof.Problem.Fix, proof.Problem.Owner, proof.Problem.ID
		}
	}
	if lapsed {
		judge(opOrder, "", http.StatusNotFound, "").apply(p)
	} else if len(names) > 0 && len(names) < len(o.Authorizations) {
		p.ID, p.Cause = "ca-order-sibling-failed", fmt.Sprintf("%s could not be verified, and one name holds up the whole certificate", listed(names))
	}
	return p
}

// download fetches the certificate with its default chain and makes sure that it is for our key.
func (a *ACME) download(ctx context.Context, certURL string, csr []byte) ([][]byte, error) {
	var bundle []byte
	last, err := a.call(ctx, opCertificate, func(ctx context.Context, c *acme.Client, acct acme.Account) error {
		chains, err := c.GetCertificateChain(ctx, acct, certURL)
		if err == nil {
			bundle = chains[0].ChainPEM
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	chain, err := parseChain(bundle)
	if err != nil {
		return nil, rubbish(opCertificate, certURL, err, last.Body, a.o.Now())
	}
	if err := sameKey(chain[0], csr); err != nil {
		return nil, &order.Problem{Class: order.GiveUp, What: string(opCertificate), Where: certURL, Owner: order.OwnerUs, At: a.o.Now(), Detail: err.Error(),
			Cause: "the order was finalised with another CSR, by an earlier attempt or another program", Fix: "a new order is made"}
	}
	return chain, nil
}

// parseChain gives the certificates of a PEM chain (RFC 8555 section 9.1) in DER.
func parseChain(bundle []byte) ([][]byte, error) {
	var chain [][]byte
	for rest := bundle; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if b.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("block %d of the chain is a %s", len(chain)+1, b.Type)
		}
		if _, err := x509.ParseCertificate(b.Bytes); err != nil {
			return nil, fmt.Errorf("certificate %d of the chain: %w", len(chain)+1, err)
		}
		chain = append(chain, b.Bytes)
	}
	if len(chain) == 0 {
		return nil, errors.New("there is no certificate in it")
	}
	return slices.Clip(chain), nil
}

// sameKey says whether a certificate (DER) is for the key of a CSR (DER).
func sameKey(cert, csr []byte) error {
	c, err := x509.ParseCertificate(cert)
	if err != nil {
		return fmt.Errorf("the certificate: %w", err)
	}
	r, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return fmt.Errorf("the CSR: %w", err)
	}
	if !bytes.Equal(c.RawSubjectPublicKeyInfo, r.RawSubjectPublicKeyInfo) {
		return errors.New("the certificate is for another key than the CSR's")
	}
	return nil
}

// gone says whether an error means that the authority does not know the thing (any more).
func gone(err error) bool {
	var p *order.Problem
	return errors.As(err, &p) && (p.ID == "ca-order-expired" || p.Status == http.StatusNotFound)
}
