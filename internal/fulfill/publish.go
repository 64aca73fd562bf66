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
	r      *run
	o      *order.Order
	sites  []site.Site
	done   []order.Proof
	wait   *order.Problem // some proof only a person can publish
	waits  []string       // for these names
	seen   bool           // and yet we see it already
	failed *order.Problem
}

// publish makes every undone proof visible. They are recorded on the attempt already: after a crash the
// next run publishes and withdraws them again.
func (r *run) publish(ctx context.Context, o *order.Order, a *order.Attempt) *publication {
	p := &publication{r: r, o: o, sites: r.sites(ctx, o), seen: true}
	for _, proof := range a.Proofs {
		if proof.Done {
			continue
		}
		err := r.Verifier.Publish(ctx, p.sites, proof)
		var problem *order.Problem
		switch {
		case err == nil:
			p.done = append(p.done, proof)
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

// withdraw takes back what was published, also when the run is being stopped.
func (p *publication) withdraw(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, proof := range p.done {
		if err := p.r.Verifier.Withdraw(ctx, p.sites, proof); err != nil {
			p.r.Logger.Warn("a proof could not be withdrawn", "order", p.o.ID.Name, "name", proof.Name.Value, "error", err)
		}
	}
}

// sites are the order's sites as they are now; one that is gone is passed over.
func (r *run) sites(ctx context.Context, o *order.Order) []site.Site {
	var list []site.Site
	for _, name := range o.Spec.Sites {
		if s, err := r.Store.LoadSite(ctx, o.ID.Subscription, o.ID.Group, name); err == nil {
			list = append(list, *s)
		}
	}
	return list
}
