package server

import (
	"context"
	"net/netip"
	"strings"

	"certwright/internal/evidence"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/probe"
	"certwright/internal/site"
)

// addTarget adds what can be said of one deployment: of its files against the vault's version, and of what serves them
// on this machine.
func (s *Server) addTarget(ctx context.Context, o *order.Order, d *order.Deployment, add func(string, string, observe)) {
	v := o.Current(d.KeyType)
	st, err := s.Store.LoadSite(ctx, o.ID.Subscription, o.ID.Group, d.Site)
	if err != nil || v == nil || d.Disabled != "" {
		return
	}
	t, ok := st.Target(d.Target)
	if !ok {
		return
	}
	add(evidence.ProbeFiles, "target "+d.Key(), func(ctx context.Context) []evidence.Observation {
		return s.deployer.Observe(ctx, t, fulfill.Certificate{Vault: o.Spec.Vault, Name: o.SecretFor(d.KeyType), ID: v.SecretID, Chain: order.DecodeChain(v.Chain)})
	})
	add(evidence.ProbeTarget, "server of "+d.Key(), func(ctx context.Context) []evidence.Observation {
		return s.lookAtTarget(ctx, o, st, t, d)
	})
}

// lookAtTarget looks at what serves a deployment, where that is this machine.
func (s *Server) lookAtTarget(ctx context.Context, o *order.Order, st *site.Site, t site.Target, d *order.Deployment) []evidence.Observation {
	ask, blind, err := s.targetAsk(ctx, o, st, t, d)
	if err != nil {
		return []evidence.Observation{{Probe: evidence.ProbeTarget, Check: evidence.CheckRead, Subject: "target " + d.Key(), Outcome: evidence.Unknown,
			Reason: err.Error(), From: "server", At: s.Now()}}
	}
	return append(s.Prober.LookTarget(ctx, ask), distinct(blind, ask.Addresses)...)
}

// targetAsk is what is looked at for a deployment, with a blind spot for each endpoint that is not this machine's. Where a reload
// failed, the server's own test is asked for at once: what failed is what it tells of.
func (s *Server) targetAsk(ctx context.Context, o *order.Order, st *site.Site, t site.Target, d *order.Deployment) (ask probe.TargetAsk, blind []evidence.Observation, err error) {
	place, err := s.deployer.Place(t)
	if err != nil {
		return ask, nil, err
	}
	ask = probe.TargetAsk{Target: d.Key(), Dirs: place.Dirs, Program: place.Reload, Test: d.Problem != nil && strings.HasPrefix(d.Problem.ID, "sync-reload-failed")}
	for _, f := range place.Files {
		ask.Paths = append(ask.Paths, probe.TargetPath{Path: f.Path, Role: f.Kind})
	}
	for i := range o.Endpoints {
		e := &o.Endpoints[i]
		if e.Gone || !showsAt(e, st, t) {
			continue
		}
		addrs, err := s.Prober.LocalAddresses(ctx, e.Address)
		if err != nil {
			blind = append(blind, evidence.Observation{Probe: evidence.ProbeTarget, Check: evidence.CheckListener, Subject: e.Address, Outcome: evidence.Unknown,
				Reason: "which process serves there cannot be seen from here: " + err.Error(), From: "server", At: s.Now()})
		}
		ask.Addresses = append(ask.Addresses, addrs...)
		if ask.ServerName = e.ServerName; ask.ServerName == "" {
			ask.ServerName = firstDNSName(o)
		}
	}
	return ask, blind, nil
}

// distinct keeps blind spots only where no address of the target could be looked at: an endpoint that is another
// machine's is no news beside one of this machine.
func distinct(blind []evidence.Observation, seen []netip.AddrPort) []evidence.Observation {
	if len(seen) > 0 {
		return nil
	}
	return blind
}

// showsAt says whether a push to the target shows at an endpoint.
func showsAt(e *order.EndpointRow, st *site.Site, t site.Target) bool {
	if !strings.EqualFold(e.Site, st.Name) {
		return false
	}
	return strings.EqualFold(e.Target, t.Name) || e.Target == "" && len(st.Targets) == 1
}

func firstDNSName(o *order.Order) string {
	for _, n := range o.Spec.Names {
		if n.Kind == order.DNS {
			return strings.TrimPrefix(n.Value, "*.")
		}
	}
	return ""
}
