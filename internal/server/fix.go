package server

import (
	"context"
	"fmt"

	"certwright/internal/api"
	"certwright/internal/diagnose"
	"certwright/internal/fulfill"
	"certwright/internal/order"
)

// doer does an action for an order.
type doer func(ctx context.Context, by order.By, id order.ID) (*order.Order, error)

// doers are the actions that a fix can take, by their names, with the command whose rules say whether the order can be
// asked.
func (s *Server) doers() map[string]struct {
	do   doer
	rule order.Command
} {
	m := s.Mover
	type entry = struct {
		do   doer
		rule order.Command
	}
	return map[string]entry{
		diagnose.ActionSync:          {m.Sync, order.CmdSync},
		diagnose.ActionStore:         {m.StoreAgain, order.CmdStore},
		diagnose.ActionRetry:         {m.Retry, order.CmdRetry},
		diagnose.ActionRecover:       {m.Recover, order.CmdRecover},
		diagnose.ActionEnable:        {m.Enable, order.CmdEnable},
		diagnose.ActionVerify:        {m.Verify, order.CmdVerify},
		diagnose.ActionOtherMethod:   {m.OtherMethod, order.CmdUpdate},
		diagnose.ActionResumeRenewal: {m.ResumeRenewal, order.CmdUpdate},
		diagnose.ActionResumeTarget:  {m.ResumeTargets, order.CmdUpdate},
		diagnose.ActionRenew:         {m.Renew, order.CmdRenew},
		diagnose.ActionRekey: {func(ctx context.Context, by order.By, id order.ID) (*order.Order, error) {
			return m.Rekey(ctx, by, id, -1)
		}, order.CmdRekey},
		diagnose.ActionAgain: {m.Again, order.CmdAgain},
	}
}

// Do takes one action for an order, by its name. Whether the caller may is for the caller's face to ask.
func (s *Server) Do(ctx context.Context, by order.By, id order.ID, action string) (*order.Order, error) {
	d, ok := s.doers()[action]
	if !ok {
		return nil, &order.Refusal{Kind: order.BadInput, Code: "UnknownAction", Property: "action", Message: fmt.Sprintf("%q is no action that a fix takes", action), Fix: "See what a fix would do with: certwright fix " + id.Name}
	}
	return d.do(ctx, by, id)
}

// Fix looks at an order now and says what would heal it. Asked to, it does the first thing that it can, once allow
// has let it; what comes of that is seen in the order, and a further call goes on from there.
func (s *Server) Fix(ctx context.Context, by order.By, id order.ID, b api.FixBody, allow func(right string) error) (api.FixAnswer, error) {
	c, err := s.examine(ctx, id)
	if err != nil {
		return api.FixAnswer{}, err
	}
	a := api.FixAnswer{Plan: diagnose.PlanOf(c.Judge(), s.refused(ctx, c.Options.Order), b.Anyway, b.Done)}
	next := a.Plan.Next()
	if !b.Do || next == nil {
		return a, nil
	}
	if act, ok := diagnose.ActionOf(next.Action); ok {
		if err := allow(act.RightOf()); err != nil {
			return a, err
		}
	}
	if _, err := s.Do(ctx, by, id, next.Action); err != nil {
		return a, err
	}
	a.Did = next
	return a, nil
}

// refused says why an action is not possible as the order stands.
func (s *Server) refused(ctx context.Context, o *order.Order) func(action string) string {
	doers := s.doers()
	return func(action string) string {
		d, ok := doers[action]
		if !ok {
			return "this version of Certwright cannot do it"
		}
		err := o.Allowed(d.rule, s.Now())
		switch {
		case err != nil:
		case action == diagnose.ActionOtherMethod:
			_, err = s.Mover.NextMethod(ctx, o)
		case action == diagnose.ActionResumeTarget && len(fulfill.SwitchedOff(o)) == 0:
			return "no target is switched off"
		}
		if r, ok := order.AsRefusal(err); ok {
			return r.Message
		}
		if err != nil {
			return err.Error()
		}
		return ""
	}
}
