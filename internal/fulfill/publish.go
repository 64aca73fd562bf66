package fulfill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
	"certwright/internal/site"
)

// publication is what one run has published for an attempt.
type publication struct {
	wait   *order.Problem    // some proof only a person can publish
	waits  []string          // for these names
	seen   bool              // and yet we see it already
	each   map[string]string // what their owner has to do for each
	lack   []string          // name servers that have not got a record yet that we wrote
	some   bool              // some name server has one of them
	failed *order.Problem
}

// publish makes every undone proof visible. They are recorded on the attempt already, and that they may be
// visible: whatever becomes of this run, they are withdrawn by one that comes after.
func (r *run) publish(ctx context.Context, o *order.Order, a *order.Attempt) *publication {
	p, sites := &publication{seen: true, each: map[string]string{}}, r.sites(ctx, o)
	for _, proof := range a.Proofs {
		if proof.Done {
			continue
		}
		err := r.Verifier.Publish(ctx, sites, proof)
		var problem *order.Problem
		switch {
		case err == nil && proof.Account != "":
			lack, some := lacking(r.Verifier.Preflight(ctx, proof))
			p.lack, p.some = append(p.lack, lack...), p.some || some
		case err == nil:
		case errors.As(err, &problem) && problem.Class == order.Waiting:
			if p.wait == nil {
				p.wait = r.problem(err, "publish the proof")
			}
			p.waits = append(p.waits, proof.Name.Value)
			p.each[proof.Name.Value] = problem.Fix
			p.seen = p.seen && passes(r.Verifier.Preflight(ctx, proof))
		default:
			p.failed = r.problem(err, "publish the proof for "+proof.Name.Value)
			return p
		}
	}
	return p
}

// lacking are the name servers that say that they have not got a record, and whether some other has it. Those that do not
// answer are passed over.
func lacking(seen []evidence.Observation) (servers []string, some bool) {
	for _, s := range seen {
		some = some || s.Outcome == evidence.Pass
		if s.Outcome == evidence.Fail {
			server := s.Subject
			if res, ok := evidence.Decode[evidence.Resolved](s); ok {
				server = res.Server
			}
			servers = append(servers, server)
		}
	}
	return servers, some
}

// spreadFor is how long records that we wrote are given to reach every name server before the authority is asked
// all the same: what we see is evidence and no gate.
const spreadFor = 2 * time.Minute

// spreading is the wait for the zone's other name servers to take over what was written; nil when it is over.
func (r *run) spreading(o *order.Order, a *order.Attempt, p *publication) *order.Problem {
	if len(p.lack) == 0 || a.Ask || a.Written != nil && !r.Now().Before(a.Written.Add(spreadFor)) {
		return nil
	}
	slices.Sort(p.lack)
	list := strings.Join(slices.Compact(p.lack), ", ")
	id := ""
	if p.some {
		id = "dns-txt-partly"
	}
	return &order.Problem{ID: id, Class: order.Waiting, What: "spread of the TXT record", Where: list, Owner: order.OwnerUs, At: r.Now(),
		Detail: "it is written, and not yet at every name server: not at " + list, Cause: "secondaries take over a zone's changes after a moment",
		Fix: fmt.Sprintf("Nothing: it is looked for again, and the issuer is asked after %s at the latest; or at once: certwright order verify %s", spreadFor, o.ID.Name)}
}

// place looks anew where the records of dns-01 are to stand and who writes them, if that may have changed since it was
// recorded: a DNS account was added, a CNAME was changed. What is to change is recorded before it is done.
func (r *run) place(ctx context.Context, o *order.Order, a *order.Attempt) (moved bool, err error) {
	sites := r.sites(ctx, o)
	for i := range a.Proofs {
		p := &a.Proofs[i]
		if p.Done || p.Method != order.MethodDNS01 || p.Account != "" && a.Tries == 0 {
			continue
		}
		at, err := r.Verifier.Locate(ctx, o.Spec.DNSAccount, *p)
		if err != nil {
			return false, err
		}
		if at.Place == p.Place && at.Account == p.Account {
			continue
		}
		if err := r.Verifier.Withdraw(ctx, sites, *p); err != nil {
			r.Logger.Warn("a record that has moved could not be withdrawn where it was", "order", o.ID.Name, "place", p.Place, "error", err)
		}
		*p, moved = at, true
	}
	return moved, nil
}

func passes(seen []evidence.Observation) bool {
	for _, s := range seen {
		if s.Outcome != evidence.Pass {
			return false
		}
	}
	return len(seen) > 0
}

// unsay withdraws the proofs of an attempt, also when the run is being stopped.
func (r *run) unsay(ctx context.Context, o *order.Order, a *order.Attempt) []order.Result {
	if a == nil || !a.Visible {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	sites := r.sites(ctx, o)
	var p *order.Problem
	for _, proof := range a.Proofs {
		if err := r.Verifier.Withdraw(ctx, sites, proof); err != nil && p == nil {
			p = r.problem(err, "withdraw the proof for "+proof.Name.Value)
		}
	}
	return []order.Result{order.Withdrawn{ID: a.ID, Problem: p}}
}

// sites are the order's sites as they are now; one that is gone is passed over.
func (r *run) sites(ctx context.Context, o *order.Order) []site.Site {
	var list []site.Site
	for _, name := range o.Spec.Sites {
		if s, err := r.site(ctx, o, name); err == nil {
			list = append(list, *s)
		}
	}
	return list
}

// site reads a site; what this run read a moment ago is not read again. The site is not to be changed.
func (r *run) site(ctx context.Context, o *order.Order, name string) (*site.Site, error) {
	now := r.Now()
	s, forgot := r.sited.recall(name, now)
	if s != nil {
		return s, nil
	}
	s, err := r.Store.LoadSite(ctx, o.ID.Subscription, o.ID.Group, name)
	if err != nil {
		return nil, err
	}
	r.sited.keep(name, s, now, forgot)
	return s, nil
}
