package diagnose

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// Signs of an order's path (perOrder): the serial in the vault, at the targets and on the wire, side by side.
const (
	oBehind     sign = "targets-or-endpoints-hold-an-older-serial-than-the-vault"
	oTargetOld  sign = "a-target-holds-an-older-serial-than-the-vault"
	oSyncLater  sign = "the-next-sync-is-due-later"
	oSyncFailed sign = "the-last-sync-failed"
	oSwitched   sign = "the-target-was-switched-off"
	oServedOld  sign = "the-wire-shows-an-older-serial-than-the-vault"
	oFilesNew   sign = "every-target-holds-the-current-serial"
	oAutoOff    sign = "automatic-renewal-is-off"
	oDue        sign = "the-renewal-is-due"
	oNeverTried sign = "control-of-a-name-was-never-shown-nor-tried"
	oLapsed     sign = "the-proof-of-control-has-lapsed"
	oNoTarget   sign = "no-target-and-no-endpoint-is-bound"
)

// orderScopes makes the one scope of the order's path; none without a path.
func (j *judge) orderScopes() []*scope {
	if len(j.path) == 0 {
		return nil
	}
	s := newScope(perOrder, j.target, j.target)
	s.vars["order"], s.vars["instruct"], s.vars["laterAt"] = j.target, "", "once what is under way is done"
	j.serialSigns(s)
	j.renewalSigns(s)
	j.verifySigns(s)
	j.renewSigns(s)
	return []*scope{s}
}

// stage gives a stage of the path; the zero Stage is one that is not there.
func (j *judge) stage(name order.StageName) order.Stage {
	for _, st := range j.path {
		if st.Stage == name {
			return st
		}
	}
	return order.Stage{Stage: name, State: order.Absent}
}

// rowsOf are a stage's rows, or the stage itself as its only row.
func rowsOf(st order.Stage) []order.Row {
	if len(st.Rows) > 0 || st.State == order.Absent || st.State == "" {
		return st.Rows
	}
	return []order.Row{{Name: string(st.Stage), State: st.State, Version: st.Version, Serial: st.Serial, Since: st.Since, NextAt: st.NextAt, Problem: st.Problem}}
}

// current are the serials that the vault holds, one a key type.
func (j *judge) current() []string {
	var out []string
	for _, r := range rowsOf(j.stage(order.StageStore)) {
		if r.Serial != "" {
			out = append(out, strings.ToUpper(r.Serial))
		}
	}
	return out
}

// serialSigns find the first hop where the serial stops advancing: vault, targets, wire.
func (j *judge) serialSigns(s *scope) {
	have := j.current()
	if len(have) == 0 {
		return // nothing is stored: the trouble lies before the vault, or this order stores nothing
	}
	s.vars["current"] = strings.Join(have, " and ")
	old := func(serial string) bool { return !slices.Contains(have, strings.ToUpper(serial)) }
	var behind, switched, later, failed []order.Row
	targets := rowsOf(j.stage(order.StageDeploy))
	for _, r := range targets {
		off := r.State == order.Disabled
		switch {
		case off && j.switchedOff(r) && old(r.Serial):
			switched = append(switched, r)
		case off, !old(r.Serial):
		case r.Problem != nil:
			failed = append(failed, r)
		case r.State == order.StateWait && j.underWay(r):
			later = append(later, r)
		default:
			behind = append(behind, r)
		}
	}
	served := j.servedOld(old)
	s.set(oTargetOld, len(behind) > 0, j.rowRefs(order.StageDeploy, behind)...)
	s.set(oSwitched, len(switched) > 0, j.rowRefs(order.StageDeploy, switched)...)
	s.set(oSyncLater, len(later) > 0, j.rowRefs(order.StageDeploy, later)...)
	s.set(oSyncFailed, len(failed) > 0, j.rowRefs(order.StageDeploy, failed)...)
	s.set(oServedOld, len(served) > 0, served...)
	stuck := len(behind)+len(switched)+len(later)+len(failed) > 0
	s.set(oFilesNew, len(targets) > 0 && !stuck, j.rowRefs(order.StageDeploy, targets)...)
	// What a person switched off is behind on purpose, and so is what it serves.
	off := len(switched) > 0 && len(switched) == len(targets)
	s.set(oBehind, len(behind)+len(later)+len(failed) > 0 || len(served) > 0 && !off, append(j.rowRefs(order.StageDeploy, slices.Concat(behind, later, failed)), served...)...)
	bound := j.rowRefs(order.StageStore, rowsOf(j.stage(order.StageStore)))
	s.set(oNoTarget, len(targets) == 0 && (len(rowsOf(j.stage(order.StageServe))) == 0 || len(served) > 0), append(bound, served...)...)
	for k, rows := range map[string][]order.Row{"targets": behind, "switched": switched, "later": later} {
		s.vars[k] = rowNames(rows)
		if len(rows) > 0 && rows[0].NextAt != nil {
			s.vars[k+"At"] = day(*rows[0].NextAt) + " UTC"
		}
		if len(rows) > 0 {
			s.vars[k+"Text"] = rows[0].Text
		}
	}
	if len(served) > 0 {
		s.vars["servedat"] = served[0].Subject
	}
}

// switchedOff says whether a person switched a target off; a target that is for another kind of key is left alone
// for a reason of its own.
func (j *judge) switchedOff(r order.Row) bool {
	if o := j.opts.Order; o != nil {
		for i := range o.Deployments {
			if d := &o.Deployments[i]; d.Key() == r.Name && !d.Gone {
				return d.Disabled != ""
			}
		}
	}
	return true
}

