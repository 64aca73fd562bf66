package fulfill

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"certwright/internal/order"
)

// do does one step. It decides nothing: which steps are due is order.Next's business.
func (r *run) do(ctx context.Context, s order.Step, o *order.Order) outcome {
	out, began := outcome{step: s}, r.Now()
	switch s.Kind {
	case order.StepBegin:
		out.results = r.begin(ctx, o, order.KeyType(s.Key))
	case order.StepObtain:
		out.results = r.obtain(ctx, s, o, o.Attempt(s.Key))
	case order.StepStore:
		out.results = r.storeAgain(ctx, o, o.Attempt(s.Key))
	case order.StepUnsay:
		out.results = r.unsay(ctx, o, o.Attempt(s.Key))
	case order.StepVault:
		out.results = r.checkVault(ctx, o)
	case order.StepCopy:
		out.results = r.copyTo(ctx, o, s.Key)
	case order.StepDeploy:
		out.results = r.push(ctx, o, o.Deployment(s.Key))
	case order.StepLook:
		out.results = []order.Result{r.look(ctx, o, o.Endpoint(s.Key))}
	case order.StepRevoke:
		out.results = r.revoke(ctx, o, numbered(o, s.Key))
	case order.StepWindow:
		out.results = r.window(ctx, o, numbered(o, s.Key))
	case order.StepTick:
		out.results = []order.Result{order.Ticked{}}
	case order.StepRemove:
		out.results, out.removed = r.remove(ctx, o)
	}
	out.results = order.WorkBegan(began, out.results)
	return out
}

func numbered(o *order.Order, key string) *order.Version {
	n, _ := strconv.Atoi(key) // order.Next wrote it
	return o.Version(n)
}

// begin opens an attempt: a key is made and sealed, the issuer is asked, and both are recorded before
// anything else happens. A crash before that leaves at most a pending order at the authority, which is
// re-used or runs out there.
func (r *run) begin(ctx context.Context, o *order.Order, k order.KeyType) []order.Result {
	need, ok := wanted(o, k)
	if !ok {
		return nil
	}
	fail := func(p *order.Problem) []order.Result {
		r.free(k)
		return []order.Result{order.BeginFailed{Need: need, Problem: p, For: &o.Spec}}
	}
	if p := r.suspended(ctx, o); p != nil {
		return fail(p)
	}
	if o.Spec.ExternalKey {
		if _, p := o.NextCSR(r.Now()); p != nil {
			return fail(p)
		}
	}
	auth, traits, err := r.Authorities.Authority(ctx, o.Spec.Issuer)
	if err != nil {
		return fail(r.problem(err, "use issuer "+o.Spec.Issuer))
	}
	if err := r.slot(ctx, k, o.Spec.Issuer, traits.InFlight); err != nil {
		return nil // we are stopping; the wish stays
	}
	if p := r.onHold(o, o.Spec.Issuer, traits, true); p != nil {
		return fail(p)
	}
	a := order.Attempt{ID: NewID(), KeyType: k, Reason: need.Reason, Issuer: o.Spec.Issuer, Caller: need.Caller, Delay: need.Delay}
	if err := r.keyFor(o, &a); err != nil {
		return fail(r.problem(err, "make a key"))
	}
	if v := o.Newest(k); v != nil && v.State != order.VersionRevoked {
		if v.Issuer == o.Spec.Issuer {
			a.Replaces = v.CertID
		}
		if need.Reason == order.Rekey && need.Delay >= 0 {
			a.Revokes = v.Number
		}
	}
	opening, err := auth.Begin(ctx, request(o, &a))
	if err != nil {
		p := r.problem(err, "new order")
		r.heed(ctx, o.Spec.Issuer, p)
		return fail(p)
	}
	r.relieve(ctx, o.Spec.Issuer, traits)
	a.URL, a.Account, a.Expires, a.Proofs = opening.URL, opening.Account, opening.Expires, opening.Proofs
	if !opening.Replaced {
		a.Replaces = ""
	}
	for i := range a.Proofs { // what cannot be found out now is found out before publishing
		a.Proofs[i], _ = r.Verifier.Locate(ctx, o.Spec.DNSAccount, a.Proofs[i])
	}
	if r.leavesNothing(ctx, o, &a) {
		r.early.allow(a.ID)
	}
	return []order.Result{order.Began{Attempt: a, For: &o.Spec}}
}

