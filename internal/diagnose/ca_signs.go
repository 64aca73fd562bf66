package diagnose

import (
	"slices"
	"strings"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/order"
)

// Signs of an authority (perIssuer): what it said, as recorded, and what a look at it shows now.
const (
	cNowFixed    sign = "what-failed-then-passes-now"
	cServesWell  sign = "the-current-certificate-is-served-everywhere"
	cDirFails    sign = "the-directory-cannot-be-read-now"
	cDirReads    sign = "the-directory-can-be-read-now"
	cRefused     sign = "the-authority's-port-refuses-connections"
	cTimeout     sign = "the-authority's-host-does-not-answer"
	cCut         sign = "the-connection-to-the-authority-is-cut"
	cNoRoute     sign = "no-route-leads-to-the-authority"
	cUnresolved  sign = "the-authority's-host-name-is-not-found"
	cNXDomain    sign = "the-DNS-says-that-the-authority's-host-does-not-exist"
	cUntrusted   sign = "the-authority's-HTTPS-certificate-is-not-believed"
	cStrangeCA   sign = "the-certificate-is-made-by-something-on-the-way"
	cProxyAuth   sign = "the-proxy-on-the-way-wants-a-password"
	cNotACME     sign = "what-answers-is-no-ACME-directory"
	cServerError sign = "the-authority-answers-with-an-internal-error"
	cBusy        sign = "the-authority-says-to-come-back-later"
	cNoAnswer    sign = "no-HTTP-answer-came"
	cBlocked     sign = "the-packets-vanish-while-other-hosts-answer"
	cOthers      sign = "other-hosts-answer"
	cNobody      sign = "no-other-host-answers-either"
	cClosed      sign = "the-account-is-closed"
	cGone        sign = "the-authority-has-no-such-account"
	cProcessing  sign = "the-order-at-the-authority-is-still-being-processed"
	cLong        sign = "that-lasts-longer-than-it-should"
)

// issuerScopes makes a scope of every refusal that the path records, with what a look at the authority shows
// now beside it; one of the look alone where nothing was refused.
func (j *judge) issuerScopes() []*scope {
	live := newScope(perIssuer, "issuer", "the authority")
	j.liveSigns(live)
	var out []*scope
	for _, r := range j.refusals() {
		s := newScope(perIssuer, r.key, r.row.Name)
		for k, v := range live.signs {
			s.signs[k] = v
		}
		for k, v := range live.vars {
			s.vars[k] = v
		}
		j.refusalSigns(s, r)
		out = append(out, s)
	}
	if len(out) == 0 && len(live.signs) > 0 {
		out = append(out, live)
	}
	return out
}

// refusal of the path: a problem that a row about an authority is for.
type recordedRefusal struct {
	key   string
	stage order.StageName
	row   order.Row
	id    string
}

// refusals are the recorded problems that have a row of the authority's leg.
func (j *judge) refusals() []recordedRefusal {
	var out []recordedRefusal
	for _, st := range j.path {
		for _, r := range problemRows(st) {
			id := j.problemID(st.Stage, r.Problem)
			if row, ok := Explain(id); ok && row.Per == perIssuer {
				out = append(out, recordedRefusal{string(st.Stage) + " " + r.Name, st.Stage, r, id})
			}
		}
	}
	return out
}

// refusalSigns set what is known of one recorded refusal: the authority's words, our own history, and
// whether the same passes now.
func (j *judge) refusalSigns(s *scope, r recordedRefusal) {
	p, ref := r.row.Problem, j.problemRef(r.stage, r.row)
	s.set(said(r.id), true, ref)
	s.set(cServesWell, j.servesWell())
	fixed, why := j.passesNow(s, r.id, p)
	s.set(cNowFixed, fixed, append([]EvidenceRef{ref}, why...)...)
	s.vars["then"], s.vars["failed"] = r.id, lowerFirst(titleOf(p, r.row.Name))
	s.vars["said"] = strings.TrimSpace(sentence(quoteWords(p)))
	s.vars["until"] = "the time that it named"
	if until := p.Until; !until.IsZero() {
		s.vars["until"] = day(until) + " UTC"
	} else if r.row.NextAt != nil {
		s.vars["until"] = day(*r.row.NextAt) + " UTC"
	}
	s.vars["names"] = listed(j.namesOf(r.stage, r.row))
	j.historySigns(s)
}