// grace is how long a push may be under way before it counts as stuck.
const grace = 15 * time.Minute

// underWay says whether a waiting row is within its normal time: planned for later, or just begun.
func (j *judge) underWay(r order.Row) bool {
	return r.NextAt != nil && r.NextAt.After(j.now) || r.Since != nil && j.now.Sub(*r.Since) < grace
}

// servedOld are the looks that show another serial than the vault's: fresh handshakes where there are
// any, else the endpoints' last ones.
func (j *judge) servedOld(old func(string) bool) []EvidenceRef {
	var out []EvidenceRef
	fresh := false
	for _, l := range j.survey.looks {
		if c := l.leaf(); c != nil && l.name != "" {
			fresh = true
			if old(serialOf(c)) {
				r := l.ref
				r.Expected = "serial " + strings.Join(j.current(), " or ")
				out = append(out, r)
			}
		}
	}
	if fresh {
		return out
	}
	for _, r := range rowsOf(j.stage(order.StageServe)) {
		if r.Serial != "" && old(r.Serial) {
			out = append(out, j.rowRefs(order.StageServe, []order.Row{r})...)
		}
	}
	return out
}

func reloadRef(key string, r evidence.Reload, at time.Time) EvidenceRef {
	seen := "exit status 0"
	if r.Exit != 0 || r.Error != "" {
		b, _ := json.Marshal(strings.TrimSpace(r.Output + " " + r.Error))
		seen = "exit status " + itoa(r.Exit) + " " + string(b)
	}
	var words []string
	for _, a := range r.Argv {
		words = append(words, quote(a))
	}
	return EvidenceRef{Probe: evidence.ProbeReload, Subject: key + " reload " + r.Name, Expected: "exit status 0", Seen: seen, From: "server", At: at, Command: strings.Join(words, " ")}
}

// renewalSigns are whether the order wants a new version, and will get one by itself.
func (j *judge) renewalSigns(s *scope) {
	o := j.opts.Order
	if o == nil || o.Kind != order.Ordered {
		return
	}
	s.set(oAutoOff, !o.Spec.AutoRenew, EvidenceRef{Probe: evidence.ProbeOrder, Subject: "order " + o.ID.Name + " autoRenew", Expected: "on", Seen: onOff(o.Spec.AutoRenew), From: "server", At: j.now, Command: "certwright order show " + quote(o.ID.Name)})
	var newest *order.Version
	for i := range o.Versions {
		if v := &o.Versions[i]; v.State == order.VersionStored && (newest == nil || v.NotAfter.After(newest.NotAfter)) {
			newest = v
		}
	}
	if newest == nil {
		return
	}
	late := newest.NotAfter.Sub(j.now) < Late(newest.NotBefore, newest.NotAfter)
	s.vars["end"] = day(newest.NotAfter) + " UTC"
	s.set(oDue, late, EvidenceRef{Probe: evidence.ProbeOrder, Subject: "order " + o.ID.Name + " newest version", Seen: "serial " + newest.Serial + " ends " + day(newest.NotAfter), From: "server", At: j.now, Command: "certwright order show " + quote(o.ID.Name)})
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// verifySigns are whether control of the names was ever shown, and still counts.
func (j *judge) verifySigns(s *scope) {
	o := j.opts.Order
	if o == nil || o.Kind != order.Ordered {
		return
	}
	var never, lapsed []string
	for _, id := range o.Identifiers {
		switch {
		case id.Verified == nil && id.Tries == 0 && id.Problem == nil:
			never = append(never, id.Value)
			if id.Instruct != "" {
				s.vars["instruct"] = capital(id.Instruct)
			}
		case id.ValidUntil != nil && id.ValidUntil.Before(j.now) && id.Problem != nil:
			lapsed = append(lapsed, id.Value)
		}
	}
	waits := j.stage(order.StageVerify).State == order.StateWait && j.stage(order.StageVerify).Owner == order.OwnerOwner
	ref := EvidenceRef{Probe: evidence.ProbeOrder, Subject: "order " + o.ID.Name + " verification of " + listed(never), Expected: "verified", Seen: "never tried", From: "server", At: j.now, Command: "certwright order show " + quote(o.ID.Name)}
	s.set(oNeverTried, waits && len(never) > 0, ref)
	ref.Subject, ref.Seen = "order "+o.ID.Name+" verification of "+listed(lapsed), "lapsed"
	s.set(oLapsed, len(lapsed) > 0, ref)
	s.vars["never"], s.vars["lapsed"] = listed(never), listed(lapsed)
	if d := j.stage(order.StageVerify).Deadline; d != nil {
		s.vars["deadline"] = day(*d) + " UTC"
	} else {
		s.vars["deadline"] = "its deadline"
	}
}

// rowRefs quote rows of the path.
func (j *judge) rowRefs(stage order.StageName, rows []order.Row) []EvidenceRef {
	var out []EvidenceRef
	for _, r := range rows {
		seen := string(r.State)
		if r.Serial != "" {
			seen += ", serial " + r.Serial
		}
		if r.Text != "" {
			seen += ", " + r.Text
		}
		ref := EvidenceRef{Probe: evidence.ProbeOrder, Subject: string(stage) + " " + r.Name, Seen: seen, From: "server", At: j.now, Command: "certwright order show " + quote(j.target)}
		if have := j.current(); len(have) > 0 && (stage == order.StageDeploy || stage == order.StageServe) {
			ref.Expected = "serial " + strings.Join(have, " or ")
		}
		out = append(out, ref)
	}
	return out
}

func rowNames(rows []order.Row) string {
	var out []string
	for _, r := range rows {
		out = append(out, r.Name)
	}
	return listed(out)
}
