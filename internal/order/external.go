package order

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

// An order whose key lies with its owner gives the authority their certificate request. A request is good for one
// version after it was given; the next one waits for another, unless its owner lets it be used again (Spec.ReuseCSR).

// idAwaitsCSR is the finding of a version that waits for a request.
const idAwaitsCSR = "renew-external-csr"

// Keyless says whether the key of a version lies with its owner: the vault holds nothing of it.
func (o *Order) Keyless(v *Version) bool {
	return v.External || o.Kind == Imported && o.Spec.ExternalKey
}

// Kept says whether the vault was ever given a version of a key type, as far as versions are remembered.
func (o *Order) Kept(k KeyType) bool {
	return slices.ContainsFunc(o.Versions, func(v Version) bool { return o.SecretFor(v.KeyType) == o.SecretFor(k) && !o.Keyless(&v) })
}

// KeyElsewhere says whether the key of what should be served lies with its owner.
func (o *Order) KeyElsewhere() bool {
	if v := o.First(); v != nil {
		return o.Keyless(v)
	}
	return o.Spec.ExternalKey
}

// NextCSR is the request that the next version of an order with its key elsewhere is asked for with; or the problem of
// class Waiting that says why there is none.
func (o *Order) NextCSR(now time.Time) ([]byte, *Problem) {
	r, err := ParseRequest(o.Spec.CSR)
	var why string
	switch {
	case err != nil:
		why = "there is none"
	case !r.Names(o.Spec.Names):
		why = fmt.Sprintf("the one given names %s, the order %s", strings.Join(r.Words, ", "), strings.Join(o.Names(), ", "))
	case !slices.Equal(o.Spec.KeyTypes, []KeyType{r.KeyType}):
		why = fmt.Sprintf("the one given has a key of type %s, %v is ordered", r.KeyType, o.Spec.KeyTypes)
	case !o.Spec.ReuseCSR && o.requestUsed(r):
		why = "the one given was used already, and may not be used again"
	default:
		return o.Spec.CSR, nil
	}
	return nil, &Problem{Class: Waiting, What: "certificate request", Detail: "a new one is needed: " + why, ID: idAwaitsCSR, Owner: OwnerOwner, At: now,
		Cause: "the private key of the order is not here, so only whoever holds it can make the request for the next version",
		Fix:   fmt.Sprintf("Make one where the key is, for the same names, and give it: certwright order renew %s --csr FILE", o.ID.Name)}
}

// requestSpent says whether the next version needs a new request, as far as that can be said without checking the one
// there is.
func (o *Order) requestSpent() bool {
	if !o.Spec.ExternalKey || o.Spec.ReuseCSR {
		return false
	}
	c, err := x509.ParseCertificateRequest(o.Spec.CSR)
	return err != nil || o.requestUsed(&Request{KeyHash: keyHash(c.RawSubjectPublicKeyInfo)})
}

// requestUsed says whether a version has the request's key since the request was given.
func (o *Order) requestUsed(r *Request) bool {
	for i := range o.Versions {
		if v := &o.Versions[i]; v.KeyHash == r.KeyHash && !v.Issued.Before(o.Spec.CSRGiven) {
			return true
		}
	}
	return false
}

// idByHand is the finding of a version that only whoever holds its key can put where it serves.
const idByHand = "sync-key-external"

// ByHand is the problem of a version that whoever holds its key has to put somewhere: it waits for them.
func (o *Order) ByHand(v *Version, what, where string, now time.Time) *Problem {
	return &Problem{Class: Waiting, What: what, Where: where, Detail: v.Label() + " is to be put there together with its private key, which is not here", ID: idByHand, Owner: OwnerOwner, At: now,
		Cause: "the certificate was made from a request of somebody who keeps the key",
		Fix:   fmt.Sprintf("Whoever holds the key puts it there with the certificate: certwright order export %s --chain; or leave key, pfx and combined out of the target, and the certificate alone is put there", o.ID.Name)}
}

