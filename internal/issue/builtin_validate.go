package issue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"certwright/internal/evidence"
	"certwright/internal/fulfill"
	"certwright/internal/order"
)

// Validate looks once at each name that is not proven yet: first its CAA set, then the proof itself. It
// does not wait: the caller comes again.
//
//   - Every proof comes back, with Done or with the Problem of this look.
//   - A name that is refused (a Problem of class GiveUp, such as a CAA set that excludes us) is no error.
//   - Otherwise, while a proof is not there: an error of class Retry if a look failed, else of class
//     Waiting for the owner, who has not published it yet.
func (b *Builtin) Validate(ctx context.Context, r fulfill.Request, o fulfill.Opening) ([]order.Proof, error) {
	proofs := slices.Clone(o.Proofs)
	builtinEach(len(proofs), func(i int) {
		p := &proofs[i]
		if b.shown(*p) {
			return
		}
		p.Done, p.ValidTill = false, nil
		if p.Problem = b.checkCAA(ctx, p.Name, p.Method); p.Problem != nil {
			return
		}
		if p.Problem = b.lookAtProof(ctx, *p); p.Problem == nil {
			until := b.opt.Now().Add(b.opt.Reuse)
			p.Done, p.ValidTill = true, &until
		}
	})
	if ctx.Err() != nil {
		return proofs, fmt.Errorf("validate: %w", ctx.Err())
	}
	worst := map[order.Class]*order.Problem{}
	for _, p := range proofs {
		if p.Problem != nil && worst[p.Problem.Class] == nil {
			worst[p.Problem.Class] = p.Problem
		}
	}
	switch {
	case worst[order.GiveUp] != nil:
		return proofs, nil
	case worst[order.Retry] != nil:
		return proofs, worst[order.Retry]
	case worst[order.Waiting] != nil:
		return proofs, worst[order.Waiting]
	}
	return proofs, nil
}

// shown says whether a proof was seen and still counts.
func (b *Builtin) shown(p order.Proof) bool {
	return p.Done && (p.ValidTill == nil || b.opt.Now().Before(*p.ValidTill))
}

// maySign says whether every name's control is shown and its CAA set permits, looked at within 8 hours.
func (b *Builtin) maySign(ctx context.Context, r fulfill.Request, o fulfill.Opening) error {
	methods := make([]order.Method, len(r.Names))
	for i, n := range r.Names {
		if p := b.checkName(n); p != nil {
			return p
		}
		j := slices.IndexFunc(o.Proofs, func(p order.Proof) bool { return p.Name == n && b.shown(p) })
		switch {
		case j >= 0:
			methods[i] = o.Proofs[j].Method
		case b.proven(r, n):
			methods[i] = r.Proven[n.Value].Method
		case !b.opt.NoControl:
			return b.giveUp("finalise", n.Value, "verify-lapsed", "control of the name is not shown, or no longer", "Nothing: a new attempt asks for it again")
		}
	}
	problems := make([]*order.Problem, len(r.Names))
	builtinEach(len(r.Names), func(i int) { problems[i] = b.checkCAA(ctx, r.Names[i], methods[i]) })
	for i, p := range problems {
		if p == nil {
			continue
		}
		if slices.ContainsFunc(o.Proofs, func(q order.Proof) bool { return q.Name == r.Names[i] && b.shown(q) }) && strings.HasPrefix(p.ID, "caa-") && p.Class == order.GiveUp {
			p.Detail = "rechecking caa: " + p.Detail
			p.Cause = "the CAA records were changed after control of the name was shown"
		}
		return p
	}
	return nil
}

