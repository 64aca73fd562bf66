package diagnose

import (
	"slices"
	"strings"
	"time"

	"certwright/internal/evidence"
)

// recent is how long before the first failure a change still counts as shortly before it.
const recent = time.Hour

// change is something that was changed, as far as it is recorded or a file's times show it.
type change struct {
	objects []string // what it was made at, as objectsOf names things
	words   string   // "site web was changed by anna"
	at      time.Time
	ref     EvidenceRef
}

// changes are all changes that the evidence holds, and when the failure was first recorded; zero = it is seen now for the first
// time.
func (j *judge) changes() (all []change, failed time.Time) {
	histories, from := payloads[evidence.History](j.obs, evidence.ProbeOrder)
	for i, h := range histories {
		if from[i].Check != evidence.CheckChanges {
			continue
		}
		if h.Failed != nil {
			failed = *h.Failed
		}
		for _, c := range h.Changes {
			ref := refOf(from[i])
			ref.Subject, ref.Seen, ref.At = c.Kind+" "+c.Name, strings.TrimSuffix(c.What, "."), c.At
			all = append(all, change{[]string{c.Kind + " " + c.Name}, c.Kind + " " + c.Name + " was changed by " + c.Who, c.At, ref})
		}
	}
	return append(all, j.fileChanges()...), failed
}

// fileChanges are writes that were no push of ours: to the files that a server reads, and to its configuration.
func (j *judge) fileChanges() []change {
	var all []change
	for _, t := range j.targets() {
		object := []string{"target " + t.key}
		pushed := time.Time{}
		if t.dep != nil && t.dep.Receipt != nil {
			pushed = t.dep.Receipt.At
		}
		for _, f := range slices.Concat(t.ours, t.read) {
			if f.Exists && !f.Changed.IsZero() && f.Changed.After(pushed.Add(pushSlack)) {
				all = append(all, change{object, f.Path + " was written, not by a push of Certwright,", f.Changed, f.ref})
			}
		}
		for _, c := range t.configs {
			if !c.Changed.IsZero() {
				all = append(all, change{object, "the configuration of " + c.Software + " was changed", c.Changed, c.ref})
			}
		}
	}
	return all
}

// objectsOf names what a candidate is about, as changes do.
func (j *judge) objectsOf(c *candidate) []string {
	name := "order " + j.target
	var out []string
	for _, s := range c.scopes {
		switch s.kind {
		case perTarget:
			key := s.vars["target"]
			siteName, _, _ := strings.Cut(key, "/")
			out = append(out, "target "+key, "site "+siteName)
		case perVault:
			out = append(out, "secret "+j.target)
		case perOrder, perIssuer, perDomain, perChallenge:
			out = append(out, name)
		case perLook, perName:
			out = append(out, j.sitesAt(s)...)
		}
	}
	if c.own != nil && position(c.node) < position(nodeVault) {
		out = append(out, name)
	}
	return out
}

// sitesAt are the sites whose endpoints a look on the wire is about.
func (j *judge) sitesAt(s *scope) []string {
	if j.opts.Order == nil {
		return nil
	}
	var out []string
	for i := range j.opts.Order.Endpoints {
		if e := &j.opts.Order.Endpoints[i]; !e.Gone && e.Site != "" && strings.EqualFold(e.ServerName, s.vars["host"]) {
			out = append(out, "site "+e.Site)
		}
	}
	return out
}

// dateChanges notes on each candidate the last change to what it is about, shortly before the first failure. Without an order
// nobody knows since when it fails.
func (j *judge) dateChanges(found []*candidate) {
	if len(j.path) == 0 {
		return
	}
	all, failed := j.changes()
	before := "the first failure"
	if failed.IsZero() {
		failed, before = j.now, "it was first seen"
	}
	for _, c := range found {
		objects := j.objectsOf(c)
		for _, x := range all {
			gap := failed.Sub(x.at)
			mine := slices.ContainsFunc(x.objects, func(o string) bool {
				return slices.ContainsFunc(objects, func(p string) bool { return strings.EqualFold(o, p) })
			})
			if !mine || gap < 0 || gap > recent || c.changed != nil && !x.at.After(c.changed.at) {
				continue
			}
			x.words = capital(x.words) + " at " + x.at.UTC().Format("2006-01-02 15:04:05") + " UTC, " + Span(gap) + " before " + before + "."
			c.changed = &x
		}
	}
}
