package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"certwright/internal/diagnose"
	"certwright/internal/evidence"
	"certwright/internal/fulfill"
	"certwright/internal/order"
	"certwright/internal/timeline"
)

// recent is how many events an order's first page reads for its timeline.
const recent = 60

// orderView is all that an order's page shows.
type orderView struct {
	visit
	Order   *order.Order
	Proj    order.Projection
	Tile    tile
	Path    []order.Stage
	Root    *Root // from what is recorded; Diagnose may know better
	Entries []timeline.Entry
	More    bool // the timeline goes on
	Now     time.Time
	CanLook bool // Diagnose is there
	Message *message
}

// message is what came of a button pressed.
type message struct{ Tone, Title, Text string }

// load reads an order for a page, or answers why not.
func (p *pages) load(w http.ResponseWriter, r *http.Request, v visit) (*order.Order, bool) {
	id := orderID(r)
	o, err := p.Reader.LoadOrder(r.Context(), id)
	switch {
	case errors.Is(err, fulfill.ErrNotFound):
		p.fail(w, r, v, http.StatusNotFound, "There is no such order", "No order is called "+strconv.Quote(id.Name)+". It may have been deleted; its events are kept for a while (certwright timeline "+id.Name+").")
	case err != nil:
		p.fail(w, r, v, http.StatusInternalServerError, "The order cannot be read", sentence(err.Error()))
	}
	return o, err == nil
}

func (p *pages) order(w http.ResponseWriter, r *http.Request, v visit) {
	o, ok := p.load(w, r, v)
	if !ok {
		return
	}
	view, err := p.orderView(r.Context(), o, v)
	if err != nil {
		p.fail(w, r, v, http.StatusInternalServerError, "The timeline cannot be read", sentence(err.Error()))
		return
	}
	if partial(r) {
		p.render(w, r, http.StatusOK, orderLive(view))
		return
	}
	// After a button without JavaScript the browser comes back here with what was done.
	if m, ok := doneWord(r.URL.Query().Get("did")); ok {
		view.Message = &m
	}
	p.render(w, r, http.StatusOK, orderPage(view))
}

func (p *pages) orderView(ctx context.Context, o *order.Order, v visit) (orderView, error) {
	now := p.Now()
	view := orderView{visit: v, Order: o, Now: now, Proj: p.Project(o, now), Path: p.Path(o, now), CanLook: p.Diagnose != nil}
	view.Tile = tileOf(o, view.Proj, view.Path, now)
	view.Root = recordedRoot(o, view.Path)
	events, _, err := p.Reader.Events(ctx, order.EventQuery{Order: &o.ID, Limit: recent})
	if err != nil {
		return view, err
	}
	view.Entries = timeline.Build(events, timeline.Options{})
	view.More = len(events) == recent
	if len(view.Entries) > 8 {
		view.Entries, view.More = view.Entries[:8], true
	}
	return view, nil
}

// recordedRoot is the problem that the order itself records: the first stage on the road that failed, else
// the first that waits for somebody else than us. The rest of the road is blocked by it.
func recordedRoot(o *order.Order, stages []order.Stage) *Root {
	pick := slices.IndexFunc(stages, func(s order.Stage) bool { return s.State == order.StateFail })
	if pick < 0 {
		pick = slices.IndexFunc(stages, func(s order.Stage) bool {
			return s.State == order.StateWait && s.Owner != order.OwnerUs && s.Owner != ""
		})
	}
	if pick < 0 {
		return nil
	}
	s := stages[pick]
	root := &Root{Severity: "warning", Leg: string(s.Stage), Owner: s.Owner, Action: healer(s.Stage, o), FixText: s.Next,
		Title: stageWord[s.Stage] + " " + wordOf(s.State)}
	if s.State == order.StateFail {
		root.Severity = "critical"
	}
	if s.Since != nil {
		root.Since = *s.Since
	}
	if s.Deadline != nil {
		root.Deadline = *s.Deadline
	}
	if prob := problemOf(s); prob != nil {
		root.fill(prob)
	} else if s.Owner == order.OwnerOwner {
		root.Title = "Waiting for the owner of the name"
	}
	root.Evidence = append(root.Evidence, recordedEvidence(o, s.Stage)...)
	if o.DeniedAt != nil {
		// Final: no button brings it back.
		root.Action, root.FixCommand = "", "certwright order again "+o.ID.Name
	} else if cmd := keyCommands[root.ID]; cmd != "" {
		root.Action, root.FixCommand = "", fmt.Sprintf(cmd, o.ID.Name)
	} else if s.Stage == order.StageIssue && s.State == order.StateFail {
		// It is tried again by itself; whoever has mended the cause need not wait for that.
		root.FixCommand = "certwright order renew " + o.ID.Name
	} else if root.Action != "" {
		root.FixCommand = "certwright order " + root.Action + " " + o.ID.Name
	}
	return root
}