// lookAtProof looks where the proof has to be. Nil: it is there.
func (b *Builtin) lookAtProof(ctx context.Context, p order.Proof) *order.Problem {
	switch p.Method {
	case order.MethodTXT:
		return b.lookAtTXT(ctx, p)
	case order.MethodDNS01:
		return b.lookAtDNS01(ctx, p)
	case order.MethodHTML:
		return b.lookAtPage(ctx, p)
	}
	return b.giveUp("validate", p.Name.Value, "ca-challenge-not-offered", fmt.Sprintf("the built-in authority does not verify by %s", p.Method), "Choose html, txt or dns-01")
}

// lookAtTXT asks for the TXT records at the registered domain.
func (b *Builtin) lookAtTXT(ctx context.Context, p order.Proof) *order.Problem {
	o := b.opt.Looks.LookDNS(ctx, p.Token, "TXT")
	res, _ := evidence.Decode[evidence.Resolved](o)
	problem := &order.Problem{Class: order.Waiting, What: "validate " + p.Name.Value, Where: "TXT " + p.Token, Owner: order.OwnerOwner, At: b.opt.Now(),
		Type: "urn:ietf:params:acme:error:unauthorized", Fix: fmt.Sprintf("Publish this record: %s. TXT %q", p.Token, p.Value)}
	switch {
	case o.Outcome == evidence.Unknown:
		problem.Class, problem.Type = order.Retry, "urn:ietf:params:acme:error:dns"
		problem.Detail = "DNS problem: " + o.Reason
		problem.Cause, problem.Fix = "the domain's name servers, or the resolver used here, do not answer", "See what the name servers answer: "+o.Command
	case slices.Contains(res.Records, p.Value):
		return nil
	default:
		b.explainTXT(ctx, p, res, problem)
	}
	return problem
}

// lookAtDNS01 asks every name server of the zone for the record at _acme-challenge, CNAMEs followed, as an ACME
// authority's resolver would, past what any resolver remembers. Each that answers must have it: any may be asked next.
func (b *Builtin) lookAtDNS01(ctx context.Context, p order.Proof) *order.Problem {
	at := order.ChallengeName(p.Name.Value)
	problem := &order.Problem{Class: order.Waiting, What: "validate " + p.Name.Value, Where: "TXT " + at, Owner: order.OwnerOwner, At: b.opt.Now(),
		Type: "urn:ietf:params:acme:error:unauthorized", Fix: fmt.Sprintf("Publish this record: %s. TXT %q", at, p.Value)}
	var silent []evidence.Observation
	found := false
	for _, o := range b.opt.Looks.LookServers(ctx, at, "TXT") {
		res, _ := evidence.Decode[evidence.Resolved](o)
		switch {
		case o.Outcome == evidence.Unknown:
			silent = append(silent, o)
		case slices.Contains(res.Records, p.Value):
			found = true
		case len(res.Records) > 0:
			problem.Detail = fmt.Sprintf("None of the %d TXT records at %s is the value, as %s has it", len(res.Records), at, res.Server)
			problem.Cause = "an earlier value, or a mistyped one"
			return problem
		default:
			problem.ID, problem.Detail = "dns-txt-missing", fmt.Sprintf("No TXT record found at %s, as %s has it", at, res.Server)
			problem.Cause = "the record is not published yet, or has not reached every name server"
			return problem
		}
	}
	if found {
		return nil
	}
	problem.Class, problem.Type = order.Retry, "urn:ietf:params:acme:error:dns"
	problem.Detail, problem.Cause = "DNS problem: no name server answers", "the domain's name servers do not answer"
	if len(silent) > 0 {
		problem.Detail, problem.Fix = "DNS problem: "+silent[0].Reason, "See what the name servers answer: "+silent[0].Command
	}
	return problem
}