// byHand says whether what an endpoint should serve has to be put there by whoever holds its key, and was not seen at a
// target of it yet.
func (o *Order) byHand(e *EndpointRow) bool {
	v := o.First()
	if v == nil || !o.Keyless(v) {
		return false
	}
	return !slices.ContainsFunc(o.Deployments, func(d Deployment) bool {
		return !d.Gone && d.Version == v.Number && e.ShowsPushTo(&d)
	})
}

// byHandProblem is what an endpoint waits for that serves a former version still.
func (o *Order) byHandProblem(e *EndpointRow, former *Version) *Problem {
	p := o.ByHand(o.First(), "what is served", e.Address, e.Looked)
	p.Detail += fmt.Sprintf("; version %d, which it serves, ends at %s", former.Number, moment(former.NotAfter))
	return p
}

// servedVersion is the version that an endpoint was last seen to serve, the newest of that serial; nil if it is none.
func (o *Order) servedVersion(e *EndpointRow) *Version {
	for i := len(o.Versions) - 1; i >= 0 && e.Served != ""; i-- {
		if o.Versions[i].Serial == e.Served {
			return &o.Versions[i]
		}
	}
	return nil
}

// BlameRequest has a refusal of a certificate request that its owner gave wait for them: to ask with the same one again
// would be refused again, and counts against the issuer's limits.
func (o *Order) BlameRequest(p *Problem) {
	if p.Class == GiveUp && strings.HasPrefix(p.ID, "ca-csr-") {
		p.Class, p.Owner = Final, OwnerOwner
		p.Fix = fmt.Sprintf("Make another request, with what the authority takes, and give it: certwright order rekey %s --csr FILE", o.ID.Name)
	}
}

// HasKey is the newest version with a public key, by its hash; nil if there is none.
func (o *Order) HasKey(hash string) *Version {
	for i := len(o.Versions) - 1; i >= 0; i-- {
		if o.Versions[i].KeyHash == hash {
			return &o.Versions[i]
		}
	}
	return nil
}

// UnderWay says whether a version is wanted or being made with exactly this request: giving it again changes nothing.
func (o *Order) UnderWay(csr []byte) bool {
	if !o.alive() || !o.Spec.ExternalKey || !bytes.Equal(o.Spec.CSR, csr) {
		return false
	}
	r, err := ParseRequest(csr)
	return err == nil && !o.requestUsed(r)
}

// waitsForCSR says whether a version waits for a request of whoever holds the key.
func (o *Order) waitsForCSR() bool {
	return slices.ContainsFunc(o.Needs, func(n Need) bool { return n.Problem != nil && n.Problem.ID == idAwaitsCSR })
}

// outdated says whether an attempt that has just begun is for what its owner has since thought better of.
func (o *Order) outdated(a *Attempt, asked *Spec) bool {
	return o.asksOtherwise(asked) || !o.orders(a.KeyType) || a.External != o.Spec.ExternalKey || a.External && !bytes.Equal(a.CSR, o.Spec.CSR)
}

// asksOtherwise says whether an issuer would now be asked for something else, or another way, than by that wish.
func (o *Order) asksOtherwise(asked *Spec) bool {
	return asked != nil && (!sameNames(asked.Names, o.Spec.Names) || asked.Issuer != o.Spec.Issuer || asked.Method != o.Spec.Method || asked.Profile != o.Spec.Profile)
}

func (o *Order) awaitEvent(now time.Time, n *Need, p *Problem) Event {
	e := o.event(now, StageIssue, "csr-waiting", "%s waits for a certificate request of whoever holds the key: %s", capital(n.Reason.noun()), p.Detail).failed(p, Warning)
	e.Status = Started
	return e
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// requestWord names a wish's request for a sentence: the first digits of its key's hash, and when it was given.
func requestWord(s Spec) string {
	r, err := ParseRequest(s.CSR)
	if err != nil {
		return "none"
	}
	return fmt.Sprintf("of key %s… given %s", r.KeyHash[:12], moment(s.CSRGiven))
}