// quoteWords are the words of whoever refused, with what they said of single names.
func quoteWords(p *order.Problem) string {
	words := strings.TrimRight(strings.TrimSpace(p.Detail), ".")
	for _, sub := range p.Sub {
		if !strings.Contains(words, sub.Detail) {
			words += "; " + sub.Identifier + ": " + strings.TrimRight(sub.Detail, ".")
		}
	}
	return `The authority said "` + words + `"`
}

// namesOf are the names that a recorded problem is about: those that it speaks of, else all.
func (j *judge) namesOf(stage order.StageName, r order.Row) []string {
	var spoken, all []string
	for _, sub := range r.Problem.Sub {
		if sub.Identifier != "" {
			spoken = append(spoken, sub.Identifier)
		}
	}
	if stage == order.StageVerify && r.Name != string(order.StageVerify) {
		return []string{r.Name}
	}
	if o := j.opts.Order; o != nil {
		for _, n := range o.Spec.Names {
			all = append(all, n.Value)
			if mentions(r.Problem.Detail+" "+r.Problem.What, n.Value) && !slices.Contains(spoken, n.Value) {
				spoken = append(spoken, n.Value)
			}
		}
	}
	switch {
	case len(spoken) > 0:
		return spoken
	case len(all) > 0:
		return all
	}
	return []string{j.target}
}

// historySigns tell what the order itself did lately.
func (j *judge) historySigns(s *scope) {
	s.vars["issued"], s.vars["attempts"], s.vars["count"], s.vars["history"] = "none", "no", "several", ""
	s.vars["issuer"], s.vars["profile"], s.vars["method"] = "the authority", "of that name", "the chosen method"
	o := j.opts.Order
	if o == nil {
		return
	}
	issued, tried := 0, 0
	for i := range o.Versions {
		if j.now.Sub(o.Versions[i].Issued) < 7*24*time.Hour {
			issued++
		}
	}
	for i := range o.Attempts {
		a := &o.Attempts[i]
		if j.now.Sub(a.Started) < 3*time.Hour {
			tried++
		}
		for _, p := range a.Proofs {
			if p.Problem != nil {
				s.vars["history"] = "The last of them: " + strings.TrimSpace(sentence(p.Name.Value+": "+p.Problem.Detail))
			}
		}
	}
	s.vars["issued"], s.vars["attempts"], s.vars["count"] = itoa(issued), itoa(tried), itoa(len(o.Spec.Names))
	for k, v := range map[string]string{"issuer": o.Spec.Issuer, "profile": o.Spec.Profile, "method": string(o.Spec.Method)} {
		if v != "" {
			s.vars[k] = v
		}
	}
}

// reachIDs are what a look at the directory shows to last or to be over; a signed message, what accountIDs are about.
var (
	reachIDs   = []string{"ca-unreachable", "ca-egress-blocked", "ca-host-unresolvable", "ca-directory-untrusted", "ca-tls-intercepted", "ca-proxy-auth", "ca-directory-not-json"}
	accountIDs = []string{"ca-account-*", "ca-eab-*", "ca-tos-changed", "ca-invalid-contact", "ca-badnonce-storm", "ca-nonce-cached-by-proxy", "ca-jws-url-mismatch", "ca-bad-signature-alg"}
	limitIDs   = []string{"ca-rate-limit-*", "ca-lb-throttle-503"}
)

// passesNow says whether what was refused is seen to pass now, with the looks that show it. What cannot be
// tried without asking the authority for something is not tried.
func (j *judge) passesNow(s *scope, id string, p *order.Problem) (bool, []EvidenceRef) {
	account := j.accountNow()
	switch {
	case predicts(limitIDs, id):
		return !p.Until.IsZero() && !p.Until.After(j.now), nil
	case predicts(reachIDs, id), id == "ca-5xx" && p.What == "read the directory":
		m := s.signs[cDirReads]
		return m.state == yes, m.ev
	case predicts(accountIDs, id) && p.What == "register the account": // the very message that was refused then
		return account.state == yes, account.ev
	}
	return false, nil
}

// accountNow says whether a signed message is accepted now and finds the account open.
func (j *judge) accountNow() mark {
	seen, from := payloads[evidence.Account](checked(j.obs, evidence.CheckAccount), evidence.ProbeCA)
	for i, a := range seen {
		if a.Status == "" && !a.None {
			continue
		}
		m := mark{state: no, ev: []EvidenceRef{refOf(from[i])}}
		if a.Status == "valid" {
			m.state = yes
		}
		return m
	}
	return mark{}
}

// checked are the observations of one check.
func checked(obs []evidence.Observation, check string) []evidence.Observation {
	var out []evidence.Observation
	for _, o := range obs {
		if o.Check == check {
			out = append(out, o)
		}
	}
	return out
}