// explainTXT finds the most telling reason why the value is not at its place: it stands elsewhere, in
// another form, or another value stands there.
func (b *Builtin) explainTXT(ctx context.Context, p order.Proof, res evidence.Resolved, problem *order.Problem) {
	problem.ID, problem.Detail = "dns-txt-missing", fmt.Sprintf("No TXT record found at %s", p.Token)
	if res.Rcode == "NXDOMAIN" {
		problem.Detail += " (NXDOMAIN: the name does not exist)"
	}
	problem.Cause = "the record is not published yet, or not yet visible here"
	if len(res.Records) > 0 {
		problem.Detail = fmt.Sprintf("None of the %d TXT records at %s is the token", len(res.Records), p.Token)
	}
	for _, v := range res.Records {
		switch {
		case strings.Contains(v, p.Value):
			problem.ID, problem.Cause = "dns-txt-quoted", "the token stands there with quotes, a prefix or a space around it"
			problem.Detail = fmt.Sprintf("The TXT record %q at %s holds the token and more", v, p.Token)
			return
		case len(v) == len(p.Value) && !strings.ContainsAny(v, " ="):
			problem.ID, problem.Cause = "dns-txt-wrong-value", "a mistyped token, or the token of another order"
			problem.Detail = fmt.Sprintf("Incorrect TXT record %q found at %s, expected %q", v, p.Token, p.Value)
		}
	}
	if problem.ID == "dns-txt-wrong-value" {
		return
	}
	name := strings.TrimPrefix(p.Name.Value, "*.")
	for _, at := range []struct{ name, id, cause string }{
		{"_acme-challenge." + p.Token, "txt-not-at-root", "it was published as for ACME"},
		{name, "txt-not-at-root", "it was published at the name itself and not at the domain (@)"},
		{p.Token + "." + p.Token, "dns-txt-double-label", "the DNS provider appends the zone's name by itself: enter @"},
	} {
		if at.name == p.Token {
			continue
		}
		other, _ := evidence.Decode[evidence.Resolved](b.opt.Looks.LookDNS(ctx, at.name, "TXT"))
		if slices.Contains(other.Records, p.Value) {
			problem.ID, problem.Cause = at.id, at.cause
			problem.Detail += fmt.Sprintf("; the token was found at %s", at.name)
			return
		}
	}
}

// Connection errors after which an authority goes on to the next address of a host.
var builtinNextAddress = []string{"refused", "timeout", "reset", "unreachable", "forbidden"}

// lookAtPage gets the page. As authorities do, it judges by the first address, IPv6 first, and by the
// next one only where no connection came about.
func (b *Builtin) lookAtPage(ctx context.Context, p order.Proof) *order.Problem {
	url := b.pageURL(p.Name, p.Token)
	looks := b.opt.Looks.FetchHTTP(ctx, url)
	if len(looks) == 0 {
		return b.pageProblem(p, url, evidence.Observation{Reason: "no look was made"}, evidence.Fetched{})
	}
	var first *order.Problem
	for _, o := range looks {
		f, _ := evidence.Decode[evidence.Fetched](o)
		if f.Error == "" && builtinHolds(f, p.Value) {
			return nil
		}
		problem := b.pageProblem(p, url, o, f)
		if first == nil {
			first = problem
		}
		connected := len(f.Hops) > 0 && f.Hops[0].Status != 0
		if connected {
			return problem
		}
		if !slices.Contains(builtinNextAddress, f.ErrorClass) {
			return first
		}
	}
	return first
}

// builtinHolds says whether the page is the value; white space at the end does not count.
func builtinHolds(f evidence.Fetched, value string) bool {
	return len(f.Hops) > 0 && f.Hops[len(f.Hops)-1].Status == 200 && strings.TrimRight(string(f.Body), " \t\r\n") == value
}

func builtinEach(n int, f func(i int)) {
	slots, done := make(chan struct{}, builtinParallel), make(chan struct{})
	for i := range n {
		go func() {
			slots <- struct{}{}
			defer func() { <-slots; done <- struct{}{} }()
			f(i)
		}()
	}
	for range n {
		<-done
	}
}

// builtinCAAFresh is how long a CAA look-up counts (BR 4.2.2.1).
const builtinCAAFresh = 8 * time.Hour

