package issue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"certwright/internal/fulfill"
	"certwright/internal/order"
)

// Validate asks the authority to look at the proofs and waits for its verdicts (RFC 8555 sections
// 7.5.1 and 8.2). Each authorization is read before anything is asked, so it may be called again.
func (a *ACME) Validate(ctx context.Context, _ fulfill.Request, o fulfill.Opening) ([]order.Proof, error) {
	proofs := slices.Clone(o.Proofs)
	ctx, cancel := context.WithTimeoutCause(ctx, a.o.Patience, errLetGo)
	defer cancel()
	errs := make([]error, len(proofs))
	fresh := a.fresh.take(o.URL)
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i := range proofs {
		if proofs[i].Done {
			continue
		}
		proofs[i].Problem = nil
		// Each name for itself: one that is refused or slow does not keep the others from being asked.
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			errs[i] = a.validate(ctx, &proofs[i], fresh)
		})
	}
	all.Wait()
	return proofs, worst(errs)
}

// worst is the error that decides: one that ends the attempt, else the first.
func worst(errs []error) error {
	var first error
	for _, err := range errs {
		var p *order.Problem
		if errors.As(err, &p) && (p.Class == order.GiveUp || p.Class == order.Final) {
			return err
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// validate carries one proof to its verdict. Of a fresh order nothing was asked yet: it need not be read before.
func (a *ACME) validate(ctx context.Context, p *order.Proof, fresh bool) error {
	asked := false
	w := a.wait(opAuthz, p.AuthzURL)
	if fresh {
		asked = true
		last, err := a.initiate(ctx, acme.Challenge{Type: string(p.Method), URL: p.URL, Token: p.Token})
		if err == nil {
			err = w.pause(ctx, last, p.Name.Value+" is being validated")
		}
		if err != nil {
			return w.ended(ctx, err)
		}
	}
	for {
		z, last, err := a.authorization(ctx, p.AuthzURL)
		if err != nil {
			return w.ended(ctx, err)
		}
		if a.settle(p, z) {
			return nil
		}
		i := slices.IndexFunc(z.Challenges, func(c acme.Challenge) bool { return c.URL == p.URL })
		if i < 0 {
			return &order.Problem{Class: order.GiveUp, What: string(opChallenge), Where: p.AuthzURL, Owner: order.OwnerUs, At: a.o.Now(), Type: "",
				Detail: "the challenge that was chosen is no longer among those of the authorization", Fix: "a new order is made"}
		}
		if c := z.Challenges[i]; c.Status == acme.StatusPending && !asked {
			if last, err = a.initiate(ctx, c); err != nil {
				return w.ended(ctx, err)
			}
			asked = true
		}
		if err := w.pause(ctx, last, p.Name.Value+" is being validated"); err != nil {
			return err
		}
	}
}

// initiate tells the authority that the proof is published.
func (a *ACME) initiate(ctx context.Context, c acme.Challenge) (answer, error) {
	return a.call(ctx, opChallenge, func(ctx context.Context, cl *acme.Client, acct acme.Account) error {
		_, err := cl.InitiateChallenge(ctx, acct, acme.Challenge{Type: c.Type, URL: c.URL, Token: c.Token})
		return err
	})
}

// settle takes an authorization's verdict over to its proof. False: there is none yet.
func (a *ACME) settle(p *order.Proof, z acme.Authorization) bool {
	now := a.o.Now()
	switch z.Status {
	case acme.StatusValid:
		p.Done, p.Problem = true, nil
		if !z.Expires.IsZero() {
			p.ValidTill = &z.Expires
		}
		return true
	case acme.StatusInvalid:
		p.Problem = refused(z, now)
	case acme.StatusDeactivated, acme.StatusRevoked:
		p.Problem = &order.Problem{What: string(opAuthz), Where: z.Location, Detail: "the authorization is " + z.Status, At: now}
		judge(opAuthz, acmeError+"unauthorized", 0, "authorization deactivated").apply(p.Problem)
	case acme.StatusExpired:
		p.Problem = &order.Problem{Class: order.GiveUp, What: string(opAuthz), Where: z.Location, Detail: "the authorization has expired", Owner: order.OwnerUs, At: now,
			ID: "ca-authz-expired", Cause: "the proof was not published in time", Fix: "a new order is made"}
	}
	return p.Problem != nil
}

// refused is the authority's word on a name that it refused, kept whole.
func refused(z acme.Authorization, now time.Time) *order.Problem {
	for _, c := range z.Challenges {
		if c.Error != nil {
			p := fromLibrary(*c.Error).problem(opProof, c.URL, now)
			p.What = fmt.Sprintf("%s of %s", c.Type, z.IdentifierValue())
			return p
		}
	}
	return &order.Problem{Class: order.GiveUp, What: "validation of " + z.IdentifierValue(), Where: z.Location, Owner: order.OwnerOwner, At: now,
		Detail: "the authority says that the authorization is invalid, and not why"}
}

// fromLibrary gives the library's form of a problem document in ours.
func fromLibrary(p acme.Problem) document {
	d := document{Type: p.Type, Title: p.Title, Status: p.Status, Detail: p.Detail}
	for _, s := range p.Subproblems {
		d.Subproblems = append(d.Subproblems, subdocument{Type: s.Type, Detail: s.Detail, Identifier: subIdentifier{Value: s.Identifier.Value}})
	}
	return d
}
