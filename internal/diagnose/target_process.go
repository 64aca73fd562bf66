package diagnose

import (
	"slices"
	"strings"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// processSigns are when the servers at the target's endpoints read their files, against when these changed.
func (j *judge) processSigns(s *scope, t *target) {
	changed := t.changed()
	var before, after, two, leaving []EvidenceRef
	renews := false
	for _, l := range t.listeners {
		older, newer := 0, 0
		for _, m := range l.Masters {
			s.vars["process"] = m.Name + " (pid " + itoa(m.PID) + ")"
			renews = renews || m.Renews
			for _, w := range m.Workers {
				if w.Leaving {
					leaving = append(leaving, l.ref)
				}
			}
			if changed.IsZero() {
				continue
			}
			if loadedAfter(m, changed) {
				newer++
				after = append(after, l.ref)
			} else {
				older++
				before = append(before, l.ref)
				s.vars["process"] = m.Name + " (pid " + itoa(m.PID) + ", started " + day(m.Started) + " UTC)"
			}
		}
		if older > 0 && newer > 0 || len(l.Masters) > 1 && t.alternates(l.Address) {
			two = append(two, l.ref)
			if older == 0 || newer == 0 {
				s.vars["process"] = "One of " + masterNames(l.Masters)
			}
		}
	}
	s.vars["since"] = changed.UTC().Format("2006-01-02 15:04:05") + " UTC"
	if len(before)+len(after)+len(two) == 0 {
		s.unknown(tNewWork, "when the server loaded its files was not seen")
		if s.set(tTwo, false); len(t.listeners) == 0 && t.dep == nil {
			s.unknown(tTwo, "which processes serve was not seen")
		}
	} else {
		s.set(tNewWork, renews && len(before) == 0, after...)
		s.set(tTwo, len(two) > 0, two...)
	}
	s.set(tLeaving, len(leaving) > 0, leaving...)
}

func masterNames(list []evidence.Master) string {
	var out []string
	for _, m := range list {
		out = append(out, m.Name+" (pid "+itoa(m.PID)+")")
	}
	return listed(out)
}

// alternates says whether one address shows the current certificate and another one by turns.
func (t *target) alternates(address string) bool {
	old, well := false, false
	for _, l := range t.looks {
		if l.Address == address {
			well = well || t.wanted(serialOf(l.leaf()))
			old = old || !t.wanted(serialOf(l.leaf()))
		}
	}
	return old && well
}

// clockSlack is how exactly process starts and file times can be compared: the kernel counts the first in
// hundredths of a second.
const clockSlack = 100 * time.Millisecond

func loadedAfter(m evidence.Master, changed time.Time) bool {
	return !m.Loaded.Add(clockSlack).Before(changed)
}

// changed is when the files that the server reads were changed last; zero if that was not seen.
func (t *target) changed() time.Time {
	var at time.Time
	for _, p := range t.pairs() {
		for _, f := range []*readFile{p.cert, p.key} {
			if f != nil && f.Changed.After(at) {
				at = f.Changed
			}
		}
	}
	return at
}

// pairs are the pairs that the server reads, or, where its configuration was not seen, the target's own.
func (t *target) pairs() []pair {
	if c := t.chosen(); len(c) > 0 || len(t.configs) > 0 && t.known() {
		return c
	}
	if p, ok := t.own(); ok {
		return []pair{p}
	}
	return nil
}

// known says whether any configuration could be read.
func (t *target) known() bool {
	return slices.ContainsFunc(t.configs, func(c seenConfig) bool { return len(c.Uses) > 0 })
}

// loadSigns are whether the server was told of its files, and took them: by its processes where they show it, by the
// receipts of the deployments, by the server's own test of its configuration.
func (j *judge) loadSigns(s *scope, t *target) {
	j.testSigns(s, t)
	ran, bad, known, ev := j.receipts(s, t)
	processes := s.signs[tNewWork]
	switch {
	case t.pushedInVain() && t.dep.Tried == nil:
		s.set(tLoaded, false, j.problemRef(order.StageDeploy, *t.row))
	case processes.state == yes:
		s.set(tLoaded, true, processes.ev...)
	case processes.state == no && t.renews():
		// A server that starts new workers for every reload that succeeds did not: whatever a command reported.
		s.set(tLoaded, false, t.listenerRefs()...)
	case t.pushedInVain():
		s.set(tLoaded, true, j.problemRef(order.StageDeploy, *t.row), reloadRef(t.dep.Key(), *t.dep.Tried, t.row.Problem.At))
	case processes.state == no && t.startedAfter():
		s.set(tLoaded, true, t.listenerRefs()...)
	case known:
		s.set(tLoaded, ran, ev...)
	default:
		s.unknown(tLoaded, "no receipt of a deployment is at hand, so whether the server was reloaded is not known")
	}
	own := s.signs[tReloadBad].state == yes
	elsewhere := s.signs[tTestElse].state == yes
	switch {
	case own, elsewhere && !bad:
	case t.untested() && !bad:
		s.unknown(tReloadBad, untested)
	case known || len(t.tests) > 0:
		s.set(tReloadBad, bad && !elsewhere, ev...)
	default:
		s.unknown(tReloadBad, "the outcome of the reload is not known")
	}
	id := ""
	if t.row != nil && t.row.Problem != nil {
		id = t.row.Problem.ID
		s.vars["reloadsaid"] = t.row.Problem.Detail
	}
	s.set(tForbidden, id == "sync-reload-not-permitted", ev...)
}

func (t *target) renews() bool {
	for _, l := range t.listeners {
		for _, m := range l.Masters {
			if m.Renews {
				return true
			}
		}
	}
	return false
}

// startedAfter says whether every server was started after the files changed.
func (t *target) startedAfter() bool {
	changed, n := t.changed(), 0
	for _, l := range t.listeners {
		for _, m := range l.Masters {
			if n++; !loadedAfter(m, changed) {
				return false
			}
		}
	}
	return n > 0
}

func (t *target) listenerRefs() []EvidenceRef {
	var out []EvidenceRef
	for _, l := range t.listeners {
		out = append(out, l.ref)
	}
	return out
}

// receipts are what the deployments, and observations of reloads, say of the reload after the files were written.
func (j *judge) receipts(s *scope, t *target) (ran, bad, known bool, ev []EvidenceRef) {
	reloads, from := payloads[evidence.Reload](j.obs, evidence.ProbeReload)
	for _, o := range from {
		ev = append(ev, refOf(o))
	}
	known = len(reloads) > 0
	if o := j.opts.Order; o != nil {
		for i := range o.Deployments {
			d := &o.Deployments[i]
			if d.Receipt == nil || d.Gone || t.dep != nil && d != t.dep {
				continue
			}
			known = true
			if d.Receipt.Reload != nil && !t.writtenSince(d.Receipt.At) {
				reloads = append(reloads, *d.Receipt.Reload)
				ev = append(ev, reloadRef(d.Key(), *d.Receipt.Reload, d.Receipt.At))
			}
		}
	}
	for _, r := range reloads {
		if r.Exit != 0 || r.Error != "" {
			bad = true
			s.vars["reload"], s.vars["reloadsaid"] = strings.Join(r.Argv, " "), strings.TrimSpace(r.Output+" "+r.Error)
		}
	}
	return len(reloads) > 0, bad, known, ev
}

// writtenSince says whether the files were changed after a push, so that its reload loaded something else.
func (t *target) writtenSince(push time.Time) bool {
	at := t.changed()
	return !at.IsZero() && at.After(push.Add(pushSlack))
}

// testSigns are where a configuration test that fails lies: in the files and lines of this name, or elsewhere.
func (j *judge) testSigns(s *scope, t *target) {
	var own, elsewhere []EvidenceRef
	passed := false
	for _, x := range t.tests {
		if x.Exit == 0 {
			passed = true
			continue
		}
		mine := false
		for _, f := range x.Faults {
			if t.mine(f) {
				mine = true
				s.vars["reload"], s.vars["reloadsaid"] = strings.Join(x.Argv, " "), f.Text
			} else {
				s.vars["fault"], s.vars["line"] = f.Text, f.At
				if f.At == "" {
					s.vars["line"] = strings.Join(f.Paths, ", ")
				}
			}
		}
		switch {
		case mine:
			own = append(own, x.ref)
		case len(x.Faults) > 0:
			elsewhere = append(elsewhere, x.ref)
		}
	}
	id := ""
	if t.row != nil && t.row.Problem != nil {
		id = t.row.Problem.ID
	}
	switch {
	case len(own)+len(elsewhere) > 0:
		s.set(tTestElse, len(elsewhere) > 0 && len(own) == 0, elsewhere...)
	case t.untested():
		s.unknown(tTestElse, untested)
	case passed || id != "sync-reload-failed-unrelated":
		s.set(tTestElse, false)
	default:
		s.unknown(tTestElse, "the server's configuration test was not run")
	}
	if len(own) > 0 {
		s.set(tReloadBad, true, own...)
	}
}

// untested is why it is not known what a server says of its configuration.
const untested = "the server was not asked whether it accepts its configuration"

// untested says whether a server could be asked to test its configuration and was not.
func (t *target) untested() bool {
	return len(t.tests) == 0 && slices.ContainsFunc(t.configs, func(c seenConfig) bool { return len(c.Test) > 0 })
}

// testQuestion asks the target's servers to test their configuration, where they were not asked yet.
func (s *scope) testQuestion(t *target) {
	if t.untested() {
		s.questions = append(s.questions, evidence.Question{Target: t.key, Address: t.configs[0].Address})
	}
}

// mine says whether a complaint is about the files of this target, or the lines that name them.
func (t *target) mine(f evidence.TestFault) bool {
	for _, p := range t.pairs() {
		for _, name := range []string{p.use.Certificate, p.use.Key} {
			if name != "" && (slices.Contains(f.Paths, name) || strings.Contains(f.Text, name)) {
				return true
			}
		}
		if f.At != "" && f.At == p.use.From {
			return true
		}
	}
	return slices.ContainsFunc(t.ours, func(o *readFile) bool { return slices.Contains(f.Paths, o.Path) })
}