// checkCAA looks at the CAA set of a name and judges it, unless that was done within 8 hours with a yes.
// Nil: issuance is permitted.
func (b *Builtin) checkCAA(ctx context.Context, n order.Name, m order.Method) *order.Problem {
	if b.opt.NoCAA || n.Kind == order.IP {
		return nil
	}
	key := n.Value + " " + string(m)
	now := b.opt.Now()
	b.mu.Lock()
	at, ok := b.caa[key]
	b.mu.Unlock()
	if ok && now.Sub(at) < builtinCAAFresh {
		return nil
	}
	o := b.opt.Looks.LookCAA(ctx, n.Value)
	if o.Outcome != evidence.Pass {
		return b.caaUnknown(ctx, n, o)
	}
	res, ok := evidence.Decode[evidence.Resolved](o)
	if !ok {
		return b.caaUnknown(ctx, n, evidence.Observation{Reason: "the look gave no evidence"})
	}
	v := res.JudgeCAA(evidence.CAAQuery{Domain: b.opt.CAADomain, Wildcard: builtinWildcard(n), Account: b.opt.Account, Method: BuiltinCAAMethod(m)})
	if v.ID == "" {
		b.remember(key, now)
		return nil
	}
	p := b.giveUp("check CAA of "+n.Value, "CAA "+res.FoundAt, v.ID, v.Text, fmt.Sprintf("Add this record: %s. CAA 0 %s %q", res.FoundAt, builtinTag(n), b.opt.CAADomain))
	p.Type, p.Cause = "urn:ietf:params:acme:error:caa", "the owner of "+res.FoundAt+" says which authorities may issue, and this one is not among them as it asks"
	if v.ID == "caa-critical-unknown" {
		p.Fix = "Remove that property, or its critical flag: " + v.Property.String()
	}
	return p
}

func builtinTag(n order.Name) string {
	if builtinWildcard(n) {
		return "issuewild"
	}
	return "issue"
}

// BuiltinCAAMethod is a method's label in validationmethods: an authority's own begin with "ca-" (RFC 8657 section 4).
func BuiltinCAAMethod(m order.Method) string {
	if m == order.MethodNone || m == order.MethodDNS01 {
		return string(m)
	}
	return "ca-" + string(m)
}

// caaUnknown is the problem of a look-up that failed: never a permission (RFC 8659 section 6.1). If other
// types of the same name are answered, the fault is in how its servers treat CAA.
func (b *Builtin) caaUnknown(ctx context.Context, n order.Name, o evidence.Observation) *order.Problem {
	p := &order.Problem{Class: order.Retry, What: "check CAA of " + n.Value, Where: o.Subject, Detail: "DNS problem: " + o.Reason, Owner: order.OwnerOwner,
		Type: "urn:ietf:params:acme:error:dns", Cause: "the domain's name servers, or the resolver used here, do not answer", At: b.opt.Now(),
		Fix: "See what the name servers answer: " + o.Command}
	if strings.Contains(o.Reason, "truncated") {
		p.ID, p.Cause, p.Fix = "caa-truncated", "the CAA set is too large for UDP and TCP is blocked", "Open TCP port 53, or trim the CAA set"
		return p
	}
	if a := b.opt.Looks.LookDNS(ctx, strings.TrimPrefix(n.Value, "*."), "A"); a.Outcome != evidence.Unknown {
		p.ID, p.Cause = "caa-lookup-servfail", "the domain's name servers answer other types, but fail for CAA: old or broken DNS software"
	}
	return p
}

// remember keeps a yes, dropping those that count no more once there are many.
func (b *Builtin) remember(key string, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.caa) >= 10000 {
		for k, at := range b.caa {
			if now.Sub(at) >= builtinCAAFresh {
				delete(b.caa, k)
			}
		}
		if len(b.caa) >= 10000 {
			clear(b.caa)
		}
	}
	b.caa[key] = now
}
