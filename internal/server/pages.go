package server

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"certwright/internal/arm"
	"certwright/internal/auth"
	"certwright/internal/diagnose"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/web"
)

// pages are the web pages over this server and its API.
func (s *Server) pages(apis http.Handler) http.Handler {
	return s.signedIn(web.New(web.Options{
		Reader: scoped{s.Store, s.Now}, Actions: buttons{s}, Auth: signIn{s.Auth}, Now: s.Now,
		Path: (*order.Order).Path, Project: (*order.Order).Project,
		Diagnose: s.report, Changes: s.changes,
		Resource: func(_ context.Context, o *order.Order) (json.RawMessage, error) {
			return json.Marshal(arm.Order(o, s.Now()))
		},
		Ask:       asking(apis),
		SignOut:   func(ctx context.Context, r *http.Request) error { return s.Auth.SignOut(ctx, web.Session(r)) },
		PublicURL: s.Config.URL, OwnRoots: s.Config.TLS.Certificate == "", Version: s.Version,
	}))
}

// buttons are the pages' actions, for those whose role allows them.
type buttons struct{ s *Server }

func by(caller string) order.By { return order.By{Caller: caller, Correlation: fulfill.NewID()} }

func (b buttons) Do(ctx context.Context, caller string, id order.ID, action string) error {
	if a, ok := diagnose.ActionOf(action); ok {
		if err := mayDo(ctx, a.RightOf(), id); err != nil {
			return err
		}
	}
	_, err := b.s.Do(ctx, by(caller), id, action)
	return err
}

func (b buttons) Request(ctx context.Context, caller string, id order.ID, csr string, reuse bool) error {
	if err := mayDo(ctx, order.Type+"/renew/Action", id); err != nil {
		return err
	}
	if csr == "" { // without one it would be an ordinary renewal
		return &order.Refusal{Kind: order.BadInput, Code: order.CsrMissing, Property: "csr", Message: "there is no certificate request", Fix: "Paste the text of one, from -----BEGIN CERTIFICATE REQUEST----- on"}
	}
	_, err := b.s.Mover.NewVersion(ctx, by(caller), id, order.CmdRenew, fulfill.Asked{Delay: -1, CSR: csr, ReuseCSR: &reuse})
	return err
}

// signIn lets auth speak the pages' words.
type signIn struct{ a *auth.Auth }

func (i signIn) SignIn(ctx context.Context, token string) (string, string, error) {
	return i.a.SignIn(ctx, token)
}

// Who is the principal that signedIn found.
func (signIn) Who(ctx context.Context, _ *http.Request) (string, bool) {
	p := principal(ctx)
	return p.Name, p.Role != ""
}

// report is a diagnosis in the pages' words.
func (s *Server) report(ctx context.Context, id order.ID) (web.Report, error) {
	c, err := s.examine(ctx, id)
	if err != nil {
		return web.Report{}, err
	}
	r := c.Judge()
	plan := diagnose.PlanOf(r, s.refused(ctx, c.Options.Order), true, nil) // whoever presses a button has mended what was theirs
	out := web.Report{Healthy: r.Healthy, Took: time.Duration(r.DurationMs) * time.Millisecond}
	for i, f := range r.Findings {
		root := rootOf(f, r.Path)
		if i < len(plan.Steps) && plan.Steps[i].Doable {
			root.Action = plan.Steps[i].Action
			if root.FixCommand == "" {
				root.FixCommand = plan.Steps[i].Command
			}
		}
		out.Roots = append(out.Roots, root)
	}
	for _, b := range r.BlindSpots {
		out.BlindSpots = append(out.BlindSpots, b.What+": "+b.Because)
	}
	return out, nil
}

func rootOf(f diagnose.Finding, path []order.Stage) web.Root {
	root := web.Root{ID: f.ID, Leg: f.Leg, Severity: f.Severity, Certainty: f.Certainty, Title: f.Title, Cause: f.Cause, FixText: f.Fix.Text, FixCommand: f.Fix.Command}
	for _, e := range f.Evidence {
		root.Evidence = append(root.Evidence, web.Evidence{Subject: e.Subject, Expected: e.Expected, Seen: e.Seen, From: e.From, Command: e.Command, At: e.At})
	}
	for _, x := range f.RuledOut {
		root.RuledOut = append(root.RuledOut, web.RuledOut{ID: x.ID, Because: x.Because})
	}
	if w := stageOf(f.Leg, path); w.State != order.Done { // since when, who, by when
		root.Owner = w.Owner
		if w.Since != nil {
			root.Since = *w.Since
		}
		if w.Deadline != nil {
			root.Deadline = *w.Deadline
		}
	}
	return root
}

// legs are the stages in which the legs of the catalogue lie.
var legs = map[string]order.StageName{"order": order.StageIssue, "caa": order.StageVerify, "dns": order.StageVerify, "http": order.StageVerify, "alpn": order.StageVerify,
	"vault": order.StageStore, "deploy": order.StageDeploy, "endpoint": order.StageServe, "renewal": order.StageIssue}

// stageOf is the stage that a finding's leg belongs to; the worst one where that stage is well.
func stageOf(leg string, path []order.Stage) order.Stage {
	for _, s := range path {
		if s.Stage == legs[leg] && s.State != order.Done && s.State != order.Absent {
			return s
		}
	}
	return order.Worst(path)
}

// changes gives the ids of orders as events come, until ctx ends.
func (s *Server) changes(ctx context.Context) (<-chan order.ID, error) {
	_, cursor, err := s.Store.Follow(ctx, "", 1)
	if err != nil {
		return nil, err
	}
	out := make(chan order.ID, 16)
	go func() {
		defer close(out)
		for ctx.Err() == nil {
			changed := s.Store.Changed()
			events, next, err := s.Store.Follow(ctx, cursor, 200)
			if err != nil {
				return
			}
			cursor = next
			for _, e := range events {
				if !maySee(ctx, e.Order) {
					continue
				}
				select {
				case out <- e.Order:
				case <-ctx.Done():
					return
				}
			}
			if len(events) == 0 {
				s.Store.Wait(ctx, changed, time.Second) // what another replica commits rings no bell here
			}
		}
	}()
	return out, nil
}
