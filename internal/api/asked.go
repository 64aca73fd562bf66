package api

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"certwright/internal/arm"
	"certwright/internal/fulfill"
	"certwright/internal/order"
)

// askedOf is what a reissue, rekey or renewal says of the next version.
func askedOf(p arm.AskedProperties) (fulfill.Asked, error) {
	a := fulfill.Asked{Delay: -1, External: p.External, ReuseCSR: p.ReuseCSR}
	if p.CSR != nil {
		a.CSR = *p.CSR
	}
	if p.KeyTypes != nil {
		a.KeyTypes = append([]order.KeyType{}, *p.KeyTypes...)
	}
	if p.KeySize == nil {
		return a, nil
	}
	k, err := arm.RSAOf(*p.KeySize)
	if err == nil && p.KeyTypes != nil && !slices.Contains(a.KeyTypes, k) {
		err = &order.Refusal{Kind: order.BadInput, Code: "ConflictingProperties", Property: "properties.keySize", Message: fmt.Sprintf("it asks for %s, and keyTypes has none of it", k), Fix: "Leave keySize away"}
	}
	a.RSA = k
	return a, err
}

// asked is reissue and renew: a body of the same form, and no answer.
func (a *API) asked(c order.Command) handler {
	return func(w http.ResponseWriter, r *request) error {
		var body arm.Asked
		if err := read(r, &body); err != nil {
			return err
		}
		p := body.Properties
		if p.External != nil && !*p.External && p.CSR != nil {
			if _, err := order.ReadRequest(*p.CSR); err != nil { // Azure's own examples send such words beside a key made here
				p.CSR = nil
			}
		}
		var delay *float64
		if p.Delay != nil {
			hours := float64(*p.Delay)
			delay = &hours
		}
		if _, err := a.newVersion(r, c, p, delay, "properties."); err != nil {
			return err
		}
		return nothing(w, http.StatusNoContent)
	}
}

// longestDelay is how many hours after a rekey the old version can be revoked at the latest.
const longestDelay = 24 * 366

// newVersion renews or rekeys; in is where in the body the properties lie, for messages.
func (a *API) newVersion(r *request, c order.Command, p arm.AskedProperties, delay *float64, in string) (*order.Order, error) {
	asked, err := askedOf(p)
	if err != nil {
		return nil, err
	}
	if delay != nil {
		bad := func(message, fix string) error {
			return &order.Refusal{Kind: order.BadInput, Code: "OutOfRange", Property: in + "delayExistingRevokeInHours", Message: message, Fix: fix}
		}
		switch {
		case c == order.CmdRenew:
			return nil, bad("a renewal revokes nothing", "Leave it away, or rekey: the version before is then revoked that long after the new one is there")
		case *delay < 0 || *delay > longestDelay:
			return nil, bad(fmt.Sprintf("%g is not between 0 and a year", *delay), "Give hours from 0 to 8784, or leave it away: then the old version is not revoked")
		}
		asked.Delay = time.Duration(*delay * float64(time.Hour))
	}
	asked.Generation = r.generation
	o, err := a.Service.NewVersion(r.Context(), r.by, r.scope, c, asked)
	if in != "" {
		err = inProperties(err)
	}
	return o, err
}

// chainType is the type of a certificate with its intermediates in PEM (RFC 8555 section 9.1).
const chainType = "application/pem-certificate-chain"

// chain gives the current certificate with its intermediates, without its key: as PEM.
func (a *API) chain(w http.ResponseWriter, r *request) error {
	o, err := a.load(r)
	if err != nil {
		return err
	}
	k := order.KeyType(r.URL.Query().Get("keyType"))
	v := o.First()
	if k != "" {
		v = o.Current(k)
	}
	if v == nil || len(v.Chain) == 0 {
		return &order.Refusal{Kind: order.NotFound, Code: "NothingIssued", Message: fmt.Sprintf("order %s has no current certificate%s", o.ID.Name, of(k)), Fix: "See what it waits for with: certwright order show " + o.ID.Name}
	}
	w.Header().Set("Content-Type", chainType)
	_, err = w.Write(v.Chain)
	return err
}

func of(k order.KeyType) string {
	if k == "" {
		return ""
	}
	return " of key type " + string(k)
}
