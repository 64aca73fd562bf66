package diagnose

import (
	"slices"
	"strings"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// Signs of an order's renewal (perOrder).
const (
	nWaits       sign = "the-time-of-renewal-has-not-come"
	nAdvanced    sign = "the-authority-asks-for-an-earlier-renewal"
	nUnread      sign = "the-renewal-information-cannot-be-read"
	nDirectory   sign = "the-authority's-directory-can-be-read"
	nNoDirectory sign = "the-authority's-directory-cannot-be-read"
	nExternal    sign = "the-next-version-needs-whoever-holds-the-key"
	nByHand      sign = "a-version-is-to-be-put-by-whoever-holds-its-key"
	nAdded       sign = "a-name-was-added-since-the-last-version"
	nAddedOnly   sign = "only-the-added-name-is-not-verified"
	nSigned      sign = "a-version-is-signed-and-not-in-the-vault"
	nStoreFail   sign = "the-vault-did-not-take-it"
	nLoop        sign = "versions-follow-one-another-much-faster-than-they-have-to"
	nSubOff      sign = "the-subscription-is-not-enabled"
	nHook        sign = "a-hook-after-the-push-failed"
)

// renewSigns are where the next version of the order stands. Everything here is in the order itself; the
// authority's renewal information may be seen afresh.
func (j *judge) renewSigns(s *scope) {
	s.set(cServesWell, j.servesWell())
	j.recordedSigns(s)
	o := j.opts.Order
	if o == nil || o.Ended() {
		return
	}
	ref := func(what, seen string) EvidenceRef {
		return EvidenceRef{Probe: evidence.ProbeOrder, Subject: "order " + o.ID.Name + " " + what, Seen: seen, From: "server", At: j.now, Command: "certwright order show " + quote(o.ID.Name)}
	}
	v := j.newestVersion(o)
	if v != nil {
		s.vars["serial"], s.vars["end"] = v.Serial, day(v.NotAfter)+" UTC"
	}
	j.externalSigns(s, o, v, ref)
	if o.Kind != order.Ordered {
		return
	}
	if v != nil {
		at := o.RenewTime(v)
		s.vars["renewAt"] = day(at) + " UTC"
		s.set(nWaits, o.Spec.AutoRenew && j.now.Before(at) && v.NotAfter.After(j.now), ref("next renewal", day(at)))
		j.windowSigns(s, o, v)
		j.addedSigns(s, o, v, ref)
	}
	j.signedSigns(s, o, ref)
	j.loopSigns(s, o, ref)
}

// externalSigns find a next version that cannot come without whoever holds the key. v is the newest one; nil = none.
func (j *judge) externalSigns(s *scope, o *order.Order, v *order.Version, ref func(string, string) EvidenceRef) {
	s.set(nExternal, false)
	switch {
	case !o.Spec.ExternalKey:
	case o.Kind == order.Ordered:
		for _, n := range o.Needs {
			if p := n.Problem; p != nil && p.ID == "renew-external-csr" {
				s.set(nExternal, true, ref("certificate request", p.Detail))
				s.vars["extcause"], s.vars["extfix"] = strings.TrimSpace(sentence(p.Detail)), p.Fix
				if v != nil {
					s.vars["extcause"] += " The present certificate ends at " + s.vars["end"] + "."
				}
			}
		}
	case v != nil && v.NotAfter.Sub(j.now) < Late(v.NotBefore, v.NotAfter):
		s.set(nExternal, true, ref("newest version", "ends "+day(v.NotAfter)), ref("key", "not here"))
		s.vars["extcause"] = "The present certificate ends at " + s.vars["end"] + ". It was imported without its private key."
		s.vars["extfix"] = "Have the next one issued where the key is and import it under the same name; or order it here with a request: certwright order create NAME --csr FILE"
	}
}

// newestVersion is the version that ends last of those that were issued and not withdrawn.
func (j *judge) newestVersion(o *order.Order) *order.Version {
	var newest *order.Version
	for i := range o.Versions {
		v := &o.Versions[i]
		if v.State != order.VersionRevoked && !v.Issued.Before(o.Ordered) && (newest == nil || v.NotAfter.After(newest.NotAfter)) {
			newest = v
		}
	}
	return newest
}

// recordedSigns are the problems of the path that a row of the renewal stands for.
func (j *judge) recordedSigns(s *scope) {
	for _, st := range j.path {
		for _, r := range problemRows(st) {
			name, ok := map[string]sign{"sub-disabled": nSubOff, "renew-hook-failed": nHook, "sync-key-external": nByHand}[r.Problem.ID]
			if !ok && st.Stage == order.StageDeploy && j.serverAgrees(r) {
				name, ok = nHook, true
			}
			if !ok {
				continue
			}
			s.set(name, true, j.problemRef(st.Stage, r))
			s.vars["what"] = strings.TrimRight(r.Problem.Error(), ".")
			if name == nSubOff {
				s.vars["subscription"] = strings.TrimPrefix(r.Problem.Where, "subscription ")
			}
			if name == nByHand {
				s.vars["byhand"] = s.vars["what"]
			}
		}
	}
}

// serverAgrees says whether a command failed although the server's own test finds nothing to complain of, with the former
// files in place as well, and although the server did start new workers for them: then it is not the reload that failed,
// but what the command does besides.
func (j *judge) serverAgrees(r order.Row) bool {
	if r.Problem.ID != "sync-reload-failed-unrelated" {
		return false
	}
	tests, _ := payloads[evidence.ConfigTest](checked(j.obs, evidence.CheckTest), evidence.ProbeTarget)
	n := 0
	for _, t := range tests {
		if t.Target != r.Name {
			continue
		}
		if n++; t.Exit != 0 {
			return false
		}
	}
	return n > 0 && j.reloaded(r)
}

// reloaded says whether the servers of a target were seen to have taken their files again since the newest version was
// issued, for its push came after that. Processes are told by the machine's clock.
func (j *judge) reloaded(r order.Row) bool {
	if j.opts.Order == nil {
		return false
	}
	v := j.newestVersion(j.opts.Order)
	n := 0
	for _, l := range j.readTarget(r.Name).listeners {
		for _, m := range l.Masters {
			if n++; v == nil || !m.Renews || !loadedAfter(m, v.Issued.Add(-j.opts.Moved)) {
				return false
			}
		}
	}
	return n > 0
}

// windowSigns hold the authority's suggested window against the order's own time (RFC 9773).
func (j *judge) windowSigns(s *scope, o *order.Order, v *order.Version) {
	start, ref := time.Time{}, EvidenceRef{}
	s.vars["why"] = ""
	if w := v.Window; w != nil {
		start = w.Start
		ref = EvidenceRef{Probe: evidence.ProbeOrder, Subject: "order " + o.ID.Name + " suggested window", Seen: "from " + day(w.Start) + " to " + day(w.End), From: "server", At: j.now, Command: "certwright order show " + quote(o.ID.Name)}
		if w.Explanation != "" {
			s.vars["why"] = "It explains itself at " + w.Explanation + "."
		}
	}
	seen, from := payloads[evidence.RenewalInfo](checked(j.obs, evidence.CheckRenewal), evidence.ProbeCA)
	for i, info := range seen {
		if !strings.EqualFold(info.Serial, v.Serial) {
			continue
		}
		s.set(nDirectory, j.directorySeen(o, evidence.Pass))
		s.set(nNoDirectory, j.directorySeen(o, evidence.Fail))
		s.set(nUnread, info.Offered && info.Error != "" && from[i].Outcome == evidence.Fail, refOf(from[i]))
		s.vars["arierror"] = info.Error
		if info.Start != nil {
			start, ref = *info.Start, refOf(from[i])
			if info.Explanation != "" {
				s.vars["why"] = "It explains itself at " + info.Explanation + "."
			}
		}
	}
	if start.IsZero() {
		return
	}
	// Authorities suggest a time about two thirds into the life; half of it is well before any usual one.
	life := v.NotAfter.Sub(v.NotBefore)
	s.vars["windowStart"] = day(start) + " UTC"
	s.set(nAdvanced, start.Before(v.NotBefore.Add(life/2)) && !start.After(j.now), ref)
}

// addedSigns find names that the owner added after the newest version.
func (j *judge) addedSigns(s *scope, o *order.Order, v *order.Version, ref func(string, string) EvidenceRef) {
	var added []string
	for _, n := range o.Spec.Names {
		if len(v.Names) > 0 && !slices.ContainsFunc(v.Names, func(x string) bool { return strings.EqualFold(x, n.Value) }) {
			added = append(added, n.Value)
		}
	}
	s.set(nAdded, len(added) > 0, ref("names added", listed(added)))
	only := len(added) > 0
	for _, id := range o.Identifiers {
		fresh := slices.Contains(added, id.Value)
		if fresh && id.Verified != nil || !fresh && id.Problem != nil {
			only = false
		}
	}
	s.set(nAddedOnly, only, ref("verification of "+listed(added), "not done"))
	s.vars["added"] = listed(added)
}

// signedSigns find a version that the authority has signed and the vault does not hold.
func (j *judge) signedSigns(s *scope, o *order.Order, ref func(string, string) EvidenceRef) {
	s.set(nSigned, false)
	for i := range o.Attempts {
		a := &o.Attempts[i]
		if a.Phase != order.Signed {
			continue
		}
		waits := "waits to be stored since " + day(a.Since)
		s.set(nSigned, true, ref("attempt "+a.ID, waits))
		s.vars["vault"], s.vars["storefix"] = o.Spec.Vault, "The vault's own words follow once it is asked."
		if p := a.Problem; p != nil {
			s.set(nStoreFail, true, ref("attempt "+a.ID, p.Error()))
			s.vars["storefix"] = strings.TrimSpace(sentence(p.Error()))
		} else {
			s.set(nStoreFail, j.now.Sub(a.Since) > grace, ref("attempt "+a.ID, waits))
		}
	}
}

// loopSigns find versions that follow one another by themselves long before they have to.
func (j *judge) loopSigns(s *scope, o *order.Order, ref func(string, string) EvidenceRef) {
	n := 0
	for i := range o.Versions {
		v := &o.Versions[i]
		// A short life is renewed often by right: only what has most of a long life left counts.
		if v.Reason == order.Renewal && j.now.Sub(v.Issued) < 7*24*time.Hour && v.NotAfter.Sub(v.NotBefore) > 14*24*time.Hour {
			n++
		}
	}
	s.vars["renewals"] = itoa(n)
	s.set(nLoop, n >= 4, ref("renewals within seven days", itoa(n)))
}

// directorySeen says whether a look at the directory of the order's issuer ended so.
func (j *judge) directorySeen(o *order.Order, out evidence.Outcome) bool {
	seen, from := payloads[evidence.Authority](checked(j.obs, evidence.CheckDirectory), evidence.ProbeCA)
	for i, a := range seen {
		if strings.EqualFold(a.Issuer, o.Spec.Issuer) && from[i].Outcome == out {
			return true
		}
	}
	return false
}