func wanted(o *order.Order, k order.KeyType) (order.Need, bool) {
	for _, n := range o.Wanted() {
		if n.KeyType == k {
			return n, true
		}
	}
	return order.Need{}, false
}

// suspended is the problem of an order whose subscription is not Enabled: nothing new is bought for it.
func (r *run) suspended(ctx context.Context, o *order.Order) *order.Problem {
	now, thing := r.Now(), "subscription "+o.ID.Subscription
	if r.recent.well(thing, now) {
		return nil
	}
	state, err := r.Store.SubscriptionState(ctx, o.ID.Subscription)
	if err != nil {
		return nil // a subscription that cannot be read stops nothing
	}
	if state == "Enabled" {
		r.recent.found(thing, now)
		return nil
	}
	return &order.Problem{Class: order.Waiting, What: "new order", Where: "subscription " + o.ID.Subscription, Detail: "the subscription is " + state, ID: "sub-disabled",
		Owner: order.OwnerAdmin, Cause: "somebody has switched it off: an unpaid bill, or an administrator", Fix: "Enable it: certwright subscription enable " + o.ID.Subscription, At: r.Now()}
}

func request(o *order.Order, a *order.Attempt) Request {
	q := Request{Order: o.ID, Attempt: a.ID, Names: o.Spec.Names, Method: o.Spec.Method, Validity: o.Spec.Validity, Profile: o.Spec.Profile, Replaces: a.Replaces,
		Tokens: map[string]string{}, Proven: map[string]order.Identifier{}}
	for _, id := range o.Identifiers {
		q.Tokens[id.Value] = id.Token
		if id.Verified != nil && id.ValidUntil != nil {
			q.Proven[id.Value] = id
		}
	}
	return q
}

func opening(a *order.Attempt) Opening {
	return Opening{URL: a.URL, Account: a.Account, Expires: a.Expires, Proofs: a.Proofs, Replaced: a.Replaces != ""}
}

// problem puts an error in the words of the path.
func (m *Mover) problem(err error, what string) *order.Problem {
	p := order.AsProblem(err, what, m.Now())
	if errors.Is(err, context.DeadlineExceeded) && p.Cause == "" {
		p.Detail, p.Cause = "no answer in time ("+p.Detail+")", "the other side hangs or a network drops the packets"
	}
	if errors.Is(err, ErrNotFound) && p.Fix == "" {
		p.Class, p.Fix = order.Final, "Create what is missing, or change the order to name another"
	}
	return p
}

// obtain carries an attempt from its published proofs to the certificate in the vault. Everything it does
// can be done again: the authority's order URL and the sealed key are recorded already.
func (r *run) obtain(ctx context.Context, s order.Step, o *order.Order, a *order.Attempt) []order.Result {
	defer r.free(a.KeyType)
	auth, traits, err := r.Authorities.Authority(ctx, a.Issuer)
	if err != nil {
		return []order.Result{order.AttemptFailed{ID: a.ID, Problem: r.problem(err, "use issuer "+a.Issuer)}}
	}
	if err := r.slot(ctx, a.KeyType, a.Issuer, traits.InFlight); err != nil {
		return nil
	}
	if p := r.onHold(o, a.Issuer, traits, false); p != nil {
		return []order.Result{order.AttemptWaits{ID: a.ID, Problem: p}}
	}
	began := r.Now()
	results, proofs, ok := r.prove(ctx, o, a, auth, traits)
	if !ok {
		r.abandon(ctx, auth, o, a, results)
		return results
	}
	if r.Now().Sub(began) > time.Second { // a person is watching: show what is done so far
		r.out <- outcome{step: s, results: results, partial: true}
		results = nil
	}
	if !r.early.wait(ctx, a.ID) {
		return nil // the attempt is not on record, so nothing of it is finalised; who takes the order up begins anew
	}
	return append(results, r.sign(ctx, o, a, auth, proofs)...)
}

