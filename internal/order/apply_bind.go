package order

import (
	"time"

	"certwright/internal/site"
)

// Bound gives an order its rows of targets and endpoints: those of its sites as they are now, and its own
// endpoints. Rows whose target or endpoint is no longer named are gone, and come back when it is.
type Bound struct {
	By
	Sites   []site.Site
	Changed string   // the site that somebody changed; empty = the order itself was
	Moved   []string // targets of it that are to be put elsewhere, or otherwise, now: what they hold is not known
}

func (r Bound) apply(o *Order, now time.Time) []Event {
	o.bindTargets(r.Sites, now)
	o.bindEndpoints(r.Sites, now)
	if r.Changed == "" {
		return nil
	}
	for _, name := range r.Moved {
		if d := o.Deployment((&Deployment{Site: r.Changed, Target: name}).Key()); d != nil && !d.Gone {
			d.hurry()
			d.Forced, d.ForcedAt = true, now
		}
	}
	e := o.event(now, StageDeploy, "site-changed", "Site %s was changed by %s.", r.Changed, orWord(r.Caller, "somebody")).with("site", r.Changed)
	e.Caller, e.Correlation, e.Status = r.Caller, r.Correlation, Info
	return []Event{e}
}

func (o *Order) bindTargets(sites []site.Site, now time.Time) {
	for i := range o.Deployments {
		o.Deployments[i].Gone = true
	}
	for _, s := range sites {
		for _, t := range s.Targets {
			d := o.Deployment((&Deployment{Site: s.Name, Target: t.Name}).Key())
			if d == nil {
				o.Deployments = append(o.Deployments, Deployment{Site: s.Name, Target: t.Name, Progress: Progress{Since: now}})
				d = &o.Deployments[len(o.Deployments)-1]
			}
			k := KeyType(t.KeyType)
			if k == "" && len(o.Spec.KeyTypes) > 0 {
				k = o.Spec.KeyTypes[0]
			}
			if d.Disabled != "" && t.Disabled == "" {
				d.DueAt = time.Time{}
			}
			d.Gone, d.KeyType, d.Disabled = false, k, t.Disabled
		}
	}
	kept := o.Deployments[:0]
	for _, d := range o.Deployments {
		if !d.Gone || d.Version > 0 {
			kept = append(kept, d)
		}
	}
	o.Deployments = kept
}

func (o *Order) bindEndpoints(sites []site.Site, now time.Time) {
	for i := range o.Endpoints {
		o.Endpoints[i].Gone = true
	}
	add := func(name string, e site.Endpoint) {
		if e.ServerName == "" {
			e.ServerName = o.serverName()
		}
		row := EndpointRow{Endpoint: e, Site: name, State: StateWait, Progress: Progress{Since: now}}
		if have := o.Endpoint(row.Key()); have != nil {
			have.Gone, have.Endpoint = false, e
			return
		}
		o.Endpoints = append(o.Endpoints, row)
	}
	for _, s := range sites {
		for _, e := range s.Endpoints {
			add(s.Name, e)
		}
	}
	for _, e := range o.Spec.Endpoints {
		add("", e)
	}
	kept := o.Endpoints[:0]
	for _, e := range o.Endpoints {
		if !e.Gone {
			kept = append(kept, e)
		}
	}
	o.Endpoints = kept
}

// serverName is what is asked for where an endpoint names nothing: the first DNS name that is no wildcard.
func (o *Order) serverName() string {
	for _, n := range o.Spec.Names {
		if n.Kind == DNS && n.Value[0] != '*' {
			return n.Value
		}
	}
	for _, n := range o.Spec.Names {
		if n.Kind == DNS {
			return "www" + n.Value[1:]
		}
	}
	return ""
}

// Fresh is a new order of a wish: its rows, due at once.
func Fresh(id ID, kind Kind, wish Spec, sites []site.Site, now time.Time) *Order {
	o := &Order{ID: id, Kind: kind, Generation: 1, Spec: wish, Created: now, Updated: now, Ordered: now}
	for _, n := range wish.Names {
		o.Identifiers = append(o.Identifiers, Identifier{Name: n, Method: wish.Method, Progress: Progress{Since: now}})
	}
	o.Vault.Since = now
	Bound{Sites: sites}.apply(o, now)
	o.DueAt = o.NextDue(now)
	return o
}
