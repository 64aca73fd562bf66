package fulfill

import (
	"context"
	"errors"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
	"certwright/internal/site"
)

// publication is what one run has published for an attempt.
type publication struct {
	wait   *order.Problem // some proof only a person can publish
	waits  []string       // for these names
	seen   bool           // and yet we see it already
	failed *order.Problem
}

// publish makes every undone proof visible. They are recorded on the attempt already, and that they may be
// visible: whatever becomes of this run, they are withdrawn by one that comes after.
func (r *run) publish(ctx context.Context, o *order.Order, a *order.Attempt) *publication {
	p, sites := &publication{seen: true}, r.sites(ctx, o)
	for _, proof := range a.Proofs {
		if proof.Done {
			continue
		}
		err := r.Verifier.Publish(ctx, sites, proof)
		var problem *order.Problem
		switch {
		case err == nil:
		case errors.As(err, &problem) && problem.Class == order.Waiting:
			if p.wait == nil {
				p.wait = r.problem(err, "publish the proof")
			}
			p.waits = append(p.waits, proof.Name.Value)
			p.seen = p.seen && passes(r.Verifier.Preflight(ctx, proof))
		default:
			p.failed = r.problem(err, "publish the proof for "+proof.Name.Value)
			return p
		}
	}
	return p
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

// sited is a site and when it was read.
type sited struct {
	site *site.Site
	at   time.Time
}

// site reads a site; what this run read a moment ago is not read again. The site is not to be changed.
func (r *run) site(ctx context.Context, o *order.Order, name string) (*site.Site, error) {
	now := r.Now()
	r.mu.Lock()
	s, ok := r.sited[name]
	r.mu.Unlock()
	if ok && now.Sub(s.at) < recently {
		return s.site, nil
	}
	read, err := r.Store.LoadSite(ctx, o.ID.Subscription, o.ID.Group, name)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sited == nil {
		r.sited = map[string]sited{}
	}
	r.sited[name] = sited{read, now}
	return read, nil
}