// keyCommands are what whoever keeps an order's key can do with it; no button can.
var keyCommands = map[string]string{"renew-external-csr": "certwright order renew %s --csr FILE", "sync-key-external": "certwright order export %s --chain"}

// problemOf is the problem of a stage, or of the first of its rows that has one.
func problemOf(s order.Stage) *order.Problem {
	if s.Problem != nil {
		return s.Problem
	}
	for _, r := range s.Rows {
		if r.Problem != nil && r.State == s.State {
			return r.Problem
		}
	}
	return nil
}

// fill takes a recorded problem's words.
func (root *Root) fill(p *order.Problem) {
	root.ID = p.ID
	root.Title = strings.TrimSuffix(sentence(p.What), ".")
	if root.Severity == "critical" {
		root.Title += " failed"
	}
	root.Cause = firstOf(p.Cause, p.Detail)
	root.Owner = firstOf(p.Owner, root.Owner)
	root.FixText = firstOf(p.Fix, root.FixText)
	seen := p.Detail
	for _, s := range p.Sub {
		seen += "\n" + s.Identifier + ": " + s.Detail
	}
	if p.Where != "" || seen != root.Cause {
		root.Evidence = append(root.Evidence, Evidence{Subject: firstOf(p.Where, p.What), Seen: seen, At: p.At})
	}
}

// healer is the button that can heal a stage: sync writes to the vault and the targets again, verify
// looks for the proof now.
func healer(s order.StageName, o *order.Order) string {
	switch s {
	case order.StageVerify:
		return "verify"
	case order.StageStore, order.StageDeploy, order.StageServe:
		if o.Kind != order.Watched {
			return "sync"
		}
	}
	return ""
}

// recordedEvidence are the latest looks that did not see what they should, at most five.
func recordedEvidence(o *order.Order, stage order.StageName) []Evidence {
	var seen []evidence.Observation
	switch stage {
	case order.StageStore:
		seen = o.Vault.Seen
	case order.StageDeploy:
		for _, d := range o.Deployments {
			seen = append(seen, d.Seen...)
		}
	case order.StageServe:
		for _, e := range o.Endpoints {
			seen = append(seen, e.Seen...)
		}
	}
	var out []Evidence
	for _, ob := range seen {
		if ob.Outcome == evidence.Fail && len(out) < 5 {
			out = append(out, Evidence{Subject: ob.Probe + " " + ob.Subject, Expected: ob.Expected, Seen: firstOf(ob.Seen, ob.Reason),
				From: ob.From, Command: ob.Command, At: ob.At})
		}
	}
	return out
}

// diagnoseWithin bounds a diagnosis: a person waits for it.
const diagnoseWithin = 20 * time.Second

