package diagnose

import (
	"net/netip"
	"strings"
	"time"

	"certwright/internal/evidence"
)

// Signs of Certwright's own host (perSystem).
const (
	yBehind    sign = "our-clock-is-behind-another"
	yAhead     sign = "our-clock-is-ahead-of-another"
	ySecond    sign = "a-second-independent-clock-says-the-same"
	yNoAnswer  sign = "the-database-does-not-answer"
	yNoWrite   sign = "the-database-takes-no-write"
	yDBDown    sign = "the-database-cannot-be-reached-or-opened"
	yLocked    sign = "another-transaction-holds-the-database's-lock"
	yReadOnly  sign = "the-database-may-only-be-read"
	yFull      sign = "no-space-is-left-for-the-database"
	ySchemaOld sign = "the-database's-schema-is-older-than-the-program"
	yDiskFull  sign = "the-file-system-of-the-data-directory-is-full"
	yLate      sign = "due-orders-are-not-looked-for-in-time"
	yNoLeader  sign = "nobody-leads-the-periodic-jobs"
	yWaits     sign = "due-orders-wait-long-for-a-worker"
	yMany      sign = "many-orders-are-due-at-once"
	yBusy      sign = "every-worker-is-at-work"
	yLeaseOver sign = "a-worker-held-the-order-and-let-its-lease-run-out"
	yLeaseHeld sign = "a-worker-holds-the-order-and-does-not-get-on"
	yFiles     sign = "the-process-may-open-no-more-files"
)

// Bounds of what is well.
const (
	skewBound  = time.Minute      // difference of clocks
	lagBound   = 2 * time.Minute  // how long a due order may wait; the sweep comes every few seconds
	lateSweeps = 12               // intervals without a sweep
	leaderGone = time.Minute      // since a leadership ended: another is elected within seconds
	stuckAfter = 15 * time.Minute // a run's longest: its lease is renewed all the while
	diskBound  = 8 << 20          // bytes free
	filesBound = 0.97             // of the limit
)

// systemScopes makes the one scope of the host that Certwright runs on, where anything was seen of it.
func (j *judge) systemScopes() []*scope {
	s := newScope(perSystem, "system", "this server")
	j.clockSigns(s)
	j.databaseSigns(s)
	j.workSigns(s)
	j.leaseSigns(s)
	out := j.egressScopes()
	if len(s.signs) > 0 {
		out = append(out, s)
	}
	return out
}

// egressScopes make a scope of the way out, where the authority and every host that it was compared with are
// silent: then it is not theirs.
func (j *judge) egressScopes() []*scope {
	seen, from := payloads[evidence.Authority](checked(j.obs, evidence.CheckDirectory), evidence.ProbeCA)
	for i, a := range seen {
		silent := a.ErrorClass == "timeout" || a.ErrorClass == "unreachable" || a.ErrorClass == "unresolvable" && !a.NXDomain
		probe := newScope(perIssuer, "", "")
		j.peerSigns(probe, a)
		nobody := probe.signs[cNobody]
		if !silent || nobody.state != yes {
			continue
		}
		s := newScope(perName, "the way out", "the way out")
		s.vars["host"], s.vars["others"] = a.Host, ", nor to any other host that was tried"
		s.set(sInnerOnly, false)
		s.set(sAllNoRoute, true, append([]EvidenceRef{refOf(from[i])}, nobody.ev...)...)
		return []*scope{s}
	}
	return nil
}

// clockOf is another clock as it was seen.
type clockOf struct {
	host string
	skew time.Duration
	ref  EvidenceRef
}

// clocks are those of the authorities and hosts that gave a Date; each host counts once.
func (j *judge) clocks() []clockOf {
	var out []clockOf
	seen := map[string]bool{}
	add := func(host string, date *time.Time, skew time.Duration, o evidence.Observation) {
		if date == nil || seen[host] {
			return
		}
		seen[host] = true
		skew += j.opts.Moved
		r := refOf(o)
		r.Expected, r.Seen = "within "+skewBound.String()+" of ours", "Date "+date.UTC().Format(time.RFC3339)+", ours "+date.Add(-skew).UTC().Format(time.RFC3339)
		out = append(out, clockOf{host, skew, r})
	}
	dirs, from := payloads[evidence.Authority](checked(j.obs, evidence.CheckDirectory), evidence.ProbeCA)
	for i, a := range dirs {
		host := a.Host
		if len(a.Addresses) > 0 {
			host = a.Addresses[0]
		}
		add(host, a.Date, a.Skew, from[i])
	}
	hosts, from := payloads[evidence.Reached](checked(j.obs, evidence.CheckReach), evidence.ProbeHost)
	for i, h := range hosts {
		add(hostOf(h.Address), h.Date, h.Skew, from[i])
	}
	return out
}