// abandon tells the authority that an attempt which is given up needs its order no more.
func (r *run) abandon(ctx context.Context, auth Authority, o *order.Order, a *order.Attempt, results []order.Result) {
	for _, res := range results {
		if f, ok := res.(order.AttemptFailed); ok && f.Problem.Class != order.Retry {
			if err := auth.Abandon(ctx, request(o, a), opening(a)); err != nil {
				r.Logger.Info("could not tell the authority that an order is abandoned", "order", o.ID.Name, "error", err)
			}
		}
	}
}

// prove publishes what is not proved yet, lets the authority look, and withdraws once it needs to look no
// more: until then the proofs stay, also when this run lets go, for the authority looks when it likes.
func (r *run) prove(ctx context.Context, o *order.Order, a *order.Attempt, auth Authority, traits Traits) ([]order.Result, []order.Proof, bool) {
	if allDone(a.Proofs) {
		return append(r.unsay(ctx, o, a), order.Proved{ID: a.ID, Proofs: a.Proofs}), a.Proofs, true
	}
	a = a.Clone()
	if moved, err := r.place(ctx, o, a); err != nil {
		return r.over(ctx, o, a, order.AttemptFailed{ID: a.ID, Problem: r.problem(err, "find where the record is to stand")}), nil, false
	} else if moved {
		return []order.Result{order.Placed{ID: a.ID, Proofs: a.Proofs}}, nil, false // on record first; then it is published
	}
	pub := r.publish(ctx, o, a)
	if pub.failed != nil {
		return r.over(ctx, o, a, order.AttemptFailed{ID: a.ID, Problem: pub.failed}), nil, false
	}
	if p := r.spreading(o, a, pub); p != nil {
		return []order.Result{order.AttemptWaits{ID: a.ID, Problem: p, Written: true}}, nil, false
	}
	if pub.wait != nil && !traits.Patient && !a.Ask && !pub.seen {
		return []order.Result{order.AttemptWaits{ID: a.ID, Problem: pub.wait, Names: pub.waits, Each: pub.each}}, nil, false
	}
	proofs, err := auth.Validate(ctx, request(o, a), opening(a))
	if len(proofs) == 0 {
		proofs = a.Proofs
	}
	results := []order.Result{order.Proved{ID: a.ID, Proofs: proofs}}
	if err != nil {
		p := r.problem(err, "validate")
		r.heed(ctx, a.Issuer, p)
		if p.Class != order.Waiting {
			return append(results, r.over(ctx, o, a, order.AttemptFailed{ID: a.ID, Problem: p})...), nil, false
		}
		if pub.wait != nil {
			p = pub.wait // our own words say what to publish
		}
		return append(results, order.AttemptWaits{ID: a.ID, Problem: p, Names: undone(proofs), Each: pub.each}), nil, false
	}
	if p := refused(proofs, r.Now()); p != nil {
		return append(results, r.over(ctx, o, a, order.AttemptFailed{ID: a.ID, Problem: p})...), nil, false
	}
	return append(results, r.unsay(ctx, o, a)...), proofs, true
}

// over is the end of a try: where it ends the attempt, its proofs are withdrawn with it.
func (r *run) over(ctx context.Context, o *order.Order, a *order.Attempt, f order.AttemptFailed) []order.Result {
	if f.Problem.Class == order.Retry || f.Problem.Class == order.Waiting {
		return []order.Result{f}
	}
	return append(r.unsay(ctx, o, a), f)
}

func allDone(proofs []order.Proof) bool { return len(undone(proofs)) == 0 }

func undone(proofs []order.Proof) []string {
	var names []string
	for _, p := range proofs {
		if !p.Done {
			names = append(names, p.Name.Value)
		}
	}
	return names
}

// refused gathers what the authority said of the names: one problem, the others as its subproblems.
func refused(proofs []order.Proof, now time.Time) *order.Problem {
	var first *order.Problem
	for _, p := range proofs {
		if p.Problem == nil {
			if !p.Done && first == nil {
				first = &order.Problem{Class: order.Retry, What: "verify " + p.Name.Value, Detail: "the authority has not decided yet", Owner: order.OwnerIssuer, At: now}
			}
			continue
		}
		if first == nil || first.Class == order.Retry {
			q := *p.Problem
			q.Class = order.GiveUp // the authority has judged this order: only a new one can go on
			q.What = "verify " + p.Name.Value
			first = &q
			continue
		}
		first.Sub = append(first.Sub, order.Sub{Type: p.Problem.Type, Detail: p.Problem.Detail, Identifier: p.Name.Value})
	}
	return first
}