// diagnosis is the card of root causes: a piece of an order's page, or a page of its own without JavaScript.
func (p *pages) diagnosis(w http.ResponseWriter, r *http.Request, v visit) {
	o, ok := p.load(w, r, v)
	if !ok {
		return
	}
	now := p.Now()
	d := diagnosisView{visit: v, Order: o, Now: now, Recorded: recordedRoot(o, p.Path(o, now))}
	if p.Diagnose != nil {
		d.Report, d.Error = p.look(r.Context(), o.ID)
	}
	if partial(r) {
		p.render(w, r, http.StatusOK, diagnosisCards(d))
		return
	}
	p.render(w, r, http.StatusOK, diagnosisPage(d))
}

// look diagnoses an order once for all who ask at the same time: at an incident that is everybody. It
// goes on when the one who asked first leaves.
func (p *pages) look(ctx context.Context, id order.ID) (*Report, string) {
	v, err, _ := p.looks.Do(id.Key(), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), diagnoseWithin)
		defer cancel()
		return p.Diagnose(ctx, id)
	})
	report, ok := v.(Report)
	if err != nil || !ok {
		return nil, sentence(fmt.Sprint(err))
	}
	return &report, ""
}

// diagnosisView is a diagnosis with what is recorded beside it.
type diagnosisView struct {
	visit
	Order    *order.Order
	Now      time.Time
	Recorded *Root
	Report   *Report // nil: not looked, or Error says why not
	Error    string
}

// doneWords confirm a button's command.
var doneWords = map[string]message{
	"sync":    {toneOK, "Sync was asked for.", "Vault and targets are being compared with the current version now. What comes of it appears in the timeline below."},
	"request": {toneOK, "The request was taken.", "A certificate is being ordered with it now. What comes of it appears in the timeline; then the certificate lies under Versions (PEM)."},
	"verify":  {toneOK, "Verification was asked for.", "The proofs are being looked for now. What comes of it appears in the timeline below."},
}

// doneWord confirms an action.
func doneWord(name string) (message, bool) {
	if m, ok := doneWords[name]; ok {
		return m, true
	}
	a, ok := diagnose.ActionOf(name)
	return message{toneOK, actionWord(name) + ": asked for.", a.Changes + " What comes of it appears in the timeline below."}, ok && !a.Final
}

// act is a button: it gives the command and says so.
func (p *pages) act(a diagnose.Action) func(http.ResponseWriter, *http.Request, visit) {
	return func(w http.ResponseWriter, r *http.Request, v visit) {
		id := orderID(r)
		if err := p.Actions.Do(r.Context(), v.Who, id, a.Name); err != nil {
			p.refused(w, r, v, a.Name, err)
			return
		}
		if partial(r) {
			m, _ := doneWord(a.Name)
			p.render(w, r, http.StatusOK, note(m.Tone, m.Title, m.Text))
			return
		}
		http.Redirect(w, r, orderPath(id)+"?did="+a.Name, http.StatusSeeOther)
	}
}

// refused shows why a command was not taken: on the order's own page, with nothing lost.
func (p *pages) refused(w http.ResponseWriter, r *http.Request, v visit, what string, err error) {
	code := http.StatusInternalServerError
	title := "Nothing was done: " + what + " failed."
	if ref, ok := order.AsRefusal(err); ok {
		code, title = refusalStatus(ref.Kind), "Nothing was done."
	} else if errors.Is(err, fulfill.ErrNotFound) {
		code = http.StatusNotFound
	}
	if partial(r) {
		p.render(w, r, code, note(toneBad, title, sentence(err.Error())))
		return
	}
	o, loadErr := p.Reader.LoadOrder(r.Context(), orderID(r))
	if loadErr != nil {
		p.fail(w, r, v, code, title, sentence(err.Error()))
		return
	}
	view, viewErr := p.orderView(r.Context(), o, v)
	if viewErr != nil {
		p.fail(w, r, v, code, title, sentence(err.Error()))
		return
	}
	view.Message = &message{toneBad, title, sentence(err.Error())}
	p.render(w, r, code, orderPage(view))
}