// clockSigns compare our clock with the others: two of them must agree that it is off. One of this very machine
// that agrees with ours says nothing.
func (j *judge) clockSigns(s *scope) {
	var off, same []clockOf
	for _, c := range j.clocks() {
		switch {
		case c.skew.Abs() > skewBound:
			off = append(off, c)
		case !loopback(c.host):
			same = append(same, c)
		}
	}
	if len(off)+len(same) == 0 {
		return
	}
	var agree []clockOf
	for _, a := range off { // the largest group that agrees with one of them
		var group []clockOf
		for _, b := range off {
			if (a.skew - b.skew).Abs() <= skewBound {
				group = append(group, b)
			}
		}
		if len(group) > len(agree) {
			agree = group
		}
	}
	if len(agree) == 0 || len(same) >= len(agree) { // it is theirs that is off
		s.set(yBehind, false)
		s.set(yAhead, false)
		return
	}
	var ev []EvidenceRef
	var names []string
	for _, c := range agree {
		ev, names = append(ev, c.ref), append(names, c.host)
	}
	s.set(yBehind, agree[0].skew > 0, ev...)
	s.set(yAhead, agree[0].skew < 0, ev...)
	s.vars["skew"], s.vars["peers"] = Span(agree[0].skew), listed(names)
	if len(agree) > 1 {
		s.set(ySecond, true, ev...)
	} else {
		s.unknown(ySecond, "only one other clock could be seen, and it may be the one that is off")
	}
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// databaseSigns split the ways in which the database fails.
func (j *judge) databaseSigns(s *scope) {
	seen, from := payloads[evidence.Database](checked(j.obs, evidence.CheckDatabase), evidence.ProbeHost)
	for i, d := range seen {
		if from[i].Outcome == evidence.Unknown {
			continue
		}
		ref := refOf(from[i])
		s.vars["dberror"], s.vars["db"], s.vars["wait"] = d.Error, d.Kind, d.Wait.Round(time.Millisecond).String()
		s.vars["blocker"] = "Which program it is the database does not say."
		if d.Blocker != "" {
			s.vars["blocker"] = "It is " + d.Blocker + "."
		}
		s.set(yNoAnswer, !d.Answers, ref)
		s.set(yNoWrite, !d.Writes, ref)
		for name, id := range map[sign]string{yDBDown: "sys-db-down", yLocked: "sys-db-locked", yReadOnly: "sys-db-readonly", yFull: "sys-db-full"} {
			s.set(name, d.Finding == id, ref)
		}
		s.set(ySchemaOld, d.Have > 0 && d.Have < d.Want, ref)
		s.vars["have"], s.vars["want"] = itoa(int(d.Have)), itoa(int(d.Want))
	}
	disks, from := payloads[evidence.Disk](checked(j.obs, evidence.CheckDisk), evidence.ProbeHost)
	for i, d := range disks {
		s.vars["path"] = d.Path
		s.set(yDiskFull, d.Free < diskBound || d.Inodes == 0, refOf(from[i]))
	}
	limits, from := payloads[evidence.Limits](checked(j.obs, evidence.CheckLimits), evidence.ProbeHost)
	for i, l := range limits {
		s.vars["files"], s.vars["maxfiles"] = itoa(l.Files), itoa(l.MaxFiles)
		s.set(yFiles, l.MaxFiles > 0 && float64(l.Files) >= filesBound*float64(l.MaxFiles), refOf(from[i]))
	}
}

// workSigns are how the machinery that takes up due orders stands.
func (j *judge) workSigns(s *scope) {
	seen, from := payloads[evidence.Work](checked(j.obs, evidence.CheckWork), evidence.ProbeHost)
	for i, w := range seen {
		if from[i].Outcome == evidence.Unknown {
			continue
		}
		ref := refOf(from[i])
		late := w.LastSweep != nil && from[i].At.Sub(*w.LastSweep) > lateSweeps*w.SweepEvery
		s.vars["node"], s.vars["lag"], s.vars["due"], s.vars["every"] = w.Node, Span(w.Lag), itoa(int(w.Due)), w.SweepEvery.String()
		s.vars["sweep"], s.vars["sweeperror"] = "never", ""
		if w.LastSweep != nil {
			s.vars["sweep"] = day(*w.LastSweep) + " UTC"
		}
		if w.Error != "" {
			s.vars["sweeperror"] = strings.TrimSpace(sentence(w.Error))
		}
		s.set(yLate, late, ref)
		s.set(yWaits, w.Lag > lagBound, ref)
		s.set(yMany, w.Due > int64(10*w.Workers), ref)
		s.set(yBusy, w.Held >= w.Workers, ref)
		if w.NoLeader {
			s.unknown(yNoLeader, "who leads the periodic jobs could not be read")
		} else {
			s.set(yNoLeader, w.Leader == "" && late || w.LeaderLeft < -leaderGone, ref)
			s.vars["leader"] = w.Leader
			if w.Leader == "" {
				s.vars["leader"] = "nobody"
			}
		}
	}
}

// leaseSigns are whether a worker holds this order and how.
func (j *judge) leaseSigns(s *scope) {
	o := j.opts.Order
	if o == nil || o.LeaseOwner == "" {
		return
	}
	ref := EvidenceRef{Probe: evidence.ProbeOrder, Subject: "order " + o.ID.Name + " lease", Expected: "let go, or renewed while work goes on", From: "server", At: j.now,
		Seen: "held by " + o.LeaseOwner + " until " + day(o.LeaseUntil), Command: "certwright order show " + quote(o.ID.Name)}
	var last time.Time
	for i := range o.Attempts {
		if at := o.Attempts[i].At; at.After(last) {
			last = at
		}
	}
	s.vars["holder"], s.vars["leaseEnd"] = o.LeaseOwner, day(o.LeaseUntil)+" UTC"
	s.set(yLeaseOver, j.now.Sub(o.LeaseUntil) > skewBound, ref)
	s.set(yLeaseHeld, o.LeaseUntil.After(j.now) && !last.IsZero() && j.now.Sub(last) > stuckAfter && j.now.Sub(o.Updated) > stuckAfter, ref)
}