// sign finalises and stores.
func (r *run) sign(ctx context.Context, o *order.Order, a *order.Attempt, auth Authority, proofs []order.Proof) []order.Result {
	fail := func(p *order.Problem) []order.Result {
		return []order.Result{order.AttemptFailed{ID: a.ID, Problem: p}}
	}
	key, csr, public, err := r.requestOf(o, a)
	if err != nil {
		return fail(&order.Problem{Class: order.GiveUp, What: "open the attempt's key", Detail: err.Error(), ID: "vault-dek-missing", Owner: order.OwnerAdmin, At: r.Now(),
			Cause: "the key-encryption key is not the one it was sealed with", Fix: "A new key is made with the next attempt"})
	}
	op := opening(a)
	op.Proofs = proofs
	chain, err := auth.Finalise(ctx, request(o, a), op, csr)
	r.free(a.KeyType) // the order at the authority has come to its end: another may begin while we store this one
	if err != nil {
		p := r.problem(err, "finalise")
		r.heed(ctx, a.Issuer, p)
		if p.Class == order.Waiting {
			return []order.Result{order.AttemptWaits{ID: a.ID, Problem: p}}
		}
		if a.External {
			o.BlameRequest(p)
		}
		return fail(p)
	}
	v, err := checkIssued(chain, public, o.Spec.Names)
	if err != nil {
		return fail(&order.Problem{Class: order.GiveUp, What: "check the issued certificate", Where: a.URL, Detail: err.Error(), Owner: order.OwnerIssuer, At: r.Now(),
			Cause: "the authority issued something else than was asked for", Fix: "The current version stays; a new attempt follows"})
	}
	ask := r.Now().Add(v.NotAfter.Sub(v.NotBefore) / 100) // for its renewal information: soon, not in this run
	v.WindowAt = &ask
	results := []order.Result{order.SignedBy{ID: a.ID, Version: v}}
	if a.External {
		return results // there is no key to store
	}
	cert := r.certificate(o, a.KeyType, a.ID, key, chain)
	if err := r.Vault.Put(ctx, cert); err != nil {
		return append(results, order.StoreFailed{ID: a.ID, Problem: r.problem(err, "store")})
	}
	r.keep(cert)
	return append(results, order.Stored{ID: a.ID})
}

// certificate is a version as it goes into the vault: with the order's tags, and the one that names it.
func (r *run) certificate(o *order.Order, k order.KeyType, id string, key keySigner, chain [][]byte) Certificate {
	tags := map[string]string{}
	maps.Copy(tags, o.Spec.Tags)
	tags["CertificateId"] = o.ID.String()
	return Certificate{Vault: o.Spec.Vault, Name: o.SecretFor(k), ID: id, Key: key, Chain: chain, Content: o.Spec.Content, Author: order.OwnerUs,
		Tags: tags}
}

// storeAgain writes to the vault what was signed and not stored yet: after a failure, or of an import.
func (r *run) storeAgain(ctx context.Context, o *order.Order, a *order.Attempt) []order.Result {
	v := o.Version(a.Version)
	key, err := r.openKey(a)
	if err != nil || v == nil {
		p := &order.Problem{Class: order.Retry, What: "open the attempt's key", Detail: fmt.Sprint(err), ID: "vault-dek-missing", Owner: order.OwnerAdmin, Vault: order.VaultUnknownError, At: r.Now(),
			Cause: "the key-encryption key is not the one it was sealed with", Fix: "Start Certwright with the right key-encryption key"}
		return []order.Result{order.StoreFailed{ID: a.ID, Problem: p}}
	}
	cert := r.certificate(o, a.KeyType, a.ID, key, order.DecodeChain(v.Chain))
	if err := r.Vault.Put(ctx, cert); err != nil {
		return []order.Result{order.StoreFailed{ID: a.ID, Problem: r.problem(err, "store")}}
	}
	r.keep(cert)
	return []order.Result{order.Stored{ID: a.ID}}
}