func refusalStatus(k order.RefusalKind) int {
	switch k {
	case order.BadInput:
		return http.StatusBadRequest
	case order.NotFound:
		return http.StatusNotFound
	case order.Stale:
		return http.StatusPreconditionFailed
	case order.Forbidden:
		return http.StatusForbidden
	case order.TooMany:
		return http.StatusTooManyRequests
	case order.Unsuitable:
		return http.StatusUnprocessableEntity
	}
	return http.StatusConflict
}

// canSync and canVerify say whether a button makes sense now; the command itself decides.
func canSync(v orderView) bool {
	return v.Order.Kind != order.Watched && len(v.Order.Versions) > 0 && v.Proj.Status != order.StatusRevoked
}

func canVerify(v orderView) bool {
	i := slices.IndexFunc(v.Path, func(s order.Stage) bool { return s.Stage == order.StageVerify })
	return i >= 0 && (v.Path[i].State == order.StateWait || v.Path[i].State == order.StateFail) && v.Proj.Status != order.Denied
}

// fact is one line of the facts beside the path.
type fact struct {
	Word, Text string
	At         time.Time // shown after the text when set
}

// factsOf are what an owner asks first: names, issuer, vault, end, renewal.
func factsOf(v orderView) []fact {
	o := v.Order
	out := []fact{{Word: "Names", Text: joinNames(o.Spec.Names)}}
	if o.Kind == order.Ordered {
		out = append(out, fact{Word: "Issuer", Text: o.Spec.Issuer})
		renew := "on"
		if !o.Spec.AutoRenew {
			renew = "off: it has to be renewed by hand"
		}
		out = append(out, fact{Word: "Auto-renew", Text: renew})
	} else {
		out = append(out, fact{Word: "Kind", Text: string(o.Kind)})
	}
	if o.Spec.ExternalKey {
		key := "kept by the order's owner"
		if o.Kind == order.Ordered && !o.Spec.ReuseCSR {
			key += ": each version needs a new certificate request"
		}
		out = append(out, fact{Word: "Key", Text: key})
	}
	if o.Spec.ImportedFrom != "" {
		out = append(out, fact{Word: "Imported from", Text: o.Spec.ImportedFrom})
	}
	if o.Spec.Vault != "" {
		out = append(out, fact{Word: "Vault", Text: o.Spec.Vault + " / " + firstOf(o.Spec.Secret, o.ID.Name)})
		out = append(out, fact{Word: "Vault status", Text: string(v.Proj.Vault)})
	}
	if !v.Proj.Expires.IsZero() {
		out = append(out, fact{Word: "Expires", At: v.Proj.Expires})
	}
	if v.Proj.Finding != "" {
		out = append(out, fact{Word: "Finding", Text: v.Proj.FindingTitle + " (" + v.Proj.Finding + "), since", At: v.Proj.FindingSince})
	}
	if !o.Health.Looked.IsZero() {
		out = append(out, fact{Word: "Examined", At: o.Health.Looked})
	}
	if n := len(o.Versions); n > 0 {
		if w := o.Versions[n-1].Window; w != nil && o.Spec.AutoRenew {
			out = append(out, fact{Word: "Renewal window", Text: "opens", At: w.Start})
		}
	}
	if s := nextSync(o); !s.IsZero() {
		out = append(out, fact{Word: "Next sync", At: s})
	}
	if o.DueAt.After(v.Now) {
		out = append(out, fact{Word: "Next look at it", At: o.DueAt})
	}
	return out
}

// nextSync is the earliest time at which a target is compared with the vault again.
func nextSync(o *order.Order) time.Time {
	var t time.Time
	for _, d := range o.Deployments {
		if d.Disabled == "" && !d.Gone && !d.SyncAt.IsZero() && (t.IsZero() || d.SyncAt.Before(t)) {
			t = d.SyncAt
		}
	}
	return t
}

func joinNames(names []order.Name) string {
	s := ""
	for i, n := range names {
		if i > 0 {
			s += ", "
		}
		s += n.Value
	}
	return s
}
