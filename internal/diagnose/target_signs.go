package diagnose

import (
	"slices"
	"strings"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// Signs of a target (perTarget): what its endpoints serve, what its processes loaded, and when.
const (
	tOld        sign = "an-endpoint-of-the-target-serves-another-certificate"
	tWell       sign = "an-endpoint-of-the-target-serves-the-right-certificate"
	tLate       sign = "the-target-or-its-endpoint-holds-another-certificate-than-it-should"
	tFilesNew   sign = "the-files-that-the-server-reads-hold-the-current-certificate"
	tFilesOld   sign = "the-files-that-the-server-reads-hold-an-older-certificate"
	tOursNew    sign = "the-target's-own-files-hold-the-current-certificate"
	tOursOld    sign = "the-target's-own-files-hold-another-certificate"
	tHeldNew    sign = "the-files-hold-the-current-certificate,-or-held-it-until-the-push-was-taken-back"
	tArrived    sign = "the-target's-own-files-held-the-new-certificate-when-they-were-pushed"
	tReadsOther sign = "the-server-reads-other-files-than-the-target-writes"
	tNamed      sign = "the-server's-configuration-names-the-server-name"
	tByLink     sign = "the-file-is-reached-by-a-link-that-leads-to-an-older-one"
	tTouched    sign = "the-files-were-changed-after-the-last-push"
	tForeign    sign = "a-newer-certificate-that-no-order-knows-stands-in-the-files"

	tLoaded    sign = "the-server-loaded-its-files-after-they-were-changed"
	tNewWork   sign = "new-workers-were-started-after-the-files-were-changed"
	tReloadBad sign = "the-server-refuses-to-load-the-files"
	tTestElse  sign = "the-configuration-test-fails-in-somebody-else's-part"
	tForbidden sign = "the-reload-command-may-not-be-run"
	tTwo       sign = "two-servers-share-the-port-and-one-loaded-older-files"
	tLeaving   sign = "a-former-worker-still-serves-old-connections"

	tOpen      sign = "a-certificate-update-was-begun-at-the-runtime-socket-and-not-committed"
	tHAProxy   sign = "the-server-is-HAProxy"
	tBehind    sign = "HAProxy's-own-file-holds-an-older-certificate"
	tNotListed sign = "the-certificate-list-has-no-entry-for-the-name"

	tDenied   sign = "the-user-may-not-write-in-the-target's-directory"
	tReadOnly sign = "the-file-system-is-mounted-read-only"
	tFull     sign = "the-disk-is-full"
)

// targetScopes makes a scope of each target.
func (j *judge) targetScopes() []*scope {
	var out []*scope
	for _, t := range j.targets() {
		where := t.key
		if where == "" {
			where = t.listeners0()
		}
		s := newScope(perTarget, "target "+t.key+" "+where, where)
		for _, name := range []string{"file", "key", "other", "from", "line", "process", "user", "reload", "reloadsaid", "fault", "link", "dir", "list", "open", "oldserial", "since", "what", "heals", "half", "fileserial"} {
			s.vars[name] = "(not seen)"
		}
		s.vars["order"], s.vars["target"], s.vars["current"], s.vars["servedat"] = j.target, where, strings.Join(t.want, " and "), where
		if len(j.path) == 0 {
			s.vars["order"] = "<ORDER>" // which order it is of nobody knows here
		}
		if len(t.want) > 0 {
			j.wireSigns(s, t)
			j.fileSigns(s, t)
			j.processSigns(s, t)
			j.loadSigns(s, t)
		}
		j.contentSigns(s, t)
		j.memorySigns(s, t)
		j.placeSigns(s, t)
		j.fixSigns(s, t)
		s.testQuestion(t)
		out = append(out, s)
	}
	return out
}

func (t *target) listeners0() string {
	if len(t.listeners) == 0 {
		return "this machine"
	}
	return t.listeners[0].Address
}

// wireSigns are what the target's endpoints serve: fresh handshakes, else the endpoints' last looks.
func (j *judge) wireSigns(s *scope, t *target) {
	var old, well []EvidenceRef
	for _, l := range t.looks {
		serial := serialOf(l.leaf())
		r := l.ref
		r.Expected = "serial " + strings.Join(t.want, " or ")
		if t.wanted(serial) {
			well = append(well, r)
		} else {
			old = append(old, r)
			s.vars["servedat"], s.vars["oldserial"] = l.Address, serial
		}
	}
	if len(t.looks) == 0 {
		for _, r := range rowsOf(j.stage(order.StageServe)) {
			switch {
			case r.Serial == "" || len(j.stage(order.StageDeploy).Rows) > 1:
			case t.wanted(r.Serial):
				well = append(well, j.rowRefs(order.StageServe, []order.Row{r})...)
			default:
				old = append(old, j.rowRefs(order.StageServe, []order.Row{r})...)
				s.vars["servedat"], s.vars["oldserial"] = r.Name, r.Serial
			}
		}
	}
	if len(old)+len(well) == 0 {
		s.unknown(tOld, "what the target's endpoints serve was not seen")
		s.unknown(tWell, "what the target's endpoints serve was not seen")
		return
	}
	s.set(tOld, len(old) > 0, old...)
	s.set(tWell, len(well) > 0, well...)
}

// fileSigns compare the target's files, and those that the server reads, with the serial that should be there.
func (j *judge) fileSigns(s *scope, t *target) {
	own, known := t.own()
	switch {
	case known && own.cert.leafSerial() != "":
		ref := own.cert.ref
		ref.Expected = "serial " + strings.Join(t.want, " or ")
		s.set(tOursNew, t.wanted(own.cert.leafSerial()), ref)
		s.set(tOursOld, !t.wanted(own.cert.leafSerial()), ref)
	case !known && t.row != nil && t.row.Serial != "":
		refs := j.rowRefs(order.StageDeploy, []order.Row{*t.row})
		s.set(tOursNew, t.wanted(t.row.Serial), refs...)
		s.set(tOursOld, !t.wanted(t.row.Serial), refs...)
	default:
		s.unknown(tOursNew, "what the target's own files hold was not seen")
		s.unknown(tOursOld, "what the target's own files hold was not seen")
	}
	s.signs[tArrived] = s.signs[tOursNew]
	if t.tookBack() && t.row != nil && t.row.Problem != nil {
		s.set(tArrived, true, j.problemRef(order.StageDeploy, *t.row))
	}
	j.readSigns(s, t)
	j.heldSigns(s, t)
	late := s.signs[tOld].state == yes || s.signs[tOursOld].state == yes
	s.set(tLate, late, append(slices.Clone(s.signs[tOld].ev), s.signs[tOursOld].ev...)...)
	if !late && s.signs[tOld].state == dark && s.signs[tOursOld].state == dark {
		s.unknown(tLate, "neither the target's files nor its endpoints were seen")
	}
	j.touchSigns(s, t, own)
}

// heldSigns are whether the server could have loaded the current certificate: its files hold it, or held it until the
// push was taken back because it did not show on the wire.
func (j *judge) heldSigns(s *scope, t *target) {
	s.signs[tHeldNew] = s.signs[tFilesNew]
	s.vars["filesare"] = "The files are new"
	s.vars["held"] = "Vault and files hold serial " + s.vars["current"] + "."
	if !t.pushedInVain() || s.signs[tFilesNew].state == yes || s.signs[tReadsOther].state == yes {
		return
	}
	s.set(tHeldNew, true, j.problemRef(order.StageDeploy, *t.row))
	s.vars["filesare"] = "New files were put and taken back"
	s.vars["held"] = "The files held serial " + s.vars["current"] + ", and it did not show on the wire; so the former ones were put back."
}

// pushedInVain says whether a push was taken back because the wire went on showing the former certificate: nothing
// complained of the files.
func (t *target) pushedInVain() bool {
	return t.tookBack() && t.row != nil && t.row.Problem != nil && (t.dep.Tried == nil || t.dep.Tried.Exit == 0 && t.dep.Tried.Error == "")
}

// tookBack says whether the current version was pushed, and taken back because it did not appear on the wire.
func (t *target) tookBack() bool { return t.dep != nil && t.dep.Bad != 0 && t.dep.Bad == t.number }

// readSigns are about the files that the server's configuration names for the name.
func (j *judge) readSigns(s *scope, t *target) {
	chosen := t.chosen()
	if len(chosen) == 0 {
		for _, x := range []sign{tReadsOther, tNamed, tByLink} {
			s.unknown(x, "which files the server reads was not seen")
		}
		s.signs[tFilesNew], s.signs[tFilesOld] = s.signs[tOursNew], s.signs[tOursOld] // what it is told to read, as far as is known
		return
	}
	var fresh, stale, other, link []EvidenceRef
	named := false
	for _, p := range chosen {
		named = named || p.use.Named
		s.vars["from"] = p.use.From
		serial := p.cert.leafSerial()
		switch {
		case serial == "":
		case t.wanted(serial):
			fresh = append(fresh, p.cert.ref)
			s.vars["file"] = p.use.Certificate
		default:
			r := p.cert.ref
			r.Expected = "serial " + strings.Join(t.want, " or ")
			stale = append(stale, r)
			s.vars["other"], s.vars["fileserial"] = p.use.Certificate, serial
			if len(p.cert.Links) > 0 && (!t.isOurs(p.cert) || t.pushed() && !t.changedAfterPush(p.cert)) {
				link = append(link, r)
				s.vars["link"] = p.cert.Links[len(p.cert.Links)-1]
			}
		}
		if len(t.ours) > 0 && !t.isOurs(p.cert) {
			other = append(other, t.configRef(p.use))
		}
	}
	if len(other) < len(chosen) && !t.servesOnly(stale, s) {
		other = nil // the target's file is one of several, such as one for each kind of key
	}
	s.set(tNamed, named, t.configs[0].ref)
	s.set(tFilesNew, len(fresh) > 0 && len(stale) == 0, fresh...)
	s.set(tFilesOld, len(stale) > 0, stale...)
	s.set(tByLink, len(link) > 0, link...)
	if len(t.ours) == 0 {
		s.unknown(tReadsOther, "which files the target writes was not seen")
	} else {
		s.set(tReadsOther, len(other) > 0, other...)
	}
}

// servesOnly says whether the wire shows nothing but what the stale ones of several files for the name hold: then it is
// these that the server takes, whatever stands beside them.
func (t *target) servesOnly(stale []EvidenceRef, s *scope) bool {
	if len(stale) == 0 || s.signs[tWell].state != no || s.signs[tOld].state != yes {
		return false
	}
	for _, l := range t.looks {
		if !slices.ContainsFunc(t.chosen(), func(p pair) bool {
			return !t.isOurs(p.cert) && strings.EqualFold(p.cert.leafSerial(), serialOf(l.leaf()))
		}) {
			return false
		}
	}
	return len(t.looks) > 0
}

// configRef quotes the configuration that names a file.
func (t *target) configRef(u evidence.Use) EvidenceRef {
	for _, c := range t.configs {
		for _, x := range c.Uses {
			if x.Certificate == u.Certificate {
				return c.ref
			}
		}
	}
	return EvidenceRef{}
}

// pushSlack is how long after a push its own last touches may come.
const pushSlack = clockSlack

// pushed says whether the last push that stands was of the certificate that should be there.
func (t *target) pushed() bool {
	return t.dep != nil && t.dep.Receipt != nil && t.wanted(t.dep.Receipt.Serial)
}

// changedAfterPush says whether somebody changed the file after the last push that stands.
func (t *target) changedAfterPush(f *readFile) bool {
	return t.dep != nil && t.dep.Receipt != nil && f.Changed.After(t.dep.Receipt.At.Add(pushSlack))
}

// touchSigns say whether somebody else wrote the target's files, and what.
func (j *judge) touchSigns(s *scope, t *target, own pair) {
	if t.dep == nil || t.dep.Receipt == nil || own.cert == nil || !own.cert.Exists {
		s.unknown(tTouched, "whether somebody else wrote the files is not known without the receipt of a push")
		s.unknown(tForeign, "whether somebody else wrote the files is not known without the receipt of a push")
		return
	}
	// What holds another certificate than the push that stands put there was written since, however soon.
	other := own.cert.leafSerial() != "" && !strings.EqualFold(own.cert.leafSerial(), t.dep.Receipt.Serial)
	touched := t.pushed() && (other || t.changedAfterPush(own.cert))
	ref := own.cert.ref
	ref.Expected = "as pushed at " + day(t.dep.Receipt.At) + " UTC: serial " + t.dep.Receipt.Serial
	s.vars["since"] = own.cert.Changed.UTC().Format("2006-01-02 15:04:05") + " UTC"
	s.set(tTouched, touched, ref)
	foreign := touched && own.cert.leafSerial() != "" && j.versionOf(own.cert.leafSerial()) == nil &&
		(j.beganUnderUs(own.cert.leaf().NotBefore) || own.cert.Changed.Sub(own.cert.leaf().NotBefore) < freshlyIssued)
	s.set(tForeign, foreign, ref)
	if own.cert.leafSerial() != "" {
		s.vars["what"] = "serial " + own.cert.leafSerial() + ", " + own.cert.leaf().Subject
	}
}

// freshlyIssued is how old a certificate may be that was put into a file right after it was issued: authorities backdate by
// up to a day. What was put back from somewhere is older.
const freshlyIssued = 36 * time.Hour

// beganUnderUs says whether a certificate was issued since the order has its first version.
func (j *judge) beganUnderUs(from time.Time) bool {
	first := time.Time{}
	for i := range j.opts.Order.Versions {
		if v := &j.opts.Order.Versions[i]; first.IsZero() || v.NotBefore.Before(first) {
			first = v.NotBefore
		}
	}
	return !first.IsZero() && from.After(first)
}

// memorySigns are about HAProxy: what it holds in memory, and its lists.
func (j *judge) memorySigns(s *scope, t *target) {
	var open []EvidenceRef
	for _, m := range t.memories {
		for _, c := range m.Certs {
			if c.Open && t.concerns(c.File) {
				open = append(open, m.ref)
				s.vars["open"] = c.File + " (serial " + c.Serial + ")"
				s.vars["heals"] = "echo 'commit ssl cert " + c.File + "' | socat - " + quote(m.Socket)
			}
		}
	}
	if len(t.memories) > 0 {
		s.set(tOpen, len(open) > 0, open...)
	} else {
		s.unknown(tOpen, "the server's runtime socket was not asked")
	}
	for _, c := range t.configs {
		s.set(tHAProxy, c.Software == "haproxy", c.ref)
		named := slices.ContainsFunc(c.Uses, func(u evidence.Use) bool { return u.Named })
		s.set(tNotListed, len(c.Lists) > 0 && !named, c.ref)
		if len(c.Lists) > 0 {
			s.vars["list"] = c.Lists[0]
		}
	}
	old := s.signs[tFilesOld]
	s.set(tBehind, s.signs[tHAProxy].state == yes && old.state == yes, old.ev...)
	for _, p := range t.ours {
		if s.vars["file"] == "(not seen)" && (p.Role == "combined" || p.Role == "fullchain") {
			s.vars["file"] = p.Path
		}
	}
}

// concerns says whether a certificate in memory is one that the name gets, or one of the target's.
func (t *target) concerns(file string) bool {
	for _, p := range t.chosen() {
		if p.use.Certificate == file {
			return true
		}
	}
	return slices.ContainsFunc(t.ours, func(f *readFile) bool { return f.Path == file })
}

// smallest is the least space in which a chain and a key are sure to fit.
const smallest = 32 << 10

// placeSigns are whether the target's directories can be written.
func (j *judge) placeSigns(s *scope, t *target) {
	if len(t.dirs) == 0 {
		for _, x := range []sign{tDenied, tReadOnly, tFull} {
			s.unknown(x, "the target's directories were not looked at")
		}
		return
	}
	var denied, readOnly, full []EvidenceRef
	for _, d := range t.dirs {
		switch {
		case d.ReadOnly:
			readOnly = append(readOnly, d.ref)
		case !d.Writable:
			denied = append(denied, d.ref)
		case d.Free >= 0 && d.Free < smallest || d.FreeNode == 0:
			full = append(full, d.ref)
		default:
			continue
		}
		s.vars["dir"], s.vars["user"] = d.Path, d.User
	}
	s.set(tDenied, len(denied) > 0, denied...)
	s.set(tReadOnly, len(readOnly) > 0, readOnly...)
	s.set(tFull, len(full) > 0, full...)
}
