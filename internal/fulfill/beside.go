package fulfill

import "certwright/internal/order"

// Which steps of one run may go on beside each other, and what a look is worth beside something that changes what it
// looks at: a result that is told late must not stand over what is newer.

// turn is when a step is begun of those that are due together: looks after what changes what they see, the end last.
func turn(s order.Step) int {
	switch s.Kind {
	case order.StepLook, order.StepVault:
		return 1
	case order.StepRemove:
		return 2
	}
	return 0
}

// waits says whether a step has to wait for one that is under way. It is due still when that has ended.
func (r *run) waits(s order.Step) bool {
	for busy := range r.busy {
		switch {
		case s.Kind == order.StepUnsay && busy == order.Step{Kind: order.StepObtain, Key: s.Key}: // it may be publishing still
			return true
		case s.Kind == order.StepLook && busy.Kind == order.StepDeploy && r.shows(s, busy): // the push looks itself
			return true
		case s.Kind == order.StepVault && busy.Kind == order.StepStore: // storing shows how the vault is
			return true
		case s.Kind == order.StepRemove && turn(busy) == 0: // it may leave a certificate at the authority, in the vault, at a target
			return true
		}
	}
	return false
}

// shows says whether a push can change what a look sees.
func (r *run) shows(look, push order.Step) bool {
	e, d := r.o.Endpoint(look.Key), r.o.Deployment(push.Key)
	return e != nil && d != nil && e.ShowsPushTo(d)
}

// overtake makes the looks at what a beginning push changes count no more.
func (r *run) overtake(d *order.Deployment) {
	for s := range r.busy {
		if e := r.o.Endpoint(s.Key); s.Kind == order.StepLook && e != nil && e.ShowsPushTo(d) {
			r.stale[s] = true
		}
	}
}

// upToDate is what an outcome says that was not overtaken. What it says of the vault overtakes a look at it that is under
// way.
func (r *run) upToDate(out outcome) []order.Result {
	stale := r.stale[out.step] && !out.partial
	if stale {
		delete(r.stale, out.step)
	}
	var results []order.Result
	for _, res := range out.results {
		switch res.(type) {
		case order.Stored, order.StoreFailed:
			for s := range r.busy {
				r.stale[s] = r.stale[s] || s.Kind == order.StepVault
			}
		case order.VaultSeen:
			if stale {
				res = order.VaultSeen{Overtaken: true}
			}
		case order.Looked:
			if stale && out.step.Kind == order.StepLook {
				continue
			}
		}
		results = append(results, res)
	}
	return results
}
